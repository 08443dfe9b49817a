//! What a node does not do for others, or not at once; and what it says of what it can't know.

use byway_channel::routing::{
    Failure, PayError, PaymentFailure, PaymentStatus, QuestionId, Reason, RoutingMessage, RoutingNews, SEEKING_MAX,
};
use byway_primitives::{Effect, Span};
use byway_records::call::ChannelsCall;
use byway_records::channel::Side;

use super::faults::{holds, line, run_until};
use super::net::{Net, hub_terms};
use crate::world::units;

const AMOUNT: u128 = 100_000;

#[test]
fn a_hub_for_which_the_ledger_would_execute_no_call_takes_no_payment() {
    let mut net = line();
    net.nodes[1].router.set_ready(false);
    let invoices = [0; 2].map(|_| net.invoice(2, AMOUNT));
    let hash = net.pay(0, &invoices[0]);
    net.run();
    net.pass(Span::seconds(10));
    assert_eq!(net.status(0, hash), PaymentStatus::Failed(PaymentFailure::NoRoute));
    let says = |net: &Net, expected: &RoutingNews| net.nodes[1].routing_news.contains(expected);
    let (peer, amount) = (net.id(0), units(AMOUNT));
    assert!(
        says(&net, &RoutingNews::NoWay { peer, amount, reason: Reason::Unready }),
        "{:?}",
        net.nodes[1].routing_news
    );
    // Whoever knows a way from before is told as well.
    net.nodes[1].router.set_ready(true);
    let hash = net.pay(0, &invoices[1]);
    run_until(&mut net, "the way is known", |net| net.status(0, hash) == PaymentStatus::Trying);
    net.nodes[1].router.set_ready(false);
    net.run();
    net.pass(Span::seconds(10));
    let failure = Failure { reason: Reason::Unready, hop: 1 };
    assert_eq!(net.status(0, hash), PaymentStatus::Failed(PaymentFailure::OnItsWay(failure)));
    assert_eq!([0, 1, 2].map(|node| net.gain(node)), [0; 3]);
    net.assert_clean();
}

#[test]
fn what_is_on_its_way_goes_on_where_the_ledger_would_execute_no_more_calls() {
    let mut net = line();
    let invoice = net.invoice(2, AMOUNT);
    let hash = net.pay(0, &invoice);
    run_until(&mut net, "the payee has a lock", |net| holds(net, 1, 2));
    net.nodes[1].router.set_ready(false);
    net.run();
    net.pass(Span::seconds(30));
    assert!(net.is_paid(0, hash), "{:?}", net.status(0, hash));
    net.assert_clean();
}

#[test]
fn a_payer_whose_channel_paid_out_with_its_lock_in_it_is_not_told_that_nothing_was_spent() {
    let mut net = line();
    let invoice = net.invoice(2, AMOUNT);
    let hash = net.pay(0, &invoice);
    run_until(&mut net, "both have signed a lock", |net| holds(net, 0, 1) && holds(net, 1, 0));
    let channel = net.channel(0, 1);
    let secret = net.machine(1, channel).peer_secret().unwrap();
    let state = net.machine(0, channel).cosigned();
    (0..3).for_each(|node| net.vanish(node));
    net.submit(0, ChannelsCall::CloseSolo { channel, side: Side::Initiator, secret, state });
    net.pass(Span::minutes(62));
    net.submit(0, ChannelsCall::Settle { channel, witness: Vec::new() });
    assert_eq!(net.refused, []);
    net.come_back(0);
    net.run();
    net.pass(Span::seconds(10));
    let failure = PaymentFailure::OnItsWay(Failure::here(Reason::PaidOut));
    assert_eq!(net.status(0, hash), PaymentStatus::Failed(failure));
    assert!(failure.is_paid_out() && net.gain(0) < 0, "half of it went to the hub: {}", net.gain(0));
    assert_eq!(net.nodes[0].router.on_their_way().count(), 0);
}

#[test]
fn ways_are_looked_for_for_so_many_payments_at_a_time() {
    let mut net = line();
    let invoices: Vec<_> = (0..=SEEKING_MAX).map(|_| net.invoice(2, 10_000)).collect();
    net.run();
    let (now, node) = (net.now, &mut net.nodes[0]);
    let mut pay = |number: usize| node.router.pay(now, &node.channels, &invoices[number], units(50_000), [9; 32]);
    for number in 0..SEEKING_MAX {
        assert_eq!(pay(number), Ok(PaymentStatus::Seeking));
    }
    assert_eq!(pay(SEEKING_MAX), Err(PayError::Busy));
    assert_eq!(pay(0), Ok(PaymentStatus::Seeking), "how one of them stands is said");
    net.collect(0);
    net.run();
    net.pass(Span::seconds(20));
    let (now, node) = (net.now, &mut net.nodes[0]);
    let last = node.router.pay(now, &node.channels, &invoices[SEEKING_MAX], units(50_000), [9; 32]);
    assert!(last.is_ok(), "{last:?}");
}

/// How many of so many questions for a way to the hub itself are answered with one.
fn answered(net: &mut Net, peer: usize, first: u8, count: u8) -> usize {
    let (now, from, to) = (net.now, net.id(peer), net.id(1));
    let node = &mut net.nodes[1];
    for number in first..first + count {
        let ask = RoutingMessage::Ask { id: QuestionId([number; 16]), to, amount: units(AMOUNT), hubs: 4 };
        node.router.handle_message(now, &node.channels, from, ask);
    }
    let said = node.router.poll().into_iter();
    let is_way = |effect: &_| matches!(effect, Effect::Send { message: RoutingMessage::Tell { legs, .. }, .. } if !legs.is_empty());
    said.filter(is_way).count()
}

#[test]
fn a_peer_has_so_many_questions_answered_in_a_time() {
    let mut net = line();
    assert_eq!(answered(&mut net, 0, 0, 80), 64);
    assert_eq!(answered(&mut net, 2, 80, 10), 10, "another peer has its own");
    net.now = net.now + Span::seconds(1);
    assert_eq!(answered(&mut net, 0, 90, 30), 20);
    net.now = net.now + Span::seconds(60);
    assert_eq!(answered(&mut net, 0, 120, 80), 64, "and no more for having waited long");
}

/// How many of 16 questions of a peer's for a way to somebody far are passed on to node 2, who knows none.
fn passed_on(net: &mut Net, peer: usize, first: u8) -> usize {
    let (now, from, next) = (net.now, net.id(peer), net.id(2));
    let to = byway_crypto::IdentitySecret::from_bytes(&[99; 32]).unwrap().id();
    let node = &mut net.nodes[1];
    for number in first..first + 16 {
        let ask = RoutingMessage::Ask { id: QuestionId([number; 16]), to, amount: units(AMOUNT), hubs: 4 };
        node.router.handle_message(now, &node.channels, from, ask);
    }
    let asked = node.router.poll().into_iter().filter_map(|effect| match effect {
        Effect::Send { to, message: RoutingMessage::Ask { id, .. }, .. } => Some((to, id)),
        _ => None,
    });
    let asked: Vec<_> = asked.collect();
    for (to, id) in &asked {
        node.router.handle_message(now, &node.channels, *to, RoutingMessage::Tell { id: *id, legs: Vec::new() });
    }
    node.router.poll();
    asked.into_iter().filter(|(to, _)| *to == next).count()
}

#[test]
fn one_peer_does_not_use_up_what_a_hub_may_ask_at_the_next() {
    let mut net = Net::with_channels(4, &[(0, 1), (1, 2), (1, 3)]);
    (0..4).for_each(|node| net.set_terms(node, Some(hub_terms())));
    // Who is not there is not asked.
    net.disconnect(1, 3);
    assert_eq!([0, 16, 32].map(|first| passed_on(&mut net, 0, first)), [16, 0, 0]);
    net.connect(1, 3);
    net.run();
    assert_eq!(passed_on(&mut net, 3, 64), 16, "another peer has its own share");
    net.now = net.now + Span::seconds(1);
    assert_eq!(passed_on(&mut net, 0, 96), 5);
}

#[test]
fn all_peers_together_leave_a_hub_some_of_what_it_may_ask_at_the_next_and_a_new_one_its_share() {
    let mut net = Net::with_channels(6, &[(0, 1), (1, 2), (1, 3), (1, 4), (1, 5)]);
    (0..6).for_each(|node| net.set_terms(node, Some(hub_terms())));
    [3, 4, 5].into_iter().for_each(|node| net.disconnect(1, node));
    let mut all = passed_on(&mut net, 0, 0);
    for (peer, first) in [(3, 16), (4, 32), (5, 48)] {
        net.connect(1, peer);
        net.run();
        all += passed_on(&mut net, peer, first);
    }
    assert!((40..=48).contains(&all), "three quarters of 64 at the most: {all}");
    net.now = net.now + Span::seconds(1);
    let of_old = [(0, 64), (3, 80), (4, 96)].map(|(peer, first)| passed_on(&mut net, peer, first));
    let of_new = passed_on(&mut net, 5, 112);
    assert!(of_new >= 3, "who comes last has as much: {of_old:?}, {of_new}");
    assert!(of_old.iter().sum::<usize>() + of_new <= 15);
}
