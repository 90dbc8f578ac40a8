//! A machine that is described by a report: writing the report of this one, and checking a configuration for another.

mod report;
mod facter_report;
mod report_file;
mod describe;
mod comparison;

pub use comparison::{Installation, check};
pub use describe::describe;
pub use report::MachineReport;
pub use report_file::load;
