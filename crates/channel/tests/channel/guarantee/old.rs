//! A hub or a party whose disk is an old one, with guarantees in its channels.

use byway_channel::{CloseError, Life};
use byway_primitives::Span;
use byway_records::call::ChannelsCall;

use super::net::{HUB, Net, ONE, OTHER};

fn is_closing(call: &ChannelsCall) -> bool {
    matches!(call, ChannelsCall::CloseSolo { .. })
}

#[test]
fn whoever_has_an_old_disk_and_hears_nobody_closes_no_channel_whatever_it_guarantees() {
    for victim in [ONE, HUB, OTHER] {
        let mut net = Net::around_a_hub();
        let before = net.nodes[victim].disk.clone();
        let id = net.open_virtual();
        let opened = net.nodes[victim].disk.clone();
        net.transfer(ONE, id, 70_000);
        net.pass(Span::seconds(30));
        for old in [before, opened] {
            let others = [ONE, HUB, OTHER].into_iter().filter(|node| *node != victim);
            others.clone().for_each(|node| net.vanish(node));
            net.restore(victim, old);
            let channels: Vec<_> = net.nodes[victim].channels.iter().map(|(key, _)| key).collect();
            net.pass(Span::minutes(30));
            let now = net.now;
            for key in channels {
                let closed = net.nodes[victim].channels.with(key, |machine| machine.close_unasked(now));
                assert!(matches!(closed, Some(Err(CloseError::Unheard | CloseError::NotOpen))), "{closed:?}");
            }
            net.collect(victim);
            assert!(!net.calls.iter().any(is_closing), "{victim}: {:?}", net.calls);
            others.for_each(|node| net.come_back(node));
            net.pass(Span::minutes(1));
        }
        for node in [ONE, OTHER] {
            let parent = net.parent(node);
            let lives = [net.life(node, parent), net.life(HUB, parent)];
            assert_eq!(lives, [Some(Life::Open); 2], "{victim}: the channels with the hub go on");
        }
    }
}
