//! Virtual channels on the ledger, which has none of their money: Alice and Bob, guaranteed by Carol.

use byway_primitives::{Amount, Span, Time};
use byway_records::call::ChannelsCall;
use byway_records::channel::guaranteed::outcome_key;
use byway_records::channel::{
    CertifiedClose, ChannelTerms, Closer, Environment, Lane, Movement, Outcome, Phase, Position, Side, VirtualClose,
    VirtualTerms,
};
use byway_records::genesis::Wait;
use byway_records::state::{Deadline, Settled};
use byway_records::{Backing, ProgramId, Reject};

use super::{BANK, DEPOSIT, LOCK, RESERVE, SAVED, Scene, draft, side_of, terms};
use crate::world::{ALICE, BOB, CAROL, CHANNEL_PRICE, Draft, World, units};

/// Three lock periods and a half.
pub const DISPUTE: Wait = Wait { millis: Span::seconds(35), commits: 17 };
pub const TOTAL: u128 = 2 * DEPOSIT;

fn virtual_terms(world: &World) -> VirtualTerms {
    let environment = Environment { time: world.time, height: 0 };
    let (terms, network, hub) = (terms(world), world.network, world.id(CAROL));
    VirtualTerms { network, terms, hub, dispute: DISPUTE, ends: Time(1), environment, nonce: 7 }
}

/// A channel that is not registered yet. Nobody has anything in an account.
fn unregistered(change: impl Fn(VirtualTerms) -> VirtualTerms) -> (Scene, Draft) {
    let world = World::new();
    let (terms, start) = (change(virtual_terms(&world)), world.time);
    let mut scene = Scene { world, id: terms.id(), start };
    scene.register(&super::BANK_CODE);
    let draft = draft(ChannelsCall::RegisterVirtual(scene.cosign(terms)), &[]);
    (scene, draft)
}

pub fn registered() -> Scene {
    registered_with(|terms| terms)
}

pub fn registered_with(change: impl Fn(VirtualTerms) -> VirtualTerms) -> Scene {
    let (mut scene, register) = unregistered(change);
    must(&mut scene, &register);
    scene
}

/// With a fee that pays for a call.
pub fn with_fee(scene: &Scene, draft: &Draft, fee: u128) -> Draft {
    scene.world.funded(scene.world.coin(CAROL), Draft { fee: units(fee), ..draft.clone() })
}

fn must(scene: &mut Scene, draft: &Draft) {
    scene.world.must(&with_fee(scene, draft, CHANNEL_PRICE));
}

fn refuses(scene: &mut Scene, draft: &Draft, reason: Reject) {
    let paid = with_fee(scene, draft, CHANNEL_PRICE);
    scene.refuses(&paid, reason);
}

pub fn end(scene: &Scene, by: usize) -> Draft {
    draft(ChannelsCall::EndVirtual { channel: scene.id, state: None }, &[by])
}

pub fn certificate(scene: &Scene, paid: [u128; 2], hub: usize) -> Draft {
    let close = VirtualClose { network: scene.world.network, channel: scene.id, paid: paid.map(units) };
    let certificate = CertifiedClose::sign(scene.cosign(close), &scene.world.people[hub].identity);
    draft(ChannelsCall::CloseVirtual(certificate), &[])
}

pub fn outcome(scene: &Scene) -> Option<[u128; 2]> {
    let outcome: Option<Outcome> = scene.world.ledger.tree(ProgramId::CHANNELS)?.read(&outcome_key(scene.id));
    outcome.map(|outcome| outcome.paid.map(Amount::units))
}

fn until(scene: &Scene) -> Deadline {
    let Phase::Closing { until, .. } = scene.channel().phase else { panic!("it is closing") };
    until
}

#[test]
fn a_virtual_channel_moves_no_money_and_leaves_its_outcome_for_good() {
    let mut scene = registered();
    let channel = scene.channel();
    assert_eq!((channel.total, channel.holds(), channel.signed), (units(TOTAL), Some(units(0)), 0));
    assert_eq!(channel.position.balances, [units(DEPOSIT); 2]);
    let old = scene.signed(3, [9_000_000, 1_000_000]);
    let newest = scene.signed(9, [2_000_000, 7_000_001]);
    let (close, slash) = (scene.close(ALICE, Some(old)), scene.slash(BOB, newest));
    must(&mut scene, &close);
    must(&mut scene, &slash);
    let settle = scene.settle();
    refuses(&mut scene, &settle, Reject::ChannelLocked);
    scene.wait();
    must(&mut scene, &settle);
    // What contracts held is halved, and all of it is there.
    assert_eq!(outcome(&scene), Some([2_500_000, 7_500_000]));
    assert_eq!((scene.open_channel(), scene.accounts()), (None, [0, 0]));
    refuses(&mut scene, &settle, Reject::ChannelUnknown);
    let register = draft(ChannelsCall::RegisterVirtual(scene.cosign(virtual_terms_of(&scene))), &[]);
    refuses(&mut scene, &register, Reject::VirtualKnown);
    scene.wait();
    assert_eq!(outcome(&scene), Some([2_500_000, 7_500_000]));
}

/// Those of before, though time has passed.
pub fn virtual_terms_of(scene: &Scene) -> VirtualTerms {
    let environment = Environment { time: scene.start, height: 0 };
    VirtualTerms { environment, ..virtual_terms(&scene.world) }
}

#[test]
fn whoever_registers_a_channel_twice_is_refused() {
    let (mut scene, register) = unregistered(|terms| terms);
    must(&mut scene, &register);
    refuses(&mut scene, &register, Reject::VirtualKnown);
}

#[test]
fn terms_that_no_channel_may_have_are_not_registered() {
    let longest = Wait { millis: Span::days(90), commits: 10_000_000 };
    let with = |terms: VirtualTerms, change: fn(ChannelTerms) -> ChannelTerms| VirtualTerms {
        terms: change(terms.terms),
        ..terms
    };
    type Change<'a> = &'a dyn Fn(VirtualTerms) -> VirtualTerms;
    let cases: [(Change<'_>, Reject); 10] = [
        (&|terms| VirtualTerms { hub: terms.terms.parties[0], ..terms }, Reject::ChannelTerms),
        (&|terms| VirtualTerms { hub: terms.terms.parties[1], ..terms }, Reject::ChannelTerms),
        (
            &|terms| VirtualTerms { dispute: Wait { millis: Span::seconds(9), ..DISPUTE }, ..terms },
            Reject::ChannelTerms,
        ),
        (&|terms| VirtualTerms { dispute: Wait { commits: 4, ..DISPUTE }, ..terms }, Reject::ChannelTerms),
        (
            &move |terms| VirtualTerms { dispute: Wait { commits: longest.commits + 1, ..longest }, ..terms },
            Reject::ChannelTerms,
        ),
        (
            &|terms| with(terms, |terms| ChannelTerms { lock: Wait { commits: 0, ..LOCK }, ..terms }),
            Reject::ChannelTerms,
        ),
        (
            &|terms| with(terms, |terms| ChannelTerms { deposits: [Amount::MAX, units(1)], ..terms }),
            Reject::ChannelTerms,
        ),
        (
            &|terms| with(terms, |terms| ChannelTerms { deposits: [units(1), units(DEPOSIT)], ..terms }),
            Reject::ChannelReserve,
        ),
        (
            &|terms| with(terms, |terms| ChannelTerms { parties: [terms.parties[1], terms.parties[0]], ..terms }),
            Reject::ChannelParties,
        ),
        (
            &|terms| VirtualTerms { environment: Environment { time: terms.environment.time, height: 1_000 }, ..terms },
            Reject::ChannelEnvironment,
        ),
    ];
    for (index, (change, reason)) in cases.into_iter().enumerate() {
        let (mut scene, register) = unregistered(change);
        let verdict = scene.world.run(&with_fee(&scene, &register, CHANNEL_PRICE));
        assert_eq!(verdict, byway_ledger::Verdict::Rejected(reason), "case {index}");
    }
    // A part of nothing is fine: whoever has nothing in it may still be paid.
    let (mut scene, register) = unregistered(|terms| {
        with(terms, |terms| ChannelTerms { deposits: [units(0), units(DEPOSIT)], reserve: units(0), ..terms })
    });
    must(&mut scene, &register);
}

#[test]
fn nothing_is_put_in_or_taken_out_and_two_signatures_do_not_close_it() {
    let mut scene = registered();
    let expires = scene.world.time + Span::minutes(5);
    for movement in [Movement::Deposit, Movement::Withdraw] {
        let fund = scene.fund(ALICE, movement, 1_000, scene.position(2, [DEPOSIT; 2]), expires);
        refuses(&mut scene, &fund, Reject::VirtualMoney);
    }
    let mut state = scene.state([DEPOSIT, DEPOSIT - 1_000]);
    state.set_balance(BANK, units(1_000));
    let leave = scene.leave(ALICE, &state, BANK, scene.position(2, [DEPOSIT, DEPOSIT - 1_000]), expires).0;
    refuses(&mut scene, &leave, Reject::VirtualMoney);
    let close = scene.close_mutual([DEPOSIT; 2], expires);
    refuses(&mut scene, &close, Reject::VirtualHub);
    assert_eq!((outcome(&scene), scene.channel().total), (None, units(TOTAL)));
}

#[test]
fn every_call_about_it_is_paid_for_by_its_transaction() {
    let (mut scene, register) = unregistered(|terms| terms);
    scene.refuses(&register, Reject::ChannelFee);
    must(&mut scene, &register);
    let state = scene.state([DEPOSIT; 2]);
    let signed = scene.signed(1, [DEPOSIT; 2]);
    let call = scene.vm_call(ALICE, BANK, 1_000, &[]);
    let force = scene.force(&state, Some(signed), &call, ALICE);
    let delegates = ChannelsCall::SetDelegates { channel: scene.id, side: Side::Initiator, delegates: Vec::new() };
    let unpaid = [
        scene.snapshot(ALICE, signed),
        scene.close(ALICE, None),
        draft(delegates, &[ALICE]),
        end(&scene, CAROL),
        certificate(&scene, [DEPOSIT; 2], CAROL),
        force.clone(),
    ];
    for call in &unpaid {
        scene.refuses(call, Reject::ChannelFee);
    }
    // A forced call for all that it names and shows.
    let cost = Scene::cost(&force);
    let too_little = with_fee(&scene, &force, cost - 1);
    scene.refuses(&too_little, Reject::ChannelFee);
    scene.world.must(&with_fee(&scene, &force, cost));
    assert_eq!((scene.round(), scene.channel().charged), (2, [units(0); 2]));
    let close = scene.close(ALICE, None);
    must(&mut scene, &close);
    scene.wait();
    let settle = scene.settle();
    scene.refuses(&settle, Reject::ChannelFee);
    must(&mut scene, &settle);
    assert_eq!(outcome(&scene), Some([DEPOSIT - 500, DEPOSIT + 500]));
}

#[test]
fn the_hub_ends_a_channel_that_both_have_left_alone_and_both_can_answer() {
    let mut scene = registered();
    for other in [ALICE, BOB] {
        let end = end(&scene, other);
        refuses(&mut scene, &end, Reject::NotAuthorised);
    }
    let ended = end(&scene, CAROL);
    must(&mut scene, &ended);
    let Phase::Closing { by, streak, .. } = scene.channel().phase else { panic!("it is closing") };
    assert_eq!((by, streak), (Closer::Hub, 0));
    refuses(&mut scene, &ended, Reject::ChannelPhase);
    let close = scene.close(ALICE, None);
    refuses(&mut scene, &close, Reject::ChannelPhase);
    // Neither has shown anything before, so each may as often as the other.
    for (round, by) in [(2, ALICE), (3, BOB), (4, BOB)] {
        let slash = scene.slash(by, scene.signed(round, [DEPOSIT - u128::from(round), DEPOSIT + u128::from(round)]));
        must(&mut scene, &slash);
    }
    scene.wait();
    let settle = scene.settle();
    must(&mut scene, &settle);
    assert_eq!(outcome(&scene), Some([DEPOSIT - 4, DEPOSIT + 4]));
}

#[test]
fn the_hub_may_show_a_state_and_ends_no_other_channel_than_its_own() {
    let mut scene = registered();
    let state = Some(scene.signed(5, [DEPOSIT + 7, DEPOSIT - 7]));
    let with_state = draft(ChannelsCall::EndVirtual { channel: scene.id, state }, &[CAROL]);
    must(&mut scene, &with_state);
    assert_eq!((scene.channel().signed, scene.channel().position.balances[0]), (5, units(DEPOSIT + 7)));
    let mut direct = Scene::new();
    let (ended, certified) = (end(&direct, CAROL), certificate(&direct, [DEPOSIT; 2], CAROL));
    direct.refuses(&ended, Reject::VirtualOnly);
    direct.refuses(&certified, Reject::VirtualOnly);
    assert_eq!(direct.accounts(), [SAVED - DEPOSIT; 2]);
}

#[test]
fn two_who_prolong_in_turn_do_not_go_beyond_the_end() {
    let mut scene = registered();
    let begun = scene.world.time;
    let close = scene.close(ALICE, None);
    must(&mut scene, &close);
    let end = scene.channel().guaranteed.and_then(|guaranteed| guaranteed.end).expect("it is closing");
    assert_eq!(end.time, begun + DISPUTE.millis + Span::millis(1));
    assert_eq!(until(&scene).time, begun + LOCK.millis + Span::millis(1));
    let (mut turn, mut acts) = (0, 0);
    while !until(&scene).passed(scene.world.time, scene.world.ledger.commits()) {
        let by = [BOB, ALICE][turn % 2];
        let slash = scene.slash(by, scene.signed(turn as u64 + 1, [DEPOSIT - turn as u128, DEPOSIT + turn as u128]));
        must(&mut scene, &slash);
        assert!(until(&scene).time <= end.time && until(&scene).commits <= end.commits);
        scene.world.wait(Wait { millis: Span::seconds(9), commits: 4 });
        (turn, acts) = (turn + 1, acts + 1);
    }
    assert_eq!((acts, until(&scene)), (4, end), "both had their turns, and then it was over");
    // What comes after that prolongs nothing, and nothing is forced any more.
    let late = scene.slash(BOB, scene.signed(9, [DEPOSIT - 9, DEPOSIT + 9]));
    must(&mut scene, &late);
    assert_eq!(until(&scene), end);
    let call = scene.vm_call(ALICE, BANK, 1_000, &[]);
    let state = scene.state([DEPOSIT - 9, DEPOSIT + 9]);
    let force = scene.force(&state, None, &call, ALICE);
    let force = with_fee(&scene, &force, Scene::cost(&force));
    scene.refuses(&force, Reject::ChannelPhase);
    let settle = scene.settle();
    must(&mut scene, &settle);
    assert_eq!(outcome(&scene), Some([DEPOSIT - 9, DEPOSIT + 9]));
}

#[test]
fn a_certificate_ends_it_whatever_was_shown_and_until_it_is_settled() {
    for phase in 0..3 {
        let mut scene = registered();
        let other = certificate(&scene, [DEPOSIT + 5, DEPOSIT - 5], BOB);
        refuses(&mut scene, &other, Reject::ChannelParties);
        for paid in [[DEPOSIT, DEPOSIT - 1], [DEPOSIT, DEPOSIT + 1], [u128::MAX, DEPOSIT]] {
            let divided = certificate(&scene, paid, CAROL);
            refuses(&mut scene, &divided, Reject::ChannelTotal);
        }
        if phase > 0 {
            let old = scene.signed(3, [9_000_000, 1_000_000]);
            let close = scene.close(ALICE, Some(old));
            must(&mut scene, &close);
        }
        if phase > 1 {
            scene.wait();
        }
        // Less than the reserve for Alice: the parents' contracts pay that as well.
        let paid = [RESERVE - 1, TOTAL - RESERVE + 1];
        let certified = certificate(&scene, paid, CAROL);
        must(&mut scene, &certified);
        assert_eq!((outcome(&scene), scene.open_channel()), (Some(paid), None), "phase {phase}");
        refuses(&mut scene, &certified, Reject::ChannelUnknown);
    }
}

#[test]
fn promises_are_claimed_as_in_any_channel() {
    let mut scene = registered();
    let capacity = 1_000_000;
    let mut state = scene.state([DEPOSIT - capacity, DEPOSIT]);
    state.set_balance(BANK, units(0));
    let mut position = Position { root: state.root(), ..scene.position(4, [DEPOSIT - capacity, DEPOSIT]) };
    position.lanes[0] = Lane { capacity: units(capacity), absorbed: Settled::default() };
    let close = scene.close(ALICE, Some(scene.signed_position(position)));
    must(&mut scene, &close);
    let promise = scene.world.promise(ALICE, BOB, Backing::Channel(scene.id), 1, 600_000);
    let promise = promise.sign(&scene.world.people[ALICE].identity);
    must(&mut scene, &draft(ChannelsCall::Claim { side: side_of(BOB), promise }, &[BOB]));
    scene.wait();
    let settle = scene.settle();
    must(&mut scene, &settle);
    assert_eq!(outcome(&scene), Some([DEPOSIT - 600_000, DEPOSIT + 600_000]));
}
