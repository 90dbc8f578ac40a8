//! Who can log in: the accounts of the configuration, compared with the login name and the password that were entered.

use std::path::{Path, PathBuf};

use super::keys::Files;
use crate::diagnostic::{AccountProblem, Diagnostic};
use crate::live::decisions::Decisions;
use crate::nix::facts::{Account, Users};
use crate::tree::source::ETC_NIXOS;

/// The problems of the accounts; `tree` becomes the target's /etc/nixos. That nobody can log in is an error only where it
/// cannot be corrected after the installation.
pub(super) fn users(users: &Users, decisions: &Decisions, tree: &Path, files: Option<&Files<'_>>) -> Vec<Diagnostic> {
    let accounts = &users.accounts;
    let mut problems: Vec<AccountProblem> = accounts.iter().filter_map(|one| lost_file(one, tree)).collect();
    if let Some(login) = &decisions.login
        && !users.elsewhere
        && !accounts.iter().any(|account| account.name == *login)
    {
        let normal = accounts.iter().filter(|account| account.normal);
        problems.push(AccountProblem::LoginUnknown {
            login: login.clone(),
            users: normal.map(|account| account.name.clone()).collect(),
        });
    }
    if decisions.password_typed && !users.mutable {
        let is_own = |account: &&Account| decisions.login.as_ref() == Some(&account.name);
        let own = accounts.iter().find(is_own);
        problems.push(AccountProblem::PasswordImmutable {
            own: own.is_some_and(|account| has_password(account, tree, files)),
        });
    }
    if nobody(users, decisions, tree, files) {
        let explained = |account: &Account| files.is_some_and(|files| files.explains(&account.password_file));
        problems.extend(
            (!accounts.iter().any(explained)).then(|| AccountProblem::NobodyCanLogIn {
                key: accounts.iter().any(|account| account.key),
                mutable: users.mutable,
            }),
        );
    } else if is_closed(users) {
        let is_admin = |account: &Account| account.wheel || account.name == "root";
        let mut admins = accounts.iter().filter(|account| is_admin(account));
        let has_admin = admins.any(|account| can_log_in(account, users, decisions, tree, files));
        problems.extend((!has_admin).then_some(AccountProblem::NobodyIsRoot));
    }
    problems.into_iter().map(Diagnostic::from).collect()
}

/// Whether only the accounts of the configuration can log in, and only with a password or a key.
fn is_closed(users: &Users) -> bool {
    !users.elsewhere && !users.no_password_login
}

/// Whether nobody can log in.
pub(super) fn nobody(users: &Users, decisions: &Decisions, tree: &Path, files: Option<&Files<'_>>) -> bool {
    let can_log_in = |account: &Account| can_log_in(account, users, decisions, tree, files);
    is_closed(users) && !users.accounts.iter().any(can_log_in)
}

/// Whether somebody can log in as `account`: with a password that is kept, with a key where there is an SSH server, or
/// automatically.
fn can_log_in(account: &Account, users: &Users, decisions: &Decisions, tree: &Path, files: Option<&Files<'_>>) -> bool {
    let typed = decisions.password_typed && users.mutable && decisions.login.as_deref() == Some(&account.name);
    has_password(account, tree, files) || typed || users.sshd && account.key || users.autologin.contains(&account.name)
}

/// Whether the configuration sets a password for `account`, or names a file that may contain one by then.
fn has_password(account: &Account, tree: &Path, files: Option<&Files<'_>>) -> bool {
    let file = &account.password_file;
    let is_lost = || lost_file(account, tree).is_some() || files.is_some_and(|files| files.loses(file));
    account.password || !file.is_empty() && !is_lost()
}

/// The problem of a password file that will certainly not be on the installed system. NixOS then creates the user without a
/// password.
fn lost_file(account: &Account, tree: &Path) -> Option<AccountProblem> {
    let file = Path::new(&account.password_file);
    let user = account.name.clone();
    if let Ok(inside) = file.strip_prefix(ETC_NIXOS) {
        let exists = tree.join(inside).symlink_metadata().is_ok();
        return (!exists).then(|| AccountProblem::PasswordFileAbsent {
            user,
            file: file.to_owned(),
        });
    }
    let in_store = file.strip_prefix("/nix/store").ok()?;
    // The name of the store path has a hash, which says nothing to a person.
    let inside: PathBuf = in_store.components().skip(1).collect();
    // The flake itself, which is on the target where the system names a file of it.
    let is_own = in_store.components().count() > 1 && tree.join(&inside).is_file();
    (!account.password_file_kept && !is_own).then(|| AccountProblem::PasswordFileOutsideClosure {
        user,
        file: if in_store.components().count() > 1 {
            inside
        } else {
            file.to_owned()
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(name: &str, password: bool) -> Account {
        Account {
            name: name.into(),
            normal: name != "root",
            wheel: name != "root",
            password,
            ..Account::default()
        }
    }

    fn config(mutable: bool, password: bool) -> Users {
        Users {
            mutable,
            accounts: vec![account("alice", password), account("root", false)],
            ..Users::default()
        }
    }

    fn reported(config: &Users, login: &str, password_typed: bool) -> Vec<String> {
        let decisions = Decisions {
            login: Some(login.to_owned()),
            password_typed,
            ..Decisions::default()
        };
        let reported = |problem: Diagnostic| format!("{:?} {}", problem.severity, problem.code);
        users(config, &decisions, Path::new("/nonexistent"), None)
            .into_iter()
            .map(reported)
            .collect()
    }

    #[test]
    fn the_login_name_that_was_typed_has_to_be_a_user_of_the_configuration() {
        assert_eq!(reported(&config(true, true), "alice", true), [""; 0]);
        assert_eq!(reported(&config(true, true), "mallory", true), ["Error login-unknown"]);
        let elsewhere = Users {
            elsewhere: true,
            ..config(true, false)
        };
        assert_eq!(reported(&elsewhere, "mallory", false), [""; 0]);
    }

    #[test]
    fn a_password_that_was_typed_lets_its_user_in_where_passwords_can_be_set() {
        assert_eq!(reported(&config(true, false), "alice", true), [""; 0]);
        assert_eq!(
            reported(&config(true, false), "alice", false),
            ["Warning nobody-can-log-in"]
        );
        assert_eq!(
            reported(&config(false, false), "alice", true),
            ["Error password-immutable", "Error nobody-can-log-in"]
        );
        // It has a password of its own: another one than was typed.
        assert_eq!(
            reported(&config(false, true), "alice", true),
            ["Warning password-immutable"]
        );
    }

    #[test]
    fn a_password_file_that_will_not_be_there_lets_nobody_in() {
        let tree = tempfile::tempdir().unwrap();
        std::fs::write(tree.path().join("pw"), "x").unwrap();
        let reported = |file: &str, kept| {
            let mut config = config(false, false);
            config.accounts[0].password_file = file.to_owned();
            config.accounts[0].password_file_kept = kept;
            let problems = users(&config, &Decisions::default(), tree.path(), None);
            problems.iter().map(|problem| problem.code).collect::<Vec<_>>()
        };
        let lost = ["password-file-missing", "nobody-can-log-in"];
        assert_eq!(reported("/etc/nixos/pw", false), [""; 0]);
        assert_eq!(reported("/etc/nixos/other", false), lost);
        assert_eq!(reported("/run/secrets/pw", false), [""; 0]);
        assert_eq!(reported("/nix/store/x-source/other", false), lost);
        assert_eq!(reported("/nix/store/x-source/pw", false), [""; 0]);
        assert_eq!(reported("/nix/store/x-pw", true), [""; 0]);
    }
}
