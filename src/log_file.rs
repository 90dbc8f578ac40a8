//! The log of a run: held in memory until it may be written, then in a file, and never with a secret in it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use anyhow::{Context, Result};
use log::{LevelFilter, Log, Metadata, Record};

/// What is kept in memory while there is no file. A run that never gets one ends long before.
const MEMORY_LIMIT: usize = 8 << 20;

/// Now, as a part of the names of files.
#[must_use]
pub fn stamp() -> String {
    let now = humantime::format_rfc3339_seconds(SystemTime::now());
    now.to_string().replace(':', "-")
}

/// Where the lines go. Clones share it.
#[derive(Clone)]
pub struct LogFile(Arc<Mutex<Sink>>);

struct Sink {
    began: Instant,
    memory: Vec<u8>,
    files: Vec<(PathBuf, File)>,
}

impl Default for LogFile {
    fn default() -> Self {
        let mut memory = Vec::new();
        let now = humantime::format_rfc3339_seconds(SystemTime::now());
        let version = env!("CARGO_PKG_VERSION");
        // Writing to memory cannot fail.
        drop(writeln!(
            memory,
            "nix-cfg-install {version}, started {now}; each line begins with the seconds since then"
        ));
        Self(Arc::new(Mutex::new(Sink {
            began: Instant::now(),
            memory,
            files: Vec::new(),
        })))
    }
}

impl LogFile {
    fn sink(&self) -> MutexGuard<'_, Sink> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what was logged so far to `path` too, and goes on there. The file is created with mode 0600, in directories made
    /// as needed. One that is written already is left alone.
    ///
    /// # Errors
    /// When the file cannot be created or written. The log then goes on where it was.
    pub fn also_to(&self, path: &Path) -> Result<()> {
        let what = || format!("Failed to write the log to {}", path.display());
        // An update writes to the target's from the beginning.
        if self.sink().files.iter().any(|(known, _)| known == path) {
            return Ok(());
        }
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).with_context(what)?;
        }
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)
            .with_context(what)?;
        let mut sink = self.sink();
        file.write_all(&sink.memory).with_context(what)?;
        sink.files.push((path.to_owned(), file));
        Ok(())
    }

    /// What was logged so far, at most [`MEMORY_LIMIT`] bytes.
    #[must_use]
    pub fn text(&self) -> Vec<u8> {
        self.sink().memory.clone()
    }

    /// The file that was named last: after the check, the one on the target.
    #[must_use]
    pub fn path(&self) -> Option<PathBuf> {
        self.sink().files.last().map(|(path, _)| path.clone())
    }

    /// The file that was named first: the live system's, which is there also when the target is unmounted.
    #[must_use]
    pub fn live_path(&self) -> Option<PathBuf> {
        self.sink().files.first().map(|(path, _)| path.clone())
    }

    fn write(&self, text: &str) {
        let mut sink = self.sink();
        let seconds = sink.began.elapsed().as_secs_f64();
        let line = format!("{seconds:9.3} {text}\n");
        if sink.memory.len() < MEMORY_LIMIT {
            sink.memory.extend_from_slice(line.as_bytes());
        }
        sink.files.retain_mut(|(path, file)| {
            let written = file.write_all(line.as_bytes());
            if let Err(error) = &written {
                // Said once, on the terminal: the log cannot carry it any more.
                drop(writeln!(
                    io::stderr(),
                    "The log {} cannot be written any more: {error}",
                    path.display()
                ));
            }
            written.is_ok()
        });
    }
}

/// Both ends of the `log` crate's macros: the terminal shows what `-v` asks for, the log file has everything.
struct Both {
    terminal: env_logger::Logger,
    file: LogFile,
}

impl Log for Both {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= LevelFilter::Debug || self.terminal.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.terminal.matches(record) {
            self.terminal.log(record);
        }
        if record.level() <= LevelFilter::Debug {
            self.file.write(&record.args().to_string());
        }
    }

    fn flush(&self) {}
}

/// Sends the `log` crate's macros to stderr (`-v` once: debug, twice: trace) and to `file` (debug and above, always).
/// Call it once, first thing.
///
/// # Errors
/// When a logger is already set.
pub fn init_logging(verbosity: u8, file: LogFile) -> Result<()> {
    let level = match verbosity {
        0 => LevelFilter::Warn,
        1 => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    };
    let terminal = env_logger::Builder::new()
        .filter_level(level)
        .format(|out, record| writeln!(out, "{}", record.args()))
        .build();
    log::set_boxed_logger(Box::new(Both { terminal, file })).context("Failed to set up logging")?;
    log::set_max_level(level.max(LevelFilter::Debug));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_keeps_what_was_written_before_it_had_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let log = LogFile::default();
        log.write("early");
        let path = directory.path().join("deep/run.log");
        log.also_to(&path).unwrap();
        // Each line is there once, however often the file is named.
        log.also_to(&path).unwrap();
        log.write("late");
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines[1].ends_with(" early") && lines[2].ends_with(" late"), "{text}");
    }
}
