//! Packets that wait for their session's pace, as they would before any line that is full.
//!
//! A queue holds a tenth of a second of its line: enough that TCP over a path of usual length never runs dry when it halves
//! its speed, and no more than a person bears in a call. What doesn't fit is dropped, which is how TCP hears of the rate.
//!
//! Queued packets are neither metered nor asked for at the gate: that happens when they pass. In what order sessions get
//! the line that they share is decided by their lanes; here nobody takes more than [`TURN_BYTES`] before the next has
//! its turn.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gotatun::packet::Packet;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::carrier::Carrier;
use super::losses::Loss;
use super::outbox::Outbox;
use super::peer::{Contact, PeerState};
use crate::meter::Way;
use crate::pace::Pace;

/// Parts of a second that a queue holds.
const QUEUE_PARTS: u64 = 10;
/// Bounds of a queue, in bytes: some twenty packets, and what is no burden on the machine.
const QUEUE_BYTES_MIN: usize = 30_000;
const QUEUE_BYTES_MAX: usize = 4 << 20;
/// What a session passes of its queue before the next has its turn.
const TURN_BYTES: usize = 64 * 1024;

/// The queues of one peer, each way.
#[derive(Default)]
pub(super) struct Delayed {
    up: Queue,
    down: Queue,
}

#[derive(Default)]
struct Queue {
    packets: VecDeque<(Packet, usize)>,
    bytes: usize,
}

/// The peers for which something waits.
#[derive(Default)]
pub(super) struct Waiting {
    peers: Mutex<Vec<Arc<PeerState>>>,
    changed: Notify,
}

impl Delayed {
    fn of(&mut self, way: Way) -> &mut Queue {
        match way {
            Way::Up => &mut self.up,
            Way::Down => &mut self.down,
        }
    }

    fn is_empty(&self) -> bool {
        self.up.packets.is_empty() && self.down.packets.is_empty()
    }
}

impl Waiting {
    fn peers(&self) -> MutexGuard<'_, Vec<Arc<PeerState>>> {
        // A list of references; each change of it is whole.
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a packet has to wait: there are others before it, or it is not its time.
pub(super) fn must_wait(contact: &mut Contact, pace: &Pace, way: Way, length: usize) -> bool {
    !contact.delayed.of(way).packets.is_empty() || pace.try_pass(way, length as u64).is_err()
}

impl Carrier {
    /// Puts a packet of `length` bytes at the end of its queue.
    pub(super) fn delay(
        &self,
        peer: &Arc<PeerState>,
        contact: &mut Contact,
        (pace, way): (&Pace, Way),
        (packet, length): (Packet, usize),
    ) -> Result<(), Loss> {
        let is_first = contact.delayed.is_empty();
        let room = usize::try_from(pace.bits_per_second() / 8 / QUEUE_PARTS).unwrap_or(usize::MAX);
        let queue = contact.delayed.of(way);
        if queue.bytes + length > room.clamp(QUEUE_BYTES_MIN, QUEUE_BYTES_MAX) {
            return Err(Loss::Crowded);
        }
        queue.bytes += length;
        queue.packets.push_back((packet, length));
        if is_first {
            self.waiting.peers().push(peer.clone());
            self.waiting.changed.notify_one();
        }
        Ok(())
    }

    /// Resolves when something waits.
    pub(super) async fn has_delayed(&self) {
        self.waiting.changed.notified().await;
    }

    /// Carries what may pass by now, and says when to come again; `None` when nothing waits any more.
    pub(super) fn release(&self, mut deliver: impl FnMut(&[u8]), outbox: &mut Outbox) -> Option<Instant> {
        let mut ready = std::mem::take(&mut *self.waiting.peers());
        let (mut later, mut next) = (Vec::new(), None::<Instant>);
        while !ready.is_empty() {
            let mut again = Vec::new();
            for peer in ready {
                let mut contact = peer.contact();
                let turns = [Way::Up, Way::Down].map(|way| self.turn(&peer, &mut contact, way, &mut deliver, outbox));
                // Another packet may come as soon as the lock is gone, so who waits is put down before.
                match turns.into_iter().flatten().min() {
                    Some(at) if at > Instant::now() => {
                        next = Some(next.map_or(at, |next| next.min(at)));
                        later.push(peer.clone());
                    }
                    Some(_) => again.push(peer.clone()),
                    None => {}
                }
            }
            ready = again;
        }
        self.waiting.peers().append(&mut later);
        next
    }

    /// One peer's turn in one direction; when to come again, if something is left.
    fn turn(
        &self,
        peer: &Arc<PeerState>,
        contact: &mut Contact,
        way: Way,
        deliver: &mut impl FnMut(&[u8]),
        outbox: &mut Outbox,
    ) -> Option<Instant> {
        let pace = peer.terms().pace()?;
        let mut passed = 0;
        loop {
            let length = contact.delayed.of(way).packets.front()?.1;
            if passed >= TURN_BYTES {
                return Some(Instant::now());
            }
            if let Err(at) = pace.try_pass(way, length as u64) {
                return Some(at);
            }
            let queue = contact.delayed.of(way);
            let (packet, length) = queue.packets.pop_front()?;
            (queue.bytes, passed) = (queue.bytes - length, passed + length);
            let carried = if way == self.side.way_in() {
                self.send_to(peer, contact, packet, length, outbox)
            } else {
                peer.terms().pass(way, length).then(|| deliver(&packet.as_ref()[..length])).ok_or(Loss::Unpaid)
            };
            if let Err(loss) = carried {
                self.losses.count(loss);
            }
        }
    }
}
