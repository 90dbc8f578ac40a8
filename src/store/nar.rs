//! The NAR form of a store path (src/libutil/archive.cc of Nix 2.26): hashed while it is read, and written on the way.

use std::ffi::OsString;
use std::fs::{self, File, FileTimes, Permissions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, anyhow};
use data_encoding::HEXLOWER;
use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use sha2::{Digest, Sha256};

use super::contents::{Contents, NodeKind, Unreadable};

/// All files of a store have this time, in seconds since 1970.
const STORE_TIME: i64 = 1;

/// A directory whose entries are being read: those that are left, in reverse order.
struct Frame<Node> {
    dest: Option<PathBuf>,
    entries: Vec<(OsString, Node)>,
}

/// Hashes NARs without keeping them. `on_bytes` gets the number of bytes that were read from files, and can stop the work
/// with an error.
pub struct Archive<'a> {
    hash: Sha256,
    left: u64,
    on_bytes: &'a dyn Fn(u64) -> Result<()>,
}

impl<'a> Archive<'a> {
    /// Reports to `on_bytes`.
    pub fn new(on_bytes: &'a dyn Fn(u64) -> Result<()>) -> Self {
        Self {
            hash: Sha256::new(),
            left: 0,
            on_bytes,
        }
    }

    /// The SHA-256 of the NAR of `root` in `tree`, in base 16; with `dest`, a path that does not exist, every byte is written
    /// there as it is hashed, in the form of a store: modes 0444 and 0555, time 1. Fails after `size` bytes of the NAR,
    /// because a damaged tree can be endless.
    ///
    /// # Errors
    /// [`Unreadable`] when something cannot be read, is longer than its size, or cannot be part of a store path;
    /// others when something cannot be written or `on_bytes` stopped it.
    pub fn hash<T: Contents>(
        &mut self,
        tree: &mut T,
        root: &T::Node,
        size: u64,
        dest: Option<&Path>,
    ) -> Result<String> {
        self.hash = Sha256::new();
        self.left = size;
        self.text(b"nix-archive-1");
        let mut stack = Vec::new();
        self.node(tree, root, dest.map(Path::to_owned), &mut stack)?;
        while let Some(frame) = stack.last_mut() {
            if let Some((name, node)) = frame.entries.pop() {
                let dest = frame.dest.as_ref().map(|dest| dest.join(&name));
                self.text(b"entry");
                self.text(b"(");
                self.text(b"name");
                self.text(name.as_bytes());
                self.text(b"node");
                let directories = stack.len();
                self.node(tree, &node, dest, &mut stack)?;
                if stack.len() == directories {
                    self.text(b")");
                }
            } else {
                let directory = stack.pop().and_then(|frame| frame.dest);
                self.text(b")");
                if !stack.is_empty() {
                    self.text(b")");
                }
                if let Some(directory) = directory {
                    let file =
                        File::open(&directory).with_context(|| format!("Failed to open {}", directory.display()))?;
                    finish(&file, &directory, 0o555)?;
                }
            }
        }
        Ok(HEXLOWER.encode(&std::mem::take(&mut self.hash).finalize()))
    }

    /// How many bytes of the size the last NAR did not have.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// One node. Of a directory only the beginning; its entries are pushed onto the stack.
    fn node<T: Contents>(
        &mut self,
        tree: &mut T,
        node: &T::Node,
        dest: Option<PathBuf>,
        stack: &mut Vec<Frame<T::Node>>,
    ) -> Result<()> {
        if self.left == 0 {
            return Err(anyhow!("it is longer than the database says").context(Unreadable::new("a store path")));
        }
        self.text(b"(");
        self.text(b"type");
        match tree.kind(node)? {
            NodeKind::Directory(mut entries) => {
                self.text(b"directory");
                if let Some(dest) = &dest {
                    fs::create_dir(dest).with_context(|| format!("Failed to make {}", dest.display()))?;
                }
                // By bytes, as the format wants it; taken from the end.
                entries.sort_unstable_by(|(a, _), (b, _)| b.as_bytes().cmp(a.as_bytes()));
                stack.push(Frame { dest, entries });
                return Ok(());
            }
            NodeKind::Link(target) => {
                self.text(b"symlink");
                self.text(b"target");
                self.text(target.as_bytes());
                if let Some(dest) = &dest {
                    let what = || format!("Failed to make {}", dest.display());
                    symlink(&target, dest).with_context(what)?;
                    let time = TimeSpec::new(STORE_TIME, 0);
                    utimensat(AT_FDCWD, dest, &time, &time, UtimensatFlags::NoFollowSymlink).with_context(what)?;
                }
            }
            NodeKind::File { length, executable } => self.file(tree, node, dest.as_deref(), length, executable)?,
        }
        self.text(b")");
        Ok(())
    }

    fn file<T: Contents>(
        &mut self,
        tree: &mut T,
        node: &T::Node,
        dest: Option<&Path>,
        length: u64,
        executable: bool,
    ) -> Result<()> {
        self.text(b"regular");
        if executable {
            self.text(b"executable");
            self.text(b"");
        }
        self.text(b"contents");
        self.update(&length.to_le_bytes());
        let mut output = match dest {
            Some(dest) => Some((create(dest)?, dest)),
            None => None,
        };
        let changed = || anyhow!("its length changed while it was read").context(Unreadable::new("a file"));
        let mut left = length;
        tree.read(node, &mut |bytes| {
            left = left.checked_sub(bytes.len() as u64).ok_or_else(changed)?;
            if bytes.len() as u64 > self.left {
                return Err(changed());
            }
            self.update(bytes);
            if let Some((output, dest)) = &mut output {
                output
                    .write_all(bytes)
                    .with_context(|| format!("Failed to write {}", dest.display()))?;
            }
            (self.on_bytes)(bytes.len() as u64)
        })?;
        if left > 0 {
            return Err(changed());
        }
        self.pad(length);
        if let Some((output, dest)) = output {
            finish(&output, dest, if executable { 0o555 } else { 0o444 })?;
        }
        Ok(())
    }

    /// A string of the format: its length, its bytes, zeros up to a multiple of eight.
    fn text(&mut self, bytes: &[u8]) {
        self.update(&(bytes.len() as u64).to_le_bytes());
        self.update(bytes);
        self.pad(bytes.len() as u64);
    }

    fn pad(&mut self, length: u64) {
        let zeros = length.next_multiple_of(8) - length;
        self.update(&[0; 8][..usize::try_from(zeros).unwrap_or(0)]);
    }

    fn update(&mut self, bytes: &[u8]) {
        self.left = self.left.saturating_sub(bytes.len() as u64);
        self.hash.update(bytes);
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
    use crate::store::contents::Mounted;

    fn hash(source: &Path, dest: Option<&Path>) -> String {
        let archive = &mut Archive::new(&|_| Ok(()));
        archive
            .hash(&mut Mounted::default(), &source.to_owned(), u64::MAX, dest)
            .unwrap()
    }

    /// A tree with everything that a store path can hold.
    fn tree() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("path");
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
        directory
    }

    #[test]
    fn the_hash_is_the_one_of_the_documented_format() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "hello\n").unwrap();
        // nix-hash --type sha256 file (Nix 2.8.0)
        assert_eq!(
            hash(&file, None),
            "1c37d01af40be2e80691de3cc3df44377a699afbb17c68f080964b2fd071fc13"
        );
    }

    #[test]
    fn a_copy_has_the_hash_of_its_source_and_the_form_of_a_store() {
        let directory = tree();
        let (source, dest) = (directory.path().join("path"), directory.path().join("copy"));
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
        let directory = tree();
        let root = directory.path().join("path");
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
        let directory = tree();
        let stop = |_| bail!("stopped");
        let path = directory.path().join("path");
        let error = Archive::new(&stop)
            .hash(&mut Mounted::default(), &path, u64::MAX, None)
            .unwrap_err();
        assert_eq!(error.to_string(), "stopped");
    }
}
