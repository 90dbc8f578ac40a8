//! What a changed copy of an ISO image must keep and xorriso does not: read from, and written to, the file itself.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// A sector of ISO 9660, whose volume descriptors begin in the sixteenth.
const SECTOR: usize = 2048;
const FIRST_DESCRIPTOR: usize = 16;
/// More than any image has.
const MAX_DESCRIPTORS: usize = 64;

/// The types of volume descriptors, in their first byte (ECMA-119, 8.1.1).
const PRIMARY: u8 = 1;
const SUPPLEMENTARY: u8 = 2;
const TERMINATOR: u8 = 255;

/// The identifier of the disk in a master boot record, if the record ends with its signature.
const MBR_ID: std::ops::Range<usize> = 440..444;
const MBR_SIGNATURE: [u8; 2] = [0x55, 0xaa];
/// The identifier of the disk in the GPT's header, which is the second block of 512 bytes.
const GPT: usize = 512;
const DISK_GUID: std::ops::Range<usize> = GPT + 56..GPT + 72;

/// What identifies an image, and what else it offers.
#[derive(Debug, PartialEq, Eq)]
pub struct ImageIdentity {
    /// How large its file system is, in bytes: the file has at least as many.
    pub bytes: u64,
    /// As the bytes stand in the header.
    pub disk_guid: Option<[u8; 16]>,
    pub mbr_id: Option<[u8; 4]>,
    /// Whether it has Joliet names beside those of Rock Ridge.
    pub has_joliet: bool,
    /// Whether implantisomd5 put a checksum into it.
    pub has_checksum: bool,
}

impl ImageIdentity {
    /// That of the image in `file`; `None` where it is no ISO image.
    pub fn read(file: &File) -> std::io::Result<Option<Self>> {
        let mut start = vec![0; (FIRST_DESCRIPTOR + MAX_DESCRIPTORS) * SECTOR];
        let mut length = 0;
        while let count @ 1.. = file.read_at(&mut start[length..], length as u64)? {
            length += count;
        }
        start.truncate(length);
        Ok(Self::parse(&start))
    }

    /// `start`: the first sectors of the image.
    fn parse(start: &[u8]) -> Option<Self> {
        let mut identity = Self {
            bytes: 0,
            disk_guid: None,
            mbr_id: None,
            has_joliet: false,
            has_checksum: false,
        };
        let mut is_iso = false;
        for descriptor in start.chunks_exact(SECTOR).skip(FIRST_DESCRIPTOR) {
            if &descriptor[1..6] != b"CD001" || descriptor[0] == TERMINATOR {
                break;
            }
            match descriptor[0] {
                PRIMARY => {
                    is_iso = true;
                    // ECMA-119, 8.4.8 and 8.4.12: a number of blocks, and the size of one.
                    let blocks = u32::from_le_bytes(descriptor[80..84].try_into().ok()?);
                    let block = u16::from_le_bytes(descriptor[128..130].try_into().ok()?);
                    identity.bytes = u64::from(blocks) * u64::from(block);
                    // In the field for applications (ECMA-119, 8.4.32; isomd5sum, libimplantisomd5.c).
                    identity.has_checksum = descriptor[883..1395].starts_with(b"ISO MD5SUM = ");
                }
                // The three levels of UCS-2, as escape sequences (ECMA-119, 8.5.6; the Joliet specification).
                SUPPLEMENTARY => {
                    identity.has_joliet |= matches!(&descriptor[88..91], b"%/@" | b"%/C" | b"%/E");
                }
                _ => {}
            }
        }
        let block = &start.get(..1024)?;
        if block[510..512] == MBR_SIGNATURE {
            identity.mbr_id = block[MBR_ID].try_into().ok();
        }
        if block[GPT..].starts_with(b"EFI PART") {
            identity.disk_guid = block[DISK_GUID].try_into().ok();
        }
        is_iso.then_some(identity)
    }

    /// Gives `file`, a copy of the image, the identifier in the master boot record, which has no checksum. xorriso makes a new one.
    pub fn restore_mbr_id(&self, file: &File) -> std::io::Result<()> {
        match self.mbr_id {
            Some(id) => file.write_all_at(&id, MBR_ID.start as u64),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An image with these descriptors and nothing else.
    fn image(descriptors: &[u8]) -> Vec<u8> {
        let mut image = vec![0; FIRST_DESCRIPTOR * SECTOR];
        for kind in descriptors {
            let mut descriptor = vec![0; SECTOR];
            descriptor[0] = *kind;
            descriptor[1..6].copy_from_slice(b"CD001");
            image.extend(descriptor);
        }
        image
    }

    #[test]
    fn an_image_is_known_by_its_primary_descriptor() {
        for other in [vec![], vec![0; 100], vec![0; 100_000], image(&[TERMINATOR, PRIMARY])] {
            assert_eq!(ImageIdentity::parse(&other), None);
        }
        let plain = ImageIdentity::parse(&image(&[PRIMARY, SUPPLEMENTARY, TERMINATOR])).unwrap();
        let none = ImageIdentity {
            bytes: 0,
            disk_guid: None,
            mbr_id: None,
            has_joliet: false,
            has_checksum: false,
        };
        assert_eq!(plain, none);
    }

    #[test]
    fn what_a_copy_must_keep_is_read_and_the_mbr_gets_its_identifier_back() {
        let mut whole = image(&[PRIMARY, SUPPLEMENTARY, TERMINATOR]);
        let (primary, joliet) = (FIRST_DESCRIPTOR * SECTOR, (FIRST_DESCRIPTOR + 1) * SECTOR);
        whole[primary + 883..primary + 896].copy_from_slice(b"ISO MD5SUM = ");
        whole[joliet + 88..joliet + 91].copy_from_slice(b"%/E");
        whole[primary + 80..primary + 84].copy_from_slice(&[0, 1, 0, 0]);
        whole[primary + 128..primary + 130].copy_from_slice(&[0, 8]);
        whole[440..444].copy_from_slice(&[1, 2, 3, 4]);
        whole[510..512].copy_from_slice(&MBR_SIGNATURE);
        whole[512..520].copy_from_slice(b"EFI PART");
        whole[568..584].copy_from_slice(&[7; 16]);
        let read = ImageIdentity::parse(&whole).unwrap();
        let expected = ImageIdentity {
            bytes: 256 * 2048,
            disk_guid: Some([7; 16]),
            mbr_id: Some([1, 2, 3, 4]),
            has_joliet: true,
            has_checksum: true,
        };
        assert_eq!(read, expected);
        let file = tempfile::tempfile().unwrap();
        whole[440..444].copy_from_slice(&[9; 4]);
        file.write_all_at(&whole, 0).unwrap();
        read.restore_mbr_id(&file).unwrap();
        assert_eq!(ImageIdentity::read(&file).unwrap(), Some(expected));
    }
}
