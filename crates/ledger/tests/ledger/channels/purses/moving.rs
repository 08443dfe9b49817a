//! Assets that go in and out while the channel is open.

use byway_primitives::Amount;
use byway_records::channel::{AssetParts, ChannelAssets, Movement};
use byway_records::{Reject, Value};
use byway_vm::Outcome;

use super::*;

impl Purses {
    /// Moves so much of an asset: both have signed the state after it, which has it in its purse or not any more.
    fn moving(&mut self, person: usize, movement: Movement, asset: AssetId, amount: u128) -> Draft {
        let (value, owner) = (Value { asset, amount: cents(amount) }, self.scene.address(person));
        assert!(match movement {
            Movement::Deposit => self.state.put_in_purse(asset, owner, cents(amount)),
            _ => self.state.take_from_purse(asset, owner, cents(amount)),
        });
        let position = self.position(self.scene.round() + 1);
        self.scene.fund_in(person, movement, value, position, self.scene.world.time + Span::seconds(1))
    }

    fn must_move(&mut self, person: usize, movement: Movement, asset: usize, amount: u128) {
        let draft = self.moving(person, movement, self.assets[asset], amount);
        self.scene.world.must(&draft);
    }

    fn put_in(&self, asset: AssetId) -> Option<[Amount; 2]> {
        self.scene.channel().assets.of(asset).map(|row| row.parts)
    }
}

#[test]
fn what_goes_in_and_out_is_in_the_accounts_and_in_the_end_what_is_left_is_paid_out() {
    let mut purses = Purses::new();
    purses.must_move(BOB, Movement::Deposit, 0, 250);
    assert_eq!(purses.put_in(purses.assets[0]), Some([600, 250].map(cents)));
    assert_eq!(purses.accounts()[0], [OWNED - 600, OWNED - 250].map(cents));
    let call = purses.transfer(ALICE, 0, 400);
    assert_eq!(purses.off_ledger(&call), Outcome::Returned);
    // Bob takes out what it was paid too: of its own part all, and of Alice's the rest.
    purses.must_move(BOB, Movement::Withdraw, 0, 500);
    assert_eq!(purses.put_in(purses.assets[0]), Some([350, 0].map(cents)));
    assert_eq!(purses.accounts()[0], [OWNED - 600, OWNED + 250].map(cents));
    assert_eq!(purses.scene.channel().fundings, 2);
    purses.settle();
    assert_eq!(purses.accounts()[0], [OWNED - 400, OWNED + 400].map(cents));
    assert_eq!(purses.accounts()[1], [OWNED, OWNED].map(cents));
}

#[test]
fn a_channel_without_an_asset_gets_it_by_a_deposit_and_loses_it_by_withdrawals() {
    let (world, assets) = with_assets();
    let scene = Scene::within(world, |terms| terms);
    let parties = [ALICE, BOB].map(|person| (scene.address(person), Amount::from_units(DEPOSIT)));
    let mut purses = Purses { assets, state: State::opening(parties, &ChannelAssets::NONE), scene };
    purses.must_move(ALICE, Movement::Deposit, 1, 70);
    assert_eq!(purses.put_in(assets[1]), Some([70, 0].map(cents)));
    purses.must_move(ALICE, Movement::Withdraw, 1, 70);
    assert_eq!(purses.scene.channel().assets, ChannelAssets::NONE);
    purses.must_move(BOB, Movement::Deposit, 1, 30);
    purses.settle();
    assert_eq!(purses.accounts(), [[OWNED; 2]; 2].map(|parts| parts.map(cents)));
}

#[test]
fn a_state_from_before_counts_no_more_whatever_its_round() {
    for movement in [Movement::Deposit, Movement::Withdraw] {
        let mut purses = Purses::new();
        let before = purses.scene.signed_position(purses.position(9));
        purses.must_move(ALICE, movement, 0, 100);
        purses.scene.refuses(&purses.scene.snapshot(BOB, before), Reject::ChannelTotal);
        purses.scene.refuses(&purses.scene.close(BOB, Some(before)), Reject::ChannelTotal);
        let after = purses.scene.signed_position(purses.position(9));
        purses.scene.world.must(&purses.scene.snapshot(BOB, after));
    }
}

#[test]
fn nobody_moves_what_is_not_there_or_a_fifth_asset() {
    let mut purses = Purses::new();
    let [one, other] = purses.assets;
    let before = (purses.accounts(), purses.scene.channel());
    let unknown = purses.scene.world.terms(CAROL).id();
    let state = purses.state.clone();
    for (person, movement, asset, amount, reason) in [
        (ALICE, Movement::Deposit, one, OWNED - 600 + 1, Reject::BalanceTooSmall),
        (ALICE, Movement::Deposit, one, 0, Reject::PurseSplit),
        (ALICE, Movement::Deposit, unknown, 1, Reject::NoAccount),
        (BOB, Movement::Withdraw, one, 601, Reject::PurseSplit),
        (BOB, Movement::Withdraw, other, 401, Reject::PurseSplit),
        (BOB, Movement::Withdraw, unknown, 1, Reject::PurseSplit),
    ] {
        let value = Value { asset, amount: cents(amount) };
        let position = purses.position(1);
        let expires = purses.scene.world.time + Span::seconds(1);
        let draft = purses.scene.fund_in(person, movement, value, position, expires);
        purses.scene.refuses(&draft, reason);
    }
    assert_eq!((purses.accounts(), purses.scene.channel()), before);
    // Nobody puts in what is another's.
    let mut draft = purses.moving(ALICE, Movement::Deposit, one, 10);
    draft.signers = vec![BOB];
    purses.scene.refuses(&draft, Reject::NotAuthorised);
    purses.state = state;
}

#[test]
fn there_are_at_most_four_assets() {
    let asset = |number: u8| AssetId(byway_primitives::Hash([number; 32]));
    let rows = (1..=4).map(|number| AssetParts { asset: asset(number), parts: [cents(1); 2] });
    let assets = ChannelAssets::new(rows).expect("four");
    let held = byway_records::channel::Held { total: Amount::ZERO, assets, fundings: 0 };
    let after = |number, movement, amount| {
        let value = Value { asset: asset(number), amount: cents(amount) };
        held.after(byway_records::channel::Side::Initiator, movement, value)
    };
    assert_eq!(after(5, Movement::Deposit, 1), None);
    let more = after(4, Movement::Deposit, 1).expect("it is one of them");
    assert_eq!(more.assets.of(asset(4)).map(|row| row.parts), Some([2, 1].map(cents)));
    let none = after(4, Movement::Withdraw, 2).expect("so much is there");
    assert_eq!((none.assets.len(), none.fundings), (3, 1));
    assert_eq!(after(4, Movement::Withdraw, 3), None);
}

/// Where nobody shows the state, each gets back what it put in less what it took out.
#[test]
fn where_nobody_shows_the_state_each_gets_back_what_it_put_in_less_what_it_took_out() {
    let mut purses = Purses::new();
    let call = purses.transfer(ALICE, 0, 300);
    assert_eq!(purses.off_ledger(&call), Outcome::Returned);
    purses.must_move(BOB, Movement::Withdraw, 0, 200);
    purses.must_move(BOB, Movement::Deposit, 1, 50);
    purses.scene.world.must(&purses.scene.close(ALICE, None));
    purses.scene.wait();
    purses.scene.world.wait(Wait { millis: ABANDONED_AFTER, commits: LOCK.commits });
    purses.scene.world.must(&purses.scene.settle());
    assert_eq!(purses.accounts(), [[OWNED - 200, OWNED + 200], [OWNED; 2]].map(|parts| parts.map(cents)));
}
