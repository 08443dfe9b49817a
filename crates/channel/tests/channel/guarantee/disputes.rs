//! Somebody is silent, and the ledger ends what the two have begun.

use byway_channel::guarantee::PART_TIME_MAX;
use byway_channel::{Change, ChannelMessage, ContractCall, Life};
use byway_primitives::{Amount, Effect, Span};
use byway_records::Call;
use byway_records::call::ChannelsCall;
use byway_records::channel::Side;
use byway_records::promise::ChannelId;
use byway_vm::{Address, Target, code_hash};

use super::net::{HUB, LIFE, Net, ONE, OTHER, PARTS, fee};
use crate::world::{CAROL, Draft, units};

const GAME: &str = include_str!("../../../../../examples/contracts/compiled/HiddenMoves.json");
const STAKE: u128 = 100_000;
const OPENING_SECONDS: u64 = 60;
const SALT: [u8; 32] = [9; 32];
/// Rock, which loses against paper.
const ROCK: u8 = 1;
const PAPER: u8 = 2;

/// What the fees of the hub leave each with, without anything being paid.
pub fn after_fee(node: usize) -> i128 {
    match node {
        ONE => -(fee(PARTS[1]) as i128),
        OTHER => -(fee(PARTS[0]) as i128),
        _ => (fee(PARTS[0]) + fee(PARTS[1])) as i128,
    }
}

fn hex_after(name: &str) -> Vec<u8> {
    let text = GAME.split(&format!("\"{name}\": \"")).nth(1).and_then(|rest| rest.split('"').next());
    hex::decode(text.expect("it is there")).unwrap()
}

fn word(number: u128) -> Vec<u8> {
    [vec![0; 16], number.to_be_bytes().to_vec()].concat()
}

fn address_word(address: Address) -> Vec<u8> {
    [vec![0; 12], address.0.to_vec()].concat()
}

struct Game {
    net: Net,
    id: ChannelId,
    game: Address,
}

impl Game {
    /// Rock, paper, scissors in a virtual channel, on which both have staked.
    fn new() -> Self {
        let mut net = Net::around_a_hub();
        let id = net.open_virtual();
        let [one, other] = [ONE, OTHER].map(|node| address_word(Address::from(net.id(node))));
        let input = [hex_after("create"), one, other, word(STAKE), word(OPENING_SECONDS.into())].concat();
        let (value, gas, evidence) = (Amount::ZERO, 3_000_000, Vec::new());
        let create = ContractCall { caller: Side::Initiator, target: Target::Create, value, input, gas, evidence };
        net.propose(ONE, id, Change::Call(create));
        let state = net.machine(ONE, id).state();
        let game = state.receipt().expect("it was the last call").contract;
        let code = state.account(game).and_then(|account| account.contract).expect("it is there").code;
        let code = state.code(code).expect("it was created").to_vec();
        let code = Call::Channels(ChannelsCall::RegisterCode { code });
        let draft = Draft { call: Some(code), fee: units(6_000_000), ..Draft::default() };
        net.world.must(&net.world.funded(net.world.coin(CAROL), draft));
        let mut game = Self { net, id, game };
        for (node, play) in [(ONE, ROCK), (OTHER, PAPER)] {
            let who = address_word(Address::from(game.net.id(node)));
            let hash = code_hash(&[who, word(play.into()), SALT.to_vec()].concat());
            game.call(node, "commit(bytes32)", &[&hash.0], STAKE);
        }
        game
    }

    fn input(function: &str, arguments: &[&[u8]]) -> Vec<u8> {
        [hex_after(function), arguments.concat()].concat()
    }

    fn contract_call(&self, node: usize, input: Vec<u8>, value: u128) -> ContractCall {
        let (caller, target) = (self.net.machine(node, self.id).side(), Target::Contract(self.game));
        ContractCall { caller, target, value: units(value), input, gas: 300_000, evidence: Vec::new() }
    }

    fn call(&mut self, node: usize, function: &str, arguments: &[&[u8]], value: u128) {
        let call = self.contract_call(node, Self::input(function, arguments), value);
        let (id, before) = (self.id, self.net.machine(node, self.id).position().round);
        self.net.call(node, id, call);
        assert_eq!(self.net.machine(node, id).position().round, before + 1, "{function}");
    }

    fn force(&mut self, node: usize, function: &str, arguments: &[&[u8]]) {
        let call = self.contract_call(node, Self::input(function, arguments), 0);
        let (now, id) = (self.net.now, self.id);
        self.net.with(node, id, |machine| machine.force(now, &call)).unwrap();
        self.net.run();
    }
}

#[test]
fn a_game_in_which_one_falls_silent_is_ended_by_the_ledger_and_both_channels_with_the_hub_are_paid() {
    let mut game = Game::new();
    // Who would win does not open, so that it does not lose either as long as nobody decides.
    game.call(ONE, "open(uint8,bytes32)", &[&word(ROCK.into()), &SALT], 0);
    assert_eq!(game.net.calls, []);
    game.net.vanish(OTHER);
    game.net.pass(Span::seconds(OPENING_SECONDS + 10));
    game.force(ONE, "claim()", &[]);
    assert_eq!(game.net.refused, []);
    assert_eq!(game.net.registered(), 1, "only now the ledger hears of the channel");
    let (mut net, id) = (game.net, game.id);
    net.close_alone(ONE, id);
    net.pass_until("the ledger has decided", |net| net.outcome(id).is_some());
    assert_eq!(net.outcome(id), Some([PARTS[0] + STAKE, PARTS[1] - STAKE]));
    net.pass_until("the hub has been paid", |net| net.nodes[HUB].guarantees.held().count() == 0);
    net.pass_until("and who was there", |net| net.nodes[ONE].guarantees.own().count() == 0);
    assert_eq!(net.gain(ONE), STAKE as i128 + after_fee(ONE));
    assert_eq!(net.gain(HUB), after_fee(HUB), "what the hub has given to one it has of the other");
    net.come_back(OTHER);
    net.pass_until("all is over", Net::is_clean);
    assert_eq!(net.gain(OTHER), -(STAKE as i128) + after_fee(OTHER));
    assert_eq!(net.open_channels(), 2, "the channels with the hub go on");
    net.pass_until("both have seen it", |net| [net.life(ONE, id), net.life(OTHER, id)] == [None; 2]);
}

#[test]
fn a_hub_that_does_not_answer_keeps_nobody_from_its_money() {
    let mut net = Net::around_a_hub();
    let id = net.open_virtual();
    net.transfer(ONE, id, 70_000);
    net.vanish(HUB);
    net.close(ONE, id);
    net.pass_until("the ledger has decided", |net| net.outcome(id).is_some());
    for node in [ONE, OTHER] {
        net.pass_until("it was paid by force", |net| net.nodes[node].guarantees.own().count() == 0);
    }
    assert_eq!(net.gain(ONE), -70_000 + after_fee(ONE));
    assert_eq!(net.gain(OTHER), 70_000 + after_fee(OTHER));
    net.come_back(HUB);
    net.pass_until("the hub has seen it", Net::is_clean);
    assert_eq!(net.gain(HUB), after_fee(HUB));
}

#[test]
fn whose_channel_with_the_hub_is_closed_has_the_virtual_one_decided_before_that_pays_out() {
    for closer in [ONE, HUB] {
        let mut net = Net::around_a_hub();
        let id = net.open_virtual();
        net.transfer(OTHER, id, 70_000);
        let parent = net.parent(ONE);
        net.close_alone(closer, parent);
        net.pass_until("the ledger has decided", |net| net.outcome(id).is_some());
        assert!(net.entry(parent).is_some(), "the channel with the hub has not paid out yet");
        net.pass_until("all is over", |net| net.is_clean() && net.entry(parent).is_none());
        net.pass_until("both have seen it", |net| net.life(ONE, parent).is_none() && net.life(HUB, parent).is_none());
        for (node, paid) in [(ONE, 70_000), (HUB, 0), (OTHER, -70_000)] {
            assert_eq!(net.gain(node), paid + after_fee(node) - net.charged(node), "{node}");
        }
    }
}

#[test]
fn a_channel_whose_two_are_silent_is_ended_by_its_hub() {
    let mut net = Net::around_a_hub();
    let id = net.open_virtual();
    net.transfer(ONE, id, 70_000);
    net.vanish(ONE);
    net.vanish(OTHER);
    net.pass(LIFE);
    net.pass(PART_TIME_MAX);
    net.pass_until("the hub has ended it", |net| net.nodes[HUB].guarantees.held().count() == 0);
    assert_eq!(net.outcome(id), Some(PARTS), "the ledger was shown nothing newer");
    assert_eq!(net.gain(HUB), after_fee(HUB));
    net.come_back(ONE);
    net.come_back(OTHER);
    net.pass_until("all is over", Net::is_clean);
    assert_eq!([net.gain(ONE), net.gain(OTHER)], [after_fee(ONE), after_fee(OTHER)]);
}

#[test]
fn two_who_are_there_part_when_the_time_is_over() {
    let mut net = Net::around_a_hub();
    let id = net.open_virtual();
    net.transfer(ONE, id, 70_000);
    net.pass(LIFE);
    net.pass_until("they have parted", Net::is_clean);
    assert_eq!(net.calls, []);
    assert_eq!(net.gain(OTHER), 70_000 + after_fee(OTHER));
    net.pass_until("both have seen it", |net| [net.life(ONE, id), net.life(OTHER, id)] == [None; 2]);
}

#[test]
fn what_is_promised_while_a_virtual_channel_ends_is_claimed_together_at_the_last() {
    let mut net = Net::around_a_hub();
    let id = net.open_virtual();
    net.propose(ONE, id, Change::Lane { side: Side::Initiator, capacity: units(100_000) });
    // The payer promises on and on, and sees nothing of the ledger.
    let mut payer = net.machine(ONE, id).clone();
    net.vanish(ONE);
    net.close_alone(OTHER, id);
    net.pass_until("it is being closed", |net| net.life(OTHER, id) == Some(Life::Closing) && net.entry(id).is_some());
    let claims = |net: &Net| net.calls.iter().filter(|call| matches!(call, ChannelsCall::Claim { .. })).count();
    for _ in 0..10 {
        payer.poll();
        payer.promise(units(100)).unwrap();
        let said = payer.poll().into_iter().find_map(|effect| match effect {
            Effect::Send { message: ChannelMessage::Promise(promise), .. } => Some(promise),
            _ => None,
        });
        let (now, promise) = (net.now, said.expect("it is connected"));
        net.with(OTHER, id, |machine| machine.handle_message(now, ChannelMessage::Promise(promise))).unwrap();
        net.pass(Span::seconds(10));
    }
    assert_eq!(claims(&net), 1, "the first");
    net.pass_until("the ledger has decided", |net| net.outcome(id).is_some());
    assert_eq!(claims(&net), 2, "and all that came after; refused: {:?}", net.refused);
    assert_eq!(net.outcome(id), Some([PARTS[0] - 1_000, PARTS[1] + 1_000]));
}
