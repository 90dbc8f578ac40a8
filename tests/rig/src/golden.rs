//! Texts that a person has looked at, one file each, in tests/golden. `SNAPSHOTS=overwrite` writes them again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use snapbox::{Assert, Data, assert::DEFAULT_ACTION_ENV};

use crate::project;

/// The directory of the texts of one test.
pub fn directory(name: &str) -> PathBuf {
    project().join("tests/golden").join(name)
}

/// What differs between `texts`, by file name, and the files of the directory `name`; a file without a text differs as well.
pub fn differences(name: &str, texts: &BTreeMap<String, String>) -> Vec<String> {
    let directory = directory(name);
    let assert = Assert::new().action_env(DEFAULT_ACTION_ENV);
    let mut differences = Vec::new();
    for (file, text) in texts {
        // Raw: no text is a pattern.
        let expected = Data::read_from(&directory.join(file), None).raw();
        if let Err(difference) = assert.try_eq(None, Data::text(text), expected) {
            differences.push(difference.to_string());
        }
    }
    let files: BTreeSet<String> = directory
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let unused = files.iter().filter(|file| !texts.contains_key(*file));
    differences.extend(unused.map(|file| format!("Nothing gives the text of {}", directory.join(file).display())));
    differences
}
