//! How often what happened, since the start.

use std::sync::atomic::{AtomicU64, Ordering};

use super::CloseReason;
use super::wire::{Refusal, RespondError};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// How often what happened on this mesh, since the start.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct MeshCounters {
            $($(#[$doc])* pub $name: u64,)*
        }

        /// The same, while it grows.
        #[derive(Debug, Default)]
        pub(super) struct Counting {
            $(pub(super) $name: AtomicU64,)*
        }

        impl Counting {
            pub(super) fn so_far(&self) -> MeshCounters {
                MeshCounters { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }
    };
}

counters! {
    /// Connections that were accepted by the socket.
    accepted,
    /// Not our protocol, or broken off in the handshake.
    handshakes_malformed,
    /// Not done in time, or pushed out by newer ones.
    handshakes_timed_out,
    refused_other_network,
    refused_other_version,
    refused_other_key,
    refused_full,
    refused_duplicate,
    /// Came as a member, and isn't on the list.
    refused_not_a_member,
    peers_up,
    peers_down,
    clients_up,
    clients_down,
    /// Closed for a frame that makes no sense.
    closed_malformed,
    closed_oversized,
    closed_silent,
    closed_trickling,
    closed_slow,
}

impl Counting {
    pub(super) fn count(&self, counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refused(&self, refusal: Refusal) {
        self.count(match refusal {
            Refusal::OtherVersion => &self.refused_other_version,
            Refusal::OtherNetwork => &self.refused_other_network,
            Refusal::OtherKey => &self.refused_other_key,
            Refusal::Full => &self.refused_full,
            Refusal::Duplicate => &self.refused_duplicate,
            Refusal::NotAMember => &self.refused_not_a_member,
        });
    }

    pub(super) fn not_responded(&self, error: RespondError) {
        match error {
            RespondError::Refused(refusal) => self.refused(refusal),
            RespondError::Malformed => self.count(&self.handshakes_malformed),
        }
    }

    pub(super) fn closed(&self, reason: &CloseReason) {
        self.count(match reason {
            CloseReason::Malformed(_) => &self.closed_malformed,
            CloseReason::Oversized { .. } => &self.closed_oversized,
            CloseReason::Silent => &self.closed_silent,
            CloseReason::Trickling => &self.closed_trickling,
            CloseReason::Slow => &self.closed_slow,
            CloseReason::Ended | CloseReason::Replaced | CloseReason::NoMember | CloseReason::ClosedHere => return,
        });
    }
}
