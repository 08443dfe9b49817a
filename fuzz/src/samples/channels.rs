//! Good channels, contracts' code, and witnesses of calls.

use byway_primitives::{Amount, Encode, Hash, Time};
use byway_records::Call as LedgerCall;
use byway_records::channel::entry::Code;
use byway_vm::{Account, Address, Call, Contract, Environment, Outcome, Receipt, State, Target};

use super::{NETWORK, Samples, call_bodies, one, records};

const CALLER: Address = Address([1; 20]);
const CONTRACT: Address = Address([2; 20]);

pub(crate) fn channels_call() -> Samples {
    call_bodies(|call| matches!(call, LedgerCall::Channels(_)))
}

pub(crate) fn channel() -> Samples {
    one(records::channel())
}

pub(crate) fn contract_code() -> Samples {
    one(Code(code().to_vec()))
}

pub(crate) fn contract_account() -> Samples {
    let contract = Some(Contract { code: Hash([3; 32]), storage: Hash([4; 32]) });
    let account = Account { nonce: 300, balance: Amount::from_units(5), contract };
    vec![account.to_bytes(), Account { contract: None, ..account }.to_bytes()]
}

pub(crate) fn contract_receipt() -> Samples {
    let (outcome, output) = (Outcome::Reverted, Hash([5; 32]));
    one(Receipt { caller: CALLER, contract: CONTRACT, outcome, gas_used: 21_000, output })
}

pub(crate) fn contract_alone() -> Samples {
    let mut state = State::new([(CALLER, Amount::from_units(100))]);
    state.put_contract(CONTRACT, code().to_vec(), (1..9).map(|slot| ([slot; 32], [1; 32])));
    one(state.alone(CONTRACT).expect("it is there"))
}

pub(crate) fn ledger_contract() -> Samples {
    one(records::ledger_contract())
}

pub(crate) fn virtual_terms() -> Samples {
    one(records::cosigned(records::virtual_terms()))
}

pub(crate) fn certified_close() -> Samples {
    one(records::certified_close())
}

pub(crate) fn virtual_outcome() -> Samples {
    one(byway_records::channel::Outcome { paid: records::channel_outcome().paid })
}

/// Reads the slot that the input names, adds one, and puts that into the slot after it.
pub(crate) const fn code() -> [u8; 13] {
    [0x5f, 0x35, 0x80, 0x54, 0x60, 1, 0x01, 0x90, 0x60, 1, 0x01, 0x55, 0x00]
}

/// A call of that contract.
pub(crate) fn call() -> (Environment, Call) {
    let (target, value) = (Target::Contract(CONTRACT), Amount::from_units(1));
    let call = Call { caller: CALLER, target, value, input: vec![7; 32], gas: 100_000, evidence: Vec::new() };
    (Environment { time: Time(1_700_000_000_000), height: 9 }, call)
}

/// For the call above.
pub(crate) fn state_witness() -> Samples {
    let (environment, call) = call();
    let witness = |slots: u8| {
        let mut state = State::new([(CALLER, Amount::from_units(100))]);
        state.put_contract(CONTRACT, code().to_vec(), (0..slots).map(|slot| ([slot; 32], [1; 32])));
        state.witness(NETWORK, environment, &call, &[]).expect("it can be executed").0.to_bytes()
    };
    vec![witness(0), witness(9), witness(60)]
}

pub(crate) fn execute_witness() -> Samples {
    state_witness()
}
