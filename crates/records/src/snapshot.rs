//! Snapshots: the vertices of the graph (row K3).
//!
//! A snapshot is a [`Header`] (who, when, on top of what), a batch of transactions, and its author's signature over the
//! digest of both. The encoding is
//!
//! ```text
//! version ‖ author ‖ round ‖ previous? ‖ references ‖ weak references ‖ checkpoint ‖ votes ‖ coin shares ‖ time ‖
//!     transactions ‖ signature
//! ```
//!
//! and the snapshot's hash covers everything before the signature, so a re-encoded signature makes no second snapshot. It
//! is taken over the header and the root of a [range](crate::range) over the transactions: so whoever shows what an author
//! has signed needs to show the header and, if it is about one, that one transaction.
//!
//! The shape ([`Header::check`]) can be judged from the snapshot alone, so that all nodes agree on it whatever else they
//! hold:
//!
//! - in the first round of an [epoch](crate::epoch) nothing is referenced; later, q(n) or more snapshots of the round
//!   before, by distinct authors;
//! - *previous*, the author's own last snapshot, is a parent too, however old it is, and consistent with the references;
//! - *weak references* name older snapshots that nothing of the author's references yet, so that what came late is
//!   committed too: at most n of them, at most one per author and round.
//!
//! Not checked here: that the parents exist (the machine waits for them), that the checkpoint named is not too old,
//! and signatures: that is the kernel's. All of it, field by field, is in `docs/formats/kernel.md`.

use std::fmt;

use byway_crypto::Purpose;
use byway_crypto::node::NodeSignature;
use byway_crypto::threshold::{SignatureShare, ThresholdKey};
use byway_primitives::hash::Context;
use byway_primitives::{Decode, DecodeError, Encode, Hash, NetworkId, Reader, Time, Writer};

use crate::checkpoint::{Height, MEMBERS_MAX};

const SNAPSHOT: Context = Context("byway 1 snapshot");
const TRANSACTION: Context = Context("byway 1 snapshot: transaction");

/// The version that this code writes and reads.
pub const VERSION: u8 = 1;
/// Bytes of one encoded snapshot. One link carries it in 10 ms at 1 Gbit/s, and a round of seven in well under a second
/// at 100 Mbit/s.
pub const SNAPSHOT_BYTES_MAX: usize = 1024 * 1024;
/// Transactions of one snapshot: the byte limit filled with the smallest.
pub const SNAPSHOT_TRANSACTIONS_MAX: usize = 8192;
/// Checkpoint votes of one snapshot. One commit makes at most one checkpoint; a node that catches up has several due.
pub const VOTES_MAX: usize = 16;
/// Weak references of one snapshot: one per node of the largest kernel.
pub const WEAK_REFERENCES_MAX: usize = MEMBERS_MAX;
/// Shares in one snapshot: its own round's, and those of rounds that its author left out. Who left out more goes on with
/// the rest in its next one.
pub const SHARES_MAX: usize = 16;

/// A kernel node's seat.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberIndex(pub u8);

/// Who may sign snapshots, and how many of them make a quorum: what a snapshot's form is judged by.
pub trait Electorate {
    /// n: how many members count.
    fn size(&self) -> usize;

    /// q(n).
    fn quorum(&self) -> usize;

    /// Whether a member's snapshots count.
    fn counts(&self, member: MemberIndex) -> bool;

    /// The first round, whose snapshots reference nothing.
    fn first_round(&self) -> u64;

    /// Whether these members sign snapshots of a round.
    fn has_round(&self, round: u64) -> bool;
}

/// Names a snapshot. The order, by round, author and hash, is the order in which a commit executes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    pub round: u64,
    pub author: MemberIndex,
    pub hash: Hash,
}

/// A vote on a checkpoint. Votes ride in snapshots, so that they arrive, survive and are fetched as those do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vote {
    pub height: Height,
    pub digest: Hash,
    pub signature: NodeSignature,
}

/// A share of the coin of a round, not looked at yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoinShare {
    pub round: u64,
    pub share: SignatureShare,
}

impl CoinShare {
    /// What is signed for the coin of a round. Rounds of different epochs differ.
    pub fn message(round: u64) -> [u8; 8] {
        round.to_be_bytes()
    }

    /// Whether it is the share of `author`.
    pub fn is_good(&self, key: &ThresholdKey, network: NetworkId, author: MemberIndex) -> bool {
        key.verifies(Purpose::Coin, network, &Self::message(self.round), author.0, &self.share)
    }
}

/// A snapshot without its transactions and signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub author: MemberIndex,
    pub round: u64,
    /// Round and hash of the author's own snapshot before; absent in its first.
    pub previous: Option<(u64, Hash)>,
    /// Snapshots of the round before, by rising author.
    pub references: Vec<(MemberIndex, Hash)>,
    /// Older snapshots, rising.
    pub weak_references: Vec<Reference>,
    /// The newest checkpoint that the author has executed. With transactions it must not be too old.
    pub checkpoint: Height,
    /// By rising height.
    pub votes: Vec<Vote>,
    /// The author's shares of coins, by rising round. Where leaders take turns they mean nothing.
    pub coin_shares: Vec<CoinShare>,
    /// The author's clock.
    pub time: Time,
}

/// Why bytes can't be a snapshot of this network: objectively, whatever else one holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotForm {
    #[error("the author, or an author referenced, is not a kernel node whose snapshots count in this epoch")]
    NotAMember,
    #[error("the round is not one of the epoch in force")]
    Round,
    #[error("a snapshot of the first round references nothing")]
    FirstRound,
    #[error("{have} references to the round before, {need} are needed")]
    TooFewReferences { have: usize, need: usize },
    #[error("references are not rising, or two are to one author in one round")]
    ReferenceOrder,
    #[error("the author's own previous snapshot contradicts its references")]
    Previous,
    #[error("a weak reference is not to an older round")]
    WeakReference,
    #[error("too many weak references")]
    TooManyWeakReferences,
    #[error("votes are not by rising height, or too many")]
    Votes,
    #[error("shares of coins are not by rising round up to the snapshot's own, or too many")]
    CoinShares,
}

impl Header {
    pub fn check(&self, committee: &impl Electorate) -> Result<(), SnapshotForm> {
        if !committee.has_round(self.round) {
            return Err(SnapshotForm::Round);
        }
        let named = self.references.iter().map(|(author, _)| *author);
        let mut named = named.chain(self.weak_references.iter().map(|weak| weak.author)).chain([self.author]);
        if !named.all(|author| committee.counts(author)) {
            return Err(SnapshotForm::NotAMember);
        }
        if self.votes.len() > VOTES_MAX || !self.votes.is_sorted_by(|a, b| a.height < b.height) {
            return Err(SnapshotForm::Votes);
        }
        let is_rising = self.coin_shares.is_sorted_by(|a, b| a.round < b.round);
        let rounds = committee.first_round()..=self.round;
        let are_known = self.coin_shares.iter().all(|coin| rounds.contains(&coin.round));
        if self.coin_shares.len() > SHARES_MAX || !is_rising || !are_known {
            return Err(SnapshotForm::CoinShares);
        }
        if self.round == committee.first_round() {
            let alone = self.previous.is_none() && self.references.is_empty() && self.weak_references.is_empty();
            return if alone { Ok(()) } else { Err(SnapshotForm::FirstRound) };
        }
        self.check_references(committee)?;
        self.check_weak_references(committee)
    }

    fn check_references(&self, committee: &impl Electorate) -> Result<(), SnapshotForm> {
        let (have, need) = (self.references.len(), committee.quorum());
        if have < need {
            return Err(SnapshotForm::TooFewReferences { have, need });
        }
        if !self.references.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(SnapshotForm::ReferenceOrder);
        }
        let own = self.referenced(self.author).map(|hash| (self.round - 1, hash));
        let is_consistent = match self.previous {
            Some((round, _)) if (committee.first_round()..self.round - 1).contains(&round) => own.is_none(),
            Some((round, _)) if round == self.round - 1 => own == self.previous,
            Some(_) => false,
            None => own.is_none(),
        };
        if is_consistent { Ok(()) } else { Err(SnapshotForm::Previous) }
    }

    fn check_weak_references(&self, committee: &impl Electorate) -> Result<(), SnapshotForm> {
        if self.weak_references.len() > committee.size() {
            return Err(SnapshotForm::TooManyWeakReferences);
        }
        let older = committee.first_round()..self.round - 1;
        if !self.weak_references.iter().all(|weak| older.contains(&weak.round)) {
            return Err(SnapshotForm::WeakReference);
        }
        let is_rising = self.weak_references.is_sorted_by(|a, b| (a.round, a.author) < (b.round, b.author));
        if is_rising { Ok(()) } else { Err(SnapshotForm::ReferenceOrder) }
    }

    /// The hash of `author`'s snapshot of the round before that this one references.
    pub fn referenced(&self, author: MemberIndex) -> Option<Hash> {
        let position = self.references.binary_search_by_key(&author, |(author, _)| *author).ok()?;
        Some(self.references[position].1)
    }

    /// Every snapshot that this one stands on.
    pub fn parents(&self) -> impl Iterator<Item = Reference> + '_ {
        let strong = self.references.iter().map(|(author, hash)| Reference {
            round: self.round - 1,
            author: *author,
            hash: *hash,
        });
        let previous = self.previous.filter(|(round, _)| *round + 1 < self.round);
        let previous = previous.map(|(round, hash)| Reference { round, author: self.author, hash });
        strong.chain(self.weak_references.iter().copied()).chain(previous)
    }
}

/// The hash of a snapshot: of its encoded header, and of the root of the [range](crate::range) over its transactions.
pub fn snapshot_hash(header: &[u8], transactions_root: Hash) -> Hash {
    SNAPSHOT.hash(&[header, &transactions_root.0])
}

/// The leaf of a transaction in the range over a snapshot's transactions: of the whole encoding, witness too.
pub fn transaction_leaf(encoded: &[u8]) -> Hash {
    TRANSACTION.hash(&[encoded])
}

impl fmt::Display for MemberIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for MemberIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

impl Encode for MemberIndex {
    fn encode(&self, out: &mut Writer) {
        out.byte(self.0);
    }
}

impl Decode for MemberIndex {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            index if usize::from(index) < MEMBERS_MAX => Ok(Self(index)),
            _ => Err(DecodeError::OutOfRange),
        }
    }
}

impl Encode for Reference {
    fn encode(&self, out: &mut Writer) {
        out.varint(self.round);
        out.value(&self.author);
        out.value(&self.hash);
    }
}

impl Decode for Reference {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { round: input.u64()?, author: input.value()?, hash: input.value()? })
    }
}

impl Encode for Vote {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.height);
        out.value(&self.digest);
        out.value(&self.signature);
    }
}

impl Decode for Vote {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { height: input.value()?, digest: input.value()?, signature: input.value()? })
    }
}

/// A round and a hash, or an author and a hash.
struct Pair<T>(T, Hash);

impl<T: Decode> Decode for Pair<T> {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(input.value()?, input.value()?))
    }
}

impl Encode for CoinShare {
    fn encode(&self, out: &mut Writer) {
        out.varint(self.round);
        out.value(&self.share);
    }
}

impl Decode for CoinShare {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { round: input.u64()?, share: input.value()? })
    }
}

impl Encode for Header {
    fn encode(&self, out: &mut Writer) {
        out.byte(VERSION);
        out.value(&self.author);
        out.varint(self.round);
        out.flag(self.previous.is_some());
        if let Some((round, hash)) = &self.previous {
            out.varint(*round);
            out.value(hash);
        }
        out.varint(self.references.len() as u64);
        for (author, hash) in &self.references {
            out.value(author);
            out.value(hash);
        }
        out.list(&self.weak_references);
        out.value(&self.checkpoint);
        out.list(&self.votes);
        out.list(&self.coin_shares);
        out.value(&self.time);
    }
}

impl Decode for Header {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            VERSION => {}
            other => return Err(DecodeError::UnknownVariant { kind: "snapshot version", value: other.into() }),
        }
        let (author, round) = (input.value()?, input.u64()?);
        let previous = input.option::<Pair<u64>>()?.map(|Pair(round, hash)| (round, hash));
        let references = input.list::<Pair<MemberIndex>>(MEMBERS_MAX)?;
        Ok(Self {
            author,
            round,
            previous,
            references: references.into_iter().map(|Pair(author, hash)| (author, hash)).collect(),
            weak_references: input.list(WEAK_REFERENCES_MAX)?,
            checkpoint: input.value()?,
            votes: input.list(VOTES_MAX)?,
            coin_shares: input.list(SHARES_MAX)?,
            time: input.value()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    /// Members 0 to n - 1, from round 1 on.
    struct First(u8);

    impl Electorate for First {
        fn size(&self) -> usize {
            self.0.into()
        }

        fn quorum(&self) -> usize {
            crate::genesis::quorum(self.0.into())
        }

        fn counts(&self, member: MemberIndex) -> bool {
            member.0 < self.0
        }

        fn first_round(&self) -> u64 {
            1
        }

        fn has_round(&self, round: u64) -> bool {
            round > 0
        }
    }

    fn committee(members: u8) -> First {
        First(members)
    }

    fn hash(of: u8) -> Hash {
        Hash([of; 32])
    }

    fn weak(round: u64, author: u8) -> Reference {
        Reference { round, author: MemberIndex(author), hash: hash(author) }
    }

    /// Node 2's snapshot of round 5 on top of its own and those of nodes 0 to 4.
    fn sound() -> Header {
        Header {
            author: MemberIndex(2),
            round: 5,
            previous: Some((4, hash(2))),
            references: (0..5).map(|author| (MemberIndex(author), hash(author))).collect(),
            weak_references: vec![weak(1, 6), weak(3, 5)],
            checkpoint: Height(1),
            votes: Vec::new(),
            coin_shares: Vec::new(),
            time: Time(1000),
        }
    }

    /// What is said of the sound header after a change.
    fn check(change: impl Fn(&mut Header), expected: Result<(), SnapshotForm>) {
        let mut header = sound();
        change(&mut header);
        assert_eq!(header.check(&committee(7)), expected, "{header:?}");
        assert_eq!(Header::from_bytes(&header.to_bytes()), Ok(header));
    }

    #[test]
    fn the_form_is_judged_alone() {
        let vote = |height| Vote { height: Height(height), digest: hash(1), signature: NodeSignature([0; 64]) };
        check(|_| {}, Ok(()));
        check(|h| h.author = MemberIndex(7), Err(SnapshotForm::NotAMember));
        check(|h| h.references[4].0 = MemberIndex(9), Err(SnapshotForm::NotAMember));
        check(|h| h.weak_references[0].author = MemberIndex(9), Err(SnapshotForm::NotAMember));
        check(|h| h.round = 0, Err(SnapshotForm::Round));
        check(|h| h.round = 1, Err(SnapshotForm::FirstRound));
        check(|h| h.references.truncate(4), Err(SnapshotForm::TooFewReferences { have: 4, need: 5 }));
        check(|h| h.references.swap(0, 1), Err(SnapshotForm::ReferenceOrder));
        check(|h| h.references[1].0 = MemberIndex(0), Err(SnapshotForm::ReferenceOrder));
        check(|h| h.previous = None, Err(SnapshotForm::Previous));
        check(|h| h.previous = Some((4, hash(9))), Err(SnapshotForm::Previous));
        check(|h| h.previous = Some((3, hash(2))), Err(SnapshotForm::Previous));
        check(|h| h.previous = Some((5, hash(2))), Err(SnapshotForm::Previous));
        check(|h| h.weak_references[1].round = 4, Err(SnapshotForm::WeakReference));
        check(|h| h.weak_references[0].round = 0, Err(SnapshotForm::WeakReference));
        check(|h| h.weak_references.swap(0, 1), Err(SnapshotForm::ReferenceOrder));
        check(|h| h.weak_references[1] = weak(1, 6), Err(SnapshotForm::ReferenceOrder));
        check(|h| h.weak_references = (0..8).map(|n| weak(1 + n / 7, (n % 7) as u8)).collect(), {
            Err(SnapshotForm::TooManyWeakReferences)
        });
        check(|h| h.votes = vec![vote(1), vote(2)], Ok(()));
        check(|h| h.votes = vec![vote(2), vote(2)], Err(SnapshotForm::Votes));
        let share = |round| CoinShare { round, share: SignatureShare([9; 48]) };
        check(|h| h.coin_shares = vec![share(1), share(5)], Ok(()));
        check(|h| h.coin_shares = vec![share(5), share(5)], Err(SnapshotForm::CoinShares));
        check(|h| h.coin_shares = vec![share(0)], Err(SnapshotForm::CoinShares));
        check(|h| h.coin_shares = vec![share(6)], Err(SnapshotForm::CoinShares));
    }

    #[test]
    fn an_author_may_come_back_after_a_pause() {
        let pause = |previous| {
            move |header: &mut Header| {
                header.references[2] = (MemberIndex(2), hash(2));
                header.references.remove(2);
                header.references.push((MemberIndex(5), hash(5)));
                header.previous = previous;
            }
        };
        check(pause(Some((2, hash(9)))), Ok(()));
        check(pause(None), Ok(()));
        check(pause(Some((4, hash(2)))), Err(SnapshotForm::Previous));
    }

    #[test]
    fn the_first_round_stands_on_nothing() {
        let first = |header: &mut Header| {
            *header =
                Header { round: 1, previous: None, references: Vec::new(), weak_references: Vec::new(), ..sound() };
        };
        check(first, Ok(()));
    }

    #[test]
    fn parents_are_all_that_is_referenced_and_the_own_chain() {
        assert_eq!(sound().parents().count(), 7);
        let mut header = sound();
        header.references.remove(2);
        header.previous = Some((2, hash(9)));
        assert!(header.parents().any(|parent| parent == Reference { round: 2, author: MemberIndex(2), hash: hash(9) }));
    }
}
