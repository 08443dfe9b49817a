//! What this node saw lately, for pages that draw it: snapshots with what they reference, and commits.
//!
//! Everything is numbered in the order in which it changed, so that a page can ask for what is new. A busy kernel makes
//! more rounds than can be drawn or than are worth sending, so they are thinned out here, at the source: of each second
//! some rounds that follow each other are kept whole, enough to see a snapshot referenced, certified and committed, and
//! the rest is left out. A quiet kernel is kept completely.

use std::collections::{BTreeMap, VecDeque};

use byway_kernel::follower::protocol::{PULSE_MAX, Pulse, PulseCommit, PulseSnapshot};
use byway_kernel::{Committed, Reference, VerifiedSnapshot};
use byway_ledger::Verdict;
use byway_primitives::{Span, Time};

/// Commits remembered: some seconds of a busy kernel, of which the rate of transactions is counted.
const COMMITS_REMEMBERED: usize = PULSE_MAX;
/// Rounds kept at most, and at least where the kernel is so large that [`PULSE_MAX`] snapshots are fewer.
const ROUNDS_MAX: usize = 32;
const ROUNDS_MIN: usize = 8;
/// Rounds that are kept one after the other: a leader, votes, certificates, and the same for two leaders more.
const BURST_ROUNDS: u64 = 6;
/// How often that many are kept.
const BURST_PERIOD: Span = Span::seconds(1);

#[derive(Debug)]
pub(super) struct PulseLog {
    next: u64,
    snapshots_max: usize,
    snapshots: BTreeMap<Reference, (u64, PulseSnapshot)>,
    commits: VecDeque<(u64, PulseCommit)>,
    burst: Burst,
}

/// Which rounds are kept.
#[derive(Debug, Default)]
struct Burst {
    /// Its first round.
    first: u64,
    since: Time,
    /// The newest round of which something was left out.
    skipped: u64,
}

impl PulseLog {
    pub fn new(members: usize) -> Self {
        let rounds = (PULSE_MAX / members.max(1)).clamp(ROUNDS_MIN, ROUNDS_MAX);
        Self {
            next: 0,
            snapshots_max: (rounds * members).min(PULSE_MAX),
            snapshots: BTreeMap::new(),
            commits: VecDeque::new(),
            burst: Burst::default(),
        }
    }

    pub fn saw(&mut self, now: Time, snapshot: &VerifiedSnapshot) {
        let (header, reference) = (snapshot.header(), snapshot.reference());
        if self.snapshots.contains_key(&reference) || !self.keeps(now, header.round) {
            return;
        }
        let seen = PulseSnapshot {
            author: header.author,
            round: header.round,
            time: header.time,
            transactions: snapshot.transactions().len() as u32,
            hash: snapshot.hash(),
            references: header.references.iter().map(|(author, _)| *author).collect(),
            commit: None,
        };
        let number = self.number();
        self.snapshots.insert(reference, (number, seen));
        while self.snapshots.len() > self.snapshots_max {
            self.snapshots.pop_first();
        }
    }

    pub fn committed(&mut self, committed: &Committed) {
        let decided = committed.verdicts.iter().filter(|(_, verdict)| *verdict != Verdict::Repeated).count();
        let commit = PulseCommit {
            index: committed.index,
            time: committed.time,
            transactions: decided as u32,
            leader: committed.leader.author,
            round: committed.leader.round,
        };
        let number = self.number();
        self.commits.push_back((number, commit));
        if self.commits.len() > COMMITS_REMEMBERED {
            self.commits.pop_front();
        }
        for reference in &committed.snapshots {
            if let Some((changed, snapshot)) = self.snapshots.get_mut(reference) {
                snapshot.commit = Some(committed.index);
                *changed = number;
            }
        }
    }

    /// Everything that changed from number `since` on and is still remembered.
    pub fn since(&self, since: u64) -> Pulse {
        let newer = |number: &u64| *number >= since;
        let snapshots = self.snapshots.values().filter(|(n, _)| newer(n));
        Pulse {
            next: self.next,
            snapshots: snapshots.map(|(_, snapshot)| snapshot.clone()).collect(),
            commits: self.commits.iter().filter(|(n, _)| newer(n)).map(|(_, commit)| *commit).collect(),
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// Whether a snapshot of this round is kept. One that comes late is where its round is.
    fn keeps(&mut self, now: Time, round: u64) -> bool {
        if round >= self.burst.first {
            return self.burst.keeps(now, round);
        }
        self.snapshots.keys().any(|kept| kept.round == round)
    }
}

impl Burst {
    fn keeps(&mut self, now: Time, round: u64) -> bool {
        if round >= self.first + BURST_ROUNDS && now >= self.since + BURST_PERIOD && round > self.skipped {
            (self.first, self.since) = (round, now);
        }
        let keeps = round < self.first + BURST_ROUNDS;
        if !keeps {
            self.skipped = self.skipped.max(round);
        }
        keeps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounds that come every so many milliseconds for ten seconds: how many are kept, and how many at least follow each
    /// other.
    fn check(pace_ms: u64, kept: std::ops::RangeInclusive<usize>) {
        let mut burst = Burst::default();
        let rounds = (1..=10_000 / pace_ms).filter(|round| {
            let start = Time(50_000 + round * pace_ms);
            // Seven snapshots of a round arrive one after the other; either all are kept or none.
            let all: Vec<bool> = (0..7).map(|nth| burst.keeps(Time(start.0 + nth), *round)).collect();
            assert!(all.iter().all(|keeps| *keeps == all[0]), "round {round} is kept in part: {all:?}");
            all[0]
        });
        let rounds: Vec<u64> = rounds.collect();
        assert!(kept.contains(&rounds.len()), "{} rounds kept at a pace of {pace_ms} ms", rounds.len());
        let runs = rounds.chunk_by(|a, b| a + 1 == *b);
        let whole = runs.filter(|run| run.len() as u64 >= BURST_ROUNDS).count();
        assert!(whole > 0, "no whole burst among {rounds:?}");
    }

    #[test]
    fn a_quiet_kernel_is_kept_whole_and_a_busy_one_thinned_out() {
        check(1000, 10..=10);
        check(200, 50..=50);
        check(100, 54..=66);
        check(20, 54..=66);
        check(4, 54..=66);
    }
}
