//! A deposit or a withdrawal that is open, as a side keeps it.

use byway_crypto::IdentitySignature;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, Hash};
use byway_records::channel::{FundingChange, Position};

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

impl Fund {
    pub fn round(&self) -> u64 {
        self.change.state.position.round
    }

    pub fn position(&self) -> Position {
        self.change.state.position
    }

    pub fn total(&self) -> Amount {
        self.change.state.total
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
