//! Ctrl-C, SIGTERM, SIGHUP and a caller that went away: one flag, looked at wherever work can stop.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// The exit code of a program that was interrupted.
pub const INTERRUPTED: u8 = 130;

/// A flag that is raised once and stays up. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

/// The error of work that stopped because it was asked to; the process then exits with 130.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

impl Interrupt {
    /// A flag that SIGINT, SIGTERM and SIGHUP raise.
    ///
    /// # Errors
    /// When the handlers cannot be installed.
    pub fn on_signals() -> Result<Self> {
        let flag = Self::default();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&flag.0))
                .with_context(|| format!("Failed to install a handler for signal {signal}"))?;
        }
        Ok(flag)
    }

    /// Raises the flag, as a signal would.
    pub fn raise(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether the flag is up.
    #[must_use]
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Goes on, or stops with [`Interrupted`].
    ///
    /// # Errors
    /// [`Interrupted`] once the flag is up.
    pub fn check(&self) -> Result<()> {
        if self.is_raised() {
            return Err(Interrupted.into());
        }
        Ok(())
    }
}
