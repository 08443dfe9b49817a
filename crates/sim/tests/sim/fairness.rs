//! One who hands in more than there is room for, in every way that costs nothing, and what that does to others' latency.
//!
//! Snapshots have room for little, so that all nodes together bring in some thousand transactions a second. Each scenario is run twice with the same seed, without the flood and with it; what others hand in is the same.

use byway_crypto::IdentitySecret;
use byway_kernel::Source;
use byway_kernel::follower::Refusal;
use byway_kernel::stamp::{Demand, Stamp};
use byway_ledger::Verdict;
use byway_primitives::{Amount, Hash, Span};
use byway_records::call::AccountsCall;
use byway_records::promise::ReservationId;
use byway_records::{Call, VerifiedTransaction};
use byway_sim::kernel::{Submission, Work};
use byway_sim::{KernelSim, Setup};

use crate::kernel::warm;
use crate::seeds;

/// Bytes of transactions in a snapshot: eight transfers.
const ROOM: usize = 2_048;
/// Transactions that a node's pool holds: what it brings in in a second and a half.
const POOL: usize = 240;
/// How long everyone hands in.
const SPAN_MS: u64 = 800;
/// Others hand in so many transactions together: a fifth of what there is room for in that time.
const OTHERS: u64 = 160;
/// The flood has so many: thrice what there is room for.
const FLOOD: u64 = 2_600;
/// Whoever floods.
const FLOODER: Source = Source::Client(1_000);

/// Who floods, and with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flood {
    Nobody,
    /// Old coins of full value, to some nodes.
    Coins {
        nodes: usize,
        source: Named,
    },
    /// Outputs of little value that were just made.
    Dust {
        source: Named,
    },
    /// A few young coins to and fro.
    PingPong {
        source: Named,
    },
    /// The same few transactions again and again.
    Repeated,
    /// One coin, spent differently every time.
    OneCoin,
    /// The same few calls again and again, which the ledger rejects, for good and each time alike.
    Rejected,
}

/// Under which names the flood comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    /// Its own.
    Own,
    /// The name that all others have too: all come from one address.
    LikeOthers,
    /// Two hundred.
    Many,
    /// Everybody has the same name, and all coins are of one age: there is nothing to tell anyone apart by.
    Nothing,
}

impl Named {
    fn flood(self, number: u64) -> Source {
        match self {
            Named::Own => FLOODER,
            Named::LikeOthers | Named::Nothing => other(0, self),
            Named::Many => Source::Client(1_000 + number % 200),
        }
    }
}

/// The name of one of the others.
fn other(number: u64, named: Named) -> Source {
    match named {
        Named::Own | Named::Many => Source::Client(number % 20),
        Named::LikeOthers | Named::Nothing => Source::Client(0),
    }
}

impl Flood {
    fn named(self) -> Named {
        match self {
            Flood::Coins { source, .. } | Flood::Dust { source } | Flood::PingPong { source } => source,
            Flood::Nobody | Flood::Repeated | Flood::OneCoin | Flood::Rejected => Named::Own,
        }
    }
}

/// Median and 99th percentile of the others' latency, in microseconds.
fn others(seed: u64, flood: Flood, named: Named) -> [u64; 2] {
    let setup = Setup {
        coins: (OTHERS + FLOOD) as u32 + 100,
        snapshot_interval_min: Span::millis(50),
        snapshot_room: Some(ROOM),
        // Where nobody can be told apart nobody gives way.
        pool_transactions_max: (named != Named::Nothing).then_some(POOL),
        ..Setup::local(seed)
    };
    let mut sim = warm(setup);
    let prepared = prepare(&mut sim, flood);
    sim.run_ms(2_000);
    for number in 0..OTHERS {
        let at_us = sim.world.random().below(SPAN_MS * 1_000);
        sim.pay_from_in(at_us, other(number, named), number as usize % 7);
    }
    for (number, (node, transaction)) in (0..).zip(prepared) {
        let at_us = number * SPAN_MS * 1_000 / FLOOD;
        sim.submit_from_in(at_us, flood.named().flood(number), node, transaction);
    }
    sim.run_ms(SPAN_MS + 3_000);
    sim.assert_settled();
    let turned_away: usize = sim.checks().progress.iter().map(|node| node.not_taken + node.gave_way).sum();
    // What is known already is answered as taken, and costs nothing.
    let is_more = !matches!(flood, Flood::Nobody | Flood::Repeated | Flood::Rejected) && named != Named::Nothing;
    assert_eq!(turned_away > FLOOD as usize / 20, is_more, "seed {seed}: {flood:?}: {turned_away} turned away");
    let mut latencies = sim.checks().latencies_us.clone();
    assert_eq!(latencies.len() as u64, OTHERS);
    latencies.sort_unstable();
    [50, 99].map(|percent| latencies[(latencies.len() - 1) * percent / 100])
}

/// What the flood consists of, and where it goes, in order.
fn prepare(sim: &mut KernelSim, flood: Flood) -> Vec<(usize, VerifiedTransaction)> {
    let spread = |number: u64| number as usize % 7;
    match flood {
        Flood::Nobody => Vec::new(),
        Flood::Coins { nodes, .. } => {
            (0..FLOOD).map(|number| (number as usize % nodes, sim.fresh_transfer())).collect()
        }
        Flood::Dust { .. } => {
            let parts: Vec<VerifiedTransaction> = (0..FLOOD.div_ceil(18)).map(|_| dust(sim)).collect();
            for (number, part) in (0..).zip(&parts) {
                sim.submit_in(number * 2_000, spread(number), part.clone());
            }
            let spend = |number: u64| {
                let (part, output) = (&parts[(number / 18) as usize], (number % 18) as u32);
                (spread(number), sim.purse.spend_output(part, output, number as u32, 1))
            };
            (0..FLOOD).map(spend).collect()
        }
        Flood::PingPong { .. } => {
            let mut coins: Vec<_> = (0..50).map(|_| sim.fresh_transfer()).collect();
            let mut all = Vec::new();
            for number in 0..FLOOD {
                let coin = number as usize % coins.len();
                let next = sim.purse.spend_again(&coins[coin], number as u32, 1);
                all.push((coin % 7, std::mem::replace(&mut coins[coin], next)));
            }
            all
        }
        Flood::Repeated => {
            let few: Vec<_> = (0..50).map(|_| sim.fresh_transfer()).collect();
            (0..FLOOD).map(|number| (spread(number / 3), few[number as usize % few.len()].clone())).collect()
        }
        Flood::Rejected => {
            let nobody = IdentitySecret::from_bytes(&[5; 32]).expect("a key");
            let call = Call::Accounts(AccountsCall::Release { reservation: ReservationId(Hash([5; 32])) });
            let few: Vec<_> = (0..50).map(|salt| sim.purse.call(&call, salt, &nobody)).collect();
            (0..FLOOD).map(|number| (spread(number / 3), few[number as usize % few.len()].clone())).collect()
        }
        Flood::OneCoin => {
            let coin = OTHERS as u32 + FLOOD as u32;
            (0..FLOOD / 4).map(|number| (spread(number), sim.purse.spend_variant(coin, number as u32))).collect()
        }
    }
}

/// A coin in eighteen parts, one of which is nearly all of it.
fn dust(sim: &mut KernelSim) -> VerifiedTransaction {
    const PART: Amount = Amount::from_units(1_000_000_000_000);
    let rest = Amount::from_coins(1).units() - 17 * PART.units();
    let amounts: Vec<Amount> = [PART; 17].into_iter().chain([Amount::from_units(rest)]).collect();
    sim.fresh_split(&amounts)
}

/// Fails unless the others' median and 99th percentile with each flood are within twice those without.
fn check(seed: u64, named: Named, floods: &[Flood]) {
    let without = others(seed, Flood::Nobody, named);
    for flood in floods {
        let with = others(seed, *flood, named);
        let is_within = with[0] <= 2 * without[0] && with[1] <= 2 * without[1];
        assert!(is_within, "seed {seed}: {flood:?}: {with:?} µs, {without:?} without");
    }
}

#[test]
fn a_flood_leaves_others_latency_within_twice() {
    let source = Named::Own;
    let floods = [
        Flood::Coins { nodes: 7, source },
        Flood::Coins { nodes: 1, source },
        Flood::Dust { source },
        Flood::PingPong { source },
        Flood::Repeated,
        Flood::OneCoin,
        Flood::Rejected,
    ];
    seeds(1, 10, |seed| check(seed, source, &floods));
}

/// What others' coins are worth, and how long they lay still, is all that tells them apart here.
#[test]
fn old_coins_get_through_where_names_say_nothing() {
    for source in [Named::LikeOthers, Named::Many] {
        seeds(1, 10, |seed| check(seed, source, &[Flood::Dust { source }, Flood::PingPong { source }]));
    }
}

/// That the figures above say something: where there is nothing to tell the flood by, everyone waits in one queue.
#[test]
fn without_names_and_ages_a_flood_makes_everyone_wait() {
    seeds(1, 4, |seed| {
        let flood = Flood::Coins { nodes: 7, source: Named::Nothing };
        let without = others(seed, Flood::Nobody, Named::Nothing);
        let with = others(seed, flood, Named::Nothing);
        assert!(with[0] > 2 * without[0] && with[1] > 2 * without[1], "seed {seed}: {with:?}, {without:?} without");
    });
}

/// Hands in what bears this stamp. The demand, if that is not enough.
fn stamped(
    sim: &mut KernelSim,
    node: usize,
    source: Source,
    transaction: &VerifiedTransaction,
    stamp: Option<Stamp>,
) -> Result<(), Demand> {
    let before = sim.checks().progress[node].not_taken;
    let work = Work::Stamped(stamp);
    sim.hand_in(0, node, Submission { source, transaction: transaction.clone(), work });
    sim.run_ms(1);
    let progress = &sim.checks().progress[node];
    match &progress.refusal {
        Some(Refusal::Busy(demand)) if progress.not_taken > before => Err(*demand),
        other if progress.not_taken > before => panic!("refused for another reason: {other:?}"),
        _ => Ok(()),
    }
}

#[test]
fn who_has_much_in_the_pool_works_for_more_and_a_stamp_is_for_one_transaction_at_one_node() {
    seeds(1, 4, |seed| {
        let setup = Setup {
            snapshot_interval_min: Span::millis(200),
            snapshot_room: Some(ROOM),
            pool_transactions_max: Some(POOL),
            ..Setup::local(seed)
        };
        let mut sim = warm(setup);
        sim.run_ms(2_000);
        for number in 0..120 {
            let transaction = sim.fresh_transfer();
            sim.submit_from_in(0, FLOODER, number % 2, transaction);
        }
        sim.run_ms(1);
        let [more, another, others] = [(); 3].map(|()| sim.fresh_transfer());
        let demand = stamped(&mut sim, 0, FLOODER, &more, None).expect_err("it has a quarter of the pool");
        assert!((10..=16).contains(&demand.bits), "seed {seed}: {demand:?}");
        assert_eq!(
            stamped(&mut sim, 0, Source::Client(7), &others, None),
            Ok(()),
            "seed {seed}: others work for nothing"
        );
        let stamp = demand.work(more.id());
        assert!(stamped(&mut sim, 0, FLOODER, &another, stamp).is_err(), "seed {seed}: for another transaction");
        assert!(stamped(&mut sim, 1, FLOODER, &more, stamp).is_err(), "seed {seed}: at another node");
        assert_eq!(stamped(&mut sim, 0, FLOODER, &more, stamp), Ok(()), "seed {seed}");
        sim.run_ms(3_000);
        for transaction in [more, others] {
            assert_eq!(sim.checks().verdict(&transaction.id()), Some(Verdict::Final), "seed {seed}");
        }
        assert_eq!(sim.checks().verdict(&another.id()), None, "seed {seed}");
    });
}
