//! The door: accepts connections, has them authenticate in bounded time and number, and sends them where they belong.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio::time::{sleep, timeout};

use super::wire::{self, Refusal, RespondError, Role, Secured};
use super::{MeshEvent, Shared, clients};
use crate::entropy;

/// After the operating system could not accept (no file descriptors left, as a rule).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The outcome of a handshake, and from where it came. `None`: it took too long.
type Outcome = (IpAddr, Option<Result<Secured, RespondError>>);

pub(super) async fn run(
    shared: Arc<Shared>,
    listener: TcpListener,
    arrivals: Vec<mpsc::Sender<Box<Secured>>>,
    events: mpsc::Sender<MeshEvent>,
) {
    let mut door =
        Door { shared, arrivals, events, handshakes: JoinSet::new(), order: VecDeque::new(), serving: JoinSet::new() };
    let mut failing = false;
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => {
                    failing = false;
                    door.greet(stream, address.ip());
                }
                Err(error) => {
                    if !failing {
                        tracing::warn!(%error, "connections can't be accepted; trying again");
                        failing = true;
                    }
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(outcome) = door.handshakes.join_next() => {
                if let Some((secured, address)) = door.authenticated(outcome) {
                    door.enter(secured, address);
                }
            }
            Some(_) = door.serving.join_next() => {}
        }
    }
}

struct Door {
    shared: Arc<Shared>,
    /// By seat.
    arrivals: Vec<mpsc::Sender<Box<Secured>>>,
    events: mpsc::Sender<MeshEvent>,
    handshakes: JoinSet<Outcome>,
    /// The handshakes under way, oldest first; may hold some that are done.
    order: VecDeque<AbortHandle>,
    /// Clients, and those who are told that they can't come in.
    serving: JoinSet<()>,
}

impl Door {
    /// Begins a handshake, at the cost of the oldest if there are too many.
    fn greet(&mut self, stream: TcpStream, address: IpAddr) {
        let counting = &self.shared.counting;
        counting.count(&counting.accepted);
        self.order.retain(|handshake| !handshake.is_finished());
        while self.order.len() >= self.shared.limits.handshakes_max.max(1) {
            if let Some(oldest) = self.order.pop_front() {
                oldest.abort();
            }
        }
        let shared = self.shared.clone();
        self.order.push_back(self.handshakes.spawn(async move {
            if stream.set_nodelay(true).is_err() {
                return (address, Some(Err(RespondError::Malformed)));
            }
            let seed = entropy::seed();
            let handshake = wire::respond(stream, &shared.own, &seed);
            (address, timeout(shared.limits.handshake_max, handshake).await.ok())
        }));
    }

    /// The connection that came out of a handshake, and from where; counts it if there is none.
    fn authenticated(&self, outcome: Result<Outcome, JoinError>) -> Option<(Secured, IpAddr)> {
        let counting = &self.shared.counting;
        let (address, handshake) = match outcome {
            Ok((address, Some(handshake))) => (address, handshake),
            Ok((_, None)) => {
                counting.count(&counting.handshakes_timed_out);
                return None;
            }
            Err(error) => {
                if error.is_cancelled() {
                    counting.count(&counting.handshakes_timed_out);
                } else {
                    tracing::error!(%error, "a handshake panicked");
                }
                return None;
            }
        };
        match handshake {
            Ok(secured) => Some((secured, address)),
            Err(error) => {
                tracing::debug!(%address, ?error, "a handshake failed");
                counting.not_responded(error);
                None
            }
        }
    }

    /// Sends an authenticated connection where it belongs.
    fn enter(&mut self, secured: Secured, address: IpAddr) {
        let shared = self.shared.clone();
        match (secured.role, shared.seats.seat_of(secured.remote)) {
            (Role::Client, _) => {
                self.serving.spawn(clients::serve(shared, secured, address, self.events.clone()));
            }
            (Role::Member, Some(seat)) => {
                // More at once than an honest peer opens: dropped.
                if self.arrivals[seat].try_send(Box::new(secured)).is_err() {
                    shared.counting.refused(Refusal::Duplicate);
                }
            }
            (Role::Member, None) => {
                self.serving.spawn(async move { shared.turn_away(secured, Refusal::NotAMember).await });
            }
        }
    }
}
