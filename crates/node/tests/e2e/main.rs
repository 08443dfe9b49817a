//! The whole product as a user runs it: real processes, real sockets, real disks, `kill -9`.
//!
//! Each test is one story in a directory of its own, with free ports, and starts nothing but the `byway` binary. Stories
//! run one after the other, since each starts up to a dozen processes. Nothing is proved by waiting for a while: a step is
//! over when what it is about can be seen, and fails when that can't be seen within a generous time. A story that fails
//! shows the last lines of every process's log.
//!
//! - [`harness`]: processes, networks of processes, a web server, a download that resumes.
//! - [`network`]: seven kernel nodes, a relay, a provider and a client, killed one after the other under load.
//! - [`members`]: kernel nodes that join, leave, are killed and get other keys while payments go on.
//! - [`joining`]: a newcomer with a link and nothing else.
//! - [`local`]: `byway up` twice on one directory.
//! - [`blocked`]: a network that lets nothing through but a web site, in network namespaces (as root).
//! - [`caps`]: a provider whose month is spent.
//! - [`doctor`]: what `byway doctor` says in networks of every kind (as root).
//! - [`faults`]: bad input and faults at a node's front.
//! - [`tunnel`]: a client's machine, a provider's and the internet in network namespaces (as root).
//! - [`chain`]: an exit behind chosen hops, in namespaces (as root).
//! - [`channels`]: a game in a channel, in which a player is killed at any moment and that the ledger finishes.
//! - [`conversations`]: people who are away and held for, and a group of which one is removed and one killed.
//! - [`disks`]: people whose disk is full (as root), and two nodes on copies of one folder.
//! - [`ports`]: proxy ports that lead to one country each, beside the main one.
//! - [`forwarding`]: ports at an exit that lead to a program of the client's.
//! - [`recovery`]: lost disks of a provider and a client.
//! - [`plugged`]: a service in a program of its own.
//! - [`strangers`]: peers that keep to no rules, and a clock that was set back.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, in its helpers too")]

mod blocked;
mod caps;
mod chain;
mod channels;
mod conversations;
mod disks;
mod doctor;
mod faults;
mod forwarding;
mod harness;
mod joining;
mod local;
mod members;
mod network;
mod plugged;
mod ports;
mod recovery;
mod strangers;
mod tunnel;
