//! Both sides of a channel against each other, their disks and the real ledger.
#![allow(clippy::unwrap_used)]

mod disputes;
mod fixed;
mod forced;
mod formats;
mod funding;
mod lanes;
mod life;
mod many;
mod random;
mod reestablish;
mod routing;
mod scene;
mod updates;
#[allow(dead_code, reason = "the ledger's tests use more of it")]
#[path = "../../../ledger/tests/ledger/world.rs"]
mod world;
