//! Shaping: how fast a client may go, by itself and together with all others (row A11).
//!
//! # The problem
//!
//! A provider says how much of its line it gives, to each client and to all. A limiter that drops what is too much is far
//! off for TCP, which takes a drop for a full path and halves its speed; one that lets a bucket be used up is far off for a
//! while; one first-come, first-served queue gives most to whoever opens most connections.
//!
//! # The idea
//!
//! A [`Bucket`] is a line of a given rate on a time axis (the generic cell rate algorithm): a number says until when it is
//! taken, and whoever wants bytes over it takes the next piece of the axis and waits until that begins. Nothing is
//! rounded away, so the rate is exact however late a timer goes off, as long as that is less than [`DEPTH`], which is also
//! how much a line that stood idle may be behind.
//!
//! A [`Lane`] is one client's way in one direction, whatever sessions it has. It takes pieces of one quantum of its own line and of the one that all
//! share, and never more than one ahead. So clients take turns on the shared line, quantum by quantum, whether they have
//! one connection or a hundred, and whether they are a proxy's or a tunnel's.
//!
//! Streams wait at the lane ([`Pace::pass`]): the sender is held back by flow control. Packets are queued for a while
//! (`tunnel::delayed`), so that TCP sees a queue that fills, as at any line, and finds its rate.
//!
//! Both directions are apart, as on a line. Nothing here reads a clock but [`Pace`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::meter::Way;

/// How far a line that stood idle may be behind, and how late a timer may go off without any rate being lost.
pub const DEPTH: Duration = Duration::from_millis(20);
/// A quantum is what a lane carries in this time …
const QUANTUM: Duration = Duration::from_millis(4);
/// … within these bounds, in bytes: a packet at least, and not so much that others wait long.
const QUANTUM_BYTES_MIN: u64 = 1_500;
const QUANTUM_BYTES_MAX: u64 = 64 * 1024;
/// What a lane without limits takes at once, in bytes.
const UNPACED_BYTES: u64 = u64::MAX;

/// A line of one rate. Times are since any fixed moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    bytes_per_second: u64,
    taken_until: Duration,
}

/// One client's way in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lane {
    own: Option<Bucket>,
    /// Bytes that may pass from `ready` on.
    credit: u64,
    ready: Duration,
}

impl Bucket {
    /// A line of so many bits per second, at least eight.
    pub fn new(bits_per_second: u64) -> Self {
        Self { bytes_per_second: (bits_per_second / 8).max(1), taken_until: Duration::ZERO }
    }

    /// Takes the next piece of the line for `bytes`; says when it begins, which may have been a moment ago.
    pub fn take(&mut self, now: Duration, bytes: u64) -> Duration {
        let begins = self.taken_until.max(now.saturating_sub(DEPTH));
        let nanoseconds = u128::from(bytes) * 1_000_000_000 / u128::from(self.bytes_per_second);
        let lasts = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        self.taken_until = begins.saturating_add(lasts);
        begins
    }

    fn quantum(&self) -> u64 {
        let bytes = u128::from(self.bytes_per_second) * QUANTUM.as_nanos() / 1_000_000_000;
        u64::try_from(bytes).unwrap_or(u64::MAX).clamp(QUANTUM_BYTES_MIN, QUANTUM_BYTES_MAX)
    }
}

impl Lane {
    /// A lane of a client that may go so fast, or as fast as it can.
    pub fn new(bits_per_second: Option<u64>) -> Self {
        Self { own: bits_per_second.map(Bucket::new), ..Self::default() }
    }

    /// The most bytes that are passed in one piece over this lane and the line that all share.
    pub fn piece(&self, shared: Option<&Bucket>) -> u64 {
        self.own.iter().chain(shared).map(Bucket::quantum).min().unwrap_or(UNPACED_BYTES)
    }

    /// Lets `bytes` pass now, or says when to ask again.
    pub fn pass(&mut self, now: Duration, bytes: u64, shared: Option<&mut Bucket>) -> Result<(), Duration> {
        if self.credit < bytes {
            let missing = (bytes - self.credit).max(self.piece(shared.as_deref()).min(QUANTUM_BYTES_MAX));
            let own = self.own.as_mut().map_or(Duration::ZERO, |own| own.take(now, missing));
            let together = shared.map_or(Duration::ZERO, |shared| shared.take(now, missing));
            self.ready = self.ready.max(own).max(together);
            self.credit = self.credit.saturating_add(missing);
        }
        if self.ready > now {
            return Err(self.ready);
        }
        self.credit -= bytes;
        Ok(())
    }
}

/// The two directions of something.
#[derive(Debug, Default)]
struct Both<T> {
    up: T,
    down: T,
}

impl<T> Both<T> {
    fn of(&self, way: Way) -> &T {
        match way {
            Way::Up => &self.up,
            Way::Down => &self.down,
        }
    }
}

/// The line that all clients of a provider share, and its clock.
#[derive(Debug)]
pub struct SharedLine {
    started: Instant,
    line: Option<Both<Mutex<Bucket>>>,
}

impl SharedLine {
    /// `bits_per_second` each way for all together; as much as there is without.
    pub fn new(bits_per_second: Option<u64>) -> Arc<Self> {
        let both = |rate| Both { up: Mutex::new(Bucket::new(rate)), down: Mutex::new(Bucket::new(rate)) };
        Arc::new(Self { started: Instant::now(), line: bits_per_second.map(both) })
    }
}

/// One client's pace, in both directions.
#[derive(Debug)]
pub struct Pace {
    shared: Arc<SharedLine>,
    lanes: Both<Mutex<Lane>>,
    /// Connections of one client wait in the order in which they came.
    turns: Both<tokio::sync::Mutex<()>>,
    bits_per_second: u64,
}

impl Pace {
    /// The pace of a client that may take `bits_per_second` each way of a line; `None` where neither is limited.
    pub fn on(shared: &Arc<SharedLine>, bits_per_second: Option<u64>) -> Option<Self> {
        let together = shared.line.as_ref().map(|line| lock(&line.up).bytes_per_second.saturating_mul(8));
        let slowest = together.into_iter().chain(bits_per_second).min()?;
        let lane = || Mutex::new(Lane::new(bits_per_second));
        let lanes = Both { up: lane(), down: lane() };
        Some(Self { shared: shared.clone(), lanes, turns: Both::default(), bits_per_second: slowest })
    }

    /// The fastest that this client may be.
    pub fn bits_per_second(&self) -> u64 {
        self.bits_per_second
    }

    /// The most bytes that [`pass`](Self::pass) should be asked for at once.
    pub fn piece(&self, way: Way) -> u64 {
        self.with(way, |lane, shared| lane.piece(shared.as_deref()))
    }

    /// Lets `bytes` pass now, or says when to ask again.
    pub fn try_pass(&self, way: Way, bytes: u64) -> Result<(), Instant> {
        let now = self.shared.started.elapsed();
        self.with(way, |lane, shared| lane.pass(now, bytes, shared)).map_err(|at| self.shared.started + at)
    }

    /// Waits until `bytes` may pass. A wait that is cancelled costs at most one piece.
    pub async fn pass(&self, way: Way, bytes: u64) {
        let _turn = self.turns.of(way).lock().await;
        while let Err(at) = self.try_pass(way, bytes) {
            sleep_until(at).await;
        }
    }

    fn with<T>(&self, way: Way, ask: impl FnOnce(&mut Lane, Option<&mut Bucket>) -> T) -> T {
        let mut lane = lock(self.lanes.of(way));
        let mut shared = self.shared.line.as_ref().map(|line| lock(line.of(way)));
        ask(&mut lane, shared.as_deref_mut())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Numbers only, each change of them whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
