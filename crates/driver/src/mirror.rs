//! A mirror: tells whoever asks from which address it was asked, and knocks on one of that address's ports (row A7).
//!
//! # The problem
//!
//! Behind routers that translate addresses nobody knows by itself how it looks from outside, or whether others get in. The
//! usual answer is a third party's STUN server. Here kernel nodes and relays answer, which a peer speaks to anyway.
//!
//! # How it goes
//!
//! ```text
//! asker                          mirror
//!   │── look ──────────────────────►│
//!   │◄───────────── seen: address, cookie
//!   │── knock: cookie, port ───────►│── from another socket: a packet to (the asker's address, port)
//!   │                               │◄─ the answer of whatever listens there, or a second of silence
//!   │◄────────────────────── knocked
//! ```
//!
//! The packet of a knock is one of QUIC in a version that does not exist, which every QUIC endpoint answers with those that it
//! speaks (RFC 9000, section 6). So a running node needs to do nothing, and no handshake is made. It comes from a socket that the
//! asker has never sent to, so a router that lets in only answers lets it not in.
//!
//! # What a stranger can do with it
//!
//! Each answer is shorter than what asked for it, so nothing is amplified. A cookie is of one source address and a minute or two,
//! so nobody has others knocked at: only addresses that can receive get one. A knock goes to the asker's own address, is asked for
//! by a packet longer than it, and comes once a second from one origin; so it is no scanner either. Looks and knocks are bounded
//! in all ([`LOOKS_PER_SECOND`], [`KNOCKS_MAX`]), and what is beyond is dropped in silence.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use byway_primitives::hash::Context;
use tokio::net::UdpSocket;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::entropy;

const MAGIC: &[u8; 8] = b"bywaymir";
const COOKIE: Context = Context("byway 1 mirror cookie");
const LOOK: u8 = 0;
const SEEN: u8 = 1;
const KNOCK: u8 = 2;
const KNOCKED: u8 = 3;
/// Longer than its answer.
const LOOK_BYTES: usize = 96;
/// Longer than the packet that it brings about.
const KNOCK_BYTES: usize = 1_280;
/// What QUIC demands of a first packet.
const PROBE_BYTES: usize = 1_200;
/// Of those versions that are reserved for never existing (RFC 9000, section 15).
const NO_VERSION: [u8; 4] = [0x1a, 0x2a, 0x3a, 0x4a];
/// Connection ids in a probe.
const ID_BYTES: usize = 8;

/// Looks answered in a second, of all askers together.
pub const LOOKS_PER_SECOND: u32 = 1_000;
/// Knocks under way at one time.
pub const KNOCKS_MAX: usize = 64;
/// Between two knocks that one origin asks for.
const KNOCK_PERIOD: Duration = Duration::from_secs(1);
/// Origins remembered; when there are more, knocks wait for the next period.
const ORIGINS_MAX: usize = 1_024;
/// A cookie is good for one to two of these.
const COOKIE_PERIOD: Duration = Duration::from_secs(60);
/// How long a knock listens for an answer.
const KNOCK_WAIT: Duration = Duration::from_secs(1);
/// How long an asker waits before it asks again, and how often it asks.
const ASK_WAIT: Duration = Duration::from_millis(700);
const ASK_TIMES: u32 = 3;
/// The pause after a socket complained.
const COMPLAINT_PAUSE: Duration = Duration::from_millis(50);

/// What a mirror saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    pub address: SocketAddr,
    cookie: [u8; 16],
}

/// A message, either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Message {
    Look { nonce: [u8; 16] },
    Seen { nonce: [u8; 16], seen: Seen },
    Knock { nonce: [u8; 16], cookie: [u8; 16], port: u16 },
    Knocked { nonce: [u8; 16], is_answered: bool },
}

impl Message {
    fn encode(&self) -> Vec<u8> {
        let (kind, nonce, length) = match self {
            Message::Look { nonce } => (LOOK, nonce, LOOK_BYTES),
            Message::Seen { nonce, .. } => (SEEN, nonce, 0),
            Message::Knock { nonce, .. } => (KNOCK, nonce, KNOCK_BYTES),
            Message::Knocked { nonce, .. } => (KNOCKED, nonce, 0),
        };
        let mut out = [&MAGIC[..], &[kind], nonce].concat();
        match self {
            Message::Look { .. } => {}
            Message::Seen { seen, .. } => {
                out.extend_from_slice(&seen.cookie);
                out.extend_from_slice(&mapped(seen.address.ip()).octets());
                out.extend_from_slice(&seen.address.port().to_be_bytes());
            }
            Message::Knock { cookie, port, .. } => {
                out.extend_from_slice(cookie);
                out.extend_from_slice(&port.to_be_bytes());
            }
            Message::Knocked { is_answered, .. } => out.push(u8::from(*is_answered)),
        }
        out.resize(out.len().max(length), 0);
        out
    }

    /// `None` for anything that [`encode`](Self::encode) does not give.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(MAGIC)?;
        let (kind, rest) = rest.split_first()?;
        let (nonce, rest) = rest.split_first_chunk()?;
        let nonce = *nonce;
        let message = match *kind {
            LOOK => Message::Look { nonce },
            SEEN => {
                let (cookie, rest) = rest.split_first_chunk()?;
                let (octets, rest) = rest.split_first_chunk::<16>()?;
                let (port, _) = rest.split_first_chunk()?;
                let address = SocketAddr::new(Ipv6Addr::from(*octets).to_canonical(), u16::from_be_bytes(*port));
                Message::Seen { nonce, seen: Seen { address, cookie: *cookie } }
            }
            KNOCK => {
                let (cookie, rest) = rest.split_first_chunk()?;
                let (port, _) = rest.split_first_chunk()?;
                Message::Knock { nonce, cookie: *cookie, port: u16::from_be_bytes(*port) }
            }
            KNOCKED => Message::Knocked { nonce, is_answered: *rest.first()? == 1 },
            _ => return None,
        };
        (message.encode() == bytes).then_some(message)
    }
}

/// Says whether `bytes` decode, and encode to the same again; for fuzz targets.
pub fn is_message(bytes: &[u8]) -> bool {
    Message::decode(bytes).is_some_and(|message| message.encode() == bytes)
}

/// A good message of each kind, for fuzz targets.
pub fn samples() -> Vec<Vec<u8>> {
    let (nonce, cookie) = ([1; 16], [2; 16]);
    let seen = Seen { address: SocketAddr::from(([192, 0, 2, 1], 7_300)), cookie };
    let messages = [
        Message::Look { nonce },
        Message::Seen { nonce, seen },
        Message::Knock { nonce, cookie, port: 7_300 },
        Message::Knocked { nonce, is_answered: true },
    ];
    messages.iter().map(Message::encode).collect()
}

fn mapped(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

/// Answers on a socket, for ever. It has no state that an asker could fill.
pub async fn serve(socket: UdpSocket) -> Infallible {
    let mirror = Arc::new(Mirror { socket, secret: entropy::seed(), started: Instant::now() });
    let (mut pace, knocking) = (Pace::new(mirror.started), Arc::new(Semaphore::new(KNOCKS_MAX)));
    let mut buffer = [0; KNOCK_BYTES + 1];
    loop {
        let (length, asker) = match mirror.socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            // What a packet of ours ran into, told late; the socket goes on.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
            // A packet that is too long for the buffer, where a system says so, or the system is short of something.
            Err(error) => {
                tracing::debug!(%error, "a mirror's socket complains");
                tokio::time::sleep(COMPLAINT_PAUSE).await;
                continue;
            }
        };
        let asker = SocketAddr::new(asker.ip().to_canonical(), asker.port());
        match Message::decode(&buffer[..length]) {
            Some(Message::Look { nonce }) if pace.may_look(Instant::now()) => {
                let seen = Seen { address: asker, cookie: mirror.cookie(asker.ip(), mirror.period()) };
                mirror.answer(asker, Message::Seen { nonce, seen }).await;
            }
            Some(Message::Knock { nonce, cookie, port }) if port != 0 && mirror.is_good(cookie, asker.ip()) => {
                let Ok(permit) = knocking.clone().try_acquire_owned() else { continue };
                if pace.may_knock(asker.ip(), Instant::now()) {
                    let mirror = mirror.clone();
                    tokio::spawn(async move {
                        let is_answered = mirror.knock(SocketAddr::new(asker.ip(), port)).await.unwrap_or(false);
                        mirror.answer(asker, Message::Knocked { nonce, is_answered }).await;
                        drop(permit);
                    });
                }
            }
            _ => {}
        }
    }
}

struct Mirror {
    socket: UdpSocket,
    secret: [u8; 32],
    started: Instant,
}

impl Mirror {
    fn period(&self) -> u64 {
        self.started.elapsed().as_secs() / COOKIE_PERIOD.as_secs()
    }

    fn cookie(&self, ip: IpAddr, period: u64) -> [u8; 16] {
        let digest = COOKIE.hash(&[&self.secret, &mapped(ip).octets(), &period.to_be_bytes()]).0;
        *digest.first_chunk().expect("a digest is longer than a cookie")
    }

    fn is_good(&self, cookie: [u8; 16], ip: IpAddr) -> bool {
        let period = self.period();
        [period, period.saturating_sub(1)].into_iter().any(|period| self.cookie(ip, period) == cookie)
    }

    async fn answer(&self, asker: SocketAddr, message: Message) {
        // Whoever can't be sent to has no use for an answer.
        let _ = self.socket.send_to(&message.encode(), asker).await;
    }

    /// Whether something that speaks QUIC answers at `target`.
    async fn knock(&self, target: SocketAddr) -> io::Result<bool> {
        let own = self.socket.local_addr()?.ip();
        let own = if own.is_ipv4() == target.is_ipv4() { own } else { unspecified(target) };
        let socket = UdpSocket::bind(SocketAddr::new(own, 0)).await?;
        socket.connect(target).await?;
        let id = entropy::number().to_be_bytes();
        socket.send(&probe(id)).await?;
        let mut buffer = [0; PROBE_BYTES];
        let answered = async {
            loop {
                let length = socket.recv(&mut buffer).await?;
                if is_answer(&buffer[..length], id) {
                    return io::Result::Ok(true);
                }
            }
        };
        timeout(KNOCK_WAIT, answered).await.unwrap_or(Ok(false))
    }
}

fn unspecified(like: SocketAddr) -> IpAddr {
    if like.is_ipv4() { IpAddr::from([0, 0, 0, 0]) } else { IpAddr::from([0; 16]) }
}

/// A QUIC packet of a version that nobody speaks.
fn probe(id: [u8; ID_BYTES]) -> Vec<u8> {
    let ids = [&[ID_BYTES as u8][..], &id, &[ID_BYTES as u8], &id].concat();
    let mut packet = [&[0xc0][..], &NO_VERSION, &ids].concat();
    packet.resize(PROBE_BYTES, 0);
    packet
}

/// What a QUIC endpoint says to a probe, for a socket that is no QUIC endpoint; `None` for what is no probe.
pub fn answer_to_knock(packet: &[u8]) -> Option<Vec<u8>> {
    let ids = packet.get(5..5 + 2 * (1 + ID_BYTES))?;
    let is_probe = packet.len() == PROBE_BYTES && packet.starts_with(&[0xc0]) && packet[1..5] == NO_VERSION;
    // The version that is answered with is the one that does not exist, so nobody goes on from here.
    is_probe.then(|| [&[0xc0, 0, 0, 0, 0][..], ids, &NO_VERSION].concat())
}

/// Whether this is version negotiation in answer to the probe with `id`.
fn is_answer(packet: &[u8], id: [u8; ID_BYTES]) -> bool {
    let ids = [&[ID_BYTES as u8][..], &id, &[ID_BYTES as u8], &id].concat();
    packet.len() > 5 && packet[0] & 0x80 != 0 && packet[1..5] == [0; 4] && packet[5..].starts_with(&ids)
}

/// How often askers are answered.
struct Pace {
    second: Instant,
    looks: u32,
    knocks: BTreeMap<IpAddr, Instant>,
}

impl Pace {
    fn new(now: Instant) -> Self {
        Self { second: now, looks: 0, knocks: BTreeMap::new() }
    }

    fn may_look(&mut self, now: Instant) -> bool {
        if now.duration_since(self.second) >= Duration::from_secs(1) {
            (self.second, self.looks) = (now, 0);
        }
        self.looks += 1;
        self.looks <= LOOKS_PER_SECOND
    }

    fn may_knock(&mut self, ip: IpAddr, now: Instant) -> bool {
        let origin = origin(ip);
        self.knocks.retain(|_, last| now.duration_since(*last) < KNOCK_PERIOD);
        if self.knocks.contains_key(&origin) || self.knocks.len() >= ORIGINS_MAX {
            return false;
        }
        self.knocks.insert(origin, now);
        true
    }
}

/// What one holder of addresses can't vary: an IPv4 address, or the /64 of an IPv6 address.
fn origin(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6) & (u128::MAX << 64)).into(),
    }
}

/// Asks mirrors, from one socket.
pub struct Asker<'a>(pub &'a UdpSocket);

impl Asker<'_> {
    /// How this socket looks to `mirror`; `None` where it does not answer.
    pub async fn look(&self, mirror: SocketAddr) -> Option<Seen> {
        for _ in 0..ASK_TIMES {
            let nonce = nonce();
            let answer = self.ask(mirror, Message::Look { nonce }, ASK_WAIT, |message| match message {
                Message::Seen { nonce: of, seen } if of == nonce => Some(seen),
                _ => None,
            });
            if let Some(seen) = answer.await {
                return Some(seen);
            }
        }
        None
    }

    /// Whether `mirror`, which saw this socket's address as `seen`, gets an answer at `port` of it. `None` where it says nothing.
    pub async fn knock(&self, mirror: SocketAddr, seen: Seen, port: u16) -> Option<bool> {
        for _ in 0..ASK_TIMES {
            let nonce = nonce();
            let knock = Message::Knock { nonce, cookie: seen.cookie, port };
            let answer = self.ask(mirror, knock, KNOCK_WAIT + ASK_WAIT, |message| match message {
                Message::Knocked { nonce: of, is_answered } if of == nonce => Some(is_answered),
                _ => None,
            });
            if let Some(is_answered) = answer.await {
                return Some(is_answered);
            }
        }
        None
    }

    async fn ask<T>(
        &self,
        mirror: SocketAddr,
        message: Message,
        wait: Duration,
        wanted: impl Fn(Message) -> Option<T>,
    ) -> Option<T> {
        self.0.send_to(&message.encode(), mirror).await.ok()?;
        let mut buffer = [0; KNOCK_BYTES];
        let answered = async {
            loop {
                // What an earlier packet ran into is told here, too; an answer may come all the same.
                let Ok((length, from)) = self.0.recv_from(&mut buffer).await else { continue };
                let is_mirror = from.ip().to_canonical() == mirror.ip().to_canonical() && from.port() == mirror.port();
                if let Some(answer) = Message::decode(&buffer[..length]).filter(|_| is_mirror).and_then(&wanted) {
                    return answer;
                }
            }
        };
        timeout(wait, answered).await.ok()
    }
}

fn nonce() -> [u8; 16] {
    *entropy::seed().first_chunk().expect("a seed is longer than a nonce")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    async fn bound() -> (UdpSocket, SocketAddr) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        (socket, address)
    }

    async fn mirror() -> SocketAddr {
        let (socket, address) = bound().await;
        tokio::spawn(serve(socket));
        address
    }

    #[tokio::test]
    async fn it_tells_what_it_sees_and_whether_somebody_is_in() {
        let (mirror, (asking, own)) = (mirror().await, bound().await);
        let asker = Asker(&asking);
        let seen = asker.look(mirror).await.expect("it answers");
        assert_eq!(seen.address, own);
        let (listening, target) = bound().await;
        tokio::spawn(async move {
            let mut buffer = [0; 2048];
            loop {
                let (length, from) = listening.recv_from(&mut buffer).await.unwrap();
                assert_ne!(from, mirror, "a knock comes from elsewhere");
                if let Some(answer) = answer_to_knock(&buffer[..length]) {
                    listening.send_to(&answer, from).await.unwrap();
                }
            }
        });
        assert_eq!(asker.knock(mirror, seen, target.port()).await, Some(true));
        // Nobody listens at a port that was free a moment ago; the second knock has to wait for its turn.
        let (gone, free) = bound().await;
        drop(gone);
        assert_eq!(asker.knock(mirror, seen, free.port()).await, Some(false));
    }

    #[tokio::test]
    async fn without_a_cookie_it_is_silent() {
        let (mirror, (asking, _)) = (mirror().await, bound().await);
        let asker = Asker(&asking);
        let seen = asker.look(mirror).await.unwrap();
        let forged = Seen { cookie: [0; 16], ..seen };
        assert_eq!(asker.knock(mirror, forged, 9).await, None);
        for garbage in [&b""[..], b"GET / HTTP/1.1", &[0; 1_280], &probe([1; 8])] {
            asking.send_to(garbage, mirror).await.unwrap();
        }
        assert_eq!(asker.look(mirror).await.map(|seen| seen.address), Some(seen.address), "it goes on");
    }

    #[test]
    fn an_origin_is_knocked_for_once_a_second_and_memory_is_bounded() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        let ip = |number: u32| IpAddr::from(number.to_be_bytes());
        assert!(pace.may_knock(ip(1), now) && !pace.may_knock(ip(1), now) && pace.may_knock(ip(2), now));
        assert!(pace.may_knock(ip(1), now + KNOCK_PERIOD));
        let six = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(pace.may_knock(six("2001:db8::1"), now + KNOCK_PERIOD));
        assert!(!pace.may_knock(six("2001:db8::2"), now + KNOCK_PERIOD), "of one network");
        let knocked =
            (0..3 * ORIGINS_MAX as u32).filter(|number| pace.may_knock(ip(*number), now + KNOCK_PERIOD)).count();
        assert!(knocked < ORIGINS_MAX && pace.knocks.len() == ORIGINS_MAX);
        assert_eq!((0..3 * LOOKS_PER_SECOND).filter(|_| pace.may_look(now)).count() as u32, LOOKS_PER_SECOND);
    }

    #[test]
    fn nothing_is_amplified() {
        let (nonce, cookie) = ([1; 16], [2; 16]);
        let seen = Seen { address: "[2001:db8::1]:65535".parse().unwrap(), cookie };
        let length = |message: Message| message.encode().len();
        assert!(length(Message::Seen { nonce, seen }) < length(Message::Look { nonce }));
        let knocks = probe([1; 8]).len() + length(Message::Knocked { nonce, is_answered: true });
        assert!(knocks < length(Message::Knock { nonce, cookie, port: 1 }));
        assert!(answer_to_knock(&probe([1; 8])).unwrap().len() < PROBE_BYTES);
        assert!(is_answer(&answer_to_knock(&probe([1; 8])).unwrap(), [1; 8]));
        assert!(!is_answer(&answer_to_knock(&probe([1; 8])).unwrap(), [2; 8]));
    }

    proptest! {
        #[test]
        fn messages_come_back(nonce: [u8; 16], cookie: [u8; 16], ip: [u8; 4], port: u16, is_answered: bool, flip in 0usize..90) {
            let address = SocketAddr::new(IpAddr::from(ip), port);
            for message in [
                Message::Look { nonce },
                Message::Seen { nonce, seen: Seen { address, cookie } },
                Message::Knock { nonce, cookie, port },
                Message::Knocked { nonce, is_answered },
            ] {
                let mut bytes = message.encode();
                prop_assert_eq!(Message::decode(&bytes), Some(message));
                let flip = flip % bytes.len();
                bytes[flip] ^= 1;
                prop_assert_ne!(Message::decode(&bytes), Some(message));
                prop_assert_eq!(Message::decode(&bytes[1..]), None);
            }
        }
    }
}
