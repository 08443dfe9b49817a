//! Any order of deliveries, writes, losses, crashes and payments; afterwards everything is through or has never been.

use byway_primitives::Span;
use proptest::prelude::*;

use super::net::{Net, fee};

fn check(bytes: &[u8]) {
    // Two hubs in a row, and somebody who pays and is paid at either end.
    let mut net = Net::new(4, &[(0, 1), (1, 2), (2, 3)]);
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
    let mut net = Net::new(4, &edges);
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
