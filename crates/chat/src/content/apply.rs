//! How the contents of many become what is shown.
//!
//! [`apply`] takes one content and says what changes: which items are to be put in the place of what was, and what else there is to
//! show. Whoever has the same contents has the same items, in whatever order they came (`tests/content/laws.rs`). That holds within
//! the bounds of [`limits`](super::limits): where too much was said, what comes later is refused.

use std::collections::BTreeMap;

use byway_primitives::{IdentityId, Span};

use super::book::{BookChanges, BookEntry};
use super::bounded::BoundedText;
use super::envelope::{Author, Content, MessageRef, Stamp};
use super::item::{Arrival, Full, Item, fits};
use super::kind::Kind;
use super::limits::{BOOK_MAX, NAME_BYTES_MAX, PEOPLE_MAX, WAITING_MAX};
use super::lists::{Register, set};
use super::signs::{Presence, Profile, Settings};

/// Who has sealed a content, and what they may do in its conversation. Rights are those at the time when it was sealed, so that all
/// judge it alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sender {
    pub author: Author,
    pub rights: Rights,
}

/// What somebody may do beyond writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rights {
    /// Delete what others have written.
    pub deletes_others: bool,
    /// Say what the conversation is called, and when messages disappear.
    pub changes_settings: bool,
}

/// Why a content changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("only who has written a message can edit it, or close it if it is a poll")]
    NotTheirs,
    #[error("only who has written a message can delete it, or an admin of the group")]
    MayNotDelete,
    #[error("only admins of the group change what it is called and when messages disappear")]
    MayNotSet,
    #[error("the reaction is not one emoji or character")]
    NotAnEmoji,
    #[error("a {what} does not fit a {of}")]
    Misfit { what: &'static str, of: &'static str },
    #[error("the message that it is about is gone")]
    Gone,
    #[error("its sender has sent two different messages under one id, and neither is shown")]
    Disputed,
    #[error(
        "there is no more room for what is said about that message, or for what waits for messages that have not come"
    )]
    Full,
    #[error("the address book is full, with those who were taken out of it")]
    BookFull,
}

/// What is to be done about a content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// To be kept in the place of the item with the same reference.
    Item(Box<Item>),
    /// Nothing is said about it any more, and it has not come.
    Forgotten(MessageRef),
    Title(Register<BoundedText<NAME_BYTES_MAX>>),
    Disappearing(Register<Span>),
    Profile {
        of: IdentityId,
        profile: Register<Profile>,
    },
    /// What the address book says of somebody from now on.
    Book {
        who: IdentityId,
        entry: BookEntry,
    },
    /// For [`TYPING_SHOWN`](super::signs::TYPING_SHOWN).
    Typing {
        who: Author,
        thread: Option<MessageRef>,
        is_typing: bool,
    },
    /// For [`PRESENCE_SHOWN`](super::signs::PRESENCE_SHOWN).
    Presence {
        who: Author,
        presence: Presence,
    },
}

/// What is known of a conversation's messages.
pub trait Items {
    fn item(&self, of: &MessageRef) -> Option<Item>;

    /// How many items [wait](Item::is_waiting).
    fn waiting(&self) -> usize;

    /// What the conversation's address book says of somebody.
    fn in_book(&self, who: IdentityId) -> Option<BookEntry>;

    /// Of how many it says something, those who were taken out included.
    fn book_count(&self) -> usize;
}

/// What is known of a conversation beside its messages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct About {
    pub title: Option<Register<BoundedText<NAME_BYTES_MAX>>>,
    pub disappearing: Option<Register<Span>>,
    pub profiles: BTreeMap<IdentityId, Register<Profile>>,
}

impl About {
    /// Takes over what a change says of it.
    pub fn take(&mut self, change: &Change) {
        match change {
            Change::Title(title) => self.title = Some(title.clone()),
            Change::Disappearing(span) => self.disappearing = Some(span.clone()),
            Change::Profile { of, profile } => drop(self.profiles.insert(*of, profile.clone())),
            Change::Item(_)
            | Change::Forgotten(_)
            | Change::Book { .. }
            | Change::Typing { .. }
            | Change::Presence { .. } => {}
        }
    }
}

/// What follows from a content. Nothing follows from one that was applied before.
///
/// # Errors
/// [`Refusal`]: then nothing changes, whatever else the content said. Receipts and read marks are for each message by itself.
pub fn apply(items: &impl Items, about: &About, sender: &Sender, content: &Content) -> Result<Vec<Change>, Refusal> {
    let stamp = content.stamp(sender.author);
    let who = sender.author;
    match &content.kind {
        kind if kind.is_message() => post(items, stamp, content),
        Kind::Receipt(receipt) => Ok(reach(items, stamp, content, &receipt.messages)),
        Kind::ReadMark(mark) => Ok(reach(items, stamp, content, &mark.messages)),
        Kind::Settings(settings) => set_about(about, sender, stamp, settings),
        Kind::Profile(profile) => name(about, stamp, profile),
        Kind::Book(changes) => write_in_book(items, stamp, changes),
        Kind::Typing(typing) => Ok(vec![Change::Typing { who, thread: content.thread, is_typing: typing.is_typing }]),
        Kind::Presence(presence) => Ok(vec![Change::Presence { who, presence: *presence }]),
        kind => match kind.about() {
            [of] => Ok(say(items, *of, sender, stamp, content)?.into_iter().collect()),
            _ => Ok(Vec::new()),
        },
    }
}

/// The item, or a new one that waits, if there is room for one.
fn find(items: &impl Items, of: MessageRef) -> Result<Item, Refusal> {
    match items.item(&of) {
        Some(item) => Ok(item),
        None if items.waiting() < WAITING_MAX => Ok(Item::waiting(of)),
        None => Err(Refusal::Full),
    }
}

fn post(items: &impl Items, stamp: Stamp, content: &Content) -> Result<Vec<Change>, Refusal> {
    let of = MessageRef { author: stamp.author.identity, id: content.id };
    let mut item = items.item(&of).unwrap_or_else(|| Item::waiting(of));
    let (thread, by) = match item.post(stamp, content) {
        Arrival::Known => return Ok(Vec::new()),
        Arrival::StillDisputed => return Err(Refusal::Disputed),
        Arrival::New => (content.thread, 1),
        Arrival::Disputed { thread } => (thread, -1),
    };
    let mut changes = Vec::new();
    match thread {
        Some(thread) if thread == of => item.replies = item.replies.saturating_add_signed(by),
        // Where there is no room to wait, the count is of less than there is.
        Some(thread) => changes.extend(find(items, thread).ok().map(|mut first| {
            first.replies = first.replies.saturating_add_signed(by);
            if first == Item::waiting(thread) { Change::Forgotten(thread) } else { Change::Item(Box::new(first)) }
        })),
        None => {}
    }
    changes.push(Change::Item(Box::new(item)));
    Ok(changes)
}

/// Something about one message.
fn say(
    items: &impl Items,
    of: MessageRef,
    sender: &Sender,
    stamp: Stamp,
    content: &Content,
) -> Result<Option<Change>, Refusal> {
    let is_theirs = of.author == sender.author.identity;
    match &content.kind {
        Kind::Edit(_) | Kind::PollClose(_) if !is_theirs => return Err(Refusal::NotTheirs),
        Kind::Deletion(_) if !is_theirs && !sender.rights.deletes_others => return Err(Refusal::MayNotDelete),
        Kind::Reaction(reaction) if !reaction.emoji.is_one() => return Err(Refusal::NotAnEmoji),
        _ => {}
    }
    let mut item = find(items, of)?;
    let before = item.clone();
    if let Kind::Deletion(_) = &content.kind {
        item.delete(stamp);
    } else {
        said(&mut item, stamp, content)?;
    }
    Ok((item != before).then(|| Change::Item(Box::new(item))))
}

fn said(item: &mut Item, stamp: Stamp, content: &Content) -> Result<(), Refusal> {
    if item.is_gone() {
        return Err(Refusal::Gone);
    }
    if let Some(original) = item.content().filter(|original| !fits(&content.kind, &original.kind)) {
        return Err(Refusal::Misfit { what: content.kind.name(), of: original.kind.name() });
    }
    let said = &mut item.said;
    let full = |Full| Refusal::Full;
    match &content.kind {
        Kind::Edit(edit) => said.edit(stamp, content.sent, &edit.text),
        Kind::Reaction(reaction) => said.react(stamp, &reaction.emoji, reaction.is_there).map_err(full)?,
        Kind::Vote(vote) => said.vote(stamp, content.sent, vote.choices).map_err(full)?,
        Kind::PollClose(_) => said.close(stamp),
        Kind::ListChanges(list) => said.entries.change(&list.changes, stamp).map_err(|_| Refusal::Full)?,
        Kind::Receipt(_) => said.reach(stamp.author.identity, content.sent, false).map_err(full)?,
        Kind::ReadMark(_) => said.reach(stamp.author.identity, content.sent, true).map_err(full)?,
        _ => {}
    }
    Ok(())
}

/// Messages that have come to somebody. Those for which there is no room, or which are gone, are left out.
fn reach(items: &impl Items, stamp: Stamp, content: &Content, messages: &[MessageRef]) -> Vec<Change> {
    let mut room = WAITING_MAX.saturating_sub(items.waiting());
    let mut changes = BTreeMap::new();
    for of in messages {
        let found = items.item(of);
        if found.is_none() && !changes.contains_key(of) {
            match room.checked_sub(1) {
                Some(left) => room = left,
                None => continue,
            }
        }
        let before = found.unwrap_or_else(|| Item::waiting(*of));
        let mut item = before.clone();
        if said(&mut item, stamp, content).is_ok() && item != before {
            changes.insert(*of, Change::Item(Box::new(item)));
        }
    }
    changes.into_values().collect()
}

fn set_about(about: &About, sender: &Sender, stamp: Stamp, settings: &Settings) -> Result<Vec<Change>, Refusal> {
    if !sender.rights.changes_settings {
        return Err(Refusal::MayNotSet);
    }
    let title = settings.title.clone().and_then(|title| newer(about.title.as_ref(), stamp, title));
    let span = settings.disappearing.and_then(|span| newer(about.disappearing.as_ref(), stamp, span));
    Ok(title.map(Change::Title).into_iter().chain(span.map(Change::Disappearing)).collect())
}

fn name(about: &About, stamp: Stamp, profile: &Profile) -> Result<Vec<Change>, Refusal> {
    let of = stamp.author.identity;
    let old = about.profiles.get(&of);
    if old.is_none() && about.profiles.len() >= PEOPLE_MAX {
        return Err(Refusal::Full);
    }
    let profile = newer(old, stamp, profile.clone());
    Ok(profile.map(|profile| Change::Profile { of, profile }).into_iter().collect())
}

fn write_in_book(items: &impl Items, stamp: Stamp, changes: &BookChanges) -> Result<Vec<Change>, Refusal> {
    let mut room = BOOK_MAX.saturating_sub(items.book_count());
    let mut written: BTreeMap<IdentityId, BookEntry> = BTreeMap::new();
    for change in changes.0.iter() {
        let known = written.get(&change.who).cloned().or_else(|| items.in_book(change.who));
        if known.is_none() {
            room = room.checked_sub(1).ok_or(Refusal::BookFull)?;
        }
        written.extend(newer(known.as_ref(), stamp, change.card.clone()).map(|entry| (change.who, entry)));
    }
    Ok(written.into_iter().map(|(who, entry)| Change::Book { who, entry }).collect())
}

/// What stands from now on, if that is another.
fn newer<T: Clone + PartialEq>(old: Option<&Register<T>>, stamp: Stamp, value: T) -> Option<Register<T>> {
    let mut slot = old.cloned();
    set(&mut slot, stamp, value);
    slot.filter(|new| old != Some(new))
}

/// A conversation in memory, as tests and bots have it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shown {
    pub items: BTreeMap<MessageRef, Item>,
    pub about: About,
    pub book: BTreeMap<IdentityId, BookEntry>,
    waiting: usize,
}

impl Items for Shown {
    fn item(&self, of: &MessageRef) -> Option<Item> {
        self.items.get(of).cloned()
    }

    fn waiting(&self) -> usize {
        self.waiting
    }

    fn in_book(&self, who: IdentityId) -> Option<BookEntry> {
        self.book.get(&who).cloned()
    }

    fn book_count(&self) -> usize {
        self.book.len()
    }
}

impl Shown {
    /// Applies a content, and gives what changed.
    ///
    /// # Errors
    /// As [`apply`].
    pub fn apply(&mut self, sender: &Sender, content: &Content) -> Result<Vec<Change>, Refusal> {
        let changes = apply(self, &self.about, sender, content)?;
        for change in &changes {
            let (of, new) = match change {
                Change::Item(item) => (item.of, Some(item)),
                Change::Forgotten(of) => (*of, None),
                Change::Book { who, entry } => {
                    self.book.insert(*who, entry.clone());
                    continue;
                }
                _ => {
                    self.about.take(change);
                    continue;
                }
            };
            self.waiting += usize::from(new.is_some_and(|item| item.is_waiting()));
            let old = match new {
                Some(item) => self.items.insert(of, (**item).clone()),
                None => self.items.remove(&of),
            };
            self.waiting -= usize::from(old.is_some_and(|old| old.is_waiting()));
        }
        Ok(changes)
    }
}
