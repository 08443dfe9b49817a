//! Holds a session's bytes back when what was paid for is used up.
//!
//! The gate of a session knows one number from outside, the *allowance*: how many bytes may pass in total since the
//! session began, both ways and all connections together. Promises raise it, and other sessions of the same payer that want their
//! share may lower it again. A connection asks for a [`Grant`] before it
//! lets bytes pass and gets at least one byte and at most what it asked for; so connections in need of a lot take what
//! is there instead of waiting for all of it, which a small credit window would never hold at once.
//!
//! While there is allowance left a grant costs a few atomic operations. When there is none, connections wait in the order
//! in which they came, each is served in turn, and nothing polls. What a grant didn't use goes back, so that a broken
//! connection takes nothing with it.
//!
//! Streams wait, packets don't: a tunnel asks for leave for one packet ([`Gate::try_take`]), gets it whole or not at all,
//! and drops the packet then, as a link that is full would. So a packet may find too little where a byte is still left;
//! [`Gate::is_short`] says that this is how it stands.
//!
//! Beside what is paid for, a gate may have a [`Pace`]: how fast bytes may pass. It is asked after the allowance, since what it
//! was asked for is gone.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::{Mutex, Notify};

use crate::meter::Way;
use crate::pace::Pace;

/// The gate of one session.
#[derive(Debug)]
pub struct Gate {
    /// The allowance: bytes in total.
    limit: AtomicU64,
    /// Which allowance that is, by the number that came with it. It is written after `limit` and read before it, so that what
    /// is reported under a number was never seen under an earlier allowance.
    number: AtomicU64,
    /// Bytes granted and not given back. More than `limit` only where that was lowered since.
    used: AtomicU64,
    /// How many are in the queue; nobody passes by as long as there is someone.
    waiting: AtomicUsize,
    /// The allowance under which a packet was last refused. That of a gate that refused none is beyond all others.
    short_of: AtomicU64,
    /// The queue: the mutex is fair, and whoever holds it is at its head.
    head: Mutex<()>,
    /// Wakes the head. It keeps one wake-up for a head that isn't listening yet.
    raised: Notify,
    /// Wakes those who wait for more to be free, without being in the queue.
    freed: Notify,
    /// Wakes whoever reports that the allowance was lowered. It keeps one wake-up.
    lowered: Notify,
    closed: OnceLock<CloseReason>,
    closing: Notify,
    pace: OnceLock<Arc<Pace>>,
}

/// Why a gate was closed for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    #[error("the session has ended")]
    Ended,
    #[error("the session was not paid for in time")]
    Unpaid,
    #[error("the link of the session is gone")]
    LinkDown,
}

/// Bytes that may pass. What isn't spent goes back when this is dropped.
#[derive(Debug)]
pub struct Grant<'a> {
    gate: &'a Gate,
    left: u64,
}

/// Counts itself as waiting for as long as it lives, also when the wait is cancelled.
struct Waiting<'a>(&'a AtomicUsize);

impl Gate {
    /// A gate that lets `allowance` bytes pass.
    pub fn new(allowance: u64) -> Self {
        Self {
            limit: AtomicU64::new(allowance),
            number: AtomicU64::new(0),
            used: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            short_of: AtomicU64::new(u64::MAX),
            head: Mutex::new(()),
            raised: Notify::new(),
            freed: Notify::new(),
            lowered: Notify::new(),
            closed: OnceLock::new(),
            closing: Notify::new(),
            pace: OnceLock::new(),
        }
    }

    /// Gives the gate a pace, which may be that of other gates, too; without one bytes pass as fast as they come. The first
    /// stands.
    pub fn set_pace(&self, pace: Arc<Pace>) {
        // A second one is dropped on purpose.
        let _ = self.pace.set(pace);
    }

    pub fn pace(&self) -> Option<&Pace> {
        self.pace.get().map(Arc::as_ref)
    }

    /// A gate for a session of which `used` bytes have passed before.
    pub fn resume(allowance: u64, used: u64) -> Self {
        let gate = Self::new(allowance.max(used));
        gate.used.store(used, Ordering::SeqCst);
        gate
    }

    /// A gate that holds nothing back until it is closed.
    pub fn unlimited() -> Self {
        Self::new(u64::MAX)
    }

    /// Raises the allowance to `total` bytes since the beginning of the session. A lower total changes nothing, so that
    /// messages about it may arrive in any order.
    pub fn allow(&self, total: u64) {
        self.limit.fetch_max(total, Ordering::SeqCst);
        self.raised.notify_one();
        self.freed.notify_waiters();
    }

    /// Makes the allowance `total` bytes, be that more or less than before. What was granted by then stays granted, so that
    /// [`Gate::bound`] may be more for a while. `number` says which allowance this is, by whoever gives it.
    pub fn limit_to(&self, number: u64, total: u64) {
        let before = self.limit.swap(total, Ordering::SeqCst);
        self.number.store(number, Ordering::SeqCst);
        if before > total {
            self.lowered.notify_one();
        } else {
            self.raised.notify_one();
            self.freed.notify_waiters();
        }
    }

    /// Resolves once the allowance was lowered.
    pub async fn lowered(&self) {
        self.lowered.notified().await;
    }

    /// Which allowance stands, by its number. Asked before anything else that is said of it.
    pub fn number(&self) -> u64 {
        self.number.load(Ordering::SeqCst)
    }

    /// Bytes that may pass in all as things stand: the allowance or, where that was lowered below it, what is granted.
    pub fn bound(&self) -> u64 {
        // Whoever was granted something under an earlier allowance either counts as used here, or sees this one and gives it
        // back.
        self.allowance().max(self.used())
    }

    /// Bytes that may still pass at this moment.
    pub fn free(&self) -> u64 {
        self.allowance().saturating_sub(self.used())
    }

    /// Resolves when the allowance was raised, or a grant given back, after this was first polled.
    pub async fn freed(&self) {
        self.freed.notified().await;
    }

    /// Whether a packet was refused that the present allowance has no room for. What is left may let smaller ones pass.
    pub fn is_short(&self) -> bool {
        let limit = self.allowance();
        limit < u64::MAX && self.short_of.load(Ordering::SeqCst) == limit
    }

    pub fn allowance(&self) -> u64 {
        self.limit.load(Ordering::SeqCst)
    }

    /// Bytes granted so far.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::SeqCst)
    }

    /// Lets nothing pass any more and wakes everyone. The first reason stands.
    pub fn close(&self, reason: CloseReason) {
        // A second reason is dropped on purpose.
        let _ = self.closed.set(reason);
        self.raised.notify_one();
        self.closing.notify_waiters();
    }

    /// Resolves once the gate is closed.
    pub async fn closed(&self) -> CloseReason {
        loop {
            let mut changed = std::pin::pin!(self.closing.notified());
            changed.as_mut().enable();
            if let Some(reason) = self.closed.get() {
                return *reason;
            }
            changed.await;
        }
    }

    /// Waits for leave to let 1 to `wanted` bytes pass. `wanted` must not be zero. Cancel-safe.
    pub async fn acquire(&self, wanted: u64) -> Result<Grant<'_>, CloseReason> {
        if self.waiting.load(Ordering::SeqCst) == 0
            && let Some(outcome) = self.take(wanted)
        {
            return outcome;
        }
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let _waiting = Waiting(&self.waiting);
        let _head = self.head.lock().await;
        loop {
            if let Some(outcome) = self.take(wanted) {
                return outcome;
            }
            self.raised.notified().await;
        }
    }

    /// As [`Gate::acquire`], and waits until what was granted may pass by the gate's pace. Cancel-safe.
    pub async fn acquire_in_time(&self, way: Way, wanted: u64) -> Result<Grant<'_>, CloseReason> {
        let Some(pace) = self.pace() else { return self.acquire(wanted).await };
        let grant = self.acquire(wanted.min(pace.piece(way))).await?;
        pace.pass(way, grant.left()).await;
        Ok(grant)
    }

    /// Leave for all of `bytes` at once, or for none; never waits, and passes by those who do. Takes nothing once the gate
    /// is closed.
    pub fn try_take(&self, bytes: u64) -> bool {
        self.try_grant(bytes).map(|mut grant| grant.spend(bytes)).is_some()
    }

    /// As [`Gate::try_take`], for whoever may still have to give it back.
    pub fn try_grant(&self, bytes: u64) -> Option<Grant<'_>> {
        if self.closed.get().is_some() {
            return None;
        }
        let limit = self.limit.load(Ordering::SeqCst);
        let after = |used: u64| used.checked_add(bytes).filter(|after| *after <= limit);
        let taken = self.used.fetch_update(Ordering::SeqCst, Ordering::SeqCst, after);
        let Some(grant) = taken.ok().and_then(|before| self.grant(before, bytes)) else {
            self.short_of.store(limit, Ordering::SeqCst);
            return None;
        };
        // A part of a packet is of no use.
        if grant.left == bytes { Some(grant) } else { None }
    }

    /// What is there at this moment, or `None` if one has to wait.
    fn take(&self, wanted: u64) -> Option<Result<Grant<'_>, CloseReason>> {
        if let Some(reason) = self.closed.get() {
            return Some(Err(*reason));
        }
        let limit = self.limit.load(Ordering::SeqCst);
        let fits = |used: u64| wanted.min(limit.saturating_sub(used));
        let taken = self.used.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |used| match fits(used) {
            0 => None,
            bytes => Some(used + bytes),
        });
        let before = taken.ok()?;
        self.grant(before, fits(before)).map(Ok)
    }

    /// What is granted of bytes that were just taken on top of `before`: all, or what is left of them where the allowance was
    /// lowered in this very moment. The rest is given back.
    fn grant(&self, before: u64, bytes: u64) -> Option<Grant<'_>> {
        let kept = bytes.min(self.allowance().saturating_sub(before));
        if kept < bytes {
            self.used.fetch_sub(bytes - kept, Ordering::SeqCst);
            // It may have been raised again meanwhile, and somebody looked while this counted as used.
            self.raised.notify_one();
            self.freed.notify_waiters();
        }
        (kept > 0 || bytes == 0).then_some(Grant { gate: self, left: kept })
    }
}

impl Grant<'_> {
    /// Bytes that may still pass under this grant.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Notes that `bytes` have passed; not more than are left.
    pub fn spend(&mut self, bytes: u64) {
        assert!(bytes <= self.left, "not more passes than was granted");
        self.left -= bytes;
    }
}

impl Drop for Grant<'_> {
    fn drop(&mut self) {
        if self.left > 0 {
            self.gate.used.fetch_sub(self.left, Ordering::SeqCst);
            self.gate.raised.notify_one();
            self.gate.freed.notify_waiters();
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes `wanted` bytes in as many grants as it needs, noting `name` for each.
    async fn consume(gate: Arc<Gate>, wanted: u64, name: u8, log: Arc<std::sync::Mutex<Vec<(u8, u64)>>>) {
        let mut left = wanted;
        while left > 0 {
            let mut grant = gate.acquire(left).await.expect("the gate stays open");
            let granted = grant.left();
            grant.spend(granted);
            left -= granted;
            log.lock().unwrap().push((name, granted));
        }
    }

    /// Lets every other task run until it waits for something.
    async fn settle() {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn an_allowance_that_is_lowered_holds_for_all_that_is_not_granted_yet() {
        let gate = Gate::new(100);
        let mut held = gate.acquire(60).await.unwrap();
        gate.limit_to(1, 50);
        gate.lowered().await;
        assert_eq!((gate.number(), gate.bound(), gate.free()), (1, 60, 0), "what was granted may still pass");
        assert!(futures::poll!(Box::pin(gate.acquire(1))).is_pending() && !gate.try_take(1) && gate.is_short());
        held.spend(20);
        drop(held);
        assert_eq!((gate.bound(), gate.free()), (50, 30), "what was not used goes back, and no further than that");
        assert_eq!(gate.acquire(100).await.unwrap().left(), 30);
        gate.limit_to(2, 70);
        assert!(gate.try_take(50) && !gate.try_take(1));
        assert!(futures::poll!(Box::pin(gate.lowered())).is_pending(), "it was raised since");
    }

    #[test]
    fn grants_and_a_lower_allowance_at_the_same_time_never_pass_more_than_is_told() {
        for _ in 0..200 {
            let gate = Gate::new(1_000);
            let bound = std::thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| while gate.try_take(7) {});
                }
                gate.limit_to(1, 300);
                gate.bound()
            });
            assert!(gate.used() <= bound, "{} of {bound}", gate.used());
        }
    }

    #[tokio::test]
    async fn nothing_passes_beyond_the_allowance() {
        let gate = Gate::new(100);
        let mut first = gate.acquire(60).await.unwrap();
        let second = gate.acquire(60).await.unwrap();
        assert_eq!((first.left(), second.left(), gate.used()), (60, 40, 100));
        assert!(futures::poll!(Box::pin(gate.acquire(1))).is_pending());
        first.spend(50);
        drop(first);
        drop(second);
        assert_eq!(gate.used(), 50, "what wasn't spent goes back");
        assert_eq!(gate.acquire(1000).await.unwrap().left(), 50);
    }

    #[tokio::test]
    async fn those_who_wait_are_served_in_turn() {
        let gate = Arc::new(Gate::new(0));
        let log = Arc::default();
        let mut tasks = Vec::new();
        for name in 0..3 {
            tasks.push(tokio::spawn(consume(gate.clone(), 20, name, Arc::clone(&log))));
            settle().await;
        }
        for total in [10, 5, 20, 30, 40, 50, 60] {
            gate.allow(total);
            settle().await;
        }
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*log.lock().unwrap(), [(0, 10), (1, 10), (2, 10), (0, 10), (1, 10), (2, 10)]);
        assert_eq!((gate.used(), gate.allowance()), (60, 60));
    }

    #[tokio::test]
    async fn a_wait_that_is_cancelled_holds_nobody_up() {
        let gate = Arc::new(Gate::new(0));
        let log = Arc::default();
        let first = tokio::spawn(consume(gate.clone(), 10, 0, Arc::clone(&log)));
        settle().await;
        let second = tokio::spawn(consume(gate.clone(), 10, 1, Arc::clone(&log)));
        settle().await;
        first.abort();
        settle().await;
        gate.allow(10);
        second.await.unwrap();
        assert_eq!(*log.lock().unwrap(), [(1, 10)]);
        assert_eq!(gate.waiting.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn closing_wakes_everyone_with_the_first_reason() {
        let gate = Arc::new(Gate::new(0));
        let waiting: Vec<_> = (0..10)
            .map(|_| {
                let gate = gate.clone();
                tokio::spawn(async move { (gate.acquire(1).await.map(|_| ()), gate.closed().await) })
            })
            .collect();
        settle().await;
        gate.close(CloseReason::Unpaid);
        gate.close(CloseReason::Ended);
        for task in waiting {
            assert_eq!(task.await.unwrap(), (Err(CloseReason::Unpaid), CloseReason::Unpaid));
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn under_contention_grants_add_up_to_the_allowance() {
        let gate = Arc::new(Gate::new(0));
        let log = Arc::default();
        let tasks: Vec<_> =
            (0..20).map(|name| tokio::spawn(consume(gate.clone(), 1000, name, Arc::clone(&log)))).collect();
        for total in (0..=20_000).step_by(37) {
            gate.allow(total);
            assert!(gate.used() <= gate.allowance());
            tokio::task::yield_now().await;
        }
        gate.allow(20_000);
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(gate.used(), 20_000);
        assert_eq!(log.lock().unwrap().iter().map(|(_, bytes)| bytes).sum::<u64>(), 20_000);
    }

    #[test]
    fn a_packet_passes_whole_or_not_at_all() {
        let gate = Gate::new(100);
        let taken: Vec<bool> = [60, 41, 40, 1, 0].into_iter().map(|bytes| gate.try_take(bytes)).collect();
        assert_eq!((taken, gate.used()), (vec![true, false, true, false, true], 100));
        assert!(gate.is_short());
        gate.allow(101);
        assert!(!gate.is_short(), "there may be room now");
        drop(gate.try_grant(1).expect("one byte was allowed"));
        assert_eq!(gate.used(), 100, "what wasn't spent goes back");
        assert!(!Gate::resume(u64::MAX, 1).try_take(u64::MAX), "a sum beyond all numbers is not allowed");
        gate.close(CloseReason::Ended);
        assert!(!gate.try_take(1) && !gate.try_take(0), "nothing passes a closed gate");
        let gate = Gate::new(100);
        assert!(gate.try_take(99) && !gate.is_short());
        assert!(!gate.try_take(2) && gate.is_short() && gate.free() == 1, "one byte is left, and it is no packet");
        assert!(gate.try_take(1) && gate.is_short());
        assert!(!Gate::new(0).try_take(1));
    }

    #[test]
    fn under_contention_packets_add_up_to_the_allowance() {
        let gate = Gate::new(10_000);
        let passed: u64 = std::thread::scope(|scope| {
            let take = || (0..5_000).filter(|_| gate.try_take(3)).count() as u64 * 3;
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!((passed, gate.used()), (9_999, 9_999));
    }

    #[tokio::test]
    async fn a_session_is_taken_up_where_it_was_left() {
        let gate = Gate::resume(100, 90);
        assert_eq!(gate.acquire(50).await.unwrap().left(), 10);
        assert_eq!(Gate::resume(50, 90).allowance(), 90);
    }
}
