//! Whether the installed machine will be rebuilt from the file that it is installed from.

use std::path::Path;

use crate::diagnostic::Diagnostic;
use crate::tree::hardware::imports;
use crate::tree::source::{CONFIGURATION_NIX, ConfigKind, SYSTEM_NIX};

/// The warning that nixos-rebuild will take another file than the installer. A module may have that name as well, and is
/// then imported.
#[must_use]
pub fn system_nix(root: &Path, kind: ConfigKind) -> Option<Diagnostic> {
    let system = Path::new(SYSTEM_NIX);
    if kind == ConfigKind::Flake
        || !root.join(system).is_file()
        || imports(root, SYSTEM_NIX).iter().any(|path| path == system)
    {
        return None;
    }
    Some(
        Diagnostic::warning(
            "system-nix",
            format!("The system is installed from {CONFIGURATION_NIX}, and will be rebuilt from {SYSTEM_NIX}"),
        )
        .at(system, None, None)
        .because(format!(
            "nixos-rebuild of NixOS 26.05 and later takes {SYSTEM_NIX} first, with the nixpkgs that it names; an ISO cannot be \
             made from that file."
        ))
        .remedy(format!(
            "If both make the same system, nothing has to be done. Else move what {SYSTEM_NIX} adds into {CONFIGURATION_NIX}, or \
             write a flake."
        )),
    )
}
