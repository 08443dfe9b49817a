//! Those who want a name that is, or is about to be, somebody else's.

use byway_ledger::Verdict::{self, Rejected};
use byway_primitives::Amount;
use byway_records::Reject;
use byway_records::call::NamesCall;
use byway_records::names::{Years, commitment};

use super::{name, with_people};
use crate::world::{ALICE, BOB, CAROL, Draft, NAME_PRICES, NAME_REVEAL, World};

/// Alice and then Bob have committed to one name, and a checkpoint covers both.
fn two_commitments() -> World {
    let mut world = with_people();
    world.must(&world.commit_to(world.coin(ALICE), ALICE, "carrot", 1));
    world.must(&world.commit_to(world.coin(BOB), BOB, "carrot", 2));
    world.checkpoint();
    world
}

/// Named adversary: someone sees a name in a transaction that is not final yet, and takes it first.
#[test]
fn the_front_runner_has_no_commitment_as_old() {
    let mut world = with_people();
    world.must(&world.commit_to(world.coin(ALICE), ALICE, "carrot", 1));
    world.checkpoint();
    // Alice's reveal is in everybody's sight, and kept from the ledger.
    let reveal = world.register_name(world.coin(ALICE), ALICE, "carrot", 1, 1);
    let reveal = world.sign(&reveal);
    world.refuses(&world.register_name(world.coin(BOB), BOB, "carrot", 1, 1), Reject::NameCommitment);
    world.must(&world.commit_to(world.coin(BOB), BOB, "carrot", 2));
    world.refuses(&world.register_name(world.coin(BOB), BOB, "carrot", 1, 2), Reject::NameEarly);
    world.checkpoint();
    let pool = world.pool();
    world.must(&world.register_name(world.coin(BOB), BOB, "carrot", 3, 2));
    assert_eq!(world.has("carrot"), None, "nobody is led to who came first");
    assert_eq!(world.commit(&[reveal]), [Verdict::Final]);
    // Who gives way has its price back, and nothing else.
    assert_eq!(world.account(BOB).map(|account| account.balance), Some(Amount::from_units(3 * NAME_PRICES[2])));
    assert_eq!(world.pool() - pool, NAME_PRICES[2]);
    world.wait(NAME_REVEAL);
    assert_eq!(world.has("carrot"), Some(ALICE));
}

#[test]
fn the_older_commitment_wins_whoever_reveals_first() {
    for order in [[ALICE, BOB], [BOB, ALICE]] {
        let mut world = two_commitments();
        for who in order {
            let salt = [1, 2][who];
            let verdict = world.run(&world.register_name(world.coin(who), who, "carrot", 1, salt));
            let loses = who == BOB && order[0] == ALICE;
            assert_eq!(verdict, if loses { Rejected(Reject::NameTaken) } else { Verdict::Final }, "{order:?}");
        }
        world.wait(NAME_REVEAL);
        assert_eq!(world.has("carrot"), Some(ALICE), "{order:?}");
    }
}

/// The older commitment is over before the name that was taken with a later one is settled.
#[test]
fn who_does_not_reveal_in_time_has_nothing() {
    let mut world = two_commitments();
    world.must(&world.register_name(world.coin(BOB), BOB, "carrot", 1, 2));
    world.wait(NAME_REVEAL);
    assert_eq!(world.has("carrot"), Some(BOB));
    world.refuses(&world.register_name(world.coin(ALICE), ALICE, "carrot", 1, 1), Reject::NameCommitment);
    assert_eq!(world.account(BOB), None);
}

/// Whoever gives a name up that is contested does not keep the older commitment from it, nor has the price back.
#[test]
fn giving_up_in_between_changes_nothing_for_the_older() {
    let mut world = two_commitments();
    world.must(&world.commit_to(world.coin(CAROL), CAROL, "carrot", 3));
    world.must(&world.register_name(world.coin(BOB), BOB, "carrot", 1, 2));
    world.must(&world.release_name(BOB, "carrot"));
    world.checkpoint();
    world.must(&world.register_name(world.coin(CAROL), CAROL, "carrot", 1, 3));
    world.must(&world.register_name(world.coin(ALICE), ALICE, "carrot", 1, 1));
    world.wait(NAME_REVEAL);
    assert_eq!((world.has("carrot"), world.account(BOB)), (Some(ALICE), None));
    assert!(world.account(CAROL).is_some());
}

/// Named adversary: someone copies what others publish.
#[test]
fn the_copyist_has_no_use_of_anothers_commitment() {
    let mut world = with_people();
    let hash = commitment(world.id(ALICE), &name("carrot"), &[1; 32]);
    world.must(&world.commit_to(world.coin(ALICE), ALICE, "carrot", 1));
    let copy = world.names_call(BOB, NamesCall::Commit { identity: world.id(BOB), commitment: hash });
    let priced = world.commit_to(world.coin(BOB), BOB, "carrot", 1);
    world.must(&Draft { call: copy.call, ..priced });
    world.checkpoint();
    world.refuses(&world.register_name(world.coin(BOB), BOB, "carrot", 1, 1), Reject::NameCommitment);
    // Nor does a reveal help in another's hands, or a second time in its own.
    let reveal = world.register_name(world.coin(BOB), ALICE, "carrot", 1, 1);
    world.refuses(&Draft { signers: vec![BOB], ..reveal.clone() }, Reject::NotAuthorised);
    world.must(&reveal);
    world.refuses(&world.register_name(world.coin(BOB), ALICE, "carrot", 1, 1), Reject::NameCommitment);
    for call in [
        NamesCall::Commit { identity: world.id(ALICE), commitment: hash },
        NamesCall::SetPrimary { identity: world.id(ALICE), name: None },
    ] {
        let draft = world.funded(world.coin(BOB), Draft { fee: priced.fee, ..world.names_call(BOB, call) });
        assert_eq!(world.run(&draft), Rejected(Reject::NotAuthorised));
    }
}

/// Named adversary: someone is called almost like somebody else.
#[test]
fn the_lookalike_finds_its_name_taken_and_leads_nowhere() {
    let mut world = with_people();
    world.take_name(ALICE, "paypal", 5);
    // Of a digit, and of Cyrillic letters alone.
    for alike in ["paypa1", "\u{440}\u{430}\u{443}\u{440}\u{430}\u{4cf}"] {
        world.must(&world.commit_to(world.coin(BOB), BOB, alike, 0));
        world.checkpoint();
        world.refuses(&world.register_name(world.coin(BOB), BOB, alike, 1, 0), Reject::NameTaken);
        assert_eq!(world.has(alike), None, "{alike}");
        for draft in [
            world.renew_name(world.coin(ALICE), ALICE, alike, 1),
            world.transfer_name(ALICE, BOB, alike),
            world.release_name(ALICE, alike),
            world.set_primary(ALICE, Some(alike)),
        ] {
            assert_eq!(world.run(&draft), Rejected(Reject::NameUnknown), "{alike}");
        }
    }
    assert_eq!(world.has("paypal"), Some(ALICE));
}

/// Named adversary: someone fills the table with commitments, without identities that cost something.
#[test]
fn the_griever_needs_an_identity_for_every_few_commitments() {
    let mut world = World::new();
    world.refuses(&world.commit_to(world.coin(BOB), BOB, "carrot", 1), Reject::NotRegistered);
    let free = Draft { fee: Amount::ZERO, ..world.commit_to(world.coin(BOB), BOB, "carrot", 1) };
    let free = Draft { inputs: Vec::new(), outputs: Vec::new(), ..free };
    world.refuses(&free, Reject::FeeTooLow);
    assert!(Years::new(0).is_none() && Years::new(6).is_none());
}
