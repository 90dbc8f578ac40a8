//! Whether the installed machine will be rebuilt from the file that it is installed from.

use std::path::Path;

use crate::diagnostic::{Diagnostic, SourceProblem};
use crate::tree::hardware::imports;
use crate::tree::source::{ConfigKind, SYSTEM_NIX};

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
    Some(Diagnostic::from(SourceProblem::SystemNixBeside).at(system, None, None))
}
