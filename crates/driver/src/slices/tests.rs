use std::time::Duration;

use super::*;
use crate::meter::Metered;
use crate::pace::{Pace, SharedLine};
use std::sync::Arc;
use tokio::time::timeout;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);
const LABEL: u32 = 7;

/// As simple as can be: each path has the whole packet, and the first to arrive is the one. A part is the label, a
/// number that counts packets, the path's number, and the packet.
#[derive(Default)]
struct Copies {
    paths: u8,
    cut: u32,
    joined: std::collections::BTreeSet<u32>,
    seen: std::collections::BTreeSet<(u32, u8)>,
}

impl Cut for Copies {
    fn cut(&mut self, packet: &[u8], _: [u8; 32], give: &mut dyn FnMut(usize, &[u8])) {
        self.cut += 1;
        for path in 0..self.paths {
            let head = [LABEL.to_be_bytes(), self.cut.to_be_bytes()].concat();
            give(path.into(), &[&head, &[path][..], packet].concat());
        }
    }
}

impl Join for Copies {
    fn join(&mut self, part: &[u8]) -> Option<Joined> {
        let (head, packet) = part.split_at_checked(9)?;
        let (number, path) = (u32::from_be_bytes(head[4..8].try_into().ok()?), head[8]);
        let is_new = self.seen.insert((number, path));
        let packet = self.joined.insert(number).then(|| packet.to_vec());
        is_new.then_some(Joined { path: path.into(), is_newest: true, packet })
    }
}

fn copies(paths: u8) -> Box<Copies> {
    Box::new(Copies { paths, ..Copies::default() })
}

fn label_of(part: &[u8]) -> Option<u32> {
    part.first_chunk().map(|label| u32::from_be_bytes(*label))
}

async fn socket() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").await.unwrap()
}

fn forwarder() -> Forwarder {
    Forwarder::open("127.0.0.1:0".parse().unwrap()).unwrap()
}

async fn receive_one(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 2048];
    let (length, from) = timeout(PATIENCE, socket.recv_from(&mut buffer)).await.expect("it comes").unwrap();
    (buffer[..length].to_vec(), from)
}

/// A client's session with a relay.
fn session(forwarder: &Forwarder, exit: SocketAddr, allowance: u64) -> Relay {
    let token = Token(entropy()[..TOKEN_BYTES].try_into().unwrap());
    let (gate, meter) = (Arc::new(Gate::new(allowance)), Arc::new(Meter::new()));
    forwarder.add(token, exit, gate.clone(), meter.clone()).unwrap();
    Relay { address: forwarder.local_address(), token, gate, meter }
}

/// Shows a token from here, and proves to be here.
async fn greet(socket: &UdpSocket, relay: &Relay) {
    socket.send_to(&relay.token.0, relay.address).await.unwrap();
    let (mut answer, _) = receive_one(socket).await;
    if answer != relay.token.0 {
        socket.send_to(&[&relay.token.0, &answer[..]].concat(), relay.address).await.unwrap();
        answer = receive_one(socket).await.0;
    }
    assert_eq!(answer, relay.token.0);
}

fn entropy() -> [u8; 32] {
    crate::entropy::seed()
}

#[tokio::test]
async fn a_relay_sends_nothing_to_whoever_has_not_shown_a_token() {
    let (forwarder, exit, client, stranger) = (forwarder(), socket().await, socket().await, socket().await);
    let relay = session(&forwarder, exit.local_addr().unwrap(), 1000);
    let at = relay.address;
    // Not passed on, and not answered: what comes after it shows that.
    stranger.send_to(b"hello from a stranger", at).await.unwrap();
    stranger.send_to(&[9; TOKEN_BYTES], at).await.unwrap();
    greet(&client, &relay).await;
    client.send_to(b"hello from the client", at).await.unwrap();
    let (said, way) = receive_one(&exit).await;
    assert_eq!(said, b"hello from the client");
    exit.send_to(b"hello back", way).await.unwrap();
    assert_eq!(receive_one(&client).await, (b"hello back".to_vec(), at));
    assert_eq!(relay.meter.read(), Metered { up: 21, down: 10 }, "the token counts nothing");
    // Only the exit is heard.
    stranger.send_to(b"from elsewhere", way).await.unwrap();
    // The client moves; whoever is there now gets nothing more.
    let moved = socket().await;
    greet(&moved, &relay).await;
    exit.send_to(b"over there", way).await.unwrap();
    assert_eq!(receive_one(&moved).await.0, b"over there");
    client.send_to(b"the old place", at).await.unwrap();
    moved.send_to(b"the new place", at).await.unwrap();
    assert_eq!(receive_one(&exit).await.0, b"the new place");
    assert_eq!(stranger.try_recv(&mut [0; 100]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    assert_eq!(client.try_recv(&mut [0; 100]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn a_token_in_anothers_name_brings_that_one_as_much_as_was_sent_and_nothing_of_the_exits() {
    let (forwarder, exit, client, victim) = (forwarder(), socket().await, socket().await, socket().await);
    let relay = session(&forwarder, exit.local_addr().unwrap(), u64::MAX);
    let at = relay.address;
    // An address, and no proof, or another address's proof: the victim's socket sends what the client would in its name.
    client.send_to(&relay.token.0, at).await.unwrap();
    let (cookie, _) = receive_one(&client).await;
    assert_eq!(cookie.len(), TOKEN_BYTES, "as much as it got");
    victim.send_to(&relay.token.0, at).await.unwrap();
    assert_eq!(receive_one(&victim).await.0.len(), TOKEN_BYTES);
    victim.send_to(&[&relay.token.0, &cookie[..]].concat(), at).await.unwrap();
    victim.send_to(b"is not passed on", at).await.unwrap();
    // A cookie that was made for another token is none either.
    let other = session(&forwarder, exit.local_addr().unwrap(), u64::MAX);
    client.send_to(&[&other.token.0, &cookie[..]].concat(), at).await.unwrap();
    greet(&client, &relay).await;
    client.send_to(b"is passed on", at).await.unwrap();
    let (said, way) = receive_one(&exit).await;
    assert_eq!(said, b"is passed on");
    // Where the client is, it stays, whatever comes in its name from elsewhere.
    victim.send_to(&relay.token.0, at).await.unwrap();
    receive_one(&victim).await;
    exit.send_to(b"for the client", way).await.unwrap();
    assert_eq!(receive_one(&client).await.0, b"for the client");
    assert_eq!(victim.try_recv(&mut [0; 100]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn who_takes_anothers_place_loses_it_when_that_one_speaks_again() {
    let (forwarder, exits) = (forwarder(), [socket().await, socket().await]);
    let [own, other] = [0, 1].map(|at| session(&forwarder, exits[at].local_addr().unwrap(), 1000));
    let (at, place, elsewhere) = (own.address, socket().await, socket().await);
    // The other's token from one's own place, as somebody on the way could send it.
    for session in [&own, &other] {
        greet(&place, session).await;
    }
    place.send_to(b"goes to the other's exit", at).await.unwrap();
    assert_eq!(receive_one(&exits[1]).await.0, b"goes to the other's exit");
    greet(&place, &own).await;
    // The other moves, and takes nothing with it that isn't its own.
    greet(&elsewhere, &other).await;
    place.send_to(b"goes to one's own", at).await.unwrap();
    assert_eq!(receive_one(&exits[0]).await.0, b"goes to one's own");
}

#[tokio::test]
async fn a_relay_carries_what_is_paid_and_nothing_for_a_session_that_is_over() {
    let (forwarder, exit, client) = (forwarder(), socket().await, socket().await);
    let relay = session(&forwarder, exit.local_addr().unwrap(), 100);
    greet(&client, &relay).await;
    for length in [60, 41, 39, 1] {
        client.send_to(&vec![length; length.into()], relay.address).await.unwrap();
    }
    let carried =
        [receive_one(&exit).await.0.len(), receive_one(&exit).await.0.len(), receive_one(&exit).await.0.len()];
    assert_eq!(carried, [60, 39, 1], "what the allowance has no room for is dropped");
    relay.gate.allow(1000);
    forwarder.remove(&relay.token);
    let other = session(&forwarder, exit.local_addr().unwrap(), 100);
    client.send_to(b"the session is over", relay.address).await.unwrap();
    let second = socket().await;
    greet(&second, &other).await;
    second.send_to(b"another one", other.address).await.unwrap();
    assert_eq!(receive_one(&exit).await.0, b"another one");
    assert_eq!(relay.meter.read(), Metered { up: 100, down: 0 });
}

#[tokio::test]
async fn a_relay_keeps_its_clients_to_their_pace() {
    let (forwarder, exit, client) = (forwarder(), socket().await, socket().await);
    let relay = session(&forwarder, exit.local_addr().unwrap(), u64::MAX);
    // A kilobyte takes it over two hours.
    relay.gate.set_pace(Arc::new(Pace::on(&SharedLine::new(None), Some(1)).expect("it has a limit")));
    greet(&client, &relay).await;
    for _ in 0..20 {
        client.send_to(&[1; 1000], relay.address).await.unwrap();
    }
    // The token is answered behind them.
    client.send_to(&relay.token.0, relay.address).await.unwrap();
    receive_one(&client).await;
    let carried = relay.meter.read().up;
    assert!(carried < 20 * 1000, "{carried} bytes");
    assert_eq!(relay.gate.used(), carried, "what was dropped is not paid for");
}

#[tokio::test]
async fn packets_go_over_all_paths_and_back_while_relays_die_and_are_replaced() {
    let (near, far) = (socket().await, socket().await);
    let hub = Hub::open("127.0.0.1:0".parse().unwrap(), far.local_addr().unwrap(), label_of).unwrap();
    hub.add(LABEL, 3, copies(3), copies(3)).unwrap();
    let slicer = Slicer::open(near.local_addr().unwrap(), 3, copies(3), copies(3)).unwrap();
    let mut relays = Vec::new();
    for path in 0..3 {
        let forwarder = forwarder();
        let relay = session(&forwarder, hub.local_address(), u64::MAX);
        slicer.set_path(path, relay.clone()).unwrap();
        relays.push(Some((forwarder, relay)));
    }
    answered(&slicer, 3).await;
    let mut served = None;
    for round in 0..40_u8 {
        if round == 10 {
            // They fall silent, without a word.
            (relays[0], relays[1]) = (None, None);
        }
        if round == 20 {
            let forwarder = forwarder();
            let relay = session(&forwarder, hub.local_address(), u64::MAX);
            slicer.set_path(0, relay.clone()).unwrap();
            relays[0] = Some((forwarder, relay));
            answered(&slicer, 3).await;
        }
        if round == 30 {
            // Where the exit's answers go has followed, so the last of the first ones isn't needed any more.
            relays[2] = None;
        }
        near.send_to(&[round; 100], slicer.endpoint()).await.unwrap();
        let (there, from) = receive_one(&far).await;
        assert_eq!((there, *served.get_or_insert(from)), (vec![round; 100], from), "one peer at one place");
        far.send_to(&[round; 50], from).await.unwrap();
        assert_eq!(receive_one(&near).await, (vec![round; 50], slicer.endpoint()));
    }
    let (_, relay) = relays[0].as_ref().unwrap();
    assert!(relay.meter.read().up >= 20 * 109 && relay.meter.read().down >= 20 * 59);
}

async fn answered(slicer: &Slicer, paths: usize) {
    let all = async {
        while slicer.answered() < paths {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, all).await.expect("relays answer");
}
