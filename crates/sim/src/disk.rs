//! A node's disk: what is written is visible at once, durable later, and lost in a crash in between.
//!
//! A node may keep several journals on it, told apart by the upper bits of its tokens ([`Journal`]). Each journal
//! survives a crash up to some point of its own, as separate files do.

use std::collections::{BTreeMap, VecDeque};

use byway_primitives::{Batch, MemoryStore, Token};

use crate::random::Random;

/// One of a node's journals. The first is that of machines that know of one only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Journal(pub u8);

/// Where a token's journal stands in it. No run writes 2⁵⁶ batches.
const JOURNAL_SHIFT: u32 = 56;

impl Journal {
    /// The token by which the disk knows batch `number` of this journal.
    pub fn token(self, number: u64) -> Token {
        Token(u64::from(self.0) << JOURNAL_SHIFT | number)
    }

    /// The journal of a token.
    pub fn of(token: Token) -> Self {
        Self((token.0 >> JOURNAL_SHIFT) as u8)
    }
}

/// See the [module](self).
#[derive(Debug, Default)]
pub struct Disk {
    visible: MemoryStore,
    durable: MemoryStore,
    pending: VecDeque<(Token, Batch)>,
    /// How many batches were ever written, over all restarts.
    persists: u64,
}

impl Disk {
    /// What the machine sees.
    pub fn visible(&self) -> &MemoryStore {
        &self.visible
    }

    /// What a crash would leave for certain.
    pub fn durable(&self) -> &MemoryStore {
        &self.durable
    }

    pub fn persists(&self) -> u64 {
        self.persists
    }

    pub fn write(&mut self, token: Token, batch: Batch) {
        self.visible.apply(&batch);
        self.pending.push_back((token, batch));
        self.persists += 1;
    }

    pub fn is_pending(&self, token: Token) -> bool {
        self.pending.iter().any(|(pending, _)| *pending == token)
    }

    /// Makes the oldest pending batch durable.
    pub fn sync_one(&mut self) -> Option<Token> {
        let (token, batch) = self.pending.pop_front()?;
        self.durable.apply(&batch);
        Some(token)
    }

    /// Power fails: of what was not durable yet, the first `surviving` batches happened to reach the disk.
    pub fn crash(&mut self, surviving: usize) {
        for (_, batch) in self.pending.drain(..).take(surviving) {
            self.durable.apply(&batch);
        }
        self.visible = self.durable.clone();
    }

    /// Puts other contents on it.
    pub fn replace(&mut self, contents: MemoryStore) {
        self.pending.clear();
        self.visible = contents.clone();
        self.durable = contents;
    }

    /// As [`crash`](Self::crash), with any number of survivors in each journal.
    pub fn crash_somewhere(&mut self, random: &mut Random) {
        let mut left: BTreeMap<Journal, u64> = BTreeMap::new();
        for (token, _) in &self.pending {
            *left.entry(Journal::of(*token)).or_default() += 1;
        }
        left.values_mut().for_each(|pending| *pending = random.below(*pending + 1));
        self.pending.retain(|(token, _)| {
            let left = left.get_mut(&Journal::of(*token)).expect("every pending journal was counted");
            let survives = *left > 0;
            *left = left.saturating_sub(1);
            survives
        });
        self.crash(usize::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use byway_primitives::{Space, Store};

    const SPACE: Space = Space("test");

    #[test]
    fn a_crash_leaves_a_prefix() {
        for (synced, surviving, expected) in [(0, 0, 0), (1, 0, 1), (1, 2, 3), (3, 9, 4), (4, 0, 4)] {
            let mut disk = Disk::default();
            for number in 0u8..4 {
                let mut batch = Batch::new();
                batch.put(SPACE, [number], [number]);
                disk.write(Token(number.into()), batch);
            }
            assert_eq!(disk.visible().scan(SPACE, &[], 9).len(), 4);
            (0..synced).for_each(|_| assert!(disk.sync_one().is_some()));
            disk.crash(surviving);
            let left: Vec<_> = disk.visible().scan(SPACE, &[], 9).into_iter().map(|(key, _)| key[0]).collect();
            assert_eq!(left, (0..expected).collect::<Vec<u8>>());
            assert_eq!(disk.visible(), disk.durable());
        }
    }

    #[test]
    fn each_journal_survives_up_to_a_point_of_its_own() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..64 {
            let mut disk = Disk::default();
            for number in 0u8..6 {
                let journal = Journal(number % 2);
                let mut batch = Batch::new();
                batch.put(SPACE, [journal.0, number / 2], []);
                disk.write(journal.token(number.into()), batch);
            }
            disk.crash_somewhere(&mut Random::from_seed(seed));
            let left = |journal: u8| disk.visible().scan_prefix(SPACE, &[journal]).len();
            for journal in [0, 1] {
                let kept = disk.visible().scan_prefix(SPACE, &[journal]);
                assert!(kept.iter().zip(0u8..).all(|((key, _), number)| key[1] == number), "a prefix: {kept:?}");
            }
            seen.insert((left(0), left(1)));
        }
        assert!(seen.len() > 8, "one journal's survivors say nothing of the other's: {seen:?}");
    }
}
