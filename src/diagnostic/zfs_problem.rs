//! The installed system would not import its pools of ZFS.

use std::path::PathBuf;

use super::{Text, warning};

/// What is wrong with the pools of ZFS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ZfsProblem {
    /// The live system has imported `pools`, which are mounted at `target`. The installed system has the host ID `own`, and the
    /// live system `live`; 0 means none.
    NotExported { target: PathBuf, own: u32, live: u32, pools: Vec<String> },
}

impl ZfsProblem {
    pub(super) fn text(&self) -> Text {
        let Self::NotExported { target, own, live, pools } = self;
        let here = match live {
            0 => "The live system has no host ID".to_owned(),
            live => format!("The live system has the host ID {live:08x}"),
        };
        warning(
            "zfs-not-exported",
            format!("The installed system will start only if the ZFS pools are exported first: {}", pools.join(", ")),
        )
        .because(format!(
            "{here}, and the installed system has {own:08x} (`networking.hostId`). It refuses to import a pool that another system used last, unless that system exported it."
        ))
        .remedy(format!(
            "After the installation, before the restart: `umount -R {} && zpool export {}`. Or set `boot.zfs.forceImportRoot = true;` (for pools that do not hold the root, `boot.zfs.forceImportAll`).",
            target.display(),
            pools.join(" ")
        ))
    }
}
