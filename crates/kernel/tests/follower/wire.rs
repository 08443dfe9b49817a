//! Laws of the encodings between followers and kernel nodes.

use byway_kernel::follower::explore::{FinalProof, Found, OUTPUTS_MAX, Query, SignedTwice, SnapshotSummary};
use byway_kernel::follower::protocol::{Pulse, PulseCommit, PulseSnapshot, STEPS_MAX, StageClaim, Status};
use byway_kernel::follower::{Answer, Membership, PROGRAMS, Refusal, Request, Step};
use byway_kernel::light;
use byway_kernel::light::protocol::{EPOCHS_MAX, Question, Reply};
use byway_kernel::stamp::{Demand, Stamp};
use byway_kernel::{MemberIndex, Reference};
use byway_ledger::RangeProof;
use byway_primitives::{Amount, Decode, DecodeError, Encode, Hash, IdentityId, Time, Writer};
use byway_records::call::kernel::ConvictionId;
use byway_records::evidence::Place;
use byway_records::state::{Conviction, Deadline, KernelPledge};
use byway_records::{Epoch, Genesis, Height, OutputId, ProgramId, Reject, Seats, TransactionId};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::history::{CHANGES, HEIGHTS, HISTORY};
use crate::liars::LIARS;
use crate::light::entry_at;

fn same<T: Encode + Decode + PartialEq + std::fmt::Debug>(value: &T) -> Result<(), TestCaseError> {
    let bytes = value.to_bytes();
    let decoded = T::from_bytes(&bytes);
    prop_assert_eq!(decoded.as_ref(), Ok(value));
    prop_assert!(T::from_bytes(&[&bytes[..], &[0]].concat()).is_err(), "trailing bytes are refused");
    prop_assert!(T::from_bytes(&bytes[..bytes.len() - 1]).is_err(), "cut bytes are refused");
    Ok(())
}

/// Whatever decodes has one encoding; nothing panics.
fn canonical<T: Encode + Decode>(bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(value) = T::from_bytes(bytes) {
        prop_assert_eq!(value.to_bytes(), bytes);
    }
    Ok(())
}

fn hash() -> impl Strategy<Value = Hash> {
    any::<[u8; 32]>().prop_map(Hash)
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![any::<u64>(), 0u64..300]
}

fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        (number(), vec(any::<u16>().prop_map(ProgramId), 0..=32))
            .prop_map(|(from, programs)| Request::Follow { from: Height(from), programs }),
        (vec(any::<u8>(), 0..600), proptest::option::of(number()))
            .prop_map(|(transaction, stamp)| Request::Submit { transaction, stamp: stamp.map(Stamp) }),
        hash().prop_map(|hash| Request::Stage { transaction: TransactionId(hash) }),
        Just(Request::Status),
        number().prop_map(|since| Request::Pulse { since }),
        hash().prop_map(|hash| Request::Find { transaction: TransactionId(hash) }),
        query().prop_map(Request::Explore),
        question().prop_map(Request::Light),
        Just(Request::Genesis),
    ]
}

fn question() -> impl Strategy<Value = Question> {
    let id = || hash().prop_map(TransactionId);
    prop_oneof![
        any::<u32>().prop_map(|from| Question::Epochs { from }),
        Just(Question::Newest),
        number().prop_map(|height| Question::Beginning { height: Height(height) }),
        id().prop_map(|id| Question::Transaction { id }),
        id().prop_map(|id| Question::Body { id }),
        (any::<u16>(), vec(any::<u8>(), 0..40))
            .prop_map(|(program, key)| Question::Entry { program: ProgramId(program), key }),
    ]
}

fn reply() -> impl Strategy<Value = Reply> {
    let at = || (1..=HEIGHTS).prop_map(Height);
    let entry = (at(), 0..PROGRAMS.len(), vec(0u8..4, 0..3), any::<bool>());
    let entry = entry.prop_map(|(height, program, key, is_there)| {
        let tree = &CHANGES.trees[height.0 as usize][&PROGRAMS[program]];
        let key = tree.iter().next().filter(|_| is_there).map_or(key, |(key, _)| key.to_vec());
        entry_at(height.0, PROGRAMS[program], &key)
    });
    let made = (0..CHANGES.finals.len()).prop_map(|at| CHANGES.finals[at].1.id());
    let proof = made.prop_map(|id| light::serve::prove(&CHANGES.store, id).map(Box::new));
    prop_oneof![
        (0u32..5).prop_map(|from| Reply::Epochs(light::serve::epochs(&CHANGES.store, from))),
        Just(Reply::Newest(light::serve::newest(&CHANGES.store).map(Box::new))),
        (0..=HEIGHTS + 1)
            .prop_map(|at| Reply::Beginning(light::serve::beginning(&CHANGES.store, Height(at)).map(Box::new))),
        proof.prop_map(Reply::Transaction),
        proptest::option::of(vec(any::<u8>(), 0..600)).prop_map(Reply::Body),
        proptest::option::of(entry.prop_map(Box::new)).prop_map(Reply::Entry),
    ]
}

/// True steps and lies.
fn step() -> impl Strategy<Value = Step> {
    let told = (1..=HEIGHTS, proptest::option::of(0..LIARS.len()));
    told.prop_map(|(height, liar)| {
        let truth = HISTORY.step(height);
        liar.and_then(|liar| (LIARS[liar].lie)(truth.clone())).map_or(truth, |(lie, _)| lie)
    })
}

fn stage() -> impl Strategy<Value = StageClaim> {
    use StageClaim::*;
    proptest::sample::select(&[Unknown, Pooled, Included, Final, Rejected, GaveWay][..])
}

fn status() -> impl Strategy<Value = Status> {
    let lanes = (vec(number(), 0..=50), vec(any::<bool>(), 0..=50));
    let (finality, pool, newest) = ((number(), number()), (number(), any::<u8>()), (any::<u32>(), any::<bool>()));
    let parts = (number(), number(), number(), lanes, any::<bool>(), finality, pool, newest);
    parts.prop_map(|(height, commits, time, (rounds, connected), is_behind, finality, pool, newest)| Status {
        height: Height(height),
        commits,
        time: Time(time),
        rounds,
        connected,
        is_behind,
        finality_ms_p50: finality.0,
        finality_ms_p99: finality.1,
        pool_percent: pool.0,
        stamp_bits: pool.1,
        newest_epoch: newest.0,
        counts_there: newest.1,
    })
}

fn pulse() -> impl Strategy<Value = Pulse> {
    let ordered = (vec(member(), 0..=50), proptest::option::of(number()));
    let snapshot = (member(), number(), number(), any::<u32>(), hash(), ordered);
    let snapshot = snapshot.prop_map(|(author, round, time, transactions, hash, (references, commit))| PulseSnapshot {
        author,
        round,
        time: Time(time),
        transactions,
        hash,
        references,
        commit,
    });
    let commit = (number(), number(), any::<u32>(), member(), number());
    let commit = commit.prop_map(|(index, time, transactions, leader, round)| PulseCommit {
        index,
        time: Time(time),
        transactions,
        leader,
        round,
    });
    let parts = (number(), vec(snapshot, 0..8), vec(commit, 0..8));
    parts.prop_map(|(next, snapshots, commits)| Pulse { next, snapshots, commits })
}

fn member() -> impl Strategy<Value = MemberIndex> {
    (0..50u8).prop_map(MemberIndex)
}

fn membership() -> impl Strategy<Value = Membership> {
    let pledge = (0..50u8, any::<u32>(), proptest::option::of(number())).prop_map(|(seat, since, unlocks)| {
        let unlocks = unlocks.map(|time| Deadline { time: Time(time), commits: time });
        let amount = Amount::from_coins(10_000);
        (seat, KernelPledge { amount, since, rotates: None, unlocks, offence: None, approves: None })
    });
    let conviction = (0..50u8, any::<u32>(), any::<bool>(), number()).prop_map(|(seat, since, is_second, place)| {
        let ends = Deadline { time: Time(place), commits: place };
        let (owner, forfeited) = (IdentityId([seat; 20]), Amount::from_coins(1));
        let conviction = Conviction { owner, place: Place::Round(place), forfeited, is_appealed: is_second, ends };
        (ConvictionId { seat, since, is_second }, conviction)
    });
    (any::<u32>(), vec(pledge, 0..4), vec(conviction, 0..4)).prop_map(|(number, pledges, convictions)| Membership {
        epoch: Epoch { number, protocol: 1, seats: Seats::default(), coin: None },
        pledges,
        convictions,
    })
}

fn query() -> impl Strategy<Value = Query> {
    let id = (hash(), any::<u32>()).prop_map(|(hash, index)| OutputId { transaction: TransactionId(hash), index });
    prop_oneof![
        number().prop_map(|from| Query::Certificates { from: Height(from) }),
        hash().prop_map(|hash| Query::Prove { transaction: TransactionId(hash) }),
        (number(), any::<u32>()).prop_map(|(from, count)| Query::Snapshots { from, count }),
        vec(id, 0..8).prop_map(|ids| Query::Outputs { ids }),
        Just(Query::Evidence),
        Just(Query::Members),
    ]
}

fn summary() -> impl Strategy<Value = SnapshotSummary> {
    let reference = || (number(), member(), hash()).prop_map(|(round, author, hash)| Reference { round, author, hash });
    let parents = (proptest::option::of((number(), hash())), vec((member(), hash()), 0..8), vec(reference(), 0..3));
    let parts = (reference(), number(), parents, number(), any::<u32>(), any::<u32>());
    parts.prop_map(|(reference, time, (previous, references, weak_references), checkpoint, transactions, bytes)| {
        SnapshotSummary {
            reference,
            time: Time(time),
            previous,
            references,
            weak_references,
            checkpoint: Height(checkpoint),
            transactions,
            bytes,
        }
    })
}

fn found() -> impl Strategy<Value = Found> {
    let certificate = || step().prop_map(|step| step.certificate);
    let range = (number(), vec(hash(), 0..4)).prop_map(|(position, path)| RangeProof { position, path });
    let proof = (certificate(), range).prop_map(|(certificate, range)| FinalProof { certificate, range });
    let twice = (member(), number(), hash(), hash(), number()).prop_map(|(author, round, first, second, seen)| {
        SignedTwice { author, round, first, second, seen: Time(seen) }
    });
    prop_oneof![
        vec(certificate(), 0..4).prop_map(Found::Certificates),
        proptest::option::of(proof.prop_map(Box::new)).prop_map(Found::Proof),
        vec(summary(), 0..4).prop_map(Found::Snapshots),
        (0..4usize).prop_map(|spent| Found::Outputs(vec![None; spent])),
        vec(twice, 0..4).prop_map(Found::Evidence),
        membership().prop_map(|membership| Found::Members(Box::new(membership))),
    ]
}

fn refusal() -> impl Strategy<Value = Refusal> {
    prop_oneof![
        "[ -~é]{0,120}".prop_map(Refusal::IllFormed),
        proptest::sample::select(Reject::ALL).prop_map(Refusal::Rejected),
        (any::<u8>(), hash()).prop_map(|(bits, salt)| Refusal::Busy(Demand { bits, salt })),
        proptest::sample::select(
            &[Refusal::Spent, Refusal::Conflict, Refusal::Full, Refusal::Stopped, Refusal::Failed][..]
        ),
    ]
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        vec(step(), 0..4).prop_map(Answer::Steps),
        Just(Answer::Taken),
        refusal().prop_map(Answer::Refused),
        stage().prop_map(Answer::Stage),
        proptest::option::of(number().prop_map(Height)).prop_map(Answer::Found),
        status().prop_map(Answer::Status),
        pulse().prop_map(Answer::Pulse),
        found().prop_map(Answer::Explored),
        reply().prop_map(Answer::Light),
        any::<bool>().prop_map(|test| Answer::Genesis(Box::new(Genesis { test, ..HISTORY.genesis.clone() }))),
    ]
}

/// An encoding with one byte changed.
fn bent<T: Encode>(value: &T, at: usize, by: u8) -> Vec<u8> {
    let mut bytes = value.to_bytes();
    let at = at % bytes.len();
    bytes[at] ^= by;
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn requests_come_back(value in request()) {
        same(&value)?;
    }

    #[test]
    fn answers_come_back(value in answer()) {
        same(&value)?;
    }

    #[test]
    fn steps_come_back(value in step()) {
        same(&value)?;
    }

    #[test]
    fn garbage_has_at_most_one_meaning(first in 0u8..10, mut bytes in vec(any::<u8>(), 0..200)) {
        canonical::<Step>(&bytes)?;
        bytes.insert(0, first);
        canonical::<Request>(&bytes)?;
        canonical::<Answer>(&bytes)?;
    }

    #[test]
    fn bent_values_have_at_most_one_meaning(
        values in (request(), answer(), step()),
        at in any::<usize>(),
        by in 1u8..,
    ) {
        let (request, answer, step) = values;
        canonical::<Request>(&bent(&request, at, by))?;
        canonical::<Answer>(&bent(&answer, at, by))?;
        canonical::<Step>(&bent(&step, at, by))?;
    }
}

#[test]
fn a_long_reason_is_cut_at_a_characters_end() {
    let refused = |reason: String| Answer::Refused(Refusal::IllFormed(reason));
    let told = refused("é".repeat(200) + "!");
    assert_eq!(Answer::from_bytes(&told.to_bytes()), Ok(refused("é".repeat(128))));
    let odd = refused("a".to_owned() + &"é".repeat(200));
    assert_eq!(Answer::from_bytes(&odd.to_bytes()), Ok(refused("a".to_owned() + &"é".repeat(127))));
}

/// A stranger's length never makes us allocate.
#[test]
fn lists_are_bounded() {
    let list = |variant: u8, length: u64| {
        let mut out = Writer::new();
        out.byte(variant);
        out.varint(length);
        [out.into_bytes(), vec![0; 1 << 12]].concat()
    };
    let too_long = |length: u64, limit: u64| Some(DecodeError::TooLong { length, limit });
    let limit = STEPS_MAX as u64;
    assert_eq!(Answer::from_bytes(&list(0, limit + 1)).err(), too_long(limit + 1, limit));
    let follow = Request::Follow { from: Height(1), programs: vec![ProgramId(1); 33] };
    assert_eq!(Request::from_bytes(&follow.to_bytes()).err(), too_long(33, 32));
    let outputs = OUTPUTS_MAX as u64;
    assert_eq!(Query::from_bytes(&list(3, outputs + 1)).err(), too_long(outputs + 1, outputs));
    assert_eq!(Found::from_bytes(&list(3, outputs + 1)).err(), too_long(outputs + 1, outputs));
    let epochs = EPOCHS_MAX as u64;
    assert_eq!(Reply::from_bytes(&list(0, epochs + 1)).err(), too_long(epochs + 1, epochs));
    let asks = Request::Follow { from: Height(1), programs: PROGRAMS.to_vec() };
    assert_eq!(Request::from_bytes(&asks.to_bytes()), Ok(asks));
}

#[test]
fn unknown_variants_are_named() {
    let unknown = |kind, value| Some(DecodeError::UnknownVariant { kind, value });
    assert_eq!(Request::from_bytes(&[9]).err(), unknown("request", 9));
    assert_eq!(Answer::from_bytes(&[10]).err(), unknown("answer", 10));
    assert_eq!(Answer::from_bytes(&[2, 8]).err(), unknown("refusal", 8));
    assert_eq!(Answer::from_bytes(&[3, 6]).err(), unknown("stage", 6));
    assert_eq!(Query::from_bytes(&[6]).err(), unknown("query", 6));
    assert_eq!(Found::from_bytes(&[6]).err(), unknown("finding", 6));
    assert_eq!(Question::from_bytes(&[6]).err(), unknown("light client's question", 6));
    assert_eq!(Reply::from_bytes(&[6]).err(), unknown("reply to a light client", 6));
}
