//! Payments in several parts: where no way has room for all of it.

use byway_channel::routing::conduit;
use byway_channel::routing::{
    Exposure, Failure, HubTerms, Order, PARTS_MAX, PARTS_TIME_MAX, PartsId, PaymentFailure, PaymentHash, PaymentStatus,
    Reason, RoutingNews, Stage,
};
use byway_primitives::Span;

use super::guards::lock_for;
use super::net::{Net, fee, hub_terms};
use crate::world::units;

/// More than there is room for in any channel.
const AMOUNT: u128 = 5_000_000;
const HALF: u128 = AMOUNT / 2;
const EDGES: [(usize, usize); 4] = [(0, 1), (0, 2), (1, 3), (2, 3)];

/// A payer, two hubs, and a payee.
pub fn diamond() -> Net {
    Net::with_channels(4, &EDGES)
}

pub fn gains<const N: usize>(net: &Net) -> [i128; N] {
    std::array::from_fn(|node| net.gain(node))
}

pub fn stages(net: &Net, node: usize) -> Vec<Stage> {
    net.nodes[node].router.on_their_way().map(|payment| payment.stage).collect()
}

pub fn waiting(net: &Net, payee: usize) -> usize {
    stages(net, payee).iter().filter(|stage| matches!(stage, Stage::Waiting(_))).count()
}

/// Writes and delivers over these wires only, until that holds.
pub fn run_over(net: &mut Net, edges: &[(usize, usize)], what: &str, is_so: impl Fn(&Net) -> bool) {
    for _ in 0..2_000 {
        if is_so(net) {
            return;
        }
        for node in 0..net.nodes.len() {
            net.step(node);
        }
        for (one, other) in edges {
            let _ = net.deliver(*one, *other) | net.deliver(*other, *one);
        }
    }
    panic!("it never comes to this: {what}");
}

/// Both halves are on their way; what the hub `late` says to the payee is not heard yet.
pub fn with_one_part_there(net: &mut Net, late: usize) -> PaymentHash {
    let invoice = net.invoice(3, AMOUNT);
    let hash = net.pay(0, &invoice);
    let others: Vec<_> = EDGES.into_iter().filter(|edge| *edge != (late, 3)).collect();
    run_over(net, &others, "one part waits for the other", |net| waiting(net, 3) == 1);
    hash
}

#[test]
fn what_no_channel_has_room_for_goes_in_parts_over_two_hubs() {
    let mut net = diamond();
    let invoice = net.invoice(3, AMOUNT);
    let hash = net.pay(0, &invoice);
    net.run();
    net.pass(Span::seconds(60));
    let fees = 2 * fee(HALF);
    let PaymentStatus::Paid { fee: paid, .. } = net.status(0, hash) else { panic!("{:?}", net.status(0, hash)) };
    assert_eq!(paid, units(fees));
    assert_eq!(gains(&net), [-((AMOUNT + fees) as i128), fee(HALF) as i128, fee(HALF) as i128, AMOUNT as i128]);
    assert_eq!(net.received(3), units(AMOUNT));
    let mut ways = net.nodes[0].router.payment_view(hash).unwrap().ways;
    ways.sort();
    let mut hubs = [1, 2].map(|hub| vec![net.id(hub)]);
    hubs.sort();
    assert_eq!(ways, hubs);
    assert_eq!((net.calls.len(), net.refused.len()), (0, 0), "the ledger heard nothing");
    net.assert_clean();
}

#[test]
fn parts_go_over_two_channels_with_one_hub() {
    let mut net = Net::with_channels(3, &[(0, 1), (0, 1), (1, 2), (1, 2)]);
    let per_peer = Exposure { amount: units(6_000_000), payments: 8 };
    net.set_terms(1, Some(HubTerms { per_peer, ..hub_terms() }));
    let invoice = net.invoice(2, AMOUNT);
    let hash = net.pay(0, &invoice);
    net.run();
    net.pass(Span::seconds(60));
    assert!(net.is_paid(0, hash), "{:?}", net.status(0, hash));
    assert_eq!((net.gain(1), net.gain(2)), (2 * fee(HALF) as i128, AMOUNT as i128));
    net.assert_clean();
}

#[test]
fn no_part_goes_by_a_dear_way_where_a_cheap_one_has_room() {
    let mut net = Net::with_channels(4, &[(0, 1), (0, 1), (1, 3), (1, 3), (0, 2), (2, 3)]);
    let per_peer = Exposure { amount: units(6_000_000), payments: 8 };
    net.set_terms(1, Some(HubTerms { per_peer, ..hub_terms() }));
    net.set_terms(2, Some(HubTerms { fee_base: units(40_000), ..hub_terms() }));
    let invoice = net.invoice(3, AMOUNT);
    let hash = net.pay(0, &invoice);
    net.run();
    net.pass(Span::seconds(60));
    assert!(net.is_paid(0, hash), "{:?}", net.status(0, hash));
    assert_eq!((net.gain(1), net.gain(2)), (2 * fee(HALF) as i128, 0));
    net.assert_clean();
}

#[test]
fn several_parts_with_one_hash_go_over_the_same_channel() {
    let mut net = Net::with_channels(2, &[(0, 1); 3]);
    // Neither halves nor quarters have room.
    let amount = 9_600_000;
    let invoice = net.invoice(1, amount);
    let hash = net.pay(0, &invoice);
    net.run();
    net.pass(Span::seconds(60));
    assert!(net.is_paid(0, hash), "{:?}", net.status(0, hash));
    assert_eq!(net.nodes[0].router.payment_view(hash).unwrap().ways.len(), PARTS_MAX as usize);
    assert_eq!((gains(&net), net.received(1)), ([-(amount as i128), amount as i128], units(amount)));
    net.assert_clean();
}

#[test]
fn the_fees_of_all_parts_count_together() {
    let mut net = diamond();
    for hub in [1, 2] {
        // Each of the parts alone would be within the limit of 50,000.
        net.set_terms(hub, Some(HubTerms { fee_base: units(30_000), fee_per_million: 0, ..hub_terms() }));
    }
    let invoice = net.invoice(3, AMOUNT);
    let hash = net.pay(0, &invoice);
    net.run();
    net.pass(Span::seconds(60));
    assert_eq!(net.status(0, hash), PaymentStatus::Failed(PaymentFailure::Fee));
    assert_eq!(gains(&net), [0; 4]);
    net.assert_clean();
}

#[test]
fn the_payee_opens_no_part_before_all_are_there_and_they_go_back_in_time() {
    let mut net = diamond();
    let hash = with_one_part_there(&mut net, 2);
    net.disconnect(2, 3);
    net.pass(Span(PARTS_TIME_MAX.0 - 25_000));
    assert_eq!((waiting(&net, 3), stages(&net, 1)), (1, vec![Stage::Locked]));
    assert_eq!((net.status(0, hash), net.received(3)), (PaymentStatus::Trying, units(0)));
    // It crashes, and knows what it waits for.
    net.crash(3);
    net.disconnect(2, 3);
    net.run();
    assert_eq!(waiting(&net, 3), 1);
    net.pass(Span::seconds(60));
    assert_eq!((waiting(&net, 3), stages(&net, 1)), (0, vec![]), "it is let go of");
    assert_eq!((net.gain(1), net.gain(3), net.calls.len()), (0, 0, 0));
    // The other one may have been half-signed: its hub waits for that lock's time, and takes it back by force.
    net.pass(Span::minutes(25));
    assert!(matches!(net.status(0, hash), PaymentStatus::Failed(PaymentFailure::OnItsWay(_))));
    assert_eq!((net.gain(0), net.open_channels()), (0, 4));
}

#[test]
fn a_part_that_is_lost_is_tried_another_way() {
    // A third hub, which is dearer than the others.
    let edges = [(0, 1), (0, 2), (0, 4), (1, 3), (2, 3), (4, 3), (4, 5)];
    let mut net = Net::with_channels(6, &edges);
    net.set_terms(4, Some(HubTerms { fee_base: units(5_000), ..hub_terms() }));
    net.set_terms(3, None);
    let invoice = net.invoice(3, AMOUNT);
    let hash = net.pay(0, &invoice);
    run_over(&mut net, &edges[..3], "the questions are out", |net| net.nodes[0].router.payment(hash).is_some());
    let is_trying = |net: &Net| net.status(0, hash) == PaymentStatus::Trying;
    run_over(&mut net, &edges, "the ways are known", is_trying);
    // One of the cheap hubs loses its channel with the payee just then.
    net.disconnect(2, 3);
    net.run();
    net.pass(Span::seconds(45));
    assert!(net.is_paid(0, hash), "{:?}", net.status(0, hash));
    let fees = 2 * fee(HALF) + 4_900;
    assert_eq!(gains::<5>(&net)[..4], [-((AMOUNT + fees) as i128), fee(HALF) as i128, 0, AMOUNT as i128]);
    assert_eq!(net.gain(4), (fee(HALF) + 4_900) as i128);
    net.connect(2, 3);
    net.pass(Span::seconds(30));
    net.assert_clean();
}

#[test]
fn parts_that_come_when_the_invoice_has_expired_are_not_opened() {
    let mut net = diamond();
    let hash = with_one_part_there(&mut net, 2);
    // The rest comes within the time that is waited, and after the invoice's.
    let left = Span::minutes(60).0;
    net.nodes[3].is_up = false;
    net.tick(Span(left + 1_000));
    net.nodes[3].is_up = true;
    net.run();
    net.pass(Span::minutes(25));
    assert!(matches!(net.status(0, hash), PaymentStatus::Failed(_)), "{:?}", net.status(0, hash));
    assert_eq!((net.gain(3), net.received(3)), (0, units(0)));
}

pub fn part(parts: u8) -> Order {
    Order::Receive { parts: Some(PartsId([parts; 16])) }
}

pub fn refusals(net: &Net, node: usize) -> Vec<Reason> {
    let refused = net.nodes[node].routing_news.iter().filter_map(|news| match news {
        RoutingNews::Refused { failure: Failure { reason, hop: 0 }, .. } => Some(*reason),
        _ => None,
    });
    refused.collect()
}

#[test]
fn whoever_sends_one_part_and_waits_has_it_back_and_learns_nothing() {
    let mut net = Net::with_channels(2, &[(0, 1)]);
    let hash = net.invoice(1, AMOUNT).terms.hash;
    net.run();
    lock_for(&mut net, (0, 1), 1, hash, HALF, &part(1));
    assert_eq!(waiting(&net, 1), 1);
    net.pass(Span(PARTS_TIME_MAX.0 + 15_000));
    assert_eq!((stages(&net, 1), refusals(&net, 1)), (vec![], vec![Reason::Parts]));
    assert_eq!(gains(&net), [0, 0]);
    net.assert_clean();
}

#[test]
fn more_parts_than_may_be_and_amounts_beyond_what_is_asked_for_are_refused() {
    let mut net = Net::with_channels(2, &[(0, 1)]);
    let hash = net.invoice(1, 100_000).terms.hash;
    net.run();
    for number in 0..PARTS_MAX as u8 {
        lock_for(&mut net, (0, 1), number + 1, hash, 1_000, &part(1));
    }
    assert_eq!(waiting(&net, 1), PARTS_MAX as usize);
    // It would make the whole of it, with the others; and then one that goes beyond.
    lock_for(&mut net, (0, 1), 100, hash, 100_000 - 1_000 * u128::from(PARTS_MAX), &part(1));
    lock_for(&mut net, (0, 1), 101, hash, 60_000, &part(2));
    lock_for(&mut net, (0, 1), 102, hash, 60_000, &part(2));
    lock_for(&mut net, (0, 1), 103, hash, 60_000, &Order::Receive { parts: None });
    assert_eq!(refusals(&net, 1), [Reason::Amount; 3]);
    assert_eq!((waiting(&net, 1), net.received(1)), (PARTS_MAX as usize + 1, units(0)));
    // What is complete is opened, whatever else is there for that hash.
    lock_for(&mut net, (0, 1), 104, hash, 40_000, &part(2));
    net.pass(Span::seconds(90));
    assert_eq!((net.received(1), net.gain(1)), (units(100_000), 100_000));
    net.assert_clean();
}

#[test]
fn one_peer_does_not_have_the_payee_wait_for_more_than_can_be_opened_by_force() {
    let mut net = Net::with_channels(2, &[(0, 1)]);
    let hashes = [0; 2].map(|_| net.invoice(1, AMOUNT).terms.hash);
    net.run();
    let most = byway_channel::routing::PEER_PAYMENTS_MAX as u8;
    for number in 0..=most {
        lock_for(&mut net, (0, 1), number + 1, hashes[usize::from(number % 2)], 1_000, &part(number));
    }
    assert_eq!((waiting(&net, 1), refusals(&net, 1)), (most as usize, vec![Reason::Exposure]));
    net.pass(Span(PARTS_TIME_MAX.0 + 30_000));
    assert_eq!((stages(&net, 1), gains(&net)), (vec![], [0, 0]));
    net.assert_clean();
}

#[test]
fn parts_of_one_invoice_under_many_names_leave_places_for_others() {
    let mut net = Net::with_channels(2, &[(0, 1)]);
    let hash = net.invoice(1, AMOUNT).terms.hash;
    net.run();
    let most = 2 * PARTS_MAX as u8;
    for number in 0..=most {
        lock_for(&mut net, (0, 1), number + 1, hash, 1_000, &part(number));
    }
    assert_eq!((waiting(&net, 1), refusals(&net, 1)), (most as usize, vec![Reason::Exposure]));
    net.pass(Span(PARTS_TIME_MAX.0 + 30_000));
    // So many names have come to nothing that it waits for no other; all at once is taken still.
    lock_for(&mut net, (0, 1), 100, hash, 1_000, &part(100));
    assert_eq!((waiting(&net, 1), refusals(&net, 1).pop()), (0, Some(Reason::Late)));
    net.pass(Span::seconds(30));
    assert_eq!((stages(&net, 1), gains(&net)), (vec![], [0, 0]));
}

#[test]
fn a_hub_that_sends_a_part_of_its_own_for_the_invoice_neither_completes_nor_spoils_the_payment() {
    let mut net = diamond();
    let hash = with_one_part_there(&mut net, 2);
    // The other hub knows the hash; what the parts are known by it does not.
    lock_for(&mut net, (1, 3), 9, hash, 900_000, &part(9));
    lock_for(&mut net, (1, 3), 10, hash, 900_000, &part(10));
    net.pass(Span(PARTS_TIME_MAX.0 + 40_000));
    assert!(net.is_paid(0, hash), "{:?}", net.status(0, hash));
    assert_eq!(net.gain(3), AMOUNT as i128);
    assert_eq!((net.gain(1), net.gain(2)), (fee(HALF) as i128, fee(HALF) as i128), "its own came back");
    net.assert_clean();
}

#[test]
fn where_a_hub_keeps_its_part_back_the_payee_opens_none() {
    let mut net = diamond();
    let hash = with_one_part_there(&mut net, 2);
    net.nodes[2].is_up = false;
    net.pass(Span(PARTS_TIME_MAX.0 + 30_000));
    assert_eq!((net.received(3), net.gain(3), net.gain(1)), (units(0), 0, 0));
    assert_eq!(net.status(0, hash), PaymentStatus::Trying, "the silent hub's is waited for");
    assert!(conduit::holds(net.machine(0, net.channel(0, 2)).state()));
    assert!(!conduit::holds(net.machine(0, net.channel(0, 1)).state()), "the other one is back");
    net.pass(Span::minutes(25));
    assert!(matches!(net.status(0, hash), PaymentStatus::Failed(_)), "{:?}", net.status(0, hash));
    assert_eq!((net.gain(0), net.received(3)), (0, units(0)));
}

#[test]
fn a_crash_at_any_point_of_a_payment_in_parts_leaves_nobody_at_a_loss() {
    for victim in 0..4 {
        for steps in (0..260).step_by(13) {
            let mut net = diamond();
            let invoice = net.invoice(3, AMOUNT);
            net.step(3);
            let hash = net.pay(0, &invoice);
            for step in 0..steps {
                for node in 0..4 {
                    net.step(node);
                }
                let (one, other) = EDGES[step / 2 % 4];
                let (from, to) = if step % 2 == 0 { (one, other) } else { (other, one) };
                net.deliver(from, to);
            }
            net.crash(victim);
            net.pass(Span::seconds(240));
            let gains: [i128; 4] = gains(&net);
            if net.nodes[0].router.payment(hash).is_some() && net.is_paid(0, hash) {
                assert_eq!(gains[3], AMOUNT as i128, "{victim} {steps}");
                assert!(gains[1] > 0 && gains[2] > 0, "{victim} {steps}: {gains:?}");
                assert_eq!(gains.iter().sum::<i128>(), 0, "{victim} {steps}");
            } else {
                assert_eq!(gains, [0; 4], "{victim} {steps}");
            }
            assert_eq!(net.calls.len(), 0, "{victim} {steps}");
            net.assert_clean();
        }
    }
}
