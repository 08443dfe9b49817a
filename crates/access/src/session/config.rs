//! Policy of both sides, and what is opened and sold.

use byway_dialogue::payment::Path;
use byway_primitives::{Amount, AssetId, Span};
use byway_records::OfferId;
use byway_records::offer::{self, Price, Service};

use super::{Measure, SESSIONS_MAX, Tariff};

/// Policy of serving one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProviderConfig {
    /// Sessions of one client at one time; at most [`SESSIONS_MAX`].
    pub sessions_max: usize,
    pub metering_every: Span,
    /// How long a client may take to build its data channel, or to say over another link that it is there.
    pub channel_wait: Span,
    /// How long after the last acknowledgement that brought anything a session that is out of credit stands still before
    /// what is still missing counts as lost. Longer than a round trip.
    pub loss_wait: Span,
    /// How long a session may be paused.
    pub pause_grace: Span,
    /// How long the client may take to say its last word.
    pub stop_wait: Span,
    /// The most coin that may be forgiven as lost at one time.
    pub ceiling: Amount,
    /// What the path to clients is assumed to need.
    pub path: Path,
}

impl Default for ProviderConfig {
    fn default() -> Self {
        Self {
            sessions_max: SESSIONS_MAX,
            metering_every: Span::seconds(2),
            channel_wait: Span::seconds(20),
            loss_wait: Span::seconds(1),
            pause_grace: Span::seconds(60),
            stop_wait: Span::seconds(5),
            ceiling: Amount::from_units(byway_primitives::amount::ONE / 100),
            path: Path { rate_bytes_per_second: 12_500_000, round_trip: Span::millis(100), commits: Span::millis(20) },
        }
    }
}

/// What is sold to one client under an offer. A price says nothing of the other: the client chooses what it pays for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sale {
    pub service: Service,
    pub per_mb: Option<Amount>,
    pub per_second: Option<Amount>,
}

impl Sale {
    /// At one price alone.
    pub fn at(service: Service, tariff: Tariff) -> Self {
        let price = |measure| (tariff.measure == measure).then_some(tariff.price);
        Self { service, per_mb: price(Measure::Bytes), per_second: price(Measure::Time) }
    }

    pub(super) fn tariff(&self, measure: Measure) -> Option<Tariff> {
        let price = match measure {
            Measure::Bytes => self.per_mb,
            Measure::Time => self.per_second,
        };
        price.map(|price| Tariff { measure, price })
    }
}

/// What is offered to everyone under an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    pub service: Service,
    /// As the offer says: which of them applies depends on the client's reputation.
    pub prices: Vec<Price>,
}

impl Listing {
    /// One price for everyone, in the network's own coin.
    pub fn flat(service: Service, tariff: Tariff) -> Self {
        let Tariff { measure, price: amount } = tariff;
        let price = Price { unit: measure.unit(), amount, asset: AssetId::WAY, reputation_min: 0 };
        Self { service, prices: vec![price] }
    }

    /// What is sold to a client of this reputation, at the best prices that apply; nothing where none does.
    pub fn sale(&self, reputation: u16) -> Option<Sale> {
        let price = |measure: Measure| offer::best_price(&self.prices, measure.unit(), AssetId::WAY, reputation);
        let (per_mb, per_second) = (price(Measure::Bytes), price(Measure::Time));
        per_mb.or(per_second).map(|_| Sale { service: self.service, per_mb, per_second })
    }

    /// The tariffs at which sessions are sold to anyone.
    pub fn tariffs(&self) -> impl Iterator<Item = Tariff> {
        let of_coin = self.prices.iter().filter(|price| price.asset == AssetId::WAY);
        of_coin.filter_map(|price| Some(Tariff { measure: Measure::of_unit(price.unit)?, price: price.amount }))
    }
}

/// Policy of using providers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientConfig {
    /// The most coin that may be promised and not yet delivered, over all sessions with one provider.
    pub ceiling: Amount,
    /// How long a provider may take to answer.
    pub open_wait: Span,
    /// How long the data channel may take.
    pub channel_wait: Span,
    /// What arrived is acknowledged at least this often; time only when a promise is due.
    pub acknowledge_every: Span,
    /// How long a provider may say nothing; several times its metering.
    pub silence_max: Span,
    /// How long the provider may take for its last word.
    pub stop_wait: Span,
    /// The path's round trip and commits until they are measured.
    pub round_trip: Span,
    pub commits: Span,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            ceiling: Amount::from_units(byway_primitives::amount::ONE / 100),
            open_wait: Span::seconds(10),
            channel_wait: Span::seconds(10),
            acknowledge_every: Span::seconds(1),
            silence_max: Span::seconds(15),
            stop_wait: Span::seconds(5),
            round_trip: Span::millis(100),
            commits: Span::millis(20),
        }
    }
}

/// What to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRequest {
    pub offer: OfferId,
    pub service: Service,
    /// As the offer says for this client, as far as the client knows.
    pub tariff: Tariff,
    /// The most for the same that the user agrees to, where the provider sees the client otherwise.
    pub price_max: Amount,
    /// As the offer says.
    pub bandwidth_bps: u64,
    /// The most that this session may cost.
    pub cost_max: Amount,
    /// What the provider is told of what is wanted, where the service is one that plugs in; others say that by themselves.
    pub data: Vec<u8>,
}
