//! Conversations of which the messages are here and the room is not: they came out of a [backup](crate::backup).
//!
//! The state of a room is never put back. Where others are still in it with this device, as they have it, they are told that nothing of the
//! room is here, by a [`Line`] without steps; and like whoever is on another line for good the device enters anew, in its own place, with
//! the key that follows from the identity's. Until then what was said is shown and nothing can be said. Who was removed meanwhile gets no
//! answer: an admin has to add them.
//!
//! Of those who answer some may have been removed since, and be on a line that the others have left. So a group is entered on the line of its
//! founder, or on one that more than half of the others have said to be on; on an admin's if neither has come for a minute, and on a member's if
//! none of these has for an hour ([decision 0064](../../../../docs/decisions/0064-who-is-believed.md)).
//!
//! So are those of which a linked device was [given](super::given) what was said, until another device of its person lets it in.

use std::collections::{BTreeMap, BTreeSet};

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Batch, IdentityId, Space, Span, Store, Time};

use super::talk::Record;
use super::{Call, ChatError, ChatFault, ChatNews, Chats, ChatsDamaged, TalkView};
use crate::backup::BackupTalk;
use crate::delivery::group_letter::GroupMatter;
use crate::delivery::letter::Letter;
use crate::mls::wire::Invitation;
use crate::mls::{Line, Role, Roles, Room, RoomId};

/// What is known of such a room: key is the room.
const LOST: Space = Space("chat-lost");
/// How long after one was told that the room is not here it is told another time; twice as long each time that nothing came of it.
const TELL_AGAIN: Span = Span::minutes(1);
/// How often that is doubled: up to some 17 hours.
const TELL_AGAIN_DOUBLED: u32 = 10;
/// How many of those who are there are told at a time: one that answers is enough.
const TOLD_AT_ONCE: usize = 4;
/// How long an admin's line waits for the founder's, or that of most.
const ADMIN_WAIT: Span = Span::minutes(1);
/// How long that of a member waits for any of those.
const MEMBER_WAIT: Span = Span::minutes(60);
/// Lines of others that are remembered meanwhile: of larger groups most say nothing to go by, but their founder and admins. Each is some 6 kB.
const LINES_MAX: usize = 128;
/// People that are known of one.
const MEMBERS_MAX: usize = crate::mls::DEVICES_MAX;

/// A conversation without its room.
pub(super) struct Lost {
    pub record: Record,
    pub members: BTreeSet<IdentityId>,
    pub roles: Option<Roles>,
    /// This device was not in it any more, or did not want to be.
    pub is_over: bool,
    /// When each of the others was last told, and how often. Not kept.
    told: BTreeMap<IdentityId, (Time, u32)>,
    /// The lines on which the others would have this device enter, by who is on each. Not kept.
    lines: BTreeMap<IdentityId, Line>,
    /// Since when there has been one.
    since: Option<Time>,
}

/// What speaks for entering on somebody's line; the first most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Founder,
    Most,
    Admin,
    Member,
}

impl Weight {
    /// How long it waits for what says more.
    fn wait(self) -> Span {
        match self {
            Weight::Founder | Weight::Most => Span::minutes(0),
            Weight::Admin => ADMIN_WAIT,
            Weight::Member => MEMBER_WAIT,
        }
    }
}

impl Lost {
    pub fn of(talk: BackupTalk) -> Self {
        let BackupTalk { direct, members, roles, is_in, since, lamport, next, read, unread, about, .. } = talk;
        let read = read.min(next);
        let record = Record { direct, since, lamport, next, read, unread, about, ..Record::default() };
        Self::new(record, members.into_iter().collect(), roles, !is_in)
    }

    fn new(record: Record, members: BTreeSet<IdentityId>, roles: Option<Roles>, is_over: bool) -> Self {
        Self { record, members, roles, is_over, told: BTreeMap::new(), lines: BTreeMap::new(), since: None }
    }

    fn role(&self, who: IdentityId) -> Role {
        self.roles.as_ref().map_or(Role::Member, |roles| roles.role(who))
    }

    /// Somebody is on that line.
    fn note(&mut self, who: IdentityId, line: &Line, now: Time) {
        self.since.get_or_insert(now);
        if self.lines.len() < LINES_MAX || self.lines.contains_key(&who) {
            self.lines.insert(who, line.clone());
        }
    }

    /// What speaks for the line of somebody, of the others here but `me`.
    fn weight(&self, who: IdentityId, line: &Line, me: IdentityId) -> Weight {
        let others = self.members.iter().filter(|member| **member != me).count();
        // Who only says that they are further has nobody for that.
        let same = self.lines.values().filter(|other| other.has_end_of(line)).count();
        match self.role(who) {
            Role::Founder => Weight::Founder,
            _ if 2 * same > others => Weight::Most,
            Role::Admin => Weight::Admin,
            Role::Member => Weight::Member,
        }
    }

    /// Whether this device is to enter on somebody's line now: nothing that says more is to be waited for any longer, and none of the others
    /// who are `there` has one that goes before.
    fn is_to_enter(
        &self,
        (who, line): (IdentityId, &Line),
        me: IdentityId,
        now: Time,
        there: &BTreeSet<IdentityId>,
    ) -> bool {
        let weight = self.weight(who, line, me);
        let goes_before = |(other, theirs): (&IdentityId, &Line)| {
            let theirs_weight = self.weight(*other, theirs, me);
            let is_further = theirs.goes_before(line) && !line.goes_before(theirs);
            theirs_weight < weight || (theirs_weight == weight && is_further)
        };
        let waited = self.since.map_or(Span::minutes(0), |since| now.since(since));
        let mut others = self.lines.iter().filter(|(other, _)| **other != who && there.contains(other));
        waited >= weight.wait() && !others.any(goes_before)
    }

    pub fn load_all(store: &impl Store) -> Result<BTreeMap<RoomId, Self>, ChatsDamaged> {
        let read = |(key, value): (Vec<u8>, Vec<u8>)| {
            let room = RoomId::from_bytes(&key).map_err(ChatsDamaged::Talk)?;
            let mut lost = Self::from_bytes(&value).map_err(ChatsDamaged::Talk)?;
            lost.record = Record::load(room, store)?;
            Ok((room, lost))
        };
        store.scan_prefix(LOST, &[]).into_iter().map(read).collect()
    }

    pub fn put(&self, room: RoomId, batch: &mut Batch) {
        batch.put(LOST, room.0, self.to_bytes());
        self.record.put(room, batch);
    }

    /// How it stands at the first device of our person.
    pub fn head_came(&mut self, head: &BackupTalk) {
        self.members = head.members.iter().copied().collect();
        self.roles.clone_from(&head.roles);
        self.is_over = !head.is_in;
    }

    fn view(&self, room: RoomId) -> TalkView {
        let Record { direct, since, next, unread, about, .. } = &self.record;
        let role = |who: &IdentityId| self.roles.as_ref().map_or(Role::Member, |roles| roles.role(*who));
        let names = about.profiles.iter().map(|(who, profile)| (*who, profile.value.nickname.to_string()));
        TalkView {
            room,
            direct: *direct,
            title: about.title.as_ref().map(|title| title.value.to_string()),
            is_group: direct.is_none(),
            since: *since,
            members: Vec::new(),
            roles: self.members.iter().map(|who| (*who, role(who))).collect(),
            names: names.collect(),
            awaited: Vec::new(),
            is_member: false,
            is_lost: !self.is_over,
            is_leaving: false,
            messages: *next,
            unread: *unread,
            authenticator: Vec::new(),
            epoch: 0,
        }
    }
}

impl Chats {
    pub(super) fn lost_views(&self) -> impl Iterator<Item = TalkView> {
        self.lost.iter().map(|(room, lost)| lost.view(*room))
    }

    pub(super) fn lost_view(&self, room: RoomId) -> Option<TalkView> {
        self.lost.get(&room).map(|lost| lost.view(room))
    }

    /// Why nothing can be done in a conversation that is none of those with a room.
    pub(super) fn no_room(&self, room: RoomId) -> ChatError {
        match self.lost.get(&room) {
            Some(Lost { is_over: false, .. }) => ChatError::NotBack,
            Some(_) => ChatError::NotMember,
            None => ChatError::NoRoom,
        }
    }

    /// Those who were with us in rooms that are to be entered anew.
    pub(super) fn lost_companions(&self) -> impl Iterator<Item = IdentityId> {
        let me = self.me();
        let open = self.lost.values().filter(|lost| !lost.is_over);
        open.flat_map(|lost| lost.members.iter().copied()).filter(move |who| *who != me)
    }

    /// Those who are there are told which rooms are not here.
    pub(super) fn tell_of_lost<S: Store>(&mut self, call: &Call<'_, S>) {
        if !self.is_first() {
            // Of these the first device tells, and lets this one in.
            return;
        }
        let (me, there): (_, BTreeSet<IdentityId>) = (self.me(), self.outbox.there().collect());
        let mut due = Vec::new();
        for (room, lost) in self.lost.iter().filter(|(_, lost)| !lost.is_over) {
            let wait = |times: u32| Span(TELL_AGAIN.0 << times.min(TELL_AGAIN_DOUBLED));
            let told = &lost.told;
            let is_due = |who: &IdentityId| told.get(who).is_none_or(|(at, times)| call.now >= *at + wait(*times));
            let heard = |who: &IdentityId| *who != me && !self.people.is_blocked(*who);
            // The other one of two is told although they are away: it waits for them.
            let is_direct = |who: &IdentityId| lost.record.direct == Some(*who) && !told.contains_key(who);
            let whom = lost.members.iter().filter(|who| heard(who) && is_due(who));
            let mut whom: Vec<IdentityId> = whom.filter(|who| there.contains(who) || is_direct(who)).copied().collect();
            whom.sort_by_key(|who| lost.role(*who));
            due.extend(whom.into_iter().take(TOLD_AT_ONCE).map(|who| (*room, who)));
        }
        for (room, who) in due {
            if let Some(lost) = self.lost.get_mut(&room) {
                let told = lost.told.entry(who).or_insert((call.now, 0));
                *told = (call.now, told.1 + 1);
            }
            self.post_matter(call, GroupMatter::Line { room, line: Line::default(), asks: true }, [who]);
        }
    }

    /// What a member of a room that is not here says to keep it one.
    pub(super) fn matter_of_lost<S: Store>(
        &mut self,
        call: &Call<'_, S>,
        (room, peer): (RoomId, IdentityId),
        what: GroupMatter,
    ) -> Result<(), ChatFault> {
        let lost = self.lost.get(&room).ok_or(ChatFault::NoRoom(room))?;
        if !lost.members.contains(&peer) {
            return Err(ChatFault::NotByMember(room));
        }
        match what {
            GroupMatter::Info { line, invitation, tree, .. } if lost.told.contains_key(&peer) => {
                if lost.record.direct.is_none() && !self.may_come_back(call, (room, peer), &line, &invitation)? {
                    return Ok(());
                }
                self.come_back(call, (room, peer), (&invitation, &tree))
            }
            // All else is of a room that is not here.
            _ => Ok(()),
        }
    }

    /// Whether a group is to be entered on the line that somebody has said to be on.
    fn may_come_back<S: Store>(
        &mut self,
        call: &Call<'_, S>,
        (room, peer): (RoomId, IdentityId),
        line: &Line,
        invitation: &[u8],
    ) -> Result<bool, ChatFault> {
        let invited = Invitation::from_bytes(invitation).map_err(ChatFault::Letter)?;
        let (me, there) = (self.me(), self.outbox.there().collect());
        let Some(lost) = self.lost.get_mut(&room) else { return Err(ChatFault::NoRoom(room)) };
        if line.steps.last().map(|step| step.tag) != Some(invited.tag) {
            return Err(ChatFault::NotByMember(room));
        }
        lost.note(peer, line, call.now);
        Ok(lost.is_to_enter((peer, line), me, call.now, &there))
    }

    /// Enters a room anew of which nothing but what was said in it is here.
    fn come_back<S: Store>(
        &mut self,
        call: &Call<'_, S>,
        (room, peer): (RoomId, IdentityId),
        (invitation, tree): (&[u8], &[u8]),
    ) -> Result<(), ChatFault> {
        let invited = Invitation::from_bytes(invitation).map_err(ChatFault::Letter)?;
        let Some(lost) = self.lost.get(&room).filter(|_| invited.room == room) else {
            return Err(ChatFault::NotByMember(room));
        };
        let mut batch = Batch::new();
        let entered =
            Room::enter_by_external_commit(&self.device, (invitation, tree), &call.draw(), call.now, &mut batch);
        let (entered, frame) = entered.map_err(ChatFault::Entry)?;
        let me = self.me();
        let mut others: BTreeSet<IdentityId> = entered.members().iter().map(|member| member.identity).collect();
        others.remove(&me);
        let is_of_founder = lost.roles.as_ref().is_none_or(|known| entered.follows(known));
        let is_of_two = lost.record.direct.is_none_or(|other| others == BTreeSet::from([other]));
        if !is_of_founder || !is_of_two || !others.contains(&peer) {
            return Err(ChatFault::NotByMember(room));
        }
        let own = self.node();
        let nodes: BTreeSet<IdentityId> =
            entered.members().iter().map(|member| member.node).filter(|node| *node != own).collect();
        let letter = Letter::Sealed(frame);
        for node in &nodes {
            // Who has too much waiting says how it stands when it comes back.
            let _ = self.outbox.put(&letter, [*node], &mut self.step.batch);
        }
        self.take_room(call, entered, batch, peer);
        self.find_devices(call, room, peer);
        nodes.into_iter().for_each(|other| self.send_due(other, call.store));
        Ok(())
    }

    /// Whether somebody may let this device into a room that was lost: a group, by what is signed for those who knew it.
    pub(super) fn check_lost(&self, room: &Room, by: IdentityId) -> Result<(), ChatFault> {
        let Some(lost) = self.lost.get(&room.id()) else { return Ok(()) };
        let me = self.me();
        let is_it = lost.roles.as_ref().is_some_and(|known| room.follows(known) && room.shows_adding(by, me, known));
        if is_it && lost.record.direct.is_none() { Ok(()) } else { Err(ChatFault::NotByMember(room.id())) }
    }

    /// What was kept of a conversation whose room is here from now on.
    pub(super) fn found_again(&mut self, room: RoomId, now: Time) -> Option<Record> {
        let mut record = self.lost.remove(&room)?.record;
        self.step.batch.delete(LOST, room.0);
        record.affairs.renewed(now);
        Some(record)
    }

    /// Somebody says that nothing is left to them of a room of the two of us: the keys that they gave are of no use any more, and those that
    /// they were given are gone.
    pub(super) fn restock<S: Store>(&mut self, call: &Call<'_, S>, (room, peer): (RoomId, IdentityId), theirs: &Line) {
        let is_direct = self.talks.get(&room).is_some_and(|talk| talk.record.direct == Some(peer));
        if theirs.steps.is_empty() && is_direct && self.people.is_contact(peer) {
            self.give_packages(call, peer, super::packages::STOCK_FIRST);
        }
    }

    /// Our person has looked at what was said there. Nobody hears of it.
    pub(super) fn mark_lost_read(&mut self, room: RoomId) -> Result<(), ChatError> {
        let lost = self.lost.get_mut(&room).ok_or(ChatError::NoRoom)?;
        (lost.record.read, lost.record.unread) = (lost.record.next, 0);
        lost.record.put(room, &mut self.step.batch);
        self.tell(ChatNews::Room { room });
        Ok(())
    }
}

impl Encode for Lost {
    fn encode(&self, out: &mut Writer) {
        out.list(&self.members.iter().copied().collect::<Vec<_>>());
        out.option(self.roles.as_ref());
        out.flag(self.is_over);
    }
}

impl Decode for Lost {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let members = input.list(MEMBERS_MAX)?.into_iter().collect();
        let (roles, is_over) = (input.option()?, input.flag()?);
        Ok(Self::new(Record::default(), members, roles, is_over))
    }
}
