//! The contract that holds guarantees, as its code reads it and as it runs.

use byway_channel::ContractCall;
use byway_channel::guarantee::contract::{self, Guarantee, Offer, Stage};
use byway_crypto::IdentitySecret;
use byway_primitives::{NetworkId, Span, Time};
use byway_records::channel::{
    CertifiedClose, ChannelOutcome, ChannelTerms, Cosigned, Environment, Remainder, Side, VirtualClose, VirtualTerms,
};
use byway_records::genesis::Wait;
use byway_records::promise::ChannelId;
use byway_vm::{Address, Call, Outcome, State, Target};

use super::net::{HUB, ONE, OTHER, PARTS, secret};
use crate::world::units;

const NETWORK: NetworkId = NetworkId(byway_primitives::Hash([9; 32]));
const UNTIL: Time = Time(1_700_000_600_000);
const BEFORE: Time = Time(UNTIL.0 - 1_000);
const FEE: u128 = 700;
const BALANCE: u128 = 5_000_000;

/// A channel of one of the two with the hub.
struct Scene {
    state: State,
    parties: [Address; 2],
    place: Address,
    offer: Offer,
}

fn terms() -> VirtualTerms {
    let wait = Wait { millis: Span::minutes(5), commits: 5 };
    let terms = ChannelTerms {
        parties: [secret(ONE).id(), secret(OTHER).id()],
        deposits: PARTS.map(units),
        reserve: units(1),
        lock: wait,
        remainder: Remainder::Halves,
        secrets: [byway_primitives::Hash::default(); 2],
        assets: Default::default(),
    };
    let environment = Environment::default();
    VirtualTerms { network: NETWORK, terms, hub: secret(HUB).id(), dispute: wait, ends: UNTIL, environment, nonce: 3 }
}

impl Scene {
    /// Of the side with that part in the virtual channel.
    fn new(side: Side) -> Self {
        let party = secret([ONE, OTHER][side.index()]).id();
        let parties = [Address::from(party), Address::from(secret(HUB).id())];
        let terms = terms();
        let offer = Offer { id: terms.id(), terms, side, fee: units(FEE), deadline: UNTIL };
        let state = State::new(parties.map(|party| (party, units(BALANCE))));
        let mut scene = Self { state, parties, place: Address([0; 20]), offer };
        assert_eq!(scene.run(BEFORE, contract::create(Side::Initiator)), Outcome::Returned);
        let found: Vec<_> = contract::all(&scene.state).collect();
        let [place] = found[..] else { panic!("one is there: {found:?}") };
        scene.place = place;
        scene
    }

    fn accepted(side: Side) -> Self {
        let mut scene = Self::new(side);
        assert_eq!(scene.make_offer(), Outcome::Returned);
        assert_eq!(scene.accept(BEFORE), Outcome::Returned);
        scene
    }

    fn run(&mut self, time: Time, call: ContractCall) -> Outcome {
        let ContractCall { caller, target, value, input, gas, evidence } = call;
        let call = Call { caller: self.parties[caller.index()], target, value, input, gas, evidence };
        let execution = self.state.execute(NETWORK, Environment { time, height: 1 }, &call).unwrap();
        if call.target != Target::Create {
            assert!(execution.gas_used * 4 < call.gas * 3, "{} of {} gas", execution.gas_used, call.gas);
        }
        execution.outcome
    }

    fn make_offer(&mut self) -> Outcome {
        let value = self.offer.value().unwrap();
        self.run(BEFORE, contract::offer(Side::Initiator, self.place, &self.offer, value))
    }

    fn accept(&mut self, time: Time) -> Outcome {
        let hub_part = self.offer.terms.terms.deposits[self.offer.side.other().index()];
        self.run(time, contract::accept(Side::Responder, self.place, self.id(), hub_part))
    }

    fn back(&mut self, by: Side, time: Time) -> Outcome {
        self.run(time, contract::back(by, self.place, self.id()))
    }

    fn id(&self) -> ChannelId {
        self.offer.id
    }

    fn read(&self) -> Option<Guarantee> {
        contract::read(&self.state, self.place, self.id())
    }

    /// How much more each has than at first.
    fn gains(&self) -> [i128; 2] {
        self.parties.map(|party| self.state.account(party).unwrap().balance.units() as i128 - BALANCE as i128)
    }
}

fn certificate(scene: &Scene, paid: [u128; 2], hub: &IdentitySecret) -> CertifiedClose {
    let body = VirtualClose { network: NETWORK, channel: scene.id(), paid: paid.map(units) };
    CertifiedClose::sign(Cosigned::sign(body, [&secret(ONE), &secret(OTHER)]), hub)
}

#[test]
fn what_is_offered_and_accepted_is_read_as_it_was_said() {
    for side in Side::BOTH {
        let mut scene = Scene::new(side);
        let (own, other) = (side.index(), side.other().index());
        assert_eq!(scene.read(), None);
        assert_eq!(scene.make_offer(), Outcome::Returned);
        let offered = Guarantee {
            stage: Stage::Offered,
            party: scene.parties[0],
            side,
            hub: scene.parties[1],
            own_part: units(PARTS[own]),
            hub_part: units(PARTS[other]),
            fee: units(FEE),
            deadline: UNTIL,
        };
        assert_eq!(scene.read(), Some(offered));
        assert!(offered.is_of(&scene.offer.terms, side) && !offered.is_of(&scene.offer.terms, side.other()));
        assert_eq!(scene.make_offer(), Outcome::Reverted, "each is offered once");
        assert_eq!(scene.accept(BEFORE), Outcome::Returned);
        assert_eq!(scene.read(), Some(Guarantee { stage: Stage::Accepted, ..offered }));
        assert_eq!(scene.gains(), [-((PARTS[own] + FEE) as i128), FEE as i128 - PARTS[other] as i128]);
        assert!(contract::holds(&scene.state));
        assert_eq!(contract::read(&scene.state, scene.place, ChannelId(NETWORK.0)), None);
    }
}

#[test]
fn an_offer_ends_at_its_time_and_where_the_hub_lets_go_of_it() {
    let mut scene = Scene::new(Side::Initiator);
    scene.make_offer();
    scene.back(Side::Initiator, BEFORE);
    assert!(scene.read().is_some(), "its party has to wait");
    assert_eq!(scene.accept(UNTIL), Outcome::Reverted);
    scene.back(Side::Initiator, UNTIL);
    assert_eq!((scene.read(), scene.gains()), (None, [0; 2]));
    scene.make_offer();
    scene.back(Side::Responder, BEFORE);
    assert_eq!((scene.read(), scene.gains()), (None, [0; 2]));
}

#[test]
fn it_is_paid_out_by_a_certificate_in_both_channels_alike() {
    let paid = [PARTS[0] + 300, PARTS[1] - 300];
    for side in Side::BOTH {
        let mut scene = Scene::accepted(side);
        scene.back(Side::Initiator, UNTIL);
        scene.back(Side::Responder, UNTIL);
        assert!(scene.read().is_some(), "what is accepted waits for the channel's end");
        let forged = certificate(&scene, paid, &secret(OTHER));
        let call = contract::resolve_certified(Side::Initiator, scene.place, side, &forged);
        assert_eq!(scene.run(UNTIL, call), Outcome::Reverted);
        let good = certificate(&scene, paid, &secret(HUB));
        let call = contract::resolve_certified(Side::Responder, scene.place, side, &good);
        assert_eq!(scene.run(UNTIL, call), Outcome::Returned);
        let moved = if side == Side::Initiator { 300 } else { -300 };
        assert_eq!(scene.gains(), [moved - FEE as i128, FEE as i128 - moved]);
        assert_eq!((scene.read(), contract::holds(&scene.state)), (None, false));
    }
}

#[test]
fn it_is_paid_out_by_what_the_call_says_of_the_ledger() {
    let paid = [PARTS[0] - 300, PARTS[1] + 300].map(units);
    let mut scene = Scene::accepted(Side::Initiator);
    let of_another = contract::resolve_by_outcome(Side::Initiator, scene.place, ChannelId(NETWORK.0), paid);
    let call =
        ContractCall { evidence: of_another.evidence, ..contract::back(Side::Initiator, scene.place, scene.id()) };
    scene.run(BEFORE, call);
    assert!(scene.read().is_some());
    let call = contract::resolve_by_outcome(Side::Responder, scene.place, scene.id(), paid);
    assert_eq!(scene.run(BEFORE, call), Outcome::Returned);
    assert_eq!(scene.gains(), [-300 - FEE as i128, FEE as i128 + 300]);
}

#[test]
fn one_bad_claim_does_not_delay_a_batch() {
    // Of channels that are guaranteed here, one that is not, one that is offered only, and one that is paid out already.
    let numbered = |nonce| VirtualTerms { nonce, ..terms() };
    let paid = [PARTS[0] - 300, PARTS[1] + 300].map(units);
    let outcome = |nonce| ChannelOutcome { channel: numbered(nonce).id(), paid };
    for place in 0..3 {
        for bad in [11, 12, 13] {
            let mut scene = Scene::new(Side::Initiator);
            for nonce in [1, 2, 11, 12] {
                let terms = numbered(nonce);
                scene.offer = Offer { id: terms.id(), terms, ..scene.offer };
                assert_eq!(scene.make_offer(), Outcome::Returned);
                if nonce != 11 {
                    assert_eq!(scene.accept(BEFORE), Outcome::Returned);
                }
            }
            let alone = contract::resolve_by_outcomes(Side::Initiator, scene.place, vec![outcome(12)]);
            assert_eq!(scene.run(BEFORE, alone), Outcome::Returned);
            let mut evidence = vec![outcome(1), outcome(2)];
            evidence.insert(place, outcome(bad));
            let call = contract::resolve_by_outcomes(Side::Initiator, scene.place, evidence);
            assert_eq!(scene.run(BEFORE, call), Outcome::Returned);
            let read = |nonce| contract::read(&scene.state, scene.place, numbered(nonce).id());
            assert_eq!([1, 2].map(|nonce| read(nonce).is_some()), [false; 2], "{bad} in place {place}");
            assert!(read(11).is_some_and(|guarantee| guarantee.stage == Stage::Offered));
        }
    }
}
