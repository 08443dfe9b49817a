//! What a machine asks of its driver.
//!
//! A machine takes `(now, input)` and pushes [`Effect`]s. The driver (and the simulator, which plays its part) must:
//!
//! 1. make the writes of a [`Effect::Persist`] visible to the machine's [`Store`](crate::Store) at once, in the order
//!    emitted;
//! 2. make them durable in that order, so that what survives a crash is always a prefix of what was emitted;
//! 3. send a message with `after: Some(token)` only once the batch of that token is durable; messages without a token
//!    may leave at once.
//!
//! That is the whole contract by which "durable before sent" holds everywhere.

use crate::store::Space;
use crate::time::Time;

/// Names a batch within one machine; grows by one with each `Persist`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Token(pub u64);

/// One write: a new value, or a deletion where `value` is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    pub space: Space,
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
}

/// Writes that become durable together or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    pub writes: Vec<Write>,
}

impl Batch {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    pub fn put(&mut self, space: Space, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.writes.push(Write { space, key: key.into(), value: Some(value.into()) });
    }

    pub fn delete(&mut self, space: Space, key: impl Into<Vec<u8>>) {
        self.writes.push(Write { space, key: key.into(), value: None });
    }

    /// Adds the writes of `later` after these.
    pub fn append(&mut self, mut later: Batch) {
        self.writes.append(&mut later.writes);
    }
}

/// Something a machine wants done. `P` names a peer, `M` is what is sent to one, `N` is news for the layer above.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect<P, M, N> {
    /// Write durably.
    Persist { batch: Batch, token: Token },
    /// Send, once the batch of `after` is durable.
    Send { to: P, message: M, after: Option<Token> },
    /// Call `handle_wake` at or after this time. A machine may ask often; waking too early or twice is harmless.
    WakeAt(Time),
    /// Tell the layer above.
    Notify(N),
}

impl<P, M, N> Effect<P, M, N> {
    /// The same effect in the vocabulary of an enclosing machine.
    pub fn map<P2, M2, N2>(
        self,
        peer: impl FnOnce(P) -> P2,
        message: impl FnOnce(M) -> M2,
        news: impl FnOnce(N) -> N2,
    ) -> Effect<P2, M2, N2> {
        match self {
            Effect::Persist { batch, token } => Effect::Persist { batch, token },
            Effect::Send { to, message: m, after } => Effect::Send { to: peer(to), message: message(m), after },
            Effect::WakeAt(time) => Effect::WakeAt(time),
            Effect::Notify(n) => Effect::Notify(news(n)),
        }
    }
}
