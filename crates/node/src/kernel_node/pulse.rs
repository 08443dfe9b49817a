//! What this node saw lately: snapshots and commits, numbered in the order of arrival, for pages that draw them.

use std::collections::VecDeque;

use byway_kernel::follower::protocol::{Pulse, PulseCommit, PulseSnapshot};
use byway_kernel::{Committed, VerifiedSnapshot};
use byway_ledger::Verdict;

/// Snapshots and commits remembered, each: half a minute of a busy kernel.
const REMEMBERED: usize = 256;

#[derive(Debug, Default)]
pub(super) struct PulseLog {
    next: u64,
    snapshots: VecDeque<(u64, PulseSnapshot)>,
    commits: VecDeque<(u64, PulseCommit)>,
}

impl PulseLog {
    pub fn saw(&mut self, snapshot: &VerifiedSnapshot) {
        let (header, hash) = (snapshot.header(), snapshot.hash());
        if self.snapshots.iter().any(|(_, seen)| seen.hash == hash) {
            return;
        }
        let seen = PulseSnapshot {
            author: header.author.0,
            round: header.round,
            time: header.time,
            transactions: snapshot.transactions().len() as u32,
            hash,
        };
        self.snapshots.push_back((self.next, seen));
        self.next += 1;
        if self.snapshots.len() > REMEMBERED {
            self.snapshots.pop_front();
        }
    }

    pub fn committed(&mut self, committed: &Committed) {
        let decided = committed.verdicts.iter().filter(|(_, verdict)| *verdict != Verdict::Repeated).count();
        let commit = PulseCommit {
            index: committed.index,
            time: committed.time,
            transactions: decided as u32,
            leader: committed.leader.author.0,
            round: committed.leader.round,
        };
        self.commits.push_back((self.next, commit));
        self.next += 1;
        if self.commits.len() > REMEMBERED {
            self.commits.pop_front();
        }
    }

    /// Everything from number `since` on that is still remembered.
    pub fn since(&self, since: u64) -> Pulse {
        let newer = |number: &u64| *number >= since;
        Pulse {
            next: self.next,
            snapshots: self.snapshots.iter().filter(|(n, _)| newer(n)).map(|(_, snapshot)| *snapshot).collect(),
            commits: self.commits.iter().filter(|(n, _)| newer(n)).map(|(_, commit)| *commit).collect(),
        }
    }
}
