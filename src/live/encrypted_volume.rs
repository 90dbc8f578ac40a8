//! Encrypted volumes (LUKS) of an installed system, opened by cryptsetup.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use anyhow::Result;
use secrecy::{ExposeSecret, SecretString};

use crate::process::{Finished, Invocation, Runner};

/// Where open volumes are.
pub const MAPPINGS: &str = "/dev/mapper";

/// Whether cryptsetup has `finished` with the passphrase that it was given; with another one it does not.
///
/// # Errors
/// What else it says.
pub fn has_opened(finished: Finished) -> Result<bool> {
    /// Its exit code (2.6 to 2.8) for a passphrase that opens none of the slots.
    const OTHER_PASSPHRASE: i32 = 2;
    if finished.status.code() == Some(OTHER_PASSPHRASE) {
        return Ok(false);
    }
    finished.success().map(|_| true)
}

/// An open volume. It is closed with this value, unless it is kept.
pub struct OpenVolume {
    runner: Runner,
    device: PathBuf,
    name: String,
    is_kept: Cell<bool>,
}

impl OpenVolume {
    /// Opens the volume on `device` under `name`. `None`: with another passphrase.
    ///
    /// # Errors
    /// What cryptsetup says.
    pub fn open(runner: &Runner, device: &Path, name: &str, passphrase: &SecretString) -> Result<Option<Self>> {
        let open = Invocation::new("cryptsetup").args(["--batch-mode", "--key-file", "-", "open"]);
        let open = open
            .arg(device)
            .arg(name)
            .stdin(passphrase.expose_secret().as_bytes().to_vec());
        Ok(has_opened(runner.run(&open, &mut |_, _| {})?)?.then(|| Self {
            runner: runner.for_cleanup(),
            device: device.to_owned(),
            name: name.to_owned(),
            is_kept: Cell::default(),
        }))
    }

    /// What is in it.
    #[must_use]
    pub fn inside(&self) -> PathBuf {
        Path::new(MAPPINGS).join(&self.name)
    }

    /// The same under another name.
    ///
    /// # Errors
    /// What cryptsetup says.
    pub fn rename(&mut self, name: &str, passphrase: &SecretString) -> Result<()> {
        if let Some(renamed) = self
            .close()
            .and_then(|()| Self::open(&self.runner, &self.device, name, passphrase))?
        {
            // What it was is closed.
            std::mem::replace(self, renamed).keep();
        }
        Ok(())
    }

    /// Lets it stay open.
    pub fn keep(&self) {
        self.is_kept.set(true);
    }

    fn close(&self) -> Result<()> {
        let close = Invocation::new("cryptsetup").args(["close", &self.name]);
        self.runner.output(&close).map(drop)
    }
}

impl Drop for OpenVolume {
    fn drop(&mut self) {
        if !self.is_kept.get()
            && let Err(error) = self.close()
        {
            // The next run finds it open.
            log::warn!("{error:#}");
        }
    }
}
