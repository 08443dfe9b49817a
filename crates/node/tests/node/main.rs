//! A node's outer surfaces over real sockets, with a fake node behind them.

mod cli;
mod fake;
mod fetch;
mod page;
mod rpc;
mod socket;
mod subscriptions;
mod wire;
