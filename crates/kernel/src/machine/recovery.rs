//! Taking part again after the disk was lost or put back from an old copy.
//!
//! A node knows from its disk alone for which rounds it has signed. Without that knowledge it must not sign at all, until
//! it knows of a round from which on it certainly has signed nothing.
//!
//! # The rule
//!
//! It asks the others for the highest snapshot that they hold, of anyone, and takes what they show into its graph. When
//! q(n) others have shown theirs, and all of that has been taken in, it signs for rounds from H + 2 on, where H is the
//! highest round shown.
//!
//! # Why that is enough
//!
//! Let R be the highest round that it has ever signed for. That snapshot references q(n) authors of round R − 1, so q(n)
//! nodes had signed for R − 1. Two quorums share an honest node: one of those asked has signed for R − 1, holds its own
//! snapshot, and shows it or a higher one. So H ≥ R − 1, and R < H + 2.
//!
//! - *Shown, not claimed*, and counted only when it is in the graph: a dishonest author can sign a snapshot of a far round
//!   on top of references to nothing, and if that counted, the node would never sign again. Such a snapshot never gets
//!   into anybody's graph.
//! - *Of anyone*: a node's own snapshot may have reached nobody who is asked, those that it stands on have.
//! - *In the epoch in force.* Answers from before it began say nothing of its rounds; they are asked for anew.
//!
//! # Where there is nothing to show
//!
//! A network that begins has no snapshots at all, and if all its nodes asked, the first to answer itself would keep the
//! others from the first two rounds. So whoever makes a node's key notes in its store that nothing was signed with it
//! ([`mark_new`]); the note goes with the first own snapshot. Where it is missing too, and nobody asked has anything in a
//! network's first epoch, and with this node they make q(n), it signs for the first round.
//!
//! # When
//!
//! When the store knows neither of an own snapshot nor that there is none; when it was marked as put back from a copy ([`mark_restored`]); and when a peer
//! shows an own snapshot that the store doesn't know, provided that this node has not signed anything since it was
//! started. Each peer shows it its newest one as soon as they meet. A node that has signed already stops instead: then
//! its key is in use elsewhere.
//!
//! A node that recovers is one of the f that may be faulty: it needs q(n) *others*.

use std::collections::BTreeMap;

use byway_primitives::{Batch, Span, Time};

use super::Kernel;
use crate::archive;
use crate::committee::MemberIndex;
use crate::message::{Message, SyncMessage};
use crate::news::News;
use crate::snapshot::Reference;
use crate::verified::VerifiedSnapshot;

/// Time between two questions to the same peer.
const ASK_INTERVAL: Span = Span::millis(500);

/// What a node that recovers has been told. See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Recovery {
    /// The highest snapshot that each peer has shown; `None` where it holds none.
    shown: BTreeMap<MemberIndex, Option<Reference>>,
    ask_at: Time,
}

/// Notes in the empty store of a node that nothing was ever signed with its key. For whoever made that key just now.
pub fn mark_new(batch: &mut Batch) {
    archive::put_new(batch);
}

/// Notes in a store that it was put back from a copy, so that the node opened from it recovers before it signs.
pub fn mark_restored(batch: &mut Batch) {
    archive::put_restored(batch);
}

impl Kernel {
    /// Whether this node must not sign yet.
    pub fn is_recovering(&self) -> bool {
        self.recovery.is_some()
    }

    pub(super) fn begin_recovery(&mut self) {
        if self.recovery.is_none() {
            self.recovery = Some(Recovery::default());
            // Written down, so that a crash before it has signed again doesn't make it forget that it forgot.
            archive::put_restored(&mut self.outbox.batch);
            self.notify(News::Recovering);
        }
    }

    /// A peer asks for the highest snapshot held here.
    pub(super) fn show_highest(&mut self, now: Time, to: MemberIndex) {
        let shown = self.graph.highest().map(|vertex| (vertex.snapshot.reference(), vertex.snapshot.bytes().clone()));
        if let Some((_, bytes)) = &shown {
            if !self.may_send(now, to, bytes.len()) {
                return;
            }
            self.send(to, Message::Snapshots(vec![bytes.clone()]));
        }
        let highest = shown.map(|(reference, _)| reference);
        self.send(to, Message::Sync(SyncMessage::Highest { epoch: self.committee.epoch(), highest }));
    }

    pub(super) fn on_highest(&mut self, from: MemberIndex, epoch: u32, highest: Option<Reference>) {
        let is_sound = epoch == self.committee.epoch()
            && self.committee.counts(from)
            && highest.is_none_or(|highest| self.committee.has_round(highest.round));
        if let Some(recovery) = self.recovery.as_mut().filter(|_| is_sound) {
            let known = recovery.shown.entry(from).or_insert(highest);
            // One that never gets into the graph can't be waited for in vain: a later word takes its place.
            if !known.is_some_and(|known| self.graph.is_settled(&known)) {
                *known = highest;
            }
        }
    }

    /// Asks who has not answered, and ends the recovery when enough is known.
    pub(super) fn recover(&mut self, now: Time) {
        let Some(recovery) = self.recovery.as_ref().filter(|_| !self.is_stepping()) else { return };
        if let Some(first) = self.first_unsigned(recovery) {
            self.resume_signing(now, first);
            return;
        }
        if recovery.ask_at > now {
            return;
        }
        let silent: Vec<MemberIndex> =
            self.members_connected().into_iter().filter(|peer| !recovery.shown.contains_key(peer)).collect();
        silent.into_iter().for_each(|peer| self.send(peer, Message::Sync(SyncMessage::AskHighest)));
        if let Some(recovery) = &mut self.recovery {
            recovery.ask_at = now + ASK_INTERVAL;
        }
    }

    /// A peer that can be reached now is asked at once.
    pub(super) fn ask_highest(&mut self, peer: MemberIndex) {
        if self.recovery.is_some() {
            self.send(peer, Message::Sync(SyncMessage::AskHighest));
        }
    }

    pub(super) fn next_question(&self) -> Option<Time> {
        let asks = !self.connected.is_empty() && !self.is_stepping();
        self.recovery.as_ref().filter(|_| asks).map(|recovery| recovery.ask_at)
    }

    /// Another epoch has begun: what was shown is of the one before.
    pub(super) fn recover_anew(&mut self) {
        if let Some(recovery) = &mut self.recovery {
            *recovery = Recovery::default();
        }
    }

    /// The first round for which this node has certainly signed nothing, once that is known.
    fn first_unsigned(&self, recovery: &Recovery) -> Option<u64> {
        let quorum = self.committee.quorum();
        let first_round = self.committee.first_round();
        let here = recovery.shown.values().filter(|shown| shown.is_none_or(|shown| self.graph.is_settled(&shown)));
        let highest = here.clone().flatten().map(|shown| shown.round).max();
        match highest {
            Some(highest) => (here.count() >= quorum).then_some(highest + 2),
            None if self.committee.epoch() == 0 => (here.count() + 1 >= quorum).then_some(first_round),
            None => None,
        }
    }

    fn resume_signing(&mut self, now: Time, first: u64) {
        self.recovery = None;
        self.recovered_from = Some(first);
        self.own.not_before = first;
        self.own.made_at = Some(now);
        let own = self.me.and_then(|me| self.graph.newest_of(me)).map(|vertex| vertex.snapshot.clone());
        own.into_iter().for_each(|own| self.remember_own(&own));
        self.notify(News::Recovered { first });
    }

    /// An own snapshot that was forgotten is here: what is signed next stands on it.
    pub(super) fn remember_own(&mut self, own: &VerifiedSnapshot) {
        let is_newest = self.own.last.is_none_or(|last| last.round < own.header().round);
        if self.recovery.is_some() || !is_newest {
            return;
        }
        self.own.last = Some(own.reference());
        self.own.last_time = own.header().time.max(self.own.last_time);
        self.own.durable = Some(own.bytes().clone());
    }

    /// A leader of `round` was committed, and the epoch goes on. If that is where this node signs again, then nobody had
    /// begun another epoch when it forgot, and whatever it forgot is behind it.
    pub(super) fn recovery_is_over(&mut self, round: u64) {
        if self.recovered_from.take_if(|first| *first <= round).is_some() {
            archive::delete_restored(&mut self.outbox.batch);
        }
    }
}
