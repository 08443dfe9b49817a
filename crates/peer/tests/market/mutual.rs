//! Both sell to each other, so both owe: what is due is settled net, whatever the other side does about it.

mod both;
mod chatting;
mod hiring;
mod several;

use byway_dialogue::payment::SettleError;
use byway_peer::market::MarketError;
use byway_primitives::{Amount, Span};

use crate::terms::Terms;
use both::{BALANCE, Both, ONE, OTHER};

/// What each side downloads in most tests, in bytes.
const TRADED: [u64; 2] = [3_000_000, 2_000_000];

fn traded(seed: u64) -> Both {
    let mut both = Both::new(seed, Terms::default());
    both.trade(TRADED);
    assert!(both.executed.is_empty() && both.open(OTHER) > both.open(ONE) && !both.open(ONE).is_zero());
    both
}

/// Settles until nothing is open, however much is forgotten or under way.
fn settle_all(both: &mut Both) {
    for round in 0..8 {
        // That nothing is open, or something under way, is an answer, too.
        let _ = both.settle(round % 2);
        both.pump_for(6_000);
    }
}

/// All that was promised was settled once, and each has what it is owed.
fn check(both: &Both, label: &str) {
    let promised = [both.promised(ONE), both.promised(OTHER)];
    assert_eq!([both.view(OTHER).received, both.view(ONE).received], promised, "{label}: what was promised has come");
    assert_eq!([both.open(ONE), both.open(OTHER)], [Amount::ZERO; 2], "{label}: and is settled");
    for who in [ONE, OTHER] {
        let due = BALANCE.checked_add(promised[1 - who]).and_then(|sum| sum.checked_sub(promised[who]));
        assert_eq!(Some(both.balance(who)), due, "{label}: each has what it is owed");
    }
}

#[test]
fn what_both_owe_is_settled_by_one_call() {
    for who in [ONE, OTHER] {
        let mut both = traded(1);
        let net = both.open(OTHER).saturating_sub(both.open(ONE));
        both.settle(who).expect("something is due");
        assert_eq!(both.settle(who), Err(MarketError::Settle(SettleError::UnderWay)));
        both.pump_for(500);
        assert_eq!((both.executed.as_slice(), both.moved), (&[(who, true)][..], net));
        check(&both, "settled");
        assert_eq!(both.settle(who), Err(MarketError::Settle(SettleError::Nothing)));
        both.trade(TRADED);
        both.settle(1 - who).expect("they went on");
        both.pump_for(500);
        assert_eq!(both.executed[1..], [(1 - who, true)]);
        check(&both, "and again");
    }
}

#[test]
fn a_settlement_that_is_due_is_net_by_itself() {
    let settle_at = Amount::cost_of_bytes(Terms::default().price, 2_000_000).expect("fits");
    let mut both = Both::new(2, Terms { settle_at, settlement: Span::millis(300), ..Terms::default() });
    both.trade([20_000_000, 15_000_000]);
    assert!(both.executed.len() > 3, "settled {} times", both.executed.len());
    let together = both.executed.iter().filter(|(_, together)| *together).count();
    assert!(2 * together > both.executed.len(), "{together} of {} settlements net", both.executed.len());
    let promised = both.promised(ONE).checked_add(both.promised(OTHER)).expect("fits");
    assert!(both.moved.units() < promised.units() / 2, "{} moved of {promised}", both.moved);
    settle_all(&mut both);
    check(&both, "in the end");
}

#[test]
fn a_silent_peer_is_settled_with_alone_and_its_late_answer_changes_nothing() {
    for who in [ONE, OTHER] {
        let mut both = traded(3);
        both.set_silent(1 - who, true);
        both.settle(who).expect("something is due");
        both.pump_for(1_900);
        assert!(both.executed.is_empty());
        both.pump_for(200);
        assert_eq!(both.executed, [(who, false)], "after the time for an advice");
        both.set_silent(1 - who, false);
        both.pump_for(3_000);
        assert_eq!(both.executed, [(who, false)]);
        assert!(both.open(who).is_zero() && !both.open(1 - who).is_zero());
        settle_all(&mut both);
        check(&both, "silent");
    }
}

#[test]
fn who_is_not_there_is_settled_with_alone() {
    let mut both = traded(4);
    both.break_link();
    both.settle(ONE).expect("something is due");
    both.pump_for(100);
    assert_eq!(both.executed, [(ONE, false)]);
    both.connect();
    settle_all(&mut both);
    check(&both, "apart");
}

#[test]
fn who_proposes_and_hands_nothing_in_delays_the_other_once_and_gains_nothing() {
    let mut both = traded(5);
    both.withhold(OTHER, true);
    both.settle(OTHER).expect("something is due");
    both.pump_for(200);
    // It has agreed, and holds its own settlement back, but no longer than it would wait for an answer.
    assert_eq!(both.settle(ONE), Err(MarketError::Settle(SettleError::UnderWay)));
    both.pump_for(1_700);
    assert!(both.executed.is_empty());
    both.pump_for(300);
    assert_eq!(both.executed, [(ONE, false)]);
    assert!(both.open(ONE).is_zero());
    assert_eq!(both.balance(ONE), BALANCE.checked_add(both.promised(OTHER)).expect("fits"));
}

/// Either side crashes after a write: while promises come, with the net proposed, agreed to, on its way to the ledger, or
/// settled and unheard of.
#[test]
fn a_crash_after_any_write_loses_nothing_that_was_netted() {
    let run = |crash: Option<(usize, usize)>| {
        let mut both = Both::new(6, Terms { settlement: Span::millis(40), ..Terms::default() });
        if let Some((who, writes)) = crash {
            both.crash_after(who, writes);
        }
        for who in [ONE, OTHER] {
            both.trade_for([400_000, 300_000], 600);
            // What is under way, or was lost with a session, is no matter here.
            let _ = both.settle(who);
            both.pump_for(200);
        }
        let writes = [both.writes(ONE), both.writes(OTHER)];
        settle_all(&mut both);
        check(&both, &format!("crash at {crash:?}"));
        (writes, both.executed.iter().any(|(_, together)| *together))
    };
    let (writes, is_net) = run(None);
    assert!(is_net);
    let step = if std::env::var_os("BYWAY_TEST_LONG").is_some() { 1 } else { 5 };
    for who in [ONE, OTHER] {
        assert!(writes[who] > 20, "it writes often enough to be worth crashing");
        for at in (1..=writes[who]).step_by(step) {
            run(Some((who, at)));
        }
    }
}
