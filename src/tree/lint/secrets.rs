//! Files that hold private keys: a flake's tree is in the store, and /etc/nixos is open to every user.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::diagnostic::{Diagnostic, LintProblem, PrivateKey};
use crate::tree::nix_files::files;
use crate::tree::source::ConfigKind;

/// How many bytes of a file are searched: a key is at its beginning.
const LOOKED_AT: u64 = 64 * 1024;

/// The shortest line of a key's body: documentation that shows a header has none.
const BODY: usize = 40;

/// A private key in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundKey {
    /// Relative to the tree.
    pub path: PathBuf,
    pub line: u32,
    pub key: PrivateKey,
    /// Whether anybody who reads the file can use it, and it is no example: not one with a passphrase, nor in a directory of tests.
    pub certain: bool,
}

impl FoundKey {
    /// A warning of it, in a configuration of this kind.
    pub fn warning(self, kind: ConfigKind) -> Diagnostic {
        let (key, in_flake) = (self.key, kind == ConfigKind::Flake);
        Diagnostic::from(LintProblem::PrivateKey { key, in_flake }).at(self.path, Some(self.line), None)
    }
}

/// Warns of private keys in the tree at `root`.
pub fn secrets(root: &Path, kind: ConfigKind) -> Vec<Diagnostic> {
    private_keys(root).map(|found| found.warning(kind)).collect()
}

/// The first private key of each file in the tree at `root`, by its contents. Encrypted files (age, sops, git-crypt) are none.
pub fn private_keys(root: &Path) -> impl Iterator<Item = FoundKey> + use<> {
    let root = root.to_owned();
    files(&root.clone()).filter_map(move |path| {
        let file = root.join(&path);
        // Opening a pipe would wait for its other end.
        if !file.symlink_metadata().ok()?.is_file() {
            return None;
        }
        let mut bytes = Vec::new();
        let mut start = File::open(file).ok()?.take(LOOKED_AT);
        start.read_to_end(&mut bytes).ok()?;
        let (key, line, is_open) = private_key(&bytes)?;
        let certain = is_open && !is_example(&path);
        Some(FoundKey {
            path,
            line,
            key,
            certain,
        })
    })
}

/// Names of directories with keys that everybody may have: those of a test are in nixpkgs' nixos/tests, for example.
const EXAMPLES: [&str; 7] = [
    "example", "examples", "fixtures", "test", "testdata", "testing", "tests",
];

fn is_example(path: &Path) -> bool {
    let name = path.to_string_lossy().to_lowercase();
    let is_known = |part: &str| EXAMPLES.contains(&part) || part.contains("snakeoil") || part.contains("snake-oil");
    name.split('/').any(is_known)
}

/// The kind of key, its line, and whether it has no passphrase: of several keys the first one that has none.
fn private_key(bytes: &[u8]) -> Option<(PrivateKey, u32, bool)> {
    // Nothing of it is anywhere in most files.
    let text = std::str::from_utf8(bytes)
        .unwrap_or_else(|error| std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default());
    let mut closed = None;
    let mut lines = text.lines().map(str::trim).zip(1..);
    while let Some((line, number)) = lines.next() {
        let following = lines.clone().take(6).map(|(line, _)| line);
        match key_at(line, following) {
            Some((key, true)) => return Some((key, number, true)),
            Some((key, false)) => closed = closed.or(Some((key, number, false))),
            None => {}
        }
    }
    closed
}

/// How the body of an SSH key without a passphrase begins: `openssh-key-v1` and the cipher `none` (OpenSSH's PROTOCOL.key).
const OPEN_SSH: &str = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmU";

/// The kind of key that begins at this line, and whether it is known to have no passphrase.
fn key_at<'a>(line: &str, mut following: impl Iterator<Item = &'a str>) -> Option<(PrivateKey, bool)> {
    if line.starts_with("-----BEGIN ")
        && (line.ends_with("PRIVATE KEY-----") || line.ends_with("PRIVATE KEY BLOCK-----"))
    {
        // RFC 1421, or in the header itself (RFC 5958); of PGP's the first bytes do not tell.
        let mut closed = line.contains(" ENCRYPTED ") || line.ends_with("BLOCK-----");
        let body = following.find(|line| {
            closed |= line.starts_with("Proc-Type:") && line.ends_with("ENCRYPTED");
            is_body(line)
        })?;
        return Some(if line.contains("OPENSSH") {
            (PrivateKey::Ssh, body.starts_with(OPEN_SSH))
        } else {
            (PrivateKey::Other, !closed)
        });
    }
    if line.starts_with("AGE-SECRET-KEY-1") && line.len() > BODY {
        return Some((PrivateKey::Age, true));
    }
    if line.starts_with("PuTTY-User-Key-File-") {
        return Some((PrivateKey::Putty, following.any(|line| line == "Encryption: none")));
    }
    let key = line.strip_prefix("PrivateKey = ")?;
    (key.len() == 44 && key.ends_with('=')).then_some((PrivateKey::WireGuard, true))
}

fn is_body(line: &str) -> bool {
    line.len() >= BODY
        && line
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY_LINE: &str = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW";

    #[test]
    fn private_keys_are_known_by_their_contents_and_documentation_is_none() {
        let closed_ssh = BODY_LINE.replace("AAAAABG5vbmU", "AAAAACmFlczI1");
        let closed = [
            format!("# mine\n  -----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: x\n\n{BODY_LINE}\n"),
            format!("-----BEGIN ENCRYPTED PRIVATE KEY-----\n{BODY_LINE}\n"),
            format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{closed_ssh}\n"),
            format!("-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{BODY_LINE}\n"),
            "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: aes256-cbc\n".to_owned(),
        ];
        let keys = [
            format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{BODY_LINE}\n"),
            format!("-----BEGIN RSA PRIVATE KEY-----\n{BODY_LINE}\n"),
            format!("{}{}", closed[2], closed[0].replace("Proc-Type: 4,ENCRYPTED", "")),
            "AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ\n".to_owned(),
            "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n".to_owned(),
            "[Interface]\nPrivateKey = yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\n".to_owned(),
        ];
        let is_open = |key: &str| private_key(key.as_bytes()).map(|(_, _, is_open)| is_open);
        for key in keys {
            assert_eq!(is_open(&key), Some(true), "{key}");
        }
        for key in closed {
            assert_eq!(is_open(&key), Some(false), "{key}");
        }
        let others = [
            format!("-----BEGIN PUBLIC KEY-----\n{BODY_LINE}\n"),
            format!("-----BEGIN AGE ENCRYPTED FILE-----\n{BODY_LINE}\n"),
            format!("-----BEGIN CERTIFICATE-----\n{BODY_LINE}\n"),
            "A key begins with\n\n    -----BEGIN OPENSSH PRIVATE KEY-----\n    …\n".to_owned(),
            format!("ssh-ed25519 {BODY_LINE}\n"),
            "PrivateKey = @key@\n".to_owned(),
        ];
        for other in others {
            assert_eq!(private_key(other.as_bytes()), None, "{other}");
        }
        assert!(private_key(b"AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ\n\xff\xfe").is_some());
    }
}
