//! `nix-cfg-install status`: what this machine has, and from which ISO.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use nix::unistd::geteuid;

use super::exit_code;
use super::explained_failure::diagnostics;
use super::printed::to_stdout;
use crate::apply::{is_in_boot_menu, starts_left};
use crate::diagnostic::PlanProblem;
use crate::live::earlier_receipt::Receipt;
use crate::live::installation_medium;
use crate::live::running_machine::{BOOTED_SYSTEM, CURRENT_SYSTEM, SYSTEM_PROFILE};
use crate::live::target::Target;
use crate::plan::{REFUSED, changed_by_hand, phases};
use crate::progress::{Format, Reporter};
use crate::store_path::store_name;
use crate::text::shell_word;

/// Prints it, a line for each fact.
pub(super) fn print() -> ExitCode {
    let Err(error) = state().and_then(|text| to_stdout(&text)) else {
        return ExitCode::SUCCESS;
    };
    let report = Reporter::new(Format::Plain.renderer(), phases::ALL);
    let problems = diagnostics(error);
    for problem in &problems {
        report.problem(problem);
    }
    ExitCode::from(exit_code::of(&problems, REFUSED))
}

fn state() -> Result<String> {
    if !geteuid().is_root() {
        return Err(PlanProblem::NotRoot.into());
    }
    let machine = Target::new("/");
    let receipt = Receipt::load(&machine)?;
    let mut text = String::new();
    let mut line = |name: &str, value: &str| writeln!(text, "{name:<12}{value}").context("Failed to write");
    line("Host", receipt.host.as_deref().unwrap_or(&receipt.identity.host_name))?;
    line("Installed", &receipt.finished)?;
    let medium = receipt.live_system.as_deref();
    line(
        "From",
        &medium.map_or_else(|| "an ISO that the receipt does not name".to_owned(), shown),
    )?;
    let real = |link: &str| {
        let path = fs::canonicalize(link).with_context(|| format!("Failed to read {link}"))?;
        anyhow::Ok(path.to_string_lossy().into_owned())
    };
    let next = real(SYSTEM_PROFILE)?;
    let number = machine.generation(SYSTEM_PROFILE).unwrap_or_default();
    let starts = starts_left(&machine, Path::new(&next));
    let is_in_menu = |system: &str| is_in_boot_menu(&machine, Path::new(system));
    // A power cut between setting the profile and writing the boot menu. Where that does not have what runs either, it is another one.
    let is_cut_off = real(CURRENT_SYSTEM).is_ok_and(|current| is_in_menu(&current)) && !is_in_menu(&next);
    let former = match starts {
        Some(0) => "a former generation; started in vain: ",
        _ if is_cut_off => "a former generation; not in the boot menu: ",
        _ => "",
    };
    line("Next start", &format!("{former}generation {number}, {}", shown(&next)))?;
    if let Some(left @ 1..) = starts {
        line(
            "On trial",
            &format!("unless it is found good in {left} starts, a former generation starts"),
        )?;
    }
    if let Some(booted) = real(BOOTED_SYSTEM).ok().filter(|booted| *booted != next) {
        line("Running", &shown(&booted))?;
    }
    for edit in changed_by_hand(receipt.tree.as_ref(), &machine.etc_nixos())? {
        line("/etc/nixos", &edit)?;
    }
    if let Ok(medium) = installation_medium::find(None) {
        // It is seldom in PATH.
        let program = std::env::current_exe().unwrap_or_else(|_| "nix-cfg-install".into());
        let (medium, program) = (medium.display(), shell_word(program.as_os_str()));
        line(
            "ISO",
            &format!("{medium}; what it would change: {program} update --dry-run"),
        )?;
    }
    Ok(text)
}

/// The name of a system, and the digits that tell it from another of that name.
fn shown(system: &str) -> String {
    format!("{} ({})", store_name(system), system.get(11..19).unwrap_or_default())
}
