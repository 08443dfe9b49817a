//! Dealing the coin's key over the ledger.

use byway_crypto::Purpose;
use byway_crypto::threshold::ceremony::{Ceremony, Duty, Opened, Phase};
use byway_crypto::threshold::dealing::Dealing;
use byway_crypto::threshold::{KeyRecord, ShareSecret};
use byway_ledger::Ledger;
use byway_ledger::difference::ENTRY_VALUE_BYTES_MAX;
use byway_primitives::{Encode, Hash};
use byway_records::call::{Contribution, KERNEL_CALL_BYTES_MAX};
use byway_records::genesis::LeaderKind;
use byway_records::snapshot::{CoinShare, Header};
use byway_records::state::{coin_key, dealing_key};
use byway_records::{Evidence, ProgramId, Reject, Standing};

use crate::evidence::{header, signed, twins};
use crate::world::{CAROL, World, genesis, node_secret, owner_of};

/// Reasons that only a network with a coin gives.
pub const REASONS: [Reject; 6] = [
    Reject::CeremonyStranger,
    Reject::CeremonyPhase,
    Reject::ContributedBefore,
    Reject::DealingBad,
    Reject::DealingUnknown,
    Reject::ComplaintFalse,
];

/// Four members, whose coin is to name leaders.
fn world() -> World {
    let mut genesis = genesis();
    genesis.parameters.leader_rule.kind = LeaderKind::CommonCoin;
    let mut world = World::with(genesis);
    world.commit(&[]);
    world
}

fn ceremony(world: &World) -> Ceremony {
    world.ledger.ceremony().expect("the network has a coin")
}

fn occasion(world: &World) -> Hash {
    ceremony(world).head().occasion()
}

fn phase(world: &World) -> Phase {
    ceremony(world).head().phase()
}

fn opened(world: &World, node: u8) -> Opened {
    let mut opened = Opened::default();
    ceremony(world).look(node, &node_secret(node).dealing(), &mut opened);
    opened
}

fn honest_dealing(world: &World, node: u8) -> Contribution {
    Contribution::Deal(Box::new(ceremony(world).deal_as(node, &node_secret(node).dealing())))
}

/// A dealing whose share is false for one receiver.
fn false_dealing(world: &World, node: u8, victim: u8) -> Contribution {
    let twist = |receiver, mut bytes: [u8; 32]| {
        bytes[3] ^= u8::from(receiver == victim);
        bytes
    };
    let dealing: Dealing = ceremony(world).deal_twisted_as(node, &node_secret(node).dealing(), twist);
    Contribution::Deal(Box::new(dealing))
}

fn complaint(world: &World, node: u8) -> Contribution {
    match ceremony(world).duty(node, &opened(world, node)) {
        Duty::Complain { dealer, complaint } => Contribution::Complain { dealer, complaint },
        other => panic!("node {node} has to {other:?}"),
    }
}

/// What the member in `seat`, which holds its own key, says is taken.
fn say(world: &mut World, seat: u8, contribution: Contribution) {
    let draft = world.contribute(seat, seat, occasion(world), contribution);
    world.must(&draft);
}

fn refused(world: &mut World, seat: u8, contribution: Contribution, reason: Reject) {
    let draft = world.contribute(seat, seat, occasion(world), contribution);
    world.refuses(&draft, reason);
}

/// Every one of these members does what it has to do until nobody has to do anything.
fn work(world: &mut World, nodes: &[u8]) {
    loop {
        let before = ceremony(world);
        for node in nodes {
            let duty = ceremony(world).duty(*node, &opened(world, *node));
            let contribution = match duty {
                Duty::Deal => honest_dealing(world, *node),
                Duty::Complain { dealer, complaint } => Contribution::Complain { dealer, complaint },
                Duty::Confirm => Contribution::Confirm,
                Duty::Nothing => continue,
            };
            say(world, *node, contribution);
        }
        if ceremony(world) == before {
            return;
        }
    }
}

/// Whether the coin of the epoch in force can be thrown by these members.
fn can_throw(world: &World, nodes: &[u8]) -> bool {
    let key = world.ledger.coin_key().and_then(|key| key.open()).expect("the epoch has a coin");
    let share = |node: &u8| -> Option<_> {
        let secret: ShareSecret = ceremony(world).share(&opened(world, *node))?;
        Some((*node, secret.sign(Purpose::Coin, world.network, b"round")))
    };
    let shares: Vec<_> = nodes.iter().filter_map(share).collect();
    key.combine(Purpose::Coin, world.network, b"round", &shares).signature.is_some()
}

#[test]
fn the_key_takes_effect_with_the_next_checkpoint() {
    let mut world = world();
    work(&mut world, &[0, 1, 2]);
    assert_eq!(phase(&world), Phase::Done);
    assert_eq!((world.ledger.epoch().number, world.ledger.epoch().coin), (0, None), "not before");
    assert_eq!(world.ledger.coin_key(), None);
    (0..8).for_each(|_| drop(world.commit(&[])));
    let epoch = world.ledger.epoch().clone();
    assert_eq!((epoch.number, epoch.coin), (1, world.ledger.coin_key().map(|key| key.digest())));
    assert!(epoch.coin.is_some());
    assert_eq!(world.checkpoints.last().expect("made").checkpoint.epoch_next, epoch.digest());
    assert!(can_throw(&world, &[0, 1]) && can_throw(&world, &[3, 2]), "also by who had no part in dealing it");
    assert!(!can_throw(&world, &[3]));
    (0..20).for_each(|_| drop(world.commit(&[])));
    assert_eq!(world.ledger.epoch(), &epoch, "that was all");
}

#[test]
fn a_false_dealer_and_a_false_complainer_are_excluded_and_the_others_make_the_key() {
    let mut genesis = genesis();
    genesis.parameters.leader_rule.kind = LeaderKind::CommonCoin;
    let mut world = World::with(genesis);
    let dealing = false_dealing(&world, 3, 1);
    say(&mut world, 3, dealing);
    work(&mut world, &[0, 1, 2]);
    assert_eq!(ceremony(&world).head().excluded().collect::<Vec<_>>(), [3]);
    (0..8).for_each(|_| drop(world.commit(&[])));
    assert!(can_throw(&world, &[0, 1]) && can_throw(&world, &[1, 2]));

    let mut world = self::world();
    for node in [0, 1, 3] {
        let dealing = honest_dealing(&world, node);
        say(&mut world, node, dealing);
    }
    let Contribution::Complain { complaint, .. } = some_complaint() else { panic!("it is one") };
    let state = world.ledger.state_root();
    refused(&mut world, 3, Contribution::Complain { dealer: 0, complaint }, Reject::ComplaintFalse);
    assert_ne!(world.ledger.state_root(), state, "that it was false is kept");
    refused(&mut world, 3, Contribution::Complain { dealer: 0, complaint }, Reject::CeremonyStranger);
    assert_eq!(ceremony(&world).dealings().keys().copied().collect::<Vec<_>>(), [0, 1]);
    work(&mut world, &[0, 1, 2]);
    (0..8).for_each(|_| drop(world.commit(&[])));
    assert!(can_throw(&world, &[2, 1]));
}

/// A just one, of another ceremony.
fn some_complaint() -> Contribution {
    let mut world = world();
    for dealer in 0..3 {
        let dealing = false_dealing(&world, dealer, 3);
        say(&mut world, dealer, dealing);
    }
    complaint(&world, 3)
}

#[test]
fn every_refusal_but_of_what_is_false_leaves_no_trace() {
    let dealt = |nodes: &[u8]| {
        let mut world = world();
        for node in nodes {
            let dealing = honest_dealing(&world, *node);
            say(&mut world, *node, dealing);
        }
        world
    };
    let done = || {
        let mut world = dealt(&[0, 1, 2]);
        [0, 1, 2].into_iter().for_each(|node| say(&mut world, node, Contribution::Confirm));
        world
    };
    let cases: Vec<(&str, World, u8, Contribution, Reject)> = vec![
        ("a stranger deals", dealt(&[]), 9, honest_dealing(&dealt(&[]), 3), Reject::CeremonyStranger),
        ("a confirmation before the dealings", dealt(&[0]), 0, Contribution::Confirm, Reject::CeremonyPhase),
        ("a complaint before them", dealt(&[0]), 0, some_complaint(), Reject::CeremonyPhase),
        ("a dealing twice", dealt(&[0]), 0, honest_dealing(&dealt(&[]), 0), Reject::ContributedBefore),
        ("another dealing", dealt(&[0]), 0, false_dealing(&dealt(&[]), 0, 1), Reject::ContributedBefore),
        ("a dealing too late", dealt(&[0, 1, 2]), 3, honest_dealing(&dealt(&[]), 3), Reject::CeremonyPhase),
        ("a complaint of nothing", dealt(&[1, 2, 3]), 1, some_complaint(), Reject::DealingUnknown),
        ("a confirmation when it is over", done(), 3, Contribution::Confirm, Reject::CeremonyPhase),
        ("a complaint when it is over", done(), 3, some_complaint(), Reject::CeremonyPhase),
    ];
    for (case, mut world, seat, contribution, reason) in cases {
        let (state, before) = (world.ledger.state_root(), ceremony(&world));
        let draft = world.contribute(seat, seat, occasion(&world), contribution);
        assert_eq!(world.run(&draft), byway_ledger::Verdict::Rejected(reason), "{case}");
        assert_eq!((world.ledger.state_root(), ceremony(&world)), (state, before), "{case}");
    }
    let mut twice = dealt(&[0, 1, 2]);
    say(&mut twice, 1, Contribution::Confirm);
    refused(&mut twice, 1, Contribution::Confirm, Reject::ContributedBefore);
}

/// Who is not the member, or signed it for another ceremony, neither deals in its name nor has it excluded.
#[test]
fn only_the_member_itself_speaks() {
    let mut world = world();
    let state = world.ledger.state_root();
    let of_another = honest_dealing(&world, 1);
    let now = occasion(&world);
    let drafts = [
        world.contribute(0, 1, now, honest_dealing(&world, 0)),
        world.contribute(0, 0, Hash([1; 32]), honest_dealing(&world, 0)),
        world.contribute(0, 9, now, of_another.clone()),
    ];
    for draft in drafts {
        world.refuses(&draft, Reject::NodeSignature);
        assert_eq!(world.ledger.state_root(), state);
    }
    // What it signs itself and is none excludes it.
    refused(&mut world, 0, of_another, Reject::DealingBad);
    let good = honest_dealing(&world, 0);
    refused(&mut world, 0, good, Reject::CeremonyStranger);
}

fn with_a_coin() -> (World, KeyRecord) {
    let mut world = world();
    work(&mut world, &[0, 1, 2, 3]);
    (0..8).for_each(|_| drop(world.commit(&[])));
    let key = world.ledger.coin_key().expect("it is dealt");
    (world, key)
}

#[test]
fn other_members_deal_another_key_and_other_changes_keep_it() {
    let (mut world, key) = with_a_coin();
    let first = occasion(&world);
    // A candidate changes nothing for those who count.
    world.must(&world.pledge(world.coin(CAROL), CAROL, 9));
    world.turn();
    assert_eq!((world.ledger.coin_key(), occasion(&world)), (Some(key.clone()), first));
    // It begins to count.
    let since = world.ledger.epoch().number;
    world.must(&world.ready(4, 9, since));
    world.turn();
    assert_eq!((world.ledger.epoch().coin, world.ledger.coin_key()), (None, None));
    assert_ne!(occasion(&world), first);
    assert_eq!(ceremony(&world).head().members().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    assert_eq!((phase(&world), ceremony(&world).dealings().len()), (Phase::Dealing, 0));
    let tree = world.ledger.tree(ProgramId::KERNEL).expect("a program");
    assert!((0..5).all(|seat| tree.value(&dealing_key(seat)).is_none()) && tree.value(&coin_key()).is_none());
}

#[test]
fn a_mark_or_another_key_takes_the_coin_and_one_that_comes_just_then_is_not_used() {
    let changes: [&dyn Fn(&mut World); 2] = [
        &|world| {
            world.must(&world.rotate(owner_of(0), 0, 20));
        },
        &|world| {
            let round = world.ledger.epoch().first_round();
            world.must(&world.accuse(twins(world, 3, 3, round)));
        },
    ];
    for change in changes {
        let (mut world, _) = with_a_coin();
        change(&mut world);
        world.turn();
        assert_eq!((world.ledger.coin_key(), phase(&world)), (None, Phase::Dealing));
        // The other way round: the members change between the last confirmation and the checkpoint.
        let mut world = self::world();
        work(&mut world, &[0, 1, 2]);
        change(&mut world);
        world.turn();
        assert_eq!((world.ledger.epoch().number, world.ledger.coin_key()), (1, None));
        assert_eq!(phase(&world), Phase::Dealing);
    }
}

/// Evidence of false shares is judged by the key of the epoch in which they were given, also when there is another.
#[test]
fn a_false_share_marks_its_author_and_a_good_one_nobody() {
    let (mut world, _) = with_a_coin();
    let round = world.ledger.epoch().first_round() + 3;
    let share = |world: &World, node: u8, round: u64| {
        let secret = ceremony(world).share(&opened(world, node)).expect("it was dealt to");
        CoinShare { round, share: secret.sign(Purpose::Coin, world.network, &CoinShare::message(round)) }
    };
    let evidence = |world: &World, node: u8, coin: CoinShare| {
        let header = Header { coin_shares: vec![coin], ..header(node, round, 1) };
        Evidence::FalseCoinShare { header: signed(world, node, header), round: coin.round }
    };
    let good = evidence(&world, 3, share(&world, 3, round));
    let of_another_round = CoinShare { round, ..share(&world, 3, round - 1) };
    let bad = evidence(&world, 3, of_another_round);
    let Evidence::FalseCoinShare { header: shown, .. } = &bad else { panic!("it is one") };
    let of_none = Evidence::FalseCoinShare { header: shown.clone(), round: round - 1 };
    let before_the_coin = Header { coin_shares: vec![of_another_round], ..header(3, 5, 1) };
    let without = Evidence::FalseCoinShare { header: signed(&world, 3, before_the_coin), round };
    for innocent in [good, of_none, without] {
        world.refuses(&world.accuse(innocent), Reject::EvidenceInnocent);
    }
    // Other members deal another key meanwhile.
    world.must(&world.rotate(owner_of(0), 0, 20));
    world.turn();
    world.must(&world.accuse(bad));
    world.turn();
    assert_eq!(world.ledger.epoch().seats.get(3).map(|seat| seat.standing), Some(Standing::Marked));
}

#[test]
fn a_reopened_ledger_goes_on_dealing() {
    let mut world = world();
    let nodes = [0, 1, 2];
    for step in 0..2 {
        for node in nodes {
            let reopened = Ledger::open(&world.genesis, &world.store).expect("undamaged").expect("there");
            assert_eq!(reopened.ceremony(), world.ledger.ceremony());
            world.ledger = reopened;
            let contribution = if step == 0 { honest_dealing(&world, node) } else { Contribution::Confirm };
            say(&mut world, node, contribution);
        }
    }
    (0..8).for_each(|_| drop(world.commit(&[])));
    let reopened = Ledger::open(&world.genesis, &world.store).expect("undamaged").expect("there");
    assert!(reopened.coin_key().is_some());
    assert_eq!((reopened.coin_key(), reopened.epoch()), (world.ledger.coin_key(), world.ledger.epoch()));
}

#[test]
fn fifty_members_fit_calls_and_entries() {
    let receivers = (0..50).map(|node| (node, node_secret(node).dealing().public())).collect();
    let ceremony = Ceremony::new(Hash([1; 32]), receivers);
    let dealing = ceremony.deal_as(7, &node_secret(7).dealing());
    assert_eq!(dealing.to_bytes().len(), 1 + 17 * 96 + 48 + 1 + 50 * 32 + 96);
    assert!(Contribution::Deal(Box::new(dealing)).to_bytes().len() + 100 < KERNEL_CALL_BYTES_MAX);
    assert!(ceremony.head().to_bytes().len() + 100 < ENTRY_VALUE_BYTES_MAX);
}
