//! Channels: by name what others got wrong, and random sequences against a model.

mod disputes;
mod forced;
mod guaranteed;
mod guaranteed_sequences;
mod guarantees;
mod lanes;
mod leaving;
mod money;
mod purses;
pub mod sequences;
mod watching;

use byway_primitives::{Amount, AssetId, Encode, Hash, Span, Time};
use byway_records::call::{CallContract, ChannelsCall, ContractLeave, ForceProgress};
use byway_records::channel::contract::contract_key;
use byway_records::channel::entry::channel_key;
use byway_records::channel::{
    Agreed, ChannelAssets, ChannelState, ChannelTerms, Cosigned, Environment, ForcedCall, FundingChange, Lane,
    LedgerContract, Movement, MutualClose, Position, Remainder, Side, WatchSecret,
};
use byway_records::genesis::Wait;
use byway_records::promise::ChannelId;
use byway_records::tree::PartialTree;
use byway_records::{Call, Channel, ProgramId, Reject, Value};
use byway_vm::{Address, Call as VmCall, Outcome, State, Target, WholeAlone};

use crate::world::{ALICE, BOB, CHANNEL_PRICE, Draft, World, units};

pub const SECRET: WatchSecret = WatchSecret([7; 16]);
pub const LOCK: Wait = Wait { millis: Span::seconds(10), commits: 5 };
pub const RESERVE: u128 = 500_000;
pub const DEPOSIT: u128 = 5_000_000;
/// What each has in its account before.
pub const SAVED: u128 = 20_000_000;
pub const GAS: u64 = 100_000;
/// A contract that takes whatever it is paid.
pub const BANK: Address = Address([0xba; 20]);
pub const BANK_CODE: [u8; 1] = [0];

/// The reasons that only channels have; each is reached by a test of this folder.
pub const REASONS: &[Reject] = &[
    Reject::ChannelUnknown,
    Reject::ChannelTerms,
    Reject::ChannelPhase,
    Reject::ChannelParties,
    Reject::ChannelRound,
    Reject::ChannelTotal,
    Reject::ChannelReserve,
    Reject::ChannelFee,
    Reject::ChannelExpired,
    Reject::ChannelStreak,
    Reject::ChannelLocked,
    Reject::ChannelCall,
    Reject::ChannelEnvironment,
    Reject::ChannelWitness,
    Reject::CodeKnown,
    Reject::CodeBad,
    Reject::ChannelClaim,
    Reject::ChannelBusy,
    Reject::ChannelTurn,
    Reject::ChannelSecret,
    Reject::ContractUnknown,
    Reject::ContractKnown,
    Reject::ContractProof,
    Reject::ContractState,
    Reject::ContractCall,
    Reject::ContractBusy,
    Reject::CodeUnknown,
    Reject::VirtualKnown,
    Reject::VirtualMoney,
    Reject::VirtualOnly,
    Reject::VirtualHub,
    Reject::ChannelEvidence,
    Reject::PurseWitness,
    Reject::PurseAwaited,
    Reject::PurseSplit,
    Reject::PurseLeaves,
];

/// A channel of Alice, who initiated it, and Bob.
#[derive(Clone)]
pub struct Scene {
    pub world: World,
    pub id: ChannelId,
    pub start: Time,
}

pub fn terms(world: &World) -> ChannelTerms {
    ChannelTerms {
        parties: [world.id(ALICE), world.id(BOB)],
        deposits: [units(DEPOSIT); 2],
        reserve: units(RESERVE),
        lock: LOCK,
        remainder: Remainder::Halves,
        secrets: [SECRET.digest(); 2],
        assets: ChannelAssets::NONE,
    }
}

pub fn draft(call: ChannelsCall, signers: &[usize]) -> Draft {
    Draft { call: Some(Call::Channels(call)), signers: signers.to_vec(), ..Draft::default() }
}

pub fn side_of(person: usize) -> Side {
    if person == ALICE { Side::Initiator } else { Side::Responder }
}

impl Scene {
    /// The channel is open, and the bank's code is registered.
    pub fn new() -> Self {
        Self::with(|terms| terms)
    }

    pub fn with(change: impl Fn(ChannelTerms) -> ChannelTerms) -> Self {
        Self::within(World::new(), change)
    }

    /// In a world in which something has happened.
    pub fn within(mut world: World, change: impl Fn(ChannelTerms) -> ChannelTerms) -> Self {
        for person in [ALICE, BOB] {
            world.must(&world.deposit(world.coin(person), person, SAVED));
        }
        let start = world.time;
        let terms = change(terms(&world));
        let id = world.must(&draft(ChannelsCall::Create { terms }, &[ALICE, BOB]));
        let mut scene = Self { world, id: ChannelId(id.0), start };
        scene.register(&BANK_CODE);
        scene
    }

    pub fn register(&mut self, code: &[u8]) {
        let world = &mut self.world;
        let call = draft(ChannelsCall::RegisterCode { code: code.to_vec() }, &[]);
        world.must(&world.funded(world.coin(2), Draft { fee: units(30_000), ..call }));
    }

    pub fn channel(&self) -> Channel {
        self.open_channel().expect("it is not closed")
    }

    pub fn open_channel(&self) -> Option<Channel> {
        self.world.ledger.tree(ProgramId::CHANNELS)?.read(&channel_key(self.id))
    }

    pub fn round(&self) -> u64 {
        self.channel().position.round
    }

    pub fn address(&self, person: usize) -> Address {
        Address::from(self.world.id(person))
    }

    /// A state in which the bank has what the parties don't.
    pub fn state(&self, balances: [u128; 2]) -> State {
        let rest = self.channel().total.units().saturating_sub(balances[0]).saturating_sub(balances[1]);
        let parties = [ALICE, BOB].map(|person| (self.address(person), units(balances[person])));
        let mut state = State::new(parties.into_iter().chain([(BANK, units(rest))]));
        state.put_contract(BANK, BANK_CODE.to_vec(), []);
        state
    }

    /// The position of a round that both signed.
    pub fn position(&self, round: u64, balances: [u128; 2]) -> Position {
        Position {
            round,
            balances: balances.map(units),
            lanes: [Lane::default(); 2],
            root: self.state(balances).root(),
            environment: Environment { time: self.start, height: 0 },
        }
    }

    pub fn cosign<T: Agreed>(&self, body: T) -> Cosigned<T> {
        Cosigned::sign(body, [ALICE, BOB].map(|person| &self.world.people[person].identity))
    }

    pub fn signed(&self, round: u64, balances: [u128; 2]) -> Cosigned<ChannelState> {
        self.signed_position(self.position(round, balances))
    }

    pub fn signed_position(&self, position: Position) -> Cosigned<ChannelState> {
        let Channel { total, fundings, .. } = self.channel();
        self.cosign(ChannelState { network: self.world.network, channel: self.id, total, fundings, position })
    }

    pub fn snapshot(&self, by: usize, state: Cosigned<ChannelState>) -> Draft {
        draft(ChannelsCall::SnapshotSolo { side: side_of(by), state }, &[by])
    }

    pub fn close(&self, by: usize, state: Option<Cosigned<ChannelState>>) -> Draft {
        draft(ChannelsCall::CloseSolo { channel: self.id, side: side_of(by), secret: SECRET, state }, &[by])
    }

    pub fn slash(&self, by: usize, state: Cosigned<ChannelState>) -> Draft {
        draft(ChannelsCall::Slash { side: side_of(by), state }, &[by])
    }

    pub fn settle(&self) -> Draft {
        self.settle_with(Vec::new())
    }

    pub fn settle_with(&self, witness: Vec<u8>) -> Draft {
        draft(ChannelsCall::Settle { channel: self.id, witness }, &[])
    }

    pub fn close_mutual(&self, balances: [u128; 2], expires: Time) -> Draft {
        self.close_mutual_of(balances, ChannelAssets::NONE, expires)
    }

    pub fn close_mutual_of(&self, balances: [u128; 2], assets: ChannelAssets, expires: Time) -> Draft {
        let (network, channel) = (self.world.network, self.id);
        let close = MutualClose { network, channel, balances: balances.map(units), assets, expires };
        draft(ChannelsCall::CloseMutual(self.cosign(close)), &[])
    }

    /// Bob's part and Alice's after money of one of them went in or out.
    pub fn fund(&self, person: usize, movement: Movement, amount: u128, position: Position, expires: Time) -> Draft {
        self.fund_in(person, movement, Value::way(units(amount)), position, expires)
    }

    /// The same of any asset.
    pub fn fund_in(&self, person: usize, movement: Movement, value: Value, position: Position, expires: Time) -> Draft {
        let (total, amount) = (self.channel().total.units(), value.amount.units());
        let total = match movement {
            _ if value.asset != AssetId::WAY => total,
            Movement::Deposit => total + amount,
            Movement::Withdraw | Movement::Leave { .. } => total.saturating_sub(amount),
        };
        let (network, channel, fundings) = (self.world.network, self.id, self.channel().fundings + 1);
        let state = ChannelState { network, channel, total: units(total), fundings, position };
        let change = FundingChange { state, side: side_of(person), movement, value, expires };
        draft(ChannelsCall::Fund(self.cosign(change)), &[person])
    }

    /// Lets a contract leave that is in `state`, which both have signed; gives the state after it too.
    pub fn leave(
        &self,
        by: usize,
        state: &State,
        contract: Address,
        position: Position,
        expires: Time,
    ) -> (Draft, State) {
        let (mut after, part) = (state.clone(), state.part_of_contract(contract).to_bytes());
        let amount = after.remove_contract(contract).map_or(Amount::ZERO, |account| account.balance);
        let total = self.channel().total.saturating_sub(amount);
        let position = Position { root: after.root(), ..position };
        let (network, fundings) = (self.world.network, self.channel().fundings + 1);
        let state_after = ChannelState { network, channel: self.id, total, fundings, position };
        let movement = Movement::Leave { contract: contract.0, base: state.root() };
        let change =
            FundingChange { state: state_after, side: side_of(by), movement, value: Value::way(amount), expires };
        let leave = ContractLeave { change: self.cosign(change), part };
        (draft(ChannelsCall::Leave(Box::new(leave)), &[by]), after)
    }

    /// A call of a contract that has left.
    pub fn call_left(&self, caller: usize, left: &WholeAlone, value: u128, input: &[u8], gas: u64) -> Draft {
        let vm_call = VmCall { gas, ..self.vm_call(caller, left.address, value, input) };
        let looked = left.look(self.world.network, self.next(), &vm_call);
        let witness = looked.map_or_else(|_| PartialTree::hidden(Hash([1; 32])), |(_, part)| part).to_bytes();
        let (channel, contract, caller) = (self.id, left.address.0, (caller, self.world.id(caller)));
        let (value, input) = (units(value), input.to_vec());
        let call = CallContract { channel, contract, caller: caller.1, value, input, gas, witness };
        draft(ChannelsCall::CallContract(Box::new(call)), &[caller.0])
    }

    /// What a contract on the ledger sees that is called next.
    pub fn next(&self) -> Environment {
        let height = self.world.checkpoints.len() as u64;
        Environment { time: self.world.time + Span::millis(1), height }
    }

    pub fn contract(&self, contract: Address) -> Option<LedgerContract> {
        self.world.ledger.tree(ProgramId::CHANNELS)?.read(&contract_key(self.id, contract.0))
    }

    pub fn vm_call(&self, caller: usize, contract: Address, value: u128, input: &[u8]) -> VmCall {
        let (caller, target) = (self.address(caller), Target::Contract(contract));
        VmCall { caller, target, value: units(value), input: input.to_vec(), gas: GAS, evidence: Vec::new() }
    }

    /// What the contracts of a call that is forced now see.
    pub fn now(&self) -> Environment {
        Environment { time: self.world.time, height: self.channel().position.environment.height }
    }

    /// Forces a call on `base`, whose round is shown or is the ledger's.
    pub fn force(&self, base: &State, shown: Option<Cosigned<ChannelState>>, call: &VmCall, submitter: usize) -> Draft {
        let round = shown.map_or_else(|| self.round(), |state| state.body.position.round);
        let parties = [ALICE, BOB].map(|person| self.address(person));
        let witness = base.witness(self.world.network, self.now(), call, &parties);
        let witness = witness.map_or_else(|_| Vec::new(), |(witness, _)| witness.to_bytes());
        draft(self.forcing(round + 1, shown, call, self.now(), witness), &[submitter])
    }

    pub fn forcing(
        &self,
        round: u64,
        state: Option<Cosigned<ChannelState>>,
        call: &VmCall,
        environment: Environment,
        witness: Vec<u8>,
    ) -> ChannelsCall {
        let caller = if call.caller == self.address(ALICE) { ALICE } else { BOB };
        let Target::Contract(contract) = call.target else { panic!("only contracts are called") };
        let base = state.map_or_else(|| self.channel().position.root, |state| state.body.position.root);
        let signed = ForcedCall {
            network: self.world.network,
            channel: self.id,
            round,
            base,
            expires: self.world.time + Span::minutes(10),
            caller: self.world.id(caller),
            contract: contract.0,
            value: call.value,
            input: call.input.clone(),
            gas: call.gas,
            evidence: call.evidence.clone(),
        };
        let call = signed.sign(&self.world.people[caller].identity);
        ChannelsCall::ForceProgress(Box::new(ForceProgress { state, call, environment, witness }))
    }

    /// What a call costs that the ledger executes.
    pub fn cost(draft: &Draft) -> u128 {
        let gas = match &draft.call {
            Some(Call::Channels(ChannelsCall::ForceProgress(force))) => force.gas_taken(),
            Some(Call::Channels(ChannelsCall::CallContract(call))) => call.gas_taken(),
            other => panic!("the ledger executes no {other:?}"),
        };
        CHANNEL_PRICE + u128::from(gas)
    }

    /// Forces a call that must return, and does the same with the state.
    pub fn must_force(&mut self, state: &mut State, call: &VmCall, by: usize) {
        let draft = self.force(state, None, call, by);
        let execution = state.execute(self.world.network, self.now(), call).expect("it can be executed");
        assert_eq!(execution.outcome, Outcome::Returned);
        let round = self.round();
        self.world.must(&draft);
        let position = self.channel().position;
        assert_eq!((position.round, position.root), (round + 1, state.root()));
    }

    pub fn refuses(&mut self, draft: &Draft, reason: Reject) {
        self.world.refuses(draft, reason);
    }

    pub fn wait(&mut self) {
        self.world.wait(LOCK);
    }

    pub fn accounts(&self) -> [u128; 2] {
        [ALICE, BOB].map(|person| self.world.balance(person))
    }
}
