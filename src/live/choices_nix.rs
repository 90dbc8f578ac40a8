//! `choices.nix`: those of the answers that the configuration leaves open, beside hardware-configuration.nix and imported by it.

use serde::Serialize;

use super::answers::{Answers, LOGIN_NAME, is_login_name};
use crate::diagnostic::{AnswerProblem, Diagnostic};
use crate::nix::literal::{attribute, string};
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
    user: Option<String>,
    /// `i18n.supportedLocales`, where the system would not have the locales otherwise.
    #[serde(skip)]
    supported: Vec<String>,
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

    /// The module, as nixfmt leaves it; `None` where nothing was taken.
    #[must_use]
    pub fn nix(&self, open: &Open) -> Option<String> {
        let blocks = [
            self.line("timezone", "time.timeZone"),
            self.language(),
            self.keyboard(),
            self.line("hostname", "networking.hostName"),
            self.account(open),
            self.autologin(open),
            self.taken.get("unfree").map_or("", |_| UNFREE).to_owned(),
        ];
        let body: Vec<String> = blocks.into_iter().filter(|block| !block.is_empty()).collect();
        if body.is_empty() {
            return None;
        }
        let body = body.join("\n");
        let arguments = if body.contains("lib.") {
            "{ lib, ... }:"
        } else {
            "{ ... }:"
        };
        Some(format!("{HEADER}{arguments}\n{{\n{body}}}\n"))
    }

    /// The definition of `option` by the answer `key`; empty where that was not taken.
    fn line(&self, key: &str, option: &str) -> String {
        self.taken
            .get(key)
            .map_or_else(String::new, |value| default("  ", option, &string(value)))
    }

    fn language(&self) -> String {
        let parts = self.taken.keys().filter(|key| key.starts_with("LC_"));
        let parts: String = parts.map(|key| ["  ", &self.line(key, key)].concat()).collect();
        let mut text = self.line("locale", "i18n.defaultLocale");
        if !parts.is_empty() {
            text.extend(["  i18n.extraLocaleSettings = {\n", &parts, "  };\n"]);
        }
        if !self.supported.is_empty() {
            text.push_str(SUPPORTED);
            text.push_str(&default("  ", "i18n.supportedLocales", &list("  ", &self.supported)));
        }
        text
    }

    fn keyboard(&self) -> String {
        let keymap = self.line("keymap", "console.keyMap");
        let (layout, variant) = (self.line("layout", "layout"), self.line("variant", "variant"));
        if variant.is_empty() {
            return keymap + &self.line("layout", "services.xserver.xkb.layout");
        }
        format!("{keymap}  services.xserver.xkb = {{\n  {layout}  {variant}  }};\n")
    }

    fn account(&self, open: &Open) -> String {
        let Some(user) = &self.user else { return String::new() };
        let name = attribute(user);
        if !self.taken.contains_key("user") {
            return self.line("fullname", &format!("users.users.{name}.description"));
        }
        let mut groups = vec!["wheel".to_owned()];
        if open.networkmanager {
            groups.insert(0, "networkmanager".to_owned());
        }
        let description = self.line("fullname", "description");
        let indent = if description.is_empty() { "" } else { "  " };
        format!(
            "  # The password is not in the configuration: passwd changes it.\n  users.users.{name} = {{\n{}{indent}{description}    \
             extraGroups = {};\n  }};\n",
            default("    ", "isNormalUser", "true"),
            list("    ", &groups),
        )
    }

    fn autologin(&self, open: &Open) -> String {
        let (Some(user), true) = (&self.user, self.taken.contains_key("autologin")) else {
            return String::new();
        };
        if !open.display_manager {
            return default("  ", "services.getty.autologinUser", &string(user));
        }
        format!(
            "  services.displayManager.autoLogin = {{\n{}{}  }};\n{}",
            default("    ", "enable", "true"),
            default("    ", "user", &string(user)),
            if open.gdm { GDM } else { "" },
        )
    }
}

fn is_locale(key: &str) -> bool {
    key == "locale" || key.starts_with("LC_")
}

fn default(indent: &str, option: &str, value: &str) -> String {
    format!("{indent}{option} = lib.mkDefault {value};\n")
}

/// A list of strings, as nixfmt writes it after `indent`: in one line where it has a single element.
fn list(indent: &str, elements: &[String]) -> String {
    let elements: Vec<String> = elements.iter().map(|element| string(element)).collect();
    match elements.as_slice() {
        [only] => format!("[ {only} ]"),
        all => {
            let lines: Vec<String> = all.iter().map(|one| format!("{indent}  {one}\n")).collect();
            let lines = lines.concat();
            format!("[\n{lines}{indent}]")
        }
    }
}

const HEADER: &str = "\
# What was chosen when this machine was installed. What the configuration says has priority: `mkDefault` is only stronger than
# the default of NixOS. hardware-configuration.nix beside this file imports it.
# Written by nix-cfg-install; from here on it is yours.
";

const SUPPORTED: &str = "  # The locales of the installation medium: others are compiled, which needs a network. With one, this line can go.\n";

/// As upstream's installer does it (calamares-nixos-extensions 0.3.23).
const GDM: &str = "  # Otherwise the login prompt of the console ends the session that GDM starts.
  systemd.services.\"getty@tty1\".enable = lib.mkDefault false;
  systemd.services.\"autovt@tty1\".enable = lib.mkDefault false;
";

/// Definitions of it are merged without priorities (misc/nixpkgs.nix, 24.05 and 26.11).
const UNFREE: &str = "  nixpkgs.config.allowUnfree = true;\n";
