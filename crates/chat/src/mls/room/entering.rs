//! How a device comes into a room: by founding it, by being added, or anew in place of itself.

use byway_primitives::{Batch, Decode, DecodeError, Encode, Reader, Time, Writer};
use openmls::group::{GroupId, MlsGroup, StagedWelcome};
use openmls::prelude::tls_codec::{Deserialize, Serialize};
use openmls::prelude::{KeyPackage, LeafNodeParameters, MlsMessageBodyIn, MlsMessageOut, RatchetTreeIn};
use openmls_traits::OpenMlsProvider;

use super::errors::{ChangeError, EnterError, SealError};
use super::{Room, join_config, message, part, ratchets, wire_format};
use crate::device::Device;
use crate::mls::beside::{Beside, both};
use crate::mls::branch::Rank;
use crate::mls::change::Summary;
use crate::mls::epoch::{Begun, Epoch, tag_of, tree_of};
use crate::mls::member::{LeafError, Member, capabilities, credential, lifetime};
use crate::mls::policy::{check_room, members};
use crate::mls::provider::{Entries, Provider};
use crate::mls::tree::{Sound, credentials};
use crate::mls::wire::{Body, Frame, Invitation, PADDING, TREE_BYTES_MAX};
use crate::mls::{Roles, RoomId, SUITE};

/// The private part of a key package, to be kept until somebody adds the device with it, and deleted then. Zeroised on drop.
pub struct KeptPackage(Entries);

/// Entries of one package.
const PACKAGE_ENTRIES_MAX: usize = 4;

/// The longest entry of a package, in bytes.
const PACKAGE_ENTRY_MAX: usize = 8 * 1024;

/// A room that the device has come into.
pub struct Entered {
    pub room: Room,
    /// Who let it in.
    pub by: Member,
    /// Which of the packages that were kept is used up.
    pub used: usize,
}

impl Room {
    /// Founds a room with the device alone in it.
    ///
    /// # Errors
    /// [`ChangeError::Certificate`] if the device's certificate is not good now.
    pub fn found(
        device: &Device,
        id: RoomId,
        roles: &Roles,
        seed: &[u8; 32],
        now: Time,
        batch: &mut Batch,
    ) -> Result<Self, ChangeError> {
        device.certificate.check_time(now)?;
        let empty = Entries::default();
        let provider = Provider::new(seed, &empty);
        let group = MlsGroup::builder()
            .with_group_id(GroupId::from_slice(&id.0))
            .ciphersuite(SUITE)
            .lifetime(lifetime())
            .with_capabilities(capabilities())
            .with_group_context_extensions(roles.extensions())
            .with_wire_format_policy(wire_format())
            .padding_size(PADDING)
            .max_past_epochs(0)
            .number_of_resumption_psks(0)
            .use_ratchet_tree_extension(false)
            .sender_ratchet_configuration(ratchets())
            .build(&provider, device, credential(&device.certificate))
            .map_err(ChangeError::mls)?;
        let entries = Entries::from(provider.into_changes());
        let room = Self::new(id, device.clone(), Epoch::new(id, group, entries, None));
        room.put_new(batch);
        Ok(room)
    }

    /// Keys with which others add the device, and what is to be kept for when they do. Each package is good for one room.
    ///
    /// # Errors
    /// [`SealError::Mls`], which does not happen with a sound device.
    pub fn key_package(device: &Device, seed: &[u8; 32]) -> Result<(Vec<u8>, KeptPackage), SealError> {
        let empty = Entries::default();
        let provider = Provider::new(seed, &empty);
        let bundle = KeyPackage::builder()
            .key_package_lifetime(lifetime())
            .leaf_node_capabilities(capabilities())
            .build(SUITE, &provider, device, credential(&device.certificate))
            .map_err(SealError::mls)?;
        let bytes = MlsMessageOut::from(bundle.key_package().clone()).to_bytes().map_err(SealError::mls)?;
        Ok((bytes, KeptPackage(Entries::from(provider.into_changes()))))
    }

    /// Comes into a room that somebody has added the device to, whose certificate must be good now. `invitation` and `tree` are of a
    /// [`Welcome`](crate::mls::change::Welcome). The certificates of all who are in the room are verified beside what the library does.
    ///
    /// # Errors
    /// [`EnterError`]; the packages can still be used then.
    pub fn enter(
        device: &Device,
        (invitation, tree): (&[u8], &[u8]),
        kept: &[KeptPackage],
        (seed, now, beside): (&[u8; 32], Time, Beside),
        batch: &mut Batch,
    ) -> Result<Entered, EnterError> {
        let Invitation { room: id, epoch, tag, message: welcome } = Invitation::from_bytes(invitation)?;
        let Some(MlsMessageBodyIn::Welcome(welcome)) = message(&welcome).map(|message| message.extract()) else {
            return Err(DecodeError::Invalid("Welcome").into());
        };
        let (tree, credentials) = read_tree(tree)?;
        let network = device.certificate.network;
        let fits = |package: &KeptPackage| welcome.secrets().iter().any(|secret| package.is_for(&secret.new_member()));
        let used = kept.iter().position(fits).ok_or(EnterError::NoPackage)?;
        let provider = Provider::new(seed, &kept[used].0);
        let staged = StagedWelcome::build_from_welcome(&provider, &join_config(), welcome).map_err(EnterError::mls)?;
        let build = || staged.with_ratchet_tree(tree).skip_lifetime_validation().build();
        let (sound, staged) = both(beside, || Sound::of(&credentials, network), build);
        let staged = staged.map_err(EnterError::mls)?;
        let by = staged.welcome_sender_index();
        let group = staged.into_group(&provider).map_err(EnterError::mls)?;
        if group.group_id().as_slice() != id.0 || group.epoch().as_u64() != epoch || tag_of(id, &group) != tag {
            return Err(EnterError::Mismatch);
        }
        check_room(&group, network, &sound)?;
        let node = group.public_group().leaf(by).ok_or(EnterError::Mismatch)?;
        let (by, certificate) = Member::verified(network, &sound, node, by.u32())?;
        certificate.check_time(now).map_err(LeafError::from)?;
        let entries = Entries::from(provider.into_changes());
        let room = Self::new(id, device.clone(), Epoch::new(id, group, entries, None));
        room.put_new(batch);
        Ok(Entered { room, by, used })
    }

    /// What another device needs that is in the room, on another line, to enter this one anew.
    ///
    /// # Errors
    /// [`SealError::NotMember`].
    pub fn group_info(&mut self, seed: &[u8; 32]) -> Result<(Vec<u8>, Vec<u8>), SealError> {
        if !self.is_member() {
            return Err(SealError::NotMember);
        }
        let (room, device) = (self.id, &self.device);
        let head = self.branches.head_mut();
        let (epoch, tag) = (head.number, head.tag);
        let ((message, tree), _) = head.operate(room, seed, |group, provider| {
            let info = group.export_group_info(provider.crypto(), device, false).map_err(SealError::mls)?;
            let tree = group.export_ratchet_tree().tls_serialize_detached().map_err(SealError::mls)?;
            Ok::<_, SealError>((info.to_bytes().map_err(SealError::mls)?, tree))
        })?;
        Ok((Invitation { room, epoch, tag, message }.to_bytes(), tree))
    }

    /// Enters a room anew in which the device is already, by what [`group_info`](Self::group_info) gave. What is kept of the room so
    /// far is to be [forgotten](Self::forget) first. The frame is for all in the room, once `batch` is durable.
    ///
    /// # Errors
    /// [`EnterError`].
    pub fn enter_by_external_commit(
        device: &Device,
        (info, tree): (&[u8], &[u8]),
        seed: &[u8; 32],
        now: Time,
        batch: &mut Batch,
    ) -> Result<(Self, Vec<u8>), EnterError> {
        device.certificate.check_time(now)?;
        let Invitation { room: id, epoch, tag: parent, message: info } = Invitation::from_bytes(info)?;
        let Some(MlsMessageBodyIn::GroupInfo(info)) = message(&info).map(|message| message.extract()) else {
            return Err(DecodeError::Invalid("GroupInfo").into());
        };
        if info.group_id().as_slice() != id.0 || info.epoch().as_u64() != epoch {
            return Err(EnterError::Mismatch);
        }
        let empty = Entries::default();
        let provider = Provider::new(&part(seed, 0), &empty);
        let (group, bundle) = MlsGroup::external_commit_builder()
            .with_ratchet_tree(read_tree(tree)?.0)
            .with_config(join_config())
            .with_aad(now.0.to_be_bytes().to_vec())
            .skip_lifetime_validation()
            .build_group(&provider, info, credential(&device.certificate))
            .map_err(EnterError::mls)?
            .leaf_node_parameters(LeafNodeParameters::builder().with_capabilities(capabilities()).build())
            .load_psks(provider.storage())
            .map_err(EnterError::mls)?
            .build(provider.rand(), provider.crypto(), device, |_| true)
            .map_err(EnterError::mls)?
            .finalize(&provider)
            .map_err(EnterError::mls)?;
        check_room(&group, device.certificate.network, &Sound::default())?;
        let own = members(&group)?.into_iter().find(|member| member.device == device.certificate.key);
        let by = own.ok_or(EnterError::Stranger)?;
        let roles = Roles::read(group.extensions())?;
        let commit = bundle.into_commit().to_bytes().map_err(EnterError::mls)?;
        let frame = Frame { room: id, epoch, tag: parent, body: Body::Entry(commit) }.to_bytes();
        let entries = Entries::from(provider.into_changes());
        let tree = tree_of(&group);
        let mut epoch = Epoch::new(id, group, entries, None);
        let rank = Rank { role: roles.role(by.identity), tree, tag: epoch.tag };
        let summary =
            Summary { by, added: Vec::new(), removed: vec![by], left: Vec::new(), roles: None, is_entry: true };
        epoch.begun = Some(Begun { parent, rank, summary, is_own: true, frame: frame.clone() });
        let room = Self::new(id, device.clone(), epoch);
        room.put_new(batch);
        Ok((room, frame))
    }
}

/// The tree, and the content of each leaf's credential.
fn read_tree(bytes: &[u8]) -> Result<(RatchetTreeIn, Vec<&[u8]>), EnterError> {
    if bytes.len() > TREE_BYTES_MAX {
        let (length, limit) = (bytes.len() as u64, TREE_BYTES_MAX as u64);
        return Err(DecodeError::TooLong { length, limit }.into());
    }
    let credentials = credentials(bytes)?;
    let mut input = bytes;
    match RatchetTreeIn::tls_deserialize(&mut input) {
        Ok(tree) if input.is_empty() => Ok((tree, credentials)),
        _ => Err(DecodeError::Invalid("tree of keys").into()),
    }
}

impl KeptPackage {
    fn is_for(&self, reference: &openmls::prelude::KeyPackageRef) -> bool {
        self.0.has_package(reference)
    }
}

impl Encode for KeptPackage {
    fn encode(&self, out: &mut Writer) {
        out.varint(self.0.iter().count() as u64);
        for (key, value) in self.0.iter() {
            out.bytes(key);
            out.bytes(value);
        }
    }
}

impl Decode for KeptPackage {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = input.u64()?;
        if count > PACKAGE_ENTRIES_MAX as u64 {
            return Err(DecodeError::TooLong { length: count, limit: PACKAGE_ENTRIES_MAX as u64 });
        }
        let mut entries = Entries::default();
        let mut last = Vec::new();
        for _ in 0..count {
            let key = input.bytes(PACKAGE_ENTRY_MAX)?.to_vec();
            if key <= last {
                return Err(DecodeError::Invalid("order of a package's entries"));
            }
            last.clone_from(&key);
            entries.insert(key, input.bytes(PACKAGE_ENTRY_MAX)?.to_vec());
        }
        Ok(Self(entries))
    }
}
