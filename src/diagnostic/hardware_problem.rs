//! Which file of the tree is this machine's hardware configuration cannot be decided, or what a person added to it is lost.

use std::path::{Path, PathBuf};

use super::flake::NAME_THE_HOST;
use super::{Text, error, warning};

/// What is wrong with the hardware configuration in the tree. Paths are relative to the tree; `similar` are files that look like
/// a hardware configuration under another name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HardwareProblem {
    /// The path that was named is absolute or leaves the tree.
    OutsideTree { path: PathBuf },
    /// The path that was named must not be replaced by a hardware configuration.
    NotReplaceable { path: PathBuf, because: NotReplaceable },
    Ambiguous { candidates: Vec<PathBuf>, similar: Vec<PathBuf> },
    /// The only candidate belongs to the host `owner`, and which one is installed is not known.
    HostNeeded { path: PathBuf, owner: String },
    /// The only candidate belongs to `owner` (a host, or a directory beside the one of `host`).
    OtherHost { path: PathBuf, owner: String, host: String, similar: Vec<PathBuf> },
    /// The report of nixos-facter was made on the machine `there`, and `here` is another. `hardware`: this machine's hardware
    /// configuration, where nothing imports it.
    ReportOfOtherMachine { there: String, here: String, hardware: Option<PathBuf> },
    /// `settings` (line and name) are in `file` and not in the one that replaces it. `importer`: a file that imports it.
    AdditionsLost { file: PathBuf, settings: Vec<(u32, String)>, importer: Option<PathBuf> },
}

/// Why a path must not be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotReplaceable {
    Directory,
    /// Nix reads the configuration from it.
    Entry,
    /// Its name does not end with `.nix`.
    NotNix,
}

/// How many lost settings are named.
const SHOWN: usize = 12;

const NAME_THE_FILE: &str = "Name the file with --hardware-config PATH, or `hardware-config: PATH` in the settings";

impl HardwareProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::OutsideTree { path } => error(
                "hardware-path",
                format!("{} is not a path inside the configuration", path.display()),
            )
            .remedy("Give a path relative to the top directory of the configuration, without `..`."),
            Self::NotReplaceable { path, because } => error(
                "hardware-path",
                format!("{} cannot be the hardware configuration", path.display()),
            )
            .because(match because {
                NotReplaceable::Directory => "It is a directory, and the installer replaces the file that is named.",
                NotReplaceable::Entry => "Nix reads the configuration from it, and the installer replaces the file that is named.",
                NotReplaceable::NotNix => "The installer writes a NixOS module there, and the name does not end with .nix.",
            })
            .remedy("Name the file that describes the machine, such as hosts/NAME/hardware-configuration.nix; it need not exist."),
            Self::Ambiguous { candidates, similar } => error(
                "hardware-ambiguous",
                "Several files could be this machine's hardware-configuration.nix",
            )
            .because(format!("Candidates:{}{}", lines(candidates), look_alike(similar)))
            .remedy(format!("{NAME_THE_FILE}.")),
            Self::HostNeeded { path, owner } => error(
                "hardware-ambiguous",
                format!("{} belongs to the host `{owner}`, and the host to install is not known", path.display()),
            )
            .remedy(format!("{NAME_THE_HOST} Or: {NAME_THE_FILE}.")),
            Self::OtherHost {
                path,
                owner,
                host,
                similar,
            } => warning(
                "hardware-other-host",
                format!(
                    "The only hardware-configuration.nix seems to belong to `{owner}`, and the host `{host}` is installed"
                ),
            )
            .because(format!(
                "No file that `{host}` certainly imports names {}, which the installer replaces with that of the machine.{}",
                path.display(),
                look_alike(similar)
            ))
            .remedy(format!(
                "If `{host}` uses it, there is nothing to do. If not, name the file that `{host}` imports with --hardware-config PATH, \
                 or `hardware-config: PATH` in the settings; it need not exist yet.",
            )),
            Self::ReportOfOtherMachine { there, here, hardware } => report_of_other_machine(there, here, hardware.as_deref()),
            Self::AdditionsLost {
                file,
                settings,
                importer,
            } => additions_lost(file, settings, importer.as_deref()),
        }
    }
}

fn report_of_other_machine(there: &str, here: &str, hardware: Option<&Path>) -> Text {
    let (lacking, instead) = match hardware {
        Some(hardware) => (
            "Drivers that it needs, some of them to start,",
            format!(" Or import ./{}, where the installer records the hardware of this machine.", hardware.display()),
        ),
        None => ("Drivers and firmware that it needs", String::new()),
    };
    let what = format!("The report of nixos-facter was made on another machine: {there}");
    warning("facter-other-machine", what)
        .because(format!("This machine is {here}. {lacking} may be missing in the installed system."))
        .remedy(format!(
            "Run `nixos-facter -o facter.json` on this machine and put the report into the configuration.{instead}"
        ))
}

fn additions_lost(file: &Path, settings: &[(u32, String)], importer: Option<&Path>) -> Text {
    let mut list: Vec<String> = settings
        .iter()
        .take(SHOWN)
        .map(|(line, what)| format!("line {line}: {what}"))
        .collect();
    if settings.len() > SHOWN {
        list.push(format!("and {} more", settings.len() - SHOWN));
    }
    let other_file = match importer {
        Some(file) => file.display().to_string(),
        None => "a file that the configuration imports".to_owned(),
    };
    warning(
        "hardware-handwritten",
        format!("The installed system will not have what was added to {}", file.display()),
    )
    .because(format!(
        "The installer replaces this file with the one of the machine that it installs, and nixos-generate-config does not write these settings:\n{}",
        list.join("\n")
    ))
    .remedy(format!("Move them to another file, such as {other_file}."))
}

fn lines(paths: &[PathBuf]) -> String {
    let lines: Vec<String> = paths.iter().map(|path| format!("\n  {}", path.display())).collect();
    lines.concat()
}

fn look_alike(similar: &[PathBuf]) -> String {
    match similar {
        [] => String::new(),
        some => format!("\nThese look like one under another name:{}", lines(some)),
    }
}
