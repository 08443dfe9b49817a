//! Verifying single facts of the ledger without following it and without trusting anyone (row K6).
//!
//! A [`LightClient`] holds a [`Head`]: the epoch in force and the newest checkpoint that it verified. It believes what the
//! members of that epoch certify, and moves on by
//!
//! 1. an [`EpochStep`] for each change of the members: the certificate of the checkpoint that closed the epoch, signed by
//!    q(n) of the members so far, and the record of the next epoch, whose digest the checkpoint names;
//! 2. the newest certificate. All checkpoints in between are left out.
//!
//! So a client that was away pays one step for every change of the members, and one certificate, whatever happened
//! meanwhile. Under a certificate it verifies
//!
//! - that a **transaction is final** ([`LightClient::final_transaction`]): every checkpoint has a root over all final
//!   transactions, so a proof under the newest covers all times, also those whose members have long left;
//! - an **entry of a program**, or that there is none ([`LightClient::entry`]);
//! - **what a final transaction pays** to the holder of a view key ([`body_of`], [`received`]): its id is the digest of its
//!   body.
//!
//! **What it can't know.** *Whether an output is still unspent*: the checkpoint's digest of the unspent outputs is over all
//! of them and proves none alone, and the spender may be anywhere in what came later. Who must know follows the scan data,
//! which names everything spent and which each certificate digests ([`crate::follower`]). *That a certificate is the newest
//! there is*: a server can hold back. The checkpoint's time is certified, so that an old one shows ([`LightClient::age`]),
//! and other servers can be asked. *What was rejected*: only final transactions are in the range.
//!
//! **Old keys.** A member that left has its pledge back after the lock, and nothing to lose by signing another history with
//! its old key. A step over a change in which a counting key went away is therefore believed only until the lock's span
//! has passed since: see [`OldKeys`]. Who comes later begins at a recent checkpoint that somebody trusted has named
//! ([`TrustedCheckpoint`]). What can't be told from the inside is a false history in which nobody ever leaves: who begins
//! at genesis long after it takes the network's word that its founders are still there.
//!
//! [`protocol`] has the messages, [`serve`] the kernel node's side.

pub mod protocol;
pub mod serve;

use std::fmt;
use std::str::FromStr;

use byway_crypto::ViewSecret;
use byway_ledger::EntryProofError;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer, decode_exact};
use byway_primitives::hash::Context;
use byway_primitives::{Hash, NetworkId, Span, Time};
use byway_records::checkpoint::CertificateError;
use byway_records::{Body, Certificate, Checkpoint, Epoch, Genesis, Height, ProgramId, TransactionId, Value};

use self::protocol::{Beginning, CertifiedEntry, EpochStep};
use crate::follower::explore::FinalProof;

const STORED_HEAD: Context = Context("byway 1 light client: stored head");

/// How far a light client has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Whose members sign the checkpoints from here on.
    pub epoch: Epoch,
    /// The last checkpoint before that epoch: those above it are certified by its members.
    pub after: Height,
    /// The newest one verified; `None` at genesis.
    pub checkpoint: Option<Checkpoint>,
}

/// See the [module](self).
#[derive(Debug, Clone)]
pub struct LightClient {
    network: NetworkId,
    pledge_lock: Span,
    head: Head,
}

/// A checkpoint that is believed because a person says so: `HEIGHT:DIGEST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrustedCheckpoint {
    pub height: Height,
    pub digest: Hash,
}

/// Why an answer is not believed. Nothing of it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// The node may only be slow.
    #[error("it is at checkpoint {got} where {known} is known already")]
    Behind { known: Height, got: Height },
    /// Nobody lied; nobody can show more.
    #[error(transparent)]
    OldKeys(#[from] OldKeys),
    #[error("{0}")]
    Lie(#[from] Lie),
}

/// What is not true, or proves nothing. Whoever sent it is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Lie {
    #[error("the certificate is not valid: {0}")]
    Certificate(#[from] CertificateError),
    #[error("a quorum signed two different checkpoints {0}")]
    Fork(Height),
    #[error("epoch {got} was shown where {expected} comes next")]
    EpochNumber { expected: u32, got: u32 },
    #[error("the record of the epoch is not the one that its checkpoint names")]
    EpochRecord,
    #[error("the epoch's members certified a checkpoint after the one that closed it")]
    EpochClosed,
    #[error("the checkpoint or its epoch is not the trusted one")]
    Beginning,
    #[error("the certified range of final transactions doesn't hold the transaction at that place")]
    Transaction,
    #[error("the entry is not the certified one: {0}")]
    Entry(#[from] EntryProofError),
    #[error("the body is not that transaction's")]
    Body,
}

/// What led here was signed by keys that have nothing at stake any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "kernel nodes left when epoch {epoch} ended, more than {} days ago, and what their old keys sign is no proof any \
     more; get a recent checkpoint from somebody you trust (`byway light status` shows one where it is up to date) and \
     name it as HEIGHT:DIGEST: to `byway light` with --checkpoint, to a node in its configuration under [ledger]",
    lock.0 / 86_400_000
)]
pub struct OldKeys {
    pub epoch: u32,
    pub ended: Time,
    /// How long pledges stay locked.
    pub lock: Span,
}

/// What is stored is no head of this network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is damaged, or of another network")]
pub struct HeadDamaged;

/// A text that names no checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a checkpoint is written HEIGHT:DIGEST, such as 1234:and 64 hex digits")]
pub struct NoCheckpoint;

impl LightClient {
    /// Begins with the members that the network was founded with.
    pub fn at_genesis(genesis: &Genesis) -> Self {
        let head = Head { epoch: genesis.epoch(), after: Height::GENESIS, checkpoint: None };
        Self::resume(genesis, head)
    }

    /// Begins at a trusted checkpoint, of which a node has shown what it is.
    pub fn at_checkpoint(genesis: &Genesis, trusted: TrustedCheckpoint, shown: Beginning) -> Result<Self, Lie> {
        let Beginning { checkpoint, epoch } = shown;
        let epoch = epoch.unwrap_or_else(|| genesis.epoch());
        let named = TrustedCheckpoint { height: checkpoint.height, digest: checkpoint.digest() };
        if named != trusted || epoch.digest() != checkpoint.epoch_next {
            return Err(Lie::Beginning);
        }
        Ok(Self::resume(genesis, Head { epoch, after: trusted.height, checkpoint: Some(checkpoint) }))
    }

    /// Goes on where another client of the same network was.
    pub fn resume(genesis: &Genesis, head: Head) -> Self {
        Self::at(genesis.network(), genesis.parameters.pledge_lock.millis, head)
    }

    /// Goes on from a head that is known to be true. `pledge_lock` is the network's.
    pub(crate) fn at(network: NetworkId, pledge_lock: Span, head: Head) -> Self {
        Self { network, pledge_lock, head }
    }

    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The head's height; 0 at genesis.
    pub fn height(&self) -> Height {
        self.head.checkpoint.map_or(Height::GENESIS, |checkpoint| checkpoint.height)
    }

    /// How old the newest verified checkpoint is by a clock that shows `now`; `None` at genesis. An old one means that the
    /// kernel stands still, or that whoever was asked holds back.
    pub fn age(&self, now: Time) -> Option<Span> {
        self.head.checkpoint.map(|checkpoint| now.since(checkpoint.time))
    }

    /// Goes over a change of the members.
    pub fn take_epoch(&mut self, now: Time, step: EpochStep) -> Result<(), Unproven> {
        let EpochStep { certificate, epoch } = step;
        let expected = self.head.epoch.number + 1;
        if epoch.number != expected {
            return Err(Lie::EpochNumber { expected, got: epoch.number }.into());
        }
        let checkpoint = certificate.checkpoint;
        self.verify(&certificate)?;
        if checkpoint.epoch_next != epoch.digest() {
            return Err(Lie::EpochRecord.into());
        }
        let is_known = Some(checkpoint) == self.head.checkpoint;
        if checkpoint.height < self.height() || (self.is_closed() && !is_known) {
            return Err(Lie::EpochClosed.into());
        }
        OldKeys::check(&self.head.epoch, &epoch, &checkpoint, now, self.pledge_lock)?;
        self.head = Head { epoch, after: checkpoint.height, checkpoint: Some(checkpoint) };
        Ok(())
    }

    /// Takes a certificate of the epoch in force; of a newer checkpoint than the head, it is the head from then on.
    pub fn take_certificate(&mut self, certificate: &Certificate) -> Result<(), Unproven> {
        let checkpoint = certificate.checkpoint;
        if checkpoint.height <= self.head.after && Some(checkpoint) != self.head.checkpoint {
            return Err(Unproven::Behind { known: self.height(), got: checkpoint.height });
        }
        if Some(checkpoint) == self.head.checkpoint {
            return Ok(());
        }
        self.verify(certificate)?;
        if checkpoint.height > self.height() {
            if self.is_closed() {
                return Err(Lie::EpochClosed.into());
            }
            self.head.checkpoint = Some(checkpoint);
        }
        Ok(())
    }

    /// Verifies that a transaction is final.
    pub fn final_transaction(&mut self, id: TransactionId, proof: &FinalProof) -> Result<(), Unproven> {
        self.take_certificate(&proof.certificate)?;
        let checkpoint = &proof.certificate.checkpoint;
        match proof.range.verify(id, checkpoint.transactions, checkpoint.transactions_root) {
            true => Ok(()),
            false => Err(Lie::Transaction.into()),
        }
    }

    /// The value of a program's entry at the head, or that there is none. An older one than the head's is not taken.
    pub fn entry(
        &mut self,
        program: ProgramId,
        key: &[u8],
        entry: &CertifiedEntry,
    ) -> Result<Option<Vec<u8>>, Unproven> {
        self.take_certificate(&entry.certificate)?;
        let checkpoint = &entry.certificate.checkpoint;
        if checkpoint.height < self.height() {
            return Err(Unproven::Behind { known: self.height(), got: checkpoint.height });
        }
        let value = entry.proof.verify(program, key, checkpoint.state_root).map_err(Lie::from)?;
        Ok(value.map(<[u8]>::to_vec))
    }

    /// Whether the head is the checkpoint that closes its epoch: the next is certified by others.
    fn is_closed(&self) -> bool {
        let closes = |checkpoint: Checkpoint| checkpoint.epoch_next != self.head.epoch.digest();
        self.head.checkpoint.is_some_and(closes)
    }

    /// Whether the members of the epoch in force certify this, and nothing that is known contradicts it.
    fn verify(&self, certificate: &Certificate) -> Result<(), Lie> {
        certificate.verify(self.network, &self.head.epoch.seats)?;
        let checkpoint = certificate.checkpoint;
        match self.head.checkpoint {
            Some(known) if known.height == checkpoint.height && known != checkpoint => Err(Lie::Fork(known.height)),
            _ => Ok(()),
        }
    }
}

/// The body of a transaction, out of bytes that are said to be it.
pub fn body_of(id: TransactionId, bytes: &[u8]) -> Result<Body, Lie> {
    decode_exact::<Body>(bytes).ok().filter(|body| body.id() == id).ok_or(Lie::Body)
}

/// What a transaction's body pays to the holder of a view key: each output's index and value. Outputs of groups, which
/// have several keys, are not looked at.
pub fn received(body: &Body, view: &ViewSecret) -> Vec<(u32, Value)> {
    let Some(ghost) = body.ghost else { return Vec::new() };
    let single = (0u32..).zip(&body.outputs).filter_map(|(index, output)| {
        match (output.lock.keys.as_slice(), output.view_tags.as_slice()) {
            ([key], [tag]) => Some((index, *key, *tag)),
            _ => None,
        }
    });
    view.owned(ghost, single).map(|index| (index, body.outputs[index as usize].value)).collect()
}

impl OldKeys {
    /// Whether the change from one epoch to the next, after the checkpoint that closed the first, may be believed at `now`:
    /// unless a key that counted went away longer ago than the lock.
    pub(crate) fn check(before: &Epoch, next: &Epoch, closing: &Checkpoint, now: Time, lock: Span) -> Result<(), Self> {
        let stays = |key| next.seats.counting().any(|(_, member)| member.key == key);
        let has_left = before.seats.counting().any(|(_, member)| !stays(member.key));
        match has_left && now.since(closing.time) > lock {
            true => Err(OldKeys { epoch: before.number, ended: closing.time, lock }),
            false => Ok(()),
        }
    }
}

impl Unproven {
    /// Whether whoever sent it is at fault, and not only slow.
    pub fn is_lie(&self) -> bool {
        matches!(self, Unproven::Lie(_))
    }
}

impl Head {
    /// As it is kept: with a digest of it and the network, so that damage shows and is not taken for everyone's lies.
    pub fn to_stored(&self, network: NetworkId) -> Vec<u8> {
        let bytes = self.to_bytes();
        [&STORED_HEAD.hash(&[&network.0.0, &bytes]).0[..], &bytes].concat()
    }

    /// Reads what [`to_stored`](Self::to_stored) gave.
    pub fn from_stored(network: NetworkId, bytes: &[u8]) -> Result<Self, HeadDamaged> {
        let (digest, bytes) = bytes.split_first_chunk::<32>().ok_or(HeadDamaged)?;
        if STORED_HEAD.hash(&[&network.0.0, bytes]).0 != *digest {
            return Err(HeadDamaged);
        }
        decode_exact(bytes).map_err(|_| HeadDamaged)
    }
}

impl FromStr for TrustedCheckpoint {
    type Err = NoCheckpoint;

    fn from_str(text: &str) -> Result<Self, NoCheckpoint> {
        let (height, digest) = text.split_once(':').ok_or(NoCheckpoint)?;
        let height = height.parse().map(Height).map_err(|_| NoCheckpoint)?;
        Ok(Self { height, digest: digest.parse().map_err(|_| NoCheckpoint)? })
    }
}

impl fmt::Display for TrustedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.height, self.digest)
    }
}

impl From<&Checkpoint> for TrustedCheckpoint {
    fn from(checkpoint: &Checkpoint) -> Self {
        Self { height: checkpoint.height, digest: checkpoint.digest() }
    }
}

impl Encode for Head {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.epoch);
        out.value(&self.after);
        out.option(self.checkpoint.as_ref());
    }
}

impl Decode for Head {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { epoch: input.value()?, after: input.value()?, checkpoint: input.option()? })
    }
}
