//! Reads small images that mksquashfs made (tests/images/make), and every way to damage them.

#![allow(clippy::unwrap_used, missing_docs)]

mod walk;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::thread;

use squashfs_image::{Corruption, Error, FileType, Image, InodeRef, ReadAt, Reader};
use walk::walk;

const IMAGES: [&str; 5] = ["packed", "large-blocks", "no-fragments", "always-fragments", "stored"];

fn bytes(name: &str) -> Vec<u8> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/images");
    fs::read(directory.join(name).with_extension("squashfs")).unwrap()
}

/// A type, the permissions, and the contents of a file or the target of a link.
type Found = (FileType, u16, Vec<u8>);

/// What tests/images/make puts into an image.
fn expected(wide: bool) -> BTreeMap<String, Found> {
    let directory = || (FileType::Directory, 0o755, Vec::new());
    let program = || (FileType::File, 0o755, b"#!/bin/sh\n".to_vec());
    let numbers: Vec<String> = (1..=1500).map(|number| format!("{number}\n")).collect();
    let hole = [vec![0; 20_000], b"end\n".to_vec()].concat();
    let mut all = BTreeMap::from([
        ("/tree".to_owned(), directory()),
        ("/tree/directory".to_owned(), directory()),
        ("/tree/directory/empty".to_owned(), directory()),
        (
            "/tree/directory/file".to_owned(),
            (FileType::File, 0o644, numbers.concat().into_bytes()),
        ),
        ("/tree/disk".to_owned(), (FileType::BlockDevice, 0o660, Vec::new())),
        ("/tree/hole".to_owned(), (FileType::File, 0o644, hole)),
        (
            "/tree/link".to_owned(),
            (FileType::Symlink, 0o777, b"directory/file".to_vec()),
        ),
        ("/tree/nothing".to_owned(), (FileType::File, 0o644, Vec::new())),
        ("/tree/null".to_owned(), (FileType::CharacterDevice, 0o666, Vec::new())),
        ("/tree/pipe".to_owned(), (FileType::Fifo, 0o644, Vec::new())),
        ("/tree/program".to_owned(), program()),
        ("/tree/second-name".to_owned(), program()),
        ("/tree/socket".to_owned(), (FileType::Socket, 0o644, Vec::new())),
    ]);
    if wide {
        all.extend(["small", "wide"].map(|name| (format!("/tree/{name}"), directory())));
        all.extend((1..=40).map(|number| {
            let contents = format!("{number}\n").into_bytes();
            (format!("/tree/small/{number}"), (FileType::File, 0o644, contents))
        }));
        all.extend((1000..=1500).map(|number| (format!("/tree/wide/one-of-many-names-{number}"), program())));
    }
    all
}

fn contents(reader: &mut Reader<'_>, node: InodeRef) -> Vec<u8> {
    let inode = reader.inode(node).unwrap();
    let mut contents = Vec::new();
    let mut extents = reader.extents(&inode).unwrap();
    while let Some(extent) = reader.next_extent(&mut extents).unwrap() {
        contents.extend_from_slice(reader.read(extent).unwrap());
    }
    assert_eq!(contents.len() as u64, inode.size());
    contents
}

fn found(reader: &mut Reader<'_>, path: &str, node: InodeRef, all: &mut BTreeMap<String, Found>) {
    let inode = reader.inode(node).unwrap();
    let data = match inode.file_type() {
        FileType::File => contents(reader, node),
        FileType::Symlink => reader.target(&inode).unwrap(),
        FileType::Directory => {
            for entry in reader.entries(&inode).unwrap() {
                let path = format!("{path}/{}", String::from_utf8(entry.name).unwrap());
                found(reader, &path, entry.node, all);
            }
            Vec::new()
        }
        _ => Vec::new(),
    };
    assert_eq!(inode.modified(), 1, "{path}");
    all.insert(path.to_owned(), (inode.file_type(), inode.permissions(), data));
}

#[test]
fn every_layout_is_read_as_it_was_made() {
    for name in IMAGES {
        let bytes = bytes(name);
        let image = Image::open(bytes.as_slice()).unwrap();
        let mut all = BTreeMap::new();
        found(&mut image.reader().unwrap(), "", image.root(), &mut all);
        all.remove("");
        assert!(all == expected(name != "stored"), "{name}: {:?}", all.keys());
    }
}

#[test]
fn all_inodes_are_listed_once_with_their_sizes() {
    for name in IMAGES {
        let bytes = bytes(name);
        let image = Image::open(bytes.as_slice()).unwrap();
        let mut reader = image.reader().unwrap();
        let inodes: Vec<_> = reader.inodes().map(Result::unwrap).collect();
        let mut listed: Vec<_> = inodes
            .iter()
            .map(|inode| (inode.file_type(), inode.permissions(), inode.size()))
            .collect();
        let mut all = expected(name != "stored");
        // Other names of one file; and the root.
        all.retain(|path, _| path != "/tree/second-name" && !path.starts_with("/tree/wide/"));
        let mut expected: Vec<_> = all
            .into_values()
            .map(|(file_type, permissions, data)| (file_type, permissions, data.len() as u64))
            .collect();
        expected.push((FileType::Directory, 0o777, 0));
        let key = |inode: &(FileType, u16, u64)| (format!("{:?}", inode.0), inode.1, inode.2);
        listed.sort_by_key(key);
        expected.sort_by_key(key);
        assert_eq!(listed, expected, "{name}");
        assert_eq!(inodes.len(), image.inode_count() as usize);
    }
}

#[test]
fn a_path_is_found_or_is_not_there() {
    let bytes = bytes("packed");
    let image = Image::open(bytes.as_slice()).unwrap();
    let mut reader = image.reader().unwrap();
    let mut find = |path: &str| reader.find(path.as_bytes()).unwrap();
    assert_eq!(find("/"), Some(image.root()));
    let program = find("/tree/program").unwrap();
    assert_eq!(find("tree//second-name/"), Some(program));
    for absent in [
        "/tre",
        "/trees",
        "/tree/zzz",
        "/tree/program/x",
        "/tree/link/x",
        "/tree/..",
    ] {
        assert_eq!(find(absent), None, "{absent}");
    }
    assert_eq!(contents(&mut reader, program), b"#!/bin/sh\n");
}

#[test]
fn threads_share_the_extents_of_a_file() {
    for name in IMAGES {
        let bytes = bytes(name);
        let image = Image::open(bytes.as_slice()).unwrap();
        let mut reader = image.reader().unwrap();
        let node = reader.find(b"/tree/directory/file").unwrap().unwrap();
        let whole = contents(&mut reader, node);
        let inode = reader.inode(node).unwrap();
        let mut extents = reader.extents(&inode).unwrap();
        let extents: Vec<_> = std::iter::from_fn(|| reader.next_extent(&mut extents).unwrap()).collect();
        let parts = thread::scope(|scope| {
            let parts = extents.iter().map(|extent| {
                let mut reader = image.reader().unwrap();
                scope.spawn(move || reader.read(*extent).unwrap().to_vec())
            });
            let parts: Vec<_> = parts.collect();
            parts
                .into_iter()
                .flat_map(|part| part.join().unwrap())
                .collect::<Vec<u8>>()
        });
        assert!(parts == whole, "{name}");
    }
}

#[test]
fn a_hole_takes_no_room() {
    let bytes = bytes("packed");
    let image = Image::open(bytes.as_slice()).unwrap();
    let mut reader = image.reader().unwrap();
    let node = reader.find(b"tree/hole").unwrap().unwrap();
    let inode = reader.inode(node).unwrap();
    let mut extents = reader.extents(&inode).unwrap();
    let extents = std::iter::from_fn(|| reader.next_extent(&mut extents).unwrap());
    let extents: Vec<_> = extents.map(|extent| (extent.is_hole(), extent.len())).collect();
    let hole = (true, 4096);
    assert_eq!(extents, [hole, hole, hole, hole, (false, 20_004 - 4 * 4096)]);
}

#[test]
fn a_call_for_another_type_is_an_error() {
    let bytes = bytes("packed");
    let image = Image::open(bytes.as_slice()).unwrap();
    let mut reader = image.reader().unwrap();
    let root = reader.inode(image.root()).unwrap();
    let node = reader.find(b"tree/program").unwrap().unwrap();
    let file = reader.inode(node).unwrap();
    assert!(matches!(reader.entries(&file), Err(Error::WrongType)));
    assert!(matches!(reader.target(&file), Err(Error::WrongType)));
    assert!(matches!(reader.extents(&root), Err(Error::WrongType)));
}

/// The image whose contents and metadata are not compressed, changed at the only place where `old` is.
fn edited(old: &[u8], new: &[u8]) -> Result<(), Error> {
    let mut bytes = bytes("stored");
    let places: Vec<_> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(old)).collect();
    assert_eq!(places.len(), 1, "{old:?}");
    bytes[places[0]..][..new.len()].copy_from_slice(new);
    walk(&bytes)
}

/// The same, changed at `at`.
fn changed(at: usize, new: &[u8]) -> Result<(), Error> {
    let mut bytes = bytes("stored");
    bytes[at..][..new.len()].copy_from_slice(new);
    walk(&bytes)
}

/// The place of an inode in the inode table of that image.
fn place_of(path: &str) -> u64 {
    let bytes = bytes("stored");
    let image = Image::open(bytes.as_slice()).unwrap();
    let node = image.reader().unwrap().find(path.as_bytes()).unwrap().unwrap();
    u64::from_str_radix(&node.to_string()[2..], 16).unwrap()
}

#[track_caller]
fn corrupt(outcome: Result<(), Error>, expected: Corruption) {
    match outcome {
        Err(Error::Corrupt(found)) => assert_eq!(found, expected),
        other => panic!("{other:?}, not {expected:?}"),
    }
}

#[test]
fn what_is_not_supported_says_what_it_is() {
    assert!(matches!(walk(b"not an image"), Err(Error::NotSquashfs)));
    assert!(matches!(walk(&[0; 4096]), Err(Error::NotSquashfs)));
    assert!(matches!(changed(20, &[4]), Err(Error::UnsupportedCompressor(4))));
    let version = changed(28, &[3, 0, 1]);
    assert!(matches!(version, Err(Error::UnsupportedVersion { major: 3, minor: 1 })));
}

#[test]
fn each_corruption_says_what_is_wrong() {
    let inode_table = u64::from_le_bytes(bytes("stored")[64..72].try_into().unwrap());
    let inode_table = usize::try_from(inode_table).unwrap();
    corrupt(changed(12, &5000_u32.to_le_bytes()), Corruption::BlockSize(5000));
    corrupt(changed(32, &[0xff, 0xff]), Corruption::OutOfMetadataBlock);
    corrupt(changed(64, &[0xff; 8]), Corruption::OutOfImage);
    corrupt(changed(80, &(1_u64 << 40).to_le_bytes()), Corruption::OutOfImage);
    corrupt(changed(16, &[0; 4]), Corruption::FragmentIndex(0));
    // The header of the metadata block, and the type of the first inode behind it.
    corrupt(changed(inode_table, &[0, 0x80]), Corruption::OutOfMetadataBlock);
    corrupt(changed(inode_table, &[0xff, 0xff]), Corruption::BlockTooLong(0x7fff));
    corrupt(changed(inode_table + 2, &[99]), Corruption::InodeType(99));
    corrupt(edited(b"nothing", b"noth/ng"), Corruption::Name);
    corrupt(edited(b"nothing", b"noth\0ng"), Corruption::Name);
    corrupt(edited(b"nothing", b"zothing"), Corruption::NameOrder);
    corrupt(edited(b"hole", b"link"), Corruption::NameOrder);
    corrupt(edited(b"directory/file", b"directory\0file"), Corruption::LinkTarget);
    // The length that stands in front of the target, and the one in front of a name (less one).
    corrupt(edited(b"\x0e\0\0\0directory/file", b"\0"), Corruption::LinkTarget);
    corrupt(edited(b"\x06\0nothing", b"\xff\xff"), Corruption::DirectorySize);
    // The size of the first block of `file`: 4096 bytes, stored.
    corrupt(
        edited(b"\0\x10\0\x01", b"\xff\x0f"),
        Corruption::WrongBlockLength {
            expected: 4096,
            found: 4095,
        },
    );
    corrupt(changed(32, &place_of("/tree/nothing").to_le_bytes()), Corruption::Root);
    let mut bytes = bytes("packed");
    bytes[96..200].fill(0);
    corrupt(walk(&bytes), Corruption::CompressedBlock);
}

#[test]
fn a_source_that_fails_is_no_corrupt_image() {
    struct Broken;
    impl ReadAt for Broken {
        fn read_exact_at(&self, _: &mut [u8], _: u64) -> io::Result<()> {
            Err(io::Error::from(io::ErrorKind::HostUnreachable))
        }
    }
    let error = Image::open(Broken).unwrap_err();
    assert!(matches!(error, Error::Io(error) if error.kind() == io::ErrorKind::HostUnreachable));
}

/// The assertions are in [`walk`], and in the compiler: no index out of bounds, no overflow.
#[test]
fn no_damage_causes_a_panic() {
    let mut failures = 0;
    for name in ["packed", "stored"] {
        let mut bytes = bytes(name);
        walk(&bytes).unwrap();
        for length in (0..bytes.len()).step_by(7) {
            failures += usize::from(walk(&bytes[..length]).is_err());
        }
        for at in 0..bytes.len() {
            bytes[at] ^= 1 << (at % 8);
            failures += usize::from(walk(&bytes).is_err());
            bytes[at] ^= 1 << (at % 8);
        }
    }
    assert!(failures > 1000, "{failures}");
}
