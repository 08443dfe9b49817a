//! Calls that the ledger executes in the place of two who don't agree.

use byway_ledger::Verdict;
use byway_primitives::{Amount, Encode, Span, Time};
use byway_records::call::ChannelsCall;
use byway_records::channel::{CallOutcome, ChannelTerms, Environment, FORCED_GAS_MAX, ForcedCall, Lane, Position};
use byway_records::genesis::Wait;
use byway_records::promise::ChannelId;
use byway_records::{Call, Reject};
use byway_vm::{Address, Call as VmCall, Outcome, State, Target};

use super::{BANK, DEPOSIT, GAS, RESERVE, SAVED, Scene, draft};
use crate::world::{ALICE, BOB, CHANNEL_PRICE, Draft, units};

const CONTRACT: Address = Address([0xc0; 20]);

/// The channel after both signed a state with a contract that runs `code`. Its code is registered.
fn with_code(code: &[u8]) -> (Scene, State) {
    let mut scene = Scene::new();
    let mut state = scene.state([DEPOSIT; 2]);
    state.put_contract(CONTRACT, code.to_vec(), []);
    if code != super::BANK_CODE {
        scene.register(code);
    }
    show(&mut scene, &state, 1);
    (scene, state)
}

fn position_of(scene: &Scene, state: &State, round: u64) -> Position {
    let balance = |person| state.account(scene.address(person)).expect("a party").balance;
    let environment = Environment { time: scene.start, height: 0 };
    let lanes = [Lane::default(); 2];
    Position { round, balances: [balance(ALICE), balance(BOB)], lanes, root: state.root(), environment }
}

fn show(scene: &mut Scene, state: &State, round: u64) {
    let signed = scene.signed_position(position_of(scene, state, round));
    scene.world.must(&scene.snapshot(BOB, signed));
}

pub fn hex_of(text: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hex digits");
    (0..text.len()).step_by(2).map(byte).collect()
}

#[test]
fn a_call_that_does_not_return_is_charged_and_makes_no_round() {
    // Stores something and then: reverts, runs for ever, does what no code may.
    for (code, outcome) in [
        ("60015f555f5ffd", CallOutcome::Reverted),
        ("60015f555b600456", CallOutcome::OutOfGas),
        ("60015f55fe", CallOutcome::Halted),
    ] {
        let (mut scene, state) = with_code(&hex_of(code));
        let before = scene.channel();
        let call = scene.vm_call(ALICE, CONTRACT, 1_000, &[]);
        let draft = scene.force(&state, None, &call, ALICE);
        scene.world.must(&draft);
        let channel = scene.channel();
        let receipt = channel.receipt.expect("one is kept");
        assert_eq!((receipt.outcome, receipt.round), (outcome, 2), "{code}");
        assert_eq!(channel.position, before.position, "{code}");
        assert_eq!(channel.signed, before.signed, "{code}");
        let charged = before.charged[0].units() + Scene::cost(&draft);
        assert_eq!(channel.charged, [units(charged), before.charged[1]], "{code}");
    }
}

#[test]
fn a_call_that_takes_the_reserve_is_charged_and_makes_no_round() {
    let (mut scene, state) = with_code(&super::BANK_CODE);
    for (value, outcome) in [(DEPOSIT - RESERVE + 1, CallOutcome::Balances), (DEPOSIT - RESERVE, CallOutcome::Returned)]
    {
        let call = scene.vm_call(ALICE, CONTRACT, value, &[]);
        scene.world.must(&scene.force(&state, None, &call, ALICE));
        assert_eq!(scene.channel().receipt.map(|receipt| receipt.outcome), Some(outcome));
        assert_eq!(scene.round(), if outcome == CallOutcome::Returned { 2 } else { 1 });
    }
}

#[test]
fn a_witness_that_lacks_something_is_charged_for_all_gas() {
    // Reads the slot that the input names.
    let (mut scene, mut state) = with_code(&hex_of("5f355400"));
    let slots = (1u8..20).map(|slot| ([slot; 32], [1; 32]));
    state.put_contract(CONTRACT, hex_of("5f355400"), slots);
    show(&mut scene, &state, 2);
    let (shown, wanted) = (scene.vm_call(ALICE, CONTRACT, 0, &[1; 32]), scene.vm_call(ALICE, CONTRACT, 0, &[2; 32]));
    let parties = [ALICE, BOB].map(|person| scene.address(person));
    let (witness, _) = state.witness(scene.world.network, scene.now(), &shown, &parties).expect("it runs");
    let force = scene.forcing(3, None, &wanted, scene.now(), witness.to_bytes());
    let before = scene.channel().charged[0].units();
    let draft = draft(force, &[ALICE]);
    scene.world.must(&draft);
    let channel = scene.channel();
    assert_eq!(channel.receipt.map(|receipt| receipt.outcome), Some(CallOutcome::Missing));
    assert_eq!(channel.charged[0], units(before + Scene::cost(&draft)));
    assert_eq!(channel.position.round, 2);
}

/// Much that is named and little that is used would otherwise keep others out of commits for next to nothing.
#[test]
fn what_is_named_and_shown_is_paid_for_whether_it_is_used_or_not() {
    for gas in [GAS / 2, GAS] {
        let (mut scene, state) = with_code(&super::BANK_CODE);
        let before = scene.channel().charged[0].units();
        let call = VmCall { gas, ..scene.vm_call(ALICE, CONTRACT, 1_000, &[]) };
        let draft = scene.force(&state, None, &call, ALICE);
        let Some(Call::Channels(ChannelsCall::ForceProgress(force))) = &draft.call else { panic!("it is one") };
        let named = gas + 16 * force.witness.len() as u64;
        scene.world.must(&draft);
        let channel = scene.channel();
        assert_eq!(channel.charged[0], units(before + CHANNEL_PRICE + u128::from(named)));
        assert!(channel.receipt.expect("one is kept").gas_used < gas);
    }
}

#[test]
fn a_witness_that_shows_more_than_the_call_needs_makes_no_round() {
    let (mut scene, mut state) = with_code(&hex_of("5f355400"));
    state.put_contract(CONTRACT, hex_of("5f355400"), (1u8..20).map(|slot| ([slot; 32], [1; 32])));
    show(&mut scene, &state, 2);
    let call = scene.vm_call(ALICE, CONTRACT, 0, &[1; 32]);
    let parties = [ALICE, BOB].map(|person| scene.address(person));
    let more = [parties[0], parties[1], Address([0xee; 20])];
    let (padded, _) = state.witness(scene.world.network, scene.now(), &call, &more).expect("it runs");
    let force = draft(scene.forcing(3, None, &call, scene.now(), padded.to_bytes()), &[ALICE]);
    let before = scene.channel().charged[0].units();
    scene.world.must(&force);
    let channel = scene.channel();
    let receipt = channel.receipt.expect("one is kept");
    assert_eq!((receipt.outcome, receipt.gas_used), (CallOutcome::Missing, GAS));
    assert_eq!((channel.position.round, channel.charged[0]), (2, units(before + Scene::cost(&force))));
    scene.must_force(&mut state, &call, ALICE);
}

#[test]
fn code_that_is_not_registered_is_missing() {
    let mut scene = Scene::new();
    let mut state = scene.state([DEPOSIT; 2]);
    state.put_contract(CONTRACT, hex_of("5f5f5500"), []);
    show(&mut scene, &state, 1);
    let call = scene.vm_call(BOB, CONTRACT, 0, &[]);
    scene.world.must(&scene.force(&state, None, &call, BOB));
    assert_eq!(scene.channel().receipt.map(|receipt| receipt.outcome), Some(CallOutcome::Missing));
}

#[test]
fn what_can_be_refused_before_it_runs_is_refused_for_nothing() {
    let (mut scene, state) = with_code(&super::BANK_CODE);
    let call = scene.vm_call(ALICE, CONTRACT, 1_000, &[]);
    let parties = [ALICE, BOB].map(|person| scene.address(person));
    let witness = |scene: &Scene, state: &State, call: &VmCall| {
        state.witness(scene.world.network, scene.now(), call, &parties).expect("it runs").0.to_bytes()
    };
    let good = witness(&scene, &state, &call);
    let other = witness(&scene, &scene.state([DEPOSIT - 1, DEPOSIT]), &call);
    let now = scene.now();
    let in_ahead = Environment { time: scene.world.time + Span::seconds(60), ..now };
    let before = Environment { time: Time(scene.start.0 - 1), ..now };
    let height_ahead = Environment { height: 1_000, ..now };
    let (much_gas, no_gas) =
        (VmCall { gas: FORCED_GAS_MAX + 1, ..call.clone() }, VmCall { gas: 20_000, ..call.clone() });
    let too_dear = VmCall { gas: FORCED_GAS_MAX, ..call.clone() };
    let unpayable = VmCall { value: units(DEPOSIT + 1), ..call.clone() };
    let all_gas = VmCall { gas: u64::MAX, ..call.clone() };
    for (round, call, environment, witness, reason) in [
        (2, &all_gas, now, good.clone(), Reject::ChannelCall),
        (1, &call, now, good.clone(), Reject::ChannelCall),
        (3, &call, now, good.clone(), Reject::ChannelCall),
        (2, &much_gas, now, good.clone(), Reject::ChannelCall),
        (2, &no_gas, now, good.clone(), Reject::ChannelCall),
        (2, &unpayable, now, good.clone(), Reject::ChannelCall),
        (2, &too_dear, now, good.clone(), Reject::ChannelFee),
        (2, &call, in_ahead, good.clone(), Reject::ChannelEnvironment),
        (2, &call, before, good.clone(), Reject::ChannelEnvironment),
        (2, &call, height_ahead, good.clone(), Reject::ChannelEnvironment),
        (2, &call, now, other, Reject::ChannelWitness),
        (2, &call, now, good[1..].to_vec(), Reject::ChannelWitness),
        (2, &call, now, Vec::new(), Reject::ChannelWitness),
    ] {
        let charged = scene.channel().charged;
        scene.refuses(&draft(scene.forcing(round, None, call, environment, witness), &[ALICE]), reason);
        assert_eq!((scene.channel().charged, scene.channel().receipt), (charged, None));
    }
    scene.world.must(&draft(scene.forcing(2, None, &call, now, good), &[ALICE]));
}

#[test]
fn a_contract_is_not_shown_a_time_of_long_ago() {
    let (mut scene, state) = with_code(&super::BANK_CODE);
    let call = scene.vm_call(ALICE, CONTRACT, 1_000, &[]);
    let old = scene.force(&state, None, &call, ALICE);
    scene.world.wait(Wait { millis: Span::minutes(2), commits: 1 });
    scene.refuses(&old, Reject::ChannelEnvironment);
    scene.world.must(&scene.force(&state, None, &call, ALICE));
}

#[test]
fn a_contract_is_not_shown_a_height_of_long_ago() {
    let (mut scene, state) = with_code(&super::BANK_CODE);
    let call = scene.vm_call(ALICE, CONTRACT, 1_000, &[]);
    // Two minutes have 480 quarters of a second.
    while scene.world.ledger.last_checkpoint().expect("there is one").height.0 < 480 {
        scene.world.wait(Wait { millis: Span::seconds(31), commits: 1 });
    }
    scene.refuses(&scene.force(&state, None, &call, ALICE), Reject::ChannelEnvironment);
    let parties = [ALICE, BOB].map(|person| scene.address(person));
    let recent = Environment { height: 1, ..scene.now() };
    let witness = state.witness(scene.world.network, recent, &call, &parties).expect("it runs").0.to_bytes();
    scene.world.must(&draft(scene.forcing(2, None, &call, recent, witness), &[ALICE]));
}

#[test]
fn accounts_that_are_not_what_the_state_says_are_not_forced_on() {
    let (mut scene, state) = with_code(&super::BANK_CODE);
    let lying = Position { balances: [units(DEPOSIT - 5), units(DEPOSIT + 5)], ..position_of(&scene, &state, 2) };
    scene.world.must(&scene.snapshot(BOB, scene.signed_position(lying)));
    let call = scene.vm_call(ALICE, CONTRACT, 1_000, &[]);
    scene.refuses(&scene.force(&state, None, &call, ALICE), Reject::ChannelWitness);
}

#[test]
fn a_state_that_both_signed_counts_though_the_call_on_it_reverts() {
    let (mut scene, state) = with_code(&hex_of("5f5ffd"));
    let shown = scene.signed_position(position_of(&scene, &state, 6));
    let call = scene.vm_call(ALICE, CONTRACT, 0, &[]);
    scene.world.must(&scene.force(&state, Some(shown), &call, ALICE));
    let channel = scene.channel();
    assert_eq!((channel.signed, channel.position.round, channel.first_forced()), (6, 6, None));
}

#[test]
fn gas_can_be_paid_from_outside() {
    let (mut scene, state) = with_code(&super::BANK_CODE);
    let before = scene.channel().charged;
    let call = VmCall { gas: FORCED_GAS_MAX, ..scene.vm_call(ALICE, CONTRACT, 1_000, &[]) };
    let force = scene.force(&state, None, &call, ALICE);
    let force = Draft { fee: units(Scene::cost(&force)), ..force };
    scene.world.must(&scene.world.funded(scene.world.coin(ALICE), force));
    assert_eq!((scene.round(), scene.channel().charged), (2, before));
}

/// The forced call in a draft, changed and signed again by Alice.
fn resigned(scene: &Scene, draft: &Draft, change: impl Fn(&mut ForcedCall)) -> Draft {
    let mut draft = draft.clone();
    if let Some(Call::Channels(ChannelsCall::ForceProgress(force))) = &mut draft.call {
        let mut call = force.call.call.clone();
        change(&mut call);
        force.call = call.sign(&scene.world.people[ALICE].identity);
    }
    draft
}

#[test]
fn a_call_is_forced_on_the_state_that_it_names_and_within_its_time() {
    let (mut scene, state) = with_code(&super::BANK_CODE);
    let call = scene.vm_call(ALICE, CONTRACT, 1_000, &[]);
    let force = scene.force(&state, None, &call, ALICE);
    let elsewhere = resigned(&scene, &force, |call| call.base = scene.state([DEPOSIT - 1, DEPOSIT]).root());
    scene.refuses(&elsewhere, Reject::ChannelCall);
    let late = resigned(&scene, &force, |call| call.expires = scene.world.time);
    scene.refuses(&late, Reject::ChannelExpired);
    scene.world.must(&force);
}

#[test]
fn nobody_takes_every_round_of_an_active_channel() {
    let (mut scene, mut state) = with_code(&super::BANK_CODE);
    let of = |scene: &Scene, person| scene.vm_call(person, CONTRACT, 1_000, &[]);
    let by_alice = of(&scene, ALICE);
    scene.must_force(&mut state, &by_alice, ALICE);
    scene.refuses(&scene.force(&state, None, &by_alice, ALICE), Reject::ChannelTurn);
    let by_bob = of(&scene, BOB);
    scene.must_force(&mut state, &by_bob, BOB);
    scene.must_force(&mut state, &by_alice, ALICE);
    scene.refuses(&scene.force(&state, None, &by_alice, ALICE), Reject::ChannelTurn);
    // What Alice does otherwise is no act of Bob's.
    let set = |scene: &Scene, by, delegates| {
        draft(ChannelsCall::SetDelegates { channel: scene.id, side: super::side_of(by), delegates }, &[by])
    };
    scene.world.must(&set(&scene, ALICE, Vec::new()));
    scene.refuses(&scene.force(&state, None, &by_alice, ALICE), Reject::ChannelTurn);
    scene.world.must(&set(&scene, BOB, Vec::new()));
    scene.must_force(&mut state, &by_alice, ALICE);
    // Bob has had a whole lock period.
    scene.wait();
    scene.must_force(&mut state, &by_alice, ALICE);
}

#[test]
fn a_side_forces_one_call_in_a_commit_and_takes_none_from_the_other() {
    let (mut scene, state) = with_code(&hex_of("5f5ffd"));
    let of = |scene: &Scene, person| scene.force(&state, None, &scene.vm_call(person, CONTRACT, 0, &[]), person);
    let drafts = [of(&scene, ALICE), of(&scene, ALICE), of(&scene, BOB)];
    let transactions: Vec<_> = drafts.iter().map(|draft| scene.world.sign(draft)).collect();
    let before = scene.channel().charged;
    let verdicts = scene.world.commit(&transactions);
    assert_eq!(verdicts, [Verdict::Final, Verdict::Rejected(Reject::ChannelBusy), Verdict::Final]);
    let cost = [&drafts[0], &drafts[2]].map(Scene::cost);
    let charged = [ALICE, BOB].map(|person| units(before[person].units() + cost[person]));
    assert_eq!(scene.channel().charged, charged, "what was refused is not charged");
    scene.world.must(&of(&scene, ALICE));
}

/// Forced calls of both sides of so many channels, which may use so much gas each. Each would take the reserve, and so makes no
/// round: each side can force one on the same state.
fn forced_by_all(scene: &mut Scene, channels: usize, gas: u64) -> Vec<Draft> {
    let parties = [ALICE, BOB].map(|person| (scene.address(person), units(DEPOSIT / 2)));
    let mut drafts = Vec::new();
    for _ in 0..channels {
        let (deposits, reserve) = ([units(DEPOSIT / 2); 2], units(DEPOSIT / 2));
        let terms = ChannelTerms { deposits, reserve, ..super::terms(&scene.world) };
        let id = scene.world.must(&draft(ChannelsCall::Create { terms }, &[ALICE, BOB]));
        scene.id = ChannelId(id.0);
        let of = |person| VmCall { gas, ..scene.vm_call(person, BANK, 1, &[]) };
        drafts.extend([ALICE, BOB].map(|person| scene.force(&State::new(parties), None, &of(person), person)));
    }
    drafts
}

#[test]
fn a_commit_forces_no_more_than_it_has_gas_for_and_the_rest_is_handed_in_again() {
    let mut scene = Scene::new();
    let drafts = forced_by_all(&mut scene, 3, 950_000);
    let transactions: Vec<_> = drafts.iter().map(|draft| scene.world.sign(draft)).collect();
    let verdicts = scene.world.commit(&transactions);
    assert_eq!(verdicts[..4], [Verdict::Final; 4]);
    assert_eq!(verdicts[4..], [Verdict::Rejected(Reject::ChannelBusy); 2]);
    let channel = scene.channel();
    assert_eq!((channel.charged, channel.receipt), ([units(CHANNEL_PRICE), units(0)], None), "only its opening");
    for draft in &drafts[4..] {
        scene.world.must(draft);
    }
}

#[test]
fn what_reading_the_witnesses_takes_counts_in_a_commit_as_well() {
    let mut scene = Scene::new();
    let drafts = forced_by_all(&mut scene, 1, FORCED_GAS_MAX);
    let transactions: Vec<_> = drafts.iter().map(|draft| scene.world.sign(draft)).collect();
    let verdicts = scene.world.commit(&transactions);
    assert_eq!(verdicts, [Verdict::Final, Verdict::Rejected(Reject::ChannelBusy)], "the gas of both alone would fit");
}

/// The calls that made the last rounds, as the channel's entry has them: their rounds.
fn kept(scene: &Scene) -> Vec<u64> {
    scene.channel().rounds.iter().map(|made| made.round).collect()
}

#[test]
fn the_entry_has_the_calls_that_made_the_last_rounds_until_both_sign_again() {
    let (mut scene, mut state) = with_code(&super::BANK_CODE);
    let of = |scene: &Scene, person, value| scene.vm_call(person, CONTRACT, value, &[7; 40]);
    let (by_alice, by_bob) = (of(&scene, ALICE, 1_000), of(&scene, BOB, 2_000));
    scene.must_force(&mut state, &by_alice, ALICE);
    scene.must_force(&mut state, &by_bob, BOB);
    // It would take the reserve: it makes no round, and so is not kept.
    let all = of(&scene, ALICE, DEPOSIT - RESERVE);
    scene.world.must(&scene.force(&state, None, &all, ALICE));
    assert_eq!(kept(&scene), [2, 3]);
    let made = scene.channel().rounds[1].clone();
    assert_eq!((made.caller, made.contract, made.value), (super::side_of(BOB), CONTRACT.0, units(2_000)));
    assert_eq!((made.input, made.gas, made.environment), (vec![7; 40], GAS, scene.channel().position.environment));
    show(&mut scene, &state, 2);
    assert_eq!(kept(&scene), [0; 0]);
}

#[test]
fn no_call_that_a_checkpoint_has_not_shown_makes_room_for_another() {
    let (mut scene, mut state) = with_code(&super::BANK_CODE);
    let long = |scene: &Scene, person| scene.vm_call(person, CONTRACT, 1, &[0; 2_000]);
    let (by_alice, by_bob) = (long(&scene, ALICE), long(&scene, BOB));
    scene.world.must(&scene.close(BOB, None));
    scene.world.wait(Wait { millis: Span::millis(300), commits: 1 });
    let height = scene.world.checkpoints.len();
    scene.must_force(&mut state, &by_alice, ALICE);
    scene.must_force(&mut state, &by_alice, ALICE);
    let third = scene.force(&state, None, &by_alice, ALICE);
    scene.refuses(&third, Reject::ChannelBusy);
    // The other side has room of its own.
    scene.must_force(&mut state, &by_bob, BOB);
    assert_eq!((kept(&scene), scene.world.checkpoints.len()), (vec![2, 3, 4], height), "all in one checkpoint");
    scene.world.wait(Wait { millis: Span::millis(300), commits: 1 });
    assert!(scene.world.checkpoints.len() > height);
    scene.must_force(&mut state, &by_alice, ALICE);
    assert_eq!(kept(&scene), [3, 4, 5]);
}

/// The game of the examples, in a channel, of which the other player falls silent once it has lost.
struct Game {
    scene: Scene,
    state: State,
    contract: Address,
}

const COMPILED: &str = include_str!("../../../../../examples/contracts/compiled/HiddenMoves.json");

/// What the compiler has written under a key.
pub fn compiled(text: &str, key: &str) -> Vec<u8> {
    let start = text.find(&format!("\"{key}\": \"")).expect("a key of the file") + key.len() + 5;
    let end = text[start..].find('"').expect("a string ends");
    hex_of(&text[start..start + end])
}

pub fn word(number: u64) -> Vec<u8> {
    [&[0; 24][..], &number.to_be_bytes()].concat()
}

fn input(function: &str, arguments: &[Vec<u8>]) -> Vec<u8> {
    [compiled(COMPILED, function), arguments.concat()].concat()
}

impl Game {
    const STAKE: u64 = 1_000_000;

    /// Both have committed, and the state is co-signed and on the ledger.
    fn new() -> Self {
        let scene = Scene::new();
        let parties = [ALICE, BOB].map(|person| (scene.address(person), units(DEPOSIT)));
        let mut state = State::new(parties);
        let players = parties.iter().flat_map(|(who, _)| [vec![0; 12], who.0.to_vec()]).collect::<Vec<_>>().concat();
        let create = [compiled(COMPILED, "create"), players, word(Self::STAKE), word(20)].concat();
        let environment = Environment { time: scene.start, height: 0 };
        let create = VmCall {
            caller: scene.address(ALICE),
            target: Target::Create,
            value: Amount::ZERO,
            input: create,
            gas: 5_000_000,
            evidence: Vec::new(),
        };
        let contract = state.execute(scene.world.network, environment, &create).expect("it runs").receipt.contract;
        let code = state.account(contract).and_then(|account| account.contract).expect("a contract").code;
        let code = state.code(code).expect("it was created").to_vec();
        let mut game = Self { scene, state, contract };
        game.scene.register(&code);
        for (person, its_move) in [(ALICE, 1), (BOB, 3)] {
            let hash = game.input_of(person, "commitment(address,uint8,bytes32)", its_move, true);
            let hash = game.off_ledger(person, 0, hash).1;
            game.off_ledger(person, u128::from(Self::STAKE), input("commit(bytes32)", &[hash]));
        }
        let Game { scene, state, .. } = &mut game;
        show(scene, state, 9);
        game
    }

    fn input_of(&self, person: usize, function: &str, its_move: u64, names_who: bool) -> Vec<u8> {
        let who = [vec![0; 12], self.scene.address(person).0.to_vec()].concat();
        let arguments = [word(its_move), vec![7; 32]];
        let arguments: Vec<_> = names_who.then_some(who).into_iter().chain(arguments).collect();
        input(function, &arguments)
    }

    fn off_ledger(&mut self, person: usize, value: u128, input: Vec<u8>) -> (Outcome, Vec<u8>) {
        let call = self.scene.vm_call(person, self.contract, value, &input);
        let environment = Environment { time: self.scene.start, height: 0 };
        let execution = self.state.execute(self.scene.world.network, environment, &call).expect("it runs");
        (execution.outcome, execution.output)
    }

    fn force(&mut self, person: usize, input: &[u8]) {
        let call = self.scene.vm_call(person, self.contract, 0, input);
        self.scene.must_force(&mut self.state, &call, person);
    }
}

#[test]
fn a_game_with_hidden_moves_is_finished_by_the_ledger_when_the_other_is_silent() {
    let mut game = Game::new();
    let open = game.input_of(ALICE, "open(uint8,bytes32)", 1, false);
    game.scene.world.must(&game.scene.close(ALICE, None));
    game.force(ALICE, &open);
    // Bob lets the time to open pass, but not the lock period.
    for _ in 0..3 {
        game.scene.world.wait(Wait { millis: Span::seconds(7), commits: 1 });
    }
    game.force(ALICE, &input("claim()", &[]));
    let won = [DEPOSIT + u128::from(Game::STAKE), DEPOSIT - u128::from(Game::STAKE)];
    assert_eq!(game.scene.channel().position.balances, won.map(units));
    game.scene.wait();
    let charged = game.scene.channel().charged.map(Amount::units);
    game.scene.world.must(&game.scene.settle());
    let alice = SAVED - DEPOSIT + won[0] - charged[0] - CHANNEL_PRICE;
    assert_eq!(game.scene.accounts(), [alice, SAVED - DEPOSIT + won[1] - charged[1]]);
}

#[test]
fn both_play_on_the_ledger_to_the_end() {
    let mut game = Game::new();
    for (person, its_move) in [(ALICE, 1), (BOB, 3)] {
        let open = game.input_of(person, "open(uint8,bytes32)", its_move, false);
        game.force(person, &open);
    }
    let stake = u128::from(Game::STAKE);
    assert_eq!(game.scene.channel().position.balances, [DEPOSIT + stake, DEPOSIT - stake].map(units));
    // The ledger keeps the last call's receipt, which is the one in the state.
    let receipt = game.scene.channel().receipt.expect("one is kept");
    let in_state = game.state.receipt().expect("a call was the last round");
    assert_eq!((receipt.gas_used, receipt.output), (in_state.gas_used, in_state.output));
}

#[test]
fn what_a_witness_costs_fits_into_a_transaction() {
    let game = Game::new();
    let open = game.input_of(ALICE, "open(uint8,bytes32)", 1, false);
    let call = game.scene.vm_call(ALICE, game.contract, 0, &open);
    let ChannelsCall::ForceProgress(force) = (match game.scene.force(&game.state, None, &call, ALICE).call {
        Some(byway_records::Call::Channels(call)) => call,
        _ => panic!("it is one about a channel"),
    }) else {
        panic!("it is a forced call")
    };
    assert!(force.witness.len() < 2_000, "{} bytes", force.witness.len());
    assert_ne!(game.contract, BANK);
}
