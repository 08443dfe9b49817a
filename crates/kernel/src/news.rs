//! What the machine tells the layer above.

use std::sync::Arc;

use byway_ledger::{LedgerDamaged, NewCheckpoint, Verdict};
use byway_primitives::{Effect, Hash, Time};
use byway_records::{Certificate, Epoch, Height, Reject, TransactionId};

use crate::committee::MemberIndex;
use crate::message::Message;
use crate::snapshot::Reference;
use crate::verified::VerifiedSnapshot;

/// What a kernel node wants done.
pub type KernelEffect = Effect<MemberIndex, Message, News>;

/// Something that the layer above may want to know.
#[derive(Debug, Clone)]
pub enum News {
    /// This node signed a snapshot. It is not durable yet, and nobody has it.
    Signed(Arc<VerifiedSnapshot>),
    /// q(n) nodes have built on the own snapshot with these transactions. Says nothing about conflicts: never shown as
    /// paid.
    Included(Vec<TransactionId>),
    /// These had been taken, and gave way to those of sources that have less waiting: they are not here any more.
    GaveWay(Vec<TransactionId>),
    /// A commit was executed; its verdicts are final.
    Committed(Committed),
    /// A commit ended with a checkpoint, for which this node votes now.
    Checkpoint(Box<NewCheckpoint>),
    /// q(n) nodes agree on a checkpoint.
    Certified(Arc<Certificate>),
    /// Other members count from here on, or the same ones under other terms: snapshots are to be verified by this
    /// epoch's [`Committee`](crate::Committee) now. `after` is the checkpoint that closed the one before.
    Epoch { epoch: Arc<Epoch>, after: Height },
    /// The network is in this epoch at least, so it is proved, and this node in an earlier one: its members are to be
    /// connected to as well. Where one of them and a member of this node's epoch have the same seat, the seat is the former's.
    Ahead(Arc<Epoch>),
    /// A node signed two snapshots for one round (evidence for row K4). The transactions of both are executed at most
    /// once, and the node is still counted once.
    Equivocation(Box<Equivocation>),
    /// A node signed a share of a coin that is false (evidence for row K4; see [`crate::coin::check_shares`]). It is not
    /// used, and nor are others of that node.
    FalseCoinShare(Arc<VerifiedSnapshot>),
    /// More than f nodes are ahead of this node's clock by more than it tolerates: its clock is wrong, or theirs are.
    ClockBehind { seen: Time, own: Time },
    /// This node doesn't know what it has signed, and asks the others before it signs again.
    Recovering,
    /// It knows now, and signs for rounds from `first` on.
    Recovered { first: u64 },
    /// This node is epochs behind and goes on from checkpoint to checkpoint, from this height on, until it is in the epoch in
    /// force; it executes nothing meanwhile and says nothing of commits.
    Stepping { from: Height },
    /// It has taken a certified checkpoint, which is said to be certified next.
    Stepped(Box<Stepped>),
    /// The machine has stopped and takes no more input.
    Fatal(Fatal),
}

/// An executed commit.
#[derive(Debug, Clone)]
pub struct Committed {
    /// Counted from 1.
    pub index: u64,
    pub time: Time,
    pub leader: Reference,
    pub snapshots: Vec<Reference>,
    pub verdicts: Vec<(TransactionId, Verdict)>,
}

/// A certified checkpoint, taken without executing what led there.
#[derive(Debug, Clone)]
pub struct Stepped {
    pub checkpoint: NewCheckpoint,
    /// Those that it adds to what was executed here.
    pub verdicts: Vec<(TransactionId, Verdict)>,
}

/// Two snapshots of one author for one round.
#[derive(Debug, Clone)]
pub struct Equivocation {
    pub first: Arc<VerifiedSnapshot>,
    pub second: Arc<VerifiedSnapshot>,
}

/// Why a node must not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fatal {
    #[error(
        "this node's ledger differs from the certified one at checkpoint {height} ({own} here, {certified} certified): \
         its disk or its software is faulty; keep its folder for whoever looks into it, and don't start the node with an \
         empty one under the same key, because it could sign a round twice"
    )]
    Divergence { height: Height, own: Hash, certified: Hash },
    #[error(
        "what this node has stored does not lead to checkpoint {height}, which is certified: its disk or its software is \
         faulty; keep its folder for whoever looks into it, and don't start the node with an empty one under the same key, \
         because it could sign a round twice"
    )]
    Damaged { height: Height },
    #[error(
        "a snapshot of round {round} signed by this node's key came from a peer, but this node has not signed it: its \
         folder was restored from an old copy, or its key is in use elsewhere; make sure that no other node has the key, \
         and put the newest copy of the folder back"
    )]
    OwnHistory { round: u64 },
    #[error(
        "the network speaks version {decided} of the kernel's protocol from here on, this program version {known}: install \
         the new version and start the node again; it goes on where it stopped"
    )]
    OldSoftware { decided: u16, known: u16 },
}

/// Why a transaction was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    #[error("the transaction was submitted already: it waits for its verdict, or has it")]
    Known,
    #[error("another transaction that waits here spends the same; what becomes of it is known in a second")]
    Conflict,
    #[error("the node has too many transactions waiting; try again in a second, or at another node")]
    Full,
    #[error("the ledger would reject the transaction as things stand: {0}")]
    Rejected(Reject),
    #[error("an input of the transaction is spent already; look at the wallet's history for what spent it")]
    Spent,
    #[error("the node has stopped")]
    Stopped,
}

/// What an operator can do about a damaged folder. An older or an empty one would let the node sign a round twice.
const NEWEST_COPY: &str = "put back a copy of the folder from after the node last ran, and no older or empty one: with \
     that it could sign a round twice";

/// Why a node could not be opened from its store.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the ledger is damaged: {0}")]
    Ledger(#[from] LedgerDamaged),
    #[error("the record of commit {0} is missing or damaged; {NEWEST_COPY}")]
    Commit(u64),
    #[error("a stored snapshot of round {0} is damaged; {NEWEST_COPY}")]
    Snapshot(u64),
    #[error("the record of this node's own last snapshot is damaged; {NEWEST_COPY}")]
    Own,
    #[error("{0}")]
    OldSoftware(Fatal),
    #[error("the record of epoch {0} is missing or damaged; {NEWEST_COPY}")]
    Epoch(u32),
}
