//! The SOCKS5 handshake up to the request (RFC 1928), with an optional name and password (RFC 1929).
//!
//! Written out here, it is shorter than the adapter that a library would need, nothing of it is logged (neither where a
//! program wants to go nor its password), and each refusal is the one that the standard names; see
//! `docs/decisions/0002-links.md`.
//!
//! A name and a password are read if the program offers them, and any are accepted: the listener is for programs of this
//! machine, and what they write there can say which exit they want. They are no protection.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::reply::Reply;
use super::stream_header::{Host, Target, Wanted};

const SOCKS_VERSION: u8 = 5;
const PASSWORD_VERSION: u8 = 1;
const METHOD_NONE: u8 = 0;
const METHOD_PASSWORD: u8 = 2;
const METHOD_NO_MATCH: u8 = 0xff;
const COMMAND_CONNECT: u8 = 1;
const COMMAND_ASSOCIATE: u8 = 3;
const ADDRESS_V4: u8 = 1;
const ADDRESS_NAME: u8 = 3;
const ADDRESS_V6: u8 = 4;

/// What a program gave as name and password, at most 255 bytes each.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub user: String,
    pub password: String,
}

/// Why there was no request.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    /// It isn't SOCKS5, or the connection broke: nothing can be answered.
    #[error("the handshake failed: {0}")]
    Io(#[from] io::Error),
    #[error("version {0} instead of 5; is something other than a SOCKS5 client connecting here?")]
    Version(u8),
    #[error("none of the offered ways to log in is supported")]
    NoMethod,
    #[error("the name or password is not UTF-8 text")]
    Credentials,
    /// There was a request, and it was already answered with this.
    #[error("refused: {0}")]
    Refused(Reply),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

/// Reads up to the request. Whatever can be refused by now has been answered when this fails.
pub(super) async fn read_request<S>(stream: &mut S) -> Result<(Wanted, Option<Credentials>), HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let credentials = match choose_method(stream).await? {
        METHOD_PASSWORD => Some(read_credentials(stream).await?),
        _ => None,
    };
    match read_wanted(stream).await? {
        Ok(wanted) => Ok((wanted, credentials)),
        Err(reply) => {
            write_reply(stream, reply, None).await?;
            Err(HandshakeError::Refused(reply))
        }
    }
}

/// Answers a request. `bound` is where datagrams are to be sent; of a connection it would be the exit's own address, which
/// programs ignore and which isn't told here.
pub(super) async fn write_reply<S>(stream: &mut S, reply: Reply, bound: Option<SocketAddr>) -> io::Result<()>
where
    S: AsyncWrite + Unpin,
{
    let mut bytes = vec![SOCKS_VERSION, reply.byte(), 0];
    match bound.map(|address| address.ip()) {
        Some(IpAddr::V6(ip)) => {
            bytes.push(ADDRESS_V6);
            bytes.extend(ip.octets());
        }
        other => {
            bytes.push(ADDRESS_V4);
            bytes.extend(match other {
                Some(IpAddr::V4(ip)) => ip.octets(),
                _ => [0; 4],
            });
        }
    }
    bytes.extend(bound.map_or(0, |address| address.port()).to_be_bytes());
    stream.write_all(&bytes).await?;
    stream.flush().await
}

async fn choose_method<S>(stream: &mut S) -> Result<u8, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    check_version(stream.read_u8().await?)?;
    let mut offered = vec![0; usize::from(stream.read_u8().await?)];
    stream.read_exact(&mut offered).await?;
    let method = [METHOD_PASSWORD, METHOD_NONE].into_iter().find(|method| offered.contains(method));
    stream.write_all(&[SOCKS_VERSION, method.unwrap_or(METHOD_NO_MATCH)]).await?;
    method.ok_or(HandshakeError::NoMethod)
}

async fn read_credentials<S>(stream: &mut S) -> Result<Credentials, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match stream.read_u8().await? {
        PASSWORD_VERSION => {}
        other => return Err(HandshakeError::Version(other)),
    }
    let (user, password) = (read_short(stream).await?, read_short(stream).await?);
    let (Ok(user), Ok(password)) = (String::from_utf8(user), String::from_utf8(password)) else {
        stream.write_all(&[PASSWORD_VERSION, 1]).await?;
        return Err(HandshakeError::Credentials);
    };
    stream.write_all(&[PASSWORD_VERSION, 0]).await?;
    Ok(Credentials { user, password })
}

/// What the program wants, or what to refuse it with.
async fn read_wanted<S>(stream: &mut S) -> Result<Result<Wanted, Reply>, HandshakeError>
where
    S: AsyncRead + Unpin,
{
    let mut head = [0; 4];
    stream.read_exact(&mut head).await?;
    let [version, command, _reserved, kind] = head;
    check_version(version)?;
    let host = match kind {
        ADDRESS_V4 => Ok(Host::Ip(read_array::<_, 4>(stream).await?.into())),
        ADDRESS_V6 => Ok(Host::Ip(read_array::<_, 16>(stream).await?.into())),
        ADDRESS_NAME => {
            let name = read_short(stream).await?;
            let host = std::str::from_utf8(&name).ok().and_then(|name| name.parse().ok());
            // A name that can't exist is a host that can't be reached.
            host.ok_or(Reply::HostUnreachable)
        }
        // How long such an address is isn't known, so nothing after it can be read.
        _ => return Ok(Err(Reply::AddressNotSupported)),
    };
    let port = stream.read_u16().await?;
    Ok(match command {
        COMMAND_CONNECT => host.map(|host| Wanted::Connection(Target::new(host, port))),
        // The address says where the program will send from, as far as it knows, and most say nothing.
        COMMAND_ASSOCIATE => Ok(Wanted::Datagrams),
        _ => Err(Reply::CommandNotSupported),
    })
}

fn check_version(version: u8) -> Result<(), HandshakeError> {
    if version == SOCKS_VERSION { Ok(()) } else { Err(HandshakeError::Version(version)) }
}

/// A byte string whose length is one byte.
async fn read_short<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::from(stream.read_u8().await?)];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

async fn read_array<S: AsyncRead + Unpin, const N: usize>(stream: &mut S) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Read = Result<(Wanted, Option<Credentials>), HandshakeError>;

    /// What a server that reads `input` and then the end of it makes of it, and what it answers.
    fn handshake(input: &[u8]) -> (Read, Vec<u8>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (mut client, mut server) = tokio::io::duplex(4096);
            client.write_all(input).await.unwrap();
            client.shutdown().await.unwrap();
            let outcome = read_request(&mut server).await;
            drop(server);
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.unwrap();
            (outcome, answer)
        })
    }

    fn refused(reply: Reply) -> Vec<u8> {
        vec![5, 0, 5, reply.byte(), 0, 1, 0, 0, 0, 0, 0, 0]
    }

    #[test]
    fn requests_that_are_understood() {
        for (request, target) in [
            (&[5, 1, 0, 1, 192, 0, 2, 1, 0x1f, 0x90][..], "192.0.2.1:8080"),
            (
                &[5, 1, 0, 3, 11, b'e', b'x', b'a', b'm', b'p', b'l', b'e', b'.', b'o', b'r', b'g', 0, 80],
                "example.org:80",
            ),
            (&[5, 1, 0, 3, 7, b'1', b'0', b'.', b'0', b'.', b'0', b'1', 0, 80], "10.0.01:80"),
            (&[5, 1, 0, 3, 8, b'1', b'0', b'.', b'0', b'.', b'0', b'.', b'1', 0, 80], "10.0.0.1:80"),
            (&[5, 1, 0, 4, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 187], "[2001:db8::1]:443"),
        ] {
            let (outcome, answer) = handshake(&[&[5, 1, 0], request].concat());
            let Wanted::Connection(wanted) = outcome.unwrap().0 else { panic!("a connection is wanted") };
            assert_eq!(wanted.to_string(), target);
            assert_eq!(answer, [5, 0]);
        }
    }

    #[test]
    fn datagrams_are_wanted_from_wherever_the_program_sends() {
        for request in [
            &[5, 3, 0, 1, 0, 0, 0, 0, 0, 0][..],
            &[5, 3, 0, 1, 127, 0, 0, 1, 200, 0],
            &[5, 3, 0, 3, 2, 0xff, 0xff, 0, 80],
        ] {
            let (outcome, _) = handshake(&[&[5, 1, 0], request].concat());
            assert_eq!(outcome.unwrap().0, Wanted::Datagrams);
        }
    }

    #[test]
    fn a_name_and_a_password_are_passed_on() {
        let request = [5, 1, 0, 1, 192, 0, 2, 1, 0, 80];
        let input = [&[5, 2, 0, 2, 1, 2, b'd', b'e', 3, b'a', b'n', b'y'][..], &request].concat();
        let (outcome, answer) = handshake(&input);
        let credentials = outcome.unwrap().1.unwrap();
        assert_eq!((credentials.user.as_str(), credentials.password.as_str()), ("de", "any"));
        assert_eq!(format!("{credentials:?}"), "Credentials");
        assert_eq!(answer, [5, 2, 1, 0]);
        let (outcome, answer) = handshake(&[&[5, 1, 2, 1, 1, 0xff, 0][..], &request].concat());
        assert!(matches!(outcome, Err(HandshakeError::Credentials)));
        assert_eq!(answer, [5, 2, 1, 1]);
    }

    #[test]
    fn what_is_refused_and_how() {
        let v4 = [192, 0, 2, 1, 0, 80];
        for (request, reply) in [
            ([&[5, 2, 0, 1][..], &v4].concat(), Reply::CommandNotSupported),
            ([&[5, 9, 0, 1][..], &v4].concat(), Reply::CommandNotSupported),
            ([&[5, 1, 0, 2][..], &v4].concat(), Reply::AddressNotSupported),
            (vec![5, 1, 0, 3, 0, 0, 80], Reply::HostUnreachable),
            (vec![5, 1, 0, 3, 2, 0xff, 0xff, 0, 80], Reply::HostUnreachable),
            (vec![5, 1, 0, 3, 3, b'a', b'\n', b'b', 0, 80], Reply::HostUnreachable),
        ] {
            let (outcome, answer) = handshake(&[&[5, 1, 0][..], &request].concat());
            assert!(matches!(outcome, Err(HandshakeError::Refused(got)) if got == reply), "{request:?}");
            assert_eq!(answer, refused(reply), "{request:?}");
        }
    }

    #[test]
    fn what_is_not_socks5_gets_no_answer_that_could_mislead() {
        for (input, expected) in [
            (&b"GET / HTTP/1.1\r\n\r\n"[..], &[][..]),
            (&[4, 1, 0, 80, 192, 0, 2, 1, 0], &[]),
            (&[], &[]),
            (&[5], &[]),
            (&[5, 3, 0, 1], &[]),
            (&[5, 0], &[5, 0xff]),
            (&[5, 1, 1], &[5, 0xff]),
            (&[5, 1, 0, 4, 1, 0, 1], &[5, 0]),
            (&[5, 1, 0, 5, 1, 0, 1, 192, 0], &[5, 0]),
            (&[5, 1, 2, 9, 1, 65, 1, 65], &[5, 2]),
        ] {
            let (outcome, answer) = handshake(input);
            assert!(outcome.is_err(), "{input:?}");
            assert_eq!(answer, expected, "{input:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_end_in_a_request_or_a_reason(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let (outcome, answer) = handshake(&[&[5, 1, 0][..], &bytes].concat());
            match outcome {
                Err(HandshakeError::Refused(reply)) => prop_assert_eq!(answer, refused(reply)),
                _ => prop_assert_eq!(answer, [5, 0]),
            }
        }
    }
}
