//! With a real nixpkgs (`NIXPKGS`, a 24.05 tree): the ISO of each kind of configuration is evaluated, purely and without a
//! network. Nothing is built.

#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::fs;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use common::iso::{CONFIG, Emitted};
use common::{Live, Said, at_hand, copy, edit_text, project, temporary, write};
use serde_json::{Value, json};
use tempfile::TempDir;

/// One evaluation takes gigabytes and all of a processor: never two at once.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A machine with Nix, the nixpkgs and the rig's inputs in its store, and folders of this machine.
struct Evaluator {
    live: Live,
    version: &'static str,
    /// The NAR hash of the nixpkgs, as a lock has it.
    narhash: String,
}

impl Evaluator {
    fn new(version: &'static str, nixpkgs: &str, folders: &[(&Path, &str)]) -> Self {
        let inputs = project().join("tests/rig/inputs");
        let bind = |what: &str, at: &str| format!("{what}:{at}");
        let mut live = Live::bare(version).with(&["--empty-store", "--bind", &bind(nixpkgs, "/inputs/nixpkgs/source")]);
        for input in ["tools", "extra", "dotfiles"] {
            let path = inputs.join(input).display().to_string();
            live = live.with(&["--bind", &bind(&path, &format!("/inputs/{input}/source"))]);
        }
        for (path, at) in folders {
            live = live.with(&["--bind", &bind(&path.display().to_string(), at)]);
        }
        let said = live.sh(&format!(
            "{CONFIG}
             for input in nixpkgs tools extra dotfiles; do nix-store --add-fixed --recursive sha256 /inputs/$input/source; done > /paths
             nix hash to-sri --type sha256 $(nix-store -q --hash $(head -n 1 /paths))"
        ));
        let narhash = said.ok().out.trim().to_owned();
        Self { live, version, narhash }
    }

    /// Locks `folder` (of this machine) as a person's Nix would have, with a network: one input, the nixpkgs.
    fn lock(&self, folder: &Path) {
        let nixpkgs = json!({ "type": "github", "owner": "NixOS", "repo": "nixpkgs" });
        let with = |more: Value| {
            let mut reference = nixpkgs.clone();
            reference
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            reference
        };
        let locked = with(json!({ "narHash": self.narhash, "lastModified": 1_717_000_000, "rev": "3".repeat(40) }));
        let lock = json!({
            "version": 7,
            "root": "root",
            "nodes": {
                "root": { "inputs": { "nixpkgs": "nixpkgs" } },
                "nixpkgs": { "locked": locked, "original": with(json!({ "ref": "nixos-24.05" })) },
            },
        });
        fs::write(folder.join("flake.lock"), lock.to_string()).unwrap();
    }

    /// `nix eval`, and what it took.
    fn eval(&self, what: &str) -> Said {
        let started = Instant::now();
        let stats = "export NIX_SHOW_STATS=1 NIX_SHOW_STATS_PATH=/tmp/stats";
        let said = self
            .live
            .sh(&format!("{CONFIG}\n{stats}\nnix eval {what} --no-write-lock-file"))
            .ok();
        let stats: Value = serde_json::from_str(&self.live.read("/tmp/stats")).unwrap();
        eprintln!(
            "Nix {}: {} s, {} s of CPU, a heap of {} MB: {what}",
            self.version,
            started.elapsed().as_secs(),
            stats["cpuTime"].as_f64().unwrap().round(),
            stats["gc"]["heapSize"].as_u64().unwrap() >> 20,
        );
        said
    }

    /// The .drv file of an image of `folder`.
    fn image(&self, folder: &str) -> String {
        let said = self.eval(&format!("--raw path:{folder}#iso.drvPath"));
        assert!(said.out.ends_with(".iso.drv"), "{}", said.out);
        said.out
    }
}

/// A server as people write it.
const SERVER: &str = r#"{ pkgs, ... }:
{
  imports = [ ./hardware-configuration.nix ];
  boot.loader.systemd-boot.enable = true;
  networking.hostName = "server";
  environment.systemPackages = [ pkgs.htop ];
  users.users.ada = {
    isNormalUser = true;
    initialHashedPassword = "x";
  };
  system.stateVersion = "24.05";
}
"#;

/// The same as a flake with a nested input (`tools/extra`), one that follows another, and one that is no flake.
const SERVER_FLAKE: &str = r#"{
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-24.05";
  inputs.tools.url = "github:example/tools";
  inputs.tools.inputs.nixpkgs.follows = "nixpkgs";
  inputs.dotfiles.url = "github:example/dotfiles";
  inputs.dotfiles.flake = false;
  outputs =
    { nixpkgs, tools, dotfiles, ... }:
    {
      nixosConfigurations.server = nixpkgs.lib.nixosSystem {
        modules = [
          ./configuration.nix
          tools.nixosModules.default
          { environment.etc."dotfiles".source = dotfiles; }
        ];
      };
    };
}
"#;

fn server(system: &str) -> TempDir {
    let tree = temporary();
    write(&tree, "configuration.nix", SERVER);
    let hardware = fs::read_to_string(project().join("tests/trees/channel/hardware-configuration.nix")).unwrap();
    write(
        &tree,
        "hardware-configuration.nix",
        &hardware.replace("x86_64-linux", system),
    );
    tree
}

/// The lock of the rig's flake, with the NAR hash of the real nixpkgs: as if a person had locked it.
fn server_flake(narhash: &str) -> TempDir {
    let tree = server("x86_64-linux");
    write(&tree, "flake.nix", SERVER_FLAKE);
    let lock = fs::read_to_string(project().join("target/rig/trees/flake/flake.lock")).unwrap();
    let mut lock: Value = serde_json::from_str(&lock).unwrap();
    lock["nodes"]["nixpkgs"]["locked"]["narHash"] = narhash.into();
    write(&tree, "flake.lock", &lock.to_string());
    tree
}

/// What the frontier costs, and that it covers, is shown in tests/closure.rs.
fn without_frontier(emitted: &Emitted) {
    edit_text(
        &emitted.dir().join("flake.nix"),
        "desktop =",
        "closure = \"runtime\";\n        desktop =",
    );
}

const CHANNEL: [&str; 2] = ["--nixpkgs", "github:NixOS/nixpkgs/nixos-24.05"];

#[test]
fn a_real_nixpkgs_gives_the_calamares_iso_of_a_channel_a_flake_and_the_example_of_nix_offline_iso_on_every_nix() {
    let Some(nixpkgs) = at_hand("NIXPKGS", "evaluating an ISO of a real nixpkgs") else {
        return;
    };
    let example = at_hand(
        "NIX_OFFLINE_ISO",
        "evaluating the example of nix-offline-iso (a folder with its sources)",
    );
    let _alone = alone();
    let folders = temporary();
    let folder = |name: &str| folders.path().join(name);
    let server = server("x86_64-linux");
    let mut channels = vec![("channel", server.path().to_owned())];
    if let Some(example) = &example {
        channels.push(("example", Path::new(example).join("nix-cfg")));
    }
    let mut drvs = Vec::new();
    for version in ["2.26", "2.34"] {
        let evaluator = Evaluator::new(version, &nixpkgs, &[(folders.path(), "/folders")]);
        if drvs.is_empty() {
            for (name, tree) in &channels {
                let emitted = Emitted::new(tree, &CHANNEL);
                without_frontier(&emitted);
                evaluator.lock(emitted.dir());
                copy(emitted.dir(), &folder(name));
            }
            let emitted = Emitted::new(server_flake(&evaluator.narhash).path(), &[]);
            without_frontier(&emitted);
            copy(emitted.dir(), &folder("flake"));
        }
        let mut images: Vec<String> = channels
            .iter()
            .map(|(name, _)| evaluator.image(&format!("/folders/{name}")))
            .collect();
        images.push(evaluator.image("/folders/flake"));
        assert!(
            images.iter().all(|image| image.ends_with("-x86_64-linux.iso.drv")),
            "{images:?}"
        );
        drvs.push(images);
        // The target evaluates the flake by itself, and comes to the system that is on the ISO.
        let toplevel = "config.system.build.toplevel.drvPath";
        let on_iso = evaluator.eval(&format!(
            "--raw path:/folders/flake#iso.targets --apply 'all: (builtins.head all).{toplevel}'"
        ));
        let on_target = evaluator.eval(&format!(
            "--raw path:/folders/flake/nix-cfg#nixosConfigurations.server.{toplevel}"
        ));
        assert_eq!(on_iso.out, on_target.out);
    }
    assert_eq!(drvs[0], drvs[1], "2.26 and 2.34 make different images");
}
