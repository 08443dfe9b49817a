//! Names for clients of the tunnel: at an inner address of the exit, answered by the system's own name servers (row A11).
//!
//! A client that resolved names elsewhere would tell that place where it goes. So it asks the exit, through the tunnel, and the
//! exit passes each question on as it is, and the answer back: it understands neither, so whatever the client's system
//! asks for (DNSSEC, HTTPS records) works. Over UDP and over TCP, since long answers come that way.
//!
//! What a client can do: ask what the exit's own machine could ask, names of its private zones among them, and learn
//! addresses that the firewall then denies. What it can't: make the exit hold more than [`QUESTIONS_MAX`] questions and
//! [`STREAMS_MAX`] connections, or answer others, since a question's answer goes to where the question came from, which the
//! tunnel vouches for.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::system_conf::read_system_conf;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Questions that wait for an answer at one time; more are dropped, and asked again by whoever asked.
pub const QUESTIONS_MAX: usize = 512;
/// Connections at one time; more are closed at once.
pub const STREAMS_MAX: usize = 64;
/// A DNS message over UDP (RFC 6891 advises 4,096).
const MESSAGE_BYTES_MAX: usize = 4096;
/// How long one of the system's name servers may take.
const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// How long a connection may live.
const STREAM_LIFE: Duration = Duration::from_secs(30);
/// A pause after an error of the socket, so that one that stays costs nothing.
const ERROR_PAUSE: Duration = Duration::from_millis(100);

/// Where the system's name servers hear.
///
/// # Errors
/// The system has no resolver configuration, or it names nobody.
pub fn system_servers() -> io::Result<Vec<SocketAddr>> {
    let (config, _) = read_system_conf().map_err(|error| io::Error::other(error.to_string()))?;
    let servers: Vec<SocketAddr> = config.name_servers().iter().map(|server| SocketAddr::new(server.ip, 53)).collect();
    if servers.is_empty() {
        return Err(io::Error::other("/etc/resolv.conf names no name server"));
    }
    Ok(servers)
}

/// Answers at one address. It ends when this is dropped.
pub struct NameServer {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl NameServer {
    /// Answers at `address`, which must be one of this machine's, by what `servers` say, asked in order.
    pub async fn start(address: SocketAddr, servers: Vec<SocketAddr>) -> io::Result<Self> {
        // Where the port is left open, both get the same.
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let socket = Arc::new(UdpSocket::bind(address).await?);
        let servers: Arc<[SocketAddr]> = servers.into();
        let mut tasks = JoinSet::new();
        tasks.spawn(answer_datagrams(socket, servers.clone()));
        tasks.spawn(answer_streams(listener, servers));
        Ok(Self { address, _tasks: tasks })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn answer_datagrams(socket: Arc<UdpSocket>, servers: Arc<[SocketAddr]>) {
    let places = Arc::new(Semaphore::new(QUESTIONS_MAX));
    let mut asking = JoinSet::new();
    let mut question = vec![0; MESSAGE_BYTES_MAX];
    loop {
        while asking.try_join_next().is_some() {}
        let Ok((length, from)) = socket.recv_from(&mut question).await else {
            tokio::time::sleep(ERROR_PAUSE).await;
            continue;
        };
        let Ok(place) = places.clone().try_acquire_owned() else { continue };
        let (question, socket, servers) = (question[..length].to_vec(), socket.clone(), servers.clone());
        asking.spawn(async move {
            if let Some(answer) = ask_in_turn(&question, &servers).await {
                // Whoever does not get it asks again.
                let _ = socket.send_to(&answer, from).await;
            }
            drop(place);
        });
    }
}

/// The first answer; `None` if nobody has one.
async fn ask_in_turn(question: &[u8], servers: &[SocketAddr]) -> Option<Vec<u8>> {
    for server in servers {
        if let Ok(Ok(answer)) = timeout(ANSWER_WAIT, ask(question, *server)).await {
            return Some(answer);
        }
    }
    None
}

/// Asks from a port of its own, so that nobody but the server can answer without guessing it.
async fn ask(question: &[u8], server: SocketAddr) -> io::Result<Vec<u8>> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.send(question).await?;
    let mut answer = vec![0; MESSAGE_BYTES_MAX];
    loop {
        let length = socket.recv(&mut answer).await?;
        // The first two bytes say to which question it is.
        if length >= 2 && question.get(..2) == Some(&answer[..2]) {
            answer.truncate(length);
            return Ok(answer);
        }
    }
}

async fn answer_streams(listener: TcpListener, servers: Arc<[SocketAddr]>) {
    let places = Arc::new(Semaphore::new(STREAMS_MAX));
    let mut streams = JoinSet::new();
    loop {
        while streams.try_join_next().is_some() {}
        let Ok((mut near, _)) = listener.accept().await else {
            tokio::time::sleep(ERROR_PAUSE).await;
            continue;
        };
        let Ok(place) = places.clone().try_acquire_owned() else { continue };
        let servers = servers.clone();
        streams.spawn(async move {
            let pass_on = async {
                let mut far = connect_in_turn(&servers).await?;
                tokio::io::copy_bidirectional(&mut near, &mut far).await
            };
            // However it ends, it is over.
            let _ = timeout(STREAM_LIFE, pass_on).await;
            drop(place);
        });
    }
}

async fn connect_in_turn(servers: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut last = io::Error::other("there is no name server");
    for server in servers {
        match timeout(ANSWER_WAIT, TcpStream::connect(server)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

    /// A name server that sends back what it is asked with an exclamation mark, after a false answer.
    async fn upstream() -> SocketAddr {
        let listener = TcpListener::bind(LOOPBACK).await.expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let socket = UdpSocket::bind(address).await.expect("the same port");
        tokio::spawn(async move {
            let mut question = [0; 100];
            while let Ok((length, from)) = socket.recv_from(&mut question).await {
                let _ = socket.send_to(b"??of another question", from).await;
                let _ = socket.send_to(&[&question[..length], b"!"].concat(), from).await;
            }
        });
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut question = [0; 4];
                let _ = stream.read_exact(&mut question).await;
                let _ = stream.write_all(&[&question[..], b"!"].concat()).await;
            }
        });
        address
    }

    /// A port where nobody hears any more.
    async fn refusing() -> SocketAddr {
        let socket = UdpSocket::bind(LOOPBACK).await.expect("a port");
        socket.local_addr().expect("it is bound")
    }

    #[tokio::test]
    async fn questions_are_passed_on_over_datagrams_and_streams() {
        // Nothing hears at the first any more, so that it refuses.
        let servers = vec![refusing().await, upstream().await];
        let server = NameServer::start(LOOPBACK, servers).await.expect("a port");
        let client = UdpSocket::bind(LOOPBACK).await.expect("a port");
        client.connect(server.address()).await.expect("it hears");
        for question in [&b"\0\x01one"[..], b"\0\x02two"] {
            client.send(question).await.expect("sent");
            let mut answer = [0; 100];
            let length = client.recv(&mut answer).await.expect("an answer");
            assert_eq!(&answer[..length], [question, b"!"].concat());
        }
        let mut stream = TcpStream::connect(server.address()).await.expect("it listens");
        stream.write_all(b"four").await.expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("an answer");
        assert_eq!(answer, b"four!");
    }

    #[tokio::test]
    async fn where_nobody_answers_nothing_is_said() {
        assert_eq!(ask_in_turn(b"\0\x01one", &[refusing().await]).await, None);
    }
}
