//! Files that hold private keys: a flake's tree is in the store, and /etc/nixos is open to every user.

use std::collections::BTreeSet;
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

/// The least length of an age key after its prefix; it has 58 characters or more, and a placeholder few.
const AGE: usize = 25;

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
    let text = std::str::from_utf8(bytes)
        .unwrap_or_else(|error| std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default());
    if is_nix_signing_key(text.trim()) {
        return Some((PrivateKey::NixSigning, 1, true));
    }
    // Most files have none of these.
    let lower = text.to_ascii_lowercase();
    if !SIGNS.iter().any(|sign| lower.contains(sign)) {
        return None;
    }
    let mut closed = None;
    let mut lines = text.lines().zip(1..);
    while let Some((line, number)) = lines.next() {
        let following = lines.clone().map(|(line, _)| line);
        match key_at(line, following) {
            Some((key, true)) => return Some((key, number, true)),
            Some((key, false)) => closed = closed.or(Some((key, number, false))),
            None => {}
        }
    }
    closed
}

/// What every text with a key has, in lower case.
const SIGNS: [&str; 5] = [
    "-----begin ",
    "age-secret-key-",
    "putty-user-key-file-",
    WIREGUARD[0],
    WIREGUARD[1],
];

/// How the body of an SSH key without a passphrase begins: `openssh-key-v1` and the cipher `none` (OpenSSH's PROTOCOL.key).
const OPEN_SSH: &str = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmU";

/// The kind of key that begins in this line, and whether it is known to have no passphrase. It may be part of an expression, of
/// JSON or of a comment.
fn key_at<'a>(line: &'a str, mut following: impl Iterator<Item = &'a str>) -> Option<(PrivateKey, bool)> {
    if let Some((header, rest)) = pem_header(line) {
        return pem(header, [rest].into_iter().chain(following));
    }
    if let Some((_, after)) = line.split_once("AGE-SECRET-KEY-") {
        // Those of age 1.3 that also withstand quantum computers have `PQ-` before the 1.
        let key = after.strip_prefix("PQ-").unwrap_or(after).strip_prefix('1')?;
        return (length(key, |byte| byte.is_ascii_alphanumeric()) >= AGE).then_some((PrivateKey::Age, true));
    }
    if bare(line).starts_with("PuTTY-User-Key-File-") {
        let is_open = following.take(6).any(|line| bare(line) == "Encryption: none");
        return Some((PrivateKey::Putty, is_open));
    }
    let next = following.next().unwrap_or_default();
    let mut values = WIREGUARD.iter().flat_map(|name| values_of(name, line));
    let is_key = values.any(|value| is_wireguard(unquoted(if value.is_empty() { next } else { value })));
    is_key.then_some((PrivateKey::WireGuard, true))
}

/// The header of a PEM file in this line, and what follows it.
fn pem_header(line: &str) -> Option<(&str, &str)> {
    let header = &line[line.find("-----BEGIN ")?..];
    let end = ["PRIVATE KEY-----", "PRIVATE KEY BLOCK-----"].map(|end| Some(header.find(end)? + end.len()));
    Some(header.split_at(end.into_iter().flatten().min()?))
}

/// The key with this `header`, if `lines` go on with its body.
fn pem<'a>(header: &str, lines: impl Iterator<Item = &'a str>) -> Option<(PrivateKey, bool)> {
    // RFC 1421, or in the header itself (RFC 5958); of PGP's the first bytes do not tell.
    let mut closed = header.contains(" ENCRYPTED ") || header.ends_with("BLOCK-----");
    // A string of one line has its line breaks as `\n`.
    let mut lines = lines.take(10).flat_map(|line| line.split("\\n")).map(bare);
    let first = lines.find(|line| {
        closed |= line.starts_with("Proc-Type:") && line.ends_with("ENCRYPTED");
        !line.is_empty() && !line.contains(": ")
    });
    let body = first.filter(|line| length(line, is_base64) == line.len() && line.len() >= BODY)?;
    Some(if header.contains("OPENSSH") {
        (PrivateKey::Ssh, body.starts_with(OPEN_SSH))
    } else {
        (PrivateKey::Other, !closed)
    })
}

/// A line without what a string, a list or a comment puts around it.
fn bare(line: &str) -> &str {
    let around = |char: char| char.is_whitespace() || "\"'#*>|,;\\".contains(char);
    line.trim_start_matches(|char| around(char) || "+/-".contains(char))
        .trim_end_matches(|char| around(char) || char == '+')
        .trim_end_matches(around)
}

/// Names of options and keys whose values are secret keys of `WireGuard`: those of wg, of nixpkgs (networking.wireguard,
/// networking.wg-quick, systemd.network), and of JSON.
const WIREGUARD: [&str; 2] = ["privatekey", "presharedkey"];

/// What is assigned to `name` (in lower case) in this line: after `=` or `:`.
fn values_of<'a>(name: &str, line: &'a str) -> Vec<&'a str> {
    let lower = line.to_ascii_lowercase();
    let ends = lower.match_indices(name).map(|(start, name)| start + name.len());
    let after = ends.map(|end| line[end..].trim_start_matches(['"', '\'', ' ', '\t']));
    after
        .filter_map(|text| Some(text.strip_prefix(['=', ':'])?.trim()))
        .collect()
}

/// A value without its quotes and what follows them.
fn unquoted(value: &str) -> &str {
    let value = value.trim_start_matches(|char: char| char.is_whitespace() || "\"'".contains(char));
    &value[..length(value, is_base64)]
}

/// Whether it is 32 bytes in Base64, and no placeholder (`xxxx…=`): of 43 random characters some 31 are different.
fn is_wireguard(value: &str) -> bool {
    let different: BTreeSet<u8> = value.bytes().collect();
    value.len() == 44 && value.find('=') == Some(43) && different.len() > 12
}

/// Whether it is what `nix-store --generate-binary-cache-key` writes: a name, and both halves of an Ed25519 key (64 bytes).
fn is_nix_signing_key(text: &str) -> bool {
    let key = text.split_once(':').map_or("", |(_, key)| key);
    key.len() == 88 && length(key, is_base64) == 88 && key.find('=') == Some(86)
}

/// How many bytes at the beginning are `of_key`.
fn length(text: &str, of_key: impl Fn(u8) -> bool) -> usize {
    text.bytes().take_while(|byte| of_key(*byte)).count()
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// That of the documentation of networking.wireguard in nixpkgs.
    const WIREGUARD_KEY: &str = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=";
    const AGE_KEY: &str = "GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGF";
    const BODY_LINE: &str = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW";

    #[test]
    fn private_keys_are_known_by_their_contents() {
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
            format!("[Interface]\nPrivateKey = {WIREGUARD_KEY}\n"),
            format!("PrivateKey={WIREGUARD_KEY}"),
            format!("[Peer]\nPresharedKey = {WIREGUARD_KEY} # of b"),
            format!("{{ networking.wg-quick.interfaces.wg0.privateKey = \"{WIREGUARD_KEY}\"; }}"),
            format!("  wireguardConfig = {{ PrivateKey=''{WIREGUARD_KEY}''; }};"),
            format!("{{ wg0.privateKey =\n    \"{WIREGUARD_KEY}\"; }}"),
            format!("{{\"privateKey\": \"{WIREGUARD_KEY}\"}}"),
            format!(
                "{{ privateKeyFile = null; privateKey = k; presharedKey = k; presharedKey = \"{WIREGUARD_KEY}\"; }}"
            ),
            format!("  # privateKey = \"{WIREGUARD_KEY}\";"),
            format!("{{ age.key = \"AGE-SECRET-KEY-1{AGE_KEY}\"; }}"),
            format!("export SOPS_AGE_KEY=AGE-SECRET-KEY-PQ-1{AGE_KEY}"),
            format!("{{ key = ''-----BEGIN OPENSSH PRIVATE KEY-----\n  {BODY_LINE}\n  ''; }}"),
            format!(
                "{{ key = \"-----BEGIN OPENSSH PRIVATE KEY-----\\n{BODY_LINE}\\n-----END OPENSSH PRIVATE KEY-----\\n\"; }}"
            ),
            format!("key: |\n  # -----BEGIN EC PRIVATE KEY-----\n  # {BODY_LINE}\n"),
            format!("x = \"-----BEGIN PRIVATE KEY-----\\n\"\n  + \"{BODY_LINE}\\n\"\n"),
            format!("update-1:{}w==\n", "aB3/".repeat(22).split_at(85).0),
        ];
        let is_open = |key: &str| private_key(key.as_bytes()).map(|(_, _, is_open)| is_open);
        for key in keys {
            assert_eq!(is_open(&key), Some(true), "{key}");
        }
        for key in closed {
            assert_eq!(is_open(&key), Some(false), "{key}");
        }
        assert!(private_key(b"AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ\n\xff\xfe").is_some());
    }

    #[test]
    fn public_keys_paths_placeholders_and_documentation_are_no_private_keys() {
        let others = [
            format!("-----BEGIN PUBLIC KEY-----\n{BODY_LINE}\n"),
            format!("-----BEGIN AGE ENCRYPTED FILE-----\n{BODY_LINE}\n"),
            format!("-----BEGIN CERTIFICATE-----\n{BODY_LINE}\n"),
            "A key begins with\n\n    -----BEGIN OPENSSH PRIVATE KEY-----\n    …\n".to_owned(),
            format!("ssh-ed25519 {BODY_LINE}\n"),
            "PrivateKey = @key@\n".to_owned(),
            "PrivateKey = \"/run/secrets/wireguard/private/key/of/the/laptop\"\n".to_owned(),
            format!("privateKeyFile = \"{WIREGUARD_KEY}\";"),
            format!("publicKey = \"{WIREGUARD_KEY}\";"),
            format!("{{ generatePrivateKeyFile = true; peers = [ {{ publicKey = \"{WIREGUARD_KEY}\"; }} ]; }}"),
            format!("privateKey = \"{}=\";", "x".repeat(43)),
            format!("update-1:{WIREGUARD_KEY}\n"),
            format!("age1{}", AGE_KEY.to_lowercase()),
            "key = \"AGE-SECRET-KEY-1...\"; # AGE-SECRET-KEY-\n".to_owned(),
            format!("grep -q -- '-----BEGIN OPENSSH PRIVATE KEY-----' key\nsha256 = \"{WIREGUARD_KEY}\";\n"),
            format!("grep -- '-----BEGIN PRIVATE KEY-----' \"$1\"\n{BODY_LINE}\n"),
        ];
        for other in others {
            assert_eq!(private_key(other.as_bytes()), None, "{other}");
        }
    }
}
