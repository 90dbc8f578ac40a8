//! The names of store paths: `/nix/store/HASH-NAME`, and what can be known of them without asking Nix.

use data_encoding::{BASE64, BitOrder, HEXLOWER, Specification};
use sha2::{Digest, Sha256};

/// Nix's digits: without e, o, t, u (src/libutil/hash.cc).
const DIGITS: &str = "0123456789abcdfghijklmnpqrsvwxyz";

/// The directory of all store paths.
pub const STORE: &str = "/nix/store";

/// The name of the store path `path` without its hash, and without `.drv`: `hello-2.10` of `/nix/store/…-hello-2.10.drv`.
#[must_use]
pub fn store_name(path: &str) -> String {
    let base = path.rsplit('/').next().unwrap_or(path);
    let name = base.split_once('-').map_or(base, |(_, name)| name);
    name.strip_suffix(".drv").unwrap_or(name).to_owned()
}

/// The store path that `path` is, or is in.
#[must_use]
pub fn containing(path: &str) -> Option<&str> {
    let inside = path.strip_prefix(STORE)?.strip_prefix('/')?;
    let name = inside.split('/').next().filter(|name| !name.is_empty())?;
    path.get(..STORE.len() + 1 + name.len())
}

/// Where Nix keeps a source with the NAR hash `sri` (`sha256-…`, as in flake.lock) and no references: the same as
/// `nix-store --print-fixed-path --recursive sha256 HASH NAME`. `None` when it is no such hash.
#[must_use]
pub fn of_source(sri: &str, name: &str) -> Option<String> {
    let hash = BASE64.decode(sri.strip_prefix("sha256-")?.as_bytes()).ok()?;
    of_nar_hash(&HEXLOWER.encode(&hash), name)
}

/// As [`of_source`], with the hash in base 16.
#[must_use]
pub fn of_nar_hash(hash: &str, name: &str) -> Option<String> {
    if hash.len() != 64 {
        return None;
    }
    let digest = Sha256::digest(format!("source:sha256:{hash}:{STORE}:{name}"));
    let mut folded = [0_u8; 20];
    for (index, byte) in digest.iter().enumerate() {
        folded[index % 20] ^= byte;
    }
    Some(format!("{STORE}/{}-{name}", base32(&folded)?))
}

/// Nix's base 32: the last bits first.
fn base32(bytes: &[u8]) -> Option<String> {
    let mut digits = Specification::new();
    digits.symbols.push_str(DIGITS);
    digits.bit_order = BitOrder::LeastSignificantFirst;
    Some(digits.encoding().ok()?.encode(bytes).chars().rev().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_path_has_a_name_and_contains_files() {
        assert_eq!(store_name("/nix/store/abc-hello-2.10.drv"), "hello-2.10");
        assert_eq!(store_name("/nix/store/abc-hello-2.10"), "hello-2.10");
        let path = "/nix/store/abc-hello";
        for inside in [path, "/nix/store/abc-hello/", "/nix/store/abc-hello/bin/hello"] {
            assert_eq!(containing(inside), Some(path));
        }
        for outside in ["/nix/store", "/nix/store/", "/nix/stores/x", "hello"] {
            assert_eq!(containing(outside), None);
        }
    }

    #[test]
    fn the_path_of_a_source_is_the_one_that_nix_prints() {
        // nix-store --print-fixed-path --recursive sha256 $(printf '' | sha256sum | cut -c1-64) source (Nix 2.26)
        assert_eq!(
            of_source("sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "source").unwrap(),
            "/nix/store/f6jkrn77ysv9dhs8hh6s2faflhjc930i-source"
        );
        for wrong in ["sha1-47DEQpj8HBSa", "sha256-???", "sha256-47DE", ""] {
            assert_eq!(of_source(wrong, "source"), None);
        }
    }
}
