//! What a payee is sent in parts: none is opened before all are there, by its own count of what they come to.
//!
//! The parts of one payment have a name that only its payer and its payee know ([`PartsId`]), so nobody else's are counted with them. Whoever sends
//! one and keeps back the rest has it back when the payee has waited for [`PARTS_TIME_MAX`], or at the invoice's time if that comes first.

use byway_primitives::{Amount, Encode, IdentityId, Time};
use byway_records::promise::ChannelId;

use super::conduit::{Lock, PaymentHash};
use super::flow::find_incoming;
use super::message::{Failure, Reason};
use super::order::PartsId;
use super::passage::{Asked, Incoming, LockRef, PARTS_MAX, Passage, PassageId, ROUTING, Stage, asked_key};
use super::router::{FORCE_BEFORE, PARTS_TIME_MAX, Router};
use super::sight::{self, Found};
use super::terms::PEER_PAYMENTS_MAX;
use crate::channels::Channels;
use crate::machine::ChannelMachine;
use crate::signer::Signer;

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
        let is_known = asked.paid_by.contains(&incoming.lock);
        if !asked.paid_by.is_empty() && !is_known {
            return Err(Reason::Paid);
        }
        if time > asked.expires || incoming.until < time + FORCE_BEFORE {
            return Err(Reason::Late);
        }
        let (amount, preimage) = (asked.amount, asked.preimage);
        let Some(parts) = parts.filter(|_| !is_known) else {
            if amount != incoming.amount && !is_known {
                return Err(Reason::Amount);
            }
            if !is_known {
                self.note_paid_by(hash, vec![incoming.lock]);
            }
            return Ok(Stage::Claiming(preimage));
        };
        let there = self.parts_of(hash, parts);
        let sum = sum_of(there.iter().map(|(_, part)| part).filter_map(|part| part.incoming), incoming.amount);
        if there.len() >= PARTS_MAX as usize || sum.is_none_or(|sum| sum > amount) {
            return Err(Reason::Amount);
        }
        let is_with = |lock: LockRef| channels.key_of(lock.channel).is_some_and(|key| key.peer == machine.peer());
        let waiting = self.passages.values().filter(|passage| matches!(passage.stage, Stage::Waiting(_)));
        let of_peer = waiting.filter_map(|passage| passage.incoming).filter(|incoming| is_with(incoming.lock));
        if of_peer.count() >= PEER_PAYMENTS_MAX {
            return Err(Reason::Exposure);
        }
        Ok(Stage::Waiting(parts))
    }

    fn note_paid_by(&mut self, hash: PaymentHash, paid_by: Vec<LockRef>) {
        let Some(asked) = self.asked.get(&hash).cloned() else { return };
        let asked = Asked { paid_by, ..asked };
        self.batch.put(ROUTING, asked_key(hash), asked.to_bytes());
        self.asked.insert(hash, asked);
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
            return failed(Reason::Parts);
        }
        let all = self.parts_of(passage.hash, parts);
        let locks = all.iter().filter_map(|(_, part)| part.incoming);
        let is_whole = sum_of(locks.clone(), Amount::ZERO) == Some(asked.amount);
        if !is_whole || !locks.clone().all(|part| can_be_opened(channels, &part)) {
            return None;
        }
        let paid_by = locks.map(|part| part.lock).collect();
        self.note_paid_by(passage.hash, paid_by);
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
