//! Assets beside WAY in a channel: paid by updates, swapped, and paid out by the ledger however the channel ends.

use byway_channel::{
    Change, ChangeError, ChannelMessage, ChannelNews, ContractCall, ContractChange, Health, Life, ProposeError, Purse,
    purse_payment,
};
use byway_ledger::audit;
use byway_primitives::{Amount, AssetId, Span};
use byway_records::call::ChannelsCall;
use byway_records::channel::{
    AssetParts, ChannelAssets, ChannelState, ChannelTerms, Cosigned, Movement, MutualClose, Position, Side,
};
use byway_records::genesis::Wait;
use byway_records::{Call, Value};
use byway_vm::{Address, Target, purse_of};

use crate::scene::{COUNTER_BY_TWO, DEPOSIT, LOCK, Rig, SECRET, terms, transfer};
use crate::world::{ALICE, BOB, CAROL, Draft, World, units};

mod admitting;
mod moving;

const PURSE: &str = include_str!("../../../../examples/contracts/compiled/Purse.json");
const SWAP: &str = include_str!("../../../../examples/contracts/compiled/Swap.json");
/// What each has of each asset in its account before, in hundredths of a coin.
const OWNED: u128 = 1_000;
/// What each puts in of each asset.
pub const FIRST: [[u128; 2]; 2] = [[600, 0], [100, 300]];
const GAS: u64 = 200_000;

pub fn cents(count: u128) -> Amount {
    Amount::from_units(count * 10u128.pow(16))
}

fn compiled(file: &str, key: &str) -> Vec<u8> {
    let text = file.split(&format!("\"{key}\": \"")).nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn number(amount: Amount) -> Vec<u8> {
    [&[0; 16][..], &amount.units().to_be_bytes()].concat()
}

fn argument(address: Address) -> Vec<u8> {
    [&[0; 12][..], &address.0].concat()
}

/// Alice issues one asset, Bob another, and both have of both in their accounts.
fn with_assets() -> (World, [AssetId; 2]) {
    let mut world = World::new();
    let assets = [ALICE, BOB].map(|issuer| world.give_asset(issuer, cents(OWNED)));
    (world, assets)
}

/// An open channel with two assets.
pub struct Purses {
    pub rig: Rig,
    pub assets: [AssetId; 2],
}

impl Purses {
    pub fn new() -> Self {
        let (world, assets) = with_assets();
        let row = |asset: usize| AssetParts { asset: assets[asset], parts: FIRST[asset].map(cents) };
        let terms = ChannelTerms { assets: ChannelAssets::new([row(0), row(1)]).unwrap(), ..terms() };
        Self { rig: Rig::opened(Rig::begun_in(world, terms)), assets }
    }

    pub fn address(&mut self, side: usize) -> Address {
        Address::from(self.rig.machine(0).terms().parties[side])
    }

    /// What both have in the purses, as both sides say it alike, and what contracts have.
    fn owned(&mut self) -> ([[Amount; 2]; 2], [Amount; 2]) {
        let [ours, theirs] = [0, 1].map(|side| self.rig.machine(side).purses());
        assert_eq!(ours, theirs);
        let of = |asset: AssetId| *ours.iter().find(|purse| purse.asset == asset).unwrap();
        let purses: [Purse; 2] = self.assets.map(of);
        (purses.map(|purse| purse.owned), purses.map(|purse| purse.rest))
    }

    pub fn assert_owned(&mut self, owned: [[u128; 2]; 2], rest: [u128; 2]) {
        let expected = (owned.map(|parts| parts.map(cents)), rest.map(cents));
        assert_eq!(self.owned(), expected);
    }

    fn call(&mut self, by: usize, contract: Address, value: u128, function: Vec<u8>, arguments: &[Vec<u8>]) -> Change {
        let input = [function, arguments.concat()].concat();
        let (caller, target) = (Side::BOTH[by], Target::Contract(contract));
        Change::Call(ContractCall { caller, target, value: units(value), input, gas: GAS, evidence: Vec::new() })
    }

    fn update(&mut self, by: usize, change: Change) {
        self.rig.propose(by, change).unwrap();
        self.rig.exchange();
        self.rig.assert_agreed();
    }

    pub fn pay(&mut self, from: usize, asset: usize, amount: u128) {
        let to = self.address(1 - from);
        let call = purse_payment(Side::BOTH[from], self.assets[asset], to, cents(amount));
        self.update(from, Change::Call(call));
    }

    fn approve(&mut self, by: usize, asset: usize, spender: Address, amount: u128) {
        let arguments = [argument(spender), number(cents(amount))];
        let approve = compiled(PURSE, "approve(address,uint256)");
        let change = self.call(by, purse_of(self.assets[asset]), 0, approve, &arguments);
        self.update(by, change);
    }

    /// Puts the example into the channel, whose code the ledger has.
    fn swap(&mut self) -> Address {
        let (caller, input) = (Side::Initiator, compiled(SWAP, "create"));
        let create = ContractCall {
            caller,
            target: Target::Create,
            value: Amount::ZERO,
            input,
            gas: 2_000_000,
            evidence: Vec::new(),
        };
        self.update(0, Change::Call(create));
        let state = self.rig.machine(0).state();
        let swap = state.receipt().unwrap().contract;
        let code = state.code(state.account(swap).unwrap().contract.unwrap().code).unwrap().to_vec();
        let register = Draft {
            call: Some(Call::Channels(ChannelsCall::RegisterCode { code })),
            fee: units(30_000),
            ..Draft::default()
        };
        let world = &mut self.rig.world;
        world.must(&world.funded(world.coin(CAROL), register));
        swap
    }

    /// Alice offers 200 of the first asset for 120 of the second.
    fn offer(&mut self, swap: Address) {
        self.approve(0, 0, swap, 200);
        let until = Amount::from_units(u128::from(self.rig.now.0 / 1000) + 3_600);
        let [given, wanted] = self.assets.map(|asset| argument(purse_of(asset)));
        let arguments = [given, number(cents(200)), wanted, number(cents(120)), number(until)];
        let offer = compiled(SWAP, "offer(address,uint256,address,uint256,uint64)");
        let change = self.call(0, swap, 0, offer, &arguments);
        self.update(0, change);
    }

    fn accept(&mut self, swap: Address) -> Change {
        self.call(1, swap, 0, compiled(SWAP, "accept(uint256)"), &[number(units(1))])
    }

    pub fn force(&mut self, side: usize, change: Change) {
        let Change::Call(call) = change else { panic!("only calls are forced") };
        let now = self.rig.now;
        self.rig.machine(side).force(now, &call).unwrap();
        self.rig.collect(side);
        self.rig.tick(Span::millis(10));
    }

    /// What Bob signs to part by the rule for what contracts have.
    fn closing_signed(&mut self) -> ChannelMessage {
        let machine = self.rig.machine(0);
        let (network, channel, expires) = (machine.network(), machine.id().unwrap(), self.rig.now + Span::minutes(5));
        let row = |asset: usize, parts: [u128; 2]| AssetParts { asset: self.assets[asset], parts: parts.map(cents) };
        let assets = ChannelAssets::new([row(0, [500, 100]), row(1, [100, 300])]).unwrap();
        let close = MutualClose { network, channel, balances: [units(DEPOSIT); 2], assets, expires };
        let signature = Cosigned::sign_one(&close, &self.rig.world.people[1].identity);
        ChannelMessage::ClosingSigned { expires, signature }
    }

    /// That what was in the channel is in the accounts so, and that the ledger's books balance.
    pub fn assert_paid(&mut self, parts: [[u128; 2]; 2]) {
        assert_eq!(self.rig.entry(), None, "refused: {:?}", self.rig.refused);
        for (index, asset) in self.assets.into_iter().enumerate() {
            for side in [0, 1] {
                let has = self.rig.world.account_in(side, asset).unwrap().balance;
                assert_eq!(has, cents(OWNED - FIRST[index][side] + parts[index][side]), "asset {index}, side {side}");
            }
        }
        self.rig.world.wait(Wait { millis: Span::seconds(40), commits: 1 });
        let world = &self.rig.world;
        let last = world.checkpoints.last().unwrap().checkpoint;
        let supply = audit(&world.store, &world.genesis, &last).unwrap();
        for asset in self.assets {
            assert_eq!(supply.assets[&asset].channels, Amount::ZERO);
        }
    }

    pub fn part(&mut self) {
        let now = self.rig.now;
        self.rig.machine(0).close(now).unwrap();
        self.rig.collect(0);
        self.rig.run();
        self.rig.run();
    }
}

#[test]
fn assets_are_paid_by_updates_and_divided_when_the_two_part() {
    let mut purses = Purses::new();
    purses.assert_owned(FIRST, [0, 0]);
    purses.pay(0, 0, 250);
    purses.pay(1, 1, 300);
    purses.pay(1, 0, 50);
    purses.rig.pay(0, 1_000);
    purses.rig.exchange();
    purses.rig.crash(0);
    purses.rig.exchange();
    purses.assert_owned([[400, 200], [400, 0]], [0, 0]);
    purses.part();
    purses.assert_paid([[400, 200], [400, 0]]);
    purses.rig.assert_paid([units(DEPOSIT - 1_000), units(DEPOSIT + 1_000)]);
}

#[test]
fn nobody_pays_what_it_has_not_or_what_is_the_others() {
    let mut purses = Purses::new();
    let [one, other] = [0, 1].map(|side| purses.address(side));
    let too_much = Change::Call(purse_payment(Side::Initiator, purses.assets[0], other, cents(601)));
    let reverted = ProposeError::Change(ChangeError::Call(byway_vm::Outcome::Reverted));
    assert_eq!(purses.rig.propose(0, too_much), Err(reverted));
    let take = compiled(PURSE, "transferFrom(address,address,uint256)");
    let arguments = [argument(one), argument(other), number(cents(1))];
    let theft = purses.call(1, purse_of(purses.assets[0]), 0, take.clone(), &arguments);
    assert_eq!(purses.rig.propose(1, theft.clone()), Err(reverted));
    // With an approval it is no theft, and signed without asking.
    purses.approve(0, 0, other, 1);
    purses.update(1, theft);
    purses.assert_owned([[599, 1], [100, 300]], [0, 0]);
}

#[test]
fn a_purse_is_not_changed_or_removed_and_does_not_leave_whoever_wants_it() {
    let mut purses = Purses::new();
    let contract = purse_of(purses.assets[1]);
    let upgrade = Change::Contract(ContractChange::Upgrade { contract, code: COUNTER_BY_TWO.to_vec() });
    let remove = Change::Contract(ContractChange::Remove { contract, shares: None });
    let now = purses.rig.now;
    for side in [0, 1] {
        for change in [&upgrade, &remove] {
            let refused = purses.rig.propose(side, change.clone());
            assert_eq!(refused, Err(ProposeError::Change(ChangeError::Purse)));
        }
        let left = purses.rig.machine(side).leave(now, contract);
        assert!(left.is_err(), "{left:?}");
    }
    purses.assert_owned(FIRST, [0, 0]);
}

/// Another contract could come to its address, and would have what it had and take what it might.
#[test]
fn a_contract_that_has_something_in_a_purse_or_may_take_some_is_not_removed() {
    let mut purses = Purses::new();
    let swap = purses.swap();
    let remove = Change::Contract(ContractChange::Remove { contract: swap, shares: None });
    let refused = Err(ProposeError::Change(ChangeError::InPurses));
    for by in [0, 1] {
        purses.approve(by, 1, swap, 20);
        assert_eq!(purses.rig.propose(0, remove.clone()), refused);
        purses.approve(by, 1, swap, 0);
    }
    purses.offer(swap);
    assert_eq!(purses.rig.propose(1, remove.clone()), refused);
    let cancel = purses.call(0, swap, 0, compiled(SWAP, "cancel(uint256)"), &[number(units(1))]);
    purses.update(0, cancel);
    purses.rig.propose(1, remove.clone()).unwrap();
    purses.rig.exchange();
    assert!(purses.rig.parties[0].has(|news| matches!(news, ChannelNews::Asked { .. })));
}

#[test]
fn a_swap_is_made_by_updates() {
    let mut purses = Purses::new();
    let swap = purses.swap();
    purses.offer(swap);
    purses.assert_owned([[400, 0], [100, 300]], [200, 0]);
    purses.approve(1, 1, swap, 120);
    let accept = purses.accept(swap);
    purses.update(1, accept);
    purses.assert_owned([[400, 200], [220, 180]], [0, 0]);
    purses.part();
    purses.assert_paid([[400, 200], [220, 180]]);
}

/// The maker is silent from when it has offered; the taker does all else on the ledger, and is paid by it.
#[test]
fn a_swap_is_taken_by_force_when_its_maker_falls_silent() {
    let mut purses = Purses::new();
    let swap = purses.swap();
    purses.offer(swap);
    purses.approve(1, 1, swap, 120);
    purses.rig.disconnect();
    purses.rig.parties[0].is_watching = false;
    let accept = purses.accept(swap);
    purses.force(1, accept);
    purses.rig.close_alone(1).unwrap();
    purses.rig.settle();
    purses.assert_paid([[400, 200], [220, 180]]);
}

/// The taker wants to part and have its share of what is on offer; the maker says nothing to that, and has the lock period to take it back.
#[test]
fn an_open_offer_is_not_divided_without_its_maker() {
    let mut purses = Purses::new();
    let swap = purses.swap();
    purses.offer(swap);
    let now = purses.rig.now;
    purses.rig.machine(1).close(now).unwrap();
    purses.rig.collect(1);
    purses.rig.run();
    assert!(purses.rig.parties[0].has(|news| *news == ChannelNews::AskedToPart));
    assert_eq!(purses.rig.machine(0).life(), Life::Open);
    purses.rig.close_alone(1).unwrap();
    purses.rig.run();
    assert_eq!(purses.rig.machine(0).life(), Life::Closing);
    for message in [ChannelMessage::Shutdown, purses.closing_signed()] {
        purses.rig.hear(0, message).unwrap();
        purses.rig.run();
        assert!(purses.rig.entry().is_some(), "nothing was signed");
    }
    let cancel = purses.call(0, swap, 0, compiled(SWAP, "cancel(uint256)"), &[number(units(1))]);
    purses.force(0, cancel);
    purses.rig.settle();
    purses.assert_paid(FIRST);
}

#[test]
fn an_open_offer_is_divided_where_both_want_that() {
    let mut purses = Purses::new();
    let swap = purses.swap();
    purses.offer(swap);
    purses.part();
    assert!(purses.rig.entry().is_some());
    let now = purses.rig.now;
    purses.rig.machine(1).close(now).unwrap();
    purses.rig.collect(1);
    purses.rig.run();
    purses.rig.run();
    purses.assert_paid([[500, 100], [100, 300]]);
}

#[test]
fn what_is_swapped_by_force_is_followed_and_swapped_no_second_time() {
    let mut purses = Purses::new();
    let swap = purses.swap();
    purses.offer(swap);
    purses.approve(1, 1, swap, 120);
    let accept = purses.accept(swap);
    purses.force(1, accept);
    purses.rig.exchange();
    purses.assert_owned([[400, 200], [220, 180]], [0, 0]);
    assert!(purses.rig.parties[0].has(|news| matches!(news, ChannelNews::Forced { .. })));
    purses.pay(0, 1, 20);
    purses.part();
    purses.assert_paid([[400, 200], [200, 200]]);
}

/// Either side shows the ledger what both have, also after a call of a purse that was forced, whose code nobody has registered.
#[test]
fn what_was_paid_by_force_is_paid_out_by_either_side() {
    for silent in [0, 1] {
        let mut purses = Purses::new();
        purses.pay(0, 0, 100);
        let to = purses.address(1);
        let payment = Change::Call(purse_payment(Side::Initiator, purses.assets[0], to, cents(30)));
        purses.force(0, payment);
        purses.rig.close_alone(0).unwrap();
        purses.rig.parties[silent].is_watching = false;
        purses.rig.settle();
        purses.assert_paid([[470, 130], [100, 300]]);
    }
}

/// A side that has lost its disk is given the purses by its peer; without the peer the channel is closed, and paid out
/// by whoever has the state, or after a long time as it began.
#[test]
fn a_side_without_a_disk_is_given_the_purses_and_without_its_peer_waits_long() {
    let mut purses = Purses::new();
    purses.rig.lose_disk(1);
    purses.rig.exchange();
    // Nothing was called yet: that state follows from what the ledger has.
    purses.assert_owned(FIRST, [0, 0]);
    purses.pay(0, 0, 100);
    purses.rig.lose_disk(1);
    purses.rig.exchange();
    purses.assert_owned([[500, 100], [100, 300]], [0, 0]);
    purses.pay(1, 0, 40);

    // Both are lost now: nobody has the state that the ledger is shown.
    let now = purses.rig.now;
    purses.rig.close_alone(0).unwrap();
    purses.rig.tick(Span::millis(1));
    assert!(purses.rig.entry().is_some_and(|entry| entry.position.round > 1), "{:?}, {now:?}", purses.rig.refused);
    purses.rig.lose_disk(0);
    purses.rig.lose_disk(1);
    purses.rig.disconnect();
    // What neither knows neither says.
    for side in [0, 1] {
        assert_eq!(*purses.rig.machine(side).health(), Health::Recovering);
        assert_eq!(purses.rig.machine(side).purses(), []);
    }
    for _ in 0..3 {
        (0..LOCK.commits).for_each(|_| drop(purses.rig.world.commit(&[])));
        purses.rig.tick(LOCK.millis);
    }
    let refused = purses.rig.refused.len();
    assert!(purses.rig.entry().is_some(), "it is awaited");
    assert_eq!(purses.rig.machine(0).life(), Life::Closing);
    purses.rig.tick(Span::days(365));
    purses.rig.tick(Span::seconds(20));
    assert_eq!(purses.rig.refused.len(), refused, "nothing is handed in that the ledger does not take");
    purses.assert_paid(FIRST);
}

/// The peer has one completed that Alice half-signed, and then another that builds on what was before, closes with that, and says nothing more.
#[test]
fn whoever_completes_what_builds_on_a_replaced_state_takes_nothing_back() {
    for is_restarted in [false, true] {
        let mut purses = Purses::new();
        purses.pay(1, 1, 50);
        // Alice pays and takes that back: both are half-signed, and build on one state.
        purses.rig.pay(0, 1_000);
        let now = purses.rig.now;
        purses.rig.machine(0).cancel(now).unwrap();
        purses.rig.collect(0);
        while purses.rig.write(0) {}
        let released: Vec<_> =
            purses.rig.machine(0).released().iter().map(|one| (one.position, one.signature)).collect();
        assert_eq!(released.len(), 2);
        let signed = |purses: &Purses, position: Position| {
            let (network, channel) = (purses.rig.world.network, purses.rig.parties[0].machine.id().unwrap());
            let body = ChannelState { network, channel, total: units(2 * DEPOSIT), fundings: 0, position };
            (body, Cosigned::sign_one(&body, &purses.rig.world.people[1].identity))
        };
        let (first, _) = released[0];
        let accept = ChannelMessage::Accept { round: first.round, signature: signed(&purses, first).1 };
        purses.rig.hear(0, accept).unwrap();
        assert_eq!(*purses.rig.machine(0).position(), first);
        while purses.rig.write(0) {}
        purses.rig.disconnect();
        if is_restarted {
            let disk = purses.rig.parties[0].disk.clone();
            purses.rig.restart(0, disk);
        }
        let (second, ours) = released[1];
        let (body, theirs) = signed(&purses, second);
        let parties = purses.rig.machine(0).terms().parties;
        let state = Some(Cosigned { body, parties, signatures: [ours, theirs] });
        let channel = body.channel;
        purses.rig.parties[1].is_watching = false;
        purses.rig.submit(1, ChannelsCall::CloseSolo { channel, side: Side::Responder, secret: SECRET, state });
        assert_eq!(purses.rig.refused, []);
        purses.rig.tick(Span::millis(10));
        let root = purses.rig.machine(0).state().root();
        assert_eq!((root, purses.rig.machine(0).health().clone()), (second.root, Health::Sound));
        // From its disk it knows the same.
        while purses.rig.write(0) {}
        let disk = purses.rig.parties[0].disk.clone();
        purses.rig.restart(0, disk);
        purses.rig.settle();
        purses.assert_paid([[600, 0], [150, 250]]);
    }
}

#[test]
fn deposits_and_withdrawals_of_way_leave_the_purses_as_they_are() {
    let mut purses = Purses::new();
    purses.pay(0, 0, 100);
    purses.rig.fund(0, Movement::Deposit, 7_000).unwrap();
    for _ in 0..3 {
        purses.rig.run();
    }
    purses.rig.propose(1, transfer(1, 10)).unwrap();
    purses.rig.exchange();
    purses.assert_owned([[500, 100], [100, 300]], [0, 0]);
    purses.part();
    purses.assert_paid([[500, 100], [100, 300]]);
}
