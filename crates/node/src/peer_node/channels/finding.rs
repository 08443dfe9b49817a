//! Channels that the ledger has and the disk hasn't, and those whose journals can't be read.

use byway_channel::{ChannelHandle, ChannelKey};
use byway_primitives::Amount;
use byway_records::channel::entry::{channel_of_key, channel_prefix};
use byway_records::channel::{Phase, Side};
use byway_records::promise::ChannelId;
use byway_records::{Channel, ProgramId};

use super::Actor;
use super::views::{PREFIX_MIN, id_text};
use crate::api::{Answer, ApiError, ChannelHealth, ChannelLaneRecord, ChannelRecord, ChannelRestore, ChannelState};

impl Actor {
    /// Takes up what the ledger has of ours and the journal hasn't: of all entries, where it is not known which have changed.
    pub(super) fn find_channels(&mut self, changed: Option<&[Vec<u8>]>) {
        let (me, now) = (self.me(), self.clock.now());
        let Some(tree) = self.ledger.follower().tree(ProgramId::CHANNELS) else { return };
        let keys: Vec<&[u8]> = match changed {
            Some(keys) => keys.iter().map(Vec::as_slice).collect(),
            None => tree.iter_prefix(channel_prefix()).map(|(key, _)| key).collect(),
        };
        let is_known = |id: &ChannelId| {
            let channels = self.market.channels();
            channels.key_of(*id).is_some() || channels.unreadable().any(|(unreadable, _)| unreadable == *id)
        };
        let unknown = keys.into_iter().filter_map(|key| Some((channel_of_key(key)?, key)));
        let unknown = unknown.filter(|(id, _)| !is_known(id));
        let found = unknown.filter_map(|(id, key)| Some((id, tree.read::<Channel>(key)?)));
        // A virtual one is found by its guarantee, with the terms that its hub tells.
        let is_ours = |entry: &Channel| entry.parties.contains(&me) && entry.guaranteed.is_none();
        let ours: Vec<(ChannelId, Channel)> = found.filter(|(_, entry)| is_ours(entry)).collect();
        for (id, entry) in ours {
            if self.awaits_copy(id) {
                continue;
            }
            self.market.find_channel(now, id, &entry, &self.market_journal);
        }
    }

    /// Says at the start which channels this node can't act in.
    pub(super) fn tell_unreadable(&self) {
        for (_, error) in self.market.channels().unreadable() {
            tracing::error!(%error, "a channel stands still");
        }
    }

    /// What its user wants done about a channel whose journal is lost: its peer is looked for where the card says, and a journal
    /// that can't be read is given up for what the ledger has.
    pub(in super::super) fn restore_channel(&mut self, request: &ChannelRestore) -> Answer<ChannelRecord> {
        let name = request.channel.to_ascii_lowercase();
        let unreadable = self.market.channels().unreadable().map(|(id, _)| id);
        let named: Vec<ChannelId> = unreadable.filter(|id| id_text(*id).starts_with(&name)).collect();
        if let [id] = named[..]
            && name.len() >= PREFIX_MIN
        {
            let entry = self.channel_entry(id);
            let entry = entry.ok_or_else(|| ApiError::channel_not_ready("the ledger has it no more"))?;
            let now = self.clock.now();
            self.market.find_channel(now, id, &entry, &self.market_journal);
        }
        let key = self.channel_named(&name)?;
        if let Some(card) = &request.peer {
            let (peer, card) = self.peer_named(card)?;
            if peer != key.peer {
                return Err(ApiError::invalid_params("peer", "the channel is with somebody else"));
            }
            card.into_iter().for_each(|card| self.keep_card(card));
        }
        if !self.market.is_talking_to(key.peer) && !self.has_chain() {
            if self.whereabouts(key.peer).is_none() {
                let why = "it has no offer on the market, and its card is not known; give its card as well";
                return Err(ApiError::peer_unreachable(key.peer, why));
            }
            self.dial_channel_peer(key.peer);
        }
        self.record_of(key)
    }

    /// A channel that was found goes by its own name from now on.
    pub(super) fn channel_named_anew(&mut self, key: ChannelKey, before: ChannelHandle) {
        let found = ChannelKey { handle: before, ..key };
        self.channels.shown.remove(&found);
        self.channels.changed.remove(&found);
        self.channels.messages.remove(&found);
        let told = self.channels.logs.remove(&found).unwrap_or_default();
        let log = self.channels.logs.entry(key).or_default();
        let later = std::mem::replace(log, told);
        log.extend(later);
    }

    /// Channels whose journals can't be read, as the ledger has them.
    pub(super) fn unreadable_records(&self) -> Vec<ChannelRecord> {
        let unreadable = self.market.channels().unreadable().map(|(id, _)| id);
        unreadable.filter_map(|id| Some(self.unreadable_record(id, &self.channel_entry(id)?))).collect()
    }

    fn unreadable_record(&self, id: ChannelId, entry: &Channel) -> ChannelRecord {
        let side = if entry.parties[0] == self.me() { Side::Initiator } else { Side::Responder };
        let lane = |of: Side| ChannelLaneRecord {
            capacity: entry.position.lanes[of.index()].capacity,
            promised: entry.due()[of.index()],
        };
        ChannelRecord {
            channel: id_text(id),
            id: Some(id_text(id)),
            peer: entry.parties[side.other().index()],
            initiated: side == Side::Initiator,
            state: if entry.phase == Phase::Active { ChannelState::Open } else { ChannelState::Closing },
            connected: false,
            health: ChannelHealth::Unreadable,
            total: entry.total,
            ours: entry.position.balances[side.index()],
            theirs: entry.position.balances[side.other().index()],
            our_lane: lane(side),
            their_lane: lane(side.other()),
            contracts: entry.position.rest(entry.total).unwrap_or(Amount::ZERO),
            purses: self.purses_put_in(&entry.assets, side),
            reserve: entry.reserve,
            round: entry.position.round,
            waiting: None,
            lock_ms: entry.lock.millis.0,
            lock_commits: entry.lock.commits,
            dispute: None,
            guaranteed: None,
            watched_by: Vec::new(),
            watched_until_ms: None,
            copy: None,
            copy_problem: None,
        }
    }
}
