//! A machine's key cannot be added to those that secrets are encrypted for.

use std::path::PathBuf;

use super::{Text, error};

#[cfg_attr(test, derive(Debug, PartialEq, Eq))]
pub enum EnrolProblem {
    /// No keys were named, and no stick with the label NIXCFG is mounted.
    NoStick,
    /// There are none in this directory.
    NoKeys { dir: PathBuf },
    /// A file cannot be read: `error` is why.
    Unreadable { error: String },
    /// A file has no public key.
    NoKey,
    /// Two files have keys of the same machine.
    Twice { machine: String },
    /// Neither sops nor agenix has its file in the configuration.
    NoFile { dir: PathBuf },
    /// There are several of `name`.
    SeveralFiles { name: &'static str, files: Vec<PathBuf> },
    /// `error`: what the parser says.
    Invalid { error: String },
    /// sops reads such a rule; this program does not.
    Regex { regex: String, error: String },
    /// sops needs an ed25519 key.
    NotEd25519 { machine: String },
    /// Nothing says which secrets the machine is to open. `alike`: names that begin with the host's, with the different rules that they
    /// are in (`NAME in RULE`).
    Which { machine: String, host: String, places: Vec<String>, alike: Vec<String> },
    /// A secret that was named is none of the file.
    NoSuchSecret { secret: String, places: Vec<String> },
    /// `why`, and what to write by hand: each with where it belongs.
    ByHand { machine: String, why: &'static str, lines: Vec<(String, String)> },
}

impl EnrolProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::NoStick => error("enrol-no-stick", "No stick with the label NIXCFG is mounted")
                .remedy("Mount it, or name the directory or the files: nix-cfg-iso enrol DIR host-keys-SERIAL.pub"),
            Self::NoKeys { dir } => error("enrol-no-keys", format!("{} has no host-keys-SERIAL.pub", dir.display()))
                .because("An installation without questions leaves one there if the configuration has secrets for a host key that it made.")
                .remedy("Name the file with the machine's public key: /etc/ssh/ssh_host_ed25519_key.pub there, copied to HOST.pub."),
            Self::Unreadable { error: why } => error("enrol-unreadable", "The file cannot be read").because(why).remedy("Correct it, or leave it out."),
            Self::NoKey => error("enrol-no-key", "The file has no public key")
                .remedy("Name one that begins with `ssh-ed25519 AAAA`, as OpenSSH writes it."),
            Self::Twice { machine } => error("enrol-twice", format!("Two files have keys of the same machine: {machine}"))
                .remedy("Name one of them."),
            Self::NoFile { dir } => error("enrol-no-file", format!("{} has neither .sops.yaml nor a secrets.nix of agenix", dir.display()))
                .because("They say which keys secrets are encrypted for; agenix's has `publicKeys`.")
                .remedy("Name the directory of the configuration, or of its secrets."),
            Self::SeveralFiles { name, files } => {
                let files: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
                error("enrol-several-files", format!("There are several {name}: {}", files.join(", ")))
                    .remedy("Name the directory of the one that is meant.")
            }
            Self::Invalid { error: why } => error("enrol-invalid", "The file is not valid YAML").because(why).remedy("Correct it."),
            Self::Regex { regex, error: why } => error("enrol-regex", format!("The path_regex {regex} cannot be read")).because(why)
                .remedy("Write it in another way, or leave --for out."),
            Self::NotEd25519 { machine } => error("enrol-not-ed25519", format!("{machine} has no ed25519 key"))
                .because("sops encrypts for a host key only in its age form, which others do not have.")
                .remedy("Let the machine have one (services.openssh.hostKeys), or encrypt for its RSA key with ssh-to-pgp."),
            Self::Which { places, .. } if places.is_empty() => error("enrol-which", "The file says of no secret whom it is encrypted for")
                .remedy("Add a creation rule to .sops.yaml, or the secrets to secrets.nix, and run the command again."),
            Self::Which { machine, host, places, alike } => error("enrol-which", format!("Nothing says which secrets {machine} is to open"))
                .because(if alike.is_empty() {
                    format!("No other machine is installed as {host}, and no rule has this name. There are: {}.", places.join(", "))
                } else {
                    format!("The names that begin with {host}_ are in different rules: {}.", alike.join("; "))
                })
                .remedy("Name one secret for each rule that is for it: --for FILE…"),
            Self::NoSuchSecret { secret, places } => error("enrol-no-secret", format!("{secret} is no secret here"))
                .because(format!("There are: {}.", places.join(", ")))
                .remedy("Correct --for."),
            Self::ByHand { machine, why, lines } => {
                let lines: Vec<String> = lines.iter().map(|(place, line)| format!("\n{place}\n    {line}")).collect();
                error("enrol-by-hand", format!("The key of {machine} cannot be added without a risk to what is there"))
                    .because(*why)
                    .remedy(format!("Add by hand:{}", lines.concat()))
            }
        }
    }
}
