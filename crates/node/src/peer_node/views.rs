//! The task's state as the local API shows it.

use byway_access::session::{Measure, SessionState as Standing, SessionView};
use byway_driver::link;
use byway_kernel::follower::protocol::{Pulse, Status};
use byway_primitives::{Amount, AssetId, IdentityId, Span, Time};
use byway_records::offer::{Action, Unit};
use byway_records::state::PublishedOffer;
use byway_records::{Backing, Height, OfferId};

use super::Actor;
use super::forwarding::FORWARD_PROTOCOL;
use super::plugging::name_of;
use super::ways::{Connected, Connection as Exit, Flow, Way};
use crate::api::params::{LIMIT_MAX, Serial};
use crate::api::*;
use crate::api::{Event, OfferFilter, event::WalletChange};
use crate::explorer::{MemberView, pulse_view};

/// Settled promises are shown for this long.
const SETTLED_SHOWN: Span = Span::days(30);

impl Actor {
    pub(super) fn status(&self) -> NodeStatus {
        NodeStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            network: self.network,
            network_name: self.config.genesis.name.clone(),
            role: self.config.role,
            uptime_seconds: self.started.elapsed().as_secs(),
            ledger: self.ledger_view(),
            identity: self.identity(),
            person: Some(self.chat_me()).filter(|person| *person != self.me()),
            balance: self.balance(),
            proxy: Proxy {
                address: self.config.proxy_address.clone(),
                accepting: self.ways.main.exits.borrow().is_open(),
            },
            connection: self.connection_view(&self.ways.main),
            hops: self.hop_views(),
            relay: self.relay_view(),
            spending: self.spending(),
            backup: self.backup_view(),
        }
    }

    fn ledger_view(&self) -> LedgerView {
        let clock = self.ledger_clock();
        let nodes = self.ledger.follower().epoch().seats.counting().map(|(index, member)| {
            let seen = self.kernel_view.values().filter_map(|(status, _)| status.rounds.get(usize::from(index))).max();
            KernelNode {
                index,
                name: member.name.clone(),
                reachable: self.kernel_view.contains_key(&index),
                round: seen.copied().unwrap_or(0),
            }
        });
        LedgerView {
            height: self.ledger.follower().tip().map_or(0, |tip| tip.height.0),
            commits: clock.commits,
            time_ms: clock.time,
            lag_ms: self.lag(),
            kernel_nodes: nodes.collect(),
            finality_ms_p50: self.finality(|status| status.finality_ms_p50),
        }
    }

    /// How far the newest checkpoint that kernel nodes credibly know of is ahead of ours; `None` if no node answers.
    pub(super) fn lag(&self) -> Option<u64> {
        let claims: Vec<(Height, Time)> =
            self.kernel_view.values().map(|(status, _)| (status.height, status.time)).collect();
        let tip = self.ledger.follower().tip().map(|tip| (tip.height, tip.time));
        lag(&claims, self.kernel.faults_tolerated(), tip, self.config.genesis.time)
    }

    pub(super) fn identity(&self) -> Identity {
        let id = self.me();
        let (name, registered) = (self.config.name.clone(), self.is_registered(id));
        Identity { id, name, registered, purpose: None, number: None }
    }

    /// All identities of the keystore, by number.
    pub(super) fn identities(&self) -> Vec<Identity> {
        let known = self.config.identities.iter().map(|known| Identity {
            id: known.id,
            name: known.name.clone(),
            registered: self.is_registered(known.id),
            purpose: Some(known.purpose),
            number: Some(known.number),
        });
        known.collect()
    }

    pub(super) fn balance(&self) -> Balance {
        let wallet = self.wallet.balance(AssetId::WAY);
        let account = self.account(self.me());
        let withdrawing = self.withdrawing();
        let leaving = Amount::checked_sum(withdrawing.iter().map(|part| part.amount)).unwrap_or(account.balance);
        Balance {
            wallet: wallet.free,
            account: account.balance.saturating_sub(leaving),
            reserved: self.reserved(self.me()),
            pending: wallet.held,
            withdrawing,
            assets: self.asset_balances(),
        }
    }

    /// Where a way stands.
    pub(super) fn connection_view(&self, way: &Way) -> Connection {
        let mut view = Connection {
            state: ConnectionState::Idle,
            since_ms: Time::ZERO,
            session_id: None,
            offer_id: None,
            provider: None,
            country: None,
            asn: None,
            reason: None,
            path: None,
            rate_down_bps: 0,
            rate_up_bps: 0,
        };
        match &way.connection {
            Exit::Idle { since } => view.since_ms = *since,
            Exit::Disconnected { since } => (view.state, view.since_ms) = (ConnectionState::Disconnected, *since),
            Exit::Failed { since, reason } => {
                (view.state, view.since_ms) = (ConnectionState::Failed, *since);
                view.reason = Some(Reason::new("failed", reason.clone()));
            }
            Exit::Stopped(stopped) => {
                (view.state, view.since_ms) = (ConnectionState::Paused, stopped.since);
                view.reason = Some(Reason::new("spending_limit", stopped.over.to_string()));
            }
            Exit::Connecting(connecting) => {
                (view.state, view.since_ms) = (ConnectionState::Connecting, connecting.since);
                view.offer_id = Some(connecting.current.id);
                view.provider = Some(connecting.current.offer.offer.provider);
                view.country = Some(connecting.current.offer.offer.exit.country);
                view.asn = Some(connecting.current.offer.offer.exit.asn);
            }
            Exit::Connected(connected) => {
                view.reason = standstill(connected);
                let flows = view.reason.is_none();
                view.state = if flows { ConnectionState::Connected } else { ConnectionState::Paused };
                view.since_ms = connected.since;
                view.session_id = Some(SessionId(connected.session.to_string()));
                view.offer_id = Some(OfferId::of(connected.offer.provider, connected.offer.serial));
                view.provider = Some(connected.offer.provider);
                view.country = Some(connected.offer.exit.country);
                view.asn = Some(connected.offer.exit.asn);
                view.path = self.path_of(connected);
                if let Some(using) = self.using.get(&connected.session).filter(|_| flows) {
                    (view.rate_down_bps, view.rate_up_bps) = using.rate;
                }
            }
        }
        view
    }

    /// By which way the session's bytes go; `None` while there is no link.
    fn path_of(&self, connected: &Connected) -> Option<Path> {
        let guest = self.tunnelling.guest.as_ref().filter(|(session, _)| *session == connected.session);
        match guest {
            Some((_, guest)) if guest.is_over_relays() => return Some(Path::Relayed),
            Some((_, guest)) if !guest.is_over_link() => return Some(Path::Direct),
            _ => {}
        }
        let link = self.link_handles.get(&self.market.link_to(connected.offer.provider)?)?;
        Some(match link.profile().path {
            link::Path::Direct => Path::Direct,
            link::Path::Relayed => Path::Relayed,
            link::Path::Nested => Path::Nested,
        })
    }

    /// With the price to this node: by that unit, or by the MB or else the second.
    pub(super) fn offer_view(&self, published: &PublishedOffer, by: Option<Unit>) -> Offer {
        let offer = &published.offer.offer;
        let price = |unit: Unit| {
            let amount = offer.price(unit, AssetId::WAY, self.score_of(self.me()))?;
            Some(Price { unit: unit.into(), amount, asset: AssetId::WAY, min_reputation: 0 })
        };
        let price = by.map_or_else(|| Measure::ALL.into_iter().find_map(|measure| price(measure.unit())), price);
        let rules = offer.exit_policy.iter().map(|rule| {
            let action = if rule.action == Action::Allow { "allow" } else { "deny" };
            format!("{action} {} {}-{}", rule.network, rule.port_first, rule.port_last)
        });
        Offer {
            offer_id: published.id(),
            provider: offer.provider,
            serial: Serial(offer.serial),
            service: offer.service,
            service_name: name_of(&offer.contacts, offer.service),
            country: offer.location.country,
            exit_country: offer.exit.country,
            asn: offer.exit.asn,
            bandwidth_bps: offer.bandwidth_bps,
            prices: offer.prices.iter().map(|price| Price::from(*price)).collect(),
            price,
            exit_policy: rules.collect(),
            contacts: offer
                .contacts
                .iter()
                .map(|contact| Contact { protocol: contact.protocol.clone(), data: hex::encode(&contact.data) })
                .collect(),
            published_ms: published.published,
            expires_ms: published.expires.time,
            preferred: self.preferred.contains(&offer.provider),
            forwards: offer.contacts.iter().any(|contact| contact.protocol == FORWARD_PROTOCOL),
            quality: self.quality_view(offer),
        }
    }

    /// Offers that pass, the one that would be taken first.
    pub(super) fn offers(&self, filter: &OfferFilter, limit: usize) -> Vec<Offer> {
        let found = self.index.candidates(self.query(filter), self.ledger_clock());
        let published = found.filter_map(|candidate| self.index.offer(candidate.id)).take(limit);
        let by = filter.unit.map(Unit::from);
        published.map(|published| self.offer_view(published, by)).collect()
    }

    /// Our own offers on the market.
    pub(super) fn own_offers(&self) -> Vec<Offer> {
        let clock = self.ledger_clock();
        let own = self.index.of_provider(self.me());
        let valid = own.filter(|published| !published.expires.passed(clock.time, clock.commits));
        valid.map(|published| self.offer_view(published, None)).collect()
    }

    /// Sessions that this node uses or serves, or did, newest first.
    pub(super) fn session_records(&self, limit: usize) -> Vec<Session> {
        let now = self.clock.now();
        let used = self.market.used_sessions(now).into_iter().map(|(provider, view)| self.session(provider, &view));
        let served =
            self.market.served_sessions(now).into_iter().map(|(client, view)| self.served_session(client, &view));
        let mut sessions: Vec<Session> = used.chain(served).collect();
        sessions.extend(self.ended_sessions.iter().cloned());
        sessions.sort_by_key(|session| std::cmp::Reverse(session.started_ms));
        sessions.truncate(limit);
        sessions
    }

    pub(super) fn session(&self, provider: IdentityId, view: &SessionView) -> Session {
        let now = self.clock.now();
        let offer = self.index.offer(view.offer).map(|published| &published.offer.offer);
        let started = now - view.duration;
        Session {
            id: SessionId(view.id.to_string()),
            offer_id: view.offer,
            provider,
            client: None,
            service: view.service,
            country: offer.map(|offer| offer.exit.country),
            bytes_up: view.billed.traffic.up,
            bytes_down: view.billed.traffic.down,
            seconds: view.duration.0 / 1000,
            seconds_served: view.billed.time.0 / 1000,
            price: Price {
                unit: view.tariff.measure.unit().into(),
                amount: view.tariff.price,
                asset: AssetId::WAY,
                min_reputation: 0,
            },
            cost: view.cost,
            paid: self
                .market
                .pair(provider)
                .map_or(view.cost, |pair| view.cost.checked_add(pair.ahead).unwrap_or(view.cost)),
            channel: self.paid_out_of(provider),
            state: match view.state {
                Standing::Connecting => SessionState::Opening,
                Standing::Running => SessionState::Active,
                Standing::Paused => SessionState::Paused,
                Standing::Stopping => SessionState::Closed,
            },
            reason: None,
            started_ms: started,
            ended_ms: None,
        }
    }

    /// A session of a client here. What was paid is what its promises cover of all its sessions.
    pub(super) fn served_session(&self, client: IdentityId, view: &SessionView) -> Session {
        let session = self.session(self.me(), view);
        Session { client: Some(client), paid: view.cost, channel: self.paid_by_lane(client), ..session }
    }

    /// Promises to and from one peer.
    pub(super) fn promises_with(&self, peer: IdentityId) -> Vec<Promise> {
        let Some(pair) = self.market.pair(peer) else { return Vec::new() };
        let kind = |backing| match backing {
            Backing::Account => BackingKind::Account,
            Backing::Reservation(_) => BackingKind::Reservation,
            Backing::Channel(_) => BackingKind::Channel,
        };
        let (now, out) = (self.clock.now(), self.promise_log.mark(Direction::Out, peer));
        let into = self.promise_log.mark(Direction::In, peer);
        let given = pair.given.map(|given| {
            let settled = self.settled_of(self.me(), peer);
            let same = settled.serial == given.promise.serial;
            Promise {
                direction: Direction::Out,
                counterparty: peer,
                serial: Serial(given.promise.serial),
                amount: given.promise.amount,
                settled: if same { settled.amount } else { Amount::ZERO },
                backing: kind(given.promise.series.backing),
                updated_ms: out.updated.or(out.settled_at).unwrap_or(now),
                settled_ms: out.settled_at,
            }
        });
        let is_settled = pair.taken.is_empty();
        let taken = pair.taken.into_iter().map(|taken| Promise {
            direction: Direction::In,
            counterparty: peer,
            serial: Serial(taken.promise.promise.serial),
            amount: taken.promise.promise.amount,
            settled: taken.promise.promise.amount.saturating_sub(taken.unsettled),
            backing: kind(taken.promise.promise.series.backing),
            updated_ms: into.updated.or(into.settled_at).unwrap_or(now),
            settled_ms: into.settled_at,
        });
        let done = into.settled_at.filter(|at| is_settled && now < *at + SETTLED_SHOWN).map(|at| {
            let settled = self.settled_of(peer, self.me());
            Promise {
                direction: Direction::In,
                counterparty: peer,
                serial: Serial(settled.serial),
                amount: settled.amount,
                settled: settled.amount,
                backing: BackingKind::Account,
                updated_ms: at,
                settled_ms: Some(at),
            }
        });
        given.into_iter().chain(taken).chain(done).collect()
    }

    /// Whether something that we promised is not settled yet.
    pub(super) fn owes(&self, peer: IdentityId) -> bool {
        let promises = self.promises_with(peer);
        promises.iter().any(|promise| promise.direction == Direction::Out && promise.settled < promise.amount)
    }

    pub(super) fn publish_status(&self) {
        self.tell(Event::Status(Box::new(self.status())));
    }

    pub(super) fn publish_wallet(&self) {
        self.tell(Event::Wallet(WalletChange { balance: self.balance(), entries: self.entries(20) }));
    }

    pub(super) fn publish_offers(&self) {
        self.tell(Event::Offers(self.offers(&OfferFilter::default(), LIMIT_MAX as usize)));
    }

    pub(super) fn publish_promises(&self, peer: IdentityId) {
        self.promises_with(peer).into_iter().for_each(|promise| self.tell(Event::Promise(promise)));
    }

    pub(super) fn publish_sessions(&self, provider: IdentityId) {
        let now = self.clock.now();
        let theirs = self.market.used_sessions(now).into_iter().filter(|(peer, _)| *peer == provider);
        theirs.for_each(|(peer, view)| self.tell(Event::Session(self.session(peer, &view))));
    }
}

impl Actor {
    /// What one kernel node saw lately. Nothing is decided on it.
    pub(super) fn pulse(&self, pulse: &Pulse) -> KernelPulse {
        let tip = self.ledger.follower().tip().map(|tip| PulseCheckpoint {
            height: tip.height.0,
            time_ms: tip.time,
            signers: self.signers.clone(),
            size: self.ledger.follower().epoch().seats.count() as u64,
            quorum: self.ledger.follower().epoch().seats.quorum() as u64,
        });
        let finality = Finality {
            p50: self.finality(|status| status.finality_ms_p50),
            p99: self.finality(|status| status.finality_ms_p99),
        };
        pulse_view(pulse, tip, finality, self.clock.now())
    }

    /// How each kernel node seems to do, from here, by seat.
    pub(super) fn member_views(&self) -> Vec<MemberView> {
        let members = (0..self.ledger.follower().epoch().seats.places() as u8).map(|index| {
            let seen = self.kernel_view.values().filter_map(|(status, _)| status.rounds.get(usize::from(index))).max();
            let own = self.kernel_view.get(&index);
            // A node counts itself among those it is connected to.
            let connected =
                own.map(|(status, _)| status.connected.iter().filter(|connected| **connected).count() as u64);
            MemberView {
                reachable: own.is_some(),
                round: seen.copied().unwrap_or(0),
                latency_ms: own.map(|(_, latency)| latency.0),
                connected: connected.map(|count| count.saturating_sub(1)),
            }
        });
        members.collect()
    }

    /// The median of what kernel nodes say of transactions handed to them; those that were handed none say nothing.
    fn finality(&self, of: impl Fn(&Status) -> u64) -> Option<u64> {
        let mut said: Vec<u64> = self.kernel_view.values().map(|(status, _)| of(status)).filter(|ms| *ms > 0).collect();
        said.sort_unstable();
        said.get(said.len() / 2).copied()
    }
}

/// How many milliseconds the kernel is ahead of our `tip` (none yet: of `genesis`) by what its nodes claim; `None` if none
/// claims anything. A kernel with nothing to do certifies nothing, so that the time alone says little.
///
/// Of the heights, and likewise of the times, the highest counts that more nodes reach than may lie (`faults`), so that
/// liars alone put us behind nothing. Where so few answer that none is beyond doubt, the lowest does.
fn lag(claims: &[(Height, Time)], faults: usize, tip: Option<(Height, Time)>, genesis: Time) -> Option<u64> {
    let mut heights: Vec<Height> = claims.iter().map(|(height, _)| *height).collect();
    let mut times: Vec<Time> = claims.iter().map(|(_, time)| *time).collect();
    heights.sort_unstable_by(|a, b| b.cmp(a));
    times.sort_unstable_by(|a, b| b.cmp(a));
    let height = heights.get(faults).or(heights.last())?;
    let time = times.get(faults).or(times.last())?;
    Some(match tip {
        None => time.since(genesis).0,
        Some((ours, at)) if *height > ours => time.since(at).0,
        Some(_) => 0,
    })
}

/// Why nothing flows in the session in use, if so.
fn standstill(connected: &Connected) -> Option<Reason> {
    match connected.flow {
        Flow::Ending => Some(Reason::new("ending", "the session is ending; the provider's last bill is awaited")),
        _ if connected.lost.is_some() => {
            Some(Reason::new("link_lost", "the link to the provider is lost; it is dialled again"))
        }
        Flow::Paused { .. } => Some(Reason::new(
            "remainder_zero",
            "the provider has used up what it was promised; it goes on when it takes the next promise",
        )),
        Flow::Open => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Heights and times that kernel nodes claim, our height, and the lag.
    type Row = (&'static [(u64, u64)], Option<u64>, Option<u64>);

    #[test]
    fn one_liar_puts_a_node_behind_nothing() {
        const FAR: u64 = 1 << 40;
        // Claims of four nodes at most, of which one may lie; our height, at which the time is tenfold; the lag.
        let rows: [Row; 10] = [
            (&[], Some(5), None),
            (&[(5, 50), (5, 50), (5, 50), (FAR, FAR)], Some(5), Some(0)),
            (&[(7, 70), (7, 70), (6, 60), (FAR, FAR)], Some(5), Some(20)),
            (&[(7, 70), (7, FAR), (7, 70), (7, 70)], Some(5), Some(20)),
            (&[(7, 70), (7, 70), (7, 70), (0, 0)], Some(5), Some(20)),
            (&[(4, 40), (4, 40), (4, 40), (4, 40)], Some(5), Some(0)),
            (&[(5, 50), (FAR, FAR)], Some(5), Some(0)),
            (&[(7, 70)], Some(5), Some(20)),
            (&[(7, 70), (7, 70), (FAR, FAR)], None, Some(70)),
            (&[(0, 0), (0, 0), (0, 0), (FAR, FAR)], None, Some(0)),
        ];
        for (claims, ours, expected) in rows {
            let claimed: Vec<_> = claims.iter().map(|(height, time)| (Height(*height), Time(*time))).collect();
            let tip = ours.map(|height| (Height(height), Time(10 * height)));
            assert_eq!(lag(&claimed, 1, tip, Time(0)), expected, "{claims:?}");
        }
    }
}
