//! Counts the bytes of a session, up and down, over all its connections (row A10).
//!
//! Both sides count the same thing at the same place: of the proxy the payload inside the authenticated stream, without
//! SOCKS, header, framing or retransmission; of the tunnel whole inner IP packets, before encryption and after it, by the
//! length that their own header gives.
//!
//! | side     | up (client to host)                    | down (host to client)                 |
//! | -------- | -------------------------------------- | ------------------------------------- |
//! | client   | what it put in: *sent*                 | what came out: *acknowledged*         |
//! | provider | what came out: *acknowledged*          | what it put in: *delivered*           |
//!
//! So a provider's `up` never exceeds the client's, and a client's `down` never exceeds the provider's; what is between
//! the two is under way or, in a tunnel, lost there. When all connections of a proxy have ended well, they are equal.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// The counters of one session. Counting costs two atomic operations for each chunk.
#[derive(Debug)]
pub struct Meter {
    up: AtomicU64,
    down: AtomicU64,
    /// The lowest total that someone waits for.
    awaited: AtomicU64,
    reached: Notify,
    /// Meters that count whatever this one does.
    others: Vec<Arc<Meter>>,
}

/// What was counted up to a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Metered {
    /// Bytes from the client towards the host.
    pub up: u64,
    /// Bytes from the host towards the client.
    pub down: u64,
}

/// A way in which bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Up,
    Down,
}

/// Which end of a session this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The one where programs want to go out.
    Client,
    /// The one from which hosts are reached.
    Provider,
}

impl Side {
    /// The way of what this side puts into the stream or tunnel.
    pub(crate) fn way_in(self) -> Way {
        match self {
            Self::Client => Way::Up,
            Self::Provider => Way::Down,
        }
    }

    /// The way of what comes out of it at this side.
    pub(crate) fn way_out(self) -> Way {
        match self {
            Self::Client => Way::Down,
            Self::Provider => Way::Up,
        }
    }
}

impl Metered {
    pub fn total(&self) -> u64 {
        self.up.saturating_add(self.down)
    }
}

impl Meter {
    pub fn new() -> Self {
        Self::resume(Metered::default())
    }

    /// Counts on from where a session was left, after another link took it over or after a restart.
    pub fn resume(from: Metered) -> Self {
        Self {
            up: AtomicU64::new(from.up),
            down: AtomicU64::new(from.down),
            awaited: AtomicU64::new(u64::MAX),
            reached: Notify::new(),
            others: Vec::new(),
        }
    }

    /// Counts for these, such as that of the session and that of a port, of which it counts a part.
    pub fn passing_on_to<const N: usize>(others: [Arc<Self>; N]) -> Self {
        Self { others: others.into(), ..Self::new() }
    }

    pub fn read(&self) -> Metered {
        Metered { up: self.up.load(Ordering::SeqCst), down: self.down.load(Ordering::SeqCst) }
    }

    pub(crate) fn count(&self, way: Way, bytes: u64) {
        let counter = match way {
            Way::Up => &self.up,
            Way::Down => &self.down,
        };
        counter.fetch_add(bytes, Ordering::SeqCst);
        if self.read().total() >= self.awaited.load(Ordering::SeqCst) {
            // Whoever waits for more than is there sets it again.
            self.awaited.store(u64::MAX, Ordering::SeqCst);
            self.reached.notify_waiters();
        }
        self.others.iter().for_each(|other| other.count(way, bytes));
    }

    /// Waits until up and down together are at least `total`, and says what they are then.
    pub async fn reached(&self, total: u64) -> Metered {
        loop {
            let mut changed = std::pin::pin!(self.reached.notified());
            // Listening begins before the look at the counters, and the wish is known before it, so whoever counts past
            // it after the look wakes us.
            changed.as_mut().enable();
            self.awaited.fetch_min(total, Ordering::SeqCst);
            let now = self.read();
            if now.total() >= total {
                return now;
            }
            changed.await;
        }
    }
}

impl Default for Meter {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_part_counts_the_whole_counts_too() {
        let (session, port) = (Arc::new(Meter::new()), Arc::new(Meter::resume(Metered { up: 5, down: 0 })));
        let parts = [0; 2].map(|_| Meter::passing_on_to([session.clone(), port.clone()]));
        parts[0].count(Way::Up, 3);
        parts[1].count(Way::Down, 4);
        assert_eq!(parts[0].read(), Metered { up: 3, down: 0 });
        assert_eq!((session.read(), port.read()), (Metered { up: 3, down: 4 }, Metered { up: 8, down: 4 }));
    }

    #[tokio::test]
    async fn whoever_waits_for_a_total_is_woken() {
        let meter = Arc::new(Meter::new());
        let waiting: Vec<_> = (1..=50u64)
            .map(|total| {
                let meter = meter.clone();
                tokio::spawn(async move { meter.reached(total * 20).await })
            })
            .collect();
        let counting: Vec<_> = [Way::Up, Way::Down]
            .into_iter()
            .map(|way| {
                let meter = meter.clone();
                tokio::spawn(async move {
                    for _ in 0..500 {
                        meter.count(way, 1);
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        for task in counting {
            task.await.unwrap();
        }
        for (total, task) in (1..=50u64).zip(waiting) {
            assert!(task.await.unwrap().total() >= total * 20);
        }
        assert_eq!(meter.read(), Metered { up: 500, down: 500 });
        assert_eq!(Meter::resume(meter.read()).read(), Metered { up: 500, down: 500 });
    }
}
