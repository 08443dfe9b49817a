//! All targets on the stable toolchain: random bytes, and mutations of bytes that decode.

use byway_fuzz::{Target, channels, targets};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestRunner;

/// Runs per target: a quick look by default, a long one on request.
fn cases() -> u32 {
    if std::env::var_os("BYWAY_TEST_LONG").is_some() { 50_000 } else { 3_000 }
}

/// Prefixes that get past the first checks of most formats: versions, kinds, small counts.
fn plausible() -> impl Strategy<Value = Vec<u8>> {
    let small = proptest::collection::vec(0u8..6, 0..12);
    let rest = proptest::collection::vec(any::<u8>(), 0..600);
    (small, rest).prop_map(|(head, rest)| [head, rest].concat())
}

/// A change to bytes, which depends on nothing but them.
#[derive(Debug, Clone)]
enum Mutation {
    Flip(Index, u8),
    /// To a value at which lengths, flags and numbers change their meaning.
    Set(Index, u8),
    Insert(Index, u8),
    Remove(Index),
    Cut(Index),
    Repeat(Index, Index),
    /// Goes on as another sample does from some place.
    Splice(Index, Index, Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<Index>;
    let edge = || proptest::sample::select(&[0, 1, 2, 3, 0x7f, 0x80, 0x81, 0xff][..]);
    prop_oneof![
        (at(), 0u8..8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        (at(), edge()).prop_map(|(at, value)| Mutation::Set(at, value)),
        (at(), edge()).prop_map(|(at, value)| Mutation::Insert(at, value)),
        at().prop_map(Mutation::Remove),
        at().prop_map(Mutation::Cut),
        (at(), at()).prop_map(|(from, to)| Mutation::Repeat(from, to)),
        (at(), at(), at()).prop_map(|(at, sample, from)| Mutation::Splice(at, sample, from)),
    ]
}

impl Mutation {
    fn apply(&self, bytes: &mut Vec<u8>, samples: &[Vec<u8>]) {
        if bytes.is_empty() {
            return;
        }
        let length = bytes.len();
        match self {
            Self::Flip(at, bit) => bytes[at.index(length)] ^= 1 << bit,
            Self::Set(at, value) => bytes[at.index(length)] = *value,
            Self::Insert(at, value) => bytes.insert(at.index(length + 1), *value),
            Self::Remove(at) => drop(bytes.remove(at.index(length))),
            Self::Cut(at) => bytes.truncate(at.index(length)),
            Self::Repeat(from, to) => {
                let (from, to) = (from.index(length), to.index(length));
                let part = bytes[from.min(to)..from.max(to)].to_vec();
                bytes.splice(to..to, part);
            }
            Self::Splice(at, sample, from) => {
                let other = &samples[sample.index(samples.len())];
                bytes.truncate(at.index(length));
                bytes.extend_from_slice(&other[from.index(other.len())..]);
            }
        }
    }
}

/// Runs `check` on what the strategy gives, for one target.
fn run<S: Strategy>(target: &Target, strategy: &S, check: impl Fn(S::Value)) {
    let mut runner =
        TestRunner::new(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() });
    let result = runner.run(strategy, |value| {
        check(value);
        Ok(())
    });
    if let Err(error) = result {
        panic!("target {}: {error}", target.name);
    }
}

#[test]
fn no_bytes_upset_a_decoder() {
    for target in targets() {
        run(target, &plausible(), |bytes| {
            (target.run)(&bytes);
        });
    }
}

#[test]
fn no_mutation_upsets_a_decoder() {
    for target in targets() {
        let samples = (target.samples)();
        if samples.is_empty() {
            continue;
        }
        let mutations = proptest::collection::vec(mutation(), 1..5);
        run(target, &(any::<Index>(), mutations), |(sample, mutations)| {
            let mut bytes = samples[sample.index(samples.len())].clone();
            mutations.iter().for_each(|mutation| mutation.apply(&mut bytes, &samples));
            (target.run)(&bytes);
        });
    }
}

/// A fuzzer begins with these; more of it is in the tests of `byway-channel`.
#[test]
fn the_samples_drive_a_channel_to_its_end() {
    for target in channels::DRIVEN {
        assert!((target.samples)().iter().all(|sample| (target.run)(sample)), "{}", target.name);
    }
}

/// Otherwise a target would only ever see bytes that it refuses at the first look.
#[test]
fn all_samples_are_good() {
    for target in targets() {
        let samples = (target.samples)();
        assert_eq!(samples.is_empty(), target.name == "open_keystore", "{}", target.name);
        for (number, sample) in samples.iter().enumerate() {
            assert!((target.run)(sample), "target {}, sample {number}", target.name);
        }
    }
}

/// The signature that the target puts there lets mutations through that are well-formed, and the checks behind it do
/// their work: some are taken, and most are not.
#[test]
fn mutated_snapshots_get_past_the_authors_signature() {
    let target = targets().find(|target| target.name == "signed_snapshot").expect("it exists");
    let samples = (target.samples)();
    let original = samples.last().expect("a snapshot of the first round");
    let good = |at: usize| {
        let mut bytes = original.clone();
        bytes[at] ^= 1;
        (target.run)(&bytes)
    };
    let passed = (0..original.len()).filter(|at| good(*at)).count();
    assert!((1..original.len()).contains(&passed), "{passed} of {}", original.len());
}
