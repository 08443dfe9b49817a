//! The targets of channels for a fuzzer that is guided by coverage (libFuzzer), on the stable toolchain:
//!
//! ```text
//! cd fuzz/guided
//! BYWAY_FUZZ_TARGET=drive cargo run --release -- ../corpus/drive -max_total_time=600 -timeout=60
//! ```
//!
//! The folder must exist. It is given the target's samples to begin with, and all bytes that reach something new. Bytes that lead to a fault
//! are left in a file `crash-…`; the same command with that file in place of the folder runs them again.
//!
//! It is not part of the workspace, and has pure crates only: all that is built here is instrumented.
#![no_main]

#[path = "../../src/channels/mod.rs"]
mod channels;
#[path = "../../src/target.rs"]
mod target;

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

use target::Target;

/// The one that the environment names.
static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("BYWAY_FUZZ_TARGET").unwrap_or_default();
    let mut targets = channels::TARGETS.iter().chain(channels::DRIVEN);
    targets.find(|target| target.name == name).unwrap_or_else(|| {
        let names = channels::TARGETS.iter().chain(channels::DRIVEN).map(|target| target.name);
        let names: Vec<_> = names.collect();
        eprintln!("set BYWAY_FUZZ_TARGET to one of {}", names.join(", "));
        std::process::exit(2);
    })
});

fuzz_target!(
    init: {
        let folder = std::env::args().skip(1).find(|argument| std::path::Path::new(argument).is_dir());
        for (number, sample) in (TARGET.samples)().into_iter().enumerate() {
            if let Some(folder) = &folder {
                std::fs::write(format!("{folder}/sample-{number}"), sample).expect("the folder can be written to");
            }
        }
    },
    |bytes: &[u8]| {
        (TARGET.run)(bytes);
    }
);
