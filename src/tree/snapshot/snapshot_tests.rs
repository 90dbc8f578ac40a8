//! What is kept, what is reported, what is refused.

use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, chown};

use nix::errno::Errno;

use super::*;

fn copy(source: &Path, owners: Option<&Accounts>) -> (tempfile::TempDir, Findings) {
    let dest = tempfile::tempdir().unwrap();
    let interrupt = Interrupt::default();
    let copier = Copier {
        owners,
        interrupt: &interrupt,
        exclude: None,
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
fn a_copy_keeps_links_modes_times_empty_directories_dot_files_and_all_names() {
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
    fs::set_permissions(root.join("a"), fs::Permissions::from_mode(0o750)).unwrap();
    let old = SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789);
    for name in ["a", "a/empty", "a/run", ".git"] {
        File::open(root.join(name)).unwrap().set_modified(old).unwrap();
    }
    let (dest, findings) = copy(root, None);
    fs::set_permissions(dest.path(), root.metadata().unwrap().permissions()).unwrap();
    assert_eq!(describe(root), describe(dest.path()));
    assert_eq!((findings.problems.len(), findings.bytes), (0, 8));
    // As on an ISO.
    for (name, mode, expected) in [("a/run", 0o444, 0o644), ("a", 0o555, 0o755)] {
        fs::set_permissions(root.join(name), fs::Permissions::from_mode(mode)).unwrap();
        let (writable, _) = copy(root, None);
        assert_eq!(
            fs::metadata(writable.path().join(name)).unwrap().mode() & 0o7777,
            expected
        );
    }
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
    let reported: Vec<String> = findings.problems.iter().map(ToString::to_string).collect();
    assert_eq!(reported.len(), 3, "{reported:?}");
    assert!(reported[0].contains("a named pipe\n  where: pipe"), "{reported:?}");
    assert!(reported[1].contains("a socket\n  where: socket"), "{reported:?}");
    assert!(
        reported[2].contains("setuid or setgid bit in the configuration is not kept\n  where: suid"),
        "{reported:?}"
    );
    assert_eq!(fs::metadata(dest.path().join("suid")).unwrap().mode() & 0o7777, 0o755);
}

#[test]
fn attributes_and_second_names_are_reported_where_they_are_lost() {
    let source = tempfile::tempdir().unwrap();
    let root = source.path();
    for name in ["a", "b", "c"] {
        fs::write(root.join(name), "x").unwrap();
    }
    fs::hard_link(root.join("a"), root.join("d")).unwrap();
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(root.join("b"), "user.note", b"mine", flags).expect("this test needs extended attributes");
    let (dest, findings) = copy(root, None);
    let reported: Vec<String> = findings.problems.iter().map(ToString::to_string).collect();
    assert_eq!(reported.len(), 2, "{reported:?}");
    assert!(
        reported[0].contains("user.note in the configuration is not kept\n  where: b"),
        "{reported:?}"
    );
    assert!(
        reported[1].contains("becomes two files\n  where: d") && reported[1].contains("name is a:"),
        "{reported:?}"
    );
    // A second name outside of the tree is no loss.
    fs::remove_file(root.join("d")).unwrap();
    fs::hard_link(root.join("a"), dest.path().join("elsewhere")).unwrap();
    assert_eq!(copy(root, None).1.problems.len(), 1);
}

#[test]
fn a_file_that_names_a_repository_elsewhere_is_left_out_and_said() {
    let source = tempfile::tempdir().unwrap();
    let root = source.path();
    fs::create_dir(root.join("submodule")).unwrap();
    for name in [".git", "submodule/.git"] {
        fs::write(root.join(name), "gitdir: /home/ada/machines/.git/worktrees/x\n").unwrap();
    }
    let (dest, findings) = copy(root, None);
    let codes: Vec<&str> = findings.problems.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, ["tree-git-elsewhere"]);
    // Nix reads a directory through git only where `.git` is in it itself.
    assert!(!dest.path().join(".git").exists() && dest.path().join("submodule/.git").exists());
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
    // Only root can give a file away; for another user, the service has the own number, and all files.
    let (uid, first) = match nix::unistd::geteuid().as_raw() {
        0 => (33, "c"),
        own => (own, "."),
    };
    chown(source.path().join("c"), Some(uid), None).unwrap();
    let passwd = source.path().join("passwd");
    fs::write(&passwd, format!("www-data:x:{uid}:33::/:/bin/sh\n")).unwrap();
    let accounts = Accounts::of_live_system(&passwd, std::iter::empty());
    let (_dest, mut findings) = copy(source.path(), Some(&accounts));
    findings.problems.sort_by_key(|problem| problem.code);
    let codes: Vec<_> = findings.problems.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, ["tree-owner", "tree-world-writable"]);
    let text = findings.problems[0].to_string();
    assert!(text.contains(&format!("`www-data`\n  where: {first}")), "{text}");
}
