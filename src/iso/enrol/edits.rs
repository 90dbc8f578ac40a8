//! Changes of a text, by position: all else stays byte for byte.

use std::ops::Range;

/// A range of a file, and what replaces it.
pub type Edit = (Range<usize>, String);

/// A file with a key in it.
pub struct Added {
    pub text: String,
    /// What is encrypted for the key: the rules of sops, or the files of agenix.
    pub titles: Vec<String>,
}

/// Replaces these ranges of `text`, which do not overlap.
pub fn edited(text: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|(range, _)| range.start);
    let mut text = text.to_owned();
    for (range, new) in edits.into_iter().rev() {
        text.replace_range(range, &new);
    }
    text
}

/// A line `new` after the one that `offset` is in.
pub fn line_after(text: &str, offset: usize, new: &str) -> Edit {
    let end = line_end(text);
    match text[offset..].find('\n') {
        Some(length) => (offset + length + 1..offset + length + 1, format!("{new}{end}")),
        None => (text.len()..text.len(), format!("{end}{new}{end}")),
    }
}

/// Where the line begins that `offset` is in.
pub fn line_start(text: &str, offset: usize) -> usize {
    text[..offset].rfind('\n').map_or(0, |newline| newline + 1)
}

/// What ends the lines of `text`.
pub fn line_end(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}
