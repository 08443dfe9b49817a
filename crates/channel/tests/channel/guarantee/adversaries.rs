//! Two of the three work together against the third, or one against both.

use byway_channel::guarantee::{GuaranteeMessage, GuaranteeNews, GuaranteeRefusal, contract};
use byway_channel::{Change, Life};
use byway_primitives::{Amount, Span, Time};
use byway_records::Reject;
use byway_records::call::ChannelsCall;
use byway_records::channel::{Cosigned, Side, VirtualClose};
use byway_records::promise::ChannelId;

use super::disputes::after_fee;
use super::hidden::{offer_at, place_of};
use super::net::{HUB, Net, OFFER_OVER, ONE, OTHER, PARTS, secret};
use crate::world::units;

/// How the two would have it.
fn close(net: &Net, id: ChannelId, paid: [u128; 2]) -> Cosigned<VirtualClose> {
    let body = VirtualClose { network: net.world.network, channel: id, paid: paid.map(units) };
    Cosigned::sign(body, [&secret(ONE), &secret(OTHER)])
}

const ALL: u128 = PARTS[0] + PARTS[1];
const LEAST: u128 = super::net::VIRTUAL_RESERVE;

#[test]
fn two_closes_of_one_channel_get_one_signature_of_the_hub() {
    let mut net = Net::around_a_hub();
    let id = net.open_virtual();
    let (for_one, for_other) = (close(&net, id, [ALL - LEAST, LEAST]), close(&net, id, [LEAST, ALL - LEAST]));
    net.hear(HUB, ONE, GuaranteeMessage::Close { close: for_one });
    net.hear(HUB, OTHER, GuaranteeMessage::Close { close: for_other });
    net.pass_until("it is paid out", |net| net.nodes[HUB].guarantees.held().count() == 0);
    assert_eq!(net.gain(HUB), after_fee(HUB));
    // Also where it has been away between.
    let mut net = Net::around_a_hub();
    let id = net.open_virtual();
    net.hear(HUB, ONE, GuaranteeMessage::Close { close: for_one_of(&net, id) });
    while net.step(HUB) {}
    net.crash(HUB);
    net.hear(HUB, OTHER, GuaranteeMessage::Close { close: close(&net, id, [LEAST, ALL - LEAST]) });
    net.pass_until("it is paid out", |net| net.nodes[HUB].guarantees.held().count() == 0);
    assert_eq!(net.gain(HUB), after_fee(HUB));
    assert_eq!(net.gain(ONE), (PARTS[1] - LEAST) as i128 + after_fee(ONE));
}

fn for_one_of(net: &Net, id: ChannelId) -> Cosigned<VirtualClose> {
    close(net, id, [ALL - LEAST, LEAST])
}

#[test]
fn what_the_hub_has_signed_is_what_the_ledger_says_too_whatever_it_is_shown() {
    let mut net = Net::around_a_hub();
    let id = net.open_virtual();
    let terms = net.machine(ONE, id).cosigned_terms().unwrap();
    let secret_of_one = net.machine(OTHER, id).peer_secret().unwrap();
    net.hear(HUB, ONE, GuaranteeMessage::Close { close: for_one_of(&net, id) });
    // The two hope for the first state in one channel and for this in the other.
    net.submit(OTHER, ChannelsCall::RegisterVirtual(terms));
    net.submit(ONE, ChannelsCall::CloseSolo { channel: id, side: Side::Initiator, secret: secret_of_one, state: None });
    net.nodes[OTHER].is_acting = false;
    net.pass_until("the hub is paid", |net| net.nodes[HUB].guarantees.held().count() == 0);
    if let Some(outcome) = net.outcome(id) {
        assert_eq!(outcome, [ALL - LEAST, LEAST]);
    }
    net.pass(Span::minutes(30));
    assert_eq!(net.outcome(id), Some([ALL - LEAST, LEAST]));
    assert_eq!(net.gain(HUB), after_fee(HUB));
}

#[test]
fn a_close_is_not_signed_where_the_ledger_has_the_channel() {
    let mut net = Net::around_a_hub();
    let id = net.open_virtual();
    let terms = net.machine(ONE, id).cosigned_terms().unwrap();
    net.submit(OTHER, ChannelsCall::RegisterVirtual(terms));
    net.tick(Span::seconds(1));
    net.hear(HUB, ONE, GuaranteeMessage::Close { close: for_one_of(&net, id) });
    net.pass(Span::minutes(2));
    assert_eq!(net.nodes[HUB].guarantees.held().count(), 1);
    assert_eq!(net.life(ONE, id), Some(Life::Open));
}

#[test]
fn closes_that_are_none_are_not_signed() {
    let mut net = Net::around_a_hub();
    let id = net.open_virtual();
    let good = for_one_of(&net, id);
    let more = close(&net, id, [ALL, LEAST]);
    let less_than_reserve = close(&net, id, [ALL, 0]);
    let unsigned = Cosigned { signatures: [good.signatures[0]; 2], ..good };
    let others = Cosigned { parties: [good.parties[1], good.parties[0]], ..good };
    for close in [more, less_than_reserve, unsigned, others] {
        net.hear(HUB, ONE, GuaranteeMessage::Close { close });
    }
    net.pass(Span::minutes(2));
    assert_eq!(net.nodes[HUB].guarantees.held().count(), 1, "nothing is certified");
    assert_eq!([net.life(ONE, id), net.life(OTHER, id)], [Some(Life::Open); 2]);
}

#[test]
fn an_offer_in_one_channel_only_is_not_accepted_and_comes_back() {
    for silent in [ONE, OTHER] {
        let mut net = Net::around_a_hub();
        net.nodes[silent].is_acting = false;
        net.propose_virtual();
        net.pass(Span::minutes(2));
        let other = ONE + OTHER - silent;
        assert!(contract::holds(net.machine(other, net.parent(other)).state()), "it has offered");
        assert_eq!(net.nodes[HUB].guarantees.held().count(), 0);
        net.pass(OFFER_OVER);
        net.nodes[silent].is_acting = true;
        net.pass_until("all is over", Net::is_clean);
        assert_eq!([ONE, HUB, OTHER].map(|node| net.gain(node)), [0; 3]);
        net.pass_until("no virtual channel is left", |net| net.nodes[other].channels.iter().count() == 1);
    }
}

/// One has offered what both have signed, and the other's channel has the contract: its id, where that is, and the other's offer.
fn other_is_to_offer(net: &mut Net) -> (ChannelId, byway_vm::Address, contract::Offer) {
    net.nodes[OTHER].is_acting = false;
    let key = net.propose_virtual();
    net.pass(Span::minutes(1));
    let id = net.nodes[ONE].channels.get(key).and_then(|machine| machine.id()).unwrap();
    let (parent, terms) = (net.parent(OTHER), net.machine(ONE, id).cosigned_terms().unwrap());
    let side = net.machine(OTHER, parent).side();
    net.call(OTHER, parent, contract::create(side));
    let place = contract::all(net.machine(OTHER, parent).state()).next().unwrap();
    let deadline = net.machine(OTHER, id).expires();
    (id, place, contract::Offer { id, terms: terms.body, side: Side::Responder, fee: units(5_000), deadline })
}

#[test]
fn a_hub_that_was_kept_from_accepting_until_one_offer_is_over_does_not_accept_the_other() {
    let mut net = Net::around_a_hub();
    let (id, place, offer) = other_is_to_offer(&mut net);
    let (parent, terms) = (net.parent(OTHER), net.machine(ONE, id).cosigned_terms().unwrap());
    let side = net.machine(OTHER, parent).side();
    // The other's ends sooner, and not too soon.
    let end = net.now + Span::minutes(16);
    let offer = contract::Offer { deadline: Time(end.0 - end.0 % 1000), ..offer };
    net.nodes[HUB].is_acting = false;
    net.call(OTHER, parent, contract::offer(side, place, &offer, offer.value().unwrap()));
    net.hear(HUB, OTHER, GuaranteeMessage::Offered { terms });
    net.run();
    assert_eq!(net.nodes[HUB].guarantees.held().count(), 1, "{:?}", net.nodes[HUB].guarantee_news);
    net.pass(Span::minutes(17));
    net.nodes[HUB].is_acting = true;
    net.pass(Span::minutes(2));
    assert_eq!(net.nodes[HUB].guarantees.held().count(), 0);
    assert_eq!([ONE, HUB, OTHER].map(|node| net.gain(node)), [0; 3], "both have their parts again");
    assert_eq!(net.life(ONE, id), Some(Life::Signed));
}

#[test]
fn an_offer_that_is_not_what_the_terms_say_is_let_go_of() {
    let mut net = Net::around_a_hub();
    let (id, place, offer) = other_is_to_offer(&mut net);
    let (parent, terms) = (net.parent(OTHER), net.machine(ONE, id).cosigned_terms().unwrap());
    let side = net.machine(OTHER, parent).side();
    // It puts in one unit less than the terms say.
    let value = Amount::from_units(offer.value().unwrap().units() - 1);
    net.call(OTHER, parent, contract::offer(side, place, &offer, value));
    net.hear(HUB, OTHER, GuaranteeMessage::Offered { terms });
    net.run();
    net.pass(Span::seconds(30));
    let refused = |news: &GuaranteeNews| matches!(news, GuaranteeNews::Declined { refusal, .. } if *refusal == GuaranteeRefusal::Offer);
    assert!(net.nodes[HUB].guarantee_news.iter().any(refused));
    assert_eq!(net.nodes[HUB].guarantees.held().count(), 0);
    assert!(!contract::holds(net.machine(OTHER, parent).state()), "the hub has let go of it");
    assert_eq!(net.gain(OTHER), 0);
}

#[test]
fn the_same_terms_are_not_guaranteed_again() {
    let mut net = Net::around_a_hub();
    let id = net.open_virtual();
    let terms = net.machine(ONE, id).cosigned_terms().unwrap();
    net.close(ONE, id);
    net.pass_until("it is over", Net::is_clean);
    net.hear(HUB, ONE, GuaranteeMessage::Offered { terms });
    net.crash(HUB);
    net.hear(HUB, OTHER, GuaranteeMessage::Offered { terms });
    let again = net.nodes[HUB]
        .guarantee_news
        .iter()
        .filter(|news| matches!(news, GuaranteeNews::Declined { refusal, .. } if *refusal == GuaranteeRefusal::Again));
    assert_eq!(again.count(), 2);
}

#[test]
fn an_old_state_is_answered_whoever_shows_it() {
    for closer in [ONE, HUB] {
        let mut net = Net::around_a_hub();
        let id = net.open_virtual();
        net.transfer(OTHER, id, 1_000);
        let old = net.machine(ONE, id).cosigned();
        net.transfer(ONE, id, 300_000);
        let terms = net.machine(ONE, id).cosigned_terms().unwrap();
        let secret = net.machine(OTHER, id).peer_secret().unwrap();
        net.submit(closer, ChannelsCall::RegisterVirtual(terms));
        net.tick(Span::seconds(1));
        net.nodes[ONE].is_up = closer != ONE;
        let ended = match closer {
            ONE => ChannelsCall::CloseSolo { channel: id, side: Side::Initiator, secret, state: old },
            _ => ChannelsCall::EndVirtual { channel: id, state: old },
        };
        net.submit(closer, ended);
        net.pass_until("the ledger has decided", |net| net.outcome(id).is_some());
        assert_eq!(net.outcome(id), Some([PARTS[0] - 299_000, PARTS[1] + 299_000]), "{:?}", net.refused);
        net.nodes[ONE].is_up = true;
        net.pass_until("all is over", Net::is_clean);
        assert_eq!(net.gain(OTHER), 299_000 + after_fee(OTHER));
        assert_eq!(net.gain(HUB), after_fee(HUB));
    }
}

#[test]
fn a_hub_that_accepts_one_of_both_gains_nothing_by_it() {
    let mut net = Net::around_a_hub();
    net.nodes[HUB].is_acting = false;
    let key = net.propose_virtual();
    net.pass(Span::minutes(1));
    let id = net.nodes[ONE].channels.get(key).and_then(|machine| machine.id()).unwrap();
    let parent = net.parent(ONE);
    let place = contract::all(net.machine(HUB, parent).state()).next().unwrap();
    let side = net.machine(HUB, parent).side();
    net.propose(HUB, parent, Change::Call(contract::accept(side, place, id, units(PARTS[1]))));
    net.pass(Span::minutes(1));
    assert_eq!([net.life(ONE, id), net.life(OTHER, id)], [Some(Life::Open), Some(Life::Signed)]);
    net.pass(OFFER_OVER);
    assert_eq!(net.gain(OTHER), 0, "it has its part and the fee again");
    assert_eq!(net.life(OTHER, id), None);
    net.close_alone(ONE, id);
    net.pass_until("all of it is paid", |net| net.nodes[ONE].guarantees.own().count() == 0);
    assert_eq!(net.gain(ONE), after_fee(ONE));
    assert_eq!(net.outcome(id), Some(PARTS));
}

#[test]
fn nobody_signs_an_outcome_that_its_own_ledger_does_not_have() {
    let mut net = Net::around_a_hub();
    let id = net.open_virtual();
    let parent = net.parent(ONE);
    let place = contract::all(net.machine(HUB, parent).state()).next().unwrap();
    for (node, paid) in [(ONE, [ALL - LEAST, LEAST]), (HUB, [LEAST, ALL - LEAST])] {
        let side = net.machine(node, parent).side();
        let call = contract::resolve_by_outcome(side, place, id, paid.map(units));
        let now = net.now;
        let before = net.machine(node, parent).position().balances;
        net.with(node, parent, |machine| machine.propose(now, Change::Call(call.clone()))).unwrap();
        net.run();
        assert_eq!(net.machine(node, parent).position().balances, before, "it is refused");
        net.with(node, parent, |machine| machine.force(now, &call)).unwrap();
        net.run();
        assert_eq!(net.refused.pop(), Some(Reject::ChannelEvidence));
    }
    assert_eq!(net.nodes[HUB].guarantees.held().count(), 1);
}

#[test]
fn an_accepted_offer_opens_nothing_as_long_as_a_half_signed_update_may_undo_it() {
    let mut net = Net::around_a_hub();
    net.nodes[HUB].is_acting = false;
    let key = net.propose_virtual();
    net.pass(Span::minutes(1));
    let id = net.nodes[ONE].channels.get(key).and_then(|machine| machine.id()).unwrap();
    let (parent, now) = (net.parent(ONE), net.now);
    let (ours, hubs) = (net.machine(ONE, parent).side(), net.machine(HUB, parent).side());
    // The hub has an update that the other side has signed, and keeps silent of it.
    let pay = Change::Transfer { from: ours, amount: units(1) };
    net.with(ONE, parent, |machine| machine.propose(now, pay)).unwrap();
    while net.step(ONE) {}
    net.disconnect(ONE, HUB);
    let place = contract::all(net.machine(HUB, parent).state()).next().unwrap();
    let accept = contract::accept(hubs, place, id, units(PARTS[1]));
    net.with(HUB, parent, |machine| machine.force(now, &accept)).unwrap();
    net.run();
    net.pass(Span::minutes(1));
    let guarantee = contract::read(net.machine(ONE, parent).state(), place, id).unwrap();
    assert_eq!((guarantee.stage, net.refused.len()), (contract::Stage::Accepted, 0));
    assert_eq!(net.machine(ONE, parent).released().len(), 1);
    assert_eq!(net.life(ONE, id), Some(Life::Signed));
    net.connect(ONE, HUB);
    net.pass(Span::seconds(30));
    assert_eq!(net.machine(ONE, parent).released(), &[]);
    assert_eq!(net.life(ONE, id), Some(Life::Open), "nothing is left that takes it back");
}

#[test]
fn what_is_offered_again_after_it_was_paid_out_is_let_go_of() {
    let mut net = Net::around_a_hub();
    let id = net.open_virtual();
    let terms = net.machine(ONE, id).cosigned_terms().unwrap();
    // One is paid out, the other not yet: the hub still has the channel among those that stand.
    net.nodes[OTHER].is_acting = false;
    net.disconnect(HUB, OTHER);
    net.close(ONE, id);
    net.pass_until("one is paid out", |net| net.nodes[ONE].guarantees.own().count() == 0);
    assert_eq!(net.nodes[HUB].guarantees.held().count(), 1);
    // The hub had the turn.
    net.pass(Span::seconds(40));
    let (parent, paid) = (net.parent(ONE), net.gain(ONE));
    let (place, deadline) = (place_of(&mut net, ONE), net.now + Span::minutes(30));
    offer_at(&mut net, (ONE, Side::Initiator), place, &terms, deadline);
    net.pass(Span::seconds(20));
    assert!(!contract::holds(net.machine(ONE, parent).state()), "it is back");
    assert_eq!((net.gain(ONE), net.nodes[HUB].guarantees.held().count()), (paid, 1));
    net.connect(HUB, OTHER);
    net.nodes[OTHER].is_acting = true;
    net.pass_until("all is over", Net::is_clean);
    assert_eq!(net.gain(HUB), after_fee(HUB));
}
