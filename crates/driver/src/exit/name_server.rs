//! Names for clients of the tunnel: at an inner address of the exit, answered by the system's own name servers (row A11).
//!
//! A client that resolved names elsewhere would tell that place where it goes. So it asks the exit, through the tunnel, and the
//! exit passes each question on as it is, and the answer back: of the question it reads the name and nothing else, so whatever
//! the client's system asks for (DNSSEC, HTTPS records) works. Over UDP and over TCP, since long answers come that way.
//! A name that is hidden doesn't exist, and a question whose name can't be read is not passed on.
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
use tokio::io::{AsyncReadExt, AsyncWriteExt};
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

/// Questions that one connection may ask.
const STREAM_QUESTIONS_MAX: usize = 100;
/// The header of a DNS message, in bytes (RFC 1035, section 4.1.1).
const HEADER_BYTES: usize = 12;
/// In its second 16 bits: it is an answer, and recursion is there.
const ANSWERS: u16 = 0x8080;
/// What stays of a question's: recursion is wished, and what kind of query it is.
const KEPT: u16 = 0x7900;
/// There is no such name (RFC 1035, section 4.1.1).
const NO_SUCH_NAME: u16 = 3;

/// Whether nobody is told where a name is.
pub type Hides = dyn Fn(&str) -> bool + Send + Sync;

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

/// Whom questions are passed on to, and which are not.
struct Way {
    servers: Vec<SocketAddr>,
    hides: Arc<Hides>,
}

impl NameServer {
    /// Answers at `address`, which must be one of this machine's, by what `servers` say, asked in order.
    pub async fn start(address: SocketAddr, servers: Vec<SocketAddr>, hides: Arc<Hides>) -> io::Result<Self> {
        // Where the port is left open, both get the same.
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let socket = Arc::new(UdpSocket::bind(address).await?);
        let way = Arc::new(Way { servers, hides });
        let mut tasks = JoinSet::new();
        tasks.spawn(answer_datagrams(socket, way.clone()));
        tasks.spawn(answer_streams(listener, way));
        Ok(Self { address, _tasks: tasks })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Way {
    /// What is said to a question without asking anyone, if that is so: nothing to one that can't be read.
    fn own_answer(&self, question: &[u8]) -> Option<Option<Vec<u8>>> {
        let Some((name, end)) = asked_name(question) else { return Some(None) };
        (self.hides)(&name).then(|| Some(no_such_name(question, end)))
    }
}

/// The name in a message's only question, and where the question ends.
fn asked_name(message: &[u8]) -> Option<(String, usize)> {
    if message.get(4..6)? != [0, 1] {
        return None;
    }
    let (mut name, mut at) = (String::new(), HEADER_BYTES);
    loop {
        let length = usize::from(*message.get(at)?);
        // Longer ones are references, which have no place in a question.
        if length > 63 || name.len() > 255 {
            return None;
        }
        let label = message.get(at + 1..at + 1 + length)?;
        at += 1 + length;
        if length == 0 {
            break;
        }
        name.push_str(&String::from_utf8_lossy(label));
        name.push('.');
    }
    // Type and class.
    (message.len() >= at + 4).then_some((name, at + 4))
}

/// The answer to a question that ends at `end`: there is no such name.
fn no_such_name(question: &[u8], end: usize) -> Vec<u8> {
    let flags = u16::from_be_bytes([question[2], question[3]]) & KEPT | ANSWERS | NO_SUCH_NAME;
    let mut answer = question[..end].to_vec();
    answer[2..4].copy_from_slice(&flags.to_be_bytes());
    // Nothing but the question is in it.
    answer[6..HEADER_BYTES].fill(0);
    answer
}

async fn answer_datagrams(socket: Arc<UdpSocket>, way: Arc<Way>) {
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
        let (question, socket, way) = (question[..length].to_vec(), socket.clone(), way.clone());
        asking.spawn(async move {
            let answer = match way.own_answer(&question) {
                Some(own) => own,
                None => ask_in_turn(&question, &way.servers).await,
            };
            if let Some(answer) = answer {
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

async fn answer_streams(listener: TcpListener, way: Arc<Way>) {
    let places = Arc::new(Semaphore::new(STREAMS_MAX));
    let mut streams = JoinSet::new();
    loop {
        while streams.try_join_next().is_some() {}
        let Ok((near, _)) = listener.accept().await else {
            tokio::time::sleep(ERROR_PAUSE).await;
            continue;
        };
        let Ok(place) = places.clone().try_acquire_owned() else { continue };
        let way = way.clone();
        streams.spawn(async move {
            // However it ends, it is over.
            let _ = timeout(STREAM_LIFE, answer_stream(near, &way)).await;
            drop(place);
        });
    }
}

/// Answers one question after the other; each has its length before it, in two bytes.
async fn answer_stream(mut near: TcpStream, way: &Way) -> io::Result<()> {
    let mut far: Option<TcpStream> = None;
    for _ in 0..STREAM_QUESTIONS_MAX {
        let question = read_message(&mut near).await?;
        let answer = match way.own_answer(&question) {
            Some(Some(own)) => own,
            Some(None) => return Ok(()),
            None => {
                let far = match &mut far {
                    Some(far) => far,
                    none => none.insert(connect_in_turn(&way.servers).await?),
                };
                write_message(far, &question).await?;
                read_message(far).await?
            }
        };
        write_message(&mut near, &answer).await?;
    }
    Ok(())
}

async fn read_message(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = stream.read_u16().await?;
    let mut message = vec![0; length.into()];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

async fn write_message(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes()[..], message].concat()).await
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
    use super::*;

    const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

    /// A question for a name's address, with more behind it as newer systems have.
    fn question(number: u8, name: &str) -> Vec<u8> {
        let mut message = vec![0, number, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
        for label in name.split('.') {
            message.push(label.len() as u8);
            message.extend(label.as_bytes());
        }
        message.extend([0, 0, 1, 0, 1]);
        message.extend(b"more");
        message
    }

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
                while let Ok(question) = read_message(&mut stream).await {
                    let _ = write_message(&mut stream, &[&question[..], b"!"].concat()).await;
                }
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
    async fn questions_are_passed_on_over_datagrams_and_streams_unless_their_name_is_hidden() {
        // Nothing hears at the first any more, so that it refuses.
        let servers = vec![refusing().await, upstream().await];
        let hides = Arc::new(|name: &str| name == "hidden.example.");
        let server = NameServer::start(LOOPBACK, servers, hides).await.expect("a port");
        let client = UdpSocket::bind(LOOPBACK).await.expect("a port");
        client.connect(server.address()).await.expect("it hears");
        let mut stream = TcpStream::connect(server.address()).await.expect("it listens");
        // One that makes no sense is let go of, and the next is answered.
        client.send(b"\0\x09what").await.expect("sent");
        for (number, name) in [(1, "one.example"), (2, "hidden.example"), (3, "three.example")] {
            let asked = question(number, name);
            client.send(&asked).await.expect("sent");
            let mut answer = [0; 100];
            let length = client.recv(&mut answer).await.expect("an answer");
            write_message(&mut stream, &asked).await.expect("sent");
            let streamed = read_message(&mut stream).await.expect("an answer");
            assert_eq!(streamed, answer[..length], "{name}");
            match name {
                "hidden.example" => {
                    assert_eq!(streamed[..HEADER_BYTES], [0, number, 0x81, 0x83, 0, 1, 0, 0, 0, 0, 0, 0]);
                    assert_eq!(asked_name(&streamed), asked_name(&asked));
                    assert_eq!(streamed.len(), asked.len() - b"more".len());
                }
                _ => assert_eq!(streamed, [&asked[..], b"!"].concat()),
            }
        }
    }

    #[test]
    fn what_is_no_question_has_no_name() {
        let whole = question(1, "a.example");
        for end in 0..whole.len() - b"more".len() {
            assert_eq!(asked_name(&whole[..end]), None, "{end} bytes");
        }
        let mut reference = whole.clone();
        reference[HEADER_BYTES] = 0xc0;
        let mut two = whole.clone();
        two[5] = 2;
        assert_eq!((asked_name(&reference), asked_name(&two)), (None, None));
        assert_eq!(asked_name(&whole).map(|(name, _)| name).as_deref(), Some("a.example."));
    }

    #[tokio::test]
    async fn where_nobody_answers_nothing_is_said() {
        assert_eq!(ask_in_turn(b"\0\x01one", &[refusing().await]).await, None);
    }
}
