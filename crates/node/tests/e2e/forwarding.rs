//! A program at the client's that strangers reach by a port of the exit's.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};

use serde_json::json;

use super::harness::byway::{Node, amount};
use super::harness::network::{Network, PRICE};
use super::harness::process::write;
use super::harness::web::{ContentHash, WebServer};
use super::harness::{PATIENCE, SOON, Story, free_ports, local, turn};

const LENGTH: u64 = 2_000_000;

#[test]
fn strangers_reach_a_program_by_a_port_of_the_exit() {
    let _turn = turn();
    let story = Story::begin("forwarding");
    let mut network = Network::make_with_second_exit();
    let [port] = free_ports::<1>();
    let file = network.path("relaying0.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    let section =
        format!("[provider.forwarding]\nports = \"{port}-{port}\"\nlisten = \"127.0.0.1\"\npublic = \"127.0.0.1\"\n");
    write(&file, &(config + &section));
    network.start();
    network.prepare_client("5");
    let client = network.client_node.clone();
    client.sees_offers("socks", 2);
    let forwarding = client.json(&["offer", "list", "--forwards"]);
    assert_eq!(forwarding.as_array().unwrap().len(), 1, "{forwarding}");
    let id = forwarding[0]["offer_id"].as_str().unwrap();
    let terms = client.json(&["offer", "terms", id]);
    assert_eq!((&terms["offer_id"], &terms["price"]["amount"]), (&forwarding[0]["offer_id"], &json!(PRICE)));
    assert!(!amount(&terms["credit"]).is_zero(), "{terms}");
    assert_eq!(client.json(&["session", "list"]), json!([]), "asking is no session");
    story.tell("one of two exits forwards ports, and said its terms");

    let web = WebServer::start();
    client.json(&["connect", "DE"]);
    let to = web.address().to_string();
    let refused = client.json(&["forward", "open", &to]);
    assert_eq!(refused["reason"]["code"], "refused", "{refused}");
    assert!(refused["reason"]["message"].as_str().unwrap().contains("forwards no ports"), "{refused}");
    client.json(&["connect", "--forwards"]);
    let public = open_port(&client);
    assert_eq!(public, local(port), "the one that there is");
    assert_eq!(get(public), ContentHash::expected(LENGTH));
    let session = client.until("the visitor is billed", SOON, &["session", "list"], |sessions| {
        let session = sessions.as_array()?.iter().find(|session| session["country"] == "SE")?.clone();
        (session["bytes_up"].as_u64()? >= LENGTH).then_some(session)
    });
    assert!(!amount(&session["cost"]).is_zero());
    story.tell("a stranger had a file from the client, who paid for it");

    network.client.kill();
    network.client.start_ready();
    assert_eq!(open_port(&client), public, "the same as before the crash");
    assert_eq!(get(public), ContentHash::expected(LENGTH));
    let closed = client.failure(&["forward", "close", "9"]);
    assert!(closed.contains("No port is forwarded to 127.0.0.1:9"), "{closed}");
    let to_udp = by_udp_beside_it(&client, port);
    story.tell("and another one by UDP, at the same number");
    let exit = Node::new(network.path("relaying0"), Some(&network.path("passphrase.txt")));
    let given = exit.json(&["provider", "ports"]);
    let given = given.as_array().unwrap();
    assert_eq!(given.iter().map(|given| given["protocol"].as_str().unwrap()).collect::<Vec<_>>(), ["tcp", "udp"]);
    assert!(given.iter().all(|one| one["port"] == port && one["client"] == given[0]["client"]), "{given:?}");
    assert!(given[0]["bytes_up"].as_u64().unwrap() >= LENGTH && given[1]["bytes_up"] == 4, "{given:?}");
    client.json(&["forward", "close", &to]);
    super::harness::eventually("the port is gone", SOON, || TcpStream::connect(public).is_err().then_some(()));
    story.tell("it outlived a crash of the client, and was given back");
    closed_by_its_operator(&client, &exit, port);
    client.json(&["forward", "close", &to_udp, "--udp"]);
    assert_eq!(client.json(&["forward", "list"]), json!([]));
    network.stop();
    story.tell("the exit's operator saw the other one, and closed it");
}

/// A program that answers by UDP is reached at the same number of the exit's.
fn by_udp_beside_it(client: &Node, port: u16) -> String {
    let (program, visitor) = (UdpSocket::bind(local(0)).unwrap(), UdpSocket::bind(local(0)).unwrap());
    [&program, &visitor].iter().for_each(|socket| socket.set_read_timeout(Some(PATIENCE)).unwrap());
    let to = program.local_addr().unwrap().to_string();
    let opened = client.json(&["forward", "open", &to, "--udp", "--port", &port.to_string()]);
    assert_eq!((&opened["protocol"], &opened["public"]), (&json!("udp"), &json!(local(port).to_string())));
    let mut bytes = [0; 100];
    visitor.send_to(b"ping!", local(port)).unwrap();
    let (length, from) = program.recv_from(&mut bytes).unwrap();
    assert_eq!(&bytes[..length], b"ping!");
    program.send_to(b"pong", from).unwrap();
    let (length, from) = visitor.recv_from(&mut bytes).unwrap();
    assert_eq!((&bytes[..length], from), (&b"pong"[..], local(port)));
    to
}

fn closed_by_its_operator(client: &Node, exit: &Node, port: u16) {
    let nothing = exit.failure(&["provider", "ports", "close", "9"]);
    assert!(nothing.contains("No client has port 9"), "{nothing}");
    exit.json(&["provider", "ports", "close", &port.to_string()]);
    assert_eq!(exit.json(&["provider", "ports"]), json!([]));
    let why = client.until("the client is told", SOON, &["forward", "list"], |ports| {
        let reason = &ports[0]["reason"];
        (reason["code"] == "refused").then(|| reason["message"].as_str().unwrap().to_owned())
    });
    assert!(why.contains("operator closed"), "{why}");
}

fn open_port(client: &Node) -> SocketAddr {
    client.until("the exit gives a port", SOON, &["forward", "list"], |ports| ports[0]["public"].as_str()?.parse().ok())
}

/// What a stranger gets who asks the port for the web server's content.
fn get(public: SocketAddr) -> byway_primitives::Hash {
    let mut stream = TcpStream::connect(public).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET /bytes/{LENGTH} HTTP/1.1\r\nHost: {public}\r\n\r\n").unwrap();
    let (mut reader, mut line) = (BufReader::new(stream), String::new());
    while line != "\r\n" {
        line.clear();
        assert_ne!(reader.read_line(&mut line).unwrap(), 0, "the head ends");
    }
    let (mut hash, mut content) = (ContentHash::new(), Vec::new());
    reader.read_to_end(&mut content).unwrap();
    hash.take(&content);
    hash.finish()
}
