//! Sessions that are paid out of the lane of a channel.

use byway_dialogue::payment::{OverLimit, PayFrom};
use byway_primitives::Amount;

use crate::rig::channel::{ByLane, RESERVE};
use crate::rig::{Rig, Side};
use crate::strict::sign_twice;
use crate::terms::{Terms, WINDOW_CEILING};
use crate::{DOWNLOAD, cost};

fn plus(one: Amount, other: Amount) -> Amount {
    one.checked_add(other).expect("fits")
}

/// What the provider has received, by whatever way.
fn received(rig: &Rig) -> Amount {
    rig.promised_and_received().1
}

/// Both have a channel in which the client has this much, and it pays out of it.
fn rig(seed: u64, free: Amount) -> Rig {
    let mut rig = Rig::new(seed);
    rig.connect();
    rig.open_channel(1, free);
    rig.pay_from(PayFrom::Lane);
    // What was said so is durable by then.
    rig.pump_for(100);
    rig
}

#[test]
fn a_session_is_paid_out_of_a_lane_that_is_filled_up_before_it_runs_dry() {
    let mut rig = rig(1, Amount::from_coins(1));
    rig.open_session();
    rig.download(10 * DOWNLOAD);
    rig.stop_session();
    rig.settle_down();
    let ByLane { given, taken } = rig.by_lane();
    assert_eq!((given, given), (taken, received(&rig)), "what was promised has arrived, and is counted");
    let used = cost(10 * DOWNLOAD);
    assert!(given >= used && given <= plus(used, WINDOW_CEILING), "{given} for {used}");
    assert_eq!(rig.promised_and_received().0, Amount::ZERO, "nothing on the account");
    assert!(rig.unsettled().is_empty());
    let rounds = rig.client.market.channels().iter().map(|(_, channel)| channel.position().round).max();
    assert!(rounds.is_some_and(|rounds| (1..=3).contains(&rounds)), "{rounds:?}: a round is a rare thing");
    assert!(rig.planes.pause_max.0 < 200, "it stood still for {:?}", rig.planes.pause_max);
}

#[test]
fn what_is_promised_is_taken_into_the_balance_once_it_is_half_of_the_lane() {
    let mut rig = rig(8, cost(10 * DOWNLOAD));
    rig.open_session();
    rig.download(8 * DOWNLOAD);
    rig.settle_down();
    let (_, theirs) = rig.provider.market.channels().iter().next().expect("it is open");
    let payer = theirs.side().other();
    let (lane, promised) = (theirs.position().lanes[payer.index()], theirs.promised(payer));
    assert!(lane.absorbed.amount >= cost(2 * DOWNLOAD), "{lane:?}");
    assert!(lane.due(promised).units() * 2 < lane.capacity.units(), "{lane:?} and {promised:?}");
    assert_eq!(theirs.balance(), plus(RESERVE, lane.absorbed.amount));
}

#[test]
fn whoever_gets_no_credit_pays_out_of_a_lane() {
    let mut rig = Rig::with_terms(2, Terms { exposure_max: Amount::ZERO, ..Terms::default() });
    rig.connect();
    rig.open_channel(1, Amount::from_coins(1));
    rig.pay_from(PayFrom::Lane);
    rig.open_session();
    rig.download(DOWNLOAD);
    assert!(received(&rig) >= cost(DOWNLOAD));
}

/// Either side crashes after each write of a session in turn, and comes back: what the lanes say is what both have counted.
#[test]
fn a_crash_after_any_write_loses_and_doubles_nothing() {
    let step = if std::env::var_os("BYWAY_TEST_LONG").is_some() { 1 } else { 4 };
    for side in [Side::Client, Side::Provider] {
        for write in (1..100).step_by(step) {
            let mut rig = rig(write as u64, Amount::from_coins(1));
            let before = rig.node(side).writes;
            rig.crash_after(side, before + write);
            rig.open_session();
            rig.download(DOWNLOAD);
            rig.settle_down();
            let ByLane { given, taken } = rig.by_lane();
            let what = format!("{side:?} crashed after write {write}");
            assert_eq!((given, given), (taken, received(&rig)), "{what}");
            assert_eq!(rig.promised_and_received().0, Amount::ZERO, "{what}: it still pays out of the lane");
            let least = cost(DOWNLOAD).saturating_sub(WINDOW_CEILING);
            let most = plus(cost(DOWNLOAD), plus(WINDOW_CEILING, WINDOW_CEILING));
            assert!(given >= least && given <= most, "{what}: {given} promised");
            assert!(rig.credit_only_rose(), "{what}: credit went back");
        }
    }
}

#[test]
fn what_is_lost_on_the_way_is_said_again() {
    let mut rig = rig(3, Amount::from_coins(1));
    rig.open_session();
    for part in 1..=6 {
        rig.download(DOWNLOAD / 2 * part);
        rig.break_link();
        rig.connect();
    }
    rig.settle_down();
    let ByLane { given, taken } = rig.by_lane();
    assert_eq!((given, given), (taken, received(&rig)));
    assert!(given >= cost(3 * DOWNLOAD));
}

#[test]
fn a_peer_is_paid_both_ways_and_each_counts_once() {
    let mut rig = rig(4, Amount::from_coins(1));
    rig.open_session();
    for (part, pay_from) in [PayFrom::Lane, PayFrom::Account, PayFrom::Lane, PayFrom::Account].into_iter().enumerate() {
        rig.pay_from(pay_from);
        rig.download(DOWNLOAD * (part as u64 + 1));
    }
    rig.stop_session();
    rig.settle();
    let ByLane { given, taken } = rig.by_lane();
    let (on_account, received) = rig.promised_and_received();
    assert_eq!(given, taken);
    assert!(given >= cost(DOWNLOAD) && on_account >= cost(DOWNLOAD), "{given} and {on_account}");
    assert_eq!(plus(given, on_account), received);
    let used = cost(4 * DOWNLOAD);
    assert!(received >= used && received <= plus(used, WINDOW_CEILING), "{received} for {used}");
    assert_eq!(rig.ledger_paid, on_account, "what came out of the lane is not settled from the account");
}

#[test]
fn a_channel_that_is_used_up_ends_it_and_says_how_much_is_missing() {
    let free = cost(DOWNLOAD);
    let mut rig = rig(5, free);
    rig.open_session();
    rig.planes.wanted.down = 4 * DOWNLOAD;
    rig.pump_for(20_000);
    let [(Side::Client, OverLimit::Lane { missing })] = rig.arbiter.over[..] else { panic!("{:?}", rig.arbiter.over) };
    assert!(!missing.is_zero() && missing <= WINDOW_CEILING, "{missing}");
    assert_eq!(rig.by_lane(), ByLane { given: free, taken: free }, "all that was free, and no more");
    assert_eq!(rig.promised_and_received().0, Amount::ZERO, "nothing goes over to the account by itself");
    // The user says so.
    rig.pay_from(PayFrom::Account);
    rig.download(2 * DOWNLOAD);
}

#[test]
fn without_a_channel_nothing_is_promised() {
    let mut rig = Rig::new(6);
    rig.connect();
    rig.pay_from(PayFrom::Lane);
    rig.open_session();
    rig.pump_for(5_000);
    assert_eq!(rig.arbiter.over, [(Side::Client, OverLimit::NoLane)], "said once");
    assert_eq!(received(&rig), Amount::ZERO);
}

/// A side is put back to the disk that it had before the first session, and a second session follows.
fn with_an_old_disk(side: Side) -> Rig {
    let mut rig = rig(7, Amount::from_coins(1));
    let before = rig.node(side).durable.clone();
    rig.open_session();
    rig.download(10 * DOWNLOAD);
    rig.stop_session();
    rig.settle_down();
    let given = rig.by_lane().given;
    rig.break_link();
    rig.kill_now(side);
    rig.node(side).durable = before;
    rig.start_again(side);
    // They disagree on what was delivered, each notices that, and then they begin a new dialogue.
    for _ in 0..3 {
        if !rig.is_connected() {
            rig.break_link();
            rig.dial();
            rig.pump_for(500);
        }
    }
    assert!(rig.is_connected());
    rig.pump_for(1_000);
    assert_eq!(rig.by_lane(), ByLane { given, taken: given }, "the other side tells what was promised");
    rig.pay_from(PayFrom::Lane);
    rig.open_session();
    rig
}

#[test]
fn a_payer_with_an_old_disk_goes_on() {
    let mut rig = with_an_old_disk(Side::Client);
    let before = rig.by_lane().given;
    let downloaded = rig.planes.downloaded();
    rig.download(downloaded + 10 * DOWNLOAD);
    let more = rig.by_lane().given.saturating_sub(before);
    let most = plus(cost(10 * DOWNLOAD), plus(WINDOW_CEILING, WINDOW_CEILING));
    assert!(more >= cost(9 * DOWNLOAD) && more <= most, "{more} for ten");
}

#[test]
fn a_payee_with_an_old_disk_does_not_serve_again_for_what_it_was_paid() {
    let mut rig = with_an_old_disk(Side::Provider);
    rig.pump_for(1_000);
    let unasked = rig.provider_limit();
    assert!(unasked > 0, "it serves");
    let windows = plus(WINDOW_CEILING, WINDOW_CEILING);
    assert!(cost(unasked) <= windows, "{unasked} bytes without another promise");
    let (before, downloaded) = (rig.by_lane().given, rig.planes.downloaded());
    rig.download(downloaded + 10 * DOWNLOAD);
    let more = rig.by_lane().given.saturating_sub(before);
    assert!(more >= cost(10 * DOWNLOAD).saturating_sub(windows), "{more} for ten");
}

#[test]
#[should_panic(expected = "a second state for round 7")]
fn whoever_signs_here_signs_no_round_twice_in_whatever_lives() {
    let mut rig = rig(2, Amount::from_coins(1));
    rig.open_session();
    rig.download(DOWNLOAD);
    for node in [&rig.client, &rig.provider] {
        assert!(node.ever.count() > 0, "what it signed went by the signer that looks");
    }
    let before = rig.provider.signer();
    rig.kill_now(Side::Provider);
    rig.start_again(Side::Provider);
    sign_twice(&before, &rig.provider.signer());
}
