//! Whether this machine can hold and run what is installed: its processor, disk and memory.

use std::fs;

use nix::sys::statvfs::statvfs;

use crate::install::Job;
use crate::install::disk::free_bytes;
use crate::nix::facts::Disks;
use crate::report::{Problem, bytes};
use crate::store::closure::Work;

/// The problem of a system for another kind of processor.
#[must_use]
pub fn platform(wanted: &str) -> Option<Problem> {
    let own = format!("{}-linux", std::env::consts::ARCH);
    // A 64-bit PC runs 32-bit programs.
    if wanted == own || (wanted == "i686-linux" && own == "x86_64-linux") {
        return None;
    }
    Some(
        Problem::error(
            "platform-other",
            format!("The configuration is for {wanted}, and this machine is {own}"),
        )
        .because("Its programs could not run here. `nixpkgs.hostPlatform`, or `system` of the flake's nixosSystem, says what it is for.")
        .remedy(format!("Choose a host of the flake that is for {own}, or set `nixpkgs.hostPlatform = \"{own}\";`.")),
    )
}

/// The problem of a system without a root file system.
#[must_use]
pub fn root(disks: &Disks, hardware: &str) -> Option<Problem> {
    if disks.file_systems.iter().any(|mounted| mounted.at == "/") {
        return None;
    }
    Some(
        Problem::error("root-file-system-none", "The system would have no root file system")
            .because(format!(
                "This machine's file systems are in {hardware}, and the configuration does not import it."
            ))
            .remedy(format!(
                "Add it to `imports` in the configuration: imports = [ ./{hardware} ];"
            )),
    )
}

/// How much of what may have to be copied surely is: the rest is only used to build.
const SURELY_COPIED: (u64, u64) = (3, 4);

/// Whether `needed` bytes, at most, fit on the target, or on a disk of this machine while none is partitioned. `exact` when
/// there is nothing to build.
#[must_use]
pub fn disk(job: &Job<'_>, needed: u64, exact: bool) -> Option<Problem> {
    let (free, where_) = if job.machine.before_partitioning {
        (
            job.choices.largest_disk?,
            "The largest disk of this machine has".to_owned(),
        )
    } else {
        let store = job.target.store();
        // A store path that is there already is not copied again.
        if store.exists() {
            return None;
        }
        (free_bytes(&store).ok()?, format!("{} has", job.target.root().display()))
    };
    if free >= needed {
        return None;
    }
    let why = format!(
        "{where_} {} for it, and it needs {} at most.",
        bytes(free),
        bytes(needed)
    );
    let (part, whole) = SURELY_COPIED;
    let surely = if exact { needed } else { needed / whole * part };
    let remedy = "Choose a larger disk or partition, or take packages out of the configuration.";
    Some(if free < surely {
        Problem::error("disk-too-small", "The system does not fit on the disk")
            .because(why)
            .remedy(remedy)
    } else {
        Problem::warning("disk-small", "The system may not fit on the disk")
            .because(why)
            .remedy(remedy)
    })
}

/// What building a derivation of text and configuration takes, at most, and what an initrd takes (both generously: a
/// server's of nixpkgs 26.11 has 22 MB).
const BYTES_A_DERIVATION: u64 = 1 << 20;
const BYTES_AN_INITRD: u64 = 150 << 20;

/// Whether the derivations of `work` can be built in the live system's memory.
///
/// # Errors
/// When the live system does not say what is free.
pub fn memory(work: &Work) -> anyhow::Result<Option<Problem>> {
    let build = &work.build;
    let needed = BYTES_A_DERIVATION * build.len() as u64 + BYTES_AN_INITRD * work.initrds as u64;
    let info = fs::read_to_string("/proc/meminfo")?;
    let available = info.lines().find_map(|line| {
        line.strip_prefix("MemAvailable:")?
            .trim()
            .strip_suffix(" kB")?
            .parse::<u64>()
            .ok()
    });
    let memory = anyhow::Context::context(available, "/proc/meminfo does not say what is available")? * 1024;
    let store = statvfs("/nix/store")?;
    let free = memory.min(store.blocks_available().saturating_mul(store.fragment_size()));
    Ok((!build.is_empty() && free < needed).then(|| {
        Problem::warning("memory-low", "Building the system may need more memory than is free")
            .because(format!(
                "{} derivations are built in the live system's memory: about {}, and {} are free.",
                build.len(),
                bytes(needed),
                bytes(free)
            ))
            .remedy("Close programs, or add swap (swapon) before installing.")
    }))
}
