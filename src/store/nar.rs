//! The NAR form of a store path (src/libutil/archive.cc of Nix 2.26): hashed while it is read, and written on the way.

use std::ffi::OsString;
use std::fmt::{self, Write as _};
use std::fs::{self, File, FileTimes, Permissions};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, anyhow};
use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use sha2::{Digest, Sha256};

/// Bytes that are read at once.
const CHUNK: usize = 256 << 10;
/// All files of a store have this time, in seconds since 1970.
const STORE_TIME: i64 = 1;

/// The context of every error that came from reading the source, so that a damaged medium can be told from a target that
/// does not take what is written.
#[derive(Debug)]
pub struct Unreadable(PathBuf);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Failed to read {}", self.0.display())
    }
}

/// A folder that is under way: what is left of its entries, last first.
struct Frame {
    source: PathBuf,
    dest: Option<PathBuf>,
    names: Vec<OsString>,
}

/// Reads store paths. `on_bytes` is told how many bytes of files were read, and can stop the work with an error.
pub struct Archive<'a> {
    hash: Sha256,
    buffer: Vec<u8>,
    on_bytes: &'a dyn Fn(u64) -> Result<()>,
}

impl<'a> Archive<'a> {
    /// A reader that tells `on_bytes`.
    pub fn new(on_bytes: &'a dyn Fn(u64) -> Result<()>) -> Self {
        Self {
            hash: Sha256::new(),
            buffer: vec![0; CHUNK],
            on_bytes,
        }
    }

    /// The SHA-256 of the NAR of `source`, in base 16; with `dest`, a path that does not exist, every byte is written there
    /// as it is hashed, in the form of a store: modes 0444 and 0555, time 1.
    ///
    /// # Errors
    /// [`Unreadable`] when something cannot be read, changes while it is read, or is neither a file nor a folder nor a
    /// link; others when something cannot be written or `on_bytes` stopped it.
    pub fn hash(&mut self, source: &Path, dest: Option<&Path>) -> Result<String> {
        self.hash = Sha256::new();
        self.text(b"nix-archive-1");
        let mut stack = Vec::new();
        self.node(source.to_owned(), dest.map(Path::to_owned), &mut stack)?;
        while let Some(frame) = stack.last_mut() {
            if let Some(name) = frame.names.pop() {
                let (source, dest) = (
                    frame.source.join(&name),
                    frame.dest.as_ref().map(|dest| dest.join(&name)),
                );
                self.text(b"entry");
                self.text(b"(");
                self.text(b"name");
                self.text(name.as_bytes());
                self.text(b"node");
                let folders = stack.len();
                self.node(source, dest, &mut stack)?;
                if stack.len() == folders {
                    self.text(b")");
                }
            } else {
                let folder = stack.pop().and_then(|frame| frame.dest);
                self.text(b")");
                if !stack.is_empty() {
                    self.text(b")");
                }
                if let Some(folder) = folder {
                    finish(&File::open(&folder)?, &folder, 0o555)?;
                }
            }
        }
        let hash = std::mem::take(&mut self.hash).finalize();
        Ok(hash.iter().fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        }))
    }

    /// One node: whole, or for a folder its beginning, with its entries left on the stack.
    fn node(&mut self, source: PathBuf, dest: Option<PathBuf>, stack: &mut Vec<Frame>) -> Result<()> {
        let what = || Unreadable(source.clone());
        let meta = fs::symlink_metadata(&source).with_context(what)?;
        self.text(b"(");
        self.text(b"type");
        if meta.is_dir() {
            self.text(b"directory");
            if let Some(dest) = &dest {
                fs::create_dir(dest).with_context(|| format!("Failed to make {}", dest.display()))?;
            }
            let mut names = Vec::new();
            for entry in fs::read_dir(&source).with_context(what)? {
                names.push(entry.with_context(what)?.file_name());
            }
            // By bytes, as the format wants it; taken from the end.
            names.sort_unstable_by(|a, b| b.as_bytes().cmp(a.as_bytes()));
            stack.push(Frame { source, dest, names });
            return Ok(());
        }
        if meta.is_symlink() {
            let target = fs::read_link(&source).with_context(what)?;
            self.text(b"symlink");
            self.text(b"target");
            self.text(target.as_os_str().as_bytes());
            if let Some(dest) = &dest {
                let what = || format!("Failed to make {}", dest.display());
                symlink(&target, dest).with_context(what)?;
                let time = TimeSpec::new(STORE_TIME, 0);
                utimensat(AT_FDCWD, dest, &time, &time, UtimensatFlags::NoFollowSymlink).with_context(what)?;
            }
        } else if meta.is_file() {
            self.file(
                &source,
                dest.as_deref(),
                meta.len(),
                meta.permissions().mode() & 0o100 != 0,
            )?;
        } else {
            return Err(anyhow!("it is neither a file nor a folder nor a link").context(what()));
        }
        self.text(b")");
        Ok(())
    }

    fn file(&mut self, source: &Path, dest: Option<&Path>, length: u64, executable: bool) -> Result<()> {
        let what = || Unreadable(source.to_owned());
        self.text(b"regular");
        if executable {
            self.text(b"executable");
            self.text(b"");
        }
        self.text(b"contents");
        self.hash.update(length.to_le_bytes());
        let mut input = File::open(source).with_context(what)?;
        let mut output = match dest {
            Some(dest) => Some((create(dest)?, dest)),
            None => None,
        };
        let mut left = length;
        while left > 0 {
            let read = input.read(&mut self.buffer).with_context(what)?;
            if read == 0 || read as u64 > left {
                return Err(anyhow!("its length changed while it was read").context(what()));
            }
            let bytes = &self.buffer[..read];
            self.hash.update(bytes);
            if let Some((output, dest)) = &mut output {
                output
                    .write_all(bytes)
                    .with_context(|| format!("Failed to write {}", dest.display()))?;
            }
            left -= read as u64;
            (self.on_bytes)(read as u64)?;
        }
        self.pad(length);
        if let Some((output, dest)) = output {
            finish(&output, dest, if executable { 0o555 } else { 0o444 })?;
        }
        Ok(())
    }

    /// A string of the format: its length, its bytes, zeros up to a multiple of eight.
    fn text(&mut self, bytes: &[u8]) {
        self.hash.update((bytes.len() as u64).to_le_bytes());
        self.hash.update(bytes);
        self.pad(bytes.len() as u64);
    }

    fn pad(&mut self, length: u64) {
        let zeros = length.next_multiple_of(8) - length;
        self.hash.update(&[0; 8][..usize::try_from(zeros).unwrap_or(0)]);
    }
}

fn create(dest: &Path) -> Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true).mode(0o600);
    options
        .open(dest)
        .with_context(|| format!("Failed to make {}", dest.display()))
}

fn finish(file: &File, path: &Path, mode: u32) -> Result<()> {
    let what = || format!("Failed to finish {}", path.display());
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(STORE_TIME.unsigned_abs());
    file.set_permissions(Permissions::from_mode(mode)).with_context(what)?;
    file.set_times(FileTimes::new().set_modified(time)).with_context(what)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;
    use std::os::unix::fs::MetadataExt;

    use anyhow::bail;

    use super::*;

    fn hash(source: &Path, dest: Option<&Path>) -> String {
        Archive::new(&|_| Ok(())).hash(source, dest).unwrap()
    }

    /// A tree with everything that a store path can hold.
    fn tree() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("path");
        fs::create_dir_all(root.join("empty")).unwrap();
        fs::create_dir_all(root.join("B/b")).unwrap();
        fs::write(root.join("B/b/file"), "x".repeat(300_000)).unwrap();
        fs::write(root.join("a"), "").unwrap();
        fs::write(root.join("A"), "case").unwrap();
        fs::write(root.join("seven"), "1234567").unwrap();
        fs::write(root.join(OsString::from_vec(b"\xff\nline".to_vec())), "odd").unwrap();
        fs::set_permissions(root.join("A"), Permissions::from_mode(0o755)).unwrap();
        fs::hard_link(root.join("A"), root.join("hard")).unwrap();
        symlink("t".repeat(3000), root.join("long")).unwrap();
        symlink("nowhere", root.join("link")).unwrap();
        let sparse = File::create(root.join("sparse")).unwrap();
        sparse.set_len(1 << 20).unwrap();
        let mut deep = root.join("deep");
        for _ in 0..200 {
            fs::create_dir(&deep).unwrap();
            deep.push("d");
        }
        folder
    }

    #[test]
    fn the_hash_is_the_one_of_the_documented_format() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "hello\n").unwrap();
        // nix-hash --type sha256 file (Nix 2.8.0)
        assert_eq!(
            hash(&file, None),
            "1c37d01af40be2e80691de3cc3df44377a699afbb17c68f080964b2fd071fc13"
        );
    }

    #[test]
    fn a_copy_has_the_hash_of_its_source_and_the_form_of_a_store() {
        let folder = tree();
        let (source, dest) = (folder.path().join("path"), folder.path().join("copy"));
        let first = hash(&source, Some(&dest));
        assert_eq!(first, hash(&dest, None));
        for entry in walkdir::WalkDir::new(&dest) {
            let meta = entry.unwrap().metadata().unwrap();
            assert_eq!(meta.mtime(), 1);
            let mode = meta.mode() & 0o7777;
            assert!(meta.is_symlink() || mode == 0o444 || mode == 0o555, "{mode:o}");
        }
    }

    #[test]
    fn every_change_of_a_tree_changes_its_hash() {
        let folder = tree();
        let root = folder.path().join("path");
        let mut seen = vec![hash(&root, None)];
        let changes: [&dyn Fn(); 5] = [
            &|| fs::write(root.join("seven"), "1234568").unwrap(),
            &|| fs::set_permissions(root.join("seven"), Permissions::from_mode(0o755)).unwrap(),
            &|| fs::rename(root.join("seven"), root.join("eight")).unwrap(),
            &|| fs::create_dir(root.join("empty/er")).unwrap(),
            &|| {
                fs::remove_file(root.join("link")).unwrap();
                symlink("elsewhere", root.join("link")).unwrap();
            },
        ];
        for change in changes {
            change();
            let now = hash(&root, None);
            assert!(!seen.contains(&now));
            seen.push(now);
        }
    }

    #[test]
    fn the_one_who_counts_can_stop_it() {
        let folder = tree();
        let stop = |_| bail!("stopped");
        let error = Archive::new(&stop).hash(&folder.path().join("path"), None).unwrap_err();
        assert_eq!(error.to_string(), "stopped");
    }
}
