//! Nix as a program: how it is started, what it says while it works, what its errors mean.

pub mod activity;
pub mod environment;
pub mod eval;
pub mod explain;
pub mod facts;
pub mod installed;
pub mod literal;
