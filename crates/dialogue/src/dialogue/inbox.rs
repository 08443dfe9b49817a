//! How far receiving has come, across links and crashes.

use crate::frame::Positions;
use crate::handshake::Incarnation;
use crate::message::{Durability, Message};

/// Counts of what was handed to the layer above and what it confirmed.
#[derive(Debug)]
pub(crate) struct Inbox {
    /// Durable messages handed over in this run, or confirmed in an earlier one.
    handed: u64,
    /// Durable messages whose effects are in the same batch as this position.
    confirmed: u64,
    /// The peer's run that `volatile_handed` counts in.
    peer_incarnation: Incarnation,
    volatile_handed: u64,
}

/// What to do with a message that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the next.
    Hand,
    /// It was handed over before, on an earlier link.
    Again,
    /// One is missing before it, which a correct sender can't cause.
    Gap,
}

impl Inbox {
    pub fn new(confirmed: u64, peer_incarnation: Incarnation) -> Self {
        Self { handed: confirmed, confirmed, peer_incarnation, volatile_handed: 0 }
    }

    pub fn confirmed(&self) -> u64 {
        self.confirmed
    }

    pub fn handed(&self) -> u64 {
        self.handed
    }

    pub fn confirm(&mut self, ordinal: u64) {
        assert!(ordinal == self.confirmed + 1 && ordinal <= self.handed, "receipts were checked to be in order");
        self.confirmed = ordinal;
    }

    /// The peer may have crashed since, and then counts its volatile messages from 1 again.
    pub fn meet(&mut self, incarnation: Incarnation) {
        if self.peer_incarnation != incarnation {
            self.peer_incarnation = incarnation;
            self.volatile_handed = 0;
        }
    }

    pub fn positions(&self) -> Positions {
        Positions { durable: self.confirmed, incarnation: self.peer_incarnation, volatile: self.volatile_handed }
    }

    pub fn judge(&mut self, message: &Message) -> Verdict {
        let handed = match message.durability {
            Durability::Durable => &mut self.handed,
            Durability::Volatile => &mut self.volatile_handed,
        };
        if message.ordinal <= *handed {
            return Verdict::Again;
        }
        if message.durability == Durability::Durable && message.ordinal != *handed + 1 {
            return Verdict::Gap;
        }
        *handed = message.ordinal;
        Verdict::Hand
    }
}
