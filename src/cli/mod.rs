//! The programs: their command lines, and what connects the parts.

mod described_machine;
mod exit_code;
pub mod install_args;
pub mod install;
mod iso_internal_args;
pub mod iso_args;
mod init_questions;
mod typed_lines;

pub mod iso;
