//! A holder that keeps to no rules: real links, real dialogues and the real machine under somebody's real keys, and between them whatever
//! it is to do wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use byway_chat::holding::{
    Bill, Cursor, EnvelopeId, HeldBatch, HoldMessage, HoldRefusal, Holder, HolderTerms, Receipt, Word,
};
use byway_crypto::noise::StaticKey;
use byway_dialogue::{
    Commit, Config, Delivery, Dialogues, Durability, LinkId, LinkProfile, Local, News, Outgoing, ProtocolId,
    StaticCertificate,
};
use byway_driver::clock::Clock;
use byway_driver::entropy;
use byway_driver::link::{self, Event, Limits, Link, Links};
use byway_node::peer_node::PeerNodeConfig;
use byway_primitives::{Amount, Decode, Effect, Encode, Hash, IdentityId, MemoryStore, Span, Time};
use tokio::task::JoinHandle;

/// What it does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conduct {
    /// Hands nothing over.
    Withholds,
    /// Hands over what it has when it is asked for the third time.
    Late,
    /// Says everything twice.
    Duplicates,
    /// Says what it has to say in another order.
    Reorders,
    /// Says that it holds what it threw away, and that it was received, and hands over what nobody gave it.
    Lies,
    /// Refuses, since it was not paid.
    Unpaid,
}

/// For how long what is to be said in another order is collected.
const COLLECTED: Duration = Duration::from_millis(100);

/// What the test and the holder's task share.
struct Shared {
    conduct: Conduct,
    announced: BTreeSet<EnvelopeId>,
    fetches: usize,
}

pub struct HostileHolder {
    shared: Arc<Mutex<Shared>>,
    task: JoinHandle<()>,
}

impl Drop for HostileHolder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl HostileHolder {
    /// In the place of the node of these settings, which listens at `address`.
    pub async fn start(settings: PeerNodeConfig, address: SocketAddr, conduct: Conduct) -> Self {
        let config =
            link::Config { bind: vec![address], relay: None, seed: settings.link_seed, limits: Limits::default() };
        let (links, mut events) = Links::bind(config).await.unwrap();
        let shared = Arc::new(Mutex::new(Shared { conduct, announced: BTreeSet::new(), fetches: 0 }));
        let mut side = Side::new(settings, shared.clone());
        let task = tokio::spawn(async move {
            // They end with their owner.
            let _links = links;
            loop {
                match tokio::time::timeout(COLLECTED, events.recv()).await {
                    Ok(Some(event)) => side.event(event),
                    Ok(None) => return,
                    Err(_) => side.time_passes(),
                }
            }
        });
        Self { shared, task }
    }

    pub fn set(&self, conduct: Conduct) {
        let mut shared = self.shared.lock().unwrap();
        (shared.conduct, shared.fetches) = (conduct, 0);
    }

    /// Envelopes that were announced to it, and fetches since its conduct was set.
    pub fn seen(&self) -> (usize, usize) {
        let shared = self.shared.lock().unwrap();
        (shared.announced.len(), shared.fetches)
    }
}

/// The holder's side of all its dialogues.
struct Side {
    settings: PeerNodeConfig,
    shared: Arc<Mutex<Shared>>,
    links: BTreeMap<LinkId, Link>,
    dialogues: Dialogues,
    holder: Holder,
    store: MemoryStore,
    clock: Clock,
    collected: Vec<(IdentityId, HoldMessage)>,
}

impl Side {
    fn new(settings: PeerNodeConfig, shared: Arc<Mutex<Shared>>) -> Self {
        let (clock, network, store) = (Clock::starting(Time::ZERO), settings.genesis.network(), MemoryStore::new());
        let key = StaticKey::of(&settings.dialogue_secret);
        let certificate = StaticCertificate::issue(&settings.identity, network, key, clock.now() + Span::days(1));
        let local = Local::new(certificate, *settings.dialogue_secret).unwrap();
        let config = Config::new(network);
        let dialogues = Dialogues::restore(config, local, &store, clock.now(), entropy::seed()).unwrap();
        let mut holder = Holder::load(network, &store).unwrap();
        holder.set_terms(Some(HolderTerms {
            price: Amount::ZERO,
            clients_max: 10,
            bytes_max: 1_000_000_000,
            client_bytes_max: 100_000_000,
            client_count_max: 10_000,
            time_max: Span::days(30),
        }));
        let (links, collected) = (BTreeMap::new(), Vec::new());
        Self { settings, shared, links, dialogues, holder, store, clock, collected }
    }

    fn event(&mut self, event: Event) {
        let now = self.clock.now();
        match event {
            Event::Up(link) => {
                let id = LinkId(link.id().0);
                let profile = LinkProfile::stream(Span::millis(10));
                let _ = self.dialogues.attach(byway_dialogue::Link { id, profile, binding: *link.binding() });
                self.links.insert(id, link);
            }
            Event::Frame { link, frame } => {
                self.dialogues.handle_frame(now, LinkId(link.0), &frame, entropy::seed());
            }
            Event::Stream { .. } => {}
            Event::Down { link, .. } => {
                self.links.remove(&LinkId(link.0));
                self.dialogues.detach(now, LinkId(link.0));
            }
        }
        self.carry_out();
    }

    fn time_passes(&mut self) {
        self.dialogues.handle_wake(self.clock.now());
        let collected = std::mem::take(&mut self.collected);
        collected.into_iter().rev().for_each(|(to, message)| self.say(to, &message));
        self.carry_out();
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.dialogues.poll() {
            match output {
                Effect::Persist { batch, .. } => self.store.apply(&batch),
                Effect::Send { to, message, .. } => {
                    if let Some(link) = self.links.get(&to) {
                        // A link may be gone by now.
                        let _ = link.try_send_frame(message);
                    }
                }
                Effect::WakeAt(_) => {}
                Effect::Notify(News::Opened { peer, .. } | News::Resumed { peer, .. }) => {
                    self.holder.handle_connected(peer);
                }
                Effect::Notify(News::Message(delivery)) => self.heard(&delivery),
                Effect::Notify(_) => {}
            }
        }
    }

    fn heard(&mut self, delivery: &Delivery) {
        let commit = Commit { receipts: vec![delivery.receipt], ..Commit::default() };
        self.dialogues.commit(self.clock.now(), commit).unwrap();
        if delivery.protocol == ProtocolId::HOLDING {
            self.hold_message(delivery.receipt.peer, HoldMessage::from_bytes(&delivery.bytes).unwrap());
        }
    }

    fn hold_message(&mut self, from: IdentityId, message: HoldMessage) {
        let conduct = {
            let mut shared = self.shared.lock().unwrap();
            match &message {
                HoldMessage::Announce { envelopes, .. } => {
                    shared.announced.extend(envelopes.iter().map(|announced| announced.envelope));
                }
                HoldMessage::Fetch { from } if *from == Cursor::default() => shared.fetches += 1,
                _ => {}
            }
            shared.conduct
        };
        let answers = match (conduct, &message) {
            (Conduct::Lies, HoldMessage::Announce { .. } | HoldMessage::Fetch { .. }) => self.lies(&message),
            (Conduct::Unpaid, HoldMessage::Use { .. } | HoldMessage::Announce { .. } | HoldMessage::Fetch { .. }) => {
                unpaid(&message)
            }
            _ => return self.honest(from, message, conduct),
        };
        answers.iter().for_each(|answer| self.say(from, answer));
    }

    /// What the machine says, as far as that is said.
    fn honest(&mut self, from: IdentityId, message: HoldMessage, conduct: Conduct) {
        self.holder.handle_message(self.clock.now(), from, message, Amount::ZERO, &self.store);
        let step = self.holder.take_step();
        self.store.apply(&step.batch);
        let is_early = self.shared.lock().unwrap().fetches < 3;
        for (to, message) in step.sends {
            match conduct {
                Conduct::Withholds if matches!(message, HoldMessage::Batch(_)) => self.say(to, &nothing()),
                Conduct::Late if is_early && matches!(message, HoldMessage::Batch(_)) => self.say(to, &nothing()),
                Conduct::Duplicates => {
                    self.say(to, &message);
                    self.say(to, &message);
                }
                Conduct::Reorders => self.collected.push((to, message)),
                _ => self.say(to, &message),
            }
        }
    }

    fn lies(&self, message: &HoldMessage) -> Vec<HoldMessage> {
        let HoldMessage::Announce { client, envelopes } = message else {
            let mut batch = HeldBatch::default();
            batch.has_more = true;
            batch.add(Cursor::default(), (EnvelopeId(Hash([7; 32])), Time(u64::MAX)), &[1; 600]);
            return vec![HoldMessage::Batch(batch)];
        };
        let word = |(envelope, word)| HoldMessage::Word { client: *client, envelope, word };
        let all = envelopes.iter().flat_map(|announced| {
            let envelope = announced.envelope;
            let forged = Receipt::sign(&self.settings.identity, self.settings.genesis.network(), envelope);
            [(envelope, Word::Had(forged)), (envelope, Word::Held)]
        });
        all.map(word).collect()
    }

    fn say(&mut self, to: IdentityId, message: &HoldMessage) {
        let outgoing =
            Outgoing { protocol: ProtocolId::HOLDING, bytes: message.to_bytes(), durability: Durability::Volatile };
        // Whoever it is for may be gone.
        let _ = self.dialogues.commit(self.clock.now(), Commit { sends: vec![(to, outgoing)], ..Commit::default() });
    }
}

fn nothing() -> HoldMessage {
    HoldMessage::Batch(HeldBatch::default())
}

fn unpaid(message: &HoldMessage) -> Vec<HoldMessage> {
    let refusal = HoldRefusal::Unpaid;
    match message {
        HoldMessage::Announce { client, envelopes } => {
            let word = |envelope| HoldMessage::Word { client: *client, envelope, word: Word::Refused(refusal) };
            envelopes.iter().map(|announced| word(announced.envelope)).collect()
        }
        HoldMessage::Use { .. } => vec![HoldMessage::Refused { refusal, bill: Bill::default() }],
        _ => vec![HoldMessage::Refused { refusal: HoldRefusal::NotClient, bill: Bill::default() }],
    }
}
