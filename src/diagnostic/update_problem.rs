//! The running machine cannot be updated from an ISO, or not as it is.

use std::path::{Path, PathBuf};

use super::{Severity, Text, error, warning};
use crate::store_path::store_name;
use crate::text::bytes;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpdateProblem {
    NoReceipt { path: PathBuf },
    BadReceipt { path: PathBuf, error: String },
    /// An image with only what machines lack. The keys that it is signed with.
    NotSigned { keys: Vec<String> },
    /// What is at `medium` has no signature, and one was asked for.
    WholeIso { medium: PathBuf },
    /// Such an image is signed, and the image of its store is another one.
    OtherStore,
    /// Such an image has nothing for `host`.
    NotForHost { host: String, hosts: Vec<String> },
    /// Store paths that neither such an image nor the machine has. `since`: when the machine had some of them.
    Behind { paths: Vec<String>, since: Option<String> },
    /// The ISO has `found`, and the machine was installed from `installed`.
    OtherConfiguration { installed: &'static str, found: &'static str },
    /// The ISO's system, that of `host`, is for the machine `new`.
    OtherMachine { own: String, new: String, host: String },
    Older { own: String, new: String },
    StateVersion { own: String, new: String, is_lower: bool },
    /// The versions of `services.NAME`, of which the data has another form.
    Database { name: String, own: String, new: String, is_lower: bool },
    /// Bytes of the file system of the store. An update that failed keeps what it copied by links in `left`.
    StoreFull { severity: Severity, free: u64, needed: u64, left: Option<PathBuf> },
    /// Files of the configuration, each with what happened to it.
    ChangedByHand { files: Vec<String> },
    /// A file that was to be kept has no such name on the machine: the name there is not UTF-8, or it is being changed.
    NotTaken { name: String },
    /// `restored`: whether the machine starts its former system as before.
    NotSwitched { restored: bool },
    /// The new system was activated, and `switch-to-configuration` ended with `code`.
    UnitsFailed { code: i32 },
    /// The boot loader does not start the new system any more.
    GivenUp,
    /// A collection of garbage removed what was copied, several times.
    Collected,
}

impl UpdateProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::NoReceipt { path } => error("update-no-receipt", "This machine was not installed by nix-cfg-install")
                .because(format!("{} does not exist.", path.display()))
                .remedy("Install it once from the ISO, or update it with nixos-rebuild."),
            Self::BadReceipt { path, error: said } => bad_receipt(path, said),
            Self::NotSigned { keys } => not_signed(keys),
            Self::WholeIso { medium } => error("update-whole-iso", format!("{} is not signed: it is a whole ISO", medium.display()))
                .because("--signed takes only what is signed with a key that this machine trusts.")
                .remedy("Use an image that `nix-cfg-iso delta` has made. For an ISO that you trust, leave --signed out."),
            Self::OtherStore => error("update-other-store", "The image is not as it was when it was signed")
                .because("Its nix-store.squashfs has another SHA-256: it is damaged, or somebody has changed it. Nothing of it was used.")
                .remedy("Copy the image once more from where it was made, and compare its check sum there and here."),
            Self::NotForHost { host, hosts } => {
                error("update-not-for-host", format!("The image has nothing for {host}")).because(format!("It is for {}.", hosts.join(", ")))
                    .remedy("Use the image of this machine's configuration. If it is to become another host: --host NAME, or in an answers file `host: NAME`")
            }
            Self::Behind { paths, since } => behind(paths, since.as_deref()),
            Self::OtherConfiguration { installed, found } => error(
                "update-other-configuration",
                format!("The ISO has a {found}, and this machine was installed from a {installed}"),
            )
            .remedy("Use the ISO of this machine's configuration."),
            Self::OtherMachine { own, new, host } => error(
                "update-other-machine",
                format!("The ISO's system is that of {new}, and this machine is {own}"),
            )
            .remedy(format!("If it is to become {new}: --host {host}, or in an answers file `host: {host}`")),
            Self::Older { own, new } => error(
                "update-older",
                format!("The ISO's system ({new}) is older than that of this machine ({own})"),
            )
            .because("Its programs may not read what newer ones have written, such as databases in /var.")
            .remedy("Use a newer ISO, or choose an earlier generation in the boot menu. If it is meant: --older, or in an answers file `older: true`"),
            Self::StateVersion { own, new, is_lower } => state_version(own, new, *is_lower),
            Self::Database { name, own, new, is_lower } => database((name, own, new), *is_lower),
            Self::StoreFull { severity, free, needed, left } => store_full(*severity, (*free, *needed), left.as_deref()),
            Self::ChangedByHand { files } => error(
                "update-changed-by-hand",
                "The configuration in /etc/nixos was changed on this machine",
            )
            .because(format!("Since it was installed:\n{}", files.join("\n")))
            .remedy(
                "--take mine keeps these files as they are on this machine, and takes the others from the ISO. --take new takes all \
                 from the ISO, and keeps what was there as /etc/nixos.before-TIME. In an answers file: `take: mine`, `take: new`.",
            ),
            Self::NotTaken { name } => not_taken(name),
            Self::NotSwitched { restored } => not_switched(*restored),
            Self::UnitsFailed { code } => warning("update-units-failed", "The new system is active, but not all of it started")
                .because(format!("switch-to-configuration ended with exit code {code}."))
                .remedy("systemctl --failed shows the units. The boot menu has the former system as well."),
            Self::GivenUp => warning("update-given-up", "The boot loader has given this system up, and starts a former one")
                .because("It was started before, as often as it is tried, and never reached boot-complete.target. The same system gets no new tries.")
                .remedy("See why it failed (journalctl --list-boots), and use an ISO in which that is fixed. In the boot menu it can still be chosen."),
            Self::Collected => error(
                "update-collected",
                "What was copied was removed again by a collection of garbage",
            )
            .remedy("Wait until it has ended (nix-collect-garbage, nix-gc.service), then run the same command again."),
        }
    }
}

fn bad_receipt(path: &Path, said: &str) -> Text {
    error("update-bad-receipt", format!("{} cannot be read", path.display()))
        .because(format!("Without it, nobody knows what was installed. {said}"))
        .remedy(
            "Put it back from a backup, or update the machine with nixos-rebuild. An installation without questions left a copy of \
             the receipt on its stick: receipt-SERIAL.json",
        )
}

fn not_taken(name: &str) -> Text {
    error("update-not-taken", format!("{name} in /etc/nixos cannot be kept"))
        .because(
            "There is no file of that name. A name that is not UTF-8 is shown with marks in place of what is not, and its file is not \
             found.",
        )
        .remedy("Rename it on the machine (`ls -b /etc/nixos` shows such names), then run the same command again.")
}

fn not_signed(keys: &[String]) -> Text {
    let signed = match keys {
        [] => "It has no signature.".to_owned(),
        keys => format!("It is signed with {}.", keys.join(", ")),
    };
    error("update-not-signed", "The image is not signed with a key that this machine trusts")
        .because(format!("{signed} Keys that are trusted are in /etc/nix/nix.conf: trusted-public-keys."))
        .remedy(
            "Use the whole ISO of a configuration that has the key's public half in nix.settings.trusted-public-keys: it updates this \
             machine without one, and the next image is trusted.",
        )
}

/// How many names of store paths are shown.
const SHOWN: usize = 12;

fn behind(paths: &[String], since: Option<&str>) -> Text {
    let count = paths.len();
    let mut lines: Vec<String> = paths.iter().take(SHOWN).map(|path| store_name(path)).collect();
    if count > SHOWN {
        lines.push(format!("… and {} more", count - SHOWN));
    }
    let names = lines.join("\n");
    let problem = error("update-behind", format!("The image does not hold all that this machine lacks: {count} store paths"));
    match since {
        Some(since) => problem
            .because(format!("It was made for machines that have them. Some were here at {since}, and were removed since:\n{names}"))
            .remedy("Use the whole ISO: an image that is made with this machine's receipt would lack them as well."),
        None => problem
            .because(format!("It was made for machines that have them:\n{names}"))
            .remedy("Use the whole ISO, or an image that is made with this machine's receipt as well: nix-cfg-iso delta DIR --since receipt.json"),
    }
}

fn state_version(own: &str, new: &str, is_lower: bool) -> Text {
    let what = format!("`system.stateVersion` is {new}, and that of this machine is {own}");
    let (problem, otherwise) = if is_lower {
        (error("update-state-version", what), "If it is meant: --older, or in an answers file `older: true`")
    } else {
        (warning("update-state-version", what), "If the data was migrated, nothing is wrong.")
    };
    problem
        .because("Services such as databases look for their data in the form of that release. It stays what it was when the machine was installed.")
        .remedy(format!("Set it to {own} in the configuration. {otherwise}"))
}

fn database((name, own, new): (&str, &str, &str), is_lower: bool) -> Text {
    let what = format!("services.{name} has version {new}, and that of this machine is {own}");
    let keep = format!("Set services.{name}.package to version {own}");
    if is_lower {
        error("update-database", what)
            .because("It does not read the data that a newer version has written.")
            .remedy(format!("{keep} or a newer one. If the data does not matter: --older, or in an answers file `older: true`"))
    } else {
        warning("update-database", what)
            .because("It does not find the data of the older version: its own is in another directory, and empty.")
            .remedy(format!("{keep}, or move the data with pg_upgrade after the update (manual of NixOS, PostgreSQL)."))
    }
}

fn store_full(severity: Severity, (free, needed): (u64, u64), left: Option<&Path>) -> Text {
    let problem = match severity {
        Severity::Error => error("update-store-full", "The update does not fit into the store"),
        Severity::Warning => warning("update-store-small", "The update may not fit into the store"),
    };
    let (free, needed) = (bytes(free), bytes(needed));
    let collect = "On the machine itself, started from its own disk, remove old generations: nix-collect-garbage --delete-older-than 30d";
    let remedy = match left {
        Some(left) => {
            let left = left.display();
            format!("{collect}. Before, if an update to another system failed, let go what it copied: rm {left}/update-*")
        }
        None => collect.to_owned(),
    };
    problem
        .because(format!("/nix/store has {free} free, and the update needs about {needed}."))
        .remedy(remedy)
}

fn not_switched(restored: bool) -> Text {
    let problem = error("update-not-switched", "The new system could not be made the next one to start");
    if restored {
        problem
            .because("This machine starts its former system, as before.")
            .remedy("Fix what the output names, then run the same command again.")
    } else {
        problem
            .because("The boot menu could not be restored. The former system is still on the disk.")
            .remedy("Do not restart. Fix what the output names, then run the same command again.")
    }
}
