//! Two and more devices, on any order of what they are brought.
#![allow(clippy::unwrap_used)]

mod adversary;
mod branches;
mod entry;
mod fixed;
mod formats;
mod large;
mod random;
mod roles;
mod secrecy;
mod talking;
mod world;
