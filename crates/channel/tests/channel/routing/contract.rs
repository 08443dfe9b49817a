//! The contract that holds the locks, as its code reads it and as it runs.

use byway_channel::routing::conduit::{self, Lock, LockId, Preimage};
use byway_primitives::{Amount, Hash, NetworkId, Time};
use byway_records::channel::{Environment, Side};
use byway_vm::{Address, Call, Outcome, State, Target};

use crate::world::units;

const NETWORK: NetworkId = NetworkId(Hash([9; 32]));
const PARTIES: [Address; 2] = [Address([1; 20]), Address([2; 20])];
const UNTIL: Time = Time(1_700_000_600_000);
const BEFORE: Time = Time(UNTIL.0 - 1_000);

struct Scene {
    state: State,
    conduit: Address,
}

impl Scene {
    fn new() -> Self {
        let mut state = State::new(PARTIES.map(|party| (party, units(1_000_000))));
        assert_eq!(run(&mut state, UNTIL, conduit::create(Side::Initiator)), Outcome::Returned);
        let found: Vec<_> = conduit::all(&state).collect();
        let [conduit] = found[..] else { panic!("one is there: {found:?}") };
        Self { state, conduit }
    }

    fn lock(&mut self, id: u8, preimage: u8, amount: u128) -> Outcome {
        let (id, hash) = (LockId([id; 32]), Preimage([preimage; 32]).hash());
        let lock = conduit::lock(Side::Initiator, self.conduit, id, hash, UNTIL, PARTIES[1], units(amount));
        run(&mut self.state, BEFORE, lock)
    }

    fn resolve(&mut self, by: Side, time: Time, locks: &[(u8, Option<u8>)]) {
        let locks: Vec<_> =
            locks.iter().map(|(id, preimage)| (LockId([*id; 32]), preimage.map(|byte| Preimage([byte; 32])))).collect();
        let resolved = run(&mut self.state, time, conduit::resolve(by, self.conduit, &locks));
        assert_eq!(resolved, Outcome::Returned, "what can't be done is passed over");
    }

    fn read(&self, id: u8) -> Option<Lock> {
        conduit::read(&self.state, self.conduit, LockId([id; 32]))
    }

    fn balances(&self) -> [u128; 3] {
        [PARTIES[0], PARTIES[1], self.conduit].map(|address| self.state.account(address).unwrap().balance.units())
    }
}

fn run(state: &mut State, time: Time, call: byway_channel::ContractCall) -> Outcome {
    let caller = PARTIES[call.caller.index()];
    let call = Call {
        caller,
        target: call.target,
        value: call.value,
        input: call.input,
        gas: call.gas,
        evidence: call.evidence,
    };
    let execution = state.execute(NETWORK, Environment { time, height: 1 }, &call).unwrap();
    if call.target != Target::Create {
        assert!(execution.gas_used * 4 < call.gas * 3, "{} of {} gas", execution.gas_used, call.gas);
    }
    execution.outcome
}

#[test]
fn a_lock_is_read_as_it_was_made() {
    let mut scene = Scene::new();
    assert_eq!(scene.lock(1, 5, 70_000), Outcome::Returned);
    let [payer, payee] = PARTIES;
    let (hash, amount) = (Preimage([5; 32]).hash(), units(70_000));
    assert_eq!(scene.read(1), Some(Lock::Closed { hash, payer, payee, until: UNTIL, amount }));
    assert_eq!(scene.read(2), None);
    assert_eq!(scene.balances(), [930_000, 1_000_000, 70_000]);
    assert!(conduit::holds(&scene.state));
    assert_eq!(scene.lock(1, 6, 1), Outcome::Reverted, "the id is taken");
    assert_eq!((scene.lock(3, 5, 0), scene.read(3)), (Outcome::Reverted, None), "locks of nothing cost nothing");
}

#[test]
fn two_locks_of_one_hash_and_amount_are_two() {
    let mut scene = Scene::new();
    [1, 2].into_iter().for_each(|id| assert_eq!(scene.lock(id, 5, 1_000), Outcome::Returned));
    scene.resolve(Side::Responder, BEFORE, &[(1, Some(5))]);
    assert_eq!(scene.read(1), Some(Lock::Open { preimage: Preimage([5; 32]), payer: PARTIES[0] }));
    assert!(matches!(scene.read(2), Some(Lock::Closed { .. })));
    assert_eq!(scene.balances(), [998_000, 1_001_000, 1_000]);
}

#[test]
fn each_does_with_a_lock_what_it_may_and_nothing_else() {
    const PAYER: Side = Side::Initiator;
    const PAYEE: Side = Side::Responder;
    type Case = (&'static str, &'static [(Side, Time, Option<u8>)], [u128; 3], bool);
    let cases: [Case; 9] = [
        ("the payer before its time", &[(PAYER, BEFORE, None)], [999_000, 1_000_000, 1_000], true),
        ("the payer who knows the preimage", &[(PAYER, BEFORE, Some(5))], [999_000, 1_000_000, 1_000], true),
        ("the payer in time", &[(PAYER, UNTIL, None)], [1_000_000, 1_000_000, 0], false),
        ("the payee with another preimage", &[(PAYEE, BEFORE, Some(6))], [999_000, 1_000_000, 1_000], true),
        ("the payee with the preimage", &[(PAYEE, BEFORE, Some(5))], [999_000, 1_001_000, 0], true),
        ("the payee with the preimage in its time", &[(PAYEE, UNTIL, Some(5))], [999_000, 1_000_000, 1_000], true),
        ("the payee lets go", &[(PAYEE, BEFORE, None)], [1_000_000, 1_000_000, 0], false),
        (
            "the payee twice",
            &[(PAYEE, BEFORE, Some(5)), (PAYEE, BEFORE, Some(5)), (PAYEE, UNTIL, None)],
            [999_000, 1_001_000, 0],
            true,
        ),
        ("the payer clears away", &[(PAYEE, BEFORE, Some(5)), (PAYER, BEFORE, None)], [999_000, 1_001_000, 0], false),
    ];
    for (what, acts, balances, is_there) in cases {
        let mut scene = Scene::new();
        scene.lock(1, 5, 1_000);
        acts.iter().for_each(|(by, time, preimage)| scene.resolve(*by, *time, &[(1, *preimage)]));
        assert_eq!((scene.balances(), scene.read(1).is_some()), (balances, is_there), "{what}");
    }
}

#[test]
fn one_bad_claim_does_not_delay_a_batch() {
    // A wrong preimage, a lock that nobody has made, one that is open already, one that is named twice: each in every place of a call.
    let bad = [(1, Some(7)), (9, Some(9)), (2, Some(2)), (3, Some(3))];
    let good = [(3, Some(3)), (4, Some(4)), (5, Some(5))];
    for claim in bad {
        for place in 0..=good.len() {
            let mut scene = Scene::new();
            (1..=5).for_each(|id| assert_eq!(scene.lock(id, id, 1_000), Outcome::Returned));
            scene.resolve(Side::Responder, BEFORE, &[(2, Some(2))]);
            let mut batch = good.to_vec();
            batch.insert(place, claim);
            scene.resolve(Side::Responder, BEFORE, &batch);
            assert_eq!(scene.balances(), [995_000, 1_004_000, 1_000], "{claim:?} in place {place}");
            assert!(matches!(scene.read(1), Some(Lock::Closed { .. })));
            // The payer takes that one back in a batch with those that it may do nothing about any more.
            scene.resolve(Side::Initiator, UNTIL, &[(9, None), (1, None), (4, None)]);
            assert_eq!(scene.balances(), [996_000, 1_004_000, 0]);
        }
    }
}

#[test]
fn nothing_is_left_in_the_contract_once_its_locks_are_cleared_away() {
    let mut scene = Scene::new();
    let empty = scene.state.account(scene.conduit).unwrap();
    let all: Vec<_> = (1..=conduit::RESOLVED_MAX as u8).collect();
    all.iter().for_each(|id| assert_eq!(scene.lock(*id, *id, 1_000), Outcome::Returned));
    scene.resolve(Side::Responder, BEFORE, &all.iter().map(|id| (*id, Some(*id))).collect::<Vec<_>>());
    scene.resolve(Side::Initiator, UNTIL, &all.iter().map(|id| (*id, None)).collect::<Vec<_>>());
    assert_eq!(scene.state.account(scene.conduit).unwrap(), empty);
    assert_eq!(scene.balances(), [992_000, 1_008_000, 0]);
    assert_eq!(empty.balance, Amount::ZERO);
}

#[test]
fn what_was_created_with_the_code_of_a_conduit_and_a_lock_in_it_is_no_conduit() {
    let mut scene = Scene::new();
    let forged = super::thefts::forge(&mut scene.state, |state, call| run(state, BEFORE, call));
    let lock = conduit::read(&scene.state, forged, LockId([7; 32]));
    assert!(matches!(lock, Some(Lock::Closed { .. })), "it would be taken for one: {lock:?}");
    assert_eq!(conduit::all(&scene.state).collect::<Vec<_>>(), [scene.conduit]);
}
