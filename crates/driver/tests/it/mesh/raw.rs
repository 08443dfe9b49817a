//! The wire by hand, as its documentation says: for peers that do what ours never would, and so that the format can't
//! change unnoticed.

use byway_crypto::noise::{Handshake, StaticKey, Transport};
use byway_primitives::hash::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{PROLOGUE, STUCK};

pub const CONFIRM: u8 = 1;
pub const READY: u8 = 2;
pub const REFUSE: u8 = 3;
pub const KEEP_ALIVE: u8 = 4;
pub const DATA: u8 = 5;
pub const REQUEST: u8 = 6;
pub const REPLY: u8 = 7;
pub const PUSH: u8 = 8;

/// What an initiator comes as, and how it is refused for it.
pub const CLIENT: u8 = 0;
pub const MEMBER: u8 = 1;
pub const NOT_A_MEMBER: u8 = 6;

pub struct Raw {
    pub stream: TcpStream,
    transport: Transport,
    plain: Vec<u8>,
}

/// The first packet of an initiator.
pub fn hello(secret: &[u8; 32], server: StaticKey) -> (Handshake, Vec<u8>) {
    let mut prologue = vec![PROLOGUE.protocol.len() as u8];
    prologue.extend(PROLOGUE.protocol.as_bytes());
    prologue.extend(PROLOGUE.version.to_be_bytes());
    prologue.extend(PROLOGUE.network.0.0);
    let mut noise = Handshake::initiator(secret, server, &prologue, &[secret[0]; 32]).expect("a handshake");
    let first = noise.write(&77u64.to_be_bytes()).expect("writes");
    let mut tag = [0; 16];
    Context("byway 1 mesh: network").expand(&[&PROLOGUE.network.0.0, PROLOGUE.protocol.as_bytes()], &mut tag);
    let mut hello = b"BWAY".to_vec();
    hello.extend(PROLOGUE.version.to_be_bytes());
    hello.extend(tag);
    hello.extend((first.len() as u16).to_be_bytes());
    hello.extend(first);
    (noise, hello)
}

impl Raw {
    /// Up to, but without, the `Confirm`.
    pub async fn half_open(address: &str, secret: &[u8; 32], server: StaticKey) -> Self {
        let mut stream = TcpStream::connect(address).await.expect("connects");
        let (mut noise, hello) = hello(secret, server);
        stream.write_all(&hello).await.expect("writes");
        assert_eq!(stream.read_u8().await.expect("an answer"), 0);
        assert_eq!(stream.read_u16().await.expect("a version"), PROLOGUE.version);
        let mut second = vec![0; stream.read_u16().await.expect("a length").into()];
        stream.read_exact(&mut second).await.expect("a message");
        assert_eq!(noise.read(&second).expect("is authentic").len(), 8);
        Self { stream, transport: noise.into_transport().expect("finished"), plain: Vec::new() }
    }

    /// A connection in use.
    pub async fn connect(address: &str, secret: &[u8; 32], server: StaticKey, role: u8) -> Self {
        let mut raw = Self::half_open(address, secret, server).await;
        raw.frame(CONFIRM, &[role]).await;
        assert_eq!(raw.next().await, Some((READY, Vec::new())));
        raw
    }

    /// Comes as a member, and is told that it isn't one.
    pub async fn refused(address: &str, secret: &[u8; 32], server: StaticKey) {
        let mut raw = Self::half_open(address, secret, server).await;
        raw.frame(CONFIRM, &[MEMBER]).await;
        assert_eq!(raw.next().await, Some((REFUSE, vec![NOT_A_MEMBER])));
        raw.closed().await;
    }

    /// Any plaintext in one message.
    pub async fn send(&mut self, plain: &[u8]) {
        let sealed = self.transport.seal(plain).expect("seals");
        let mut message = (sealed.len() as u16).to_be_bytes().to_vec();
        message.extend(sealed);
        // What is closed meanwhile shows when reading.
        let _ = self.stream.write_all(&message).await;
    }

    pub async fn frame(&mut self, kind: u8, body: &[u8]) {
        let mut plain = (body.len() as u32 + 1).to_be_bytes().to_vec();
        plain.push(kind);
        plain.extend(body);
        self.send(&plain).await;
    }

    pub async fn request(&mut self, id: u64, body: &[u8]) {
        self.frame(REQUEST, &[&id.to_be_bytes()[..], body].concat()).await;
    }

    /// The next frame but keep-alives; `None` when the connection has ended.
    pub async fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        timeout(STUCK, async {
            loop {
                if let Some((length, _)) = self.plain.split_first_chunk::<4>() {
                    let end = 4 + u32::from_be_bytes(*length) as usize;
                    if self.plain.len() >= end {
                        let frame: Vec<u8> = self.plain.drain(..end).skip(4).collect();
                        if frame[0] != KEEP_ALIVE {
                            return Some((frame[0], frame[1..].to_vec()));
                        }
                        continue;
                    }
                }
                let length = self.stream.read_u16().await.ok()?;
                let mut sealed = vec![0; length.into()];
                self.stream.read_exact(&mut sealed).await.ok()?;
                self.plain.extend(self.transport.open(&sealed).expect("is authentic"));
            }
        })
        .await
        .expect("a frame or an end comes")
    }

    pub async fn closed(mut self) {
        while self.next().await.is_some() {}
    }
}

/// Reads until the other side closes.
pub async fn until_closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut read = Vec::new();
    // A reset is an end as well.
    let _ = timeout(STUCK, stream.read_to_end(&mut read)).await.expect("the other side closes");
    read
}
