//! The contract that holds guarantees within a channel (`examples/contracts/Guarantee.sol`): how it is called, and how what it holds is
//! read out of a channel's state.
//!
//! It is known by its address, as a [conduit](crate::routing::conduit) is: another contract (`examples/contracts/GuaranteeNest.sol`) creates it by
//! `CREATE2`, so that its storage was empty at first.

use std::sync::LazyLock;

use byway_crypto::IdentitySignature;
use byway_primitives::{Amount, Hash, Time};
use byway_records::channel::{CertifiedClose, ChannelOutcome, Side, VirtualTerms};
use byway_records::promise::ChannelId;
use byway_vm::{Address, State, Target, code_hash};

use crate::change::ContractCall;
use crate::routing::conduit::{Word, creation, number, plus};

const GUARANTEE: &str = include_str!("../../../../examples/contracts/compiled/Guarantee.json");
const NEST: &str = include_str!("../../../../examples/contracts/compiled/GuaranteeNest.json");
/// How much of what creates the contract is not the contract's code.
const PROLOGUE: usize = 28;
const OFFER: [u8; 4] = [0xef, 0xe4, 0xd2, 0x3e];
const ACCEPT: [u8; 4] = [0xe4, 0x72, 0x5b, 0xa1];
const RESOLVE: [u8; 4] = [0x05, 0x74, 0x89, 0xfa];
const CERTIFIED: [u8; 4] = [0xd8, 0xaa, 0xa4, 0xe0];
const CREATE_GAS: u64 = 3_000_000;
const OFFER_GAS: u64 = 200_000;
const ACCEPT_GAS: u64 = 120_000;
const RESOLVE_GAS: u64 = 150_000;
/// What `ecrecover` adds to a signature's recovery number.
const RECOVERY: u8 = 27;

/// What creates the contract itself.
static CREATED_BY: LazyLock<Vec<u8>> = LazyLock::new(|| creation(GUARANTEE));
/// Its digest.
static CREATED: LazyLock<Hash> = LazyLock::new(|| code_hash(&CREATED_BY));
/// What creates the nest, and with it the contract.
static CREATE: LazyLock<Vec<u8>> = LazyLock::new(|| creation(NEST));

/// How far a guarantee is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The party has put its part in, and the hub nothing yet.
    Offered,
    Accepted,
}

/// A guarantee as the channel's state has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guarantee {
    pub stage: Stage,
    /// Who has offered it, and which of the two it is in the virtual channel.
    pub party: Address,
    pub side: Side,
    pub hub: Address,
    pub own_part: Amount,
    pub hub_part: Amount,
    pub fee: Amount,
    pub deadline: Time,
}

/// What is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    pub id: ChannelId,
    pub terms: VirtualTerms,
    pub side: Side,
    pub fee: Amount,
    pub deadline: Time,
}

impl Guarantee {
    /// Whether it is one of the channel with these terms, by that side, whatever it says of fees and times.
    pub fn is_of(&self, virtual_terms: &VirtualTerms, side: Side) -> bool {
        let VirtualTerms { terms, hub, .. } = *virtual_terms;
        let (own, other) = (side.index(), side.other().index());
        let (party, hub) = (Address::from(terms.parties[own]), Address::from(hub));
        let parts = (terms.deposits[own], terms.deposits[other]);
        (self.party, self.hub, self.side) == (party, hub, side) && (self.own_part, self.hub_part) == parts
    }

    /// What the contract has for it; `None` if that is too much to count.
    pub fn held(&self) -> Option<Amount> {
        let more = if self.stage == Stage::Offered { self.fee } else { self.hub_part };
        self.own_part.checked_add(more)
    }
}

impl Offer {
    /// What the party puts in, its fee included; `None` if that is too much to count.
    pub fn value(&self) -> Option<Amount> {
        self.terms.terms.deposits[self.side.index()].checked_add(self.fee)
    }
}

/// What the ledger registers so that it can execute what is forced.
pub fn code() -> &'static [u8] {
    CREATED_BY.get(PROLOGUE..).expect("the compiled contract has code")
}

/// Where the contract is in a channel's state, the one whose nest has the lowest address first.
pub fn all(state: &State) -> impl Iterator<Item = Address> {
    let beside = state.contracts().map(|(nest, _)| in_nest(nest));
    beside.filter(|address| state.account(*address).is_some_and(|account| account.contract.is_some()))
}

/// The address that `CREATE2` gives to what a nest creates.
pub fn in_nest(nest: Address) -> Address {
    let digest = code_hash(&[&[0xff], &nest.0[..], &[0; 32], &CREATED.0].concat());
    Address(std::array::from_fn(|index| digest.0[12 + index]))
}

/// Whether any guarantee still holds money.
pub fn holds(state: &State) -> bool {
    all(state).any(|address| state.account(address).is_some_and(|account| !account.balance.is_zero()))
}

/// What is there of a guarantee.
pub fn read(state: &State, place: Address, id: ChannelId) -> Option<Guarantee> {
    let first = code_hash(&[id.0.0, [0; 32]].concat()).0;
    let [party, hub, parts] = [0, 1, 2].map(|offset| state.stored(place, &plus(first, offset)));
    let address = |word: &Word| Address(std::array::from_fn(|index| word[12 + index]));
    if address(&party) == Address([0; 20]) {
        return None;
    }
    let seconds = party[4..12].iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    Some(Guarantee {
        stage: if party[2] == 0 { Stage::Offered } else { Stage::Accepted },
        party: address(&party),
        side: if party[3] == 0 { Side::Initiator } else { Side::Responder },
        hub: address(&hub),
        own_part: amount(&parts[16..]),
        hub_part: amount(&parts[..16]),
        fee: amount(&hub[..12]),
        deadline: Time(seconds.saturating_mul(1000)),
    })
}

/// The call that puts the contract into a channel.
pub fn create(caller: Side) -> ContractCall {
    call(caller, Target::Create, Amount::ZERO, CREATE.clone(), CREATE_GAS)
}

/// What offers the hub to guarantee a channel. Its end is in whole seconds.
pub fn offer(caller: Side, place: Address, offer: &Offer, value: Amount) -> ContractCall {
    let Offer { id, terms, side, fee, deadline } = offer;
    let VirtualTerms { terms, hub, .. } = terms;
    let hub_part = terms.deposits[side.other().index()];
    let words = [
        id.0.0,
        address_word(Address::from(*hub)),
        number(side.index() as u64),
        amount_word(hub_part),
        amount_word(*fee),
        number(deadline.0 / 1000),
    ];
    call(caller, Target::Contract(place), value, input(OFFER, &words), OFFER_GAS)
}

/// What makes a guarantee of an offer, by the hub: so much is put in.
pub fn accept(caller: Side, place: Address, id: ChannelId, hub_part: Amount) -> ContractCall {
    call(caller, Target::Contract(place), hub_part, input(ACCEPT, &[id.0.0]), ACCEPT_GAS)
}

/// What gives an offer back that was not accepted: to its party from its time on, or where the hub lets go of it.
pub fn back(caller: Side, place: Address, id: ChannelId) -> ContractCall {
    call(caller, Target::Contract(place), Amount::ZERO, input(RESOLVE, &[number(32), number(1), id.0.0]), RESOLVE_GAS)
}

/// What pays a guarantee out as the ledger says.
pub fn resolve_by_outcome(caller: Side, place: Address, channel: ChannelId, paid: [Amount; 2]) -> ContractCall {
    resolve_by_outcomes(caller, place, vec![ChannelOutcome { channel, paid }])
}

/// The same for several at once, as many as a call brings outcomes of.
pub fn resolve_by_outcomes(caller: Side, place: Address, evidence: Vec<ChannelOutcome>) -> ContractCall {
    let count = evidence.len() as u64;
    let mut words = vec![number(32), number(count)];
    words.extend(evidence.iter().map(|outcome| outcome.channel.0.0));
    let gas = RESOLVE_GAS.saturating_mul(count);
    let call = call(caller, Target::Contract(place), Amount::ZERO, input(RESOLVE, &words), gas);
    ContractCall { evidence, ..call }
}

/// What pays a guarantee out, in the channel of that side of the virtual one, as all three have signed.
pub fn resolve_certified(caller: Side, place: Address, side: Side, certificate: &CertifiedClose) -> ContractCall {
    let body = &certificate.close.body;
    let [one, other] = body.paid.map(amount_word);
    let mut words = vec![body.network.0.0, body.channel.0.0, one, other];
    let signatures = [&certificate.close.signatures[side.index()], &certificate.signature];
    signatures.into_iter().for_each(|signature| words.extend(signature_words(signature)));
    call(caller, Target::Contract(place), Amount::ZERO, input(CERTIFIED, &words), RESOLVE_GAS)
}

/// Whether a call accepts this.
pub fn accepts(call: &ContractCall, place: Address, id: ChannelId) -> bool {
    let is_of_it = call.input.starts_with(&ACCEPT) && call.input.get(4..36) == Some(&id.0.0[..]);
    is_of_it && call.target == Target::Contract(place)
}

/// Whether a call would offer this.
pub fn offers(call: &ContractCall, id: ChannelId) -> bool {
    call.input.starts_with(&OFFER) && call.input.get(4..36) == Some(&id.0.0[..])
}

fn call(caller: Side, target: Target, value: Amount, input: Vec<u8>, gas: u64) -> ContractCall {
    ContractCall { caller, target, value, input, gas, evidence: Vec::new() }
}

fn input(selector: [u8; 4], words: &[Word]) -> Vec<u8> {
    [&selector[..], &words.concat()].concat()
}

fn amount(bytes: &[u8]) -> Amount {
    Amount::from_units(bytes.iter().fold(0u128, |number, byte| number << 8 | u128::from(*byte)))
}

fn amount_word(amount: Amount) -> Word {
    let mut word = [0; 32];
    word[16..].copy_from_slice(&amount.units().to_be_bytes());
    word
}

fn address_word(address: Address) -> Word {
    let mut word = [0; 32];
    word[12..].copy_from_slice(&address.0);
    word
}

fn signature_words(signature: &IdentitySignature) -> [Word; 3] {
    let part = |first: usize| std::array::from_fn(|index| signature.0[first + index]);
    [part(0), part(32), number(u64::from(signature.0[64].saturating_add(RECOVERY)))]
}
