//! People with a disk each, and what goes between them by hand.

use std::collections::VecDeque;

use byway_chat::chats::{ChatConfig, ChatNews, ChatStep, Chats, Draft};
use byway_chat::content::bounded::{BoundedList, BoundedText};
use byway_chat::content::post::{Post, Text};
use byway_chat::content::{Kind, MessageRef};
use byway_chat::delivery::ChatMessage;
use byway_chat::mls::RoomId;
use byway_crypto::IdentitySecret;
use byway_primitives::codec::{Encode, decode_exact};
use byway_primitives::hash::Context;
use byway_primitives::{Hash, IdentityId, MemoryStore, NetworkId, Span, Time};

pub const NETWORK: NetworkId = NetworkId(Hash([3; 32]));
pub const START: Time = Time(1_000_000_000);
const SEEDS: Context = Context("byway tests of chats");

/// One person, on one device.
pub struct Person {
    pub name: &'static str,
    pub secret: IdentitySecret,
    pub chats: Chats,
    pub disk: MemoryStore,
    pub news: Vec<ChatNews>,
    drawn: u64,
}

fn secret(name: &str) -> IdentitySecret {
    IdentitySecret::from_bytes(&SEEDS.hash(&[name.as_bytes()]).0).unwrap()
}

/// A node has an identity of its own, whoever's device it becomes.
fn load(name: &str, disk: &MemoryStore) -> Chats {
    let config = ChatConfig { network: NETWORK, identity: secret(name), device: 0, name: name.to_owned() };
    Chats::load(config, START, disk).unwrap()
}

impl Person {
    pub fn new(name: &'static str) -> Self {
        let disk = MemoryStore::new();
        let chats = load(name, &disk);
        Self { name, secret: secret(name), chats, disk, news: Vec::new(), drawn: 0 }
    }

    /// That of its node.
    pub fn id(&self) -> IdentityId {
        self.secret.id()
    }

    pub fn seed(&mut self) -> [u8; 32] {
        self.drawn += 1;
        SEEDS.hash(&[self.name.as_bytes(), &self.drawn.to_be_bytes()]).0
    }

    /// Has lost its memory.
    pub fn restart(&mut self) {
        self.chats = load(self.name, &self.disk);
    }

    /// Does something; what comes of it is on disk before it is sent.
    pub fn with<T>(
        &mut self,
        what: impl FnOnce(&mut Chats, [u8; 32], &MemoryStore) -> T,
    ) -> (T, Vec<(IdentityId, ChatMessage)>) {
        let seed = self.seed();
        let done = what(&mut self.chats, seed, &self.disk);
        let ChatStep { batch, sends, news } = self.chats.take_step();
        let is_whole = |write: &byway_primitives::Write| !write.key.is_empty();
        assert!(batch.writes.iter().all(is_whole), "a real disk takes no empty key");
        self.disk.apply(&batch);
        self.news.extend(news);
        (done, sends)
    }

    /// The texts of a conversation, oldest first, with whether they are ours.
    pub fn texts(&self, room: RoomId) -> Vec<(bool, String)> {
        let mut shown = self.chats.page(room, None, 1000, &self.disk);
        shown.reverse();
        let text = |shown: &byway_chat::chats::Shown| shown.item.text().unwrap().source.to_string();
        shown.iter().map(|shown| (shown.item.of.author == self.chats.me(), text(shown))).collect()
    }

    pub fn faults(&self) -> Vec<String> {
        let faults = self.news.iter().filter_map(|news| match news {
            ChatNews::Fault { fault, .. } => Some(fault.to_string()),
            _ => None,
        });
        faults.collect()
    }

    /// Its conversation with that one.
    pub fn direct(&self, peer: IdentityId) -> Option<RoomId> {
        self.chats.people().get(peer)?.direct
    }
}

pub fn text(text: &str) -> Draft {
    let source = BoundedText::new(text).unwrap();
    let text = Text { source, mentions: BoundedList::default() };
    Kind::Post(Post { text, ..Post::default() }).into()
}

/// Several people and what is on its way between them. Links are there or not.
pub struct World {
    pub people: Vec<Person>,
    pub now: Time,
    /// By how much the clocks of the first of them are ahead, in milliseconds; all others are right.
    pub ahead: Vec<i64>,
    pub wire: VecDeque<(usize, usize, Vec<u8>)>,
    pub links: Vec<[usize; 2]>,
    /// How many messages may come of one moment.
    pub carried_max: usize,
}

impl World {
    pub fn new(names: &[&'static str]) -> Self {
        let people = names.iter().map(|name| Person::new(name)).collect();
        Self {
            people,
            now: START + Span::minutes(1),
            ahead: Vec::new(),
            wire: VecDeque::new(),
            links: Vec::new(),
            carried_max: usize::MAX,
        }
    }

    fn index(&self, id: IdentityId) -> usize {
        self.people.iter().position(|person| person.id() == id).unwrap()
    }

    pub fn is_linked(&self, one: usize, other: usize) -> bool {
        self.links.contains(&[one.min(other), one.max(other)])
    }

    pub fn with<T>(&mut self, who: usize, what: impl FnOnce(&mut Chats, Time, [u8; 32], &MemoryStore) -> T) -> T {
        let now = Time(self.now.0.checked_add_signed(self.ahead.get(who).copied().unwrap_or(0)).unwrap());
        let (done, sends) = self.people[who].with(|chats, seed, store| what(chats, now, seed, store));
        for (to, message) in sends {
            let to = self.index(to);
            if self.is_linked(who, to) {
                self.wire.push_back((who, to, message.to_bytes()));
            }
        }
        done
    }

    pub fn connect(&mut self, one: usize, other: usize) {
        self.links.push([one.min(other), one.max(other)]);
        for (who, peer) in [(one, other), (other, one)] {
            let peer = self.people[peer].id();
            self.with(who, |chats, _, _, store| chats.handle_connected(peer, store));
        }
    }

    /// What is on its way is lost.
    pub fn cut(&mut self, one: usize, other: usize) {
        self.links.retain(|link| *link != [one.min(other), one.max(other)]);
        self.wire.retain(|(from, to, _)| ![(one, other), (other, one)].contains(&(*from, *to)));
        for (who, peer) in [(one, other), (other, one)] {
            let peer = self.people[peer].id();
            self.with(who, |chats, _, _, _| chats.handle_disconnected(peer));
        }
    }

    pub fn deliver_one(&mut self) -> bool {
        let Some((from, to, bytes)) = self.wire.pop_front() else { return false };
        let (peer, message) = (self.people[from].id(), decode_exact(&bytes).unwrap());
        self.with(to, |chats, now, seed, store| chats.handle_message(now, seed, peer, message, store));
        true
    }

    pub fn carry(&mut self) {
        let mut carried = 0;
        while self.deliver_one() {
            carried += 1;
            assert!(carried < self.carried_max, "they go on talking at one moment");
        }
    }

    pub fn say(&mut self, who: usize, room: RoomId, what: &str) -> MessageRef {
        self.with(who, |chats, now, seed, store| chats.say(now, seed, room, text(what), store)).unwrap()
    }

    /// Two who are contacts by an invite, with a link. Gives their conversation.
    pub fn acquaint(&mut self, inviting: usize, invited: usize) -> RoomId {
        let token = self.with(inviting, |chats, now, seed, _| {
            chats.invite(now, seed.first_chunk().unwrap(), now + Span::days(1), "").unwrap()
        });
        let peer = self.people[inviting].id();
        if !self.is_linked(inviting, invited) {
            self.connect(inviting, invited);
        }
        self.with(invited, |chats, now, seed, store| chats.ask(now, seed, peer, Some(token), store)).unwrap();
        self.carry();
        self.people[invited].direct(peer).expect("the invite was good")
    }

    /// Everyone is a contact of everyone else, and there.
    pub fn acquaint_all(&mut self) {
        for one in 0..self.people.len() {
            for other in one + 1..self.people.len() {
                self.acquaint(one, other);
            }
        }
    }

    /// A group of the first with these others.
    pub fn found(&mut self, founder: usize, others: &[usize]) -> RoomId {
        let with: Vec<IdentityId> = others.iter().map(|who| self.people[*who].id()).collect();
        let room = self.with(founder, |chats, now, seed, store| chats.found_group(now, seed, "five", &with, store));
        self.carry();
        room.unwrap()
    }

    /// The first message of one direction of one link, whichever `pick` says.
    pub fn deliver_picked(&mut self, pick: usize) {
        let mut ways: Vec<(usize, usize)> = self.wire.iter().map(|(from, to, _)| (*from, *to)).collect();
        ways.sort_unstable();
        ways.dedup();
        let Some(way) = ways.get(pick % ways.len().max(1)).copied() else { return };
        let place = self.wire.iter().position(|(from, to, _)| (*from, *to) == way).unwrap();
        let message = self.wire.remove(place).unwrap();
        self.wire.push_front(message);
        self.deliver_one();
    }

    /// All who are linked with one lose it, and it loses its memory; to start anew takes a moment.
    pub fn crash(&mut self, who: usize) {
        for other in 0..self.people.len() {
            if other != who && self.is_linked(who, other) {
                self.cut(who, other);
            }
        }
        self.people[who].restart();
        self.now = self.now + Span::seconds(1);
    }

    pub fn connect_all(&mut self) {
        for one in 0..self.people.len() {
            for other in one + 1..self.people.len() {
                if !self.is_linked(one, other) {
                    self.connect(one, other);
                }
            }
        }
    }

    pub fn tick(&mut self) {
        for who in 0..self.people.len() {
            self.with(who, |chats, now, seed, store| chats.handle_time(now, seed, store));
        }
    }

    /// All are there, and time passes until nobody has anything to say any more.
    pub fn settle(&mut self) {
        self.connect_all();
        self.carry();
        for _ in 0..64 {
            self.now = self.now + Span::minutes(1);
            self.tick();
            let is_quiet = self.wire.is_empty();
            self.carry();
            if is_quiet {
                return;
            }
        }
        panic!("they go on talking");
    }

    /// Who is in a room, as one sees it.
    pub fn members(&self, who: usize, room: RoomId) -> Vec<usize> {
        let view = self.people[who].chats.talk(room).unwrap();
        let mut members: Vec<usize> = view.roles.keys().map(|id| self.index(*id)).collect();
        members.sort_unstable();
        members
    }
}
