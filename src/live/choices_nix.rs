//! `choices.nix`: those of the answers that the configuration leaves open, beside hardware-configuration.nix and imported by it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::answers::{Answers, LOGIN_NAME, is_login_name};
use crate::diagnostic::{AnswerProblem, Diagnostic};
use crate::nix::open::Open;

/// The usual name of the file.
pub const CHOICES_NIX: &str = "choices.nix";

/// Its name where the user has a choices.nix there.
pub const CHOICES_NIX_BESIDE_OTHER: &str = "choices-from-installer.nix";

/// What becomes of the answers.
#[derive(Debug, Default, Serialize)]
pub struct Choices {
    /// What is in the file.
    pub taken: Answers,
    /// What was answered and the configuration decides, with the values that it decides.
    pub decided: Answers,
    /// The user that `fullname` and `autologin` are about.
    #[serde(skip)]
    pub(super) user: Option<String>,
    /// `i18n.supportedLocales`, where the system would not have the locales otherwise.
    #[serde(skip)]
    pub(super) supported: Vec<String>,
}

impl Choices {
    /// Those that are in the file already.
    #[must_use]
    pub fn in_file(taken: Answers) -> Self {
        Self {
            taken,
            ..Self::default()
        }
    }
}

/// Compares the answers with what is open. `supported` are the locales of the ISO, as in `i18n.supportedLocales`.
#[must_use]
pub fn choose(answers: &Answers, open: &Open, supported: &[String]) -> (Choices, Vec<Diagnostic>) {
    let mut choices = Choices::default();
    let mut problems = Vec::new();
    choices.choose_user(answers, open, &mut problems);
    for (key, value) in answers {
        choices.take(key, value, answers, open);
    }
    let locales = choices.locales(open);
    if open.locales_decided {
        // On the pages of Calamares they follow from the time zone.
        let all = std::mem::take(&mut choices.taken).into_iter();
        let has = |(key, value): &(String, String)| !(is_locale(key) && locales.contains(value));
        choices.taken.extend(all.filter(has));
        problems.extend(locales.into_iter().map(|locale| AnswerProblem::LocaleUnsupported {
            locale,
            supported: open.locales.clone().unwrap_or_default(),
        }));
    } else if !locales.is_empty() {
        choices.supported = supported.to_vec();
    }
    (choices, problems.into_iter().map(Diagnostic::from).collect())
}

impl Choices {
    /// Those of the problems of answers, by their keys, that stay because the configuration does not decide the answer. A variant
    /// belongs to its layout.
    #[must_use]
    pub fn undecided(&self, problems: BTreeMap<String, Diagnostic>) -> Vec<Diagnostic> {
        let option = |key: &str| if key == "variant" { "layout" } else { key }.to_owned();
        let stay = |(key, _): &(String, Diagnostic)| !self.decided.contains_key(&option(key));
        problems.into_iter().filter(stay).map(|(_, problem)| problem).collect()
    }

    /// The user that is answered about: one of the configuration, or a new one where it has none.
    fn choose_user(&mut self, answers: &Answers, open: &Open, problems: &mut Vec<AnswerProblem>) {
        let named = answers.get("user");
        let is_new = |name: &String| !open.users.contains_key(name);
        self.user = named
            .or_else(|| open.users.keys().next().filter(|_| open.users.len() == 1))
            .cloned();
        match named {
            Some(name) if is_new(name) => match open.decided.get("user") {
                Some(users) => {
                    self.decided.insert("user".to_owned(), users.clone());
                    // The check of the accounts reports it.
                    self.user = None;
                }
                None if open.others.contains(name) => problems.push(AnswerProblem::AccountTaken { user: name.clone() }),
                None if !is_login_name(name) => problems.push(AnswerProblem::Form {
                    key: "user".to_owned(),
                    value: name.clone(),
                    rule: LOGIN_NAME,
                }),
                None => drop(self.taken.insert("user".to_owned(), name.clone())),
            },
            Some(_) => {}
            None => {
                let is_about_user =
                    |(key, value): &(&String, &String)| *key == "fullname" || *key == "autologin" && *value == "true";
                let without = answers
                    .iter()
                    .filter(|answer| self.user.is_none() && is_about_user(answer));
                problems.extend(without.map(|(key, _)| AnswerProblem::NoUser {
                    key: key.clone(),
                    users: open.users.keys().cloned().collect(),
                }));
            }
        }
    }

    fn take(&mut self, key: &str, value: &str, answers: &Answers, open: &Open) {
        let current = |key: &str| open.current.get(key).map_or("", String::as_str);
        let described = || {
            self.user
                .as_ref()
                .and_then(|user| open.users.get(user))
                .filter(|text| !text.is_empty())
        };
        let decided = match key {
            "fullname" => described(),
            _ => open.decided.get(key),
        };
        let is_open = match key {
            // The user is chosen before, and a layout with its variant.
            "user" | "variant" => return,
            "fullname" => self.user.is_some() && !value.is_empty(),
            "autologin" => self.user.is_some() && value == "true",
            "unfree" => value == "true",
            _ => true,
        };
        if !is_open {
            return;
        }
        if let Some(decided) = decided {
            self.decided.insert(key.to_owned(), decided.clone());
            return;
        }
        let locale = || answers.get("locale").filter(|_| !open.decided.contains_key("locale"));
        let is_so_already = match key {
            "layout" => {
                let variant = answers.get("variant").map_or("", String::as_str);
                if value == current("layout") && variant == current("variant") {
                    true
                } else {
                    let is_needed = !variant.is_empty() || !current("variant").is_empty();
                    let variant = is_needed.then(|| ("variant".to_owned(), variant.to_owned()));
                    self.taken.extend(variant);
                    false
                }
            }
            _ if key.starts_with("LC_") => value == locale().map_or(current("locale"), String::as_str),
            _ => value == current(key),
        };
        if !is_so_already {
            self.taken.insert(key.to_owned(), value.to_owned());
        }
    }

    /// The locales that were taken and the system does not have.
    fn locales(&self, open: &Open) -> Vec<String> {
        let Some(known) = &open.locales else { return Vec::new() };
        let is_known = |locale: &str| {
            known
                .iter()
                .any(|one| one == "all" || one.strip_suffix("/UTF-8") == Some(locale))
        };
        let taken = self.taken.iter().filter(|(key, _)| is_locale(key));
        let mut missing: Vec<String> = taken
            .map(|(_, value)| value.clone())
            .filter(|one| !is_known(one))
            .collect();
        missing.sort();
        missing.dedup();
        missing
    }
}

pub(super) fn is_locale(key: &str) -> bool {
    key == "locale" || key.starts_with("LC_")
}
