//! A member that keeps to MLS and to nothing else: it makes whatever commit it likes, from what its device has on disk.

use byway_chat::device::Device;
use byway_chat::mls::provider::{Entries, Provider};
use byway_chat::mls::wire::{Body, Frame};
use byway_chat::mls::{EpochTag, ROOMS};
use byway_primitives::{Encode, Store, Time};
use openmls::group::{CommitBuilder, GroupId, Initial, MlsGroup};
use openmls::prelude::{MlsMessageOut, OpenMlsProvider};

use crate::world::{ROOM, Side};

pub struct Adversary {
    device: Device,
    entries: Entries,
    number: u64,
    tag: EpochTag,
    draws: u8,
}

impl Adversary {
    /// Of the epoch that `side` is in now.
    pub fn of(side: &Side) -> Self {
        let view = side.room().epoch();
        let prefix = [&[2][..], &ROOM.0, &view.tag.0.0].concat();
        let mut entries = Entries::default();
        for (key, value) in side.store.scan_prefix(ROOMS, &prefix) {
            entries.insert(key[prefix.len()..].to_vec(), value);
        }
        Self { device: side.device.clone(), entries, number: view.number, tag: view.tag, draws: 0 }
    }

    fn frame(&self, body: Body) -> Vec<u8> {
        Frame { room: ROOM, epoch: self.number, tag: self.tag, body }.to_bytes()
    }

    /// Works on the group as it is on disk, which stays as it is.
    pub fn with<T>(&mut self, work: impl FnOnce(&mut MlsGroup, &Provider<'_>, &Device) -> T) -> T {
        self.draws += 1;
        let provider = Provider::new(&[self.draws; 32], &self.entries);
        let group = MlsGroup::load(provider.storage(), &GroupId::from_slice(&ROOM.0)).unwrap();
        work(&mut group.expect("on disk"), &provider, &self.device)
    }

    /// A frame with a commit that states `at`.
    pub fn commit(
        &mut self,
        at: Time,
        build: impl for<'a> FnOnce(CommitBuilder<'a, Initial>) -> CommitBuilder<'a, Initial>,
    ) -> Vec<u8> {
        self.commit_stating(at.0.to_be_bytes().to_vec(), build)
    }

    pub fn commit_stating(
        &mut self,
        stated: Vec<u8>,
        build: impl for<'a> FnOnce(CommitBuilder<'a, Initial>) -> CommitBuilder<'a, Initial>,
    ) -> Vec<u8> {
        let commit = self.with(|group, provider, device| {
            group.set_aad(stated);
            let bundle = build(group.commit_builder().force_self_update(true))
                .load_psks(provider.storage())
                .unwrap()
                .build(provider.rand(), provider.crypto(), device, |_| true)
                .unwrap()
                .stage_commit(provider)
                .unwrap();
            bundle.into_commit().to_bytes().unwrap()
        });
        self.frame(Body::Commit { leaves: Vec::new(), commit })
    }

    /// A frame with any message, said to be a request to leave.
    pub fn leave_frame(
        &mut self,
        make: impl FnOnce(&mut MlsGroup, &Provider<'_>, &Device) -> MlsMessageOut,
    ) -> Vec<u8> {
        let message = self.with(make);
        self.frame(Body::Leave(message.to_bytes().unwrap()))
    }
}
