//! People, conversations and messages as they are shown. Whatever others have written is made harmless to look at.

use byway_chat::chats::{Safety, Shown, TalkView};
use byway_chat::content::item::Item;
use byway_chat::content::{MessageRef, display};
use byway_chat::mls::{Role, RoomId};
use byway_chat::people::{Person, Standing};
use byway_primitives::{IdentityId, Time};

use super::super::Actor;
use super::called::{Alike, Called};
use crate::api::*;

/// How many of the newest messages are looked through for one that calls our person: each time that a conversation is shown.
const MENTIONED_LOOK: usize = 100;
/// What the conversation with oneself is called.
pub(super) const OWN_TITLE: &str = "Notes to yourself";

impl Actor {
    pub(in super::super) fn chat_people(&self) -> Vec<ChatPerson> {
        let people = self.chats().people();
        let alike = Alike::of(people);
        people.iter().map(|(peer, person)| self.person(peer, person, &alike)).collect()
    }

    pub(super) fn chat_person(&self, peer: IdentityId) -> Answer<ChatPerson> {
        let unknown = || ApiError::chat(byway_chat::chats::ChatError::Unknown(peer));
        let people = self.chats().people();
        people.get(peer).map(|person| self.person(peer, person, &Alike::of(people))).ok_or_else(unknown)
    }

    pub(super) fn person(&self, identity: IdentityId, person: &Person, alike: &Alike) -> ChatPerson {
        let standing = standing_of(&person.standing);
        let Called { primary_name, registered, looks_like } = self.ledger_says(identity, person, alike);
        let (refused, paid, introduced_by) = self.footing_of(identity);
        let claimed = person.nickname.is_some().then(|| display::name(&person.name)).flatten();
        let Safety { number: safety_number, words: safety_words } = self.chats().safety(identity);
        ChatPerson {
            identity,
            name: display::name(person.shown_name()).unwrap_or_default(),
            claimed,
            standing,
            since_ms: person.since,
            conversation: person.direct.map(|room| hex::encode(room.0)),
            online: self.chats().nodes_of(identity).into_iter().any(|node| self.market.is_talking_to(node)),
            waiting: self.chats().waiting_for(identity),
            primary_name,
            registered,
            looks_like,
            refused,
            paid,
            introduced_by,
            safety_number,
            safety_words,
            verified_ms: person.verified,
        }
    }

    /// Conversations, those that are pinned first, then that with the newest message.
    pub(in super::super) fn conversations(&self) -> Vec<ChatConversation> {
        let mut all: Vec<_> = self.chats().talks().map(|view| self.conversation(&view)).collect();
        let newest = |talk: &ChatConversation| talk.newest.as_ref().map_or(talk.since_ms, |item| item.sent_ms);
        all.sort_by_key(|talk| std::cmp::Reverse((talk.pinned, newest(talk))));
        all
    }

    pub(super) fn conversation(&self, view: &TalkView) -> ChatConversation {
        let room = view.room;
        let members: Vec<IdentityId> = view.roles.keys().copied().collect();
        let own = self.chat_own.of(room);
        ChatConversation {
            conversation: hex::encode(room.0),
            title: self.title_of(view),
            peer: view.direct,
            members,
            member: view.is_member,
            restored: view.is_lost,
            since_ms: view.since,
            messages: view.messages,
            unread: view.unread,
            mentioned: view.unread > 0 && self.is_mentioned(view),
            newest: self.chat_page(room, None, 1).first().map(|shown| self.chat_shown(room, shown)),
            draft: own.draft,
            pinned: own.pinned,
            muted_until_ms: own.muted_until.filter(|until| *until > self.clock.now()),
            marked_unread: own.marked_unread,
            group: view.is_group.then(|| self.group_of(view)),
        }
    }

    /// Whether one of the newest messages that nobody has looked at calls our person.
    fn is_mentioned(&self, view: &TalkView) -> bool {
        let newest = self.chat_page(view.room, None, MENTIONED_LOOK);
        newest.iter().any(|shown| shown.place >= view.read && calls(&shown.item, self.chat_me()))
    }

    fn group_of(&self, view: &TalkView) -> ChatGroup {
        let known =
            |who: &IdentityId| self.chats().people().get(*who).and_then(|person| display::name(person.shown_name()));
        let said = |who: &IdentityId| view.names.get(who).and_then(|name| display::name(name));
        let member = |(who, role): (&IdentityId, &Role)| ChatMember {
            identity: *who,
            name: known(who).or_else(|| said(who)).unwrap_or_default(),
            role: match role {
                Role::Founder => ChatRole::Founder,
                Role::Admin => ChatRole::Admin,
                Role::Member => ChatRole::Member,
            },
        };
        ChatGroup {
            members: view.roles.iter().map(member).collect(),
            awaited: view.awaited.clone(),
            leaving: view.is_leaving,
        }
    }
}

pub(super) fn standing_of(standing: &Standing) -> ChatStanding {
    match standing {
        Standing::Asked => ChatStanding::Asked,
        Standing::Asking { .. } => ChatStanding::Asking,
        Standing::Contact => ChatStanding::Contact,
        Standing::Blocked => ChatStanding::Blocked,
    }
}

/// Whether it calls somebody, as it stands; nobody calls themselves.
pub(super) fn calls(item: &Item, who: IdentityId) -> bool {
    item.of.author != who && item.text().is_some_and(|text| text.mentions.contains(&who))
}

/// A message without what only its kind has, and its files.
pub(super) fn item(room: RoomId, shown: &Shown) -> ChatItem {
    let item = &shown.item;
    let (place, content) = (item.place(), item.content());
    let reference = |of: MessageRef| format!("{}/{}", of.author, of.id);
    let reactions = item.reactions().into_iter();
    let reached = |is_so: fn(&byway_chat::content::item::Reached) -> bool| {
        item.reached().iter().filter(|(_, reached)| is_so(reached)).map(|(person, _)| *person).collect()
    };
    ChatItem {
        conversation: hex::encode(room.0),
        message: reference(item.of),
        author: item.of.author,
        place: shown.place,
        sent_ms: place.map_or(Time::ZERO, |place| place.sent),
        kind: content.map_or("text", |content| content.kind.name()).to_owned(),
        text: item.text().map(|text| text.source.to_string()).unwrap_or_default(),
        mentions_me: false,
        edited: item.versions().next().is_some(),
        deleted: item.is_gone(),
        reply: place.and_then(|place| place.reply).map(reference),
        thread: place.and_then(|place| place.thread).map(reference),
        reactions: reactions.map(|(emoji, people)| ChatReaction { emoji: emoji.as_str().to_owned(), people }).collect(),
        attachments: Vec::new(),
        levels: Vec::new(),
        poll: None,
        list: None,
        remind_ms: None,
        received: reached(|reached| reached.received.is_some() || reached.read.is_some()),
        read: reached(|reached| reached.read.is_some()),
    }
}
