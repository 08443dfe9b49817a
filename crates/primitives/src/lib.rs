//! The words every other crate speaks in: money, hashes, identities, time, and how they are written down.
//!
//! - [`Amount`] is integer money with 18 decimals; every operation on it is checked.
//! - [`Hash`] is a BLAKE3 digest, always taken under a named [`hash::Context`], so that a digest made for one purpose
//!   never passes for another.
//! - [`IdentityId`], [`AssetId`], [`NetworkId`] are newtypes over bytes that could otherwise be confused.
//! - [`Time`] is the ledger's time in milliseconds; machines are handed it, they never read a clock.
//! - [`codec`] is the one canonical, bounded binary encoding: a value has exactly one encoding, and a decoder never
//!   allocates more than its input justifies.
//! - [`effect`] holds what a machine emits (write this, send that, wake me then) and [`store`] what it may read. They
//!   live here so that a driver can carry out a machine's wishes without knowing its protocol.
//!
//! Nothing here does I/O, reads a clock or draws randomness.

/// For [`serde_as_text`].
#[doc(hidden)]
pub use serde;

pub mod amount;
pub mod codec;
pub mod effect;
pub mod hash;
pub mod ids;
pub mod store;
pub mod time;

pub use amount::Amount;
pub use codec::{Decode, DecodeError, Encode, Reader, Writer};
pub use effect::{Batch, Effect, Timer, Token, Write};
pub use hash::Hash;
pub use ids::{AssetId, IdentityId, NetworkId};
pub use store::{MemoryStore, Pending, Space, Store};
pub use time::{Span, Time};
