//! The client's side: holds a port at the exit, and takes its visitors to a program.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use byway_primitives::Encode;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::flow::{FlowEnd, carry};
use super::{
    ANSWER_BYTES, ForwardHeader, Frames, PortAnswer, PortRefusal, Protocol, VISITOR_BYTES, VISITOR_WAIT, Visitor,
    VisitorNumber, Wanted, answer_of,
};
use crate::gate::Gate;
use crate::link::{Link, StreamError, StreamRecv, StreamSend};
use crate::meter::{Meter, Side};
use crate::socks::{self, Ended, SessionTag, splice};

/// Visitors of one port at one time; further ones are turned away.
const VISITORS_MAX: usize = 128;
/// How long the exit may take to answer.
const ANSWER_WAIT: Duration = Duration::from_secs(15);

/// Where visitors go, and by which session.
#[derive(Debug, Clone)]
pub struct Forward {
    pub link: Link,
    pub session: SessionTag,
    pub gate: Arc<Gate>,
    pub meter: Arc<Meter>,
    pub protocol: Protocol,
    /// The program that visitors reach.
    pub to: SocketAddr,
    /// Whether it is told in a line where each visitor comes from (the PROXY protocol, version 1); not
    /// by UDP, for which that is not.
    pub tells_from: bool,
}

/// What can be said of a port meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It is there, at the exit's address.
    Open(SocketAddr),
    /// So many visitors are there now.
    Visitors(usize),
    /// The program took a visitor …
    Taken,
    /// … or did not.
    NotTaken,
}

/// Why a port is no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HoldEnded {
    #[error("{0}")]
    Refused(#[from] PortRefusal),
    #[error("the link or the session ended")]
    Lost,
}

impl From<StreamError> for HoldEnded {
    fn from(_: StreamError) -> Self {
        Self::Lost
    }
}

/// Holds a port at the exit, and serves its visitors, until the session or the link ends. Dropping this gives the port back.
pub async fn hold(forward: Forward, wished: Option<NonZeroU16>, mut tell: impl FnMut(Told)) -> HoldEnded {
    let gate = forward.gate.clone();
    let asked = tokio::select! {
        asked = timeout(ANSWER_WAIT, ask(&forward, wished)) => asked.unwrap_or(Err(HoldEnded::Lost)),
        _ = gate.closed() => return HoldEnded::Lost,
    };
    let (send, mut recv) = match asked {
        Ok((address, send, recv)) => {
            tell(Told::Open(address));
            (Held(send), recv)
        }
        Err(ended) => return ended,
    };
    tokio::select! {
        ended = serve(&forward, send, &mut recv, tell) => ended.err().unwrap_or(HoldEnded::Lost),
        _ = gate.closed() => HoldEnded::Lost,
    }
}

/// The stream that holds the port. It is ended properly when it is dropped, by which the exit sees that the port is given back.
struct Held(StreamSend);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.finish();
    }
}

async fn ask(forward: &Forward, wished: Option<NonZeroU16>) -> Result<(SocketAddr, StreamSend, StreamRecv), HoldEnded> {
    let header = ForwardHeader { session: forward.session, wanted: Wanted::Port(forward.protocol, wished) };
    let (send, mut recv) = forward.link.open_stream(&header.to_bytes()).await?;
    let bytes = Frames::<ANSWER_BYTES>::new().next(&mut recv).await?.ok_or(HoldEnded::Lost)?;
    let answer: PortAnswer = answer_of(&bytes).map_err(|_| HoldEnded::Lost)?;
    Ok((answer?, send, recv))
}

async fn serve(
    forward: &Forward,
    mut send: Held,
    recv: &mut StreamRecv,
    mut tell: impl FnMut(Told),
) -> Result<(), HoldEnded> {
    let (mut visitors, mut frames) = (JoinSet::new(), Frames::<VISITOR_BYTES>::new());
    loop {
        tokio::select! {
            frame = frames.next(recv) => {
                let visitor = Visitor::of(&frame?.ok_or(HoldEnded::Lost)?).map_err(|_| HoldEnded::Lost)?;
                if visitors.len() < VISITORS_MAX {
                    visitors.spawn(take(forward.clone(), visitor));
                    tell(Told::Visitors(visitors.len()));
                } else {
                    refuse(&mut send, visitor.number).await?;
                }
            }
            Some(taken) = visitors.join_next() => {
                tell(Told::Visitors(visitors.len()));
                match taken {
                    Ok(Err(NotTaken(number))) => {
                        tell(Told::NotTaken);
                        refuse(&mut send, number).await?;
                    }
                    Ok(Ok(())) => tell(Told::Taken),
                    Err(_) => {}
                }
            }
        }
    }
}

async fn refuse(send: &mut Held, number: VisitorNumber) -> Result<(), StreamError> {
    send.0.write_all(&number.0.to_be_bytes()).await
}

/// The program is not there.
struct NotTaken(VisitorNumber);

/// Takes a visitor to the program, and its bytes both ways until the end.
async fn take(forward: Forward, visitor: Visitor) -> Result<(), NotTaken> {
    match forward.protocol {
        Protocol::Tcp => take_connection(forward, visitor).await,
        Protocol::Udp => take_flow(forward, visitor).await,
    }
}

async fn take_flow(forward: Forward, visitor: Visitor) -> Result<(), NotTaken> {
    let not_taken = |_| NotTaken(visitor.number);
    let any: IpAddr = if forward.to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await.map_err(not_taken)?;
    socket.connect(forward.to).await.map_err(not_taken)?;
    let header = ForwardHeader { session: forward.session, wanted: Wanted::Visitor(visitor.number) };
    // It may have given up meanwhile.
    let Ok(stream) = socks::ask(&forward.link, &header).await else { return Ok(()) };
    match carry(FlowEnd::Program(socket), visitor.from, stream, &forward.gate, &forward.meter).await {
        // Nobody listens there.
        Ended::Socket(_) => Err(NotTaken(visitor.number)),
        _ => Ok(()),
    }
}

async fn take_connection(forward: Forward, visitor: Visitor) -> Result<(), NotTaken> {
    let connected = timeout(VISITOR_WAIT, TcpStream::connect(forward.to)).await;
    let Ok(Ok(mut socket)) = connected else { return Err(NotTaken(visitor.number)) };
    let _ = socket.set_nodelay(true);
    if forward.tells_from && socket.write_all(proxy_line(visitor.from, forward.to).as_bytes()).await.is_err() {
        return Err(NotTaken(visitor.number));
    }
    let header = ForwardHeader { session: forward.session, wanted: Wanted::Visitor(visitor.number) };
    // It may have left meanwhile.
    let Ok((send, recv)) = socks::ask(&forward.link, &header).await else { return Ok(()) };
    splice(socket, send, recv, Side::Client, &forward.gate, &forward.meter).await;
    Ok(())
}

/// The line that says where a connection comes from (HAProxy's PROXY protocol, version 1, section 2.1).
fn proxy_line(from: SocketAddr, to: SocketAddr) -> String {
    match (from, to) {
        (SocketAddr::V4(from), SocketAddr::V4(to)) => {
            format!("PROXY TCP4 {} {} {} {}\r\n", from.ip(), to.ip(), from.port(), to.port())
        }
        (from, to) => {
            let wide = |address: SocketAddr| match address.ip() {
                IpAddr::V4(ip) => ip.to_ipv6_mapped(),
                IpAddr::V6(ip) => ip,
            };
            format!("PROXY TCP6 {} {} {} {}\r\n", wide(from), wide(to), from.port(), to.port())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_told_where_a_visitor_comes_from() {
        for (from, to, line) in [
            ("192.0.2.1:5000", "127.0.0.1:80", "PROXY TCP4 192.0.2.1 127.0.0.1 5000 80\r\n"),
            ("[2001:db8::1]:5000", "[::1]:80", "PROXY TCP6 2001:db8::1 ::1 5000 80\r\n"),
            ("[2001:db8::1]:5000", "127.0.0.1:80", "PROXY TCP6 2001:db8::1 ::ffff:127.0.0.1 5000 80\r\n"),
        ] {
            assert_eq!(proxy_line(from.parse().unwrap(), to.parse().unwrap()), line);
        }
    }
}
