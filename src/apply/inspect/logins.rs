//! Whether somebody can log in to the system that was installed.

use std::path::Path;

use crate::diagnostic::{Diagnostic, ResultProblem};
use crate::live::decisions::Decisions;
use crate::nix::facts::{Account, Users};

/// Where the passwords are.
pub const SHADOW: &str = "/etc/shadow";

/// How somebody can log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Without being asked, when the machine starts.
    Automatic,
    Password,
    /// Only with a key, over SSH.
    Key,
}

/// The accounts of `users` that somebody can log in to, each with the easiest way, as `shadow` of the installed system has them.
/// An account that it does not have is made at the first start.
pub fn ways_in<'a>(users: &'a Users, shadow: &str, decisions: &Decisions) -> Vec<(&'a str, Way)> {
    let way = |account: &'a Account| {
        let typed = is_typed(account, users, decisions);
        let set = || account.password || !account.password_file.is_empty();
        if users.autologin.contains(&account.name) {
            Some(Way::Automatic)
        } else if typed || has_password(shadow, &account.name).unwrap_or_else(set) {
            Some(Way::Password)
        } else {
            (users.sshd && account.key).then_some(Way::Key)
        }
    };
    let accounts = users.accounts.iter();
    accounts
        .filter_map(|account| Some((account.name.as_str(), way(account)?)))
        .collect()
}

/// Whether the password of `account` was typed in the graphical installer, which sets it after this.
fn is_typed(account: &Account, users: &Users, decisions: &Decisions) -> bool {
    decisions.password_typed && users.mutable && decisions.login.as_deref() == Some(&account.name)
}

/// Whether the account `name` has a password in `shadow`, the text of /etc/shadow (shadow(5)). `None`: it has no line, as where
/// accounts are made at the first start.
fn has_password(shadow: &str, name: &str) -> Option<bool> {
    let line = |line: &'_ str| line.strip_prefix(name)?.strip_prefix(':').map(str::to_owned);
    let fields = shadow.lines().find_map(line)?;
    Some(!fields.starts_with(['!', '*']))
}

/// The problems of the accounts of `users`, as `shadow`, of the system mounted at `root`, has them.
pub(super) fn logins(users: &Users, (root, shadow): (&Path, &str), decisions: &Decisions) -> Vec<Diagnostic> {
    let is_locked = |account: &&Account| has_password(shadow, &account.name) == Some(false);
    let is_typed = |account: &Account| is_typed(account, users, decisions);
    let gets_in = |account: &Account| {
        !is_locked(&account)
            || is_typed(account)
            || users.sshd && account.key
            || users.autologin.contains(&account.name)
    };
    let is_intended = users.elsewhere || users.no_password_login;
    if !is_intended && !users.accounts.is_empty() && !users.accounts.iter().any(gets_in) {
        let person = users.accounts.iter().find(|account| account.normal);
        let files = users.accounts.iter().map(|account| account.password_file.clone());
        let problem = ResultProblem::NobodyCanLogIn {
            user: person.map_or("root", |account| &account.name).to_owned(),
            mutable: users.mutable,
            root: root.to_owned(),
            files: files.filter(|file| !file.is_empty()).collect(),
        };
        return vec![problem.into()];
    }
    let without = users.accounts.iter().filter(is_locked);
    let without = without.filter(|account| !account.password_file.is_empty() && !is_typed(account));
    let problem = |account: &Account| ResultProblem::PasswordFileUnread {
        user: account.name.clone(),
        file: account.password_file.clone(),
        mutable: users.mutable,
        root: root.to_owned(),
    };
    without.map(|account| problem(account).into()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(name: &str, password_file: &str) -> Account {
        Account {
            name: name.to_owned(),
            normal: name != "root",
            password_file: password_file.to_owned(),
            ..Account::default()
        }
    }

    fn codes(shadow: &str, change: impl FnOnce(&mut Users, &mut Decisions)) -> Vec<&'static str> {
        let mut users = Users {
            accounts: vec![account("alice", "/run/secrets/pw"), account("root", "")],
            ..Users::default()
        };
        let mut decisions = Decisions::default();
        change(&mut users, &mut decisions);
        let problems = logins(&users, (Path::new("/mnt"), shadow), &decisions);
        problems.into_iter().map(|problem| problem.code).collect()
    }

    #[test]
    fn a_secret_that_was_not_there_leaves_a_locked_account() {
        let locked = "root:!:1::::::\nalice:!:1::::::\n";
        assert_eq!(codes(locked, |_, _| {}), ["login-none"]);
        assert_eq!(
            codes("root:$6$a:1::::::\nalice:!:1::::::\n", |_, _| {}),
            ["password-file-unread"]
        );
        assert_eq!(codes("root:!:1::::::\nalice:$y$a:1::::::\n", |_, _| {}), [""; 0]);
        // An empty password is one.
        assert_eq!(codes("root:*:1::::::\nalice::1::::::\n", |_, _| {}), [""; 0]);
    }

    #[test]
    fn the_way_in_is_the_easiest_one() {
        let shadow = "root:!:1::::::\nalice:$6$a:1::::::\nbob:!:1::::::\ncarol:!:1::::::\n";
        let mut users = Users {
            sshd: true,
            mutable: true,
            autologin: vec!["carol".to_owned()],
            accounts: ["root", "alice", "bob", "carol", "dave", "erin"]
                .map(|name| account(name, ""))
                .into(),
            ..Users::default()
        };
        users.accounts[2].key = true;
        // Made at the first start.
        users.accounts[4].password = true;
        let ways = |users: &Users, decisions: &Decisions| -> Vec<(String, Way)> {
            let ways = ways_in(users, shadow, decisions).into_iter();
            ways.map(|(name, way)| (name.to_owned(), way)).collect()
        };
        let own = |name: &str, way| (name.to_owned(), way);
        let expected = [
            own("alice", Way::Password),
            own("bob", Way::Key),
            own("carol", Way::Automatic),
            own("dave", Way::Password),
        ];
        assert_eq!(ways(&users, &Decisions::default()), expected);
        users.sshd = false;
        let typed = Decisions {
            login: Some("bob".to_owned()),
            password_typed: true,
            ..Decisions::default()
        };
        assert_eq!(ways(&users, &typed)[1], own("bob", Way::Password));
    }

    #[test]
    fn who_gets_in_otherwise_or_is_not_there_yet_is_no_problem() {
        let locked = "root:!:1::::::\nalice:!:1::::::\n";
        // Accounts that are made at the first start.
        assert_eq!(codes("", |_, _| {}), [""; 0]);
        assert_eq!(codes("alicea:!:1::::::\nroot:!:1::::::\n", |_, _| {}), [""; 0]);
        let typed = |users: &mut Users, decisions: &mut Decisions| {
            users.mutable = true;
            decisions.password_typed = true;
            decisions.login = Some("alice".to_owned());
        };
        assert_eq!(codes(locked, typed), [""; 0]);
        let key = |users: &mut Users, _: &mut Decisions| {
            users.sshd = true;
            users.accounts[1].key = true;
        };
        assert_eq!(codes(locked, key), ["password-file-unread"]);
        assert_eq!(
            codes(locked, |users, _| users.elsewhere = true),
            ["password-file-unread"]
        );
    }
}
