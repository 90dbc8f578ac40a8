//! What would keep an ISO from being built or installed, found before it is built.

use std::path::{Path, PathBuf};

use super::{Text, error, warning};

/// A finding of `nix-cfg-iso doctor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DoctorProblem {
    /// The configuration is large: its `size` and its largest files, as text.
    Large { size: String, largest: Vec<String> },
    /// The hardware file `path` does not exist; `candidates` look like one.
    NoHardwareFile { path: PathBuf, imported: bool, candidates: Vec<String> },
    /// The configuration is for `wanted`, and the ISO for `system`.
    Platform { wanted: String, system: String },
    /// `count` files of the ISO directory are new or changed in Git; `first` are a few of them. The commands build the ISO from
    /// what Git knows and from all files.
    Uncommitted { count: usize, first: Vec<String>, git_build: String, path_build: String },
    /// The configuration sets its root file system itself; `device` may be empty.
    OwnFileSystems { device: String, hardware: PathBuf },
    /// The configuration fetches `url` while it is evaluated, and the flake does not. `expression`: the same in Nix.
    NotCarried { url: String, expression: String },
    /// Nobody can log in. `mutable`: a password that is set in the installer lasts.
    NoPassword { user: String, mutable: bool },
    /// Evaluating the ISO of the flake `reference` failed with an error that no rule knows.
    Evaluation { error: String, reference: String },
}

impl DoctorProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::Large { size, largest } => warning("tree-large", format!("The configuration is {size} large"))
                .because(format!(
                    "All of it is on the ISO and on every target. The largest files: {}.",
                    largest.join(", ")
                ))
                .remedy("Remove what the configuration does not use."),
            Self::NoHardwareFile { path, imported, candidates } => no_hardware_file(path, *imported, candidates),
            Self::Platform { wanted, system } => error(
                "platform",
                format!("The configuration is for {wanted}, and the ISO is for {system}"),
            )
            .because("The live system could not run the programs of the installed one.")
            .remedy(format!(
                "Write the directory with `nix-cfg-iso init … --system {wanted}`, or correct nixpkgs.hostPlatform."
            )),
            Self::Uncommitted { count, first, git_build, path_build } => uncommitted(*count, first, git_build, path_build),
            Self::Evaluation { error: message, reference } => error("unknown", message).remedy(format!(
                "`nix eval {reference}#iso.drvPath --show-trace` shows what led to it."
            )),
            Self::OwnFileSystems { device, hardware } => own_file_systems(device, hardware),
            Self::NotCarried { url, expression } => warning(
                "fetch-not-carried",
                format!("The ISO does not have what the configuration fetches from {url}"),
            )
            .because("The configuration is evaluated again on the target, without a network.")
            .remedy(format!(
                "Add it to `modules` in flake.nix: {{ offlineInstaller.extraStorePaths = [ {expression} ]; }}"
            )),
            Self::NoPassword { user, mutable } => {
                let why = if *mutable {
                    "Calamares asks for one; after `nix-cfg-install` alone nobody could log in."
                } else {
                    "users.mutableUsers is false: a password that is set in the installer would not last, and nobody could log in."
                };
                warning("no-password", "No user of the configuration has a password")
                    .because(why)
                    .remedy(format!(
                        "Set one: users.users.{user}.initialHashedPassword = \"…\"; (`mkpasswd` prints the hash)."
                    ))
            }
        }
    }
}

fn no_hardware_file(path: &Path, imported: bool, candidates: &[String]) -> Text {
    let similar = if candidates.is_empty() {
        String::new()
    } else {
        format!(" These files look like one: {}.", candidates.join(", "))
    };
    let what = "The configuration has no hardware-configuration.nix";
    let remedy = format!(
        "Name the file that describes the machine as `hardware-config: PATH` in the settings, or put a placeholder at {}, which the \
         installer replaces with the target's: {{ nixpkgs.hostPlatform = \"x86_64-linux\"; fileSystems.\"/\" = {{ device = \
         \"/dev/disk/by-label/nixos\"; fsType = \"ext4\"; }}; }}",
        path.display()
    );
    if imported {
        error("hardware-absent", what).because(format!(
            "It is imported and does not exist, so the ISO cannot be evaluated.{similar}"
        ))
        .remedy(remedy)
    } else {
        // What it has instead, only an evaluation shows.
        warning("hardware-absent", what).because(format!(
            "The installer would write that of the target to {}, and nothing imports that file; without it the system needs \
             file systems of its own (a report of nixos-facter has none).{similar}",
            path.display()
        ))
        .remedy(format!("Add ./{} to `imports`. {remedy}", path.display()))
    }
}

fn uncommitted(count: usize, first: &[String], git_build: &str, path_build: &str) -> Text {
    let files = if count == 1 { "1 file is" } else { &format!("{count} files are") };
    warning("git-dirty", format!("{files} new or changed in the Git repository of the ISO's flake"))
        .because(format!(
            "`{git_build}` sees only what Git knows, and calls the result dirty. The first: {}.",
            first.join(", ")
        ))
        .remedy(format!("git add and commit them, or run `{path_build}`, which reads all files."))
}

fn own_file_systems(device: &str, hardware: &Path) -> Text {
    let device = if device.is_empty() { "without a device" } else { device };
    warning("file-systems-fixed", "The configuration sets the file systems of the machine itself")
        .because(format!(
            "Its root is {device}. The graphical installer makes partitions of its own and refuses such a configuration; in a \
             terminal, nix-cfg-install accepts it if exactly these file systems are mounted."
        ))
        .remedy(format!(
            "For the graphical installer, remove them for this host and import ./{}.",
            hardware.display()
        ))
}
