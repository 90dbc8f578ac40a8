//! From a report of a machine to what the doctor says of it.

use rig::iso::{CONFIG, Emitted, OVERRIDE, builder};
use rig::{Live, Outcome, shipped};
use serde_json::{Value, json};

/// The ISO directory of the channel configuration, a machine that builds it, and the report of that machine.
fn described() -> (Emitted, Live, Value) {
    let emitted = Emitted::miniature("channel", &["--nixpkgs", "github:NixOS/nixpkgs/nixos-24.05"]);
    let installer = format!(
        "{}:/usr/local/sbin/nix-cfg-install",
        shipped("nix-cfg-install").display()
    );
    let live = builder("2.26", &emitted).with(&["--bind", &installer]);
    live.sh(&format!(
        "{CONFIG}\ncp -r /work /tmp/iso && nix flake lock path:/tmp/iso {OVERRIDE}"
    ))
    .ok();
    let said = live.sh("nix-cfg-install --describe").ok();
    let report: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((&report["version"], &report["firmware"]), (&json!(1), &json!("uefi")));
    let generated = report["hardware_configuration"].as_str().unwrap();
    assert!(
        generated.contains("virtio_blk") && !generated.contains("fileSystems"),
        "{generated}"
    );
    (emitted, live, report)
}

/// What the doctor says of the machine of `report`, after a `change` of the configuration. It leaves nothing behind.
fn doctor(live: &Live, report: &Value, change: &str) -> Outcome {
    let text = report.to_string().replace('\'', "'\\''");
    live.sh(&format!(
        "rm -rf /tmp/ill; cp -r /tmp/iso /tmp/ill; printf %s '{text}' > /tmp/m.json; cd /tmp/ill/nix-cfg && {change}
         nix-cfg-iso doctor /tmp/ill --machine /tmp/m.json; code=$?
         ls -d /tmp/nix-cfg-install.* 2> /dev/null && exit 99; exit $code"
    ))
}

#[test]
fn the_doctor_answers_for_the_machine_that_was_described() {
    let (_emitted, live, report) = described();
    let mut whole = report.clone();
    whole["secure_boot"] = json!(false);
    whole["disks"] = json!([{ "path": "/dev/vdz" }]);
    let said = doctor(&live, &whole, "true").ok();
    assert!(
        said.out.contains("\nIt can be installed on this machine: ") && said.err.is_empty(),
        "{said:?}"
    );
    // What the report does not have was not checked.
    whole["disks"] = json!([]);
    let said = doctor(&live, &whole, "true").ok();
    let words = "Not checked, because the report does not say anything about it: its disks.\n";
    assert!(
        said.out.ends_with(words) && !said.out.contains("can be installed"),
        "{said:?}"
    );
    // A mistake in it is its own.
    let mut broken = report.clone();
    broken["hardware_configuration"] = json!("{ ... }: { no.such.option = true; }\n");
    doctor(&live, &broken, "true").fails(
        1,
        &["in the hardware configuration in the report", "where: /tmp/m.json"],
    );
    // Each value of the report is compared, and all problems are reported at once.
    let mut other = report.clone();
    other["firmware"] = json!("bios");
    other["platform"] = json!("aarch64-linux");
    doctor(&live, &other, "true").fails(
        1,
        &[
            "was started by a BIOS, and the configuration's boot loader (systemd-boot) needs UEFI",
            "where: /tmp/m.json",
            "this machine is aarch64-linux",
        ],
    );
    // GRUB on a disk that the machine has, by another name, and on one that it does not have.
    other["platform"] = report["platform"].clone();
    other["disks"] = json!([{ "path": "/dev/vdz", "names": ["/dev/disk/by-id/virtio-Z"] }]);
    let loader = "boot.loader.systemd-boot.enable = true";
    let grub = |disk: &str| format!("sed -i 's,{loader},boot.loader.grub.device = \"{disk}\",' configuration.nix");
    let said = doctor(&live, &other, &grub("/dev/disk/by-id/virtio-Z")).ok();
    assert!(said.err.is_empty(), "{said:?}");
    let said = doctor(&live, &other, &grub("/dev/sda")).ok();
    let words = "GRUB is to be installed on /dev/sda, which this machine does not have";
    assert!(said.err.contains(words), "{said:?}");
    // The configuration's own root is not in the way of the one that stands in for it.
    let root = "fileSystems.\"/\" = { device = \"/dev/disk/by-label/x\"; fsType = \"ext4\"; };";
    let change =
        format!("rm hardware-configuration.nix; sed -i 's,^  networking.hostName,  {root}\\n&,' configuration.nix");
    let said = doctor(&live, &report, &change);
    let words = "The configuration sets the file systems of this machine itself";
    assert!(said.err.contains(words), "{said:?}");
}

#[test]
fn a_report_of_nixos_facter_is_read_and_a_bad_file_gets_one_error() {
    let emitted = Emitted::miniature("flake", &["--host", "alpha", "--host", "beta"]);
    let live = builder("2.26", &emitted);
    live.sh(&format!(
        "{CONFIG}\ncp -r /work /tmp/iso && nix flake lock path:/tmp/iso"
    ))
    .ok();
    let doctor = |text: &str, options: &str| {
        live.sh(&format!(
            "printf %s '{text}' > /tmp/m.json; nix-cfg-iso doctor /tmp/iso --machine /tmp/m.json {options}"
        ))
    };
    let facter = r#"{ "version": 1, "system": "x86_64-linux", "uefi": { "supported": false }, "hardware": { } }"#;
    doctor(facter, "--host alpha").fails(1, &["was started by a BIOS"]);
    doctor(&facter.replace("false", "true"), "--host alpha").ok();
    doctor(facter, "").fails(1, &["The ISO has several hosts", "alpha, beta", "--host NAME"]);
    for (text, words) in [
        ("{", "Its end is missing"),
        ("none", "not JSON"),
        (r#"{"version":7,"hardware":{}}"#, "version 7"),
    ] {
        let said = doctor(text, "--host alpha").fails(1, &[words, "where: /tmp/m.json", "--describe"]);
        assert_eq!(said.err.matches("error: ").count(), 1, "{said:?}");
    }
}
