//! The contract that holds conditional payments within a channel (`examples/contracts/Conduit.sol`): how it is called, and how
//! its locks are read out of a channel's state.
//!
//! **A contract's code does not say what it was created by**, and whatever creates one may write locks into its storage that nobody
//! has paid for. So a conduit is known by its address: another contract (`examples/contracts/ConduitNest.sol`) creates it by `CREATE2`, after
//! which the address is a digest of the nest's and of all that creates the conduit. That the address is in the state says that its
//! storage was empty at first, however the state came here: by updates, by force, or from the peer.

use std::sync::LazyLock;

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, Hash, Time};
use byway_records::channel::Side;
use byway_vm::{Address, State, Target, code_hash};
use sha2::{Digest, Sha256};

use crate::change::{CALL_GAS_MAX, ContractCall};

/// Locks that one call resolves at the most: a forced call has to show each of them in its witness.
pub const RESOLVED_MAX: usize = 8;

const CONDUIT: &str = include_str!("../../../../examples/contracts/compiled/Conduit.json");
const NEST: &str = include_str!("../../../../examples/contracts/compiled/ConduitNest.json");
/// How much of what creates the contract is not the contract's code.
const PROLOGUE: usize = 28;
const LOCK: [u8; 4] = [0xc2, 0x7b, 0x20, 0xf9];
const RESOLVE: [u8; 4] = [0x07, 0x8a, 0xae, 0xd6];
const LOCK_GAS: u64 = 150_000;
const CREATE_GAS: u64 = 1_500_000;
const RESOLVE_GAS: u64 = 60_000;

pub(crate) type Word = [u8; 32];

/// What creates the contract itself.
static CREATED_BY: LazyLock<Vec<u8>> = LazyLock::new(|| creation(CONDUIT));
/// Its digest.
static CREATED: LazyLock<Hash> = LazyLock::new(|| code_hash(&CREATED_BY));
/// What creates the nest, and with it the contract.
static CREATE: LazyLock<Vec<u8>> = LazyLock::new(|| creation(NEST));

/// Names a lock within its channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LockId(pub [u8; 32]);

/// The SHA-256 digest that a lock's preimage has. Several locks may have one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PaymentHash(pub [u8; 32]);

/// What opens a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preimage(pub [u8; 32]);

/// A lock as the channel's state has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    Closed {
        hash: PaymentHash,
        payer: Address,
        payee: Address,
        until: Time,
        amount: Amount,
    },
    /// The payee has been paid; what opened it is there until its payer has seen it.
    Open {
        preimage: Preimage,
        payer: Address,
    },
}

impl Lock {
    pub fn payer(&self) -> Address {
        match self {
            Lock::Closed { payer, .. } | Lock::Open { payer, .. } => *payer,
        }
    }
}

impl Preimage {
    pub fn hash(&self) -> PaymentHash {
        PaymentHash(Sha256::digest(self.0).into())
    }
}

/// What the ledger registers so that it can execute what is forced.
pub fn code() -> &'static [u8] {
    CREATED_BY.get(PROLOGUE..).expect("the compiled contract has code")
}

/// Where the contract is in a channel's state, the one whose nest has the lowest address first; there may be several, if either side
/// wants it so.
pub fn all(state: &State) -> impl Iterator<Item = Address> {
    let beside = state.contracts().map(|(nest, _)| in_nest(nest));
    beside.filter(|conduit| state.account(*conduit).is_some_and(|account| account.contract.is_some()))
}

/// The address that `CREATE2` gives to what a nest creates.
pub fn in_nest(nest: Address) -> Address {
    let digest = code_hash(&[&[0xff], &nest.0[..], &[0; 32], &CREATED.0].concat());
    Address(std::array::from_fn(|index| digest.0[12 + index]))
}

pub(crate) fn creation(compiled: &str) -> Vec<u8> {
    let hex = compiled.split("\"create\": \"").nth(1).and_then(|rest| rest.split('"').next());
    let code = hex.and_then(|hex| data_encoding::HEXLOWER.decode(hex.as_bytes()).ok());
    code.expect("the compiled contract is there")
}

/// Whether any lock still holds money.
pub fn holds(state: &State) -> bool {
    all(state).any(|address| state.account(address).is_some_and(|account| !account.balance.is_zero()))
}

/// What is there of a lock.
pub fn read(state: &State, conduit: Address, id: LockId) -> Option<Lock> {
    let first = code_hash(&[id.0, [0; 32]].concat()).0;
    let slots = [0, 1, 2].map(|offset| state.stored(conduit, &plus(first, offset)));
    let [secret, payer, payee] = slots;
    let address = |word: &Word| Address(std::array::from_fn(|index| word[12 + index]));
    if address(&payer) == Address([0; 20]) {
        return None;
    }
    if payer[3] != 0 {
        return Some(Lock::Open { preimage: Preimage(secret), payer: address(&payer) });
    }
    let seconds = payer[4..12].iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    let units = payee[..12].iter().fold(0u128, |number, byte| number << 8 | u128::from(*byte));
    Some(Lock::Closed {
        hash: PaymentHash(secret),
        payer: address(&payer),
        payee: address(&payee),
        until: Time(seconds.saturating_mul(1000)),
        amount: Amount::from_units(units),
    })
}

/// The call that puts the contract into a channel.
pub fn create(caller: Side) -> ContractCall {
    let input = CREATE.clone();
    ContractCall { caller, target: Target::Create, value: Amount::ZERO, input, gas: CREATE_GAS, evidence: Vec::new() }
}

/// What locks money: for `payee` if it knows the preimage, back from `until` on, which is in whole seconds.
pub fn lock(
    caller: Side,
    conduit: Address,
    id: LockId,
    hash: PaymentHash,
    until: Time,
    payee: Address,
    value: Amount,
) -> ContractCall {
    let mut last = [0; 32];
    last[12..].copy_from_slice(&payee.0);
    let input = [&LOCK[..], &id.0, &hash.0, &number(until.0 / 1000), &last].concat();
    ContractCall { caller, target: Target::Contract(conduit), value, input, gas: LOCK_GAS, evidence: Vec::new() }
}

/// What opens, lets go of, takes back or clears away up to [`RESOLVED_MAX`] locks, whichever the caller may do.
pub fn resolve(caller: Side, conduit: Address, locks: &[(LockId, Option<Preimage>)]) -> ContractCall {
    let count = locks.len() as u64;
    let mut input = [&RESOLVE[..], &number(64), &number(96 + 32 * count), &number(count)].concat();
    locks.iter().for_each(|(id, _)| input.extend(id.0));
    input.extend(number(count));
    locks.iter().for_each(|(_, preimage)| input.extend(preimage.map_or([0; 32], |preimage| preimage.0)));
    let gas = (2 * RESOLVE_GAS + RESOLVE_GAS * count).min(CALL_GAS_MAX);
    ContractCall { caller, target: Target::Contract(conduit), value: Amount::ZERO, input, gas, evidence: Vec::new() }
}

/// Whether a call is one that is made here: of a lock, of several, or of the contract itself.
pub fn is_own(call: &ContractCall) -> bool {
    call.input.starts_with(&LOCK) || call.input.starts_with(&RESOLVE) || call.input == *CREATE
}

/// Whether a call would make that lock.
pub fn makes(call: &ContractCall, id: LockId) -> bool {
    call.input.starts_with(&LOCK) && call.input.get(4..36) == Some(&id.0[..])
}

/// Whether a call would resolve that lock, if it still is there.
pub fn resolves(call: &ContractCall, id: LockId) -> bool {
    call.input.starts_with(&RESOLVE) && call.input[4..].chunks(32).any(|word| word == id.0)
}

pub(crate) fn number(number: u64) -> Word {
    let mut word = [0; 32];
    word[24..].copy_from_slice(&number.to_be_bytes());
    word
}

/// The slot that is so many further on.
pub(crate) fn plus(slot: Word, more: u8) -> Word {
    let mut sum = slot;
    let mut carry = u16::from(more);
    for byte in sum.iter_mut().rev() {
        let [high, low] = (u16::from(*byte) + carry).to_be_bytes();
        (*byte, carry) = (low, u16::from(high));
    }
    sum
}

macro_rules! words {
    ($($name:ident),*) => {
        $(impl Encode for $name {
            fn encode(&self, out: &mut Writer) {
                out.raw(&self.0);
            }
        }
        impl Decode for $name {
            fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok(Self(input.array()?))
            }
        })*
    };
}
words!(LockId, PaymentHash, Preimage);
