//! The target: every path below its mount point, named once, and whether it can be installed to.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::statvfs::{FsFlags, statvfs};
use serde::Serialize;

use super::installer_facts::KEY_FILE;
use crate::diagnostic::{Diagnostic, TargetProblem};
use crate::files::names;
use crate::live::mounts;
use crate::tree::source::ETC_NIXOS;
use crate::tree::source::HARDWARE_CONFIGURATION;

/// Where the installed system has the entries of systemd-boot, as far as that is known without its configuration (bootctl(1), systemd 257).
pub const BOOT_ENTRIES: [&str; 3] = [
    "/efi/loader/entries",
    "/boot/loader/entries",
    "/boot/efi/loader/entries",
];

/// The mount point of the new root file system.
#[derive(Debug, Clone)]
pub struct Target {
    root: PathBuf,
    kept: Kept,
}

/// The directories of the installer's files, by their paths in the installed system. On a root in memory they are other ones
/// than the usual.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// The configuration.
    pub etc_nixos: PathBuf,
    /// The receipt, and what a later run must know.
    pub state: PathBuf,
    /// The logs.
    pub logs: PathBuf,
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            etc_nixos: ETC_NIXOS.into(),
            state: "/var/lib/nix-cfg-install".into(),
            logs: "/var/log/nix-cfg-install".into(),
        }
    }
}

impl Target {
    /// The target mounted at `root`, under its real name where it is there: Nix opens no store whose path has a link in it
    /// (2.8 to 2.34, src/libstore/local-store.cc).
    pub fn new(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        Self {
            root: fs::canonicalize(&root).unwrap_or(root),
            kept: Kept::default(),
        }
    }

    /// The same target, with the installer's files where `kept` says.
    #[must_use]
    pub fn keeping(&self, kept: &Kept) -> Self {
        Self {
            root: self.root.clone(),
            kept: kept.clone(),
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
        self.inside_path(&self.kept.etc_nixos)
    }

    /// Where the new `etc/nixos` is made before it is swapped in: on the same file system.
    #[must_use]
    pub fn staging(&self) -> PathBuf {
        self.etc_nixos().with_file_name(".nixos.nix-cfg-install")
    }

    /// What `etc/nixos` held before, kept under a name with the time of the run.
    #[must_use]
    pub fn etc_nixos_before(&self, stamp: &str) -> PathBuf {
        self.etc_nixos().with_file_name(format!("nixos.before-{stamp}"))
    }

    /// The hardware-configuration.nix that nixos-generate-config wrote.
    #[must_use]
    pub fn generated_hardware(&self) -> PathBuf {
        self.etc_nixos().join(HARDWARE_CONFIGURATION)
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

    /// As [`Target::inside`].
    #[must_use]
    pub fn inside_path(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Opens the file that has the absolute path `path` in the installed system: symbolic links lead where they lead there.
    ///
    /// # Errors
    /// When it is not there or cannot be opened.
    pub fn open_inside(&self, path: &Path) -> io::Result<File> {
        open_inside(&self.root, path, OFlag::O_RDONLY)
    }

    /// The text of that file.
    ///
    /// # Errors
    /// As [`Target::open_inside`]; when it is not UTF-8.
    pub fn read_inside(&self, path: &Path) -> io::Result<String> {
        io::read_to_string(self.open_inside(path)?)
    }

    /// The key of encrypted volumes, in a directory that only root can read.
    #[must_use]
    pub fn luks_key(&self) -> PathBuf {
        self.inside(KEY_FILE)
    }

    /// What a later run must know of an earlier one ([`super::placement`]).
    #[must_use]
    pub fn placement(&self) -> PathBuf {
        self.inside_path(&self.kept.state).join("placement.json")
    }

    /// Which temporary directories were there before nixos-install was started; exists only while it runs.
    #[must_use]
    pub fn activating(&self) -> PathBuf {
        self.inside_path(&self.kept.state).join("activating.json")
    }

    /// What systemd-boot-builder.py (26.11) renames to loader.conf when it is whole. `esp`: where the installed system has the ESP.
    #[must_use]
    pub fn loader_conf_in_writing(&self, esp: &str) -> PathBuf {
        self.inside(esp).join("loader/loader.tmp")
    }

    /// A link to a store path that is kept: Nix deletes nothing that a link in this directory names.
    #[must_use]
    pub fn collector_root(&self, name: &str) -> PathBuf {
        self.root.join("nix/var/nix/gcroots/nix-cfg-install").join(name)
    }

    /// What was installed, written when all is done.
    #[must_use]
    pub fn receipt(&self) -> PathBuf {
        self.inside_path(&self.kept.state).join("receipt.json")
    }

    /// The number of the current generation of the profile at `profile`, an absolute path of the installed system.
    #[must_use]
    pub fn generation(&self, profile: &str) -> Option<String> {
        let link = fs::read_link(self.inside(profile)).ok()?;
        let number = link.file_name()?.to_str()?.strip_suffix("-link")?.rsplit('-').next()?;
        Some(number.to_owned())
    }

    /// The generations of that profile: the store path of each, by its number.
    #[must_use]
    pub fn generations(&self, profile: &str) -> BTreeMap<String, PathBuf> {
        let profile = self.inside(profile);
        let (Some(directory), Some(name)) = (profile.parent(), profile.file_name().and_then(OsStr::to_str)) else {
            return BTreeMap::new();
        };
        let links = names(directory).into_iter();
        let generation = |link: String| {
            let number = link.strip_prefix(name)?.strip_prefix('-')?.strip_suffix("-link")?;
            Some((number.to_owned(), fs::read_link(directory.join(&link)).ok()?))
        };
        links.filter_map(generation).collect()
    }

    /// The log of a run.
    #[must_use]
    pub fn log(&self, stamp: &str) -> PathBuf {
        self.inside_path(&self.kept.logs).join(format!("{stamp}.log"))
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

    /// Everything that would keep an installation from being written here. `must_be_mounted`: a directory that is not a mount
    /// point is in the live system's memory and would fill it. `is_looked_at`: it is read-only only until then.
    pub fn problems(&self, must_be_mounted: bool, is_looked_at: bool) -> Vec<Diagnostic> {
        let problems = self.problems_for(must_be_mounted, (0, 0)).into_iter();
        let is_one = |problem: &TargetProblem| !(is_looked_at && matches!(problem, TargetProblem::ReadOnly { .. }));
        problems.filter(is_one).map(Diagnostic::from).collect()
    }

    /// The problem of a mount point in the place of the configuration: it cannot be exchanged with a new directory.
    #[must_use]
    pub fn etc_nixos_mounted(&self) -> Option<Diagnostic> {
        let etc_nixos = self.etc_nixos();
        let is_mounted = mounts::at(&etc_nixos).is_some();
        is_mounted.then(|| TargetProblem::EtcNixosMounted { etc_nixos }.into())
    }

    /// As [`Target::problems`], where the target has to belong to `owner` (user and group).
    fn problems_for(&self, must_be_mounted: bool, owner: (u32, u32)) -> Vec<TargetProblem> {
        let root = &self.root;
        let Ok(meta) = fs::metadata(root) else {
            return vec![TargetProblem::Missing { root: root.clone() }];
        };
        if !meta.is_dir() {
            return vec![TargetProblem::NoDirectory { root: root.clone() }];
        }
        if root == Path::new("/") {
            return vec![TargetProblem::Running];
        }
        if must_be_mounted && !self.is_mounted() {
            return vec![TargetProblem::NotMounted { root: root.clone() }];
        }
        let mut problems = file_system(root);
        // nixos-install (nixpkgs 24.05) refuses both of these, after the build.
        if (meta.uid(), meta.gid()) != owner {
            problems.push(TargetProblem::Owner { root: root.clone() });
        }
        problems.extend(closed_directories(root));
        let link = [root.join("nix"), self.store()]
            .into_iter()
            .find(|path| path.is_symlink());
        problems.extend(link.map(|link| TargetProblem::StoreLink { link }));
        problems
    }
}

/// As [`Target::open_inside`], of the system at `root`. With `O_PATH` it is only looked at: to open a pipe would wait for its writer.
pub fn open_inside(root: &Path, path: &Path, flags: OFlag) -> io::Result<File> {
    let how = OpenHow::new()
        .flags(flags | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT);
    Ok(openat2(File::open(root)?, path, how)?.into())
}

/// What keeps a system from being installed on the file system at `root`.
fn file_system(root: &Path) -> Vec<TargetProblem> {
    let flags = statvfs(root).map_or(FsFlags::empty(), |fs| fs.flags());
    let kind = mounts::at(root).map(|mount| mount.kind);
    let root = || root.to_owned();
    let mut problems = Vec::new();
    if flags.contains(FsFlags::ST_RDONLY) {
        problems.push(TargetProblem::ReadOnly { root: root() });
    }
    problems.extend(kind.and_then(|kind| without_links(root(), kind)));
    if flags.contains(FsFlags::ST_NOEXEC) {
        problems.push(TargetProblem::NoExec { root: root() });
    }
    problems
}

/// File systems that have neither symbolic links nor owners, as Linux calls them.
const WITHOUT_LINKS: [&str; 5] = ["vfat", "msdos", "exfat", "ntfs", "ntfs3"];

fn without_links(root: PathBuf, kind: String) -> Option<TargetProblem> {
    WITHOUT_LINKS
        .contains(&kind.as_str())
        .then_some(TargetProblem::FileSystem { root, kind })
}

/// nixos-install wants the target and all directories above it readable and searchable for everybody. The target itself is
/// given that mode: see [`Target::open`].
fn closed_directories(root: &Path) -> impl Iterator<Item = TargetProblem> {
    let above = root
        .ancestors()
        .skip(1)
        .filter(|directory| *directory != Path::new("/"));
    above.filter_map(|directory| {
        let mode = fs::metadata(directory).ok()?.permissions().mode() & 0o7777;
        let directory = directory.to_owned();
        (mode & 0o005 != 0o005).then_some(TargetProblem::Mode { directory, mode })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The codes of the problems for a target that has to belong to `owner`.
    fn codes(root: &Path, must_be_mounted: bool, owner: (u32, u32)) -> Vec<&'static str> {
        let problems = Target::new(root).problems_for(must_be_mounted, owner);
        // The place for temporary files may be closed itself.
        let above: Vec<TargetProblem> = closed_directories(root.parent().unwrap()).collect();
        problems
            .into_iter()
            .filter(|problem| !above.contains(problem))
            .map(|problem| Diagnostic::from(problem).code)
            .collect()
    }

    #[test]
    fn a_boot_partition_in_the_place_of_the_root_is_known_by_its_file_system() {
        let of = |kind: &str| without_links("/mnt".into(), kind.to_owned());
        let text = Diagnostic::from(of("vfat").unwrap()).to_string();
        assert!(text.contains("the boot partition below it, at /mnt/boot"), "{text}");
        assert_eq!(of("ext4"), None);
    }

    #[test]
    fn a_target_that_nixos_install_would_refuse_is_named_before() {
        let directory = tempfile::Builder::new()
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir()
            .unwrap();
        let root = directory.path().join("mnt");
        let meta = directory.path().metadata().unwrap();
        let own = (meta.uid(), meta.gid());
        assert_eq!(codes(&root, false, own), ["target-missing"]);
        fs::create_dir(&root).unwrap();
        fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(codes(&root, false, own), [""; 0]);
        assert_eq!(codes(&root, true, own), ["target-not-mounted"]);
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let other = (own.0 + 1, own.1);
        assert_eq!(codes(&root, false, other), ["target-owner", "target-mode"]);
    }

    #[test]
    fn a_link_leads_where_it_leads_in_the_installed_system() {
        let directory = tempfile::tempdir().unwrap();
        let target = Target::new(directory.path());
        fs::create_dir_all(directory.path().join("etc/static")).unwrap();
        fs::write(directory.path().join("etc/static/fstab"), "its own").unwrap();
        for link in ["/etc/static/fstab", "../../../../../etc/static/fstab"] {
            let path = directory.path().join("etc/fstab");
            fs::remove_file(&path).ok();
            std::os::unix::fs::symlink(link, path).unwrap();
            assert_eq!(target.read_inside(Path::new("/etc/fstab")).unwrap(), "its own");
        }
        target.read_inside(Path::new("/etc/passwd")).unwrap_err();
    }

    #[test]
    fn the_generations_of_a_profile_are_those_of_its_name() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["system-1-link", "system-12-link", "systems-2-link", "system"] {
            std::os::unix::fs::symlink("/nix/store/x", directory.path().join(name)).unwrap();
        }
        let found = Target::new(directory.path()).generations("/system");
        assert_eq!(found.keys().collect::<Vec<_>>(), ["1", "12"]);
    }

    #[test]
    fn the_target_itself_may_have_any_mode() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("mnt");
        fs::create_dir(&root).unwrap();
        for mode in [0o700, 0o777, 0o1777] {
            fs::set_permissions(&root, fs::Permissions::from_mode(mode)).unwrap();
            assert!(closed_directories(&root).all(|problem| !Diagnostic::from(problem).to_string().contains("/mnt")));
        }
    }
}
