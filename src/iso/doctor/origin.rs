//! The configuration as a copy of a directory that a person goes on editing, and what of it must not be on an ISO.

use nix::unistd::{AccessFlags, access};

use super::checked_directory::IsoDirectory;
use crate::diagnostic::{Diagnostic, IsoRefreshProblem};
use crate::iso::allowed_secrets::{self, Allowed};
use crate::iso::copied::Copied;
use crate::text::shell_word;

/// The warning that the copy is another configuration by now, and the private keys in it that nobody allowed.
pub(super) fn problems(iso: &IsoDirectory) -> Vec<Diagnostic> {
    let known = iso
        .copied
        .as_ref()
        .map(|copied| copied.allowed_keys.clone())
        .unwrap_or_default();
    let allow = format!(
        "nix-cfg-iso refresh {} --allow-secrets",
        shell_word(iso.dir.as_os_str())
    );
    let mut problems = allowed_secrets::look(&iso.configuration, iso.kind, Allowed::In(&known), &allow).problems;
    problems.extend(iso.copied.as_ref().and_then(|copied| differs(iso, copied)));
    problems
}

fn differs(iso: &IsoDirectory, copied: &Copied) -> Option<Diagnostic> {
    let difference = copied.difference(&iso.digests)?;
    if difference.is_empty() {
        return None;
    }
    let there = &difference.there;
    let problem = IsoRefreshProblem::Differs {
        dir: iso.dir.clone(),
        from: copied.from.clone(),
        there: if there.is_empty() { Vec::new() } else { there.lines() },
        here: difference.here,
        writable: access(&iso.dir, AccessFlags::W_OK).is_ok(),
    };
    Some(problem.into())
}
