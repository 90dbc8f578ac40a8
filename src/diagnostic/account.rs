//! Nobody, or not the person who installs, could log in to the installed system.

use std::path::PathBuf;

use super::{Text, error, warning};

/// What is wrong with the accounts of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountProblem {
    /// `hashedPasswordFile` of `user` is below /etc/nixos, and the configuration has no such file.
    PasswordFileAbsent { user: String, file: PathBuf },
    /// `hashedPasswordFile` of `user` is a store path outside the system's closure.
    PasswordFileOutsideClosure { user: String, file: PathBuf },
    /// The login name that was typed is not among the `users` of the configuration.
    LoginUnknown { login: String, users: Vec<String> },
    /// A password was typed, and `users.mutableUsers` is false. `own`: the configuration has a password for that user.
    PasswordImmutable { own: bool },
    /// `key`: a user has an SSH key, but there is no SSH server. `mutable`: a password can be set later.
    NobodyCanLogIn { key: bool, mutable: bool },
    NobodyIsRoot,
}

impl AccountProblem {
    pub(super) fn text(&self) -> Text {
        let password_file = |user: &str, file: &PathBuf| {
            warning(
                "password-file-missing",
                format!(
                    "The installed system will not have the password file of the user `{user}`: {}",
                    file.display()
                ),
            )
        };
        match self {
            Self::PasswordFileAbsent { user, file } => password_file(user, file)
                .because("The configuration becomes the new /etc/nixos, and it has no such file.")
                .remedy("Add the file to the configuration, or correct its path."),
            Self::PasswordFileOutsideClosure { user, file } => password_file(user, file)
                .because("It is a path in this machine's store that is not in the closure of the system.")
                .remedy("Use the path that the file has on the installed system, /etc/nixos/…, or use `hashedPassword` (mkpasswd makes one)."),
            Self::LoginUnknown { login, users } => error(
                "login-unknown",
                format!("The configuration has no user `{login}`, the login name that was entered"),
            )
            .because(format!(
                "The installed system has only the users of its configuration, so the password could not be set. {}",
                if users.is_empty() {
                    "It has no normal user.".to_owned()
                } else {
                    format!("Its users are: {}.", users.join(", "))
                }
            ))
            .remedy(format!(
                "Enter the name of one of its users, or add to the configuration: users.users.{login} = {{ isNormalUser = true; }};"
            )),
            Self::PasswordImmutable { own } => password_immutable(*own),
            Self::NobodyCanLogIn { key, mutable } => nobody_can_log_in(*key, *mutable),
            Self::NobodyIsRoot => warning("nobody-is-root", "Nobody could administer the installed system")
                .because("Root has no password, and no user who can log in is in the group `wheel`, which may use sudo.")
                .remedy("Add `extraGroups = [ \"wheel\" ];` to a user, or set a password for root."),
        }
    }
}

fn password_immutable(own: bool) -> Text {
    let code = "password-immutable";
    let what = "The password that was entered would not be kept";
    let why = "The configuration has `users.mutableUsers = false`: it sets the passwords itself.";
    if own {
        return warning(code, what)
            .because(format!("{why} It has one for this user, which stays valid."))
            .remedy("Log in with the password of the configuration.");
    }
    error(code, what).because(why).remedy(
        "Set `hashedPassword` for the user in the configuration (mkpasswd makes one), or `users.mutableUsers = true`.",
    )
}

fn nobody_can_log_in(key: bool, mutable: bool) -> Text {
    let code = "nobody-can-log-in";
    let what = "Nobody could log in to the installed system";
    let why = if key {
        "No user has a password. There is an SSH key, but the SSH server is not enabled."
    } else {
        "No user has a password or an SSH key."
    };
    if mutable {
        return warning(code, what)
            .because(why)
            .remedy("After the installation and before the restart, set one: nixos-enter --root TARGET -c 'passwd NAME'. Or set `initialHashedPassword` for a user in the configuration.");
    }
    error(code, what)
        .because(format!(
            "{why} With `users.mutableUsers = false` none can be set later."
        ))
        .remedy("Set `hashedPassword` for a user in the configuration; mkpasswd makes one.")
}
