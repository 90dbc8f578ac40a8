//! This machine's hardware-configuration.nix, and what is beside it, in the snapshot.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::request::{LiveSystem, Request};
use crate::diagnostic::PlanProblem;
use crate::files::remove;
use crate::live::installer_facts::{self, InstallerFacts};
use crate::live::mounts;
use crate::live::placement::Placement;
use crate::live::target::Target;
use crate::nix::literal;
use crate::process::Invocation;
use crate::tree::attributes::without;
use crate::tree::import_line::{self, Import};
use crate::tree::subvolumes;

/// Puts the target's hardware configuration to `path` in the snapshot: byte for byte, or with one marked line more where the
/// machine needs a machine.nix, which is then put beside it. `machine` is what is known of it besides. Returns whether
/// nixos-generate-config wrote it for this run.
pub(super) fn put(
    (request, live): (&Request, &LiveSystem<'_>),
    machine: &InstallerFacts,
    snapshot: &Path,
    path: &Path,
) -> Result<bool> {
    let what = || format!("Failed to put the hardware configuration to {}", path.display());
    let file = make_way(snapshot, path)?;
    let existing = existing(&request.target, machine)?;
    let text = match &existing {
        Some(existing) => fs::read_to_string(existing).with_context(what)?,
        None => generate(request, live, machine)?,
    };
    let note = |text: &str| live.report.note(text);
    let text = put_machine(machine, &file, path, existing.as_deref(), text, &note)?;
    fs::write(&file, text).with_context(what)?;
    let Some(existing) = existing else { return Ok(true) };
    let meta = fs::metadata(&existing).with_context(what)?;
    fs::set_permissions(&file, meta.permissions()).with_context(what)?;
    fs::File::open(&file)
        .and_then(|copy| copy.set_modified(meta.modified()?))
        .with_context(what)?;
    Ok(false)
}

/// As [`put`] before the disk is partitioned, with the hardware configuration `text` of a machine that a report describes.
pub(super) fn put_described(text: &str, snapshot: &Path, path: &Path) -> Result<()> {
    let file = make_way(snapshot, path)?;
    let machine = InstallerFacts::before_partitioning();
    let text = put_machine(&machine, &file, path, None, text.to_owned(), &|_| {})?;
    fs::write(&file, text).with_context(|| format!("Failed to put the hardware configuration to {}", path.display()))
}

/// The file at `path` in the snapshot, in a directory that exists, and not there yet.
fn make_way(snapshot: &Path, path: &Path) -> Result<PathBuf> {
    let file = snapshot.join(path);
    let what = || format!("Failed to put the hardware configuration to {}", path.display());
    let directory = file.parent().unwrap_or(snapshot);
    fs::create_dir_all(directory).with_context(what)?;
    let real = fs::canonicalize(directory).with_context(what)?;
    if !real.starts_with(fs::canonicalize(snapshot).with_context(what)?) {
        return Err(PlanProblem::HardwarePath { path: path.to_owned() }.into());
    }
    // A link there is replaced, not followed.
    remove(&file)?;
    Ok(file)
}

/// Takes `attributes` out of what [`put`] put into the snapshot.
pub(super) fn leave_out(snapshot: &Path, files: &[PathBuf], attributes: &[Vec<String>]) -> Result<()> {
    for file in files.iter().map(|file| snapshot.join(file)) {
        let what = || format!("Failed to change {}", file.display());
        let text = fs::read_to_string(&file).with_context(what)?;
        let rest = without(&text, attributes);
        if rest != text {
            fs::write(&file, rest).with_context(what)?;
        }
    }
    Ok(())
}

/// Gives the file systems `systems` and the encrypted volumes `volumes` a device in what [`put`] put into the snapshot, as if this
/// machine had them.
pub(super) fn complete(snapshot: &Path, files: &[PathBuf], (systems, volumes): (&[String], &[String])) -> Result<()> {
    let Some(file) = files.first().map(|file| snapshot.join(file)) else {
        return Ok(());
    };
    let what = || format!("Failed to change {}", file.display());
    let text = fs::read_to_string(&file).with_context(what)?;
    let Some(end) = text.rfind('}') else { return Ok(()) };
    let device = "device = \"/dev/disk/by-label/not-yet\";";
    let mut lines = String::new();
    for name in systems.iter().map(|name| literal::string(name)) {
        let _ = writeln!(lines, "  fileSystems.{name} = {{ {device} fsType = \"ext4\"; }};");
    }
    for name in volumes.iter().map(|name| literal::string(name)) {
        let _ = writeln!(lines, "  boot.initrd.luks.devices.{name} = {{ {device} }};");
    }
    fs::write(&file, [&text[..end], &lines, &text[end..]].concat()).with_context(what)
}

/// This machine's file where an earlier run of this program, or nixos-generate-config, put it.
pub(super) fn existing(target: &Target, machine: &InstallerFacts) -> Result<Option<PathBuf>> {
    if machine.before_partitioning {
        return Ok(None);
    }
    let placed = Placement::load(target)?.map(|placement| target.etc_nixos().join(placement.hardware));
    let mut known = placed.into_iter().chain([target.generated_hardware()]);
    Ok(known.find(|path| path.is_file()))
}

fn generate(request: &Request, live: &LiveSystem<'_>, machine: &InstallerFacts) -> Result<String> {
    let invocation = Invocation::new("nixos-generate-config").arg("--show-hardware-config");
    let invocation = if machine.layout_sets_file_systems {
        live.report.note(
            "The configuration has the layout of the disk: asking nixos-generate-config for the rest of the hardware.",
        );
        invocation.arg("--no-filesystems")
    } else if machine.before_partitioning {
        live.report
            .note("The disk is not partitioned yet: asking nixos-generate-config for the rest of the hardware.");
        invocation.arg("--no-filesystems")
    } else {
        live.report
            .note("The target has no hardware configuration yet: asking nixos-generate-config.");
        invocation.arg("--root").arg(request.target.root())
    };
    let mut text = live.runner.output(&invocation)?;
    text.push('\n');
    Ok(subvolumes::correct(&text, |at| {
        let mounted = mounts::at(&request.target.inside(at))?;
        Some(mounted.subvolume()?.trim_start_matches('/').to_owned()).filter(|name| !name.is_empty())
    }))
}

/// Puts machine.nix beside `hardware`, the file at `path` in the snapshot: what the graphical installer knows now, or what an earlier run put beside `existing`.
/// Gives the hardware configuration, which then imports it.
fn put_machine(
    machine: &InstallerFacts,
    hardware: &Path,
    path: &Path,
    existing: Option<&Path>,
    text: String,
    note: &dyn Fn(&str),
) -> Result<String> {
    let imported = import_line::added(&text, Import::Machine).map(str::to_owned);
    let module = match (machine.nix(), &imported, existing) {
        (Some(module), _, _) => module,
        (None, Some(name), Some(existing)) => {
            let beside = existing.with_file_name(name);
            fs::read_to_string(&beside).with_context(|| format!("Failed to read {}", beside.display()))?
        }
        (None, _, _) => return Ok(text),
    };
    let names = (installer_facts::MACHINE_NIX, installer_facts::MACHINE_NIX_BESIDE_OTHER);
    let name = imported.as_deref().unwrap_or_else(|| free_name(hardware, names));
    let file = hardware.with_file_name(name);
    if imported.is_some() {
        refuse_own_module(&file, path, existing)?;
    }
    let what = || format!("Failed to write {}", path.with_file_name(name).display());
    remove(&file)?;
    fs::write(&file, module).with_context(what)?;
    if imported.is_some() {
        return Ok(text);
    }
    if !machine.before_partitioning {
        note(&format!(
            "Beside it: {name}, with what only the installer knows of this machine."
        ));
    }
    import(&text, name, Import::Machine, path)
}

/// `text`, the hardware configuration at `path` in the snapshot, with one more import of the file `name` beside it.
///
/// # Errors
/// When it is not written as nixos-generate-config writes it.
pub(super) fn import(text: &str, name: &str, what: Import, path: &Path) -> Result<String> {
    import_line::add(text, name, what).ok_or_else(|| {
        let (path, module) = (path.to_owned(), name.to_owned());
        PlanProblem::HardwareShape { path, module }.into()
    })
}

/// What is in each module of this program.
const MARK: &str = "# Written by nix-cfg-install; ";

/// Refuses `file` of the snapshot where it is the user's and not a module of this program: the hardware configuration of an earlier
/// run, `existing` on the target and at `path` in the snapshot, imports one of that name, which would replace it.
pub(super) fn refuse_own_module(file: &Path, path: &Path, existing: Option<&Path>) -> Result<()> {
    let name = file.file_name().unwrap_or_default();
    let Ok(text) = fs::read_to_string(file) else {
        return Ok(());
    };
    let of_target = existing.and_then(|existing| fs::read_to_string(existing.with_file_name(name)).ok());
    // What is on the target and is installed again may have been edited.
    if text.contains(MARK) || of_target.as_ref() == Some(&text) {
        return Ok(());
    }
    Err(PlanProblem::ModuleTaken {
        path: path.with_file_name(name),
    }
    .into())
}

/// What is put into the snapshot for the file at `path`: it, and the files beside it that it imports.
pub fn files(snapshot: &Path, path: &Path) -> Result<Vec<PathBuf>> {
    let file = snapshot.join(path);
    let text = fs::read_to_string(&file).with_context(|| format!("Failed to read {}", file.display()))?;
    let added = [Import::Machine, Import::Choices].map(|import| import_line::added(&text, import));
    let beside = added.into_iter().flatten().map(|name| path.with_file_name(name));
    Ok(std::iter::once(path.to_owned()).chain(beside).collect())
}

/// The first of `names` for a file beside `hardware`, or the second, so that the user's own file of that name stays.
pub(super) fn free_name(hardware: &Path, (usual, other): (&'static str, &'static str)) -> &'static str {
    let is_taken = hardware.with_file_name(usual).symlink_metadata().is_ok();
    if is_taken { other } else { usual }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_the_user_is_not_replaced_by_a_module_of_an_earlier_run() {
        let (snapshot, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let file = snapshot.path().join("machine.nix");
        let existing = target.path().join("hardware-configuration.nix");
        let refused = || {
            let path = Path::new("hosts/a/hardware-configuration.nix");
            let result = refuse_own_module(&file, path, Some(&existing));
            result.err().map(|error| error.to_string())
        };
        assert_eq!(refused(), None);
        fs::write(&file, "{ services.openssh.enable = true; }\n").unwrap();
        let said = refused().unwrap();
        assert!(
            said.contains("hosts/a/machine.nix of the configuration has the name"),
            "{said}"
        );
        // As it is on the target, where it was edited.
        fs::copy(&file, target.path().join("machine.nix")).unwrap();
        assert_eq!(refused(), None);
        let machine = InstallerFacts {
            latest_kernel: true,
            ..InstallerFacts::default()
        };
        fs::write(&file, machine.nix().unwrap()).unwrap();
        assert_eq!(refused(), None);
    }
}
