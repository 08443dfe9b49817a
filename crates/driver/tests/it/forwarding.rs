//! Ports at an exit that lead to a program of the client's, over a real link.

// What the tests share panics like the tests themselves.
#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use byway_driver::forwarding::{
    FLOW_IDLE, Forward, ForwardHeader, ForwardHost, ForwardLimits, HoldEnded, PortRefusal, Protocol, Told, Wanted,
    hold, refuse_port,
};
use byway_driver::gate::Gate;
use byway_driver::link::{Event, Link};
use byway_driver::meter::{Meter, Metered};
use byway_driver::socks::Reply;
use byway_primitives::Decode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::link::{End, config, connect, guarded, open};

const SESSION: [u8; 16] = [7; 16];
const OWNER: [u8; 20] = [1; 20];

/// Whoever comes is let in.
fn anyone(addresses: &[IpAddr], _: u16) -> Result<Vec<IpAddr>, Reply> {
    Ok(addresses.to_vec())
}

struct Rig {
    link: Link,
    provider_meter: Arc<Meter>,
    client_meter: Arc<Meter>,
    gate: Arc<Gate>,
    host: Option<ForwardHost>,
    _client: End,
    _tasks: JoinSet<()>,
}

/// A provider with one port, or none.
async fn rig(gives_ports: bool) -> Rig {
    rig_with(gives_ports, FLOW_IDLE, Ipv4Addr::LOCALHOST.into()).await
}

async fn rig_with(gives_ports: bool, flow_idle_max: Duration, listen: IpAddr) -> Rig {
    let (mut client, mut provider) = (open(config(1)).await, open(config(2)).await);
    let (link, _) = connect(&mut client, &mut provider).await;
    let (gate, provider_meter) = (Arc::new(Gate::unlimited()), Arc::new(Meter::new()));
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let limits = ForwardLimits { listen, ports: port..=port, per_client: 1, flow_idle_max };
    let host = gives_ports.then(|| ForwardHost::new(limits));
    let kept = host.clone();
    let (meter, gates) = (provider_meter.clone(), gate.clone());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut streams = JoinSet::new();
        while let Some(event) = provider.events.recv().await {
            let Event::Stream { header, mut send, recv, .. } = event else { continue };
            let header = ForwardHeader::from_bytes(&header).expect("a header");
            assert_eq!(header.session, SESSION);
            let (host, gate, meter) = (host.clone(), gates.clone(), meter.clone());
            streams.spawn(async move {
                let Some(host) = host else { return refuse_port(&mut send, &gate).await };
                match header.wanted {
                    Wanted::Port(protocol, port) => {
                        let (owner, public) = ((OWNER, SESSION), Ipv4Addr::LOCALHOST.into());
                        host.serve_port(owner, (protocol, port), public, (send, recv), &gate, &anyone).await;
                    }
                    Wanted::Visitor(number) => {
                        host.serve_visitor(OWNER, number, (send, recv), &gate, &meter, &anyone).await;
                    }
                }
            });
        }
    });
    let client_meter = Arc::new(Meter::new());
    Rig { link, provider_meter, client_meter, gate, host: kept, _client: client, _tasks: tasks }
}

impl Rig {
    fn forward(&self, to: SocketAddr, tells_from: bool) -> Forward {
        let (gate, meter) = (Arc::new(Gate::unlimited()), self.client_meter.clone());
        let protocol = Protocol::Tcp;
        Forward { link: self.link.clone(), session: SESSION, gate, meter, protocol, to, tells_from }
    }

    fn forward_datagrams(&self, to: SocketAddr) -> Forward {
        Forward { protocol: Protocol::Udp, ..self.forward(to, false) }
    }
}

/// Holds a port; what is told of it, and its end.
fn holding(forward: Forward) -> (mpsc::UnboundedReceiver<Told>, tokio::task::JoinHandle<HoldEnded>) {
    let (tell, told) = mpsc::unbounded_channel();
    let holding = tokio::spawn(hold(forward, None, move |news| {
        // The test may have heard enough.
        let _ = tell.send(news);
    }));
    (told, holding)
}

/// Waits until nobody listens there any more, in the end for as long as a test may take.
async fn gone(public: SocketAddr) {
    while TcpStream::connect(public).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

async fn opened(told: &mut mpsc::UnboundedReceiver<Told>) -> SocketAddr {
    match told.recv().await {
        Some(Told::Open(public)) => public,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_visitor_talks_to_the_program_and_is_counted_alike_on_both_sides() {
    guarded(async {
        let rig = rig(true).await;
        let program = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (mut told, holding) = holding(rig.forward(program.local_addr().unwrap(), true));
        let public = opened(&mut told).await;
        let mut visitor = TcpStream::connect(public).await.unwrap();
        visitor.write_all(b"hello").await.unwrap();
        let (mut socket, _) = program.accept().await.unwrap();
        let line = format!(
            "PROXY TCP4 127.0.0.1 127.0.0.1 {} {}\r\n",
            visitor.local_addr().unwrap().port(),
            program.local_addr().unwrap().port()
        );
        let mut heard = vec![0; line.len() + 5];
        socket.read_exact(&mut heard).await.unwrap();
        assert_eq!(heard, [line.as_bytes(), b"hello"].concat(), "the line is not metered, the greeting is");
        socket.write_all(b"goodbye").await.unwrap();
        drop(socket);
        let mut answer = Vec::new();
        visitor.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"goodbye");
        drop(visitor);
        let all = Metered { up: 7, down: 5 };
        for meter in [&rig.client_meter, &rig.provider_meter] {
            meter.reached(12).await;
            assert_eq!(meter.read(), all);
        }
        // The port goes with whoever held it.
        holding.abort();
        gone(public).await;
    })
    .await;
}

#[tokio::test]
async fn a_visitor_is_turned_away_where_no_program_is() {
    guarded(async {
        let rig = rig(true).await;
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (mut told, _holding) = holding(rig.forward(nobody, false));
        let public = opened(&mut told).await;
        let mut visitor = TcpStream::connect(public).await.unwrap();
        let mut nothing = Vec::new();
        // However it is closed, it is closed.
        let _ = visitor.read_to_end(&mut nothing).await;
        assert!(nothing.is_empty());
        loop {
            match told.recv().await {
                Some(Told::NotTaken) => break,
                Some(_) => {}
                None => panic!("the port is gone"),
            }
        }
        assert_eq!(rig.provider_meter.read(), Metered::default(), "knocking costs nothing");
    })
    .await;
}

#[tokio::test]
async fn the_port_ends_with_the_session_and_is_refused_where_none_is_given() {
    guarded(async {
        let rig = rig(true).await;
        let (mut told, holding) = holding(rig.forward(([127, 0, 0, 1], 9).into(), false));
        let public = opened(&mut told).await;
        rig.gate.close(byway_driver::gate::CloseReason::Ended);
        assert_eq!(holding.await.unwrap(), HoldEnded::Lost);
        gone(public).await;
    })
    .await;
    guarded(async {
        let rig = rig(false).await;
        let (_told, holding) = holding(rig.forward(([127, 0, 0, 1], 9).into(), false));
        assert_eq!(holding.await.unwrap(), HoldEnded::Refused(PortRefusal::NotOffered));
    })
    .await;
}

/// A socket of somebody's, from whom and to whom datagrams go.
async fn socket() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").await.unwrap()
}

async fn heard(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut bytes = [0; 2000];
    let (length, from) = socket.recv_from(&mut bytes).await.unwrap();
    (bytes[..length].to_vec(), from)
}

#[tokio::test]
async fn visitors_by_udp_talk_to_the_program_apart_from_each_other_and_are_counted_alike() {
    guarded(async {
        let (rig, program) = (rig(true).await, socket().await);
        let (mut told, holding) = holding(rig.forward_datagrams(program.local_addr().unwrap()));
        let public = opened(&mut told).await;
        let (one, two) = (socket().await, socket().await);
        let mut seen = Vec::new();
        for (visitor, word) in [(&one, b"one"), (&two, b"two"), (&one, b"1st")] {
            visitor.send_to(word, public).await.unwrap();
            let (payload, from) = heard(&program).await;
            assert_eq!(payload, word);
            seen.push(from);
        }
        assert!(seen[0] == seen[2] && seen[0] != seen[1], "a socket for each: {seen:?}");
        program.send_to(b"to two", seen[1]).await.unwrap();
        program.send_to(b"to one", seen[0]).await.unwrap();
        assert_eq!(heard(&two).await, (b"to two".to_vec(), public));
        assert_eq!(heard(&one).await, (b"to one".to_vec(), public));
        let all = Metered { up: 12, down: 9 };
        for meter in [&rig.client_meter, &rig.provider_meter] {
            meter.reached(21).await;
            assert_eq!(meter.read(), all);
        }
        let given = rig.host.as_ref().unwrap().given();
        assert_eq!(
            (given.len(), given[0].protocol, given[0].port, given[0].session),
            (1, Protocol::Udp, public.port(), SESSION)
        );
        assert_eq!((given[0].owner, given[0].is_open, given[0].carried), (OWNER, true, all));
        // The port goes with whoever held it.
        holding.abort();
        while UdpSocket::bind(public).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_visitor_by_udp_is_answered_from_the_address_that_it_wrote_to() {
    for listen in [IpAddr::from(Ipv4Addr::UNSPECIFIED), Ipv6Addr::UNSPECIFIED.into()] {
        guarded(async move {
            let (rig, program) = (rig_with(true, FLOW_IDLE, listen).await, socket().await);
            let (mut told, _holding) = holding(rig.forward_datagrams(program.local_addr().unwrap()));
            let (port, visitor) = (opened(&mut told).await.port(), socket().await);
            // Addresses of this machine of which none is the one that it would take to answer.
            for last in [7, 8] {
                let to = SocketAddr::from(([127, 0, 0, last], port));
                visitor.send_to(&[last], to).await.unwrap();
                let (payload, from) = heard(&program).await;
                assert_eq!(payload, [last]);
                program.send_to(b"me", from).await.unwrap();
                assert_eq!(heard(&visitor).await, (b"me".to_vec(), to));
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_visitor_by_udp_that_was_silent_for_long_is_a_new_one() {
    guarded(async {
        let (rig, program) =
            (rig_with(true, Duration::from_millis(50), Ipv4Addr::LOCALHOST.into()).await, socket().await);
        let (mut told, _holding) = holding(rig.forward_datagrams(program.local_addr().unwrap()));
        let (public, visitor) = (opened(&mut told).await, socket().await);
        visitor.send_to(b"hello", public).await.unwrap();
        let (_, first) = heard(&program).await;
        while !matches!(told.recv().await, Some(Told::Visitors(0))) {}
        visitor.send_to(b"again", public).await.unwrap();
        let (payload, second) = heard(&program).await;
        assert_eq!(payload, b"again");
        assert_ne!(first, second);
    })
    .await;
}

#[tokio::test]
async fn a_visitor_by_udp_is_told_of_where_no_program_is() {
    guarded(async {
        let rig = rig(true).await;
        let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (mut told, _holding) = holding(rig.forward_datagrams(nobody));
        let (public, visitor) = (opened(&mut told).await, socket().await);
        visitor.send_to(b"hello", public).await.unwrap();
        while !matches!(told.recv().await, Some(Told::NotTaken)) {}
    })
    .await;
}

#[tokio::test]
async fn an_operator_closes_a_port_with_what_is_carried_there_and_its_client_gets_no_other() {
    guarded(async {
        let (rig, program) = (rig(true).await, TcpListener::bind("127.0.0.1:0").await.unwrap());
        let to = program.local_addr().unwrap();
        let (mut told, ended) = holding(rig.forward(to, false));
        let public = opened(&mut told).await;
        let mut visitor = TcpStream::connect(public).await.unwrap();
        visitor.write_all(b"hello").await.unwrap();
        let (mut socket, _) = program.accept().await.unwrap();
        socket.read_exact(&mut [0; 5]).await.unwrap();
        assert_eq!(rig.host.as_ref().unwrap().close(public.port(), Some(Protocol::Tcp)).unwrap().len(), 1);
        // However it is cut, it is over.
        assert!(matches!(visitor.read(&mut [0; 1]).await, Ok(0) | Err(_)));
        assert_eq!(ended.await.unwrap(), HoldEnded::Lost);
        gone(public).await;
        let (_told, again) = holding(rig.forward(to, false));
        assert_eq!(again.await.unwrap(), HoldEnded::Refused(PortRefusal::ShutOut));
    })
    .await;
}
