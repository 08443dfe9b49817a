//! Whether this device is in a room, where it may not know.
//!
//! Who is removed on one branch can't see what comes after it, and who was let in on one knows nothing of what was before: neither can tell
//! by itself which line is followed, nor whether it is in there. Such a device is in *doubt*, and tells its line to those who could
//! remove it, the founder first, until they agree. Whoever is asked answers once for each two heads that meet: first with the commits
//! that decide, and if these lead the other nowhere with what it takes to enter anew; and one that is not in hears *Gone*. An admin's word
//! that this device is not in does not stand against that of the founder or of another admin, who are asked. What is to come
//! of it: with all connected and nothing under way everyone whom the founder's line has in it has the founder's head, and all others know
//! that they are out (docs/chat.md, *Known faults*, says how far that is so). Since heads change only by commits, nobody goes on talking. What is awaited is not kept: a device that starts anew
//! doubts anew with the next change.
//!
//! Not here: which line is followed ([`branch`](crate::mls::branch)).

use std::collections::BTreeSet;

use byway_primitives::{IdentityId, Pending, Store};

use super::membership::Membership;
use super::{Call, ChatFault, ChatNews, Chats};
use crate::mls::{Comparison, EpochTag, Line, RoomId};

/// How many of those who may say whether this device is in are asked.
pub(super) const ASKED_MAX: usize = 4;

impl Chats {
    /// This device can't tell by itself whether it is in a group: those who may remove it are asked, and `also` whoever let it in.
    pub(super) fn doubt<S: Store>(&mut self, call: &Call<'_, S>, room: RoomId, also: Option<IdentityId>) {
        let node = self.node();
        let Some(talk) = self.talks.get_mut(&room).filter(|talk| talk.is_group()) else { return };
        let Some(roles) = talk.room.roles() else { return };
        let all = std::iter::once(roles.founder).chain(roles.admins);
        let others: Vec<IdentityId> = all.filter(|who| *who != node && talk.has_node(*who)).take(ASKED_MAX).collect();
        talk.mending.doubt.extend(others.into_iter().chain(also));
        self.ask_in_doubt(call, room);
    }

    /// Those whose word is awaited, and who are there, are told our line.
    pub(super) fn ask_in_doubt<S: Store>(&mut self, call: &Call<'_, S>, room: RoomId) {
        let Some(talk) = self.talks.get(&room) else { return };
        let asked = talk.mending.doubt.iter().copied().filter(|peer| self.outbox.is_there(*peer));
        asked.collect::<Vec<_>>().into_iter().for_each(|peer| self.compare_with(call, room, peer));
    }

    /// Somebody has said that this device is not in: those whose word goes before are asked, at once if it `is_new`.
    pub(super) fn ask_whether_in<S: Store>(
        &mut self,
        call: &Call<'_, S>,
        room: RoomId,
        of: Vec<IdentityId>,
        is_new: bool,
    ) {
        if !is_new {
            return self.ask_in_doubt(call, room);
        }
        let there: Vec<IdentityId> = of.into_iter().filter(|peer| self.outbox.is_there(*peer)).collect();
        there.into_iter().for_each(|peer| self.tell_line(call, room, peer, true));
    }

    /// The room has moved on, or a commit aside is known now.
    pub(super) fn doubt_anew<S: Store>(&mut self, call: &Call<'_, S>, room: RoomId) {
        let Some(talk) = self.talks.get(&room) else { return };
        if talk.room.is_removed_somewhere() { self.doubt(call, room, None) } else { self.ask_in_doubt(call, room) }
    }

    /// Somebody is on the line that is followed here.
    pub(super) fn agrees<S: Store>(&mut self, call: &Call<'_, S>, (room, peer): (RoomId, IdentityId), asks: bool) {
        let (me, by) = (self.me(), self.person_of(peer));
        let Some(talk) = self.talks.get_mut(&room) else { return };
        talk.mending.agreed.insert(peer, talk.room.epoch().tag);
        if asks {
            // Whoever is out knows nothing that others could go by.
            if talk.is_in() && self.may_answer(call, room, peer) {
                self.tell_line(call, room, peer, false);
            }
            return;
        }
        talk.mending.doubt.remove(&peer);
        let may_say = talk.room.roles().is_some_and(|roles| roles.may_remove(by, me));
        let goes_before = |out_by: IdentityId| {
            talk.room.roles().is_some_and(|roles| by == out_by || roles.role(by) <= roles.role(out_by))
        };
        let may_say = may_say && talk.mending.out_by.is_none_or(goes_before);
        if talk.record.affairs.is_out && talk.room.is_member() && may_say {
            talk.record.affairs.is_out = false;
            talk.put(&mut self.step.batch);
            self.tell(ChatNews::Room { room });
        }
    }

    /// Those whose word on whether this device is in goes before that of `by`, or is worth as much: the founder, and of admins the others.
    pub(super) fn who_is_believed_before(&self, room: RoomId, by: IdentityId) -> BTreeSet<IdentityId> {
        let (me, node) = (self.me(), self.node());
        let Some(talk) = self.talks.get(&room) else { return BTreeSet::new() };
        let Some(roles) = talk.room.roles() else { return BTreeSet::new() };
        let goes_before = |who: IdentityId| who != by && who != me && roles.role(who) <= roles.role(by);
        let is_one = |who: IdentityId| goes_before(who) && roles.may_remove(who, me);
        talk.known.iter().filter(|(at, who)| **at != node && is_one(**who)).map(|(at, _)| *at).collect()
    }

    /// Of those, who has said lately that they are at the epoch where this device is.
    pub(super) fn has_agreed(&self, room: RoomId, of: &BTreeSet<IdentityId>) -> bool {
        let Some(talk) = self.talks.get(&room) else { return false };
        let head = talk.room.epoch().tag;
        of.iter().any(|peer| talk.mending.agreed.get(peer) == Some(&head))
    }

    /// Somebody is at another epoch than this device.
    pub(super) fn disagrees(&mut self, room: RoomId, peer: IdentityId) {
        if let Some(talk) = self.talks.get_mut(&room) {
            talk.mending.agreed.remove(&peer);
        }
    }

    /// Somebody who could remove this device, which holds itself to be out, says how the room stands: it may be in.
    pub(super) fn heard_while_out<S: Store>(&mut self, call: &Call<'_, S>, (room, peer): (RoomId, IdentityId)) {
        let (me, by) = (self.me(), self.person_of(peer));
        let Some(talk) = self.talks.get_mut(&room) else { return };
        if talk.room.roles().is_some_and(|roles| roles.may_remove(by, me)) {
            talk.mending.doubt.insert(peer);
            self.tell_line(call, room, peer, true);
        }
    }

    /// Notes that somebody is answered whose line has one head where ours has another. Whether they were before, when it was so already.
    pub(super) fn has_answered(&mut self, room: RoomId, peer: IdentityId, theirs: &Line) -> bool {
        let Some(talk) = self.talks.get_mut(&room) else { return true };
        let heads = (theirs.steps.last().map(|step| step.tag), talk.room.epoch().tag);
        talk.mending.answers.insert(peer, heads) == Some(heads)
    }

    /// Somebody asks how the room stands who is not in it, but may not know. They are brought what removed them, as far as they can read
    /// it, and hear that their line has them in for nothing.
    pub(super) fn asked_by_none<S: Store>(
        &mut self,
        call: &Call<'_, S>,
        (room, peer): (RoomId, IdentityId),
        theirs: &Line,
    ) -> Result<(), ChatFault> {
        let Some(last) = theirs.steps.last() else { return Err(ChatFault::NotByMember(room)) };
        let Some(talk) = self.talks.get(&room) else { return Err(ChatFault::NoRoom(room)) };
        let person = self.person_of(peer);
        let was_in = || Membership::is_noted(room, person, &Pending { store: call.store, batch: &self.step.batch });
        let is_known = theirs.steps.iter().any(|step| talk.room.knows(step.tag));
        let is_one = (is_known && self.people.is_contact(person)) || was_in();
        // Of whom nothing is known, that may be still to come; and whoever is out does not know.
        if !is_one || !talk.is_in() || !self.may_answer(call, room, peer) {
            return Ok(());
        }
        let Some(talk) = self.talks.get(&room) else { return Ok(()) };
        let from = match talk.room.compare(theirs) {
            Comparison::Ahead { from } | Comparison::Parted { from } => Some(from),
            _ => None,
        };
        if !talk.room.knows(last.tag) && !talk.mending.told.contains_key(&peer) {
            // What they know may decide.
            self.tell_line(call, room, peer, true);
            return Ok(());
        }
        let ours = talk.room.line();
        let commits = from.map(|from| talk.room.commits_removing(from, peer)).unwrap_or_default();
        let is_ours = |tag: EpochTag| ours.steps.iter().any(|step| step.tag == tag);
        let epochs = theirs.steps.iter().map(|step| step.tag).filter(|tag| *tag == last.tag || !is_ours(*tag));
        if !self.has_answered(room, peer, theirs) {
            self.bring_commits(call, peer, commits);
        }
        self.post_gone(call, room, epochs.collect(), [peer].into());
        Ok(())
    }

    /// Those who were told that they are not in, and are, after all, hear how the room stands.
    pub(super) fn tell_those_back<S: Store>(&mut self, call: &Call<'_, S>, room: RoomId) {
        let Some(talk) = self.talks.get_mut(&room).filter(|talk| talk.is_in()) else { return };
        let gone = std::mem::take(&mut talk.mending.gone);
        let (back, gone): (BTreeSet<_>, BTreeSet<_>) = gone.into_iter().partition(|who| talk.has_node(*who));
        talk.mending.gone = gone;
        back.into_iter().for_each(|who| self.tell_line(call, room, who, false));
    }
}
