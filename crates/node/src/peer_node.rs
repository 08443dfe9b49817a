//! A market node as it runs: follows the ledger, keeps a wallet, buys and sells services.
//!
//! One task, the [`Actor`], owns all machines and feeds them whatever happens, one thing at a time. Everything slow is
//! outside: kernel connections ([`kernel_access`]), links, disks, and the bytes of sessions, which flow between sockets and
//! links and touch the task only as counters and limits ([`data_plane`]).
//!
//! - [`settings`]: what it is told before it starts.
//! - [`actor`]: the task: what it owns, how that is opened, and its loop; [`dispatch`]: who deals with what happens.
//! - [`following`]: following the ledger, and what it says of others; [`books`]: this node's transactions and their fate.
//! - [`assets`]: assets beside WAY; [`consolidating`]: merging outputs of the wallet; [`groups`]: m-of-n.
//! - [`ways`]: the client's side: where each way out stands. [`connecting`]: dialling an exit among those of [`choosing`];
//!   [`staying`] with it, or leaving it; [`using`]: its sessions; [`way_out`]: what programs are given meanwhile;
//!   [`chain`]: the hops that all of that goes over, if the user wants some; [`proxy_ports`] that lead elsewhere than the
//!   main one; [`inquiring`] before a session.
//! - [`outage`]: an exit that reaches nothing any more.
//! - [`quality`]: how well providers serve, as this node measures it and others say; [`probing`] those that it doesn't use.
//! - [`limits`]: what may be spent, and asking when that is reached; [`accounts`]: sub-accounts, budgets within that.
//! - [`figures`] are for monitoring.
//! - [`exporting`]: its books of payment on another disk, and what follows when they were put back.
//! - [`forwarding`]: ports at exits that lead the other way.
//! - [`payout`]: what leaves the account.
//! - [`phones`]: browsers of phones that open the node over the local network.
//! - [`requesting`]: payment links; [`inviting`]: links by which others join, with coins or without; [`claiming`]: taking
//!   coins of an invite.
//! - [`selling`]: the provider's offer, [`listing`] that of a hub or a watchtower; [`serving`]: its sessions.
//! - [`plugging`]: services that plug in, as they are sold; [`opened`]: as they are used.
//! - [`provision`]: a provider's caps, blocks and earnings.
//! - [`tunnel`]: WireGuard on both sides, and the machine's own network around it; [`tunnelling`]: when; [`relay`]
//!   what is passed on for others, and [`slice_relays`] the relays of the tunnel in use.
//! - [`history`]: the wallet's history as people see it; [`once`]: idempotency keys; [`kept`]: what else is kept across
//!   restarts.
//! - [`owning`]: the kernel nodes that its keystore owns.
//! - [`proof`]: what became of a transaction of others, proved by a certificate.
//! - [`exploring`]: what else kernel nodes are asked about the kernel, for showing.
//! - [`hiring`]: bots on the market (rows A1, M11).
//! - [`holding`]: for others, and being held for (row M6).
//! - [`channels`]: money and contracts that two peers have between them; [`reaching`]: where peers are found.
//! - [`promise_log`]: when promises changed and what of them was settled, for showing.
//! - [`audit`]: recomputing the supply from what the kernel certifies.
//! - [`api`]: what the local API asks, as calls into the task; [`calling`]: those that take a while.

mod accounts;
mod actor;
mod api;
mod asset_account;
mod assets;
mod audit;
mod books;
mod calling;
mod chain;
mod channels;
mod chat;
mod choosing;
mod claiming;
mod connecting;
mod consolidating;
mod data_plane;
mod dispatch;
mod exploring;
mod exporting;
mod figures;
mod following;
mod forwarding;
mod groups;
mod hiring;
mod history;
mod holders;
mod holding;
mod inquiring;
mod inviting;
mod kept;
pub(crate) mod kernel_access;
mod keyed;
mod limits;
mod listing;
mod naming;
mod once;
mod opened;
mod outage;
mod owning;
mod paying;
mod payout;
mod phones;
mod plugging;
mod probing;
mod promise_log;
mod proof;
mod provision;
mod proxy_ports;
mod quality;
mod reaching;
mod relay;
mod relaying;
mod requesting;
mod selling;
mod serving;
mod settings;
mod shares;
mod slice_relays;
mod staying;
mod stopping;
mod stops;
mod tunnel;
mod tunnelling;
mod using;
mod views;
mod warned;
mod way_out;
mod ways;

use std::num::NonZeroU16;
use std::sync::Arc;

use byway_access::session::SessionId;
use byway_driver::clock::Clock;
use byway_driver::disk::{DiskError, Durability};
use byway_driver::link::{self, Link};
use byway_driver::socks::{self, SocksRequest, Target};
use byway_kernel::follower;
use byway_kernel::follower::protocol::Answer;
use byway_peer::market::MarketDamaged;
use byway_primitives::{Hash, IdentityId, Span, Time, Token};
use byway_records::promise::ChannelId;
use byway_records::{Genesis, TransactionId};
use tokio::net::TcpListener;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::api::Event;
use crate::attachments::FileStore;
use crate::phone::certificate::{Certificate, CertificateError};
use crate::plugged::ProgramEvent;
use actor::Actor;
pub use channels::ChannelSettings;
use data_plane::Report;
pub use exporting::ExportSettings;
pub(crate) use exporting::note_put_back;
pub use forwarding::Forwarding;
pub(crate) use kernel_access::KernelAccess;
use kernel_access::{AskError, SubmitFailed};
pub use limits::{Allowed, Ended, Yesterday};
use outage::Carried;
pub use probing::ProbeConfig;
pub use provision::Caps;
pub use relay::RelayError;
pub use relaying::RelaySettings;
pub use settings::*;
pub use tunnel::{Cutting, Joining, TunnelSelling};
use tunnel::{Guest, GuestError, HostError};
use way_out::ExitState;
use ways::WayId;

/// What is read off the ledger, and this node's own transactions.
pub(crate) const LEDGER_JOURNAL: &str = "ledger";
/// Dialogues, promises and sessions.
pub(crate) const MARKET_JOURNAL: &str = "market";
/// Calls of the local API that may wait for the task.
const CALLS_QUEUE: usize = 256;

/// Why a market node ended by itself.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Stopped {
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error("it failed in a way that it should not; its log says more")]
    Task,
}

/// Why a market node can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error(transparent)]
    Follower(#[from] follower::FollowerDamaged),
    #[error(
        "the wallet's data is damaged ({0}); put the node's folder back from a backup, or restore the identity from its \
         phrase into a new folder: the wallet is found again on the ledger, promises that were not settled are not"
    )]
    Wallet(byway_primitives::DecodeError),
    #[error(transparent)]
    Market(#[from] MarketDamaged),
    #[error(transparent)]
    Chats(#[from] byway_chat::chats::ChatsDamaged),
    #[error(transparent)]
    Holding(#[from] byway_chat::holding::HoldingDamaged),
    #[error(transparent)]
    Hiring(#[from] byway_chat::hiring::HiringDamaged),
    #[error(transparent)]
    Links(#[from] link::BindError),
    #[error("no loopback port can be opened for the way to the relay: {0}")]
    Loopback(std::io::Error),
    #[error("the folder of files of conversations can't be opened: {0}; look after the disk, or move the folder away")]
    Attachments(std::io::Error),
    #[error(transparent)]
    Resolver(#[from] byway_driver::exit::resolve::SystemResolverError),
    #[error(transparent)]
    Tunnel(#[from] HostError),
    #[error(transparent)]
    Relay(#[from] RelayError),
    #[error("a proxy port of the configuration can't be opened: {0}")]
    ProxyPort(String),
    #[error("the dialogue key does not fit its certificate")]
    Local,
}

/// A running market node. Clones share it; it runs until [`stop`](Self::stop), also when the last
/// clone is gone.
#[derive(Clone)]
pub struct PeerNode {
    calls: mpsc::Sender<Call>,
    events: broadcast::Sender<Arc<Event>>,
    kernel: KernelAccess,
    genesis: Arc<Genesis>,
    exits: watch::Receiver<ExitState>,
    ended: watch::Receiver<Option<Result<(), Stopped>>>,
    identity: IdentityId,
    tokens: accounts::Tokens,
    phones: crate::phone::book::Tokens,
    files: FileStore,
    market_durable: watch::Receiver<Durability>,
    ledger_durable: watch::Receiver<Durability>,
}

/// Up to where each journal was written at some moment; `None` where it was not since the node was started.
#[derive(Clone, Copy)]
struct Written {
    market: Option<Token>,
    ledger: Option<Token>,
}

/// A call into the task.
type Call = Box<dyn FnOnce(&mut Actor) + Send>;

/// What tasks beside the actor report to it.
enum Arrival {
    Answer {
        member: u8,
        answer: Result<Answer, AskError>,
    },
    Submitted {
        id: TransactionId,
        result: Result<(), SubmitFailed>,
    },
    /// A kernel node says that a quorum has built on a snapshot with it.
    Included(TransactionId),
    /// What is kept of a channel in a second place was read or written, or could not be.
    Copied {
        channel: ChannelId,
        done: channels::CopyDone,
    },
    Dialled {
        provider: IdentityId,
        /// The hop that it was dialled through, if it was, and that hop's session.
        through: Option<(WayId, SessionId)>,
        result: Result<Link, link::ConnectError>,
    },
    Used {
        provider: IdentityId,
        session: SessionId,
        report: Report,
    },
    /// A program's connection through a session has ended, or could not be made.
    Carried {
        session: SessionId,
        target: Target,
        carried: Carried,
    },
    TunnelBuilt {
        provider: IdentityId,
        session: SessionId,
        result: Result<Box<Guest>, GuestError>,
    },
    TunnelFailed {
        session: SessionId,
        why: std::io::ErrorKind,
    },
    Served {
        client: IdentityId,
        session: SessionId,
        report: Report,
    },
    Status {
        member: u8,
        status: byway_kernel::follower::protocol::Status,
        latency: Span,
    },
    Unreachable {
        member: u8,
    },
    Pulse(byway_kernel::follower::protocol::Pulse),
    /// A program wants out.
    Wanted(WayId),
    Plugged(ProgramEvent),
    /// What became of fetching a file of a conversation.
    File(chat::FileCame),
    /// All messages of conversations as they are found.
    Indexed(byway_chat::search::Index),
    /// A probe is over.
    Probed(WayId),
    /// An exit gave this port for a program.
    ForwardGiven {
        place: forwarding::Place,
        port: NonZeroU16,
    },
    /// An export of these books is on the disk, or not.
    Exported {
        content: Hash,
        result: Result<(), String>,
    },
}

impl PeerNode {
    /// Opens the node's state and starts it. `proxy` is where programs connect to browse.
    pub async fn start(config: PeerNodeConfig, proxy: Option<TcpListener>) -> Result<Self, StartError> {
        Self::start_at(config, proxy, Clock::starting(Time::ZERO)).await
    }

    /// As [`start`](Self::start), with a clock of one's own.
    pub async fn start_at(
        config: PeerNodeConfig,
        proxy: Option<TcpListener>,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let (mut actor, arrivals, links) = Actor::open(config, clock).await?;
        actor.open_proxy_ports().await.map_err(|error| StartError::ProxyPort(error.to_string()))?;
        actor.reopen_forwards();
        let exits = actor.ways.main.exits.subscribe();
        let (calls, received) = mpsc::channel(CALLS_QUEUE);
        let (end, ended) = watch::channel(None);
        let node = Self {
            calls,
            events: actor.events.clone(),
            kernel: actor.kernel.clone(),
            genesis: actor.config.genesis.clone(),
            exits: exits.clone(),
            ended,
            identity: actor.config.identity.id(),
            tokens: actor.accounts.tokens.clone(),
            phones: actor.phones.tokens(),
            files: actor.files.store.clone(),
            market_durable: actor.market_journal.durable(),
            ledger_durable: actor.ledger_journal.durable(),
        };
        if let Some(listener) = proxy {
            let arrive = actor.arrive.clone();
            let handle = move |request: SocksRequest| {
                way_out::serve_request(request, WayId::MAIN, exits.clone(), arrive.clone())
            };
            let stop = node.ended.clone();
            tokio::spawn(async move {
                let mut stop = stop;
                tokio::select! {
                    () = socks::serve(listener, socks::server::Limits::default(), handle) => {}
                    _ = stop.wait_for(Option::is_some) => {}
                }
            });
        }
        tokio::spawn(async move {
            let ended = actor.run(received, arrivals, links).await;
            if let Err(error) = &ended {
                tracing::error!(%error, "storage has stopped; the node stops");
            }
            end.send_replace(Some(ended.map_err(Stopped::Disk)));
        });
        Ok(node)
    }

    pub fn identity(&self) -> IdentityId {
        self.identity
    }

    /// What the door for phones shows; the same at every start.
    pub async fn phone_certificate(&self) -> Option<Result<Certificate, CertificateError>> {
        self.call(Actor::phone_certificate).await
    }

    /// Whether the proxy would find an exit, or look for one.
    pub fn accepts(&self) -> bool {
        self.exits.borrow().is_open()
    }

    /// Runs `call` in the task; `None` once the node has stopped.
    async fn call<T: Send + 'static>(&self, call: impl FnOnce(&mut Actor) -> T + Send + 'static) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        let call: Call = Box::new(move |actor| {
            // Whoever asked may have stopped waiting.
            let _ = answer.send(call(actor));
        });
        self.calls.send(call).await.ok()?;
        answered.await.ok()
    }

    /// Waits until the node has ended: well, if it was told to, or by itself.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn ended(&self) -> Result<(), Stopped> {
        let mut ended = self.ended.clone();
        let said = ended.wait_for(Option::is_some).await;
        said.ok().and_then(|ended| ended.clone()).unwrap_or(Err(Stopped::Task))
    }

    /// Ends the node with everything written.
    pub async fn stop(&self) {
        self.call(Actor::begin_to_stop).await;
        // Why it had ended before is for whoever waited for that.
        let _ = self.ended().await;
    }
}
