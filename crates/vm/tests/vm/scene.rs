//! Two parties, contracts, and what is called.

use byway_primitives::{Amount, Hash, NetworkId, Time};
use byway_vm::{Address, Call, Environment, Execution, Outcome, State, Target};

pub const NETWORK: NetworkId = NetworkId(Hash([3; 32]));
pub const ALICE: Address = Address([0xa1; 20]);
pub const BOB: Address = Address([0xb0; 20]);
pub const SCRIBE: Address = Address([0x5c; 20]);
pub const START: Environment = Environment { time: Time(1_700_000_000_000), height: 40 };
pub const GAS: u64 = 1_000_000;

/// For every 96 bytes of input, slot, number and other slot: puts into the slot what is in the other one plus the number.
pub const SCRIBE_CODE: &str = "5f5b36811015601e57806040013554816020013501813555606001600156\
                               5b00";

pub fn units(units: u128) -> Amount {
    Amount::from_units(units)
}

pub fn new_state() -> State {
    State::new([(ALICE, units(1_000)), (BOB, units(500))])
}

pub fn with_scribe(slots: impl IntoIterator<Item = (u64, u64)>) -> State {
    let mut state = new_state();
    let slots = slots.into_iter().map(|(slot, value)| (word(slot), word(value)));
    state.put_contract(SCRIBE, hex::decode(SCRIBE_CODE).unwrap(), slots);
    state
}

pub fn word(number: u64) -> [u8; 32] {
    let mut word = [0; 32];
    word[24..].copy_from_slice(&number.to_be_bytes());
    word
}

pub fn call(caller: Address, contract: Address, value: u128, input: Vec<u8>) -> Call {
    Call { caller, target: Target::Contract(contract), value: units(value), input, gas: GAS, evidence: Vec::new() }
}

/// A call of the scribe.
pub fn writing(triples: &[(u64, u64, u64)]) -> Call {
    let words = triples.iter().flat_map(|(slot, number, other)| [word(*slot), word(*number), word(*other)]);
    call(ALICE, SCRIBE, 0, words.collect::<Vec<_>>().concat())
}

pub fn execute(state: &mut State, environment: Environment, call: &Call) -> Execution {
    state.execute(NETWORK, environment, call).unwrap()
}

/// What the Solidity compiler made of an example.
pub struct Compiled(serde_json::Value);

impl Compiled {
    pub fn hidden_moves() -> Self {
        Self(serde_json::from_str(include_str!("../../../../examples/contracts/compiled/HiddenMoves.json")).unwrap())
    }

    pub fn subscription() -> Self {
        Self(serde_json::from_str(include_str!("../../../../examples/contracts/compiled/Subscription.json")).unwrap())
    }

    /// Puts one into the state; gives its address.
    pub fn create(&self, state: &mut State, arguments: &[[u8; 32]]) -> Address {
        let code = hex::decode(self.0["create"].as_str().unwrap()).unwrap();
        let input = [code, arguments.concat()].concat();
        let call = Call {
            caller: ALICE,
            target: Target::Create,
            value: Amount::ZERO,
            input,
            gas: 3 * GAS,
            evidence: Vec::new(),
        };
        let created = execute(state, START, &call);
        assert_eq!(created.outcome, Outcome::Returned);
        created.receipt.contract
    }

    /// The input of a call of this function.
    pub fn input(&self, function: &str, arguments: &[[u8; 32]]) -> Vec<u8> {
        let selector = hex::decode(self.0["selectors"][function].as_str().unwrap()).unwrap();
        [selector, arguments.concat()].concat()
    }
}

/// An address as an argument.
pub fn argument(address: Address) -> [u8; 32] {
    let mut word = [0; 32];
    word[12..].copy_from_slice(&address.0);
    word
}
