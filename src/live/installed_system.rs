//! A NixOS on the disks of this machine that does not run: found by its profile, and mounted as its fstab says. Before it is to be written
//! to, it is mounted so that the kernel writes nothing, and finishes no journal.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::fstab::{self, has, is_bind};
use super::mounts;
use super::running_machine::SYSTEM_PROFILE;
use super::target::open_inside;
use super::volumes::{Volume, is_device_name, named};
use crate::diagnostic::InstalledSystemProblem;
use crate::files::names;
use crate::nix::facts::FileSystem;
use crate::process::{Invocation, Runner};

/// Where a file system is mounted to look at it.
const LOOK: &str = "/run/nix-cfg-install/look";

/// The file systems that can hold a system.
const KINDS: [&str; 6] = ["ext4", "ext3", "xfs", "btrfs", "f2fs", "bcachefs"];

/// What keeps one of these from being written to: where one is mounted read-only, its journal is finished all the same (mount(8)).
const LOOKED_AT: &str = "ro,norecovery";

/// How the file systems of a system are mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing is written, not even by the kernel.
    Look,
    Write,
}

/// A system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledSystem {
    fstab: Vec<FileSystem>,
}

/// The systems whose stores are on `volume`.
///
/// # Errors
/// When it has a file system that cannot be mounted.
pub fn systems_on(runner: &Runner, volume: &Volume) -> Result<Vec<InstalledSystem>> {
    let Some(kind) = volume.kind().filter(|kind| KINDS.contains(kind)) else {
        return Ok(Vec::new());
    };
    let look = Path::new(LOOK);
    // Left by a run that was killed.
    unmount(runner, look)?;
    fs::create_dir_all(look).with_context(|| format!("Failed to make {LOOK}"))?;
    let all = if kind == "btrfs" { ",subvolid=5" } else { "" };
    mount(runner, (kind, &format!("{LOOKED_AT}{all}")), &volume.device, look)?;
    let found = systems_in(runner, kind, volume);
    unmount(runner, look)?;
    found
}

/// As [`systems_on`], of what is mounted. The root of the system or its /nix is that of the file system, or a subvolume.
fn systems_in(runner: &Runner, kind: &str, volume: &Volume) -> Result<Vec<InstalledSystem>> {
    let look = Path::new(LOOK);
    let is_profile = |at: &Path| at.symlink_metadata().is_ok_and(|meta| meta.is_symlink());
    let subvolumes = if kind == "btrfs" { names(look) } else { Vec::new() };
    let mut found = Vec::new();
    for top in std::iter::once(String::new()).chain(subvolumes) {
        let root = look.join(&top);
        let profile = SYSTEM_PROFILE.trim_start_matches('/');
        if is_profile(&root.join(profile)) {
            found.extend(read(&root));
        } else if is_profile(&root.join(profile.trim_start_matches("nix/"))) {
            let above = look.with_file_name("look-at-store");
            let at = above.join("nix");
            unmount(runner, &at)?;
            fs::create_dir_all(&at).with_context(|| format!("Failed to make {}", at.display()))?;
            let subvolume = if top.is_empty() {
                String::new()
            } else {
                format!(",subvol=/{top}")
            };
            mount(runner, (kind, &format!("{LOOKED_AT}{subvolume}")), &volume.device, &at)?;
            found.extend(read(&above));
            unmount(runner, &at)?;
        }
    }
    // A snapshot has the same, and both are mounted alike.
    found.dedup();
    Ok(found)
}

/// The system whose profile is below `root`.
fn read(root: &Path) -> Option<InstalledSystem> {
    let fstab = Path::new(SYSTEM_PROFILE).join("etc/fstab");
    let text = std::io::read_to_string(open_inside(root, &fstab, nix::fcntl::OFlag::O_RDONLY).ok()?).ok()?;
    Some(InstalledSystem {
        fstab: fstab::parse(&text),
    })
}

impl InstalledSystem {
    /// What its fstab calls the file system that its store is on.
    #[must_use]
    pub fn store_device(&self) -> Option<&str> {
        let at = |place: &str| self.fstab.iter().find(|system| system.at == place);
        let found = ["/nix/store", "/nix", "/"].into_iter().find_map(at);
        found.map(|system| system.device.as_str())
    }

    /// Mounts its file systems at `target`. Their devices are among `volumes`, and its store is on `disk`.
    ///
    /// # Errors
    /// [`InstalledSystemProblem`]; what `mount` says.
    pub fn mount(
        &self,
        runner: &Runner,
        (volumes, disk): (&[Volume], &Path),
        target: &Path,
        access: Access,
    ) -> Result<()> {
        fs::create_dir_all(target).with_context(|| format!("Failed to make {}", target.display()))?;
        for system in self.fstab.iter().filter(|system| is_mounted_here(system)) {
            let mounted = mount_one(runner, system, (volumes, disk), target, access);
            let is_needed = !has(system, "nofail");
            if let Err(error) = mounted {
                if is_needed {
                    return Err(error);
                }
                log::info!("{}: {error:#}", system.at);
            }
        }
        Ok(())
    }
}

/// Whether it belongs to the system wherever that runs: neither memory, but that of the root, nor what is elsewhere, or in a file, or made
/// by a program (`//server/share` with cifs, `/a:/b` with fuse.mergerfs).
fn is_mounted_here(system: &FileSystem) -> bool {
    let is_memory = ["tmpfs", "ramfs"].contains(&system.kind.as_str());
    // systemd mounts the latter when somebody looks at them: the boot partition, for instance.
    let is_left_out = has(system, "noauto") && !has(system, "x-systemd.automount");
    let is_device = is_bind(system) || is_device_name(&system.device) && !system.kind.starts_with("fuse");
    system.at.starts_with('/')
        && system.kind != "swap"
        && !is_left_out
        && !has(system, "_netdev")
        && (is_device || is_memory && system.at == "/")
}

fn mount_one(
    runner: &Runner,
    system: &FileSystem,
    (volumes, disk): (&[Volume], &Path),
    target: &Path,
    access: Access,
) -> Result<()> {
    let inside = |path: &str| target.join(path.trim_start_matches('/'));
    let at = inside(&system.at);
    let real = at.ancestors().find_map(|path| fs::canonicalize(path).ok());
    let root = fs::canonicalize(target)?;
    if real.is_none_or(|real| !real.starts_with(&root)) {
        let at = system.at.clone();
        return Err(InstalledSystemProblem::Outside { at }.into());
    }
    if is_bind(system) {
        let bind = Invocation::new("mount").args(["--mkdir", "-o", &system.options.join(",")]);
        return runner.output(&bind.arg(inside(&system.device)).arg(&at)).map(drop);
    }
    let (name, place) = (|| system.device.clone(), || system.at.clone());
    let (device, kind) = match named(volumes, &system.device, disk) {
        Ok(Some(volume)) => (volume.device.clone(), volume.kind()),
        Ok(None) if system.kind == "tmpfs" => (name().into(), None),
        Ok(None) => {
            return Err(InstalledSystemProblem::NoDevice {
                device: name(),
                at: place(),
            }
            .into());
        }
        Err(volumes) => {
            let (device, at) = (name(), place());
            return Err(InstalledSystemProblem::SeveralDevices { device, at, volumes }.into());
        }
    };
    mount(runner, (&system.kind, &options(system, kind, access)), &device, &at)
}

/// How it is mounted. `kind`: what is there, where that is known; fstab may only say `auto`, as by the default of a NixOS.
fn options(system: &FileSystem, kind: Option<&str>, access: Access) -> String {
    let kind = kind.unwrap_or(&system.kind);
    let own = system.options.iter().map(String::as_str);
    let more = match access {
        // A root in memory gets the directories of the others.
        Access::Look if system.kind == "tmpfs" => None,
        Access::Look if KINDS.contains(&kind) => Some(LOOKED_AT),
        Access::Look => Some("ro"),
        Access::Write => None,
    };
    own.chain(more).collect::<Vec<_>>().join(",")
}

fn mount(runner: &Runner, (kind, options): (&str, &str), device: &Path, at: &Path) -> Result<()> {
    let mount = Invocation::new("mount").args(["--mkdir", "-t", kind, "-o", options]);
    runner.output(&mount.arg(device).arg(at)).map(drop)
}

/// Unmounts all that is mounted at `at` and below.
///
/// # Errors
/// When it is in use.
pub fn unmount(runner: &Runner, at: &Path) -> Result<()> {
    if mounts::at(at).is_none() {
        return Ok(());
    }
    runner.output(&Invocation::new("umount").arg("-R").arg(at)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_the_machines_disks_is_mounted_and_nothing_else() {
        let fstab = "/dev/disk/by-uuid/1 / ext4 x-initrd.mount 0 1
            tmpfs / tmpfs defaults,size=50% 0 0
            UUID=2 /boot vfat fmask=0077,rw 0 2
            /persist/home /home none bind 0 0
            tmpfs /tmp tmpfs defaults 0 0
            /dev/sda3 none swap defaults 0 0
            server:/data /data nfs defaults 0 0
            //server/x /x cifs _netdev 0 0
            //server/y /y cifs credentials=/etc/y 0 0
            /home/a:/home/b /both fuse.mergerfs defaults 0 0
            s3#name=x /s3 fuse allow_other 0 0
            /images/x.img /x ext4 loop 0 0
            /dev/sdb1 /backup ext4 noauto 0 0
            UUID=3 /efi vfat noauto,x-systemd.automount 0 0
            rpool/home /home zfs defaults 0 0
            LABEL=d /data btrfs subvol=@d,compress=zstd 0 0";
        let systems = fstab::parse(fstab);
        let shown = |access| -> Vec<String> {
            let mounted = systems.iter().filter(|system| is_mounted_here(system));
            mounted
                .map(|system| format!("{} {}", system.at, options(system, None, access)))
                .collect()
        };
        assert_eq!(
            shown(Access::Look),
            [
                "/ x-initrd.mount,ro,norecovery",
                "/ defaults,size=50%",
                "/boot fmask=0077,rw,ro",
                "/home bind,ro",
                "/efi noauto,x-systemd.automount,ro",
                "/data subvol=@d,compress=zstd,ro,norecovery"
            ]
        );
        assert_eq!(shown(Access::Write)[5], "/data subvol=@d,compress=zstd");
        let auto = &fstab::parse("/dev/disk/by-uuid/1 / auto defaults 0 1")[0];
        let looked_at = [Some("ext4"), Some("vfat")].map(|kind| options(auto, kind, Access::Look));
        assert_eq!(looked_at, ["defaults,ro,norecovery", "defaults,ro"]);
        let system = InstalledSystem { fstab: systems };
        assert_eq!(system.store_device(), Some("/dev/disk/by-uuid/1"));
    }
}
