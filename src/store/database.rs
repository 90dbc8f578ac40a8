//! Records of the store's database, in the text form of `nix-store --dump-db` and `--load-db` (the same in Nix 2.8, 2.26
//! and 2.34, and in an ISO's nix-path-registration).

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;
use std::str::Lines;

use anyhow::{Context, Result, bail, ensure};

use crate::process::{Invocation, Runner};

/// What the database knows of a store path. `ca`, signatures and `ultimate` are not in this form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The store path.
    pub path: String,
    /// SHA-256 of its NAR, in base 16.
    pub nar_hash: String,
    /// Bytes of its NAR.
    pub nar_size: u64,
    /// The derivation that built it; empty when that is not known.
    pub deriver: String,
    /// The store paths that it refers to, itself included if it does.
    pub references: Vec<String>,
}

/// The records of `roots` and of all that they refer to. Each must be valid in the live system's store.
///
/// # Errors
/// When the store cannot be queried.
pub fn of_closure(runner: &Runner, roots: &[&str]) -> Result<Vec<Record>> {
    let closure = requisites(runner, None, roots)?;
    of_paths(runner, None, &closure.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The store paths of the closures of `roots`, which are valid in the store of the file system at `root`, or in the live system's.
///
/// # Errors
/// When the store cannot be queried.
pub fn requisites(runner: &Runner, root: Option<&Path>, roots: &[&str]) -> Result<BTreeSet<String>> {
    let ask = asking(root).args(["--query", "--requisites"]);
    // Several calls print what their closures share more than once.
    Ok(runner.output_of(&ask, roots)?.lines().map(str::to_owned).collect())
}

/// The records of `paths`, which are valid in the store of the file system at `root`, or in the live system's.
///
/// # Errors
/// When the store cannot be queried.
pub fn of_paths(runner: &Runner, root: Option<&Path>, paths: &[&str]) -> Result<Vec<Record>> {
    parse(&runner.output_of(&asking(root).arg("--dump-db"), paths)?)
}

fn asking(root: Option<&Path>) -> Invocation {
    let ask = Invocation::new("nix-store").quiet();
    match root {
        Some(root) => ask.arg("--store").arg(root),
        None => ask,
    }
}

/// Those of `paths` that are not valid in the store of the file system at `root`, or in the live system's. Querying another
/// store creates its directories and its database.
///
/// # Errors
/// When the store cannot be queried.
pub fn invalid(runner: &Runner, root: Option<&Path>, paths: &[&str]) -> Result<BTreeSet<String>> {
    let ask = asking(root).args(["--check-validity", "--print-invalid"]);
    Ok(runner.output_of(&ask, paths)?.lines().map(str::to_owned).collect())
}

/// Reads records as `nix-store --dump-db` prints them.
///
/// # Errors
/// When the text ends within a record, a number cannot be parsed, or a hash has another form.
pub fn parse(text: &str) -> Result<Vec<Record>> {
    let records = parse_registration(text)?;
    let other = records.iter().find(|record| record.nar_hash.len() != 64);
    match other {
        Some(Record { path, .. }) => bail!("The database's record of {path} has no SHA-256 in base 16"),
        None => Ok(records),
    }
}

/// As [`parse`], with hashes in any form: nixpkgs' closureInfo has them in base 32.
///
/// # Errors
/// As [`parse`].
pub fn parse_registration(text: &str) -> Result<Vec<Record>> {
    let mut lines = text.lines();
    let mut records = Vec::new();
    while let Some(path) = lines.next() {
        let record = read(path, &mut lines).with_context(|| format!("The database's record of {path} is not whole"))?;
        records.push(record);
    }
    Ok(records)
}

fn read(path: &str, lines: &mut Lines<'_>) -> Result<Record> {
    let nar_hash = lines.next().context("no hash")?;
    let nar_size = lines.next().context("no size")?.parse()?;
    let deriver = lines.next().context("no deriver")?;
    let count: usize = lines.next().context("no count of references")?.parse()?;
    let references: Vec<String> = lines.take(count).map(str::to_owned).collect();
    ensure!(references.len() == count, "references are missing");
    Ok(Record {
        path: path.to_owned(),
        nar_hash: nar_hash.to_owned(),
        nar_size,
        deriver: deriver.to_owned(),
        references,
    })
}

/// The text of `records`, for `nix-store --load-db`.
#[must_use]
pub fn print<'a>(records: impl IntoIterator<Item = &'a Record>) -> String {
    let mut text = String::new();
    for record in records {
        let Record {
            path,
            nar_hash,
            nar_size,
            deriver,
            references,
        } = record;
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{path}\n{nar_hash}\n{nar_size}\n{deriver}\n{}", references.len());
        for reference in references {
            text.push_str(reference);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_and_printed_alike() {
        let hash = "0123456789abcdef".repeat(4);
        let text = format!(
            "/nix/store/a\n{hash}\n120\n\n0\n/nix/store/b\n{hash}\n1\n/nix/store/b.drv\n2\n/nix/store/a\n/nix/store/b\n"
        );
        let records = parse(&text).unwrap();
        assert_eq!(records.len(), 2);
        assert_eq!(records[1].references, ["/nix/store/a", "/nix/store/b"]);
        assert_eq!(print(&records), text);
        let cut = text.trim_end().rsplit_once('\n').unwrap().0;
        assert!(parse(cut).unwrap_err().to_string().contains("/nix/store/b"));
    }
}
