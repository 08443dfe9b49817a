//! Conversations of the node's identity (row M11): what people ask for and are told. All that there is to do is done by
//! [`byway_chat::chats`], which the market carries; whom to reach, and by what they were found, is said here.

mod asking;
mod attaching;
mod backing;
mod book;
mod called;
mod contents;
mod desk;
mod devices;
mod files;
mod grouping;
mod introducing;
mod paid;
mod reminding;
mod room;
mod saying;
mod searching;
mod there;
mod tried;
mod views;

use byway_chat::chats::{ChatConfig, ChatFault, ChatNews, Chats, ChatsDamaged, Shown};
use byway_chat::content::MessageRef;
use byway_chat::mls::{Refused, RoomId};
use byway_chat::people::{NOTE_MAX, Standing};
use byway_driver::disk::Journal;
use byway_driver::entropy;
use byway_peer::link::{ChatLink, LinkError, PeerCard};
use byway_peer::market::Market;
use byway_primitives::{IdentityId, Pending, Span, Store, Time};

use super::{Actor, PeerNodeConfig};
use crate::api::*;
pub(super) use asking::AskDesk;
pub(super) use backing::RestoreDesk;
pub(super) use called::CalledDesk;
pub(super) use desk::OwnDesk;
pub(super) use devices::DeviceDesk;
pub(super) use files::{FileCame, FileDesk};
pub(super) use reminding::RemindDesk;
pub(super) use searching::SearchDesk;
pub(super) use there::ThereDesk;

/// How long an invite counts where nobody says.
const INVITE_DAYS: u64 = 7;
/// The longest that one counts: whoever finds it then finds nobody.
const INVITE_DAYS_MAX: u64 = 90;
/// Which of the identity's devices this is: every device has an identity of its own.
const DEVICE: u32 = 0;

/// Has a market have its identity's conversations.
pub(super) fn open(
    market: &mut Market,
    config: &PeerNodeConfig,
    now: Time,
    store: &impl Store,
) -> Result<(), ChatsDamaged> {
    let (network, identity) = (config.genesis.network(), config.identity.clone());
    let chat = ChatConfig { network, identity, device: DEVICE, name: config.chat_name.clone() };
    let mut chats = Chats::load(chat, now, store)?;
    chats.set_ask_price(config.chat.ask_price);
    chats.set_beside(byway_driver::pool::beside);
    market.have_chats(now, chats, store);
    Ok(())
}

impl Actor {
    fn chats(&self) -> &Chats {
        self.market.chats().expect("it was opened with them")
    }

    fn with_chats<T>(&mut self, what: impl FnOnce(&mut Chats, Time, [u8; 32], &Pending<'_, Journal>) -> T) -> T {
        let now = self.clock.now();
        let done =
            self.market.with_chats(now, &self.market_journal, |chats, store| what(chats, now, entropy::seed(), store));
        done.expect("it was opened with them")
    }

    /// A message as it stands now.
    fn chat_item(&self, room: RoomId, of: &MessageRef) -> Option<Shown> {
        self.market.look_at_chats(&self.market_journal, |chats, store| chats.item(room, of, store)).flatten()
    }

    fn chat_page(&self, room: RoomId, before: Option<u64>, limit: usize) -> Vec<Shown> {
        let page =
            self.market.look_at_chats(&self.market_journal, |chats, store| chats.page(room, before, limit, store));
        page.unwrap_or_default()
    }

    /// Whether somebody is known as one to talk with.
    pub(super) fn is_chat_peer(&self, peer: IdentityId) -> bool {
        let standing = self.chats().people().get(peer).map(|person| &person.standing);
        let is_known = matches!(standing, Some(Standing::Contact | Standing::Asked));
        is_known || self.chats().waiting_for(peer) > 0 || self.chats().is_heard(peer)
    }

    /// Those who are to be reached: contacts, whoever something waits for, and those in groups with us.
    pub(super) fn chat_peers(&self) -> impl Iterator<Item = IdentityId> {
        let chats = self.chats();
        let contacts = chats.people().iter().filter(|(_, person)| person.standing == Standing::Contact);
        contacts.map(|(peer, _)| peer).chain(chats.awaited()).chain(chats.companions())
    }

    /// Makes a link by which one person becomes a contact.
    pub(super) fn make_chat_invite(&mut self, request: &ChatInviteMake) -> Answer<ChatInvite> {
        let days = request.days.unwrap_or(INVITE_DAYS);
        if !(1..=INVITE_DAYS_MAX).contains(&days) {
            return Err(ApiError::invalid_params("days", format_args!("it must be from 1 to {INVITE_DAYS_MAX}")));
        }
        let note = request.note.clone().unwrap_or_default();
        if note.len() > NOTE_MAX {
            return Err(ApiError::invalid_params("note", format_args!("it has at most {NOTE_MAX} bytes")));
        }
        let card = self.card().ok_or_else(|| ApiError::not_supported("address under which it could be reached"))?;
        let made = self.with_chats(|chats, now, seed, _| {
            let expires = now + Span::days(days);
            let token = chats.invite(now, seed.first_chunk().expect("a seed is longer"), expires, &note)?;
            Ok((token, expires))
        });
        let (token, expires_ms) = made.map_err(ApiError::chat)?;
        Ok(ChatInvite { link: ChatLink { card, token }.to_text().to_string(), expires_ms })
    }

    /// Asks somebody to be a contact, or agrees where they have asked.
    pub(super) fn accept_in_chat(&mut self, request: &ChatAccept) -> Answer<ChatPerson> {
        self.ask_with(&request.who, Vec::new(), None)
    }

    fn chat_peer_named(
        &self,
        text: &str,
    ) -> Answer<(IdentityId, Option<PeerCard>, Option<byway_chat::delivery::InviteToken>)> {
        if !ChatLink::is_meant(text) {
            if let Ok(name) = text.parse() {
                return Ok((self.owner_named(&name)?, None, None));
            }
            let (peer, card) = self.peer_named(text).map_err(|_| {
                ApiError::invalid_params(
                    "who",
                    "it is no link of a conversation (byway:chat/…), no card, no identity, and can be nobody's name",
                )
            })?;
            return Ok((peer, card, None));
        }
        let ChatLink { card, token } =
            text.parse().map_err(|error: LinkError| ApiError::invalid_params("who", error))?;
        let checked = card.certificate.verify(self.network, self.clock.now());
        checked.map_err(|error| ApiError::invalid_params("who", format_args!("the link is not good: {error}")))?;
        Ok((card.certificate.identity, Some(card), Some(token)))
    }

    pub(super) fn block_in_chat(&mut self, request: &ChatBlock) -> Vec<ChatPerson> {
        let ChatBlock { who, blocked } = *request;
        self.with_chats(|chats, now, _, _| chats.set_blocked(now, who, blocked));
        self.chat_people()
    }

    pub(super) fn name_in_chat(&mut self, request: &ChatNickname) -> Answer<ChatPerson> {
        let ChatNickname { who, nickname } = request.clone();
        if nickname.as_ref().is_some_and(|name| name.len() > byway_chat::delivery::letter::NAME_MAX || name.is_empty())
        {
            return Err(ApiError::invalid_params("nickname", "it has from 1 to 64 bytes"));
        }
        self.with_chats(|chats, _, _, _| chats.set_nickname(who, nickname)).map_err(ApiError::chat)?;
        self.chat_person(who)
    }

    pub(super) fn verify_in_chat(&mut self, request: &ChatVerify) -> Answer<ChatPerson> {
        let ChatVerify { who, matches } = *request;
        let verified = self.with_chats(|chats, now, _, _| chats.set_verified(who, matches.then_some(now)));
        verified.map_err(ApiError::chat)?;
        self.chat_person(who)
    }

    /// News of the conversations.
    pub(super) fn chat_news(&mut self, news: ChatNews) {
        match news {
            ChatNews::Person { peer } => {
                self.keep_shown_certificate(peer);
                if let Ok(person) = self.chat_person(peer) {
                    self.tell(Event::ChatPerson(person));
                }
            }
            ChatNews::Room { room } => {
                if let Some(view) = self.chats().talk(room) {
                    self.tell(Event::ChatConversation(Box::new(self.conversation(&view))));
                }
            }
            ChatNews::Item { room, of, is_new } => {
                if is_new {
                    self.fetch_pictures(room, of);
                }
                if let Some(shown) = self.chat_item(room, &of) {
                    self.note_for_search(room, &shown, is_new);
                    if self.chats().own_room() == Some(room) {
                        self.note_reminder(&shown);
                    }
                    self.tell(Event::ChatItem(Box::new(self.chat_shown(room, &shown))));
                }
                if let Some(view) = self.chats().talk(room) {
                    self.tell(Event::ChatConversation(Box::new(self.conversation(&view))));
                }
            }
            ChatNews::FileGone { place } => self.files.store.forget(place),
            ChatNews::Sign { room, change } => self.chat_sign(room, &change),
            ChatNews::Fault { peer, fault: fault @ ChatFault::Refused(Refused::OldState) } => tracing::error!(
                %peer,
                %fault,
                "this node's folder was put back from an older copy, or a copy of it runs elsewhere: stop both, and put what \
                 `byway chat backup` wrote back on an empty folder"
            ),
            ChatNews::Book { room } => self.tell(Event::ChatBook(Box::new(self.book_of(room)))),
            ChatNews::Unjudged { .. } => self.judge_asks(),
            ChatNews::Devices => self.tell_of_devices(),
            ChatNews::Linked { node } => self.tell_all_kept(node),
            ChatNews::Kept(keeping) => self.kept_elsewhere(keeping),
            // The conversation is told of as well.
            ChatNews::Given { room } => {
                self.search.forget();
                if self.chats().own_room() == Some(room) {
                    self.read_notes_again();
                }
            }
            ChatNews::Fault { peer, fault } => {
                tracing::warn!(%peer, %fault, "a peer said in a conversation what can't be")
            }
        }
    }
}
