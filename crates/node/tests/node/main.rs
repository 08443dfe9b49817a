//! A node's outer surfaces over real sockets, with a fake node behind them; and real nodes in a network of their own.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, in its helpers too")]

mod bots;
mod chain;
mod chain_selling;
mod channel_beside;
mod channel_cli;
mod channel_rig;
mod channels;
mod chat;
mod chat_cli;
mod chat_contents;
mod chat_files;
mod chat_groups;
mod chat_search;
mod cli;
mod convicting;
mod fake;
mod fake_channels;
mod fake_chat;
mod fake_contracts;
mod fake_forwards;
mod fake_holding;
mod fake_hubs;
mod fake_invites;
mod fake_kernel;
mod fake_status;
mod fake_watching;
mod fetch;
mod holding;
mod holding_cli;
mod hubs;
mod joining;
mod kernel_rpc;
mod lanes;
mod leaving;
mod light;
mod limits;
mod listing;
mod metrics;
mod money;
mod network;
mod on_ledger;
mod openrpc;
mod owning;
mod page;
mod past_epochs;
mod payout;
mod purses;
mod quality;
mod rpc;
mod running;
mod seconds;
mod socket;
#[allow(dead_code, reason = "the tests of channels use more of it")]
#[path = "../../../channel/tests/channel/strict.rs"]
mod strict;
mod submitting;
mod subscriptions;
#[cfg(target_os = "linux")]
mod tunnel;
mod virtual_channels;
mod watching;
mod wire;
