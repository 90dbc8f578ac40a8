//! Who can log in: the accounts of the configuration against the login name and the password that were typed.

use std::path::Path;

use crate::diagnostic::Diagnostic;
use crate::live::decisions::Decisions;
use crate::nix::facts::{Account, Users};
use crate::tree::source::ETC_NIXOS;

/// The problems of the accounts; `tree` is what becomes the target's /etc/nixos. That nobody can log in is an error only where
/// nothing can be done afterwards.
#[must_use]
pub fn users(users: &Users, decisions: &Decisions, tree: &Path) -> Vec<Diagnostic> {
    let mut problems: Vec<Diagnostic> = users
        .accounts
        .iter()
        .filter_map(|account| lost_file(account, tree))
        .collect();
    if let Some(login) = &decisions.login {
        let known = users.accounts.iter().any(|account| account.name == *login);
        if !known && !users.elsewhere {
            problems.push(login_unknown(login, users));
        }
    }
    if decisions.password_typed && !users.mutable {
        problems.push(password_lost(decisions.login.as_deref(), users, tree));
    }
    let way_in = |account: &Account| gets_in(account, users, decisions, tree);
    if users.elsewhere || users.no_password_login {
        return problems;
    }
    if !users.accounts.iter().any(way_in) {
        problems.push(nobody(users));
    } else if !users
        .accounts
        .iter()
        .any(|account| way_in(account) && (account.wheel || account.name == "root"))
    {
        problems.push(nobody_is_root());
    }
    problems
}

/// Whether somebody can become `account`: by a password that lasts, by a key where there is an SSH server, or without
/// being asked.
fn gets_in(account: &Account, users: &Users, decisions: &Decisions, tree: &Path) -> bool {
    let typed = decisions.password_typed && users.mutable && decisions.login.as_deref() == Some(&account.name);
    has_password(account, tree) || typed || users.sshd && account.key || users.autologin.contains(&account.name)
}

/// Whether the configuration brings a password for `account`, or names a file that may have one by then.
fn has_password(account: &Account, tree: &Path) -> bool {
    account.password || !account.password_file.is_empty() && lost_file(account, tree).is_none()
}

/// A password file that is known not to be on the installed system. NixOS then creates the user without a password.
fn lost_file(account: &Account, tree: &Path) -> Option<Diagnostic> {
    let file = Path::new(&account.password_file);
    let (why, remedy) = if let Ok(inside) = file.strip_prefix(ETC_NIXOS) {
        if tree.join(inside).symlink_metadata().is_ok() {
            return None;
        }
        (
            "The configuration becomes the new /etc/nixos, and it has no such file.".to_owned(),
            "Add the file to the configuration, or correct its path.".to_owned(),
        )
    } else if file.starts_with("/nix/store") && !account.password_file_kept {
        (
            "It is a path of this machine's store that the system does not bring with it: `toString ./file` in a flake \
             makes such a path."
                .to_owned(),
            format!(
                "Name the file's place on the installed system instead: {ETC_NIXOS}/…, or use `hashedPassword` (mkpasswd \
                 makes one)."
            ),
        )
    } else {
        return None;
    };
    // A store path's hash says nothing to a person, and is another for each change.
    let name = match file.strip_prefix("/nix/store") {
        Ok(inside) if inside.components().count() > 1 => inside.components().skip(1).collect(),
        _ => file.to_owned(),
    };
    Some(
        Diagnostic::warning(
            "password-file-missing",
            format!(
                "The installed system will not have the password file of the user `{}`: {}",
                account.name,
                name.display()
            ),
        )
        .because(why)
        .remedy(remedy),
    )
}

fn people(users: &Users) -> String {
    let names: Vec<&str> = users
        .accounts
        .iter()
        .filter(|account| account.normal)
        .map(|account| account.name.as_str())
        .collect();
    if names.is_empty() {
        "It has no normal user.".to_owned()
    } else {
        format!("Its users are: {}.", names.join(", "))
    }
}

fn login_unknown(login: &str, users: &Users) -> Diagnostic {
    Diagnostic::error(
        "login-unknown",
        format!("The configuration has no user `{login}`, the login name that was chosen"),
    )
    .because(format!(
        "The system has the users of its configuration only, and the password could not be set. {}",
        people(users)
    ))
    .remedy(format!(
        "Choose the name of one of its users, or add to the configuration: users.users.{login} = {{ isNormalUser = true; }};"
    ))
}

fn password_lost(login: Option<&str>, users: &Users, tree: &Path) -> Diagnostic {
    let own = users
        .accounts
        .iter()
        .find(|account| Some(account.name.as_str()) == login);
    let what = "The password that was typed would not last";
    let why = "The configuration has `users.mutableUsers = false`: passwords come from the configuration alone.";
    // With a password of its own the user gets in all the same, with another one.
    if own.is_some_and(|account| has_password(account, tree)) {
        return Diagnostic::warning("password-immutable", what)
            .because(format!(
                "{why} It has one for this user already, and that one is valid."
            ))
            .remedy("Log in with the password of the configuration.");
    }
    Diagnostic::error("password-immutable", what).because(why).remedy(
        "Set `hashedPassword` for the user in the configuration (mkpasswd makes one), or `users.mutableUsers = true`.",
    )
}

fn nobody(users: &Users) -> Diagnostic {
    let what = "Nobody could log in to the installed system";
    let key = users.accounts.iter().any(|account| account.key);
    let why = if key {
        "No user has a password. There is an SSH key, but the SSH server is not enabled."
    } else {
        "No user has a password or an SSH key."
    };
    if users.mutable {
        return Diagnostic::warning("nobody-can-log-in", what)
            .because(why)
            .remedy("After the installation and before the restart, set one: nixos-enter --root TARGET -c 'passwd NAME'. Or set `initialHashedPassword` for a user in the configuration.");
    }
    Diagnostic::error("nobody-can-log-in", what)
        .because(format!(
            "{why} With `users.mutableUsers = false` none can be set later."
        ))
        .remedy("Set `hashedPassword` for a user in the configuration; mkpasswd makes one.")
}

fn nobody_is_root() -> Diagnostic {
    Diagnostic::warning("nobody-is-root", "Nobody could change the installed system")
        .because("Root has no password, and no user who can log in is in the group `wheel`, which may use sudo.")
        .remedy("Add `extraGroups = [ \"wheel\" ];` to a user, or set a password for root.")
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

    fn told(config: &Users, login: &str, password_typed: bool) -> Vec<String> {
        let decisions = Decisions {
            login: Some(login.to_owned()),
            password_typed,
            ..Decisions::default()
        };
        let told = |problem: Diagnostic| format!("{:?} {}", problem.severity, problem.code);
        users(config, &decisions, Path::new("/nonexistent"))
            .into_iter()
            .map(told)
            .collect()
    }

    #[test]
    fn the_login_name_that_was_typed_has_to_be_a_user_of_the_configuration() {
        assert_eq!(told(&config(true, true), "alice", true), [""; 0]);
        assert_eq!(told(&config(true, true), "mallory", true), ["Error login-unknown"]);
        let elsewhere = Users {
            elsewhere: true,
            ..config(true, false)
        };
        assert_eq!(told(&elsewhere, "mallory", false), [""; 0]);
    }

    #[test]
    fn a_password_that_was_typed_lets_its_user_in_where_passwords_can_be_set() {
        assert_eq!(told(&config(true, false), "alice", true), [""; 0]);
        assert_eq!(
            told(&config(true, false), "alice", false),
            ["Warning nobody-can-log-in"]
        );
        assert_eq!(
            told(&config(false, false), "alice", true),
            ["Error password-immutable", "Error nobody-can-log-in"]
        );
        // It has a password of its own: another one than was typed.
        assert_eq!(
            told(&config(false, true), "alice", true),
            ["Warning password-immutable"]
        );
    }

    #[test]
    fn a_password_file_that_will_not_be_there_lets_nobody_in() {
        let tree = tempfile::tempdir().unwrap();
        std::fs::write(tree.path().join("pw"), "x").unwrap();
        let told = |file: &str, kept| {
            let mut config = config(false, false);
            config.accounts[0].password_file = file.to_owned();
            config.accounts[0].password_file_kept = kept;
            let problems = users(&config, &Decisions::default(), tree.path());
            problems.iter().map(|problem| problem.code).collect::<Vec<_>>()
        };
        let lost = ["password-file-missing", "nobody-can-log-in"];
        assert_eq!(told("/etc/nixos/pw", false), [""; 0]);
        assert_eq!(told("/etc/nixos/other", false), lost);
        assert_eq!(told("/run/secrets/pw", false), [""; 0]);
        assert_eq!(told("/nix/store/x-source/pw", false), lost);
        assert_eq!(told("/nix/store/x-pw", true), [""; 0]);
    }
}
