//! How often a peer may ask something that is answered for nothing.

use byway_primitives::{Span, Time};

/// So many at once, and one more with each span that passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allowance {
    left: u64,
    most: u64,
    every: Span,
    /// From when the next one is counted.
    since: Time,
}

impl Allowance {
    /// Full at `now`. `every` is more than nothing.
    pub(crate) fn new(most: u64, every: Span, now: Time) -> Self {
        Self { left: most, most, every, since: now }
    }

    /// Takes one, if there is one.
    pub(crate) fn take(&mut self, now: Time) -> bool {
        let gained = now.since(self.since).0 / self.every.0.max(1);
        self.left = self.left.saturating_add(gained).min(self.most);
        self.since =
            if self.left == self.most { self.since.max(now) } else { self.since + Span(gained * self.every.0) };
        let granted = self.left > 0;
        self.left = self.left.saturating_sub(1);
        granted
    }

    /// Whether all are there by `now`.
    pub(crate) fn is_full(&self, now: Time) -> bool {
        let gained = now.since(self.since).0 / self.every.0.max(1);
        self.left.saturating_add(gained) >= self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowance_runs_out_and_comes_back_one_by_one() {
        let start = Time(1_000_000);
        let mut allowance = Allowance::new(2, Span::seconds(10), start);
        let takes = [0, 0, 0, 9, 10, 10, 19, 20, 100, 100, 100].map(|s| allowance.take(start + Span::seconds(s)));
        assert_eq!(takes, [true, true, false, false, true, false, false, true, true, true, false]);
        assert!(!allowance.take(start), "a clock that goes back grants nothing");
    }
}
