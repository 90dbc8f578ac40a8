//! One run at a time on one target, and no program of a killed run still at work.

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::target::Target;
use crate::diagnostic::TargetProblem;

/// Where the locks are: in memory, so that they are gone after a restart and nothing is written to the target.
pub const LOCKS: &str = "/run/nix-cfg-install";

/// How long the programs of a killed run may take to go away.
const PATIENCE: Duration = Duration::from_secs(20);

/// Held as long as this value, or any program that inherited the file, lives.
#[derive(Debug)]
pub struct TargetLock(Flock<File>);

impl TargetLock {
    /// Takes the lock of the directory that `target` is, whatever its name; `locks` is where the lock files are ([`LOCKS`]);
    /// `shown` is the target's name in messages. Programs that a killed run left behind are ended first.
    ///
    /// # Errors
    /// [`TargetProblem::Busy`] when another run is at work on it.
    pub fn take(target: &Target, shown: &Path, locks: &Path) -> Result<Self> {
        let meta = fs::metadata(target.root()).context("Failed to read the target")?;
        Self::take_file(locks, &format!("target-{}-{}", meta.dev(), meta.ino()), shown)
    }

    /// Takes the lock of the machine's disks: one layout for disko is made at a time, whatever its target and its disks.
    ///
    /// # Errors
    /// As [`TargetLock::take`].
    pub fn of_disks(locks: &Path) -> Result<Self> {
        Self::take_file(locks, "disks", Path::new("/dev"))
    }

    fn take_file(locks: &Path, name: &str, target: &Path) -> Result<Self> {
        let path = locks.join(name);
        fs::create_dir_all(locks).with_context(|| format!("Failed to make {}", locks.display()))?;
        let began = Instant::now();
        loop {
            let mut file = File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
                .with_context(|| format!("Failed to open {}", path.display()))?;
            let mut owner = String::new();
            // Bytes that are not UTF-8 name no owner.
            drop(file.read_to_string(&mut owner));
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(mut lock) => {
                    write_owner(&mut lock).with_context(|| format!("Failed to write {}", path.display()))?;
                    return Ok(Self(lock));
                }
                Err(_) if !is_alive(&owner) && began.elapsed() < PATIENCE => {
                    end_holders(&path);
                    std::thread::sleep(Duration::from_millis(100));
                }
                Err(_) => {
                    let (root, process) = (target.to_owned(), owner.trim().to_owned());
                    return Err(TargetProblem::Busy { root, process }.into());
                }
            }
        }
    }

    /// The file, for programs to inherit.
    pub fn file(&self) -> Result<File> {
        self.0.try_clone().context("Failed to share the lock")
    }
}

fn write_owner(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    // Programs get this file as their stdin: they must find its end and not the number.
    write!(file, "{}", std::process::id())
}

fn is_alive(owner: &str) -> bool {
    owner
        .trim()
        .parse::<i32>()
        .is_ok_and(|pid| kill(Pid::from_raw(pid), None).is_ok())
}

/// Kills the programs that have the lock open: what a killed run had started. Other runs wait for it as this one does.
fn end_holders(path: &PathBuf) {
    let own = fs::read_link("/proc/self/exe").ok();
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        if fs::read_link(process.path().join("exe")).ok() == own {
            continue;
        }
        let files = fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten();
        let holds = files
            .into_iter()
            .any(|file| fs::read_link(file.path()).is_ok_and(|open| &open == path));
        let pid = process
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
            .map(Pid::from_raw);
        if let (true, Some(pid)) = (holds, pid) {
            log::debug!("ending process {pid}, which a killed run left behind");
            // It may have ended by itself.
            let _ = kill(pid, Signal::SIGKILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_on_the_same_target_is_refused_while_the_first_lives() {
        let directory = tempfile::tempdir().unwrap();
        let target = Target::new(directory.path());
        let locks = directory.path().join("run");
        let take = |target: &Target| TargetLock::take(target, target.root(), &locks);
        let first = take(&target).unwrap();
        let error = take(&Target::new(directory.path().join("."))).unwrap_err().to_string();
        assert!(
            error.contains(&format!("process number is {}", std::process::id())),
            "{error}"
        );
        drop(first);
        take(&target).unwrap();
    }
}
