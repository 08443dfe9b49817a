//! Other devices of the person in whose name this node talks: linking them, showing them, taking them away
//! ([`byway_chat::chats`] does it), and when each was last heard.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use byway_chat::chats::{ChatError, DEVICES_MAX, LINK_SPAN, OwnDevice, Progress, Stage};
use byway_chat::content::display;
use byway_driver::disk::Journal;
use byway_peer::link::{DeviceOffer, LinkError};
use byway_primitives::codec::{Decode, Encode};
use byway_primitives::{Batch, IdentityId, Space, Store, Time};

use super::super::{Actor, PeerNode};
use crate::api::*;

/// When each was last heard: key is its node.
const HEARD: Space = Space("device-heard");
/// What a device is called that nobody named.
const NAME: &str = "Device";
/// How long whoever links one waits for it to be reached, and to answer. It goes on without them.
const ANSWER_MAX: Duration = Duration::from_secs(20);

/// What the task knows of devices beside what conversations do.
#[derive(Default)]
pub(in super::super) struct DeviceDesk {
    /// Those that are there.
    there: BTreeSet<IdentityId>,
    heard: BTreeMap<IdentityId, Time>,
}

impl DeviceDesk {
    pub fn open(journal: &Journal) -> Self {
        // Nothing else writes here. What can't be read is as if nothing had been heard.
        let read = |(key, value): (Vec<u8>, Vec<u8>)| {
            Some((IdentityId::from_bytes(&key).ok()?, Time::from_bytes(&value).ok()?))
        };
        let heard = journal.scan_prefix(HEARD, &[]).into_iter().filter_map(read).collect();
        Self { there: BTreeSet::new(), heard }
    }
}

impl PeerNode {
    /// Calls a node, and waits a while for what becomes of it.
    pub(in super::super) async fn link_device(&self, request: DeviceLink) -> Answer<Device> {
        let node = self.ask_kept(move |actor| actor.call_device(&request)).await?;
        match self.seen_within(ANSWER_MAX, move |actor| actor.device_answered(node)).await? {
            Some(device) => Ok(device),
            None => self.ask(move |actor| actor.device_at(node)).await,
        }
    }
}

impl Actor {
    /// In whose name this node talks: its identity's own, but on a linked device.
    pub(in super::super) fn chat_me(&self) -> IdentityId {
        self.chats().me()
    }

    pub(in super::super) fn offer_device(&mut self) -> Answer<DeviceToken> {
        let card = self.card().ok_or_else(|| ApiError::not_supported("address under which it could be reached"))?;
        let made = self.with_chats(|chats, now, seed, _| {
            let token = chats.offer_link(now, seed.first_chunk().expect("a seed is longer"))?;
            Ok((token, now + LINK_SPAN))
        });
        let (token, until) = made.map_err(ApiError::chat)?;
        self.tell_of_devices();
        Ok(DeviceToken { token: DeviceOffer { card, token, until }.to_text().to_string(), expires_ms: until })
    }

    /// The node that is called, from here on until its token counts no more.
    fn call_device(&mut self, request: &DeviceLink) -> Answer<IdentityId> {
        let wrong = |error: LinkError| {
            let why = "it is not whole, or not what `byway device token` shows on a new node";
            ApiError::invalid_params("token", format_args!("{why} ({error})"))
        };
        let offer: DeviceOffer = request.token.trim().parse().map_err(wrong)?;
        let now = self.clock.now();
        let checked = offer.card.certificate.verify(self.network, now);
        checked.map_err(|error| ApiError::invalid_params("token", format_args!("its node is not good: {error}")))?;
        if offer.until <= now {
            return Err(ApiError::device_token_expired());
        }
        let DeviceOffer { card, token, .. } = offer;
        let node = card.certificate.identity;
        let name = self.name_for_device(node, request.name.as_deref())?;
        // Kept first: whoever is called after a crash has to be found.
        self.keep_card(card);
        let called = self.with_chats(|chats, now, _, store| chats.link_device(now, node, token, &name, store));
        called.map_err(|error| match error {
            ChatError::Oneself => ApiError::invalid_params(
                "token",
                "it is that of this node itself, or of a device that is linked already",
            ),
            error => ApiError::chat(error),
        })?;
        self.reach_channel_peers();
        Ok(node)
    }

    fn name_for_device(&self, node: IdentityId, wish: Option<&str>) -> Answer<String> {
        let is_free = |name: &str| !self.chats().devices().any(|(of, known)| of != node && known.name == name);
        match wish {
            Some(name) if is_free(name) => Ok(name.to_owned()),
            Some(_) => Err(ApiError::device_name_taken()),
            None => {
                let numbered = (2..).map(|number| format!("{NAME} {number}"));
                let mut names = std::iter::once(NAME.to_owned()).chain(numbered.take(DEVICES_MAX));
                Ok(names.find(|name| is_free(name)).expect("there are more names than devices"))
            }
        }
    }

    /// Whether a node that was called is linked now; one that refuses is called no more.
    fn device_answered(&mut self, node: IdentityId) -> Answer<Option<Device>> {
        let device = self.device_at(node)?;
        match device.state {
            DeviceState::Calling => Ok(None),
            DeviceState::Refused => {
                self.unlink(node)?;
                Err(ApiError::device_refused(node))
            }
            DeviceState::Linked | DeviceState::Agreed | DeviceState::First | DeviceState::Restored => Ok(Some(device)),
        }
    }

    fn device_at(&self, node: IdentityId) -> Answer<Device> {
        let found = self.chats().devices().find(|(of, _)| *of == node);
        found.map(|(node, known)| self.device(node, known)).ok_or_else(ApiError::device_not_found)
    }

    pub(in super::super) fn remove_device(&mut self, request: &DeviceRemove) -> Answer<Device> {
        let named = request.device.trim();
        let is_meant = |(node, known): &(IdentityId, &OwnDevice)| known.name == named || named.parse() == Ok(*node);
        let found = self.chats().devices().find(is_meant);
        let device = found.map(|(node, known)| self.device(node, known)).ok_or_else(ApiError::device_not_found)?;
        self.unlink(device.node)?;
        Ok(device)
    }

    fn unlink(&mut self, node: IdentityId) -> Answer<()> {
        let gone = self.with_chats(|chats, now, seed, store| chats.unlink_device(now, seed, node, store));
        gone.map_err(ApiError::chat)?;
        self.reach_channel_peers();
        Ok(())
    }

    pub(in super::super) fn device_status(&self) -> DeviceStatus {
        let (chats, now) = (self.chats(), self.clock.now());
        let role = match (chats.is_first(), chats.first_device()) {
            (true, _) => DeviceRole::First,
            (false, Some(_)) => DeviceRole::Linked,
            (false, None) => DeviceRole::Removed,
        };
        DeviceStatus {
            person: chats.me(),
            role,
            until_ms: (role == DeviceRole::Linked).then_some(chats.device().certificate.until),
            devices: chats.devices().map(|(node, known)| self.device(node, known)).collect(),
            token_until_ms: chats.link_offered_until(now),
        }
    }

    fn device(&self, node: IdentityId, known: &OwnDevice) -> Device {
        let (now, chats) = (self.clock.now(), self.chats());
        let state = match &known.stage {
            Stage::Called { .. } if chats.is_link_refused(node) || known.since + LINK_SPAN <= now => {
                DeviceState::Refused
            }
            Stage::Called { .. } => DeviceState::Calling,
            Stage::Linked { .. } => DeviceState::Linked,
            Stage::Agreed => DeviceState::Agreed,
            Stage::First => DeviceState::First,
            Stage::Restored { .. } => DeviceState::Restored,
        };
        let until_ms = match &known.stage {
            Stage::Linked { certificate } | Stage::Restored { certificate } => Some(certificate.until),
            Stage::Called { .. } | Stage::Agreed | Stage::First => None,
        };
        let online = self.market.is_talking_to(node);
        let heard_ms = if online { Some(now) } else { self.devices.heard.get(&node).copied() };
        let name = display::name(&known.name).unwrap_or_default();
        let history = chats.history(node).map(|Progress { total, given, is_whole }| DeviceHistory {
            messages: total,
            given: given.min(total),
            whole: is_whole,
        });
        Device { name, node, state, since_ms: known.since, until_ms, online, heard_ms, history }
    }

    pub(super) fn tell_of_devices(&self) {
        self.tell(Event::Devices(self.device_status()));
    }

    /// Keeps in mind when devices were heard, and says when one comes or goes.
    pub(in super::super) fn tend_devices(&mut self) {
        let now = self.clock.now();
        let known: BTreeSet<IdentityId> = self.chats().devices().map(|(node, _)| node).collect();
        let there: BTreeSet<IdentityId> =
            known.iter().copied().filter(|node| self.market.is_talking_to(*node)).collect();
        let changed: BTreeSet<IdentityId> = there.symmetric_difference(&self.devices.there).copied().collect();
        let gone: Vec<IdentityId> = self.devices.heard.keys().copied().filter(|node| !known.contains(node)).collect();
        if changed.is_empty() && gone.is_empty() {
            return;
        }
        let mut batch = Batch::new();
        for node in gone {
            batch.delete(HEARD, node.to_bytes());
            self.devices.heard.remove(&node);
        }
        for node in changed.intersection(&known) {
            batch.put(HEARD, node.to_bytes(), now.to_bytes());
            self.devices.heard.insert(*node, now);
        }
        self.write_ledger(batch);
        self.devices.there = there;
        self.tell_of_devices();
    }
}
