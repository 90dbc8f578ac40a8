//! The files that a system needs and does not bring, as [`secret_facts.nix`](super::facts::EXPRESSION) reads them.

#![allow(clippy::struct_excessive_bools)] // Each is an option of NixOS.

use serde::Deserialize;

use crate::diagnostic::BootFileKind;

/// The files with which a system opens its secrets, boots and signs its boot loader. All paths are those of the installed
/// system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Secrets {
    /// The modules that open encrypted secrets, and have some to open.
    pub openers: Vec<Opener>,
    /// `hashedPasswordFile` of root and of the normal users.
    pub password_files: Vec<NamedFile>,
    /// What is read when the boot loader is installed: `boot.initrd.secrets`, and GRUB's passwords.
    pub boot_files: Vec<BootFile>,
    /// The boot loaders that are signed for Secure Boot.
    pub signers: Vec<Signer>,
    /// What is kept at another path: bind mounts, and the files and directories of impermanence and preservation.
    pub moved: Vec<Moved>,
    /// The mount points of the file systems that the initrd does not mount; without bind mounts.
    pub late: Vec<String>,
}

/// A file that an option names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct NamedFile {
    pub path: String,
    /// Whether the system brings it, or may: it is in the closure, in `environment.etc`, in a script of the configuration,
    /// or in a directory that is filled while the system runs.
    pub provided: bool,
}

/// sops-nix or agenix.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Opener {
    pub name: String,
    /// Whether it is a service that runs when all file systems are mounted, and not a script of the activation.
    pub waits: bool,
    pub keys: Vec<Key>,
    pub secrets: Vec<Secret>,
}

/// A key that secrets may be encrypted for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Key {
    /// The option that names it.
    pub option: String,
    #[serde(flatten)]
    pub file: NamedFile,
    /// Whether the system makes it when it first starts: no secret is encrypted for it then.
    pub generated: bool,
    /// Whether no secret is opened without it.
    pub required: bool,
}

/// A secret that is opened into a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Secret {
    pub name: String,
    pub path: String,
    /// Whether it is opened before users are created.
    pub early: bool,
}

/// A file that is copied into the initrd or into GRUB's configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct BootFile {
    /// The option that names it.
    pub option: String,
    #[serde(flatten)]
    pub file: NamedFile,
    pub kind: BootFileKind,
}

/// A boot loader that is signed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Signer {
    pub loader: String,
    /// The directory of its keys.
    pub bundle: String,
    /// The certificate of the key that signs, in PEM.
    pub certificate: String,
    /// The files without which it is not installed.
    pub files: Vec<NamedFile>,
    /// The option that has the keys generated; empty where there is none.
    pub generates: String,
    /// Whether it is installed without a signature while there are no keys.
    pub unsigned: bool,
    /// Whether it makes absent keys while it is installed, and signs with them.
    pub signs_new: bool,
    /// Whether the system adds the keys to the firmware's.
    pub enrolls: bool,
}

/// A file or directory, and where it is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Moved {
    pub at: String,
    pub from: String,
}

impl Secrets {
    /// Where the file `path` is kept, by the longest of the moved paths that it is below.
    pub fn kept(&self, path: &str) -> String {
        let below = |moved: &Moved| {
            let rest = path.strip_prefix(&moved.at)?;
            let is_path = moved.from.starts_with('/') && (rest.is_empty() || rest.starts_with('/'));
            is_path.then(|| (moved.at.len(), format!("{}{rest}", moved.from)))
        };
        let longest = self.moved.iter().filter_map(below).max();
        longest.map_or_else(|| path.to_owned(), |(_, kept)| kept)
    }

    /// All paths at which a file may be that an option names.
    pub fn paths(&self) -> Vec<String> {
        let keys = self.openers.iter().flat_map(|opener| &opener.keys);
        let files = keys
            .map(|key| &key.file)
            .chain(&self.password_files)
            .chain(self.boot_files.iter().map(|file| &file.file))
            .chain(self.signers.iter().flat_map(|signer| &signer.files));
        files
            .flat_map(|file| [file.path.clone(), self.kept(&file.path)])
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_kept_where_the_nearest_directory_above_it_is() {
        let moved = |at: &str, from: &str| Moved {
            at: at.into(),
            from: from.into(),
        };
        let secrets = Secrets {
            moved: vec![
                moved("/etc", "/persist/etc"),
                moved("/etc/ssh", "/keys/ssh"),
                moved("/var/x", "LABEL=x"),
            ],
            ..Secrets::default()
        };
        assert_eq!(secrets.kept("/etc/ssh/key"), "/keys/ssh/key");
        assert_eq!(secrets.kept("/etc/key"), "/persist/etc/key");
        assert_eq!(secrets.kept("/etcetera"), "/etcetera");
        assert_eq!(secrets.kept("/var/x/key"), "/var/x/key");
    }

    #[test]
    fn the_fact_is_read_as_nix_writes_it() {
        let json = r#"{"openers":[{"name":"agenix","waits":false,"keys":[{"option":"age.identityPaths","path":"/k","provided":false,
            "generated":true,"required":false}],"secrets":[{"name":"pw","path":"/run/agenix/pw","early":true}]}],
            "boot_files":[{"option":"o","path":"/b","provided":false,"kind":"ssh_host_key"}]}"#;
        let secrets: Secrets = serde_json::from_str(json).unwrap();
        assert_eq!(secrets.openers[0].keys[0].file.path, "/k");
        assert_eq!(secrets.boot_files[0].kind, BootFileKind::SshHostKey);
        assert_eq!(secrets.paths(), ["/k", "/k", "/b", "/b"]);
    }
}
