//! Names: a public directory from name to identity.
//!
//! A name is taken for some years and paid by the year, by length. When its time is over it leads nowhere, and for a grace time
//! its owner alone can renew it; after that whoever comes takes it. What a name may be is in [`name`]; names that look alike are
//! one ([`NameKey`]).
//!
//! **Commit, then reveal.** Who sees a name in a transaction before it is final could take it first. So one publishes a
//! [`commitment`] first, which says nothing of the name, and the name itself only once a checkpoint covers that: whoever sees it then
//! has no commitment as old. What is left is to keep the reveal from the ledger for a while; against that whoever reveals with
//! the older commitment gets the name from one who revealed with a later one, as long as there can be an older one that is open.
//! Until then a name is not *settled*, and leads nowhere. One who gives way has the price back.
//!
//! **Primary.** An identity may mark one of its names. Only that is shown beside it, so that nobody is called what somebody else
//! chose for it.

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::hash::Context;
use byway_primitives::{Amount, Hash, IdentityId};

use crate::Height;
use crate::genesis::NamePrices;
use crate::state::{Deadline, LedgerClock};
use crate::tree::StateTree;

pub mod name;

pub use name::{Name, NameError, NameKey};

const COMMITMENT: Context = Context("byway 1 name: commitment");

/// Years that a name is taken or renewed for at once.
pub const YEARS_MAX: u8 = 5;
/// Commitments that an identity can have open: each is an entry that all followers keep.
pub const COMMITMENTS_MAX: u8 = 4;

/// A number of years, from 1 to [`YEARS_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Years(u8);

/// A name that is taken. Program `names`, under [`name_key`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameEntry {
    pub name: Name,
    pub owner: IdentityId,
    /// When it leads nowhere any more.
    pub expires: Deadline,
    /// When anyone can take it.
    pub free: Deadline,
    /// How it was taken, until it changes hands or is renewed.
    pub claim: Option<Claim>,
}

/// By which commitment a name was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The commitment's.
    pub number: u64,
    /// When no older commitment can be open any more.
    pub settles: Deadline,
    /// What was paid, and is given back to whoever gives way.
    pub paid: Amount,
}

/// A commitment that is open. Program `names`, under [`commitment_key`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commitment {
    pub hash: Hash,
    /// Its place among all commitments ever made.
    pub number: u64,
    /// The first checkpoint that covers it.
    pub covered: Height,
    /// From then on it can't be revealed.
    pub ends: Deadline,
}

/// What an identity publishes of a name that it wants. Nobody finds the name in it who doesn't know the salt, nor can use it for
/// another identity.
pub fn commitment(identity: IdentityId, name: &Name, salt: &[u8; 32]) -> Hash {
    COMMITMENT.hash(&[&identity.0, salt, name.as_str().as_bytes()])
}

/// What a name costs for so many years; the largest amount where that is larger.
pub fn price(prices: &NamePrices, name: &Name, years: Years) -> Amount {
    Amount::from_units(prices.of(name.chars()).units().saturating_mul(years.0.into()))
}

/// Whose a name is, as a tree of program `names` has it: nobody's where it is not taken,
/// not settled, or has expired. A name that looks like the one that is taken is not that.
pub fn identity_of(names: &StateTree, name: &Name, now: LedgerClock) -> Option<IdentityId> {
    let entry: NameEntry = names.read(&name_key(name.key()))?;
    (entry.name == *name && entry.is_in_use(now)).then_some(entry.owner)
}

/// The name that an identity chose to be called by, if that is still its own.
pub fn name_of(names: &StateTree, identity: IdentityId, now: LedgerClock) -> Option<Name> {
    let key: NameKey = names.read(&primary_key(identity))?;
    let entry: NameEntry = names.read(&name_key(key))?;
    (entry.owner == identity && entry.is_in_use(now)).then_some(entry.name)
}

/// Key of the name that is taken, of all that look like it.
pub fn name_key(key: NameKey) -> Vec<u8> {
    [&[0][..], &key.0.0].concat()
}

/// Key of the [`NameKey`] that an identity marked as its primary name.
pub fn primary_key(identity: IdentityId) -> Vec<u8> {
    [&[1][..], &identity.0].concat()
}

/// Key of an identity's commitment in one of its [`COMMITMENTS_MAX`] places.
pub fn commitment_key(identity: IdentityId, place: u8) -> Vec<u8> {
    [&[2][..], &identity.0, &[place]].concat()
}

/// Key of the number of commitments ever made.
pub fn commitments_key() -> Vec<u8> {
    vec![3]
}

impl Years {
    /// `None` unless it is 1 to [`YEARS_MAX`].
    pub fn new(years: u8) -> Option<Self> {
        (1..=YEARS_MAX).contains(&years).then_some(Self(years))
    }

    pub fn count(self) -> u8 {
        self.0
    }
}

/// When anyone can take the name of an encoded [`NameEntry`].
pub fn free_of(entry: &[u8]) -> Option<Deadline> {
    Reader::new(entry).value().ok()
}

impl NameEntry {
    /// Whether no older commitment can take it from its owner any more.
    pub fn is_settled(&self, now: LedgerClock) -> bool {
        self.claim.is_none_or(|claim| claim.settles.passed(now.time, now.commits))
    }

    /// Whether it leads to its owner.
    pub fn is_in_use(&self, now: LedgerClock) -> bool {
        self.is_settled(now) && !self.expires.passed(now.time, now.commits)
    }
}

impl Encode for Years {
    fn encode(&self, out: &mut Writer) {
        out.byte(self.0);
    }
}

impl Decode for Years {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::new(input.byte()?).ok_or(DecodeError::OutOfRange)
    }
}

/// When anyone can take the name comes first: a ledger reads that of every entry, and only that ([`free_of`]).
impl Encode for NameEntry {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.free);
        out.value(&self.expires);
        out.option(self.claim.as_ref());
        out.value(&self.owner);
        out.value(&self.name);
    }
}

impl Decode for NameEntry {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            free: input.value()?,
            expires: input.value()?,
            claim: input.option()?,
            owner: input.value()?,
            name: input.value()?,
        })
    }
}

impl Encode for Claim {
    fn encode(&self, out: &mut Writer) {
        out.varint(self.number);
        out.value(&self.settles);
        out.value(&self.paid);
    }
}

impl Decode for Claim {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { number: input.u64()?, settles: input.value()?, paid: input.value()? })
    }
}

impl Encode for Commitment {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.hash);
        out.varint(self.number);
        out.value(&self.covered);
        out.value(&self.ends);
    }
}

impl Decode for Commitment {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { hash: input.value()?, number: input.u64()?, covered: input.value()?, ends: input.value()? })
    }
}
