//! One of the two has lost its disk, with all that it knew of its virtual channels.

use byway_channel::guarantee::{GuaranteeMessage, GuaranteeNews};
use byway_channel::{AddressedMessage, ChannelHandle, ChannelMessage, ChannelNews, Health, Life, Reestablish};
use byway_primitives::{Effect, Span, Time};
use byway_records::channel::{ChannelState, Cosigned, VirtualTerms, WatchSecret};
use byway_records::promise::ChannelId;

use super::create_counter;
use super::disputes::after_fee;
use super::net::{HUB, LIFE, Net, ONE, OTHER, PARTS, secret};

const PAID: u128 = 70_000;

/// A virtual channel in which something has happened.
fn used() -> (Net, ChannelId) {
    let mut net = Net::around_a_hub();
    let id = net.open_virtual();
    create_counter(&mut net, OTHER, id);
    net.transfer(ONE, id, PAID);
    (net, id)
}

fn connect(net: &mut Net, node: usize) {
    for peer in [ONE, HUB, OTHER].into_iter().filter(|peer| *peer != node) {
        net.connect(node, peer);
    }
    net.run();
}

/// Whether a side has all of the channel that the other has.
fn has_it(net: &Net, node: usize, id: ChannelId) -> bool {
    let other = ONE + OTHER - node;
    let has = net.life(node, id) == Some(Life::Open);
    has && net.machine(node, id).position() == net.machine(other, id).position()
        && *net.machine(node, id).health() == Health::Sound
}

fn assert_goes_on(net: &mut Net, node: usize, id: ChannelId) {
    // It is told what time it is on the ledger.
    net.tick(Span::seconds(1));
    net.transfer(node, id, 1_000);
    assert!(has_it(net, node, id), "it goes on");
    net.transfer(ONE + OTHER - node, id, 1_000);
    assert!(has_it(net, node, id));
    net.close(ONE, id);
    net.pass_until("all is paid out by what the three have signed", Net::is_clean);
    assert_eq!(net.registered(), 0, "the ledger has heard of nothing");
    assert_eq!(net.gain(ONE), after_fee(ONE) - PAID as i128);
    assert_eq!(net.gain(OTHER), after_fee(OTHER) + PAID as i128);
    assert_eq!(net.gain(HUB), after_fee(HUB));
}

#[test]
fn who_has_lost_its_disk_is_told_by_the_hub_what_there_is_and_by_the_peer_where_it_stands() {
    for node in [ONE, OTHER] {
        let (mut net, id) = used();
        net.lose_disk(node);
        assert_eq!((net.life(node, id), net.nodes[node].guarantees.own().count()), (None, 0));
        connect(&mut net, node);
        net.pass_until("it has it again", |net| has_it(net, node, id));
        assert!(net.nodes[node].heard.iter().any(|news| matches!(news, ChannelNews::Recovered { .. })));
        assert_goes_on(&mut net, node, id);
    }
}

#[test]
fn whichever_write_it_is_killed_at_meanwhile_it_has_it_in_the_end() {
    for write in 0.. {
        let (mut net, id) = used();
        net.lose_disk(ONE);
        net.writes_left = Some((ONE, write));
        connect(&mut net, ONE);
        net.pass(Span::seconds(10));
        let was_killed = net.writes_left.take().is_none();
        net.pass_until("it has it again", |net| has_it(net, ONE, id));
        if !was_killed {
            assert!(write > 4, "it was killed at each of them");
            return assert_goes_on(&mut net, ONE, id);
        }
    }
}

#[test]
fn a_hub_that_leaves_it_out_keeps_it_from_nobody_whose_peer_is_there() {
    let (mut net, id) = used();
    net.nodes[HUB].is_hiding = true;
    net.lose_disk(ONE);
    connect(&mut net, ONE);
    net.pass_until("its peer has told it", |net| has_it(net, ONE, id));
    assert_goes_on(&mut net, ONE, id);
}

#[test]
fn where_nobody_tells_it_the_guarantee_stays_and_is_asked_for_again() {
    let (mut net, id) = used();
    net.nodes[HUB].is_hiding = true;
    net.lose_disk(ONE);
    net.connect(ONE, HUB);
    net.pass(Span::minutes(5));
    let parent = net.parent(ONE);
    assert_eq!(net.nodes[ONE].guarantees.own().count(), 0);
    let asked = net.nodes[ONE].guarantee_news.iter().filter(|news| **news == GuaranteeNews::Unknown { parent }).count();
    assert!((4..=6).contains(&asked), "once a minute: {asked}");
    net.nodes[HUB].is_hiding = false;
    net.pass_until("the hub has told it", |net| net.nodes[ONE].guarantees.own().count() == 1);
    net.connect(ONE, OTHER);
    net.pass_until("its peer has told where it stands", |net| has_it(net, ONE, id));
    let told = net.nodes[ONE].guarantee_news.len();
    net.pass(Span::minutes(3));
    let unknown = GuaranteeNews::Unknown { parent };
    assert!(!net.nodes[ONE].guarantee_news[told..].contains(&unknown), "all that is there is known");
    assert_goes_on(&mut net, ONE, id);
}

#[test]
fn whose_peer_is_silent_for_good_gets_what_the_ledger_decides() {
    let (mut net, id) = used();
    net.vanish(OTHER);
    net.lose_disk(ONE);
    connect(&mut net, ONE);
    net.pass_until("the hub has told it", |net| net.life(ONE, id) == Some(Life::Open));
    assert_eq!(net.machine(ONE, id).position().round, 0, "nobody says what was paid");
    net.pass(Span(LIFE.0 + 60_000));
    net.pass_until("the hub has ended it", |net| net.outcome(id).is_some());
    assert_eq!(net.outcome(id), Some(PARTS));
    net.pass_until("it is paid", |net| net.nodes[ONE].guarantees.own().count() == 0);
    assert_eq!(net.gain(ONE), after_fee(ONE));
    net.come_back(OTHER);
    net.pass_until("all is over", Net::is_clean);
    assert_eq!((net.gain(HUB), net.gain(OTHER)), (after_fee(HUB), after_fee(OTHER)));
}

#[test]
fn whose_peer_comes_back_in_time_gets_what_both_had() {
    let (mut net, id) = used();
    net.vanish(OTHER);
    net.lose_disk(ONE);
    connect(&mut net, ONE);
    net.pass(Span(LIFE.0));
    net.pass_until("the hub has begun to end it", |net| net.entry(id).is_some());
    net.come_back(OTHER);
    net.pass_until("the ledger has decided", |net| net.outcome(id).is_some());
    assert_eq!(net.outcome(id), Some([PARTS[0] - PAID, PARTS[1] + PAID]));
    net.pass_until("all is over", Net::is_clean);
    assert_eq!(net.gain(ONE), after_fee(ONE) - PAID as i128);
}

#[test]
fn how_both_have_parted_is_told_as_well() {
    let (mut net, id) = used();
    net.nodes[ONE].is_acting = false;
    net.disconnect(ONE, HUB);
    net.close(OTHER, id);
    net.pass_until("the other is paid out", |net| net.nodes[OTHER].guarantees.own().count() == 0);
    net.lose_disk(ONE);
    connect(&mut net, ONE);
    net.pass_until("all is paid out", Net::is_clean);
    assert_eq!((net.registered(), net.gain(ONE)), (0, after_fee(ONE) - PAID as i128));
}

#[test]
fn nothing_is_taken_up_that_is_not_guaranteed_or_not_signed_by_both() {
    let (mut net, id) = used();
    let terms = net.machine(OTHER, id).cosigned_terms().unwrap();
    net.lose_disk(ONE);
    net.nodes[HUB].is_hiding = true;
    net.connect(ONE, HUB);
    net.pass(Span::seconds(30));
    let later = VirtualTerms { ends: terms.body.ends + Span::minutes(1), ..terms.body };
    let unsigned = Cosigned { body: later, ..terms };
    let elsewhere = Cosigned::sign(VirtualTerms { nonce: 99, ..terms.body }, [&secret(ONE), &secret(OTHER)]);
    let forged = Cosigned { signatures: [terms.signatures[1]; 2], ..terms };
    for terms in [unsigned, elsewhere, forged] {
        net.hear(ONE, HUB, GuaranteeMessage::Named { terms });
        assert_eq!(net.nodes[ONE].guarantees.own().count(), 0);
    }
    // Who has nothing to do with it is not told of it, and tells nobody.
    net.nodes[HUB].is_hiding = false;
    let stranger = secret(7).id();
    let (now, node) = (net.now, &mut net.nodes[HUB]);
    node.guarantees.handle_message(now, &node.channels, stranger, GuaranteeMessage::Recall);
    let is_said = |effect: &_| matches!(effect, byway_primitives::Effect::Send { .. });
    assert!(!node.guarantees.poll().iter().any(is_said));
    let node = &mut net.nodes[ONE];
    node.guarantees.handle_message(now, &node.channels, stranger, GuaranteeMessage::Named { terms });
    assert_eq!(node.guarantees.own().count(), 0);
    net.hear(ONE, HUB, GuaranteeMessage::Named { terms });
    assert_eq!(net.nodes[ONE].guarantees.own().count(), 1);
    assert!(net.now > Time::ZERO);
}

/// It says again what the other party would, whose signature that has: on a ledger there are many such states.
#[test]
fn a_stranger_that_greets_does_not_learn_that_something_was_lost() {
    let (mut net, id) = used();
    net.nodes[HUB].is_hiding = true;
    let shown = net.machine(OTHER, id).cosigned().unwrap();
    net.lose_disk(ONE);
    let ChannelState { channel, total, fundings, position, .. } = shown.body;
    let (secret_shown, signatures) = (WatchSecret([7; 16]), Some(shown.signatures));
    let greeting =
        Reestablish { channel, secret: secret_shown, position, total, fundings, signatures, signed: 0, seen: 0 };
    let message = AddressedMessage { handle: ChannelHandle([9; 16]), message: ChannelMessage::Reestablish(greeting) };
    let (now, stranger) = (net.now, secret(7).id());
    net.nodes[ONE].channels.handle_message(now, stranger, message).unwrap();
    net.connect(ONE, HUB);
    net.pass_until("the hub is asked", |net| !net.nodes[ONE].guarantee_news.is_empty());
    let (now, parent, node) = (net.now + Span::minutes(2), net.parent(ONE), &mut net.nodes[ONE]);
    node.guarantees.poll();
    node.guarantees.handle_channel(now, &node.channels, parent);
    let asked = node.guarantees.poll().into_iter().filter_map(|effect| match effect {
        Effect::Send { to, message: GuaranteeMessage::Recall, .. } => Some(to),
        _ => None,
    });
    assert_eq!(asked.collect::<Vec<_>>(), [secret(HUB).id()]);
}

#[test]
fn a_peer_that_asks_over_and_over_what_there_is_is_told_once_in_a_while() {
    let (mut net, _) = used();
    let ask = |net: &mut Net| {
        let (now, peer, node) = (net.now, net.id(ONE), &mut net.nodes[HUB]);
        node.guarantees.handle_message(now, &node.channels, peer, GuaranteeMessage::Recall);
        let is_said = |effect: &_| matches!(effect, Effect::Send { message: GuaranteeMessage::Named { .. }, .. });
        node.guarantees.poll().into_iter().filter(is_said).count()
    };
    assert_eq!([ask(&mut net), ask(&mut net), ask(&mut net)], [1, 0, 0]);
    net.now = net.now + Span::seconds(10);
    assert_eq!(ask(&mut net), 1);
}
