//! Reads whatever it is given as the image of a store, to the last byte of every path. `make fuzz` runs it.

#![no_main]

use std::fs::File;
use std::os::unix::fs::FileExt;

use libfuzzer_sys::fuzz_target;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix_cfg_install::store::image::Image;
use nix_cfg_install::store::nar::Archive;

/// Far more than the seeds hold: what goes beyond is a hole, or an image that leads into itself.
const LIMIT: u64 = 8 << 20;

fuzz_target!(|bytes: &[u8]| {
    let file = File::from(memfd_create(c"image", MFdFlags::empty()).expect("no memory file"));
    file.write_all_at(bytes, 0).expect("no memory");
    let Ok(image) = Image::open(file) else { return };
    let mut reader = image.reader().expect("no decompressor");
    for (_, node) in image.top() {
        let _ = Archive::new(&|_| Ok(())).hash(&mut reader, &node, LIMIT, None);
    }
});
