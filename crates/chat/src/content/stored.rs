//! Items and what is known of a conversation, as they are kept on disk. Nobody else reads this: it is no part of the protocol, and its
//! bounds are those of what was let in.

use std::collections::{BTreeMap, BTreeSet};

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{IdentityId, Time};

use super::apply::About;
use super::bounded::fields;
use super::envelope::{Content, Stamp};
use super::item::{Item, Original, Place, Posted, Reached, Said, Version};
use super::limits::{
    CONTENT_BYTES_MAX, ENTRY_TAGS_MAX, LIST_ENTRIES_MAX, PEOPLE_MAX, REACTIONS_EACH_MAX, VERSIONS_MAX, VOTES_EACH_MAX,
};
use super::lists::{Entries, Entry, EntryId, EntryTag, Register};
use super::poll::Choices;
use super::post::Emoji;

impl<T: Encode> Encode for Register<T> {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.stamp);
        out.value(&self.value);
    }
}

impl<T: Decode> Decode for Register<T> {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { stamp: input.value()?, value: input.value()? })
    }
}

fields! {
    Place { stamp: value, sent: value, thread: option, reply: option }
    Version { sent: value, text: value }
    Reached { received: option, read: option }
}

impl Encode for Item {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.of);
        match &self.posted {
            Posted::Nothing => out.byte(0),
            Posted::One(original) => {
                out.byte(1);
                out.value(&original.place);
                out.flag(original.content.is_some());
                // A content reads to its end, so it needs its length.
                original.content.iter().for_each(|content| out.bytes(&content.to_bytes()));
            }
            Posted::Disputed => out.byte(2),
        }
        out.option(self.deleted.as_ref());
        out.varint(self.replies);
        out.value(&self.said);
    }
}

impl Decode for Item {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let of = input.value()?;
        let posted = match input.byte()? {
            0 => Posted::Nothing,
            1 => {
                let place = input.value()?;
                let content = match input.flag()? {
                    true => Some(Content::from_bytes(input.bytes(CONTENT_BYTES_MAX)?)?),
                    false => None,
                };
                Posted::One(Box::new(Original { place, content }))
            }
            2 => Posted::Disputed,
            other => return Err(DecodeError::UnknownVariant { kind: "item", value: other.into() }),
        };
        Ok(Self { of, posted, deleted: input.option()?, replies: input.u32()?, said: input.value()? })
    }
}

impl Encode for Said {
    fn encode(&self, out: &mut Writer) {
        put_map(out, &self.versions, |out, version| out.value(version));
        put_map(out, &self.reactions, |out, theirs| put_map(out, theirs, put_flag));
        put_map(out, &self.votes, |out, theirs| {
            put_map(out, theirs, |out, (sent, choices)| {
                out.value(sent);
                out.value(choices);
            });
        });
        out.option(self.closed.as_ref());
        put_map(out, &self.entries.0, |out, entry| out.value(entry));
        put_map(out, &self.reached, |out, reached| out.value(reached));
    }
}

impl Decode for Said {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            versions: read_map(input, VERSIONS_MAX, |input| input.value())?,
            reactions: read_map(input, PEOPLE_MAX, |input| read_map::<Emoji, _>(input, REACTIONS_EACH_MAX, read_flag))?,
            votes: read_map::<IdentityId, _>(input, PEOPLE_MAX, |input| {
                read_map::<Stamp, _>(input, VOTES_EACH_MAX, |input| {
                    Ok((input.value::<Time>()?, input.value::<Choices>()?))
                })
            })?,
            closed: input.option()?,
            entries: Entries(read_map::<EntryId, _>(input, LIST_ENTRIES_MAX, |input| input.value())?),
            reached: read_map(input, PEOPLE_MAX, |input| input.value())?,
        })
    }
}

impl Encode for Entry {
    fn encode(&self, out: &mut Writer) {
        put_tags(out, &self.put);
        put_tags(out, &self.taken_off);
        out.option(self.text.as_ref());
        out.option(self.place.as_ref());
        out.flag(self.is_done.is_some());
        self.is_done.iter().for_each(|done| put_flag(out, done));
        out.flag(self.assignee.is_some());
        if let Some(Register { stamp, value }) = &self.assignee {
            out.value(stamp);
            out.option(value.as_ref());
        }
    }
}

impl Decode for Entry {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            put: read_tags(input)?,
            taken_off: read_tags(input)?,
            text: input.option()?,
            place: input.option()?,
            is_done: if input.flag()? { Some(read_flag(input)?) } else { None },
            assignee: match input.flag()? {
                true => Some(Register { stamp: input.value()?, value: input.option()? }),
                false => None,
            },
        })
    }
}

impl Encode for About {
    fn encode(&self, out: &mut Writer) {
        out.option(self.title.as_ref());
        out.option(self.disappearing.as_ref());
        put_map(out, &self.profiles, |out, profile| out.value(profile));
    }
}

impl Decode for About {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            title: input.option()?,
            disappearing: input.option()?,
            profiles: read_map(input, PEOPLE_MAX, |input| input.value())?,
        })
    }
}

fn put_map<K: Encode, V>(out: &mut Writer, map: &BTreeMap<K, V>, put: impl Fn(&mut Writer, &V)) {
    out.varint(map.len() as u64);
    for (key, value) in map {
        out.value(key);
        put(out, value);
    }
}

fn read_map<K: Decode + Ord, V>(
    input: &mut Reader<'_>,
    limit: usize,
    read: impl Fn(&mut Reader<'_>) -> Result<V, DecodeError>,
) -> Result<BTreeMap<K, V>, DecodeError> {
    let count = input.u64()?;
    if count > limit as u64 {
        return Err(DecodeError::TooLong { length: count, limit: limit as u64 });
    }
    (0..count).map(|_| Ok((input.value()?, read(input)?))).collect()
}

fn put_flag(out: &mut Writer, register: &Register<bool>) {
    out.value(&register.stamp);
    out.flag(register.value);
}

fn read_flag(input: &mut Reader<'_>) -> Result<Register<bool>, DecodeError> {
    Ok(Register { stamp: input.value()?, value: input.flag()? })
}

fn put_tags(out: &mut Writer, tags: &BTreeSet<EntryTag>) {
    out.list(&tags.iter().copied().collect::<Vec<_>>());
}

fn read_tags(input: &mut Reader<'_>) -> Result<BTreeSet<EntryTag>, DecodeError> {
    Ok(input.list(ENTRY_TAGS_MAX)?.into_iter().collect())
}
