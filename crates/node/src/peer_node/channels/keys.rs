//! Keys under which money in channels is moved, on disk: asking again, also after a crash, moves it once.
//!
//! Before something is done under a key it is written that it begins, and where the channel stood; after it was done, what came of it. So
//! of a key without an outcome it can be told whether anything can have come of it: nothing, where the channel still stands there and
//! nothing of the kind is open. Else whoever asks is told to look.

use byway_channel::{Change, ChannelHandle, ChannelKey};
use byway_primitives::hash::Context;
use byway_primitives::{Amount, Encode, Hash, Space, Store};
use byway_records::Value;
use byway_records::channel::Movement;
use byway_vm::Address;
use serde::{Deserialize, Serialize};

use super::super::keyed::Keyed;
use super::Actor;
use super::updating::Done;
use crate::api::params::IdempotencyKey;
use crate::api::{Answer, ApiError, ChannelOpen};

const KEYS: Space = Space("channel-keys");
const CALL: Context = Context("byway 1 node: what is done in a channel under an idempotency key");
/// Of what a call has returned no more is kept.
const OUTPUT_MAX: usize = 1024;

/// What came of each key.
#[derive(Debug)]
pub(super) struct KeyLog(Keyed<KeyFate>);

/// Something that is to be done once in a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Once {
    key: String,
    call: Hash,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum KeyFate {
    /// It began when the channel stood there.
    Begun(Stand),
    Made(Made),
    /// A channel was proposed under this handle, and the ledger does not have it yet.
    Proposed(String),
    /// It has, or had.
    Opened(String),
}

/// How far a channel was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stand {
    /// The newest round that was agreed.
    Round(u64),
    /// What this side had promised out of its lane, in all.
    Promised(Amount),
}

/// [`Done`], as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Made {
    round: u64,
    contract: Option<String>,
    gas_used: Option<u64>,
    output: Option<String>,
}

impl Once {
    pub fn update(key: &IdempotencyKey, channel: ChannelKey, change: &Change) -> Self {
        Self::new(key, channel, b"update", &change.to_bytes())
    }

    pub fn promise(key: &IdempotencyKey, channel: ChannelKey, amount: Amount) -> Self {
        Self::new(key, channel, b"promise", &amount.to_bytes())
    }

    pub fn fund(key: &IdempotencyKey, channel: ChannelKey, movement: Movement, value: Value) -> Self {
        let way: &[u8] = if movement == Movement::Deposit { b"deposit" } else { b"withdraw" };
        Self::new(key, channel, way, &value.to_bytes())
    }

    pub fn open(request: &ChannelOpen) -> Self {
        let request_bytes = serde_json::to_vec(request).expect("requests of the local API have a JSON form");
        Self { key: request.idempotency_key.as_str().to_owned(), call: CALL.hash(&[b"open", &request_bytes]) }
    }

    fn new(key: &IdempotencyKey, channel: ChannelKey, kind: &[u8], what: &[u8]) -> Self {
        let parts = [&channel.peer.0[..], &channel.handle.0, kind, what];
        Self { key: key.as_str().to_owned(), call: CALL.hash(&parts) }
    }

    pub fn has_key_of(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl From<&Done> for Made {
    fn from(done: &Done) -> Self {
        let output = done.output.as_ref().filter(|output| output.len() <= OUTPUT_MAX);
        Self {
            round: done.round,
            contract: done.contract.map(|contract| hex::encode(contract.0)),
            gas_used: done.gas_used,
            output: output.map(hex::encode),
        }
    }
}

impl Made {
    pub fn round(&self) -> u64 {
        self.round
    }

    pub fn done(&self) -> Done {
        let contract = self.contract.as_ref().and_then(|text| hex::decode(text).ok()?.try_into().ok());
        Done {
            round: self.round,
            contract: contract.map(Address),
            gas_used: self.gas_used,
            output: self.output.as_ref().and_then(|text| hex::decode(text).ok()),
        }
    }
}

impl Default for KeyLog {
    fn default() -> Self {
        Self(Keyed::new(KEYS))
    }
}

impl KeyLog {
    pub fn open(store: &impl Store) -> Self {
        Self(Keyed::open(KEYS, store))
    }
}

impl Actor {
    /// What came of this before; `None` if it is new.
    ///
    /// # Errors
    /// The key was used for something else.
    pub(super) fn fate_of(&self, once: &Once) -> Answer<Option<KeyFate>> {
        Ok(self.channels.keys.0.find(&once.key, once.call, self.clock.now())?.cloned())
    }

    /// It is about to be done: written before whatever comes of it.
    pub(super) fn begins(&mut self, once: &Once, stand: Stand) {
        self.note_fate(once, KeyFate::Begun(stand));
    }

    pub(super) fn was_made(&mut self, once: &Once, done: &Done) {
        self.note_fate(once, KeyFate::Made(done.into()));
    }

    /// Nothing came of it and nothing will: its key is free.
    pub(super) fn was_not_made(&mut self, once: &Once) {
        let batch = self.channels.keys.0.free(&once.key);
        self.write_ledger(batch);
    }

    /// A channel is about to be proposed under this handle.
    pub(super) fn is_proposed(&mut self, once: &Once, handle: ChannelHandle) {
        self.note_fate(once, KeyFate::Proposed(hex::encode(handle.0)));
    }

    /// The ledger has it: nothing under its key opens another, also once it is over.
    pub(super) fn is_opened(&mut self, handle: ChannelHandle) {
        let (proposed, opened) = (KeyFate::Proposed(hex::encode(handle.0)), KeyFate::Opened(hex::encode(handle.0)));
        let batch = self.channels.keys.0.change(|known| *known == proposed, opened);
        if !batch.is_empty() {
            self.write_ledger(batch);
        }
    }

    fn note_fate(&mut self, once: &Once, fate: KeyFate) {
        let batch = self.channels.keys.0.note(&once.key, once.call, self.clock.now(), fate);
        self.write_ledger(batch);
    }

    /// The newest round of a channel.
    pub(super) fn round_stand(&self, key: ChannelKey) -> Option<Stand> {
        self.market.channels().get(key).map(|channel| Stand::Round(channel.position().round))
    }

    /// Whether something that began there may be done now, as nothing can have come of it.
    ///
    /// # Errors
    /// It may have been done.
    pub(super) fn has_not_moved(before: Stand, now: Option<Stand>) -> Answer<()> {
        if now == Some(before) { Ok(()) } else { Err(ApiError::update_unsure()) }
    }
}

#[cfg(test)]
mod tests {
    use byway_primitives::{IdentityId, MemoryStore, Time};
    use byway_records::channel::Side;

    use super::*;

    fn channel(byte: u8) -> ChannelKey {
        ChannelKey { peer: IdentityId([1; 20]), handle: ChannelHandle([byte; 16]) }
    }

    #[test]
    fn what_came_of_a_key_is_known_again_after_a_restart() {
        let (mut log, mut store) = (KeyLog::default(), MemoryStore::default());
        let key: IdempotencyKey = "k".parse().unwrap();
        let pay = |amount: &str| Change::Transfer { from: Side::Initiator, amount: amount.parse().unwrap() };
        let once = Once::update(&key, channel(1), &pay("5"));
        let now = Time(1_000);
        let mut note = |fate: KeyFate| {
            store.apply(&log.0.note(&once.key, once.call, now, fate.clone()));
            let read = KeyLog::open(&store);
            assert_eq!(read.0.find(&once.key, once.call, now).unwrap(), Some(&fate));
            read
        };
        note(KeyFate::Begun(Stand::Round(7)));
        note(KeyFate::Begun(Stand::Promised("0.5".parse().unwrap())));
        let done = Done { round: 8, contract: Some(Address([3; 20])), gas_used: Some(9), output: Some(vec![1, 2]) };
        let read = note(KeyFate::Made((&done).into()));
        assert_eq!(Made::from(&done).done(), done);
        for other in [
            Once::update(&key, channel(1), &pay("6")),
            Once::update(&key, channel(2), &pay("5")),
            Once::promise(&key, channel(1), "5".parse().unwrap()),
            Once::fund(&key, channel(1), Movement::Deposit, Value::way("5".parse().unwrap())),
        ] {
            assert!(read.0.find(&other.key, other.call, now).is_err(), "another thing under the same key");
        }
    }

    #[test]
    fn what_was_opened_under_a_key_is_known_to_be_open() {
        let (mut log, mut store) = (KeyLog::default(), MemoryStore::default());
        let (call, now) = (Hash([1; 32]), Time(1_000));
        let proposed = |handle: &str| KeyFate::Proposed(handle.to_owned());
        for handle in ["a", "b"] {
            store.apply(&log.0.note(handle, call, now, proposed(handle)));
        }
        store.apply(&log.0.change(|known| *known == proposed("b"), KeyFate::Opened("b".to_owned())));
        assert!(log.0.change(|known| *known == proposed("c"), KeyFate::Opened("c".to_owned())).is_empty());
        let read = KeyLog::open(&store);
        assert_eq!(read.0.find("a", call, now).unwrap(), Some(&proposed("a")));
        assert_eq!(read.0.find("b", call, now).unwrap(), Some(&KeyFate::Opened("b".to_owned())));
    }
}
