//! The reader of the store's image finds in it what the kernel finds.

use std::fs::{self, File};
use std::path::Path;

use nix_cfg_install::for_tests::Archive;
use nix_cfg_install::for_tests::Mounted;
use nix_cfg_install::for_tests::StoreImage;
use rig::{project, run, temporary};

/// Every path of an image, read by us and unpacked by unsquashfs, must have the same NAR hash.
fn reads_like_unsquashfs(image: &Path) {
    let directory = temporary();
    let unpacked = directory.path().join("unpacked");
    run(
        "unsquashfs",
        &[
            "-quiet",
            "-no-progress",
            "-d",
            unpacked.to_str().unwrap(),
            image.to_str().unwrap(),
        ],
    );
    let image = StoreImage::open(File::open(image).unwrap()).unwrap();
    let mut reader = image.reader().unwrap();
    let mut names: Vec<_> = fs::read_dir(&unpacked)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    let mut ours: Vec<_> = image.top().collect();
    ours.sort();
    assert_eq!(names, ours.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    for (name, node) in ours {
        let archive = &mut Archive::new(&|_| Ok(()));
        let ours = archive.hash(&mut reader, &node, u64::MAX, None).unwrap();
        let theirs = archive.hash(&mut Mounted::default(), &unpacked.join(name), u64::MAX, None);
        assert_eq!(ours, theirs.unwrap(), "{}", Path::new(name).display());
    }
}

#[test]
fn everything_that_a_store_path_can_hold_is_read_as_unsquashfs_reads_it() {
    reads_like_unsquashfs(&project().join("target/rig/copy-odd/nix-store.squashfs"));
}

#[test]
fn every_layout_of_mksquashfs_is_understood() {
    let directory = temporary();
    let (image, pristine) = (directory.path().join("image"), directory.path().join("pristine"));
    let odd = project().join("target/rig/copy-odd/nix-store.squashfs");
    let unpack = [
        "-quiet",
        "-no-progress",
        "-d",
        pristine.to_str().unwrap(),
        odd.to_str().unwrap(),
    ];
    run("unsquashfs", &unpack);
    for layout in [
        "-b 4096",
        "-b 131072 -no-fragments",
        "-b 65536 -always-use-fragments",
        "-noI -noD -noF",
        "-no-sparse -no-duplicates",
        // What make-squashfs.nix of nixpkgs 24.05 says.
        "-no-hardlinks -all-root -b 1048576",
    ] {
        let _ = fs::remove_file(&image);
        let mut args = vec![pristine.to_str().unwrap(), image.to_str().unwrap()];
        args.extend(["-comp", "zstd", "-Xcompression-level", "1", "-quiet", "-no-progress"]);
        args.extend(layout.split(' '));
        run("mksquashfs", &args);
        reads_like_unsquashfs(&image);
    }
}

#[test]
fn what_is_no_image_or_another_kind_of_it_is_refused() {
    let directory = temporary();
    let image = directory.path().join("image");
    fs::write(&image, "no image").unwrap();
    assert!(StoreImage::open(File::open(&image).unwrap()).is_err());
    fs::remove_file(&image).unwrap();
    let source = project().join("src/store");
    let args = [
        source.to_str().unwrap(),
        image.to_str().unwrap(),
        "-comp",
        "xz",
        "-quiet",
        "-no-progress",
    ];
    run("mksquashfs", &args);
    let error = StoreImage::open(File::open(&image).unwrap()).err().unwrap();
    let error = error.downcast_ref();
    assert!(matches!(error, Some(squashfs_image::Error::UnsupportedCompressor(4))));
}
