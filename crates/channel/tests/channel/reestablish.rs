//! Crashes between any two writes, lost messages, old journals, and a conflict that can't be.

use byway_channel::{
    CLOCKS_APART_MAX, Change, ChannelMessage, ChannelNews, CloseError, ErrorCode, Health, PeerFault, Proposal,
    ProposeError, Reestablish, SaidError, round_at,
};
use byway_primitives::Span;
use byway_records::call::ChannelsCall;
use byway_records::channel::{ChannelState, Cosigned, Movement, Position, Side};

use crate::scene::{DEPOSIT, Rig, SECRET, count, person, transfer};
use crate::world::units;

/// How an update of the initiator's proceeds: after so many of these steps everything is said.
const STEPS: [fn(&mut Rig) -> bool; 4] =
    [|rig| rig.write(0), |rig| rig.deliver(1), |rig| rig.write(1), |rig| rig.deliver(0)];

#[test]
fn a_crash_between_any_two_writes_leaves_both_at_one_state() {
    for side in [0, 1] {
        for steps in 0..=STEPS.len() {
            let mut rig = Rig::new();
            rig.pay(0, 100);
            STEPS[..steps].iter().for_each(|step| assert!(step(&mut rig)));
            rig.crash(side);
            rig.exchange();
            let position = rig.assert_agreed();
            // Only what was not written by its proposer is gone.
            let is_gone = side == 0 && steps == 0;
            let paid = if is_gone { 0 } else { 100 };
            assert_eq!(position.balances[1], units(DEPOSIT + paid), "side {side} after {steps} steps");
            rig.pay(1, 1);
            rig.exchange();
            rig.assert_agreed();
        }
    }
}

#[test]
fn a_loss_at_any_step_leaves_both_at_one_state() {
    for steps in 0..=STEPS.len() {
        let mut rig = Rig::new();
        let counter = rig.create_counter(1);
        rig.propose(0, Change::Call(count(0, counter, 1, 10))).unwrap();
        STEPS[..steps].iter().for_each(|step| assert!(step(&mut rig)));
        rig.lose();
        rig.exchange();
        assert_eq!(rig.assert_agreed().round, 2);
    }
}

#[test]
fn a_side_that_crashed_sends_the_same_bytes_again() {
    let mut rig = Rig::new();
    rig.pay(0, 100);
    rig.write(0);
    let first = rig.next_message(1);
    rig.crash(0);
    let mut again = None;
    while again.is_none() {
        let next = rig.next_message(1).expect("it is sent again");
        again = matches!(next, ChannelMessage::Propose(_)).then_some(next);
        rig.write(0);
        rig.deliver(0);
        if again.is_none() {
            rig.deliver(1);
        }
    }
    assert_eq!(again, first);
}

#[test]
fn whoever_signs_and_crashes_before_it_wrote_may_sign_another_update() {
    let mut rig = Rig::new();
    rig.pay(0, 100);
    rig.crash(0);
    rig.exchange();
    assert!(rig.pay(0, 200) > 1, "and under another round: nobody could tell whether the first one has left");
    rig.exchange();
    assert_eq!(rig.assert_agreed().balances[1], units(DEPOSIT + 200));
}

#[test]
fn the_contracts_state_is_read_back_from_its_changes() {
    let mut rig = Rig::new();
    let counter = rig.create_counter(0);
    for round in 0..60 {
        rig.propose(0, Change::Call(count(0, counter, round % 7, 1))).unwrap();
        rig.exchange();
        if round % 9 == 0 {
            rig.crash(usize::from(round % 2));
            rig.exchange();
        }
        rig.assert_agreed();
    }
}

#[test]
fn a_side_with_an_old_journal_takes_the_newer_state_from_its_peer() {
    let mut rig = Rig::new();
    let old = rig.parties[0].disk.clone();
    let counter = rig.create_counter(0);
    rig.propose(1, Change::Call(count(1, counter, 3, 50))).unwrap();
    rig.exchange();
    rig.restore(0, old);
    let start = rig.now;
    assert_eq!(rig.close_alone(0), Err(CloseError::Unheard));
    assert_eq!(rig.parties[0].round(), 0);
    rig.deliver(0);
    assert_eq!(*rig.machine(0).health(), Health::Recovering);
    let now = rig.now;
    assert_eq!(rig.machine(0).force(now, &count(0, counter, 3, 1)), Err(CloseError::Recovering));
    assert_eq!(rig.machine(0).close(now), Err(CloseError::Recovering));
    rig.exchange();
    assert_eq!(rig.assert_agreed().round, 2);
    assert_eq!(*rig.machine(0).health(), Health::Sound);
    for news in [ChannelNews::Behind { round: 2 }, ChannelNews::Recovered { round: 2 }] {
        assert!(rig.parties[0].has(|told| *told == news));
    }
    // It may have signed rounds that nobody tells it of.
    assert!(rig.pay(0, 5) > round_at(start));
    rig.exchange();
    rig.assert_agreed();
}

#[test]
fn a_side_whose_peer_vanishes_while_it_recovers_closes_with_the_newest_position() {
    let mut rig = Rig::new();
    let old = rig.parties[0].disk.clone();
    let counter = rig.create_counter(0);
    rig.propose(1, Change::Call(count(1, counter, 3, 50))).unwrap();
    rig.exchange();
    rig.restore(0, old);
    rig.deliver(0);
    assert_eq!(*rig.machine(0).health(), Health::Recovering);
    rig.parties[1].is_watching = false;
    rig.close_alone(0).unwrap();
    assert_eq!(rig.entry().unwrap().signed, 2);
    rig.settle();
    rig.assert_paid([DEPOSIT + 25, DEPOSIT - 25].map(units));
}

#[test]
fn a_round_that_only_the_peer_remembers_is_not_signed_again() {
    let mut rig = Rig::new();
    let old = rig.parties[0].disk.clone();
    rig.pay(0, 100);
    rig.write(0);
    rig.pay(1, 7);
    rig.write(1);
    // A tie: the responder only notes the round. Then the initiator forgets that it signed it.
    rig.deliver(1);
    rig.restore(0, old);
    let start = rig.now;
    rig.exchange();
    let position = rig.assert_agreed();
    assert!(position.round > round_at(start));
    // The responder's is proposed for another round, and the initiator's is gone.
    assert_eq!(position.balances, [DEPOSIT + 7, DEPOSIT - 7].map(units));
}

#[test]
fn a_proposal_that_an_old_journal_has_forgotten_is_not_signed_over() {
    let mut rig = Rig::new();
    let old = rig.parties[0].disk.clone();
    rig.pay(0, 100);
    rig.write(0);
    rig.deliver(1);
    // The peer has signed, and its answer is lost with the proposer's disk.
    rig.restore(0, old);
    rig.exchange();
    assert_eq!(rig.assert_agreed().balances[0], units(DEPOSIT - 100));
    rig.pay(0, 300);
    rig.exchange();
    assert_eq!(rig.assert_agreed().balances[0], units(DEPOSIT - 400));
}

#[test]
fn an_old_journal_never_closes_by_itself() {
    let mut rig = Rig::new();
    let old = rig.parties[0].disk.clone();
    rig.pay(0, 100);
    rig.exchange();
    rig.parties[0].news.clear();
    rig.restart(0, old);
    for _ in 0..20 {
        rig.tick(Span::minutes(5));
    }
    // Nor where something in it is near its time: its user is told, once.
    let now = rig.now;
    for _ in 0..2 {
        assert_eq!(rig.machine(0).close_unasked(now), Err(CloseError::Unheard));
        rig.collect(0);
    }
    let told = rig.parties[0].news.iter().filter(|news| **news == ChannelNews::MayBeOld).count();
    assert_eq!((told, rig.machine(0).waits_for_word()), (1, true));
    assert!(!rig.parties[0].has(|news| matches!(news, ChannelNews::Submit(_))));
    assert!(rig.entry().is_some());
    // The peer is there again, and silent after that: now it is known what is the newest.
    rig.connect();
    rig.exchange();
    assert!(!rig.machine(0).waits_for_word());
    rig.disconnect();
    let (now, newest) = (rig.now, rig.assert_agreed().round);
    rig.machine(0).close_unasked(now).unwrap();
    rig.collect(0);
    assert_eq!(rig.entry().unwrap().signed, newest);
    rig.settle();
    rig.assert_paid([DEPOSIT - 100, DEPOSIT + 100].map(units));
}

#[test]
fn an_old_disk_signs_no_round_again_where_its_peer_hides_what_it_has_and_beats_that() {
    let mut rig = Rig::new();
    let old = [0, 1].map(|side: usize| rig.parties[side].disk.clone());
    for amount in [900, 800, 700] {
        rig.pay(1, amount);
        rig.exchange();
    }
    rig.pay(0, 100_000);
    rig.exchange();
    let hidden = rig.machine(1).cosigned().unwrap();
    // One side has lost what it had, and the other acts as if it had too; so no word tells of what was signed.
    for (side, disk) in old.into_iter().enumerate() {
        rig.restore(side, disk);
    }
    rig.exchange();
    assert_eq!((rig.parties[0].round(), rig.parties[1].round()), (0, 0));
    // The signer of either panics at a second state for a round.
    for _ in 0..8 {
        rig.pay(1, 1_000);
        rig.exchange();
        rig.pay(0, 1);
        rig.exchange();
    }
    let newest = rig.assert_agreed();
    assert!(newest.round > hidden.body.position.round);
    rig.parties[1].is_watching = false;
    let channel = rig.machine(1).id().unwrap();
    let close = ChannelsCall::CloseSolo { channel, side: Side::Responder, secret: SECRET, state: Some(hidden) };
    rig.submit(1, close);
    rig.tick(Span::millis(10));
    assert_eq!(rig.entry().unwrap().signed, newest.round, "what was hidden is answered");
    rig.settle();
    rig.assert_paid(newest.balances);
}

#[test]
fn what_a_peer_whose_clock_is_ahead_proposes_is_signed_when_its_time_has_come() {
    let mut rig = Rig::new();
    let (early, late) = (rig.now, rig.now + Span::seconds(20));
    rig.now = late;
    rig.crash(0);
    rig.exchange();
    rig.pay(0, 100);
    rig.write(0);
    let Some(ChannelMessage::Propose(proposal)) = rig.next_message(1) else { panic!("it proposes") };
    assert!(proposal.round() > round_at(late));
    rig.now = early;
    rig.deliver(1);
    rig.show_ledger(1);
    rig.exchange();
    assert_eq!([0, 1].map(|side: usize| rig.parties[side].round()), [0, 0], "it is not signed yet");
    assert_eq!(rig.propose(1, transfer(1, 5)), Err(ProposeError::Clock), "nor can it propose one above it");
    rig.now = late + Span::millis(10);
    rig.show_ledger(1);
    rig.exchange();
    assert_eq!(rig.assert_agreed().round, proposal.round());
    // Nobody's clock is ahead by that much.
    let position = Position { round: round_at(rig.now + CLOCKS_APART_MAX) + 1, ..proposal.position };
    let body = ChannelState { position, ..rig.machine(0).cosigned().unwrap().body };
    let signature = Cosigned::sign_one(&body, &rig.world.people[0].identity);
    let far = ChannelMessage::Propose(Proposal { position, signature, ..proposal });
    assert_eq!(rig.hear(1, far), Err(PeerFault::Round));
}

#[test]
fn what_was_proposed_to_a_peer_that_starts_anew_is_proposed_for_a_round_that_it_signs() {
    let mut rig = Rig::new();
    rig.pay(0, 100);
    rig.write(0);
    // It was on its way, and is the same update afterwards, once.
    rig.crash(1);
    let start = rig.now;
    rig.exchange();
    let position = rig.assert_agreed();
    assert!(position.round > round_at(start));
    assert_eq!(position.balances, [DEPOSIT - 100, DEPOSIT + 100].map(units));
    assert!(!rig.parties[0].has(|news| matches!(news, ChannelNews::Refused { .. })));
}

/// A state of the round that both have, which both have signed as well, by keys and not by machines.
fn other_state(rig: &mut Rig) -> (Position, [byway_crypto::IdentitySignature; 2]) {
    let state = rig.machine(0).cosigned().unwrap().body;
    let position = Position { balances: [DEPOSIT + 9, DEPOSIT - 9].map(units), ..state.position };
    let people = [0, 1].map(|person: usize| &rig.world.people[person].identity);
    (position, Cosigned::sign(ChannelState { position, ..state }, people).signatures)
}

#[test]
fn two_states_of_one_round_freeze_the_channel() {
    let mut rig = Rig::new();
    rig.pay(0, 100);
    rig.exchange();
    let (position, signatures) = other_state(&mut rig);
    let now = rig.now;
    let shown = byway_channel::Reestablish {
        channel: rig.machine(1).id().unwrap(),
        secret: SECRET,
        position,
        total: units(2 * DEPOSIT),
        fundings: 0,
        signatures: Some(signatures),
        signed: 1,
        seen: 1,
    };
    let unproven = byway_channel::Reestablish { signatures: None, ..shown };
    let ours = *rig.machine(1).position();
    rig.machine(1).handle_message(now, ChannelMessage::Reestablish(unproven)).unwrap();
    assert_eq!(*rig.machine(1).health(), Health::Sound, "what is only said freezes nothing");
    assert_eq!(*rig.machine(1).position(), ours);
    assert!(!rig.machine(1).is_connected(), "the ledger is to show it first");
    rig.machine(1).handle_message(now, ChannelMessage::Reestablish(shown)).unwrap();
    rig.collect(1);
    let Health::Frozen(conflict) = rig.machine(1).health().clone() else { panic!("it is frozen") };
    assert_eq!((conflict.ours.position.round, conflict.theirs.position), (1, position));
    assert!(rig.parties[1].has(|news| *news == ChannelNews::Alarm(conflict.clone())));
    rig.propose(1, transfer(1, 1)).expect_err("nothing is signed any more");
    rig.exchange();
    let error = SaidError { code: ErrorCode::Conflict, round: 1 };
    assert!(rig.parties[0].has(|news| *news == ChannelNews::ErrorHeard(error)), "the peer is told");
    rig.crash(1);
    assert!(matches!(rig.machine(1).health(), Health::Frozen(_)), "also after a restart");
}

#[test]
fn a_newer_state_is_believed_only_with_both_signatures() {
    let mut rig = Rig::new();
    rig.pay(0, 100);
    rig.exchange();
    let (position, signatures) = other_state(&mut rig);
    let position = Position { round: 5, ..position };
    let now = rig.now;
    let (channel, total) = (rig.machine(1).id().unwrap(), units(2 * DEPOSIT));
    for (signatures, heard) in [(None, Ok(())), (Some(signatures), Err(PeerFault::Signature))] {
        let shown = byway_channel::Reestablish {
            channel,
            secret: SECRET,
            position,
            total,
            fundings: 0,
            signatures,
            signed: 5,
            seen: 5,
        };
        assert_eq!(rig.machine(1).handle_message(now, ChannelMessage::Reestablish(shown)), heard);
        assert_eq!(rig.machine(1).position().round, 1);
    }
    let (signatures, signed) = (Some(signatures), u64::MAX);
    let far = byway_channel::Reestablish {
        channel,
        secret: SECRET,
        position,
        total,
        fundings: 0,
        signatures,
        signed,
        seen: 5,
    };
    assert_eq!(rig.machine(1).handle_message(now, ChannelMessage::Reestablish(far)), Err(PeerFault::Round));
    assert_eq!(rig.assert_agreed().round, 1);
}

#[test]
fn what_is_said_while_a_side_recovers_is_not_lost() {
    let mut rig = Rig::new();
    let old = rig.parties[0].disk.clone();
    rig.create_counter(0);
    rig.fill_lane(1, 1_000);
    rig.promise(1, 300).unwrap();
    rig.pay(1, 40);
    while rig.write(1) {}
    rig.restore(0, old);
    rig.deliver(0);
    assert_eq!(*rig.machine(0).health(), Health::Recovering);
    rig.deliver(1);
    // What the peer was to say first is that promise, and its update.
    assert!(matches!(rig.next_message(0), Some(ChannelMessage::Promise(_))));
    rig.deliver(0);
    assert_eq!(rig.machine(0).promised(Side::Responder).amount, units(300));
    rig.exchange();
    // Rounds that it may have signed are left out, so the update is made for another.
    let position = rig.assert_agreed();
    let is_made = |news: &ChannelNews| *news == ChannelNews::Updated { round: position.round, change: transfer(1, 40) };
    assert!(position.round > 3 && rig.parties[1].has(is_made));
}

/// Alice has put something in, and both had signed before a state of a higher round, in a life of which her disk knows nothing. Gives what shows that, and
/// her disk from before.
fn shown_after_a_deposit(rig: &mut Rig) -> (Reestablish, byway_primitives::MemoryStore) {
    let old = rig.parties[0].disk.clone();
    let (network, channel, total) = (rig.world.network, rig.machine(0).id().unwrap(), rig.machine(0).total());
    let position = Position { round: 500, ..*rig.machine(0).position() };
    let body = ChannelState { network, channel, total, fundings: 0, position };
    let signatures = Some([0, 1].map(|side| Cosigned::sign_one(&body, &person(side))));
    rig.fund(0, Movement::Deposit, 1_000).unwrap();
    rig.run();
    assert_eq!(rig.entry().unwrap().fundings, 1);
    let shown = Reestablish { channel, secret: SECRET, position, total, fundings: 0, signatures, signed: 0, seen: 0 };
    (shown, old)
}

#[test]
fn a_state_from_before_a_deposit_is_not_taken_up_whatever_its_round() {
    let mut rig = Rig::new();
    let (shown, _) = shown_after_a_deposit(&mut rig);
    let before = *rig.machine(0).position();
    assert_eq!(rig.hear(0, ChannelMessage::Reestablish(shown)), Err(PeerFault::Unproven));
    assert_eq!(*rig.machine(0).position(), before);
    rig.pay(0, 5);
    rig.exchange();
    assert_eq!(rig.assert_agreed().balances[0], units(DEPOSIT + 995));
}

/// It was taken up before this side saw the ledger.
#[test]
fn a_side_leaves_a_state_from_before_a_deposit_once_it_sees_the_ledger() {
    for is_closing in [false, true] {
        let mut rig = Rig::new();
        let (shown, old) = shown_after_a_deposit(&mut rig);
        rig.disconnect();
        // Its machine did not sign what it will show.
        rig.parties[0].is_honest = false;
        rig.start(0, old);
        let now = rig.now;
        rig.machine(0).handle_connected(now);
        rig.hear(0, ChannelMessage::Reestablish(shown)).unwrap();
        assert_eq!(*rig.machine(0).position(), shown.position);
        if is_closing {
            rig.close_alone(1).unwrap();
            rig.show_ledger(0);
            rig.settle();
            rig.assert_paid([DEPOSIT + 1_000, DEPOSIT].map(units));
            continue;
        }
        rig.show_ledger(0);
        assert_eq!(rig.machine(0).held().fundings, 1);
        rig.lose();
        rig.exchange();
        rig.pay(0, 5);
        rig.exchange();
        assert_eq!(rig.assert_agreed().balances[0], units(DEPOSIT + 995));
        rig.close_alone(0).unwrap();
        rig.settle();
        rig.assert_paid([DEPOSIT + 995, DEPOSIT + 5].map(units));
        assert_eq!(rig.refused, [], "nothing is shown that the ledger does not take");
    }
}
