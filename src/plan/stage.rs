//! The private copy of the configuration, and what its files show before Nix is started.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::collector::Found;
use super::request::LiveSystem;
use crate::process::Invocation;
use crate::tree::accounts::Accounts;
use crate::tree::lint;
use crate::tree::private_copy::PrivateCopy;
use crate::tree::snapshot::Copier;
use crate::tree::source::{ConfigKind, Source};

/// Copies the tree to a directory that only root can reach, in the live system's memory.
pub(super) fn copy(live: &LiveSystem<'_>, source: &Source, found: &mut Found<'_>) -> Result<PrivateCopy> {
    let directory = PrivateCopy::new()?;
    let accounts = Accounts::of_live_system(Path::new("/etc/passwd"), std::env::vars());
    let copier = Copier {
        owners: Some(&accounts),
        interrupt: live.runner.interrupt(),
        exclude: None,
    };
    found.extend(copier.copy(&source.dir, directory.path())?.problems);
    Ok(directory)
}

/// Looks at the files of the tree at `root`. Returns those that an evaluation cannot read: they are not Nix, or not there.
pub(super) fn look(
    live: &LiveSystem<'_>,
    root: &Path,
    kind: ConfigKind,
    found: &mut Found<'_>,
) -> Result<Vec<PathBuf>> {
    found.extend(lint::links(root));
    found.extend(lint::absent_content(root));
    found.extend(lint::secrets(root, kind));
    found.extend(lint::system_nix(root, kind));
    let mut broken = Vec::new();
    for suspect in lint::bad_modules(root, kind) {
        // Nix's grammar grows: what it can read is no fault.
        let ask = Invocation::new("nix-instantiate")
            .arg("--parse")
            .arg(root.join(&suspect.file))
            .quiet();
        if suspect.exists && live.runner.run(&ask, &mut |_, _| {})?.status.success() {
            log::debug!("Nix can read {}: {}", suspect.file.display(), suspect.problem);
            continue;
        }
        found.add(suspect.problem);
        broken.push(suspect.file);
    }
    Ok(broken)
}
