//! Parting without the state, by numbers that the users of both sides type (row C1).

use byway_channel::{ChannelKey, Split};
use byway_peer::market::OwnChannel;
use byway_primitives::Time;
use byway_records::channel::{AssetParts, ChannelAssets, Side};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::super::PeerNode;
use super::Actor;
use super::calls::CLOSE_WAIT;
use crate::api::{Answer, ApiError, ChannelAssetDeposit, ChannelRecord, ChannelSplit, ChannelSplitWish};

impl PeerNode {
    /// Names how the two part, and waits a moment for the peer's user to name the same.
    pub(super) async fn split_channel(&self, channel: String, split: ChannelSplit) -> Answer<ChannelRecord> {
        let (key, closed) = self.ask(move |actor| actor.name_split(&channel, &split)).await?;
        // Whether it is done, or waits for the other side, stands in the record.
        if let Ok(Ok(answer)) = timeout(CLOSE_WAIT, closed).await {
            answer?;
        }
        self.ask(move |actor| actor.record_of(key)).await
    }
}

impl Actor {
    fn name_split(&mut self, name: &str, split: &ChannelSplit) -> Answer<(ChannelKey, oneshot::Receiver<Answer<()>>)> {
        let (key, now) = (self.channel_named(name)?, self.clock.now());
        let side = self.side_of(key);
        let rows =
            split.assets.iter().map(|one| AssetParts { asset: one.asset, parts: in_order(side, one.ours, one.theirs) });
        let assets = ChannelAssets::new(rows);
        let assets = assets
            .ok_or_else(|| ApiError::invalid_params("assets", "each asset that is in it, once, none of them WAY"))?;
        let named = Split { balances: in_order(side, split.ours, split.theirs), assets };
        let done = self.market.with_channel(now, key, &self.market_journal, |channel| channel.close_split(now, named));
        done.ok_or_else(|| ApiError::channel_not_ready("it is closed"))?.map_err(ApiError::channel_not_ready)?;
        let (asker, closed) = oneshot::channel();
        self.channels.closing.entry(key).or_default().push(asker);
        self.channels.changed.insert(key);
        Ok((key, closed))
    }

    /// What both users have named, ours first.
    pub(super) fn splits_of(&self, channel: &OwnChannel) -> Vec<ChannelSplitWish> {
        let now = self.clock.now();
        let named = [(true, channel.named_split(now)), (false, channel.asked_split(now))].into_iter();
        let side = channel.side();
        named.filter_map(|(by_us, named)| named.map(|named| wish(by_us, side, named))).collect()
    }
}

fn wish(by_us: bool, side: Side, (split, until_ms): (Split, Time)) -> ChannelSplitWish {
    let (ours, theirs) = (side.index(), side.other().index());
    let assets = split.assets.iter().map(|row| ChannelAssetDeposit {
        asset: row.asset,
        ours: row.parts[ours],
        theirs: row.parts[theirs],
    });
    let (balances, assets) = (split.balances, assets.collect());
    ChannelSplitWish { by_us, split: ChannelSplit { ours: balances[ours], theirs: balances[theirs], assets }, until_ms }
}

/// In the order of the parties.
fn in_order<T>(side: Side, ours: T, theirs: T) -> [T; 2] {
    match side {
        Side::Initiator => [ours, theirs],
        Side::Responder => [theirs, ours],
    }
}
