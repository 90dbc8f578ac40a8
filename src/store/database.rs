//! Records of the store's database, in the text form of `nix-store --dump-db` and `--load-db` (the same in Nix 2.8, 2.26
//! and 2.34, and in an ISO's nix-path-registration).

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;
use std::str::Lines;

use anyhow::{Context, Result, ensure};

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
    let ask = |what: &[&str], paths: &[&str]| {
        let invocation = Invocation::new("nix-store").args(what.iter().copied()).quiet();
        runner.output_of(&invocation, paths)
    };
    let closure = ask(&["--query", "--requisites"], roots)?;
    // Several calls print what their closures share more than once.
    let closure: BTreeSet<&str> = closure.lines().collect();
    let dump = ask(&["--dump-db"], &closure.into_iter().collect::<Vec<_>>())?;
    parse(&dump)
}

/// The records of `paths`, which are valid in the store of the file system at `root`.
///
/// # Errors
/// When the store cannot be queried.
pub fn of_paths(runner: &Runner, root: &Path, paths: &[&str]) -> Result<Vec<Record>> {
    let ask = Invocation::new("nix-store").arg("--store").arg(root).arg("--dump-db");
    parse(&runner.output_of(&ask.quiet(), paths)?)
}

/// Those of `paths` that are not valid in the store of the file system at `root`, or in the live system's. Querying another
/// store creates its directories and its database.
///
/// # Errors
/// When the store cannot be queried.
pub fn invalid(runner: &Runner, root: Option<&Path>, paths: &[&str]) -> Result<BTreeSet<String>> {
    let mut ask = Invocation::new("nix-store")
        .args(["--check-validity", "--print-invalid"])
        .quiet();
    if let Some(root) = root {
        ask = ask.arg("--store").arg(root);
    }
    Ok(runner.output_of(&ask, paths)?.lines().map(str::to_owned).collect())
}

/// Reads records.
///
/// # Errors
/// When the text ends within a record, or a number cannot be parsed.
pub fn parse(text: &str) -> Result<Vec<Record>> {
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
    ensure!(nar_hash.len() == 64, "its hash is not a SHA-256 in base 16");
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
