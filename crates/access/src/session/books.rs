//! The provider's books: how far each session may go, so that nothing is given that was not promised.
//!
//! The budget is what was received, less what was given, acknowledged or not, in every session of the pair, open or ended, whatever each
//! is sold by. Several sessions share it: each may use an equal share of what is left, but for one that has stood idle for
//! [`IDLE_AFTER`], which keeps a first window to begin with and leaves the rest to those that use theirs. A share that was handed out
//! counts as used until the data plane confirms a lower limit, since until then it may still use it; that keeps the sum of all limits
//! within the budget whatever the timing.
//!
//! *Forgiving.* Bytes that were carried and lost on the way, and time in which a link was dead before anyone knew, are never
//! acknowledged, so they would eat up the budget by and by. A purse of at most one window pays for them; it grows with the window, and is refilled by a sixteenth of whatever
//! is acknowledged. So a line that loses a few percent goes on working, a line that breaks with a window under way is taken
//! up again, and a client that never acknowledges gains one window, once.

use byway_dialogue::payment::{Ahead, Path, Window};
use byway_primitives::{Amount, Span, Time};

use super::journal::ClosedRecord;
use super::line::Line;
use super::{Tariff, plus};

/// The part of acknowledged cost that refills the purse for lost bytes: six percent, more than a line loses that is any
/// good, and too little to live on.
const FORGIVEN_PARTS: u128 = 16;

/// How often an empty purse is refilled by what goes on a line again ([`Tariff::refill`](super::Tariff::refill)). 64 KiB or 2 s
/// in ten minutes is no business for a cheat.
const REFILL_EVERY: Span = Span::seconds(600);

/// A session whose data plane has carried nothing for this long is idle: longer than a page takes to be read by a browser, and
/// shorter than by a person.
const IDLE_AFTER: Span = Span::seconds(5);

/// What the provider knows of one client's coin.
#[derive(Debug, Clone)]
pub(super) struct Books {
    pub received: Amount,
    pub closed: ClosedRecord,
    window: Option<Window>,
    /// The most that any session needed so far.
    ahead: Ahead,
    /// The least that any session's purse is refilled with.
    refill: Amount,
    refilled_at: Time,
}

/// Whether a session may use a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Share {
    Wanted,
    Nothing,
}

impl Books {
    /// From `now` on, the time until the purse may be refilled runs.
    pub(super) fn new(closed: ClosedRecord, now: Time) -> Self {
        let (window, ahead) = (None, Ahead::NOTHING);
        Self { received: Amount::ZERO, closed, window, ahead, refill: Amount::MAX, refilled_at: now }
    }

    /// A session at a price opens, over `path`: the window grows from what it needs. What the others need stays, whatever each is
    /// sold by: one that needs little takes nothing away from one that needs much.
    pub(super) fn open(&mut self, tariff: Tariff, path: Path, ceiling: Amount) {
        let needed = tariff.ahead(path, ceiling);
        let (start, need) = (self.ahead.start.max(needed.start), self.ahead.need.max(needed.need));
        let ahead = Ahead { start, need, ceiling };
        self.ahead = ahead;
        match &mut self.window {
            Some(window) => window.retarget(ahead),
            None => self.window = Some(Window::new(ahead)),
        }
        let window = self.window();
        self.closed.forgivable.get_or_insert(window);
        self.refill = self.refill.min(tariff.refill());
    }

    pub(super) fn window(&self) -> Amount {
        self.window.map_or(Amount::ZERO, |window| window.in_force())
    }

    /// Everything acknowledged, in coin.
    pub(super) fn spent<'a>(&self, lines: impl Iterator<Item = &'a Line>) -> Amount {
        lines.fold(self.closed.spent, |sum, line| plus(sum, line.cost()))
    }

    /// `more` was acknowledged.
    pub(super) fn honour(&mut self, more: Amount) {
        let before = self.window();
        if let Some(window) = &mut self.window {
            window.honour(more);
        }
        let grown = self.window().saturating_sub(before);
        let refill = plus(grown, Amount::from_units(more.units() / FORGIVEN_PARTS));
        let forgivable = plus(self.closed.forgivable.unwrap_or_default(), refill);
        self.closed.forgivable = Some(forgivable.min(self.window()));
    }

    /// A session ended.
    pub(super) fn close(&mut self, line: &Line) {
        self.closed.spent = plus(self.closed.spent, line.cost());
        self.closed.arrears = plus(self.closed.arrears, line.unacknowledged());
    }

    fn unacknowledged<'a>(&self, lines: impl Iterator<Item = &'a Line>) -> Amount {
        lines.fold(self.closed.arrears, |sum, line| plus(sum, line.unacknowledged()))
    }

    /// What was on its way has had time to arrive: forgives what is still missing, as far as the purse goes.
    pub(super) fn forgive<'a>(&mut self, now: Time, lines: impl Iterator<Item = &'a Line>) {
        let missing = self.unacknowledged(lines).saturating_sub(self.closed.forgiven);
        let mut purse = self.closed.forgivable.unwrap_or_default();
        let refill = self.refill.min(self.window());
        if purse < refill.min(missing) && now >= self.refilled_at + REFILL_EVERY {
            purse = refill;
            self.refilled_at = now;
        }
        let given = missing.min(purse);
        self.closed.forgivable = Some(purse.saturating_sub(given));
        self.closed.forgiven = plus(self.closed.forgiven, given);
    }

    /// What was forgiven and then acknowledged after all goes back into the purse.
    pub(super) fn settle_forgiven<'a>(&mut self, lines: impl Iterator<Item = &'a Line>) {
        let missing = self.unacknowledged(lines);
        let back = self.closed.forgiven.saturating_sub(missing);
        if back.is_zero() {
            return;
        }
        self.closed.forgiven = self.closed.forgiven.saturating_sub(back);
        let purse = plus(self.closed.forgivable.unwrap_or_default(), back);
        self.closed.forgivable = Some(purse.min(self.window()));
    }

    /// Shares what is left among the lines that want it.
    pub(super) fn share(&self, now: Time, lines: &mut [(Share, &mut Line)]) {
        let ended = plus(self.closed.spent, self.closed.arrears);
        let budget = plus(self.received, self.closed.forgiven).saturating_sub(ended);
        let given = lines.iter().fold(Amount::ZERO, |sum, (_, line)| plus(sum, line.cost_given()));
        let parts = parts(now, budget.saturating_sub(given), lines);
        let starved = lines.iter().any(|(share, line)| *share == Share::Wanted && line.is_exhausted());
        if starved {
            for ((_, line), part) in lines.iter_mut().zip(&parts) {
                let target = line.limit_bought(plus(line.cost_given(), *part)).max(line.used());
                if target < line.limit() {
                    line.limit_to(target);
                }
            }
        }
        let mut committed = lines.iter().fold(Amount::ZERO, |sum, (_, line)| plus(sum, line.cost_held()));
        for ((_, line), part) in lines.iter_mut().zip(parts).filter(|((share, _), _)| *share == Share::Wanted) {
            let free = budget.saturating_sub(committed);
            let before = line.cost_held();
            let most = line.limit_bought(plus(before, free));
            let target = line.limit_bought(plus(line.cost_given(), part)).min(most);
            if target > line.limit() {
                line.limit_to(target);
                committed = plus(committed, line.cost_held().saturating_sub(before));
            }
        }
    }
}

/// What of `left` each line may use. Those that want nothing are held to what the others get.
fn parts(now: Time, left: Amount, lines: &[(Share, &mut Line)]) -> Vec<Amount> {
    let wanting = lines.iter().filter(|(share, _)| *share == Share::Wanted).count().max(1) as u128;
    let equal = Amount::from_units(left.units() / wanting);
    let idle = |(share, line): &(Share, &mut Line)| {
        (*share == Share::Wanted && line.is_idle(now, IDLE_AFTER)).then(|| line.tariff.first_window().min(equal))
    };
    let kept: Vec<Option<Amount>> = lines.iter().map(idle).collect();
    let busy = wanting.saturating_sub(kept.iter().flatten().count() as u128);
    let rest = kept.iter().flatten().fold(left, |left, kept| left.saturating_sub(*kept));
    match busy {
        // Nobody uses anything, so nobody has to do with less.
        0 => vec![equal; lines.len()],
        _ => kept.into_iter().map(|kept| kept.unwrap_or(Amount::from_units(rest.units() / busy))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::news::Counters;
    use super::super::{Tariff, Traffic, Usage};
    use super::*;
    use proptest::prelude::*;

    const NOW: Time = Time(1_000_000);
    const PER_MB: Tariff = Tariff::per_mb(Amount::from_units(3_000_000));
    const PATH: Path =
        Path { rate_bytes_per_second: 1_000_000, round_trip: Span::millis(80), commits: Span::millis(20) };

    fn line() -> Line {
        Line::new(PER_MB, Usage::default())
    }

    fn down(bytes: u64) -> Usage {
        Traffic::new(0, bytes).into()
    }

    fn books(received: u128) -> Books {
        let mut books = Books::new(ClosedRecord::default(), NOW);
        // A first window costs more than this.
        books.open(PER_MB, PATH, Amount::from_units(100_000));
        books.received = Amount::from_units(received);
        books
    }

    /// What a data plane reports that has heard of the last limit, and had granted no more than `bound` before.
    fn counted(line: &Line, traffic: Traffic, bound: u64) -> Counters {
        Counters { traffic, limit: line.told().number, bound, is_short: false }
    }

    /// It has counted, and heard of no limit yet.
    fn uncapped(traffic: Traffic) -> Counters {
        Counters { traffic, ..Counters::default() }
    }

    fn limits<const N: usize>(lines: &[Line]) -> [u64; N] {
        std::array::from_fn(|index| lines[index].limit())
    }

    /// Gives what the data planes are told.
    fn share(books: &Books, lines: &mut [Line]) -> Vec<u64> {
        books.share(NOW, &mut lines.iter_mut().map(|line| (Share::Wanted, line)).collect::<Vec<_>>());
        lines.iter_mut().filter_map(|line| line.tell().map(|limit| limit.bytes)).collect()
    }

    #[test]
    fn a_single_session_may_carry_what_was_received() {
        let books = books(3_000);
        let mut lines = [line()];
        share(&books, &mut lines);
        assert_eq!(limits(&lines), [1000]);
        let all = counted(&lines[0], Traffic::new(400, 600), 1000);
        lines[0].report(all);
        assert!(lines[0].is_exhausted());
        assert!(share(&books, &mut lines).is_empty(), "there is nothing more");
    }

    #[test]
    fn what_has_no_room_for_a_packet_is_exhausted_until_there_is_more() {
        let mut books = books(3_000);
        let mut lines = [line()];
        share(&books, &mut lines);
        let short = |limit, bound| Counters { traffic: Traffic::new(0, 900), limit, bound, is_short: true };
        lines[0].report(short(0, 0));
        assert!(!lines[0].is_exhausted(), "it dropped something before it heard of its limit");
        lines[0].report(short(1, 1000));
        assert!(lines[0].is_exhausted());
        books.received = Amount::from_units(6_000);
        share(&books, &mut lines);
        assert!(!lines[0].is_exhausted());
    }

    #[test]
    fn free_bytes_need_no_coin_and_come_on_top_of_what_was_received() {
        for (received, limit) in [(0, 500), (3_000, 1500)] {
            let mut lines = [line().with_free(500)];
            share(&books(received), &mut lines);
            assert_eq!(limits(&lines), [limit]);
            let all = counted(&lines[0], Traffic::new(0, limit), limit);
            lines[0].report(all);
            lines[0].acknowledge(down(limit));
            assert_eq!(lines[0].cost(), Amount::from_units(received));
            assert!(share(&books(received), &mut lines).is_empty(), "there is nothing more");
        }
        // After a crash the counts go on, and the free bytes that were used stay used.
        let mut lines = [Line::new(PER_MB, down(400)).with_free(500)];
        share(&books(0), &mut lines);
        assert_eq!(limits(&lines), [100]);
    }

    #[test]
    fn a_free_service_has_no_limit() {
        let mut lines = [Line::new(Tariff::per_mb(Amount::ZERO), Usage::default())];
        share(&books(0), &mut lines);
        assert_eq!(limits(&lines), [u64::MAX]);
    }

    #[test]
    fn a_starved_session_gets_a_share_once_the_other_has_let_go() {
        let books = books(6_000);
        let mut lines = vec![line()];
        share(&books, &mut lines);
        assert_eq!(limits(&lines), [2000]);
        lines.push(line());
        share(&books, &mut lines);
        assert_eq!(limits(&lines), [1000, 0], "not before the first has confirmed");
        let granted = counted(&lines[0], Traffic::new(0, 500), 1400);
        lines[0].report(granted);
        share(&books, &mut lines);
        assert_eq!(limits(&lines), [1250, 600], "what it had granted before may still pass");
        let confirmed = counted(&lines[0], Traffic::new(0, 500), 1250);
        lines[0].report(confirmed);
        share(&books, &mut lines);
        assert_eq!(limits(&lines), [1250, 750], "equal shares of what is left");
        let all = counted(&lines[1], Traffic::new(0, 750), 750);
        lines[1].report(all);
        share(&books, &mut lines);
        assert_eq!(limits(&lines), [875, 750]);
    }

    #[test]
    fn a_late_report_of_a_limit_says_nothing_of_one_for_as_many_bytes_that_was_told_since() {
        let books = books(6_000);
        let mut lines = vec![line()];
        share(&books, &mut lines);
        let open = |lines: &mut Vec<Line>| {
            lines.push(line());
            share(&books, lines);
        };
        open(&mut lines);
        let late = counted(&lines[0], Traffic::default(), 1000);
        lines[0].report(late);
        share(&books, &mut lines);
        assert_eq!(limits(&lines), [1000, 1000]);
        // The other ends, and the first has it all again, until there is another.
        lines.pop();
        share(&books, &mut lines);
        assert_eq!(limits(&lines), [2000]);
        open(&mut lines);
        lines[0].report(late);
        share(&books, &mut lines);
        assert_eq!(limits(&lines), [1000, 0], "the data plane may still go by the limit between");
        let confirmed = counted(&lines[0], Traffic::default(), 1000);
        lines[0].report(confirmed);
        share(&books, &mut lines);
        assert_eq!(limits(&lines), [1000, 1000]);
    }

    #[test]
    fn forgiving_costs_one_window_and_only_paying_refills_the_purse() {
        let mut books = books(300_000);
        let mut line = line();
        line.report(uncapped(Traffic::new(0, 100_000)));
        books.forgive(NOW, [line].iter());
        assert_eq!(books.closed.forgiven, Amount::from_units(100_000), "no more than the window");
        books.forgive(NOW, [line].iter());
        assert_eq!(books.closed.forgiven, Amount::from_units(100_000), "the purse is empty");
        books.honour(Amount::from_units(160));
        books.forgive(NOW, [line].iter());
        assert_eq!(books.closed.forgiven, Amount::from_units(100_010));
        // It arrives after all.
        line.acknowledge(down(100_000));
        books.settle_forgiven([line].iter());
        assert_eq!(books.closed.forgiven, Amount::ZERO);
        assert_eq!(books.closed.forgivable, Some(Amount::from_units(100_000)));
    }

    #[test]
    fn an_empty_purse_is_refilled_by_a_first_window_and_not_more_often_than_said() {
        let mut books = books(300_000);
        let mut line = line();
        line.report(uncapped(Traffic::new(0, 1_000_000)));
        let after = |minutes: u64| NOW + Span::seconds(60 * minutes);
        let forgiven = |books: &mut Books, minutes| {
            books.forgive(after(minutes), [line].iter());
            books.closed.forgiven.units() / 100_000
        };
        let seen = [0, 9, 10, 11, 19, 20, 21].map(|minutes| forgiven(&mut books, minutes));
        assert_eq!(seen, [1, 1, 2, 2, 2, 3, 3], "windows forgiven");
    }

    #[test]
    fn of_time_the_purse_is_refilled_by_a_quarter_of_a_first_window() {
        let mut books = Books::new(ClosedRecord::default(), NOW);
        let per_second = Tariff::per_second(Amount::from_units(100_000));
        books.open(per_second, PATH, Amount::MAX);
        books.received = Amount::MAX;
        let mut line = Line::new(per_second, Usage::default());
        share(&books, std::slice::from_mut(&mut line));
        line.start(NOW);
        line.run(NOW + Span::days(1));
        let after = |minutes: u64| NOW + Span::seconds(60 * minutes);
        let seen = [0, 9, 10, 11, 20].map(|minutes| {
            books.forgive(after(minutes), [line].iter());
            per_second.bought(books.closed.forgiven)
        });
        assert_eq!(seen, [8_000, 8_000, 10_000, 10_000, 12_000], "milliseconds forgiven");
    }

    #[test]
    fn a_session_that_needs_little_leaves_another_the_window_that_it_has_earned() {
        let bytes_ceiling = Amount::from_units(500_000);
        let cheap = Tariff::per_second(Amount::from_units(1_000));
        let mut books = Books::new(ClosedRecord::default(), NOW);
        books.open(PER_MB, PATH, bytes_ceiling);
        books.honour(Amount::from_units(5_000_000));
        assert_eq!(books.window(), bytes_ceiling);
        books.open(cheap, PATH, bytes_ceiling);
        assert_eq!(books.window(), bytes_ceiling);
        // And one that needs more than was earned gets a first window of its own.
        let mut books = Books::new(ClosedRecord::default(), NOW);
        books.open(cheap, PATH, bytes_ceiling);
        assert_eq!(books.window(), cheap.first_window());
        books.open(PER_MB, PATH, bytes_ceiling);
        assert_eq!(books.window(), PER_MB.first_window());
    }

    #[test]
    fn an_idle_session_leaves_one_that_is_in_use_all_but_a_first_window() {
        let per_second = Tariff::per_second(Amount::from_units(100_000));
        let books = books(2_000_000);
        let mut lines = [line(), Line::new(per_second, Usage::default())];
        lines[0].note_use(NOW);
        lines[1].start(NOW);
        share(&books, &mut lines);
        assert_eq!(limits(&lines), [333_333, 10_000], "equal shares of what is left");
        let confirmed = counted(&lines[0], Traffic::default(), 333_333);
        lines[0].report(confirmed);
        let later = NOW + Span::seconds(10);
        lines[1].run(later);
        let share_later = |lines: &mut [Line; 2]| {
            books.share(later, &mut lines.each_mut().map(|line| (Share::Wanted, line)));
            lines[0].tell();
            limits(lines)
        };
        let window = PER_MB.bought(PER_MB.first_window());
        assert_eq!(share_later(&mut lines), [window, 10_000], "not before the other has confirmed");
        let confirmed = counted(&lines[0], Traffic::default(), window);
        lines[0].report(confirmed);
        let rest = per_second.bought(Amount::from_units(2_000_000).saturating_sub(PER_MB.first_window()));
        assert_eq!(share_later(&mut lines), [window, rest]);
        // It is in use again, so it gets as much as the other.
        lines[0].report(Counters { traffic: Traffic::new(0, window), ..confirmed });
        lines[0].note_use(later);
        let [bytes, millis] = share_later(&mut lines);
        assert!(bytes > window && millis < rest, "{bytes} bytes and {millis} ms");
    }

    #[test]
    fn what_is_acknowledged_from_before_a_crash_counts_as_carried() {
        let mut line = Line::new(PER_MB, Traffic::new(10, 100).into());
        line.report(uncapped(Traffic::new(5, 20)));
        line.acknowledge(Traffic::new(10, 150).into());
        assert_eq!(line.given(), Traffic::new(15, 150).into());
        line.acknowledge(Usage::default());
        assert_eq!(line.acknowledged, Traffic::new(10, 150).into(), "never back");
    }

    /// What a run of events does to several sessions: index of the session and how far it uses its limit.
    #[derive(Debug, Clone)]
    enum Event {
        Receive(u32),
        Carry { line: usize, bytes: u32 },
        Confirm { line: usize },
        Acknowledge { line: usize },
        Forgive,
    }

    fn events() -> impl Strategy<Value = Event> {
        prop_oneof![
            (0u32..100_000).prop_map(Event::Receive),
            (0usize..3, 0u32..50_000).prop_map(|(line, bytes)| Event::Carry { line, bytes }),
            (0usize..3).prop_map(|line| Event::Confirm { line }),
            (0usize..3).prop_map(|line| Event::Acknowledge { line }),
            Just(Event::Forgive),
        ]
    }

    proptest! {
        /// However limits, reports and credit interleave, nothing is carried that was not received or forgiven.
        #[test]
        fn carried_never_costs_more_than_received_and_forgiven(
            prices in proptest::array::uniform3(1u128..10_000_000),
            run in proptest::collection::vec(events(), 1..120),
        ) {
            let mut books = books(0);
            let mut lines: Vec<Line> =
                prices.iter().map(|price| Line::new(Tariff::per_mb(Amount::from_units(*price)), Usage::default())).collect();
            // What each data plane has really done: bytes, and the limit it knows of.
            let mut planes = [(0u64, 0u64); 3];
            for event in run {
                match event {
                    Event::Receive(units) => books.received = plus(books.received, Amount::from_units(units.into())),
                    Event::Carry { line, bytes } => {
                        let (carried, limit) = planes[line];
                        planes[line].0 = carried.max(limit.min(carried + u64::from(bytes)));
                    }
                    Event::Confirm { line } => {
                        planes[line].1 = lines[line].limit();
                        let (carried, limit) = planes[line];
                        let counters = counted(&lines[line], Traffic::new(0, carried), limit.max(carried));
                        lines[line].report(counters);
                    }
                    Event::Acknowledge { line } => {
                        let given = lines[line].given();
                        let more = lines[line].acknowledge(given);
                        books.honour(more);
                    }
                    Event::Forgive => books.forgive(NOW, lines.clone().iter()),
                }
                share(&books, &mut lines);
                let cost = Amount::checked_sum(lines.iter().zip(planes).map(|(line, (bytes, _))| {
                    line.tariff.cost(down(bytes))
                })).expect("fits");
                prop_assert!(cost <= plus(books.received, books.closed.forgiven));
            }
        }
    }
}
