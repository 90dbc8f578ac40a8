//! Values as Nix reads them.

/// A string literal.
#[must_use]
pub fn string(text: &str) -> String {
    let escaped = text.replace('\\', r"\\").replace('"', "\\\"").replace("${", r"\${");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_break_out_of_its_literal() {
        assert_eq!(string("a\"${b}\\"), r#""a\"\${b}\\""#);
    }
}
