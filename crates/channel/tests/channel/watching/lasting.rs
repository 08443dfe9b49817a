//! Watching that lasts: days ahead, lost and old disks, and letting go.

use byway_channel::watching::{FREE_TIME, GONE_TIME, PERIOD, Packet, TowerTerms, WatchMessage, WatchRefusal};
use byway_channel::{ChannelNews, Health};
use byway_primitives::{Amount, Encode, Span, Time};
use byway_records::channel::{Side, WatchSecret};

use super::pair::{PRICE, Pair, note, standing, terms, tower_id, watched, watched_on};
use super::{RANDOM, Standing, bill};
use crate::world::units;

fn until(pair: &Pair) -> Time {
    pair.kept()[0].until
}

#[test]
fn a_day_is_paid_for_ahead_and_the_next_when_half_of_it_is_over() {
    let (rig, mut pair) = watched();
    assert_eq!((pair.earned, pair.promised), (units(PRICE), units(PRICE)));
    assert_eq!(until(&pair), rig.now + FREE_TIME + PERIOD);
    pair.look(rig.now + Span::minutes(11 * 60), &rig.entry());
    assert_eq!(pair.earned, units(PRICE));
    pair.look(rig.now + Span::minutes(13 * 60), &rig.entry());
    assert_eq!((pair.earned, pair.promised), (units(2 * PRICE), units(2 * PRICE)));
    assert_eq!(pair.client.iter().next().unwrap().2.until, Some(until(&pair)));
}

#[test]
fn thirty_days_are_paid_at_once_and_filled_up_when_half_of_them_are_over() {
    let (rig, mut pair) = watched_on(terms(), 30);
    assert_eq!((pair.earned, pair.promised), (units(30 * PRICE), units(30 * PRICE)));
    assert_eq!(until(&pair), rig.now + FREE_TIME + Span::days(30));
    assert_eq!(pair.client.iter().next().unwrap().2.until, Some(until(&pair)));
    let mut pays = Vec::new();
    for day in 1..=60 {
        let before = pair.promised;
        pair.look(rig.now + Span::days(day), &rig.entry());
        if pair.promised > before {
            pays.push((day, pair.promised.saturating_sub(before).units() / PRICE));
        }
    }
    assert_eq!(pays, [(16, 16), (32, 16), (48, 16)]);
    assert_eq!(pair.earned, pair.promised, "all of it is used");
    assert_eq!((pair.kept().len(), pair.dropped.len()), (1, 0));
}

#[test]
fn no_more_days_are_paid_than_the_watchtower_takes() {
    let (rig, mut pair) = watched_on(TowerTerms { days_max: 5, ..terms() }, 30);
    assert_eq!((pair.earned, pair.promised), (units(5 * PRICE), units(5 * PRICE)));
    pair.look(rig.now + Span::days(2), &rig.entry());
    assert_eq!(pair.promised, units(5 * PRICE));
    pair.look(rig.now + Span::days(3), &rig.entry());
    assert_eq!((pair.earned, pair.promised), (units(8 * PRICE), units(8 * PRICE)));
}

#[test]
fn an_old_disk_replaces_nothing_and_is_given_back_what_it_had_forgotten() {
    let (mut rig, mut pair) = watched();
    let (disk, old) = (rig.parties[0].disk.clone(), standing(&rig));
    rig.pay(1, 7_000);
    rig.exchange();
    note(&rig, &mut pair);
    let (newest, kept) = (rig.machine(0).cosigned(), pair.kept());
    assert_eq!(pair.inside(&rig), newest);

    // Alice's disk is last week's, and Bob does not come, or says nothing of what both signed since.
    rig.disconnect();
    rig.restart(0, disk);
    rig.show_ledger(0);
    pair.restart_client(rig.now, rig.world.network, pair.disks[0].clone());
    for is_heard in [false, true] {
        pair.client.note(rig.now, pair.channel, Standing { is_heard, ..old });
        pair.look(rig.now, &rig.entry());
        pair.look(rig.now + Span::minutes(1), &rig.entry());
        assert_eq!(pair.kept()[0].packet, kept[0].packet);
        assert!(!pair.client.is_relied_on(rig.now, pair.channel, tower_id()), "it knows of a newer one");
    }
    assert_eq!(pair.newer, [newest.unwrap()], "told once");
    let now = rig.now;
    assert!(rig.machine(0).handle_shown(now, &newest.unwrap()));
    rig.collect(0);
    assert_eq!(rig.machine(0).cosigned(), newest);
    assert!(rig.parties[0].has(|news| matches!(news, ChannelNews::Behind { round: 2 })));
    note(&rig, &mut pair);
    assert!(pair.client.is_relied_on(rig.now, pair.channel, tower_id()), "it has the very state");
    // And the two go on.
    rig.connect();
    rig.exchange();
    rig.pay(1, 100);
    rig.exchange();
    assert_eq!(
        rig.assert_agreed().balances[0],
        newest.unwrap().body.position.balances[0].checked_add(units(100)).unwrap()
    );
    assert_eq!(*rig.machine(0).health(), Health::Sound);
}

#[test]
fn what_somebody_shows_counts_only_where_both_signed_it_and_it_is_newer() {
    let (mut rig, _) = watched();
    let now = rig.now;
    let newest = rig.machine(0).cosigned().unwrap();
    let mut forged = newest;
    forged.body.position.round += 1;
    for shown in [newest, forged] {
        assert!(!rig.machine(0).handle_shown(now, &shown));
    }
    assert_eq!(rig.machine(0).cosigned(), Some(newest));
}

#[test]
fn what_nobody_can_read_is_replaced_only_by_who_has_heard_its_peer() {
    let (rig, mut pair) = watched();
    // A packet with a number above all others, under a secret that is none.
    let state = rig.parties[0].machine.cosigned().unwrap();
    let secret = WatchSecret([1; 16]);
    let packet = Packet::seal(secret, Side::Initiator, rig.now.0 + 5, RANDOM, &state).unwrap();
    let pays = byway_channel::watching::Pays { spent: Amount::ZERO, days: 1 };
    let keep = WatchMessage::Keep { channel: pair.channel, pays, packet };
    pair.tower.handle_message(rig.now, pair.me, keep, Amount::ZERO);
    pair.lose_disk(rig.now, rig.world.network);
    pair.client.note(rig.now, pair.channel, Standing { is_heard: false, ..standing(&rig) });
    pair.look(rig.now, &rig.entry());
    assert_eq!(pair.kept()[0].packet, packet);
    pair.client.note(rig.now, pair.channel, standing(&rig));
    pair.look(rig.now, &rig.entry());
    assert_eq!(pair.inside(&rig), Some(state));
}

#[test]
fn what_is_of_another_total_and_a_later_round_is_not_replaced() {
    let (mut rig, mut pair) = watched();
    let old = standing(&rig);
    rig.pay(1, 7_000);
    rig.exchange();
    note(&rig, &mut pair);
    let kept = pair.kept()[0].packet;
    // Alice's disk is an old one, and the ledger is behind a deposit; her peer says that what she has is the newest.
    pair.lose_disk(rig.now, rig.world.network);
    let mut entry = rig.entry().unwrap();
    entry.total = units(entry.total.units() + 1);
    pair.client.note(rig.now, pair.channel, Standing { is_heard: true, ..old });
    pair.look(rig.now, &Some(entry));
    assert_eq!(pair.kept()[0].packet, kept);
}

#[test]
fn who_has_lost_its_disk_pays_nothing_twice_and_goes_on_paying() {
    let (rig, mut pair) = watched_on(terms(), 10);
    assert_eq!(pair.earned, units(10 * PRICE));
    pair.lose_disk(rig.now, rig.world.network);
    // Its promises count from here on as well: what is left of the earlier ones is nothing.
    (pair.promised, pair.earned) = (Amount::ZERO, Amount::ZERO);
    note(&rig, &mut pair);
    assert_eq!((pair.client.spent(tower_id()), pair.kept().len()), (Amount::ZERO, 1));
    assert!(pair.client.is_relied_on(rig.now, pair.channel, tower_id()));
    let before = until(&pair);
    let now = rig.now + Span::days(6);
    pair.look(now, &rig.entry());
    assert_eq!(pair.client.spent(tower_id()), units(6 * PRICE));
    assert_eq!((pair.tower.earned(), until(&pair)), (units(16 * PRICE), before + Span::days(6)));
}

#[test]
fn who_has_lost_its_disk_and_owes_is_told_how_to_go_on() {
    let (rig, mut pair) = watched();
    // Nothing was paid for a while, and the watchtower has let go.
    pair.pays = false;
    let late = rig.now + Span::days(3);
    pair.look(late, &rig.entry());
    assert_eq!(pair.dropped, [WatchRefusal::Unpaid]);
    pair.lose_disk(late, rig.world.network);
    (pair.pays, pair.promised, pair.earned) = (true, Amount::ZERO, Amount::ZERO);
    pair.client.note(late, pair.channel, standing(&rig));
    for second in 0..30 {
        pair.look(late + Span::seconds(second), &rig.entry());
    }
    assert_eq!((pair.kept().len(), pair.client.spent(tower_id())), (1, units(PRICE)));
    assert_eq!(pair.tower.earned(), units(2 * PRICE));
}

#[test]
fn what_a_watchtower_says_was_used_moves_no_money() {
    let (rig, mut pair) = watched();
    let used = byway_channel::watching::Bill { used: units(1_000_000), ..bill() };
    let kept = WatchMessage::Kept { channel: pair.channel, number: 0, until: rig.now, bill: used };
    pair.client.handle_message(rig.now, tower_id(), kept);
    pair.run(rig.now);
    assert_eq!((pair.client.spent(tower_id()), pair.promised), (units(PRICE), units(PRICE)));
}

#[test]
fn no_two_disks_seal_under_one_nonce() {
    let (rig, mut pair) = watched();
    let mut seen = vec![pair.kept()[0].packet];
    for _ in 0..3 {
        // The watchtower has lost its disk as well, so nobody tells the client of earlier numbers.
        pair.disks[1] = byway_primitives::MemoryStore::new();
        pair.restart_tower(rig.world.network);
        pair.tower.set_terms(Some(terms()));
        pair.lose_disk(rig.now, rig.world.network);
        note(&rig, &mut pair);
        seen.push(pair.kept()[0].packet);
    }
    let nonces: std::collections::BTreeSet<_> = seen.iter().map(|packet| packet.0[..12].to_vec()).collect();
    assert!(seen.windows(2).all(|two| two[0].number() == two[1].number()), "{seen:?}");
    assert_eq!(nonces.len(), seen.len());
}

#[test]
fn a_ledger_that_is_behind_deletes_nothing() {
    let (rig, mut pair) = watched();
    let (kept, entry) = (pair.kept(), rig.entry());
    pair.restart_tower(rig.world.network);
    pair.tower.set_terms(Some(terms()));
    // Its own look at the ledger is from before the channel was there, and goes on from there for hours.
    for hours in (0..6).rev() {
        let time = rig.now - Span::minutes(60 * hours);
        pair.tower.handle_ledger(rig.now, time, |_| true, |_| None, |_| Amount::ZERO);
    }
    pair.tower.handle_ledger(rig.now, rig.now, |_| true, |_| entry.clone(), |_| Amount::ZERO);
    pair.run(rig.now);
    assert_eq!((pair.kept()[0].packet, &pair.dropped[..]), (kept[0].packet, &[][..]));
    // What is over is let go of, and not at once.
    let gone = rig.now + Span::seconds(1);
    for (time, is_kept) in [(gone, true), (gone + GONE_TIME - Span::seconds(1), true), (gone + GONE_TIME, false)] {
        pair.tower.handle_ledger(time, time, |_| true, |_| None, |_| Amount::ZERO);
        assert_eq!(pair.tower.kept().count() == 1, is_kept, "{time:?}");
    }
}

#[test]
fn what_was_paid_for_is_watched_to_its_end_by_the_ledgers_time() {
    let (rig, mut pair) = watched();
    pair.restart_tower(rig.world.network);
    // The watchtower was away for a month, and its ledger is where it was.
    let late = rig.now + Span::days(30);
    for _ in 0..3 {
        pair.tower.handle_ledger(late, rig.now, |_| false, |_| rig.entry(), |_| Amount::ZERO);
    }
    assert_eq!(pair.tower.kept().count(), 1);
    pair.tower.handle_ledger(late, late, |_| false, |_| rig.entry(), |_| Amount::ZERO);
    assert_eq!(pair.tower.kept().count(), 0);
}

#[test]
fn whoever_is_to_forget_is_told_until_it_has() {
    let (rig, mut pair) = watched();
    pair.is_deaf = true;
    pair.client.handle_disconnected(tower_id());
    pair.client.remove(rig.now, pair.channel, tower_id()).unwrap();
    pair.run(rig.now);
    assert_eq!(pair.kept().len(), 1, "it could not be told");
    pair.restart_client(rig.now, rig.world.network, pair.disks[0].clone());
    assert_eq!(pair.client.towers().collect::<Vec<_>>(), [tower_id()], "it is still to be reached");
    let forget = WatchMessage::Forget { channel: pair.channel };
    let told = |pair: &Pair| pair.said.iter().filter(|said| said.to_bytes() == forget.to_bytes()).count();
    assert_eq!((told(&pair), pair.kept().len()), (1, 0));
    pair.look(rig.now + Span::seconds(5), &rig.entry());
    pair.look(rig.now + Span::seconds(11), &rig.entry());
    assert_eq!(told(&pair), 2, "its word is lost");
    pair.is_deaf = false;
    pair.look(rig.now + Span::seconds(22), &rig.entry());
    assert_eq!((told(&pair), pair.client.towers().count()), (3, 0));
}
