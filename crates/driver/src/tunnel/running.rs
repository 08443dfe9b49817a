//! The tasks of a tunnel: one for each direction, one for packets that wait for their pace, and one for what is due by time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, sleep_until};

use super::carrier::Carrier;
use super::interface::Interface;
use super::outbox::Outbox;
use super::udp::{ReceiveBuffer, Udp};

/// How often WireGuard's timers are looked at.
const TICK: Duration = Duration::from_millis(250);
/// After an error the next try comes no sooner.
const ERROR_PAUSE: Duration = Duration::from_millis(10);
/// So many errors without anything between them, and it is over: ten seconds.
const ERRORS_MAX: u32 = 1000;
/// Errors that don't pass, by Linux's numbers (elsewhere it takes the ten seconds): the descriptor is bad (EBADF), in a bad
/// state (EBADFD), or its device gone (ENODEV).
const LASTING: [i32; 3] = [9, 77, 19];

type Failed = Arc<watch::Sender<Option<io::ErrorKind>>>;

/// Starts the tasks of a tunnel.
pub(super) fn start(
    carrier: &Arc<Carrier>,
    udp: &Arc<Udp>,
    interface: &Arc<Interface>,
    failed: &Failed,
    tasks: &mut JoinSet<()>,
) {
    tasks.spawn(outgoing(carrier.clone(), udp.clone(), interface.clone(), failed.clone()));
    tasks.spawn(incoming(carrier.clone(), udp.clone(), interface.clone(), failed.clone()));
    tasks.spawn(releasing(carrier.clone(), udp.clone(), interface.clone()));
    tasks.spawn(ticking(carrier.clone(), udp.clone()));
}

/// From the interface to the socket.
async fn outgoing(carrier: Arc<Carrier>, udp: Arc<Udp>, interface: Arc<Interface>, failed: Failed) {
    let (mut buffer, mut packets, mut outbox) = (interface.buffer(), Vec::new(), Outbox::default());
    let mut patience = Patience::default();
    loop {
        match interface.read(&mut buffer, &mut packets).await {
            Ok(()) => patience = Patience::default(),
            Err(error) => {
                if let Err(kind) = patience.after(&error) {
                    failed.send_replace(Some(kind));
                    return;
                }
                sleep(ERROR_PAUSE).await;
            }
        }
        carrier.outgoing(packets.drain(..), &mut outbox);
        udp.send(&mut outbox, &carrier.losses).await;
    }
}

/// From the socket to the interface.
async fn incoming(carrier: Arc<Carrier>, udp: Arc<Udp>, interface: Arc<Interface>, failed: Failed) {
    let (mut buffer, mut datagrams) = (ReceiveBuffer::new(), Vec::new());
    let (mut written, mut outbox) = (interface.joined(), Outbox::default());
    let mut patience = Patience::default();
    loop {
        match udp.receive(&mut buffer, &mut datagrams, &carrier.losses).await {
            Ok(()) => patience = Patience::default(),
            Err(error) => {
                if let Err(kind) = patience.after(&error) {
                    failed.send_replace(Some(kind));
                    return;
                }
                sleep(ERROR_PAUSE).await;
            }
        }
        carrier.incoming(datagrams.drain(..), |packet| written.push(packet), &mut outbox);
        interface.write(&mut written, &carrier.losses).await;
        udp.send(&mut outbox, &carrier.losses).await;
    }
}

/// Both ways, what had to wait for its pace.
async fn releasing(carrier: Arc<Carrier>, udp: Arc<Udp>, interface: Arc<Interface>) {
    let (mut written, mut outbox) = (interface.joined(), Outbox::default());
    loop {
        carrier.has_delayed().await;
        loop {
            let next = carrier.release(|packet| written.push(packet), &mut outbox);
            interface.write(&mut written, &carrier.losses).await;
            udp.send(&mut outbox, &carrier.losses).await;
            match next {
                Some(at) => {
                    tokio::select! {
                        () = sleep_until(at) => {}
                        () = carrier.has_delayed() => {}
                    }
                }
                None => break,
            }
        }
    }
}

async fn ticking(carrier: Arc<Carrier>, udp: Arc<Udp>) {
    let mut outbox = Outbox::default();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        carrier.tick(&mut outbox);
        udp.send(&mut outbox, &carrier.losses).await;
    }
}

/// Bears with errors for a while.
#[derive(Debug, Default)]
struct Patience {
    errors: u32,
}

impl Patience {
    /// Whether it is worth another try.
    fn after(&mut self, error: &io::Error) -> Result<(), io::ErrorKind> {
        self.errors += 1;
        let is_lasting = error.raw_os_error().is_some_and(|code| LASTING.contains(&code));
        if is_lasting || self.errors >= ERRORS_MAX { Err(error.kind()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_borne_for_a_while_and_what_lasts_is_not() {
        let (no_memory, refused) = (io::Error::from_raw_os_error(12), io::Error::from_raw_os_error(111));
        let mut patience = Patience::default();
        for _ in 1..ERRORS_MAX {
            assert_eq!(patience.after(&no_memory), Ok(()));
        }
        assert_eq!(patience.after(&refused), Err(refused.kind()));
        assert_eq!(Patience::default().after(&refused), Ok(()));
        for lasting in LASTING {
            assert!(Patience::default().after(&io::Error::from_raw_os_error(lasting)).is_err(), "{lasting}");
        }
    }
}
