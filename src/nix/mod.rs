//! Nix as a program: how it is started, what it says while it works, what its errors mean.

pub mod command;
