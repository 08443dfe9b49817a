//! The receiving half of a dialogue while it is on one link: segments come in any order, messages go out in order.

use std::collections::{BTreeMap, VecDeque};

use byway_primitives::Decode;

use crate::config::{RANGES_MAX, WINDOW_BYTES, WINDOW_SEGMENTS};
use crate::frame::{Acknowledgement, FrameError, Range, Segment};
use crate::message::{Durability, ENCODED_MAX, Message};

/// Segments that wait for earlier ones, the message being put together, and which messages wait to be confirmed.
#[derive(Debug, Default)]
pub(crate) struct Receiving {
    /// All through this one arrived.
    received: u64,
    /// All through this one are of confirmed messages.
    confirmed: u64,
    waiting: BTreeMap<u64, Segment>,
    waiting_bytes: usize,
    /// The encoding, so far, of the message that `received` is in the middle of.
    partial: Vec<u8>,
    /// Whole messages not confirmed: the last segment of each, and its ordinal if it is durable.
    unconfirmed: VecDeque<(u64, Option<u64>)>,
}

impl Receiving {
    /// Takes a segment in, and gives the messages that are complete thereby.
    pub fn take(&mut self, segment: Segment) -> Result<Vec<Message>, FrameError> {
        if segment.number > self.confirmed.saturating_add(WINDOW_SEGMENTS) {
            return Err(FrameError::Window);
        }
        if segment.number <= self.received || self.waiting.contains_key(&segment.number) {
            return Ok(Vec::new());
        }
        self.waiting_bytes += segment.bytes.len();
        if self.waiting_bytes > WINDOW_BYTES {
            return Err(FrameError::Window);
        }
        self.waiting.insert(segment.number, segment);
        let mut messages = Vec::new();
        while let Some(segment) = self.waiting.remove(&(self.received + 1)) {
            self.received += 1;
            self.waiting_bytes -= segment.bytes.len();
            messages.extend(self.append(segment)?);
        }
        Ok(messages)
    }

    fn append(&mut self, segment: Segment) -> Result<Option<Message>, FrameError> {
        if self.partial.len() + segment.bytes.len() > ENCODED_MAX {
            return Err(FrameError::Message);
        }
        self.partial.extend_from_slice(&segment.bytes);
        if segment.more {
            return Ok(None);
        }
        let message = Message::from_bytes(&std::mem::take(&mut self.partial))?;
        let durable = (message.durability == Durability::Durable).then_some(message.ordinal);
        self.unconfirmed.push_back((segment.number, durable));
        Ok(Some(message))
    }

    /// Durable messages through `ordinal` are confirmed; volatile ones are by being handed over. Says whether that lets
    /// the sender forget more than before.
    pub fn confirm(&mut self, ordinal: u64) -> bool {
        let before = self.confirmed;
        while let Some((number, durable)) = self.unconfirmed.front() {
            if durable.is_some_and(|durable| durable > ordinal) {
                break;
            }
            self.confirmed = *number;
            self.unconfirmed.pop_front();
        }
        self.confirmed > before
    }

    /// Whether a segment is missing before one that arrived.
    pub fn has_gap(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub fn acknowledgement(&self) -> Acknowledgement {
        let mut ranges: Vec<Range> = Vec::new();
        for number in self.waiting.keys() {
            if let Some(range) = ranges.last_mut()
                && range.last() + 1 == *number
            {
                range.count += 1;
                continue;
            }
            if ranges.len() == RANGES_MAX {
                break;
            }
            ranges.push(Range { first: *number, count: 1 });
        }
        Acknowledgement { received: self.received, confirmed: self.confirmed, ranges }
    }
}
