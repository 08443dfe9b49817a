//! The kernel: 7 to 50 nodes that agree on one sequence of commits through a graph of signed snapshots (row K3).
//!
//! # The problem
//!
//! Of n nodes up to f = ⌊(n − 1)/3⌋ may do anything; messages may take any time and get lost; nodes crash and come back
//! with what was durable. All honest nodes must execute the same transactions in the same order, a transaction given to
//! an honest node must get a verdict once the network is good, and neither a few stopped nodes nor idleness may cost
//! anything to speak of.
//!
//! # The idea
//!
//! Nobody proposes blocks to be voted on. Every node signs a *snapshot* per round, which carries transactions and
//! references q(n) or more snapshots of the round before; q(n) = n − f, so any two quorums share an honest node for every
//! n. The references are the votes: each node reads from its own copy of the graph what the others must conclude from
//! theirs. There is no second kind of message whose loss or forgery matters. This is the uncertified graph of Mysticeti
//! (Babel et al. 2023) and Mahi-Mahi (Jovanovic et al. 2024); a snapshot is sent once and is itself a vote, a certificate
//! and a proposal.
//!
//! # The graph
//!
//! A snapshot enters the graph ([`graph`]) when it is verified by itself ([`verified`]: form, signatures, transactions,
//! none of which depends on what else one holds), its time is not far ahead of our clock, and all its parents are in the
//! graph or below its floor. Parents are the references, *weak references* to older snapshots that nobody had in time,
//! and the author's own snapshot before. A snapshot with transactions that names too old a checkpoint is refused
//! ([`outdated`]). What lacks parents waits and they are asked for ([`waiting`]); a node far behind
//! fetches whole rounds instead ([`catch_up`]). Each honest node references each snapshot once, at the first opportunity,
//! so whatever one honest node has accepted is in everybody's history a round or two later.
//!
//! # The commit rule
//!
//! Every round r has a *leader slot* (or several), filled round robin ([`leader`]). For a snapshot L in the slot:
//!
//! - a *vote* for L is a snapshot of round r + 1 that references L. It references at most one of the leader's snapshots.
//! - a *certificate* of L is a snapshot of round r + 2 that references votes for L by q(n) authors.
//!
//! A slot is decided in one of three ways ([`commit`]):
//!
//! 1. *Committed directly*, when snapshots by q(n) authors are certificates of L.
//! 2. *Skipped directly*, when for every L that the slot has or might have, snapshots of round r + 1 by q(n) authors are
//!    no votes for L.
//! 3. *Decided by its anchor*: the first later slot, of round r + 3 at the earliest, that is not skipped. While that is
//!    undecided so is this. If it is committed, then L is committed if the anchor's history holds a certificate of L, and
//!    the slot is skipped if it holds none.
//!
//! Slots are used strictly in order, so an undecided one holds up those after it. A committed leader commits everything
//! in its history, down to `round_horizon` rounds below it, that is not committed yet, ordered by round, author and hash.
//! The commit's time is the median of the times of what the leader references, and never goes back. Commits go to the
//! ledger one by one, each with its verdicts.
//!
//! # Why it is safe
//!
//! An honest node signs once per round, so of q(n) authors at least q(n) − f ≥ f + 1 count for only one side.
//!
//! - *Two snapshots of one slot are never both certified*: that takes q(n) voters each, two quorums share an honest node,
//!   and it votes once.
//! - *Commit and skip exclude each other.* If L is certified, q(n) authors voted for it; a direct skip needs q(n) authors
//!   that did not, and the honest one they share did one thing.
//! - *A direct commit is seen by every anchor.* Certificates by q(n) authors are in round r + 2; any snapshot of round
//!   r + 3 references q(n) authors of round r + 2, hence a certificate by an honest author, which has no other snapshot
//!   there; so has everything above it. An anchor finds it, and (first point) finds none of another snapshot.
//! - *All nodes use the same anchor*: by induction from later slots to earlier ones, no slot is committed by one and
//!   skipped by another; "first slot not skipped" is therefore the same to all who can name it.
//! - *The horizon doesn't matter.* Rounds fall along edges, so the history above the horizon is complete wherever the
//!   leader was accepted, whatever had been dropped below (see [`graph`]). Who replays from an older floor commits up to
//!   where the others were with what they had, and then has their floor.
//!
//! Equivocators change none of this: every count is of authors. Both snapshots may be in the graph, a transaction in
//! both is executed once, and the pair is surfaced as evidence (row K4).
//!
//! **Crashes.** A snapshot is durable before it is sent, and it takes part in its own author's decisions only from then
//! on ([`machine`]). So a node that restarts is one that was slow. It signs for rounds above its last only.
//!
//! # Why it is live, and idle when there is nothing to do
//!
//! A node signs for round r + 1 when it holds a quorum of round r, and the leader of r, or has waited for it as long as
//! is worth it ([`pace`]), and there is *work*: transactions that wait or are uncommitted, a checkpoint due, a vote to
//! send, or somebody ahead. Otherwise it signs once per heartbeat. What is lost is sent again while a round lacks its
//! quorum. Own transactions whose snapshot fell below the horizon go into another one ([`pool`]).
//!
//! # Checkpoints
//!
//! When the ledger makes a checkpoint, each node's vote on it rides in its next snapshot; q(n) equal votes are a
//! certificate ([`votes`]), kept in the store under the checkpoint's height ([`archive`]). A node that executed something
//! else than was certified stops at once, and says so.
//!
//! Everyone else follows those certificates ([`follower`]).
//!
//! # Deviations from the papers
//!
//! - One leader per round by default, though the rule is written for several: with seven nodes the gain is small and
//!   every absent leader is a slot that must be skipped.
//! - Weak references and the author's previous snapshot are parents but never votes.
//! - That a snapshot's time is not before its author's previous one's is kept by honest nodes and checked by nobody:
//!   whoever has dropped the previous one couldn't, and a rule that some can't check would split the graph. Medians, and
//!   commits' times that never go back, make up for it.
//! - Nobody signs a certificate of anything but checkpoints; finality is proved to outsiders by those.
//!
//! # What is not here
//!
//! Sockets, threads, clocks, disks (the driver's); verdicts (the ledger's); a common coin; changes of membership and
//! penalties, for which equivocations are only reported; recovery of a node whose disk was lost, which must not be
//! started with its old key (it stops when it meets a snapshot that it has forgotten).

pub mod archive;
pub mod catch_up;
pub mod commit;
pub mod committee;
pub mod config;
pub mod follower;
pub mod graph;
pub mod leader;
pub mod machine;
pub mod message;
pub mod news;
pub mod outdated;
pub mod overlay;
pub mod pace;
pub mod pool;
pub mod snapshot;
pub mod verified;
pub mod votes;
pub mod waiting;

#[cfg(test)]
mod drawn;

pub use committee::{Committee, MemberBits, MemberIndex};
pub use config::Config;
pub use machine::{CommitSummary, Kernel, Status};
pub use message::{Message, SyncMessage};
pub use news::{Committed, Equivocation, Fatal, KernelEffect, News, OpenError, SubmitError};
pub use snapshot::{Header, Reference, SnapshotForm, Vote};
pub use verified::{SnapshotError, VerifiedSnapshot};
