//! Both sides of a channel against each other, their disks and the real ledger.
#![allow(clippy::unwrap_used)]

mod admission;
mod beside;
mod busy;
mod clocks;
mod contracts;
mod copies;
mod crowd;
mod disputes;
mod drive;
mod driven;
mod ends;
mod fixed;
mod forced;
mod formats;
mod funding;
mod guarantee;
mod handing_in;
mod hostile;
mod lanes;
mod leaving;
mod life;
mod lost;
mod many;
mod model;
mod net;
mod purses;
mod random;
mod reestablish;
mod routing;
mod scene;
mod splits;
#[allow(dead_code, reason = "the market's tests and those of nodes use more of it")]
mod strict;
mod updates;
mod watching;
#[allow(dead_code, reason = "the ledger's tests use more of it")]
#[path = "../../../ledger/tests/ledger/world.rs"]
mod world;
