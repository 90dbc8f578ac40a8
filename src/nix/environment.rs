//! The environment that Nix and the installation tools get: the same whether sudo or pkexec cleared the caller's.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::report::Problem;

/// Where a NixOS live system keeps root's channels (nixos/modules/installer/cd-dvd/channel.nix).
const CHANNELS: &str = "/nix/var/nix/profiles/per-user/root/channels";

/// The live system's store.
const STORE: &str = "/nix/store";

/// The programs of a NixOS live system, for a caller whose PATH was cleared.
const SYSTEM_PATH: &str = "/run/wrappers/bin:/run/current-system/sw/bin:/nix/var/nix/profiles/default/bin:\
                           /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Passed through only with `--online`.
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

const ALWAYS: &str = "extra-experimental-features = nix-command flakes\n";

/// The whole environment of all programs. `nixpkgs` is the one for channel configurations; `online` allows the network.
#[must_use]
pub fn environment(nixpkgs: Option<&Path>, online: bool) -> Vec<(OsString, OsString)> {
    let mut path = env::var_os("PATH").unwrap_or_default();
    if !path.is_empty() {
        path.push(":");
    }
    path.push(SYSTEM_PATH);
    let config = if online {
        ALWAYS.to_owned()
    } else {
        format!("{ALWAYS}{OFFLINE}")
    };
    let mut vars: Vec<(OsString, OsString)> = vec![
        ("PATH".into(), path),
        ("HOME".into(), "/root".into()),
        ("USER".into(), "root".into()),
        ("LC_ALL".into(), "C".into()),
        ("NIX_CONFIG".into(), config.into()),
    ];
    if let Some(nixpkgs) = nixpkgs {
        vars.push(("NIX_PATH".into(), nix_path(nixpkgs)));
    }
    let mut keep = vec!["TMPDIR", "TERM"];
    if online {
        keep.extend(PROXIES);
    }
    for name in keep {
        if let Some(value) = env::var_os(name) {
            vars.push((name.into(), value));
        }
    }
    vars
}

/// The search path of a NixOS live system, with `nixpkgs` first: other channels stay reachable by their names.
fn nix_path(nixpkgs: &Path) -> OsString {
    let mut value = OsString::from("nixpkgs=");
    value.push(nixpkgs);
    value.push(":");
    value.push(CHANNELS);
    value
}

/// What makes a folder the nixpkgs of a channel configuration.
const DOOR: &str = "nixos/default.nix";

/// The nixpkgs for channel configurations: `named` in the settings, the one in `NIX_PATH`, the live system's channel.
///
/// # Errors
/// A [`Problem`] when none is where the settings name one: another would make another system.
pub fn find_nixpkgs(named: Option<&Path>) -> Result<Option<PathBuf>> {
    if let Some(named) = named {
        return match fs::metadata(named.join(DOOR)) {
            Ok(_) => Ok(Some(named.to_owned())),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(no_nixpkgs(named).into()),
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
    Ok(places.find(|path| path.join(DOOR).exists()))
}

fn no_nixpkgs(named: &Path) -> Problem {
    Problem::error("settings", format!("There is no nixpkgs at {}", named.display()))
        .because(format!("The settings name it with `nixpkgs`, and it has no {DOOR}."))
        .remedy("Correct the path, or remove it: then the live system's channel is used.")
}

/// The store path of the live system's `nixos` channel: what nixos-install copies to the target as its channel.
#[must_use]
pub fn channel() -> Option<PathBuf> {
    in_store(&Path::new(CHANNELS).join("nixos"))
}

/// The store paths that a channel configuration is evaluated from: `nixpkgs`, and all channels of the live system, which are
/// reached by their names. One that lies elsewhere is not among them.
#[must_use]
pub fn sources(nixpkgs: Option<&Path>) -> BTreeSet<PathBuf> {
    let all = nixpkgs.into_iter().chain([Path::new(CHANNELS)]);
    all.filter_map(in_store).collect()
}

/// The store path that `path` is, leads to or lies in.
fn in_store(path: &Path) -> Option<PathBuf> {
    let real = path.canonicalize().ok()?;
    let name = real.strip_prefix(STORE).ok()?.components().next()?;
    Some(Path::new(STORE).join(name))
}
