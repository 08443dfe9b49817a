//! From one epoch to the next.
//!
//! The commit that makes a checkpoint which names another epoch is the last of its epoch. Commits are agreed, so all
//! nodes end it there, and none has anything of the next before: the next graph begins empty, with a first round that
//! references nothing, whose snapshots by q(n) of the new members carry the second, and so on as in a new network. What
//! nodes had signed above the closing commit is abandoned; it was never committed, and its authors put its transactions
//! into snapshots of the next epoch, or hand them to somebody who can. A node that is slow finds all that led to the
//! closing commit in the archives of those that have ended the epoch, and needs nothing else to end it too. Those who have
//! ended it show it without being asked to whoever says that it has not: up to f of them may be the only ones that can.
//!
//! Votes on the closing checkpoint: see [`votes`](crate::votes).

use std::sync::Arc;

use byway_ledger::Ledger;
use byway_primitives::{Span, Store, Time};
use byway_records::epoch::{epoch_of, first_round};
use byway_records::genesis::LeaderRule;
use byway_records::{Certificate, Epoch, Genesis, Height};

use super::{Kernel, Own, Verify};
use crate::archive::{self, EpochRecord};
use crate::coin::CoinKey;
use crate::commit::Committer;
use crate::committee::{Committee, MemberIndex};
use crate::graph::Graph;
use crate::leader::schedule;
use crate::message::{Message, SyncMessage};
use crate::news::{Fatal, News, OpenError};
use crate::snapshot::Vote;
use crate::votes::Votes;
use crate::waiting::Waiting;

/// Time between two sendings of votes on a checkpoint of an epoch that is over.
const PAST_VOTES_INTERVAL: Span = Span::millis(500);

/// The committer of an epoch that begins.
pub(super) fn committer(rule: LeaderRule, committee: &Committee, coin: Option<CoinKey>) -> Committer {
    Committer::new(schedule(rule, committee, coin), committee.quorum(), committee.first_round())
}

/// Where votes stand when a node is opened: with the epoch in force, and those before it in which a checkpoint was made
/// that is not certified here.
pub(super) fn votes(genesis: &Genesis, ledger: &Ledger, store: &dyn Store) -> Result<Votes, OpenError> {
    let present = ledger.epoch();
    let record = |number| epoch_record(genesis, store, number);
    let mut votes = Votes::new(genesis.network(), present.clone(), record(present.number)?.after);
    let needed = archive::stored_uncertified(store).into_iter().min();
    let mut number = present.number;
    while number > 0 && needed.is_some_and(|needed| record(number).is_ok_and(|record| needed <= record.after)) {
        number -= 1;
        let EpochRecord { epoch, after, .. } = record(number)?;
        votes.resume_epoch(epoch, after);
    }
    Ok(votes)
}

fn epoch_record(genesis: &Genesis, store: &dyn Store, number: u32) -> Result<EpochRecord, OpenError> {
    match number {
        0 => Ok(EpochRecord { epoch: genesis.epoch(), after: Height::GENESIS, after_commit: 0 }),
        _ => archive::stored_epoch(store, number).ok_or(OpenError::Epoch(number)),
    }
}

impl Kernel {
    /// Ends the epoch after the checkpoint of height `after`, and begins `epoch`.
    pub(super) fn turn(&mut self, now: Time, epoch: Epoch, after: Height) {
        let record = EpochRecord { epoch, after, after_commit: self.ledger.commits() };
        archive::put_epoch(&record, &mut self.outbox.batch);
        self.end_stepping();
        if record.epoch.protocol > self.config.protocol_known {
            // Written like any other, so that a program that speaks it goes on here.
            let decided = record.epoch.protocol;
            return self.halt(Fatal::OldSoftware { decided, known: self.config.protocol_known });
        }
        self.take_back_uncommitted();
        let epoch = record.epoch;
        let committee = Committee::of_epoch(self.committee.network(), &epoch);
        self.me = committee.seat_of(self.config.secret.public());
        self.graph = Graph::new(&committee);
        let coin = self.dealing.coin(&self.ledger, self.me, &self.config.secret);
        self.committer = committer(self.leader_rule, &committee, coin);
        self.waiting = Waiting::default();
        self.catch_up.turn(&committee);
        self.pace.turn(&committee);
        self.pace.on_quorum(now, self.graph.quorum_round());
        self.not_included.clear();
        let Own { last_time, has_signed, .. } = self.own;
        self.own = Own { last_time, has_signed, ..Own::default() };
        self.committee = committee;
        self.catch_up_with_ahead();
        let mut connected = std::mem::take(&mut self.connected);
        connected.retain(|peer| self.knows(peer.member));
        self.connected = connected;
        if self.recovered_from.take().is_some() {
            // It may have been in the next epoch already before it forgot.
            self.begin_recovery();
        }
        self.recover_anew();
        self.votes.turn(epoch.clone(), after);
        self.past_votes_at = Some(now);
        self.begin_pruning(now);
        self.notify(News::Epoch { epoch: Arc::new(epoch), after });
    }

    /// Own transactions that the closing epoch has not committed go into snapshots of the next one.
    fn take_back_uncommitted(&mut self) {
        let Some(me) = self.me else { return };
        let pending = self.own.pending.take();
        self.abandoned.extend(pending.as_ref().map(|(token, snapshot)| (*token, snapshot.reference())));
        let pending = pending.map(|(_, snapshot)| snapshot);
        let abandoned: Vec<_> = self.graph.uncommitted_of(me).cloned().chain(pending).collect();
        for snapshot in &abandoned {
            self.pool.restore(snapshot.transactions());
        }
    }

    /// After a restart: own transactions that the epoch before abandoned and that have no verdict yet.
    pub(super) fn resume_abandoned(
        &mut self,
        now: Time,
        store: &dyn Store,
        verify: Verify<'_>,
    ) -> Result<(), OpenError> {
        let Some(record) = archive::stored_epoch(store, self.committee.epoch()) else { return Ok(()) };
        let Ok(before) = self.epoch_before(store) else { return Ok(()) };
        let closing = archive::stored_commit(store, record.after_commit).map(|commit| commit.leader.round);
        // A node that ended it by steps has no record of its end, and signed nothing that late.
        let last = closing.or(archive::stored_own_last(store)?.map(|own| own.round));
        match last.filter(|last| before.has_round(*last)) {
            Some(last) => self.resume_undecided(now, &before, last, store, verify),
            None => Ok(()),
        }
    }

    /// After a restart: own transactions without a verdict in snapshots of an epoch that go into none of it any more, as
    /// `last` is the last round to look from.
    pub(super) fn resume_undecided(
        &mut self,
        now: Time,
        committee: &Committee,
        last: u64,
        store: &dyn Store,
        verify: Verify<'_>,
    ) -> Result<(), OpenError> {
        let Some(me) = committee.seat_of(self.config.secret.public()) else { return Ok(()) };
        let from = last.saturating_sub(self.round_horizon).max(committee.first_round());
        let stored = archive::stored_from(store, from).take_while(|(stored, _)| committee.has_round(stored.round));
        for (reference, bytes) in stored.filter(|(stored, _)| stored.author == me) {
            let snapshot = verify(committee, bytes).map_err(|_| OpenError::Snapshot(reference.round))?;
            for transaction in snapshot.transactions() {
                if self.ledger.verdict(store, transaction.id()).is_none() {
                    // What a snapshot of this epoch has already is in flight in that.
                    self.pool.take_back(now, transaction);
                }
            }
        }
        Ok(())
    }

    /// Who counted in the epoch before this one.
    fn epoch_before(&self, store: &dyn Store) -> Result<Committee, OpenError> {
        let number = self.committee.epoch().saturating_sub(1);
        let network = self.committee.network();
        match archive::stored_epoch(store, number) {
            Some(record) => Ok(Committee::of_epoch(network, &record.epoch)),
            None if number == 0 => Ok(Committee::of_epoch(network, &self.founding)),
            None => Err(OpenError::Epoch(number)),
        }
    }

    /// Sends own votes on checkpoints of past epochs again and again, until they are certified here. Others may have certified one, by
    /// votes that are in no snapshot, long before a newcomer executes it: it has no vote, and asks all the same. Without the
    /// certificate it could never show others the way over that checkpoint, nor let go of what led there.
    pub(super) fn send_past_votes(&mut self, now: Time) {
        if self.next_past_votes().is_none_or(|at| at > now) {
            return;
        }
        self.past_votes_at = Some(now + PAST_VOTES_INTERVAL);
        let votes = self.votes.of_past_epochs(&self.config.secret);
        if votes.is_empty() {
            return;
        }
        // What was executed is agreed, so the votes would be the same after a crash: they need not wait for a write.
        for member in self.members_connected() {
            self.send(member, Message::Sync(SyncMessage::Votes(votes.clone())));
        }
    }

    pub(super) fn next_past_votes(&self) -> Option<Time> {
        self.past_votes_at.filter(|_| self.votes.is_past_open() && !self.connected.is_empty())
    }

    /// Counts what are votes, and shows the certificate of what is certified here: the sender lacks it.
    pub(super) fn count_past_votes(&mut self, from: MemberIndex, votes: &[Vote], store: &dyn Store) {
        for vote in votes {
            if let Some(certificate) = archive::stored_certificate(store, vote.height) {
                self.send(from, Message::Sync(SyncMessage::Certificate(Box::new(certificate))));
                continue;
            }
            let outcome = self.votes.count_unverified(from, vote);
            self.on_certified(outcome);
        }
    }

    pub(super) fn take_certificate(&mut self, certificate: Certificate) {
        let outcome = self.votes.take_certificate(certificate);
        self.on_certified(outcome);
    }

    /// Shows a peer the certificate of the checkpoint that closed the last epoch: it may have come too late for the votes.
    pub(super) fn greet_with_past(&mut self, to: MemberIndex, store: &dyn Store) {
        self.send_closing_certificate(to, self.committee.first_round(), store);
    }

    /// As `first` is the first round of an epoch, shows the certificate that closed the one before.
    pub(super) fn send_closing_certificate(&mut self, to: MemberIndex, first: u64, store: &dyn Store) {
        let number = epoch_of(first).filter(|number| first_round(*number) == first);
        let record = number.and_then(|number| archive::stored_epoch(store, number));
        let certificate = record.and_then(|record| archive::stored_certificate(store, record.after));
        if let Some(certificate) = certificate {
            self.send(to, Message::Sync(SyncMessage::Certificate(Box::new(certificate))));
        }
    }
}
