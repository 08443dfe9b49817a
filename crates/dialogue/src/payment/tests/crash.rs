//! Crashes at every write of either side, and lost disks.

use byway_records::call::Take;

use super::pair::*;
use crate::payment::*;

/// Browses, settles twice, browses on.
fn scenario(crash: Option<Crash>, take: TakeConfig) -> Pair {
    let mut pair = Pair::new(give(), take);
    pair.crash = crash;
    for round in 0..400 {
        // Layers above say again after a restart what they need.
        pair.act(CLIENT, |machine, now| machine.stay_ahead(now, ahead()));
        pair.use_service(120);
        if round % 100 == 50 {
            let _ = pair.settle(Reach::Peer, Take::Whole);
        }
        if round % 7 == 0 {
            pair.execute();
        }
        pair.step();
    }
    pair.act(CLIENT, |machine, now| machine.stay_ahead(now, Ahead::NOTHING));
    pair.run(20);
    for _ in 0..2 * EARLIER_MAX {
        let _ = pair.settle(Reach::Peer, Take::Whole);
        pair.run(10);
        pair.execute();
        pair.run(10);
    }
    pair
}

fn check_end(pair: &Pair, label: &str) {
    let (client, provider) = (&pair.nodes[CLIENT].machine, &pair.nodes[PROVIDER].machine);
    assert!(pair.used > amount(10_000), "{label}: service went on ({})", pair.used);
    assert_eq!(client.promised(), provider.received(), "{label}: both agree on what was promised");
    assert_eq!(provider.remainder(), client.ahead(), "{label}: and on what is left");
    assert_eq!(pair.ledger.paid, provider.received(), "{label}: and the ledger paid exactly that");
    assert!(provider.unsettled().is_empty(), "{label}");
}

#[test]
fn a_crash_at_any_write_loses_nothing_and_settles_nothing_twice() {
    for update in [true, false] {
        let config = TakeConfig { update, ..take() };
        let whole = scenario(None, config);
        check_end(&whole, "no crash");
        for node in [CLIENT, PROVIDER] {
            assert!(whole.nodes[node].writes > 20, "the scenario writes often enough to be worth crashing");
            for at_write in 1..=whole.nodes[node].writes {
                for when in [When::BeforeDurable, When::AfterDurable] {
                    let crash = Crash { node, at_write, when };
                    check_end(&scenario(Some(crash), config), &format!("update {update}, {crash:?}"));
                }
            }
        }
    }
}

#[test]
fn a_payer_that_lost_its_journal_goes_on_from_the_copy() {
    for update in [true, false] {
        let mut pair = Pair::new(give(), TakeConfig { update, ..take() });
        pair.act(CLIENT, |machine, now| machine.stay_ahead(now, ahead()));
        for _ in 0..50 {
            pair.use_service(60);
            pair.step();
        }
        pair.run(20);
        let before = pair.nodes[CLIENT].machine.last_promise().unwrap().promise;
        let received = pair.nodes[PROVIDER].machine.received();
        pair.wipe(CLIENT);
        // The client's own count of what it used is gone too: it starts again from nothing.
        let base = pair.used;
        for _ in 0..100 {
            pair.act(CLIENT, |machine, now| machine.stay_ahead(now, ahead()));
            let left = pair.nodes[PROVIDER].machine.received().saturating_sub(pair.used);
            pair.used = pair.used.checked_add(left.min(amount(60))).unwrap();
            let (used, mine) = (pair.used, pair.used.saturating_sub(base));
            pair.act(PROVIDER, |machine, _| machine.earn(Spender::SESSIONS, used));
            pair.act(CLIENT, |machine, now| machine.spend(now, Spender::SESSIONS, mine));
            pair.step();
        }
        assert!(pair.news(CLIENT, |news| matches!(news, PaymentNews::Recovered { .. })), "update {update}");
        let after = pair.nodes[CLIENT].machine.last_promise().unwrap().promise;
        assert!((after.serial, after.amount) > (before.serial, before.amount));
        assert!(pair.nodes[PROVIDER].machine.received() > received, "payment went on");
    }
}

#[test]
fn a_payee_that_lost_its_newest_promises_is_given_the_last_one_again() {
    for lost in 1..40 {
        let mut pair = Pair::new(give(), take());
        let browse = |pair: &mut Pair, rounds| {
            for _ in 0..rounds {
                pair.act(CLIENT, |machine, now| machine.stay_ahead(now, ahead()));
                pair.use_service(60);
                pair.step();
            }
        };
        browse(&mut pair, 50);
        let backup = pair.nodes[PROVIDER].disk.clone();
        browse(&mut pair, lost);
        pair.nodes[PROVIDER].disk = backup;
        pair.crash_now(PROVIDER);
        let before = pair.used;
        browse(&mut pair, 100);
        pair.run(20);
        let (promised, received) = (pair.nodes[CLIENT].machine.promised(), pair.nodes[PROVIDER].machine.received());
        assert_eq!(promised, received, "{lost} rounds lost");
        assert!(pair.used > before.checked_add(amount(3000)).unwrap(), "{lost} rounds lost: service went on");
    }
}

#[test]
fn a_link_that_breaks_at_any_moment_loses_no_promise() {
    for breaks_at in 0..60 {
        let mut pair = Pair::new(give(), take());
        pair.act(CLIENT, |machine, now| machine.stay_ahead(now, ahead()));
        for round in 0..120 {
            if round == breaks_at {
                pair.detach();
                pair.attach();
            }
            pair.use_service(60);
            pair.step();
        }
        pair.run(20);
        assert_eq!(pair.nodes[CLIENT].machine.promised(), pair.nodes[PROVIDER].machine.received());
        assert!(pair.used > amount(3000), "broken at {breaks_at}: {}", pair.used);
    }
}
