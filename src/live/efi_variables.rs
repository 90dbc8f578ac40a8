//! The entries of the firmware's boot menu, as efivarfs shows them, and what systemd leaves there.

use std::fs;
use std::path::Path;

/// One `Boot####` variable.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct BootEntry {
    /// The unique GUID of the partition, in small letters; absent for a device without one (a network, a whole disk, an MBR).
    pub partition: Option<String>,
    /// The file that is started, with `/` between the parts of its path; absent where the firmware looks for one.
    pub file: Option<String>,
}

/// The entries in `efivars`, which is /sys/firmware/efi/efivars; none where that is not mounted.
#[must_use]
pub fn boot_entries(efivars: &Path) -> Vec<BootEntry> {
    let variables = fs::read_dir(efivars).into_iter().flatten().flatten();
    let is_entry = |name: &str| {
        let number = name.strip_prefix("Boot").and_then(|rest| rest.split_once('-'));
        number.is_some_and(|(number, _)| number.len() == 4 && number.chars().all(|char| char.is_ascii_hexdigit()))
    };
    variables
        .filter(|variable| variable.file_name().to_str().is_some_and(is_entry))
        .filter_map(|variable| parse(&fs::read(variable.path()).ok()?))
        .collect()
}

/// Whether systemd has left in `efivars` where it hibernated the machine to, also to a file. The next start removes that
/// (systemd-sleep(8), systemd-hibernate-clear.service(8); systemd 255 to 258).
#[must_use]
pub fn is_hibernated(efivars: &Path) -> bool {
    efivars
        .join("HibernateLocation-8cf2644b-4b0b-428f-9387-6d876050dc67")
        .exists()
}

/// Where the description begins: after the attributes that efivarfs adds (4 bytes), and the entry's own (4) with the length of
/// its device path (2). `EFI_LOAD_OPTION` in the UEFI specification 2.10, 3.1.3.
const DESCRIPTION: usize = 10;

/// A node of a device path begins with its type, its subtype and its length (10.3.1).
const HEADER: usize = 4;
/// A partition of a disk (10.3.5.1): its GUID is at 24, and 2 at 41 says that there is one.
const HARD_DRIVE: [u8; 2] = [4, 1];
/// A file (10.3.5.4): its path.
const FILE: [u8; 2] = [4, 4];

fn parse(variable: &[u8]) -> Option<BootEntry> {
    let units = variable.get(DESCRIPTION..)?.chunks_exact(2);
    let description = units.take_while(|unit| *unit != [0, 0]).count() * 2 + 2;
    let mut rest = variable.get(DESCRIPTION + description..)?;
    let mut entry = BootEntry::default();
    while let [kind, subtype, low, high, ..] = *rest {
        let length = usize::from(u16::from_le_bytes([low, high]));
        let node = rest.get(HEADER..length)?;
        match [kind, subtype] {
            HARD_DRIVE if node.get(37) == Some(&2) => entry.partition = Some(guid(node.get(20..36)?)),
            FILE => entry.file = Some(text(node)),
            // The end.
            [0x7f, _] => break,
            _ => {}
        }
        rest = &rest[length..];
    }
    Some(entry)
}

fn text(node: &[u8]) -> String {
    let units = node.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
    let units: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
    String::from_utf16_lossy(&units).replace('\\', "/")
}

/// The first three parts are numbers with the last byte first.
fn guid(bytes: &[u8]) -> String {
    let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let mut text = String::new();
    for (at, index) in order.into_iter().enumerate() {
        if [4, 6, 8, 10].contains(&at) {
            text.push('-');
        }
        text.extend(format!("{:02x}", bytes[index]).chars());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str) -> Vec<u8> {
        text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
    }

    fn node(kind: [u8; 2], content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(HEADER + content.len()).unwrap().to_le_bytes();
        [&kind, &length, content].concat()
    }

    /// An entry as efibootmgr writes it.
    fn variable() -> Vec<u8> {
        let esp = [
            0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b,
        ];
        let drive = [&[1, 0, 0, 0][..], &[0; 16], &esp, &[2, 2]].concat();
        let path = [
            node(HARD_DRIVE, &drive),
            node(FILE, &utf16("\\EFI\\systemd\\systemd-bootx64.efi")),
            node([0x7f, 0xff], &[]),
        ]
        .concat();
        let length = u16::try_from(path.len()).unwrap().to_le_bytes();
        [
            &[7, 0, 0, 0],
            &[1, 0, 0, 0][..],
            &length,
            &utf16("Linux Boot Manager"),
            &path,
        ]
        .concat()
    }

    #[test]
    fn an_entry_names_a_partition_and_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let guid = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
        for name in ["Boot0001", "BootOrder", "BootCurrent", "Timeout"] {
            fs::write(directory.path().join(format!("{name}-{guid}")), variable()).unwrap();
        }
        let entry = BootEntry {
            partition: Some("c12a7328-f81f-11d2-ba4b-00a0c93ec93b".to_owned()),
            file: Some("/EFI/systemd/systemd-bootx64.efi".to_owned()),
        };
        assert_eq!(boot_entries(directory.path()), [entry]);
        assert_eq!(boot_entries(Path::new("/nonexistent")), []);
    }

    #[test]
    fn systemd_leaves_where_a_machine_was_hibernated_to() {
        let directory = tempfile::tempdir().unwrap();
        assert!(!is_hibernated(directory.path()));
        let variable = "HibernateLocation-8cf2644b-4b0b-428f-9387-6d876050dc67";
        fs::write(directory.path().join(variable), "").unwrap();
        assert!(is_hibernated(directory.path()));
    }

    #[test]
    fn an_entry_that_is_cut_off_anywhere_is_no_panic() {
        let whole = variable();
        for length in 0..whole.len() {
            drop(parse(&whole[..length]));
        }
        // A node without a length.
        assert_eq!(parse(&[&whole[..48], &[4, 1, 0, 0]].concat()), None);
    }
}
