//! A small check of what one relay can tell from the pattern of its slices. The traces are made up, and the classifier is a
//! simple one: it shows what slices don't hide, and would prove nothing if it found less.
//!
//! Forty pages, each a sequence of bursts of packets up and down that differs a little with each visit. A visit is read as its
//! bytes so far, up and down apart, at a hundred points of its length (Panchenko and others, *Website fingerprinting at internet
//! scale*, 2016), and taken for the page that most of its five nearest neighbours are of.

use super::*;

const PAGES: u64 = 40;
const VISITS: u64 = 20;
/// Of those the classifier knows this many.
const KNOWN: u64 = 14;
const POINTS: usize = 100;
const NEIGHBOURS: usize = 5;

/// Bytes of a packet; those down are positive.
type Trace = Vec<i64>;

/// A generator of numbers, by Marsaglia (xorshift64*); for traces only.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }
}

/// A visit to a page: its bursts, with some noise in their lengths and some left out.
fn visit(page: u64, visit: u64) -> Trace {
    let (mut of_page, mut of_visit) = (Numbers(page * 7919 + 1), Numbers(page * 104_729 + visit * 1_299_709 + 3));
    let mut trace = Trace::new();
    for _ in 0..30 + of_page.below(30) {
        let (asked, answered, last) = (80 + of_page.below(500), 1 + of_page.below(40), 100 + of_page.below(1300));
        if of_visit.below(12) == 0 {
            continue;
        }
        trace.push(-(asked as i64 + of_visit.below(60) as i64));
        let full = answered + of_visit.below(1 + answered / 4);
        trace.extend((0..full).map(|_| 1452));
        trace.push(last as i64);
        trace.extend((0..full / 2).map(|_| -112));
    }
    trace
}

/// What one of the relays sees of a trace.
fn at_a_relay(shape: Shape, trace: &Trace) -> Trace {
    let slice = |bytes: &i64| {
        let packet = bytes.unsigned_abs() as usize;
        bytes.signum() * (shape.package_bytes(packet) / shape.needed() + HEADER_BYTES) as i64
    };
    trace.iter().map(slice).collect()
}

/// What one of three relays would see if each packet went over one of them alone.
fn at_a_third(trace: &Trace, numbers: &mut Numbers) -> Trace {
    trace.iter().copied().filter(|_| numbers.below(3) == 0).collect()
}

/// The bytes so far, down and up, each as parts of what there is in all, and how much that is.
fn features(trace: &Trace) -> Vec<f64> {
    let mut sums = vec![(0.0, 0.0)];
    for bytes in trace {
        let (down, up) = sums[sums.len() - 1];
        let bytes = *bytes as f64;
        sums.push(if bytes > 0.0 { (down + bytes, up) } else { (down, up - bytes) });
    }
    let (down, up) = sums[sums.len() - 1];
    let at = |point: usize| sums[point * (sums.len() - 1) / POINTS];
    let shape = (0..POINTS).map(at).flat_map(|(d, u)| [d / (down + 1.0), u / (up + 1.0)]);
    shape.chain([(down + 1.0).ln(), (up + 1.0).ln(), (trace.len() as f64 + 1.0).ln()]).collect()
}

/// Of a hundred visits that it doesn't know, how many are taken for the page that they are of.
fn told_percent(mut seen: impl FnMut(&Trace) -> Trace) -> u64 {
    let mut of = |page, number| (page, features(&seen(&visit(page, number))));
    let known: Vec<_> = (0..PAGES).flat_map(|page| (0..KNOWN).map(move |number| (page, number))).collect();
    let known: Vec<_> = known.into_iter().map(|(page, number)| of(page, number)).collect();
    let mut told = 0;
    for page in 0..PAGES {
        for number in KNOWN..VISITS {
            let (_, asked) = of(page, number);
            let distance = |other: &[f64]| asked.iter().zip(other).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
            let mut near: Vec<_> = known.iter().map(|(page, other)| (distance(other), *page)).collect();
            near.sort_by(|a, b| a.0.total_cmp(&b.0));
            let votes = |page: u64| near[..NEIGHBOURS].iter().filter(|(_, of)| *of == page).count();
            let best = near[..NEIGHBOURS].iter().map(|(_, page)| *page).max_by_key(|page| votes(*page));
            told += u64::from(best == Some(page));
        }
    }
    told * 100 / (PAGES * (VISITS - KNOWN))
}

/// As `docs/slices.md` says: every relay sees every packet go by, a little smaller.
#[test]
fn the_pattern_of_traffic_is_not_hidden_from_a_relay() {
    let shape = Shape::new(2, 3).expect("it is one");
    let whole = told_percent(Trace::clone);
    let sliced = told_percent(|trace| at_a_relay(shape, trace));
    let mut numbers = Numbers(5);
    let third = told_percent(|trace| at_a_third(trace, &mut numbers));
    println!(
        "told in a hundred: whole {whole}, slices at one of three relays {sliced}, a third of the packets {third}"
    );
    assert!(whole >= 80, "the classifier is of some use: {whole}");
    assert!(sliced * 10 >= whole * 8, "slices hide little of the pattern: {sliced} of {whole}");
}
