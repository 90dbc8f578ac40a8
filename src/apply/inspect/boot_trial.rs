//! What the boot menu of an installed system says, without its configuration: which systems it starts, and systemd-boot's counting of
//! starts, how often a system may still be started that was not marked as good.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::menu_entry::{extlinux, grub, systemd_boot};
use crate::files::names;
use crate::live::fstab;
use crate::live::target::{BOOT_ENTRIES, Target};
use crate::live::volumes::is_device_name;

/// The directories that can have the entries of systemd-boot: on the partitions that `system` mounts, and where they usually are.
fn directories(target: &Target, system: &Path) -> BTreeSet<PathBuf> {
    let table = target.read_inside(&system.join("etc/fstab")).unwrap_or_default();
    let partitions = fstab::parse(&table).into_iter();
    // A server that does not answer would be waited for.
    let partitions =
        partitions.filter(|partition| is_device_name(&partition.device) && !fstab::has(partition, "_netdev"));
    let mounted = partitions.map(|partition| Path::new(&partition.at).join("loader/entries"));
    mounted.chain(BOOT_ENTRIES.map(PathBuf::from)).collect()
}

/// The names of the entries of systemd-boot that start `system`.
fn entries(target: &Target, system: &Path) -> impl Iterator<Item = String> {
    let init = system.to_string_lossy();
    directories(target, system).into_iter().flat_map(move |directory| {
        let mut names = names(&target.inside_path(&directory));
        names.retain(|name| {
            let text = target.read_inside(&directory.join(name)).unwrap_or_default();
            systemd_boot(&text, &init).is_some()
        });
        names
    })
}

/// Whether a boot menu has an entry for `system`.
#[must_use]
pub fn is_in_boot_menu(target: &Target, system: &Path) -> bool {
    let init = system.to_string_lossy();
    let read = |path: &str| target.read_inside(Path::new(path)).unwrap_or_default();
    !grub(&read("/boot/grub/grub.cfg"), &init).is_empty()
        || !extlinux(&read("/boot/extlinux/extlinux.conf"), &init).is_empty()
        || entries(target, system).next().is_some()
}

/// How often `system` may still be started. `None`: its starts are not counted, or it has become good.
#[must_use]
pub fn starts_left(target: &Target, system: &Path) -> Option<u32> {
    entries(target, system).find_map(|name| counter(&name))
}

/// The starts that are left, in the name of an entry: `NAME+LEFT.conf` or `NAME+LEFT-DONE.conf` (UAPI's Boot Loader Specification).
fn counter(name: &str) -> Option<u32> {
    let (_, counter) = name.strip_suffix(".conf")?.rsplit_once('+')?;
    counter.split('-').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_counter_of_the_entry_that_starts_the_system_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let target = Target::new(directory.path());
        let entries = directory.path().join("boot/loader/entries");
        fs::create_dir_all(&entries).unwrap();
        let entry = |name: &str, system: &str| {
            let text = format!("title NixOS\nlinux /k\noptions init=/nix/store/{system}/init quiet\n");
            fs::write(entries.join(name), text).unwrap();
        };
        for (name, system) in [
            ("nixos-a.conf", "good"),
            ("nixos-b+3.conf", "new"),
            ("nixos-c+1-2.conf", "tried"),
            ("nixos-d+0-3.conf", "bad"),
            ("nixos-e+x.conf", "odd"),
        ] {
            entry(name, system);
        }
        let left = |system: &str| starts_left(&target, &Path::new("/nix/store").join(system));
        let all = ["good", "new", "tried", "bad", "odd", "absent"].map(left);
        assert_eq!(all, [None, Some(3), Some(1), Some(0), None, None]);
        let is_there =
            ["good", "bad", "absent"].map(|name| is_in_boot_menu(&target, &Path::new("/nix/store").join(name)));
        assert_eq!(is_there, [true, true, false]);
    }

    #[test]
    fn the_boot_menu_is_found_on_a_partition_that_the_system_mounts() {
        let directory = tempfile::tempdir().unwrap();
        let target = Target::new(directory.path());
        let system = Path::new("/nix/store/new");
        let write = |name: &str, text: &str| {
            let path = target.inside(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(
            "/system/esp/loader/entries/nixos-a+2-1.conf",
            "linux /k\noptions init=/nix/store/new/init\n",
        );
        assert_eq!(starts_left(&target, system), None);
        write("/nix/store/new/etc/fstab", "UUID=1-2 /system/esp vfat umask=0077 0 2\n");
        assert_eq!(starts_left(&target, system), Some(2));
        assert!(is_in_boot_menu(&target, system));
    }
}
