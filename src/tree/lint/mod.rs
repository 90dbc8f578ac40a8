//! What a look at the tree's files tells, before Nix is started.

mod entry;
mod links;
mod mention;
mod modules;
mod secrets;

pub use entry::entry;
pub use links::links;
pub use mention::{at_package, at_path, package_name};
pub use modules::{Broken, modules};
pub use secrets::secrets;
