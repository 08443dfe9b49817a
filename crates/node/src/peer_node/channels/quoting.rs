//! What a hub takes for guaranteeing a virtual channel, asked before anybody proposes one (row C4).
//!
//! The answer binds nobody: whoever opens the channel asks the hub again, and pays no more than the configuration allows.

use std::time::Duration;

use byway_channel::guarantee::{GuaranteeNews, GuaranteeTerms};
use byway_primitives::{Amount, IdentityId, Span};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::super::PeerNode;
use super::Actor;
use super::guaranteed::{LIFE_DEFAULT, room};
use crate::api::{Answer, ApiError, HubAsk, HubQuote, Reason};

/// How long a hub has to answer.
const QUOTE_WAIT: Duration = Duration::from_secs(10);

/// Those who wait for a hub's terms; none where it guarantees nothing.
pub(super) type Quoting = Vec<(IdentityId, oneshot::Sender<Option<GuaranteeTerms>>)>;

impl PeerNode {
    /// Asks a hub, and waits for its answer.
    pub(in super::super) async fn ask_hub(&self, request: HubAsk) -> Answer<HubQuote> {
        let (asker, told) = oneshot::channel();
        let named = request.hub.clone();
        let hub = self.ask(move |actor| actor.ask_guarantor(&named, asker)).await?;
        match timeout(QUOTE_WAIT, told).await {
            Ok(Ok(Some(terms))) => self.ask(move |actor| actor.quote(hub, &request, &terms)).await,
            Ok(Ok(None)) => Err(ApiError::hub_guarantees_none(hub)),
            Ok(Err(_)) | Err(_) => Err(ApiError::peer_unreachable(hub, "it has not answered in time")),
        }
    }
}

impl Actor {
    fn ask_guarantor(&mut self, named: &str, asker: oneshot::Sender<Option<GuaranteeTerms>>) -> Answer<IdentityId> {
        let (hub, _) = self.peer_named(named)?;
        self.parent_with(hub).ok_or_else(|| ApiError::no_channel_with_hub(hub))?;
        if !self.market.is_talking_to(hub) {
            return Err(ApiError::peer_unreachable(hub, "it is not connected"));
        }
        self.channels.quoting.retain(|(_, asker)| !asker.is_closed());
        self.channels.quoting.push((hub, asker));
        self.market.ask_guarantor(self.clock.now(), hub, &self.market_journal);
        Ok(hub)
    }

    /// Whoever has asked a hub hears what it says.
    pub(super) fn note_quote(&mut self, news: &GuaranteeNews) {
        let GuaranteeNews::Told { hub, terms } = news else { return };
        for (_, asker) in self.channels.quoting.extract_if(.., |(asked, _)| asked == hub) {
            // Whoever asked may have stopped waiting.
            let _ = asker.send(*terms);
        }
    }

    fn quote(&self, hub: IdentityId, request: &HubAsk, terms: &GuaranteeTerms) -> Answer<HubQuote> {
        let parent = self.parent_with(hub).ok_or_else(|| ApiError::no_channel_with_hub(hub))?;
        let deposit = request.deposit.unwrap_or_default();
        let their_deposit = request.their_deposit.unwrap_or_default();
        let too_much = || ApiError::invalid_params("their_deposit", "it is more than there is");
        let mut quote = HubQuote {
            hub,
            fee: terms.fee(their_deposit).ok_or_else(too_much)?,
            fee_max: self.config.channels.guarantee_fee_max,
            available: room(parent),
            days_max: terms.time_max.0 / Span::days(1).0,
            amount_max: terms.per_peer,
            unfit: None,
        };
        let life = request.days.map_or(LIFE_DEFAULT, Span::days);
        quote.unfit = unfit(&quote, [deposit, their_deposit], life > terms.time_max);
        Ok(quote)
    }
}

/// Why a channel into which the two put so much would not come about.
fn unfit(quote: &HubQuote, deposits: [Amount; 2], is_long: bool) -> Option<Reason> {
    let HubQuote { fee, fee_max, available, days_max, amount_max, .. } = quote;
    let needed = deposits[0].checked_add(*fee).unwrap_or(Amount::MAX);
    if is_long {
        Some(Reason::new("too_long", format!("the hub guarantees none for more than {days_max} days")))
    } else if deposits.iter().any(|deposit| deposit > amount_max) {
        // Towards each it puts in what the other owns.
        Some(Reason::new("too_much", format!("the hub puts in no more than {amount_max} WAY for one peer")))
    } else if fee > fee_max {
        Some(Reason::new("too_dear", format!("the hub takes {fee} WAY, and this node pays no more than {fee_max} WAY")))
    } else if needed > *available {
        let why =
            format!("with the fee {needed} WAY are needed, and the channel with the hub has {available} WAY to put in");
        Some(Reason::new("too_little", why))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_not_come_about_is_said_before_it_is_proposed() {
        let coins = |text: &str| text.parse::<Amount>().unwrap();
        let quote = HubQuote {
            hub: IdentityId([1; 20]),
            fee: coins("0.002"),
            fee_max: coins("0.01"),
            available: coins("2"),
            days_max: 30,
            amount_max: coins("5"),
            unfit: None,
        };
        let dear = HubQuote { fee: coins("0.02"), ..quote.clone() };
        for (quote, deposits, is_long, code) in [
            (&quote, ["1.998", "5"], false, None),
            (&quote, ["1", "1"], true, Some("too_long")),
            (&quote, ["1", "5.1"], false, Some("too_much")),
            (&quote, ["5.1", "1"], false, Some("too_much")),
            (&dear, ["1", "1"], false, Some("too_dear")),
            (&quote, ["1.9981", "1"], false, Some("too_little")),
        ] {
            let said = unfit(quote, deposits.map(coins), is_long);
            assert_eq!(said.as_ref().map(|reason| reason.code.as_str()), code, "{deposits:?}");
        }
    }
}
