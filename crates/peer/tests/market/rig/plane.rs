//! The data plane of both sides, and what is really on its way between them.
//!
//! Both kinds stand here, since all that differs is how bytes go. Of a *stream* any byte can pass alone, what the gate does
//! not let pass waits, and what is on its way is gone with its link. A *tunnel* carries packets: each passes the gate whole or
//! is dropped there, may be lost on the way, and goes past the link. Programs want again what was lost, and each side counts
//! from zero when its plane is started, as the real ones (`byway_driver`).

use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;

use byway_access::session::{Counters, Limit, SessionId, Traffic};
use byway_dialogue::LinkId;
use byway_primitives::{Span, Time};

use super::chance::Chance;
use super::node::Side;
use super::{PATIENCE, Rig};

/// Sizes of packets, in bytes: an acknowledgement of TCP's, and what a tunnel's MTU allows.
const PACKETS: RangeInclusive<u64> = 40..=1_420;

/// How bytes get from one side to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carriage {
    Stream,
    /// One packet in so many is lost; zero for none.
    Tunnel {
        lost_one_in: u64,
    },
}

/// The provider's plane of a session.
#[derive(Debug, Clone, Copy, Default)]
pub struct Served {
    pub limit: Limit,
    pub carried: Traffic,
    /// The limit that last had no room for a packet.
    pub short_of: Option<u64>,
}

/// What really happened to the bytes of a session, whatever the machines believe.
#[derive(Debug, Clone, Copy, Default)]
pub struct Truth {
    /// Passed the provider's gate.
    pub carried: Traffic,
    /// Was of use: down what came to the client, up what the provider carried.
    pub used: Traffic,
    /// Carried down and lost.
    pub lost: u64,
    /// Carried up when the client that sent it was gone, and would not know of it.
    pub orphaned: u64,
    /// Where time is sold: for how long the gate was open, and for how long there was a client at the other end of its link, too.
    pub open: Span,
    pub usable: Span,
}

/// Bytes on their way.
#[derive(Debug, Clone, Copy)]
struct Flying {
    at: Time,
    session: SessionId,
    bytes: u64,
    link: Option<LinkId>,
    client_life: u64,
}

pub struct Planes {
    pub carriage: Carriage,
    /// Bytes that are sent in a millisecond, at most.
    pub rate: Traffic,
    /// Counters are reported every so many milliseconds.
    pub report_every: u64,
    /// How long bytes are on their way, in milliseconds.
    pub flight: RangeInclusive<u64>,
    /// Whether any bytes get from one side to the other.
    pub is_connected: bool,
    /// Bytes that programs still want.
    pub wanted: Traffic,
    /// The session through which they want them.
    pub session: Option<SessionId>,
    pub serving: BTreeMap<SessionId, Served>,
    /// What the client's plane has sent and received.
    pub using: BTreeMap<SessionId, Traffic>,
    pub truth: BTreeMap<SessionId, Truth>,
    /// How often the client was killed.
    client_life: u64,
    up: VecDeque<Flying>,
    down: VecDeque<Flying>,
    chance: Chance,
    /// Whether anything was sent or has come in this tick.
    pub has_moved: bool,
    /// Whether something was counted that was not reported.
    is_unreported: [bool; 2],
    /// The longest time in which a download could not go on, and since when this one can't.
    pub pause_max: Span,
    pub moved_at: Time,
}

/// What a data plane reports that has carried so many bytes down under this limit.
pub fn counters(limit: Limit, carried: u64) -> Counters {
    Served { limit, carried: Traffic::new(0, carried), short_of: None }.counters()
}

impl Served {
    fn free(&self) -> u64 {
        self.limit.bytes.saturating_sub(self.carried.total())
    }

    fn counters(&self) -> Counters {
        let Self { limit, carried, short_of } = *self;
        let is_short = limit.bytes < u64::MAX && short_of == Some(limit.bytes);
        Counters { traffic: carried, limit: limit.number, bound: limit.bytes.max(carried.total()), is_short }
    }

    /// What of `bytes` the gate lets pass: as much as there is room for, or all or nothing.
    fn pass(&mut self, carriage: Carriage, bytes: u64) -> u64 {
        match carriage {
            Carriage::Stream => bytes.min(self.free()),
            Carriage::Tunnel { .. } if bytes <= self.free() => bytes,
            Carriage::Tunnel { .. } => {
                self.short_of = Some(self.limit.bytes);
                0
            }
        }
    }
}

impl Planes {
    /// Streams whose bytes are there at once.
    pub fn new(now: Time, seed: u64) -> Self {
        Self {
            carriage: Carriage::Stream,
            rate: Traffic::new(1_000, 10_000),
            report_every: 1,
            flight: 0..=0,
            is_connected: true,
            wanted: Traffic::default(),
            session: None,
            serving: BTreeMap::new(),
            using: BTreeMap::new(),
            truth: BTreeMap::new(),
            client_life: 0,
            up: VecDeque::new(),
            down: VecDeque::new(),
            chance: Chance::of(seed),
            has_moved: false,
            is_unreported: [false; 2],
            pause_max: Span::ZERO,
            moved_at: now,
        }
    }

    /// The client's plane of a session is started, and programs use that from now on.
    pub fn connect(&mut self, session: SessionId) {
        self.using.insert(session, Traffic::default());
        self.session = Some(session);
    }

    /// The side's planes are gone, with their counts.
    pub fn forget(&mut self, side: Side) {
        match side {
            Side::Client => {
                self.using.clear();
                self.client_life += 1;
            }
            Side::Provider => self.serving.clear(),
        }
    }

    pub fn downloaded(&self) -> u64 {
        self.truth.values().map(|truth| truth.used.down).sum()
    }

    /// One millisecond; the links are those that each side believes in.
    fn step(&mut self, now: Time, links: [Option<LinkId>; 2]) {
        self.pass_time(links);
        self.send_down(now, links[Side::Provider as usize]);
        self.send_up(now, links[Side::Client as usize]);
        self.come_down(now, links[Side::Client as usize]);
        self.come_up(now, links[Side::Provider as usize]);
    }

    /// A gate without a limit is one of a session that is sold by time.
    fn pass_time(&mut self, links: [Option<LinkId>; 2]) {
        for (session, _) in self.serving.iter().filter(|(_, served)| served.limit.bytes == u64::MAX) {
            let truth = self.truth.entry(*session).or_default();
            truth.open.0 += 1;
            truth.usable.0 += u64::from(self.using.contains_key(session) && links[0] == links[1]);
        }
    }

    /// How many bytes go together, out of so many.
    fn piece(&mut self, left: u64) -> u64 {
        match self.carriage {
            Carriage::Stream => left,
            Carriage::Tunnel { .. } => self.chance.within(PACKETS).min(left),
        }
    }

    fn has_way(&self, link: Option<LinkId>) -> bool {
        self.carriage != Carriage::Stream || link.is_some()
    }

    fn send_down(&mut self, now: Time, link: Option<LinkId>) {
        let Some(session) = self.session.filter(|_| self.has_way(link)) else { return };
        let flying: u64 = self.down.iter().map(|flying| flying.bytes).sum();
        let mut left = self.rate.down.min(self.wanted.down.saturating_sub(flying));
        while left > 0 {
            let piece = self.piece(left);
            let Some(served) = self.serving.get_mut(&session) else { return };
            let bytes = served.pass(self.carriage, piece);
            self.is_unreported[Side::Provider as usize] = true;
            if bytes == 0 {
                return;
            }
            served.carried.down += bytes;
            self.has_moved = true;
            self.truth.entry(session).or_default().carried.down += bytes;
            let at = self.arrival(now, &self.down.back().copied());
            self.down.push_back(Flying { at, session, bytes, link, client_life: self.client_life });
            self.pause_max = self.pause_max.max(now.since(self.moved_at));
            self.moved_at = now;
            left -= bytes;
            if bytes < piece {
                return;
            }
        }
    }

    fn send_up(&mut self, now: Time, link: Option<LinkId>) {
        let Some(session) = self.session.filter(|_| self.has_way(link)) else { return };
        if !self.using.contains_key(&session) {
            return;
        }
        let flying: u64 = self.up.iter().map(|flying| flying.bytes).sum();
        let mut left = self.rate.up.min(self.wanted.up.saturating_sub(flying));
        while left > 0 {
            let bytes = self.piece(left);
            self.using.entry(session).or_default().up += bytes;
            self.is_unreported[Side::Client as usize] = true;
            let at = self.arrival(now, &self.up.back().copied());
            self.up.push_back(Flying { at, session, bytes, link, client_life: self.client_life });
            left -= bytes;
        }
    }

    fn arrival(&mut self, now: Time, before: &Option<Flying>) -> Time {
        let at = Time(now.0 + self.chance.within(self.flight.clone()));
        before.map_or(at, |before| at.max(before.at))
    }

    /// Whether what was sent gets to a side that has this link.
    fn arrives(&mut self, flying: &Flying, link: Option<LinkId>) -> bool {
        self.is_connected
            && match self.carriage {
                Carriage::Stream => flying.link == link,
                Carriage::Tunnel { lost_one_in } => !self.chance.one_in(lost_one_in),
            }
    }

    fn come_down(&mut self, now: Time, link: Option<LinkId>) {
        while let Some(flying) = self.down.pop_front_if(|flying| flying.at <= now) {
            self.has_moved = true;
            let (arrives, Flying { session, bytes, .. }) = (self.arrives(&flying, link), flying);
            let truth = self.truth.entry(session).or_default();
            match self.using.get_mut(&session).filter(|_| arrives) {
                Some(counted) => {
                    counted.down += bytes;
                    truth.used.down += bytes;
                    self.wanted.down = self.wanted.down.saturating_sub(bytes);
                    self.is_unreported[Side::Client as usize] = true;
                }
                None => truth.lost += bytes,
            }
        }
    }

    fn come_up(&mut self, now: Time, link: Option<LinkId>) {
        while let Some(flying) = self.up.pop_front_if(|flying| flying.at <= now) {
            self.has_moved = true;
            let (arrives, Flying { session, bytes, .. }) = (self.arrives(&flying, link), flying);
            let Some(served) = self.serving.get_mut(&session).filter(|_| arrives) else { continue };
            let taken = served.pass(self.carriage, bytes);
            self.is_unreported[Side::Provider as usize] = true;
            served.carried.up += taken;
            let truth = self.truth.entry(session).or_default();
            (truth.carried.up, truth.used.up) = (truth.carried.up + taken, truth.used.up + taken);
            if flying.client_life != self.client_life {
                truth.orphaned += taken;
            }
            self.wanted.up = self.wanted.up.saturating_sub(taken);
            if self.carriage == Carriage::Stream && taken < bytes {
                // It waits in the stream.
                return self.up.push_front(Flying { bytes: bytes - taken, ..flying });
            }
        }
    }
}

impl Rig {
    /// What the data planes do in a millisecond.
    pub(super) fn carry(&mut self) {
        self.planes.step(self.now, self.links);
        if !self.now.0.is_multiple_of(self.planes.report_every) {
            return;
        }
        let [client_counted, provider_counted] = std::mem::take(&mut self.planes.is_unreported);
        let (client, provider) = (self.client.id(), self.provider.id());
        if provider_counted && self.provider.is_up {
            for (session, served) in &self.planes.serving {
                let counters = served.counters();
                self.provider.market.handle_served(self.now, client, *session, counters, &self.provider.store);
            }
        }
        if client_counted && self.client.is_up {
            for (session, traffic) in &self.planes.using {
                self.client.market.handle_used(self.now, provider, *session, *traffic, &self.client.store);
            }
        }
    }

    /// The provider carries bytes that the client does not take, as for a program that has stopped reading: as many as it
    /// may, up to `bytes`.
    pub fn hold(&mut self, mut bytes: u64) {
        let deadline = Time(self.now.0 + PATIENCE);
        while bytes > 0 {
            assert!(self.now < deadline, "{bytes} bytes are left to hold");
            for served in self.planes.serving.values_mut() {
                let more = bytes.min(served.free());
                bytes -= more;
                served.carried.down += more;
            }
            self.planes.is_unreported[Side::Provider as usize] = true;
            self.tick();
        }
    }
}
