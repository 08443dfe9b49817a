//! When this node signs its next snapshot, and what is in it.

use std::sync::Arc;

use byway_primitives::{Span, Store, Time, Token};

use super::{Kernel, is_spent};
use crate::archive;
use crate::committee::MemberIndex;
use crate::config::INTERVAL_TRANSACTIONS;
use crate::message::Message;
use crate::news::News;
use crate::outdated::is_outdated;
use crate::snapshot::{Header, Reference, SNAPSHOT_BYTES_MAX, SNAPSHOT_TRANSACTIONS_MAX};
use crate::verified::VerifiedSnapshot;

/// Bytes of a snapshot beside its transactions, at most: fifty references, fifty weak ones, sixteen votes, sixteen
/// shares of coins.
pub const HEADER_BYTES_MAX: usize = 8 * 1024;

impl Kernel {
    /// Signs a snapshot of the round after the newest quorum, if it is time.
    pub(super) fn propose(&mut self, now: Time, store: &dyn Store) {
        if let Some(me) = self.me
            && self.next_proposal(now).is_some_and(|at| at <= now)
        {
            let base = self.graph.quorum_round();
            let in_vain: Vec<_> = self.awaited_leaders(base).filter(|(_, until)| *until <= now).collect();
            in_vain.into_iter().for_each(|(leader, _)| self.pace.on_timeout(leader, base));
            self.sign_snapshot(now, base + 1, me, store);
        }
    }

    /// When the next snapshot is due if nothing else happens.
    pub(super) fn next_proposal(&self, now: Time) -> Option<Time> {
        if !self.may_propose() {
            return None;
        }
        let Some(made_at) = self.own.made_at else { return Some(now) };
        let heartbeat = made_at + self.config.heartbeat;
        let with_work = self.work_from(now).map(|from| {
            let base = self.graph.quorum_round();
            let leaders = self.awaited_leaders(base).map(|(_, until)| until).max();
            from.max(made_at + self.interval(base)).max(leaders.unwrap_or(Time::ZERO))
        });
        Some(with_work.map_or(heartbeat, |at| at.min(heartbeat)))
    }

    /// The time between two own snapshots while rounds are as full as `round`.
    fn interval(&self, round: u64) -> Span {
        let transactions: usize = self.graph.round(round).map(|vertex| vertex.snapshot.transactions().len()).sum();
        let (idle, busy) = (self.config.snapshot_interval_min, self.config.snapshot_interval_busy);
        Span(idle.0 + transactions as u64 / INTERVAL_TRANSACTIONS).min(busy).max(idle)
    }

    /// Whether there is a round to sign for.
    fn may_propose(&self) -> bool {
        let base = self.graph.quorum_round();
        self.counts()
            && !self.is_stepping()
            && self.recovery.is_none()
            && self.own.pending.is_none()
            && base + 1 >= self.own.not_before
            && self.own.last.is_none_or(|last| base + 1 > last.round)
            && !self.catch_up.is_behind(base)
    }

    /// From when on there is something to do in a round: at once, at a known time, or never as things stand.
    fn work_from(&self, now: Time) -> Option<Time> {
        let last_round = self.own.last.map_or(0, |last| last.round);
        let is_work = !self.pool.is_empty()
            || self.graph.has_uncommitted_content()
            || self.votes.is_vote_due()
            // Somebody has gone ahead, and will wait for us.
            || self.graph.highest_round() > last_round;
        if is_work { Some(now) } else { self.ledger.checkpoint_due_at() }
    }

    /// Leaders of `round` that are not here and worth waiting for, and until when.
    fn awaited_leaders(&self, round: u64) -> impl Iterator<Item = (MemberIndex, Time)> + '_ {
        let leaders = self.committee.has_round(round).then(|| self.committer.awaited(round)).into_iter().flatten();
        let missing = leaders.filter(move |leader| self.graph.slot(round, *leader).is_empty());
        missing.filter_map(move |leader| Some((leader, self.pace.deadline(leader, round)?)))
    }

    fn sign_snapshot(&mut self, now: Time, round: u64, me: MemberIndex, store: &dyn Store) {
        let (mut references, weak_references) = self.graph.cover(round, self.committee.size());
        if let Some(last) = self.own.last.filter(|last| last.round + 1 == round) {
            let own = references.iter_mut().find(|(author, _)| *author == me);
            own.expect("the own last snapshot is durable and in the graph").1 = last.hash;
        }
        let header = Header {
            author: me,
            round,
            previous: self.own.last.map(|last| (last.round, last.hash)),
            references,
            weak_references,
            checkpoint: self.named,
            votes: self.votes.take(&self.config.secret),
            coin_shares: self.committer.shares_for(round),
            time: now.max(self.own.last_time),
        };
        let room = self.config.snapshot_bytes_max.min(SNAPSHOT_BYTES_MAX).saturating_sub(HEADER_BYTES_MAX);
        // With transactions it would be refused; without, it still votes for those who are ahead.
        let transactions = match is_outdated(&self.graph, &header) {
            true => Vec::new(),
            false => {
                let (shown, ledger) = (self.unwritten(store), &self.ledger);
                let hopeless = |transaction: &_| is_spent(ledger, &shown, transaction);
                self.pool.take(now, SNAPSHOT_TRANSACTIONS_MAX, room, hopeless)
            }
        };
        let snapshot = VerifiedSnapshot::sign(&self.committee, &self.config.secret, header, transactions);
        // In production too: who signs an ill-formed one convicts itself.
        assert!(snapshot.header().check(&self.committee).is_ok(), "own snapshots are well-formed");
        self.publish(now, Arc::new(snapshot));
    }

    /// Writes the snapshot and that it is our newest, and sends it once both are durable.
    fn publish(&mut self, now: Time, snapshot: Arc<VerifiedSnapshot>) {
        let reference: Reference = snapshot.reference();
        archive::put_snapshot(&snapshot, &mut self.outbox.batch);
        archive::put_own_last(&reference, &mut self.outbox.batch);
        for peer in &self.connected {
            let message = Message::Snapshots(vec![snapshot.bytes().clone()]);
            self.outbox.after.push((peer.member, message));
        }
        self.own.last = Some(reference);
        self.own.last_time = snapshot.header().time;
        self.own.made_at = Some(now);
        self.own.sent_at = now;
        self.own.has_signed = true;
        self.own.durable = None;
        self.own.pending = Some((Token(self.outbox.tokens), snapshot.clone()));
        self.notify(News::Signed(snapshot));
    }
}
