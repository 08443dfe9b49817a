//! Which received snapshots still have to be verified.
//!
//! The same snapshot comes more than once: from its author, from whoever answers a request for it, and again when a busy
//! node asked a second time because its first answer was still being verified. Verifying is by far the dearest thing that
//! a node does with a snapshot, so each is verified once; what is being verified, or was a moment ago, is remembered by
//! the digest of its bytes, for as long as the machine keeps it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Weak};

use byway_kernel::VerifiedSnapshot;
use byway_primitives::Hash;
use byway_primitives::hash::Context;

const BYTES: Context = Context("byway 1 kernel node: received snapshot");
/// Snapshots remembered: some seconds of the largest kernel at its fastest.
const REMEMBERED: usize = 8192;

#[derive(Debug, Default)]
pub(super) struct Intake {
    known: BTreeMap<Hash, State>,
    order: VecDeque<Hash>,
}

#[derive(Debug)]
enum State {
    BeingVerified,
    Verified(Weak<VerifiedSnapshot>),
}

/// What arrived, sorted by what is left to do.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    /// To be verified; report with [`Intake::done`].
    pub fresh: Vec<(Hash, Arc<[u8]>)>,
    pub verified: Vec<Arc<VerifiedSnapshot>>,
}

impl State {
    /// The snapshot, if it is verified and still kept.
    fn snapshot(&self) -> Option<Arc<VerifiedSnapshot>> {
        match self {
            Self::BeingVerified => None,
            Self::Verified(snapshot) => snapshot.upgrade(),
        }
    }
}

impl Intake {
    pub fn sort(&mut self, snapshots: Vec<Arc<[u8]>>) -> Sorted {
        let mut sorted = Sorted::default();
        for bytes in snapshots {
            let digest = BYTES.hash(&[&bytes]);
            if let Some(State::BeingVerified) = self.known.get(&digest) {
                continue;
            }
            match self.known.get(&digest).and_then(State::snapshot) {
                Some(snapshot) => sorted.verified.push(snapshot),
                None => {
                    self.remember(digest);
                    sorted.fresh.push((digest, bytes));
                }
            }
        }
        sorted
    }

    /// A snapshot was verified; `None` if it is not good, and then it is judged anew if it comes again.
    pub fn done(&mut self, digest: Hash, snapshot: Option<Arc<VerifiedSnapshot>>) {
        match snapshot {
            Some(snapshot) => {
                if let Some(state) = self.known.get_mut(&digest) {
                    *state = State::Verified(Arc::downgrade(&snapshot));
                }
            }
            None => {
                self.known.remove(&digest);
            }
        }
    }

    fn remember(&mut self, digest: Hash) {
        if self.known.insert(digest, State::BeingVerified).is_some() {
            return;
        }
        self.order.push_back(digest);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(number: u32) -> Arc<[u8]> {
        number.to_le_bytes().as_slice().into()
    }

    #[test]
    fn what_is_being_verified_is_not_verified_twice() {
        let mut intake = Intake::default();
        let first = intake.sort(vec![bytes(1), bytes(2), bytes(1)]);
        assert_eq!(first.fresh.len(), 2);
        assert!(intake.sort(vec![bytes(2)]).fresh.is_empty());
        intake.done(first.fresh[0].0, None);
        assert_eq!(intake.sort(vec![bytes(1)]).fresh.len(), 1, "a bad one is judged anew");
    }

    #[test]
    fn memory_is_bounded() {
        let mut intake = Intake::default();
        for number in 0..2 * REMEMBERED as u32 {
            intake.sort(vec![bytes(number)]);
        }
        assert!(intake.known.len() <= REMEMBERED);
        assert_eq!(intake.sort(vec![bytes(0)]).fresh.len(), 1, "the oldest was forgotten");
    }
}
