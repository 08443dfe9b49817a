//! The linked devices of a person whose first one has lost its disk.
//!
//! A backup names those that there were when it was made. That is old word: one may have been taken away since, and may be in the hands of a
//! thief. So a device counts again only once it is *found*: when this one has come back into a room by way of somebody else, those that the
//! backup names and the room has in it are the person's again. All others that rooms have in them as devices of the person were taken away, or
//! linked after the backup: nobody can tell which, so they are put out, and whoever has one of the latter links it anew.

use byway_primitives::{IdentityId, Store, Time};

use super::affairs::Wish;
use super::devices::{DEVICES_MAX, OwnDevice, Stage};
use super::packages::STOCK_FIRST;
use super::{Call, ChatNews, Chats};
use crate::backup::BackupDevice;
use crate::device::DeviceCertificate;
use crate::mls::RoomId;

/// So many numbers are left out after a backup: devices that were linked since have some of them, and none is given twice.
const NUMBERS_LEFT_OUT: u32 = 1024;

impl Chats {
    /// The linked devices, for a backup.
    pub(super) fn backup_devices(&self) -> impl Iterator<Item = BackupDevice> {
        self.devices().filter_map(|(_, OwnDevice { name, since, stage })| match stage {
            Stage::Linked { certificate } | Stage::Restored { certificate } => {
                Some(BackupDevice { name: name.clone(), since: *since, certificate: (**certificate).clone() })
            }
            Stage::Called { .. } | Stage::Agreed | Stage::First => None,
        })
    }

    /// A device that there was when a backup was made.
    pub(super) fn restore_device(&mut self, now: Time, device: BackupDevice) {
        let BackupDevice { name, since, certificate } = device;
        if !self.may_be_ours(now, &certificate) || self.own.get(certificate.node).is_some() {
            return;
        }
        let record = &mut self.own.record;
        record.last_index = record.last_index.max(certificate.index.saturating_add(NUMBERS_LEFT_OUT));
        // What was written before the loss had lower numbers.
        record.written = record.written.max(now.0);
        self.own.put_record(&mut self.step.batch);
        let (node, stage) = (certificate.node, Stage::Restored { certificate: Box::new(certificate) });
        self.own.put(node, OwnDevice { name, since, stage }, &mut self.step.batch);
        self.tell(ChatNews::Devices);
    }

    /// Whether a certificate makes a node a linked device of our person, which this is the first of.
    fn may_be_ours(&self, now: Time, certificate: &DeviceCertificate) -> bool {
        let network = self.device.certificate.network;
        let is_ours = certificate.is_linked() && certificate.identity == self.me();
        let is_good = certificate.verify(network).is_ok() && certificate.check_time(now).is_ok();
        let has_room = self.own.count() < DEVICES_MAX || self.own.get(certificate.node).is_some();
        self.is_first() && is_ours && is_good && has_room && self.people.get(certificate.node).is_none()
    }

    /// This device has come back into a room by way of the node `by`.
    pub(super) fn find_devices<S: Store>(&mut self, call: &Call<'_, S>, room: RoomId, by: IdentityId) {
        let Some(talk) = self.talks.get(&room).filter(|talk| talk.known.get(&by).is_some_and(|who| *who != self.me()))
        else {
            return;
        };
        let (me, is_first) = (self.me(), self.is_first());
        let mut found = talk.room.certificates();
        found.retain(|certificate| is_first && certificate.is_linked() && certificate.identity == me);
        for certificate in found {
            let node = certificate.node;
            let (name, since) = match self.own.get(node) {
                Some(known) if !matches!(known.stage, Stage::Restored { .. }) => continue,
                Some(known) if self.may_be_ours(call.now, &certificate) => (known.name.clone(), known.since),
                _ => {
                    let record = &mut self.own.record;
                    record.last_index = record.last_index.max(certificate.index);
                    self.own.put_record(&mut self.step.batch);
                    self.wish_in(call, room, [Wish::Unlink(node)]);
                    continue;
                }
            };
            let record = &mut self.own.record;
            record.last_index = record.last_index.max(certificate.index);
            record.written = record.written.max(call.now.0);
            self.own.put_record(&mut self.step.batch);
            let stage = Stage::Linked { certificate: Box::new(certificate) };
            self.own.put(node, OwnDevice { name, since, stage }, &mut self.step.batch);
            self.tell_all_people(node);
            self.begin_giving(node, call.store);
            self.give_packages(call, node, STOCK_FIRST);
            let rooms: Vec<RoomId> = self.talks.keys().copied().collect();
            rooms.into_iter().for_each(|room| self.want_devices(call, room));
            self.tell(ChatNews::Devices);
        }
    }

    /// Our devices that are to be reached: also those that have yet to be found.
    pub(super) fn restored_nodes(&self) -> impl Iterator<Item = IdentityId> {
        self.devices().filter(|(_, device)| matches!(device.stage, Stage::Restored { .. })).map(|(node, _)| node)
    }

    /// The first device of our person has entered a room anew: it may have lost what it was given to add this one with.
    pub(super) fn restock_first<S: Store>(&mut self, call: &Call<'_, S>, by: IdentityId) {
        if self.own.first() == Some(by) && self.own.has(by) {
            self.give_packages(call, by, 1);
        }
    }
}
