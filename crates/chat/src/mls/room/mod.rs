//! A conversation as one device has it.
//!
//! [`Room::found`] begins one; [`Room::enter`] comes into one that somebody [added](Room::change) the device to, by a
//! [key package](Room::key_package) of its own. [`Room::seal`] makes content for all others, [`Room::receive`] takes whatever frame of
//! theirs is brought, in any order and any number of times. [`Room::leave`] asks the others to be removed.
//!
//! Each operation that changes anything puts what is to be written into a batch. What it gives to be sent must not leave before that
//! batch is durable: a device that went back behind what it has sent would encrypt two things under one key. The seed is secret, and
//! new for each operation; the same operation with the same seed has the same result.

mod changing;
mod entering;
mod errors;
mod journal;
mod receiving;

use byway_primitives::hash::Context;
use byway_primitives::{Batch, IdentityId, NetworkId, Time};
use openmls::prelude::tls_codec::Deserialize;
use openmls::prelude::{
    MlsGroupJoinConfig, MlsMessageIn, PURE_CIPHERTEXT_WIRE_FORMAT_POLICY, SenderRatchetConfiguration, WireFormatPolicy,
};
use openmls_traits::OpenMlsProvider;
use zeroize::Zeroizing;

pub use entering::{Entered, KeptPackage};
pub use errors::{BrokenRoom, ChangeError, EnterError, Refused, SealError};

use super::branch::Branches;
use super::change::{Sealed, Summary};
use super::epoch::Epoch;
use super::line::{Comparison, Line};
use super::member::{Member, certificate_of};
use super::policy::members;
use super::wire::{Body, Frame, PADDING, pad};
use super::{EpochTag, FORWARD_MAX, OUT_OF_ORDER_MAX, Role, Roles, RoomId};
use crate::device::{Device, DeviceCertificate};
use byway_primitives::Encode;

const PART: Context = Context("byway 1 derive: part of an operation on a conversation");

/// A conversation.
pub struct Room {
    id: RoomId,
    device: Device,
    branches: Branches,
}

/// The newest epoch.
#[derive(Clone, PartialEq, Eq)]
pub struct EpochView {
    pub number: u64,
    pub tag: EpochTag,
    /// The same for all devices that are in this epoch, and known to nobody else: what people compare.
    pub authenticator: Vec<u8>,
}

impl Room {
    fn new(id: RoomId, device: Device, epoch: Epoch) -> Self {
        Self { id, device, branches: Branches::new(id, epoch) }
    }

    pub fn id(&self) -> RoomId {
        self.id
    }

    pub fn device(&self) -> &Device {
        &self.device
    }

    fn network(&self) -> NetworkId {
        self.device.certificate.network
    }

    /// Whether the device is in the room. If not it reads what came before, and can be brought back where the room turns back.
    pub fn is_member(&self) -> bool {
        self.head_group().is_some_and(|group| group.is_active())
    }

    /// The devices in the room, by their places.
    pub fn members(&self) -> Vec<Member> {
        let group = self.head_group();
        group.map(|group| members(group).expect("checked when they came")).unwrap_or_default()
    }

    /// The certificates of the devices in the room.
    pub fn certificates(&self) -> Vec<DeviceCertificate> {
        let members = self.head_group().into_iter().flat_map(|group| group.members());
        members.map(|member| certificate_of(&member).expect("checked when they came")).collect()
    }

    pub fn roles(&self) -> Option<Roles> {
        self.head_group().and_then(|group| Roles::read(group.extensions()).ok())
    }

    /// Whether this can be the room that somebody knew when its roles were `known`: it has the same founder, and shows of all admins that
    /// they were made such ones.
    pub fn follows(&self, known: &Roles) -> bool {
        self.roles().is_some_and(|roles| roles.shows_all((self.id, self.network()), known))
    }

    /// Whether it shows of one that they are what it says, and may add `added`.
    pub fn shows_adding(&self, by: IdentityId, added: IdentityId, known: &Roles) -> bool {
        let shows = |roles: &Roles| roles.may_add(by, added) && roles.shows((self.id, self.network()), by, known);
        self.roles().is_some_and(|roles| shows(&roles))
    }

    /// What a person is here; `None` if no device of theirs is in the room.
    pub fn role(&self, identity: IdentityId) -> Option<Role> {
        let is_here = self.members().iter().any(|member| member.identity == identity);
        self.roles().filter(|_| is_here).map(|roles| roles.role(identity))
    }

    /// Those who have asked to be removed, in the newest epoch.
    pub fn leaving(&self) -> Vec<Member> {
        self.branches.head().leaving.iter().map(|leaving| leaving.member).collect()
    }

    pub fn epoch(&self) -> EpochView {
        let head = self.branches.head();
        let authenticator = self.head_group().map(|group| group.epoch_authenticator().as_slice().to_vec());
        EpochView { number: head.number, tag: head.tag, authenticator: authenticator.unwrap_or_default() }
    }

    /// The epochs that were followed lately, for others to compare with.
    pub fn line(&self) -> Line {
        self.branches.line()
    }

    /// How the line of another device stands to ours.
    pub fn compare(&self, theirs: &Line) -> Comparison {
        self.branches.compare(theirs)
    }

    /// The commits that were followed after an epoch, and those aside that remove somebody, in order, as far as they are kept: for a device
    /// that lacks them.
    pub fn commits_since(&self, from: EpochTag) -> Vec<Vec<u8>> {
        self.branches.commits_since(from)
    }

    /// What this device itself did on the line after an epoch, or on all of it, as far as it is kept.
    pub fn made_since(&self, from: Option<EpochTag>) -> Vec<Summary> {
        self.branches.made_since(from)
    }

    /// Epochs that are kept, and not on the line that is followed.
    pub fn aside(&self) -> Vec<EpochTag> {
        self.branches.aside()
    }

    /// Whether an epoch is known here, if only by its name: as those have it who were removed with it, or who are in it.
    pub fn knows(&self, tag: EpochTag) -> bool {
        self.branches.knows(tag)
    }

    /// Whether a device at a node that is in an epoch of the line can follow it from there to the head: not if it removes it on the way.
    pub fn leads(&self, from: EpochTag, node: IdentityId) -> bool {
        let removes = |summary: &Summary| summary.removed.iter().chain(&summary.left).any(|member| member.node == node);
        !self.branches.followed_since(Some(from)).any(|begun| removes(&begun.summary))
    }

    /// The commits of the line after an epoch up to that which removes the device at a node, which can read no more; none if none does.
    pub fn commits_removing(&self, from: EpochTag, node: IdentityId) -> Vec<Vec<u8>> {
        let removes = |of: &Summary| of.removed.iter().chain(&of.left).any(|member| member.node == node);
        let followed: Vec<_> = self.branches.followed_since(Some(from)).collect();
        let last = followed.iter().position(|begun| removes(&begun.summary));
        let commits = last.map(|last| &followed[..=last]).unwrap_or_default();
        commits.iter().map(|begun| begun.frame.clone()).collect()
    }

    /// Whether a commit that is kept, followed or not, removes this device.
    pub fn is_removed_somewhere(&self) -> bool {
        let device = self.device.certificate.key;
        let removes =
            |summary: &Summary| summary.removed.iter().chain(&summary.left).any(|member| member.device == device);
        let mut begun = self.branches.iter().filter_map(|epoch| epoch.begun.as_ref());
        begun.any(|begun| !begun.summary.is_entry && removes(&begun.summary))
    }

    /// Where nothing is known of the room but since this device has entered it anew: on which epoch it has, and the frame for the others.
    pub fn entered_on(&self) -> Option<(EpochTag, Vec<u8>)> {
        self.branches.entered_on().map(|(parent, frame)| (parent, frame.to_vec()))
    }

    /// By whom somebody was let in, and at which node, on the line after an epoch, or on all of it, as far as it is kept.
    pub fn let_in_since(&self, from: Option<EpochTag>) -> Vec<(IdentityId, IdentityId)> {
        let commits = self.branches.followed_since(from).map(|begun| &begun.summary);
        commits.flat_map(|of| of.added.iter().map(|added| (of.by.identity, added.node))).collect()
    }

    /// The nodes of those who were let in with one of these epochs.
    pub fn let_in_with(&self, epochs: &[EpochTag]) -> Vec<IdentityId> {
        let begun = epochs.iter().filter_map(|tag| self.branches.find(*tag)?.begun.as_ref());
        begun.flat_map(|begun| begun.summary.added.iter().map(|member| member.node)).collect()
    }

    /// Who has entered anew with one of these epochs.
    pub fn entered_with(&self, epochs: &[EpochTag]) -> Vec<Member> {
        let begun = epochs.iter().filter_map(|tag| self.branches.find(*tag)?.begun.as_ref());
        begun.filter(|begun| begun.summary.is_entry).map(|begun| begun.summary.by).collect()
    }

    /// Content for all others in the room, to be sent once `batch` is durable.
    ///
    /// # Errors
    /// [`SealError`]; nothing has happened then.
    pub fn seal(&mut self, seed: &[u8; 32], content: &[u8], batch: &mut Batch) -> Result<Sealed, SealError> {
        if !self.is_member() {
            return Err(SealError::NotMember);
        }
        let padded = Zeroizing::new(pad(content).ok_or(SealError::TooLong { length: content.len() })?);
        let (room, device) = (self.id, &self.device);
        let head = self.branches.head_mut();
        let (message, changes) = head.operate(room, seed, |group, provider| {
            let message = group.create_message(provider, device, &padded).map_err(SealError::mls)?;
            message.to_bytes().map_err(SealError::mls)
        })?;
        head.put_changes(room, &changes, batch);
        let (epoch, tag) = (head.number, head.tag);
        Ok(Sealed { bytes: Frame { room, epoch, tag, body: Body::Content(message) }.to_bytes(), epoch: tag })
    }

    /// A secret that all devices of an epoch can make, and nobody else: `length` bytes, for what `label` says.
    ///
    /// # Errors
    /// [`SealError::UnknownEpoch`] if the epoch is not kept, or the device is not in it.
    pub fn export(&mut self, epoch: EpochTag, label: &str, length: u16) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let room = self.id;
        let epoch = self.branches.find_mut(epoch).ok_or(SealError::UnknownEpoch)?;
        let ((secret, _), _) = epoch.operate(room, &[0; 32], |group, provider| {
            let secret = group.export_secret(provider.crypto(), label, &[], length.into());
            secret.map(|secret| (Zeroizing::new(secret), ())).map_err(|_| SealError::UnknownEpoch)
        })?;
        Ok(secret)
    }

    /// Deletes what may be kept no longer at `now`. Every operation that is told the time does so first.
    pub fn expire(&mut self, now: Time, batch: &mut Batch) -> Result<(), BrokenRoom> {
        let before = batch.writes.len();
        self.branches.expire(now, batch);
        if batch.writes.len() != before {
            self.put_record(batch);
        }
        self.branches.head_mut().group(self.id).map(|_| ())
    }

    fn head_group(&self) -> Option<&openmls::group::MlsGroup> {
        self.branches.head().loaded()
    }
}

/// What a room is run with. Nothing of past epochs is kept by the library: epochs are kept whole, here.
fn join_config() -> MlsGroupJoinConfig {
    padded_to(PADDING)
}

/// The same, where what is encrypted is padded to multiples of so many bytes.
fn padded_to(size: usize) -> MlsGroupJoinConfig {
    MlsGroupJoinConfig::builder()
        .wire_format_policy(wire_format())
        .padding_size(size)
        .max_past_epochs(0)
        .number_of_resumption_psks(0)
        .use_ratchet_tree_extension(false)
        .sender_ratchet_configuration(ratchets())
        .build()
}

/// All is encrypted, but for the commits of those who enter anew, who can't yet.
fn wire_format() -> WireFormatPolicy {
    PURE_CIPHERTEXT_WIRE_FORMAT_POLICY
}

fn ratchets() -> SenderRatchetConfiguration {
    SenderRatchetConfiguration::new(OUT_OF_ORDER_MAX, FORWARD_MAX)
}

/// The seed of one part of an operation.
fn part(seed: &[u8; 32], number: u8) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(PART.hash(&[seed, &[number]]).0)
}

/// An MLS message, all of the bytes.
fn message(bytes: &[u8]) -> Option<MlsMessageIn> {
    let mut input = bytes;
    let message = MlsMessageIn::tls_deserialize(&mut input).ok()?;
    input.is_empty().then_some(message)
}
