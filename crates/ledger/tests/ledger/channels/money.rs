//! Every coin that went in comes out again.

use byway_primitives::{Amount, Span};
use byway_records::Reject;
use byway_records::call::ChannelsCall;
use byway_records::channel::{ChannelState, ChannelTerms, Movement, Remainder, Side};
use byway_records::genesis::Wait;
use proptest::prelude::*;

use super::{DEPOSIT, RESERVE, SAVED, SECRET, Scene, draft, terms};
use crate::world::{ALICE, BOB, CAROL, CHANNEL_PRICE, World, units};

const TOTAL: u128 = 2 * DEPOSIT;

#[test]
fn what_contracts_hold_at_the_end_goes_where_both_agreed() {
    let held = 3_000_001;
    let balances = [4_000_000, TOTAL - 4_000_000 - held];
    for (remainder, shares) in [
        (Remainder::Initiator, [held, 0]),
        (Remainder::Responder, [0, held]),
        (Remainder::Halves, [1_500_001, 1_500_000]),
    ] {
        let mut scene = Scene::with(|terms| ChannelTerms { remainder, ..terms });
        scene.world.must(&scene.close(BOB, Some(scene.signed(2, balances))));
        scene.wait();
        scene.world.must(&scene.settle());
        let alice = SAVED - DEPOSIT + balances[0] + shares[0] - CHANNEL_PRICE;
        let bob = SAVED - DEPOSIT + balances[1] + shares[1] - 2 * CHANNEL_PRICE;
        assert_eq!(scene.accounts(), [alice, bob], "{remainder:?}");
    }
}

#[test]
fn balances_and_reserve_are_checked_while_open_and_at_every_close() {
    for (balances, reason) in [
        ([RESERVE - 1, DEPOSIT], Reject::ChannelReserve),
        ([DEPOSIT, RESERVE - 1], Reject::ChannelReserve),
        ([TOTAL, RESERVE], Reject::ChannelTotal),
        ([u128::MAX, u128::MAX], Reject::ChannelTotal),
    ] {
        let mut scene = Scene::new();
        let state = scene.signed(1, balances);
        let until = scene.world.time + Span::seconds(60);
        scene.refuses(&scene.snapshot(ALICE, state), reason);
        scene.refuses(&scene.close(ALICE, Some(state)), reason);
        scene.refuses(&scene.close_mutual(balances, until), reason);
        scene.refuses(&scene.fund(ALICE, Movement::Deposit, 0, scene.position(1, balances), until), reason);
        scene.world.must(&scene.close(ALICE, None));
        scene.refuses(&scene.slash(BOB, state), reason);
        scene.refuses(&scene.close_mutual(balances, until), reason);
    }
    let mut scene = Scene::new();
    let too_little = scene.close_mutual([DEPOSIT, DEPOSIT - 1], scene.world.time + Span::seconds(60));
    scene.refuses(&too_little, Reject::ChannelTotal);
    scene.world.must(&scene.snapshot(ALICE, scene.signed(1, [RESERVE, TOTAL - RESERVE])));
}

#[test]
fn a_mutual_close_pays_both_and_takes_half_of_its_price_from_each() {
    let mut scene = Scene::new();
    let close = scene.close_mutual([1_000_000, TOTAL - 1_000_000], scene.world.time + Span::seconds(1));
    scene.world.must(&close);
    let half = CHANNEL_PRICE / 2;
    let alice = SAVED - DEPOSIT + 1_000_000 - CHANNEL_PRICE - half;
    assert_eq!(scene.accounts(), [alice, SAVED + DEPOSIT - 1_000_000 - half]);
    assert_eq!(scene.open_channel(), None);
}

#[test]
fn deposits_and_withdrawals_move_the_total_and_void_what_divides_another() {
    let mut scene = Scene::new();
    let before = scene.signed(8, [DEPOSIT; 2]);
    let until = scene.world.time + Span::seconds(60);
    let deposit = scene.fund(BOB, Movement::Deposit, 700_000, scene.position(3, [DEPOSIT, DEPOSIT + 700_000]), until);
    scene.refuses(&signed_by(&deposit, CAROL), Reject::NotAuthorised);
    scene.world.must(&deposit);
    assert_eq!(scene.channel().total, units(TOTAL + 700_000));
    assert_eq!(scene.world.balance(BOB), SAVED - DEPOSIT - 700_000);
    // Of a higher round, but from before: it was signed for another total.
    scene.refuses(&scene.snapshot(ALICE, before), Reject::ChannelTotal);
    let withdraw =
        scene.fund(ALICE, Movement::Withdraw, 700_000, scene.position(4, [DEPOSIT - 700_000, DEPOSIT]), until);
    scene.world.must(&withdraw);
    assert_eq!(scene.channel().total, units(TOTAL));
    assert_eq!(scene.world.balance(ALICE), SAVED - DEPOSIT + 700_000);
    scene.refuses(&withdraw, Reject::ChannelRound);
    let too_much = scene.fund(ALICE, Movement::Withdraw, TOTAL, scene.position(5, [0, 0]), until);
    scene.refuses(&too_much, Reject::ChannelReserve);
}

fn signed_by(draft: &crate::world::Draft, person: usize) -> crate::world::Draft {
    crate::world::Draft { signers: vec![person], ..draft.clone() }
}

#[test]
fn what_both_signed_about_the_ledger_has_a_time_limit() {
    let mut scene = Scene::new();
    let until = scene.world.time + Span::seconds(1);
    let close = scene.close_mutual([DEPOSIT; 2], until);
    let deposit = scene.fund(BOB, Movement::Deposit, 7, scene.position(3, [DEPOSIT, DEPOSIT + 7]), until);
    scene.world.wait(Wait { millis: Span::seconds(2), commits: 1 });
    scene.refuses(&close, Reject::ChannelExpired);
    scene.refuses(&deposit, Reject::ChannelExpired);
}

#[test]
fn a_channel_can_be_closed_whatever_was_charged_before() {
    let mut scene = Scene::with(|terms| ChannelTerms { reserve: units(8 * CHANNEL_PRICE), ..terms });
    let mut round = 0;
    // Until nothing is left of Alice's reserve.
    loop {
        round += 1;
        let snapshot = scene.snapshot(ALICE, scene.signed(round, [DEPOSIT; 2]));
        if scene.world.run(&snapshot) != byway_ledger::Verdict::Final {
            scene.refuses(&snapshot, Reject::ChannelFee);
            break;
        }
    }
    // Nor does anything else that can wait use up what closing takes.
    let deposit = scene.fund(
        ALICE,
        Movement::Deposit,
        7,
        scene.position(round + 1, [DEPOSIT + 7, DEPOSIT]),
        scene.world.time + Span::seconds(60),
    );
    scene.refuses(&deposit, Reject::ChannelFee);
    let delegates = ChannelsCall::SetDelegates { channel: scene.id, side: Side::Initiator, delegates: Vec::new() };
    scene.refuses(&draft(delegates, &[ALICE]), Reject::ChannelFee);
    // She closes, answers herself, and has it settled; and there would be more for a promise.
    scene.world.must(&scene.close(ALICE, None));
    scene.world.must(&scene.slash(ALICE, scene.signed(round + 1, [DEPOSIT; 2])));
    scene.wait();
    scene.world.must(&scene.settle());
    assert_eq!(scene.accounts(), [SAVED - 7 * CHANNEL_PRICE, SAVED]);
}

/// Whoever answers has what that costs, whatever was charged before.
#[test]
fn a_close_can_be_answered_whatever_was_charged_before() {
    let mut scene = Scene::with(|terms| ChannelTerms { reserve: units(8 * CHANNEL_PRICE), ..terms });
    let mut round = 0;
    loop {
        round += 1;
        let snapshot = scene.snapshot(BOB, scene.signed(round, [DEPOSIT; 2]));
        if scene.world.run(&snapshot) != byway_ledger::Verdict::Final {
            break;
        }
    }
    scene.world.must(&scene.close(ALICE, None));
    for more in 1..=4 {
        scene.world.must(&scene.slash(BOB, scene.signed(round + more, [DEPOSIT; 2])));
    }
    // Whoever has shown four newer states beyond what was ever co-signed pays for more by the transaction.
    scene.refuses(&scene.slash(BOB, scene.signed(round + 5, [DEPOSIT; 2])), Reject::ChannelFee);
}

#[test]
fn the_terms_of_a_channel_are_bounded() {
    let mut world = World::new();
    for person in [ALICE, BOB] {
        world.must(&world.deposit(world.coin(person), person, SAVED));
    }
    let good = terms(&world);
    let lock = |millis, commits| Wait { millis: Span::millis(millis), commits };
    for (bad, reason) in [
        (ChannelTerms { parties: [world.id(ALICE); 2], ..good }, Reject::ChannelTerms),
        (ChannelTerms { reserve: units(8 * CHANNEL_PRICE - 1), ..good }, Reject::ChannelTerms),
        (ChannelTerms { lock: lock(10_000, 0), ..good }, Reject::ChannelTerms),
        (ChannelTerms { lock: lock(999, 5), ..good }, Reject::ChannelTerms),
        (ChannelTerms { lock: lock(u64::MAX, 5), ..good }, Reject::ChannelTerms),
        (ChannelTerms { lock: lock(10_000, u64::MAX), ..good }, Reject::ChannelTerms),
        (ChannelTerms { deposits: [Amount::MAX; 2], ..good }, Reject::ChannelTerms),
        (ChannelTerms { deposits: [units(RESERVE - 1), units(DEPOSIT)], ..good }, Reject::ChannelReserve),
        (ChannelTerms { deposits: [units(SAVED + 1), units(DEPOSIT)], ..good }, Reject::BalanceTooSmall),
        (ChannelTerms { parties: [world.id(ALICE), world.id(CAROL)], ..good }, Reject::NotAuthorised),
    ] {
        world.refuses(&draft(ChannelsCall::Create { terms: bad }, &[ALICE, BOB]), reason);
    }
    world.refuses(&draft(ChannelsCall::Create { terms: good }, &[ALICE]), Reject::NotAuthorised);
    world.must(&draft(ChannelsCall::Create { terms: good }, &[ALICE, BOB]));
}

#[test]
fn what_is_signed_for_one_channel_or_by_others_is_of_no_use_in_another() {
    let mut scene = Scene::new();
    let good = scene.signed(1, [DEPOSIT; 2]);
    let other = ChannelState { channel: byway_records::promise::ChannelId(scene.world.network.0), ..good.body };
    scene.refuses(&scene.snapshot(ALICE, scene.cosign(other)), Reject::ChannelUnknown);
    let strangers = [CAROL, BOB].map(|person| &scene.world.people[person].identity);
    let by_strangers = byway_records::Cosigned::sign(good.body, strangers);
    scene.refuses(&scene.snapshot(ALICE, by_strangers), Reject::ChannelParties);
    let mut scene_two = Scene::new();
    let create = draft(ChannelsCall::Create { terms: terms(&scene_two.world) }, &[ALICE, BOB]);
    let second = scene_two.world.must(&create);
    let close = ChannelsCall::CloseSolo {
        channel: byway_records::promise::ChannelId(second.0),
        side: byway_records::channel::Side::Initiator,
        secret: SECRET,
        state: Some(scene_two.signed(1, [DEPOSIT; 2])),
    };
    scene_two.refuses(&draft(close, &[ALICE]), Reject::ChannelParties);
}

#[test]
fn code_is_registered_once_and_paid_by_its_length() {
    let mut scene = Scene::new();
    let register = |scene: &Scene, code: Vec<u8>, fee: u128| {
        let call = draft(ChannelsCall::RegisterCode { code }, &[]);
        scene.world.funded(scene.world.coin(ALICE), crate::world::Draft { fee: units(fee), ..call })
    };
    scene.refuses(&register(&scene, vec![1; 2_049], 3 * CHANNEL_PRICE - 1), Reject::FeeTooLow);
    scene.world.must(&register(&scene, vec![1; 2_049], 3 * CHANNEL_PRICE));
    scene.refuses(&register(&scene, vec![1; 2_049], 3 * CHANNEL_PRICE), Reject::CodeKnown);
    scene.refuses(&register(&scene, vec![0xef, 0], CHANNEL_PRICE), Reject::CodeBad);
    scene.refuses(&register(&scene, vec![], CHANNEL_PRICE), Reject::CodeBad);
}

proptest! {
    #[test]
    fn shares_of_a_rest_are_all_of_it(rest in any::<u128>()) {
        for remainder in [Remainder::Initiator, Remainder::Responder, Remainder::Halves] {
            prop_assert_eq!(Amount::checked_sum(remainder.shares(units(rest))), Some(units(rest)));
        }
    }
}
