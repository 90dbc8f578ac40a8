//! Whether the installed machine will be rebuilt from the file that it is installed from.

use std::path::Path;

use crate::diagnostic::Diagnostic;
use crate::tree::hardware::imports;
use crate::tree::source::{CONFIGURATION, Kind, SYSTEM};

/// The warning that nixos-rebuild will take another file than the installer. A module may have that name as well, and is
/// then imported.
#[must_use]
pub fn entry(root: &Path, kind: Kind) -> Option<Diagnostic> {
    let system = Path::new(SYSTEM);
    if kind == Kind::Flake || !root.join(system).is_file() || imports(root, SYSTEM).iter().any(|path| path == system) {
        return None;
    }
    Some(
        Diagnostic::warning(
            "system-nix",
            format!("The system is installed from {CONFIGURATION}, and will be rebuilt from {SYSTEM}"),
        )
        .at(system, None, None)
        .because(format!(
            "nixos-rebuild of NixOS 26.05 and later takes {SYSTEM} first, with the nixpkgs that it names; an ISO cannot be \
             made from that file."
        ))
        .remedy(format!(
            "If both make the same system, nothing has to be done. Else move what {SYSTEM} adds into {CONFIGURATION}, or \
             write a flake."
        )),
    )
}
