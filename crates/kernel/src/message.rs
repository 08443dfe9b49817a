//! What kernel nodes send each other.
//!
//! Snapshots travel as the bytes that their authors signed; whoever receives them verifies them away from the machine
//! ([`VerifiedSnapshot::verify`](crate::VerifiedSnapshot::verify)) and hands in the result. Everything else is a
//! [`SyncMessage`] and goes to the machine as it is.

use std::sync::Arc;

use byway_primitives::{Decode, DecodeError, Encode, Reader, Writer};
use byway_records::{Certificate, Height, Transaction};

use crate::follower::Step;
use crate::follower::protocol::{STEP_BYTES_MAX, STEPS_MAX};
use crate::snapshot::{Reference, SNAPSHOT_BYTES_MAX, VOTES_MAX, Vote};

/// Bytes of one encoded message: one step, or a full chunk of snapshots, and its framing.
pub const MESSAGE_BYTES_MAX: usize = STEP_BYTES_MAX + 64 * 1024;
const _: () = assert!(MESSAGE_BYTES_MAX > CHUNK_BYTES_MAX + SNAPSHOT_BYTES_MAX + 64 * 1024, "snapshots fit");
/// Bytes of snapshots after which a chunk takes no further one.
pub const CHUNK_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Snapshots in one message: a chunk of the smallest ones.
pub const CHUNK_SNAPSHOTS_MAX: usize = 2048;
/// Snapshots asked for by name in one message: five rounds of the largest kernel.
pub const WANTED_MAX: usize = 256;
/// Transactions in one message: a millisecond or two of verification.
pub const TRANSACTIONS_MAX: usize = 32;
/// Rounds asked for in one message.
pub const WANTED_ROUNDS_MAX: u64 = 64;

/// A message between kernel nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Encoded snapshots, to be verified before the machine sees them.
    Snapshots(Vec<Arc<[u8]>>),
    /// Transactions that the sender can't bring in itself; each is to be verified, and submitted like a client's.
    Transactions(Vec<Transaction>),
    Sync(SyncMessage),
}

/// How nodes tell each other where they are and ask for what they lack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncMessage {
    /// Where the sender is: the newest round of which it holds a quorum, and its number of commits.
    Status { round: u64, commits: u64 },
    /// Send these snapshots.
    Want(Vec<Reference>),
    /// Send every snapshot of the rounds `from ..= to`.
    WantRounds { from: u64, to: u64 },
    /// The answer to `WantRounds`, after its snapshots: everything of the rounds from `from` up to and without `until`
    /// was sent. `until == from` says that there was nothing to send.
    RoundsSent { from: u64, until: u64 },
    /// The sender's votes on checkpoints of epochs that are over; of a sender that had no vote, a question for the certificates.
    Votes(Vec<Vote>),
    /// The certificate of a checkpoint that closed an epoch.
    Certificate(Box<Certificate>),
    /// Show the highest snapshot that you hold, of anyone: the sender doesn't know what it has signed.
    AskHighest,
    /// The answer, after the snapshot itself: what it is, of which epoch; `None` where there is none.
    Highest { epoch: u32, highest: Option<Reference> },
    /// Show the certificate of the checkpoint that closed this one's epoch.
    WantClosing { from: Height },
    /// Send what leads from this checkpoint to the end of its epoch.
    WantSteps { from: Height },
    /// The answer to both; empty where that epoch is not over.
    Steps(Box<Steps>),
}

/// How a node that is epochs behind goes on without executing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Steps {
    /// Of the checkpoint that closed the epoch.
    pub closing: Option<Certificate>,
    /// The next certified checkpoints of it, for all programs.
    pub steps: Vec<Step>,
}

impl Encode for SyncMessage {
    fn encode(&self, out: &mut Writer) {
        match self {
            SyncMessage::Status { round, commits } => {
                out.byte(1);
                out.varint(*round);
                out.varint(*commits);
            }
            SyncMessage::Want(references) => {
                out.byte(2);
                out.list(references);
            }
            SyncMessage::WantRounds { from, to } => {
                out.byte(3);
                out.varint(*from);
                out.varint(*to);
            }
            SyncMessage::RoundsSent { from, until } => {
                out.byte(4);
                out.varint(*from);
                out.varint(*until);
            }
            SyncMessage::Votes(votes) => {
                out.byte(5);
                out.list(votes);
            }
            SyncMessage::Certificate(certificate) => {
                out.byte(6);
                out.value(&**certificate);
            }
            SyncMessage::AskHighest => out.byte(7),
            SyncMessage::Highest { epoch, highest } => {
                out.byte(8);
                out.varint(*epoch);
                out.option(highest.as_ref());
            }
            SyncMessage::WantSteps { from } => {
                out.byte(10);
                out.value(from);
            }
            SyncMessage::Steps(steps) => {
                out.byte(11);
                out.value(&**steps);
            }
            SyncMessage::WantClosing { from } => {
                out.byte(12);
                out.value(from);
            }
        }
    }
}

impl Encode for Message {
    fn encode(&self, out: &mut Writer) {
        match self {
            Message::Snapshots(snapshots) => {
                out.byte(0);
                out.varint(snapshots.len() as u64);
                snapshots.iter().for_each(|snapshot| out.bytes(snapshot));
            }
            Message::Transactions(transactions) => {
                out.byte(9);
                out.list(transactions);
            }
            Message::Sync(sync) => out.value(sync),
        }
    }
}

impl Decode for Message {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let sync = match input.byte()? {
            0 => {
                let snapshots: Vec<SnapshotBytes> = input.list(CHUNK_SNAPSHOTS_MAX)?;
                return Ok(Message::Snapshots(snapshots.into_iter().map(|SnapshotBytes(bytes)| bytes).collect()));
            }
            1 => SyncMessage::Status { round: input.u64()?, commits: input.u64()? },
            2 => SyncMessage::Want(input.list(WANTED_MAX)?),
            3 => SyncMessage::WantRounds { from: input.u64()?, to: input.u64()? },
            4 => SyncMessage::RoundsSent { from: input.u64()?, until: input.u64()? },
            5 => SyncMessage::Votes(input.list(VOTES_MAX)?),
            6 => SyncMessage::Certificate(Box::new(input.value()?)),
            7 => SyncMessage::AskHighest,
            8 => SyncMessage::Highest { epoch: input.u32()?, highest: input.option()? },
            9 => return Ok(Message::Transactions(input.list(TRANSACTIONS_MAX)?)),
            10 => SyncMessage::WantSteps { from: input.value()? },
            11 => SyncMessage::Steps(Box::new(input.value()?)),
            12 => SyncMessage::WantClosing { from: input.value()? },
            other => return Err(DecodeError::UnknownVariant { kind: "kernel message", value: other.into() }),
        };
        Ok(Message::Sync(sync))
    }
}

impl Encode for Steps {
    fn encode(&self, out: &mut Writer) {
        out.option(self.closing.as_ref());
        out.list(&self.steps);
    }
}

impl Decode for Steps {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { closing: input.option()?, steps: input.list(STEPS_MAX)? })
    }
}

struct SnapshotBytes(Arc<[u8]>);

impl Decode for SnapshotBytes {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(input.bytes(SNAPSHOT_BYTES_MAX)?.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::committee::MemberIndex;
    use byway_crypto::node::NodeSignature;
    use byway_primitives::Hash;
    use byway_records::Height;
    use proptest::prelude::*;

    #[test]
    fn messages_come_back() {
        let reference = Reference { round: 9, author: MemberIndex(3), hash: Hash([7; 32]) };
        let vote = Vote { height: Height(4), digest: Hash([5; 32]), signature: NodeSignature([6; 64]) };
        for message in [
            Message::Snapshots(vec![vec![1, 2, 3].into(), vec![].into()]),
            Message::Sync(SyncMessage::Status { round: 300, commits: 2 }),
            Message::Sync(SyncMessage::Want(vec![reference; 3])),
            Message::Sync(SyncMessage::WantRounds { from: 1, to: 64 }),
            Message::Sync(SyncMessage::RoundsSent { from: 1, until: 1 }),
            Message::Sync(SyncMessage::Votes(vec![vote; 2])),
            Message::Transactions(Vec::new()),
            Message::Sync(SyncMessage::AskHighest),
            Message::Sync(SyncMessage::Highest { epoch: 0, highest: None }),
            Message::Sync(SyncMessage::Highest { epoch: 3, highest: Some(reference) }),
            Message::Sync(SyncMessage::WantSteps { from: Height(300) }),
            Message::Sync(SyncMessage::WantClosing { from: Height(300) }),
            Message::Sync(SyncMessage::Steps(Box::new(Steps { closing: None, steps: Vec::new() }))),
        ] {
            assert_eq!(Message::from_bytes(&message.to_bytes()), Ok(message));
        }
    }

    #[test]
    fn an_oversized_request_is_refused() {
        let reference = Reference { round: 9, author: MemberIndex(3), hash: Hash([7; 32]) };
        let message = Message::Sync(SyncMessage::Want(vec![reference; WANTED_MAX + 1]));
        assert!(matches!(Message::from_bytes(&message.to_bytes()), Err(DecodeError::TooLong { .. })));
    }

    proptest! {
        #[test]
        fn whatever_decodes_encodes_to_the_same_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(message) = Message::from_bytes(&bytes) {
                prop_assert_eq!(message.to_bytes(), bytes);
            }
        }
    }
}
