//! Out of what sessions are paid: the account, or the lane of a channel with the provider (rows A4, C3).
//!
//! A provider with whom there is a channel that has something left in it is paid out of that, and from the account once it is used up; all
//! others from the account. The user may say that it is the one or the other, for the main way (`byway connect --pay`), for each proxy port,
//! and for each service that is opened; for the first two it holds until the user says otherwise, also over a restart. For all else (hops,
//! probes, relays of a tunnel) nobody says so. With one peer there is one way of paying: where one of those that lead to a provider is to be
//! paid out of a channel all are, and otherwise from the account where that was said of one.
//!
//! Who was said to be paid out of a channel must have one with something left in it. Where that is used up the session ends and says what is
//! missing; nothing goes over to the account by itself.

use byway_access::discovery::Candidate;
use byway_dialogue::payment::PayFrom;
use byway_primitives::{Amount, IdentityId};

use super::Actor;
use super::ways::WayId;
use crate::api::{Answer, ApiError, Connect, Pay};

impl Actor {
    /// Whether anybody can be paid as a connect says. Nothing is changed yet.
    pub(super) fn check_pay(&self, connect: &Connect) -> Answer<()> {
        match connect.pay.unwrap_or(self.ways.main.pay) {
            Pay::Auto | Pay::Account => Ok(()),
            Pay::Channel => self.candidates(&connect.target, Pay::Channel).map(drop),
        }
    }

    /// From now on the main way is paid out of that.
    pub(super) fn choose_pay(&mut self, pay: Option<Pay>) {
        if let Some(pay) = pay.filter(|pay| *pay != self.ways.main.pay) {
            self.ways.main.pay = pay;
            self.keep_pay();
        }
    }

    /// Out of what a way's sessions are paid.
    pub(super) fn pay_of(&self, id: WayId) -> Pay {
        self.ways.get(id).map_or(Pay::Auto, |way| way.pay)
    }

    /// Whether there is something to pay that provider with.
    pub(super) fn can_be_paid(&self, pay: Pay, candidate: &Candidate) -> bool {
        pay != Pay::Channel || !self.market.lane_left(candidate.offer.offer.provider).is_zero()
    }

    /// Why none of these can be paid out of a channel.
    pub(super) fn cannot_be_paid(&self, candidates: &[Candidate]) -> ApiError {
        let mut providers: Vec<IdentityId> =
            candidates.iter().map(|candidate| candidate.offer.offer.provider).collect();
        providers.dedup();
        let empty = providers.iter().find_map(|provider| self.market.lane_to(*provider));
        match (empty, providers.as_slice()) {
            (Some(key), _) => ApiError::channel_empty(&hex::encode(key.handle.0), None),
            (None, [provider]) => ApiError::no_channel_with(Some(*provider)),
            (None, _) => ApiError::no_channel_with(None),
        }
    }

    /// Has a provider of which a session is asked be paid as the ways say that lead to it.
    pub(super) fn pay_as_chosen(&mut self, provider: IdentityId) {
        let pay_from = match self.ways.pay_to(provider) {
            Pay::Account => PayFrom::Account,
            Pay::Auto if self.market.lane_left(provider).is_zero() => PayFrom::Account,
            Pay::Auto | Pay::Channel => PayFrom::Lane,
        };
        self.market.pay_from(self.clock.now(), provider, pay_from, &self.market_journal);
    }

    /// A lane does not pay `provider` any more, and nobody has said that nothing else is to.
    pub(super) fn goes_over_to_account(&mut self, provider: IdentityId) -> bool {
        let goes_over = self.ways.pay_to(provider) == Pay::Auto;
        if goes_over {
            tracing::info!(%provider, "the channel pays no more; its provider is paid from the account");
            self.market.pay_from(self.clock.now(), provider, PayFrom::Account, &self.market_journal);
        }
        goes_over
    }

    /// There is nothing left to pay `provider` with, at the end of a way.
    pub(super) fn channel_is_empty(&mut self, id: WayId, provider: IdentityId, missing: Option<Amount>) {
        let error = match self.market.lane_to(provider) {
            Some(key) => ApiError::channel_empty(&hex::encode(key.handle.0), missing),
            None => ApiError::no_channel_with(Some(provider)),
        };
        self.cannot_go_on(id, &error);
    }

    /// `provider` does not sign what would fill up the lane, at the end of a way.
    pub(super) fn lane_is_unsigned(&mut self, id: WayId, provider: IdentityId) {
        match self.market.lane_to(provider) {
            Some(key) => self.cannot_go_on(id, &ApiError::lane_unsigned(&hex::encode(key.handle.0))),
            None => self.channel_is_empty(id, provider, None),
        }
    }

    fn cannot_go_on(&mut self, id: WayId, error: &ApiError) {
        tracing::info!(%error, "a session can't be paid any more");
        match self.stop_paying(id) {
            true => self.fail_connection(id, error.to_string()),
            false => self.give_up(id, error),
        }
    }

    /// The channel out of whose lane a provider is paid.
    pub(super) fn paid_out_of(&self, provider: IdentityId) -> Option<String> {
        let pays_by_lane = self.market.pair(provider).is_some_and(|pair| pair.pays_from == PayFrom::Lane);
        let key = self.market.lane_to(provider).filter(|_| pays_by_lane)?;
        Some(hex::encode(key.handle.0))
    }

    /// The channel out of whose lane a client has paid, if it has.
    pub(super) fn paid_by_lane(&self, client: IdentityId) -> Option<String> {
        let channels = self.market.channels().with_peer(client);
        let paid = channels.map(|(key, channel)| (channel.services(channel.side().other()), key));
        let (_, key) = paid.filter(|(services, _)| !services.is_zero()).max_by_key(|(services, _)| *services)?;
        Some(hex::encode(key.handle.0))
    }
}
