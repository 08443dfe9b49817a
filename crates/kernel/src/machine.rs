//! The machine of one kernel node.
//!
//! Call order: [`Kernel::open`] once, then `handle_*` with whatever happens, each followed by [`Kernel::poll_effect`]
//! until it is empty and the effects carried out (see [`byway_primitives::effect`]). Two rules beyond those of effects:
//!
//! - **Snapshots are verified outside**, by [`VerifiedSnapshot::verify`], before [`Kernel::handle_snapshots`]; in any
//!   order, on any number of threads.
//! - **[`Kernel::handle_durable`]** must be called when a batch is durable. Until then the node's own newest snapshot
//!   exists for nobody, itself included: if it counted its own certificate and then lost it in a crash, it could have
//!   told someone *final* on the strength of a snapshot that never was.

mod accusing;
mod admission;
mod ahead;
mod call;
mod claims;
mod dealing;
mod decide;
mod epochs;
mod exchange;
mod intake;
mod propose;
mod provable;
mod pruning;
mod recovery;
mod resume;
mod standing;
mod status;
mod stepping;
mod suspecting;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use byway_ledger::Ledger;
use byway_primitives::{Batch, Effect, Store, Time, Timer, Token};
use byway_records::genesis::LeaderRule;
use byway_records::{Epoch, Genesis, Height, VerifiedTransaction};

use self::epochs::{committer, votes};
pub use self::propose::HEADER_BYTES_MAX;
pub use self::recovery::{mark_new, mark_restored};
pub use self::status::{CommitSummary, NewestEpoch, Status};
use crate::catch_up::CatchUp;
use crate::commit::Committer;
use crate::committee::{Committee, MemberIndex};
use crate::config::Config;
use crate::graph::Graph;
use crate::message::{Message, SyncMessage};
use crate::news::{Fatal, KernelEffect, News, OpenError};
use crate::pace::Pace;
use crate::pool::Pool;
use crate::snapshot::Reference;
use crate::verified::{SnapshotError, VerifiedSnapshot};
use crate::votes::Votes;
use crate::waiting::Waiting;

/// How stored snapshots are verified on opening; [`VerifiedSnapshot::verify`], or a cache before it.
pub type Verify<'a> = &'a mut dyn FnMut(&Committee, Arc<[u8]>) -> Result<Arc<VerifiedSnapshot>, SnapshotError>;

/// One kernel node. See the [module](self) for how it is driven.
#[derive(Debug)]
pub struct Kernel {
    config: Config,
    leader_rule: LeaderRule,
    founding: Epoch,
    /// Who counts in the epoch in force.
    committee: Committee,
    /// This node's seat in it.
    me: Option<MemberIndex>,
    round_horizon: u64,
    ledger: Ledger,
    graph: Graph,
    committer: Committer,
    waiting: Waiting,
    catch_up: CatchUp,
    pool: Pool,
    admitting: admission::Admitting,
    votes: Votes,
    provable: provable::Provable,
    /// The newest checkpoint executed in an earlier input, so that the store shows all of it: the one that own snapshots
    /// name. They must hold nothing that was spent there.
    named: Height,
    pace: Pace,
    own: Own,
    /// Set while this node doesn't know what it has signed.
    recovery: Option<recovery::Recovery>,
    /// The first round that it signs for after it recovered, until that is certainly behind it.
    recovered_from: Option<u64>,
    /// Own snapshots of epochs before that are not durable yet.
    abandoned: Vec<(Token, Reference)>,
    /// Own snapshots with transactions on which no quorum has built yet.
    not_included: BTreeSet<Reference>,
    connected: Vec<Peer>,
    outbox: Outbox,
    halted: Option<Fatal>,
    is_clock_reported: bool,
    recent: status::Recent,
    accusing: accusing::Accusing,
    suspecting: suspecting::Suspecting,
    dealing: dealing::Dealing,
    outside: standing::Outside,
    stepping: stepping::Stepping,
    ahead: ahead::Ahead,
    pruning: pruning::Pruning,
    /// When own votes on checkpoints of past epochs are sent again.
    past_votes_at: Option<Time>,
}

/// What this node signed.
#[derive(Debug, Default)]
struct Own {
    /// The newest snapshot, durable or not.
    last: Option<Reference>,
    /// Its time.
    last_time: Time,
    /// When it was made, by our clock.
    made_at: Option<Time>,
    /// When it was last sent.
    sent_at: Time,
    /// It, while it is not durable.
    pending: Option<(Token, Arc<VerifiedSnapshot>)>,
    /// Its encoding, once it is.
    durable: Option<Arc<[u8]>>,
    /// It signs nothing for rounds before this one, and may have forgotten what it signed for them.
    not_before: u64,
    /// Whether it has signed anything in this run.
    has_signed: bool,
}

/// A peer that can be reached.
#[derive(Debug)]
struct Peer {
    member: MemberIndex,
    /// When our newest snapshot was last sent because the peer seemed to lack it.
    helped_at: Option<Time>,
    budget: exchange::Budget,
}

/// What is to be handed out.
#[derive(Debug, Default)]
struct Outbox {
    effects: VecDeque<KernelEffect>,
    /// Writes of the input at hand.
    batch: Batch,
    /// What must not leave before those are durable.
    after: Vec<(MemberIndex, Message)>,
    tokens: u64,
    /// What the driver's stands at.
    timer: Timer,
}

impl Kernel {
    /// Opens a node: from its store, or from genesis if that is empty.
    pub fn open(
        config: Config,
        genesis: &Genesis,
        now: Time,
        store: &dyn Store,
        verify: Verify<'_>,
    ) -> Result<Self, OpenError> {
        let mut outbox = Outbox::default();
        let ledger = match Ledger::open(genesis, store)? {
            Some(ledger) => ledger,
            None => {
                let (ledger, batch) = Ledger::genesis(genesis);
                outbox.batch.append(batch);
                ledger
            }
        };
        let decided = ledger.epoch().protocol;
        let known = config.protocol_known;
        if decided > known {
            return Err(OpenError::OldSoftware(Fatal::OldSoftware { decided, known }));
        }
        let committee = Committee::of_epoch(genesis.network(), ledger.epoch());
        let leader_rule = genesis.parameters.leader_rule;
        let me = committee.seat_of(config.secret.public());
        let mut dealing = dealing::Dealing::default();
        let coin = dealing.coin(&ledger, me, &config.secret);
        let mut kernel = Self {
            round_horizon: genesis.parameters.round_horizon,
            me,
            graph: Graph::new(&committee),
            committer: committer(leader_rule, &committee, coin),
            waiting: Waiting::default(),
            catch_up: CatchUp::new(&committee),
            pool: Pool::new(config.pool_transactions_max, config.pool_bytes_max),
            admitting: admission::Admitting::new(),
            votes: votes(genesis, &ledger, store)?,
            provable: provable::Provable::default(),
            named: Height::GENESIS,
            pace: Pace::new(&committee, config.leader_timeout_max),
            leader_rule,
            founding: genesis.epoch(),
            own: Own::default(),
            recovery: None,
            recovered_from: None,
            abandoned: Vec::new(),
            not_included: BTreeSet::new(),
            connected: Vec::new(),
            halted: None,
            is_clock_reported: false,
            recent: status::Recent::default(),
            accusing: accusing::Accusing::new(),
            suspecting: suspecting::Suspecting::new(Height::GENESIS),
            dealing,
            outside: standing::Outside::default(),
            stepping: stepping::Stepping::default(),
            ahead: ahead::Ahead::new(genesis.parameters.pledge_lock.millis),
            pruning: pruning::Pruning::default(),
            past_votes_at: Some(now),
            config,
            committee,
            ledger,
            outbox,
        };
        kernel.resume(now, store, verify)?;
        kernel.settle(now, store);
        Ok(kernel)
    }

    /// Takes verified snapshots that `from` sent.
    pub fn handle_snapshots(
        &mut self,
        now: Time,
        from: MemberIndex,
        snapshots: Vec<Arc<VerifiedSnapshot>>,
        store: &dyn Store,
    ) {
        for snapshot in snapshots {
            self.receive(now, from, snapshot);
        }
        self.settle(now, store);
    }

    /// Takes anything else that `from` sent.
    pub fn handle_sync(&mut self, now: Time, from: MemberIndex, message: SyncMessage, store: &dyn Store) {
        if self.halted.is_none() && self.listens_to(from, &message) {
            self.exchange(now, from, message, store);
        }
        self.settle(now, store);
    }

    /// Time has passed.
    pub fn handle_wake(&mut self, now: Time, store: &dyn Store) {
        // Only here: what is asked for between a time and its wake is dropped with that wake, and has to be asked for again.
        self.outbox.timer.stop();
        self.settle(now, store);
    }

    /// The batch of `token`, and all before it, are durable.
    pub fn handle_durable(&mut self, now: Time, token: Token, store: &dyn Store) {
        self.abandoned.retain(|(abandoned, _)| *abandoned > token);
        if self.own.pending.as_ref().is_some_and(|(pending, _)| *pending <= token) {
            self.adopt_pending(now);
        }
        self.settle(now, store);
    }

    /// `peer` can be reached from now on.
    pub fn handle_peer_up(&mut self, now: Time, peer: MemberIndex, store: &dyn Store) {
        if self.halted.is_none() && self.knows(peer) && Some(peer) != self.me {
            self.greet(now, peer, store);
        }
        self.settle(now, store);
    }

    /// `peer` can't be reached any more.
    pub fn handle_peer_down(&mut self, now: Time, peer: MemberIndex, store: &dyn Store) {
        self.connected.retain(|connected| connected.member != peer);
        self.catch_up.lost(peer);
        self.settle(now, store);
    }

    /// The next thing to do, in order.
    pub fn poll_effect(&mut self) -> Option<KernelEffect> {
        self.outbox.effects.pop_front()
    }

    /// When it expects to be woken, by what it asked for.
    pub fn wakes_at(&self) -> Option<Time> {
        self.outbox.timer.at()
    }

    /// The ledger, for queries.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub fn committee(&self) -> &Committee {
        &self.committee
    }

    /// This node's seat, if it has one in the epoch in force.
    pub fn me(&self) -> Option<MemberIndex> {
        self.me
    }

    /// Draws all consequences of what changed.
    fn settle(&mut self, now: Time, store: &dyn Store) {
        if self.halted.is_none() {
            for snapshot in self.waiting.ripe(now, self.committee.faults_tolerated() + 1) {
                self.accept(now, snapshot);
            }
            self.commit(now, store);
        }
        if self.halted.is_none() {
            self.recover(now);
            self.contribute(now);
            self.propose(now, store);
            self.stand_outside(now, store);
            self.resend(now);
            self.send_past_votes(now);
            self.request(now);
            self.pursue(now, store);
            self.prune(now, store);
        }
        self.flush();
        if self.halted.is_none() {
            self.ask_to_be_woken(now);
        }
    }

    /// Hands out the writes of this input, and after them what relies on them.
    fn flush(&mut self) {
        self.named = self.votes.executed();
        let outbox = &mut self.outbox;
        if outbox.batch.is_empty() {
            debug_assert!(outbox.after.is_empty(), "what waits for a write comes with one");
            return;
        }
        let token = Token(outbox.tokens);
        outbox.tokens += 1;
        outbox.effects.push_back(Effect::Persist { batch: std::mem::take(&mut outbox.batch), token });
        for (to, message) in outbox.after.drain(..) {
            outbox.effects.push_back(Effect::Send { to, message, after: Some(token) });
        }
    }

    fn ask_to_be_woken(&mut self, now: Time) {
        let times = [
            self.next_proposal(now),
            self.waiting.early().1,
            self.waiting.next_request().filter(|_| !self.connected.is_empty()),
            self.catch_up.deadline(),
            self.next_resend(),
            self.next_past_votes(),
            self.next_question(),
            self.next_outside(),
            self.next_step_request(),
            self.next_pruning(),
            self.next_pursuit(),
        ];
        let Some(next) = times.into_iter().flatten().min() else { return };
        let next = next.max(Time(now.0 + 1));
        if self.outbox.timer.set(next) {
            self.outbox.effects.push_back(Effect::WakeAt(next));
        }
    }

    fn notify(&mut self, news: News) {
        self.outbox.effects.push_back(Effect::Notify(news));
    }

    fn send(&mut self, to: MemberIndex, message: Message) {
        self.outbox.effects.push_back(Effect::Send { to, message, after: None });
    }

    /// Stops for good: what would follow could only do harm.
    fn halt(&mut self, fatal: Fatal) {
        if self.halted.is_none() {
            self.halted = Some(fatal);
            self.notify(News::Fatal(fatal));
        }
    }
}

/// Whether the ledger has seen an input of this transaction spent. Who puts such a one into a snapshot convicts itself.
fn is_spent(ledger: &Ledger, store: &dyn Store, transaction: &VerifiedTransaction) -> bool {
    transaction.transaction().body.inputs.iter().any(|input| ledger.is_spent(store, input.spent))
}
