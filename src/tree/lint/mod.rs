//! What a look at the tree's files tells, before Nix is started.

mod entry;
mod links;
mod lookups;
mod mention;
mod modules;
mod secrets;
mod unfinished;

pub use entry::entry;
pub use links::links;
pub use lookups::{ALWAYS, Lookup, lookups};
pub use mention::{at_package, at_path, package_name};
pub use modules::{Broken, modules};
pub use secrets::secrets;
pub use unfinished::unfinished;
