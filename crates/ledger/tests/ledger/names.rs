//! Names: committed to, revealed, settled, kept, given away, given up.

mod adversaries;
mod model;

use byway_ledger::Verdict::{Final, Rejected};
use byway_primitives::{Decode, Encode, Span};
use byway_records::call::NamesCall;
use byway_records::genesis::Wait;
use byway_records::names::{
    COMMITMENTS_MAX, Name, NameEntry, Years, commitment, commitment_key, identity_of, name_key, name_of, price,
};
use byway_records::state::LedgerClock;
use byway_records::{Call, ProgramId, Reject};

use crate::world::{
    ALICE, BOB, CAROL, COMMIT_PRICE, Coin, Draft, NAME_GRACE, NAME_PRICES, NAME_REVEAL, NAME_YEAR, World, units,
};

/// What is reached here and nowhere else.
pub const REASONS: &[Reject] = &[
    Reject::NameTaken,
    Reject::NameUnknown,
    Reject::NameCommitment,
    Reject::NameEarly,
    Reject::NameCommitments,
    Reject::NameContested,
    Reject::NameExpired,
];

pub fn name(text: &str) -> Name {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

impl World {
    fn names_call(&self, signer: usize, call: NamesCall) -> Draft {
        Draft { call: Some(Call::Names(call)), signers: vec![signer], ..Draft::default() }
    }

    fn priced(&self, coin: Coin, draft: Draft, name: &Name, years: u8) -> Draft {
        let years = Years::new(years).expect("few");
        self.funded(coin, Draft { fee: price(&self.genesis.parameters.call_prices.name_year, name, years), ..draft })
    }

    pub fn commit_to(&self, coin: Coin, who: usize, text: &str, salt: u8) -> Draft {
        let commitment = commitment(self.id(who), &name(text), &[salt; 32]);
        let draft = self.names_call(who, NamesCall::Commit { identity: self.id(who), commitment });
        self.funded(coin, Draft { fee: units(COMMIT_PRICE), ..draft })
    }

    pub fn register_name(&self, coin: Coin, who: usize, text: &str, years: u8, salt: u8) -> Draft {
        let (name, count) = (name(text), Years::new(years).expect("few"));
        let call = NamesCall::Register { owner: self.id(who), name: name.clone(), years: count, salt: [salt; 32] };
        self.priced(coin, self.names_call(who, call), &name, years)
    }

    pub fn renew_name(&self, coin: Coin, who: usize, text: &str, years: u8) -> Draft {
        let (name, count) = (name(text), Years::new(years).expect("few"));
        self.priced(coin, self.names_call(who, NamesCall::Renew { name: name.clone(), years: count }), &name, years)
    }

    pub fn transfer_name(&self, who: usize, to: usize, text: &str) -> Draft {
        self.names_call(who, NamesCall::Transfer { name: name(text), to: self.id(to) })
    }

    pub fn release_name(&self, who: usize, text: &str) -> Draft {
        self.names_call(who, NamesCall::Release { name: name(text) })
    }

    pub fn set_primary(&self, who: usize, text: Option<&str>) -> Draft {
        self.names_call(who, NamesCall::SetPrimary { identity: self.id(who), name: text.map(name) })
    }

    pub fn clock(&self) -> LedgerClock {
        LedgerClock { time: self.time, commits: self.ledger.commits() }
    }

    /// Whose a name is.
    pub fn has(&self, text: &str) -> Option<usize> {
        let tree = self.ledger.tree(ProgramId::NAMES).expect("a program");
        let owner = identity_of(tree, &name(text), self.clock())?;
        (0..3).find(|person| self.id(*person) == owner)
    }

    /// What somebody chose to be called.
    pub fn called(&self, who: usize) -> Option<String> {
        let tree = self.ledger.tree(ProgramId::NAMES).expect("a program");
        name_of(tree, self.id(who), self.clock()).map(|name| name.to_string())
    }

    pub fn name_entry(&self, text: &str) -> Option<NameEntry> {
        self.ledger.tree(ProgramId::NAMES)?.read(&name_key(name(text).key()))
    }

    /// Lets a checkpoint cover what there is.
    pub fn checkpoint(&mut self) {
        while self.ledger.has_unchecked_content() {
            self.time = self.time + self.genesis.parameters.checkpoint_delay;
            self.commit(&[]);
        }
    }

    /// Takes a name for so many years and lets it settle.
    pub fn take_name(&mut self, who: usize, text: &str, years: u8) {
        self.must(&self.commit_to(self.coin(who), who, text, 0));
        self.checkpoint();
        self.must(&self.register_name(self.coin(who), who, text, years, 0));
        self.wait(NAME_REVEAL);
        assert_eq!(self.has(text), Some(who));
    }

    fn pool(&self) -> u128 {
        self.ledger.supply(&self.store).way().pool.units()
    }
}

/// Everybody is registered.
pub fn with_people() -> World {
    let mut world = World::new();
    for person in [ALICE, BOB, CAROL] {
        world.must(&world.register(world.coin(person), person));
    }
    world
}

#[test]
fn a_name_is_committed_to_revealed_and_settles() {
    let mut world = with_people();
    let pool = world.pool();
    world.must(&world.commit_to(world.coin(ALICE), ALICE, "alice", 1));
    let reveal = |world: &World| world.register_name(world.coin(ALICE), ALICE, "alice", 2, 1);
    world.refuses(&reveal(&world), Reject::NameEarly);
    world.checkpoint();
    world.must(&reveal(&world));
    assert_eq!(world.pool() - pool, COMMIT_PRICE + 2 * NAME_PRICES[2]);
    assert_eq!(world.has("alice"), None, "not settled");
    let entry = world.name_entry("alice").expect("taken");
    assert_eq!((entry.owner, entry.name.as_str()), (world.id(ALICE), "alice"));
    world.refuses(&world.set_primary(ALICE, Some("alice")), Reject::NameContested);
    world.refuses(&world.transfer_name(ALICE, BOB, "alice"), Reject::NameContested);
    world.refuses(&world.renew_name(world.coin(BOB), BOB, "alice", 1), Reject::NameContested);
    world.wait(NAME_REVEAL);
    assert_eq!((world.has("alice"), world.called(ALICE)), (Some(ALICE), None));
    world.must(&world.set_primary(ALICE, Some("alice")));
    assert_eq!(world.called(ALICE).as_deref(), Some("alice"));
    world.must(&world.set_primary(ALICE, None));
    assert_eq!((world.has("alice"), world.called(ALICE)), (Some(ALICE), None));
}

#[test]
fn a_year_costs_by_length() {
    let mut world = with_people();
    for (text, years, year) in [
        ("abc", 1, NAME_PRICES[0]),
        ("漢字漢", 1, NAME_PRICES[0]),
        ("abcd", 2, NAME_PRICES[1]),
        ("abcde", 5, NAME_PRICES[2]),
        ("abcdef", 1, NAME_PRICES[2]),
        ("abcdefg", 3, NAME_PRICES[3]),
        ("жанна-и-семеро-козлят", 1, NAME_PRICES[3]),
    ] {
        world.must(&world.commit_to(world.coin(ALICE), ALICE, text, 0));
        world.checkpoint();
        let draft = world.register_name(world.coin(ALICE), ALICE, text, years, 0);
        assert_eq!(draft.fee.units(), year * u128::from(years), "{text}");
        let mut cheap = draft.clone();
        cheap.fee = units(draft.fee.units() - 1);
        cheap.outputs[0].1.amount = units(cheap.outputs[0].1.amount.units() + 1);
        assert_eq!(world.run(&cheap), Rejected(Reject::FeeTooLow), "{text}");
        assert_eq!(world.run(&draft), Final, "{text}");
        world.wait(NAME_REVEAL);
        let mut cheap = world.renew_name(world.coin(BOB), BOB, text, years);
        cheap.fee = units(cheap.fee.units() - 1);
        cheap.outputs[0].1.amount = units(cheap.outputs[0].1.amount.units() + 1);
        assert_eq!(world.run(&cheap), Rejected(Reject::FeeTooLow), "{text}");
    }
}

#[test]
fn a_name_is_given_away_to_a_registered_identity() {
    let mut world = World::new();
    for person in [ALICE, BOB] {
        world.must(&world.register(world.coin(person), person));
    }
    world.take_name(ALICE, "alice", 1);
    world.must(&world.set_primary(ALICE, Some("alice")));
    world.refuses(&world.transfer_name(ALICE, CAROL, "alice"), Reject::NotRegistered);
    world.refuses(&world.transfer_name(BOB, BOB, "alice"), Reject::NotAuthorised);
    let before = world.name_entry("alice").expect("taken").expires;
    world.must(&world.transfer_name(ALICE, BOB, "alice"));
    assert_eq!((world.has("alice"), world.called(ALICE), world.called(BOB)), (Some(BOB), None, None));
    assert_eq!(world.name_entry("alice").expect("taken").expires, before);
    world.must(&world.set_primary(BOB, Some("alice")));
    assert_eq!(world.called(BOB).as_deref(), Some("alice"));
    world.refuses(&world.set_primary(ALICE, Some("alice")), Reject::NotAuthorised);
    // It comes back without the mark.
    world.must(&world.transfer_name(BOB, ALICE, "alice"));
    assert_eq!((world.called(ALICE), world.called(BOB)), (None, None));
}

#[test]
fn a_name_that_is_given_up_is_free_at_once() {
    let mut world = with_people();
    world.take_name(ALICE, "alice", 1);
    world.must(&world.set_primary(ALICE, Some("alice")));
    world.refuses(&world.release_name(BOB, "alice"), Reject::NotAuthorised);
    world.must(&world.commit_to(world.coin(BOB), BOB, "alice", 0));
    world.checkpoint();
    world.refuses(&world.register_name(world.coin(BOB), BOB, "alice", 1, 0), Reject::NameTaken);
    world.must(&world.release_name(ALICE, "alice"));
    assert_eq!((world.has("alice"), world.called(ALICE)), (None, None));
    world.refuses(&world.release_name(ALICE, "alice"), Reject::NameUnknown);
    world.must(&world.register_name(world.coin(BOB), BOB, "alice", 1, 0));
    world.wait(NAME_REVEAL);
    assert_eq!(world.has("alice"), Some(BOB));
}

/// Until both the time and the commits of its last year have passed, to the millisecond and to the commit.
#[test]
fn a_name_expires_into_a_grace_time_and_out_of_it() {
    let mut world = with_people();
    world.take_name(ALICE, "alice", 1);
    world.must(&world.set_primary(ALICE, Some("alice")));
    let entry = world.name_entry("alice").expect("taken");
    let mut late = world.clone();
    (0..NAME_YEAR.commits).for_each(|_| drop(world.commit(&[])));
    world.time = byway_primitives::Time(entry.expires.time.0 - 2);
    world.commit(&[]);
    assert_eq!((world.has("alice"), world.called(ALICE).as_deref()), (Some(ALICE), Some("alice")));
    world.commit(&[]);
    assert_eq!((world.has("alice"), world.called(ALICE)), (None, None));
    // A kernel that stood still takes no name.
    late.time = entry.free.time;
    late.commit(&[]);
    assert_eq!(late.has("alice"), Some(ALICE), "a stalled kernel expires nothing");
    while late.ledger.commits() < entry.expires.commits {
        assert_eq!(late.has("alice"), Some(ALICE));
        late.commit(&[]);
    }
    assert_eq!(late.has("alice"), None);

    // In the grace time it is nobody's but its owner's to renew.
    world.must(&world.commit_to(world.coin(BOB), BOB, "alice", 0));
    world.checkpoint();
    world.refuses(&world.register_name(world.coin(BOB), BOB, "alice", 1, 0), Reject::NameTaken);
    world.refuses(&world.renew_name(world.coin(BOB), BOB, "alice", 1), Reject::NameExpired);
    world.refuses(&world.transfer_name(ALICE, BOB, "alice"), Reject::NameExpired);
    world.refuses(&world.set_primary(ALICE, Some("alice")), Reject::NameExpired);
    let mut renewed = world.clone();
    renewed.must(&renewed.renew_name(renewed.coin(ALICE), ALICE, "alice", 2));
    let again = renewed.name_entry("alice").expect("taken");
    assert_eq!(again.expires.time, entry.expires.time + Span(2 * NAME_YEAR.millis.0), "grace is no gift");
    assert_eq!(again.expires.commits, entry.expires.commits + 2 * NAME_YEAR.commits);
    assert_eq!((renewed.has("alice"), renewed.called(ALICE).as_deref()), (Some(ALICE), Some("alice")));

    // And then anyone's, once both have passed.
    (0..NAME_GRACE.commits).for_each(|_| drop(world.commit(&[])));
    assert!(world.ledger.commits() >= entry.free.commits);
    world.time = byway_primitives::Time(entry.free.time.0 - 4_000);
    world.must(&world.commit_to(world.coin(BOB), BOB, "alice", 1));
    world.checkpoint();
    world.time = byway_primitives::Time(entry.free.time.0 - 2);
    world.refuses(&world.register_name(world.coin(BOB), BOB, "alice", 1, 1), Reject::NameTaken);
    assert!(world.name_entry("alice").is_some());
    world.must(&world.register_name(world.coin(BOB), BOB, "alice", 1, 1));
    world.wait(NAME_REVEAL);
    assert_eq!((world.has("alice"), world.called(ALICE)), (Some(BOB), None));
}

#[test]
fn what_is_over_is_removed() {
    let mut world = with_people();
    world.take_name(ALICE, "alice", 1);
    world.must(&world.set_primary(ALICE, Some("alice")));
    world.must(&world.commit_to(world.coin(BOB), BOB, "bobby", 0));
    let entries = |world: &World| world.ledger.tree(ProgramId::NAMES).expect("a program").len();
    // The name, the mark, the commitment, the count of commitments.
    assert_eq!(entries(&world), 4);
    world.wait(NAME_REVEAL);
    assert_eq!(entries(&world), 3);
    world.wait(Wait { millis: Span(NAME_YEAR.millis.0 - 2 * NAME_REVEAL.millis.0), commits: 3 });
    assert_eq!(world.has("alice"), None);
    assert_eq!(entries(&world), 3, "for its owner to renew");
    world.wait(NAME_GRACE);
    assert_eq!(entries(&world), 1);
    world.refuses(&world.renew_name(world.coin(ALICE), ALICE, "alice", 1), Reject::NameUnknown);
}

#[test]
fn anyone_can_pay_for_another_year() {
    let mut world = with_people();
    world.take_name(ALICE, "alice", 1);
    let before = world.name_entry("alice").expect("taken").expires;
    let mut draft = world.renew_name(world.coin(BOB), BOB, "alice", 5);
    draft.signers = Vec::new();
    world.must(&draft);
    let after = world.name_entry("alice").expect("taken");
    assert_eq!((after.owner, after.expires.time), (world.id(ALICE), before.time + Span(5 * NAME_YEAR.millis.0)));
}

/// An encoded call with years or names that can't be is none; those that are decode to themselves.
#[test]
fn a_reveal_is_read_as_it_was_written() {
    let world = with_people();
    let draft = world.register_name(world.coin(ALICE), ALICE, "alice", 5, 0);
    let Some(Call::Names(call)) = draft.call else { panic!("a call about names") };
    assert_eq!(NamesCall::from_bytes(&call.to_bytes()), Ok(call));
}

/// As many commitments as one may have, and where they are.
#[test]
fn a_commitment_is_used_up_or_over_and_makes_room() {
    let mut world = with_people();
    let salts = 0..COMMITMENTS_MAX;
    for salt in salts.clone() {
        world.must(&world.commit_to(world.coin(BOB), BOB, "bobby", salt));
    }
    let open = |world: &World| {
        let tree = world.ledger.tree(ProgramId::NAMES).expect("a program");
        salts.clone().filter(|place| tree.value(&commitment_key(world.id(BOB), *place)).is_some()).collect::<Vec<_>>()
    };
    assert_eq!(open(&world), [0, 1, 2, 3]);
    world.refuses(&world.commit_to(world.coin(BOB), BOB, "carol", 9), Reject::NameCommitments);
    world.must(&world.commit_to(world.coin(ALICE), ALICE, "carol", 9));
    world.checkpoint();
    world.must(&world.register_name(world.coin(BOB), BOB, "bobby", 1, 2));
    assert_eq!(open(&world), [0, 1, 3]);
    world.must(&world.commit_to(world.coin(BOB), BOB, "carol", 9));
    assert_eq!(open(&world), [0, 1, 2, 3]);
    world.wait(Wait { millis: NAME_REVEAL.millis, commits: NAME_REVEAL.commits });
    assert_eq!(open(&world), [0; 0]);
    world.must(&world.commit_to(world.coin(BOB), BOB, "carol", 10));
}
