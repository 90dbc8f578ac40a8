//! The channels and flake references of an ISO.

use super::{Text, error, warning};

/// What is wrong with a channel, or with a flake reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IsoChannelProblem {
    Name { name: String, fault: ChannelNameFault },
    Twice { name: String },
    /// `init`: the configuration looks up a channel for which there is no `--channel`. `look_up` is its text, `reference` the
    /// flake reference to suggest; `imported` says that the file is certainly evaluated.
    Unnamed { name: String, look_up: String, reference: String, imported: bool },
    /// `doctor`: the same, where the flake of the ISO does not have the channel.
    NotInFlake { name: String, look_up: String, imported: bool },
    /// `option` (`--nixpkgs`, `inputs.home-manager.url`) is not a flake reference that Nix can fetch; `example` is one.
    Reference { option: String, reference: String, fault: ReferenceFault, example: String },
}

/// Why a channel cannot have its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelNameFault {
    /// It is the configuration's nixpkgs.
    Nixpkgs,
    /// It is the configuration's configuration.nix.
    Configuration,
    /// Nix itself provides it.
    OfNix,
    /// The flake of the ISO uses it for something else.
    Reserved,
    Syntax,
}

/// What is wrong with a flake reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReferenceFault {
    Empty,
    /// `<nixpkgs>`
    LookupPath,
    /// A path that does not begin with `/`.
    Relative,
    /// A path that does not exist.
    Missing,
    NotADirectory,
    /// `similar` is the known scheme that is spelt like this one.
    Scheme { scheme: String, similar: Option<&'static str> },
    /// `github:` without owner or repository.
    Repository,
    Syntax,
}

const OWN_COPY: &str = "The ISO has its own copy of each channel, so that what was tested is what is installed.";

impl IsoChannelProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::Name { name, fault } => {
                let why = match fault {
                    ChannelNameFault::Nixpkgs => "It is the nixpkgs of the configuration; use --nixpkgs FLAKEREF.",
                    ChannelNameFault::Configuration => "<nixos-config> is the configuration.nix of --config.",
                    ChannelNameFault::OfNix => "Nix itself provides it.",
                    ChannelNameFault::Reserved => "The flake of the ISO uses this name for something else.",
                    ChannelNameFault::Syntax => "A name begins with a letter and consists of letters, digits, `-` and `_`.",
                };
                error("channel-name", format!("`{name}` cannot be the name of a --channel"))
                    .because(why)
                    .remedy("Write --channel NAME=FLAKEREF with the NAME of the look-up <NAME/…>.")
            }
            Self::Twice { name } => {
                error("channel-name", format!("--channel {name}=… is given twice")).remedy("Omit one of them.")
            }
            Self::Unnamed { name, look_up, reference, imported } => {
                let text = if *imported {
                    error("channel-unnamed", format!("The configuration looks up the channel `{name}`"))
                } else {
                    warning("channel-unnamed", format!("{look_up} is looked up in a file that may be evaluated"))
                };
                text.because(OWN_COPY).remedy(format!("Add --channel {name}={reference}"))
            }
            Self::NotInFlake { name, look_up, imported } => {
                let what = format!("{look_up} is looked up, and the ISO has no channel `{name}`");
                let text = if *imported { error("lookup-path", what) } else { warning("lookup-path", what) };
                text.because(OWN_COPY).remedy(format!(
                    "In flake.nix of the ISO add inputs.{name} = {{ url = \"FLAKEREF\"; flake = false; }}; and, beside \
                     `nixpkgs`, channels = {{ inherit (inputs) {name}; }};"
                ))
            }
            Self::Reference { option, reference, fault, example } => {
                let (what, remedy) = fault.text(example);
                error("flake-reference", format!("{option} cannot be \"{reference}\": {what}"))
                    .because("The flake of the ISO has it as an input, which Nix fetches and locks.")
                    .remedy(remedy)
            }
        }
    }
}

impl ReferenceFault {
    /// What is wrong, and what to do.
    fn text(&self, example: &str) -> (String, String) {
        let usual = format!("Name a flake reference, for example {example}");
        match self {
            Self::Empty => ("it is empty".to_owned(), usual),
            Self::LookupPath => (
                "that is a look-up in the channels of this machine, which an ISO does not use".to_owned(),
                usual,
            ),
            Self::Relative => (
                "a relative path has no meaning in the directory of the ISO".to_owned(),
                "Name the whole path, as path:/DIRECTORY, or something that can be fetched, for example ".to_owned()
                    + example,
            ),
            Self::Missing => ("there is no such directory".to_owned(), usual),
            Self::NotADirectory => (
                "it is not a directory".to_owned(),
                "Name the directory. An archive (.tar.gz, .tar.xz, .zip) is file:///PATH.".to_owned(),
            ),
            Self::Scheme { scheme, similar } => (
                format!("Nix has no fetcher for `{scheme}:`"),
                match similar {
                    Some(similar) => format!("Did you mean `{similar}:`? For example {example}"),
                    None => usual,
                },
            ),
            Self::Repository => ("it names no repository".to_owned(), usual),
            Self::Syntax => ("that is not the syntax of a flake reference".to_owned(), usual),
        }
    }
}
