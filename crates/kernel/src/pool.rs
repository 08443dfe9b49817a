//! Transactions handed in here that have no verdict yet, and which of them goes into the next own snapshot.
//!
//! # Fairness without fees (row K3)
//!
//! Nobody pays for a place in the queue, so something else has to keep one who sends without end from making all others
//! wait. Three things do, each against what the others can't:
//!
//! - *Turns.* The room of a snapshot is shared among [`Source`]s by turns of equal size ([`lanes`]), whatever each has
//!   waiting. One that floods delays the others by one turn.
//! - *Claims.* Addresses are cheap, and who has many has many turns. So a part of each snapshot, [`CLAIMS_SHARE`], goes to
//!   the greatest claims of all ([`claim`]), whoever sends them; and a source's own turns go to its greatest claims first.
//!   Coins that lay still for a while get through whatever the number of sources, and only once.
//! - *Shares of the pool.* A source holds at most as much as is left free, so that one alone never fills more than half, and
//!   there is room for who comes next (dynamic thresholds, Choudhury & Hahne 1998). Who has its share may still exchange its
//!   least claim for a greater one. Where nothing is left all the same, the least claim of the greediest source gives way to
//!   one who has less.
//!
//! Who adds to a pool that fills does work for it first: see [`stamp`](crate::stamp).
//!
//! What waits claims its inputs: a second transaction that spends one of them is refused. Else one old coin, spent
//! differently ten thousand times, would be the greatest claim ten thousand times over.
//!
//! # From here to a verdict
//!
//! Transactions wait for an own snapshot, then are in flight in it. If that snapshot falls below the horizon without having
//! been committed, they go first into the next, since they have had their turn; so what was taken here gets a verdict in
//! the end. What this node itself has to say ([`Pool::submit_own`]) goes first, too, and is bounded by who says it.
//!
//! Everything is a search or two in ordered maps: neither submitting nor taking looks at all that waits.

pub mod claim;
pub mod lanes;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use byway_primitives::{Span, Time};
use byway_records::{OutputId, TransactionId, VerifiedTransaction};

use self::claim::{Claim, Ranking};
use self::lanes::Lanes;
pub use self::lanes::{Arrival, Source};
use crate::news::SubmitError;

/// One part in so many of a snapshot goes to the greatest claims.
const CLAIMS_SHARE: usize = 4;
/// What a transaction is charged for every output that it makes beyond those it spends, in bytes beside its own: it is kept
/// until somebody spends it. That bounds how fast anyone can make outputs, of any asset and however little is in them.
const OUTPUT_CHARGE: u64 = 256;
/// Transactions that give way to one: as many of the smallest as the largest is charged for, with a pool as operators
/// have it.
const GIVE_WAY_MAX: usize = 64;
/// Less room than this holds no transaction.
const TRANSACTION_BYTES_MIN: usize = 64;

/// See the [module](self).
#[derive(Debug)]
pub struct Pool {
    /// Bytes charged at most for all that has no verdict.
    load_max: u64,
    /// Bytes charged at least for one.
    load_min: u64,
    load: u64,
    known: BTreeMap<TransactionId, Known>,
    /// What spends an output, of all that has no verdict.
    spenders: BTreeMap<OutputId, TransactionId>,
    waiting: BTreeMap<Arrival, Waiting>,
    waiting_bytes: usize,
    /// Of those, what goes first.
    first: BTreeSet<Arrival>,
    ranked: Ranking<Arrival>,
    lanes: Lanes,
    arrivals: Arrival,
}

/// A transaction without a verdict.
#[derive(Debug)]
struct Known {
    since: Time,
    /// `None`: it is this node's own, or of before it was restarted.
    source: Option<Source>,
    load: u64,
    waits: Option<Arrival>,
    inputs: Box<[OutputId]>,
}

/// A transaction that waits for a snapshot.
#[derive(Debug)]
struct Waiting {
    transaction: VerifiedTransaction,
    place: Place,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    /// It has had its turn, or needs none.
    First,
    Turn(Source, Claim),
}

/// What goes into a snapshot.
#[derive(Debug)]
struct Load {
    transactions: Vec<VerifiedTransaction>,
    count_max: usize,
    bytes_left: usize,
}

impl Pool {
    /// For so many transactions, and so many bytes of them.
    pub fn new(transactions_max: usize, bytes_max: usize) -> Self {
        Self {
            load_max: bytes_max as u64,
            load_min: (bytes_max / transactions_max.max(1)) as u64,
            load: 0,
            known: BTreeMap::new(),
            spenders: BTreeMap::new(),
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            first: BTreeSet::new(),
            ranked: Ranking::default(),
            lanes: Lanes::default(),
            arrivals: 0,
        }
    }

    /// Whether nothing waits for a snapshot.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How many have no verdict yet.
    pub fn pending(&self) -> usize {
        self.known.len()
    }

    /// Bytes of those that wait for a snapshot.
    pub fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// Sources of which something has no verdict.
    pub fn sources(&self) -> usize {
        self.lanes.count()
    }

    /// How full the pool is, in so many parts.
    pub fn fill_in(&self, parts: u64) -> u64 {
        self.part(self.load, parts)
    }

    /// How much of it is this source's.
    pub fn share_in(&self, source: Source, parts: u64) -> u64 {
        self.part(self.lanes.load(source), parts)
    }

    fn part(&self, load: u64, parts: u64) -> u64 {
        (u128::from(load) * u128::from(parts) / u128::from(self.load_max.max(1))) as u64
    }

    /// Takes a transaction in. What has to give way to it is added to `gave_way`.
    pub fn submit(
        &mut self,
        now: Time,
        source: Source,
        claim: Claim,
        transaction: VerifiedTransaction,
        gave_way: &mut Vec<TransactionId>,
    ) -> Result<(), SubmitError> {
        self.check_new(&transaction)?;
        let load = charge(&transaction).max(self.load_min);
        self.make_room(now, (source, claim), load, gave_way)?;
        self.load += load;
        self.lanes.charge(source, load);
        self.know(&transaction, Known { source: Some(source), load, ..Known::new(now) });
        self.queue(transaction, Place::Turn(source, claim));
        Ok(())
    }

    /// Takes in what this node itself has to say. It goes first.
    pub fn submit_own(&mut self, now: Time, transaction: VerifiedTransaction) -> Result<(), SubmitError> {
        self.check_new(&transaction)?;
        self.know(&transaction, Known::new(now));
        self.queue(transaction, Place::First);
        Ok(())
    }

    /// Notes a transaction that is in flight since before a restart.
    pub fn in_flight(&mut self, now: Time, transaction: &VerifiedTransaction) {
        if !self.known.contains_key(&transaction.id()) {
            self.know(transaction, Known::new(now));
        }
    }

    /// Takes back what is of before a restart and in flight nowhere. It goes first.
    pub fn take_back(&mut self, now: Time, transaction: &VerifiedTransaction) {
        if !self.known.contains_key(&transaction.id()) {
            self.know(transaction, Known::new(now));
            self.queue(transaction.clone(), Place::First);
        }
    }

    /// The next transactions for a snapshot, within a number and a size. What is `hopeless` is dropped.
    pub fn take(
        &mut self,
        now: Time,
        count_max: usize,
        bytes_max: usize,
        hopeless: impl Fn(&VerifiedTransaction) -> bool,
    ) -> Vec<VerifiedTransaction> {
        let mut load = Load { transactions: Vec::new(), count_max, bytes_left: bytes_max };
        self.take_first(&mut load, &hopeless);
        self.take_claims(now, bytes_max / CLAIMS_SHARE, &mut load, &hopeless);
        self.take_turns(now, &mut load, &hopeless);
        load.transactions
    }

    fn take_first(&mut self, load: &mut Load, hopeless: &impl Fn(&VerifiedTransaction) -> bool) {
        while let Some(first) = self.first.first().copied()
            && load.has_room_for(&self.waiting[&first].transaction)
        {
            self.bring_in(first, load, hopeless);
        }
    }

    /// Takes the greatest claims until they have had their share.
    fn take_claims(
        &mut self,
        now: Time,
        share: usize,
        load: &mut Load,
        hopeless: &impl Fn(&VerifiedTransaction) -> bool,
    ) {
        let until = load.bytes_left.saturating_sub(share);
        while load.bytes_left > until
            && let Some(greatest) = self.ranked.first(now)
            && load.has_room_for(&self.waiting[&greatest].transaction)
        {
            self.bring_in(greatest, load, hopeless);
        }
    }

    fn take_turns(&mut self, now: Time, load: &mut Load, hopeless: &impl Fn(&VerifiedTransaction) -> bool) {
        // Whose next one does not fit any more.
        let mut interrupted = Vec::new();
        while !load.is_full()
            && let Some(source) = self.lanes.begin_turn()
        {
            let mut fits = true;
            while fits
                && let Some(next) = self.lanes.next_paid(source, now, |next| charge(&self.waiting[&next].transaction))
            {
                fits = load.has_room_for(&self.waiting[&next].transaction);
                if fits {
                    self.bring_in(next, load, hopeless);
                    self.lanes.brought_in(source);
                }
            }
            match fits {
                true => self.lanes.end_turn(source),
                false => interrupted.push(source),
            }
        }
        self.lanes.interrupt_turns(&interrupted);
    }

    /// Brings in what waits, or drops it if it is hopeless.
    fn bring_in(&mut self, arrival: Arrival, load: &mut Load, hopeless: &impl Fn(&VerifiedTransaction) -> bool) {
        if hopeless(&self.waiting[&arrival].transaction) {
            let id = self.waiting[&arrival].transaction.id();
            return self.forget(&id);
        }
        let used = charge(&self.waiting[&arrival].transaction);
        load.put(self.unqueue(arrival, used));
    }

    /// Takes back what was in flight in a snapshot that will never be committed.
    pub fn restore(&mut self, transactions: &[VerifiedTransaction]) {
        for transaction in transactions {
            if self.known.get(&transaction.id()).is_some_and(|known| known.waits.is_none()) {
                self.queue(transaction.clone(), Place::First);
            }
        }
    }

    /// Forgets a transaction that got its verdict. How long that took, if it was submitted here.
    pub fn decided(&mut self, now: Time, id: &TransactionId) -> Option<Span> {
        let since = self.known.get(id)?.since;
        self.forget(id);
        Some(now.since(since))
    }

    /// What waits next after `after`, and then from the beginning on: for a node that can't bring it in itself. What is
    /// `hopeless` is dropped. The last one given is to be named the next time.
    pub fn waiting_after(
        &mut self,
        after: Arrival,
        count: usize,
        hopeless: impl Fn(&VerifiedTransaction) -> bool,
    ) -> Vec<(Arrival, &VerifiedTransaction)> {
        let next = self.waiting.range(after + 1..).chain(self.waiting.range(..=after)).take(count);
        let (gone, there): (Vec<_>, Vec<_>) = next.partition(|(_, waiting)| hopeless(&waiting.transaction));
        let gone: Vec<_> = gone.into_iter().map(|(_, waiting)| waiting.transaction.id()).collect();
        let there: Vec<_> = there.into_iter().map(|(arrival, _)| *arrival).collect();
        gone.iter().for_each(|id| self.forget(id));
        there.into_iter().map(|arrival| (arrival, &self.waiting[&arrival].transaction)).collect()
    }

    fn check_new(&self, transaction: &VerifiedTransaction) -> Result<(), SubmitError> {
        if self.known.contains_key(&transaction.id()) {
            return Err(SubmitError::Known);
        }
        let is_claimed = inputs(transaction).any(|input| self.spenders.contains_key(&input));
        if is_claimed { Err(SubmitError::Conflict) } else { Ok(()) }
    }

    /// Makes room for what `source` adds. Where it has its share, or there is none, something gives way that has less right to
    /// be there.
    fn make_room(
        &mut self,
        now: Time,
        (source, claim): (Source, Claim),
        load: u64,
        gave_way: &mut Vec<TransactionId>,
    ) -> Result<(), SubmitError> {
        for _ in 0..=GIVE_WAY_MAX {
            let (held, free) = (self.lanes.load(source), self.load_max.saturating_sub(self.load));
            if held + load <= free || (held == 0 && load <= free) {
                return Ok(());
            }
            let least = self.least_right(now, source, held + load, claim).ok_or(SubmitError::Full)?;
            let id = self.waiting[&least].transaction.id();
            self.forget(&id);
            gave_way.push(id);
            if load <= self.load_max.saturating_sub(self.load) {
                return Ok(());
            }
        }
        Err(SubmitError::Full)
    }

    /// What gives way to this claim of `source`, which would then hold `share`: the least claim of the greediest, if that holds
    /// more; the least claim of all, if others hold as much; else the least of its own. The last two only if they are less.
    fn least_right(&self, now: Time, source: Source, share: u64, claim: Claim) -> Option<Arrival> {
        let greediest = self.lanes.greediest()?;
        let most = self.lanes.load(greediest);
        let last = |source| self.lanes.of(source)?.last(now);
        if most > share
            && let Some(least) = last(greediest)
        {
            return Some(least);
        }
        let least = if most >= share { self.ranked.last(now) } else { last(source) };
        least.filter(|least| self.is_less(*least, claim, now))
    }

    fn is_less(&self, waiting: Arrival, claim: Claim, now: Time) -> bool {
        match self.waiting[&waiting].place {
            Place::Turn(_, other) => other.at(now) < claim.at(now),
            Place::First => false,
        }
    }

    fn know(&mut self, transaction: &VerifiedTransaction, known: Known) {
        let (id, inputs): (_, Box<[_]>) = (transaction.id(), inputs(transaction).collect());
        self.spenders.extend(inputs.iter().map(|input| (*input, id)));
        self.known.insert(id, Known { inputs, ..known });
    }

    fn forget(&mut self, id: &TransactionId) {
        let Some(known) = self.known.remove(id) else { return };
        if let Some(arrival) = known.waits {
            self.unqueue(arrival, 0);
        }
        if let Some(source) = known.source {
            self.lanes.discharge(source, known.load);
        }
        self.load -= known.load;
        for input in known.inputs {
            // Of before a restart there may be two that spend the same.
            if self.spenders.get(&input) == Some(id) {
                self.spenders.remove(&input);
            }
        }
    }

    fn queue(&mut self, transaction: VerifiedTransaction, place: Place) {
        self.arrivals += 1;
        let arrival = self.arrivals;
        match place {
            Place::First => drop(self.first.insert(arrival)),
            Place::Turn(source, claim) => {
                self.lanes.queue(source, arrival, claim);
                self.ranked.insert(claim, arrival);
            }
        }
        let known = self.known.get_mut(&transaction.id()).expect("what waits is known");
        known.waits = Some(arrival);
        self.waiting_bytes += transaction.size();
        self.waiting.insert(arrival, Waiting { transaction, place });
    }

    fn unqueue(&mut self, arrival: Arrival, used: u64) -> VerifiedTransaction {
        let Waiting { transaction, place } = self.waiting.remove(&arrival).expect("what waits is here by its arrival");
        self.waiting_bytes -= transaction.size();
        match place {
            Place::First => drop(self.first.remove(&arrival)),
            Place::Turn(source, claim) => {
                self.ranked.remove(claim, arrival);
                self.lanes.unqueue(source, arrival, claim, used);
            }
        }
        if let Some(known) = self.known.get_mut(&transaction.id()) {
            known.waits = None;
        }
        transaction
    }
}

impl Known {
    fn new(since: Time) -> Self {
        Self { since, source: None, load: 0, waits: None, inputs: Box::default() }
    }
}

impl Load {
    fn is_full(&self) -> bool {
        self.transactions.len() >= self.count_max || self.bytes_left < TRANSACTION_BYTES_MIN
    }

    fn has_room_for(&self, transaction: &VerifiedTransaction) -> bool {
        self.transactions.len() < self.count_max && transaction.size() <= self.bytes_left
    }

    fn put(&mut self, transaction: VerifiedTransaction) {
        self.bytes_left -= transaction.size();
        self.transactions.push(transaction);
    }
}

fn inputs(transaction: &VerifiedTransaction) -> impl Iterator<Item = OutputId> {
    transaction.transaction().body.inputs.iter().map(|input| input.spent)
}

/// Bytes that a transaction counts as: its own, and something for every output that it adds to what is kept.
fn charge(transaction: &VerifiedTransaction) -> u64 {
    let body = &transaction.transaction().body;
    let added = body.outputs.len().saturating_sub(body.inputs.len());
    transaction.size() as u64 + OUTPUT_CHARGE * added as u64
}
