//! The partitions that kernels and initrds are copied to, and how much is copied.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::statvfs::{FsFlags, statvfs};

use crate::live::mounts;
use crate::live::target::Target;
use crate::nix::facts::{Boot, BootFiles};
use crate::store_path::{STORE, containing, store_name};

/// A partition of a boot loader that is not the one of the store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BootPartition {
    /// The mount point in the installed system.
    pub at: String,
    /// Where it is mounted, if it is mounted read-only: so that nothing can damage it, or because it is damaged.
    pub read_only: Option<PathBuf>,
    /// The bytes that are free now.
    pub free: u64,
    /// The bytes of kernels and initrds that are removed before others are copied, where no generation needs them.
    pub removed: u64,
    /// The bytes of kernels and initrds of other systems that stay at least until all are copied.
    pub others: u64,
    /// Whether the target has generations of an earlier installation.
    pub has_generations: bool,
    /// The bytes that are copied. What is there already does not count.
    pub needed: Size,
}

impl BootPartition {
    /// In an update, a file system that is only `looked_at` will be mounted for writing, and that of the `running` machine is where the
    /// machine has it.
    pub fn see_in_update(&mut self, looked_at: bool, running: bool) {
        if looked_at {
            self.read_only = None;
        } else if running {
            self.read_only = self.read_only.take().map(|_| PathBuf::from(&self.at));
        }
    }
}

/// The size of files, in bytes; both are the same where it is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    pub least: u64,
    pub likely: u64,
}

/// Where the installer of a boot loader copies kernels and initrds.
struct Place<'a> {
    /// The mount point, or a directory, in the installed system.
    at: &'a str,
    /// The directory in it.
    directory: &'static str,
    /// Whether what no generation needs is removed before the new files are copied: systemd-boot-builder.py does that, and the
    /// others do it last (24.05 and 26.11; lanzaboote 1.0).
    removes_first: bool,
}

/// The boot loaders that copy to the EFI system partition, with their directories.
const ON_ESP: [(&str, &str); 4] = [
    ("lanzaboote", "EFI/nixos"),
    ("systemd-boot", "EFI/nixos"),
    ("limine", "limine/kernels"),
    ("refind", "efi/refind/kernels"),
];

fn places(boot: &Boot) -> Vec<Place<'_>> {
    let has = |name: &str| boot.loaders.iter().any(|loader| loader == name);
    let place = |at, directory| Place {
        at,
        directory,
        removes_first: false,
    };
    if let Some((name, directory)) = ON_ESP.into_iter().find(|(name, _)| has(name)) {
        let is_systemd_boot = name == "systemd-boot";
        let on_xbootldr = is_systemd_boot && !boot.xbootldr.is_empty();
        return vec![Place {
            removes_first: is_systemd_boot,
            ..place(if on_xbootldr { &boot.xbootldr } else { &boot.esp }, directory)
        }];
    }
    if has("grub") {
        return boot.grub_paths.iter().map(|at| place(at, "kernels")).collect();
    }
    let extlinux = has("generic-extlinux-compatible").then(|| place("/boot", "nixos"));
    extlinux.into_iter().collect()
}

/// The partitions that the installer of the boot loader copies to.
pub(super) fn look(target: &Target, boot: &Boot, files: &BootFiles) -> Vec<BootPartition> {
    let look = |place: Place<'_>| {
        let mount = mounts::holder(&target.inside(place.at))?;
        // The store's own file system has the room of the whole system.
        let store = mounts::holder(&target.store())?;
        if mount.at == target.root() || mount.number == store.number {
            return None;
        }
        let room = statvfs(&mount.at).ok()?;
        let cluster = room.fragment_size().max(1);
        Some(BootPartition {
            at: format!("/{}", mount.at.strip_prefix(target.root()).ok()?.display()),
            read_only: room.flags().contains(FsFlags::ST_RDONLY).then(|| mount.at.clone()),
            // Those that ext4 reserves for root as well: the boot loader's installer is root.
            free: room.blocks_free().saturating_mul(cluster),
            has_generations: has_generations(target),
            ..measure(Path::new("/"), target, &place, files, cluster)
        })
    };
    places(boot).into_iter().filter_map(look).collect()
}

/// Whether there is a link of the form `system-1-link`.
fn has_generations(target: &Target) -> bool {
    let profiles = fs::read_dir(target.inside("/nix/var/nix/profiles"));
    let names = profiles.into_iter().flatten().flatten().map(|entry| entry.file_name());
    names
        .filter_map(|name| name.into_string().ok())
        .any(|name| name.starts_with("system-") && name.ends_with("-link"))
}

/// What is in the directory of `place`, and what is copied to it. `live`: the root of the live system. `cluster`: what a file
/// takes is a multiple of that.
fn measure(live: &Path, target: &Target, place: &Place<'_>, files: &BootFiles, cluster: u64) -> BootPartition {
    let round = |bytes: u64| bytes.div_ceil(cluster) * cluster;
    let mut there = files_in(&target.inside(place.at).join(place.directory));
    let mut needed = Size::default();
    let mut add = |size: Size| {
        needed.least += round(size.least);
        needed.likely += round(size.likely);
    };
    let mut paths: Vec<&str> = files
        .systems
        .iter()
        .flat_map(|system| [system.kernel.as_str(), system.initrd.as_str()])
        .filter(|path| !path.is_empty())
        .collect();
    paths.sort_unstable();
    paths.dedup();
    for path in paths {
        let size = size(live, path);
        // Named by the store path's hash, or, by lanzaboote, by that of the contents.
        let hash = containing(path).and_then(|path| path.rsplit('/').next()?.split('-').next());
        let is_same = |name: &str, len: u64| hash.is_some_and(|hash| name.starts_with(hash)) || size.is(len);
        let known = there.iter().find(|(name, len)| is_same(name, **len));
        match known.map(|(name, _)| name.clone()) {
            Some(name) => _ = there.remove(&name),
            None => add(size),
        }
    }
    let extra = files.extra.iter();
    let extra = extra.filter(|extra| !target.inside(place.at).join(&extra.name).exists());
    for extra in extra {
        let size = exact(live, &extra.source).unwrap_or_default();
        add(Size {
            least: size,
            likely: size,
        });
    }
    let old: u64 = there.values().map(|len| round(*len)).sum();
    let (removed, others) = if place.removes_first { (old, 0) } else { (0, old) };
    BootPartition {
        removed,
        others,
        needed,
        ..BootPartition::default()
    }
}

impl Size {
    /// Whether it is known, and is `len`.
    fn is(self, len: u64) -> bool {
        self.least == len && self.likely == len
    }
}

/// The files in `directory`, with their sizes.
fn files_in(directory: &Path) -> BTreeMap<String, u64> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let meta = entry.metadata().ok().filter(fs::Metadata::is_file)?;
            Some((entry.file_name().into_string().ok()?, meta.len()))
        })
        .collect()
}

fn exact(live: &Path, path: &str) -> Option<u64> {
    let meta = fs::metadata(live.join(path.trim_start_matches('/'))).ok()?;
    meta.is_file().then_some(meta.len())
}

/// The size of the file at `path`, or, where it has yet to be built, one that is derived from the files of the same name in
/// other store paths: the ISO has the same initrd with the modules of another machine. It may also have the live system's,
/// which is larger; so the smallest counts, and half of it is certain.
fn size(live: &Path, path: &str) -> Size {
    if let Some(size) = exact(live, path) {
        return Size {
            least: size,
            likely: size,
        };
    }
    let Some(store_path) = containing(path) else {
        return Size::default();
    };
    let (name, file) = (store_name(store_path), &path[store_path.len()..]);
    let paths = fs::read_dir(live.join(STORE.trim_start_matches('/')));
    let names = paths.into_iter().flatten().flatten().map(|entry| entry.file_name());
    let sizes = names.filter_map(|other| {
        let other = other.into_string().ok()?;
        let is_alike = other.split_once('-').is_some_and(|(_, other)| other == name);
        exact(live, &format!("{STORE}/{other}{file}")).filter(|_| is_alike)
    });
    let likely = sizes.min().unwrap_or_default();
    Size {
        least: likely / 2,
        likely,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_only_partition_is_no_obstacle_while_it_is_looked_at_and_named_as_the_machine_has_it() {
        let seen = |looked_at, running| {
            let mut partition = BootPartition {
                at: "/boot".into(),
                read_only: Some("/mnt/boot".into()),
                ..BootPartition::default()
            };
            partition.see_in_update(looked_at, running);
            partition.read_only
        };
        assert_eq!(seen(true, false), None);
        assert_eq!(seen(false, true), Some("/boot".into()));
        assert_eq!(seen(false, false), Some("/mnt/boot".into()));
    }
    use crate::nix::facts::{Bootable, ExtraFile};

    fn put(root: &Path, path: &str, len: u64) {
        let path = root.join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::File::create(path).unwrap().set_len(len).unwrap();
    }

    fn files() -> BootFiles {
        let system = |initrd: &str| Bootable {
            kernel: "/nix/store/k-linux-6.12/bzImage".into(),
            initrd: format!("/nix/store/{initrd}/initrd"),
        };
        BootFiles {
            systems: vec![
                system("i-initrd-linux-6.12"),
                system("j-initrd-linux-6.12"),
                system("i-initrd-linux-6.12"),
            ],
            extra: vec![ExtraFile {
                name: "efi/memtest86/memtest.efi".into(),
                source: "/nix/store/m-memtest.efi".into(),
            }],
        }
    }

    /// What is measured with clusters of 10 bytes, for a boot loader of that name.
    fn measured(live: &Path, target: &Path, loader: &str) -> BootPartition {
        let boot = Boot {
            loaders: vec![loader.into()],
            esp: "/boot".into(),
            grub_paths: vec!["/boot".into()],
            ..Boot::default()
        };
        let files = files();
        let places = places(&boot);
        measure(live, &Target::new(target), &places[0], &files, 10)
    }

    #[test]
    fn each_file_is_counted_once_and_an_initrd_that_is_to_be_built_is_estimated() {
        let (live, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (live, target) = (live.path(), target.path());
        put(live, "/nix/store/k-linux-6.12/bzImage", 101);
        put(live, "/nix/store/i-initrd-linux-6.12/initrd", 400);
        put(live, "/nix/store/m-memtest.efi", 5);
        let needed = |likely, least| Size { least, likely };
        // The other initrd is like this one.
        assert_eq!(
            measured(live, target, "systemd-boot").needed,
            needed(110 + 400 + 400 + 10, 110 + 400 + 200 + 10)
        );
        // That of another kernel shows nothing.
        put(live, "/nix/store/o-initrd-linux-6.6/initrd", 30);
        // That of the live system.
        put(live, "/nix/store/l-initrd-linux-6.12/initrd", 900);
        assert_eq!(measured(live, target, "systemd-boot").needed, needed(920, 720));
        put(live, "/nix/store/j-initrd-linux-6.12/initrd", 300);
        assert_eq!(measured(live, target, "systemd-boot").needed, needed(820, 820));
        put(target, "/boot/efi/memtest86/memtest.efi", 5);
        assert_eq!(measured(live, target, "grub").needed, needed(810, 810));
    }

    #[test]
    fn what_is_there_already_is_not_counted_and_other_kernels_are_removed_by_systemd_boot_alone() {
        let (live, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (live, target) = (live.path(), target.path());
        put(live, "/nix/store/k-linux-6.12/bzImage", 100);
        put(live, "/nix/store/i-initrd-linux-6.12/initrd", 400);
        put(live, "/nix/store/j-initrd-linux-6.12/initrd", 300);
        for (directory, loader) in [
            ("/boot/EFI/nixos", "systemd-boot"),
            ("/boot/EFI/nixos", "lanzaboote"),
            ("/boot/kernels", "grub"),
            ("/boot/nixos", "generic-extlinux-compatible"),
            ("/boot/limine/kernels", "limine"),
            ("/boot/efi/refind/kernels", "refind"),
        ] {
            assert_eq!(measured(live, target, loader).needed.least, 800, "{loader}");
            put(target, &format!("{directory}/k-linux-6.12-bzImage.efi"), 100);
            // lanzaboote's names have the hash of the contents.
            put(target, &format!("{directory}/initrd-6.12-xyz.efi"), 400);
            put(target, &format!("{directory}/o-initrd-linux-6.6-initrd.efi"), 55);
            let found = measured(live, target, loader);
            assert_eq!(found.needed.least, 300, "{loader}");
            let expected = if loader == "systemd-boot" { (60, 0) } else { (0, 60) };
            assert_eq!((found.removed, found.others), expected, "{loader}");
            fs::remove_dir_all(target.join("boot")).unwrap();
        }
    }

    #[test]
    fn systemd_boot_copies_to_the_extended_boot_partition_where_there_is_one() {
        let with = |xbootldr: &str| {
            let boot = Boot {
                loaders: vec!["systemd-boot".into()],
                esp: "/efi".into(),
                xbootldr: xbootldr.into(),
                ..Boot::default()
            };
            places(&boot)[0].at.to_owned()
        };
        assert_eq!((with(""), with("/boot")), ("/efi".to_owned(), "/boot".to_owned()));
    }
}
