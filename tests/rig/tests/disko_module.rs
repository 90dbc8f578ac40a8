//! The scripts and options of the real disko, on a real nixpkgs: what the check reads of them, and that another disk changes no more
//! than it should.

use std::process::ExitCode;

use rig::real::{self, Tree, evaluated, on_each_tree_with, value};
use rig::{attach, detach, edit, project};
use serde_json::{Value, json};

/// The directory with the sources of disko.
const DISKO: &str = "DISKO";

const EVALUATE: &str = r#"
let
  system = layout: import /nixpkgs/nixos {
    configuration = { lib, ... }: {
      imports = [ /disko/module.nix layout ];
      nixpkgs.hostPlatform = "x86_64-linux";
      networking.hostId = "8425e349";
      system.stateVersion = "24.05";
    };
  };
  read = mode: layout: import /emitted/disko-layout.nix mode (system layout);
  esp = { type = "EF00"; size = "512M"; content = { type = "filesystem"; format = "vfat"; mountpoint = "/boot"; }; };
  partitions = partitions: device: {
    disko.devices.disk.main = { inherit device; type = "disk"; content = { type = "gpt"; inherit partitions; }; };
  };
  luks = {
    type = "luks";
    name = "crypted";
    content = {
      type = "btrfs";
      subvolumes = { "/root".mountpoint = "/"; "/nix".mountpoint = "/nix"; };
    };
  };
  encrypted = more: partitions { inherit esp; root = { size = "100%"; content = luks // more; }; };
  volumes = device: {
    imports = [ (partitions { grub = { type = "EF02"; size = "1M"; }; lvm = { size = "100%"; content = { type = "lvm_pv"; vg = "pool"; }; }; } device) ];
    disko.devices.lvm_vg.pool = {
      type = "lvm_vg";
      lvs.root = { size = "100%FREE"; content = { type = "filesystem"; format = "ext4"; mountpoint = "/"; }; };
    };
  };
  pool = device: {
    imports = [ (partitions { inherit esp; zfs = { size = "100%"; content = { type = "zfs"; pool = "tank"; }; }; } device) ];
    disko.devices.nodev."/tmp" = { fsType = "tmpfs"; };
    disko.devices.zpool.tank = {
      type = "zpool";
      datasets.root = { type = "zfs_fs"; mountpoint = "/"; };
      datasets.asked = { type = "zfs_fs"; options = { encryption = "on"; keyformat = "passphrase"; }; };
      datasets.read = { type = "zfs_fs"; options = { encryption = "on"; keyformat = "raw"; keylocation = "file:///tmp/key"; }; };
    };
  };
in
{
  luks = read "destroyFormatMount" (encrypted { } "/dev/sda");
  other = read "destroyFormatMount" (encrypted { } "/dev/sdb");
  mount = read "mount" (encrypted { passwordFile = "/tmp/password"; additionalKeyFiles = [ "/tmp/key" ]; } "/dev/sda");
  lvm = read "formatMount" (volumes "/dev/sda");
  zfs = read "destroyFormatMount" (pool "/dev/sda");
  unknown = read "destroyFormatMount" { imports = [ (encrypted { } "/dev/sda") ]; disko.devices.disk.nope.device = "/dev/sdc"; };
  none = read "destroyFormatMount" { };
  scripts = map (layout: builtins.attrNames (import /emitted/disko-scripts.nix (system layout))) [ (volumes "/dev/sda") { } ];
}
"#;

fn the_layouts_of_the_real_disko_are_read(tree: &Tree) {
    let disko = value(DISKO).unwrap();
    let more = [(disko.into(), "/disko"), (project().join("nix"), "/emitted")];
    let said = evaluated(tree, &more, EVALUATE);
    let found: Value = serde_json::from_str(&said.out).unwrap();
    let disk =
        |name: &str, device: &str| json!([{ "name": name, "device": device, "destroy": true, "has_table": true }]);
    let luks = &found["luks"];
    assert_eq!(luks["disks"], disk("main", "/dev/sda"));
    let volume = json!([{ "name": "crypted", "device": "/dev/disk/by-partlabel/disk-main-root" }]);
    assert_eq!(luks["asking"], volume);
    assert_eq!(luks["key_files"], json!([]));
    assert_eq!(luks["sets_file_systems"], json!(true));
    assert_ne!(luks["script"]["drv"], found["other"]["script"]["drv"]);
    assert_eq!(found["mount"]["asking"], json!([]));
    assert_eq!(found["mount"]["key_files"], json!(["/tmp/password", "/tmp/key"]));
    the_names_are_read(&found);
    for (name, script) in [
        ("luks", "disko-destroy-format-mount"),
        ("mount", "disko-mount"),
        ("lvm", "disko-format-mount"),
        ("zfs", "disko-destroy-format-mount"),
    ] {
        let out = found[name]["script"]["out"].as_str().unwrap();
        assert!(out.ends_with(script), "{name}: {out}");
    }
    assert_eq!(found["unknown"]["unknown"], json!(["nope"]));
    assert_eq!(found["unknown"]["script"], Value::Null);
    assert_eq!(found["none"], json!({ "disks": [] }));
    assert_eq!(
        found["scripts"],
        json!([["disko-format", "disko-mount", "disko-wipe"], []])
    );
}

fn the_names_are_read(found: &Value) {
    let names = |name: &str, of: &str| found[name]["names"][of].clone();
    let paths = [
        "/dev/disk/by-partlabel/disk-main-esp",
        "/dev/disk/by-partlabel/disk-main-root",
        "/dev/mapper/crypted",
    ];
    for path in paths {
        assert!(
            names("luks", "paths").as_array().unwrap().contains(&json!(path)),
            "{path}: {found}"
        );
    }
    assert_eq!(names("luks", "partitions"), json!(["disk-main-esp", "disk-main-root"]));
    assert!(
        names("lvm", "paths")
            .as_array()
            .unwrap()
            .contains(&json!("/dev/pool/root"))
    );
    assert_eq!(names("lvm", "groups"), json!(["pool"]));
    assert_eq!(names("zfs", "pools"), json!(["tank"]));
    assert_eq!(found["zfs"]["asking_datasets"], json!(["tank/asked"]));
    assert_eq!(found["zfs"]["key_files"], json!(["/tmp/key"]));
    assert_eq!(found["luks"]["asking_datasets"], json!([]));
    assert_eq!(found["zfs"]["outside"], json!(["/tmp"]));
}

const SERVER: &str = r#"
  boot.loader.grub.enable = true;
  disko.devices.disk.main = {
    type = "disk";
    device = "/dev/disk/by-id/another-machine";
    content = {
      type = "gpt";
      partitions = {
        grub = { type = "EF02"; size = "1M"; };
        root = { size = "100%"; content = { type = "luks"; name = "crypted"; content = { type = "filesystem"; format = "ext4"; mountpoint = "/"; }; }; };
      };
    };
  };
"#;

fn a_server_with_a_layout_is_checked_for_the_disk_that_was_chosen(tree: &Tree) {
    let disko = value(DISKO).unwrap();
    let (live, configuration) = real::server("2.34", tree, SERVER);
    edit(
        &configuration,
        "configuration.nix",
        "[ ./hardware",
        "[ ./disko/module.nix ./hardware",
    );
    edit(
        &configuration,
        "configuration.nix",
        "boot.loader.systemd-boot.enable = true;",
        "",
    );
    rig::run(
        "cp",
        &["-r", &disko, configuration.path().join("disko").to_str().unwrap()],
    );
    let (attach, detach) = (attach("/disk.img", "chosen"), detach("chosen"));
    let said = live
        .with(&["--firmware", "bios"])
        .sh(&format!(
            "umount /mnt; truncate -s 9G /disk.img
             {attach}
             nix-cfg-install --progress plain --check --online --disko wipe --disk main=/dev/chosen; code=$?
             nix-cfg-install --progress plain --check --online --disko wipe; test $? = 3 || code=90
             {detach}
             exit $code"
        ))
        .ok();
    for text in [
        "To be erased: /dev/chosen (`main` of the layout for disko)",
        "The configuration can be installed. Nothing was written.",
        "This machine has no disk /dev/disk/by-id/another-machine",
    ] {
        assert!(said.err.contains(text), "{text}\n{}", said.err);
    }
    assert!(
        !said.err.contains("warning: The installed configuration does not get"),
        "{}",
        said.err
    );
}

fn main() -> ExitCode {
    real::run(
        "tests/rig/tests/disko_module.rs",
        vec![
            on_each_tree_with(&[DISKO], the_layouts_of_the_real_disko_are_read),
            on_each_tree_with(&[DISKO], a_server_with_a_layout_is_checked_for_the_disk_that_was_chosen),
        ],
    )
}
