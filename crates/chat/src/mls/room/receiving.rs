//! What others' frames do.
//!
//! A frame names its epoch. If that is kept the frame is worked on there, whether it is on the followed line or not; so what arrives late,
//! or for a branch, is read with the keys that it was made with.

use byway_primitives::{Batch, Decode, DecodeError, Time};
use openmls::framing::errors::{MessageDecryptionError, SecretTreeError};
use openmls::group::{MlsGroup, ProcessMessageError, QueuedProposal, StageCommitError, ValidationError};
use openmls::prelude::{ProcessedMessage, ProcessedMessageContent, Proposal, ProtocolMessage, Sender};

use openmls_traits::OpenMlsProvider;

use super::errors::{BrokenRoom, Refused};
use super::{Room, message, part};
use crate::mls::change::{Changed, Content, Early, Received, Summary};
use crate::mls::epoch::{Begun, Epoch, Keys, Leaving, tag_of, tree_of};
use crate::mls::line::Rank;
use crate::mls::member::Member;
use crate::mls::policy::{Examined, Forbidden, members};
use crate::mls::provider::{Entries, Provider, decoded, encoded};
use crate::mls::wire::{Body, Frame, unpad};
use crate::mls::{AHEAD_MAX, EpochTag, Roles};

/// A frame that can't be worked on, and why that is no fault.
enum Aside {
    Known,
    Until(Time),
    Refused(Refused),
}

/// A commit that was taken, with the state after it.
struct Taken {
    group: MlsGroup,
    entries: Entries,
    rank: Rank,
    summary: Summary,
}

/// A commit, and what it is checked with.
struct Commit<'a> {
    leaves: &'a [Vec<u8>],
    bytes: &'a [u8],
    is_entry: bool,
    now: Time,
}

impl Room {
    /// Takes a frame. What it means is to be acted on once `batch` is durable.
    ///
    /// # Errors
    /// [`Refused`], and then the frame has done nothing; [`Received::Early`] is to be tried again.
    pub fn receive(
        &mut self,
        now: Time,
        seed: &[u8; 32],
        bytes: &[u8],
        batch: &mut Batch,
    ) -> Result<Received, Refused> {
        self.expire(now, batch)?;
        let frame = Frame::from_bytes(bytes)?;
        if frame.room != self.id {
            return Err(Refused::OtherRoom);
        }
        match self.branches.find(frame.tag) {
            None => return self.elsewhere(&frame),
            Some(epoch) if epoch.number != frame.epoch => return Err(DecodeError::Invalid("epoch of a frame").into()),
            Some(_) => {}
        }
        let tag = frame.tag;
        let done = match &frame.body {
            Body::Content(message) => self.content(tag, seed, message, batch),
            Body::Leave(message) => self.leave_request(tag, message, batch),
            Body::Commit { leaves, commit } => {
                let commit = Commit { leaves, bytes: commit, is_entry: false, now };
                self.others_commit(tag, seed, &commit, bytes, batch)
            }
            Body::Entry(commit) => {
                let commit = Commit { leaves: &[], bytes: commit, is_entry: true, now };
                self.others_commit(tag, seed, &commit, bytes, batch)
            }
        };
        match done {
            Ok(received) => Ok(received),
            Err(Aside::Known) => Ok(Received::Known),
            Err(Aside::Until(at)) => Ok(Received::Early(Early::Until(at))),
            Err(Aside::Refused(refused)) => Err(refused),
        }
    }

    /// A frame of an epoch that is not kept.
    fn elsewhere(&self, frame: &Frame) -> Result<Received, Refused> {
        let &Frame { epoch, tag, .. } = frame;
        if self.branches.past().iter().any(|step| step.tag == tag) {
            return Err(Refused::Forgotten { epoch });
        }
        if epoch > self.branches.head().number {
            return Ok(Received::Early(Early::Ahead { epoch }));
        }
        if epoch > self.branches.oldest() {
            return Ok(Received::Early(Early::Aside { epoch, tag }));
        }
        let knows_line = self.branches.past().first().is_some_and(|first| first.epoch <= epoch);
        if knows_line || epoch == self.branches.oldest() {
            Err(Refused::Forked { epoch, tag })
        } else {
            Err(Refused::Forgotten { epoch })
        }
    }

    fn content(&mut self, tag: EpochTag, seed: &[u8; 32], bytes: &[u8], batch: &mut Batch) -> Result<Received, Aside> {
        let room = self.id;
        let epoch = self.branches.find_mut(tag).expect("found above");
        let (read, changes) = epoch.operate(room, seed, |group, provider| {
            let processed = match process(group, provider, bytes) {
                Ok(processed) => processed,
                // The library has left the group as it was.
                Err(aside) => return Ok(Err(aside)),
            };
            let from = sender(group, processed.sender())?;
            let ProcessedMessageContent::ApplicationMessage(padded) = processed.into_content() else {
                return Err(Aside::from(DecodeError::Invalid("content")));
            };
            Ok(Ok((from, unpad(&padded.into_bytes()).map_err(Refused::from)?)))
        })?;
        if epoch.left_at.is_some() {
            epoch.unload();
        }
        let (from, content) = read?;
        epoch.put_changes(room, &changes, batch);
        Ok(Received::Content(Content { from, content, epoch: tag, place: self.branches.place(tag) }))
    }

    fn leave_request(&mut self, tag: EpochTag, bytes: &[u8], batch: &mut Batch) -> Result<Received, Aside> {
        let room = self.id;
        let epoch = self.branches.find_mut(tag).expect("found above");
        // The room has moved on with it or without; in the latter case it is asked anew.
        let is_over = epoch.left_at.is_some();
        if is_over || epoch.leaving.iter().any(|leaving| leaving.message == bytes) {
            return Err(Aside::Known);
        }
        let (member, proposal) = read_leave(epoch.afresh(room)?, &epoch.entries, bytes)?;
        if epoch.leaving.iter().any(|leaving| leaving.member == member) {
            return Err(Aside::Known);
        }
        epoch.leaving.push(Leaving { member, message: bytes.to_vec(), proposal });
        epoch.put_header(room, batch);
        Ok(Received::Leaving(member))
    }

    fn others_commit(
        &mut self,
        parent: EpochTag,
        seed: &[u8; 32],
        commit: &Commit<'_>,
        frame: &[u8],
        batch: &mut Batch,
    ) -> Result<Received, Aside> {
        let is_child = |child: &Epoch| child.begun.as_ref().is_some_and(|begun| begun.frame == frame);
        if self.branches.children(parent).any(is_child) {
            return Err(Aside::Known);
        }
        let epoch = self.branches.find(parent).expect("found above");
        if epoch.keys != Keys::All {
            return Err(Refused::Forgotten { epoch: epoch.number }.into());
        }
        let Taken { group, entries, rank, summary } = commit.take(self, epoch, seed)?;
        if self.branches.find(rank.tag).is_some() {
            return Err(Aside::Known);
        }
        let begun = Begun { parent, rank, summary: summary.clone(), is_own: false, frame: frame.to_vec() };
        let head = self.branches.head().tag;
        let turned_back = self.branches.add(Epoch::new(self.id, group, entries, Some(begun)), commit.now, batch);
        self.put_record(batch);
        let epoch = self.branches.head().tag;
        if epoch == head {
            return Ok(Received::Outranked(summary));
        }
        Ok(Received::Changed(Changed { summary, epoch, turned_back }))
    }
}

impl Commit<'_> {
    /// Checks the commit on its epoch, and does it.
    fn take(&self, room: &Room, epoch: &Epoch, seed: &[u8; 32]) -> Result<Taken, Aside> {
        let mut group = epoch.afresh(room.id)?;
        let provider = Provider::new(&part(seed, 0), &epoch.entries);
        for proposal in self.granted(room, epoch)? {
            group.store_pending_proposal(provider.storage(), proposal).map_err(Refused::mls)?;
        }
        let processed = match process(&mut group, &provider, self.bytes) {
            // Nothing of this epoch was read before, so it is one's own; and those are known, unless what is kept is older.
            Err(Aside::Known) => return Err(Refused::OldState.into()),
            processed => processed?,
        };
        let (sender, at) = (processed.sender().clone(), stated_time(processed.aad())?);
        let ProcessedMessageContent::StagedCommitMessage(staged) = processed.into_content() else {
            return Err(DecodeError::Invalid("commit").into());
        };
        if matches!(sender, Sender::NewMemberCommit) != self.is_entry {
            return Err(DecodeError::Invalid("kind of a commit").into());
        }
        let examined = Examined { group: &group, network: room.network(), sender: &sender, commit: &staged, at };
        let summary = examined.examine().map_err(Refused::from)?;
        if at > self.now + AHEAD_MAX {
            return Err(Aside::Until(at - AHEAD_MAX));
        }
        let roles = Roles::read(group.extensions()).map_err(Forbidden::from).map_err(Refused::from)?;
        let is_out = staged.self_removed();
        group.merge_staged_commit(&provider, *staged).map_err(Refused::mls)?;
        let mut entries = epoch.entries.clone();
        entries.apply(&provider.into_changes());
        let tree = tree_of(&group);
        let tag = if is_out { EpochTag::of_removal(epoch.tag, tree) } else { tag_of(room.id, &group) };
        let rank = Rank { role: roles.role(summary.by.identity), tree, tag };
        let summary = summary.placed(&members(&group).map_err(Refused::from)?);
        Ok(Taken { group, entries, rank, summary })
    }

    /// The requests to leave that come with the commit, whether they were seen before or not.
    fn granted(&self, room: &Room, epoch: &Epoch) -> Result<Vec<QueuedProposal>, Aside> {
        let read = self.leaves.iter().map(|bytes| {
            let seen = epoch.leaving.iter().find(|leaving| leaving.message == *bytes);
            let proposal = match seen {
                Some(leaving) => leaving.proposal.clone(),
                None => match read_leave(epoch.afresh(room.id)?, &epoch.entries, bytes) {
                    Err(Aside::Known) => return Err(Refused::OldState.into()),
                    read => read?.1,
                },
            };
            Ok(decoded(&proposal).map_err(Refused::mls)?)
        });
        read.collect()
    }
}

/// Who asks to be removed, and the request as the library has checked it.
fn read_leave(mut group: MlsGroup, entries: &Entries, bytes: &[u8]) -> Result<(Member, Vec<u8>), Aside> {
    // Reading draws nothing.
    let provider = Provider::new(&[0; 32], entries);
    let processed = process(&mut group, &provider, bytes)?;
    let member = sender(&group, processed.sender())?;
    let ProcessedMessageContent::ProposalMessage(queued) = processed.into_content() else {
        return Err(DecodeError::Invalid("request to leave").into());
    };
    match queued.proposal() {
        Proposal::Remove(remove) if remove.removed().u32() == member.leaf => {
            Ok((member, encoded(&*queued).map_err(Refused::mls)?.to_vec()))
        }
        _ => Err(Refused::from(Forbidden::Proposal).into()),
    }
}

/// Opens and checks a message. If that fails the group is as it was.
fn process(group: &mut MlsGroup, provider: &Provider<'_>, bytes: &[u8]) -> Result<ProcessedMessage, Aside> {
    if !group.is_active() {
        return Err(Refused::NotMember.into());
    }
    let protocol = message(bytes).and_then(|message| message.try_into_protocol_message().ok());
    let protocol: ProtocolMessage = protocol.ok_or(DecodeError::Invalid("MLS message"))?;
    if protocol.group_id() != group.group_id() || protocol.epoch() != group.epoch() {
        return Err(DecodeError::Invalid("epoch of a message").into());
    }
    let processed = group.process_message(provider, protocol).map_err(refusal)?;
    match processed.content() {
        ProcessedMessageContent::OwnPrivateMessage => Err(Aside::Known),
        _ => Ok(processed),
    }
}

fn refusal<E: std::fmt::Display>(error: ProcessMessageError<E>) -> Aside {
    use ProcessMessageError as P;
    let secret = match error {
        P::ValidationError(ValidationError::UnableToDecrypt(MessageDecryptionError::SecretTreeError(secret))) => secret,
        P::ValidationError(ValidationError::UnableToDecrypt(MessageDecryptionError::AeadError)) => {
            return Refused::Undecryptable.into();
        }
        P::InvalidCommit(StageCommitError::MissingProposal) => return Refused::MissingProposal.into(),
        other => return Refused::mls(other).into(),
    };
    match secret {
        SecretTreeError::SecretReuseError => Aside::Known,
        SecretTreeError::TooDistantInThePast => Refused::TooLate.into(),
        SecretTreeError::TooDistantInTheFuture => Refused::TooFarAhead.into(),
        _ => Refused::Undecryptable.into(),
    }
}

fn sender(group: &MlsGroup, sender: &Sender) -> Result<Member, Aside> {
    let Sender::Member(leaf) = sender else { return Err(Refused::from(Forbidden::Proposal).into()) };
    let member = group.member_at(*leaf).ok_or(Refused::Undecryptable)?;
    Ok(Member::of(&member).map_err(Refused::from)?)
}

/// The time that a commit states.
fn stated_time(aad: &[u8]) -> Result<Time, Aside> {
    let bytes = aad.try_into().map_err(|_| DecodeError::Invalid("time of a commit"))?;
    Ok(Time(u64::from_be_bytes(bytes)))
}

impl From<Refused> for Aside {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<BrokenRoom> for Aside {
    fn from(broken: BrokenRoom) -> Self {
        Self::Refused(broken.into())
    }
}

impl From<DecodeError> for Aside {
    fn from(error: DecodeError) -> Self {
        Self::Refused(error.into())
    }
}
