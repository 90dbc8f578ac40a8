//! Values as Nix reads them.

use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A string literal.
#[must_use]
pub fn string(text: &str) -> String {
    let escaped = text.replace('\\', r"\\").replace('"', "\\\"").replace("${", r"\${");
    format!("\"{escaped}\"")
}

/// The keywords of Nix (src/libexpr/lexer.l, the same in 2.8 and 2.34).
const KEYWORDS: [&str; 10] = [
    "assert", "else", "if", "in", "inherit", "let", "or", "rec", "then", "with",
];

/// The name of an attribute: as a string where it is a keyword, or no identifier.
pub fn attribute(name: &str) -> String {
    let is_part = |char: char| char.is_ascii_alphanumeric() || "-_".contains(char);
    let is_identifier = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(is_part)
        && !KEYWORDS.contains(&name);
    if is_identifier { name.to_owned() } else { string(name) }
}

/// An absolute path as a flake reference, without what a URL gives a meaning of its own.
pub fn path_reference(path: &Path) -> String {
    let mut reference = String::from("path:");
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            reference.push(byte.into());
        } else {
            // Writing to a string cannot fail.
            let _ = write!(reference, "%{byte:02X}");
        }
    }
    reference
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_break_out_of_its_literal() {
        assert_eq!(string("a\"${b}\\"), r#""a\"\${b}\\""#);
    }

    #[test]
    fn any_name_is_one_attribute() {
        for (name, text) in [
            ("alice-2", "alice-2"),
            ("or", "\"or\""),
            ("john.doe", "\"john.doe\""),
            ("2nd", "\"2nd\""),
            ("", "\"\""),
        ] {
            assert_eq!(attribute(name), text);
        }
    }

    #[test]
    fn a_path_cannot_break_out_of_its_reference() {
        assert_eq!(
            path_reference(Path::new("/home/my iso#1?")),
            "path:/home/my%20iso%231%3F"
        );
    }
}
