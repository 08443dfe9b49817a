//! Every reason for a rejection, reached once.

use std::collections::BTreeSet;

use byway_ledger::Verdict;
use byway_primitives::{Amount, AssetId, Hash, Span, Time};
use byway_records::asset::AssetTerms;
use byway_records::call::kernel::{ConvictionId, Upgrade};
use byway_records::call::{AssetsCall, Contribution, Take};
use byway_records::epoch::first_round;
use byway_records::genesis::Wait;
use byway_records::promise::{ChannelId, ReservationId};
use byway_records::transaction::Lock;
use byway_records::{Backing, Call, Height, OutputId, Reject, TransactionId, Value};

use crate::evidence::twins;
use crate::world::{ALICE, BOB, CAROL, Draft, KERNEL_PLEDGE, PLEDGE_LOCK, World, owner_of, units, way};

const LIFE: Wait = Wait { millis: Span::millis(50), commits: 0 };

/// Alice has 100,000 in her account, 10,000 of it announced and 20,000 reserved for Bob; Bob is registered and sells
/// under serial 5; Alice's serial 3 to Bob is settled. Alice has issued an asset, one coin of it to Bob,
/// and Carol of hers as much as can be counted.
fn prepared() -> (World, ReservationId) {
    let mut world = kernel_prepared();
    world.must(&world.deposit(world.coin(ALICE), ALICE, 100_000));
    world.must(&world.announce(ALICE, 10_000));
    let reservation = world.must(&world.reserve(ALICE, BOB, 20_000, world.time + Span::minutes(5)));
    world.must(&world.register(world.coin(BOB), BOB));
    world.must(&world.publish(world.coin(BOB), BOB, world.offer(BOB, 5, 100, "a")));
    let promise = world.promise(ALICE, BOB, Backing::Account, 3, 1_000);
    world.must(&world.settle(ALICE, BOB, promise, Take::Whole));
    world.must(&world.register_asset(world.coin(ALICE), ALICE));
    world.must(&world.issue(ALICE, BOB, abc(&world, 10u128.pow(18))));
    world.must(&world.register_asset(world.coin(CAROL), CAROL));
    for _ in 0..2 {
        world.must(&world.issue(CAROL, CAROL, half_of_all(&world)));
    }
    world.wait(LIFE);
    (world, ReservationId(reservation.0))
}

/// Carol's node 9 is a candidate in seat 4 and has just changed its keys to those of node 10; she took another out of
/// seat 5 so long ago that its pledge is unlocked. Node 2 lost its pledge by two offences; node 3 is marked by one, and its owner
/// appeals.
fn kernel_prepared() -> World {
    let mut world = World::new();
    for node in [9, 11] {
        world.must(&world.pledge(world.coin(CAROL), CAROL, node));
    }
    world.turn();
    world.must(&world.leave(CAROL, 5));
    world.turn();
    world.wait(PLEDGE_LOCK);
    world.must(&world.rotate(CAROL, 4, 10));
    for (node, round) in [(2, 1), (2, 2), (3, 1)] {
        world.must(&world.accuse(twins(&world, node, node, ROUND + round)));
    }
    world.must(&world.appeal(owner_of(3), FIRST_OF_NODE_3));
    world.turn();
    world
}

const FIRST_OF_NODE_3: ConvictionId = ConvictionId { seat: 3, since: 0, is_second: false };

/// A round of the epoch in which nodes 2 and 3 broke the rules: the one before the rotation.
const ROUND: u64 = first_round(3) + 5;

fn abc(world: &World, units: u128) -> Value {
    Value { asset: world.terms(ALICE).id(), amount: Amount::from_units(units) }
}

/// Of Carol's asset.
fn half_of_all(world: &World) -> Value {
    let cents = u128::MAX / 2 / 10u128.pow(16);
    Value { asset: world.terms(CAROL).id(), amount: units(cents * 10u128.pow(16)) }
}

fn settle(world: &World, payee: usize, backing: Backing, serial: u64, amount: u128) -> Draft {
    let promise = world.promise(ALICE, payee, backing, serial, amount);
    world.settle(ALICE, payee, promise, Take::Whole)
}

/// A transaction that is rejected for this reason in the prepared world.
#[expect(clippy::too_many_lines, reason = "a table reads best in one piece")]
fn offender(world: &World, reservation: ReservationId, reason: Reject) -> Draft {
    let coin = || world.coin(ALICE);
    let transfer = || world.transfer(coin(), BOB, 1_000_000);
    match reason {
        Reject::Expired => Draft { expires: Time(world.time.0 - 1), ..transfer() },
        Reject::UnknownInput => {
            let mut coin = coin();
            coin.id = OutputId { transaction: TransactionId(Hash([5; 32])), index: coin.id.index };
            world.transfer(coin, BOB, 1_000_000)
        }
        Reject::WrongLock => {
            // Bob signs for Alice's coin with his own key.
            let (mut foreign, own) = (coin(), world.coin(BOB));
            foreign.owner = BOB;
            foreign.output.lock = own.output.lock;
            foreign.ghost = own.ghost;
            assert_ne!(foreign.output.lock, Lock::single(coin().output.lock.keys[0]));
            world.transfer(foreign, BOB, 1_000_000)
        }
        Reject::Unbalanced => Draft { outputs: vec![(BOB, way(1_000_000))], ..transfer() },
        Reject::OutputTooSmall => world.transfer(coin(), BOB, 999),
        Reject::FeeTooLow => {
            let mut draft = world.publish(world.coin(BOB), BOB, world.offer(BOB, 6, 100, "a"));
            draft.fee = units(draft.fee.units() - 1);
            draft.outputs[0].1.amount = units(draft.outputs[0].1.amount.units() + 1);
            draft
        }
        Reject::NotAuthorised => Draft { signers: vec![BOB], ..world.announce(ALICE, 1) },
        Reject::AlreadyRegistered => world.register(world.coin(BOB), BOB),
        Reject::PledgeMismatch => {
            let draft = world.register(coin(), ALICE);
            world.funded(coin(), Draft { pays: Some(way(999_999)), inputs: vec![], outputs: vec![], ..draft })
        }
        Reject::KernelFull => world.pledge(world.coin(BOB), BOB, 120),
        Reject::MemberKeyTaken => world.pledge(world.coin(BOB), BOB, 10),
        Reject::SeatEmpty => world.leave(BOB, 40),
        Reject::SeatStanding => world.ready(0, 0, 0),
        Reject::NodeSignature => world.ready(4, 9, 1),
        Reject::TooFewMembers => world.leave(owner_of(0), 0),
        Reject::PledgeLocked => world.reclaim(CAROL, 4),
        Reject::PledgePart => Draft {
            outputs: vec![(CAROL, way(KERNEL_PLEDGE - 1))],
            draws: Some(way(KERNEL_PLEDGE - 1)),
            ..world.reclaim(CAROL, 5)
        },
        Reject::RotatedLately => world.rotate(CAROL, 4, 12),
        Reject::EvidenceEpoch => world.accuse(twins(world, 0, 0, first_round(0))),
        Reject::EvidenceInnocent => world.accuse(twins(world, 9, 0, ROUND)),
        Reject::OffenceKnown => world.accuse(twins(world, 3, 3, ROUND + 1)),
        Reject::OffenderGone => world.accuse(twins(world, 2, 2, ROUND + 3)),
        Reject::LastMember => world.accuse(twins(world, 1, 1, ROUND)),
        Reject::ConvictionUnknown => world.appeal(owner_of(3), ConvictionId { is_second: true, ..FIRST_OF_NODE_3 }),
        Reject::AppealedBefore => world.appeal(owner_of(3), FIRST_OF_NODE_3),
        Reject::NoCeremony => world.contribute(0, 0, Hash([1; 32]), Contribution::Confirm),
        Reject::CeremonyStranger
        | Reject::CeremonyPhase
        | Reject::ContributedBefore
        | Reject::DealingBad
        | Reject::DealingUnknown
        | Reject::ComplaintFalse => unreachable!("leaders take turns here; see `dealing`"),
        Reject::ChannelUnknown
        | Reject::ChannelTerms
        | Reject::ChannelPhase
        | Reject::ChannelParties
        | Reject::ChannelRound
        | Reject::ChannelTotal
        | Reject::ChannelReserve
        | Reject::ChannelFee
        | Reject::ChannelExpired
        | Reject::ChannelStreak
        | Reject::ChannelLocked
        | Reject::ChannelCall
        | Reject::ChannelEnvironment
        | Reject::ChannelWitness
        | Reject::CodeKnown
        | Reject::CodeBad
        | Reject::ChannelClaim
        | Reject::ChannelBusy
        | Reject::ChannelTurn
        | Reject::ChannelSecret
        | Reject::ContractUnknown
        | Reject::ContractKnown
        | Reject::ContractProof
        | Reject::ContractState
        | Reject::ContractCall
        | Reject::ContractBusy
        | Reject::CodeUnknown
        | Reject::VirtualKnown
        | Reject::VirtualMoney
        | Reject::VirtualOnly
        | Reject::VirtualHub
        | Reject::ChannelEvidence
        | Reject::PurseWitness
        | Reject::PurseAwaited
        | Reject::PurseSplit
        | Reject::PurseLeaves => {
            unreachable!("there is no channel here; see `channels`")
        }
        Reject::HoldersSerial | Reject::HoldersTime => unreachable!("see `holders`"),
        Reject::NameTaken
        | Reject::NameUnknown
        | Reject::NameCommitment
        | Reject::NameEarly
        | Reject::NameCommitments
        | Reject::NameContested
        | Reject::NameExpired => unreachable!("nobody has a name here; see `names`"),
        Reject::UpgradePast => world.upgrade(owner_of(0), 0, Upgrade { protocol: 2, at: Height(0) }),
        Reject::NotRegistered => world.publish(coin(), ALICE, world.offer(ALICE, 1, 100, "a")),
        Reject::OfferTermsChanged => world.publish(world.coin(BOB), BOB, world.offer(BOB, 5, 99, "a")),
        Reject::OfferSerialOld => world.publish(world.coin(BOB), BOB, world.offer(BOB, 4, 99, "a")),
        Reject::OfferUnknown => world.withdraw_offer(BOB, 6),
        Reject::PromiseSettled => settle(world, BOB, Backing::Account, 3, 1_000),
        Reject::PromiseBacking => settle(world, BOB, Backing::Channel(ChannelId(Hash([1; 32]))), 3, 1_000),
        Reject::NoAccount => {
            let promise = world.promise(CAROL, BOB, Backing::Account, 1, 1);
            world.settle(CAROL, BOB, promise, Take::Whole)
        }
        Reject::BalanceTooSmall => settle(world, BOB, Backing::Account, 4, 100_000),
        Reject::WithdrawalNotAnnounced => world.withdraw(ALICE, 10_001),
        Reject::WithdrawalTooEarly => world.withdraw(ALICE, 10_000),
        Reject::ReservationUnknown => world.release(BOB, ReservationId(Hash([1; 32]))),
        Reject::ReservationMismatch => settle(world, CAROL, Backing::Reservation(reservation), 1, 1),
        Reject::ReservationActive => world.release(ALICE, reservation),
        Reject::ReservationTime => world.reserve(ALICE, BOB, 1_000, world.time),
        Reject::AssetKnown => world.register_asset(coin(), ALICE),
        Reject::AssetUnknown => world.issue(BOB, BOB, Value { asset: world.terms(BOB).id(), ..abc(world, 100) }),
        Reject::AssetTooFine => world.issue(ALICE, BOB, abc(world, 10u128.pow(16) + 1)),
        Reject::AssetOverflow => world.issue(CAROL, CAROL, half_of_all(world)),
        Reject::FaucetLimit => {
            let amount = Amount::from_coins(1_001);
            world.issue(BOB, BOB, Value { asset: AssetTerms::faucet().id(), amount })
        }
    }
}

#[test]
fn every_reason_is_reached_and_leaves_no_trace_but_a_bounce() {
    let mut reached = BTreeSet::new();
    let elsewhere =
        [&crate::dealing::REASONS[..], crate::channels::REASONS, crate::holders::REASONS, crate::names::REASONS];
    let elsewhere = elsewhere.concat();
    for reason in Reject::ALL.iter().copied().filter(|reason| !elsewhere.contains(reason)) {
        let (mut world, reservation) = prepared();
        if reason == Reject::LastMember {
            world.must(&world.accuse(twins(&world, 0, 0, ROUND)));
        }
        if reason == Reject::KernelFull {
            world.fill_kernel();
        }
        let draft = offender(&world, reservation, reason);
        let (state, outputs) = (world.ledger.state_root(), world.ledger.outputs_digest());
        assert_eq!(world.run(&draft), Verdict::Rejected(reason), "{reason}");
        assert_eq!(world.ledger.state_root() == state, reason != Reject::BalanceTooSmall, "{reason}");
        assert_eq!(world.ledger.outputs_digest(), outputs, "{reason}");
        reached.insert(reason.code());
    }
    assert_eq!(reached.len() + elsewhere.len(), Reject::ALL.len());
}

/// The cases of a reason that the table above doesn't show.
#[test]
fn further_cases() {
    let (mut world, _) = prepared();
    let other = AssetId(Hash([9; 32]));
    let foreign = Value { asset: other, amount: Amount::from_units(5_000) };
    let mut minted = world.transfer(world.coin(ALICE), BOB, 1_000_000);
    minted.outputs.push((BOB, foreign));
    let mut too_much = world.withdraw(ALICE, 10_000);
    too_much.outputs[0].1 = way(10_001);
    let bobs = || world.coins_in(BOB, abc(&world, 0).asset).swap_remove(0);
    let burn = |issuer| world.burn(issuer, bobs(), units(10u128.pow(16)));
    let too_fine = world.burn(ALICE, bobs(), units(1));
    let mut more = world.issue(ALICE, BOB, abc(&world, 10u128.pow(16)));
    more.outputs[0].1 = abc(&world, 2 * 10u128.pow(16));
    let call = Some(Call::Assets(AssetsCall::Register { terms: world.terms(BOB) }));
    let cheap = world.funded(world.coin(BOB), Draft { call, signers: vec![BOB], ..Draft::default() });
    let cases = [
        ("an asset from nothing", minted, Reject::Unbalanced),
        ("more out than drawn", too_much, Reject::Unbalanced),
        (
            "a call from nothing",
            Draft { inputs: vec![], outputs: vec![], ..world.deposit(world.coin(ALICE), BOB, 7) },
            Reject::Unbalanced,
        ),
        ("a fee from nothing", Draft { fee: units(1), ..world.announce(ALICE, 1) }, Reject::Unbalanced),
        ("an announcement over the balance", world.announce(ALICE, 100_000), Reject::BalanceTooSmall),
        (
            "a reservation over the balance",
            world.reserve(ALICE, BOB, 100_000, world.time + Span::days(1)),
            Reject::BalanceTooSmall,
        ),
        ("a reservation without account", world.reserve(CAROL, BOB, 1, world.time + Span::days(1)), Reject::NoAccount),
        ("a withdrawal without account", world.withdraw(CAROL, 5_000), Reject::NoAccount),
        (
            "a withdrawal by another",
            Draft { signers: vec![BOB], ..world.withdraw(ALICE, 5_000) },
            Reject::NotAuthorised,
        ),
        (
            "a reservation by another",
            Draft { signers: vec![BOB], ..world.reserve(ALICE, BOB, 1, world.time + Span::days(1)) },
            Reject::NotAuthorised,
        ),
        ("an issue by another", world.issue(BOB, BOB, abc(&world, 10u128.pow(16))), Reject::NotAuthorised),
        ("a burn by another", burn(BOB), Reject::NotAuthorised),
        ("a burn of a fraction", too_fine, Reject::AssetTooFine),
        (
            "an asset in another's name",
            Draft { signers: vec![BOB], ..world.register_asset(world.coin(BOB), ALICE) },
            Reject::NotAuthorised,
        ),
        ("a registration below its price", cheap, Reject::FeeTooLow),
        ("more out than issued", more, Reject::Unbalanced),
        ("a burn from nothing", Draft { inputs: vec![], outputs: vec![], ..burn(ALICE) }, Reject::Unbalanced),
        ("nobody's signature", Draft { signers: vec![], ..world.announce(ALICE, 1) }, Reject::NotAuthorised),
    ];
    for (case, draft, reason) in cases {
        assert_eq!(world.run(&draft), Verdict::Rejected(reason), "{case}");
    }
}

#[test]
fn a_transaction_lives_up_to_its_last_millisecond() {
    let mut world = World::new();
    let at = |world: &World, offset: u64| Time(world.time.0 + offset);
    // `run` executes a millisecond later.
    let dead = Draft { expires: at(&world, 0), ..world.transfer(world.coin(ALICE), BOB, 1_000_000) };
    assert_eq!(world.run(&dead), Verdict::Rejected(Reject::Expired));
    let alive = Draft { expires: at(&world, 1), ..world.transfer(world.coin(ALICE), BOB, 1_000_000) };
    assert_eq!(world.run(&alive), Verdict::Final);
}
