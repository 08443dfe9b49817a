//! Ports at an exit that lead to a program of the client's, over a real link.

// What the tests share panics like the tests themselves.
#![allow(clippy::unwrap_used)]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use byway_driver::forwarding::{
    Forward, ForwardHeader, ForwardHost, ForwardLimits, HoldEnded, PortRefusal, Told, Wanted, hold, refuse_port,
};
use byway_driver::gate::Gate;
use byway_driver::link::{Event, Link};
use byway_driver::meter::{Meter, Metered};
use byway_primitives::Decode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::link::{End, config, connect, guarded, open};

const SESSION: [u8; 16] = [7; 16];
const OWNER: [u8; 20] = [1; 20];

struct Rig {
    link: Link,
    provider_meter: Arc<Meter>,
    client_meter: Arc<Meter>,
    gate: Arc<Gate>,
    _client: End,
    _tasks: JoinSet<()>,
}

/// A provider with one port, or none.
async fn rig(gives_ports: bool) -> Rig {
    let (mut client, mut provider) = (open(config(1)).await, open(config(2)).await);
    let (link, _) = connect(&mut client, &mut provider).await;
    let (gate, provider_meter) = (Arc::new(Gate::unlimited()), Arc::new(Meter::new()));
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let limits = ForwardLimits { listen: Ipv4Addr::LOCALHOST.into(), ports: port..=port, per_client: 1 };
    let host = gives_ports.then(|| ForwardHost::new(limits));
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
                    Wanted::Port(port) => {
                        host.serve_port(OWNER, port, Ipv4Addr::LOCALHOST.into(), (send, recv), &gate).await;
                    }
                    Wanted::Visitor(number) => {
                        host.serve_visitor(OWNER, number, (send, recv), &gate, &meter).await;
                    }
                }
            });
        }
    });
    Rig { link, provider_meter, client_meter: Arc::new(Meter::new()), gate, _client: client, _tasks: tasks }
}

impl Rig {
    fn forward(&self, to: SocketAddr, tells_from: bool) -> Forward {
        let (gate, meter) = (Arc::new(Gate::unlimited()), self.client_meter.clone());
        Forward { link: self.link.clone(), session: SESSION, gate, meter, to, tells_from }
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
