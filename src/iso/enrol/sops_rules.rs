//! `.sops.yaml`: a key among those that it names, and in its creation rules. How sops reads it: 3.11, config/config.go.

use anyhow::Result;
use regex_lite::Regex;
use serde_yaml::Value;

use super::edits::{Added, Edit, edited, line_after, line_end, line_start};
use super::machine_key::MachineKey;
use super::places::{Place, choose};
use super::yaml_outline::{Node, Shape};
use crate::diagnostic::EnrolProblem;

/// What it is called.
pub const FILE: &str = ".sops.yaml";

/// Adds `key` to `text`, for the rules of the files `secrets` if any are named. Its earlier key is replaced.
///
/// # Errors
/// When it is not valid, nothing says which rules are meant, or the result would not be what was meant.
pub fn add(text: &str, key: &MachineKey, secrets: &[String]) -> Result<Added> {
    let Some(recipient) = key.recipient.as_deref() else {
        let machine = key.name.clone();
        return Err(EnrolProblem::NotEd25519 { machine }.into());
    };
    let text = renewed(text, key, recipient)?;
    let (root, before) = (outline(&text)?, value(&text)?);
    let named = named(&root);
    let rules = rules(&before);
    let mut places: Vec<Place> = rules.iter().map(|rule| place(rule, recipient, &named)).collect();
    let asked = (!secrets.is_empty()).then(|| of_secrets(&rules, secrets)).transpose()?;
    let mut missing = choose(&places, key, asked)?;
    missing.retain(|&index| !places[index].has_key);
    let titles: Vec<String> = missing.iter().map(|&index| places[index].title.clone()).collect();
    let refused = |why| by_hand(key, recipient, why, &titles);
    let anchor = named.iter().find(|(value, _)| *value == recipient);
    let anchor = anchor.map(|(_, name)| *name);
    let edits = edits(&text, &root, &missing, (anchor, &key.name, recipient)).map_err(refused)?;
    let new = edited(&text, edits);
    for &index in &missing {
        places[index].has_key = true;
    }
    let after = value(&new).map_err(|_| refused(NOT_AS_MEANT))?;
    let has_key = |rule: &Value| recipients(rule).iter().any(|one| one == recipient);
    if without(&before, recipient) != without(&after, recipient)
        || !self::rules(&after)
            .iter()
            .map(has_key)
            .eq(places.iter().map(|place| place.has_key))
    {
        return Err(refused(NOT_AS_MEANT).into());
    }
    let titles = places
        .into_iter()
        .filter(|place| place.has_key)
        .map(|place| place.title);
    Ok(Added {
        text: new,
        titles: titles.collect(),
    })
}

/// With the key of the machine in the place of the one that it had before.
fn renewed(text: &str, key: &MachineKey, recipient: &str) -> Result<String> {
    let root = outline(text)?;
    let own = root
        .all()
        .into_iter()
        .find(|node| node.anchor.as_ref() == Some(&key.name));
    match own.map(|node| &node.shape) {
        None => Ok(text.to_owned()),
        Some(Shape::Scalar(old)) if old.starts_with("age1") => Ok(text.replace(old.as_str(), recipient)),
        Some(_) => Err(by_hand(key, recipient, "Something else has this name in the file.", &[]).into()),
    }
}

/// The values that have anchors, and these.
fn named(root: &Node) -> Vec<(&str, &str)> {
    let named = root
        .all()
        .into_iter()
        .filter_map(|node| match (&node.shape, &node.anchor) {
            (Shape::Scalar(value), Some(name)) => Some((value.as_str(), name.as_str())),
            _ => None,
        });
    named.collect()
}

const NOT_AS_MEANT: &str = "The lists of keys are written in a way that other parts of the file depend on.";

/// The indices of the rules, by the titles of [`add`], that these files have: relative to the directory of `text`.
pub fn files_of<'a>(text: &str, titles: &[String], files: &'a [String]) -> Vec<&'a str> {
    let Ok(value) = value(text) else { return Vec::new() };
    let rules = rules(&value);
    let has = |file: &&String| {
        let rule = rules.iter().find(|rule| fits(rule, file).unwrap_or(false));
        rule.is_some_and(|rule| titles.contains(&title(rule)))
    };
    files.iter().filter(has).map(String::as_str).collect()
}

fn outline(text: &str) -> Result<Node, EnrolProblem> {
    match Node::of(text) {
        Ok(Some(node)) => Ok(node),
        Ok(None) => Err(invalid("It is empty.")),
        Err(error) => Err(invalid(&error.to_string())),
    }
}

fn value(text: &str) -> Result<Value, EnrolProblem> {
    let what = |error: serde_yaml::Error| invalid(&error.to_string());
    let mut value: Value = serde_yaml::from_str(text).map_err(what)?;
    // As sops sees it: a key of its own in a rule would replace those that the rule has from elsewhere (`<<: *team`).
    value.apply_merge().map_err(what)?;
    Ok(value)
}

fn invalid(error: &str) -> EnrolProblem {
    let error = error.to_owned();
    EnrolProblem::Invalid { error }
}

fn rules(file: &Value) -> Vec<Value> {
    let rules = file.get("creation_rules").and_then(Value::as_sequence);
    rules.cloned().unwrap_or_default()
}

fn title(rule: &Value) -> String {
    let regex = rule.get("path_regex").and_then(Value::as_str);
    regex.unwrap_or("(all files)").to_owned()
}

fn place(rule: &Value, recipient: &str, named: &[(&str, &str)]) -> Place {
    let all = recipients(rule);
    let name = |one: &String| {
        named
            .iter()
            .find(|(value, _)| value == one)
            .map(|(_, name)| (*name).to_owned())
    };
    Place {
        title: title(rule),
        members: all.iter().filter_map(name).collect(),
        has_key: all.iter().any(|one| one == recipient),
    }
}

/// The age recipients of a rule.
fn recipients(rule: &Value) -> Vec<String> {
    let groups = rule.get("key_groups").and_then(Value::as_sequence);
    match groups.map(Vec::as_slice) {
        None | Some([]) => rule.get("age").map(listed).unwrap_or_default(),
        Some(groups) => groups
            .iter()
            .filter_map(|group| group.get("age"))
            .flat_map(listed)
            .collect(),
    }
}

/// Recipients as a list, or in one string.
fn listed(age: &Value) -> Vec<String> {
    let texts: Vec<&str> = match age {
        Value::Sequence(items) => items.iter().filter_map(Value::as_str).collect(),
        other => other.as_str().into_iter().collect(),
    };
    let parts = texts.iter().flat_map(|text| text.split(','));
    parts
        .map(|part| part.trim().to_owned())
        .filter(|part| !part.is_empty())
        .collect()
}

/// Whether the rule is for `file`, if no earlier one is.
fn fits(rule: &Value, file: &str) -> Result<bool, EnrolProblem> {
    let Some(regex) = rule
        .get("path_regex")
        .and_then(Value::as_str)
        .filter(|regex| !regex.is_empty())
    else {
        return Ok(true);
    };
    let parsed = Regex::new(regex).map_err(|error| EnrolProblem::Regex {
        regex: regex.to_owned(),
        error: error.to_string(),
    });
    Ok(parsed?.is_match(file))
}

fn of_secrets(rules: &[Value], secrets: &[String]) -> Result<Vec<usize>, EnrolProblem> {
    let mut found = Vec::new();
    for secret in secrets {
        let mut index = None;
        for (one, rule) in rules.iter().enumerate() {
            if index.is_none() && fits(rule, secret)? {
                index = Some(one);
            }
        }
        let (secret, places) = (secret.clone(), rules.iter().map(title).collect());
        found.push(index.ok_or(EnrolProblem::NoSuchSecret { secret, places })?);
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// What is inserted so that the rules have the key, which has the anchor `known`, or gets the anchor `name`. `Err` with why not.
fn edits(
    text: &str,
    root: &Node,
    missing: &[usize],
    (known, name, recipient): (Option<&str>, &str, &str),
) -> Result<Vec<Edit>, &'static str> {
    let mut edits = Vec::new();
    if missing.is_empty() {
        return Ok(edits);
    }
    let is_listed = root.get("keys").is_some_and(|keys| {
        let mut all = keys.all().into_iter();
        all.any(|node| matches!(&node.shape, Shape::Scalar(value) if value == recipient))
    });
    let anchor = match known {
        Some(anchor) => Some(anchor),
        None if is_listed => None,
        None => {
            edits.push(new_key(text, root, &format!("&{name} {recipient}"))?);
            Some(name)
        }
    };
    let at = root
        .all()
        .into_iter()
        .find(|node| node.anchor.as_deref() == anchor && anchor.is_some());
    let at = at
        .map(|node| node.range.start)
        .or(edits.first().map(|(range, _)| range.start));
    let rules = root.get("creation_rules").map(Node::items).unwrap_or_default();
    for &index in missing {
        let rule = rules.get(index).ok_or(NOT_AS_MEANT)?;
        // An anchor is known after the place where it is.
        let anchor = anchor.filter(|_| at.is_some_and(|at| at < rule.range.start));
        edits.push(in_rule(text, rule, (anchor, recipient))?);
    }
    Ok(edits)
}

/// The new entry of `keys`.
fn new_key(text: &str, root: &Node, entry: &str) -> Result<Edit, &'static str> {
    match (root.get("keys"), &root.shape) {
        (Some(keys), _) => appended(text, keys, entry).ok_or("`keys` is no list, or an empty one."),
        (None, Shape::Mapping { flow: false, entries }) => {
            let first = entries.first().map_or(0, |(key, _)| key.range.start);
            let end = line_end(text);
            Ok((first..first, format!("keys:{end}  - {entry}{end}")))
        }
        _ => Err("The file is written in one pair of braces."),
    }
}

/// The key in a creation rule: by its anchor, or as it is.
fn in_rule(text: &str, rule: &Node, (anchor, recipient): (Option<&str>, &str)) -> Result<Edit, &'static str> {
    let item = anchor.map_or_else(|| recipient.to_owned(), |anchor| format!("*{anchor}"));
    let groups = rule.get("key_groups").map(Node::items).unwrap_or_default();
    let holder = match groups {
        [] => rule,
        [group] => group,
        _ => return Err("The rule has several key groups, each of which has a part of the secret."),
    };
    let Shape::Mapping { flow, entries } = &holder.shape else {
        return Err(NOT_AS_MEANT);
    };
    let edit = match holder.get("age") {
        Some(list) if matches!(list.shape, Shape::Sequence { .. }) => appended(text, list, &item),
        Some(Node {
            shape: Shape::Scalar(value),
            range,
            ..
        }) if !value.trim().is_empty() => {
            let end = range.end - usize::from(text[range.clone()].ends_with(['"', '\'']));
            let comma = if value.trim_end().ends_with(',') { "" } else { "," };
            Some((end..end, format!("{comma}{recipient}")))
        }
        Some(_) => None,
        None => entries.first().zip(entries.last()).map(|((first, _), (_, last))| {
            let at = first.range.start;
            // Before 3.10, sops takes a list only in a group.
            let age = if groups.is_empty() {
                format!("age: {recipient}")
            } else {
                format!("age: [{item}]")
            };
            if *flow {
                return (at..at, format!("{age}, "));
            }
            let column = text[line_start(text, at)..at].chars().count();
            line_after(text, last.range.end, &format!("{}{age}", " ".repeat(column)))
        }),
    };
    edit.ok_or(NOT_AS_MEANT)
}

/// `item` at the end of a list.
fn appended(text: &str, sequence: &Node, item: &str) -> Option<Edit> {
    let Shape::Sequence { flow, items } = &sequence.shape else {
        return None;
    };
    match (items.first().zip(items.last()), flow) {
        (None, _) => Some((sequence.range.end - 1..sequence.range.end - 1, item.to_owned())),
        (Some((_, last)), true) => Some((last.range.end..last.range.end, format!(", {item}"))),
        (Some((first, last)), false) => {
            let before = &text[line_start(text, first.range.start)..first.range.start];
            let dash = before.trim_end().strip_suffix('-')?;
            let indent = " ".repeat(dash.chars().count());
            Some(line_after(text, last.range.end, &format!("{indent}- {item}")))
        }
    }
}

/// The file without `recipient`, and with all lists of recipients in one form.
fn without(value: &Value, recipient: &str) -> Value {
    match value {
        Value::Mapping(entries) => {
            let kept = entries.iter().filter_map(|(key, value)| {
                let value = match key.as_str() {
                    Some("age") => listed(value).into_iter().map(Value::from).collect(),
                    _ => value.clone(),
                };
                let value = without(&value, recipient);
                let is_gone = matches!(key.as_str(), Some("age" | "keys")) && value == Value::Sequence(Vec::new());
                (!is_gone).then(|| (key.clone(), value))
            });
            Value::Mapping(kept.collect())
        }
        Value::Sequence(items) => {
            let items = items.iter().filter(|item| item.as_str() != Some(recipient));
            items.map(|item| without(item, recipient)).collect()
        }
        other => other.clone(),
    }
}

fn by_hand(key: &MachineKey, recipient: &str, why: &'static str, rules: &[String]) -> EnrolProblem {
    let (machine, mut lines) = (key.name.clone(), Vec::new());
    lines.push((
        "below `keys:` in .sops.yaml:".to_owned(),
        format!("- &{machine} {recipient}"),
    ));
    for rule in rules {
        lines.push((format!("below `age:` of the rule {rule}:"), format!("- *{machine}")));
    }
    EnrolProblem::ByHand { machine, why, lines }
}
