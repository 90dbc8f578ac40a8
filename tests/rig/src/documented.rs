//! The commands in the documentation, as a reader copies them.

use std::fs;

use crate::project;

/// The code blocks (indented by four spaces or more) below a heading of a Markdown file, up to the next heading.
///
/// # Panics
/// If the file has no such heading, or no code below it.
#[track_caller]
pub fn commands(file: &str, heading: &str) -> Vec<String> {
    let text = fs::read_to_string(project().join(file)).unwrap();
    let title = |line: &str| line.trim_start_matches('#').trim() == heading;
    let mut lines = text.lines().skip_while(|line| !(line.starts_with('#') && title(line)));
    assert!(lines.next().is_some(), "{file} has no heading {heading}");
    let mut blocks: Vec<String> = Vec::new();
    let mut inside = false;
    for line in lines.take_while(|line| !line.starts_with('#')) {
        if !line.starts_with("    ") {
            inside = false;
            continue;
        }
        if !inside {
            blocks.push(String::new());
        }
        inside = true;
        let block = blocks.last_mut().unwrap();
        block.push_str(line.trim());
        block.push('\n');
    }
    assert!(!blocks.is_empty(), "{file} has no commands below {heading}");
    blocks
}
