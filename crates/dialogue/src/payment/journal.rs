//! What each side keeps on disk, one entry per direction, peer and asset.
//!
//! The whole state of a direction is one value, so a write can't be half done: there is no order of writes to get wrong
//! and no recovery code to run. It is a few hundred bytes.

use std::collections::BTreeMap;

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, AssetId, Batch, IdentityId, Space, Store};
use byway_records::call::Take;
use byway_records::promise::ChannelId;
use byway_records::state::Settled;
use byway_records::{Backing, CountersignedPair, Promise, SignedPromise};

/// Where promises are journaled.
pub const PROMISES: Space = Space("promises");

/// The serial that new promises begin at, in a journal that was put back from an export. Beside the promises, since it is
/// of all of them.
const SERIALS: Space = Space("promise-serials");
const SERIALS_KEY: &[u8] = b"from";

/// Series (backings) between one pair in one asset, each way. An account, and reservations and channels as they are
/// renewed; series that are settled and no longer used make room.
pub const SERIES_MAX: usize = 16;
/// Unsettled promises of earlier serials in one series.
pub const EARLIER_MAX: usize = 16;
/// Spenders of one pair: sessions, carriage, holding and storage each count as one.
pub const SPENDERS_MAX: usize = 16;

/// Lanes that one pair pays with at a time, each way.
pub const LANES_MAX: usize = 16;

const VERSION: u8 = 2;

/// Which kind of service credit was used for. Each reports its own running total.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spender(pub u8);

impl Spender {
    /// Sessions of the access market.
    pub const SESSIONS: Spender = Spender(1);
    /// Watching channels.
    pub const WATCHING: Spender = Spender(2);
    /// Being held for (row M6).
    pub const HOLDING: Spender = Spender(3);
    /// Answers of bots (row A1).
    pub const ANSWERS: Spender = Spender(5);
}

/// The journal of a pair can't be read. The store checks its own sums, so this is another version's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the promise journal with {peer} can't be read ({cause}); restore the data folder from a backup")]
pub struct JournalError {
    pub peer: IdentityId,
    pub cause: DecodeError,
}

/// What has been promised for services out of the lane of each channel, in all.
pub(super) type Lanes = BTreeMap<ChannelId, Amount>;

/// Out of what a peer is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PayFrom {
    /// By promises on an account, or on a reservation, that the ledger settles.
    #[default]
    Account,
    /// By promises out of the lane of a channel with the peer.
    Lane,
}

/// The running total of what each spender has used.
pub(super) type Spent = BTreeMap<Spender, Amount>;

/// Sums up, saturating: a total beyond what can exist only ever stops payment.
pub(super) fn total(spent: &Spent) -> Amount {
    Amount::checked_sum(spent.values().copied()).unwrap_or(Amount::MAX)
}

/// What the payer keeps.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct GivenRecord {
    /// Promised in all, over every serial and backing.
    pub promised: Amount,
    /// The highest promise of each series.
    pub series: BTreeMap<Backing, SignedPromise>,
    /// The series of the last promise.
    pub current: Option<Backing>,
    pub spent: Spent,
    /// Days since the epoch, and what was promised on that day.
    pub day: u64,
    pub day_promised: Amount,
    /// Of what was promised in all, that out of lanes.
    pub lanes: Lanes,
    pub pay_from: PayFrom,
}

/// What the payee keeps.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct TakenRecord {
    /// Received in all, over every serial and backing.
    pub received: Amount,
    pub series: BTreeMap<Backing, Taken>,
    pub spent: Spent,
    /// Of what was received in all, that out of lanes.
    pub lanes: Lanes,
}

/// One series as the payee knows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Taken {
    /// The highest promise.
    pub last: Option<SignedPromise>,
    /// The last promise of each earlier serial that may be unsettled, in order of serial.
    pub earlier: Vec<SignedPromise>,
    /// What the ledger has settled.
    pub settled: Settled,
    /// Handed to the ledger, result unknown.
    pub in_flight: Option<InFlight>,
    pub standing: Standing,
}

/// A settlement that was handed to the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InFlight {
    /// The promise that pays us.
    pub promise: SignedPromise,
    pub way: Way,
}

/// How a promise is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "one for each series: a box would cost more than it saves")]
pub(super) enum Way {
    Alone(Take),
    /// Together with one of ours to the peer.
    Net(CountersignedPair),
}

/// Whether the last settlement found money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Standing {
    #[default]
    Good,
    Bounced,
}

impl Taken {
    /// Every promise of the series, in order of serial.
    pub(super) fn promises(&self) -> impl Iterator<Item = &SignedPromise> {
        self.earlier.iter().chain(&self.last)
    }

    /// What of `promise` the ledger has not paid.
    pub(super) fn open_amount(&self, promise: &SignedPromise) -> Amount {
        open_amount(&promise.promise, self.settled)
    }

    pub(super) fn unsettled(&self) -> Amount {
        Amount::checked_sum(self.promises().map(|promise| self.open_amount(promise))).unwrap_or(Amount::MAX)
    }

    /// The ledger stands at `settled`. Never goes back.
    pub(super) fn note_settled(&mut self, settled: Settled) {
        if (settled.serial, settled.amount) > (self.settled.serial, self.settled.amount) {
            self.settled = settled;
            self.standing = Standing::Good;
        }
        let mut earlier = std::mem::take(&mut self.earlier);
        earlier.retain(|promise| !self.open_amount(promise).is_zero());
        self.earlier = earlier;
    }
}

/// What of `promise` is not paid where its series is settled up to `settled`.
pub(super) fn open_amount(promise: &Promise, settled: Settled) -> Amount {
    match promise.serial.cmp(&settled.serial) {
        std::cmp::Ordering::Less => Amount::ZERO,
        std::cmp::Ordering::Equal => promise.amount.saturating_sub(settled.amount),
        std::cmp::Ordering::Greater => promise.amount,
    }
}

fn given_key(peer: IdentityId, asset: AssetId) -> Vec<u8> {
    [&[0][..], &peer.0, &asset.to_bytes()].concat()
}

fn taken_key(peer: IdentityId, asset: AssetId) -> Vec<u8> {
    [&[1][..], &peer.0, &asset.to_bytes()].concat()
}

/// No promise is made under a lower serial: what was promised under those is not known for certain. Zero in a journal that
/// was never lost.
pub(super) fn serials_from(store: &impl Store) -> u64 {
    let stored = store.load(SERIALS, SERIALS_KEY);
    stored.and_then(|bytes| Some(u64::from_be_bytes(bytes.try_into().ok()?))).unwrap_or(0)
}

pub(super) fn note_serials_from(batch: &mut Batch, from: u64) {
    batch.put(SERIALS, SERIALS_KEY, from.to_be_bytes());
}

pub(super) trait Record: Encode + Decode + Default {
    fn key(peer: IdentityId, asset: AssetId) -> Vec<u8>;

    fn load(store: &impl Store, peer: IdentityId, asset: AssetId) -> Result<Self, JournalError> {
        match store.load(PROMISES, &Self::key(peer, asset)) {
            Some(bytes) => Self::from_bytes(&bytes).map_err(|cause| JournalError { peer, cause }),
            None => Ok(Self::default()),
        }
    }
}

impl Record for GivenRecord {
    fn key(peer: IdentityId, asset: AssetId) -> Vec<u8> {
        given_key(peer, asset)
    }
}

impl Record for TakenRecord {
    fn key(peer: IdentityId, asset: AssetId) -> Vec<u8> {
        taken_key(peer, asset)
    }
}

fn put_spent(out: &mut Writer, spent: &Spent) {
    out.varint(spent.len() as u64);
    for (spender, amount) in spent {
        out.byte(spender.0);
        out.value(amount);
    }
}

/// A count of at most `limit`.
fn count(input: &mut Reader<'_>, limit: usize) -> Result<usize, DecodeError> {
    let length = input.u64()?;
    if length > limit as u64 {
        return Err(DecodeError::TooLong { length, limit: limit as u64 });
    }
    Ok(length as usize)
}

/// A map of at most `limit` entries, in order of their keys, so that there is one encoding of each.
fn ascending<'a, K: Ord, V>(
    input: &mut Reader<'a>,
    limit: usize,
    entry: impl Fn(&mut Reader<'a>) -> Result<(K, V), DecodeError>,
) -> Result<BTreeMap<K, V>, DecodeError> {
    let mut map = BTreeMap::new();
    for _ in 0..count(input, limit)? {
        let (key, value) = entry(input)?;
        if map.last_key_value().is_some_and(|(last, _)| *last >= key) {
            return Err(DecodeError::Invalid("a map's keys ascend"));
        }
        map.insert(key, value);
    }
    Ok(map)
}

fn take_spent(input: &mut Reader<'_>) -> Result<Spent, DecodeError> {
    ascending(input, SPENDERS_MAX, |input| Ok((Spender(input.byte()?), input.value()?)))
}

fn put_lanes(out: &mut Writer, lanes: &Lanes) {
    out.varint(lanes.len() as u64);
    for (channel, amount) in lanes {
        out.value(&channel.0);
        out.value(amount);
    }
}

fn take_lanes(input: &mut Reader<'_>) -> Result<Lanes, DecodeError> {
    ascending(input, LANES_MAX, |input| Ok((ChannelId(input.value()?), input.value()?)))
}

fn version(input: &mut Reader<'_>) -> Result<(), DecodeError> {
    match input.byte()? {
        VERSION => Ok(()),
        other => Err(DecodeError::UnknownVariant { kind: "promise journal version", value: other.into() }),
    }
}

impl Encode for GivenRecord {
    fn encode(&self, out: &mut Writer) {
        out.byte(VERSION);
        out.value(&self.promised);
        out.varint(self.series.len() as u64);
        for (backing, promise) in &self.series {
            out.value(backing);
            out.value(promise);
        }
        out.option(self.current.as_ref());
        put_spent(out, &self.spent);
        out.varint(self.day);
        out.value(&self.day_promised);
        put_lanes(out, &self.lanes);
        out.flag(self.pay_from == PayFrom::Lane);
    }
}

impl Decode for GivenRecord {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        version(input)?;
        let promised = input.value()?;
        let series = ascending(input, SERIES_MAX, |input| Ok((input.value()?, input.value()?)))?;
        Ok(Self {
            promised,
            series,
            current: input.option()?,
            spent: take_spent(input)?,
            day: input.u64()?,
            day_promised: input.value()?,
            lanes: take_lanes(input)?,
            pay_from: if input.flag()? { PayFrom::Lane } else { PayFrom::Account },
        })
    }
}

impl Encode for InFlight {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.promise);
        match &self.way {
            Way::Alone(Take::Whole) => out.byte(0),
            Way::Alone(Take::WhatIsThere) => out.byte(1),
            Way::Net(pair) => {
                out.byte(2);
                out.value(pair);
            }
        }
    }
}

impl Decode for InFlight {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let promise = input.value()?;
        let way = match input.byte()? {
            0 => Way::Alone(Take::Whole),
            1 => Way::Alone(Take::WhatIsThere),
            2 => Way::Net(input.value()?),
            other => return Err(DecodeError::UnknownVariant { kind: "way of settling", value: other.into() }),
        };
        Ok(Self { promise, way })
    }
}

impl Encode for Taken {
    fn encode(&self, out: &mut Writer) {
        out.option(self.last.as_ref());
        out.list(&self.earlier);
        out.value(&self.settled);
        out.option(self.in_flight.as_ref());
        out.flag(self.standing == Standing::Bounced);
    }
}

impl Decode for Taken {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            last: input.option()?,
            earlier: input.list(EARLIER_MAX)?,
            settled: input.value()?,
            in_flight: input.option()?,
            standing: if input.flag()? { Standing::Bounced } else { Standing::Good },
        })
    }
}

impl Encode for TakenRecord {
    fn encode(&self, out: &mut Writer) {
        out.byte(VERSION);
        out.value(&self.received);
        out.varint(self.series.len() as u64);
        for (backing, taken) in &self.series {
            out.value(backing);
            out.value(taken);
        }
        put_spent(out, &self.spent);
        put_lanes(out, &self.lanes);
    }
}

impl Decode for TakenRecord {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        version(input)?;
        let received = input.value()?;
        let series = ascending(input, SERIES_MAX, |input| Ok((input.value()?, input.value()?)))?;
        Ok(Self { received, series, spent: take_spent(input)?, lanes: take_lanes(input)? })
    }
}
