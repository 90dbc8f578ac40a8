//! The options of `nix-cfg-iso init`, and the programs that it copies.

use std::path::{Path, PathBuf};

use super::{Text, error, warning};

/// Which option, or which program, cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IsoOptionProblem {
    /// No `--config`, and nobody to ask.
    NoConfiguration,
    /// A question on the terminal got the end of the input for an answer.
    NoAnswer,
    /// `--host` with a channel configuration.
    HostOfChannel,
    /// `--nixpkgs` with a flake.
    NixpkgsOfFlake,
    /// `--channel` with a flake.
    ChannelOfFlake,
    /// No `--nixpkgs`, and this machine does not run NixOS.
    NoNixpkgs { example: &'static str },
    /// Which release the nixpkgs of `--stock` is cannot be found out.
    Release { nixpkgs: String },
    Desktop { name: String },
    System { name: String, known: &'static [&'static str] },
    /// The configuration fetches `url` with a `hash` that Nix cannot read.
    FetchHash { url: String, hash: String },
    Program { path: PathBuf, fault: ProgramFault, system: String },
}

/// Why a program cannot be copied to the ISO.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgramFault {
    Missing,
    OtherSystem,
    NotStatic,
    NotAnElfFile,
}

impl IsoOptionProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::NoConfiguration => error("config-missing", "The configuration to install is not named")
                .because("init asks for it only on a terminal.")
                .remedy("Name its directory: --config TREE"),
            Self::NoAnswer => error("no-answer", "The input ended before all questions were answered")
                .because("Nothing was written.")
                .remedy("Run the command again, or give the answers as options: see `nix-cfg-iso init --help`."),
            Self::HostOfChannel => error("host-channel", "A channel configuration has no hosts to choose from")
                .because("--host selects one of the nixosConfigurations of a flake.")
                .remedy("Omit --host."),
            Self::NixpkgsOfFlake => error("nixpkgs-flake", "The nixpkgs of a flake is one of its inputs")
                .because("The live system uses the same nixpkgs; two would double the size of the ISO.")
                .remedy("Omit --nixpkgs, or change the input in the flake."),
            Self::ChannelOfFlake => error("channel-flake", "A flake does not look up channels")
                .because("Its inputs are on the ISO, as its flake.lock names them.")
                .remedy("Omit --channel, or add an input to the flake."),
            Self::NoNixpkgs { example } => error("nixpkgs-unknown", "The nixpkgs of the configuration is not known")
                .because("Neither a channel configuration nor --stock names it, and this machine does not run a release of NixOS.")
                .remedy(format!("Name it, for example --nixpkgs {example}")),
            Self::Release { nixpkgs } => error("nixpkgs-release", format!("The release of {nixpkgs} is not known"))
                .because("The configurations need it for system.stateVersion, and Nix could not evaluate lib.trivial.release of it.")
                .remedy("Name a release: --nixpkgs github:NixOS/nixpkgs/nixos-YY.MM; or see: nix eval --raw NIXPKGS#lib.trivial.release"),
            Self::Desktop { name } => error("desktop", format!("`{name}` is not a name of a live system"))
                .remedy("Use gnome, plasma6, combined or none."),
            Self::System { name, known } => error("system", format!("NixOS has no installer ISO for {name}"))
                .remedy(format!("Use one of: {}.", known.join(", "))),
            Self::FetchHash { url, hash } => warning("fetch-hash", format!("The hash of {url} is not a SHA-256: \"{hash}\""))
                .because("Nix refuses it as soon as it evaluates it, and the ISO cannot carry what it names.")
                .remedy("Correct it: `nix-prefetch-url --unpack URL` prints the right one."),
            Self::Program { path, fault, system } => program(path, *fault, system),
        }
    }
}

fn program(path: &Path, fault: ProgramFault, system: &str) -> Text {
    let what = match fault {
        ProgramFault::Missing => "does not exist".to_owned(),
        ProgramFault::OtherSystem => format!("is not for {system}"),
        ProgramFault::NotStatic => "is not statically linked".to_owned(),
        ProgramFault::NotAnElfFile => "is not a program for Linux".to_owned(),
    };
    let directory = path.parent().unwrap_or(path).join(system);
    error("helper-missing", format!("{} {what}", path.display()))
        .because("It is copied to the ISO, where it has to run without any library.")
        .remedy(format!(
            "Put the released programs for {system} into {}, or use --build-helper: then the flake builds them.",
            directory.display()
        ))
}
