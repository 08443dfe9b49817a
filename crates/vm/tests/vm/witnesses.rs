//! A part of a state gives what all of it gives, or says what it lacks.

use byway_primitives::{Decode, DecodeError, Encode};
use byway_vm::{Address, Call, ExecuteError, PURSES_BYTES_MAX, State, Target, Witness, WitnessError};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::scene::{ALICE, BOB, NETWORK, SCRIBE, START, execute, new_state, with_scribe, writing};

/// Executes a call on all of the state and on a witness that went over the wire; both must agree in everything.
fn check(state: &mut State, call: &Call) -> Result<(), TestCaseError> {
    let (witness, foretold) = state.witness(NETWORK, START, call, &[ALICE, BOB]).unwrap();
    let bytes = witness.to_bytes();
    let received = Witness::from_bytes(&bytes).unwrap();
    prop_assert_eq!(&received, &witness);
    prop_assert_eq!(received.check(state.root()), Ok(()));
    let forced = received.execute(NETWORK, START, call, &|hash| state.code(hash).map(<[u8]>::to_vec)).unwrap();
    let full = execute(state, START, call);
    prop_assert_eq!(forced.root, state.root());
    prop_assert_eq!(&forced.execution, &full);
    prop_assert_eq!(full, foretold);
    for party in [ALICE, BOB] {
        prop_assert_eq!(forced.balance(party).unwrap(), state.account(party).unwrap_or_default().balance);
    }
    Ok(())
}

fn triples() -> impl Strategy<Value = Vec<(u64, u64, u64)>> {
    // Few slots and small numbers: slots become zero, and so absent, as often as they come to be.
    vec((0u64..12, prop_oneof![Just(0u64), Just(1), Just(u64::MAX)], 0u64..12), 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_part_gives_what_the_whole_gives(first in vec((0u64..12, 0u64..3), 0..12), calls in vec(triples(), 1..8)) {
        let mut state = with_scribe(first);
        for triples in calls {
            check(&mut state, &writing(&triples))?;
        }
    }

    /// The witness of one call, used for another: the right result or an error, never a wrong one.
    #[test]
    fn what_a_part_lacks_is_an_error_and_never_a_wrong_result(
        first in vec((0u64..12, 1u64..3), 1..12),
        shown in triples(),
        wanted in triples(),
    ) {
        let mut state = with_scribe(first);
        let (witness, _) = state.witness(NETWORK, START, &writing(&shown), &[]).unwrap();
        let call = writing(&wanted);
        let outcome = witness.execute(NETWORK, START, &call, &|hash| state.code(hash).map(<[u8]>::to_vec));
        let full = execute(&mut state, START, &call);
        match outcome {
            Ok(forced) => prop_assert_eq!((forced.root, forced.execution), (state.root(), full)),
            Err(error) => prop_assert!(matches!(error, ExecuteError::Missing(_)), "{error}"),
        }
    }

    #[test]
    fn whatever_bytes_come_are_a_witness_or_an_error(bytes in vec(any::<u8>(), 0..400)) {
        if let Ok(witness) = Witness::from_bytes(&bytes) {
            prop_assert_eq!(witness.to_bytes(), bytes);
        }
    }

    #[test]
    fn a_witness_that_was_changed_is_refused_or_of_another_state(place in 0usize..2_000, bit in 0u8..8) {
        let state = with_scribe([(1, 1), (2, 2), (3, 3), (4, 4)]);
        let (witness, _) = state.witness(NETWORK, START, &writing(&[(1, 1, 3)]), &[ALICE, BOB]).unwrap();
        let mut bytes = witness.to_bytes();
        let place = place % bytes.len();
        bytes[place] ^= 1 << bit;
        if let Ok(changed) = Witness::from_bytes(&bytes) {
            prop_assert!(changed.check(state.root()).is_err(), "byte {place}");
        }
    }
}

#[test]
fn storage_that_its_account_does_not_name_is_refused() {
    let (one, other) = (with_scribe([(1, 1), (2, 2)]), with_scribe([(1, 1), (2, 3)]));
    let call = writing(&[(1, 1, 2)]);
    let root = one.root();
    let (witness, _) = one.witness(NETWORK, START, &call, &[]).unwrap();
    let (wrong, _) = other.witness(NETWORK, START, &call, &[]).unwrap();
    assert_eq!(witness.check(root), Ok(()));
    assert_eq!(wrong.check(root), Err(WitnessError::Root));
    // The accounts of one with the storage of the other: what comes before the last part is the same.
    let (good, bad) = (witness.to_bytes(), wrong.to_bytes());
    let storage = good.windows(20).rposition(|window| window == SCRIBE.0).unwrap();
    let mixed = Witness::from_bytes(&[&good[..storage], &bad[storage..]].concat()).unwrap();
    assert_eq!(mixed.check(root), Err(WitnessError::Storage(SCRIBE)));
}

#[test]
fn a_witness_of_a_contract_with_a_million_slots_has_few_kilobytes() {
    const LEVELS: u64 = 20;
    // Of a branch on the way to a slot: its tag, its bit, and the other side.
    const LEVEL_BYTES: u64 = 35;
    let mut state = with_scribe((1..1 << LEVELS).map(|slot| (slot, slot)));
    // Eight slots, of which four change; one of these is new and one is removed.
    let call = writing(&[(1 << 30, 7, 11), (1_000, 0, 1 << 40), (77_777, 5, 123_456), (500_000, 1, 1_000_000)]);
    let (witness, _) = state.witness(NETWORK, START, &call, &[ALICE, BOB]).unwrap();
    let bytes = witness.to_bytes();
    let forced = Witness::from_bytes(&bytes).unwrap();
    let forced = forced.execute(NETWORK, START, &call, &|hash| state.code(hash).map(<[u8]>::to_vec)).unwrap();
    execute(&mut state, START, &call);
    assert_eq!(forced.root, state.root());
    // 1 GB of slots and values of 32 bytes is 2^24 of them: four levels more.
    let with_a_gigabyte = bytes.len() as u64 + 8 * 4 * LEVEL_BYTES;
    assert!(with_a_gigabyte <= 8 * 1024, "{} bytes, and {with_a_gigabyte} of 1 GB", bytes.len());
}

#[test]
fn a_witness_is_bounded() {
    let long = vec![0; PURSES_BYTES_MAX + 1];
    let (length, limit) = (long.len() as u64, PURSES_BYTES_MAX as u64);
    assert_eq!(Witness::from_bytes(&long), Err(DecodeError::TooLong { length, limit }));
}

#[test]
fn a_call_of_nobody_shows_that_nobody_is_there() {
    let mut state = new_state();
    let nobody = Address([9; 20]);
    let call = Call { target: Target::Contract(nobody), ..writing(&[]) };
    check(&mut state, &call).unwrap();
    assert_eq!(state.account(nobody), None);
}
