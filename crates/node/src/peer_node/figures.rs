//! Figures of a running market node, for Prometheus (row A13; `docs/guide/integrators.md` has them in a table).
//!
//! All of them are looked at when somebody asks: nothing is counted for their sake but how often the gate of a used session
//! was closed for want of payment. Money is in millionths of a WAY, whole ones, rounded down: figures are for graphs, and the
//! books are elsewhere.

use std::collections::BTreeMap;

use byway_dialogue::LinkId;
use byway_primitives::{Amount, IdentityId, amount::ONE};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::PeerNode;
use super::actor::Actor;
use crate::api::{ChannelHealth, ChannelRecord, ChannelState, ProgramState, Session};

/// Parts of a WAY that are counted.
const PARTS: u128 = 1_000_000;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Side {
    /// Whether this node uses or serves.
    side: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Way {
    side: &'static str,
    direction: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfService {
    service: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InState {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfHealth {
    health: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BegunBy {
    begun_by: &'static str,
}

/// What the sessions of one side come to.
#[derive(Default)]
struct Sum {
    open: i64,
    all: i64,
    up: u64,
    down: u64,
    cost: Amount,
}

impl PeerNode {
    /// The node's figures as OpenMetrics text; `None` once it has stopped.
    pub async fn figures(&self) -> Option<String> {
        self.call(|actor| actor.figures()).await
    }

    /// The link that the dialogue with a peer is on, and the bytes of datagrams that it has taken, both ways together; `None` without one, and
    /// once the node has stopped.
    pub(crate) async fn link_bytes(&self, peer: IdentityId) -> Option<Option<(LinkId, u64)>> {
        self.call(move |actor| {
            let link = actor.market.link_to(peer)?;
            Some((link, actor.link_handles.get(&link)?.datagram_bytes()))
        })
        .await
    }
}

impl Actor {
    fn figures(&self) -> String {
        let mut registry = Registry::with_prefix("byway");
        self.register_sessions(&mut registry);
        self.register_node(&mut registry);
        register_channels(&self.channel_records(), &mut registry);
        let mut text = String::new();
        match encode(&mut text, &registry) {
            Ok(()) => text,
            Err(error) => {
                tracing::error!(%error, "the figures can't be written");
                String::new()
            }
        }
    }

    fn register_sessions(&self, registry: &mut Registry) {
        let (open, all) = (Family::<Side, Gauge>::default(), Family::<Side, Gauge>::default());
        let (bytes, cost) = (Family::<Way, Gauge>::default(), Family::<Side, Gauge>::default());
        for (side, sum) in sums(&self.session_records(usize::MAX)) {
            let of_side = Side { side };
            open.get_or_create(&of_side).set(sum.open);
            all.get_or_create(&of_side).set(sum.all);
            cost.get_or_create(&of_side).set(parts(sum.cost));
            for (direction, count) in [("up", sum.up), ("down", sum.down)] {
                bytes.get_or_create(&Way { side, direction }).set(whole(count));
            }
        }
        registry.register("sessions_open", "Sessions that may move bytes", open);
        registry.register("sessions", "Sessions there are and were", all);
        registry.register("session_bytes", "Bytes billed in all sessions", bytes);
        registry.register("session_cost_microway", "Cost of all sessions, in millionths of a WAY", cost);
    }

    fn register_node(&self, registry: &mut Registry) {
        let one = |registry: &mut Registry, name: &str, help: &str, value: i64| {
            let gauge: Gauge = Gauge::default();
            gauge.set(value);
            registry.register(name, help, gauge);
        };
        let is_connected = self.session_in_use().is_some();
        one(registry, "connected", "Whether a session is in use", i64::from(is_connected));
        one(registry, "links", "Links to other nodes", whole(self.link_handles.len() as u64));
        one(
            registry,
            "gate_pauses",
            "Pauses of used sessions for want of payment, since the start",
            whole(self.pauses),
        );
        let balance = self.balance();
        one(registry, "wallet_microway", "What the wallet holds, in millionths of a WAY", parts(balance.wallet));
        one(registry, "account_microway", "What the account holds, in millionths of a WAY", parts(balance.account));
        let height = self.ledger.follower().tip().map_or(0, |tip| tip.height.0);
        one(registry, "ledger_height", "The newest checkpoint that is known", whole(height));
        let (running, failed) = (Family::<OfService, Gauge>::default(), Family::<OfService, Gauge>::default());
        for program in self.service_programs() {
            let of_service = OfService { service: program.name };
            running.get_or_create(&of_service).set(i64::from(program.state == ProgramState::Running));
            failed.get_or_create(&of_service).set(whole(program.restarts));
        }
        registry.register("service_running", "Whether the program of a service that plugs in is there", running);
        registry.register("service_failures", "How often it has failed since the start", failed);
    }
}

/// Each figure is there with all its labels, also where there is no such channel: an alert waits for a number.
fn register_channels(channels: &[ChannelRecord], registry: &mut Registry) {
    let (states, health) = (Family::<InState, Gauge>::default(), Family::<OfHealth, Gauge>::default());
    let (disputes, ours) = (Family::<BegunBy, Gauge>::default(), Gauge::<i64>::default());
    for (name, of) in [
        ("opening", &[ChannelState::Proposed, ChannelState::Asked, ChannelState::Accepted, ChannelState::Opening][..]),
        ("open", &[ChannelState::Open]),
        ("closing", &[ChannelState::Closing]),
        ("locked", &[ChannelState::Locked]),
    ] {
        let count = channels.iter().filter(|channel| of.contains(&channel.state)).count();
        states.get_or_create(&InState { state: name }).set(whole(count as u64));
    }
    let live = || channels.iter().filter(|channel| channel.state != ChannelState::Closed);
    for (name, of) in [
        ("sound", ChannelHealth::Sound),
        ("recovering", ChannelHealth::Recovering),
        ("unreadable", ChannelHealth::Unreadable),
        ("frozen", ChannelHealth::Frozen),
    ] {
        let count = live().filter(|channel| channel.health == of).count();
        health.get_or_create(&OfHealth { health: name }).set(whole(count as u64));
    }
    for (begun_by, is_ours) in [("us", true), ("peer", false)] {
        let count = live().filter(|channel| channel.dispute.is_some_and(|dispute| dispute.ours == is_ours)).count();
        disputes.get_or_create(&BegunBy { begun_by }).set(whole(count as u64));
    }
    ours.set(parts(Amount::checked_sum(live().map(|channel| channel.ours)).unwrap_or(Amount::MAX)));
    registry.register("channels", "Channels that are not closed", states);
    registry.register("channels_health", "Those whether this node knows what it needs to go on", health);
    registry.register("channel_disputes", "Channels that somebody is closing on the ledger", disputes);
    registry.register("channel_balance_microway", "What channels hold for this node, in millionths of a WAY", ours);
}

fn sums(sessions: &[Session]) -> BTreeMap<&'static str, Sum> {
    let mut sums = BTreeMap::from([("used", Sum::default()), ("served", Sum::default())]);
    for session in sessions {
        let sum = sums.entry(if session.client.is_some() { "served" } else { "used" }).or_default();
        sum.open += i64::from(session.state.is_open());
        sum.all += 1;
        sum.up = sum.up.saturating_add(session.bytes_up);
        sum.down = sum.down.saturating_add(session.bytes_down);
        sum.cost = sum.cost.checked_add(session.cost).unwrap_or(Amount::MAX);
    }
    sums
}

fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn parts(amount: Amount) -> i64 {
    i64::try_from(amount.units() / (ONE / PARTS)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_shown_in_millionths() {
        for (amount, expected) in [("0", 0), ("1", 1_000_000), ("0.0000019", 1), ("1000000", 1_000_000_000_000)] {
            assert_eq!(parts(amount.parse().unwrap()), expected, "{amount}");
        }
    }
}
