//! The side of Calamares: what its job hands over, and what its error dialog shows. calamares-module/README.md describes the
//! other side.

mod keymap;
pub mod dialog;
pub mod disk_page;
pub mod globals;
#[cfg(test)]
mod globals_tests;
pub mod caller;
