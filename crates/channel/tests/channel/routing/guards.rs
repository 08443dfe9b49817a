//! Somebody makes locks as it likes, to have what is a payee's, a hub's, or a payer's.

use byway_channel::routing::conduit::{self, LockId};
use byway_channel::routing::{
    Circle, Order, PEER_PAYMENTS_MAX, PaymentFailure, PaymentHash, PaymentStatus, Preimage, Reason, RoutingMessage,
    Stage,
};
use byway_channel::{Change, ContractCall};
use byway_primitives::{Span, Time};
use byway_records::promise::ChannelId;
use byway_vm::Address;

use super::net::{Net, hub_terms};
use super::parts::{diamond, gains, part, refusals, run_over, stages, waiting, with_one_part_there};
use crate::world::units;

const AMOUNT: u128 = 5_000_000;
const SINGLE: Order = Order::Receive { parts: None };

/// A lock of a stranger's making.
#[derive(Debug, Clone, Copy)]
pub struct Lock {
    pub number: u8,
    pub amount: u128,
    /// How long it stands.
    pub span: Span,
    /// Which of the contracts it is in.
    pub place: usize,
}

pub fn propose(net: &mut Net, node: usize, channel: ChannelId, call: ContractCall) {
    let now = net.now;
    let channels = &mut net.nodes[node].channels;
    let key = channels.key_of(channel).unwrap();
    channels.with(key, |machine| machine.propose(now, Change::Call(call))).unwrap().unwrap();
    net.collect(node);
    net.run();
}

/// Makes a lock in a channel, by somebody who does as it likes.
pub fn make(net: &mut Net, (one, other): (usize, usize), hash: PaymentHash, lock: Lock) -> ChannelId {
    let (now, channel) = (net.now, net.channel(one, other));
    let side = net.machine(one, channel).side();
    while conduit::all(net.machine(one, channel).state()).count() <= lock.place {
        propose(net, one, channel, conduit::create(side));
    }
    let place = conduit::all(net.machine(one, channel).state()).nth(lock.place).unwrap();
    let payee = Address::from(net.id(other));
    let until = Time((now + lock.span).0 / 1000 * 1000);
    let id = LockId([lock.number; 32]);
    propose(net, one, channel, conduit::lock(side, place, id, hash, until, payee, units(lock.amount)));
    channel
}

/// Says what is to be done with it.
pub fn order(net: &mut Net, (one, other): (usize, usize), hash: PaymentHash, number: u8, order: &Order) {
    let (now, channel, lock) = (net.now, net.channel(one, other), LockId([number; 32]));
    let (peer, key) = (net.id(one), net.nodes[other].router.key());
    let sealed = order.seal(key, hash, &[number; 32], 0).unwrap();
    let node = &mut net.nodes[other];
    node.router.handle_message(now, &node.channels, peer, RoutingMessage::Order { channel, lock, sealed });
    net.collect(other);
}

/// A lock for ten minutes, and its order.
pub fn lock_for(net: &mut Net, wire: (usize, usize), number: u8, hash: PaymentHash, amount: u128, its: &Order) {
    make(net, wire, hash, Lock { number, amount, span: Span::minutes(10), place: 0 });
    order(net, wire, hash, number, its);
    net.run();
}

#[test]
fn locks_that_take_more_calls_than_can_be_forced_are_refused_whichever_contracts_they_are_in() {
    let mut net = Net::with_channels(2, &[(0, 1)]);
    let hash = net.invoice(1, AMOUNT).terms.hash;
    net.run();
    let side = net.machine(0, net.channel(0, 1)).side();
    for _ in 0..4 {
        let channel = net.channel(0, 1);
        propose(&mut net, 0, channel, conduit::create(side));
    }
    for number in 0..4 {
        let lock = Lock { number: number + 1, amount: 1_000, span: Span::minutes(10), place: number.into() };
        make(&mut net, (0, 1), hash, lock);
        order(&mut net, (0, 1), hash, number + 1, &part(number));
        net.run();
    }
    assert_eq!((waiting(&net, 1), refusals(&net, 1)), (3, vec![Reason::Exposure]), "each takes a call of its own");
    lock_for(&mut net, (0, 1), 9, hash, 1_000, &part(9));
    assert_eq!(waiting(&net, 1), 4, "and one beside another takes none");
}

#[test]
fn a_hub_makes_its_locks_in_one_contract_however_many_its_peer_puts_into_the_channel() {
    let mut net = diamond();
    with_one_part_there(&mut net, 2);
    let channel = net.channel(1, 3);
    let lowest = |net: &Net| conduit::all(net.machine(1, channel).state()).next().unwrap();
    let (first, side) = (lowest(&net), net.machine(3, channel).side());
    let wires = [(0, 1), (1, 3)];
    net.disconnect(0, 2);
    for _ in 0..200 {
        let now = net.now;
        let channels = &mut net.nodes[3].channels;
        let key = channels.key_of(channel).unwrap();
        channels.with(key, |machine| machine.propose(now, Change::Call(conduit::create(side)))).unwrap().unwrap();
        net.collect(3);
        run_over(&mut net, &wires, "it is there", |net| net.machine(3, channel).is_free());
        if lowest(&net) != first {
            break;
        }
    }
    assert_ne!(lowest(&net), first, "another one is found first now");
    let invoice = net.invoice(3, 100_000);
    let hash = net.pay(0, &invoice);
    run_over(&mut net, &wires, "it is paid", |net| {
        let holds = |place: &Address| !net.machine(1, channel).state().account(*place).unwrap().balance.is_zero();
        let places = conduit::all(net.machine(1, channel).state()).filter(holds);
        assert_eq!(places.collect::<Vec<_>>(), [first], "what is made is beside what is there");
        net.is_paid(0, hash)
    });
}

#[test]
fn a_lock_of_the_name_of_one_that_was_to_pay_is_not_opened_for_less() {
    // Nothing is shown yet, or what opens it is on its way when the connection is lost.
    for steps in [1, 6] {
        let mut net = Net::with_channels(2, &[(0, 1)]);
        let hash = net.invoice(1, 400_000).terms.hash;
        net.run();
        let lock = Lock { number: 1, amount: 400_000, span: Span::minutes(10), place: 0 };
        make(&mut net, (0, 1), hash, lock);
        order(&mut net, (0, 1), hash, 1, &SINGLE);
        (0..steps).for_each(|_| _ = net.step(1));
        net.vanish(1);
        net.pass(Span::minutes(15));
        net.come_back(1);
        net.run();
        net.pass(Span::minutes(1));
        assert_eq!((stages(&net, 1), gains(&net)), (vec![], [0, 0]), "its time was over");
        lock_for(&mut net, (0, 1), 1, hash, 1, &SINGLE);
        net.pass(Span::minutes(1));
        assert_eq!((gains(&net), net.received(1)), ([0, 0], units(0)));
        let last = refusals(&net, 1).pop();
        assert!(matches!(last, Some(Reason::Paid | Reason::Amount)), "{last:?}");
        net.assert_clean();
    }
}

#[test]
fn a_payee_that_was_away_until_one_part_was_over_opens_none_of_the_others() {
    let mut net = Net::with_channels(4, &[(0, 1), (1, 3), (2, 3)]);
    let hash = net.invoice(3, 400_000).terms.hash;
    net.run();
    let lock = |number, amount, minutes| Lock { number, amount, span: Span::minutes(minutes), place: 0 };
    make(&mut net, (1, 3), hash, lock(1, 399_999, 8));
    make(&mut net, (2, 3), hash, lock(2, 1, 50));
    order(&mut net, (1, 3), hash, 1, &part(1));
    net.run();
    assert_eq!(waiting(&net, 3), 1);
    order(&mut net, (2, 3), hash, 2, &part(1));
    // What it has decided is on disk, and nothing else has been done.
    net.step(3);
    net.vanish(3);
    net.pass(Span::minutes(9));
    net.come_back(3);
    net.run();
    net.pass(Span::minutes(4));
    assert_eq!((net.gain(3), net.received(3), stages(&net, 3)), (0, units(0), vec![]));
    assert_eq!(refusals(&net, 3), [Reason::Late; 2]);
    assert!(!conduit::holds(net.machine(3, net.channel(2, 3)).state()), "it is let go of");
    // The invoice can still be paid.
    lock_for(&mut net, (2, 3), 3, hash, 400_000, &SINGLE);
    net.pass(Span::minutes(1));
    assert_eq!((net.gain(3), net.received(3)), (400_000, units(400_000)));
}

#[test]
fn what_is_on_its_way_with_a_peer_counts_whatever_it_is_and_one_lock_is_bounded_as_parts_are() {
    let mut net = Net::with_channels(2, &[(0, 1)]);
    let [one, other, last] = [AMOUNT, AMOUNT, 500_000].map(|amount| net.invoice(1, amount).terms.hash);
    net.run();
    for number in 0..PEER_PAYMENTS_MAX as u8 {
        let hash = if number % 2 == 0 { one } else { other };
        lock_for(&mut net, (0, 1), number + 1, hash, 1_000, &part(number));
    }
    assert_eq!(waiting(&net, 1), PEER_PAYMENTS_MAX);
    lock_for(&mut net, (0, 1), 100, last, 500_000, &SINGLE);
    assert_eq!((refusals(&net, 1), net.gain(1)), (vec![Reason::Exposure], 0));
}

#[test]
fn a_node_for_which_the_ledger_would_execute_no_call_opens_nothing_and_pays_itself_nothing() {
    let mut net = Net::with_channels(3, &[(0, 1), (1, 2), (0, 2)]);
    (0..3).for_each(|node| net.set_terms(node, Some(hub_terms())));
    let circle = Circle { from: net.channel(0, 1), to: net.channel(0, 2) };
    net.nodes[0].router.set_ready(false);
    let (now, random, node) = (net.now, (Preimage([77; 32]), [78; 32]), &mut net.nodes[0]);
    let refused = node.router.rebalance(now, &node.channels, circle, units(10_000), units(1_000), random);
    assert!(refused.is_err(), "{refused:?}");
    let hash = net.invoice(0, 100_000).terms.hash;
    net.run();
    lock_for(&mut net, (1, 0), 1, hash, 100_000, &SINGLE);
    net.pass(Span::seconds(30));
    assert_eq!((refusals(&net, 0), net.gain(0)), (vec![Reason::Unready], 0));
    net.nodes[0].router.set_ready(true);
    lock_for(&mut net, (1, 0), 2, hash, 100_000, &SINGLE);
    net.pass(Span::seconds(30));
    assert_eq!(net.gain(0), 100_000);
}

#[test]
fn money_that_is_to_go_in_a_circle_does_not_come_in_where_it_went_out() {
    let mut net = Net::with_channels(3, &[(0, 1), (1, 2), (0, 2)]);
    (0..3).for_each(|node| net.set_terms(node, Some(hub_terms())));
    let circle = Circle { from: net.channel(0, 1), to: net.channel(0, 2) };
    net.disconnect(1, 2);
    let (now, random, node) = (net.now, (Preimage([77; 32]), [78; 32]), &mut net.nodes[0]);
    let hash = node.router.rebalance(now, &node.channels, circle, units(100_000), units(1_000), random).unwrap();
    net.collect(0);
    net.run();
    net.pass(Span::seconds(30));
    assert_eq!(net.status(0, hash), PaymentStatus::Failed(PaymentFailure::NoRoute));
    lock_for(&mut net, (1, 0), 1, hash, 100_000, &SINGLE);
    net.pass(Span::seconds(30));
    assert_eq!((refusals(&net, 0), net.gain(0)), (vec![Reason::NoChannel], 0), "the hash is not opened there");
    lock_for(&mut net, (2, 0), 2, hash, 100_000, &SINGLE);
    net.pass(Span::seconds(30));
    assert_eq!(net.gain(0), 100_000);
}

#[test]
fn a_hub_locks_and_waits_for_nothing_that_would_cost_more_by_force_than_it_is() {
    let least = hub_terms().amount_min.units();
    let mut net = Net::with_channels(3, &[(0, 1), (1, 2)]);
    let hash = net.invoice(1, 100_000).terms.hash;
    net.run();
    let forward = |net: &Net, amount| {
        let until = Time((net.now + Span::minutes(20)).0 / 1000 * 1000);
        Order::Forward { next: net.id(2), amount: units(amount), until, rest: Vec::new() }
    };
    let mut number = 0;
    let mut come = |net: &mut Net, amount, its: &Order| {
        number += 1;
        // Whoever was given the turn by a tie has it for so long.
        net.pass(Span::seconds(35));
        // Enough for the fee.
        let lock = Lock { number, amount: 2 * amount, span: Span::minutes(40), place: 0 };
        make(net, (0, 1), hash, if matches!(its, Order::Forward { .. }) { lock } else { Lock { amount, ..lock } });
        order(net, (0, 1), hash, number, its);
        refusals(net, 1)
    };
    let its = forward(&net, least - 1);
    assert_eq!(come(&mut net, least - 1, &its), [Reason::Dust], "to send on");
    let its = forward(&net, least);
    assert_eq!(come(&mut net, least, &its).len(), 1);
    assert!(stages(&net, 1).contains(&Stage::Locking));
    assert_eq!(come(&mut net, least - 1, &part(1)), [Reason::Dust; 2], "as a part of what it is paid itself");
    assert_eq!((come(&mut net, least, &part(1)).len(), waiting(&net, 1)), (2, 1));
    // All at once it takes what it has asked for itself, however little.
    let little = net.invoice(1, least - 1).terms.hash;
    net.run();
    lock_for(&mut net, (0, 1), 100, little, least - 1, &SINGLE);
    assert_eq!((refusals(&net, 1).len(), net.received(1)), (2, units(least - 1)));
}
