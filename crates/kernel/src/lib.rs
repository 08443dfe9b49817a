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
//! Genesis says how many *leaders* each round has, one or all members, and who names them ([`leader`]): each member in
//! turn, or a coin that is thrown after the votes ([`coin`]). A leader's place is a *slot*; slots are ordered by round
//! and, within a round, as the leaders are named. Votes lie d rounds above their leader: d = 1 in turn (a wave of three
//! rounds, as in Mysticeti), d = 3 with the coin (a wave of five, as in Mahi-Mahi; a wave begins with every round). For a
//! snapshot L in a slot of round r:
//!
//! - a *vote* for L is a snapshot of round r + d whose history holds L and no other snapshot of the leader of round r.
//!   For d = 1 that is to reference L.
//! - a *certificate* of L is a snapshot of round r + d + 1 that references votes for L by q(n) authors.
//!
//! A slot is decided in one of three ways, once its leader is known ([`commit`]; who votes for what is counted in
//! `tally`):
//!
//! 1. *Committed directly*, when snapshots by q(n) authors are certificates of L.
//! 2. *Skipped directly*, when for every L that the slot has or might have, snapshots of round r + d by q(n) authors are
//!    no votes for L.
//! 3. *Decided by its anchor*: the first later slot, of round r + d + 2 at the earliest, that is not skipped. While that
//!    is undecided so is this. If it is committed, then L is committed if the anchor's history holds a certificate of L,
//!    and the slot is skipped if it holds none.
//!
//! Slots are used strictly in order, so an undecided one holds up those after it. A committed leader commits everything
//! in its history, down to `round_horizon` rounds below it, that is not committed yet, ordered by round, author and hash:
//! as one commit, or as several where that is more than a checkpoint has room for ([`byway_ledger::content`]).
//! The commit's time is the median of the times of what the leader references, and never goes back. Commits go to the
//! ledger one by one, each with its verdicts.
//!
//! # Why it is safe
//!
//! An honest node signs once per round, so of q(n) authors at least q(n) − f ≥ f + 1 count for only one side.
//!
//! - *Two snapshots of one slot are never both certified*: that takes q(n) voters each, two quorums share an honest node,
//!   and its one snapshot of that round votes for one at most.
//! - *Commit and skip exclude each other.* If L is certified, q(n) authors voted for it; a direct skip needs q(n) authors
//!   that did not, and the honest one they share did one thing.
//! - *A direct commit is seen by every anchor.* Certificates by q(n) authors are in round r + d + 1; any snapshot of the
//!   round after references q(n) authors of it, hence a certificate by an honest author, which has no other snapshot
//!   there; so has everything above it. An anchor finds it, and (first point) finds none of another snapshot.
//! - *All nodes use the same anchor*: by induction from later slots to earlier ones, no slot is committed by one and
//!   skipped by another; "first slot not skipped" is therefore the same to all who can name it.
//! - *All nodes name the same leaders*, sooner or later: the schedule in turn is arithmetic, and what a coin shows does not
//!   depend on whose shares opened it. The leaders of a round are all different, so no snapshot is in two slots.
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
//! A node signs for round r + 1 when it holds a quorum of round r, and those of its leaders that are known by then, or has
//! waited for them as long as is worth it ([`pace`]), and there is *work*: transactions that wait or are uncommitted, a
//! checkpoint due, a vote to send, or somebody ahead. Otherwise it signs once per heartbeat. What is lost is sent again
//! while a round lacks its quorum. Own transactions whose snapshot fell below the horizon go into another one ([`pool`]).
//!
//! **In turn**, a slot is committed directly if its leader reaches q(n) voters before they stop waiting. Who can make
//! messages arrive late can prevent that for ever, for one slot per round, and that is enough.
//!
//! **With the coin** nobody waits. Every round r has a *core*: snapshots by q(n) authors that are in the history of every
//! snapshot of round r + 3, whoever signed what and in which order it arrived. (Let m honest nodes, of n − b with b ≤ f
//! dishonest, sign for round r + 2. Each references q(n) − b or more honest snapshots of round r + 1, so one of those,
//! C, is referenced by at least m·(q(n) − b)/(n − b) of them. A snapshot of round r + 3 references q(n) of at most m + b
//! authors, so it misses at most m + b − q(n) of the honest ones, which is less as long as n > 3f. So C is below it, and
//! below C are q(n) snapshots of round r. Nodes that leave rounds out only make m smaller.) Every snapshot of round r + 3
//! votes for each honest member of the core, and every snapshot of round r + 4 certifies it. The coin's first leader is
//! one of them with probability (q(n) − b)/n, at least a third and usually two thirds, and is then committed directly as
//! soon as round r + 4 has a quorum. That is an anchor for everything open below, so each round that passes ends the wait
//! with that probability.
//!
//! This supposes that the core does not depend on the coin. It does not as long as those who sign for round r + 2 have
//! done so when the first honest node signs for round r + 4 and gives its share. An adversary that keeps up to f nodes two
//! rounds behind all others, sees the coin of every round first and then chooses what those nodes hear of could still
//! shift a core; against that one nothing is claimed here but safety.
//!
//! An epoch has its coin from its beginning to its end, or not at all: the members deal its key over the ledger
//! ([`machine`]'s `dealing`), and an epoch that begins after that carries it. Until then their leaders take turns, and what
//! is said of that holds; so an adversary that stops commits then also keeps the key from being dealt.
//!
//! # Checkpoints
//!
//! When the ledger makes a checkpoint, each node's vote on it rides in its next snapshot; q(n) equal votes are a
//! certificate ([`votes`]), kept in the store under the checkpoint's height ([`archive`]). A node that executed something
//! else than was certified stops at once, and says so.
//!
//! Everyone else follows those certificates ([`follower`]).
//!
//! # Epochs
//!
//! Who counts changes only from one [epoch](byway_records::epoch) to the next, at a checkpoint. The commit that makes it
//! is the last of its epoch; the next begins with a graph of its own ([`machine`]'s `epochs`). So within a graph n, q(n)
//! and the leaders never change, everything said above holds for each graph by itself, and what one epoch commits after
//! another is one sequence.
//!
//! # Deviations from the papers
//!
//! - By default every member leads in every round (Mysticeti speaks of two or three). A transaction is then decided with
//!   the snapshot that carries it and not with a later one that references it, and an absent leader costs nothing: its slot
//!   is skipped with the votes, before the others are committed. `docs/decisions/0006-leaders.md` has the figures.
//! - A snapshot whose history holds two of a leader's snapshots votes for neither; Mahi-Mahi takes whichever a
//!   depth-first search meets first. Either is one vote per snapshot.
//! - Weak references and the author's previous snapshot are parents; they carry votes over several rounds (d = 3) as any
//!   history does, and never count among a certificate's references.
//! - Shares of a coin open it at f + 1, of which one is honest, and are verified only in sum (see [`coin`]).
//! - That a snapshot's time is not before its author's previous one's is kept by honest nodes and checked by nobody:
//!   whoever has dropped the previous one couldn't, and a rule that some can't check would split the graph. Medians, and
//!   commits' times that never go back, make up for it.
//! - Nobody signs a certificate of anything but checkpoints; finality is proved to outsiders by those.
//!
//! # What is not here
//!
//! Sockets, threads, clocks, disks (the driver's); verdicts (the ledger's); how far the dealing of a
//! coin's key is (the ledger's too); judging evidence, which the ledger does ([`evidence`] is what nodes make of what they saw).

pub mod anteroom;
pub mod archive;
pub mod catch_up;
pub mod coin;
pub mod commit;
pub mod committee;
pub mod config;
pub mod evidence;
pub mod follower;
pub mod graph;
pub mod leader;
pub mod light;
pub mod machine;
pub mod message;
pub mod news;
pub mod outdated;
pub mod overlay;
pub mod pace;
pub mod pool;
pub mod stamp;
mod tally;
pub mod verified;
pub mod votes;
pub mod waiting;

pub use byway_records::snapshot;

#[cfg(test)]
mod drawn;

pub use byway_records::snapshot::{Header, Reference, SnapshotForm, Vote};
pub use committee::{Committee, MemberBits, MemberIndex};
pub use config::Config;
pub use machine::{CommitSummary, Kernel, NewestEpoch, Status, mark_new, mark_restored};
pub use message::{Message, SyncMessage};
pub use news::{Committed, Equivocation, Fatal, KernelEffect, News, OpenError, Stepped, SubmitError};
pub use pool::Source;
pub use verified::{SnapshotError, VerifiedSnapshot};
