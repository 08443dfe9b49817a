//! What a holder keeps, and how it is on disk.

use std::collections::BTreeMap;

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, IdentityId, Space, Span, Time};

use crate::holding::envelope::EnvelopeId;

/// Clients: key is the identity.
pub const CLIENTS: Space = Space("hold-clients");
/// What is known of each envelope that is held: key is the client and a number that grows.
pub const INDEX: Space = Space("hold-index");
/// Their bytes, under the same keys.
pub const HELD: Space = Space("hold-held");
/// Receipts: key is the client and the envelope.
pub const RECEIPTS: Space = Space("hold-receipts");

/// What a price is for: 10^6 bytes for a day, in bytes × milliseconds.
const PRICED: u128 = 1_000_000 * Span::days(1).0 as u128;

/// An envelope that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    pub envelope: EnvelopeId,
    pub sender: IdentityId,
    pub until: Time,
    pub length: u32,
}

/// What a client has used, and said that it spends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Account {
    /// What it spends in all, by its word.
    pub spent: Amount,
    /// What of that was earned: never more than it had promised.
    pub earned: Amount,
    /// What was used at other prices than this one.
    before: Amount,
    price: Amount,
    /// Bytes × milliseconds that were held at this price.
    used: u128,
    /// Up to then that is counted.
    at: Time,
    /// Since when more is used than is paid for.
    pub unpaid_since: Option<Time>,
}

/// A client, and what is held for it.
#[derive(Debug, Default)]
pub struct Client {
    /// Whether it is held for. Of whoever was, and has paid, the account stays: the two count on from there.
    pub is_served: bool,
    pub account: Account,
    pub held: BTreeMap<u64, Kept>,
    pub numbers: BTreeMap<EnvelopeId, u64>,
    /// No number is used twice, also after all are gone.
    pub next: u64,
    pub bytes: u64,
    /// Envelopes and bytes by whom they are from.
    pub senders: BTreeMap<IdentityId, (u64, u64)>,
}

impl Account {
    /// Counts what was held up to now.
    pub fn count(&mut self, now: Time, bytes: u64) {
        self.used = self.used.saturating_add(u128::from(bytes) * u128::from(now.since(self.at).0));
        self.at = self.at.max(now);
    }

    /// Goes on at this price.
    pub fn set_price(&mut self, price: Amount) {
        if price != self.price {
            (self.before, self.price, self.used) = (self.cost(), price, 0);
        }
    }

    /// Asks for no more than was paid: nothing was held for who did not.
    pub fn forgive(&mut self) {
        (self.before, self.used, self.unpaid_since) = (self.earned, 0, None);
    }

    /// What all that was used costs.
    pub fn cost(&self) -> Amount {
        let here = self.price.mul_div_ceil(self.used, PRICED).unwrap_or(Amount::MAX);
        self.before.checked_add(here).unwrap_or(Amount::MAX)
    }
}

impl Client {
    pub fn insert(&mut self, number: u64, kept: Kept) {
        let of = self.senders.entry(kept.sender).or_default();
        *of = (of.0 + 1, of.1 + u64::from(kept.length));
        self.bytes += u64::from(kept.length);
        self.next = self.next.max(number + 1);
        self.numbers.insert(kept.envelope, number);
        self.held.insert(number, kept);
    }

    pub fn remove(&mut self, number: u64) -> Option<Kept> {
        let kept = self.held.remove(&number)?;
        self.numbers.remove(&kept.envelope);
        self.bytes -= u64::from(kept.length);
        if let Some(of) = self.senders.get_mut(&kept.sender) {
            *of = (of.0 - 1, of.1 - u64::from(kept.length));
            if of.0 == 0 {
                self.senders.remove(&kept.sender);
            }
        }
        Some(kept)
    }
}

pub fn key(client: IdentityId, number: u64) -> Vec<u8> {
    [&client.0[..], &number.to_be_bytes()].concat()
}

pub fn receipt_key(client: IdentityId, envelope: EnvelopeId) -> Vec<u8> {
    [&client.0[..], &envelope.0.0].concat()
}

/// Whose key this is, and its number.
pub fn read_key(key: &[u8]) -> Result<(IdentityId, u64), DecodeError> {
    let mut input = Reader::new(key);
    let read = (IdentityId(input.array()?), u64::from_be_bytes(input.array()?));
    input.finish()?;
    Ok(read)
}

/// Whose key this is, and of which envelope.
pub fn read_receipt_key(key: &[u8]) -> Result<(IdentityId, EnvelopeId), DecodeError> {
    let mut input = Reader::new(key);
    let read = (IdentityId(input.array()?), input.value()?);
    input.finish()?;
    Ok(read)
}

impl Encode for Kept {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.envelope);
        out.value(&self.sender);
        out.value(&self.until);
        out.varint(self.length);
    }
}

impl Decode for Kept {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { envelope: input.value()?, sender: input.value()?, until: input.value()?, length: input.u32()? })
    }
}

/// A client without what is held for it.
pub struct ClientRecord {
    pub is_served: bool,
    pub account: Account,
    pub next: u64,
}

impl Encode for ClientRecord {
    fn encode(&self, out: &mut Writer) {
        let Account { spent, earned, before, price, used, at, unpaid_since } = self.account;
        out.flag(self.is_served);
        [spent, earned, before, price].iter().for_each(|amount| out.value(amount));
        out.varint(used);
        out.value(&at);
        out.option(unpaid_since.as_ref());
        out.varint(self.next);
    }
}

impl Decode for ClientRecord {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let is_served = input.flag()?;
        let (spent, earned, before, price) = (input.value()?, input.value()?, input.value()?, input.value()?);
        let (used, at, unpaid_since) = (input.varint()?, input.value()?, input.option()?);
        let account = Account { spent, earned, before, price, used, at, unpaid_since };
        Ok(Self { is_served, account, next: input.u64()? })
    }
}
