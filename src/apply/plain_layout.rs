//! One disk for a whole system, made by the tools of every live system: a GPT; for UEFI an EFI system partition, for a BIOS the
//! partition that GRUB is embedded in; and a root file system, which can be encrypted. docs/fleet.md describes it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use nix::unistd::sync;
use secrecy::{ExposeSecret, SecretString};

use super::release_disk::{not_stoppable, release};
use crate::diagnostic::{AnswersFileProblem, Diagnostic, Diagnostics, DiskProblem, DiskUse};
use crate::live::block_devices::{SYS, identity, lies_on, mapping_name, node, number};
use crate::live::decisions::Firmware;
use crate::live::disk_use::{shared, uses};
use crate::live::encrypted_volume::has_opened;
use crate::live::mounts;
use crate::live::volume_groups;
use crate::plan::request::{BOOT_LABEL, LiveSystem, PlainLayout, ROOT_LABEL};
use crate::process::{Invocation, Runner};
use crate::progress::Unit;

/// The encrypted volume, opened.
const VOLUME: &str = "root";

/// How long the kernel and udev may take to show the new partitions.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a partition is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Esp,
    /// GRUB's own, without a file system.
    Embedded,
    /// Kernels for a GRUB that cannot open the root.
    Boot,
    Root,
}

impl Role {
    /// Bytes; the root takes the rest.
    fn size(self) -> u64 {
        match self {
            Self::Esp | Self::Boot => 1 << 30,
            Self::Embedded => 1 << 20,
            Self::Root => 0,
        }
    }

    /// A line of sfdisk: its size, its type (the UEFI specification; GRUB's manual; the Discoverable Partitions Specification
    /// calls the last one generic), its name.
    fn line(self) -> String {
        let (kind, name) = match self {
            Self::Esp => ("C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "ESP"),
            Self::Embedded => ("21686148-6449-6E6F-744E-656564454649", "grub"),
            Self::Boot => ("0FC63DAF-8483-4772-8E79-3D69D8477DE4", "boot"),
            Self::Root => ("0FC63DAF-8483-4772-8E79-3D69D8477DE4", "root"),
        };
        let size = match self.size() {
            0 => String::new(),
            bytes => format!("size={}MiB, ", bytes >> 20),
        };
        format!("{size}type={kind}, name={name}\n")
    }
}

fn roles(firmware: Firmware, is_encrypted: bool) -> &'static [Role] {
    match (firmware, is_encrypted) {
        (Firmware::Efi, _) => &[Role::Esp, Role::Root],
        (Firmware::Bios, false) => &[Role::Embedded, Role::Root],
        (Firmware::Bios, true) => &[Role::Embedded, Role::Boot, Role::Root],
    }
}

/// Bytes of a disk that are not for the root file system.
#[must_use]
pub fn taken(layout: &PlainLayout) -> u64 {
    /// The GPT at both ends, and what partitions are aligned to (sfdisk); the header of LUKS2 (cryptsetup 2.7).
    const TABLE: u64 = 2 << 20;
    const HEADER: u64 = 16 << 20;
    let is_encrypted = layout.passphrase.is_some();
    let others: u64 = roles(layout.firmware, is_encrypted)
        .iter()
        .map(|role| role.size())
        .sum();
    TABLE + others + if is_encrypted { HEADER } else { 0 }
}

/// The partition of that number, counted from 1, as the kernel names it.
fn partition(disk: &Path, number: usize) -> PathBuf {
    let name = disk.to_string_lossy();
    let between = if name.ends_with(|last: char| last.is_ascii_digit()) {
        "p"
    } else {
        ""
    };
    format!("{name}{between}{number}").into()
}

/// The partitions of the layout.
fn partitions(layout: &PlainLayout) -> Vec<(Role, PathBuf)> {
    let roles = roles(layout.firmware, layout.passphrase.is_some()).iter().zip(1..);
    roles
        .map(|(role, number)| (*role, partition(&layout.disk, number)))
        .collect()
}

/// Erases the disk, which may be mounted at `target`, and makes the file systems. The disk is marked when all of them are there.
///
/// # Errors
/// When a program fails, and when the kernel does not show a partition.
pub fn make(layout: &PlainLayout, live: &LiveSystem<'_>, target: &Path) -> Result<()> {
    let (runner, parts) = (live.runner, partitions(layout));
    let steps = parts.len() as u64 + 1;
    let say = |done: u64, what: &str| live.report.progress(done, steps, Unit::Steps, what);
    say(0, &layout.disk.display().to_string());
    // A run that was killed leaves it.
    if mounts::at(target).is_some() {
        runner.output(&Invocation::new("umount").arg("-R").arg(target))?;
    }
    release(Path::new(SYS), &layout.disk, runner)?;
    let lines = parts.iter().map(|(role, _)| role.line());
    let table = Invocation::new("sfdisk")
        .args(["--quiet", "--wipe", "always", "--wipe-partitions", "always"])
        .arg(&layout.disk)
        .stdin(
            std::iter::once("label: gpt\n".to_owned())
                .chain(lines)
                .collect::<String>()
                .into_bytes(),
        );
    runner.output(&table)?;
    wait_for(runner, &parts)?;
    for ((role, device), done) in parts.iter().zip(1..) {
        say(done, &device.display().to_string());
        match role {
            Role::Esp => {
                let format = Invocation::new("mkfs.vfat").args(["-F", "32", "-n", BOOT_LABEL]);
                runner.output(&format.arg(device))?;
            }
            Role::Embedded => {}
            Role::Boot => ext4(runner, "boot", device)?,
            Role::Root => {
                if let Some(passphrase) = &layout.passphrase {
                    encrypt(runner, device, passphrase)?;
                }
                ext4(runner, ROOT_LABEL, &root(layout, device))?;
            }
        }
    }
    sync();
    mark(runner, &layout.disk, &layout.mark)?;
    say(steps, "");
    Ok(())
}

fn ext4(runner: &Runner, label: &str, device: &Path) -> Result<()> {
    let format = Invocation::new("mkfs.ext4").args(["-q", "-F", "-L", label]).arg(device);
    runner.output(&format).map(drop)
}

fn volume() -> PathBuf {
    Path::new("/dev/mapper").join(VOLUME)
}

/// Whether the volume that is open under that name is on `disk`. `None`: none is open.
fn volume_is_on(disk: &Path) -> Option<bool> {
    let disk = BTreeSet::from([number(disk)?]);
    Some(lies_on(Path::new(SYS), &number(volume())?, &disk))
}

/// What the live system has mounted of the disk at `target`: an earlier run did.
///
/// # Errors
/// Where it is another disk than the one that was chosen, is no disk of its own, or is in use, or where another disk needs it.
pub fn mounted_at(layout: &PlainLayout, target: &Path, runner: &Runner) -> Result<Vec<DiskUse>> {
    let sys = Path::new(SYS);
    let device = layout.disk.display().to_string();
    let number = number(&layout.disk).filter(|number| identity(sys, number) == layout.identity);
    let Some(number) = number else {
        return Err(DiskProblem::OtherDisk { device }.into());
    };
    let disk = BTreeSet::from([number.clone()]);
    let (at_target, mut by): (Vec<_>, Vec<_>) = uses(&number)
        .into_iter()
        .partition(|one| matches!(one, DiskUse::Mounted(at) if at.starts_with(target)));
    by.extend(shared(sys, &number, &disk));
    by.extend(
        not_stoppable(sys, &number)
            .filter_map(|one| node(sys, &one))
            .map(DiskUse::Claimed),
    );
    let mut problems = Vec::new();
    if mapping_name(sys, &number).is_some() {
        let device = layout.disk.clone();
        problems.push(DiskProblem::Mapping { device });
    }
    if !by.is_empty() {
        problems.push(DiskProblem::InUse { device, by });
    }
    let groups = volume_groups::shared(sys, &volume_groups::read(runner), &disk);
    problems.extend(
        groups
            .into_iter()
            .map(|(group, devices)| DiskProblem::SharedGroup { group, devices }),
    );
    if problems.is_empty() {
        return Ok(at_target);
    }
    Err(Diagnostics(problems.into_iter().map(Diagnostic::from).collect()).into())
}

/// Refuses an encrypted volume of another disk that is open under the name of the root's.
///
/// # Errors
/// [`DiskProblem::NamesElsewhere`].
pub fn no_other_volume(layout: &PlainLayout) -> Result<()> {
    if layout.passphrase.is_none() || volume_is_on(&layout.disk) != Some(false) {
        return Ok(());
    }
    let device = number(volume()).and_then(|number| node(Path::new(SYS), &number));
    let names = vec![(volume().display().to_string(), device.unwrap_or_default())];
    Err(DiskProblem::NamesElsewhere { names }.into())
}

/// What has the root file system.
fn root(layout: &PlainLayout, device: &Path) -> PathBuf {
    layout
        .passphrase
        .as_ref()
        .map_or_else(|| device.to_owned(), |_| volume())
}

fn cryptsetup(action: &str, device: &Path, passphrase: &SecretString) -> Invocation {
    Invocation::new("cryptsetup")
        .args(["--batch-mode", "--key-file", "-", action])
        .arg(device)
        .stdin(passphrase.expose_secret().as_bytes().to_vec())
}

fn encrypt(runner: &Runner, device: &Path, passphrase: &SecretString) -> Result<()> {
    runner.output(&cryptsetup("luksFormat", device, passphrase).args(["--type", "luks2"]))?;
    open(runner, device, passphrase)
}

fn open(runner: &Runner, device: &Path, passphrase: &SecretString) -> Result<()> {
    runner
        .output(&cryptsetup("open", device, passphrase).arg(VOLUME))
        .map(drop)
}

/// Whether the encrypted root that [`make`] made, if there is one, has this passphrase; it is open then.
///
/// # Errors
/// When cryptsetup fails for another reason.
pub fn has_passphrase(layout: &PlainLayout, runner: &Runner) -> Result<bool> {
    let parts = partitions(layout);
    let (Some(passphrase), Some((_, device))) = (&layout.passphrase, parts.last()) else {
        return Ok(true);
    };
    wait_for(runner, &parts)?;
    let open = cryptsetup("open", device, passphrase).arg(if volume().exists() { "--test-passphrase" } else { VOLUME });
    has_opened(runner.run(&open, &mut |_, _| {})?)
}

/// Mounts what [`make`] made at `target`, unless it is mounted; the EFI system partition where the configuration has it (`esp`).
///
/// # Errors
/// When a program fails: the passphrase is another one.
pub fn mount(layout: &PlainLayout, live: &LiveSystem<'_>, target: &Path, esp: &Path) -> Result<()> {
    let runner = live.runner;
    let parts = partitions(layout);
    wait_for(runner, &parts)?;
    // The root is the last one, and has the directories of the others.
    for (role, device) in parts.iter().rev() {
        let (kind, device, at, options) = match role {
            Role::Embedded => continue,
            Role::Root => {
                if let Some(passphrase) = layout.passphrase.as_ref().filter(|_| !volume().exists()) {
                    open(runner, device, passphrase)?;
                }
                ("ext4", root(layout, device), target.to_owned(), "rw")
            }
            Role::Boot => ("ext4", device.clone(), target.join("boot"), "rw"),
            Role::Esp => {
                let inside = esp.strip_prefix("/").unwrap_or(esp);
                ("vfat", device.clone(), target.join(inside), "umask=0077")
            }
        };
        if mounts::at(&at).is_none() {
            let mount = Invocation::new("mount").args(["--mkdir", "-t", kind, "-o", options]);
            runner.output(&mount.arg(device).arg(at))?;
        }
    }
    Ok(())
}

/// Marks a disk in its partition table ([`crate::live::disk_mark`]).
///
/// # Errors
/// When it has none of that kind, or cannot be written.
pub fn mark(runner: &Runner, disk: &Path, mark: &str) -> Result<()> {
    // The partitions, which may be mounted, stay as they are.
    let mark = Invocation::new("sfdisk")
        .args(["--no-tell-kernel", "--disk-id"])
        .arg(disk)
        .arg(mark);
    runner.output(&mark)?;
    sync();
    Ok(())
}

/// Waits until the kernel shows the partitions, and udev knows what is on them.
fn wait_for(runner: &Runner, parts: &[(Role, PathBuf)]) -> Result<()> {
    let began = Instant::now();
    while let Some((_, device)) = parts.iter().find(|(_, device)| !device.exists()) {
        if began.elapsed() > PATIENCE {
            let device = device.clone();
            return Err(AnswersFileProblem::NoPartition { device }.into());
        }
        runner.interrupt().check()?;
        thread::sleep(Duration::from_millis(100));
    }
    if runner.has("udevadm") {
        runner.output(&Invocation::new("udevadm").arg("settle"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interrupt::Interrupt;

    #[test]
    fn a_device_that_is_not_the_disk_which_was_chosen_is_refused() {
        let layout = PlainLayout {
            disk: "/dev/null".into(),
            identity: "8:0 7".to_owned(),
            firmware: Firmware::Efi,
            passphrase: None,
            mark: String::new(),
            is_made: false,
        };
        let runner = Runner::new(Vec::new(), Interrupt::default());
        let said = mounted_at(&layout, Path::new("/mnt"), &runner).unwrap_err();
        assert!(said.to_string().contains("/dev/null is another disk now"), "{said:#}");
    }

    #[test]
    fn each_firmware_gets_what_it_starts_from_and_the_root_comes_last() {
        let layout = |firmware, passphrase: Option<&str>| PlainLayout {
            disk: "/dev/nvme0n1".into(),
            identity: String::new(),
            firmware,
            passphrase: passphrase.map(SecretString::from),
            mark: String::new(),
            is_made: false,
        };
        let named = |firmware, passphrase| {
            let parts = partitions(&layout(firmware, passphrase)).into_iter();
            parts
                .map(|(role, device)| format!("{role:?} {}", device.display()))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            named(Firmware::Efi, None),
            ["Esp /dev/nvme0n1p1", "Root /dev/nvme0n1p2"]
        );
        assert_eq!(named(Firmware::Efi, Some("x")), named(Firmware::Efi, None));
        assert_eq!(
            named(Firmware::Bios, None),
            ["Embedded /dev/nvme0n1p1", "Root /dev/nvme0n1p2"]
        );
        assert_eq!(
            named(Firmware::Bios, Some("x")),
            ["Embedded /dev/nvme0n1p1", "Boot /dev/nvme0n1p2", "Root /dev/nvme0n1p3"]
        );
        assert_eq!(partition(Path::new("/dev/sda"), 2), Path::new("/dev/sda2"));
    }
}
