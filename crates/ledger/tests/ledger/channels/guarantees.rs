//! What the contract of guarantees pays, in the channel that Alice has with Bob. He is the hub, and Carol is the other party of the
//! virtual channel.

use byway_primitives::{Hash, NetworkId, Span, Time};
use byway_records::Reject;
use byway_records::call::ChannelsCall;
use byway_records::channel::{
    ChannelOutcome, ChannelState, ChannelTerms, Cosigned, Environment, Lane, Position, Side, VirtualClose, VirtualTerms,
};
use byway_records::genesis::Wait;
use byway_records::promise::ChannelId;
use byway_vm::{Address, Call as VmCall, Outcome, State, Target, code_hash};

use super::forced::{compiled, word};
use super::{DEPOSIT, LOCK, SAVED, SECRET, Scene, draft};
use crate::world::{ALICE, BOB, CAROL, CHANNEL_PRICE, Draft, units};

const GUARANTEE: &str = include_str!("../../../../../examples/contracts/compiled/Guarantee.json");
const NEST: &str = include_str!("../../../../../examples/contracts/compiled/GuaranteeNest.json");
const OFFER: &str = "offer(bytes32,address,uint8,uint128,uint96,uint64)";
const ACCEPT: &str = "accept(bytes32)";
const RESOLVE: &str = "resolve(bytes32[])";
const CERTIFIED: &str = "certified(bytes32,bytes32,uint256[2],(bytes32,bytes32,uint8),(bytes32,bytes32,uint8))";
/// What Alice has in the virtual channel, what Carol has, and what Bob is paid for it.
const OWN: u128 = 1_000_000;
const OTHERS: u128 = 400_000;
const FEE: u128 = 5_000;

/// Alice's channel with Bob, and the state of its contracts.
struct Parent {
    scene: Scene,
    state: State,
    contract: Address,
    terms: VirtualTerms,
}

impl Parent {
    fn new() -> Self {
        let mut scene = Scene::new();
        let mut state = State::new([ALICE, BOB].map(|person| (scene.address(person), units(DEPOSIT))));
        let (caller, input) = (scene.address(ALICE), compiled(NEST, "create"));
        let (value, gas) = (units(0), 5_000_000);
        let create = VmCall { caller, target: Target::Create, value, input, gas, evidence: Vec::new() };
        let environment = Environment { time: scene.start, height: 0 };
        let nest = state.execute(scene.world.network, environment, &create).expect("it runs").receipt.contract;
        let created = code_hash(&compiled(GUARANTEE, "create")).0;
        let digest = code_hash(&[&[0xff], &nest.0[..], &[0; 32], &created].concat()).0;
        let contract = Address(digest[12..].try_into().expect("twenty bytes"));
        let code = state.account(contract).and_then(|account| account.contract).expect("it is there").code;
        let code = state.code(code).expect("it was created").to_vec();
        scene.register(&code);
        let terms = ChannelTerms {
            parties: [ALICE, CAROL].map(|person| scene.world.id(person)),
            deposits: [OWN, OTHERS].map(units),
            reserve: units(0),
            lock: LOCK,
            remainder: byway_records::channel::Remainder::Halves,
            secrets: [SECRET.digest(); 2],
            assets: Default::default(),
        };
        let (network, hub) = (scene.world.network, scene.world.id(BOB));
        let terms = VirtualTerms { network, terms, hub, dispute: LOCK, ends: Time(1), environment, nonce: 0 };
        Self { scene, state, contract, terms }
    }

    /// With a guarantee that both have signed, and the ledger has.
    fn accepted() -> Self {
        let mut parent = Self::new();
        assert_eq!(parent.offer(), Outcome::Returned);
        assert_eq!(parent.accept(), Outcome::Returned);
        let balances = parent.balances();
        let position = Position {
            round: 7,
            balances: balances.map(units),
            lanes: [Lane::default(); 2],
            root: parent.state.root(),
            environment: Environment { time: parent.scene.start, height: 0 },
        };
        let signed = parent.scene.signed_position(position);
        parent.scene.world.must(&parent.scene.snapshot(BOB, signed));
        parent
    }

    fn id(&self) -> ChannelId {
        self.terms.id()
    }

    fn balances(&self) -> [u128; 2] {
        [ALICE, BOB].map(|person| self.state.account(self.scene.address(person)).expect("a party").balance.units())
    }

    fn call(&self, person: usize, function: &str, arguments: &[Vec<u8>], value: u128) -> VmCall {
        let input = [compiled(GUARANTEE, function), arguments.concat()].concat();
        VmCall { gas: 300_000, ..self.scene.vm_call(person, self.contract, value, &input) }
    }

    /// Both sign what a call does so many seconds after the start.
    fn sign(&mut self, call: &VmCall, seconds: u64) -> Outcome {
        let time = self.scene.start + Span::seconds(seconds);
        let environment = Environment { time, height: 0 };
        self.state.execute(self.scene.world.network, environment, call).expect("it runs").outcome
    }

    /// Alice's offer, until ten seconds after the start.
    fn offering(&self) -> VmCall {
        let hub = [vec![0; 12], self.scene.address(BOB).0.to_vec()].concat();
        let until = word(self.scene.start.0 / 1000 + 10);
        let arguments = [self.id().0.0.to_vec(), hub, word(0), word(OTHERS as u64), word(FEE as u64), until];
        self.call(ALICE, OFFER, &arguments, OWN + FEE)
    }

    fn offer(&mut self) -> Outcome {
        self.sign(&self.offering(), 0)
    }

    fn accepting(&self) -> VmCall {
        self.call(BOB, ACCEPT, &[self.id().0.0.to_vec()], OTHERS)
    }

    fn accept(&mut self) -> Outcome {
        self.sign(&self.accepting(), 0)
    }

    fn resolving(&self, person: usize, evidence: Vec<ChannelOutcome>) -> VmCall {
        let call = self.call(person, RESOLVE, &[word(32), word(1), self.id().0.0.to_vec()], 0);
        VmCall { evidence, ..call }
    }

    fn resolve(&mut self, person: usize, evidence: Vec<ChannelOutcome>, seconds: u64) -> [u128; 2] {
        let call = self.resolving(person, evidence);
        assert_eq!(self.sign(&call, seconds), Outcome::Returned);
        self.balances()
    }

    fn outcome(&self, paid: [u128; 2]) -> ChannelOutcome {
        ChannelOutcome { channel: self.id(), paid: paid.map(units) }
    }

    fn certificate(&self, network: NetworkId, paid: [u128; 2], signers: [usize; 2]) -> VmCall {
        let close = VirtualClose { network: self.scene.world.network, channel: self.id(), paid: paid.map(units) };
        let signature = |person: usize| {
            let signature = Cosigned::sign_one(&close, &self.scene.world.people[person].identity).0;
            [signature[..64].to_vec(), word(27 + u64::from(signature[64]))].concat()
        };
        let [party, hub] = signers.map(signature);
        let paid = paid.map(|paid| [vec![0; 16], paid.to_be_bytes().to_vec()].concat()).concat();
        self.call(ALICE, CERTIFIED, &[network.0.0.to_vec(), self.id().0.0.to_vec(), paid, party, hub], 0)
    }

    /// The virtual channel as the ledger ends it, where Alice and Carol have signed this.
    fn end_on_the_ledger(&mut self, balances: [u128; 2]) {
        let (scene, id) = (&mut self.scene, self.terms.id());
        let people = [ALICE, CAROL].map(|person| scene.world.people[person].identity.clone());
        let signers = [&people[0], &people[1]];
        let position = Position {
            round: 5,
            balances: balances.map(units),
            lanes: [Lane::default(); 2],
            root: Hash([9; 32]),
            environment: self.terms.environment,
        };
        let state = ChannelState {
            network: self.terms.network,
            channel: id,
            total: units(OWN + OTHERS),
            fundings: 0,
            position,
        };
        let state = Some(Cosigned::sign(state, signers));
        let register = ChannelsCall::RegisterVirtual(Cosigned::sign(self.terms, signers));
        let close = ChannelsCall::CloseSolo { channel: id, side: Side::Initiator, secret: SECRET, state };
        let paid = |scene: &Scene, call: ChannelsCall, signers: &[usize]| {
            let call = Draft { fee: units(CHANNEL_PRICE), ..draft(call, signers) };
            scene.world.funded(scene.world.coin(CAROL), call)
        };
        for (call, signers) in [(register, &[][..]), (close, &[ALICE])] {
            let call = paid(scene, call, signers);
            scene.world.must(&call);
        }
        scene.world.wait(Wait { commits: LOCK.commits, ..LOCK });
        let settle = paid(scene, ChannelsCall::Settle { channel: id, witness: Vec::new() }, &[]);
        scene.world.must(&settle);
    }
}

#[test]
fn a_guarantee_is_paid_out_as_the_ledger_ended_the_channel_by_force_too() {
    let mut parent = Parent::accepted();
    assert_eq!(parent.balances(), [DEPOSIT - OWN - FEE, DEPOSIT - OTHERS + FEE]);
    let paid = [300_000, 1_100_000];
    let resolving = |parent: &Parent, evidence: ChannelOutcome| {
        let call = parent.resolving(BOB, vec![evidence]);
        parent.scene.force(&parent.state, None, &call, BOB)
    };
    let early = resolving(&parent, parent.outcome(paid));
    parent.scene.refuses(&early, Reject::ChannelEvidence);
    parent.end_on_the_ledger(paid);
    for other in [[paid[0] + 1, paid[1] - 1], [paid[1], paid[0]]] {
        let wrong = resolving(&parent, parent.outcome(other));
        parent.scene.refuses(&wrong, Reject::ChannelEvidence);
    }
    // Alice tries to have it all divided by the remainder.
    parent.scene.world.must(&parent.scene.close(ALICE, None));
    let call = parent.resolving(BOB, vec![parent.outcome(paid)]);
    let Parent { scene, state, .. } = &mut parent;
    scene.must_force(state, &call, BOB);
    let expected = [DEPOSIT - OWN - FEE + paid[0], DEPOSIT - OTHERS + FEE + paid[1]];
    assert_eq!((parent.balances(), parent.scene.channel().position.balances), (expected, expected.map(units)));
    let round = parent.scene.channel().rounds.pop().expect("it made a round");
    assert_eq!(round.evidence, [parent.outcome(paid)], "whoever follows executes it with the same");
    parent.scene.wait();
    let charged = parent.scene.channel().charged.map(|charged| charged.units());
    parent.scene.world.must(&parent.scene.settle());
    let alice = SAVED - DEPOSIT + expected[0] - charged[0] - CHANNEL_PRICE;
    assert_eq!(parent.scene.accounts(), [alice, SAVED - DEPOSIT + expected[1] - charged[1]]);
}

#[test]
fn a_call_without_evidence_of_a_channel_leaves_its_guarantee() {
    let mut parent = Parent::accepted();
    let held = parent.balances();
    let other = ChannelOutcome { channel: ChannelId(Hash([1; 32])), ..parent.outcome([OWN, OTHERS]) };
    assert_eq!(parent.resolve(BOB, Vec::new(), 0), held);
    assert_eq!(parent.resolve(ALICE, vec![other], 1_000), held, "neither time nor another channel pays it out");
    let paid = parent.resolve(ALICE, vec![other, parent.outcome([OWN + OTHERS, 0])], 1_000);
    assert_eq!(paid, [held[0] + OWN + OTHERS, held[1]]);
    assert_eq!(parent.resolve(BOB, vec![parent.outcome([0, OWN + OTHERS])], 1_000), paid, "it is paid out once");
}

#[test]
fn a_certificate_pays_a_guarantee_out_where_party_and_hub_have_signed_it() {
    let mut parent = Parent::accepted();
    let (held, network, paid) = (parent.balances(), parent.terms.network, [900_000, 500_000]);
    let good = parent.certificate(network, paid, [ALICE, BOB]);
    let mut changed = good.clone();
    // The last byte of what Alice is paid.
    changed.input[4 + 3 * 32 - 1] ^= 1;
    for bad in [
        parent.certificate(network, paid, [CAROL, BOB]),
        parent.certificate(network, paid, [ALICE, CAROL]),
        parent.certificate(network, paid, [BOB, ALICE]),
        parent.certificate(NetworkId(Hash([8; 32])), paid, [ALICE, BOB]),
        changed,
    ] {
        assert_eq!(parent.sign(&bad, 0), Outcome::Reverted);
    }
    assert_eq!(parent.balances(), held);
    // By force, and nothing of the virtual channel was ever on the ledger.
    let Parent { scene, state, .. } = &mut parent;
    scene.must_force(state, &good, ALICE);
    assert_eq!(parent.balances(), [held[0] + paid[0], held[1] + paid[1]]);
    assert_eq!(parent.sign(&good, 0), Outcome::Reverted, "it is paid out once");
}

#[test]
fn only_the_hub_accepts_and_only_in_time_and_with_what_it_was_asked_for() {
    let mut parent = Parent::new();
    assert_eq!(parent.accept(), Outcome::Reverted, "nothing is offered");
    assert_eq!(parent.offer(), Outcome::Returned);
    assert_eq!(parent.offer(), Outcome::Reverted, "it is offered once");
    let accepting = parent.accepting();
    for wrong in [
        VmCall { caller: parent.scene.address(ALICE), ..accepting.clone() },
        VmCall { value: units(OTHERS - 1), ..accepting.clone() },
        VmCall { value: units(OTHERS + 1), ..accepting.clone() },
    ] {
        assert_eq!(parent.sign(&wrong, 0), Outcome::Reverted);
    }
    assert_eq!(parent.sign(&accepting, 10), Outcome::Reverted, "its time has come");
    let not_accepted = parent.certificate(parent.terms.network, [OWN, OTHERS], [ALICE, BOB]);
    assert_eq!(parent.sign(&not_accepted, 9), Outcome::Reverted);
    assert_eq!(parent.sign(&accepting, 9), Outcome::Returned);
    assert_eq!(parent.balances(), [DEPOSIT - OWN - FEE, DEPOSIT - OTHERS + FEE]);
    assert_eq!(parent.sign(&accepting, 9), Outcome::Reverted, "it is accepted once");
}

#[test]
fn what_is_not_accepted_goes_back_with_the_fee_and_not_before_its_time() {
    let mut parent = Parent::new();
    parent.offer();
    let offered = [DEPOSIT - OWN - FEE, DEPOSIT];
    let evidence = vec![parent.outcome([0, OWN + OTHERS])];
    assert_eq!(parent.resolve(ALICE, evidence.clone(), 9), offered, "an outcome is nothing to what is not accepted");
    assert_eq!(parent.resolve(ALICE, evidence, 10), [DEPOSIT; 2]);
    assert_eq!(parent.offer(), Outcome::Returned);
    assert_eq!(parent.resolve(BOB, Vec::new(), 0), [DEPOSIT; 2], "the hub lets go of it at any time");
    // Once accepted, neither time nor the hub gives it back.
    parent.offer();
    parent.accept();
    let held = parent.balances();
    for (person, seconds) in [(BOB, 0), (ALICE, 1_000), (BOB, 1_000)] {
        assert_eq!(parent.resolve(person, Vec::new(), seconds), held);
    }
}

#[test]
fn all_of_a_guarantee_is_paid_whatever_an_outcome_says() {
    for (paid, alice) in [([u128::MAX, 7], OWN + OTHERS), ([0, 0], 0), ([17, 3], 17)] {
        let mut parent = Parent::accepted();
        let held = parent.balances();
        let evidence = vec![parent.outcome(paid)];
        assert_eq!(parent.resolve(BOB, evidence, 0), [held[0] + alice, held[1] + OWN + OTHERS - alice]);
    }
}

#[test]
fn offers_that_make_no_sense_are_refused() {
    let mut parent = Parent::new();
    let good = parent.offering();
    let with = |word: usize, bytes: &[u8]| {
        let mut call = good.clone();
        let end = 4 + 32 * (word + 1);
        call.input[end - bytes.len()..end].copy_from_slice(bytes);
        call
    };
    let offers = [
        with(1, &[0; 20]),
        with(1, &parent.scene.address(ALICE).0),
        with(2, &[2]),
        VmCall { value: units(FEE - 1), ..good.clone() },
    ];
    for offer in offers {
        assert_eq!(parent.sign(&offer, 0), Outcome::Reverted);
    }
    assert_eq!(parent.sign(&good, 0), Outcome::Returned);
}
