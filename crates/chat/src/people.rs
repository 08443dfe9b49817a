//! Whom one knows: contacts, those who ask to be one, and those who are not listened to.

use std::collections::{BTreeMap, BTreeSet};

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::hash::Context;
use byway_primitives::{Batch, IdentityId, Space, Store, Time};

use crate::delivery::letter::{InviteToken, NAME_MAX, PACKAGE_MAX};
use crate::mls::RoomId;

const PEOPLE: Space = Space("chat-people");
const INVITES: Space = Space("chat-invites");
const INVITE: Context = Context("byway 1 chat invite");

/// Those who ask to be contacts, have no answer, and have pledged nothing for their identity, at most; whoever asks then is not heard.
/// Asking costs them nothing.
pub const ASKING_MAX: usize = 256;
/// Those who ask, have no answer and are registered, at most: each has a pledge on the ledger, so a crowd of them costs its maker as many.
pub const ASKING_REGISTERED_MAX: usize = 1024;
/// Invites that nobody has used, at most.
pub const INVITES_MAX: usize = 256;
/// Bytes of what an invite is noted down as.
pub const NOTE_MAX: usize = 256;

/// In the first byte of a person: when they were compared with comes last. Those that were written before this was kept have it not.
const VERIFIED: u8 = 0x80;

/// Where somebody stands with us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// We have asked, and await the answer.
    Asked,
    /// They ask; with this they can be let into a conversation.
    Asking {
        package: Vec<u8>,
    },
    Contact,
    /// Not heard, and not told so.
    Blocked,
}

/// Somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub standing: Standing,
    /// By which they say that they go; nobody has checked it.
    pub name: String,
    /// What we call them.
    pub nickname: Option<String>,
    /// Since when they stand so.
    pub since: Time,
    /// The conversation of the two of us.
    pub direct: Option<RoomId>,
    /// When our person has [compared](crate::chats::Safety) with them that nobody is between the two. An identity never changes, so this
    /// counts as long as they are known.
    pub verified: Option<Time>,
}

/// All of them.
#[derive(Debug, Default)]
pub struct People(BTreeMap<IdentityId, Person>);

/// An invite that nobody has used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    pub expires: Time,
    /// For whoever made it: whom it is for.
    pub note: String,
}

/// The invites that we have given, by the hash of their token.
#[derive(Debug, Default)]
pub struct Invites(BTreeMap<[u8; 32], Invite>);

/// What is kept of people can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("what is kept of contacts and invites can't be read ({0}); restore the data folder from a backup")]
pub struct PeopleDamaged(pub DecodeError);

impl Person {
    /// What to call them: what we call them, or else what they say.
    pub fn shown_name(&self) -> &str {
        self.nickname.as_deref().unwrap_or(&self.name)
    }
}

impl People {
    pub fn load(store: &impl Store) -> Result<Self, PeopleDamaged> {
        let read = |(key, value): (Vec<u8>, Vec<u8>)| {
            let peer = IdentityId::from_bytes(&key).map_err(PeopleDamaged)?;
            Ok((peer, Person::from_bytes(&value).map_err(PeopleDamaged)?))
        };
        store.scan_prefix(PEOPLE, &[]).into_iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    pub fn get(&self, peer: IdentityId) -> Option<&Person> {
        self.0.get(&peer)
    }

    pub fn iter(&self) -> impl Iterator<Item = (IdentityId, &Person)> {
        self.0.iter().map(|(peer, person)| (*peer, person))
    }

    pub fn is_contact(&self, peer: IdentityId) -> bool {
        self.get(peer).is_some_and(|person| person.standing == Standing::Contact)
    }

    pub fn is_blocked(&self, peer: IdentityId) -> bool {
        self.get(peer).is_some_and(|person| person.standing == Standing::Blocked)
    }

    /// Whether one more may ask, who is registered or not. What those who are not have filled leaves room for those who are.
    pub fn has_room(&self, peer: IdentityId, registered: &BTreeSet<IdentityId>) -> bool {
        let asking = self.asking();
        let (all, of_registered) = asking.fold((0, 0), |(all, of_registered), peer| {
            (all + 1, of_registered + usize::from(registered.contains(&peer)))
        });
        if registered.contains(&peer) {
            return of_registered < ASKING_REGISTERED_MAX;
        }
        // Who was registered when asking, and is no more, counts as what they are now.
        all - of_registered < ASKING_MAX && all < ASKING_MAX + ASKING_REGISTERED_MAX
    }

    /// Those who ask and have no answer.
    pub fn asking(&self) -> impl Iterator<Item = IdentityId> {
        self.iter().filter(|(_, person)| matches!(person.standing, Standing::Asking { .. })).map(|(peer, _)| peer)
    }

    pub fn put(&mut self, peer: IdentityId, person: Person, batch: &mut Batch) {
        batch.put(PEOPLE, peer.to_bytes(), person.to_bytes());
        self.0.insert(peer, person);
    }

    pub fn remove(&mut self, peer: IdentityId, batch: &mut Batch) -> Option<Person> {
        batch.delete(PEOPLE, peer.to_bytes());
        self.0.remove(&peer)
    }
}

impl Invites {
    pub fn load(store: &impl Store) -> Result<Self, PeopleDamaged> {
        let read = |(key, value): (Vec<u8>, Vec<u8>)| {
            let hash = Reader::new(&key).array().map_err(PeopleDamaged)?;
            Ok((hash, Invite::from_bytes(&value).map_err(PeopleDamaged)?))
        };
        store.scan_prefix(INVITES, &[]).into_iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// Those that count, by the time at which they end.
    pub fn iter(&self) -> impl Iterator<Item = &Invite> {
        self.0.values()
    }

    /// Notes an invite down; `false` where there are too many that nobody has used.
    pub fn put(&mut self, now: Time, token: &InviteToken, invite: Invite, batch: &mut Batch) -> bool {
        let over: Vec<[u8; 32]> =
            self.0.iter().filter(|(_, known)| known.expires <= now).map(|(hash, _)| *hash).collect();
        for hash in over {
            self.0.remove(&hash);
            batch.delete(INVITES, hash);
        }
        let has_room = self.0.len() < INVITES_MAX;
        if has_room {
            batch.put(INVITES, hash(token), invite.to_bytes());
            self.0.insert(hash(token), invite);
        }
        has_room
    }

    /// Uses an invite up. `None` where it is not ours, is over, or was used.
    pub fn take(&mut self, now: Time, token: &InviteToken, batch: &mut Batch) -> Option<Invite> {
        let invite = self.0.remove(&hash(token))?;
        batch.delete(INVITES, hash(token));
        (now < invite.expires).then_some(invite)
    }
}

/// By its hash a token is looked up without saying, in time, how much of it was right.
fn hash(token: &InviteToken) -> [u8; 32] {
    INVITE.hash(&[&*token.0]).0
}

impl Encode for Person {
    fn encode(&self, out: &mut Writer) {
        let more = if self.verified.is_some() { VERIFIED } else { 0 };
        match &self.standing {
            Standing::Asked => out.byte(more),
            Standing::Asking { package } => {
                out.byte(1 | more);
                out.bytes(package);
            }
            Standing::Contact => out.byte(2 | more),
            Standing::Blocked => out.byte(3 | more),
        }
        out.text(&self.name);
        out.flag(self.nickname.is_some());
        self.nickname.iter().for_each(|nickname| out.text(nickname));
        out.value(&self.since);
        out.option(self.direct.as_ref());
        self.verified.iter().for_each(|at| out.value(at));
    }
}

impl Decode for Person {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let first = input.byte()?;
        let standing = match first & !VERIFIED {
            0 => Standing::Asked,
            1 => Standing::Asking { package: input.bytes(PACKAGE_MAX)?.to_vec() },
            2 => Standing::Contact,
            3 => Standing::Blocked,
            other => return Err(DecodeError::UnknownVariant { kind: "standing of a person", value: other.into() }),
        };
        let name = input.text(NAME_MAX)?;
        let nickname = if input.flag()? { Some(input.text(NAME_MAX)?) } else { None };
        let (since, direct) = (input.value()?, input.option()?);
        let verified = if first & VERIFIED == 0 { None } else { Some(input.value()?) };
        Ok(Self { standing, name, nickname, since, direct, verified })
    }
}

impl Encode for Invite {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.expires);
        out.text(&self.note);
    }
}

impl Decode for Invite {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { expires: input.value()?, note: input.text(NOTE_MAX)? })
    }
}
