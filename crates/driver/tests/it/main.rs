//! Everything here uses the real thing: real files, real sockets on loopback, real processes that are killed, and as
//! root real network namespaces.

mod detour;
mod disguise;
mod disk;
mod forwarding;
#[cfg(target_os = "linux")]
mod host_network;
mod link;
mod mesh;
mod nested;
mod pool;
mod relay;
mod socks;
