//! What followers ask kernel nodes, and what those answer.
//!
//! Nothing in an answer is believed: [`Step`]s prove themselves against the member set, and the rest ([`Answer::Status`],
//! [`Answer::Stage`]) is shown as one node's word and never acted on. What explorers ask is in [`super::explore`],
//! what light clients ask in [`crate::light::protocol`].

use byway_primitives::Time;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_records::checkpoint::{Certificate, Height};
use byway_records::scan::ScanData;
use byway_records::transaction::TRANSACTION_BYTES_MAX;
use byway_records::{Genesis, ProgramId, TransactionId};

use byway_ledger::ProgramDifference;
use byway_ledger::content::EXCESS_BYTES_MAX;
use byway_records::genesis::CHECKPOINT_BYTES_MAX;

use super::explore::{Found, Query};
pub use super::refusal::Refusal;
use crate::committee::MemberIndex;
use crate::light::protocol::{Question, Reply};
use crate::stamp::Stamp;

/// Programs that a follower may ask for at once: all there are, with room.
pub(super) const PROGRAMS_MAX: usize = 32;
/// Bytes of one step: what a checkpoint gives followers at the most, a certificate and a few lengths and roots.
pub const STEP_BYTES_MAX: usize = (CHECKPOINT_BYTES_MAX + EXCESS_BYTES_MAX) as usize + 64 * 1024;
/// Steps in one answer.
pub const STEPS_MAX: usize = 64;
/// Members that a status speaks of.
const LANES_MAX: usize = byway_records::checkpoint::MEMBERS_MAX;
/// Snapshots, and likewise commits, that a pulse shows.
pub const PULSE_MAX: usize = 512;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Checkpoints from this height on, with differences of these programs, in rising order; answered when there is one,
    /// or empty after a while.
    Follow { from: Height, programs: Vec<ProgramId> },
    /// Take this transaction into a snapshot. A busy node asks for a stamp ([`Refusal::Busy`]).
    Submit { transaction: Vec<u8>, stamp: Option<Stamp> },
    /// What this node has seen of a transaction.
    Stage { transaction: TransactionId },
    /// How this node is doing.
    Status,
    /// At which height a transaction was decided, if it was: where to look for the proof.
    Find { transaction: TransactionId },
    /// What happened in the kernel since a number of this node's own counting.
    Pulse { since: u64 },
    /// A look into the kernel.
    Explore(Query),
    /// A light client's question.
    Light(Question),
    /// The network itself, for who knows nothing but its id: the genesis, which proves itself by that.
    Genesis,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Steps(Vec<Step>),
    /// The transaction is in this node's pool, or already was.
    Taken,
    /// It is not, and why.
    Refused(Refusal),
    Stage(StageClaim),
    Status(Status),
    /// One node's word on where a verdict stands; the step of that height proves it or doesn't.
    Found(Option<Height>),
    Pulse(Pulse),
    Explored(Found),
    Light(Reply),
    Genesis(Box<Genesis>),
}

/// One certified checkpoint with everything a follower needs to go there from the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub certificate: Certificate,
    pub differences: Vec<ProgramDifference>,
    pub scan: ScanData,
}

/// One node's word on a transaction; certified verdicts come with scan data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StageClaim {
    Unknown,
    Pooled,
    Included,
    Final,
    Rejected,
    /// It was in this node's pool and gave way to others'; to be handed in again.
    GaveWay,
}

/// One node's word on how it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    pub height: Height,
    pub commits: u64,
    pub time: Time,
    /// Latest round seen of each member.
    pub rounds: Vec<u64>,
    pub connected: Vec<bool>,
    /// Whether it fetches old rounds instead of taking part.
    pub is_behind: bool,
    /// Median milliseconds from a snapshot's time to its commitment here, over the last minute.
    pub finality_ms_p50: u64,
    pub finality_ms_p99: u64,
    /// How full its pool is, in percent.
    pub pool_percent: u64,
    /// Bits of work that a source is asked for which has nothing there.
    pub stamp_bits: u8,
    /// The newest epoch that is proved to it.
    pub newest_epoch: u32,
    /// Whether its snapshots count there.
    pub counts_there: bool,
}

/// What a node saw lately, for drawing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pulse {
    /// To be asked for next.
    pub next: u64,
    pub snapshots: Vec<PulseSnapshot>,
    pub commits: Vec<PulseCommit>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PulseSnapshot {
    pub author: MemberIndex,
    pub round: u64,
    pub time: Time,
    pub transactions: u32,
    pub hash: byway_primitives::Hash,
    /// Authors of the snapshots of the round before that it references.
    pub references: Vec<MemberIndex>,
    /// The commit that ordered it.
    pub commit: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PulseCommit {
    pub index: u64,
    pub time: Time,
    pub transactions: u32,
    pub leader: MemberIndex,
    /// The leader's round.
    pub round: u64,
}

impl Encode for Request {
    fn encode(&self, out: &mut Writer) {
        match self {
            Request::Follow { from, programs } => {
                out.byte(0);
                out.value(from);
                out.list(programs);
            }
            Request::Submit { transaction, stamp } => {
                out.byte(1);
                out.bytes(transaction);
                out.option(stamp.as_ref());
            }
            Request::Stage { transaction } => {
                out.byte(2);
                out.value(transaction);
            }
            Request::Status => out.byte(3),
            Request::Pulse { since } => {
                out.byte(4);
                out.varint(*since);
            }
            Request::Find { transaction } => {
                out.byte(5);
                out.value(transaction);
            }
            Request::Explore(query) => {
                out.byte(6);
                out.value(query);
            }
            Request::Light(question) => {
                out.byte(7);
                out.value(question);
            }
            Request::Genesis => out.byte(8),
        }
    }
}

impl Decode for Request {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            0 => Ok(Request::Follow { from: input.value()?, programs: input.list(PROGRAMS_MAX)? }),
            1 => Ok(Request::Submit {
                transaction: input.bytes(TRANSACTION_BYTES_MAX)?.to_vec(),
                stamp: input.option()?,
            }),
            2 => Ok(Request::Stage { transaction: input.value()? }),
            3 => Ok(Request::Status),
            4 => Ok(Request::Pulse { since: input.u64()? }),
            5 => Ok(Request::Find { transaction: input.value()? }),
            6 => Ok(Request::Explore(input.value()?)),
            7 => Ok(Request::Light(input.value()?)),
            8 => Ok(Request::Genesis),
            other => Err(DecodeError::UnknownVariant { kind: "request", value: other.into() }),
        }
    }
}

impl Encode for Answer {
    fn encode(&self, out: &mut Writer) {
        match self {
            Answer::Steps(steps) => {
                out.byte(0);
                out.list(steps);
            }
            Answer::Taken => out.byte(1),
            Answer::Refused(refusal) => {
                out.byte(2);
                out.value(refusal);
            }
            Answer::Stage(claim) => {
                out.byte(3);
                out.byte(*claim as u8);
            }
            Answer::Status(status) => {
                out.byte(4);
                out.value(status);
            }
            Answer::Pulse(pulse) => {
                out.byte(5);
                out.value(pulse);
            }
            Answer::Found(height) => {
                out.byte(6);
                out.flag(height.is_some());
                height.iter().for_each(|height| out.value(height));
            }
            Answer::Explored(found) => {
                out.byte(7);
                out.value(found);
            }
            Answer::Light(reply) => {
                out.byte(8);
                out.value(reply);
            }
            Answer::Genesis(genesis) => {
                out.byte(9);
                out.value(&**genesis);
            }
        }
    }
}

impl Decode for Answer {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            0 => Ok(Answer::Steps(input.list(STEPS_MAX)?)),
            1 => Ok(Answer::Taken),
            2 => Ok(Answer::Refused(input.value()?)),
            3 => Ok(Answer::Stage(match input.byte()? {
                0 => StageClaim::Unknown,
                1 => StageClaim::Pooled,
                2 => StageClaim::Included,
                3 => StageClaim::Final,
                4 => StageClaim::Rejected,
                5 => StageClaim::GaveWay,
                other => return Err(DecodeError::UnknownVariant { kind: "stage", value: other.into() }),
            })),
            4 => Ok(Answer::Status(input.value()?)),
            5 => Ok(Answer::Pulse(input.value()?)),
            6 => Ok(Answer::Found(if input.flag()? { Some(input.value()?) } else { None })),
            7 => Ok(Answer::Explored(input.value()?)),
            8 => Ok(Answer::Light(input.value()?)),
            9 => Ok(Answer::Genesis(Box::new(input.value()?))),
            other => Err(DecodeError::UnknownVariant { kind: "answer", value: other.into() }),
        }
    }
}

impl Encode for Step {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.certificate);
        out.list(&self.differences);
        out.value(&self.scan);
    }
}

impl Decode for Step {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { certificate: input.value()?, differences: input.list(PROGRAMS_MAX)?, scan: input.value()? })
    }
}

impl Encode for Status {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.height);
        out.varint(self.commits);
        out.value(&self.time);
        out.list(&self.rounds);
        out.varint(self.connected.len() as u64);
        self.connected.iter().for_each(|connected| out.flag(*connected));
        out.flag(self.is_behind);
        out.varint(self.finality_ms_p50);
        out.varint(self.finality_ms_p99);
        out.varint(self.pool_percent);
        out.byte(self.stamp_bits);
        out.varint(self.newest_epoch);
        out.flag(self.counts_there);
    }
}

impl Decode for Status {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (height, commits, time, rounds) = (input.value()?, input.u64()?, input.value()?, input.list(LANES_MAX)?);
        let lanes = input.u64()?;
        if lanes > LANES_MAX as u64 {
            return Err(DecodeError::TooLong { length: lanes, limit: LANES_MAX as u64 });
        }
        let connected = (0..lanes).map(|_| input.flag()).collect::<Result<_, _>>()?;
        Ok(Self {
            height,
            commits,
            time,
            rounds,
            connected,
            is_behind: input.flag()?,
            finality_ms_p50: input.u64()?,
            finality_ms_p99: input.u64()?,
            pool_percent: input.u64()?,
            stamp_bits: input.byte()?,
            newest_epoch: input.u32()?,
            counts_there: input.flag()?,
        })
    }
}

impl Encode for PulseSnapshot {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.author);
        out.varint(self.round);
        out.value(&self.time);
        out.varint(self.transactions);
        out.value(&self.hash);
        out.list(&self.references);
        out.flag(self.commit.is_some());
        self.commit.iter().for_each(|commit| out.varint(*commit));
    }
}

impl Decode for PulseSnapshot {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            author: input.value()?,
            round: input.u64()?,
            time: input.value()?,
            transactions: input.u32()?,
            hash: input.value()?,
            references: input.list(LANES_MAX)?,
            commit: if input.flag()? { Some(input.u64()?) } else { None },
        })
    }
}

impl Encode for PulseCommit {
    fn encode(&self, out: &mut Writer) {
        out.varint(self.index);
        out.value(&self.time);
        out.varint(self.transactions);
        out.value(&self.leader);
        out.varint(self.round);
    }
}

impl Decode for PulseCommit {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            index: input.u64()?,
            time: input.value()?,
            transactions: input.u32()?,
            leader: input.value()?,
            round: input.u64()?,
        })
    }
}

impl Encode for Pulse {
    fn encode(&self, out: &mut Writer) {
        out.varint(self.next);
        out.list(&self.snapshots);
        out.list(&self.commits);
    }
}

impl Decode for Pulse {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { next: input.u64()?, snapshots: input.list(PULSE_MAX)?, commits: input.list(PULSE_MAX)? })
    }
}
