//! A payment on its way through one node, and what is kept of it on disk.

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::hash::Context;
use byway_primitives::{Amount, IdentityId, Space, Store, Time};
use byway_records::Note;
use byway_records::promise::ChannelId;
use byway_vm::Address;

use super::conduit::{LockId, PaymentHash, Preimage};
use super::invoice::InvoiceTerms;
use super::message::{Failure, HUBS_MAX, ORDER_BYTES_MAX};
use super::order::PartsId;

/// Where payments over several channels are journaled.
pub const ROUTING: Space = Space("routing");

const VERSION: u8 = 3;
const PASSAGE: Context = Context("byway 1 routing passage");
const LOCK: Context = Context("byway 1 routing lock");

/// In how many parts a payment goes at the most.
pub const PARTS_MAX: u32 = 8;

/// A lock, and the channel that it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockRef {
    pub channel: ChannelId,
    pub id: LockId,
}

/// Names a payment on its way through this node: by the lock that came in, or where it begins here by the one that goes out. Two
/// of one hash and amount are two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PassageId(pub [u8; 32]);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Passage {
    pub hash: PaymentHash,
    /// None where it begins here.
    pub incoming: Option<Incoming>,
    /// None where it ends here.
    pub outgoing: Option<Outgoing>,
    /// Whether the outgoing lock was ever proposed, so that it may stand whatever is seen.
    pub is_proposed: bool,
    /// Whether the incoming lock was seen open: it is paid, whatever becomes of the lock.
    pub is_opened: bool,
    pub since: Time,
    pub stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Incoming {
    pub lock: LockRef,
    /// The contract that it is in.
    pub conduit: Address,
    pub amount: Amount,
    pub until: Time,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outgoing {
    pub lock: LockRef,
    pub amount: Amount,
    pub until: Time,
    /// What the next one is told.
    pub order: Vec<u8>,
}

/// How far a payment is on one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The outgoing lock is to be made.
    Locking,
    /// It was, and the next one decides.
    Locked,
    /// The preimage is known: the incoming lock is to be opened with it, then the outgoing one cleared away.
    Claiming(Preimage),
    /// There is no outgoing lock and there won't be one: the incoming one is let go of.
    Failing(Failure),
    /// It ends here and is a part, and not all of the others are there.
    Waiting(PartsId),
}

/// What this node asked to be paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub preimage: Preimage,
    pub amount: Amount,
    pub expires: Time,
    /// The lock that pays it, or those of all its parts; none while it is not paid.
    pub paid_by: Vec<LockRef>,
    /// When the first of these locks ends.
    pub until: Time,
    /// Whether its preimage may be known to somebody else: it was proposed or handed in to open one of these.
    pub is_shown: bool,
}

/// What this node pays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Payment {
    pub terms: InvoiceTerms,
    pub fee_max: Amount,
    pub entropy: [u8; 32],
    pub attempt: u32,
    /// In how many parts it goes.
    pub split: u32,
    /// Those that are on their way, or were; where it failed, the one for which it did.
    pub parts: Vec<Part>,
    /// Where this node pays itself.
    pub circle: Option<Circle>,
    /// A channel has paid out with a part in it, which may be gone: nothing more is locked.
    pub is_lost: bool,
    pub status: PaymentStatus,
}

/// What goes one way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub passage: PassageId,
    /// With all fees.
    pub locked: Amount,
    /// Its hubs, the nearest first.
    pub way: Vec<IdentityId>,
}

/// Money of this node's goes out over the one channel and comes in over the other, so that there is room where it is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Circle {
    pub from: ChannelId,
    pub to: ChannelId,
}

/// How a payment of this node stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentStatus {
    /// A way is being looked for.
    Seeking,
    /// It is on its way.
    Trying,
    Paid {
        preimage: Preimage,
        fee: Amount,
    },
    /// Nothing was paid.
    Failed(PaymentFailure),
}

/// A payment of this node, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentView {
    pub payee: IdentityId,
    pub amount: Amount,
    pub note: Option<Note>,
    /// For each part that is on its way, or was, its hubs, the nearest first; none where it needs none. Where it failed, the way on
    /// which it did.
    pub ways: Vec<Vec<IdentityId>>,
    /// Where this node pays itself.
    pub circle: Option<Circle>,
    /// What the hubs take, or took.
    pub fee: Option<Amount>,
    /// When what is on its way comes back by itself at the latest.
    pub until: Option<Time>,
    pub status: PaymentStatus,
}

/// What this node was paid as a hub, ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Earned {
    pub payments: u64,
    /// What went out in all.
    pub amount: Amount,
    pub fees: Amount,
}

/// Why a payment was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PaymentFailure {
    #[error("no hub knows a way to the payee; open a channel with the payee or with one of its hubs")]
    NoRoute,
    #[error("every way costs more than the highest fee; allow a higher one")]
    Fee,
    #[error("{0}")]
    OnItsWay(Failure),
}

impl Passage {
    /// One that begins here.
    pub(crate) fn own(since: Time, hash: PaymentHash, outgoing: Outgoing) -> Self {
        let (incoming, outgoing, is_proposed, is_opened) = (None, Some(outgoing), false, false);
        Self { hash, incoming, outgoing, is_proposed, is_opened, since, stage: Stage::Locking }
    }
}

impl PassageId {
    pub fn of(lock: LockRef) -> Self {
        Self(PASSAGE.hash(&[&lock.channel.0.0, &lock.id.0]).0)
    }
}

impl LockId {
    /// The lock that a payment makes in that channel. The same after a crash, so that it can't be made twice.
    pub(crate) fn derived(from: &[u8], channel: ChannelId) -> Self {
        Self(LOCK.hash(&[from, &channel.0.0]).0)
    }
}

pub(crate) fn passage_key(id: PassageId) -> Vec<u8> {
    [&[0][..], &id.0].concat()
}

pub(crate) fn asked_key(hash: PaymentHash) -> Vec<u8> {
    [&[1][..], &hash.0].concat()
}

pub(crate) fn payment_key(hash: PaymentHash) -> Vec<u8> {
    [&[2][..], &hash.0].concat()
}

/// The one entry of its kind.
pub(crate) fn earned_key() -> Vec<u8> {
    vec![3]
}

/// Entries of one kind, as the journal has them.
pub(crate) fn entries<T: Decode>(store: &impl Store, kind: u8) -> Result<Vec<([u8; 32], T)>, DecodeError> {
    let found = store.scan_prefix(ROUTING, &[kind]).into_iter();
    let named = found.filter_map(|(key, bytes)| Some((*key.get(1..)?.first_chunk()?, bytes)));
    named.map(|(key, bytes)| Ok((key, T::from_bytes(&bytes)?))).collect()
}

fn version(input: &mut Reader<'_>) -> Result<(), DecodeError> {
    match input.byte()? {
        VERSION => Ok(()),
        other => Err(DecodeError::UnknownVariant { kind: "routing journal version", value: other.into() }),
    }
}

impl Encode for LockRef {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.channel.0);
        out.value(&self.id);
    }
}

impl Decode for LockRef {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { channel: ChannelId(input.value()?), id: input.value()? })
    }
}

impl Encode for Incoming {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.lock);
        out.raw(&self.conduit.0);
        out.value(&self.amount);
        out.value(&self.until);
    }
}

impl Decode for Incoming {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (lock, conduit) = (input.value()?, Address(input.array()?));
        Ok(Self { lock, conduit, amount: input.value()?, until: input.value()? })
    }
}

impl Encode for Outgoing {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.lock);
        out.value(&self.amount);
        out.value(&self.until);
        out.bytes(&self.order);
    }
}

impl Decode for Outgoing {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (lock, amount, until) = (input.value()?, input.value()?, input.value()?);
        Ok(Self { lock, amount, until, order: input.bytes(ORDER_BYTES_MAX)?.to_vec() })
    }
}

impl Encode for Part {
    fn encode(&self, out: &mut Writer) {
        out.raw(&self.passage.0);
        out.value(&self.locked);
        out.list(&self.way);
    }
}

impl Decode for Part {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { passage: PassageId(input.array()?), locked: input.value()?, way: input.list(HUBS_MAX)? })
    }
}

impl Encode for Circle {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.from.0);
        out.value(&self.to.0);
    }
}

impl Decode for Circle {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { from: ChannelId(input.value()?), to: ChannelId(input.value()?) })
    }
}

impl Encode for Passage {
    fn encode(&self, out: &mut Writer) {
        out.byte(VERSION);
        out.value(&self.hash);
        out.option(self.incoming.as_ref());
        out.option(self.outgoing.as_ref());
        out.flag(self.is_proposed);
        out.flag(self.is_opened);
        out.value(&self.since);
        match &self.stage {
            Stage::Locking => out.byte(0),
            Stage::Locked => out.byte(1),
            Stage::Claiming(preimage) => {
                out.byte(2);
                out.value(preimage);
            }
            Stage::Failing(failure) => {
                out.byte(3);
                out.value(failure);
            }
            Stage::Waiting(parts) => {
                out.byte(4);
                out.value(parts);
            }
        }
    }
}

impl Decode for Passage {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        version(input)?;
        Ok(Self {
            hash: input.value()?,
            incoming: input.option()?,
            outgoing: input.option()?,
            is_proposed: input.flag()?,
            is_opened: input.flag()?,
            since: input.value()?,
            stage: match input.byte()? {
                0 => Stage::Locking,
                1 => Stage::Locked,
                2 => Stage::Claiming(input.value()?),
                3 => Stage::Failing(input.value()?),
                4 => Stage::Waiting(input.value()?),
                other => return Err(DecodeError::UnknownVariant { kind: "stage of a payment", value: other.into() }),
            },
        })
    }
}

impl Encode for Asked {
    fn encode(&self, out: &mut Writer) {
        out.byte(VERSION);
        out.value(&self.preimage);
        out.value(&self.amount);
        out.value(&self.expires);
        out.list(&self.paid_by);
        out.value(&self.until);
        out.flag(self.is_shown);
    }
}

impl Decode for Asked {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        version(input)?;
        let (preimage, amount, expires) = (input.value()?, input.value()?, input.value()?);
        let (paid_by, until) = (input.list(PARTS_MAX as usize)?, input.value()?);
        Ok(Self { preimage, amount, expires, paid_by, until, is_shown: input.flag()? })
    }
}

impl Earned {
    pub(crate) fn load(store: &impl Store) -> Result<Self, DecodeError> {
        let kept = store.load(ROUTING, &earned_key());
        kept.map_or(Ok(Self::default()), |bytes| Self::from_bytes(&bytes))
    }

    /// One payment more.
    pub(crate) fn with(self, amount: Amount, fee: Amount) -> Self {
        Self {
            payments: self.payments.saturating_add(1),
            amount: self.amount.checked_add(amount).unwrap_or(Amount::MAX),
            fees: self.fees.checked_add(fee).unwrap_or(Amount::MAX),
        }
    }
}

impl Encode for Earned {
    fn encode(&self, out: &mut Writer) {
        out.byte(VERSION);
        out.varint(self.payments);
        out.value(&self.amount);
        out.value(&self.fees);
    }
}

impl Decode for Earned {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        version(input)?;
        Ok(Self { payments: input.u64()?, amount: input.value()?, fees: input.value()? })
    }
}

impl Encode for PaymentStatus {
    fn encode(&self, out: &mut Writer) {
        match self {
            PaymentStatus::Seeking => out.byte(0),
            PaymentStatus::Trying => out.byte(1),
            PaymentStatus::Paid { preimage, fee } => {
                out.byte(2);
                out.value(preimage);
                out.value(fee);
            }
            PaymentStatus::Failed(PaymentFailure::NoRoute) => out.byte(3),
            PaymentStatus::Failed(PaymentFailure::Fee) => out.byte(4),
            PaymentStatus::Failed(PaymentFailure::OnItsWay(failure)) => {
                out.byte(5);
                out.value(failure);
            }
        }
    }
}

impl Decode for PaymentStatus {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match input.byte()? {
            0 => PaymentStatus::Seeking,
            1 => PaymentStatus::Trying,
            2 => PaymentStatus::Paid { preimage: input.value()?, fee: input.value()? },
            3 => PaymentStatus::Failed(PaymentFailure::NoRoute),
            4 => PaymentStatus::Failed(PaymentFailure::Fee),
            5 => PaymentStatus::Failed(PaymentFailure::OnItsWay(input.value()?)),
            other => return Err(DecodeError::UnknownVariant { kind: "status of a payment", value: other.into() }),
        })
    }
}

impl Encode for Payment {
    fn encode(&self, out: &mut Writer) {
        out.byte(VERSION);
        out.value(&self.terms);
        out.value(&self.fee_max);
        out.raw(&self.entropy);
        out.varint(self.attempt);
        out.varint(self.split);
        out.list(&self.parts);
        out.option(self.circle.as_ref());
        out.flag(self.is_lost);
        out.value(&self.status);
    }
}

impl Decode for Payment {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        version(input)?;
        let (terms, fee_max) = (input.value()?, input.value()?);
        let (entropy, attempt, split) = (input.array()?, input.u32()?, input.u32()?);
        let (parts, circle, is_lost) = (input.list(PARTS_MAX as usize)?, input.option()?, input.flag()?);
        Ok(Self { terms, fee_max, entropy, attempt, split, parts, circle, is_lost, status: input.value()? })
    }
}
