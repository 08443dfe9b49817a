//! Snapshots whose form and signatures have been checked.
//!
//! The machine takes [`VerifiedSnapshot`]s only. They can be made in two ways: from bytes, by checking everything that
//! can be judged from the snapshot alone (form, author's signature, transactions, votes; all ed25519 signatures in one
//! batch), or by signing one's own. The first is the costly part of the kernel's work, needs nothing of the machine's
//! state, and is therefore done by the driver on all cores; the simulator remembers the outcome per distinct bytes.
//!
//! One thing is checked later though it could be judged here: shares of the [coin](crate::coin), which cost as much as all
//! the rest and of which only their sum need be right.
//!
//! A snapshot in which *anything* is ill-formed or ill-signed is refused as a whole: its author signed for all of it, so
//! the refused bytes are evidence against the author and against nobody else (row K4).

use std::sync::Arc;

use byway_crypto::node::NodeSignature;
use byway_crypto::{NodeSecret, Purpose};
use byway_primitives::{Decode, DecodeError, Hash, Reader, Writer};
use byway_records::evidence::SignedHeader;
use byway_records::range::root_over;
use byway_records::reject::IllFormed;
use byway_records::verified::{Bundle, Culprit, verify_bundles};
use byway_records::{Received, VerifiedTransaction};

use crate::committee::Committee;
use crate::snapshot::{
    Header, Reference, SNAPSHOT_BYTES_MAX, SNAPSHOT_TRANSACTIONS_MAX, SnapshotForm, snapshot_hash, transaction_leaf,
};

/// A snapshot with good form and signatures, as its author signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedSnapshot {
    hash: Hash,
    bytes: Arc<[u8]>,
    header: Header,
    transactions: Vec<VerifiedTransaction>,
}

/// Why bytes are not a snapshot. But for bytes that were garbled on the way, its author is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    #[error("the snapshot is longer than 1 MiB")]
    TooLong,
    #[error("the snapshot is malformed: {0}")]
    Encoding(#[from] DecodeError),
    #[error("the snapshot is ill-formed: {0}")]
    Form(#[from] SnapshotForm),
    #[error("the author's signature is wrong")]
    Signature,
    #[error("the signature of vote {0} is wrong")]
    Vote(usize),
    #[error("the share of the coin of round {0} is false")]
    CoinShare(u64),
    #[error("transaction {position} is bad: {reason}")]
    Transaction { position: usize, reason: IllFormed },
}

impl VerifiedSnapshot {
    /// Checks everything about an encoded snapshot that can be judged without the graph.
    pub fn verify(committee: &Committee, bytes: Arc<[u8]>) -> Result<Self, SnapshotError> {
        Self::verify_all(committee, vec![bytes]).pop().expect("one went in, one comes out")
    }

    /// As [`VerifiedSnapshot::verify`], many at once and cheaper: with one batch of signatures. Gives an outcome for
    /// each, in order.
    pub fn verify_all(committee: &Committee, snapshots: Vec<Arc<[u8]>>) -> Vec<Result<Self, SnapshotError>> {
        let mut bundles = Vec::with_capacity(snapshots.len());
        let mut unsigned = Vec::with_capacity(snapshots.len());
        for bytes in snapshots {
            unsigned.push(parse(committee, &bytes).map(|(hash, header, bundle)| {
                bundles.push(bundle);
                (hash, header, bytes)
            }));
        }
        let mut verified = verify_bundles(committee.network(), bundles).into_iter();
        let mut finish = |(hash, header, bytes)| {
            let outcome = verified.next().expect("as many come out as went in");
            let transactions = outcome.map_err(SnapshotError::of)?;
            Ok(Self { hash, bytes, header, transactions })
        };
        unsigned.into_iter().map(|parsed| parsed.and_then(&mut finish)).collect()
    }

    /// Signs a snapshot of one's own. The caller keeps the header's form and the limits on size.
    pub fn sign(
        committee: &Committee,
        secret: &NodeSecret,
        header: Header,
        transactions: Vec<VerifiedTransaction>,
    ) -> Self {
        let mut out = Writer::new();
        out.value(&header);
        out.varint(transactions.len() as u64);
        transactions.iter().for_each(|transaction| out.value(transaction.transaction()));
        let mut bytes = out.into_bytes();
        let hash = unsigned_hash(&bytes).expect("it was just written");
        bytes.extend_from_slice(&secret.sign(Purpose::Snapshot, committee.network(), &hash.0).0);
        Self { hash, bytes: bytes.into(), header, transactions }
    }

    pub fn hash(&self) -> Hash {
        self.hash
    }

    pub fn header(&self) -> &Header {
        &self.header
    }

    pub fn reference(&self) -> Reference {
        Reference { round: self.header.round, author: self.header.author, hash: self.hash }
    }

    pub fn transactions(&self) -> &[VerifiedTransaction] {
        &self.transactions
    }

    /// The encoding, as it travels and rests.
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }
}

impl SnapshotError {
    /// The author's own signature is the first beside those of the transactions, and its votes' come after it.
    fn of(culprit: Culprit) -> Self {
        match culprit {
            Culprit::Transaction(position, reason) => Self::Transaction { position, reason },
            Culprit::Other(0) => Self::Signature,
            Culprit::Other(position) => Self::Vote(position - 1),
        }
    }
}

/// The hash that an author signs, of an encoded snapshot up to the signature; `None` where that can't be read.
pub fn unsigned_hash(bytes: &[u8]) -> Option<Hash> {
    let mut input = Reader::new(bytes);
    let unsigned = Unsigned::read(&mut input).ok()?;
    input.finish().ok().map(|()| unsigned.hash())
}

/// What the author signs, as it was read.
struct Unsigned<'a> {
    header: Header,
    header_bytes: &'a [u8],
    transactions: Vec<Received>,
    /// Of the transactions, in order.
    leaves: Vec<Hash>,
}

impl<'a> Unsigned<'a> {
    fn read(input: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let (header, header_bytes) = value_and_bytes(input)?;
        let length = input.u64()?;
        if length > SNAPSHOT_TRANSACTIONS_MAX as u64 {
            return Err(DecodeError::TooLong { length, limit: SNAPSHOT_TRANSACTIONS_MAX as u64 });
        }
        let (mut transactions, mut leaves) = (Vec::new(), Vec::new());
        for _ in 0..length {
            let (transaction, bytes) = value_and_bytes(input)?;
            transactions.push(transaction);
            leaves.push(transaction_leaf(bytes));
        }
        Ok(Self { header, header_bytes, transactions, leaves })
    }

    fn hash(&self) -> Hash {
        snapshot_hash(self.header_bytes, root_over(&self.leaves))
    }
}

/// What can be shown of an encoded snapshot, good or not: what its author's signature is over, and its transactions.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub header: SignedHeader,
    pub transactions: Vec<Received>,
    pub leaves: Vec<Hash>,
}

impl Shown {
    /// `None` for what can't be read.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let (unsigned, signature) = decode(bytes).ok()?;
        let Unsigned { header, transactions, leaves, .. } = unsigned;
        let transactions_root = root_over(&leaves);
        Some(Self { header: SignedHeader { header, transactions_root, signature }, transactions, leaves })
    }
}

/// The next value and its encoding.
fn value_and_bytes<'a, T: Decode>(input: &mut Reader<'a>) -> Result<(T, &'a [u8]), DecodeError> {
    let begin = input.clone();
    let value = input.value()?;
    Ok((value, begin.until(input)))
}

/// Checks the form; what is left to check is in the bundle.
fn parse(committee: &Committee, bytes: &[u8]) -> Result<(Hash, Header, Bundle), SnapshotError> {
    let (unsigned, signature) = decode(bytes)?;
    unsigned.header.check(committee)?;
    let network = committee.network();
    let key = committee.key(unsigned.header.author).ok_or(SnapshotForm::NotAMember)?;
    let hash = unsigned.hash();
    let own = key.signed(Purpose::Snapshot, network, &hash.0, signature);
    let votes = unsigned.header.votes.iter();
    let votes = votes.map(|vote| key.signed(Purpose::Checkpoint, network, &vote.digest.0, vote.signature));
    let others = std::iter::once(own).chain(votes).collect();
    Ok((hash, unsigned.header, Bundle { transactions: unsigned.transactions, others }))
}

fn decode(bytes: &[u8]) -> Result<(Unsigned<'_>, NodeSignature), SnapshotError> {
    if bytes.len() > SNAPSHOT_BYTES_MAX {
        return Err(SnapshotError::TooLong);
    }
    let mut input = Reader::new(bytes);
    let unsigned = Unsigned::read(&mut input)?;
    let signature = NodeSignature::decode(&mut input)?;
    input.finish()?;
    Ok((unsigned, signature))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::committee::MemberIndex;
    use crate::drawn::{NETWORK, committee, secret};
    use crate::snapshot::Vote;
    use byway_primitives::{NetworkId, Time};
    use byway_records::Height;

    fn signed(author: u8, key: u8, vote_key: u8) -> VerifiedSnapshot {
        let digest = Hash([3; 32]);
        let signature = secret(vote_key).sign(Purpose::Checkpoint, NETWORK, &digest.0);
        let header = Header {
            author: MemberIndex(author),
            round: 1,
            previous: None,
            references: Vec::new(),
            weak_references: Vec::new(),
            checkpoint: Height(1),
            votes: vec![Vote { height: Height(1), digest, signature }],
            coin_shares: Vec::new(),
            time: Time(1000),
        };
        VerifiedSnapshot::sign(&committee(7), &secret(key), header, Vec::new())
    }

    #[test]
    fn what_was_signed_verifies_to_the_same() {
        let snapshot = signed(2, 2, 2);
        let verified = VerifiedSnapshot::verify(&committee(7), snapshot.bytes().clone());
        assert_eq!(verified, Ok(snapshot));
    }

    #[test]
    fn foreign_signatures_are_refused() {
        let verify = |snapshot: &VerifiedSnapshot| VerifiedSnapshot::verify(&committee(7), snapshot.bytes().clone());
        assert_eq!(verify(&signed(2, 3, 2)), Err(SnapshotError::Signature));
        assert_eq!(verify(&signed(2, 2, 3)), Err(SnapshotError::Vote(0)));
        assert_eq!(verify(&signed(9, 9, 9)), Err(SnapshotError::Form(SnapshotForm::NotAMember)));
        let keys = (0..7).map(|index| secret(index).public()).collect();
        let other_network = Committee::of(NetworkId(Hash([1; 32])), keys);
        let bytes = signed(2, 2, 2).bytes().clone();
        assert_eq!(VerifiedSnapshot::verify(&other_network, bytes), Err(SnapshotError::Signature));
    }

    #[test]
    fn in_a_batch_each_is_judged_by_itself() {
        let (good, ill_signed, other) = (signed(2, 2, 2), signed(2, 3, 2), signed(4, 4, 4));
        let all = [&good, &ill_signed, &other].map(|snapshot| snapshot.bytes().clone());
        let garbled: Arc<[u8]> = vec![0; 9].into();
        let outcomes = VerifiedSnapshot::verify_all(&committee(7), [&all[..], &[garbled]].concat());
        assert!(matches!(outcomes[3], Err(SnapshotError::Encoding(_) | SnapshotError::Form(_))));
        assert_eq!(outcomes[..3], [Ok(good), Err(SnapshotError::Signature), Ok(other)]);
    }

    #[test]
    fn no_flipped_bit_passes() {
        let snapshot = signed(2, 2, 2);
        for place in 0..snapshot.bytes().len() {
            let mut spoiled = snapshot.bytes().to_vec();
            spoiled[place] ^= 1;
            let outcome = VerifiedSnapshot::verify(&committee(7), spoiled.into());
            assert!(outcome.is_err(), "byte {place}");
        }
    }
}
