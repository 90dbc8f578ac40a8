//! One file system, and what is mounted in its place.

use super::*;

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
        codes(&disks, vec![mounted.clone()], &Boot::default())
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
fn a_bind_mount_of_a_bind_mount_is_followed_to_the_disk() {
    let systems = [
        system("/", "/dev/sda2", "ext4", &[]),
        system("/persist", "/dev/sda3", "ext4", &[]),
        system("/var", "/persist/var", "none", &["bind"]),
        system("/nix", "/var/nix", "none", &["bind"]),
    ];
    let on_sda3 = |at: &str, part: &str| Mounted {
        at: at.into(),
        part: part.into(),
        source: "/dev/sda3".into(),
        devices: vec![device("8:3", &[])],
        ..root()
    };
    for (part, expected) in [("/var/nix", None), ("/nix", Some(OTHER))] {
        let mounted = vec![
            root(),
            on_sda3("/persist", "/"),
            on_sda3("/var", "/var"),
            on_sda3("/nix", part),
        ];
        let found = codes(&disks(&systems), mounted, &Boot::default());
        assert_eq!(found.first().map(String::as_str), expected, "{found:?}");
    }
}
