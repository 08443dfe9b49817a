//! Asking name servers.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::time::timeout;

use super::Over;

/// A DNS message over UDP (RFC 6891 advises 4,096).
pub(super) const DATAGRAM_BYTES_MAX: usize = 4096;
/// How long one name server may take.
const ANSWER_WAIT: Duration = Duration::from_secs(5);

/// Name servers, and how they are asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Upstream {
    /// Asked in order.
    pub servers: Vec<SocketAddr>,
    /// What the sockets carry (`SO_MARK`; Linux, root only).
    pub mark: Option<u32>,
}

impl Upstream {
    /// The first answer; `None` if nobody has one.
    pub async fn ask(&self, question: &[u8], over: Over) -> Option<Vec<u8>> {
        for server in &self.servers {
            let asked = async {
                match over {
                    Over::Datagrams => self.ask_by_datagram(question, *server).await,
                    Over::Streams => self.ask_by_stream(question, *server).await,
                }
            };
            if let Ok(Ok(answer)) = timeout(ANSWER_WAIT, asked).await {
                return Some(answer);
            }
        }
        None
    }

    /// Asks from a port of its own, so that nobody but the server can answer without guessing it.
    async fn ask_by_datagram(&self, question: &[u8], server: SocketAddr) -> io::Result<Vec<u8>> {
        let socket = self.socket(server, Type::DGRAM)?;
        let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        socket.bind(&SockAddr::from(SocketAddr::new(any, 0)))?;
        let socket = UdpSocket::from_std(socket.into())?;
        socket.connect(server).await?;
        socket.send(question).await?;
        let mut answer = vec![0; DATAGRAM_BYTES_MAX];
        loop {
            let length = socket.recv(&mut answer).await?;
            // The first two bytes say to which question it is.
            if length >= 2 && question.get(..2) == Some(&answer[..2]) {
                answer.truncate(length);
                return Ok(answer);
            }
        }
    }

    async fn ask_by_stream(&self, question: &[u8], server: SocketAddr) -> io::Result<Vec<u8>> {
        let socket = self.socket(server, Type::STREAM)?;
        let mut stream = TcpSocket::from_std_stream(socket.into()).connect(server).await?;
        write_message(&mut stream, question).await?;
        read_message(&mut stream).await
    }

    fn socket(&self, server: SocketAddr, kind: Type) -> io::Result<Socket> {
        let protocol = if kind == Type::STREAM { Protocol::TCP } else { Protocol::UDP };
        let socket = Socket::new(Domain::for_address(server), kind, Some(protocol))?;
        socket.set_nonblocking(true)?;
        #[cfg(target_os = "linux")]
        if let Some(mark) = self.mark {
            socket.set_mark(mark)?;
        }
        Ok(socket)
    }
}

/// A message has its length before it on a stream, in two bytes.
pub(crate) async fn read_message(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = stream.read_u16().await?;
    let mut message = vec![0; length.into()];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

pub(crate) async fn write_message(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes()[..], message].concat()).await
}

#[cfg(test)]
pub(crate) mod tests {
    use tokio::net::TcpListener;

    use super::*;

    pub const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

    /// A name server that sends back what it is asked with an exclamation mark, after a false answer.
    pub async fn echoing() -> SocketAddr {
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
    pub async fn refusing() -> SocketAddr {
        let socket = UdpSocket::bind(LOOPBACK).await.expect("a port");
        socket.local_addr().expect("it is bound")
    }

    #[tokio::test]
    async fn servers_are_asked_in_turn_and_where_nobody_answers_nothing_is_said() {
        for over in [Over::Datagrams, Over::Streams] {
            let servers = vec![refusing().await, echoing().await];
            let upstream = Upstream { servers, mark: None };
            assert_eq!(upstream.ask(b"\0\x01one", over).await.as_deref(), Some(&b"\0\x01one!"[..]));
            let upstream = Upstream { servers: vec![refusing().await], mark: None };
            assert_eq!(upstream.ask(b"\0\x01one", over).await, None);
        }
    }
}
