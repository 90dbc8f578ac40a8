//! How an answers file can name this machine and its disks. Everything is read from the live system's /sys and /dev.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::block_devices::node;
use super::disks;
use crate::answers_file::is_placeholder;
use crate::diagnostic::Unusable;
use crate::text::bytes;

/// Where it is, for [`ThisMachine::read`].
pub const LIVE: &str = "/";

/// Directories of links that stay when a disk is added or removed.
const NAMES: [&str; 2] = ["by-id", "by-path"];

/// The machine. What is `None` is not known.
#[derive(Debug, Default)]
pub struct ThisMachine {
    /// Its serial number (SMBIOS).
    pub serial: Option<String>,
    /// The UUID of the product (SMBIOS), in lower case.
    pub uuid: Option<String>,
    /// The addresses of its network cards, in lower case.
    pub macs: Vec<String>,
    /// What could be erased: not the live system's medium, nor the one that has the answers file.
    pub disks: Vec<Candidate>,
    /// What could not, although it has names in /dev/disk, with these.
    pub unusable: Vec<(Vec<PathBuf>, PathBuf, Unusable)>,
    /// The links that several devices have a claim to, with these: udev gave each to one of them.
    pub claimed: BTreeMap<PathBuf, Vec<PathBuf>>,
}

/// A disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// As the kernel names it.
    pub path: PathBuf,
    /// Its links in /dev/disk/by-id and by-path.
    pub names: Vec<PathBuf>,
    pub bytes: u64,
    pub model: Option<String>,
    /// Whether it is taken only where it is named: sticks, cards and USB disks, what is no disk of its own (an array), and what an ISO
    /// was written to, which need not be mounted (`copytoram`).
    pub only_named: bool,
}

impl Candidate {
    /// A name that stays when a disk is added or removed, where it has one.
    #[must_use]
    pub fn lasting_name(&self) -> String {
        self.names.first().unwrap_or(&self.path).display().to_string()
    }

    /// As a person recognizes it.
    #[must_use]
    pub fn title(&self) -> String {
        let model = self.model.as_deref().unwrap_or("no name");
        format!("{} ({model}, {})", self.lasting_name(), bytes(self.bytes))
    }
}

impl ThisMachine {
    /// Reads it below `live`. `stick` is the device that the answers file is on, if it is on one.
    pub fn read(live: &Path, stick: Option<&Path>) -> Self {
        let dmi = |name: &str| text(&live.join("sys/class/dmi/id").join(name)).filter(|value| !is_placeholder(value));
        let links = links(live);
        let stick = stick.and_then(|stick| stick.file_name());
        let is_of_stick =
            |sys: &Path| stick.is_some_and(|stick| sys.file_name() == Some(stick) || sys.join(stick).exists());
        let mut unusable = Vec::new();
        let mut candidate = |(sys, why): (PathBuf, Option<Unusable>)| {
            let path = Path::new("/dev").join(sys.file_name()?);
            let names = links.get(&path).cloned().unwrap_or_default();
            let is_disk = sys.join("device").exists() && !disks::is_removable(&sys);
            let is_disk = is_disk && !has_iso(&live.join(path.strip_prefix("/").unwrap_or(&path)));
            let bytes = disks::size(&sys).unwrap_or_default();
            let is_stick = is_of_stick(&sys).then_some(Unusable::Stick);
            if let Some(why) = why.or(is_stick).or((bytes == 0).then_some(Unusable::Empty)) {
                unusable.push((names, path, why));
                return None;
            }
            let candidate = Candidate {
                path,
                bytes,
                model: text(&sys.join("device/model")),
                only_named: !is_disk,
                names,
            };
            (is_disk || !candidate.names.is_empty()).then_some(candidate)
        };
        let mut disks = disks::all(live);
        disks.sort();
        let disks = disks.into_iter().filter_map(&mut candidate).collect();
        Self {
            serial: dmi("product_serial"),
            uuid: dmi("product_uuid").map(|uuid| uuid.to_ascii_lowercase()),
            macs: macs(live),
            disks,
            unusable,
            claimed: claimed(live, links.values().flatten()),
        }
    }

    /// How an answers file can name it.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let serial = self.serial.iter().map(|serial| format!("serial: {serial:?}"));
        let uuid = self.uuid.iter().map(|uuid| format!("uuid: {uuid:?}"));
        let macs = self.macs.iter().map(|mac| format!("mac: {mac:?}"));
        let names: Vec<String> = serial.chain(uuid).chain(macs).collect();
        if names.is_empty() {
            vec!["nothing that could be named".to_owned()]
        } else {
            names
        }
    }

    /// What a file about this machine is called, on whatever file system.
    #[must_use]
    pub fn file_name(&self) -> String {
        let name = self.serial.as_ref().or(self.uuid.as_ref()).or(self.macs.first());
        let name = name.map_or("unknown", String::as_str);
        name.replace(|char: char| !char.is_ascii_alphanumeric() && !"-._".contains(char), "-")
    }
}

/// Whether the device begins with an ISO image: the descriptor in sector 16 (ECMA-119, 7.4).
fn has_iso(device: &Path) -> bool {
    let mut name = [0; 5];
    let file = fs::File::open(device);
    file.is_ok_and(|file| file.read_exact_at(&mut name, 0x8001).is_ok() && &name == b"CD001")
}

/// Those of cards: bridges and the like have no device.
fn macs(live: &Path) -> Vec<String> {
    let cards = fs::read_dir(live.join("sys/class/net")).into_iter().flatten().flatten();
    let cards = cards
        .map(|card| card.path())
        .filter(|card| card.join("device").exists());
    let mut macs: Vec<String> = cards.filter_map(|card| text(&card.join("address"))).collect();
    macs.retain(|mac| !is_placeholder(mac));
    macs.sort();
    macs.dedup();
    macs
}

/// The links to each device, sorted.
pub fn links(live: &Path) -> BTreeMap<PathBuf, Vec<PathBuf>> {
    let mut links: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
    for directory in NAMES {
        let entries = fs::read_dir(live.join("dev/disk").join(directory));
        for link in entries.into_iter().flatten().flatten() {
            if let Ok(target) = fs::read_link(link.path())
                && let Some(device) = target.file_name()
            {
                let name = Path::new("/dev/disk").join(directory).join(link.file_name());
                links.entry(Path::new("/dev").join(device)).or_default().push(name);
            }
        }
    }
    for names in links.values_mut() {
        names.sort();
    }
    links
}

/// Which of `links` have several claimants, and these. udev writes them down by their numbers in a directory for each link, whose name
/// begins with an escaped `/` (systemd 248, src/udev/udev-node.c) or does not (257).
fn claimed<'a>(live: &Path, links: impl Iterator<Item = &'a PathBuf>) -> BTreeMap<PathBuf, Vec<PathBuf>> {
    let claimants = |link: &PathBuf| {
        let name = link.strip_prefix("/dev").ok()?.to_str()?;
        let name = name.replace('\\', "\\x5c").replace('/', "\\x2f");
        let places = [format!("\\x2f{name}"), name].map(|name| live.join("run/udev/links").join(name));
        let entries = places
            .iter()
            .filter_map(|place| fs::read_dir(place).ok())
            .flatten()
            .flatten();
        let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.strip_prefix('b').map(str::to_owned));
        let devices: BTreeSet<PathBuf> = numbers.filter_map(|number| node(&live.join("sys"), &number)).collect();
        (devices.len() > 1).then(|| (link.clone(), devices.into_iter().collect()))
    };
    links.filter_map(claimants).collect()
}

/// The text of a file, if it has one.
pub fn text(file: &Path) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Names, sizes in sectors, whether they can be removed, whether they are disks.
    const DISKS: [(&str, u64, u8, bool); 7] = [
        ("sda", 4000, 0, true),
        ("sdb", 2000, 1, true),
        ("sdc", 2000, 1, true),
        ("sdd", 0, 1, true),
        ("loop0", 2000, 0, false),
        ("md0", 2000, 0, false),
        ("sde", 4000, 0, true),
    ];

    #[test]
    fn a_name_that_two_disks_claim_is_noticed() {
        let live = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = live.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        // In both ways to write it down.
        for (slash, number, name) in [("\\x2f", "8:64", "sde"), ("", "8:80", "sdf")] {
            write(&format!("run/udev/links/{slash}disk\\x2fby-id\\x2fata-x/b{number}"), "");
            write(&format!("sys/dev/block/{number}/uevent"), &format!("DEVNAME={name}\n"));
        }
        write("run/udev/links/disk\\x2fby-id\\x2fata-y/b8:64", "");
        let links = ["x", "y", "z"].map(|name| PathBuf::from(format!("/dev/disk/by-id/ata-{name}")));
        let claimants = vec!["/dev/sde".into(), "/dev/sdf".into()];
        assert_eq!(
            claimed(live.path(), links.iter()),
            BTreeMap::from([(links[0].clone(), claimants)])
        );
    }

    #[test]
    fn what_is_there_and_cannot_be_taken_has_a_reason() {
        let live = tempfile::tempdir().unwrap();
        let links = live.path().join("dev/disk/by-id");
        fs::create_dir_all(&links).unwrap();
        for (name, sectors, read_only) in [
            ("sda", "8", "0"),
            ("sdb", "8", "1"),
            ("sdc", "8", "0"),
            ("sdd", "0", "0"),
        ] {
            let sys = live.path().join("sys/block").join(name);
            fs::create_dir_all(sys.join("device")).unwrap();
            fs::write(sys.join("size"), sectors).unwrap();
            fs::write(sys.join("ro"), read_only).unwrap();
            symlink(format!("../../{name}"), links.join(format!("usb-{name}"))).unwrap();
        }
        let machine = ThisMachine::read(live.path(), Some(Path::new("/dev/sdc")));
        let unusable = [
            ("sdb", Unusable::WriteProtected),
            ("sdc", Unusable::Stick),
            ("sdd", Unusable::Empty),
        ];
        let named = |(name, why): (&str, Unusable)| {
            let link = Path::new("/dev/disk/by-id").join(format!("usb-{name}"));
            (vec![link], Path::new("/dev").join(name), why)
        };
        assert_eq!(machine.unusable, unusable.map(named));
        assert_eq!(machine.disks.len(), 1);
    }

    #[test]
    fn the_machine_is_known_by_its_files_and_neither_stick_is_a_disk_of_it() {
        let live = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = live.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let unknown = ThisMachine::read(live.path(), None);
        assert_eq!(unknown.names(), ["nothing that could be named"]);
        assert_eq!(unknown.file_name(), "unknown");
        write("sys/class/dmi/id/product_serial", "PF 3/4\n");
        write("sys/class/dmi/id/product_uuid", "4C4C4544-0042\n");
        write("sys/class/net/eth1/address", "00:00:00:00:00:00\n");
        write("sys/class/net/eth1/device/vendor", "x");
        write("sys/class/net/lo/address", "00:00:00:00:00:00\n");
        write("sys/class/net/eth0/address", "52:54:00:12:34:56\n");
        write("sys/class/net/eth0/device/vendor", "x");
        for (name, sectors, removable, is_device) in DISKS {
            let sys = format!("sys/block/{name}");
            write(&format!("{sys}/size"), &sectors.to_string());
            write(&format!("{sys}/ro"), "0");
            write(&format!("{sys}/removable"), &removable.to_string());
            if is_device {
                write(&format!("{sys}/device/model"), "Disk\n");
            }
        }
        write("sys/block/sdc/sdc1/partition", "1");
        let links = live.path().join("dev/disk/by-id");
        fs::create_dir_all(&links).unwrap();
        symlink("../../md0", links.join("md-name-x")).unwrap();
        // The ISO itself, on a stick that does not look like one.
        symlink("../../sde", links.join("usb-x")).unwrap();
        let mut image = vec![0; 0x9000];
        image[0x8001..0x8006].copy_from_slice(b"CD001");
        fs::write(live.path().join("dev/sde"), image).unwrap();
        let machine = ThisMachine::read(live.path(), Some(Path::new("/dev/sdc1")));
        assert_eq!(
            machine.names(),
            [
                "serial: \"PF 3/4\"",
                "uuid: \"4c4c4544-0042\"",
                "mac: \"52:54:00:12:34:56\""
            ]
        );
        assert_eq!(machine.file_name(), "PF-3-4");
        let disks: Vec<(String, bool)> = machine
            .disks
            .iter()
            .map(|disk| (disk.title(), disk.only_named))
            .collect();
        let expected = [
            ("/dev/disk/by-id/md-name-x (no name, 1.0 MB)", true),
            ("/dev/sda (Disk, 2.0 MB)", false),
            ("/dev/disk/by-id/usb-x (Disk, 2.0 MB)", true),
        ];
        assert_eq!(
            disks,
            expected.map(|(title, only_named)| (title.to_owned(), only_named))
        );
    }
}
