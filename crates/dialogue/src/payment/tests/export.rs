//! A lost disk, and books that come back from elsewhere, as old as they may be.

use byway_primitives::codec::{Decode, Encode};
use byway_primitives::{AssetId, MemoryStore};
use byway_records::call::Take;
use byway_records::promise::ReservationId;
use byway_records::{Backing, Promise};
use proptest::prelude::*;

use super::pair::*;
use crate::payment::*;

const NOW: Time = Time(1_800_000_000_000);

/// Serves for a while; both sides count on, also where one of them has begun anew.
struct World {
    pair: Pair,
    /// What was used before a side began anew.
    base: [Amount; 2],
    /// Whether promises are raised; if not a payee has to settle often, or it takes no more serials.
    update: bool,
}

impl World {
    fn new(take: TakeConfig) -> Self {
        let mut pair = Pair::new(give(), take);
        pair.act(CLIENT, |machine, now| machine.stay_ahead(now, ahead()));
        Self { pair, base: [Amount::ZERO; 2], update: take.update }
    }

    fn browse(&mut self, rounds: usize) {
        for round in 0..rounds {
            let Self { pair, base, update } = self;
            pair.act(CLIENT, |machine, now| machine.stay_ahead(now, ahead()));
            let left = pair.nodes[PROVIDER].machine.remainder().min(amount(60));
            pair.used = pair.used.checked_add(left).unwrap();
            let used = [CLIENT, PROVIDER].map(|who| pair.used.saturating_sub(base[who]));
            pair.act(PROVIDER, |machine, _| machine.earn(Spender::SESSIONS, used[PROVIDER]));
            pair.act(CLIENT, |machine, now| machine.spend(now, Spender::SESSIONS, used[CLIENT]));
            pair.step();
            if !*update && round % 4 == 3 {
                let _ = pair.settle(Reach::Nobody, Take::Whole);
            }
            pair.execute();
        }
    }

    fn export(&self, who: usize) -> Export {
        let node = &self.pair.nodes[who];
        Export::new(NETWORK, parties(who).me, NOW, vec![node.machine.export()], &node.disk)
    }

    /// The disk is lost; `export` is put back into an empty one.
    fn lose(&mut self, who: usize, export: &Export) {
        let mut disk = MemoryStore::new();
        disk.apply(&export.put_back(&disk, NOW, false).unwrap().expect("an empty disk knows nothing"));
        assert_eq!(export.put_back(&disk, NOW, false).unwrap(), None, "what is there is not news");
        self.pair.restart_from(who, disk);
        self.base[who] = self.pair.used;
    }

    fn settle_all(&mut self) {
        for _ in 0..2 * EARLIER_MAX {
            let _ = self.pair.settle(Reach::Nobody, Take::Whole);
            self.pair.run(10);
            self.pair.execute();
            self.pair.run(10);
        }
    }
}

/// All that was ever promised: of each serial the highest amount.
fn promised(pair: &Pair) -> Amount {
    let mut highest = std::collections::BTreeMap::new();
    for message in &pair.sent {
        if let PaymentMessage::Offer(SignedPromise { promise: Promise { serial, amount, .. }, .. }) = message {
            let known = highest.entry(*serial).or_insert(*amount);
            *known = (*known).max(*amount);
        }
    }
    Amount::checked_sum(highest.into_values()).unwrap()
}

#[test]
fn a_payee_is_paid_what_its_export_holds_although_the_payer_is_gone() {
    for (update, rounds) in [(true, 5), (true, 200), (false, 5), (false, 60)] {
        let mut world = World::new(TakeConfig { update, exposure_max: amount(1_000_000), ..take() });
        world.browse(rounds);
        world.pair.run(20);
        let (export, owed) = (world.export(PROVIDER), world.pair.nodes[PROVIDER].machine.received());
        assert_eq!(export.unsettled(), owed.saturating_sub(world.pair.ledger.paid), "update {update}, {rounds} rounds");
        world.lose(PROVIDER, &export);
        world.pair.detach();
        world.settle_all();
        assert_eq!(world.pair.ledger.paid, owed, "update {update}, {rounds} rounds");
    }
}

#[test]
fn a_stale_export_loses_the_other_side_nothing_and_breaks_no_rule() {
    for who in [CLIENT, PROVIDER] {
        for update in [true, false] {
            for (rounds, lost) in [(0, 30), (1, 30), (30, 0), (30, 1), (30, 7), (30, 60), (90, 200)] {
                let label = format!("node {who}, update {update}, {rounds} rounds and {lost} lost");
                let mut world = World::new(TakeConfig { update, ..take() });
                world.browse(rounds);
                let export = world.export(who);
                world.browse(lost);
                world.pair.run(20);
                let before = world.pair.used;
                world.lose(who, &export);
                let used: Vec<u64> = world.pair.serials();
                // `Pair::check` holds after each step: no serial goes back and no amount falls within one.
                world.browse(150);
                world.pair.run(20);
                assert!(world.pair.used > before.checked_add(amount(2000)).unwrap(), "{label}: service went on");
                if who == CLIENT {
                    let fresh = world.pair.serials().into_iter().filter(|serial| !used.contains(serial));
                    let lowest = fresh.min().expect("it promised again");
                    assert!(lowest >= NOW.0, "{label}: {lowest} is above all that was used");
                }
                world.settle_all();
                let (paid, promised) = (world.pair.ledger.paid, promised(&world.pair));
                // A payer sends its last promise again, and none of earlier serials: those are lost with the payee's disk.
                if who == PROVIDER && !update {
                    assert!(paid <= promised, "{label}");
                } else {
                    assert_eq!(paid, promised, "{label}: all promises are worth what they say");
                    assert!(paid >= world.pair.used, "{label}: what was used was paid");
                }
            }
        }
    }
}

#[test]
fn an_export_made_after_a_loss_has_a_higher_floor_than_the_one_put_back() {
    let mut world = World::new(take());
    world.browse(30);
    let first = world.export(CLIENT);
    for _ in 0..3 {
        world.lose(CLIENT, &first);
        // The same clock each time, and the same old export: the floor of an export that was made after it is higher.
        world.browse(60);
        world.pair.run(20);
        let next = world.export(CLIENT);
        assert!(next.serials_from > NOW.0);
        let mut disk = MemoryStore::new();
        disk.apply(&next.put_back(&disk, Time(0), false).unwrap().unwrap());
        let again = Export { pairs: Vec::new(), ..next.clone() };
        assert!(Export::new(NETWORK, again.identity, NOW, Vec::new(), &disk).serials_from > next.serials_from);
    }
}

#[test]
fn a_disk_that_was_put_back_to_an_earlier_state_takes_serials_anew_from_an_export_that_is_no_news() {
    let mut world = World::new(take());
    world.browse(30);
    let export = world.export(CLIENT);
    let mut disk = MemoryStore::new();
    disk.apply(&export.put_back(&disk, NOW, false).unwrap().unwrap());
    let floor = |disk: &MemoryStore| Export::new(NETWORK, export.identity, NOW, Vec::new(), disk).serials_from;
    let before = floor(&disk);
    assert_eq!(export.put_back(&disk, NOW, false).unwrap(), None);
    disk.apply(&export.put_back(&disk, NOW, true).unwrap().expect("a floor"));
    assert!(floor(&disk) > before);
}

#[test]
fn what_is_false_is_found() {
    let mut world = World::new(take());
    world.browse(20);
    for who in [CLIENT, PROVIDER] {
        let good = world.export(who);
        assert_eq!(good.check(), Ok(()));
        let other_network =
            Export { network: byway_primitives::NetworkId(byway_primitives::Hash([9; 32])), ..good.clone() };
        let other_identity = Export { identity: secret(9).id(), ..good.clone() };
        let mut other_peer = good.clone();
        other_peer.pairs[0].peer = secret(9).id();
        for (what, false_one) in [("network", other_network), ("identity", other_identity), ("peer", other_peer)] {
            assert!(false_one.check().is_err(), "node {who}: another {what}");
        }
    }
}

/// A payee's and a payer's books after some rounds, one export every few of them.
fn exports(update: bool) -> [Vec<Export>; 2] {
    let mut world = World::new(TakeConfig { update, ..take() });
    let mut exports = [Vec::new(), Vec::new()];
    for round in 0..12 {
        world.browse(7);
        if round % 5 == 4 {
            let _ = world.pair.settle(Reach::Peer, Take::Whole);
            world.pair.run(10);
            world.pair.execute();
        }
        for who in [CLIENT, PROVIDER] {
            exports[who].push(world.export(who));
        }
    }
    exports
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever exports are put back, in whatever order and how often: the promises known are those of the newest.
    #[test]
    fn order_and_repetition_do_not_matter(update in any::<bool>(), order in prop::collection::vec(0usize..12, 1..8)) {
        for (who, exports) in exports(update).into_iter().enumerate() {
            let newest = &exports[*order.iter().max().unwrap()];
            let mut disk = MemoryStore::new();
            for index in &order {
                if let Some(batch) = exports[*index].put_back(&disk, NOW, false).unwrap() {
                    disk.apply(&batch);
                }
            }
            let of = |export: &Export| {
                let pairs = export.pairs.iter();
                let promises = pairs.map(|pair| (pair.owed(), pair.given().copied().collect::<Vec<_>>()));
                promises.filter(|(owed, given)| !owed.is_empty() || !given.is_empty()).collect::<Vec<_>>()
            };
            let known = Payments::restore(parties(who), secret(who as u8 + 1), give(), take(), &disk).unwrap().export();
            let known = Export::new(NETWORK, parties(who).me, NOW, vec![known], &disk);
            prop_assert_eq!(of(&known), of(newest));
            prop_assert!(newest.news(&disk).unwrap().is_empty());
        }
    }

    #[test]
    fn exports_come_back_and_no_byte_of_them_means_nothing(update in any::<bool>(), at in 0usize..4096, bit in 0u8..8) {
        for exports in exports(update) {
            let export = exports.last().unwrap();
            let mut bytes = export.to_bytes();
            prop_assert_eq!(&Export::from_bytes(&bytes).unwrap(), export);
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            if let Ok(other) = Export::from_bytes(&bytes) {
                prop_assert_ne!(&other, export);
                prop_assert_eq!(other.to_bytes(), bytes);
            }
        }
    }
}

#[test]
fn what_does_not_fit_is_what_matters_least() {
    let mut world = World::new(take());
    world.browse(20);
    let export = world.export(PROVIDER);
    let big = export.pairs[0].clone();
    let small = Pair::new(give(), take()).nodes[PROVIDER].machine.export();
    let all = vec![small.clone(), big.clone(), small];
    let made = Export::new(NETWORK, export.identity, NOW, all, &MemoryStore::new());
    assert_eq!((made.pairs, made.left_out), (vec![big.clone()], 0), "who owes nothing and is owed nothing is no loss");
    let many = vec![big; export::PAIRS_MAX + 3];
    let made = Export::new(NETWORK, export.identity, NOW, many, &MemoryStore::new());
    assert!(made.pairs.len() <= export::PAIRS_MAX && made.left_out >= 3);
    assert!(made.to_bytes().len() <= byway_crypto::export::CONTENT_BYTES_MAX);
    assert_eq!(made.pairs[0].asset, AssetId::WAY);
}

#[test]
fn what_is_owed_last_is_on_the_account_whatever_else_is_owed() {
    let mut pair = Pair::new(give(), take());
    let reservation = Backing::Reservation(ReservationId(byway_primitives::Hash([3; 32])));
    pair.act(PROVIDER, |machine, now| machine.admit(now, reservation, amount(900)));
    let mut last = Vec::new();
    for (backing, serial) in [(Backing::Account, 4), (Backing::Account, 7), (reservation, 2)] {
        let series = parties(CLIENT).given(backing);
        let promise = Promise { network: NETWORK, series, serial, amount: amount(100) };
        let offer = PaymentMessage::Offer(promise.sign(&secret(1)));
        pair.act(PROVIDER, |machine, now| machine.handle_message(now, offer));
        let owed = pair.nodes[PROVIDER].machine.export().owed_last();
        last.push(owed.map(|promise| (promise.series.backing, promise.serial)));
    }
    let account = |serial| Some((Backing::Account, serial));
    assert_eq!(last, [account(4), account(7), account(7)]);
    assert_eq!(pair.nodes[PROVIDER].machine.export().owed().len(), 3);
}
