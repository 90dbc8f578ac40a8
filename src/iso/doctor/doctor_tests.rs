//! Each finding in an ISO directory that has it and no other.

#![allow(clippy::disallowed_types)] // The tests make git repositories.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::super::channels::Channels;
use super::super::flake_template::{self, CONFIG_DIR, IsoSpec};
use super::super::manifest::Manifest;
use super::*;
use crate::interrupt::Interrupt;
use crate::tree::source::ConfigKind;

const HARDWARE: &str = "{ lib, ... }: { nixpkgs.hostPlatform = lib.mkDefault \"x86_64-linux\"; }";
const LOCKED: &str = r#"{
  "nodes": {
    "nixpkgs": {
      "locked": { "type": "github", "owner": "NixOS", "repo": "nixpkgs", "rev": "1", "narHash": "sha256-x" },
      "original": { "type": "github", "owner": "NixOS", "repo": "nixpkgs" }
    },
    "root": { "inputs": { "nixpkgs": "nixpkgs" } }
  },
  "root": "root",
  "version": 7
}"#;
pub const KEY: &str = "AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ";

/// An ISO directory without a fault.
pub fn faultless(kind: ConfigKind) -> tempfile::TempDir {
    let spec = IsoSpec {
        kind,
        hosts: if kind == ConfigKind::Flake {
            vec!["a".to_owned()]
        } else {
            Vec::new()
        },
        desktop: "gnome".to_owned(),
        nixpkgs: "github:NixOS/nixpkgs/nixos-24.05".to_owned(),
        channels: Channels::new(),
        fetched: Vec::new(),
        system: "x86_64-linux".to_owned(),
        hardware_config: None,
        build_helper: true,
        state_version: None,
    };
    let dir = tempfile::tempdir().unwrap();
    let files = flake_template::files(&spec, &[]);
    for file in &files {
        file.write(dir.path()).unwrap();
    }
    Manifest::new(spec, &files).save(dir.path()).unwrap();
    let imports = "{ imports = [ ./hardware-configuration.nix ]; }";
    match kind {
        ConfigKind::Channel => {
            put(dir.path(), "configuration.nix", imports);
            put(dir.path(), "hardware-configuration.nix", HARDWARE);
        }
        ConfigKind::Flake => {
            put(
                dir.path(),
                "flake.nix",
                "{ inputs.nixpkgs.url = \"github:NixOS/nixpkgs\"; outputs = i: { }; }",
            );
            put(dir.path(), "flake.lock", LOCKED);
            put(dir.path(), "hosts/a/default.nix", imports);
            put(dir.path(), "hosts/a/hardware-configuration.nix", HARDWARE);
        }
    }
    dir
}

pub fn put(dir: &Path, name: &str, text: &str) {
    let path = dir.join(CONFIG_DIR).join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Writes what `init` writes for another choice.
fn respec(dir: &Path, change: fn(&mut IsoSpec)) {
    let mut spec = Manifest::load(dir).unwrap().spec;
    change(&mut spec);
    let files = flake_template::files(&spec, &[]);
    for file in &files {
        file.write(dir).unwrap();
    }
    Manifest::new(spec, &files).save(dir).unwrap();
}

/// Locks nixpkgs to another source.
fn relock(dir: &Path, locked: &str) {
    let github = r#""type": "github", "owner": "NixOS", "repo": "nixpkgs", "rev": "1""#;
    assert!(LOCKED.contains(github));
    put(dir, "flake.lock", &LOCKED.replace(github, locked));
}

fn gone(dir: &Path, name: &str) {
    fs::remove_file(dir.join(CONFIG_DIR).join(name)).unwrap();
}

fn git(dir: &Path) {
    assert!(
        Command::new("git")
            .arg("-C")
            .arg(dir)
            .args(["init", "-q"])
            .status()
            .unwrap()
            .success()
    );
}

fn large(dir: &Path) {
    put(dir, "video.mp4", "");
    let file = fs::File::options()
        .write(true)
        .open(dir.join(CONFIG_DIR).join("video.mp4"))
        .unwrap();
    file.set_len(120_000_000).unwrap();
}

pub fn look(dir: &Path) -> Vec<Diagnostic> {
    let path = std::env::var_os("PATH").unwrap();
    let runner = Runner::new(vec![("PATH".into(), path)], Interrupt::default());
    doctor(&runner, dir, false, None).unwrap()
}

/// The kind of configuration, what breaks it, the code that is found, and words of its text.
type Case = (ConfigKind, fn(&Path), &'static str, &'static [&'static str]);

const CASES: &[Case] = &[
    (
        ConfigKind::Flake,
        |dir| {
            let flake = dir.join("flake.nix");
            let text = fs::read_to_string(&flake).unwrap();
            fs::write(&flake, text.replace("hosts = [ \"a\" ]", "hosts = [ \"b\" ]")).unwrap();
            fs::rename(dir.join("nix-cfg/hosts/a"), dir.join("nix-cfg/hosts/b")).unwrap();
        },
        "host-not-on-iso",
        &["name the host `a`", "has: b.", "nix-cfg-install.yaml"],
    ),
    (
        ConfigKind::Channel,
        |dir| {
            put(
                dir,
                "configuration.nix",
                "{ imports = [ ./hardware-configuration.nix <a/b> ]; }",
            );
            fs::remove_file(dir.join("flake.nix")).unwrap();
        },
        "iso-files-missing",
        &["missing: flake.nix", "nix-cfg-iso update /"],
    ),
    (
        ConfigKind::Flake,
        |dir| fs::remove_file(dir.join("nix-cfg-install.yaml")).unwrap(),
        "iso-files-missing",
        &["missing: nix-cfg-install.yaml"],
    ),
    (
        ConfigKind::Channel,
        |dir| gone(dir, "hardware-configuration.nix"),
        "hardware-absent",
        &["is imported and does not exist", "hardware-config: PATH"],
    ),
    (
        ConfigKind::Channel,
        |dir| {
            gone(dir, "hardware-configuration.nix");
            put(dir, "configuration.nix", "{ imports = [ ./hw/box.nix ]; }");
            put(dir, "hw/box.nix", "# It was generated by ‘nixos-generate-config’\n{ }");
        },
        "hardware-absent",
        &["nothing imports that file", "These files look like one: hw/box.nix"],
    ),
    (
        ConfigKind::Flake,
        |dir| {
            fs::rename(dir.join("nix-cfg/hosts/a"), dir.join("nix-cfg/hosts/b")).unwrap();
            put(dir, "hosts/c/hardware-configuration.nix", HARDWARE);
        },
        "hardware-ambiguous",
        &[
            "hosts/b/hardware-configuration.nix",
            "hosts/c/hardware-configuration.nix",
            "hardware-config: PATH",
        ],
    ),
    (
        ConfigKind::Flake,
        |dir| gone(dir, "flake.lock"),
        "flake-lock-absent",
        &["nix flake lock"],
    ),
    (
        ConfigKind::Flake,
        |dir| {
            put(
                dir,
                "flake.nix",
                "{ inputs.nixpkgs.url = \"github:NixOS/nixpkgs\"; inputs.disko.url = \"github:nix-community/disko\"; outputs = i: { }; }",
            );
        },
        "flake-lock-incomplete",
        &["`disko`", "nix flake lock"],
    ),
    (
        ConfigKind::Flake,
        |dir| relock(dir, r#""type": "path", "path": "/home/me/nixpkgs""#),
        "input-outside",
        &["path:/home/me/nixpkgs", "Move it into the configuration"],
    ),
    (
        ConfigKind::Flake,
        |dir| relock(dir, r#""type": "git", "url": "file:///home/me/nixpkgs", "rev": "1""#),
        "input-outside",
        &["git+file:///home/me/nixpkgs", "where everybody can fetch it"],
    ),
    (
        ConfigKind::Flake,
        |dir| relock(dir, r#""type": "path", "path": "../nixpkgs""#),
        "input-outside",
        &[
            "`nixpkgs` is outside of the configuration",
            "../nixpkgs",
            "Move it into the configuration",
        ],
    ),
    (
        ConfigKind::Channel,
        |dir| {
            put(
                dir,
                "configuration.nix",
                "{\n  imports = [ <home-manager/nixos> ./hardware-configuration.nix ];\n}",
            );
        },
        "lookup-path",
        &[
            "<home-manager/nixos>",
            "where: configuration.nix:2",
            "inputs.home-manager = {",
            "inherit (inputs) home-manager",
        ],
    ),
    (
        ConfigKind::Channel,
        |dir| {
            put(
                dir,
                "configuration.nix",
                "{ imports = [ ./hardware-configuration.nix (fetchTarball { url = \"https://e.example/x\"; sha256 = \"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\"; }) ]; }",
            );
        },
        "fetch-not-carried",
        &[
            "fetches from https://e.example/x",
            "where: configuration.nix:1:45",
            "extraStorePaths = [ (builtins.fetchTarball { url = \"https://e.example/x\"; sha256 = \"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\"; }) ]; }",
        ],
    ),
    (
        ConfigKind::Channel,
        |dir| put(dir, "configuration.nix", "{\n  x = }"),
        "syntax",
        &["where: configuration.nix:2:7"],
    ),
    (
        ConfigKind::Channel,
        |dir| respec(dir, |spec| spec.nixpkgs = "24.05".to_owned()),
        "flake-reference",
        &["cannot be \"24.05\"", "github:NixOS/nixpkgs/nixos-24.05"],
    ),
    (
        ConfigKind::Channel,
        |dir| respec(dir, |spec| spec.desktop = "kde".to_owned()),
        "desktop",
        &["has no live system `kde`", "plasma6"],
    ),
    (
        ConfigKind::Channel,
        |dir| put(dir, "id_ed25519", KEY),
        "tree-secret",
        &["id_ed25519", "sops-nix or agenix"],
    ),
    (
        ConfigKind::Flake,
        |dir| put(dir, "secrets/wifi.nix", "\0GITCRYPT\0 and more"),
        "tree-locked",
        &["secrets/wifi.nix", "git-crypt unlock"],
    ),
    (
        ConfigKind::Flake,
        |dir| put(dir, ".gitmodules", "[submodule \"x\"]\n\tpath = modules/x\n"),
        "tree-submodule",
        &["modules/x", "git submodule update --init"],
    ),
    (
        ConfigKind::Channel,
        large,
        "tree-large",
        &["video.mp4 (120", "Remove what"],
    ),
    (
        ConfigKind::Channel,
        git,
        "git-dirty",
        &["flake.nix", "git add", "path:"],
    ),
    (
        ConfigKind::Channel,
        |dir| {
            put(
                dir,
                "hardware-configuration.nix",
                &HARDWARE.replace("x86_64", "aarch64"),
            );
        },
        "platform",
        &[
            "is for aarch64-linux, and the ISO is for x86_64-linux",
            "--system aarch64-linux",
        ],
    ),
    (
        // The processor of another host is no fault.
        ConfigKind::Flake,
        |dir| {
            fs::rename(dir.join("nix-cfg/hosts/a"), dir.join("nix-cfg/hosts/b")).unwrap();
            put(dir, "hosts/a/default.nix", "{ }");
            let other = HARDWARE.replace("x86_64", "aarch64");
            put(dir, "hosts/b/hardware-configuration.nix", &other);
        },
        "hardware-other-host",
        &["hosts/b/hardware-configuration.nix"],
    ),
];

#[test]
fn nothing_is_found_where_there_is_no_fault() {
    for kind in [ConfigKind::Channel, ConfigKind::Flake] {
        assert_eq!(look(faultless(kind).path()), []);
    }
}

#[test]
fn each_fault_is_found_alone_with_its_remedy() {
    for (kind, break_it, code, words) in CASES {
        let dir = faultless(*kind);
        break_it(dir.path());
        let found = look(dir.path());
        let codes: Vec<&str> = found.iter().map(|problem| problem.code).collect();
        assert_eq!(codes, [*code], "{found:#?}");
        let text = found[0].to_string();
        for word in *words {
            assert!(text.contains(word), "{code} does not say {word}:\n{text}");
        }
        assert!(!found[0].remedy.is_empty(), "{code} has no remedy");
    }
}

#[test]
fn without_an_evaluation_nothing_is_called_buildable() {
    let dir = Path::new("/home/my iso");
    let evaluated = summary(dir, true);
    assert_eq!(
        evaluated,
        "/home/my iso can be built: nix build path:/home/my%20iso#iso"
    );
    let files = summary(dir, false);
    assert!(
        files.contains("nothing was evaluated") && !files.contains("nix build"),
        "{files}"
    );
    assert!(files.ends_with("nix-cfg-iso doctor '/home/my iso'"), "{files}");
}
