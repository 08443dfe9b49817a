//! Somebody on the way does what no program of ours does, to have what is a hub's.

use byway_channel::routing::conduit::{self, LockId};
use byway_channel::routing::{
    Exposure, FINAL_TIME, HUBS_MAX, HubTerms, Leg, PayError, PaymentFailure, PaymentHash, PaymentStatus, Preimage,
    Reason, RoutingMessage, RoutingNews, Stage,
};
use byway_channel::{Change, ContractCall, Proposal};
use byway_crypto::IdentitySecret;
use byway_crypto::noise::StaticKey;
use byway_primitives::{Batch, Effect, Span, Time};
use byway_records::channel::Side;
use byway_records::promise::ChannelId;
use byway_vm::{Address, Outcome, State, Target, code_hash};

use super::faults::{holds, line, run_until};
use super::guards::propose;
use super::net::{Net, hub_terms};
use crate::world::units;

const AMOUNT: u128 = 100_000;

/// What creates a contract that has a conduit's code, and in it lock 7 of five WAY of which nobody has paid anything.
fn forgery(payer: Address, payee: Address) -> Vec<u8> {
    let first = code_hash(&[[7; 32], [0; 32]].concat()).0;
    let mut words = [Preimage([9; 32]).hash().0, [0; 32], [0; 32]];
    words[1][4..12].copy_from_slice(&1_700_003_000u64.to_be_bytes());
    words[1][12..].copy_from_slice(&payer.0);
    words[2][4..12].copy_from_slice(&500_000_000u64.to_be_bytes());
    words[2][12..].copy_from_slice(&payee.0);
    let mut created = Vec::new();
    for (offset, word) in (0..).zip(words) {
        let mut slot = first;
        slot[31] = slot[31].checked_add(offset).expect("no carry");
        created.extend([&[0x7f][..], &word, &[0x7f], &slot, &[0x55]].concat());
    }
    let length = (conduit::code().len() as u16).to_be_bytes();
    let before = (created.len() as u16 + 11).to_be_bytes();
    created.extend([0x61, length[0], length[1], 0x80, 0x61, before[0], before[1], 0x5f, 0x39, 0x5f, 0xf3]);
    [&created, conduit::code()].concat()
}

fn creation(input: Vec<u8>) -> ContractCall {
    ContractCall { input, ..conduit::create(Side::Initiator) }
}

/// Puts it into a state; gives its address.
pub fn forge(state: &mut State, run: impl Fn(&mut State, ContractCall) -> Outcome) -> Address {
    let before: Vec<_> = state.contracts().map(|(address, _)| address).collect();
    let forged = creation(forgery(Address([1; 20]), Address([2; 20])));
    assert_eq!((forged.target, run(state, forged)), (Target::Create, Outcome::Returned));
    let new = state.contracts().map(|(address, _)| address).find(|address| !before.contains(address));
    new.expect("it is there")
}

#[test]
fn a_lock_that_nobody_has_paid_for_is_not_sent_on_and_nothing_is_locked_beside_it() {
    let mut net = line();
    let channel = net.channel(0, 1);
    let [payer, hub] = [0, 1].map(|node| Address::from(net.id(node)));
    propose(&mut net, 0, channel, creation(forgery(payer, hub)));
    assert_eq!(net.machine(1, channel).state().contracts().count(), 1, "it is in the hub's channel");
    let (now, peer, lock) = (net.now, net.id(0), LockId([7; 32]));
    let node = &mut net.nodes[1];
    let order = RoutingMessage::Order { channel, lock, sealed: Vec::new() };
    node.router.handle_message(now, &node.channels, peer, order);
    assert_eq!(node.router.on_their_way().count(), 0, "for the hub there is no such lock");
    let invoice = net.invoice(2, AMOUNT);
    let hash = net.pay(0, &invoice);
    net.run();
    net.pass(Span::seconds(30));
    assert!(net.is_paid(0, hash), "{:?}", net.status(0, hash));
    net.assert_clean();
}

/// The lock that the hub has proposed to the payee, and half-signed.
fn half_signed(net: &Net, hub: usize, channel: ChannelId) -> LockId {
    let is_lock = |proposal: &Proposal| match &proposal.change {
        Change::Call(call) => Some(LockId(*call.input.get(4..36)?.first_chunk()?)),
        _ => None,
    };
    net.machine(hub, channel).released().iter().find_map(is_lock).expect("it is half-signed")
}

#[test]
fn a_payee_that_keeps_its_signature_under_a_lock_to_itself_does_not_open_it_once_the_hub_can_not_be_paid() {
    let mut net = line();
    let invoice = net.invoice(2, AMOUNT);
    net.pay(0, &invoice);
    let channel = net.channel(1, 2);
    run_until(&mut net, "the payee has signed the lock", |net| holds(net, 2, 1));
    assert!(!holds(&net, 1, 2), "and the hub does not have that signature");
    net.disconnect(1, 2);
    let id = half_signed(&net, 1, channel);
    net.pass(Span(FINAL_TIME.0 + Span::minutes(12).0));
    assert!(!holds(&net, 0, 1), "the payer has its own lock back");
    let machine = net.machine(2, channel);
    let place = conduit::all(machine.state()).next().unwrap();
    let open = conduit::resolve(Side::Responder, place, &[(id, Some(Preimage([1; 32])))]);
    let now = net.now;
    let channels = &mut net.nodes[2].channels;
    let key = channels.key_of(channel).unwrap();
    channels.with(key, |machine| machine.force(now, &open)).unwrap().unwrap();
    net.collect(2);
    net.run();
    net.pass(Span::minutes(5));
    assert_eq!((net.refused.len(), net.gain(0)), (0, 0));
    assert_eq!(net.gain(1), 0, "the hub has taken its lock back");
}

#[test]
fn a_lock_in_a_channel_whose_journal_can_not_be_read_is_not_taken_for_gone() {
    let mut net = line();
    let invoice = net.invoice(2, AMOUNT);
    let hash = net.pay(0, &invoice);
    run_until(&mut net, "the payee has a lock", |net| holds(net, 1, 2));
    net.nodes[2].is_up = false;
    net.pass(Span::seconds(10));
    let channel = net.channel(1, 2);
    net.vanish(1);
    let disk = &mut net.nodes[1].disk;
    let key = [&[0][..], &channel.0.0].concat();
    let mut record = byway_primitives::Store::load(disk, byway_channel::CHANNELS, &key).expect("it is written");
    record[0] = 200;
    let mut batch = Batch::new();
    batch.put(byway_channel::CHANNELS, key, record);
    disk.apply(&batch);
    net.come_back(1);
    assert_eq!(net.nodes[1].channels.unreadable().count(), 1);
    net.pass(Span::seconds(60));
    assert!(matches!(net.status(0, hash), PaymentStatus::Trying), "the payee may still open it");
    let stages: Vec<_> = net.nodes[1].router.on_their_way().map(|payment| payment.stage).collect();
    assert_eq!((stages, holds(&net, 0, 1)), (vec![Stage::Locked], true));
}

#[test]
fn what_is_on_its_way_to_one_peer_is_bounded_too() {
    // Two payers, each with a channel with the hub.
    let mut net = Net::with_channels(4, &[(0, 1), (1, 2), (1, 3)]);
    let few = HubTerms { per_peer: Exposure { amount: units(1_000_000), payments: 1 }, ..hub_terms() };
    net.set_terms(1, Some(few));
    let invoices = [0; 2].map(|_| net.invoice(3, AMOUNT));
    net.disconnect(1, 3);
    net.connect(1, 3);
    net.run();
    let hashes: Vec<PaymentHash> =
        [0, 2].into_iter().zip(&invoices).map(|(payer, invoice)| net.pay(payer, invoice)).collect();
    let stands = |net: &Net| net.nodes[1].router.on_their_way().count() > 0 && holds(net, 1, 3);
    for _ in 0..200 {
        if stands(&net) {
            break;
        }
        for node in 0..3 {
            net.step(node);
        }
        let _ = net.deliver(0, 1) | net.deliver(1, 0) | net.deliver(2, 1) | net.deliver(1, 2) | net.deliver(1, 3);
        net.step(3);
        net.deliver(3, 1);
    }
    net.nodes[3].is_up = false;
    net.pass(Span::seconds(40));
    let refused = PaymentFailure::OnItsWay(byway_channel::routing::Failure { reason: Reason::Exposure, hop: 1 });
    let of = |node: usize, hash| net.status(node, hash) == PaymentStatus::Failed(refused);
    assert_eq!(usize::from(of(0, hashes[0])) + usize::from(of(2, hashes[1])), 1, "one of the two has to wait");
}

/// What a node says at once.
fn said(net: &mut Net, node: usize) -> Vec<RoutingMessage> {
    let said = net.nodes[node].router.poll().into_iter();
    said.filter_map(|effect| if let Effect::Send { message, .. } = effect { Some(message) } else { None }).collect()
}

#[test]
fn a_question_goes_over_no_more_hubs_than_a_way_may_have() {
    let mut net = line();
    let (now, peer, to) = (net.now, net.id(0), byway_primitives::IdentityId([9; 20]));
    let ask =
        RoutingMessage::Ask { id: byway_channel::routing::QuestionId([1; 16]), to, amount: units(AMOUNT), hubs: 255 };
    let node = &mut net.nodes[1];
    node.router.handle_message(now, &node.channels, peer, ask);
    let said = said(&mut net, 1);
    let [RoutingMessage::Ask { hubs, .. }] = said[..] else { panic!("it is passed on: {said:?}") };
    assert_eq!(usize::from(hubs), HUBS_MAX - 1);
}

#[test]
fn a_way_whose_hub_wants_to_keep_money_for_ever_is_none() {
    let mut net = line();
    let invoice = net.invoice(2, AMOUNT);
    let (now, node) = (net.now, &mut net.nodes[0]);
    node.router.pay(now, &node.channels, &invoice, units(50_000), [9; 32]).unwrap();
    let hub = net.id(1);
    let leg = Leg { hub, key: StaticKey([6; 32]), amount: units(AMOUNT + 1), delta: Span(u64::MAX) };
    // It asks for all of it, and then for ways for parts.
    while net.status(0, invoice.terms.hash) == PaymentStatus::Seeking {
        let said = said(&mut net, 0);
        assert!(!said.is_empty(), "it asks");
        let node = &mut net.nodes[0];
        for message in said {
            let RoutingMessage::Ask { id, .. } = message else { panic!("it asks: {message:?}") };
            node.router.handle_message(now, &node.channels, hub, RoutingMessage::Tell { id, legs: vec![leg] });
        }
    }
    assert_eq!(net.status(0, invoice.terms.hash), PaymentStatus::Failed(PaymentFailure::NoRoute));
}

#[test]
fn a_hub_that_was_away_for_so_long_that_it_can_not_be_paid_counts_no_fee() {
    let mut net = line();
    let invoice = net.invoice(2, AMOUNT);
    net.pay(0, &invoice);
    run_until(&mut net, "the payee has a lock", |net| holds(net, 1, 2));
    run_until(&mut net, "and knows what for", |net| net.nodes[2].router.on_their_way().count() == 1);
    net.vanish(1);
    net.pass(Span(FINAL_TIME.0 + Span::minutes(12).0));
    assert!(!holds(&net, 0, 1), "the payer has its lock back");
    net.come_back(1);
    net.pass(Span::seconds(60));
    let node = &net.nodes[1];
    assert_eq!((node.router.earned().payments, node.router.on_their_way().count()), (0, 0));
    assert!(node.routing_news.contains(&RoutingNews::Lost { amount: units(AMOUNT) }), "{:?}", node.routing_news);
    assert_eq!(net.gain(1), -(AMOUNT as i128));
}

#[test]
fn a_lock_of_nothing_and_an_invoice_for_ever_are_not_written_down() {
    let mut net = line();
    let (channel, lock) = (net.channel(0, 1), LockId([3; 32]));
    propose(&mut net, 0, channel, conduit::create(Side::Initiator));
    let (place, hub) = (conduit::all(net.machine(0, channel).state()).next().unwrap(), Address::from(net.id(1)));
    let (hash, until) = (Preimage([5; 32]).hash(), net.now + FINAL_TIME);
    let nothing = conduit::lock(Side::Initiator, place, lock, hash, until, hub, units(0));
    let channels = &mut net.nodes[0].channels;
    let key = channels.key_of(channel).unwrap();
    let made = channels.with(key, |machine| machine.propose(until, Change::Call(nothing))).unwrap();
    assert!(made.is_err(), "the contract takes none: {made:?}");
    assert!(conduit::read(net.machine(1, channel).state(), place, lock).is_none());
    let (now, peer) = (net.now, net.id(0));
    let node = &mut net.nodes[1];
    let order = RoutingMessage::Order { channel, lock, sealed: Vec::new() };
    node.router.handle_message(now, &node.channels, peer, order);
    assert_eq!(node.router.on_their_way().count(), 0);
    let mut terms = net.invoice(2, AMOUNT).terms;
    terms.expires = Time(u64::MAX);
    let invoice = terms.sign(&IdentitySecret::from_bytes(&[3; 32]).unwrap());
    let node = &mut net.nodes[0];
    assert_eq!(node.router.pay(now, &node.channels, &invoice, units(50_000), [9; 32]), Err(PayError::Endless));
}
