//! When a watchtower's answer is handed in, who pays for it, and when no more is tried.

use byway_channel::watching::{AnswerFate, TowerTerms};
use byway_ledger::Verdict;
use byway_primitives::{Amount, Span, Time};
use byway_records::Reject;
use byway_records::call::ChannelsCall;
use byway_records::channel::Side;

use super::pair::{PRICE, Pair, close, note, terms, tower_id, watched, watched_on};
use crate::scene::Rig;
use crate::world::{CAROL, units};

/// Bob has closed with nothing, and the watchtower has seen it.
fn closing(terms: TowerTerms) -> (Rig, Pair) {
    let (mut rig, mut pair) = watched_on(terms, 1);
    close(&mut rig, None);
    pair.look(rig.now, &rig.entry());
    assert_eq!(pair.submitted.len(), 1);
    (rig, pair)
}

/// Looks at the ledger every second, and gives the seconds after which something was handed in.
fn handed_in(rig: &Rig, pair: &mut Pair, seconds: u64) -> Vec<u64> {
    let mut found = Vec::new();
    for second in 1..=seconds {
        let before = pair.submitted.len();
        pair.look(rig.now + Span::seconds(second), &rig.entry());
        if pair.submitted.len() > before {
            found.push(second);
        }
    }
    found
}

/// Of each answer that was handed in, whether the watchtower pays for it.
fn at_own_cost(pair: &Pair) -> Vec<bool> {
    pair.submitted.iter().map(|(_, at_own_cost)| *at_own_cost).collect()
}

/// Alice and Bob go on, and the watchtower is given what they have signed.
fn go_on(rig: &mut Rig, pair: &mut Pair) {
    rig.pay(1, 10);
    rig.exchange();
    note(rig, pair);
}

/// The reserve is used up, and the watchtower pays for the answer: as much as it has earned.
fn used_up() -> (Rig, Pair) {
    let (rig, mut pair) = closing(terms());
    pair.fate(rig.now, AnswerFate::of(Reject::ChannelFee, units(PRICE)));
    pair.look(rig.now, &rig.entry());
    assert_eq!(at_own_cost(&pair), [false, true]);
    (rig, pair)
}

#[test]
fn an_answer_is_handed_in_again_until_the_ledger_has_it_also_after_a_restart() {
    let (rig, mut pair) = closing(terms());
    pair.look(rig.now + Span::seconds(1), &rig.entry());
    assert_eq!(pair.submitted.len(), 1);
    pair.look(rig.now + Span::seconds(11), &rig.entry());
    assert_eq!(pair.submitted.len(), 2);
    pair.restart_tower(rig.world.network);
    // Nothing has changed since it started, and it does not accept packets any more.
    pair.tower.handle_ledger(rig.now, rig.now, |_| false, |_| rig.entry(), |_| Amount::ZERO);
    pair.run(rig.now);
    assert_eq!(pair.submitted.len(), 3);
}

#[test]
fn what_can_still_be_taken_is_handed_in_after_pauses_that_grow_up_to_a_part_of_the_lock_period() {
    let (rig, mut pair) = closing(terms());
    let lock = rig.entry().unwrap().lock.millis;
    pair.fate(rig.now, AnswerFate::of(Reject::ChannelEnvironment, units(1)));
    let all = handed_in(&rig, &mut pair, 200);
    let pauses: Vec<u64> = all.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let longest = (lock.0 / 8_000).clamp(10, 300);
    assert!(pauses.iter().all(|pause| (10..=longest).contains(pause)), "{pauses:?} of {lock:?}");
    assert!(pauses.is_sorted() && all[0] == 10, "{all:?}");
}

#[test]
fn what_is_rejected_for_good_is_not_handed_in_again_before_something_has_changed() {
    let (mut rig, mut pair) = closing(terms());
    pair.fate(rig.now, AnswerFate::of(Reject::NotAuthorised, units(1)));
    assert!(handed_in(&rig, &mut pair, 60).is_empty());
    // Another packet is another answer.
    rig.pay(1, 10);
    rig.exchange();
    note(&rig, &mut pair);
    assert_eq!(pair.submitted.len(), 2);
}

#[test]
fn where_the_reserve_is_used_up_the_watchtower_pays_what_it_has_told() {
    let (mut rig, mut pair) = closing(terms());
    let fee = units(PRICE);
    pair.fate(rig.now, AnswerFate::of(Reject::ChannelFee, fee));
    pair.look(rig.now, &rig.entry());
    let (answer, is_borne) = pair.submitted.pop().unwrap();
    assert!(is_borne, "at once");
    assert_eq!(rig.submit(CAROL, answer), Verdict::Final);
    pair.fate(rig.now, AnswerFate::Taken { fee });
    assert_eq!(pair.tower.answered().map(|(_, channel, _)| channel).collect::<Vec<_>>(), [pair.channel]);

    // What it has paid for this client is all that it has earned of it: there is no second time, also after a restart.
    pair.restart_tower(rig.world.network);
    let mut next = Rig::new();
    next.pay(1, 1_000);
    next.exchange();
    let (channel, delegates) = (pair.channel, vec![tower_id()]);
    next.submit(0, ChannelsCall::SetDelegates { channel, side: Side::Initiator, delegates });
    close(&mut next, None);
    pair.submitted.clear();
    pair.look(next.now, &next.entry());
    assert_eq!(pair.submitted.len(), 1);
    pair.fate(next.now, AnswerFate::of(Reject::ChannelFee, fee));
    handed_in(&next, &mut pair, 60);
    assert!(at_own_cost(&pair).iter().all(|is| !is));
}

#[test]
fn a_watchtower_bears_no_more_than_it_has_told() {
    let (rig, mut pair) = closing(TowerTerms { fee_max: units(PRICE - 1), ..terms() });
    pair.fate(rig.now, AnswerFate::of(Reject::ChannelFee, units(PRICE)));
    handed_in(&rig, &mut pair, 60);
    assert!(at_own_cost(&pair).iter().all(|is| !is));
}

#[test]
fn what_one_answer_cost_is_not_paid_for_the_next_state_as_well() {
    let (mut rig, mut pair) = used_up();
    pair.fate(rig.now, AnswerFate::Taken { fee: units(PRICE) });
    for _ in 0..3 {
        go_on(&mut rig, &mut pair);
    }
    assert_eq!(at_own_cost(&pair), [false, true, false, false, false]);
}

#[test]
fn what_is_under_way_is_not_paid_a_second_time_before_its_verdict() {
    let (mut rig, mut pair) = used_up();
    let under_way = pair.answers[1];
    go_on(&mut rig, &mut pair);
    pair.fate(rig.now, AnswerFate::of(Reject::ChannelFee, units(PRICE)));
    handed_in(&rig, &mut pair, 30);
    assert!(at_own_cost(&pair)[2..].iter().all(|is| !is) && pair.submitted.len() > 3);
    // It was not taken after all, so what it would have cost is free for the next.
    pair.fate_of(rig.now, under_way, AnswerFate::Delayed);
    pair.look(rig.now + Span::minutes(10), &rig.entry());
    assert_eq!(at_own_cost(&pair).last(), Some(&true));
}

#[test]
fn where_too_little_is_earned_for_an_answer_it_is_paid_for_as_soon_as_more_is() {
    let fee = units(2 * PRICE);
    let (rig, mut pair) = closing(TowerTerms { fee_max: fee, ..terms() });
    pair.fate(rig.now, AnswerFate::of(Reject::ChannelFee, fee));
    handed_in(&rig, &mut pair, 60);
    assert!(at_own_cost(&pair).iter().all(|is| !is) && pair.submitted.len() > 1, "it goes on");
    pair.look(rig.now + Span::minutes(13 * 60), &rig.entry());
    assert_eq!((pair.earned, at_own_cost(&pair).last()), (fee, Some(&true)));
}

#[test]
fn what_was_looked_into_is_not_looked_into_again_before_something_has_changed() {
    let (mut rig, mut pair) = watched();
    close(&mut rig, None);
    // As long as the ledger seems to have other parties nothing in the packet is theirs.
    let entry = rig.entry().unwrap();
    let mut other = entry.clone();
    other.parties[1] = tower_id();
    pair.look(rig.now, &Some(other));
    pair.look(rig.now + Span::seconds(1), &Some(entry));
    assert_eq!(pair.submitted, []);
    go_on(&mut rig, &mut pair);
    assert_eq!(pair.submitted.len(), 1);
}

#[test]
fn a_verdict_on_an_earlier_answer_says_nothing_of_the_next() {
    let (mut rig, mut pair) = closing(terms());
    go_on(&mut rig, &mut pair);
    let (earlier, before) = (pair.answers[0], pair.submitted.len());
    pair.fate_of(rig.now, earlier, AnswerFate::Rejected);
    handed_in(&rig, &mut pair, 30);
    assert!(pair.submitted.len() > before);
}

#[test]
fn a_restart_before_the_verdict_forgets_neither_the_answer_nor_what_it_cost() {
    let (mut rig, mut pair) = used_up();
    let (answer, _) = pair.submitted.pop().unwrap();
    assert_eq!(rig.submit(CAROL, answer), Verdict::Final);
    pair.restart_tower(rig.world.network);
    pair.look(rig.now, &rig.entry());
    assert_eq!(pair.tower.answered().map(|(_, channel, _)| channel).collect::<Vec<_>>(), [pair.channel]);
    pair.submitted.clear();
    go_on(&mut rig, &mut pair);
    pair.fate(rig.now, AnswerFate::of(Reject::ChannelFee, units(PRICE)));
    handed_in(&rig, &mut pair, 60);
    assert!(at_own_cost(&pair).iter().all(|is| !is) && pair.submitted.len() > 1);
}

#[test]
fn who_was_away_is_told_of_the_answer_as_long_as_the_channel_is_closing_and_afterwards() {
    let (rig, mut pair) = closing(terms());
    pair.fate(rig.now, AnswerFate::Taken { fee: Amount::ZERO });
    let (now, network) = (rig.now + Span::minutes(1), rig.world.network);
    pair.restart_tower(network);
    pair.restart_client(now, network, pair.disks[0].clone());
    pair.look(now, &rig.entry());
    assert_eq!(pair.answered, [rig.now]);
    let watch = pair.client.iter().next().unwrap().2;
    assert_eq!(watch.answered, Some(rig.now));
    // All is over when it comes back the next time.
    pair.answered.clear();
    pair.restart_client(now, network, pair.disks[0].clone());
    pair.client.handle_ledger(now, |_| None);
    pair.run(now);
    assert_eq!(pair.answered.last(), Some(&rig.now));
    assert_eq!((pair.client.towers().count(), pair.kept().len()), (0, 0));
}

#[test]
fn only_answers_are_told_of() {
    let (rig, mut pair) = watched();
    pair.client.remove(rig.now, pair.channel, tower_id()).unwrap();
    pair.run(rig.now);
    assert_eq!((pair.answered.len(), pair.tower.answered().count()), (0, 0));
    let _: Vec<Time> = pair.answered;
}
