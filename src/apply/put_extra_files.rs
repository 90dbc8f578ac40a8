//! Puts the files that a person brought on the target: before the activation, which may need them; with their owners after it,
//! which creates these.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::disk::require_room;
use super::installation::Installation;
use super::missing_extra_files::{directory_of, missing, open};
use crate::diagnostic::{AccountKind, Diagnostic, ExtraFilesProblem};
use crate::files::sync;
use crate::live::target::Target;
use crate::store::room::{Grain, of_extra_files};
use crate::tree::extra_files::{Account, ExtraFile, ExtraFiles, Kind, around, new_name};
use crate::tree::snapshot::copy_contents;

/// The mode of a file that belongs to root alone.
const PRIVATE: u32 = 0o600;

/// Copies them. What the target has in the place of a file is kept beside it, unless it is the same.
pub(super) fn copy_all(files: &ExtraFiles, target: &Target, installation: &Installation<'_>) -> Result<()> {
    let interrupt = installation.live.runner.interrupt();
    let missing = missing(files, target, interrupt)?;
    require_room(
        target.root(),
        of_extra_files(&missing, &files.directory, Grain::of(target.root())?)?,
    )?;
    for file in missing {
        interrupt.check()?;
        let what = || format!("Failed to bring {}", target.inside_path(&file.path).display());
        if let Some(kept) = put(&files.directory, file, target, &installation.stamp).with_context(what)? {
            installation
                .live
                .report
                .note(&format!("What was there before is kept: {}", kept.display()));
        }
    }
    installation
        .live
        .report
        .note(&format!("Extra files: {}.", files.count()));
    Ok(())
}

/// Copies one that is [`missing`]; returns what is kept of the target, by its name.
fn put(source: &Path, file: &ExtraFile, target: &Target, stamp: &str) -> Result<Option<PathBuf>> {
    let (_open, directory) = directory_of(file, target)?;
    let name = file.path.file_name().context("It has no name")?;
    let (source, at) = (source.join(&file.path), directory.join(name));
    if let Kind::Directory(mode) = file.kind {
        match DirBuilder::new().mode(mode).create(&at) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made?,
        }
        return Ok(None);
    }
    let new = directory.join(new_name(name));
    if file.kind == Kind::Link {
        symlink(fs::read_link(&source)?, &new)?;
    } else {
        copy(&source, &new)?;
    }
    // In two steps: whichever was the last before a power cut, what was there has its name, and the next run goes on.
    let before = around("", name, &format!(".before-{stamp}"));
    let is_kept = at.symlink_metadata().is_ok();
    if is_kept {
        fs::rename(&at, directory.join(&before))?;
    }
    fs::rename(&new, &at)?;
    sync(&directory)?;
    Ok(is_kept.then(|| target.inside_path(&file.path).with_file_name(before)))
}

fn copy(source: &Path, new: &Path) -> Result<()> {
    let mut from = open(source)?;
    let mut to = File::options().write(true).create_new(true).mode(PRIVATE).open(new)?;
    copy_contents(&mut from, &mut to)?;
    Ok(to.sync_all()?)
}

/// Gives them their owners and modes; an owner that is not known is left as it is. The problems are those of accounts that the system
/// creates when it starts.
pub(super) fn give(files: &ExtraFiles, target: &Target) -> Result<Vec<Diagnostic>> {
    let read = |path: &str| target.read_inside(Path::new(path)).unwrap_or_default();
    let (users, groups) = (read("/etc/passwd"), read("/etc/group"));
    let (mut later, mut replaced) = (Vec::new(), Vec::new());
    for file in &files.files {
        let mut id = |kind, account: &Account, table: &str, column| {
            let found = match account {
                Account::Id(id) => Some(*id),
                Account::Name(name) => number(table, name, column),
            };
            if let (None, Account::Name(name)) = (found, account) {
                later.push((kind, name.clone(), file.path.clone()));
            }
            found
        };
        let of_owner = |account: &Account| match account {
            Account::Name(name) => number(&users, name, GID),
            Account::Id(id) => in_line(&users, UID, &id.to_string(), GID),
        };
        let owner = file
            .owner
            .as_ref()
            .map_or(Some(0), |owner| id(AccountKind::User, owner, &users, UID));
        let group = match &file.group {
            Some(group) => id(AccountKind::Group, group, &groups, UID),
            None => file.owner.as_ref().map_or(Some(0), of_owner),
        };
        let what = || {
            format!(
                "Failed to set the owner of {}",
                target.inside_path(&file.path).display()
            )
        };
        if !set(file, target, (owner, group)).with_context(what)? {
            replaced.push(ExtraFilesProblem::Replaced {
                path: file.path.clone(),
            });
        }
    }
    // What is below another one goes with it.
    later.dedup_by(|next, before| next.0 == before.0 && next.1 == before.1 && next.2.starts_with(&before.2));
    let problems = later
        .into_iter()
        .map(|(kind, name, path)| ExtraFilesProblem::AccountLater { kind, name, path });
    Ok(problems.chain(replaced).map(Diagnostic::from).collect())
}

/// Returns whether the file is still there: what the activation puts in its place is mostly a link, which leads out of the target.
fn set(file: &ExtraFile, target: &Target, (owner, group): (Option<u32>, Option<u32>)) -> io::Result<bool> {
    let (_open, directory) = directory_of(file, target)?;
    let at = directory.join(file.path.file_name().unwrap_or_default());
    let meta = match fs::symlink_metadata(&at) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        found => found?,
    };
    match file.kind {
        // It leads to another directory of the installed system, which has a mode of its own.
        Kind::Directory(_) if meta.is_symlink() => return Ok(true),
        Kind::Directory(_) if meta.is_dir() => {}
        Kind::File if meta.is_file() => {}
        Kind::Link if meta.is_symlink() => {}
        _ => return Ok(false),
    }
    let has_owner = file.owner.is_some() || file.group.is_some();
    // A directory without a rule may be the system's own.
    if has_owner || file.kind == Kind::File {
        let outcome = lchown(&at, owner, group);
        if has_owner {
            outcome
        } else {
            unless_unsupported(outcome)
        }?;
    }
    let permissions = Permissions::from_mode;
    match (file.mode, file.kind) {
        (_, Kind::Link) | (None, Kind::Directory(_)) => {}
        (Some(mode), _) => fs::set_permissions(&at, permissions(mode))?,
        (None, Kind::File) => unless_unsupported(fs::set_permissions(&at, permissions(PRIVATE)))?,
    }
    Ok(true)
}

/// FAT has neither owners nor modes: how it is mounted decides.
fn unless_unsupported(outcome: io::Result<()>) -> io::Result<()> {
    outcome.or_else(|error| match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported => Ok(()),
        _ => Err(error),
    })
}

/// The columns of passwd(5); in group(5), the first of them is the group's.
const UID: usize = 2;
const GID: usize = 3;

/// The number in a column of the line of `name`.
fn number(table: &str, name: &str, column: usize) -> Option<u32> {
    in_line(table, 0, name, column)
}

/// The number in a column of the line that has `key` in the column `of_key`.
fn in_line(table: &str, of_key: usize, key: &str, column: usize) -> Option<u32> {
    let mut lines = table.lines().map(|line| line.split(':'));
    let mut line = lines.find(|line| line.clone().nth(of_key) == Some(key))?;
    line.nth(column)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::interrupt::Interrupt;
    use crate::tree::extra_files::MANIFEST;

    fn brought(files: &[(&str, &str)]) -> (tempfile::TempDir, ExtraFiles) {
        let directory = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let files = ExtraFiles::read(directory.path()).unwrap();
        (directory, files)
    }

    fn put_all(files: &ExtraFiles, target: &Target, stamp: &str) -> Vec<PathBuf> {
        let missing = missing(files, target, &Interrupt::default()).unwrap().into_iter();
        let kept = missing.filter_map(|file| put(&files.directory, file, target, stamp).unwrap());
        kept.collect()
    }

    #[test]
    fn they_are_private_what_was_there_is_kept_and_a_second_run_changes_nothing() {
        let root = tempfile::tempdir().unwrap();
        let target = Target::new(root.path());
        fs::create_dir(root.path().join("etc")).unwrap();
        fs::write(root.path().join("etc/key"), "old").unwrap();
        let (_directory, files) = brought(&[("etc/key", "new"), ("var/lib/x/key", "k")]);
        let before = target.root().join("etc/key.before-1");
        assert_eq!(put_all(&files, &target, "1"), std::slice::from_ref(&before));
        assert!(put_all(&files, &target, "2").is_empty());
        let text = |path: &str| fs::read_to_string(root.path().join(path)).unwrap();
        assert_eq!((text("etc/key"), text("var/lib/x/key")), ("new".into(), "k".into()));
        assert_eq!(fs::read_to_string(before).unwrap(), "old");
        let mode = |path: &str| root.path().join(path).metadata().unwrap().mode() & 0o7777;
        assert_eq!(
            (mode("etc/key"), mode("var/lib"), mode("var/lib/x")),
            (0o600, 0o755, 0o700)
        );
        // A run that was killed leaves half of a file, and nothing else.
        fs::write(root.path().join("etc/.key.nix-cfg-install"), "ne").unwrap();
        assert!(put_all(&files, &target, "3").is_empty());
        assert_eq!(fs::read_dir(root.path().join("etc")).unwrap().count(), 2);
    }

    #[test]
    fn links_on_the_target_lead_where_they_lead_in_the_installed_system() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("persist/ssh")).unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        symlink("/persist/ssh", root.path().join("etc/ssh")).unwrap();
        let (directory, _) = brought(&[("etc/ssh/key", "k")]);
        symlink("key", directory.path().join("etc/ssh/link")).unwrap();
        let files = ExtraFiles::read(directory.path()).unwrap();
        assert!(put_all(&files, &Target::new(root.path()), "1").is_empty());
        assert_eq!(fs::read_to_string(root.path().join("persist/ssh/link")).unwrap(), "k");
        assert!(put_all(&files, &Target::new(root.path()), "2").is_empty());
    }

    #[test]
    fn a_run_that_was_killed_loses_nothing_and_names_may_have_any_bytes() {
        let root = tempfile::tempdir().unwrap();
        let target = Target::new(root.path());
        let (directory, _) = brought(&[("etc/key", "new")]);
        let odd = Path::new(OsStr::from_bytes(b"etc/odd\xff"));
        fs::write(directory.path().join(odd), "odd").unwrap();
        let files = ExtraFiles::read(directory.path()).unwrap();
        // After what was there got its new name, and before the new file got its own.
        fs::create_dir(root.path().join("etc")).unwrap();
        fs::write(root.path().join("etc/key.before-1"), "old").unwrap();
        fs::write(root.path().join("etc/.key.nix-cfg-install"), "new").unwrap();
        assert!(put_all(&files, &target, "2").is_empty());
        let text = |path: &Path| fs::read_to_string(root.path().join(path)).unwrap();
        assert_eq!(text(Path::new("etc/key")), "new");
        assert_eq!(text(Path::new("etc/key.before-1")), "old");
        assert_eq!(text(odd), "odd");
        assert_eq!(fs::read_dir(root.path().join("etc")).unwrap().count(), 3);
    }

    #[test]
    fn owners_are_those_of_the_installed_system() {
        let root = tempfile::tempdir().unwrap();
        let target = Target::new(root.path());
        let own = root.path().metadata().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        let passwd = format!(
            "root:x:0:0::/root:/bin/sh\nalice:x:{}:{}::/:/bin/sh\n",
            own.uid(),
            own.gid()
        );
        fs::write(root.path().join("etc/passwd"), passwd).unwrap();
        fs::write(root.path().join("etc/group"), format!("keys:x:{}:\n", own.gid())).unwrap();
        let manifest = "/a: { owner: alice, mode: \"0750\" }\n/b: { owner: alice, group: keys }\n";
        let (directory, _) = brought(&[("a/x", ""), ("b", ""), (MANIFEST, manifest)]);
        let files = ExtraFiles::read(directory.path()).unwrap();
        put_all(&files, &target, "1");
        assert!(give(&files, &target).unwrap().is_empty());
        fs::write(root.path().join("etc/passwd"), "").unwrap();
        let later = give(&files, &target).unwrap();
        let commands: Vec<&str> = later.iter().map(|problem| problem.remedy.as_str()).collect();
        let command = |path: &str| format!("After the first start: sudo chown -R alice {path}");
        assert_eq!(commands, [command("/a"), command("/b")]);
        let mode = |path: &str| root.path().join(path).metadata().unwrap().mode() & 0o7777;
        assert_eq!((mode("a"), mode("a/x"), mode("b")), (0o750, 0o600, 0o600));
        assert_eq!(number("alice:x:1000:100::", "alice", GID), Some(100));
        assert_eq!(number("alice:x:1000:100::", "ali", UID), None);
    }

    #[test]
    fn what_the_activation_puts_in_the_place_of_one_is_named_and_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let target = Target::new(root.path());
        let (directory, files) = brought(&[("etc/hostname", "x"), ("etc/key", "x")]);
        put_all(&files, &target, "1");
        // In the live system.
        let other = directory.path().join("other");
        fs::write(&other, "").unwrap();
        fs::set_permissions(&other, Permissions::from_mode(0o644)).unwrap();
        fs::remove_file(root.path().join("etc/hostname")).unwrap();
        symlink(&other, root.path().join("etc/hostname")).unwrap();
        let found = give(&files, &target).unwrap();
        let codes: Vec<&str> = found.iter().map(|problem| problem.code).collect();
        assert_eq!(codes, ["extra-files-replaced"]);
        assert_eq!(other.metadata().unwrap().mode() & 0o777, 0o644);
    }

    #[test]
    fn a_file_of_a_number_gets_the_group_that_the_user_of_this_number_has() {
        let root = tempfile::tempdir().unwrap();
        let target = Target::new(root.path());
        fs::create_dir(root.path().join("etc")).unwrap();
        let own = root.path().metadata().unwrap();
        let is_root = own.uid() == 0;
        // Only root can give files to others.
        let (uid, gid) = if is_root { (1000, 100) } else { (own.uid(), own.gid()) };
        let passwd = format!("root:x:0:0::/:\nalice:x:{uid}:{gid}::/:\n");
        fs::write(root.path().join("etc/passwd"), passwd).unwrap();
        let manifest = format!("/a: {{ owner: {uid} }}\n");
        let (_directory, files) = brought(&[("a", ""), (MANIFEST, &manifest)]);
        put_all(&files, &target, "1");
        assert!(give(&files, &target).unwrap().is_empty());
        let given = root.path().join("a").metadata().unwrap();
        assert_eq!((given.uid(), given.gid()), (uid, gid));
    }
}
