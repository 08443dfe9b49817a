//! Assets beside WAY in the model: how they go in and out, who has what of them in the end, and what it costs to show that.

use byway_primitives::{AssetId, Encode, Hash};
use byway_records::channel::{AssetParts, ChannelAssets};
use byway_vm::State;

use super::model::{Ended, Held, Model, Stage};
use super::{Actor, Called, Shows, Sketch};
use crate::world::{CHANNEL_PRICE, units};

/// A hundredth of a coin.
pub const CENT: u128 = 10u128.pow(16);
/// What both put in of each asset where there is some from the beginning.
pub const FIRST: [[u128; 2]; 2] = [[600 * CENT, 0], [100 * CENT, 300 * CENT]];
/// What a byte costs that is shown of a state.
pub const BYTE_PRICE: u128 = 16;
/// There is nothing of it.
const NO_ASSET: AssetId = AssetId(Hash([7; 32]));

impl Held {
    /// All that is there of an asset.
    pub fn of_asset(&self, asset: usize) -> u128 {
        self.put_in[asset].iter().sum()
    }

    /// After so much WAY has gone in.
    pub fn with(self, amount: u128) -> Self {
        Self { total: self.total + amount, ..self.moved() }
    }

    /// After so much WAY has gone out.
    pub fn without(self, amount: u128) -> Option<Self> {
        Some(Self { total: self.total.checked_sub(amount)?, ..self.moved() })
    }

    /// After something of an asset has gone in or out.
    pub fn moved(self) -> Self {
        Self { fundings: self.fundings + 1, ..self }
    }
}

impl Model {
    /// What is in the channel after that. A virtual one has no assets.
    pub fn after_putting_in(&self, side: usize, asset: usize, cents: u128) -> Option<Held> {
        let mut held = self.held.moved();
        held.put_in[asset][side] += cents * CENT;
        Some(held).filter(|_| !self.is_virtual())
    }

    /// First of what the side has put in itself, then of the other's, as far as there is so much.
    pub fn after_taking_out(&self, side: usize, asset: usize, cents: u128) -> Option<Held> {
        let (amount, mut held) = (cents * CENT, self.held.moved());
        let own = amount.min(held.put_in[asset][side]);
        held.put_in[asset][side] -= own;
        held.put_in[asset][1 - side] = held.put_in[asset][1 - side].checked_sub(amount - own)?;
        Some(held).filter(|_| !self.is_virtual())
    }

    pub fn put_in(&mut self, by: Actor, asset: usize, cents: u128, sketch: &Sketch) -> Option<Ended> {
        let (amount, held) = (cents * CENT, self.after_putting_in(by.side, asset, cents)?);
        let offer = self.offer(sketch, &held);
        let has = (1..=self.assets[asset][by.side]).contains(&amount) && !by.is_delegate;
        let is_possible = self.stage == Stage::Active && has && self.takes(&offer);
        (is_possible && self.can_pay(by, CHANNEL_PRICE)).then(|| {
            self.assets[asset][by.side] -= amount;
            self.held = held;
            self.charge(by, CHANNEL_PRICE);
            self.adopt(offer);
            Ended::PutIn
        })
    }

    /// What the state says of it does not matter.
    pub fn take_out(&mut self, by: Actor, asset: usize, cents: u128, sketch: &Sketch) -> Option<Ended> {
        let (amount, held) = (cents * CENT, self.after_taking_out(by.side, asset, cents)?);
        let offer = self.offer(sketch, &held);
        let is_possible = self.stage == Stage::Active && amount > 0 && self.takes(&offer);
        (is_possible && self.can_pay(by, CHANNEL_PRICE)).then(|| {
            self.assets[asset][by.side] += amount;
            self.held = held;
            self.charge(by, CHANNEL_PRICE);
            self.adopt(offer);
            Ended::TakeOut
        })
    }

    /// What a forced call costs: all that it takes out of a commit.
    pub fn price_of_forcing(&self, base: &State, side: usize, called: Called, amount: u128) -> u128 {
        let shown = self.witness(base, side, called, amount).len() as u128;
        CHANNEL_PRICE + u128::from(self.call(side, called, amount).gas) + BYTE_PRICE * shown
    }

    pub fn price_of_settling(&self, shows: Shows) -> u128 {
        CHANNEL_PRICE + BYTE_PRICE * self.settling(shows).len() as u128
    }

    /// What is shown of the purses.
    pub fn settling(&self, shows: Shows) -> Vec<u8> {
        let rows = self.facts.rows(self.held.put_in);
        let more = AssetParts { asset: NO_ASSET, parts: [units(1); 2] };
        let rows = match shows {
            Shows::Nothing => return Vec::new(),
            Shows::All => rows,
            Shows::More => ChannelAssets::new(rows.iter().copied().chain([more])).expect("three"),
        };
        self.state.witness_of_purses(&rows, self.facts.addresses()).to_bytes()
    }

    /// What is to be shown in the end: neither less nor more.
    pub fn all_to_show(&self) -> Shows {
        if self.held.put_in == [[0; 2]; 2] { Shows::Nothing } else { Shows::All }
    }

    pub fn shows_all(&self, shows: Shows) -> bool {
        self.settling(shows) == self.settling(self.all_to_show())
    }

    /// A division of the assets, where Alice has this of the first, if there is as much.
    pub fn owned(&self, cents: u128) -> [[u128; 2]; 2] {
        let [one, other] = [0, 1].map(|asset| self.held.of_asset(asset));
        let alice = one.min(cents * CENT);
        [[alice, one - alice], [other, 0]]
    }

    pub fn pay_assets(&mut self, parts: [[u128; 2]; 2]) {
        for (asset, parts) in parts.into_iter().enumerate() {
            (0..2).for_each(|side| self.assets[asset][side] += parts[side]);
        }
        self.held.put_in = [[0; 2]; 2];
    }

    /// What the purses say; where they say nothing, or more than there is, and of what is in them beside, the rule for the remainder.
    pub fn pay_assets_by_state(&mut self) {
        let owned = |asset: usize| {
            let of = |address| self.state.in_purse(self.facts.assets[asset], address).map(|owned| owned.units());
            let [alice, bob] = self.facts.addresses().map(of);
            Some([alice?, bob?]).filter(|owned| owned[0] + owned[1] <= self.held.of_asset(asset))
        };
        let has_some = |asset: usize| self.held.of_asset(asset) > 0;
        let is_by_rule = (0..2).any(|asset| has_some(asset) && owned(asset).is_none());
        let parts = [0, 1].map(|asset| {
            let owned = owned(asset).unwrap_or_default();
            let shares = self.shares(self.held.of_asset(asset) - owned[0] - owned[1]);
            [owned[0] + shares[0], owned[1] + shares[1]]
        });
        self.also.extend(is_by_rule.then_some(Ended::AssetsByRule));
        self.pay_assets(parts);
    }
}
