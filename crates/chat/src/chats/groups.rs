//! What a person does with groups, and how it comes about.
//!
//! Whatever is asked for becomes a [wish](Wish), and [`Chats::pursue`] makes one commit of all wishes that can be fulfilled now. A
//! wish stays until the room is so: who is to be added may have given no keys yet, and another's commit may go before ours. One that
//! our role does not allow any more is dropped.

use byway_primitives::{Batch, IdentityId, Pending, Store, Time};

use super::asking::ROOMS_EACH_MAX;
use super::devices::plan_unlinking;
use super::heard::Opened;
use super::talk::Talk;
use super::{Call, ChatError, ChatFault, ChatNews, Chats, Wish};
use crate::content::Kind;
use crate::content::book::{BookChange, BookChanges};
use crate::content::bounded::{BoundedList, BoundedText};
use crate::content::limits::BOOK_CHANGES_MAX;
use crate::content::signs::{Profile, Settings};
use crate::delivery::own_letter::OwnMatter;
use crate::mls::roles::ADMINS_MAX;
use crate::mls::{ADDS_MAX, BRANCH_SPAN, Change, ChangeError, Member, Role, Roles, Room, RoomId};

/// People in a group.
pub const GROUP_MAX: usize = 1000;
/// Entries of the address book that are written anew for those who come: each goes to all.
const BOOK_TOLD_MAX: usize = 64;

impl Chats {
    /// Founds a group and adds contacts to it.
    ///
    /// # Errors
    /// [`ChatError::NotContact`], [`ChatError::GroupFull`], [`ChatError::TooMuch`]; nothing has happened then.
    pub fn found_group(
        &mut self,
        now: Time,
        seed: [u8; 32],
        title: &str,
        with: &[IdentityId],
        store: &impl Store,
    ) -> Result<RoomId, ChatError> {
        self.check_contacts(with)?;
        if with.len() >= GROUP_MAX {
            return Err(ChatError::GroupFull);
        }
        let settings = title_of(title)?;
        let call = Call::new(now, seed, store);
        let (id, mut batch) = (RoomId(*call.draw()), Batch::new());
        let room = Room::found(&self.device, id, &Roles::group(self.me()), &call.draw(), now, &mut batch)?;
        self.step.batch.append(batch);
        let mut talk = Talk::new(room, None, now);
        with.iter().for_each(|who| talk.record.affairs.wish(Wish::Add(*who)));
        talk.put(&mut self.step.batch);
        self.talks.insert(id, talk);
        self.say_in(&call, id, settings.into())?;
        self.tell(ChatNews::Room { room: id });
        self.want_devices(&call, id);
        Ok(id)
    }

    /// Adds contacts to a group: at once, or as soon as there are keys of theirs.
    ///
    /// # Errors
    /// [`ChatError`].
    pub fn add_to_group(
        &mut self,
        now: Time,
        seed: [u8; 32],
        room: RoomId,
        who: &[IdentityId],
        store: &impl Store,
    ) -> Result<(), ChatError> {
        self.check_contacts(who)?;
        let me = self.me();
        let (talk, roles) = self.group(room)?;
        if !who.iter().all(|who| roles.may_add(me, *who)) {
            return Err(ChatError::MayNot);
        }
        if talk.others(me).len() + talk.record.affairs.wishes.len() + who.len() >= GROUP_MAX {
            return Err(ChatError::GroupFull);
        }
        self.wish_in(&Call::new(now, seed, store), room, who.iter().map(|who| Wish::Add(*who)));
        Ok(())
    }

    /// Removes people from a group, with all of their devices.
    ///
    /// # Errors
    /// [`ChatError`].
    pub fn remove_from_group(
        &mut self,
        now: Time,
        seed: [u8; 32],
        room: RoomId,
        who: &[IdentityId],
        store: &impl Store,
    ) -> Result<(), ChatError> {
        let me = self.me();
        let (talk, roles) = self.group(room)?;
        for who in who {
            let is_awaited = talk.record.affairs.wishes.contains(&Wish::Add(*who));
            if *who == me {
                return Err(ChatError::Oneself);
            }
            if !talk.has(*who) && !is_awaited {
                return Err(ChatError::NotInGroup(*who));
            }
            if !roles.may_remove(me, *who) {
                return Err(ChatError::MayNot);
            }
        }
        talk.record.affairs.wishes.retain(|wish| !who.iter().any(|who| *wish == Wish::Add(*who)));
        self.wish_in(&Call::new(now, seed, store), room, who.iter().map(|who| Wish::Remove(*who)));
        Ok(())
    }

    /// Makes somebody an admin, or a member again.
    ///
    /// # Errors
    /// [`ChatError`].
    pub fn set_group_role(
        &mut self,
        now: Time,
        seed: [u8; 32],
        room: RoomId,
        (of, is_admin): (IdentityId, bool),
        store: &impl Store,
    ) -> Result<(), ChatError> {
        let me = self.me();
        let (talk, roles) = self.group(room)?;
        if !talk.has(of) {
            return Err(ChatError::NotInGroup(of));
        }
        if of == roles.founder || !roles.may_change_roles(me, talk.has(roles.founder)) {
            return Err(ChatError::MayNot);
        }
        self.wish_in(&Call::new(now, seed, store), room, [Wish::Role { of, is_admin }]);
        Ok(())
    }

    /// Calls a group otherwise, for all in it.
    ///
    /// # Errors
    /// [`ChatError`].
    pub fn rename_group(
        &mut self,
        now: Time,
        seed: [u8; 32],
        room: RoomId,
        title: &str,
        store: &impl Store,
    ) -> Result<(), ChatError> {
        let me = self.me();
        let (_, roles) = self.group(room)?;
        if roles.role(me) == Role::Member {
            return Err(ChatError::MayNot);
        }
        self.say(now, seed, room, title_of(title)?.into(), store).map(|_| ())
    }

    /// Leaves a group. Until another member has removed this device it is still brought what is said.
    ///
    /// # Errors
    /// [`ChatError`].
    pub fn leave_group(
        &mut self,
        now: Time,
        seed: [u8; 32],
        room: RoomId,
        store: &impl Store,
    ) -> Result<(), ChatError> {
        let (talk, _) = self.group(room)?;
        talk.record.affairs.is_leaving = true;
        talk.record.affairs.wishes.clear();
        let call = Call::new(now, seed, store);
        self.ask_to_leave(&call, room)?;
        self.write_to_devices(&call, &OwnMatter::Leave { room }, None);
        self.tell(ChatNews::Room { room });
        Ok(())
    }

    fn check_contacts(&self, who: &[IdentityId]) -> Result<(), ChatError> {
        who.iter().find(|who| !self.people.is_contact(**who)).map_or(Ok(()), |who| Err(ChatError::NotContact(*who)))
    }

    /// A group that this device is in, and wants to be in.
    fn group(&mut self, room: RoomId) -> Result<(&mut Talk, Roles), ChatError> {
        if !self.talks.contains_key(&room) {
            return Err(self.no_room(room));
        }
        let talk = self.talks.get_mut(&room).ok_or(ChatError::NoRoom)?;
        if !talk.is_group() {
            return Err(ChatError::NotGroup);
        }
        let roles = talk.room.roles().filter(|_| talk.is_in()).ok_or(ChatError::NotMember)?;
        if talk.record.affairs.is_leaving {
            return Err(ChatError::Leaving);
        }
        Ok((talk, roles))
    }

    pub(super) fn wish_in<S: Store>(
        &mut self,
        call: &Call<'_, S>,
        room: RoomId,
        wishes: impl IntoIterator<Item = Wish>,
    ) {
        if let Some(talk) = self.talks.get_mut(&room) {
            wishes.into_iter().for_each(|wish| talk.record.affairs.wish(wish));
            talk.put(&mut self.step.batch);
            self.tell(ChatNews::Room { room });
        }
        self.pursue(call, room);
    }

    /// Makes commits of the wishes that can be fulfilled, and forgets those that are, or can't be any more.
    pub(super) fn pursue<S: Store>(&mut self, call: &Call<'_, S>, room: RoomId) {
        let mut has_added = false;
        while let Some(change) = self.next_change(call, room) {
            match self.commit_in(call, room, &change) {
                Ok(summary) => has_added |= !summary.added.is_empty(),
                Err(error) => {
                    // Done again it would fail again, and what our person wants is for them to say anew.
                    if let Some(talk) = self.talks.get_mut(&room) {
                        talk.record.affairs.wishes.clear();
                        talk.put(&mut self.step.batch);
                    }
                    let me = self.me();
                    self.fault(me, ChatFault::Wish(error));
                }
            }
        }
        if has_added {
            self.tell_newcomers(call, room);
        }
    }

    /// What there is to be done now; `None` if nothing.
    fn next_change<S: Store>(&mut self, call: &Call<'_, S>, room: RoomId) -> Option<Change> {
        let talk = self.talks.get_mut(&room).filter(|talk| !talk.record.affairs.wishes.is_empty())?;
        let wishes = std::mem::take(&mut talk.record.affairs.wishes);
        let allowed = talk.room.roles().filter(|_| talk.is_in() && !talk.record.affairs.is_leaving);
        let mut change = Change::default();
        let mut left = Vec::new();
        if let Some(allowed) = allowed {
            let members = talk.room.members();
            let mut roles = allowed.clone();
            for wish in wishes {
                let is_left = match wish {
                    Wish::Add(who) => self.plan_addition(call, room, (&allowed, &members), who, &mut change),
                    Wish::Remove(who) => plan_removal(self.me(), (&allowed, &members), who, &mut change),
                    Wish::Role { of, is_admin } => plan_role(self.me(), &members, (of, is_admin), &mut roles),
                    Wish::Device(node) => self.plan_device(call, &members, node, &mut change),
                    Wish::Unlink(node) => plan_unlinking(self.own.has(node), &members, node, &mut change),
                };
                left.extend(is_left.then_some(wish));
            }
            change.roles = (roles != allowed).then_some(roles);
        }
        if let Some(talk) = self.talks.get_mut(&room) {
            talk.record.affairs.wishes = left;
            talk.put(&mut self.step.batch);
        }
        let is_any = !change.add.is_empty() || !change.remove.is_empty() || change.roles.is_some();
        is_any.then_some(change)
    }

    /// Whether the wish stays.
    fn plan_addition<S: Store>(
        &mut self,
        call: &Call<'_, S>,
        room: RoomId,
        (allowed, members): (&Roles, &[Member]),
        who: IdentityId,
        change: &mut Change,
    ) -> bool {
        let me = self.me();
        if has(members, who) || !allowed.may_add(me, who) || !self.people.is_contact(who) {
            return false;
        }
        if !self.is_first() {
            // The first device has their keys, and is asked once it is in the room itself.
            let first = self.own.first();
            let is_there = first.filter(|first| members.iter().any(|member| member.node == *first));
            is_there.into_iter().for_each(|first| self.write_to(first, OwnMatter::Add { room, who }));
            return first.is_some() && is_there.is_none();
        }
        if change.add.len() < ADDS_MAX {
            change.add.extend(self.take_package(call, who));
        }
        true
    }

    /// Those who have come hear what the group is called.
    fn tell_newcomers<S: Store>(&mut self, call: &Call<'_, S>, room: RoomId) {
        let about = self.talks.get(&room).map(|talk| talk.record.about.clone()).unwrap_or_default();
        let title = about.title.map(|title| title.value);
        let disappearing = about.disappearing.map(|span| span.value);
        if title.is_some() || disappearing.is_some() {
            // Who has too much waiting for one of them says it with the next change.
            let _ = self.say_in(call, room, Kind::Settings(Settings { title, disappearing }).into());
        }
        self.tell_book(call, room);
        self.introduce(call, room);
    }

    /// Those who have come have nothing of what was written in the address book before: the newest of it is written anew.
    fn tell_book<S: Store>(&mut self, call: &Call<'_, S>, room: RoomId) {
        let mut book = self.book(room, &Pending { store: call.store, batch: &self.step.batch });
        book.retain(|(_, entry)| entry.value.is_some());
        book.sort_by_key(|(_, entry)| std::cmp::Reverse(entry.stamp));
        book.truncate(BOOK_TOLD_MAX);
        for people in book.chunks(BOOK_CHANGES_MAX) {
            let changes = people.iter().map(|(who, entry)| BookChange { who: *who, card: entry.value.clone() });
            if let Ok(changes) = BoundedList::new(changes.collect::<Vec<_>>()) {
                // As above.
                let _ = self.say_in(call, room, Kind::Book(BookChanges(changes)).into());
            }
        }
    }

    /// Says in a group by which name our person goes, if somebody has come since it was said.
    pub(super) fn introduce<S: Store>(&mut self, call: &Call<'_, S>, room: RoomId) {
        let Ok(nickname) = BoundedText::new(&self.name) else { return };
        let Some(talk) = self.talks.get_mut(&room) else { return };
        if !talk.is_group() || talk.record.affairs.is_introduced || self.name.is_empty() {
            return;
        }
        talk.record.affairs.is_introduced = true;
        talk.put(&mut self.step.batch);
        let _ = self.say_in(call, room, Kind::Profile(Profile { nickname, picture: None }).into());
    }

    /// A contact lets us into a group, whose room is written with `batch`.
    pub(super) fn welcomed_to_group<S: Store>(
        &mut self,
        call: &Call<'_, S>,
        peer: IdentityId,
        room: Room,
        batch: Batch,
    ) -> Result<Opened, ChatFault> {
        if !self.people.is_contact(peer) {
            return Err(ChatFault::Unasked(peer));
        }
        let (id, epoch, me) = (room.id(), room.epoch(), self.me());
        let is_new = !self.talks.contains_key(&id);
        self.check_count(peer, is_new && self.begun_groups(peer) >= ROOMS_EACH_MAX)?;
        let mut is_by_right = true;
        if let Some(talk) = self.talks.get(&id) {
            let old = talk.room.epoch();
            let is_known = talk.room.line().steps.iter().any(|step| step.tag == epoch.tag);
            let is_newer = !talk.is_in() || epoch.number > old.number;
            if is_known {
                return Ok(Opened::Done);
            }
            if !is_newer {
                // Where it is right this device is in by it, and on a line that is not followed.
                self.doubt(call, id, None);
                self.tell_line(call, id, peer, true);
                return Ok(Opened::Done);
            }
            let roles = talk.room.roles();
            let is_of_founder = roles.as_ref().map(|roles| roles.founder) == room.roles().map(|roles| roles.founder);
            // Only who was in it with us brings us to another line of it, and nobody to a room that only has its name.
            if !talk.is_group() || !is_of_founder || (talk.is_in() && !talk.has_node(peer)) {
                return Err(ChatFault::NotByMember(id));
            }
            // Whoever has become an admin meanwhile may add us: that is in commits that are still to come. Who is out sees none, and goes by
            // what is signed.
            is_by_right = roles.as_ref().is_some_and(|roles| roles.may_add(peer, me));
            if talk.is_in() && !is_by_right {
                return Ok(Opened::NotNow);
            }
            if !is_by_right && !roles.is_some_and(|roles| room.shows_adding(peer, me, &roles)) {
                return Err(ChatFault::NotByMember(id));
            }
        }
        // What was said lately on a line that lost, into which this device was let before, nobody has heard.
        let old = self.talks.get(&id).filter(|talk| is_by_right && (talk.is_in() || talk.record.affairs.is_out));
        let lately = old.map(|talk| talk.room.line()).unwrap_or_default();
        self.take_room(call, room, batch, peer);
        self.seal_anew(call, id, |said| said.is_after(call.now, BRANCH_SPAN) && said.is_of(&lately.steps), None);
        Ok(Opened::Done)
    }
}

fn has(members: &[Member], who: IdentityId) -> bool {
    members.iter().any(|member| member.identity == who)
}

fn plan_removal(me: IdentityId, (allowed, members): (&Roles, &[Member]), who: IdentityId, change: &mut Change) -> bool {
    let is_due = has(members, who) && allowed.may_remove(me, who);
    if is_due {
        let devices = members.iter().filter(|member| member.identity == who);
        change.remove.extend(devices.map(|member| member.device));
    }
    is_due
}

fn plan_role(me: IdentityId, members: &[Member], (of, is_admin): (IdentityId, bool), roles: &mut Roles) -> bool {
    let may = of != roles.founder && roles.may_change_roles(me, has(members, roles.founder));
    let is_due = may && roles.admins.contains(&of) != is_admin && (!is_admin || roles.admins.len() < ADMINS_MAX);
    if is_due {
        let _ = if is_admin { roles.admins.insert(of) } else { roles.admins.remove(&of) };
    }
    is_due
}

fn title_of(title: &str) -> Result<Kind, ChatError> {
    Ok(Kind::Settings(Settings { title: Some(BoundedText::new(title)?), disappearing: None }))
}

/// Whether a change can't be made because of what this device itself has asked for.
pub(super) fn is_over(error: &ChangeError) -> bool {
    matches!(error, ChangeError::NotMember | ChangeError::Leaving)
}
