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
//! the next graph begins empty. So a node begins to step only when f + 1 others have shown it the certificate of the
//! checkpoint that closed its own epoch, which honest nodes show only where they have all that leads there: one of the f + 1
//! is, and keeps it. From the first step on the node takes nothing from that epoch's graph any more, also after a crash (it
//! is written down with the step), and goes on until the epoch has turned.
//!
//! It signs in the epoch where it arrives as anyone does there: what it has signed before is on its disk, or it
//! [recovers](super::recovery) as it did without stepping.
//!
//! # Whom to believe
//!
//! Nobody. A certificate has q(n) signatures of the epoch that this node is in; what a step holds is compared with it. A
//! peer whose steps lead nowhere is followed by the next one; one that is slow, by another that is asked besides. That others are epochs ahead is believed when f + 1 say so,
//! and costs a question; or when it is [proved](super::ahead), where fewer are left whom this node knows. The f + 1 who have
//! shown that its epoch is closed may then be of the newest one.
//!
//! [`Ledger::follow`]: byway_ledger::Ledger::follow

use std::collections::{BTreeMap, BTreeSet};

use byway_ledger::FollowError;
use byway_primitives::{Encode, Span, Store, Time};
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

/// Of how many peers an answer is awaited at once. Each is a chunk, of which all but one are of no use if all are quick.
const ASKED_MAX: usize = 4;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Stepping {
    /// Whether this node goes by steps, and no longer by its graph, until its epoch has turned.
    is_under_way: bool,
    /// Who was asked to show that the epoch is closed, and has not answered.
    asked_to_show: BTreeSet<MemberIndex>,
    /// Who has shown it, and by that that it has all that leads there.
    closed: BTreeSet<MemberIndex>,
    /// Since when the others are in a later epoch.
    behind_since: Option<Time>,
    /// Who was asked for steps and has not answered.
    asked: BTreeMap<MemberIndex, Asked>,
    /// Who did not answer, or with nothing that led anywhere: the others are asked first.
    useless: BTreeSet<MemberIndex>,
    /// Nobody is asked before.
    not_before: Time,
    turn: usize,
}

#[derive(Debug, Clone, Copy)]
struct Asked {
    from: Height,
    /// Until when it is reckoned with. Its answer is taken after that too.
    until: Option<Time>,
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
        self.stepping.is_under_way
    }

    /// Goes on by steps after a restart.
    pub(super) fn resume_stepping(&mut self) {
        self.stepping.is_under_way = true;
    }

    /// The epoch has turned: this one goes by its graph.
    pub(super) fn end_stepping(&mut self) {
        let Stepping { is_under_way, useless, turn, .. } = std::mem::take(&mut self.stepping);
        self.stepping = Stepping { useless, turn, ..Stepping::default() };
        if is_under_way {
            archive::delete_stepping(&mut self.outbox.batch);
        }
    }

    /// Whether steps are asked for.
    pub(super) fn wants_steps(&mut self, now: Time) -> bool {
        let present = self.committee.epoch();
        // Where an epoch begins, nobody has a quorum of a round that is numbered.
        let target = epoch_of(self.catch_up.target().saturating_add(1));
        let target = target.unwrap_or(0).max(self.newest_known().epoch());
        let ahead = target.saturating_sub(present);
        if ahead == 0 {
            self.stepping.behind_since = None;
            if !self.is_stepping() {
                self.stepping.asked.clear();
                self.stepping.asked_to_show.clear();
            }
            return self.is_stepping();
        }
        let since = *self.stepping.behind_since.get_or_insert(now);
        self.is_stepping() || ahead > 1 || now >= since + PATIENCE
    }

    /// Asks everyone whether the epoch is closed until f + 1 have shown it, and then one peer after another for steps.
    pub(super) fn request_steps(&mut self, now: Time) {
        if now < self.stepping.not_before || self.connected.is_empty() {
            return;
        }
        self.stepping.not_before = now + self.config.request_timeout;
        let from = self.votes.first_open().unwrap_or(self.votes.executed().next());
        if self.may_step() {
            if let Some(peer) = self.next_asked(now) {
                // An answer is a chunk of megabytes, to be read and sent.
                let until = Some(now + Span(4 * self.config.request_timeout.0));
                self.stepping.asked.insert(peer, Asked { from, until });
                self.send(peer, Message::Sync(SyncMessage::WantSteps { from }));
            }
            return;
        }
        for peer in self.members_connected() {
            if !self.stepping.closed.contains(&peer) {
                self.stepping.asked_to_show.insert(peer);
                self.send(peer, Message::Sync(SyncMessage::WantClosing { from }));
            }
        }
    }

    /// Whether what closed the epoch was shown by enough, or has been once.
    fn may_step(&self) -> bool {
        self.is_stepping() || self.is_one_honest(self.stepping.closed.iter().copied())
    }

    /// Who is asked for steps next: those who have shown that they have them before others.
    fn next_asked(&mut self, now: Time) -> Option<MemberIndex> {
        let Stepping { closed, asked, useless, turn, .. } = &mut self.stepping;
        let is_overdue = |asked: &mut Asked| asked.until.take_if(|until| *until <= now).is_some();
        useless.extend(asked.iter_mut().filter_map(|(peer, asked)| is_overdue(asked).then_some(*peer)));
        let awaited: BTreeSet<_> =
            asked.iter().filter(|(_, asked)| asked.until.is_some()).map(|(peer, _)| *peer).collect();
        if awaited.len() >= ASKED_MAX {
            return None;
        }
        let first = *turn % self.connected.len();
        let in_turn = self.connected[first..].iter().chain(&self.connected[..first]).map(|peer| peer.member);
        let untried = in_turn.filter(|peer| !useless.contains(peer) && !awaited.contains(peer));
        let next = untried.min_by_key(|peer| !closed.contains(peer));
        if next.is_none() && awaited.is_empty() {
            // All over again, at leisure.
            useless.clear();
        }
        next
    }

    pub(super) fn next_step_request(&self) -> Option<Time> {
        let Stepping { behind_since, asked, asked_to_show, not_before, .. } = &self.stepping;
        if self.connected.is_empty() {
            return None;
        }
        let has_asked = self.is_stepping() || !asked.is_empty() || !asked_to_show.is_empty();
        let patience = behind_since.map(|since| (since + PATIENCE).max(*not_before));
        has_asked.then_some(*not_before).or(patience)
    }

    /// Shows that the epoch of this height is closed, if that is so and all that leads there is kept here.
    pub(super) fn show_closing(&mut self, now: Time, to: MemberIndex, from: Height, store: &dyn Store) {
        let closing = self.closing_of(from, store);
        self.send_steps(now, to, Steps { closing, steps: Vec::new() });
    }

    /// Sends what leads from this height to the end of its epoch, as much as fits.
    pub(super) fn serve_steps(&mut self, now: Time, to: MemberIndex, from: Height, store: &dyn Store) {
        if !self.has_room(now, to) {
            return;
        }
        let closing = self.closing_of(from, store);
        let steps = match closing {
            Some(_) => serve::steps(store, archive::stored_certificate, from, &PROGRAMS, CHUNK_BYTES_MAX),
            None => Vec::new(),
        };
        self.send_steps(now, to, Steps { closing, steps });
    }

    fn closing_of(&self, from: Height, store: &dyn Store) -> Option<Certificate> {
        // Whoever begins must be able to arrive.
        let is_whole = |closing: &Certificate| {
            archive::lowest_uncertified(store).is_none_or(|open| open > closing.checkpoint.height)
        };
        archive::closing_certificate(store, from, self.committee.epoch()).filter(is_whole)
    }

    fn send_steps(&mut self, now: Time, to: MemberIndex, steps: Steps) {
        if self.may_send(now, to, steps.to_bytes().len()) {
            self.send(to, Message::Sync(SyncMessage::Steps(Box::new(steps))));
        }
    }

    /// Takes what a peer was asked for. Whatever its steps are, the next peer is asked next: so nobody can give as little as
    /// will do for ever.
    pub(super) fn take_steps(&mut self, now: Time, from: MemberIndex, steps: Steps, store: &dyn Store) {
        let (shows, asked) = (self.stepping.asked_to_show.remove(&from), self.stepping.asked.remove(&from));
        if !shows && asked.is_none() {
            return;
        }
        if steps.closing.as_ref().is_some_and(|closing| self.is_closed_by(closing)) {
            self.stepping.closed.insert(from);
        }
        if self.may_step() {
            // Whoever is to be asked next is asked at once.
            self.stepping.not_before = now;
        }
        let Some(asked) = asked else { return };
        self.stepping.turn = self.stepping.turn.wrapping_add(1);
        let (known, new): (Vec<_>, Vec<_>) =
            steps.steps.into_iter().partition(|step| step.certificate.checkpoint.height <= self.votes.executed());
        // Executed here, perhaps in an epoch that is over here too, and not known to be certified.
        for certificate in known.into_iter().map(|step| step.certificate).chain(steps.closing) {
            self.take_certificate(certificate);
        }
        if self.may_step() {
            self.step_through(now, new, store);
        }
        // Where another has led further meanwhile, this one was only slow.
        let first_open = self.votes.first_open().unwrap_or(self.votes.executed().next());
        if first_open <= asked.from {
            self.stepping.useless.insert(from);
        }
    }

    /// Whether this certifies that the epoch which this node is in is over.
    fn is_closed_by(&self, closing: &Certificate) -> bool {
        let (epoch, checkpoint) = (self.ledger.epoch(), &closing.checkpoint);
        checkpoint.height > self.votes.executed()
            && checkpoint.epoch_next != epoch.digest()
            && closing.verify(self.committee.network(), &epoch.seats).is_ok()
    }

    /// Takes steps until one is refused or ends the epoch.
    fn step_through(&mut self, now: Time, steps: Vec<Step>, store: &dyn Store) {
        let epoch = self.committee.epoch();
        let (mut overlay, mut shown) = (self.unwritten(store), 0);
        for step in steps {
            overlay.absorb(&self.outbox.batch.writes[shown..]);
            shown = self.outbox.batch.writes.len();
            match self.step(now, step, &overlay) {
                Ok(()) => {}
                Err(Refused::Step(FollowError::Divergence(height))) => self.halt(Fatal::Damaged { height }),
                Err(_) => return,
            }
            if self.halted.is_some() || self.committee.epoch() != epoch {
                return;
            }
        }
    }

    fn step(&mut self, now: Time, step: Step, store: &dyn Store) -> Result<(), Refused> {
        let Step { certificate, differences, scan } = step;
        let height = certificate.checkpoint.height;
        certificate.verify(self.committee.network(), &self.ledger.epoch().seats)?;
        let followed = self.ledger.follow(&certificate.checkpoint, &differences, scan, store)?;
        if !std::mem::replace(&mut self.stepping.is_under_way, true) {
            archive::put_stepping(&mut self.outbox.batch);
            self.catch_up.forget_asked();
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
            self.turn(now, epoch, height);
        }
        Ok(())
    }
}
