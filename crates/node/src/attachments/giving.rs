//! How many files are given at one time, and to whom: whoever reads slowly holds up only themselves.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use byway_primitives::IdentityId;

/// Files that are given at one time, …
const GIVEN_MAX: usize = 32;
/// … and to one peer.
const GIVEN_EACH_MAX: usize = 4;

/// To whom how many are given. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Giving(Arc<Mutex<BTreeMap<IdentityId, usize>>>);

/// One that is being given, for as long as this is there.
#[derive(Debug)]
pub struct Given {
    giving: Giving,
    peer: IdentityId,
}

impl Giving {
    /// Another one; `None` where there are too many.
    pub fn begin(&self, peer: IdentityId) -> Option<Given> {
        let mut counts = self.counts();
        let (all, its) = (counts.values().sum::<usize>(), counts.get(&peer).copied().unwrap_or(0));
        if all >= GIVEN_MAX || its >= GIVEN_EACH_MAX {
            return None;
        }
        counts.insert(peer, its + 1);
        Some(Given { giving: self.clone(), peer })
    }

    fn counts(&self) -> MutexGuard<'_, BTreeMap<IdentityId, usize>> {
        // A panic elsewhere leaves the counts as they were.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        let mut counts = self.giving.counts();
        match counts.get_mut(&self.peer) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(counts.remove(&self.peer)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_peer_holds_up_nobody_else_and_what_is_over_counts_no_more() {
        let giving = Giving::default();
        let peer = |number: usize| IdentityId([number as u8; 20]);
        let begin =
            |number: usize, count: usize| (0..count).map_while(|_| giving.begin(peer(number))).collect::<Vec<_>>();
        let first = begin(1, 100);
        assert_eq!(first.len(), GIVEN_EACH_MAX);
        let others: Vec<Vec<Given>> = (2..100).map(|number| begin(number, GIVEN_EACH_MAX)).collect();
        assert_eq!(others.iter().map(Vec::len).sum::<usize>() + first.len(), GIVEN_MAX);
        drop(first);
        assert_eq!(begin(200, 100).len(), GIVEN_EACH_MAX);
        drop(others);
        assert!(giving.counts().is_empty());
    }
}
