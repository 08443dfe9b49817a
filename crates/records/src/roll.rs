//! Rolls: who counted in an epoch, as long as it matters (row K4).
//!
//! What a kernel node signed is judged by the epoch in which it signed it, whatever became of its seat since. The ledger
//! therefore keeps of every epoch who counted in it, under which key and since when, and by which coin, until all who left
//! with its end have their pledges back.

use byway_crypto::NodeKey;
use byway_crypto::threshold::KeyRecord;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};

use crate::checkpoint::{Height, MEMBERS_MAX};
use crate::epoch::{Epoch, epoch_of, first_round};
use crate::genesis::quorum;
use crate::snapshot::{Electorate, MemberIndex};
use crate::state::Deadline;

/// Who counted in one epoch. Program `kernel`, under [`roll_key`](crate::state::roll_key).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roll {
    pub epoch: u32,
    /// The first checkpoint that its members certify.
    pub first: Height,
    /// The last one, with which it ended.
    pub last: Option<Height>,
    /// When it is forgotten; set when it has ended.
    pub forgotten: Option<Deadline>,
    /// The key of the coin that named its leaders, if there was one.
    pub coin: Option<KeyRecord>,
    /// By rising seat.
    voices: Vec<Voice>,
}

/// A member that counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Voice {
    pub seat: u8,
    pub key: NodeKey,
    /// The epoch with which it took the seat, which tells it from others who had it.
    pub since: u32,
}

impl Roll {
    /// The roll of an epoch that begins: `since` says with which epoch the member of a seat took it.
    pub fn call(epoch: &Epoch, first: Height, since: impl Fn(u8) -> u32) -> Self {
        let voice = |(seat, member): (u8, &crate::Member)| Voice { seat, key: member.key, since: since(seat) };
        let voices = epoch.seats.counting().map(voice).collect();
        Self { epoch: epoch.number, first, last: None, forgotten: None, coin: None, voices }
    }

    pub fn voice(&self, seat: u8) -> Option<Voice> {
        let position = self.voices.binary_search_by_key(&seat, |voice| voice.seat).ok()?;
        Some(self.voices[position])
    }

    /// Whether the members of this epoch certify the checkpoint of this height.
    pub fn has_height(&self, height: Height) -> bool {
        height >= self.first && self.last.is_none_or(|last| height <= last)
    }
}

impl Electorate for Roll {
    fn size(&self) -> usize {
        self.voices.len()
    }

    fn quorum(&self) -> usize {
        quorum(self.voices.len())
    }

    fn counts(&self, member: MemberIndex) -> bool {
        self.voice(member.0).is_some()
    }

    fn first_round(&self) -> u64 {
        first_round(self.epoch)
    }

    fn has_round(&self, round: u64) -> bool {
        epoch_of(round) == Some(self.epoch)
    }
}

impl Encode for Voice {
    fn encode(&self, out: &mut Writer) {
        out.byte(self.seat);
        out.value(&self.key);
        out.varint(self.since);
    }
}

impl Decode for Voice {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { seat: input.byte()?, key: input.value()?, since: input.u32()? })
    }
}

impl Encode for Roll {
    fn encode(&self, out: &mut Writer) {
        out.varint(self.epoch);
        out.value(&self.first);
        out.option(self.last.as_ref());
        out.option(self.forgotten.as_ref());
        out.option(self.coin.as_ref());
        out.list(&self.voices);
    }
}

impl Decode for Roll {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (epoch, first) = (input.u32()?, input.value()?);
        let (last, forgotten, coin) = (input.option()?, input.option()?, input.option()?);
        let voices: Vec<Voice> = input.list(MEMBERS_MAX)?;
        if !voices.is_sorted_by(|a, b| a.seat < b.seat) {
            return Err(DecodeError::Invalid("order of seats"));
        }
        Ok(Self { epoch, first, last, forgotten, coin, voices })
    }
}
