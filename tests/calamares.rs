//! The real Calamares, unattended, with its own `mount` and `umount` and our module between them.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::path::Path;

use common::{Live, Said, project, temporary, write};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The version that NixOS 25.11 has; the other one is in the matrix of the main case.
const CALAMARES: &str = "3.3";

/// A live system with Calamares, its configuration, and a disk that the fake partition job "made".
struct Gui {
    live: Live,
    /// Calamares' configuration folder.
    folder: TempDir,
    storage: Value,
}

impl Gui {
    fn new(calamares: &str, tree: &str) -> Self {
        let folder = temporary();
        let rig = project().join("tests/rig/calamares");
        common::run(
            "cp",
            &["-a", &format!("{}/.", rig.display()), folder.path().to_str().unwrap()],
        );
        // Without it Calamares ends at once; git keeps no empty folder.
        std::fs::create_dir(folder.path().join("qml")).unwrap();
        let bind = |host: &Path, guest: &str| format!("{}:{guest}", host.display());
        let live = Live::with_disk("2.26").with(&[
            "--calamares",
            calamares,
            "--bind",
            &bind(folder.path(), "/calamares"),
            "--bind",
            &bind(&project().join("calamares-module"), "/module"),
        ]);
        let gui = Self {
            live: live.iso_tree(&project().join("target/rig/trees").join(tree)),
            folder,
            storage: json!({
                "firmwareType": "efi",
                "bootLoader": null,
                "username": "alice",
                "fullname": "Alice",
                "hostname": "anything",
                "keyboardLayout": "us",
                "keyboardVariant": "",
            }),
        };
        gui.settings();
        gui
    }

    /// What NixOS' settings.conf is after our changes, with jobs that stand in for those that need a screen.
    fn settings(&self) {
        write(
            &self.folder,
            "settings.conf",
            r"---
modules-search: [ /calamares/modules, /module, local ]
instances:
- { id: partition, module: record, config: partition.conf }
- { id: check, module: nixos, config: nixos-check.conf, weight: 8 }
- { id: install, module: nixos, config: nixos-install.conf, weight: 80 }
sequence:
- exec: [ seed, nixos@check, record@partition, mount, nixos@install, usermod, umount ]
- show: [ finished ]
branding: rig
prompt-install: false
dont-chroot: false
oem-setup: false
disable-cancel: false
disable-cancel-during-exec: true
hide-back-and-next-during-exec: false
quit-at-end: true
",
        );
        self.instance("check", "{}");
        self.instance("install", "{}");
        write(
            &self.folder,
            "modules/mount.conf",
            "---\nextraMounts:\n- { device: proc, fs: proc, mountPoint: /proc }\n- { device: tmpfs, fs: tmpfs, mountPoint: /run }\n",
        );
        write(&self.folder, "modules/umount.conf", "---\nemergency: true\n");
        write(&self.folder, "modules/finished.conf", "---\nrestartNowMode: never\n");
    }

    /// The configuration of one instance of our module: as it is shipped, with `more` (a YAML mapping on one line).
    fn instance(&self, step: &str, more: &str) {
        let name = match step {
            "check" => "Checking your NixOS configuration",
            _ => "Installing your NixOS configuration",
        };
        let mut configuration = json!({ "step": step, "name": name, "helper": "nix-cfg-install" });
        let more: Value = serde_yaml::from_str(more).unwrap();
        configuration
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        write(
            &self.folder,
            &format!("modules/nixos-{step}.conf"),
            &configuration.to_string(),
        );
    }

    /// The partitions that the fake partition job leaves, as the real one does: the first entry is empty.
    fn partitions(&self, partitions: &Value) {
        let mut all = vec![
            json!({"device": "", "mountPoint": "", "fs": "unknown", "fsName": "unknown", "uuid": "", "claimed": false}),
        ];
        all.extend(partitions.as_array().unwrap().iter().cloned());
        write(
            &self.folder,
            "modules/partition.conf",
            &json!({ "name": "partition", "storage": { "partitions": all } }).to_string(),
        );
    }

    /// Runs Calamares to its end and gives its log.
    fn run(&self) -> Said {
        self.run_with("")
    }

    /// With a shell command beside it, which is started first.
    fn run_with(&self, beside: &str) -> Said {
        write(&self.folder, "storage.json", &self.storage.to_string());
        self.partitions(&json!([
            {"device": "@device@", "mountPoint": "/", "fs": "ext4", "fsName": "ext4", "uuid": "", "claimed": true}
        ]));
        self.live.sh(&format!(
            "export QT_QPA_PLATFORM=offscreen QT_QUICK_BACKEND=software PYTHONDONTWRITEBYTECODE=1 XDG_RUNTIME_DIR=/run LC_ALL=C.UTF-8
             export PATH=$PATH:/run/current-system/sw/bin
             ln -sf /bin/true /usr/local/sbin/udevadm; ln -sf /bin/true /usr/local/sbin/sync
             {beside}
             timeout 120 calamares -d -X -c /calamares -D8 > /calamares.log 2>&1; code=$?
             cat /calamares.log
             exit $code"
        ))
    }

    /// The jobs that would have changed a disk and ran.
    fn ran(&self) -> String {
        self.live.sh("cat /ran 2> /dev/null; true").ok().out
    }
}

#[test]
fn a_configuration_is_installed_and_its_user_gets_the_password() {
    let gui = Gui::new(CALAMARES, "channel");
    let said = gui.run().ok();
    assert!(!said.out.contains("Installation failed"), "{}", said.out);
    assert_eq!(gui.ran(), "partition\n");
    let shadow = gui.live.read("/mnt/etc/shadow");
    assert!(shadow.contains("alice:$6$rig$hash:"), "{shadow}");
}

/// The title and the details of the error dialog, from the log.
fn dialog(said: &Said) -> String {
    let (_, rest) = said.out.split_once("Installation failed: ").expect(&said.out);
    let end = rest.find("\n1").unwrap_or(rest.len());
    rest[..end].to_owned()
}

#[test]
fn a_configuration_that_cannot_be_installed_is_refused_before_the_disk_is_partitioned() {
    let gui = Gui::new(CALAMARES, "channel");
    let tree = common::tree("channel");
    common::edit(&tree, "configuration.nix", "pkgs.cowsay", "pkgs.cowsay pkgs.htop");
    let gui = Gui {
        live: gui.live.tmp_tree(tree.path()),
        ..gui
    };
    let said = gui.run();
    let dialog = dialog(&said);
    assert!(
        dialog.starts_with("\"htop-3.3.0 (from environment.systemPackages) is not on this medium\""),
        "{dialog}"
    );
    for text in [
        "only a network has",
        "make the ISO from this configuration",
        "Nothing was written to a disk",
    ] {
        assert!(dialog.contains(text), "not said: {text}\n{dialog}");
    }
    assert_eq!(gui.ran(), "", "the partition job ran");
}

#[test]
fn a_login_name_that_the_configuration_does_not_have_is_refused_before_the_disk_is_partitioned() {
    let mut gui = Gui::new(CALAMARES, "channel");
    gui.storage["username"] = json!("mallory");
    let said = gui.run();
    let dialog = dialog(&said);
    assert!(dialog.contains("The configuration has no user `mallory`"), "{dialog}");
    assert!(dialog.contains("Its users are: alice"), "{dialog}");
    assert_eq!(gui.ran(), "", "the partition job ran");
}

#[test]
fn a_helper_that_is_missing_is_named() {
    let gui = Gui::new(CALAMARES, "channel");
    gui.instance("check", "{ helper: /nowhere/nix-cfg-install }");
    let said = gui.run();
    let dialog = dialog(&said);
    assert!(
        dialog.contains("The program /nowhere/nix-cfg-install is not on this system"),
        "{dialog}"
    );
    assert!(dialog.contains("Nothing was written to a disk"), "{dialog}");
    assert_eq!(gui.ran(), "", "the partition job ran");
}
