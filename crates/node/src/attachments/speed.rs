//! Whether somebody at the other end of a stream does enough: who sends or takes a byte now and then would keep a place for ever.

use std::time::{Duration, Instant};

/// In each such time…
const WINDOW: Duration = Duration::from_secs(60);
/// … so many bytes have to go, at least: less than the slowest links that anybody fetches files over.
const BYTES_MIN: u64 = 64 << 10;

/// What has gone in a window that began at a time.
#[derive(Debug)]
pub(super) struct Speed {
    since: Instant,
    bytes: u64,
}

impl Speed {
    pub fn new(now: Instant) -> Self {
        Self { since: now, bytes: 0 }
    }

    /// So many bytes have gone. `false` where in the last window there were too few.
    pub fn is_kept(&mut self, bytes: usize, now: Instant) -> bool {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        if now.duration_since(self.since) < WINDOW {
            return true;
        }
        let before = std::mem::replace(self, Self::new(now));
        before.bytes >= BYTES_MIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_sends_a_byte_now_and_then_is_left() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut slow = Speed::new(start);
        assert_eq!([29, 58, 87].map(|seconds| slow.is_kept(1, at(seconds))), [true, true, false]);
        let mut fair = Speed::new(start);
        assert!((1..=100).all(|times| fair.is_kept(35 << 10, at(29 * times))));
        // Whoever was quick and is slow from then on is left as well.
        let mut slower = Speed::new(start);
        assert!(slower.is_kept(1 << 30, at(61)));
        assert_eq!([90, 122].map(|seconds| slower.is_kept(1, at(seconds))), [true, false]);
    }
}
