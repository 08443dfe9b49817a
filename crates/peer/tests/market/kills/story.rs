//! One client, one provider, and what happens to them.

use byway_access::session::{Tariff, Traffic};
use byway_dialogue::LinkId;
use byway_primitives::{Amount, Span, Time};

use super::checks::{Checks, Worst};
use super::seconds::{PER_SECOND, TimeChecks};
use crate::rig::chance::Chance;
use crate::rig::node::other;
use crate::rig::plane::Carriage;
use crate::rig::{Rig, Side};
use crate::terms::{PRICE, Terms};

/// Kills in a story.
pub const KILLS: u64 = 25;
/// How long what is wanted may take in which nobody is killed, in milliseconds: longer than the time in which a purse is
/// refilled that kills have emptied.
const PATIENCE: u64 = 1_500_000;
/// What programs want at a time, and after the last kill.
const WANTED: Traffic = Traffic { up: 150_000, down: 600_000 };
/// How long a dialogue may take to open before the client dials anew, in milliseconds.
const DIALLED_MAX: u64 = 3_000;
/// Writes in which a node recovers: it is often killed again at one of them.
const RECOVERY_WRITES: usize = 8;

/// How long it may take until everything is paid, in milliseconds.
const END: u64 = 80_000;

/// What carries the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Streams,
    Tunnel,
    /// A tunnel or streams, by the second.
    Seconds,
}

/// What looks on, by what is sold.
enum Watch {
    Bytes(Checks),
    Time(TimeChecks),
}

impl Watch {
    fn new(kind: Kind, rig: &Rig) -> Self {
        match kind {
            Kind::Streams | Kind::Tunnel => Self::Bytes(Checks::new(rig)),
            Kind::Seconds => Self::Time(TimeChecks::new()),
        }
    }

    fn look(&mut self, rig: &Rig) {
        match self {
            Self::Bytes(checks) => checks.look(rig),
            Self::Time(checks) => checks.look(rig),
        }
    }

    fn killed(&mut self, rig: &Rig, side: Side) {
        match self {
            Self::Bytes(checks) => checks.killed(rig, side),
            Self::Time(checks) => checks.killed(rig, side),
        }
    }

    fn started(&mut self, rig: &Rig, side: Side) {
        match self {
            Self::Bytes(checks) => checks.started(rig, side),
            Self::Time(checks) => checks.started(rig, side),
        }
    }

    fn ended(&mut self, rig: &Rig) {
        match self {
            Self::Bytes(checks) => checks.ended(rig),
            Self::Time(checks) => checks.ended(rig),
        }
    }

    fn worst(&mut self) -> &mut Worst {
        match self {
            Self::Bytes(checks) => &mut checks.worst,
            Self::Time(checks) => &mut checks.worst,
        }
    }
}

/// The same by the second.
fn by_second(terms: Terms) -> Terms {
    let Tariff { measure, price } = PER_SECOND;
    // As many windows until a settlement as bytes are.
    let settle_at = Amount::from_units(terms.settle_at.units() * 4);
    Terms { measure, price, expected: price, settle_at, ..terms }
}

pub struct Story {
    rig: Rig,
    chance: Chance,
    kind: Kind,
    watch: Watch,
    kills_left: u64,
    /// When the next is killed, if that is not at a write.
    next_kill: Option<(Side, Time)>,
    /// Who is away, and until when.
    away: [Option<Time>; 2],
    /// Links that are gone, and when a side hears of it.
    losses: Vec<(Time, Side, LinkId)>,
    /// When the network is there again.
    cut_until: Option<Time>,
    dialled: Time,
    asked: u64,
    asked_at: Time,
    progressed: Time,
    /// Whether everything has come, and the rest is to be paid.
    is_over: bool,
}

impl Story {
    pub fn new(seed: u64, kind: Kind) -> Self {
        let mut chance = Chance::of(seed ^ 0x6b69_6c6c);
        let settle_at = Amount::cost_of_bytes(PRICE, chance.within(300_000..=3_000_000)).expect("fits");
        let settlement = Span::millis(chance.within(100..=3_000));
        let terms = Terms { settle_at, settlement, ..Terms::default() };
        let mut rig = Rig::with_terms(seed, if kind == Kind::Seconds { by_second(terms) } else { terms });
        let slowest = chance.within(2..=120);
        rig.delay = chance.within(1..=slowest)..=slowest;
        rig.fsync = 1..=chance.within(1..=40);
        let planes = &mut rig.planes;
        planes.flight = rig.delay.clone();
        planes.rate = Traffic::new(chance.within(50..=2_000), chance.within(500..=9_000));
        planes.report_every = chance.within(1..=20);
        planes.carriage = match kind {
            Kind::Streams => Carriage::Stream,
            Kind::Seconds if seed.is_multiple_of(2) => Carriage::Stream,
            Kind::Tunnel | Kind::Seconds => {
                Carriage::Tunnel { lost_one_in: [0, 500, 100, 40][chance.within(0..=3) as usize] }
            }
        };
        planes.wanted = WANTED;
        let now = rig.now;
        let mut story = Self {
            kind,
            watch: Watch::new(kind, &rig),
            rig,
            chance,
            kills_left: KILLS,
            next_kill: None,
            away: [None; 2],
            losses: Vec::new(),
            cut_until: None,
            dialled: Time::default(),
            asked: 0,
            asked_at: now,
            progressed: now,
            is_over: false,
        };
        story.plan_kill();
        story
    }

    /// Until everything that programs want has come, after all kills, and everything is paid.
    pub fn run(mut self) -> Worst {
        while self.kills_left > 0 || self.rig.planes.wanted != Traffic::default() {
            self.step();
            if self.kills_left > 0 {
                self.want_more();
            }
        }
        self.end();
        *self.watch.worst()
    }

    fn step(&mut self) {
        let before = self.rig.planes.wanted;
        self.rig.tick();
        if self.rig.planes.wanted != before {
            self.progressed = self.rig.now;
        }
        let waited = self.rig.now.since(self.progressed);
        assert!(waited.0 < PATIENCE, "seed {}: nothing has come for {waited:?}: {}", self.rig.seed, self.picture());
        let pause_max = &mut self.watch.worst().pause_max_ms;
        *pause_max = (*pause_max).max(waited.0);
        self.kill();
        self.start_again();
        self.cut();
        self.hear_of_losses();
        self.dial();
        self.open_session();
        if self.chance.one_in(4_000) && self.rig.provider.is_up {
            self.rig.ask_to_settle();
        }
        if self.rig.has_changed() {
            self.rig.note_promise();
            self.watch.look(&self.rig);
        }
    }

    fn picture(&self) -> String {
        let (rig, now) = (&self.rig, self.rig.now);
        format!(
            "client {:?} uses {:?}\nprovider {:?} serves {:?}\nplanes {:?} {:?}, links {:?}",
            rig.client.market.pair(rig.provider.id()),
            rig.client.market.used_sessions(now),
            rig.provider.market.pair(rig.client.id()),
            rig.provider.market.served_sessions(now),
            rig.planes.serving,
            rig.planes.using,
            rig.links,
        )
    }

    /// So much that somebody is always killed with something under way.
    fn want_more(&mut self) {
        let wanted = &mut self.rig.planes.wanted;
        (wanted.up, wanted.down) = (wanted.up.max(WANTED.up / 2), wanted.down.max(WANTED.down / 2));
    }

    /// When the next is killed: soon after somebody comes back, or in the middle of things; at a write or at a moment.
    fn plan_kill(&mut self) {
        let side = if self.chance.one_in(2) { Side::Client } else { Side::Provider };
        let is_soon = self.chance.one_in(4);
        if self.chance.one_in(2) {
            let writes = match self.kind {
                _ if is_soon => RECOVERY_WRITES,
                Kind::Streams | Kind::Tunnel => 60,
                // Which is a minute.
                Kind::Seconds => 30,
            };
            let writes = self.chance.within(1..=writes as u64) as usize;
            let at = self.rig.node(side).writes + writes;
            self.rig.doom(side, at);
        } else {
            let millis = match self.kind {
                _ if is_soon => 200,
                Kind::Streams | Kind::Tunnel => 4_000,
                Kind::Seconds => 20_000,
            };
            self.next_kill = Some((side, Time(self.rig.now.0 + self.chance.within(1..=millis))));
        }
    }

    fn kill(&mut self) {
        if let Some((side, _)) = self.next_kill.filter(|(_, at)| *at <= self.rig.now)
            && self.rig.node(side).is_up
        {
            self.next_kill = None;
            self.rig.kill_now(side);
        }
        let Some(side) = self.rig.killed.take() else { return };
        self.watch.killed(&self.rig, side);
        self.progressed = self.rig.now;
        self.kills_left -= 1;
        let away = if self.chance.one_in(3) { 1..=20 } else { 1..=6_000 };
        self.away[side as usize] = Some(Time(self.rig.now.0 + self.chance.within(away)));
        if let Some(link) = self.rig.links[other(side) as usize] {
            self.lose(other(side), link);
        }
        if self.kills_left > 0 {
            self.plan_kill();
        }
    }

    /// A side will hear of it that this link is gone: at once, or when it has been silent for long.
    fn lose(&mut self, side: Side, link: LinkId) {
        let after = if self.chance.one_in(2) { 0 } else { self.chance.within(1..=8_000) };
        self.losses.push((Time(self.rig.now.0 + after), side, link));
    }

    fn start_again(&mut self) {
        for side in [Side::Client, Side::Provider] {
            if self.away[side as usize].is_some_and(|until| until <= self.rig.now) {
                self.away[side as usize] = None;
                self.rig.start_again(side);
                self.watch.started(&self.rig, side);
            }
        }
    }

    /// The network is gone for a while, now and then.
    fn cut(&mut self) {
        if self.cut_until.is_some_and(|until| until <= self.rig.now) {
            self.cut_until = None;
            self.rig.planes.is_connected = true;
        }
        if self.cut_until.is_none() && self.kills_left > 0 && self.chance.one_in(15_000) {
            self.cut_until = Some(Time(self.rig.now.0 + self.chance.within(1..=5_000)));
            self.rig.planes.is_connected = false;
            for side in [Side::Client, Side::Provider] {
                if let Some(link) = self.rig.links[side as usize] {
                    self.lose(side, link);
                }
            }
        }
    }

    fn hear_of_losses(&mut self) {
        let now = self.rig.now;
        let (due, later) = std::mem::take(&mut self.losses).into_iter().partition(|(at, ..)| *at <= now);
        self.losses = later;
        for (_, side, link) in due {
            if self.rig.links[side as usize] == Some(link) {
                self.rig.lose_link(side);
            } else {
                self.rig.hear_of_loss(side, link);
            }
        }
    }

    /// The client wants a dialogue, and another link where none comes of this one.
    fn dial(&mut self) {
        let rig = &mut self.rig;
        if !rig.client.is_up || !rig.provider.is_up || !rig.planes.is_connected {
            return;
        }
        let waited = rig.now.since(self.dialled).0;
        let is_hopeless = rig.links[0] != rig.links[1] || waited > DIALLED_MAX && !rig.is_connected();
        if rig.links[0].is_some() && is_hopeless && waited > DIALLED_MAX {
            rig.lose_link(Side::Client);
        }
        if rig.links[0].is_none() && waited > 100 {
            self.dialled = rig.now;
            if let Some(link) = rig.links[1] {
                self.lose(Side::Provider, link);
            }
            self.rig.dial();
        }
    }

    fn open_session(&mut self) {
        let rig = &mut self.rig;
        let is_free = rig.client.is_up && rig.planes.using.is_empty() && !rig.is_asking;
        if is_free && !self.is_over && rig.is_connected() && rig.now.since(self.asked_at).0 > 50 {
            self.asked += 1;
            self.asked_at = rig.now;
            rig.ask_for_session(rig.seed << 32 | self.asked);
        }
    }

    /// Everything is stopped and paid.
    fn end(&mut self) {
        for _ in 0..3_000 {
            self.step();
        }
        self.is_over = true;
        self.rig.stop_all();
        for round in 0..END {
            if round % 8_000 == 0 {
                self.rig.ask_to_settle();
            }
            self.step();
            if round % 1_000 == 0 && self.rig.is_all_paid() {
                break;
            }
        }
        self.watch.ended(&self.rig);
    }
}
