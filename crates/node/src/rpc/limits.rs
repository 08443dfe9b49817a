//! How often one address may call a server that is open to everyone.
//!
//! A bucket per address: it holds a burst, and fills again at a steady rate. Whoever has the token is not counted.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::Right;

/// Calls that one address may make at once, and per second in the long run.
pub const BURST: f64 = 100.0;
pub const PER_SECOND: f64 = 50.0;
/// Addresses remembered. When there are more, all are forgotten: that gives everyone a burst, once.
const ADDRESSES_MAX: usize = 4096;

/// Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Limits(Arc<Mutex<BTreeMap<IpAddr, Bucket>>>);

#[derive(Debug, Clone, Copy)]
struct Bucket {
    calls: f64,
    at: Instant,
}

impl Limits {
    /// Counts a call; false if it is one too many.
    pub fn take(&self, caller: IpAddr, right: Right) -> bool {
        right == Right::All || self.take_at(caller, Instant::now())
    }

    fn take_at(&self, caller: IpAddr, now: Instant) -> bool {
        // A panic elsewhere leaves the counts as they were.
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= ADDRESSES_MAX && !buckets.contains_key(&caller) {
            buckets.clear();
        }
        let bucket = buckets.entry(caller).or_insert(Bucket { calls: BURST, at: now });
        let filled = now.saturating_duration_since(bucket.at).as_secs_f64() * PER_SECOND;
        *bucket = Bucket { calls: (bucket.calls + filled).min(BURST), at: now };
        let is_free = bucket.calls >= 1.0;
        bucket.calls -= if is_free { 1.0 } else { 0.0 };
        is_free
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use std::time::Duration;

    #[test]
    fn a_burst_then_a_steady_rate_and_each_address_for_itself() {
        let (limits, start) = (Limits::default(), Instant::now());
        let [one, other] = [1, 2].map(|last| IpAddr::from(Ipv4Addr::new(192, 0, 2, last)));
        let take = |caller, at: Instant| (0..1000).filter(|_| limits.take_at(caller, at)).count();
        assert_eq!(take(one, start), BURST as usize);
        assert_eq!(take(one, start), 0);
        assert_eq!(take(other, start), BURST as usize, "another address has calls of its own");
        assert_eq!(take(one, start + Duration::from_secs(1)), PER_SECOND as usize);
        assert_eq!(take(one, start + Duration::from_secs(3600)), BURST as usize, "it holds no more than a burst");
        assert!((0..1000).all(|_| limits.take(one, Right::All)), "the token's holder is not counted");
    }

    #[test]
    fn memory_is_bounded() {
        let (limits, now) = (Limits::default(), Instant::now());
        for number in 0..3 * ADDRESSES_MAX as u32 {
            limits.take_at(Ipv4Addr::from(number).into(), now);
        }
        assert!(limits.0.lock().unwrap().len() <= ADDRESSES_MAX);
    }
}
