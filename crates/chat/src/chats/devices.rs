//! The other devices of our person: which there are, how each gets into the rooms, and how one is taken away
//! (docs/decisions/0057).
//!
//! The *first device* has the identity's key. It certifies the others, which are *linked*, and adds them to every room that it is in;
//! a linked one that makes a room, or is let into one alone, adds the first.

use std::collections::BTreeMap;

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::hash::Context;
use byway_primitives::{Batch, IdentityId, Space, Span, Store, Time};
use zeroize::Zeroizing;

use super::talk::Talk;
use super::{CERTIFICATE_EARLY, CERTIFICATES, Call, ChatConfig, ChatError, ChatNews, Chats, ChatsDamaged, Wish};
use crate::delivery::letter::{Letter, NAME_MAX};
use crate::delivery::own_letter::{LinkToken, OwnLetter, OwnMatter};
use crate::device::{CERTIFICATE_SPAN_MAX, Device, DeviceCertificate, DeviceConsent, DeviceKey, DeviceSecret};
use crate::mls::{Change, LINKED_MAX, Member, RoomId};

/// The devices: key is the node.
const DEVICES: Space = Space("chat-own-devices");
/// What else is kept of them.
const OWN: Space = Space("chat-own-record");
/// The key of the one there is. Disks take no empty one.
const ONLY: [u8; 1] = [0];

const DEVICE: Context = Context("byway 1 chat secret of a device");
/// A certificate of a first device that is good for no longer is replaced when the device starts.
const CERTIFICATE_LEFT: Span = Span::days(100);

/// Devices of our person beside the first.
pub const DEVICES_MAX: usize = LINKED_MAX;
/// How long the certificate of a linked device is good…
pub(super) const LINKED_SPAN: Span = Span::days(100);
/// … of which so much is left when it is renewed.
const LINKED_LEFT: Span = Span::days(50);

/// How far somebody's being a device of our person has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// On the first device: the node was called, with the token that it showed.
    Called { token: LinkToken },
    /// On the first device: it is linked.
    Linked { certificate: Box<DeviceCertificate> },
    /// On a node: it has agreed to be a device of that one, and awaits its certificate.
    Agreed,
    /// On a linked device: this is the first.
    First,
    /// On the first device: it was linked when a backup was made, and has yet to be found in a conversation.
    Restored { certificate: Box<DeviceCertificate> },
}

/// Another device of our person, or one that is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnDevice {
    /// What our person calls it.
    pub name: String,
    pub since: Time,
    pub stage: Stage,
}

/// What is kept beside the devices.
#[derive(Debug, Clone, Default)]
pub(super) struct OwnRecord {
    /// The highest number that a linked device was given: none is given twice.
    pub last_index: u32,
    /// How many letters this device has written to others of its person.
    pub written: u64,
    /// This node may become a device of whoever shows a token of that hash, up to that time.
    pub offer: Option<([u8; 32], Time)>,
    /// By which our person goes, on a linked device.
    pub name: String,
}

#[derive(Debug, Default)]
pub(super) struct OwnDevices {
    devices: BTreeMap<IdentityId, OwnDevice>,
    pub record: OwnRecord,
}

impl OwnDevices {
    pub fn load(store: &impl Store) -> Result<Self, ChatsDamaged> {
        let record = store.load(OWN, &ONLY).map(|bytes| OwnRecord::from_bytes(&bytes));
        let record = record.transpose().map_err(ChatsDamaged::Devices)?.unwrap_or_default();
        let read = |(key, value): (Vec<u8>, Vec<u8>)| {
            let node = IdentityId::from_bytes(&key).map_err(ChatsDamaged::Devices)?;
            Ok((node, OwnDevice::from_bytes(&value).map_err(ChatsDamaged::Devices)?))
        };
        let devices = store.scan_prefix(DEVICES, &[]).into_iter().map(read).collect::<Result<_, ChatsDamaged>>()?;
        Ok(Self { devices, record })
    }

    pub fn get(&self, node: IdentityId) -> Option<&OwnDevice> {
        self.devices.get(&node)
    }

    pub fn count(&self) -> usize {
        self.devices.len()
    }

    /// Whether it is a device of our person.
    pub fn has(&self, node: IdentityId) -> bool {
        self.get(node).is_some_and(|device| matches!(device.stage, Stage::Linked { .. } | Stage::First))
    }

    /// The devices of our person, but for this one and those that are not linked yet.
    pub fn nodes(&self) -> Vec<IdentityId> {
        self.devices.keys().copied().filter(|node| self.has(*node)).collect()
    }

    /// On a node that was called: by whom.
    pub fn first(&self) -> Option<IdentityId> {
        let is_first = |device: &OwnDevice| matches!(device.stage, Stage::Agreed | Stage::First);
        self.devices.iter().find(|(_, device)| is_first(device)).map(|(node, _)| *node)
    }

    pub fn put(&mut self, node: IdentityId, device: OwnDevice, batch: &mut Batch) {
        batch.put(DEVICES, node.to_bytes(), device.to_bytes());
        self.devices.insert(node, device);
    }

    pub fn remove(&mut self, node: IdentityId, batch: &mut Batch) -> Option<OwnDevice> {
        batch.delete(DEVICES, node.to_bytes());
        self.devices.remove(&node)
    }

    pub fn put_record(&self, batch: &mut Batch) {
        batch.put(OWN, ONLY, self.record.to_bytes());
    }
}

impl Chats {
    /// Whether this is the first device of its person, which has the identity's key.
    pub fn is_first(&self) -> bool {
        !self.device.certificate.is_linked()
    }

    /// The other devices of our person, and those that are to be, by their nodes.
    pub fn devices(&self) -> impl Iterator<Item = (IdentityId, &OwnDevice)> {
        self.own.devices.iter().map(|(node, device)| (*node, device))
    }

    /// On a node that a first device has called, and on a linked one: which that is. None where it was taken away.
    pub fn first_device(&self) -> Option<IdentityId> {
        self.own.first()
    }

    /// Until when a token that this node shows counts.
    pub fn link_offered_until(&self, now: Time) -> Option<Time> {
        self.own.record.offer.map(|(_, until)| until).filter(|until| now < *until)
    }

    /// Whether a node has heard that it was [called](Self::link_device), and has not agreed: it shows another token, or none any more, or
    /// is not new.
    pub fn is_link_refused(&self, node: IdentityId) -> bool {
        let is_called = self.own.get(node).is_some_and(|device| matches!(device.stage, Stage::Called { .. }));
        is_called && self.outbox.waiting_for(node) == 0
    }

    /// By which our person goes, to those whom it asks.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The node that this device is at.
    pub(super) fn node(&self) -> IdentityId {
        self.device.certificate.node
    }

    /// Whose device is at a node, as far as rooms say; else the identity itself.
    pub fn person_of(&self, node: IdentityId) -> IdentityId {
        if self.own.has(node) {
            return self.me();
        }
        self.talks.values().find_map(|talk| talk.known.get(&node)).copied().unwrap_or(node)
    }

    /// What only the first device does.
    pub(super) fn check_first(&self) -> Result<(), ChatError> {
        if self.is_first() { Ok(()) } else { Err(ChatError::NotFirst) }
    }

    /// Writes to another device of our person, or to one that is to be. Who has too much waiting gets it not.
    pub(super) fn write_to(&mut self, node: IdentityId, what: OwnMatter) {
        let letter = Letter::Own(Box::new(OwnLetter { number: self.own.record.written, what }));
        self.own.record.written += 1;
        self.own.put_record(&mut self.step.batch);
        let _ = self.outbox.put(&letter, [node], &mut self.step.batch);
    }

    /// Writes to the other devices: the first does to all, a linked one to the first, which tells the others.
    pub(super) fn write_to_devices<S: Store>(&mut self, call: &Call<'_, S>, what: &OwnMatter, but: Option<IdentityId>) {
        for node in self.own.nodes().into_iter().filter(|node| Some(*node) != but) {
            self.write_to(node, what.clone());
            self.send_due(node, call.store);
        }
    }

    /// Whichever of our devices have to be in a room are to be added, if they are not in it; then the room's wishes are pursued.
    pub(super) fn want_devices<S: Store>(&mut self, call: &Call<'_, S>, room: RoomId) {
        let nodes = self.own.nodes();
        if let Some(talk) = self.talks.get_mut(&room).filter(|talk| talk.is_in() && !talk.record.affairs.is_leaving) {
            let missing = nodes.into_iter().filter(|node| !talk.has_node(*node)).collect::<Vec<_>>();
            missing.into_iter().for_each(|node| talk.record.affairs.wish(Wish::Device(node)));
            talk.put(&mut self.step.batch);
        }
        self.pursue(call, room);
    }

    /// Plans to add a device of our person; whether the wish stays.
    pub(super) fn plan_device<S: Store>(
        &mut self,
        call: &Call<'_, S>,
        members: &[Member],
        node: IdentityId,
        change: &mut Change,
    ) -> bool {
        if !self.own.has(node) || members.iter().any(|member| member.node == node) {
            return false;
        }
        change.add.extend(self.take_package(call, node));
        true
    }

    /// Takes a device away from our person: out of all rooms, and it is given nothing more.
    ///
    /// # Errors
    /// [`ChatError::NotFirst`], [`ChatError::NoDevice`].
    pub fn unlink_device(
        &mut self,
        now: Time,
        seed: [u8; 32],
        node: IdentityId,
        store: &impl Store,
    ) -> Result<(), ChatError> {
        self.check_first()?;
        let device = self.own.remove(node, &mut self.step.batch).ok_or(ChatError::NoDevice(node))?;
        self.tell(ChatNews::Devices);
        self.outbox.forget(node, &mut self.step.batch);
        self.forget_giving(node);
        if !matches!(device.stage, Stage::Linked { .. }) {
            return Ok(());
        }
        let call = Call::new(now, seed, store);
        self.stock.forget(node, &mut self.step.batch);
        let is_in = |talk: &&Talk| talk.is_in() && talk.has_node(node);
        let rooms: Vec<RoomId> = self.talks.values().filter(is_in).map(|talk| talk.room.id()).collect();
        for room in rooms {
            self.wish_in(&call, room, [Wish::Unlink(node)]);
        }
        self.write_to(node, OwnMatter::Farewell);
        self.send_due(node, store);
        Ok(())
    }

    /// The first device leaves a room with all of its person's: the linked ones are put out, whether they hear of it or not.
    pub(super) fn put_out_linked<S: Store>(&mut self, call: &Call<'_, S>, room: RoomId) {
        let (me, Some(talk)) = (self.me(), self.talks.get(&room)) else { return };
        let linked = |member: &Member| member.identity == me && member.is_linked();
        let remove: Vec<DeviceKey> =
            talk.room.members().iter().filter(|member| linked(member)).map(|member| member.device).collect();
        if self.is_first() && !remove.is_empty() {
            // What hinders it hinders leaving as well, which says so.
            let _ = self.commit_in(call, room, &Change { remove, ..Change::default() });
        }
    }

    /// Of these, which were in a room, nothing waits any more for linked devices that are in no room now: they were taken away.
    pub(super) fn forget_gone(&mut self, before: &BTreeMap<IdentityId, IdentityId>) {
        for (node, _) in before.iter().filter(|(node, person)| node != person) {
            let is_known = self.talks.values().any(|talk| talk.known.contains_key(node));
            if !is_known && !self.own.has(*node) {
                self.outbox.forget(*node, &mut self.step.batch);
            }
        }
    }

    /// Certificates that run out are renewed.
    pub(super) fn renew_certificates(&mut self, now: Time) {
        if !self.is_first() {
            return;
        }
        for node in self.own.nodes() {
            let Some(OwnDevice { stage: Stage::Linked { certificate }, .. }) = self.own.get(node) else { continue };
            let Some(consent) = certificate.consent().filter(|_| certificate.until < now + LINKED_LEFT) else {
                continue;
            };
            let index = certificate.index;
            self.certify(now, node, (&consent, index));
        }
    }

    /// Gives a node a certificate; whether it has agreed to that.
    pub(super) fn certify(&mut self, now: Time, node: IdentityId, device: (&DeviceConsent, u32)) -> bool {
        let since = Time(now.0.saturating_sub(CERTIFICATE_EARLY.0));
        let network = self.device.certificate.network;
        let issued = DeviceCertificate::issue_linked(&self.identity, network, device, since, now + LINKED_SPAN);
        let (Ok(certificate), Some(known)) = (issued, self.own.get(node)) else { return false };
        let linked = OwnDevice { stage: Stage::Linked { certificate: Box::new(certificate.clone()) }, ..known.clone() };
        self.own.put(node, linked, &mut self.step.batch);
        let name = self.name.clone();
        self.write_to(node, OwnMatter::Certificate { certificate, name });
        true
    }
}

/// The device's key, which follows from that of its node's identity, and the certificate that it goes by. It keeps its certificate over
/// restarts: conversations have it in them. That of a linked device comes from the first.
pub(super) fn own_device(
    config: &ChatConfig,
    now: Time,
    store: &impl Store,
    batch: &mut Batch,
) -> Result<Device, ChatsDamaged> {
    let number = config.device.to_be_bytes();
    let derived = Zeroizing::new(config.identity.derive(DEVICE, &[&config.network.0.0, &number]).0);
    let secret = DeviceSecret::from_seed(&derived);
    if let Some(bytes) = store.load(CERTIFICATES, &number) {
        let certificate = DeviceCertificate::from_bytes(&bytes).map_err(ChatsDamaged::Certificate)?;
        let is_good = certificate.is_linked() || now + CERTIFICATE_LEFT < certificate.until;
        if certificate.key == secret.key() && is_good {
            return Ok(Device { secret, certificate });
        }
    }
    // A clock that was ahead when it was signed, or is behind at others', keeps nobody out.
    let since = Time(now.0.saturating_sub(CERTIFICATE_EARLY.0));
    let until = since + CERTIFICATE_SPAN_MAX;
    let key = (secret.key(), config.device);
    let certificate = DeviceCertificate::issue(&config.identity, config.network, key, since, until);
    batch.put(CERTIFICATES, number, certificate.to_bytes());
    Ok(Device { secret, certificate })
}

/// Plans to take a device of our person away; whether the wish stays.
pub(super) fn plan_unlinking(is_linked: bool, members: &[Member], node: IdentityId, change: &mut Change) -> bool {
    let place = members.iter().find(|member| member.node == node).filter(|_| !is_linked);
    change.remove.extend(place.map(|member| member.device));
    place.is_some()
}

impl Encode for OwnDevice {
    fn encode(&self, out: &mut Writer) {
        out.text(&self.name);
        out.value(&self.since);
        match &self.stage {
            Stage::Called { token } => {
                out.byte(0);
                out.value(token);
            }
            Stage::Linked { certificate } => {
                out.byte(1);
                out.value(&**certificate);
            }
            Stage::Agreed => out.byte(2),
            Stage::First => out.byte(3),
            Stage::Restored { certificate } => {
                out.byte(4);
                out.value(&**certificate);
            }
        }
    }
}

impl Decode for OwnDevice {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (name, since) = (input.text(NAME_MAX)?, input.value()?);
        let stage = match input.byte()? {
            0 => Stage::Called { token: input.value()? },
            1 => Stage::Linked { certificate: Box::new(input.value()?) },
            2 => Stage::Agreed,
            3 => Stage::First,
            4 => Stage::Restored { certificate: Box::new(input.value()?) },
            other => return Err(DecodeError::UnknownVariant { kind: "stage of a device", value: other.into() }),
        };
        Ok(Self { name, since, stage })
    }
}

impl Encode for OwnRecord {
    fn encode(&self, out: &mut Writer) {
        out.varint(self.last_index);
        out.varint(self.written);
        out.flag(self.offer.is_some());
        if let Some((hash, until)) = &self.offer {
            out.raw(hash);
            out.value(until);
        }
        out.text(&self.name);
    }
}

impl Decode for OwnRecord {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            last_index: input.u32()?,
            written: input.u64()?,
            offer: if input.flag()? { Some((input.array()?, input.value()?)) } else { None },
            name: input.text(NAME_MAX)?,
        })
    }
}
