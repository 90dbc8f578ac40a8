//! How far an unattended installation is, marked on the disk itself: by the GUID of its GPT, or the identifier of its MBR. It can be read
//! without mounting or opening anything, whatever is on the partitions. Nothing refers to the GUID. The identifier is a part of the
//! PARTUUIDs, which nixos-generate-config does not use (26.11), and of the boot entries of UEFI: only a BIOS gets such a mark.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use sha2::{Digest, Sha256};
use walkdir::WalkDir;

/// What makes an ISO this one: the live system, and the configuration and the settings beside it.
pub struct IsoIdentity(Sha256);

/// Where the file systems of a NixOS ISO name the live system, and where its medium is.
const LIVE_SYSTEM: &str = "run/current-system";
const MEDIUM: [&str; 2] = ["iso/nix-cfg-install.yaml", "iso/nix-cfg"];

/// What the mark of an installed system ends with, whichever ISO it is from: no other GUID does.
const INSTALLED: [u8; 6] = *b"nixcfg";

/// The same of a mark in an MBR, which begins with it.
const INSTALLED_MBR: [u8; 2] = *b"nc";

/// The stages that are marked.
#[derive(Debug, Clone, Copy)]
pub enum Stage<'a> {
    /// The file systems are made, and nothing else may be on the disk. What is installed there is called so: an installation
    /// of something else begins anew.
    Made(&'a str),
    /// The system is installed.
    Installed,
}

impl IsoIdentity {
    /// Of the live system at `live`.
    ///
    /// # Errors
    /// When the medium cannot be read.
    pub fn read(live: &Path) -> io::Result<Self> {
        Self::of(live, &fs::canonicalize(live.join(LIVE_SYSTEM)).unwrap_or_default())
    }

    /// As [`Self::read`], where another system runs than the ISO's `system`.
    pub fn of(live: &Path, system: &Path) -> io::Result<Self> {
        let mut hash = Sha256::new();
        hash.update(system.as_os_str().as_encoded_bytes());
        for top in MEDIUM.map(|path| live.join(path)) {
            if !top.exists() {
                continue;
            }
            for entry in WalkDir::new(top).sort_by_file_name() {
                let entry = entry?;
                hash.update(entry.path().as_os_str().as_encoded_bytes());
                hash.update([0]);
                if entry.file_type().is_file() {
                    let mut contents = Vec::new();
                    File::open(entry.path())?.read_to_end(&mut contents)?;
                    hash.update((contents.len() as u64).to_le_bytes());
                    hash.update(&contents);
                }
            }
        }
        Ok(Self(hash))
    }

    /// The GUID of a disk at that stage.
    #[must_use]
    pub fn guid(&self, stage: Stage<'_>) -> String {
        let mut hash = self.0.clone();
        match stage {
            Stage::Made(what) => hash.update(format!("made {what}")),
            Stage::Installed => hash.update("installed"),
        }
        let bytes = hash.finalize();
        // Of the kind that is made as one likes (RFC 9562, version 8).
        let mut guid: [u8; 16] = std::array::from_fn(|index| bytes[index]);
        guid[7] = guid[7] & 0x0f | 0x80;
        guid[8] = guid[8] & 0x3f | 0x80;
        match stage {
            // The first digits are those of the fourth byte.
            Stage::Made(_) => guid[3] |= 0x80,
            Stage::Installed => {
                guid[10..].copy_from_slice(&INSTALLED);
                (guid[3], guid[2]) = INSTALLED_MBR.into();
            }
        }
        text(guid)
    }
}

/// The GUID of the GPT on `disk`, or the identifier of its MBR, as sfdisk prints them; `None` where it has neither.
///
/// # Errors
/// When the disk cannot be read.
pub fn read(disk: &Path) -> io::Result<Option<String>> {
    let disk = File::open(disk)?;
    // The table is in the second sector, of 512 or 4096 bytes (UEFI 2.10, 5.3.2).
    for start in [512, 4096] {
        let mut header = [0; 72];
        if disk.read_exact_at(&mut header, start).is_ok() && header.starts_with(b"EFI PART") {
            let guid = std::array::from_fn(|index| header[56 + index]);
            return Ok(Some(text(guid)));
        }
    }
    let mut sector = [0; 512];
    Ok(disk.read_exact_at(&mut sector, 0).ok().and_then(|()| of_mbr(&sector)))
}

/// Whether [`read`] found an MBR.
#[must_use]
pub fn is_mbr(found: &str) -> bool {
    found.starts_with("0x")
}

/// The mark `guid` for a disk on which [`read`] found `found`: an MBR has room for its first eight digits.
#[must_use]
pub fn in_table(guid: &str, found: &str) -> String {
    if is_mbr(found) {
        format!("0x{}", &guid[..8])
    } else {
        guid.to_owned()
    }
}

/// Whether what [`read`] found marks an installed system, from whichever ISO. Of 65,536 other MBRs, one does as well.
#[must_use]
pub fn is_installed(found: &str) -> bool {
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
    if is_mbr(found) {
        found.starts_with(&format!("0x{}", hex(&INSTALLED_MBR)))
    } else {
        found.ends_with(&hex(&INSTALLED))
    }
}

/// The identifier of an MBR with partitions of its own. The first sector of a file system ends alike, and has a program where an MBR has
/// its four partitions.
fn of_mbr(sector: &[u8; 512]) -> Option<String> {
    // The protective MBR of a GPT (UEFI 2.10, 5.2.3).
    const PROTECTIVE: u8 = 0xEE;
    let partitions: Vec<_> = sector[446..510].chunks_exact(16).map(|one| (one[0], one[4])).collect();
    let is_mbr = sector.ends_with(&[0x55, 0xAA])
        && partitions.iter().all(|(active, _)| [0, 0x80].contains(active))
        && partitions.iter().any(|(_, kind)| *kind != 0)
        && partitions.iter().all(|(_, kind)| *kind != PROTECTIVE);
    let identifier = std::array::from_fn(|index| sector[440 + index]);
    is_mbr.then(|| format!("0x{:08x}", u32::from_le_bytes(identifier)))
}

/// Its first three parts are little-endian on the disk (UEFI 2.10, appendix A).
fn text(bytes: [u8; 16]) -> String {
    let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let mut text = String::new();
    for (place, index) in order.into_iter().enumerate() {
        if [4, 6, 8, 10].contains(&place) {
            text.push('-');
        }
        text.push_str(&data_encoding::HEXLOWER.encode(&[bytes[index]]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guid_is_read_as_sfdisk_writes_it() {
        let disk = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(read(disk.path()).unwrap(), None);
        for start in [512, 4096] {
            let mut image = vec![0; 8192];
            image[start..start + 8].copy_from_slice(b"EFI PART");
            // `sfdisk --disk-id DISK 11111111-2222-3333-4455-66778899aabb` (util-linux 2.41).
            let bytes = [
                0x11, 0x11, 0x11, 0x11, 0x22, 0x22, 0x33, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb,
            ];
            image[start + 56..start + 72].copy_from_slice(&bytes);
            fs::write(disk.path(), image).unwrap();
            let guid = "11111111-2222-3333-4455-66778899aabb";
            assert_eq!(read(disk.path()).unwrap().as_deref(), Some(guid));
        }
        let mixed: [u8; 16] = std::array::from_fn(|index| u8::try_from(index).unwrap());
        assert_eq!(text(mixed), "03020100-0504-0706-0809-0a0b0c0d0e0f");
    }

    #[test]
    fn the_identifier_of_an_mbr_is_read_and_marked_as_sfdisk_does() {
        let disk = tempfile::NamedTempFile::new().unwrap();
        let read_of = |partitions: &[u8]| {
            let mut image = vec![0; 8192];
            // `sfdisk --disk-id DISK 0x11223344` (util-linux 2.41).
            image[440..444].copy_from_slice(&[0x44, 0x33, 0x22, 0x11]);
            image[446..446 + partitions.len()].copy_from_slice(partitions);
            image[510..512].copy_from_slice(&[0x55, 0xAA]);
            fs::write(disk.path(), image).unwrap();
            read(disk.path()).unwrap()
        };
        let found = read_of(&[0x80, 0, 0, 0, 0x83]).unwrap();
        assert_eq!(found, "0x11223344");
        let guid = "aabbccdd-2222-3333-4455-66778899aabb";
        assert_eq!(in_table(guid, &found), "0xaabbccdd");
        assert_eq!(in_table(guid, guid), guid);
        // Without a partition, a file system's own program, the table beside a GPT that is gone.
        for other in [&[][..], &[0x33, 0, 0, 0, 0x83], &[0, 0, 0, 0, 0xEE]] {
            assert_eq!(read_of(other), None, "{other:?}");
        }
    }

    #[test]
    fn another_configuration_or_setting_makes_another_iso() {
        let live = tempfile::tempdir().unwrap();
        let guid = || IsoIdentity::read(live.path()).unwrap().guid(Stage::Installed);
        let mut seen = vec![guid()];
        for (name, text) in [
            ("iso/nix-cfg/configuration.nix", "{ }"),
            ("iso/nix-cfg/configuration.nix", "{ } "),
            ("iso/nix-cfg/sub/a", ""),
            ("iso/nix-cfg-install.yaml", "host: a\n"),
        ] {
            let path = live.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
            assert_eq!(guid(), guid());
            assert!(!seen.contains(&guid()), "{name}");
            seen.push(guid());
        }
        let iso = IsoIdentity::read(live.path()).unwrap();
        assert_ne!(iso.guid(Stage::Made("a")), iso.guid(Stage::Made("b")));
        assert_ne!(iso.guid(Stage::Made("a")), iso.guid(Stage::Installed));
        let foreign = "11111111-2222-3333-4455-66778899aabb".to_owned();
        for table in [foreign.as_str(), "0x11223344"] {
            assert!(!is_installed(table));
            for guid in &seen {
                assert!(is_installed(&in_table(guid, table)), "{guid}");
            }
            for what in 0..1000 {
                let made = iso.guid(Stage::Made(&what.to_string()));
                assert!(!is_installed(&in_table(&made, table)), "{made}");
            }
        }
        // The marks of two ISOs differ in an MBR as well.
        let short: std::collections::BTreeSet<_> = seen.iter().map(|guid| in_table(guid, "0x11223344")).collect();
        assert_eq!(short.len(), seen.len());
    }
}
