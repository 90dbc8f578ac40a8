//! What a person does after the installation: the last lines of a run.

use std::collections::BTreeSet;
use std::path::Path;

use super::inspect::logins::{SHADOW, Way, ways_in};
use super::installation::Installation;
use crate::live::mounts::{self, Mount};
use crate::live::target::Target;
use crate::plan::Plan;
use crate::text::shell_word;
use crate::tree::source::{ConfigKind, ETC_NIXOS};

/// The lines, after `plan` was carried out.
#[must_use]
pub fn next_steps(plan: &Plan, installation: &Installation<'_>) -> Vec<String> {
    let request = installation.request;
    let target = request.target.keeping(&plan.kept_at);
    let mut lines = Vec::new();
    // Calamares has a page for it, unmounts what it mounted, and exports its pools.
    if !request.decisions.partitions_graphically {
        lines.push(restart(&target, &mounts::below(target.root())));
    }
    let shadow = target.read_inside(Path::new(SHADOW)).unwrap_or_default();
    let users = plan.facts.users.as_ref();
    lines.extend(users.and_then(|users| login(&ways_in(users, &shadow, &request.decisions), users.elsewhere)));
    lines.push(format!(
        "The log is then {}.",
        plan.kept_at.logs.join(format!("{}.log", installation.stamp)).display()
    ));
    lines.push(rebuild(plan.kind, plan.host.as_deref()));
    lines
}

/// How to restart. The installed system may refuse a pool of ZFS among `mounts`, those of the target, that was not exported.
fn restart(target: &Target, mounts: &[Mount]) -> String {
    let zfs = mounts.iter().filter(|mount| mount.kind == "zfs");
    let pools: BTreeSet<&str> = zfs
        .filter_map(|mount| mount.source.to_str()?.split('/').next())
        .collect();
    let export = if pools.is_empty() {
        String::new()
    } else {
        let pools: Vec<&str> = pools.into_iter().collect();
        let root = shell_word(target.root().as_os_str());
        format!("umount -R {root} && zpool export {} && ", pools.join(" "))
    };
    format!("Restart now, and remove the installation medium when the screen turns dark: {export}reboot")
}

/// Who can log in, and how. `None` where that is not known.
fn login(ways: &[(&str, Way)], elsewhere: bool) -> Option<String> {
    let named = |way: Way, how: &str| {
        let names = ways.iter().filter(|(_, other)| *other == way).map(|(name, _)| *name);
        let names: Vec<&str> = names.collect();
        (!names.is_empty()).then(|| format!("{} {how}", names.join(" and ")))
    };
    let parts = [
        named(Way::Automatic, "without a password (automatically)"),
        named(Way::Password, "with a password"),
        named(Way::Key, "only over SSH, with a key"),
        elsewhere.then(|| "the accounts of the network or of homed".to_owned()),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| format!("Who can log in: {}.", parts.join("; ")))
}

/// How the system is changed later.
fn rebuild(kind: ConfigKind, host: Option<&str>) -> String {
    let flake = match (kind, host) {
        (ConfigKind::Flake, Some(host)) => format!(" --flake {}", shell_word(format!("{ETC_NIXOS}#{host}").as_ref())),
        _ => String::new(),
    };
    format!("To change the system later, with a network: edit {ETC_NIXOS} and run: sudo nixos-rebuild switch{flake}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_are_exported_before_the_restart() {
        let mount = |source: &str, kind: &str| Mount {
            number: String::new(),
            source: source.into(),
            part: "/".into(),
            at: "/mnt".into(),
            kind: kind.into(),
            options: String::new(),
        };
        let target = Target::new("/nowhere/mnt");
        let said = restart(
            &target,
            &[
                mount("/dev/sda1", "vfat"),
                mount("tank/root", "zfs"),
                mount("tank/home", "zfs"),
            ],
        );
        assert!(
            said.ends_with("dark: umount -R /nowhere/mnt && zpool export tank && reboot"),
            "{said}"
        );
        assert!(restart(&target, &[mount("/dev/sda1", "ext4")]).ends_with("dark: reboot"));
    }

    #[test]
    fn who_can_log_in_is_said_by_the_way() {
        let ways = [("alice", Way::Password), ("bob", Way::Key), ("root", Way::Password)];
        assert_eq!(
            login(&ways, false).unwrap(),
            "Who can log in: alice and root with a password; bob only over SSH, with a key."
        );
        assert_eq!(
            login(&[], true).unwrap(),
            "Who can log in: the accounts of the network or of homed."
        );
        assert_eq!(login(&[], false), None);
    }

    #[test]
    fn a_flake_is_rebuilt_by_its_host() {
        assert!(
            rebuild(ConfigKind::Flake, Some("alpha")).ends_with("sudo nixos-rebuild switch --flake '/etc/nixos#alpha'")
        );
        assert!(rebuild(ConfigKind::Channel, None).ends_with("sudo nixos-rebuild switch"));
    }
}
