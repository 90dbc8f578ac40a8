//! The live system of an ISO on a machine that was not started from it: in a mount namespace of this process, with the ISO's store as
//! the live store and the machine's own file systems at `/mnt`, as after a start from the ISO. Nothing of it is on a disk, and the
//! kernel unmounts it with the last process in it, however that ends.
//!
//! What belongs to the machine's Nix and to its boot loader is done by the machine's own programs, outside of it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result, anyhow};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{chdir, pivot_root};

use super::fstab;
use super::installation_medium::STORE_IMAGE;
use super::live_mounts::{below, bind, mount_new};
use super::mounts::{self, Mount};
use super::update_medium::{LiveSystemOfIso, MEDIUM};
use super::volumes::is_device_name;
use crate::diagnostic::MediumProblem;
use crate::files::{names, open_anything};
use crate::nix::facts::FileSystem;
use crate::process::Runner;
use crate::progress::Reporter;
use crate::store_path::STORE;

/// Where the live system's root is, in the mount namespace that it is in. The directory stays, empty.
pub const LIVE_ROOT: &str = "/run/nix-cfg-install/live";

/// The mount point of the machine's root in the live system.
pub const MACHINE: &str = "/mnt";

/// The profile of the machine's systems.
pub const SYSTEM_PROFILE: &str = "/nix/var/nix/profiles/system";

/// What it was started with.
pub const BOOTED_SYSTEM: &str = "/run/booted-system";

/// What it runs: the same, or what was activated since.
pub const CURRENT_SYSTEM: &str = "/run/current-system";

/// What is done in another mount namespace.
type Work<'a> = &'a mut (dyn FnMut() -> Result<()> + Send);

/// The machine that this process was started on, seen from the live system that it has entered.
pub struct RunningMachine {
    /// What the ISO is read from: a device, a file, a directory.
    medium: PathBuf,
    /// The same, open since before.
    open: File,
    /// The mount namespace that the machine's programs run in.
    own: File,
    /// The same with the live system at [`LIVE_ROOT`], which the machine's own does not see.
    beside: File,
}

impl RunningMachine {
    /// Makes the live system of the ISO at `medium`, which may have to be `signed`, and enters it with this thread and those that it starts
    /// from now on. `runner` starts the machine's own programs.
    ///
    /// # Errors
    /// Those of [`LiveSystemOfIso::mount`].
    pub fn enter(
        (medium, signed): (&Path, bool),
        (runner, report): (&Runner, &Reporter),
    ) -> Result<(Self, LiveSystemOfIso)> {
        let open = open_anything(medium).with_context(|| format!("Failed to open {}", medium.display()))?;
        let own = namespace()?;
        unshare(CloneFlags::CLONE_NEWNS).context("Failed to make a mount namespace")?;
        change("/", MsFlags::MS_REC | MsFlags::MS_SLAVE)?;
        let machine = machine_mounts();
        let root = Path::new(LIVE_ROOT);
        fs::create_dir_all(root).with_context(|| format!("Failed to make {LIVE_ROOT}"))?;
        mount_new("tmpfs", root, "mode=755")?;
        make_directories(root)?;
        share_build_users(root)?;
        let live = LiveSystemOfIso::mount((medium, signed), root, (runner, report))?;
        for one in &machine {
            let at = below(&root.join("mnt"), &one.at);
            // One in memory or on a server is not there, nor are the mount points in it.
            if at.exists() {
                bind(&one.at, &at, MsFlags::empty())?;
            }
        }
        bind_kernel(root)?;
        bind_run(root, &live.programs)?;
        link_programs(root)?;
        link_etc(root, &live.etc)?;
        let beside = namespace()?;
        enter_root(root).context("Failed to enter the live system")?;
        let running = Self {
            medium: medium.to_owned(),
            open,
            own,
            beside,
        };
        Ok((running, live))
    }

    /// Runs `work`, and the programs that it starts, where the machine's own programs run.
    ///
    /// # Errors
    /// When the kernel refuses it; those of `work`.
    pub fn run(&self, work: Work<'_>) -> Result<()> {
        within(&self.own, work)
    }

    /// The system that the machine was started with, where that is known.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn booted(&self) -> Result<Option<PathBuf>> {
        let mut booted = None;
        self.run(&mut || {
            booted = fs::read_link(BOOTED_SYSTEM).ok();
            Ok(())
        })?;
        Ok(booted)
    }

    /// As [`Self::run`], with the live system at [`LIVE_ROOT`].
    pub fn run_beside_live(&self, work: Work<'_>) -> Result<()> {
        within(&self.beside, work)
    }

    /// As [`Self::run_beside_live`], where `/nix/store` has what the live system has in its own, too, and cannot be written.
    pub fn run_with_live_store(&self, work: Work<'_>) -> Result<()> {
        within(&self.beside, &mut || {
            unshare(CloneFlags::CLONE_NEWNS).context("Failed to make a mount namespace")?;
            let options = format!("lowerdir={LIVE_ROOT}{STORE}:{STORE}");
            mount_new("overlay", Path::new(STORE), &options)?;
            work()
        })
    }

    /// The problem of a medium that was taken out.
    #[must_use]
    pub fn medium_gone(&self) -> Option<MediumProblem> {
        // What the kernel still has in memory proves nothing.
        posix_fadvise(&self.open, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).ok();
        let is_directory = self.open.metadata().is_ok_and(|meta| meta.is_dir());
        let image = || File::open(Path::new(MEDIUM).join(STORE_IMAGE));
        let read = if is_directory {
            image().and_then(|image| {
                posix_fadvise(&image, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).ok();
                image.read_at(&mut [0; 512], 0)
            })
        } else {
            self.open.read_at(&mut [0; 512], 1 << 15)
        };
        let medium = self.medium.clone();
        read.err().map(|error| MediumProblem::Gone {
            medium,
            error: error.to_string(),
        })
    }
}

/// Makes `root`, a mount point, the root of a mount namespace of its own, and enters it. With chroot instead, Nix could not build: the kernel
/// gives no user namespace, which its sandbox takes, to a process whose root is not that of its mount namespace (`user_namespaces(7)`).
fn enter_root(root: &Path) -> nix::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    chdir(root)?;
    // What was the root is above it until it is unmounted here (`pivot_root(2)`).
    pivot_root(".", ".")?;
    umount2(".", MntFlags::MNT_DETACH)?;
    chdir("/")
}

fn namespace() -> Result<File> {
    File::open("/proc/thread-self/ns/mnt").context("The kernel has no mount namespaces")
}

/// Runs `work` in a thread of its own, in `namespace` and at its root.
fn within(namespace: &File, work: Work<'_>) -> Result<()> {
    let enter = || -> Result<()> {
        let entered = unshare(CloneFlags::CLONE_FS).and_then(|()| setns(namespace, CloneFlags::CLONE_NEWNS));
        entered.context("Failed to enter the machine's mount namespace")?;
        work()
    };
    let outcome = thread::scope(|scope| scope.spawn(enter).join());
    outcome.map_err(|_| anyhow!("A thread ended without a result"))?
}

fn change(at: &str, flags: MsFlags) -> Result<()> {
    let nothing = None::<&str>;
    mount(nothing, at, nothing, flags, nothing).with_context(|| format!("Failed to change the mounts at {at}"))
}

/// The machine's file systems, in the order in which they were mounted: its root, and what else is on disks.
fn machine_mounts() -> Vec<Mount> {
    let table = fstab::parse(&fs::read_to_string("/etc/fstab").unwrap_or_default());
    let all = || mounts::below(Path::new("/"));
    // A boot partition that systemd mounts when it is looked at.
    for waiting in all().iter().filter(|mount| mount.kind == "autofs") {
        if entries(&table, waiting).any(is_local) {
            names(&waiting.at);
        }
    }
    let (roots, others): (Vec<Mount>, Vec<Mount>) = all().into_iter().partition(|mount| mount.at == Path::new("/"));
    let of_system = |mount: &Mount| mount.kind == "zfs" || mount.is_on_disk() && is_in_table(&table, mount);
    // Of several mounts at one place, the last hides the others.
    let root = roots.into_iter().next_back().into_iter();
    root.chain(others.into_iter().filter(of_system)).collect()
}

/// What `table`, which is that of fstab(5), has at the place of `mount`.
fn entries<'a>(table: &'a [FileSystem], mount: &Mount) -> impl Iterator<Item = &'a FileSystem> {
    table.iter().filter(|entry| Path::new(&entry.at) == mount.at)
}

/// Whether it is mounted without a network: a server that does not answer would be waited for.
fn is_local(entry: &FileSystem) -> bool {
    is_device_name(&entry.device) && !fstab::has(entry, "_netdev")
}

/// Whether `mount` is a part of the system: neither a stick of the user's, nor what a NixOS binds besides, as its store to make that
/// read-only.
fn is_in_table(table: &[FileSystem], mount: &Mount) -> bool {
    entries(table, mount).any(|entry| mount.is_whole() || fstab::is_bind(entry))
}

const DIRECTORIES: [&str; 21] = [
    "bin",
    "dev",
    "etc",
    "home",
    "iso",
    "medium",
    "mnt",
    "proc",
    "root",
    "run",
    "sys",
    "tmp",
    "usr/bin",
    "var/log",
    "var/tmp",
    "nix/store",
    "nix/var",
    "nix/.hidden",
    "nix/.ro-store",
    "nix/.rw-store/store",
    "nix/.rw-store/work",
];

fn make_directories(root: &Path) -> Result<()> {
    for name in DIRECTORIES {
        let path = root.join(name);
        fs::create_dir_all(&path).with_context(|| format!("Failed to make {}", path.display()))?;
    }
    let open = fs::Permissions::from_mode(0o1777);
    fs::set_permissions(root.join("tmp"), open.clone())?;
    Ok(fs::set_permissions(root.join("var/tmp"), open)?)
}

/// Where Nix locks the accounts that it builds as (2.8 to 2.34, `SimpleUserLock` and `AutoUserLock`): it kills what runs as one of them
/// before and after a build.
const BUILD_USERS: [&str; 2] = ["/nix/var/nix/userpool", "/nix/var/nix/userpool2"];

/// Makes the directories of these locks, which Nix makes only when it builds. Where they cannot be made, it cannot build.
pub fn make_build_users() {
    for name in BUILD_USERS {
        drop(fs::create_dir_all(name));
    }
}

/// Has the Nix of the live system and that of the machine not take the same accounts: each would kill the builds of the other.
fn share_build_users(root: &Path) -> Result<()> {
    for name in BUILD_USERS.map(Path::new) {
        let at = below(root, name);
        fs::create_dir_all(&at).with_context(|| format!("Failed to make {}", at.display()))?;
        if name.is_dir() {
            bind(name, &at, MsFlags::empty())?;
        }
    }
    Ok(())
}

fn bind_kernel(root: &Path) -> Result<()> {
    ["dev", "proc", "sys"]
        .iter()
        .try_for_each(|name| bind(&Path::new("/").join(name), &root.join(name), MsFlags::MS_REC))
}

/// Binds what the machine's services have in /run. Its wrappers start programs of its store, which is not here.
fn bind_run(root: &Path, system: &Path) -> Result<()> {
    for name in names(Path::new("/run")) {
        let (from, to) = (Path::new("/run").join(&name), root.join("run").join(&name));
        let is_directory = fs::symlink_metadata(&from).is_ok_and(|meta| meta.is_dir());
        if name == "wrappers" || !is_directory {
            continue;
        }
        fs::create_dir(&to)?;
        // Without the live system itself, which is mounted below.
        let all = if Path::new(LIVE_ROOT).starts_with(&from) {
            MsFlags::empty()
        } else {
            MsFlags::MS_REC
        };
        bind(&from, &to, all)?;
    }
    symlink(system, root.join("run/current-system")).context("Failed to make /run/current-system")
}

/// The programs that are not in the store: on a NixOS a shell and `env`; elsewhere the machine's own.
fn link_programs(root: &Path) -> Result<()> {
    let shell = fs::canonicalize("/bin/sh").unwrap_or_default();
    if shell.starts_with("/nix/store") {
        for link in ["bin/sh", "usr/bin/env"] {
            let name = Path::new(link).file_name().unwrap_or(OsStr::new(link));
            symlink(Path::new("/run/current-system/sw/bin").join(name), root.join(link))?;
        }
        return Ok(());
    }
    for name in ["bin", "lib", "lib64", "sbin", "usr"] {
        let (from, to) = (Path::new("/").join(name), root.join(name));
        let Ok(meta) = fs::symlink_metadata(&from) else {
            continue;
        };
        if meta.is_symlink() {
            fs::remove_dir(&to).ok();
            symlink(fs::read_link(&from)?, &to)?;
        } else {
            fs::create_dir_all(&to)?;
            bind(&from, &to, MsFlags::MS_REC)?;
        }
    }
    Ok(())
}

/// The live system's /etc: the `files` of the ISO, and for the rest those of the machine that are files.
fn link_etc(root: &Path, files: &Path) -> Result<()> {
    let etc = root.join("etc");
    let real = fs::read_link(below(root, files)).unwrap_or_else(|_| files.to_owned());
    let of_iso = names(&below(root, &real));
    for name in &of_iso {
        symlink(files.join(name), etc.join(name))?;
    }
    for name in names(Path::new("/etc")).iter().filter(|name| !of_iso.contains(name)) {
        // In these two, evaluation and Nix would find the machine's configuration and settings instead of the ISO's.
        if !["nixos", "nix"].contains(&name.as_str()) {
            symlink(Path::new(MACHINE).join("etc").join(name), etc.join(name))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Vec<FileSystem> {
        let text = "/dev/disk/by-uuid/1 / ext4 defaults 0 1
            UUID=2 /boot vfat noauto,x-systemd.automount 0 2
            /data/nix /nix none bind 0 0
            server:/home /home nfs noauto,x-systemd.automount 0 0
            /dev/disk/by-uuid/3 /remote ext4 _netdev,x-systemd.automount 0 0
            //server/x /my\\040files cifs x-systemd.automount 0 0";
        fstab::parse(text)
    }

    fn mount(part: &str, at: &str) -> Mount {
        Mount {
            number: String::new(),
            source: "/dev/sda1".into(),
            part: part.into(),
            at: at.into(),
            kind: "ext4".to_owned(),
            options: "rw".to_owned(),
        }
    }

    #[test]
    fn only_what_is_on_a_disk_of_the_machine_is_waited_for() {
        let found = ["/boot", "/home", "/remote", "/my files", "/proc/sys/fs/binfmt_misc"]
            .map(|at| entries(&table(), &mount("/", at)).any(is_local));
        assert_eq!(found, [true, false, false, false, false]);
    }

    #[test]
    fn what_fstab_binds_is_a_part_of_the_system_and_what_a_nixos_binds_is_not() {
        let found = [
            ("/", "/boot"),
            ("/nix", "/nix"),
            ("/nix/store", "/nix/store"),
            ("/", "/run/media/stick"),
        ]
        .map(|(part, at)| is_in_table(&table(), &mount(part, at)));
        assert_eq!(found, [true, true, false, false]);
    }
}
