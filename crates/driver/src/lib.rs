//! The asynchronous shell: everything that touches the world, so that the machines needn't.
//!
//! A machine is pure: it is told the time and what arrived, and says what it wants written, sent and woken. This crate
//! carries that out, and knows no protocol above bytes.
//!
//! - [`disk`]: durable storage with group commit; what a `Persist` becomes.
//! - [`mesh`]: authenticated connections between kernel nodes, and of their clients, over TCP and Noise.
//! - [`clock`]: wall time that never goes back; [`entropy`]: the only source of randomness.
//! - [`pool`]: threads for work that is only computing, such as checking signatures.
//! - [`link`]: links between peers over QUIC, direct or through a [`relay`] of one's own.
//! - [`nested`]: links inside sessions with others, so that the other end sees those alone.
//! - [`disguise`]: the way to that relay from networks that block it, behind a web site.
//! - [`socks`]: the SOCKS listener, and the path of its bytes; [`exit`]: where they come out.
//! - [`names`]: DNS as a middleman, at exits and where names decide which way packets go.
//! - [`forwarding`]: ports at the exit that lead the other way, to a program of the client's.
//! - [`tunnel`]: the same for whole IP packets: WireGuard between a client and a provider.
//! - [`service`]: the streams of a service that plugs in, from one program to another.
//! - [`program_socket`]: how the node and such a program reach each other.
//! - [`slices`]: a tunnel's datagrams over several relays, at the client, the relay and the exit.
//! - [`meter`] and [`gate`]: what both count of a session, and how both hold it back when it isn't paid for.
//! - [`pace`]: how fast a session may go.
//! - [`host_network`]: the machine's firewall, routes and resolver while the IP tunnel is in use.
//!
//! What is not here: decisions. Whom to dial, what to pay, when to give up on a peer is said by machines.

pub mod clock;
pub mod disguise;
pub mod disk;
pub mod entropy;
pub mod exit;
pub mod forwarding;
pub mod gate;
pub mod host_network;
pub mod link;
pub mod mesh;
pub mod meter;
pub mod mirror;
pub mod names;
pub mod nested;
pub mod pace;
pub mod pool;
pub mod program_socket;
pub mod relay;
pub mod service;
pub mod slices;
pub mod socks;
pub mod tunnel;
