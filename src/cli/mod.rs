//! The programs: their command lines, and what connects the parts.

mod printed;
mod exit_code;
pub mod update_args;
pub mod install_args;
mod explained_failure;
mod typed_lines;
mod disk_questions;
mod unattended_marks;
mod unattended_update;
mod unattended;
mod result_signals;
mod unattended_result;
mod chosen_disks;
mod prepared_target;
mod requested;
mod update_command;
mod status_command;
pub mod install;
mod iso_internal_args;
pub mod iso_args;
mod init_questions;

pub mod iso;
