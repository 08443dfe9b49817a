//! Processes inside a namespace: the code under test, and programs that send.
//!
//! An actor says a line when it is ready and then does what it reads, a word at a time, answering each with lines and
//! `done`. It ends when its input ends, or is killed.

use std::env;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use byway_driver::host_network::linux::{Group, enter};
use byway_driver::host_network::{HostNetwork, LinuxNetwork, ResolverStatus};

use super::client::plan;
use super::namespace::{Namespace, take_turn};
use super::{name_server, provider};

/// Names the part that a process plays: `network FOLDER`, `program`, `server ADDRESS…`, `names ADDRESS NAME=ADDRESS…`.
const PART: &str = "BYWAY_TEST_ACTOR";
/// What this test is called, for the process that is to be an actor.
const TEST: &str = "host_network::actor::an_actor_puts_in_place_and_tells";
/// Before every line of ours, since the test harness prints lines too.
const SIGN: &str = "@ ";
/// How long a connection is tried that the kill switch swallows.
const CONNECT_WAIT: Duration = Duration::from_millis(50);
/// How long an answer is waited for that must come, and for one that must not.
const ANSWER_WAIT: Duration = Duration::from_secs(20);
const TRY_WAIT: Duration = Duration::from_millis(300);

/// A process in a namespace, killed when dropped.
pub struct Actor {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Actor {
    /// The code under test, with `folder` as the node's and its `resolv.conf` as the machine's.
    pub fn network(namespace: &Namespace, folder: &Path) -> Self {
        Self::start(namespace, &format!("network {}", folder.display()))
    }

    /// A program that sends.
    pub fn program(namespace: &Namespace) -> Self {
        Self::start(namespace, "program")
    }

    /// A program that answers, TCP and UDP, with the address that it was asked from.
    pub fn server(namespace: &Namespace, addresses: &str) -> Self {
        Self::start(namespace, &format!("server {addresses}"))
    }

    /// A name server that knows these names and no others.
    pub fn names(namespace: &Namespace, address: &str, known: &str) -> Self {
        Self::start(namespace, &format!("names {address} {known}"))
    }

    fn start(namespace: &Namespace, part: &str) -> Self {
        let program = env::current_exe().expect("this program has a path");
        let mut command = namespace.command(program.to_str().expect("a path in text"));
        command.args(["--exact", TEST, "--nocapture", "--test-threads=1"]).env(PART, part);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("an actor starts");
        let (input, output) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        let mut actor = Self { child, input, output: BufReader::new(output) };
        actor.heard();
        actor
    }

    /// Has it do something, and waits until it is done. Gives what it said.
    pub fn act(&mut self, what: &str) -> Vec<String> {
        writeln!(self.input, "{what}").expect("the actor reads");
        self.heard()
    }

    /// What it says up to `done`.
    fn heard(&mut self) -> Vec<String> {
        let mut heard = Vec::new();
        loop {
            let mut line = String::new();
            let length = self.output.read_line(&mut line).expect("the actor speaks text");
            assert!(length > 0, "the actor ended; it said {heard:?}");
            // The harness doesn't end its line before ours begins.
            let Some((_, said)) = line.trim_end().split_once(SIGN) else { continue };
            match said {
                "done" => return heard,
                said => heard.push(said.to_owned()),
            }
        }
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        // SIGKILL: whatever it put in place is left as it is.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// As an actor: plays its part. As a test: has an actor close a namespace, tell so, and open it again.
#[test]
fn an_actor_puts_in_place_and_tells() {
    if let Ok(part) = env::var(PART) {
        return play(&part);
    }
    let _turn = take_turn();
    let namespace = Namespace::new("alone");
    let folder = tempfile::tempdir().expect("a folder");
    let mut network = Actor::network(&namespace, folder.path());
    let before = namespace.snapshot();
    assert_eq!(network.act("status"), ["open", "resolver own"]);
    assert!(network.act("reset").is_empty(), "nothing was left");
    network.act("protect closed");
    assert_eq!(
        network.act("status"),
        ["closed", "rules 4", "resolver own", "the node itself may reach 198.51.100.9:51820 by udp"]
    );
    // As by `systemctl restart nftables`.
    namespace.run("nft", "flush ruleset");
    assert_eq!(network.act("status"), ["open", "lost", "rules 4", "resolver own"]);
    network.act("protect closed");
    assert_eq!(
        network.act("reset"),
        ["routing rules: 4", "the kernel setting source-mark; it is what it was", "the kill switch"]
    );
    assert_eq!(namespace.snapshot(), before);
    assert_eq!(network.act("status"), ["open", "resolver own"]);
}

pub fn say(what: impl std::fmt::Display) {
    println!("{SIGN}{what}");
}

fn play(part: &str) {
    match part.split_once(' ').unwrap_or((part, "")) {
        ("network", folder) => play_network(Path::new(folder)),
        ("program", _) => Program::default().play(),
        ("server", addresses) => serve(addresses),
        ("names", known) => name_server::serve(known),
        _ => panic!("no such part: {part}"),
    }
}

pub fn commands() -> impl Iterator<Item = String> {
    io::stdin().lines().map(|line| line.expect("commands are text"))
}

fn play_network(folder: &Path) {
    let network = LinuxNetwork::with_resolver_file(folder, folder.join("resolv.conf"));
    // Names are answered between commands, too.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    say("done");
    for command in commands() {
        runtime.block_on(async {
            match command.split_once(' ').unwrap_or((&command, "")) {
                ("protect", name) => network.protect(&plan(name)).await.expect("protects"),
                ("swap", times) => {
                    for round in 0..times.parse().expect("a number") {
                        let name = if round % 2 == 0 { "other" } else { "tunnel" };
                        network.protect(&plan(name)).await.expect("protects");
                    }
                }
                ("release", _) => network.release().await.expect("releases").iter().for_each(say),
                ("share", _) => network.share(&provider::plan()).await.expect("shares"),
                ("unshare", _) => network.unshare().await.expect("unshares").iter().for_each(say),
                ("reset", _) => network.reset().await.expect("resets").iter().for_each(say),
                ("status", _) => tell(&network).await,
                _ => panic!("no such command: {command}"),
            }
        });
        say("done");
    }
}

async fn tell(network: &LinuxNetwork) {
    let status = network.status().await.expect("a status");
    say(if status.is_closed { "closed" } else { "open" });
    if status.is_sharing {
        say("sharing");
    }
    if status.is_lost {
        say("lost");
    }
    if status.is_outdated {
        say("outdated");
    }
    for (what, count) in [("rules", status.rules), ("routes", status.routes)] {
        if count > 0 {
            say(format_args!("{what} {count}"));
        }
    }
    say(match status.resolver {
        ResolverStatus::Own => "resolver own",
        ResolverStatus::Inside => "resolver inside",
        ResolverStatus::Orphaned => "resolver orphaned",
    });
    status.noted.iter().for_each(say);
    status.domains.iter().for_each(|domain| say(format_args!("domain {domain}")));
    status.named.iter().for_each(|address| say(format_args!("named {address}")));
}

#[derive(Default)]
struct Program {
    old: Option<TcpStream>,
    held: Option<UdpSocket>,
    flood: Option<(Arc<AtomicBool>, Vec<thread::JoinHandle<()>>)>,
    sent: Arc<AtomicU64>,
}

impl Program {
    fn play(mut self) {
        say("done");
        for command in commands() {
            let (word, rest) = command.split_once(' ').unwrap_or((&command, ""));
            match word {
                "connect" => self.old = Some(TcpStream::connect(rest).expect("connects")),
                // UDP: `send FROM-ADDRESS TO…`.
                "send" => {
                    let (from, to) = rest.split_once(' ').expect("from and to");
                    to.split(' ').for_each(|to| send(from, to));
                }
                "old" => {
                    // What the kernel can't get rid of it keeps for later, so this succeeds either way.
                    let mut old = self.old.as_ref().expect("a connection");
                    old.write_all(b"old").expect("buffered");
                }
                "ping" => drop(Command::new("ping").args(["-c", "1", "-W", "0.1"]).args(rest.split(' ')).output()),
                "tcp" => drop(TcpStream::connect_timeout(&rest.parse().expect("an address"), CONNECT_WAIT)),
                "ask" => say(ask(rest, ANSWER_WAIT)),
                "ask-from" => {
                    let (from, to) = rest.split_once(' ').expect("from and to");
                    say(ask_from(from, to, ANSWER_WAIT));
                }
                "hold" => {
                    let socket = UdpSocket::bind("0.0.0.0:0").expect("binds");
                    socket.connect(rest).expect("connects");
                    self.held = Some(socket);
                }
                // What a rule drops may be refused.
                "held" => drop(self.held.as_ref().expect("a socket").send(b"held")),
                "resolve" => say(name_server::resolve(rest)),
                "ask-tcp" => say(ask_tcp(rest, ANSWER_WAIT)),
                // For where no answer is expected, and nobody wants to wait for it long.
                "try" => say(ask(rest, TRY_WAIT)),
                "try-tcp" => say(ask_tcp(rest, TRY_WAIT)),
                "flood" => self.flood(rest),
                "sent" => say(self.sent.load(Ordering::Relaxed)),
                "stop" => self.stop(),
                "enter" => enter(if rest == "outside" { Group::Outside } else { Group::Inside }).expect("enters"),
                _ => panic!("no such command: {command}"),
            }
            say("done");
        }
    }

    /// Sends to all of `targets`, from a thread for each, without a pause.
    fn flood(&mut self, targets: &str) {
        let ends = Arc::new(AtomicBool::new(false));
        let threads = targets.split(' ').map(|to| {
            let (to, ends, sent) = (to.to_owned(), ends.clone(), self.sent.clone());
            thread::spawn(move || {
                while !ends.load(Ordering::Relaxed) {
                    send(if to.contains('[') { "[::]:0" } else { "0.0.0.0:0" }, &to);
                    sent.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        self.flood = Some((ends.clone(), threads.collect()));
    }

    fn stop(&mut self) {
        let (ends, threads) = self.flood.take().expect("a flood");
        ends.store(true, Ordering::Relaxed);
        threads.into_iter().for_each(|thread| thread.join().expect("the flood ends"));
    }
}

/// One datagram. Whether it gets anywhere is what captures say; the kernel refuses what a rule drops.
fn send(from: &str, to: &str) {
    let socket = UdpSocket::bind(from).expect("binds");
    socket.set_broadcast(true).expect("allows broadcast");
    let _ = socket.send_to(b"probe", to);
}

/// What a server answers to a datagram, or `nothing`.
fn ask(to: &str, wait: Duration) -> String {
    ask_from(if to.contains('[') { "[::]:0" } else { "0.0.0.0:0" }, to, wait)
}

fn ask_from(from: &str, to: &str, wait: Duration) -> String {
    let socket = UdpSocket::bind(from).expect("binds");
    socket.set_read_timeout(Some(wait)).expect("sets");
    let mut answer = [0; 100];
    let asked = socket.send_to(b"who am I", to).and_then(|_| socket.recv(&mut answer));
    asked.map_or_else(|_| "nothing".to_owned(), |length| String::from_utf8_lossy(&answer[..length]).into_owned())
}

fn ask_tcp(to: &str, wait: Duration) -> String {
    let mut answer = String::new();
    let stream = TcpStream::connect_timeout(&to.parse().expect("an address"), wait);
    let asked = stream.and_then(|mut stream| stream.read_to_string(&mut answer));
    asked.map_or_else(|_| "nothing".to_owned(), |_| answer)
}

fn serve(addresses: &str) {
    for address in addresses.split(' ') {
        let datagrams = UdpSocket::bind(address).expect("binds");
        thread::spawn(move || {
            let mut question = [0; 100];
            while let Ok((_, from)) = datagrams.recv_from(&mut question) {
                let _ = datagrams.send_to(from.ip().to_string().as_bytes(), from);
            }
        });
        let connections = TcpListener::bind(address).expect("listens");
        thread::spawn(move || {
            let mut held = Vec::new();
            for connection in connections.incoming() {
                let Ok(mut connection) = connection else { return };
                let from = connection.peer_addr().map(|from| from.ip().to_string()).unwrap_or_default();
                let _ = connection.write_all(from.as_bytes());
                // Nothing more is said, and the other way stays open: an old connection.
                match connection.shutdown(std::net::Shutdown::Write) {
                    Err(error) if error.kind() != ErrorKind::NotConnected => return,
                    _ => held.push(connection),
                }
            }
        });
    }
    say("done");
    commands().for_each(drop);
}

/// The machine's resolver file as the actors see it.
pub fn resolver_file(folder: &Path) -> PathBuf {
    folder.join("resolv.conf")
}
