//! Whether this machine can hold and run what is installed: its processor, disk and memory.

use std::fs;
use std::path::Path;

use anyhow::Result;
use nix::sys::statvfs::statvfs;

use super::Job;
use crate::diagnostic::Diagnostic;
use crate::nix::facts::Disks;
use crate::store::closure::Work;
use crate::store::database::Record;
use crate::store::room::{self, Grain, Room};
use crate::text::bytes;

/// The problem of a system for another kind of processor.
#[must_use]
pub fn platform(wanted: &str) -> Option<Diagnostic> {
    let own = format!("{}-linux", std::env::consts::ARCH);
    // A 64-bit PC runs 32-bit programs.
    if wanted == own || (wanted == "i686-linux" && own == "x86_64-linux") {
        return None;
    }
    Some(
        Diagnostic::error(
            "platform-other",
            format!("The configuration is for {wanted}, and this machine is {own}"),
        )
        .because("Its programs could not run here. `nixpkgs.hostPlatform`, or `system` of the flake's nixosSystem, says what it is for.")
        .remedy(format!("Choose a host of the flake that is for {own}, or set `nixpkgs.hostPlatform = \"{own}\";`.")),
    )
}

/// The problem of a system without a root file system.
#[must_use]
pub fn root(disks: &Disks, hardware: &str) -> Option<Diagnostic> {
    if disks.file_systems.iter().any(|mounted| mounted.at == "/") {
        return None;
    }
    Some(
        Diagnostic::error("root-file-system-none", "The system would have no root file system")
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

/// Whether `records` of the live system's store and the tree at `tree` fit on the target, or on a disk of this machine
/// while none is partitioned. `exact` when there is
/// nothing to build: else some of them are only used to build, and what is built is not among them.
///
/// # Errors
/// When the file system of the target, or what is to be copied, cannot be looked at.
pub fn disk(job: &Job<'_>, tree: &Path, records: &[Record], exact: bool) -> Result<Option<Diagnostic>> {
    let store = job.target.store();
    let (grain, free, where_) = if job.machine.before_partitioning {
        let Some(bytes) = job.decisions.largest_disk else {
            return Ok(None);
        };
        let entries = u64::MAX;
        let largest = "The largest disk of this machine has".to_owned();
        (Grain::EXPECTED, Room { bytes, entries }, largest)
    } else if store.exists() {
        // A store path that is there already is not copied again.
        return Ok(None);
    } else {
        let where_ = format!("{} has", job.target.root().display());
        (Grain::of(&store)?, room::free(&store)?, where_)
    };
    let of_tree = grain.room(tree)?;
    let left = free.without(of_tree);
    let records: Vec<&Record> = records.iter().collect();
    let room = grain.of_records(job.image, &records, left)?;
    let needed = room.bytes + of_tree.bytes;
    if free.bytes >= needed {
        return Ok(None);
    }
    let why = format!(
        "{where_} {} for it, and it needs about {}, in {} files and folders.",
        bytes(free.bytes),
        bytes(needed),
        room.entries + of_tree.entries
    );
    let (part, whole) = SURELY_COPIED;
    let surely = if exact { needed } else { needed / whole * part };
    let remedy = "Choose a larger disk or partition, or take packages out of the configuration.";
    Ok(Some(if free.bytes < surely {
        Diagnostic::error("disk-too-small", "The system does not fit on the disk")
            .because(why)
            .remedy(remedy)
    } else {
        Diagnostic::warning("disk-small", "The system may not fit on the disk")
            .because(why)
            .remedy(remedy)
    }))
}

/// What building a derivation of text and configuration takes, at most, and what an initrd takes (both generously: a
/// server's of nixpkgs 26.11 has 22 MB).
const BYTES_A_DERIVATION: u64 = 1 << 20;
const BYTES_AN_INITRD: u64 = 150 << 20;

/// Whether the derivations of `work` can be built in the live system's memory.
///
/// # Errors
/// When the live system does not say what is free.
pub fn memory(work: &Work) -> anyhow::Result<Option<Diagnostic>> {
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
        Diagnostic::warning("memory-low", "Building the system may need more memory than is free")
            .because(format!(
                "{} derivations are built in the live system's memory: about {}, and {} are free.",
                build.len(),
                bytes(needed),
                bytes(free)
            ))
            .remedy("Close programs, or add swap (swapon) before installing.")
    }))
}
