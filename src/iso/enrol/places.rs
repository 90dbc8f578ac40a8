//! For which secrets a machine gets the key: those of the machines that were installed as the same host. Nobody gets more by a guess.

use std::collections::{BTreeMap, BTreeSet};

use super::machine_key::MachineKey;
use crate::diagnostic::EnrolProblem;

/// Secrets that are encrypted for the same keys: a creation rule of sops, or a file of agenix.
pub struct Place {
    /// Its `path_regex`, or its name.
    pub title: String,
    /// The names of the keys in it, as far as they have names.
    pub members: Vec<String>,
    /// Whether the key is in it.
    pub has_key: bool,
}

/// The indices of those that `key` is to be in. `named`: those that the person named, if any.
///
/// # Errors
/// When nothing says which.
pub fn choose(places: &[Place], key: &MachineKey, named: Option<Vec<usize>>) -> Result<Vec<usize>, EnrolProblem> {
    if let Some(named) = named {
        return Ok(named);
    }
    let those = |fits: &dyn Fn(&Place) -> bool| -> Vec<usize> {
        let fitting = places.iter().enumerate().filter(|(_, place)| fits(place));
        fitting.map(|(index, _)| index).collect()
    };
    let which = |alike| EnrolProblem::Which {
        machine: key.name.clone(),
        host: key.host.clone(),
        places: places.iter().map(|place| place.title.clone()).collect(),
        alike,
    };
    let is_of_host = |member: &String| *member == key.host && key.is_sibling(member);
    let certain: [&dyn Fn(&Place) -> bool; 2] = [&|place| place.has_key, &|place| place.members.iter().any(is_of_host)];
    let found = certain.iter().map(|way| those(way)).find(|found| !found.is_empty());
    if let Some(found) = found {
        return Ok(found);
    }
    // `HOST_X` can also be another host in a configuration with names of a person's own.
    let siblings = siblings(places, key);
    let mut sets: Vec<&Vec<usize>> = siblings.values().collect();
    sets.dedup();
    match sets.as_slice() {
        [] => {}
        [same] => return Ok((*same).clone()),
        _ => {
            let titles = |set: &Vec<usize>| set.iter().map(|&index| places[index].title.clone()).collect::<Vec<_>>();
            let alike = siblings
                .iter()
                .map(|(name, set)| format!("{name} in {}", titles(set).join(", ")));
            return Err(which(alike.collect()));
        }
    }
    let likely: [&dyn Fn(&Place) -> bool; 2] = [&|_| places.len() == 1, &|place| has_word(&place.title, &key.host)];
    let found = likely.iter().map(|way| those(way)).find(|found| !found.is_empty());
    found.ok_or_else(|| which(Vec::new()))
}

/// The indices of the places that each machine of the same host is in, by its name.
fn siblings<'a>(places: &'a [Place], key: &MachineKey) -> BTreeMap<&'a str, Vec<usize>> {
    let mut siblings: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, place) in places.iter().enumerate() {
        let named: BTreeSet<&String> = place.members.iter().filter(|member| key.is_sibling(member)).collect();
        for member in named {
            siblings.entry(member).or_default().push(index);
        }
    }
    siblings
}

/// Whether `text` has `word`, and not as a part of a longer one.
fn has_word(text: &str, word: &str) -> bool {
    let mut words = text.split(|char: char| !char.is_ascii_alphanumeric() && char != '_' && char != '-');
    words.any(|one| one == word)
}
