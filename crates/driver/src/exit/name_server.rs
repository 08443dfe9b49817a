//! Names for clients of the tunnel: at an inner address of the exit, answered by the system's own name servers (row A11).
//!
//! A client that resolved names elsewhere would tell that place where it goes. So it asks the exit, through the tunnel, and the
//! exit passes each question on as it is, and the answer back: of the question it reads the name and nothing else. A name that is
//! hidden doesn't exist, and a question whose name can't be read is not passed on.
//!
//! What a client can do: ask what the exit's own machine could ask, names of its private zones among them, and learn
//! addresses that the firewall then denies. What it can't: go beyond the [server's](crate::names::server) bounds, or answer others,
//! since a question's answer goes to where the question came from, which the tunnel vouches for.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use hickory_resolver::system_conf::read_system_conf;

use crate::names::message::{asked_name, no_such_name};
use crate::names::{Answers, Over, PORT, Server, Upstream};

/// Whether nobody is told where a name is.
pub type Hides = dyn Fn(&str) -> bool + Send + Sync;

/// Where the system's name servers hear.
///
/// # Errors
/// The system has no resolver configuration, or it names nobody.
pub fn system_servers() -> io::Result<Vec<SocketAddr>> {
    let (config, _) = read_system_conf().map_err(|error| io::Error::other(error.to_string()))?;
    let servers: Vec<SocketAddr> =
        config.name_servers().iter().map(|server| SocketAddr::new(server.ip, PORT)).collect();
    if servers.is_empty() {
        return Err(io::Error::other("/etc/resolv.conf names no name server"));
    }
    Ok(servers)
}

/// Answers at `address`, which must be one of this machine's, by what `servers` say, asked in order.
pub async fn start(address: SocketAddr, servers: Vec<SocketAddr>, hides: Arc<Hides>) -> io::Result<Server> {
    Server::start(address, Arc::new(PassedOn { upstream: Upstream { servers, mark: None }, hides })).await
}

/// Whom questions are passed on to, and which are not.
struct PassedOn {
    upstream: Upstream,
    hides: Arc<Hides>,
}

impl Answers for PassedOn {
    fn answer<'a>(&'a self, question: &'a [u8], over: Over) -> BoxFuture<'a, Option<Vec<u8>>> {
        async move {
            let (name, end) = asked_name(question)?;
            match (self.hides)(&name) {
                true => Some(no_such_name(question, end)),
                false => self.upstream.ask(question, over).await,
            }
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpStream, UdpSocket};

    use super::*;
    use crate::names::message::tests::question;
    use crate::names::upstream::tests::{LOOPBACK, echoing, refusing};
    use crate::names::upstream::{read_message, write_message};

    #[tokio::test]
    async fn questions_are_passed_on_over_datagrams_and_streams_unless_their_name_is_hidden() {
        // Nothing hears at the first any more, so that it refuses.
        let servers = vec![refusing().await, echoing().await];
        let hides = Arc::new(|name: &str| name == "hidden.example.");
        let server = start(LOOPBACK, servers, hides).await.expect("a port");
        let client = UdpSocket::bind(LOOPBACK).await.expect("a port");
        client.connect(server.address()).await.expect("it hears");
        let mut stream = TcpStream::connect(server.address()).await.expect("it listens");
        // One that makes no sense is let go of, and the next is answered.
        client.send(b"\0\x09what").await.expect("sent");
        for (number, name) in [(1, "one.example"), (2, "hidden.example"), (3, "three.example")] {
            let asked = [&question(number, name)[..], b"more"].concat();
            client.send(&asked).await.expect("sent");
            let mut answer = [0; 100];
            let length = client.recv(&mut answer).await.expect("an answer");
            write_message(&mut stream, &asked).await.expect("sent");
            let streamed = read_message(&mut stream).await.expect("an answer");
            assert_eq!(streamed, answer[..length], "{name}");
            match asked_name(&asked) {
                Some((name, end)) if name == "hidden.example." => assert_eq!(streamed, no_such_name(&asked, end)),
                _ => assert_eq!(streamed, [&asked[..], b"!"].concat()),
            }
        }
    }
}
