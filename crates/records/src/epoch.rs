//! Epochs: who the kernel nodes are, from one change of them to the next (rows K3, K4).
//!
//! An [`Epoch`] is everything beside the genesis that kernel nodes must agree on before they can judge each other's
//! snapshots: who has a seat, whose snapshots count, which version of the protocol is spoken, and whose coin names the
//! leaders. The ledger keeps the
//! current one as an entry of program `system` ([`epoch_key`](crate::state::epoch_key)); calls queue changes, which take
//! effect together at a checkpoint. A checkpoint names the epoch that signs the next one by its digest, so a chain of
//! certificates leads through every change from the genesis to now.
//!
//! **Seats.** A member keeps the number of its seat as long as it is there; seats in between may be empty. Only members
//! that [count](Standing::Counting) make up n, q(n) and f.
//!
//! **Rounds.** The rounds of epoch e run from e·2^40 + 1 on, so one rising number names epoch and round, and nothing has
//! to be looked up to know who may have signed a snapshot. At a thousand rounds a second 2^40 of them last 34 years.

use std::collections::BTreeMap;

use byway_crypto::NodeKey;
use byway_crypto::threshold::dealing::DealingKey;
use byway_primitives::Hash;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::hash::Context;

use crate::checkpoint::MEMBERS_MAX;
use crate::genesis::{Member, faults_tolerated, quorum};

const EPOCH: Context = Context("byway 1 epoch");

/// The version that this code writes and reads.
pub const VERSION: u8 = 1;
/// The version of the kernel's protocol that a network starts with.
pub const PROTOCOL_FIRST: u16 = 1;
/// Bits of a round's number that count within its epoch.
pub const ROUND_BITS: u32 = 40;

/// What a member's snapshots are worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Has pledged and is connected, fetches what it lacks, and signs nothing yet.
    Candidate,
    /// Takes part.
    Counting,
    /// Was convicted once: is sent everything, and what it signs counts for nothing.
    Marked,
    /// Has left or was removed; its pledge is still locked.
    Left,
}

/// A member and its standing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    pub member: Member,
    pub standing: Standing,
}

/// The members of one epoch by seat.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seats(BTreeMap<u8, Seat>);

/// What the kernel has agreed on for a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Epoch {
    /// From 0, without gaps.
    pub number: u32,
    /// The version of the protocol that is spoken in it.
    pub protocol: u16,
    pub seats: Seats,
    /// The digest of the key of the coin that names the leaders; the key stands in the ledger, with the epoch's
    /// [`Roll`](crate::Roll). Without one they take turns.
    pub coin: Option<Hash>,
}

impl Standing {
    pub fn counts(self) -> bool {
        self == Standing::Counting
    }
}

impl Seats {
    /// The members of a genesis, all counting.
    pub fn founding(members: impl IntoIterator<Item = Member>) -> Self {
        let seats = members.into_iter().map(|member| Seat { member, standing: Standing::Counting });
        Self((0..MEMBERS_MAX as u8).zip(seats).collect())
    }

    pub fn get(&self, seat: u8) -> Option<&Seat> {
        self.0.get(&seat)
    }

    pub fn get_mut(&mut self, seat: u8) -> Option<&mut Seat> {
        self.0.get_mut(&seat)
    }

    /// Puts a member into a seat. False, and nothing done, where the seat is taken or there is no such seat.
    pub fn take(&mut self, seat: u8, taken: Seat) -> bool {
        let is_free = usize::from(seat) < MEMBERS_MAX && !self.0.contains_key(&seat);
        if is_free {
            self.0.insert(seat, taken);
        }
        is_free
    }

    /// Empties a seat.
    pub fn free(&mut self, seat: u8) -> Option<Seat> {
        self.0.remove(&seat)
    }

    /// The lowest seat without a member here and in `other`.
    pub fn lowest_free(&self, other: &Seats) -> Option<u8> {
        (0..MEMBERS_MAX as u8).find(|seat| !self.0.contains_key(seat) && !other.0.contains_key(seat))
    }

    /// Every seat that is taken, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (u8, &Seat)> {
        self.0.iter().map(|(number, seat)| (*number, seat))
    }

    /// The members that count, in order.
    pub fn counting(&self) -> impl Iterator<Item = (u8, &Member)> {
        self.iter().filter(|(_, seat)| seat.standing.counts()).map(|(number, seat)| (number, &seat.member))
    }

    /// For whom a coin's key is dealt: the members that count, in order.
    pub fn receivers(&self) -> Vec<(u8, DealingKey)> {
        self.counting().map(|(seat, member)| (seat, member.dealing)).collect()
    }

    /// The seat of the member that signs with this key.
    pub fn seat_of(&self, key: NodeKey) -> Option<u8> {
        self.iter().find(|(_, seat)| seat.member.key == key).map(|(number, _)| number)
    }

    /// One more than the highest seat taken: the length of a list with a place for every member.
    pub fn places(&self) -> usize {
        self.0.last_key_value().map_or(0, |(highest, _)| usize::from(*highest) + 1)
    }

    /// n: how many count.
    pub fn count(&self) -> usize {
        self.counting().count()
    }

    /// q(n).
    pub fn quorum(&self) -> usize {
        quorum(self.count())
    }

    /// f.
    pub fn faults_tolerated(&self) -> usize {
        faults_tolerated(self.count())
    }
}

impl Epoch {
    pub fn digest(&self) -> Hash {
        EPOCH.hash_value(self)
    }

    /// The first round of its graph.
    pub fn first_round(&self) -> u64 {
        first_round(self.number)
    }
}

/// The first round of an epoch.
pub const fn first_round(epoch: u32) -> u64 {
    ((epoch as u64) << ROUND_BITS) + 1
}

/// The epoch that a round belongs to; `None` for a number that no epoch has.
pub fn epoch_of(round: u64) -> Option<u32> {
    let is_numbered = round & ((1 << ROUND_BITS) - 1) != 0;
    u32::try_from(round >> ROUND_BITS).ok().filter(|_| is_numbered)
}

impl Encode for Standing {
    fn encode(&self, out: &mut Writer) {
        out.byte(match self {
            Standing::Candidate => 0,
            Standing::Counting => 1,
            Standing::Marked => 2,
            Standing::Left => 3,
        });
    }
}

impl Decode for Standing {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            0 => Ok(Standing::Candidate),
            1 => Ok(Standing::Counting),
            2 => Ok(Standing::Marked),
            3 => Ok(Standing::Left),
            other => Err(DecodeError::UnknownVariant { kind: "standing", value: other.into() }),
        }
    }
}

impl Encode for Seats {
    fn encode(&self, out: &mut Writer) {
        out.varint(self.0.len() as u64);
        for (number, seat) in &self.0 {
            out.byte(*number);
            out.value(&seat.member);
            out.value(&seat.standing);
        }
    }
}

impl Decode for Seats {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let length = input.u64()?;
        if length > MEMBERS_MAX as u64 {
            return Err(DecodeError::TooLong { length, limit: MEMBERS_MAX as u64 });
        }
        let mut seats = Self::default();
        for _ in 0..length {
            let number = input.byte()?;
            if usize::from(number) >= MEMBERS_MAX || seats.places() > usize::from(number) {
                return Err(DecodeError::Invalid("order of seats"));
            }
            seats.0.insert(number, Seat { member: input.value()?, standing: input.value()? });
        }
        Ok(seats)
    }
}

impl Encode for Epoch {
    fn encode(&self, out: &mut Writer) {
        out.byte(VERSION);
        out.varint(self.number);
        out.varint(self.protocol);
        out.value(&self.seats);
        out.option(self.coin.as_ref());
    }
}

impl Decode for Epoch {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            VERSION => {}
            other => return Err(DecodeError::UnknownVariant { kind: "epoch version", value: other.into() }),
        }
        Ok(Self { number: input.u32()?, protocol: input.u16()?, seats: input.value()?, coin: input.option()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use byway_crypto::NodeSecret;
    use byway_crypto::noise::StaticKey;
    use byway_primitives::IdentityId;

    fn member(number: u8) -> Member {
        Member {
            name: format!("k{number}"),
            owner: IdentityId([number; 20]),
            key: NodeSecret::from_seed(&[number; 32]).public(),
            mesh: StaticKey::of(&[number; 32]),
            dealing: NodeSecret::from_seed(&[number; 32]).dealing().public(),
            address: format!("10.0.0.{number}:7100"),
        }
    }

    fn epoch() -> Epoch {
        let mut seats = Seats::founding((0..7).map(member));
        seats.free(3);
        seats.get_mut(5).expect("taken").standing = Standing::Marked;
        assert!(seats.take(40, Seat { member: member(40), standing: Standing::Candidate }));
        Epoch { number: 3, protocol: 1, seats, coin: Some(Hash([8; 32])) }
    }

    #[test]
    fn an_epoch_comes_back_and_no_other_bytes_do() {
        let epoch = epoch();
        let bytes = epoch.to_bytes();
        assert_eq!(Epoch::from_bytes(&bytes), Ok(epoch));
        for place in 0..bytes.len() {
            let mut spoiled = bytes.clone();
            spoiled[place] ^= 1;
            if let Ok(other) = Epoch::from_bytes(&spoiled) {
                assert_eq!(other.to_bytes(), spoiled, "byte {place}");
                assert_ne!(other.digest(), Epoch::from_bytes(&bytes).expect("good").digest());
            }
        }
    }

    #[test]
    fn only_counting_members_make_a_quorum() {
        let seats = epoch().seats;
        assert_eq!((seats.count(), seats.quorum(), seats.faults_tolerated()), (5, 4, 1));
        assert_eq!((seats.places(), seats.lowest_free(&seats)), (41, Some(3)));
        assert_eq!(seats.seat_of(member(40).key), Some(40));
    }

    #[test]
    fn a_taken_seat_or_one_there_is_not_can_not_be_taken() {
        let mut seats = epoch().seats;
        let seat = Seat { member: member(9), standing: Standing::Counting };
        assert!(!seats.take(5, seat.clone()));
        assert!(!seats.take(50, seat.clone()));
        assert!(seats.take(3, seat));
    }

    #[test]
    fn a_round_names_its_epoch() {
        for (round, expected) in [
            (0, None),
            (1, Some(0)),
            ((1 << 40) - 1, Some(0)),
            (1 << 40, None),
            (first_round(1), Some(1)),
            (first_round(7) + 99, Some(7)),
            (u64::MAX, Some((1 << 24) - 1)),
        ] {
            assert_eq!(epoch_of(round), expected, "{round}");
        }
    }
}
