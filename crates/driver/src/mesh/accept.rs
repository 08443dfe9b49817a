//! The door: accepts connections, has them authenticate in bounded time and number, and sends them where they belong.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio::time::{sleep, timeout};

use super::wire::{self, Refusal, RespondError, Secured};
use super::{MeshEvent, Shared, clients};
use crate::entropy;

/// After the operating system could not accept (no file descriptors left, as a rule).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The outcome of a handshake, and from where it came. `None`: it took too long.
type Outcome = (IpAddr, Option<Result<Secured, RespondError>>);

pub(super) async fn run(
    shared: Arc<Shared>,
    listener: TcpListener,
    arrivals: Vec<mpsc::Sender<Secured>>,
    events: mpsc::Sender<MeshEvent>,
) {
    let mut door = Door { shared, arrivals, events, handshakes: JoinSet::new(), order: VecDeque::new() };
    let mut clients = JoinSet::new();
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
                if let Some((client, address)) = door.enter(outcome) {
                    clients.spawn(clients::serve(door.shared.clone(), client, address, door.events.clone()));
                }
            }
            Some(_) = clients.join_next() => {}
        }
    }
}

struct Door {
    shared: Arc<Shared>,
    arrivals: Vec<mpsc::Sender<Secured>>,
    events: mpsc::Sender<MeshEvent>,
    handshakes: JoinSet<Outcome>,
    /// The handshakes under way, oldest first; may hold some that are done.
    order: VecDeque<AbortHandle>,
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

    /// Sends an authenticated connection where it belongs; gives it back if it is a client's.
    fn enter(&mut self, outcome: Result<Outcome, JoinError>) -> Option<(Secured, IpAddr)> {
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
        let secured = match handshake {
            Ok(secured) => secured,
            Err(error) => {
                tracing::debug!(%address, ?error, "a handshake failed");
                counting.not_responded(error);
                return None;
            }
        };
        let Some(index) = self.shared.members.iter().position(|member| member.key == secured.remote) else {
            return Some((secured, address));
        };
        // From ourselves, or more at once than an honest peer opens: dropped.
        if index == usize::from(self.shared.own_index) || self.arrivals[index].try_send(secured).is_err() {
            counting.refused(Refusal::Duplicate);
        }
        None
    }
}
