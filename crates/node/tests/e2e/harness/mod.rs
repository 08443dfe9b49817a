//! What the stories are told with.

pub mod byway;
pub mod download;
pub mod network;
pub mod people;
pub mod process;
pub mod small_disk;
pub mod spaces;
pub mod stranger;
pub mod web;

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a step may take that usually takes a second or two. Machines that build beside testing are slow.
pub const SOON: Duration = Duration::from_secs(60);
/// How long a step may take that includes noticing that somebody is gone.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks.
const LOOK_PAUSE: Duration = Duration::from_millis(50);

/// Holds the machine's own network for one story. They wait for most of their time, so one of the [others](turn_in_spaces) may
/// happen beside it.
pub fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    locked(&TURN)
}

/// Holds the networks that are made for one story.
pub fn turn_in_spaces() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    locked(&TURN)
}

/// A story that failed has nothing to do with the next one.
fn locked(turn: &'static Mutex<()>) -> MutexGuard<'static, ()> {
    turn.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks until there is something to be seen.
pub fn eventually<T>(what: &str, patience: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    eventually_or(what, patience, || look().ok_or_else(String::new))
}

/// As [`eventually`]; on failure it shows what was seen last instead.
pub fn eventually_or<T>(what: &str, patience: Duration, mut look: impl FnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    loop {
        match look() {
            Ok(seen) => return seen,
            Err(last) => {
                let seconds = patience.as_secs();
                assert!(begun.elapsed() < patience, "not seen within {seconds} s: {what}; last: {last}");
            }
        }
        std::thread::sleep(LOOK_PAUSE);
    }
}

/// Says how far a story is, with the time it took to get there.
pub struct Story {
    name: &'static str,
    begun: Instant,
}

impl Story {
    pub fn begin(name: &'static str) -> Self {
        Self { name, begun: Instant::now() }
    }

    pub fn tell(&self, step: impl std::fmt::Display) {
        println!("{} {:6.1} s  {step}", self.name, self.begun.elapsed().as_secs_f32());
    }
}

/// Free ports of the loopback interface, all different: held together, then let go of.
pub fn free_ports<const N: usize>() -> [u16; N] {
    let held: Vec<(TcpListener, UdpSocket)> = std::iter::from_fn(|| Some(free_pair())).take(N).collect();
    std::array::from_fn(|index| held[index].0.local_addr().unwrap().port())
}

/// A port that is free for TCP and for UDP, of both address families.
fn free_pair() -> (TcpListener, UdpSocket) {
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = tcp.local_addr().unwrap().port();
        if let Ok(udp) = UdpSocket::bind(local(port)) {
            return (tcp, udp);
        }
    }
}

pub fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}
