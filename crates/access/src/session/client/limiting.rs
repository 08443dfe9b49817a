//! What a session may cost: told when it is asked for, and anew while it is open.

use byway_primitives::{Amount, Time};

use super::super::news::{ClientEffect, ClientNews};
use super::super::reasons::StopReason;
use super::super::{Measure, SessionId};
use super::Client;

impl Client {
    /// What `session` may cost in all from now on, be that more or less than before. The provider is told nothing: how far
    /// ahead it is paid follows of itself. It is written down with whatever is acknowledged next, so tell it again after a
    /// restart.
    pub fn limit(&mut self, now: Time, session: SessionId, cost_max: Amount) -> Vec<ClientEffect> {
        if let Some(state) = self.sessions.get_mut(&session).filter(|state| state.is_open())
            && state.record.cost_max != cost_max
        {
            state.record.cost_max = cost_max;
            let limit = state.carried_max();
            if state.record.tariff.measure == Measure::Bytes {
                self.out.notify(ClientNews::Limited { session, limit });
            }
            self.stop_at_limit(now, session);
        }
        self.finish(now)
    }

    pub(super) fn stop_at_limit(&mut self, now: Time, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        let limit = session.record.cost_max;
        let least = session.record.tariff.least_cost();
        if session.is_open() && !least.is_zero() && limit.saturating_sub(session.carried_cost(now)) < least {
            self.out.notify(ClientNews::OverLimit { session: id, limit });
            self.begin_stop(now, id, StopReason::SpendingLimit);
        }
    }
}
