//! `nix-cfg-iso customize`: a finished ISO with other settings or another configuration, without Nix.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::all_at_once::{keep, only_warnings};
use super::allowed_secrets::{self, Allowed};
use super::changed_settings;
use super::choices::InitReport;
use super::config_option;
use super::copied::Digests;
use super::flake_template::{CONFIG_DIR, SETTINGS_FILE};
use super::fleet_answers::brought;
use super::image_file::ImageIdentity;
use super::init::copy_configuration;
use super::output_file::{directory_of, publish, require_new, require_room};
use super::remaster::{self, Contents, Replacement};
use super::staging::{MODE, PREFIX};
use crate::answers_file;
use crate::diagnostic::{CustomizeProblem, Diagnostics};
use crate::files::open_anything;
use crate::locked_directory::LockedDirectory;
use crate::process::Runner;
use crate::progress::{Phase, Reporter, Unit};
use crate::tree::extra_files::ExtraFiles;
use crate::tree::source::{ConfigKind, FLAKE_NIX, Source};

/// The store of a NixOS ISO's live system.
const STORE: &str = "/nix-store.squashfs";

/// What an ISO has that serves a room (nix/room.nix).
const ROOM: &str = "/nix-cfg-room";

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
    /// A directory of files for the installed system.
    pub extra_files: Option<PathBuf>,
    /// An answers file.
    pub answers: Option<PathBuf>,
}

/// The directory of such files in the root of the ISO.
const EXTRA_FILES: &str = "nix-cfg-extra-files";

impl CustomizeOptions {
    /// The settings, with the one that names the extra files.
    fn settings(&self) -> Vec<(String, String)> {
        let extra_files = ("extra-files".to_owned(), format!("/iso/{EXTRA_FILES}"));
        let extra_files = self.extra_files.iter().map(|_| extra_files.clone());
        self.set.iter().cloned().chain(extra_files).collect()
    }
}

/// Writes the changed ISO.
///
/// # Errors
/// [`CustomizeProblem`]s, those of the settings and of the configuration, and errors of xorriso and of the file system. Nothing
/// has the name of the new ISO then.
pub fn customize(runner: &Runner, options: &CustomizeOptions, reporter: &Reporter) -> Result<InitReport> {
    reporter.phase(&PHASES[0]);
    let Checked {
        image,
        out,
        source,
        settings,
        mut report,
    } = checked(runner, options)?;
    let directory = directory_of(&out);
    let staging = LockedDirectory::create(directory, PREFIX, MODE)
        .with_context(|| format!("Failed to create a directory in {}", directory.display()))?;
    let replacements = replacements(
        runner,
        options,
        (source.as_ref(), settings),
        &image,
        staging.path(),
        &mut report,
    )?;

    reporter.phase(&PHASES[1]);
    let new = staging.path().join("new.iso");
    let mut watch = || {
        let written = fs::metadata(&new).map_or(0, |meta| meta.len());
        reporter.progress(written.min(image.length), image.length, Unit::Bytes, "");
    };
    let Image {
        path,
        identity,
        contents,
        ..
    } = &image;
    remaster::write(runner, path, (identity, contents), &replacements, &new, &mut watch)?;

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

/// The ISO that is changed.
struct Image {
    /// Absolute, and no link.
    path: PathBuf,
    /// Of the file.
    length: u64,
    identity: ImageIdentity,
    contents: Contents,
}

impl Image {
    /// The image at `named`: a file, or a stick that it was written to.
    fn open(runner: &Runner, named: &Path) -> Result<Self> {
        let file = || named.to_owned();
        let unreadable = |error: std::io::Error| {
            let error = error.to_string();
            CustomizeProblem::Unreadable { file: file(), error }
        };
        let mut open = open_anything(named).map_err(unreadable)?;
        let kind = open.metadata().map_err(unreadable)?.file_type();
        if !kind.is_file() && !kind.is_block_device() {
            return Err(CustomizeProblem::NotAFile { file: file() }.into());
        }
        let path = fs::canonicalize(named).map_err(unreadable)?;
        let length = open.seek(SeekFrom::End(0)).map_err(unreadable)?;
        let identity = ImageIdentity::read(&open).map_err(unreadable)?;
        let identity = identity.ok_or_else(|| CustomizeProblem::NotAnIso { file: file() })?;
        let (file, whole) = (file(), identity.bytes);
        if whole > length {
            return Err(CustomizeProblem::Truncated { file, length, whole }.into());
        }
        let contents = Contents::read(runner, &path)?;
        require_ours(named, &contents)?;
        Ok(Self {
            path,
            length,
            identity,
            contents,
        })
    }
}

/// What the options name.
struct Checked {
    image: Image,
    /// The absolute path of the file to write.
    out: PathBuf,
    source: Option<Source>,
    /// The text of the settings file, if one was named.
    settings: Option<String>,
    report: InitReport,
}

/// Looks at all that the options name, and reports everything that is wrong with it at once.
fn checked(runner: &Runner, options: &CustomizeOptions) -> Result<Checked> {
    let file = options.settings.as_deref();
    let (settings, mut problems) = changed_settings::checked(file, &options.settings(), runner.interrupt())?;
    let image = keep(Image::open(runner, &options.iso), &mut problems)?;
    let out = keep(require_new(&options.iso, &options.out), &mut problems)?;
    if let (Some(image), Some(out)) = (&image, &out) {
        keep(require_room(directory_of(out), image.length), &mut problems)?;
    }
    let changes_settings = options.settings.is_some() || !options.settings().is_empty();
    if let Some(image) = &image
        && changes_settings
        && !image.contents.has(&format!("/{SETTINGS_FILE}"))
    {
        let file = options.iso.clone();
        problems.push(CustomizeProblem::ReadsNoSettings { file }.into());
    }
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
    if let Some(directory) = &options.extra_files {
        let files = keep(ExtraFiles::read(directory).map_err(Into::into), &mut problems)?;
        let note = |files: ExtraFiles| format!("Extra files: {}. Whoever has the ISO can read them.", files.count());
        notes.extend(files.map(note));
    }
    if let Some(answers) = &options.answers {
        let others = keep(brought(answers).map_err(Into::into), &mut problems)?.unwrap_or_default();
        let lacking = |file: PathBuf| CustomizeProblem::NotBrought {
            file: Path::new("/iso").join(file),
        };
        problems.extend(others.into_iter().map(lacking).map(Into::into));
    }
    match (image, out) {
        (Some(image), Some(out)) => Ok(Checked {
            image,
            out,
            source,
            settings,
            report: InitReport {
                warnings: only_warnings(problems)?,
                notes,
            },
        }),
        _ => Err(Diagnostics(problems).into()),
    }
}

/// Fails unless it is an ISO that was built here, and that installs what is in its file system.
fn require_ours(iso: &Path, contents: &Contents) -> Result<()> {
    if contents.has(ROOM) {
        let file = iso.to_owned();
        return Err(CustomizeProblem::ServesRoom { file }.into());
    }
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

/// What is put into the image, prepared in `staging`.
fn replacements(
    runner: &Runner,
    options: &CustomizeOptions,
    (source, settings): (Option<&Source>, Option<String>),
    image: &Image,
    staging: &Path,
    report: &mut InitReport,
) -> Result<Vec<Replacement>> {
    let mut replacements = Vec::new();
    if let Some(source) = source {
        let copy = staging.join(CONFIG_DIR);
        copy_configuration(source, &copy, runner.interrupt(), report)?;
        let is_flake = source.kind == ConfigKind::Flake;
        if image.contents.has(&format!("/{CONFIG_DIR}/{FLAKE_NIX}")) != is_flake {
            report.warnings.push(CustomizeProblem::OtherKind { is_flake }.into());
        }
        replacements.push(Replacement {
            name: CONFIG_DIR,
            source: copy,
        });
    }
    if let Some(directory) = &options.extra_files {
        let what = || format!("Failed to read {}", directory.display());
        replacements.push(Replacement {
            name: EXTRA_FILES,
            source: fs::canonicalize(directory).with_context(what)?,
        });
    }
    if let Some(answers) = &options.answers {
        let copy = staging.join(answers_file::NAME);
        fs::copy(answers, &copy).with_context(|| format!("Failed to copy {}", answers.display()))?;
        replacements.push(Replacement {
            name: answers_file::NAME,
            source: copy,
        });
    }
    let set = options.settings();
    if options.settings.is_some() || !set.is_empty() {
        let file = staging.join(SETTINGS_FILE);
        let old = if let Some(text) = settings {
            text
        } else {
            let old = staging.join("old.yaml");
            remaster::extract(runner, &image.path, SETTINGS_FILE, &old)?;
            fs::read_to_string(&old).with_context(|| format!("Failed to read {}", old.display()))?
        };
        fs::write(&file, changed_settings::text(&old, &set)?)
            .with_context(|| format!("Failed to write {}", file.display()))?;
        replacements.push(Replacement {
            name: SETTINGS_FILE,
            source: file,
        });
    }
    Ok(replacements)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interrupt::Interrupt;

    #[test]
    fn an_iso_that_is_cut_off_or_no_file_is_called_so_at_once_with_all_else_that_is_wrong() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let runner = Runner::new(Vec::new(), Interrupt::default());
        let mut options = CustomizeOptions {
            iso: path("a.iso"),
            out: path("none/b.iso"),
            set: vec![("host".to_owned(), String::new())],
            settings: Some(path("pipe")),
            config: Some(path("tree")),
            allow_secrets: false,
            extra_files: Some(path("extra")),
            answers: Some(path("answers")),
        };
        nix::unistd::mkfifo(&path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let mut image = vec![0; 0x9000];
        image[0x8000..0x8006].copy_from_slice(b"\x01CD001");
        image[0x8050..0x8054].copy_from_slice(&[0, 0, 1, 0]);
        image[0x8080..0x8082].copy_from_slice(&[0, 8]);
        fs::write(path("a.iso"), &image).unwrap();
        let said = |options: &CustomizeOptions| checked(&runner, options).err().unwrap().to_string();
        for text in [
            "a.iso is not complete\n  why: It has 37 kB of 134.2 MB.",
            "none\n  why: No such file or directory\n",
            "--set host=\n",
            "pipe\n  why: It is a pipe to which nothing was written.",
            "tree does not exist",
            "The extra files cannot be read",
            "The answers file cannot be read",
        ] {
            assert!(said(&options).contains(text), "{text}: {}", said(&options));
        }
        for (iso, expected) in [
            ("pipe", "is not a file"),
            ("", "is not a file"),
            ("none", "cannot be read\n  why: No such"),
        ] {
            options.iso = path(iso);
            assert!(said(&options).contains(expected), "{}", said(&options));
        }
    }
}
