//! Somebody on the way is gone, silent, or goes to the ledger.

use byway_channel::routing::{
    FINAL_TIME, FORCE_AFTER, KEPT_AFTER, PaymentStatus, ROUTING, RoutingNews, Stage, conduit,
};
use byway_channel::{Change, ChannelMessage, ChannelsEffect, CloseError};
use byway_primitives::{Effect, Span, Store};
use byway_records::call::ChannelsCall;
use byway_records::channel::Side;
use byway_records::channel::entry::channel_key;
use byway_records::{Channel, ProgramId};

use super::net::{Net, fee};

const AMOUNT: u128 = 100_000;
/// What the ledger charges for the calls of one node in these tests, at the most.
const CHARGED_MAX: i128 = 400_000;

pub fn line() -> Net {
    Net::with_channels(3, &[(0, 1), (1, 2)])
}

/// Delivers and writes until that holds.
pub fn run_until(net: &mut Net, what: &str, is_so: impl Fn(&Net) -> bool) {
    for _ in 0..3_000 {
        if is_so(net) {
            return;
        }
        for node in 0..net.nodes.len() {
            net.step(node);
        }
        for node in 1..net.nodes.len() {
            let _ = net.deliver(node - 1, node) | net.deliver(node, node - 1);
            if is_so(net) {
                return;
            }
        }
    }
    panic!("it never comes to this: {what}");
}

fn forced(net: &Net) -> usize {
    net.calls.iter().filter(|call| matches!(call, ChannelsCall::ForceProgress(_))).count()
}

/// Whether a lock stands between the two.
pub fn holds(net: &Net, one: usize, other: usize) -> bool {
    conduit::holds(net.machine(one, net.channel(one, other)).state())
}

#[test]
fn a_stuck_hop_does_not_cascade() {
    let mut net = Net::with_channels(4, &[(0, 1), (1, 2), (2, 3)]);
    let invoice = net.invoice(3, AMOUNT);
    let hash = net.pay(0, &invoice);
    run_until(&mut net, "the second hub has a lock", |net| holds(net, 1, 2));
    run_until(&mut net, "and knows what for", |net| net.nodes[2].router.on_their_way().count() == 1);
    net.vanish(2);
    // The lock that went to it stands as long as the payee's and its own delta together.
    net.pass(Span(FINAL_TIME.0 + Span::minutes(10).0 - 60_000));
    assert_eq!((forced(&net), net.nodes[0].router.on_their_way().count()), (0, 1), "it is waited for");
    net.pass(Span(FORCE_AFTER.0 + 150_000));
    assert!(matches!(net.status(0, hash), PaymentStatus::Failed(_)), "{:?}", net.status(0, hash));
    assert_eq!(forced(&net), 1, "one call took the lock back");
    assert_eq!(net.gain(0), 0, "and the payer has all of it again, without the ledger");
    assert_eq!(net.gain(1), 0, "what the ledger takes for that is due when the channel closes");
    assert_eq!(net.open_channels(), 3, "no channel is closed");
    net.come_back(2);
    net.pass(Span::seconds(60));
    assert_eq!((net.gain(2), net.gain(3)), (0, 0));
    assert_eq!(net.open_channels(), 3);
    net.assert_clean();
}

#[test]
fn a_payee_that_is_silent_is_gone_on_without() {
    let mut net = line();
    let invoice = net.invoice(2, AMOUNT);
    let hash = net.pay(0, &invoice);
    run_until(&mut net, "the payee has a lock", |net| holds(net, 1, 2));
    // Connected, and it does nothing.
    net.nodes[2].is_up = false;
    net.pass(Span(FINAL_TIME.0 + FORCE_AFTER.0 + 90_000));
    assert!(matches!(net.status(0, hash), PaymentStatus::Failed(_)), "{:?}", net.status(0, hash));
    assert_eq!((forced(&net), net.gain(0), net.open_channels()), (1, 0, 2));
    assert!(net.nodes[1].router.on_their_way().count() == 0);
}

/// By what way the hub learns the preimage, and by what way it is paid with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Update,
    /// The peer is gone: by force, in an open channel.
    Force,
    /// The peer closes the channel alone.
    Closed,
}

fn known_preimage(downstream: Way, upstream: Way) {
    eprintln!("{downstream:?} {upstream:?}");
    let mut net = line();
    let invoice = net.invoice(2, AMOUNT);
    net.pay(0, &invoice);
    run_until(&mut net, "the payee has a lock", |net| holds(net, 1, 2));
    run_until(&mut net, "and knows what for", |net| net.nodes[2].router.on_their_way().count() == 1);
    let (up, down) = (net.channel(0, 1), net.channel(1, 2));
    // The payer is gone from here on.
    if upstream != Way::Update {
        net.vanish(0);
    }
    match downstream {
        Way::Update => run_until(&mut net, "the hub knows the preimage", knows),
        Way::Force | Way::Closed => {
            net.disconnect(1, 2);
            if downstream == Way::Closed {
                let secret = net.machine(1, down).peer_secret().unwrap();
                net.submit(2, ChannelsCall::CloseSolo { channel: down, side: Side::Responder, secret, state: None });
            }
            for _ in 0..200 {
                if knows(&net) {
                    break;
                }
                net.tick(Span::seconds(5));
                net.run();
            }
            assert!(knows(&net), "the hub learns of it from the ledger; refused: {:?}", net.refused);
        }
    }
    // It crashes right then, and has nothing but its disk.
    while net.step(1) {}
    net.crash(1);
    assert!(knows(&net));
    if upstream == Way::Closed {
        let state = net.machine(0, up).cosigned();
        let secret = net.machine(1, up).peer_secret().unwrap();
        net.submit(0, ChannelsCall::CloseSolo { channel: up, side: Side::Initiator, secret, state });
    }
    let is_closed = [downstream, upstream].contains(&Way::Closed);
    net.pass(Span::minutes(if is_closed { 75 } else { 25 }));
    let (gain, charged) = (net.gain(1), net.charged(1));
    assert_eq!(
        gain,
        fee(AMOUNT) as i128 - charged,
        "the payer has paid; charged {charged}, refused: {:?}",
        net.refused
    );
    assert!(charged <= if is_closed { CHARGED_MAX } else { 0 }, "{charged}");
    let entries = net.world.ledger.tree(ProgramId::CHANNELS).unwrap();
    let is_open = |channel| entries.read::<Channel>(&channel_key(channel)).is_some();
    let expected = (upstream != Way::Closed, downstream != Way::Closed);
    assert_eq!((is_open(up), is_open(down)), expected, "nobody else closes a channel");
    assert_eq!(forced(&net) > 0, (downstream, upstream) != (Way::Update, Way::Update));
}

fn knows(net: &Net) -> bool {
    net.nodes[1].router.on_their_way().any(|payment| matches!(payment.stage, Stage::Claiming(_)))
}

#[test]
fn a_known_preimage_survives_a_restart_on_both_close_paths() {
    for downstream in [Way::Update, Way::Force, Way::Closed] {
        for upstream in [Way::Update, Way::Force, Way::Closed] {
            known_preimage(downstream, upstream);
        }
    }
}

#[test]
fn a_lock_in_a_channel_that_is_closing_is_not_sent_on() {
    let mut net = line();
    let invoice = net.invoice(2, AMOUNT);
    net.pay(0, &invoice);
    let (channel, next) = (net.channel(0, 1), net.channel(1, 2));
    run_until(&mut net, "the hub has a lock", |net| holds(net, 1, 0));
    assert_eq!(net.nodes[1].router.on_their_way().count(), 0, "and does not know what for");
    let state = net.machine(0, channel).cosigned();
    let secret = net.machine(1, channel).peer_secret().unwrap();
    net.submit(0, ChannelsCall::CloseSolo { channel, side: Side::Initiator, secret, state });
    net.tick(Span::seconds(5));
    // Now it is told. What it would send on could be opened after the channel has paid out.
    net.run();
    net.pass(Span::seconds(30));
    let is_refused = |news: &RoutingNews| matches!(news, RoutingNews::Refused { .. });
    assert!(net.nodes[1].routing_news.iter().any(is_refused));
    assert!(!conduit::holds(net.machine(1, next).state()));
    net.pass(Span::minutes(75));
    let charged = net.charged(1);
    assert_eq!((net.gain(1), net.gain(2)), (-charged, 0));
    assert!(charged <= CHARGED_MAX, "{charged}");
}

#[test]
fn what_can_not_be_paid_any_more_is_forgotten() {
    let mut net = line();
    let [paid, unpaid, failed] = [AMOUNT, AMOUNT, 900].map(|amount| net.invoice(2, amount));
    let [paid, failed] = [paid, failed].map(|invoice| net.pay(0, &invoice));
    net.run();
    net.pass(Span::seconds(30));
    assert!(net.is_paid(0, paid) && matches!(net.status(0, failed), PaymentStatus::Failed(_)));
    let kept = |net: &Net, node: usize| net.nodes[node].disk.scan_prefix(ROUTING, &[]).len();
    assert_eq!((kept(&net, 0), kept(&net, 2)), (2, 3));
    net.tick(Span(unpaid.terms.expires.since(net.now).0 + KEPT_AFTER.0 - 1_000));
    net.run();
    assert_eq!((kept(&net, 0), kept(&net, 2)), (2, 3));
    net.tick(Span::seconds(5));
    net.run();
    assert_eq!((kept(&net, 0), kept(&net, 2)), (1, 1), "what was paid stays");
    net.crash(2);
    assert_eq!(kept(&net, 2), 1);
}

#[test]
fn a_channel_is_not_closed_together_while_a_payment_is_on_its_way_in_it() {
    let mut net = line();
    let invoice = net.invoice(2, AMOUNT);
    let hash = net.pay(0, &invoice);
    run_until(&mut net, "the payee has a lock", |net| holds(net, 1, 2));
    net.nodes[2].is_up = false;
    let (now, channel) = (net.now, net.channel(0, 1));
    for node in [0, 1] {
        let channels = &mut net.nodes[node].channels;
        let key = channels.key_of(channel).unwrap();
        assert_eq!(channels.with(key, |machine| machine.close(now)), Some(Err(CloseError::OnTheirWay)));
        // Nor is the close signed that the peer asks for.
        let asked = channels.with(key, |machine| machine.handle_message(now, ChannelMessage::Shutdown));
        assert_eq!(asked, Some(Ok(())));
        let said = channels.poll().into_iter().map(|(_, effect)| effect);
        let is_signed = |effect: ChannelsEffect| match effect {
            Effect::Send { message, .. } => matches!(message.message, ChannelMessage::ClosingSigned { .. }),
            _ => false,
        };
        assert!(!said.into_iter().any(is_signed));
    }
    assert!(matches!(net.status(0, hash), PaymentStatus::Trying));
}

#[test]
fn a_second_contract_that_the_peer_puts_into_the_channel_hides_no_lock() {
    let mut net = line();
    let invoice = net.invoice(2, AMOUNT);
    let hash = net.pay(0, &invoice);
    run_until(&mut net, "the payee has a lock", |net| holds(net, 1, 2));
    net.nodes[2].is_up = false;
    let channel = net.channel(0, 1);
    let lowest = |net: &Net| conduit::all(net.machine(1, channel).state()).next().unwrap();
    let first = lowest(&net);
    for _ in 0..40 {
        let now = net.now;
        let channels = &mut net.nodes[0].channels;
        let key = channels.key_of(channel).unwrap();
        channels
            .with(key, |machine| machine.propose(now, Change::Call(conduit::create(machine.side()))))
            .unwrap()
            .unwrap();
        net.collect(0);
        net.run();
        if lowest(&net) != first {
            break;
        }
    }
    assert_ne!(lowest(&net), first, "another one is found first now");
    net.nodes[2].is_up = true;
    net.pass(Span::seconds(60));
    assert!(net.is_paid(0, hash), "{:?}", net.status(0, hash));
    let (amount, fee) = (AMOUNT as i128, fee(AMOUNT) as i128);
    assert_eq!([0, 1, 2].map(|node| net.gain(node)), [-amount - fee, fee, amount]);
    net.assert_clean();
}

#[test]
fn a_hub_that_was_paid_and_starts_anew_at_any_point_does_not_take_that_for_lost() {
    for steps in 0..12 {
        let mut net = line();
        let invoice = net.invoice(2, AMOUNT);
        let hash = net.pay(0, &invoice);
        run_until(&mut net, "the hub knows the preimage", knows);
        // That is on disk. Its own lock stays as long as the payee is away.
        while net.step(1) {}
        net.vanish(2);
        for _ in 0..steps {
            net.step(1);
            let _ = net.deliver(0, 1) | net.deliver(1, 0);
            net.step(0);
        }
        net.crash(1);
        net.pass(Span::seconds(30));
        assert!(net.is_paid(0, hash) && !holds(&net, 0, 1) && net.nodes[1].router.on_their_way().count() == 1);
        net.pass(Span::minutes(40));
        net.crash(1);
        net.come_back(2);
        net.pass(Span::seconds(30));
        let is_lost = |news: &RoutingNews| matches!(news, RoutingNews::Lost { .. });
        let is_forwarded = |news: &RoutingNews| matches!(news, RoutingNews::Forwarded { .. });
        let news = &net.nodes[1].routing_news;
        let told =
            (news.iter().filter(|news| is_lost(news)).count(), news.iter().filter(|news| is_forwarded(news)).count());
        assert_eq!(told, (0, 1), "after {steps} steps");
        assert_eq!(net.gain(1), fee(AMOUNT) as i128);
        net.assert_clean();
    }
}
