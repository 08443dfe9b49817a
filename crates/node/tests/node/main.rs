//! A node's outer surfaces over real sockets, with a fake node behind them; and real nodes in a network of their own.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, in its helpers too")]

mod cli;
mod convicting;
mod fake;
mod fake_invites;
mod fake_kernel;
mod fake_status;
mod fetch;
mod joining;
mod kernel_rpc;
mod leaving;
mod light;
mod metrics;
mod limits;
mod money;
mod network;
mod openrpc;
mod owning;
mod page;
mod past_epochs;
mod quality;
mod payout;
mod rpc;
mod running;
mod seconds;
mod socket;
mod submitting;
mod subscriptions;
#[cfg(target_os = "linux")]
mod tunnel;
mod wire;
