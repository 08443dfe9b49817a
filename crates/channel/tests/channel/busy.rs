//! A peer that has a side execute call after call.

use byway_channel::{
    CALL_GAS_MAX, CREATE_GAS_MAX, Change, ChangeError, ChannelMessage, ChannelNews, ContractCall, ENTRY_GAS,
    PEER_GAS_MAX, PEER_GAS_PER_SECOND, PROPOSAL_GAS, Proposal, ProposeError, Refusal, STATE_SIZE_MAX, position_digest,
};
use byway_primitives::Span;
use byway_records::channel::{ChannelState, Cosigned, Movement, Position};
use byway_vm::{Address, Call, Target};

use crate::scene::{Rig, count, person, transfer};

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
    // One is executed where there is as much as it names, and as any proposal takes.
    let any = any_takes(&mut rig);
    let each = used + any;
    let executed = |gas: u64| (gas - CALL_GAS_MAX - any) / each + 1;
    let first = propose(&mut rig, burner, 30);
    assert_eq!(first, executed(PEER_GAS_MAX));
    // All else goes on.
    let round = rig.pay(0, 1_000);
    rig.exchange();
    assert_eq!(rig.assert_agreed().round, round);
    // With time more are.
    rig.tick(Span::seconds(1));
    let left = PEER_GAS_MAX - first * each - any;
    assert_eq!(propose(&mut rig, burner, 30), executed(left + PEER_GAS_PER_SECOND));
    rig.tick(Span::seconds(60));
    assert_eq!(propose(&mut rig, burner, 30), executed(PEER_GAS_MAX));
}

/// What the other side takes for any proposal.
fn any_takes(rig: &mut Rig) -> u64 {
    PROPOSAL_GAS + ENTRY_GAS * rig.machine(1).state().size()
}

/// The initiator says that this comes of a change, is refused, and signs the earlier state; gives why.
fn forge(rig: &mut Rig, change: &Change, becomes: impl Fn(&mut Position)) -> Refusal {
    let (network, channel) = (rig.world.network, rig.machine(1).id().unwrap());
    let total = rig.machine(1).total();
    let sign = |position: Position| {
        Cosigned::sign_one(&ChannelState { network, channel, total, fundings: 0, position }, &person(0))
    };
    let base = *rig.machine(1).position();
    let mut position = Position { round: base.round + 1, environment: rig.machine(1).environment(), ..base };
    becomes(&mut position);
    let (base_round, base, change) = (base.round, position_digest(&base), change.clone());
    let proposal = Proposal { base_round, base, change, position, signature: sign(position), refuses: None };
    rig.hear(1, ChannelMessage::Propose(proposal)).unwrap();
    while rig.write(1) {}
    let Some(ChannelMessage::Propose(answer)) = rig.steal(0) else { panic!("it is refused") };
    let accept = ChannelMessage::Accept { round: answer.round(), signature: sign(answer.position) };
    rig.hear(1, accept).unwrap();
    while rig.write(1) {}
    answer.refuses.unwrap().1
}

/// The peer says that something comes of its calls, and signs the earlier state whenever it is refused: so it is heard on and on.
#[test]
fn calls_that_come_to_nothing_take_the_gas_that_they_name() {
    let (mut rig, burner, used) = begin();
    // It runs out of gas.
    let change = Change::Call(ContractCall { gas: used - 1, ..burn(burner) });
    let refusals: Vec<_> = (0..40).map(|_| forge(&mut rig, &change, |_| {})).collect();
    let executed = (PEER_GAS_MAX / (used - 1 + any_takes(&mut rig))) as usize;
    assert_eq!(refusals[..executed], vec![Refusal::Impossible; executed]);
    assert_eq!(refusals[executed..], vec![Refusal::Busy; 40 - executed]);
}

/// What calls no contract is copied, verified, signed and written all the same.
#[test]
fn transfers_and_deposits_take_gas_too() {
    let (mut rig, burner, used) = begin();
    let any = any_takes(&mut rig);
    let mut left = PEER_GAS_MAX;
    while left >= any {
        // It names more than it may, or too little, and takes what it names.
        let gas = CREATE_GAS_MAX.min(left - any);
        let gas = if gas > CALL_GAS_MAX { gas } else { gas.min(used - 1) };
        assert_eq!(forge(&mut rig, &Change::Call(ContractCall { gas, ..burn(burner) }), |_| {}), Refusal::Impossible);
        left -= gas + any;
    }
    rig.lose();
    rig.exchange();
    rig.parties[0].news.clear();
    rig.pay(0, 1_000);
    rig.exchange();
    assert!(rig.parties[0].has(|news| matches!(news, ChannelNews::Refused { refusal: Refusal::Busy, .. })));
    let round = rig.fund(0, Movement::Deposit, 1_000).unwrap();
    rig.exchange();
    let busy = ChannelNews::NotFunded { round, refusal: Some(Refusal::Busy) };
    assert!(rig.parties[0].has(|news| *news == busy), "{:?}", rig.parties[0].news);
    rig.tick(Span::seconds(1));
    let round = rig.pay(0, 1_000);
    rig.exchange();
    assert_eq!(rig.assert_agreed().round, round);
}

/// Creates a contract of the largest, of which no two have the same code.
fn create_large(number: u16) -> ContractCall {
    const LARGE: usize = 24_576;
    let [high, low] = (LARGE as u16).to_be_bytes();
    let mut input = vec![0x61, high, low, 0x80, 0x60, 10, 0x5f, 0x39, 0x5f, 0xf3];
    input.resize(10 + LARGE, 0);
    input.truncate(10 + LARGE - 2);
    input.extend(number.to_be_bytes());
    ContractCall { target: Target::Create, input, gas: CREATE_GAS_MAX, ..count(0, Address([0; 20]), 0, 0) }
}

#[test]
fn a_state_becomes_no_larger_than_its_bound_whoever_wants_that() {
    let mut rig = Rig::new();
    let mut created = 0;
    let too_large = loop {
        assert!(created < 300, "there is a bound");
        match rig.propose(0, Change::Call(create_large(created))) {
            Ok(_) => created += 1,
            Err(error) => break error,
        }
        rig.exchange();
        rig.tick(Span::seconds(1));
    };
    rig.assert_agreed();
    assert_eq!(too_large, ProposeError::Change(ChangeError::TooLarge));
    let size = rig.machine(0).state().size();
    let one = 24_576 / byway_vm::CODE_BYTES_PER_ENTRY as u64 + 1;
    assert!(size <= STATE_SIZE_MAX && size + one > STATE_SIZE_MAX, "{size} entries");
    // Nor by a peer that proposes it all the same.
    let call = create_large(created);
    let caller = Address::from(person(0).id());
    let made = Call {
        caller,
        target: call.target,
        value: call.value,
        input: call.input.clone(),
        gas: call.gas,
        evidence: Vec::new(),
    };
    let (network, environment) = (rig.world.network, rig.machine(1).environment());
    let mut after = rig.machine(1).state().clone();
    after.execute(network, environment, &made).unwrap();
    let refused = forge(&mut rig, &Change::Call(call), |position| position.root = after.root());
    assert_eq!(refused, Refusal::TooLarge);
    // All else goes on.
    rig.lose();
    rig.exchange();
    rig.propose(1, transfer(1, 1_000)).unwrap();
    rig.exchange();
    rig.assert_agreed();
}
