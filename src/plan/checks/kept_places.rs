//! Where the files that the installer leaves on the target survive a restart: the configuration, the log, the receipt.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::file_systems::on_a_disk;
use crate::diagnostic::{Cover, Diagnostic, ExtraFilesProblem, KeptProblem};
use crate::live::fstab::is_bind;
use crate::live::target::Kept;
use crate::nix::facts::{Bind, Disks, FileSystem};
use crate::plan::observed::Mounted;
use crate::store_path::STORE;
use crate::tree::extra_files::{ExtraFile, Kind};
use crate::tree::source::ETC_NIXOS;

/// Where a path of the installed system is.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// On a disk, at this path; `holder` is the mount point of its file system.
    OnDisk {
        path: PathBuf,
        holder: String,
    },
    InMemory,
}

/// The types of file systems whose files are gone after a restart.
const IN_MEMORY: [&str; 2] = ["tmpfs", "ramfs"];

/// How many bind mounts are followed from one to the next.
const DEPTH: usize = 8;

/// What is mounted in the installed system.
#[derive(Clone, Copy)]
struct Mounts<'a> {
    systems: &'a [FileSystem],
    binds: &'a [Bind],
}

impl<'a> Mounts<'a> {
    /// What is mounted nearest above `path`: where, from which directory, and the file system.
    fn nearest(self, path: &Path) -> Option<(&'a str, Option<&'a str>, Option<&'a FileSystem>)> {
        let of_systems = self.systems.iter().map(|system| {
            let from = is_bind(system).then_some(system.device.as_str());
            (system.at.as_str(), from, Some(system))
        });
        let of_units = self
            .binds
            .iter()
            .map(|bind| (bind.at.as_str(), Some(bind.from.as_str()), None));
        let above = of_systems.chain(of_units).filter(|(at, ..)| path.starts_with(at));
        above.max_by_key(|(at, ..)| Path::new(at).components().count())
    }

    /// Follows the bind mounts, and the file systems below which they are.
    fn follow(self, path: &Path, depth: usize) -> Place {
        let Some((at, from, system)) = self.nearest(path) else {
            return Place::InMemory;
        };
        match (from, system) {
            // Two that contradict each other, which Nix reports.
            (Some(""), _) => Place::OnDisk {
                path: path.to_owned(),
                holder: at.to_owned(),
            },
            (Some(from), _) if depth < DEPTH => {
                let rest = path.strip_prefix(at).unwrap_or(path);
                // `join` of nothing adds a slash.
                self.follow(
                    &Path::new(from)
                        .components()
                        .chain(rest.components())
                        .collect::<PathBuf>(),
                    depth + 1,
                )
            }
            (None, Some(system)) if on_a_disk(system) => Place::OnDisk {
                path: path.to_owned(),
                holder: at.to_owned(),
            },
            _ => Place::InMemory,
        }
    }

    /// Where files can be left that nothing else keeps: on the file system that the configuration keeps for such things, or
    /// beside the store.
    fn storage(self) -> PathBuf {
        let is_storage = |system: &&FileSystem| {
            let is_special = ["/", "/nix", "/nix/store"].contains(&system.at.as_str());
            let is_home = Path::new(&system.at).starts_with("/home") || Path::new(&system.at).starts_with("/var");
            system.needed_for_boot
                && !is_special
                && !is_home
                && on_a_disk(system)
                && !is_bind(system)
                && system.kind != "vfat"
        };
        let storage = self.systems.iter().find(is_storage);
        storage.map_or_else(|| "/nix/persist".into(), |system| PathBuf::from(&system.at))
    }
}

/// Where the files of the installer are kept in a system with these file systems and bind mounts, and what of that a person has
/// to know. `mounted`: what is mounted at the target; absent before there is one.
pub fn kept(disks: &Disks, binds: &[Bind], mounted: Option<&[Mounted]>) -> (Kept, Option<Diagnostic>) {
    let mounts = Mounts {
        systems: &disks.file_systems,
        binds,
    };
    let usual = Kept::default();
    let root = disks.file_systems.iter().find(|system| system.at == "/");
    let is_in_memory = root.is_some_and(|root| IN_MEMORY.contains(&root.kind.as_str()));
    // A system whose store is in memory too does not survive, whatever is kept.
    let store = mounts.follow(Path::new(STORE), 0);
    let is_in_memory = is_in_memory && matches!(store, Place::OnDisk { .. });
    let storage = mounts.storage();
    let mut problem = None;
    let mut place = |path: &Path| {
        let copy = || storage.join(path.strip_prefix("/").unwrap_or(path));
        let is_configuration = path == Path::new(ETC_NIXOS);
        match mounts.follow(path, 0) {
            Place::OnDisk { path: kept, holder } if kept != path && !is_mounted(mounted, &holder) => {
                problem = problem.take().or_else(|| {
                    is_configuration.then(|| KeptProblem::StorageNotMounted {
                        storage: holder,
                        path: kept,
                        copy: copy(),
                    })
                });
                copy()
            }
            Place::OnDisk { path, .. } => path,
            Place::InMemory if !is_in_memory => path.to_owned(),
            Place::InMemory => {
                if is_configuration {
                    let (copy, storage) = (copy(), storage.clone());
                    problem = Some(KeptProblem::Forgotten { copy, storage });
                }
                copy()
            }
        }
    };
    let kept = Kept {
        etc_nixos: place(&usual.etc_nixos),
        state: place(&usual.state),
        logs: place(&usual.logs),
    };
    (kept, problem.map(Diagnostic::from))
}

/// The first of the extra files below each place where the installed system mounts something over them, or has memory.
pub fn hidden(files: &[ExtraFile], (disks, binds): (&Disks, &[Bind]), mounted: Option<&[Mounted]>) -> Vec<Diagnostic> {
    let mounts = Mounts {
        systems: &disks.file_systems,
        binds,
    };
    // Not so where a directory was named with --not-mounted.
    let mounted = mounted.filter(|mounted| is_mounted(Some(mounted), "/"));
    let mut covers = BTreeMap::new();
    for file in files.iter().filter(|file| !matches!(file.kind, Kind::Directory(_))) {
        let path = Path::new("/").join(&file.path);
        let Some((at, from, system)) = mounts.nearest(&path) else {
            continue;
        };
        let is_shared = from.is_none() && system.is_some_and(|system| !IN_MEMORY.contains(&system.kind.as_str()));
        let cover = match mounts.follow(&path, 0) {
            Place::InMemory if !is_shared => Cover::Memory,
            Place::OnDisk { path: kept, .. } if kept != path => match mounted {
                Some(mounted) if is_mounted(Some(mounted), at) => continue,
                _ => Cover::Bind { kept },
            },
            _ if is_mounted(mounted, at) => continue,
            _ => Cover::FileSystem,
        };
        covers.entry(at).or_insert((path, cover));
    }
    let hidden = covers.into_iter().map(|(at, (path, cover))| ExtraFilesProblem::Hidden {
        path,
        at: at.to_owned(),
        cover,
    });
    hidden.map(Diagnostic::from).collect()
}

/// Whether the file system `at` is mounted at the target, as far as that is known.
fn is_mounted(mounted: Option<&[Mounted]>, at: &str) -> bool {
    mounted.is_none_or(|mounted| mounted.iter().any(|mounted| mounted.at == at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn system(at: &str, device: &str, kind: &str) -> FileSystem {
        FileSystem {
            at: at.to_owned(),
            device: device.to_owned(),
            kind: kind.to_owned(),
            needed_for_boot: at == "/persist",
            ..FileSystem::default()
        }
    }

    fn bind(at: &str, from: &str) -> FileSystem {
        FileSystem {
            options: vec!["bind".to_owned()],
            ..system(at, from, "none")
        }
    }

    fn unit(at: &str, from: &str) -> Bind {
        Bind {
            at: at.to_owned(),
            from: from.to_owned(),
        }
    }

    fn mounted_at(places: &[&str]) -> Vec<Mounted> {
        let mounted = places.iter().map(|&at| Mounted {
            at: at.to_owned(),
            ..Mounted::default()
        });
        mounted.collect()
    }

    const PERSIST: [(&str, &str); 3] = [("/", "tmpfs"), ("/nix", "ext4"), ("/persist", "ext4")];

    /// Where the configuration and the log are kept, and the code of the problem.
    fn places(kinds: &[(&str, &str)], others: &[FileSystem], binds: &[Bind], mounted: Option<&[&str]>) -> [String; 3] {
        let systems = kinds.iter().map(|(at, kind)| system(at, "/dev/sda1", kind));
        let disks = Disks {
            file_systems: systems.chain(others.iter().cloned()).collect(),
            ..Disks::default()
        };
        let mounted = mounted.map(mounted_at);
        let (kept, problem) = kept(&disks, binds, mounted.as_deref());
        let code = problem.map_or(String::new(), |problem| problem.code.to_owned());
        [
            kept.etc_nixos.display().to_string(),
            kept.logs.display().to_string(),
            code,
        ]
    }

    const LOGS: &str = "/var/log/nix-cfg-install";

    #[test]
    fn on_a_root_on_a_disk_everything_is_where_it_is() {
        let usual = ["/etc/nixos", LOGS, ""];
        assert_eq!(
            places(&[("/", "ext4"), ("/boot", "vfat")], &[], &[], Some(&["/"])),
            usual
        );
        assert_eq!(
            places(&[("/", "zfs"), ("/var/log", "zfs")], &[], &[], Some(&["/"])),
            usual
        );
        assert_eq!(places(&[("/", "ext4"), ("/var/log", "tmpfs")], &[], &[], None), usual);
        // What is not known is left alone.
        assert_eq!(places(&[], &[], &[], None), usual);
        assert_eq!(places(&[("/", "tmpfs")], &[], &[], None), usual, "nothing survives");
        // A root that is rolled back at each start has the same bind mounts.
        let bound = places(
            &[("/", "btrfs"), ("/persist", "btrfs")],
            &[],
            &[unit("/etc/nixos", "/persist/etc/nixos")],
            None,
        );
        assert_eq!(bound, ["/persist/etc/nixos", LOGS, ""]);
    }

    #[test]
    fn a_root_in_memory_keeps_what_is_bound_to_a_disk() {
        let log = format!("/persist{LOGS}");
        let expected = ["/persist/etc/nixos", &log, ""];
        // By hand, and with impermanence before 2025.
        let by_hand = [
            bind("/etc/nixos", "/persist/etc/nixos"),
            bind("/var/log", "/persist/var/log"),
        ];
        assert_eq!(
            places(&PERSIST, &by_hand, &[], Some(&["/", "/nix", "/persist"])),
            expected
        );
        // With impermanence and preservation.
        let units = [
            unit("/etc/nixos", "/persist/etc/nixos"),
            unit("/var/log", "/persist/var/log"),
        ];
        assert_eq!(
            places(&PERSIST, &[], &units, Some(&["/", "/nix", "/persist"])),
            expected
        );
        // From one to the next, and below a file system of its own.
        let chain = [bind("/etc", "/state/etc"), bind("/state", "/persist/system")];
        assert_eq!(places(&PERSIST, &chain, &[], None)[0], "/persist/system/etc/nixos");
        let logs = [system("/var/log", "/dev/sda3", "ext4")];
        assert_eq!(places(&PERSIST, &logs, &units[..1], None)[1], LOGS);
    }

    #[test]
    fn what_nothing_keeps_is_put_where_it_survives_and_said() {
        let log = format!("/persist{LOGS}");
        assert_eq!(
            places(&PERSIST, &[], &[], None),
            ["/persist/etc/nixos", &log, "etc-nixos-in-memory"]
        );
        let only_nix = places(&[("/", "tmpfs"), ("/nix", "btrfs"), ("/boot", "vfat")], &[], &[], None);
        assert_eq!(only_nix[0], "/nix/persist/etc/nixos");
        let contradiction = [bind("/etc/nixos", "")];
        assert_eq!(places(&PERSIST, &contradiction, &[], None)[2], "");
        let circle = [bind("/etc", "/a"), bind("/a", "/etc")];
        assert_eq!(places(&PERSIST, &circle, &[], None)[2], "etc-nixos-in-memory");
    }

    #[test]
    fn a_storage_that_is_not_mounted_is_said() {
        let kinds = [("/", "tmpfs"), ("/nix", "ext4"), ("/data", "ext4")];
        let units = [unit("/etc/nixos", "/data/etc/nixos")];
        let here = places(&kinds, &[], &units, Some(&["/", "/nix"]));
        let log = format!("/nix/persist{LOGS}");
        assert_eq!(here, ["/nix/persist/etc/nixos", &log, "etc-nixos-elsewhere"]);
    }

    #[test]
    fn extra_files_that_the_installed_system_would_not_have_are_reported() {
        let files = [
            "etc/ssh/key",
            "home/a/id",
            "home/a/id.pub",
            "var/lib/x",
            "persist/key",
            "srv/x",
        ];
        let files = files.map(|path| ExtraFile {
            path: path.into(),
            kind: Kind::File,
            owner: None,
            group: None,
            mode: None,
        });
        let covers = |kinds: &[(&str, &str)], mounted: Option<&[&str]>| {
            let systems = kinds.iter().map(|(at, kind)| system(at, "/dev/sda1", kind));
            let disks = Disks {
                file_systems: systems.collect(),
                ..Disks::default()
            };
            let mounted = mounted.map(mounted_at);
            let units = [unit("/etc/ssh", "/persist/etc/ssh")];
            let found = hidden(&files, (&disks, &units), mounted.as_deref());
            found.into_iter().map(|problem| problem.why).collect::<Vec<_>>()
        };
        let bind = "The installed system takes /etc/ssh from elsewhere: /etc/ssh/key would be /persist/etc/ssh/key.";
        let memory = "It has what is below / in memory, which is empty after each start.";
        let not_mounted = |at: &str| format!("It mounts a file system at {at}, and none is mounted there now.");
        let kinds = [("/", "ext4"), ("/home", "ext4"), ("/var", "ext4"), ("/persist", "ext4")];
        assert_eq!(
            covers(&kinds, Some(&["/", "/var", "/persist"])),
            [bind.to_owned(), not_mounted("/home")]
        );
        assert_eq!(
            covers(&kinds, Some(&["/", "/etc/ssh", "/home", "/var", "/persist"])),
            [""; 0]
        );
        // On another machine.
        let shared = [("/", "ext4"), ("/home", "nfs")];
        assert_eq!(
            covers(&shared, Some(&["/", "/persist"])),
            [bind.to_owned(), not_mounted("/home")]
        );
        // Nothing is mounted yet, or the target is a directory.
        assert_eq!(covers(&kinds, None), [bind]);
        assert_eq!(covers(&kinds, Some(&[])), [bind]);
        let mounted: &[&str] = &["/", "/home", "/var", "/nix", "/persist"];
        let kinds = [
            ("/", "tmpfs"),
            ("/home", "ext4"),
            ("/var", "ext4"),
            ("/persist", "ext4"),
        ];
        assert_eq!(covers(&kinds, Some(mounted)), [memory, bind]);
    }
}
