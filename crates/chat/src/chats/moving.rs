//! How a room moves on: by commits of this device, and by those of others.

use std::collections::BTreeSet;

use byway_primitives::codec::Decode;
use byway_primitives::{Batch, IdentityId, Pending, Span, Store, Time};

use super::talk::{Talk, two_of};
use super::{Call, ChatError, ChatFault, ChatNews, Chats, Wish};
use crate::delivery::group_letter::GroupMatter;
use crate::delivery::letter::{ChatMessage, Letter};
use crate::delivery::{Outbox, ParcelId};
use crate::mls::change::{Summary, TurnedBack};
use crate::mls::wire::Invitation;
use crate::mls::{Change, ChangeError, Changed, EpochTag, Made, Member, Room, RoomId};

/// How long those who have asked to leave wait for a member that goes before this device.
const GRANT_AFTER: Span = Span::minutes(2);

impl Chats {
    /// Makes a commit, for all who are in the room before it, and lets in those whom it adds.
    pub(super) fn commit_in<S: Store>(
        &mut self,
        call: &Call<'_, S>,
        room: RoomId,
        change: &Change,
    ) -> Result<Summary, ChangeError> {
        let node = self.node();
        let talk = self.talks.get_mut(&room).ok_or(ChangeError::NotMember)?;
        let others = talk.nodes(node);
        let Made { commit, welcome, summary, .. } =
            talk.room.change(&call.draw(), call.now, change, &mut self.step.batch)?;
        let affairs = &mut talk.record.affairs;
        affairs.renewed(call.now);
        affairs.is_introduced &= summary.added.is_empty();
        affairs.grant_at = None;
        // They are let in by this.
        for member in &summary.added {
            talk.mending.gone.remove(&member.node);
        }
        talk.put(&mut self.step.batch);
        self.note_members(call, room);
        let mut added: Vec<IdentityId> = summary.added.iter().map(|member| member.node).collect();
        added.dedup();
        let name = self.name.clone();
        let welcome = welcome
            .map(|welcome| (Letter::Welcome { name, invitation: welcome.invitation, tree: welcome.tree }, added));
        for (letter, to) in [(Letter::Sealed(commit), others)].into_iter().chain(welcome) {
            for peer in to {
                // Who has too much waiting says how it stands when it comes back, and is brought what it lacks.
                let _ = self.outbox.put(&letter, [peer], &mut self.step.batch);
                self.send_due(peer, call.store);
            }
        }
        self.tell(ChatNews::Room { room });
        Ok(summary)
    }

    /// Others have moved a room on.
    pub(super) fn moved_on<S: Store>(&mut self, call: &Call<'_, S>, room: RoomId, changed: Changed) {
        let me = self.me();
        self.tell(ChatNews::Room { room });
        self.note_members(call, room);
        let Some(talk) = self.talks.get_mut(&room) else { return };
        if talk.record.direct.is_some_and(|peer| talk.others(me).iter().any(|other| *other != peer)) {
            // Its founder has made it one of more than two; nobody is to take it for what it was.
            talk.record.direct = None;
        }
        if !changed.summary.added.is_empty() || changed.turned_back.is_some() {
            talk.record.affairs.is_introduced = false;
        }
        if changed.summary.is_entry {
            self.restock_first(call, changed.summary.by.node);
        }
        let Some(talk) = self.talks.get_mut(&room) else { return };
        let is_there = talk.is_in();
        if !is_there {
            talk.record.affairs.wishes.clear();
            talk.record.affairs.is_leaving = false;
        }
        if talk.room.leaving().is_empty() {
            talk.record.affairs.grant_at = None;
        }
        talk.mending.told.clear();
        talk.put(&mut self.step.batch);
        if let Some(turned_back) = changed.turned_back {
            self.turned_back(call, room, turned_back);
        }
        if is_there {
            self.settle_owed(call, room);
            // Asked again, since the room has moved on without.
            let _ = self.ask_to_leave(call, room);
            self.pursue(call, room);
        }
        self.tell_those_back(call, room);
        self.doubt_anew(call, room);
        self.take_again();
    }

    /// Epochs that were followed are not any more: what was said in them is said again, and what was changed is changed again.
    fn turned_back<S: Store>(&mut self, call: &Call<'_, S>, room: RoomId, turned_back: TurnedBack) {
        let TurnedBack { epochs, lost } = turned_back;
        let entered = self.talks.get(&room).map(|talk| talk.room.entered_with(&epochs)).unwrap_or_default();
        let added = lost.iter().flat_map(|summary| &summary.added).map(|member| member.node);
        // Who has let them in may not be there any more, and the founder is believed by all.
        let all = self.talks.get(&room).map(|talk| talk.room.let_in_with(&epochs)).unwrap_or_default();
        let is_founder = self.is_founder(room);
        let added = added.chain(all.into_iter().filter(|_| is_founder)).collect();
        self.say_gone(call, room, epochs.clone(), added);
        self.entered_aside(call, room, epochs.clone(), entered.into_iter().map(|member| member.node).collect());
        self.wish_again(room, lost);
        // Whoever is to be removed again has not what is sealed again.
        self.pursue(call, room);
        self.seal_anew(call, room, |said| epochs.iter().any(|epoch| said.is_in(*epoch)), None);
    }

    fn is_founder(&self, room: RoomId) -> bool {
        let roles = self.talks.get(&room).and_then(|talk| talk.room.roles());
        roles.is_some_and(|roles| roles.founder == self.me())
    }

    /// This device has left a line for another: those whom it had let in there itself, or as the founder any, hear that they are not in by
    /// that.
    pub(super) fn let_in_aside<S: Store>(
        &mut self,
        call: &Call<'_, S>,
        room: RoomId,
        epochs: Vec<EpochTag>,
        let_in: Vec<(IdentityId, IdentityId)>,
    ) {
        let (me, is_founder) = (self.me(), self.is_founder(room));
        let to = let_in.into_iter().filter(|(by, _)| *by == me || is_founder).map(|(_, who)| who).collect();
        self.say_gone(call, room, epochs, to);
        self.tell_those_back(call, room);
    }

    /// What this device had done and is not so any more is to be done again.
    pub(super) fn wish_again(&mut self, room: RoomId, lost: Vec<Summary>) {
        let me = self.me();
        let Some(talk) = self.talks.get_mut(&room) else { return };
        let now_admins = talk.room.roles().map(|roles| roles.admins).unwrap_or_default();
        for Summary { added, removed, roles, is_entry, .. } in lost {
            let affairs = &mut talk.record.affairs;
            // Who entered anew has removed its own leaf, and is in.
            let removed = if is_entry { Vec::new() } else { removed };
            let wish = |of: &Member, others: fn(IdentityId) -> Wish, own: fn(IdentityId) -> Wish| {
                if of.identity == me { own(of.node) } else { others(of.identity) }
            };
            added.iter().for_each(|of| affairs.wish(wish(of, Wish::Add, Wish::Device)));
            removed.iter().for_each(|of| affairs.wish(wish(of, Wish::Remove, Wish::Unlink)));
            let wanted = roles.map(|roles| roles.admins).unwrap_or_else(|| now_admins.clone());
            let raised = wanted.difference(&now_admins).map(|of| Wish::Role { of: *of, is_admin: true });
            let lowered = now_admins.difference(&wanted).map(|of| Wish::Role { of: *of, is_admin: false });
            raised.chain(lowered).for_each(|wish| affairs.wish(wish));
            // What was lost renewed this device's keys as well.
            affairs.renewed = Time::ZERO;
        }
        talk.put(&mut self.step.batch);
    }

    /// Those who entered anew with epochs that are not followed: who is in by another commit is told the line here, to enter on that, and
    /// who is not hears so.
    pub(super) fn entered_aside<S: Store>(
        &mut self,
        call: &Call<'_, S>,
        room: RoomId,
        epochs: Vec<EpochTag>,
        who: BTreeSet<IdentityId>,
    ) {
        let Some(talk) = self.talks.get(&room) else { return };
        let (members, others) = who.into_iter().partition(|who| talk.has_node(*who));
        let members: BTreeSet<IdentityId> = members;
        members.into_iter().for_each(|who| self.compare_with(call, room, who));
        self.say_gone(call, room, epochs, others);
    }

    /// Those who came in with epochs that are followed no more hear that they are not in, until they are let in again.
    pub(super) fn say_gone<S: Store>(
        &mut self,
        call: &Call<'_, S>,
        room: RoomId,
        epochs: Vec<EpochTag>,
        mut to: BTreeSet<IdentityId>,
    ) {
        to.remove(&self.node());
        for peer in &to {
            self.withdraw_welcomes(call, (room, *peer), &epochs);
        }
        self.post_gone(call, room, epochs, to);
    }

    pub(super) fn post_gone<S: Store>(
        &mut self,
        call: &Call<'_, S>,
        room: RoomId,
        epochs: Vec<EpochTag>,
        to: BTreeSet<IdentityId>,
    ) {
        if let Some(talk) = self.talks.get_mut(&room) {
            talk.mending.gone.extend(to.iter().copied());
        }
        self.post_matter(call, GroupMatter::Gone { room, epochs }, to);
    }

    /// What was to let somebody in with one of these epochs does not go to them any more.
    fn withdraw_welcomes<S: Store>(
        &mut self,
        call: &Call<'_, S>,
        (room, peer): (RoomId, IdentityId),
        epochs: &[EpochTag],
    ) {
        let store = Pending { store: call.store, batch: &self.step.batch };
        let is_one = |parcel: &ParcelId| {
            let letter = Outbox::parcel(*parcel, &store).and_then(|bytes| Letter::from_bytes(&bytes).ok());
            let Some(Letter::Welcome { invitation, .. }) = letter else { return false };
            Invitation::from_bytes(&invitation).is_ok_and(|of| of.room == room && epochs.contains(&of.tag))
        };
        let withdrawn: Vec<ParcelId> = self.outbox.waiting(peer).filter(is_one).collect();
        self.outbox.handle_receipt(peer, &withdrawn, &mut self.step.batch);
    }

    /// Who could remove this device says that by which it came in came to nothing; so is then what it did itself in the meantime. Believed
    /// until somebody says otherwise whose word goes before, or is worth as much.
    pub(super) fn gone<S: Store>(&mut self, call: &Call<'_, S>, room: RoomId, peer: IdentityId, epochs: &[EpochTag]) {
        let (me, by) = (self.me(), self.person_of(peer));
        let Some(talk) = self.talks.get_mut(&room) else { return };
        // Whoever may not remove this device has no say in whether it is in.
        if !talk.room.roles().is_some_and(|roles| roles.may_remove(by, me)) {
            return;
        }
        let (head, is_member) = (talk.room.epoch().tag, talk.room.is_member());
        let affairs = &mut talk.record.affairs;
        let is_so = epochs.contains(&head) || affairs.entered.is_some_and(|(_, epoch)| epochs.contains(&epoch));
        if !is_so {
            return;
        }
        talk.mending.doubt.clear();
        talk.mending.agreed.remove(&peer);
        // An admin may be on a line that others have left, or lie: the founder and other admins are asked, and go before where they disagree.
        let others = self.who_is_believed_before(room, by);
        let is_contradicted = self.has_agreed(room, &others);
        let Some(talk) = self.talks.get_mut(&room) else { return };
        let is_new = talk.mending.said_gone.insert(peer, head) != Some(head);
        let others: Vec<IdentityId> = others.into_iter().take(super::doubt::ASKED_MAX).collect();
        talk.mending.doubt.extend(&others);
        let affairs = &mut talk.record.affairs;
        if affairs.is_out || !is_member || is_contradicted {
            return self.ask_whether_in(call, room, others, is_new);
        }
        talk.mending.out_by = Some(by);
        let affairs = &mut talk.record.affairs;
        affairs.is_out = true;
        affairs.wishes.clear();
        talk.put(&mut self.step.batch);
        let (ours, made) = (talk.room.line().steps.iter().map(|step| step.tag).collect(), talk.room.made_since(None));
        let added = made.iter().flat_map(|summary| &summary.added).map(|member| member.node);
        self.say_gone(call, room, ours, added.collect());
        self.tell(ChatNews::Room { room });
        self.ask_whether_in(call, room, others, is_new);
    }

    /// Asks the others to remove this device, if our person has left. Where there are no others the room is over.
    pub(super) fn ask_to_leave<S: Store>(&mut self, call: &Call<'_, S>, room: RoomId) -> Result<(), ChatError> {
        let (node, device) = (self.node(), self.device.certificate.key);
        let Some(talk) = self.talks.get_mut(&room) else { return Ok(()) };
        let is_asked = talk.room.leaving().iter().any(|member| member.device == device);
        if !talk.record.affairs.is_leaving || is_asked || !talk.is_in() {
            return Ok(());
        }
        talk.put(&mut self.step.batch);
        self.put_out_linked(call, room);
        let Some(talk) = self.talks.get_mut(&room) else { return Ok(()) };
        let others = talk.nodes(node);
        let frame = talk.room.leave(&call.draw(), &mut self.step.batch)?;
        let letter = Letter::Sealed(frame);
        // Any of them removes this device; who has too much waiting is not needed for it.
        let posted = others.iter().map(|other| self.outbox.put(&letter, [*other], &mut self.step.batch));
        posted.collect::<Vec<_>>().into_iter().reduce(Result::or).transpose()?;
        others.into_iter().for_each(|peer| self.send_due(peer, call.store));
        Ok(())
    }

    /// Somebody asks to be removed. Of those who are there the first in the order of roles does it, or whoever is left after a while.
    pub(super) fn asked_to_leave<S: Store>(&mut self, call: &Call<'_, S>, room: RoomId) {
        let me = self.me();
        let Some(talk) = self.talks.get_mut(&room) else { return };
        let leaving: Vec<IdentityId> = talk.room.leaving().iter().map(|member| member.identity).collect();
        let Some(roles) = talk.room.roles().filter(|_| !leaving.contains(&me)) else { return };
        let order = |who: IdentityId| (roles.role(who), who);
        let stays = talk.others(me).into_iter().filter(|who| !leaving.contains(who));
        let is_there = |who: &IdentityId| talk.known.iter().any(|(node, of)| of == who && self.outbox.is_there(*node));
        let is_first = stays.filter(is_there).all(|who| order(me) < order(who));
        talk.record.affairs.grant_at = Some(if is_first { call.now } else { call.now + GRANT_AFTER });
        talk.put(&mut self.step.batch);
        self.grant_leaves(call, room);
    }

    /// Removes those who have asked for it, if it is time.
    pub(super) fn grant_leaves<S: Store>(&mut self, call: &Call<'_, S>, room: RoomId) {
        let Some(talk) = self.talks.get_mut(&room) else { return };
        if talk.record.affairs.grant_at.is_none_or(|at| call.now < at) {
            return;
        }
        talk.record.affairs.grant_at = None;
        talk.put(&mut self.step.batch);
        if !talk.room.leaving().is_empty() {
            self.renew_keys(call, room);
        }
    }

    /// A commit that changes nobody. Of the founder it shows of all admins that they are such ones, where others made them.
    pub(super) fn renew_keys<S: Store>(&mut self, call: &Call<'_, S>, room: RoomId) {
        let me = self.me();
        let roles = self.talks.get(&room).and_then(|talk| talk.room.roles());
        let of = (room, self.device.certificate.network);
        let roles = roles.filter(|roles| roles.founder == me && !roles.ungranted(of, me).is_empty());
        if let Err(error) = self.commit_in(call, room, &Change { roles, ..Change::default() })
            && !super::groups::is_over(&error)
        {
            let me = self.me();
            self.fault(me, ChatFault::Wish(error));
        }
    }

    /// Has a room in the place of the one that there was, if any, with all that is kept beside it. By `by` it was let in.
    pub(super) fn take_room<S: Store>(&mut self, call: &Call<'_, S>, room: Room, batch: Batch, by: IdentityId) {
        let (id, epoch) = (room.id(), room.epoch().tag);
        // Only one's own device lets another into a conversation of two.
        let direct = two_of(&room, self.me());
        if direct == Some(self.me()) {
            self.leave_other_notes(id);
        }
        let mut talk = Talk::new(room, direct, call.now);
        if let Some(old) = self.talks.remove(&id) {
            old.room.forget(&mut self.step.batch);
            (talk.record, talk.known) = (old.record, old.known);
            talk.mending.early = old.mending.early;
            talk.mending.gone = old.mending.gone;
            let affairs = &mut talk.record.affairs;
            (affairs.is_introduced, affairs.is_out) = (false, false);
            affairs.owed.clear();
            affairs.renewed(call.now);
        } else if let Some(record) = self.found_again(id, call.now) {
            talk.record = record;
        }
        self.step.batch.append(batch);
        talk.record.affairs.entered = Some((by, epoch));
        talk.put(&mut self.step.batch);
        self.talks.insert(id, talk);
        self.note_members(call, id);
        self.tell(ChatNews::Room { room: id });
        self.introduce(call, id);
        self.take_again();
        self.try_early(call, id);
        self.want_devices(call, id);
        self.pursue(call, id);
        self.doubt(call, id, Some(by));
    }

    /// Those who were turned away, and are in a group with us now, may send again what was not taken.
    pub(super) fn take_again(&mut self) {
        let away: Vec<IdentityId> = self.turned_away.iter().copied().filter(|peer| self.is_heard(*peer)).collect();
        for peer in away {
            self.turned_away.remove(&peer);
            self.step.sends.push((peer, ChatMessage::Resend));
        }
    }

    /// Those who are in groups with us, or in conversations in which somebody has linked devices, by their nodes: once for each.
    pub fn companions(&self) -> impl Iterator<Item = IdentityId> {
        let rooms = self.talks.values().filter(|talk| (talk.is_group() || talk.has_linked()) && talk.is_in());
        rooms
            .flat_map(|talk| talk.nodes(self.node()))
            .chain(self.own.nodes())
            .chain(self.restored_nodes())
            .chain(self.lost_companions())
    }

    /// Whether the devices at both nodes are in one conversation with us.
    pub fn share_group(&self, one: IdentityId, other: IdentityId) -> bool {
        let is_in_both = |talk: &Talk| talk.known.contains_key(&one) && talk.known.contains_key(&other);
        self.talks.values().any(|talk| talk.is_in() && is_in_both(talk))
    }

    /// Whether more is taken of a node than strangers have to say: of contacts, of those who are in a group with us, and of our own.
    pub fn is_heard(&self, peer: IdentityId) -> bool {
        self.people.is_contact(peer)
            || self.own.has(peer)
            || self.talks.values().any(|talk| talk.has_node(peer))
            || self.lost_companions().any(|companion| companion == peer)
    }
}
