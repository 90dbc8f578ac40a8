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
    fn a_path_cannot_break_out_of_its_reference() {
        assert_eq!(
            path_reference(Path::new("/home/my iso#1?")),
            "path:/home/my%20iso%231%3F"
        );
    }
}
