//! Taking questions, over UDP and TCP.
//!
//! What askers can't do: make this hold more than [`QUESTIONS_MAX`] questions and [`STREAMS_MAX`] connections.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Over;
use super::upstream::{DATAGRAM_BYTES_MAX, read_message, write_message};

/// Questions that wait for an answer at one time; more are dropped, and asked again by whoever asked.
pub const QUESTIONS_MAX: usize = 512;
/// Connections at one time; more are closed at once.
pub const STREAMS_MAX: usize = 64;
/// How long a connection may live.
const STREAM_LIFE: Duration = Duration::from_secs(30);
/// A pause after an error of the socket, so that one that stays costs nothing.
const ERROR_PAUSE: Duration = Duration::from_millis(100);
/// Questions that one connection may ask.
const STREAM_QUESTIONS_MAX: usize = 100;

/// Who knows what to say.
pub trait Answers: Send + Sync + 'static {
    /// What is said to `question`; `None`: nothing. It is whatever somebody sent.
    fn answer<'a>(&'a self, question: &'a [u8], over: Over) -> BoxFuture<'a, Option<Vec<u8>>>;
}

/// Answers at one address. It ends when this is dropped, a moment later.
pub struct Server {
    address: SocketAddr,
    tasks: JoinSet<()>,
}

impl Server {
    /// Answers at `address`, which must be one of this machine's.
    pub async fn start(address: SocketAddr, answers: Arc<dyn Answers>) -> io::Result<Self> {
        // Where the port is left open, both get the same.
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let socket = Arc::new(UdpSocket::bind(address).await?);
        let mut tasks = JoinSet::new();
        tasks.spawn(answer_datagrams(socket, answers.clone()));
        tasks.spawn(answer_streams(listener, answers));
        Ok(Self { address, tasks })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it; done when its address is free.
    pub async fn close(mut self) {
        self.tasks.shutdown().await;
    }
}

async fn answer_datagrams(socket: Arc<UdpSocket>, answers: Arc<dyn Answers>) {
    let places = Arc::new(Semaphore::new(QUESTIONS_MAX));
    let mut asking = JoinSet::new();
    let mut question = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        while asking.try_join_next().is_some() {}
        let Ok((length, from)) = socket.recv_from(&mut question).await else {
            tokio::time::sleep(ERROR_PAUSE).await;
            continue;
        };
        let Ok(place) = places.clone().try_acquire_owned() else { continue };
        let (question, socket, answers) = (question[..length].to_vec(), socket.clone(), answers.clone());
        asking.spawn(async move {
            if let Some(answer) = answers.answer(&question, Over::Datagrams).await {
                // Whoever does not get it asks again.
                let _ = socket.send_to(&answer, from).await;
            }
            drop(place);
        });
    }
}

async fn answer_streams(listener: TcpListener, answers: Arc<dyn Answers>) {
    let places = Arc::new(Semaphore::new(STREAMS_MAX));
    let mut streams = JoinSet::new();
    loop {
        while streams.try_join_next().is_some() {}
        let Ok((near, _)) = listener.accept().await else {
            tokio::time::sleep(ERROR_PAUSE).await;
            continue;
        };
        let Ok(place) = places.clone().try_acquire_owned() else { continue };
        let answers = answers.clone();
        streams.spawn(async move {
            // However it ends, it is over.
            let _ = timeout(STREAM_LIFE, answer_stream(near, &*answers)).await;
            drop(place);
        });
    }
}

/// Answers one question after the other, until one has no answer.
async fn answer_stream(mut near: TcpStream, answers: &dyn Answers) -> io::Result<()> {
    for _ in 0..STREAM_QUESTIONS_MAX {
        let question = read_message(&mut near).await?;
        let Some(answer) = answers.answer(&question, Over::Streams).await else { break };
        write_message(&mut near, &answer).await?;
    }
    Ok(())
}
