//! Becoming contacts.

use std::collections::BTreeSet;

use byway_primitives::{IdentityId, Span, Store, Time};

use super::admission::Plea;
use super::heard::Opened;
use super::talk::Talk;
use super::{Call, ChatError, ChatFault, ChatNews, Chats};
use crate::delivery::ParcelId;
use crate::delivery::letter::{Ask, InviteToken, Letter};
use crate::delivery::own_letter::OwnMatter;
use crate::mls::{Beside, Change, Entered, Made, Roles, Room, RoomId};
use crate::people::{Person, Standing};

/// How long after one was begun with a contact another conversation is begun with them: each takes room on the disk.
const ASK_AGAIN: Span = Span::minutes(1);

/// Conversations of two that one contact begins, and as many groups: each stays on the disk, with a tree of its keys.
pub const ROOMS_EACH_MAX: usize = 256;

impl Chats {
    /// How what takes long and needs nothing else is done: in turn until this is set.
    pub fn set_beside(&mut self, beside: Beside) {
        self.beside = beside;
    }

    /// Asks somebody to be a contact; with the token of an invite they agree at once.
    ///
    /// # Errors
    /// [`ChatError::NotFirst`], [`ChatError::AlreadyContact`], [`ChatError::Oneself`], [`ChatError::Outbox`], [`ChatError::Seal`].
    pub fn ask(
        &mut self,
        now: Time,
        seed: [u8; 32],
        peer: IdentityId,
        token: Option<InviteToken>,
        store: &impl Store,
    ) -> Result<(), ChatError> {
        self.ask_with(now, seed, peer, Plea { token, ..Plea::default() }, store)
    }

    /// Likewise, with what it may cost ([`admission`](super::admission)).
    ///
    /// # Errors
    /// Also [`ChatError::NoRoom`], [`ChatError::NotGroup`], [`ChatError::NotMember`] of the group that is named.
    pub fn ask_with(
        &mut self,
        now: Time,
        seed: [u8; 32],
        peer: IdentityId,
        plea: Plea,
        store: &impl Store,
    ) -> Result<(), ChatError> {
        self.check_first()?;
        let Plea { token, payment, group } = plea;
        group.map_or(Ok(()), |group| self.check_introducing(group))?;
        if peer == self.me() || self.own.get(peer).is_some() {
            return Err(ChatError::Oneself);
        }
        if self.people.is_contact(peer) {
            return Err(ChatError::AlreadyContact(peer));
        }
        let call = Call::new(now, seed, store);
        let (package, kept) = Room::key_package(&self.device, &call.draw())?;
        let letter = Letter::Ask(Ask { token, package, name: self.name.clone(), payment, group });
        self.outbox.put(&letter, [peer], &mut self.step.batch)?;
        self.packages.keep(peer, kept, &mut self.step.batch);
        self.footings.remove(peer, &mut self.step.batch);
        let known = self.people.get(peer).cloned();
        let (name, nickname, verified) =
            known.map_or_else(Default::default, |known| (known.name, known.nickname, known.verified));
        let standing = Standing::Asked;
        self.put_person(peer, Person { standing, name, nickname, since: now, direct: None, verified });
        self.send_due(peer, store);
        Ok(())
    }

    /// Agrees to be a contact of somebody who asks.
    ///
    /// # Errors
    /// [`ChatError::NotFirst`], [`ChatError::NotAsking`], or what is wrong with the key package that they gave.
    pub fn accept(
        &mut self,
        now: Time,
        seed: [u8; 32],
        peer: IdentityId,
        store: &impl Store,
    ) -> Result<RoomId, ChatError> {
        self.check_first()?;
        let person = self.people.get(peer).ok_or(ChatError::Unknown(peer))?.clone();
        let Standing::Asking { package } = &person.standing else { return Err(ChatError::NotAsking(peer)) };
        let call = Call::new(now, seed, store);
        let room = self.found_direct(&call, peer, package, &person)?;
        self.share_people();
        self.send_due(peer, store);
        self.own.nodes().into_iter().for_each(|node| self.send_due(node, store));
        Ok(room)
    }

    /// Hears somebody no more, or hears them again; then they are as if they had never been known.
    pub fn set_blocked(&mut self, now: Time, peer: IdentityId, is_blocked: bool) {
        if peer == self.me() || self.own.get(peer).is_some() {
            return;
        }
        if let Some(first) = self.own.first().filter(|_| !self.is_first()) {
            self.write_to(first, OwnMatter::Block { who: peer, is_blocked });
        }
        if !is_blocked {
            if self.people.is_blocked(peer) {
                self.people.remove(peer, &mut self.step.batch);
                self.people_changed.insert(peer);
                self.tell(ChatNews::Person { peer });
            }
            return;
        }
        let known = self.people.get(peer).cloned();
        let blocked = Person {
            standing: Standing::Blocked,
            name: String::new(),
            nickname: None,
            since: now,
            direct: None,
            verified: None,
        };
        let person = known.map_or(blocked.clone(), |known| Person { standing: Standing::Blocked, since: now, ..known });
        for node in self.nodes_of(peer) {
            self.outbox.forget(node, &mut self.step.batch);
        }
        self.stock.forget(peer, &mut self.step.batch);
        self.end_footing(peer, true);
        self.put_person(peer, person);
    }

    /// Calls somebody otherwise than they call themselves.
    ///
    /// # Errors
    /// [`ChatError::Unknown`].
    pub fn set_nickname(&mut self, peer: IdentityId, nickname: Option<String>) -> Result<(), ChatError> {
        let person = self.people.get(peer).cloned().ok_or(ChatError::Unknown(peer))?;
        if let Some(first) = self.own.first().filter(|_| !self.is_first()) {
            self.write_to(first, OwnMatter::Nickname { who: peer, nickname: nickname.clone() });
        }
        self.put_person(peer, Person { nickname, ..person });
        Ok(())
    }

    /// Says of somebody whether there is a pledge for their identity on the ledger, of which this machine knows nothing by itself. Those for
    /// whom there is one ask within bounds of their own ([`People::has_room`](crate::people::People::has_room)). It is kept of those alone
    /// who are there, and of those who ask: of the latter it is to be said anew after a start.
    pub fn set_registered(&mut self, peer: IdentityId, is_registered: bool) {
        if is_registered && (self.outbox.is_there(peer) || self.asks(peer)) {
            self.registered.insert(peer);
        } else {
            self.registered.remove(&peer);
        }
    }

    pub(super) fn asks(&self, peer: IdentityId) -> bool {
        self.people.get(peer).is_some_and(|person| matches!(person.standing, Standing::Asking { .. }))
    }

    /// Somebody asks.
    pub(super) fn asked<S: Store>(
        &mut self,
        call: &Call<'_, S>,
        peer: IdentityId,
        mut ask: Ask,
        parcel: ParcelId,
    ) -> Opened {
        if !self.is_first() {
            // Contacts are made by the first device alone.
            return Opened::Done;
        }
        let known = self.people.get(peer).cloned();
        let since = known.as_ref().map_or(Time::ZERO, |known| known.since);
        let token = ask.token.take();
        let is_invited = token.is_some_and(|token| self.invites.take(call.now, &token, &mut self.step.batch).is_some());
        match known.as_ref().map(|known| &known.standing) {
            Some(Standing::Blocked) => return Opened::Done,
            // Both have asked. One founds the conversation, and the other awaits it.
            Some(Standing::Asked) if self.me() > peer => return Opened::Done,
            Some(Standing::Contact) if call.now < since + ASK_AGAIN || self.begun_two(peer) >= ROOMS_EACH_MAX => {
                return Opened::Done;
            }
            Some(Standing::Asking { .. }) | None if !is_invited => return self.stranger_asks(call, peer, ask, parcel),
            // Who is a contact and asks has lost its disk, or the conversation.
            Some(Standing::Asked | Standing::Contact | Standing::Asking { .. }) | None => {}
        }
        let Ask { package, name, .. } = ask;
        let (nickname, verified) = known.map_or((None, None), |known| (known.nickname, known.verified));
        let standing = Standing::Asking { package: package.clone() };
        self.agree(call, peer, &package, &Person { standing, name, nickname, since: call.now, direct: None, verified });
        Opened::Done
    }

    fn agree<S: Store>(&mut self, call: &Call<'_, S>, peer: IdentityId, package: &[u8], person: &Person) {
        match self.found_direct(call, peer, package, person) {
            Ok(_) => {}
            Err(ChatError::Fault(fault)) => self.fault(peer, *fault),
            Err(error) => self.fault(peer, ChatFault::Package(error.to_string())),
        }
    }

    /// Begins the conversation of two with somebody whose package this is, who is a contact from here on.
    fn found_direct<S: Store>(
        &mut self,
        call: &Call<'_, S>,
        peer: IdentityId,
        package: &[u8],
        person: &Person,
    ) -> Result<RoomId, ChatError> {
        let mut batch = byway_primitives::Batch::new();
        let id = RoomId(*call.draw());
        let roles = Roles::new(self.me(), None);
        let mut founding = roles.clone();
        // Of two, the founder lets the other in, and then nobody lets in anybody.
        founding.adding = Some(crate::mls::Role::Founder);
        let mut room = Room::found(&self.device, id, &founding, &call.draw(), call.now, &mut batch)?;
        let change = Change { add: vec![package.to_vec()], roles: Some(roles), ..Change::default() };
        let Made { welcome, summary, .. } = room.change(&call.draw(), call.now, &change, &mut batch)?;
        if summary.added.iter().any(|added| (added.identity, added.node) != (peer, peer)) {
            return Err(ChatError::Fault(Box::new(ChatFault::ForeignPackage(peer))));
        }
        let welcome = welcome.expect("whoever adds somebody has a welcome for them");
        let (name, invitation, tree) = (self.name.clone(), welcome.invitation, welcome.tree);
        let letter = Letter::Welcome { name, invitation, tree };
        self.outbox.put(&letter, [peer], &mut batch)?;
        self.step.batch.append(batch);
        self.stock_up(call, peer);
        let talk = Talk::new(room, Some(peer), call.now);
        talk.put(&mut self.step.batch);
        self.talks.insert(id, talk);
        let standing = Standing::Contact;
        self.end_footing(peer, false);
        self.put_person(peer, Person { standing, since: call.now, direct: Some(id), ..person.clone() });
        self.tell(ChatNews::Room { room: id });
        self.want_devices(call, id);
        Ok(id)
    }

    /// Somebody lets us into a conversation: one of two by whom we have asked, a group by a contact.
    pub(super) fn welcomed<S: Store>(
        &mut self,
        call: &Call<'_, S>,
        peer: IdentityId,
        name: String,
        (invitation, tree): (&[u8], &[u8]),
    ) -> Result<Opened, ChatFault> {
        if self.own.has(peer) {
            return self.let_in_by_own(call, peer, (invitation, tree));
        }
        let known = self.people.get(peer).filter(|known| matches!(known.standing, Standing::Asked | Standing::Contact));
        let person = known.cloned().ok_or(ChatFault::Unasked(peer))?;
        let mut batch = byway_primitives::Batch::new();
        let (device, kept) = (&self.device, &self.packages.kept);
        let entered = Room::enter(device, (invitation, tree), kept, (&call.draw(), call.now, self.beside), &mut batch);
        // It has used a package, or taken one that is of no use any more.
        let is_contact = person.standing == Standing::Contact;
        let Entered { room, used, .. } = match entered {
            Ok(entered) if (entered.by.identity, entered.by.node) == (peer, peer) => entered,
            wrong => {
                if is_contact {
                    self.give_packages(call, peer, 1);
                }
                return Err(wrong.map_or_else(ChatFault::Invitation, |_| ChatFault::Unasked(peer)));
            }
        };
        let used = self.packages.number(used);
        let members: BTreeSet<IdentityId> = room.members().iter().map(|member| member.identity).collect();
        self.check_lost(&room, peer)?;
        let is_open = room.roles().is_some_and(|roles| roles.adding.is_some());
        if is_open || members != BTreeSet::from([self.me(), peer]) {
            let opened = self.welcomed_to_group(call, peer, room, batch);
            if opened != Ok(Opened::NotNow) {
                self.use_package(call, used, peer);
            }
            return opened;
        }
        self.packages.remove(used, &mut self.step.batch);
        let id = room.id();
        if self.talks.contains_key(&id) || self.lost.contains_key(&id) {
            return Ok(Opened::Done);
        }
        self.check_count(peer, is_contact && self.begun_two(peer) >= ROOMS_EACH_MAX)?;
        self.step.batch.append(batch);
        let talk = Talk::new(room, Some(peer), call.now);
        talk.put(&mut self.step.batch);
        self.talks.insert(id, talk);
        let since = if person.standing == Standing::Contact { person.since } else { call.now };
        let name = if name.is_empty() { person.name } else { name };
        let (standing, direct) = (Standing::Contact, Some(id));
        self.end_footing(peer, false);
        self.put_person(peer, Person { standing, name, since, direct, ..person });
        self.stock_up(call, peer);
        self.tell(ChatNews::Room { room: id });
        self.try_early(call, id);
        self.want_devices(call, id);
        Ok(Opened::Done)
    }

    /// How many conversations there are of us two.
    fn begun_two(&self, peer: IdentityId) -> usize {
        self.talks.values().filter(|talk| talk.record.direct == Some(peer)).count()
    }

    /// How many groups somebody has let this device into.
    pub(super) fn begun_groups(&self, peer: IdentityId) -> usize {
        let by = |talk: &&Talk| talk.record.affairs.entered.is_some_and(|(by, _)| by == peer);
        self.talks.values().filter(by).count()
    }

    pub(super) fn check_count(&self, peer: IdentityId, are_enough: bool) -> Result<(), ChatFault> {
        if are_enough { Err(ChatFault::TooManyRooms(peer)) } else { Ok(()) }
    }

    /// A package is used up, and whoever has used it is given another.
    pub(super) fn use_package<S: Store>(&mut self, call: &Call<'_, S>, used: u64, peer: IdentityId) {
        self.packages.remove(used, &mut self.step.batch);
        if self.people.is_contact(peer) || self.own.has(peer) {
            self.give_packages(call, peer, 1);
        }
    }

    /// The nodes at which devices of somebody are, as far as is known.
    pub fn nodes_of(&self, who: IdentityId) -> BTreeSet<IdentityId> {
        let known = self.talks.values().flat_map(|talk| &talk.known);
        known.filter(|(_, of)| **of == who).map(|(node, _)| *node).chain([who]).collect()
    }

    /// Whether the person whose device is at a node is blocked.
    pub(super) fn is_blocked(&self, node: IdentityId) -> bool {
        self.people.is_blocked(node) || self.people.is_blocked(self.person_of(node))
    }

    /// The conversation of two with a contact: which, since when it is here, and how many messages there have been.
    pub fn direct(&self, peer: IdentityId) -> Option<(RoomId, Time, u64)> {
        let room = self.people.get(peer)?.direct?;
        let record = &self.talks.get(&room)?.record;
        Some((room, record.since, record.next))
    }

    /// Conversations, in no order that means anything.
    pub fn talks(&self) -> impl Iterator<Item = super::TalkView> {
        self.talks.values().map(Talk::view).chain(self.lost_views())
    }

    pub fn talk(&self, room: RoomId) -> Option<super::TalkView> {
        self.talks.get(&room).map(Talk::view).or_else(|| self.lost_view(room))
    }
}
