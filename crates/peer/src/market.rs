//! The market side of a node: one identity that buys and sells services (rows A8, A9, A10).
//!
//! A [`Market`] joins the machines of `dialogue` and `access` into one: the conversations of an identity, and with each
//! peer the payments both ways, the sessions it uses there ([`session::Client`]) and the sessions it serves
//! ([`session::Provider`]). It stays pure: frames, time, counters and the ledger's word come in, [`Output`]s go out.
//!
//! **One step, one batch.** Whatever arrives starts a *step*: the machines are fed, what they say to each other is passed
//! on until nobody has anything more to say, and then everything they want written, everything they want sent and the
//! receipt of the message that began it become one commit of the dialogue layer. So a crash leaves either all of a step
//! or nothing of it, and a message that was taken to heart is never taken twice.
//!
//! **Who tells whom what** (see `byway_access`): credit received opens the provider's gate; what a session has used is
//! spent and earned in the payments; the wish to stay ahead makes promises. The data plane outside only obeys limits and
//! reports counters.
//!
//! **Who else is owed.** With [`MarketConfig::warnings`] a client's credit is held to a first window until others were
//! asked about it ([`byway_access::warning`]): [`MarketNews::WarningsWanted`] asks the shell, which knows whom to ask.
//!
//! **How others are served.** Peers ask each other what they know of providers ([`byway_access::quality`]); the shell keeps
//! what is known, and says what is told.
//!
//! **Channels.** What the channels with a peer say goes within the dialogue, and what they write goes with the rest. Who is to
//! be paid out of a lane is promised there what the payments want (`lanes`). A router looks at each after whatever happened to it, and
//! has done in it what payments over several channels need (`routing`); the guarantees of virtual channels do likewise (`guaranteeing`).
//!
//! **Conversations.** What the identity's conversations have for a peer goes within the dialogue with it, and what they write is one
//! commit with what they say because of it (`chatting`).
//!
//! **Holding.** What waits for somebody who is away is brought to those who hold for them, and what others hold for the identity is
//! handed to its conversations (`holding`).
//!
//! **Hiring.** Bots that answer in conversations are paid by what stands there (`hiring`).
//!
//! [`session::Client`]: byway_access::session::Client
//! [`session::Provider`]: byway_access::session::Provider

mod account;
mod attested;
mod channels;
mod chatting;
mod exported;
mod guaranteeing;
mod hiring;
mod holding;
mod lanes;
mod news;
mod pair;
mod paying;
mod routing;
mod seeds;
mod selling;
mod step;
mod talking;
mod trading;
mod warned;
mod watched;
mod whereabouts;

use std::collections::{BTreeMap, VecDeque};

use byway_access::credit::Trial;
use byway_access::quality::Exchange;
use byway_access::service::Services;
use byway_access::session::{ClientConfig, Listing, ProviderConfig, SessionView};
use byway_access::warning::{WarningConfig, Warnings};
use byway_channel::SharedSigner;
use byway_chat::chats::Chats;
use byway_crypto::IdentitySecret;
use byway_dialogue::payment::{GiveConfig, PayFrom, SettleError, TakeConfig, TakenPromise};
use byway_dialogue::{Config, Dialogues, Goodbye, Link, LinkId, Local, News, ProtocolId};
use byway_primitives::{Amount, Batch, DecodeError, Effect, IdentityId, NetworkId, Space, Store, Time, Timer, Token};
use byway_records::{OfferId, Promise, SignedPromise};

use account::OwnAccount;
use channels::Carried;
pub use channels::{OwnChannel, OwnChannels};
pub use exported::put_back;
pub use hiring::Hiring;
pub use holding::{Absent, Holding};
pub use news::{MarketNews, Output};
use pair::Pair;
use seeds::Seeds;
pub use selling::Capacity;
use selling::Selling;
use step::Step;
pub use whereabouts::CardFault;

/// Peers with whom there is a journal.
const PEERS: Space = Space("market-peers");

/// Policy and keys of one identity in the market.
#[derive(Clone)]
pub struct MarketConfig {
    pub network: NetworkId,
    pub identity: IdentitySecret,
    /// Signs in the identity's channels, if that isn't the secret itself.
    pub signer: Option<SharedSigner>,
    pub dialogue: Config,
    pub give: GiveConfig,
    pub take: TakeConfig,
    pub provider: ProviderConfig,
    pub client: ClientConfig,
    pub services: Services,
    /// Whether, and how, other providers are asked about whoever asks for credit.
    pub warnings: Option<WarningConfig>,
}

/// The market machine. Call order: [`open`](Self::open), then anything; after each call fetch outputs with
/// [`poll`](Self::poll) until there are none.
pub struct Market {
    config: MarketConfig,
    dialogues: Dialogues,
    pairs: BTreeMap<IdentityId, Pair>,
    listings: BTreeMap<OfferId, Listing>,
    selling: Selling,
    capacity: Capacity,
    account: OwnAccount,
    warnings: Warnings,
    exchange: Exchange,
    channels: Carried,
    chats: Option<Chats>,
    holding: Option<Holding>,
    hiring: Option<Hiring>,
    /// What the conversations have written that the caller has not fetched, so that it is in no store yet.
    unseen: Batch,
    seeds: Seeds,
    /// Which payment writes become durable with which batch.
    awaiting: VecDeque<(Token, IdentityId, Token)>,
    outputs: VecDeque<Output>,
    /// What the driver's stands at.
    timer: Timer,
}

/// What the ledger says of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// The most of its account promises that may be unsettled: zero for strangers.
    pub exposure_max: Amount,
    /// Which of the offers' prices apply to it.
    pub reputation: u16,
    /// The trial that it may have, if it has not had one lately.
    pub trial: Option<Trial>,
}

/// What a call could not do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MarketError {
    #[error("there is no dialogue with {0}; connect first")]
    NoDialogue(IdentityId),
    #[error(transparent)]
    Open(#[from] byway_dialogue::OpenError),
    #[error(transparent)]
    Session(#[from] byway_access::session::OpenError),
    #[error(transparent)]
    Settle(#[from] SettleError),
    #[error("nothing was ever paid to or by {0}")]
    UnknownPeer(IdentityId),
    #[error("the journal with this peer can't be read: {0}")]
    Damaged(String),
}

impl From<MarketDamaged> for MarketError {
    fn from(damaged: MarketDamaged) -> Self {
        Self::Damaged(damaged.to_string())
    }
}

/// A node's journals of the market can't be read.
#[derive(Debug, thiserror::Error)]
pub enum MarketDamaged {
    #[error(transparent)]
    Dialogues(#[from] byway_dialogue::RestoreError),
    #[error(transparent)]
    Payments(#[from] byway_dialogue::payment::JournalError),
    #[error(transparent)]
    Sessions(#[from] byway_access::session::SessionJournalError),
    #[error(transparent)]
    Channels(#[from] byway_channel::ChannelJournalError),
    #[error("what is kept for watching can't be read ({0}); restore the data folder from a backup")]
    Watching(DecodeError),
    #[error("the journal of payments over several channels can't be read ({0}); restore the data folder from a backup")]
    Routing(DecodeError),
    #[error("the journal of guarantees of virtual channels can't be read ({0}); restore the data folder from a backup")]
    Guarantees(DecodeError),
    #[error("the list of market peers is damaged; restore the data folder from a backup")]
    Peers,
}

/// What there is with one peer, for showing.
#[derive(Debug, Clone)]
pub struct PairView {
    pub peer: IdentityId,
    /// The last promise to the peer.
    pub given: Option<SignedPromise>,
    /// Promised and not yet used.
    pub ahead: Amount,
    pub window: Amount,
    pub pays_from: PayFrom,
    /// Promises from the peer that are not settled.
    pub taken: Vec<TakenPromise>,
    /// The one of them that was handed to the ledger, whose word on it is awaited.
    pub settling: Option<Promise>,
    pub received: Amount,
}

impl Market {
    /// Opens what the store holds. Sessions of before are taken up as their peers come back.
    pub fn open(
        config: MarketConfig,
        local: Local,
        store: &impl Store,
        now: Time,
        seed: [u8; 32],
    ) -> Result<Self, MarketDamaged> {
        let dialogues = Dialogues::restore(config.dialogue.clone(), local, store, now, seed)?;
        let warnings = Warnings::new(config.network, config.identity.id(), config.warnings.unwrap_or_default());
        let mut market = Self {
            exchange: Exchange::new(config.network),
            channels: Carried::load(&config, seed, store)?,
            chats: None,
            holding: None,
            hiring: None,
            unseen: Batch::new(),
            seeds: Seeds::new(&seed),
            config,
            warnings,
            dialogues,
            pairs: BTreeMap::new(),
            listings: BTreeMap::new(),
            selling: Selling::Open,
            capacity: Capacity::default(),
            account: OwnAccount::default(),
            awaiting: VecDeque::new(),
            outputs: VecDeque::new(),
            timer: Timer::default(),
        };
        for (key, _) in store.scan_prefix(PEERS, &[]) {
            let peer = key.as_slice().try_into().map(IdentityId).map_err(|_| MarketDamaged::Peers)?;
            market.restore_pair(now, peer, store)?;
        }
        market.note_all_lanes(now);
        market.begin_routing(now);
        market.begin_guaranteeing(now);
        market.pump(now, store);
        Ok(market)
    }

    pub fn identity(&self) -> IdentityId {
        self.config.identity.id()
    }

    /// Answers and opens with another certificate from now on: the one before runs out.
    pub fn renew(&mut self, local: Local) {
        self.dialogues.renew(local);
    }

    /// The next thing to do, in order.
    pub fn poll(&mut self) -> Option<Output> {
        let output = self.outputs.pop_front();
        if output.is_none() {
            // All writes were fetched, and whoever fetches one makes it visible at once.
            self.unseen = Batch::new();
        }
        output
    }

    /// A link is there.
    pub fn handle_link_up(&mut self, link: Link) {
        let id = link.id;
        if !self.dialogues.attach(link) {
            self.outputs.push_back(Effect::Notify(MarketNews::LinkUnwanted(id)));
        }
    }

    /// A link is gone.
    pub fn handle_link_down(&mut self, now: Time, link: LinkId, store: &impl Store) {
        self.dialogues.detach(now, link);
        self.pump(now, store);
    }

    /// A frame came on a link. `seed` is fresh randomness.
    pub fn handle_frame(&mut self, now: Time, link: LinkId, bytes: &[u8], seed: [u8; 32], store: &impl Store) {
        self.seeds.stir(&seed);
        self.dialogues.handle_frame(now, link, bytes, seed);
        self.pump(now, store);
    }

    pub fn handle_wake(&mut self, now: Time, store: &impl Store) {
        self.timer.stop();
        self.dialogues.handle_wake(now);
        for peer in self.peers() {
            self.step(now, peer, |pair, step| pair.wake(now, step));
            self.bound_if_held(now, peer);
        }
        self.wake_channels(now);
        self.wake_routing(now);
        self.wake_guarantees(now);
        self.wake_chats(now, store);
        self.wake_holding(now, store);
        self.wake_hiring(now, store);
        self.pump(now, store);
    }

    /// The batch of `token`, and all before it, are durable.
    pub fn handle_durable(&mut self, now: Time, token: Token, store: &impl Store) {
        while let Some((outer, peer, inner)) = self.awaiting.front().copied()
            && outer <= token
        {
            self.awaiting.pop_front();
            self.step(now, peer, |pair, step| pair.durable(now, inner, step));
        }
        self.pump(now, store);
    }

    /// What the ledger says of a peer from now on.
    pub fn set_standing(&mut self, now: Time, peer: IdentityId, standing: Standing, store: &impl Store) {
        self.bound(now, peer);
        self.step(now, peer, |pair, step| pair.set_standing(now, standing, step));
        self.pump(now, store);
    }

    /// Everyone with whom there is a journal.
    pub fn peers(&self) -> Vec<IdentityId> {
        self.pairs.keys().copied().collect()
    }

    pub fn pair(&self, peer: IdentityId) -> Option<PairView> {
        self.pairs.get(&peer).map(|pair| pair.view(peer))
    }

    /// Sessions that we use, by provider.
    pub fn used_sessions(&self, now: Time) -> Vec<(IdentityId, SessionView)> {
        self.pairs.iter().flat_map(|(peer, pair)| pair.used_views(now).into_iter().map(|view| (*peer, view))).collect()
    }

    /// Sessions that we serve, by client.
    pub fn served_sessions(&self, now: Time) -> Vec<(IdentityId, SessionView)> {
        self.pairs
            .iter()
            .flat_map(|(peer, pair)| pair.served_views(now).into_iter().map(|view| (*peer, view)))
            .collect()
    }

    /// Carries what the dialogues have to say until they have nothing more.
    fn pump(&mut self, now: Time, store: &impl Store) {
        while let Some(output) = self.dialogues.poll() {
            match output {
                Effect::Persist { batch, token } => self.outputs.push_back(Effect::Persist { batch, token }),
                Effect::Send { to, message, after } => self.outputs.push_back(Effect::Send { to, message, after }),
                Effect::WakeAt(time) => self.wake_at(time),
                Effect::Notify(news) => self.hear(now, news, store),
            }
        }
    }

    fn hear(&mut self, now: Time, news: News, store: &impl Store) {
        match news {
            News::Opened { peer, link, .. } | News::Resumed { peer, link, .. } => {
                if let Err(error) = self.restore_pair(now, peer, store) {
                    self.tell(MarketNews::Damaged { peer, error: error.to_string() });
                    self.dialogues.close(now, peer, Goodbye::ShuttingDown);
                    return;
                }
                self.tell(MarketNews::Talking { peer, link });
                self.bound(now, peer);
                self.step(now, peer, |pair, step| pair.attached(now, step));
                self.ask_if_due(now, peer);
                self.connected(now, peer, store);
            }
            News::Detached { peer, .. } => {
                self.disconnected(now, peer);
                self.step(now, peer, |pair, step| pair.detached(now, step));
                self.tell(MarketNews::Detached { peer });
            }
            News::Early { peer, protocol: ProtocolId::SESSION, bytes } => self.tell(MarketNews::Early { peer, bytes }),
            // Nothing else is understood so early; it comes again as a message.
            News::Early { .. } => {}
            News::Message(delivery) if delivery.protocol == ProtocolId::WARNING => self.warning_came(now, delivery),
            News::Message(delivery) if delivery.protocol == ProtocolId::QUALITY => self.quality_came(now, delivery),
            News::Message(delivery) if matches!(delivery.protocol, ProtocolId::CHANNEL | ProtocolId::WATCHING) => {
                self.channel_message_came(now, &delivery);
            }
            News::Message(delivery) if delivery.protocol == ProtocolId::ROUTING => {
                self.routing_message_came(now, &delivery);
            }
            News::Message(delivery) if delivery.protocol == ProtocolId::GUARANTEE => {
                self.guarantee_message_came(now, &delivery);
            }
            News::Message(delivery) if delivery.protocol == ProtocolId::CHAT => {
                self.chat_message_came(now, &delivery, store);
            }
            News::Message(delivery) if delivery.protocol == ProtocolId::HOLDING => {
                self.hold_message_came(now, &delivery, store);
            }
            News::Message(delivery) if delivery.protocol == ProtocolId::HIRING => {
                self.hire_message_came(now, &delivery, store);
            }
            News::Message(delivery) if delivery.protocol == ProtocolId::WHEREABOUTS => self.card_came(now, &delivery),
            News::Message(delivery) => {
                let (peer, receipt) = (delivery.receipt.peer, delivery.receipt);
                if delivery.protocol == ProtocolId::SESSION && self.capacity.clients_max.is_some() {
                    self.look_at_capacity(peer);
                }
                let mut malformed = None;
                self.step(now, peer, |pair, step| {
                    step.receipt(receipt);
                    malformed = pair.message(now, delivery.protocol, &delivery.bytes, step).err();
                });
                if let Some(error) = malformed {
                    self.malformed(now, peer, error);
                }
            }
            // What was refused as full has closed the dialogue already (see `Step`).
            News::Drained { .. } => {}
            News::Closed { peer, reason, link, .. } => {
                self.step(now, peer, |pair, step| pair.ended(now, step));
                self.exchange.forget(peer);
                self.disconnected(now, peer);
                self.tell(MarketNews::Closed { peer, reason, link });
            }
            News::Refused { peer, link, reason } => self.tell(MarketNews::Refused { peer, link, reason }),
            News::LinkEnded { link, reason } => self.tell(MarketNews::LinkEnded { link, reason }),
        }
    }

    /// What goes within the dialogues beside sessions and payments hears that one is there.
    fn connected(&mut self, now: Time, peer: IdentityId, store: &impl Store) {
        self.channels_connected(now, peer);
        self.chat_connected(peer, store);
        self.carry_chats(now);
        self.holding_connected(now, peer, store);
        self.hiring_connected(now, peer);
    }

    fn disconnected(&mut self, now: Time, peer: IdentityId) {
        self.channels_disconnected(now, peer);
        self.chat_disconnected(peer);
        self.holding_disconnected(peer);
        self.hiring_disconnected(peer);
    }

    fn tell(&mut self, news: MarketNews) {
        self.outputs.push_back(Effect::Notify(news));
    }

    fn wake_at(&mut self, time: Time) {
        if self.timer.set(time) {
            self.outputs.push_back(Effect::WakeAt(time));
        }
    }

    /// Makes sure that there is a pair with `peer`.
    fn restore_pair(&mut self, now: Time, peer: IdentityId, store: &impl Store) -> Result<(), MarketDamaged> {
        if self.pairs.contains_key(&peer) {
            return Ok(());
        }
        let mut pair = Pair::restore(&self.config, peer, now, store)?;
        pair.sell(&self.listings);
        self.pairs.insert(peer, pair);
        self.look_at_capacity(peer);
        self.step(now, peer, |pair, step| {
            step.put(PEERS, peer.0.to_vec(), vec![1]);
            pair.start(now, step);
        });
        Ok(())
    }

    /// Feeds the pair with `peer` and commits what comes of it. Nothing happens where there is no such pair.
    fn step(&mut self, now: Time, peer: IdentityId, feed: impl FnOnce(&mut Pair, &mut Step)) {
        let Some(pair) = self.pairs.get_mut(&peer) else { return };
        let mut step = Step::new(peer);
        pair.set_net_max(self.account.left_for(peer));
        feed(pair, &mut step);
        self.account.set_aside(peer, pair.set_aside());
        let step::Finished { news, wakes } = step.commit(now, &mut self.dialogues, &mut self.awaiting);
        let is_credited = news.iter().any(MarketNews::is_credit);
        news.into_iter().for_each(|news| self.tell(news));
        if is_credited {
            self.ask_if_due(now, peer);
            self.watching_credited(now, peer);
            self.holding_credited(now, peer);
            self.hiring_credited(now, peer);
        }
        wakes.into_iter().for_each(|time| self.wake_at(time));
        self.pay_by_lane(now, peer);
    }
}
