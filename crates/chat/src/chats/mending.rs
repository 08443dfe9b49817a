//! How a room is kept one: whoever lacks commits is brought them, whoever is on another line for good enters anew, and what could not be
//! read is sealed again. And what is due by the clock.
//!
//! A frame of an epoch that is not known here, of a number that is, says that lines have parted. Then each tells the other its
//! [`Line`](crate::mls::Line), after a minute at the earliest; whoever is ahead brings the commits, or, where these are not kept any more, what
//! it takes to enter anew. Which of two lines stays that parted too long ago, [`Line`](crate::mls::Line) says.

use std::collections::BTreeSet;

use byway_primitives::codec::Decode;
use byway_primitives::{Batch, IdentityId, Pending, Span, Store, Time};

use super::affairs::{OWED_EACH_MAX, OWED_MAX};
use super::membership::Membership;
use super::said::Said;
use super::talk::Granted;
use super::{Call, ChatFault, Chats};
use crate::delivery::ParcelId;
use crate::delivery::group_letter::GroupMatter;
use crate::delivery::letter::Letter;
use crate::mls::Step;
use crate::mls::wire::{Body, Frame};
use crate::mls::{BRANCH_SPAN, Comparison, EpochTag, Line, Room, RoomId};

/// How often the machine looks at the clock.
pub const TICK: Span = Span::minutes(1);
/// How long after one was told a line it is told another time; twice as long each time that nothing came of it.
const TELL_AGAIN: Span = Span::minutes(1);
/// How often that is doubled: up to some 17 hours.
const TELL_AGAIN_DOUBLED: u32 = 10;
/// How long frames wait for what comes before them until that is asked for.
const EARLY_WAIT: Span = Span::minutes(1);
/// How long keys are not renewed while frames wait: a commit that is missing counts no longer than that.
const WAITS_MAX: Span = BRANCH_SPAN;
/// How many of those who brought such frames are asked.
const ASKED_MAX: usize = 4;
/// How often somebody who tells a line is answered, with commits, a tree or our line…
const ANSWERS_MAX: u32 = 32;
/// … in this time.
const ANSWERS_EACH: Span = Span::minutes(1);
/// About how many contents are sealed anew for somebody: several times as many as are kept…
const SEALED_ANEW_MAX: usize = 1024;
/// … in this time.
const SEALED_ANEW_EACH: Span = Span::minutes(60);

impl Chats {
    /// When the machine wants to look at the clock.
    pub fn wakes_at(&self) -> Time {
        self.looks_at
    }

    /// Time has passed. Nothing happens before [`wakes_at`](Self::wakes_at).
    pub fn handle_time(&mut self, now: Time, seed: [u8; 32], store: &impl Store) {
        if now < self.looks_at {
            return;
        }
        self.looks_at = now + TICK;
        let call = Call::new(now, seed, store);
        self.outbox.handle_time(now);
        self.make_up_for_all(&call);
        self.renew_certificates(now);
        self.share_people();
        self.begin_due_givings(store);
        self.give_due(store);
        let there = self.outbox.there().collect();
        let before = std::mem::replace(&mut self.there_before, there);
        self.tell_of_lost(&call);
        let rooms: Vec<RoomId> = self.talks.keys().copied().collect();
        for room in rooms {
            self.take_up_early(&call, room);
            self.ask_for_missing(&call, room);
            self.ask_in_doubt(&call, room);
            self.grant_leaves(&call, room);
            let node = self.node();
            let Some(talk) = self.talks.get_mut(&room) else { continue };
            let waits_since = &mut talk.mending.waits_since;
            *waits_since = (talk.record.early > 0).then(|| waits_since.unwrap_or(now));
            let is_waiting = waits_since.is_some_and(|since| now.since(since) < WAITS_MAX);
            let devices = talk.room.members().len();
            // Whoever has been away follows the others first: a commit on what is long past would part them.
            let is_in_touch =
                talk.nodes(node).iter().any(|other| before.contains(other) && self.there_before.contains(other));
            let is_settled = !is_waiting && talk.is_in() && !talk.record.affairs.is_leaving;
            if is_in_touch && is_settled && talk.record.affairs.is_renewal_due(now, devices) {
                self.renew_keys(&call, room);
            }
        }
        let there: Vec<IdentityId> = self.outbox.there().collect();
        there.into_iter().for_each(|peer| self.send_due(peer, store));
    }

    /// What came from a clock that is ahead is tried anew when its time has come.
    fn take_up_early<S: Store>(&mut self, call: &Call<'_, S>, room: RoomId) {
        let until = self.talks.get(&room).and_then(|talk| talk.mending.early_until);
        if until.is_some_and(|until| until <= call.now) {
            self.try_early(call, room);
        }
    }

    /// Where frames have waited for long, those who brought them say how they stand.
    fn ask_for_missing<S: Store>(&mut self, call: &Call<'_, S>, room: RoomId) {
        let me = self.me();
        let Some(talk) = self.talks.get_mut(&room).filter(|talk| talk.record.early > 0) else { return };
        let since = *talk.mending.early_since.get_or_insert(call.now);
        if call.now.since(since) >= EARLY_WAIT {
            // Who may remove this device is believed that it is not in.
            let believed = talk.room.roles().map(|roles| roles.who_may_remove(me)).unwrap_or_default();
            let from = self.early_from(call, room).into_iter().take(ASKED_MAX);
            let from: BTreeSet<IdentityId> = from.chain(believed.into_iter().take(ASKED_MAX)).collect();
            from.into_iter().for_each(|peer| self.compare_with(call, room, peer));
        }
    }

    /// Tells somebody our line, and asks for theirs.
    pub(super) fn compare_with<S: Store>(&mut self, call: &Call<'_, S>, room: RoomId, peer: IdentityId) {
        let Some(talk) = self.talks.get_mut(&room) else { return };
        let wait = |times: u32| Span(TELL_AGAIN.0 << times.min(TELL_AGAIN_DOUBLED));
        let is_due = talk.mending.told.get(&peer).is_none_or(|(told, times)| call.now >= *told + wait(*times));
        if is_due && talk.has_node(peer) {
            self.tell_line(call, room, peer, true);
        }
    }

    pub(super) fn tell_line<S: Store>(&mut self, call: &Call<'_, S>, room: RoomId, peer: IdentityId, asks: bool) {
        let Some(talk) = self.talks.get_mut(&room) else { return };
        let told = talk.mending.told.entry(peer).or_insert((call.now, 0));
        *told = (call.now, told.1 + u32::from(asks));
        let line = talk.room.line();
        self.post_matter(call, GroupMatter::Line { room, line, asks }, [peer]);
    }

    /// What keeps groups together came from a peer.
    pub(super) fn matter_came<S: Store>(
        &mut self,
        call: &Call<'_, S>,
        peer: IdentityId,
        what: GroupMatter,
    ) -> Result<(), ChatFault> {
        let room = match what {
            GroupMatter::Packages { packages } => return self.packages_came(call, peer, packages),
            GroupMatter::Again { room, .. }
            | GroupMatter::Line { room, .. }
            | GroupMatter::Info { room, .. }
            | GroupMatter::Gone { room, .. } => room,
        };
        if self.lost.contains_key(&room) {
            return self.matter_of_lost(call, (room, peer), what);
        }
        if !self.talks.get(&room).is_some_and(|talk| talk.has_node(peer)) {
            return match what {
                GroupMatter::Line { line, asks: true, .. } => self.asked_by_none(call, (room, peer), &line),
                _ => Err(ChatFault::NotByMember(room)),
            };
        }
        match what {
            GroupMatter::Again { epoch, .. } => self.owe(call, room, peer, epoch),
            GroupMatter::Line { line, asks, .. } => self.line_came(call, (room, peer), &line, asks),
            GroupMatter::Info { line, invitation, tree, .. } => {
                return self.enter_anew(call, (room, peer), &line, (&invitation, &tree));
            }
            GroupMatter::Gone { epochs, .. } => self.gone(call, room, peer, &epochs),
            GroupMatter::Packages { .. } => {}
        }
        Ok(())
    }

    fn line_came<S: Store>(
        &mut self,
        call: &Call<'_, S>,
        (room, peer): (RoomId, IdentityId),
        theirs: &Line,
        asks: bool,
    ) {
        let Some(talk) = self.talks.get(&room) else { return };
        let (ours, compared) = (talk.room.line(), talk.room.compare(theirs));
        if compared != Comparison::Same {
            self.disagrees(room, peer);
        }
        let Some(talk) = self.talks.get(&room) else { return };
        // Who has all of another's line, and follows its own still, need not be told more.
        let is_known = theirs.steps.last().is_some_and(|step| talk.room.knows(step.tag));
        let (from, ours_stays) = match compared {
            Comparison::Same => return self.agrees(call, (room, peer), asks),
            Comparison::Behind { .. } => (None, false),
            Comparison::Ahead { from } | Comparison::Parted { from } => (Some(from), true),
            Comparison::Forked { ours_stays } => (None, ours_stays),
            Comparison::Apart => (None, is_known || ours.goes_before(theirs)),
        };
        // Whoever is out may be in on another line, and has nothing to bring.
        let (is_in, is_parted) = (talk.is_in(), matches!(compared, Comparison::Parted { .. }));
        let (ours_stays, is_doubtful) = (ours_stays && is_in, talk.mending.doubt.contains(&peer));
        let leads = from.is_some_and(|from| talk.room.leads(from, peer));
        let commits = from.map(|from| talk.room.commits_since(from)).unwrap_or_default();
        if !self.may_answer(call, room, peer) {
            return;
        }
        self.restock(call, (room, peer), theirs);
        let was_answered = self.has_answered(room, peer, theirs);
        let is_asked_back = ours_stays && is_parted && is_doubtful && !was_answered;
        if asks && !is_asked_back && (!ours_stays || (is_parted && !is_known)) {
            self.tell_line(call, room, peer, false);
        }
        if !is_in && !asks && !was_answered {
            self.heard_while_out(call, (room, peer));
        }
        if !ours_stays {
            return;
        }
        // Whoever is merely behind waits for what is on its way to it.
        if commits.is_empty() || (is_known && (!leads || (was_answered && is_parted && asks))) {
            return self.bring_info(call, room, peer);
        }
        if !was_answered {
            self.bring_commits(call, peer, commits);
        }
        if is_asked_back {
            // With what they have now they know better.
            self.tell_line(call, room, peer, true);
        }
    }

    pub(super) fn bring_commits<S: Store>(&mut self, call: &Call<'_, S>, peer: IdentityId, commits: Vec<Vec<u8>>) {
        for commit in commits {
            let _ = self.outbox.put(&Letter::Sealed(commit), [peer], &mut self.step.batch);
        }
        self.send_due(peer, call.store);
    }

    fn bring_info<S: Store>(&mut self, call: &Call<'_, S>, room: RoomId, peer: IdentityId) {
        let Some(talk) = self.talks.get_mut(&room) else { return };
        let is_on_its_way = |parcel: &ParcelId| self.outbox.waiting(peer).any(|waiting| waiting == *parcel);
        if talk.mending.infos.get(&peer).is_some_and(is_on_its_way) {
            return;
        }
        let line = talk.room.line();
        let Ok((invitation, tree)) = talk.room.group_info(&call.draw()) else { return };
        let what = GroupMatter::Info { room, line, invitation, tree };
        let letter = self.matter(call, what);
        let Some(talk) = self.talks.get_mut(&room) else { return };
        if let Ok(parcel) = self.outbox.put(&letter, [peer], &mut self.step.batch) {
            talk.mending.infos.insert(peer, parcel);
            self.send_due(peer, call.store);
        }
    }

    /// Whether somebody who tells a line is answered: so often a minute, whatever they say.
    pub(super) fn may_answer<S: Store>(&mut self, call: &Call<'_, S>, room: RoomId, peer: IdentityId) -> bool {
        let Some(talk) = self.talks.get_mut(&room) else { return false };
        let (since, count) = talk.mending.answered.entry(peer).or_insert((call.now, 0));
        if call.now.since(*since) >= ANSWERS_EACH {
            (*since, *count) = (call.now, 0);
        }
        *count += 1;
        *count <= ANSWERS_MAX
    }

    /// Enters a group anew on another's line, if it was told ours and has not been brought it since.
    fn enter_anew<S: Store>(
        &mut self,
        call: &Call<'_, S>,
        (room, peer): (RoomId, IdentityId),
        theirs: &Line,
        (invitation, tree): (&[u8], &[u8]),
    ) -> Result<(), ChatFault> {
        let invited = crate::mls::wire::Invitation::from_bytes(invitation).map_err(ChatFault::Letter)?;
        let Some(talk) = self.talks.get(&room) else { return Err(ChatFault::NoRoom(room)) };
        let is_known = talk.room.line().steps.iter().any(|step| step.tag == invited.tag);
        if is_known || !talk.mending.told.contains_key(&peer) {
            return Ok(());
        }
        if invited.room != room {
            return Err(ChatFault::NotByMember(room));
        }
        if let Some((_, frame)) = talk.room.entered_on().filter(|(parent, _)| *parent == invited.tag) {
            // Several have said how to enter there, and this device has. They may not have heard of it yet.
            self.bring_commits(call, peer, vec![frame]);
            return Ok(());
        }
        let mut batch = Batch::new();
        let entered =
            Room::enter_by_external_commit(&self.device, (invitation, tree), &call.draw(), call.now, &mut batch);
        let (entered, frame) = entered.map_err(ChatFault::Entry)?;
        if !talk.room.roles().is_some_and(|known| entered.follows(&known)) {
            return Err(ChatFault::NotByMember(room));
        }
        let own = self.node();
        let mut others: Vec<IdentityId> = entered.members().iter().map(|member| member.node).collect();
        others.retain(|other| *other != own);
        // Who has too much waiting says how it stands when it comes back.
        let letter = Letter::Sealed(frame);
        for other in &others {
            let _ = self.outbox.put(&letter, [*other], &mut self.step.batch);
        }
        // What was said and done on the line that is left is not so on this one.
        let (ours, talk) = (talk.room.line(), &self.talks[&room]);
        let is_common = |step: &&Step| theirs.steps.iter().any(|their| their.tag == step.tag);
        let common = ours.steps.iter().rfind(is_common).map(|step| step.tag);
        let left = ours.steps.iter().rposition(|step| Some(step.tag) == common).map_or(0, |place| place + 1);
        let made = talk.room.made_since(common);
        let let_in = talk.room.let_in_since(common);
        let is_out = !talk.is_in();
        self.take_room(call, entered, batch, peer);
        if !is_out {
            self.let_in_aside(call, room, ours.steps[left..].iter().map(|step| step.tag).collect(), let_in);
            self.seal_anew(call, room, |said| said.is_of(&ours.steps[left..]), None);
            self.wish_again(room, made);
            self.pursue(call, room);
        }
        others.into_iter().for_each(|other| self.send_due(other, call.store));
        Ok(())
    }

    /// A frame is of an epoch of which nothing is kept here.
    pub(super) fn cannot_read<S: Store>(&mut self, call: &Call<'_, S>, room: RoomId, peer: IdentityId, frame: &[u8]) {
        let Ok(Frame { tag, body, .. }) = Frame::from_bytes(frame) else { return };
        if !self.talks.get(&room).is_some_and(|talk| talk.is_in() && talk.has_node(peer)) {
            return;
        }
        match body {
            // Its author is whoever brings it.
            Body::Content(_) => self.post_matter(call, GroupMatter::Again { room, epoch: tag }, [peer]),
            Body::Commit { .. } | Body::Entry(_) => self.compare_with(call, room, peer),
            Body::Leave(_) => {}
        }
    }

    /// Seals for somebody what they could not read: at once, or as soon as another epoch is followed here.
    fn owe<S: Store>(&mut self, call: &Call<'_, S>, room: RoomId, peer: IdentityId, epoch: EpochTag) {
        let Some(talk) = self.talks.get_mut(&room) else { return };
        let owed = &mut talk.record.affairs.owed;
        let of_peer = owed.iter().filter(|(of, _)| *of == peer).count();
        if owed.len() < OWED_MAX && of_peer < OWED_EACH_MAX && !owed.contains(&(peer, epoch)) {
            owed.push((peer, epoch));
        }
        talk.put(&mut self.step.batch);
        self.settle_owed(call, room);
    }

    pub(super) fn settle_owed<S: Store>(&mut self, call: &Call<'_, S>, room: RoomId) {
        let Some(talk) = self.talks.get_mut(&room).filter(|talk| !talk.record.affairs.owed.is_empty()) else { return };
        let head = talk.room.epoch().tag;
        let (stays, due): (Vec<_>, Vec<_>) =
            std::mem::take(&mut talk.record.affairs.owed).into_iter().partition(|(_, epoch)| *epoch == head);
        talk.record.affairs.owed = stays;
        talk.put(&mut self.step.batch);
        for (peer, epoch) in due {
            let Some(talk) = self.talks.get_mut(&room).filter(|talk| talk.has_node(peer)) else { continue };
            let granted = talk.mending.sealed_anew.entry(peer).or_insert_with(|| Granted::since(call.now));
            if call.now.since(granted.since) >= SEALED_ANEW_EACH {
                *granted = Granted::since(call.now);
            }
            if granted.contents < SEALED_ANEW_MAX && !granted.epochs.contains(&epoch) {
                // They were not in when older ones were said, though these may have been sealed once more since, for somebody who was.
                let noted = Membership::load(room, peer, &Pending { store: call.store, batch: &self.step.batch });
                let is_meant = |said: &Said| said.is_in(epoch) && noted.had(said.number());
                let count = self.seal_anew(call, room, is_meant, Some(peer));
                let granted = self.talks.get_mut(&room).and_then(|talk| talk.mending.sealed_anew.get_mut(&peer));
                if let Some(granted) = granted.filter(|_| count > 0) {
                    granted.contents += count;
                    granted.epochs.insert(epoch);
                }
            }
        }
    }
}
