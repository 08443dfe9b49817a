//! One whole market node, still pure.
//!
//! - [`link`]: what somebody is sent who is to join a network.
//! - [`wallet`]: finds one's outputs in certified scan data, builds and signs transactions.
//! - [`market`]: one identity that buys and sells: its dialogues, payments and sessions, joined into one machine.
//!
//! The kernel's side of a node is `byway_kernel`; what follows the ledger is `byway_kernel::follower`.

pub mod link;
pub mod market;
pub mod wallet;

pub use market::{Market, MarketConfig, MarketNews};
pub use wallet::Wallet;
