//! Texts in YAML that a person writes.

use serde_yaml::Value;

use crate::text::without_mark;

/// How many levels a value may have, which are as many as `serde_yaml` 0.9 takes (`remaining_depth` in its src/de.rs). It reads the
/// whole text before it counts them, and the time for that grows with the square of the levels: 60,000 brackets take minutes, in which no
/// signal is heard.
const LEVELS: usize = 128;

/// Why a text is no YAML.
#[derive(Debug)]
pub struct Fault {
    /// What the parser says.
    pub error: String,
    /// Counted from 1.
    pub line: Option<u32>,
    pub column: Option<u32>,
}

/// The value that `text` is, after the mark of its encoding if it has one.
///
/// # Errors
/// When it is no YAML, or too deep.
pub fn parsed(text: &str) -> Result<Value, Fault> {
    let text = without_mark(text);
    if let Some(line) = too_deep(text) {
        return Err(Fault {
            error: format!("it has more than {LEVELS} levels"),
            line: Some(line),
            column: None,
        });
    }
    serde_yaml::from_str(text).map_err(|error| {
        let place = error.location();
        let number = |value: usize| u32::try_from(value).ok();
        Fault {
            line: place.as_ref().and_then(|place| number(place.line())),
            column: place.and_then(|place| number(place.column())),
            error: error.to_string(),
        }
    })
}

/// The first line in which more brackets are open, or that begins with more lists, than a value has levels. Brackets in words count as
/// well: nobody leaves as many of those open.
fn too_deep(text: &str) -> Option<u32> {
    let mut open = 0_usize;
    let mut is_too_deep = |line: &str| {
        let mut marks = line.split_whitespace().take_while(|word| ["-", "?"].contains(word));
        marks.nth(LEVELS).is_some()
            || line.bytes().any(|byte| {
                match byte {
                    b'[' | b'{' => open += 1,
                    b']' | b'}' => open = open.saturating_sub(1),
                    _ => {}
                }
                open > LEVELS
            })
    };
    // A carriage return alone ends a line of YAML too.
    let mut lines = text.lines().zip(1..);
    lines.find_map(|(line, number)| line.split('\r').any(&mut is_too_deep).then_some(number))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_text_that_is_too_deep_is_refused_before_it_is_parsed() {
        let begun = Instant::now();
        let deep = [
            "[".repeat(300_000),
            "[\n".repeat(300_000),
            "{a: ".repeat(300_000),
            "[{a: ".repeat(150_000),
            "- ".repeat(300_000),
            format!("a: 1\r{}", "- ".repeat(300_000)),
            "? - ".repeat(150_000),
        ];
        for text in deep {
            let fault = parsed(&format!("a:\n{text}")).unwrap_err();
            assert_eq!(fault.error, "it has more than 128 levels");
            assert!(fault.line.is_some_and(|line| line > 1));
        }
        assert!(begun.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn many_values_beside_one_another_are_not_deep() {
        let beside = format!("a: [{}]\n", "[1], {a: 2}, ".repeat(1000));
        let items = "- [a]\n".repeat(1000);
        let dashes = format!("a: \"{}\"\n", "- ".repeat(1000));
        for text in [beside, items, dashes, "\u{feff}a: 1\n".to_owned()] {
            parsed(&text).unwrap();
        }
        let fault = parsed("a: 1\nb: [\n").unwrap_err();
        assert!(fault.line.is_some() && !fault.error.contains("levels"), "{fault:?}");
    }
}
