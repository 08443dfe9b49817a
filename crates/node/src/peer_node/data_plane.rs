//! The bytes of a session, beside the machines: what is counted, and when the task hears of it.

use std::sync::Arc;
use std::time::Duration;

use byway_driver::gate::Gate;
use byway_driver::meter::{Meter, Metered};
use tokio::time::timeout;

/// The first report of a session comes after this many bytes: a fraction of the first credit window.
const STEP_MIN: u64 = 8 * 1024;
/// However fast bytes flow, reports come at least this many bytes apart …
const STEP_MAX: u64 = 4 << 20;
/// … and at least this long apart.
const PAUSE: Duration = Duration::from_millis(2);
/// A slow session reports what it has after this long.
const SLOW: Duration = Duration::from_millis(250);

/// What was counted, and under which of the gate's limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Report {
    pub metered: Metered,
    /// The limit's number.
    pub limit: u64,
    /// Bytes that may pass in all under it.
    pub bound: u64,
    /// Whether a packet was dropped for want of more.
    pub is_short: bool,
}

/// One session's counters and its limit.
#[derive(Debug, Clone)]
pub(super) struct Plane {
    pub gate: Arc<Gate>,
    pub meter: Arc<Meter>,
}

impl Plane {
    /// A session that may carry `limit` bytes so far.
    pub fn new(limit: u64) -> Self {
        Self { gate: Arc::new(Gate::new(limit)), meter: Arc::new(Meter::new()) }
    }

    pub fn report(&self) -> Report {
        // The limit first, and its number before that: what is counted afterwards was counted under it. If it is raised
        // meanwhile, nothing is short.
        let (limit, bound) = (self.gate.number(), self.gate.bound());
        Report { metered: self.meter.read(), limit, bound, is_short: self.gate.is_short() }
    }

    /// Calls `tell` whenever the session has moved on by a step, or can't, or its limit is another, until its gate is closed. The
    /// step follows the speed, so that a fast session costs no more reports than a slow one.
    pub async fn watch<F>(self, tell: impl Fn(Report) -> F)
    where
        F: Future<Output = bool>,
    {
        let mut last = Report::default();
        let mut step = STEP_MIN;
        loop {
            let next = last.metered.total().saturating_add(step);
            tokio::select! {
                _ = timeout(SLOW, self.meter.reached(next)) => {}
                // Others wait for what this session may no longer use.
                () = self.gate.lowered() => {}
                _ = self.gate.closed() => return,
            }
            let report = self.report();
            if report != last {
                let moved = report.metered.total() - last.metered.total();
                step = moved.clamp(STEP_MIN, STEP_MAX);
                last = report;
                if !tell(report).await {
                    return;
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
