//! The machine's network, in network namespaces and as root: what leaves is what a capture on the other end of the cable
//! sees. Nothing outside the namespaces is changed, but for two control groups.
//!
//! - [`namespace`]: namespaces, cables between them, captures; all of it goes away when dropped.
//! - [`actor`]: the code under test and the programs around it, in processes of their own, since a process is in one
//!   namespace. An actor is this test binary again, told by its environment what to be.

mod actor;
mod client;
mod domains;
mod name_server;
mod namespace;
mod programs;
mod provider;
