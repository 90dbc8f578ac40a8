//! Whether the boot loader finds what it starts: its own program, the entry of this system, the kernel and the initrd.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

use super::menu_entry::{self, MenuEntry};
use super::whole_files::{Copied, compare};
use crate::diagnostic::{Diagnostic, ResultProblem};
use crate::files::{names, sync};
use crate::live::efi_variables::BootEntry;
use crate::live::mounts;
use crate::live::target::Target;
use crate::nix::facts::Boot;

/// The target, and the path of the system that it has to start.
#[derive(Clone, Copy)]
pub(super) struct Installed<'a> {
    pub target: &'a Target,
    pub system: &'a Path,
}

/// A file with boot entries, by its path in the installed system, and the entries in it that start the system.
type Menu = (PathBuf, Vec<MenuEntry>);

/// What is wrong with the files of the boot loader. Paths are those of the installed system.
pub(super) fn boot_files(boot: &Boot, installed: Installed<'_>) -> Vec<Diagnostic> {
    let Installed { target, system } = installed;
    let has = |name: &str| boot.loaders.iter().any(|loader| loader == name);
    let (esp, init) = (Path::new(&boot.esp), system.to_string_lossy());
    let read = |path: &Path| target.read_inside(path).unwrap_or_default();
    let mut problems = Vec::new();
    if has("systemd-boot") {
        problems.extend(loader(target, esp));
        // Entries, kernels and initrds are in one file system (systemd-boot-builder.py).
        let root = Path::new(if boot.xbootldr.is_empty() {
            &boot.esp
        } else {
            &boot.xbootldr
        });
        let entries = root.join("loader/entries");
        let files = names(&target.inside_path(&entries))
            .into_iter()
            .map(|name| entries.join(name));
        let menu = |file: PathBuf| -> Menu {
            let entry = menu_entry::systemd_boot(&read(&file), &init);
            (file, entry.into_iter().collect())
        };
        let menus: Vec<Menu> = files.map(menu).collect();
        let inside = |_: &Path, file: &str| vec![join(root, file)];
        problems.extend(check("systemd-boot", &entries, &menus, &inside, installed));
    }
    if has("grub") {
        for path in &boot.grub_paths {
            let file = Path::new(path).join("grub/grub.cfg");
            let menu = (file.clone(), menu_entry::grub(&read(&file), &init));
            let candidates = |menu: &Path, file: &str| on_any_file_system(target, menu, file);
            problems.extend(check("GRUB", &file, &[menu], &candidates, installed));
        }
    }
    if has("generic-extlinux-compatible") {
        for path in &boot.extlinux_paths {
            let file = Path::new(path).join("extlinux/extlinux.conf");
            let menu = (file.clone(), menu_entry::extlinux(&read(&file), &init));
            let beside = |menu: &Path, file: &str| vec![menu.with_file_name(file)];
            problems.extend(check("extlinux", &file, &[menu], &beside, installed));
        }
    }
    if has("lanzaboote") {
        problems.extend(loader(target, esp));
        let directory = esp.join("EFI/Linux");
        if !names(&target.inside_path(&directory)).iter().any(|name| is_efi(name)) {
            let loader = "lanzaboote";
            problems.push(
                ResultProblem::NoEntry {
                    loader,
                    place: directory,
                }
                .into(),
            );
        }
    }
    problems
}

fn is_efi(name: &str) -> bool {
    let extension = Path::new(name).extension();
    extension.is_some_and(|extension| extension.eq_ignore_ascii_case("efi"))
}

fn join(root: &Path, file: &str) -> PathBuf {
    root.join(file.trim_start_matches('/'))
}

/// systemd-boot's own program: bootctl puts it into two directories, and from systemd 258 on it can end well in a chroot
/// without having done so.
fn loader(target: &Target, esp: &Path) -> Option<Diagnostic> {
    let has = |directory: &str, prefix: &str| {
        let names = names(&target.inside_path(&esp.join(directory)));
        let mut names = names.iter().map(|name| name.to_ascii_lowercase());
        names.any(|name| name.starts_with(prefix) && is_efi(&name))
    };
    let (own, fallback) = (has("EFI/systemd", "systemd-boot"), has("EFI/BOOT", "boot"));
    (!own).then(|| {
        ResultProblem::LoaderMissing {
            esp: esp.to_owned(),
            fallback,
        }
        .into()
    })
}

/// The installed paths that `file` of a GRUB menu can mean. GRUB counts from the root of a file system, and knows subvolumes as
/// directories.
fn on_any_file_system(target: &Target, menu: &Path, file: &str) -> Vec<PathBuf> {
    if let Some(beside) = file.strip_prefix("$prefix/") {
        return vec![menu.with_file_name(beside)];
    }
    let path = file.split_once(')').map_or(file, |(_, path)| path);
    let path: PathBuf = Path::new("/").join(path.trim_start_matches('/'));
    let mounted = mounts::below(target.root()).into_iter().filter_map(|mount| {
        let at = mount.at.strip_prefix(target.root()).ok()?;
        Some(Path::new("/").join(at).join(path.strip_prefix(&mount.part).ok()?))
    });
    mounted.chain([path.clone()]).collect()
}

/// Whether this program can follow the path of a menu: not a variable, nor a dataset of ZFS.
fn is_plain(file: &str) -> bool {
    (!file.starts_with('$') || file.starts_with("$prefix/")) && !file.contains("/@/")
}

/// Looks at the files that the entries of `menus` name. `candidates` gives the installed paths that one can mean.
fn check(
    loader: &'static str,
    place: &Path,
    menus: &[Menu],
    candidates: &dyn Fn(&Path, &str) -> Vec<PathBuf>,
    Installed { target, system }: Installed<'_>,
) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    let mut is_empty = true;
    for (menu, entry) in menus
        .iter()
        .flat_map(|(menu, entries)| entries.iter().map(move |entry| (menu, entry)))
    {
        is_empty = false;
        let initrds = entry.initrds.iter().enumerate();
        let initrds = initrds.map(|(index, file)| (file, (index == 0).then(|| system.join("initrd"))));
        let files = std::iter::once((&entry.kernel, Some(system.join("kernel")))).chain(initrds);
        for (file, original) in files.filter(|(file, _)| is_plain(file)) {
            let paths = candidates(menu, file);
            problems.extend(copy_of(target, (menu, file), &paths, original.as_deref()));
        }
    }
    if is_empty {
        let place = place.to_owned();
        problems.push(ResultProblem::NoEntry { loader, place }.into());
    }
    problems
}

/// The problem of one file that a boot entry of `menu` names.
fn copy_of(
    target: &Target,
    (menu, file): (&Path, &str),
    candidates: &[PathBuf],
    original: Option<&Path>,
) -> Option<Diagnostic> {
    let missing = |error: Option<io::Error>| ResultProblem::FileMissing {
        menu: menu.to_owned(),
        file: file.to_owned(),
        reason: error.map(|error| error.to_string()),
    };
    let found = candidates
        .iter()
        .find_map(|path| Some((path, target.open_inside(path).ok()?)));
    let Some((path, copy)) = found else {
        return Some(missing(None).into());
    };
    let original = target.open_inside(original?).ok()?;
    from_the_disk(target, path, &copy);
    let file = target.inside_path(path);
    let problem = match compare(copy, original) {
        Ok(Copied::Whole) => return None,
        Ok(Copied::Cut) => ResultProblem::FileCut { file },
        Ok(Copied::Other) => ResultProblem::FileDiffers { file },
        Err(error) => missing(Some(error)),
    };
    Some(problem.into())
}

/// Has the kernel read the file from the disk, not from the memory that it was written from. Where that cannot be done, the
/// comparison is the same.
fn from_the_disk(target: &Target, path: &Path, file: &File) {
    if let Some(directory) = target.inside_path(path).parent() {
        drop(sync(directory));
    }
    posix_fadvise(file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).ok();
}

/// Whether the firmware starts another system, or nothing: its menu has no entry for a file of the partition `esp` (its unique
/// GUID) that `exists`, and there is no file that it looks for without one (`fallback`), or another entry that it prefers.
pub(super) fn is_forgotten(entries: &[BootEntry], esp: &str, exists: impl Fn(&str) -> bool, fallback: bool) -> bool {
    let is_here = |entry: &BootEntry| entry.partition.as_deref() == Some(esp);
    let starts_this = |entry: &BootEntry| is_here(entry) && entry.file.as_deref().is_some_and(&exists);
    let starts_other = |entry: &BootEntry| entry.partition.is_some() && !is_here(entry) && entry.file.is_some();
    !entries.is_empty() && !entries.iter().any(starts_this) && (!fallback || entries.iter().any(starts_other))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const SYSTEM: &str = "/nix/store/abc-system";

    fn write(root: &Path, files: &[(&str, &str)]) {
        for (name, text) in files {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    /// A target with a system, whose kernel is a link that leads somewhere only in it.
    fn target() -> (tempfile::TempDir, Target) {
        let root = tempfile::tempdir().unwrap();
        write(
            root.path(),
            &[
                ("nix/store/linux/bzImage", "kernel"),
                ("nix/store/abc-system/initrd", "initrd"),
            ],
        );
        let kernel = root.path().join("nix/store/abc-system/kernel");
        std::os::unix::fs::symlink("/nix/store/linux/bzImage", kernel).unwrap();
        let target = Target::new(root.path());
        (root, target)
    }

    fn codes(boot: &Boot, target: &Target) -> Vec<&'static str> {
        let system = Path::new(SYSTEM);
        let problems = boot_files(boot, Installed { target, system });
        problems.into_iter().map(|problem| problem.code).collect()
    }

    fn loader(name: &str) -> Boot {
        Boot {
            loaders: vec![name.to_owned()],
            esp: "/boot".to_owned(),
            grub_paths: vec!["/boot".to_owned()],
            extlinux_paths: vec!["/boot".to_owned()],
            ..Boot::default()
        }
    }

    const ENTRY: &str =
        "title NixOS\nlinux /EFI/nixos/k.efi\ninitrd /EFI/nixos/i.efi\noptions init=/nix/store/abc-system/init\n";

    #[test]
    fn systemd_boot_needs_itself_an_entry_and_whole_files() {
        let (root, target) = target();
        let boot = loader("systemd-boot");
        assert_eq!(codes(&boot, &target), ["boot-loader-absent", "boot-entry-absent"]);
        write(
            root.path(),
            &[
                ("boot/EFI/systemd/systemd-bootx64.efi", ""),
                ("boot/loader/entries/nixos-0123+3.conf", ENTRY),
                (
                    "boot/loader/entries/other.conf",
                    "linux /gone\noptions init=/nix/store/old/init\n",
                ),
                ("boot/EFI/nixos/k.efi", "kernel"),
            ],
        );
        assert_eq!(codes(&boot, &target), ["boot-file-missing"]);
        // With secrets.
        write(root.path(), &[("boot/EFI/nixos/i.efi", "initrd, secrets")]);
        assert_eq!(codes(&boot, &target), [""; 0]);
        write(
            root.path(),
            &[("boot/EFI/nixos/i.efi", "ini"), ("boot/EFI/nixos/k.efi", "kernes")],
        );
        assert_eq!(codes(&boot, &target), ["boot-file-differs", "boot-file-cut"]);
        // The entries are on a partition of their own.
        let second = Boot {
            xbootldr: "/second".to_owned(),
            ..boot
        };
        assert_eq!(codes(&second, &target), ["boot-entry-absent"]);
    }

    #[test]
    fn grub_extlinux_and_lanzaboote_need_an_entry_and_its_files() {
        let (root, target) = target();
        for (name, menu, text) in [
            (
                "grub",
                "boot/grub/grub.cfg",
                "linux ($drive1)//kernels/k init=/nix/store/abc-system/init\ninitrd $prefix/i\n}\n",
            ),
            (
                "generic-extlinux-compatible",
                "boot/extlinux/extlinux.conf",
                "LABEL x\nLINUX ../../kernels/k\nINITRD ../grub/i\nAPPEND init=/nix/store/abc-system/init\n",
            ),
        ] {
            let boot = loader(name);
            assert_eq!(codes(&boot, &target), ["boot-entry-absent"], "{name}");
            write(root.path(), &[(menu, text), ("kernels/k", "kernel")]);
            assert_eq!(codes(&boot, &target), ["boot-file-missing"], "{name}");
            write(root.path(), &[("boot/grub/i", "initrd")]);
            assert_eq!(codes(&boot, &target), [""; 0], "{name}");
            fs::remove_file(root.path().join("boot/grub/i")).unwrap();
        }
        // What this program cannot follow is no problem.
        let zfs = "linux ($drive1)//ROOT/@/nix/store/k init=/nix/store/abc-system/init\ninitrd $elsewhere/i\n}\n";
        write(root.path(), &[("boot/grub/grub.cfg", zfs)]);
        assert_eq!(codes(&loader("grub"), &target), [""; 0]);
        let boot = loader("lanzaboote");
        write(root.path(), &[("boot/EFI/systemd/systemd-bootx64.efi", "")]);
        assert_eq!(codes(&boot, &target), ["boot-entry-absent"]);
        write(root.path(), &[("boot/EFI/Linux/nixos-generation-1.efi", "")]);
        assert_eq!(codes(&boot, &target), [""; 0]);
        assert_eq!(codes(&loader("external"), &target), [""; 0]);
    }

    #[test]
    fn the_firmware_starts_what_it_has_an_entry_for_or_what_is_alone_in_its_place() {
        let entry = |partition: &str, file: &str| BootEntry {
            partition: Some(partition.to_owned()),
            file: Some(file.to_owned()),
        };
        let exists = |file: &str| file == "/EFI/systemd/systemd-bootx64.efi";
        let [own, windows] = [
            entry("esp", "/EFI/systemd/systemd-bootx64.efi"),
            entry("other", "/EFI/Microsoft/Boot/bootmgfw.efi"),
        ];
        let forgotten = |entries: &[BootEntry], fallback| is_forgotten(entries, "esp", exists, fallback);
        assert!(!forgotten(&[], false), "nothing is known");
        assert!(forgotten(&[windows], true));
        assert!(forgotten(&[BootEntry::default()], false));
        assert!(
            !forgotten(&[BootEntry::default()], true),
            "the network comes after the disk"
        );
        assert!(forgotten(&[entry("esp", "/EFI/gone.efi")], false));
        assert!(!forgotten(&[own], false));
    }
}
