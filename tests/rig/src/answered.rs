//! A machine with an empty disk that an answers file installs. The kernel of the tests has no parser of a GPT;
//! tests/unattended/sfdisk makes the partitions.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::pty::on_terminal;
use crate::{FINGERPRINT, Live, Outcome, attach, edit, project, temporary, tree, write};

pub const DISK: &str = "/dev/disk/by-id/rig-disk";
pub const ANSWERS: &str = "machines:\n- match: all\n  disks: /dev/disk/by-id/rig-disk\n";
pub const INSTALL: &str = "nix-cfg-install --progress plain --answers /answers/a.yaml";

/// What the check reads of agenix and sshd.
pub const SECRETS: &str = "{ lib, ... }: {
  options.age = lib.mkOption { type = lib.types.attrs; };
  options.services.openssh = lib.mkOption { type = lib.types.attrs; };
  config.age = { secrets.wifi.path = \"/run/agenix/wifi\"; identityPaths = [ \"/etc/ssh/ssh_host_ed25519_key\" ]; };
  config.services.openssh = { enable = true; hostKeys = [ { type = \"ed25519\"; path = \"/etc/ssh/ssh_host_ed25519_key\"; } ]; };
}";

/// A machine with an empty disk, and answers on a stick of their own.
pub struct Machine {
    live: Live,
    /// The stick's files; `a.yaml` is the answers file.
    pub answers: TempDir,
    /// The configuration of the ISO.
    pub tree: TempDir,
}

impl Machine {
    pub fn new(answers: &str) -> Self {
        Self::with_module(answers, "{ }")
    }

    /// One whose configuration has this module as well.
    pub fn with_module(answers: &str, module: &str) -> Self {
        let config = tree("channel");
        write(&config, "more.nix", module);
        edit(&config, "configuration.nix", "imports = [", "imports = [ ./more.nix");
        let loader = "boot.loader.grub.device = \"/dev/vdz\";";
        edit(
            &config,
            "configuration.nix",
            "boot.loader.systemd-boot.enable = true;",
            loader,
        );
        let stick = temporary();
        write(&stick, "a.yaml", answers);
        let here = project().join("tests/rig/tests/unattended");
        let tool = |name: &str| format!("{}:/usr/local/sbin/{name}", here.join(name).display());
        // Debian's live system of the tests lacks them.
        let program = |name: &str| format!("/usr/bin/{name}:/usr/local/sbin/{name}");
        let live = Live::new("2.26").with(&[
            "--calamares",
            "3.3",
            "--firmware",
            "bios",
            "--iso-tree",
            config.path().to_str().unwrap(),
        ]);
        let image = live.state.path().join("disk.img");
        fs::File::create(&image).unwrap().set_len(700 << 20).unwrap();
        let binds = [
            format!("{}:/disk.img", image.display()),
            format!("{}:/answers", stick.path().display()),
            tool("sfdisk"),
            program("addpart"),
            program("delpart"),
            tool("mkfs.ext4"),
            tool("ssh-keygen"),
            "/usr/bin/ssh-keygen:/usr/local/lib/host/ssh-keygen".to_owned(),
            "/usr/lib/x86_64-linux-gnu:/usr/local/lib/host/lib".to_owned(),
        ];
        let binds: Vec<&str> = binds.iter().flat_map(|bind| ["--bind", bind]).collect();
        Self {
            live: live.with(&binds),
            answers: stick,
            tree: config,
        }
    }

    /// The machine starts, with its disk, and does what `script` says.
    pub fn boot(&self, script: &str) -> Outcome {
        let said = self.live.sh(&with_disk(script));
        self.power_off();
        said
    }

    /// As [`Machine::boot`], on a terminal. Returns what was seen.
    pub fn boot_on_a_terminal(&self, script: &str) -> String {
        let (_, seen) = on_terminal(self.live.command(&with_disk(script)), &[]);
        self.power_off();
        seen
    }

    pub fn image(&self) -> PathBuf {
        self.live.state.path().join("disk.img")
    }

    /// Gives back the loop devices, which are the host's.
    fn power_off(&self) {
        let listed = Command::new("losetup").arg("-j").arg(self.image()).output().unwrap();
        for line in String::from_utf8(listed.stdout).unwrap().lines() {
            let device = line.split(':').next().unwrap();
            Command::new("losetup").args(["-d", device]).status().unwrap();
        }
    }

    pub fn fingerprint(&self) -> String {
        self.boot(&format!("mount ${{hdd}}p2 /mnt || exit 1\n{FINGERPRINT}"))
            .ok()
            .out
    }
}

fn with_disk(script: &str) -> String {
    format!(
        "rm -rf /run/nix-cfg-install
         {}mkdir -p /dev/disk/by-id && ln -s ../../$(basename $hdd) {DISK}; sfdisk boot $hdd 2> /dev/null
         {script}",
        attach("/disk.img", "hdd")
    )
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.power_off();
    }
}
