//! What comes from others: parts become parcels again, and each parcel is taken once.

use std::collections::{BTreeMap, BTreeSet};

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Batch, IdentityId, Space, Store};

use super::letter::{PARCEL_MAX, PART_MAX, ParcelId};

/// Parcels of a peer that were taken, so that one that comes again is known: key is the peer and a number that goes round.
const TAKEN: Space = Space("chat-taken");
/// How many of them are kept of each peer. An outbox resends what has no receipt, which is no more than its window.
pub const TAKEN_MAX: u64 = 1024;
const COUNT_MAX: u16 = (PARCEL_MAX / PART_MAX + 1) as u16;

/// Why a part is of no use. Whoever sends such a one breaks the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PartFault {
    #[error("a parcel of {0} parts, which is none or too many")]
    Count(u16),
    #[error("part {index} came where part {expected} was due")]
    Order { index: u16, expected: u16 },
    #[error("a part has another length than it must have")]
    Length,
    #[error("the parts don't make the parcel that they are said to be of")]
    Hash,
}

/// What is there of a parcel.
#[derive(Debug)]
struct Gathering {
    parcel: ParcelId,
    count: u16,
    next: u16,
    bytes: Vec<u8>,
}

/// Which parcels of a peer were taken, by their number.
#[derive(Debug, Default)]
struct Taken {
    order: BTreeMap<u64, ParcelId>,
    all: BTreeSet<ParcelId>,
}

/// The receiving side, for all peers.
#[derive(Debug, Default)]
pub struct Inbox {
    gathering: BTreeMap<IdentityId, Gathering>,
    taken: BTreeMap<IdentityId, Taken>,
}

/// What a part made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gathered {
    /// More is to come.
    Part,
    /// It was taken before; its sender has missed the receipt.
    Again(ParcelId),
    Whole(ParcelId, Vec<u8>),
}

impl Inbox {
    pub fn load(store: &impl Store) -> Self {
        let mut inbox = Self::default();
        for (key, value) in store.scan_prefix(TAKEN, &[]) {
            // Nothing else writes here; one that can't be read is one that may come again.
            if let (Some(peer), Ok(Numbered { number, parcel })) = (key.first_chunk(), Numbered::from_bytes(&value)) {
                inbox.taken.entry(IdentityId(*peer)).or_default().remember(number, parcel);
            }
        }
        inbox
    }

    /// A peer is gone: what it had begun to send it begins anew.
    pub fn forget_parts(&mut self, peer: IdentityId) {
        self.gathering.remove(&peer);
    }

    pub fn handle_part(
        &mut self,
        peer: IdentityId,
        parcel: ParcelId,
        (index, count): (u16, u16),
        bytes: Vec<u8>,
    ) -> Result<Gathered, PartFault> {
        if count == 0 || count > COUNT_MAX {
            return Err(PartFault::Count(count));
        }
        if index >= count {
            return Err(PartFault::Length);
        }
        let is_last = index + 1 == count;
        if (!is_last && bytes.len() != PART_MAX) || (is_last && index > 0 && bytes.is_empty()) {
            return Err(PartFault::Length);
        }
        let expected = match self.gathering.get(&peer) {
            Some(known) if known.parcel == parcel && known.count == count => known.next,
            _ => 0,
        };
        // A parcel may be begun anew at any time.
        if index != 0 && index != expected {
            return Err(PartFault::Order { index, expected });
        }
        if index == 0 {
            self.gathering.insert(peer, Gathering { parcel, count, next: 0, bytes: Vec::new() });
        }
        let gathering = self.gathering.get_mut(&peer).expect("it is there, or was just put there");
        gathering.bytes.extend_from_slice(&bytes);
        gathering.next += 1;
        if !is_last {
            return Ok(Gathered::Part);
        }
        let whole = self.gathering.remove(&peer).map(|gathering| gathering.bytes).unwrap_or_default();
        if ParcelId::of(&whole) != parcel {
            return Err(PartFault::Hash);
        }
        if self.taken.get(&peer).is_some_and(|taken| taken.all.contains(&parcel)) {
            return Ok(Gathered::Again(parcel));
        }
        Ok(Gathered::Whole(parcel, whole))
    }

    /// A parcel is taken to heart, with the rest of the batch.
    pub fn take(&mut self, peer: IdentityId, parcel: ParcelId, batch: &mut Batch) {
        let taken = self.taken.entry(peer).or_default();
        let number = taken.order.last_key_value().map_or(0, |(last, _)| last + 1);
        taken.remember(number, parcel);
        if taken.order.len() as u64 > TAKEN_MAX
            && let Some((_, oldest)) = taken.order.pop_first()
        {
            taken.all.remove(&oldest);
        }
        let slot = (number % TAKEN_MAX).to_be_bytes();
        batch.put(TAKEN, [&peer.0[..], &slot].concat(), Numbered { number, parcel }.to_bytes());
    }
}

impl Taken {
    fn remember(&mut self, number: u64, parcel: ParcelId) {
        self.order.insert(number, parcel);
        self.all.insert(parcel);
    }
}

/// As it is on disk.
struct Numbered {
    number: u64,
    parcel: ParcelId,
}

impl Encode for Numbered {
    fn encode(&self, out: &mut Writer) {
        out.varint(self.number);
        out.value(&self.parcel);
    }
}

impl Decode for Numbered {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { number: input.u64()?, parcel: input.value()? })
    }
}
