//! What holds at every moment of a story in which time is sold, whoever is killed.
//!
//! Bounds are those of bytes, in coin. What differs is what is known: a byte has come or not, while of the time around a word
//! that was lost neither side knows, nor when exactly the other's gate was shut. So what may be billed has a [`SLACK`] for each time
//! that a session begins, stands still or changes its link; and what the client drops after a last word is lost like bytes on their way.

use std::collections::BTreeMap;

use byway_access::session::{SessionId, Tariff, Usage};
use byway_dialogue::payment::WINDOW_START_TIME;
use byway_primitives::{Amount, Span, Token};

use super::checks::{Journaled, Worst, check, check_known, check_paid, journaled, plus, promised};
use crate::rig::node::Node;
use crate::rig::{Rig, Side};
use crate::terms::WINDOW_CEILING;

/// A window of time costs four fifths of what either side lets the other run ahead.
pub const PER_SECOND: Tariff = Tariff::per_second(Amount::from_units(byway_primitives::amount::ONE / 20_000));
/// The slowest round trip, and two writes on each side.
const SLACK: Span = Span::millis(2 * 120 + 4 * 40);
/// What a client may bill beyond the last word of a provider when it stops.
const UNHEARD: Span = byway_access::session::UNHEARD_MAX;
/// The purse is refilled by a sixteenth of what is paid, and by 2 s in ten minutes.
const FORGIVEN_PARTS: u128 = 16;

#[derive(Default)]
pub struct TimeChecks {
    pub worst: Worst,
    client: Journaled,
    provider: Journaled,
    read_at: [Option<Token>; 2],
    acknowledged: BTreeMap<SessionId, Usage>,
    /// What was given and not acknowledged at each kill; what of that nobody will acknowledge, and what windows were in force.
    at_stake: Amount,
    written_off: Amount,
    windows: Amount,
    unpaid: Amount,
    settled: Amount,
}

fn cost(span: Span) -> Amount {
    PER_SECOND.cost_of(span.0)
}

impl TimeChecks {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn look(&mut self, rig: &Rig) {
        self.read(rig, Side::Client);
        self.read(rig, Side::Provider);
        self.look_at_ledger(rig);
        self.look_at_risks(rig);
    }

    /// Nothing that a side has written goes back, and neither has written more than the other said.
    fn read(&mut self, rig: &Rig, side: Side) {
        let (node, at): (&Node, _) = match side {
            Side::Client => (&rig.client, 0),
            Side::Provider => (&rig.provider, 1),
        };
        if self.read_at[at] == node.durable_to {
            return;
        }
        self.read_at[at] = node.durable_to;
        let now = journaled(node, rig, side, &node.durable);
        let before = std::mem::replace(if at == 0 { &mut self.client } else { &mut self.provider }, now);
        let now = if at == 0 { &self.client } else { &self.provider };
        check(rig, now.promised >= before.promised, || format!("promises went back: {before:?} {now:?}"));
        check(rig, now.received >= before.received, || format!("received went back: {before:?} {now:?}"));
        check(rig, now.spent >= before.spent, || format!("{side:?}: cost went back: {before:?} {now:?}"));
        for (session, usage) in &now.sessions {
            let known = self.acknowledged.entry(*session).or_default();
            match side {
                Side::Client => {
                    check(rig, usage.time >= known.time, || format!("{session}: {usage:?} after {known:?}"));
                    *known = *usage;
                }
                Side::Provider => check(rig, usage.time <= known.time, || format!("{session}: {usage:?} of {known:?}")),
            }
        }
        let (client, provider) = (&self.client, &self.provider);
        check(rig, provider.received <= client.promised, || format!("{provider:?}, the client knows {client:?}"));
        check(rig, provider.spent <= client.spent, || format!("{provider:?}, the client knows {client:?}"));
    }

    fn look_at_ledger(&mut self, rig: &Rig) {
        let (promised, received) = (self.client.promised, self.provider.received);
        check(rig, rig.accepted <= received, || format!("{} was accepted, {received} is known", rig.accepted));
        let settled = rig.settled.values().next().map_or(Amount::ZERO, |settled| settled.amount);
        check(rig, settled <= received.min(promised), || format!("{settled} settled of {promised}, {received}"));
        check(rig, settled == rig.ledger_paid && settled >= self.settled, || {
            format!("{settled} after {}", self.settled)
        });
        self.settled = settled;
    }

    fn look_at_risks(&mut self, rig: &Rig) {
        let (usable, slack) = (self.usable(rig), self.slack(rig));
        let spent = self.client.spent;
        check(rig, spent <= plus(usable, slack), || format!("{spent} billed for {usable}, and {slack} at most"));
        let (promised, window) = (self.promised(rig), rig.promised_under);
        check(rig, window <= WINDOW_CEILING, || format!("a window of {window}"));
        let most = plus(plus(usable, slack), window);
        check(rig, promised <= most, || format!("{promised} promised for {usable}, the window is {window}"));
        let (open, most) = (self.open(rig), plus(self.ahead(rig), self.forgiven_most(rig)));
        check(rig, open <= most, || format!("{open} not acknowledged, at most {most} were promised or forgiven"));
        let received = self.provider.received;
        let lost = self.given(rig).saturating_sub(received);
        let most = plus(self.at_stake.min(self.windows), self.forgiven_most(rig));
        check(rig, lost <= most, || format!("{lost} given and not paid, {most} was at stake in kills, or forgiven"));
        self.unpaid = self.unpaid.max(lost);
    }

    /// Somebody was killed just now.
    pub fn killed(&mut self, rig: &Rig, side: Side) {
        // What got to the disk in the end counts.
        self.read_at[side as usize] = Some(Token(u64::MAX));
        self.read(rig, Side::Client);
        self.read(rig, Side::Provider);
        self.read_at[side as usize] = None;
        let part = |amount: Amount, of: Amount| amount.units() * 1_000_000 / of.units().max(1);
        let (window, open) = (rig.promised_under, self.open(rig));
        let risked = self.promised(rig).saturating_sub(self.usable(rig));
        let most = window.max(cost(WINDOW_START_TIME));
        self.worst.kills += 1;
        self.worst.client_ppm = self.worst.client_ppm.max(part(risked, window));
        self.worst.provider_ppm = self.worst.provider_ppm.max(part(open, most));
        self.worst.open_ppm = self.worst.open_ppm.max(part(open, plus(self.ahead(rig), self.forgiven_most(rig))));
        self.windows = plus(self.windows, most);
        self.at_stake = plus(self.at_stake, open);
        self.written_off = plus(self.written_off, open);
    }

    pub fn started(&mut self, rig: &Rig, side: Side) {
        check_known(rig, side);
    }

    /// Everything was stopped and settled.
    pub fn ended(&mut self, rig: &Rig) {
        self.worst.unpaid_ppm = self.unpaid.units() * 1_000_000 / self.windows.units().max(1);
        check_paid(rig);
        let (spent, earned) = (self.client.spent, self.provider.spent);
        let most = plus(plus(self.usable(rig), self.slack(rig)), cost(UNHEARD));
        check(rig, spent <= most, || format!("{spent} billed, {most} at most"));
        let unheard = spent.saturating_sub(earned);
        check(rig, unheard <= self.at_stake, || format!("{spent} acknowledged, {earned} earned"));
    }

    fn sum(&self, rig: &Rig, of: impl Fn(&crate::rig::plane::Truth) -> Span) -> Amount {
        cost(Span(rig.planes.truth.values().map(|truth| of(truth).0).sum()))
    }

    /// The price of the time in which the gate was open; and there was a client on the other end.
    fn given(&self, rig: &Rig) -> Amount {
        self.sum(rig, |truth| truth.open)
    }

    fn usable(&self, rig: &Rig) -> Amount {
        self.sum(rig, |truth| truth.usable)
    }

    fn slack(&self, rig: &Rig) -> Amount {
        cost(Span((rig.begun + rig.links_made) * SLACK.0))
    }

    fn promised(&self, rig: &Rig) -> Amount {
        promised(rig, self.client.promised)
    }

    fn ahead(&self, rig: &Rig) -> Amount {
        self.promised(rig).saturating_sub(self.client.spent)
    }

    /// What was given and the client may still acknowledge, or may not if somebody is killed now.
    fn open(&mut self, rig: &Rig) -> Amount {
        let unacknowledged = self.given(rig).saturating_sub(self.client.spent);
        // What was written off and is acknowledged after all was not lost.
        self.written_off = self.written_off.min(unacknowledged);
        unacknowledged.saturating_sub(self.written_off)
    }

    /// What a provider takes for lost, in all: its own window at first, and what goes into its purse since.
    fn forgiven_most(&self, rig: &Rig) -> Amount {
        let refills = rig.now.0 / 600_000 + 1;
        let refilled = cost(Span(WINDOW_START_TIME.0 / 4 * refills));
        let paid = Amount::from_units(self.client.spent.units() / FORGIVEN_PARTS);
        plus(plus(cost(WINDOW_START_TIME), refilled), paid)
    }
}
