//! Calamares and hosts whose layout for disko makes the disk: what the job takes of the page "Disk", and that it refuses everything else
//! before a disk is touched. `tests/vm/scenarios/calamares_disko.py` has the page itself.

use rig::layout::{ENCRYPTED, PLAIN, bios, with_disk, with_layout};

/// Runs the job, as Calamares starts it, with this globalStorage, while /dev/chosen has a file system; its exit code is in the output.
const JOB: &str = r#"
mkfs.ext4 -q -L precious $chosen
mkfifo /storage
exec 8<> /storage
job() {
  code=0
  printf '%s\n' "$2" >&8
  nix-cfg-install --calamares "$1" < /storage || code=$?
  echo "code $code, $(blkid -o value -s LABEL $chosen)"
}
"#;

/// What the page leaves for /dev/chosen.
fn page(typed: &str) -> String {
    let shown =
        r#"{"device":"/dev/chosen","name":"chosen","identity":"7:0 1","model":"","size":"","holds":["x"],"uses":[]}"#;
    let json =
        format!(r#"{{"host":"","disks":{{"main":{{"shown":{shown},"typed":"{typed}"}}}},"passphrase":"open sesame"}}"#);
    format!("chosen is erased<!--{json}-->").replace('"', "\\\"")
}

#[test]
fn nothing_is_erased_that_the_page_did_not_show_as_it_is_and_have_confirmed() {
    let storage = |choice: &str| format!(r#"{{"firmwareType":"bios","packagechooser_disk":{choice}}}"#);
    let (wrong, right) = (page("other"), page("chosen"));
    let cases = [
        "null".to_owned(),
        r#""chosen is erased""#.to_owned(),
        format!("\"{wrong}\""),
        format!("\"{right}\""),
    ];
    let jobs: Vec<String> = cases
        .iter()
        .map(|choice| format!("job disko '{}'\n", storage(choice)))
        .collect();
    let said = with_disk(&bios(&with_layout(ENCRYPTED)), &format!("{JOB}{}", jobs.concat())).ok();
    let lines: Vec<&str> = said.out.lines().filter(|line| line.starts_with("code ")).collect();
    assert_eq!(lines, ["code 3, precious"; 4], "{}\n{}", said.out, said.err);
    let codes: Vec<&str> = said
        .out
        .lines()
        .filter_map(|line| line.split_once(r#""code":""#))
        .map(|(_, rest)| rest.split('"').next().unwrap())
        .collect();
    let expected = [
        "calamares-no-disk",
        "calamares-no-disk",
        // A loop is no disk of the machine.
        "calamares-disk-changed",
        "calamares-disk-not-confirmed",
        "calamares-disk-changed",
    ];
    assert_eq!(codes, expected, "{}", said.out);
    assert!(said.out.contains("Nothing was written to a disk."), "{}", said.out);
    assert!(!said.out.contains("open sesame") && !said.err.contains("open sesame"));
}

#[test]
fn with_the_page_of_partitions_a_layout_is_refused_before_anything_is_partitioned() {
    let tree = with_layout(PLAIN);
    let said = with_disk(
        &bios(&tree),
        &format!("{JOB}job check '{}'", r#"{"firmwareType":"bios","username":"alice"}"#),
    )
    .ok();
    assert!(said.out.contains("\ncode 3, precious\n"), "{}", said.out);
    for text in ["file-systems-fixed", "Nothing was written to a disk."] {
        assert!(said.out.contains(text), "{text}\n{}", said.out);
    }
}

#[test]
fn the_disks_of_the_machine_are_listed_without_what_is_none() {
    let tree = with_layout(PLAIN);
    let live = bios(&tree);
    let said = with_disk(&live, "nix-cfg-install --list-disks").ok();
    let listed: Vec<serde_json::Value> = serde_json::from_str(&said.out).unwrap();
    for disk in &listed {
        assert!(!disk["name"].as_str().unwrap().starts_with("loop"), "{}", said.out);
    }
    live.sh("nix-cfg-install --list-disks --check")
        .fails(2, &["cannot be used with"]);
}
