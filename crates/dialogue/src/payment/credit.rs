//! Credit: how far one side lets the other run ahead.
//!
//! Two bounds that must not be confused. The *window* ([`Window`]) bounds what is promised and not yet delivered (or
//! delivered and not yet paid for): it is what a vanishing peer can take. The *exposure* ([`exposure_max`]) bounds what
//! is promised and not yet settled: it is what a bouncing account can take (row A6).
//!
//! A window starts at the price of 64 KiB, or of a few seconds where time is sold, and doubles each time a whole window was honoured, until it covers what the
//! path needs to stay full, or a ceiling in coin that each side sets for itself. So a stranger can take a few cents of a
//! cent, and a peer that has behaved gets enough credit for full speed after a few round trips.

use byway_primitives::amount::MILLIS_PER_SECOND;
use byway_primitives::{Amount, Span};

/// Bytes that the first window is worth: enough to carry a handshake and a small page, too little to be worth stealing.
pub const WINDOW_START_BYTES: u64 = 64 * 1024;

/// Time that the first window is worth where time is sold: several times what lies between two acknowledgements, so that a
/// session doesn't stand still for want of the next, on a slow line either.
pub const WINDOW_START_TIME: Span = Span::seconds(8);

/// What a path needs to stay full while promises travel over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Path {
    /// What the service can carry, such as the bandwidth of the offer; not what was measured under a small window,
    /// which would keep the window small.
    pub rate_bytes_per_second: u64,
    pub round_trip: Span,
    /// The time both sides together take to make a promise durable.
    pub commits: Span,
}

/// How far a payer is asked to stay ahead of what it has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ahead {
    /// The first window.
    pub start: Amount,
    /// What the path needs.
    pub need: Amount,
    /// Never more than this, whatever the path needs.
    pub ceiling: Amount,
}

/// A credit window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    ahead: Ahead,
    in_force: Amount,
    /// Honoured since the window last grew.
    honoured: Amount,
}

impl Path {
    /// `2 × rate × (round trip + both commits)`: one half is used up while the next promise is on its way.
    pub fn bytes_needed(self) -> u64 {
        let millis = u128::from(self.time_needed().0);
        let bytes = u128::from(self.rate_bytes_per_second).saturating_mul(millis) / MILLIS_PER_SECOND;
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }

    /// The same where time is used, at the rate at which that goes by.
    fn time_needed(self) -> Span {
        Span(self.round_trip.0.saturating_add(self.commits.0).saturating_mul(2))
    }
}

impl Ahead {
    pub const NOTHING: Ahead = Ahead { start: Amount::ZERO, need: Amount::ZERO, ceiling: Amount::ZERO };

    /// For a service at `price_per_mb` over `path`.
    pub fn for_bytes(price_per_mb: Amount, path: Path, ceiling: Amount) -> Self {
        let cost = |bytes| Amount::cost_of_bytes(price_per_mb, bytes).unwrap_or(Amount::MAX);
        Self { start: cost(WINDOW_START_BYTES), need: cost(path.bytes_needed()), ceiling }
    }

    /// For a service at `price_per_second` over `path`.
    pub fn for_time(price_per_second: Amount, path: Path, ceiling: Amount) -> Self {
        let cost = |time: Span| Amount::cost(price_per_second, time.0, MILLIS_PER_SECOND).unwrap_or(Amount::MAX);
        Self { start: cost(WINDOW_START_TIME), need: cost(path.time_needed()), ceiling }
    }

    /// The largest that a window under this wish may become.
    fn widest(self) -> Amount {
        self.need.max(self.start).min(self.ceiling)
    }
}

impl Window {
    pub fn new(ahead: Ahead) -> Self {
        Self { ahead, in_force: ahead.start.min(ahead.widest()), honoured: Amount::ZERO }
    }

    /// How far ahead is allowed now.
    pub fn in_force(&self) -> Amount {
        self.in_force
    }

    /// Takes over another wish. What was earned stays, within the new bounds.
    pub fn retarget(&mut self, ahead: Ahead) {
        self.ahead = ahead;
        self.in_force = self.in_force.max(ahead.start).min(ahead.widest());
    }

    /// Raises the first window to `amount`, where a payee takes no smaller promises. The ceiling stays.
    pub fn start_at_least(&mut self, amount: Amount) {
        self.retarget(Ahead { start: self.ahead.start.max(amount), ..self.ahead });
    }

    /// `amount` more was delivered and paid for. Each whole window doubles the window.
    pub fn honour(&mut self, amount: Amount) {
        let widest = self.ahead.widest();
        self.honoured = self.honoured.checked_add(amount).unwrap_or(Amount::MAX);
        while self.in_force < widest && self.honoured >= self.in_force && !self.in_force.is_zero() {
            self.honoured = self.honoured.saturating_sub(self.in_force);
            self.in_force = self.in_force.checked_add(self.in_force).unwrap_or(Amount::MAX).min(widest);
        }
        if self.in_force >= widest {
            self.honoured = Amount::ZERO;
        }
    }
}

/// The most of an identity's `Account` promises that may be unsettled: half of what its registration cost it, so that
/// cheating costs more than it brings (row A6).
pub fn exposure_max(registration_pledge: Amount) -> Amount {
    Amount::from_units(registration_pledge.units() / 2)
}

/// What is known of a peer beside its promises here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bounds {
    /// What it has promised others and not settled: it counts as if it were promised here.
    pub elsewhere: Amount,
    /// The most that is taken unsettled until more is known. It is no reason to settle.
    pub held_to: Option<Amount>,
}

/// What the peer owes after netting off what it is owed.
pub fn net_exposure(taken_unsettled: Amount, given_unsettled: Amount) -> Amount {
    taken_unsettled.saturating_sub(given_unsettled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn amount(units: u128) -> Amount {
        Amount::from_units(units)
    }

    #[test]
    fn a_window_doubles_with_each_honoured_window() {
        let mut window = Window::new(Ahead { start: amount(64), need: amount(500), ceiling: amount(10_000) });
        for (honoured, expected) in [(63, 64), (1, 128), (128, 256), (255, 256), (1, 500), (5000, 500)] {
            window.honour(amount(honoured));
            assert_eq!(window.in_force(), amount(expected));
        }
    }

    #[test]
    fn a_path_needs_twice_its_delay() {
        let path = Path { rate_bytes_per_second: 1_000_000, round_trip: Span::millis(80), commits: Span::millis(20) };
        assert_eq!(path.bytes_needed(), 200_000);
        let endless = Path { rate_bytes_per_second: u64::MAX, round_trip: Span(u64::MAX), commits: Span(u64::MAX) };
        assert_eq!(endless.bytes_needed(), u64::MAX);
    }

    #[test]
    fn exposure_is_half_the_pledge_and_net() {
        assert_eq!(exposure_max(Amount::from_coins(1)), "0.5".parse().expect("an amount"));
        for (taken, given, net) in [(10, 0, 10), (10, 4, 6), (4, 10, 0)] {
            assert_eq!(net_exposure(amount(taken), amount(given)), amount(net));
        }
    }

    proptest! {
        #[test]
        fn a_window_never_shrinks_by_honouring_and_never_passes_its_ceiling(
            start in 1u128..1 << 40, need in 0u128..1 << 60, ceiling in 0u128..1 << 60,
            honoured in proptest::collection::vec(0u128..1 << 50, 0..40),
        ) {
            let mut window = Window::new(Ahead { start: amount(start), need: amount(need), ceiling: amount(ceiling) });
            let mut total = 0u128;
            for more in honoured {
                let before = window.in_force();
                window.honour(amount(more));
                total += more;
                prop_assert!(window.in_force() >= before);
                prop_assert!(window.in_force() <= amount(ceiling));
                prop_assert!(window.in_force() <= amount(start + total), "credit beyond what was honoured");
            }
        }
    }
}
