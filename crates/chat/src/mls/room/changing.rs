//! Commits of one's own, and asking to be removed.

use byway_primitives::{Batch, DecodeError, Encode, NetworkId, Time};
use openmls::group::{MlsGroup, QueuedProposal};
use openmls::prelude::tls_codec::Serialize;
use openmls::prelude::{
    KeyPackage, LeafNodeIndex, LeafNodeParameters, MlsMessageBodyIn, MlsMessageOut, ProtocolVersion, Sender,
    Welcome as MlsWelcome,
};
use openmls_traits::OpenMlsProvider;

use super::errors::ChangeError;
use super::{Room, message, part};
use crate::device::{CertificateError, Device, DeviceCertificate};
use crate::mls::branch::Rank;
use crate::mls::change::{Change, Made, Summary, Welcome};
use crate::mls::epoch::{Begun, Epoch, Leaving, tag_of, tree_of};
use crate::mls::member::{LeafError, Member, credential};
use crate::mls::policy::{Examined, Forbidden, members};
use crate::mls::provider::{Changes, Crypto, Entries, Provider, decoded, encoded};
use crate::mls::tree::Sound;
use crate::mls::wire::{Body, Frame, Invitation, PACKAGE_BYTES_MAX};
use crate::mls::{ADDS_MAX, LEAVES_MAX, Roles, RoomId, SUITE};

/// A commit as it was built, with the state before and after it.
struct Built {
    /// What the epoch before keeps of it: a sender key is used up.
    before: Changes,
    group: MlsGroup,
    entries: Entries,
    commit: Vec<u8>,
    welcome: Option<MlsWelcome>,
    summary: Summary,
}

/// What a commit is built from.
struct Plan<'a> {
    device: &'a Device,
    packages: Vec<KeyPackage>,
    removed: Vec<LeafNodeIndex>,
    roles: Option<Roles>,
    leaving: Vec<QueuedProposal>,
    at: Time,
}

impl Room {
    /// Changes the room, and renews this device's keys, which is all that the default does. Those who asked to leave are removed along
    /// with it. What comes of it is to be sent once `batch` is durable.
    ///
    /// # Errors
    /// [`ChangeError`]; nothing has happened then.
    pub fn change(
        &mut self,
        seed: &[u8; 32],
        now: Time,
        change: &Change,
        batch: &mut Batch,
    ) -> Result<Made, ChangeError> {
        self.expire(now, batch)?;
        let members = self.may_change()?;
        let device = self.renewed(change, now)?;
        let removed = removed(&members, change)?;
        let packages = self.packages(&change.add, now)?;
        let leaving = self.granted(&removed)?;
        let plan = Plan {
            device: &device,
            packages,
            removed,
            roles: change.roles.clone(),
            leaving: leaving.iter().map(|(proposal, _)| proposal.clone()).collect(),
            at: now,
        };
        let room = self.id;
        let head = self.branches.head();
        let built = plan.build(seed, head.afresh(room)?, &head.entries)?;
        let leaves = leaving.into_iter().map(|(_, message)| message).collect();
        self.device = device;
        self.commit(built, leaves, now, batch)
    }

    /// Asks to be removed from the room: a frame, for one of the others to grant with its next change. To be asked again where the
    /// room moves on without.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub fn leave(&mut self, seed: &[u8; 32], batch: &mut Batch) -> Result<Vec<u8>, ChangeError> {
        let members = self.may_change()?;
        let (room, device) = (self.id, &self.device);
        let own = members.into_iter().find(|member| member.device == device.certificate.key);
        let member = own.ok_or(ChangeError::NotMember)?;
        let head = self.branches.head_mut();
        let ((message, proposal), changes) = head.operate(room, seed, |group, provider| {
            let message = group.leave_group(provider, device).map_err(ChangeError::mls)?;
            let queued = group.pending_proposals().next().ok_or(ChangeError::NotMember)?;
            let proposal = encoded(queued).map_err(ChangeError::mls)?.to_vec();
            // Kept apart: the library seals nothing while it has any.
            group.clear_pending_proposals(provider.storage()).map_err(ChangeError::mls)?;
            Ok::<_, ChangeError>((message.to_bytes().map_err(ChangeError::mls)?, proposal))
        })?;
        head.leaving.push(Leaving { member, message: message.clone(), proposal });
        head.put_changes(room, &changes, batch);
        head.put_header(room, batch);
        let (epoch, tag) = (head.number, head.tag);
        Ok(Frame { room, epoch, tag, body: Body::Leave(message) }.to_bytes())
    }

    /// The members, if this device may commit at all.
    fn may_change(&self) -> Result<Vec<Member>, ChangeError> {
        if !self.is_member() {
            return Err(ChangeError::NotMember);
        }
        if self.leaving().iter().any(|member| member.device == self.device.certificate.key) {
            return Err(ChangeError::Leaving);
        }
        Ok(self.members())
    }

    /// The device with its new certificate, if it gets one.
    fn renewed(&self, change: &Change, now: Time) -> Result<Device, ChangeError> {
        change
            .certificate
            .as_ref()
            .map_or_else(|| Ok(self.device.clone()), |certificate| self.certified(certificate, now))
    }

    /// The device has a new certificate, which the others see with its next change.
    ///
    /// # Errors
    /// [`ChangeError::Certificate`].
    pub fn certify(&mut self, certificate: &DeviceCertificate, now: Time) -> Result<(), ChangeError> {
        self.device = self.certified(certificate, now)?;
        Ok(())
    }

    fn certified(&self, certificate: &DeviceCertificate, now: Time) -> Result<Device, ChangeError> {
        certificate.verify(self.network())?;
        certificate.check_time(now)?;
        let old = &self.device.certificate;
        let of = |of: &DeviceCertificate| (of.identity, of.node, of.key, of.index);
        if of(certificate) != of(old) {
            return Err(CertificateError::OtherKey.into());
        }
        Ok(Device { secret: self.device.secret.clone(), certificate: certificate.clone() })
    }

    fn packages(&self, add: &[Vec<u8>], now: Time) -> Result<Vec<KeyPackage>, ChangeError> {
        if add.len() > ADDS_MAX {
            return Err(ChangeError::TooMany);
        }
        add.iter().map(|bytes| read_package(self.network(), bytes, now).map(|(package, _)| package)).collect()
    }

    /// Whose device a package of keys is, with which it can be added at `now`. Its place is not known.
    ///
    /// # Errors
    /// [`ChangeError::Package`], or what is wrong with the device's certificate.
    pub fn package_owner(network: NetworkId, package: &[u8], now: Time) -> Result<Member, ChangeError> {
        read_package(network, package, now).map(|(_, owner)| owner)
    }

    /// The requests to leave that the next commit grants.
    fn granted(&self, removed: &[LeafNodeIndex]) -> Result<Vec<(QueuedProposal, Vec<u8>)>, ChangeError> {
        let leaving = self.branches.head().leaving.iter();
        let others = leaving.filter(|leaving| !removed.contains(&LeafNodeIndex::new(leaving.member.leaf)));
        let read = others.take(LEAVES_MAX).map(|leaving| {
            let proposal = decoded(&leaving.proposal).map_err(ChangeError::mls)?;
            Ok((proposal, leaving.message.clone()))
        });
        read.collect()
    }

    fn commit(
        &mut self,
        built: Built,
        leaves: Vec<Vec<u8>>,
        now: Time,
        batch: &mut Batch,
    ) -> Result<Made, ChangeError> {
        let room = self.id;
        let head = self.branches.head_mut();
        let (number, parent) = (head.number, head.tag);
        head.entries.apply(&built.before);
        head.put_changes(room, &built.before, batch);
        let role =
            Roles::read(head.group(room)?.extensions()).map_err(Forbidden::from)?.role(built.summary.by.identity);
        let tag = tag_of(room, &built.group);
        let commit =
            Frame { room, epoch: number, tag: parent, body: Body::Commit { leaves, commit: built.commit } }.to_bytes();
        let welcome = built.welcome.map(|welcome| invitation(room, &built.group, welcome)).transpose()?;
        let rank = Rank { role, tree: tree_of(&built.group), tag };
        let begun = Begun { parent, rank, summary: built.summary.clone(), is_own: true, frame: commit.clone() };
        let epoch = Epoch::new(room, built.group, built.entries, Some(begun));
        self.branches.add(epoch, now, batch);
        self.put_record(batch);
        Ok(Made { commit, welcome, epoch: tag, summary: built.summary })
    }
}

fn read_package(network: NetworkId, bytes: &[u8], now: Time) -> Result<(KeyPackage, Member), ChangeError> {
    let unreadable = || ChangeError::Package(DecodeError::Invalid("key package").to_string());
    let is_bounded = bytes.len() <= PACKAGE_BYTES_MAX;
    let body = message(bytes).filter(|_| is_bounded).map(|message| message.extract());
    let Some(MlsMessageBodyIn::KeyPackage(package)) = body else { return Err(unreadable()) };
    let package = package.validate(&Crypto::new([0; 32]), ProtocolVersion::Mls10);
    let package = package.map_err(|cause| ChangeError::Package(cause.to_string()))?;
    let (owner, certificate) = Member::verified(network, &Sound::default(), package.leaf_node(), u32::MAX)?;
    certificate.check_time(now).map_err(LeafError::from)?;
    if package.ciphersuite() == SUITE { Ok((package, owner)) } else { Err(unreadable()) }
}

/// The places of those that are to be removed.
fn removed(members: &[Member], change: &Change) -> Result<Vec<LeafNodeIndex>, ChangeError> {
    let mut leaves = Vec::new();
    for device in &change.remove {
        let member = members.iter().find(|member| member.device == *device).ok_or(ChangeError::UnknownDevice)?;
        let leaf = LeafNodeIndex::new(member.leaf);
        if !leaves.contains(&leaf) {
            leaves.push(leaf);
        }
    }
    Ok(leaves)
}

fn invitation(room: RoomId, group: &MlsGroup, welcome: MlsWelcome) -> Result<Welcome, ChangeError> {
    let message = MlsMessageOut::from_welcome(welcome, ProtocolVersion::Mls10).to_bytes().map_err(ChangeError::mls)?;
    let tree = group.export_ratchet_tree().tls_serialize_detached().map_err(ChangeError::mls)?;
    let (epoch, tag) = (group.epoch().as_u64(), tag_of(room, group));
    Ok(Welcome { invitation: Invitation { room, epoch, tag, message }.to_bytes(), tree })
}

impl Plan<'_> {
    fn build(self, seed: &[u8; 32], mut group: MlsGroup, entries: &Entries) -> Result<Built, ChangeError> {
        let provider = Provider::new(&part(seed, 0), entries);
        for proposal in self.leaving {
            group.store_pending_proposal(provider.storage(), proposal).map_err(ChangeError::mls)?;
        }
        group.set_aad(self.at.0.to_be_bytes().to_vec());
        let leaf = LeafNodeParameters::builder().with_credential_with_key(credential(&self.device.certificate)).build();
        let mut builder = group.commit_builder().force_self_update(true).leaf_node_parameters(leaf);
        builder = builder.propose_adds(self.packages).propose_removals(self.removed);
        if let Some(roles) = self.roles {
            builder = builder.propose_group_context_extensions(roles.extensions()).map_err(ChangeError::mls)?;
        }
        let bundle = builder
            .load_psks(provider.storage())
            .map_err(ChangeError::mls)?
            .build(provider.rand(), provider.crypto(), self.device, |_| true)
            .map_err(ChangeError::mls)?
            .stage_commit(&provider)
            .map_err(ChangeError::mls)?;
        let sender = Sender::Member(group.own_leaf_index());
        let staged = group.pending_commit().expect("it was just staged");
        let network = self.device.certificate.network;
        let summary = Examined { group: &group, network, sender: &sender, commit: staged, at: self.at }.examine()?;
        let changes = provider.into_changes();
        let mut staged_entries = entries.clone();
        staged_entries.apply(&changes);
        let provider = Provider::new(&part(seed, 1), &staged_entries);
        group.merge_pending_commit(&provider).map_err(ChangeError::mls)?;
        let merged = provider.into_changes();
        staged_entries.apply(&merged);
        let (commit, welcome, _) = bundle.into_contents();
        let commit = commit.to_bytes().map_err(ChangeError::mls)?;
        let summary = summary.placed(&members(&group)?);
        Ok(Built { before: changes.of_sending(), group, entries: staged_entries, commit, welcome, summary })
    }
}
