//! How a node becomes a device of somebody.
//!
//! The node [offers](Chats::offer_link) itself, and shows a token. Its person types that in at their first device, which
//! [calls](Chats::link_device) the node. The node answers with its consent, the first device with a certificate; then the node gives keys
//! to be added with. All of it goes in parcels, so it goes on after a crash of either.

use byway_primitives::hash::Context;
use byway_primitives::{IdentityId, Span, Store, Time};
use zeroize::Zeroizing;

use super::devices::{DEVICES_MAX, OwnDevice, Stage};
use super::heard::Opened;
use super::packages::STOCK_FIRST;
use super::{CERTIFICATES, Call, ChatError, ChatFault, ChatNews, Chats};
use crate::delivery::group_letter::PACKAGES_GIVEN_MAX;
use crate::delivery::own_letter::{LinkToken, OwnLetter, OwnMatter};
use crate::device::{Device, DeviceCertificate, DeviceConsent};
use crate::mls::RoomId;
use byway_primitives::codec::Encode;

/// How long a token counts.
pub const LINK_SPAN: Span = Span::minutes(10);

const TOKEN: Context = Context("byway 1 chat token of a linked device");

impl Chats {
    /// This node offers to become a device of whoever shows the token that this gives, within [`LINK_SPAN`]. What was offered before
    /// counts no more.
    ///
    /// # Errors
    /// [`ChatError::NotFresh`] where it knows people, has conversations or devices, or is a device of somebody.
    pub fn offer_link(&mut self, now: Time, seed: &[u8; 16]) -> Result<LinkToken, ChatError> {
        if !self.is_fresh() {
            return Err(ChatError::NotFresh);
        }
        if let Some(awaited) = self.own.first() {
            self.own.remove(awaited, &mut self.step.batch);
            self.outbox.forget(awaited, &mut self.step.batch);
        }
        let token = LinkToken(Zeroizing::new(*seed));
        self.own.record.offer = Some((hash(&token), now + LINK_SPAN));
        self.own.put_record(&mut self.step.batch);
        Ok(token)
    }

    /// Calls a node to be a device of our person, with the token that it shows. Until it answers it can be
    /// [taken away](Chats::unlink_device), or called once more.
    ///
    /// # Errors
    /// [`ChatError::NotFirst`], [`ChatError::Oneself`], [`ChatError::IsPerson`], [`ChatError::TooManyDevices`].
    pub fn link_device(
        &mut self,
        now: Time,
        node: IdentityId,
        token: LinkToken,
        name: &str,
        store: &impl Store,
    ) -> Result<(), ChatError> {
        self.check_first()?;
        if node == self.me() || self.own.has(node) {
            return Err(ChatError::Oneself);
        }
        if self.people.get(node).is_some() || self.is_heard(node) {
            return Err(ChatError::IsPerson(node));
        }
        if self.own.count() >= DEVICES_MAX && self.own.get(node).is_none() {
            return Err(ChatError::TooManyDevices);
        }
        let name = shortened(name);
        self.own.record.offer = None;
        let device = OwnDevice { name, since: now, stage: Stage::Called { token: token.clone() } };
        self.own.put(node, device, &mut self.step.batch);
        self.write_to(node, OwnMatter::Call { token });
        self.send_due(node, store);
        self.tell(ChatNews::Devices);
        Ok(())
    }

    /// Whether nothing here would be lost, or be two people's, if this became a device of somebody.
    fn is_fresh(&self) -> bool {
        let is_free = self.own.nodes().is_empty() && self.own.count() == usize::from(self.own.first().is_some());
        self.is_first()
            && is_free
            && self.talks.is_empty()
            && self.lost.is_empty()
            && self.people.iter().next().is_none()
    }

    /// Another device of our person says something, or one that is to be.
    pub(super) fn own_came<S: Store>(
        &mut self,
        call: &Call<'_, S>,
        peer: IdentityId,
        letter: OwnLetter,
    ) -> Result<Opened, ChatFault> {
        match letter.what {
            OwnMatter::Call { token } => self.called(call, peer, &token),
            OwnMatter::Consent { consent } => self.agreed(call, peer, &consent),
            OwnMatter::Certificate { certificate, name } => self.certified(call, peer, (certificate, name)),
            // Its certificate is still on its way, or it has yet to be found in a conversation.
            _ if self
                .own
                .get(peer)
                .is_some_and(|device| matches!(device.stage, Stage::Agreed | Stage::Restored { .. })) =>
            {
                return Ok(Opened::NotNow);
            }
            _ if !self.own.has(peer) => Err(ChatFault::NotOurDevice(peer)),
            what => return self.own_matter_came(call, peer, what),
        }?;
        Ok(Opened::Done)
    }

    fn called<S: Store>(&mut self, call: &Call<'_, S>, peer: IdentityId, token: &LinkToken) -> Result<(), ChatFault> {
        // It has its answer, and no stranger's parcel is known again.
        if self.own.first() == Some(peer) {
            return Ok(());
        }
        let offered = self.own.record.offer.filter(|(of, until)| *of == hash(token) && call.now < *until);
        if offered.is_none() || !self.is_fresh() {
            return Err(ChatFault::NotOurDevice(peer));
        }
        self.own.record.offer = None;
        let device = OwnDevice { name: String::new(), since: call.now, stage: Stage::Agreed };
        self.own.put(peer, device, &mut self.step.batch);
        let (network, key) = (self.device.certificate.network, self.device.secret.key());
        let consent = DeviceConsent::give(&self.identity, network, peer, key);
        self.write_to(peer, OwnMatter::Consent { consent });
        self.tell(ChatNews::Devices);
        Ok(())
    }

    fn agreed<S: Store>(
        &mut self,
        call: &Call<'_, S>,
        peer: IdentityId,
        consent: &DeviceConsent,
    ) -> Result<(), ChatFault> {
        let known = self.own.get(peer).map(|device| &device.stage);
        if matches!(known, Some(Stage::Linked { certificate }) if certificate.key == consent.key) {
            return Ok(());
        }
        let called = self.own.get(peer).filter(|device| matches!(device.stage, Stage::Called { .. }));
        if called.is_none() || consent.node != peer {
            return Err(ChatFault::NotOurDevice(peer));
        }
        // Before anything is said of it to the node: no number is given twice.
        self.own.record.last_index = self.own.record.last_index.max(self.device.certificate.index) + 1;
        let index = self.own.record.last_index;
        if !self.certify(call.now, peer, (consent, index)) {
            return Err(ChatFault::NotOurDevice(peer));
        }
        self.tell_all_people(peer);
        // It hears of conversations before it comes into their rooms.
        self.begin_giving(peer, call.store);
        // With these it adds this one to rooms that it makes.
        self.give_packages(call, peer, STOCK_FIRST);
        if let Err(error) = self.own_room_for_devices(call) {
            let me = self.me();
            self.fault(me, ChatFault::Package(error.to_string()));
        }
        let rooms: Vec<RoomId> = self.talks.keys().copied().collect();
        rooms.into_iter().for_each(|room| self.want_devices(call, room));
        self.tell(ChatNews::Devices);
        Ok(())
    }

    fn certified<S: Store>(
        &mut self,
        call: &Call<'_, S>,
        peer: IdentityId,
        (certificate, name): (DeviceCertificate, String),
    ) -> Result<(), ChatFault> {
        let stage = self.own.get(peer).map(|device| device.stage.clone());
        let is_due = match stage {
            Some(Stage::Agreed) => self.is_fresh(),
            Some(Stage::First) => true,
            Some(Stage::Called { .. } | Stage::Linked { .. } | Stage::Restored { .. }) | None => false,
        };
        let DeviceCertificate { identity, node, key, network, .. } = certificate;
        let is_ours = (identity, node, key) == (peer, self.identity.id(), self.device.secret.key());
        if !is_due || !is_ours || certificate.verify(network).is_err() || network != self.device.certificate.network {
            return Err(ChatFault::NotOurDevice(peer));
        }
        self.step.batch.put(CERTIFICATES, self.number.to_be_bytes(), certificate.to_bytes());
        for talk in self.talks.values_mut() {
            // The rooms' others see it with the next change. One that is not good now is of no use in them.
            let _ = talk.room.certify(&certificate, call.now);
        }
        self.device = Device { secret: self.device.secret.clone(), certificate };
        self.name.clone_from(&name);
        self.own.record.name = name;
        self.own.put_record(&mut self.step.batch);
        self.tell(ChatNews::Devices);
        if stage == Some(Stage::Agreed) {
            let device = OwnDevice { name: String::new(), since: call.now, stage: Stage::First };
            self.own.put(peer, device, &mut self.step.batch);
            self.give_packages(call, peer, PACKAGES_GIVEN_MAX);
        }
        Ok(())
    }
}

/// As much of a name as is kept.
fn shortened(name: &str) -> String {
    let mut name = name.to_owned();
    while name.len() > crate::delivery::letter::NAME_MAX {
        name.pop();
    }
    name
}

fn hash(token: &LinkToken) -> [u8; 32] {
    TOKEN.hash(&[&*token.0]).0
}
