//! systemd-boot's counting of starts: how often a system may still be started that was not marked as good.

use std::path::Path;

use super::menu_entry::systemd_boot;
use crate::files::names;
use crate::live::target::{BOOT_ENTRIES, Target};

/// How often `system` may still be started. `None`: its starts are not counted, or it has become good.
#[must_use]
pub fn starts_left(target: &Target, system: &Path) -> Option<u32> {
    let init = system.to_string_lossy();
    BOOT_ENTRIES.iter().map(Path::new).find_map(|entries| {
        let counted = names(&target.inside_path(entries)).into_iter();
        let mut counted = counted.filter_map(|name| Some((counter(&name)?, name)));
        counted.find_map(|(left, name)| {
            let text = target.read_inside(&entries.join(name)).ok()?;
            systemd_boot(&text, &init).map(|_| left)
        })
    })
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
    }
}
