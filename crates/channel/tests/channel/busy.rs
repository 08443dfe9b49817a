//! A peer that has a side execute call after call.

use byway_channel::{
    CALL_GAS_MAX, Change, ChannelMessage, ChannelNews, ContractCall, PEER_GAS_MAX, PEER_GAS_PER_SECOND, Proposal,
    Refusal, position_digest,
};
use byway_primitives::Span;
use byway_records::channel::{ChannelState, Cosigned, Position};
use byway_vm::{Address, Target};

use crate::scene::{Rig, count, person};

/// Counts down from 65,535 and returns.
const BURNER: [u8; 13] = [0x61, 0xff, 0xff, 0x5b, 0x60, 1, 0x90, 0x03, 0x80, 0x60, 3, 0x57, 0x00];
/// What gives that code to a new contract.
const CREATE: [u8; 9] = [0x60, 13, 0x80, 0x60, 9, 0x5f, 0x39, 0x5f, 0xf3];

fn burn(burner: Address) -> ContractCall {
    ContractCall { gas: CALL_GAS_MAX, ..count(0, burner, 0, 0) }
}

/// A channel with the burner; gives what one call of it takes too.
fn begin() -> (Rig, Address, u64) {
    let mut rig = Rig::new();
    let input = [&CREATE[..], &BURNER].concat();
    let create = ContractCall { target: Target::Create, input, ..count(0, Address([0; 20]), 0, 0) };
    rig.propose(0, Change::Call(create)).unwrap();
    rig.exchange();
    let burner = rig.machine(0).state().receipt().unwrap().contract;
    rig.tick(Span::seconds(10));
    let used = rig.machine(0).try_call(&burn(burner)).unwrap().gas_used;
    assert!(used > CALL_GAS_MAX / 2, "{used} gas");
    (rig, burner, used)
}

/// Proposes so many calls; gives how many of them were executed and signed. All others are refused as `Busy`.
fn propose(rig: &mut Rig, burner: Address, calls: usize) -> u64 {
    rig.parties[0].news.clear();
    for _ in 0..calls {
        rig.propose(0, Change::Call(burn(burner))).unwrap();
        rig.exchange();
        rig.assert_agreed();
    }
    let of = |is_it: &dyn Fn(&ChannelNews) -> bool| rig.parties[0].news.iter().filter(|news| is_it(news)).count();
    let done = of(&|news| matches!(news, ChannelNews::Updated { change: Change::Call(_), .. }));
    let busy = of(&|news| matches!(news, ChannelNews::Refused { refusal: Refusal::Busy, .. }));
    assert_eq!(done + busy, calls);
    done as u64
}

#[test]
fn of_a_peers_calls_no_more_are_executed_than_it_has_gas_for() {
    let (mut rig, burner, used) = begin();
    // One is executed where there is as much as it names.
    let executed = |gas: u64| (gas - CALL_GAS_MAX) / used + 1;
    let first = propose(&mut rig, burner, 30);
    assert_eq!(first, executed(PEER_GAS_MAX));
    // All else goes on.
    let round = rig.pay(0, 1_000);
    rig.exchange();
    assert_eq!(rig.assert_agreed().round, round);
    // With time more are.
    rig.tick(Span::seconds(1));
    let left = PEER_GAS_MAX - first * used;
    assert_eq!(propose(&mut rig, burner, 30), executed(left + PEER_GAS_PER_SECOND));
    rig.tick(Span::seconds(60));
    assert_eq!(propose(&mut rig, burner, 30), executed(PEER_GAS_MAX));
}

/// The peer says that something comes of its calls, and signs the earlier state whenever it is refused: so it is heard on and on.
#[test]
fn calls_that_come_to_nothing_take_the_gas_that_they_name() {
    let (mut rig, burner, used) = begin();
    let (network, channel) = (rig.world.network, rig.machine(1).id().unwrap());
    let total = rig.machine(1).total();
    let sign = |position: Position| {
        Cosigned::sign_one(&ChannelState { network, channel, total, fundings: 0, position }, &person(0))
    };
    let mut refusals = Vec::new();
    for _ in 0..40 {
        let base = *rig.machine(1).position();
        let position = Position { round: base.round + 1, environment: rig.machine(1).environment(), ..base };
        // It runs out of gas.
        let change = Change::Call(ContractCall { gas: used - 1, ..burn(burner) });
        let (base_round, base) = (base.round, position_digest(&base));
        let signature = sign(position);
        let proposal = Proposal { base_round, base, change, position, signature, refuses: None };
        rig.hear(1, ChannelMessage::Propose(proposal)).unwrap();
        while rig.write(1) {}
        let Some(ChannelMessage::Propose(answer)) = rig.steal(0) else { panic!("it is refused") };
        refusals.push(answer.refuses.unwrap().1);
        let accept = ChannelMessage::Accept { round: answer.round(), signature: sign(answer.position) };
        rig.hear(1, accept).unwrap();
        while rig.write(1) {}
    }
    let executed = (PEER_GAS_MAX / (used - 1)) as usize;
    assert_eq!(refusals[..executed], vec![Refusal::Impossible; executed]);
    assert_eq!(refusals[executed..], vec![Refusal::Busy; 40 - executed]);
}
