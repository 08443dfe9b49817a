//! Polls, lists, memos, and what is true for a moment: saying them, and showing them as they stand.

use byway_chat::chats::{Draft, Shown};
use byway_chat::content::bounded::BoundedList;
use byway_chat::content::bounded::BoundedText;
use byway_chat::content::lists::{Entries, EntryId, List, ListChange, ListChanges, ListStyle, NoRoom};
use byway_chat::content::poll::{Choices, NotAPoll, Poll, PollClose, Vote};
use byway_chat::content::post::Memo;
use byway_chat::content::signs::{PRESENCE_SHOWN, Presence, TYPING_SHOWN, Typing};
use byway_chat::content::{Change, Item, Kind, MessageRef, display};
use byway_chat::mls::RoomId;
use byway_driver::entropy;
use byway_primitives::hash::Context;

use super::super::Actor;
use super::saying::{message_named, text};
use super::views::{self, calls};
use crate::api::params::IdempotencyKey;
use crate::api::*;

const ENTRY: Context = Context("byway 1 hash: entry of an idempotency key");

impl Actor {
    /// A message with all that is shown of it.
    pub(super) fn chat_shown(&self, room: RoomId, shown: &Shown) -> ChatItem {
        let mut view = views::item(room, shown);
        // Its sender's clock may be wrong, or lie: nothing is from the future.
        view.sent_ms = view.sent_ms.min(self.clock.now());
        view.mentions_me = calls(&shown.item, self.chat_me());
        view.attachments = self.attachments(room, shown);
        match shown.item.content().map(|content| &content.kind) {
            Some(Kind::Voice(voice)) => view.levels = voice.levels.to_vec(),
            Some(Kind::Memo(memo)) => view.remind_ms = memo.remind,
            Some(Kind::Poll(poll)) => view.poll = Some(self.poll(poll, &shown.item)),
            Some(Kind::List(list)) => view.list = Some(list_view(list, shown.item.entries())),
            _ => {}
        }
        view
    }

    fn poll(&self, poll: &Poll, item: &Item) -> ChatPoll {
        let tally = item.tally().expect("a poll has votes, be it none");
        let is_over = poll.closes().is_some_and(|closes| closes < self.clock.now());
        let options = poll.options().zip(tally.chosen).map(|(text, people)| {
            let chosen = people.contains(&self.chat_me());
            ChatPollOption { text: display::line(text), people, chosen }
        });
        ChatPoll {
            question: display::line(poll.question()),
            options: options.collect(),
            choices_max: poll.choices_max(),
            closes_ms: poll.closes(),
            closed: tally.is_closed || is_over,
        }
    }

    pub(in super::super) fn show_in_chat(&self, request: &ChatShow) -> Answer<ChatItem> {
        let (room, _, shown) = self.message_of(&request.to, &request.message)?;
        Ok(self.chat_shown(room, &shown))
    }

    pub(in super::super) fn ask_poll(&mut self, request: &ChatPollAsk) -> Answer<ChatItem> {
        let room = self.room_named(&request.to)?;
        let options: Vec<&str> = request.options.iter().map(|option| option.trim()).collect();
        if request.question.trim().is_empty() || options.iter().any(|option| option.is_empty()) {
            return Err(ApiError::invalid_params("question", "the question and all options have something in them"));
        }
        let poll = Poll::new(request.question.trim(), &options, request.choices_max, request.closes_ms);
        let poll = poll.map_err(|error| match error {
            NotAPoll::Choices => ApiError::invalid_params("choices_max", error),
            error => ApiError::invalid_params("options", error),
        })?;
        self.say_once(room, &request.idempotency_key, Kind::Poll(poll))
    }

    pub(in super::super) fn vote_in_poll(&mut self, request: &ChatVote) -> Answer<ChatItem> {
        let (room, of, shown) = self.message_of(&request.to, &request.message)?;
        let Some(Kind::Poll(poll)) = shown.item.content().map(|content| &content.kind) else {
            return Err(ApiError::chat_misfit("poll"));
        };
        let choices = Choices::new(request.choices.iter().copied()).filter(|choices| choices.fits(poll));
        let choices = choices.ok_or_else(|| {
            let most = poll.choices_max();
            ApiError::invalid_params("choices", format_args!("they are up to {most} places of options, from 0"))
        })?;
        if self.poll(poll, &shown.item).closed {
            return Err(ApiError::chat_poll_closed());
        }
        self.say_of(room, of, Kind::Vote(Vote { poll: of, choices }))
    }

    /// Ends a poll of our person's.
    pub(super) fn close_poll(of: MessageRef, shown: &Shown) -> Answer<Kind> {
        match shown.item.content().map(|content| &content.kind) {
            Some(Kind::Poll(_)) => Ok(Kind::PollClose(PollClose { poll: of })),
            _ => Err(ApiError::chat_misfit("poll")),
        }
    }

    pub(in super::super) fn make_list(&mut self, request: &ChatListMake) -> Answer<ChatItem> {
        let room = self.room_named(&request.to)?;
        let key = &request.idempotency_key;
        let mut entries = Entries::default();
        let mut changes = Vec::new();
        for (number, line) in (0u64..).zip(&request.entries) {
            // The same under the same key, so that it is one list.
            let drawn = ENTRY.hash(&[&self.me().0, &room.0, &number.to_be_bytes(), key.as_str().as_bytes()]).0;
            let entry = EntryId(*drawn.first_chunk().expect("a digest is longer"));
            let last = entries.shown().last().map(|(entry, _)| *entry);
            let place = entries.place_behind(last).map_err(no_room)?;
            let change = ListChange::Put { entry, place, text: list_line("entries", line)? };
            apply(&mut entries, &change)?;
            changes.push(change);
        }
        let style = match request.style {
            ChatListStyle::Tasks => ListStyle::Tasks,
            ChatListStyle::Things => ListStyle::Shared,
        };
        let changes = BoundedList::new(changes).map_err(|error| ApiError::invalid_params("entries", error))?;
        let list = List { title: list_line("title", &request.title)?, style, changes };
        self.say_once(room, key, Kind::List(list))
    }

    pub(in super::super) fn change_list(&mut self, request: &ChatListChange) -> Answer<ChatItem> {
        let (room, of, shown) = self.message_of(&request.to, &request.message)?;
        let Some(Kind::List(_)) = shown.item.content().map(|content| &content.kind) else {
            return Err(ApiError::chat_misfit("list"));
        };
        if request.changes.is_empty() {
            return Err(ApiError::invalid_params("changes", "there are none"));
        }
        let mut entries = shown.item.entries().clone();
        let mut changes = Vec::new();
        for edit in &request.changes {
            let change = change_of(edit, &entries)?;
            apply(&mut entries, &change)?;
            changes.push(change);
        }
        let changes = BoundedList::new(changes).map_err(|error| ApiError::invalid_params("changes", error))?;
        self.say_of(room, of, Kind::ListChanges(ListChanges { list: of, changes }))
    }

    pub(in super::super) fn note_memo(&mut self, request: &ChatMemo) -> Answer<ChatItem> {
        let text = text(&request.text, |_| false)?;
        if request.text.trim().is_empty() {
            return Err(ApiError::invalid_params("text", "there is nothing in it"));
        }
        let room = self.with_chats(|chats, now, seed, store| chats.found_own_room(now, seed, store));
        let room = room.map_err(ApiError::chat)?;
        self.say_once(room, &request.idempotency_key, Kind::Memo(Memo { text, remind: request.remind_ms }))
    }

    pub(in super::super) fn tell_typing(&mut self, request: &ChatTyping) -> Answer<()> {
        let room = self.room_named(&request.to)?;
        if !self.config.chat.tells.typing {
            return Ok(());
        }
        self.say(room, Kind::Typing(Typing { is_typing: request.typing }).into())
    }

    pub(in super::super) fn tell_presence(&mut self, request: ChatPresenceSet) -> Answer<()> {
        if !self.config.chat.tells.presence {
            return Ok(());
        }
        let presence = match request.presence {
            ChatPresence::Away => Presence::Away,
            ChatPresence::Here => Presence::Here,
            ChatPresence::Busy => Presence::Busy,
        };
        let me = self.chat_me();
        let talks = self.chats().talks().filter(|talk| talk.is_member && talk.direct != Some(me));
        let rooms: Vec<RoomId> = talks.map(|talk| talk.room).collect();
        rooms.into_iter().try_for_each(|room| self.say(room, Kind::Presence(presence).into()))
    }

    /// Changes what others are told, and gives what they are.
    pub(in super::super) fn set_chat_tells(&mut self, request: &ChatTellsSet) -> ChatTells {
        let tells = &mut self.config.chat.tells;
        let before = *tells;
        tells.typing = request.typing.unwrap_or(before.typing);
        tells.presence = request.presence.unwrap_or(before.presence);
        tells.read_marks = request.read_marks.unwrap_or(before.read_marks);
        let tells = *tells;
        if tells != before {
            self.keep_chat_tells();
        }
        tells
    }

    /// Somebody is writing, or there, for a moment.
    pub(super) fn chat_sign(&self, room: RoomId, change: &Change) {
        let now = self.clock.now();
        let (who, typing, presence, span) = match change {
            Change::Typing { who, is_typing, .. } => (who, Some(*is_typing), None, TYPING_SHOWN),
            Change::Presence { who, presence } => {
                let presence = match presence {
                    Presence::Away => ChatPresence::Away,
                    Presence::Here => ChatPresence::Here,
                    Presence::Busy => ChatPresence::Busy,
                };
                (who, None, Some(presence), PRESENCE_SHOWN)
            }
            _ => return,
        };
        if who.identity != self.chat_me() {
            let (conversation, person) = (hex::encode(room.0), who.identity);
            self.tell(Event::ChatSign(ChatSign { conversation, person, typing, presence, until_ms: now + span }));
        }
    }

    fn message_of(&self, to: &str, message: &str) -> Answer<(RoomId, MessageRef, Shown)> {
        let room = self.room_named(to)?;
        let of = message_named(message)?;
        let shown = self.chat_item(room, &of).ok_or_else(ApiError::chat_message_not_found)?;
        Ok((room, of, shown))
    }

    /// Says a message; under the same key it is said once.
    fn say_once(&mut self, room: RoomId, key: &IdempotencyKey, kind: Kind) -> Answer<ChatItem> {
        let id = self.message_id(room, key);
        if let Some(shown) = self.chat_item(room, &MessageRef { author: self.chat_me(), id }) {
            let is_same = shown.item.content().is_none_or(|content| content.kind == kind);
            return if is_same { Ok(self.chat_shown(room, &shown)) } else { Err(ApiError::idempotency_conflict()) };
        }
        self.say_message(room, Draft { id: Some(id), ..kind.into() })
    }
}

fn list_view(list: &List, entries: &Entries) -> ChatList {
    let entries = entries.shown().into_iter().map(|(id, entry)| ChatListEntry {
        entry: hex::encode(id.0),
        text: display::line(entry.text()),
        done: entry.is_done(),
        assignee: entry.assignee(),
    });
    let style = match list.style {
        ListStyle::Tasks => ChatListStyle::Tasks,
        ListStyle::Shared => ChatListStyle::Things,
    };
    ChatList { title: display::line(&list.title), style, entries: entries.collect() }
}

/// What an edit changes of a list as it stands.
fn change_of(edit: &ChatListEdit, entries: &Entries) -> Answer<ListChange> {
    let wrong = |why: &str| ApiError::invalid_params("changes", why);
    let named = |name: Option<&String>| -> Answer<Option<EntryId>> {
        let Some(name) = name else { return Ok(None) };
        let mut id = [0; 16];
        hex::decode_to_slice(name, &mut id).map_err(|_| wrong("an entry is 32 hex digits"))?;
        let is_there = entries.get(EntryId(id)).is_some_and(|entry| entry.is_there());
        if is_there { Ok(Some(EntryId(id))) } else { Err(wrong("there is no such entry on the list")) }
    };
    let line = || list_line("changes", edit.text.as_deref().ok_or_else(|| wrong("`text` is missing"))?);
    let behind = named(edit.behind.as_ref())?;
    if edit.what == ChatListWhat::Add {
        let entry = EntryId(*entropy::seed().first_chunk().expect("a seed is longer"));
        let behind = behind.or_else(|| entries.shown().last().map(|(entry, _)| *entry));
        return Ok(ListChange::Put { entry, place: entries.place_behind(behind).map_err(no_room)?, text: line()? });
    }
    let entry = named(edit.entry.as_ref())?.ok_or_else(|| wrong("`entry` is missing"))?;
    Ok(match edit.what {
        ChatListWhat::Add | ChatListWhat::Write => ListChange::Write { entry, text: line()? },
        ChatListWhat::Check => ListChange::Done { entry, is_done: true },
        ChatListWhat::Uncheck => ListChange::Done { entry, is_done: false },
        ChatListWhat::Assign => ListChange::Assign { entry, to: edit.assignee },
        ChatListWhat::Move => ListChange::Move { entry, place: entries.place_behind(behind).map_err(no_room)? },
        ChatListWhat::Remove => entries.take_off(entry).ok_or_else(|| wrong("there is no such entry on the list"))?,
    })
}

/// As it will be, for the changes that follow. Which stamp it has there does not matter.
fn apply(entries: &mut Entries, change: &ListChange) -> Answer<()> {
    entries.foresee(std::slice::from_ref(change)).map_err(|error| ApiError::invalid_params("changes", error))
}

fn list_line<const MAX: usize>(field: &str, line: &str) -> Answer<BoundedText<MAX>> {
    if line.trim().is_empty() {
        return Err(ApiError::invalid_params(field, "there is nothing in it"));
    }
    BoundedText::new(line.trim()).map_err(|error| ApiError::invalid_params(field, error))
}

fn no_room(error: NoRoom) -> ApiError {
    ApiError::invalid_params("changes", error)
}
