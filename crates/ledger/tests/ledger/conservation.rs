//! Laws over random histories: supply is conserved, executing is deterministic, reopening changes nothing, audits pass.

use byway_ledger::{Ledger, audit};
use byway_primitives::{Amount, AssetId, MemoryStore, Span};
use byway_records::asset::AssetTerms;
use byway_records::call::Take;
use byway_records::promise::ReservationId;
use byway_records::{Backing, Value, VerifiedTransaction};
use proptest::prelude::*;

use crate::channels::sequences;
use crate::world::{Draft, World, units};

/// One thing that someone tries. Most are possible in some states and refused in others.
#[derive(Debug, Clone)]
struct Attempt {
    kind: u8,
    who: usize,
    whom: usize,
    amount: u128,
    serial: u64,
    greedy: bool,
}

fn attempts() -> impl Strategy<Value = Vec<Vec<Attempt>>> {
    let attempt = (0u8..33, 0usize..3, 0usize..3, 1u128..400_000, 0u64..4, any::<bool>());
    let attempt = attempt.prop_map(|(kind, who, whom, amount, serial, greedy)| Attempt {
        kind,
        who,
        whom,
        amount,
        serial,
        greedy,
    });
    proptest::collection::vec(proptest::collection::vec(attempt, 0..4), 1..16)
}

/// The second looks like the first.
const NAMES: [&str; 4] = ["bob", "b0b", "alice", "carol-7"];

struct History {
    world: World,
    reservations: Vec<ReservationId>,
}

fn cents(count: u128) -> Amount {
    units(count * 10u128.pow(16))
}

impl History {
    /// The faucet's asset, or the one that a person may have registered.
    fn asset(&self, issuer: usize, faucet: bool) -> AssetId {
        if faucet { AssetTerms::faucet().id() } else { self.world.terms(issuer).id() }
    }

    fn draft(&self, attempt: &Attempt) -> Draft {
        let Attempt { kind, who, whom, amount, serial, greedy } = *attempt;
        let world = &self.world;
        let coin = || world.coin(who);
        let take = if greedy { Take::WhatIsThere } else { Take::Whole };
        let mut draft = match kind {
            0 => world.transfer(coin(), whom, amount),
            1 => Draft { fee: units(amount), ..world.transfer(coin(), whom, amount) },
            2 | 3 => world.deposit(coin(), whom, amount),
            4 => world.announce(who, amount),
            5 => world.withdraw(who, amount),
            6 | 7 => {
                let promise = world.promise(who, whom, Backing::Account, serial, amount);
                world.settle(who, whom, promise, take)
            }
            8 => world.reserve(who, whom, amount, world.time + Span::seconds(serial)),
            9 => match self.reservations.get(serial as usize) {
                Some(id) if greedy => world.release(who, *id),
                Some(id) => {
                    let promise = world.promise(who, whom, Backing::Reservation(*id), serial, amount);
                    world.settle(who, whom, promise, Take::WhatIsThere)
                }
                None => world.announce(who, 0),
            },
            10 => world.register(coin(), who),
            11 => world.publish(coin(), who, world.offer(who, serial, amount, "a")),
            12 => world.withdraw_offer(who, serial),
            13 => world.register_asset(coin(), who),
            14 => world.issue(who, whom, Value { asset: self.asset(who, greedy), amount: cents(amount) }),
            15..=17 => match world.coins_in(who, self.asset(whom, greedy)).into_iter().next() {
                Some(coin) if kind == 15 => world.burn(whom, coin, cents(1)),
                Some(coin) if kind == 16 => world.deposit(coin, whom, 1),
                Some(coin) => world.transfer(coin, whom, 1),
                None => world.announce(who, 0),
            },
            18 => world.pledge(coin(), who, 9 + serial as u8),
            19 => world.ready(4 + whom as u8, 9 + serial as u8, serial as u32),
            20 => world.leave(who, 3 + serial as u8),
            21 => world.reclaim(who, 3 + serial as u8),
            22 => world.rotate(who, 4 + whom as u8, 9 + serial as u8),
            23 | 24 if who == whom => world.announce(who, 0),
            23 | 24 => world.settle_pair([who, whom], (serial, amount), (serial / 2, amount / 3 + 60_000)),
            25 => world.set_holders(coin(), who, serial, &[(whom, Span::seconds(amount as u64 % 90))]),
            26 | 27 => world.commit_to(coin(), who, NAMES[serial as usize], 0),
            28 | 29 => world.register_name(coin(), who, NAMES[serial as usize], 1 + u8::from(greedy), 0),
            30 => world.renew_name(coin(), who, NAMES[serial as usize], 1),
            31 if greedy => world.release_name(who, NAMES[serial as usize]),
            31 => world.transfer_name(who, whom, NAMES[serial as usize]),
            32 => world.set_primary(who, Some(NAMES[serial as usize])),
            _ => unreachable!("kinds are drawn below 33"),
        };
        draft.expires = world.time + Span::millis(1 + u64::from(greedy) * 1_000_000 + amount as u64);
        draft
    }

    fn run(&mut self, steps: &[Vec<Attempt>]) {
        for step in steps {
            let drafts: Vec<_> = step.iter().map(|attempt| self.draft(attempt)).collect();
            let transactions: Vec<VerifiedTransaction> = drafts.iter().map(|draft| self.world.sign(draft)).collect();
            self.world.commit(&transactions);
            for (attempt, transaction) in step.iter().zip(&transactions) {
                if attempt.kind == 8 {
                    self.reservations.push(ReservationId(transaction.id().0));
                }
            }
            let pause: u64 = step.iter().map(|attempt| attempt.serial * 2_000).sum();
            self.world.time = self.world.time + Span::millis(pause);
        }
    }
}

proptest! {
    #![proptest_config(sequences::config(sequences::cases() / 3))]

    #[test]
    fn every_history_conserves_supply_and_is_the_same_for_everyone(steps in attempts()) {
        let mut history = History { world: World::new(), reservations: Vec::new() };
        // `World::commit` checks the supply after every commit.
        history.run(&steps);
        history.world.wait(crate::world::NOTICE);
        let world = &history.world;

        // A second node executes the same commits, reopening before each.
        let (_, first) = Ledger::genesis(&world.genesis);
        let mut store = MemoryStore::new();
        store.apply(&first);
        let mut checkpoints = Vec::new();
        for commit in &world.commits {
            let mut ledger = Ledger::open(&world.genesis, &store).expect("undamaged").expect("stored");
            let executed = ledger.execute(&commit.as_commit(), &store);
            store.apply(&executed.batch);
            checkpoints.extend(executed.checkpoint);
        }
        prop_assert_eq!(&checkpoints, &world.checkpoints);
        prop_assert_eq!(&store, &world.store);
        if let Some(last) = checkpoints.last() {
            let supply = audit(&store, &world.genesis, &last.checkpoint).expect("balanced");
            prop_assert_eq!(supply.way().total(), world.genesis.supply());
        }
    }

    /// Transfers of different coins need no order among themselves (row K3): any order within a commit gives the same
    /// outputs and the same verdicts.
    #[test]
    fn transfers_of_different_coins_commute(swaps in proptest::collection::vec((0usize..9, 0usize..9), 0..12)) {
        let mut world = World::new();
        let drafts: Vec<_> = world.coins.clone().into_iter().map(|coin| {
            let to = (coin.owner + 1) % 3;
            world.transfer(coin, to, 1_500_000)
        }).collect();
        let mut transactions: Vec<_> = drafts.iter().map(|draft| world.sign(draft)).collect();
        let mut other = World::new();
        world.commit(&transactions);
        swaps.into_iter().for_each(|(a, b)| transactions.swap(a, b));
        let verdicts = other.commit(&transactions);
        prop_assert!(verdicts.iter().all(|verdict| *verdict == byway_ledger::Verdict::Final));
        prop_assert_eq!(world.ledger.outputs_digest(), other.ledger.outputs_digest());
        prop_assert_eq!(world.ledger.state_root(), other.ledger.state_root());
    }
}
