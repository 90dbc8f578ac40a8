//! All file systems, and what is reported.

use std::fs;

use super::*;

#[test]
fn a_root_in_memory_is_legal_and_what_is_bound_is_followed() {
    let memory = Mounted {
        kind: "tmpfs".into(),
        source: "none".into(),
        devices: Vec::new(),
        ..root()
    };
    let at = |at: &str, part: &str| Mounted {
        at: at.into(),
        part: part.into(),
        ..root()
    };
    let systems = [
        system("/", "none", "tmpfs", &["mode=755"]),
        system("/persist", "/dev/sda2", "ext4", &[]),
        system("/nix", "/persist/nix", "none", &["bind"]),
    ];
    let mounted = |part: &str| vec![memory.clone(), at("/persist", "/"), at("/nix", part)];
    assert_eq!(codes(&disks(&systems), mounted("/nix"), &Boot::default()), [""; 0]);
    assert_eq!(
        codes(&disks(&systems), mounted("/elsewhere"), &Boot::default()),
        [OTHER]
    );
    // The store would be under what is mounted over it; the root is on a disk.
    let unmounted = vec![memory, at("/persist", "/")];
    assert_eq!(codes(&disks(&systems), unmounted, &Boot::default()), [OTHER]);
    assert_eq!(root_is("none", "tmpfs", &[], root()), [OTHER]);
    // A disk is mounted where memory will be: only what is written there besides the store is lost.
    let on_disk = vec![root(), at("/persist", "/"), at("/nix", "/nix")];
    assert_eq!(
        codes(&disks(&systems), on_disk, &Boot::default()),
        ["Warning file-system-other"]
    );
    assert_eq!(
        codes(
            &disks(&systems[1..2]),
            vec![
                Mounted {
                    kind: "tmpfs".into(),
                    devices: Vec::new(),
                    ..root()
                },
                at("/persist", "/")
            ],
            &Boot::default()
        ),
        [""; 0],
        "another check reports that there is no root"
    );
}

#[test]
fn what_holds_the_store_or_the_boot_loader_has_to_be_mounted_on_both_sides() {
    let root_system = system("/", "/dev/sda2", "ext4", &[]);
    let esp = |device: &str| system("/boot", device, "vfat", &[]);
    let both = |device: &str| disks(&[root_system.clone(), esp(device)]);
    assert_eq!(
        codes(&both("/dev/disk/by-uuid/AB-CD"), vec![root(), esp_mounted()], &efi()),
        [""; 0]
    );
    assert_eq!(
        codes(
            &both("/dev/disk/by-partlabel/disk-main-ESP"),
            vec![root(), esp_mounted()],
            &efi()
        ),
        [OTHER]
    );
    assert_eq!(codes(&both("/dev/sda1"), vec![root()], &efi()), [OTHER]);
    let nix = Mounted {
        at: "/nix".into(),
        ..esp_mounted()
    };
    assert_eq!(
        codes(
            &disks(std::slice::from_ref(&root_system)),
            vec![root(), nix],
            &Boot::default()
        ),
        [OTHER]
    );
    // Anything else is only worth knowing: what is mounted and forgotten, what is not there and waited for.
    let home = Mounted {
        at: "/home".into(),
        ..esp_mounted()
    };
    let warned = ["Warning file-system-other"];
    assert_eq!(
        codes(
            &disks(std::slice::from_ref(&root_system)),
            vec![root(), home],
            &Boot::default()
        ),
        warned
    );
    let data = |options: &[&str], device: &str| {
        let systems = [root_system.clone(), system("/data", device, "ext4", options)];
        codes(&disks(&systems), vec![root()], &Boot::default())
    };
    assert_eq!(data(&[], "/dev/disk/by-label/gone"), warned);
    assert_eq!(data(&[], "LABEL=gone"), warned);
    assert_eq!(data(&["nofail"], "/dev/disk/by-label/gone"), [""; 0]);
    assert_eq!(data(&[], "/dev/disk/by-label/other"), [""; 0]);
    // The installation writes there, and the system mounts something over it.
    let var = [
        root_system.clone(),
        system("/var", "/dev/disk/by-label/other", "ext4", &[]),
    ];
    assert_eq!(codes(&disks(&var), vec![root()], &Boot::default()), warned);
    let nas = system("/data", "nas:/x", "nfs", &[]);
    assert_eq!(
        codes(&disks(&[root_system, nas]), vec![root()], &Boot::default()),
        [""; 0]
    );
}

#[test]
fn all_that_is_wrong_is_in_one_problem() {
    let systems = [
        system("/", "/dev/disk/by-partlabel/disk-main-root", "btrfs", &["subvol=root"]),
        system(
            "/nix",
            "/dev/disk/by-partlabel/disk-main-root",
            "btrfs",
            &["subvol=nix"],
        ),
        system("/boot", "/dev/disk/by-partlabel/disk-main-ESP", "vfat", &[]),
    ];
    let problems = problems_of(&disks(&systems), vec![root(), esp_mounted()], &efi(), &tree());
    let [problem] = problems.as_slice() else {
        panic!("{problems:#?}");
    };
    for text in [
        "/: the configuration has /dev/disk/by-partlabel/disk-main-root (btrfs, subvol=root); mounted is /dev/sda2 (ext4)",
        "/nix: the configuration has /dev/disk/by-partlabel/disk-main-root (btrfs, subvol=nix); nothing is mounted there",
        "/boot: the configuration has /dev/disk/by-partlabel/disk-main-ESP (vfat); mounted is /dev/sda1 (vfat)",
    ] {
        assert!(problem.why.contains(text), "{}", problem.why);
    }
}

/// A tree with a hardware configuration, in a directory.
fn with_hardware() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for name in ["hardware-configuration.nix", "disk.nix"] {
        fs::write(root.path().join(name), "{ }").unwrap();
    }
    root
}

fn definition(root: &Path, file: &str, value: &str) -> Definition {
    Definition {
        file: root.join(file).display().to_string(),
        value: value.into(),
    }
}

#[test]
fn what_nixos_generate_config_wrote_just_now_is_believed_and_an_older_file_is_compared() {
    let root_directory = with_hardware();
    let root_path = root_directory.path();
    let hardware = Path::new("hardware-configuration.nix");
    let mut system = system("/", "/dev/disk/by-uuid/before", "ext4", &[]);
    system.set = vec![definition(
        root_path,
        "hardware-configuration.nix",
        "/dev/disk/by-uuid/before",
    )];
    for (generated, expected) in [(true, 0), (false, 1)] {
        let tree = Tree::new(root_path, hardware, generated);
        let disks = disks(std::slice::from_ref(&system));
        let problems = problems_of(&disks, vec![root()], &Boot::default(), &tree);
        assert_eq!(problems.len(), expected, "{problems:#?}");
        assert!(problems.iter().all(|problem| {
            problem
                .remedy
                .contains("remove /mnt/etc/nixos/hardware-configuration.nix")
        }));
    }
}

#[test]
fn what_both_files_set_to_different_values_is_found_at_once() {
    let root_directory = with_hardware();
    let root = root_directory.path();
    let tree = Tree::new(root, Path::new("hardware-configuration.nix"), true);
    let both = |name: &str, own: &str| FileSystem {
        set: vec![
            definition(root, "hardware-configuration.nix", "/dev/disk/by-uuid/x"),
            definition(root, "disk.nix", own),
        ],
        ..system(name, "", "ext4", &[])
    };
    let facts = Facts {
        disks: Some(Disks {
            luks: vec![Volume {
                name: "crypted".into(),
                device: String::new(),
                set: both("/", "/dev/disk/by-partlabel/luks").set,
            }],
            ..disks(&[
                both("/", "/dev/mapper/crypted"),
                both("/same", "/dev/disk/by-uuid/x"),
                both("/home", "/dev/y"),
            ])
        }),
        ..Facts::default()
    };
    let paths: Vec<String> = contradictions(&facts, &tree)
        .iter()
        .map(|path| path.join(" "))
        .collect();
    assert_eq!(
        paths,
        [
            "fileSystems /",
            "fileSystems /home",
            "boot initrd luks devices crypted device"
        ]
    );
}

#[test]
fn what_the_configuration_only_completes_has_to_be_on_the_machine() {
    let root_directory = with_hardware();
    let root = root_directory.path();
    fs::write(root.join("a.nix"), "{ }").unwrap();
    let only_options = FileSystem {
        at: "/home".into(),
        name: "/home".into(),
        options: vec!["noatime".into()],
        files: vec![root.join("a.nix").display().to_string()],
        ..FileSystem::default()
    };
    let memory = FileSystem {
        device: "tmpfs".into(),
        kind: "tmpfs".into(),
        ..only_options.clone()
    };
    let volume = Volume {
        name: "crypted".into(),
        ..Volume::default()
    };
    let facts = |systems: &[FileSystem], luks: Vec<Volume>| Facts {
        disks: Some(Disks { luks, ..disks(systems) }),
        ..Facts::default()
    };
    let whole = [system("/", "/dev/sda2", "ext4", &[]), memory];
    assert!(incomplete(&facts(&whole, Vec::new())).is_empty());
    let facts = facts(&[only_options], vec![volume]);
    let (systems, volumes) = (vec!["/home".to_owned()], vec!["crypted".to_owned()]);
    assert_eq!(incomplete(&facts), Incomplete { systems, volumes });
    let reported = |partitioned| {
        let tree = Tree {
            partitioned,
            made_by_layout: false,
            ..Tree::new(root, Path::new("hardware-configuration.nix"), true)
        };
        let problems = completed(&facts, &tree).into_iter();
        let problems = problems.map(|problem| (problem.severity, problem.code, problem.place.map(|place| place.file)));
        problems.collect::<Vec<_>>()
    };
    let volume = (Severity::Error, "encrypted-absent", None);
    let file = Some("a.nix".into());
    assert_eq!(
        reported(true),
        [(Severity::Error, "file-system-absent", file.clone()), volume.clone()]
    );
    assert_eq!(
        reported(false),
        [(Severity::Warning, "file-system-absent", file), volume]
    );
}

#[test]
fn before_there_are_partitions_the_graphical_installer_cannot_make_those_of_the_configuration() {
    let root_directory = with_hardware();
    let root = root_directory.path();
    let tree = Tree::new(root, Path::new("hardware-configuration.nix"), true);
    let mut stand_in = system("/", "/dev/disk/by-label/not-yet", "ext4", &[]);
    stand_in.set = vec![definition(
        root,
        "hardware-configuration.nix",
        "/dev/disk/by-label/not-yet",
    )];
    let severity = |systems: &[FileSystem], graphical: bool, firmware: Firmware| {
        let decisions = Decisions {
            firmware,
            ..Decisions::default()
        };
        let boot = efi();
        let problem = before_partitioning(&disks(systems), needed_esp(&boot, &decisions), graphical, &tree);
        problem.map(|problem| format!("{:?}", problem.severity))
    };
    let home = system("/home", "/dev/disk/by-label/home", "ext4", &[]);
    let boot = system("/boot", "/dev/disk/by-label/BOOT", "vfat", &[]);
    assert_eq!(severity(&[stand_in.clone(), home], true, Firmware::Efi), None);
    assert_eq!(
        severity(&[stand_in.clone(), boot.clone()], true, Firmware::Efi).as_deref(),
        Some("Error")
    );
    // No EFI system partition is made there.
    assert_eq!(severity(&[stand_in, boot], true, Firmware::Bios), None);
    let own = [system("/", "/dev/disk/by-partlabel/disk-main-root", "ext4", &[])];
    assert_eq!(severity(&own, true, Firmware::Efi).as_deref(), Some("Error"));
    assert_eq!(severity(&own, false, Firmware::Efi).as_deref(), Some("Warning"));
    let memory = [system("/", "none", "tmpfs", &[])];
    assert_eq!(severity(&memory, true, Firmware::Efi).as_deref(), Some("Error"));
}

#[test]
fn swap_on_a_device_that_this_machine_does_not_have_is_named() {
    let missing = |device: &str, options: &[&str], luks: &[Volume]| {
        let swap = Swap {
            device: device.into(),
            options: options.iter().map(|&option| option.to_owned()).collect(),
        };
        let disks = Disks {
            swap: vec![swap],
            luks: luks.to_vec(),
            ..Disks::default()
        };
        let problem = missing_swap(&disks, &observed(Vec::new()));
        problem.map(|problem| format!("{:?} {}", problem.severity, problem.what))
    };
    let text = "Warning The configuration has swap on a device that this machine does not have: ";
    for device in [
        "/dev/disk/by-label/gone",
        "LABEL=gone",
        "/dev/disk/by-partlabel/disk-main-swap",
    ] {
        assert_eq!(missing(device, &["defaults"], &[]), Some(format!("{text}{device}")));
        assert_eq!(missing(device, &["defaults", "nofail"], &[]), None);
        assert_eq!(missing(device, &["defaults"], &[Volume::default()]), None);
    }
    for device in ["/dev/disk/by-label/other", "/var/lib/swapfile", "/dev/sdz9", ""] {
        assert_eq!(missing(device, &["defaults"], &[]), None);
    }
}

#[test]
fn whose_a_hardware_file_is_shows_the_evaluation() {
    let directory = tempfile::tempdir().unwrap();
    let file = Path::new("hosts/a.nix");
    std::fs::create_dir(directory.path().join("hosts")).unwrap();
    std::fs::write(directory.path().join(file), "{ }").unwrap();
    let tree = Tree {
        root: directory.path(),
        hardware: vec![file.into()],
        generated: true,
        partitioned: true,
        made_by_layout: false,
    };
    let doubted = Hardware {
        path: file.into(),
        reason: String::new(),
        imported: true,
        doubt: Some(HardwareProblem::OtherHost {
            path: file.into(),
            owner: "a".into(),
            host: "b".into(),
            similar: Vec::new(),
        }),
    };
    let warned = |systems: Option<&[FileSystem]>| {
        let disks = systems.map(disks);
        let problem = hardware_not_imported(disks.as_ref(), &tree, &doubted);
        problem.map(|problem| format!("{:?} {}", problem.severity, problem.code))
    };
    let mut of_file = system("/", "/dev/sda2", "ext4", &[]);
    of_file.set[0].file = "/nix/store/h-source/hosts/a.nix".into();
    assert_eq!(warned(Some(&[of_file])), None);
    let other = Some("Warning hardware-other-host".to_owned());
    assert_eq!(warned(Some(&[system("/", "/dev/sda2", "ext4", &[])])), other);
    assert_eq!(warned(None), other);
}

#[test]
fn a_device_that_is_neither_there_nor_mounted_is_awaited_in_vain() {
    let awaited = |at: &str, device: &str, options: &[&str]| {
        let systems = [system(at, device, "ext4", options)];
        awaited_in_vain(&systems, &observed(vec![root()]))
    };
    for device in ["/dev/disk/by-uuid/u-root", "LABEL=other", "/dev/mapper/crypt", "tmpfs"] {
        assert_eq!(awaited("/data", device, &["defaults"]), [""; 0], "{device}");
    }
    let gone = "/dev/disk/by-uuid/gone";
    assert_eq!(awaited("/data", gone, &["defaults"]), [gone]);
    assert_eq!(awaited("/data", gone, &["nofail"]), [""; 0]);
    assert_eq!(awaited("/", gone, &["defaults"]), [""; 0]);
}
