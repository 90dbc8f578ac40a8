//! The keys and other files that the installed system needs, that its configuration does not bring, and without which nobody
//! logs in, secrets stay closed, or the boot loader cannot be installed.

#[cfg(test)]
mod keys_tests;

use std::collections::BTreeSet;
use std::path::Path;

use crate::diagnostic::{ClosedSecrets, Delivery, Diagnostic, KeyFault, KeyProblem, LackingKey, LockedUser};
use crate::nix::facts::{Account, Boot, FileSystem, Users};
use crate::nix::secret_facts::{BootFile, Key, NamedFile, Opener, Secret, Secrets};
use crate::tree::source::ETC_NIXOS;

/// The files that a configuration names, and where they may be.
pub struct Files<'a> {
    pub secrets: &'a Secrets,
    /// The file systems of the configuration.
    pub systems: &'a [FileSystem],
    /// The configuration: it becomes /etc/nixos.
    pub tree: &'a Path,
    /// What is on the target already, by the paths of the installed system.
    pub present: &'a BTreeSet<String>,
    pub delivery: &'a Delivery,
}

/// What becomes of a password file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PasswordFile {
    /// It is there when users are created, or nobody knows.
    Kept,
    /// It is a secret, and the key is not there.
    Closed,
    /// It is a secret that is opened later.
    TooLate,
    /// Nothing makes it.
    Missing,
}

/// File systems that are empty after a restart.
const VOLATILE: [&str; 2] = ["tmpfs", "ramfs"];

impl Files<'_> {
    fn is_there(&self, path: &str) -> bool {
        match Path::new(path).strip_prefix(ETC_NIXOS) {
            _ if path.is_empty() => false,
            Ok(inside) => self.tree.join(inside).symlink_metadata().is_ok(),
            Err(_) => self.present.contains(path) || self.present.contains(&self.secrets.kept(path)),
        }
    }

    /// Whether `file` is neither there nor brought by the system.
    pub(super) fn is_lacking(&self, file: &NamedFile) -> bool {
        !file.provided && !self.is_there(&file.path)
    }

    /// Why `key` opens nothing for `opener`; `None` where it may.
    fn lacking(&self, opener: &Opener, key: &Key) -> Option<LackingKey> {
        if key.file.provided {
            return None;
        }
        let path = &key.file.path;
        let kept = self.secrets.kept(path);
        let mut faults = Vec::new();
        if self.is_lacking(&key.file) {
            faults.push(if !Path::new(path).is_absolute() {
                // Which directory it is in depends on where the activation is started.
                KeyFault::NotAbsolute
            } else if key.generated {
                KeyFault::Generated
            } else {
                KeyFault::Missing
            });
        }
        let above = self
            .systems
            .iter()
            .filter(|system| Path::new(&kept).starts_with(&system.at));
        if let Some(holder) = above.max_by_key(|system| system.at.len()) {
            let at = || holder.at.clone();
            if VOLATILE.contains(&holder.kind.as_str()) {
                faults.push(KeyFault::Volatile(at()));
            }
            if !opener.waits && self.secrets.late.contains(&holder.at) {
                faults.push(KeyFault::Late(at()));
            }
        }
        (!faults.is_empty()).then(|| LackingKey {
            option: key.option.clone(),
            path: path.clone(),
            kept,
            faults,
        })
    }

    /// The keys without which `opener` opens nothing; none where it may open its secrets.
    fn lacking_keys(&self, opener: &Opener) -> Vec<LackingKey> {
        let of = |keys: &mut dyn Iterator<Item = &Key>| -> Vec<LackingKey> {
            keys.filter_map(|key| self.lacking(opener, key)).collect()
        };
        let required = of(&mut opener.keys.iter().filter(|key| key.required));
        if !required.is_empty() {
            return required;
        }
        let all = of(&mut opener.keys.iter());
        if all.len() == opener.keys.len() {
            all
        } else {
            Vec::new()
        }
    }

    /// The secret that is opened into `path`, and what opens it.
    fn secret(&self, path: &str) -> Option<(&Opener, &Secret)> {
        let openers = self.secrets.openers.iter();
        let secrets = openers.flat_map(|opener| opener.secrets.iter().map(move |secret| (opener, secret)));
        secrets.into_iter().find(|(_, secret)| secret.path == path)
    }

    fn password_file(&self, path: &str) -> PasswordFile {
        if let Some((opener, secret)) = self.secret(path) {
            return if !secret.early {
                PasswordFile::TooLate
            } else if self.lacking_keys(opener).is_empty() {
                PasswordFile::Kept
            } else {
                PasswordFile::Closed
            };
        }
        let named = self.secrets.password_files.iter().find(|file| file.path == path);
        // What is wrong with one in the tree, the accounts' own check says.
        let is_missing = named.is_some_and(|file| self.is_lacking(file) && !Path::new(path).starts_with(ETC_NIXOS));
        if is_missing {
            PasswordFile::Missing
        } else {
            PasswordFile::Kept
        }
    }

    /// Whether the users of the password file `path` are certainly created without it.
    pub(super) fn loses(&self, path: &str) -> bool {
        match self.password_file(path) {
            PasswordFile::Kept => false,
            PasswordFile::TooLate => true,
            PasswordFile::Closed | PasswordFile::Missing => self.delivery.is_certain(),
        }
    }

    /// Whether a problem of [`problems`] says that the user of the password file `path` cannot log in.
    pub(super) fn explains(&self, path: &str) -> bool {
        matches!(self.password_file(path), PasswordFile::Closed | PasswordFile::TooLate)
    }

    /// The users whose password is a secret of `opener`, and comes to nothing for the reason `state`.
    fn locked(&self, opener: &Opener, state: PasswordFile, users: &[Account]) -> Vec<LockedUser> {
        let of = |account: &Account| {
            let (of, secret) = self.secret(&account.password_file)?;
            let is_locked = of.name == opener.name && self.password_file(&account.password_file) == state;
            (is_locked && !account.password).then(|| LockedUser {
                user: account.name.clone(),
                secret: secret.name.clone(),
                path: secret.path.clone(),
            })
        };
        users.iter().filter_map(of).collect()
    }
}

/// What is wrong with the files. `nobody`: nobody can log in without what is missing. `boot`: the boot loader, where one is
/// installed.
pub(super) fn problems(files: &Files<'_>, users: Option<&Users>, nobody: bool, boot: Option<&Boot>) -> Vec<Diagnostic> {
    let accounts = users.map(|users| users.accounts.as_slice()).unwrap_or_default();
    let mutable = users.is_some_and(|users| users.mutable);
    let mut problems = Vec::new();
    for opener in &files.secrets.openers {
        let keys = files.lacking_keys(opener);
        let locked = files.locked(opener, PasswordFile::Closed, accounts);
        if !keys.is_empty() {
            problems.push(KeyProblem::Closed(ClosedSecrets {
                opener: opener.name.clone(),
                keys,
                nobody: nobody && !locked.is_empty(),
                locked,
                mutable,
                boot: boot
                    .map(|boot| secrets_of_boot(files, opener, boot))
                    .unwrap_or_default(),
                delivery: files.delivery.clone(),
            }));
        }
        let late = files.locked(opener, PasswordFile::TooLate, accounts);
        problems.extend(late.into_iter().map(|locked| KeyProblem::TooLate {
            locked,
            opener: opener.name.clone(),
            nobody: nobody && !mutable,
        }));
    }
    problems.extend(accounts.iter().filter_map(|account| password_file(files, account)));
    problems.extend(boot.into_iter().flat_map(|boot| boot_files(files, boot)));
    problems.into_iter().map(Diagnostic::from).collect()
}

fn password_file(files: &Files<'_>, account: &Account) -> Option<KeyProblem> {
    let path = &account.password_file;
    (files.password_file(path) == PasswordFile::Missing).then(|| KeyProblem::PasswordFile {
        user: account.name.clone(),
        path: path.clone(),
        kept: files.secrets.kept(path),
        delivery: files.delivery.clone(),
    })
}

/// Limine is installed without secrets that cannot be read (limine-install.py of 26.11); systemd-boot, GRUB and lanzaboote are
/// not (systemd-boot-builder.py and install-grub.pl of 24.05 and 26.11, lzbt 1.1).
fn is_optional(boot: &Boot) -> bool {
    boot.loaders == ["limine"]
}

/// The options whose files are secrets of `opener`, and without which the boot loader is not installed.
fn secrets_of_boot(files: &Files<'_>, opener: &Opener, boot: &Boot) -> Vec<String> {
    let is_secret = |file: &&BootFile| opener.secrets.iter().any(|secret| secret.path == file.file.path);
    let read = files.secrets.boot_files.iter().filter(|_| !is_optional(boot));
    read.filter(is_secret).map(|file| file.option.clone()).collect()
}

fn boot_files(files: &Files<'_>, boot: &Boot) -> Vec<KeyProblem> {
    let read = files.secrets.boot_files.iter().filter(|_| !boot.container);
    let lacking = read.filter(|file| files.is_lacking(&file.file));
    let problem = |file: &BootFile| KeyProblem::BootFile {
        option: file.option.clone(),
        path: file.file.path.clone(),
        kept: files.secrets.kept(&file.file.path),
        kind: file.kind,
        optional: is_optional(boot),
        delivery: files.delivery.clone(),
    };
    lacking.map(problem).collect()
}
