//! Evidence: what proves to anyone that a kernel node broke the rules (row K4).
//!
//! A piece of evidence stands by itself: with the [`Roll`] of the epoch in which the offence was committed, anyone can
//! judge it, and everyone judges it alike. It shows something that was *signed*, and that no node which keeps the rules
//! signs:
//!
//! - two snapshots for one round ([`Equivocation`](Evidence::Equivocation)). An honest node signs one, and signing it
//!   again or sending it again gives the same hash.
//! - a snapshot that is ill-formed, or holds a vote or a transaction that is
//!   ([`IllFormedHeader`](Evidence::IllFormedHeader), [`IllFormedTransaction`](Evidence::IllFormedTransaction)). The hash
//!   that its author signed covers every byte of every transaction, witnesses too, so nobody else can spoil it.
//! - a snapshot with a transaction that spends what was spent already at the checkpoint that *the snapshot itself* names
//!   as executed ([`SpentInput`](Evidence::SpentInput)). What was spent later proves nothing: an author can't know of it.
//! - two votes for different checkpoints of one height ([`TwoVotes`](Evidence::TwoVotes)), or one that contradicts a
//!   certificate ([`FalseVote`](Evidence::FalseVote)). Executing is deterministic, so an honest node has one checkpoint
//!   per height, and that is the certified one as long as no more than f nodes lie.
//! - a snapshot with a share of a coin that is not its author's ([`FalseCoinShare`](Evidence::FalseCoinShare)), in an
//!   epoch whose leaders a coin names.
//!
//! **Whom it convicts.** Whoever counted, in that epoch, in the seat whose key signed. What a member signs that does not
//! count is worth nothing and therefore no offence. Every signature covers the network.
//!
//! **What is no evidence.** Bytes that can't be read at all: nobody can say what their author signed. Snapshots that name
//! too old a checkpoint. Transactions that fail when they are executed, for whatever reason. Transactions too long to be
//! shown: what breaks the form there is refused all the same.

use byway_crypto::node::NodeSignature;
use byway_crypto::threshold::KeyRecord;
use byway_crypto::{NodeKey, Purpose};
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Hash, NetworkId};

use crate::checkpoint::{Certificate, CertificateError, Checkpoint, Height};
use crate::epoch::epoch_of;
use crate::range::RangeProof;
use crate::roll::{Roll, Voice};
use crate::snapshot::{Electorate, Header, SNAPSHOT_TRANSACTIONS_MAX, snapshot_hash, transaction_leaf};
use crate::transaction::{Body, Transaction};
use crate::verified::{Bundle, verify_bundles};

/// See the [module](self).
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "there is one at a time: a box would cost more than it saves")]
pub enum Evidence {
    /// Two snapshots of one member for one round.
    Equivocation { first: SignedHeader, second: SignedHeader },
    /// A snapshot whose header breaks the form, or holds a vote that is not its author's.
    IllFormedHeader { header: SignedHeader },
    /// A snapshot with an ill-formed or ill-signed transaction.
    IllFormedTransaction { header: SignedHeader, included: Included },
    /// A snapshot with a transaction whose input was spent at the checkpoint that the snapshot names.
    SpentInput { header: SignedHeader, included: Included, spender: Spender },
    /// Two votes of one member for different checkpoints of one height.
    TwoVotes { voter: Voter, first: Claim, second: Claim },
    /// A vote for another checkpoint than the certified one of its height.
    FalseVote { voter: Voter, vote: Claim, certificate: Certificate },
    /// A snapshot whose share of the coin of `round` is false.
    FalseCoinShare { header: SignedHeader, round: u64 },
}

/// What of a snapshot its author's signature is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHeader {
    pub header: Header,
    pub transactions_root: Hash,
    pub signature: NodeSignature,
}

/// A transaction, and that it stands in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Included {
    pub transaction: Transaction,
    /// How many the snapshot has.
    pub count: u64,
    pub proof: RangeProof,
}

/// A final transaction, and that it was final at a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spender {
    pub body: Body,
    pub proof: RangeProof,
    /// Of the checkpoint that the snapshot names.
    pub certificate: Certificate,
    /// The epoch whose members certified it.
    pub epoch: u32,
}

/// Who had a vote on a checkpoint: its seat in the epoch that certifies the checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Voter {
    pub epoch: u32,
    pub seat: u8,
}

/// A member's signed word on what the checkpoint of a height is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "there are two at a time: a box would cost more than it saves")]
pub enum Claim {
    /// A vote, and the checkpoint that it is for: a vote's signature is over the checkpoint's digest alone.
    Vote { checkpoint: Checkpoint, signature: NodeSignature },
    /// A snapshot that carries a vote for this height. Shows also votes for what is no checkpoint at all.
    Snapshot { height: Height, header: SignedHeader },
}

/// What a piece of evidence proves, and of whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offence {
    pub epoch: u32,
    pub voice: Voice,
    pub place: Place,
}

/// Where an offence was committed. All that one member does wrong in one place is one offence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In its snapshot, or snapshots, of a round.
    Round(u64),
    /// In its vote, or votes, on the checkpoint of a height.
    Height(Height),
}

/// Why something is no evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    #[error("the epoch is not known any more, or not yet")]
    Epoch,
    #[error("nobody counted in that seat in that epoch")]
    Seat,
    #[error("a signature is not the accused member's")]
    Signature,
    #[error("the two are not of one round or height, or are the same")]
    NotTwo,
    #[error("nothing is wrong with it")]
    Innocent,
    #[error("the transaction is not in the snapshot")]
    NotIncluded,
    #[error("the other transaction was not final at the checkpoint that the snapshot names, or spends something else")]
    Unspent,
    #[error("the checkpoint is not certified: {0}")]
    Certificate(#[from] CertificateError),
}

/// Where the rolls of epochs are found.
pub trait Rolls {
    fn roll(&self, epoch: u32) -> Option<Roll>;
}

impl Evidence {
    /// What this proves.
    pub fn judge(&self, network: NetworkId, rolls: &impl Rolls) -> Result<Offence, EvidenceError> {
        let judge = Judge { network, rolls };
        match self {
            Self::Equivocation { first, second } => judge.equivocation(first, second),
            Self::IllFormedHeader { header } => judge.ill_formed_header(header),
            Self::IllFormedTransaction { header, included } => judge.ill_formed_transaction(header, included),
            Self::SpentInput { header, included, spender } => judge.spent_input(header, included, spender),
            Self::TwoVotes { voter, first, second } => judge.two_votes(*voter, first, second),
            Self::FalseVote { voter, vote, certificate } => judge.false_vote(*voter, vote, certificate),
            Self::FalseCoinShare { header, round } => judge.false_coin_share(header, *round),
        }
    }
}

impl SignedHeader {
    /// The snapshot's hash.
    pub fn hash(&self) -> Hash {
        snapshot_hash(&self.header.to_bytes(), self.transactions_root)
    }

    fn is_signed_by(&self, key: NodeKey, network: NetworkId) -> bool {
        key.verifies(Purpose::Snapshot, network, &self.hash().0, &self.signature)
    }
}

impl Included {
    fn is_in(&self, header: &SignedHeader) -> bool {
        let leaf = transaction_leaf(&self.transaction.to_bytes());
        let fits = self.count <= SNAPSHOT_TRANSACTIONS_MAX as u64;
        fits && self.proof.root(leaf, self.count) == Some(header.transactions_root)
    }
}

impl Claim {
    /// Which checkpoint `key` says that there is at which height.
    fn of(&self, key: NodeKey, network: NetworkId) -> Result<(Height, Hash), EvidenceError> {
        let (height, digest, is_signed) = match self {
            Self::Vote { checkpoint, signature } => {
                let digest = checkpoint.digest();
                let is_signed = key.verifies(Purpose::Checkpoint, network, &digest.0, signature);
                (checkpoint.height, digest, is_signed)
            }
            Self::Snapshot { height, header } => {
                let vote = header.header.votes.iter().find(|vote| vote.height == *height);
                let digest = vote.ok_or(EvidenceError::Innocent)?.digest;
                (*height, digest, header.is_signed_by(key, network))
            }
        };
        if is_signed { Ok((height, digest)) } else { Err(EvidenceError::Signature) }
    }
}

struct Judge<'a, R> {
    network: NetworkId,
    rolls: &'a R,
}

impl<R: Rolls> Judge<'_, R> {
    fn roll(&self, epoch: u32) -> Result<Roll, EvidenceError> {
        self.rolls.roll(epoch).ok_or(EvidenceError::Epoch)
    }

    /// The roll of the epoch of a snapshot, and who signed it.
    fn author(&self, signed: &SignedHeader) -> Result<(Roll, Offence), EvidenceError> {
        let Header { round, author, .. } = signed.header;
        let epoch = epoch_of(round).ok_or(EvidenceError::Epoch)?;
        let roll = self.roll(epoch)?;
        let voice = roll.voice(author.0).ok_or(EvidenceError::Seat)?;
        if !signed.is_signed_by(voice.key, self.network) {
            return Err(EvidenceError::Signature);
        }
        Ok((roll, Offence { epoch, voice, place: Place::Round(round) }))
    }

    fn equivocation(&self, first: &SignedHeader, second: &SignedHeader) -> Result<Offence, EvidenceError> {
        let (_, offence) = self.author(first)?;
        let (_, other) = self.author(second)?;
        if offence != other || first.hash() == second.hash() {
            return Err(EvidenceError::NotTwo);
        }
        Ok(offence)
    }

    fn ill_formed_header(&self, signed: &SignedHeader) -> Result<Offence, EvidenceError> {
        let (roll, offence) = self.author(signed)?;
        let key = offence.voice.key;
        let mut votes = signed.header.votes.iter();
        let is_own = |vote: &crate::snapshot::Vote| {
            key.verifies(Purpose::Checkpoint, self.network, &vote.digest.0, &vote.signature)
        };
        let is_good = signed.header.check(&roll).is_ok() && votes.all(is_own);
        if is_good { Err(EvidenceError::Innocent) } else { Ok(offence) }
    }

    fn ill_formed_transaction(&self, signed: &SignedHeader, included: &Included) -> Result<Offence, EvidenceError> {
        let (_, offence) = self.author(signed)?;
        if !included.is_in(signed) {
            return Err(EvidenceError::NotIncluded);
        }
        let bundle = Bundle { transactions: vec![included.transaction.clone().into()], others: Vec::new() };
        let is_good = verify_bundles(self.network, vec![bundle]).iter().all(Result::is_ok);
        if is_good { Err(EvidenceError::Innocent) } else { Ok(offence) }
    }

    fn spent_input(
        &self,
        signed: &SignedHeader,
        included: &Included,
        spender: &Spender,
    ) -> Result<Offence, EvidenceError> {
        let (_, offence) = self.author(signed)?;
        if !included.is_in(signed) {
            return Err(EvidenceError::NotIncluded);
        }
        let checkpoint = &spender.certificate.checkpoint;
        let (id, body) = (spender.body.id(), &included.transaction.body);
        let was_final = spender.proof.verify(id, checkpoint.transactions, checkpoint.transactions_root);
        let spends = |input: &crate::Input| spender.body.inputs.iter().any(|other| other.spent == input.spent);
        // A transaction that is final itself is a repetition, which costs nobody anything.
        let is_conflict = id != body.id() && body.inputs.iter().any(spends);
        if checkpoint.height != signed.header.checkpoint || !was_final || !is_conflict {
            return Err(EvidenceError::Unspent);
        }
        self.certified(&spender.certificate, spender.epoch)?;
        Ok(offence)
    }

    fn two_votes(&self, voter: Voter, first: &Claim, second: &Claim) -> Result<Offence, EvidenceError> {
        let voice = self.roll(voter.epoch)?.voice(voter.seat).ok_or(EvidenceError::Seat)?;
        let (first, second) = (first.of(voice.key, self.network)?, second.of(voice.key, self.network)?);
        if first.0 != second.0 || first.1 == second.1 {
            return Err(EvidenceError::NotTwo);
        }
        self.voted(voter, voice, first.0)
    }

    fn false_vote(&self, voter: Voter, vote: &Claim, certificate: &Certificate) -> Result<Offence, EvidenceError> {
        let voice = self.roll(voter.epoch)?.voice(voter.seat).ok_or(EvidenceError::Seat)?;
        let (height, digest) = vote.of(voice.key, self.network)?;
        let certified = &certificate.checkpoint;
        if certified.height != height || certified.digest() == digest {
            return Err(EvidenceError::NotTwo);
        }
        self.certified(certificate, voter.epoch)?;
        self.voted(voter, voice, height)
    }

    fn false_coin_share(&self, signed: &SignedHeader, round: u64) -> Result<Offence, EvidenceError> {
        let (roll, offence) = self.author(signed)?;
        let share = signed.header.coin_shares.iter().find(|share| share.round == round);
        let key = roll.coin.as_ref().and_then(KeyRecord::open);
        let (Some(share), Some(key)) = (share, key) else { return Err(EvidenceError::Innocent) };
        let is_good = share.is_good(&key, self.network, signed.header.author);
        if is_good { Err(EvidenceError::Innocent) } else { Ok(offence) }
    }

    fn voted(&self, voter: Voter, voice: Voice, height: Height) -> Result<Offence, EvidenceError> {
        let had_a_vote = self.roll(voter.epoch)?.has_height(height);
        let offence = Offence { epoch: voter.epoch, voice, place: Place::Height(height) };
        if had_a_vote { Ok(offence) } else { Err(EvidenceError::Epoch) }
    }

    fn certified(&self, certificate: &Certificate, epoch: u32) -> Result<(), EvidenceError> {
        let roll = self.roll(epoch)?;
        if !roll.has_height(certificate.checkpoint.height) {
            return Err(EvidenceError::Epoch);
        }
        let key = |seat| roll.voice(seat).map(|voice| voice.key);
        Ok(certificate.verify_by(self.network, roll.quorum(), key)?)
    }
}

macro_rules! fields_codec {
    ($($name:ident { $($field:ident),* })*) => {$(
        impl Encode for $name {
            fn encode(&self, out: &mut Writer) {
                $(out.value(&self.$field);)*
            }
        }
        impl Decode for $name {
            fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok(Self { $($field: input.value()?,)* })
            }
        }
    )*};
}

fields_codec! {
    SignedHeader { header, transactions_root, signature }
}

impl Encode for Included {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.transaction);
        out.varint(self.count);
        out.value(&self.proof);
    }
}

impl Decode for Included {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { transaction: input.value()?, count: input.u64()?, proof: input.value()? })
    }
}

impl Encode for Spender {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.body);
        out.value(&self.proof);
        out.value(&self.certificate);
        out.varint(self.epoch);
    }
}

impl Decode for Spender {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { body: input.value()?, proof: input.value()?, certificate: input.value()?, epoch: input.u32()? })
    }
}

impl Encode for Voter {
    fn encode(&self, out: &mut Writer) {
        out.varint(self.epoch);
        out.byte(self.seat);
    }
}

impl Decode for Voter {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { epoch: input.u32()?, seat: input.byte()? })
    }
}

impl Encode for Claim {
    fn encode(&self, out: &mut Writer) {
        match self {
            Self::Vote { checkpoint, signature } => {
                out.byte(0);
                out.value(checkpoint);
                out.value(signature);
            }
            Self::Snapshot { height, header } => {
                out.byte(1);
                out.value(height);
                out.value(header);
            }
        }
    }
}

impl Decode for Claim {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            0 => Ok(Self::Vote { checkpoint: input.value()?, signature: input.value()? }),
            1 => Ok(Self::Snapshot { height: input.value()?, header: input.value()? }),
            other => Err(DecodeError::UnknownVariant { kind: "claim", value: other.into() }),
        }
    }
}

impl Encode for Place {
    fn encode(&self, out: &mut Writer) {
        match self {
            Self::Round(round) => {
                out.byte(0);
                out.varint(*round);
            }
            Self::Height(height) => {
                out.byte(1);
                out.value(height);
            }
        }
    }
}

impl Decode for Place {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            0 => Ok(Self::Round(input.u64()?)),
            1 => Ok(Self::Height(input.value()?)),
            other => Err(DecodeError::UnknownVariant { kind: "place of an offence", value: other.into() }),
        }
    }
}

impl Encode for Evidence {
    fn encode(&self, out: &mut Writer) {
        match self {
            Self::Equivocation { first, second } => {
                out.byte(0);
                out.value(first);
                out.value(second);
            }
            Self::IllFormedHeader { header } => {
                out.byte(1);
                out.value(header);
            }
            Self::IllFormedTransaction { header, included } => {
                out.byte(2);
                out.value(header);
                out.value(included);
            }
            Self::SpentInput { header, included, spender } => {
                out.byte(3);
                out.value(header);
                out.value(included);
                out.value(spender);
            }
            Self::TwoVotes { voter, first, second } => {
                out.byte(4);
                out.value(voter);
                out.value(first);
                out.value(second);
            }
            Self::FalseVote { voter, vote, certificate } => {
                out.byte(5);
                out.value(voter);
                out.value(vote);
                out.value(certificate);
            }
            Self::FalseCoinShare { header, round } => {
                out.byte(6);
                out.value(header);
                out.varint(*round);
            }
        }
    }
}

impl Decode for Evidence {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            0 => Ok(Self::Equivocation { first: input.value()?, second: input.value()? }),
            1 => Ok(Self::IllFormedHeader { header: input.value()? }),
            2 => Ok(Self::IllFormedTransaction { header: input.value()?, included: input.value()? }),
            3 => Ok(Self::SpentInput { header: input.value()?, included: input.value()?, spender: input.value()? }),
            4 => Ok(Self::TwoVotes { voter: input.value()?, first: input.value()?, second: input.value()? }),
            5 => Ok(Self::FalseVote { voter: input.value()?, vote: input.value()?, certificate: input.value()? }),
            6 => Ok(Self::FalseCoinShare { header: input.value()?, round: input.u64()? }),
            other => Err(DecodeError::UnknownVariant { kind: "evidence", value: other.into() }),
        }
    }
}
