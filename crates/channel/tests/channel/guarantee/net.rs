//! Two who have no channel with each other, and their hub.

use byway_channel::guarantee::{GuaranteeMessage, GuaranteeTerms, OFFER_TIME, contract};
use byway_channel::{ChannelHandle, ChannelKey, Life};
use byway_primitives::Span;
use byway_records::channel::{ChannelAssets, ChannelTerms, Environment, Remainder, VirtualTerms};
use byway_records::genesis::Wait;
use byway_records::promise::ChannelId;

pub use crate::net::{Net, secret};
use crate::net::{Plan, Terms};
use crate::world::units;

/// The two, and the hub between them.
pub const ONE: usize = 0;
pub const HUB: usize = 1;
pub const OTHER: usize = 2;
/// Who can talk with whom.
const EDGES: [(usize, usize); 3] = [(ONE, HUB), (HUB, OTHER), (ONE, OTHER)];

pub const PARENT_LOCK: Wait = Wait { millis: Span::minutes(60), commits: 20 };
pub const LOCK: Wait = Wait { millis: Span::minutes(10), commits: 5 };
pub const DISPUTE: Wait = Wait { millis: Span::minutes(20), commits: 10 };
/// What the two put into their virtual one.
pub const PARTS: [u128; 2] = [1_000_000, 800_000];
pub const VIRTUAL_RESERVE: u128 = 1_000;
pub const FEE_BASE: u128 = 100;
pub const LIFE: Span = Span::minutes(120);

pub fn hub_terms() -> GuaranteeTerms {
    GuaranteeTerms {
        fee_base: units(FEE_BASE),
        fee_per_million: 1_000,
        time_max: Span::minutes(24 * 60),
        per_peer: units(3_000_000),
        in_all: units(6_000_000),
    }
}

impl Net {
    /// Two with a channel each with the hub.
    pub fn around_a_hub() -> Self {
        let hub = Terms { guaranteeing: Some(hub_terms()), ..Terms::default() };
        Self::of(&Plan {
            terms: &[Terms::default(), hub, Terms::default()],
            edges: &EDGES,
            channels: &[(1, ONE, HUB), (2, HUB, OTHER)],
            lock: PARENT_LOCK,
            codes: &[contract::code(), &crate::scene::COUNTER],
        })
    }

    pub fn virtual_terms(&self) -> VirtualTerms {
        let terms = ChannelTerms {
            parties: [self.id(ONE), self.id(OTHER)],
            deposits: PARTS.map(units),
            reserve: units(VIRTUAL_RESERVE),
            lock: LOCK,
            remainder: Remainder::Halves,
            secrets: [byway_primitives::Hash::default(); 2],
            assets: ChannelAssets::NONE,
        };
        VirtualTerms {
            network: self.world.network,
            terms,
            hub: self.id(HUB),
            dispute: DISPUTE,
            ends: self.now + LIFE,
            environment: Environment { time: self.world.time, height: 0 },
            nonce: u64::from(self.numbered),
        }
    }

    /// Begins to open a virtual channel.
    pub fn propose_virtual(&mut self) -> ChannelKey {
        let terms = self.virtual_terms();
        self.propose_with(terms)
    }

    pub fn propose_with(&mut self, terms: VirtualTerms) -> ChannelKey {
        self.numbered += 1;
        let now = self.now;
        let handle = ChannelHandle([100 + self.numbered; 16]);
        let key = self.nodes[ONE].channels.initiate_virtual(now, handle, terms).unwrap();
        self.collect(ONE);
        key
    }

    /// Opens a virtual channel between the two.
    pub fn open_virtual(&mut self) -> ChannelId {
        let key = self.propose_virtual();
        self.pass(Span::seconds(60));
        let machine = self.nodes[ONE].channels.get(key).expect("it is there");
        let id = machine.id().expect("both have signed");
        assert_eq!(
            [self.life(ONE, id), self.life(OTHER, id)],
            [Some(Life::Open); 2],
            "{:?}",
            self.nodes[HUB].guarantee_news
        );
        id
    }

    /// A node is told this by a peer, whoever has made it.
    pub fn hear(&mut self, to: usize, from: usize, message: GuaranteeMessage) {
        let (now, peer, node) = (self.now, self.id(from), &mut self.nodes[to]);
        node.guarantees.handle_message(now, &node.channels, peer, message);
        self.collect(to);
    }
}

/// What one of the two pays the hub.
pub fn fee(hub_part: u128) -> u128 {
    FEE_BASE + hub_part.div_ceil(1_000)
}

/// How long an offer stands at least until all is over.
pub const OFFER_OVER: Span = Span(OFFER_TIME.0 + 5 * 60_000);
