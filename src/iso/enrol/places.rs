//! For which secrets a machine gets the key: those of the machines that were installed as the same host. Nobody gets more by a guess.

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
    let ways: [&dyn Fn(&Place) -> bool; 4] = [
        &|place| place.has_key,
        &|place| place.members.iter().any(|member| key.is_sibling(member)),
        &|_| places.len() == 1,
        &|place| has_word(&place.title, &key.host),
    ];
    let found = ways.iter().map(|way| those(way)).find(|found| !found.is_empty());
    found.ok_or_else(|| EnrolProblem::Which {
        machine: key.name.clone(),
        host: key.host.clone(),
        places: places.iter().map(|place| place.title.clone()).collect(),
    })
}

/// Whether `text` has `word`, and not as a part of a longer one.
fn has_word(text: &str, word: &str) -> bool {
    let mut words = text.split(|char: char| !char.is_ascii_alphanumeric() && char != '_' && char != '-');
    words.any(|one| one == word)
}
