//! A hub whose disk is an old one, or whose stores are of different ages.

use byway_channel::routing::{FINAL_TIME, ROUTING, Stage, conduit};
use byway_channel::{CHANNELS, CloseError};
use byway_primitives::{Batch, MemoryStore, Space, Span, Store};
use byway_records::call::ChannelsCall;

use super::faults::{holds, line, run_until};
use super::net::{Net, fee};

const AMOUNT: u128 = 100_000;
/// As long as the payer's lock stands, and a little more.
const LOCKED: Span = Span(FINAL_TIME.0 + 15 * 60_000);

fn knows(net: &Net) -> bool {
    net.nodes[1].router.on_their_way().any(|payment| matches!(payment.stage, Stage::Claiming(_)))
}

fn is_closing(call: &ChannelsCall) -> bool {
    matches!(call, ChannelsCall::CloseSolo { .. })
}

/// The hub has learnt a preimage, and not opened the payer's lock with it. Gives its disk of then.
fn with_preimage(net: &mut Net) -> MemoryStore {
    let invoice = net.invoice(2, AMOUNT);
    net.pay(0, &invoice);
    run_until(net, "the payee has a lock", |net| holds(net, 1, 2));
    run_until(net, "and knows what for", |net| net.nodes[2].router.on_their_way().count() == 1);
    run_until(net, "the hub knows the preimage", knows);
    while net.step(1) {}
    net.nodes[1].disk.clone()
}

/// A call of the hub's that does nothing makes a round, after which it is the payer's turn: the hub forces nothing more.
fn use_turn(net: &mut Net) {
    let (now, channel) = (net.now, net.channel(0, 1));
    let machine = net.machine(1, channel);
    let call = conduit::resolve(machine.side(), conduit::all(machine.state()).next().unwrap(), &[]);
    let channels = &mut net.nodes[1].channels;
    channels.with(channels.key_of(channel).unwrap(), |machine| machine.force(now, &call)).unwrap().unwrap();
    net.collect(1);
    net.run();
}

#[test]
fn a_hub_closes_by_itself_what_it_can_not_force_and_never_where_it_was_not_heard_since_its_start() {
    for is_started_anew in [false, true] {
        let mut net = line();
        with_preimage(&mut net);
        net.vanish(0);
        if is_started_anew {
            // Its disk has all; but neither it nor anybody else can tell.
            net.crash(1);
        }
        use_turn(&mut net);
        net.pass(LOCKED);
        let channel = net.channel(1, 0);
        let closed = net.calls.iter().filter(|call| is_closing(call)).count();
        let machine = net.machine(1, channel);
        assert_eq!((closed, machine.waits_for_word()), (usize::from(!is_started_anew), is_started_anew));
    }
}

#[test]
fn a_hub_with_an_old_disk_closes_nothing_and_nobody_is_at_a_loss_once_its_peer_is_back() {
    for is_turn_used in [false, true] {
        let mut net = line();
        let old = with_preimage(&mut net);
        net.run();
        net.pass(Span::seconds(30));
        let again = net.invoice(2, AMOUNT);
        let hash = net.pay(0, &again);
        net.run();
        net.pass(Span::seconds(30));
        assert!(net.is_paid(0, hash));
        let gains = [0, 1, 2].map(|node| net.gain(node));
        assert_eq!(gains[1], 2 * fee(AMOUNT) as i128);
        // Neither peer is there when it starts from the old disk, on which a lock is near its time.
        net.vanish(0);
        net.vanish(2);
        net.restore(1, old);
        assert!(knows(&net));
        if is_turn_used {
            use_turn(&mut net);
        }
        net.pass(LOCKED);
        assert!(!net.calls.iter().any(is_closing), "whatever is near its time");
        assert_eq!(net.machine(1, net.channel(1, 0)).waits_for_word(), is_turn_used);
        let (now, channel) = (net.now, net.channel(1, 0));
        let channels = &mut net.nodes[1].channels;
        let closed = channels.with(channels.key_of(channel).unwrap(), |machine| machine.close_unasked(now));
        assert_eq!(closed, Some(Err(CloseError::Unheard)));
        net.come_back(0);
        net.come_back(2);
        net.pass(Span::minutes(3));
        assert_eq!([0, 1, 2].map(|node| net.gain(node)), gains, "what was forced on the old state is undone");
        assert_eq!(net.open_channels(), 2);
        net.assert_clean();
        // And all go on.
        let more = net.invoice(2, AMOUNT);
        let hash = net.pay(0, &more);
        net.run();
        net.pass(Span::seconds(30));
        assert!(net.is_paid(0, hash), "{:?}", net.status(0, hash));
    }
}

/// A disk with what another has in one space.
fn with_space(disk: &MemoryStore, other: &MemoryStore, space: Space) -> MemoryStore {
    let (mut disk, mut batch) = (disk.clone(), Batch::new());
    for (key, _) in disk.scan_prefix(space, &[]) {
        batch.delete(space, key);
    }
    for (key, value) in other.scan_prefix(space, &[]) {
        batch.put(space, key, value);
    }
    disk.apply(&batch);
    disk
}

/// So many steps of a payment.
fn steps(net: &mut Net, from: usize, to: usize) {
    for step in from..to {
        for node in 0..3 {
            net.step(node);
        }
        let (from, to) = [(0, 1), (1, 0), (1, 2), (2, 1)][step % 4];
        net.deliver(from, to);
    }
}

#[test]
fn where_the_hubs_stores_disagree_nobody_is_at_a_loss_and_nothing_is_closed() {
    // Its channels are as they are and its router's journal is of before, or the other way round.
    for space in [ROUTING, CHANNELS] {
        for first in (0..100).step_by(9) {
            for later in [5, 25, 60] {
                let mut net = line();
                let invoice = net.invoice(2, AMOUNT);
                net.step(2);
                let hash = net.pay(0, &invoice);
                steps(&mut net, 0, first);
                let old = net.nodes[1].disk.clone();
                steps(&mut net, first, first + later);
                let disk = with_space(&net.nodes[1].disk, &old, space);
                net.restore(1, disk);
                net.pass(Span::minutes(3));
                let what = format!("{space:?} of step {first}, in step {}", first + later);
                let gains = [0, 1, 2].map(|node| net.gain(node));
                let parts = net.nodes[0].router.payment_view(hash).map_or(1, |view| view.ways.len().max(1)) as u128;
                let (amount, fee) = (AMOUNT as i128, (parts * fee(AMOUNT / parts)) as i128);
                let due = if net.is_paid(0, hash) { [-amount - fee, fee, amount] } else { [0; 3] };
                assert_eq!(gains, due, "{what}");
                assert_eq!(net.open_channels(), 2, "{what}");
                assert!(!net.calls.iter().any(is_closing), "{what}");
                net.assert_clean();
            }
        }
    }
}
