//! The ledger, asked for what the model was asked for.

use std::sync::LazyLock;

use byway_ledger::{Verdict, audit};
use byway_primitives::{Amount, AssetId, Encode, Span};
use byway_records::call::{ChannelsCall, ContractLeave};
use byway_records::channel::{
    Agreed, ChannelAssets, ChannelState, ChannelTerms, Closer, Cosigned, Environment, FundingChange, Movement,
    MutualClose, Remainder, Side, VirtualTerms,
};
use byway_records::channel::{Phase, Position};
use byway_records::genesis::Wait;
use byway_records::{Backing, Value};
use byway_vm::State;

use super::assets::FIRST;
use super::calls::{Facts, LOOP_CODE, Offer, TRAP_CODE};
use super::model::{Held, Kind, Model, Moment, STREAK_MAX, Stage, Start};
use super::{Act, Actor, Called, Sketch, beside};
use crate::channels::guaranteed::{certificate, outcome, registered_with, virtual_terms_of};
use crate::channels::purses::{cents, with_assets};
use crate::channels::{BANK, DEPOSIT, GAS, LOCK, RESERVE, SAVED, Scene, draft};
use crate::world::{ALICE, BOB, CAROL, CHANNEL_PRICE, Draft, World, units};

pub use crate::channels::purses::OWNED;

/// A channel that has just been opened.
pub struct Begun {
    pub facts: Facts,
    pub now: Moment,
    pub state: State,
}

/// What every sequence begins with, by kind and rule for the remainder.
static SCENES: LazyLock<Vec<(Start, Scene, [AssetId; 2])>> = LazyLock::new(|| {
    let remainders = [Remainder::Halves, Remainder::Initiator, Remainder::Responder];
    let kinds = [Kind::Plain, Kind::Purses, Kind::Virtual];
    let starts = kinds.into_iter().flat_map(|kind| remainders.map(|remainder| Start { kind, remainder }));
    let scenes = starts.map(|start| {
        let (scene, assets) = opened(start);
        (start, scene, assets)
    });
    scenes.collect()
});

fn opened(Start { kind, remainder }: Start) -> (Scene, [AssetId; 2]) {
    let none = [AssetId::WAY; 2];
    let (mut scene, assets) = match kind {
        Kind::Plain => {
            let (world, assets) = with_assets();
            (Scene::within(world, |terms| ChannelTerms { remainder, ..terms }), assets)
        }
        Kind::Purses => {
            let (world, assets) = with_assets();
            let facts = facts_of(&world, assets);
            let rows = facts.rows(FIRST);
            (Scene::within(world, |terms| ChannelTerms { remainder, assets: rows, ..terms }), assets)
        }
        Kind::Virtual => (registered_with(|terms| with_remainder(terms, remainder)), none),
    };
    [&TRAP_CODE, &LOOP_CODE].into_iter().for_each(|code| scene.register(code));
    (scene, assets)
}

fn with_remainder(terms: VirtualTerms, remainder: Remainder) -> VirtualTerms {
    VirtualTerms { terms: ChannelTerms { remainder, ..terms.terms }, ..terms }
}

fn facts_of(world: &World, assets: [AssetId; 2]) -> Facts {
    let parties = [ALICE, BOB].map(|person| world.id(person));
    Facts { network: world.network, parties, assets, start: world.time, height: 0 }
}

fn scene_of(start: Start) -> &'static (Start, Scene, [AssetId; 2]) {
    SCENES.iter().find(|(of, _, _)| *of == start).expect("one of each")
}

pub fn begun(start: Start) -> Begun {
    let (_, scene, assets) = scene_of(start);
    let height = scene.channel().position.environment.height;
    let facts = Facts { start: scene.start, height, ..facts_of(&scene.world, *assets) };
    let rows = if start.kind == Kind::Purses { facts.rows(FIRST) } else { ChannelAssets::NONE };
    let state = State::opening(facts.addresses().map(|address| (address, units(DEPOSIT))), &rows);
    Begun { facts, now: (scene.world.time.0, scene.world.ledger.commits()), state }
}

pub struct Run {
    scene: Scene,
    /// What the model was before the next attempt.
    before: Model,
    /// What the pool had at the beginning, and what transactions have paid into it.
    pool: u128,
    fees: u128,
}

impl Run {
    pub fn begin(model: Model) -> Self {
        let (_, scene, _) = scene_of(model.start);
        let pool = scene.world.ledger.supply(&scene.world.store).way().pool.units();
        Self { scene: scene.clone(), pool: pool - model.charged[0] - model.charged[1], fees: 0, before: model }
    }

    /// Tries what the model tried, which is now what it is after that.
    pub fn attempt(&mut self, act: &Act, after: &Model) {
        if let Act::Wait { seconds, commits } = *act {
            self.scene.world.wait(Wait { millis: Span::seconds(seconds), commits });
        } else if let Some((draft, fee)) = self.drafted(act) {
            let draft = if fee > 0 {
                let world = &self.scene.world;
                world.funded(world.coin(CAROL), Draft { fee: units(fee), ..draft })
            } else {
                draft
            };
            let verdict = self.scene.world.run(&draft);
            assert_eq!(verdict == Verdict::Final, after.was_possible, "{verdict:?} of {act:?}, and {:?}", after.ended);
            self.fees += if verdict == Verdict::Final { fee } else { 0 };
        } else {
            assert!(!after.was_possible, "{act:?} can't even be said");
            self.scene.world.commit(&[]);
        }
        self.before = after.clone();
    }

    /// The call of an attempt and what the transaction pays.
    fn drafted(&self, act: &Act) -> Option<(Draft, u128)> {
        let model = &self.before;
        let fee = |by: &Actor| if by.pays { CHANNEL_PRICE } else { 0 };
        let only = |pays: &bool| if *pays { CHANNEL_PRICE } else { 0 };
        let id = self.scene.id;
        Some(match act {
            Act::Deposit { by, amount, state } => {
                let offer = model.offer(state, &model.held.with(*amount));
                (self.fund(by, Movement::Deposit, Value::way(units(*amount)), &offer), fee(by))
            }
            Act::Withdraw { by, amount, state } => {
                let offer = model.offer(state, &model.held.without(*amount)?);
                (self.fund(by, Movement::Withdraw, Value::way(units(*amount)), &offer), fee(by))
            }
            Act::PutIn { by, asset, cents, state } => {
                (self.fund_asset(by, Movement::Deposit, *asset, *cents, state), fee(by))
            }
            Act::TakeOut { by, asset, cents, state } => {
                (self.fund_asset(by, Movement::Withdraw, *asset, *cents, state), fee(by))
            }
            Act::Leave { by, ahead } => (self.leave(by, *ahead), fee(by)),
            Act::CallLeft { side, amount } => (self.scene.call_left(*side, model.left.as_ref()?, *amount, &[], GAS), 0),
            Act::Snapshot { by, state } => {
                let (side, state) = (Side::BOTH[by.side], self.shown(state));
                (draft(ChannelsCall::SnapshotSolo { side, state }, &[signer(by)]), fee(by))
            }
            Act::Close { by, state } => {
                let close = self.scene.close(by.side, state.as_ref().map(|state| self.shown(state)));
                (Draft { signers: vec![signer(by)], ..close }, fee(by))
            }
            Act::Slash { by, state } => {
                let (side, state) = (Side::BOTH[by.side], self.shown(state));
                (draft(ChannelsCall::Slash { side, state }, &[signer(by)]), fee(by))
            }
            Act::Force { by, called, amount, state } => self.force(by, *called, *amount, state.as_ref()),
            Act::Claim { by, serial, amount } => {
                let (payer, payee) = (1 - by.side, by.side);
                let promise = self.scene.world.promise(payer, payee, Backing::Channel(id), *serial, *amount);
                let promise = promise.sign(&self.scene.world.people[payer].identity);
                (draft(ChannelsCall::Claim { side: Side::BOTH[payee], promise }, &[signer(by)]), fee(by))
            }
            Act::Settle { shows, pays } => {
                let price = if *pays { model.price_of_settling(*shows) } else { 0 };
                (self.scene.settle_with(model.settling(*shows)), price)
            }

            Act::CloseMutual { alice, lacks, owned, pays } => (self.part(*alice, *lacks, *owned), only(pays)),
            Act::Delegates { by, appoints } => {
                let delegates = appoints.then(|| self.scene.world.id(CAROL)).into_iter().collect();
                let call = ChannelsCall::SetDelegates { channel: id, side: Side::BOTH[by.side], delegates };
                (draft(call, &[signer(by)]), fee(by))
            }
            Act::Register => self.register()?,
            Act::Open { opened, pays } => (opened.drafted(&self.scene, model), only(pays)),
            Act::End { person, state } => {
                let state = state.as_ref().map(|state| self.shown(state));
                (draft(ChannelsCall::EndVirtual { channel: id, state }, &[*person]), CHANNEL_PRICE)
            }
            Act::Certify { hub, alice, lacks } => {
                (certificate(&self.scene, model.split(*alice, *lacks), *hub), CHANNEL_PRICE)
            }
            Act::Wait { .. } => return None,
        })
    }

    fn register(&self) -> Option<(Draft, u128)> {
        let start = self.before.start;
        let terms = with_remainder(virtual_terms_of(&self.scene), start.remainder);
        let is_virtual = start.kind == Kind::Virtual;
        assert_eq!(terms.id() == self.scene.id, is_virtual, "the same terms are the same channel");
        let register = draft(ChannelsCall::RegisterVirtual(self.scene.cosign(terms)), &[]);
        is_virtual.then_some((register, CHANNEL_PRICE))
    }

    fn state(&self, offer: &Offer) -> ChannelState {
        let (network, channel) = (self.scene.world.network, self.scene.id);
        let (total, fundings) = (units(offer.total), offer.fundings);
        ChannelState { network, channel, total, fundings, position: offer.position() }
    }

    fn shown(&self, sketch: &Sketch) -> Cosigned<ChannelState> {
        self.scene.cosign(self.state(&self.before.offer(sketch, &self.before.held)))
    }

    fn cosign<T: Agreed>(&self, body: T) -> Cosigned<T> {
        self.scene.cosign(body)
    }

    /// Something of an asset goes in or out. What is not possible both may have signed all the same.
    fn fund_asset(&self, by: &Actor, movement: Movement, asset: usize, amount: u128, sketch: &Sketch) -> Draft {
        let model = &self.before;
        let value = Value { asset: model.facts.assets[asset], amount: cents(amount) };
        let held = match movement {
            Movement::Deposit => model.after_putting_in(by.side, asset, amount),
            _ => model.after_taking_out(by.side, asset, amount),
        };
        self.fund(by, movement, value, &model.offer(sketch, &held.unwrap_or(model.held.moved())))
    }

    fn fund(&self, by: &Actor, movement: Movement, value: Value, offer: &Offer) -> Draft {
        let expires = self.scene.world.time + Span::seconds(1);
        let (state, side) = (self.state(offer), Side::BOTH[by.side]);
        let change = FundingChange { state, side, movement, value, expires };
        draft(ChannelsCall::Fund(self.cosign(change)), &[signer(by)])
    }

    fn leave(&self, by: &Actor, ahead: u64) -> Draft {
        let model = &self.before;
        let (mut after, part) = (model.state.clone(), model.state.part_of_contract(BANK).to_bytes());
        let amount = after.remove_contract(BANK).map_or(units(0), |account| account.balance);
        let position = Position {
            round: model.signed + ahead,
            balances: model.balances.map(units),
            lanes: model.lanes,
            root: after.root(),
            environment: Environment { time: model.facts.start, height: model.facts.height },
        };
        let (network, channel) = (self.scene.world.network, self.scene.id);
        let total = units(model.held.total).saturating_sub(amount);
        let fundings = model.held.fundings + 1;
        let movement = Movement::Leave { contract: BANK.0, base: model.state.root() };
        let expires = self.scene.world.time + Span::seconds(1);
        let state = ChannelState { network, channel, total, fundings, position };
        let value = Value::way(amount);
        let change = FundingChange { state, side: Side::BOTH[by.side], movement, value, expires };
        let leave = ContractLeave { change: self.cosign(change), part };
        draft(ChannelsCall::Leave(Box::new(leave)), &[signer(by)])
    }

    fn force(&self, by: &Actor, called: Called, amount: u128, sketch: Option<&Sketch>) -> (Draft, u128) {
        let model = &self.before;
        let offer = sketch.map(|sketch| model.offer(sketch, &model.held));
        let base = offer.as_ref().map_or(&model.state, |offer| &offer.state);
        let round = offer.as_ref().map_or(model.round, |offer| offer.round);
        let call = model.call(by.side, called, amount);
        let witness = model.witness(base, by.side, called, amount);
        let shown = offer.as_ref().map(|offer| self.cosign(self.state(offer)));
        let call_of = self.scene.forcing(round + 1, shown, &call, model.environment(), witness);
        let fee = if by.pays { model.price_of_forcing(base, by.side, called, amount) } else { 0 };
        (draft(call_of, &[signer(by)]), fee)
    }

    fn part(&self, alice: u128, lacks: u128, owned: u128) -> Draft {
        let model = &self.before;
        let balances = model.split(alice, lacks).map(units);
        let assets = model.facts.rows(model.owned(owned));
        let (network, channel) = (self.scene.world.network, self.scene.id);
        let expires = self.scene.world.time + Span::seconds(1);
        let close = MutualClose { network, channel, balances, assets, expires };
        draft(ChannelsCall::CloseMutual(self.cosign(close)), &[])
    }

    /// The channel on the ledger is what the model says, and what must hold in any case does.
    pub fn compare(&self, model: &Model) {
        let world = &self.scene.world;
        assert_eq!((world.time.0, world.ledger.commits()), model.now);
        assert_eq!(self.scene.accounts(), model.accounts);
        if !model.is_virtual() {
            let held = |asset, person| world.account_in(person, asset).map_or(0, |held| held.balance.units());
            assert_eq!(model.facts.assets.map(|asset| [ALICE, BOB].map(|person| held(asset, person))), model.assets);
        }
        let left = self.scene.contract(BANK).map(|entry| (entry.balance, entry.storage));
        let expected = model.left.as_ref().map(|left| &left.account);
        let expected = expected.map(|account| (account.balance, account.contract.expect("it is one").storage));
        assert_eq!(left, expected);
        assert_eq!(outcome(&self.scene), model.outcome);
        beside::compare(&self.scene, model);
        self.compare_channel(model);
        self.count(model);
    }

    fn compare_channel(&self, model: &Model) {
        let Some(channel) = self.scene.open_channel() else {
            assert_eq!(model.stage, Stage::Closed);
            return;
        };
        assert_eq!((channel.signed, channel.position.round), (model.signed, model.round));
        assert_eq!(channel.position.balances, model.balances.map(units));
        assert_eq!((channel.position.root, channel.position.lanes), (model.state.root(), model.lanes));
        assert_eq!(channel.charged, model.charged.map(units));
        let put_in = |asset| channel.assets.of(asset).map_or([0; 2], |row| row.parts.map(Amount::units));
        let (total, put_in) = (channel.total.units(), model.facts.assets.map(put_in));
        assert_eq!(Held { total, put_in, fundings: channel.fundings }, model.held);
        assert_eq!(channel.claims, model.claims);
        assert_eq!([0, 1].map(|side: usize| !channel.delegates[side].is_empty()), model.delegates);
        let moment = |deadline: byway_records::state::Deadline| (deadline.time.0, deadline.commits);
        assert_eq!(channel.turn.map(|turn| (turn.after.index(), moment(turn.until))), model.turn);
        let stage = match channel.phase {
            Phase::Active => Stage::Active,
            Phase::Closing { by, until, last, streak, calls } => Stage::Closing {
                by: if let Closer::Party { side, .. } = by { Some(side.index()) } else { None },
                until: moment(until),
                end: channel.guaranteed.and_then(|guaranteed| guaranteed.end).map(moment),
                last: last.index(),
                streak: streak.into(),
                calls: calls.into(),
            },
        };
        assert_eq!(stage, model.stage);
        // What must hold whatever the model says.
        assert!(channel.position.balances.iter().all(|balance| *balance >= units(RESERVE)), "both have their reserve");
        assert!(channel.charged.iter().all(|charged| *charged <= units(RESERVE)), "no more is charged than that");
        if let Stage::Closing { until, end, streak, calls, .. } = stage {
            let longest = (model.now.0 + LOCK.millis.0, model.now.1 + LOCK.commits);
            assert!(until <= longest && end.is_none_or(|end| until.0 <= end.0 && until.1 <= end.1));
            assert!(streak.max(calls) <= STREAK_MAX, "nobody alone puts it off for longer");
        }
    }

    /// Every coin that the two had is with them, in the channel, in what left it, or paid to the pool.
    fn count(&self, model: &Model) {
        let world = &self.scene.world;
        let holds = self.scene.open_channel().map_or(0, |channel| channel.holds().expect("no more is charged").units());
        let left = self.scene.contract(BANK).map_or(0, |entry| entry.balance.units());
        let pool = world.ledger.supply(&world.store).way().pool.units() - self.pool - self.fees;
        let all = self.scene.accounts().iter().sum::<u128>() + holds + left + pool + model.beside.holds;
        assert_eq!(all, if model.start.kind == Kind::Virtual { 0 } else { 2 * SAVED });
        if model.stage != Stage::Closed {
            assert_eq!(pool, model.charged[0] + model.charged[1] + model.spent + model.beside.charged);
        }
    }

    /// All that there is, recomputed from the whole ledger.
    pub fn audit(&mut self, model: &Model) {
        let world = &mut self.scene.world;
        world.wait(Wait { millis: Span::seconds(40), commits: 1 });
        let last = world.checkpoints.last().expect("one comes after so long");
        let supply = audit(&world.store, &world.genesis, &last.checkpoint).expect("balanced");
        assert_eq!(supply.way().total(), world.genesis.supply());
        let left = model.left.as_ref().map_or(units(0), |left| left.account.balance);
        let beside = units(model.beside.holds);
        assert_eq!(Some(supply.way().channels), left.checked_add(beside), "the channel is closed");
    }
}

/// Whose signature an act has.
fn signer(by: &Actor) -> usize {
    if by.is_delegate { CAROL } else { by.side }
}
