//! Two market nodes that trade with each other: every machine between them is the real one, and time, links, disks and
//! the ledger are the rig's.

mod kills;
mod lanes;
mod mutual;
mod rig;
#[allow(dead_code, reason = "the tests of channels use more of it")]
#[path = "../../../channel/tests/channel/strict.rs"]
mod strict;
mod terms;

use byway_access::session::{Measure, OpenError, OpenRefusal, StopReason, Tariff, Traffic};
use byway_peer::market::Capacity;
use byway_primitives::{Amount, Span};

use rig::{Rig, Side};
use terms::{Others, PRICE, Terms, WINDOW_CEILING};

/// Bytes that the download of a test moves.
const DOWNLOAD: u64 = 3_000_000;

fn cost(bytes: u64) -> Amount {
    Amount::cost_of_bytes(PRICE, bytes).expect("fits")
}

#[test]
fn a_session_is_opened_used_and_paid_for_to_the_byte() {
    let mut rig = Rig::new(1);
    rig.connect();
    rig.open_session();
    rig.download(DOWNLOAD);
    rig.stop_session();
    let ended = rig.ended.expect("the session ended");
    assert_eq!(ended.reason, StopReason::ClientWish);
    assert_eq!((ended.billed.traffic, ended.cost), (Traffic::new(0, DOWNLOAD), cost(DOWNLOAD)));
    let (given, taken) = rig.promised_and_received();
    assert_eq!(given, taken, "what was promised has arrived");
    assert!(given >= cost(DOWNLOAD), "it covers what was used");
    assert!(given <= cost(DOWNLOAD).checked_add(WINDOW_CEILING).expect("fits"), "and one window more at most");
}

#[test]
fn what_is_asked_along_with_the_opening_is_agreed_to_before_the_client_knows_that_it_is_open() {
    for is_known in [false, true] {
        let mut rig = Rig::new(40);
        if is_known {
            rig.connect();
            rig.break_link();
        }
        assert!(!rig.has_agreed());
        rig.ask_for_session(7);
        rig.connect();
        assert!(rig.has_agreed(), "known before: {is_known}");
        rig.download(DOWNLOAD);
        rig.stop_session();
        assert_eq!(rig.ended.expect("the session ended").cost, cost(DOWNLOAD), "asked twice, served once");
    }
}

#[test]
fn an_early_message_without_meaning_ends_the_dialogue_and_one_that_is_no_request_does_nothing() {
    use byway_access::session::{SessionId, SessionMessage};
    use byway_primitives::Encode;
    let mut rig = Rig::new(41);
    rig.connect();
    rig.open_session();
    let stop = SessionMessage::Stop { session: SessionId([1; 16]), reason: StopReason::ClientWish };
    rig.say_early(&stop.to_bytes());
    rig.download(DOWNLOAD);
    rig.say_early(b"no message");
    assert!(!rig.is_talking(), "the provider has closed");
}

#[test]
fn a_broken_link_interrupts_nothing_but_the_bytes() {
    let mut rig = Rig::new(2);
    rig.connect();
    rig.open_session();
    for part in 1..=3 {
        rig.download(DOWNLOAD / 3 * part);
        rig.break_link();
        rig.connect();
    }
    rig.stop_session();
    let ended = rig.ended.expect("the session ended");
    assert_eq!(ended.billed.traffic, Traffic::new(0, DOWNLOAD));
}

/// Either side crashes after each of its first writes in turn, losing what was not durable, and comes back. Whatever the
/// moment: the download completes, nobody promises less than before, and nobody loses more than a window.
#[test]
fn a_crash_after_any_write_loses_nothing_that_was_promised() {
    let step = if std::env::var_os("BYWAY_TEST_LONG").is_some() { 1 } else { 5 };
    for side in [Side::Client, Side::Provider] {
        for write in (1..90).step_by(step) {
            let mut rig = Rig::new(write as u64);
            rig.crash_after(side, write);
            rig.connect();
            rig.open_session();
            rig.download(DOWNLOAD);
            rig.settle_down();
            let (given, taken) = rig.promised_and_received();
            assert!(taken <= given, "{side:?} crashed after write {write}: {taken} received of {given} promised");
            let least = cost(DOWNLOAD).saturating_sub(WINDOW_CEILING);
            assert!(given >= least, "{side:?} crashed after write {write}: {given} promised for {least} at least");
            let most = cost(DOWNLOAD).checked_add(WINDOW_CEILING).and_then(|a| a.checked_add(WINDOW_CEILING));
            assert!(given <= most.expect("fits"), "{side:?} crashed after write {write}: {given} promised");
            assert!(rig.credit_only_rose(), "{side:?} crashed after write {write}: credit went back");
        }
    }
}

#[test]
fn a_stranger_without_standing_gets_no_credit() {
    let mut rig = Rig::new(4);
    rig.stranger = true;
    rig.connect();
    rig.open_session();
    rig.pump_for(5_000);
    assert_eq!(rig.promised_and_received().1, Amount::ZERO);
    assert_eq!(rig.provider_limit(), 0, "nothing may be carried");
}

#[test]
fn a_provider_takes_on_what_it_can_and_says_why_not_more() {
    let mut rig = Rig::new(8);
    rig.connect();
    let (full, open) = (Capacity { clients_max: Some(0), ..Capacity::default() }, Capacity::default());
    let spent = Capacity { is_month_spent: true, ..Capacity::default() };
    for (number, capacity, refusal) in [(100, full, OpenRefusal::Full), (101, spent, OpenRefusal::MonthSpent)] {
        rig.set_capacity(capacity);
        rig.ask_for_session(number);
        rig.settle_down();
        assert_eq!(rig.refused, Some(OpenError::Refused(refusal)));
    }
    rig.set_capacity(open);
    rig.open_session();
    rig.refused = None;
    // Whoever is a client already may open more where there is room for no other.
    rig.set_capacity(Capacity { clients_max: Some(1), ..Capacity::default() });
    rig.ask_for_session(102);
    rig.settle_down();
    assert_eq!(rig.refused, None);
}

#[test]
fn a_session_ends_in_order_when_the_month_is_spent() {
    let mut rig = Rig::new(9);
    rig.connect();
    rig.open_session();
    rig.download(DOWNLOAD);
    rig.set_capacity(Capacity { is_month_spent: true, ..Capacity::default() });
    rig.download(2 * DOWNLOAD);
    rig.end_session(StopReason::MonthSpent);
    let ended = rig.ended.expect("the session ended");
    assert_eq!((ended.reason, ended.billed.traffic), (StopReason::MonthSpent, Traffic::new(0, 2 * DOWNLOAD)));
    assert_eq!(ended.cost, cost(2 * DOWNLOAD));
}

#[test]
fn what_is_promised_settles_once() {
    let mut rig = Rig::new(5);
    rig.connect();
    rig.open_session();
    rig.download(DOWNLOAD);
    rig.stop_session();
    rig.settle();
    rig.settle_down();
    let (given, _) = rig.promised_and_received();
    assert_eq!(rig.ledger_paid, given);
    assert!(rig.unsettled().is_empty());
    rig.settle();
    assert_eq!(rig.ledger_paid, given, "settling again moves nothing");
}

/// Programs that stop reading hold most of a window: what was forgiven of it, and seven eighths of the next. The session
/// goes on with the rest, though the client never gets to use half a window.
#[test]
fn what_stopped_programs_hold_slows_the_others_down_and_stops_nobody() {
    let mut rig = Rig::new(7);
    rig.connect();
    rig.open_session();
    rig.download(DOWNLOAD);
    let window = WINDOW_CEILING.bytes_bought(PRICE);
    rig.hold(window + window / 8 * 7);
    rig.download(2 * DOWNLOAD);
    rig.stop_session();
    let ended = rig.ended.expect("the session ended");
    assert_eq!(ended.reason, StopReason::ClientWish);
    assert!(rig.ahead_max <= WINDOW_CEILING, "{} ahead", rig.ahead_max);
}

/// A client whose price is so high that it passes the exposure maximum again and again: 10 MB/s at 0.05 WAY per MB use up
/// 1 WAY in two seconds. Nobody asks the provider to settle.
fn dear(settlement: Span) -> Terms {
    Terms {
        price: "0.05".parse().expect("an amount"),
        window_ceiling: "0.2".parse().expect("an amount"),
        settle_at: "0.05".parse().expect("an amount"),
        settlement,
        ..Terms::default()
    }
}

/// What a client waits for beside the ledger: the round trip of the advice and of the promise after it, and writes.
const TALK: Span = Span::millis(100);

#[test]
fn a_dear_session_stands_still_no_longer_than_a_settlement_takes() {
    // Half of the maximum lasts a second, which covers a settlement of less.
    for (settlement, pause_max) in [(800, TALK.0), (3_000, 3_000 + TALK.0), (20_000, 20_000 + TALK.0)] {
        let (settlement, pause_max) = (Span::millis(settlement), Span::millis(pause_max));
        let terms = dear(settlement);
        let mut rig = Rig::with_terms(6, terms);
        rig.connect();
        rig.open_session();
        rig.download(100_000_000);
        assert!(rig.planes.pause_max <= pause_max, "with {settlement:?} it stood still for {:?}", rig.planes.pause_max);
        let used = Amount::from_coins(5);
        let least = used.saturating_sub(terms.exposure_max);
        assert!(rig.ledger_paid >= least, "{} paid of {used} used", rig.ledger_paid);
        // What is settled includes what is paid ahead, and nobody can lose more than that.
        assert!(rig.ahead_max <= terms.window_ceiling, "{} ahead", rig.ahead_max);
        let (given, _) = rig.promised_and_received();
        assert!(rig.ledger_paid <= given && given <= used.checked_add(terms.window_ceiling).expect("fits"));
    }
}

/// The provider crashes at many moments of a session that lives from one settlement to the next: with a settlement due,
/// advised, on its way to the ledger, or final and unheard of.
#[test]
fn a_crash_loses_no_settlement_that_the_session_waits_for() {
    let step = if std::env::var_os("BYWAY_TEST_LONG").is_some() { 1 } else { 17 };
    for write in (1..250).step_by(step) {
        let terms = dear(Span::seconds(2));
        let mut rig = Rig::with_terms(write as u64, terms);
        rig.crash_after(Side::Provider, write);
        rig.connect();
        rig.open_session();
        rig.download(60_000_000);
        rig.settle_down();
        let (given, taken) = rig.promised_and_received();
        assert!(rig.ledger_paid <= given, "crashed after write {write}: {} paid of {given}", rig.ledger_paid);
        assert!(taken <= given, "crashed after write {write}: {taken} received of {given} promised");
        let open = Amount::checked_sum(rig.unsettled().iter().map(|taken| taken.unsettled)).expect("fits");
        assert!(open <= terms.exposure_max, "crashed after write {write}: {open} is open");
        let most = rig.used().checked_add(terms.window_ceiling).and_then(|most| most.checked_add(terms.window_ceiling));
        assert!(given <= most.expect("fits"), "crashed after write {write}: {given} promised for {}", rig.used());
    }
}

/// As far as the other providers go: whether there are any, and they answer or not, and whichever side crashes meanwhile.
#[test]
fn asking_others_about_a_client_holds_it_up_for_as_long_as_said_and_no_longer() {
    let wait = byway_access::warning::WarningConfig::default().wait;
    for others in [Others::Nobody, Others::Silent] {
        let mut rig = Rig::with_terms(3, Terms { others, ..Terms::default() });
        rig.connect();
        rig.open_session();
        rig.download(DOWNLOAD);
        assert_eq!(rig.asked_others, 1, "{others:?}");
        // It uses up its first window while others are being asked.
        let is_held = rig.planes.pause_max.0 > wait.0 / 2;
        assert!(rig.planes.pause_max.0 < wait.0 + 1_000, "{others:?}: stood still for {:?}", rig.planes.pause_max);
        assert_eq!(is_held, others == Others::Silent, "{others:?}: stood still for {:?}", rig.planes.pause_max);
        rig.stop_session();
        for (side, write) in [(Side::Provider, 6), (Side::Provider, 25), (Side::Client, 12)] {
            let mut rig = Rig::with_terms(write as u64, Terms { others, ..Terms::default() });
            rig.crash_after(side, write);
            rig.connect();
            rig.open_session();
            rig.download(DOWNLOAD);
            assert!(rig.asked_others >= 1);
        }
    }
}

#[test]
fn a_client_that_expects_another_price_pays_the_one_that_applies() {
    let mut rig = Rig::with_terms(4, Terms { expected: Amount::from_units(PRICE.units() / 2), ..Terms::default() });
    rig.connect();
    rig.open_session();
    rig.download(DOWNLOAD);
    rig.stop_session();
    assert_eq!(rig.ended.map(|ended| ended.cost), Some(cost(DOWNLOAD)));
}

/// A window of time costs four fifths of what either side lets the other run ahead.
const BY_SECOND: Tariff = Tariff::per_second(Amount::from_units(byway_primitives::amount::ONE / 20_000));

fn rented(seed: u64) -> Rig {
    let Tariff { measure, price } = BY_SECOND;
    Rig::with_terms(seed, Terms { measure, price, expected: price, ..Terms::default() })
}

#[test]
fn a_session_by_the_second_costs_the_time_that_it_ran_and_not_that_of_an_outage() {
    let mut rig = rented(50);
    rig.connect();
    rig.open_session();
    rig.download(DOWNLOAD);
    rig.pump_for(20_000);
    rig.break_link();
    rig.pump_for(20_000);
    rig.connect();
    rig.pump_for(20_000);
    assert_eq!(rig.provider_limit(), u64::MAX, "bytes are not what is sold");
    rig.stop_session();
    let ended = rig.ended.expect("the session ended");
    assert_eq!(ended.cost, BY_SECOND.cost(ended.billed));
    assert_eq!(ended.billed.traffic, Traffic::new(0, DOWNLOAD));
    // The download, the stop, and what was not confirmed when the link broke.
    let seconds = ended.billed.time.0 / 1_000;
    assert!((38..=46).contains(&seconds), "{:?}", ended.billed);
    let (given, taken) = rig.promised_and_received();
    assert_eq!(given, taken);
    assert!(given <= ended.cost.checked_add(WINDOW_CEILING).expect("fits"), "one window more at most");
}

#[test]
fn a_crash_costs_no_agreement_on_time() {
    let step = if std::env::var_os("BYWAY_TEST_LONG").is_some() { 1 } else { 4 };
    for side in [Side::Client, Side::Provider] {
        for write in (1..40).step_by(step) {
            let mut rig = rented(write as u64);
            rig.crash_after(side, write);
            let begun = rig.now;
            rig.connect();
            rig.open_session();
            rig.pump_for(20_000);
            rig.settle_down();
            let (given, taken) = rig.promised_and_received();
            assert!(taken <= given, "{side:?} crashed after write {write}: {taken} received of {given} promised");
            let elapsed = BY_SECOND.cost_of(rig.now.since(begun).0);
            let most = elapsed.checked_add(WINDOW_CEILING).expect("fits");
            assert!(given <= most, "{side:?} crashed after write {write}: {given} promised for {elapsed}");
            let least = BY_SECOND.cost_of(12_000);
            assert!(given >= least, "{side:?} crashed after write {write}: {given} promised");
            assert!(rig.credit_only_rose(), "{side:?} crashed after write {write}: credit went back");
        }
    }
}

#[test]
fn what_is_sold_by_the_mb_alone_is_not_sold_by_the_second() {
    let mut rig = Rig::new(51);
    rig.connect();
    rig.terms.measure = Measure::Time;
    rig.terms.expected = BY_SECOND.price;
    rig.ask_for_session(1);
    rig.settle_down();
    assert_eq!(rig.refused, Some(OpenError::Refused(OpenRefusal::NotByThat)));
}
