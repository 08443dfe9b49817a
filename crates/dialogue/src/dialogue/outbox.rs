//! The messages that wait to be confirmed by the other side, in order.

use std::collections::VecDeque;

use byway_primitives::{Batch, IdentityId};

use crate::config::{QUEUE_BYTES_MAX, QUEUE_MESSAGES_MAX};
use crate::frame::Positions;
use crate::handshake::Incarnation;
use crate::journal;
use crate::message::{Durability, Message, Outgoing};

/// A bounded queue. A message leaves it from the front, when the other side has confirmed it.
#[derive(Debug)]
pub(crate) struct Outbox {
    peer: IdentityId,
    queue: VecDeque<Message>,
    bytes: usize,
    /// All durable messages through this ordinal were confirmed.
    durable_sent: u64,
    durable_last: u64,
    /// Durable messages after this one have certainly not left yet.
    durable_tried: u64,
    volatile_last: u64,
    pressure: Pressure,
}

/// Whether somebody waits for room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pressure {
    None,
    Refused,
}

/// The other side claims positions that can't be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Disagreement;

impl Outbox {
    pub fn new(peer: IdentityId, durable_sent: u64, messages: Vec<Message>) -> Self {
        let bytes = messages.iter().map(|message| message.bytes.len()).sum();
        let durable_last = durable_sent + messages.len() as u64;
        let queue = messages.into();
        Self {
            peer,
            queue,
            bytes,
            durable_sent,
            durable_last,
            durable_tried: durable_last,
            volatile_last: 0,
            pressure: Pressure::None,
        }
    }

    pub fn message(&self, index: usize) -> Option<&Message> {
        self.queue.get(index)
    }

    pub fn len(&self) -> usize {
        self.queue.len()
    }

    pub fn has_room(&self, messages: usize, bytes: usize) -> bool {
        self.queue.len() + messages <= QUEUE_MESSAGES_MAX && self.bytes + bytes <= QUEUE_BYTES_MAX
    }

    /// Somebody was refused for want of room, and wants to know when there is some.
    pub fn note_refused(&mut self) {
        self.pressure = Pressure::Refused;
    }

    /// Whether to tell that there is room again: once after each refusal, when half is free.
    pub fn take_drained(&mut self) -> bool {
        let is_drained = self.queue.len() <= QUEUE_MESSAGES_MAX / 2 && self.bytes <= QUEUE_BYTES_MAX / 2;
        let tell = is_drained && self.pressure == Pressure::Refused;
        if tell {
            self.pressure = Pressure::None;
        }
        tell
    }

    /// Appends a message and, if it is to last, its write.
    pub fn push(&mut self, outgoing: Outgoing, batch: &mut Batch) {
        let Outgoing { protocol, bytes, durability } = outgoing;
        let last = match durability {
            Durability::Durable => &mut self.durable_last,
            Durability::Volatile => &mut self.volatile_last,
        };
        *last += 1;
        let message = Message { durability, ordinal: *last, protocol, bytes };
        if durability == Durability::Durable {
            journal::put_message(batch, self.peer, &message);
        }
        self.bytes += message.bytes.len();
        self.queue.push_back(message);
    }

    /// The first `count` messages were confirmed.
    pub fn drop_front(&mut self, count: usize, batch: &mut Batch) {
        let before = self.durable_sent;
        for message in self.queue.drain(..count) {
            self.bytes -= message.bytes.len();
            if message.durability == Durability::Durable {
                self.durable_sent = message.ordinal;
            }
        }
        if self.durable_sent > before {
            journal::put_sent(batch, self.peer, before + 1, self.durable_sent);
        }
    }

    /// Everything in the queue may have left.
    pub fn note_tried(&mut self) {
        self.durable_tried = self.durable_last;
    }

    /// Whether the other side's positions can be true. It can't have confirmed what never left; if it says so, we have
    /// lost what we sent. Positions *behind* what it confirmed before are usual, though: they were written down when
    /// the move to another link began, and it went on confirming on the old one.
    pub fn check(&self, theirs: &Positions) -> Result<(), Disagreement> {
        if theirs.durable <= self.durable_tried { Ok(()) } else { Err(Disagreement) }
    }

    /// Before sending everything again on a new link: drops what has arrived already. Durable messages count as arrived
    /// when they are confirmed, volatile ones when this run's were handed over.
    pub fn rewind(&mut self, theirs: &Positions, own: Incarnation, batch: &mut Batch) {
        let volatile_arrived = if theirs.incarnation == own { theirs.volatile } else { 0 };
        let before = self.durable_sent;
        self.durable_sent = theirs.durable.max(before);
        self.queue.retain(|message| match message.durability {
            Durability::Durable => message.ordinal > self.durable_sent,
            Durability::Volatile => message.ordinal > volatile_arrived,
        });
        self.bytes = self.queue.iter().map(|message| message.bytes.len()).sum();
        if self.durable_sent > before {
            journal::put_sent(batch, self.peer, before + 1, self.durable_sent);
        }
    }

    /// The durable messages that are still on disk, first and last.
    pub fn kept(&self) -> (u64, u64) {
        (self.durable_sent + 1, self.durable_last)
    }
}
