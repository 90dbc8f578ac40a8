//! How far the work is, as a person reads it, in the room that a terminal has.

use std::time::Duration;

use super::event::{Event, Phase, Unit};
use crate::text::bytes;

/// The width of the bar, without its brackets, on a terminal with this many columns; 0 where there is only room for numbers.
fn bar_width(columns: u16) -> u16 {
    match columns {
        0..64 => 0,
        _ => (columns / 3).min(30),
    }
}

/// What the message is drawn behind.
pub(super) fn template(columns: u16) -> String {
    match bar_width(columns) {
        0 => "{spinner} {percent:>3}% {wide_msg}".to_owned(),
        width => format!("{{spinner}} [{{bar:{width}}}] {{percent:>3}}% {{wide_msg}}"),
    }
}

/// The columns that [`template`] leaves for the message.
pub(super) fn message_width(columns: u16) -> usize {
    let bar = match bar_width(columns) {
        0 => 0,
        width => width + 3,
    };
    usize::from(columns.saturating_sub(bar + 7))
}

/// What is being done, how far, and how long it will still take, as one line.
pub(super) fn detail(event: &Event<'_>) -> String {
    let Event::Progress { phase, item, .. } = event else {
        return String::new();
    };
    let mut text = titled(phase, &amount(event));
    if !item.is_empty() {
        text.extend([" (", item, ")"]);
    }
    text
}

fn titled(phase: &Phase, amount: &str) -> String {
    if amount.is_empty() {
        phase.title.to_owned()
    } else {
        format!("{}: {amount}", phase.title)
    }
}

/// As [`detail`], for `columns` columns: words are dropped before numbers. What is longer is truncated at its end.
pub(super) fn message(event: &Event<'_>, columns: usize) -> String {
    let Event::Progress { phase, .. } = event else {
        return String::new();
    };
    let amount = amount(event);
    let fits = |text: &str| console::measure_text_width(text) <= columns;
    if amount.is_empty() || fits(&titled(phase, &amount)) {
        return detail(event);
    }
    if fits(&amount) {
        return amount;
    }
    let [done, pace, left] = numbers(event);
    let shorter = [vec![&done, &pace, &left], vec![&done, &left], vec![&done], vec![&left]];
    let shorter = shorter.map(|parts| {
        let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
        parts.join(" ")
    });
    let fitting = shorter.into_iter().find(|text| !text.is_empty() && fits(text));
    fitting.unwrap_or(amount)
}

/// What is done, the pace and the time left, each as numbers and units alone.
fn numbers(event: &Event<'_>) -> [Option<String>; 3] {
    let Event::Progress {
        done,
        total,
        unit,
        per_second,
        eta_seconds,
        ..
    } = event
    else {
        return [None, None, None];
    };
    let amount = match unit {
        _ if *total == 0 => None,
        Unit::Bytes => Some(format!("{}/{}", bytes(*done), bytes(*total))),
        Unit::Derivations => Some(format!("{done}/{total}")),
        Unit::Evaluated => Some(done.to_string()),
        Unit::Steps => None,
    };
    let pace = per_second
        .filter(|_| *unit == Unit::Bytes)
        .map(|pace| format!("{}/s", bytes(pace)));
    [amount, pace, eta_seconds.map(duration)]
}

fn duration(seconds: u64) -> String {
    humantime::format_duration(Duration::from_secs(seconds)).to_string()
}

/// How far a phase is, at which pace, and how long the whole will still take.
pub(super) fn amount(event: &Event<'_>) -> String {
    let Event::Progress { done, total, unit, .. } = event else {
        return String::new();
    };
    let [_, pace, left] = numbers(event);
    let amount = match unit {
        // How much there is to do is not known yet.
        _ if *total == 0 => None,
        Unit::Bytes => Some(format!("{} of {}", bytes(*done), bytes(*total))),
        Unit::Derivations => Some(format!("{done} of {total} derivations")),
        Unit::Evaluated => Some(format!("{done} files and derivations evaluated")),
        Unit::Steps => None,
    };
    let left = left.map(|left| format!("about {left} left"));
    let parts: Vec<String> = [amount, pace, left].into_iter().flatten().collect();
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    static COPY: Phase = Phase {
        name: "copy",
        title: "Copying the system",
        seconds: 1.0,
    };

    fn event(unit: Unit, pace: Option<u64>) -> Event<'static> {
        Event::Progress {
            phase: &COPY,
            fraction: 0.5,
            done: 27_500_000,
            total: 68_400_000,
            unit,
            item: "hello-2.10",
            per_second: pace,
            eta_seconds: pace.map(|_| 61),
        }
    }

    #[test]
    fn words_are_dropped_before_numbers() {
        let copy = event(Unit::Bytes, Some(9_100_000));
        let whole = "Copying the system: 27.5 MB of 68.4 MB, 9.1 MB/s, about 1m 1s left (hello-2.10)";
        for (columns, expected) in [
            (200, whole),
            // Its end is truncated, which is the item.
            (68, whole),
            (60, "27.5 MB of 68.4 MB, 9.1 MB/s, about 1m 1s left"),
            (46, "27.5 MB of 68.4 MB, 9.1 MB/s, about 1m 1s left"),
            (45, "27.5 MB/68.4 MB 9.1 MB/s 1m 1s"),
            (25, "27.5 MB/68.4 MB 1m 1s"),
            (20, "27.5 MB/68.4 MB"),
            (10, "1m 1s"),
        ] {
            assert_eq!(message(&copy, columns), expected, "{columns}");
        }
        assert_eq!(message(&event(Unit::Bytes, None), 17), "27.5 MB/68.4 MB");
        assert_eq!(message(&event(Unit::Derivations, None), 20), "27500000/68400000");
        assert_eq!(message(&event(Unit::Evaluated, None), 20), "27500000");
        assert_eq!(message(&event(Unit::Steps, None), 5), "Copying the system (hello-2.10)");
    }
}
