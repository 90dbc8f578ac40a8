//! What a person answers about the system to be installed: on the command line (`--set`), in the settings, or on the pages of
//! the graphical installer.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::diagnostic::{AnswerProblem, Diagnostic, Place, Problem};
use crate::text::similar;

/// The answers, by their keys: those of [`KEYS`] and of [`FORMATS`].
pub type Answers = BTreeMap<String, String>;

/// What can be answered, besides [`FORMATS`].
const KEYS: [&str; 10] = [
    "timezone",
    "locale",
    "keymap",
    "layout",
    "variant",
    "hostname",
    "user",
    "fullname",
    "autologin",
    "unfree",
];

/// The parts of a locale (glibc, locale(7)), without `LC_ALL`, which overrides the others.
const FORMATS: [&str; 12] = [
    "LC_ADDRESS",
    "LC_COLLATE",
    "LC_CTYPE",
    "LC_IDENTIFICATION",
    "LC_MEASUREMENT",
    "LC_MESSAGES",
    "LC_MONETARY",
    "LC_NAME",
    "LC_NUMERIC",
    "LC_PAPER",
    "LC_TELEPHONE",
    "LC_TIME",
];

/// The answers in `words`, each `KEY=VALUE`; a later one replaces an earlier one.
///
/// # Errors
/// A word without a `=`.
pub fn parse(words: &[String]) -> (Answers, Vec<Diagnostic>) {
    let mut answers = Answers::new();
    let mut problems = Vec::new();
    for word in words {
        match word.split_once('=') {
            Some((key, value)) => drop(answers.insert(key.to_owned(), value.to_owned())),
            None => problems.push(AnswerProblem::NoValue { word: word.clone() }.into()),
        }
    }
    (answers, problems)
}

/// What there is to choose from, as the ISO has it (nix/choices.nix). An empty list is not known.
#[derive(Default)]
pub struct Lists {
    zones: Vec<String>,
    /// Those in UTF-8, which NixOS assumes.
    locales: Vec<String>,
    keymaps: Vec<String>,
    /// `LAYOUT`, and `LAYOUT VARIANT`.
    layouts: Vec<String>,
    /// `i18n.supportedLocales` for which the ISO has the locales: `all`, or each.
    pub supported: Vec<String>,
}

impl Lists {
    /// Reads the lists in `directory`.
    #[must_use]
    pub fn read(directory: &Path) -> Self {
        let lines = |name: &str| {
            let text = fs::read_to_string(directory.join(name)).unwrap_or_default();
            text.lines().map(str::to_owned).collect()
        };
        Self {
            zones: lines("timezones"),
            locales: lines("locales"),
            keymaps: lines("keymaps"),
            layouts: lines("layouts"),
            supported: lines("supported-locales"),
        }
    }

    /// Whether they are known.
    #[must_use]
    pub fn are_known(&self) -> bool {
        !self.zones.is_empty()
    }

    /// Whether the ISO has the locale, as far as that is known.
    #[must_use]
    pub fn may_have_locale(&self, locale: &str) -> bool {
        may_have(&self.locales, locale)
    }

    /// Whether there is a keymap of that name, as far as that is known.
    #[must_use]
    pub fn may_have_keymap(&self, keymap: &str) -> bool {
        may_have(&self.keymaps, keymap)
    }
}

/// Without a list, as far as its form goes: no such name has spaces, quotes or line breaks.
fn may_have(list: &[String], value: &str) -> bool {
    let is_part = |char: char| char.is_ascii_alphanumeric() || " +-_./@".contains(char);
    list.iter().any(|known| known == value) || list.is_empty() && value.chars().all(is_part)
}

/// Where answers are written: lines of the settings, by the keys.
pub type Places = BTreeMap<String, Place>;

/// All that is wrong with the answers, by their keys.
#[must_use]
pub fn problems(answers: &Answers, lists: &Lists, places: &Places) -> BTreeMap<String, Diagnostic> {
    let all = answers.iter().filter_map(|(key, value)| {
        let problem = Diagnostic {
            place: places.get(key).cloned(),
            ..problem(key, value, answers, lists)?.into()
        };
        Some((key.clone(), problem))
    });
    all.collect()
}

/// Whether it is nothing where the configuration decides the answer: the lists do not have the value.
#[must_use]
pub fn is_unknown_value(problem: &Diagnostic) -> bool {
    matches!(problem.problem, Problem::AnswerProblem(AnswerProblem::Unknown { .. }))
}

fn problem(key: &str, value: &str, answers: &Answers, lists: &Lists) -> Option<AnswerProblem> {
    let form = |holds: bool, rule| {
        let (key, value) = (key.to_owned(), value.to_owned());
        (!holds).then_some(AnswerProblem::Form { key, value, rule })
    };
    match key {
        "timezone" => unknown(key, value, value, &lists.zones),
        "locale" => unknown(key, value, value, &lists.locales),
        "keymap" => unknown(key, value, value, &lists.keymaps),
        "layout" => value.split(',').find_map(|one| unknown(key, one, one, &lists.layouts)),
        "variant" => {
            let Some(layout) = answers.get("layout") else {
                return form(
                    value.is_empty(),
                    "A variant is one of a layout, and there is none: add layout.",
                );
            };
            if value.split(',').count() > layout.split(',').count() {
                return form(false, "There are more variants than layouts.");
            }
            let pairs = layout
                .split(',')
                .zip(value.split(','))
                .filter(|(_, variant)| !variant.is_empty());
            let mut wrong =
                pairs.filter_map(|(layout, one)| unknown(key, one, &format!("{layout} {one}"), &lists.layouts));
            wrong.next()
        }
        "autologin" | "unfree" => form(["true", "false"].contains(&value), "It is true or false."),
        "hostname" => form(
            is_host_name(value),
            "A host name has up to 63 letters, digits, - and _ (not - or _ at its ends).",
        ),
        // One of the configuration can have any name.
        "user" => form(!value.is_empty(), LOGIN_NAME),
        "fullname" => form(
            !value.contains(|char: char| char == ':' || char.is_control()),
            "It is a field of /etc/passwd: it cannot have a colon or a line break.",
        ),
        _ if FORMATS.contains(&key) => unknown(key, value, value, &lists.locales),
        _ => Some(AnswerProblem::UnknownKey {
            key: key.to_owned(),
            nearest: similar(key, KEYS.into_iter().chain(FORMATS)).map(str::to_owned),
            known: [KEYS.join(", "), FORMATS.join(", ")].join(", "),
        }),
    }
}

/// `value` where the list, which has it as `entry`, is known and does not have it.
fn unknown(key: &str, value: &str, entry: &str, list: &[String]) -> Option<AnswerProblem> {
    (value.is_empty() || !may_have(list, entry)).then(|| AnswerProblem::Unknown {
        key: key.to_owned(),
        value: value.to_owned(),
        nearest: nearest(entry, list)
            .map(|found| found.rsplit(' ').next().unwrap_or(found).to_owned())
            // The variant of another layout.
            .filter(|found| found != value),
    })
}

/// What may have been meant: the same in other letters, the city alone, the language without its character set, or a slip.
fn nearest<'a>(value: &str, list: &'a [String]) -> Option<&'a str> {
    if value.is_empty() {
        return None;
    }
    let find = |is: &dyn Fn(&str) -> bool| list.iter().map(String::as_str).find(|one| is(one));
    find(&|one| one.eq_ignore_ascii_case(value))
        .or_else(|| {
            find(&|one| {
                one.rsplit('/')
                    .next()
                    .is_some_and(|city| city.eq_ignore_ascii_case(value))
            })
        })
        .or_else(|| find(&|one| one.strip_prefix(value).is_some_and(|rest| rest.starts_with('.'))))
        .or_else(|| similar(value, list.iter().map(String::as_str)))
}

/// As the type of `networking.hostName` has it (tasks/network-interfaces.nix, 24.05 and 26.11).
fn is_host_name(name: &str) -> bool {
    let is_end = |char: Option<char>| char.is_some_and(|char| char.is_ascii_alphanumeric());
    let is_part = |char: char| char.is_ascii_alphanumeric() || "-_".contains(char);
    name.len() <= 63 && is_end(name.chars().next()) && is_end(name.chars().last()) && name.chars().all(is_part)
}

/// What a new user can be called.
pub(super) const LOGIN_NAME: &str =
    "The login name of a new user has up to 31 of a-z, 0-9, - and _, and begins with a letter or _.";

/// As the page of Calamares has it (3.3, users/Config.cpp); NixOS takes more.
pub(super) fn is_login_name(name: &str) -> bool {
    let is_part = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || "-_".contains(char);
    name.len() <= 31
        && name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
        && name.chars().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists() -> Lists {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        Lists {
            zones: words(&["Europe/Berlin", "America/Argentina/Ushuaia"]),
            locales: words(&["C.UTF-8", "de_DE.UTF-8", "en_US.UTF-8"]),
            keymaps: words(&["de", "us"]),
            layouts: words(&["de", "de nodeadkeys", "us"]),
            supported: words(&["all"]),
        }
    }

    fn reported(words: &str, lists: &Lists) -> Vec<String> {
        let words: Vec<String> = words.split('|').map(str::to_owned).collect();
        let (answers, mut problems) = parse(&words);
        problems.extend(super::problems(&answers, lists, &Places::new()).into_values());
        let line = |one: Diagnostic| format!("{}: {} {}", one.code, one.what, one.remedy);
        problems.into_iter().map(line).collect()
    }

    #[test]
    fn what_exists_is_taken() {
        let good = "timezone=Europe/Berlin|locale=de_DE.UTF-8|LC_TIME=en_US.UTF-8|keymap=de|layout=us,de|variant=,nodeadkeys|\
                    hostname=box-1|user=alice|fullname=Ångström & Söhne|autologin=true|unfree=false";
        assert_eq!(reported(good, &lists()), [""; 0]);
    }

    #[test]
    fn all_that_does_not_exist_is_refused_at_once_with_what_may_have_been_meant() {
        let bad =
            "timezone=Berlin|locale=de_DE|LC_TIME=de_DE.utf-8|keymap=dr|layout=dee|variant=nodedkeys|timezon=x|alone";
        assert_eq!(
            reported(bad, &lists()),
            [
                "answer-form: --set alone has no value Write --set KEY=VALUE, such as --set timezone=Europe/Berlin.",
                "answer-unknown-value: LC_TIME cannot be `de_DE.utf-8` Did you mean `de_DE.UTF-8`?",
                "answer-unknown-value: keymap cannot be `dr` Did you mean `de`?",
                "answer-unknown-value: layout cannot be `dee` Did you mean `de`?",
                "answer-unknown-value: locale cannot be `de_DE` Did you mean `de_DE.UTF-8`?",
                "answer-unknown-key: `timezon` is nothing that can be set Did you mean `timezone`?",
                "answer-unknown-value: timezone cannot be `Berlin` Did you mean `Europe/Berlin`?",
                "answer-unknown-value: variant cannot be `nodedkeys` Did you mean `nodeadkeys`?",
            ]
        );
    }

    #[test]
    fn names_have_the_form_that_nixos_takes() {
        for bad in [
            "hostname=a.b",
            "hostname=-a",
            "hostname=",
            "user=",
            "fullname=a:b",
            "fullname=a\nb",
            "autologin=yes",
            "variant=neo",
            "layout=us|variant=,nodeadkeys",
            "timezone=",
        ] {
            assert_eq!(reported(bad, &lists()).len(), 1, "{bad}");
        }
    }

    #[test]
    fn without_lists_only_the_form_is_known() {
        assert_eq!(
            reported("timezone=Mars/Olympus|locale=xx|keymap=yy", &Lists::default()),
            [""; 0]
        );
        for bad in ["timezone=", "timezone=a\nb", "keymap=${x}", "layout=de\" "] {
            assert_eq!(reported(bad, &Lists::default()).len(), 1, "{bad}");
        }
    }
}
