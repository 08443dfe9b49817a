//! Contracts that leave their channel, and are called on the ledger.

use byway_ledger::{Verdict, audit};
use byway_primitives::{Amount, Encode, Hash, IdentityId, Span, Time};
use byway_records::call::{AccountsCall, ChannelsCall};
use byway_records::channel::{CallOutcome, Environment, Lane, Movement, Position};
use byway_records::genesis::Wait;
use byway_records::tree::StateTree;
use byway_records::{Call, Reject};
use byway_vm::{Address, Call as VmCall, State, WholeAlone, account_key, receipt_key};

use super::{BANK, DEPOSIT, GAS, RESERVE, Scene};
use crate::world::{ALICE, BOB, CAROL, CHANNEL_PRICE, Draft, units};

const POT: Address = Address([0xc0; 20]);
/// Counts its calls in slot 0, keeps the time in slot 1, and sends what the input's second word says to whom its first names.
const POT_CODE: &str = "5f546001015f55426001553615602157\
    5f5f5f5f6020355f355af16021575f5ffd5b00";
const HELD: u128 = 700_000;

fn hex_of(text: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hex digits");
    (0..text.len()).step_by(2).map(byte).collect()
}

fn pot_code() -> Vec<u8> {
    hex_of(POT_CODE)
}

fn word(number: u128) -> [u8; 32] {
    let mut word = [0; 32];
    word[16..].copy_from_slice(&number.to_be_bytes());
    word
}

/// What has the pot pay somebody.
fn paying(to: Address, amount: u128) -> Vec<u8> {
    let mut first = [0; 32];
    first[12..].copy_from_slice(&to.0);
    [first, word(amount)].concat()
}

/// A channel with a pot that both have signed and the ledger was shown.
fn with_pot(code: &[u8]) -> (Scene, State) {
    let mut scene = Scene::new();
    scene.register(code);
    let mut state = scene.state([DEPOSIT - HELD, DEPOSIT]);
    state.remove_contract(BANK).expect("it is there");
    state.put_contract(POT, code.to_vec(), (1..40).map(|slot| (word(slot), word(slot * 3))));
    state.set_balance(POT, units(HELD));
    let signed = scene.signed_position(position(&scene, &state, 1));
    scene.world.must(&scene.snapshot(BOB, signed));
    (scene, state)
}

fn position(scene: &Scene, state: &State, round: u64) -> Position {
    let balance = |person| state.account(scene.address(person)).expect("a party").balance;
    let environment = Environment { time: scene.start, height: 0 };
    let lanes = [Lane::default(); 2];
    Position { round, balances: [balance(ALICE), balance(BOB)], lanes, root: state.root(), environment }
}

fn soon(scene: &Scene) -> Time {
    scene.world.time + Span::seconds(1)
}

/// The same, and the pot has left.
fn left(code: &[u8]) -> (Scene, State, WholeAlone) {
    let (mut scene, state) = with_pot(code);
    let whole = state.alone(POT).expect("it is there");
    let (draft, after) = scene.leave(ALICE, &state, POT, position(&scene, &state, 2), soon(&scene));
    scene.world.must(&draft);
    (scene, after, whole)
}

/// Calls the pot, which must return, and does the same with what is known of it; gives what that costs.
fn must_call(scene: &mut Scene, by: usize, pot: &mut WholeAlone, value: u128, input: &[u8]) -> u128 {
    let draft = scene.call_left(by, pot, value, input, GAS);
    let call = scene.vm_call(by, POT, value, input);
    let made = pot.execute(scene.world.network, scene.next(), &call).expect("it can be executed");
    assert!(made.after.is_some(), "{made:?}");
    scene.world.must(&draft);
    let entry = scene.contract(POT).expect("it has left");
    assert_eq!(
        entry.receipt.map(|receipt| (receipt.outcome, receipt.gas_used)),
        Some((CallOutcome::Returned, made.gas_used))
    );
    assert_eq!((entry.balance, entry.nonce), (pot.account.balance, pot.account.nonce));
    assert_eq!(Some(entry.storage), pot.account.contract.map(|contract| contract.storage));
    Scene::cost(&draft)
}

#[test]
fn a_contract_leaves_with_what_it_has_and_has_stored() {
    let (mut scene, after, pot) = left(&pot_code());
    let channel = scene.channel();
    assert_eq!(channel.total, units(2 * DEPOSIT - HELD));
    assert_eq!((channel.signed, channel.position.root), (2, after.root()));
    assert_eq!(channel.charged[0], units(2 * CHANNEL_PRICE));
    let entry = scene.contract(POT).expect("it is the ledger's own now");
    let contract = pot.account.contract.expect("it is one");
    assert_eq!((entry.balance, entry.code, entry.storage), (units(HELD), contract.code, contract.storage));
    // A state from before is of no use any more, whatever its round.
    let before = scene.signed(9, [DEPOSIT - HELD, DEPOSIT]);
    let old = byway_records::channel::ChannelState { total: units(2 * DEPOSIT), ..before.body };
    scene.refuses(&scene.snapshot(BOB, scene.cosign(old)), Reject::ChannelTotal);
    // The channel ends without it, and it stays.
    scene.world.must(&scene.close(BOB, None));
    scene.wait();
    scene.world.must(&scene.settle());
    assert_eq!(audited(&mut scene), units(HELD));
}

/// What channels and contracts have, where nothing is lost and nothing came from nowhere.
fn audited(scene: &mut Scene) -> Amount {
    scene.world.wait(Wait { millis: Span::seconds(40), commits: 1 });
    let last = scene.world.checkpoints.last().expect("one comes after so long").checkpoint;
    let supply = audit(&scene.world.store, &scene.world.genesis, &last).expect("balanced");
    supply.way().channels
}

#[test]
fn nothing_is_burned_by_a_contract_that_is_made_and_destroyed_in_one_call() {
    // It makes a contract with what it is sent, which destroys itself in favour of itself.
    let (mut scene, _, pot) = left(&hex_of("6130ff5f526002601e34f000"));
    let [alice, bob] = scene.accounts();
    let before = audited(&mut scene);
    let draft = scene.call_left(ALICE, &pot, 900, &[], GAS);
    scene.world.must(&draft);
    let entry = scene.contract(POT).unwrap();
    let receipt = entry.receipt.unwrap();
    assert_eq!((receipt.outcome, entry.balance), (CallOutcome::Halted, units(HELD)));
    let call = VmCall { gas: GAS, ..scene.vm_call(ALICE, POT, 900, &[]) };
    let followed = pot.clone().execute(scene.world.network, scene.next(), &call).unwrap();
    assert_eq!(followed.after, None, "whoever follows it comes to the same");
    assert_eq!(scene.accounts(), [alice - Scene::cost(&draft), bob]);
    assert_eq!(audited(&mut scene), before);
}

/// Anyone makes an account for anyone.
fn make_account(scene: &mut Scene, address: Address) {
    let draft = scene.world.deposit(scene.world.coin(CAROL), CAROL, 1_000);
    let call = Call::Accounts(AccountsCall::Deposit { to: IdentityId(address.0) });
    scene.world.must(&Draft { call: Some(call), ..draft });
}

#[test]
fn it_pays_no_address_that_nobody_can_have_whatever_account_it_has() {
    const SIBLING: Address = Address([0xc1; 20]);
    let (mut scene, after, pot) = left(&pot_code());
    let mut with_sibling = after;
    with_sibling.put_contract(SIBLING, pot_code(), []);
    with_sibling.set_balance(SIBLING, units(50_000));
    with_sibling.set_balance(scene.address(BOB), units(DEPOSIT - 50_000));
    let at = position(&scene, &with_sibling, 3);
    let (draft, _) = scene.leave(ALICE, &with_sibling, SIBLING, at, soon(&scene));
    scene.world.must(&draft);
    let nobody: [Address; 3] = [0, 4, 255].map(|number| Address(word(number)[12..].try_into().unwrap()));
    for address in nobody.into_iter().chain([SIBLING]) {
        make_account(&mut scene, address);
        let draft = scene.call_left(ALICE, &pot, 0, &paying(address, 1), GAS);
        scene.world.must(&draft);
        let receipt = scene.contract(POT).unwrap().receipt.unwrap();
        assert_eq!(receipt.outcome, CallOutcome::Halted, "{address:?}");
    }
    let somebody = Address([0x77; 20]);
    make_account(&mut scene, somebody);
    let mut pot = pot;
    must_call(&mut scene, ALICE, &mut pot, 0, &paying(somebody, 1));
}

#[test]
fn what_changes_nothing_takes_no_room_and_strangers_have_half_of_it() {
    let (mut scene, _, pot) = left(&hex_of("5f00"));
    scene.world.must(&scene.call_left(ALICE, &pot, 0, &[], GAS));
    let entry = scene.contract(POT).unwrap();
    assert_eq!((entry.receipt.unwrap().outcome, entry.calls.len()), (CallOutcome::Returned, 0));
    scene.world.must(&scene.call_left(ALICE, &pot, 1, &[], GAS));
    assert_eq!(scene.contract(POT).unwrap().calls.len(), 1);
    let (mut scene, _, mut pot) = left(&pot_code());
    scene.world.must(&scene.world.deposit(scene.world.coin(CAROL), CAROL, 9_000_000));
    let [short, long] = [64, 2_048].map(|bytes| vec![0; bytes]);
    while scene.world.checkpoints.last().expect("one").checkpoint.commits != scene.world.ledger.commits() {
        scene.world.commit(&[]);
    }
    must_call(&mut scene, CAROL, &mut pot, 0, &long);
    let again = scene.call_left(CAROL, &pot, 0, &short, GAS);
    scene.refuses(&again, Reject::ContractBusy);
    must_call(&mut scene, BOB, &mut pot, 0, &long);
    show(&mut scene);
    must_call(&mut scene, CAROL, &mut pot, 0, &short);
}

/// A checkpoint shows what was called.
fn show(scene: &mut Scene) {
    (0..8).for_each(|_| drop(scene.world.commit(&[])));
}

#[test]
fn whoever_wants_to_calls_it_and_it_pays_whom_it_can() {
    let (mut scene, _, mut pot) = left(&pot_code());
    scene.world.must(&scene.world.deposit(scene.world.coin(CAROL), CAROL, 1_000_000));
    let [alice, bob] = scene.accounts();
    let cost = must_call(&mut scene, CAROL, &mut pot, 5_000, &[]);
    assert_eq!(scene.world.balance(CAROL), 1_000_000 - 5_000 - cost);
    let to_bob = paying(scene.address(BOB), 60_000);
    show(&mut scene);
    must_call(&mut scene, CAROL, &mut pot, 0, &to_bob);
    assert_eq!(scene.accounts(), [alice, bob + 60_000]);
    // What the caller is paid it has, and what it sends it has not.
    let before = scene.world.balance(CAROL);
    let to_carol = paying(scene.address(CAROL), 600_000);
    show(&mut scene);
    let cost = must_call(&mut scene, CAROL, &mut pot, 50_000, &to_carol);
    assert_eq!(scene.world.balance(CAROL), before + 550_000 - cost);
    assert_eq!(pot.account.balance, units(HELD + 5_000 - 60_000 + 50_000 - 600_000));
    let entry = scene.contract(POT).unwrap();
    assert_eq!(entry.calls.iter().map(|call| call.number).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn what_it_pays_to_nobody_changes_nothing_and_costs_gas() {
    let (mut scene, _, pot) = left(&pot_code());
    let before = scene.contract(POT).unwrap();
    for (input, outcome) in [
        (paying(Address([0x77; 20]), 1), CallOutcome::Halted),
        (paying(Address(word(2)[12..].try_into().unwrap()), 1), CallOutcome::Halted),
        (paying(scene.address(ALICE), HELD + 1), CallOutcome::Reverted),
    ] {
        let [alice, bob] = scene.accounts();
        let draft = scene.call_left(ALICE, &pot, 0, &input, GAS);
        scene.world.must(&draft);
        let entry = scene.contract(POT).unwrap();
        let receipt = entry.receipt.clone().unwrap();
        assert_eq!((receipt.outcome, receipt.number), (outcome, 1));
        assert_eq!((entry.balance, entry.storage, entry.calls.len()), (before.balance, before.storage, 0));
        assert_eq!(scene.accounts(), [alice - Scene::cost(&draft), bob]);
    }
}

#[test]
fn a_call_that_does_not_return_and_a_witness_that_lacks_something_cost_gas() {
    for (code, outcome) in [
        ("60015f555f5ffd", CallOutcome::Reverted),
        ("60015f555b600456", CallOutcome::OutOfGas),
        ("60015f55fe", CallOutcome::Halted),
        // Makes another contract: with code, and without.
        ("6460016000f35f526005601b5ff000", CallOutcome::Halted),
        ("5f5f5ff000", CallOutcome::Halted),
        ("5f00", CallOutcome::Returned),
    ] {
        let (mut scene, _, pot) = left(&hex_of(code));
        let [alice, bob] = scene.accounts();
        let draft = scene.call_left(ALICE, &pot, 900, &[], GAS);
        scene.world.must(&draft);
        let entry = scene.contract(POT).unwrap();
        let receipt = entry.receipt.clone().unwrap();
        assert_eq!(receipt.outcome, outcome, "{code}");
        let sent = if outcome == CallOutcome::Returned { 900 } else { 0 };
        assert_eq!(entry.balance, units(HELD + sent), "{code}");
        assert_eq!(scene.accounts(), [alice - sent - Scene::cost(&draft), bob], "{code}");
    }
    let (mut scene, _, pot) = left(&pot_code());
    let mut draft = scene.call_left(ALICE, &pot, 0, &[], GAS);
    let Some(Call::Channels(ChannelsCall::CallContract(call))) = &mut draft.call else { panic!("it is one") };
    let storage = pot.account.contract.unwrap().storage;
    call.witness = byway_records::tree::PartialTree::hidden(storage).to_bytes();
    scene.world.must(&draft);
    let receipt = scene.contract(POT).unwrap().receipt.unwrap();
    assert_eq!((receipt.outcome, receipt.gas_used), (CallOutcome::Missing, GAS));
}

#[test]
fn what_leaves_is_what_the_state_has_and_nothing_else() {
    let (mut scene, state) = with_pot(&pot_code());
    let good = |scene: &Scene| scene.leave(ALICE, &state, POT, position(scene, &state, 2), soon(scene)).0;
    let with = |scene: &Scene, change: &dyn Fn(&mut byway_records::channel::FundingChange, &mut Vec<u8>)| {
        let mut draft = good(scene);
        let Some(Call::Channels(ChannelsCall::Leave(leave))) = &mut draft.call else { panic!("it is one") };
        let mut body = leave.change.body;
        change(&mut body, &mut leave.part);
        leave.change = scene.cosign(body);
        draft
    };
    let mut other = state.clone();
    other.set_balance(POT, units(HELD + 1));
    let forged = other.part_of_contract(POT).to_bytes();
    // It shows the contract, and more.
    let mut tree = StateTree::new();
    for address in [scene.address(ALICE), scene.address(BOB), POT] {
        tree.insert(account_key(address), state.account(address).expect("it is there").to_bytes());
    }
    tree.rehash();
    assert_eq!(tree.root(), state.root());
    let shown = [account_key(POT), receipt_key()];
    assert_eq!(tree.part(&shown.clone().into()).to_bytes(), state.part_of_contract(POT).to_bytes());
    let more = shown.into_iter().chain([account_key(scene.address(ALICE)), account_key(scene.address(BOB))]);
    let padded = tree.part(&more.collect()).to_bytes();
    let party = scene.address(BOB).0;
    let mut empty = state.clone();
    empty.set_balance(POT, Amount::ZERO);
    let (nothing, _) = scene.leave(ALICE, &empty, POT, position(&scene, &empty, 2), soon(&scene));
    let refused = [
        with(&scene, &|body, _| body.value.amount = units(HELD - 1)),
        nothing,
        with(&scene, &|body, _| body.movement = Movement::Withdraw),
        with(&scene, &|body, _| body.state.position.root = state.root()),
        with(&scene, &|body, _| body.movement = Movement::Leave { contract: POT.0, base: Hash([1; 32]) }),
        with(&scene, &|body, _| body.movement = Movement::Leave { contract: party, base: state.root() }),
        with(&scene, &|body, _| body.movement = Movement::Leave { contract: [9; 20], base: state.root() }),
        with(&scene, &|_, part| *part = forged.clone()),
        with(&scene, &|_, part| part.truncate(9)),
        with(&scene, &|_, part| *part = padded.clone()),
        with(&scene, &|_, part| *part = byway_records::tree::PartialTree::hidden(state.root()).to_bytes()),
    ];
    refused.iter().for_each(|draft| scene.refuses(draft, Reject::ContractProof));
    let mut fund = good(&scene);
    let Some(Call::Channels(ChannelsCall::Leave(leave))) = &fund.call else { panic!("it is one") };
    fund.call = Some(Call::Channels(ChannelsCall::Fund(leave.change)));
    scene.refuses(&fund, Reject::ContractProof);
    let late = with(&scene, &|body, _| body.expires = Time(1));
    scene.refuses(&late, Reject::ChannelExpired);
    let old = with(&scene, &|body, _| body.state.position.round = 1);
    scene.refuses(&old, Reject::ChannelRound);
    let more = with(&scene, &|body, _| body.state.total = units(2 * DEPOSIT));
    scene.refuses(&more, Reject::ChannelTotal);
    assert_eq!(scene.contract(POT), None);
    let draft = good(&scene);
    scene.world.must(&draft);
    // Nobody signed that a second one of the same address leaves; if they had, it would have no place.
    let mut again = scene.state([RESERVE * 2, DEPOSIT]);
    again.put_contract(POT, pot_code(), []);
    again.set_balance(POT, units(1));
    let (draft, _) = scene.leave(ALICE, &again, POT, position(&scene, &again, 3), soon(&scene));
    scene.refuses(&draft, Reject::ContractKnown);
}

#[test]
fn a_contract_leaves_only_an_active_channel_and_with_code_that_is_registered() {
    let mut scene = Scene::new();
    let mut state = scene.state([DEPOSIT - HELD, DEPOSIT]);
    state.put_contract(POT, pot_code(), []);
    state.set_balance(POT, units(HELD));
    state.set_balance(BANK, Amount::ZERO);
    let (unknown, _) = scene.leave(ALICE, &state, POT, position(&scene, &state, 2), soon(&scene));
    scene.refuses(&unknown, Reject::CodeUnknown);
    scene.register(&pot_code());
    scene.world.must(&scene.close(BOB, None));
    let (late, _) = scene.leave(ALICE, &state, POT, position(&scene, &state, 2), soon(&scene));
    scene.refuses(&late, Reject::ChannelPhase);
}

#[test]
fn what_can_be_refused_before_a_contract_runs_is_refused_for_nothing() {
    let (mut scene, _, mut pot) = left(&pot_code());
    let old = pot.clone();
    must_call(&mut scene, BOB, &mut pot, 10, &[]);
    let before = (scene.accounts(), scene.contract(POT));
    let stale = scene.call_left(ALICE, &old, 0, &[], GAS);
    scene.refuses(&stale, Reject::ContractState);
    let dear = scene.call_left(ALICE, &pot, 0, &[], byway_ledger::CONTRACT_GAS_MAX + 1);
    scene.refuses(&dear, Reject::ContractCall);
    let little = with(&scene.call_left(ALICE, &pot, 0, &[], GAS), &|call| call.gas = 20_000);
    scene.refuses(&little, Reject::ContractCall);
    let good = scene.call_left(ALICE, &pot, 0, &[], GAS);
    scene.refuses(&with(&good, &|call| call.contract = [1; 20]), Reject::ContractUnknown);
    scene.refuses(&Draft { signers: vec![BOB], ..good }, Reject::NotAuthorised);
    let poor = scene.call_left(CAROL, &pot, 0, &[], GAS);
    scene.refuses(&poor, Reject::BalanceTooSmall);
    let has = scene.accounts()[ALICE];
    let most = Scene::cost(&scene.call_left(ALICE, &pot, 0, &[], GAS));
    let rich = scene.call_left(ALICE, &pot, has - most + 1, &[], GAS);
    scene.refuses(&rich, Reject::BalanceTooSmall);
    assert_eq!((scene.accounts(), scene.contract(POT)), before);
    must_call(&mut scene, ALICE, &mut pot, has - most, &[]);
}

/// A call that is like another but for something.
fn with(draft: &Draft, change: &dyn Fn(&mut byway_records::call::CallContract)) -> Draft {
    let mut draft = Draft { call: draft.call.clone(), signers: draft.signers.clone(), ..Draft::default() };
    if let Some(Call::Channels(ChannelsCall::CallContract(call))) = &mut draft.call {
        change(call);
    }
    draft
}

#[test]
fn contracts_on_the_ledger_leave_room_for_a_forced_call_in_every_commit() {
    let (mut scene, state, pot) = left(&pot_code());
    let most = byway_ledger::CONTRACT_GAS_MAX;
    let calls = [ALICE, BOB].map(|by| scene.call_left(by, &pot, 0, &[], most));
    let mut drafts = calls.map(|draft| scene.world.sign(&draft)).to_vec();
    let call = VmCall { gas: byway_records::channel::FORCED_GAS_MAX, ..scene.vm_call(BOB, BANK, 0, &[]) };
    let forced = scene.force(&state, None, &call, BOB);
    // Whoever forces so much pays by the fee.
    let forced = scene.world.funded(scene.world.coin(BOB), Draft { fee: units(3_000_000), ..forced });
    drafts.push(scene.world.sign(&forced));
    let verdicts = scene.world.commit(&drafts);
    assert_eq!(verdicts[..2], [Verdict::Final, Verdict::Rejected(Reject::ContractBusy)]);
    assert_eq!(verdicts[2], Verdict::Final);
}

#[test]
fn no_call_of_a_contract_that_a_checkpoint_has_not_shown_makes_room_for_another() {
    let (mut scene, _, mut pot) = left(&pot_code());
    let long = |scene: &Scene| [paying(scene.address(BOB), 0), vec![0; 2_048 - 64]].concat();
    while scene.world.checkpoints.last().expect("one").checkpoint.commits != scene.world.ledger.commits() {
        scene.world.commit(&[]);
    }
    for _ in 0..2 {
        let input = long(&scene);
        must_call(&mut scene, BOB, &mut pot, 0, &input);
    }
    let third = scene.call_left(BOB, &pot, 0, &long(&scene), GAS);
    scene.refuses(&third, Reject::ContractBusy);
    show(&mut scene);
    let input = long(&scene);
    must_call(&mut scene, BOB, &mut pot, 0, &input);
    let numbers: Vec<_> = scene.contract(POT).unwrap().calls.iter().map(|call| call.number).collect();
    assert_eq!(numbers, [2, 3]);
}

#[test]
fn the_fee_of_its_transaction_pays_for_a_call_too_also_where_the_caller_has_no_account() {
    let (mut scene, _, mut pot) = left(&pot_code());
    let before = scene.accounts();
    assert_eq!(scene.world.account(CAROL), None);
    for by in [BOB, CAROL] {
        let draft = scene.call_left(by, &pot, 0, &[], GAS);
        let fee = units(Scene::cost(&draft));
        let draft = scene.world.funded(scene.world.coin(by), Draft { fee, ..draft });
        scene.world.must(&draft);
        let call = scene.vm_call(by, POT, 0, &[]);
        let environment = Environment { time: scene.world.time, ..scene.next() };
        pot.execute(scene.world.network, environment, &call).unwrap();
        let entry = scene.contract(POT).unwrap();
        assert_eq!(Some(entry.storage), pot.account.contract.map(|contract| contract.storage));
    }
    assert_eq!(scene.accounts(), before);
    // Whoever has called it can be paid by it, whoever calls it then.
    assert_eq!(scene.world.account(CAROL).map(|account| account.balance), Some(Amount::ZERO));
    let to_carol = paying(scene.address(CAROL), 600);
    must_call(&mut scene, BOB, &mut pot, 0, &to_carol);
    assert_eq!(scene.world.balance(CAROL), 600);
}
