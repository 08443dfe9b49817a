//! Random sequences of every call, against a model that knows nothing of the ledger's code: who has what, which round
//! counts, and until when. After each step the channel is what the model says, and (in `World::commit`) no coin is lost
//! or made.

use std::collections::BTreeMap;

use byway_ledger::{Verdict, audit};
use byway_primitives::{Amount, AssetId, Encode, Span};
use byway_records::call::ChannelsCall;
use byway_records::channel::{AssetParts, ChannelAssets, ChannelState, Closer, Lane, Movement, Phase, Position, Side};
use byway_records::genesis::Wait;
use byway_records::state::Settled;
use byway_records::{Backing, Cosigned, Value};
use byway_vm::{State, WholeAlone};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::{BANK, DEPOSIT, GAS, LOCK, RESERVE, SAVED, Scene, draft};
use crate::world::{ALICE, BOB, CHANNEL_PRICE, Draft, units};

mod assets;

const STREAK_MAX: u32 = 4;

/// One thing that someone tries.
#[derive(Debug, Clone)]
struct Attempt {
    kind: u8,
    who: usize,
    /// Above the last co-signed round.
    ahead: u64,
    amount: u128,
    /// What is wrong with the state: a reserve, the sum, the total; mostly nothing.
    fault: u8,
    shows: bool,
}

fn attempts() -> impl Strategy<Value = Vec<Attempt>> {
    let attempt = (0u8..16, 0usize..2, 0u64..4, 0u128..5_000_000, 0u8..12, any::<bool>());
    let attempt =
        attempt.prop_map(|(kind, who, ahead, amount, fault, shows)| Attempt { kind, who, ahead, amount, fault, shows });
    proptest::collection::vec(attempt, 1..30)
}

#[derive(Debug, Clone, PartialEq)]
enum Stage {
    Active,
    Closing { by: usize, until: (u64, u64), last: usize, streak: u32, calls: u32 },
    Closed,
}

#[derive(Debug, Clone)]
struct Model {
    stage: Stage,
    total: u128,
    /// How often something has gone in or out.
    fundings: u64,
    /// What each has of an asset beside WAY in its account, and what it has put into the channel, less what it has taken out.
    asset_accounts: [u128; 2],
    put_in: [u128; 2],
    signed: u64,
    round: u64,
    balances: [u128; 2],
    /// Alice's to Bob: what is in it, and what of its promises is absorbed.
    lane: (u128, u128),
    /// The highest promise that Bob has shown.
    claim: u128,
    charged: [u128; 2],
    /// Who may force no other round while the channel is active, and until when.
    turn: Option<(usize, (u64, u64))>,
    accounts: [u128; 2],
    /// What the contracts' side of the last position is.
    state: State,
    /// The bank, once it has left.
    left: Option<WholeAlone>,
}

struct Run {
    scene: Scene,
    asset: AssetId,
    model: Model,
    kind: u8,
    /// How many attempts of each kind were possible.
    accepted: BTreeMap<u8, u32>,
}

impl Model {
    /// The last round is one that both signed.
    fn takes(&self, offer: &Offer) -> bool {
        offer.round > self.signed && !offer.is_faulty
    }

    /// Whoever acts has had its turn.
    fn acts(&mut self, who: usize) {
        self.turn = self.turn.filter(|(after, _)| *after == who);
    }

    /// The position that the ledger has is the one that is offered, and nothing was forced since.
    fn knows(&self, offer: &Offer) -> bool {
        let same = (self.balances, self.lane, self.state.root()) == (offer.balances, offer.lane, offer.state.root());
        (offer.round, offer.round) == (self.signed, self.round) && same && !offer.is_faulty
    }

    fn can_pay(&self, who: usize, price: u128) -> bool {
        self.charged[who] + price <= RESERVE
    }

    fn adopt(&mut self, offer: &Offer) {
        (self.signed, self.round) = (offer.round, offer.round);
        (self.balances, self.lane, self.state) = (offer.balances, offer.lane, offer.state.clone());
    }

    fn is_over(&self, now: (u64, u64)) -> bool {
        matches!(self.stage, Stage::Closing { until, .. } if now.0 >= until.0 && now.1 >= until.1)
    }

    /// The stage after something new of `who`, and whether that gives more time.
    fn prolonged(&self, who: usize, now: (u64, u64), forces: bool) -> (Stage, bool) {
        let Stage::Closing { by, last, streak, calls, .. } = self.stage else { return (self.stage.clone(), true) };
        let (streak, calls) = if last == who { (streak, calls) } else { (0, 0) };
        let (streak, calls) = if forces { (streak, calls + 1) } else { (streak + 1, calls) };
        if streak > STREAK_MAX || calls > STREAK_MAX {
            return (self.stage.clone(), false);
        }
        let until = (now.0 + LOCK.millis.0, now.1 + LOCK.commits);
        (Stage::Closing { by, until, last: who, streak, calls }, true)
    }

    fn due(&self, claim: u128) -> u128 {
        claim.saturating_sub(self.lane.1).min(self.lane.0)
    }

    fn pay_out(&mut self, balances: [u128; 2]) {
        let rest = self.total - balances[0] - balances[1] - self.lane.0;
        let due = self.due(self.claim);
        self.accounts[ALICE] += self.lane.0 - due;
        self.accounts[BOB] += due;
        let halves = [rest - rest / 2, rest / 2];
        for who in [0, 1] {
            self.accounts[who] += balances[who] - self.charged[who] + halves[who];
        }
        self.stage = Stage::Closed;
    }

    /// What a side is charged for what does not fail for it.
    fn charge_at_most(&mut self, who: usize, price: u128) {
        self.charged[who] += price.min(RESERVE - self.charged[who]);
    }
}

/// A state that both sign, good or not.
struct Offer {
    round: u64,
    balances: [u128; 2],
    lane: (u128, u128),
    is_faulty: bool,
    state: State,
    signed: Cosigned<ChannelState>,
}

impl Run {
    fn new() -> Self {
        let (world, [asset, _]) = super::purses::with_assets();
        let scene = Scene::within(world, |terms| terms);
        let parties = [ALICE, BOB].map(|person| (scene.address(person), units(DEPOSIT)));
        let model = Model {
            stage: Stage::Active,
            total: 2 * DEPOSIT,
            fundings: 0,
            asset_accounts: [super::purses::cents(super::purses::OWNED).units(); 2],
            put_in: [0; 2],
            signed: 0,
            round: 0,
            balances: [DEPOSIT; 2],
            lane: (0, 0),
            claim: 0,
            charged: [CHANNEL_PRICE, 0],
            turn: None,
            accounts: [SAVED - DEPOSIT; 2],
            state: State::new(parties),
            left: None,
        };
        Self { scene, asset, model, kind: 0, accepted: BTreeMap::new() }
    }

    /// When the next transaction is executed.
    fn next(&self) -> (u64, u64) {
        (self.scene.world.time.0 + 1, self.scene.world.ledger.commits() + 1)
    }

    fn offer(&self, attempt: &Attempt, total: u128) -> Offer {
        let spare = total.saturating_sub(2 * RESERVE);
        let held = attempt.amount.min(spare) / 3;
        let lane = (attempt.amount / 7).min(spare - held);
        let alice = RESERVE + attempt.amount % (spare - held - lane + 1);
        let mut balances = [alice, total.saturating_sub(held + lane + alice)];
        match attempt.fault {
            0 => balances[0] = RESERVE - 1,
            1 => balances[1] = total,
            _ => {}
        }
        let is_faulty = attempt.fault <= 2 || balances.iter().any(|balance| *balance < RESERVE);
        let mut state = self.scene.state(balances);
        let in_bank = total.saturating_sub(balances[0]).saturating_sub(balances[1]).saturating_sub(lane);
        state.set_balance(BANK, units(in_bank));
        let round = self.model.signed + attempt.ahead;
        let lane = (lane, u128::from(attempt.ahead) * 50_000);
        let absorbed = Settled { serial: 1, amount: units(lane.1) };
        let lanes = [Lane { capacity: units(lane.0), absorbed }, Lane::default()];
        let position = Position { lanes, root: state.root(), ..self.scene.position(round, balances) };
        let total = if attempt.fault == 2 { total + 1 } else { total };
        let (network, channel, fundings) = (self.scene.world.network, self.scene.id, self.model.fundings);
        let signed = self.scene.cosign(ChannelState { network, channel, total: units(total), fundings, position });
        Offer { round, balances, lane, is_faulty, state, signed }
    }

    /// Tries one thing, on the ledger and in the model.
    fn attempt(&mut self, attempt: &Attempt) {
        if self.model.stage == Stage::Closed && attempt.kind == 15 {
            self.kind = attempt.kind;
            self.call_left(attempt);
            return self.compare();
        }
        if self.model.stage == Stage::Closed {
            let settle = self.scene.settle();
            assert!(matches!(self.scene.world.run(&settle), Verdict::Rejected(_)));
            return;
        }
        self.kind = attempt.kind;
        match attempt.kind {
            0 => self.fund(attempt),
            1 => self.fund_asset(attempt),
            2 | 3 => self.snapshot(attempt),
            4 => self.close_solo(attempt),
            5 | 6 => self.slash(attempt),
            7..=9 => self.force(attempt),
            10 => self.settle(),
            11 if attempt.ahead == 0 => self.close_mutual(attempt),
            12 => self.delegate(attempt),
            13 if attempt.who == BOB => self.claim(attempt),
            14 => self.leave(attempt),
            15 => self.call_left(attempt),
            _ => {
                let commits = attempt.ahead * 2;
                self.scene.world.wait(Wait { millis: Span::seconds(attempt.ahead * 4), commits });
            }
        }
        self.compare();
    }

    /// Executes a draft that the model thinks is possible, or not.
    fn execute(&mut self, draft: &Draft, is_possible: bool) {
        let verdict = self.scene.world.run(draft);
        assert_eq!(verdict == Verdict::Final, is_possible, "{verdict:?} of {:?}", draft.call);
        *self.accepted.entry(self.kind).or_default() += u32::from(is_possible);
    }

    fn fund(&mut self, attempt: &Attempt) {
        let Attempt { who, amount, .. } = *attempt;
        let movement = if attempt.shows { Movement::Deposit } else { Movement::Withdraw };
        let total = match movement {
            Movement::Deposit => Some(self.model.total + amount),
            Movement::Withdraw | Movement::Leave { .. } => self.model.total.checked_sub(amount),
        };
        let offer = self.offer(attempt, total.unwrap_or(0));
        let until = self.scene.world.time + Span::seconds(1);
        let mut draft = self.scene.fund(who, movement, amount, offer.signed.body.position, until);
        if attempt.fault == 2 {
            // The state divides another total than there would be.
            draft = self.scene.fund(who, movement, amount + 1, offer.signed.body.position, until);
            if let Some(byway_records::Call::Channels(ChannelsCall::Fund(change))) = &mut draft.call {
                let mut body = change.body;
                body.value.amount = units(amount);
                *change = self.scene.cosign(body);
            }
        }
        let model = &mut self.model;
        let is_there = movement == Movement::Withdraw || model.accounts[who] >= amount;
        let is_possible = model.stage == Stage::Active
            && total.is_some()
            && model.takes(&offer)
            && is_there
            && model.can_pay(who, CHANNEL_PRICE);
        if is_possible {
            model.total = total.unwrap_or(0);
            match movement {
                Movement::Deposit => model.accounts[who] -= amount,
                Movement::Withdraw | Movement::Leave { .. } => model.accounts[who] += amount,
            }
            model.fundings += 1;
            model.charged[who] += CHANNEL_PRICE;
            model.acts(who);
            model.adopt(&offer);
        }
        self.execute(&draft, is_possible);
    }

    fn snapshot(&mut self, attempt: &Attempt) {
        let offer = self.offer(attempt, self.model.total);
        let model = &mut self.model;
        let is_possible =
            model.stage == Stage::Active && model.takes(&offer) && model.can_pay(attempt.who, CHANNEL_PRICE);
        if is_possible {
            model.charged[attempt.who] += CHANNEL_PRICE;
            model.acts(attempt.who);
            model.adopt(&offer);
        }
        let draft = self.scene.snapshot(attempt.who, offer.signed);
        self.execute(&draft, is_possible);
    }

    fn close_solo(&mut self, attempt: &Attempt) {
        let (offer, now, who) = (self.offer(attempt, self.model.total), self.next(), attempt.who);
        let model = &mut self.model;
        let is_possible = model.stage == Stage::Active
            && (!attempt.shows || model.takes(&offer) || model.knows(&offer))
            && model.can_pay(who, CHANNEL_PRICE);
        if is_possible {
            model.charged[who] += CHANNEL_PRICE;
            model.acts(who);
            if attempt.shows {
                model.adopt(&offer);
            }
            let until = (now.0 + LOCK.millis.0, now.1 + LOCK.commits);
            model.stage = Stage::Closing { by: who, until, last: who, streak: 1, calls: 0 };
        }
        let draft = self.scene.close(who, attempt.shows.then_some(offer.signed));
        self.execute(&draft, is_possible);
    }

    fn slash(&mut self, attempt: &Attempt) {
        let (offer, now, who) = (self.offer(attempt, self.model.total), self.next(), attempt.who);
        let model = &mut self.model;
        let stage = Some(model.prolonged(who, now, false).0).filter(|stage| *stage != Stage::Active);
        let is_possible = stage.is_some() && model.takes(&offer) && model.can_pay(who, CHANNEL_PRICE);
        if let Some(stage) = stage.filter(|_| is_possible) {
            model.charged[who] += CHANNEL_PRICE;
            model.acts(who);
            model.adopt(&offer);
            model.stage = stage;
        }
        let draft = self.scene.slash(who, offer.signed);
        self.execute(&draft, is_possible);
    }

    /// Pays something to the bank. It may leave less than the reserve, and then makes no round.
    fn force(&mut self, attempt: &Attempt) {
        let (offer, now, who) = (self.offer(attempt, self.model.total), self.next(), attempt.who);
        let shown = attempt.shows.then_some(offer.signed);
        let base = if attempt.shows { offer.state.clone() } else { self.model.state.clone() };
        let call = self.scene.vm_call(who, BANK, attempt.amount, &[]);
        let draft = self.scene.force(&base, shown, &call, who);
        let mut after = base;
        // Where the caller has not so much it is not possible either.
        let _ = after.execute(self.scene.world.network, self.scene.now(), &call);
        let cost = Scene::cost(&draft);
        let has = if attempt.shows { offer.balances[who] } else { self.model.balances[who] };
        let model = &mut self.model;
        let (stage, prolongs) = model.prolonged(who, now, true);
        let stage = Some(stage).filter(|_| prolongs && !model.is_over(now));
        let waits = model.turn.is_some_and(|(after, until)| after == who && !(now.0 >= until.0 && now.1 >= until.1));
        let is_possible = stage.is_some()
            && !(waits && model.stage == Stage::Active)
            && (!attempt.shows || model.takes(&offer) || model.knows(&offer))
            && has >= attempt.amount
            && model.can_pay(who, cost);
        if let Some(stage) = stage.filter(|_| is_possible) {
            model.charged[who] += cost;
            let is_shown = attempt.shows && offer.round > model.signed;
            if attempt.shows {
                model.adopt(&offer);
            }
            let returns = has - attempt.amount >= RESERVE;
            model.acts(who);
            if returns {
                if model.stage == Stage::Active {
                    model.turn = Some((who, (now.0 + LOCK.millis.0, now.1 + LOCK.commits)));
                }
                model.round += 1;
                model.balances[who] -= attempt.amount;
                model.state = after;
            }
            if returns || is_shown {
                model.stage = stage;
            }
        }
        self.execute(&draft, is_possible);
    }

    fn claim(&mut self, attempt: &Attempt) {
        let (amount, now) = (attempt.amount / 5, self.next());
        let promise = self.scene.world.promise(ALICE, BOB, Backing::Channel(self.scene.id), 1, amount);
        let promise = promise.sign(&self.scene.world.people[ALICE].identity);
        let draft = draft(ChannelsCall::Claim { side: Side::Responder, promise }, &[BOB]);
        let model = &mut self.model;
        let stage = Some(model.prolonged(BOB, now, false).0).filter(|stage| *stage != Stage::Active);
        let is_new = amount > model.claim && model.due(amount) > model.due(model.claim);
        let is_possible = stage.is_some() && is_new && model.can_pay(BOB, CHANNEL_PRICE);
        if let Some(stage) = stage.filter(|_| is_possible) {
            model.charged[BOB] += CHANNEL_PRICE;
            model.acts(BOB);
            (model.claim, model.stage) = (amount, stage);
        }
        self.execute(&draft, is_possible);
    }

    /// The bank leaves, if there is one and there never was before.
    fn leave(&mut self, attempt: &Attempt) {
        let (who, round, before) = (attempt.who, self.model.signed + attempt.ahead, self.model.state.clone());
        let bank = before.alone(BANK);
        let absorbed = Settled { serial: 1, amount: units(self.model.lane.1) };
        let lanes = [Lane { capacity: units(self.model.lane.0), absorbed }, Lane::default()];
        let position = Position { lanes, ..self.scene.position(round, self.model.balances) };
        let until = self.scene.world.time + Span::seconds(1);
        let (draft, after) = self.scene.leave(who, &before, BANK, position, until);
        let model = &mut self.model;
        let is_possible = model.stage == Stage::Active
            && bank.is_some()
            && model.left.is_none()
            && attempt.ahead > 0
            && model.can_pay(who, CHANNEL_PRICE);
        if let Some(bank) = bank.filter(|_| is_possible) {
            model.total -= bank.account.balance.units();
            model.fundings += 1;
            model.charged[who] += CHANNEL_PRICE;
            model.acts(who);
            (model.signed, model.round, model.state, model.left) = (round, round, after, Some(bank));
        }
        self.execute(&draft, is_possible);
    }

    /// Pays something to the bank on the ledger.
    fn call_left(&mut self, attempt: &Attempt) {
        let Attempt { who, amount, .. } = *attempt;
        let Some(mut left) = self.model.left.clone() else { return };
        let draft = self.scene.call_left(who, &left, amount, &[], GAS);
        let call = self.scene.vm_call(who, BANK, amount, &[]);
        left.execute(self.scene.world.network, self.scene.next(), &call).expect("it has what it sends");
        let (model, cost) = (&mut self.model, Scene::cost(&draft));
        let is_possible = model.accounts[who] >= amount + cost;
        if is_possible {
            model.accounts[who] -= amount + cost;
            model.left = Some(left);
        }
        self.execute(&draft, is_possible);
    }

    fn settle(&mut self) {
        self.kind = 10;
        let is_possible = self.model.is_over(self.next());
        let assets = self.scene.channel().assets;
        let owners = [ALICE, BOB].map(|person| self.scene.address(person));
        let witness = self.model.state.witness_of_purses(&assets, owners).to_bytes();
        let witness = if assets.is_empty() { Vec::new() } else { witness };
        let read = 16 * witness.len() as u128;
        let draft = self.scene.settle_with(witness);
        if let (true, Stage::Closing { by, .. }) = (is_possible, &self.model.stage) {
            self.model.charge_at_most(*by, CHANNEL_PRICE + read);
            self.model.pay_out(self.model.balances);
            self.model.halve_asset();
        }
        self.execute(&draft, is_possible);
    }

    fn close_mutual(&mut self, attempt: &Attempt) {
        let alice = attempt.amount;
        let alice = if attempt.shows { RESERVE + alice % self.model.total } else { alice };
        let balances = [alice, self.model.total.saturating_sub(alice) + u128::from(attempt.fault == 1)];
        let all = self.model.put_in[0] + self.model.put_in[1];
        let parts = [units(all / 3), units(all - all / 3)];
        let row = AssetParts { asset: self.asset, parts };
        let assets = ChannelAssets::new((all > 0).then_some(row)).expect("one");
        let draft = self.scene.close_mutual_of(balances, assets, self.scene.world.time + Span::seconds(1));
        let is_possible =
            balances.iter().all(|balance| *balance >= RESERVE) && balances[0] + balances[1] == self.model.total;
        if is_possible {
            self.model.charge_at_most(ALICE, CHANNEL_PRICE / 2);
            self.model.charge_at_most(BOB, CHANNEL_PRICE / 2);
            self.model.lane = (0, 0);
            self.model.pay_out(balances);
            self.model.put_in = [0; 2];
            [0, 1].into_iter().for_each(|who| self.model.asset_accounts[who] += parts[who].units());
        }
        self.execute(&draft, is_possible);
    }

    fn delegate(&mut self, attempt: &Attempt) {
        let who = attempt.who;
        let (channel, side) = (self.scene.id, super::side_of(who));
        let draft = draft(ChannelsCall::SetDelegates { channel, side, delegates: Vec::new() }, &[who]);
        let is_possible = self.model.can_pay(who, CHANNEL_PRICE);
        if is_possible {
            self.model.charged[who] += CHANNEL_PRICE;
            self.model.acts(who);
        }
        self.execute(&draft, is_possible);
    }

    /// The channel on the ledger is what the model says.
    fn compare(&self) {
        let model = &self.model;
        assert_eq!(self.scene.accounts(), model.accounts);
        let of_asset = |person| self.scene.world.account_in(person, self.asset).map_or(0, |held| held.balance.units());
        assert_eq!([ALICE, BOB].map(of_asset), model.asset_accounts);
        let left = self.scene.contract(BANK).map(|entry| (entry.balance, entry.storage));
        let expected = model.left.as_ref().map(|left| &left.account);
        let expected = expected.map(|account| (account.balance, account.contract.expect("it is one").storage));
        assert_eq!(left, expected);
        let Some(channel) = self.scene.open_channel() else {
            assert_eq!(model.stage, Stage::Closed);
            return;
        };
        assert_eq!((channel.signed, channel.position.round), (model.signed, model.round));
        assert_eq!(channel.position.balances, model.balances.map(units));
        assert_eq!(channel.position.root, model.state.root());
        let turn = channel.turn.map(|turn| (turn.after.index(), (turn.until.time.0, turn.until.commits)));
        assert_eq!(turn, model.turn);
        assert_eq!((channel.total, channel.charged), (units(model.total), model.charged.map(units)));
        let put_in = channel.assets.of(self.asset).map(|row| row.parts.map(Amount::units));
        assert_eq!((channel.fundings, put_in.unwrap_or_default()), (model.fundings, model.put_in));
        let index = |side: Side| if side == Side::Initiator { 0 } else { 1 };
        let stage = match channel.phase {
            Phase::Active => Stage::Active,
            Phase::Closing { by: Closer::Hub, .. } => panic!("it has no hub"),
            Phase::Closing { by: Closer::Party { side: by, .. }, until, last, streak, calls } => Stage::Closing {
                by: index(by),
                until: (until.time.0, until.commits),
                last: index(last),
                streak: streak.into(),
                calls: calls.into(),
            },
        };
        assert_eq!(stage, model.stage);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn every_sequence_goes_as_the_model_says_and_every_coin_is_accounted_for(attempts in attempts()) {
        let mut run = Run::new();
        run.compare();
        for attempt in &attempts {
            run.attempt(attempt);
        }
        // Whatever happened, either side alone gets the money out.
        if run.model.stage == Stage::Active {
            let by = if run.model.can_pay(BOB, CHANNEL_PRICE) { BOB } else { ALICE };
            let shown = Attempt { kind: 4, who: by, ahead: 1, amount: 0, fault: 9, shows: false };
            run.attempt(&shown);
        }
        if run.model.stage != Stage::Closed && run.model.stage != Stage::Active {
            run.scene.wait();
            run.settle();
            run.compare();
        }
        let world = &mut run.scene.world;
        world.wait(Wait { millis: Span::seconds(40), commits: 1 });
        let last = world.checkpoints.last().expect("one comes after so long");
        let supply = audit(&world.store, &world.genesis, &last.checkpoint).expect("balanced");
        prop_assert_eq!(supply.way().total(), world.genesis.supply());
        let left = run.model.left.as_ref().map_or(0, |left| left.account.balance.units());
        prop_assert_eq!(supply.way().channels.units() == left, run.model.stage == Stage::Closed);
    }
}

/// Otherwise the sequences would show little.
#[test]
fn the_sequences_reach_every_call() {
    let mut runner = TestRunner::deterministic();
    let mut accepted: BTreeMap<u8, u32> = BTreeMap::new();
    for _ in 0..60 {
        let attempts = attempts().new_tree(&mut runner).expect("it has values").current();
        let mut run = Run::new();
        attempts.iter().for_each(|attempt| run.attempt(attempt));
        for (kind, count) in run.accepted {
            *accepted.entry(kind).or_default() += count;
        }
    }
    for kind in 0..16 {
        assert!(accepted.get(&kind).is_some_and(|count| *count >= 1), "kind {kind} of {accepted:?}");
    }
}
