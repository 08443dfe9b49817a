//! A node pays itself in a circle, so that there is room where it has run out.

use byway_channel::routing::{Circle, CircleError, PaymentStatus, Preimage, RoutingNews};
use byway_primitives::Span;
use byway_records::promise::ChannelId;

use super::net::{Net, fee, hub_terms};
use crate::world::units;

const AMOUNT: u128 = 1_000_000;

/// Three hubs, each of which has a channel with both others.
fn triangle() -> Net {
    let mut net = Net::with_channels(3, &[(0, 1), (1, 2), (0, 2)]);
    for node in 0..3 {
        net.set_terms(node, Some(hub_terms()));
    }
    net
}

fn rebalance(net: &mut Net, circle: Circle, amount: u128) -> Result<PaymentStatus, CircleError> {
    let (now, node) = (net.now, &mut net.nodes[0]);
    let random = (Preimage([77; 32]), [78; 32]);
    let hash = node.router.rebalance(now, &node.channels, circle, units(amount), units(50_000), random)?;
    net.collect(0);
    net.run();
    net.pass(Span::seconds(60));
    Ok(net.status(0, hash))
}

fn balance(net: &Net, channel: ChannelId) -> u128 {
    net.machine(0, channel).balance().units()
}

#[test]
fn money_goes_in_a_circle_over_two_other_hubs() {
    let mut net = triangle();
    let circle = Circle { from: net.channel(0, 1), to: net.channel(0, 2) };
    let before = [circle.from, circle.to].map(|channel| balance(&net, channel));
    let last = fee(AMOUNT);
    let first = fee(AMOUNT + last);
    let status = rebalance(&mut net, circle, AMOUNT);
    assert_eq!(status, Ok(PaymentStatus::Paid { preimage: Preimage([77; 32]), fee: units(first + last) }));
    let after = [circle.from, circle.to].map(|channel| balance(&net, channel));
    assert_eq!(after, [before[0] - AMOUNT - first - last, before[1] + AMOUNT]);
    assert_eq!([0, 1, 2].map(|node| net.gain(node)), [-((first + last) as i128), first as i128, last as i128]);
    let is_received = |news: &RoutingNews| matches!(news, RoutingNews::Received { .. });
    assert!(!net.nodes[0].routing_news.iter().any(is_received), "it has earned nothing");
    assert_eq!(net.nodes[0].router.payment_view(Preimage([77; 32]).hash()).unwrap().circle, Some(circle));
    net.assert_clean();
}

#[test]
fn money_goes_from_one_channel_to_another_with_the_same_peer() {
    let mut net = Net::with_channels(3, &[(0, 1), (0, 1), (1, 2)]);
    let both: Vec<ChannelId> = net.nodes[0].channels.iter().filter_map(|(_, machine)| machine.id()).collect();
    let circle = Circle { from: both[1], to: both[0] };
    let before = balance(&net, circle.to);
    let status = rebalance(&mut net, circle, AMOUNT);
    assert!(matches!(status, Ok(PaymentStatus::Paid { .. })), "{status:?}");
    assert_eq!((balance(&net, circle.to), net.gain(0)), (before + AMOUNT, -(fee(AMOUNT) as i128)));
    net.assert_clean();
}

#[test]
fn a_circle_that_can_not_be_gone_is_refused_or_costs_nothing() {
    let mut net = triangle();
    let (from, to) = (net.channel(0, 1), net.channel(0, 2));
    let refused = |net: &mut Net, circle, amount| rebalance(net, circle, amount).unwrap_err();
    assert_eq!(refused(&mut net, Circle { from, to: from }, AMOUNT), CircleError::Same);
    let others = net.channel(1, 2);
    assert_eq!(refused(&mut net, Circle { from, to: others }, AMOUNT), CircleError::NoChannel);
    assert_eq!(refused(&mut net, Circle { from, to }, 4_600_000), CircleError::OwnRoom);
    net.disconnect(1, 2);
    let status = rebalance(&mut net, Circle { from, to }, AMOUNT).unwrap();
    assert!(matches!(status, PaymentStatus::Failed(_)), "{status:?}");
    assert_eq!([0, 1, 2].map(|node| net.gain(node)), [0; 3]);
}

#[test]
fn the_two_channels_that_are_most_uneven_come_near_each_other() {
    let mut net = triangle();
    let (drained, other) = (net.channel(0, 1), net.channel(0, 2));
    assert_eq!(net.nodes[0].router.uneven(&net.nodes[0].channels), None);
    let invoice = net.invoice(1, 4_300_000);
    net.pay(0, &invoice);
    net.run();
    net.pass(Span::seconds(30));
    let (circle, amount) = net.nodes[0].router.uneven(&net.nodes[0].channels).expect("one is drained");
    assert_eq!(circle, Circle { from: other, to: drained });
    let status = rebalance(&mut net, circle, amount.units()).unwrap();
    assert!(matches!(status, PaymentStatus::Paid { .. }), "{status:?}");
    assert_eq!(net.nodes[0].router.uneven(&net.nodes[0].channels), None, "once is enough");
    net.assert_clean();
}
