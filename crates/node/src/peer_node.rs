//! A market node as it runs: follows the ledger, keeps a wallet, buys and sells services.
//!
//! One task, the [`Actor`], owns all machines and feeds them whatever happens, one thing at a time. Everything slow is
//! outside: kernel connections ([`kernel_access`]), links, disks, and the bytes of sessions, which flow between sockets and
//! links and touch the task only as counters and limits ([`data_plane`]).
//!
//! - [`books`]: the ledger's side: following, the wallet, transactions and their fate, registration and offers.
//! - [`connecting`]: the client's side: choosing an exit, dialling, keeping the connection.
//! - [`serving`]: the provider's side.
//! - [`promise_log`]: when promises changed and what of them was settled, for showing.
//! - [`audit`]: recomputing the supply from what the kernel certifies.
//! - [`api`]: what the local API asks, as calls into the task.

mod api;
mod audit;
mod books;
mod connecting;
mod data_plane;
mod kernel_access;
mod promise_log;
mod serving;
mod views;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use byway_access::discovery::Index;
use byway_access::service::{Services, Socks};
use byway_access::session::SessionId;
use byway_crypto::noise::StaticKey;
use byway_crypto::{IdentitySecret, WalletSecret};
use byway_dialogue::payment::{BackingKind, GiveConfig, TakeConfig};
use byway_dialogue::{LinkProfile, Local, StaticCertificate};
use byway_driver::clock::Clock;
use byway_driver::disk::{Disk, DiskError, Durability, Journal};
use byway_driver::entropy;
use byway_driver::link::{self, Event as LinkEvent, Link, Links, RelayAccess};
use byway_driver::socks::{self, SocksRequest};
use byway_kernel::follower::protocol::Answer;
use byway_kernel::follower::{self, Client as LedgerClient, ClientConfig as LedgerClientConfig};
use byway_peer::market::{Market, MarketConfig, MarketDamaged, MarketNews};
use byway_peer::wallet::Wallet;
use byway_primitives::{Amount, Effect, IdentityId, NetworkId, Span, Time, Token};
use byway_records::offer::{Location, Network};
use byway_records::{Genesis, Promise, TransactionId};
use tokio::net::TcpListener;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::api::{self as contract, Event};
use connecting::{Connection, ExitState};
use data_plane::Report;
use kernel_access::{AskError, KernelAccess, SubmitFailed};
use serving::{EarlyStream, Served};

/// Calls of the local API that may wait for the task.
const CALLS_QUEUE: usize = 256;
/// Things from outside that may wait for the task.
const ARRIVALS_QUEUE: usize = 1024;
/// How often the task looks after what nobody reminds it of: rates, renewals, submissions that got lost.
const TICK: Duration = Duration::from_millis(500);
/// How long a stopping node waits for the other sides of its sessions. What they don't answer is settled when it is back.
const STOP_WAIT: Duration = Duration::from_secs(2);
/// How long an identity's dialogue certificate holds. An offer carries it for as long as the offer lives, and longer.
const CERTIFICATE_LIFE: Span = Span::days(30);
/// A link on which nothing is heard for this long is given up and the peer is dialled again: sooner than a session gives
/// its provider up for silent, so that sessions outlive their links.
const LINK_SILENCE_MAX: Duration = Duration::from_secs(10);
/// How often an idle link sends a sign of life; several fit into the silence.
const LINK_KEEP_ALIVE: Duration = Duration::from_secs(3);
/// Connections at one time in one session that a provider carries.
const SESSION_CONNECTIONS_MAX: u32 = 256;

/// What a market node needs to run.
pub struct PeerNodeConfig {
    pub genesis: Arc<Genesis>,
    pub role: contract::Role,
    pub name: String,
    pub identity: IdentitySecret,
    pub dialogue_secret: Zeroizing<[u8; 32]>,
    pub wallet: WalletSecret,
    /// Where its state is kept.
    pub directory: PathBuf,
    /// Where its proxy listens, for showing.
    pub proxy_address: String,
    /// UDP addresses of its links; empty for relayed links only.
    pub link_bind: Vec<SocketAddr>,
    pub link_seed: [u8; 32],
    pub relay: Option<RelayAccess>,
    /// Where kernel nodes are reached, by name, if elsewhere than genesis says.
    pub kernel_addresses: BTreeMap<String, String>,
    /// What the first connection through the proxy asks the market for.
    pub buying: contract::OfferFilter,
    /// What it sells, if anything.
    pub selling: Option<SellingConfig>,
    pub limits: SpendingConfig,
}

/// An offer of the SOCKS service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SellingConfig {
    pub location: Location,
    pub exit: Location,
    pub bandwidth_bps: u64,
    pub price_per_mb: Amount,
    /// Blocks that the exit may connect to although the standard policy denies them.
    pub allow: Vec<Network>,
    /// The most that a client may owe; half the registration pledge where it is not said.
    pub exposure_max: Option<Amount>,
    /// The unsettled amount at which a client's promise is settled.
    pub settle_at: Amount,
    /// Settlements wait a random time up to this, so that they say little about when a client was here.
    pub settle_delay_max: Span,
}

impl SellingConfig {
    /// A promise is settled when this much of it is open: a tenth of what a newcomer may owe.
    pub const SETTLE_AT: Amount = Amount::from_units(byway_primitives::amount::ONE / 20);
    /// Settlements wait up to this long.
    pub const SETTLE_DELAY_MAX: Span = Span::minutes(5);
}

/// What the user is willing to spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpendingConfig {
    pub session_max: Option<Amount>,
    pub day_max: Option<Amount>,
    /// The most that may be promised ahead to one provider.
    pub ahead_max: Amount,
}

/// Why a market node can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error(transparent)]
    Follower(#[from] follower::FollowerDamaged),
    #[error("the wallet's data is damaged ({0}); delete the node's store folder to scan the ledger again")]
    Wallet(byway_primitives::DecodeError),
    #[error(transparent)]
    Market(#[from] MarketDamaged),
    #[error(transparent)]
    Links(#[from] link::BindError),
    #[error(transparent)]
    Resolver(#[from] byway_driver::exit::resolve::SystemResolverError),
    #[error("the dialogue key does not fit its certificate")]
    Local,
}

/// A running market node. Clones share it; it runs until [`stop`](Self::stop) or until the last clone is gone.
#[derive(Clone)]
pub struct PeerNode {
    calls: mpsc::Sender<Call>,
    events: broadcast::Sender<Arc<Event>>,
    kernel: KernelAccess,
    genesis: Arc<Genesis>,
    exits: watch::Receiver<ExitState>,
    ended: watch::Receiver<bool>,
    identity: IdentityId,
}

/// A call into the task.
type Call = Box<dyn FnOnce(&mut Actor) + Send>;

/// What tasks beside the actor report to it.
enum Arrival {
    Answer { member: u8, answer: Result<Answer, AskError> },
    Submitted { id: TransactionId, result: Result<(), SubmitFailed> },
    Dialled { provider: IdentityId, result: Result<Link, link::ConnectError> },
    Used { provider: IdentityId, session: SessionId, report: Report },
    Served { client: IdentityId, session: SessionId, report: Report },
    Status { member: u8, status: byway_kernel::follower::protocol::Status },
    Unreachable { member: u8 },
    Pulse(byway_kernel::follower::protocol::Pulse),
    Wanted,
}

impl PeerNode {
    /// Opens the node's state and starts it. `proxy` is where programs connect to browse.
    pub async fn start(config: PeerNodeConfig, proxy: Option<TcpListener>) -> Result<Self, StartError> {
        let (actor, arrivals, links, exits) = Actor::open(config).await?;
        let (calls, received) = mpsc::channel(CALLS_QUEUE);
        let (end, ended) = watch::channel(false);
        let node = Self {
            calls,
            events: actor.events.clone(),
            kernel: actor.kernel.clone(),
            genesis: actor.config.genesis.clone(),
            exits: exits.clone(),
            ended,
            identity: actor.config.identity.id(),
        };
        if let Some(listener) = proxy {
            let arrive = actor.arrive.clone();
            let handle = move |request: SocksRequest| connecting::serve_request(request, exits.clone(), arrive.clone());
            let stop = node.ended.clone();
            tokio::spawn(async move {
                let mut stop = stop;
                tokio::select! {
                    () = socks::serve(listener, socks::server::Limits::default(), handle) => {}
                    _ = stop.wait_for(|ended| *ended) => {}
                }
            });
        }
        tokio::spawn(async move {
            if let Err(error) = actor.run(received, arrivals, links).await {
                tracing::error!(%error, "storage has stopped; the node stops");
            }
            end.send_replace(true);
        });
        Ok(node)
    }

    pub fn identity(&self) -> IdentityId {
        self.identity
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

    /// Ends the node with everything written.
    pub async fn stop(&self) {
        self.call(Actor::begin_to_stop).await;
        let mut ended = self.ended.clone();
        // The sender is dropped only after it has said so.
        let _ = ended.wait_for(|ended| *ended).await;
    }
}

/// The task's state.
pub(crate) struct Actor {
    config: PeerNodeConfig,
    network: NetworkId,
    clock: Clock,
    started: Instant,
    events: broadcast::Sender<Arc<Event>>,
    arrive: mpsc::Sender<Arrival>,
    stopping: Option<Instant>,

    // The ledger's side.
    ledger: LedgerClient,
    wallet: Wallet,
    index: Index,
    kernel: KernelAccess,
    ledger_journal: Journal,
    ledger_token: Token,
    /// Transactions that leave once they are durable.
    leaving: VecDeque<(Token, TransactionId)>,
    settlements: BTreeMap<TransactionId, Promise>,
    waiting: Vec<(TransactionId, oneshot::Sender<books::Fate>)>,
    submitted_at: BTreeMap<TransactionId, Time>,
    settle_later: BTreeMap<IdentityId, Time>,
    /// What this node tends by itself and has under way.
    tending: BTreeSet<books::Errand>,
    errands: BTreeMap<TransactionId, books::Errand>,
    kernel_view: BTreeMap<u8, byway_kernel::follower::protocol::Status>,
    /// The kernel node that is looked at next.
    kernel_looked_at: u8,
    /// Who signed the newest checkpoint.
    signers: Vec<u8>,
    ended_sessions: Vec<contract::Session>,
    promise_log: promise_log::PromiseLog,

    // The market's side.
    market: Market,
    market_journal: Journal,
    market_durable: Durability,
    frames: VecDeque<(Token, byway_dialogue::LinkId, Vec<u8>)>,
    links: Arc<Links>,
    link_handles: BTreeMap<byway_dialogue::LinkId, Link>,
    /// The link that each dialogue was last on.
    talking_on: BTreeMap<IdentityId, byway_dialogue::LinkId>,
    certificate: StaticCertificate,
    connection: Connection,
    exits: watch::Sender<ExitState>,
    using: BTreeMap<SessionId, connecting::Using>,
    served: BTreeMap<SessionId, Served>,
    /// What is served and to whom, as of the last session that came.
    served_views: BTreeMap<SessionId, (IdentityId, byway_access::session::SessionView)>,
    early: Vec<EarlyStream>,
    exit: Option<byway_driver::exit::Exit>,
    preferred: BTreeSet<IdentityId>,
    failed_lately: BTreeMap<IdentityId, Time>,
    limits: SpendingConfig,

    ledger_wake: Option<Time>,
    market_wake: Option<Time>,
    /// Last, so that the directory is free only when the journals are gone.
    _disk: Disk,
}

type Opened = (Actor, mpsc::Receiver<Arrival>, mpsc::Receiver<LinkEvent>, watch::Receiver<ExitState>);

impl Actor {
    async fn open(config: PeerNodeConfig) -> Result<Opened, StartError> {
        let disk = Disk::open(&config.directory)?;
        let (ledger_journal, market_journal) = (disk.journal("ledger")?, disk.journal("market")?);
        let clock = Clock::starting(Time::ZERO);
        let now = clock.now();
        let network = config.genesis.network();
        let ledger = open_ledger(&config.genesis, &ledger_journal)?;
        let wallet = Wallet::open(config.wallet.clone(), &ledger_journal).map_err(StartError::Wallet)?;
        let static_key = StaticKey::of(&config.dialogue_secret);
        let certificate = StaticCertificate::issue(&config.identity, network, static_key, now + CERTIFICATE_LIFE);
        let local = Local::new(certificate, *config.dialogue_secret).map_err(|_| StartError::Local)?;
        let market = Market::open(market_config(&config), local, &market_journal, now, entropy::seed())?;
        let (links, link_events) = bind_links(&config).await?;
        let (arrive, arrivals) = mpsc::channel(ARRIVALS_QUEUE);
        let (exits, exits_seen) = watch::channel(ExitState::Idle);
        let (events, _) = broadcast::channel(contract::event::EVENTS_BUFFERED);
        let exit = config.selling.as_ref().map(serving::exit).transpose()?;
        let mut actor = Self {
            network,
            started: Instant::now(),
            events,
            arrive,
            stopping: None,
            index: Index::new(),
            kernel: KernelAccess::new(config.genesis.clone(), &config.kernel_addresses),
            ledger,
            wallet,
            promise_log: promise_log::PromiseLog::open(&ledger_journal),
            ledger_journal,
            ledger_token: Token(0),
            leaving: VecDeque::new(),
            settlements: BTreeMap::new(),
            waiting: Vec::new(),
            submitted_at: BTreeMap::new(),
            settle_later: BTreeMap::new(),
            tending: BTreeSet::new(),
            errands: BTreeMap::new(),
            kernel_view: BTreeMap::new(),
            kernel_looked_at: 0,
            signers: Vec::new(),
            ended_sessions: Vec::new(),
            market,
            market_journal,
            market_durable: Durability::default(),
            frames: VecDeque::new(),
            links: Arc::new(links),
            link_handles: BTreeMap::new(),
            talking_on: BTreeMap::new(),
            certificate,
            connection: Connection::Idle { since: now },
            exits,
            using: BTreeMap::new(),
            served: BTreeMap::new(),
            served_views: BTreeMap::new(),
            early: Vec::new(),
            exit,
            preferred: BTreeSet::new(),
            failed_lately: BTreeMap::new(),
            limits: config.limits,
            ledger_wake: None,
            market_wake: None,
            clock,
            config,
            _disk: disk,
        };
        actor.take_up();
        Ok((actor, arrivals, link_events, exits_seen))
    }

    async fn run(
        mut self,
        mut calls: mpsc::Receiver<Call>,
        mut arrivals: mpsc::Receiver<Arrival>,
        mut link_events: mpsc::Receiver<LinkEvent>,
    ) -> Result<(), DiskError> {
        let mut ledger_durable = self.ledger_journal.durable();
        let mut market_durable = self.market_journal.durable();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        self.follow();
        self.carry_out()?;
        while !self.has_stopped() {
            let wake = self.ledger_wake.into_iter().chain(self.market_wake).min();
            let wake = wake.map(|time| self.clock.instant_of(time));
            tokio::select! {
                Some(call) = calls.recv() => call(&mut self),
                Some(arrival) = arrivals.recv() => self.arrival(arrival)?,
                Some(event) = link_events.recv() => self.link_event(event),
                Ok(()) = ledger_durable.changed() => {
                    let reached = ledger_durable.borrow_and_update().clone();
                    self.ledger_became_durable(reached)?;
                }
                Ok(()) = market_durable.changed() => {
                    let reached = market_durable.borrow_and_update().clone();
                    self.market_became_durable(reached)?;
                }
                () = sleep_until(wake) => self.wake(),
                _ = tick.tick() => self.tick(),
                else => break,
            }
            self.carry_out()?;
        }
        self.links.close().await;
        self.ledger_journal.flush()?;
        self.market_journal.flush()
    }

    /// Ends all sessions; the task goes on until that is settled with their other sides.
    fn begin_to_stop(&mut self) {
        self.stopping = Some(Instant::now());
        self.market.close_shop();
        self.leave_exit();
        self.stop_serving();
    }

    /// Whether the node was told to stop and nothing is left to settle with anyone, or they take too long.
    fn has_stopped(&self) -> bool {
        let settled = self.using.is_empty() && self.served.is_empty() && self.frames.is_empty();
        self.stopping.is_some_and(|since| settled || since.elapsed() > STOP_WAIT)
    }

    fn arrival(&mut self, arrival: Arrival) -> Result<(), DiskError> {
        match arrival {
            Arrival::Answer { member, answer } => self.answered(member, answer)?,
            Arrival::Submitted { id, result } => self.submitted(id, result),
            Arrival::Dialled { provider, result } => self.dialled(provider, result),
            Arrival::Used { provider, session, report } => self.used(provider, session, report),
            Arrival::Served { client, session, report } => self.was_served(client, session, report),
            Arrival::Status { member, status } => {
                self.kernel_view.insert(member, status);
            }
            Arrival::Pulse(pulse) => self.tell(Event::Pulse(self.pulse(&pulse))),
            Arrival::Unreachable { member } => {
                self.kernel_view.remove(&member);
            }
            Arrival::Wanted => self.ensure_connected(),
        }
        Ok(())
    }

    fn link_event(&mut self, event: LinkEvent) {
        let now = self.clock.now();
        match event {
            LinkEvent::Up(link) => self.link_up(link),
            LinkEvent::Frame { link, frame } => {
                let id = byway_dialogue::LinkId(link.0);
                self.market.handle_frame(now, id, &frame, entropy::seed(), &self.market_journal);
            }
            LinkEvent::Stream { link, header, send, recv } => self.stream(link, &header, send, recv),
            LinkEvent::Down { link, reason } => {
                tracing::debug!(?link, %reason, "link down");
                let id = byway_dialogue::LinkId(link.0);
                self.link_handles.remove(&id);
                self.market.handle_link_down(now, id, &self.market_journal);
            }
        }
    }

    /// Makes a link known to the market, once, however it came about.
    fn link_up(&mut self, link: Link) {
        let id = byway_dialogue::LinkId(link.id().0);
        if self.link_handles.contains_key(&id) {
            return;
        }
        let round_trip = Span::millis(link.profile().rtt.as_millis() as u64);
        let known = byway_dialogue::Link { id, profile: LinkProfile::stream(round_trip), binding: *link.binding() };
        self.link_handles.insert(id, link);
        self.market.handle_link_up(known);
    }

    fn wake(&mut self) {
        let now = self.clock.now();
        if self.ledger_wake.is_some_and(|at| at <= now) {
            self.ledger_wake = None;
            let news = self.ledger.handle_wake(now);
            self.ledger_news(news);
        }
        if self.market_wake.is_some_and(|at| at <= now) {
            self.market_wake = None;
            self.market.handle_wake(now, &self.market_journal);
        }
    }

    fn tick(&mut self) {
        self.look_at_kernel();
        self.look_at_pulse();
        self.tend();
        self.look_after_connection();
        self.forget_early_streams();
        self.publish_served();
        self.publish_status();
    }

    fn market_became_durable(&mut self, reached: Durability) -> Result<(), DiskError> {
        if let Some(error) = &reached.failed {
            return Err(error.clone());
        }
        self.market_durable = reached;
        while let Some((token, _, _)) = self.frames.front()
            && self.market_durable.covers(*token)
        {
            if let Some((_, link, frame)) = self.frames.pop_front() {
                self.send_frame(link, frame);
            }
        }
        if let Some(token) = self.market_durable.token {
            self.market.handle_durable(self.clock.now(), token, &self.market_journal);
        }
        Ok(())
    }

    fn carry_out(&mut self) -> Result<(), DiskError> {
        while let Some(output) = self.market.poll() {
            match output {
                Effect::Persist { batch, token } => self.market_journal.write(batch, token)?,
                Effect::Send { to, message, after } => {
                    match after.filter(|token| !self.market_durable.covers(*token)) {
                        Some(token) => self.frames.push_back((token, to, message)),
                        None => self.send_frame(to, message),
                    }
                }
                Effect::WakeAt(time) => self.market_wake = Some(self.market_wake.map_or(time, |at| at.min(time))),
                Effect::Notify(news) => self.market_news(news),
            }
        }
        Ok(())
    }

    fn send_frame(&mut self, to: byway_dialogue::LinkId, frame: Vec<u8>) {
        let Some(link) = self.link_handles.get(&to) else { return };
        if let Err(error) = link.try_send_frame(frame) {
            // A stream link that loses a frame is of no use any more; the dialogue goes on over the next one.
            tracing::debug!(%error, "a link can't take a frame; closing it");
            link.close();
        }
    }

    fn market_news(&mut self, news: MarketNews) {
        match news {
            MarketNews::Talking { peer, link } => self.talking(peer, link),
            MarketNews::Detached { peer } => self.detached(peer),
            MarketNews::Closed { peer, reason, link } => {
                tracing::debug!(%peer, %reason, "dialogue closed");
                if let Some(link) = link {
                    self.close_link(link);
                }
                self.dialogue_closed(peer, &reason.to_string());
            }
            MarketNews::Refused { peer, link, reason } => {
                self.close_link(link);
                self.dialogue_refused(peer, &reason.to_string());
            }
            MarketNews::LinkEnded { link, reason } => {
                tracing::debug!(?link, %reason, "link ended");
                self.close_link(link);
            }
            MarketNews::LinkUnwanted(link) => self.close_link(link),
            MarketNews::Malformed { peer, error } => tracing::warn!(%peer, %error, "a peer sent a malformed message"),
            MarketNews::Damaged { peer, error } => tracing::error!(%peer, error, "the journal with a peer is damaged"),
            MarketNews::Submit { peer, promise, call } => self.submit_settlement(peer, promise, call),
            MarketNews::Using { provider, news } => self.using_news(provider, news),
            MarketNews::Serving { client, news } => self.serving_news(client, news),
            MarketNews::Payment { peer, news } => self.payment_news(peer, news),
        }
    }

    fn close_link(&mut self, link: byway_dialogue::LinkId) {
        if let Some(link) = self.link_handles.get(&link) {
            link.close();
        }
    }

    fn tell(&self, event: Event) {
        // Nobody may be listening.
        let _ = self.events.send(Arc::new(event));
    }

    /// A random moment up to `span` from now.
    fn some_time_within(&self, span: Span) -> Time {
        self.clock.now() + Span(entropy::number() % (span.0 + 1))
    }
}

fn open_ledger(genesis: &Genesis, journal: &Journal) -> Result<LedgerClient, follower::FollowerDamaged> {
    let config = LedgerClientConfig::default();
    LedgerClient::open(genesis.clone(), &follower::PROGRAMS, config, entropy::number(), journal)
}

async fn bind_links(config: &PeerNodeConfig) -> Result<(Links, mpsc::Receiver<LinkEvent>), link::BindError> {
    Links::bind(link::Config {
        bind: config.link_bind.clone(),
        relay: config.relay.clone(),
        seed: config.link_seed,
        limits: link::Limits { idle_max: LINK_SILENCE_MAX, keep_alive: LINK_KEEP_ALIVE, ..Default::default() },
    })
    .await
}

fn market_config(config: &PeerNodeConfig) -> MarketConfig {
    let network = config.genesis.network();
    let services: Vec<Box<dyn byway_access::ServiceKind>> =
        vec![Box::new(Socks { connections_max: SESSION_CONNECTIONS_MAX })];
    let settle_at = config.selling.as_ref().map_or(Amount::from_coins(1), |selling| selling.settle_at);
    MarketConfig {
        network,
        identity: config.identity.clone(),
        dialogue: byway_dialogue::Config::new(network),
        give: GiveConfig { day_max: config.limits.day_max.unwrap_or(Amount::MAX) },
        take: TakeConfig {
            amount_min: Amount::ZERO,
            backing: BackingKind::Account,
            update: true,
            exposure_max: Amount::ZERO,
            settle_at,
            advice_wait: Span::seconds(2),
        },
        provider: byway_access::session::ProviderConfig { ceiling: config.limits.ahead_max, ..Default::default() },
        client: byway_access::session::ClientConfig { ceiling: config.limits.ahead_max, ..Default::default() },
        services: Services::new(services),
    }
}

/// For ever where there is nothing to wait for.
async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
