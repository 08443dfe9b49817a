//! How much of the peer's doing is executed: whoever proposes more is to come again.
//!
//! A node executes the changes of all its channels one after the other, and a peer pays for none of them. So each channel has a bucket of gas
//! that fills with time. A call is executed where there is as much in it as the call names, and takes out what it used; one that came to nothing
//! takes all that it named.
//!
//! Whatever is proposed, a deposit too, takes something beside that ([`PROPOSAL_GAS`]), and so much for each entry of the state ([`ENTRY_GAS`]): a change
//! may copy all of it. So that the last is little, and the disk is not filled, a state has a bound ([`STATE_SIZE_MAX`]).

use byway_primitives::Time;
use byway_vm::State;

use super::ChannelMachine;
use crate::signer::Signer;

/// Gas that comes into the bucket in a second: sixteen of a processor's milliseconds of what compilers make, and a quarter of its time at the worst.
pub const PEER_GAS_PER_SECOND: u64 = 16_000_000;
/// Gas that it has at the most: three contracts of the largest can be created at once.
pub const PEER_GAS_MAX: u64 = 2 * PEER_GAS_PER_SECOND;

/// Gas that any proposal takes, for what is verified, signed and written: a tenth of a millisecond at the worst, as the bucket counts.
pub const PROPOSAL_GAS: u64 = 6_000;
/// Gas that it takes for each entry of the state: copying one is a twentieth of a microsecond.
pub const ENTRY_GAS: u64 = 4;
/// How large a state may become by what one of the two does, in entries ([`State::size`]): some 13 MB in memory. It can be larger by calls that were forced, for which
/// the ledger was paid; then nothing is signed that makes it larger still.
pub const STATE_SIZE_MAX: u64 = 1 << 16;

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

impl<S: Signer> ChannelMachine<S> {
    /// Takes what a proposal of the peer's takes that names so much gas. Whether it was there.
    pub(super) fn takes_peer_gas(&mut self, now: Time, named: u64) -> bool {
        let copied = ENTRY_GAS.saturating_mul(self.state.size());
        self.peer_gas.take(now, named.saturating_add(PROPOSAL_GAS).saturating_add(copied))
    }

    /// Whether a state is more than there may be, and more than there is.
    pub(super) fn outgrows(&self, after: &State) -> bool {
        let size = after.size();
        size > STATE_SIZE_MAX && size > self.state.size()
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
