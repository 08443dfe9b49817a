//! One session as the client sees it.

use byway_dialogue::payment::WINDOW_START_BYTES;
use byway_primitives::{Amount, Time};

use super::config::ClientConfig;
use super::journal::SessionRecord;
use super::message::{Metering, StopReason};
use super::news::{ClientNews, MeteringFault};
use super::{SessionState, SessionView, Traffic};

/// Whether the provider can be heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    Up,
    Down,
}

#[derive(Debug, Clone)]
pub(super) struct Session {
    pub record: SessionRecord,
    pub phase: Phase,
    /// As the data plane counts, from zero when the channel was built.
    pub reported: Traffic,
    /// What was acknowledged before that.
    pub offset: Traffic,
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
        let offset = record.acknowledged;
        let acknowledge_at = now + config.acknowledge_every;
        Self { record, phase, reported: Traffic::default(), offset, received_up: offset.up, heard: now, acknowledge_at }
    }

    /// The data channel is to be built.
    pub(super) fn connect(&self) -> ClientNews {
        let SessionRecord { id, response, service, cost_max, price, free_bytes, acknowledged, ref answer, .. } =
            self.record;
        let limit = cost_max.bytes_bought(price).saturating_add(free_bytes).saturating_sub(acknowledged.total());
        ClientNews::Connect { session: id, response, service, limit, answer: answer.clone() }
    }

    pub(super) fn is_open(&self) -> bool {
        !matches!(self.phase, Phase::Stopping { .. })
    }

    pub(super) fn cost(&self) -> Amount {
        self.cost_of(self.record.acknowledged)
    }

    /// What traffic costs in this session.
    pub(super) fn cost_of(&self, traffic: Traffic) -> Amount {
        traffic.cost_beyond(self.record.free_bytes, self.record.price)
    }

    /// Whether the free bytes are used up but for a first window, so that it is time to pay for the next.
    pub(super) fn is_to_be_paid(&self) -> bool {
        self.record.free_bytes.saturating_sub(self.record.acknowledged.total()) <= WINDOW_START_BYTES
    }

    /// Sent and received.
    pub(super) fn seen(&self) -> Traffic {
        self.offset.plus(self.reported)
    }

    /// What to acknowledge: downloads as received, uploads as the provider received them and never more than were sent.
    pub(super) fn arrived(&self) -> Traffic {
        let seen = self.seen();
        Traffic { up: seen.up.min(self.received_up), down: seen.down }.max(self.record.acknowledged)
    }

    pub(super) fn judge(&self, metering: &Metering) -> Result<(), MeteringFault> {
        let (billed, acknowledged) = (metering.billed, self.record.acknowledged);
        if billed.up > acknowledged.up || billed.down > acknowledged.down {
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
            price: self.record.price,
            free_bytes: self.record.free_bytes,
            billed: self.record.acknowledged,
            cost: self.cost(),
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
