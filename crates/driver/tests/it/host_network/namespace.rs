//! Namespaces, cables and captures.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything is waited for that must happen. Only a failing test waits so long.
pub const WAIT_MAX: Duration = Duration::from_secs(60);

/// One test at a time: they share the machine's control groups, and floods of one would slow the others.
static TURN: Mutex<()> = Mutex::new(());
static NUMBER: AtomicU32 = AtomicU32::new(0);

pub fn take_turn() -> MutexGuard<'static, ()> {
    let id = run(Command::new("id").arg("-u"));
    assert_eq!(id.trim(), "0", "network namespaces need root: run the tests as root (`sudo -E cargo xtask test`)");
    for tool in ["ip", "nft", "nsenter", "tcpdump", "ping"] {
        let there = Command::new("sh").args(["-c", &format!("PATH=$PATH:/usr/sbin:/sbin; command -v {tool}")]).output();
        assert!(
            there.is_ok_and(|output| output.status.success()),
            "`{tool}` is missing; `cargo xtask test --only tools` installs what tests need"
        );
    }
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A network namespace of a name that nobody else has. Dropped, it is removed, also when a test panics.
pub struct Namespace {
    name: String,
}

impl Namespace {
    pub fn new(label: &str) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("byway-test-{}-{number}-{label}", std::process::id());
        run(Command::new("ip").args(["netns", "add", &name]));
        let namespace = Self { name };
        namespace.ip("link set lo up");
        // Link-local addresses count at once; nobody else has them.
        namespace.run("sysctl", "-w net.ipv6.conf.default.dad_transmits=0");
        namespace
    }

    /// A program inside. The file systems stay the machine's, unlike with `ip netns exec`.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.name)).arg(program);
        command
    }

    pub fn run(&self, program: &str, arguments: &str) -> String {
        run(self.command(program).args(arguments.split_whitespace()))
    }

    pub fn ip(&self, arguments: &str) -> String {
        self.run("ip", arguments)
    }

    pub fn nft(&self, rules: &str) -> String {
        run(self.command("nft").arg(rules))
    }

    /// A cable from `end` here to `other_end` there.
    pub fn cable(&self, end: &str, other: &Self, other_end: &str) {
        let (here, there) = (&self.name, &other.name);
        let arguments = format!("link add {end} netns {here} type veth peer name {other_end} netns {there}");
        run(Command::new("ip").args(arguments.split_whitespace()));
    }

    /// Gives `interface` its addresses at once (without asking whether somebody has them) and brings it up.
    pub fn raise(&self, interface: &str, addresses: &[&str]) {
        for address in addresses {
            let nodad = if address.contains(':') { " nodad" } else { "" };
            self.ip(&format!("address add {address} dev {interface}{nodad}"));
        }
        self.ip(&format!("link set {interface} up"));
    }

    /// Waits until the kernel has given `interfaces` their link-local addresses, so that it changes nothing later.
    pub fn settle(&self, interfaces: &[&str]) {
        let until = Instant::now() + WAIT_MAX;
        for interface in interfaces {
            loop {
                let address = self.ip(&format!("-6 -o address show dev {interface} scope link"));
                if !address.is_empty() && !address.contains("tentative") {
                    break;
                }
                assert!(Instant::now() < until, "no address: {address}");
                thread::yield_now();
            }
        }
    }

    /// Everything that must be as before when all was undone.
    pub fn snapshot(&self) -> String {
        let mut text = self.run("nft", "list ruleset");
        for arguments in ["-4 rule", "-6 rule", "-4 route show table all", "-6 route show table all", "-o address"] {
            text.push_str(&format!("== {arguments}\n{}", self.ip(arguments)));
        }
        let settings = "net.ipv4.conf.all.src_valid_mark net.ipv4.ip_forward net.ipv6.conf.all.forwarding";
        text + &self.run("sysctl", settings)
    }

    /// Records what `interface` receives, neighbour discovery apart. Returns once packets are seen.
    pub fn capture(&self, interface: &str) -> Capture {
        let neighbours = "icmp6 and ip6[6] = 58 and ip6[40] >= 133 and ip6[40] <= 136";
        let filter = format!("ip or (ip6 and not ({neighbours}))");
        let mut command = self.command("tcpdump");
        command.args(["-nn", "-l", "-t", "--immediate-mode", "-B", "65536", "-Q", "in", "-i", interface, &filter]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("tcpdump starts");
        let mut told = BufReader::new(child.stderr.take().expect("piped")).lines();
        let listens = told.by_ref().any(|line| line.expect("text").contains("listening on"));
        assert!(listens, "tcpdump ended before it listened");
        let (sender, packets) = mpsc::channel();
        let packets_read = BufReader::new(child.stdout.take().expect("piped"));
        thread::spawn(move || packets_read.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        // Read on, so that it is never stopped by a full pipe.
        thread::spawn(move || told.map_while(Result::ok).for_each(drop));
        Capture { child, packets, seen: Vec::new() }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).output();
    }
}

/// What an interface receives, one line for each packet.
pub struct Capture {
    child: Child,
    packets: Receiver<String>,
    seen: Vec<String>,
}

impl Capture {
    /// Waits for a packet whose line contains `part`.
    pub fn wait_for(&mut self, part: &str) {
        let until = Instant::now() + WAIT_MAX;
        while !self.seen.iter().any(|line| line.contains(part)) {
            let left = until.saturating_duration_since(Instant::now());
            let next = self.packets.recv_timeout(left);
            self.seen.push(next.unwrap_or_else(|_| panic!("no packet \"{part}\" among {:#?}", self.seen)));
        }
    }

    /// All packets up to one whose line contains `last`, that one among them.
    pub fn until(mut self, last: &str) -> Vec<String> {
        self.wait_for(last);
        std::mem::take(&mut self.seen)
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `lines` without what the kernel says of multicast groups by itself.
pub fn packets(lines: Vec<String>) -> Vec<String> {
    lines.into_iter().filter(|line| !line.contains("multicast listener")).collect()
}

fn run(command: &mut Command) -> String {
    command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    text
}
