//! What a party of a channel shows when it closes alone, and tells nobody but the other before (row C5).
//!
//! The other's packets for watchtowers are sealed under it. It is shown whatever the state: so a watchtower can open what it was given
//! exactly when it is to answer, and not before. Each party has its own, which follows from its identity's secret: one that has lost all
//! else can close.

use byway_primitives::Hash;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::hash::Context;

const DIGEST: Context = Context("byway 1 channel secret");

/// Told the other party once the ledger has the channel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct WatchSecret(pub [u8; 16]);

impl WatchSecret {
    /// What the terms have of it.
    pub fn digest(&self) -> Hash {
        DIGEST.hash(&[&self.0])
    }
}

/// A secret shows up in no log.
impl std::fmt::Debug for WatchSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WatchSecret(..)")
    }
}

impl Encode for WatchSecret {
    fn encode(&self, out: &mut Writer) {
        out.raw(&self.0);
    }
}

impl Decode for WatchSecret {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(input.array()?))
    }
}
