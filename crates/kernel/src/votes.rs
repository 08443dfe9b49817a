//! Checkpoint votes and the certificates that they make.
//!
//! A node that has executed a checkpoint signs its digest; the vote rides in its next snapshot, which is durable before
//! it is sent. Votes are counted as soon as their snapshot is accepted, committed or not: a vote says what its author
//! has executed, and that is already final.
//!
//! **Across epochs.** A checkpoint is certified by the members of the epoch in which it was made, the one that closes an
//! epoch included. Its votes may come when that epoch's graph is over already: in snapshots of the next one, from members
//! that are still there under the same key, and by themselves ([`SyncMessage::Votes`](crate::message::SyncMessage)) from
//! everyone. Who comes later is given the certificate.
//!
//! **Contradictions.** Executing is deterministic, so who votes for two checkpoints of one height, or for another than the
//! certified one, breaks the rules (row K4). Of the snapshots that show it the references are remembered until
//! [`Votes::take_contradictions`]. Votes on checkpoints that were certified long ago are not looked at.

use std::collections::{BTreeMap, BTreeSet};

use byway_crypto::node::NodeSignature;
use byway_crypto::{NodeKey, NodeSecret, Purpose};
use byway_primitives::{Hash, NetworkId};
use byway_records::{Certificate, Checkpoint, Epoch, Height};

use crate::committee::MemberIndex;
use crate::news::Fatal;
use crate::snapshot::{Reference, VOTES_MAX, Vote};

/// Heights ahead of what was executed here for which votes are kept: as many checkpoints as one commit can be cut into that
/// takes gigabytes, with fifty votes each some ten megabytes. A node that is further behind finds them in the snapshots it
/// replays.
const AHEAD_MAX: u64 = 1_024;
/// Certificates that are remembered, for votes that come late and are false. A snapshot that is older than so many checkpoints
/// is below the horizon, or nearly.
const CERTIFIED_MAX: usize = 16;
/// Contradictions that wait to be brought before the ledger; a member is accused of one at a time.
const CONTRADICTIONS_MAX: usize = 64;

/// See the [module](self).
#[derive(Debug)]
pub struct Votes {
    network: NetworkId,
    /// Who certifies: by the first height that is theirs.
    epochs: BTreeMap<Height, Epoch>,
    executed: Height,
    /// Executed here and not certified.
    open: BTreeMap<Height, (Checkpoint, Hash)>,
    /// Of those, the ones without a vote of ours in a snapshot of this run.
    unsent: BTreeSet<Height>,
    cast: BTreeMap<Height, BTreeMap<MemberIndex, Cast>>,
    /// The newest certificates, and the epochs that made them.
    certified: BTreeMap<Height, (u32, Certificate)>,
    contradictions: Vec<Contradiction>,
}

/// A vote that counts.
#[derive(Debug, Clone, Copy)]
struct Cast {
    digest: Hash,
    signature: NodeSignature,
    /// The snapshot that carries it; `None` if it came by itself.
    carrier: Option<Reference>,
}

/// Votes of one member that can't all be honest, by the snapshots that carry them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contradiction {
    /// For two checkpoints of one height, which the members of `epoch` certify.
    Two { epoch: u32, height: Height, first: Reference, second: Reference },
    /// For another checkpoint than the one that the members of `epoch` certified.
    Certified { carrier: Reference, epoch: u32, certificate: Certificate },
}

impl Votes {
    /// Begins with an epoch whose members certify the checkpoints after `after`.
    pub fn new(network: NetworkId, epoch: Epoch, after: Height) -> Self {
        Self {
            network,
            epochs: BTreeMap::from([(after.next(), epoch)]),
            executed: Height::GENESIS,
            open: BTreeMap::new(),
            unsent: BTreeSet::new(),
            cast: BTreeMap::new(),
            certified: BTreeMap::new(),
            contradictions: Vec::new(),
        }
    }

    /// What was seen to contradict itself or a certificate since this was last asked for.
    pub fn take_contradictions(&mut self) -> Vec<Contradiction> {
        std::mem::take(&mut self.contradictions)
    }

    /// The newest checkpoint executed here.
    pub fn executed(&self) -> Height {
        self.executed
    }

    /// The lowest checkpoint that was executed here and is not certified.
    pub fn first_open(&self) -> Option<Height> {
        self.open.first_key_value().map(|(height, _)| *height)
    }

    /// Notes a certified checkpoint that this node has taken without executing what led there: it has no vote on it.
    pub fn followed(&mut self, height: Height) {
        self.executed = height.max(self.executed);
        self.cast.remove(&height);
    }

    /// Whether a vote waits for an own snapshot.
    pub fn is_vote_due(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Notes where a restarted node stands.
    pub fn resume(&mut self, executed: Height) {
        self.executed = executed;
    }

    /// Notes an epoch before the present one, whose members certify the checkpoints after `after`.
    pub fn resume_epoch(&mut self, epoch: Epoch, after: Height) {
        self.epochs.insert(after.next(), epoch);
    }

    /// The members of `epoch` certify the checkpoints after `after`.
    pub fn turn(&mut self, epoch: Epoch, after: Height) {
        // Whoever voted ahead of time was of another epoch than those who may.
        self.cast.retain(|height, _| *height <= after);
        self.epochs.insert(after.next(), epoch);
        self.forget_epochs();
    }

    /// Notes a checkpoint executed here, and certifies it if others have voted already.
    pub fn execute(&mut self, checkpoint: Checkpoint) -> Result<Option<Certificate>, Fatal> {
        let height = checkpoint.height;
        self.executed = height.max(self.executed);
        self.open.insert(height, (checkpoint, checkpoint.digest()));
        self.unsent.insert(height);
        self.certify(height)
    }

    /// Counts a vote that the holder of `key` has signed, as whose seat `voter` was given, and that came in the snapshot
    /// `carrier` if in any. Of two different ones for one height the first counts.
    pub fn count(
        &mut self,
        voter: MemberIndex,
        key: NodeKey,
        vote: &Vote,
        carrier: Option<Reference>,
    ) -> Result<Option<Certificate>, Fatal> {
        if let Some(carrier) = carrier {
            self.compare(voter, key, vote, carrier);
        }
        let is_ahead = vote.height > self.executed && vote.height.0 <= self.executed.0 + AHEAD_MAX;
        if !is_ahead && !self.open.contains_key(&vote.height) || self.voter_key(vote.height, voter) != Some(key) {
            return Ok(None);
        }
        let cast = Cast { digest: vote.digest, signature: vote.signature, carrier };
        self.cast.entry(vote.height).or_default().entry(voter).or_insert(cast);
        self.certify(vote.height)
    }

    /// Holds a vote against what its voter has said before, and against what is certified.
    fn compare(&mut self, voter: MemberIndex, key: NodeKey, vote: &Vote, carrier: Reference) {
        let height = vote.height;
        let before = self.cast.get(&height).and_then(|cast| cast.get(&voter));
        if let Some((epoch, certificate)) = self.certified.get(&height) {
            let had_vote = self.voter_key(height, voter) == Some(key);
            if had_vote && certificate.checkpoint.digest() != vote.digest {
                let (epoch, certificate) = (*epoch, certificate.clone());
                self.contradict(Contradiction::Certified { carrier, epoch, certificate });
            }
        } else if let Some(Cast { carrier: Some(first), .. }) = before.filter(|cast| cast.digest != vote.digest) {
            let (first, epoch) = (*first, self.epoch_at(height).map_or(0, |epoch| epoch.number));
            self.contradict(Contradiction::Two { epoch, height, first, second: carrier });
        }
    }

    fn contradict(&mut self, contradiction: Contradiction) {
        if self.contradictions.len() < CONTRADICTIONS_MAX {
            self.contradictions.push(contradiction);
        }
    }

    /// Counts a vote that came by itself, if it is one.
    pub fn count_unverified(&mut self, voter: MemberIndex, vote: &Vote) -> Result<Option<Certificate>, Fatal> {
        let Some(key) = self.voter_key(vote.height, voter).filter(|_| self.open.contains_key(&vote.height)) else {
            return Ok(None);
        };
        if !key.signed(Purpose::Checkpoint, self.network, &vote.digest.0, vote.signature).verifies() {
            return Ok(None);
        }
        self.count(voter, key, vote, None)
    }

    /// Takes a certificate that others have made, if it is one and lacks here.
    pub fn take_certificate(&mut self, certificate: Certificate) -> Result<Option<Certificate>, Fatal> {
        let height = certificate.checkpoint.height;
        let (Some((_, own)), Some(epoch)) = (self.open.get(&height), self.epoch_at(height)) else { return Ok(None) };
        if certificate.verify(self.network, &epoch.seats).is_err() {
            return Ok(None);
        }
        let certified = certificate.checkpoint.digest();
        if certified != *own {
            return Err(Fatal::Divergence { height, own: *own, certified });
        }
        self.certified(&certificate);
        Ok(Some(certificate))
    }

    /// The votes for the next own snapshot.
    pub fn take(&mut self, secret: &NodeSecret) -> Vec<Vote> {
        let heights: Vec<Height> = self.unsent.iter().take(VOTES_MAX).copied().collect();
        let vote = |height: Height| {
            self.unsent.remove(&height);
            self.sign(height, secret)
        };
        heights.into_iter().filter_map(vote).collect()
    }

    /// Own votes on checkpoints of epochs that are over, as long as they are not certified here. Who had no vote on them says the same:
    /// that counts nowhere, and whoever has the certificate shows it.
    pub fn of_past_epochs(&self, secret: &NodeSecret) -> Vec<Vote> {
        let Some((present, _)) = self.epochs.last_key_value() else { return Vec::new() };
        let past = self.open.range(..*present).take(VOTES_MAX);
        past.map(|(height, (_, digest))| self.vote(*height, *digest, secret)).collect()
    }

    /// Whether a checkpoint of an epoch that is over is not certified yet.
    pub fn is_past_open(&self) -> bool {
        let present = self.epochs.last_key_value().map(|(present, _)| *present);
        present.is_some_and(|present| self.open.range(..present).next().is_some())
    }

    fn sign(&self, height: Height, secret: &NodeSecret) -> Option<Vote> {
        let (_, digest) = self.open.get(&height)?;
        // Whoever had no part in the checkpoint's epoch, or another key then, has no vote.
        let seat = self.epoch_at(height)?.seats.seat_of(secret.public())?;
        self.voter_key(height, MemberIndex(seat))?;
        Some(self.vote(height, *digest, secret))
    }

    fn vote(&self, height: Height, digest: Hash, secret: &NodeSecret) -> Vote {
        Vote { height, digest, signature: secret.sign(Purpose::Checkpoint, self.network, &digest.0) }
    }

    /// The number of the epoch that certifies this height; `None` for one that is over and done with.
    pub fn epoch_number_at(&self, height: Height) -> Option<u32> {
        self.epoch_at(height).map(|epoch| epoch.number)
    }

    fn epoch_at(&self, height: Height) -> Option<&Epoch> {
        self.epochs.range(..=height).next_back().map(|(_, epoch)| epoch)
    }

    /// With which key `voter` votes on a checkpoint; `None` if it has no vote.
    fn voter_key(&self, height: Height, voter: MemberIndex) -> Option<NodeKey> {
        let seat = self.epoch_at(height)?.seats.get(voter.0)?;
        seat.standing.counts().then_some(seat.member.key)
    }

    fn certify(&mut self, height: Height) -> Result<Option<Certificate>, Fatal> {
        let (Some((checkpoint, own)), Some(cast)) = (self.open.get(&height), self.cast.get(&height)) else {
            return Ok(None);
        };
        let quorum = self.epoch_at(height).map_or(usize::MAX, |epoch| epoch.seats.quorum());
        let agreeing = |digest: Hash| cast.iter().filter(move |(_, cast)| cast.digest == digest);
        let certified = cast.values().map(|cast| cast.digest).find(|digest| agreeing(*digest).count() >= quorum);
        let Some(certified) = certified else { return Ok(None) };
        if certified != *own {
            return Err(Fatal::Divergence { height, own: *own, certified });
        }
        let signatures = agreeing(certified).take(quorum).map(|(voter, cast)| (voter.0, cast.signature));
        let certificate = Certificate { checkpoint: *checkpoint, signatures: signatures.collect() };
        self.certified(&certificate);
        Ok(Some(certificate))
    }

    /// Nobody's vote is needed any more, and who voted otherwise was wrong.
    fn certified(&mut self, certificate: &Certificate) {
        let (height, digest) = (certificate.checkpoint.height, certificate.checkpoint.digest());
        let epoch = self.epoch_at(height).map_or(0, |epoch| epoch.number);
        for cast in self.cast.remove(&height).into_iter().flat_map(BTreeMap::into_values) {
            if let Some(carrier) = cast.carrier.filter(|_| cast.digest != digest) {
                self.contradict(Contradiction::Certified { carrier, epoch, certificate: certificate.clone() });
            }
        }
        self.certified.insert(height, (epoch, certificate.clone()));
        if self.certified.len() > CERTIFIED_MAX {
            self.certified.pop_first();
        }
        self.open.remove(&height);
        self.unsent.remove(&height);
        self.forget_epochs();
    }

    /// Forgets epochs whose checkpoints are all certified.
    fn forget_epochs(&mut self) {
        let needed = self.open.first_key_value().map_or(self.executed.next(), |(height, _)| *height);
        let Some(first) = self.epochs.range(..=needed).next_back().map(|(first, _)| *first) else { return };
        self.epochs = self.epochs.split_off(&first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drawn::{NETWORK, epoch, secret};
    use byway_primitives::Time;

    fn fresh() -> Votes {
        Votes::new(NETWORK, epoch(7), Height::GENESIS)
    }

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
            certificate =
                certificate.or(votes.count(member, secret(member.0).public(), &vote, None).expect("no divergence"));
        }
        certificate
    }

    #[test]
    fn a_quorum_certifies_before_or_after_the_own_execution() {
        let checkpoint = checkpoint(1, 1);
        let mut votes = fresh();
        assert_eq!(votes.execute(checkpoint), Ok(None));
        assert!(votes.is_vote_due());
        assert_eq!(count(&mut votes, 0..4, &checkpoint), None);
        assert_eq!(count(&mut votes, 0..4, &checkpoint), None, "nobody counts twice");
        let certificate = count(&mut votes, 4..5, &checkpoint).expect("five");
        assert_eq!(certificate.signatures.len(), 5);
        assert!(!votes.is_vote_due(), "nobody needs our vote any more");

        let mut late = fresh();
        assert_eq!(count(&mut late, 0..5, &checkpoint), None);
        assert_eq!(late.execute(checkpoint), Ok(Some(certificate)));
    }

    #[test]
    fn minorities_for_another_checkpoint_change_nothing_and_a_quorum_for_it_stops_the_node() {
        let (own, other) = (checkpoint(1, 1), checkpoint(1, 2));
        let mut votes = fresh();
        assert_eq!(votes.execute(own), Ok(None));
        assert_eq!(count(&mut votes, 0..2, &other), None);
        assert!(count(&mut votes, 2..7, &own).is_some());

        let mut diverged = fresh();
        assert_eq!(diverged.execute(own), Ok(None));
        assert_eq!(count(&mut diverged, 0..4, &other), None);
        let (member, vote) = vote(4, &other);
        let fatal = Fatal::Divergence { height: Height(1), own: own.digest(), certified: other.digest() };
        assert_eq!(diverged.count(member, secret(member.0).public(), &vote, None), Err(fatal));
    }

    #[test]
    fn votes_far_ahead_are_not_hoarded() {
        let mut votes = fresh();
        count(&mut votes, 0..7, &checkpoint(AHEAD_MAX + 1, 1));
        assert!(votes.cast.is_empty());
        count(&mut votes, 0..7, &checkpoint(AHEAD_MAX, 1));
        assert_eq!(votes.cast.len(), 1);
    }

    /// Epoch 1 has lost members 5 and 6, and member 4 has another key there.
    #[test]
    fn the_checkpoint_that_closes_an_epoch_is_certified_by_its_own_members() {
        let (closing, first) = (checkpoint(3, 1), checkpoint(4, 1));
        let mut votes = fresh();
        votes.resume(Height(2));
        assert_eq!(votes.execute(closing), Ok(None));
        let mut next = Epoch { number: 1, ..epoch(7) };
        next.seats.free(5);
        next.seats.free(6);
        next.seats.get_mut(4).expect("taken").member.key = secret(40).public();
        votes.turn(next, Height(3));
        assert!(votes.is_past_open());
        assert_eq!(votes.of_past_epochs(&secret(5)), [vote(5, &closing).1]);
        assert_eq!(count(&mut votes, 0..4, &closing), None);
        let by_new_key = Vote {
            signature: secret(40).sign(Purpose::Checkpoint, NETWORK, &closing.digest().0),
            ..vote(4, &closing).1
        };
        assert_eq!(votes.of_past_epochs(&secret(40)), [by_new_key], "the new key had no vote, and asks");
        assert_eq!(votes.count(MemberIndex(4), secret(40).public(), &by_new_key, None), Ok(None));
        assert_eq!(votes.count_unverified(MemberIndex(4), &by_new_key), Ok(None), "that key had no vote");
        assert_eq!(votes.count_unverified(MemberIndex(5), &vote(6, &closing).1), Ok(None), "a vote is its signer's");
        let mut late = Votes::new(NETWORK, epoch(7), Height::GENESIS);
        late.resume(Height(2));
        assert_eq!(late.execute(closing), Ok(None));
        let certificate =
            votes.count_unverified(MemberIndex(5), &vote(5, &closing).1).expect("no divergence").expect("five");
        assert!(!votes.is_past_open());
        assert_eq!(late.take_certificate(certificate.clone()), Ok(Some(certificate.clone())));
        assert_eq!(late.take_certificate(certificate), Ok(None), "it is known");
        // The next one is of those that are left: four of five.
        assert_eq!(votes.execute(first), Ok(None));
        assert_eq!(count(&mut votes, 5..7, &first), None, "they have left");
        assert_eq!(count(&mut votes, 0..3, &first), None);
        let fourth =
            Vote { signature: secret(40).sign(Purpose::Checkpoint, NETWORK, &first.digest().0), ..vote(4, &first).1 };
        assert!(votes.count(MemberIndex(4), secret(40).public(), &fourth, None).expect("no divergence").is_some());
    }

    #[test]
    fn who_contradicts_itself_or_a_certificate_is_noted() {
        let (own, other) = (checkpoint(1, 1), checkpoint(1, 2));
        let carrier = |voter, round| Reference { round, author: MemberIndex(voter), hash: Hash::ZERO };
        let cast = |votes: &mut Votes, voter: u8, of: &Checkpoint, round| {
            let (member, vote) = vote(voter, of);
            let counted = votes.count(member, secret(voter).public(), &vote, Some(carrier(voter, round)));
            counted.expect("no divergence")
        };
        let mut votes = fresh();
        assert_eq!(votes.execute(own), Ok(None));
        cast(&mut votes, 0, &own, 1);
        cast(&mut votes, 0, &own, 2);
        assert_eq!(votes.take_contradictions(), [], "saying it again is nothing");
        cast(&mut votes, 0, &other, 3);
        let two = Contradiction::Two { epoch: 0, height: Height(1), first: carrier(0, 1), second: carrier(0, 3) };
        assert_eq!(votes.take_contradictions(), [two]);
        cast(&mut votes, 6, &other, 1);
        assert_eq!(votes.take_contradictions(), [], "nobody knows yet who is right");
        let certificate = (1..5).find_map(|voter| cast(&mut votes, voter, &own, 1)).expect("five");
        let against = |carrier| Contradiction::Certified { carrier, epoch: 0, certificate: certificate.clone() };
        assert_eq!(votes.take_contradictions(), [against(carrier(6, 1))]);
        cast(&mut votes, 5, &own, 1);
        cast(&mut votes, 6, &other, 4);
        assert_eq!(votes.take_contradictions(), [against(carrier(6, 4))], "a late vote too");
    }

    #[test]
    fn a_false_certificate_is_none() {
        let own = checkpoint(1, 1);
        let mut votes = fresh();
        assert_eq!(votes.execute(own), Ok(None));
        let signatures = (0..5).map(|voter| (voter, vote(voter, &own).1.signature)).collect();
        let certificate = Certificate { checkpoint: own, signatures };
        let mut forged = certificate.clone();
        forged.signatures[2].1 = forged.signatures[1].1;
        let mut short = certificate.clone();
        short.signatures.pop();
        for bad in [forged, short] {
            assert_eq!(votes.take_certificate(bad), Ok(None));
        }
        assert!(votes.take_certificate(certificate).expect("no divergence").is_some());
    }
}
