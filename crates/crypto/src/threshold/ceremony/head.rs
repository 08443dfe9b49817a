//! What of a ceremony is small: who takes part, how far it is, and who did what.

use std::collections::BTreeSet;

use byway_primitives::{Decode, DecodeError, Encode, Hash, Reader, Writer};

use super::CeremonyError;
use crate::threshold::dealing::{DealingKey, RECEIVERS_MAX};

/// A [ceremony](super) without its dealings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CeremonyHead {
    /// Names the network and this ceremony among all that it has had.
    occasion: Hash,
    /// By rising member number.
    receivers: Vec<(u8, DealingKey)>,
    excluded: BTreeSet<u8>,
    confirmed: BTreeSet<u8>,
    phase: Phase,
}

/// How far a ceremony is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Dealing,
    Checking,
    Done,
}

impl CeremonyHead {
    pub(super) fn new(occasion: Hash, receivers: Vec<(u8, DealingKey)>) -> Self {
        debug_assert!(receivers.is_sorted_by(|a, b| a.0 < b.0), "members are numbered and rise");
        let (excluded, confirmed) = (BTreeSet::new(), BTreeSet::new());
        Self { occasion, receivers, excluded, confirmed, phase: Phase::Dealing }
    }

    pub fn occasion(&self) -> Hash {
        self.occasion
    }

    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Members for whom the key is made, and what their shares are sealed for.
    pub fn receivers(&self) -> &[(u8, DealingKey)] {
        &self.receivers
    }

    /// Members for whom the key is made.
    pub fn members(&self) -> impl DoubleEndedIterator<Item = u8> + '_ {
        self.receivers.iter().map(|(member, _)| *member)
    }

    /// Members that were shown to be false.
    pub fn excluded(&self) -> impl Iterator<Item = u8> + '_ {
        self.excluded.iter().copied()
    }

    pub fn has_confirmed(&self, member: u8) -> bool {
        self.confirmed.contains(&member)
    }

    /// f + 1: how many make a signature.
    pub fn threshold(&self) -> usize {
        self.faults_tolerated() + 1
    }

    /// Whether the member takes part and is not excluded.
    pub fn listens_to(&self, member: u8) -> bool {
        self.members().any(|receiver| receiver == member) && !self.excluded.contains(&member)
    }

    /// Lets a member act that is listened to, in its phase.
    pub fn admit(&self, member: u8, phase: Phase) -> Result<(), CeremonyError> {
        if !self.listens_to(member) {
            return Err(CeremonyError::Stranger);
        }
        if self.phase == phase { Ok(()) } else { Err(CeremonyError::Phase) }
    }

    pub(super) fn exclude(&mut self, member: u8) {
        self.excluded.insert(member);
    }

    /// There are so many dealings now.
    pub(super) fn on_dealings(&mut self, count: usize) {
        if count >= self.quorum() {
            self.phase = Phase::Checking;
        }
    }

    pub(super) fn confirm(&mut self, member: u8) -> Result<(), CeremonyError> {
        if !self.confirmed.insert(member) {
            return Err(CeremonyError::Repeated);
        }
        if self.confirmed.len() >= self.quorum() {
            self.phase = Phase::Done;
        }
        Ok(())
    }

    pub(super) fn faults_tolerated(&self) -> usize {
        self.receivers.len().saturating_sub(1) / 3
    }

    fn quorum(&self) -> usize {
        self.receivers.len() - self.faults_tolerated()
    }
}

/// A member and its key.
struct Receiver(u8, DealingKey);

impl Decode for Receiver {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(input.byte()?, input.value()?))
    }
}

/// Members by rising number, each once.
fn set(input: &mut Reader<'_>) -> Result<BTreeSet<u8>, DecodeError> {
    let members = input.bytes(RECEIVERS_MAX)?;
    if !members.is_sorted_by(|a, b| a < b) {
        return Err(DecodeError::Invalid("members are not rising"));
    }
    Ok(members.iter().copied().collect())
}

fn put_set(out: &mut Writer, members: &BTreeSet<u8>) {
    out.bytes(&members.iter().copied().collect::<Vec<_>>());
}

impl Encode for CeremonyHead {
    fn encode(&self, out: &mut Writer) {
        out.byte(match self.phase {
            Phase::Dealing => 0,
            Phase::Checking => 1,
            Phase::Done => 2,
        });
        out.value(&self.occasion);
        out.varint(self.receivers.len() as u64);
        for (member, key) in &self.receivers {
            out.byte(*member);
            out.value(key);
        }
        put_set(out, &self.excluded);
        put_set(out, &self.confirmed);
    }
}

impl Decode for CeremonyHead {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let phase = match input.byte()? {
            0 => Phase::Dealing,
            1 => Phase::Checking,
            2 => Phase::Done,
            other => return Err(DecodeError::UnknownVariant { kind: "phase of a ceremony", value: other.into() }),
        };
        let occasion = input.value()?;
        let receivers: Vec<Receiver> = input.list(RECEIVERS_MAX)?;
        if !receivers.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(DecodeError::Invalid("members are not rising"));
        }
        let receivers = receivers.into_iter().map(|Receiver(member, key)| (member, key)).collect();
        Ok(Self { phase, occasion, receivers, excluded: set(input)?, confirmed: set(input)? })
    }
}
