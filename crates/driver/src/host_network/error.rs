//! What can go wrong, told to a person.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// Why the machine's network can't be changed or read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum HostNetworkError {
    #[error("changing the machine's network needs root: run it with sudo, or give the program CAP_NET_ADMIN")]
    NotAllowed,

    #[error("the tunnel needs Linux for now, since it works no other system's firewall; the proxy works here")]
    Unsupported,

    #[error("the node is stopping")]
    Stopping,

    #[error("{program} is missing; install it (on Debian: `apt-get install {package}`)")]
    Missing { program: &'static str, package: &'static str },

    #[error("the kernel refused the firewall rules, so nothing was changed: {reason}")]
    Firewall { reason: String },

    #[error("there is no interface {name}; is the tunnel up?")]
    NoInterface { name: String },

    #[error("can't {what}: {reason}")]
    Routes { what: &'static str, reason: String },

    #[error("can't {what} {}: {source}", path.display())]
    File { what: &'static str, path: PathBuf, source: Arc<io::Error> },

    #[error("{} is not what this program wrote: {reason}; `byway firewall reset` puts the rest back", path.display())]
    State { path: PathBuf, reason: String },

    #[error("programs can't be told apart: no cgroup2 file system is mounted under /sys/fs/cgroup")]
    NoCgroup,

    #[error(
        "nobody is known who could be asked for names outside the tunnel: /etc/resolv.conf names only this machine itself; \
         put the network's name servers into tunnel.name_servers"
    )]
    NoNameServers,

    #[error(
        "names can't be answered at {address}, which going by domain needs: {source}; is another node here, or a resolver that listens at all addresses?"
    )]
    Names { address: SocketAddr, source: Arc<io::Error> },

    #[error(transparent)]
    Plan(#[from] PlanError),
}

/// Why a plan is refused before anything is changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error("{count} {what} are more than the {max} that are allowed")]
    TooMany { what: &'static str, count: usize, max: usize },
}

/// Why a text is no interface name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" can't be an interface's name: 1 to 15 letters, digits, - _ . are needed")]
pub struct NameError(pub String);

#[cfg(target_os = "linux")]
impl HostNetworkError {
    /// A lack of rights is told apart.
    pub(crate) fn file(what: &'static str, path: &std::path::Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::PermissionDenied => Self::NotAllowed,
            _ => Self::File { what, path: path.to_owned(), source: Arc::new(source) },
        }
    }
}
