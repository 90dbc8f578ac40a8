//! Nix as a program: how it is started, what it says while it works, what its errors mean.

pub mod activity;
pub mod literal;
pub mod secret_facts;
pub mod identity;
pub mod facts;
pub mod open;
pub mod installed;
pub mod environment;
pub mod explain;
pub mod lenience;
pub mod eval;
pub mod disko;
