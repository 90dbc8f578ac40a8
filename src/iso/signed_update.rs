//! What of an update image is signed: the configuration, what the image counts on, and the hash of its store's image. So nothing of the
//! image is mounted or run on a machine before it was compared with the signature.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::{Context, Result};

use crate::files::sha256;
use crate::live::installation_medium::{SIGNED_PATH, STORE_IMAGE_HASH};
use crate::locked_directory::LockedDirectory;
use crate::process::{Invocation, Runner};
use crate::store::contents::Mounted;
use crate::store::database::{self, Record};
use crate::store::nar::Archive;
use crate::store_path::{STORE, of_nar_hash};
use crate::tree::snapshot::copy_whole;

/// Writes in `to`, as a binary cache, one store path that is signed with the key in `key`: with what is in `contents`, and the hash of
/// `image`.
///
/// # Errors
/// When something cannot be read or written; what Nix says.
pub(super) fn sign(runner: &Runner, (contents, image): (&Path, &Path), key: &Path, to: &Path) -> Result<()> {
    // Nix takes the place as an address: the directory for temporary files has a plain name.
    let root = LockedDirectory::private().context("Failed to create a directory for temporary files")?;
    let record = record(runner, contents, image, root.path())?;
    let register = Invocation::new("nix-store").arg("--store").arg(root.path());
    runner.output(&register.arg("--load-db").stdin(database::print([&record]).into_bytes()))?;
    let key = fs::canonicalize(key).with_context(|| format!("Failed to read {}", key.display()))?;
    let mut address = OsString::from("file://");
    address.push(to);
    address.push("?secret-key=");
    address.push(in_address(&key));
    let copy = Invocation::new("nix")
        .args([
            "copy",
            "--extra-experimental-features",
            "nix-command",
            "--no-check-sigs",
        ])
        .arg("--from")
        .arg(root.path())
        .arg("--to")
        .arg(address);
    runner.output(&copy.arg(&record.path)).map(drop)
}

/// Makes the store path in the store at `root`. It has the name of a source. That it is one is not in the record: Nix would take it without
/// a signature.
fn record(runner: &Runner, contents: &Path, image: &Path, root: &Path) -> Result<Record> {
    let new = root.join("new");
    fs::create_dir(&new).with_context(|| format!("Failed to make {}", new.display()))?;
    copy_whole(contents, &new, runner.interrupt())?;
    let hash = File::open(image)
        .map_err(Into::into)
        .and_then(|image| sha256(image, &mut |_| runner.interrupt().check()))
        .with_context(|| format!("Failed to read {}", image.display()))?;
    fs::write(new.join(STORE_IMAGE_HASH), hash).with_context(|| format!("Failed to write in {}", new.display()))?;
    let go_on = |_| runner.interrupt().check();
    let mut archive = Archive::new(&go_on);
    let nar_hash = archive.hash(&mut Mounted::default(), &new, u64::MAX, None)?;
    let path = of_nar_hash(&nar_hash, SIGNED_PATH).context("A hash is not SHA-256")?;
    let store = root.join(STORE.trim_start_matches('/'));
    fs::create_dir_all(&store).with_context(|| format!("Failed to make {}", store.display()))?;
    fs::rename(&new, root.join(path.trim_start_matches('/'))).context("Failed to name what is signed")?;
    Ok(Record {
        path,
        nar_hash,
        nar_size: u64::MAX - archive.left(),
        deriver: String::new(),
        references: Vec::new(),
    })
}

/// A path as a parameter of an address.
fn in_address(path: &Path) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/-._".contains(byte);
    let bytes = path.as_os_str().as_bytes().iter();
    let written = bytes.map(|byte| match byte {
        byte if plain(byte) => char::from(*byte).to_string(),
        byte => format!("%{byte:02x}"),
    });
    written.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_path_is_a_parameter_of_an_address() {
        assert_eq!(
            in_address(Path::new("/a b/c&d=é.secret")),
            "/a%20b/c%26d%3d%c3%a9.secret"
        );
    }
}
