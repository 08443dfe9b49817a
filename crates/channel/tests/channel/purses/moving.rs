//! Assets that go in and out while the channel is open.

use byway_channel::{Refusal, SUBMIT_AGAIN};
use byway_records::channel::FundingChange;

use super::*;

impl Purses {
    fn value(&self, asset: usize, amount: u128) -> Value {
        Value { asset: self.assets[asset], amount: cents(amount) }
    }

    /// The same world, and a channel that has no asset but WAY.
    pub fn without() -> Self {
        let (world, assets) = with_assets();
        Self { rig: Rig::opened(Rig::begun_in(world, terms())), assets }
    }

    pub fn fund(&mut self, side: usize, movement: Movement, asset: usize, amount: u128) {
        let value = self.value(asset, amount);
        self.rig.fund_in(side, movement, value).unwrap();
        // Where this side has handed in another just before.
        self.rig.exchange();
        self.rig.tick(SUBMIT_AGAIN);
        for _ in 0..3 {
            self.rig.run();
        }
        self.rig.assert_agreed();
        assert!(
            self.rig.parties[side]
                .has(|news| matches!(news, ChannelNews::Funded { value: done, .. } if *done == value))
        );
    }

    /// What everybody has in its account of an asset.
    fn accounts(&self, asset: usize) -> [Amount; 2] {
        [0, 1].map(|side| self.rig.world.account_in(side, self.assets[asset]).unwrap().balance)
    }

    /// That an asset is in the channel as both say, and the ledger has as much.
    pub fn assert_in_channel(&mut self, asset: usize) -> [Amount; 2] {
        let id = self.assets[asset];
        let [ours, theirs] = [0, 1].map(|side| {
            self.rig.machine(side).purses().into_iter().find(|purse| purse.asset == id).map(|purse| purse.owned)
        });
        assert_eq!(ours, theirs);
        let owned = ours.unwrap_or_default();
        let on_ledger = self.rig.entry().unwrap().assets.of(id).and_then(|row| row.total());
        assert_eq!(Amount::checked_sum(owned), Some(on_ledger.unwrap_or_default()));
        owned
    }
}

const BOTH_WAYS: [Movement; 2] = [Movement::Deposit, Movement::Withdraw];

#[test]
fn an_asset_goes_in_and_out_while_the_channel_is_open() {
    let mut purses = Purses::new();
    purses.fund(1, Movement::Deposit, 0, 250);
    purses.assert_owned([[600, 250], [100, 300]], [0, 0]);
    purses.pay(0, 0, 400);
    // It takes out what it was paid, too.
    purses.fund(1, Movement::Withdraw, 0, 500);
    purses.assert_owned([[200, 150], [100, 300]], [0, 0]);
    assert_eq!(purses.accounts(0), [OWNED - 600, OWNED + 250].map(cents));
    purses.fund(0, Movement::Withdraw, 1, 100);
    purses.part();
    assert_eq!(purses.accounts(0), [OWNED - 400, OWNED + 400].map(cents));
    assert_eq!(purses.accounts(1), [OWNED; 2].map(cents));
    assert_eq!(purses.rig.refused, []);
}

/// The purse is an ordinary one: it is called by force, and what is in it is shown at the end.
#[test]
fn a_channel_gets_an_asset_that_it_has_not_had_by_a_deposit() {
    let mut purses = Purses::without();
    purses.admit(1, 1);
    purses.fund(0, Movement::Deposit, 1, 90);
    assert_eq!(purses.assert_in_channel(1), [90, 0].map(cents));
    purses.pay(0, 1, 20);
    let to = purses.address(1);
    let payment = Change::Call(purse_payment(Side::Initiator, purses.assets[1], to, cents(30)));
    purses.force(0, payment);
    purses.rig.exchange();
    assert_eq!(purses.assert_in_channel(1), [40, 50].map(cents));
    let contract = purse_of(purses.assets[1]);
    let remove = Change::Contract(ContractChange::Remove { contract, shares: None });
    assert_eq!(purses.rig.propose(0, remove), Err(ProposeError::Change(ChangeError::Purse)));
    purses.rig.close_alone(1).unwrap();
    purses.rig.settle();
    assert_eq!(purses.accounts(1), [OWNED - 50, OWNED + 50].map(cents));
}

#[test]
fn what_is_taken_out_to_the_last_can_be_put_in_again() {
    let mut purses = Purses::new();
    purses.fund(0, Movement::Withdraw, 0, 600);
    assert_eq!(purses.rig.entry().unwrap().assets.len(), 1);
    assert_eq!(purses.assert_in_channel(0), [0, 0].map(cents));
    purses.admit(0, 0);
    purses.fund(1, Movement::Deposit, 0, 10);
    assert_eq!(purses.assert_in_channel(0), [0, 10].map(cents));
    purses.part();
    assert_eq!(purses.accounts(0), [OWNED; 2].map(cents));
}

#[test]
fn nobody_takes_out_what_it_has_not_or_puts_in_nothing() {
    let mut purses = Purses::new();
    for (side, movement, asset, amount, error) in [
        (0, Movement::Withdraw, 0, 601, ChangeError::NotInPurse),
        (1, Movement::Withdraw, 0, 1, ChangeError::NotInPurse),
        (1, Movement::Withdraw, 1, 400, ChangeError::NotInPurse),
        (0, Movement::Deposit, 0, 0, ChangeError::NothingMoved),
    ] {
        let value = purses.value(asset, amount);
        assert_eq!(purses.rig.fund_in(side, movement, value), Err(ProposeError::Change(error)));
    }
    // Nor does a peer that says so, or says another asset, or the other side.
    let (value, other) = (purses.value(0, 100), purses.value(1, 100));
    purses.rig.fund_in(0, Movement::Withdraw, value).unwrap();
    purses.rig.write(0);
    let Some(ChannelMessage::ProposeFunding(change)) = purses.rig.steal(1) else { panic!("it is asked for") };
    let round = change.state.position.round;
    for (asked, refusal) in [
        (FundingChange { value: purses.value(0, 601), ..change }, Refusal::Impossible),
        (FundingChange { value: purses.value(0, 99), ..change }, Refusal::Differs),
        (FundingChange { value: other, ..change }, Refusal::Differs),
        (FundingChange { movement: Movement::Deposit, ..change }, Refusal::Differs),
        (FundingChange { side: Side::Responder, ..change }, Refusal::Unwanted),
        (FundingChange { state: ChannelState { fundings: 0, ..change.state }, ..change }, Refusal::Differs),
    ] {
        purses.rig.hear(1, ChannelMessage::ProposeFunding(asked)).unwrap();
        assert_eq!(purses.rig.next_message(0), Some(ChannelMessage::RefuseFunding { round, refusal }), "{asked:?}");
        purses.rig.steal(0);
        assert_eq!(purses.rig.machine(1).funding(), None);
    }
}

/// Whenever either side dies, the asset is in one place, and both go on.
#[test]
fn a_crash_at_any_step_leaves_an_asset_in_one_place() {
    let mut moved = 0;
    for movement in BOTH_WAYS {
        for (victim, steps) in (0..2).flat_map(|victim| (0..12).map(move |steps| (victim, steps))) {
            let mut purses = Purses::new();
            let before = purses.accounts(0);
            let value = purses.value(0, 100);
            purses.rig.fund_in(0, movement, value).unwrap();
            for step in 0..steps {
                let side = step / 2 % 2;
                let _ = if step % 2 == 0 { purses.rig.write(side) } else { purses.rig.deliver(1 - side) };
            }
            purses.rig.crash(victim);
            purses.rig.run();
            purses.rig.tick(Span::minutes(4));
            purses.rig.run();
            purses.rig.assert_agreed();
            let [owned, _] = purses.assert_in_channel(0);
            let [account, _] = purses.accounts(0);
            let all = owned.checked_add(account);
            assert_eq!(all, cents(600).checked_add(before[0]), "{movement:?} {victim} {steps}");
            moved += u32::from(account != before[0]);
            purses.rig.pay(1, 5);
            purses.rig.exchange();
            purses.part();
            assert_eq!(purses.accounts(0), [OWNED; 2].map(cents));
        }
    }
    assert!((10..48).contains(&moved), "some came through, and not all: {moved}");
}

#[test]
fn where_both_ask_at_once_the_initiators_goes_first_and_the_other_asks_again() {
    let mut purses = Purses::new();
    let [ours, theirs] = [purses.value(0, 100), purses.value(1, 50)];
    purses.rig.fund_in(0, Movement::Withdraw, ours).unwrap();
    purses.rig.fund_in(1, Movement::Deposit, theirs).unwrap();
    for _ in 0..3 {
        purses.rig.run();
    }
    purses.assert_owned([[500, 0], [100, 300]], [0, 0]);
    assert!(
        purses.rig.parties[1].has(|news| matches!(news, ChannelNews::NotFunded { refusal: Some(Refusal::Busy), .. }))
    );
    purses.fund(1, Movement::Deposit, 1, 50);
    purses.assert_owned([[500, 0], [100, 350]], [0, 0]);
}

/// A deposit that the ledger refuses blocks until its time is over, and then nothing has moved.
#[test]
fn what_the_account_has_not_never_comes_in() {
    let mut purses = Purses::new();
    let value = purses.value(0, OWNED);
    purses.rig.fund_in(0, Movement::Deposit, value).unwrap();
    purses.rig.run();
    assert_eq!(purses.rig.refused, [byway_records::Reject::BalanceTooSmall]);
    purses.rig.tick(Span::minutes(3));
    purses.rig.run();
    purses.assert_owned(FIRST, [0, 0]);
    purses.pay(0, 0, 10);
    purses.assert_owned([[590, 10], [100, 300]], [0, 0]);
}

/// It is found again with what has gone in, also where nothing was called since.
#[test]
fn a_side_without_a_disk_has_what_went_in_meanwhile() {
    let mut purses = Purses::new();
    purses.fund(0, Movement::Deposit, 0, 100);
    purses.rig.lose_disk(1);
    purses.rig.exchange();
    purses.assert_owned([[700, 0], [100, 300]], [0, 0]);
    purses.part();
    assert_eq!(purses.accounts(0), [OWNED; 2].map(cents));
}
