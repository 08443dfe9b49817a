//! One session as the provider sees it.

use byway_primitives::{Amount, Span, Time};

use super::super::config::ProviderConfig;
use super::super::journal::SessionRecord;
use super::super::line::Line;
use super::super::message::{Accepted, Metering};
use super::super::reasons::StopReason;
use super::super::{Link, Measure, SessionState, SessionView, UNHEARD_MAX};

#[derive(Debug, Clone)]
pub(super) struct Session {
    pub record: SessionRecord,
    pub line: Line,
    pub phase: Phase,
    /// Whether the client has said over this link that its channel is up.
    pub channel: Link,
    pub metering_at: Time,
    /// What the client was last told to have come of its uploads.
    pub metered_up: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Accepted; the client builds the data channel until then. No time runs while there is no link.
    Offered {
        until: Option<Time>,
    },
    Running,
    Paused {
        until: Time,
        loss: Loss,
    },
    /// Stopped by us; the client's last acknowledgement is awaited.
    Stopping {
        reason: StopReason,
        until: Time,
    },
}

/// Whether a paused session still waits for acknowledgements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// The client has said nothing since. As long as it doesn't, the link may be dead, and whatever were forgiven now
    /// would be carried into nowhere as well.
    Unheard,
    /// It has, and what is on its way has until then to arrive.
    JudgedAt(Time),
    Judged,
}

impl Session {
    /// What the client is told of it when it begins.
    pub(super) fn accepted(&self) -> Accepted {
        let SessionRecord { id: session, response, opened: asked, free, ref answer, .. } = self.record;
        Accepted { response, session, asked, free, data: answer.clone() }
    }

    pub(super) fn metering(&self, now: Time) -> Metering {
        Metering {
            session: self.record.id,
            cost: self.line.cost(),
            billed: self.line.acknowledged,
            received_up: self.line.received_up(),
            duration: now.since(self.record.opened),
        }
    }

    /// The same, to be said.
    pub(super) fn bill(&mut self, now: Time) -> Metering {
        self.metered_up = self.line.received_up();
        self.metering(now)
    }

    /// The price of uploads that the client was not told of.
    pub(super) fn unmetered(&self) -> Amount {
        match self.record.tariff.measure {
            Measure::Bytes => self.record.tariff.cost_of(self.line.received_up().saturating_sub(self.metered_up)),
            Measure::Time => Amount::ZERO,
        }
    }

    /// Whether its data plane was started and not stopped yet.
    pub(super) fn is_served(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::Paused { .. })
    }

    /// Time runs while it is served, not paused, and of use to the client.
    pub(super) fn run_or_stop(&mut self, now: Time) {
        match (self.phase, self.channel) {
            (Phase::Running, Link::Up) => self.line.start(now),
            _ => self.line.stop(),
        }
    }

    /// How often the client hears of it.
    pub(super) fn metering_every(&self, config: &ProviderConfig) -> Span {
        match self.record.tariff.measure {
            Measure::Bytes => config.metering_every,
            Measure::Time => config.metering_every.min(Span(UNHEARD_MAX.0 / 2)),
        }
    }

    pub(super) fn deadlines(&self) -> impl Iterator<Item = Time> {
        let (first, second) = match self.phase {
            Phase::Offered { until } => (until, None),
            Phase::Stopping { until, .. } => (Some(until), None),
            Phase::Running => (Some(self.metering_at), self.line.exhausted_at()),
            Phase::Paused { until, loss: Loss::JudgedAt(at) } => (Some(until.min(at)), Some(self.metering_at)),
            Phase::Paused { until, loss: Loss::Unheard | Loss::Judged } => (Some(until), Some(self.metering_at)),
        };
        [first, second].into_iter().flatten()
    }

    pub(super) fn view(&self, now: Time) -> SessionView {
        SessionView {
            id: self.record.id,
            offer: self.record.offer,
            service: self.record.service,
            tariff: self.record.tariff,
            free: self.record.free,
            billed: self.line.acknowledged,
            cost: self.line.cost(),
            duration: now.since(self.record.opened),
            state: match self.phase {
                Phase::Offered { .. } => SessionState::Connecting,
                Phase::Running => SessionState::Running,
                Phase::Paused { .. } => SessionState::Paused,
                Phase::Stopping { .. } => SessionState::Stopping,
            },
        }
    }
}
