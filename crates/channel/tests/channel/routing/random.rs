//! Any order of deliveries, writes, losses, crashes and payments; afterwards everything is through or has never been.

use byway_channel::ChannelMachine;
use byway_channel::routing::PaymentStatus;
use byway_primitives::Span;
use byway_records::call::ChannelsCall;
use byway_records::channel::Side;
use proptest::prelude::*;

use super::net::{Net, fee};
use crate::world::units;

fn check(bytes: &[u8]) {
    // Two hubs in a row, and somebody who pays and is paid at either end.
    let mut net = Net::with_channels(4, &[(0, 1), (1, 2), (2, 3)]);
    let edges = [(0, 1), (1, 2), (2, 3)];
    let mut paid = Vec::new();
    for byte in bytes {
        let (which, what) = (usize::from(byte >> 5), byte & 31);
        let (one, other) = edges[which % 3];
        match what {
            0..=9 => drop(net.step(which % 4)),
            10..=14 => drop(net.deliver(one, other)),
            15..=19 => drop(net.deliver(other, one)),
            20..=23 => {
                let (payer, payee) = [(0, 3), (3, 0)][which % 2];
                let amount = 20_000 + 1_000 * which as u128;
                let invoice = net.invoice(payee, amount);
                // An invoice is handed out once it is written.
                while net.step(payee) {}
                paid.push((payer, payee, amount, net.pay(payer, &invoice)));
            }
            24 => net.crash(which % 4),
            25 => {
                net.disconnect(one, other);
                net.connect(one, other);
            }
            26 => net.tick(Span::seconds(1)),
            _ => {
                net.tick(Span::millis(100));
                (0..20).for_each(|turn| {
                    net.step(turn % 4);
                    let (one, other) = edges[turn % 3];
                    let _ = net.deliver(one, other) | net.deliver(other, one);
                });
            }
        }
    }
    net.pass(Span::seconds(150));
    net.assert_clean();
    assert_eq!(net.calls.len(), 0, "nobody needs the ledger");
    let mut gains = [0i128; 4];
    for (payer, payee, amount, hash) in paid {
        if net.nodes[payer].router.payment(hash).is_none() || !net.is_paid(payer, hash) {
            continue;
        }
        // A hub that is away for a moment has it go in parts, all of them by the same way.
        let parts = net.nodes[payer].router.payment_view(hash).unwrap().ways.len() as u128;
        let each = fee(amount / parts);
        let (last, first) = (parts * each, parts * fee(amount / parts + each));
        let (near, far) = if payer == 0 { (1, 2) } else { (2, 1) };
        gains[payer] -= (amount + last + first) as i128;
        gains[payee] += amount as i128;
        gains[near] += first as i128;
        gains[far] += last as i128;
    }
    assert_eq!([0, 1, 2, 3].map(|node| net.gain(node)), gains);
}

/// Payments in parts over two hubs.
fn check_parts(bytes: &[u8]) {
    const AMOUNT: u128 = 5_000_000;
    let edges = [(0, 1), (0, 2), (1, 3), (2, 3)];
    let mut net = Net::with_channels(4, &edges);
    let invoice = net.invoice(3, AMOUNT);
    while net.step(3) {}
    let hash = net.pay(0, &invoice);
    while net.step(0) {}
    for byte in bytes {
        let (which, what) = (usize::from(byte >> 6), byte & 63);
        let (one, other) = edges[which];
        match what {
            0..=19 => drop_result(net.step(which)),
            20..=29 => drop_result(net.deliver(one, other)),
            30..=39 => drop_result(net.deliver(other, one)),
            40 => net.crash(which),
            41 => {
                net.disconnect(one, other);
                net.connect(one, other);
            }
            42 => net.tick(Span::seconds(20)),
            _ => (0..20).for_each(|turn| {
                net.step(turn % 4);
                let (one, other) = edges[turn % 4];
                let _ = net.deliver(one, other) | net.deliver(other, one);
            }),
        }
    }
    net.pass(Span::seconds(300));
    net.assert_clean();
    assert_eq!(net.calls.len(), 0, "nobody needs the ledger");
    let gains = [0, 1, 2, 3].map(|node| net.gain(node));
    if !net.is_paid(0, hash) {
        return assert_eq!(gains, [0; 4]);
    }
    assert_eq!((gains[3], net.received(3).units()), (AMOUNT as i128, AMOUNT));
    assert!(gains[1] >= 0 && gains[2] >= 0 && gains.iter().sum::<i128>() == 0, "{gains:?}");
}

fn drop_result(_: bool) {}

/// What is paid where the ledger may come in.
const LARGE: u128 = 1_300_000;

/// A node is away for some minutes, and then sees what has happened.
fn go_away(net: &mut Net, node: usize) {
    net.vanish(node);
    net.pass(Span::minutes(3));
    net.come_back(node);
    net.run();
}

fn close_alone(net: &mut Net, node: usize) {
    let (now, channels) = (net.now, &mut net.nodes[node].channels);
    let key = channels.iter().map(|(key, _)| key).next();
    // What can't be closed is not.
    let _ = key.and_then(|key| channels.with(key, |machine| machine.close_alone(now)));
    net.collect(node);
}

/// An end closes with what there was when the channel was opened.
fn close_with_old(net: &mut Net, node: usize, side: Side) {
    let machine = net.nodes[node].channels.iter().next().map(|(_, machine)| machine);
    let Some(channel) = machine.and_then(ChannelMachine::id) else { return };
    let hub = &net.nodes[1].channels;
    let Some(secret) = hub.key_of(channel).and_then(|key| hub.get(key)?.peer_secret()) else { return };
    net.submit(node, ChannelsCall::CloseSolo { channel, side, secret, state: None });
}

/// Payments over a hub whose ends, or the hub itself, are silent, gone, or on the ledger. Gives how many calls the ledger executed.
fn check_with_ledger(bytes: &[u8]) -> usize {
    let edges = [(0, 1), (1, 2)];
    let mut net = Net::with_channels(3, &edges);
    let mut paid = Vec::new();
    for byte in bytes {
        let (which, what) = (usize::from(byte >> 6), byte & 63);
        let ((one, other), end) = (edges[which % 2], [0, 2][which % 2]);
        match what {
            0..=15 => drop_result(net.step(which % 3)),
            16..=23 => drop_result(net.deliver(one, other)),
            24..=31 => drop_result(net.deliver(other, one)),
            32..=38 if paid.len() < 4 => {
                let (payer, payee) = (end, 2 - end);
                let invoice = net.invoice(payee, LARGE);
                while net.step(payee) {}
                let (now, node) = (net.now, &mut net.nodes[payer]);
                let begun = node.router.pay(now, &node.channels, &invoice, units(50_000), [paid.len() as u8; 32]);
                net.collect(payer);
                paid.extend(begun.is_ok().then_some((payer, payee, invoice.terms.hash)));
            }
            39..=41 => net.crash(which % 3),
            42..=45 => net.disconnect(one, other),
            46..=48 => net.connect(one, other),
            49..=52 => go_away(&mut net, which % 3),
            53 => close_alone(&mut net, which % 3),
            54 => close_with_old(&mut net, end, Side::BOTH[which % 2]),
            _ => (0..20).for_each(|turn| {
                net.step(turn % 3);
                let (one, other) = edges[turn % 2];
                drop_result(net.deliver(one, other) | net.deliver(other, one));
            }),
        }
    }
    edges.into_iter().for_each(|(one, other)| net.connect(one, other));
    net.run();
    // What became of a payment is forgotten some time after.
    let mut made = vec![None; paid.len()];
    for _ in 0..100 {
        net.pass(Span::minutes(1));
        for (made, (payer, _, hash)) in made.iter_mut().zip(&paid) {
            let status = net.nodes[*payer].router.payment(*hash);
            if let Some(PaymentStatus::Paid { fee, .. }) = status {
                *made = Some(fee.units());
            }
        }
    }
    for node in &net.nodes {
        assert_eq!(node.router.on_their_way().collect::<Vec<_>>(), []);
    }
    let mut due = [0i128; 3];
    for ((payer, payee, _), made) in paid.into_iter().zip(made) {
        // The hub takes a fee for each of the parts in which it went.
        if let Some(taken) = made {
            assert!(taken >= fee(LARGE), "{taken}");
            due[payer] -= (LARGE + taken) as i128;
            due[payee] += LARGE as i128;
            due[1] += taken as i128;
        }
    }
    let gains = [0, 1, 2].map(|node| net.gain(node));
    let charged = [0, 1, 2].map(|node| net.charged(node));
    let due = [0, 1, 2].map(|node: usize| due[node] - charged[node]);
    assert_eq!(gains, due, "charged {charged:?}, refused {:?}", net.refused);
    net.calls.len()
}

/// Without this the bytes that are drawn might never come to the ledger.
#[test]
fn a_hub_that_is_gone_with_a_lock_brings_the_ledger_in() {
    let turns = [60; 6];
    // The payee has a lock, is paid by the preimage while the hub is gone, and the hub is told by the ledger.
    let mut calls = 0;
    for until in 0..6 {
        let bytes = [&[32][..], &turns[..until], &[2 << 6 | 42, 1 << 6 | 42], &[49; 9], &turns].concat();
        calls += check_with_ledger(&bytes);
    }
    assert!(calls > 0, "nobody needed the ledger");
    assert!(check_with_ledger(&[54]) >= 1);
}

proptest! {
    #![proptest_config(crate::random::config(crate::random::cases() / 8 + 4))]

    #[test]
    fn whoever_is_gone_or_closes_nobody_loses_what_was_paid_or_not(
        bytes in prop::collection::vec(any::<u8>(), 0..120),
    ) {
        check_with_ledger(&bytes);
    }
}

proptest! {
    #![proptest_config(crate::random::config(crate::random::cases() / 4 + 4))]

    #[test]
    fn after_anything_that_happens_each_payment_is_made_or_is_not_and_hubs_have_their_fees(
        bytes in prop::collection::vec(any::<u8>(), 0..120),
    ) {
        check(&bytes);
    }

    #[test]
    fn after_anything_that_happens_a_payment_in_parts_is_made_whole_or_not_at_all(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        check_parts(&bytes);
    }
}

#[test]
fn a_payee_that_crashes_before_a_part_is_written_down_counts_it_once() {
    check_parts(&[43, 43, 171, 43, 43, 43, 43, 43, 232]);
}
