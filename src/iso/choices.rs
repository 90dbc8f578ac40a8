//! What the ISO of `nix-cfg-iso init` is made from: the options of the command line, checked, with every default filled in.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::all_at_once::keep;
use super::channels::{self, Channels};
use super::flake_template::IsoSpec;
use super::{desktops, flake_reference, hosts};
use crate::diagnostic::{Diagnostic, IsoChannelProblem, IsoHostProblem, IsoOptionProblem, Place, Problem, Severity};
use crate::tree::hardware;
use crate::tree::lint::{self, Pinned};
use crate::tree::source::{ConfigKind, Source};

/// The options of the command line.
#[derive(Debug)]
pub struct InitOptions {
    /// This program as it was called, for the commands that a person runs next.
    pub program: OsString,
    /// The directory to write.
    pub dir: PathBuf,
    /// The directory of the configuration.
    pub config: Option<PathBuf>,
    /// Hosts of a flake.
    pub hosts: Vec<String>,
    /// The desktop of the live system.
    pub desktop: String,
    /// The nixpkgs of a channel configuration, as a flake reference.
    pub nixpkgs: Option<String>,
    /// The other channels of a channel configuration: names and flake references.
    pub channels: Vec<(String, String)>,
    /// Files in which nix-channel keeps the subscriptions of this machine, root's last; they need not exist.
    pub subscriptions: Vec<PathBuf>,
    /// The system of the ISO (`x86_64-linux`).
    pub system: Option<String>,
    /// The hardware file, relative to the configuration.
    pub hardware_config: Option<PathBuf>,
    /// Whether the flake builds the programs from source.
    pub build_helper: bool,
    /// Whether private keys may be copied.
    pub allow_secrets: bool,
    /// The desktops of stock NixOS, in place of a configuration.
    pub stock: Vec<String>,
}

/// What `init` and `refresh` report besides errors.
#[derive(Debug, Default)]
pub struct InitReport {
    /// One sentence each.
    pub notes: Vec<String>,
    pub warnings: Vec<Diagnostic>,
}

/// The systems for which NixOS has installer ISOs.
const SYSTEMS: [&str; 2] = ["x86_64-linux", "aarch64-linux"];

/// The desktop of the live system if none is named.
pub const DEFAULT_DESKTOP: &str = "gnome";

/// The other one that has a live system in nixpkgs 24.05 and in 26.11.
pub const PLASMA: &str = "plasma6";

/// The desktop of the live system for these `stock` desktops: one of them if it can be, so that the ISO has it once.
#[must_use]
pub fn default_desktop(stock: &[String]) -> &'static str {
    let has = |desktop: &str| stock.iter().any(|one| one == desktop);
    if has(PLASMA) && !has(DEFAULT_DESKTOP) {
        PLASMA
    } else {
        DEFAULT_DESKTOP
    }
}

/// What a flake reference of a nixpkgs looks like: a release that this program is tested with.
pub const EXAMPLE: &str = "github:NixOS/nixpkgs/nixos-26.05";

/// What the ISO is made from. `os_release` is the file of that name. Adds everything that is wrong with the options to
/// `problems`.
pub(super) fn spec(
    options: &InitOptions,
    source: &Source,
    os_release: &Path,
    (report, problems): (&mut InitReport, &mut Vec<Diagnostic>),
) -> Result<IsoSpec> {
    let (hosts, nixpkgs, channels) = match source.kind {
        ConfigKind::Channel => {
            if !options.hosts.is_empty() {
                problems.push(IsoOptionProblem::HostOfChannel.into());
            }
            let nixpkgs = nixpkgs(options, os_release, report, problems);
            let channels = channels::choose(
                &source.path,
                &options.channels,
                &nixpkgs,
                &options.subscriptions,
                problems,
            );
            (Vec::new(), nixpkgs, channels)
        }
        ConfigKind::Flake => {
            if options.nixpkgs.is_some() {
                problems.push(IsoOptionProblem::NixpkgsOfFlake.into());
            }
            if !options.channels.is_empty() {
                problems.push(IsoOptionProblem::ChannelOfFlake.into());
            }
            let hosts = hosts::choose(&source.path, &options.hosts, problems);
            (hosts, String::new(), Channels::new())
        }
    };
    problems.extend(desktop_fault(&options.desktop).or_else(|| desktops::problem(&options.desktop, &nixpkgs)));
    Ok(IsoSpec {
        kind: source.kind,
        hardware_config: hardware_config(options, source, &hosts, problems)?,
        hosts,
        desktop: options.desktop.clone(),
        nixpkgs,
        channels,
        fetched: fetched(source, problems),
        system: system(options.system.as_deref(), problems),
        build_helper: options.build_helper,
        state_version: None,
    })
}

/// What the ISO of stock NixOS is made from; see [`spec`]. `release` gives that of a nixpkgs.
pub(super) fn stock_spec(
    options: &InitOptions,
    os_release: &Path,
    release: &dyn Fn(&str) -> Result<String>,
    (report, problems): (&mut InitReport, &mut Vec<Diagnostic>),
) -> Result<IsoSpec> {
    let nixpkgs = nixpkgs(options, os_release, report, problems);
    problems.extend(desktop_fault(&options.desktop).or_else(|| desktops::problem(&options.desktop, &nixpkgs)));
    let state_version = if problems.iter().any(|problem| problem.severity == Severity::Error) {
        None
    } else {
        keep(release(&nixpkgs), problems)?
    };
    let mut known = BTreeSet::new();
    let hosts = options.stock.iter().filter(|host| known.insert(*host));
    Ok(IsoSpec {
        kind: ConfigKind::Channel,
        hosts: hosts.cloned().collect(),
        desktop: options.desktop.clone(),
        nixpkgs,
        channels: Channels::new(),
        fetched: Vec::new(),
        system: system(options.system.as_deref(), problems),
        hardware_config: None,
        build_helper: options.build_helper,
        state_version,
    })
}

/// Adds what is wrong with those options that do not depend on the configuration, where that cannot be opened.
pub(super) fn without_source(options: &InitOptions, problems: &mut Vec<Diagnostic>) {
    let nixpkgs = options.nixpkgs.as_deref().unwrap_or_default();
    problems.extend(options.nixpkgs.as_deref().and_then(nixpkgs_fault));
    problems.extend(desktop_fault(&options.desktop).or_else(|| desktops::problem(&options.desktop, nixpkgs)));
    system(options.system.as_deref(), problems);
}

/// What a channel configuration fetches while it is evaluated: its ISO can carry what has a hash. One that Nix cannot read is a
/// warning; where it is, Nix may never come to it.
fn fetched(source: &Source, problems: &mut Vec<Diagnostic>) -> Vec<Pinned> {
    if source.kind == ConfigKind::Flake {
        return Vec::new();
    }
    let mut fetched = Vec::new();
    for (one, file, line, _) in lint::pinned(&source.path) {
        let place = Place {
            file,
            line: Some(line),
            column: None,
        };
        if one.has_hash() {
            let at = Some(place.to_string());
            fetched.push(Pinned { at, ..one });
        } else {
            let problem = IsoOptionProblem::FetchHash {
                url: one.url,
                hash: one.sha256,
            };
            problems.push(Diagnostic::from(problem).at(place.file, place.line, None));
        }
    }
    fetched
}

/// The nixpkgs of a channel configuration: the one that was named, or that of the NixOS that this machine runs.
fn nixpkgs(
    options: &InitOptions,
    os_release: &Path,
    report: &mut InitReport,
    problems: &mut Vec<Diagnostic>,
) -> String {
    if let Some(reference) = &options.nixpkgs {
        problems.extend(nixpkgs_fault(reference));
        return reference.clone();
    }
    if let Some(reference) = nixpkgs_of_machine(os_release, &options.subscriptions) {
        report.notes.push(format!(
            "Using {reference}, the nixpkgs of this machine (--nixpkgs selects another)."
        ));
        return reference;
    }
    problems.push(IsoOptionProblem::NoNixpkgs { example: EXAMPLE }.into());
    String::new()
}

/// The nixpkgs of the NixOS that this machine runs: the channel that it is subscribed to, or else what its file `os-release` says.
pub fn nixpkgs_of_machine(os_release: &Path, subscriptions: &[PathBuf]) -> Option<String> {
    let text = fs::read_to_string(os_release).unwrap_or_default();
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.map(|value| value.trim_matches('"').to_owned())
    };
    if value("ID")? != "nixos" {
        return None;
    }
    // nixpkgs' master has the number of the release to come, which has no branch yet, and a suffix `pre` (lib/trivial.nix).
    let is_unstable = value("BUILD_ID").is_some_and(|build| build.contains("pre"));
    let branch = if is_unstable {
        "unstable".to_owned()
    } else {
        value("VERSION_ID")?
    };
    let subscribed = channels::nixpkgs(subscriptions);
    Some(subscribed.unwrap_or_else(|| format!("github:NixOS/nixpkgs/nixos-{branch}")))
}

/// What is wrong with the flake reference of a nixpkgs. A release (`24.05`, `nixos-24.05`) is answered with the reference of it.
pub fn nixpkgs_fault(reference: &str) -> Option<Diagnostic> {
    let fault = flake_reference::fault(reference, None)?;
    let release = reference.strip_prefix("nixos-").unwrap_or(reference);
    let is_release = release.len() == 5 && release.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let problem = IsoChannelProblem::Reference {
        option: "--nixpkgs".to_owned(),
        reference: reference.to_owned(),
        fault,
        example: if is_release {
            format!("github:NixOS/nixpkgs/nixos-{release}")
        } else {
            EXAMPLE.to_owned()
        },
    };
    Some(problem.into())
}

/// What is wrong with the name of a desktop.
pub fn desktop_fault(name: &str) -> Option<Diagnostic> {
    let is_name = !name.is_empty() && name.chars().all(|char| char.is_ascii_alphanumeric() || char == '-');
    (!is_name).then(|| IsoOptionProblem::Desktop { name: name.to_owned() }.into())
}

fn system(named: Option<&str>, problems: &mut Vec<Diagnostic>) -> String {
    let own = format!("{}-linux", std::env::consts::ARCH);
    let name = named.unwrap_or(&own).to_owned();
    if !SYSTEMS.contains(&name.as_str()) {
        let (name, known) = (name.clone(), &SYSTEMS);
        problems.push(IsoOptionProblem::System { name, known }.into());
    }
    name
}

/// Whether it is a host that the flake does not have, or does not seem to have while it has one that is spelt like it.
fn is_misspelt(problem: &Diagnostic) -> bool {
    use IsoHostProblem::{Unknown, Unverified};
    matches!(
        problem.problem,
        Problem::IsoHostProblem(Unknown { .. } | Unverified { similar: Some(_), .. })
    )
}

/// The hardware file for the settings. `None` with several hosts: each has its own, and the installer finds it.
fn hardware_config(
    options: &InitOptions,
    source: &Source,
    hosts: &[String],
    problems: &mut Vec<Diagnostic>,
) -> Result<Option<PathBuf>> {
    let named = options.hardware_config.as_deref();
    // What belongs to a host that is misspelt is not known, and not what is wrong.
    if named.is_none() && problems.iter().any(is_misspelt) {
        return Ok(None);
    }
    // Without a host there is an error already.
    if named.is_none() && (hosts.len() > 1 || source.kind == ConfigKind::Flake && hosts.is_empty()) {
        return Ok(None);
    }
    match hardware::choose(&source.path, source.kind, hosts.first().map(String::as_str), named) {
        Ok(chosen) => {
            let doubt = chosen.doubt.map(Diagnostic::from);
            // Where it is not certain, the machine shows it.
            let certain = doubt.is_none().then_some(chosen.path);
            problems.extend(doubt);
            Ok(certain)
        }
        Err(error) => {
            problems.push(error.downcast::<Diagnostic>()?);
            Ok(None)
        }
    }
}
