//! Assets of which there is nothing in a channel come in only where both users want that: one without any is settled by anybody, and one with some by who can
//! show what is in the purses.

use byway_channel::{CONSENT_TIME_MAX, ContractPurse, ContractWish, Refusal};

use super::*;

impl Purses {
    /// A side's user lets an asset in.
    pub fn admit(&mut self, side: usize, asset: usize) {
        let (now, asset) = (self.rig.now, self.assets[asset]);
        self.rig.machine(side).admit(now, asset).unwrap();
        self.rig.collect(side);
    }

    /// A side asks to put some of an asset in, and the other refuses and asks its user.
    fn assert_asked(&mut self, side: usize, asset: usize) {
        let (asset, amount) = (self.assets[asset], cents(1));
        let wish = ContractWish::Admit { asset };
        self.rig.parties.iter_mut().for_each(|party| party.news.clear());
        let round = self.rig.fund_in(side, Movement::Deposit, Value { asset, amount }).unwrap();
        self.rig.exchange();
        let refused = ChannelNews::NotFunded { round, refusal: Some(Refusal::Asked) };
        assert!(self.rig.parties[side].has(|news| *news == refused));
        assert!(self.rig.parties[1 - side].has(|news| *news == ChannelNews::Asked { wish: wish.clone() }));
        assert_eq!(self.rig.machine(1 - side).asked().map(|(asked, _)| asked.clone()), Some(wish));
        self.rig.assert_agreed();
    }
}

/// The peer could otherwise make any channel one that pays out only to who has the state, after a year.
#[test]
fn no_peer_brings_in_an_asset_that_our_user_has_not_let_in() {
    let mut purses = Purses::without();
    purses.assert_asked(1, 0);
    assert_eq!(purses.rig.entry().unwrap().assets.len(), 0);
    // Anybody has it paid out.
    purses.rig.close_alone(1).unwrap();
    purses.rig.lose_disk(0);
    purses.rig.disconnect();
    purses.rig.parties[1].is_watching = false;
    purses.rig.settle();
}

#[test]
fn an_asset_that_was_let_in_comes_in_and_what_is_there_needs_no_consent() {
    let mut purses = Purses::without();
    purses.assert_asked(1, 0);
    purses.admit(0, 0);
    // Consent is on disk.
    while purses.rig.write(0) {}
    purses.rig.crash(0);
    purses.rig.exchange();
    purses.fund(1, Movement::Deposit, 0, 20);
    assert_eq!(purses.rig.machine(0).consent(), None, "it counts once");
    purses.fund(0, Movement::Deposit, 0, 5);
    assert_eq!(purses.assert_in_channel(0), [5, 20].map(cents));
    purses.assert_asked(1, 1);
}

#[test]
fn who_has_asked_to_put_some_in_has_let_it_in() {
    let mut purses = Purses::without();
    purses.assert_asked(0, 1);
    purses.fund(1, Movement::Deposit, 1, 30);
    purses.fund(0, Movement::Deposit, 1, 10);
    assert_eq!(purses.assert_in_channel(1), [10, 30].map(cents));
}

#[test]
fn letting_an_asset_in_counts_for_ten_minutes_and_is_taken_back() {
    let mut purses = Purses::without();
    purses.admit(0, 0);
    purses.rig.tick(Span(CONSENT_TIME_MAX.0 + 1));
    purses.assert_asked(1, 0);
    purses.admit(0, 0);
    let now = purses.rig.now;
    purses.rig.machine(0).cancel(now).unwrap();
    purses.rig.collect(0);
    purses.assert_asked(1, 0);
    // Nor is there anything to let in that is there, or is WAY.
    let mut purses = Purses::new();
    for asset in [purses.assets[0], AssetId::WAY] {
        let now = purses.rig.now;
        let admitted = purses.rig.machine(0).admit(now, asset);
        assert_eq!(admitted, Err(ProposeError::Change(ChangeError::NothingMoved)));
    }
}

/// Whoever is asked to let a contract have other code sees what that may take, and not what there is now alone.
#[test]
fn what_was_approved_is_told_also_where_there_is_nothing_of_the_asset() {
    let mut purses = Purses::new();
    let swap = purses.swap();
    let approve = compiled(PURSE, "approve(address,uint256)");
    let all = purses.call(1, purse_of(purses.assets[0]), 0, approve, &[argument(swap), vec![0xff; 32]]);
    purses.update(1, all);
    let row = |asset: AssetId, is_there: bool| ContractPurse {
        asset: is_there.then_some(asset),
        purse: purse_of(asset),
        has: Amount::ZERO,
        may_take: [Amount::ZERO, Amount::MAX],
    };
    let asset = purses.assets[0];
    assert_eq!(purses.rig.machine(0).contract_purses(swap), [row(asset, true)]);
    purses.fund(0, Movement::Withdraw, 0, 600);
    assert_eq!(purses.rig.machine(0).contract_purses(swap), [row(asset, false)]);
}
