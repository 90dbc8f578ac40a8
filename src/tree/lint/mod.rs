//! What the tree's files show before Nix is started.

mod absent_content;
mod bad_modules;
mod fetches;
mod links;
mod lookups;
mod paths_outside;
mod secrets;
mod system_nix;

pub use absent_content::{absent_content, is_locked, submodule_of};
pub use bad_modules::bad_modules;
pub use fetches::{Pinned, pinned};
pub use links::links;
pub use lookups::{ALWAYS_AVAILABLE, Lookup, lookups};
pub use paths_outside::{paths_outside, read_outside};
pub use secrets::{FoundKey, private_keys, secrets};
pub use system_nix::system_nix;

use std::path::Path;

use crate::diagnostic::Diagnostic;

/// What a copy of the tree at `root` lacks on another machine: what links lead to, content that Git keeps elsewhere, files
/// outside of the tree.
pub fn lacking(root: &Path) -> Vec<Diagnostic> {
    let mut problems = links(root);
    problems.extend(absent_content(root));
    problems.extend(paths_outside(root));
    problems
}
