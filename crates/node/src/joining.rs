//! Getting into a network with nothing but its file or a link: the genesis, and a folder in which a node of it can run.
//!
//! The genesis is asked for at the kernel nodes that the link names, one after another. The connection is to the key that
//! stands in the link, and what comes is believed if its hash is the network's id, which stands there too: so neither a
//! kernel node nor anyone on the way can put the newcomer into another network than the sender's.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use byway_driver::disguise::{AddressError, Disguise, Mode, RelayAddress};
use byway_driver::entropy;
use byway_driver::mesh::{ConnectError, Limits, MeshClient, RequestError};
use byway_kernel::follower::explore::{Found, Query};
use byway_kernel::follower::protocol::{Answer, Request};
use byway_kernel::light::TrustedCheckpoint;
use byway_peer::link::{Invite, KERNEL_PEERS_MAX, KernelPeer, Link, LinkError, NetworkLink, RELAY_TEXT_MAX};
use byway_primitives::NetworkId;
use byway_primitives::codec::{DecodeError, Encode, decode_exact};
use byway_records::genesis::GenesisError;
use byway_records::{Genesis, Member, OutputId};
use zeroize::Zeroizing;

use crate::genesis::{self, LoadError};
use crate::kernel_node::prologue_of;

/// How long one kernel node may take to connect, and to answer.
const PATIENCE: Duration = Duration::from_secs(8);

/// Kernel nodes in a link: one may be down, and another gone by the time the link is used.
const KERNEL_PEERS: usize = 3;
const _: () = assert!(KERNEL_PEERS <= KERNEL_PEERS_MAX);

/// What a person was given to join with.
#[derive(Debug)]
pub enum Given {
    Link(NetworkLink),
    /// A link with coins.
    Invite(Box<Invite>),
    /// The genesis file, whose network is taken as it is, and a recent checkpoint that it names.
    File(Box<Genesis>, Option<TrustedCheckpoint>),
}

/// What a person was given is of no use.
#[derive(Debug, thiserror::Error)]
pub enum GivenError {
    #[error("this link leads nowhere: {0}; copy the whole link again, or ask for a new one")]
    Link(#[from] LinkError),
    #[error(transparent)]
    File(#[from] LoadError),
}

/// A relay can't be named in a link.
#[derive(Debug, thiserror::Error)]
pub enum RelayTextError {
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error("a relay's address in a link has at most {RELAY_TEXT_MAX} characters, and no quotes")]
    Text,
}

/// No kernel node gave the genesis.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("none of the kernel nodes in this link gave the network's genesis{}; check the network connection, or ask for a newer link", told(.0))]
    Nobody(Vec<(String, AskError)>),
    #[error("the relay in this link: {0}; ask for another link")]
    Relay(#[from] AddressError),
    #[error("no loopback port can be opened for the way to the relay: {0}")]
    Loopback(std::io::Error),
}

/// Why one of them gave none.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error("can't be reached: {0}")]
    Connect(#[from] ConnectError),
    #[error("can't be reached in disguise: {0}")]
    Disguise(std::io::Error),
    #[error("did not answer: {0}")]
    Request(#[from] RequestError),
    #[error("sent a malformed answer: {0}")]
    Malformed(#[from] DecodeError),
    #[error("answered another question")]
    Other,
    #[error("gave the genesis of another network, {0}")]
    OtherNetwork(NetworkId),
    #[error("gave a genesis that makes no network: {0}")]
    Invalid(#[from] GenesisError),
}

fn told(failed: &[(String, AskError)]) -> String {
    failed.iter().map(|(address, error)| format!("; {address} {error}")).collect()
}

impl Given {
    /// Reads what was typed: a link, or the name of a file.
    pub fn read(text: &str) -> Result<Self, GivenError> {
        let text = text.trim();
        if Link::is_meant(text) {
            return Ok(match text.parse()? {
                Link::Network(network) => Self::Link(network),
                Link::Invite(invite) => Self::Invite(invite),
            });
        }
        let path = Path::new(text);
        Ok(Self::File(Box::new(genesis::load(path)?), genesis::recent_checkpoint(path)?))
    }

    pub fn network(&self) -> NetworkId {
        match self {
            Self::Link(link) => link.network,
            Self::Invite(invite) => invite.network.network,
            Self::File(genesis, _) => genesis.network(),
        }
    }

    /// Whom to ask for the genesis.
    pub fn link(&self) -> Option<&NetworkLink> {
        match self {
            Self::Link(link) => Some(link),
            Self::Invite(invite) => Some(&invite.network),
            Self::File(..) => None,
        }
    }

    /// A relay that the newcomer may use.
    pub fn relay(&self) -> Option<&str> {
        self.link()?.relay.as_ref().map(|relay| relay.as_str())
    }

    fn checkpoint(&self) -> Option<TrustedCheckpoint> {
        match self {
            Self::File(_, checkpoint) => *checkpoint,
            Self::Link(_) | Self::Invite(_) => self.link()?.checkpoint,
        }
    }
}

/// A link to a network with these members: to a few of them, at random, so that no kernel node is asked by everyone.
pub fn link_to<'a>(network: NetworkId, members: impl Iterator<Item = &'a Member>) -> NetworkLink {
    let peer = |member: &Member| KernelPeer { key: member.mesh, address: member.address.clone() };
    let mut kernel: Vec<KernelPeer> = members.map(peer).collect();
    let first = entropy::number() as usize % kernel.len().max(1);
    kernel.rotate_left(first);
    kernel.truncate(KERNEL_PEERS);
    NetworkLink::new(network, kernel)
}

/// A relay's address as a link can have it.
pub fn relay_text(text: String) -> Result<Zeroizing<String>, RelayTextError> {
    let text = Zeroizing::new(text);
    RelayAddress::parse(&text)?;
    if NetworkLink::is_relay(&text) { Ok(text) } else { Err(RelayTextError::Text) }
}

/// The genesis of a link's network, and the address of the kernel node that gave it.
pub async fn fetch(link: &NetworkLink) -> Result<(Genesis, String), FetchError> {
    let disguise = disguise(link).await?;
    let mut failed = Vec::new();
    let first = entropy::number() as usize % link.kernel.len().max(1);
    let (later, sooner) = link.kernel.split_at(first);
    for peer in sooner.iter().chain(later) {
        match ask(link.network, peer, disguise.as_ref()).await {
            Ok(genesis) => return Ok((genesis, peer.address.clone())),
            Err(error) => failed.push((peer.address.clone(), error)),
        }
    }
    Err(FetchError::Nobody(failed))
}

/// The way by the relay's front, where the link tells of one: the newcomer may be where nothing else gets through.
async fn disguise(link: &NetworkLink) -> Result<Option<Disguise>, FetchError> {
    let Some(relay) = &link.relay else { return Ok(None) };
    let RelayAddress { url, front } = RelayAddress::parse(relay)?;
    let Some(front) = front else { return Ok(None) };
    Ok(Some(Disguise::start(&url, front, Mode::Auto).await.map_err(FetchError::Loopback)?))
}

async fn ask(network: NetworkId, peer: &KernelPeer, disguise: Option<&Disguise>) -> Result<Genesis, AskError> {
    let answer = exchange(network, peer, disguise, &Request::Genesis).await?;
    let Answer::Genesis(genesis) = answer else { return Err(AskError::Other) };
    if genesis.network() != network {
        return Err(AskError::OtherNetwork(genesis.network()));
    }
    genesis.validate()?;
    Ok(*genesis)
}

/// Whether all of these outputs are unspent, by the word of the link's kernel nodes: yes if one of them says so, no if all
/// that answer deny it, `None` if none answers. Nothing depends on it but what a person is told.
pub async fn are_unspent(link: &NetworkLink, outputs: &[OutputId]) -> Result<Option<bool>, FetchError> {
    let disguise = disguise(link).await?;
    let mut said = None;
    for peer in &link.kernel {
        let request = Request::Explore(Query::Outputs { ids: outputs.to_vec() });
        if let Ok(Answer::Explored(Found::Outputs(found))) =
            exchange(link.network, peer, disguise.as_ref(), &request).await
            && found.len() == outputs.len()
        {
            let all = found.iter().all(Option::is_some);
            if all {
                return Ok(Some(true));
            }
            said = Some(false);
        }
    }
    Ok(said)
}

async fn exchange(
    network: NetworkId,
    peer: &KernelPeer,
    disguise: Option<&Disguise>,
    request: &Request,
) -> Result<Answer, AskError> {
    let limits = Limits { connect_max: PATIENCE, handshake_max: PATIENCE, ..Limits::default() };
    let address = match disguise {
        Some(disguise) => disguise.kernel(&peer.address).await.map_err(AskError::Disguise)?.to_string(),
        None => peer.address.clone(),
    };
    let connected = MeshClient::connect(&address, peer.key, &prologue_of(network), &entropy::seed(), &limits).await;
    // Kernel nodes tell clients nothing unasked.
    let (client, _pushes) = connected?;
    let reply = client.request(Bytes::from(request.to_bytes()), PATIENCE).await?;
    Ok(decode_exact(&reply)?)
}

/// The configuration of a node that browses, for a folder with this network in it.
pub fn config_text(genesis: &Genesis, given: &Given) -> String {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let relay = match given.relay() {
        Some(relay) => format!("relay = {}", quoted(relay)),
        None => "#: relay = \"https://relay.example.org\"".to_owned(),
    };
    let moved: Vec<String> = moved(genesis, given).iter().map(|moved| quoted(moved)).collect();
    let addresses = match moved.is_empty() {
        true => "#: addresses = [\"k1=10.0.0.1:7100\"]".to_owned(),
        false => format!("addresses = [{}]", moved.join(", ")),
    };
    let checkpoint = given.checkpoint().map_or_else(String::new, |checkpoint| {
        format!(
            "# Where the ledger is followed from if founders have left for long: by the word of whom the network is from.\n\
             checkpoint = \"{checkpoint}\"\n"
        )
    });
    format!(
        "# A node of the network {name}, written by `byway join`. What is not here is as config.example.toml\n\
         # (in Byway's source) has it, which shows every key. A value behind `#: ` is an example.\n\
         \n\
         role = \"peer\"\n\
         # Both are in the folder of this file.\n\
         network = \"network.json\"\n\
         dir = \".\"\n\
         \n\
         # Kernel nodes that are reached elsewhere than the ledger says.\n\
         [ledger]\n\
         {addresses}\n\
         {checkpoint}\
         \n\
         # Links to other peers. Without a relay those are not reached which are behind a router, and so is this node.\n\
         [link]\n\
         listen = \"0.0.0.0:0\"\n\
         {relay}\n\
         \n\
         # Programs browse through the proxy; the page and the command line talk to the node. All three are for this machine\n\
         # alone. `byway run --ports auto` takes others where one of these is taken.\n\
         [proxy]\n\
         listen = \"127.0.0.1:1080\"\n\
         [rpc]\n\
         listen = \"127.0.0.1:7071\"\n\
         [page]\n\
         listen = \"127.0.0.1:7070\"\n\
         \n\
         # Which offers the proxy may use by itself.\n\
         [buying]\n\
         #: country = \"DE\"\n\
         #: max_price_per_mb = \"0.05\"\n\
         \n\
         # Traffic stops when a limit is reached, until it is raised or a new day begins (UTC).\n\
         [spending]\n\
         #: session_max = \"5\"\n\
         #: day_max = \"20\"\n",
        // Strangers chose it.
        name = format_args!("{:?}", genesis.name),
    )
}

/// Founders that the link says are elsewhere now, as `NAME=HOST:PORT`.
fn moved(genesis: &Genesis, given: &Given) -> Vec<String> {
    let peers = given.link().into_iter().flat_map(|link| &link.kernel);
    let elsewhere = peers.filter_map(|peer| {
        let (_, founder) = genesis.members.iter().find(|(_, member)| member.mesh == peer.key)?;
        (founder.address != peer.address).then(|| format!("{}={}", founder.name, peer.address))
    });
    elsewhere.collect()
}

#[cfg(test)]
mod tests {
    use byway_crypto::phrase::{Device, Phrase};
    use byway_primitives::{Hash, Time};
    use byway_records::Height;
    use zeroize::Zeroizing;

    use super::*;
    use crate::config::{Config, Role};
    use crate::genesis::{Leaders, Plan, Share};
    use crate::keystore::Keystore;

    fn network() -> Genesis {
        let keystore = |byte: u8| Keystore::restore(Phrase::from_entropy(&[byte; 32]).words(), Device(0)).unwrap();
        let members =
            (0..4).map(|n| genesis::member(&keystore(n), &format!("k{n}"), &format!("k{n}.example.org:7100")));
        let funding = genesis::Funding { address: keystore(9).wallet().address(), share: Share::Rest };
        let plan = Plan {
            name: "plain".into(),
            time: Time(1),
            test: true,
            leaders: Leaders::Turns,
            members: members.collect(),
            funding: vec![funding],
        };
        let genesis = genesis::build(plan, &[1; 32]).unwrap();
        // Whoever makes a network by hand can call it anything.
        Genesis { name: "here \"and\" there\nrole = 1".into(), ..genesis }
    }

    #[test]
    fn the_configuration_that_is_written_can_be_read() {
        let genesis = network();
        let path = Path::new("/folder/config.toml");
        let file = Given::File(Box::new(genesis.clone()), None);
        let plain = Config::parse(&config_text(&genesis, &file), path).unwrap();
        assert_eq!((plain.role, plain.network), (Role::Peer, Some("/folder/network.json".into())));
        assert_eq!(plain.dir, Some("/folder/.".into()));
        assert!(
            plain.proxy.listen.ip().is_loopback() && plain.link.relay.is_none() && plain.ledger.addresses.is_empty()
        );

        let peer = |index: u8, address: &str| {
            let key = genesis.members.get(index).unwrap().mesh;
            KernelPeer { key, address: address.to_owned() }
        };
        let kernel = vec![peer(0, "k0.example.org:7100"), peer(1, "elsewhere.example.org:7100")];
        let checkpoint = Some(TrustedCheckpoint { height: Height(7), digest: Hash([1; 32]) });
        let relay = Some(Zeroizing::new("https://relay.example.org".to_owned()));
        let link = NetworkLink { relay, checkpoint, ..NetworkLink::new(genesis.network(), kernel) };
        let config = Config::parse(&config_text(&genesis, &Given::Link(link)), path).unwrap();
        assert_eq!(config.ledger.checkpoint, checkpoint);
        let addresses: Vec<String> = config.ledger.addresses.iter().map(ToString::to_string).collect();
        assert_eq!(addresses, ["k1=elsewhere.example.org:7100"], "only who has moved");
        assert!(config.link.relay.is_some());
    }
}
