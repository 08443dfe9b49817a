//! Binding a node's sockets, with an error that names the remedy when a port is taken.
//!
//! Under `--ports auto` a free port is bound wherever the wanted one is taken, remembered in `ports.json`, and wanted
//! again at the next start.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};

use clap::ValueEnum;
use tokio::net::TcpListener;

use crate::directory::{Directory, DirectoryError, read_json, write_json};

/// What to do about a taken port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum PortChoice {
    /// Fail and say which port it is
    #[default]
    Fixed,
    /// Take a free one, and the same again at the next start
    Auto,
}

/// What a socket is for: its name in errors and in `ports.json`, and the key that sets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purpose {
    pub name: &'static str,
    pub key: &'static str,
}

impl Purpose {
    pub const PROXY: Purpose = Purpose { name: "proxy", key: "proxy.listen" };
    pub const PAGE: Purpose = Purpose { name: "page", key: "page.listen" };
    pub const RPC: Purpose = Purpose { name: "rpc", key: "rpc.listen" };
    pub const PHONE: Purpose = Purpose { name: "phone", key: "phone.listen" };
    pub const LINK: Purpose = Purpose { name: "link", key: "link.listen" };
}

/// The ports of one node.
pub struct Ports {
    directory: Directory,
    choice: PortChoice,
    remembered: BTreeMap<String, u16>,
}

/// The UDP address of a node's links: `wanted` or, where that leaves the port open, the one of the starts before. An offer
/// names it, so that a provider whose port changed at each start would have to publish its offer anew each time.
///
/// # Errors
/// The port can't be remembered, or no socket can be opened at the address.
pub fn link_address(directory: &Directory, wanted: SocketAddr) -> Result<SocketAddr, PortError> {
    if wanted.port() != 0 {
        return Ok(wanted);
    }
    directory.create()?;
    let mut remembered: BTreeMap<String, u16> = read_json(&directory.ports_file())?.unwrap_or_default();
    // The socket is closed again: the link's own takes its place in a moment.
    let open = |port: u16| UdpSocket::bind((wanted.ip(), port)).and_then(|socket| socket.local_addr());
    let before = remembered.get(Purpose::LINK.name).and_then(|port| open(*port).ok());
    let address = match before {
        Some(address) => address,
        None => open(0).map_err(|error| refused(Purpose::LINK, wanted, error))?,
    };
    if remembered.insert(Purpose::LINK.name.to_owned(), address.port()) != Some(address.port()) {
        write_json(&directory.ports_file(), &remembered)?;
    }
    Ok(address)
}

/// The same without opening anything: port 0 where none was chosen yet.
pub fn known_link_address(directory: &Directory, wanted: SocketAddr) -> SocketAddr {
    if wanted.port() != 0 {
        return wanted;
    }
    let remembered: Option<BTreeMap<String, u16>> = read_json(&directory.ports_file()).ok().flatten();
    let port = remembered.and_then(|remembered| remembered.get(Purpose::LINK.name).copied());
    SocketAddr::new(wanted.ip(), port.unwrap_or(0))
}

/// Why a socket can't be bound.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    #[error(
        "port {port} ({name}) is taken by another program; stop that program, set {key} to a free port, or start with \
         --ports auto"
    )]
    Taken { port: u16, name: &'static str, key: &'static str },
    #[error("this user may not listen on port {port} ({name}); set {key} to a port above 1023")]
    Forbidden { port: u16, name: &'static str, key: &'static str },
    #[error("{address} ({name}) can't be listened on: {source}; set {key} to an address of this machine")]
    Io { address: SocketAddr, name: &'static str, key: &'static str, source: io::Error },
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

impl Ports {
    pub fn load(directory: &Directory, choice: PortChoice) -> Result<Self, PortError> {
        let remembered = match choice {
            PortChoice::Fixed => BTreeMap::new(),
            PortChoice::Auto => read_json(&directory.ports_file())?.unwrap_or_default(),
        };
        Ok(Self { directory: directory.clone(), choice, remembered })
    }

    /// A listener on `wanted`, or where the choice allows it on another port of the same address.
    pub async fn bind(&mut self, purpose: Purpose, wanted: SocketAddr) -> Result<TcpListener, PortError> {
        if self.choice == PortChoice::Fixed {
            return TcpListener::bind(wanted).await.map_err(|error| refused(purpose, wanted, error));
        }
        let remembered = self.remembered.get(purpose.name).copied();
        let candidates = remembered.into_iter().chain([wanted.port()]);
        for port in candidates {
            if let Ok(listener) = TcpListener::bind(SocketAddr::new(wanted.ip(), port)).await {
                return self.remember(purpose, listener);
            }
        }
        let any = SocketAddr::new(wanted.ip(), 0);
        let listener = TcpListener::bind(any).await.map_err(|error| refused(purpose, any, error))?;
        self.remember(purpose, listener)
    }

    fn remember(&mut self, purpose: Purpose, listener: TcpListener) -> Result<TcpListener, PortError> {
        let address = listener.local_addr();
        let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
        let port = address.map_err(|error| refused(purpose, unknown, error))?.port();
        if self.remembered.insert(purpose.name.to_owned(), port) != Some(port) {
            write_json(&self.directory.ports_file(), &self.remembered)?;
        }
        Ok(listener)
    }
}

fn refused(purpose: Purpose, address: SocketAddr, source: io::Error) -> PortError {
    let Purpose { name, key } = purpose;
    match source.kind() {
        io::ErrorKind::AddrInUse => PortError::Taken { port: address.port(), name, key },
        io::ErrorKind::PermissionDenied => PortError::Forbidden { port: address.port(), name, key },
        _ => PortError::Io { address, name, key, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn bind(directory: &Directory, choice: PortChoice, wanted: SocketAddr) -> Result<TcpListener, PortError> {
        Ports::load(directory, choice).unwrap().bind(Purpose::RPC, wanted).await
    }

    #[tokio::test]
    async fn a_taken_port_is_named_with_its_remedy_and_auto_finds_another_for_good() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::new(folder.path());
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let wanted = taken.local_addr().unwrap();
        let error = bind(&directory, PortChoice::Fixed, wanted).await.unwrap_err().to_string();
        assert!(error.contains(&wanted.port().to_string()) && error.contains("--ports auto"), "{error}");

        let chosen = bind(&directory, PortChoice::Auto, wanted).await.unwrap().local_addr().unwrap();
        assert_ne!(chosen, wanted);
        drop(taken);
        let again = bind(&directory, PortChoice::Auto, wanted).await.unwrap().local_addr().unwrap();
        assert_eq!(again, chosen);
    }
}
