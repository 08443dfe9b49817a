//! Checkpoint votes and the certificates that they make.
//!
//! A node that has executed a checkpoint signs its digest; the vote rides in its next snapshot, which is durable before
//! it is sent. Votes are counted as soon as their snapshot is accepted, committed or not: a vote says what its author
//! has executed, and that is already final.

use std::collections::{BTreeMap, BTreeSet};

use byway_crypto::node::NodeSignature;
use byway_crypto::{NodeSecret, Purpose};
use byway_primitives::{Hash, NetworkId};
use byway_records::{Certificate, Checkpoint, Height};

use crate::committee::MemberIndex;
use crate::news::Fatal;
use crate::snapshot::{VOTES_MAX, Vote};

/// Heights ahead of what was executed here for which votes are kept. A node that is further behind finds them in the
/// snapshots it replays.
const AHEAD_MAX: u64 = 64;

/// See the [module](self).
#[derive(Debug)]
pub struct Votes {
    quorum: usize,
    executed: Height,
    /// Executed here and not certified.
    open: BTreeMap<Height, (Checkpoint, Hash)>,
    /// Of those, the ones without a vote of ours in a snapshot of this run.
    unsent: BTreeSet<Height>,
    cast: BTreeMap<Height, BTreeMap<MemberIndex, (Hash, NodeSignature)>>,
}

impl Votes {
    pub fn new(quorum: usize) -> Self {
        Self {
            quorum,
            executed: Height::GENESIS,
            open: BTreeMap::new(),
            unsent: BTreeSet::new(),
            cast: BTreeMap::new(),
        }
    }

    /// The newest checkpoint executed here.
    pub fn executed(&self) -> Height {
        self.executed
    }

    /// Whether a vote waits for an own snapshot.
    pub fn is_vote_due(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Notes where a restarted node stands.
    pub fn resume(&mut self, executed: Height) {
        self.executed = executed;
    }

    /// Notes a checkpoint executed here, and certifies it if others have voted already.
    pub fn execute(&mut self, checkpoint: Checkpoint) -> Result<Option<Certificate>, Fatal> {
        let height = checkpoint.height;
        self.executed = height.max(self.executed);
        self.open.insert(height, (checkpoint, checkpoint.digest()));
        self.unsent.insert(height);
        self.certify(height)
    }

    /// Counts a vote. Of two different ones for one height the first counts.
    pub fn count(&mut self, voter: MemberIndex, vote: &Vote) -> Result<Option<Certificate>, Fatal> {
        let is_ahead = vote.height > self.executed && vote.height.0 <= self.executed.0 + AHEAD_MAX;
        if !is_ahead && !self.open.contains_key(&vote.height) {
            return Ok(None);
        }
        self.cast.entry(vote.height).or_default().entry(voter).or_insert((vote.digest, vote.signature));
        self.certify(vote.height)
    }

    /// The votes for the next own snapshot.
    pub fn take(&mut self, network: NetworkId, secret: &NodeSecret) -> Vec<Vote> {
        let heights: Vec<Height> = self.unsent.iter().take(VOTES_MAX).copied().collect();
        let vote = |height: Height| {
            self.unsent.remove(&height);
            let (_, digest) = self.open.get(&height)?;
            let signature = secret.sign(Purpose::Checkpoint, network, &digest.0);
            Some(Vote { height, digest: *digest, signature })
        };
        heights.into_iter().filter_map(vote).collect()
    }

    fn certify(&mut self, height: Height) -> Result<Option<Certificate>, Fatal> {
        let (Some((checkpoint, own)), Some(cast)) = (self.open.get(&height), self.cast.get(&height)) else {
            return Ok(None);
        };
        let agreeing = |digest: Hash| cast.iter().filter(move |(_, (voted, _))| *voted == digest);
        let certified =
            cast.values().map(|(digest, _)| *digest).find(|digest| agreeing(*digest).count() >= self.quorum);
        let Some(certified) = certified else { return Ok(None) };
        if certified != *own {
            return Err(Fatal::Divergence { height, own: *own, certified });
        }
        let signatures = agreeing(certified).take(self.quorum).map(|(voter, (_, signature))| (voter.0, *signature));
        let certificate = Certificate { checkpoint: *checkpoint, signatures: signatures.collect() };
        self.open.remove(&height);
        self.unsent.remove(&height);
        self.cast.remove(&height);
        Ok(Some(certificate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drawn::{NETWORK, secret};
    use byway_primitives::Time;

    fn checkpoint(height: u64, state: u8) -> Checkpoint {
        Checkpoint {
            height: Height(height),
            commits: height * 32,
            time: Time(height * 1000),
            previous: Hash::ZERO,
            transactions: 0,
            transactions_root: Hash::ZERO,
            state_root: Hash([state; 32]),
            outputs_digest: Hash::ZERO,
            scan_root: Hash::ZERO,
            epoch_next: Hash::ZERO,
        }
    }

    fn vote(voter: u8, checkpoint: &Checkpoint) -> (MemberIndex, Vote) {
        let digest = checkpoint.digest();
        let signature = secret(voter).sign(Purpose::Checkpoint, NETWORK, &digest.0);
        (MemberIndex(voter), Vote { height: checkpoint.height, digest, signature })
    }

    fn count(votes: &mut Votes, voters: std::ops::Range<u8>, checkpoint: &Checkpoint) -> Option<Certificate> {
        let mut certificate = None;
        for voter in voters {
            let (member, vote) = vote(voter, checkpoint);
            certificate = certificate.or(votes.count(member, &vote).expect("no divergence"));
        }
        certificate
    }

    #[test]
    fn a_quorum_certifies_before_or_after_the_own_execution() {
        let checkpoint = checkpoint(1, 1);
        let mut votes = Votes::new(5);
        assert_eq!(votes.execute(checkpoint), Ok(None));
        assert!(votes.is_vote_due());
        assert_eq!(count(&mut votes, 0..4, &checkpoint), None);
        assert_eq!(count(&mut votes, 0..4, &checkpoint), None, "nobody counts twice");
        let certificate = count(&mut votes, 4..5, &checkpoint).expect("five");
        assert_eq!(certificate.signatures.len(), 5);
        assert!(!votes.is_vote_due(), "nobody needs our vote any more");

        let mut late = Votes::new(5);
        assert_eq!(count(&mut late, 0..5, &checkpoint), None);
        assert_eq!(late.execute(checkpoint), Ok(Some(certificate)));
    }

    #[test]
    fn minorities_for_another_checkpoint_change_nothing_and_a_quorum_for_it_stops_the_node() {
        let (own, other) = (checkpoint(1, 1), checkpoint(1, 2));
        let mut votes = Votes::new(5);
        assert_eq!(votes.execute(own), Ok(None));
        assert_eq!(count(&mut votes, 0..2, &other), None);
        assert!(count(&mut votes, 2..7, &own).is_some());

        let mut diverged = Votes::new(5);
        assert_eq!(diverged.execute(own), Ok(None));
        assert_eq!(count(&mut diverged, 0..4, &other), None);
        let (member, vote) = vote(4, &other);
        let fatal = Fatal::Divergence { height: Height(1), own: own.digest(), certified: other.digest() };
        assert_eq!(diverged.count(member, &vote), Err(fatal));
    }

    #[test]
    fn votes_far_ahead_are_not_hoarded() {
        let mut votes = Votes::new(5);
        count(&mut votes, 0..7, &checkpoint(AHEAD_MAX + 1, 1));
        assert!(votes.cast.is_empty());
        count(&mut votes, 0..7, &checkpoint(AHEAD_MAX, 1));
        assert_eq!(votes.cast.len(), 1);
    }
}
