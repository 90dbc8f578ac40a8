use std::fs;

use super::live::Device;
use super::*;
use crate::install::choices::Firmware;
use crate::nix::facts::Volume;

/// The live system has these devices, and what is mounted is one of them.
const DEVICES: [(&str, &str); 9] = [
    ("/dev/sda1", "8:1"),
    ("/dev/sda2", "8:2"),
    ("/dev/sda3", "8:3"),
    ("/dev/sdb2", "8:18"),
    ("/dev/nvme0n1p2", "259:2"),
    ("/dev/disk/by-uuid/u-root", "8:2"),
    ("/dev/disk/by-label/other", "8:18"),
    ("/dev/disk/by-label/twin", "8:18"),
    ("/dev/mapper/live-name", "254:0"),
];

fn number(path: &str) -> Option<String> {
    let found = DEVICES.iter().find(|(name, _)| *name == path);
    found.map(|(_, number)| (*number).to_owned())
}

fn device(number: &str, names: &[(&'static str, &str)]) -> Device {
    Device {
        number: number.to_owned(),
        names: names
            .iter()
            .map(|(folder, name)| (*folder, (*name).to_owned()))
            .collect(),
        containers: Vec::new(),
    }
}

fn root() -> Mounted {
    Mounted {
        at: "/".into(),
        kind: "ext4".into(),
        part: "/".into(),
        source: "/dev/sda2".into(),
        devices: vec![device(
            "8:2",
            &[
                ("by-uuid", "u-root"),
                ("by-label", "twin"),
                ("by-partlabel", "my\\x20root"),
            ],
        )],
    }
}

fn esp_mounted() -> Mounted {
    Mounted {
        at: "/boot".into(),
        kind: "vfat".into(),
        part: "/".into(),
        source: "/dev/sda1".into(),
        devices: vec![device("8:1", &[("by-uuid", "AB-CD")])],
    }
}

/// A file system that the configuration sets in `disk.nix`.
fn system(at: &str, device: &str, kind: &str, options: &[&str]) -> FileSystem {
    FileSystem {
        at: at.into(),
        name: at.into(),
        device: device.into(),
        kind: kind.into(),
        options: options.iter().map(|&option| option.to_owned()).collect(),
        set: vec![Definition {
            file: "/snapshot/disk.nix".into(),
            value: device.into(),
        }],
        kind_set: Vec::new(),
    }
}

fn tree() -> Tree<'static> {
    Tree {
        root: Path::new("/snapshot"),
        hardware: vec!["hardware-configuration.nix".into()],
        generated: true,
    }
}

fn live(mounted: Vec<Mounted>) -> Live {
    Live {
        mounted,
        number: Box::new(number),
    }
}

fn efi() -> Boot {
    Boot {
        loaders: vec!["systemd-boot".into()],
        esp: "/boot".into(),
        ..Boot::default()
    }
}

fn told(disks: &Disks, mounted: Vec<Mounted>, boot: &Boot) -> Vec<String> {
    let problems = after(
        disks,
        Some(boot),
        &Choices::default(),
        &tree(),
        (Path::new("/mnt"), &live(mounted)),
        &[],
    );
    let short = |problem: &Problem| format!("{:?} {}", problem.severity, problem.code);
    problems.iter().map(short).collect()
}

fn disks(systems: &[FileSystem]) -> Disks {
    Disks {
        file_systems: systems.to_vec(),
        ..Disks::default()
    }
}

fn root_is(device: &str, kind: &str, options: &[&str], mounted: Mounted) -> Vec<String> {
    told(
        &disks(&[system("/", device, kind, options)]),
        vec![mounted],
        &Boot::default(),
    )
}

const OTHER: &str = "Error file-system-other";
const UNSURE: &str = "Warning file-system-unsure";

#[test]
fn every_name_of_the_device_that_is_mounted_is_known() {
    for name in [
        "/dev/sda2",
        "/dev/disk/by-uuid/u-root",
        "UUID=u-root",
        // Without a link of udev.
        "/dev/disk/by-partlabel/my\\x20root",
        "PARTLABEL=my root",
    ] {
        assert_eq!(root_is(name, "ext4", &[], root()), [""; 0], "{name}");
    }
    for name in [
        "/dev/disk/by-partlabel/disk-main-root",
        "/dev/disk/by-label/other",
        "/dev/disk/by-uuid/U-ROOT",
        "/dev/sda3",
        "/dev/nvme0n1p2",
        "/dev/mapper/crypted",
        "tank/root",
        "",
    ] {
        assert_eq!(root_is(name, "ext4", &[], root()), [OTHER], "{name}");
    }
    // Two labels alike; and the stick with the live system was found first.
    assert_eq!(root_is("/dev/disk/by-label/twin", "ext4", &[], root()), [UNSURE]);
    assert_eq!(root_is("/dev/sdb2", "ext4", &[], root()), [UNSURE]);
}

#[test]
fn the_type_has_to_be_the_one_that_is_there() {
    assert_eq!(root_is("/dev/sda2", "btrfs", &[], root()), [OTHER]);
    for kind in ["auto", "ext2", ""] {
        assert_eq!(root_is("/dev/sda2", kind, &[], root()), [""; 0], "{kind}");
    }
}

#[test]
fn a_subvolume_is_part_of_the_name() {
    let mounted = Mounted {
        kind: "btrfs".into(),
        part: "/@root".into(),
        ..root()
    };
    for (options, expected) in [
        (&["compress=zstd", "subvol=@root"][..], None),
        (&["subvol=/@root"], None),
        // The last one counts.
        (&["subvol=@", "subvol=@root"], None),
        (&["subvol=@"], Some(OTHER)),
        // It may be the default subvolume.
        (&[], Some(UNSURE)),
    ] {
        let found = root_is("/dev/sda2", "btrfs", options, mounted.clone());
        assert_eq!(found.first().map(String::as_str), expected, "{options:?}");
    }
}

#[test]
fn a_btrfs_of_two_devices_is_known_by_both() {
    let mounted = Mounted {
        kind: "btrfs".into(),
        devices: vec![device("8:2", &[]), device("259:2", &[])],
        ..root()
    };
    assert_eq!(root_is("/dev/nvme0n1p2", "btrfs", &[], mounted), [""; 0]);
}

#[test]
fn a_zfs_is_known_by_pool_and_dataset() {
    let mounted = Mounted {
        kind: "zfs".into(),
        source: "tank/root".into(),
        devices: Vec::new(),
        ..root()
    };
    assert_eq!(root_is("tank/root", "zfs", &[], mounted.clone()), [""; 0]);
    assert_eq!(root_is("zroot/root", "zfs", &[], mounted), [OTHER]);
}

#[test]
fn an_encrypted_volume_may_have_another_name_in_the_installed_system() {
    let mounted = Mounted {
        source: "/dev/mapper/live-name".into(),
        devices: vec![Device {
            containers: vec![device("8:3", &[("by-partlabel", "luks")])],
            ..device("254:0", &[("by-uuid", "inside")])
        }],
        ..root()
    };
    let opens = |name: &str, container: &str, device: &str| {
        let disks = Disks {
            luks: vec![Volume {
                name: name.into(),
                device: container.into(),
                set: Vec::new(),
            }],
            ..disks(&[system("/", device, "ext4", &[])])
        };
        told(&disks, vec![mounted.clone()], &Boot::default())
    };
    let crypted = "/dev/mapper/crypted";
    assert_eq!(opens("crypted", "/dev/disk/by-partlabel/luks", crypted), [""; 0]);
    assert_eq!(opens("crypted", "/dev/sda3", crypted), [""; 0]);
    assert_eq!(opens("crypted", "/dev/sda3", "/dev/disk/by-uuid/inside"), [""; 0]);
    let locked = "Warning encrypted-not-opened";
    assert_eq!(opens("crypted", "/dev/sda1", crypted), [OTHER, locked]);
    // Something else might open it.
    assert_eq!(opens("swap", "/dev/sda1", crypted), [UNSURE, locked]);
    assert_eq!(
        root_is("/dev/disk/by-uuid/inside", "ext4", &[], mounted.clone()),
        [locked]
    );
}

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
    assert_eq!(told(&disks(&systems), mounted("/nix"), &Boot::default()), [""; 0]);
    assert_eq!(told(&disks(&systems), mounted("/elsewhere"), &Boot::default()), [OTHER]);
    // The store would be under what is mounted over it; the root is on a disk.
    let unmounted = vec![memory, at("/persist", "/")];
    assert_eq!(told(&disks(&systems), unmounted, &Boot::default()), [OTHER]);
    assert_eq!(root_is("none", "tmpfs", &[], root()), [OTHER]);
    // A disk is mounted where memory will be: only what is written there besides the store is lost.
    let on_disk = vec![root(), at("/persist", "/"), at("/nix", "/nix")];
    assert_eq!(
        told(&disks(&systems), on_disk, &Boot::default()),
        ["Warning file-system-other"]
    );
    assert_eq!(
        told(
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
        "that there is no root is told elsewhere"
    );
}

#[test]
fn what_holds_the_store_or_the_boot_loader_has_to_be_mounted_on_both_sides() {
    let root_system = system("/", "/dev/sda2", "ext4", &[]);
    let esp = |device: &str| system("/boot", device, "vfat", &[]);
    let both = |device: &str| disks(&[root_system.clone(), esp(device)]);
    assert_eq!(
        told(&both("/dev/disk/by-uuid/AB-CD"), vec![root(), esp_mounted()], &efi()),
        [""; 0]
    );
    assert_eq!(
        told(
            &both("/dev/disk/by-partlabel/disk-main-ESP"),
            vec![root(), esp_mounted()],
            &efi()
        ),
        [OTHER]
    );
    assert_eq!(told(&both("/dev/sda1"), vec![root()], &efi()), [OTHER]);
    let nix = Mounted {
        at: "/nix".into(),
        ..esp_mounted()
    };
    assert_eq!(
        told(
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
        told(
            &disks(std::slice::from_ref(&root_system)),
            vec![root(), home],
            &Boot::default()
        ),
        warned
    );
    let data = |options: &[&str], device: &str| {
        let systems = [root_system.clone(), system("/data", device, "ext4", options)];
        told(&disks(&systems), vec![root()], &Boot::default())
    };
    assert_eq!(data(&[], "/dev/disk/by-label/gone"), warned);
    assert_eq!(data(&["nofail"], "/dev/disk/by-label/gone"), [""; 0]);
    assert_eq!(data(&[], "/dev/disk/by-label/other"), [""; 0]);
    let nas = system("/data", "nas:/x", "nfs", &[]);
    assert_eq!(
        told(&disks(&[root_system, nas]), vec![root()], &Boot::default()),
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
    let live = live(vec![root(), esp_mounted()]);
    let problems = after(
        &disks(&systems),
        Some(&efi()),
        &Choices::default(),
        &tree(),
        (Path::new("/mnt"), &live),
        &[],
    );
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

/// A tree with a hardware configuration, in a folder.
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
    let root_folder = with_hardware();
    let root_path = root_folder.path();
    let hardware = Path::new("hardware-configuration.nix");
    let mut system = system("/", "/dev/disk/by-uuid/before", "ext4", &[]);
    system.set = vec![definition(
        root_path,
        "hardware-configuration.nix",
        "/dev/disk/by-uuid/before",
    )];
    for (generated, expected) in [(true, 0), (false, 1)] {
        let tree = Tree::new(root_path, hardware, generated);
        let live = live(vec![root()]);
        let problems = after(
            &disks(std::slice::from_ref(&system)),
            None,
            &Choices::default(),
            &tree,
            (Path::new("/mnt"), &live),
            &[],
        );
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
    let root_folder = with_hardware();
    let root = root_folder.path();
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
fn before_there_are_partitions_the_graphical_installer_cannot_make_those_of_the_configuration() {
    let root_folder = with_hardware();
    let root = root_folder.path();
    let tree = Tree::new(root, Path::new("hardware-configuration.nix"), true);
    let graphically = |partitions_graphically| Choices {
        partitions_graphically,
        ..Choices::default()
    };
    let mut stand_in = system("/", "/dev/disk/by-label/not-yet", "ext4", &[]);
    stand_in.set = vec![definition(
        root,
        "hardware-configuration.nix",
        "/dev/disk/by-label/not-yet",
    )];
    let told = |systems: &[FileSystem], graphical: bool, firmware: Firmware| {
        let choices = Choices {
            firmware,
            ..graphically(graphical)
        };
        before(&disks(systems), Some(&efi()), &choices, &tree).map(|problem| format!("{:?}", problem.severity))
    };
    let home = system("/home", "/dev/disk/by-label/home", "ext4", &[]);
    let boot = system("/boot", "/dev/disk/by-label/BOOT", "vfat", &[]);
    assert_eq!(told(&[stand_in.clone(), home], true, Firmware::Efi), None);
    assert_eq!(
        told(&[stand_in.clone(), boot.clone()], true, Firmware::Efi).as_deref(),
        Some("Error")
    );
    // No EFI system partition is made there.
    assert_eq!(told(&[stand_in, boot], true, Firmware::Bios), None);
    let own = [system("/", "/dev/disk/by-partlabel/disk-main-root", "ext4", &[])];
    assert_eq!(told(&own, true, Firmware::Efi).as_deref(), Some("Error"));
    assert_eq!(told(&own, false, Firmware::Efi).as_deref(), Some("Warning"));
    let memory = [system("/", "none", "tmpfs", &[])];
    assert_eq!(told(&memory, true, Firmware::Efi).as_deref(), Some("Error"));
}
