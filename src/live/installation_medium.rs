//! Which of what is attached to the machine is an ISO that it can be updated from.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::block_devices::{self, SYS};
use crate::diagnostic::MediumProblem;

/// The image of its store, on an ISO.
pub const STORE_IMAGE: &str = "nix-store.squashfs";

/// What an ISO says of its live system; only ISOs that a machine can be updated from have it.
pub const LIVE_SYSTEM: &str = "live-system.yaml";

/// What of an image with only what machines lack is signed, as a binary cache: in place of [`LIVE_SYSTEM`], which is in it.
pub const SIGNED: &str = "signed";

/// The name of the store path that is signed.
pub const SIGNED_PATH: &str = "nix-cfg-update";

/// The file in it with the SHA-256 of [`STORE_IMAGE`].
pub const STORE_IMAGE_HASH: &str = "nix-store.sha256";

/// What such an image calls the host of a machine: that of a configuration with only one has no name.
#[must_use]
pub fn host_in(host: Option<&str>) -> &str {
    host.unwrap_or("system")
}

/// What the identifier of a volume begins with, and where it is (ECMA-119, 8.4).
const ISO_9660: (&[u8], u64) = (b"\x01CD001\x01", 16 * 2048);

/// The ISO to update from: what was `named`; else the directory with the program itself, where it is an ISO; else the only disk that
/// is one.
///
/// # Errors
/// [`MediumProblem`] when there is none, or several.
pub fn find(named: Option<&Path>) -> Result<PathBuf> {
    if let Some(named) = named {
        return std::path::absolute(named)
            .ok()
            .filter(|path| path.exists())
            .ok_or_else(|| {
                let path = named.to_owned();
                MediumProblem::NotThere { path }.into()
            });
    }
    let program = std::env::current_exe().ok();
    let around = program.as_deref().and_then(Path::parent);
    if let Some(directory) = around.filter(|directory| is_mounted_iso(directory)) {
        return Ok(directory.to_owned());
    }
    let disks = block_devices::all(Path::new(SYS)).into_iter().filter(|number| {
        let of_disks = !block_devices::is_partition(Path::new(SYS), number);
        of_disks && block_devices::members(Path::new(SYS), number).is_empty() && !number.starts_with("7:")
    });
    let mut found: Vec<PathBuf> = disks
        .filter_map(|number| block_devices::node(Path::new(SYS), &number))
        .filter(|device| is_iso(device))
        .collect();
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(only),
        (Some(last), false) => {
            found.push(last);
            Err(MediumProblem::Several { devices: found }.into())
        }
        (None, _) => Err(MediumProblem::None.into()),
    }
}

fn is_mounted_iso(directory: &Path) -> bool {
    directory.join(STORE_IMAGE).is_file() && (directory.join(LIVE_SYSTEM).is_file() || directory.join(SIGNED).is_dir())
}

/// Whether the disk has the file system of a CD. A loop device, which is none of those that are looked at, is the medium of another
/// program.
fn is_iso(device: &Path) -> bool {
    let (identifier, at) = ISO_9660;
    let mut read = [0; 7];
    let file = File::open(device);
    file.is_ok_and(|file| file.read_exact_at(&mut read, at).is_ok()) && read == identifier
}
