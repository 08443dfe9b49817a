//! What the ledger says of people: by which name it knows them, whether they have pledged for their identity, and for whom one could take
//! them. None of it is their own word.

use std::collections::BTreeMap;

use byway_chat::content::display::{self, Likeness};
use byway_chat::people::{People, Person, Standing};
use byway_primitives::IdentityId;
use byway_records::names::{Name, NameEntry, NameKey, identity_of, name_key, name_of};

use super::super::Actor;
use crate::api::*;

/// What is said of somebody beside what they say themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Called {
    pub primary_name: Option<String>,
    pub registered: bool,
    pub looks_like: Option<ChatLookAlike>,
}

/// What was told of each last.
#[derive(Default)]
pub(in super::super) struct CalledDesk(BTreeMap<IdentityId, Called>);

/// Everyone whom we know and hear, by what their names look like.
pub(super) struct Alike {
    as_written: BTreeMap<String, Vec<IdentityId>>,
    in_small: BTreeMap<String, Vec<IdentityId>>,
}

impl Alike {
    pub fn of(people: &People) -> Self {
        let mut alike = Self { as_written: BTreeMap::new(), in_small: BTreeMap::new() };
        for (peer, person) in people.iter().filter(|(_, person)| person.standing != Standing::Blocked) {
            let Likeness { as_written, in_small } = Likeness::of(person.shown_name());
            if !as_written.is_empty() {
                alike.as_written.entry(as_written).or_default().push(peer);
                alike.in_small.entry(in_small).or_default().push(peer);
            }
        }
        alike
    }

    /// Others who could be meant by the name of this one.
    fn others(&self, peer: IdentityId, name: &str) -> impl Iterator<Item = IdentityId> {
        let Likeness { as_written, in_small } = Likeness::of(name);
        let alike = [self.as_written.get(&as_written), self.in_small.get(&in_small)];
        alike.into_iter().flatten().flatten().copied().filter(move |other| *other != peer)
    }
}

impl From<&ChatPerson> for Called {
    fn from(person: &ChatPerson) -> Self {
        let ChatPerson { primary_name, registered, looks_like, .. } = person.clone();
        Self { primary_name, registered, looks_like }
    }
}

impl Actor {
    pub(super) fn ledger_says(&self, peer: IdentityId, person: &Person, alike: &Alike) -> Called {
        let primary_name = self.primary_name(peer).map(|name| name.to_string());
        Called { primary_name, registered: self.is_registered(peer), looks_like: self.looks_like(peer, person, alike) }
    }

    /// By which name the ledger knows somebody, if they chose to be called by one of theirs.
    fn primary_name(&self, peer: IdentityId) -> Option<Name> {
        name_of(self.names_tree()?, peer, self.ledger_clock())
    }

    /// For whom one could take somebody, by the name that is shown of them: for whoever has it in the directory, or another whom we know.
    /// Nobody is doubted who has that name themselves. What we call somebody ourselves is not compared with the directory.
    fn looks_like(&self, peer: IdentityId, person: &Person, alike: &Alike) -> Option<ChatLookAlike> {
        let name = person.shown_name();
        display::name(name)?;
        let taken = self.taken_like(name);
        match taken {
            Some(entry) if entry.owner == peer => return None,
            Some(NameEntry { name, owner, .. }) if person.nickname.is_none() => {
                return Some(ChatLookAlike { identity: owner, name: name.to_string(), in_directory: true });
            }
            _ => {}
        }
        let people = self.chats().people();
        let is_contact = |other: &IdentityId| people.is_contact(*other);
        let other = alike.others(peer, name).find(is_contact).or_else(|| alike.others(peer, name).next())?;
        let name = people.get(other).and_then(|other| display::name(other.shown_name())).unwrap_or_default();
        Some(ChatLookAlike { identity: other, name, in_directory: false })
    }

    /// The name in the directory that leads to somebody, and looks like this.
    fn taken_like(&self, text: &str) -> Option<NameEntry> {
        let entry: NameEntry = self.names_tree()?.read(&name_key(NameKey::of_text(text)))?;
        entry.is_in_use(self.ledger_clock()).then_some(entry)
    }

    /// Whom a name that was typed leads to.
    ///
    /// # Errors
    /// That nobody has it, and which one looks like it; that it leads nowhere yet, or any more.
    pub(super) fn owner_named(&self, name: &Name) -> Answer<IdentityId> {
        let clock = self.ledger_clock();
        let names = self.names_tree().ok_or_else(ApiError::kernel_unreachable)?;
        if let Some(owner) = identity_of(names, name, clock) {
            return Ok(owner);
        }
        let entry: Option<NameEntry> = names.read(&name_key(name.key()));
        match entry.filter(|entry| !entry.free.passed(clock.time, clock.commits)) {
            None => Err(ApiError::nobody_named(name)),
            Some(entry) if entry.name != *name => Err(ApiError::name_looks_like(name, &entry.name, entry.owner)),
            Some(entry) if !entry.is_settled(clock) => Err(ApiError::name_contested(name)),
            Some(_) => Err(ApiError::name_expired(name)),
        }
    }

    /// What the ledger says of people has changed: their conversations take it into account, and whoever watches is told.
    pub(in super::super) fn tell_called(&mut self) {
        let people = self.chat_people();
        for person in people {
            let called = Called::from(&person);
            if person.standing == ChatStanding::Asking {
                self.market.note_registered(person.identity, called.registered);
            }
            if self.called.0.get(&person.identity).cloned().unwrap_or_default() != called {
                self.called.0.insert(person.identity, called);
                self.tell(Event::ChatPerson(person));
            }
        }
    }
}
