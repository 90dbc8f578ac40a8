//! `secrets.nix` of agenix: which keys each secret is encrypted for. It is read as it is written; nothing is evaluated.

use std::ops::Range;
use std::path::PathBuf;

use anyhow::Result;

use super::edits::{Added, Edit, edited, line_after, line_end, line_start};
use super::machine_key::MachineKey;
use super::places::{Place, choose};
use crate::diagnostic::{Diagnostic, EnrolProblem, ModuleProblem};
use crate::tree::syntax::{Binding, Module, Name, NixFile, Shape, Token, TokenKind, Value, position};

/// What it is called.
pub const FILE: &str = "secrets.nix";

/// Adds `key` to `text`, for the `secrets` if any are named. Its earlier key is replaced.
///
/// # Errors
/// When it is not valid, nothing says which secrets are meant, or the result would not be what was meant.
pub fn add(text: &str, key: &MachineKey, secrets: &[String]) -> Result<Added> {
    let text = replaced(text, key)?;
    let file = File::read(&text).ok_or_else(|| by_hand(key, &[]))?;
    let places = file.places(key);
    let asked = (!secrets.is_empty())
        .then(|| of_secrets(&places, secrets))
        .transpose()?;
    let by_siblings = asked.is_none();
    let chosen = choose(&places, key, asked)?;
    let missing: Vec<usize> = chosen.iter().copied().filter(|&index| !places[index].has_key).collect();
    let titles: Vec<&str> = missing.iter().map(|&index| places[index].title.as_str()).collect();
    let refused = || by_hand(key, &titles);
    let new = if missing.is_empty() {
        text.clone()
    } else {
        let edits = file.edits(key, &missing, by_siblings).ok_or_else(refused)?;
        edited(&text, edits)
    };
    let after = File::read(&new).ok_or_else(refused)?.places(key);
    let is_meant = |index: usize| places[index].has_key || missing.contains(&index);
    let same = after.len() == places.len()
        && after
            .iter()
            .enumerate()
            .all(|(index, place)| place.title == places[index].title && place.has_key == is_meant(index));
    if !same {
        return Err(refused().into());
    }
    let titles = after
        .into_iter()
        .filter(|place| place.has_key)
        .map(|place| place.title)
        .collect();
    Ok(Added { text: new, titles })
}

/// With the key of the machine in the place of the one that it had before.
fn replaced(text: &str, key: &MachineKey) -> Result<String> {
    let file = NixFile::parse(text);
    if let Some((mistake, offset)) = file.mistake() {
        let (line, column) = position(text, offset);
        let file = PathBuf::from(FILE);
        let problem = Diagnostic::from(ModuleProblem::Syntax {
            file: file.clone(),
            mistake,
        });
        return Err(problem.at(file, Some(line), Some(column)).into());
    }
    let mut bindings = file.all_bindings();
    let old = bindings.find_map(|binding| match &binding.value.shape {
        Shape::String(old) if binding.path.last()?.literal() == Some(&key.name) => Some(words(old)),
        _ => None,
    });
    Ok(match old {
        Some(old) if old.starts_with("ssh-") || old.starts_with("age1") => text.replace(&old, &key.ssh),
        _ => text.to_owned(),
    })
}

/// A public key without its comment.
fn words(key: &str) -> String {
    key.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

fn of_secrets(places: &[Place], secrets: &[String]) -> Result<Vec<usize>, EnrolProblem> {
    let index = |secret: &String| {
        let index = places.iter().position(|place| place.title == *secret);
        let places = || places.iter().map(|place| place.title.clone()).collect();
        index.ok_or_else(|| EnrolProblem::NoSuchSecret {
            secret: secret.clone(),
            places: places(),
        })
    };
    secrets.iter().map(index).collect()
}

/// The file, as far as it is written out.
struct File<'a> {
    text: &'a str,
    module: Module,
    /// What the `let`s before the set name, also inside of sets.
    named: Vec<(String, Value)>,
    /// Where the `in` before the set begins.
    inside: Option<usize>,
}

/// What a list of keys has.
#[derive(Default)]
struct Members {
    names: Vec<String>,
    /// Without their comments.
    keys: Vec<String>,
}

/// Names that stand for lists of names, and so on, at most.
const DEEPEST: u32 = 8;

impl<'a> File<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let file = NixFile::parse(text);
        let module = file.module()?;
        let set = module.start - 1;
        let is_before = |token: &Token| token.offset < set && token.kind != TokenKind::Blank && token.text != "rec";
        let last = file.tokens().filter(is_before).last();
        let (mut named, mut end) = (Vec::new(), 0);
        for binding in file.all_bindings().filter(|binding| binding.range.end <= set) {
            if binding.range.start >= end {
                end = binding.range.end;
                flatten("", &binding, &mut named);
            }
        }
        Some(Self {
            text,
            module,
            named,
            inside: last.filter(|token| token.text == "in").map(|token| token.offset),
        })
    }

    /// The secrets, with the values of their `publicKeys`.
    fn secrets(&self) -> Vec<(String, &Value)> {
        let mut found = Vec::new();
        for binding in &self.module.bindings {
            let Some(title) = binding.path.first() else { continue };
            let inner = match &binding.value.shape {
                Shape::Set { bindings, .. } if binding.path.len() == 1 => {
                    bindings.iter().find(|one| one.is("publicKeys"))
                }
                _ => binding
                    .path
                    .get(1)
                    .and_then(Name::literal)
                    .filter(|name| *name == "publicKeys")
                    .map(|_| binding),
            };
            found.extend(inner.map(|inner| (title.text().to_owned(), &inner.value)));
        }
        found
    }

    fn places(&self, key: &MachineKey) -> Vec<Place> {
        let places = self.secrets().into_iter().map(|(title, value)| {
            let mut members = Members::default();
            self.members(value, DEEPEST, &mut members);
            Place {
                title,
                has_key: members.keys.contains(&key.ssh),
                members: members.names,
            }
        });
        places.collect()
    }

    fn members(&self, value: &Value, depth: u32, found: &mut Members) {
        match &value.shape {
            Shape::List(parts) | Shape::Concatenation(parts) => {
                for part in parts {
                    self.members(part, depth, found);
                }
            }
            Shape::String(key) => found.keys.push(words(key)),
            _ => {
                if let Some((name, value)) = self.lookup(value).filter(|_| depth > 0) {
                    if matches!(value.shape, Shape::String(_)) {
                        found.names.push(name.rsplit('.').next().unwrap_or(name).to_owned());
                    }
                    self.members(value, depth - 1, found);
                }
            }
        }
    }

    /// The value of a name.
    fn lookup(&self, value: &Value) -> Option<(&str, &Value)> {
        let written = &self.text[value.range.clone()];
        let found = self.named.iter().find(|(name, _)| name == written);
        found.map(|(name, value)| (name.as_str(), value))
    }

    /// What is inserted so that the secrets at `missing` have the key. `by_siblings`: beside another machine of its host.
    fn edits(&self, key: &MachineKey, missing: &[usize], by_siblings: bool) -> Option<Vec<Edit>> {
        let is_key = |value: &Value| matches!(&value.shape, Shape::String(text) if words(text) == key.ssh);
        let known = self
            .named
            .iter()
            .find(|(_, value)| is_key(value))
            .map(|(name, _)| name.clone());
        let mut edits = Vec::new();
        let name = known.unwrap_or_else(|| {
            edits.push(self.new_name(key));
            key.name.clone()
        });
        let secrets = self.secrets();
        for &index in missing {
            let value = secrets.get(index)?.1;
            let beside = by_siblings.then(|| self.sibling(value, key, DEEPEST)).flatten();
            let edit = match (beside, value.lists().last()) {
                (Some(sibling), _) => self.after(&sibling, &name),
                (None, Some((range, items))) => match items.last() {
                    Some(last) => self.after(&last.range, &name),
                    None => (range.start + 1..range.start + 1, format!(" {name}")),
                },
                (None, None) if self.is_operand(value) => (value.range.end..value.range.end, format!(" ++ [ {name} ]")),
                (None, None) => return None,
            };
            // Several secrets can have the same list.
            if !edits.contains(&edit) {
                edits.push(edit);
            }
        }
        Some(edits)
    }

    /// Where in a list another machine of the same host is.
    fn sibling(&self, value: &Value, key: &MachineKey, depth: u32) -> Option<Range<usize>> {
        match &value.shape {
            Shape::List(parts) | Shape::Concatenation(parts) => {
                let named = |part: &&Value| {
                    let name = self.text[part.range.clone()].rsplit('.').next().unwrap_or_default();
                    matches!(value.shape, Shape::List(_)) && key.is_sibling(name)
                };
                let direct = parts.iter().rfind(named).map(|part| part.range.clone());
                direct.or_else(|| parts.iter().find_map(|part| self.sibling(part, key, depth)))
            }
            _ => self.sibling(self.lookup(value).filter(|_| depth > 0)?.1, key, depth - 1),
        }
    }

    /// Whether `++` can follow.
    fn is_operand(&self, value: &Value) -> bool {
        matches!(value.shape, Shape::Concatenation(_)) || self.lookup(value).is_some()
    }

    /// `name` in a list, after the item at `range`: in a line of its own where that has one.
    fn after(&self, range: &Range<usize>, name: &str) -> Edit {
        let indent = &self.text[line_start(self.text, range.start)..range.start];
        if indent.trim().is_empty() {
            return line_after(self.text, range.end, &format!("{indent}{name}"));
        }
        (range.end..range.end, format!(" {name}"))
    }

    /// The key as a name for the secrets.
    fn new_name(&self, key: &MachineKey) -> Edit {
        let (text, end) = (self.text, line_end(self.text));
        let binding = format!("{} = \"{}\";", key.name, key.ssh);
        let Some(inside) = self.inside else {
            let set = self.module.start - 1;
            let set = text[..set].trim_end().strip_suffix("rec").map_or(set, str::len);
            return (set..set, format!("let{end}  {binding}{end}in{end}"));
        };
        let start = line_start(text, inside);
        let is_first = text[start..inside].trim().is_empty();
        // As the line before it.
        let before = text[..start].trim_end();
        let before = &before[line_start(before, before.len())..];
        let indent = &before[..before.len() - before.trim_start().len()];
        match (is_first, before.trim() == "let") {
            (true, false) => (start..start, format!("{indent}{binding}{end}")),
            (true, true) => (start..start, format!("{indent}  {binding}{end}")),
            (false, _) => (inside..inside, format!("{binding} ")),
        }
    }
}

/// The names that a binding makes.
fn flatten(outer: &str, binding: &Binding, named: &mut Vec<(String, Value)>) {
    let own: Vec<&str> = binding.path.iter().map(Name::text).collect();
    let name = [outer, &own.join(".")].concat();
    if let Shape::Set { bindings, .. } = &binding.value.shape {
        for inner in bindings {
            flatten(&format!("{name}."), inner, named);
        }
    }
    named.push((name, binding.value.clone()));
}

fn by_hand(key: &MachineKey, secrets: &[&str]) -> Diagnostic {
    let mut lines = vec![(
        "in the `let` of secrets.nix:".to_owned(),
        format!("{} = \"{}\";", key.name, key.ssh),
    )];
    for secret in secrets {
        lines.push((format!("in the publicKeys of {secret}:"), key.name.clone()));
    }
    let machine = key.name.clone();
    let why = "The lists of keys are not written out where they can be read without evaluating the file.";
    EnrolProblem::ByHand { machine, why, lines }.into()
}
