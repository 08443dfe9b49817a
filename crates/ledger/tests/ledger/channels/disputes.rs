//! Which state counts, and until when.

use byway_primitives::Span;
use byway_records::Reject;
use byway_records::call::ChannelsCall;
use byway_records::channel::{ChannelTerms, Phase, Side};
use byway_records::genesis::Wait;
use byway_vm::State;

use super::{BANK, DEPOSIT, LOCK, RESERVE, SAVED, SECRET, Scene, draft, side_of};
use crate::world::{ALICE, BOB, CAROL, CHANNEL_PRICE, Draft, units};

#[test]
fn a_partner_that_closes_with_an_old_state_is_answered() {
    let mut scene = Scene::new();
    let (old, newest) = (scene.signed(3, [9_000_000, 1_000_000]), scene.signed(9, [2_000_000, 8_000_000]));
    scene.world.must(&scene.close(ALICE, Some(old)));
    scene.world.must(&scene.slash(BOB, newest));
    scene.refuses(&scene.slash(ALICE, old), Reject::ChannelRound);
    scene.wait();
    scene.world.must(&scene.settle());
    // Alice has opened the channel and closed it and is charged for the settlement; Bob has answered.
    let expected = [SAVED - DEPOSIT + 2_000_000 - 3 * CHANNEL_PRICE, SAVED - DEPOSIT + 8_000_000 - CHANNEL_PRICE];
    assert_eq!(scene.accounts(), expected);
    assert_eq!(scene.open_channel(), None);
}

#[test]
fn a_co_signed_state_beats_what_was_forced_of_its_round_and_of_later_ones() {
    for forced in 1..=3 {
        let mut scene = Scene::new();
        let mut state = scene.state([DEPOSIT; 2]);
        scene.world.must(&scene.snapshot(ALICE, scene.signed(4, [DEPOSIT; 2])));
        for turn in 0..forced {
            let by = if turn % 2 == 0 { ALICE } else { BOB };
            let call = scene.vm_call(by, BANK, 1_000, &[]);
            scene.must_force(&mut state, &call, by);
        }
        assert_eq!((scene.round(), scene.channel().first_forced()), (4 + forced, Some(5)));
        scene.refuses(&scene.snapshot(BOB, scene.signed(4, [DEPOSIT; 2])), Reject::ChannelRound);
        let same = scene.signed(5, [4_000_000, 6_000_000]);
        scene.world.must(&scene.snapshot(BOB, same));
        assert_eq!(scene.channel().position, same.body.position);
        assert_eq!(scene.channel().first_forced(), None);
    }
}

#[test]
fn the_round_rule_holds_for_the_state_in_every_call() {
    let mut scene = Scene::new();
    scene.world.must(&scene.snapshot(ALICE, scene.signed(7, [DEPOSIT; 2])));
    let old = scene.signed(7, [6_000_000, 4_000_000]);
    let state = scene.state([6_000_000, 4_000_000]);
    let call = scene.vm_call(BOB, BANK, 1_000, &[]);
    scene.refuses(&scene.snapshot(BOB, old), Reject::ChannelRound);
    scene.refuses(&scene.force(&state, Some(old), &call, BOB), Reject::ChannelRound);
    scene.refuses(&scene.close(BOB, Some(old)), Reject::ChannelRound);
    let deposit = scene.fund(
        BOB,
        byway_records::channel::Movement::Deposit,
        1_000,
        old.body.position,
        scene.world.time + Span::seconds(60),
    );
    scene.refuses(&deposit, Reject::ChannelRound);
    scene.world.must(&scene.close(BOB, None));
    scene.refuses(&scene.slash(BOB, old), Reject::ChannelRound);
    scene.refuses(&scene.force(&state, Some(old), &call, BOB), Reject::ChannelRound);
}

#[test]
fn the_lock_period_passes_in_time_and_in_commits() {
    let mut scene = Scene::new();
    scene.world.must(&scene.close(ALICE, None));
    scene.refuses(&scene.settle(), Reject::ChannelLocked);
    scene.world.wait(Wait { millis: LOCK.millis, commits: 0 });
    scene.refuses(&scene.settle(), Reject::ChannelLocked);
    let mut scene = Scene::new();
    scene.world.must(&scene.close(ALICE, None));
    scene.world.wait(Wait { millis: Span::ZERO, commits: LOCK.commits });
    scene.refuses(&scene.settle(), Reject::ChannelLocked);
    scene.world.wait(LOCK);
    scene.world.must(&scene.settle());
}

#[test]
fn an_answer_counts_after_the_lock_period_as_long_as_nobody_has_settled() {
    let mut scene = Scene::new();
    let newest = scene.signed(9, [2_000_000, 8_000_000]);
    scene.world.must(&scene.close(ALICE, None));
    scene.wait();
    scene.world.must(&scene.slash(BOB, newest));
    scene.refuses(&scene.settle(), Reject::ChannelLocked);
    scene.wait();
    scene.world.must(&scene.settle());
    scene.refuses(&scene.slash(BOB, newest), Reject::ChannelUnknown);
}

#[test]
fn nobody_alone_puts_off_the_end_without_bound() {
    let mut scene = Scene::new();
    scene.world.must(&scene.close(ALICE, None));
    let until = |scene: &Scene| match scene.channel().phase {
        Phase::Closing { until, .. } => until,
        Phase::Active => panic!("it is closing"),
    };
    for round in 1..=20 {
        let before = until(&scene);
        scene.world.must(&scene.slash(ALICE, scene.signed(round, [DEPOSIT; 2])));
        assert_eq!(until(&scene) > before, round <= 3, "with the closing itself, four times");
    }
    let mut state = scene.state([DEPOSIT; 2]);
    for number in 1..=5 {
        let (call, before) = (scene.vm_call(ALICE, BANK, 1, &[]), until(&scene));
        if number <= 4 {
            scene.must_force(&mut state, &call, ALICE);
            assert!(until(&scene) > before);
        } else {
            scene.refuses(&scene.force(&state, None, &call, ALICE), Reject::ChannelStreak);
        }
    }
    // The other side still can, and then this one has something to answer again.
    scene.world.must(&scene.slash(BOB, scene.signed(30, [DEPOSIT; 2])));
    scene.world.must(&scene.slash(ALICE, scene.signed(31, [DEPOSIT; 2])));
}

#[test]
fn whatever_is_new_gives_the_other_side_a_whole_lock_period() {
    let mut scene = Scene::new();
    scene.world.must(&scene.close(ALICE, None));
    scene.world.wait(Wait { millis: Span::millis(LOCK.millis.0 - 2), commits: LOCK.commits });
    scene.world.must(&scene.slash(ALICE, scene.signed(1, [6_000_000, 4_000_000])));
    let Phase::Closing { until, .. } = scene.channel().phase else { panic!("it is closing") };
    assert!(until.time >= scene.world.time + LOCK.millis);
    assert_eq!(until.commits, scene.world.ledger.commits() + LOCK.commits);
}

#[test]
fn delegates_show_states_and_force_while_closing_and_do_nothing_else() {
    let mut scene = Scene::new();
    let state = |scene: &Scene| -> State { scene.state([DEPOSIT; 2]) };
    let as_carol = |call: ChannelsCall| draft(call, &[CAROL]);
    let snapshot = |scene: &Scene, side, round| {
        as_carol(ChannelsCall::SnapshotSolo { side, state: scene.signed(round, [DEPOSIT; 2]) })
    };
    scene.refuses(&snapshot(&scene, Side::Responder, 1), Reject::NotAuthorised);
    let delegates = vec![scene.world.id(CAROL)];
    let appoint = |scene: &Scene, by: usize| {
        let (channel, side) = (scene.id, side_of(BOB));
        draft(ChannelsCall::SetDelegates { channel, side, delegates: delegates.clone() }, &[by])
    };
    scene.refuses(&appoint(&scene, ALICE), Reject::NotAuthorised);
    scene.world.must(&appoint(&scene, BOB));
    scene.refuses(&snapshot(&scene, Side::Initiator, 1), Reject::NotAuthorised);
    scene.world.must(&snapshot(&scene, Side::Responder, 1));
    let call = scene.vm_call(BOB, BANK, 1_000, &[]);
    scene.refuses(&scene.force(&state(&scene), None, &call, CAROL), Reject::NotAuthorised);
    let close = ChannelsCall::CloseSolo { channel: scene.id, side: Side::Responder, secret: SECRET, state: None };
    scene.refuses(&as_carol(close), Reject::NotAuthorised);
    scene.world.must(&scene.close(ALICE, None));
    let slash = ChannelsCall::Slash { side: Side::Responder, state: scene.signed(2, [DEPOSIT; 2]) };
    scene.world.must(&as_carol(slash));
    // It pays for that itself, and leaves the party half of the least reserve.
    let force = scene.force(&state(&scene), None, &call, CAROL);
    scene.refuses(&force, Reject::ChannelFee);
    let fee = units(Scene::cost(&force));
    let charged = scene.channel().charged;
    scene.world.must(&scene.world.funded(scene.world.coin(CAROL), Draft { fee, ..force }));
    assert_eq!((scene.round(), scene.channel().charged), (3, charged));
    let of_alice = scene.vm_call(ALICE, BANK, 1_000, &[]);
    scene.refuses(&scene.force(&state(&scene), None, &of_alice, CAROL), Reject::NotAuthorised);
}

/// Delegates that are in league with the other side, or just have old states, take nothing from the party.
#[test]
fn what_delegates_have_shown_keeps_no_newest_state_from_being_taken() {
    let mut scene = Scene::new();
    let (channel, delegates) = (scene.id, vec![scene.world.id(CAROL)]);
    scene.world.must(&draft(ChannelsCall::SetDelegates { channel, side: Side::Responder, delegates }, &[BOB]));
    scene.world.must(&scene.close(ALICE, None));
    for round in 1..=4 {
        let state = scene.signed(round, [9_000_000, 1_000_000]);
        scene.world.must(&draft(ChannelsCall::Slash { side: Side::Responder, state }, &[CAROL]));
    }
    scene.world.must(&scene.slash(BOB, scene.signed(5, [2_000_000, 8_000_000])));
    scene.wait();
    scene.world.must(&scene.settle());
    assert_eq!(scene.accounts()[1], SAVED - DEPOSIT + 8_000_000 - 6 * CHANNEL_PRICE);
}

#[test]
fn delegates_leave_the_party_what_it_needs_to_close_and_to_answer() {
    let reserve = 8 * CHANNEL_PRICE;
    let mut scene = Scene::with(|terms| ChannelTerms { reserve: units(reserve), ..terms });
    let (channel, delegates) = (scene.id, vec![scene.world.id(CAROL)]);
    scene.world.must(&draft(ChannelsCall::SetDelegates { channel, side: Side::Responder, delegates }, &[BOB]));
    let snapshot = |scene: &Scene, round| {
        let state = scene.signed(round, [DEPOSIT; 2]);
        draft(ChannelsCall::SnapshotSolo { side: Side::Responder, state }, &[CAROL])
    };
    for round in 1..=3 {
        scene.world.must(&snapshot(&scene, round));
    }
    scene.refuses(&snapshot(&scene, 4), Reject::ChannelFee);
    scene.world.must(&scene.close(BOB, None));
    for round in 4..=6 {
        scene.world.must(&scene.slash(BOB, scene.signed(round, [DEPOSIT; 2])));
    }
    assert_eq!(scene.channel().charged[1], units(reserve));
}

#[test]
fn what_comes_with_a_state_is_not_thwarted_by_showing_that_before() {
    for closes in [true, false] {
        let mut scene = Scene::new();
        let newest = scene.signed(3, [4_000_000, 6_000_000]);
        let state = scene.state([4_000_000, 6_000_000]);
        let call = scene.vm_call(BOB, BANK, 1_000, &[]);
        let force = scene.force(&state, Some(newest), &call, BOB);
        let close = scene.close(BOB, Some(newest));
        scene.world.must(&scene.snapshot(ALICE, newest));
        scene.world.must(if closes { &close } else { &force });
        assert_eq!((scene.channel().signed, scene.round()), (3, if closes { 3 } else { 4 }));
    }
}

#[test]
fn every_call_has_its_phases() {
    let mut scene = Scene::new();
    let state = scene.state([DEPOSIT; 2]);
    let call = scene.vm_call(ALICE, BANK, 1_000, &[]);
    scene.refuses(&scene.slash(ALICE, scene.signed(1, [DEPOSIT; 2])), Reject::ChannelPhase);
    scene.refuses(&scene.settle(), Reject::ChannelPhase);
    scene.world.must(&scene.close(ALICE, None));
    scene.refuses(&scene.close(BOB, None), Reject::ChannelPhase);
    scene.refuses(&scene.snapshot(ALICE, scene.signed(1, [DEPOSIT; 2])), Reject::ChannelPhase);
    scene.wait();
    scene.refuses(&scene.force(&state, None, &call, ALICE), Reject::ChannelPhase);
    let until = scene.world.time + Span::seconds(5);
    scene.world.must(&scene.close_mutual([DEPOSIT; 2], until));
    scene.refuses(&scene.settle(), Reject::ChannelUnknown);
}

#[test]
fn one_bad_answer_does_not_delay_the_others() {
    let mut scene = Scene::new();
    let good = scene.signed(5, [RESERVE, 2 * DEPOSIT - RESERVE]);
    let bad = scene.signed(6, [RESERVE - 1, 2 * DEPOSIT - RESERVE]);
    scene.world.must(&scene.close(ALICE, None));
    let drafts = [scene.slash(BOB, bad), scene.slash(BOB, good)];
    let transactions: Vec<_> = drafts.iter().map(|draft| scene.world.sign(draft)).collect();
    let verdicts = scene.world.commit(&transactions);
    let expected = [byway_ledger::Verdict::Rejected(Reject::ChannelReserve), byway_ledger::Verdict::Final];
    assert_eq!(verdicts, expected);
    assert_eq!(scene.round(), 5);
}
