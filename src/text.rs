//! How values are written for people.

use std::borrow::Cow;
use std::ffi::OsStr;

/// A text without the mark of its encoding that editors on Windows put before it.
#[must_use]
pub fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// A size for people: decimal megabytes, as on a stick's label.
#[must_use]
#[allow(clippy::cast_precision_loss)] // One decimal is shown.
pub fn bytes(count: u64) -> String {
    match count {
        0..1_000_000 => format!("{} kB", count.div_ceil(1000)),
        1_000_000..1_000_000_000 => format!("{:.1} MB", count as f64 / 1e6),
        _ => format!("{:.2} GB", count as f64 / 1e9),
    }
}

/// A word as a shell takes it.
#[must_use]
pub fn shell_word(word: &OsStr) -> String {
    let text = word.to_string_lossy();
    // The one word that cannot be quoted has a NUL in it, and no program can be given it either.
    shlex::try_quote(&text).map_or_else(|_| text.to_string(), Cow::into_owned)
}

/// Names of files and the words of programs without what a terminal obeys: colours go, other control characters are replaced.
#[must_use]
pub fn printable(text: &str) -> String {
    let text = console::strip_ansi_codes(text);
    text.replace(|char: char| char.is_control() && !"\n\t".contains(char), "\u{fffd}")
}

/// A name in its line, whatever is in it.
#[must_use]
pub fn one_line(name: &str) -> String {
    name.replace(char::is_control, "\u{fffd}")
}

/// The words of Rust's I/O errors without the system's numbers of them (`(os error 2)`).
#[must_use]
pub fn without_numbers(text: &str) -> String {
    let mut parts = text.split(" (os error ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| {
        all + part.split_once(')').map_or("", |(_, rest)| rest)
    })
}

/// The one of `known` that is spelt like `text`.
pub fn similar<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distances = known
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(known, text), known));
    let (distance, nearest) = distances.min()?;
    (distance <= 2 && distance < text.len()).then_some(nearest)
}

#[cfg(test)]
mod tests {
    use std::io::Error;

    use super::*;

    #[test]
    fn an_error_of_the_system_has_words_and_no_number() {
        let error = anyhow::Error::from(Error::from_raw_os_error(2)).context("Failed to read a");
        assert_eq!(
            without_numbers(&format!("{error:#} (b)")),
            "Failed to read a: No such file or directory (b)"
        );
        assert_eq!(without_numbers("plain"), "plain");
    }

    #[test]
    fn a_name_does_not_leave_its_line_and_a_text_has_nothing_that_a_terminal_obeys() {
        assert_eq!(one_line("a\nb\x1b[31m"), "a\u{fffd}b\u{fffd}[31m");
        assert_eq!(printable("a\nb\x1b[31mc\x07"), "a\nbc\u{fffd}");
    }
}
