//! Members that break the rules, and members that are said to.

use byway_crypto::{NodeSecret, Purpose};
use byway_ledger::{TransactionRange, stored_transaction};
use byway_primitives::{Encode, Hash, NetworkId, Time};
use byway_records::call::kernel::ConvictionId;
use byway_records::epoch::first_round;
use byway_records::evidence::{Claim, Included, Place, SignedHeader, Spender, Voter};
use byway_records::range::{prove_over, root_over};
use byway_records::snapshot::{Header, MemberIndex, Vote, transaction_leaf};
use byway_records::state::{Conviction, conviction_key};
use byway_records::{
    Certificate, Checkpoint, Evidence, Height, ProgramId, Reject, Standing, Transaction, VerifiedTransaction,
};
use proptest::prelude::*;

use crate::world::{
    ALICE, APPEAL_TIME, BOB, CAROL, Draft, KERNEL_PLEDGE, PLEDGE_LOCK, World, node_secret, owner_of, units,
};

pub fn header(seat: u8, round: u64, time: u64) -> Header {
    Header {
        author: MemberIndex(seat),
        round,
        previous: None,
        references: Vec::new(),
        weak_references: Vec::new(),
        checkpoint: Height(0),
        votes: Vec::new(),
        coin_shares: Vec::new(),
        time: Time(time),
    }
}

fn signed_for(network: NetworkId, key: &NodeSecret, header: Header, transactions: &[Transaction]) -> SignedHeader {
    let signature = byway_crypto::NodeSignature([0; 64]);
    let mut signed = SignedHeader { header, transactions_root: root_over(&leaves(transactions)), signature };
    signed.signature = key.sign(Purpose::Snapshot, network, &signed.hash().0);
    signed
}

fn leaves(transactions: &[Transaction]) -> Vec<Hash> {
    transactions.iter().map(|transaction| transaction_leaf(&transaction.to_bytes())).collect()
}

pub fn signed(world: &World, node: u8, header: Header) -> SignedHeader {
    signed_for(world.network, &node_secret(node), header, &[])
}

/// Two snapshots of a node in a seat for one round.
pub fn twins(world: &World, node: u8, seat: u8, round: u64) -> Evidence {
    let of = |time| signed(world, node, header(seat, round, time));
    Evidence::Equivocation { first: of(1), second: of(2) }
}

fn included(transactions: &[Transaction], position: usize) -> Included {
    let proof = prove_over(&leaves(transactions), position).expect("in the list");
    Included { transaction: transactions[position].clone(), count: transactions.len() as u64, proof }
}

fn certificate(world: &World, checkpoint: Checkpoint, signers: &[u8]) -> Certificate {
    let sign = |node: &u8| (*node, vote(world, *node, &checkpoint));
    Certificate { checkpoint, signatures: signers.iter().map(sign).collect() }
}

fn vote(world: &World, node: u8, checkpoint: &Checkpoint) -> byway_crypto::NodeSignature {
    node_secret(node).sign(Purpose::Checkpoint, world.network, &checkpoint.digest().0)
}

pub fn standing(world: &World, seat: u8) -> Option<Standing> {
    world.ledger.epoch().seats.get(seat).map(|seat| seat.standing)
}

pub fn conviction(world: &World, seat: u8, is_second: bool) -> Option<Conviction> {
    world.ledger.tree(ProgramId::KERNEL)?.read(&conviction_key(ConvictionId { seat, since: 0, is_second }))
}

pub fn pool(world: &World) -> u128 {
    world.ledger.supply(&world.store).way().pool.units()
}

/// A world that has made its first checkpoint.
pub fn begun() -> World {
    let mut world = World::new();
    world.commit(&[]);
    world
}

#[test]
fn a_first_offence_marks_and_a_second_takes_the_pledge_and_the_seat() {
    let mut world = begun();
    world.must(&world.accuse(twins(&world, 0, 0, 7)));
    assert_eq!(standing(&world, 0), Some(Standing::Counting), "an epoch's members don't change");
    world.turn();
    assert_eq!((standing(&world, 0), world.ledger.epoch().seats.count()), (Some(Standing::Marked), 3));
    assert_eq!(conviction(&world, 0, false).map(|c| (c.place, c.forfeited)), Some((Place::Round(7), units(0))));

    world.must(&world.accuse(twins(&world, 0, 0, 8)));
    world.turn();
    assert_eq!(standing(&world, 0), None);
    assert_eq!(conviction(&world, 0, true).map(|c| c.forfeited), Some(units(KERNEL_PLEDGE)));
    world.refuses(&world.accuse(twins(&world, 0, 0, 9)), Reject::OffenderGone);

    // What is forfeited can be appealed for a time, and then goes into the pool.
    let before = pool(&world);
    world.wait(APPEAL_TIME);
    assert_eq!(pool(&world), before + KERNEL_PLEDGE);
    assert_eq!((conviction(&world, 0, false), conviction(&world, 0, true)), (None, None));
}

#[test]
fn what_is_done_in_one_place_is_punished_once() {
    let mut world = begun();
    world.must(&world.accuse(twins(&world, 1, 1, 7)));
    world.refuses(&world.accuse(twins(&world, 1, 1, 7)), Reject::OffenceKnown);
    // Another pair of the same round, and a snapshot of it that is ill-formed beside.
    let of = |time| signed(&world, 1, header(1, 7, time));
    let other = Evidence::Equivocation { first: of(3), second: of(4) };
    world.refuses(&world.accuse(other), Reject::OffenceKnown);
    let ill_formed = Evidence::IllFormedHeader { header: signed(&world, 1, header(1, 7, 5)) };
    world.refuses(&world.accuse(ill_formed), Reject::OffenceKnown);
    world.turn();
    assert_eq!(standing(&world, 1), Some(Standing::Marked));
}

#[test]
fn every_kind_of_evidence_convicts() {
    let mut world = begun();
    let kinds = [("an ill-formed header", 0), ("an ill-formed transaction", 1), ("a spent input", 2), ("two votes", 3)];
    for (kind, seat) in kinds {
        let mut world = World::new();
        let (evidence, place) = of_kind(&mut world, seat);
        world.must(&world.accuse(evidence));
        assert_eq!(conviction(&world, seat, false).map(|c| c.place), Some(place), "{kind}");
    }
    let checkpoint = world.checkpoints[0].checkpoint;
    let lie = Checkpoint { state_root: Hash([9; 32]), ..checkpoint };
    let certificate = certificate(&world, checkpoint, &[0, 1, 2]);
    let vote = Claim::Vote { checkpoint: lie, signature: vote(&world, 3, &lie) };
    world.must(&world.accuse(Evidence::FalseVote { voter: Voter { epoch: 0, seat: 3 }, vote, certificate }));
    assert_eq!(conviction(&world, 3, false).map(|c| c.place), Some(Place::Height(Height(1))));
}

/// Evidence of one kind against the node in a seat, and what it proves.
fn of_kind(world: &mut World, seat: u8) -> (Evidence, Place) {
    match seat {
        0 => (Evidence::IllFormedHeader { header: signed(world, 0, header(0, 2, 1)) }, Place::Round(2)),
        1 => {
            let mut bad = world.sign(&world.transfer(world.coin(ALICE), BOB, 5_000)).transaction().clone();
            bad.witness.spends[0][0].signature.0[0] ^= 1;
            let all = [world.sign(&world.transfer(world.coin(BOB), BOB, 5_000)).transaction().clone(), bad];
            let header = signed_for(world.network, &node_secret(1), header(1, 1, 1), &all);
            (Evidence::IllFormedTransaction { header, included: included(&all, 1) }, Place::Round(1))
        }
        2 => {
            let double = DoubleSpend::new(world);
            (double.evidence(world, 2, double.height), Place::Round(1))
        }
        _ => {
            world.commit(&[]);
            let checkpoint = world.checkpoints[0].checkpoint;
            let lie = Checkpoint { state_root: Hash([9; 32]), ..checkpoint };
            let first = Claim::Vote { checkpoint, signature: vote(world, 3, &checkpoint) };
            // The second stands in a snapshot, for what may be no checkpoint at all.
            let signature = node_secret(3).sign(Purpose::Checkpoint, world.network, &lie.digest().0);
            let votes = vec![Vote { height: Height(1), digest: lie.digest(), signature }];
            let second =
                Claim::Snapshot { height: Height(1), header: signed(world, 3, Header { votes, ..header(3, 1, 1) }) };
            let voter = Voter { epoch: 0, seat: 3 };
            (Evidence::TwoVotes { voter, first, second }, Place::Height(Height(1)))
        }
    }
}

/// A coin that was spent, final at a height, and another transaction that spends it.
struct DoubleSpend {
    spender: VerifiedTransaction,
    again: Transaction,
    /// The first checkpoint that covers the spender.
    height: Height,
}

impl DoubleSpend {
    fn new(world: &mut World) -> Self {
        world.commit(&[]);
        let again = world.sign(&world.transfer(world.coin(ALICE), CAROL, 7_000)).transaction().clone();
        let spender = world.sign(&world.transfer(world.coin(ALICE), BOB, 5_000));
        world.commit(std::slice::from_ref(&spender));
        while world.checkpoints.len() < 2 {
            world.commit(&[]);
        }
        Self { spender, again, height: Height(2) }
    }

    /// The evidence if the node's snapshot named the checkpoint of `named`.
    fn evidence(&self, world: &World, node: u8, named: Height) -> Evidence {
        let all = [self.again.clone()];
        let header = Header { checkpoint: named, ..header(node, 1, 1) };
        let header = signed_for(world.network, &node_secret(node), header, &all);
        Evidence::SpentInput { header, included: included(&all, 0), spender: self.spender(world, self.height) }
    }

    fn spender(&self, world: &World, height: Height) -> Spender {
        let checkpoint = world.checkpoints[height.0 as usize - 1].checkpoint;
        let range = TransactionRange::load(checkpoint.transactions, &world.store).expect("stored");
        let proof = range.prove(0, &world.store).expect("the first of all");
        assert!(stored_transaction(&world.store, self.spender.id()).is_some());
        let certificate = certificate(world, checkpoint, &[0, 1, 2]);
        Spender { body: self.spender.transaction().body.clone(), proof, certificate, epoch: 0 }
    }
}

/// Everything here was signed by nodes that keep the rules, or not signed by whom it accuses.
#[test]
#[expect(clippy::too_many_lines, reason = "a table reads best in one piece")]
fn nothing_that_an_honest_node_signs_convicts_it() {
    let mut world = World::new();
    let double = DoubleSpend::new(&mut world);
    let of = |time| signed(&world, 0, header(0, 1, time));
    let honest = of(1);
    let twice = |second: SignedHeader| Evidence::Equivocation { first: honest.clone(), second };
    let mut malleable = honest.clone();
    malleable.signature = add_order(malleable.signature);
    let mut relabelled = honest.clone();
    relabelled.header.time = Time(2);
    let foreign = signed_for(NetworkId(Hash([8; 32])), &node_secret(0), header(0, 1, 2), &[]);
    let ill_formed = |header| Evidence::IllFormedHeader { header };
    let good = [double.again.clone()];
    let with_one = signed_for(world.network, &node_secret(0), header(0, 1, 1), &good);
    let mut spoiled = included(&good, 0);
    spoiled.transaction.witness.spends[0][0].signature.0[0] ^= 1;
    let ill_transaction = |included| Evidence::IllFormedTransaction { header: with_one.clone(), included };
    let [first, second] = [0, 1].map(|at| world.checkpoints[at].checkpoint);
    let claim = |checkpoint: Checkpoint| Claim::Vote { checkpoint, signature: vote(&world, 0, &checkpoint) };
    let lie = Checkpoint { time: Time(9), ..first };
    let forged = Claim::Vote { checkpoint: lie, signature: vote(&world, 1, &lie) };
    let voter = Voter { epoch: 0, seat: 0 };
    let two = |first, second| Evidence::TwoVotes { voter, first, second };
    let against = |vote, certificate| Evidence::FalseVote { voter, vote, certificate };
    let repeated = {
        let all = [double.spender.transaction().clone()];
        let named = Header { checkpoint: double.height, ..header(0, 1, 1) };
        let header = signed_for(world.network, &node_secret(0), named, &all);
        Evidence::SpentInput { header, included: included(&all, 0), spender: double.spender(&world, double.height) }
    };
    let uncertified = {
        let mut spender = double.spender(&world, double.height);
        spender.certificate.signatures.truncate(2);
        match double.evidence(&world, 0, double.height) {
            Evidence::SpentInput { header, included, .. } => Evidence::SpentInput { header, included, spender },
            other => other,
        }
    };
    let cases = [
        ("a snapshot signed again", twice(of(1)), Reject::EvidenceInnocent),
        ("a signature that was changed and may be good still", twice(malleable), Reject::EvidenceInnocent),
        ("a signature under something else", twice(relabelled), Reject::EvidenceInnocent),
        ("a snapshot of another network", twice(foreign), Reject::EvidenceInnocent),
        ("snapshots of two rounds", twice(signed(&world, 0, header(0, 2, 1))), Reject::EvidenceInnocent),
        ("snapshots of two nodes", twice(signed(&world, 1, header(1, 1, 1))), Reject::EvidenceInnocent),
        ("another's signature under one's name", twice(signed(&world, 1, header(0, 1, 2))), Reject::EvidenceInnocent),
        ("one's signature under another's name", twice(signed(&world, 0, header(1, 1, 2))), Reject::EvidenceInnocent),
        ("a seat that nobody has", twins(&world, 9, 9, 1), Reject::EvidenceInnocent),
        ("an epoch that is to come", twins(&world, 0, 0, first_round(1)), Reject::EvidenceEpoch),
        ("a round of no epoch", twins(&world, 0, 0, 0), Reject::EvidenceEpoch),
        ("a good header", ill_formed(of(1)), Reject::EvidenceInnocent),
        ("a good transaction", ill_transaction(included(&good, 0)), Reject::EvidenceInnocent),
        ("a transaction that someone spoiled", ill_transaction(spoiled), Reject::EvidenceInnocent),
        (
            "a coin spent after the checkpoint that was named",
            double.evidence(&world, 0, Height(1)),
            Reject::EvidenceInnocent,
        ),
        ("the spender itself", repeated, Reject::EvidenceInnocent),
        ("a checkpoint that too few signed", uncertified, Reject::EvidenceInnocent),
        ("votes on two heights", two(claim(first), claim(second)), Reject::EvidenceInnocent),
        ("a vote twice", two(claim(first), claim(first)), Reject::EvidenceInnocent),
        ("a vote that another signed", two(claim(first), forged.clone()), Reject::EvidenceInnocent),
        (
            "a vote with its certificate",
            against(claim(first), certificate(&world, first, &[0, 1, 2])),
            Reject::EvidenceInnocent,
        ),
        (
            "a vote against what too few certified",
            against(claim(first), certificate(&world, lie, &[1, 2])),
            Reject::EvidenceInnocent,
        ),
        (
            "a vote against another height",
            against(claim(first), certificate(&world, second, &[0, 1, 2])),
            Reject::EvidenceInnocent,
        ),
    ];
    for (case, evidence, reason) in cases {
        let draft = world.accuse(evidence);
        let state = world.ledger.state_root();
        assert_eq!(world.run(&draft), byway_ledger::Verdict::Rejected(reason), "{case}");
        assert_eq!(world.ledger.state_root(), state, "{case}");
    }
}

/// Adds the group's order to s, which some verifiers of ed25519 take for the same signature.
fn add_order(signature: byway_crypto::NodeSignature) -> byway_crypto::NodeSignature {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let (mut bytes, mut carry) = (signature.0, 0u16);
    for (byte, order) in bytes[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    byway_crypto::NodeSignature(bytes)
}

/// What a node signed is judged by the epoch in which it did, whatever became of its key since.
#[test]
fn evidence_is_judged_by_the_epoch_of_the_offence() {
    let mut world = begun();
    world.must(&world.rotate(owner_of(0), 0, 20));
    world.turn();
    let (before, now) = (first_round(0) + 6, first_round(1) + 6);
    for (node, round) in [(20, before), (0, now)] {
        world.refuses(&world.accuse(twins(&world, node, 0, round)), Reject::EvidenceInnocent);
    }
    world.must(&world.accuse(twins(&world, 0, 0, before)));
    world.must(&world.accuse(twins(&world, 20, 0, now)));
    world.turn();
    assert_eq!(standing(&world, 0), None, "it was the same member both times");
}

#[test]
fn who_left_is_punished_until_the_pledge_is_unlocked() {
    let mut world = begun();
    world.must(&world.pledge(world.coin(CAROL), CAROL, 9));
    world.turn();
    world.must(&world.ready(4, 9, 1));
    world.turn();
    world.must(&world.leave(CAROL, 4));
    world.turn();
    world.must(&world.accuse(twins(&world, 9, 4, first_round(2) + 1)));
    world.turn();
    assert_eq!(standing(&world, 4), Some(Standing::Left), "who has left loses no voice");
    world.refuses(&world.accuse(twins(&world, 9, 4, first_round(1) + 1)), Reject::EvidenceInnocent);
    world.wait(PLEDGE_LOCK);
    world.refuses(&world.accuse(twins(&world, 9, 4, first_round(2) + 2)), Reject::EvidenceEpoch);
    world.must(&world.reclaim(CAROL, 4));
}

#[test]
fn a_seats_next_member_answers_for_itself_alone() {
    let mut world = begun();
    world.must(&world.pledge(world.coin(CAROL), CAROL, 9));
    world.turn();
    world.must(&world.ready(4, 9, 1));
    world.turn();
    for round in [3, 4] {
        world.must(&world.accuse(twins(&world, 9, 4, first_round(2) + round)));
    }
    world.turn();
    world.must(&world.pledge(world.coin(BOB), BOB, 10));
    world.turn();
    assert_eq!(standing(&world, 4), Some(Standing::Candidate));
    world.refuses(&world.accuse(twins(&world, 9, 4, first_round(2) + 5)), Reject::OffenderGone);
    assert_eq!(standing(&world, 4), Some(Standing::Candidate));
}

#[test]
fn marks_count_down_to_the_last_member() {
    let mut world = begun();
    for node in 0..3 {
        world.must(&world.accuse(twins(&world, node, node, 7)));
    }
    world.refuses(&world.accuse(twins(&world, 3, 3, 7)), Reject::LastMember);
    world.turn();
    assert_eq!((world.ledger.epoch().seats.count(), standing(&world, 3)), (1, Some(Standing::Counting)));
}

#[test]
fn a_conviction_is_appealed_once_and_lapses() {
    let mut world = begun();
    let owner = owner_of(1);
    world.must(&world.accuse(twins(&world, 1, 1, 7)));
    world.must(&world.accuse(twins(&world, 1, 1, 8)));
    let id = |is_second| ConvictionId { seat: 1, since: 0, is_second };
    world.refuses(&Draft { signers: vec![CAROL], ..world.appeal(owner, id(true)) }, Reject::NotAuthorised);
    world.refuses(&world.appeal(owner, ConvictionId { seat: 2, ..id(true) }), Reject::ConvictionUnknown);
    let before = pool(&world);
    world.time = world.time + APPEAL_TIME.millis;
    world.must(&world.appeal(owner, id(true)));
    world.refuses(&world.appeal(owner, id(true)), Reject::AppealedBefore);
    // The first conviction's time is over; the appeal of the second has begun anew.
    (0..APPEAL_TIME.commits - 2).for_each(|_| drop(world.commit(&[])));
    assert_eq!((conviction(&world, 1, false), pool(&world)), (None, before));
    world.refuses(&world.appeal(owner, id(false)), Reject::ConvictionUnknown);
    assert!(conviction(&world, 1, true).is_some_and(|conviction| conviction.is_appealed));
    world.wait(APPEAL_TIME);
    assert_eq!((conviction(&world, 1, true), pool(&world)), (None, before + KERNEL_PLEDGE));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Honest nodes sign one snapshot per round and the one checkpoint of each height. However what they signed is put
    /// together, and whatever byte of it is changed, it convicts nobody.
    #[test]
    fn no_combination_of_honest_signatures_convicts(
        picks in proptest::collection::vec((0u8..4, 1u64..4, 0usize..2), 2),
        kind in 0u8..4,
        accused in (0u32..2, 0u8..5),
        damage: Option<(prop::sample::Index, u8)>,
    ) {
        let mut world = World::new();
        let double = DoubleSpend::new(&mut world);
        let honest = |(node, round, at): (u8, u64, usize)| {
            // From what the node is and the round it signs for, so that each has one for each.
            let checkpoint = world.checkpoints[at].checkpoint;
            let (height, digest) = (checkpoint.height, checkpoint.digest());
            let own = Vote { height, digest, signature: vote(&world, node, &checkpoint) };
            let votes = if round == 1 { vec![own] } else { Vec::new() };
            let named = Header { votes, checkpoint: Height(1), ..header(node, round, u64::from(node)) };
            signed_for(world.network, &node_secret(node), named, std::slice::from_ref(&double.again))
        };
        // Rounds after the first need references to be well-formed; here only their signatures matter.
        let [a, b] = [picks[0], (picks[1].0, picks[1].1, picks[0].2)];
        let checkpoint = world.checkpoints[a.2].checkpoint;
        let claim = |node| Claim::Vote { checkpoint, signature: vote(&world, node, &checkpoint) };
        let voter = Voter { epoch: accused.0, seat: accused.1 };
        let evidence = match kind {
            0 => Evidence::Equivocation { first: honest(a), second: honest(b) },
            1 => Evidence::IllFormedTransaction { header: honest(a), included: included(std::slice::from_ref(&double.again), 0) },
            2 => {
                let (height, header) = (checkpoint.height, honest((b.0, 1, a.2)));
                Evidence::TwoVotes { voter, first: claim(a.0), second: Claim::Snapshot { height, header } }
            }
            _ => {
                let certificate = certificate(&world, checkpoint, &[0, 1, 2]);
                Evidence::FalseVote { voter, vote: claim(a.0), certificate }
            }
        };
        let mut bytes = evidence.to_bytes();
        if let Some((at, flip)) = damage {
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
        }
        if let Ok(evidence) = byway_primitives::Decode::from_bytes(&bytes) {
            let draft = world.accuse(evidence);
            let state = world.ledger.state_root();
            prop_assert!(matches!(world.run(&draft), byway_ledger::Verdict::Rejected(_)));
            prop_assert_eq!(world.ledger.state_root(), state);
        }
    }
}
