//! What a core does at most: nothing but what can't be left out.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use byway_crypto::Purpose;
use byway_primitives::{Amount, AssetId, Encode, Hash};
use byway_records::channel::{ChannelState, Lane, Position};
use byway_records::promise::{ChannelId, Series};
use byway_records::{Backing, Promise};
use byway_vm::{Address, Call, Environment, State, Target};
use revm::context::TxEnv;
use revm::database::InMemoryDB;
use revm::primitives::hardfork::SpecId;
use revm::primitives::{Address as EvmAddress, Bytes, TxKind};
use revm::state::{AccountInfo, Bytecode};
use revm::{Context, ExecuteCommitEvm, MainBuilder, MainContext};

use super::pairs::{NETWORK, NOW, initiator};
use super::processor;

/// How long each is measured at the most.
const EACH_MAX: Duration = Duration::from_millis(700);
/// Adds one to the slot that the input names.
const CODE: [u8; 10] = [0x5f, 0x35, 0x80, 0x54, 0x60, 1, 0x01, 0x90, 0x55, 0x00];
const CALLER: Address = Address([0xa1; 20]);
const CONTRACT: Address = Address([0xc0; 20]);
const GAS: u64 = 100_000;
/// Slots that calls write, one after another.
const SLOTS: u64 = 1_000;

/// Per second.
pub struct Limits {
    pub updates: f64,
    pub lane_payments: f64,
    pub calls: f64,
}

impl Limits {
    pub fn measure(each: Duration) -> anyhow::Result<Self> {
        Ok(Self { updates: updates(each)?, lane_payments: lane_payments(each)?, calls: bare_calls(each)? })
    }

    pub fn mean(&self, other: &Self) -> Self {
        Self {
            updates: (self.updates + other.updates) / 2.0,
            lane_payments: (self.lane_payments + other.lane_payments) / 2.0,
            calls: (self.calls + other.calls) / 2.0,
        }
    }
}

/// How often a core does something in a second.
fn rate(each: Duration, mut once: impl FnMut(u64) -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let (begun, started, mut count) = (processor()?, Instant::now(), 0);
    while started.elapsed() < each.min(EACH_MAX) || count == 0 {
        for _ in 0..100 {
            once(count)?;
            count += 1;
        }
    }
    Ok(count as f64 / (processor()? - begun).as_secs_f64())
}

fn updates(each: Duration) -> anyhow::Result<f64> {
    let secret = initiator();
    let position = Position {
        round: 9,
        balances: [Amount::from_units(1 << 30); 2],
        lanes: [Lane::default(); 2],
        root: Hash([5; 32]),
        environment: Environment { time: NOW, height: 7 },
    };
    let total = Amount::from_units(1 << 31);
    let state = ChannelState { network: NETWORK, channel: ChannelId(Hash([4; 32])), total, fundings: 0, position };
    let mut bytes = state.to_bytes();
    let last = bytes.len() - 1;
    rate(each, |count| {
        bytes[last] = count as u8;
        for _ in 0..2 {
            let signature = secret.sign(Purpose::ChannelState, NETWORK, &bytes);
            signature.verify(secret.id(), Purpose::ChannelState, NETWORK, &bytes)?;
        }
        Ok(())
    })
}

fn lane_payments(each: Duration) -> anyhow::Result<f64> {
    let secret = initiator();
    let backing = Backing::Channel(ChannelId(Hash([4; 32])));
    let series = Series { payer: secret.id(), payee: secret.id(), asset: AssetId::WAY, backing };
    let amounts = (1..100).map(Amount::from_units);
    let promises: Vec<_> =
        amounts.map(|amount| Promise { network: NETWORK, series, serial: 1, amount }.sign(&secret)).collect();
    rate(each, |count| Ok(promises[count as usize % promises.len()].verify()?))
}

fn slot(number: u64) -> Vec<u8> {
    let mut input = vec![0; 32];
    input[24..].copy_from_slice(&(number % SLOTS).to_be_bytes());
    input
}

/// Calls on the provable state.
pub fn calls(each: Duration) -> anyhow::Result<f64> {
    let mut state = State::new([(CALLER, Amount::from_units(1_000))]);
    state.put_contract(CONTRACT, CODE.to_vec(), []);
    let environment = Environment { time: NOW, height: 7 };
    rate(each, |count| {
        let (target, input) = (Target::Contract(CONTRACT), slot(count));
        let call = Call { caller: CALLER, target, value: Amount::ZERO, input, gas: GAS, evidence: Vec::new() };
        state.execute(NETWORK, environment, &call)?;
        black_box(state.root());
        Ok(())
    })
}

/// The same without proofs, by a machine that is set up once.
fn bare_calls(each: Duration) -> anyhow::Result<f64> {
    let mut database = InMemoryDB::default();
    let (caller, contract) = (EvmAddress::from(CALLER.0), EvmAddress::from(CONTRACT.0));
    database.insert_account_info(contract, AccountInfo::from_bytecode(Bytecode::new_legacy(CODE.to_vec().into())));
    let context = Context::mainnet().with_db(database);
    let context = context.modify_cfg_chained(|cfg| cfg.set_spec_and_mainnet_gas_params(SpecId::CANCUN));
    let mut evm = context.build_mainnet();
    rate(each, |count| {
        let transaction = TxEnv {
            caller,
            gas_limit: GAS,
            gas_price: 0,
            kind: TxKind::Call(contract),
            data: Bytes::from(slot(count)),
            nonce: count,
            ..TxEnv::default()
        };
        let result = evm.transact_commit(transaction).context("a call is refused")?;
        ensure!(result.is_success(), "a call does not return");
        Ok(())
    })
}
