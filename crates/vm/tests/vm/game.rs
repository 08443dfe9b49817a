//! The examples, played.

use byway_primitives::Span;
use byway_vm::{Address, Environment, Outcome, State};

use crate::scene::{ALICE, BOB, Compiled, NETWORK, START, argument, call, execute, new_state, units, word};

const SALT: [u8; 32] = [7; 32];

struct Game {
    compiled: Compiled,
    contract: Address,
    state: State,
}

impl Game {
    /// Stakes of a hundred, and ten seconds to open.
    fn new() -> Self {
        let (compiled, mut state) = (Compiled::hidden_moves(), new_state());
        let contract = compiled.create(&mut state, &[argument(ALICE), argument(BOB), word(100), word(10)]);
        Self { compiled, contract, state }
    }

    fn play(
        &mut self,
        caller: Address,
        value: u128,
        function: &str,
        arguments: &[[u8; 32]],
        time: Environment,
    ) -> Outcome {
        let call = call(caller, self.contract, value, self.compiled.input(function, arguments));
        execute(&mut self.state, time, &call).outcome
    }

    fn commit(&mut self, caller: Address, its_move: u64) {
        let hash = self.compiled.input("commitment(address,uint8,bytes32)", &[argument(caller), word(its_move), SALT]);
        let hash = execute(&mut self.state, START, &call(caller, self.contract, 0, hash)).output;
        let hash: [u8; 32] = hash.try_into().unwrap();
        assert_eq!(self.play(caller, 100, "commit(bytes32)", &[hash], START), Outcome::Returned);
    }

    fn open(&mut self, caller: Address, its_move: u64) -> Outcome {
        self.play(caller, 0, "open(uint8,bytes32)", &[word(its_move), SALT], START)
    }

    fn balances(&self) -> [u128; 3] {
        [ALICE, BOB, self.contract].map(|who| self.state.account(who).unwrap().balance.units())
    }
}

#[test]
fn the_better_move_takes_both_stakes() {
    for (of_alice, of_bob, after) in [(1, 2, [900, 600, 0]), (1, 3, [1_100, 400, 0]), (2, 2, [1_000, 500, 0])] {
        let mut game = Game::new();
        game.commit(ALICE, of_alice);
        game.commit(BOB, of_bob);
        assert_eq!(game.balances(), [900, 400, 200]);
        assert_eq!(game.open(ALICE, of_alice), Outcome::Returned);
        assert_eq!(game.open(BOB, of_bob), Outcome::Returned);
        assert_eq!(game.balances(), after, "{of_alice} against {of_bob}");
    }
}

#[test]
fn another_move_than_was_committed_is_refused() {
    let mut game = Game::new();
    game.commit(ALICE, 1);
    game.commit(BOB, 2);
    let root = game.state.root();
    assert_eq!(game.open(BOB, 3), Outcome::Reverted);
    assert_eq!(game.state.root(), root, "nothing changes where a call reverts");
}

#[test]
fn whoever_does_not_open_in_time_has_lost() {
    let mut game = Game::new();
    game.commit(ALICE, 1);
    game.commit(BOB, 2);
    assert_eq!(game.open(ALICE, 1), Outcome::Returned);
    assert_eq!(game.play(ALICE, 0, "claim()", &[], START), Outcome::Reverted);
    let later = Environment { time: START.time + Span::seconds(11), height: START.height + 1 };
    assert_eq!(game.play(ALICE, 0, "claim()", &[], later), Outcome::Returned);
    assert_eq!(game.balances(), [1_100, 400, 0]);
}

#[test]
fn a_subscription_is_paid_by_what_is_used_and_by_time() {
    let (compiled, mut state) = (Compiled::subscription(), new_state());
    let contract = compiled.create(&mut state, &[argument(ALICE), argument(BOB), word(5), word(1)]);
    let mut act = |caller, value, function: &str, arguments: &[[u8; 32]], after: u64| {
        let environment = Environment { time: START.time + Span::seconds(after), ..START };
        let call = call(caller, contract, value, compiled.input(function, arguments));
        execute(&mut state, environment, &call).outcome
    };
    assert_eq!(act(ALICE, 300, "pay()", &[], 0), Outcome::Returned);
    assert_eq!(act(BOB, 0, "report(uint256)", &[word(50)], 1), Outcome::Reverted);
    assert_eq!(act(ALICE, 0, "report(uint256)", &[word(10)], 1), Outcome::Returned);
    assert_eq!(act(BOB, 0, "take()", &[], 20), Outcome::Returned);
    assert_eq!(act(ALICE, 0, "end()", &[], 30), Outcome::Returned);
    let balance = |who| state.account(who).unwrap().balance;
    assert_eq!((balance(ALICE), balance(BOB), balance(contract)), (units(920), units(580), units(0)));
}

#[test]
fn a_game_is_the_same_for_who_has_a_part_of_it() {
    let mut game = Game::new();
    game.commit(ALICE, 1);
    game.commit(BOB, 2);
    let input = game.compiled.input("open(uint8,bytes32)", &[word(1), SALT]);
    let call = call(ALICE, game.contract, 0, input);
    let (witness, _) = game.state.witness(NETWORK, START, &call, &[ALICE, BOB]).unwrap();
    witness.check(game.state.root()).unwrap();
    let forced = witness.execute(NETWORK, START, &call, &|hash| game.state.code(hash).map(<[u8]>::to_vec)).unwrap();
    let full = execute(&mut game.state, START, &call);
    assert_eq!((forced.root, forced.execution), (game.state.root(), full));
}
