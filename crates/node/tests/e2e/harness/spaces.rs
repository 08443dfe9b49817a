//! Network namespaces: a client's machine, a provider's, and what is between them and behind.
//!
//! ```text
//! client 11.1.0.2 ── 11.1.0.1 internet 11.2.0.1 ── 11.2.0.2 provider
//!                             11.9.9.9: kernel nodes; 11.8.8.8 and .9: a web server; 11.8.8.8: a name server
//! ```
//!
//! The addresses look public, as those of an exit's clients must. Making namespaces takes root's rights, and `ip`.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::{SOON, eventually};

pub const CLIENT: &str = "11.1.0.2";
pub const PROVIDER: &str = "11.2.0.2";
/// Of kernel nodes and relay. A machine that is closed reaches these not only through the tunnel.
pub const KERNEL: &str = "11.9.9.9";
pub const WEB: &str = "11.8.8.8";
/// Of this name [`WEB`] is the address.
pub const NAME: &str = "web.example";
/// Another of the web server's addresses, and its name.
pub const OTHER: &str = "11.8.8.9";
pub const OTHER_NAME: &str = "other.example";

/// A web server that tells who asks and sends as many bytes as asked for, and a name server.
const SERVERS: &str = r#"
import socket, threading, http.server
class Web(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        size = int(self.path.split('/')[-1] or 0)
        self.send_response(200)
        self.send_header('X-Client', self.client_address[0])
        self.send_header('Content-Length', str(size))
        self.end_headers()
        block = bytes(65536)
        while size > 0:
            self.wfile.write(block[:size])
            size -= min(size, len(block))
    def log_message(self, *ignored):
        pass
def names():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(('11.8.8.8', 53))
    while True:
        question, asker = server.recvfrom(512)
        end = question.index(b'\0', 12) + 5
        asked, is_a = question[12:end - 4], question[end - 4:end - 2] == b'\0\1'
        last = {b'\3web\7example\0': 8, b'\5other\7example\0': 9}.get(asked)
        known = last is not None and is_a
        head = question[:2] + b'\x81\x80\0\1' + (b'\0\1' if known else b'\0\0') + b'\0\0\0\0'
        answer = b'\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4' + bytes([11, 8, 8, last]) if known else b''
        server.sendto(head + question[12:end] + answer, asker)
threading.Thread(target=names, daemon=True).start()
server = http.server.ThreadingHTTPServer(('', 80), Web)
print('ready', flush=True)
server.serve_forever()
"#;

/// Asks the web server from a namespace; prints who it took the asker for, and how many bytes came.
const ASK: &str = r#"
import sys, urllib.request
with urllib.request.urlopen(sys.argv[1], timeout=float(sys.argv[2])) as answer:
    count = 0
    while True:
        block = answer.read(65536)
        if not block:
            break
        count += len(block)
    print(answer.headers['X-Client'], count)
"#;

/// The three namespaces. They go when this is dropped, with all that runs in them.
pub struct Spaces {
    pub client: String,
    pub provider: String,
    pub internet: String,
    servers: Option<Child>,
}

impl Spaces {
    pub fn make() -> Self {
        let id = std::process::id();
        let name = |what: &str| format!("byway-{what}-{id}");
        let spaces =
            Self { client: name("client"), provider: name("provider"), internet: name("internet"), servers: None };
        spaces.build();
        spaces
    }

    fn build(&self) {
        let Self { client, provider, internet, .. } = self;
        for name in [client, provider, internet] {
            let made = Command::new("ip").args(["netns", "add", name]).output();
            let made = made.expect("`ip` is needed (Debian: iproute2)");
            assert!(made.status.success(), "namespaces need root: {}", String::from_utf8_lossy(&made.stderr));
            ip(name, "link set lo up");
            let folder = PathBuf::from("/etc/netns").join(name);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("resolv.conf"), format!("nameserver {WEB}\n")).unwrap();
        }
        for (space, far, own, near) in [(client, "c", CLIENT, "11.1.0.1"), (provider, "p", PROVIDER, "11.2.0.1")] {
            ip(internet, &format!("link add {far} type veth peer name eth0 netns {space}"));
            ip(internet, &format!("addr add {near}/24 dev {far}"));
            ip(internet, &format!("link set {far} up"));
            ip(space, &format!("addr add {own}/24 dev eth0"));
            ip(space, "link set eth0 up");
            ip(space, &format!("route add default via {near}"));
        }
        for own in [KERNEL, WEB, OTHER] {
            ip(internet, &format!("addr add {own}/32 dev lo"));
        }
        self.sh(internet, "echo 1 > /proc/sys/net/ipv4/ip_forward");
    }

    /// Starts the web server and the name server.
    pub fn serve(&mut self) {
        let log = std::env::temp_dir().join(format!("{}.log", self.internet));
        let out = std::fs::File::create(&log).unwrap();
        let mut command = in_space(&self.internet, "python3");
        command.args(["-c", SERVERS]).stdin(Stdio::null()).stdout(out.try_clone().unwrap()).stderr(out);
        self.servers = Some(command.spawn().unwrap());
        eventually("the servers are ready", SOON, || {
            std::fs::read_to_string(&log).unwrap().starts_with("ready").then_some(())
        });
        std::fs::remove_file(log).unwrap();
    }

    /// What the web server says of whoever asks from this namespace: the address, and how many bytes came.
    pub fn ask(&self, space: &str, host: &str, bytes: u64) -> Result<(String, u64), String> {
        let url = format!("http://{host}/{bytes}");
        let output = in_space(space, "python3").args(["-c", ASK, &url, "5"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let answer = said.trim().split_once(' ').and_then(|(who, count)| Some((who.to_owned(), count.parse().ok()?)));
        answer.ok_or_else(|| String::from_utf8_lossy(&output.stderr).into_owned())
    }

    pub fn sh(&self, space: &str, script: &str) -> String {
        let output = in_space(space, "sh").args(["-c", script]).output().unwrap();
        let (said, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "`{script}` in {space}: {wrong}");
        said.into_owned()
    }
}

/// A machine with a private address, behind a router on the open net.
pub struct Home {
    pub inside: String,
    router: String,
}

impl Home {
    pub const INSIDE: &str = "192.168.7.2";
    pub const OUTSIDE: &str = "11.3.0.2";

    pub fn make(spaces: &Spaces) -> Self {
        let name = |what: &str| format!("byway-{what}-{}", std::process::id());
        let home = Self { inside: name("inside"), router: name("router") };
        for space in [&home.inside, &home.router] {
            let made = Command::new("ip").args(["netns", "add", space]).status().unwrap();
            assert!(made.success(), "namespaces need root");
            ip(space, "link set lo up");
        }
        let Self { inside, router } = &home;
        for (outer, far, own, space, near) in [
            (&spaces.internet, "home0", Self::OUTSIDE, router, "11.3.0.1"),
            (router, "in0", Self::INSIDE, inside, "192.168.7.1"),
        ] {
            ip(outer, &format!("link add {far} type veth peer name eth0 netns {space}"));
            ip(outer, &format!("addr add {near}/24 dev {far}"));
            ip(outer, &format!("link set {far} up"));
            ip(space, &format!("addr add {own}/24 dev eth0"));
            ip(space, "link set eth0 up");
            ip(space, &format!("route add default via {near}"));
        }
        spaces.sh(router, "echo 1 > /proc/sys/net/ipv4/ip_forward");
        home
    }

    /// How the router translates what goes out, and what comes in unasked. Whatever it remembers is forgotten.
    pub fn translate(&self, spaces: &Spaces, out: &str, into: &str) {
        let rules = format!(
            "flush ruleset\ntable ip t {{\nchain o {{ type nat hook postrouting priority 100; oifname eth0 meta l4proto {{ tcp, udp }} \
             {out}; }}\nchain i {{ type nat hook prerouting priority -100; {into}; }}\n}}\n"
        );
        let rules = rules.replace("; ; }", "; }");
        spaces.sh(&self.router, &format!("nft -f - <<'E'\n{rules}E\n"));
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        for name in [&self.inside, &self.router] {
            // What is left shows in `ip netns list`.
            let _ = Command::new("ip").args(["netns", "del", name]).status();
        }
    }
}

/// Captures that were begun.
static CAPTURES: AtomicU32 = AtomicU32::new(0);

/// Packets that pass an interface of the internet's from now on.
pub struct Capture(Child, PathBuf);

impl Capture {
    /// Of the client's line, those from the client that `filter` (as tcpdump has it) tells.
    pub fn of_client(spaces: &Spaces, filter: &str) -> Self {
        Self::of(spaces, "c", filter)
    }

    /// The same of the provider.
    pub fn of_provider(spaces: &Spaces, filter: &str) -> Self {
        Self::of(spaces, "p", filter)
    }

    fn of(spaces: &Spaces, line: &str, filter: &str) -> Self {
        // Several may look at one line.
        let number = CAPTURES.fetch_add(1, Ordering::SeqCst);
        let file = std::env::temp_dir().join(format!("{}.{line}{number}.captured", spaces.internet));
        let out = std::fs::File::create(&file).unwrap();
        let mut command = in_space(&spaces.internet, "tcpdump");
        command.args(["-n", "-l", "--immediate-mode", "-Q", "in", "-i", line, filter]).stdin(Stdio::null());
        let child = command.stdout(out.try_clone().unwrap()).stderr(out).spawn();
        let capture = Self(child.expect("`tcpdump` is needed (Debian: tcpdump)"), file);
        eventually("tcpdump listens", SOON, || capture.text().contains("listening on").then_some(()));
        capture
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.1).unwrap()
    }

    /// Ends it; what was seen, one line for each packet.
    pub fn end(mut self) -> Vec<String> {
        let told = Command::new("kill").args(["-INT", &self.0.id().to_string()]).status().unwrap();
        assert!(told.success());
        self.0.wait().unwrap();
        let text = self.text();
        std::fs::remove_file(&self.1).unwrap();
        text.lines().filter(|line| line.contains(" IP") || line.contains(" ARP")).map(str::to_owned).collect()
    }
}

/// A recording of what passes an interface of the internet's from now on, both ways.
pub struct Recording {
    child: Child,
    file: PathBuf,
    log: PathBuf,
}

impl Recording {
    /// Of the client's line, what `filter` (as tcpdump has it) tells.
    pub fn of_client(spaces: &Spaces, filter: &str) -> Self {
        let place = |end: &str| std::env::temp_dir().join(format!("{}.{end}", spaces.client));
        let (file, log) = (place("pcap"), place("pcap.log"));
        let mut command = in_space(&spaces.internet, "tcpdump");
        command.args(["-n", "-U", "--immediate-mode", "-Z", "root", "-i", "c", "-w"]).arg(&file).arg(filter);
        let child = command.stdin(Stdio::null()).stderr(std::fs::File::create(&log).unwrap()).spawn();
        let child = child.expect("`tcpdump` is needed (Debian: tcpdump)");
        eventually("tcpdump records", SOON, || {
            std::fs::read_to_string(&log).unwrap().contains("listening on").then_some(())
        });
        Self { child, file, log }
    }

    /// Ends it; what nDPI takes each flow for, a line each.
    pub fn end_as_seen_by_ndpi(mut self) -> Vec<String> {
        let told = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        assert!(told.success());
        self.child.wait().unwrap();
        let seen = Command::new("ndpiReader").arg("-v").arg("2").arg("-i").arg(&self.file).output();
        let seen = seen.expect("`ndpiReader` is needed (Debian: libndpi-bin)");
        for file in [&self.file, &self.log] {
            std::fs::remove_file(file).unwrap();
        }
        let text = String::from_utf8_lossy(&seen.stdout);
        text.lines().filter(|line| line.contains("[proto: ")).map(str::to_owned).collect()
    }
}

impl Drop for Spaces {
    fn drop(&mut self) {
        if let Some(mut servers) = self.servers.take() {
            // It may have ended by itself.
            let _ = servers.kill();
            let _ = servers.wait();
        }
        for name in [&self.client, &self.provider, &self.internet] {
            if !Command::new("ip").args(["netns", "del", name]).status().is_ok_and(|status| status.success()) {
                let _ = writeln!(std::io::stderr(), "the namespace {name} is left");
            }
            let _ = std::fs::remove_dir_all(PathBuf::from("/etc/netns").join(name));
        }
    }
}

/// A program in a namespace.
pub fn in_space(space: &str, program: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", space, program]);
    command
}

fn ip(space: &str, arguments: &str) {
    let output: Output = Command::new("ip").args(["-n", space]).args(arguments.split(' ')).output().unwrap();
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`ip -n {space} {arguments}`: {wrong}");
}
