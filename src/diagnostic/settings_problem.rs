//! The settings file is wrong.

use std::path::PathBuf;

use super::{Text, error};

/// Why the settings cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingsProblem {
    /// `error`: what the system says.
    Unreadable { error: String },
    /// `error`: what the YAML parser says.
    Invalid { error: String },
    /// It is YAML, and no mapping.
    NoMapping { found: String },
    /// A key of an earlier line.
    Twice { key: String },
    /// `target: /`
    RunningSystem,
    /// The path of `key` is not absolute.
    Relative { key: &'static str, value: PathBuf },
    /// `found`: the value, as a person calls it.
    WrongType { key: &'static str, takes: Takes, found: String },
    /// `nearest`: the known key that is most similar.
    UnknownKey { key: String, nearest: Option<&'static str>, known: Box<[&'static str]> },
}

/// What a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    AbsolutePath,
    PathInTree,
    Name,
    Switch,
    /// Of binary caches.
    Addresses,
    PublicKeys,
    /// What can be answered, by its keys.
    Answers,
    /// What the ISO writes.
    Features,
}

impl SettingsProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::Unreadable { error: why } => error("settings", "The settings file cannot be read")
                .because(why)
                .remedy("Name another with --settings, or omit it: then the one of the live system is used, if there is one."),
            Self::Invalid { error: why } => error("settings", format!("The settings file is not valid YAML: {why}"))
                .remedy("Correct it; docs/settings.md says what each key takes."),
            Self::NoMapping { found } => {
                error("settings", format!("The settings are not keys with values: this is {found}"))
                    .remedy("Write one setting a line, as in `host: laptop`.")
            }
            Self::Twice { key } => error("settings", format!("`{key}` is set twice"))
                .remedy("Remove one of the two."),
            Self::RunningSystem => error("settings", "`target` cannot be \"/\"")
                .because("That is the running system. A system is installed to another file system.")
                .remedy("Name the mount point of the new root file system, such as /mnt."),
            Self::Relative { key, value } => error("settings", format!("`{key}` cannot be \"{}\"", value.display()))
                .because("It is not an absolute path.")
                .remedy("Give the whole path, beginning with /."),
            Self::WrongType { key, takes, found } => wrong_type(key, *takes, found),
            Self::UnknownKey { key, nearest, known } => {
                error("settings", format!("`{key}` is not a setting")).remedy(match nearest {
                    Some(nearest) => format!("Did you mean `{nearest}`?"),
                    None => format!("Known keys: {}.", known.join(", ")),
                })
            }
        }
    }
}

fn wrong_type(key: &str, takes: Takes, found: &str) -> Text {
    let is_list = found == "a list";
    let (kind, remedy) = match takes {
        Takes::Switch => ("true or false", format!("Write `{key}: true` or `{key}: false`.")),
        Takes::AbsolutePath => ("an absolute path", format!("Write `{key}: /…`.")),
        Takes::PathInTree => ("a path inside the configuration", format!("Write `{key}: hosts/…`.")),
        Takes::Name => ("a name in one line", format!("Write it in quotes: `{key}: \"…\"`.")),
        Takes::Addresses => (
            "the address of a binary cache, or a list of them",
            format!("Write `{key}: https://…`; http, s3 and file addresses are taken as well, without `trusted`."),
        ),
        Takes::PublicKeys => (
            "a public key, or a list of them",
            format!("Write `{key}: \"NAME:…\"`, as `nix key convert-secret-to-public` prints it."),
        ),
        Takes::Answers => (
            "keys with single values",
            format!("Write `{key}: {{ timezone: Europe/Berlin }}`; docs/settings.md has all keys."),
        ),
        Takes::Features => (
            "a list of entries with `kind`, `name` and `reason`",
            "Make the ISO again, which writes it; or remove it, and what the ISO is made without is not checked.".to_owned(),
        ),
    };
    let found = if takes == Takes::Features && is_list { "another list" } else { found };
    error("settings", format!("`{key}` takes {kind}, and this is {found}")).remedy(remedy)
}
