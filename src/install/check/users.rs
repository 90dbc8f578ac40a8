//! Who can log in: the accounts of the configuration against the login name and the password that were typed.

use crate::install::choices::Choices;
use crate::nix::facts::{Account, Users};
use crate::report::Problem;

/// The problems of the accounts. That nobody can log in is an error only where nothing can be done afterwards.
#[must_use]
pub fn users(users: &Users, choices: &Choices) -> Vec<Problem> {
    let mut problems: Vec<Problem> = Vec::new();
    if let Some(login) = &choices.login {
        let known = users.accounts.iter().any(|account| account.name == *login);
        if !known && !users.elsewhere {
            problems.push(login_unknown(login, users));
        }
    }
    if choices.password_typed && !users.mutable {
        problems.push(password_lost(choices.login.as_deref(), users));
    }
    let way_in = |account: &Account| gets_in(account, users, choices);
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
fn gets_in(account: &Account, users: &Users, choices: &Choices) -> bool {
    let typed = choices.password_typed && users.mutable && choices.login.as_deref() == Some(&account.name);
    account.password
        || !account.password_file.is_empty()
        || typed
        || users.sshd && account.key
        || users.autologin.contains(&account.name)
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

fn login_unknown(login: &str, users: &Users) -> Problem {
    Problem::error(
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

fn password_lost(login: Option<&str>, users: &Users) -> Problem {
    let own = users
        .accounts
        .iter()
        .find(|account| Some(account.name.as_str()) == login);
    let what = "The password that was typed would not last";
    let why = "The configuration has `users.mutableUsers = false`: passwords come from the configuration alone.";
    // With a password of its own the user gets in all the same, with another one.
    if own.is_some_and(|account| account.password || !account.password_file.is_empty()) {
        return Problem::warning("password-immutable", what)
            .because(format!(
                "{why} It has one for this user already, and that one is valid."
            ))
            .remedy("Log in with the password of the configuration.");
    }
    Problem::error("password-immutable", what).because(why).remedy(
        "Set `hashedPassword` for the user in the configuration (mkpasswd makes one), or `users.mutableUsers = true`.",
    )
}

fn nobody(users: &Users) -> Problem {
    let what = "Nobody could log in to the installed system";
    let key = users.accounts.iter().any(|account| account.key);
    let why = if key {
        "No user has a password. There is an SSH key, but the SSH server is not enabled."
    } else {
        "No user has a password or an SSH key."
    };
    if users.mutable {
        return Problem::warning("nobody-can-log-in", what)
            .because(why)
            .remedy("After the installation and before the restart, set one: nixos-enter --root TARGET -c 'passwd NAME'. Or set `initialHashedPassword` for a user in the configuration.");
    }
    Problem::error("nobody-can-log-in", what)
        .because(format!(
            "{why} With `users.mutableUsers = false` none can be set later."
        ))
        .remedy("Set `hashedPassword` for a user in the configuration; mkpasswd makes one.")
}

fn nobody_is_root() -> Problem {
    Problem::warning("nobody-is-root", "Nobody could change the installed system")
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
        let choices = Choices {
            login: Some(login.to_owned()),
            password_typed,
            ..Choices::default()
        };
        let told = |problem: Problem| format!("{:?} {}", problem.severity, problem.code);
        users(config, &choices).into_iter().map(told).collect()
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
}
