//! What was carried, earned and settled, by day and by month (UTC), for showing.
//!
//! Nothing is paid on these figures: the money's books are the market's journal and the ledger. A session counts on the days on
//! which its bytes were acknowledged. Figures are written down twice a second while something moves, so a crash forgets no more.
//! Days are kept for [`DAYS_KEPT`], months for [`MONTHS_KEPT`].

use std::collections::BTreeMap;

use byway_access::session::{Metering, SessionId, SessionView};
use byway_primitives::{Amount, Batch, Space, Store};
use byway_records::offer::Service;
use serde::{Deserialize, Serialize};

use super::super::Actor;
use crate::api::{EarningsBy, EarningsPeriod, MarketEarnings, ProviderEarnings, ServiceEarnings};
use crate::calendar::Day;

const DAYS: Space = Space("earnings-days");
const MONTHS: Space = Space("earnings-months");
const DAYS_KEPT: u32 = 400;
/// A hundred years.
const MONTHS_KEPT: usize = 1_200;

/// Figures of one service in one period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Share {
    sessions: u64,
    bytes_up: u64,
    bytes_down: u64,
    earned: Amount,
}

/// Figures of one period.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Figures {
    services: BTreeMap<Service, Share>,
    settled: Amount,
    fees: Amount,
    bounced: Amount,
}

/// What of a session is in the figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Billed {
    service: Service,
    up: u64,
    down: u64,
    cost: Amount,
}

/// All figures.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    days: BTreeMap<Day, Figures>,
    /// By their first day.
    months: BTreeMap<Day, Figures>,
    /// What is not written down.
    changed: Option<Day>,
}

impl Billed {
    pub fn of(view: &SessionView) -> Self {
        Self { service: view.service, up: view.billed.traffic.up, down: view.billed.traffic.down, cost: view.cost }
    }

    /// As the last word on the session has it.
    fn in_the_end(self, metering: &Metering) -> Self {
        Self { up: metering.billed.traffic.up, down: metering.billed.traffic.down, cost: metering.cost, ..self }
    }
}

impl Ledger {
    pub fn open(store: &impl Store) -> Self {
        let read = |space| -> BTreeMap<Day, Figures> {
            let stored = store.scan_prefix(space, &[]);
            stored.iter().filter_map(|(_, value)| serde_json::from_slice(value).ok()).collect()
        };
        Self { days: read(DAYS), months: read(MONTHS), changed: None }
    }

    /// Changes the figures of a day and its month.
    fn change(&mut self, today: Day, change: impl Fn(&mut Figures)) {
        change(self.days.entry(today).or_default());
        change(self.months.entry(today.first_of_month()).or_default());
        self.changed = Some(today);
    }

    /// A session stands at `now`, and stood at `before` when it was noted last; it is new where it wasn't.
    fn note(&mut self, today: Day, before: Option<Billed>, now: Billed) {
        if before == Some(now) {
            return;
        }
        let (up, down, cost) = before.map_or((0, 0, Amount::ZERO), |before| (before.up, before.down, before.cost));
        self.change(today, |figures| {
            let share = figures.services.entry(now.service).or_default();
            share.sessions += u64::from(before.is_none());
            share.bytes_up = share.bytes_up.saturating_add(now.up.saturating_sub(up));
            share.bytes_down = share.bytes_down.saturating_add(now.down.saturating_sub(down));
            share.earned = sum(share.earned, now.cost.saturating_sub(cost));
        });
    }

    /// What is to be written down, if anything.
    fn take_changes(&mut self) -> Option<Batch> {
        let today = self.changed.take()?;
        let mut batch = Batch::new();
        let mut put = |space, day: Day, figures: Option<&Figures>| {
            if let Some(Ok(value)) = figures.map(|figures| serde_json::to_vec(&(day, figures))) {
                batch.put(space, day.0.to_be_bytes().to_vec(), value);
            }
        };
        put(DAYS, today, self.days.get(&today));
        let month = today.first_of_month();
        put(MONTHS, month, self.months.get(&month));
        while let Some(oldest) = self.days.first_entry()
            && oldest.key().0.saturating_add(DAYS_KEPT) <= today.0
        {
            batch.delete(DAYS, oldest.remove_entry().0.0.to_be_bytes().to_vec());
        }
        while self.months.len() > MONTHS_KEPT
            && let Some((oldest, _)) = self.months.pop_first()
        {
            batch.delete(MONTHS, oldest.0.to_be_bytes().to_vec());
        }
        Some(batch)
    }

    /// The newest periods first.
    fn periods(&self, by: EarningsBy, limit: usize) -> Vec<EarningsPeriod> {
        let (periods, name): (_, fn(Day) -> String) = match by {
            EarningsBy::Day => (&self.days, |day| day.to_string()),
            EarningsBy::Month => (&self.months, |day| day.month().to_string()),
        };
        periods.iter().rev().take(limit).map(|(day, figures)| shown(*day, name(*day), figures)).collect()
    }
}

fn sum(one: Amount, other: Amount) -> Amount {
    one.checked_add(other).unwrap_or(Amount::MAX)
}

fn shown(day: Day, period: String, figures: &Figures) -> EarningsPeriod {
    let services = figures.services.iter().map(|(service, share)| {
        let Share { sessions, bytes_up, bytes_down, earned } = *share;
        ServiceEarnings { service: *service, sessions, bytes_up, bytes_down, earned }
    });
    let services: Vec<ServiceEarnings> = services.collect();
    let total = |of: fn(&ServiceEarnings) -> u64| services.iter().map(of).fold(0, u64::saturating_add);
    EarningsPeriod {
        period,
        from_ms: day.begins(),
        sessions: total(|service| service.sessions),
        bytes_up: total(|service| service.bytes_up),
        bytes_down: total(|service| service.bytes_down),
        earned: services.iter().map(|service| service.earned).fold(Amount::ZERO, sum),
        settled: figures.settled,
        fees: figures.fees,
        bounced: figures.bounced,
        services,
    }
}

impl Actor {
    fn today(&self) -> Day {
        Day::of(self.clock.now())
    }

    pub(super) fn tend_earnings(&mut self) {
        let today = self.today();
        for (_, view) in self.market.served_sessions(self.clock.now()) {
            let now = Billed::of(&view);
            let before = self.provision.billed.insert(view.id, now);
            self.provision.earnings.note(today, before, now);
        }
        if let Some(batch) = self.provision.earnings.take_changes() {
            self.write_ledger(batch);
        }
    }

    /// A session is over, and was of this service.
    pub(in crate::peer_node) fn note_ended(&mut self, session: SessionId, view: &SessionView, metering: &Metering) {
        let (today, now) = (self.today(), Billed::of(view).in_the_end(metering));
        let before = self.provision.billed.remove(&session);
        self.provision.earnings.note(today, before, now);
    }

    /// The ledger has settled so much more of what was promised to this node, and kept a fee of it.
    pub(in crate::peer_node) fn note_settled(&mut self, settled: Amount, fee: Amount) {
        let today = self.today();
        self.provision.earnings.change(today, |figures| {
            figures.settled = sum(figures.settled, settled);
            figures.fees = sum(figures.fees, fee);
        });
    }

    /// So much was not settled, for want of money in the payer's account.
    pub(in crate::peer_node) fn note_bounced(&mut self, bounced: Amount) {
        let today = self.today();
        self.provision.earnings.change(today, |figures| figures.bounced = sum(figures.bounced, bounced));
    }

    pub(in crate::peer_node) fn earnings(&self, request: MarketEarnings) -> ProviderEarnings {
        let taken = self.market.peers().into_iter().filter_map(|peer| self.market.pair(peer));
        let unsettled = taken.flat_map(|pair| pair.taken).map(|taken| taken.unsettled).fold(Amount::ZERO, sum);
        ProviderEarnings {
            by: request.by,
            periods: self.provision.earnings.periods(request.by, request.limit),
            unsettled,
            usage: self.usage(),
        }
    }
}

#[cfg(test)]
mod tests {
    use byway_primitives::MemoryStore;

    use super::*;

    fn billed(down: u64, cost: u128) -> Billed {
        Billed { service: Service::SOCKS, up: 1, down, cost: Amount::from_units(cost) }
    }

    fn figures(ledger: &Ledger, by: EarningsBy) -> Vec<(String, u64, u64, u128)> {
        let periods = ledger.periods(by, 10).into_iter();
        periods.map(|p| (p.period, p.sessions, p.bytes_up + p.bytes_down, p.earned.units())).collect()
    }

    #[test]
    fn a_session_counts_on_the_days_on_which_it_moved() {
        let (mut ledger, mut store) = (Ledger::default(), MemoryStore::default());
        // 30 November 2026 and the day after.
        let (first, second) = (Day(20_787), Day(20_788));
        ledger.note(first, None, billed(100, 10));
        ledger.note(first, Some(billed(100, 10)), billed(100, 10));
        ledger.note(first, Some(billed(100, 10)), billed(150, 15));
        store.apply(&ledger.take_changes().expect("it changed"));
        ledger.note(second, Some(billed(150, 15)), billed(400, 40));
        ledger.note(second, None, billed(9, 1));
        ledger.change(second, |figures| figures.settled = Amount::from_units(7));
        store.apply(&ledger.take_changes().expect("it changed"));
        assert!(ledger.take_changes().is_none());
        for ledger in [ledger, Ledger::open(&store)] {
            let days = [("2026-12-01".to_owned(), 1, 260, 26), ("2026-11-30".to_owned(), 1, 151, 15)];
            assert_eq!(figures(&ledger, EarningsBy::Day), days);
            let months = [("2026-12".to_owned(), 1, 260, 26), ("2026-11".to_owned(), 1, 151, 15)];
            assert_eq!(figures(&ledger, EarningsBy::Month), months);
            assert_eq!(ledger.periods(EarningsBy::Month, 1)[0].settled, Amount::from_units(7));
        }
    }

    #[test]
    fn old_days_become_months_only() {
        let (mut ledger, mut store) = (Ledger::default(), MemoryStore::default());
        for day in [Day(20_000), Day(20_000 + DAYS_KEPT - 1), Day(20_000 + DAYS_KEPT)] {
            ledger.note(day, None, billed(1, 1));
            store.apply(&ledger.take_changes().expect("it changed"));
        }
        let ledger = Ledger::open(&store);
        assert_eq!(ledger.days.keys().collect::<Vec<_>>(), [&Day(20_000 + DAYS_KEPT - 1), &Day(20_000 + DAYS_KEPT)]);
        assert!(ledger.months.contains_key(&Day(20_000).first_of_month()));
    }
}
