//! `nix-cfg-iso delta`: an image that holds only what machines lack of an ISO, and updating from it.

use std::fs;
use std::path::PathBuf;

use rig::moment;
use rig::started::Started;
use rig::two_isos::{FIRST, SECOND, UPDATE, delta, directory, iso_of_beta, machine_with, on_builder, state};
use rig::update_image::{DELTA, for_machine, image, paths, receipt_with};
use serde_json::{Value, json};

/// How many store paths it holds, and of how many.
fn counts(said: &str) -> (u64, u64) {
    let words: Vec<&str> = said.split_whitespace().collect();
    let at = words.windows(2).position(|pair| pair == ["store", "paths,"]).unwrap();
    (words[at - 3].parse().unwrap(), words[at - 1].parse().unwrap())
}

fn machine() -> Started {
    machine_with(&[&for_machine().1])
}

/// What the machine has after an update: its systems and receipt, and its configuration.
fn result(machine: &Started) -> String {
    let script =
        "readlink -f /nix/var/nix/profiles/system; jq -S 'del(.finished)' /var/lib/nix-cfg-install/receipt.json
                  find /etc/nixos -type f -exec sha256sum {} + | sort; nix-collect-garbage; ls /nix/store | sort";
    machine.sh(script).ok().out
}

#[test]
fn a_machine_gets_from_an_image_with_what_it_lacks_the_same_as_from_the_whole_iso() {
    let (said, files) = for_machine();
    let (held, all) = counts(said);
    assert!(held < all, "{said}");
    for text in ["Wrote alpha.iso: ", "it saves ", " % of it.", "Signed with update-1."] {
        assert!(said.contains(text), "{text}: {said}");
    }
    let size = |path: PathBuf| fs::metadata(path).unwrap().len();
    let (own, whole) = (directory().join("alpha.iso"), directory().join("second.iso"));
    assert!(size(own) < size(whole));
    assert!(!files.join("EFI").exists(), "it starts no machine");
    let [by_delta, by_iso] = [machine(), machine()];
    let dry = by_delta.sh(&format!("{DELTA} --dry-run")).ok();
    for line in ["cowsay: none → 3.8", "would start the following units: cows.service"] {
        assert!(dry.err.contains(line), "{line}: {}", dry.err);
    }
    assert_eq!(state(&by_delta), FIRST);
    by_delta.sh(DELTA).ok();
    by_iso.sh(UPDATE).ok();
    assert_eq!(state(&by_delta), SECOND);
    rig::same(&result(&by_iso), &result(&by_delta), "by the image, and by the ISO");
    let roots = by_delta.sh("ls /nix/var/nix/gcroots/nix-cfg-install").ok().out;
    assert!(!roots.contains("update"), "{roots}");
    // The next one goes on from there.
    by_delta.sh(DELTA).ok();
    assert_eq!(state(&by_delta), SECOND);
}

#[test]
fn an_image_for_several_machines_has_what_any_of_them_lacks() {
    for_machine();
    let is_bash = |path: &Value| path.as_str().unwrap().ends_with("-bash-5.2");
    receipt_with("less.json", &|receipt| paths(receipt).retain(|path| !is_bash(path)));
    receipt_with("beta.json", &|receipt| receipt["host"] = json!("beta"));
    let (held, all) = counts(&for_machine().0);
    let (said, files) = image("both", "--since alpha.json --since less.json");
    assert_eq!(counts(&said), (held + 1, all), "{said}");
    // It has bash, which this machine has as well.
    let machine = machine_with(&[&files]);
    machine.sh(DELTA).ok();
    assert_eq!(state(&machine), SECOND);
    let (said, files) = image("hosts", "--since alpha.json --since beta.json");
    assert!(counts(&said).0 > held, "{said}");
    let machine = machine_with(&[&files]);
    machine.sh(DELTA).ok();
    assert_eq!(state(&machine), SECOND);
}

#[test]
fn an_image_since_an_iso_is_for_the_machines_that_were_installed_from_it() {
    let (held, all) = counts(&for_machine().0);
    let (said, files) = image("since-iso", "--since first.iso");
    let (more, of) = counts(&said);
    assert!(held <= more && more < of && all <= of, "{said}");
    let machine = machine_with(&[&files]);
    machine.sh(DELTA).ok();
    assert_eq!(state(&machine), SECOND);
    for (iso, texts) in [
        ("alpha.iso", &["alpha.iso is no ISO that nix-cfg-iso has made"][..]),
        ("cut.iso", &["cut.iso is no ISO that nix-cfg-iso has made"]),
    ] {
        let cut = "head -c 100000 first.iso > cut.iso";
        on_builder(cut).ok();
        delta(&format!("/work --since {iso} --key update.secret --out new.iso")).fails(1, texts);
    }
}

#[test]
fn a_machine_that_is_further_behind_is_told_what_it_lacks_before_anything_is_written() {
    for_machine();
    receipt_with("later.json", &|receipt| {
        let cowsay = machine()
            .sh(&format!("{UPDATE} 2> /dev/null; ls -d /nix/store/*-cowsay-3.8"))
            .ok()
            .out;
        paths(receipt).push(json!(cowsay.trim()));
    });
    let (_, files) = image("later", "--since later.json");
    let machine = machine_with(&[&files]);
    let lacks = [
        "1 store paths",
        "cowsay-3.8",
        "Use the whole ISO, or",
        "--since receipt.json",
        "Nothing was written",
    ];
    machine.sh(&format!("{DELTA} --dry-run")).fails(3, &lacks);
    machine.sh(DELTA).fails(3, &lacks);
    assert_eq!(state(&machine), FIRST);
    // It had it once.
    let had = fs::read_to_string(directory().join("later.json")).unwrap();
    let had: Value = serde_json::from_str(&had).unwrap();
    let had = had["paths"].as_array().unwrap().last().unwrap().as_str().unwrap();
    let write = format!("sed -i 's|\"paths\": \\[|&\"{had}\",|' /var/lib/nix-cfg-install/receipt.json");
    let gone = [
        "cowsay-3.8",
        "were removed since",
        "would lack them as well",
        "Nothing was written",
    ];
    machine.sh(&format!("{write}; {DELTA}")).fails(3, &gone);
    machine.sh(UPDATE).ok();
    assert_eq!(state(&machine), SECOND);
}

/// How often it is killed.
const KILLS: u32 = 10;

#[test]
fn killed_at_any_moment_a_machine_goes_on_from_the_same_image() {
    let timed = format!("began=$EPOCHREALTIME; {DELTA} || exit; echo $EPOCHREALTIME - $began | bc");
    let whole: f64 = machine().sh(&timed).ok().out.trim().parse().unwrap();
    let mut killed = 0;
    for number in 1..=KILLS {
        let (machine, after) = (machine(), whole * moment(number));
        let code = machine.sh(&format!("timeout -s KILL {after:.3} {DELTA}")).code;
        killed += u32::from(code == 137);
        machine.sh(DELTA).ok();
        assert_eq!(state(&machine), SECOND, "killed after {after:.3} s");
        let roots = machine.sh("ls /nix/var/nix/gcroots/nix-cfg-install").ok().out;
        assert!(!roots.contains("update"), "{roots}");
    }
    assert!(2 * killed >= KILLS, "only {killed} were killed before their end");
}

#[test]
fn what_the_image_counts_on_is_there_while_garbage_is_collected() {
    let machine = machine();
    let script = format!(
        "(while :; do nix-collect-garbage > /dev/null 2>&1; done) & collector=$!
         {DELTA}; code=$?
         kill $collector; wait $collector; exit $code"
    );
    machine.sh(&script).ok();
    assert_eq!(state(&machine), SECOND);
}

#[test]
fn the_image_of_another_machine_is_refused() {
    for_machine();
    let files = iso_of_beta();
    let machine = machine_with(&[&files]);
    machine.sh(DELTA).fails(3, &["alpha", "beta", "Nothing was written"]);
    let machine = self::machine();
    let host =
        format!("sed -i 's/\"host\": \"alpha\"/\"host\": \"gamma\"/' /var/lib/nix-cfg-install/receipt.json; {DELTA}");
    machine.sh(&host).fails(
        3,
        &[
            "The image has nothing for gamma",
            "It is for alpha, beta.",
            "Nothing was written",
        ],
    );
    machine
        .sh(&format!("{DELTA} --host gamma"))
        .fails(3, &["The image has nothing for gamma"]);
}

#[test]
fn a_key_that_cannot_sign_is_refused_and_none_that_exists_is_overwritten_as_advised() {
    for_machine();
    let public = "a:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=";
    fs::write(directory().join("public.key"), public).unwrap();
    fs::write(directory().join("short.key"), "a:AAAA").unwrap();
    for (args, text) in [
        ("/work --key /work/flake.nix", "flake.nix is inside /work"),
        ("path:/work#iso --key /work/flake.nix", "flake.nix is inside /work"),
        ("/work --key public.key", "public.key is a public key"),
        ("/work --key none.key", "none.key cannot be read"),
        ("/work --key short.key", "short.key is no secret key of Nix"),
    ] {
        let said = delta(&format!("{args} --since alpha.json --out new.iso")).fails(1, &[text]);
        // The command for a new key overwrites the files that it names.
        assert!(!said.err.contains("update.secret"), "{}", said.err);
    }
    assert!(!directory().join("new.iso").exists());
}

#[test]
fn whatever_is_wrong_with_the_options_is_said_at_once_and_nothing_is_written() {
    for_machine();
    receipt_with("old.json", &|receipt| {
        drop(receipt.as_object_mut().unwrap().remove("paths"));
    });
    receipt_with("gamma.json", &|receipt| receipt["host"] = json!("gamma"));
    for (name, text) in [
        ("bad.key", "a:AAAA"),
        ("half.json", "{"),
        ("other.json", "{\"kind\": 1}"),
    ] {
        fs::write(directory().join(name), text).unwrap();
    }
    for (args, code, texts) in [
        ("/work --key update.secret", 2, &["--since"][..]),
        ("/work --since alpha.json", 2, &["--key"]),
        (
            "/work --since none.json --since half.json --since other.json --since old.json --since / --key bad.key --out alpha.iso",
            1,
            &[
                "none.json is neither a receipt nor an ISO",
                "No such file",
                "half.json is neither",
                "other.json is neither",
                "It does not say what was installed.",
                "old.json does not say what the machine has",
                "It is a directory",
                "bad.key is no secret key",
                "alpha.iso exists",
            ],
        ),
        (
            "/work --since gamma.json --key update.secret --out new.iso",
            1,
            &["gamma, which the ISO does not have", "alpha, beta"],
        ),
        (
            "/work --since alpha.json --key update.secret --out none/new.iso",
            1,
            &["none", "No such file"],
        ),
        (
            "/work --since alpha.json --key update.secret --out /work/nix-cfg/new.iso",
            1,
            &["/work/nix-cfg/new.iso would be inside /work"],
        ),
        (
            "/none --since alpha.json --key update.secret --out new.iso",
            1,
            &["/none"],
        ),
    ] {
        let said = delta(args).fails(code, texts);
        assert!(!said.err.contains("os error"), "{}", said.err);
    }
    assert!(!directory().join("new.iso").exists());
}
