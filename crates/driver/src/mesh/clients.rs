//! The clients of a mesh: strangers, so every one of them is bounded in all it can use.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::time::{Instant, sleep_until, timeout};

use super::frame::{Frame, FrameReader, Kind};
use super::limits::ClientLimits;
use super::outbox::{Outbox, Outgoing};
use super::wire::{Refusal, Secured};
use super::{ClientId, CloseReason, MeshEvent, Origin, Payload, SendError, Shared, connection};

/// All clients that are connected now.
pub(super) struct Clients {
    connected: Mutex<BTreeMap<ClientId, Arc<Client>>>,
    next: AtomicU64,
    /// Bytes received from all of them and not yet consumed.
    incoming: Arc<Semaphore>,
}

struct Client {
    outbox: Arc<Outbox>,
    /// From where it connects, as far as one holder of addresses can't vary it.
    origin: IpAddr,
    /// Requests that wait for their reply.
    asked: Mutex<BTreeSet<u64>>,
    answered: Notify,
}

impl Clients {
    pub(super) fn new(limits: &ClientLimits) -> Self {
        let incoming = limits.incoming_bytes_max.max(limits.request_max + 1);
        Self {
            connected: Mutex::default(),
            next: AtomicU64::new(1),
            incoming: Arc::new(Semaphore::new(incoming.min(Semaphore::MAX_PERMITS))),
        }
    }

    pub(super) fn reply(&self, client: ClientId, request_id: u64, bytes: Bytes) -> Result<(), SendError> {
        let client = self.find(client).ok_or(SendError::NotConnected)?;
        if !client.asked().remove(&request_id) {
            return Err(SendError::NotAsked);
        }
        client.answered.notify_one();
        client.outbox.push(Outgoing { kind: Kind::Reply, id: Some(request_id), body: bytes })
    }

    pub(super) fn push(&self, client: ClientId, bytes: Bytes) -> Result<(), SendError> {
        let client = self.find(client).ok_or(SendError::NotConnected)?;
        client.outbox.push(Outgoing { kind: Kind::Push, id: None, body: bytes })
    }

    pub(super) fn close(&self, client: ClientId) {
        if let Some(client) = self.find(client) {
            client.outbox.close(CloseReason::ClosedHere);
        }
    }

    pub(super) fn close_all(&self) {
        for client in std::mem::take(&mut *self.lock()).into_values() {
            client.outbox.close(CloseReason::ClosedHere);
        }
    }

    /// Makes room for one more, if there is any.
    fn admit(&self, address: IpAddr, limits: &super::Limits) -> Option<(ClientId, Arc<Client>)> {
        let origin = origin(address);
        let mut connected = self.lock();
        let from_there = connected.values().filter(|client| client.origin == origin).count();
        if connected.len() >= limits.clients.count_max || from_there >= limits.clients.per_address_max {
            return None;
        }
        let id = ClientId(self.next.fetch_add(1, Ordering::Relaxed));
        let client = Arc::new(Client {
            outbox: Arc::new(Outbox::new(limits.outgoing_bytes_max)),
            origin,
            asked: Mutex::default(),
            answered: Notify::new(),
        });
        connected.insert(id, client.clone());
        Some((id, client))
    }

    fn find(&self, client: ClientId) -> Option<Arc<Client>> {
        self.lock().get(&client).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ClientId, Arc<Client>>> {
        self.connected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Client {
    fn asked(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves one client until it goes.
pub(super) async fn serve(shared: Arc<Shared>, mut secured: Secured, address: IpAddr, events: mpsc::Sender<MeshEvent>) {
    let Some((id, client)) = shared.clients.admit(address, &shared.limits) else {
        return shared.turn_away(secured, Refusal::Full).await;
    };
    shared.counting.count(&shared.counting.clients_up);
    let ready = timeout(shared.limits.handshake_max, secured.send(Kind::Ready, &[])).await;
    let mut has_asked = false;
    let reason = if matches!(ready, Ok(Ok(()))) {
        let reading = read(&shared, id, &client, secured.reader, &events, &mut has_asked);
        connection::run(client.outbox.clone(), secured.writer, &shared.limits, reading).await
    } else {
        CloseReason::Ended
    };
    shared.clients.lock().remove(&id);
    shared.counting.count(&shared.counting.clients_down);
    shared.counting.closed(&reason);
    tracing::debug!(client = id.0, %reason, "client disconnected");
    if has_asked {
        // When nobody receives any more the mesh is about to end.
        let _ = events.send(MeshEvent::ClientDown(id)).await;
    }
}

async fn read(
    shared: &Shared,
    id: ClientId,
    client: &Client,
    mut reader: FrameReader,
    events: &mpsc::Sender<MeshEvent>,
    has_asked: &mut bool,
) -> CloseReason {
    let limits = &shared.limits.clients;
    reader.body_max = limits.request_max + size_of::<u64>();
    reader.silence_max = shared.limits.silence_max;
    reader.frame_time_max = shared.limits.frame_time_max;
    let mut pace = Pace::new(limits);
    let origin = Origin::new(client.origin, id);
    loop {
        let (request_id, body) = match reader.next().await.and_then(request) {
            Ok(request) => request,
            Err(reason) => return reason,
        };
        if let Some(until) = pace.next(Instant::now()) {
            sleep_until(until).await;
        }
        while client.asked().len() >= limits.in_flight_max {
            client.answered.notified().await;
        }
        if !client.asked().insert(request_id) {
            return CloseReason::Malformed("a second request with the id of an open one");
        }
        let Ok(permit) = shared.clients.incoming.clone().acquire_many_owned(body.len() as u32 + 1).await else {
            return CloseReason::ClosedHere;
        };
        *has_asked = true;
        let event = MeshEvent::ClientFrame { client: id, origin, request_id, bytes: Payload::new(body, permit) };
        if events.send(event).await.is_err() {
            return CloseReason::ClosedHere;
        }
    }
}

fn request(frame: Frame) -> Result<(u64, Bytes), CloseReason> {
    match frame.kind {
        Kind::Request => frame.split_id(),
        _ => Err(CloseReason::Malformed("a frame that is not for clients")),
    }
}

/// An address, or for IPv6 the /64 that one household holds.
fn origin(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

impl Origin {
    /// A /64 is 64 bits. IPv4 addresses get a range of IPv6 that nobody has (::/32), and connections from this machine
    /// another (multicast).
    fn new(origin: IpAddr, client: ClientId) -> Self {
        const THIS_MACHINE: u64 = 0xff << 56;
        match origin {
            origin if origin.is_loopback() || origin == LOOPBACK_64 => Self(THIS_MACHINE | client.0),
            IpAddr::V4(address) => Self(u64::from(address.to_bits())),
            IpAddr::V6(address) => Self((address.to_bits() >> 64) as u64),
        }
    }
}

/// The /64 of IPv6's address for the same machine.
const LOOPBACK_64: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// How fast requests may come: `rate_max` in a second on average, `burst_max` at once.
struct Pace {
    interval: Duration,
    allowance: Duration,
    /// When the requests so far would have come, had they come evenly.
    even: Option<Instant>,
}

impl Pace {
    fn new(limits: &ClientLimits) -> Self {
        let interval = Duration::from_secs(1) / limits.rate_max.max(1);
        Self { interval, allowance: interval * limits.burst_max.saturating_sub(1), even: None }
    }

    /// Counts a request at `now`; gives until when it has to wait, if at all.
    fn next(&mut self, now: Instant) -> Option<Instant> {
        let even = self.even.map_or(now, |even| even.max(now));
        self.even = Some(even + self.interval);
        even.checked_sub(self.allowance).filter(|until| *until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_average_holds() {
        let limits = ClientLimits { rate_max: 10, burst_max: 3, ..ClientLimits::default() };
        let mut pace = Pace::new(&limits);
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        for (now, expected) in [(0, None), (0, None), (0, None), (0, Some(100)), (100, Some(200)), (900, None)] {
            assert_eq!(pace.next(at(now)), expected.map(at), "at {now} ms");
        }
    }

    #[test]
    fn one_household_is_one_origin() {
        let same = |a: &str, b: &str| origin(a.parse().expect("a")) == origin(b.parse().expect("b"));
        assert!(same("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"));
        assert!(!same("2001:db8:1:2::1", "2001:db8:1:3::1"));
        assert!(same("::ffff:10.0.0.1", "10.0.0.1"));
        assert!(!same("10.0.0.1", "10.0.0.2"));
    }

    #[test]
    fn connections_from_the_same_machine_are_told_apart() {
        let of = |address: &str, client| Origin::new(origin(address.parse().expect("an address")), ClientId(client));
        // An address, another, and whether two clients are of one origin.
        let rows = [
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
            ("10.0.0.1", "::ffff:10.0.0.1", true),
            ("2001:db8::1", "2001:db8::2", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("127.0.0.1", "127.0.0.1", false),
            ("::1", "::1", false),
            ("0.0.0.1", "::1", false),
        ];
        for (one, other, is_one) in rows {
            assert_eq!(of(one, 1) == of(other, 2), is_one, "{one} {other}");
            assert_eq!(of(one, 1), of(one, 1));
        }
    }
}
