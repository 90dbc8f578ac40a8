//! A key or another file that the installed system needs is not there, and only a person can bring it.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Severity, Text, warning};
use crate::text::shell_word;

/// How a file that the configuration does not have gets to where the installed system looks for it.
#[cfg_attr(test, derive(Debug, PartialEq, Eq))]
#[derive(Clone)]
pub enum Delivery {
    /// A person copies it below the target, which is mounted there.
    Target(PathBuf),
    /// The same, when the target is mounted there: it is not yet.
    Later(PathBuf),
    /// The graphical installer is about to make the target, and brings no files.
    Graphical,
    /// The installer is about to make the target, and goes on at once.
    Answered,
    /// The ISO is still to be made.
    Iso,
}

impl Delivery {
    /// Whether a file that was not found will not be there.
    pub fn is_certain(&self) -> bool {
        matches!(self, Self::Target(_) | Self::Graphical | Self::Answered)
    }

    /// Where the absolute path of the installed system is while it is installed.
    pub(super) fn place(&self, path: &str) -> String {
        if let Some(inside) = path.strip_prefix("/etc/nixos/") {
            return format!("{inside} in the configuration, which becomes /etc/nixos");
        }
        match self {
            Self::Target(root) | Self::Later(root) => root.join(path.trim_start_matches('/')).display().to_string(),
            Self::Graphical | Self::Answered | Self::Iso => format!("/mnt/{}", path.trim_start_matches('/')),
        }
    }

    /// What to do before the installation; `action` is a part of a sentence. `severity`: the problem's.
    pub(super) fn remedy(&self, action: &str, severity: Severity) -> String {
        const OR_BRING: &str = "Or bring it with --extra-files DIR (docs/extra-files.md).";
        match self {
            Self::Target(_) => {
                let (first, rest) = action.split_at(1);
                let end = match severity {
                    Severity::Error => ", and run the command again.",
                    Severity::Warning => " before the installation.",
                };
                format!("{}{rest}{end} {OR_BRING}", first.to_uppercase())
            }
            Self::Later(root) => format!(
                "Mount the new file systems at {}, {action}, and run the command again. {OR_BRING}",
                root.display()
            ),
            Self::Graphical => format!(
                "Bring it on the ISO: nix-cfg-iso customize ISO OUT.iso --extra-files DIR (docs/extra-files.md). Or install in a terminal: mount the new file systems at /mnt, {action}, and run nix-cfg-install."
            ),
            Self::Answered => OR_BRING.trim_start_matches("Or b").replacen("ring it", "Bring it", 1),
            Self::Iso => format!(
                "To install, mount the new file systems at /mnt in a terminal, {action}, and run nix-cfg-install. {OR_BRING}"
            ),
        }
    }

    pub(super) fn severity(&self) -> Severity {
        if self.is_certain() { Severity::Error } else { Severity::Warning }
    }

    fn lacks(&self) -> &'static str {
        if self.is_certain() { "is not on the target" } else { "is not part of the configuration" }
    }
}

/// Why a key opens nothing.
#[cfg_attr(test, derive(Debug))]
#[derive(PartialEq, Eq)]
pub enum KeyFault {
    Missing,
    /// The new system makes it, and no secret is encrypted for it.
    Generated,
    /// The name is relative or empty, and there is no such file in /.
    NotAbsolute,
    /// The file system at this mount point is mounted after the secrets are opened.
    Late(String),
    /// The file system at this mount point is in memory.
    Volatile(String),
}

/// A key that opens nothing.
#[cfg_attr(test, derive(Debug, PartialEq, Eq))]
pub struct LackingKey {
    pub option: String,
    pub path: String,
    /// Where it is kept: another path than `path` where that is mounted from elsewhere.
    pub kept: String,
    pub faults: Vec<KeyFault>,
}

/// What a file is that is read when the boot loader is installed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BootFileKind {
    /// A host key of the initrd's SSH server.
    SshHostKey,
    /// The key of an encrypted volume.
    LuksKey,
    /// GRUB's hash of a password.
    GrubHash,
    #[default]
    Other,
}

/// A user whose password is a secret.
#[cfg_attr(test, derive(Debug, PartialEq, Eq))]
pub struct LockedUser {
    pub user: String,
    pub secret: String,
    pub path: String,
}

/// A module that opens secrets (sops-nix, agenix) has no key for them.
#[cfg_attr(test, derive(Debug, PartialEq, Eq))]
pub struct ClosedSecrets {
    pub opener: String,
    pub keys: Vec<LackingKey>,
    /// The users whose password is one of the secrets.
    pub locked: Vec<LockedUser>,
    /// Whether nobody can log in without the secrets.
    pub nobody: bool,
    /// Whether a password can be set later.
    pub mutable: bool,
    /// The options whose files are secrets, and are read when the boot loader is installed.
    pub boot: Vec<String>,
    pub delivery: Delivery,
}

/// A file that is needed, and that the configuration does not bring.
#[cfg_attr(test, derive(Debug, PartialEq, Eq))]
pub enum KeyProblem {
    Closed(ClosedSecrets),
    /// The password of a user is a secret that is opened after the users are created. `nobody`: nobody can ever log in.
    TooLate { locked: LockedUser, opener: String, nobody: bool },
    /// `hashedPasswordFile` of `user` names a file that nothing makes.
    PasswordFile { user: String, path: String, kept: String, delivery: Delivery },
    /// A file that `option` names is read when the boot loader is installed. `optional`: the loader is installed without it.
    BootFile { option: String, path: String, kept: String, kind: BootFileKind, optional: bool, delivery: Delivery },
}

impl KeyProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::Closed(secrets) => secrets.text(),
            Self::TooLate { locked, opener, nobody } => {
                let LockedUser { user, secret, path } = locked;
                let what = format!("The password of `{user}` is a secret that {opener} opens after the users are created: {secret}");
                let (severity, end) = if *nobody { (Severity::Error, ": nobody could log in.") } else { (Severity::Warning, ".") };
                Text { severity, ..warning("secret-too-late", what) }
                    .because(format!("NixOS reads the password when it creates the users. {path} does not exist then{end}"))
                    .remedy(format!("Set `sops.secrets.\"{secret}\".neededForUsers = true;`."))
            }
            Self::PasswordFile { user, path, kept, delivery } => warning(
                "password-file-missing",
                format!("The installed system will not have the password file of the user `{user}`: {path}"),
            )
            .because(if delivery.is_certain() {
                "Nothing in the configuration makes it, and it is not on the target."
            } else {
                "Nothing in the configuration makes it."
            })
            .remedy(delivery.remedy(&format!("copy it to {}", delivery.place(kept)), Severity::Warning)),
            Self::BootFile { option, path, kept, kind, optional, delivery } => {
                let severity = if *optional { Severity::Warning } else { delivery.severity() };
                let absence = delivery.lacks();
                let (what, why) = if *optional {
                    (format!("The initrd will lack {path}, which {absence}"), "the system would start without it.")
                } else {
                    (
                        format!("The boot loader cannot be installed without {path}, which {absence}"),
                        "it is read after everything was copied.",
                    )
                };
                Text { severity, ..warning("boot-file-missing", what) }
                    .because(format!("`{option}` names the file; {why}"))
                    .remedy(delivery.remedy(&kind.action(&delivery.place(kept)), severity))
            }
        }
    }
}

impl BootFileKind {
    /// How to make such a file at `place`, as a part of a sentence.
    fn action(self, place: &str) -> String {
        let directory = Path::new(place).parent().unwrap_or(Path::new("/"));
        let (directory, file) = (shell_word(directory.as_os_str()), shell_word(place.as_ref()));
        match self {
            _ if !place.starts_with('/') => format!("copy it to {place}"),
            Self::SshHostKey => {
                let kind = if place.contains("rsa") { "rsa" } else { "ed25519" };
                format!("make it (mkdir -p {directory}; ssh-keygen -t {kind} -N '' -f {file}) or copy the old machine's")
            }
            Self::LuksKey => format!(
                "copy it to {place}, or make it (mkdir -p {directory}; dd if=/dev/urandom of={file} bs=64 count=1; chmod 600 {file}) \
                 and add it to the encrypted volume (cryptsetup luksAddKey PARTITION {file})"
            ),
            Self::GrubHash => format!("write the hash that grub-mkpasswd-pbkdf2 prints to {place}"),
            Self::Other => format!("copy it to {place}"),
        }
    }
}

impl LackingKey {
    /// One sentence for each fault.
    fn why<'a>(&'a self, delivery: &'a Delivery) -> impl Iterator<Item = String> + 'a {
        let Self { option, path, .. } = self;
        self.faults.iter().map(move |fault| {
            let fault = match fault {
                KeyFault::Missing => delivery.lacks().to_owned(),
                KeyFault::Generated => "is generated by the new system, and no secret is encrypted for it".to_owned(),
                KeyFault::NotAbsolute => "is not an absolute path".to_owned(),
                KeyFault::Late(at) => format!("is on the file system of {at}, which is mounted after the secrets are opened"),
                KeyFault::Volatile(at) => format!("is in memory: the file system of {at} is empty after a restart"),
            };
            format!("{} (`{option}`) {fault}.", shown(path))
        })
    }
}

/// A path, in quotation marks where it would not be recognized as one.
fn shown(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("\"{path}\"") }
}

impl ClosedSecrets {
    fn text(&self) -> Text {
        let opener = &self.opener;
        let paths: Vec<String> = self.keys.iter().map(|key| shown(&key.path)).collect();
        let paths = paths.join(", ");
        let what = if matches!(self.delivery, Delivery::Iso) {
            format!("{opener} needs a key on the machine before the system is installed: {paths}")
        } else {
            format!("{opener} has no key that opens the secrets of the installed system: {paths}")
        };
        let is_grave = self.nobody && !self.mutable || !self.boot.is_empty();
        let severity = if is_grave { self.delivery.severity() } else { Severity::Warning };
        Text { severity, ..warning("secrets-without-key", what) }
            .because(self.why())
            .remedy(self.remedy(severity))
    }

    /// Why the keys open nothing, and what follows.
    fn why(&self) -> String {
        let mut sentences: Vec<String> = self.keys.iter().flat_map(|key| key.why(&self.delivery)).collect();
        for LockedUser { user, secret, path } in &self.locked {
            let password = format!("the password of `{user}` is the secret `{secret}` ({path})");
            sentences.push(match (self.mutable, self.nobody) {
                (true, _) => format!("The user `{user}` would be created without a password: {password}. With `users.mutableUsers = true`, no later start sets it."),
                (false, true) => format!("Nobody could log in: {password}, and with `users.mutableUsers = false` no other can be set."),
                (false, false) => format!("The user `{user}` could not log in with a password: {password}."),
            });
        }
        let of_boot = |option: &String| format!("The boot loader could not be installed: `{option}` names one of the secrets.");
        sentences.extend(self.boot.iter().map(of_boot));
        if self.locked.is_empty() && self.boot.is_empty() {
            sentences.push("What uses the secrets would fail.".to_owned());
        }
        sentences.join(" ")
    }

    fn remedy(&self, severity: Severity) -> String {
        let is_absent = |fault: &KeyFault| matches!(fault, KeyFault::Missing | KeyFault::Generated);
        let absent = self.keys.iter().filter(|key| key.faults.iter().any(is_absent));
        let places: Vec<String> = absent.map(|key| self.delivery.place(&key.kept)).collect();
        let mut sentences = Vec::new();
        if !places.is_empty() {
            let places = places.join(" or ");
            let action = format!("copy the key that the secrets are encrypted for to {places} (mode 0600)");
            sentences.push(self.delivery.remedy(&action, severity));
        }
        let faults = || self.keys.iter().flat_map(|key| &key.faults);
        if faults().any(|fault| *fault == KeyFault::Generated) {
            sentences.push("Or start the system, encrypt the secrets for its new key as well (`sops updatekeys`, `agenix --rekey`), and rebuild.".to_owned());
        }
        sentences.extend(faults().filter_map(|fault| match fault {
            KeyFault::Late(at) => Some(format!("Set `fileSystems.\"{at}\".neededForBoot = true;`, or keep the key on another file system.")),
            KeyFault::Volatile(at) => Some(format!("Keep the key on a disk, not below {at}, and name it by that path.")),
            KeyFault::Missing | KeyFault::Generated | KeyFault::NotAbsolute => None,
        }));
        let relative = self.keys.iter().find(|key| key.faults.contains(&KeyFault::NotAbsolute));
        sentences.extend(relative.map(|key| format!("Write whole paths in `{}`, beginning with /.", key.option)));
        if self.mutable && let Some(first) = self.locked.first() {
            sentences.push(format!("Or set a password after the installation and before the restart: nixos-enter --root TARGET -c 'passwd {}'.", first.user));
        }
        sentences.join(" ")
    }
}
