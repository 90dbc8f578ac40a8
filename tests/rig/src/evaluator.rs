//! Evaluates the ISO of a real nixpkgs, purely and without a network, as a person's Nix would.

use std::fs;
use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};

use tempfile::TempDir;

use crate::iso::{CONFIG, Emitted};
use crate::real::Tree;
use crate::{Live, Outcome, copy, project, rows, shipped, temporary, write};

/// What a channel configuration's ISO is made of.
pub const CHANNEL: [&str; 2] = ["--nixpkgs", "github:NixOS/nixpkgs/nixos-24.05"];

/// A flake around a channel configuration: with a nested input (`tools/extra`), one that follows another, and one that is no
/// flake.
const FLAKE: &str = r#"{
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

/// A machine with Nix, the nixpkgs and the rig's inputs in its store, and directories of this machine.
pub struct Evaluator {
    pub live: Live,
    version: &'static str,
    pub nixpkgs: Stored,
}

/// A source in the store, as a lock has it.
pub struct Stored {
    pub path: String,
    pub narhash: String,
}

/// Adds a directory of the machine to its store.
pub fn store(live: &Live, path: &str) -> Stored {
    let said = live.sh(&format!(
        "{CONFIG}
         path=$(nix-store --add-fixed --recursive sha256 {path})
         echo $path $(nix hash to-sri --type sha256 $(nix-store -q --hash $path))"
    ));
    let said = said.ok().out;
    let (path, narhash) = said.trim().split_once(' ').unwrap();
    Stored {
        path: path.to_owned(),
        narhash: narhash.to_owned(),
    }
}

impl Evaluator {
    pub fn new(version: &'static str, nixpkgs: &str, directories: &[(&Path, &str)]) -> Self {
        let inputs = project().join("tests/rig/inputs");
        let bind = |what: &str, at: &str| format!("{what}:{at}");
        let mut live = Live::bare(version).with(&["--empty-store", "--bind", &bind(nixpkgs, "/inputs/nixpkgs/source")]);
        for input in ["tools", "extra", "dotfiles"] {
            let path = inputs.join(input).display().to_string();
            live = live.with(&["--bind", &bind(&path, &format!("/inputs/{input}/source"))]);
        }
        live = live.with(&[
            "--bind",
            &bind(
                &shipped("nix-cfg-iso").display().to_string(),
                "/usr/local/sbin/nix-cfg-iso",
            ),
        ]);
        for (path, at) in directories {
            live = live.with(&["--bind", &bind(&path.display().to_string(), at)]);
        }
        let nixpkgs = store(&live, "/inputs/nixpkgs/source");
        for input in ["tools", "extra", "dotfiles"] {
            store(&live, &format!("/inputs/{input}/source"));
        }
        Self { live, version, nixpkgs }
    }

    /// Locks `directory` (of this machine) as a person's Nix would have, with a network: the nixpkgs that it calls `branch`, and
    /// the flake at the top of this project where it is an input.
    pub fn lock(&self, directory: &Path, branch: &str, project: Option<&Stored>) {
        let nixpkgs = |branch: &str| {
            json!({
                "locked": {
                    "type": "github",
                    "owner": "NixOS",
                    "repo": "nixpkgs",
                    "rev": "3".repeat(40),
                    "lastModified": 1_717_000_000,
                    "narHash": self.nixpkgs.narhash,
                },
                "original": { "type": "github", "owner": "NixOS", "repo": "nixpkgs", "ref": branch },
            })
        };
        let mut nodes = json!({ "root": { "inputs": { "nixpkgs": "nixpkgs" } }, "nixpkgs": nixpkgs(branch) });
        if let Some(project) = project {
            nodes["root"]["inputs"]["nix-cfg-install"] = "nix-cfg-install".into();
            nodes["nix-cfg-install"] = json!({
                "inputs": { "nixpkgs": "nixpkgs_2" },
                "locked": { "type": "path", "path": project.path, "narHash": project.narhash },
                "original": { "type": "github", "owner": "nix-cfg-install", "repo": "nix-cfg-install" },
            });
            nodes["nixpkgs_2"] = nixpkgs("nixos-26.05");
        }
        let lock = json!({ "version": 7, "root": "root", "nodes": nodes });
        fs::write(directory.join("flake.lock"), lock.to_string()).unwrap();
    }

    /// Makes a flake of a channel configuration, with the lock of the rig's flake and the NAR hash of the real nixpkgs: as if a
    /// person had locked it.
    pub fn flake(&self, tree: TempDir) -> TempDir {
        write(&tree, "flake.nix", FLAKE);
        let lock = fs::read_to_string(project().join("target/rig/trees/flake/flake.lock")).unwrap();
        let mut lock: Value = serde_json::from_str(&lock).unwrap();
        lock["nodes"]["nixpkgs"]["locked"]["narHash"] = self.nixpkgs.narhash.as_str().into();
        write(&tree, "flake.lock", &lock.to_string());
        tree
    }

    /// `nix eval`, and what it took.
    pub fn eval(&self, what: &str) -> Outcome {
        let started = Instant::now();
        let stats = "export NIX_SHOW_STATS=1 NIX_SHOW_STATS_PATH=/tmp/stats";
        let said = self
            .live
            .sh(&format!("{CONFIG}\n{stats}\nnix eval {what} --no-write-lock-file"))
            .ok();
        let (cpu, heap) = rows::figures(&self.live.read("/tmp/stats"));
        eprintln!(
            "Nix {}: {} s, {cpu:.0} s of CPU, a heap of {heap} MB: {what}",
            self.version,
            started.elapsed().as_secs(),
        );
        said
    }

    /// The .drv file of an image of `directory`.
    pub fn image(&self, directory: &str) -> String {
        let said = self.eval(&format!("--raw path:{directory}#iso.drvPath"));
        assert!(said.out.ends_with(".iso.drv"), "{}", said.out);
        said.out
    }
}

/// Evaluates the ISOs of one nixpkgs, one after the other: to add a nixpkgs to the store takes half a minute.
pub struct IsoEvaluator {
    pub evaluator: Evaluator,
    directories: TempDir,
}

impl IsoEvaluator {
    /// With that version of Nix.
    pub fn new(version: &'static str, nixpkgs: &Tree) -> Self {
        let directories = temporary();
        Self {
            evaluator: Evaluator::new(version, &nixpkgs.path, &[(directories.path(), "/directories")]),
            directories,
        }
    }

    /// What the Nix function `what` makes of the ISO of `emitted`. `name` is the directory that it is evaluated in.
    pub fn eval(&self, name: &str, emitted: &Emitted, what: &str) -> Value {
        let directory = self.directories.path().join(name);
        if directory.exists() {
            fs::remove_dir_all(&directory).unwrap();
        }
        copy(emitted.dir(), &directory);
        let said = self
            .evaluator
            .eval(&format!("--json path:/directories/{name}#iso --apply '{what}'"));
        serde_json::from_str(&said.out).unwrap()
    }
}
