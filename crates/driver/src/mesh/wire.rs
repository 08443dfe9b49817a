//! From a TCP connection to an authenticated, encrypted one.
//!
//! ```text
//! initiator → magic:4 version:u16 network:16 length:u16 noise_1        noise_1 carries the initiator's instance
//! responder → answer:1 version:u16 length:u16 noise_2                  noise_2 the responder's; length 0 if refused
//! initiator → Confirm with its role                                    encrypted from here on, length:u16 message …
//! responder → Ready, or Refuse with the reason
//! ```
//!
//! The clear part in front exists only so that two sides of different networks or versions can say so; the Noise
//! prologue binds the same, so nobody can talk two sides into a disagreement. A refusal in clear is a hint: who can
//! forge it can cut the connection anyway.
//!
//! The first Noise message can be a replay. Nothing is done about it until `Confirm` has proved that the initiator is
//! live; nothing is *sent to* the initiator's protocol before `Ready`.
//!
//! The initiator says whether it comes as a member or as a client, because the two sides may know different member
//! lists for a while: a member of whom the responder hasn't heard yet must not be taken for a client.

use std::sync::{Arc, Mutex, PoisonError};

use byway_crypto::noise::{Handshake, MESSAGE_MAX, PLAINTEXT_MAX, StaticKey, Transport};
use byway_primitives::NetworkId;
use byway_primitives::hash::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::frame::{Frame, FrameReader, Kind, header};
use super::{CloseReason, ConnectError};

const MAGIC: [u8; 4] = *b"BWAY";
const NETWORK: Context = Context("byway 1 mesh: network");
const NETWORK_LENGTH: usize = 16;
/// The longest Noise message before the other side is known, in bytes: keys, tags and an instance take 104.
const HANDSHAKE_MESSAGE_MAX: usize = 256;
/// Read from the socket at once, in bytes: one full message and its length.
const READ_BUFFER: usize = MESSAGE_MAX + 2;

/// What two sides must agree on to talk at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prologue {
    /// The protocol spoken inside, such as `kernel`.
    pub protocol: &'static str,
    pub version: u16,
    pub network: NetworkId,
}

/// Why a responder turns a connection down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    OtherVersion = 1,
    OtherNetwork = 2,
    /// The first message can't be read: it was meant for another key.
    OtherKey = 3,
    /// No room for more clients.
    Full = 4,
    /// There is a connection that is kept instead.
    Duplicate = 5,
    /// It comes as a member, and isn't one as far as is known here.
    NotAMember = 6,
}

/// Why no handshake came about, on the responding side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RespondError {
    Refused(Refusal),
    /// It isn't our protocol, or the connection broke.
    Malformed,
}

/// Which of the two sides opened a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opener {
    Us,
    Them,
}

/// As what a side opens a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Client = 0,
    Member = 1,
}

/// An authenticated connection that carries nothing yet.
#[derive(Debug)]
pub(super) struct Secured {
    pub reader: FrameReader,
    pub writer: SealedWriter,
    pub remote: StaticKey,
    pub instance: u64,
    pub opener: Opener,
    /// The opener's.
    pub role: Role,
}

/// Who we are in a handshake.
#[derive(Clone)]
pub(super) struct Own {
    pub secret: [u8; 32],
    /// Random per process: tells a peer that restarted from one that dials twice.
    pub instance: u64,
    pub prologue: Prologue,
}

impl Prologue {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.protocol.len() as u8];
        bytes.extend_from_slice(self.protocol.as_bytes());
        bytes.extend_from_slice(&self.version.to_be_bytes());
        bytes.extend_from_slice(self.network.0.as_bytes());
        bytes
    }

    /// Names protocol and network in clear.
    fn tag(&self) -> [u8; NETWORK_LENGTH] {
        let mut tag = [0; NETWORK_LENGTH];
        NETWORK.expand(&[self.network.0.as_bytes(), self.protocol.as_bytes()], &mut tag);
        tag
    }
}

/// Opens towards `remote` in this role, up to its `Ready`. The caller bounds the time.
pub(super) async fn initiate(
    mut stream: TcpStream,
    own: &Own,
    role: Role,
    remote: StaticKey,
    seed: &[u8; 32],
) -> Result<Secured, ConnectError> {
    let noise = Handshake::initiator(&own.secret, remote, &own.prologue.bytes(), seed);
    let mut noise = noise.map_err(|_| ConnectError::OtherKey)?;
    let first = noise.write(&own.instance.to_be_bytes()).map_err(|_| ConnectError::OtherKey)?;
    let mut hello = MAGIC.to_vec();
    hello.extend_from_slice(&own.prologue.version.to_be_bytes());
    hello.extend_from_slice(&own.prologue.tag());
    hello.extend_from_slice(&(first.len() as u16).to_be_bytes());
    hello.extend_from_slice(&first);
    let broken = |_: std::io::Error| ConnectError::Closed;
    stream.write_all(&hello).await.map_err(broken)?;

    let answer = stream.read_u8().await.map_err(broken)?;
    let version = stream.read_u16().await.map_err(broken)?;
    let length = usize::from(stream.read_u16().await.map_err(broken)?);
    match Refusal::of(answer) {
        Some(refusal) => return Err(refusal.told(own.prologue.version, version)),
        None if answer != 0 || length > HANDSHAKE_MESSAGE_MAX => return Err(ConnectError::NotByway),
        None => {}
    }
    let mut second = vec![0; length];
    stream.read_exact(&mut second).await.map_err(broken)?;
    let payload = noise.read(&second).map_err(|_| ConnectError::OtherKey)?;
    let instance = payload.try_into().map(u64::from_be_bytes).map_err(|_| ConnectError::NotByway)?;
    let transport = noise.into_transport().map_err(|_| ConnectError::OtherKey)?;

    let mut secured = Secured::new(stream, transport, remote, instance, Opener::Us, role);
    secured.send(Kind::Confirm, &[role as u8]).await.map_err(broken)?;
    match secured.reader.next().await {
        Ok(Frame { kind: Kind::Ready, .. }) => Ok(secured),
        Ok(Frame { kind: Kind::Refuse, body }) => {
            let refusal = body.first().and_then(|code| Refusal::of(*code)).ok_or(ConnectError::NotByway)?;
            Err(refusal.told(own.prologue.version, version))
        }
        Ok(_) => Err(ConnectError::NotByway),
        Err(_) => Err(ConnectError::Closed),
    }
}

/// Answers whoever connected, up to its `Confirm`. The caller bounds the time and then says `Ready` or refuses.
pub(super) async fn respond(mut stream: TcpStream, own: &Own, seed: &[u8; 32]) -> Result<Secured, RespondError> {
    let broken = |_: std::io::Error| RespondError::Malformed;
    let mut magic = [0; MAGIC.len()];
    stream.read_exact(&mut magic).await.map_err(broken)?;
    if magic != MAGIC {
        return Err(RespondError::Malformed);
    }
    let version = stream.read_u16().await.map_err(broken)?;
    let mut tag = [0; NETWORK_LENGTH];
    stream.read_exact(&mut tag).await.map_err(broken)?;
    let length = usize::from(stream.read_u16().await.map_err(broken)?);
    if length > HANDSHAKE_MESSAGE_MAX {
        return Err(RespondError::Malformed);
    }
    let mut first = vec![0; length];
    stream.read_exact(&mut first).await.map_err(broken)?;
    let refusal = if tag != own.prologue.tag() {
        Some(Refusal::OtherNetwork)
    } else if version != own.prologue.version {
        Some(Refusal::OtherVersion)
    } else {
        None
    };
    if let Some(refusal) = refusal {
        return Err(refuse_in_clear(&mut stream, own, refusal).await);
    }

    let noise = Handshake::responder(&own.secret, &own.prologue.bytes(), seed);
    let mut noise = noise.map_err(|_| RespondError::Malformed)?;
    let Ok(payload) = noise.read(&first) else {
        return Err(refuse_in_clear(&mut stream, own, Refusal::OtherKey).await);
    };
    let instance = payload.try_into().map(u64::from_be_bytes).map_err(|_| RespondError::Malformed)?;
    let remote = noise.remote_static().ok_or(RespondError::Malformed)?;
    let second = noise.write(&own.instance.to_be_bytes()).map_err(|_| RespondError::Malformed)?;
    let transport = noise.into_transport().map_err(|_| RespondError::Malformed)?;
    stream.write_all(&answer(0, own.prologue.version, &second)).await.map_err(broken)?;

    // Until it has said otherwise, it is treated as whoever is bounded most.
    let mut secured = Secured::new(stream, transport, remote, instance, Opener::Them, Role::Client);
    match secured.reader.next().await {
        Ok(Frame { kind: Kind::Confirm, body }) => {
            secured.role = Role::of(&body).ok_or(RespondError::Malformed)?;
            Ok(secured)
        }
        _ => Err(RespondError::Malformed),
    }
}

async fn refuse_in_clear(stream: &mut TcpStream, own: &Own, refusal: Refusal) -> RespondError {
    // The connection ends either way; if the answer doesn't get through, the other side learns less.
    let _ = stream.write_all(&answer(refusal as u8, own.prologue.version, &[])).await;
    RespondError::Refused(refusal)
}

fn answer(code: u8, version: u16, noise: &[u8]) -> Vec<u8> {
    let mut answer = vec![code];
    answer.extend_from_slice(&version.to_be_bytes());
    answer.extend_from_slice(&(noise.len() as u16).to_be_bytes());
    answer.extend_from_slice(noise);
    answer
}

impl Refusal {
    fn of(code: u8) -> Option<Self> {
        use Refusal::{Duplicate, Full, NotAMember, OtherKey, OtherNetwork, OtherVersion};
        let all = [OtherVersion, OtherNetwork, OtherKey, Full, Duplicate, NotAMember];
        all.into_iter().find(|refusal| *refusal as u8 == code)
    }

    /// What the refused side makes of it.
    fn told(self, ours: u16, theirs: u16) -> ConnectError {
        match self {
            Refusal::OtherVersion => ConnectError::OtherVersion { ours, theirs },
            Refusal::OtherNetwork => ConnectError::OtherNetwork,
            Refusal::OtherKey => ConnectError::OtherKey,
            Refusal::Full => ConnectError::Full,
            Refusal::Duplicate => ConnectError::Duplicate,
            Refusal::NotAMember => ConnectError::NotAMember,
        }
    }
}

impl Role {
    fn of(body: &[u8]) -> Option<Self> {
        [Role::Client, Role::Member].into_iter().find(|role| *body == [*role as u8])
    }
}

impl Secured {
    fn new(
        stream: TcpStream,
        transport: Transport,
        remote: StaticKey,
        instance: u64,
        opener: Opener,
        role: Role,
    ) -> Self {
        let transport = Arc::new(Mutex::new(transport));
        let (read, write) = stream.into_split();
        let sealed = SealedReader {
            half: BufReader::with_capacity(READ_BUFFER, read),
            transport: transport.clone(),
            message: Vec::new(),
        };
        let writer = SealedWriter { half: write, transport };
        Self { reader: FrameReader::new(sealed), writer, remote, instance, opener, role }
    }

    pub(super) async fn send(&mut self, kind: Kind, body: &[u8]) -> std::io::Result<()> {
        let mut plain = header(kind, body.len()).to_vec();
        plain.extend_from_slice(body);
        let mut sealed = Vec::new();
        self.writer.seal(&plain, &mut sealed)?;
        self.writer.write(&sealed).await
    }

    /// Turns the other side down. It may have gone already, which is as good.
    pub(super) async fn refuse(mut self, refusal: Refusal) {
        let _ = self.send(Kind::Refuse, &[refusal as u8]).await;
    }
}

/// Reads Noise messages off a connection.
pub(super) struct SealedReader {
    half: BufReader<OwnedReadHalf>,
    transport: Arc<Mutex<Transport>>,
    message: Vec<u8>,
}

impl SealedReader {
    /// The plaintext of the next message.
    pub(super) async fn next(&mut self) -> Result<Vec<u8>, CloseReason> {
        let ended = |_: std::io::Error| CloseReason::Ended;
        let length = self.half.read_u16().await.map_err(ended)?;
        self.message.resize(length.into(), 0);
        self.half.read_exact(&mut self.message).await.map_err(ended)?;
        let mut transport = self.transport.lock().unwrap_or_else(PoisonError::into_inner);
        transport.open(&self.message).map_err(|_| CloseReason::Malformed("a message that doesn't decrypt"))
    }
}

/// Writes Noise messages to a connection.
pub(super) struct SealedWriter {
    half: OwnedWriteHalf,
    transport: Arc<Mutex<Transport>>,
}

impl SealedWriter {
    /// The most plaintext that one message takes, in bytes.
    pub(super) const PLAIN_MAX: usize = PLAINTEXT_MAX;

    /// Adds `plain`, at most [`Self::PLAIN_MAX`] bytes, to `out` as one message.
    pub(super) fn seal(&mut self, plain: &[u8], out: &mut Vec<u8>) -> std::io::Result<()> {
        let mut transport = self.transport.lock().unwrap_or_else(PoisonError::into_inner);
        // Only a nonce used up (2^64 messages) or an overlong plaintext fail.
        let sealed = transport.seal(plain).map_err(std::io::Error::other)?;
        out.extend_from_slice(&(sealed.len() as u16).to_be_bytes());
        out.extend_from_slice(&sealed);
        Ok(())
    }

    pub(super) async fn write(&mut self, sealed: &[u8]) -> std::io::Result<()> {
        self.half.write_all(sealed).await
    }
}

impl std::fmt::Debug for SealedReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealedReader")
    }
}

impl std::fmt::Debug for SealedWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealedWriter")
    }
}
