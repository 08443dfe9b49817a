//! Whole networks under virtual time, with faults: where a protocol runs before it meets a socket.
//!
//! - [`world`]: the scheduler. It drives pure machines as the real driver would, and is the network, the disks, the
//!   clocks and the power supply around them. A seed is a run, exactly.
//! - [`network`] and [`disk`]: what can go wrong there. [`random`]: the one source of chance.
//! - [`kernel`]: kernel nodes in it, adversaries by name, and the checks that hold in every run. [`purse`]: money.
//! - [`peer`]: market nodes in it: follower, wallet, dialogues, promises, sessions, and the bytes of downloads.
//! - [`quality`]: a market of good and bad providers over weeks, and a crowd that lies about them.
//! - [`whole`]: all of these in one network, with kernel nodes that lie to their clients, and one checker over it all.
//!
//! What kills at random points cost two market nodes, through streams and through tunnels, is tried where a run is cheap, without
//! a network around them: `crates/peer/tests/market/kills.rs`.
//!
//! It runs the production code; nothing is replaced but the driver. It measures no real time and is no benchmark.

pub mod disk;
pub mod kernel;
pub mod network;
pub mod peer;
pub mod purse;
pub mod quality;
pub mod random;
pub mod whole;
pub mod world;

pub use kernel::{KernelSim, Setup};
pub use whole::{Plan, WholeSim};
pub use world::{Act, CrashAtPersist, Event, Machine, Observer, World};
