//! A binary cache that a system is installed from: its addresses, and the keys whose signatures count.

use serde::Serialize;

/// Where store paths come from that the live system does not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cache {
    /// Of servers that hold the same: another takes over where one does not answer.
    pub urls: Vec<String>,
    /// `NAME:BASE64`, as `nix key convert-secret-to-public` prints them. No other signature counts.
    pub public_keys: Vec<String>,
}

/// What Nix takes as the address of a binary cache.
const SCHEMES: [&str; 4] = ["http://", "https://", "s3://", "file:///"];

/// Whether `text` is the address of a cache. It becomes a word of nix.conf, where `#` begins a comment; one with `trusted=`
/// would turn signatures off.
#[must_use]
pub fn is_url(text: &str) -> bool {
    let word = |char: char| char.is_ascii_graphic() && char != '#';
    let is_trusted = text.split_once('?').is_some_and(|(_, query)| query.contains("trusted"));
    let rest = SCHEMES.iter().find_map(|scheme| text.strip_prefix(scheme));
    rest.is_some_and(|rest| !rest.is_empty()) && text.chars().all(word) && !is_trusted
}

/// Whether `text` is a public key: a name, and the 32 bytes of an Ed25519 key.
#[must_use]
pub fn is_public_key(text: &str) -> bool {
    let Some((name, _)) = text.split_once(':') else {
        return false;
    };
    !name.is_empty()
        && name.chars().all(|char| char.is_ascii_graphic() && char != '#')
        && length_of_key(text) == Some(32)
}

/// Whether `text` is a secret key, as `nix-store --generate-binary-cache-key` writes it: 64 bytes, of which the last 32 are the public
/// half. No message repeats one.
#[must_use]
pub fn is_secret_key(text: &str) -> bool {
    length_of_key(text.trim()) == Some(64)
}

/// The bytes of the key after its name.
fn length_of_key(text: &str) -> Option<usize> {
    let (_, key) = text.split_once(':')?;
    Some(data_encoding::BASE64.decode(key.as_bytes()).ok()?.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_word_and_cannot_turn_signatures_off() {
        for url in [
            "http://10.0.0.1/",
            "https://cache.example:8443/x?priority=10",
            "s3://bucket?region=eu-west-1",
            "file:///mnt/cache",
        ] {
            assert!(is_url(url), "{url}");
        }
        for url in [
            "",
            "https://",
            "cache.example",
            "ssh://host",
            "/mnt/cache",
            "file://cache",
            "http://a b",
            "http://a\nrequire-sigs = false",
            "http://a#b",
            "http://a/?trusted=true",
            "http://a/?priority=1&trusted=1",
        ] {
            assert!(!is_url(url), "{url}");
        }
    }

    #[test]
    fn a_public_key_is_a_name_and_32_bytes() {
        let key = "cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=";
        assert!(is_public_key(key));
        let secret = format!("name:{}", data_encoding::BASE64.encode(&[1; 64]));
        for text in [
            "",
            key.split_once(':').unwrap().1,
            &key[..50],
            &format!(":{key}"),
            &format!("a b{key}"),
            &secret,
        ] {
            assert!(!is_public_key(text), "{text}");
        }
        assert!(is_secret_key(&secret) && is_secret_key(&format!("{secret}\n")) && !is_secret_key(key));
    }
}
