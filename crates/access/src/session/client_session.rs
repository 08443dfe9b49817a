//! One session as the client sees it.

use byway_primitives::{Amount, Span, Time};

use super::config::ClientConfig;
use super::journal::SessionRecord;
use super::message::Metering;
use super::news::{ClientNews, MeteringFault};
use super::reasons::StopReason;
use super::usage::Count;
use super::{Link, Measure, SessionState, SessionView, Traffic, UNHEARD_MAX, Usage};

#[derive(Debug, Clone)]
pub(super) struct Session {
    pub record: SessionRecord,
    pub phase: Phase,
    /// What was sent and received, and for how long the provider is known to have been there.
    count: Count,
    /// What the provider says to have received.
    pub received_up: u64,
    pub heard: Time,
    pub acknowledge_at: Time,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The data channel is being built; no time runs while there is no link.
    Connecting {
        until: Option<Time>,
    },
    Running,
    Paused,
    /// We said stop; the final bill is awaited.
    Stopping {
        reason: StopReason,
        until: Time,
    },
}

impl Session {
    pub(super) fn new(record: SessionRecord, phase: Phase, now: Time, config: ClientConfig) -> Self {
        let before = record.acknowledged;
        let acknowledge_at = now + config.acknowledge_every;
        let (count, received_up) = (Count::new(before), before.traffic.up);
        Self { record, phase, count, received_up, heard: now, acknowledge_at }
    }

    /// The data channel is to be built.
    pub(super) fn connect(&self) -> ClientNews {
        let SessionRecord { id, response, service, ref answer, .. } = self.record;
        ClientNews::Connect { session: id, response, service, limit: self.carried_max(), answer: answer.clone() }
    }

    /// Bytes that the data plane may carry in all since it was started: what the session may cost pays for no more.
    pub(super) fn carried_max(&self) -> u64 {
        match self.record.tariff.measure {
            Measure::Bytes => self.count_max().saturating_sub(self.count.before(Measure::Bytes)),
            Measure::Time => u64::MAX,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        !matches!(self.phase, Phase::Stopping { .. })
    }

    pub(super) fn cost(&self) -> Amount {
        self.cost_of(self.record.acknowledged)
    }

    /// What has arrived and is not acknowledged costs.
    pub(super) fn unacknowledged(&self) -> Amount {
        if self.is_open() { self.cost_of(self.arrived()).saturating_sub(self.cost()) } else { Amount::ZERO }
    }

    /// Whether the time of half a first window is not acknowledged, whatever it costs.
    pub(super) fn has_run_for_long(&self) -> bool {
        let more = self.arrived().minus(self.record.acknowledged);
        more.time.0 >= Measure::Time.first_window() / 2
    }

    /// What usage costs in this session.
    pub(super) fn cost_of(&self, usage: Usage) -> Amount {
        self.record.tariff.cost_beyond(self.record.free, usage)
    }

    /// Whether what costs nothing is used up but for a first window, so that it is time to pay for the next.
    pub(super) fn is_to_be_paid(&self) -> bool {
        let measure = self.record.tariff.measure;
        self.record.free.saturating_sub(self.record.acknowledged.count(measure)) <= measure.first_window()
    }

    /// What may be used of what is sold: so much as the session may cost.
    fn count_max(&self) -> u64 {
        let SessionRecord { tariff, cost_max, free, .. } = self.record;
        tariff.bought(cost_max).saturating_add(free)
    }

    /// The data plane has counted.
    pub(super) fn report(&mut self, traffic: Traffic) {
        self.count.report(traffic);
    }

    /// The provider is there: the time since it last was is time in which it served us. Of a longer silence nobody knows.
    pub(super) fn run(&mut self, now: Time) {
        self.count.run(now, |span| if span <= UNHEARD_MAX { span } else { Span::ZERO });
    }

    /// Time runs while the session does and there is a link. What went by since the provider was last heard is not counted
    /// where it ends.
    pub(super) fn run_over(&mut self, link: Link, now: Time) {
        match (self.phase, link) {
            (Phase::Running, Link::Up) => self.count.start(now),
            _ => self.count.stop(),
        }
    }

    /// Sent and received, and gone by.
    pub(super) fn seen(&self, now: Time) -> Usage {
        let counted = self.count.total();
        counted.plus(Usage { time: self.count.uncounted(now), ..Usage::default() })
    }

    /// What that costs. What was sent and is lost counts, too: the data plane carries no more. So does time that nobody confirmed
    /// yet.
    pub(super) fn carried_cost(&self, now: Time) -> Amount {
        self.cost_of(self.seen(now)).max(self.cost())
    }

    /// What to acknowledge: downloads as received, uploads as the provider received them and never more than were sent, and
    /// time as it was counted. Where time is sold never more than the session may cost; of bytes the data plane carries no more.
    pub(super) fn arrived(&self) -> Usage {
        let Usage { traffic, time } = self.count.total();
        let traffic = Traffic { up: traffic.up.min(self.received_up), down: traffic.down };
        let time = match self.record.tariff.measure {
            Measure::Bytes => time,
            Measure::Time => time.min(Span(self.count_max())),
        };
        Usage { traffic, time }.max(self.record.acknowledged)
    }

    /// Whether no more of what is sold is in this than was acknowledged.
    pub(super) fn is_acknowledged(&self, usage: Usage) -> bool {
        let measure = self.record.tariff.measure;
        usage.count(measure) == self.record.acknowledged.count(measure)
    }

    pub(super) fn judge(&self, metering: &Metering) -> Result<(), MeteringFault> {
        let (billed, acknowledged) = (metering.billed, self.record.acknowledged);
        if !billed.is_within(acknowledged) {
            return Err(MeteringFault::BilledUnacknowledged { billed, acknowledged });
        }
        let cost = self.cost_of(billed);
        if metering.cost != cost {
            return Err(MeteringFault::WrongCost { asked: metering.cost, cost });
        }
        Ok(())
    }

    pub(super) fn deadline(&self, config: ClientConfig, link: Link) -> Time {
        match self.phase {
            Phase::Connecting { until: None } => self.acknowledge_at,
            Phase::Connecting { until: Some(until) } | Phase::Stopping { until, .. } => until,
            Phase::Running | Phase::Paused if link == Link::Up => {
                self.acknowledge_at.min(self.heard + config.silence_max)
            }
            Phase::Running | Phase::Paused => self.acknowledge_at,
        }
    }

    pub(super) fn view(&self, now: Time) -> SessionView {
        SessionView {
            id: self.record.id,
            offer: self.record.offer,
            service: self.record.service,
            tariff: self.record.tariff,
            free: self.record.free,
            billed: self.record.acknowledged,
            cost: self.cost(),
            carried_cost: self.carried_cost(now),
            duration: now.since(self.record.opened),
            state: match self.phase {
                Phase::Connecting { .. } => SessionState::Connecting,
                Phase::Running => SessionState::Running,
                Phase::Paused => SessionState::Paused,
                Phase::Stopping { .. } => SessionState::Stopping,
            },
        }
    }
}
