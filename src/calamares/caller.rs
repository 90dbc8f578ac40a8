//! The job of Calamares that started this program writes one line of JSON to its stdin, and keeps that open while it runs.

use std::io::{BufRead, BufReader, Read, stdin};
use std::thread;

use anyhow::{Context, Result, bail};
use zeroize::Zeroizing;

use super::globals::Globals;
use crate::interrupt::Interrupt;

/// No globalStorage is this long, in bytes.
const LONGEST: u64 = 16 << 20;

/// Reads globalStorage from stdin. Raises `interrupt` when stdin ends later, because then the job has ended.
///
/// # Errors
/// When there is no line, or it is not a globalStorage. The error never quotes the line, which contains passphrases.
pub fn read_globals(interrupt: &Interrupt) -> Result<Globals> {
    let mut reader = BufReader::new(stdin());
    let globals = read(&mut reader)?;
    let interrupt = interrupt.clone();
    thread::spawn(move || {
        let mut rest = [0; 64];
        // Anything after the first line is ignored, and an error is an end as well.
        while reader.read(&mut rest).is_ok_and(|count| count > 0) {}
        log::debug!("the job of Calamares has ended");
        interrupt.raise();
    });
    Ok(globals)
}

fn read(reader: &mut impl BufRead) -> Result<Globals> {
    let mut line = Zeroizing::new(Vec::new());
    reader
        .take(LONGEST)
        .read_until(b'\n', &mut line)
        .context("Failed to read globalStorage from stdin")?;
    if !line.ends_with(b"\n") {
        bail!("--calamares reads globalStorage from stdin, as one line of JSON that the job in Calamares writes");
    }
    match serde_json::from_slice(&line) {
        Ok(globals) => Ok(globals),
        // The message of the error can quote a value, so only the position is shown.
        Err(error) => bail!(
            "globalStorage does not have the form that Calamares 3.3 and 3.4 give it (column {})",
            error.column()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_no_global_storage_is_refused_without_repeating_it() {
        for line in ["", "{}", "{\"partitions\": \"secret\"}\n", "secret\n"] {
            let error = format!("{:#}", read(&mut line.as_bytes()).unwrap_err());
            assert!(!error.contains("secret"), "{error}");
        }
        read(&mut "{\"anything\": 1}\nmore".as_bytes()).unwrap();
    }
}
