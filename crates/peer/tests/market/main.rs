//! Two market nodes that trade with each other: every machine between them is the real one, and time, links, disks and
//! the ledger are the rig's.

mod rig;

use byway_access::session::{StopReason, Traffic};
use byway_primitives::Amount;

use rig::{PRICE, Rig, Side, WINDOW_CEILING};

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
    assert_eq!((ended.billed, ended.cost), (Traffic::new(0, DOWNLOAD), cost(DOWNLOAD)));
    let (given, taken) = rig.promised_and_received();
    assert_eq!(given, taken, "what was promised has arrived");
    assert!(given >= cost(DOWNLOAD), "it covers what was used");
    assert!(given <= cost(DOWNLOAD).checked_add(WINDOW_CEILING).expect("fits"), "and one window more at most");
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
    assert_eq!(ended.billed, Traffic::new(0, DOWNLOAD));
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
