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
use super::sight::{Found, find, find_in};
use super::terms::{ACCEPT_BEFORE, GUARANTEES_MAX, MARGIN};
use super::wish::Urgency;
use crate::channels::Channels;
use crate::journal::Life;
use crate::machine::{ChannelMachine, ENVIRONMENT_BEHIND_MAX};
use crate::routing::{CLOSE_BEFORE, FORCE_AFTER, sight};
use crate::signer::Signer;

/// The shortest lock period that a hub lets two have: they have to see each other's acts on the ledger.
const LOCK_MIN: Span = Span::seconds(1);
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
                self.refuse(peer, id, GuaranteeRefusal::Again);
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
                self.refuse(peer, id, refusal);
                self.let_go(channels, peer, id);
            }
        }
    }

    /// What the hub does not accept goes back at once.
    fn let_go<S: Signer + Clone>(&mut self, channels: &Channels<S>, peer: IdentityId, id: ChannelId) {
        for (_, parent) in channels.with_peer(peer).filter(|(_, machine)| sight::is_usable(*machine)) {
            let found = find_in(parent, id, Address::from(peer));
            if let (Found::There { contract, guarantee, .. }, Some(channel)) = (found, parent.id())
                && guarantee.stage == Stage::Offered
            {
                self.wish(channel, contract::back(parent.side(), contract, id), Urgency::None);
            }
        }
    }

    fn refuse(&mut self, peer: IdentityId, channel: ChannelId, refusal: GuaranteeRefusal) {
        self.send(peer, GuaranteeMessage::Refuse { channel, refusal });
        self.notify(GuaranteeNews::Declined { peer, channel, refusal });
    }

    /// Whether a channel is guaranteed. None where the other party has not offered yet, or something that is half-signed is to be settled
    /// first. Both offers are accepted or neither: so all is looked at before either is.
    fn judge<S: Signer + Clone>(
        &self,
        channels: &Channels<S>,
        terms: &Cosigned<VirtualTerms>,
    ) -> Result<Option<Held>, GuaranteeRefusal> {
        self.terms.ok_or(GuaranteeRefusal::NoHub)?;
        self.judge_terms(terms)?;
        let id = terms.body.id();
        let mut offers = Vec::new();
        for side in Side::BOTH {
            let party = terms.parties[side.index()];
            let by = Address::from(party);
            let known = channels.with_peer(party).filter(|(_, machine)| sight::is_usable(*machine));
            let there = known.filter_map(|(_, machine)| match find_in(machine, id, by) {
                Found::There { guarantee, is_settled: true, .. } => Some((machine, guarantee)),
                _ => None,
            });
            let Some((parent, guarantee)) = there.into_iter().next() else { return Ok(None) };
            self.judge_offer(&terms.body, side, parent, &guarantee)?;
            self.judge_exposure(channels, &terms.body, side, parent)?;
            offers.push((parent.id().ok_or(GuaranteeRefusal::NoChannel)?, guarantee));
        }
        let [(one, first), (other, second)] = offers[..] else { return Ok(None) };
        let fees = first.fee.checked_add(second.fee).ok_or(GuaranteeRefusal::Fee)?;
        Ok(Some(Held {
            terms: *terms,
            parents: [one, other],
            deadlines: [first.deadline, second.deadline],
            fees,
            since: Time::ZERO,
            stage: HeldStage::Accepting,
            certificate: None,
        }))
    }

    fn judge_terms(&self, signed: &Cosigned<VirtualTerms>) -> Result<(), GuaranteeRefusal> {
        let VirtualTerms { network, terms, hub, dispute, .. } = signed.body;
        let [one, other] = terms.parties;
        let is_ours = (network, hub) == (self.network, self.id) && signed.parties == terms.parties;
        let is_between = one != other && ![one, other].contains(&self.id);
        // What the ledger would not register could not be ended there.
        let is_lock = terms.lock.millis >= LOCK_MIN && terms.lock.commits >= 1;
        let is_dispute = dispute.millis >= terms.lock.millis && dispute.commits >= terms.lock.commits;
        let leaves_reserve = terms.deposits.iter().all(|deposit| *deposit >= terms.reserve);
        let is_possible = leaves_reserve && is_lock && is_dispute;
        if !is_ours || !is_between || !is_possible || signed.body.total().is_none() || signed.verify().is_err() {
            return Err(GuaranteeRefusal::Terms);
        }
        Ok(())
    }

    fn judge_offer<S: Signer>(
        &self,
        virtual_terms: &VirtualTerms,
        side: Side,
        parent: &ChannelMachine<S>,
        offer: &Guarantee,
    ) -> Result<(), GuaranteeRefusal> {
        let terms = self.terms.ok_or(GuaranteeRefusal::NoHub)?;
        let hub_part = offer.hub_part;
        if !offer.is_of(virtual_terms, side) || offer.stage != Stage::Offered {
            return Err(GuaranteeRefusal::Offer);
        }
        if terms.fee(hub_part).is_none_or(|fee| offer.fee < fee) {
            return Err(GuaranteeRefusal::Fee);
        }
        let (time, lock) = (parent.environment().time, parent.terms().lock);
        let VirtualTerms { terms: of_both, dispute, ends, environment, .. } = *virtual_terms;
        let needed = [dispute.millis, of_both.lock.millis, MARGIN].iter().map(|span| span.0).sum::<u64>();
        let is_short = lock.millis.0 < needed || lock.commits < dispute.commits.saturating_add(of_both.lock.commits);
        // The ledger registers none whose contracts have seen what it has not reached.
        let is_early = environment.time > time || environment.height > parent.environment().height;
        let is_long = ends <= time || ends > time + terms.time_max;
        if is_short || is_long || is_early || offer.deadline < time + ACCEPT_BEFORE {
            return Err(GuaranteeRefusal::Time);
        }
        if sight::room(parent) < hub_part {
            return Err(GuaranteeRefusal::Room);
        }
        if !parent.may_force() { Err(GuaranteeRefusal::NoChannel) } else { Ok(()) }
    }

    fn judge_exposure<S: Signer + Clone>(
        &self,
        channels: &Channels<S>,
        virtual_terms: &VirtualTerms,
        side: Side,
        parent: &ChannelMachine<S>,
    ) -> Result<(), GuaranteeRefusal> {
        let terms = self.terms.ok_or(GuaranteeRefusal::NoHub)?;
        let standing = || self.held.values().filter(|held| held.stage != HeldStage::Over);
        let in_parent = standing().filter(|held| held.parents.iter().any(|other| Some(*other) == parent.id()));
        if in_parent.count() >= GUARANTEES_MAX {
            return Err(GuaranteeRefusal::Exposure);
        }
        let deposits = virtual_terms.terms.deposits;
        let more = deposits[side.other().index()];
        let parts = standing().flat_map(|held| {
            let [one, other] = held.terms.body.terms.deposits;
            held.parents.into_iter().zip([other, one])
        });
        let of_peer =
            parts.clone().filter(|(channel, _)| channels.key_of(*channel).is_some_and(|key| key.peer == parent.peer()));
        let fits = |amounts: Vec<Amount>, more: &[Amount], most: Amount| {
            Amount::checked_sum(amounts.into_iter().chain(more.iter().copied())).is_some_and(|sum| sum <= most)
        };
        let with_peer = of_peer.map(|(_, amount)| amount).collect();
        let in_all = parts.map(|(_, amount)| amount).collect();
        if !fits(with_peer, &[more], terms.per_peer) || !fits(in_all, &deposits, terms.in_all) {
            return Err(GuaranteeRefusal::Exposure);
        }
        Ok(())
    }

    /// Goes as far as it goes now.
    pub(super) fn advance_held<S: Signer + Clone>(&mut self, now: Time, channels: &Channels<S>, id: ChannelId) {
        while let Some(held) = self.held.get(&id).cloned() {
            let parties = held.terms.parties.map(Address::from);
            let found = [0, 1].map(|side| find(channels, held.parents[side], id, parties[side]));
            let next = match held.stage {
                HeldStage::Accepting => self.accept(now, channels, &held, found),
                HeldStage::Standing => self.see_through(now, channels, id, &held, found),
                HeldStage::Over => return self.forget_held(channels, id, &held),
            };
            let Some(stage) = next else { return };
            self.put_held(id, Held { stage, since: now, ..held.clone() });
            match stage {
                HeldStage::Standing => self.notify(GuaranteeNews::Guaranteed { channel: id, fees: held.fees }),
                _ => self.notify(GuaranteeNews::Released { channel: id }),
            }
        }
    }

    /// Both offers are accepted: by an update, after a minute by force, and near an offer's end by closing. So it never is left with
    /// one of them.
    fn accept<S: Signer + Clone>(
        &mut self,
        now: Time,
        channels: &Channels<S>,
        held: &Held,
        found: [Found; 2],
    ) -> Option<HeldStage> {
        if found.iter().all(is_accepted) {
            return Some(HeldStage::Standing);
        }
        let parents = held.parents.map(|parent| sight::machine(channels, parent));
        let times = parents.map(|parent| parent.map(|parent| parent.environment().time));
        let is_possible = |side: usize| match found[side] {
            Found::There { guarantee, .. } if guarantee.stage == Stage::Offered => {
                times[side].is_some_and(|time| time < held.deadlines[side])
            }
            Found::There { .. } | Found::Unknown | Found::Unsettled => true,
            Found::Gone => false,
        };
        if !is_possible(0) || !is_possible(1) || lacks_room(parents, held, found) {
            return give_up(parents, held, found);
        }
        for (side, found) in found.into_iter().enumerate() {
            let (Some(parent), Some(time)) = (parents[side], times[side]) else { continue };
            let Found::There { contract, guarantee, .. } = found else { continue };
            if guarantee.stage == Stage::Offered {
                let is_late = now.since(held.since) >= FORCE_AFTER || parent.life() == Life::Closing;
                let urgency = if time + CLOSE_BEFORE + FORCE_AFTER >= held.deadlines[side] {
                    Urgency::Close
                } else if is_late {
                    Urgency::Force
                } else {
                    Urgency::None
                };
                let hub_part = held.terms.body.terms.deposits[1 - side];
                let call = contract::accept(parent.side(), contract, held.terms.body.id(), hub_part);
                self.wish(held.parents[side], call, urgency);
            }
        }
        None
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
        for (side, found) in found.into_iter().enumerate() {
            let parent = sight::machine(channels, held.parents[side]);
            time = time.max(parent.map(|parent| parent.environment().time));
            match (found, parent) {
                (Found::There { contract, guarantee: Guarantee { stage: Stage::Accepted, .. }, .. }, Some(parent)) => {
                    is_known |= self.pay_out(now, id, parent, (contract, Side::BOTH[side]), held.certificate.as_ref());
                    is_endangered |= parent.life() == Life::Closing;
                }
                (Found::Unknown | Found::Unsettled, _) => {}
                // It was never accepted, or is gone though nobody said what is to be paid.
                _ => is_endangered = true,
            }
        }
        let seen = self.seen.get(&id).cloned().unwrap_or_default();
        if seen.outcome.is_some() {
            return None;
        }
        let ends = held.terms.body.ends;
        let time = time?;
        if !is_known && time >= ends && self.is_time_to(now, id, Said::Over) {
            held.terms.parties.into_iter().for_each(|party| self.send(party, GuaranteeMessage::Over { channel: id }));
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
                    (Said::Settle, ChannelsCall::Settle { channel: id })
                }
                _ => return,
            },
        };
        if self.is_time_to(now, id, what) {
            self.notify(GuaranteeNews::Submit(call));
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
            return self.send(peer, GuaranteeMessage::Certified { certificate });
        }
        let seen = self.seen.get(&id).is_none_or(|seen| seen.entry.is_some() || seen.outcome.is_some());
        let terms = &held.terms.body;
        let is_of_it = close.parties == terms.terms.parties && close.body.network == self.network;
        let is_all = Amount::checked_sum(close.body.paid) == terms.total();
        let leaves_reserve = close.body.paid.iter().all(|paid| *paid >= terms.terms.reserve);
        if held.stage != HeldStage::Standing || seen || !is_of_it || !is_all || !leaves_reserve {
            return;
        }
        if close.verify().is_err() {
            return;
        }
        let certificate = channels.certify(*close);
        self.put_held(id, Held { certificate: Some(certificate), ..held.clone() });
        for party in held.terms.parties {
            self.send(party, GuaranteeMessage::Certified { certificate });
        }
        self.advance_held(now, channels, id);
    }

    /// What was not accepted goes back. Once the channel's time is over nobody can have it begin anew.
    fn forget_held<S: Signer + Clone>(&mut self, channels: &Channels<S>, id: ChannelId, held: &Held) {
        held.terms.parties.into_iter().for_each(|party| self.let_go(channels, party, id));
        let known = channels.iter().map(|(_, machine)| machine.environment().time).max();
        let is_over = known.is_some_and(|time| time > held.terms.body.ends);
        let is_gone = held
            .parents
            .iter()
            .zip(held.terms.parties)
            .all(|(parent, party)| find(channels, *parent, id, Address::from(party)) == Found::Gone);
        if is_over && is_gone {
            self.remove_held(id);
        }
    }
}

/// Whether a guarantee stands, and nothing half-signed takes that back.
fn is_accepted(found: &Found) -> bool {
    matches!(found, Found::There { guarantee, is_settled: true, .. } if guarantee.stage == Stage::Accepted)
}

type Parents<'a, S> = [Option<&'a ChannelMachine<S>>; 2];

/// Whether what the hub had when it looked is gone, of what it has not put in yet.
fn lacks_room<S: Signer>(parents: Parents<'_, S>, held: &Held, found: [Found; 2]) -> bool {
    let [for_other, for_one] = held.terms.body.terms.deposits;
    let lacks = |parent: Option<&ChannelMachine<S>>, part| parent.is_some_and(|parent| sight::room(parent) < part);
    found.iter().all(is_offered) && (lacks(parents[0], for_one) || lacks(parents[1], for_other))
}

/// One of the two can't be accepted any more. Where the hub has signed neither, that is all; where one stands, it has to be ended.
fn give_up<S: Signer>(parents: Parents<'_, S>, held: &Held, found: [Found; 2]) -> Option<HeldStage> {
    let is_accepted = |found: &Found| matches!(found, Found::There { .. }) && !is_offered(found);
    let is_free = parents.iter().all(|parent| parent.is_none_or(|parent| parent.released().is_empty()));
    if found.iter().all(|found| is_offered(found) || *found == Found::Gone) {
        return is_free.then_some(HeldStage::Over);
    }
    // A call may show a time that is a little earlier.
    let is_certain = |side: usize| {
        let known = parents[side].map(|parent| parent.environment().time);
        let is_over = known.is_none_or(|time| time > held.deadlines[side] + ENVIRONMENT_BEHIND_MAX);
        found[side] == Found::Gone || (is_offered(&found[side]) && is_over)
    };
    let one_stands = found.iter().any(is_accepted);
    (one_stands && (is_certain(0) || is_certain(1))).then_some(HeldStage::Standing)
}

fn is_offered(found: &Found) -> bool {
    matches!(found, Found::There { guarantee, .. } if guarantee.stage == Stage::Offered)
}
