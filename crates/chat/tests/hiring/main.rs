//! A bot that is hired is paid for what it answers, once, and for one answer more at the most, whatever either side says.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, in its helpers too")]

mod formats;
mod laws;
mod rig;
mod tables;
