//! Whether a holder does what it is paid for, by what others hand over.
//!
//! A sender brings an envelope to all who hold for its client at once. So whoever has answered a fetch from the start to the end, and did not
//! hand over what another has handed over before, and what was sealed long before the fetch, has lost it, withholds it, or was
//! not there when it was brought. For that a receipt goes to whoever handed the envelope over at once, and to the others when a
//! fetch that began later is over: a holder that had it from another way would let go of it, and nobody could tell.
//!
//! *What it is not:* proof. A sender can bring something to one holder alone, so that the others seem to have lost it: so each sender
//! counts once a day for and once against a holder. Nothing is known of a holder that is the only one, nor of what all of
//! them lose; the sender still has that.

use std::collections::{BTreeMap, VecDeque};

use byway_primitives::{IdentityId, Span, Time};

use super::HeldClient;
use crate::holding::HOLD_TIME;
use crate::holding::envelope::EnvelopeId;
use crate::holding::message::{HoldMessage, RECEIPTS_MAX};
use crate::holding::receipt::Receipt;

/// Receipts that one holder is owed, at most; more go to it at once, and say nothing of it.
const OWED_MAX: usize = 1024;
/// Envelopes that are known again without being opened: those that were signed for last.
const SIGNED_MAX: usize = 4096;
/// Senders of one holder of which it is known when they counted last.
const SENDERS_MAX: usize = 1024;
/// So long after it was sealed all who hold should have been brought an envelope.
const BRINGING: Span = Span::minutes(60);
/// How often one sender counts, for and against.
const COUNTS_EACH: Span = Span::days(1);

/// What a holder did with an envelope, as far as can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Judged {
    /// It has handed over what was brought to it.
    Kept,
    /// It has not handed over what others have.
    Missed,
}

/// An envelope that was signed for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signed {
    pub receipt: Receipt,
    /// Who it is from; of one that makes no sense nobody knows.
    pub sender: Option<IdentityId>,
    pub until: Time,
}

/// Those that were signed for last.
#[derive(Default)]
pub(super) struct Recent {
    of: BTreeMap<EnvelopeId, Signed>,
    order: VecDeque<EnvelopeId>,
}

/// What one holder has not been told yet, and since when that is so.
#[derive(Default)]
pub(super) struct Owed(BTreeMap<EnvelopeId, (Signed, Time)>);

/// When each sender counted last.
#[derive(Default)]
pub(super) struct Counted(BTreeMap<(IdentityId, Judged), Time>);

impl HeldClient {
    /// Signs for an envelope that a holder handed over; the others are told in their turn.
    pub(super) fn sign(
        &mut self,
        now: Time,
        giver: IdentityId,
        (envelope, until): (EnvelopeId, Time),
        sender: Option<IdentityId>,
    ) -> Signed {
        let known = self.signed.of(envelope);
        let signed = known.unwrap_or_else(|| {
            let receipt = Receipt::sign(&self.config.identity, self.config.network, envelope);
            Signed { receipt, sender, until }
        });
        self.signed.put(signed);
        self.kept(now, giver, signed);
        let others = self.uses.iter_mut().filter(|(holder, _)| **holder != giver && known.is_none());
        let full: Vec<IdentityId> =
            others.filter_map(|(holder, of)| (!of.owed.put(now, signed) && of.is_there).then_some(*holder)).collect();
        full.into_iter().for_each(|holder| self.say_had(holder, &[signed.receipt]));
        signed
    }

    /// A holder has handed over what was brought to it.
    pub(super) fn kept(&mut self, now: Time, holder: IdentityId, signed: Signed) {
        let Some(of) = self.uses.get_mut(&holder) else { return };
        of.owed.remove(signed.receipt.envelope);
        if signed.sender.is_some_and(|sender| of.counted.counts(now, sender, Judged::Kept)) {
            self.step.judged.push((holder, Judged::Kept));
        }
    }

    /// A fetch is over: what others have handed over before it began should have been in it.
    pub(super) fn judge(&mut self, now: Time, holder: IdentityId) {
        let Some(of) = self.uses.get_mut(&holder) else { return };
        let mut receipts = Vec::new();
        for signed in of.owed.over(of.began) {
            receipts.push(signed.receipt);
            let should = of.kept.since.is_some_and(|since| signed.should_be_held(since, of.began));
            let Some(sender) = signed.sender.filter(|_| should) else { continue };
            of.missed += 1;
            if of.counted.counts(now, sender, Judged::Missed) {
                self.step.judged.push((holder, Judged::Missed));
            }
        }
        receipts.chunks(RECEIPTS_MAX).for_each(|receipts| self.say_had(holder, receipts));
    }

    pub(super) fn say_had(&mut self, holder: IdentityId, receipts: &[Receipt]) {
        if !receipts.is_empty() {
            self.step.sends.push((holder, HoldMessage::Had { receipts: receipts.to_vec() }));
        }
    }
}

impl Signed {
    /// Whether a holder that holds since `since` should have it in a fetch that began then.
    pub fn should_be_held(&self, since: Time, began: Time) -> bool {
        let sealed = Time(self.until.0.saturating_sub(HOLD_TIME.0));
        self.sender.is_some() && since <= sealed && sealed + BRINGING <= began
    }
}

impl Recent {
    pub fn of(&self, envelope: EnvelopeId) -> Option<Signed> {
        self.of.get(&envelope).copied()
    }

    pub fn put(&mut self, signed: Signed) {
        if self.of.insert(signed.receipt.envelope, signed).is_none() {
            self.order.push_back(signed.receipt.envelope);
        }
        if self.order.len() > SIGNED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.of.remove(&oldest);
        }
    }
}

impl Owed {
    /// `false` where there is too much of it.
    pub fn put(&mut self, now: Time, signed: Signed) -> bool {
        let is_room = self.0.len() < OWED_MAX;
        if is_room {
            self.0.entry(signed.receipt.envelope).or_insert((signed, now));
        }
        is_room
    }

    pub fn remove(&mut self, envelope: EnvelopeId) {
        self.0.remove(&envelope);
    }

    /// What it was not told by the time a fetch began, which is over.
    pub fn over(&mut self, began: Time) -> Vec<Signed> {
        self.0.extract_if(.., |_, (_, since)| *since <= began).map(|(_, (signed, _))| signed).collect()
    }
}

impl Counted {
    /// Whether this sender counts now.
    pub fn counts(&mut self, now: Time, sender: IdentityId, judged: Judged) -> bool {
        if self.0.get(&(sender, judged)).is_some_and(|at| now < *at + COUNTS_EACH) {
            return false;
        }
        self.0.retain(|_, at| now < *at + COUNTS_EACH);
        let is_room = self.0.len() < 2 * SENDERS_MAX;
        if is_room {
            self.0.insert((sender, judged), now);
        }
        is_room
    }
}
