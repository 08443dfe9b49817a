//! A channel between the two, and what the ledger has of it.

use byway_channel::{ChannelHandle, ChannelKey, ChannelNews};
use byway_dialogue::payment::{OverLimit, PayFrom};
use byway_primitives::{Amount, Hash, Span};
use byway_records::Channel;
use byway_records::channel::{ChannelTerms, Environment, Lane, Position, Remainder};
use byway_records::genesis::Wait;
use byway_records::promise::ChannelId;
use byway_vm::{Address, State};

use super::{Rig, Side};

pub const RESERVE: Amount = Amount::from_units(byway_primitives::amount::ONE / 100);

#[derive(Default)]
pub struct Arbiter {
    entry: Option<(ChannelId, Channel)>,
    /// Limits that were reached, and whose.
    pub over: Vec<(Side, OverLimit)>,
}

/// What was promised out of the client's lane for services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByLane {
    pub given: Amount,
    pub taken: Amount,
}

impl Rig {
    /// Both open a channel; the client has so much in it beside the reserve.
    pub fn open_channel(&mut self, number: u8, free: Amount) {
        let deposits = [RESERVE.checked_add(free).expect("fits"), RESERVE];
        let terms = ChannelTerms {
            parties: [self.client.id(), self.provider.id()],
            deposits,
            reserve: RESERVE,
            lock: Wait { millis: Span::seconds(60), commits: 5 },
            remainder: Remainder::Halves,
            secrets: [Hash::default(); 2],
        };
        let client = &mut self.client;
        client.market.open_channel(self.now, ChannelHandle([number; 16]), terms, &client.store).expect("terms");
        self.pump_for(1_000);
        let is_there = |side: &super::Node| side.market.channels().iter().any(|(_, channel)| channel.is_connected());
        assert!(is_there(&self.client) && is_there(&self.provider), "seed {}", self.seed);
    }

    pub fn pay_from(&mut self, pay_from: PayFrom) {
        let provider = self.provider.id();
        self.client.market.pay_from(self.now, provider, pay_from, &self.client.store);
    }

    pub fn by_lane(&self) -> ByLane {
        let of = |node: &super::Node, is_client: bool| {
            let channels = node.market.channels().iter().map(|(_, channel)| {
                let payer = if is_client { channel.side() } else { channel.side().other() };
                channel.services(payer)
            });
            Amount::checked_sum(channels).expect("fits")
        };
        ByLane { given: of(&self.client, true), taken: of(&self.provider, false) }
    }

    pub(super) fn channel_news(&mut self, side: Side, key: ChannelKey, news: ChannelNews) {
        let now = self.now;
        match news {
            ChannelNews::Proposed => {
                let node = self.node(side);
                node.market.with_channel(now, key, &node.store, |channel| channel.agree(now));
            }
            ChannelNews::Fund(_) => {
                let channel = self.node(side).market.channels().get(key).expect("it is being opened");
                let (id, terms) = (channel.id().expect("somebody has signed for it"), *channel.terms());
                let parties = terms.parties.map(Address::from).into_iter().zip(terms.deposits);
                let position = Position {
                    round: 0,
                    balances: terms.deposits,
                    lanes: [Lane::default(); 2],
                    root: State::new(parties).root(),
                    environment: Environment::default(),
                };
                let total = Amount::checked_sum(terms.deposits).expect("fits");
                self.arbiter.entry.get_or_insert((id, Channel::opened(&terms, total, position)));
                [Side::Client, Side::Provider].into_iter().for_each(|side| self.show_ledger(side));
            }
            _ => {}
        }
    }

    /// One side sees the ledger as it is now.
    pub(super) fn show_ledger(&mut self, side: Side) {
        let (now, entry) = (self.now, self.arbiter.entry.clone());
        let Some((id, channel)) = entry else { return };
        let node = self.node(side);
        if node.is_up {
            let environment = Environment { time: now, height: now.0 };
            let entry = |asked: ChannelId| (asked == id).then(|| channel.clone());
            node.market.note_channels(now, environment, now.0, |_| true, entry, |_| None, &node.store);
        }
    }
}
