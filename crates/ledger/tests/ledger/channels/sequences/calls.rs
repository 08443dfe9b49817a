//! What is offered: states that both sign, good or not, and calls of the contracts in them. Nothing of it is the ledger's.

use byway_primitives::{AssetId, Encode, IdentityId, NetworkId, Time};
use byway_records::channel::{AssetParts, ChannelAssets, Environment, Lane, Position};
use byway_records::state::Settled;
use byway_vm::{Address, Call, State, Target, purse_of};

use super::assets::CENT;
use super::model::{Held, Model};
use super::{Called, Fault, Sketch};
use crate::channels::purses::{cents, transferring};
use crate::channels::{BANK, BANK_CODE, GAS, RESERVE};
use crate::world::units;

/// Stores something and reverts.
pub const TRAP: Address = Address([0x7a; 20]);
pub const TRAP_CODE: [u8; 8] = [0x60, 1, 0x5f, 0x55, 0x5f, 0x5f, 0xfd, 0x00];
/// Stores something and runs for ever.
pub const LOOP: Address = Address([0x70; 20]);
pub const LOOP_CODE: [u8; 8] = [0x60, 1, 0x5f, 0x55, 0x5b, 0x60, 4, 0x56];

/// Who takes part, and where.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    pub network: NetworkId,
    pub parties: [IdentityId; 2],
    pub assets: [AssetId; 2],
    pub start: Time,
    /// The height that contracts see.
    pub height: u64,
}

impl Facts {
    pub fn addresses(&self) -> [Address; 2] {
        self.parties.map(Address::from)
    }

    /// So much of each asset for each, where there is something of it.
    pub fn rows(&self, parts: [[u128; 2]; 2]) -> ChannelAssets {
        let row = |asset: usize| AssetParts { asset: self.assets[asset], parts: parts[asset].map(units) };
        let rows = [row(0), row(1)].into_iter().filter(|row| row.total() != Some(units(0)));
        ChannelAssets::new(rows).expect("two assets at the most")
    }
}

/// A state that both sign, good or not.
#[derive(Debug, Clone)]
pub struct Offer {
    pub round: u64,
    pub total: u128,
    pub fundings: u64,
    pub balances: [u128; 2],
    pub lanes: [Lane; 2],
    pub is_faulty: bool,
    pub state: State,
    pub environment: Environment,
}

impl Offer {
    pub fn position(&self) -> Position {
        Position {
            round: self.round,
            balances: self.balances.map(units),
            lanes: self.lanes,
            root: self.state.root(),
            environment: self.environment,
        }
    }
}

impl Model {
    /// What a sketch makes of the model's state as it is, where the channel has so much.
    pub fn offer(&self, sketch: &Sketch, held: &Held) -> Offer {
        let total = held.total;
        if let Some(known) = self.known.as_ref().filter(|_| sketch.is_known) {
            return known.clone();
        }
        let mut spare = total.saturating_sub(2 * RESERVE);
        let mut part = |wanted: u128| {
            let part = wanted.min(spare);
            spare -= part;
            part
        };
        let capacities = sketch.lanes.map(&mut part);
        let (_, alice) = (part(sketch.held), RESERVE + part(sketch.alice));
        let in_bank = sketch.held.min(total.saturating_sub(2 * RESERVE + capacities[0] + capacities[1]));
        let mut balances = [alice, total.saturating_sub(in_bank + capacities[0] + capacities[1] + alice)];
        match sketch.fault {
            Fault::Reserve => balances[0] = RESERVE - 1,
            Fault::Sum => balances[1] = total,
            Fault::Total | Fault::Before | Fault::None => {}
        }
        let is_other = matches!(sketch.fault, Fault::Total | Fault::Before);
        let is_short = balances.iter().any(|balance| *balance < RESERVE);
        let divided = balances.iter().chain(&capacities).sum::<u128>();
        let lane = |side: usize| Lane {
            capacity: units(capacities[side]),
            absorbed: Settled { serial: 1, amount: units(sketch.absorbed[side]) },
        };
        Offer {
            round: self.signed + sketch.ahead,
            total: total + u128::from(sketch.fault == Fault::Total),
            // Of before something went in or out, or of after that.
            fundings: held.fundings ^ u64::from(sketch.fault == Fault::Before),
            balances,
            lanes: [lane(0), lane(1)],
            is_faulty: is_short || divided > total || is_other,
            state: self.state_with(balances, total.saturating_sub(divided), sketch.owned, held),
            environment: Environment { time: self.facts.start, height: self.facts.height },
        }
    }

    /// A state with all contracts, where the bank has this and Alice this of each asset that there is: maybe more than all.
    fn state_with(&self, balances: [u128; 2], in_bank: u128, owned: [u128; 2], held: &Held) -> State {
        let [alice, bob] = self.facts.addresses();
        let parties = [(alice, units(balances[0])), (bob, units(balances[1]))];
        let split = |asset: usize| {
            let (all, alice) = (held.of_asset(asset), owned[asset] * CENT);
            if all > 0 { [alice, all.saturating_sub(alice)] } else { [0; 2] }
        };
        let mut state = State::opening(parties, &self.facts.rows([split(0), split(1)]));
        state.put_contract(BANK, BANK_CODE.to_vec(), []);
        state.put_contract(TRAP, TRAP_CODE.to_vec(), []);
        state.put_contract(LOOP, LOOP_CODE.to_vec(), []);
        state.set_balance(BANK, units(in_bank));
        state
    }

    /// What a contract sees that is called now.
    pub fn environment(&self) -> Environment {
        Environment { time: Time(self.now.0), height: self.facts.height }
    }

    /// The call of a side, as it is signed.
    pub fn call(&self, side: usize, called: Called, amount: u128) -> Call {
        let addresses = self.facts.addresses();
        let moved = amount % 700;
        let (contract, value, input, gas) = match called {
            Called::Bank => (BANK, amount, Vec::new(), GAS),
            Called::Trap | Called::Unshown | Called::Padded => (TRAP, amount / 10, Vec::new(), GAS),
            Called::Loop => (LOOP, 0, Vec::new(), GAS),
            Called::Purse => {
                (purse_of(self.facts.assets[0]), 0, transferring(addresses[1 - side], cents(moved)), 2 * GAS)
            }
        };
        let (caller, target) = (addresses[side], Target::Contract(contract));
        Call { caller, target, value: units(value), input, gas, evidence: Vec::new() }
    }

    /// What is shown of a state for such a call.
    pub fn witness(&self, base: &State, side: usize, called: Called, amount: u128) -> Vec<u8> {
        let [alice, bob] = self.facts.addresses();
        let called_there = if self.lacks(base, called) { (Called::Loop, 0) } else { (called, amount) };
        let call = self.call(side, called_there.0, called_there.1);
        let padding = (called == Called::Padded).then_some(LOOP);
        let shown: Vec<_> = [alice, bob].into_iter().chain(padding).collect();
        let witness = base.witness(self.facts.network, self.environment(), &call, &shown);
        witness.map_or_else(|_| Vec::new(), |(witness, _)| witness.to_bytes())
    }

    /// Whether the witness of such a call in this state lacks what it calls.
    pub fn lacks(&self, base: &State, called: Called) -> bool {
        called == Called::Unshown && base.alone(TRAP).is_some()
    }

    /// Whether the witness of such a call in this state shows what it does not need.
    pub fn is_padded(&self, base: &State, side: usize, called: Called, amount: u128) -> bool {
        called == Called::Padded
            && self.witness(base, side, called, amount) != self.witness(base, side, Called::Trap, amount)
    }
}

pub fn amount_of(state: &State, address: Address) -> u128 {
    state.account(address).map_or(0, |account| account.balance.units())
}
