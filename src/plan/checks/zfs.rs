//! Whether the installed system will import its pools of ZFS.

use std::path::Path;

use crate::diagnostic::{Diagnostic, ZfsProblem};
use crate::nix::facts::Zfs;
use crate::plan::observed::Observed;

/// The problem of pools that are mounted at `target` and that the installed system imports only after they were exported:
/// another host ID has been written into them (`OpenZFS` 2, `zfs_force_import_required` in `cmd/zpool/zpool_main.c`).
pub(super) fn not_exported(zfs: &Zfs, target: &Path, observed: &Observed) -> Option<Diagnostic> {
    let own = u32::from_str_radix(&zfs.host_id, 16).ok()?;
    if own == observed.host_id {
        return None;
    }
    let mounted = observed.mounted.iter().filter(|mounted| mounted.kind == "zfs");
    let mut pools: Vec<String> = mounted
        .filter_map(|mounted| mounted.source.split('/').next())
        .filter(|pool| zfs.not_forced.iter().any(|name| name == pool))
        .map(str::to_owned)
        .collect();
    pools.sort();
    pools.dedup();
    let problem = || ZfsProblem::NotExported {
        target: target.to_owned(),
        own,
        live: observed.host_id,
        pools: pools.clone(),
    };
    (!pools.is_empty()).then(|| problem().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::observed::Mounted;

    fn found(host_id: &str, live: u32, not_forced: &[&str]) -> Option<Diagnostic> {
        let mounted = |at: &str, source: &str, kind: &str| Mounted {
            at: at.into(),
            source: source.into(),
            kind: kind.into(),
            ..Mounted::default()
        };
        let observed = Observed {
            mounted: vec![
                mounted("/", "tank/root", "zfs"),
                mounted("/home", "tank/home", "zfs"),
                mounted("/srv", "data", "zfs"),
                mounted("/boot", "/dev/sda1", "vfat"),
            ],
            host_id: live,
            ..Observed::default()
        };
        let zfs = Zfs {
            host_id: host_id.into(),
            not_forced: not_forced.iter().map(|&pool| pool.to_owned()).collect(),
        };
        not_exported(&zfs, Path::new("/mnt"), &observed)
    }

    #[test]
    fn a_pool_that_has_the_host_id_of_the_live_system_has_to_be_exported() {
        let problem = found("deadbeef", 0x8425_e349, &["tank", "tank"]).unwrap();
        let text = problem.to_string();
        assert!(
            text.contains("zpool export tank\n") || text.contains("zpool export tank`"),
            "{text}"
        );
        assert!(text.contains("8425e349") && text.contains("deadbeef"), "{text}");
        let text = found("deadbeef", 0, &["tank", "data"]).unwrap().to_string();
        assert!(
            text.contains("no host ID") && text.contains("zpool export data tank"),
            "{text}"
        );
        // Imported by force, the same host ID, another pool, a host ID that NixOS refuses.
        assert!(found("deadbeef", 0x8425_e349, &[]).is_none());
        assert!(found("deadbeef", 0xdead_beef, &["tank"]).is_none());
        assert!(found("deadbeef", 0x8425_e349, &["other"]).is_none());
        assert!(found("", 0x8425_e349, &["tank"]).is_none());
    }
}
