//! The rig of the tests of `byway-channel`, as it is: there it is driven by bytes drawn at random, here by those of a fuzzer.
//!
//! It stands with those tests because it needs the ledger, which `byway-channel` must not see but in tests.

#[path = "../../../crates/channel/tests/channel/drive.rs"]
pub mod drive;
#[path = "../../../crates/channel/tests/channel/ends.rs"]
mod ends;
#[path = "../../../crates/channel/tests/channel/handing_in.rs"]
mod handing_in;
#[path = "../../../crates/channel/tests/channel/hostile.rs"]
pub mod hostile;
#[path = "../../../crates/channel/tests/channel/scene.rs"]
mod scene;
#[path = "../../../crates/channel/tests/channel/strict.rs"]
mod strict;
#[path = "../../../crates/ledger/tests/ledger/world.rs"]
mod world;
