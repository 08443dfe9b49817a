//! What a dialogue keeps on disk, in one space.
//!
//! ```text
//! peer (20) ‖ 0                      version, standing, secret
//! peer (20) ‖ 1                      received: all durable messages through this ordinal are confirmed
//! peer (20) ‖ 2                      sent: all durable messages through this ordinal were confirmed by the peer
//! peer (20) ‖ 3 ‖ ordinal (8, BE)    a durable message that waits to be confirmed by the peer
//! ```

use std::collections::BTreeMap;

use byway_primitives::store::Entry;
use byway_primitives::{Batch, Decode, DecodeError, Encode, IdentityId, Reader, Space, Store, Writer};

use crate::handshake::DialogueSecret;
use crate::message::Message;

/// Where dialogues are kept.
pub const SPACE: Space = Space("dialogues");

const VERSION: u8 = 1;
const RECORD: u8 = 0;
const RECEIVED: u8 = 1;
const SENT: u8 = 2;
const MESSAGE: u8 = 3;

/// What is on disk is not what was written there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stored dialogue with {peer} is damaged ({reason}); restore the node's data, or delete that dialogue")]
pub struct RestoreError {
    pub peer: IdentityId,
    pub reason: DecodeError,
}

/// How sure a side is that the other holds the dialogue too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// We offered it, and don't know whether the other has taken it.
    Offered,
    Held,
}

/// A dialogue as found on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Saved {
    pub standing: Standing,
    pub secret: DialogueSecret,
    pub received: u64,
    pub sent: u64,
    /// In order, the first being `sent + 1`.
    pub messages: Vec<Message>,
}

pub(crate) fn put_record(batch: &mut Batch, peer: IdentityId, standing: Standing, secret: &DialogueSecret) {
    let standing = match standing {
        Standing::Offered => 0,
        Standing::Held => 1,
    };
    batch.put(SPACE, key(peer, RECORD), [&[VERSION, standing][..], secret.as_bytes()].concat());
}

pub(crate) fn put_received(batch: &mut Batch, peer: IdentityId, through: u64) {
    batch.put(SPACE, key(peer, RECEIVED), through.to_bytes());
}

/// The peer has confirmed messages `from..=through`: they need not be kept.
pub(crate) fn put_sent(batch: &mut Batch, peer: IdentityId, from: u64, through: u64) {
    batch.put(SPACE, key(peer, SENT), through.to_bytes());
    delete_messages(batch, peer, from, through);
}

pub(crate) fn put_message(batch: &mut Batch, peer: IdentityId, message: &Message) {
    batch.put(SPACE, message_key(peer, message.ordinal), message.to_bytes());
}

/// Deletes a dialogue; `from..=through` are the messages it still keeps.
pub(crate) fn delete(batch: &mut Batch, peer: IdentityId, from: u64, through: u64) {
    for part in [RECORD, RECEIVED, SENT] {
        batch.delete(SPACE, key(peer, part));
    }
    delete_messages(batch, peer, from, through);
}

fn delete_messages(batch: &mut Batch, peer: IdentityId, from: u64, through: u64) {
    for ordinal in from..=through {
        batch.delete(SPACE, message_key(peer, ordinal));
    }
}

/// Every dialogue on disk.
pub(crate) fn load(store: &impl Store) -> Result<BTreeMap<IdentityId, Saved>, RestoreError> {
    let mut peers: BTreeMap<IdentityId, Vec<Entry>> = BTreeMap::new();
    for (key, value) in store.scan_prefix(SPACE, &[]) {
        let (peer, rest) = match key.split_first_chunk::<20>() {
            Some((peer, rest)) => (IdentityId(*peer), rest.to_vec()),
            None => return Err(RestoreError { peer: IdentityId([0; 20]), reason: DecodeError::Truncated }),
        };
        peers.entry(peer).or_default().push((rest, value));
    }
    let restore = |(peer, entries): (_, Vec<_>)| {
        let saved = saved(&entries).map_err(|reason| RestoreError { peer, reason })?;
        Ok((peer, saved))
    };
    peers.into_iter().map(restore).collect()
}

fn saved(entries: &[Entry]) -> Result<Saved, DecodeError> {
    let (mut record, mut received, mut sent, mut messages) = (None, 0, 0, Vec::new());
    for (key, value) in entries {
        match key.as_slice() {
            [RECORD] => record = Some(read_record(value)?),
            [RECEIVED] => received = u64::from_bytes(value)?,
            [SENT] => sent = u64::from_bytes(value)?,
            [MESSAGE, ..] => messages.push(Message::from_bytes(value)?),
            _ => return Err(DecodeError::Invalid("key of a stored dialogue")),
        }
    }
    let in_order = messages.iter().zip(sent + 1..).all(|(message, expected)| message.ordinal == expected);
    match record {
        Some((standing, secret)) if in_order => Ok(Saved { standing, secret, received, sent, messages }),
        Some(_) => Err(DecodeError::Invalid("order of stored messages")),
        None => Err(DecodeError::Invalid("stored dialogue without its record")),
    }
}

fn read_record(bytes: &[u8]) -> Result<(Standing, DialogueSecret), DecodeError> {
    let mut input = Reader::new(bytes);
    match input.byte()? {
        VERSION => {}
        value => return Err(DecodeError::UnknownVariant { kind: "version of a stored dialogue", value: value.into() }),
    }
    let standing = if input.flag()? { Standing::Held } else { Standing::Offered };
    let secret = DialogueSecret::from_bytes(input.array()?);
    input.finish()?;
    Ok((standing, secret))
}

fn key(peer: IdentityId, part: u8) -> Vec<u8> {
    let mut out = Writer::new();
    out.raw(&peer.0);
    out.byte(part);
    out.into_bytes()
}

fn message_key(peer: IdentityId, ordinal: u64) -> Vec<u8> {
    [&key(peer, MESSAGE)[..], &ordinal.to_be_bytes()].concat()
}
