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
    /// The path of `key` is not absolute.
    Relative { key: &'static str, value: PathBuf },
    /// `nearest`: the known key that is most similar.
    UnknownKey { key: String, nearest: Option<String>, known: Vec<String> },
}

impl SettingsProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::Unreadable { error: why } => error("settings", "The settings file cannot be read")
                .because(why)
                .remedy("Name another with --settings, or omit it: then the one of the live system is used, if there is one."),
            Self::Invalid { error: why } => error("settings", format!("The settings file is not valid: {why}"))
                .remedy("Correct the value; docs/settings.md says what each key takes."),
            Self::Relative { key, value } => error("settings", format!("`{key}` cannot be \"{}\"", value.display()))
                .because("It is not an absolute path.")
                .remedy("Give the whole path, beginning with /."),
            Self::UnknownKey { key, nearest, known } => {
                error("settings", format!("`{key}` is not a setting")).remedy(match nearest {
                    Some(nearest) => format!("Did you mean `{nearest}`?"),
                    None => format!("Known keys: {}.", known.join(", ")),
                })
            }
        }
    }
}
