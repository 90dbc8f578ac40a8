//! The target: every path below its mount point, named once, and whether it can be installed to.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::sys::statvfs::{FsFlags, statvfs};

use super::machine::KEY_FILE;
use crate::diagnostic::Diagnostic;
use crate::live::mounts;
use crate::tree::hardware::FILE_NAME;
use crate::tree::source::INSTALLED;

/// Who may do what with the root directory of an installed system.
const ROOT_MODE: u32 = 0o755;

/// The mount point of the new root file system.
#[derive(Debug, Clone)]
pub struct Target {
    root: PathBuf,
}

impl Target {
    /// The target mounted at `root`, under its real name where it is there: Nix opens no store whose path has a link in it
    /// (2.8 to 2.34, src/libstore/local-store.cc).
    pub fn new(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        Self {
            root: fs::canonicalize(&root).unwrap_or(root),
        }
    }

    /// The mount point.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the configuration is installed.
    #[must_use]
    pub fn etc_nixos(&self) -> PathBuf {
        self.inside(INSTALLED)
    }

    /// Where the new `etc/nixos` is made before it is swapped in: on the same file system.
    #[must_use]
    pub fn staging(&self) -> PathBuf {
        self.root.join("etc/.nixos.nix-cfg-install")
    }

    /// What `etc/nixos` held before, kept under a name with the time of the run.
    #[must_use]
    pub fn etc_nixos_before(&self, stamp: &str) -> PathBuf {
        self.root.join(format!("etc/nixos.before-{stamp}"))
    }

    /// The hardware-configuration.nix that nixos-generate-config wrote.
    #[must_use]
    pub fn generated_hardware(&self) -> PathBuf {
        self.etc_nixos().join(FILE_NAME)
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.root.join("nix/store")
    }

    /// Where store paths are made before they are published: beside them. Nix does not look at it.
    #[must_use]
    pub fn store_staging(&self) -> PathBuf {
        self.store().join(".nix-cfg-install-tmp")
    }

    /// Where an absolute path of the installed system is now.
    #[must_use]
    pub fn inside(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// The key of encrypted volumes, in a folder that is root's alone.
    #[must_use]
    pub fn luks_key(&self) -> PathBuf {
        self.inside(KEY_FILE)
    }

    /// What a later run must know of an earlier one.
    #[must_use]
    pub fn placement(&self) -> PathBuf {
        self.root.join("var/lib/nix-cfg-install/placement.json")
    }

    /// Which temporary folders were there before nixos-install was started; there only while it runs.
    #[must_use]
    pub fn activating(&self) -> PathBuf {
        self.root.join("var/lib/nix-cfg-install/activating.json")
    }

    /// Keeps what a rebuild without a network needs: Nix collects nothing that a link in this folder names.
    #[must_use]
    pub fn rebuild_root(&self) -> PathBuf {
        self.root.join("nix/var/nix/gcroots/nix-cfg-install/offline-rebuild")
    }

    /// What was installed, written when all is done.
    #[must_use]
    pub fn receipt(&self) -> PathBuf {
        self.root.join("var/lib/nix-cfg-install/receipt.json")
    }

    /// The log of a run.
    #[must_use]
    pub fn log(&self, stamp: &str) -> PathBuf {
        self.root.join(format!("var/log/nix-cfg-install/{stamp}.log"))
    }

    /// Gives the root directory the mode of every NixOS, and returns the mode that it had if that was another one.
    ///
    /// nixos-install (nixpkgs 24.05 and 26.11) refuses a root that other users cannot read; a file system that was just made
    /// can have any mode, and calamares-nixos-extensions 0.3.23 does the same.
    ///
    /// # Errors
    /// When the file system does not take it.
    pub fn open(&self) -> Result<Option<u32>> {
        let what = || format!("Failed to set the mode of {}", self.root.display());
        let mode = fs::metadata(&self.root).with_context(what)?.permissions().mode() & 0o7777;
        if mode == ROOT_MODE {
            return Ok(None);
        }
        fs::set_permissions(&self.root, fs::Permissions::from_mode(ROOT_MODE)).with_context(what)?;
        Ok(Some(mode))
    }

    /// Whether something is mounted exactly there.
    #[must_use]
    pub fn is_mounted(&self) -> bool {
        mounts::at(&self.root).is_some()
    }

    /// Whether it is there, so that it has hardware of its own; [`Target::problems`] may still refuse it.
    #[must_use]
    pub fn is_there(&self, must_be_mounted: bool) -> bool {
        self.root.is_dir() && (self.is_mounted() || !must_be_mounted)
    }

    /// Everything that would keep an installation from being written here. `must_be_mounted`: a folder that is no mount
    /// point lies in the live system's memory and would fill it.
    #[must_use]
    pub fn problems(&self, must_be_mounted: bool) -> Vec<Diagnostic> {
        let root = &self.root;
        let Ok(meta) = fs::metadata(root) else {
            return vec![
                Diagnostic::error(
                    "target-missing",
                    format!("The target {} does not exist", root.display()),
                )
                .remedy(
                    "Mount the new root file system first (mount /dev/… /mnt), or name its mount point with --target.",
                ),
            ];
        };
        if !meta.is_dir() {
            return vec![Diagnostic::error(
                "target-no-folder",
                format!("The target {} is not a folder", root.display()),
            )];
        }
        if self.root == Path::new("/") {
            return vec![
                Diagnostic::error("target-running", "The target is the system that is running")
                    .because("A system is installed to another disk than the one that it is installed from.")
                    .remedy("Mount the new root file system at /mnt and leave --target away. A running NixOS is changed with nixos-rebuild."),
            ];
        }
        if must_be_mounted && !self.is_mounted() {
            return vec![
                Diagnostic::error(
                    "target-not-mounted",
                    format!("Nothing is mounted at {}", root.display()),
                )
                .because("What is written there would fill the live system's memory and be gone after a restart.")
                .remedy("Mount the new root file system there first. If it really is meant: --not-mounted"),
            ];
        }
        let mut problems = file_system(root);
        // nixos-install (nixpkgs 24.05) refuses both of these, after the build.
        if (meta.uid(), meta.gid()) != (0, 0) {
            problems.push(
                Diagnostic::error(
                    "target-owner",
                    format!("The target {} does not belong to root", root.display()),
                )
                .because("nixos-install refuses such a target.")
                .remedy(format!("chown root:root {}", root.display())),
            );
        }
        problems.extend(closed_folders(root));
        problems.extend(self.etc_nixos_mounted());
        problems.extend(self.store_link());
        problems
    }

    /// As [`Target::new`], below the mount point.
    fn store_link(&self) -> Option<Diagnostic> {
        let link = [self.root.join("nix"), self.store()]
            .into_iter()
            .find(|path| path.is_symlink())?;
        Some(
            Diagnostic::error("target-store-link", format!("{} is a link", link.display()))
                .because("Nix opens no store whose path has a link in it.")
                .remedy("Remove the link, and mount what it leads to in its place (mount --bind)."),
        )
    }

    /// A mount point cannot be exchanged with the new folder.
    fn etc_nixos_mounted(&self) -> Option<Diagnostic> {
        let etc_nixos = self.etc_nixos();
        mounts::at(&etc_nixos)?;
        Some(
            Diagnostic::error("target-etc-nixos", format!("Something is mounted at {}", etc_nixos.display()))
                .because("The new configuration is made beside that folder and exchanged with it, which a mount point does not allow.")
                .remedy(format!(
                    "umount {}; what is there can be moved to where it belongs after the installation.",
                    etc_nixos.display()
                )),
        )
    }
}

/// What keeps a system from being installed on the file system at `root`.
fn file_system(root: &Path) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    let flags = statvfs(root).map_or(FsFlags::empty(), |fs| fs.flags());
    if flags.contains(FsFlags::ST_RDONLY) {
        problems.push(
            Diagnostic::error(
                "target-read-only",
                format!("The file system at {} is mounted read-only", root.display()),
            )
            .because("A damaged file system is mounted so, too; `dmesg` says it.")
            .remedy(format!("mount -o remount,rw {}", root.display())),
        );
    }
    problems.extend(mounts::at(root).and_then(|mount| without_links(root, &mount.kind)));
    if flags.contains(FsFlags::ST_NOEXEC) {
        problems.push(
            Diagnostic::error(
                "target-noexec",
                format!("The file system at {} is mounted with noexec", root.display()),
            )
            .because("The new system's own programs are run there, to activate it and to install its boot loader.")
            .remedy(format!("mount -o remount,exec {}", root.display())),
        );
    }
    problems
}

/// File systems that have neither symbolic links nor owners, as Linux calls them.
const WITHOUT_LINKS: [&str; 5] = ["vfat", "msdos", "exfat", "ntfs", "ntfs3"];

/// The problem of a root file system of such a kind.
fn without_links(root: &Path, kind: &str) -> Option<Diagnostic> {
    WITHOUT_LINKS.contains(&kind).then(|| {
        let root = root.display();
        Diagnostic::error(
            "target-file-system",
            format!("No system can be installed on {kind}, which is mounted at {root}"),
        )
        .because(
            "It has no symbolic links and no owners. Perhaps the boot partition was mounted in the place of the root.",
        )
        .remedy(format!(
            "Mount the new root file system at {root}, and the boot partition below it, at {root}/boot."
        ))
    })
}

/// nixos-install wants the target and all folders above it readable and searchable for everybody. The target itself is
/// given that mode: see [`Target::open`].
fn closed_folders(root: &Path) -> Vec<Diagnostic> {
    root.ancestors()
        .skip(1)
        .filter(|folder| *folder != Path::new("/"))
        .filter_map(|folder| {
            let mode = fs::metadata(folder).ok()?.permissions().mode();
            (mode & 0o005 != 0o005).then(|| {
                Diagnostic::error(
                    "target-mode",
                    format!(
                        "The folder {} has mode {:o} and is closed to other users",
                        folder.display(),
                        mode & 0o7777
                    ),
                )
                .because("nixos-install refuses it: the system's users could not reach their own root folder.")
                .remedy(format!("chmod o+rx {}", folder.display()))
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(root: &Path, must_be_mounted: bool) -> Vec<&'static str> {
        let problems = Target::new(root).problems(must_be_mounted);
        problems.iter().map(|problem| problem.code).collect()
    }

    #[test]
    fn a_boot_partition_in_the_place_of_the_root_is_known_by_its_file_system() {
        let text = without_links(Path::new("/mnt"), "vfat").unwrap().to_string();
        assert!(text.contains("the boot partition below it, at /mnt/boot"), "{text}");
        assert_eq!(without_links(Path::new("/mnt"), "ext4"), None);
    }

    #[test]
    fn a_target_that_nixos_install_would_refuse_is_named_before() {
        let folder = tempfile::Builder::new()
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir()
            .unwrap();
        let root = folder.path().join("mnt");
        assert_eq!(codes(&root, false), ["target-missing"]);
        fs::create_dir(&root).unwrap();
        fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(codes(&root, false), [""; 0]);
        assert_eq!(codes(&root, true), ["target-not-mounted"]);
        std::os::unix::fs::chown(&root, Some(1000), None).expect("the tests of ownership need root");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(codes(&root, false), ["target-owner", "target-mode"]);
    }

    #[test]
    fn the_target_itself_may_have_any_mode_and_is_given_the_one_that_a_system_has() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("mnt");
        fs::create_dir(&root).unwrap();
        for mode in [0o700, 0o777, 0o1777] {
            fs::set_permissions(&root, fs::Permissions::from_mode(mode)).unwrap();
            assert!(
                closed_folders(&root)
                    .iter()
                    .all(|problem| !problem.to_string().contains("/mnt"))
            );
            let target = Target::new(&root);
            assert_eq!(target.open().unwrap(), Some(mode));
            assert_eq!(fs::metadata(&root).unwrap().permissions().mode() & 0o7777, 0o755);
            assert_eq!(target.open().unwrap(), None);
        }
    }
}
