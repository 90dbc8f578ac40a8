//! The job that started this program: one line of JSON on stdin, which then stays open as long as the job lives.

use std::io::{BufRead, BufReader, Read, stdin};
use std::thread;

use anyhow::{Context, Result, bail};
use zeroize::Zeroizing;

use super::globals::Globals;
use crate::interrupt::Interrupt;

/// No globalStorage is as long as that.
const LONGEST: u64 = 16 << 20;

/// Reads globalStorage from stdin. When stdin ends later, the job is gone: `interrupt` is raised.
///
/// # Errors
/// When there is no line, or it is not a globalStorage. What the line says is never repeated: it has passphrases.
pub fn greet(interrupt: &Interrupt) -> Result<Globals> {
    let mut reader = BufReader::new(stdin());
    let globals = read(&mut reader)?;
    let interrupt = interrupt.clone();
    thread::spawn(move || {
        let mut rest = [0; 64];
        // More than the one line is of no interest; an error is an end, too.
        while reader.read(&mut rest).is_ok_and(|count| count > 0) {}
        log::debug!("the job of Calamares is gone");
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
        bail!("--calamares takes globalStorage as one line of JSON on stdin; its job in Calamares gives it");
    }
    match serde_json::from_slice(&line) {
        Ok(globals) => Ok(globals),
        // Its words can repeat a value: only the place is told.
        Err(error) => bail!(
            "globalStorage is not in the form that Calamares 3.3 and 3.4 have (column {})",
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
