//! Puts the tree into the target's etc/nixos: it is made next to the old one and exchanged with it at once; the old one is kept.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::disk::require_room;
use super::installation::Installation;
use super::{git_index, luks, put_extra_files};
use crate::files::{exchange, remove, sync};
use crate::interrupt::Interrupt;
use crate::live::mounts;
use crate::live::placement::{Exchange, Placement, is_inode};
use crate::live::target::Target;
use crate::plan::{Plan, as_placed, hardware_files};
use crate::process::Invocation;
use crate::store::room::Grain;
use crate::tree::fingerprint::Fingerprint;
use crate::tree::same_tree::same_tree;
use crate::tree::snapshot::copy_whole;
use crate::tree::source::{ConfigKind, ETC_NIXOS};

/// Puts the configuration into the target's etc/nixos, and extra files where they belong; gives the encrypted volumes the key that the
/// system expects.
pub(super) fn step(plan: &Plan, target: &Target, installation: &Installation<'_>) -> Result<()> {
    let report = installation.live.report;
    let snapshot = plan.snapshot.path();
    installation.log.also_to(&target.log(&installation.stamp))?;
    if let Some(mode) = open(target.root())? {
        let root = target.root().display();
        report.note(&format!(
            "{root} had mode {mode:o}. It now has 755, as the root of a system."
        ));
    }
    luks::enroll(target, installation)?;
    if plan.kind == ConfigKind::Flake {
        let files = hardware_files::files(snapshot, &plan.hardware)?;
        git_index::track(installation.live, snapshot, &files)?;
    }
    let interrupt = installation.live.runner.interrupt();
    let files = as_placed(snapshot, &plan.kept_by_hand)?;
    let new = Placement {
        hardware: plan.hardware.clone(),
        chosen: Some(plan.choices.taken.clone()),
        machine: plan.machine.clone(),
        ..Placement::default()
    };
    match place(target, snapshot, (new, files), &installation.stamp, interrupt)? {
        Placed::Same => report.note("The target already has this configuration."),
        Placed::New(None) => {}
        Placed::New(Some(kept)) => report.note(&format!(
            "The former contents of etc/nixos are kept beside it, in {}.",
            kept.file_name().unwrap_or_default().display()
        )),
    }
    if let Some(files) = &plan.extra_files {
        put_extra_files::copy_all(files, target, installation)?;
    }
    bind_again(target, installation)
}

/// Binds the new directory where a person had bound the former one, which the installed system has elsewhere: a bind mount
/// stays with the directory that it was made from.
fn bind_again(target: &Target, installation: &Installation<'_>) -> Result<()> {
    let seen = target.inside(ETC_NIXOS);
    if seen == target.etc_nixos() || mounts::at(&seen).is_none() {
        return Ok(());
    }
    let runner = installation.live.runner;
    runner.output(&Invocation::new("umount").arg(&seen))?;
    let bind = Invocation::new("mount").arg("--bind");
    runner.output(&bind.arg(target.etc_nixos()).arg(&seen)).map(drop)
}

/// Who may do what with the root directory of an installed system.
const ROOT_MODE: u32 = 0o755;

/// Gives the root directory the mode of every NixOS, and returns the mode that it had if that was another one.
///
/// nixos-install (nixpkgs 24.05 and 26.11) refuses a root that other users cannot read; a file system that was just made
/// can have any mode, and calamares-nixos-extensions 0.3.23 does the same.
fn open(root: &Path) -> Result<Option<u32>> {
    let what = || format!("Failed to set the mode of {}", root.display());
    let mode = fs::metadata(root).with_context(what)?.permissions().mode() & 0o7777;
    if mode == ROOT_MODE {
        return Ok(None);
    }
    fs::set_permissions(root, fs::Permissions::from_mode(ROOT_MODE)).with_context(what)?;
    Ok(Some(mode))
}

/// The outcome of placing a tree.
#[derive(Debug, PartialEq, Eq)]
enum Placed {
    /// The target already had exactly this tree.
    Same,
    /// It is new; what was there before is kept at this path, if there was anything.
    New(Option<PathBuf>),
}

/// Makes `snapshot` the target's etc/nixos. `new` says what is in it, `files` is what a later run compares with, `stamp` names what is
/// kept.
///
/// # Errors
/// When the target cannot be written, or on interruption; what was in etc/nixos is then untouched.
fn place(
    target: &Target,
    snapshot: &Path,
    (new, files): (Placement, Fingerprint),
    stamp: &str,
    interrupt: &Interrupt,
) -> Result<Placed> {
    finish_earlier(target)?;
    let tree = Placement::load(target)?.and_then(|placement| placement.tree);
    let etc_nixos = target.etc_nixos();
    if same_tree(snapshot, &etc_nixos)? {
        return Ok(Placed::Same);
    }
    let before = target.etc_nixos_before(stamp);
    let swapped = stage(target, snapshot, interrupt).and_then(|inode| {
        let swap = Some(Exchange {
            inode,
            before: before.clone(),
            tree: Some(files),
        });
        Placement { tree, swap, ..new }.save(target)?;
        // Where that takes two steps, a power cut between them is repaired by the next run.
        exchange(&target.staging(), &etc_nixos, &before)
            .with_context(|| format!("Failed to put {} in its place", etc_nixos.display()))
    });
    // Whether it failed or not: what was staged is removed, or what was swapped out is kept.
    let kept = finish_earlier(target);
    swapped?;
    Ok(Placed::New(kept?))
}

/// Makes the new directory next to the old one, and returns its inode.
fn stage(target: &Target, snapshot: &Path, interrupt: &Interrupt) -> Result<u64> {
    let staging = target.staging();
    let what = || format!("Failed to make {}", staging.display());
    fs::create_dir_all(&staging).with_context(what)?;
    require_room(&staging, Grain::of(&staging)?.room(snapshot)?)?;
    copy_whole(snapshot, &staging, interrupt)?;
    // The snapshot's own directory is private; etc/nixos is not.
    fs::set_permissions(&staging, std::os::unix::fs::PermissionsExt::from_mode(0o755)).with_context(what)?;
    sync(&staging)?;
    fs::metadata(&staging).map(|meta| meta.ino()).with_context(what)
}

/// Brings an earlier swap to its end: what is in the staging place is either the old directory, which is kept, or a new one
/// that did not get further, which is removed. Returns where the old one is kept.
fn finish_earlier(target: &Target) -> Result<Option<PathBuf>> {
    let staging = target.staging();
    let Some(mut placement) = Placement::load(target)? else {
        remove(&staging)?;
        return Ok(None);
    };
    let files = placement.files(target).cloned();
    let kept = match placement.swap.take() {
        Some(Exchange { inode, before, .. }) => {
            placement.tree = files;
            let staged = is_inode(&staging, inode);
            if staged && !exists(&target.etc_nixos()) && exists(&before) {
                let what = || format!("Failed to put {} back", before.display());
                fs::rename(&before, target.etc_nixos()).with_context(what)?;
            }
            if !staged && exists(&staging) {
                fs::rename(&staging, &before).with_context(|| format!("Failed to keep {}", before.display()))?;
            }
            // On the disk before it is called finished: what is staged after that is not taken for a directory of the user.
            staging.parent().map_or(Ok(()), sync)?;
            placement.save(target)?;
            Some(before).filter(|before| exists(before))
        }
        None => None,
    };
    remove(&staging)?;
    Ok(kept)
}

/// Whether something is there, be it a link that leads nowhere.
fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A target, and a tree with a file of this text.
    fn target() -> (tempfile::TempDir, Target) {
        let directory = tempfile::tempdir().unwrap();
        let target = Target::new(directory.path());
        (directory, target)
    }

    fn tree(text: &str) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("file"), text).unwrap();
        directory
    }

    fn files(text: &str) -> Fingerprint {
        [("file".to_owned(), text.to_owned())].into()
    }

    fn new(text: &str) -> (Placement, Fingerprint) {
        let hardware = PathBuf::from("file");
        let new = Placement {
            hardware,
            ..Placement::default()
        };
        (new, files(text))
    }

    fn placed(target: &Target, text: &str, stamp: &str) -> Placed {
        let new = new(text);
        place(target, tree(text).path(), new, stamp, &Interrupt::default()).unwrap()
    }

    fn text(directory: &Path) -> String {
        fs::read_to_string(directory.join("file")).unwrap()
    }

    fn make(directory: &Path, text: &str) -> u64 {
        fs::create_dir_all(directory).unwrap();
        fs::write(directory.join("file"), text).unwrap();
        fs::metadata(directory).unwrap().ino()
    }

    fn names(target: &Target) -> Vec<String> {
        let entries = fs::read_dir(target.root().join("etc")).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Writes down that `inode` is swapped in, as a run that is killed then.
    fn begun(target: &Target, inode: u64) {
        let swap = Some(Exchange {
            inode,
            before: target.etc_nixos_before("killed"),
            tree: Some(files("killed")),
        });
        let new = new("killed").0;
        Placement { swap, ..new }.save(target).unwrap();
    }

    #[test]
    fn the_root_is_given_the_mode_that_a_system_has() {
        let root = tempfile::tempdir().unwrap();
        for mode in [0o700, 0o777, 0o1777] {
            fs::set_permissions(&root, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(open(root.path()).unwrap(), Some(mode));
            assert_eq!(fs::metadata(&root).unwrap().permissions().mode() & 0o7777, 0o755);
            assert_eq!(open(root.path()).unwrap(), None);
        }
    }

    #[test]
    fn what_a_killed_run_had_staged_is_never_taken_for_what_was_there_before() {
        let (_directory, target) = target();
        make(&target.etc_nixos(), "user's");
        assert_eq!(
            placed(&target, "1", "a"),
            Placed::New(Some(target.etc_nixos_before("a")))
        );
        // A second run was killed before it wrote down what it swaps.
        make(&target.staging(), "half of 2");
        assert_eq!(
            placed(&target, "2", "b"),
            Placed::New(Some(target.etc_nixos_before("b")))
        );
        assert_eq!(names(&target), ["nixos", "nixos.before-a", "nixos.before-b"]);
        let texts = ["a", "b"].map(|stamp| text(&target.etc_nixos_before(stamp)));
        assert_eq!(
            (text(&target.etc_nixos()), texts),
            ("2".to_owned(), ["user's", "1"].map(str::to_owned))
        );
        assert_eq!(placed(&target, "2", "c"), Placed::Same);
    }

    #[test]
    fn an_interrupted_run_leaves_everything_as_it_was() {
        let (_directory, target) = target();
        make(&target.etc_nixos(), "user's");
        placed(&target, "1", "a");
        let interrupt = Interrupt::default();
        interrupt.raise();
        place(&target, tree("2").path(), new("2"), "b", &interrupt).unwrap_err();
        assert_eq!(names(&target), ["nixos", "nixos.before-a"]);
        assert_eq!(text(&target.etc_nixos()), "1");
    }

    #[test]
    fn wherever_a_swap_was_cut_off_the_old_directory_is_kept() {
        let killed = |at: &dyn Fn(&Target)| {
            let (_directory, target) = target();
            make(&target.etc_nixos(), "user's");
            at(&target);
            placed(&target, "1", "a");
            let kept: Vec<String> = names(&target).into_iter().skip(1).collect();
            assert_eq!(text(&target.etc_nixos()), "1");
            let [kept] = kept.as_slice() else { panic!("{kept:?}") };
            assert_eq!(text(&target.root().join("etc").join(kept)), "user's");
        };
        // Staged.
        killed(&|target| begun(target, make(&target.staging(), "1")));
        // Exchanged.
        killed(&|target| {
            fs::rename(target.etc_nixos(), target.staging()).unwrap();
            begun(target, make(&target.etc_nixos(), "1"));
        });
        // Kept.
        killed(&|target| {
            fs::rename(target.etc_nixos(), target.etc_nixos_before("killed")).unwrap();
            begun(target, make(&target.etc_nixos(), "1"));
        });
        // The first of the two steps.
        killed(&|target| {
            fs::rename(target.etc_nixos(), target.etc_nixos_before("killed")).unwrap();
            begun(target, make(&target.staging(), "1"));
        });
    }

    #[test]
    fn what_is_in_place_is_known_wherever_a_swap_was_cut_off() {
        let (_directory, target) = target();
        let known = || Placement::load(&target).unwrap().unwrap().files(&target).cloned();
        placed(&target, "1", "a");
        assert_eq!(known(), Some(files("1")));
        let begin = |inode| {
            let mut placement = Placement::load(&target).unwrap().unwrap();
            let (before, tree) = (target.etc_nixos_before("killed"), Some(files("2")));
            placement.swap = Some(Exchange { inode, before, tree });
            placement.save(&target).unwrap();
        };
        begin(make(&target.staging(), "2"));
        assert_eq!(known(), Some(files("1")), "not exchanged");
        exchange(
            &target.staging(),
            &target.etc_nixos(),
            &target.etc_nixos_before("killed"),
        )
        .unwrap();
        assert_eq!(known(), Some(files("2")), "exchanged");
        finish_earlier(&target).unwrap();
        assert_eq!(known(), Some(files("2")), "finished by the next run");
    }

    #[test]
    fn a_file_that_is_read_only_is_not_placed_anew_each_time() {
        let ((_directory, target), tree) = (target(), tree("1"));
        let file = tree.path().join("file");
        let place = |mode| {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            place(&target, tree.path(), new("1"), "a", &Interrupt::default()).unwrap()
        };
        assert_eq!(place(0o444), Placed::New(None));
        assert_eq!(place(0o444), Placed::Same);
        assert!(matches!(place(0o555), Placed::New(Some(_))));
    }

    #[test]
    fn a_link_that_leads_nowhere_here_is_kept_as_well() {
        let (_directory, target) = target();
        fs::create_dir(target.root().join("etc")).unwrap();
        symlink("/persist/etc/nixos", target.etc_nixos()).unwrap();
        placed(&target, "1", "a");
        let kept = fs::read_link(target.etc_nixos_before("a")).unwrap();
        assert_eq!(kept, Path::new("/persist/etc/nixos"));
        assert_eq!(text(&target.etc_nixos()), "1");
    }

    #[test]
    fn nothing_is_removed_while_it_is_not_known_what_an_earlier_run_did() {
        let (_directory, target) = target();
        make(&target.staging(), "user's");
        crate::files::write_whole(&target.placement(), b"{").unwrap();
        let error = place(&target, tree("1").path(), new("1"), "a", &Interrupt::default()).unwrap_err();
        assert!(error.to_string().contains("placement.json"), "{error:#}");
        assert_eq!(text(&target.staging()), "user's");
    }
}
