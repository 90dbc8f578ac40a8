//! How values are written for people.

use std::borrow::Cow;
use std::ffi::OsStr;

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

/// The one of `known` that is spelt like `text`.
pub fn similar<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distances = known
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(known, text), known));
    let (distance, nearest) = distances.min()?;
    (distance <= 2 && distance < text.len()).then_some(nearest)
}
