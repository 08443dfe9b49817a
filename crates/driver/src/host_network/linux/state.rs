//! The state file: what was changed on the machine and what was there before, written before it is changed.
//!
//! Firewall tables, routing rules and routes need no note, since they bear our name, protocol number or table and are
//! found by those. The rest is one line each, in the node's folder:
//!
//! ```text
//! byway host network 1
//! boot 8c1f…                        of which start of the machine this is; a later one has forgotten the rest
//! programs all                      for people, as the next three: what the plan in force said
//! tunnel byway0
//! endpoint udp 192.0.2.1:51820
//! domain site.example
//! sharing byway1
//! setting forward-v4 0              the value before
//! address byway0 10.77.0.2/24       added by us
//! raised byway0                     was down before
//! resolver file 6e616d65…           contents before, in hexadecimal; or `link TARGET`, or `absent`
//! ```
//!
//! Root reads this file to undo things, and a node's folder may belong to somebody else. So a line is parsed into a typed
//! value or the file is refused; nothing in it names a file to be written or a command to be run.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use byway_records::Domain;
use byway_records::offer::Network;

use super::resolver::{Before, RESOLVER_BYTES_MAX};
use super::settings::Setting;
use crate::host_network::{HostNetworkError, InterfaceName, Programs, Transport};

/// Its name in the node's folder.
pub const STATE_FILE: &str = "host-network";
const FIRST_LINE: &str = "byway host network 1";
/// A resolver file in hexadecimal, and a plan's lists.
const FILE_BYTES_MAX: u64 = 2 * RESOLVER_BYTES_MAX as u64 + 256 * 1024;

/// What was noted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct State {
    /// The machine's start that this is about. Settings and addresses don't outlive it, and the resolver file does.
    pub(super) boot: Option<BootId>,
    pub(super) programs: Option<Programs>,
    pub(super) tunnel: Option<InterfaceName>,
    pub(super) endpoints: Vec<(Transport, SocketAddr)>,
    pub(super) domains: Vec<Domain>,
    pub(super) sharing: Option<InterfaceName>,
    pub(super) settings: Vec<(Setting, u8)>,
    pub(super) addresses: Vec<(InterfaceName, Network)>,
    pub(super) raised: Vec<InterfaceName>,
    pub(super) resolver: Option<Before>,
}

/// What Linux calls one start of the machine: a UUID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BootId(String);

/// The file of one node.
#[derive(Debug, Clone)]
pub(super) struct StateFile {
    path: PathBuf,
}

impl StateFile {
    pub(super) fn new(folder: &Path) -> Self {
        Self { path: folder.join(STATE_FILE) }
    }

    /// What is noted; nothing if there is no file.
    pub(super) fn read(&self) -> Result<State, HostNetworkError> {
        let file = match File::open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(State::default()),
            opened => opened.map_err(|error| HostNetworkError::file("open", &self.path, error))?,
        };
        let mut text = String::new();
        let read = file.take(FILE_BYTES_MAX).read_to_string(&mut text);
        read.map_err(|error| HostNetworkError::file("read", &self.path, error))?;
        let parsed = State::parse(&text);
        let state = parsed.map_err(|reason| HostNetworkError::State { path: self.path.clone(), reason })?;
        Ok(state.after(BootId::now()))
    }

    /// Durable when it returns. A state without content removes the file.
    pub(super) fn write(&self, state: &State) -> Result<(), HostNetworkError> {
        if state.is_empty() {
            return self.remove();
        }
        let fresh = self.path.with_extension("new");
        // The folder may be another user's: what lies there by this name, such as a link, is never written through.
        let _ = fs::remove_file(&fresh);
        let written = File::create_new(&fresh).and_then(|mut file| {
            file.write_all(state.text().as_bytes())?;
            file.sync_all()
        });
        let replaced = written.and_then(|()| fs::rename(&fresh, &self.path));
        let folder = self.path.parent().expect("the file is in a folder");
        let durable = replaced.and_then(|()| File::open(folder)?.sync_all());
        durable.map_err(|error| HostNetworkError::file("write", &self.path, error))
    }

    /// Removes the file, whatever is in it.
    pub(super) fn remove(&self) -> Result<(), HostNetworkError> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(HostNetworkError::file("remove", &self.path, error))
            }
            _ => Ok(()),
        }
    }
}

impl State {
    /// Whether there is nothing to undo and nothing to tell.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self { boot: self.boot.clone(), ..Self::default() }
    }

    /// For people: what the plan for this machine said.
    pub(super) fn told_of_client(&self) -> Vec<String> {
        let mut told = Vec::new();
        told.extend(self.tunnel.iter().map(|name| format!("everything goes through {name}")));
        let endpoints = self.endpoints.iter();
        told.extend(endpoints.map(|(transport, to)| format!("the node itself may reach {to} by {}", transport.name())));
        told
    }

    /// For people: what the plan for clients said.
    pub(super) fn told_of_sharing(&self) -> Vec<String> {
        self.sharing.iter().map(|name| format!("clients from {name} are let out")).collect()
    }

    /// What is left of it in the machine's start `now`.
    fn after(self, now: Option<BootId>) -> Self {
        match self.boot == now {
            true => self,
            false => Self { boot: now, settings: Vec::new(), addresses: Vec::new(), raised: Vec::new(), ..self },
        }
    }

    fn text(&self) -> String {
        let mut lines = vec![FIRST_LINE.to_owned()];
        lines.extend(self.boot.iter().map(|BootId(id)| format!("boot {id}")));
        lines.extend(self.programs.map(|programs| format!("programs {}", word(programs))));
        lines.extend(self.tunnel.iter().map(|name| format!("tunnel {name}")));
        lines.extend(self.endpoints.iter().map(|(transport, to)| format!("endpoint {} {to}", transport.name())));
        lines.extend(self.domains.iter().map(|domain| format!("domain {domain}")));
        lines.extend(self.sharing.iter().map(|name| format!("sharing {name}")));
        lines.extend(self.settings.iter().map(|(setting, before)| format!("setting {setting} {before}")));
        lines.extend(self.addresses.iter().map(|(name, address)| format!("address {name} {address}")));
        lines.extend(self.raised.iter().map(|name| format!("raised {name}")));
        lines.extend(self.resolver.iter().map(|before| format!("resolver {before}")));
        lines.join("\n") + "\n"
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut lines = text.lines();
        if lines.next() != Some(FIRST_LINE) || !text.ends_with('\n') {
            return Err(format!("it doesn't begin with \"{FIRST_LINE}\", or ends too early"));
        }
        let mut state = Self::default();
        for line in lines {
            // The line itself isn't told: it may be long, and come from anyone.
            state.take(line).ok_or_else(|| "a line has no meaning".to_owned())?;
        }
        Ok(state)
    }

    fn take(&mut self, line: &str) -> Option<()> {
        let (key, value) = line.split_once(' ')?;
        let pair = value.split_once(' ');
        match key {
            "boot" => self.boot = Some(BootId::new(value)?),
            "programs" => self.programs = Some(PROGRAMS.into_iter().find(|programs| word(*programs) == value)?),
            "tunnel" => self.tunnel = Some(value.parse().ok()?),
            "sharing" => self.sharing = Some(value.parse().ok()?),
            "domain" => self.domains.push(value.parse().ok()?),
            "raised" => self.raised.push(value.parse().ok()?),
            "resolver" => self.resolver = Some(value.parse().ok()?),
            "setting" => self.settings.push((pair?.0.parse().ok()?, pair?.1.parse().ok()?)),
            "address" => self.addresses.push((pair?.0.parse().ok()?, pair?.1.parse().ok()?)),
            "endpoint" => {
                let transport = match pair?.0 {
                    "udp" => Transport::Udp,
                    "tcp" => Transport::Tcp,
                    _ => return None,
                };
                self.endpoints.push((transport, pair?.1.parse().ok()?));
            }
            _ => return None,
        }
        Some(())
    }
}

impl BootId {
    /// `None` where the kernel doesn't tell.
    pub(super) fn now() -> Option<Self> {
        Self::new(fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim())
    }

    fn new(text: &str) -> Option<Self> {
        let is_uuid = text.len() == 36 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        is_uuid.then(|| Self(text.to_owned()))
    }
}

const PROGRAMS: [Programs; 3] = [Programs::All, Programs::AllButOutside, Programs::OnlyInside];

fn word(programs: Programs) -> &'static str {
    match programs {
        Programs::All => "all",
        Programs::AllButOutside => "all-but-outside",
        Programs::OnlyInside => "only-inside",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> State {
        let name: InterfaceName = "byway0".parse().expect("a name");
        State {
            boot: BootId::now(),
            programs: Some(Programs::AllButOutside),
            tunnel: Some(name.clone()),
            endpoints: vec![
                (Transport::Udp, "192.0.2.1:51820".parse().expect("an address")),
                (Transport::Tcp, "[2001:db8::1]:443".parse().expect("an address")),
            ],
            domains: vec!["site.example".parse().expect("a name")],
            sharing: Some("byway1".parse().expect("a name")),
            settings: vec![(Setting::SourceMark, 0), (Setting::AcceptRouters(name.clone()), 1)],
            addresses: vec![(name.clone(), "10.77.0.2/32".parse().expect("a network"))],
            raised: vec![name],
            resolver: Some(Before::File(b"nameserver 192.168.1.1\n\0".to_vec())),
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = StateFile::new(folder.path());
        assert_eq!(file.read().expect("no file is no state"), State::default());
        for resolver in [Before::Absent, Before::Link("../run/resolv.conf".into()), Before::File(Vec::new())] {
            let state = State { resolver: Some(resolver), ..full() };
            file.write(&state).expect("writes");
            assert_eq!(file.read().expect("reads"), state);
        }
        file.write(&State::default()).expect("removes");
        assert!(!folder.path().join(STATE_FILE).exists());
    }

    #[test]
    fn another_start_of_the_machine_has_forgotten_all_but_the_resolver_file() {
        let earlier = State { boot: BootId::new("00000000-0000-4000-8000-000000000000"), ..full() };
        let folder = tempfile::tempdir().expect("a folder");
        let file = StateFile::new(folder.path());
        file.write(&earlier).expect("writes");
        let now = file.read().expect("reads");
        assert_eq!((&now.settings, &now.addresses, &now.raised), (&Vec::new(), &Vec::new(), &Vec::new()));
        assert_eq!((&now.resolver, &now.tunnel), (&earlier.resolver, &earlier.tunnel));
    }

    #[test]
    fn a_link_in_its_place_is_not_written_through() {
        let folder = tempfile::tempdir().expect("a folder");
        let victim = folder.path().join("victim");
        fs::write(&victim, "precious").expect("writes");
        for name in ["host-network.new", STATE_FILE] {
            std::os::unix::fs::symlink(&victim, folder.path().join(name)).expect("links");
        }
        let file = StateFile::new(folder.path());
        file.write(&full()).expect("writes");
        assert_eq!(fs::read_to_string(&victim).expect("reads"), "precious");
        assert_eq!(file.read().expect("reads"), full());
    }

    #[test]
    fn whatever_isnt_ours_is_refused() {
        let good = full().text();
        for (text, is_good) in [
            (good.clone(), true),
            (good.replace("setting source-mark 0", "setting ../../x 0"), false),
            (good.replace("setting source-mark 0", "setting source-mark -1"), false),
            (good.replace("accept-routers:byway0", "accept-routers:../all"), false),
            (good.replace("tunnel byway0", "tunnel a\"b"), false),
            (good.replace("programs all-but-outside", "programs none"), false),
            (good.replace("endpoint udp", "endpoint icmp"), false),
            (good.replace("domain site.example", "domain a\"b"), false),
            (good.replace("resolver file", "resolver run"), false),
            (format!("{good}file /etc/passwd\n"), false),
            (good[..good.len() - 3].to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(State::parse(&text).is_ok(), is_good, "{text}");
        }
    }
}
