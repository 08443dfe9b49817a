//! Finding again what was said. The index ([`byway_chat::search`]) is made when somebody first searches, in a thread of its own, and is
//! kept up from then on; what is looked for in it is looked for beside the task.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use byway_chat::chats::{Shown, TalkView};
use byway_chat::content::query::{Query, fold};
use byway_chat::content::{MessageRef, display};
use byway_chat::mls::RoomId;
use byway_chat::search::{Found, Gathering, Index, Page, Sought, marks};
use byway_driver::disk::JournalReader;
use byway_primitives::{IdentityId, Time};
use tokio::sync::oneshot;

use super::super::{Actor, Arrival, PeerNode};
use crate::api::*;

/// Messages that are read at a time, after which the thread looks whether it is to stop.
const PAGE: usize = 1024;
/// People, and groups, that are named beside messages.
const NAMED_MAX: usize = 20;
/// What one's own conversation, and oneself, is called in queries.
const ME: &str = "me";

/// The index, as far as there is one.
#[derive(Default)]
pub(in super::super) struct SearchDesk(State);

#[derive(Default)]
enum State {
    #[default]
    Unmade,
    Making(Making),
    Made(Index),
}

struct Making {
    /// What has changed since it was begun.
    changed: BTreeSet<(RoomId, MessageRef)>,
    /// All of it may have changed.
    is_stale: bool,
    awaited: Vec<oneshot::Sender<Index>>,
    stop: Arc<AtomicBool>,
    /// Ends when the thread has let go of the disk.
    ended: oneshot::Receiver<()>,
}

impl Drop for Making {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// A search with what names in it stand for.
struct Search {
    query: Query,
    sought: Sought,
    before: Option<Found>,
    limit: usize,
    is_in_one: bool,
}

impl SearchDesk {
    /// What was said is not what it was: the index is made anew when somebody searches.
    pub fn forget(&mut self) {
        match &mut self.0 {
            State::Making(making) => making.is_stale = true,
            State::Made(_) | State::Unmade => self.0 = State::Unmade,
        }
    }

    /// Waits until nothing reads the disk any more.
    pub async fn close(&mut self) {
        if let State::Making(making) = &mut self.0 {
            making.stop.store(true, Ordering::Relaxed);
            // It has ended too where its sender is gone.
            let _ = (&mut making.ended).await;
        }
    }
}

/// All that `reader` shows; nothing where it is to stop.
fn gather(now: Time, reader: &JournalReader, stop: &AtomicBool) -> Option<Gathering> {
    let mut gathering = Gathering::default();
    while gathering.read(now, reader, PAGE) {
        if stop.load(Ordering::Relaxed) {
            return None;
        }
    }
    Some(gathering)
}

impl PeerNode {
    pub(in super::super) async fn search_in_chat(&self, request: ChatSearch) -> Answer<ChatFound> {
        let (search, index) = self.ask(move |actor| actor.begin_search(&request)).await?;
        let index = index.await.map_err(|_| ApiError::stopping())?;
        let looked = tokio::task::spawn_blocking(move || {
            let page = index.find(&search.sought, search.before.as_ref(), search.limit);
            (search, page)
        });
        let (search, page) = looked.await.map_err(|_| ApiError::internal())?;
        self.ask(move |actor| Ok(actor.chat_found(&search, &page))).await
    }
}

impl Actor {
    /// What is looked for, and where: an index as soon as there is one.
    fn begin_search(&mut self, request: &ChatSearch) -> Answer<(Search, oneshot::Receiver<Index>)> {
        let query = Query::parse(&request.query, request.offset_minutes);
        let query = query.map_err(|error| ApiError::chat_query(&error))?;
        if query == Query::default() {
            return Err(ApiError::invalid_params("query", "there is nothing in it to look for"));
        }
        let to = request.to.as_ref().map(|to| self.room_named(to)).transpose()?;
        let before = request.before.as_ref().map(|before| before.parse()).transpose();
        let before = before.map_err(|error| ApiError::invalid_params("before", error))?;
        let mut within = (!query.within.is_empty()).then(|| self.rooms_called(&query.within));
        if let Some(room) = to {
            let is_called_so = within.is_none_or(|rooms| rooms.contains(&room));
            within = Some(is_called_so.then_some(room).into_iter().collect());
        }
        let from = (!query.from.is_empty()).then(|| self.people_called(&query.from));
        let terms = query.terms.clone();
        let sought = Sought { terms, within, from, before: query.before, after: query.after, has: query.has };
        let search = Search { query, sought, before, limit: request.limit, is_in_one: to.is_some() };
        Ok((search, self.await_index()))
    }

    fn await_index(&mut self) -> oneshot::Receiver<Index> {
        let (give, given) = oneshot::channel();
        self.give_index(give);
        given
    }

    fn give_index(&mut self, give: oneshot::Sender<Index>) {
        match &mut self.search.0 {
            State::Made(index) => {
                // Who asked is there: it has the other end.
                let _ = give.send(index.clone());
            }
            State::Making(making) => making.awaited.push(give),
            State::Unmade => self.make_index(give),
        }
    }

    fn make_index(&mut self, give: oneshot::Sender<Index>) {
        let (end, ended) = oneshot::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let (now, reader, arrive, asked) =
            (self.clock.now(), self.market_journal.reader(), self.arrive.clone(), stop.clone());
        self.search.0 =
            State::Making(Making { changed: BTreeSet::new(), is_stale: false, awaited: vec![give], stop, ended });
        tokio::spawn(async move {
            let gathered = tokio::task::spawn_blocking(move || {
                let gathered = gather(now, &reader, &asked);
                // What follows needs no disk, and nobody who stops waits for it.
                drop((reader, end));
                gathered.map(Gathering::finish)
            });
            if let Ok(Some(index)) = gathered.await {
                // The node may have stopped meanwhile.
                let _ = arrive.send(Arrival::Indexed(index)).await;
            }
        });
    }

    /// The index is made, but for what has changed meanwhile.
    pub(in super::super) fn indexed(&mut self, mut index: Index) {
        let State::Making(making) = &mut self.search.0 else { return };
        let (changed, awaited) = (std::mem::take(&mut making.changed), std::mem::take(&mut making.awaited));
        if making.is_stale {
            self.search.0 = State::Unmade;
            return awaited.into_iter().for_each(|give| self.give_index(give));
        }
        let now = self.clock.now();
        for (room, of) in changed {
            if let Some(shown) = self.chat_item(room, &of) {
                index.put(now, room, &shown, false);
            }
        }
        for give in awaited {
            // Whoever asked may have stopped waiting.
            let _ = give.send(index.clone());
        }
        self.search.0 = State::Made(index);
    }

    /// A message is new, or has changed.
    pub(super) fn note_for_search(&mut self, room: RoomId, shown: &Shown, is_new: bool) {
        match &mut self.search.0 {
            State::Unmade => {}
            State::Making(making) => drop(making.changed.insert((room, shown.item.of))),
            State::Made(index) => index.put(self.clock.now(), room, shown, is_new),
        }
    }

    /// Everybody who is called by one of these, which are folded, or a part of it.
    fn people_called(&self, names: &[String]) -> BTreeSet<IdentityId> {
        let is_meant = |folded: &str| names.iter().any(|name| name != ME && folded.contains(name.as_str()));
        let (chats, me) = (self.chats(), self.chat_me());
        let known = chats.people().iter().filter(|(identity, person)| {
            is_meant(&fold(person.shown_name())) || is_meant(&fold(&person.name)) || is_meant(&identity.to_string())
        });
        let mut called: BTreeSet<IdentityId> = known.map(|(identity, _)| identity).collect();
        for view in chats.talks() {
            let members = view.names.iter().filter(|(_, name)| is_meant(&fold(name)));
            called.extend(members.map(|(identity, _)| *identity));
            let strangers = view.members.iter().map(|member| member.identity);
            called.extend(strangers.filter(|identity| names.contains(&identity.to_string())));
        }
        if names.iter().any(|name| name == ME) || is_meant(&fold(chats.name())) {
            called.insert(me);
        }
        called
    }

    /// All conversations that are called by one of these, which are folded, or a part of it.
    fn rooms_called(&self, names: &[String]) -> BTreeSet<RoomId> {
        let own = self.chats().own_room();
        let is_called = |view: &TalkView| {
            let title = fold(&self.title_of(view));
            let id = hex::encode(view.room.0);
            let is_own = own == Some(view.room);
            let is_meant = |name: &String| match name.as_str() {
                ME => is_own,
                name => title.contains(name) || id == name,
            };
            names.iter().any(is_meant)
        };
        self.chats().talks().filter(is_called).map(|view| view.room).collect()
    }

    /// What was found, as it stands now.
    fn chat_found(&self, search: &Search, page: &Page) -> ChatFound {
        let terms = &search.query.terms;
        let hit = |found: &Found| {
            let shown = self.chat_page(found.room, Some(found.place + 1), 1).pop();
            let shown = shown.filter(|shown| shown.place == found.place && !shown.item.is_gone())?;
            self.chats().talk(found.room)?;
            let item = self.chat_shown(found.room, &shown);
            let marks = marks(&item.text, terms);
            Some(ChatHit { to: item.conversation.clone(), item, marks })
        };
        let hits = page.found.iter().filter_map(hit).collect();
        let next = page.found.last().filter(|_| page.is_cut).map(Found::to_string);
        let is_name =
            *terms != Vec::<String>::new() && search.query == Query { terms: terms.clone(), ..Query::default() };
        let mut found = ChatFound { hits, people: Vec::new(), conversations: Vec::new(), next };
        if is_name && search.before.is_none() && !search.is_in_one {
            let is_called = |name: &str| terms.iter().all(|term| name.contains(term.as_str()));
            let people = self.chat_people().into_iter().filter(|person| {
                let names = [Some(&person.name), person.claimed.as_ref()].into_iter().flatten();
                is_called(&fold(&names.map(String::as_str).collect::<Vec<_>>().join(" ")))
                    || is_called(&person.identity.to_string())
            });
            found.people = people.take(NAMED_MAX).collect();
            let groups = self.chats().talks().filter(|view| view.is_group && is_called(&fold(&self.title_of(view))));
            found.conversations = groups.take(NAMED_MAX).map(|view| self.conversation(&view)).collect();
        }
        found
    }

    /// What a conversation is called, made harmless to look at.
    pub(super) fn title_of(&self, view: &TalkView) -> String {
        let other = view.direct.and_then(|peer| self.chats().people().get(peer));
        let other = other.and_then(|person| display::name(person.shown_name()));
        let other = if view.direct == Some(self.chat_me()) { Some(super::views::OWN_TITLE.to_owned()) } else { other };
        view.title.as_deref().and_then(display::name).or(other).unwrap_or_default()
    }
}
