//! Catching up by steps, where others have let go of what would have to be executed.
//!
//! Nodes keep the snapshots of the epoch in force and of some before it ([`pruning`](super::pruning)). What they keep for
//! good is what followers are given: certified checkpoints, scan data and changes. [`Ledger::follow`] moves a ledger on by
//! those. So a node that is epochs behind goes on from checkpoint to checkpoint until the epoch that is in force, and in
//! that one by snapshots like everyone. It is quicker besides: nothing is executed, and no transaction's signature is
//! verified.
//!
//! # Why only to the end of an epoch
//!
//! Which snapshots of a graph are committed already can't be seen from a checkpoint. Where an epoch ends it need not be:
//! the next graph begins empty. So a node begins to step only when it has been shown the certificate of the checkpoint
//! that closed its own epoch. From the first step on it takes nothing from that epoch's graph any more, also after a crash (it is
//! written down with the step), and goes on until the epoch has turned.
//!
//! # Whom to believe
//!
//! Nobody. A certificate has q(n) signatures of the epoch that this node is in; what a step holds is compared with it. A
//! peer whose steps lead nowhere is followed by the next one. That others are epochs ahead is believed when f + 1 say so,
//! and costs a question.
//!
//! [`Ledger::follow`]: byway_ledger::Ledger::follow

use byway_ledger::FollowError;
use byway_primitives::{Span, Store, Time};
use byway_records::checkpoint::CertificateError;
use byway_records::epoch::epoch_of;
use byway_records::{Certificate, Height};

use super::Kernel;
use super::suspecting::Suspecting;
use crate::archive;
use crate::committee::MemberIndex;
use crate::follower::{PROGRAMS, Step, serve};
use crate::message::{CHUNK_BYTES_MAX, Message, Steps, SyncMessage};
use crate::news::{Fatal, News, Stepped};

/// How long a node that is one epoch behind tries to execute what it lacks. At an epoch's end that is nearly everyone for
/// a moment.
const PATIENCE: Span = Span::seconds(1);

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Stepping {
    /// Whether this node goes by steps, and no longer by its graph, until its epoch has turned.
    is_under_way: bool,
    /// Since when the others are in a later epoch.
    behind_since: Option<Time>,
    /// Who was asked, and until when it may answer.
    asked: Option<(MemberIndex, Time)>,
    /// Nobody is asked before.
    not_before: Time,
    turn: usize,
}

impl Stepping {
    pub fn is_under_way(&self) -> bool {
        self.is_under_way
    }
}

/// Why a step was not taken.
#[derive(Debug, Clone, Copy, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error(transparent)]
    Step(#[from] FollowError),
}

impl Kernel {
    /// Whether this node catches up by steps and leaves its graph alone.
    pub fn is_stepping(&self) -> bool {
        self.stepping.is_under_way()
    }

    /// Goes on by steps after a restart.
    pub(super) fn resume_stepping(&mut self) {
        self.stepping.is_under_way = true;
    }

    /// The epoch has turned: this one goes by its graph.
    pub(super) fn end_stepping(&mut self) {
        if std::mem::take(&mut self.stepping).is_under_way() {
            archive::delete_stepping(&mut self.outbox.batch);
        }
    }

    /// Whether steps are asked for.
    pub(super) fn wants_steps(&mut self, now: Time) -> bool {
        let present = self.committee.epoch();
        let ahead = epoch_of(self.catch_up.target()).map_or(0, |target| target.saturating_sub(present));
        if ahead == 0 {
            self.stepping.behind_since = None;
            return self.is_stepping();
        }
        let since = *self.stepping.behind_since.get_or_insert(now);
        self.is_stepping() || ahead > 1 || now >= since + PATIENCE
    }

    /// Asks one peer after another.
    pub(super) fn request_steps(&mut self, now: Time) {
        let stepping = &mut self.stepping;
        if stepping.asked.is_some_and(|(_, until)| until <= now) {
            stepping.asked = None;
            stepping.turn = stepping.turn.wrapping_add(1);
        }
        if stepping.asked.is_some() || now < stepping.not_before || self.connected.is_empty() {
            return;
        }
        let peer = self.connected[stepping.turn % self.connected.len()].member;
        // An answer is a chunk of megabytes, to be read and sent.
        stepping.asked = Some((peer, now + Span(4 * self.config.request_timeout.0)));
        let from = self.votes.first_open().unwrap_or(self.votes.executed().next());
        self.send(peer, Message::Sync(SyncMessage::WantSteps { from }));
    }

    pub(super) fn next_step_request(&self) -> Option<Time> {
        if self.connected.is_empty() {
            return None;
        }
        let Stepping { behind_since, asked, not_before, .. } = self.stepping;
        let patience = behind_since.map(|since| not_before.max(since + PATIENCE));
        asked.map(|(_, until)| until).or(self.is_stepping().then_some(not_before)).or(patience)
    }

    /// Sends what leads from this height to the end of its epoch, as much as fits.
    pub(super) fn serve_steps(&mut self, now: Time, to: MemberIndex, from: Height, store: &dyn Store) {
        if !self.may_send(now, to, CHUNK_BYTES_MAX) {
            return;
        }
        let closing = archive::closing_certificate(store, from, self.committee.epoch());
        let steps = match closing {
            Some(_) => serve::steps(store, archive::stored_certificate, from, &PROGRAMS, CHUNK_BYTES_MAX),
            None => Vec::new(),
        };
        self.send(to, Message::Sync(SyncMessage::Steps(Box::new(Steps { closing, steps }))));
    }

    /// Takes the steps that a peer was asked for.
    pub(super) fn take_steps(&mut self, now: Time, from: MemberIndex, steps: Steps, store: &dyn Store) {
        if self.stepping.asked.take_if(|(peer, _)| *peer == from).is_none() {
            return;
        }
        let is_closed = self.is_stepping() || steps.closing.is_some_and(|closing| self.is_closed_by(&closing));
        let taken = if is_closed { self.step_through(now, steps.steps, store) } else { 0 };
        if taken == 0 {
            self.stepping.turn = self.stepping.turn.wrapping_add(1);
            self.stepping.not_before = now + self.config.request_timeout;
        }
    }

    /// Whether this certifies that the epoch which this node is in is over.
    fn is_closed_by(&self, closing: &Certificate) -> bool {
        let (epoch, checkpoint) = (self.ledger.epoch(), &closing.checkpoint);
        checkpoint.height > self.votes.executed()
            && checkpoint.epoch_next != epoch.digest()
            && closing.verify(self.committee.network(), &epoch.seats).is_ok()
    }

    /// Takes steps until one is refused or ends the epoch; gives their number.
    fn step_through(&mut self, now: Time, steps: Vec<Step>, store: &dyn Store) -> usize {
        let (epoch, mut taken) = (self.committee.epoch(), 0);
        let (mut overlay, mut shown) = (self.unwritten(store), 0);
        for step in steps {
            overlay.absorb(&self.outbox.batch.writes[shown..]);
            shown = self.outbox.batch.writes.len();
            match self.step(now, step, &overlay) {
                Ok(()) => taken += 1,
                Err(Refused::Step(FollowError::Divergence(height))) => self.halt(Fatal::Damaged { height }),
                Err(_) => break,
            }
            if self.halted.is_some() || self.committee.epoch() != epoch {
                break;
            }
        }
        taken
    }

    fn step(&mut self, now: Time, step: Step, store: &dyn Store) -> Result<(), Refused> {
        let Step { certificate, differences, scan } = step;
        let height = certificate.checkpoint.height;
        if height <= self.votes.executed() {
            // Executed here, and not known to be certified.
            self.take_certificate(certificate);
            return Ok(());
        }
        certificate.verify(self.committee.network(), &self.ledger.epoch().seats)?;
        let followed = self.ledger.follow(&certificate.checkpoint, &differences, scan, store)?;
        if !std::mem::replace(&mut self.stepping.is_under_way, true) {
            archive::put_stepping(&mut self.outbox.batch);
            self.waiting = Default::default();
            self.notify(News::Stepping { from: height });
        }
        self.outbox.batch.append(followed.batch);
        self.votes.followed(height);
        // What was spent on the way was not looked at.
        self.suspecting = Suspecting::new(height);
        self.provable.executed(height, self.ledger.provable_state());
        for (id, _) in &followed.verdicts {
            self.on_verdict(now, id);
        }
        let epoch = followed.checkpoint.epoch.clone();
        self.notify(News::Stepped(Box::new(Stepped { checkpoint: followed.checkpoint, verdicts: followed.verdicts })));
        self.on_certified(Ok(Some(certificate)));
        if let Some(epoch) = epoch {
            // It may have been in a later epoch already, on a disk that it has lost.
            self.begin_recovery();
            self.turn(now, epoch, height);
        }
        Ok(())
    }
}
