//! How much a provider carries: bytes in a month, clients at one time, and how fast.
//!
//! Bytes are counted as sessions are: what clients send and receive, both ways together. The count of a month is written down
//! twice a second while something moves, so a crash forgets no more than that. At the cap no session is opened
//! any more until the month is over (UTC), and those that run end in order, with a reason of their own, once that the month is spent
//! is durable: who was told so is told the same after a crash. Reports of sessions come every few megabytes, so each may go beyond
//! the cap by as much.

use std::sync::Arc;

use byway_access::session::StopReason;
use byway_driver::pace::Pace;
use byway_peer::market::Capacity;
use byway_primitives::{Batch, IdentityId, Space, Store, Time, Token};
use serde::{Deserialize, Serialize};

use super::super::Actor;
use crate::api::ProviderUsage;
use crate::calendar::{Day, Month};

const MONTH: Space = Space("provider-month");
const MONTH_KEY: &[u8] = b"latest";

/// What a provider's configuration says of how much it carries; nothing is limited by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Caps {
    /// Bytes in a calendar month (UTC), both ways together.
    pub month_max_bytes: Option<u64>,
    /// Clients with a session at one time.
    pub clients_max: Option<usize>,
    /// Bits per second each way, of all clients together.
    pub rate_max_bps: Option<u64>,
    /// Bits per second each way, of each client.
    pub client_rate_max_bps: Option<u64>,
}

/// What was carried in a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MonthCount {
    month: Month,
    pub bytes: u64,
}

impl MonthCount {
    pub fn open(store: &impl Store, now: Time) -> Self {
        let stored = store.load(MONTH, MONTH_KEY).and_then(|stored| serde_json::from_slice(&stored).ok());
        let mut count = stored.unwrap_or(Self { month: Day::of(now).month(), bytes: 0 });
        count.begin(now);
        count
    }

    /// Begins anew where it is another month. A clock that is set back begins nothing.
    fn begin(&mut self, now: Time) {
        let month = Day::of(now).month();
        if month > self.month {
            *self = Self { month, bytes: 0 };
        }
    }

    fn add(&mut self, now: Time, bytes: u64) {
        self.begin(now);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    fn is_spent(&self, max: Option<u64>) -> bool {
        max.is_some_and(|max| self.bytes >= max)
    }
}

impl Actor {
    fn caps(&self) -> Caps {
        self.config.selling.as_ref().map(|selling| selling.caps).unwrap_or_default()
    }

    /// After opening: whoever was served when the month was spent is let go now, if a crash came before.
    pub(super) fn take_up_caps(&mut self) {
        self.tell_capacity();
        if self.provision.month.is_spent(self.caps().month_max_bytes) {
            self.end_served(StopReason::MonthSpent);
        }
    }

    /// Tells the market what it can take on.
    fn tell_capacity(&mut self) {
        let Caps { clients_max, month_max_bytes, .. } = self.caps();
        let is_month_spent = self.provision.month.is_spent(month_max_bytes);
        self.market.set_capacity(Capacity { clients_max, is_month_spent });
    }

    /// Sessions have moved so many bytes more.
    pub(in crate::peer_node) fn count_carried(&mut self, bytes: u64) {
        let (now, max) = (self.clock.now(), self.caps().month_max_bytes);
        let was_spent = self.provision.month.is_spent(max);
        self.provision.month.add(now, bytes);
        self.provision.is_month_written &= bytes == 0;
        if !was_spent && self.provision.month.is_spent(max) {
            tracing::warn!(
                bytes = self.provision.month.bytes,
                "the month's cap is reached; nothing is sold until the next"
            );
            self.tell_capacity();
            self.provision.spent_at = Some(self.write_month());
        }
    }

    /// That the month is spent is written down as far as `is_durable` tells: those who are served still are let go.
    pub(in crate::peer_node) fn month_became_durable(&mut self, is_durable: impl Fn(Token) -> bool) {
        if self.provision.spent_at.take_if(|token| is_durable(*token)).is_some() {
            self.end_served(StopReason::MonthSpent);
        }
    }

    pub(super) fn tend_month(&mut self) {
        let (now, max) = (self.clock.now(), self.caps().month_max_bytes);
        let was_spent = self.provision.month.is_spent(max);
        self.provision.month.begin(now);
        if was_spent && !self.provision.month.is_spent(max) {
            self.tell_capacity();
        }
        if !std::mem::replace(&mut self.provision.is_month_written, true) {
            self.write_month();
        }
    }

    fn write_month(&mut self) -> Token {
        let mut batch = Batch::new();
        match serde_json::to_vec(&self.provision.month) {
            Ok(value) => batch.put(MONTH, MONTH_KEY, value),
            Err(error) => tracing::error!(%error, "what was carried this month can't be written down"),
        }
        self.write_ledger(batch)
    }

    /// The pace of a client, if it has one: the same for all its sessions.
    pub(in crate::peer_node) fn pace_of(&mut self, client: IdentityId) -> Option<Arc<Pace>> {
        if let Some(pace) = self.provision.paces.get(&client).and_then(std::sync::Weak::upgrade) {
            return Some(pace);
        }
        self.provision.paces.retain(|_, pace| pace.strong_count() > 0);
        let pace = Arc::new(Pace::on(&self.provision.line, self.caps().client_rate_max_bps)?);
        self.provision.paces.insert(client, Arc::downgrade(&pace));
        Some(pace)
    }

    pub(super) fn usage(&self) -> ProviderUsage {
        let caps = self.caps();
        let served = self.market.served_sessions(self.clock.now());
        let clients: std::collections::BTreeSet<IdentityId> = served.iter().map(|(client, _)| *client).collect();
        ProviderUsage {
            month: self.provision.month.month.to_string(),
            month_bytes: self.provision.month.bytes,
            month_max_bytes: caps.month_max_bytes,
            clients: clients.len() as u64,
            clients_max: caps.clients_max.map(|max| max as u64),
            rate_max_bps: caps.rate_max_bps,
            client_rate_max_bps: caps.client_rate_max_bps,
        }
    }
}

#[cfg(test)]
mod tests {
    use byway_primitives::{MemoryStore, Span};

    use super::*;

    #[test]
    fn a_month_counts_until_it_is_over_and_across_restarts() {
        // 27 November 2026.
        let now = Day(20_784).begins();
        let mut count = MonthCount::open(&MemoryStore::default(), now);
        count.add(now, 600);
        assert_eq!((count.is_spent(Some(601)), count.is_spent(None)), (false, false));
        let mut store = MemoryStore::default();
        let mut batch = Batch::new();
        batch.put(MONTH, MONTH_KEY, serde_json::to_vec(&count).unwrap());
        store.apply(&batch);
        let mut count = MonthCount::open(&store, now + Span::days(3));
        count.add(now + Span::days(3), 1);
        assert!(count.is_spent(Some(601)), "the 30th is of the same month");
        count.add(now + Span::days(4), 5);
        assert_eq!(count.bytes, 5, "the first of December begins anew");
        count.add(now, 1);
        assert_eq!(count.bytes, 6, "a clock that was set back does not");
    }
}
