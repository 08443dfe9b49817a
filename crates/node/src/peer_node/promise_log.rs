//! When promises changed and what of them was settled, for showing.
//!
//! A settlement is the payee's transaction: the payer learns of it from the ledger that it follows, where the settled
//! amount of the series has grown. What was settled is kept for good as lines of the wallet's history, and the last
//! settlement of each series beside them, so that none is listed twice. Nothing is paid or refused on this; the money's
//! own books are in the market's journal.

use std::collections::BTreeMap;

use byway_peer::wallet::Found;
use byway_primitives::hash::Context;
use byway_primitives::{Amount, AssetId, Batch, Encode, IdentityId, Space, Store, Time};
use byway_records::promise::Series;
use byway_records::state::Settled;
use byway_records::{Backing, Promise, TransactionId};
use serde::{Deserialize, Serialize};

use super::Actor;
use super::books::Settlement;
use crate::api::event::WalletChange;
use crate::api::{Direction, Entry, EntryKind, Event, Stage};

/// The last settlement of each series.
const MARKS: Space = Space("promise-marks");
/// Settlements as lines of the history.
const LINES: Space = Space("settlement-lines");
/// Names a settlement whose transaction this node has not seen: the payer's side sees only its effect.
const UNSEEN: Context = Context("byway 1 show: settlement of");
const MILLION: u128 = 1_000_000;

/// What is known of the promises of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Mark {
    /// Of what the ledger has settled.
    serial: u64,
    settled: Amount,
    pub settled_at: Option<Time>,
    /// The newest promise, and when it was first seen; known for as long as the node runs.
    #[serde(skip)]
    promised: Option<(u64, Amount)>,
    #[serde(skip)]
    pub updated: Option<Time>,
}

#[derive(Debug, Default)]
pub(super) struct PromiseLog {
    marks: BTreeMap<(Direction, IdentityId), Mark>,
    /// Oldest first.
    lines: Vec<Entry>,
}

impl PromiseLog {
    pub fn open(store: &impl Store) -> Self {
        let marks = store.scan_prefix(MARKS, &[]);
        let marks = marks.iter().filter_map(|(_, value)| serde_json::from_slice(value).ok());
        let marks = marks.map(|(direction, peer, mark)| ((direction, peer), mark)).collect();
        let lines = store.scan_prefix(LINES, &[]);
        let lines = lines.iter().filter_map(|(_, value)| serde_json::from_slice(value).ok()).collect();
        Self { marks, lines }
    }

    pub fn mark(&self, direction: Direction, peer: IdentityId) -> Mark {
        self.marks.get(&(direction, peer)).copied().unwrap_or_default()
    }

    /// Settlements as lines of the history, oldest first.
    pub fn lines(&self) -> &[Entry] {
        &self.lines
    }

    /// The last settlement of what `peer` has promised.
    pub fn last_settled_by(&self, peer: IdentityId) -> Option<TransactionId> {
        let peer = Some(peer.to_string());
        let is_it = |entry: &&Entry| entry.kind == EntryKind::SettleIn && entry.counterparty == peer;
        self.lines.iter().rev().find(is_it).map(|entry| entry.transaction_id)
    }

    fn promised(&mut self, direction: Direction, peer: IdentityId, promised: (u64, Amount), now: Time) {
        let mark = self.marks.entry((direction, peer)).or_default();
        if mark.promised != Some(promised) {
            mark.updated = Some(now);
        }
        mark.promised = Some(promised);
    }

    /// How much more the ledger has settled than was known.
    fn settled(&mut self, direction: Direction, peer: IdentityId, settled: Settled, time: Time) -> Option<Amount> {
        let mark = self.marks.entry((direction, peer)).or_default();
        let known = if settled.serial > mark.serial { Amount::ZERO } else { mark.settled };
        let more = settled.amount.saturating_sub(known);
        if settled.serial < mark.serial || more.is_zero() {
            return None;
        }
        (mark.serial, mark.settled) = (settled.serial, settled.amount);
        (mark.settled_at, mark.updated) = (Some(time), Some(time));
        Some(more)
    }

    /// Writes a settlement down, with the mark that keeps it from being listed again.
    fn line(&mut self, direction: Direction, peer: IdentityId, entry: Entry) -> Result<Batch, serde_json::Error> {
        let mark = self.mark(direction, peer);
        let mut batch = Batch::new();
        let key = [&[direction as u8][..], &peer.to_bytes()].concat();
        batch.put(MARKS, key, serde_json::to_vec(&(direction, peer, mark))?);
        let key = [&entry.time_ms.0.to_be_bytes()[..], entry.transaction_id.0.as_bytes()].concat();
        batch.put(LINES, key, serde_json::to_vec(&entry)?);
        self.lines.push(entry);
        Ok(batch)
    }
}

impl Actor {
    /// Looks at what was promised to and by a peer, and what of it the ledger has settled.
    pub(super) fn note_promises(&mut self, peer: IdentityId) {
        let (me, now) = (self.me(), self.clock.now());
        if let Some(pair) = self.market.pair(peer) {
            if let Some(given) = pair.given {
                self.promise_log.promised(Direction::Out, peer, (given.promise.serial, given.promise.amount), now);
            }
            if let Some(taken) = pair.taken.last() {
                let promise = taken.promise.promise;
                self.promise_log.promised(Direction::In, peer, (promise.serial, promise.amount), now);
            }
        }
        let time = self.ledger_clock().time;
        let (out, into) = (self.settled_of(me, peer), self.settled_of(peer, me));
        let more_out = self.promise_log.settled(Direction::Out, peer, out, time);
        let more_in = self.promise_log.settled(Direction::In, peer, into, time);
        if let Some(more) = more_out {
            self.settlement_seen(Direction::Out, peer, out, (more, Amount::ZERO), time);
        }
        if let Some(more) = more_in {
            let is_it = |promise: &Promise| {
                promise.series.payer == peer && (promise.serial, promise.amount) == (into.serial, into.amount)
            };
            let at_once = more_out.filter(|_| !self.settled_alone.iter().any(is_it));
            let fee = fee(more, at_once, self.config.genesis.parameters.settlement_fee_ppm);
            self.settlement_seen(Direction::In, peer, into, (more, fee), time);
        }
    }

    fn settlement_seen(
        &mut self,
        direction: Direction,
        peer: IdentityId,
        settled: Settled,
        (more, fee): (Amount, Amount),
        time: Time,
    ) {
        let (payer, payee) = match direction {
            Direction::Out => (self.me(), peer),
            Direction::In => (peer, self.me()),
        };
        let is_it = |promise: &Promise| {
            promise.series.payer == payer && (promise.serial, promise.amount) == (settled.serial, settled.amount)
        };
        let own = self.settlements.iter().find(|(_, known)| is_it(&known.promise)).map(|(id, _)| *id);
        let unseen = || {
            let series = Series { payer, payee, asset: AssetId::WAY, backing: Backing::Account };
            let position = [settled.serial.to_be_bytes().to_vec(), settled.amount.to_bytes()].concat();
            TransactionId(UNSEEN.hash(&[&series.to_bytes(), &position]))
        };
        if direction == Direction::In {
            self.note_settled(more, fee);
        }
        let entry = Entry {
            transaction_id: own.unwrap_or_else(unseen),
            time_ms: time,
            kind: if direction == Direction::Out { EntryKind::SettleOut } else { EntryKind::SettleIn },
            amount: more.saturating_sub(fee),
            asset: None,
            fee,
            counterparty: Some(peer.to_string()),
            stage: Stage::Final,
            reason: None,
        };
        match self.promise_log.line(direction, peer, entry.clone()) {
            Ok(batch) => {
                self.write_ledger(batch);
            }
            Err(error) => tracing::error!(%error, "a settlement can't be written down"),
        }
        self.tell(Event::Wallet(WalletChange { balance: self.balance(), entries: vec![entry] }));
        self.publish_promises(peer);
    }
}

/// Those of our settlements that the ledger has carried out, each by itself. By one of these the fee was taken on all that came
/// in, whatever else was settled in the same checkpoint. What came in otherwise came with what went out: nobody but us hands
/// in what we are owed, but together with what we owe.
pub(super) fn alone(found: &[Found], settlements: &BTreeMap<TransactionId, Settlement>) -> Vec<Promise> {
    let finals = found.iter().filter_map(|found| match found {
        Found::Final(id) => settlements.get(id),
        _ => None,
    });
    finals.filter(|settlement| !settlement.is_net).map(|settlement| settlement.promise).collect()
}

/// The ledger's fee on what came in, of which so much went out again in one call.
fn fee(more_in: Amount, at_once: Option<Amount>, ppm: u32) -> Amount {
    share(more_in.saturating_sub(at_once.unwrap_or(Amount::ZERO)), ppm)
}

/// Millionths of an amount, rounded down.
fn share(amount: Amount, ppm: u32) -> Amount {
    let ppm = u128::from(ppm).min(MILLION);
    let (millions, rest) = (amount.units() / MILLION, amount.units() % MILLION);
    Amount::from_units(millions * ppm + rest * ppm / MILLION)
}

#[cfg(test)]
mod tests {
    use byway_primitives::MemoryStore;

    use super::*;

    const PEER: IdentityId = IdentityId([7; 20]);

    fn settled(serial: u64, units: u128) -> Settled {
        Settled { serial, amount: Amount::from_units(units) }
    }

    #[test]
    fn the_fee_is_on_what_moved() {
        for (more_in, more_out, expected) in
            [(5_000, None, 5), (5_000, Some(3_000), 2), (5_000, Some(5_000), 0), (3_000, Some(5_000), 0)]
        {
            let (more_in, more_out) = (Amount::from_units(more_in), more_out.map(Amount::from_units));
            assert_eq!(fee(more_in, more_out, 1_000).units(), expected, "{more_in} in, {more_out:?} out");
        }
    }

    #[test]
    fn two_that_were_settled_by_themselves_in_one_checkpoint_are_no_net() {
        let promise = |serial| {
            let series = Series { payer: PEER, payee: PEER, asset: AssetId::WAY, backing: Backing::Account };
            Promise {
                network: byway_primitives::NetworkId(byway_primitives::Hash([1; 32])),
                series,
                serial,
                amount: Amount::from_units(5_000),
            }
        };
        let id = |last: u8| TransactionId(byway_primitives::Hash([last; 32]));
        let settlements = [(1, false), (2, true), (3, false)]
            .map(|(serial, is_net)| (id(serial), Settlement { promise: promise(u64::from(serial)), is_net }));
        let settlements = BTreeMap::from(settlements);
        // The third was tried alone as well, and the pair came first.
        let rejected = Found::Rejected(id(3), byway_records::Reject::PromiseSettled);
        let found = [Found::Final(id(1)), Found::Final(id(2)), rejected, Found::Final(id(9))];
        assert_eq!(alone(&found, &settlements), [promise(1)]);
    }

    #[test]
    fn a_settlement_is_listed_once_and_only_for_what_is_new() {
        let mut log = PromiseLog::default();
        for (position, time, expected) in [
            (settled(0, 0), 1, None),
            (settled(1, 10), 2, Some(10)),
            (settled(1, 10), 3, None),
            (settled(1, 25), 4, Some(15)),
            (settled(2, 5), 5, Some(5)),
            // A ledger is never behind what it said, but an old view may be asked.
            (settled(1, 25), 6, None),
        ] {
            let more = log.settled(Direction::Out, PEER, position, Time(time));
            assert_eq!(more, expected.map(Amount::from_units), "{position:?}");
        }
        let mark = log.mark(Direction::Out, PEER);
        assert_eq!((mark.settled_at, mark.updated), (Some(Time(5)), Some(Time(5))));
        assert_eq!(log.mark(Direction::In, PEER), Mark::default());
    }

    #[test]
    fn what_was_listed_is_listed_after_a_restart_and_not_again() {
        let (mut log, mut store) = (PromiseLog::default(), MemoryStore::default());
        let more = log.settled(Direction::In, PEER, settled(3, 10), Time(9)).unwrap();
        let entry = Entry {
            transaction_id: TransactionId(UNSEEN.hash(&[])),
            time_ms: Time(9),
            kind: EntryKind::SettleIn,
            amount: more,
            asset: None,
            fee: Amount::ZERO,
            counterparty: Some(PEER.to_string()),
            stage: Stage::Final,
            reason: None,
        };
        store.apply(&log.line(Direction::In, PEER, entry.clone()).unwrap());
        let mut log = PromiseLog::open(&store);
        assert_eq!(log.last_settled_by(PEER), Some(entry.transaction_id));
        assert_eq!(log.last_settled_by(IdentityId([8; 20])), None);
        assert_eq!(log.lines(), [entry]);
        assert_eq!(log.settled(Direction::In, PEER, settled(3, 10), Time(12)), None);
    }

    #[test]
    fn a_promise_is_changed_when_its_amount_is() {
        let mut log = PromiseLog::default();
        for (promised, now, expected) in [((1, 5), 10, 10), ((1, 5), 11, 10), ((1, 6), 12, 12), ((2, 6), 13, 13)] {
            log.promised(Direction::Out, PEER, (promised.0, Amount::from_units(promised.1)), Time(now));
            assert_eq!(log.mark(Direction::Out, PEER).updated, Some(Time(expected)));
        }
    }
}
