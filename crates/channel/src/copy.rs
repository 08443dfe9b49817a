//! What of a channel is kept in a second place, so that who loses its disk needs nobody for it.
//!
//! The ledger has a root, and the peer shows one; what stands under it, who has what in purses and what contracts have stored, only the two parties
//! know. A party that has lost it could be left with nothing by a peer that keeps silent. So beside the newest state that both signed,
//! a copy has the contents of every state that the channel can come to end in: that one, and those that the peer can still complete.
//!
//! **A copy is never believed.** Contents count only under the root that the ledger has, or that both have signed; which of these is newest is decided
//! without the copy's age. An old one shows an old state at the worst, as an old journal would: no round is
//! signed by it that may have been signed before ([`round_at`](crate::round_at)), and the peer is waited for.
//!
//! *Not in it*: promises out of lanes; nothing of a channel that never had contracts or other assets, whose state follows from the balances.

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::hash::Context;
use byway_primitives::{Hash, NetworkId};
use byway_records::channel::{ChannelState, Cosigned};
use byway_records::promise::ChannelId;
use byway_vm::State;

use crate::journal::RELEASED_MAX;

/// States of one channel that can come to count: the newest, the co-signed one beneath what was forced, half-signed ones, one after a deposit or
/// withdrawal, and as many that an older copy had.
pub const COPY_STATES_MAX: usize = 2 * (RELEASED_MAX + 3);
const VERSION: u8 = 1;
/// How many states there are, which are fewer than 128.
const COUNT_BYTES: usize = 1;
const MARK: Context = Context("byway 1 channel copy mark");

/// What a party keeps of a channel in a second place.
#[derive(Debug, Clone)]
pub struct ChannelCopy {
    pub network: NetworkId,
    pub channel: ChannelId,
    /// The newest state that both signed; none where the ledger has shown a newer one to this side.
    pub agreed: Option<Cosigned<ChannelState>>,
    /// Contents of states, each root once, the newest first.
    pub states: Vec<State>,
}

/// Tells copies of one channel apart that have other contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyMark(Hash);

/// A copy is not this channel's, or nobody made it so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CopyError {
    #[error("it is of another channel or network")]
    Channel,
    #[error("the state in it is not signed by both")]
    Signature,
}

impl CopyMark {
    pub(crate) fn of(parts: &[u8]) -> Self {
        Self(MARK.hash(&[parts]))
    }
}

impl ChannelCopy {
    /// The kind of a [`DecodeError::UnknownVariant`] where another version wrote it.
    pub const VERSION_KIND: &str = "channel copy version";

    /// Adds contents, unless they are there.
    pub(crate) fn add(&mut self, state: &State) {
        let root = state.root();
        if self.states.len() < COPY_STATES_MAX && self.states.iter().all(|known| known.root() != root) {
            self.states.push(state.clone());
        }
    }

    /// Its bytes where these may be `bytes_max` at the most, and how many states were left out for that, the newest never. None where that does not fit: an
    /// older copy, which has the contents of what it names, is worth more.
    pub fn to_bytes_within(&self, bytes_max: usize) -> Option<(Vec<u8>, usize)> {
        let mut head = Writer::new();
        self.encode_head(&mut head);
        // Each by itself: a contract can make many of them large.
        let (mut length, mut kept) = (head.into_bytes().len() + COUNT_BYTES, Vec::new());
        for (index, state) in self.states.iter().enumerate() {
            let bytes = state.to_bytes();
            if length + bytes.len() <= bytes_max {
                length += bytes.len();
                kept.push(bytes);
            } else if index == 0 {
                return None;
            }
        }
        let (mut out, left_out) = (Writer::new(), self.states.len() - kept.len());
        self.encode_head(&mut out);
        out.varint(kept.len() as u64);
        kept.iter().for_each(|bytes| out.raw(bytes));
        Some((out.into_bytes(), left_out))
    }

    fn encode_head(&self, out: &mut Writer) {
        out.byte(VERSION);
        out.value(&self.network);
        out.value(&self.channel.0);
        out.option(self.agreed.as_ref());
    }
}

/// Whoever writes it bounds its bytes.
impl Encode for ChannelCopy {
    fn encode(&self, out: &mut Writer) {
        self.encode_head(out);
        out.list(&self.states);
    }
}

impl Decode for ChannelCopy {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            VERSION => {}
            other => return Err(DecodeError::UnknownVariant { kind: Self::VERSION_KIND, value: other.into() }),
        }
        Ok(Self {
            network: input.value()?,
            channel: ChannelId(input.value()?),
            agreed: input.option()?,
            states: input.list(COPY_STATES_MAX)?,
        })
    }
}
