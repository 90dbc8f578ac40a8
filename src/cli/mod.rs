//! The command lines of the programs: clap's types are here and nowhere else.

pub mod install;
pub mod iso;
