//! How much of the peer's calls is executed: whoever proposes more is to come again.
//!
//! A node executes the calls of all its channels one after the other, and a peer pays for none of them. So each channel has a bucket of gas
//! that fills with time. A call is executed where there is as much in it as the call names, and takes out what it used; one that came to nothing
//! takes all that it named.

use byway_primitives::Time;

/// Gas that comes into the bucket in a second: sixteen of a processor's milliseconds of what compilers make, and a quarter of its time at the worst.
pub const PEER_GAS_PER_SECOND: u64 = 16_000_000;
/// Gas that it has at the most: three contracts of the largest can be created at once.
pub const PEER_GAS_MAX: u64 = 2 * PEER_GAS_PER_SECOND;

/// What may still be executed of the peer's calls.
#[derive(Debug, Clone, Copy)]
pub(super) struct PeerGas {
    left: u64,
    /// When it was last filled.
    at: Time,
}

impl PeerGas {
    /// A full bucket.
    pub fn new(now: Time) -> Self {
        Self { left: PEER_GAS_MAX, at: now }
    }

    /// Takes so much out; nothing where there is not so much. Whether it was there.
    pub fn take(&mut self, now: Time, gas: u64) -> bool {
        let filled = now.since(self.at).0.saturating_mul(PEER_GAS_PER_SECOND / 1_000);
        (self.left, self.at) = (self.left.saturating_add(filled).min(PEER_GAS_MAX), self.at.max(now));
        let left = self.left.checked_sub(gas);
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }

    /// Puts back what was not used.
    pub fn put_back(&mut self, gas: u64) {
        self.left = self.left.saturating_add(gas).min(PEER_GAS_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_fills_with_time_up_to_its_most_and_gives_no_more_than_it_has() {
        let at = |seconds: u64| Time(1_000_000 + seconds * 1_000);
        let mut gas = PeerGas::new(at(0));
        assert!(!gas.take(at(0), PEER_GAS_MAX + 1));
        assert!(gas.take(at(0), PEER_GAS_MAX));
        assert!(!gas.take(at(0), 1));
        assert!(!gas.take(at(1), PEER_GAS_PER_SECOND + 1));
        assert!(gas.take(at(1), PEER_GAS_PER_SECOND));
        // A clock that was set back fills nothing twice.
        assert!(!gas.take(at(0), 1));
        assert!(!gas.take(at(1), 1));
        gas.put_back(5);
        assert!(gas.take(at(1), 5));
        assert!(!gas.take(at(100), PEER_GAS_MAX + 1));
        assert!(gas.take(at(100), PEER_GAS_MAX));
    }
}
