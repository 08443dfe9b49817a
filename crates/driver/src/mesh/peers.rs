//! One task for each seat: keeps one live connection to the member that sits there, if any, until another does.
//!
//! Which connection stays, when there are two, must come out the same on both sides, also when one of them doesn't know
//! its own seat, or has none:
//!
//! 1. A connection with another *instance* of the peer's process means that the old process is gone: the new one stays.
//! 2. Two connections opened by the same side: the newer stays, since a side opens one only after losing the other.
//! 3. Otherwise the one opened by the lower static key stays. So while the lower key is dialling and the other side's
//!    connection comes in, it waits for the outcome before it takes that one instead.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use byway_crypto::noise::StaticKey;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep_until, timeout};

use super::frame::{FrameReader, HEADER, Kind};
use super::outbox::Outbox;
use super::seats::SeatWatch;
use super::wire::{self, Opener, Refusal, Role, Secured};
use super::{CloseReason, ConnectError, FRAME_MAX, Member, MeshEvent, Payload, PeerIndex, Shared, connection};
use crate::entropy;

/// Connections from one peer that wait to be looked at. There is rarely more than one.
pub(super) const ARRIVALS_MAX: usize = 4;

type Attempt = Pin<Box<dyn Future<Output = Result<Secured, ConnectError>> + Send>>;

/// Connections that were opened by who had the seat when the door looked.
pub(super) type Arriving = mpsc::Receiver<Box<Secured>>;

/// Keeps the seat of `peer` connected, for ever.
pub(super) async fn run(shared: Arc<Shared>, peer: PeerIndex, mut arriving: Arriving, events: mpsc::Sender<MeshEvent>) {
    let mut seat = shared.seats.watch(peer);
    let mut member = seat.now();
    loop {
        member = match member {
            Some(member) => {
                let slot = Slot::new(shared.clone(), peer, member, events.clone());
                slot.keep(&mut arriving, &mut seat).await
            }
            None => keep_empty(&shared, &mut arriving, &mut seat).await,
        };
    }
}

/// Waits for somebody to take the seat; gives who.
async fn keep_empty(shared: &Shared, arriving: &mut Arriving, seat: &mut SeatWatch) -> Option<Arc<Member>> {
    loop {
        tokio::select! {
            biased;
            next = seat.after(None) => return next,
            Some(arrival) = arriving.recv() => shared.turn_away(*arrival, Refusal::NotAMember).await,
        }
    }
}

/// The state of the connection to one member in its seat.
struct Slot {
    shared: Arc<Shared>,
    peer: PeerIndex,
    member: Arc<Member>,
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

/// Whether a connection that we opened stays, when both sides opened one.
fn ours_stays(own: StaticKey, theirs: StaticKey) -> bool {
    own < theirs
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
    fn new(shared: Arc<Shared>, peer: PeerIndex, member: Arc<Member>, events: mpsc::Sender<MeshEvent>) -> Self {
        let backoff = shared.limits.redial_min;
        let mut slot = Self {
            shared,
            peer,
            member,
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

    fn ours_stays(&self) -> bool {
        ours_stays(self.shared.own_key, self.member.key)
    }

    /// Keeps the connection until the seat changes hands; gives who has it then.
    async fn keep(mut self, arriving: &mut Arriving, seat: &mut SeatWatch) -> Option<Arc<Member>> {
        let next = loop {
            let idle = self.live.is_none() && self.attempt.is_none();
            tokio::select! {
                // A change comes first, because what arrives after it is for whoever has the seat then.
                biased;
                next = seat.after(Some(&self.member)) => break next,
                reason = ended(&mut self.live) => self.down(reason).await,
                Some(arrival) = arriving.recv() => self.arrive(*arrival).await,
                outcome = attempted(&mut self.attempt) => self.dialled(outcome).await,
                () = sleep_until(self.dial_at), if idle => self.dial(),
            }
        };
        self.attempt = None;
        self.held = None;
        if self.live.is_some() {
            self.down(CloseReason::NoMember).await;
        }
        next
    }

    fn dial(&mut self) {
        let (shared, member) = (self.shared.clone(), self.member.clone());
        self.attempt = Some(Box::pin(async move { dial(&shared, &member).await }));
    }

    async fn arrive(&mut self, arrival: Secured) {
        if arrival.remote != self.member.key {
            // The seat changed hands while it waited.
            return self.shared.turn_away(arrival, Refusal::NotAMember).await;
        }
        let live = self.live.as_ref().map(|live| (live.instance, live.opener));
        match judge(live, self.attempt.is_some(), self.ours_stays(), arrival.instance) {
            Verdict::Take => self.take(arrival).await,
            Verdict::Hold => self.held = Some(arrival),
            Verdict::Refuse => self.shared.turn_away(arrival, Refusal::Duplicate).await,
        }
    }

    async fn dialled(&mut self, outcome: Result<Secured, ConnectError>) {
        self.attempt = None;
        match outcome {
            Ok(secured) => {
                if let Some(held) = self.held.take() {
                    self.shared.turn_away(held, Refusal::Duplicate).await;
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
        if !shared.seats.open(peer, &self.member, outbox.clone()) {
            // The seat has just changed hands, which is seen to next.
            return;
        }
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
        self.shared.seats.close(self.peer);
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
    let handshake = wire::initiate(stream, &shared.own, Role::Member, member.key, &seed);
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
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn both_sides_keep_the_same_one(a: [u8; 32], b: [u8; 32]) {
            let (a, b) = (StaticKey(a), StaticKey(b));
            prop_assert_eq!(ours_stays(a, b), !ours_stays(b, a) && a != b);
        }
    }

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
