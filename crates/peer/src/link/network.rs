//! What a network is known by from outside: its id, and kernel nodes that can be asked for the rest.

use std::fmt;
use std::str::FromStr;

use byway_crypto::noise::StaticKey;
use byway_kernel::light::TrustedCheckpoint;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::hash::Context;
use byway_primitives::{Hash, NetworkId};
use byway_records::Height;
use byway_records::genesis::ADDRESS_BYTES_MAX;
use zeroize::Zeroizing;

use super::{LinkError, text};

pub(super) const KIND: &str = "net/";
pub(super) const CHECK: Context = Context("byway 1 network link");
const VERSION: u8 = 1;
/// Kernel nodes of one link: more would make it long, and one that answers is enough.
pub const KERNEL_PEERS_MAX: usize = 8;
/// Characters of a relay's address, its front, secret and pin included.
pub const RELAY_TEXT_MAX: usize = 512;

/// A network, for whoever knows nothing of it yet.
#[derive(Clone, PartialEq, Eq)]
pub struct NetworkLink {
    /// The hash of its genesis.
    pub network: NetworkId,
    /// Who is asked for the genesis; 1 to [`KERNEL_PEERS_MAX`].
    pub kernel: Vec<KernelPeer>,
    /// A relay that the newcomer may use. Its address may hold a front's secret.
    pub relay: Option<Zeroizing<String>>,
    /// Where to begin when founders have left for long. It is believed as far as whoever gave the link is.
    pub checkpoint: Option<TrustedCheckpoint>,
}

/// A kernel node that may be asked: `KEY@HOST:PORT`, with the key of its mesh port in hex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelPeer {
    pub key: StaticKey,
    pub address: String,
}

/// A text that names no kernel node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a kernel node is written KEY@HOST:PORT, with the 64 hex digits of its mesh key (`byway kernel status` at that node shows it)"
)]
pub struct NoPeer;

impl NetworkLink {
    /// A link with nothing but what is needed.
    pub fn new(network: NetworkId, kernel: Vec<KernelPeer>) -> Self {
        Self { network, kernel, relay: None, checkpoint: None }
    }

    /// Whether a relay's address is short and plain enough: it is written into a file, and shown.
    pub fn is_relay(text: &str) -> bool {
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"'\\".contains(&byte);
        text.len() <= RELAY_TEXT_MAX && text.bytes().all(is_plain)
    }

    /// The part of a link that names the network.
    pub(super) fn part(&self) -> String {
        let mut out = Writer::new();
        out.byte(VERSION);
        out.value(self);
        text::write(CHECK, &out.into_bytes()).to_string()
    }

    pub(super) fn read(part: &str) -> Result<Self, LinkError> {
        let bytes = text::read(CHECK, part)?;
        let mut input = Reader::new(&bytes);
        match input.byte()? {
            VERSION => {}
            other => return Err(LinkError::Version(other)),
        }
        let link = input.value()?;
        input.finish()?;
        Ok(link)
    }
}

impl Encode for NetworkLink {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.network);
        out.list(&self.kernel);
        out.text(self.relay.as_deref().map_or("", |relay| relay));
        out.flag(self.checkpoint.is_some());
        if let Some(TrustedCheckpoint { height, digest }) = &self.checkpoint {
            out.value(height);
            out.value(digest);
        }
    }
}

impl Decode for NetworkLink {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (network, kernel) = (input.value()?, input.list(KERNEL_PEERS_MAX)?);
        if kernel.is_empty() {
            return Err(DecodeError::Invalid("list of kernel nodes: it is empty"));
        }
        let relay = Zeroizing::new(input.text(RELAY_TEXT_MAX)?);
        if !Self::is_relay(&relay) {
            return Err(DecodeError::Invalid("relay"));
        }
        let checkpoint = match input.flag()? {
            true => Some(TrustedCheckpoint { height: input.value::<Height>()?, digest: input.value::<Hash>()? }),
            false => None,
        };
        Ok(Self { network, kernel, relay: Some(relay).filter(|relay| !relay.is_empty()), checkpoint })
    }
}

/// Without the relay, which may hold a secret.
impl fmt::Debug for NetworkLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { network, kernel, checkpoint, .. } = self;
        f.debug_struct("NetworkLink")
            .field("network", network)
            .field("kernel", kernel)
            .field("checkpoint", checkpoint)
            .finish_non_exhaustive()
    }
}

impl KernelPeer {
    /// `HOST:PORT` of letters, digits and what else names and addresses have.
    fn is_address(text: &str) -> bool {
        let Some((host, port)) = text.rsplit_once(':') else { return false };
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]%".contains(&byte);
        let is_short = text.len() <= ADDRESS_BYTES_MAX && !host.is_empty();
        is_short && host.bytes().all(is_host) && port.parse::<u16>().is_ok()
    }
}

impl Encode for KernelPeer {
    fn encode(&self, out: &mut Writer) {
        out.raw(&self.key.0);
        out.text(&self.address);
    }
}

impl Decode for KernelPeer {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (key, address) = (StaticKey(input.array()?), input.text(ADDRESS_BYTES_MAX)?);
        if Self::is_address(&address) { Ok(Self { key, address }) } else { Err(DecodeError::Invalid("address")) }
    }
}

impl fmt::Display for KernelPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", hex::encode(self.key.0), self.address)
    }
}

impl FromStr for KernelPeer {
    type Err = NoPeer;

    fn from_str(text: &str) -> Result<Self, NoPeer> {
        let (digits, address) = text.split_once('@').ok_or(NoPeer)?;
        let mut key = [0; 32];
        hex::decode_to_slice(digits, &mut key).map_err(|_| NoPeer)?;
        if !Self::is_address(address) {
            return Err(NoPeer);
        }
        Ok(Self { key: StaticKey(key), address: address.to_owned() })
    }
}

byway_primitives::serde_as_text!(KernelPeer);
