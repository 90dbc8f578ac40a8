//! Lines that a person types, and the signals meanwhile.

use std::io::{self, BufRead, stdin};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::interrupt::Interrupt;

/// The lines of stdin. A read of a terminal goes on after a signal whose handler only raises a flag, so another thread reads.
pub struct TypedLines {
    lines: Receiver<io::Result<Vec<u8>>>,
    interrupt: Interrupt,
}

impl TypedLines {
    /// `interrupt` ends the wait for a line.
    pub fn of_stdin(interrupt: Interrupt) -> Self {
        let (sender, lines) = channel();
        thread::spawn(move || {
            loop {
                let mut line = Vec::new();
                let read = stdin().lock().read_until(b'\n', &mut line);
                let is_end = matches!(read, Ok(0) | Err(_));
                if matches!(read, Ok(0)) || sender.send(read.map(|_| line)).is_err() || is_end {
                    return;
                }
            }
        });
        Self { lines, interrupt }
    }

    /// The next line, with its end; `None` at the end of the input.
    ///
    /// # Errors
    /// [`Interrupted`](crate::interrupt::Interrupted), and errors of the terminal.
    pub fn next(&self) -> Result<Option<Vec<u8>>> {
        loop {
            match self.lines.recv_timeout(Duration::from_millis(50)) {
                Ok(line) => return line.map(Some).context("Failed to read the answer"),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => self.interrupt.check()?,
            }
        }
    }
}
