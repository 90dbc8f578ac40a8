//! Where the parts of a YAML file stand, so that it can be changed without being written anew.

use std::ops::Range;

use saphyr_parser::{Event, Parser, ScanError, Span};

/// A part of a file, and where it is, in bytes: without its dash or key, with its anchor.
#[derive(Debug)]
pub struct Node {
    pub range: Range<usize>,
    /// Its name, without `&`.
    pub anchor: Option<String>,
    pub shape: Shape,
}

#[derive(Debug)]
pub enum Shape {
    Scalar(String),
    Alias,
    Sequence { flow: bool, items: Vec<Node> },
    Mapping { flow: bool, entries: Vec<(Node, Node)> },
}

impl Node {
    /// The first document of `text`. `None` where it is empty.
    ///
    /// # Errors
    /// Where it is not valid YAML.
    pub fn of(text: &str) -> Result<Option<Self>, ScanError> {
        let mut offsets: Vec<usize> = text.char_indices().map(|(offset, _)| offset).collect();
        offsets.push(text.len());
        let mut events = Parser::new_from_str(text).collect::<Result<Vec<_>, _>>()?.into_iter();
        let started = events.any(|(event, _)| matches!(event, Event::DocumentStart(_)));
        Ok(started
            .then(|| Outline { text, offsets }.node(&mut events).ok())
            .flatten())
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Shape::Mapping { entries, .. } = &self.shape else {
            return None;
        };
        let found = entries
            .iter()
            .find(|(name, _)| matches!(&name.shape, Shape::Scalar(name) if name == key));
        found.map(|(_, value)| value)
    }

    /// Its items, where it is a list.
    pub fn items(&self) -> &[Self] {
        match &self.shape {
            Shape::Sequence { items, .. } => items,
            _ => &[],
        }
    }

    /// It, and all that it has, in the order of the file.
    pub fn all(&self) -> Vec<&Self> {
        let inside: Vec<&Self> = match &self.shape {
            Shape::Sequence { items, .. } => items.iter().collect(),
            Shape::Mapping { entries, .. } => entries.iter().flat_map(|(key, value)| [key, value]).collect(),
            _ => Vec::new(),
        };
        [self]
            .into_iter()
            .chain(inside.into_iter().flat_map(Self::all))
            .collect()
    }
}

/// What a file is read with.
struct Outline<'a> {
    text: &'a str,
    /// Of each character, in bytes.
    offsets: Vec<usize>,
}

impl Outline<'_> {
    /// The next part; `Err` with its offset where the next event is an end.
    fn node<'b>(&self, events: &mut impl Iterator<Item = (Event<'b>, Span)>) -> Result<Node, usize> {
        let (event, span) = events.next().ok_or(self.text.len())?;
        let (start, end) = (self.offset(span.start.index()), self.offset(span.end.index()));
        let written = self.text.get(start..end).unwrap_or_default().trim_end();
        let (shape, end) = match event {
            Event::Scalar(value, ..) => (Shape::Scalar(value.into_owned()), start + written.len()),
            Event::Alias(_) => (Shape::Alias, start + written.len()),
            Event::SequenceStart(..) => {
                let flow = written.ends_with('[');
                let mut items = Vec::new();
                let closing = collect(|| self.node(events), &mut items);
                let end = if flow {
                    closing + 1
                } else {
                    items.last().map_or(end, |last| last.range.end)
                };
                (Shape::Sequence { flow, items }, end)
            }
            Event::MappingStart(..) => {
                let flow = written.ends_with('{');
                let mut entries = Vec::new();
                let closing = collect(|| Ok((self.node(events)?, self.node(events)?)), &mut entries);
                let end = if flow {
                    closing + 1
                } else {
                    entries.last().map_or(end, |(_, last)| last.range.end)
                };
                (Shape::Mapping { flow, entries }, end)
            }
            _ => return Err(start),
        };
        let anchor = written
            .strip_prefix('&')
            .and_then(|name| name.split_whitespace().next());
        Ok(Node {
            range: start..end,
            anchor: anchor.map(str::to_owned),
            shape,
        })
    }

    fn offset(&self, character: usize) -> usize {
        self.offsets.get(character).copied().unwrap_or(self.text.len())
    }
}

/// Adds what `next` gives until it is at an end, and returns the offset of that.
fn collect<T>(mut next: impl FnMut() -> Result<T, usize>, parts: &mut Vec<T>) -> usize {
    loop {
        match next() {
            Ok(part) => parts.push(part),
            Err(end) => return end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_where_it_stands_with_comments_other_letters_and_other_line_ends() {
        let text = "# ü\r\nkeys: # of\r\n  - &a age1x # é\r\n  - &b \"y\"   \r\nr:\r\n- {q: [*a, *b , ]} # ]\r\n- z: >-\r\n    1,\r\n    2\r\n\r\n# end\r\n";
        let root = Node::of(text).unwrap().unwrap();
        let shown = |node: &Node| text[node.range.clone()].to_owned();
        let keys = root.get("keys").unwrap();
        assert_eq!(
            keys.items().iter().map(shown).collect::<Vec<_>>(),
            ["&a age1x", "&b \"y\""]
        );
        assert_eq!(keys.items()[1].anchor.as_deref(), Some("b"));
        let rules = root.get("r").unwrap().items();
        let q = rules[0].get("q").unwrap();
        assert_eq!(
            (shown(&rules[0]), shown(q)),
            ("{q: [*a, *b , ]}".to_owned(), "[*a, *b , ]".to_owned())
        );
        assert!(matches!(&q.items()[1].shape, Shape::Alias));
        assert_eq!(shown(rules[1].get("z").unwrap()), "1,\r\n    2");
        assert!(Node::of("# nothing\n").unwrap().is_none());
        assert!(Node::of("a: [").is_err());
    }
}
