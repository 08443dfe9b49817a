//! What is held for somebody who is away arrives, once, whatever holders do.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, in its helpers too")]

mod client;
mod fixed;
mod formats;
mod holder;
mod rig;
mod sim;

#[test]
fn a_third_of_the_holders_fail_and_every_message_arrives_once() {
    let is_long = std::env::var_os("BYWAY_TEST_LONG").is_some();
    sim::run(1, if is_long { 1_000_000 } else { 10_000 });
}
