//! Simulated market nodes: the shell around the pure machines of a provider, a client, or a wallet.
//!
//! A [`PeerNode`] joins what the real node joins (`byway_node::peer_node`): the follower's client, the wallet, the index of
//! offers and the market, two journals, links, and a data plane. The machines are the production code; this shell is the
//! least that makes them a node, and the adversaries are here too, as far as a shell alone can cheat ([`Conduct`]).
//!
//! - [`plan`]: what a node is, its keys, and the programs around it.
//! - [`books`]: following, transactions, registration, deposits and offers, settlement.
//! - [`buying`] and [`serving`]: sessions, at the client's and at the provider's.
//! - [`channels`]: channels with other market nodes.
//! - [`warned`]: asking other providers about clients.
//! - [`kernel_access`] and [`links`]: whom it talks to, and how.

mod books;
mod buying;
pub mod channels;
pub mod kernel_access;
pub mod links;
pub mod plan;
mod serving;
mod warned;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use byway_access::discovery::Index;
use byway_crypto::Address;
use byway_dialogue::{Link, LinkId, RefusedBecause, StaticCertificate};
use byway_kernel::follower::{self, Client as LedgerClient, ClientConfig, Lie, Refusal};
use byway_peer::market::{Market, MarketNews};
use byway_peer::wallet::{Found, Payee, Wallet, Wish};
use byway_primitives::hash::Context;
use byway_primitives::store::Entry;
use byway_primitives::{Amount, Effect, Hash, IdentityId, Space, Span, Store, Time, Timer, Token};
use byway_records::{Checkpoint, Promise, TransactionId};

use self::books::{Errand, way};
use self::buying::Browsing;
use self::channels::{ChannelCommand, ChannelDesk};
use self::kernel_access::KernelAccess;
use self::links::{Cargo, End, LinkNews, Links};
pub use self::plan::{Buying, Conduct, Keys, PeerPlan, Role, Scene, Selling, SharedScene};
use self::serving::Planes;
use crate::disk::Journal;
use crate::whole::message::NetMessage;
use crate::whole::node::{NetEffect, NetNews};
use crate::world::Event;

const DRAWS: Context = Context("byway test peer randomness");
/// The market's batches are numbered by the market.
const MARKET_JOURNAL: Journal = Journal(0);
const LEDGER_JOURNAL: Journal = Journal(1);
/// How often the node looks after what nobody reminds it of.
const TICK: Span = Span::millis(500);
/// What links are expected to need before they are measured.
const ROUND_TRIP: Span = Span::millis(40);

/// What a scenario asks of a market node.
#[derive(Debug, Clone)]
pub enum PeerCommand {
    /// Pay someone.
    Pay { to: Address, amount: Amount },
    /// Settle what a peer has promised.
    Settle { peer: IdentityId },
    /// Leaves the provider in use, and goes on with the next best.
    LeaveProvider,
    /// All links break at this end, and the other end hears nothing of it.
    CutLinks,
    /// Something about a channel with a market node.
    Channel { peer: usize, command: ChannelCommand },
}

/// What a market node says.
#[derive(Debug)]
pub enum PeerNews {
    Market(Box<MarketNews>),
    /// The followed ledger went on.
    Advanced(Checkpoint),
    /// A kernel node lied.
    Caught {
        member: u8,
        lie: Lie,
    },
    /// The wallet learnt this.
    Found(Found),
    /// A kernel node refused a transaction of ours.
    Refused {
        id: TransactionId,
        refusal: Refusal,
    },
}

/// See the [module](self).
pub struct PeerNode {
    scene: SharedScene,
    /// The number in the world, and among the market nodes.
    node: usize,
    index_of_peer: usize,
    keys: Keys,
    certificate: StaticCertificate,
    now: Time,
    seed: Hash,
    drawn: u64,
    out: VecDeque<NetEffect>,
    tick_at: Time,

    ledger: LedgerClient,
    ledger_timer: Timer,
    wallet: Wallet,
    index: Index,
    kernel: KernelAccess,
    ledger_written: u64,
    /// Transactions that leave once they are durable.
    leaving: VecDeque<(Token, TransactionId)>,
    submitted_at: BTreeMap<TransactionId, Time>,
    settlements: BTreeMap<TransactionId, Promise>,
    settle_later: BTreeMap<IdentityId, Time>,
    errands: BTreeMap<Errand, TransactionId>,
    /// Providers that are to be asked about a client once they are reached.
    to_ask: BTreeSet<(IdentityId, IdentityId)>,

    market: Market,
    market_timer: Timer,
    market_durable: Option<Token>,
    /// Frames that leave once the market's journal is durable up to a token.
    frames: VecDeque<(Token, LinkId, Vec<u8>)>,
    links: Links,
    links_timer: Timer,
    planes: Planes,
    browsing: Browsing,
    channels: ChannelDesk,
}

/// When, and with what on disk, something is handled.
#[derive(Clone, Copy)]
struct At<'a> {
    now: Time,
    store: Seen<'a>,
}

/// The store, of known size.
#[derive(Clone, Copy)]
struct Seen<'a>(&'a dyn Store);

impl Store for Seen<'_> {
    fn load(&self, space: Space, key: &[u8]) -> Option<Vec<u8>> {
        self.0.load(space, key)
    }

    fn scan(&self, space: Space, from: &[u8], limit: usize) -> Vec<Entry> {
        self.0.scan(space, from, limit)
    }
}

impl PeerNode {
    /// Opens market node `index` from its disk. `life` counts the openings in this world.
    pub fn open(scene: SharedScene, index: usize, life: u64, now: Time, store: &dyn Store) -> Self {
        let at = At { now, store: Seen(store) };
        let keys = Keys::of(index);
        let seed = DRAWS.hash(&[&scene.seed.to_le_bytes(), &(index as u64).to_le_bytes(), &life.to_le_bytes()]);
        let first_asked = scene.peers[index].first_asked.map_or(u64::from(seed.0[0]), u64::from);
        let config = ClientConfig::default();
        let ledger = LedgerClient::open(scene.genesis.clone(), &follower::PROGRAMS, config, first_asked, store);
        let wallet = Wallet::open(keys.wallet.clone(), store);
        let (certificate, local) = keys.local(scene.genesis.network());
        let market = Market::open(scene.market_config(index), local, &at.store, now, seed.0);
        let place = (scene.seed, index);
        let mut node = Self {
            node: scene.kernels + index,
            index_of_peer: index,
            keys,
            certificate,
            now,
            seed,
            drawn: 0,
            out: VecDeque::new(),
            tick_at: now,
            ledger: ledger.unwrap_or_else(|error| panic!("seed and market node {place:?}: {error}")),
            ledger_timer: Timer::default(),
            wallet: wallet.unwrap_or_else(|error| panic!("seed and market node {place:?}: {error}")),
            index: Index::new(),
            kernel: KernelAccess::new(life),
            ledger_written: 0,
            leaving: VecDeque::new(),
            submitted_at: BTreeMap::new(),
            settlements: BTreeMap::new(),
            settle_later: BTreeMap::new(),
            errands: BTreeMap::new(),
            to_ask: BTreeSet::new(),
            market: market.unwrap_or_else(|error| panic!("seed and market node {place:?}: {error}")),
            market_timer: Timer::default(),
            market_durable: None,
            frames: VecDeque::new(),
            links: Links::new(scene.wire),
            links_timer: Timer::default(),
            planes: Planes::default(),
            browsing: Browsing::new(),
            channels: ChannelDesk::default(),
            scene,
        };
        node.wake_at(now);
        node.take_up(at);
        node
    }

    pub fn id(&self) -> IdentityId {
        self.keys.id()
    }

    pub fn plan(&self) -> &PeerPlan {
        &self.scene.peers[self.index_of_peer]
    }

    pub fn follower(&self) -> &follower::Follower {
        self.ledger.follower()
    }

    pub fn wallet(&self) -> &Wallet {
        &self.wallet
    }

    /// Offers on the ledger as it is followed.
    pub fn offers_known(&self) -> usize {
        self.index.len()
    }

    pub fn market(&self) -> &Market {
        &self.market
    }

    /// How it is, in a line.
    pub fn picture(&self) -> String {
        let market = &self.market;
        let peers = market.peers().into_iter().map(|peer| {
            let talks = if market.is_talking_to(peer) { "talking" } else { "apart" };
            format!("{talks} to {peer}, {:?}", market.pair(peer))
        });
        format!(
            "{}, {}\n  at {:?}, {} pending, account {}\n  {:?}\n  uses {:?}\n  serves {:?} by {:?}\n  {:#?}",
            self.id(),
            peers.collect::<Vec<_>>().join("; "),
            self.follower().tip().map(|tip| tip.height),
            self.wallet.pending().count(),
            self.account(self.id()).balance,
            self.browsing,
            market.used_sessions(self.now),
            market.served_sessions(self.now),
            self.planes,
            self.links,
        )
    }

    pub fn handle(&mut self, now: Time, event: Event<NetMessage, PeerCommand>, store: &dyn Store) {
        self.now = now;
        let at = At { now, store: Seen(store) };
        match event {
            Event::Message { from, message } => self.message(at, from, message),
            Event::Wake => self.wake(at),
            Event::Durable(token) if Journal::of(token) == LEDGER_JOURNAL => self.ledger_became_durable(token),
            Event::Durable(token) => self.market_became_durable(at, token),
            Event::PeerUp(peer) if peer < self.scene.kernels => self.kernel.came(peer),
            Event::PeerUp(_) => {}
            Event::PeerDown(peer) if peer < self.scene.kernels => {
                self.kernel.gone(peer).into_iter().for_each(|asked| self.unanswered(at, asked));
            }
            Event::PeerDown(peer) => self.links.handle_gone(peer),
            Event::Command(command) => self.command(at, command),
        }
        self.tend_links(at);
    }

    pub fn poll(&mut self, now: Time, store: &dyn Store) -> Option<NetEffect> {
        let at = At { now, store: Seen(store) };
        loop {
            if let Some(effect) = self.out.pop_front() {
                return Some(effect);
            }
            match self.market.poll() {
                Some(Effect::Persist { batch, token }) => {
                    assert_eq!(Journal::of(token), MARKET_JOURNAL, "the market's tokens name its journal");
                    self.channels.written = Some(token);
                    return Some(Effect::Persist { batch, token });
                }
                Some(Effect::Send { to, message, after }) => match after.filter(|token| !self.is_durable(*token)) {
                    Some(token) => self.frames.push_back((token, to, message)),
                    None => {
                        self.links.send(now, to, Cargo::Frame(message));
                        self.flush_links();
                    }
                },
                Some(Effect::WakeAt(time)) => {
                    self.market_timer.set(time);
                    self.wake_at(time);
                }
                Some(Effect::Notify(news)) => {
                    self.market_tells(at, news);
                    self.tend_links(at);
                }
                None => return None,
            }
        }
    }

    /// What goes to the ledger goes when all that was written by then is durable, so that nobody has forgotten after a crash what
    /// the ledger was shown.
    fn market_tells(&mut self, at: At<'_>, news: MarketNews) {
        match self.channels.written.filter(|token| !self.is_durable(*token)) {
            Some(token) if news.goes_to_ledger() => self.channels.calls.push_back((token, news)),
            _ => self.market_news(at, news),
        }
    }

    fn is_durable(&self, token: Token) -> bool {
        self.market_durable.is_some_and(|durable| token <= durable)
    }

    fn market_became_durable(&mut self, at: At<'_>, token: Token) {
        self.market_durable = Some(token);
        while let Some((_, link, frame)) = self.frames.pop_front_if(|(after, _, _)| *after <= token) {
            self.links.send(at.now, link, Cargo::Frame(frame));
        }
        while let Some((_, news)) = self.channels.calls.pop_front_if(|(after, _)| *after <= token) {
            self.market_news(at, news);
        }
        self.market.handle_durable(at.now, token, &at.store);
    }

    fn message(&mut self, at: At<'_>, from: usize, message: NetMessage) {
        match message {
            NetMessage::Answer { number, answer } => {
                if let Some(asked) = self.kernel.answered(from, number) {
                    self.answered(at, asked, &answer);
                }
            }
            NetMessage::Link(message) if from >= self.scene.kernels => self.links.handle_message(at.now, from, message),
            // Nobody else has anything to say to a market node.
            NetMessage::Link(_) | NetMessage::Kernel(_) | NetMessage::Ask { .. } => {}
        }
    }

    fn wake(&mut self, at: At<'_>) {
        if self.market_timer.goes_off(at.now) {
            self.market.handle_wake(at.now, &at.store);
        }
        self.kernel.overdue(at.now).into_iter().for_each(|asked| self.unanswered(at, asked));
        if self.ledger_timer.goes_off(at.now) {
            self.follow(at);
        }
        self.step_planes(at);
        if at.now >= self.tick_at {
            self.tick_at = at.now + TICK;
            self.tend(at);
            self.browse(at);
            self.tend_channels(at);
        }
        // The wake has used up what was asked for.
        let timers = [self.market_timer, self.ledger_timer, self.links_timer].map(|timer| timer.at());
        let others = [Some(self.tick_at), self.planes.step_at, self.kernel.next_overdue()];
        let next = timers.into_iter().chain(others).flatten().min();
        self.out.extend(next.map(Effect::WakeAt));
    }

    fn command(&mut self, at: At<'_>, command: PeerCommand) {
        match command {
            PeerCommand::Pay { to, amount } => {
                let payees = vec![Payee { to: to.into(), value: way(amount) }];
                let sent = self.transact(Wish { payees, ..Wish::default() }, false);
                sent.expect("the scenario pays what the wallet has");
            }
            PeerCommand::Settle { peer } => self.settle(at, peer),
            PeerCommand::LeaveProvider => self.leave_provider(at),
            PeerCommand::CutLinks => self.links.cut(),
            PeerCommand::Channel { peer, command } => self.channel_command(at, peer, command),
        }
    }

    /// Acts on what became of links, until nothing more does.
    fn tend_links(&mut self, at: At<'_>) {
        self.links_timer.goes_off(at.now);
        if let Some(due) = self.links.handle_wake(at.now)
            && self.links_timer.set(due)
        {
            self.wake_at(due);
        }
        loop {
            self.flush_links();
            let news = self.links.take_news();
            if news.is_empty() {
                return;
            }
            news.into_iter().for_each(|news| self.link_news(at, news));
        }
    }

    /// Sends what links have to say.
    fn flush_links(&mut self) {
        let messages = self.links.take_out();
        let send = |(to, message)| Effect::Send { to, message: NetMessage::Link(message), after: None };
        self.out.extend(messages.into_iter().map(send));
    }

    fn link_news(&mut self, at: At<'_>, news: LinkNews) {
        match news {
            LinkNews::Up(id, end) => {
                let profile = self.scene.wire.profile(ROUND_TRIP);
                self.market.handle_link_up(Link { id, profile, binding: links::binding(id) });
                if end == End::Dialled
                    && let Some(node) = self.links.node(id)
                {
                    self.dialled(at, id, node);
                }
            }
            LinkNews::DialFailed { .. } => self.dial_failed(at),
            LinkNews::Cargo { link, what: Cargo::Frame(frame) } => {
                let seed = self.draw();
                self.market.handle_frame(at.now, link, &frame, seed, &at.store);
            }
            LinkNews::Cargo { link, what: Cargo::Want { session, bytes } } => self.wanted(link, session, bytes),
            LinkNews::Cargo { what: Cargo::Bytes { session, count }, .. } => self.arrived(at, session, count),
            LinkNews::Cargo { what: Cargo::Alive, .. } => {}
            LinkNews::Down(link) => {
                self.streams_gone(link);
                self.market.handle_link_down(at.now, link, &at.store);
            }
        }
    }

    fn market_news(&mut self, at: At<'_>, news: MarketNews) {
        match &news {
            MarketNews::Talking { peer, .. } => {
                self.note_peer(at, *peer);
                self.talking(at, *peer);
                self.ask_what_was_to_be_asked(at, *peer);
            }
            MarketNews::Early { peer, bytes } => self.market.handle_early(at.now, *peer, bytes, &at.store),
            MarketNews::Channel { key, news } => self.channel_news(at, *key, news),
            MarketNews::ChannelFault { peer, fault } => {
                panic!("seed {}: {peer} breaks the rules of a channel: {fault}", self.scene.seed)
            }
            // Nobody here watches for others, or has conversations.
            MarketNews::Whereabouts { .. }
            | MarketNews::ChannelSaid { .. }
            | MarketNews::Watching(_)
            | MarketNews::Watched { .. }
            | MarketNews::WatchAnswered { .. }
            | MarketNews::CardFault { .. }
            | MarketNews::Holding(_)
            | MarketNews::HeldFor
            | MarketNews::HeldJudged { .. }
            | MarketNews::BotClient { .. }
            | MarketNews::Hired { .. }
            | MarketNews::HeldFault { .. }
            | MarketNews::Chat(_) => {}
            MarketNews::Detached { .. } | MarketNews::Malformed { .. } | MarketNews::Damaged { .. } => {}
            MarketNews::Closed { peer, link, .. } => {
                link.iter().for_each(|link| self.links.close(*link));
                self.not_reached(at, *peer);
            }
            MarketNews::Refused { peer, link, reason } => {
                self.links.close(*link);
                // The peer is being talked to, or is about to be, over another link.
                if *reason != RefusedBecause::Overtaken {
                    self.not_reached(at, *peer);
                }
            }
            MarketNews::LinkEnded { link, .. } | MarketNews::LinkUnwanted(link) => self.links.close(*link),
            MarketNews::Submit { peer, promise, call } => self.submit_settlement(*peer, *promise, (**call).clone()),
            MarketNews::Using { provider, news } => self.using_news(at, *provider, news),
            MarketNews::Serving { client, news } => self.serving_news(*client, news),
            MarketNews::Payment { peer, news } => self.payment_news(at, *peer, news),
            MarketNews::WarningsWanted { issuer } => self.warnings_wanted(at, *issuer),
            MarketNews::Warned { issuer } => self.look_up_warnings(at, *issuer),
            MarketNews::WarningFault { .. } | MarketNews::Routing(_) | MarketNews::Guarantee(_) => {}
            MarketNews::QualityAsked { .. } | MarketNews::QualityTold { .. } | MarketNews::QualityFault { .. } => {}
        }
        self.tell(PeerNews::Market(Box::new(news)));
    }

    fn tell(&mut self, news: PeerNews) {
        self.out.push_back(Effect::Notify(NetNews::Peer(Box::new(news))));
    }

    fn wake_at(&mut self, time: Time) {
        self.out.push_back(Effect::WakeAt(time));
    }

    /// Fresh randomness, the same in every run of a seed.
    fn draw(&mut self) -> [u8; 32] {
        self.drawn += 1;
        DRAWS.hash(&[&self.seed.0, &self.drawn.to_le_bytes()]).0
    }

    fn draw_number(&mut self) -> u64 {
        let draw = self.draw();
        u64::from_le_bytes(draw[..8].try_into().expect("eight bytes"))
    }
}
