//! Many clients of one provider in one process: the production machine for each, its books in memory, and one endpoint with a link for
//! each.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use byway_access::service::{ServiceKind, Services, Socks};
use byway_access::session::{ClientConfig, ClientNews, OpenRequest, ProviderConfig, ResponseId, SessionId};
use byway_crypto::IdentitySecret;
use byway_crypto::noise::StaticKey;
use byway_dialogue::payment::{BackingKind, GiveConfig, TakeConfig};
use byway_dialogue::{Config, Link as DialogueLink, LinkId, LinkProfile, Local, StaticCertificate};
use byway_driver::clock::Clock;
use byway_driver::entropy;
use byway_driver::link::{self, Event, Limits, Link, LinkContact, Links};
use byway_peer::market::{Market, MarketConfig, MarketNews};
use byway_primitives::{Amount, Effect, IdentityId, MemoryStore, NetworkId, Span, Time};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::super::network::seed;

/// How long one client may take to have its session.
const OPEN_WAIT: Duration = Duration::from_secs(20);
/// How long it is waited for something to happen before the clients' timers are looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Where the provider is, and what is asked of it.
pub struct Provider {
    pub identity: IdentityId,
    pub contact: LinkContact,
    pub certificate: StaticCertificate,
    pub request: OpenRequest,
}

/// Clients by the links that they have.
pub struct Crowd {
    network: NetworkId,
    provider: Provider,
    clock: Clock,
    links: Links,
    events: mpsc::Receiver<Event>,
    members: BTreeMap<LinkId, Member>,
    came: usize,
}

struct Member {
    market: Market,
    store: MemoryStore,
    link: Link,
    wake: Option<Time>,
    /// The session that it has.
    session: Option<SessionId>,
}

impl Crowd {
    pub async fn gather(network: NetworkId, provider: Provider) -> anyhow::Result<Self> {
        let config = link::Config {
            bind: vec![(Ipv4Addr::LOCALHOST, 0).into()],
            relay: None,
            seed: seed(&[b"crowd"]),
            limits: Limits { links_max: usize::from(u16::MAX), ..Limits::default() },
        };
        let (links, events) = Links::bind(config).await?;
        let clock = Clock::starting(Time::ZERO);
        Ok(Self { network, provider, clock, links, events, members: BTreeMap::new(), came: 0 })
    }

    /// Has as many come as are missing, one after the other, each until it has a session.
    pub async fn grow_to(&mut self, clients: usize) -> anyhow::Result<()> {
        while self.came < clients {
            self.came += 1;
            let link = self.links.connect(&self.provider.contact).await.context("a client gets no link")?;
            let id = LinkId(link.id().0);
            let member = self.member(link, self.came)?;
            self.members.insert(id, member);
            self.carry_out(id);
            let begun = Instant::now();
            while self.members.get(&id).is_some_and(|member| member.session.is_none()) {
                if begun.elapsed() > OPEN_WAIT {
                    bail!("client {} of {clients} got no session in {} s", self.came, OPEN_WAIT.as_secs());
                }
                self.turn().await?;
            }
        }
        Ok(())
    }

    /// A client that asks for a session along with the opening of its dialogue.
    fn member(&self, link: Link, number: usize) -> anyhow::Result<Member> {
        let own = |purpose: &[u8]| seed(&[b"crowd", purpose, &number.to_le_bytes()]);
        let (now, static_secret) = (self.clock.now(), own(b"static"));
        let identity = IdentitySecret::from_bytes(&own(b"identity")).context("a client's key")?;
        let key = StaticKey::of(&static_secret);
        let certificate = StaticCertificate::issue(&identity, self.network, key, now + Span::days(1));
        let local = Local::new(certificate, static_secret).map_err(|error| anyhow::anyhow!("{error}"))?;
        let mut store = MemoryStore::new();
        let config = market_config(self.network, identity);
        let mut market = Market::open(config, local, &store, now, entropy::seed())?;
        let id = LinkId(link.id().0);
        let profile = LinkProfile::stream(Span::millis(5));
        market.handle_link_up(DialogueLink { id, profile, binding: *link.binding() });
        let Provider { identity, certificate, request, .. } = &self.provider;
        let response = ResponseId(entropy::number());
        market.open_session(now, *identity, response, request.clone(), &store)?;
        market.converse(now, *identity, certificate, id, entropy::seed(), &store)?;
        let mut member = Member { market, store: MemoryStore::new(), link, wake: None, session: None };
        std::mem::swap(&mut member.store, &mut store);
        Ok(member)
    }

    /// Keeps everyone there for a while.
    pub async fn hold(&mut self, span: Duration) -> anyhow::Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < span {
            self.turn().await?;
        }
        Ok(())
    }

    /// How many have their link, their dialogue and their session.
    pub fn present(&self) -> usize {
        let (now, provider) = (self.clock.now(), self.provider.identity);
        let is_there =
            |member: &&Member| member.market.is_talking_to(provider) && !member.market.used_sessions(now).is_empty();
        self.members.values().filter(is_there).count()
    }

    pub async fn leave(self) {
        self.links.close().await;
    }

    /// Takes in the next thing that happens.
    async fn turn(&mut self) -> anyhow::Result<()> {
        match timeout(LOOK, self.events.recv()).await {
            Ok(Some(Event::Frame { link, frame })) => {
                let (id, now) = (LinkId(link.0), self.clock.now());
                if let Some(Member { market, store, .. }) = self.members.get_mut(&id) {
                    market.handle_frame(now, id, &frame, entropy::seed(), store);
                    self.carry_out(id);
                }
            }
            Ok(Some(Event::Down { link, .. })) => drop(self.members.remove(&LinkId(link.0))),
            Ok(Some(Event::Up(_) | Event::Stream { .. })) => {}
            Ok(None) => bail!("the clients' endpoint is gone"),
            Err(_) => self.look_at_timers(),
        }
        Ok(())
    }

    fn look_at_timers(&mut self) {
        let now = self.clock.now();
        let due = self.members.iter().filter(|(_, member)| member.wake.is_some_and(|at| at <= now));
        for id in due.map(|(id, _)| *id).collect::<Vec<_>>() {
            if let Some(Member { market, store, wake, .. }) = self.members.get_mut(&id) {
                *wake = None;
                market.handle_wake(now, store);
                self.carry_out(id);
            }
        }
    }

    fn carry_out(&mut self, id: LinkId) {
        let (now, provider) = (self.clock.now(), self.provider.identity);
        let Some(member) = self.members.get_mut(&id) else { return };
        while let Some(output) = member.market.poll() {
            match output {
                Effect::Persist { batch, token } => {
                    member.store.apply(&batch);
                    member.market.handle_durable(now, token, &member.store);
                }
                Effect::Send { message, .. } => {
                    // A link that takes no more is about to be down.
                    let _ = member.link.try_send_frame(message);
                }
                Effect::WakeAt(at) => member.wake = Some(member.wake.map_or(at, |before| before.min(at))),
                Effect::Notify(MarketNews::Using { news: ClientNews::Connect { session, .. }, .. }) => {
                    member.market.handle_channel(now, provider, session, Ok(()), &member.store);
                    member.session = Some(session);
                }
                Effect::Notify(_) => {}
            }
        }
    }
}

fn market_config(network: NetworkId, identity: IdentitySecret) -> MarketConfig {
    MarketConfig {
        network,
        identity,
        signer: None,
        dialogue: Config::new(network),
        give: GiveConfig { day_max: Amount::MAX },
        take: TakeConfig {
            amount_min: Amount::ZERO,
            backing: BackingKind::Account,
            update: true,
            exposure_max: Amount::ZERO,
            settle_at: Amount::from_coins(1),
            risk: Default::default(),
            advice_wait: Span::seconds(2),
        },
        provider: ProviderConfig::default(),
        client: ClientConfig::default(),
        warnings: None,
        services: Services::new([Box::new(Socks { connections_max: 16 }) as Box<dyn ServiceKind>]),
    }
}
