//! Links inside sessions with others, and what each of them sees.

// What the tests share panics like the tests themselves.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::sync::Arc;

use byway_crypto::noise::StaticKey;
use byway_driver::exit::{self, Exit};
use byway_driver::gate::{CloseReason, Gate};
use byway_driver::link::{ConnectError, Event, Link, LinkContact, Links, Path};
use byway_driver::meter::{Meter, Metered};
use byway_driver::nested::{Stopped, carry};
use byway_driver::socks::Ended;
use iroh::endpoint::presets;
use iroh::{Endpoint, RelayMode, SecretKey, TransportAddr};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::link::{End, config, connect, guarded, open};
use crate::socks::{Names, SESSION, policy, provide};

/// A provider that carries for one client, and what both count.
struct Hop {
    link: SocketAddr,
    gate: Arc<Gate>,
    served: Arc<Meter>,
    _links: Links,
}

/// A link inside a session with a hop.
struct Nest {
    links: Links,
    used: Arc<Meter>,
    carrying: JoinHandle<Stopped>,
}

/// What comes of a hop once a link to it is up.
fn serve(hop: End) -> Hop {
    let (gate, served) = (Arc::new(Gate::unlimited()), Arc::new(Meter::new()));
    let exit = Exit::new(Arc::new(Names::default()), Arc::new(policy), exit::Limits::default());
    let End { links, events } = hop;
    tokio::spawn(provide(events, exit, gate.clone(), served.clone(), mpsc::unbounded_channel().0));
    Hop { link: links.bound()[0], gate, served, _links: links }
}

/// An endpoint whose datagrams go through a session on `link`.
async fn nest(beside: &Links, link: Link, seed: u8) -> Nest {
    let (links, mut passage) = beside.nested([seed; 32]).await.unwrap();
    let used = Arc::new(Meter::new());
    let meter = used.clone();
    let carrying = tokio::spawn(async move { carry(&mut passage, &link, SESSION, &Gate::unlimited(), &meter).await });
    Nest { links, used, carrying }
}

/// The next link that is up; what else happens is passed over.
async fn up(end: &mut End) -> Link {
    loop {
        match end.events.recv().await {
            Some(Event::Up(link)) => return link,
            Some(_) => {}
            None => panic!("the endpoint is gone"),
        }
    }
}

async fn frame(end: &mut End) -> Vec<u8> {
    loop {
        match end.events.recv().await {
            Some(Event::Frame { frame, .. }) => return frame,
            Some(_) => {}
            None => panic!("the endpoint is gone"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_goes_inside_two_sessions_each_of_which_is_metered() {
    guarded(async {
        let mut client = open(config(1)).await;
        let [mut first, mut second, mut last] = [open(config(2)).await, open(config(3)).await, open(config(4)).await];
        let (link, _) = connect(&mut client, &mut first).await;
        let first = serve(first);

        let outer = nest(&client.links, link, 5).await;
        let inner = outer.links.connect(&second.contact()).await.unwrap();
        assert_eq!((up(&mut client).await.id(), inner.profile().path), (inner.id(), Path::Nested));
        up(&mut second).await;
        let second = serve(second);

        let middle = nest(&client.links, inner, 6).await;
        let innermost = middle.links.connect(&last.contact()).await.unwrap();
        assert_eq!(innermost.profile().path, Path::Nested);
        up(&mut client).await;
        let there = up(&mut last).await;
        innermost.send_frame(b"a question".to_vec()).await.unwrap();
        assert_eq!(frame(&mut last).await, b"a question");
        there.send_frame(vec![7; 60_000]).await.unwrap();
        assert_eq!(frame(&mut client).await, vec![7; 60_000]);

        for (nest, hop) in [(&outer, &first), (&middle, &second)] {
            let (used, served) = (nest.used.read(), hop.served.read());
            assert!(used.down > 60_000 && used.down <= served.down, "{used:?} of {served:?}");
            assert!(served.up > 0 && served.up <= used.up, "{served:?} of {used:?}");
            assert!(nest.links.bound().is_empty() && nest.links.known_addresses().is_empty());
            assert_eq!(nest.links.contact(StaticKey([7; 32])), None, "nobody can be told where it is");
        }
        assert!(outer.used.read().down > middle.used.read().down, "what is inside is a part of what is around it");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_end_sees_the_hop_and_never_the_client() {
    guarded(async {
        let mut client = open(config(1)).await;
        let mut hop = open(config(2)).await;
        let (link, _) = connect(&mut client, &mut hop).await;
        let hop = serve(hop);
        // One that looks at the paths, and tells its own addresses as all do.
        let builder = Endpoint::builder(presets::Minimal).relay_mode(RelayMode::Disabled).clear_ip_transports();
        let builder = builder.secret_key(SecretKey::from_bytes(&[66; 32])).alpns(vec![b"byway-link/1".to_vec()]);
        let curious = builder.bind_addr("127.0.0.1:0").unwrap().bind().await.unwrap();
        let contact = LinkContact::new(curious.id(), StaticKey([7; 32]), curious.bound_sockets(), None).unwrap();

        let nest = nest(&client.links, link, 5).await;
        let accepting = tokio::spawn(async move {
            let connection = curious.accept().await.unwrap().accept().unwrap().await.unwrap();
            (curious, connection)
        });
        let nested = nest.links.connect(&contact).await.unwrap();
        let (_curious, connection) = accepting.await.unwrap();
        let (_send, mut control) = connection.accept_bi().await.unwrap();
        // Time enough for whatever would find a shorter way, were there one: bytes for many round trips.
        let writing = tokio::spawn(async move {
            let (mut send, recv) = nested.open_stream(b"").await.unwrap();
            for _ in 0..300 {
                send.write_all(&[7; 10_000]).await.unwrap();
            }
            send.finish();
            (nested, send, recv)
        });
        let (_, mut stream) = connection.accept_bi().await.unwrap();
        assert_eq!(stream.read_to_end(4_000_000).await.unwrap().len(), 2 + 3_000_000);
        let (nested, ..) = writing.await.unwrap();
        assert_eq!(nested.profile().path, Path::Nested);
        control.read_exact(&mut [0; 4]).await.unwrap();

        let seen: Vec<SocketAddr> = connection
            .paths()
            .iter()
            .map(|path| match path.remote_addr() {
                TransportAddr::Ip(address) => *address,
                other => panic!("{other:?} is no address of a hop"),
            })
            .collect();
        let own = client.links.bound()[0];
        assert!(!seen.is_empty() && seen.iter().all(|seen| seen.port() != own.port()), "{seen:?}, and not {own}");
        assert!(
            seen.iter().all(|seen| *seen != hop.link),
            "it comes out of a socket that the hop opened for it: {seen:?}"
        );
        let (used, served) = (nest.used.read(), hop.served.read());
        assert!(used.up > 3_000_000 && served.up > 3_000_000, "all of it went through the hop: {used:?}, {served:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hop_that_leads_elsewhere_or_nowhere_leads_to_no_link() {
    guarded(async {
        let mut client = open(config(1)).await;
        let [mut hop, wanted, mut twin] = [open(config(2)).await, open(config(3)).await, open(config(4)).await];
        let (link, _) = connect(&mut client, &mut hop).await;
        let hop = serve(hop);
        let nest = nest(&client.links, link, 5).await;
        // As if the hop brought what is for one to the other, who would like to answer.
        let swapped = LinkContact::new(wanted.links.id(), StaticKey([7; 32]), twin.links.bound(), None).unwrap();
        let refused = nest.links.connect(&swapped).await.unwrap_err();
        assert!(matches!(refused, ConnectError::Unreachable(_) | ConnectError::TimedOut), "{refused:?}");
        assert!(hop.served.read().up > 0, "it was tried through the hop");
        assert!(twin.events.try_recv().is_err(), "the twin has no link");

        // Its session ends, and nothing goes past it: not even to who can be reached otherwise.
        hop.gate.close(CloseReason::Ended);
        let ended = nest.carrying.await.unwrap();
        assert!(matches!(ended, Stopped::Ended(Ended::Finished | Ended::Stream(_))), "{ended:?}");
        let before = nest.used.read();
        let refused = nest.links.connect(&wanted.contact()).await.unwrap_err();
        assert!(matches!(refused, ConnectError::Unreachable(_) | ConnectError::TimedOut), "{refused:?}");
        assert_eq!(nest.used.read(), before);
        assert_ne!(before, Metered::default());
    })
    .await;
}
