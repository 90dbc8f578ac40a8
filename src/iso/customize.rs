//! `nix-cfg-iso customize`: a finished ISO with other settings or another configuration, without Nix.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use nix::sys::statvfs::statvfs;

use super::all_at_once::{keep, only_warnings};
use super::allowed_secrets::{self, Allowed};
use super::changed_settings;
use super::choices::InitReport;
use super::config_option;
use super::copied::Digests;
use super::flake_template::{CONFIG_DIR, SETTINGS_FILE};
use super::image_file::ImageIdentity;
use super::init::copy_configuration;
use super::remaster::{self, Contents, Replacement};
use super::staging::{MODE, PREFIX};
use crate::diagnostic::CustomizeProblem;
use crate::locked_directory::LockedDirectory;
use crate::process::Runner;
use crate::progress::{Phase, Reporter, Unit};
use crate::tree::source::{ConfigKind, FLAKE_NIX, Source};

/// The store of a NixOS ISO's live system.
const STORE: &str = "/nix-store.squashfs";

/// What the bar is divided into.
pub const PHASES: [Phase; 3] = [
    Phase {
        name: "look",
        title: "Reading the ISO",
        seconds: 2.0,
    },
    Phase {
        name: "write",
        title: "Writing the new ISO",
        seconds: 60.0,
    },
    Phase {
        name: "verify",
        title: "Checking the new ISO",
        seconds: 10.0,
    },
];

/// The options of the command line.
#[derive(Debug)]
pub struct CustomizeOptions {
    /// The ISO, which is only read.
    pub iso: PathBuf,
    /// The file to write.
    pub out: PathBuf,
    /// Settings: keys and values.
    pub set: Vec<(String, String)>,
    /// A file of settings, in place of those that the ISO has outside of its live system.
    pub settings: Option<PathBuf>,
    /// The directory of a configuration, in place of the one on the ISO.
    pub config: Option<PathBuf>,
    /// Whether private keys in it may be on the ISO.
    pub allow_secrets: bool,
}

/// Writes the changed ISO.
///
/// # Errors
/// [`CustomizeProblem`]s, those of the settings and of the configuration, and errors of xorriso and of the file system. Nothing
/// has the name of the new ISO then.
pub fn customize(runner: &Runner, options: &CustomizeOptions, reporter: &Reporter) -> Result<InitReport> {
    let (out, source, settings, mut report) = checked(options)?;
    reporter.phase(&PHASES[0]);
    let what = || format!("Failed to read {}", options.iso.display());
    let iso = fs::canonicalize(&options.iso).with_context(what)?;
    let length = fs::metadata(&iso).with_context(what)?.len();
    let identity = File::open(&iso)
        .and_then(|file| ImageIdentity::read(&file))
        .with_context(what)?;
    let identity = identity.ok_or_else(|| CustomizeProblem::NotAnIso {
        file: options.iso.clone(),
    })?;
    let contents = Contents::read(runner, &iso)?;
    require_ours(&options.iso, &contents)?;
    let directory = out.parent().unwrap_or(Path::new("/"));
    let staging = LockedDirectory::create(directory, PREFIX, MODE)
        .with_context(|| format!("Failed to create a directory in {}", directory.display()))?;
    let replacements = replacements(
        runner,
        options,
        (source.as_ref(), settings),
        (&iso, &contents),
        staging.path(),
        &mut report,
    )?;
    require_room(directory, length)?;

    reporter.phase(&PHASES[1]);
    let new = staging.path().join("new.iso");
    let mut watch = || {
        let written = fs::metadata(&new).map_or(0, |meta| meta.len());
        reporter.progress(written.min(length), length, Unit::Bytes, "");
    };
    remaster::write(runner, &iso, (&identity, &contents), &replacements, &new, &mut watch)?;

    reporter.phase(&PHASES[2]);
    let what = || format!("Failed to write {}", options.out.display());
    let file = File::options().read(true).write(true).open(&new).with_context(what)?;
    identity.restore_mbr_id(&file).with_context(what)?;
    contents.require_same_boot(&Contents::read(runner, &new)?)?;
    if identity.has_checksum && !remaster::implant_checksum(runner, &new)? {
        let out = out.clone();
        report.warnings.push(CustomizeProblem::NoChecksum { out }.into());
    }
    file.sync_all().with_context(what)?;
    runner.interrupt().check()?;
    publish(&new, &out, &options.out)?;
    report.notes.push(format!("Wrote {}.", options.out.display()));
    Ok(report)
}

/// The absolute path of the file to write, and the configuration and the text of the settings, if there are some; all that is wrong
/// with the options at once.
fn checked(options: &CustomizeOptions) -> Result<(PathBuf, Option<Source>, Option<String>, InitReport)> {
    let (settings, mut problems) = changed_settings::checked(options.settings.as_deref(), &options.set)?;
    let out = keep(require_new(&options.iso, &options.out), &mut problems)?;
    let source = match &options.config {
        Some(config) => keep(config_option::open(config), &mut problems)?,
        None => None,
    };
    let mut notes: Vec<String> = source.iter().map(|source| source.reason.clone()).collect();
    if let Some(source) = &source {
        let known = Digests::new();
        let allowed = Allowed::with(options.allow_secrets, &known);
        let keys = allowed_secrets::look(&source.path, source.kind, allowed, "add --allow-secrets");
        problems.extend(keys.problems);
        notes.extend(keys.note);
    }
    let report = InitReport {
        warnings: only_warnings(problems)?,
        notes,
    };
    // Without it there was an error.
    Ok((out.unwrap_or_default(), source, settings, report))
}

/// The absolute path of `out`, which must be a new file in a directory that exists.
fn require_new(iso: &Path, out: &Path) -> Result<PathBuf> {
    let file = |path: &Path| fs::metadata(path).map(|meta| (meta.dev(), meta.ino())).ok();
    match (fs::symlink_metadata(out), file(out)) {
        (Err(error), _) if error.kind() == ErrorKind::NotFound => {}
        (Err(error), _) => return Err(error).with_context(|| format!("Failed to look at {}", out.display())),
        (Ok(_), found) => {
            let out = out.to_owned();
            return Err(if found.is_some() && found == file(iso) {
                CustomizeProblem::SameFile { out }.into()
            } else {
                CustomizeProblem::Exists { out }.into()
            });
        }
    }
    let out = std::path::absolute(out).context("Failed to find the working directory")?;
    let parent = out.parent().unwrap_or(Path::new("/"));
    let parent = fs::canonicalize(parent).with_context(|| format!("Failed to find {}", parent.display()))?;
    // `..` has none, and exists.
    Ok(parent.join(out.file_name().unwrap_or_default()))
}

/// Fails unless it is an ISO that was built here.
fn require_ours(iso: &Path, contents: &Contents) -> Result<()> {
    let lacking = ["/nix-cfg", STORE].into_iter().find(|path| !contents.has(path));
    match lacking {
        Some(lacking) => Err(CustomizeProblem::NotOurs {
            file: iso.to_owned(),
            lacking,
        }
        .into()),
        None => Ok(()),
    }
}

fn require_room(directory: &Path, needed: u64) -> Result<()> {
    let room = statvfs(directory).with_context(|| format!("Failed to look at {}", directory.display()))?;
    let free = room.blocks_available() * room.fragment_size();
    if free < needed {
        let directory = directory.to_owned();
        return Err(CustomizeProblem::NoRoom {
            directory,
            needed,
            free,
        }
        .into());
    }
    Ok(())
}

/// What is put into the image, prepared in `staging`.
fn replacements(
    runner: &Runner,
    options: &CustomizeOptions,
    (source, settings): (Option<&Source>, Option<String>),
    (iso, contents): (&Path, &Contents),
    staging: &Path,
    report: &mut InitReport,
) -> Result<Vec<Replacement>> {
    let mut replacements = Vec::new();
    if let Some(source) = source {
        let copy = staging.join(CONFIG_DIR);
        copy_configuration(source, &copy, runner.interrupt(), report)?;
        let is_flake = source.kind == ConfigKind::Flake;
        if contents.has(&format!("/{CONFIG_DIR}/{FLAKE_NIX}")) != is_flake {
            report.warnings.push(CustomizeProblem::OtherKind { is_flake }.into());
        }
        replacements.push(Replacement {
            name: CONFIG_DIR,
            source: copy,
        });
    }
    if options.settings.is_some() || !options.set.is_empty() {
        if !contents.has(&format!("/{SETTINGS_FILE}")) {
            let file = options.iso.clone();
            return Err(CustomizeProblem::ReadsNoSettings { file }.into());
        }
        let file = staging.join(SETTINGS_FILE);
        let old = if let Some(text) = settings {
            text
        } else {
            let old = staging.join("old.yaml");
            remaster::extract(runner, iso, SETTINGS_FILE, &old)?;
            fs::read_to_string(&old).with_context(|| format!("Failed to read {}", old.display()))?
        };
        fs::write(&file, changed_settings::text(&old, &options.set)?)
            .with_context(|| format!("Failed to write {}", file.display()))?;
        replacements.push(Replacement {
            name: SETTINGS_FILE,
            source: file,
        });
    }
    Ok(replacements)
}

/// Gives the finished image its name. What appeared there meanwhile is kept, and is an error.
fn publish(new: &Path, out: &Path, named: &Path) -> Result<()> {
    let result = match renameat2(AT_FDCWD, new, AT_FDCWD, out, RenameFlags::RENAME_NOREPLACE) {
        // Not every file system can do both in one step.
        Err(Errno::EINVAL) if !out.exists() => fs::rename(new, out),
        Err(Errno::EINVAL | Errno::EEXIST) => return Err(CustomizeProblem::Exists { out: named.to_owned() }.into()),
        other => other.map_err(Into::into),
    };
    result
        .and_then(|()| File::open(out.parent().unwrap_or(Path::new("/")))?.sync_all())
        .with_context(|| format!("Failed to create {}", named.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_exists_is_not_overwritten_and_least_of_all_the_iso() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("a.iso"), "").unwrap();
        fs::hard_link(path("a.iso"), path("same.iso")).unwrap();
        std::os::unix::fs::symlink("a.iso", path("link.iso")).unwrap();
        std::os::unix::fs::symlink("nowhere", path("broken.iso")).unwrap();
        let refused = |name: &str| require_new(&path("a.iso"), &path(name)).unwrap_err().to_string();
        for name in ["a.iso", "same.iso", "link.iso"] {
            assert!(refused(name).contains("is the ISO itself"), "{}", refused(name));
        }
        fs::write(path("b.iso"), "").unwrap();
        for name in ["b.iso", "broken.iso", "."] {
            assert!(refused(name).contains(" exists\n"), "{}", refused(name));
        }
        assert!(refused("none/c.iso").contains("Failed to find"));
        let new = require_new(&path("a.iso"), &path("c.iso")).unwrap();
        assert_eq!(new, fs::canonicalize(directory.path()).unwrap().join("c.iso"));
        // Created meanwhile.
        let error = publish(&path("a.iso"), &path("b.iso"), &path("b.iso")).unwrap_err();
        assert!(error.to_string().contains(" exists\n"), "{error}");
        publish(&path("a.iso"), &new, &new).unwrap();
        assert!(new.exists() && !path("a.iso").exists());
    }

    #[test]
    fn too_little_space_is_reported_before_anything_is_written() {
        let directory = tempfile::tempdir().unwrap();
        require_room(directory.path(), 1).unwrap();
        let error = require_room(directory.path(), u64::MAX).unwrap_err().to_string();
        assert!(error.contains("not enough space in"), "{error}");
    }
}
