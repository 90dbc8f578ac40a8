//! What the Nix files of a tree fetch with `fetchTarball` while they are evaluated.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::bad_modules;
use crate::tree::nix_files::nix_files;
use crate::tree::source::ConfigKind;
use crate::tree::syntax::{NixFile, Token, TokenKind, position};

/// The arguments of a `fetchTarball` with a hash, as they are written between quotation marks: Nix takes the source from the store, where it is (2.8, 2.26 and 2.34).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Pinned {
    pub url: String,
    pub sha256: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The file and the line, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

impl Pinned {
    /// Whether Nix can read the hash: in hexadecimal, in its own base 32, or in base 64 with or without a prefix (SRI).
    pub fn has_hash(&self) -> bool {
        let of = |text: &str, length, letters: fn(char) -> bool| text.len() == length && text.chars().all(letters);
        let base64 = |char: char| char.is_ascii_alphanumeric() || "+/=".contains(char);
        let bare = self.sha256.strip_prefix("sha256:").unwrap_or(&self.sha256);
        of(bare, 64, |char| char.is_ascii_hexdigit())
            || of(bare, 52, |char| {
                char.is_ascii_digit() || char.is_ascii_lowercase() && !"eotu".contains(char)
            })
            || of(bare.strip_prefix("sha256-").unwrap_or(bare), 44, base64)
    }
}

impl fmt::Display for Pinned {
    /// As Nix reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "(builtins.fetchTarball {{ url = \"{}\"; sha256 = \"{}\";",
            self.url, self.sha256
        )?;
        if let Some(name) = &self.name {
            write!(f, " name = \"{name}\";")?;
        }
        f.write_str(" })")
    }
}

/// Those in files that the channel configuration at `root` certainly imports, each with its file, line and column: others may
/// be drafts that nobody can fetch any more. Only what is written out in one set of strings is found.
pub fn pinned(root: &Path) -> Vec<(Pinned, PathBuf, u32, u32)> {
    let imported = bad_modules::imported(root, ConfigKind::Channel);
    let mut found: Vec<(Pinned, PathBuf, u32, u32)> = Vec::new();
    for (file, text) in nix_files(root).filter(|(file, text)| imported.contains(file) && text.contains(NAME)) {
        let tokens = NixFile::parse(&text)
            .tokens()
            .filter(|token| token.kind != TokenKind::Blank);
        let tokens: Vec<Token> = tokens.collect();
        for (index, token) in tokens.iter().enumerate().filter(|(_, token)| token.text == NAME) {
            if let Some(one) = arguments(&tokens[index + 1..])
                && !found.iter().any(|(known, ..)| *known == one)
            {
                let (line, column) = position(&text, token.offset);
                found.push((one, file.clone(), line, column));
            }
        }
    }
    found
}

const NAME: &str = "fetchTarball";

/// `{ url = "…"; sha256 = "…"; }`
fn arguments(tokens: &[Token]) -> Option<Pinned> {
    let [open, rest @ ..] = tokens else { return None };
    if open.text != "{" {
        return None;
    }
    let (mut url, mut sha256, mut name, mut rest) = (None, None, None, rest);
    loop {
        let (key, value) = match rest {
            [close, ..] if close.text == "}" => break,
            [key, equals, quote, value, end, semicolon, after @ ..]
                if [&equals.text, &quote.text, &end.text, &semicolon.text] == ["=", "\"", "\"", ";"] =>
            {
                rest = after;
                (key.text.as_str(), value.text.clone())
            }
            _ => return None,
        };
        match key {
            "url" => url = Some(value),
            "sha256" => sha256 = Some(value),
            "name" => name = Some(value),
            _ => return None,
        }
    }
    let (url, sha256) = (url?, sha256?);
    let at = None;
    Some(Pinned { url, sha256, name, at })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_hash_that_nix_cannot_read_is_none() {
        let is_hash = |sha256: &str| {
            let (url, sha256, name, at) = (String::new(), sha256.to_owned(), None, None);
            Pinned { url, sha256, name, at }.has_hash()
        };
        let hex = "0123456789abcdef".repeat(4);
        for hash in [
            hex.as_str(),
            &format!("sha256:{hex}"),
            &"0z".repeat(26),
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        ] {
            assert!(is_hash(hash), "{hash}");
        }
        for other in [
            "",
            "1",
            &hex[1..],
            &"0e".repeat(26),
            "sha512-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        ] {
            assert!(!is_hash(other), "{other}");
        }
    }

    #[test]
    fn what_is_written_out_with_a_hash_in_an_imported_file_is_found() {
        let tree = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| fs::write(tree.path().join(name), text).unwrap();
        put(
            "configuration.nix",
            "{\n  imports = [ ./a.nix\n    (builtins.fetchTarball { url = \"https://e.example/x.tar.gz\"; sha256 = \"1\"; })\n  ];\n}",
        );
        put(
            "a.nix",
            "# fetchTarball { url = \"c\"; sha256 = \"d\"; }\n\
             let r = \"1\"; in [ (fetchTarball { sha256 = \"2\"; name = \"n\"; url = \"u\"; }) (fetchTarball \"x\")\n\
             (fetchTarball { url = \"${r}\"; sha256 = \"3\"; }) (fetchTarball { url = \"v\"; }) (fetchTarball args) ]",
        );
        put("draft.nix", "fetchTarball { url = \"u\"; sha256 = \"4\"; }");
        let found = pinned(tree.path());
        let reported: Vec<String> = found
            .iter()
            .map(|(one, file, line, column)| format!("{} {} {}:{line}:{column}", one.url, one.sha256, file.display()))
            .collect();
        assert_eq!(
            reported,
            ["u 2 a.nix:2:20", "https://e.example/x.tar.gz 1 configuration.nix:3:15"]
        );
        assert_eq!(found[0].0.name.as_deref(), Some("n"));
    }
}
