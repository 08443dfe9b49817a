//! Whole networks under virtual time, with faults: where a protocol runs before it meets a socket.
//!
//! - [`world`]: the scheduler. It drives pure machines as the real driver would, and is the network, the disks, the
//!   clocks and the power supply around them. A seed is a run, exactly.
//! - [`network`] and [`disk`]: what can go wrong there. [`random`]: the one source of chance.
//! - [`kernel`]: kernel nodes in it, adversaries by name, and the checks that hold in every run. [`purse`]: money.
//!
//! It runs the production code; nothing is replaced but the driver. It measures no real time and is no benchmark.

pub mod disk;
pub mod kernel;
pub mod network;
pub mod purse;
pub mod random;
pub mod world;

pub use kernel::{KernelSim, Setup};
pub use world::{Act, CrashAtPersist, Event, Machine, Observer, World};
