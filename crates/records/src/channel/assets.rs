//! What two parties have of assets beside WAY (row K1): in a channel's terms and entry what each has put in (less what it has taken out), in a close what each gets.
//!
//! What is in a channel of such an asset is in its *purse*, a contract of the channel's first state (`byway_vm::purse_of`).

use std::ops::Deref;

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::time::Span;
use byway_primitives::{Amount, AssetId};

use super::{Channel, Phase, pair, put_pair};
use crate::state::Deadline;

/// Assets beside WAY in one channel: what both have of them is shown to the ledger at once.
pub const CHANNEL_ASSETS_MAX: usize = 4;

/// How long there is to show what both have of a channel's assets, from when it can be settled, and as many commits as the lock period.
/// A party may be away for long, and only a party has the state.
pub const ABANDONED_AFTER: Span = Span::days(365);

/// What each party has of one asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AssetParts {
    pub asset: AssetId,
    pub parts: [Amount; 2],
}

/// The same of each of some assets beside WAY: in order, each once, and something of each.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ChannelAssets {
    rows: [AssetParts; CHANNEL_ASSETS_MAX],
    count: usize,
}

impl AssetParts {
    /// What is in the channel of the asset; `None` where that overflows.
    pub fn total(&self) -> Option<Amount> {
        Amount::checked_sum(self.parts)
    }
}

impl ChannelAssets {
    const NO_ROW: AssetParts = AssetParts { asset: AssetId::WAY, parts: [Amount::ZERO; 2] };
    pub const NONE: Self = Self { rows: [Self::NO_ROW; CHANNEL_ASSETS_MAX], count: 0 };

    /// In whatever order they come; `None` where they are more than there may be, one is there twice or is WAY, or there is
    /// nothing of one, or too much.
    pub fn new(rows: impl IntoIterator<Item = AssetParts>) -> Option<Self> {
        let mut rows: Vec<_> = rows.into_iter().collect();
        rows.sort_by_key(|row| row.asset);
        Self::in_order(&rows)
    }

    fn in_order(rows: &[AssetParts]) -> Option<Self> {
        let ascends = rows.windows(2).all(|two| two[0].asset < two[1].asset);
        let is_good = |row: &AssetParts| row.asset != AssetId::WAY && row.total().is_some_and(|total| !total.is_zero());
        if rows.len() > CHANNEL_ASSETS_MAX || !ascends || !rows.iter().all(is_good) {
            return None;
        }
        let mut all = Self { count: rows.len(), ..Self::NONE };
        all.rows[..rows.len()].copy_from_slice(rows);
        Some(all)
    }

    /// What is there of an asset.
    pub fn of(&self, asset: AssetId) -> Option<&AssetParts> {
        self.iter().find(|row| row.asset == asset)
    }

    /// Whether `split` divides exactly what is there of each, and nothing else.
    pub fn is_divided_by(&self, split: &Self) -> bool {
        let is_same = |(all, part): (&AssetParts, &AssetParts)| (all.asset, all.total()) == (part.asset, part.total());
        self.len() == split.len() && self.iter().zip(split.iter()).all(is_same)
    }
}

impl Channel {
    /// From when on a closing channel is settled also where nobody shows what both have of its assets.
    pub fn abandoned_from(&self) -> Option<Deadline> {
        let Phase::Closing { until, .. } = self.phase else { return None };
        let commits = until.commits.saturating_add(self.lock.commits);
        Some(Deadline { time: until.time + ABANDONED_AFTER, commits })
    }
}

impl Default for ChannelAssets {
    fn default() -> Self {
        Self::NONE
    }
}

impl Deref for ChannelAssets {
    type Target = [AssetParts];

    fn deref(&self) -> &[AssetParts] {
        &self.rows[..self.count]
    }
}

impl std::fmt::Debug for ChannelAssets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Encode for AssetParts {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.asset);
        put_pair(&self.parts, out);
    }
}

impl Decode for AssetParts {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { asset: input.value()?, parts: pair(input)? })
    }
}

impl Encode for ChannelAssets {
    fn encode(&self, out: &mut Writer) {
        out.list(self);
    }
}

impl Decode for ChannelAssets {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let rows: Vec<AssetParts> = input.list(CHANNEL_ASSETS_MAX)?;
        Self::in_order(&rows)
            .ok_or(DecodeError::Invalid("a channel's assets are in order, and there is something of each"))
    }
}
