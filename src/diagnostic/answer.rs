//! What was answered for the installed system (`--set`, the settings, the graphical installer) cannot be applied.

use super::{Text, error, warning};

/// What is wrong with answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerProblem {
    /// Nothing of that name can be set. `nearest`: what may have been meant; otherwise all of them are named.
    UnknownKey { key: String, nearest: Option<String>, known: String },
    /// An argument of `--set` without a `=`.
    NoValue { word: String },
    /// The packages of the system have no such time zone, locale, keymap or layout.
    Unknown { key: String, value: String, nearest: Option<String> },
    /// The value has not the form that `key` needs.
    Form { key: String, value: String, rule: &'static str },
    /// The configuration sets `i18n.supportedLocales`, without this one.
    LocaleUnsupported { locale: String, supported: Vec<String> },
    /// The system has an account of that name for another purpose.
    AccountTaken { user: String },
    /// `key` is about a user, and nothing says which. `users` are those of the configuration.
    NoUser { key: String, users: Vec<String> },
    /// Nothing imports the hardware configuration, and so nothing the file with these answers.
    NotImported { keys: String, hardware: String },
}

impl AnswerProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::UnknownKey { key, nearest, known } => {
                let text = error("answer-unknown-key", format!("`{key}` is nothing that can be set"));
                text.remedy(match nearest {
                    Some(nearest) => format!("Did you mean `{nearest}`?"),
                    None => format!("Known: {known}."),
                })
            }
            Self::NoValue { word } => error("answer-form", format!("--set {word} has no value"))
                .remedy("Write --set KEY=VALUE, such as --set timezone=Europe/Berlin."),
            Self::Unknown { key, value, nearest } => {
                let text = error("answer-unknown-value", format!("{key} cannot be `{value}`"))
                    .because("The packages of the system that is installed have no such value.");
                match nearest {
                    Some(nearest) => text.remedy(format!("Did you mean `{nearest}`?")),
                    None => text.remedy(format!("Correct it, or omit {key}.")),
                }
            }
            Self::Form { key, value, rule } => {
                error("answer-form", format!("{key} cannot be `{value}`")).because(*rule).remedy("Correct it.")
            }
            Self::LocaleUnsupported { locale, supported } => {
                warning("answer-locale-unsupported", format!("The locale {locale} was chosen and is not applied"))
                    .because(format!("The configuration sets i18n.supportedLocales, without it: {}.", supported.join(", ")))
                    .remedy("Add it there, or choose one of these.")
            }
            Self::AccountTaken { user } => {
                error("answer-account-taken", format!("The user cannot be called `{user}`"))
                    .because("The system has an account of that name for another purpose.")
                    .remedy("Choose another login name.")
            }
            Self::NoUser { key, users } => {
                let text = error("answer-without-user", format!("It is not known which user {key} is for"));
                if users.is_empty() {
                    text.because("The configuration has no normal user.").remedy("Add the login name: --set user=NAME.")
                } else {
                    text.because(format!("The configuration has several: {}.", users.join(", ")))
                        .remedy("Name one of them: --set user=NAME.")
                }
            }
            Self::NotImported { keys, hardware } => {
                warning("answers-not-applied", format!("What was chosen is not applied: {keys}"))
                    .because(format!("It would be in a file that {hardware} imports, and nothing imports {hardware}."))
                    .remedy(format!("Add ./{hardware} to the `imports` of the configuration, or set these options there."))
            }
        }
    }
}
