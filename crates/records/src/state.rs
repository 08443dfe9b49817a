//! Entries of the programs' provable state.
//!
//! Each program has its own tree of entries; the functions here build an entry's key, the types are what it holds.
//! Followers keep copies of whole trees and read them with the same functions as the ledger does.

use byway_crypto::IdentityPublic;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, AssetId, IdentityId, Time};

use crate::asset::AssetTerms;
use crate::call::kernel::{ConvictionId, Upgrade};
use crate::evidence::Place;
use crate::offer::{OfferId, SignedOffer};
use crate::promise::{Promise, ReservationId, Series};
use crate::transaction::Value;

/// Where ledger time and the count of commits stand; what expires does so when both have passed its deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerClock {
    pub time: Time,
    pub commits: u64,
}

/// A moment that must be reached in ledger time and in commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline {
    pub time: Time,
    pub commits: u64,
}

impl Deadline {
    /// Whether both the time and the number of commits have passed.
    pub fn passed(self, time: Time, commits: u64) -> bool {
        time >= self.time && commits >= self.commits
    }
}

/// Program `registry`: a registered identity, under its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registration {
    pub key: IdentityPublic,
    pub pledge: Amount,
    pub since: Time,
}

/// Program `offers`: a published offer, under [`offer_key`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedOffer {
    pub offer: SignedOffer,
    pub published: Time,
    pub expires: Deadline,
}

/// Program `accounts`: an identity's balance in one asset, under [`account_key`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Account {
    /// What settlements can reach, an announced withdrawal included, reservations not.
    pub balance: Amount,
    pub withdrawal: Option<Withdrawal>,
}

/// An announced withdrawal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Withdrawal {
    pub amount: Amount,
    pub ready: Deadline,
}

/// Program `accounts`: what was settled between two identities, under [`settled_key`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settled {
    pub serial: u64,
    pub amount: Amount,
}

impl Settled {
    /// What a promise of the series asks for beyond what was settled; `None` where it asks for nothing new.
    pub fn due(self, promise: &Promise) -> Option<Amount> {
        if promise.serial > self.serial {
            return Some(promise.amount);
        }
        let newer = promise.serial == self.serial && promise.amount > self.amount;
        newer.then(|| promise.amount.saturating_sub(self.amount))
    }
}

/// Program `accounts`: settlements of an issuer that failed for lack of balance, under [`bounces_key`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bounces {
    pub count: u64,
    pub last: Time,
}

/// Program `accounts`: the last settlement of a series that bounced, under [`bounced_key`]; the same promise shown twice
/// counts once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bounced {
    pub serial: u64,
    pub amount: Amount,
}

/// Program `accounts`: money set aside for one payee, under [`reservation_key`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reservation {
    pub payer: IdentityId,
    pub payee: IdentityId,
    pub value: Value,
    pub until: Deadline,
}

/// Program `assets`: an asset, under [`asset_key`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssetRecord {
    pub terms: AssetTerms,
    pub control: Control,
    /// How much of it exists.
    pub supply: Amount,
}

/// Who may issue and burn an asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Its issuer, any amount.
    Issuer,
    /// Everyone, at most this much at a time. Only test networks have such an asset, and it stands in their genesis.
    Anyone { issue_max: Amount },
}

/// Program `kernel`: what is locked for a kernel node, under [`kernel_pledge_key`]. Who the node is stands in the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelPledge {
    pub amount: Amount,
    /// The epoch with which the member took its seat: tells it from others that had the seat before.
    pub since: u32,
    /// From when on its keys and address may be changed again.
    pub rotates: Option<Deadline>,
    /// From when on it can be reclaimed; set when the member has stopped taking part.
    pub unlocks: Option<Deadline>,
    /// Where the member broke the rules for the first time.
    pub offence: Option<Place>,
    /// What its owner agrees to.
    pub approves: Option<Upgrade>,
}

/// Program `kernel`: a conviction that its owner can appeal, or has, under [`conviction_key`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conviction {
    /// Whose member was convicted.
    pub owner: IdentityId,
    pub place: Place,
    /// What goes into the pool unless an appeal is granted: nothing for a first conviction, which marks.
    pub forfeited: Amount,
    pub is_appealed: bool,
    /// When the time to appeal is over, or that of the appeal.
    pub ends: Deadline,
}

/// Key of an identity in program `registry`.
pub fn registration_key(id: IdentityId) -> Vec<u8> {
    id.to_bytes()
}

/// Key of an offer: by provider and serial, so that a provider's offers stand together.
pub fn offer_key(provider: IdentityId, serial: u64) -> Vec<u8> {
    [&[0][..], &provider.0, &serial.to_be_bytes()].concat()
}

/// Key of the highest serial that a provider has used.
pub fn offer_serial_key(provider: IdentityId) -> Vec<u8> {
    [&[1][..], &provider.0].concat()
}

pub fn account_key(holder: IdentityId, asset: AssetId) -> Vec<u8> {
    [&[0][..], &holder.0, &asset.to_bytes()].concat()
}

pub fn settled_key(series: &Series) -> Vec<u8> {
    [&[1][..], &series.to_bytes()].concat()
}

/// What the keys of everything that `payer` has settled begin with; those of one payee stand together.
pub fn settled_prefix(payer: IdentityId) -> Vec<u8> {
    [&[1][..], &payer.0].concat()
}

pub fn bounces_key(issuer: IdentityId) -> Vec<u8> {
    [&[2][..], &issuer.0].concat()
}

/// What the keys of all reservations begin with; the id follows.
pub const RESERVATIONS: [u8; 1] = [3];

pub fn reservation_key(id: ReservationId) -> Vec<u8> {
    [&RESERVATIONS[..], &id.0.0].concat()
}

pub fn bounced_key(series: &Series) -> Vec<u8> {
    [&[4][..], &series.to_bytes()].concat()
}

/// What the keys of everything of `payer` that bounced and is not settled begin with.
pub fn bounced_prefix(payer: IdentityId) -> Vec<u8> {
    [&[4][..], &payer.0].concat()
}

pub fn asset_key(asset: AssetId) -> Vec<u8> {
    [&[0][..], &asset.0.0].concat()
}

/// Key of the pool's balance in the system's tree.
pub fn pool_key() -> Vec<u8> {
    vec![0]
}

/// Key of the [`Epoch`](crate::epoch::Epoch) in force, in the system's tree.
pub fn epoch_key() -> Vec<u8> {
    vec![2]
}

/// Key of the epoch that the next checkpoint brings, where one is prepared, in the system's tree.
pub fn epoch_next_key() -> Vec<u8> {
    vec![3]
}

/// Key of the [`Deadline`] by which the epoch in force ends, in the system's tree.
pub fn epoch_ends_key() -> Vec<u8> {
    vec![4]
}

/// Key of the pledge for the member in this seat.
pub fn kernel_pledge_key(seat: u8) -> Vec<u8> {
    vec![0, seat]
}

/// What the keys of all pledges of kernel nodes begin with; their last byte is the seat.
pub fn kernel_pledge_prefix() -> &'static [u8] {
    &[0]
}

/// Key of the roll of an epoch.
pub fn roll_key(epoch: u32) -> Vec<u8> {
    [&[1][..], &epoch.to_be_bytes()].concat()
}

pub fn conviction_key(id: ConvictionId) -> Vec<u8> {
    [&[2, id.seat][..], &id.since.to_be_bytes(), &[u8::from(id.is_second)]].concat()
}

/// What the keys of all convictions begin with.
pub fn conviction_prefix() -> &'static [u8] {
    &[2]
}

/// The inverse of [`conviction_key`].
pub fn conviction_of_key(key: &[u8]) -> Option<ConvictionId> {
    let [2, seat, a, b, c, d, is_second @ 0..=1] = *key else { return None };
    Some(ConvictionId { seat, since: u32::from_be_bytes([a, b, c, d]), is_second: is_second == 1 })
}

/// Key of the [`Upgrade`] that is decided.
pub fn upgrade_key() -> Vec<u8> {
    vec![3]
}

/// Key of the [`CeremonyHead`](byway_crypto::threshold::ceremony::CeremonyHead) by which the members in force deal the
/// coin's key, or have dealt it.
pub fn ceremony_key() -> Vec<u8> {
    vec![4]
}

/// Key of the [`Dealing`](byway_crypto::threshold::dealing::Dealing) of the member in this seat, in that ceremony.
pub fn dealing_key(seat: u8) -> Vec<u8> {
    vec![5, seat]
}

/// Key of the [`KeyRecord`](byway_crypto::threshold::KeyRecord) that the ceremony has made.
pub fn coin_key() -> Vec<u8> {
    vec![6]
}

impl PublishedOffer {
    pub fn id(&self) -> OfferId {
        self.offer.offer.id()
    }
}

macro_rules! record_codec {
    ($($name:ident { $($field:ident),* })*) => {$(
        impl Encode for $name {
            fn encode(&self, out: &mut Writer) {
                $(out.value(&self.$field);)*
            }
        }
        impl Decode for $name {
            fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok(Self { $($field: input.value()?,)* })
            }
        }
    )*};
}

record_codec! {
    Deadline { time, commits }
    Registration { key, pledge, since }
    PublishedOffer { offer, published, expires }
    Withdrawal { amount, ready }
    Settled { serial, amount }
    Bounces { count, last }
    Bounced { serial, amount }
    Reservation { payer, payee, value, until }
    AssetRecord { terms, control, supply }
}

/// 0 for the issuer; 1 and the most for everyone.
impl Encode for Control {
    fn encode(&self, out: &mut Writer) {
        match self {
            Control::Issuer => out.byte(0),
            Control::Anyone { issue_max } => {
                out.byte(1);
                out.value(issue_max);
            }
        }
    }
}

impl Decode for Control {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            0 => Ok(Control::Issuer),
            1 => Ok(Control::Anyone { issue_max: input.value()? }),
            other => Err(DecodeError::UnknownVariant { kind: "control", value: other.into() }),
        }
    }
}

impl Encode for KernelPledge {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.amount);
        out.varint(self.since);
        out.option(self.rotates.as_ref());
        out.option(self.unlocks.as_ref());
        out.option(self.offence.as_ref());
        out.option(self.approves.as_ref());
    }
}

impl Decode for KernelPledge {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            amount: input.value()?,
            since: input.u32()?,
            rotates: input.option()?,
            unlocks: input.option()?,
            offence: input.option()?,
            approves: input.option()?,
        })
    }
}

impl Encode for Conviction {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.owner);
        out.value(&self.place);
        out.value(&self.forfeited);
        out.flag(self.is_appealed);
        out.value(&self.ends);
    }
}

impl Decode for Conviction {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            owner: input.value()?,
            place: input.value()?,
            forfeited: input.value()?,
            is_appealed: input.flag()?,
            ends: input.value()?,
        })
    }
}

impl Encode for Account {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.balance);
        out.option(self.withdrawal.as_ref());
    }
}

impl Decode for Account {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { balance: input.value()?, withdrawal: input.option()? })
    }
}
