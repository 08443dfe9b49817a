//! What a simulated market node is, and what the programs around it want.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use byway_access::service::{Services, Socks};
use byway_access::session::SessionId;
use byway_access::warning::WarningConfig;
use byway_crypto::noise::StaticKey;
use byway_crypto::{IdentitySecret, WalletSecret};
use byway_dialogue::payment::{BackingKind, GiveConfig, TakeConfig};
use byway_dialogue::{Config, Local, StaticCertificate};
use byway_peer::market::MarketConfig;
use byway_primitives::hash::Context;
use byway_primitives::{Amount, IdentityId, NetworkId, Span, Time};
use byway_records::Genesis;

use super::links::Wire;

const KEYS: Context = Context("byway test peer keys");
/// Connections at one time in one session.
const CONNECTIONS_MAX: u32 = 8;

/// One market node.
#[derive(Debug, Clone)]
pub struct PeerPlan {
    /// Coins in its wallet from the start.
    pub coins: u64,
    pub role: Role,
    pub conduct: Conduct,
    /// The kernel node that its follower asks first, if it matters.
    pub first_asked: Option<u8>,
}

#[derive(Debug, Clone, Copy)]
pub enum Role {
    /// Follows the ledger and has a wallet.
    Wallet,
    Provider(Selling),
    Client(Buying),
    /// Both: it may owe whom it is owed by.
    Neighbour(Selling, Buying),
}

/// What a provider sells, and how it settles.
#[derive(Debug, Clone, Copy)]
pub struct Selling {
    pub price_per_mb: Amount,
    /// The unsettled amount at which a promise is settled.
    pub settle_at: Amount,
    /// Settlements wait a random time up to this.
    pub settle_delay_max: Span,
}

/// What a client prepares.
#[derive(Debug, Clone, Copy)]
pub struct Buying {
    /// Paid into its account once it is registered.
    pub deposit: Amount,
}

/// Whether a market node keeps to the rules; those that don't, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conduct {
    Honest,
    /// A provider that asks for twice the price that it offers.
    Overcharger,
    /// A provider that claims twice what it was promised, and claims everything more than once.
    Forger,
    /// A client that promises no more than this in all and goes on downloading.
    StopsPaying {
        after: Amount,
    },
    /// A client that acknowledges nothing beyond so many bytes, pays for nothing beyond, and goes on downloading.
    StopsAcknowledging {
        after_bytes: u64,
    },
    /// A node that proposes and agrees to settlements, and hands none in.
    Withholder,
    /// A node that closes its channels with the first state after their opening.
    StaleCloser,
}

/// What all nodes of one world share: how it is set up, and the programs and servers around them.
#[derive(Debug)]
pub struct Scene {
    pub seed: u64,
    pub genesis: Genesis,
    pub kernels: usize,
    pub peers: Vec<PeerPlan>,
    pub wire: Wire,
    /// The most that a node lets another run ahead.
    pub ceiling: Amount,
    /// Whether providers ask each other about their clients.
    pub warnings: Option<WarningConfig>,
    pub outside: RefCell<Outside>,
}

/// The world beyond the network, which crashes of its nodes don't touch: programs that download through it, and what
/// really reached them.
#[derive(Debug, Default)]
pub struct Outside {
    /// Bytes that programs want, by the client's number; what arrives is taken off.
    pub wanted: BTreeMap<usize, u64>,
    pub sessions: BTreeMap<SessionId, Truth>,
}

/// What really happened in one session.
#[derive(Debug, Clone, Copy)]
pub struct Truth {
    pub client: IdentityId,
    pub provider: IdentityId,
    /// Of the offer.
    pub price_per_mb: Amount,
    /// Bytes that left the provider.
    pub carried: u64,
    /// Bytes that reached the client's programs.
    pub arrived: u64,
}

pub type SharedScene = Rc<Scene>;

impl Role {
    pub fn selling(self) -> Option<Selling> {
        match self {
            Role::Provider(selling) | Role::Neighbour(selling, _) => Some(selling),
            Role::Wallet | Role::Client(_) => None,
        }
    }

    pub fn buying(self) -> Option<Buying> {
        match self {
            Role::Client(buying) | Role::Neighbour(_, buying) => Some(buying),
            Role::Wallet | Role::Provider(_) => None,
        }
    }
}

impl PeerPlan {
    /// An honest node.
    pub fn new(role: Role) -> Self {
        Self { coins: 10, role, conduct: Conduct::Honest, first_asked: None }
    }

    pub fn is_honest(&self) -> bool {
        self.conduct == Conduct::Honest
    }
}

/// The keys of market node `index`, counted from zero.
pub struct Keys {
    pub identity: IdentitySecret,
    pub wallet: WalletSecret,
    pub dialogue: [u8; 32],
}

impl Keys {
    pub fn of(index: usize) -> Self {
        let seed = |what: &[u8]| KEYS.hash(&[what, &(index as u64).to_le_bytes()]).0;
        Self {
            identity: IdentitySecret::from_bytes(&seed(b"identity")).expect("a digest is a key, but for one in 2¹²⁸"),
            wallet: WalletSecret::from_seed(&seed(b"wallet")),
            dialogue: seed(b"dialogue"),
        }
    }

    pub fn id(&self) -> IdentityId {
        self.identity.id()
    }

    /// What stands for the identity in dialogues. It holds as long as any simulation.
    pub fn local(&self, network: NetworkId) -> (StaticCertificate, Local) {
        let key = StaticKey::of(&self.dialogue);
        let certificate = StaticCertificate::issue(&self.identity, network, key, Time(u64::MAX));
        let local = Local::new(certificate, self.dialogue).expect("the certificate was issued for this key");
        (certificate, local)
    }
}

impl Scene {
    /// The identities of all market nodes.
    pub fn identities(&self) -> impl Iterator<Item = IdentityId> {
        (0..self.peers.len()).map(|index| Keys::of(index).id())
    }

    /// Bytes that programs at a client still want.
    pub fn still_wanted(&self, client: usize) -> u64 {
        self.outside.borrow().wanted.get(&client).copied().unwrap_or(0)
    }

    /// The policy of market node `index`, as the real node's.
    pub fn market_config(&self, index: usize) -> MarketConfig {
        let (plan, network) = (&self.peers[index], self.genesis.network());
        let settle_at = plan.role.selling().map_or(Amount::from_coins(1), |selling| selling.settle_at);
        let day_max = match plan.conduct {
            Conduct::StopsPaying { after } => after,
            _ => Amount::MAX,
        };
        MarketConfig {
            network,
            identity: Keys::of(index).identity,
            signer: None,
            dialogue: Config::new(network),
            give: GiveConfig { day_max },
            take: TakeConfig {
                amount_min: Amount::ZERO,
                backing: BackingKind::Account,
                update: true,
                exposure_max: Amount::ZERO,
                settle_at,
                risk: Default::default(),
                advice_wait: Span::seconds(2),
            },
            provider: byway_access::session::ProviderConfig { ceiling: self.ceiling, ..Default::default() },
            client: byway_access::session::ClientConfig { ceiling: self.ceiling, ..Default::default() },
            warnings: self.warnings,
            services: Services::new([
                Box::new(Socks { connections_max: CONNECTIONS_MAX }) as Box<dyn byway_access::ServiceKind>
            ]),
        }
    }
}

impl Outside {
    /// What the client's programs got from the provider, in all its sessions: bytes and their price.
    pub fn arrived(&self, client: IdentityId, provider: IdentityId) -> (u64, Amount) {
        let sessions = self.sessions.values().filter(|truth| (truth.client, truth.provider) == (client, provider));
        sessions.fold((0, Amount::ZERO), |(bytes, cost), truth| {
            (bytes + truth.arrived, cost.checked_add(truth.cost_arrived()).expect("downloads are small"))
        })
    }
}

impl Truth {
    /// The price of what arrived.
    pub fn cost_arrived(&self) -> Amount {
        Amount::cost_of_bytes(self.price_per_mb, self.arrived).expect("downloads are small")
    }
}
