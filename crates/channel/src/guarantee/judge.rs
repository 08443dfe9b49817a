//! What a hub looks at before it guarantees a channel.

use byway_primitives::{Amount, Span, Time};
use byway_records::channel::{Cosigned, Side, VirtualTerms};
use byway_vm::Address;

use super::contract::{Guarantee, Stage};
use super::guarantees::Guarantees;
use super::message::GuaranteeRefusal;
use super::record::{Held, HeldStage};
use super::sight::{Found, Sought, find_in};
use super::terms::{
    ACCEPT_BEFORE, GUARANTEES_MAX, OFFER_TIME, OFFERS_APART_MAX, is_ahead, is_over_within, is_possible,
};
use crate::channels::Channels;
use crate::machine::ChannelMachine;
use crate::routing::sight;
use crate::signer::Signer;

impl Guarantees {
    /// Whether a channel is guaranteed. None where the other party has not offered yet, or something that is half-signed is to be settled
    /// first, or another is being accepted in one of the channels. Both offers are accepted or neither: so all is looked at before either is, and what the
    /// hub is to put in is not used for anything else meanwhile.
    pub(super) fn judge<S: Signer + Clone>(
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
            let there = known.filter_map(|(_, machine)| match find_in(machine, Sought { id, by, place: None }) {
                Found::There { contract, guarantee, is_settled: true } => Some((machine, contract, guarantee)),
                _ => None,
            });
            let Some((parent, place, guarantee)) = there.into_iter().next() else { return Ok(None) };
            self.judge_offer(&terms.body, side, parent, &guarantee)?;
            self.judge_exposure(channels, &terms.body, side, parent)?;
            offers.push((parent, place, guarantee));
        }
        let [(one, one_place, first), (other, other_place, second)] = offers[..] else { return Ok(None) };
        if Span(first.deadline.0.abs_diff(second.deadline.0)) > OFFERS_APART_MAX {
            return Err(GuaranteeRefusal::Time);
        }
        if [one, other].into_iter().any(|parent| !parent.is_free() || self.accepts_in(parent)) {
            return Ok(None);
        }
        let id_of = |parent: &ChannelMachine<S>| parent.id().ok_or(GuaranteeRefusal::NoChannel);
        Ok(Some(Held {
            terms: *terms,
            parents: [id_of(one)?, id_of(other)?],
            places: [one_place, other_place],
            deadlines: [first.deadline, second.deadline],
            fees: [first.fee, second.fee],
            is_paid: [false; 2],
            since: Time::ZERO,
            stage: HeldStage::Accepting,
            certificate: None,
        }))
    }

    fn judge_terms(&self, signed: &Cosigned<VirtualTerms>) -> Result<(), GuaranteeRefusal> {
        let VirtualTerms { network, terms, hub, .. } = signed.body;
        let is_ours = (network, hub) == (self.network, self.id) && signed.parties == terms.parties;
        // What the ledger would not register could not be ended there.
        let is_long = terms.lock.millis >= self.lock_min;
        if !is_ours || !is_long || !is_possible(&signed.body) || signed.verify().is_err() {
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
        let (environment, ends) = (parent.environment(), virtual_terms.ends);
        let time = environment.time;
        let is_long = ends <= time || ends > time + terms.time_max;
        let is_offered_for_long = offer.deadline > time + OFFER_TIME + OFFER_TIME;
        let is_short = offer.deadline < time + ACCEPT_BEFORE || !is_over_within(virtual_terms, parent.terms().lock);
        if is_long || is_offered_for_long || is_short || is_ahead(virtual_terms, environment) {
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

    /// Whether something is being accepted in a channel.
    fn accepts_in<S: Signer>(&self, parent: &ChannelMachine<S>) -> bool {
        let accepting = self.held.values().filter(|held| held.stage == HeldStage::Accepting);
        accepting.flat_map(|held| held.parents).any(|channel| Some(channel) == parent.id())
    }
}
