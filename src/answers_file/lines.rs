//! In which line of an answers file something is: the parser does not say it of what it has read.

/// The lines of the file, and where each entry of `machines` begins.
pub(super) struct Lines<'a> {
    lines: Vec<&'a str>,
    /// Indices of lines. Empty for a list that is written in one line.
    entries: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        let lines: Vec<&str> = text.lines().collect();
        let is_list = |line: &str| line.trim_start().starts_with("- ") || line.trim() == "-";
        let indent = |line: &str| line.len() - line.trim_start().len();
        let is_key = |line: &str| !line.starts_with([' ', '-', '#']) && line.contains(':');
        let numbered = || lines.iter().copied().enumerate();
        let machines = numbered().skip_while(|(_, line)| !(is_key(line) && has_key(line, "machines")));
        // Up to the next key that is outside.
        let inside = machines
            .enumerate()
            .take_while(|(at, (_, line))| *at == 0 || !is_key(line));
        let list: Vec<(usize, &str)> = inside.map(|(_, line)| line).filter(|(_, line)| is_list(line)).collect();
        let outermost = list.first().map(|(_, line)| indent(line));
        let starts = list.iter().filter(|(_, line)| Some(indent(line)) == outermost);
        let entries = starts.map(|(index, _)| *index).collect();
        Self { lines, entries }
    }

    /// The line of the entry, counted from 1.
    pub(super) fn entry(&self, index: usize) -> Option<u32> {
        number(*self.entries.get(index)?)
    }

    /// The line of `key` in an entry; where it is not found, that of the entry.
    pub(super) fn key(&self, index: usize, key: &str) -> Option<u32> {
        let first = *self.entries.get(index)?;
        let end = self.entries.get(index + 1).copied().unwrap_or(self.lines.len());
        let mut inside = self.lines[first..end].iter().zip(first..);
        let found = inside.find(|(line, _)| has_key(line, key)).map(|(_, index)| index);
        number(found.unwrap_or(first))
    }

    /// The line of `key` outside of the entries.
    pub(super) fn outside(&self, key: &str) -> Option<u32> {
        let found = self
            .lines
            .iter()
            .position(|line| !line.starts_with([' ', '-']) && has_key(line, key));
        number(found?)
    }
}

fn number(index: usize) -> Option<u32> {
    u32::try_from(index + 1).ok()
}

/// Whether the line, without its comment, has `key:`.
fn has_key(line: &str, key: &str) -> bool {
    let line = line.split(" #").next().unwrap_or(line);
    line.match_indices(key).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + key.len()..].trim_start_matches(['"', '\'']).trim_start();
        before.is_none_or(|before| " {,\"'".contains(before)) && after.starts_with(':')
    })
}
