//! Random sequences of every call, against a model that knows nothing of the ledger's code: who has what, which round
//! counts, and until when. The model draws what is tried next and says whether it is possible; the ledger is then asked the same
//! (`run`). After each step the channel is what the model says, every coin is accounted for, both have their reserve, and no lock period
//! is longer than it may be. A sequence that fails is made shorter until nothing can be left out of it.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use byway_records::channel::Remainder;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

mod acts;
mod assets;
mod beside;
mod calls;
mod model;
mod run;

use beside::{Opened, openings};
use model::{Ended, Kind, Model, Stage, Start};
use run::Run;

/// Who hands something in for a side: its party or Carol, who may be its delegate; and whether the transaction pays for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Actor {
    side: usize,
    is_delegate: bool,
    pays: bool,
}

/// What is wrong with a state that both sign, if anything is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    Reserve,
    Sum,
    Total,
    /// It was not signed after what went in or out last.
    Before,
}

/// Of what a state that both sign is made.
#[derive(Debug, Clone)]
pub struct Sketch {
    /// It is the last one that the ledger was shown, once more.
    is_known: bool,
    /// Above the last co-signed round.
    ahead: u64,
    alice: u128,
    held: u128,
    lanes: [u128; 2],
    absorbed: [u128; 2],
    /// What Alice has of each asset, in hundredths of a coin.
    owned: [u128; 2],
    fault: Fault,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Called {
    Bank,
    /// Reverts.
    Trap,
    /// Runs for ever.
    Loop,
    /// Moves something of the first asset.
    Purse,
    /// The trap, and the witness does not show it.
    Unshown,
    /// The trap, and the witness shows more than it needs.
    Padded,
}

/// What is shown of the purses in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shows {
    Nothing,
    /// All that is to be paid out.
    All,
    /// One purse more, which there is not.
    More,
}

/// One thing that someone tries.
#[derive(Debug, Clone)]
pub enum Act {
    Deposit { by: Actor, amount: u128, state: Sketch },
    Withdraw { by: Actor, amount: u128, state: Sketch },
    PutIn { by: Actor, asset: usize, cents: u128, state: Sketch },
    TakeOut { by: Actor, asset: usize, cents: u128, state: Sketch },
    Leave { by: Actor, ahead: u64 },
    CallLeft { side: usize, amount: u128 },
    Snapshot { by: Actor, state: Sketch },
    Close { by: Actor, state: Option<Sketch> },
    Slash { by: Actor, state: Sketch },
    Force { by: Actor, called: Called, amount: u128, state: Option<Sketch> },
    Claim { by: Actor, serial: u64, amount: u128 },
    Settle { shows: Shows, pays: bool },
    CloseMutual { alice: u128, lacks: u128, owned: u128, pays: bool },
    Delegates { by: Actor, appoints: bool },
    Register,
    Open { opened: Opened, pays: bool },
    End { person: usize, state: Option<Sketch> },
    Certify { hub: usize, alice: u128, lacks: u128 },
    Wait { seconds: u64, commits: u64 },
}

fn actors(model: &Model) -> BoxedStrategy<Actor> {
    let pays = if model.start.kind == Kind::Virtual { 0.95 } else { 0.15 };
    let drawn = (0..2usize, prop::bool::weighted(0.25), prop::bool::weighted(pays));
    drawn.prop_map(|(side, is_delegate, pays)| Actor { side, is_delegate, pays }).boxed()
}

fn sketches() -> BoxedStrategy<Sketch> {
    let fault = prop_oneof![
        12 => Just(Fault::None),
        1 => Just(Fault::Reserve),
        1 => Just(Fault::Sum),
        1 => Just(Fault::Total),
        1 => Just(Fault::Before),
    ];
    let lanes = [0..700_000u128, 0..700_000];
    let of_money = (0..5_000_000u128, 0..1_500_000u128, lanes, [0..200_000u128, 0..200_000]);
    let drawn = (prop::bool::weighted(0.1), 0..4u64, of_money, [0..700u128, 0..500], fault);
    let sketch = drawn.prop_map(|(is_known, ahead, (alice, held, lanes, absorbed), owned, fault)| Sketch {
        is_known,
        ahead,
        alice,
        held,
        lanes,
        absorbed,
        owned,
        fault,
    });
    sketch.boxed()
}

fn called() -> BoxedStrategy<Called> {
    prop_oneof![
        3 => Just(Called::Bank),
        1 => Just(Called::Trap),
        1 => Just(Called::Loop),
        2 => Just(Called::Purse),
        1 => Just(Called::Unshown),
        1 => Just(Called::Padded),
    ]
    .boxed()
}

/// Mostly what is to be shown.
fn shows(model: &Model) -> BoxedStrategy<Shows> {
    let right = model.all_to_show();
    prop_oneof![4 => Just(right), 1 => Just(Shows::Nothing), 1 => Just(Shows::All), 1 => Just(Shows::More)].boxed()
}

/// What can still be said once there is no channel any more.
fn acts_after(model: &Model) -> BoxedStrategy<Act> {
    let by = actors(model);
    prop_oneof![
        4 => (0..2usize, 0..5_000_000u128).prop_map(|(side, amount)| Act::CallLeft { side, amount }),
        1 => (by, sketches()).prop_map(|(by, state)| Act::Snapshot { by, state }),
        1 => (shows(model), any::<bool>()).prop_map(|(shows, pays)| Act::Settle { shows, pays }),
        1 => Just(Act::Register),
        1 => openings(),
        1 => Just(Act::Wait { seconds: 1, commits: 1 }),
    ]
    .boxed()
}

/// With weights for an active channel, and for one that is closing.
fn acts(model: &Model) -> BoxedStrategy<Act> {
    let weight = |active, closing| if model.stage == Stage::Active { active } else { closing };
    let is_virtual = model.start.kind == Kind::Virtual;
    let of_virtual = |weight| if is_virtual { weight } else { 1 };
    let (by, state, amount) = (actors(model), sketches(), 0..5_000_000u128);
    let maybe = || prop::option::weighted(0.5, sketches());
    let pays = prop::bool::weighted(if is_virtual { 0.9 } else { 0.2 });
    let given = (by.clone(), amount.clone(), state.clone());
    let of_money = prop_oneof![
        given.clone().prop_map(|(by, amount, state)| Act::Deposit { by, amount, state }),
        given.prop_map(|(by, amount, state)| Act::Withdraw { by, amount, state }),
    ];
    let given = (by.clone(), 0..2usize, 0..700u128, state.clone());
    let of_assets = prop_oneof![
        given.clone().prop_map(|(by, asset, cents, state)| Act::PutIn { by, asset, cents, state }),
        given.prop_map(|(by, asset, cents, state)| Act::TakeOut { by, asset, cents, state }),
    ];
    let of_contracts = prop_oneof![
        (by.clone(), 0..3u64).prop_map(|(by, ahead)| Act::Leave { by, ahead }),
        (0..2usize, amount.clone()).prop_map(|(side, amount)| Act::CallLeft { side, amount }),
    ];
    let of_the_end = prop_oneof![
        3 => (shows(model), pays).prop_map(|(shows, pays)| Act::Settle { shows, pays }),
        1 => (amount.clone(), prop::bool::weighted(0.6), 0..=600u128, pays)
            .prop_map(|(alice, lacks, owned, pays)| Act::CloseMutual { alice, lacks: lacks.into(), owned, pays }),
    ];
    let of_the_hub = prop_oneof![
        3 => (0..3usize, maybe()).prop_map(|(person, state)| Act::End { person, state }),
        1 => (1..3usize, amount.clone(), prop::bool::weighted(0.7))
            .prop_map(|(hub, alice, lacks)| Act::Certify { hub, alice, lacks: lacks.into() }),
        1 => Just(Act::Register),
    ];
    prop_oneof![
        weight(6, 1) => of_money,
        weight(5, 1) => of_assets,
        weight(3, 1) => of_contracts,
        weight(4, 1) => (by.clone(), state.clone()).prop_map(|(by, state)| Act::Snapshot { by, state }),
        weight(2, 1) => (by.clone(), maybe()).prop_map(|(by, state)| Act::Close { by, state }),
        weight(1, 5) => (by.clone(), state).prop_map(|(by, state)| Act::Slash { by, state }),
        weight(7, 8) => (by.clone(), called(), amount, maybe())
            .prop_map(|(by, called, amount, state)| Act::Force { by, called, amount, state }),
        weight(1, 5) => (by.clone(), 1..3u64, 0..900_000u128)
            .prop_map(|(by, serial, amount)| Act::Claim { by, serial, amount }),
        weight(1, 3) => of_the_end,
        weight(3, 2) => (by, any::<bool>()).prop_map(|(by, appoints)| Act::Delegates { by, appoints }),
        weight(2, 1) => openings(),
        of_virtual(4) => of_the_hub,
        weight(2, 4) => (0..12u64, 0..6u64).prop_map(|(seconds, commits)| Act::Wait { seconds, commits }),
    ]
    .boxed()
}

impl ReferenceStateMachine for Model {
    type State = Self;
    type Transition = Act;

    fn init_state() -> BoxedStrategy<Self> {
        let remainder = prop_oneof![Just(Remainder::Halves), Just(Remainder::Initiator), Just(Remainder::Responder)];
        let kind = prop_oneof![Just(Kind::Plain), Just(Kind::Purses), Just(Kind::Virtual)];
        (kind, remainder).prop_map(|(kind, remainder)| Self::begin(Start { kind, remainder })).boxed()
    }

    fn transitions(model: &Self) -> BoxedStrategy<Act> {
        if model.stage == Stage::Closed { acts_after(model) } else { acts(model) }
    }

    fn apply(mut model: Self, act: &Act) -> Self {
        model.attempt(act);
        model
    }

    /// Where there is no channel any more most can't even be said of it.
    fn preconditions(model: &Self, act: &Act) -> bool {
        let can_always = matches!(
            act,
            Act::CallLeft { .. }
                | Act::Snapshot { .. }
                | Act::Settle { .. }
                | Act::Register
                | Act::Open { .. }
                | Act::Wait { .. }
        );
        can_always || model.stage != Stage::Closed
    }
}

impl StateMachineTest for Run {
    type SystemUnderTest = Self;
    type Reference = Model;

    fn init_test(model: &Model) -> Self {
        Self::begin(model.clone())
    }

    fn apply(mut run: Self, after: &Model, act: Act) -> Self {
        run.attempt(&act, after);
        run
    }

    fn check_invariants(run: &Self, model: &Model) {
        run.compare(model);
    }

    /// Whatever happened, either side alone gets the money out, and of a virtual channel its hub.
    fn teardown(mut run: Self, mut model: Model) {
        for act in model.way_out() {
            model.attempt(&act);
            run.attempt(&act, &model);
            run.compare(&model);
        }
        assert_eq!(model.stage, Stage::Closed);
        run.audit(&model);
    }
}

/// A quick look by default, a long one on request.
pub fn cases() -> u32 {
    if std::env::var_os("BYWAY_TEST_LONG").is_some() { 1_000 } else { 120 }
}

/// The same cases in every quick look: the long one looks elsewhere each time.
pub fn config(cases: u32) -> Config {
    let is_long = std::env::var_os("BYWAY_TEST_LONG").is_some();
    let rng_seed = if is_long { RngSeed::Random } else { RngSeed::Fixed(1) };
    Config { cases, rng_seed, failure_persistence: None, ..Config::default() }
}

prop_state_machine! {
    #![proptest_config(config(cases()))]

    #[test]
    fn every_sequence_goes_as_the_model_says_and_every_coin_is_accounted_for(sequential 1..40 => Run);
}

/// How often each thing was possible in so many sequences, and how what was forced ended, by the model alone.
fn reached(sequences: u32) -> BTreeMap<String, u32> {
    let mut runner = TestRunner::deterministic();
    let strategy = Model::sequential_strategy(1..40);
    let mut reached = BTreeMap::new();
    for _ in 0..sequences {
        let (mut model, acts, _) = strategy.new_tree(&mut runner).expect("it has values").current();
        for act in acts {
            model.attempt(&act);
            for ended in model.ended.iter().chain(&model.also) {
                *reached.entry(format!("{ended:?}")).or_default() += 1;
            }
        }
        // Most sequences don't come to the end by themselves, so how it is paid out then counts too, and only that.
        for act in model.way_out() {
            model.attempt(&act);
            model.also.iter().for_each(|ended| *reached.entry(format!("{ended:?}")).or_default() += 1);
        }
    }
    reached
}

/// Otherwise the sequences would show little.
#[test]
fn the_sequences_reach_every_call_and_every_way_it_can_end() {
    let reached = reached(300);
    for ended in Ended::ALL {
        assert!(reached.contains_key(&format!("{ended:?}")), "{ended:?} is not among {reached:?}");
    }
}

/// What leads to a fault is found in its shortest form: here a call that runs for ever, in a state that it shows itself.
#[test]
fn a_sequence_that_fails_is_made_as_short_as_it_can_be() {
    let fails = |model: &Model, acts: &[Act]| {
        let mut model = model.clone();
        acts.iter().any(|act| {
            model.attempt(act);
            let is_it = matches!(act, Act::Force { by, state: Some(state), .. } if !by.is_delegate && !state.is_known);
            is_it && model.was_possible && model.ended == Some(Ended::OutOfGas)
        })
    };
    let (mut runner, strategy) = (TestRunner::deterministic(), Model::sequential_strategy(20..40));
    let (mut tree, mut shortest) = loop {
        let tree = strategy.new_tree(&mut runner).expect("it has values");
        let (model, acts, seen) = tree.current();
        if fails(&model, &acts) {
            seen.expect("it counts").store(acts.len(), Ordering::SeqCst);
            break (tree, acts);
        }
    };
    // As the runner does it, until nothing is left out any more.
    for _ in 0..100 {
        let mut is_other = tree.simplify();
        while is_other && {
            let (model, acts, _) = tree.current();
            !fails(&model, &acts)
        } {
            is_other = tree.complicate();
        }
        shortest = tree.current().1;
    }
    assert!(matches!(&shortest[..], [Act::Force { .. }]), "{shortest:?}");
}
