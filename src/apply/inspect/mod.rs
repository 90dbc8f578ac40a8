//! Looks at the result as the firmware, the initrd and the login prompt will see it, while a person is still at the machine.

mod whole_files;
mod menu_entry;
mod boot_files;
mod boot_trial;
pub(super) mod logins;

use std::path::Path;

use anyhow::Result;

use super::installation::Installation;
use crate::diagnostic::{Diagnostic, Diagnostics, ResultProblem, Severity};
use crate::live::decisions::Firmware;
use crate::live::efi_variables::boot_entries;
use crate::live::fstab;
use crate::live::target::Target;
use crate::nix::facts::{Boot, Disks};
use crate::plan::observed::{EFIVARS, Observed};
use crate::plan::{Plan, awaited_in_vain};
use boot_files::Installed;
pub use boot_trial::{is_in_boot_menu, starts_left};
use logins::SHADOW;

/// Reports what is wrong with the installed system.
///
/// # Errors
/// [`Diagnostics`] with all that certainly keeps it from starting.
pub(super) fn step(plan: &Plan, target: &Target, installation: &Installation<'_>) -> Result<()> {
    let (live, decisions) = (installation.live, &installation.request.decisions);
    let boot = plan.facts.boot.as_ref();
    let fstab = target.read_inside(&plan.system.join("etc/fstab")).unwrap_or_default();
    let mut file_systems = fstab::parse(&fstab);
    // Its files are looked at.
    file_systems.retain(|system| boot.is_none_or(|boot| boot.esp != system.at));
    let disks = Disks {
        file_systems,
        ..Disks::default()
    };
    let observed = Observed::look(live.runner, Some(target), (None, Some(&disks), None), None);
    let mut problems = Vec::new();
    if let Some(boot) = boot.filter(|boot| !installation.request.no_bootloader && !boot.container) {
        let system = &plan.system;
        problems.extend(boot_files::boot_files(boot, Installed { target, system }));
        let is_efi = decisions.firmware == Firmware::Efi && boot.touch_efi_variables;
        let forgotten = is_efi.then(|| forgotten(boot, target, &observed)).flatten();
        problems.extend(forgotten);
    }
    // What is in an encrypted volume has no name before that is open.
    if plan.facts.disks.as_ref().is_some_and(|disks| disks.luks.is_empty()) {
        let devices = awaited_in_vain(&disks.file_systems, &observed);
        let problem = (!devices.is_empty()).then(|| ResultProblem::DevicesAbsent { devices }.into());
        problems.extend(problem);
    }
    if let Some(users) = &plan.facts.users {
        let shadow = target.read_inside(Path::new(SHADOW)).unwrap_or_default();
        problems.extend(logins::logins(users, (target.root(), &shadow), decisions));
    }
    let is_error = |problem: &Diagnostic| problem.severity == Severity::Error;
    let (errors, warnings): (Vec<_>, Vec<_>) = problems.into_iter().partition(is_error);
    for warning in &warnings {
        live.report.problem(warning);
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Diagnostics(errors).into())
    }
}

/// The problem of a boot loader that the firmware does not know.
fn forgotten(boot: &Boot, target: &Target, observed: &Observed) -> Option<Diagnostic> {
    let mounted = observed.mounted.iter().find(|mounted| mounted.at == boot.esp)?;
    // The GUID of a partition in a GPT.
    let partition = mounted
        .devices
        .first()?
        .names
        .get("by-partuuid")
        .filter(|uuid| uuid.len() == 36)?;
    let entries = boot_entries(Path::new(EFIVARS));
    let esp = target.inside(&boot.esp);
    let exists = |file: &str| esp.join(file.trim_start_matches('/')).exists();
    let fallback = esp.join("EFI/BOOT").is_dir();
    boot_files::is_forgotten(&entries, partition, exists, fallback)
        .then(|| ResultProblem::NotInFirmware { fallback }.into())
}
