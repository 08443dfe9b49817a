//! All targets on the stable toolchain: random bytes, and mutations of bytes that decode.

use byway_fuzz::TARGETS;
use proptest::prelude::*;

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

#[test]
fn no_bytes_upset_a_decoder() {
    for target in TARGETS {
        let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
            cases: cases(),
            failure_persistence: None,
            ..ProptestConfig::default()
        });
        let result = runner.run(&plausible(), |bytes| {
            (target.run)(&bytes);
            Ok(())
        });
        if let Err(error) = result {
            panic!("target {}: {error}", target.name);
        }
    }
}
