//! Those who hand transactions in, and whose turn it is.
//!
//! Deficit round robin (Shreedhar & Varghese 1995): in its turn a source may bring in so many bytes more than it could not
//! use before, so that large transactions and small ones get the same room, and a turn costs the same however many wait.

use std::collections::{BTreeMap, BTreeSet};

use byway_primitives::Time;

use super::claim::{Claim, Ranking};
use crate::committee::MemberIndex;

/// Bytes of one turn: a few ordinary transactions. Smaller shares the room of a snapshot among more sources, larger needs
/// fewer turns for a large transaction.
const TURN_BYTES: i64 = 1024;
/// Of so many transactions of one source, one is what has waited longest and the others those with the greatest claims:
/// so the wait of the least claim is bounded by what came before it and not by what comes after.
const OLDEST_OF: u64 = 4;

/// Who handed a transaction in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A kernel node that can't bring it in itself.
    Member(MemberIndex),
    /// A client. The number is whoever carries clients' transactions' own: one and the same for whatever one holder of
    /// network addresses can vary at no cost.
    Client(u64),
}

/// When a transaction came, counted.
pub type Arrival = u64;

/// What waits of one source.
#[derive(Debug)]
pub struct Lane {
    /// Bytes charged for everything of it that has no verdict.
    pub load: u64,
    ranked: Ranking<Arrival>,
    arrivals: BTreeSet<Arrival>,
    /// Bytes that it may bring in. Below zero when it got more than its turns gave.
    deficit: i64,
    /// What it brought in in its turns, counted.
    turns_used: u64,
    turn: Option<i64>,
}

/// All sources that have something without a verdict.
#[derive(Debug, Default)]
pub struct Lanes {
    lanes: BTreeMap<Source, Lane>,
    by_load: BTreeSet<(u64, Source)>,
    /// Sources of which something waits, in the order of their turns.
    turns: BTreeMap<i64, Source>,
}

impl Lane {
    fn new() -> Self {
        Self { load: 0, ranked: Ranking::default(), arrivals: BTreeSet::new(), deficit: 0, turns_used: 0, turn: None }
    }

    /// What is its next.
    pub fn next(&self, now: Time) -> Option<Arrival> {
        match self.turns_used % OLDEST_OF {
            0 => self.arrivals.first().copied(),
            _ => self.ranked.first(now),
        }
    }

    /// What would be its last.
    pub fn last(&self, now: Time) -> Option<Arrival> {
        self.ranked.last(now)
    }
}

impl Lanes {
    pub fn of(&self, source: Source) -> Option<&Lane> {
        self.lanes.get(&source)
    }

    pub fn load(&self, source: Source) -> u64 {
        self.of(source).map_or(0, |lane| lane.load)
    }

    pub fn count(&self) -> usize {
        self.lanes.len()
    }

    /// The source with the most load.
    pub fn greediest(&self) -> Option<Source> {
        self.by_load.last().map(|(_, source)| *source)
    }

    /// Charges something of `source` that has no verdict.
    pub fn charge(&mut self, source: Source, load: u64) {
        let lane = self.lanes.entry(source).or_insert_with(Lane::new);
        self.by_load.remove(&(lane.load, source));
        lane.load += load;
        self.by_load.insert((lane.load, source));
    }

    /// Takes a charge back: it has its verdict, or gave way.
    pub fn discharge(&mut self, source: Source, load: u64) {
        let Some(lane) = self.lanes.get_mut(&source) else { return };
        self.by_load.remove(&(lane.load, source));
        lane.load -= load;
        if lane.load == 0 {
            debug_assert!(lane.arrivals.is_empty(), "what waits is charged");
            self.lanes.remove(&source);
        } else {
            self.by_load.insert((lane.load, source));
        }
    }

    /// Something of `source`, which is charged, waits.
    pub fn queue(&mut self, source: Source, arrival: Arrival, claim: Claim) {
        let lane = self.lanes.get_mut(&source).expect("what waits is charged before");
        lane.ranked.insert(claim, arrival);
        lane.arrivals.insert(arrival);
        self.end_turn(source);
    }

    /// It doesn't wait any more. `used` bytes count against the source's turns.
    pub fn unqueue(&mut self, source: Source, arrival: Arrival, claim: Claim, used: u64) {
        let Some(lane) = self.lanes.get_mut(&source) else { return };
        lane.ranked.remove(claim, arrival);
        lane.arrivals.remove(&arrival);
        lane.deficit -= used as i64;
        if lane.arrivals.is_empty() {
            lane.deficit = 0;
            if let Some(turn) = lane.turn.take() {
                self.turns.remove(&turn);
            }
        }
    }

    /// Begins the turn of whoever is next, who leaves the line until the turn is [ended](Self::end_turn) or
    /// [interrupted](Self::interrupt_turns).
    pub fn begin_turn(&mut self) -> Option<Source> {
        let (_, source) = self.turns.pop_first()?;
        let lane = self.lanes.get_mut(&source).expect("who has a turn has a lane");
        lane.turn = None;
        lane.deficit += TURN_BYTES;
        Some(source)
    }

    /// What the source may bring in in its turn: its next, if the turn pays for what that is charged.
    pub fn next_paid(&self, source: Source, now: Time, charge: impl Fn(Arrival) -> u64) -> Option<Arrival> {
        let lane = self.of(source)?;
        lane.next(now).filter(|arrival| charge(*arrival) as i64 <= lane.deficit)
    }

    /// Counts something that the source brought in in its turn.
    pub fn brought_in(&mut self, source: Source) {
        if let Some(lane) = self.lanes.get_mut(&source) {
            lane.turns_used += 1;
        }
    }

    /// The source goes to the end of the line, if anything of it still waits.
    pub fn end_turn(&mut self, source: Source) {
        let last = self.turns.last_key_value().map_or(0, |(turn, _)| turn + 1);
        self.put_in_line(source, last);
    }

    /// These go on with their turns before all others, in this order.
    pub fn interrupt_turns(&mut self, sources: &[Source]) {
        for source in sources.iter().rev() {
            let first = self.turns.first_key_value().map_or(0, |(turn, _)| turn - 1);
            if let Some(lane) = self.put_in_line(*source, first) {
                // What its next turn begins with.
                lane.deficit -= TURN_BYTES;
            }
        }
    }

    fn put_in_line(&mut self, source: Source, place: i64) -> Option<&mut Lane> {
        let lane = self.lanes.get_mut(&source).filter(|lane| !lane.arrivals.is_empty() && lane.turn.is_none())?;
        lane.turn = Some(place);
        self.turns.insert(place, source);
        Some(lane)
    }
}
