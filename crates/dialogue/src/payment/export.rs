//! What a lost disk would cost: the books of payment as they leave the node, and as they come back (rows A4, I1).
//!
//! # The problem
//!
//! Identities, coins and accounts come back from the seed phrase and the ledger. Two things don't: promises that were
//! received and not settled, which is money, and the knowledge of what was promised to others, without which the rule
//! that serials never go back can't be kept. Both are in the journal alone. A copy of it that lies elsewhere is *stale* as
//! soon as it is made: promises came after it, and promises were made after it.
//!
//! # The idea
//!
//! An [`Export`] is the journal of every pair, cut down to what the ledger doesn't know. Putting it back *joins* it with
//! what is there, and joining never loses: of each series and serial the higher promise stays. So it does not matter how
//! old an export is, how often it is put back, or in which order; at worst it brings nothing new.
//!
//! - *What others owe.* A promise is as good as on the day it was signed. What came after the export was made is not in it;
//!   a payer that is still there sends its last promise again (row A9), and nobody lost anything.
//! - *What we owe.* What was signed after the export was made is unknown, and signing less, or anything, under the same
//!   serial would break the one rule of the payer. So a restored payer signs nothing under any serial that it may have
//!   used: [`serials_from`](Export::serials_from) is a floor for all its series, a time in milliseconds, which is above
//!   every serial that counted up from one and above every earlier floor. Promises below it stay valid until they are
//!   settled; nobody's are voided, since lower serials settle first.
//! - *What is prepaid.* A payer's remainder comes back with the books, so whoever paid ahead is served for it. What was
//!   used since the export was made is not known and may be served again: a stale export costs the one who restores it.
//!
//! Counts of use begin anew with the restored node (its sessions are gone), so an export holds remainders instead of the
//! totals of the journal. A settlement that was under way is not in it: the promise is, and the ledger pays it once.
//!
//! # What it is not
//!
//! No encryption (that is `byway_crypto::export`), no file, and no copy of sessions, limits or the history for showing.

use std::collections::BTreeMap;

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, AssetId, Batch, IdentityId, NetworkId, Store, Time};
use byway_records::{Backing, Promise, SignedPromise};

use super::TakenPromise;
use super::journal::{
    EARLIER_MAX, GivenRecord, JournalError, PROMISES, Record, SERIES_MAX, Taken, TakenRecord, note_serials_from,
    serials_from, total,
};

/// Pairs in one export. What is owed most comes first, so what doesn't fit is what matters least.
pub const PAIRS_MAX: usize = 16_384;
/// Bytes of all pairs together, well within what can be sealed.
pub const PAIRS_BYTES_MAX: usize = 12 << 20;
const VERSION: u8 = 1;

/// The books of payment of one identity, at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    pub network: NetworkId,
    pub identity: IdentityId,
    pub made: Time,
    /// No promise is made under a lower serial by whoever puts this back; see the module.
    pub serials_from: u64,
    /// Pairs that did not fit.
    pub left_out: u64,
    pub pairs: Vec<ExportedPair>,
}

/// What there is with one peer in one asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedPair {
    pub peer: IdentityId,
    pub asset: AssetId,
    given: GivenRecord,
    taken: TakenRecord,
}

/// An export that was opened with the right key holds what can't be in it: it is of a faulty version of this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a promise {between} {peer} in it is not what it should be; nothing was put back. Use an older export")]
pub struct FalsePromise {
    pub peer: IdentityId,
    /// `from` or `to`.
    pub between: &'static str,
}

impl Export {
    /// Of as many pairs as fit, those first with which most is unsettled. `store` is the journal that they are in.
    pub fn new(
        network: NetworkId,
        identity: IdentityId,
        made: Time,
        pairs: Vec<ExportedPair>,
        store: &impl Store,
    ) -> Self {
        let all = pairs.len();
        let mut pairs: Vec<_> = pairs.into_iter().filter(|pair| !pair.is_empty()).collect();
        let empty = all - pairs.len();
        pairs.sort_by_key(|pair| (std::cmp::Reverse(pair.unsettled()), pair.peer, pair.asset));
        let mut bytes = 0;
        let fits = pairs.iter().take(PAIRS_MAX).take_while(|pair| {
            bytes += pair.to_bytes().len();
            bytes <= PAIRS_BYTES_MAX
        });
        pairs.truncate(fits.count());
        let left_out = (all - empty - pairs.len()) as u64;
        Self { network, identity, made, serials_from: serials_from(store), left_out, pairs }
    }

    /// Owed to the identity and not settled when the export was made.
    pub fn unsettled(&self) -> Amount {
        Amount::checked_sum(self.pairs.iter().map(ExportedPair::unsettled)).unwrap_or(Amount::MAX)
    }

    /// Whether every promise is of this network, between the right two, and signed.
    pub fn check(&self) -> Result<(), FalsePromise> {
        for pair in &self.pairs {
            let is_right = |signed: &SignedPromise, payer, payee| {
                let promise = &signed.promise;
                let parties = (promise.series.payer, promise.series.payee, promise.series.asset);
                promise.network == self.network && parties == (payer, payee, pair.asset) && signed.verify().is_ok()
            };
            let mut taken = pair.taken.series.iter().flat_map(|(backing, taken)| {
                taken.promises().map(|signed| {
                    signed.promise.series.backing == *backing && is_right(signed, pair.peer, self.identity)
                })
            });
            let mut given = pair.given.series.iter().map(|(backing, signed)| {
                signed.promise.series.backing == *backing && is_right(signed, self.identity, pair.peer)
            });
            if !taken.all(|right| right) {
                return Err(FalsePromise { peer: pair.peer, between: "from" });
            }
            if !given.all(|right| right) {
                return Err(FalsePromise { peer: pair.peer, between: "to" });
            }
        }
        Ok(())
    }

    /// The peers with whom `store` does not know all that is in here.
    pub fn news(&self, store: &impl Store) -> Result<Vec<IdentityId>, JournalError> {
        let mut news = Vec::new();
        for pair in &self.pairs {
            if pair.joined(store)?.is_some() {
                news.push(pair.peer);
            }
        }
        Ok(news)
    }

    /// What to write so that `store` knows all that is in here beside what it knows already. `None` where it brings nothing
    /// new, unless the store `is_rolled_back`, to an earlier state than it once had: then it learns at least which serials are
    /// not to be used. `now` is the time of putting back.
    pub fn put_back(&self, store: &impl Store, now: Time, is_rolled_back: bool) -> Result<Option<Batch>, JournalError> {
        let mut batch = Batch::new();
        for pair in &self.pairs {
            if let Some((given, taken)) = pair.joined(store)? {
                batch.put(PROMISES, GivenRecord::key(pair.peer, pair.asset), given.to_bytes());
                batch.put(PROMISES, TakenRecord::key(pair.peer, pair.asset), taken.to_bytes());
            }
        }
        // Whoever knows nothing at all has lost what it knew, too.
        let before = serials_from(store);
        let is_fresh = before == 0 && store.scan_prefix(PROMISES, &[]).is_empty();
        if batch.is_empty() && !is_fresh && !is_rolled_back {
            return Ok(None);
        }
        // A clock that is behind does not lead back below a serial that was used.
        let used = self.serials_from.max(before).max(self.made.0);
        note_serials_from(&mut batch, now.0.max(used.saturating_add(1)));
        Ok(Some(batch))
    }
}

impl ExportedPair {
    /// With counts that begin anew: see the module.
    pub(super) fn new(peer: IdentityId, asset: AssetId, given: &GivenRecord, taken: &TakenRecord) -> Self {
        let mut given = given.clone();
        given.promised = given.promised.saturating_sub(total(&given.spent));
        given.spent.clear();
        let mut taken = taken.clone();
        taken.received = taken.received.saturating_sub(total(&taken.spent));
        taken.spent.clear();
        taken.series.values_mut().for_each(|series| series.in_flight = None);
        Self { peer, asset, given, taken }
    }

    /// Promises from the peer that were not settled, in the order in which they settle.
    pub fn owed(&self) -> Vec<TakenPromise> {
        let promises = self.taken.series.values().flat_map(|taken| {
            taken.promises().map(|promise| TakenPromise { promise: *promise, unsettled: taken.open_amount(promise) })
        });
        promises.filter(|taken| !taken.unsettled.is_zero()).collect()
    }

    /// The last promise on the peer's account that was not settled. Once it is, so are all before it.
    pub fn owed_last(&self) -> Option<Promise> {
        let mut owed = self.owed().into_iter().map(|owed| owed.promise.promise);
        owed.rfind(|promise| promise.series.backing == Backing::Account)
    }

    /// The last promises to the peer.
    pub fn given(&self) -> impl Iterator<Item = &SignedPromise> {
        self.given.series.values()
    }

    /// Paid ahead by the peer and not used up.
    pub fn remainder(&self) -> Amount {
        self.taken.received
    }

    pub fn unsettled(&self) -> Amount {
        Amount::checked_sum(self.owed().iter().map(|owed| owed.unsettled)).unwrap_or(Amount::MAX)
    }

    fn is_empty(&self) -> bool {
        let is_owed = !self.owed().is_empty() || !self.remainder().is_zero();
        !is_owed && self.given.series.is_empty()
    }

    /// What the journal is to hold instead of what it holds; `None` where it knows all of this.
    fn joined(&self, store: &impl Store) -> Result<Option<(GivenRecord, TakenRecord)>, JournalError> {
        let given_there = GivenRecord::load(store, self.peer, self.asset)?;
        let taken_there = TakenRecord::load(store, self.peer, self.asset)?;
        let given = join_given(&given_there, &self.given);
        let taken = join_taken(&taken_there, &self.taken);
        Ok(((&given, &taken) != (&given_there, &taken_there)).then_some((given, taken)))
    }
}

/// Of each series the higher promise. What is ahead counts only where nothing is known yet: books that are there know better.
fn join_given(there: &GivenRecord, other: &GivenRecord) -> GivenRecord {
    if there.series.is_empty() && there.promised.is_zero() {
        return other.clone();
    }
    let mut joined = there.clone();
    for (backing, promise) in &other.series {
        let is_higher = joined.series.get(backing).is_none_or(|last| position(promise) > position(last));
        if is_higher && (joined.series.len() < SERIES_MAX || joined.series.contains_key(backing)) {
            joined.series.insert(*backing, *promise);
        }
    }
    joined
}

/// Of each series and serial the higher promise.
fn join_taken(there: &TakenRecord, other: &TakenRecord) -> TakenRecord {
    if there.received.is_zero() && there.series.values().all(|taken| taken.last.is_none()) {
        let mut whole = other.clone();
        // The ledger may have been read meanwhile.
        for (backing, taken) in &there.series {
            whole.series.entry(*backing).or_default().note_settled(taken.settled);
        }
        return whole;
    }
    let mut joined = there.clone();
    for (backing, taken) in &other.series {
        if joined.series.len() < SERIES_MAX || joined.series.contains_key(backing) {
            join_series(joined.series.entry(*backing).or_default(), taken);
        }
    }
    joined
}

fn join_series(there: &mut Taken, other: &Taken) {
    let settled = (there.settled.serial, there.settled.amount);
    if (other.settled.serial, other.settled.amount) > settled {
        there.settled = other.settled;
    }
    let mut highest: BTreeMap<u64, SignedPromise> = BTreeMap::new();
    for promise in there.promises().chain(other.promises()) {
        let serial = promise.promise.serial;
        if highest.get(&serial).is_none_or(|known| position(promise) > position(known)) {
            highest.insert(serial, *promise);
        }
    }
    if highest.last_key_value().map(|(_, last)| last) != there.last.as_ref() {
        there.standing = other.standing;
    }
    there.last = highest.pop_last().map(|(_, last)| last);
    let mut earlier: Vec<_> = highest.into_values().filter(|promise| !there.open_amount(promise).is_zero()).collect();
    // More than a payee ever takes can only come of many exports; the newest are worth most.
    let surplus = earlier.len().saturating_sub(EARLIER_MAX);
    there.earlier = earlier.split_off(surplus);
}

fn position(promise: &SignedPromise) -> (u64, Amount) {
    (promise.promise.serial, promise.promise.amount)
}

impl Encode for ExportedPair {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.peer);
        out.value(&self.asset);
        out.value(&self.given);
        out.value(&self.taken);
    }
}

impl Decode for ExportedPair {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { peer: input.value()?, asset: input.value()?, given: input.value()?, taken: input.value()? })
    }
}

impl Encode for Export {
    fn encode(&self, out: &mut Writer) {
        out.byte(VERSION);
        out.value(&self.network);
        out.value(&self.identity);
        out.value(&self.made);
        out.varint(self.serials_from);
        out.varint(self.left_out);
        out.list(&self.pairs);
    }
}

impl Decode for Export {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            VERSION => {}
            other => return Err(DecodeError::UnknownVariant { kind: "export version", value: other.into() }),
        }
        Ok(Self {
            network: input.value()?,
            identity: input.value()?,
            made: input.value()?,
            serials_from: input.u64()?,
            left_out: input.u64()?,
            pairs: input.list(PAIRS_MAX)?,
        })
    }
}
