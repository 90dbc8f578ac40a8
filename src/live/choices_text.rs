//! The answers as Nix: the module choices.nix, or settings of a configuration.nix.

use super::choices_nix::Choices;
use crate::nix::literal::{attribute, string};
use crate::nix::open::Open;

impl Choices {
    /// The module, as nixfmt leaves it; `None` where nothing was taken.
    #[must_use]
    pub fn nix(&self, open: &Open) -> Option<String> {
        let text = Text {
            choices: self,
            open,
            strength: "lib.mkDefault ",
        };
        let blocks = [
            text.line("timezone", "time.timeZone"),
            text.language(),
            text.keyboard(),
            text.line("hostname", "networking.hostName"),
            text.account(),
            text.autologin(),
            text.unfree(),
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

    /// The same as plain settings of a configuration.nix, with an example in a comment for what was not answered and is open.
    #[must_use]
    pub fn settings(&self, open: &Open) -> String {
        let text = Text {
            choices: self,
            open,
            strength: "",
        };
        let blocks = [
            (
                "hostname",
                "The name of this machine",
                text.line("hostname", "networking.hostName"),
            ),
            ("timezone", "The time zone", text.line("timezone", "time.timeZone")),
            ("locale", "The language, and the formats of a region", text.language()),
            (
                "layout",
                "The keyboard on the console, and in graphical sessions",
                text.keyboard(),
            ),
            ("user", "The users", text.account()),
            ("autologin", "Who is logged in without a password", text.autologin()),
            ("unfree", "Packages that are not free software", text.unfree()),
        ];
        let blocks = blocks.into_iter().filter_map(|(key, title, block)| {
            let block = match block.as_str() {
                "" if open.decided.contains_key(key) => return None,
                "" => EXAMPLES.iter().find(|(known, _)| *known == key)?.1,
                block => block,
            };
            Some(format!("  # {title}.\n{block}"))
        });
        blocks.collect::<Vec<String>>().join("\n")
    }
}

/// What is written for an answer that was not given.
const EXAMPLES: [(&str, &str); 6] = [
    ("hostname", "  # networking.hostName = \"nixos\";\n"),
    ("timezone", "  # time.timeZone = \"Europe/Berlin\";\n"),
    ("locale", "  # i18n.defaultLocale = \"en_US.UTF-8\";\n"),
    (
        "layout",
        "  # console.keyMap = \"us\";\n  # services.xserver.xkb.layout = \"us\";\n",
    ),
    (
        "user",
        "  # users.users.alice = {\n  #   isNormalUser = true;\n  #   extraGroups = [ \"wheel\" ]; # May use sudo.\n  # };\n",
    ),
    ("unfree", "  # nixpkgs.config.allowUnfree = true;\n"),
];

/// How answers are written.
struct Text<'a> {
    choices: &'a Choices,
    open: &'a Open,
    /// What stands before a value.
    strength: &'static str,
}

impl Text<'_> {
    /// The definition of `option` by the answer `key`; empty where that was not taken.
    fn line(&self, key: &str, option: &str) -> String {
        self.choices
            .taken
            .get(key)
            .map_or_else(String::new, |value| self.set("  ", option, &string(value)))
    }

    fn language(&self) -> String {
        let parts = self.choices.taken.keys().filter(|key| key.starts_with("LC_"));
        let parts: String = parts.map(|key| ["  ", &self.line(key, key)].concat()).collect();
        let mut text = self.line("locale", "i18n.defaultLocale");
        if !parts.is_empty() {
            text.extend(["  i18n.extraLocaleSettings = {\n", &parts, "  };\n"]);
        }
        if !self.choices.supported.is_empty() {
            text.push_str(SUPPORTED);
            text.push_str(&self.set("  ", "i18n.supportedLocales", &list("  ", &self.choices.supported)));
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

    fn account(&self) -> String {
        let Some(user) = &self.choices.user else {
            return String::new();
        };
        let name = attribute(user);
        if !self.choices.taken.contains_key("user") {
            return self.line("fullname", &format!("users.users.{name}.description"));
        }
        let mut groups = vec!["wheel".to_owned()];
        if self.open.networkmanager {
            groups.insert(0, "networkmanager".to_owned());
        }
        let description = self.line("fullname", "description");
        let indent = if description.is_empty() { "" } else { "  " };
        format!(
            "  # The password is not in the configuration: passwd changes it.\n  users.users.{name} = {{\n{}{indent}{description}    \
             extraGroups = {};\n  }};\n",
            self.set("    ", "isNormalUser", "true"),
            list("    ", &groups),
        )
    }

    fn autologin(&self) -> String {
        let (Some(user), true) = (&self.choices.user, self.choices.taken.contains_key("autologin")) else {
            return String::new();
        };
        if !self.open.display_manager {
            return self.set("  ", "services.getty.autologinUser", &string(user));
        }
        format!(
            "  services.displayManager.autoLogin = {{\n{}{}  }};\n{}",
            self.set("    ", "enable", "true"),
            self.set("    ", "user", &string(user)),
            self.gdm(),
        )
    }

    /// As upstream's installer does it (calamares-nixos-extensions 0.3.23).
    fn gdm(&self) -> String {
        if !self.open.gdm {
            return String::new();
        }
        let disabled = |unit: &str| self.set("  ", &format!("systemd.services.\"{unit}\".enable"), "false");
        [GDM, &disabled("getty@tty1"), &disabled("autovt@tty1")].concat()
    }

    fn unfree(&self) -> String {
        let text = self.choices.taken.get("unfree").map_or("", |_| UNFREE);
        text.to_owned()
    }

    fn set(&self, indent: &str, option: &str, value: &str) -> String {
        format!("{indent}{option} = {}{value};\n", self.strength)
    }
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

const GDM: &str = "  # Otherwise the login prompt of the console ends the session that GDM starts.\n";

/// Definitions of it are merged without priorities (misc/nixpkgs.nix, 24.05 and 26.11).
const UNFREE: &str = "  nixpkgs.config.allowUnfree = true;\n";
