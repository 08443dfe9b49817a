//! Payments that come through, and payments that don't, where nobody is at fault.

use byway_channel::routing::{
    Earned, Exposure, Failure, HubTerms, InvoiceTerms, PayError, PaymentFailure, PaymentStatus, Reason, RoutingNews,
};
use byway_crypto::IdentitySecret;
use byway_primitives::Span;

use super::net::{Net, fee, hub_terms};
use crate::world::units;

const AMOUNT: u128 = 100_000;

fn failed(reason: Reason, hop: u8) -> PaymentStatus {
    PaymentStatus::Failed(PaymentFailure::OnItsWay(Failure { reason, hop }))
}

/// A payer, a hub and a payee.
fn line() -> Net {
    Net::with_channels(3, &[(0, 1), (1, 2)])
}

#[test]
fn a_payment_goes_over_a_hub_that_keeps_its_fee() {
    let mut net = line();
    let invoice = net.invoice(2, AMOUNT);
    let hash = net.pay(0, &invoice);
    net.run();
    net.pass(Span::seconds(30));
    let fee = fee(AMOUNT);
    assert_eq!(
        net.status(0, hash),
        PaymentStatus::Paid { preimage: byway_channel::routing::Preimage([1; 32]), fee: units(fee) }
    );
    let (amount, fee) = (AMOUNT as i128, fee as i128);
    assert_eq!([0, 1, 2].map(|node| net.gain(node)), [-amount - fee, fee, amount]);
    assert!(
        net.nodes[1].routing_news.contains(&RoutingNews::Forwarded { amount: units(AMOUNT), fee: units(fee as u128) })
    );
    assert_eq!(net.received(2), units(AMOUNT));
    assert_eq!((net.calls.len(), net.refused.len()), (0, 0), "the ledger heard nothing");
    net.assert_clean();
}

#[test]
fn a_payment_goes_over_three_hubs_each_of_which_learns_its_neighbours_only() {
    let mut net = Net::with_channels(5, &[(0, 1), (1, 2), (2, 3), (3, 4)]);
    let invoice = net.invoice(4, AMOUNT);
    let hash = net.pay(0, &invoice);
    net.run();
    net.pass(Span::seconds(60));
    assert!(net.is_paid(0, hash), "{:?}", net.status(0, hash));
    let third = fee(AMOUNT);
    let second = fee(AMOUNT + third);
    let first = fee(AMOUNT + third + second);
    let gains = [0, 1, 2, 3, 4].map(|node| net.gain(node));
    let all =
        [-((AMOUNT + first + second + third) as i128), first as i128, second as i128, third as i128, AMOUNT as i128];
    assert_eq!(gains, all);
    net.assert_clean();
}

#[test]
fn who_has_a_channel_with_the_payee_pays_without_a_hub() {
    let mut net = line();
    let invoice = net.invoice(1, AMOUNT);
    let hash = net.pay(0, &invoice);
    net.run();
    net.pass(Span::seconds(30));
    assert_eq!(
        net.status(0, hash),
        PaymentStatus::Paid { preimage: byway_channel::routing::Preimage([1; 32]), fee: units(0) }
    );
    assert_eq!([0, 1].map(|node| net.gain(node)), [-(AMOUNT as i128), AMOUNT as i128]);
    net.assert_clean();
}

#[test]
fn an_invoice_is_paid_once_however_often_it_is_asked_for() {
    let mut net = line();
    let invoice = net.invoice(2, AMOUNT);
    for _ in 0..2 {
        let hash = net.pay(0, &invoice);
        net.pay(0, &invoice);
        net.run();
        net.pass(Span::seconds(30));
        assert!(net.is_paid(0, hash));
        net.crash(0);
    }
    assert_eq!(net.gain(2), AMOUNT as i128);
}

#[test]
fn another_invoice_with_the_hash_of_one_that_is_paid_is_refused() {
    let mut net = line();
    let invoice = net.invoice(2, AMOUNT);
    let hash = net.pay(0, &invoice);
    net.run();
    net.pass(Span::seconds(30));
    assert!(net.is_paid(0, hash));
    let other = InvoiceTerms { amount: units(2 * AMOUNT), ..invoice.terms.clone() };
    let other = other.sign(&IdentitySecret::from_bytes(&[3; 32]).unwrap());
    let (now, node) = (net.now, &mut net.nodes[0]);
    let paid = node.router.pay(now, &node.channels, &other, units(50_000), [9; 32]);
    assert_eq!(paid, Err(PayError::Other), "whoever made it would be told that it is paid");
    let same = node.router.pay(now, &node.channels, &invoice, units(50_000), [9; 32]);
    assert!(matches!(same, Ok(PaymentStatus::Paid { .. })), "{same:?}");
}

#[test]
fn a_payer_sees_the_way_and_a_hub_what_it_has_earned_also_after_a_crash() {
    let mut net = line();
    for count in 1..=2 {
        let invoice = net.invoice(2, AMOUNT);
        let hash = net.pay(0, &invoice);
        net.run();
        net.pass(Span::seconds(30));
        net.crash(1);
        net.crash(0);
        net.run();
        let view = net.nodes[0].router.payment_view(hash).unwrap();
        assert_eq!((view.payee, view.amount, view.ways), (net.id(2), units(AMOUNT), vec![vec![net.id(1)]]));
        assert_eq!((view.fee, view.until), (Some(units(fee(AMOUNT))), None));
        let Earned { payments, amount, fees } = net.nodes[1].router.earned();
        let all = u128::from(count);
        assert_eq!((payments, amount, fees), (count, units(all * AMOUNT), units(all * fee(AMOUNT))));
    }
    assert_eq!(net.nodes[0].router.earned(), Earned::default(), "a payer is no hub");
}

#[test]
fn a_hub_says_what_it_refuses_and_why() {
    let refused = |amount, terms: HubTerms| {
        let mut net = line();
        net.set_terms(1, Some(terms));
        let invoice = net.invoice(2, amount);
        net.pay(0, &invoice);
        net.run();
        net.pass(Span::seconds(60));
        let peer = net.id(0);
        net.nodes[1].routing_news.iter().find_map(|news| match news {
            RoutingNews::Refused { peer: from, failure, .. } if *from == peer => Some((failure.reason, failure.hop)),
            RoutingNews::NoWay { peer: from, reason, .. } if *from == peer => Some((*reason, 0)),
            _ => None,
        })
    };
    assert_eq!(refused(AMOUNT, hub_terms()), None);
    assert_eq!(refused(900, hub_terms()), Some((Reason::Dust, 0)), "a question for too small an amount");
    let full = HubTerms { per_peer: Exposure { amount: units(AMOUNT), payments: 4 }, ..hub_terms() };
    assert_eq!(refused(AMOUNT, full), Some((Reason::Exposure, 0)));
}

#[test]
fn same_hash_and_amount_in_two_payments_are_not_confused() {
    // Two payers pay one invoice over one hub at the same time.
    let mut net = Net::with_channels(4, &[(0, 1), (1, 2), (1, 3)]);
    let invoice = net.invoice(3, AMOUNT);
    let hashes = [0, 2].map(|payer| net.pay(payer, &invoice));
    net.run();
    net.pass(Span::seconds(60));
    let status = [0, 2].map(|payer| net.status(payer, invoice.terms.hash));
    assert_eq!(hashes[0], hashes[1]);
    let paid = status.iter().filter(|status| matches!(status, PaymentStatus::Paid { .. })).count();
    assert_eq!((paid, status.contains(&failed(Reason::Paid, 2))), (1, true), "{status:?}");
    assert_eq!((net.gain(3), net.gain(1)), (AMOUNT as i128, fee(AMOUNT) as i128));
    let lost = [0, 2].map(|payer| net.gain(payer));
    assert_eq!(lost.iter().filter(|lost| **lost == 0).count(), 1, "{lost:?}");
    net.assert_clean();
}

#[test]
fn the_next_way_is_tried_where_one_fails() {
    // The first hub is the cheaper one, and has next to nothing in its channel with the payee.
    let mut net = Net::with_channels(4, &[(0, 1), (0, 2), (1, 3), (2, 3)]);
    net.set_terms(1, Some(HubTerms { fee_base: units(1), ..hub_terms() }));
    let drained = net.invoice(3, 4_400_000);
    net.pay(1, &drained);
    net.run();
    net.pass(Span::seconds(20));
    let before = net.gain(3);
    assert_eq!(before, 4_400_000);
    let invoice = net.invoice(3, AMOUNT * 2);
    let hash = net.pay(0, &invoice);
    net.run();
    net.pass(Span::seconds(60));
    assert!(net.is_paid(0, hash), "{:?}", net.status(0, hash));
    assert_eq!((net.gain(3) - before, net.gain(2)), (2 * AMOUNT as i128, fee(2 * AMOUNT) as i128));
    assert_eq!(net.gain(1), -4_400_000);
    net.assert_clean();
}

#[test]
fn whoever_can_not_pay_is_told_why() {
    let check = |amount, terms: Option<HubTerms>, expected: PaymentStatus| {
        let mut net = line();
        net.set_terms(1, terms);
        let invoice = net.invoice(2, amount);
        let hash = net.pay(0, &invoice);
        net.run();
        net.pass(Span::seconds(60));
        assert_eq!(net.status(0, hash), expected);
        assert_eq!([0, 1, 2].map(|node| net.gain(node)), [0, 0, 0]);
        net.assert_clean();
    };
    let none = PaymentStatus::Failed(PaymentFailure::NoRoute);
    check(AMOUNT, None, none);
    check(900, Some(hub_terms()), none);
    check(4_600_000, Some(hub_terms()), none);
    let dear = HubTerms { fee_base: units(60_000), ..hub_terms() };
    check(AMOUNT, Some(dear), PaymentStatus::Failed(PaymentFailure::Fee));
    let full = HubTerms { per_peer: Exposure { amount: units(AMOUNT), payments: 4 }, ..hub_terms() };
    check(AMOUNT, Some(full), failed(Reason::Exposure, 1));
    let slow = HubTerms { delta: Span::minutes(55), ..hub_terms() };
    check(AMOUNT, Some(slow), none);
}

/// How many payments a node sends on.
fn sent_on(net: &Net, hub: usize) -> usize {
    net.nodes[hub].router.on_their_way().filter(|way| way.incoming.is_some() && way.outgoing.is_some()).count()
}

/// Each of these pays the payee as often as that, at the same time, over the hub, while the payee is there and does nothing. How many
/// the hub sends on, and why it refuses the others; then how many of all come through.
fn bounded(terms: HubTerms, payers: &[usize], times: usize) -> (usize, usize) {
    let mut net = Net::with_channels(4, &[(0, 1), (1, 2), (1, 3)]);
    net.set_terms(1, Some(terms));
    let invoices: Vec<_> = (0..payers.len() * times).map(|_| net.invoice(3, AMOUNT)).collect();
    net.run();
    net.nodes[3].is_up = false;
    let payments = payers.iter().cycle().zip(&invoices).map(|(payer, invoice)| (*payer, net.pay(*payer, invoice)));
    let payments: Vec<_> = payments.collect();
    net.run();
    net.pass(Span::seconds(5));
    let sent = sent_on(&net, 1);
    let refused = super::parts::refusals(&net, 1);
    assert!(refused.iter().all(|reason| *reason == Reason::Exposure), "{refused:?}");
    net.nodes[3].is_up = true;
    net.pass(Span::seconds(90));
    let paid = payments.iter().filter(|(payer, hash)| net.is_paid(*payer, *hash)).count();
    let failed = payments.iter().filter(|(payer, hash)| net.status(*payer, *hash) == failed(Reason::Exposure, 1));
    assert_eq!(paid + failed.count(), payments.len());
    assert_eq!(sent_on(&net, 1), 0);
    net.assert_clean();
    (sent, paid)
}

#[test]
fn what_is_on_its_way_is_bounded_for_each_peer() {
    assert_eq!(bounded(hub_terms(), &[0], 4), (4, 4), "as many as are asked for where the bound is above that");
    let per_peer = Exposure { amount: units(1_000_000), payments: 2 };
    assert_eq!(bounded(HubTerms { per_peer, ..hub_terms() }, &[0], 4), (2, 2), "by number");
    // With the hub's fee three of them are more than that.
    let per_peer = Exposure { amount: units(3 * AMOUNT), payments: 8 };
    assert_eq!(bounded(HubTerms { per_peer, ..hub_terms() }, &[0], 4), (2, 2), "by amount");
}

#[test]
fn what_is_on_its_way_is_bounded_in_all() {
    let in_all = Exposure { amount: units(6_000_000), payments: 3 };
    assert_eq!(bounded(HubTerms { in_all, ..hub_terms() }, &[0, 2], 2), (3, 3), "by number");
    let in_all = Exposure { amount: units(3 * AMOUNT), payments: 12 };
    assert_eq!(bounded(HubTerms { in_all, ..hub_terms() }, &[0, 2], 2), (2, 2), "by amount");
}

#[test]
fn a_crash_at_any_point_of_a_payment_leaves_nobody_at_a_loss() {
    for victim in 0..3 {
        for steps in (0..110).step_by(3) {
            let mut net = line();
            let invoice = net.invoice(2, AMOUNT);
            net.step(2);
            let hash = net.pay(0, &invoice);
            for step in 0..steps {
                for node in 0..3 {
                    net.step(node);
                }
                let (from, to) = [(0, 1), (1, 0), (1, 2), (2, 1)][step % 4];
                net.deliver(from, to);
            }
            net.crash(victim);
            net.pass(Span::seconds(90));
            let is_known = net.nodes[0].router.payment(hash).is_some();
            if is_known && net.is_paid(0, hash) {
                // Where its hub was away for a moment it has gone in parts.
                let parts = net.nodes[0].router.payment_view(hash).unwrap().ways.len() as u128;
                let (amount, fee) = (AMOUNT as i128, (parts * fee(AMOUNT / parts)) as i128);
                assert_eq!([0, 1, 2].map(|node| net.gain(node)), [-amount - fee, fee, amount], "{victim} {steps}");
            } else {
                assert_eq!([0, 1, 2].map(|node| net.gain(node)), [0, 0, 0], "{victim} {steps}");
            }
            assert_eq!(net.calls.len(), 0, "{victim} {steps}");
            net.assert_clean();
        }
    }
}
