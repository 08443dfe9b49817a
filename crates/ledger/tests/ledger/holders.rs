//! Who holds for whom (row M6).

use byway_ledger::Verdict::{Final, Rejected};
use byway_primitives::{Span, Time};
use byway_records::call::HoldersCall;
use byway_records::holders::{delegates_key, delegates_of};
use byway_records::{Call, Delegate, ProgramId, Reject};

use crate::world::{ALICE, BOB, CAROL, Coin, Draft, HOLDERS_LIFE, HOLDERS_PRICE, World, units};

/// What is reached here and nowhere else.
pub const REASONS: &[Reject] = &[Reject::HoldersSerial, Reject::HoldersTime];

impl World {
    /// These hold for `identity`, each for so long from now.
    pub fn set_holders(&self, coin: Coin, identity: usize, serial: u64, holders: &[(usize, Span)]) -> Draft {
        let delegate = |(holder, span): &(usize, Span)| Delegate { holder: self.id(*holder), until: self.time + *span };
        let delegates: Vec<_> = holders.iter().map(delegate).filter(|d| d.holder != self.id(identity)).collect();
        let call = Call::Holders(HoldersCall::Set { identity: self.id(identity), serial, delegates });
        let draft = Draft { call: Some(call), fee: units(HOLDERS_PRICE), signers: vec![identity], ..Draft::default() };
        self.funded(coin, draft)
    }

    fn holders(&self, identity: usize, now: Time) -> Vec<usize> {
        let tree = self.ledger.tree(ProgramId::HOLDERS).expect("a program");
        let person = |delegate: Delegate| (0..3).find(|person| self.id(*person) == delegate.holder).expect("a person");
        delegates_of(tree, self.id(identity), now).into_iter().map(person).collect()
    }
}

const SOON: Span = Span::seconds(20);

/// Bob and Carol are registered; Alice, for whom they hold, need not be.
fn with_holders() -> World {
    let mut world = World::new();
    for holder in [BOB, CAROL] {
        world.must(&world.register(world.coin(holder), holder));
    }
    world
}

#[test]
fn a_list_is_replaced_as_a_whole_and_an_empty_one_removes_it() {
    let mut world = with_holders();
    let pool = world.ledger.supply(&world.store).way().pool;
    for (serial, holders) in [(3, &[BOB, CAROL][..]), (4, &[CAROL]), (9, &[]), (10, &[BOB])] {
        let list: Vec<_> = holders.iter().map(|holder| (*holder, SOON)).collect();
        world.must(&world.set_holders(world.coin(ALICE), ALICE, serial, &list));
        assert_eq!(world.holders(ALICE, world.time), holders, "serial {serial}");
    }
    let paid = world.ledger.supply(&world.store).way().pool.units() - pool.units();
    assert_eq!(paid, 4 * HOLDERS_PRICE);
    assert_eq!(world.holders(BOB, world.time), [0; 0]);
}

/// Named adversary: whoever kept an older call of the identity's, or has it from another of its devices, hands it in late.
#[test]
fn the_latecomer_cant_undo_what_is_newer() {
    let mut world = with_holders();
    let older = world.set_holders(world.coin(ALICE), ALICE, 5, &[(BOB, SOON)]);
    let older = world.sign(&older);
    let coin = world.coins_of(ALICE).swap_remove(1);
    world.must(&world.set_holders(coin.clone(), ALICE, 6, &[(CAROL, SOON)]));
    assert_eq!(world.commit(std::slice::from_ref(&older)), [Rejected(Reject::HoldersSerial)]);
    assert_eq!(world.commit(&[older]), [byway_ledger::Verdict::Repeated]);
    assert_eq!(world.holders(ALICE, world.time), [CAROL]);
    // Nor once the list is gone: neither because the identity removed it, nor with its time.
    world.must(&world.set_holders(world.coin(ALICE), ALICE, 7, &[]));
    world.refuses(&world.set_holders(world.coin(ALICE), ALICE, 7, &[(BOB, SOON)]), Reject::HoldersSerial);
    world.must(&world.set_holders(world.coin(ALICE), ALICE, 8, &[(BOB, SOON)]));
    world.wait(HOLDERS_LIFE);
    world.refuses(&world.set_holders(world.coin(ALICE), ALICE, 8, &[(BOB, SOON)]), Reject::HoldersSerial);
}

#[test]
fn only_the_identity_names_holders_and_only_registered_ones() {
    let mut world = with_holders();
    let set = |world: &World, holders: &[(usize, Span)]| world.set_holders(world.coin(BOB), BOB, 1, holders);
    let foreign = Draft { signers: vec![CAROL], ..set(&world, &[(CAROL, SOON)]) };
    assert_eq!(world.run(&foreign), Rejected(Reject::NotAuthorised));
    assert_eq!(world.run(&set(&world, &[(CAROL, SOON), (ALICE, SOON)])), Rejected(Reject::NotRegistered));
    let mut cheap = set(&world, &[(CAROL, SOON)]);
    cheap.fee = units(HOLDERS_PRICE - 1);
    cheap.outputs[0].1.amount = units(cheap.outputs[0].1.amount.units() + 1);
    assert_eq!(world.run(&cheap), Rejected(Reject::FeeTooLow));
    assert_eq!(world.holders(BOB, world.time), [0; 0]);
    assert_eq!(world.run(&set(&world, &[(CAROL, SOON)])), Final);
}

#[test]
fn a_holders_time_lies_within_the_life_of_the_entry() {
    let mut world = with_holders();
    // `run` executes a millisecond later.
    let last = Span(HOLDERS_LIFE.millis.0 + 1);
    for (serial, span, verdict) in [
        (1, Span(1), Rejected(Reject::HoldersTime)),
        (2, Span(2), Final),
        (3, last, Final),
        (4, Span(last.0 + 1), Rejected(Reject::HoldersTime)),
    ] {
        let draft = world.set_holders(world.coin(ALICE), ALICE, serial, &[(BOB, span)]);
        assert_eq!(world.run(&draft), verdict, "{span:?}");
    }
}

#[test]
fn a_holder_holds_up_to_its_time_and_an_entry_goes_after_time_and_commits() {
    let mut world = with_holders();
    let start = world.time;
    world.must(&world.set_holders(world.coin(ALICE), ALICE, 1, &[(BOB, SOON), (CAROL, Span::seconds(30))]));
    let at = |millis: u64| start + Span(millis);
    for (millis, holders) in
        [(0, &[BOB, CAROL][..]), (19_999, &[BOB, CAROL]), (20_000, &[CAROL]), (29_999, &[CAROL]), (30_000, &[])]
    {
        assert_eq!(world.holders(ALICE, at(millis)), holders, "after {millis} ms");
    }
    let is_there = |world: &World| {
        world.ledger.tree(ProgramId::HOLDERS).expect("a program").value(&delegates_key(world.id(ALICE))).is_some()
    };
    world.time = world.time + HOLDERS_LIFE.millis;
    world.commit(&[]);
    assert!(is_there(&world), "a stalled kernel expires nothing");
    (2..HOLDERS_LIFE.commits).for_each(|_| drop(world.commit(&[])));
    assert!(is_there(&world), "a commit too early");
    world.commit(&[]);
    assert!(!is_there(&world));
}
