//! What is put beside a guarantee, or done while it is being accepted, so that the hub has only one of two.

use byway_channel::guarantee::{GuaranteeMessage, contract};
use byway_channel::{Change, Life, ProposeError};
use byway_primitives::{Amount, Span, Time};
use byway_records::call::ChannelsCall;
use byway_records::channel::{Cosigned, Side, VirtualClose, VirtualTerms};
use byway_records::promise::ChannelId;
use byway_vm::Address;

use super::disputes::after_fee;
use super::net::{HUB, Net, OFFER_OVER, ONE, OTHER, PARTS, secret};
use crate::world::units;

/// The contract in a party's channel with the hub, which is put there where it isn't.
pub fn place_of(net: &mut Net, node: usize) -> Address {
    let parent = net.parent(node);
    if contract::all(net.machine(node, parent).state()).next().is_none() {
        another_place(net, node);
    }
    contract::all(net.machine(node, parent).state()).next().unwrap()
}

/// One more contract.
fn another_place(net: &mut Net, node: usize) {
    let parent = net.parent(node);
    let side = net.machine(node, parent).side();
    net.call(node, parent, contract::create(side));
}

pub fn offer_at(
    net: &mut Net,
    (node, side): (usize, Side),
    place: Address,
    terms: &Cosigned<VirtualTerms>,
    deadline: Time,
) {
    let parent = net.parent(node);
    let deadline = Time(deadline.0 - deadline.0 % 1000);
    let offer = contract::Offer { id: terms.body.id(), terms: terms.body, side, fee: units(5_000), deadline };
    let call = contract::offer(net.machine(node, parent).side(), place, &offer, offer.value().unwrap());
    net.call(node, parent, call);
}

fn stage(net: &Net, node: usize, id: ChannelId) -> Option<contract::Stage> {
    let state = net.machine(HUB, net.parent(node)).state();
    let mut all = contract::all(state).filter_map(|place| contract::read(state, place, id));
    all.next().map(|guarantee| guarantee.stage)
}

/// Both have offered, and the hub has not done anything yet.
fn offered() -> (Net, ChannelId) {
    let mut net = Net::around_a_hub();
    net.nodes[HUB].is_acting = false;
    let key = net.propose_virtual();
    net.pass(Span::minutes(1));
    let id = net.nodes[ONE].channels.get(key).and_then(|machine| machine.id()).unwrap();
    assert_eq!([ONE, OTHER].map(|node| stage(&net, node, id)), [Some(contract::Stage::Offered); 2]);
    (net, id)
}

#[test]
fn a_second_contract_with_an_offer_of_the_same_channel_hides_no_guarantee() {
    let mut net = Net::around_a_hub();
    let parent = net.parent(ONE);
    another_place(&mut net, ONE);
    another_place(&mut net, ONE);
    let places: Vec<_> = contract::all(net.machine(ONE, parent).state()).collect();
    let [first, second] = places[..] else { panic!("two are there: {places:?}") };
    let terms = Cosigned::sign(net.virtual_terms(), [&secret(ONE), &secret(OTHER)]);
    let (id, deadline) = (terms.body.id(), net.now + Span::minutes(30));
    offer_at(&mut net, (ONE, Side::Initiator), second, &terms, deadline);
    let place = place_of(&mut net, OTHER);
    offer_at(&mut net, (OTHER, Side::Responder), place, &terms, deadline);
    for node in [ONE, OTHER] {
        net.hear(HUB, node, GuaranteeMessage::Offered { terms });
    }
    net.pass(Span::minutes(1));
    assert_eq!(net.nodes[HUB].guarantees.held().filter(|held| held.stands).count(), 1);
    // It costs nothing, and is the one that is found first.
    let decoy = VirtualTerms { terms: terms.body.terms, ..terms.body };
    let offer = contract::Offer { id, terms: decoy, side: Side::Initiator, fee: Amount::ZERO, deadline: Time(1 << 60) };
    let side = net.machine(ONE, parent).side();
    net.call(ONE, parent, contract::offer(side, first, &offer, Amount::ZERO));
    let all = PARTS[0] + PARTS[1];
    let body = VirtualClose { network: net.world.network, channel: id, paid: [units(1_000), units(all - 1_000)] };
    let close = Cosigned::sign(body, [&secret(ONE), &secret(OTHER)]);
    net.hear(HUB, OTHER, GuaranteeMessage::Close { close });
    net.pass_until("both are paid out", |net| net.nodes[HUB].guarantees.held().count() == 0);
    assert_eq!(contract::read(net.machine(HUB, parent).state(), second, id), None);
    assert_eq!(net.gain(HUB), 10_000, "it has its fees, and what it put in");
}

#[test]
fn a_hub_that_accepts_by_force_from_two_who_are_silent_is_paid_out_in_the_end() {
    let (mut net, id) = offered();
    // What it proposes is lost, and nobody signs anything more.
    net.nodes[HUB].is_acting = true;
    net.tick(Span::seconds(5));
    while net.step(HUB) {}
    net.vanish(ONE);
    net.vanish(OTHER);
    assert_eq!([ONE, OTHER].map(|node| net.machine(HUB, net.parent(node)).released().len()), [1; 2]);
    net.pass(Span::minutes(3));
    assert_eq!([ONE, OTHER].map(|node| stage(&net, node, id)), [Some(contract::Stage::Accepted); 2]);
    assert_eq!(net.nodes[HUB].guarantees.held().filter(|held| held.stands).count(), 1, "it knows that both stand");
    let (parent, terms) = (net.parent(ONE), net.machine(ONE, id).cosigned_terms().unwrap());
    net.submit(OTHER, ChannelsCall::RegisterVirtual(terms));
    net.close_alone(HUB, parent);
    net.pass_until("the ledger has decided", |net| net.outcome(id).is_some());
    let is_paid = |net: &Net| stage(net, OTHER, id).is_none() && net.entry(parent).is_none();
    net.pass_until("the hub is paid out of both", |net| is_paid(net) && net.life(HUB, parent).is_none());
    // Who is silent may still sign what the hub proposed, so it watches on.
    assert_eq!(net.nodes[HUB].guarantees.held().count(), 1);
    assert_eq!([ONE, OTHER].map(|node| net.outcome(id).map(|paid| paid[node / 2])), PARTS.map(Some));
    assert_eq!(net.gain(HUB), after_fee(HUB) - net.charged(HUB));
}

#[test]
fn nothing_else_is_proposed_in_a_channel_in_which_an_offer_is_being_accepted() {
    let (mut net, id) = offered();
    net.nodes[HUB].is_acting = true;
    let parent = net.parent(ONE);
    net.tick(Span::seconds(5));
    // Its proposal is overtaken by one of the other side's.
    let (now, side) = (net.now, net.machine(HUB, parent).side());
    let place = contract::all(net.machine(HUB, parent).state()).next().unwrap();
    net.disconnect(ONE, HUB);
    net.connect(ONE, HUB);
    let pay = Change::Transfer { from: side, amount: units(1) };
    let proposed = net.with(HUB, parent, |machine| machine.propose(now, pay));
    assert!(matches!(proposed, Err(ProposeError::Busy | ProposeError::Disconnected)), "{proposed:?}");
    net.pass(Span::minutes(1));
    assert!(contract::read(net.machine(HUB, parent).state(), place, id).is_some());
    assert_eq!([net.life(ONE, id), net.life(OTHER, id)], [Some(Life::Open); 2]);
}

#[test]
fn a_hub_that_starts_anew_before_it_has_proposed_that_it_accepts_proposes_nothing_else_before() {
    let (mut net, id) = offered();
    net.tick(Span::seconds(5));
    while net.step(HUB) {}
    assert_eq!(net.nodes[HUB].guarantees.held().count(), 1, "it is written that it accepts");
    net.crash(HUB);
    net.nodes[HUB].is_acting = false;
    net.run();
    for node in [ONE, OTHER] {
        let (now, parent) = (net.now, net.parent(node));
        let side = net.machine(HUB, parent).side();
        assert!(net.machine(HUB, parent).is_connected() && net.machine(HUB, parent).is_free());
        let pay = Change::Transfer { from: side, amount: units(1) };
        let proposed = net.with(HUB, parent, |machine| machine.propose(now, pay.clone()));
        assert_eq!(proposed, Err(ProposeError::Busy));
    }
    net.nodes[HUB].is_acting = true;
    net.pass(Span::minutes(1));
    assert_eq!([net.life(ONE, id), net.life(OTHER, id)], [Some(Life::Open); 2]);
    let (now, parent) = (net.now, net.parent(ONE));
    let side = net.machine(HUB, parent).side();
    let pay = Change::Transfer { from: side, amount: units(1) };
    net.with(HUB, parent, |machine| machine.propose(now, pay)).expect("once it has, anything is");
}

#[test]
fn a_channel_in_which_something_is_half_signed_guarantees_nothing_before_that_is_settled() {
    let (mut net, id) = offered();
    // It lets go of something that the peer can still complete: that would undo what is forced.
    let (parent, now) = (net.parent(ONE), net.now);
    let side = net.machine(HUB, parent).side();
    net.nodes[HUB].guarantees = byway_channel::guarantee::Guarantees::load(
        net.id(HUB),
        net.world.network,
        Some(super::net::hub_terms()),
        Amount::ZERO,
        &byway_primitives::MemoryStore::new(),
    )
    .unwrap();
    net.nodes[HUB].channels.note_accepting(Default::default());
    net.with(HUB, parent, |machine| machine.propose(now, Change::Transfer { from: side, amount: units(1) })).unwrap();
    net.nodes[HUB].is_acting = true;
    let terms = net.machine(ONE, id).cosigned_terms().unwrap();
    net.hear(HUB, ONE, GuaranteeMessage::Offered { terms });
    net.hear(HUB, OTHER, GuaranteeMessage::Offered { terms });
    assert_eq!(net.nodes[HUB].guarantees.held().count(), 0);
    net.pass(Span::minutes(1));
    assert_eq!([net.life(ONE, id), net.life(OTHER, id)], [Some(Life::Open); 2], "once it is");
}

#[test]
fn two_offers_at_once_are_accepted_one_after_the_other_and_with_enough_for_each() {
    let mut net = Net::around_a_hub();
    // It has enough for one of the two.
    net.transfer(HUB, net.parent(ONE), 3_500_000);
    net.first = [ONE, HUB, OTHER].map(|node| net.wealth(node)).to_vec();
    net.nodes[HUB].is_acting = false;
    let keys = [net.propose_virtual(), net.propose_virtual()];
    net.pass(Span::minutes(1));
    let ids = keys.map(|key| net.nodes[ONE].channels.get(key).and_then(|machine| machine.id()).unwrap());
    assert_eq!(net.nodes[HUB].guarantees.held().count(), 1, "the other waits for it");
    net.nodes[HUB].is_acting = true;
    net.pass(Span::minutes(2));
    let stages = ids.map(|id| [ONE, OTHER].map(|node| stage(&net, node, id)));
    assert!(stages.iter().all(|[one, other]| one == other), "{stages:?}");
    assert_eq!(stages.iter().filter(|stages| **stages == [Some(contract::Stage::Accepted); 2]).count(), 1);
    net.pass(OFFER_OVER);
}

#[test]
fn whoever_has_a_virtual_channel_registered_opens_it_for_nobody() {
    let (mut net, id) = offered();
    let terms = net.machine(ONE, id).cosigned_terms().unwrap();
    net.submit(ONE, ChannelsCall::RegisterVirtual(terms));
    assert!(net.entry(id).is_some());
    net.pass(Span::minutes(1));
    assert_eq!(net.life(OTHER, id), Some(Life::Signed), "nothing is guaranteed to it");
}

#[test]
fn a_hub_that_has_not_seen_the_ledger_for_a_while_signs_no_close() {
    let mut net = Net::around_a_hub();
    let id = net.open_virtual();
    let body = VirtualClose { network: net.world.network, channel: id, paid: PARTS.map(units) };
    let close = Cosigned::sign(body, [&secret(ONE), &secret(OTHER)]);
    net.now = net.now + Span::minutes(2);
    net.hear(HUB, ONE, GuaranteeMessage::Close { close });
    net.run();
    let place = contract::all(net.machine(HUB, net.parent(ONE)).state()).next().unwrap();
    assert!(contract::read(net.machine(HUB, net.parent(ONE)).state(), place, id).is_some(), "it waits");
    net.tick(Span::seconds(5));
    net.hear(HUB, ONE, GuaranteeMessage::Close { close });
    net.pass_until("it has signed", |net| net.nodes[HUB].guarantees.held().count() == 0);
    assert_eq!(net.gain(HUB), after_fee(HUB));
}
