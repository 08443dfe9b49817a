//! What the shell asks of sessions: those that we use, and those that we serve.

use byway_access::service::reason::ReasonText;
use byway_access::session::{Counters, Measure, OpenRequest, ResponseId, SessionId, StopReason, Traffic};
use byway_primitives::{Amount, IdentityId, Store, Time};
use byway_records::OfferId;

use super::{Market, MarketError};

impl Market {
    /// Asks `provider` for a session. `response` is drawn at random. Where there is no dialogue yet, it is asked along with the
    /// opening of one ([`Market::converse`]).
    pub fn open_session(
        &mut self,
        now: Time,
        provider: IdentityId,
        response: ResponseId,
        request: OpenRequest,
        store: &impl Store,
    ) -> Result<(), MarketError> {
        self.restore_pair(now, provider, store)?;
        let mut result = Ok(());
        self.step(now, provider, |pair, step| result = pair.open_session(now, response, request, step));
        self.pump(now, store);
        Ok(result?)
    }

    /// Asks on what terms `provider` would sell an offer to us by a measure. `response` is drawn at random.
    pub fn ask_terms(
        &mut self,
        now: Time,
        provider: IdentityId,
        response: ResponseId,
        what: (OfferId, Measure),
        store: &impl Store,
    ) -> Result<(), MarketError> {
        if self.dialogues.dialogue(provider).is_none() {
            return Err(MarketError::NoDialogue(provider));
        }
        let mut result = Ok(());
        self.step(now, provider, |pair, step| result = pair.ask_terms(now, response, what, step));
        self.pump(now, store);
        Ok(result?)
    }

    /// Whether the data channel of a session that we use could be built.
    pub fn handle_channel(
        &mut self,
        now: Time,
        provider: IdentityId,
        session: SessionId,
        built: Result<(), ()>,
        store: &impl Store,
    ) {
        self.step(now, provider, |pair, step| pair.channel(now, session, built, step));
        self.pump(now, store);
    }

    /// What the data plane of a session that we use has counted since it was built.
    pub fn handle_used(
        &mut self,
        now: Time,
        provider: IdentityId,
        session: SessionId,
        traffic: Traffic,
        store: &impl Store,
    ) {
        self.step(now, provider, |pair, step| pair.used(now, session, traffic, step));
        self.pump(now, store);
    }

    /// What the data plane of a session that we serve has counted since it was started.
    pub fn handle_served(
        &mut self,
        now: Time,
        client: IdentityId,
        session: SessionId,
        counters: Counters,
        store: &impl Store,
    ) {
        self.step(now, client, |pair, step| pair.served(now, session, counters, step));
        self.pump(now, store);
    }

    /// What a service that plugs in says to a request for a session.
    pub fn handle_judged(
        &mut self,
        now: Time,
        client: IdentityId,
        session: SessionId,
        verdict: Result<Vec<u8>, ReasonText>,
        store: &impl Store,
    ) {
        self.step(now, client, |pair, step| pair.judged(now, session, verdict, step));
        self.pump(now, store);
    }

    /// Ends a session that we use.
    pub fn stop_using(&mut self, now: Time, provider: IdentityId, session: SessionId, store: &impl Store) {
        self.step(now, provider, |pair, step| pair.stop_using(now, session, step));
        self.pump(now, store);
    }

    /// What a session that we use may cost in all from now on.
    pub fn limit_using(
        &mut self,
        now: Time,
        provider: IdentityId,
        session: SessionId,
        cost_max: Amount,
        store: &impl Store,
    ) {
        self.step(now, provider, |pair, step| pair.limit_using(now, session, cost_max, step));
        self.pump(now, store);
    }

    /// Ends a session that we serve.
    pub fn stop_serving(
        &mut self,
        now: Time,
        client: IdentityId,
        session: SessionId,
        reason: StopReason,
        store: &impl Store,
    ) {
        self.step(now, client, |pair, step| pair.stop_serving(now, session, reason, step));
        self.pump(now, store);
    }
}
