//! What a node does while its snapshots don't count.
//!
//! A *candidate* fetches what it lacks like everyone; once it has kept up it says so on the ledger ([`KernelCall::Ready`])
//! and counts from the next epoch on. Until then the others are neither slower nor weaker for it.
//!
//! A node that doesn't count, be it a candidate, marked, or gone, can't put transactions into snapshots. What it was given,
//! and what it had not brought into a commit when it stopped counting, it hands to members that count, f + 1 at a time so
//! that one of them is honest, until there is a verdict.

use byway_crypto::Purpose;
use byway_primitives::{Decode, Span, Store, Time};
use byway_records::call::kernel::{KernelCall, ready};
use byway_records::state::{KernelPledge, kernel_pledge_key};
use byway_records::{ProgramId, Standing, VerifiedTransaction};

use super::call::free_call;
use super::{Kernel, is_spent};
use crate::committee::MemberIndex;
use crate::message::{Message, TRANSACTIONS_MAX};
use crate::pool::Arrival;

/// Time between two sayings that this node is ready, or two handings over of the same transactions.
const AGAIN_AFTER: Span = Span::seconds(1);

/// When things are due.
#[derive(Debug, Default)]
pub(super) struct Outside {
    ready_at: Time,
    forward_at: Time,
    turn: usize,
    /// The last that was handed on.
    handed_on: Arrival,
}

impl Kernel {
    /// Whether this node's snapshots count.
    pub(super) fn counts(&self) -> bool {
        self.me.is_some_and(|me| self.committee.counts(me))
    }

    /// Says that this node is ready, and hands on what it can't bring in itself.
    pub(super) fn stand_outside(&mut self, now: Time, store: &dyn Store) {
        if self.counts() {
            return;
        }
        if self.is_ready() && now >= self.outside.ready_at {
            self.outside.ready_at = now + AGAIN_AFTER;
            if let Some(transaction) = self.say_ready(now) {
                // Known means that the last one is still under way.
                let _ = self.pool.submit_own(now, transaction);
            }
        }
        if now >= self.outside.forward_at && !self.pool.is_empty() && !self.connected.is_empty() {
            self.outside.forward_at = now + AGAIN_AFTER;
            self.forward(store);
        }
    }

    pub(super) fn next_outside(&self) -> Option<Time> {
        if self.counts() || self.connected.is_empty() {
            return None;
        }
        let ready = self.is_ready().then_some(self.outside.ready_at);
        let forward = (!self.pool.is_empty()).then_some(self.outside.forward_at);
        ready.into_iter().chain(forward).min()
    }

    /// A candidate that has what the others have.
    fn is_ready(&self) -> bool {
        let seat = self.me.and_then(|me| self.ledger.epoch().seats.get(me.0));
        let round = self.graph.quorum_round();
        seat.is_some_and(|seat| seat.standing == Standing::Candidate)
            && self.recovery.is_none()
            && !self.is_stepping()
            && round >= self.committee.first_round()
            && !self.catch_up.is_behind(round)
    }

    fn say_ready(&self, now: Time) -> Option<VerifiedTransaction> {
        let seat = self.me?.0;
        let pledge = self.ledger.tree(ProgramId::KERNEL)?.value(&kernel_pledge_key(seat))?;
        let since = KernelPledge::from_bytes(pledge).ok()?.since;
        let network = self.committee.network();
        let signature = self.config.secret.sign(Purpose::Ready, network, &ready(seat, since));
        // A refusal is for good, so each one is another transaction.
        free_call(network, KernelCall::Ready { seat, signature }, now + Span::minutes(10))
    }

    fn forward(&mut self, store: &dyn Store) {
        let counting: Vec<MemberIndex> =
            self.members_connected().into_iter().filter(|peer| self.committee.counts(*peer)).collect();
        if counting.is_empty() {
            return;
        }
        // Others each time, so that none that nobody takes keeps the rest waiting.
        let (shown, ledger) = (self.unwritten(store), &self.ledger);
        let next = self.pool.waiting_after(self.outside.handed_on, TRANSACTIONS_MAX, |tx| is_spent(ledger, &shown, tx));
        let Some((last, _)) = next.last() else { return };
        self.outside.handed_on = *last;
        let transactions: Vec<_> = next.into_iter().map(|(_, tx)| tx.transaction().clone()).collect();
        for step in 0..(self.committee.faults_tolerated() + 1).min(counting.len()) {
            let peer = counting[(self.outside.turn + step) % counting.len()];
            self.send(peer, Message::Transactions(transactions.clone()));
        }
        self.outside.turn = self.outside.turn.wrapping_add(1);
    }
}
