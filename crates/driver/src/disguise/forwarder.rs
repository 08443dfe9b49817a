//! A loopback port that leads to one target, whichever way is open.
//!
//! What the program at the port says is held until the far end has answered like the target; a way that doesn't is let
//! go of, and all is said again on the next. For a relay that is the answer to the request for its protocol; its probe of
//! how long an answer takes is answered here, since there is nothing to choose between. For a kernel node it is any answer,
//! which the node's own handshake then judges.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional_with_sizes};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep_until, timeout};

use super::choice::{Choice, InUse, Mode, PLAIN_WAIT, WAIT, Which};
use super::front::REFUSED_WAIT;
use super::onward::BLOCK_BYTES;
use super::{DialError, Stream, Target, Way};

/// Connections of one port at a time. The endpoint of the links has one, and one more while it makes a new one.
const CONNECTIONS_MAX: usize = 64;
/// Bytes that a program may say before the far end has answered: a request, or a handshake's first message.
const HELD_BYTES_MAX: usize = 16 * 1024;
/// How a relay answers when it takes up its protocol.
const SWITCHED: &[u8] = b"HTTP/1.1 101";
/// How the endpoint asks for nothing but an answer.
const PROBE: &[u8] = b"GET /ping ";
const PROBE_ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// The port. It is closed when this is dropped, and with it what passes through it.
#[derive(Debug)]
pub struct Forwarder {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    target: Target,
    plain: Arc<dyn Way>,
    disguised: Arc<dyn Way>,
    choice: Mutex<Choice>,
    in_use: Mutex<Uses>,
}

/// Streams on each way.
#[derive(Debug, Default)]
struct Uses {
    plain: usize,
    disguised: usize,
}

/// One of them, as long as it lasts.
struct Use<'a> {
    which: Which,
    uses: &'a Mutex<Uses>,
}

/// A way that leads to the target.
struct Found {
    which: Which,
    far: Box<dyn Stream>,
    /// What the target has said so far, which is the program's.
    answer: Vec<u8>,
}

impl Forwarder {
    pub async fn open(target: Target, plain: Arc<dyn Way>, disguised: Arc<dyn Way>, mode: Mode) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let choice = Mutex::new(Choice::new(mode));
        let shared = Arc::new(Shared { target, plain, disguised, choice, in_use: Mutex::default() });
        let task = tokio::spawn(receive(listener, shared.clone())).abort_handle();
        Ok(Self { address, shared, task })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn in_use(&self) -> InUse {
        match *lock(&self.shared.in_use) {
            Uses { plain: 0, disguised: 0 } => InUse::None,
            // While links go over from one to the other, it is the one that they go to as a rule.
            Uses { plain: 1.., .. } => InUse::Plain,
            Uses { .. } => InUse::Disguised,
        }
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn receive(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if connections.len() < CONNECTIONS_MAX => {
                    drop(connections.spawn(carry(stream, shared.clone())));
                }
                Ok(_) => {}
                // For want of file descriptors mostly, and there will be some again.
                Err(error) => {
                    tracing::warn!(%error, "a connection on this machine could not be taken");
                    tokio::time::sleep(REFUSED_WAIT).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn carry(mut near: TcpStream, shared: Arc<Shared>) {
    if let Err(error) = shared.serve(&mut near).await {
        tracing::debug!(target = ?shared.target, %error, "a connection was not carried");
    }
}

impl Shared {
    async fn serve(&self, near: &mut TcpStream) -> Result<(), DialError> {
        near.set_nodelay(true)?;
        let mut held = vec![0; HELD_BYTES_MAX];
        let count = timeout(WAIT, near.read(&mut held)).await.map_err(|_| DialError::TimedOut)??;
        held.truncate(count);
        if matches!(self.target, Target::Relay(_)) && held.starts_with(PROBE) {
            near.write_all(PROBE_ANSWER).await?;
            return Ok(near.shutdown().await?);
        }
        let Found { which, mut far, answer } = self.find(near, &mut held).await?;
        near.write_all(&answer).await?;
        let began = Instant::now();
        let _in_use = self.note_use(which);
        let ended = tokio::select! {
            ended = copy_bidirectional_with_sizes(near, &mut far, BLOCK_BYTES, BLOCK_BYTES) => ended.map(|_| ()),
            () = self.plain_is_back(&held), if which == Which::Disguised => Ok(()),
        };
        lock(&self.choice).ended(which, began.elapsed(), Instant::now());
        Ok(ended?)
    }

    /// Tries the ways in turn.
    async fn find(&self, near: &mut TcpStream, held: &mut Vec<u8>) -> Result<Found, DialError> {
        let mut last = DialError::TimedOut;
        let order = lock(&self.choice).order(Instant::now());
        for (which, wait) in order {
            let tried = timeout(wait, self.attempt(which, near, held)).await;
            match tried.unwrap_or(Err(DialError::TimedOut)) {
                Ok(found) => {
                    lock(&self.choice).opened(which, Instant::now());
                    return Ok(found);
                }
                Err(error) => {
                    tracing::debug!(way = self.way(which).name(), target = ?self.target, %error, "a way is not open");
                    last = error;
                }
            }
        }
        Err(last)
    }

    /// Says on one way all that the program has said and says meanwhile, until the target has answered.
    async fn attempt(&self, which: Which, near: &mut TcpStream, held: &mut Vec<u8>) -> Result<Found, DialError> {
        let mut far = self.way(which).dial(&self.target).await?;
        far.write_all(held).await?;
        far.flush().await?;
        let mut answer = Vec::new();
        let (mut said, mut heard) = ([0; 4096], [0; 4096]);
        while !self.is_answer(&answer)? {
            tokio::select! {
                count = near.read(&mut said) => {
                    let said = &said[..some(count?)?];
                    if held.len() + said.len() > HELD_BYTES_MAX {
                        return Err(DialError::Answer);
                    }
                    held.extend_from_slice(said);
                    far.write_all(said).await?;
                    far.flush().await?;
                }
                count = far.read(&mut heard) => answer.extend_from_slice(&heard[..some(count?)?]),
            }
        }
        Ok(Found { which, far, answer })
    }

    /// Whether the target speaks, or whoever speaks is not the target; `false` while it can't be told.
    fn is_answer(&self, answer: &[u8]) -> Result<bool, DialError> {
        match self.target {
            Target::Kernel(_) => Ok(!answer.is_empty()),
            Target::Relay(_) if answer.len() >= SWITCHED.len() => match answer.starts_with(SWITCHED) {
                true => Ok(true),
                false => Err(DialError::Answer),
            },
            Target::Relay(_) => Ok(false),
        }
    }

    /// Resolves when the plain way is open again: when the target answers there to what the program said.
    async fn plain_is_back(&self, held: &[u8]) {
        loop {
            let Some(again) = lock(&self.choice).look_again() else { return std::future::pending().await };
            sleep_until(again.into()).await;
            let is_there = timeout(PLAIN_WAIT, self.knock(held)).await.is_ok_and(|knocked| knocked.is_ok());
            lock(&self.choice).looked(is_there, Instant::now());
            if is_there {
                return;
            }
        }
    }

    async fn knock(&self, held: &[u8]) -> Result<(), DialError> {
        let mut far = self.plain.dial(&self.target).await?;
        far.write_all(held).await?;
        far.flush().await?;
        let (mut answer, mut heard) = (Vec::new(), [0; 4096]);
        while !self.is_answer(&answer)? {
            let count = some(far.read(&mut heard).await?)?;
            answer.extend_from_slice(&heard[..count]);
        }
        Ok(())
    }

    fn way(&self, which: Which) -> &dyn Way {
        match which {
            Which::Plain => &*self.plain,
            Which::Disguised => &*self.disguised,
        }
    }

    fn note_use(&self, which: Which) -> Use<'_> {
        tracing::info!(way = self.way(which).name(), target = ?self.target, "reached");
        *lock(&self.in_use).of(which) += 1;
        Use { which, uses: &self.in_use }
    }
}

impl Uses {
    fn of(&mut self, which: Which) -> &mut usize {
        match which {
            Which::Plain => &mut self.plain,
            Which::Disguised => &mut self.disguised,
        }
    }
}

impl Drop for Use<'_> {
    fn drop(&mut self) {
        *lock(self.uses).of(self.which) -= 1;
    }
}

/// The end of a stream, before the target has answered, is no answer.
fn some(count: usize) -> Result<usize, DialError> {
    if count == 0 { Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()) } else { Ok(count) }
}

/// Nothing panics while one of these is held, so none is ever poisoned.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
