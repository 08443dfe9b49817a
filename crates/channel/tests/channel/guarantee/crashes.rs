//! Each of the three is killed at each of its writes.

use byway_channel::{Change, Life};
use byway_primitives::Span;
use proptest::prelude::*;

use super::disputes::after_fee;
use super::net::{HUB, Net, ONE, OTHER};
use crate::world::units;

const PAID: u128 = 70_000;

/// The whole way of a virtual channel, whatever happens to it: whether it was opened.
fn whole_way(net: &mut Net) -> bool {
    let key = net.propose_virtual();
    net.pass(Span::seconds(90));
    let id = net.nodes[ONE].channels.get(key).and_then(|machine| machine.id());
    let is_open = id.is_some_and(|id| [ONE, OTHER].map(|node| net.life(node, id)) == [Some(Life::Open); 2]);
    if let Some(id) = id.filter(|_| is_open) {
        let (now, side) = (net.now, net.machine(ONE, id).side());
        let paid =
            net.with(ONE, id, |machine| machine.propose(now, Change::Transfer { from: side, amount: units(PAID) }));
        paid.unwrap();
        net.pass(Span::seconds(20));
        let now = net.now;
        if net.life(OTHER, id) == Some(Life::Open) {
            let _ = net.with(OTHER, id, |machine| machine.close(now));
        }
        net.run();
    }
    net.pass_until("all is over", Net::is_clean);
    net.pass_until("no virtual channel is left", |net| {
        net.nodes.iter().all(|node| node.channels.iter().all(|(_, machine)| machine.virtual_terms().is_none()))
    });
    is_open
}

#[test]
fn whoever_is_killed_at_whichever_write_all_three_come_to_the_same_end() {
    let (mut kills, mut opened) = (0, 0);
    for node in [ONE, HUB, OTHER] {
        for write in 0.. {
            let mut net = Net::around_a_hub();
            net.writes_left = Some((node, write));
            let was_opened = whole_way(&mut net);
            let gains = [ONE, HUB, OTHER].map(|node| net.gain(node));
            // Nobody pays again what it has not written.
            let paid = if gains[2] > 0 { PAID as i128 } else { 0 };
            assert!(paid > 0 || !was_opened || node == ONE, "node {node} at write {write}: it is paid");
            let fees = if gains[1] == 0 { [0; 3] } else { [ONE, HUB, OTHER].map(after_fee) };
            assert_eq!(gains, [fees[0] - paid, fees[1], fees[2] + paid], "node {node} at write {write}");
            if net.writes_left.is_some() {
                break;
            }
            kills += 1;
            opened += u32::from(was_opened);
        }
    }
    // Only what was not written at all is not opened in the end.
    assert!(kills > 30 && opened + 6 > kills, "{opened} of {kills}");
}

#[derive(Debug, Clone, Copy)]
enum Act {
    Kill(usize, usize),
    Cut(usize, usize),
    Mend,
    Pay(usize),
    Pass(u8),
    Close(usize),
    CloseAlone(usize),
    /// A channel with the hub, by one of the two or by the hub.
    CloseParent(usize, bool),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => (0..3usize, 0..12usize).prop_map(|(node, write)| Act::Kill(node, write)),
        2 => prop::sample::select(vec![(ONE, HUB), (HUB, OTHER), (ONE, OTHER)]).prop_map(|(one, other)| Act::Cut(one, other)),
        3 => Just(Act::Mend),
        4 => prop::sample::select(vec![ONE, OTHER]).prop_map(Act::Pay),
        6 => (1..40u8).prop_map(Act::Pass),
        1 => prop::sample::select(vec![ONE, OTHER]).prop_map(Act::Close),
        1 => prop::sample::select(vec![ONE, OTHER]).prop_map(Act::CloseAlone),
        1 => (prop::sample::select(vec![ONE, OTHER]), any::<bool>()).prop_map(|(node, by_hub)| Act::CloseParent(node, by_hub)),
    ]
}

fn mend(net: &mut Net) {
    for (one, other) in [(ONE, HUB), (HUB, OTHER), (ONE, OTHER)] {
        net.connect(one, other);
    }
    net.run();
}

proptest! {
    #![proptest_config(crate::random::config(crate::random::cases() / 4 + 12))]

    #[test]
    fn whatever_happens_everybody_has_its_own_in_the_end(
        is_opened in any::<bool>(),
        acts in prop::collection::vec(act(), 1..14),
    ) {
        let mut net = Net::around_a_hub();
        let key = net.propose_virtual();
        if is_opened {
            net.pass(Span::minutes(1));
        }
        for act in acts {
            let id = net.nodes[ONE].channels.get(key).and_then(|machine| machine.id());
            let known = |net: &Net, node: usize| id.filter(|id| net.life(node, *id).is_some());
            match act {
                Act::Kill(node, write) => net.writes_left = Some((node, write)),
                Act::Cut(one, other) => net.disconnect(one, other),
                Act::Mend => mend(&mut net),
                Act::Pay(node) => {
                    if let Some(id) = known(&net, node) {
                        let (now, side) = (net.now, net.machine(node, id).side());
                        let change = Change::Transfer { from: side, amount: units(1_000) };
                        let _ = net.with(node, id, |machine| machine.propose(now, change));
                        net.run();
                    }
                }
                Act::Pass(seconds) => net.pass(Span::seconds(seconds.into())),
                Act::Close(node) => {
                    if let Some(id) = known(&net, node) {
                        let now = net.now;
                        let _ = net.with(node, id, |machine| machine.close(now));
                        net.run();
                    }
                }
                Act::CloseAlone(node) => {
                    if let Some(id) = known(&net, node) {
                        let now = net.now;
                        let _ = net.with(node, id, |machine| machine.close_alone(now));
                        net.run();
                    }
                }
                Act::CloseParent(node, by_hub) => {
                    let (by, now) = (if by_hub { HUB } else { node }, net.now);
                    let peer = if by_hub { node } else { HUB };
                    let found = net.nodes[by].channels.iter().find(|(key, machine)| {
                        key.peer == net.id(peer) && machine.virtual_terms().is_none()
                    });
                    if let Some(id) = found.and_then(|(_, machine)| machine.id()) {
                        let _ = net.with(by, id, |machine| machine.close_alone(now));
                        net.run();
                    }
                }
            }
        }
        net.writes_left = None;
        mend(&mut net);
        // Who has begun to close a channel with the hub has all of it decided; what is open goes on to its end.
        net.pass_until("all is over", Net::is_clean);
        net.pass_until("no virtual channel is left", |net| {
            net.nodes.iter().all(|node| node.channels.iter().all(|(_, machine)| machine.virtual_terms().is_none()))
        });
        net.pass(Span::minutes(70));
        let gains = [ONE, HUB, OTHER].map(|node| net.gain(node));
        let charged = [ONE, HUB, OTHER].map(|node| net.charged(node));
        let gains = [ONE, HUB, OTHER].map(|node| gains[node] + charged[node]);
        let fees = [0, after_fee(HUB)];
        prop_assert!(fees.contains(&gains[HUB]), "the hub has its fees or nothing: {gains:?} beside {charged:?}: {:?}", net.calls);
        prop_assert_eq!(gains.iter().sum::<i128>(), 0, "nothing comes or goes: {:?} beside {:?}", gains, charged);
        let paid_max = 14_000;
        for node in [ONE, OTHER] {
            prop_assert!(gains[node] + paid_max >= after_fee(node), "{node}: {gains:?} beside {charged:?}");
        }
    }
}
