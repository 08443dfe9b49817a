//! A relay behind a web site: what a prober sees, and who gets through.

// What the tests share panics like the tests themselves.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::sync::Arc;

use byway_driver::disguise::{
    Certificate, Disguise, Front, FrontAddress, InUse, Mode, Onward, Pin, Secret, Site, Target, Way, Web, front,
};
use byway_driver::link::{Beside, Config, Path, RelayAccess, RelayUrl, Through, TlsRoots};
use byway_driver::relay::{self, Relay};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::link::{connect, guarded, open};

const NAME: &str = "www.example.org";

/// A relay, a front before it, and what a prober needs to trust its certificate.
struct Place {
    relay: Relay,
    front: Front,
    secret: Secret,
    pin: Pin,
    roots: RootCertStore,
    folder: tempfile::TempDir,
}

impl Place {
    /// With these kernel nodes behind the front, too.
    async fn open(kernel: &[SocketAddr]) -> Self {
        let made = rcgen::generate_simple_self_signed(vec![NAME.to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (chain, key, site) =
            (folder.path().join("chain.pem"), folder.path().join("key.pem"), folder.path().join("site"));
        std::fs::write(&chain, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        std::fs::create_dir(&site).unwrap();
        std::fs::write(site.join("index.html"), "<h1>Bees and their keeping</h1>").unwrap();
        std::fs::write(site.join("style.css"), "h1 { color: brown }").unwrap();
        let bind = "127.0.0.1:0".parse().unwrap();
        let relay = Relay::spawn(relay::Config { bind, client_bytes_per_second: None }).await.unwrap();
        let secret = Secret::generate();
        let certificate = Certificate::load(&chain, &key).unwrap();
        let pin = certificate.pin().unwrap();
        let onward = Onward::new(relay.address(), kernel.iter().map(SocketAddr::to_string));
        let config = front::Config { bind, certificate, secret: secret.clone(), site: Site::Folder(site), onward };
        let front = Front::open(config).await.unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(made.cert.der().to_vec())).unwrap();
        Self { relay, front, secret, pin, roots, folder }
    }

    fn address(&self, secret: &Secret) -> FrontAddress {
        let at = self.front.address();
        FrontAddress { host: at.ip().to_string(), port: at.port(), pin: Some(self.pin), secret: secret.clone() }
    }

    /// A connection of somebody who looks what there is.
    async fn visit(&self) -> TlsStream<TcpStream> {
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(self.roots.clone()).with_no_client_auth();
        let stream = TcpStream::connect(self.front.address()).await.unwrap();
        let name = ServerName::try_from(NAME).unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
    }

    /// What comes back for this text, up to the end of the connection, without the date.
    async fn said_to(&self, text: &str) -> String {
        let mut stream = self.visit().await;
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut said = Vec::new();
        // Whoever closes without a last word has said all.
        let _ = stream.read_to_end(&mut said).await;
        let said = String::from_utf8(said).unwrap();
        said.lines().filter(|line| !line.starts_with("Date: ")).collect::<Vec<_>>().join("\n")
    }
}

fn get(path: &str, more: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {NAME}\r\n{more}Connection: close\r\n\r\n")
}

/// A URL at which nobody is.
async fn nowhere() -> RelayUrl {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    format!("http://{closed}").parse().unwrap()
}

#[tokio::test]
async fn a_prober_finds_a_web_site() {
    guarded(async {
        let place = Place::open(&[]).await;
        let page = place.said_to(&get("/", "")).await;
        assert!(page.starts_with("HTTP/1.1 200 OK\n") && page.ends_with("\n<h1>Bees and their keeping</h1>"), "{page}");
        assert!(page.contains("Content-Type: text/html; charset=utf-8"), "{page}");
        let style = place.said_to(&get("/style.css", "")).await;
        assert!(style.contains("Content-Type: text/css") && style.ends_with("h1 { color: brown }"), "{style}");
        for (request, status) in [
            (get("/nothing", ""), "404 Not Found"),
            (get("/../chain.pem", ""), "404 Not Found"),
            // What a relay answers to, and what a front switches over.
            (get("/ping", ""), "404 Not Found"),
            (get("/relay", "Upgrade: websocket\r\n"), "404 Not Found"),
            (get("/", "").replace("GET", "POST"), "405 Method Not Allowed"),
            ("nonsense\r\n\r\n".to_owned(), "400 Bad Request"),
            (get("/", &format!("X: {}\r\n", "a".repeat(100_000))), "431 Request Header Fields Too Large"),
        ] {
            let said = place.said_to(&request).await;
            assert_eq!(said.lines().next(), Some(&*format!("HTTP/1.1 {status}")), "{request}");
        }
        let head = place.said_to(&get("/", "").replace("GET", "HEAD")).await;
        assert!(head.contains("Content-Length: 31") && !head.contains("Bees"), "{head}");
        let several = place.said_to(&format!("GET /style.css HTTP/1.1\r\nHost: a\r\n\r\n{}", get("/", ""))).await;
        assert_eq!(several.matches("HTTP/1.1 200 OK").count(), 2, "a connection serves several requests: {several}");
        drop(place.folder);
    })
    .await;
}

#[tokio::test]
async fn whoever_speaks_no_tls_is_told_so_as_by_web_servers() {
    guarded(async {
        let place = Place::open(&[]).await;
        let mut stream = TcpStream::connect(place.front.address()).await.unwrap();
        stream.write_all(get("/", "").as_bytes()).await.unwrap();
        let mut said = Vec::new();
        // The request was not read, so the end may be a reset.
        let _ = stream.read_to_end(&mut said).await;
        assert!(said.starts_with(b"HTTP/1.1 400 Bad Request\r\n"), "{}", String::from_utf8_lossy(&said));
    })
    .await;
}

#[tokio::test]
async fn a_wrong_proof_is_answered_like_none_and_a_recorded_one_too() {
    guarded(async {
        let place = Place::open(&[]).await;
        let switch = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
        let with = |cookie: &str| get("/", &format!("{switch}{cookie}"));
        let without = place.said_to(&with("")).await;
        assert!(without.starts_with("HTTP/1.1 200 OK\n"), "{without}");
        for cookie in ["session=", "session=1", &format!("session={}", "0".repeat(64)), "a=b; session=x; c", "=;=;"] {
            assert_eq!(place.said_to(&with(&format!("Cookie: {cookie}\r\n"))).await, without, "{cookie}");
        }
        // What the client says on its way through is recorded by a front that pretends to be this one.
        let recorded = recorded_cookie(&place).await;
        assert_eq!(place.said_to(&with(&recorded)).await, without, "a proof is for its own session");
    })
    .await;
}

/// The line with the proof that a client sends to somebody with the right key of the wrong session.
async fn recorded_cookie(place: &Place) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let chain = CertificateDer::from_pem_file(place.folder.path().join("chain.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(place.folder.path().join("key.pem")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let config = Arc::new(config.with_single_cert(vec![chain], key).unwrap());
    let mut address = place.address(&place.secret);
    address.port = listener.local_addr().unwrap().port();
    let client = tokio::spawn(async move {
        let target = Target::Relay("http://relay.example/".parse().unwrap());
        Web::new(&address).dial(&target).await.err().map(|error| error.to_string())
    });
    let mut stream = TlsAcceptor::from(config).accept(listener.accept().await.unwrap().0).await.unwrap();
    let mut said = Vec::new();
    while !said.ends_with(b"\r\n\r\n") {
        said.push(stream.read_u8().await.unwrap());
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    let wrong = client.await.unwrap().unwrap();
    assert!(wrong.contains("does not know the secret"), "{wrong}");
    let said = String::from_utf8(said).unwrap();
    said.lines().find(|line| line.starts_with("Cookie: ")).map(|line| format!("{line}\r\n")).unwrap()
}

#[tokio::test]
async fn only_who_knows_secret_and_key_gets_through() {
    guarded(async {
        let place = Place::open(&[]).await;
        let dial = async |address: FrontAddress, target: Target| {
            Web::new(&address).dial(&target).await.map(drop).map_err(|error| error.to_string())
        };
        let relay = || Target::Relay(place.relay.url());
        assert_eq!(dial(place.address(&place.secret), relay()).await, Ok(()));
        let wrong = dial(place.address(&Secret::generate()), relay()).await.unwrap_err();
        assert!(wrong.contains("does not know the secret"), "{wrong}");
        let other = FrontAddress { pin: Some("00".repeat(32).parse().unwrap()), ..place.address(&place.secret) };
        assert!(dial(other, relay()).await.unwrap_err().contains("does not answer as TLS"));
        let nobody_vouches = FrontAddress { pin: None, ..place.address(&place.secret) };
        assert!(dial(nobody_vouches, relay()).await.unwrap_err().contains("does not answer as TLS"));
        let foreign = dial(place.address(&place.secret), Target::Kernel("127.0.0.1:22".to_owned())).await.unwrap_err();
        assert!(foreign.contains("passes nothing on to 127.0.0.1:22"), "{foreign}");
    })
    .await;
}

async fn disguised(place: &Place, url: &RelayUrl, mode: Mode, seed: u8) -> (Disguise, Config) {
    let disguise = Disguise::start(url, place.address(&place.secret), mode).await.unwrap();
    let through = Through { port: disguise.relay(), beside: Beside::Nothing };
    let relay = RelayAccess { url: url.clone(), roots: TlsRoots::Public, through: Some(through) };
    let config = Config { bind: vec!["127.0.0.1:0".parse().unwrap()], relay: Some(relay), ..crate::link::config(seed) };
    (disguise, config)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_in_disguise_and_one_without_meet_at_the_relay() {
    guarded(async {
        let place = Place::open(&[]).await;
        let url = place.relay.url();
        let (disguise, config) = disguised(&place, &url, Mode::Always, 1).await;
        let mut alice = open(config).await;
        let plain = RelayAccess { url: url.clone(), roots: TlsRoots::Public, through: None };
        let mut bob = open(crate::link::relayed(2, plain)).await;
        alice.links.online().await;
        bob.links.online().await;
        assert_eq!(disguise.in_use(), InUse::Disguised);
        assert!(alice.contact().addresses().is_empty() && alice.links.bound().is_empty(), "there is no socket beside");
        assert_eq!(alice.contact().relay(), Some(&url), "others hear of the relay, not of the way to it");
        let (to_bob, to_alice) = connect(&mut alice, &mut bob).await;
        assert_eq!((to_bob.profile().path, to_alice.profile().path), (Path::Relayed, Path::Relayed));
        to_bob.send_frame(b"hello".to_vec()).await.unwrap();
        assert_eq!(bob.frame(to_alice.id()).await, b"hello");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_plain_way_is_blocked_the_disguise_is_put_on_unasked() {
    guarded(async {
        let place = Place::open(&[]).await;
        let url = nowhere().await;
        let (by_alice, alice) = disguised(&place, &url, Mode::Auto, 1).await;
        let (by_bob, bob) = disguised(&place, &url, Mode::Auto, 2).await;
        let (mut alice, mut bob) = (open(alice).await, open(bob).await);
        alice.links.online().await;
        bob.links.online().await;
        assert_eq!((by_alice.in_use(), by_bob.in_use()), (InUse::Disguised, InUse::Disguised));
        let (to_bob, to_alice) = connect(&mut alice, &mut bob).await;
        let sent: Vec<u8> = (0..1_000_000u32).flat_map(u32::to_le_bytes).collect();
        let (mut send, _recv) = to_bob.open_stream(b"bulk").await.unwrap();
        let (_, _their_send, their_recv) = bob.stream().await;
        let (_, received) = tokio::join!(
            async {
                send.write_all(&sent).await.unwrap();
                send.finish();
            },
            their_recv.read_to_end(sent.len())
        );
        assert!(received.unwrap() == sent, "what went through the front came out as it was");
        assert_eq!(to_alice.profile().path, Path::Relayed);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nothing_is_blocked_the_plain_way_is_gone() {
    guarded(async {
        let place = Place::open(&[]).await;
        let url = place.relay.url();
        let (disguise, config) = disguised(&place, &url, Mode::Auto, 1).await;
        let alice = open(config).await;
        alice.links.online().await;
        assert_eq!(disguise.in_use(), InUse::Plain);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_way_that_only_seems_open_is_not_taken_for_one() {
    guarded(async {
        let place = Place::open(&[]).await;
        for says in ["", "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nBlocked"] {
            let wall = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url: RelayUrl = format!("http://{}", wall.local_addr().unwrap()).parse().unwrap();
            let walled = tokio::spawn(async move {
                let mut kept = Vec::new();
                while let Ok((mut stream, _)) = wall.accept().await {
                    stream.write_all(says.as_bytes()).await.unwrap();
                    kept.push(stream);
                }
            });
            let (disguise, config) = disguised(&place, &url, Mode::Auto, 1).await;
            let alice = open(config).await;
            alice.links.online().await;
            assert_eq!(disguise.in_use(), InUse::Disguised, "{says:?}");
            walled.abort();
        }
    })
    .await;
}

#[tokio::test]
async fn kernel_nodes_that_the_front_names_are_reached_through_it_and_no_others() {
    guarded(async {
        let [node, other] = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
        let names = [&node, &other].map(|node| node.local_addr().unwrap());
        node.set_nonblocking(true).unwrap();
        let node = TcpListener::from_std(node).unwrap();
        let place = Place::open(&names[..1]).await;
        // It says back what it hears.
        tokio::spawn(async move {
            let (mut stream, _) = node.accept().await.unwrap();
            let (mut read, mut write) = stream.split();
            tokio::io::copy(&mut read, &mut write).await
        });
        let disguise = Disguise::start(&place.relay.url(), place.address(&place.secret), Mode::Always).await.unwrap();
        let said_to = async |name: SocketAddr| {
            let at = disguise.kernel(&name.to_string()).await.unwrap();
            let mut stream = TcpStream::connect(at).await.unwrap();
            stream.write_all(b"hello").await.unwrap();
            let mut said = [0; 5];
            stream.read_exact(&mut said).await.map(|_| said)
        };
        assert_eq!(&said_to(names[0]).await.unwrap(), b"hello");
        assert!(said_to(names[1]).await.is_err(), "it is not on the front's list");
    })
    .await;
}
