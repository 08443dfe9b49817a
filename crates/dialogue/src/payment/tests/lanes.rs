//! Paying out of lanes: what is counted, and when more is wanted.

use std::collections::BTreeMap;

use byway_primitives::codec::{Decode, Encode};
use byway_primitives::{Amount, Hash};
use byway_records::promise::ChannelId;

use super::pair::*;
use crate::payment::journal::{GivenRecord, TakenRecord};
use crate::payment::*;

fn channel(byte: u8) -> ChannelId {
    ChannelId(Hash([byte; 32]))
}

/// The channels between client and provider, as both sides' journals have them.
#[derive(Default)]
struct Lanes(BTreeMap<ChannelId, Amount>);

impl Lanes {
    fn of(totals: &[(u8, u128)]) -> Self {
        Self(totals.iter().map(|(byte, units)| (channel(*byte), amount(*units))).collect())
    }

    fn total(&self) -> Amount {
        Amount::checked_sum(self.0.values().copied()).unwrap()
    }

    /// A side is told what its channels say.
    fn tell(&self, pair: &mut Pair, who: usize) {
        let mut totals = LaneTotals::default();
        for (channel, total) in self.0.iter().map(|(channel, total)| (*channel, *total)) {
            match who {
                CLIENT => drop(totals.given.insert(channel, LaneGiven { total, reminded: Amount::ZERO })),
                _ => drop(totals.taken.insert(channel, LaneTaken { total, ahead: total })),
            }
        }
        pair.act(who, |machine, now| machine.note_lanes(now, &totals));
    }

    /// Promises what the client has asked for since, out of that channel.
    fn promise(&mut self, pair: &mut Pair, from: u8) {
        let news = std::mem::take(&mut pair.nodes[CLIENT].news);
        // What was asked for again was asked for in place of it.
        let wanted = news.iter().rev().find_map(|news| match news {
            PaymentNews::LaneWanted { more } => Some(*more),
            _ => None,
        });
        if let Some(more) = wanted {
            let total = self.0.entry(channel(from)).or_default();
            *total = total.checked_add(more).unwrap();
        }
    }
}

fn counted(pair: &Pair) -> (Amount, Amount) {
    (pair.nodes[CLIENT].machine.promised(), pair.nodes[PROVIDER].machine.received())
}

fn paying_by_lane() -> Pair {
    let mut pair = Pair::new(give(), take());
    pair.act(CLIENT, |machine, now| machine.pay_from(now, PayFrom::Lane));
    pair.act(CLIENT, |machine, now| machine.stay_ahead(now, ahead()));
    pair.run(20);
    pair
}

#[test]
fn what_lanes_say_counts_once_however_often_and_whenever_it_is_told() {
    for crash in 0..40 {
        let mut pair = paying_by_lane();
        let when = if crash % 2 == 0 { When::BeforeDurable } else { When::AfterDurable };
        let at_write = pair.nodes[crash / 20].writes + 1 + (crash % 20 / 2) as u64;
        pair.crash = Some(Crash { node: crash / 20, at_write, when });
        let mut lanes = Lanes::default();
        for round in 0..30 {
            // At a start it is told first of all.
            [CLIENT, PROVIDER].into_iter().for_each(|who| lanes.tell(&mut pair, who));
            pair.act(CLIENT, |machine, now| machine.stay_ahead(now, ahead()));
            lanes.promise(&mut pair, 1 + (round / 10) as u8);
            for who in [CLIENT, PROVIDER, CLIENT] {
                lanes.tell(&mut pair, who);
            }
            pair.run(6);
            pair.use_service(70);
            pair.run(6);
        }
        [CLIENT, PROVIDER].into_iter().for_each(|who| lanes.tell(&mut pair, who));
        pair.run(6);
        assert_eq!(counted(&pair), (lanes.total(), lanes.total()), "crash {crash}");
        assert!(
            lanes.total() >= pair.used && pair.used > amount(500),
            "crash {crash}: {} of {}",
            pair.used,
            lanes.total()
        );
        assert!(pair.serials().is_empty(), "no promise on the account");
    }
}

#[test]
fn the_limit_of_a_day_holds_for_lanes_and_accounts_together() {
    let mut pair = paying_by_lane();
    pair.act(CLIENT, |machine, now| machine.set_day_max(now, amount(150)));
    let mut lanes = Lanes::default();
    for _ in 0..10 {
        lanes.promise(&mut pair, 1);
        [CLIENT, PROVIDER].into_iter().for_each(|who| lanes.tell(&mut pair, who));
        pair.run(6);
        pair.use_service(70);
        pair.run(6);
    }
    assert_eq!(lanes.total(), amount(150));
    let limit = OverLimit::Day { limit: amount(150) };
    pair.use_service(1_000);
    pair.act(CLIENT, |machine, now| machine.pay_from(now, PayFrom::Account));
    pair.run(20);
    assert!(pair.news(CLIENT, |news| *news == PaymentNews::OverLimit(limit)), "{:?}", pair.nodes[CLIENT].news);
    assert_eq!(counted(&pair).0, amount(150));
}

#[test]
fn no_exposure_bounds_a_lane_and_nothing_of_it_is_settled() {
    let mut pair = paying_by_lane();
    pair.act(PROVIDER, |machine, now| machine.admit(now, byway_records::Backing::Account, Amount::ZERO));
    let mut lanes = Lanes::of(&[(1, 4_000)]);
    [CLIENT, PROVIDER].into_iter().for_each(|who| lanes.tell(&mut pair, who));
    pair.run(6);
    assert_eq!(counted(&pair), (lanes.total(), lanes.total()));
    assert!(pair.nodes[PROVIDER].machine.unsettled().is_empty());
    let settled = pair.settle(Reach::Nobody, byway_records::call::Take::Whole);
    assert_eq!(settled, Err(SettleError::Nothing));
    // Less than is known changes nothing.
    lanes = Lanes::of(&[(1, 5)]);
    [CLIENT, PROVIDER].into_iter().for_each(|who| lanes.tell(&mut pair, who));
    assert_eq!(counted(&pair).1, amount(4_000));
}

#[test]
fn no_more_lanes_are_counted_than_there_is_room_for_and_those_of_channels_that_are_over_make_room() {
    let mut pair = paying_by_lane();
    let many: Vec<(u8, u128)> = (0..=LANES_MAX as u8).map(|byte| (byte, 10)).collect();
    Lanes::of(&many).tell(&mut pair, PROVIDER);
    pair.run(6);
    assert_eq!(counted(&pair).1, amount(10 * LANES_MAX as u128));
    // One of them is over.
    Lanes::of(&many[1..]).tell(&mut pair, PROVIDER);
    pair.run(6);
    assert_eq!(counted(&pair).1, amount(10 * (LANES_MAX as u128 + 1)));
    let ids: Vec<ChannelId> = many.iter().map(|(byte, _)| channel(*byte)).collect();
    Lanes::of(&many[1..]).tell(&mut pair, CLIENT);
    let machine = &pair.nodes[CLIENT].machine;
    assert!(machine.counts_lane(channel(1), &ids[1..]) && !machine.counts_lane(channel(0), &ids));
}

/// All that was promised was used; then a side comes back with no journal at all.
#[test]
fn a_payee_without_its_journal_serves_once_for_what_the_payer_is_ahead() {
    let mut pair = paying_by_lane();
    let taken = BTreeMap::from([(channel(1), LaneTaken { total: amount(90_000), ahead: amount(100) })]);
    let totals = LaneTotals { taken, ..LaneTotals::default() };
    pair.act(PROVIDER, |machine, now| machine.note_lanes(now, &totals));
    pair.run(6);
    assert_eq!(pair.nodes[PROVIDER].machine.remainder(), amount(100), "and not for what it has served for");
    // What is promised from now on counts in full.
    let taken = BTreeMap::from([(channel(1), LaneTaken { total: amount(90_080), ahead: amount(100) })]);
    let totals = LaneTotals { taken, ..LaneTotals::default() };
    pair.act(PROVIDER, |machine, now| machine.note_lanes(now, &totals));
    pair.run(6);
    assert_eq!(pair.nodes[PROVIDER].machine.remainder(), amount(180));
}

#[test]
fn a_payer_without_its_journal_does_not_wait_for_what_it_will_never_use() {
    let mut pair = paying_by_lane();
    let reminded = amount(90_000);
    let tell = |pair: &mut Pair, total: Amount| {
        let given = BTreeMap::from([(channel(1), LaneGiven { total, reminded })]);
        let totals = LaneTotals { given, ..LaneTotals::default() };
        pair.act(CLIENT, |machine, now| machine.note_lanes(now, &totals));
    };
    tell(&mut pair, reminded);
    assert_eq!(pair.nodes[CLIENT].machine.ahead(), Amount::ZERO);
    pair.nodes[CLIENT].news.clear();
    pair.act(CLIENT, |machine, now| machine.try_lane_again(now));
    let window = pair.nodes[CLIENT].machine.window();
    assert!(pair.news(CLIENT, |news| *news == PaymentNews::LaneWanted { more: window }), "a window is wanted anew");
    tell(&mut pair, amount(90_050));
    assert_eq!(pair.nodes[CLIENT].machine.ahead(), amount(50), "what it has promised itself since");
}

#[test]
fn journals_keep_what_was_counted_and_where_it_is_paid_from() {
    let lanes = Lanes::of(&[(1, 2), (2, 3)]).0;
    let given =
        GivenRecord { promised: amount(500), lanes: lanes.clone(), pay_from: PayFrom::Lane, ..GivenRecord::default() };
    let taken = TakenRecord { received: amount(500), lanes, ..TakenRecord::default() };
    assert_eq!(GivenRecord::from_bytes(&given.to_bytes()), Ok(given));
    assert_eq!(TakenRecord::from_bytes(&taken.to_bytes()), Ok(taken));
}
