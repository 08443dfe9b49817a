//! One task for each other member: keeps one live connection to it.
//!
//! Which connection stays, when there are two, must come out the same on both sides:
//!
//! 1. A connection with another *instance* of the peer's process means that the old process is gone: the new one stays.
//! 2. Two connections opened by the same side: the newer stays, since a side opens one only after losing the other.
//! 3. Otherwise the one opened by the lower index stays. So while the lower index is dialling and the other side's
//!    connection comes in, it waits for the outcome before it takes that one instead.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep_until, timeout};

use super::frame::{FrameReader, HEADER, Kind};
use super::outbox::Outbox;
use super::wire::{self, Opener, Refusal, Secured};
use super::{CloseReason, ConnectError, FRAME_MAX, Member, MeshEvent, Payload, PeerIndex, Shared, connection};
use crate::entropy;

/// Connections from one peer that wait to be looked at. There is rarely more than one.
pub(super) const ARRIVALS_MAX: usize = 4;

type Attempt = Pin<Box<dyn Future<Output = Result<Secured, ConnectError>> + Send>>;

/// Keeps the connection to `peer`, for ever. `arriving` are connections that the peer opened.
pub(super) async fn run(
    shared: Arc<Shared>,
    peer: PeerIndex,
    mut arriving: mpsc::Receiver<Secured>,
    events: mpsc::Sender<MeshEvent>,
) {
    let mut slot = Slot::new(shared, peer, events);
    loop {
        let idle = slot.live.is_none() && slot.attempt.is_none();
        tokio::select! {
            reason = ended(&mut slot.live) => slot.down(reason).await,
            Some(arrival) = arriving.recv() => slot.arrive(arrival).await,
            outcome = attempted(&mut slot.attempt) => slot.dialled(outcome).await,
            () = sleep_until(slot.dial_at), if idle => slot.dial(),
        }
    }
}

/// The state of the connection to one peer.
struct Slot {
    shared: Arc<Shared>,
    peer: PeerIndex,
    events: mpsc::Sender<MeshEvent>,
    live: Option<Live>,
    /// Our own dialling, from the first packet on.
    attempt: Option<Attempt>,
    /// A connection of theirs that waits for the outcome of our attempt.
    held: Option<Secured>,
    dial_at: Instant,
    backoff: Duration,
    /// The last error that was logged, so that a peer that stays away is told once.
    logged: Option<String>,
}

struct Live {
    instance: u64,
    opener: Opener,
    running: Pin<Box<dyn Future<Output = CloseReason> + Send>>,
}

/// What to do with a connection that the peer opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Take,
    Hold,
    Refuse,
}

/// The rule in the module's doc. `live` is instance and opener of the connection there is.
fn judge(live: Option<(u64, Opener)>, dialling: bool, ours_stays: bool, arrival_instance: u64) -> Verdict {
    match live {
        None if dialling && ours_stays => Verdict::Hold,
        Some((instance, Opener::Us)) if instance == arrival_instance && ours_stays => Verdict::Refuse,
        _ => Verdict::Take,
    }
}

impl Slot {
    fn new(shared: Arc<Shared>, peer: PeerIndex, events: mpsc::Sender<MeshEvent>) -> Self {
        let backoff = shared.limits.redial_min;
        let mut slot = Self {
            shared,
            peer,
            events,
            live: None,
            attempt: None,
            held: None,
            dial_at: Instant::now(),
            backoff,
            logged: None,
        };
        if !slot.ours_stays() {
            // The other side dials too, and its connection would stay: give it a moment.
            slot.dial_at += jittered(backoff);
        }
        slot
    }

    /// Whether a connection that we opened stays, when both sides opened one.
    fn ours_stays(&self) -> bool {
        self.shared.own_index < self.peer
    }

    fn dial(&mut self) {
        let (shared, peer) = (self.shared.clone(), self.peer);
        self.attempt = Some(Box::pin(async move {
            let member = &shared.members[usize::from(peer)];
            dial(&shared, member).await
        }));
    }

    async fn arrive(&mut self, arrival: Secured) {
        let live = self.live.as_ref().map(|live| (live.instance, live.opener));
        match judge(live, self.attempt.is_some(), self.ours_stays(), arrival.instance) {
            Verdict::Take => self.take(arrival).await,
            Verdict::Hold => self.held = Some(arrival),
            Verdict::Refuse => {
                self.shared.counting.refused(Refusal::Duplicate);
                arrival.refuse(Refusal::Duplicate).await;
            }
        }
    }

    async fn dialled(&mut self, outcome: Result<Secured, ConnectError>) {
        self.attempt = None;
        match outcome {
            Ok(secured) => {
                if let Some(held) = self.held.take() {
                    self.shared.counting.refused(Refusal::Duplicate);
                    held.refuse(Refusal::Duplicate).await;
                }
                self.up(secured).await;
            }
            Err(error) => {
                self.log_unreachable(&error);
                self.dial_later();
                if let Some(held) = self.held.take() {
                    self.take(held).await;
                }
            }
        }
    }

    /// Takes a connection that the peer opened into use.
    async fn take(&mut self, mut arrival: Secured) {
        let ready = timeout(self.shared.limits.handshake_max, arrival.send(Kind::Ready, &[])).await;
        if !matches!(ready, Ok(Ok(()))) {
            return;
        }
        self.attempt = None;
        if self.live.is_some() {
            self.down(CloseReason::Replaced).await;
        }
        self.up(arrival).await;
    }

    async fn up(&mut self, secured: Secured) {
        let (shared, peer, events) = (self.shared.clone(), self.peer, self.events.clone());
        let outbox = Arc::new(Outbox::new(shared.limits.outgoing_bytes_max));
        let (instance, opener) = (secured.instance, secured.opener);
        shared.set_outbox(peer, Some(outbox.clone()));
        shared.counting.count(&shared.counting.peers_up);
        self.backoff = shared.limits.redial_min;
        self.logged = None;
        tracing::info!(peer, ?opener, "peer connected");
        self.emit(MeshEvent::PeerUp(peer)).await;
        let running = Box::pin(async move {
            let reading = read(&shared, peer, secured.reader, &events);
            connection::run(outbox, secured.writer, &shared.limits, reading).await
        });
        self.live = Some(Live { instance, opener, running });
    }

    async fn down(&mut self, reason: CloseReason) {
        self.live = None;
        self.shared.set_outbox(self.peer, None);
        self.shared.counting.count(&self.shared.counting.peers_down);
        self.shared.counting.closed(&reason);
        tracing::info!(peer = self.peer, %reason, "peer disconnected");
        self.dial_later();
        self.emit(MeshEvent::PeerDown { peer: self.peer, reason }).await;
    }

    fn dial_later(&mut self) {
        self.dial_at = Instant::now() + jittered(self.backoff);
        self.backoff = (self.backoff * 2).min(self.shared.limits.redial_max);
    }

    fn log_unreachable(&mut self, error: &ConnectError) {
        if matches!(error, ConnectError::Duplicate) {
            // Both dialled, and theirs is on its way to us.
            return;
        }
        let text = error.to_string();
        if self.logged.as_ref() != Some(&text) {
            tracing::warn!(peer = self.peer, error = %text, "peer can't be dialled; trying again");
            self.logged = Some(text);
        }
    }

    /// When nobody receives any more the mesh is about to end, and so is this task.
    async fn emit(&mut self, event: MeshEvent) {
        let _ = self.events.send(event).await;
    }
}

async fn ended(live: &mut Option<Live>) -> CloseReason {
    match live {
        Some(live) => live.running.as_mut().await,
        None => std::future::pending().await,
    }
}

async fn attempted(attempt: &mut Option<Attempt>) -> Result<Secured, ConnectError> {
    match attempt {
        Some(attempt) => attempt.as_mut().await,
        None => std::future::pending().await,
    }
}

async fn dial(shared: &Shared, member: &Member) -> Result<Secured, ConnectError> {
    let unreachable = |source| ConnectError::Unreachable { address: member.address.clone(), source };
    let connected = timeout(shared.limits.connect_max, TcpStream::connect(&member.address)).await;
    let stream = connected.map_err(|_| ConnectError::TimedOut)?.map_err(unreachable)?;
    stream.set_nodelay(true).map_err(unreachable)?;
    let seed = entropy::seed();
    let handshake = wire::initiate(stream, &shared.own, member.key, &seed);
    timeout(shared.limits.handshake_max, handshake).await.map_err(|_| ConnectError::TimedOut)?
}

/// Reads a peer's frames and hands them on, as fast as they are consumed.
async fn read(
    shared: &Shared,
    peer: PeerIndex,
    mut reader: FrameReader,
    events: &mpsc::Sender<MeshEvent>,
) -> CloseReason {
    reader.body_max = FRAME_MAX - HEADER;
    reader.silence_max = shared.limits.silence_max;
    reader.frame_time_max = shared.limits.frame_time_max;
    let bound = Arc::new(Semaphore::new(shared.limits.incoming_bytes_max.max(FRAME_MAX)));
    loop {
        let frame = match reader.next().await {
            Ok(frame) if frame.kind == Kind::Data => frame,
            Ok(_) => return CloseReason::Malformed("a frame that is not for members"),
            Err(reason) => return reason,
        };
        // Empty frames cost something too.
        let Ok(permit) = bound.clone().acquire_many_owned(frame.body.len() as u32 + 1).await else {
            return CloseReason::ClosedHere;
        };
        let event = MeshEvent::Frame { from: peer, bytes: Payload::new(frame.body, permit) };
        if events.send(event).await.is_err() {
            return CloseReason::ClosedHere;
        }
    }
}

/// Between half of `time` and one and a half, so that peers that lost each other don't meet again and again.
fn jittered(time: Duration) -> Duration {
    let millis = (time.as_millis() as u64).max(1);
    Duration::from_millis(millis / 2 + entropy::number() % millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_connection_stays() {
        use Opener::{Them, Us};
        for (live, dialling, ours_stays, arrival, expected) in [
            (None, false, true, 1, Verdict::Take),
            (None, false, false, 1, Verdict::Take),
            (None, true, true, 1, Verdict::Hold),
            (None, true, false, 1, Verdict::Take),
            (Some((1, Us)), false, true, 1, Verdict::Refuse),
            (Some((1, Us)), false, false, 1, Verdict::Take),
            (Some((1, Them)), false, true, 1, Verdict::Take),
            (Some((1, Them)), false, false, 1, Verdict::Take),
            (Some((1, Us)), false, true, 2, Verdict::Take),
            (Some((1, Them)), false, true, 2, Verdict::Take),
        ] {
            let case = (live, dialling, ours_stays, arrival);
            assert_eq!(judge(live, dialling, ours_stays, arrival), expected, "{case:?}");
        }
    }
}
