//! From whose files a program that runs as root takes a configuration.

use std::fs;
use std::path::Path;

/// Whether a file's owner is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Root, the user who started this program, or another person.
    Trusted,
    /// An account that no person uses: a service that was broken into could have made the file.
    SystemAccount(String),
    /// A number that has no account here, as on a stick that was written on another machine.
    Unknown(u32),
}

/// The accounts of the live system.
pub struct Accounts {
    /// Number, name, and whether nobody can log in.
    accounts: Vec<(u32, String, bool)>,
    /// Who started this program through sudo or pkexec.
    invoking: Vec<u32>,
}

/// Below are the accounts of the system itself (`UID_MIN` of shadow's login.defs, and NixOS).
const FIRST_PERSON: u32 = 1000;
/// The user `nobody`.
const NOBODY: u32 = 65534;

impl Accounts {
    /// Reads `passwd` (as `/etc/passwd`; absent means that no account is known), and who started this program through
    /// sudo or pkexec from `environment`. No NSS: a static binary must not load libraries at run time.
    pub fn of_live_system(passwd: &Path, environment: impl Iterator<Item = (String, String)>) -> Self {
        let invoking = environment
            .filter(|(name, _)| ["PKEXEC_UID", "SUDO_UID"].contains(&name.as_str()))
            .filter_map(|(_, value)| value.parse().ok());
        Self::new(&fs::read_to_string(passwd).unwrap_or_default(), invoking.collect())
    }

    fn new(passwd: &str, invoking: Vec<u32>) -> Self {
        let account = |line: &str| {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, _, uid, .., shell] = fields.as_slice() else {
                return None;
            };
            // The build users of Nix have numbers above 30000 and no shell.
            let no_login = shell.ends_with("nologin") || shell.ends_with("/false");
            Some((uid.parse().ok()?, (*name).to_owned(), no_login))
        };
        Self {
            accounts: passwd.lines().filter_map(account).collect(),
            invoking,
        }
    }

    /// Whether the owner `uid` is trusted.
    pub fn judge(&self, uid: u32) -> Trust {
        if uid == 0 || self.invoking.contains(&uid) {
            return Trust::Trusted;
        }
        match self.accounts.iter().find(|(account, ..)| *account == uid) {
            None => Trust::Unknown(uid),
            Some((_, name, no_login)) if uid < FIRST_PERSON || uid == NOBODY || *no_login => {
                Trust::SystemAccount(name.clone())
            }
            Some(_) => Trust::Trusted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_and_root_are_trusted_and_services_are_not() {
        let owners = Accounts::new(
            "root:x:0:0::/root:/bin/sh\nsshd:x:77:77::/:/bin/sh\nnixos:x:1000:100::/home/nixos:/bin/sh\n\
             nixbld1:x:30001:30000::/var/empty:/run/current-system/sw/bin/nologin\nnobody:x:65534:65534::/:/bin/sh\n\
             broken line\n",
            vec![88],
        );
        for (uid, expected) in [
            (0, Trust::Trusted),
            (1000, Trust::Trusted),
            (88, Trust::Trusted),
            (77, Trust::SystemAccount("sshd".into())),
            (30001, Trust::SystemAccount("nixbld1".into())),
            (65534, Trust::SystemAccount("nobody".into())),
            (1001, Trust::Unknown(1001)),
        ] {
            assert_eq!(owners.judge(uid), expected, "uid {uid}");
        }
    }
}
