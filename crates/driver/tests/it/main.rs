//! Everything here uses the real thing: real files, real sockets on loopback, real processes that are killed.

mod disk;
mod link;
mod mesh;
mod pool;
mod relay;
mod socks;
