//! The programs: their command lines, and what connects the parts.

mod described_machine;
pub mod install_args;
pub mod install;
pub mod iso_args;
mod init_questions;

pub mod iso;
