//! Every way in which a call ends.

use byway_primitives::Hash;
use byway_records::channel::ChannelOutcome;
use byway_records::promise::ChannelId;
use byway_vm::{Address, Call, Environment, ExecuteError, Missing, Outcome, State, Target, chain_id};

use crate::scene::{ALICE, BOB, NETWORK, SCRIBE, START, call, execute, new_state, units, with_scribe, word, writing};

const CONTRACT: Address = Address([0xcc; 20]);

fn with_code(code: &str) -> State {
    let mut state = new_state();
    state.put_contract(CONTRACT, hex::decode(code).unwrap(), []);
    state
}

#[test]
fn only_a_call_that_returned_changes_anything() {
    for (code, outcome) in [
        ("00", Outcome::Returned),
        ("60ff5f5500", Outcome::Returned),
        ("60ff5f555f5ffd", Outcome::Reverted),
        ("60ff5f55fe", Outcome::Halted),
        ("60ff5f555b600456", Outcome::OutOfGas),
    ] {
        let mut state = with_code(code);
        let before = state.root();
        let execution = execute(&mut state, START, &call(ALICE, CONTRACT, 10, Vec::new()));
        assert_eq!(execution.outcome, outcome, "{code}");
        assert_eq!(state.root() != before, outcome == Outcome::Returned, "{code}");
        let moved = if outcome == Outcome::Returned { 10 } else { 0 };
        assert_eq!(state.account(ALICE).unwrap().balance, units(1_000 - moved), "{code}");
        assert_eq!(state.receipt().map(|receipt| receipt.outcome), (moved > 0).then_some(Outcome::Returned), "{code}");
    }
}

#[test]
fn what_cannot_begin_is_refused_with_its_reason() {
    let mut state = with_code("00");
    let mut refused = |call: Call| state.execute(NETWORK, START, &call).unwrap_err();
    assert_eq!(refused(call(ALICE, CONTRACT, 1_001, Vec::new())), ExecuteError::Funds);
    assert_eq!(refused(Call { gas: 20_999, ..call(ALICE, CONTRACT, 0, Vec::new()) }), ExecuteError::Gas);
}

#[test]
fn contracts_see_the_environment_that_is_signed_and_nothing_else() {
    // Returns TIMESTAMP, NUMBER, CHAINID, COINBASE, PREVRANDAO, BASEFEE and the hash of the block before.
    let code = "425f52436020524660405241606052446080524860a052600143034060c05260e05ff3";
    let mut state = with_code(code);
    let output = execute(&mut state, START, &call(ALICE, CONTRACT, 0, Vec::new())).output;
    let words: Vec<u64> = output.chunks(32).map(|word| u64::from_be_bytes(word[24..].try_into().unwrap())).collect();
    assert_eq!(words, [START.time.0 / 1000, START.height, chain_id(NETWORK), 0, 0, 0, 0]);
    let later = Environment { height: 41, ..START };
    let other = execute(&mut state, later, &call(ALICE, CONTRACT, 0, Vec::new())).output;
    assert_ne!(output, other);
}

#[test]
fn a_contract_pays_a_party_and_a_stranger_alike() {
    // Sends 3 on to the address in the input, and reverts where that fails.
    let mut state = with_code("5f5f5f5f60035f3561fffff115601557005b5f5ffd");
    let stranger = Address([0x77; 20]);
    for to in [BOB, stranger] {
        let mut input = vec![0; 12];
        input.extend(to.0);
        assert_eq!(execute(&mut state, START, &call(ALICE, CONTRACT, 3, input)).outcome, Outcome::Returned);
    }
    let balance = |who| state.account(who).map(|account| account.balance);
    assert_eq!(balance(BOB), Some(units(503)));
    assert_eq!(balance(stranger), Some(units(3)));
}

#[test]
fn the_receipt_is_of_the_last_round_only() {
    let mut state = with_scribe([]);
    execute(&mut state, START, &writing(&[(1, 1, 9)]));
    let first = state.receipt().unwrap();
    assert_eq!((first.caller, first.contract), (ALICE, SCRIBE));
    execute(&mut state, START, &call(BOB, SCRIBE, 0, Vec::new()));
    assert_eq!(state.receipt().unwrap().caller, BOB);
    state.set_balance(BOB, units(7));
    assert_eq!(state.receipt(), None, "a round that is no call has none");
}

#[test]
fn code_that_nobody_knows_is_missing() {
    let state = with_scribe([]);
    let call = writing(&[(1, 1, 1)]);
    let (witness, _) = state.witness(NETWORK, START, &call, &[]).unwrap();
    let outcome = witness.execute(NETWORK, START, &call, &|_| None);
    assert!(matches!(outcome, Err(ExecuteError::Missing(Missing::Code(_)))), "{outcome:?}");
}

#[test]
fn a_contract_can_be_created_by_whoever_has_a_part_of_the_state() {
    let mut state = new_state();
    // Code that puts 5 into slot 0 and leaves one byte of code.
    let input = hex::decode("60055f555f5f5360015ff3").unwrap();
    let call =
        Call { caller: ALICE, target: Target::Create, value: units(2), input, gas: 1_000_000, evidence: Vec::new() };
    let (witness, _) = state.witness(NETWORK, START, &call, &[ALICE, BOB]).unwrap();
    let forced = witness.execute(NETWORK, START, &call, &|_| None).unwrap();
    let full = execute(&mut state, START, &call);
    assert_eq!((forced.root, &forced.execution), (state.root(), &full));
    assert_eq!(state.account(full.receipt.contract).unwrap().balance, units(2));
}

/// Calls the address that the input names with an empty input, and returns whether that went well, how much gas it took, and
/// how many bytes it gave.
const CALLER_CODE: &str = "5a5f5f5f5f5f5f355af16040525a90035f523d60205260605ff3";

#[test]
fn contracts_learn_of_virtual_channels_what_comes_with_the_call() {
    // Calls the address 0xb1 with the input, and returns what that gives.
    let mut state = with_code("365f5f375f5f365f5f60b15af1503d5f5f3e3d5ff3");
    let outcome =
        |byte, paid: [u128; 2]| ChannelOutcome { channel: ChannelId(Hash([byte; 32])), paid: paid.map(units) };
    let evidence = vec![outcome(1, [7, u128::MAX]), outcome(2, [0, 1])];
    let mut ask = |input: Vec<u8>, evidence: &[ChannelOutcome]| {
        let call = Call { evidence: evidence.to_vec(), ..call(ALICE, CONTRACT, 0, input) };
        let (witness, _) = state.witness(NETWORK, START, &call, &[]).unwrap();
        let code = state.code(state.account(CONTRACT).unwrap().contract.unwrap().code).unwrap().to_vec();
        let forced = witness.execute(NETWORK, START, &call, &|_| Some(code.clone())).unwrap();
        let full = execute(&mut state, START, &call);
        assert_eq!(
            (&forced.execution, forced.root),
            (&full, state.root()),
            "who has a part of the state learns the same"
        );
        (full.outcome, full.output)
    };
    let words = |paid: [u128; 2]| paid.map(|paid| [[0; 16], paid.to_be_bytes()].concat()).concat();
    assert_eq!(ask(vec![1; 32], &evidence), (Outcome::Returned, words([7, u128::MAX])));
    assert_eq!(ask(vec![2; 32], &evidence), (Outcome::Returned, words([0, 1])));
    let nothing = (Outcome::Returned, Vec::new());
    for (input, evidence) in [
        (vec![3; 32], &evidence[..]),
        (vec![1; 32], &[]),
        (vec![1; 31], &evidence),
        (vec![1; 33], &evidence),
        (Vec::new(), &evidence),
    ] {
        assert_eq!(ask(input, evidence), nothing);
    }
}

#[test]
fn only_the_first_four_addresses_and_our_own_are_precompiled() {
    let probe = |number: u8| {
        let mut state = with_code(CALLER_CODE);
        let mut address = [0; 32];
        address[31] = number;
        let output = execute(&mut state, START, &call(ALICE, CONTRACT, 0, address.to_vec())).output;
        let word = |at: usize| u64::from_be_bytes(output[32 * at + 24..32 * at + 32].try_into().unwrap());
        (word(2), word(0), word(1))
    };
    let nobody = probe(0xee);
    assert_eq!((nobody.0, nobody.2), (1, 0));
    for number in (5..=0x20).chain([0xb0, 0xb2]) {
        assert_eq!(probe(number), nobody, "{number}");
    }
    assert_eq!([2, 3].map(|number| probe(number).2), [32, 32]);
    for number in [1, 2, 3, 4, 0xb1] {
        assert_ne!(probe(number).1, nobody.1, "{number} is warm");
    }
}

/// What a call needs is found, whatever it does with its gas: with that it does the same, and with notably less it does not return.
#[test]
fn the_least_gas_is_enough_and_little_more_than_that() {
    // Nothing; a slot set; a slot cleared, of which some is given back; a slot written last; a call that is given a part of what there is, which
    // sets a slot; as much work as there is gas for up to a limit.
    for code in [
        "00",
        "60015f5500",
        "5f60015500",
        "60015f5560025f5500",
        "5f5f5f5f5f73dddddddddddddddddddddddddddddddddddddddd5af15f5500",
        "61ffff5b600190038060035700",
    ] {
        let mut state = with_code(code);
        state.put_contract(CONTRACT, hex::decode(code).unwrap(), [(word(1), word(7))]);
        state.put_contract(Address([0xdd; 20]), hex::decode("60016002556003600255").unwrap(), []);
        let with = |gas| Call { gas, ..call(ALICE, CONTRACT, 0, Vec::new()) };
        let all = with(2_000_000);
        let least = state.least_gas(NETWORK, START, &all).unwrap();
        let root_after = |call: &Call| {
            let mut after = state.clone();
            let made = after.execute(NETWORK, START, call).ok()?;
            (made.outcome == Outcome::Returned).then(|| (after.account(CONTRACT), after.account(Address([0xdd; 20]))))
        };
        let expected = root_after(&all);
        assert!(expected.is_some(), "{code}");
        assert_eq!(root_after(&with(least)), expected, "{code}");
        assert_ne!(root_after(&with(least - 1_001)), expected, "{code}");
        assert!(least < 1_800_000, "{code}: {least}");
    }
    let reverts = with_code("5f5ffd");
    assert_eq!(reverts.least_gas(NETWORK, START, &call(ALICE, CONTRACT, 0, Vec::new())), Ok(crate::scene::GAS));
}
