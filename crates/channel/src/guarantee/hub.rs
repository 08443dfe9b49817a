//! The hub: what it guarantees, and how it comes out of that with what it went in with.

use byway_primitives::{Amount, IdentityId, Span, Time};
use byway_records::call::ChannelsCall;
use byway_records::channel::{Cosigned, Phase, Side, VirtualClose, VirtualTerms};
use byway_records::promise::ChannelId;
use byway_vm::Address;

use super::contract::{self, Guarantee, Stage};
use super::guarantees::{GuaranteeNews, Guarantees, Said, Seen};
use super::message::{GuaranteeMessage, GuaranteeRefusal};
use super::record::{Held, HeldStage};
use super::sight::{Found, Sought, find, find_in, is_clear};
use super::wish::Urgency;
use crate::channels::Channels;
use crate::journal::Life;
use crate::machine::{BLIND_TIME_MIN, ENVIRONMENT_BEHIND_MAX};
use crate::routing::{CLOSE_BEFORE, FORCE_AFTER, sight};
use crate::signer::Signer;

/// How long after its end a channel's parties have to part, before the hub closes it on the ledger.
pub const PART_TIME_MAX: Span = Span::minutes(10);

impl Guarantees {
    /// A party says that it has offered a guarantee. Both have, once the other has too.
    pub(super) fn handle_offered<S: Signer + Clone>(
        &mut self,
        now: Time,
        channels: &Channels<S>,
        peer: IdentityId,
        terms: &Cosigned<VirtualTerms>,
    ) {
        let id = terms.body.id();
        if let Some(held) = self.held.get(&id) {
            if held.stage == HeldStage::Over {
                self.refuse(peer, &terms.body, GuaranteeRefusal::Again);
                self.let_go(channels, peer, id);
            }
            return;
        }
        match self.judge(channels, terms) {
            Ok(None) => {}
            Ok(Some(held)) => {
                self.put_held(id, Held { since: now, ..held });
                self.advance_held(now, channels, id);
            }
            Err(refusal) => {
                self.refuse(peer, &terms.body, refusal);
                self.let_go(channels, peer, id);
            }
        }
    }

    /// What the hub does not accept goes back at once.
    fn let_go<S: Signer + Clone>(&mut self, channels: &Channels<S>, peer: IdentityId, id: ChannelId) {
        for (_, parent) in channels.with_peer(peer).filter(|(_, machine)| sight::is_usable(*machine)) {
            let found = find_in(parent, Sought { id, by: Address::from(peer), place: None });
            if let (Found::There { contract, guarantee, .. }, Some(channel)) = (found, parent.id())
                && guarantee.stage == Stage::Offered
            {
                self.wish(channel, contract::back(parent.side(), contract, id), Urgency::None);
            }
        }
    }

    fn refuse(&mut self, peer: IdentityId, terms: &VirtualTerms, refusal: GuaranteeRefusal) {
        let (channel, amount) = (terms.id(), terms.total().unwrap_or(Amount::MAX));
        self.out.send(peer, GuaranteeMessage::Refuse { channel, refusal });
        self.out.notify(GuaranteeNews::Declined { peer, channel, amount, refusal });
    }

    /// Goes as far as it goes now.
    pub(super) fn advance_held<S: Signer + Clone>(&mut self, now: Time, channels: &Channels<S>, id: ChannelId) {
        while let Some(held) = self.held.get(&id).cloned() {
            let found = self.look(channels, id, &held);
            let is_settled = |found: &Found| matches!(found, Found::There { is_settled: true, .. });
            let is_paid = found.each_ref().map(|found| is_accepted(found) && is_settled(found));
            self.note_earned(id, is_paid);
            let held = Held { is_paid: [0, 1].map(|index| held.is_paid[index] || is_paid[index]), ..held };
            let next = match held.stage {
                HeldStage::Accepting => self.accept(now, channels, &held, found),
                HeldStage::Standing => self.see_through(now, channels, id, &held, found),
                // The peer has signed later what it was asked for.
                HeldStage::Over if found.iter().any(is_accepted) => Some(HeldStage::Standing),
                HeldStage::Over => return self.forget_held(channels, id, &held, found),
            };
            let Some(stage) = next else { return };
            self.put_held(id, Held { stage, since: now, ..held.clone() });
            let fees = Amount::checked_sum(held.fees).unwrap_or(Amount::MAX);
            match stage {
                HeldStage::Standing => self.out.notify(GuaranteeNews::Guaranteed { channel: id, fees }),
                _ => self.out.notify(GuaranteeNews::Released { channel: id }),
            }
        }
    }

    /// What there is of both guarantees. An offer that is not the one which was looked at, or that comes when it is known what is to be paid, is
    /// none, and goes back.
    fn look<S: Signer + Clone>(&mut self, channels: &Channels<S>, id: ChannelId, held: &Held) -> [Found; 2] {
        let is_decided = held.certificate.is_some() || self.seen.get(&id).is_some_and(|seen| seen.outcome.is_some());
        let is_wanted = held.stage != HeldStage::Over && !is_decided;
        Side::BOTH.map(|side| {
            let index = side.index();
            let (by, place) = (Address::from(held.terms.parties[index]), Some(held.places[index]));
            let found = find(channels, held.parents[index], Sought { id, by, place });
            let Found::There { contract, guarantee, is_settled } = found else { return found };
            if guarantee.stage == Stage::Accepted || (is_wanted && held.is_judged(side, &guarantee)) {
                return found;
            }
            if let Some(parent) = sight::machine(channels, held.parents[index]) {
                self.wish(held.parents[index], contract::back(parent.side(), contract, id), Urgency::None);
            }
            if is_settled { Found::Gone } else { Found::Unsettled }
        })
    }

    /// Both offers are accepted, or neither is.
    fn accept<S: Signer + Clone>(
        &mut self,
        now: Time,
        channels: &Channels<S>,
        held: &Held,
        found: [Found; 2],
    ) -> Option<HeldStage> {
        let accepted = found.iter().filter(|found| is_accepted(found)).count();
        if accepted == 2 {
            return Some(HeldStage::Standing);
        }
        if lacks_room(channels, held, found) {
            return Some(HeldStage::Over);
        }
        let reach = [0, 1].map(|index| reach(channels, held, index, &found[index]));
        // One that can't be accepted any more ends it, as long as the other is not.
        let is_open = [0, 1]
            .map(|index| reach[index] == Reach::Open && matches!(found[index], Found::There { is_settled: true, .. }));
        let is_hopeless = match reach {
            [Reach::No, Reach::No] => true,
            [Reach::No, _] => is_open[1],
            [_, Reach::No] => is_open[0],
            _ => false,
        };
        let is_over = reach.iter().all(|reach| matches!(reach, Reach::No | Reach::Accepted));
        if is_hopeless || is_over {
            return Some(if accepted == 0 { HeldStage::Over } else { HeldStage::Standing });
        }
        self.accept_more(now, channels, held, found, reach);
        None
    }

    /// What can be accepted is: by an update, after a minute by force, and near an offer's end by closing. Neither is before both can be, with nothing
    /// half-signed that would undo it; once one is, the other has to be.
    fn accept_more<S: Signer + Clone>(
        &mut self,
        now: Time,
        channels: &Channels<S>,
        held: &Held,
        found: [Found; 2],
        reach: [Reach; 2],
    ) {
        let id = held.terms.body.id();
        let parents = held.parents.map(|parent| sight::machine(channels, parent));
        let is_clear = [0, 1]
            .into_iter()
            .all(|index| parents[index].is_some_and(|parent| is_clear(parent, held.places[index], id)));
        for (index, found) in found.into_iter().enumerate() {
            let (Found::There { contract, .. }, Some(parent)) = (found, parents[index]) else { continue };
            let is_due = match reach[1 - index] {
                Reach::Accepted => true,
                Reach::Open => is_clear,
                Reach::Late | Reach::Unknown | Reach::No => false,
            };
            if reach[index] != Reach::Open || !is_due {
                continue;
            }
            let (time, deadline) = (parent.environment().time, held.deadlines[index]);
            let is_late = now.since(held.since) >= FORCE_AFTER || parent.life() == Life::Closing;
            let urgency = if time + CLOSE_BEFORE + FORCE_AFTER >= deadline {
                Urgency::Close
            } else if is_late {
                Urgency::Force
            } else {
                Urgency::None
            };
            let hub_part = held.terms.body.terms.deposits[1 - index];
            let call = contract::accept(parent.side(), contract, id, hub_part);
            self.wish(held.parents[index], call, urgency);
        }
    }

    /// It stands. The hub has it paid out by what all three signed or the ledger says, and sees to it that one of the two comes in time.
    fn see_through<S: Signer + Clone>(
        &mut self,
        now: Time,
        channels: &Channels<S>,
        id: ChannelId,
        held: &Held,
        found: [Found; 2],
    ) -> Option<HeldStage> {
        if found == [Found::Gone; 2] {
            return Some(HeldStage::Over);
        }
        let mut is_known = false;
        let mut is_endangered = false;
        let mut time = None;
        let reach = [0, 1].map(|index| reach(channels, held, index, &found[index]));
        for (index, found) in found.into_iter().enumerate() {
            let parent = sight::machine(channels, held.parents[index]);
            time = time.max(parent.map(|parent| parent.environment().time));
            match (reach[index], found, parent) {
                (Reach::Accepted, Found::There { contract, .. }, Some(parent)) => {
                    let at = (contract, Side::BOTH[index]);
                    is_known |= self.pay_out(now, id, parent, at, held.certificate.as_ref());
                    is_endangered |= parent.life() == Life::Closing;
                }
                // What was undone is accepted again.
                (Reach::Open | Reach::Late | Reach::Unknown, ..) => {}
                // It was never accepted, or is gone though nobody said what is to be paid.
                _ => is_endangered = true,
            }
        }
        self.accept_more(now, channels, held, found, reach);
        let seen = self.seen.get(&id).cloned().unwrap_or_default();
        if seen.outcome.is_some() {
            return None;
        }
        let ends = held.terms.body.ends;
        let time = time?;
        if !is_known && time >= ends && self.is_time_to(now, id, Said::Over) {
            held.terms
                .parties
                .into_iter()
                .for_each(|party| self.out.send(party, GuaranteeMessage::Over { channel: id }));
        }
        let must_end = !is_known && (is_endangered || time >= ends + PART_TIME_MAX);
        if must_end || seen.entry.is_some() {
            self.go_to_ledger(now, id, held, &seen, time, must_end);
        }
        None
    }

    /// What the ledger is to be handed next.
    fn go_to_ledger(&mut self, now: Time, id: ChannelId, held: &Held, seen: &Seen, time: Time, must_end: bool) {
        let (what, call) = match (&seen.entry, held.certificate) {
            (None, _) => (Said::Register, ChannelsCall::RegisterVirtual(held.terms)),
            // Somebody had it registered all the same: nothing else comes out of it than what all three have signed.
            (Some(_), Some(certificate)) => (Said::Certificate, ChannelsCall::CloseVirtual(certificate)),
            (Some(entry), None) => match entry.phase {
                Phase::Active if must_end => (Said::End, ChannelsCall::EndVirtual { channel: id, state: None }),
                Phase::Closing { until, .. } if until.passed(time, self.commits) => {
                    (Said::Settle, ChannelsCall::Settle { channel: id, witness: Vec::new() })
                }
                _ => return,
            },
        };
        if self.is_time_to(now, id, what) {
            self.out.notify(GuaranteeNews::Submit(call));
        }
    }

    /// Both parties want to part. It is signed once, whatever they show later: two closes could be used in a parent each. And not where
    /// the ledger has the channel, which says by itself what comes out.
    pub(super) fn handle_close_of_others<S: Signer + Clone>(
        &mut self,
        now: Time,
        channels: &Channels<S>,
        peer: IdentityId,
        close: &Cosigned<VirtualClose>,
    ) {
        let id = close.body.channel;
        let Some(held) = self.held.get(&id).filter(|held| held.terms.parties.contains(&peer)).cloned() else { return };
        if let Some(certificate) = held.certificate {
            return self.out.send(peer, GuaranteeMessage::Certified { certificate });
        }
        let may_be_on_ledger = self.seen.get(&id).is_none_or(|seen| seen.entry.is_some() || seen.outcome.is_some());
        // What this node has not seen of the ledger yet, it has to hear of before the virtual channel's lock period is over.
        let parents = held.parents.iter().filter_map(|parent| sight::machine(channels, *parent));
        let is_blind =
            parents.map(|parent| parent.environment().time).max().is_none_or(|time| now.since(time) > BLIND_TIME_MIN);
        // Where one of the guarantees is not there, the ledger decides.
        let is_whole = self.look(channels, id, &held).iter().all(is_accepted);
        let terms = &held.terms.body;
        let is_of_it = close.parties == terms.terms.parties && close.body.network == self.network;
        let is_all = Amount::checked_sum(close.body.paid) == terms.total();
        let leaves_reserve = close.body.paid.iter().all(|paid| *paid >= terms.terms.reserve);
        let is_sound = is_of_it && is_all && leaves_reserve && close.verify().is_ok();
        if !is_whole || is_blind || may_be_on_ledger || held.stage != HeldStage::Standing || !is_sound {
            return;
        }
        let certificate = channels.certify(*close);
        self.put_held(id, Held { certificate: Some(certificate), ..held.clone() });
        for party in held.terms.parties {
            self.out.send(party, GuaranteeMessage::Certified { certificate });
        }
        self.advance_held(now, channels, id);
    }

    /// Once its time is over nobody can have it begin anew.
    fn forget_held<S: Signer + Clone>(
        &mut self,
        channels: &Channels<S>,
        id: ChannelId,
        held: &Held,
        found: [Found; 2],
    ) {
        let known = channels.iter().map(|(_, machine)| machine.environment().time).max();
        let is_over = known.is_some_and(|time| time > held.terms.body.ends);
        if is_over && found == [Found::Gone; 2] {
            self.remove_held(id);
        }
    }
}

/// What can become of an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Accepted,
    /// It can be accepted now.
    Open,
    /// It can't, but what was handed to the ledger before, or what the peer may still sign, may have accepted it.
    Late,
    Unknown,
    No,
}

fn reach<S: Signer + Clone>(channels: &Channels<S>, held: &Held, index: usize, found: &Found) -> Reach {
    let Found::There { is_settled, .. } = found else {
        return if *found == Found::Gone { Reach::No } else { Reach::Unknown };
    };
    let Some(parent) = sight::machine(channels, held.parents[index]) else { return Reach::Unknown };
    let (time, deadline) = (parent.environment().time, held.deadlines[index]);
    match () {
        () if is_accepted(found) => Reach::Accepted,
        () if time < deadline => Reach::Open,
        () if time <= deadline + ENVIRONMENT_BEHIND_MAX || !is_settled => Reach::Late,
        () => Reach::No,
    }
}

fn is_accepted(found: &Found) -> bool {
    matches!(found, Found::There { guarantee: Guarantee { stage: Stage::Accepted, .. }, .. })
}

/// Whether what the hub had when it looked is gone, before it has signed that it accepts either offer.
fn lacks_room<S: Signer + Clone>(channels: &Channels<S>, held: &Held, found: [Found; 2]) -> bool {
    let [for_other, for_one] = held.terms.body.terms.deposits;
    let lacks = [for_one, for_other]
        .into_iter()
        .zip(held.parents)
        .any(|(part, parent)| sight::machine(channels, parent).is_some_and(|parent| sight::room(parent) < part));
    let is_offered = |found: &Found| matches!(found, Found::There { is_settled: true, .. }) && !is_accepted(found);
    lacks && found.iter().all(is_offered)
}
