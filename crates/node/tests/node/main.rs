//! A node's outer surfaces over real sockets, with a fake node behind them.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, in its helpers too")]

mod cli;
mod fake;
mod fetch;
mod page;
mod rpc;
mod socket;
mod subscriptions;
mod wire;
