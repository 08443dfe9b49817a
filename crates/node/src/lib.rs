//! One Byway node as a program: its directory, configuration, local API, web page and command line.
//!
//! - [`directory`]: where a node keeps things, and the lock that keeps a second one out; [`ports`]: its sockets.
//! - [`keystore`]: the seed phrase and the identities, encrypted on disk (row I1).
//! - [`config`]: one TOML file, one struct per component; [`logs`]: what is written about all of it.
//! - [`genesis`]: makes the file that a network is; [`joining`]: gets it from a link, and a folder ready for a node of it;
//!   [`claims`]: what takes an invite's coins.
//! - [`api`]: what a node can be asked, as types and the trait [`api::NodeApi`]; [`rpc`] serves it on a loopback port,
//!   [`page`] serves the web page that uses it, [`client`] asks from another process.
//! - [`phone`]: serves both to a phone on the local network, with rights of its own.
//! - [`explorer`]: answers about the kernel, for kernel nodes and market nodes alike.
//! - [`health`]: whether a kernel, and a node of it, does its work.
//! - [`metrics`]: a node's figures for monitoring.
//! - [`plugged`]: services that programs beside the node provide (row A11).
//! - [`fetch`]: one HTTP fetch through the node's proxy, with a receipt.
//! - [`doctor`]: what keeps others from reaching a peer.
//! - [`light`]: verifying single facts of the ledger without a node.
//! - [`backup`]: copies of a kernel node's state; [`exports`]: of a peer's books, sealed.
//! - [`cli`]: the commands.
//!
//! Environment variables are read in this crate and nowhere below.

pub mod api;
pub mod attachments;
pub mod backup;
pub mod bench;
pub mod bounded;
pub mod calendar;
pub mod claims;
pub mod cli;
pub mod client;
pub mod config;
pub mod directory;
pub mod doctor;
pub mod explorer;
pub mod exports;
pub mod fetch;
pub mod files;
pub mod genesis;
pub mod health;
pub mod hosting;
pub mod http1;
pub mod joining;
pub mod kernel_node;
pub mod keystore;
pub mod light;
pub mod logs;
pub mod metrics;
pub mod page;
pub mod passphrase;
pub mod peer_node;
pub mod phone;
pub mod plugged;
pub mod ports;
pub mod rpc;
pub mod watching;
