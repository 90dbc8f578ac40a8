//! What the check finds: one line for each broken configuration, all of them real trees that real Nix looks at, and those
//! in which nothing must be found. What a person reads is in tests/golden/check (`rig::golden`).

mod check_cases;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;

use check_cases::{Case, broken, good, reported_by_nix};
use rig::{Live, VERSIONS, golden, project, temporary};
use serde_json::{Value, json};

/// One problem as the table names it: severity, code and place.
fn short(problem: &Value) -> String {
    let mut text = format!(
        "{} {}",
        problem["severity"].as_str().unwrap(),
        problem["code"].as_str().unwrap()
    );
    if let Some(place) = problem.get("place") {
        text.push(' ');
        text.push_str(place["file"].as_str().unwrap());
        for number in ["line", "column"].iter().filter_map(|key| place[key].as_u64()) {
            write!(text, ":{number}").unwrap();
        }
    }
    text
}

/// As a person reads it, without the raw words of Nix, which differ by version, without sizes, which are those of Debian's
/// busybox and bash, and without the number of the disk's loop device.
fn long(problem: &Value) -> String {
    let mut text = format!(
        "{}: {}\n",
        problem["severity"].as_str().unwrap(),
        problem["what"].as_str().unwrap()
    );
    if let Some(place) = short(problem).splitn(3, ' ').nth(2) {
        writeln!(text, "  where: {place}").unwrap();
    }
    for (label, key) in [("why", "why"), ("what to do", "remedy")] {
        let words = problem[key].as_str().unwrap();
        if !words.is_empty() {
            writeln!(text, "  {label}: {}", words.replace('\n', "\n    ")).unwrap();
        }
    }
    let size = regex_lite::Regex::new(r"[0-9.]+ (kB|MB|files)").unwrap();
    let disk = regex_lite::Regex::new(r"/dev/loop[0-9]+").unwrap();
    disk.replace_all(&size.replace_all(&text, "… $1"), "/dev/loop…")
        .into_owned()
}

/// All problems of each case, in one live system: a live system a tree would take minutes.
fn check_all(nix: &str, cases: &[Case]) -> Vec<Vec<Value>> {
    let trees = temporary();
    for case in cases {
        let directory = trees.path().join(case.name);
        rig::copy(&project().join("target/rig/trees").join(case.base), &directory);
        (case.change)(&directory);
        fs::write(trees.path().join(format!("{}.sh", case.name)), script(case)).unwrap();
    }
    rig::copy(
        &project().join("target/rig/trees/channel"),
        &trees.path().join("as-it-was"),
    );
    // The UUID of the disk is in what a person reads.
    let live = Live::with_disk(nix).with(&[
        "--target-uuid",
        "01234567-89ab-cdef-0123-456789abcdef",
        "--bind",
        &format!("{}:/trees", trees.path().display()),
    ]);
    live.sh("mkdir /out; printf '%s\\n' /trees/*.sh | xargs -P 2 -n 1 bash")
        .ok();
    assert_eq!(live.sh("ls -A /mnt").ok().out, "lost+found\n", "the disk was written");
    cases
        .iter()
        .map(|case| problems(&live.read(&format!("/out/{}", case.name)), case.name))
        .collect()
}

/// Each in a mount namespace of its own, so that it can change what the machine is.
fn script(case: &Case) -> String {
    let Case {
        name,
        args,
        machine,
        wrapper,
        ..
    } = case;
    format!(
        "unshare --mount bash -c '{machine}
cp -a /trees/{name} /tmp/{name} && {wrapper} nix-cfg-install --check --progress json --source /tmp/{name} {args} > /out/{name} 2> /out/{name}.err
echo $? >> /out/{name}'"
    )
}

fn problems(events: &str, name: &str) -> Vec<Value> {
    let (events, code) = events.trim_end().rsplit_once('\n').unwrap();
    let events: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.last().unwrap()["event"], "done", "{name}");
    let problems: Vec<Value> = events.into_iter().filter(|event| event["event"] == "problem").collect();
    let refused = problems.iter().any(|problem| problem["severity"] == "error");
    assert_eq!(
        code,
        if refused { "3" } else { "0" },
        "the exit code of {name}: {problems:#?}"
    );
    problems
}

/// All, or those in `NIX_VERSIONS` (for a person in a hurry).
fn versions() -> Vec<String> {
    let chosen = std::env::var("NIX_VERSIONS").ok();
    let chosen = chosen.map(|list| list.split(',').map(str::to_owned).collect());
    chosen.unwrap_or_else(|| VERSIONS.map(str::to_owned).to_vec())
}

#[test]
fn every_broken_configuration_gives_its_problems_and_no_others() {
    let cases = broken();
    assert!(cases.len() >= 40, "{}", cases.len());
    let mut wrong = Vec::new();
    let mut texts = BTreeMap::new();
    for nix in versions() {
        // What the values and the files tell is the same for all.
        let cases = if nix == "2.26" { broken() } else { reported_by_nix() };
        for (case, problems) in cases.iter().zip(check_all(&nix, &cases)) {
            let found: Vec<String> = problems.iter().map(short).collect();
            if found != case.expected {
                wrong.push(format!(
                    "{} on Nix {nix}:\n  expected {:#?}\n  found {found:#?}",
                    case.name, case.expected
                ));
            }
            if nix == "2.26" {
                let text: Vec<String> = problems.iter().map(long).collect();
                texts.insert(format!("{}.txt", case.name), text.join("\n"));
            }
        }
    }
    if !texts.is_empty() {
        wrong.extend(golden::differences("check", &texts));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn nothing_is_found_in_good_configurations() {
    let cases = good();
    assert!(cases.len() >= 10, "{}", cases.len());
    for nix in versions() {
        for (case, problems) in cases.iter().zip(check_all(&nix, &cases)) {
            assert!(problems.is_empty(), "{} on Nix {nix}: {problems:#?}", case.name);
        }
    }
}

/// All that is in a directory, with its size and time of change.
fn listing(directory: &Path) -> BTreeSet<String> {
    let output = std::process::Command::new("find")
        .arg(directory)
        .args(["-mindepth", "1", "-printf", "%P %y %s %T@\n"])
        .output()
        .unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_check_needs_no_target_and_writes_nothing_but_what_nix_keeps_for_itself() {
    for tree in ["channel", "flake"] {
        let live = Live::new("2.26").iso_tree(&project().join("target/rig/trees").join(tree));
        // What the live system itself writes when it is started.
        live.sh("true").ok();
        let upper = live.state.path().join("live/upper");
        let before = listing(&upper);
        let said = live
            .install(if tree == "flake" {
                "--check --host alpha"
            } else {
                "--check"
            })
            .ok();
        assert!(said.err.contains("Nothing was written."), "{}", said.err);
        // The directories above a file change with it; the rig itself puts the program there.
        let written: Vec<String> = listing(&upper)
            .difference(&before)
            .filter(|line| !line.contains(" d ") && !line.starts_with("usr/local/"))
            .filter(|line| !line.starts_with("nix/var/nix/") && !line.starts_with("root/.cache/nix/"))
            .cloned()
            .collect();
        assert!(written.is_empty(), "{tree}: {written:#?}");
    }
}

#[test]
fn a_target_that_is_read_only_is_not_written_and_the_rest_is_found_all_the_same() {
    let tree = rig::tree("channel");
    rig::write(&tree, "motd.nix", "{ networking.hostName = \"other\"; }");
    rig::edit(&tree, "configuration.nix", "./modules/greeter.nix", "./motd.nix");
    let live = Live::with_disk("2.26").iso_tree(tree.path());
    live.sh("true").ok();
    let image = live.state.path().join("live/target.img");
    let before = fs::read(&image).unwrap();
    let live = live.with(&["--target-options", "ro,noload"]);
    live.install("--check").fails(
        3,
        &[
            "is mounted read-only",
            "`networking.hostName` is set to two different values",
        ],
    );
    assert!(fs::read(&image).unwrap() == before, "the disk was written");
}

/// The flake with one more input, `sub`, that its hosts use, locked as `node` says.
fn flake_with_sub(url: &str, node: &Value) -> tempfile::TempDir {
    let tree = rig::tree("flake");
    rig::write(&tree, "sub/flake.nix", "{ outputs = _: { x = true; }; }\n");
    rig::edit(
        &tree,
        "flake.nix",
        "    dotfiles = {",
        &format!("    sub.url = \"{url}\";\n    dotfiles = {{"),
    );
    rig::edit(
        &tree,
        "flake.nix",
        "      dotfiles,\n      ...",
        "      dotfiles,\n      sub,\n      ...",
    );
    rig::edit(
        &tree,
        "flake.nix",
        "host \"alpha\";",
        "builtins.seq sub.x (host \"alpha\");",
    );
    let text = fs::read_to_string(tree.path().join("flake.lock")).unwrap();
    let mut lock: Value = serde_json::from_str(&text).unwrap();
    lock["nodes"]["sub"] = node.clone();
    lock["nodes"]["root"]["inputs"]["sub"] = "sub".into();
    rig::write(&tree, "flake.lock", &serde_json::to_string_pretty(&lock).unwrap());
    tree
}

#[test]
fn a_lock_that_this_version_of_nix_cannot_use_is_reported_by_its_input() {
    let relative = "path:./sub";
    let path = json!({"path": "./sub", "type": "path"});
    let tarball = "https://example.invalid/sub.tar.gz";
    let locked = json!({
        "lastModified": 1_717_000_000,
        "narHash": "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "type": "tarball",
        "url": tarball,
    });
    let new = flake_with_sub(relative, &json!({"locked": path, "original": path, "parent": []}));
    let tar = flake_with_sub(
        tarball,
        &json!({"locked": locked, "original": {"type": "tarball", "url": tarball}}),
    );
    let unreadable = "This version of Nix cannot read how flake.lock locks the input `sub`";
    let absent = "The flake input `sub` (https://example.invalid/sub.tar.gz) is not on this medium";
    for (nix, tree, expected) in [
        ("2.8", &new, Some(unreadable)),
        ("2.26", &new, None),
        ("2.34", &new, None),
        ("2.8", &tar, Some(unreadable)),
        ("2.26", &tar, Some(absent)),
        ("2.34", &tar, Some(absent)),
    ] {
        let said = Live::new(nix).iso_tree(tree.path()).install("--check --host alpha");
        match expected {
            Some(text) => said.fails(3, &[text]),
            None => said.ok(),
        };
    }
}

#[test]
fn an_initrd_of_many_parts_needs_the_memory_of_one() {
    let tree = rig::tree("channel");
    let enable = "boot.initrd.systemd.enable = true; system.stateVersion";
    rig::edit(&tree, "configuration.nix", "system.stateVersion", enable);
    let live = Live::with_disk("2.26").iso_tree(tree.path());
    let check = |free_mb: u32| {
        live.sh(&format!(
            "echo 'MemAvailable: {} kB' > /meminfo && mount --bind /meminfo /proc/meminfo && nix-cfg-install --check",
            free_mb << 10
        ))
        .ok()
    };
    // Its image and a dozen derivations that are called initrd-… as well.
    let said = check(400);
    assert!(said.err.contains("initrd-units"), "{}", said.err);
    let low = "Building the system may need more memory than is free";
    assert!(!said.err.contains(low), "{}", said.err);
    assert!(check(100).err.contains(low));
}

#[test]
fn a_nix_that_is_killed_is_reported_as_killed() {
    let tree = rig::tree("channel");
    let live = Live::with_disk("2.26").iso_tree(tree.path());
    let said = live.sh("nix-cfg-install --check --progress plain & installer=$!
         for i in $(seq 2000); do pkill -KILL -x nix-instantiate && break; sleep 0.01; done
         wait $installer");
    said.fails(
        3,
        &[
            "`nix-instantiate` was killed",
            "what to do: Use a machine with more memory",
        ],
    );
}
