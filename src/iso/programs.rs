//! The programs that are copied to the ISO: those beside the running one.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result};

use crate::diagnostic::{IsoOptionProblem, ProgramFault};

/// One installs, the other helps while the ISO is built.
pub(super) const NAMES: [&str; 2] = ["nix-cfg-install", "nix-cfg-iso"];

/// The programs for `system`, by name: from `directory/SYSTEM`, or from `directory` itself if that does not exist.
///
/// # Errors
/// [`IsoOptionProblem::Program`] when one does not exist, is for another system, or is not static (the ISO's store would not
/// have the libraries of the system that it was built on).
pub(super) fn load(directory: &Path, system: &str) -> Result<Vec<(&'static str, Vec<u8>)>> {
    let own = directory.join(system);
    let directory = if own.is_dir() { &own } else { directory };
    let mut programs = Vec::new();
    for name in NAMES {
        let path = directory.join(name);
        let fault = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => ProgramFault::Missing,
            Err(error) => return Err(error).with_context(|| format!("Failed to read {}", path.display())),
            Ok(bytes) => match Program::read(&bytes) {
                Some(program) if program.machine != machine(system) => ProgramFault::OtherSystem,
                Some(program) if program.is_static => {
                    programs.push((name, bytes));
                    continue;
                }
                Some(_) => ProgramFault::NotStatic,
                None => ProgramFault::NotAnElfFile,
            },
        };
        let system = system.to_owned();
        return Err(IsoOptionProblem::Program { path, fault, system }.into());
    }
    Ok(programs)
}

/// What an ELF header says (`man 5 elf`).
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
    fn only_static_programs_for_the_right_machine_are_accepted() {
        let directory = tempfile::tempdir().unwrap();
        let error = |system| load(directory.path(), system).unwrap_err().to_string();
        assert!(error("x86_64-linux").contains("nix-cfg-install does not exist"));
        // The shell of this machine: a program, but one that needs libraries.
        for name in NAMES {
            fs::copy("/bin/sh", directory.path().join(name)).unwrap();
        }
        assert!(error("x86_64-linux").contains("is not statically linked"));
        assert!(error("aarch64-linux").contains("is not for aarch64-linux"));
        fs::write(directory.path().join(NAMES[0]), "#!/bin/sh\n").unwrap();
        assert!(error("x86_64-linux").contains("is not a program for Linux"));
    }
}
