use super::*;

const MEGABIT: u64 = 1_000_000;

/// A sender that always has something to send, in packets of one size, and is woken late.
struct Greedy {
    lane: Lane,
    packet: u64,
    lateness: Duration,
    wakes: Duration,
    sent: u64,
}

impl Greedy {
    fn new(rate: Option<u64>, packet: u64, lateness: Duration) -> Self {
        Self { lane: Lane::new(rate), packet, lateness, wakes: Duration::ZERO, sent: 0 }
    }

    /// Sends what may be sent now and sets its timer.
    fn act(&mut self, now: Duration, mut shared: Option<&mut Bucket>) {
        // As often as it may, but no more than a second's worth of the fastest line, so that a fault ends.
        for _ in 0..1_000_000 {
            match self.lane.pass(now, self.packet, shared.as_deref_mut()) {
                Ok(()) => self.sent += self.packet,
                Err(at) => {
                    self.wakes = at + self.lateness;
                    return;
                }
            }
        }
        panic!("the lane holds nothing back");
    }
}

/// Lets all of them send for `span` of virtual time.
fn run(senders: &mut [Greedy], mut shared: Option<Bucket>, span: Duration) {
    while let Some(next) = (0..senders.len()).min_by_key(|index| senders[*index].wakes)
        && senders[next].wakes < span
    {
        let now = senders[next].wakes;
        senders[next].act(now, shared.as_mut());
    }
}

/// By how much of `expected` a number is off, in millionths.
fn off_by(actual: u64, expected: u64) -> u64 {
    actual.abs_diff(expected) * 1_000_000 / expected
}

/// Five percent, in millionths.
const FIVE_PERCENT: u64 = 50_000;

#[test]
fn a_rate_holds_within_five_percent_from_one_to_a_thousand_megabits() {
    const SECONDS: u64 = 5;
    for megabits in [1, 10, 100, 1000] {
        let rate = megabits * MEGABIT;
        for (packet, lateness) in [(1_420, 0), (1_420, 1), (64, 3), (1_500, 15)] {
            let lateness = Duration::from_millis(lateness);
            for (own, shared) in [(Some(rate), None), (None, Some(Bucket::new(rate)))] {
                let mut senders = [Greedy::new(own, packet, lateness)];
                run(&mut senders, shared, Duration::from_secs(SECONDS));
                let expected = rate / 8 * SECONDS;
                let off = off_by(senders[0].sent, expected);
                assert!(
                    off <= FIVE_PERCENT,
                    "{megabits} Mbit/s in {packet} bytes, {lateness:?} late: {off} millionths off"
                );
            }
        }
    }
}

#[test]
fn all_together_hold_the_shared_rate_and_get_equal_parts() {
    const SECONDS: u64 = 5;
    let rate = 100 * MEGABIT;
    // Some with large packets, some with small ones.
    let mut senders: Vec<Greedy> =
        (0..10).map(|index| Greedy::new(None, if index % 2 == 0 { 1_420 } else { 300 }, Duration::ZERO)).collect();
    run(&mut senders, Some(Bucket::new(rate)), Duration::from_secs(SECONDS));
    let sent: u64 = senders.iter().map(|sender| sender.sent).sum();
    assert!(off_by(sent, rate / 8 * SECONDS) <= FIVE_PERCENT, "{sent} bytes");
    for sender in &senders {
        assert!(off_by(sender.sent, sent / 10) <= FIVE_PERCENT, "{} of {sent} bytes", sender.sent);
    }
}

#[test]
fn whoever_may_only_go_slowly_leaves_the_rest_to_others() {
    const SECONDS: u64 = 5;
    let mut senders = [Greedy::new(Some(MEGABIT), 1_420, Duration::ZERO), Greedy::new(None, 1_420, Duration::ZERO)];
    run(&mut senders, Some(Bucket::new(10 * MEGABIT)), Duration::from_secs(SECONDS));
    let [slow, fast] = senders;
    assert!(off_by(slow.sent, MEGABIT / 8 * SECONDS) <= FIVE_PERCENT, "{}", slow.sent);
    assert!(off_by(fast.sent, 9 * MEGABIT / 8 * SECONDS) <= FIVE_PERCENT, "{}", fast.sent);
}

#[test]
fn an_idle_line_saves_up_no_more_than_its_depth() {
    let mut lane = Lane::new(Some(8 * MEGABIT));
    let now = Duration::from_secs(3600);
    let passed = (0..1_000_000).take_while(|_| lane.pass(now, 1_000, None).is_ok()).count() as u64 * 1_000;
    let depth = MEGABIT * DEPTH.as_millis() as u64 / 1000;
    assert!(passed >= depth && passed <= depth + 2 * QUANTUM_BYTES_MAX, "{passed} bytes at once");
}

#[test]
fn no_limits_are_no_pace() {
    assert!(Pace::on(&SharedLine::new(None), None).is_none());
    let pace = Pace::on(&SharedLine::new(Some(10 * MEGABIT)), Some(3 * MEGABIT)).expect("it is limited");
    assert_eq!(pace.bits_per_second(), 3 * MEGABIT);
    let mut lane = Lane::new(None);
    assert_eq!((lane.pass(Duration::ZERO, u64::MAX, None), lane.piece(None)), (Ok(()), u64::MAX));
}
