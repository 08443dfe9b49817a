//! Programs that go out through the SOCKS listener, a link and an exit, to servers on this machine.

// What the tests share panics like the tests themselves.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use byway_driver::exit::{self, Exit, Resolve, ResolveError};
use byway_driver::gate::{CloseReason, Gate};
use byway_driver::link::Event;
use byway_driver::meter::{Meter, Metered};
use byway_driver::socks::server::Limits;
use byway_driver::socks::{self, Outcome, Reply, SessionTag, StreamHeader, carry};
use byway_primitives::Decode;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::link::{End, config, connect, guarded, noise, open};

mod datagrams;

pub const SESSION: SessionTag = [77; 16];

/// A program's view of it all, and the handles of both sides.
struct Rig {
    proxy: SocketAddr,
    client_meter: Arc<Meter>,
    provider_meter: Arc<Meter>,
    gate: Arc<Gate>,
    client: Arc<End>,
    provider: Arc<byway_driver::link::Links>,
    resolver: Arc<Names>,
    /// What became of each connection, as the provider and as the client saw it.
    served: mpsc::UnboundedReceiver<Outcome>,
    carried: mpsc::UnboundedReceiver<Outcome>,
    _tasks: JoinSet<()>,
}

/// Names that resolve to the given addresses, one list after the other, the last for good.
#[derive(Default)]
pub struct Names {
    answers: Mutex<BTreeMap<String, Vec<Vec<IpAddr>>>>,
    asked: AtomicUsize,
}

impl Resolve for Names {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, ResolveError>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().unwrap();
        let found = match answers.get_mut(name) {
            Some(answers) if answers.len() > 1 => Ok(answers.remove(0)),
            Some(answers) => Ok(answers[0].clone()),
            None => Err(ResolveError::Unknown),
        };
        async move { found }.boxed()
    }
}

impl Names {
    fn set(&self, name: &str, answers: &[&[&str]]) {
        let parse = |list: &&[&str]| list.iter().map(|ip| ip.parse().unwrap()).collect();
        self.answers.lock().unwrap().insert(name.to_owned(), answers.iter().map(parse).collect());
    }
}

/// 127.0.0.1 is the internet here, and everything else is denied, as a real policy does the other way round.
pub fn policy(addresses: &[IpAddr], port: u16) -> Result<Vec<IpAddr>, Reply> {
    let allowed: Vec<_> = addresses.iter().copied().filter(|ip| ip.to_string() == "127.0.0.1" && port != 25).collect();
    if allowed.is_empty() { Err(Reply::NotAllowed) } else { Ok(allowed) }
}

async fn rig() -> Rig {
    rig_with(Limits::default(), u64::MAX).await
}

async fn rig_with(limits: Limits, allowance: u64) -> Rig {
    let (mut client, mut provider) = (open(config(1)).await, open(config(2)).await);
    let (link, _) = connect(&mut client, &mut provider).await;
    let (client_meter, provider_meter, gate) =
        (Arc::new(Meter::new()), Arc::new(Meter::new()), Arc::new(Gate::new(allowance)));
    let resolver = Arc::new(Names::default());
    let exit = Exit::new(resolver.clone(), Arc::new(policy), exit::Limits::default());
    let (served_by, served) = mpsc::unbounded_channel();
    let (carried_by, carried) = mpsc::unbounded_channel();
    let mut tasks = JoinSet::new();
    tasks.spawn(provide(provider.events, exit, gate.clone(), provider_meter.clone(), served_by));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = listener.local_addr().unwrap();
    let meter = client_meter.clone();
    tasks.spawn(socks::serve(listener, limits, move |request| {
        let (link, meter, carried_by) = (link.clone(), meter.clone(), carried_by.clone());
        async move {
            let outcome = carry(request, &link, SESSION, &Gate::unlimited(), &meter).await;
            let _ = carried_by.send(outcome);
        }
    }));
    let (client, provider) = (Arc::new(client), Arc::new(provider.links));
    Rig { proxy, client_meter, provider_meter, gate, client, provider, resolver, served, carried, _tasks: tasks }
}

/// What a provider does with the streams of its one client.
pub async fn provide(
    mut events: mpsc::Receiver<Event>,
    exit: Exit,
    gate: Arc<Gate>,
    meter: Arc<Meter>,
    served: mpsc::UnboundedSender<Outcome>,
) {
    let mut streams = JoinSet::new();
    while let Some(event) = events.recv().await {
        let Event::Stream { header, send, recv, .. } = event else { continue };
        let header = StreamHeader::from_bytes(&header).expect("a header");
        assert_eq!(header.session, SESSION);
        let (exit, gate, meter, served) = (exit.clone(), gate.clone(), meter.clone(), served.clone());
        streams.spawn(async move {
            let outcome = exit.serve(&header.wanted, send, recv, &gate, &meter).await;
            let _ = served.send(outcome);
        });
    }
}

impl Rig {
    /// Connects through the proxy; the reply code and the connection.
    async fn socks(&self, host: &str, port: u16) -> (u8, TcpStream) {
        let mut stream = TcpStream::connect(self.proxy).await.unwrap();
        let mut request = vec![5, 1, 0, 5, 1, 0];
        match host.parse() {
            Ok(IpAddr::V4(ip)) => request.extend([&[1][..], &ip.octets()].concat()),
            Ok(IpAddr::V6(ip)) => request.extend([&[4][..], &ip.octets()].concat()),
            Err(_) => request.extend([&[3, host.len() as u8], host.as_bytes()].concat()),
        }
        request.extend(port.to_be_bytes());
        stream.write_all(&request).await.unwrap();
        let mut reply = [0; 12];
        stream.read_exact(&mut reply).await.unwrap();
        assert_eq!(reply[..3], [5, 0, 5]);
        (reply[3], stream)
    }

    /// Asks an origin for `length` bytes of noise. The body's digest.
    async fn fetch(&self, host: &str, port: u16, length: usize) -> blake3::Hash {
        let (reply, mut stream) = self.socks(host, port).await;
        assert_eq!(reply, 0);
        ask(&mut stream, length).await;
        read_body(&mut stream, length).await
    }
}

async fn ask(stream: &mut TcpStream, length: usize) {
    stream.write_all(format!("GET /{length} HTTP/1.0\r\nHost: origin\r\n\r\n").as_bytes()).await.unwrap();
}

/// Reads a head and then `length` bytes and the end.
async fn read_body(stream: &mut TcpStream, length: usize) -> blake3::Hash {
    let head = read_head(stream).await.unwrap();
    assert!(head.starts_with("HTTP/1.0 200"), "{head}");
    let (mut hasher, mut total, mut chunk) = (blake3::Hasher::new(), 0, vec![0; 1 << 18]);
    loop {
        match stream.read(&mut chunk).await.unwrap() {
            0 => break,
            count => {
                hasher.update(&chunk[..count]);
                total += count;
            }
        }
    }
    assert_eq!(total, length);
    hasher.finalize()
}

async fn read_head(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8(head).unwrap())
}

/// The digest of what an origin sends for `/length`.
fn expected(length: usize) -> blake3::Hash {
    let (mut hasher, mut left, mut chunk, mut source) =
        (blake3::Hasher::new(), length, vec![0; 1 << 18], noise(length as u64));
    while left > 0 {
        let now = left.min(chunk.len());
        source.fill(&mut chunk[..now]);
        hasher.update(&chunk[..now]);
        left -= now;
    }
    hasher.finalize()
}

/// A little web server: `GET /n` gives n bytes, `PUT /` reads to the end and gives the digest of what came. It tells how
/// each connection ended for it.
async fn origin() -> (u16, mpsc::UnboundedReceiver<std::io::Result<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (ended, endings) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let ended = ended.clone();
            tokio::spawn(async move {
                let _ = ended.send(answer(stream).await);
            });
        }
    });
    (port, endings)
}

async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let head = read_head(&mut stream).await?;
    if head.starts_with("PUT ") {
        let (mut hasher, mut chunk) = (blake3::Hasher::new(), vec![0; 1 << 18]);
        loop {
            match stream.read(&mut chunk).await? {
                0 => break,
                count => hasher.update(&chunk[..count]),
            };
        }
        return stream.write_all(hasher.finalize().to_hex().as_bytes()).await;
    }
    let length: usize = head.split(['/', ' ']).nth(2).and_then(|text| text.parse().ok()).unwrap_or(0);
    stream.write_all(format!("HTTP/1.0 200 OK\r\nContent-Length: {length}\r\n\r\n").as_bytes()).await?;
    let (mut left, mut chunk, mut source) = (length, vec![0; 1 << 18], noise(length as u64));
    while left > 0 {
        let now = left.min(chunk.len());
        source.fill(&mut chunk[..now]);
        stream.write_all(&chunk[..now]).await?;
        left -= now;
    }
    stream.shutdown().await?;
    // The peer's end, or its reset.
    stream.read(&mut chunk).await.map(|_| ())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_comes_by_address_and_by_name() {
    guarded(async {
        let mut rig = rig().await;
        let (port, _endings) = origin().await;
        rig.resolver.set("origin.test", &[&["127.0.0.1"]]);
        rig.resolver.set("mapped.test", &[&["::ffff:127.0.0.1"]]);
        rig.resolver.set("mixed.test", &[&["10.0.0.1", "::1", "127.0.0.1"]]);
        for host in ["127.0.0.1", "origin.test", "mapped.test", "mixed.test", "::ffff:127.0.0.1"] {
            assert_eq!(rig.fetch(host, port, 10_000).await, expected(10_000), "{host}");
            assert_eq!(rig.served.recv().await, Some(Outcome::Spliced(socks::Ended::Finished)));
            assert_eq!(rig.carried.recv().await, Some(Outcome::Spliced(socks::Ended::Finished)));
        }
        assert_eq!(rig.client_meter.read(), rig.provider_meter.read(), "both sides count the same");
        assert_eq!(rig.gate.used(), rig.provider_meter.read().total());
    })
    .await;
}

#[tokio::test]
async fn refusals_have_the_proper_code() {
    guarded(async {
        let mut rig = rig().await;
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let closed_port = closed.local_addr().unwrap().port();
        drop(closed);
        rig.resolver.set("inside.test", &[&["192.168.1.1", "fd00::1"]]);
        rig.resolver.set("nothing.test", &[&[]]);
        for (host, port, reply) in [
            ("10.0.0.1", 80, Reply::NotAllowed),
            ("169.254.169.254", 80, Reply::NotAllowed),
            ("::ffff:10.0.0.1", 80, Reply::NotAllowed),
            ("::1", 80, Reply::NotAllowed),
            ("127.0.0.1", 25, Reply::NotAllowed),
            ("inside.test", 80, Reply::NotAllowed),
            ("127.0.0.1", closed_port, Reply::Refused),
            ("unknown.test", 80, Reply::HostUnreachable),
            ("no host", 80, Reply::HostUnreachable),
        ] {
            let (code, mut stream) = rig.socks(host, port).await;
            assert_eq!(code, reply.byte(), "{host}:{port}");
            assert_eq!(stream.read(&mut [0]).await.unwrap(), 0, "and then the connection ends");
            drop(stream);
            if host != "no host" {
                assert_eq!(rig.served.recv().await, Some(Outcome::Refused(reply)));
                assert_eq!(rig.carried.recv().await, Some(Outcome::Refused(reply)));
            }
        }
        assert_eq!(rig.provider_meter.read(), Metered::default(), "a refusal costs nothing");
    })
    .await;
}

#[tokio::test]
async fn a_name_that_changes_its_address_is_looked_up_once() {
    guarded(async {
        let rig = rig().await;
        let (port, _endings) = origin().await;
        rig.resolver.set("rebind.test", &[&["127.0.0.1"], &["10.0.0.1"]]);
        assert_eq!(rig.fetch("rebind.test", port, 100).await, expected(100));
        assert_eq!(rig.resolver.asked.load(Ordering::SeqCst), 1);
        let (code, _) = rig.socks("rebind.test", port).await;
        assert_eq!(code, Reply::NotAllowed.byte());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_download_arrives_whole_and_is_counted_alike() {
    const LENGTH: usize = 200_000_000;
    guarded(async {
        let mut rig = rig().await;
        let (port, _endings) = origin().await;
        assert_eq!(rig.fetch("127.0.0.1", port, LENGTH).await, expected(LENGTH));
        assert_eq!(rig.served.recv().await, Some(Outcome::Spliced(socks::Ended::Finished)));
        assert_eq!(rig.carried.recv().await, Some(Outcome::Spliced(socks::Ended::Finished)));
        assert_eq!(rig.client_meter.read(), rig.provider_meter.read());
        assert!(rig.client_meter.read().down > LENGTH as u64);
    })
    .await;
}

#[tokio::test]
async fn a_program_that_ends_its_side_still_gets_its_answer() {
    const LENGTH: usize = 3_000_000;
    guarded(async {
        let mut rig = rig().await;
        let (port, _endings) = origin().await;
        let (_, mut stream) = rig.socks("127.0.0.1", port).await;
        let mut body = vec![0; LENGTH];
        noise(9).fill(&mut body);
        stream.write_all(b"PUT / HTTP/1.0\r\n\r\n").await.unwrap();
        stream.write_all(&body).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut digest = String::new();
        stream.read_to_string(&mut digest).await.unwrap();
        assert_eq!(digest, blake3::hash(&body).to_hex().as_str());
        rig.served.recv().await.unwrap();
        rig.carried.recv().await.unwrap();
        let metered = Metered { up: LENGTH as u64 + 18, down: 64 };
        assert_eq!((rig.client_meter.read(), rig.provider_meter.read()), (metered, metered));
    })
    .await;
}

#[tokio::test]
async fn a_session_pauses_at_its_allowance_and_goes_on_when_it_is_raised() {
    const LENGTH: usize = 3_000_000;
    guarded(async {
        let rig = rig_with(Limits::default(), 100_000).await;
        let (port, _endings) = origin().await;
        let (_, mut stream) = rig.socks("127.0.0.1", port).await;
        ask(&mut stream, LENGTH).await;
        let reading = tokio::spawn(async move { read_body(&mut stream, LENGTH).await });
        for allowance in [100_000, 100_001, 164_000, 2_000_000] {
            rig.gate.allow(allowance);
            // Exactly the allowance, and no byte more, arrives and is acknowledged.
            assert_eq!(rig.provider_meter.reached(allowance).await.total(), allowance);
            let client = rig.client_meter.reached(allowance).await;
            assert_eq!((client, rig.gate.used()), (rig.provider_meter.read(), allowance));
            assert!(!reading.is_finished());
        }
        rig.gate.allow(u64::MAX);
        assert_eq!(reading.await.unwrap(), expected(LENGTH));
    })
    .await;
}

#[tokio::test]
async fn a_session_that_is_closed_cuts_its_connections_on_both_ends() {
    guarded(async {
        let mut rig = rig_with(Limits::default(), 100_000).await;
        let (port, mut endings) = origin().await;
        let (_, mut stream) = rig.socks("127.0.0.1", port).await;
        let (_, mut idle) = rig.socks("127.0.0.1", port).await;
        ask(&mut stream, 3_000_000).await;
        rig.provider_meter.reached(100_000).await;
        rig.gate.close(CloseReason::Unpaid);
        let cut = stream.read_to_end(&mut Vec::new()).await;
        assert_eq!(cut.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset, "no part is taken for the whole");
        assert!(idle.read_to_end(&mut Vec::new()).await.is_err(), "idle connections end too");
        for _ in 0..2 {
            assert!(endings.recv().await.unwrap().is_err(), "the origin's connection was reset");
        }
        for _ in 0..2 {
            let closed = Outcome::Spliced(socks::Ended::Closed(CloseReason::Unpaid));
            assert_eq!(rig.served.recv().await, Some(closed));
        }
    })
    .await;
}

#[tokio::test]
async fn a_link_that_dies_ends_what_is_under_way_on_both_ends() {
    guarded(async {
        let mut rig = rig_with(Limits::default(), 100_000).await;
        let (port, mut endings) = origin().await;
        let (_, mut stream) = rig.socks("127.0.0.1", port).await;
        ask(&mut stream, 30_000_000).await;
        rig.client_meter.reached(100_000).await;
        rig.provider.close().await;
        assert!(stream.read_to_end(&mut Vec::new()).await.is_err());
        assert!(endings.recv().await.unwrap().is_err(), "the origin's connection was reset");
        for outcome in [rig.served.recv().await, rig.carried.recv().await] {
            let down = Outcome::Spliced(socks::Ended::Stream(byway_driver::link::StreamError::Down));
            assert_eq!(outcome, Some(down));
        }
        let (code, _) = rig.socks("127.0.0.1", port).await;
        assert_eq!(code, Reply::GeneralFailure.byte());
        rig.client.links.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_program_that_vanishes_ends_the_connection_at_the_origin() {
    guarded(async {
        let mut rig = rig().await;
        let (port, mut endings) = origin().await;
        let (_, mut stream) = rig.socks("127.0.0.1", port).await;
        ask(&mut stream, 100_000_000).await;
        rig.client_meter.reached(1_000_000).await;
        stream.set_zero_linger().unwrap();
        drop(stream);
        assert!(endings.recv().await.unwrap().is_err());
        assert!(matches!(rig.carried.recv().await, Some(Outcome::Spliced(socks::Ended::Socket(_)))));
        assert!(rig.served.recv().await.is_some());
    })
    .await;
}

#[tokio::test]
async fn a_program_that_does_not_read_holds_nobody_else_up() {
    const LENGTH: usize = 20_000_000;
    guarded(async {
        let rig = rig().await;
        let (port, _endings) = origin().await;
        let (_, mut slow) = rig.socks("127.0.0.1", port).await;
        ask(&mut slow, LENGTH).await;
        assert_eq!(rig.fetch("127.0.0.1", port, 5_000_000).await, expected(5_000_000));
        assert_eq!(read_body(&mut slow, LENGTH).await, expected(LENGTH));
    })
    .await;
}

/// As a payer with a small credit window does: what was read is paid for, and a window more.
async fn pay(gate: Arc<Gate>, meter: Arc<Meter>, window: u64) {
    loop {
        let read = meter.read().total();
        gate.allow(read + window);
        meter.reached(read + 1).await;
    }
}

#[tokio::test]
async fn a_program_that_does_not_read_leaves_credit_to_others() {
    const WINDOW: u64 = 128 * 1024;
    const FETCHES: usize = 20;
    // More than the sockets' buffers hold on the way to the programs.
    const STOPPED: usize = 64_000_000;
    guarded(async {
        for stopped in 1..=2 {
            let rig = rig_with(Limits::default(), 0).await;
            let paying = tokio::spawn(pay(rig.gate.clone(), rig.client_meter.clone(), WINDOW));
            let (port, _endings) = origin().await;
            let mut programs = Vec::new();
            for _ in 0..stopped {
                let (_, mut program) = rig.socks("127.0.0.1", port).await;
                ask(&mut program, STOPPED).await;
                programs.push(program);
            }
            for _ in 0..FETCHES {
                assert_eq!(rig.fetch("127.0.0.1", port, 1_000_000).await, expected(1_000_000));
            }
            let unread = rig.provider_meter.read().down - rig.client_meter.read().down;
            assert!(unread < WINDOW, "{unread} bytes are held by {stopped} programs");
            // One that reads on gets all of its own.
            assert_eq!(read_body(&mut programs[0], STOPPED).await, expected(STOPPED));
            paying.abort();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_connections_at_once() {
    guarded(async {
        let mut rig = rig_with(Limits::default(), 0).await;
        let (port, _endings) = origin().await;
        let mut opened = Vec::new();
        for number in 0..200 {
            let (reply, mut stream) = rig.socks("127.0.0.1", port).await;
            assert_eq!(reply, 0);
            ask(&mut stream, 10_000 + number).await;
            opened.push((10_000 + number, stream));
        }
        let reading: Vec<_> = opened
            .into_iter()
            .map(|(length, mut stream)| tokio::spawn(async move { (length, read_body(&mut stream, length).await) }))
            .collect();
        // All 200 have to share an allowance that comes in small parts.
        let gate = rig.gate.clone();
        let meter = rig.provider_meter.clone();
        let paying = tokio::spawn(async move {
            for total in (0u64..).step_by(64 * 1024) {
                gate.allow(total);
                meter.reached(total).await;
            }
        });
        for task in reading {
            let (length, digest) = task.await.unwrap();
            assert_eq!(digest, expected(length));
        }
        paying.abort();
        for _ in 0..200 {
            rig.served.recv().await.unwrap();
            rig.carried.recv().await.unwrap();
        }
        assert_eq!(rig.client_meter.read(), rig.provider_meter.read());
    })
    .await;
}

#[tokio::test]
async fn garbage_and_silence_are_ended_and_change_nothing_for_others() {
    guarded(async {
        let limits = Limits { handshake_wait: Duration::from_millis(200), ..Limits::default() };
        let rig = rig_with(limits, u64::MAX).await;
        let (port, _endings) = origin().await;
        for bytes in [&b"GET http://origin/ HTTP/1.1\r\n\r\n"[..], &[4, 1, 0, 80], &[5, 0], &[5, 1, 0, 5, 2, 0, 9], &[]]
        {
            let mut stream = TcpStream::connect(rig.proxy).await.unwrap();
            stream.write_all(bytes).await.unwrap();
            // It ends, with or without an answer, though this side never ends its own.
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
        assert_eq!(rig.fetch("127.0.0.1", port, 1000).await, expected(1000));
    })
    .await;
}

#[tokio::test]
async fn no_more_connections_than_there_is_room_for() {
    guarded(async {
        let rig = rig_with(Limits { connections_max: 2, ..Limits::default() }, u64::MAX).await;
        let (port, _endings) = origin().await;
        let (_, _first) = rig.socks("127.0.0.1", port).await;
        let (_, _second) = rig.socks("127.0.0.1", port).await;
        let mut third = TcpStream::connect(rig.proxy).await.unwrap();
        assert!(matches!(third.read(&mut [0]).await, Ok(0) | Err(_)), "it is closed without an answer");
    })
    .await;
}
