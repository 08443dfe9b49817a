//! A node's disk: what is written is visible at once, durable later, and lost in a crash in between.

use std::collections::VecDeque;

use byway_primitives::{Batch, MemoryStore, Token};

use crate::random::Random;

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

    /// As [`crash`](Self::crash), with any number of survivors.
    pub fn crash_somewhere(&mut self, random: &mut Random) {
        let surviving = random.below(self.pending.len() as u64 + 1);
        self.crash(surviving as usize);
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
}
