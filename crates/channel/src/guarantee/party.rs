//! One of the two that a virtual channel is of: its guarantee is offered, stands, and is paid out.

use byway_primitives::{Amount, IdentityId, Time};
use byway_records::channel::{CertifiedClose, Side};
use byway_records::promise::ChannelId;
use byway_vm::Address;

use super::contract::{self, Guarantee, Offer, Stage};
use super::guarantees::{GuaranteeNews, Guarantees, SAY_AGAIN, Said};
use super::message::{GuaranteeMessage, GuaranteeRefusal};
use super::record::Own;
use super::sight::{Found, Sought, find};
use super::terms::{ACCEPT_BEFORE, GUARANTEES_MAX, GuaranteeTerms, is_ahead, is_over_within};
use super::wish::Urgency;
use crate::change::ContractCall;
use crate::channels::Channels;
use crate::journal::Life;
use crate::machine::ChannelMachine;
use crate::routing::{FORCE_AFTER, sight};
use crate::signer::Signer;

impl Guarantees {
    /// A virtual channel of ours that both have signed is written down: from here on its guarantee is seen to.
    pub(super) fn take_up<S: Signer + Clone>(&mut self, now: Time, channels: &Channels<S>, id: ChannelId) {
        let Some(machine) = sight::machine(channels, id).filter(|machine| machine.life() == Life::Signed) else {
            return;
        };
        let Some(terms) = machine.cosigned_terms().filter(|_| !self.own.contains_key(&id)) else { return };
        let with_hub = channels.with_peer(terms.body.hub).filter(|(_, parent)| sight::is_usable(*parent));
        let named = with_hub.filter_map(|(_, parent)| Some((parent.id()?, parent)));
        // One whose lock period a dispute could outlast pays out before it is known what is to be paid.
        let fits = |parent: &ChannelMachine<S>| is_over_within(&terms.body, parent.terms().lock);
        let Some((parent, found)) = named.max_by_key(|(_, parent)| (fits(parent), sight::room(*parent))) else {
            return;
        };
        let is_refused = !fits(found);
        let own = Own {
            terms,
            side: machine.side(),
            parent,
            deadline: machine.expires(),
            fee: None,
            since: now,
            stands: false,
            is_refused,
            close: None,
            certificate: None,
        };
        self.put_own(id, own);
        if is_refused {
            self.out.notify(GuaranteeNews::Refused { channel: id, refusal: GuaranteeRefusal::Time });
        }
    }

    /// Goes as far as it goes now.
    pub(super) fn advance_own<S: Signer + Clone>(&mut self, now: Time, channels: &Channels<S>, id: ChannelId) {
        let Some(own) = self.own.get(&id).cloned() else { return };
        let us = Address::from(self.id);
        match find(channels, own.parent, Sought { id, by: us, place: None }) {
            Found::Unknown | Found::Unsettled => {}
            Found::There { contract, guarantee: Guarantee { stage: Stage::Offered, .. }, .. } => {
                self.await_hub(now, channels, id, &own, contract);
            }
            Found::There { contract, is_settled, .. } => {
                if !own.stands && is_settled {
                    self.put_own(id, Own { stands: true, since: now, ..own.clone() });
                    self.out.notify(GuaranteeNews::Stands { channel: id });
                }
                self.look_after(now, channels, id, &own, contract);
            }
            Found::Gone if own.stands => {
                self.remove_own(id);
                self.out.notify(GuaranteeNews::Ended { channel: id });
            }
            Found::Gone => self.make_offer(now, channels, id, &own),
        }
    }

    /// Nothing is offered, and nothing that was half-signed offers it.
    fn make_offer<S: Signer + Clone>(&mut self, now: Time, channels: &Channels<S>, id: ChannelId, own: &Own) {
        let is_wanted = sight::machine(channels, id).is_some_and(|machine| machine.life() == Life::Signed);
        let parent = sight::machine(channels, own.parent).filter(|parent| parent.life() == Life::Open);
        let (true, Some(parent)) = (is_wanted, parent) else {
            self.remove_own(id);
            return self.out.notify(GuaranteeNews::Ended { channel: id });
        };
        if own.is_refused {
            // Whoever waits for the channel to open has heard why it doesn't by then.
            if now.since(own.since) >= SAY_AGAIN {
                self.out.notify(GuaranteeNews::GiveUp { channel: id });
            }
            return;
        }
        let hub = own.terms.body.hub;
        let Some(fee) = own.fee else {
            if self.is_time_to(now, id, Said::Ask) {
                self.out.send(hub, GuaranteeMessage::Ask);
            }
            return;
        };
        if fee > self.fee_max {
            if self.is_time_to(now, id, Said::Dear) {
                self.out.notify(GuaranteeNews::TooDear { channel: id, fee });
            }
            return;
        }
        // What no hub accepts any more is not offered.
        let is_late = parent.environment().time + ACCEPT_BEFORE > own.deadline;
        let others = self.own.values().filter(|other| other.parent == own.parent && other.terms != own.terms);
        let is_early = is_ahead(&own.terms.body, parent.environment());
        if is_late || is_early || others.count() >= GUARANTEES_MAX {
            return;
        }
        let offer = Offer { id, terms: own.terms.body, side: own.side, fee, deadline: own.deadline };
        let Some(value) = offer.value().filter(|value| sight::room(parent) >= *value) else { return };
        let call = match contract::all(parent.state()).next() {
            None => contract::create(parent.side()),
            Some(place) => contract::offer(parent.side(), place, &offer, value),
        };
        self.wish(own.parent, call, Urgency::None);
    }

    /// The offer stands. The hub accepts it, or its end comes.
    fn await_hub<S: Signer + Clone>(
        &mut self,
        now: Time,
        channels: &Channels<S>,
        id: ChannelId,
        own: &Own,
        contract: Address,
    ) {
        let Some(parent) = sight::machine(channels, own.parent) else { return };
        let time = parent.environment().time;
        if time >= own.deadline {
            let is_late = time >= own.deadline + FORCE_AFTER || parent.life() == Life::Closing;
            let urgency = if is_late { Urgency::Force } else { Urgency::None };
            self.wish(own.parent, contract::back(parent.side(), contract, id), urgency);
        } else if parent.is_connected() && self.is_time_to(now, id, Said::Offer) {
            self.out.send(parent.peer(), GuaranteeMessage::Offered { terms: own.terms });
        }
    }

    /// The guarantee stands: it is paid out by what the ledger says or what all three have signed; until then the channel goes on.
    fn look_after<S: Signer + Clone>(
        &mut self,
        now: Time,
        channels: &Channels<S>,
        id: ChannelId,
        own: &Own,
        contract: Address,
    ) {
        let Some(parent) = sight::machine(channels, own.parent) else { return };
        if self.pay_out(now, id, parent, (contract, own.side), own.certificate.as_ref()) {
            return;
        }
        self.find_lost(channels, id, own);
        let life = sight::machine(channels, id).map(ChannelMachine::life);
        if parent.life() == Life::Closing {
            if self.is_time_to(now, id, Said::CloseAlone) {
                self.out.notify(GuaranteeNews::CloseAlone { channel: id });
            }
        } else if let Some(close) = own.close.filter(|_| parent.is_connected()) {
            if self.is_time_to(now, id, Said::Close) {
                self.out.send(parent.peer(), GuaranteeMessage::Close { close });
            }
        } else if parent.environment().time >= own.terms.body.ends
            && life == Some(Life::Open)
            && self.is_time_to(now, id, Said::Part)
        {
            self.out.notify(GuaranteeNews::Part { channel: id });
        }
    }

    /// Pays a guarantee out where it is known what each gets: by an update, after a minute by force. Whether it is known.
    pub(super) fn pay_out<S: Signer>(
        &mut self,
        now: Time,
        id: ChannelId,
        parent: &ChannelMachine<S>,
        (contract, side): (Address, Side),
        certificate: Option<&CertifiedClose>,
    ) -> bool {
        let outcome = self.seen.get(&id).and_then(|seen| seen.outcome);
        let Some(call) = self.payment(outcome, parent.side(), (contract, side), id, certificate) else { return false };
        let since = *self.said.entry((id, Said::Resolve)).or_insert(now);
        let is_late = now.since(since) >= FORCE_AFTER || parent.life() == Life::Closing;
        let urgency = if is_late { Urgency::Force } else { Urgency::None };
        self.wish(parent.id().unwrap_or(id), call, urgency);
        true
    }

    /// The call that pays a guarantee out. An outcome and a certificate say the same; should they not, each takes what is better for it.
    fn payment(
        &self,
        outcome: Option<[Amount; 2]>,
        caller: Side,
        (contract, side): (Address, Side),
        id: ChannelId,
        certificate: Option<&CertifiedClose>,
    ) -> Option<ContractCall> {
        let partys = |paid: &[Amount; 2]| paid[side.index()];
        let by_outcome = |paid| contract::resolve_by_outcome(caller, contract, id, paid);
        match (outcome, certificate) {
            (Some(paid), Some(certificate)) => {
                let (by_ledger, by_all) = (partys(&paid), partys(&certificate.close.body.paid));
                let is_hub = self.held.contains_key(&id);
                let is_better = if is_hub { by_ledger < by_all } else { by_ledger > by_all };
                Some(if is_better {
                    by_outcome(paid)
                } else {
                    contract::resolve_certified(caller, contract, side, certificate)
                })
            }
            (None, Some(certificate)) => Some(contract::resolve_certified(caller, contract, side, certificate)),
            (Some(paid), None) => Some(by_outcome(paid)),
            (None, None) => None,
        }
    }

    // What the hub says.

    pub(super) fn handle_told<S: Signer + Clone>(
        &mut self,
        now: Time,
        channels: &Channels<S>,
        hub: IdentityId,
        terms: Option<GuaranteeTerms>,
    ) {
        match terms {
            Some(terms) => drop(self.told.insert(hub, terms)),
            None => drop(self.told.remove(&hub)),
        }
        self.out.notify(GuaranteeNews::Told { hub, terms });
        let unpriced = self.own.iter().filter(|(_, own)| own.terms.body.hub == hub && own.fee.is_none());
        let unpriced: Vec<_> = unpriced.map(|(id, own)| (*id, own.clone())).collect();
        for (id, own) in unpriced {
            let part = own.terms.body.terms.deposits[own.side.other().index()];
            if let Some(fee) = terms.and_then(|terms| terms.fee(part)) {
                self.put_own(id, Own { fee: Some(fee), ..own });
                self.advance_own(now, channels, id);
            }
        }
    }

    pub(super) fn handle_refused(&mut self, peer: IdentityId, channel: ChannelId, refusal: GuaranteeRefusal) {
        let own = self.own.get(&channel).filter(|own| own.terms.body.hub == peer && !own.stands && !own.is_refused);
        if let Some(own) = own.cloned() {
            self.put_own(channel, Own { is_refused: true, ..own });
            self.out.notify(GuaranteeNews::Refused { channel, refusal });
        }
    }

    pub(super) fn handle_certified<S: Signer + Clone>(
        &mut self,
        now: Time,
        channels: &Channels<S>,
        peer: IdentityId,
        certificate: CertifiedClose,
    ) {
        let id = certificate.close.body.channel;
        let Some(own) = self.own.get(&id).filter(|own| own.certificate.is_none()).cloned() else { return };
        let terms = &own.terms.body;
        let is_of_it = certificate.hub == terms.hub && certificate.close.parties == terms.terms.parties;
        if peer != terms.hub || !is_of_it || certificate.close.body.network != self.network {
            return;
        }
        // Our own signature is under it, so it is what this side has agreed to.
        if certificate.verify().is_ok() {
            self.put_own(id, Own { certificate: Some(certificate), ..own });
            self.advance_own(now, channels, id);
        }
    }

    pub(super) fn handle_over(&mut self, peer: IdentityId, channel: ChannelId) {
        let is_known = self.own.get(&channel).is_some_and(|own| own.terms.body.hub == peer && own.close.is_none());
        if is_known {
            self.out.notify(GuaranteeNews::Part { channel });
        }
    }
}
