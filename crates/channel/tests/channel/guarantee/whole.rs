//! A virtual channel from its opening to its end, where all three are there.

use byway_primitives::Span;

use super::net::{HUB, Net, ONE, OTHER, PARTS, fee};
use crate::scene::count;

#[test]
fn a_virtual_channel_is_opened_paid_in_and_closed_and_the_ledger_never_hears_of_it() {
    let mut net = Net::around_a_hub();
    let id = net.open_virtual();
    net.transfer(ONE, id, 300_000);
    net.transfer(OTHER, id, 20_000);
    net.transfer(ONE, id, 1_000);
    for node in [ONE, OTHER] {
        assert_eq!(
            net.machine(node, id).position().balances.map(|part| part.units()),
            [PARTS[0] - 281_000, PARTS[1] + 281_000]
        );
    }
    let fees = [fee(PARTS[1]), fee(PARTS[0])];
    let earned = |net: &Net| net.nodes[HUB].guarantees.earned().units();
    assert_eq!(earned(&net), fees[0] + fees[1]);
    net.crash(HUB);
    net.close(OTHER, id);
    net.pass_until("it is over", Net::is_clean);
    net.pass_until("both have seen it", |net| [net.life(ONE, id), net.life(OTHER, id)] == [None; 2]);
    assert_eq!(net.calls, [], "the ledger was handed nothing");
    assert_eq!(net.refused, []);
    assert_eq!(earned(&net), fees[0] + fees[1], "once, whatever is looked at again");
    assert_eq!([ONE, OTHER].map(|node| net.nodes[node].guarantees.earned().units()), [0; 2]);
    assert_eq!(net.gain(ONE), -281_000 - fees[0] as i128);
    assert_eq!(net.gain(OTHER), 281_000 - fees[1] as i128);
    assert_eq!(net.gain(HUB), (fees[0] + fees[1]) as i128, "what it gives in one it gets in the other");
    assert_eq!(net.open_channels(), 2);
    net.pass(Span::minutes(1));
    assert!(net.is_clean());
}

#[test]
fn contracts_run_in_a_virtual_channel_as_in_any() {
    let mut net = Net::around_a_hub();
    let id = net.open_virtual();
    let counter = crate::guarantee::create_counter(&mut net, ONE, id);
    net.call(ONE, id, count(0, counter, 1, 500));
    net.call(OTHER, id, count(1, counter, 1, 300));
    let position = *net.machine(ONE, id).position();
    assert_eq!(&position, net.machine(OTHER, id).position());
    assert_eq!(position.rest(net.machine(ONE, id).total()).unwrap().units(), 800);
    // What the contract still has is halved where both want to part.
    net.close(ONE, id);
    net.close(OTHER, id);
    net.pass_until("it is over", Net::is_clean);
    assert_eq!(net.calls, []);
    assert_eq!(net.gain(ONE), -100 - fee(PARTS[1]) as i128);
    assert_eq!(net.gain(OTHER), 100 - fee(PARTS[0]) as i128);
}
