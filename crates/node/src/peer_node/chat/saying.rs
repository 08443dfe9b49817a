//! Saying something, and reading what was said.

use byway_chat::chats::{ChatError, Draft, TalkView};
use byway_chat::content::bounded::{BoundedList, BoundedText, TooMuch};
use byway_chat::content::limits::MENTIONS_MAX;
use byway_chat::content::post::{Deletion, Edit, Emoji, Post, Reaction, Text};
use byway_chat::content::{Kind, MessageId, MessageRef, markdown};
use byway_chat::mls::RoomId;
use byway_primitives::IdentityId;
use byway_primitives::hash::Context;

use super::super::Actor;
use crate::api::params::IdempotencyKey;
use crate::api::*;

/// What the conversation with oneself is called in calls.
const ME: &str = "me";

const MESSAGE: Context = Context("byway 1 hash: message of an idempotency key");

impl Actor {
    /// Says something; under the same key it is said once.
    pub(in super::super) fn send_in_chat(&mut self, request: &ChatSend) -> Answer<ChatItem> {
        let room = self.room_named(&request.to)?;
        let text = self.text_in(room, &request.text)?;
        if request.text.trim().is_empty() {
            return Err(ApiError::invalid_params("text", "there is nothing in it"));
        }
        let id = self.message_id(room, &request.idempotency_key);
        let of = MessageRef { author: self.chat_me(), id };
        if let Some(shown) = self.chat_item(room, &of) {
            let said = shown.item.content().map(|content| &content.kind);
            let is_same = said.is_none_or(|kind| matches!(kind, Kind::Post(post) if post.text.source == text.source));
            return if is_same { Ok(self.chat_shown(room, &shown)) } else { Err(ApiError::idempotency_conflict()) };
        }
        let [thread, reply] = [&request.thread, &request.reply].map(|of| of.as_deref().map(message_named).transpose());
        let draft =
            Draft { id: Some(id), thread: thread?, reply: reply?, kind: Kind::Post(Post { text, ..Post::default() }) };
        self.say_message(room, draft)
    }

    /// The id of what is said under a key: another one on each device of our person, since each has keys of its own.
    pub(super) fn message_id(&self, room: RoomId, key: &IdempotencyKey) -> MessageId {
        let id = MESSAGE.hash(&[&self.me().0, &room.0, key.as_str().as_bytes()]).0;
        MessageId(*id.first_chunk().expect("a digest is longer"))
    }

    /// Says a message that has an id, and gives it as it stands then.
    pub(super) fn say_message(&mut self, room: RoomId, draft: Draft) -> Answer<ChatItem> {
        let id = draft.id.expect("whoever wants to see it has drawn one");
        self.say(room, draft)?;
        self.said(room, MessageRef { author: self.chat_me(), id })
    }

    /// Says something about a message, and gives that as it stands then.
    pub(super) fn say_of(&mut self, room: RoomId, of: MessageRef, kind: Kind) -> Answer<ChatItem> {
        self.say(room, kind.into())?;
        self.said(room, of)
    }

    fn said(&self, room: RoomId, of: MessageRef) -> Answer<ChatItem> {
        let shown = self.chat_item(room, &of);
        shown.map(|shown| self.chat_shown(room, &shown)).ok_or_else(ApiError::chat_message_not_found)
    }

    /// Says something about a message that is there.
    pub(in super::super) fn say_about(&mut self, request: &ChatAbout) -> Answer<ChatItem> {
        let room = self.room_named(&request.to)?;
        let of = message_named(&request.message)?;
        let shown = self.chat_item(room, &of).ok_or_else(ApiError::chat_message_not_found)?;
        let value = || request.value.as_deref().ok_or_else(|| ApiError::invalid_params("value", "it is missing"));
        let kind = match request.what {
            ChatAboutWhat::Edit => Kind::Edit(Edit { of, text: self.text_in(room, value()?)? }),
            ChatAboutWhat::Delete => Kind::Deletion(Deletion { of }),
            ChatAboutWhat::React | ChatAboutWhat::Unreact => {
                let emoji = Emoji::new(value()?).map_err(|error| ApiError::invalid_params("value", error))?;
                Kind::Reaction(Reaction { of, emoji, is_there: request.what == ChatAboutWhat::React })
            }
            ChatAboutWhat::Close => Self::close_poll(of, &shown)?,
        };
        self.say_of(room, of, kind)
    }

    /// Messages of a conversation, the newest first.
    pub(in super::super) fn read_chat(&self, request: &ChatRead) -> Answer<Vec<ChatItem>> {
        let room = self.room_named(&request.to)?;
        let page = self.chat_page(room, request.before, request.limit);
        Ok(page.iter().map(|shown| self.chat_shown(room, shown)).collect())
    }

    pub(in super::super) fn mark_chat(&mut self, request: &ChatMark) -> Answer<ChatConversation> {
        let room = self.room_named(&request.to)?;
        let tell = request.tell && self.config.chat.tells.read_marks;
        let marked = self.with_chats(|chats, now, seed, store| chats.mark_read(now, seed, room, tell, store));
        marked.map_err(ApiError::chat)?;
        self.unmark_unread(room);
        let view = self.chats().talk(room).ok_or_else(ApiError::chat_not_found)?;
        Ok(self.conversation(&view))
    }

    /// A text as it is said in a conversation: it calls the others who are in it, and nobody else.
    pub(super) fn text_in(&self, room: RoomId, source: &str) -> Answer<Text> {
        let (me, view) = (self.chat_me(), self.chats().talk(room));
        let is_other = |who: &IdentityId| *who != me && view.as_ref().is_some_and(|view| view.roles.contains_key(who));
        text(source, is_other)
    }

    pub(super) fn say(&mut self, room: RoomId, draft: Draft) -> Answer<()> {
        let said = self.with_chats(|chats, now, seed, store| chats.say(now, seed, room, draft, store));
        said.map_err(ApiError::chat)?;
        self.reach_channel_peers();
        Ok(())
    }

    /// A conversation by its id, by the other one's identity, or by what they are called here or in the ledger's directory, or a group is.
    pub(super) fn room_named(&self, name: &str) -> Answer<RoomId> {
        let (name, chats) = (name.trim(), self.chats());
        if name == ME || name.parse() == Ok(self.chat_me()) {
            return chats.own_room().ok_or_else(ApiError::chat_not_found);
        }
        let mut id = [0; 32];
        if hex::decode_to_slice(name, &mut id).is_ok() {
            return chats.talk(RoomId(id)).map(|view| view.room).ok_or_else(ApiError::chat_not_found);
        }
        if let Ok(peer) = name.parse::<IdentityId>() {
            let person = chats.people().get(peer).ok_or_else(|| ApiError::chat(ChatError::Unknown(peer)))?;
            return person.direct.ok_or_else(|| ApiError::chat_not_begun(peer));
        }
        let owner = self.identity_named(name);
        let named = chats
            .people()
            .iter()
            .filter(|(peer, person)| owner == Some(*peer) || person.shown_name().eq_ignore_ascii_case(name));
        let is_called = |view: &TalkView| {
            view.is_group && view.title.as_ref().is_some_and(|title| title.eq_ignore_ascii_case(name))
        };
        let groups = chats.talks().filter(is_called).map(|view| view.room);
        let rooms: Vec<RoomId> = named.filter_map(|(_, person)| person.direct).chain(groups).collect();
        match rooms[..] {
            [room] => Ok(room),
            [] => Err(ApiError::chat_not_found()),
            _ => Err(ApiError::invalid_params(
                "to",
                "several contacts or groups go by that name; give an identity or a conversation",
            )),
        }
    }
}

/// A text, with whom it calls of those who may be called.
pub(super) fn text(source: &str, may_be_called: impl Fn(&IdentityId) -> bool) -> Answer<Text> {
    let source = BoundedText::new(source).map_err(|TooMuch { limit, .. }| {
        ApiError::invalid_params("text", format_args!("it is longer than {limit} bytes"))
    })?;
    let mut called = markdown::mentioned(&markdown::parse(&source));
    called.retain(may_be_called);
    called.truncate(MENTIONS_MAX);
    Ok(Text { mentions: BoundedList::new(called).expect("no more are left"), source })
}

/// A message, as `AUTHOR/ID`.
pub(super) fn message_named(text: &str) -> Answer<MessageRef> {
    let parts = text.split_once('/').and_then(|(author, id)| Some((author.parse().ok()?, id.parse().ok()?)));
    let (author, id) = parts.ok_or_else(|| ApiError::invalid_params("message", "it is not of the form AUTHOR/ID"))?;
    Ok(MessageRef { author, id })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mention(byte: u8) -> String {
        format!("[@x](mention:{}) ", IdentityId([byte; 20]))
    }

    fn called(source: &str, may_be_called: impl Fn(&IdentityId) -> bool) -> Vec<u8> {
        text(source, may_be_called).unwrap().mentions.iter().map(|who| who.0[0]).collect()
    }

    #[test]
    fn a_text_calls_each_once_who_may_be_called_and_not_more_than_a_message_holds() {
        let source = format!("{}\n- **{}**\n\n> {}{}`{}`", mention(2), mention(1), mention(2), mention(3), mention(4));
        assert_eq!(called(&source, |_| true), [2, 1, 3], "in the order in which they are called, and not in code");
        assert_eq!(called(&source, |who| who.0[0] != 2), [1, 3]);
        let crowd: String = (0..=MENTIONS_MAX as u8).map(mention).collect();
        assert_eq!(called(&crowd, |_| true).len(), MENTIONS_MAX);
        assert_eq!(called(&crowd, |who| who.0[0] == MENTIONS_MAX as u8), [MENTIONS_MAX as u8], "others take no room");
    }
}
