//! What a hub does not guarantee, what a party does not pay, and how much stands at a time.

use byway_channel::guarantee::{
    GUARANTEES_MAX, GuaranteeMessage, GuaranteeNews, GuaranteeRefusal, GuaranteeTerms, MARGIN, VIRTUAL_LOCK_MIN,
    contract,
};
use byway_channel::{ChannelHandle, InitiateError};
use byway_primitives::{Amount, Span, Time};
use byway_records::call::ChannelsCall;
use byway_records::channel::{Cosigned, LOCK_MAX, Side, VirtualTerms};
use byway_records::genesis::Wait;

use super::disputes::after_fee;
use super::hidden::{offer_at, place_of};
use super::net::{DISPUTE, HUB, LOCK, Net, OFFER_OVER, ONE, OTHER, PARENT_LOCK, PARTS, hub_terms, secret};
use crate::world::units;

/// Both offer, and the hub lets go of both for this reason.
fn is_refused(mut net: Net, terms: VirtualTerms, reason: GuaranteeRefusal) {
    net.propose_with(terms);
    net.pass(Span::minutes(2));
    let all = terms.total().unwrap();
    let declined = |news: &GuaranteeNews| matches!(news, GuaranteeNews::Declined { amount, refusal, .. } if (*amount, *refusal) == (all, reason));
    assert!(net.nodes[HUB].guarantee_news.iter().any(declined), "{reason:?}: {:?}", net.nodes[HUB].guarantee_news);
    assert_eq!(net.nodes[HUB].guarantees.held().count(), 0);
    for node in [ONE, OTHER] {
        let was_refused = |news: &GuaranteeNews| matches!(news, GuaranteeNews::Refused { .. });
        assert!(net.nodes[node].guarantee_news.iter().any(was_refused));
        assert_eq!((net.gain(node), contract::holds(net.machine(node, net.parent(node)).state())), (0, false));
    }
    assert!(net.is_clean(), "it is forgotten at once");
    assert_eq!([ONE, OTHER].map(|node| net.nodes[node].channels.iter().count()), [1; 2], "no virtual channel is left");
    net.pass(OFFER_OVER);
    assert_eq!([ONE, HUB, OTHER].map(|node| net.gain(node)), [0; 3]);
    assert_eq!(net.calls, []);
}

/// Both offer, whatever an honest one would, and tell the hub.
fn offer_by_hand(net: &mut Net, terms: &Cosigned<VirtualTerms>, deadline: Time) {
    for (node, side) in [(ONE, Side::Initiator), (OTHER, Side::Responder)] {
        let place = place_of(net, node);
        offer_at(net, (node, side), place, terms, deadline);
    }
    for node in [ONE, OTHER] {
        net.hear(HUB, node, GuaranteeMessage::Offered { terms: *terms });
    }
}

fn hub_refuses(net: &Net, reason: GuaranteeRefusal) {
    let declined = |news: &GuaranteeNews| matches!(news, GuaranteeNews::Declined { refusal, .. } if *refusal == reason);
    assert!(net.nodes[HUB].guarantee_news.iter().any(declined), "{reason:?}: {:?}", net.nodes[HUB].guarantee_news);
    assert_eq!(net.nodes[HUB].guarantees.held().count(), 0);
}

fn with_terms(terms: GuaranteeTerms) -> Net {
    let mut net = Net::around_a_hub();
    net.nodes[HUB].guarantees.set_terms(Some(terms));
    net
}

#[test]
fn a_hub_guarantees_nothing_beyond_its_bounds() {
    let least = GuaranteeTerms { per_peer: units(PARTS[0] - 1), ..hub_terms() };
    let in_all = GuaranteeTerms { in_all: units(PARTS[0] + PARTS[1] - 1), ..hub_terms() };
    for terms in [least, in_all] {
        let net = with_terms(terms);
        let proposed = net.virtual_terms();
        is_refused(net, proposed, GuaranteeRefusal::Exposure);
    }
    let net = with_terms(GuaranteeTerms { time_max: Span::minutes(100), ..hub_terms() });
    let proposed = net.virtual_terms();
    is_refused(net, proposed, GuaranteeRefusal::Time);
}

#[test]
fn a_hub_guarantees_no_channel_whose_dispute_could_outlast_the_channels_that_it_is_guaranteed_in() {
    let spans = [
        Wait { millis: PARENT_LOCK.millis, ..DISPUTE },
        Wait { commits: PARENT_LOCK.commits, ..DISPUTE },
        // Enough for the dispute, and no commit is left to have what comes out of it paid.
        Wait { commits: PARENT_LOCK.commits - LOCK.commits, ..DISPUTE },
        Wait { millis: LOCK_MAX.millis, ..DISPUTE },
    ];
    for dispute in spans {
        // The two offer nothing: the hub is asked all the same.
        let mut net = Net::around_a_hub();
        net.propose_with(VirtualTerms { dispute, ..net.virtual_terms() });
        net.pass(Span::minutes(2));
        for node in [ONE, OTHER] {
            let too_long =
                |news: &GuaranteeNews| matches!(news, GuaranteeNews::Refused { refusal: GuaranteeRefusal::Time, .. });
            assert!(net.nodes[node].guarantee_news.iter().any(too_long), "{dispute:?}");
            assert_eq!((net.gain(node), contract::holds(net.machine(node, net.parent(node)).state())), (0, false));
        }
        let terms = Cosigned::sign(VirtualTerms { dispute, ..net.virtual_terms() }, [&secret(ONE), &secret(OTHER)]);
        let deadline = net.now + Span::minutes(30);
        offer_by_hand(&mut net, &terms, deadline);
        hub_refuses(&net, GuaranteeRefusal::Time);
    }
}

#[test]
fn a_hub_guarantees_no_channel_that_the_ledger_would_not_register() {
    let net = Net::around_a_hub();
    let mut no_lock = net.virtual_terms();
    no_lock.terms.lock.commits = 0;
    let short = Wait { millis: Span::minutes(4), ..DISPUTE };
    let endless = Wait { millis: Span(u64::MAX), ..DISPUTE };
    let around = Wait { millis: Span(u64::MAX - LOCK.millis.0 - MARGIN.0 + 1), ..DISPUTE };
    let of_dispute = |dispute| VirtualTerms { dispute, ..net.virtual_terms() };
    for proposed in [no_lock, of_dispute(short), of_dispute(endless), of_dispute(around)] {
        let mut net = Net::around_a_hub();
        // No party signs such terms, but two may who want to.
        let handle = ChannelHandle([200; 16]);
        let initiated = net.nodes[ONE].channels.initiate_virtual(net.now, handle, proposed);
        assert_eq!(initiated, Err(InitiateError::Terms));
        let terms = Cosigned::sign(proposed, [&secret(ONE), &secret(OTHER)]);
        let deadline = net.now + Span::minutes(30);
        offer_by_hand(&mut net, &terms, deadline);
        hub_refuses(&net, GuaranteeRefusal::Terms);
    }
    let mut ahead = net.virtual_terms();
    ahead.environment.height += 1_000_000;
    let mut net = net;
    let terms = Cosigned::sign(ahead, [&secret(ONE), &secret(OTHER)]);
    let deadline = net.now + Span::minutes(30);
    offer_by_hand(&mut net, &terms, deadline);
    hub_refuses(&net, GuaranteeRefusal::Time);
    // And a party offers nothing before the ledger is that far.
    let mut net = Net::around_a_hub();
    net.propose_with(ahead);
    net.pass(Span::minutes(2));
    assert!([ONE, OTHER].iter().all(|node| !contract::holds(net.machine(*node, net.parent(*node)).state())));
}

#[test]
fn a_hub_guarantees_no_channel_with_so_short_a_lock_period_that_what_it_signs_may_come_too_late() {
    let net = Net::around_a_hub();
    let mut proposed = net.virtual_terms();
    proposed.terms.lock.millis = Span(VIRTUAL_LOCK_MIN.0 - 1);
    is_refused(net, proposed, GuaranteeRefusal::Terms);
}

#[test]
fn a_hub_accepts_no_offer_that_stands_for_long() {
    let mut net = Net::around_a_hub();
    let terms = Cosigned::sign(net.virtual_terms(), [&secret(ONE), &secret(OTHER)]);
    let deadline = net.now + Span::minutes(90);
    offer_by_hand(&mut net, &terms, deadline);
    hub_refuses(&net, GuaranteeRefusal::Time);
}

#[test]
fn a_hub_guarantees_nothing_that_it_does_not_have() {
    let mut net = Net::around_a_hub();
    net.transfer(HUB, net.parent(ONE), 4_000_000);
    net.first = [ONE, HUB, OTHER].map(|node| net.wealth(node)).to_vec();
    let proposed = net.virtual_terms();
    is_refused(net, proposed, GuaranteeRefusal::Room);
}

#[test]
fn a_hub_whose_money_has_gone_elsewhere_before_it_has_signed_accepts_neither() {
    let mut net = Net::around_a_hub();
    let parent = net.parent(ONE);
    net.propose_virtual();
    // It looks, and before it can do anything its money goes out by an update of its own.
    net.nodes[HUB].is_acting = false;
    net.pass_until("the hub wants to", |net| net.nodes[HUB].guarantees.held().count() == 1);
    // The channel has not heard yet that an offer is being accepted in it.
    net.nodes[HUB].channels.note_accepting(Default::default());
    net.transfer(HUB, parent, 4_000_000);
    net.nodes[HUB].is_acting = true;
    net.pass(Span::minutes(1));
    assert_eq!(net.nodes[HUB].guarantees.held().count(), 0);
    for node in [ONE, OTHER] {
        assert!(!contract::holds(net.machine(node, net.parent(node)).state()), "the hub has let go of it");
    }
    assert_eq!([ONE, HUB, OTHER].map(|node| net.gain(node)), [4_000_000, -4_000_000, 0]);
}

#[test]
fn a_hub_is_paid_what_it_asks_for_when_it_accepts() {
    let mut net = Net::around_a_hub();
    net.nodes[OTHER].is_acting = false;
    net.propose_virtual();
    net.pass_until("one has offered", |net| contract::holds(net.machine(ONE, net.parent(ONE)).state()));
    net.nodes[HUB].guarantees.set_terms(Some(GuaranteeTerms { fee_base: units(500), ..hub_terms() }));
    net.nodes[OTHER].is_acting = true;
    net.pass(Span::minutes(1));
    let declined = |news: &GuaranteeNews| matches!(news, GuaranteeNews::Declined { refusal, .. } if *refusal == GuaranteeRefusal::Fee);
    assert!(net.nodes[HUB].guarantee_news.iter().any(declined), "{:?}", net.nodes[HUB].guarantee_news);
    assert_eq!(net.nodes[HUB].guarantees.held().count(), 0);
}

#[test]
fn a_party_pays_no_more_than_it_wants() {
    let mut net = Net::around_a_hub();
    net.nodes[ONE].guarantees.set_fee_max(Amount::from_units(10));
    net.propose_virtual();
    net.pass(Span::minutes(1));
    assert!(net.nodes[ONE].guarantee_news.iter().any(|news| matches!(news, GuaranteeNews::TooDear { .. })));
    assert_eq!(net.gain(ONE), 0);
    net.pass(OFFER_OVER);
    net.pass_until("the other's is back", Net::is_clean);
    assert_eq!([ONE, HUB, OTHER].map(|node| net.gain(node)), [0; 3]);
}

#[test]
fn a_hub_that_is_gone_before_it_accepts_costs_nothing() {
    let mut net = Net::around_a_hub();
    net.nodes[HUB].is_acting = false;
    net.propose_virtual();
    let has_offered = |net: &Net, node| contract::holds(net.machine(node, net.parent(node)).state());
    net.pass_until("both have offered", |net| has_offered(net, ONE) && has_offered(net, OTHER));
    net.vanish(HUB);
    net.pass(OFFER_OVER);
    net.pass_until("both are back", |net| [ONE, OTHER].map(|node| net.nodes[node].guarantees.own().count()) == [0; 2]);
    assert_eq!([net.gain(ONE), net.gain(OTHER)], [0; 2]);
    net.come_back(HUB);
    net.pass_until("the hub has seen it", Net::is_clean);
    assert_eq!(net.gain(HUB), 0);
}

#[test]
fn as_many_as_may_stand_are_paid_out_by_one_side_alone_while_the_channel_closes() {
    let mut net = Net::around_a_hub();
    let opened: Vec<_> = (0..GUARANTEES_MAX).map(|_| net.open_virtual()).collect();
    net.propose_virtual();
    net.pass(Span::minutes(1));
    assert_eq!(net.nodes[HUB].guarantees.held().count(), GUARANTEES_MAX, "there is no room for another");
    for id in &opened {
        net.transfer(ONE, *id, 100_000);
    }
    net.vanish(ONE);
    let parent = net.parent(ONE);
    net.close_alone(HUB, parent);
    net.pass_until("all are decided", |net| opened.iter().all(|id| net.outcome(*id).is_some()));
    net.pass_until("all is paid", |net| net.nodes[HUB].guarantees.held().count() == 0);
    let together = |call: &ChannelsCall| matches!(call, ChannelsCall::ForceProgress(force) if force.call.call.evidence.len() == GUARANTEES_MAX);
    assert!(net.calls.iter().any(together), "one call says what became of all");
    assert!(net.entry(parent).is_some(), "it has not paid out");
    net.pass_until("the channel has paid out", |net| net.entry(parent).is_none() && net.life(HUB, parent).is_none());
    assert_eq!(net.gain(HUB), GUARANTEES_MAX as i128 * after_fee(HUB) - net.charged(HUB));
}
