//! Folders that `nix-cfg-iso` wrote, machines that build them, live systems that were booted from what was built.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::{Live, Outcome, project, shipped, temporary, tree};

/// Runs `nix-cfg-iso`.
pub fn nix_cfg_iso(args: &[&str]) -> Output {
    Command::new(shipped("nix-cfg-iso")).args(args).output().unwrap()
}

/// A directory that `nix-cfg-iso init` wrote.
pub struct Emitted {
    pub directory: TempDir,
}

impl Emitted {
    pub fn new(tree: &Path, args: &[&str]) -> Self {
        Self::init(&[&["--config", tree.to_str().unwrap()], args].concat())
    }

    pub fn init(args: &[&str]) -> Self {
        let directory = temporary();
        fs::remove_dir(directory.path()).unwrap();
        let dir = directory.path().to_str().unwrap();
        let output = nix_cfg_iso(&[&["init", dir], args].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self { directory }
    }

    /// For the miniature nixpkgs.
    pub fn miniature(name: &str, args: &[&str]) -> Self {
        Self::new(tree(name).path(), args)
    }

    pub fn dir(&self) -> &Path {
        self.directory.path()
    }
}

/// A machine with Nix, no network and what a network would give: the inputs and sources of the miniature nixpkgs.
pub fn builder(nix: &str, emitted: &Emitted) -> Live {
    builder_with(nix, emitted, &miniature())
}

/// The same with another miniature nixpkgs.
pub fn builder_with(nix: &str, emitted: &Emitted, nixpkgs: &Path) -> Live {
    let live = Live::bare(nix).with(&["--bind", &format!("{}:/work", emitted.dir().display())]);
    let tool = format!("{}:/usr/local/sbin/nix-cfg-iso", shipped("nix-cfg-iso").display());
    stocked(live.with(&["--bind", &tool]), nixpkgs)
}

/// The miniature nixpkgs.
pub fn miniature() -> PathBuf {
    project().join("target/rig/nixpkgs")
}

/// `live` with an empty store, and what a network would give.
pub fn stocked(live: Live, nixpkgs: &Path) -> Live {
    let mut live = live.with(&["--empty-store"]);
    let rig = project().join("tests/rig");
    for input in ["tools", "extra", "dotfiles"] {
        let path = rig.join("inputs").join(input);
        live = live.with(&["--bind", &format!("{}:/inputs/{input}/source", path.display())]);
    }
    live = live.with(&["--bind", &format!("{}:/inputs/nixpkgs/source", nixpkgs.display())]);
    let live = live.with(&["--bind", &format!("{}:/add-sources", rig.join("add-sources").display())]);
    live.sh(&format!(
        "{CONFIG}\nfor input in /inputs/*/source; do nix-store --add-fixed --recursive sha256 $input; done
         NIX_PATH=nixpkgs=/inputs/nixpkgs/source bash /add-sources"
    ))
    .ok();
    live
}

/// How a person's Nix is set up, apart from the network.
pub const CONFIG: &str = "export NIX_CONFIG='extra-experimental-features = nix-command flakes
substituters =
fsync-metadata = false
flake-registry ='";

/// The channel configuration's nixpkgs, which is locked to nothing in these tests.
pub const OVERRIDE: &str = "--override-input nixpkgs path:/inputs/nixpkgs/source";

pub fn nix(live: &Live, command: &str) -> Outcome {
    live.sh(&format!("{CONFIG}\nnix {command} --no-write-lock-file"))
}

/// Builds `#iso`, and returns the image file on this machine.
pub fn build(live: &Live, more: &str) -> PathBuf {
    let said = nix(
        live,
        &format!("build --no-link --print-out-paths path:/work#iso {more}"),
    )
    .ok();
    let directory = live
        .state
        .path()
        .join("live/upper")
        .join(said.out.trim().trim_start_matches('/'))
        .join("iso");
    fs::read_dir(&directory).unwrap().next().unwrap().unwrap().path()
}

/// A live system that was booted from `image`, with a disk.
pub fn boot(nix: &str, image: &Path) -> Live {
    Live::bare(nix).with(&["--target-size", "600M", "--iso", image.to_str().unwrap()])
}

/// A file of the configuration with which a booted live system starts Calamares.
pub fn calamares(live: &Live, name: &str) -> String {
    let directory = r"sed -n 's/.*XDG_CONFIG_DIRS=\([^$]*\).*/\1/p' /run/current-system/sw/bin/calamares";
    live.sh(&format!("cat $({directory})/calamares/{name}")).ok().out
}

/// What NixOS gives a machine with channels (nixos/modules/config/nix-channel.nix).
const NIX_PATH: &str = "nixpkgs=/nix/var/nix/profiles/per-user/root/channels/nixos:\
                        nixos-config=/etc/nixos/configuration.nix:\
                        /nix/var/nix/profiles/per-user/root/channels";

/// The machine that `live` installed, started from its own disk: its store and its /etc/nixos, and no medium.
pub struct Machine {
    live: Live,
}

impl Machine {
    pub fn of(nix: &str, installed: &Live) -> Self {
        let zfs = format!("{}:/zfs.nix", project().join("tests/machines/xps-zfs.nix").display());
        let live = Live::bare(nix).with(&["--empty-store", "--target-size", "600M", "--bind", &zfs]);
        fs::create_dir(live.state.path().join("live")).unwrap();
        let disk = "live/target.img";
        fs::rename(installed.state.path().join(disk), live.state.path().join(disk)).unwrap();
        Self { live }
    }

    pub fn sh(&self, script: &str) -> Outcome {
        self.live.sh(&format!(
            "{CONFIG}\nexport NIX_PATH={NIX_PATH}
             mkdir -p /nix /etc/nixos && mount --bind /mnt/nix /nix && mount --bind /mnt/etc/nixos /etc/nixos
             {script}"
        ))
    }
}
