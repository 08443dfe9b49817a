//! A whole state as bytes.

use byway_primitives::{Decode, Encode};
use byway_vm::State;

use crate::scene::{ALICE, BOB, Compiled, SCRIBE, START, argument, execute, new_state, with_scribe, word, writing};

#[test]
fn a_state_is_the_same_after_it_was_written_down() {
    let mut game = new_state();
    Compiled::hidden_moves().create(&mut game, &[argument(ALICE), argument(BOB), word(100), word(10)]);
    for mut state in [State::default(), new_state(), with_scribe([]), with_scribe([(1, 2), (300, 7)]), game] {
        let bytes = state.to_bytes();
        let mut again = State::from_bytes(&bytes).unwrap();
        assert_eq!((again.root(), again.to_bytes()), (state.root(), bytes));
        if state.account(SCRIBE).is_some() {
            let call = writing(&[(1, 5, 300)]);
            assert_eq!(execute(&mut again, START, &call), execute(&mut state, START, &call));
            assert_eq!(again.root(), state.root());
        }
    }
}

#[test]
fn a_state_that_lacks_something_is_refused() {
    let state = with_scribe([(1, 2), (300, 7)]);
    let bytes = state.to_bytes();
    for at in 0..bytes.len() {
        assert!(State::from_bytes(&bytes[..at]).is_err(), "cut at {at}");
        let mut other = bytes.clone();
        other[at] ^= 1;
        // Whatever it is taken for, it is not the same state.
        assert!(State::from_bytes(&other).map_or(true, |other| other.root() != state.root()), "changed at {at}");
    }
}
