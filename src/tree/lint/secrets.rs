//! Files that hold private keys: a flake's tree is in the store, and /etc/nixos is open to every user.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::diagnostic::{Diagnostic, LintProblem, PrivateKey};
use crate::tree::nix_files::files;
use crate::tree::source::ConfigKind;

/// How many bytes of a file are searched: a key is at its beginning.
const LOOKED_AT: u64 = 64 * 1024;

/// The shortest line of a key's body: documentation that shows a header has none.
const BODY: usize = 40;

/// Warns of private keys in the tree at `root`, by their contents. Encrypted ones (age, sops, git-crypt) are none.
pub fn secrets(root: &Path, kind: ConfigKind) -> Vec<Diagnostic> {
    let in_flake = kind == ConfigKind::Flake;
    let found = files(root).filter_map(|path| {
        let file = root.join(&path);
        // Opening a pipe would wait for its other end.
        if !file.symlink_metadata().ok()?.is_file() {
            return None;
        }
        let mut bytes = Vec::new();
        let mut start = File::open(file).ok()?.take(LOOKED_AT);
        start.read_to_end(&mut bytes).ok()?;
        let (key, line) = private_key(&bytes)?;
        Some(Diagnostic::from(LintProblem::PrivateKey { key, in_flake }).at(path, Some(line), None))
    });
    found.collect()
}

/// The kind of key, and its line.
fn private_key(bytes: &[u8]) -> Option<(PrivateKey, u32)> {
    // Nothing of it is anywhere in most files.
    let text = std::str::from_utf8(bytes)
        .unwrap_or_else(|error| std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default());
    let mut lines = text.lines().map(str::trim).zip(1..);
    while let Some((line, number)) = lines.next() {
        if line.starts_with("-----BEGIN ")
            && (line.ends_with("PRIVATE KEY-----") || line.ends_with("PRIVATE KEY BLOCK-----"))
        {
            let body = lines.clone().take(6).any(|(line, _)| is_body(line));
            if body {
                let key = if line.contains("OPENSSH") {
                    PrivateKey::Ssh
                } else {
                    PrivateKey::Other
                };
                return Some((key, number));
            }
        } else if line.starts_with("AGE-SECRET-KEY-1") && line.len() > BODY {
            return Some((PrivateKey::Age, number));
        } else if line.starts_with("PuTTY-User-Key-File-") {
            return Some((PrivateKey::Putty, number));
        } else if let Some(key) = line.strip_prefix("PrivateKey = ")
            && key.len() == 44
            && key.ends_with('=')
        {
            return Some((PrivateKey::WireGuard, number));
        }
    }
    None
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
        let keys = [
            format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{BODY_LINE}\n"),
            format!("# mine\n  -----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: x\n\n{BODY_LINE}\n"),
            format!("-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{BODY_LINE}\n"),
            "AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ\n".to_owned(),
            "PuTTY-User-Key-File-3: ssh-ed25519\n".to_owned(),
            "[Interface]\nPrivateKey = yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\n".to_owned(),
        ];
        for key in keys {
            assert!(private_key(key.as_bytes()).is_some(), "{key}");
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
