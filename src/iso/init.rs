//! `nix-cfg-iso init`: makes the choices, and writes the folder.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::sys::stat::SFlag;

use super::channels::Channels;
use super::flake_template::{self, CONFIG_DIR, IsoSpec};
use super::manifest::{self, Manifest};
use super::{channels, hosts, programs};
use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::interrupt::Interrupt;
use crate::tree::snapshot::Copier;
use crate::tree::source::{self, ConfigKind, Source};
use crate::tree::{hardware, lint};

/// What the command line asks for.
#[derive(Debug)]
pub struct InitOptions {
    /// The folder to write.
    pub dir: PathBuf,
    /// The configuration.
    pub config: PathBuf,
    /// A flake's hosts.
    pub hosts: Vec<String>,
    /// The live system's desktop.
    pub desktop: String,
    /// A channel configuration's nixpkgs.
    pub nixpkgs: Option<String>,
    /// A channel configuration's other channels: names and flake references.
    pub channels: Vec<(String, String)>,
    /// Where nix-channel keeps what this machine subscribed to.
    pub subscriptions: Vec<PathBuf>,
    /// What the ISO is for.
    pub system: Option<String>,
    /// The hardware file, relative to the tree.
    pub hardware_config: Option<PathBuf>,
    /// Whether the flake builds the programs.
    pub build_helper: bool,
}

/// What was report: notes for the user, and findings that do not block.
#[derive(Debug, Default)]
pub struct InitReport {
    /// One plain sentence each.
    pub notes: Vec<String>,
    /// Warnings.
    pub warnings: Vec<Diagnostic>,
}

/// The systems that NixOS makes ISOs for.
const SYSTEMS: [&str; 2] = ["x86_64-linux", "aarch64-linux"];

/// Writes the folder. `program_dir` is the directory of the running program; `os_release` is the file of that name.
///
/// # Errors
/// A [`Diagnostic`] when something must be said first, or cannot be copied; also when the disk refuses. Nothing is left then, so
/// that the same command can be given again.
pub fn init(options: &InitOptions, program_dir: &Path, os_release: &Path) -> Result<InitReport> {
    require_new(&options.dir)?;
    let source = source::choose(Some((&options.config, "--config")), &[])?;
    require_outside(&options.dir, &options.config)?;
    let mut report = InitReport::default();
    report.notes.push(source.reason.clone());
    let request = request(options, &source, os_release, &mut report)?;
    let bundled = if request.build_helper {
        Vec::new()
    } else {
        programs::load(program_dir, &request.system)?
    };
    let is_new = !options.dir.exists();
    if let Err(error) = write(options, &source, request, &bundled, &mut report) {
        return Err(match clear(&options.dir, is_new) {
            Ok(()) => error,
            Err(second) => error.context(format!("{} is left incomplete: {second}", options.dir.display())),
        });
    }
    // `path:` takes a whole path, or one that begins with a dot.
    let dir = std::path::absolute(&options.dir).context("Failed to find out where this folder is")?;
    let dir = dir.display();
    report.notes.push(format!(
        "Wrote {dir}. Next:\n    nix-cfg-iso doctor {dir}\n    nix build path:{dir}#iso"
    ));
    Ok(report)
}

fn write(
    options: &InitOptions,
    source: &Source,
    request: IsoSpec,
    bundled: &[(&str, Vec<u8>)],
    report: &mut InitReport,
) -> Result<()> {
    let tree = options.dir.join(CONFIG_DIR);
    fs::create_dir_all(&tree).with_context(|| format!("Failed to make {}", tree.display()))?;
    copy_tree(source, &tree, report)?;
    let mut files = flake_template::files(&request, bundled);
    // The flake comes last: with it the folder is complete.
    files.reverse();
    for file in &files {
        manifest::write(&options.dir, file)?;
    }
    Manifest::new(request, &files).save(&options.dir)
}

/// Removes what [`write`] made in a folder that was empty, or that `is_new`.
fn clear(dir: &Path, is_new: bool) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ if is_new => Ok(()),
        _ => fs::create_dir(dir),
    }
}

/// In the configuration, the folder would be copied into itself, and into every later copy of the configuration.
fn require_outside(dir: &Path, config: &Path) -> Result<()> {
    let what = || format!("{} cannot be looked at", dir.display());
    let absolute = std::path::absolute(dir).with_context(what)?;
    let there = absolute.ancestors().find(|folder| folder.exists()).unwrap_or(&absolute);
    if !fs::canonicalize(there)
        .with_context(what)?
        .starts_with(fs::canonicalize(config).with_context(what)?)
    {
        return Ok(());
    }
    Err(
        Diagnostic::error("folder-inside", format!("{} lies in the configuration", dir.display()))
            .because("The configuration is copied into that folder, and the folder would be part of the configuration.")
            .remedy("Name a folder outside of it.")
            .into(),
    )
}

/// What a person wrote is never overwritten: the folder must be new or empty.
fn require_new(dir: &Path) -> Result<()> {
    match fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("{} cannot be looked at", dir.display())),
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(
                Diagnostic::error("folder-not-empty", format!("{} has something in it", dir.display()))
                    .because("What is there is not overwritten.")
                    .remedy("Name a new folder.")
                    .into(),
            ),
        },
    }
}

fn request(options: &InitOptions, source: &Source, os_release: &Path, report: &mut InitReport) -> Result<IsoSpec> {
    let hosts = match source.kind {
        ConfigKind::Channel if options.hosts.is_empty() => Vec::new(),
        ConfigKind::Channel => {
            return Err(
                Diagnostic::error("host-channel", "A channel configuration has no hosts to choose from")
                    .remedy("Leave --host away.")
                    .into(),
            );
        }
        ConfigKind::Flake => hosts::choose(&source.path, &options.hosts)?,
    };
    let nixpkgs = match (source.kind, &options.nixpkgs) {
        (ConfigKind::Channel, Some(named)) => named.clone(),
        (ConfigKind::Channel, None) => default_nixpkgs(os_release, report)?,
        (ConfigKind::Flake, None) => String::new(),
        (ConfigKind::Flake, Some(_)) => {
            return Err(
                Diagnostic::error("nixpkgs-flake", "A flake says itself which nixpkgs it is made from")
                    .because("The live system uses the same one; two would double the ISO.")
                    .remedy("Leave --nixpkgs away, or change the input in the flake.")
                    .into(),
            );
        }
    };
    let channels = match source.kind {
        ConfigKind::Channel => {
            let (channels, warnings) =
                channels::choose(&source.path, &options.channels, &nixpkgs, &options.subscriptions)?;
            report.warnings.extend(warnings);
            channels
        }
        ConfigKind::Flake if options.channels.is_empty() => Channels::new(),
        ConfigKind::Flake => {
            return Err(
                Diagnostic::error("channel-flake", "A flake looks nothing up in channels")
                    .because("What it is made from are its inputs, which are on the ISO by its own lock.")
                    .remedy("Omit --channel, or add an input to the flake.")
                    .into(),
            );
        }
    };
    Ok(IsoSpec {
        kind: source.kind,
        hardware_config: hardware_config(options, source, &hosts)?,
        hosts,
        desktop: desktop(&options.desktop)?,
        nixpkgs,
        channels,
        system: system(options.system.as_deref())?,
        build_helper: options.build_helper,
    })
}

/// The release of the NixOS that this runs on.
fn default_nixpkgs(os_release: &Path, report: &mut InitReport) -> Result<String> {
    let text = fs::read_to_string(os_release).unwrap_or_default();
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.map(|value| value.trim_matches('"').to_owned())
    };
    match (value("ID").as_deref(), value("VERSION_ID")) {
        (Some("nixos"), Some(release)) => {
            let reference = format!("github:NixOS/nixpkgs/nixos-{release}");
            report.notes.push(format!(
                "Using {reference}, as this machine does (--nixpkgs chooses another)."
            ));
            Ok(reference)
        }
        _ => Err(
            Diagnostic::error("nixpkgs-unknown", "Which nixpkgs is the configuration for?")
                .because("This machine is no NixOS whose release could be taken.")
                .remedy("Say it, for example --nixpkgs github:NixOS/nixpkgs/nixos-24.05")
                .into(),
        ),
    }
}

fn desktop(name: &str) -> Result<String> {
    if !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return Ok(name.to_owned());
    }
    Err(
        Diagnostic::error("desktop", format!("`{name}` is no name of a live system"))
            .remedy("Take gnome, plasma6, combined or none.")
            .into(),
    )
}

fn system(named: Option<&str>) -> Result<String> {
    let own = format!("{}-linux", std::env::consts::ARCH);
    let system = named.unwrap_or(&own);
    if SYSTEMS.contains(&system) {
        return Ok(system.to_owned());
    }
    Err(
        Diagnostic::error("system", format!("NixOS has no installer ISO for {system}"))
            .remedy(format!("Take one of: {}.", SYSTEMS.join(", ")))
            .into(),
    )
}

/// The hardware file that the settings name: with several hosts each has its own, and the installer finds it.
fn hardware_config(options: &InitOptions, source: &Source, hosts: &[String]) -> Result<Option<PathBuf>> {
    if hosts.len() > 1 && options.hardware_config.is_none() {
        return Ok(None);
    }
    let host = hosts.first().map(String::as_str);
    let chosen = hardware::choose(&source.path, source.kind, host, options.hardware_config.as_deref())?;
    Ok(Some(chosen.path))
}

/// Git's database stays behind (a flake in `path:` needs none, and inside another repository it would be a submodule),
/// and so do the links that `nix build` leaves.
fn left_out(path: &Path, kind: SFlag) -> bool {
    let name = path.as_os_str().to_string_lossy();
    let of_build = kind == SFlag::S_IFLNK && (name == "result" || name.starts_with("result-"));
    of_build || path.file_name().is_some_and(|name| name == ".git")
}

fn copy_tree(source: &Source, dest: &Path, report: &mut InitReport) -> Result<()> {
    let copier = Copier {
        owners: None,
        interrupt: &Interrupt::on_signals()?,
        exclude: Some(left_out),
    };
    let mut problems = copier.copy(&source.dir, dest)?.problems;
    problems.extend(lint::links(dest));
    problems.extend(lint::absent_content(dest));
    if problems.iter().any(|problem| problem.severity == Severity::Error) {
        return Err(Diagnostics(problems).into());
    }
    report.warnings.extend(problems);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(dir: &Path, config: &Path) -> InitOptions {
        InitOptions {
            dir: dir.join("iso"),
            config: config.to_owned(),
            hosts: Vec::new(),
            desktop: "gnome".to_owned(),
            nixpkgs: Some("github:NixOS/nixpkgs/nixos-24.05".to_owned()),
            channels: Vec::new(),
            subscriptions: Vec::new(),
            system: Some("x86_64-linux".to_owned()),
            hardware_config: None,
            build_helper: true,
        }
    }

    fn tree() -> tempfile::TempDir {
        let tree = tempfile::tempdir().unwrap();
        fs::write(tree.path().join("configuration.nix"), "{ }").unwrap();
        fs::create_dir(tree.path().join(".git")).unwrap();
        fs::create_dir(tree.path().join("empty")).unwrap();
        std::os::unix::fs::symlink("/nix/store/x", tree.path().join("result")).unwrap();
        fs::write(tree.path().join("result-parser.nix"), "{ }").unwrap();
        tree
    }

    #[test]
    fn the_tree_is_copied_without_git_and_what_nix_build_left() {
        let (tree, dir) = (tree(), tempfile::tempdir().unwrap());
        let options = options(dir.path(), tree.path());
        let report = init(&options, Path::new("/nowhere"), Path::new("/nowhere")).unwrap();
        assert!(report.warnings.is_empty(), "{:?}", report.warnings);
        let copy = options.dir.join(CONFIG_DIR);
        for mine in ["configuration.nix", "empty", "result-parser.nix"] {
            assert!(copy.join(mine).exists(), "{mine} was left behind");
        }
        assert!(!copy.join(".git").exists() && copy.join("result").symlink_metadata().is_err());
        let error = init(&options, Path::new("/nowhere"), Path::new("/nowhere")).unwrap_err();
        assert!(error.to_string().contains("not overwritten"), "{error}");
    }

    #[test]
    fn a_failure_leaves_nothing_that_is_in_the_way_of_the_next_try() {
        let (tree, dir) = (tree(), tempfile::tempdir().unwrap());
        let options = options(dir.path(), tree.path());
        let pipe = tree.path().join("pipe");
        for exists in [false, true] {
            nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
            init(&options, Path::new("/nowhere"), Path::new("/nowhere")).unwrap_err();
            assert_eq!(options.dir.exists(), exists);
            fs::remove_file(&pipe).unwrap();
            init(&options, Path::new("/nowhere"), Path::new("/nowhere")).unwrap();
            fs::remove_dir_all(&options.dir).unwrap();
            fs::create_dir(&options.dir).unwrap();
        }
    }

    #[test]
    fn a_folder_in_the_configuration_is_refused_before_it_is_copied_into_itself() {
        let tree = tree();
        for dir in ["iso", "empty/iso", "empty"] {
            let options = InitOptions {
                dir: tree.path().join(dir),
                ..options(tree.path(), tree.path())
            };
            let error = init(&options, Path::new("/nowhere"), Path::new("/nowhere")).unwrap_err();
            assert!(error.to_string().contains("lies in the configuration"), "{error:#}");
        }
        assert!(!tree.path().join("iso").exists());
    }

    #[test]
    fn the_release_of_this_nixos_is_the_default_nixpkgs() {
        let (tree, dir) = (tree(), tempfile::tempdir().unwrap());
        let options = InitOptions {
            nixpkgs: None,
            ..options(dir.path(), tree.path())
        };
        let release = dir.path().join("os-release");
        fs::write(&release, "NAME=NixOS\nID=nixos\nVERSION_ID=\"24.05\"\n").unwrap();
        let other = dir.path().join("other");
        fs::write(&other, "ID=debian\nVERSION_ID=\"12\"\n").unwrap();
        let error = init(&options, Path::new("/nowhere"), &other).unwrap_err().to_string();
        assert!(error.contains("Which nixpkgs"), "{error}");
        init(&options, Path::new("/nowhere"), &release).unwrap();
        let flake = fs::read_to_string(options.dir.join("flake.nix")).unwrap();
        assert!(flake.contains("github:NixOS/nixpkgs/nixos-24.05"), "{flake}");
    }
}
