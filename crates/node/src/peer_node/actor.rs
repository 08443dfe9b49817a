//! The node's one task: everything it owns, how that is opened, and the loop that feeds it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use byway_access::discovery::Index;
use byway_access::service::tunnel::TunnelKeys;
use byway_access::service::{Services, Socks};
use byway_access::session::SessionId;
use byway_crypto::noise::StaticKey;
use byway_dialogue::payment::{BackingKind, GiveConfig, TakeConfig};
use byway_dialogue::{Local, StaticCertificate};
use byway_driver::clock::Clock;
use byway_driver::disguise::Disguise;
use byway_driver::disk::{Disk, DiskError, Durability, Journal};
use byway_driver::entropy;
use byway_driver::host_network::{self, HostNetwork};
use byway_driver::link::{self, Event as LinkEvent, Link, LinkContact, Links};
use byway_kernel::follower::{self, Client as LedgerClient, ClientConfig as LedgerClientConfig};
use byway_peer::market::{Market, MarketConfig, MarketNews};
use byway_peer::wallet::Wallet;
use byway_primitives::hash::Context;
use byway_primitives::{Amount, IdentityId, NetworkId, Span, Time, Timer, Token};
use byway_records::offer::Service;
use byway_records::{Genesis, OutputId, Promise, TransactionId};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::accounts::Accounts;
use super::chain::Chain;
use super::channels::{ChannelDesk, Copying};
use super::chat::{self, AskDesk, FileDesk, OwnDesk, RestoreDesk, SearchDesk};
use super::claiming::Claims;
use super::exporting::Exporting;
use super::forwarding::Forwards;
use super::hiring;
use super::history::Notes;
use super::holding::{self, HoldDesk};
use super::inquiring::Inquiries;
use super::inviting::Invites;
use super::kernel_access::KernelAccess;
use super::naming::Naming;
use super::once::OnceLog;
use super::opened::Opened as OpenedServices;
use super::phones::Phones;
use super::plugging::Plugging;
use super::probing::Probing;
use super::provision::Provision;
use super::proxy_ports::ProxyPorts;
use super::quality::Quality;
use super::relay::RelayHost;
use super::relaying::Reached;
use super::serving::{EarlyStream, Served};
use super::tunnel::{ExitRules, Guard, TunnelHost};
use super::tunnelling::Tunnelling;
use super::using::Using;
use super::warned::Asking;
use super::ways::{Way, Ways};
use super::{
    Arrival, Call, LEDGER_JOURNAL, MARKET_JOURNAL, PeerNodeConfig, SpendingConfig, StartError, Written, books,
    promise_log, serving,
};
use crate::api::{self as contract, Event};

const TUNNEL_SECRET: Context = Context("byway 1 derive: tunnels");
/// How often the task looks after what nobody reminds it of: rates, renewals, submissions that got lost.
const TICK: Duration = Duration::from_millis(500);
/// How long an identity's dialogue certificate holds. An offer carries it for as long as the offer lives, and longer.
pub(super) const CERTIFICATE_LIFE: Span = Span::days(30);
/// A link on which nothing is heard for this long is given up and the peer is dialled again: sooner than a session gives
/// its provider up for silent, so that sessions outlive their links.
const LINK_SILENCE_MAX: Duration = Duration::from_secs(10);
/// How often an idle link sends a sign of life; several fit into the silence.
const LINK_KEEP_ALIVE: Duration = Duration::from_secs(3);
/// Connections at one time in one session that a provider carries.
const SESSION_CONNECTIONS_MAX: u32 = 256;
/// Things from outside that may wait for the task.
const ARRIVALS_QUEUE: usize = 1024;

/// The task's state.
pub(super) struct Actor {
    pub(super) config: PeerNodeConfig,
    pub(super) network: NetworkId,
    pub(super) clock: Clock,
    pub(super) started: Instant,
    pub(super) events: broadcast::Sender<Arc<Event>>,
    pub(super) arrive: mpsc::Sender<Arrival>,
    pub(super) stopping: Option<Instant>,

    // The ledger's side.
    pub(super) ledger: LedgerClient,
    pub(super) wallet: Wallet,
    pub(super) index: Index,
    pub(super) kernel: KernelAccess,
    pub(super) ledger_journal: Journal,
    pub(super) ledger_token: Token,
    /// Transactions that leave once they are durable.
    pub(super) leaving: VecDeque<(Token, TransactionId)>,
    pub(super) settlements: BTreeMap<TransactionId, books::Settlement>,
    /// What was settled by calls of ours that are final in the checkpoint that is being looked at, each by itself.
    pub(super) settled_alone: Vec<Promise>,
    pub(super) waiting: Vec<(TransactionId, oneshot::Sender<books::Fate>)>,
    /// Transactions without a verdict that were handed in.
    pub(super) submitted: BTreeMap<TransactionId, books::Submitted>,
    pub(super) settle_later: BTreeMap<IdentityId, Time>,
    pub(super) asking: Asking,
    pub(super) inquiries: Inquiries,
    /// Outputs to be merged, and when, in order.
    pub(super) merges: VecDeque<(Time, Vec<OutputId>)>,
    /// What this node tends by itself and has under way.
    pub(super) tending: BTreeSet<books::Errand>,
    pub(super) errands: BTreeMap<TransactionId, books::Errand>,
    /// What the kernel nodes that answer said of themselves last, and how long their answer took.
    pub(super) kernel_view: BTreeMap<u8, (byway_kernel::follower::protocol::Status, Span)>,
    /// The kernel node that was looked at last.
    pub(super) kernel_looked_at: u8,
    /// Who signed the newest checkpoint.
    pub(super) signers: Vec<u8>,
    pub(super) ended_sessions: Vec<contract::Session>,
    pub(super) promise_log: promise_log::PromiseLog,
    pub(super) notes: Notes,
    pub(super) once: OnceLog,
    pub(super) accounts: Accounts,
    pub(super) phones: Phones,
    pub(super) claims: Claims,
    pub(super) invites: Invites,
    pub(super) naming: Naming,
    pub(super) called: super::chat::CalledDesk,
    pub(super) there: super::chat::ThereDesk,
    /// Who waits for which peer's settlement to be handed in.
    pub(super) settling: Vec<(IdentityId, books::Settling)>,

    // The market's side.
    pub(super) market: Market,
    pub(super) market_journal: Journal,
    pub(super) market_durable: Durability,
    /// The last that was written, durable or not.
    pub(super) market_written: Option<Token>,
    pub(super) frames: VecDeque<(Token, byway_dialogue::LinkId, Vec<u8>)>,
    /// What goes to the ledger once this is durable.
    pub(super) ledger_calls: VecDeque<(Token, MarketNews)>,
    /// Those who wait to hear up to where has been written what they have just called for.
    pub(super) answered: Vec<oneshot::Sender<Written>>,
    pub(super) links: Arc<Links>,
    pub(super) link_handles: BTreeMap<byway_dialogue::LinkId, Link>,
    /// The link that each dialogue was last on.
    pub(super) talking_on: BTreeMap<IdentityId, byway_dialogue::LinkId>,
    pub(super) certificate: StaticCertificate,
    /// How others reached this node when it was last looked at, and since when.
    pub(super) contact: Option<(Option<LinkContact>, Time)>,
    pub(super) ways: Ways,
    pub(super) chain: Chain,
    pub(super) channels: ChannelDesk,
    pub(super) proxy_ports: ProxyPorts,
    pub(super) forwards: Forwards,
    pub(super) using: BTreeMap<SessionId, Using>,
    pub(super) served: BTreeMap<SessionId, Served>,
    /// What is served and to whom, as of the last session that came.
    pub(super) served_views: BTreeMap<SessionId, (IdentityId, byway_access::session::SessionView)>,
    pub(super) early: Vec<EarlyStream>,
    pub(super) exit: Option<byway_driver::exit::Exit>,
    /// The ports that clients have here.
    pub(super) forward_host: Option<byway_driver::forwarding::ForwardHost>,
    pub(super) tunnelling: Tunnelling,
    /// How often the provider of a used session paused it.
    pub(super) pauses: u64,
    pub(super) plugging: Plugging,
    pub(super) opened: OpenedServices,
    pub(super) provision: Provision,
    pub(super) preferred: BTreeSet<IdentityId>,
    pub(super) failed_lately: BTreeMap<IdentityId, Time>,
    pub(super) limits: SpendingConfig,
    pub(super) quality: Quality,
    pub(super) probing: Probing,
    pub(super) exporting: Exporting,
    pub(super) copying: Copying,
    pub(super) files: FileDesk,
    pub(super) chat_own: OwnDesk,
    pub(super) devices: super::chat::DeviceDesk,
    pub(super) reminding: super::chat::RemindDesk,
    pub(super) search: SearchDesk,
    pub(super) restoring: RestoreDesk,
    pub(super) holding: HoldDesk,
    pub(super) asks: AskDesk,

    pub(super) ledger_timer: Timer,
    pub(super) market_timer: Timer,
    /// Last, so that the directory is free only when the journals are gone.
    _disk: Disk,
}

pub(super) type Opened = (Actor, mpsc::Receiver<Arrival>, mpsc::Receiver<LinkEvent>);

impl Actor {
    #[expect(clippy::too_many_lines, reason = "a line for each thing that the task owns, and no thought in any")]
    pub(super) async fn open(config: PeerNodeConfig, clock: Clock) -> Result<Opened, StartError> {
        let disk = Disk::open(&config.directory)?;
        let sealed = |name| disk.sealed_journal(name, &config.journals_key);
        let (ledger_journal, market_journal) = (sealed(LEDGER_JOURNAL)?, sealed(MARKET_JOURNAL)?);
        let channels = ChannelDesk::open(&ledger_journal);
        let (ledger, wallet) = open_wallet(&config, &ledger_journal, &clock)?;
        let provision = Provision::open(&ledger_journal, config.selling.as_ref(), clock.now());
        let tunnelling = open_tunnels(&config, &provision).await?;
        let (market, certificate) = open_market(&config, &tunnelling, &market_journal, clock.now())?;
        let (disguise, (links, link_events)) = bind_links(&config).await?;
        let files = FileDesk::open(&config)?;
        let (arrive, arrivals) = mpsc::channel(ARRIVALS_QUEUE);
        let restored = market.used_sessions(clock.now()).into_iter().map(|(_, view)| view.id).collect();
        let main = Way::new(clock.now(), config.buying.clone(), Vec::new(), None);
        let ways = Ways::new(main, restored);
        let exit = open_exit(&config, &links, &provision)?;
        let plugging = Plugging::open(&config, &arrive);
        let mut actor = Self {
            network: config.genesis.network(),
            started: Instant::now(),
            events: broadcast::channel(contract::event::EVENTS_BUFFERED).0,
            arrive,
            stopping: None,
            index: Index::new(),
            kernel: open_kernel(&config, &ledger, disguise),
            ledger,
            wallet,
            promise_log: promise_log::PromiseLog::open(&ledger_journal),
            quality: Quality::open(&ledger_journal),
            probing: Probing::default(),
            exporting: Exporting::open(config.export_key.clone(), config.exports.clone(), &ledger_journal),
            copying: Copying::open(config.copy_key.clone(), config.copies.clone()),
            files,
            chat_own: OwnDesk::open(&ledger_journal),
            devices: super::chat::DeviceDesk::open(&ledger_journal),
            reminding: super::chat::RemindDesk::open(&ledger_journal),
            search: SearchDesk::default(),
            restoring: RestoreDesk::default(),
            holding: HoldDesk::default(),
            asks: AskDesk::default(),
            notes: Notes::open(&ledger_journal),
            once: OnceLog::open(&ledger_journal),
            accounts: Accounts::open(&ledger_journal),
            phones: Phones::open(&ledger_journal),
            claims: Claims::open(&ledger_journal),
            invites: Invites::open(&ledger_journal),
            naming: Naming::open(&ledger_journal),
            called: super::chat::CalledDesk::default(),
            there: super::chat::ThereDesk::default(),
            settling: Vec::new(),
            ledger_journal,
            ledger_token: Token(0),
            leaving: VecDeque::new(),
            settlements: BTreeMap::new(),
            settled_alone: Vec::new(),
            waiting: Vec::new(),
            submitted: BTreeMap::new(),
            settle_later: BTreeMap::new(),
            asking: Asking::default(),
            inquiries: Inquiries::default(),
            merges: VecDeque::new(),
            tending: BTreeSet::new(),
            errands: BTreeMap::new(),
            kernel_view: BTreeMap::new(),
            kernel_looked_at: 0,
            signers: Vec::new(),
            ended_sessions: Vec::new(),
            market,
            market_journal,
            market_durable: Durability::default(),
            market_written: None,
            frames: VecDeque::new(),
            ledger_calls: VecDeque::new(),
            answered: Vec::new(),
            links,
            link_handles: BTreeMap::new(),
            talking_on: BTreeMap::new(),
            certificate,
            contact: None,
            ways,
            chain: Chain::default(),
            channels,
            proxy_ports: ProxyPorts::default(),
            forwards: Forwards::default(),
            using: BTreeMap::new(),
            served: BTreeMap::new(),
            served_views: BTreeMap::new(),
            early: Vec::new(),
            exit,
            forward_host: None,
            tunnelling,
            pauses: 0,
            plugging,
            opened: OpenedServices::default(),
            provision,
            preferred: BTreeSet::new(),
            failed_lately: BTreeMap::new(),
            limits: config.limits.clone(),
            ledger_timer: Timer::default(),
            market_timer: Timer::default(),
            clock,
            config,
            _disk: disk,
        };
        actor.open_forward_host();
        actor.take_up();
        Ok((actor, arrivals, link_events))
    }

    pub(super) async fn run(
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
            let wake = self.ledger_timer.at().into_iter().chain(self.market_timer.at()).min();
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
            self.tend_copies();
        }
        self.close_links().await;
        if let Some(host) = &self.tunnelling.host {
            host.close().await;
        }
        self.plugging.close().await;
        self.search.close().await;
        self.export_at_the_end();
        self.ledger_journal.flush()?;
        self.market_journal.flush()?;
        self.copy_at_the_end();
        Ok(())
    }

    pub(super) fn tell(&self, event: Event) {
        // Nobody may be listening.
        let _ = self.events.send(Arc::new(event));
    }

    /// A random moment up to `span` from now.
    pub(super) fn some_time_within(&self, span: Span) -> Time {
        self.clock.now() + Span(entropy::number() % (span.0 + 1))
    }
}

/// The follower and the wallet that follows it.
fn open_wallet(
    config: &PeerNodeConfig,
    journal: &Journal,
    clock: &Clock,
) -> Result<(LedgerClient, Wallet), StartError> {
    let ledger = open_ledger(&config.genesis, journal)?.trusting(config.trusted);
    // A host's clock may have been set back while the node was down; the ledger's never is.
    clock.not_before(ledger.follower().tip().map_or(config.genesis.time, |tip| tip.time));
    let wallet = Wallet::open(config.wallet.clone(), journal).map_err(StartError::Wallet)?;
    Ok((ledger, wallet))
}

fn open_ledger(genesis: &Genesis, journal: &Journal) -> Result<LedgerClient, follower::FollowerDamaged> {
    let config = LedgerClientConfig::default();
    LedgerClient::open(genesis.clone(), &follower::PROGRAMS, config, entropy::number(), journal)
}

fn open_kernel(config: &PeerNodeConfig, ledger: &LedgerClient, disguise: Option<Arc<Disguise>>) -> KernelAccess {
    KernelAccess::to(&config.genesis, &ledger.follower().epoch().seats, &config.kernel_addresses, disguise)
}

/// The market machine, and the certificate under which it answers from now on.
fn open_market(
    config: &PeerNodeConfig,
    tunnelling: &Tunnelling,
    journal: &Journal,
    now: Time,
) -> Result<(Market, StaticCertificate), StartError> {
    let (network, static_key) = (config.genesis.network(), StaticKey::of(&config.dialogue_secret));
    let certificate = StaticCertificate::issue(&config.identity, network, static_key, now + CERTIFICATE_LIFE);
    let local = Local::new(certificate, *config.dialogue_secret).map_err(|_| StartError::Local)?;
    let mut market = Market::open(market_config(config, tunnelling), local, journal, now, entropy::seed())?;
    chat::open(&mut market, config, now, journal)?;
    holding::open(&mut market, config, now, journal)?;
    hiring::open(&mut market, now, journal)?;
    market.set_hub(config.hub);
    // Until the ledger is known to have what a forced call needs.
    market.set_hub_ready(false);
    market.set_guaranteeing(config.guaranteeing);
    market.set_guarantee_lock_min(config.guarantee_lock_min);
    market.set_guarantee_fee_max(config.channels.guarantee_fee_max);
    Ok((market, certificate))
}

type Bound = (Option<Arc<Disguise>>, (Arc<Links>, mpsc::Receiver<LinkEvent>));

/// The links, and the disguise by which they reach their relay if there is one.
async fn bind_links(config: &PeerNodeConfig) -> Result<Bound, StartError> {
    let Reached { access, disguise } = Reached::by(config.relay.as_ref()).await.map_err(StartError::Loopback)?;
    let (links, events) = Links::bind(link::Config {
        bind: config.link_bind.clone(),
        relay: access,
        seed: config.link_seed,
        limits: link::Limits { idle_max: LINK_SILENCE_MAX, keep_alive: LINK_KEEP_ALIVE, ..Default::default() },
    })
    .await?;
    Ok((disguise, (Arc::new(links), events)))
}

/// Where clients of the proxy come out, where it is sold.
fn open_exit(
    config: &PeerNodeConfig,
    links: &Arc<Links>,
    provision: &Provision,
) -> Result<Option<byway_driver::exit::Exit>, StartError> {
    let exit = config.selling.as_ref().map(|selling| serving::exit(selling, links, provision.lists()));
    Ok(exit.transpose()?)
}

/// The secret of all tunnels of this node, from that of its dialogues.
fn tunnel_keys(config: &PeerNodeConfig) -> TunnelKeys {
    TunnelKeys::new(Zeroizing::new(TUNNEL_SECRET.hash(&[&*config.dialogue_secret]).0))
}

/// The node's end of the tunnels that it sells, if it does, and its side of those that it will use.
async fn open_tunnels(config: &PeerNodeConfig, provision: &Provision) -> Result<Tunnelling, StartError> {
    let (keys, network) =
        (tunnel_keys(config), Arc::<dyn HostNetwork>::from(host_network::of_this_machine(&config.root)));
    // Whoever can't look hasn't closed it either.
    let is_closed = network.status().await.is_ok_and(|status| status.is_closed);
    let mut tunnelling = Tunnelling::new(keys, Guard::start(network.clone()), is_closed);
    let Some(selling) = &config.selling else { return Ok(tunnelling) };
    if selling.services.contains(&Service::TUNNEL) {
        let rules = ExitRules { allow: selling.allow.clone(), lists: provision.lists() };
        let host = TunnelHost::open(&selling.tunnel, rules, &tunnelling.keys, network).await?;
        tunnelling.sell(host);
    }
    if selling.services.contains(&Service::RELAY) {
        let host = RelayHost::open(selling.tunnel.relay, selling.allow.clone())?;
        tunnelling.relay_host = Some(Arc::new(host));
    }
    Ok(tunnelling)
}

fn market_config(config: &PeerNodeConfig, tunnelling: &Tunnelling) -> MarketConfig {
    let network = config.genesis.network();
    let services: Vec<Box<dyn byway_access::ServiceKind>> = vec![
        Box::new(Socks { connections_max: SESSION_CONNECTIONS_MAX }),
        Box::new(tunnelling.kind()),
        Box::new(tunnelling.relay_kind()),
    ];
    // Whoever grants less than a settlement is due at settles in smaller steps.
    let settle_at = config.selling.as_ref().map_or(Amount::from_coins(1), |selling| {
        selling.judging.credit.exposure_max.map_or(selling.settle_at, |granted| selling.settle_at.min(granted))
    });
    MarketConfig {
        network,
        identity: config.identity.clone(),
        signer: config.signer.clone(),
        dialogue: byway_dialogue::Config::new(network),
        give: GiveConfig { day_max: config.limits.day_max.unwrap_or(Amount::MAX) },
        take: TakeConfig {
            amount_min: Amount::ZERO,
            backing: BackingKind::Account,
            update: true,
            exposure_max: Amount::ZERO,
            settle_at,
            risk: Default::default(),
            advice_wait: Span::seconds(2),
        },
        provider: byway_access::session::ProviderConfig { ceiling: config.limits.ahead_max, ..Default::default() },
        client: byway_access::session::ClientConfig { ceiling: config.limits.ahead_max, ..Default::default() },
        warnings: config.selling.as_ref().is_none_or(|selling| selling.judging.asks_others).then(Default::default),
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
