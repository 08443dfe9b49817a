//! Phones at their door: over TLS with the node's own certificate, which the client here pins, as a person does by comparing
//! fingerprints. Behind it is the fake node, and for what has to last a real one.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use byway_node::api::*;
use byway_node::config::Config;
use byway_node::phone::DoorState;
use byway_node::phone::certificate::Certificate;
use byway_node::phone::door::{self, CONNECTIONS_EACH_MAX, Patience};
use byway_node::rpc::dispatch;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{self, CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme};

use super::cli::{check_typed, directory_of, failure, json, shown};
use super::fake::{ACCOUNT_TOKEN, Fake, TOKEN};
use super::network::Network;
use super::wire::{Answer as Heard, Frame, Socket, exchange};

/// Believes one certificate, whatever it says of itself.
#[derive(Debug)]
struct Pinned {
    fingerprint: String,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use sha2::{Digest, Sha256};
        let pairs: Vec<String> = Sha256::digest(shown).iter().map(|byte| format!("{byte:02X}")).collect();
        match pairs.join(":") == self.fingerprint {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, shown, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, shown, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// A door, and what its owner reads off the screen.
struct Open<A> {
    api: Arc<A>,
    port: u16,
    fingerprint: String,
    _stop: watch::Sender<bool>,
}

async fn open<A: NodeApi>(api: Arc<A>, certificate: Certificate, patience: Patience, listener: TcpListener) -> Open<A> {
    let (port, (stop, stopping)) = (listener.local_addr().unwrap().port(), watch::channel(false));
    let (served, fingerprint) = (api.clone(), certificate.fingerprint());
    tokio::spawn(async move { door::serve(listener, &certificate, served, patience, stopping).await });
    Open { api, port, fingerprint, _stop: stop }
}

async fn door() -> Open<Fake> {
    door_with(Patience::default()).await
}

async fn door_with(patience: Patience) -> Open<Fake> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    open(Arc::new(Fake::new()), Certificate::make().unwrap(), patience, listener).await
}

impl<A: NodeApi> Open<A> {
    async fn connect_believing(&self, fingerprint: &str) -> std::io::Result<TlsStream<TcpStream>> {
        let provider = Arc::new(ring::default_provider());
        let verifier = Pinned { fingerprint: fingerprint.to_owned(), provider: provider.clone() };
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth();
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        TlsConnector::from(Arc::new(config)).connect("127.0.0.1".try_into().unwrap(), stream).await
    }

    async fn connect(&self) -> TlsStream<TcpStream> {
        self.connect_believing(&self.fingerprint).await.unwrap()
    }

    fn origin(&self) -> String {
        format!("Origin: https://127.0.0.1:{}", self.port)
    }

    /// A request with these header lines and no other.
    async fn ask(&self, line: &str, headers: &[&str], body: &str) -> Heard {
        let length = format!("Content-Length: {}", body.len());
        let lines = [&[line], headers, &[&length, "Connection: close", "", body]].concat();
        exchange(self.connect().await, lines.join("\r\n").as_bytes()).await.expect("an answer")
    }

    fn host(&self) -> String {
        format!("Host: 127.0.0.1:{}", self.port)
    }

    /// Hands in a code as the page does.
    async fn hand_in(&self, code: &str) -> Heard {
        let headers = [&*self.host(), &*self.origin(), "Content-Type: application/json"];
        self.ask("POST /link HTTP/1.1", &headers, &json!({"code": code}).to_string()).await
    }

    /// A phone that has come in by a code of its own.
    async fn linked(&self, name: &str) -> PhoneLinked {
        let invitation = self.api.phone_link(PhoneLink { name: Some(name.to_owned()) }).await.unwrap();
        let heard = self.hand_in(code_of(&invitation)).await;
        assert_eq!(heard.status, 200, "{}", heard.head);
        serde_json::from_slice(&heard.body).unwrap()
    }

    async fn socket(&self, token: &str) -> Socket<TlsStream<TcpStream>> {
        let protocols = format!("byway.v1, byway.token.{token}");
        Socket::over(self.connect().await, self.port, &protocols, &[&self.origin()]).await.unwrap()
    }
}

fn code_of(invitation: &PhoneInvitation) -> &str {
    invitation.url.split_once("/#link=").unwrap().1
}

async fn call<S>(socket: &mut Socket<S>, method: &str, params: Value) -> Value
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    socket.send(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string()).await;
    socket.next_text().await
}

fn refusal(heard: &Heard) -> (u16, Value) {
    (heard.status, heard.json()["error"]["data"]["code"].clone())
}

#[test]
fn what_can_be_typed_about_phones() {
    check_typed(&[
        ("phone link", true),
        ("phone link --name Tablet", true),
        ("phone link Tablet", false),
        ("phone list", true),
        ("phone unlink Phone", true),
        ("phone unlink", false),
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_commands_show_and_what_goes_wrong_has_a_remedy() {
    let served = Fake::new().serve().await;
    let folder = directory_of(served.port);
    let directory = folder.path();
    let shown = |arguments: &[&str]| shown(directory, arguments);
    assert!(shown(&["phone", "list"]).contains("No phone is linked."));
    let link = shown(&["phone", "link", "--name", "Tablet"]);
    assert!(
        link.contains("https://192.168.1.20:7072/#link=") && link.contains("AB:CD") && link.contains('█'),
        "{link}"
    );
    let invitation: PhoneInvitation =
        serde_json::from_value(json(directory, &["phone", "link", "--name", "Tablet"])).unwrap();
    served.fake.phone_take(code_of(&invitation).to_owned()).await.unwrap();
    assert!(shown(&["phone", "list"]).contains("Tablet"));
    let taken = failure(directory, &["phone", "link", "--name", "Tablet"]);
    assert!(taken.contains("unlink that one first"), "{taken}");
    assert_eq!(shown(&["phone", "unlink", "Tablet"]), "Tablet opens this node no more.\n");
    let gone = failure(directory, &["phone", "unlink", "Tablet"]);
    assert!(gone.contains("`byway phone list`"), "{gone}");
}

#[test]
fn no_door_is_opened_unasked_nor_everywhere() {
    let parse = |more: &str| {
        let text = format!("role = \"peer\"\nnetwork = \"network.json\"\n{more}");
        Config::parse(&text, std::path::Path::new("config.toml"))
    };
    assert!(!parse("").unwrap().phone.enabled);
    assert!(parse("[phone]\nenabled = true\nlisten = \"192.168.1.20:7072\"\n").is_ok());
    for everywhere in ["0.0.0.0:7072", "[::]:7072", "[::ffff:0.0.0.0]:7072"] {
        let error = parse(&format!("[phone]\nlisten = \"{everywhere}\"\n")).unwrap_err().to_string();
        assert!(error.contains("phone.listen"), "{error}");
    }
}

#[tokio::test]
async fn a_phone_gets_the_page_and_a_token_for_a_code_once() {
    let door = door().await;
    let page = door.ask("GET / HTTP/1.1", &[&door.host()], "").await;
    assert_eq!(page.status, 200);
    assert!(String::from_utf8_lossy(&page.body).contains("<title>Byway</title>"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none';"), "{policy}");
    assert!(policy.contains(&format!("connect-src 'self' wss://127.0.0.1:{};", door.port)), "{policy}");
    assert_eq!(page.header("strict-transport-security"), None);
    assert_eq!(page.header("access-control-allow-origin"), None);

    let invitation = door.api.phone_link(PhoneLink { name: None }).await.unwrap();
    let heard = door.hand_in(code_of(&invitation)).await;
    assert_eq!((heard.status, heard.header("cache-control")), (200, Some("no-store")));
    let linked: PhoneLinked = serde_json::from_slice(&heard.body).unwrap();
    assert_eq!(refusal(&door.hand_in(code_of(&invitation)).await), (403, json!("phone_code_refused")));
    assert_eq!(door.api.phone_list().await.unwrap().phones.len(), 1);

    let mut socket = door.socket(&linked.token).await;
    assert!(call(&mut socket, "chat_conversations", json!({})).await["result"].is_array());
}

#[tokio::test]
async fn another_certificate_is_not_believed() {
    let (door, other) = (door().await, Certificate::make().unwrap());
    assert!(door.connect_believing(&other.fingerprint()).await.is_err());
}

#[tokio::test]
async fn a_code_is_guessed_at_five_times_and_too_late_links_nothing() {
    let door = door().await;
    let invitation = door.api.phone_link(PhoneLink { name: None }).await.unwrap();
    for _ in 0..5 {
        assert_eq!(refusal(&door.hand_in("aaaaaaaaaaaaaaab").await), (403, json!("phone_code_refused")));
    }
    assert_eq!(refusal(&door.hand_in(code_of(&invitation)).await), (403, json!("phone_code_refused")), "dead by then");

    let invitation = door.api.phone_link(PhoneLink { name: None }).await.unwrap();
    door.api.phones.now.fetch_add(5 * 60 * 1000, Ordering::SeqCst);
    assert_eq!(refusal(&door.hand_in(code_of(&invitation)).await), (403, json!("phone_code_refused")), "too late");
    assert_eq!(door.api.phone_list().await.unwrap().phones, []);
}

/// What a browser would say that was led here by another page, or by a name that was re-bound to this address.
#[tokio::test]
async fn hosts_origins_methods_and_forms() {
    let door = door().await;
    let (host, origin) = (door.host(), door.origin());
    let (host, origin, form) = (&*host, &*origin, "Content-Type: application/json");
    let plain = format!("Origin: http://127.0.0.1:{}", door.port);
    let name = format!("Host: localhost:{}", door.port);
    let large = format!("{{\"code\":\"{}\"}}", "a".repeat(2_000));
    let code = "{\"code\":\"a\"}";
    for (line, headers, body, status) in [
        ("GET /", vec![], "", 403),
        ("GET /", vec!["Host: evil.example"], "", 403),
        ("GET /", vec![&*name], "", 403),
        ("GET /", vec!["Host: 127.0.0.1"], "", 403),
        ("GET /", vec![host, host], "", 403),
        ("GET /", vec![host, "Origin: https://evil.example"], "", 403),
        ("GET /nothing", vec![host], "", 404),
        ("GET /link", vec![host, origin], "", 404),
        ("OPTIONS /link", vec![host, origin], "", 405),
        ("POST /", vec![host, origin, form], code, 405),
        ("POST /link", vec![host, form], code, 403),
        ("POST /link", vec![host, &plain, form], code, 403),
        ("POST /link", vec![host, "Origin: null", form], code, 403),
        ("POST /link", vec![host, origin, origin, form], code, 403),
        ("POST /link", vec![host, origin, "Content-Type: text/plain"], code, 415),
        ("POST /link", vec![host, origin, form], "{\"code\":\"a\",\"name\":\"b\"}", 400),
        ("POST /link", vec![host, origin, form], "[", 400),
        ("POST /link", vec![host, origin, form], &large, 413),
    ] {
        let heard = door.ask(&format!("{line} HTTP/1.1"), &headers, body).await;
        assert_eq!(heard.status, status, "{line} {headers:?} {body:.30}");
        assert_eq!(heard.header("access-control-allow-origin"), None);
    }
    let protocols = format!("byway.v1, byway.token.{}", door.linked("Phone").await.token);
    for headers in [vec![], vec!["Origin: https://evil.example"], vec![&*plain], vec!["Origin: null"]] {
        let refused = Socket::over(door.connect().await, door.port, &protocols, &headers).await;
        assert_eq!(refused.err(), Some(403), "{headers:?}");
    }
}

#[tokio::test]
async fn only_tokens_of_phones_open_the_door_and_they_open_no_other() {
    let door = door().await;
    let phone = door.linked("Phone").await.token;
    for token in [TOKEN, ACCOUNT_TOKEN, "", &phone[1..]] {
        let mut socket = door.socket(token).await;
        assert_eq!(socket.next().await, Some(Frame::Close(4401)), "{token}");
    }
    let loopback = Fake::new().serve().await;
    let invitation = loopback.fake.phone_link(PhoneLink { name: None }).await.unwrap();
    let other = loopback.fake.phone_take(code_of(&invitation).to_owned()).await.unwrap();
    let protocols = format!("byway.v1, byway.token.{}", other.token);
    let mut socket = Socket::open(loopback.port, &protocols, &[]).await.unwrap();
    assert_eq!(socket.next().await, Some(Frame::Close(4401)));
}

#[tokio::test]
async fn an_unlinked_phone_is_cut_off_at_once_and_stays_outside() {
    let door = door().await;
    let (one, other) = (door.linked("Phone").await.token, door.linked("Tablet").await.token);
    let (mut socket, mut kept) = (door.socket(&one).await, door.socket(&other).await);
    assert!(call(&mut socket, "wallet_balance", json!({})).await.get("result").is_some());
    door.api.phone_unlink(PhoneUnlink { name: "Phone".to_owned() }).await.unwrap();
    assert_eq!(socket.next().await, Some(Frame::Close(4401)), "what was open ends");
    assert_eq!(door.socket(&one).await.next().await, Some(Frame::Close(4401)));
    assert!(call(&mut kept, "wallet_balance", json!({})).await.get("result").is_some(), "the other one goes on");
}

/// Every call that any document describes: those listed are open to a phone, all others are refused, as are what no document knows
/// and topics beyond its own.
#[tokio::test]
async fn a_phone_may_call_what_is_listed_and_nothing_else() {
    let documents = [
        include_str!("../../../../docs/formats/openrpc-peer.json"),
        include_str!("../../../../docs/formats/openrpc.json"),
    ];
    let mut methods = vec!["no_such_method".to_owned()];
    for document in documents {
        let document: Value = serde_json::from_str(document).unwrap();
        let names = document["methods"].as_array().unwrap().iter();
        methods.extend(names.map(|method| method["name"].as_str().unwrap().to_owned()));
    }
    assert!(dispatch::METHODS.iter().all(|known| methods.iter().any(|method| method == known)));
    assert!(PHONE_METHODS.iter().all(|known| methods.iter().any(|method| method == known)), "none is misspelt");
    // These can spend, show secrets, or open the node to others.
    for never in [
        "backup_export",
        "wallet_send",
        "wallet_withdraw",
        "wallet_view_key",
        "phone_link",
        "device_link",
        "sub_account_create",
    ] {
        assert!(!PHONE_METHODS.contains(&never) && methods.iter().any(|method| method == never), "{never}");
    }
    // One address has a hundred calls at once.
    for methods in methods.chunks(50) {
        let door = door().await;
        let mut socket = door.socket(&door.linked("Phone").await.token).await;
        for method in methods {
            let answer = call(&mut socket, method, json!({"surprise": 1})).await;
            let is_refused = answer["error"]["data"]["code"] == "phone_may_not";
            assert_eq!(is_refused, !PHONE_METHODS.contains(&&**method), "{method}: {answer}");
        }
    }
    let door = door().await;
    let mut socket = door.socket(&door.linked("Phone").await.token).await;
    for topic in Topic::ALL {
        let transactions = if topic == Topic::Transaction { vec!["00".repeat(32)] } else { vec![] };
        let params = json!({"topics": [topic.name()], "transactions": transactions});
        socket
            .send(&json!({"jsonrpc": "2.0", "id": topic.name(), "method": "subscribe", "params": params}).to_string())
            .await;
        let answer = loop {
            let message = socket.next_text().await;
            if message["id"] == topic.name() {
                break message;
            }
        };
        assert_eq!(answer.get("result").is_some(), PHONE_TOPICS.contains(&topic), "{}: {answer}", topic.name());
    }
}

#[tokio::test]
async fn in_the_clear_nothing_is_answered() {
    let door = door().await;
    let stream = TcpStream::connect(("127.0.0.1", door.port)).await.unwrap();
    let request = format!("GET / HTTP/1.1\r\n{}\r\n\r\n", door.host());
    assert!(exchange(stream, request.as_bytes()).await.is_none());
}

/// Whoever says nothing, or says it slowly, is left after a while; meanwhile one address has so many places, and gets them back.
#[tokio::test]
async fn slow_visitors_are_left_and_places_come_back() {
    let brief = Duration::from_millis(200);
    let door = door_with(Patience { handshake: brief, head: brief, visit: brief }).await;
    let mut silent = TcpStream::connect(("127.0.0.1", door.port)).await.unwrap();
    let mut slow = door.connect().await;
    slow.write_all(b"GET / HTTP/1.1\r\nHost: 127").await.unwrap();
    let mut lingering = door.connect().await;
    let promise = format!("POST /link HTTP/1.1\r\n{}\r\n{}\r\n", door.host(), door.origin());
    let promise = format!("{promise}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{");
    lingering.write_all(promise.as_bytes()).await.unwrap();
    // Each ends; what is said before that is no page.
    let mut said = Vec::new();
    assert_eq!(silent.read_to_end(&mut said).await.unwrap_or(0), 0);
    for stream in [&mut slow, &mut lingering] {
        // A connection that is cut is an error to TLS.
        let _ = stream.read_to_end(&mut said).await;
        assert!(!String::from_utf8_lossy(&said).contains("200 OK"));
    }

    let patient = door_with(Patience::default()).await;
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS_EACH_MAX {
        held.push(patient.connect().await);
    }
    assert!(patient.connect_believing(&patient.fingerprint).await.is_err(), "one too many");
    drop(held);
    loop {
        // Their places are free as soon as the door has noticed.
        if patient.connect_believing(&patient.fingerprint).await.is_ok() {
            break;
        }
        tokio::task::yield_now().await;
    }
}

/// What was linked is linked after a restart, with the same certificate, and what was unlinked is not.
#[tokio::test(flavor = "multi_thread")]
async fn a_real_node_keeps_its_phones_and_its_certificate() {
    let network = Network::start(&["one"], &[]).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let node = network.with_door("one", DoorState::Open(address)).await;
    let closed = node.api.phone_link(PhoneLink { name: None }).await.unwrap_err();
    assert_eq!(closed.kind, ErrorKind::PhoneOff, "there is no certificate yet");
    let certificate = node.api.phone_certificate().await.unwrap().unwrap();
    let first = open(Arc::new(node.api.clone()), certificate, Patience::default(), listener).await;
    let (phone, tablet) = (first.linked("Phone").await.token, first.linked("Tablet").await.token);
    let mut socket = first.socket(&phone).await;
    assert!(call(&mut socket, "chat_people", json!({})).await["result"].is_array());
    assert_eq!(call(&mut socket, "backup_export", json!({})).await["error"]["data"]["code"], "phone_may_not");
    let mut other = first.socket(&tablet).await;
    assert!(call(&mut other, "wallet_balance", json!({})).await.get("result").is_some());
    node.api.phone_unlink(PhoneUnlink { name: "Tablet".to_owned() }).await.unwrap();
    assert_eq!(other.next().await, Some(Frame::Close(4401)));
    node.api.stop().await;

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let node = network.with_door("one", DoorState::Open(listener.local_addr().unwrap())).await;
    let certificate = node.api.phone_certificate().await.unwrap().unwrap();
    assert_eq!(certificate.fingerprint(), first.fingerprint);
    let second = open(Arc::new(node.api.clone()), certificate, Patience::default(), listener).await;
    let status = node.api.phone_list().await.unwrap();
    assert_eq!(status.phones.iter().map(|phone| &*phone.name).collect::<Vec<_>>(), ["Phone"]);
    assert_eq!((status.url, status.public), (Some(format!("https://127.0.0.1:{}/", second.port)), false));
    assert_eq!(second.socket(&tablet).await.next().await, Some(Frame::Close(4401)));
    let mut socket = second.socket(&phone).await;
    assert!(call(&mut socket, "node_status", json!({})).await["result"]["identity"].is_object());
    node.api.stop().await;
}
