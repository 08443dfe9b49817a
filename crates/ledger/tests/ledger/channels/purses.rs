//! Assets beside WAY in channels: what goes in comes out, as the last state says, whatever both have signed.

use byway_ledger::audit;
use byway_primitives::{Amount, AssetId, Decode, Encode, Span, Time};
use byway_records::channel::{
    ABANDONED_AFTER, AssetParts, CallOutcome, ChannelAssets, ChannelTerms, Environment, Lane, MutualClose, Position,
    Remainder,
};
use byway_records::genesis::Wait;
use byway_records::{Call, Reject};
use byway_vm::{Address, Call as VmCall, Outcome, State, Target, Witness, code_hash, purse_code, purse_of};

use super::forced::hex_of;
use super::{BANK, BANK_CODE, DEPOSIT, LOCK, SAVED, Scene, draft, terms};
use crate::world::{ALICE, BOB, CAROL, Draft, World};
use byway_records::call::ChannelsCall;

mod deep;
mod moving;

const PURSE: &str = include_str!("../../../../../examples/contracts/compiled/Purse.json");
const SWAP: &str = include_str!("../../../../../examples/contracts/compiled/Swap.json");
/// What each has of each asset in its account before, in hundredths of a coin.
pub const OWNED: u128 = 1_000;

pub fn cents(count: u128) -> Amount {
    Amount::from_units(count * 10u128.pow(16))
}

fn compiled(file: &str, key: &str) -> Vec<u8> {
    let start = file.find(&format!("\"{key}\": \"")).expect("a key of the file") + key.len() + 5;
    let end = file[start..].find('"').expect("a string ends");
    hex_of(&file[start..start + end])
}

fn number(amount: Amount) -> Vec<u8> {
    [&[0; 16][..], &amount.units().to_be_bytes()].concat()
}

fn argument(address: Address) -> Vec<u8> {
    [&[0; 12][..], &address.0].concat()
}

fn input(file: &str, function: &str, arguments: &[Vec<u8>]) -> Vec<u8> {
    [compiled(file, function), arguments.concat()].concat()
}

/// What a purse is asked for by whoever pays out of it.
pub fn transferring(to: Address, amount: Amount) -> Vec<u8> {
    input(PURSE, "transfer(address,uint256)", &[argument(to), number(amount)])
}

/// Alice issues one asset, Bob another, and both have of both in their accounts.
pub fn with_assets() -> (World, [AssetId; 2]) {
    let mut world = World::new();
    let assets = [ALICE, BOB].map(|issuer| world.give_asset(issuer, cents(OWNED)));
    (world, assets)
}

fn rows(assets: [AssetId; 2], parts: [[u128; 2]; 2]) -> ChannelAssets {
    let row = |asset: usize| AssetParts { asset: assets[asset], parts: parts[asset].map(cents) };
    ChannelAssets::new([row(0), row(1)]).expect("two assets, and something of each")
}

/// A channel with two assets.
struct Purses {
    scene: Scene,
    assets: [AssetId; 2],
    state: State,
}

impl Purses {
    /// What each puts in of each asset.
    const FIRST: [[u128; 2]; 2] = [[600, 0], [100, 300]];

    fn new() -> Self {
        Self::with(Remainder::Halves)
    }

    fn with(remainder: Remainder) -> Self {
        let (world, assets) = with_assets();
        let rows = rows(assets, Self::FIRST);
        let scene = Scene::within(world, |terms| ChannelTerms {
            assets: rows,
            remainder,
            // Enough for several forced calls of this much gas.
            reserve: Amount::from_units(2_000_000),
            ..terms
        });
        let parties = [ALICE, BOB].map(|person| (scene.address(person), Amount::from_units(DEPOSIT)));
        Self { assets, state: State::opening(parties, &rows), scene }
    }

    /// What everybody has in its accounts of both assets.
    fn accounts(&self) -> [[Amount; 2]; 2] {
        let held = |asset, person| self.scene.world.account_in(person, asset).map_or(Amount::ZERO, |held| held.balance);
        self.assets.map(|asset| [ALICE, BOB].map(|person| held(asset, person)))
    }

    /// That everybody has what it did not put in, and so much more.
    fn assert_paid(&self, parts: [[u128; 2]; 2]) {
        let after = [0, 1]
            .map(|asset: usize| [0, 1].map(|side: usize| cents(OWNED - Self::FIRST[asset][side] + parts[asset][side])));
        assert_eq!(self.accounts(), after);
        assert_eq!(self.scene.open_channel(), None);
    }

    fn call(&self, person: usize, contract: Address, value: u128, input: &[u8]) -> VmCall {
        VmCall { gas: 200_000, ..self.scene.vm_call(person, contract, value, input) }
    }

    fn transfer(&self, person: usize, asset: usize, amount: u128) -> VmCall {
        let input = transferring(self.scene.address(ALICE + BOB - person), cents(amount));
        self.call(person, purse_of(self.assets[asset]), 0, &input)
    }

    /// A call that both sign and the ledger does not see.
    fn off_ledger(&mut self, call: &VmCall) -> Outcome {
        let environment = Environment { time: self.scene.start, height: 0 };
        self.state.execute(self.scene.world.network, environment, call).expect("it runs").outcome
    }

    fn position(&self, round: u64) -> Position {
        let balance = |person| self.state.account(self.scene.address(person)).expect("a party").balance;
        Position {
            round,
            balances: [balance(ALICE), balance(BOB)],
            lanes: [Lane::default(); 2],
            root: self.state.root(),
            environment: Environment { time: self.scene.start, height: 0 },
        }
    }

    fn witness(&self) -> Vec<u8> {
        let owners = [ALICE, BOB].map(|person| self.scene.address(person));
        self.state.witness_of_purses(&self.scene.channel().assets, owners).to_bytes()
    }

    /// Shows the state, lets the lock period pass, and settles.
    fn settle(&mut self) {
        let state = self.scene.signed_position(self.position(self.scene.round() + 1));
        self.scene.world.must(&self.scene.close(ALICE, Some(state)));
        self.scene.wait();
        let settle = self.scene.settle_with(self.witness());
        self.scene.world.must(&settle);
    }

    fn close_mutual(&self, assets: ChannelAssets) -> Draft {
        let balances = [DEPOSIT; 2].map(Amount::from_units);
        let expires = self.scene.world.time + Span::minutes(1);
        let close =
            MutualClose { network: self.scene.world.network, channel: self.scene.id, balances, assets, expires };
        draft(ChannelsCall::CloseMutual(self.scene.cosign(close)), &[])
    }
}

#[test]
fn the_first_state_has_what_both_put_in_and_the_ledger_counts_it() {
    let mut purses = Purses::new();
    assert_eq!(purses.scene.channel().position.root, purses.state.root());
    let missing = [0, 1].map(|asset: usize| [0, 1].map(|side: usize| cents(OWNED - Purses::FIRST[asset][side])));
    assert_eq!(purses.accounts(), missing);
    for (asset, parts) in purses.assets.into_iter().zip(Purses::FIRST) {
        let purse = purses.state.account(purse_of(asset)).and_then(|account| account.contract).expect("a purse");
        assert_eq!(purse.code, code_hash(purse_code()));
        let owned = [ALICE, BOB].map(|person| purses.state.in_purse(asset, purses.scene.address(person)));
        assert_eq!(owned, parts.map(|part| Some(cents(part))));
    }
    purses.scene.world.wait(Wait { millis: Span::seconds(40), commits: 1 });
    let world = &purses.scene.world;
    let last = world.checkpoints.last().expect("one comes after so long").checkpoint;
    let supply = audit(&world.store, &world.genesis, &last).expect("balanced");
    for (asset, [one, other]) in purses.assets.into_iter().zip(Purses::FIRST) {
        assert_eq!(supply.assets.get(&asset).map(|holdings| holdings.channels), Some(cents(one + other)));
    }
}

#[test]
fn nobody_puts_in_what_it_has_not() {
    let (world, assets) = with_assets();
    for (parts, reason) in
        [([[OWNED + 1, 0], [0, 1]], Reject::BalanceTooSmall), ([[OWNED, 0], [0, OWNED + 1]], Reject::BalanceTooSmall)]
    {
        let mut world = world.clone();
        for person in [ALICE, BOB] {
            world.must(&world.deposit(world.coin(person), person, SAVED));
        }
        let before = [ALICE, BOB].map(|person| world.account_in(person, assets[0]));
        let terms = ChannelTerms { assets: rows(assets, parts), ..terms(&world) };
        world.refuses(&draft(ChannelsCall::Create { terms }, &[ALICE, BOB]), reason);
        assert_eq!([ALICE, BOB].map(|person| world.account_in(person, assets[0])), before);
    }
    let unknown = ChannelAssets::new([AssetParts { asset: world.terms(CAROL).id(), parts: [cents(1); 2] }]);
    let mut world = world;
    for person in [ALICE, BOB] {
        world.must(&world.deposit(world.coin(person), person, SAVED));
    }
    let terms = ChannelTerms { assets: unknown.expect("one"), ..terms(&world) };
    world.refuses(&draft(ChannelsCall::Create { terms }, &[ALICE, BOB]), Reject::NoAccount);
}

/// The code of purses is nobody's to register, and what was paid by force is paid out.
#[test]
fn what_was_moved_by_force_is_paid_out_to_whoever_has_it() {
    let mut purses = Purses::new();
    purses.scene.world.must(&purses.scene.close(ALICE, None));
    for (person, asset, amount) in [(ALICE, 0, 250), (BOB, 1, 300), (BOB, 0, 50)] {
        let call = purses.transfer(person, asset, amount);
        purses.scene.must_force(&mut purses.state, &call, person);
    }
    // Nobody moves more than it has, nor what is another's.
    let too_much = purses.transfer(ALICE, 0, 401);
    let draft = purses.scene.force(&purses.state, None, &too_much, ALICE);
    purses.scene.world.must(&draft);
    let receipt = purses.scene.channel().receipt.expect("it was executed");
    assert_eq!(receipt.outcome, CallOutcome::Reverted);
    purses.scene.wait();
    let settle = purses.scene.settle_with(purses.witness());
    purses.scene.world.must(&settle);
    purses.assert_paid([[400, 200], [400, 0]]);
}

#[test]
fn nothing_is_paid_out_by_what_is_shown_of_another_state_or_in_part() {
    let mut purses = Purses::new();
    let old = purses.witness();
    let call = purses.transfer(ALICE, 0, 250);
    assert_eq!(purses.off_ledger(&call), Outcome::Returned);
    let state = purses.scene.signed_position(purses.position(1));
    purses.scene.world.must(&purses.scene.close(ALICE, Some(state)));
    purses.scene.refuses(&purses.scene.settle_with(purses.witness()), Reject::ChannelLocked);
    purses.scene.wait();
    let parties = [ALICE, BOB].map(|person| purses.scene.address(person));
    let (one, _) = purses
        .state
        .witness(purses.scene.world.network, purses.scene.now(), &purses.transfer(ALICE, 0, 1), &parties)
        .expect("it runs");
    let before = (purses.accounts(), purses.scene.accounts(), purses.scene.channel());
    // Of the first asset all is there, and of the second nothing.
    assert_eq!(one.in_purse(purses.assets[0], parties).expect("it is shown"), Some([350, 250].map(cents)));
    // All that is to be shown, and that there is no third purse: of one whose way ends elsewhere.
    let good = purses.state.witness_of_purses(&purses.scene.channel().assets, parties);
    let padded = (1..=255).find_map(|number| {
        let third = AssetParts { asset: AssetId(byway_primitives::Hash([number; 32])), parts: [cents(1); 2] };
        let three = ChannelAssets::new(purses.scene.channel().assets.iter().copied().chain([third])).expect("three");
        Some(purses.state.witness_of_purses(&three, parties)).filter(|padded| *padded != good)
    });
    let padded = padded.expect("there is one");
    assert_eq!(padded.in_purse(purses.assets[1], parties).expect("it is shown"), Some([100, 300].map(cents)));
    for bad in [old, one.to_bytes(), padded.to_bytes(), Witness::default().to_bytes(), vec![7; 40]] {
        purses.scene.refuses(&purses.scene.settle_with(bad), Reject::PurseWitness);
    }
    purses.scene.refuses(&purses.scene.settle(), Reject::PurseAwaited);
    assert_eq!((purses.accounts(), purses.scene.accounts(), purses.scene.channel()), before);
    let settle = purses.scene.settle_with(purses.witness());
    purses.scene.world.must(&settle);
    purses.assert_paid([[350, 250], [100, 300]]);
    // Where there is nothing to show, nothing is looked at.
    let mut plain = Scene::new();
    plain.world.must(&plain.close(ALICE, None));
    plain.wait();
    plain.refuses(&plain.settle_with(Witness::default().to_bytes()), Reject::PurseWitness);
    plain.world.must(&plain.settle());
}

/// A state that both have signed and in which there is no purse, or another one, or one that says more than there is.
#[test]
fn whatever_both_signed_no_more_and_no_less_is_paid_out_than_went_in() {
    type Spoil = fn(&mut Purses);
    let spoil: [(&str, Spoil); 4] = [
        ("gone", |purses| assert!(purses.state.remove_contract(purse_of(purses.assets[0])).is_some())),
        ("replaced", |purses| assert!(purses.state.set_code(purse_of(purses.assets[0]), &BANK_CODE))),
        ("more than there is", |purses| forge(purses, cents(601))),
        ("more than can be", |purses| forge(purses, Amount::MAX)),
    ];
    for (what, spoil) in spoil {
        let shares =
            [(Remainder::Initiator, [600, 0]), (Remainder::Responder, [0, 600]), (Remainder::Halves, [300; 2])];
        for (remainder, paid) in shares {
            let mut purses = Purses::with(remainder);
            spoil(&mut purses);
            assert_ne!(purses.state.root(), purses.scene.channel().position.root, "{what}");
            purses.settle();
            purses.assert_paid([paid, [100, 300]]);
        }
    }
}

/// Puts numbers into the first purse that nobody has put in: Alice's as given, Bob's one cent.
fn forge(purses: &mut Purses, amount: Amount) {
    let slot = |person| {
        let key = [argument(purses.scene.address(person)), vec![0; 32]].concat();
        code_hash(&key).0
    };
    let word = |amount| number(amount).try_into().expect("a word");
    let slots = [(slot(ALICE), word(amount)), (slot(BOB), word(cents(1)))];
    purses.state.put_contract(purse_of(purses.assets[0]), purse_code().to_vec(), slots);
}

#[test]
fn what_contracts_have_of_an_asset_is_divided_like_what_they_have_of_way() {
    for (remainder, paid) in
        [(Remainder::Initiator, [600, 0]), (Remainder::Responder, [470, 130]), (Remainder::Halves, [535, 65])]
    {
        let mut purses = Purses::with(remainder);
        let to_bank = [argument(BANK), number(cents(130))];
        let input = input(PURSE, "transfer(address,uint256)", &to_bank);
        let call = purses.call(ALICE, purse_of(purses.assets[0]), 0, &input);
        assert_eq!(purses.off_ledger(&call), Outcome::Returned);
        purses.settle();
        purses.assert_paid([paid, [100, 300]]);
    }
}

/// Where both have lost the state, each gets back what it put in, and nobody before it was long enough awaited.
#[test]
fn where_nobody_shows_the_state_for_long_each_gets_back_what_it_put_in() {
    let mut purses = Purses::new();
    let call = purses.transfer(ALICE, 0, 250);
    assert_eq!(purses.off_ledger(&call), Outcome::Returned);
    let state = purses.scene.signed_position(purses.position(1));
    purses.scene.world.must(&purses.scene.close(ALICE, Some(state)));
    purses.scene.wait();
    purses.scene.refuses(&purses.scene.settle(), Reject::PurseAwaited);
    let early = Wait { millis: ABANDONED_AFTER, commits: 1 };
    purses.scene.world.wait(Wait { millis: Span::millis(early.millis.0 - 100), ..early });
    purses.scene.refuses(&purses.scene.settle(), Reject::PurseAwaited);
    let mut late = Purses { scene: Scene { world: purses.scene.world.clone(), ..purses.scene }, ..purses };
    late.scene.world.wait(Wait { millis: Span::millis(100), commits: LOCK.commits });
    // Whoever has it can show it then too.
    let mut shown = late.scene.world.clone();
    shown.must(&late.scene.settle_with(late.witness()));
    late.scene.world.must(&late.scene.settle());
    late.assert_paid(Purses::FIRST);
    late.scene.world = shown;
    late.assert_paid([[350, 250], [100, 300]]);
}

/// Whoever pays the fee for what is shown at the end leaves the reserve of who has closed alone, and who pays less has paid that for nothing.
#[test]
fn the_fee_for_settling_is_that_of_any_call_and_of_what_is_shown() {
    for (short, is_charged) in [(0, false), (1, true)] {
        let mut purses = Purses::new();
        let state = purses.scene.signed_position(purses.position(1));
        purses.scene.world.must(&purses.scene.close(ALICE, Some(state)));
        purses.scene.wait();
        let settle = purses.scene.settle_with(purses.witness());
        let Some(Call::Channels(call)) = &settle.call else { panic!("it is one") };
        let price = purses.scene.world.genesis.parameters.call_prices.of_gas(call.gas_taken()).unwrap();
        let charged = purses.scene.channel().charged[0].units();
        let before = purses.scene.world.balance(ALICE);
        let draft = Draft { fee: price.checked_sub(Amount::from_units(short)).unwrap(), ..settle };
        purses.scene.world.must(&purses.scene.world.funded(purses.scene.world.coin(CAROL), draft));
        let kept = DEPOSIT - charged - if is_charged { price.units() } else { 0 };
        assert_eq!(purses.scene.world.balance(ALICE), before + kept);
    }
}

#[test]
fn both_part_with_a_split_of_exactly_what_there_is_of_each_asset() {
    let mut purses = Purses::new();
    let one = ChannelAssets::new([AssetParts { asset: purses.assets[0], parts: [600, 0].map(cents) }]);
    let third = AssetParts { asset: purses.scene.world.terms(CAROL).id(), parts: [cents(1); 2] };
    let good = rows(purses.assets, [[0, 600], [399, 1]]);
    let three = ChannelAssets::new(good.iter().copied().chain([third]));
    for bad in [
        ChannelAssets::NONE,
        one.expect("one"),
        three.expect("three"),
        rows(purses.assets, [[0, 601], [399, 1]]),
        rows(purses.assets, [[0, 600], [399, 0]]),
    ] {
        purses.scene.refuses(&purses.close_mutual(bad), Reject::PurseSplit);
    }
    purses.scene.world.must(&purses.close_mutual(good));
    purses.assert_paid([[0, 600], [399, 1]]);
}

#[test]
fn a_purse_does_not_leave_its_channel() {
    let mut purses = Purses::new();
    let purse = purse_of(purses.assets[0]);
    // It takes no WAY; what gets there all the same is a share of what contracts hold.
    purses.state.set_balance(purse, Amount::from_units(700));
    purses.state.set_balance(purses.scene.address(ALICE), Amount::from_units(DEPOSIT - 700));
    let shown = purses.scene.signed_position(purses.position(1));
    purses.scene.world.must(&purses.scene.snapshot(BOB, shown));
    let code = purse_code().to_vec();
    purses.scene.register(&code);
    let expires = purses.scene.world.time + Span::seconds(1);
    let (leave, _) = purses.scene.leave(ALICE, &purses.state, purse, purses.position(2), expires);
    purses.scene.refuses(&leave, Reject::PurseLeaves);
    purses.settle();
    purses.assert_paid(Purses::FIRST);
}

/// A swap, in which the maker's part is in the contract, and the ledger is shown the state.
struct Swapping {
    purses: Purses,
    swap: Address,
}

impl Swapping {
    fn new() -> Self {
        let mut purses = Purses::new();
        let create = compiled(SWAP, "create");
        let call = VmCall {
            caller: purses.scene.address(ALICE),
            target: Target::Create,
            value: Amount::ZERO,
            input: create,
            gas: 5_000_000,
            evidence: Vec::new(),
        };
        let environment = Environment { time: purses.scene.start, height: 0 };
        let made = purses.state.execute(purses.scene.world.network, environment, &call).expect("it runs");
        let swap = made.receipt.contract;
        let code = purses.state.account(swap).and_then(|account| account.contract).expect("a contract").code;
        let code = purses.state.code(code).expect("it was created").to_vec();
        purses.scene.register(&code);
        Self { purses, swap }
    }

    fn input(function: &str, arguments: &[Vec<u8>]) -> Vec<u8> {
        input(SWAP, function, arguments)
    }

    fn approve(&mut self, person: usize, asset: usize, amount: u128) {
        let call = self.approval(person, asset, amount);
        assert_eq!(self.purses.off_ledger(&call), Outcome::Returned);
    }

    fn approval(&self, person: usize, asset: usize, amount: u128) -> VmCall {
        let arguments = [argument(self.swap), number(cents(amount))];
        let input = input(PURSE, "approve(address,uint256)", &arguments);
        self.purses.call(person, purse_of(self.purses.assets[asset]), 0, &input)
    }

    /// Alice offers 200 of the first asset for what is wanted; both have signed that, and Bob closes with it.
    fn offered(&mut self, wanted: Address, amount: Amount, until: Time) {
        self.approve(ALICE, 0, 200);
        let given = argument(purse_of(self.purses.assets[0]));
        let until = number(Amount::from_units(u128::from(until.0 / 1000)));
        let arguments = [given, number(cents(200)), argument(wanted), number(amount), until];
        let offer = Self::input("offer(address,uint256,address,uint256,uint64)", &arguments);
        let call = self.purses.call(ALICE, self.swap, 0, &offer);
        assert_eq!(self.purses.off_ledger(&call), Outcome::Returned);
        let state = self.purses.scene.signed_position(self.purses.position(1));
        self.purses.scene.world.must(&self.purses.scene.close(BOB, Some(state)));
    }

    fn on_offer(&self, function: &str, person: usize, value: u128) -> VmCall {
        let input = Self::input(function, &[number(Amount::from_units(1))]);
        self.purses.call(person, self.swap, value, &input)
    }

    fn force(&mut self, call: &VmCall, by: usize) {
        let Purses { scene, state, .. } = &mut self.purses;
        scene.must_force(state, call, by);
    }

    /// Has the ledger execute a call that must be taken back.
    fn reverts(&mut self, call: &VmCall, by: usize) {
        let Purses { scene, state, .. } = &mut self.purses;
        let draft = scene.force(state, None, call, by);
        scene.world.must(&draft);
        assert_eq!(scene.channel().receipt.map(|receipt| receipt.outcome), Some(CallOutcome::Reverted));
    }

    fn end(mut self) -> Purses {
        self.purses.scene.wait();
        let settle = self.purses.scene.settle_with(self.purses.witness());
        self.purses.scene.world.must(&settle);
        self.purses
    }
}

#[test]
fn a_swap_is_taken_by_force_when_its_maker_is_silent_and_at_once_or_not_at_all() {
    let mut swapping = Swapping::new();
    let (wanted, until) = (purse_of(swapping.purses.assets[1]), swapping.purses.scene.start + Span::minutes(60));
    swapping.offered(wanted, cents(120), until);
    // Without what is wanted nothing is given.
    let accept = swapping.on_offer("accept(uint256)", BOB, 0);
    swapping.reverts(&accept, BOB);
    let approval = swapping.approval(BOB, 1, 120);
    swapping.force(&approval, BOB);
    swapping.force(&accept, BOB);
    // It is taken once.
    swapping.reverts(&accept, BOB);
    swapping.end().assert_paid([[400, 200], [220, 180]]);
}

#[test]
fn an_asset_is_swapped_for_way() {
    let mut swapping = Swapping::new();
    let until = swapping.purses.scene.start + Span::minutes(60);
    swapping.offered(Address([0; 20]), Amount::from_units(70_000), until);
    let too_little = swapping.on_offer("accept(uint256)", BOB, 69_999);
    swapping.reverts(&too_little, BOB);
    let accept = swapping.on_offer("accept(uint256)", BOB, 70_000);
    swapping.force(&accept, BOB);
    assert_eq!(
        swapping.purses.scene.channel().position.balances,
        [DEPOSIT + 70_000, DEPOSIT - 70_000].map(Amount::from_units)
    );
    swapping.end().assert_paid([[400, 200], [100, 300]]);
}

#[test]
fn an_offer_is_its_makers_again_where_it_cancels_and_nobody_elses() {
    let mut swapping = Swapping::new();
    let (wanted, until) = (purse_of(swapping.purses.assets[1]), swapping.purses.scene.start);
    swapping.offered(wanted, cents(120), until);
    let approval = swapping.approval(BOB, 1, 120);
    swapping.force(&approval, BOB);
    // Its time is over.
    let accept = swapping.on_offer("accept(uint256)", BOB, 0);
    swapping.reverts(&accept, BOB);
    let by_other = swapping.on_offer("cancel(uint256)", BOB, 0);
    swapping.reverts(&by_other, BOB);
    let cancel = swapping.on_offer("cancel(uint256)", ALICE, 0);
    swapping.force(&cancel, ALICE);
    swapping.end().assert_paid(Purses::FIRST);
}

#[test]
fn what_is_in_an_offer_that_nobody_took_is_divided_by_the_rule_for_the_rest() {
    let mut swapping = Swapping::new();
    let (wanted, until) = (purse_of(swapping.purses.assets[1]), swapping.purses.scene.start + Span::minutes(60));
    swapping.offered(wanted, cents(120), until);
    swapping.end().assert_paid([[500, 100], [100, 300]]);
}

#[test]
fn what_shows_four_purses_with_many_owners_fits_into_a_transaction() {
    let owners = [ALICE, BOB].map(|person| Address([1 + u8::try_from(person).expect("few"); 20]));
    let row = |number| AssetParts { asset: AssetId(byway_primitives::Hash([number; 32])), parts: [cents(5); 2] };
    let assets = ChannelAssets::new([1, 2, 3, 4].map(row)).expect("four");
    let mut state = State::opening(owners.map(|owner| (owner, Amount::ZERO)), &assets);
    for row in assets.iter() {
        let word = |number: u32| code_hash(&number.to_be_bytes()).0;
        state.put_contract(purse_of(row.asset), purse_code().to_vec(), (0..20_000).map(|slot| (word(slot), [1; 32])));
    }
    let bytes = state.witness_of_purses(&assets, owners).to_bytes();
    let witness = Witness::from_bytes(&bytes).expect("it fits");
    assert_eq!(witness.check(state.root()), Ok(()));
    for row in assets.iter() {
        assert_eq!(witness.in_purse(row.asset, owners), Ok(Some(row.parts)));
    }
}
