//! Connecting to one of several addresses (after RFC 8305): the families take turns, each next address is tried when
//! the one before has failed or is slow, and the first to answer wins.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::socks::Reply;

/// Addresses of one host that are tried. Names with more than this have plenty that work.
pub const ADDRESSES_TRIED_MAX: usize = 8;
/// How long an address is given before the next is tried beside it.
const HEAD_START: Duration = Duration::from_millis(250);

/// A connection to one of `addresses`, or what says most about why there is none.
pub(super) async fn to_any(addresses: &[IpAddr], port: u16) -> Result<TcpStream, Reply> {
    let mut left = in_turns(addresses).into_iter().take(ADDRESSES_TRIED_MAX);
    let mut trying = FuturesUnordered::new();
    let mut failure = Reply::HostUnreachable;
    loop {
        let next = left.next();
        let is_last = next.is_none();
        trying.extend(next.map(|ip| TcpStream::connect(SocketAddr::new(ip, port))));
        tokio::select! {
            tried = trying.next() => match tried {
                Some(Ok(socket)) => return Ok(socket),
                Some(Err(error)) => failure = more_telling(failure, Reply::of_connect(&error)),
                None => return Err(failure),
            },
            () = sleep(HEAD_START), if !is_last => {}
        }
    }
}

/// IPv6 and IPv4 alternating, beginning with the family that the resolver put first.
fn in_turns(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let Some(first) = addresses.first() else { return Vec::new() };
    let (mut one, mut other): (Vec<IpAddr>, Vec<IpAddr>) =
        addresses.iter().rev().partition(|address| address.is_ipv4() == first.is_ipv4());
    let mut turns = Vec::new();
    while !one.is_empty() || !other.is_empty() {
        turns.extend(one.pop());
        turns.extend(other.pop());
    }
    turns
}

/// A refusal says that the host is there; that a network can't be reached often only says that the exit has no IPv6.
fn more_telling(one: Reply, other: Reply) -> Reply {
    let rank = |reply| match reply {
        Reply::Refused => 4,
        Reply::TtlExpired => 3,
        Reply::NotAllowed => 2,
        Reply::NetworkUnreachable => 1,
        _ => 0,
    };
    if rank(other) >= rank(one) { other } else { one }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(text: &str) -> Vec<IpAddr> {
        text.split_whitespace().map(|ip| ip.parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns() {
        for (given, turns) in [
            ("", ""),
            ("1.1.1.1", "1.1.1.1"),
            ("1.1.1.1 1.1.1.2 ::1 ::2 ::3", "1.1.1.1 ::1 1.1.1.2 ::2 ::3"),
            ("::1 ::2 1.1.1.1", "::1 1.1.1.1 ::2"),
        ] {
            assert_eq!(in_turns(&addresses(given)), addresses(turns), "{given}");
        }
    }

    #[tokio::test]
    async fn the_first_address_that_answers_wins() {
        let listener = tokio::net::TcpListener::bind("127.0.0.2:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let socket = to_any(&addresses("127.0.0.3 127.0.0.4 127.0.0.2"), port).await.unwrap();
        assert_eq!(socket.peer_addr().unwrap().ip().to_string(), "127.0.0.2");
        drop(listener);
        assert_eq!(to_any(&addresses("127.0.0.2 127.0.0.3"), port).await.unwrap_err(), Reply::Refused);
        assert_eq!(to_any(&[], port).await.unwrap_err(), Reply::HostUnreachable);
    }
}
