//! What a machine asks of its driver.
//!
//! A machine takes `(now, input)` and pushes [`Effect`]s. The driver (and the simulator, which plays its part) must:
//!
//! 1. make the writes of a [`Effect::Persist`] visible to the machine's [`Store`](crate::Store) at once, in the order
//!    emitted;
//! 2. make them durable in that order, so that what survives a crash is always a prefix of what was emitted;
//! 3. send a message with `after: Some(token)` only once the batch of that token is durable; messages without a token
//!    may leave at once;
//! 4. keep one [`Timer`] for it, call `handle_wake` when that is due, and neither earlier nor twice.
//!
//! By the first three "durable before sent" holds everywhere. By the fourth a wake uses up all that was asked for before
//! it, also later times, and nothing but a wake does. So whenever it is woken a machine asks again for whatever it still
//! waits for; and one that is made of machines keeps a timer for each of them, as their driver.

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
    /// Call `handle_wake` at or after this time, if not before. A machine may ask often.
    WakeAt(Time),
    /// Tell the layer above.
    Notify(N),
}

/// The earliest of the times at which a machine asked to be woken since it last was.
///
/// Its driver keeps one; so may the machine itself, in order not to ask for what its driver knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timer(Option<Time>);

impl Timer {
    /// Has it go off at `time`; false if it does so before anyway.
    pub fn set(&mut self, time: Time) -> bool {
        let is_news = self.0.is_none_or(|at| time < at);
        if is_news {
            self.0 = Some(time);
        }
        is_news
    }

    /// When it goes off.
    pub fn at(&self) -> Option<Time> {
        self.0
    }

    /// Whether it goes off now; if so, it is not set any more.
    pub fn goes_off(&mut self, now: Time) -> bool {
        self.0.take_if(|at| *at <= now).is_some()
    }

    /// Unsets it: the machine is being woken.
    pub fn stop(&mut self) {
        self.0 = None;
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_keeps_the_earliest_time_until_it_goes_off() {
        let mut timer = Timer::default();
        assert!(!timer.goes_off(Time(u64::MAX)), "nobody asked");
        for (time, is_news) in [(5, true), (7, false), (5, false), (3, true)] {
            assert_eq!(timer.set(Time(time)), is_news, "{time}");
        }
        assert!(!timer.goes_off(Time(2)));
        assert_eq!(timer.at(), Some(Time(3)));
        assert!(timer.goes_off(Time(4)));
        assert!(!timer.goes_off(Time(9)), "the later times went with it");
        assert!(timer.set(Time(1)), "what is over by now is asked for all the same");
    }
}
