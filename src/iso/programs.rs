//! The programs that travel with the emitted flake: those that stand beside the running one.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::diagnostic::Diagnostic;

/// Both programs: one installs, the other helps while the ISO is built.
pub const NAMES: [&str; 2] = ["nix-cfg-install", "nix-cfg-iso"];

/// The programs for `system`, by name: from `folder/SYSTEM`, or from `folder` itself where they are for that system.
///
/// # Errors
/// A [`Diagnostic`] when they are not there, are for another machine, or are not static (the ISO's store would lack the
/// libraries of the system that they were made on).
pub fn load(folder: &Path, system: &str) -> Result<Vec<(&'static str, Vec<u8>)>> {
    let own = folder.join(system);
    let folder = if own.is_dir() { own } else { folder.to_owned() };
    let mut programs = Vec::new();
    for name in NAMES {
        let path = folder.join(name);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(unusable(&path, "does not exist", system).into());
            }
            Err(error) => return Err(error).with_context(|| format!("Failed to read {}", path.display())),
        };
        match Program::read(&bytes) {
            Some(program) if program.machine != machine(system) => {
                return Err(unusable(&path, &format!("is not for {system}"), system).into());
            }
            Some(program) if program.is_static => programs.push((name, bytes)),
            Some(_) => return Err(unusable(&path, "is not a static program", system).into()),
            None => return Err(unusable(&path, "is not a program for Linux", system).into()),
        }
    }
    Ok(programs)
}

fn unusable(path: &Path, what: &str, system: &str) -> Diagnostic {
    Diagnostic::error("helper-missing", format!("{} {what}", path.display()))
        .because("The ISO carries it, and it must run there without anything else.")
        .remedy(format!(
            "Put the released programs for {system} into {}, or add --build-helper: then the flake builds them.",
            path.parent()
                .map_or_else(PathBuf::new, |folder| folder.join(system))
                .display()
        ))
}

/// What an ELF header tells (`man 5 elf`).
struct Program {
    machine: u16,
    is_static: bool,
}

/// The ELF number of a machine that Nix names.
fn machine(system: &str) -> u16 {
    const EM_X86_64: u16 = 62;
    const EM_AARCH64: u16 = 183;
    if system.starts_with("aarch64") {
        EM_AARCH64
    } else {
        EM_X86_64
    }
}

impl Program {
    /// Reads a 64-bit little-endian ELF file; `None` for anything else.
    fn read(bytes: &[u8]) -> Option<Self> {
        const PT_INTERP: u32 = 3;
        let u16_at = |at: usize| Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
        let u32_at = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        if bytes.get(..6)? != b"\x7fELF\x02\x01" {
            return None;
        }
        let headers = usize::try_from(u64::from_le_bytes(bytes.get(32..40)?.try_into().ok()?)).ok()?;
        let (size, count) = (usize::from(u16_at(54)?), usize::from(u16_at(56)?));
        let mut is_static = true;
        for index in 0..count {
            is_static &= u32_at(headers.checked_add(index * size)?)? != PT_INTERP;
        }
        Some(Self {
            machine: u16_at(18)?,
            is_static,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_static_programs_for_the_right_machine_are_taken() {
        let folder = tempfile::tempdir().unwrap();
        let error = |system| load(folder.path(), system).unwrap_err().to_string();
        assert!(error("x86_64-linux").contains("nix-cfg-install does not exist"));
        // The shell of this machine: a program, but one that needs libraries.
        for name in NAMES {
            fs::copy("/bin/sh", folder.path().join(name)).unwrap();
        }
        assert!(error("x86_64-linux").contains("is not a static program"));
        assert!(error("aarch64-linux").contains("is not for aarch64-linux"));
        fs::write(folder.path().join(NAMES[0]), "#!/bin/sh\n").unwrap();
        assert!(error("x86_64-linux").contains("is not a program for Linux"));
    }
}
