//! The sending half of a dialogue while it is on one link.
//!
//! The queue's messages, in order, are cut into *segments* that fit the link, numbered from 1 anew on every link. A
//! message's place across links is its ordinal, so nothing of this module outlives the link: on the next one everything
//! not confirmed is cut again, to that link's size.
//!
//! Over a stream nothing is sent twice. Over datagrams a segment is sent again when its acknowledgement is overdue, each
//! time waiting twice as long; and where all was received but the word of its confirmation may be lost, the sender asks.
//! Two bounds hold a sender back: the window (what the receiver must be ready to hold, until
//! confirmed) and, over datagrams, the link's budget (what is under way, until received).

use std::collections::{BTreeMap, VecDeque};

use byway_primitives::{Encode, Span, Time};

use super::outbox::Outbox;
use crate::config::{RESEND_MAX, RESEND_MIN, WINDOW_BYTES, WINDOW_SEGMENTS};
use crate::frame::{Acknowledgement, FrameError, SEGMENT_OVERHEAD, Segment};
use crate::link::{LinkKind, LinkProfile};

/// A piece of a message smaller than this is not worth squeezing into the rest of a frame.
const PIECE_MIN: usize = 64;
/// Doublings of the time-out, at most; [`RESEND_MAX`] is reached before.
const DOUBLINGS_MAX: u32 = 8;

/// Sent segments and those to come.
#[derive(Debug)]
pub(crate) struct Sending {
    kind: LinkKind,
    budget: usize,
    round_trip: Span,
    /// Number of the next new segment.
    next: u64,
    confirmed: u64,
    /// Sizes of segments `confirmed + 1 .. next`.
    unconfirmed: VecDeque<usize>,
    unconfirmed_bytes: usize,
    /// Last segment of each message that was cut whole and is not confirmed: one for each of the queue's first messages.
    ends: VecDeque<u64>,
    /// The message after those, where it was begun: its encoding, and how much of it was cut.
    begun: Option<(Vec<u8>, usize)>,
    /// Segments sent and not known to have been received.
    flying: BTreeMap<u64, Flying>,
    flying_bytes: usize,
    /// When confirmation last came nearer or was asked for, and how often it was asked for since.
    asked: Time,
    asks: u32,
}

#[derive(Debug)]
struct Flying {
    segment: Segment,
    sent: Time,
    times: u32,
}

impl Sending {
    pub fn new(profile: &LinkProfile) -> Self {
        Self {
            kind: profile.kind,
            budget: profile.budget,
            round_trip: profile.round_trip,
            next: 1,
            confirmed: 0,
            unconfirmed: VecDeque::new(),
            unconfirmed_bytes: 0,
            ends: VecDeque::new(),
            begun: None,
            flying: BTreeMap::new(),
            flying_bytes: 0,
            asked: Time::ZERO,
            asks: 0,
        }
    }

    /// The next segment that may leave now and takes at most `room` bytes in a frame: an overdue one, else a new one.
    pub fn poll(&mut self, now: Time, outbox: &Outbox, room: usize) -> Option<Segment> {
        let room = room.checked_sub(SEGMENT_OVERHEAD)?;
        self.poll_overdue(now, room).or_else(|| self.poll_new(now, outbox, room))
    }

    fn poll_overdue(&mut self, now: Time, room: usize) -> Option<Segment> {
        let round_trip = self.round_trip;
        if self.kind == LinkKind::Stream {
            return None;
        }
        let is_due = |flying: &Flying| flying.due(round_trip) <= now && flying.segment.bytes.len() <= room;
        let flying = self.flying.values_mut().find(|flying| is_due(flying))?;
        flying.sent = now;
        flying.times += 1;
        Some(flying.segment.clone())
    }

    fn poll_new(&mut self, now: Time, outbox: &Outbox, room: usize) -> Option<Segment> {
        if self.next > self.confirmed + WINDOW_SEGMENTS {
            return None;
        }
        if self.begun.is_none() {
            self.begun = Some((outbox.message(self.ends.len())?.to_bytes(), 0));
        }
        let (encoded, cut) = self.begun.as_mut()?;
        let left = encoded.len() - *cut;
        let length = left.min(room).min(WINDOW_BYTES - self.unconfirmed_bytes);
        let over_budget = self.kind == LinkKind::Datagram && self.flying_bytes + length > self.budget;
        if length < left.min(PIECE_MIN) || (over_budget && !self.flying.is_empty()) {
            return None;
        }
        let bytes = encoded[*cut..*cut + length].to_vec();
        *cut += length;
        let segment = Segment { number: self.next, more: length < left, bytes };
        if !segment.more {
            self.begun = None;
            self.ends.push_back(self.next);
        }
        self.next += 1;
        self.unconfirmed.push_back(length);
        self.unconfirmed_bytes += length;
        self.flying_bytes += length;
        (self.asked, self.asks) = (now, 0);
        self.flying.insert(segment.number, Flying { segment: segment.clone(), sent: now, times: 1 });
        Some(segment)
    }

    /// Takes note of what arrived; gives the number of messages at the front of the queue that are now confirmed.
    pub fn acknowledged(&mut self, now: Time, told: &Acknowledgement) -> Result<usize, FrameError> {
        let last = told.ranges.last().map_or(told.received, |range| range.last());
        if last >= self.next {
            return Err(FrameError::Acknowledgement);
        }
        let through = told.received.saturating_add(1);
        let mut arrived: Vec<u64> = self.flying.range(..through).map(|(number, _)| *number).collect();
        for range in &told.ranges {
            arrived.extend(self.flying.range(range.first..=range.last()).map(|(number, _)| *number));
        }
        for number in arrived {
            self.arrived(now, number);
        }
        if self.confirmed < told.confirmed {
            (self.asked, self.asks) = (now, 0);
        }
        while self.confirmed < told.confirmed {
            self.confirmed += 1;
            self.unconfirmed_bytes -= self.unconfirmed.pop_front().expect("one size for each unconfirmed segment");
        }
        let confirmed = self.ends.iter().take_while(|end| **end <= self.confirmed).count();
        self.ends.drain(..confirmed);
        Ok(confirmed)
    }

    fn arrived(&mut self, now: Time, number: u64) {
        let Some(flying) = self.flying.remove(&number) else { return };
        self.flying_bytes -= flying.segment.bytes.len();
        // A segment sent twice does not say which sending was answered (Karn's rule).
        if flying.times == 1 {
            let sample = now.since(flying.sent);
            self.round_trip = Span((7 * self.round_trip.0 + sample.0) / 8);
        }
    }

    /// Whether to ask for an acknowledgement now: all arrived, not all is confirmed, and the word of it may be lost.
    pub fn poll_ask(&mut self, now: Time) -> bool {
        let is_due = self.ask_due().is_some_and(|due| due <= now);
        if is_due {
            self.asked = now;
            self.asks += 1;
        }
        is_due
    }

    fn ask_due(&self) -> Option<Time> {
        let waits = self.kind == LinkKind::Datagram && self.flying.is_empty() && !self.unconfirmed.is_empty();
        waits.then(|| self.asked + resend_after(self.round_trip, self.asks + 1))
    }

    /// When the first segment, or the word of its confirmation, will be overdue.
    pub fn deadline(&self) -> Option<Time> {
        match self.kind {
            LinkKind::Stream => None,
            LinkKind::Datagram if self.flying.is_empty() => self.ask_due(),
            LinkKind::Datagram => self.flying.values().map(|flying| flying.due(self.round_trip)).min(),
        }
    }
}

impl Flying {
    fn due(&self, round_trip: Span) -> Time {
        self.sent + resend_after(round_trip, self.times)
    }
}

/// How long to wait for an answer to something sent this many times, on a path of this round trip.
pub(crate) fn resend_after(round_trip: Span, times: u32) -> Span {
    let first = round_trip.0.saturating_mul(2).max(RESEND_MIN.0);
    let doubled = first.saturating_mul(1 << times.saturating_sub(1).min(DOUBLINGS_MAX));
    Span(doubled.min(RESEND_MAX.0.max(first)))
}
