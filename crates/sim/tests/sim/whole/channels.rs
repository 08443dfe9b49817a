//! Channels over a real kernel: what two have signed is what the ledger pays out, whatever fails, and whoever cheats.

use byway_channel::{ChannelKey, Life};
use byway_primitives::{Amount, MemoryStore};
use byway_sim::peer::channels::{ChannelCommand, LOCK, RESERVE};
use byway_sim::peer::{Buying, Conduct, PeerCommand, PeerNode, PeerPlan, Role};
use byway_sim::{Act, Plan, WholeSim};

use crate::{is_long, seeds};

/// Paid into each account.
const DEPOSIT: Amount = Amount::from_coins(5);
/// What each puts into a channel beside the reserve.
const FREE: Amount = Amount::from_coins(1);
const CENT: Amount = Amount::from_units(byway_primitives::amount::ONE / 100);
/// Longer than a lock period, with what goes wrong on the way.
const PATIENCE_MS: u64 = 120_000;

/// So many market nodes, each with an account.
fn plan(seed: u64, peers: usize) -> Plan {
    let peer = PeerPlan::new(Role::Client(Buying { deposit: DEPOSIT }));
    Plan { peers: vec![peer; peers], ..Plan::kernel_only(seed) }
}

fn cents(count: u64) -> Amount {
    Amount::cost(CENT, count, 1).expect("small")
}

fn command(sim: &mut WholeSim, delay_ms: u64, (by, with): (usize, usize), command: ChannelCommand) {
    sim.command_in(delay_ms, by, PeerCommand::Channel { peer: with, command });
}

/// The channel that one has with another, on its side.
fn key_of(sim: &WholeSim, by: usize, with: usize) -> Option<(&PeerNode, ChannelKey)> {
    let node = sim.peer(by)?;
    let key = node.market().channels().with_peer(sim.id(with)).map(|(key, _)| key).next();
    key.map(|key| (node, key))
}

/// How one side of a channel sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct View {
    round: u64,
    is_free: bool,
    /// What it has in the end, if nothing more happens: by the state, and by promises that aren't absorbed.
    own: Amount,
}

fn view(sim: &WholeSim, by: usize, with: usize) -> Option<View> {
    let (node, key) = key_of(sim, by, with)?;
    let channel = node.market().channels().get(key)?;
    let (side, position) = (channel.side(), channel.position());
    let due = |payer: byway_records::channel::Side| {
        let absorbed = position.lanes[payer.index()].absorbed.amount;
        channel.promised(payer).amount.saturating_sub(absorbed)
    };
    let lane = position.lanes[side.index()].capacity;
    let has = position.balances[side.index()].checked_add(lane)?.checked_add(due(side.other()))?;
    Some(View {
        round: position.round,
        is_free: channel.is_connected() && channel.is_free(),
        own: has.saturating_sub(due(side)),
    })
}

fn is_open(sim: &WholeSim, by: usize, with: usize) -> bool {
    let life = key_of(sim, by, with).and_then(|(node, key)| Some(node.market().channels().get(key)?.life()));
    life == Some(Life::Open)
}

/// Both have a channel that the ledger knows.
fn open(sim: &mut WholeSim, pairs: &[(usize, usize)]) {
    sim.run_until(60_000, "accounts", |sim| (0..sim.plan.peers.len()).all(|peer| sim.account(peer).balance == DEPOSIT));
    for pair in pairs {
        command(sim, 0, *pair, ChannelCommand::Open { free: FREE });
    }
    sim.run_until(60_000, "the channels", |sim| {
        pairs.iter().all(|(a, b)| is_open(sim, *a, *b) && is_open(sim, *b, *a))
    });
}

/// Until nothing is on its way, and both say the same.
fn quiet(sim: &mut WholeSim, (a, b): (usize, usize)) -> [View; 2] {
    sim.run_until(PATIENCE_MS, "both agree", |sim| match (view(sim, a, b), view(sim, b, a)) {
        (Some(one), Some(other)) => {
            let all = one.own.checked_add(other.own);
            one.is_free && other.is_free && one.round == other.round && all == Some(total())
        }
        _ => false,
    });
    [view(sim, a, b), view(sim, b, a)].map(|view| view.expect("it was there a moment ago"))
}

/// Of one channel.
fn total() -> Amount {
    Amount::cost(RESERVE.checked_add(FREE).expect("small"), 2, 1).expect("small")
}

/// No entry of a channel is left, and both have what they had in the account and in channels, but for what the ledger took for calls.
fn assert_paid_out(sim: &mut WholeSim, pairs: &[(usize, usize)], views: &[[View; 2]]) {
    sim.run_until(PATIENCE_MS, "the channels are over", |sim| {
        let is_over = |by: usize, with: usize| sim.peer(by).is_some() && key_of(sim, by, with).is_none();
        pairs.iter().all(|(a, b)| is_over(*a, *b) && is_over(*b, *a))
    });
    let deposit = RESERVE.checked_add(FREE).expect("small");
    for peer in 0..sim.plan.peers.len() {
        let mine = pairs.iter().zip(views).flat_map(|((a, b), views)| [(*a, views[0]), (*b, views[1])]);
        let mine: Vec<View> = mine.filter(|(of, _)| *of == peer).map(|(_, view)| view).collect();
        let count = mine.len() as u64;
        let put_in = Amount::cost(deposit, count, 1).expect("small");
        let comes_out = Amount::checked_sum(mine.iter().map(|view| view.own)).expect("small");
        let expected = DEPOSIT.saturating_sub(put_in).checked_add(comes_out).expect("small");
        let has = sim.account(peer).balance;
        let fees_max = Amount::cost(RESERVE, count, 1).expect("small");
        let seed = sim.seed();
        assert!(has <= expected, "seed {seed}: {peer} has {has}, and is due {expected}");
        assert!(has.checked_add(fees_max).expect("small") >= expected, "seed {seed}: {peer} has {has} of {expected}");
    }
}

#[test]
fn two_pay_each_other_by_updates_and_by_promises_and_part_together() {
    seeds(1, 20, |seed| {
        let mut sim = plan(seed, 2).build();
        open(&mut sim, &[(0, 1)]);
        command(&mut sim, 0, (0, 1), ChannelCommand::Lane { capacity: cents(30) });
        for number in 0..5 {
            command(&mut sim, 100 * number, (0, 1), ChannelCommand::Pay { amount: cents(3) });
            command(&mut sim, 130 * number, (1, 0), ChannelCommand::Pay { amount: cents(1) });
            command(&mut sim, 3_000 + 50 * number, (0, 1), ChannelCommand::Promise { amount: cents(2) });
        }
        sim.run_ms(4_000);
        let views = quiet(&mut sim, (0, 1));
        // Fifteen and ten have gone one way, and five the other.
        let deposit = RESERVE.checked_add(FREE).expect("small");
        let expected = [deposit.saturating_sub(cents(20)), deposit.checked_add(cents(20)).expect("small")];
        assert_eq!(views.map(|view| view.own), expected, "seed {seed}");
        command(&mut sim, 0, (0, 1), ChannelCommand::Close);
        assert_paid_out(&mut sim, &[(0, 1)], &[views]);
    });
}

/// Three who have channels with each other pay all the time, while nodes crash at any of their writes, links break and kernel nodes are
/// cut off. In the end they part in all ways that there are.
#[test]
fn whatever_fails_the_ledger_pays_out_what_both_have_signed() {
    const PAIRS: [(usize, usize); 3] = [(0, 1), (1, 2), (2, 0)];
    seeds(2, 40, |seed| {
        let mut sim = plan(seed, 3).build();
        open(&mut sim, &PAIRS);
        for (at, pair) in PAIRS.into_iter().enumerate() {
            command(&mut sim, 0, pair, ChannelCommand::Lane { capacity: cents(20) });
            for number in 0..20 {
                let delay = 400 * number + 70 * at as u64;
                let (payer, payee) = if (seed + number) % 3 == 0 { (pair.1, pair.0) } else { pair };
                command(&mut sim, delay, (payer, payee), ChannelCommand::Pay { amount: cents(1 + number % 3) });
                command(&mut sim, delay + 200, pair, ChannelCommand::Promise { amount: cents(1) });
            }
        }
        for peer in 0..3u64 {
            let node = sim.node_of(peer as usize);
            let written = sim.world.disk(node).persists();
            for crash in 0..if is_long() { 6 } else { 3 } {
                let draw = sim.world.random().below(25);
                sim.crash_at_persist(node, written + 2 + draw + 20 * crash, (seed + peer + crash) % 2 == 0);
            }
            let cut = 700 + 900 * peer + sim.world.random().below(900);
            sim.command_in(cut, peer as usize, PeerCommand::CutLinks);
        }
        sim.partition_in(2_000 + 100 * (seed % 20), &[0, 6], 2_500);
        sim.restart_in(3_000, 2, 500);
        sim.run_ms(10_000);
        let views: Vec<[View; 2]> = PAIRS.into_iter().map(|pair| quiet(&mut sim, pair)).collect();
        command(&mut sim, 0, PAIRS[0], ChannelCommand::Close);
        command(&mut sim, 0, PAIRS[1], ChannelCommand::CloseAlone);
        command(&mut sim, 300, PAIRS[2], ChannelCommand::CloseAlone);
        // The other side of one is away for half of the time that there is.
        sim.restart_in(100, sim.node_of(0), LOCK.millis.0 / 2);
        assert_paid_out(&mut sim, &PAIRS, &views);
    });
}

/// Whoever closes with an old state gets what the newest says: the other answers in time, though it was away for a while.
#[test]
fn who_closes_with_an_old_state_gains_nothing() {
    seeds(2, 40, |seed| {
        let mut sim = plan(seed, 2).with_conduct(0, Conduct::StaleCloser).build();
        open(&mut sim, &[(0, 1)]);
        command(&mut sim, 0, (0, 1), ChannelCommand::Pay { amount: cents(1) });
        for number in 0..6 {
            command(&mut sim, 500 + 100 * number, (0, 1), ChannelCommand::Pay { amount: cents(10) });
        }
        sim.run_ms(2_500);
        let views = quiet(&mut sim, (0, 1));
        let deposit = RESERVE.checked_add(FREE).expect("small");
        assert_eq!(views[0].own, deposit.saturating_sub(cents(61)), "seed {seed}: all was paid");
        command(&mut sim, 0, (0, 1), ChannelCommand::CloseAlone);
        sim.restart_in(10, sim.node_of(1), LOCK.millis.0 / 3);
        assert_paid_out(&mut sim, &[(0, 1)], &[views]);
    });
}

/// Whoever has lost its disk is shown the newest state by its peer, and nobody closes with the first.
#[test]
fn who_has_lost_its_disk_gets_what_it_had() {
    seeds(1, 20, |seed| {
        let mut sim = plan(seed, 2).build();
        open(&mut sim, &[(0, 1)]);
        for number in 0..4 {
            command(&mut sim, 100 * number, (0, 1), ChannelCommand::Pay { amount: cents(10) });
        }
        sim.run_ms(1_500);
        let views = quiet(&mut sim, (0, 1));
        let node = sim.node_of(1);
        sim.world.act_in(0, Act::Crash { node });
        sim.run_ms(100);
        sim.world.replace_disk(node, MemoryStore::new());
        sim.world.act_in(0, Act::Start { node });
        let after = quiet(&mut sim, (0, 1));
        assert_eq!(after.map(|view| view.own), views.map(|view| view.own), "seed {seed}: it was shown");
        command(&mut sim, 0, (1, 0), ChannelCommand::Close);
        assert_paid_out(&mut sim, &[(0, 1)], &[views]);
    });
}
