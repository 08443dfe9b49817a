//! Followed ledgers against the kernel's.

use std::collections::BTreeMap;

use byway_kernel::follower::{Follower, PROGRAMS};
use byway_ledger::difference::state_root;
use byway_ledger::{ProgramRoot, StateTree};
use byway_primitives::Hash;
use byway_records::{Height, ProgramId};

use crate::peer::PeerNews;

/// Panics when one of these does not hold:
///
/// - a follower's tip is the checkpoint that honest kernel nodes certified for that height;
/// - its copies of all programs, hashed anew entry by entry, give the state root of that checkpoint;
/// - it never goes back, but in a crash to what was durable;
/// - it accuses no kernel node that tells the truth.
pub struct FollowerChecks {
    seed: u64,
    /// Which kernel nodes tell their clients the truth.
    truthful: Vec<bool>,
    /// The newest height of each follower in this life.
    heights: Vec<Height>,
    /// Checkpoints that a follower believes and no honest node has seen certified yet: a quorum's certificate may be
    /// complete at a node that is an adversary first.
    early: BTreeMap<Height, Hash>,
    /// How often a follower's ledger was compared with the kernel's, over all followers.
    pub compared: u64,
    /// By follower, the kernel nodes that it accused.
    pub accused: Vec<Vec<u8>>,
}

impl FollowerChecks {
    pub fn new(seed: u64, truthful: Vec<bool>, followers: usize) -> Self {
        Self {
            seed,
            truthful,
            heights: vec![Height::GENESIS; followers],
            early: BTreeMap::new(),
            compared: 0,
            accused: vec![Vec::new(); followers],
        }
    }

    /// How far a follower is.
    pub fn height(&self, follower: usize) -> Height {
        self.heights[follower]
    }

    pub fn opened(&mut self, follower: usize, machine: &Follower) {
        self.heights[follower] = height_of(machine);
    }

    pub fn heard(&mut self, follower: usize, news: &PeerNews) {
        if let PeerNews::Caught { member, lie } = news {
            let is_truthful = self.truthful[usize::from(*member)];
            assert!(!is_truthful, "seed {}: follower {follower} accuses honest node {member}: {lie}", self.seed);
            self.accused[follower].push(*member);
        }
    }

    pub fn look(&mut self, now_us: u64, follower: usize, machine: &Follower, certified: &BTreeMap<Height, Hash>) {
        let (height, place) = (height_of(machine), (self.seed, now_us / 1000));
        let before = std::mem::replace(&mut self.heights[follower], height);
        assert!(height >= before, "seed and ms {place:?}: follower {follower} went from {before} back to {height}");
        if height == before {
            return;
        }
        let tip = machine.tip().expect("a follower that went on has a tip");
        let own = tip.digest();
        let theirs = *certified.get(&height).unwrap_or_else(|| self.early.entry(height).or_insert(own));
        assert_eq!(own, theirs, "seed and ms {place:?}: follower {follower} believes another checkpoint {height}");
        self.early.retain(|early, believed| {
            let known = certified.get(early);
            assert!(known.is_none_or(|known| known == believed), "seed and ms {place:?}: checkpoint {early}");
            known.is_none()
        });
        let root = state_root(&PROGRAMS.map(|program| root_anew(machine, program)));
        assert_eq!(root, tip.state_root, "seed and ms {place:?}: follower {follower} holds something else, {height}");
        self.compared += 1;
    }
}

fn height_of(follower: &Follower) -> Height {
    follower.tip().map_or(Height::GENESIS, |tip| tip.height)
}

/// The root of a program's entries themselves, not of what the copy remembers of them.
fn root_anew(follower: &Follower, program: ProgramId) -> ProgramRoot {
    let copy = follower.tree(program).expect("market nodes follow every program");
    let mut tree = StateTree::new();
    for (key, value) in copy.iter() {
        tree.insert(key.to_vec(), value.to_vec());
    }
    ProgramRoot { program, root: tree.rehash() }
}
