//! What a payee is sent in parts: none is opened before all are there, by its own count of what they come to.
//!
//! The parts of one payment have a name that only its payer and its payee know ([`PartsId`]), so nobody else's are counted with them. Whoever sends
//! one and keeps back the rest has it back when the payee has waited for [`PARTS_TIME_MAX`], or at the invoice's time if that comes first.

use std::collections::BTreeSet;

use byway_primitives::{Amount, Encode, IdentityId, Span, Time};
use byway_records::promise::ChannelId;

use super::conduit::{Lock, PaymentHash};
use super::flow::find_incoming;
use super::message::{Failure, Reason};
use super::order::PartsId;
use super::passage::{Asked, Incoming, PARTS_MAX, Passage, PassageId, ROUTING, Stage, asked_key};
use super::router::{CLOSE_BEFORE, FORCE_BEFORE, PARTS_TIME_MAX, Router};
use super::sight::{self, Found};
use crate::channels::Channels;
use crate::machine::ChannelMachine;
use crate::signer::Signer;

/// For how many names the parts of one invoice may stay away before none is waited for any more: who pays in halves, quarters and eighths takes three.
const NAMES_MAX: usize = 6;

impl Router {
    /// Whether that is what this node asked for, or a part of it: each invoice is paid once, by the amount that it says.
    pub(super) fn judge_own<S: Signer + Clone>(
        &mut self,
        channels: &Channels<S>,
        machine: &ChannelMachine<S>,
        hash: PaymentHash,
        incoming: &Incoming,
        parts: Option<PartsId>,
    ) -> Result<Stage, Reason> {
        let (asked, time) = (self.asked.get(&hash).ok_or(Reason::Unknown)?, machine.environment().time);
        // What paid it is a passage, or is over: nobody may make a lock of the same name again for less.
        if !asked.paid_by.is_empty() {
            return Err(Reason::Paid);
        }
        if time > asked.expires || incoming.until < time + FORCE_BEFORE {
            return Err(Reason::Late);
        }
        // Money that goes in a circle comes in where it is wanted, or it does not come in.
        if let Some(circle) = self.payments.get(&hash).and_then(|payment| payment.circle) {
            let is_there = channels.key_of(circle.to).is_some_and(|key| key.peer == machine.peer());
            if !is_there || incoming.lock.channel == circle.from {
                return Err(Reason::NoChannel);
            }
        }
        // By an update the peer learns the preimage; if it does not sign that, the ledger has to.
        if !self.is_ready {
            return Err(Reason::Unready);
        }
        let (amount, preimage) = (asked.amount, asked.preimage);
        let Some(parts) = parts else {
            if amount != incoming.amount {
                return Err(Reason::Amount);
            }
            self.note_paid_by(hash, &[*incoming]);
            return Ok(Stage::Claiming(preimage));
        };
        let there = self.parts_of(hash, parts);
        let sum = sum_of(there.iter().map(|(_, part)| part).filter_map(|part| part.incoming), incoming.amount);
        if there.len() >= PARTS_MAX as usize || sum.is_none_or(|sum| sum > amount) {
            return Err(Reason::Amount);
        }
        let names = self.late_parts.get(&hash).map_or(0, BTreeSet::len);
        if names >= NAMES_MAX {
            return Err(Reason::Late);
        }
        let waits = |passage: &&Passage| passage.hash == hash && matches!(passage.stage, Stage::Waiting(_));
        if self.passages.values().filter(waits).count() >= 2 * PARTS_MAX as usize {
            return Err(Reason::Exposure);
        }
        Ok(Stage::Waiting(parts))
    }

    fn put_asked(&mut self, hash: PaymentHash, asked: Asked) {
        self.out.batch.put(ROUTING, asked_key(hash), asked.to_bytes());
        self.asked.insert(hash, asked);
    }

    fn note_paid_by(&mut self, hash: PaymentHash, locks: &[Incoming]) {
        let Some(asked) = self.asked.get(&hash).cloned() else { return };
        let paid_by = locks.iter().map(|incoming| incoming.lock).collect();
        let until = locks.iter().map(|incoming| incoming.until).min().unwrap_or_default();
        self.put_asked(hash, Asked { paid_by, until, ..asked });
    }

    /// From now on somebody else may know the preimage: it is written down before anything is handed out that carries it.
    pub(super) fn note_shown(&mut self, hash: PaymentHash) {
        if let Some(asked) = self.asked.get(&hash).filter(|asked| !asked.is_shown).cloned() {
            self.put_asked(hash, Asked { is_shown: true, ..asked });
        }
    }

    /// By when a lock that pays an invoice has to be opened: as long as nobody knows the preimage the earliest time of all its parts is each one's, so
    /// that none is opened when another can't be any more.
    pub(super) fn with_until_of_all(&self, passage: &Passage, incoming: Incoming) -> Incoming {
        let asked = self.asked.get(&passage.hash).filter(|_| passage.outgoing.is_none());
        let until =
            asked.filter(|asked| !asked.is_shown).map_or(incoming.until, |asked| asked.until.min(incoming.until));
        Incoming { until, ..incoming }
    }

    /// Whether nothing was shown for what pays an invoice, and it is too late to begin with it: then it is as if it had not come.
    fn is_too_late<S: Signer + Clone>(&self, channels: &Channels<S>, passage: &Passage, incoming: &Incoming) -> bool {
        let asked = self.asked.get(&passage.hash).filter(|_| passage.outgoing.is_none());
        let Some(asked) = asked.filter(|asked| !asked.is_shown && asked.paid_by.contains(&incoming.lock)) else {
            return false;
        };
        // Of several, each has to be opened in time when one is.
        let before = if asked.paid_by.len() > 1 { CLOSE_BEFORE } else { Span(0) };
        let time = sight::machine(channels, incoming.lock.channel).map(|machine| machine.environment().time);
        time.is_some_and(|time| time + before >= asked.until)
    }

    /// Lets go of all that was to pay an invoice, if it is too late for it.
    pub(super) fn let_go_of_late<S: Signer + Clone>(
        &mut self,
        now: Time,
        channels: &Channels<S>,
        passage: &Passage,
        incoming: &Incoming,
    ) -> bool {
        if !self.is_too_late(channels, passage, incoming) {
            return false;
        }
        let Some(asked) = self.asked.get(&passage.hash).cloned() else { return false };
        let pays = |passage: &Passage| {
            passage.outgoing.is_none() && passage.incoming.is_some_and(|its| asked.paid_by.contains(&its.lock))
        };
        let all = self.passages.iter().filter(|(_, passage)| pays(passage));
        let all: Vec<_> = all.map(|(id, passage)| (*id, passage.clone())).collect();
        let failure = Failure::here(Reason::Late);
        self.put_asked(passage.hash, Asked { paid_by: Vec::new(), ..asked });
        let stage = Stage::Failing(failure);
        all.iter().for_each(|(id, passage)| self.put_passage(*id, Passage { stage, ..passage.clone() }));
        for (id, passage) in all {
            self.say_failed(channels, &passage, failure);
            self.advance(now, channels, id);
        }
        true
    }

    /// Those that are there and belong together.
    fn parts_of(&self, hash: PaymentHash, parts: PartsId) -> Vec<(PassageId, Passage)> {
        let its = |passage: &Passage| passage.hash == hash && passage.stage == Stage::Waiting(parts);
        self.passages.iter().filter(|(_, passage)| its(passage)).map(|(id, passage)| (*id, passage.clone())).collect()
    }

    /// Opens all parts, in one write, once they come to what was asked for; lets go of this one if that takes too long.
    pub(super) fn wait_for_parts<S: Signer + Clone>(
        &mut self,
        now: Time,
        channels: &Channels<S>,
        id: PassageId,
        passage: &Passage,
        parts: PartsId,
    ) -> Option<Stage> {
        let failed = |reason| Some(Stage::Failing(Failure::here(reason)));
        let (Some(incoming), Some(asked)) = (passage.incoming, self.asked.get(&passage.hash).cloned()) else {
            return failed(Reason::Unknown);
        };
        if matches!(find_incoming(channels, &incoming), Found::Gone | Found::Over) {
            self.remove_passage(id);
            return None;
        }
        if !asked.paid_by.is_empty() {
            return failed(Reason::Paid);
        }
        let time = sight::machine(channels, incoming.lock.channel).map(|machine| machine.environment().time);
        if time.is_some_and(|time| time > asked.expires) {
            return failed(Reason::Late);
        }
        if now.since(passage.since) >= PARTS_TIME_MAX {
            self.late_parts.entry(passage.hash).or_default().insert(parts);
            return failed(Reason::Parts);
        }
        let all = self.parts_of(passage.hash, parts);
        let locks = all.iter().filter_map(|(_, part)| part.incoming);
        let is_whole = sum_of(locks.clone(), Amount::ZERO) == Some(asked.amount);
        if !is_whole || !locks.clone().all(|part| can_be_opened(channels, &part)) {
            return None;
        }
        let locks: Vec<_> = locks.collect();
        self.note_paid_by(passage.hash, &locks);
        let stage = Stage::Claiming(asked.preimage);
        let others: Vec<_> = all.into_iter().filter(|(other, _)| *other != id).collect();
        others.iter().for_each(|(other, part)| self.put_passage(*other, Passage { stage, ..part.clone() }));
        self.put_passage(id, Passage { stage, ..passage.clone() });
        others.into_iter().for_each(|(other, _)| self.advance(now, channels, other));
        Some(stage)
    }

    /// The usable channels with a peer, and what can be locked in each beside what is about to be.
    pub(super) fn rooms_with<S: Signer + Clone>(
        &self,
        channels: &Channels<S>,
        peer: IdentityId,
    ) -> Vec<(ChannelId, Amount)> {
        let left = |(channel, room): (ChannelId, Amount)| {
            let locking = self.passages.values().filter(|passage| passage.stage == Stage::Locking);
            let outgoing = locking.filter_map(|passage| passage.outgoing.as_ref());
            let amounts = outgoing.filter(|outgoing| outgoing.lock.channel == channel).map(|outgoing| outgoing.amount);
            (channel, room.saturating_sub(Amount::checked_sum(amounts).unwrap_or(Amount::MAX)))
        };
        sight::rooms_with(channels, peer).map(left).collect()
    }
}

fn sum_of(locks: impl Iterator<Item = Incoming>, more: Amount) -> Option<Amount> {
    Amount::checked_sum(locks.map(|lock| lock.amount).chain([more]))
}

/// Whether a part's lock stands, for long enough, in a channel that is as it should be.
fn can_be_opened<S: Signer + Clone>(channels: &Channels<S>, incoming: &Incoming) -> bool {
    let machine = sight::machine(channels, incoming.lock.channel).filter(|machine| sight::is_usable(*machine));
    let is_timely = machine.is_some_and(|machine| incoming.until >= machine.environment().time + FORCE_BEFORE);
    is_timely && matches!(find_incoming(channels, incoming), Found::There(_, Lock::Closed { .. }))
}
