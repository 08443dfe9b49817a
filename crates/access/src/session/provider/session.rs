//! One session as the provider sees it.

use byway_primitives::{Amount, Span, Time};

use super::super::config::ProviderConfig;
use super::super::journal::SessionRecord;
use super::super::line::Line;
use super::super::message::{Accepted, Metering};
use super::super::reasons::StopReason;
use super::super::{Measure, SessionState, SessionView, UNHEARD_MAX};

#[derive(Debug, Clone)]
pub(super) struct Session {
    pub record: SessionRecord,
    pub line: Line,
    pub phase: Phase,
    pub channel: Channel,
    pub metering_at: Time,
    /// What the client was last told to have come of its uploads.
    pub metered_up: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Accepted, or taken up after a crash; the client builds the data channel.
    Offered,
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

/// Whether the client has said over this link that its channel is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channel {
    /// There is no link. No time for it runs meanwhile; how long a client may be away is for the dialogue to say.
    NoLink,
    /// It is to say so by then, or else it holds a place that others could have.
    Awaited {
        until: Time,
    },
    Up,
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

impl Channel {
    fn awaited_until(self) -> Option<Time> {
        match self {
            Self::Awaited { until } => Some(until),
            Self::NoLink | Self::Up => None,
        }
    }

    pub(super) fn is_late(self, now: Time) -> bool {
        self.awaited_until().is_some_and(|until| now >= until)
    }
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
            (Phase::Running, Channel::Up) => self.line.start(now),
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
        let channel = self.channel.awaited_until();
        let (first, second) = match self.phase {
            Phase::Offered => (None, None),
            Phase::Stopping { until, .. } => return [Some(until), None, None].into_iter().flatten(),
            Phase::Running => (Some(self.metering_at), self.line.exhausted_at()),
            Phase::Paused { until, loss: Loss::JudgedAt(at) } => (Some(until.min(at)), Some(self.metering_at)),
            Phase::Paused { until, loss: Loss::Unheard | Loss::Judged } => (Some(until), Some(self.metering_at)),
        };
        [channel, first, second].into_iter().flatten()
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
            carried_cost: self.line.cost(),
            duration: now.since(self.record.opened),
            state: match self.phase {
                Phase::Offered => SessionState::Connecting,
                Phase::Running => SessionState::Running,
                Phase::Paused { .. } => SessionState::Paused,
                Phase::Stopping { .. } => SessionState::Stopping,
            },
        }
    }
}
