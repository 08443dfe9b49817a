//! A deposit or a withdrawal that is open, as a side keeps it.

use byway_crypto::IdentitySignature;
use byway_primitives::Hash;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_records::Value;
use byway_records::channel::{ChannelState, FundingChange, Held, Movement, Position, Side};

use crate::journal::Record;

/// What goes in, or out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moved {
    pub side: Side,
    pub movement: Movement,
    pub value: Value,
}

/// A deposit or a withdrawal that the ledger may still execute, or that is only asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fund {
    pub change: FundingChange,
    /// The digest of the position that it builds on.
    pub base: Hash,
    pub signatures: [Option<IdentitySignature>; 2],
    /// Whether this side may have signed it. One that was read from disk counts as signed: its signature may have left in
    /// the moment before a crash.
    pub is_bound: bool,
}

impl Record {
    /// A position of this channel, as it is signed.
    pub fn state_of(&self, position: Position) -> ChannelState {
        self.state_in(&self.held, position)
    }

    /// The same, once that is in the channel.
    pub fn state_in(&self, held: &Held, position: Position) -> ChannelState {
        let (network, channel) = (self.ground.network, self.id);
        ChannelState { network, channel, total: held.total, fundings: held.fundings, position }
    }
}

impl Moved {
    pub fn of(change: &FundingChange) -> Self {
        let FundingChange { side, movement, value, .. } = *change;
        Self { side, movement, value }
    }
}

impl Fund {
    pub fn round(&self) -> u64 {
        self.change.state.position.round
    }

    pub fn position(&self) -> Position {
        self.change.state.position
    }

    /// Whether this is what has been done where so often something has gone in or out.
    pub fn makes(&self, held: &Held) -> bool {
        (self.change.state.total, self.change.state.fundings) == (held.total, held.fundings)
    }

    pub fn moved(&self) -> Moved {
        Moved::of(&self.change)
    }

    pub fn both_signatures(&self) -> Option<[IdentitySignature; 2]> {
        let [one, two] = self.signatures;
        Some([one?, two?])
    }
}

impl Encode for Fund {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.change);
        out.value(&self.base);
        self.signatures.iter().for_each(|signature| out.option(signature.as_ref()));
    }
}

impl Decode for Fund {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (change, base) = (input.value()?, input.value()?);
        Ok(Self { change, base, signatures: [input.option()?, input.option()?], is_bound: true })
    }
}
