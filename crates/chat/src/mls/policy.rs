//! Whether a commit may be: decided by the epoch that it is on and what it says alone, so that all devices decide alike.
//!
//! MLS itself has checked by then that it is well-formed, signed by the leaf that it names, and made from the keys of its epoch.

use std::collections::{BTreeMap, BTreeSet};

use byway_primitives::{DecodeError, IdentityId, NetworkId, Time};
use openmls::group::{MlsGroup, QueuedProposal, StagedCommit};
use openmls::prelude::{LeafNode, LeafNodeIndex, Proposal, ProposalOrRefType, Sender};

use super::change::Summary;
use super::member::{LeafError, Member};
use super::roles::Roles;
use super::tree::Sound;
use super::{ADDS_MAX, DEVICES_MAX, LINKED_MAX};
use crate::device::CertificateError;

/// Why a commit may not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    #[error("{by:?} may not add {added:?}")]
    Add { by: IdentityId, added: IdentityId },
    #[error("{by:?} may not remove {removed:?}")]
    Remove { by: IdentityId, removed: IdentityId },
    #[error("a linked device removes no other device of its own person, {of:?}")]
    OwnDevice { of: IdentityId },
    #[error("{by:?} may not change roles")]
    Roles { by: IdentityId },
    #[error("a leaf is no device's: {0}")]
    Leaf(#[from] LeafError),
    #[error("device {index} of {identity:?} would be there twice")]
    DeviceTwice { identity: IdentityId, index: u32 },
    #[error("{identity:?} would have more than {LINKED_MAX} linked devices in the room")]
    TooManyLinked { identity: IdentityId },
    #[error("a commit adds at most {ADDS_MAX} devices, and a room has at most {DEVICES_MAX}")]
    TooMany,
    #[error("conversations have no proposal of this kind, or not by whoever made it")]
    Proposal,
    #[error("a commit renews the keys of whoever makes it, and this one does not")]
    NoPath,
    #[error("whoever enters without being added takes the place of itself")]
    Entry,
    #[error("what a room is like is unreadable: {0}")]
    Unreadable(#[from] DecodeError),
}

/// A commit, on the group as it is before it.
pub(crate) struct Examined<'a> {
    pub group: &'a MlsGroup,
    pub network: NetworkId,
    pub sender: &'a Sender,
    pub commit: &'a StagedCommit,
    /// The time that the commit states.
    pub at: Time,
}

/// What a commit's proposals come to, while they are gone through.
struct Tally {
    roles: Roles,
    has_founder: bool,
    summary: Summary,
}

impl Examined<'_> {
    /// What the commit does, if it may.
    pub fn examine(&self) -> Result<Summary, Forbidden> {
        let members = members(self.group)?;
        let roles = Roles::read(self.group.extensions())?;
        let by = self.committer(&members)?;
        let has_founder = members.iter().any(|member| member.identity == roles.founder);
        let is_entry = matches!(self.sender, Sender::NewMemberCommit);
        let summary = Summary { by, added: Vec::new(), removed: Vec::new(), left: Vec::new(), roles: None, is_entry };
        let mut tally = Tally { roles, has_founder, summary };
        for proposal in self.commit.queued_proposals() {
            self.proposal(&members, &mut tally, proposal)?;
        }
        let summary = tally.summary;
        self.check_entry(&summary)?;
        check_members(&members, &summary)?;
        Ok(summary)
    }

    /// Whoever made the commit. Its leaf may have a new certificate, but not another device; and it is there, so that no device commits
    /// whose certificate has run out.
    fn committer(&self, members: &[Member]) -> Result<Member, Forbidden> {
        let path = self.commit.update_path_leaf_node().ok_or(Forbidden::NoPath)?;
        match self.sender {
            Sender::Member(leaf) => {
                let by = *member_at(members, *leaf)?;
                let is_same = self.leaf(path, leaf.u32())?.is_same_device(&by);
                if is_same { Ok(by) } else { Err(LeafError::OtherDevice.into()) }
            }
            // Its place is not known before it has one.
            Sender::NewMemberCommit => self.leaf(path, u32::MAX),
            Sender::External(_) | Sender::NewMemberProposal => Err(Forbidden::Proposal),
        }
    }

    fn leaf(&self, node: &LeafNode, leaf: u32) -> Result<Member, Forbidden> {
        let (member, certificate) = Member::verified(self.network, &Sound::default(), node, leaf)?;
        certificate.check_time(self.at).map_err(LeafError::from)?;
        Ok(member)
    }

    fn proposal(&self, members: &[Member], tally: &mut Tally, queued: &QueuedProposal) -> Result<(), Forbidden> {
        let by = tally.summary.by.identity;
        let is_own = queued.sender() == self.sender && queued.proposal_or_ref_type() == ProposalOrRefType::Proposal;
        match queued.proposal() {
            Proposal::Add(add) if is_own && !tally.summary.is_entry => {
                let added = self.leaf(add.key_package().leaf_node(), u32::MAX)?;
                if !tally.roles.may_add(by, added.identity) {
                    return Err(Forbidden::Add { by, added: added.identity });
                }
                tally.summary.added.push(added);
            }
            Proposal::Remove(remove) if is_own => {
                let removed = *member_at(members, remove.removed())?;
                if !tally.roles.may_remove(by, removed.identity) {
                    return Err(Forbidden::Remove { by, removed: removed.identity });
                }
                // Who has stolen a linked device does not throw out its owner. Whoever enters anew takes its own place.
                if tally.summary.by.is_linked() && removed.identity == by && !tally.summary.is_entry {
                    return Err(Forbidden::OwnDevice { of: by });
                }
                tally.summary.removed.push(removed);
            }
            Proposal::Remove(remove) if *queued.sender() == Sender::Member(remove.removed()) => {
                tally.summary.left.push(*member_at(members, remove.removed())?);
            }
            Proposal::GroupContextExtensions(context) if is_own => {
                if !tally.roles.may_change_roles(by, tally.has_founder) {
                    return Err(Forbidden::Roles { by });
                }
                let roles = Roles::read(context.extensions())?;
                tally.summary.roles = (roles != tally.roles).then_some(roles);
            }
            Proposal::ExternalInit(_) if tally.summary.is_entry => {}
            _ => return Err(Forbidden::Proposal),
        }
        Ok(())
    }

    /// Whoever enters without being added was there before, and takes nobody's place but its own.
    fn check_entry(&self, summary: &Summary) -> Result<(), Forbidden> {
        if !summary.is_entry {
            return Ok(());
        }
        match &summary.removed[..] {
            [before] if before.is_same_device(&summary.by) => Ok(()),
            _ => Err(Forbidden::Entry),
        }
    }
}

/// That no device is there twice, and that there are not too many.
fn check_members(members: &[Member], summary: &Summary) -> Result<(), Forbidden> {
    if summary.added.len() > ADDS_MAX {
        return Err(Forbidden::TooMany);
    }
    let gone: BTreeSet<u32> = summary.removed.iter().chain(&summary.left).map(|member| member.leaf).collect();
    let stay = members.iter().filter(|member| !gone.contains(&member.leaf));
    let mut devices = BTreeSet::new();
    let mut linked: BTreeMap<IdentityId, usize> = BTreeMap::new();
    for member in stay.chain(&summary.added) {
        let &Member { identity, index, .. } = member;
        if !devices.insert((identity, index)) {
            return Err(Forbidden::DeviceTwice { identity, index });
        }
        if member.is_linked() {
            let count = linked.entry(identity).or_default();
            *count += 1;
            if *count > LINKED_MAX {
                return Err(Forbidden::TooManyLinked { identity });
            }
        }
    }
    if devices.len() > DEVICES_MAX { Err(Forbidden::TooMany) } else { Ok(()) }
}

pub(crate) fn members(group: &MlsGroup) -> Result<Vec<Member>, LeafError> {
    group.members().map(|member| Member::of(&member)).collect()
}

fn member_at(members: &[Member], leaf: LeafNodeIndex) -> Result<&Member, Forbidden> {
    let place = members.binary_search_by_key(&leaf.u32(), |member| member.leaf);
    place.map(|place| &members[place]).map_err(|_| Forbidden::Proposal)
}

/// Checks a whole room that somebody is let into: every leaf, and that no device is there twice.
pub(crate) fn check_room(group: &MlsGroup, network: NetworkId, sound: &Sound<'_>) -> Result<(), Forbidden> {
    Roles::read(group.extensions())?;
    let leaves = group.treesync().full_leaves();
    let members =
        leaves.map(|(leaf, node)| Member::verified(network, sound, node, leaf.u32()).map(|(member, _)| member));
    let members = members.collect::<Result<Vec<_>, LeafError>>()?;
    let nothing = |by| Summary { by, added: vec![], removed: vec![], left: vec![], roles: None, is_entry: false };
    match members.first() {
        Some(first) => check_members(&members, &nothing(*first)),
        None => Err(Forbidden::Leaf(CertificateError::OtherKey.into())),
    }
}
