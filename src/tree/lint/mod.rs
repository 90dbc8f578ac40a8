//! What the tree's files show before Nix is started.

mod absent_content;
mod bad_modules;
mod links;
mod lookups;
mod paths_outside;
mod secrets;
mod system_nix;

pub use absent_content::absent_content;
pub use bad_modules::bad_modules;
pub use links::links;
pub use lookups::{ALWAYS_AVAILABLE, Lookup, lookups};
pub use paths_outside::paths_outside;
pub use secrets::secrets;
pub use system_nix::system_nix;
