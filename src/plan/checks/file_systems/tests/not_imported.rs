//! A hardware configuration that nothing imports.

use super::*;
use crate::nix::facts::Facts;
use crate::plan::checks::before_machine;

#[test]
fn own_file_systems_without_the_hardware_file_are_a_warning_for_the_installer_and_for_the_doctor() {
    let directory = tempfile::tempdir().unwrap();
    let codes = |facter: bool, systems: Option<&[FileSystem]>| {
        let facts = Facts {
            disks: systems.map(|systems| Disks {
                facter,
                ..disks(systems)
            }),
            ..Facts::default()
        };
        let hardware = Hardware {
            path: "hardware-configuration.nix".into(),
            reason: String::new(),
            imported: false,
            doubt: None,
        };
        let of_doctor = before_machine(&facts, directory.path(), &hardware);
        let tree = Tree::new(directory.path(), &hardware.path, true);
        let of_installer = hardware_not_imported(facts.disks.as_ref(), &tree, &hardware);
        let no_root = facts.disks.as_ref().and_then(|disks| no_root(disks, &hardware));
        let of_installer: Vec<&str> = of_installer.iter().chain(&no_root).map(|one| one.code).collect();
        let of_doctor: Vec<&str> = of_doctor.iter().map(|one| one.code).collect();
        assert_eq!(of_doctor, of_installer);
        of_doctor
    };
    let own_root = [system("/", "/dev/disk/by-partlabel/disk-main-root", "ext4", &[])];
    // The file is absent; then nothing imports it.
    for _ in 0..2 {
        assert_eq!(codes(false, Some(&own_root)), ["hardware-not-imported"]);
        assert_eq!(codes(true, Some(&own_root)), [""; 0]);
        assert_eq!(codes(false, Some(&[])), ["root-file-system-none"]);
        assert_eq!(codes(false, None), ["hardware-not-imported"]);
        std::fs::write(directory.path().join("hardware-configuration.nix"), "{ }").unwrap();
    }
}

/// As the hosts of a flake are put together, and disko sets the file systems.
#[test]
fn a_hardware_file_without_file_systems_whose_import_cannot_be_read_is_seen_in_the_evaluation() {
    let hardware = Hardware {
        path: "hosts/a/hardware-configuration.nix".into(),
        reason: String::new(),
        imported: false,
        doubt: None,
    };
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(directory.path().join("hosts/a")).unwrap();
    std::fs::write(directory.path().join(&hardware.path), "{ }").unwrap();
    let warned = |file: &str| {
        let disks = Disks {
            hardware_files: vec![file.to_owned()],
            ..disks(&[system("/", "/dev/disk/by-partlabel/disk-main-root", "ext4", &[])])
        };
        let tree = Tree::new(directory.path(), &hardware.path, true);
        hardware_not_imported(Some(&disks), &tree, &hardware).is_some()
    };
    assert!(!warned("/nix/store/h-source/hosts/a/hardware-configuration.nix"));
    assert!(warned("/nix/store/h-source/hosts/b/hardware-configuration.nix"));
}
