//! Nodes between which payments are sent over hubs.

use std::collections::BTreeMap;

use byway_channel::routing::{
    Exposure, HubTerms, Invoice, PassageId, PaymentHash, PaymentStatus, Preimage, RoutingNews, conduit,
};
use byway_primitives::{Amount, IdentityId, Span};
use byway_records::genesis::Wait;
use byway_records::promise::ChannelId;

pub use crate::net::Net;
use crate::net::{Node, Plan, Terms};
use crate::world::units;

pub const LOCK: Wait = Wait { millis: Span::minutes(60), commits: 5 };
pub const FEE_BASE: u128 = 100;
/// What a hub asks for to send on so much.
pub fn fee(amount: u128) -> u128 {
    FEE_BASE + amount.div_ceil(1_000)
}

pub fn hub_terms() -> HubTerms {
    HubTerms {
        fee_base: units(FEE_BASE),
        fee_per_million: 1_000,
        amount_min: units(1_000),
        delta: Span::minutes(10),
        per_peer: Exposure { amount: units(3_000_000), payments: 8 },
        in_all: Exposure { amount: units(6_000_000), payments: 12 },
    }
}

impl Net {
    /// Nodes with channels between these; all but the first and the last are hubs.
    pub fn with_channels(count: usize, edges: &[(usize, usize)]) -> Self {
        let routing = |number| (number > 0 && number + 1 < count).then(hub_terms);
        let terms: Vec<Terms> =
            (0..count).map(|number| Terms { routing: routing(number), ..Terms::default() }).collect();
        let channels: Vec<_> = (0..).zip(edges).map(|(number, (one, other))| (number, *one, *other)).collect();
        Self::of(&Plan { terms: &terms, edges, channels: &channels, lock: LOCK, codes: &[conduit::code()] })
    }

    /// Sets on what terms a node is a hub.
    pub fn set_terms(&mut self, number: usize, terms: Option<HubTerms>) {
        self.nodes[number].terms.routing = terms;
        self.crash(number);
        self.run();
    }

    // Paying.

    pub fn invoice(&mut self, payee: usize, amount: u128) -> Invoice {
        self.numbered += 1;
        let peers = self.edges.iter().filter_map(|(one, other)| match (*one == payee, *other == payee) {
            (true, _) => Some(*other),
            (_, true) => Some(*one),
            _ => None,
        });
        let hubs = peers.map(|peer| self.id(peer)).collect();
        let (expires, preimage) = (self.now + Span::minutes(60), Preimage([self.numbered; 32]));
        let node = &mut self.nodes[payee];
        let invoice = node.router.invoice(&node.secret, preimage, units(amount), expires, hubs, None);
        self.collect(payee);
        invoice.to_string().parse().unwrap()
    }

    pub fn pay(&mut self, payer: usize, invoice: &Invoice) -> PaymentHash {
        let (now, node) = (self.now, &mut self.nodes[payer]);
        let entropy = [payer as u8 + 50; 32];
        node.router.pay(now, &node.channels, invoice, units(50_000), entropy).unwrap();
        self.collect(payer);
        invoice.terms.hash
    }

    pub fn status(&self, payer: usize, hash: PaymentHash) -> PaymentStatus {
        self.nodes[payer].router.payment(hash).unwrap()
    }

    pub fn is_paid(&self, payer: usize, hash: PaymentHash) -> bool {
        matches!(self.status(payer, hash), PaymentStatus::Paid { .. })
    }

    // What there is.

    fn node(&self, id: IdentityId) -> &Node {
        self.nodes.iter().find(|node| node.secret.id() == id).unwrap()
    }

    pub fn channel(&self, one: usize, other: usize) -> ChannelId {
        let (node, peer) = (&self.nodes[one], self.id(other));
        node.channels.iter().find(|(key, _)| key.peer == peer).and_then(|(_, machine)| machine.id()).unwrap()
    }

    /// Nothing is on its way, nothing is left in the contracts, and all agree.
    pub fn assert_clean(&self) {
        for node in &self.nodes {
            assert_eq!(node.router.on_their_way().collect::<Vec<_>>(), []);
            for (key, machine) in node.channels.iter() {
                assert!(!conduit::holds(machine.state()));
                let peer = &self.node(key.peer).channels;
                let theirs = peer.get(peer.key_of(machine.id().unwrap()).unwrap()).unwrap();
                assert_eq!(machine.position(), theirs.position());
            }
        }
    }

    pub fn received(&self, payee: usize) -> Amount {
        // What was told before a crash, and not written down, is told again.
        let received = self.nodes[payee].routing_news.iter().filter_map(|news| match news {
            RoutingNews::Received { passage, amount, .. } => Some((*passage, *amount)),
            _ => None,
        });
        let received: BTreeMap<PassageId, Amount> = received.collect();
        Amount::checked_sum(received.into_values()).unwrap()
    }
}
