//! A private copy of a tree. Everything after works on the copy: what was checked is what is installed, and nobody
//! can exchange a file in between.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, FileTimes};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, UtimensatFlags, fstat, fstatat, utimensat};
use nix::sys::time::TimeSpec;

use super::owner::{Owner, Owners};
use crate::interrupt::Interrupt;
use crate::report::Problem;

/// Permission bits that are kept. Not setuid and setgid: the copy belongs to root.
const KEPT_MODE: u32 = 0o1777;

/// Setuid and setgid.
const SET_ID: u32 = 0o6000;

/// Bytes of the longest list of attributes (`XATTR_LIST_MAX` of linux/limits.h).
const ATTRIBUTES: usize = 65536;

/// How the attributes begin that a person made: others are the system's own, and the installed one makes them anew.
const OF_USER: [&str; 3] = ["user.", "system.posix_acl_", "security.capability"];

/// Bytes that are read at once.
const CHUNK: usize = 256 << 10;

/// What a copy found on its way.
#[derive(Debug, Default)]
pub struct Findings {
    /// Errors and warnings, in the order of the tree.
    pub problems: Vec<Problem>,
    /// The bytes of all files.
    pub bytes: u64,
    /// The first name of each file that has several, by device and inode.
    names: HashMap<(u64, u64), PathBuf>,
}

impl Findings {
    /// Keeps the first problem of its code: a whole tree of one kind is one finding.
    fn push_first(&mut self, problem: Problem) {
        if self.problems.iter().all(|known| known.code != problem.code) {
            self.problems.push(problem);
        }
    }

    /// Tells what the copy will not have of the file or folder at `path`.
    fn unkept(&mut self, stat: &FileStat, path: &Path) {
        if kind(stat) != SFlag::S_IFLNK && stat.st_mode & SET_ID != 0 {
            self.push_first(
                Problem::warning("tree-set-id", "A setuid or setgid bit in the configuration is not kept")
                    .at(path, None, None)
                    .because("All that is installed belongs to root. This is the first such file; there may be more.")
                    .remedy("If it is needed, set it again in the installed system (chmod)."),
            );
        }
        if kind(stat) != SFlag::S_IFREG || stat.st_nlink < 2 {
            return;
        }
        let known = self
            .names
            .entry((stat.st_dev, stat.st_ino))
            .or_insert_with(|| path.to_owned());
        if known != path {
            let known = known.display().to_string();
            self.push_first(
                Problem::warning(
                    "tree-hard-link",
                    "A file of the configuration that has two names becomes two files",
                )
                .at(path, None, None)
                .because(format!(
                    "Its other name is {known}: a hard link. This is the first such file; there may be more."
                ))
                .remedy("If both are to change together, make one of them a symbolic link (ln -s)."),
            );
        }
    }

    /// Tells which extended attributes and access lists the copy of `path` will not have.
    fn unkept_attributes(&mut self, source: &OwnedFd, path: &Path) {
        let mut names = vec![0; ATTRIBUTES];
        // A file system without any.
        let Ok(length) = rustix::fs::flistxattr(source, names.as_mut_slice()) else {
            return;
        };
        let names = String::from_utf8_lossy(&names[..length]);
        let of_user = |name: &&str| OF_USER.iter().any(|prefix| name.starts_with(prefix));
        if let Some(name) = names.split('\0').find(of_user) {
            self.push_first(
                Problem::warning("tree-attributes", format!("The attribute {name} in the configuration is not kept"))
                    .at(path, None, None)
                    .because("A copy has neither extended attributes nor access lists, and Nix has none either. This is the first such file; there may be more.")
                    .remedy("If it is needed, set it again in the installed system (setfattr, setfacl)."),
            );
        }
    }
}

/// One folder that is being copied.
struct Frame {
    source: OwnedFd,
    stat: FileStat,
    /// Relative to the tree.
    path: PathBuf,
    /// What is still to be copied, last first.
    names: Vec<OsString>,
}

/// Copies trees: as they are (links stay links; modes, times, empty folders, dot files and all names are kept), owned by
/// this process's user. Extended attributes and hard links are not kept.
pub struct Copier<'a> {
    /// Who may own the source; `None` for a copy that was judged before.
    pub owners: Option<&'a Owners>,
    /// Ends the copy.
    pub interrupt: &'a Interrupt,
    /// Whether the entry with this path, relative to the tree, and of this kind stays behind.
    pub leave_out: fn(&Path, SFlag) -> bool,
}

/// Everything is copied.
#[must_use]
pub fn nothing(_path: &Path, _kind: SFlag) -> bool {
    false
}

impl Copier<'_> {
    /// Copies the folder `source` to `dest`, an existing empty folder. Nothing in the source is followed through a link.
    ///
    /// # Errors
    /// When something cannot be written, or the copy was interrupted. What must be refused (special files, owners, modes,
    /// what cannot be read) is in the findings instead, so that all of it can be told at once.
    pub fn copy(&self, source: &OwnedFd, dest: &Path) -> Result<Findings> {
        let mut findings = Findings::default();
        let source = source.try_clone().context("Failed to open the tree once more")?;
        let mut stack = vec![Frame::open(source, PathBuf::new()).context("Failed to read the tree")?];
        self.judge(&stack[0].stat, Path::new("."), &mut findings);
        while let Some(frame) = stack.last_mut() {
            self.interrupt.check()?;
            let Some(name) = frame.names.pop() else {
                finish_folder(frame, dest)?;
                stack.pop();
                continue;
            };
            let path = frame.path.join(&name);
            match self.copy_entry(frame, &name, path.clone(), dest, &mut findings) {
                Ok(inner) => stack.extend(inner),
                Err(error) => findings.problems.push(unreadable(&path, error)?),
            }
        }
        Ok(findings)
    }

    /// Copies one entry; gives the frame of a folder, which is then copied in turn.
    fn copy_entry(
        &self,
        frame: &Frame,
        name: &OsString,
        path: PathBuf,
        dest: &Path,
        findings: &mut Findings,
    ) -> Result<Option<Frame>> {
        let name = name.as_os_str();
        let seen = fstatat(&frame.source, name, AtFlags::AT_SYMLINK_NOFOLLOW).context(Unread)?;
        if (self.leave_out)(&path, kind(&seen)) {
            return Ok(None);
        }
        self.judge(&seen, &path, findings);
        findings.unkept(&seen, &path);
        let target = dest.join(&path);
        match kind(&seen) {
            SFlag::S_IFDIR => {
                let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
                let inner = openat(&frame.source, name, flags, Mode::empty()).context(Unread)?;
                findings.unkept_attributes(&inner, &path);
                fs::create_dir(&target)?;
                return Ok(Some(Frame::open(inner, path)?));
            }
            SFlag::S_IFREG => {
                // Non-blocking: should the file have become a pipe since it was looked at, opening it must not hang.
                let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
                let source = openat(&frame.source, name, flags, Mode::empty()).context(Unread)?;
                findings.unkept_attributes(&source, &path);
                findings.bytes += copy_file(source, &target)?;
            }
            SFlag::S_IFLNK => {
                let link = readlinkat(&frame.source, name).context(Unread)?;
                symlink(&link, &target)?;
                set_link_times(&target, &seen)?;
            }
            special => findings.problems.push(special_file(&path, special)),
        }
        Ok(None)
    }

    fn judge(&self, stat: &FileStat, path: &Path, findings: &mut Findings) {
        let Some(owners) = self.owners else { return };
        if stat.st_mode & 0o002 != 0 && kind(stat) != SFlag::S_IFLNK {
            findings.push_first(
                Problem::error(
                    "tree-world-writable",
                    "Everybody on this system can change the configuration",
                )
                .at(path, None, None)
                .because("It becomes the system that root runs. This is the first such file; there may be more.")
                .remedy("chmod -R o-w TREE. On a FAT or NTFS stick, copy the tree to a folder of your own first."),
            );
        }
        match owners.judge(stat.st_uid) {
            Owner::SystemAccount(name) => findings.push_first(
                Problem::error(
                    "tree-owner",
                    format!("The configuration belongs to the system account `{name}`"),
                )
                .at(path, None, None)
                .because("A service could have written it, and it becomes the system that root runs.")
                .remedy("If it is yours: chown -R root TREE"),
            ),
            Owner::Unknown(uid) => findings.push_first(
                Problem::warning(
                    "tree-owner-unknown",
                    format!("The configuration belongs to user {uid}, who has no account here"),
                )
                .at(path, None, None)
                .because("It was probably written on another machine."),
            ),
            Owner::Trusted => {}
        }
    }
}

impl Frame {
    fn open(source: OwnedFd, path: PathBuf) -> Result<Self> {
        let stat = fstat(&source).context(Unread)?;
        let mut listing = Dir::from_fd(source.try_clone()?).context(Unread)?;
        let mut names = Vec::new();
        for entry in listing.iter() {
            let entry = entry.context(Unread)?;
            let name = std::ffi::OsStr::from_bytes(entry.file_name().to_bytes());
            if name != "." && name != ".." {
                names.push(name.to_owned());
            }
        }
        // Taken from the end: the order of findings is then that of the names.
        names.sort_unstable_by(|a, b| b.cmp(a));
        Ok(Self {
            source,
            stat,
            path,
            names,
        })
    }
}

fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits())
}

/// The context of every error that came from reading the source: the rest of the tree can still be read, while a dest that
/// cannot be written ends the copy.
#[derive(Debug)]
struct Unread;

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it cannot be read")
    }
}

/// What the system says of a file that it does not give out, whole or at all: no permission, or a bad medium.
const UNREADABLE: [Errno; 5] = [Errno::EACCES, Errno::EPERM, Errno::EIO, Errno::ESTALE, Errno::EUCLEAN];

/// The problem of a file that cannot be read; other errors go up.
fn unreadable(path: &Path, error: anyhow::Error) -> Result<Problem> {
    let number = error.chain().find_map(|cause| {
        let of_call = cause.downcast_ref::<Errno>().copied();
        of_call.or_else(|| Some(Errno::from_raw(cause.downcast_ref::<io::Error>()?.raw_os_error()?)))
    });
    match number {
        Some(number) if error.is::<Unread>() && UNREADABLE.contains(&number) => Ok(Problem::error(
            "tree-unreadable",
            "A file of the configuration cannot be read",
        )
        .at(path, None, None)
        .because(number.desc())
        .remedy("Copy the configuration anew. An input/output error means a bad medium; `dmesg` says more.")),
        _ => Err(error.context(format!("Failed to copy {}", path.display()))),
    }
}

fn special_file(path: &Path, kind: SFlag) -> Problem {
    let name = match kind {
        SFlag::S_IFIFO => "a named pipe",
        SFlag::S_IFSOCK => "a socket",
        _ => "a device",
    };
    Problem::error("tree-special-file", format!("The configuration contains {name}"))
        .at(path, None, None)
        .because("Nix reads only files, folders and links, and a copy of it would mean nothing.")
        .remedy("Remove it from the tree.")
}

fn copy_file(source: OwnedFd, target: &Path) -> Result<u64> {
    let stat = fstat(&source).context(Unread)?;
    anyhow::ensure!(kind(&stat) == SFlag::S_IFREG, "it was exchanged while it was read");
    let mut source = File::from(source);
    let mut dest = File::options().write(true).create_new(true).mode(0o600).open(target)?;
    let mut buffer = vec![0; CHUNK];
    let mut copied = 0;
    loop {
        let read = match source.read(&mut buffer) {
            Ok(0) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.context(Unread)?,
        };
        dest.write_all(&buffer[..read])?;
        copied += read as u64;
    }
    dest.set_permissions(fs::Permissions::from_mode(stat.st_mode & KEPT_MODE))?;
    dest.set_times(FileTimes::new().set_modified(modified(&stat)))?;
    Ok(copied)
}

/// A folder's mode and time come after its contents, which would change the time and might need the write bit.
fn finish_folder(frame: &Frame, dest: &Path) -> Result<()> {
    let target = dest.join(&frame.path);
    let what = || format!("Failed to finish the folder {}", target.display());
    let folder = File::open(&target).with_context(what)?;
    folder
        .set_permissions(fs::Permissions::from_mode(frame.stat.st_mode & KEPT_MODE))
        .with_context(what)?;
    folder
        .set_times(FileTimes::new().set_modified(modified(&frame.stat)))
        .with_context(what)
}

fn modified(stat: &FileStat) -> SystemTime {
    let nanos = Duration::from_nanos(u64::try_from(stat.st_mtime_nsec).unwrap_or(0));
    let seconds = Duration::from_secs(stat.st_mtime.unsigned_abs());
    if stat.st_mtime >= 0 {
        SystemTime::UNIX_EPOCH + seconds + nanos
    } else {
        SystemTime::UNIX_EPOCH - seconds + nanos
    }
}

fn set_link_times(target: &Path, stat: &FileStat) -> Result<()> {
    let time = TimeSpec::new(stat.st_mtime, stat.st_mtime_nsec);
    utimensat(AT_FDCWD, target, &time, &time, UtimensatFlags::NoFollowSymlink)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;
    use std::os::unix::fs::{MetadataExt, chown};

    use super::*;

    fn copy(source: &Path, owners: Option<&Owners>) -> (tempfile::TempDir, Findings) {
        let dest = tempfile::tempdir().unwrap();
        let interrupt = Interrupt::default();
        let copier = Copier {
            owners,
            interrupt: &interrupt,
            leave_out: nothing,
        };
        let findings = copier.copy(&File::open(source).unwrap().into(), dest.path()).unwrap();
        (dest, findings)
    }

    /// Everything that the copy promises to keep, for each entry.
    fn describe(root: &Path) -> Vec<String> {
        let entries = walkdir::WalkDir::new(root)
            .sort_by_file_name()
            .into_iter()
            .map(Result::unwrap);
        entries
            .map(|entry| {
                let meta = entry.metadata().unwrap();
                let content = match entry.file_type() {
                    kind if kind.is_symlink() => fs::read_link(entry.path()).unwrap().into_os_string(),
                    kind if kind.is_file() => OsString::from_vec(fs::read(entry.path()).unwrap()),
                    _ => OsString::new(),
                };
                let name = entry.path().strip_prefix(root).unwrap();
                format!(
                    "{name:?} {:o} {}.{} {content:?}",
                    meta.mode(),
                    meta.mtime(),
                    meta.mtime_nsec()
                )
            })
            .collect()
    }

    #[test]
    fn a_copy_keeps_links_modes_times_empty_folders_dot_files_and_all_names() {
        let source = tempfile::tempdir().unwrap();
        let root = source.path();
        fs::create_dir_all(root.join("a/empty")).unwrap();
        fs::create_dir_all(root.join(".git")).unwrap();
        fs::write(root.join(".git/HEAD"), "ref").unwrap();
        fs::write(root.join("a/run"), "#!").unwrap();
        fs::set_permissions(root.join("a/run"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(root.join(OsString::from_vec(b"\xff\xfe name\n".to_vec())), "odd").unwrap();
        symlink("a/run", root.join("link")).unwrap();
        symlink("/nowhere/at/all", root.join("broken")).unwrap();
        fs::set_permissions(root.join("a"), fs::Permissions::from_mode(0o550)).unwrap();
        let old = SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789);
        for name in ["a", "a/empty", "a/run", ".git"] {
            File::open(root.join(name)).unwrap().set_modified(old).unwrap();
        }
        let (dest, findings) = copy(root, None);
        fs::set_permissions(dest.path(), root.metadata().unwrap().permissions()).unwrap();
        assert_eq!(describe(root), describe(dest.path()));
        assert_eq!((findings.problems.len(), findings.bytes), (0, 8));
        let before = describe(dest.path());
        fs::write(dest.path().join("a/run"), "#?").unwrap();
        assert_ne!(before, describe(dest.path()), "the comparison cannot fail");
    }

    #[test]
    fn special_files_and_setuid_bits_do_not_come_through() {
        let source = tempfile::tempdir().unwrap();
        nix::unistd::mkfifo(&source.path().join("pipe"), Mode::S_IRWXU).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(source.path().join("socket")).unwrap();
        fs::write(source.path().join("suid"), "x").unwrap();
        fs::set_permissions(source.path().join("suid"), fs::Permissions::from_mode(0o6755)).unwrap();
        let (dest, findings) = copy(source.path(), None);
        let told: Vec<String> = findings.problems.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told[0].contains("a named pipe\n  where: pipe"), "{told:?}");
        assert!(told[1].contains("a socket\n  where: socket"), "{told:?}");
        assert!(
            told[2].contains("setuid or setgid bit in the configuration is not kept\n  where: suid"),
            "{told:?}"
        );
        assert_eq!(fs::metadata(dest.path().join("suid")).unwrap().mode() & 0o7777, 0o755);
    }

    #[test]
    fn attributes_and_second_names_are_told_where_they_are_lost() {
        let source = tempfile::tempdir().unwrap();
        let root = source.path();
        for name in ["a", "b", "c"] {
            fs::write(root.join(name), "x").unwrap();
        }
        fs::hard_link(root.join("a"), root.join("d")).unwrap();
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(root.join("b"), "user.note", b"mine", flags).expect("this test needs extended attributes");
        let (dest, findings) = copy(root, None);
        let told: Vec<String> = findings.problems.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(
            told[0].contains("user.note in the configuration is not kept\n  where: b"),
            "{told:?}"
        );
        assert!(
            told[1].contains("becomes two files\n  where: d") && told[1].contains("name is a:"),
            "{told:?}"
        );
        // A second name outside of the tree is no loss.
        fs::remove_file(root.join("d")).unwrap();
        fs::hard_link(root.join("a"), dest.path().join("elsewhere")).unwrap();
        assert_eq!(copy(root, None).1.problems.len(), 1);
    }

    #[test]
    fn a_dest_that_takes_nothing_ends_the_copy_and_is_not_called_an_unreadable_source() {
        let refused = anyhow::Error::from(io::Error::from_raw_os_error(Errno::EIO as i32));
        unreadable(Path::new("a"), refused).unwrap_err();
        let refused = Err::<(), _>(Errno::EIO).context(Unread).unwrap_err();
        assert_eq!(unreadable(Path::new("a"), refused).unwrap().code, "tree-unreadable");
    }

    #[test]
    fn a_tree_that_others_could_have_written_is_refused() {
        let source = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c"] {
            fs::write(source.path().join(name), "x").unwrap();
        }
        for name in ["a", "b"] {
            fs::set_permissions(source.path().join(name), fs::Permissions::from_mode(0o666)).unwrap();
        }
        // Debian's and NixOS' live systems have the account `messagebus` or `systemd-network`; number 33 is www-data here.
        chown(source.path().join("c"), Some(33), None).expect("the tests of ownership need root");
        let passwd = source.path().join("passwd");
        fs::write(&passwd, "www-data:x:33:33::/:/bin/sh\n").unwrap();
        let (_dest, findings) = copy(source.path(), Some(&Owners::of_live_system(&passwd)));
        let codes: Vec<_> = findings.problems.iter().map(|problem| problem.code).collect();
        assert_eq!(codes, ["tree-world-writable", "tree-owner"]);
        assert!(
            findings.problems[1].to_string().contains("`www-data`\n  where: c"),
            "{}",
            findings.problems[1]
        );
    }
}
