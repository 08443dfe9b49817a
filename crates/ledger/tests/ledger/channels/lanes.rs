//! Promises out of a channel, claimed when it closes.

use byway_primitives::Encode;
use byway_records::Reject;
use byway_records::call::ChannelsCall;
use byway_records::channel::{ChannelState, Cosigned, Lane, Position, Side};
use byway_records::state::Settled;
use byway_records::{Backing, SignedPromise};

use super::{BANK, DEPOSIT, RESERVE, SAVED, Scene, draft, side_of};
use crate::world::{ALICE, BOB, CAROL, CHANNEL_PRICE, Draft, units};

const CAPACITY: u128 = 1_000_000;

/// A position in which Alice has a lane to Bob.
fn with_lane(scene: &Scene, round: u64, capacity: u128, absorbed: (u64, u128)) -> Position {
    let mut position = scene.position(round, [DEPOSIT - CAPACITY - absorbed.1, DEPOSIT + absorbed.1]);
    // The contracts' part was reckoned without the lane.
    let balances = position.balances.map(|balance| balance.units());
    let mut state = scene.state(balances);
    state.set_balance(BANK, units(CAPACITY - capacity));
    position.root = state.root();
    let absorbed = Settled { serial: absorbed.0, amount: units(absorbed.1) };
    position.lanes[0] = Lane { capacity: units(capacity), absorbed };
    position
}

fn signed(scene: &Scene, round: u64, absorbed: (u64, u128)) -> Cosigned<ChannelState> {
    scene.signed_position(with_lane(scene, round, CAPACITY, absorbed))
}

fn promise(scene: &Scene, payer: usize, payee: usize, serial: u64, amount: u128) -> SignedPromise {
    let promise = scene.world.promise(payer, payee, Backing::Channel(scene.id), serial, amount);
    promise.sign(&scene.world.people[payer].identity)
}

fn claim(by: usize, promise: SignedPromise) -> Draft {
    draft(ChannelsCall::Claim { side: side_of(by), promise }, &[by])
}

/// What both have when Alice has closed with a lane of hers and these promises were claimed, without what was charged.
fn after(scene: &mut Scene, claims: &[(u64, u128)]) -> [u128; 2] {
    scene.world.must(&scene.close(ALICE, Some(signed(scene, 1, (0, 0)))));
    for (serial, amount) in claims {
        let claim = claim(BOB, promise(scene, ALICE, BOB, *serial, *amount));
        scene.world.must(&claim);
    }
    paid(scene)
}

fn paid(scene: &mut Scene) -> [u128; 2] {
    scene.wait();
    scene.world.must(&scene.settle());
    let [alice, bob] = scene.accounts();
    assert_eq!(alice + bob + charged(scene), 2 * SAVED, "every coin is somewhere");
    [alice, bob]
}

/// All that the pool was paid but for the codes that were registered, which others paid.
fn charged(scene: &Scene) -> u128 {
    let supply = scene.world.ledger.supply(&scene.world.store).way();
    supply.pool.units() - scene.world.genesis.pool.units() - 30_000
}

#[test]
fn what_was_promised_is_paid_and_the_rest_of_the_lane_goes_back() {
    for (claims, due) in [
        (&[][..], 0),
        (&[(1, 300_000)], 300_000),
        (&[(1, 300_000), (1, 450_000)], 450_000),
        // A later serial voids what is before it.
        (&[(1, 300_000), (2, 400_000)], 400_000),
        // A lane covers no more than is in it.
        (&[(1, CAPACITY + 5)], CAPACITY),
    ] {
        let mut scene = Scene::new();
        let [alice, bob] = after(&mut scene, claims);
        let claimed = claims.len() as u128 * CHANNEL_PRICE;
        assert_eq!(alice, SAVED - due - 3 * CHANNEL_PRICE, "{claims:?}");
        assert_eq!(bob, SAVED + due - claimed, "{claims:?}");
    }
}

#[test]
fn what_a_newer_state_has_absorbed_is_not_paid_again() {
    let mut scene = Scene::new();
    scene.world.must(&scene.close(ALICE, Some(signed(&scene, 1, (0, 0)))));
    scene.world.must(&claim(BOB, promise(&scene, ALICE, BOB, 1, 300_000)));
    // Alice answers: of the promise 200,000 stand in Bob's balance already.
    scene.world.must(&scene.slash(ALICE, signed(&scene, 2, (1, 200_000))));
    let [_, bob] = paid(&mut scene);
    assert_eq!(bob, SAVED + 300_000 - CHANNEL_PRICE);
}

#[test]
fn only_what_claims_something_new_is_taken() {
    let mut scene = Scene::new();
    let of_alice = |scene: &Scene, serial, amount| claim(BOB, promise(scene, ALICE, BOB, serial, amount));
    scene.refuses(&of_alice(&scene, 1, 5), Reject::ChannelPhase);
    scene.world.must(&scene.close(ALICE, Some(signed(&scene, 1, (3, 200_000)))));
    scene.refuses(&of_alice(&scene, 2, 900_000), Reject::ChannelClaim);
    scene.refuses(&of_alice(&scene, 3, 200_000), Reject::ChannelClaim);
    scene.world.must(&of_alice(&scene, 3, 200_001));
    scene.refuses(&of_alice(&scene, 3, 200_001), Reject::ChannelClaim);
    // Alice has a lane and Bob has none.
    scene.refuses(&claim(ALICE, promise(&scene, BOB, ALICE, 1, 5)), Reject::ChannelClaim);
    scene.refuses(&claim(ALICE, promise(&scene, ALICE, BOB, 4, 5)), Reject::ChannelParties);
    scene.refuses(&claim(BOB, promise(&scene, CAROL, BOB, 4, 5)), Reject::ChannelParties);
    let as_carol = ChannelsCall::Claim { side: Side::Responder, promise: promise(&scene, ALICE, BOB, 4, 5) };
    scene.refuses(&draft(as_carol, &[CAROL]), Reject::NotAuthorised);
    let on_account = scene.world.promise(ALICE, BOB, Backing::Account, 4, 5);
    let on_account = on_account.sign(&scene.world.people[ALICE].identity);
    scene.refuses(&claim(BOB, on_account), Reject::PromiseBacking);
}

#[test]
fn a_claim_gives_the_other_side_time_and_cannot_be_repeated_without_end() {
    let mut scene = Scene::new();
    scene.world.must(&scene.close(ALICE, Some(signed(&scene, 1, (0, 0)))));
    for amount in 1..=4 {
        scene.world.must(&claim(BOB, promise(&scene, ALICE, BOB, 1, amount)));
        scene.refuses(&scene.settle(), Reject::ChannelLocked);
    }
    // A fifth is still paid, but gives no more time.
    let phase = scene.channel().phase;
    scene.world.must(&claim(BOB, promise(&scene, ALICE, BOB, 1, 5)));
    assert_eq!((scene.channel().phase, scene.channel().due()), (phase, [units(5), units(0)]));
}

#[test]
fn whoever_has_closed_and_forced_is_still_paid_its_promises() {
    let mut scene = Scene::new();
    let position = with_lane(&scene, 1, CAPACITY, (0, 0));
    let mut state = scene.state(position.balances.map(|balance| balance.units()));
    state.set_balance(BANK, units(0));
    scene.world.must(&scene.close(BOB, Some(scene.signed_position(position))));
    for _ in 0..4 {
        let call = scene.vm_call(BOB, BANK, 1_000, &[]);
        scene.must_force(&mut state, &call, BOB);
    }
    let call = scene.vm_call(BOB, BANK, 1_000, &[]);
    scene.refuses(&scene.force(&state, None, &call, BOB), Reject::ChannelStreak);
    scene.world.must(&claim(BOB, promise(&scene, ALICE, BOB, 1, CAPACITY)));
    assert_eq!(scene.channel().due(), [units(CAPACITY), units(0)]);
}

#[test]
fn promises_that_a_side_is_sent_while_it_closes_do_not_take_its_forced_calls_from_it() {
    let mut scene = Scene::new();
    let position = with_lane(&scene, 1, CAPACITY, (0, 0));
    let mut state = scene.state(position.balances.map(|balance| balance.units()));
    state.set_balance(BANK, units(0));
    scene.world.must(&scene.close(BOB, Some(scene.signed_position(position))));
    // Alice pays next to nothing for each.
    for amount in 1..=6 {
        scene.world.must(&claim(BOB, promise(&scene, ALICE, BOB, 1, amount)));
    }
    for _ in 0..4 {
        let call = scene.vm_call(BOB, BANK, 1_000, &[]);
        scene.must_force(&mut state, &call, BOB);
    }
    // Both together do not put off the end without bound either.
    let call = scene.vm_call(BOB, BANK, 1_000, &[]);
    scene.refuses(&scene.force(&state, None, &call, BOB), Reject::ChannelStreak);
    let phase = scene.channel().phase;
    scene.world.must(&claim(BOB, promise(&scene, ALICE, BOB, 1, CAPACITY)));
    assert_eq!(scene.channel().phase, phase);
}

#[test]
fn a_promise_of_next_to_nothing_voids_no_claim() {
    let mut scene = Scene::new();
    let (channel, delegates) = (scene.id, vec![scene.world.id(CAROL)]);
    scene.world.must(&draft(ChannelsCall::SetDelegates { channel, side: Side::Responder, delegates }, &[BOB]));
    scene.world.must(&scene.close(ALICE, Some(signed(&scene, 1, (0, 0)))));
    let void = ChannelsCall::Claim { side: Side::Responder, promise: promise(&scene, ALICE, BOB, u64::MAX, 1) };
    scene.world.must(&draft(void.clone(), &[CAROL]));
    scene.world.must(&claim(BOB, promise(&scene, ALICE, BOB, 1, 300_000)));
    scene.refuses(&draft(void, &[CAROL]), Reject::ChannelClaim);
    assert_eq!(scene.channel().due(), [units(300_000), units(0)]);
}

fn call_of(scene: &Scene, value: u128) -> byway_vm::Call {
    scene.vm_call(ALICE, BANK, value, &[])
}

#[test]
fn no_forced_call_spends_what_is_in_a_lane() {
    let mut scene = Scene::new();
    let position = with_lane(&scene, 1, CAPACITY, (0, 0));
    let mut state = scene.state(position.balances.map(|balance| balance.units()));
    state.set_balance(BANK, units(0));
    assert_eq!(state.root(), position.root);
    scene.world.must(&scene.snapshot(BOB, scene.signed_position(position)));
    let call = scene.vm_call(ALICE, BANK, DEPOSIT - CAPACITY - RESERVE, &[]);
    scene.must_force(&mut state, &call, ALICE);
    let idle = scene.vm_call(BOB, BANK, 0, &[]);
    scene.must_force(&mut state, &idle, BOB);
    let parties = [ALICE, BOB].map(|person| scene.address(person));
    let witness = state.witness(scene.world.network, scene.now(), &call_of(&scene, 1), &parties).expect("it runs").0;
    let more = scene.forcing(scene.round() + 1, None, &call_of(&scene, RESERVE + 1), scene.now(), witness.to_bytes());
    scene.refuses(&draft(more, &[ALICE]), Reject::ChannelCall);
    assert_eq!(scene.channel().position.lanes, position.lanes);
    scene.world.must(&scene.close(BOB, None));
    scene.world.must(&claim(BOB, promise(&scene, ALICE, BOB, 1, CAPACITY)));
    let due = scene.channel().due();
    assert_eq!(due, [units(CAPACITY), units(0)]);
}

#[test]
fn a_state_whose_lanes_are_more_than_there_is_is_refused() {
    let mut scene = Scene::new();
    let position = with_lane(&scene, 1, CAPACITY, (0, 0));
    for capacity in [CAPACITY + 1, u128::MAX] {
        let mut more = position;
        more.lanes[0].capacity = units(capacity);
        scene.refuses(&scene.snapshot(ALICE, scene.signed_position(more)), Reject::ChannelTotal);
    }
    let until = scene.world.time + byway_primitives::Span::seconds(60);
    scene.world.must(&scene.snapshot(ALICE, scene.signed_position(position)));
    // A mutual close has no lanes: both agree what each has.
    scene.world.must(&scene.close_mutual([DEPOSIT - 7, DEPOSIT + 7], until));
}
