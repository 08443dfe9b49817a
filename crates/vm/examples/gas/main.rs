//! How long does a unit of gas take? `cargo run --release -p byway-vm --example gas`
//!
//! Runs code that does one thing over and over, at its worst, as the ledger runs a forced call: a witness is read from bytes
//! and checked, then the call is executed on it and the root after it is digested. Prints one line for each, the
//! worst first; gas is what the ledger counts in a commit, with what it counts for the witness. What it allows is set from
//! that (docs/channels.md).

mod assembly;
mod cases;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use byway_primitives::{Amount, Decode, Encode, Hash, NetworkId, Time};
use byway_records::channel::FORCED_GAS_MAX;
use byway_vm::{Address, Call, Environment, ExecuteError, State, Target, WITNESS_BYTES_MAX, Witness, code_hash};

use cases::{Case, MAIN, OTHERS, address};

/// The most gas of a forced call.
pub const GAS: u64 = FORCED_GAS_MAX;
/// What a commit counts for a byte of a witness, as the ledger has it.
const WITNESS_BYTE_GAS: u64 = 16;
/// How long each is measured.
const EACH: Duration = Duration::from_millis(250);

const NETWORK: NetworkId = NetworkId(Hash([3; 32]));
const ALICE: Address = Address([0xa1; 20]);
const BOB: Address = Address([0xb0; 20]);
const ENVIRONMENT: Environment = Environment { time: Time(1_700_000_000_000), height: 40 };

struct Measured {
    name: String,
    gas: u64,
    witness_bytes: usize,
    time: Duration,
    outcome: String,
}

impl Measured {
    fn nanoseconds_per_gas(&self) -> f64 {
        self.time.as_secs_f64() * 1e9 / self.gas as f64
    }
}

fn main() {
    let only = std::env::args().nth(1).unwrap_or_default();
    let cases = cases::all().into_iter().filter(|case| case.name.contains(&only));
    let mut all: Vec<Measured> = cases.map(|case| measure(&case)).collect();
    all.sort_by(|a, b| b.nanoseconds_per_gas().total_cmp(&a.nanoseconds_per_gas()));
    println!("{:>10} {:>10} {:>9} {:>8}  what", "ns per gas", "gas", "time", "witness");
    for one in &all {
        let Measured { name, gas, witness_bytes, time, outcome } = one;
        let (per_gas, time) = (one.nanoseconds_per_gas(), time.as_secs_f64() * 1e3);
        println!("{per_gas:>10.2} {gas:>10} {time:>6.2} ms {witness_bytes:>8}  {name} ({outcome})");
    }
}

fn measure(case: &Case) -> Measured {
    let mut state = State::new([(ALICE, Amount::from_units(1_000)), (BOB, Amount::from_units(500))]);
    let storage: Vec<_> = case.storage.iter().map(|(slot, value)| (word(*slot), word(*value))).collect();
    state.put_contract(MAIN, case.code.clone(), storage.clone());
    let mut codes = HashMap::from([(code_hash(&case.code), case.code.clone())]);
    for (number, code) in case.others.iter().enumerate() {
        let stored = storage.iter().copied().filter(|_| case.shows_more && number == 0);
        state.put_contract(address(OTHERS + number as u64), code.clone(), stored);
        codes.insert(code_hash(code), code.clone());
    }
    let call = Call {
        caller: ALICE,
        target: Target::Contract(MAIN),
        value: Amount::ZERO,
        input: Vec::new(),
        gas: GAS,
        evidence: Vec::new(),
    };
    let reads = Call { target: Target::Contract(address(OTHERS)), gas: 10 * GAS, ..call.clone() };
    let shown = if case.shows_more { &reads } else { &call };
    let (witness, _) = state.witness(NETWORK, ENVIRONMENT, shown, &[ALICE, BOB, MAIN]).expect("it can be called");
    let (bytes, root) = (witness.to_bytes(), state.root());
    assert!(bytes.len() <= WITNESS_BYTES_MAX, "{}: a witness of {} bytes", case.name, bytes.len());
    let mut times = Vec::new();
    let begun = Instant::now();
    let (mut gas, mut outcome) = (0, String::new());
    while begun.elapsed() < EACH || times.len() < 3 {
        let started = Instant::now();
        let witness = Witness::from_bytes(&bytes).expect("a witness");
        witness.check(root).expect("of this state");
        let forced = witness.execute(NETWORK, ENVIRONMENT, &call, &|hash| codes.get(&hash).cloned());
        times.push(started.elapsed());
        let of_witness = WITNESS_BYTE_GAS * bytes.len() as u64;
        (gas, outcome) = match forced {
            Ok(forced) => (forced.execution.gas_used + of_witness, format!("{:?}", forced.execution.outcome)),
            Err(ExecuteError::Missing(missing)) => (call.gas + of_witness, missing.to_string()),
            Err(error) => panic!("{}: {error}", case.name),
        };
    }
    times.sort_unstable();
    let time = times[times.len() / 2];
    Measured { name: case.name.clone(), gas, witness_bytes: bytes.len(), time, outcome }
}

fn word(number: u64) -> [u8; 32] {
    let mut word = [0; 32];
    word[24..].copy_from_slice(&number.to_be_bytes());
    word
}
