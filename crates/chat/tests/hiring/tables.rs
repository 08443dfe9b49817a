//! One story each.

use byway_chat::hiring::{ANSWER_TIME, ASK_AGAIN, BotCard, CardFault, HireBill, HireMessage, HireRefusal, WAITING_MAX};
use byway_primitives::Amount;

use crate::rig::{HIRER, HOST, PRICE, Rig, amount, terms};

#[test]
fn each_answer_is_paid_once_and_one_is_paid_ahead() {
    let mut rig = Rig::hired(5);
    assert_eq!((rig.promised, rig.earned), (amount(PRICE), Amount::ZERO));
    for answers in 1..=3 {
        rig.say(true);
        rig.work();
        rig.say(false);
        assert_eq!((rig.promised, rig.earned), (amount(PRICE * (answers + 1)), amount(PRICE * answers)));
    }
    // What it says beside is not paid.
    rig.say(false);
    assert_eq!(rig.earned, amount(PRICE * 3));
    let view = rig.view();
    assert_eq!((view.asked, view.answered, view.claimed), (3, 3, 0));
}

#[test]
fn messages_are_given_one_at_a_time_and_what_is_not_answered_costs_nothing() {
    let mut rig = Rig::hired(5);
    rig.say(true);
    rig.say(true);
    rig.work();
    rig.work();
    assert_eq!(rig.given(), 1, "the first is not answered");
    rig.wait(ANSWER_TIME);
    rig.work();
    assert_eq!((rig.given(), rig.earned), (2, Amount::ZERO));
    rig.say(false);
    rig.say(false);
    assert_eq!(rig.earned, amount(PRICE), "one answer to the second, and something beside");
}

#[test]
fn beyond_the_limit_nothing_is_paid_nor_given_until_it_is_raised() {
    let mut rig = Rig::hired(2);
    for _ in 0..3 {
        rig.say(true);
    }
    rig.answer_all();
    assert_eq!((rig.given(), rig.earned, rig.promised), (2, amount(2 * PRICE), amount(2 * PRICE)));
    assert_eq!((rig.refusal(), rig.view().is_spent), (Some(HireRefusal::Unpaid), true));
    assert_eq!(rig.view().bill.unwrap().waiting, 1);
    rig.hire(3);
    rig.settle();
    rig.answer_all();
    assert_eq!((rig.given(), rig.earned), (3, amount(3 * PRICE)));
    assert_eq!(rig.refusal(), None);
}

#[test]
fn whoever_does_not_pay_is_given_nothing_and_remembered_no_longer_than_it_is_there() {
    let mut rig = Rig::new();
    rig.pays = false;
    rig.hire(5);
    rig.settle();
    rig.say(true);
    rig.work();
    assert_eq!((rig.host.clients().count(), rig.refusal()), (0, Some(HireRefusal::Unpaid)));
    rig.host.handle_disconnected(HIRER);
    assert_eq!(rig.host.follows().count(), 0);
}

#[test]
fn a_host_that_counts_what_it_has_not_said_or_was_not_asked_is_not_paid_for_it() {
    let mut rig = Rig::hired(9);
    let lie =
        |answered| HireMessage::Hired { bill: HireBill { answered, price: amount(PRICE), ..HireBill::default() } };
    rig.lie(lie(4));
    assert_eq!((rig.promised, rig.view().claimed), (amount(PRICE), 4));
    rig.say(true);
    rig.lie(lie(4));
    assert_eq!(rig.promised, amount(PRICE), "it has said nothing");
    rig.say(false);
    rig.say(false);
    rig.lie(lie(4));
    assert_eq!((rig.promised, rig.view().claimed), (amount(2 * PRICE), 3), "one message, one answer, twice counted");
}

#[test]
fn a_price_above_what_was_agreed_to_is_not_paid() {
    let mut rig = Rig::hired(9);
    let bill = HireBill { price: amount(PRICE + 1), ..HireBill::default() };
    rig.lie(HireMessage::Hired { bill });
    assert_eq!(rig.promised, amount(PRICE));
    rig.host.set_terms(Some(terms(PRICE + 1)), |_| amount(PRICE));
    rig.settle();
    assert_eq!(rig.refusal(), Some(HireRefusal::TooDear));
    rig.host.set_terms(Some(terms(PRICE - 4)), |_| amount(PRICE));
    rig.settle();
    assert_eq!(rig.refusal(), None);
    rig.say(true);
    rig.answer_all();
    assert_eq!(rig.earned, amount(PRICE - 4));
    rig.host.set_terms(None, |_| Amount::ZERO);
    rig.settle();
    assert_eq!(rig.refusal(), Some(HireRefusal::Unwilling));
    rig.host.set_terms(Some(terms(PRICE)), |_| amount(PRICE));
    rig.wait(ASK_AGAIN);
    assert_eq!(rig.refusal(), None, "it was asked again");
}

#[test]
fn whoever_is_dismissed_is_given_nothing_more_and_comes_back_where_it_was() {
    let mut rig = Rig::hired(9);
    rig.say(true);
    rig.answer_all();
    rig.hires.dismiss(rig.now, HOST);
    rig.settle();
    assert_eq!((rig.hires.hires().count(), rig.host.clients().count()), (0, 0));
    rig.say(true);
    rig.answer_all();
    assert_eq!((rig.earned, rig.promised), (amount(PRICE), amount(2 * PRICE)));
    rig.restart();
    rig.wait(ASK_AGAIN);
    rig.hire(9);
    rig.settle();
    assert_eq!(rig.promised, amount(2 * PRICE), "what was paid ahead is not lost");
    rig.say(true);
    rig.answer_all();
    assert_eq!((rig.earned, rig.promised), (amount(2 * PRICE), amount(3 * PRICE)));
}

#[test]
fn what_waits_is_bounded_and_nothing_of_it_is_lost() {
    let mut rig = Rig::hired(1_000);
    let all = WAITING_MAX + 20;
    for _ in 0..all {
        rig.say(true);
    }
    assert_eq!(rig.host.clients().next().unwrap().waiting, WAITING_MAX as u64);
    rig.answer_all();
    assert_eq!((rig.given(), rig.earned), (all, amount(PRICE * all as u64)));
}

#[test]
fn a_word_that_is_said_twice_moves_nothing() {
    let mut rig = Rig::hired(9);
    rig.say(true);
    rig.answer_all();
    let (promised, earned) = (rig.promised, rig.earned);
    let again = HireMessage::Hire { price_max: amount(PRICE), spent: amount(PRICE) };
    let credit = rig.credit();
    for _ in 0..3 {
        rig.host.handle_message(rig.now, HIRER, again, credit);
        rig.settle();
    }
    assert_eq!((rig.promised, rig.earned), (promised, earned));
}

#[test]
fn what_is_no_card_of_a_bot_is_none() {
    let word = |text: &str| vec![text.to_owned()];
    let rows = [
        (BotCard::new("", "", vec![]).err(), CardFault::Name),
        (BotCard::new("Bot", "", vec![]).err(), CardFault::Name),
        (BotCard::new(&"b".repeat(33), "", vec![]).err(), CardFault::Name),
        (BotCard::new("bot", &"b".repeat(161), vec![]).err(), CardFault::About),
        (BotCard::new("bot", "\u{1b}[31m", vec![]).err(), CardFault::About),
        (BotCard::new("bot", "", word("")).err(), CardFault::Commands),
        (BotCard::new("bot", "", word("two words")).err(), CardFault::Commands),
        (BotCard::new("bot", "", vec!["a".to_owned(); 9]).err(), CardFault::Commands),
    ];
    for (found, expected) in rows {
        assert_eq!(found, Some(expected));
    }
}
