//! Bad input and faults at a node's front: each is answered with a clear error, and nothing is lost.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use serde_json::Value;

use super::harness::byway::Node;
use super::harness::download::refusal;
use super::harness::process::write;
use super::harness::{SOON, Story, turn};
use super::local::up;

/// Replies of SOCKS5.
const NOT_ALLOWED: u8 = 2;
const HOST_UNREACHABLE: u8 = 4;

#[test]
fn a_node_answers_what_it_cannot_do() {
    let _turn = turn();
    let story = Story::begin("faults");
    let folder = tempfile::tempdir().unwrap();
    let node = Node::new(folder.path().join("network"), None);
    let mut up = up(folder.path(), &[]);
    up.start_ready();
    story.tell("ready");

    for (host, port) in [
        ("127.0.0.1", 80),
        ("::1", 80),
        ("::ffff:127.0.0.1", 80),
        ("10.0.0.1", 80),
        ("169.254.169.254", 80),
        ("localhost", 80),
        ("8.8.8.8", 25),
    ] {
        assert_eq!(refusal(address(&node, "proxy"), host, port), NOT_ALLOWED, "{host}:{port}");
    }
    assert_eq!(refusal(address(&node, "proxy"), "nowhere.invalid", 80), HOST_UNREACHABLE);
    story.tell("denied and unreachable addresses are refused");

    let reason = node.failure(&["connect", "--country", "ZZ"]);
    assert!(reason.contains("offer"), "{reason}");

    for front in ["proxy", "rpc", "web"] {
        for garbage in [&b"\x05\x09"[..], b"GARBAGE\r\n\r\n", &[0; 4096], &[0xff; 70_000], b"POST / HTTP/1.1\r\n"] {
            let mut stream = TcpStream::connect(address(&node, front)).unwrap();
            // The node may end it at any byte.
            let _ = stream.write_all(garbage);
        }
    }
    for member in kernel_addresses(&node) {
        let _ = TcpStream::connect(member).unwrap().write_all(&[0xff; 5000]);
    }
    assert_eq!(refusal(address(&node, "proxy"), "127.0.0.1", 80), NOT_ALLOWED);
    node.json(&["status"]);
    node.json(&["wallet", "deposit", "1"]);
    assert!(page(address(&node, "web")).starts_with("HTTP/1.1 200"));
    assert!(up.is_running());
    story.tell("after garbage everything serves");

    let config = folder.path().join("peer.toml");
    write(&config, "role = \"peer\"\nnetwork = \"network/network.json\"\n");
    let inside = Node::new(node.dir.join("user"), Some(&node.dir.join("passphrase")));
    let reason = inside.failure(&["run", "--config", config.to_str().unwrap(), "--ports", "auto"]);
    assert!(reason.contains("another") && reason.contains("user"), "{reason}");
    story.tell("a second node on the same store is refused");

    up.kill();
    let reason = node.failure(&["status"]);
    assert!(reason.contains("without a clean stop"), "{reason}");
    up.start_ready();
    node.json(&["status"]);
    story.tell("a stale run.json is told, and the next start puts it right");
    assert!(up.interrupt().success());
}

#[test]
fn a_keystore_that_does_not_open_says_why() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    write(&path("right"), "correct horse\n");
    write(&path("wrong"), "battery staple\n");
    write(&path("peer.toml"), "role = \"peer\"\nnetwork = \"none.json\"\ndir = \"node\"\n");
    let node = |passphrase: &str| Node::new(path("node"), Some(&path(passphrase)));
    let config = path("peer.toml").display().to_string();
    let run = ["run", "--config", &config, "--ports", "auto"];
    node("right").json(&["identity", "new"]);

    let reason = node("wrong").failure(&run);
    assert!(reason.contains("passphrase") && reason.contains("keystore.byway"), "{reason}");

    let keystore = path("node").join("keystore.byway");
    let good = std::fs::read(&keystore).unwrap();
    for position in [0, good.len() / 2, good.len() - 1] {
        let mut damaged = good.clone();
        damaged[position] ^= 0x10;
        std::fs::write(&keystore, damaged).unwrap();
        let reason = node("right").failure(&run);
        assert!(reason.contains("keystore.byway"), "byte {position}: {reason}");
        assert!(reason.contains("damaged") || reason.contains("not a Byway keystore"), "byte {position}: {reason}");
    }
    std::fs::write(&keystore, good).unwrap();
    let reason = node("right").failure(&run);
    assert!(reason.contains("none.json"), "the keystore opens again, and the next fault is told: {reason}");
}

#[test]
fn a_damaged_store_is_told_and_not_used() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let mut up = up(folder.path(), &[]);
    up.start_ready();
    assert!(up.interrupt().success());
    let store = folder.path().join("network").join("user").join("store");
    let file = largest_file(&store);
    let mut bytes = std::fs::read(&file).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    bytes[used / 2] ^= 0x01;
    std::fs::write(&file, bytes).unwrap();
    let reason = Node::new(folder.path().join("network"), None).failure(&["up", "--ports", "auto", "--providers", "1"]);
    let name = store.display().to_string();
    assert!(reason.contains("damaged") && reason.contains(&name), "{} was damaged: {reason}", file.display());
}

fn largest_file(folder: &Path) -> std::path::PathBuf {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false => files.push((entry.metadata().unwrap().len(), entry.path())),
            }
        }
    }
    files.into_iter().max().unwrap().1
}

/// An address in `run.json`.
fn address(node: &Node, front: &str) -> SocketAddr {
    let run: Value = serde_json::from_slice(&std::fs::read(node.dir.join("run.json")).unwrap()).unwrap();
    run[front].as_str().unwrap().parse().unwrap()
}

fn kernel_addresses(node: &Node) -> Vec<SocketAddr> {
    let genesis: Value = serde_json::from_slice(&std::fs::read(node.dir.join("network.json")).unwrap()).unwrap();
    let text = genesis["members"].to_string();
    let addresses = text.split('"').filter(|part| part.starts_with("127.0.0.1:")).map(|part| part.parse().unwrap());
    let addresses: Vec<SocketAddr> = addresses.collect();
    assert_eq!(addresses.len(), 7);
    addresses
}

fn page(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    write!(stream, "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}
