//! What a node keeps on disk of the guarantees that it needs, and of those that it gives.

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, Hash, Space, Store, Time};
use byway_records::channel::{CertifiedClose, Cosigned, Side, VirtualClose, VirtualTerms};
use byway_records::promise::ChannelId;
use byway_vm::Address;

use super::contract::Guarantee;

/// Where guarantees are journaled.
pub const GUARANTEES: Space = Space("guarantees");

const VERSION: u8 = 2;

/// A virtual channel of this node's, and its guarantee.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Own {
    pub terms: Cosigned<VirtualTerms>,
    /// Which of the two this node is.
    pub side: Side,
    /// The channel with the hub that it is guaranteed in.
    pub parent: ChannelId,
    /// From then on the offer is taken back, unless it was accepted before.
    pub deadline: Time,
    /// What the hub takes, once it has said that.
    pub fee: Option<Amount>,
    /// Since when this node does what it does now.
    pub since: Time,
    /// Whether the guarantee has been accepted: where it is gone then, it was paid out.
    pub stands: bool,
    /// Whether the hub does not guarantee it: nothing is offered any more.
    pub is_refused: bool,
    /// How both want to part.
    pub close: Option<Cosigned<VirtualClose>>,
    /// The same with the hub's signature.
    pub certificate: Option<CertifiedClose>,
}

/// A virtual channel of two others that this node guarantees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub terms: Cosigned<VirtualTerms>,
    /// The channels with both parties that it is guaranteed in, and when each offer ends.
    pub parents: [ChannelId; 2],
    /// The contracts in them, of which each may hold several: nothing else is looked at.
    pub places: [Address; 2],
    pub deadlines: [Time; 2],
    /// What each pays.
    pub fees: [Amount; 2],
    /// Of which of the two this node has been paid that.
    pub is_paid: [bool; 2],
    pub since: Time,
    pub stage: HeldStage,
    /// The one that this node has ever signed.
    pub certificate: Option<CertifiedClose>,
}

impl Held {
    /// Whether an offer is the one that was looked at.
    pub fn is_judged(&self, side: Side, offer: &Guarantee) -> bool {
        let index = side.index();
        let is_same = (offer.deadline, offer.fee) == (self.deadlines[index], self.fees[index]);
        is_same && offer.is_of(&self.terms.body, side)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeldStage {
    /// Both offers are being accepted, and no other in these channels until that is done.
    Accepting,
    /// Both are, or one is and the other can't be any more.
    Standing,
    /// Both are paid out. It is known until its time is over, so that nobody can begin it anew.
    Over,
}

pub(crate) fn own_key(id: ChannelId) -> Vec<u8> {
    [&[0][..], &id.0.0].concat()
}

pub(crate) fn held_key(id: ChannelId) -> Vec<u8> {
    [&[1][..], &id.0.0].concat()
}

/// The one entry of its kind: what guarantees have brought in, ever.
pub(crate) fn earned_key() -> Vec<u8> {
    vec![2]
}

pub(crate) fn load_earned(store: &impl Store) -> Result<Amount, DecodeError> {
    store.load(GUARANTEES, &earned_key()).map_or(Ok(Amount::ZERO), |bytes| Amount::from_bytes(&bytes))
}

/// All of a kind.
pub(crate) fn entries<T: Decode>(store: &impl Store, kind: u8) -> Result<Vec<(ChannelId, T)>, DecodeError> {
    let found = store.scan_prefix(GUARANTEES, &[kind]).into_iter();
    let read = found.filter_map(|(key, bytes)| {
        let id = ChannelId(Hash(*key.get(1..)?.first_chunk()?));
        Some(T::from_bytes(&bytes).map(|entry| (id, entry)))
    });
    read.collect()
}

fn version(input: &mut Reader<'_>) -> Result<(), DecodeError> {
    match input.byte()? {
        VERSION => Ok(()),
        other => Err(DecodeError::UnknownVariant { kind: "guarantees' journal version", value: other.into() }),
    }
}

impl Encode for Own {
    fn encode(&self, out: &mut Writer) {
        out.byte(VERSION);
        out.value(&self.terms);
        out.value(&self.side);
        out.value(&self.parent.0);
        out.value(&self.deadline);
        out.option(self.fee.as_ref());
        out.value(&self.since);
        out.flag(self.stands);
        out.flag(self.is_refused);
        out.option(self.close.as_ref());
        out.option(self.certificate.as_ref());
    }
}

impl Decode for Own {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        version(input)?;
        Ok(Self {
            terms: input.value()?,
            side: input.value()?,
            parent: ChannelId(input.value()?),
            deadline: input.value()?,
            fee: input.option()?,
            since: input.value()?,
            stands: input.flag()?,
            is_refused: input.flag()?,
            close: input.option()?,
            certificate: input.option()?,
        })
    }
}

impl Encode for Held {
    fn encode(&self, out: &mut Writer) {
        out.byte(VERSION);
        out.value(&self.terms);
        self.parents.iter().for_each(|parent| out.value(&parent.0));
        self.places.iter().for_each(|place| out.value(place));
        self.deadlines.iter().for_each(|deadline| out.value(deadline));
        self.fees.iter().for_each(|fee| out.value(fee));
        self.is_paid.iter().for_each(|is_paid| out.flag(*is_paid));
        out.value(&self.since);
        out.byte(match self.stage {
            HeldStage::Accepting => 0,
            HeldStage::Standing => 1,
            HeldStage::Over => 2,
        });
        out.option(self.certificate.as_ref());
    }
}

impl Decode for Held {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        version(input)?;
        Ok(Self {
            terms: input.value()?,
            parents: [ChannelId(input.value()?), ChannelId(input.value()?)],
            places: [input.value()?, input.value()?],
            deadlines: [input.value()?, input.value()?],
            fees: [input.value()?, input.value()?],
            is_paid: [input.flag()?, input.flag()?],
            since: input.value()?,
            stage: match input.byte()? {
                0 => HeldStage::Accepting,
                1 => HeldStage::Standing,
                2 => HeldStage::Over,
                other => return Err(DecodeError::UnknownVariant { kind: "stage of a guarantee", value: other.into() }),
            },
            certificate: input.option()?,
        })
    }
}
