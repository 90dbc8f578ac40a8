//! The environment that Nix and the installation tools get: the same whether sudo or pkexec cleared the caller's.

use std::collections::BTreeSet;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cache::Cache;
use crate::diagnostic::SupplyProblem;
use crate::memory::{Memory, PROC};
use crate::store_path::containing;

/// Where a NixOS live system keeps root's channels (nixos/modules/installer/cd-dvd/channel.nix).
const CHANNELS: &str = "/nix/var/nix/profiles/per-user/root/channels";

/// The programs of a NixOS live system, for a caller whose PATH was cleared.
const SYSTEM_PATH: &str = "/run/wrappers/bin:/run/current-system/sw/bin:/nix/var/nix/profiles/default/bin:\
                           /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Passed through only where a network is used.
const PROXIES: [&str; 10] = [
    "http_proxy",
    "https_proxy",
    "ftp_proxy",
    "all_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "NIX_SSL_CERT_FILE",
];

/// Settings for every Nix that is started, without a network. Measured on 2.8.0, 2.26.3 and 2.34.8:
/// * `substitute = true`: without a network address the `nix` command turns substituters off, the live system's own
///   store among them, and then tries to fetch locked inputs from the network.
/// * `substituters =`: here, and not as `--option`, which would also erase nixos-install's own `auto?trusted=1`.
/// * `always-allow-substitutes`: else derivations that forbid substitution are built again in the target's store
///   (2.8 does not know it and only warns).
/// * the rest: no name is looked up and no connection opened.
const OFFLINE: &str = "\
substitute = true
substituters =
always-allow-substitutes = true
flake-registry =
connect-timeout = 1
download-attempts = 1
";

/// Settings for every Nix that is started, with a binary cache, beside its addresses and keys:
/// * as in [`OFFLINE`], but for the network.
/// * a connection that is cut is noticed after seconds, and tried again; a longer loss is ours to wait for.
/// * the answers of a cache are not kept: it may be mended, signed for instance, and asked again.
const FROM_CACHE: &str = "\
substitute = true
require-sigs = true
always-allow-substitutes = true
flake-registry =
connect-timeout = 5
stalled-download-timeout = 20
download-attempts = 3
narinfo-cache-positive-ttl = 0
narinfo-cache-negative-ttl = 0
";

const ALWAYS: &str = "extra-experimental-features = nix-command flakes\n";

/// The variable of Nix' garbage collector (bdwgc) for bytes.
const HEAP: &str = "GC_INITIAL_HEAP_SIZE";

/// What Nix begins with by itself: a quarter of the memory, and no more than this (`initGC`, 2.8 to 2.34).
const OWN_HEAP: u64 = 384 << 20;

/// Where a channel configuration is evaluated from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Channels {
    /// The directory whose `nixos/default.nix` evaluates a configuration.
    pub nixpkgs: Option<PathBuf>,
    /// A directory that has more channels by their names, as a profile of channels has them.
    pub directory: Option<PathBuf>,
}

/// Which network is used.
#[derive(Debug, Clone, Copy)]
pub enum Network<'a> {
    None,
    /// The substituters of the live system, and the addresses that a configuration has.
    Any,
    /// This binary cache, and nothing else.
    Only(&'a Cache),
}

impl Network<'_> {
    /// Any, where the network may be used.
    #[must_use]
    pub fn of(online: bool) -> Self {
        if online { Self::Any } else { Self::None }
    }

    fn nix_config(self) -> String {
        match self {
            Self::None => format!("{ALWAYS}{OFFLINE}"),
            Self::Any => ALWAYS.to_owned(),
            Self::Only(Cache { urls, public_keys }) => format!(
                "{ALWAYS}{FROM_CACHE}substituters = {}\ntrusted-public-keys = {}\n",
                urls.join(" "),
                public_keys.join(" ")
            ),
        }
    }
}

/// The whole environment of all programs.
#[must_use]
pub fn environment(channels: &Channels, network: Network<'_>) -> Vec<(OsString, OsString)> {
    let mut path = env::var_os("PATH").unwrap_or_default();
    if !path.is_empty() {
        path.push(":");
    }
    path.push(SYSTEM_PATH);
    let mut vars: Vec<(OsString, OsString)> = vec![
        ("PATH".into(), path),
        ("HOME".into(), "/root".into()),
        ("USER".into(), "root".into()),
        ("LC_ALL".into(), "C".into()),
        ("NIX_CONFIG".into(), network.nix_config().into()),
    ];
    vars.extend(initial_heap());
    if let Some(nixpkgs) = &channels.nixpkgs {
        vars.push(("NIX_PATH".into(), nix_path(nixpkgs, channels.directory.as_deref())));
    }
    let mut keep = vec!["TERM"];
    // In the live system of an update, that of the machine is not there.
    if env::var_os("TMPDIR").is_some_and(|named| Path::new(&named).is_dir()) {
        keep.push("TMPDIR");
    }
    if !matches!(network, Network::None) {
        keep.extend(PROXIES);
    }
    for name in keep {
        if let Some(value) = env::var_os(name) {
            vars.push((name.into(), value));
        }
    }
    vars
}

/// Has Nix begin with a quarter of the available memory as its heap, and so collect garbage only once that is used up: evaluating a
/// desktop takes three quarters of the time. What the caller's environment has is kept. `None`: Nix' own would be no smaller.
#[must_use]
pub fn initial_heap() -> Option<(OsString, OsString)> {
    let own = || Some(heap_of(Memory::read(Path::new(PROC))?)?.to_string().into());
    Some((HEAP.into(), env::var_os(HEAP).or_else(own)?))
}

/// Bytes. A container may have less than the machine, so there is a limit.
fn heap_of(memory: Memory) -> Option<u64> {
    Some((memory.available / 4).min(4 << 30)).filter(|heap| *heap > OWN_HEAP)
}

/// The search path: `nixpkgs`, the channels in `directory` by the paths that their links lead to (a module that is imported by
/// two paths would be two modules), and those of the live system.
fn nix_path(nixpkgs: &Path, directory: Option<&Path>) -> OsString {
    let mut entries = match nixpkgs.join("nixpkgs").canonicalize() {
        // Only the evaluation of a whole configuration is another one than in the sources.
        Ok(sources) if nixpkgs.canonicalize().is_ok_and(|itself| itself != sources) => {
            vec![
                entry("nixpkgs/nixos", &nixpkgs.join("nixos")),
                entry("nixpkgs", &sources),
            ]
        }
        _ => vec![entry("nixpkgs", nixpkgs)],
    };
    entries.extend(
        directory
            .map(more)
            .unwrap_or_default()
            .iter()
            .filter_map(|(name, path)| {
                let path = path.canonicalize().ok()?;
                Some(entry(name, &path))
            }),
    );
    entries.push(CHANNELS.into());
    entries.join(OsStr::new(":"))
}

fn entry(name: &str, path: &Path) -> OsString {
    let mut entry = OsString::from(name);
    entry.push("=");
    entry.push(path);
    entry
}

/// The channels in a directory other than nixpkgs itself, by their names.
fn more(directory: &Path) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let named = entries.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())));
    let mut channels: Vec<(String, PathBuf)> = named
        .filter(|(name, _)| !["nixos", "nixpkgs", "manifest.nix"].contains(&name.as_str()))
        .collect();
    channels.sort();
    channels
}

/// The channels that `<NAME/…>` finds when `NIX_PATH` is `search_path`, by their names.
pub(super) fn channels_in(search_path: &OsStr) -> Vec<String> {
    let entries = env::split_paths(search_path).filter_map(|entry| entry.into_os_string().into_string().ok());
    let names = entries.flat_map(|entry| match entry.split_once('=') {
        Some((name, path)) if Path::new(path).exists() => {
            vec![name.split('/').next().unwrap_or(name).to_owned()]
        }
        Some(_) => Vec::new(),
        None => {
            let inside = fs::read_dir(&entry).into_iter().flatten().flatten();
            inside
                .filter_map(|found| found.file_name().into_string().ok())
                .collect()
        }
    });
    names.collect()
}

/// The file that evaluates a configuration; a nixpkgs for a channel configuration must have it.
const NIXOS_ENTRY: &str = "nixos/default.nix";

impl Channels {
    /// What the settings name; where they name no nixpkgs, the one in `NIX_PATH` or the live system's channel.
    ///
    /// # Errors
    /// A [`Diagnostic`] when nothing is where the settings name something: another would make another system.
    pub fn find(nixpkgs: Option<&Path>, directory: Option<&Path>) -> Result<Self> {
        if let Some(directory) = directory.filter(|directory| !directory.is_dir()) {
            let directory = directory.to_owned();
            return Err(SupplyProblem::NoChannels { directory }.into());
        }
        Ok(Self {
            nixpkgs: find_nixpkgs(nixpkgs)?,
            directory: directory.map(Path::to_owned),
        })
    }

    /// The store path that becomes the target's channels: the directory, else all channels of the live system, where it has
    /// more than `nixos`, else that one.
    #[must_use]
    pub fn for_target(&self) -> Option<PathBuf> {
        let profile = Path::new(CHANNELS);
        match &self.directory {
            Some(directory) => in_store(directory),
            None if more(profile).is_empty() => in_store(&profile.join("nixos")),
            None => in_store(profile),
        }
    }

    /// The store paths that a channel configuration is evaluated from, all channels of the live system among them. One that
    /// is elsewhere is not among them.
    #[must_use]
    pub fn sources(&self) -> BTreeSet<PathBuf> {
        let named = [&self.nixpkgs, &self.directory].into_iter().flatten();
        let all = named.map(PathBuf::as_path).chain([Path::new(CHANNELS)]);
        all.filter_map(in_store).collect()
    }
}

fn find_nixpkgs(named: Option<&Path>) -> Result<Option<PathBuf>> {
    if let Some(named) = named {
        return match fs::metadata(named.join(NIXOS_ENTRY)) {
            Ok(_) => Ok(Some(named.to_owned())),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(SupplyProblem::NoNixpkgs {
                directory: named.to_owned(),
                wanted: NIXOS_ENTRY,
            }
            .into()),
            Err(error) => Err(error).with_context(|| format!("Failed to look at {}", named.display())),
        };
    }
    let from_variable = || {
        let value = env::var("NIX_PATH").ok()?;
        let entry = value.split(':').find_map(|entry| entry.strip_prefix("nixpkgs="))?;
        Some(PathBuf::from(entry))
    };
    let channels = Path::new(CHANNELS);
    let mut places = from_variable()
        .into_iter()
        .chain([channels.join("nixos"), channels.join("nixpkgs")]);
    Ok(places.find(|path| path.join(NIXOS_ENTRY).exists()))
}

/// The store path that `path` is, leads to, or is in.
fn in_store(path: &Path) -> Option<PathBuf> {
    let real = path.canonicalize().ok()?;
    containing(real.to_str()?).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn nix_starts_with_a_larger_heap_where_there_is_memory() {
        let heap = |available| {
            heap_of(Memory {
                available,
                ..Memory::default()
            })
        };
        assert_eq!((heap(8 << 30), heap(64 << 30)), (Some(2 << 30), Some(4 << 30)));
        assert_eq!((heap(4 * OWN_HEAP), heap(1 << 30)), (None, None));
    }

    #[test]
    fn every_channel_is_looked_up_where_its_links_lead() {
        let top = tempfile::tempdir().unwrap();
        let top = top.path().canonicalize().unwrap();
        for directory in ["source/nixos", "door/nixos", "home-source", "channels", "plain/nixos"] {
            fs::create_dir_all(top.join(directory)).unwrap();
        }
        symlink(top.join("source"), top.join("door/nixpkgs")).unwrap();
        symlink(".", top.join("plain/nixpkgs")).unwrap();
        symlink(top.join("home-source"), top.join("channels/home-manager")).unwrap();
        symlink(top.join("source"), top.join("channels/nixos")).unwrap();
        fs::write(top.join("channels/manifest.nix"), "[ ]").unwrap();
        let path = |nixpkgs: &str, directory: Option<&str>| {
            let directory = directory.map(|directory| top.join(directory));
            let value = nix_path(&top.join(nixpkgs), directory.as_deref())
                .into_string()
                .unwrap();
            value.replace(&format!("{}/", top.display()), "")
        };
        assert_eq!(
            path("door", Some("channels")),
            format!("nixpkgs/nixos=door/nixos:nixpkgs=source:home-manager=home-source:{CHANNELS}")
        );
        assert_eq!(path("plain", None), format!("nixpkgs=plain:{CHANNELS}"));
        assert_eq!(path("source", None), format!("nixpkgs=source:{CHANNELS}"));
    }

    #[test]
    fn the_channels_of_a_search_path_are_those_that_exist() {
        let top = tempfile::tempdir().unwrap();
        fs::create_dir_all(top.path().join("channels/unstable")).unwrap();
        let top = top.path().display();
        let path = format!("nixpkgs/nixos={top}/channels:home-manager={top}/nowhere:{top}/channels:{top}/nothing");
        assert_eq!(channels_in(path.as_ref()), ["nixpkgs", "unstable"]);
    }

    #[test]
    fn a_directory_of_the_settings_must_be_there() {
        let error = Channels::find(None, Some(Path::new("/nowhere")))
            .unwrap_err()
            .to_string();
        assert!(error.contains("/nowhere is not a directory"), "{error}");
    }
}
