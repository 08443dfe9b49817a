//! The virtual machine from outside: contracts of the Solidity compiler, and one written by hand that reads and writes what
//! it is told.
#![allow(clippy::unwrap_used)]

mod game;
mod outcomes;
mod scene;
mod whole;
mod witnesses;
