//! Counts what a tunnel did not carry, by reason.

use std::sync::atomic::{AtomicU64, Ordering};

/// Why a packet went no further. Dropped packets are never metered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// No whole IP packet, or no WireGuard message.
    Malformed,
    /// From nobody known, replayed, or not what its sender encrypted.
    Unauthentic,
    /// A peer used an inner source address that isn't its own.
    Spoofed,
    /// To an inner address that belongs to no peer, or to several at once as the system's own announcements are.
    Unrouted,
    /// Where the peer is isn't known, or too much waits for its answer.
    Unreachable,
    /// Beyond what the session's gate lets pass.
    Unpaid,
    /// Too many wait before it for the session's pace.
    Crowded,
    /// The system did not take it.
    Unsent,
}

const REASONS: usize = Loss::Unsent as usize + 1;

/// Packets lost so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Losses([u64; REASONS]);

#[derive(Debug, Default)]
pub(super) struct LossCounters([AtomicU64; REASONS]);

impl Losses {
    pub fn of(&self, reason: Loss) -> u64 {
        self.0[reason as usize]
    }

    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

impl LossCounters {
    pub fn count(&self, reason: Loss) {
        self.0[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub fn read(&self) -> Losses {
        Losses(std::array::from_fn(|reason| self.0[reason].load(Ordering::Relaxed)))
    }
}
