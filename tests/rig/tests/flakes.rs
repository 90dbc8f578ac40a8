//! Flakes as people have them: with an input that whoever makes the ISO cannot fetch, or in what only a feature of Nix reads.

use std::fs;

use rig::iso::{CONFIG, Emitted, boot, build, builder};
use rig::{edit, edit_text, tree, write};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The example flake with a private input that nothing uses.
fn with_secrets() -> TempDir {
    let tree = tree("flake");
    let url = "ssh://git@example.invalid/me/secrets";
    edit(
        &tree,
        "flake.nix",
        "  inputs = {\n",
        &format!("  inputs = {{\n    secrets.url = \"git+{url}\";\n"),
    );
    let lock = fs::read_to_string(tree.path().join("flake.lock")).unwrap();
    let mut lock: Value = serde_json::from_str(&lock).unwrap();
    let original = json!({ "type": "git", "url": url });
    let mut locked = original.clone();
    let more = json!({
        "lastModified": 1, "narHash": "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "ref": "refs/heads/main",
        "rev": "0123456789012345678901234567890123456789", "revCount": 1
    });
    locked
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    lock["nodes"]["secrets"] = json!({ "locked": locked, "original": original });
    lock["nodes"]["root"]["inputs"]["secrets"] = "secrets".into();
    write(
        &tree,
        "flake.lock",
        &(serde_json::to_string_pretty(&lock).unwrap() + "\n"),
    );
    tree
}

#[test]
fn an_input_that_cannot_be_fetched_and_that_nothing_uses_is_left_out_as_the_doctor_says() {
    let tree = with_secrets();
    let emitted = Emitted::new(tree.path(), &["--host", "alpha"]);
    for version in ["2.26", "2.34"] {
        let live = builder(version, &emitted);
        live.sh(&format!(
            "{CONFIG}\ncp -r /work /tmp/iso && nix flake lock path:/tmp/iso"
        ))
        .ok();
        let said = live.sh("nix-cfg-iso doctor /tmp/iso");
        let advice = said.err.lines().find_map(|line| line.split_once("exclude them: "));
        let (advice, _) = advice.unwrap_or_else(|| panic!("{said:?}")).1.split_once(';').unwrap();
        assert_eq!(advice, "unusedInputs = [ \"secrets\" ]");
        assert!(said.err.contains("that no host uses: \"secrets\""), "{}", said.err);
        let script = format!("sed -i 's/hosts = .*/&\\n {advice};/' /tmp/iso/flake.nix && nix-cfg-iso doctor /tmp/iso");
        live.sh(&script).ok();
    }
    edit_text(
        &emitted.dir().join("flake.nix"),
        "flake = inputs.config;",
        "flake = inputs.config; unusedInputs = [ \"secrets\" ];",
    );
    let builder = builder("2.34", &emitted);
    let live = boot("2.34", &build(&builder, ""));
    let said = live.install("").ok();
    let unused = "Flake inputs that are not on this medium, and that the system does not use: secrets.";
    assert!(said.err.contains(unused), "{}", said.err);
    let expected = fs::read_to_string(tree.path().join("flake.lock")).unwrap();
    assert_eq!(live.read("/mnt/etc/nixos/flake.lock"), expected);
}

#[test]
fn an_input_that_is_left_out_and_used_is_named() {
    let emitted = Emitted::miniature("flake", &["--host", "alpha"]);
    edit_text(
        &emitted.dir().join("flake.nix"),
        "flake = inputs.config;",
        "flake = inputs.config; unusedInputs = [ \"sercets\" ];",
    );
    let live = builder("2.26", &emitted);
    rig::iso::nix(&live, "eval --raw path:/work#iso.drvPath").fails(1, &["no input sercets", "unusedInputs"]);
}

#[test]
fn what_the_targets_own_nix_can_read_the_live_system_can_read_too() {
    let tree = tree("flake");
    edit(&tree, "flake.nix", "host \"alpha\";", "\"alpha\" |> host;");
    edit(
        &tree,
        "hosts/alpha/default.nix",
        "  services.greeter",
        "  nix.settings.experimental-features = \"nix-command flakes pipe-operators\";\n  services.greeter",
    );
    let emitted = Emitted::new(tree.path(), &["--host", "alpha"]);
    let builder = builder("2.34", &emitted);
    let image = build(&builder, "--extra-experimental-features pipe-operators");
    boot("2.34", &image).install("").ok();
}
