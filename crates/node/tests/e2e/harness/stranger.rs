//! A peer that keeps to no rules: real links and a real dialogue under somebody's real keys, and over them whatever the
//! story wants said.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use byway_access::SessionMessage;
use byway_access::session::SessionId;
use byway_crypto::noise::StaticKey;
use byway_dialogue::payment::PaymentMessage;
use byway_dialogue::{
    ClosedBecause, Commit, Config, Dialogues, Durability, LinkProfile, Local, News, Outgoing, ProtocolId,
    StaticCertificate,
};
use byway_driver::clock::Clock;
use byway_driver::entropy;
use byway_driver::link::{self, Event, Limits, Link, LinkContact, Links, StreamRecv, StreamSend};
use byway_driver::socks::{StreamHeader, Target, Wanted};
use byway_node::config::Config as NodeConfig;
use byway_node::directory::Directory;
use byway_node::genesis;
use byway_node::hosting::settings;
use byway_node::keystore::Keystore;
use byway_node::passphrase::Passphrase;
use byway_node::peer_node::PeerNodeConfig;
use byway_primitives::{Decode, Effect, Encode, IdentityId, MemoryStore, Span, Time};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::SOON;
use super::network::Network;

/// The settings with which the node of this name would start.
pub fn settings_of(network: &Network, name: &str) -> PeerNodeConfig {
    let path = |name: &str| network.path(name);
    let directory = Directory::new(path(name));
    let passphrase = Passphrase::read(&path("passphrase.txt")).unwrap();
    let keystore = Keystore::open(&directory.keystore_file(), &passphrase).unwrap();
    let config = NodeConfig::load(Path::new(&path(&format!("{name}.toml")))).unwrap();
    let genesis = Arc::new(genesis::load(&path("network.json")).unwrap());
    settings(&config, &keystore, genesis, &directory).unwrap()
}

/// What a stranger hears.
#[derive(Debug)]
pub enum Heard {
    Talking,
    Payment(Box<PaymentMessage>),
    Session(SessionMessage),
    Closed(ClosedBecause),
    LinkDown,
}

/// Somebody else under a node's keys.
pub struct Stranger {
    pub settings: PeerNodeConfig,
    runtime: Runtime,
    links: Links,
    events: mpsc::Receiver<Event>,
    open: BTreeMap<byway_dialogue::LinkId, Link>,
    dialogues: Dialogues,
    store: MemoryStore,
    clock: Clock,
    wake: Option<Time>,
    peer: IdentityId,
    heard: Vec<Heard>,
}

impl Stranger {
    /// Listens at `address` as the node of these settings would, and expects to talk with `peer`.
    pub fn listen(settings: PeerNodeConfig, address: SocketAddr, peer: IdentityId) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (links, events) = runtime.block_on(bind(address, settings.link_seed));
        let clock = Clock::starting(Time::ZERO);
        let local = Local::new(certificate(&settings, clock.now()), *settings.dialogue_secret).unwrap();
        let (store, config) = (MemoryStore::new(), Config::new(settings.genesis.network()));
        let dialogues = Dialogues::restore(config, local, &store, clock.now(), entropy::seed()).unwrap();
        let (open, heard, wake) = (BTreeMap::new(), Vec::new(), None);
        Self { settings, runtime, links, events, open, dialogues, store, clock, wake, peer, heard }
    }

    /// Opens a dialogue with the node of `other`, which listens at `address`.
    pub fn reach(&mut self, other: &PeerNodeConfig, address: SocketAddr) {
        let endpoint = self.runtime.block_on(async {
            let (links, _events) = bind(SocketAddr::from(([127, 0, 0, 1], 0)), other.link_seed).await;
            let id = links.id();
            links.close().await;
            id
        });
        let contact = LinkContact::new(endpoint, StaticKey::of(&other.dialogue_secret), [address], None).unwrap();
        let link = self.runtime.block_on(self.links.connect(&contact)).unwrap();
        let id = self.link_up(link);
        let now = self.clock.now();
        self.dialogues.open(now, self.peer, &certificate(other, now), id, entropy::seed()).unwrap();
        self.carry_out();
        self.until("the dialogue opens", |heard| matches!(heard, Heard::Talking).then_some(()));
    }

    pub fn pay(&mut self, message: &PaymentMessage) {
        self.say(ProtocolId::PAYMENT, message.to_bytes());
    }

    pub fn say_of_session(&mut self, message: &SessionMessage) {
        self.say(ProtocolId::SESSION, message.to_bytes());
    }

    /// Says any bytes.
    pub fn say(&mut self, protocol: ProtocolId, bytes: Vec<u8>) {
        let message = Outgoing { protocol, bytes, durability: Durability::Durable };
        let commit = Commit { sends: vec![(self.peer, message)], ..Commit::default() };
        self.dialogues.commit(self.clock.now(), commit).unwrap();
        self.carry_out();
    }

    /// Waits for something that is said; what comes before it is passed over.
    pub fn until<T>(&mut self, what: &str, mut seen: impl FnMut(&Heard) -> Option<T>) -> T {
        let begun = std::time::Instant::now();
        loop {
            let mut heard = std::mem::take(&mut self.heard).into_iter();
            if let Some(found) = heard.by_ref().find_map(|heard| seen(&heard)) {
                self.heard = heard.collect();
                return found;
            }
            assert!(begun.elapsed() < SOON, "not heard: {what}");
            self.turn();
        }
    }

    /// Answers whatever is said until that gives something.
    pub fn until_answered<T>(&mut self, what: &str, mut answer: impl FnMut(&mut Self, &Heard) -> Option<T>) -> T {
        let begun = std::time::Instant::now();
        loop {
            for heard in std::mem::take(&mut self.heard) {
                if let Some(found) = answer(self, &heard) {
                    return found;
                }
            }
            assert!(begun.elapsed() < SOON, "not heard: {what}");
            self.turn();
        }
    }

    /// A data stream of a session.
    pub fn stream(&self, session: SessionId, target: Target) -> (StreamSend, StreamRecv) {
        let link = self.open.values().next().unwrap();
        let header = StreamHeader { session: session.0, wanted: Wanted::Connection(target) }.to_bytes();
        self.runtime.block_on(link.open_stream(&header)).unwrap()
    }

    /// Does something beside what is said.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(task);
    }

    /// Leaves without a word.
    pub fn leave(self) {
        self.runtime.block_on(self.links.close());
    }

    /// Takes in the next thing that happens.
    fn turn(&mut self) {
        let wake = self.wake.map_or(Span::seconds(1), |at| at.since(self.clock.now()));
        let wait = std::time::Duration::from_millis(wake.0.clamp(1, 1000));
        let (events, runtime) = (&mut self.events, &self.runtime);
        match runtime.block_on(async { timeout(wait, events.recv()).await }) {
            Ok(Some(event)) => self.event(event),
            Ok(None) => panic!("the links are gone"),
            Err(_) => {
                self.wake = None;
                self.dialogues.handle_wake(self.clock.now());
            }
        }
        self.carry_out();
    }

    fn event(&mut self, event: Event) {
        let now = self.clock.now();
        match event {
            Event::Up(link) => drop(self.link_up(link)),
            Event::Frame { link, frame } => {
                self.dialogues.handle_frame(now, byway_dialogue::LinkId(link.0), &frame, entropy::seed());
            }
            Event::Stream { .. } => {}
            Event::Down { link, .. } => {
                let id = byway_dialogue::LinkId(link.0);
                self.open.remove(&id);
                self.dialogues.detach(now, id);
                self.heard.push(Heard::LinkDown);
            }
        }
    }

    fn link_up(&mut self, link: Link) -> byway_dialogue::LinkId {
        let id = byway_dialogue::LinkId(link.id().0);
        let profile = LinkProfile::stream(Span::millis(10));
        // It is announced beside being returned, whichever comes first.
        let _ = self.dialogues.attach(byway_dialogue::Link { id, profile, binding: *link.binding() });
        self.open.insert(id, link);
        id
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.dialogues.poll() {
            match output {
                Effect::Persist { batch, .. } => self.store.apply(&batch),
                Effect::Send { to, message, .. } => {
                    if let Some(link) = self.open.get(&to) {
                        link.try_send_frame(message).unwrap();
                    }
                }
                Effect::WakeAt(at) => self.wake = Some(self.wake.map_or(at, |before| before.min(at))),
                Effect::Notify(news) => self.news(news),
            }
        }
    }

    fn news(&mut self, news: News) {
        match news {
            News::Opened { .. } | News::Resumed { .. } => self.heard.push(Heard::Talking),
            News::Closed { reason, .. } => self.heard.push(Heard::Closed(reason)),
            News::Message(delivery) => {
                let commit = Commit { receipts: vec![delivery.receipt], ..Commit::default() };
                self.dialogues.commit(self.clock.now(), commit).unwrap();
                self.heard.push(match delivery.protocol {
                    ProtocolId::PAYMENT => {
                        Heard::Payment(Box::new(PaymentMessage::from_bytes(&delivery.bytes).unwrap()))
                    }
                    _ => Heard::Session(SessionMessage::from_bytes(&delivery.bytes).unwrap()),
                });
            }
            News::LinkEnded { link, reason } => panic!("the link {link:?} was ended: {reason}"),
            News::Refused { reason, .. } => panic!("refused: {reason}"),
            News::Detached { .. } | News::Drained { .. } | News::Early { .. } => {}
        }
    }
}

async fn bind(address: SocketAddr, seed: [u8; 32]) -> (Links, mpsc::Receiver<Event>) {
    let config = link::Config { bind: vec![address], relay: None, seed, limits: Limits::default() };
    Links::bind(config).await.unwrap()
}

fn certificate(settings: &PeerNodeConfig, now: Time) -> StaticCertificate {
    let (network, key) = (settings.genesis.network(), StaticKey::of(&settings.dialogue_secret));
    StaticCertificate::issue(&settings.identity, network, key, now + Span::days(1))
}
