//! Relaying as a service of a market node (row A12): datagrams between a client and the exit that it names.
//!
//! - [`host`]: a provider's port for all its clients, and where they may go.
//! - [`kind`]: what the two sides tell each other when a session opens.

mod host;
mod kind;

pub use host::{RelayError, RelayHost};
pub(super) use kind::{RelayKind, Wishes};
