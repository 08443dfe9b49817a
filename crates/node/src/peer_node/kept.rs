//! What the node keeps across restarts beside money and ledger: sessions that ended, and what the user chose.

use byway_access::session::SessionId;
use byway_primitives::{Batch, Space, Store};
use serde::Serialize;

use super::Actor;
use super::ways::WayId;
use crate::api::{
    self as contract, ApiError, HopWish, OfferFilter, Pay, TunnelSettings, TunnelSettingsSet, WalletViewKey,
};
use crate::config::TunnelConfig;

/// What the user chose over the local API.
const CHOICES: Space = Space("choices");
const CHOICES_KEY: &[u8] = b"latest";
/// What others are told of the user in conversations.
const CHAT_TELLS_KEY: &[u8] = b"chat-tells";
/// What stays outside the tunnel.
const TUNNEL_KEY: &[u8] = b"tunnel";
/// What was allowed on a day beyond its limit.
const ALLOWED_KEY: &[u8] = b"allowed";
/// What sessions that went on over the end of a day had cost by then.
const YESTERDAY_KEY: &[u8] = b"yesterday";
/// The session of the main way, and under what it was looked for.
const MAIN_KEY: &[u8] = b"main";
/// The hops over which the main way was connected last.
const CHAIN_KEY: &[u8] = b"chain";
/// Out of what the main way's sessions are paid.
const PAY_KEY: &[u8] = b"pay";
/// Sessions that have ended, as the local API shows them.
const SESSION_LOG: Space = Space("session-log");

impl Actor {
    fn keep(&mut self, space: Space, key: impl Into<Vec<u8>>, value: &impl Serialize) {
        let value = serde_json::to_vec(value).expect("texts, numbers and lists of them have a JSON form");
        let mut batch = Batch::new();
        batch.put(space, key, value);
        self.write_ledger(batch);
    }

    /// Keeps an ended session, also across restarts.
    pub(super) fn keep_session(&mut self, session: contract::Session) {
        let key = [&session.started_ms.0.to_be_bytes()[..], session.id.0.as_bytes()].concat();
        self.keep(SESSION_LOG, key, &session);
        self.count_ended(&session);
        self.ended_sessions.push(session);
    }

    pub(super) fn view_key(&self) -> WalletViewKey {
        let view = self.wallet.view_secret();
        WalletViewKey { view_key: view.to_text().to_string(), address: view.address().to_string() }
    }

    pub(super) fn tunnel_settings(&self) -> TunnelSettings {
        TunnelSettings::new(self.tunnelling.is_closed, self.config.outside_tunnel.clone())
    }

    /// Takes effect with the next tunnel: rules under a running one are left alone.
    pub(super) fn set_tunnel(&mut self, request: TunnelSettingsSet) -> Result<TunnelSettings, ApiError> {
        self.config.outside_tunnel = request.applied_to(&self.config.outside_tunnel)?;
        self.keep(CHOICES, TUNNEL_KEY, &self.config.outside_tunnel.clone());
        Ok(self.tunnel_settings())
    }

    /// Keeps what the user chose: limits and preferred providers.
    pub(super) fn keep_choices(&mut self) {
        let choices = (self.limits.session_max, self.limits.day_max, self.preferred.clone());
        self.keep(CHOICES, CHOICES_KEY, &choices);
    }

    /// Keeps what others are told of the user in conversations.
    pub(super) fn keep_chat_tells(&mut self) {
        self.keep(CHOICES, CHAT_TELLS_KEY, &self.config.chat.tells.clone());
    }

    /// Keeps what is allowed today beyond the limit.
    pub(super) fn keep_allowed(&mut self) {
        self.keep(CHOICES, ALLOWED_KEY, &self.limits.allowed.clone());
    }

    /// Keeps what was spent before today by sessions that go on.
    pub(super) fn keep_yesterday(&mut self) {
        self.keep(CHOICES, YESTERDAY_KEY, &self.limits.yesterday.clone());
    }

    /// Keeps which session the main way has, so that it is the one that goes on there after a restart.
    pub(super) fn keep_main_session(&mut self) {
        let Some(connected) = self.ways.connected(WayId::MAIN) else { return };
        self.keep(CHOICES, MAIN_KEY, &(connected.session.0, connected.filter.clone()));
    }

    /// Keeps the chain, so that a restart is not a way around it, beside what the configuration says of it.
    pub(super) fn keep_chain(&mut self, via: &[HopWish]) {
        let configured = self.config.via.clone();
        self.keep(CHOICES, CHAIN_KEY, &(configured, via));
    }

    /// Keeps out of what sessions are paid, beside what the configuration says of it.
    pub(super) fn keep_pay(&mut self) {
        let pay = (self.config.pay, self.ways.main.pay);
        self.keep(CHOICES, PAY_KEY, &pay);
    }

    /// What sessions were paid out of before the restart, unless the configuration was changed since.
    fn take_up_pay(&mut self) {
        let stored = self.ledger_journal.load(CHOICES, PAY_KEY);
        let stored = stored.and_then(|stored| serde_json::from_slice::<(Pay, Pay)>(&stored).ok());
        let chosen = stored.filter(|(configured, _)| *configured == self.config.pay);
        self.ways.main.pay = chosen.map_or(self.config.pay, |(_, pay)| pay);
    }

    /// The hops of before the restart, unless the configuration was changed since: that is the later word.
    fn take_up_chain(&mut self) {
        let stored = self.ledger_journal.load(CHOICES, CHAIN_KEY);
        let stored = stored.and_then(|stored| serde_json::from_slice::<(Vec<HopWish>, Vec<HopWish>)>(&stored).ok());
        let chosen = stored.filter(|(configured, _)| *configured == self.config.via);
        let via = chosen.map_or_else(|| self.config.via.clone(), |(_, via)| via);
        if !via.is_empty() {
            self.set_chain(via);
        }
    }

    /// Under what the main way's session of before a restart was looked for, if this is it.
    pub(super) fn was_main_session(&self, session: SessionId) -> Option<Option<OfferFilter>> {
        let stored = self.ledger_journal.load(CHOICES, MAIN_KEY)?;
        let (id, filter): ([u8; 16], Option<OfferFilter>) = serde_json::from_slice(&stored).ok()?;
        (SessionId(id) == session).then_some(filter)
    }

    /// What the user chose last stands above the configuration.
    pub(super) fn take_up_choices(&mut self) {
        let tunnel = self.ledger_journal.load(CHOICES, TUNNEL_KEY);
        if let Some(Ok(outside)) = tunnel.map(|stored| serde_json::from_slice::<TunnelConfig>(&stored)) {
            // What can't be chosen while the node runs is as the configuration says.
            let name_servers = self.config.outside_tunnel.name_servers.clone();
            self.config.outside_tunnel = TunnelConfig { name_servers, ..outside };
        }
        let tells = self.ledger_journal.load(CHOICES, CHAT_TELLS_KEY);
        if let Some(Ok(tells)) = tells.map(|stored| serde_json::from_slice(&stored)) {
            self.config.chat.tells = tells;
        }
        self.shape_next_tunnel();
        self.take_up_chain();
        self.take_up_pay();
        let yesterday = self.ledger_journal.load(CHOICES, YESTERDAY_KEY);
        self.limits.yesterday = yesterday.and_then(|stored| serde_json::from_slice(&stored).ok()).unwrap_or_default();
        let Some(stored) = self.ledger_journal.load(CHOICES, CHOICES_KEY) else { return };
        let Ok((session_max, day_max, preferred)) = serde_json::from_slice(&stored) else { return };
        (self.limits.session_max, self.limits.day_max, self.preferred) = (session_max, day_max, preferred);
        let allowed = self.ledger_journal.load(CHOICES, ALLOWED_KEY);
        self.limits.allowed = allowed.and_then(|stored| serde_json::from_slice(&stored).ok()).unwrap_or_default();
        self.tell_day_max();
    }

    pub(super) fn take_up_sessions(&mut self) {
        let stored = self.ledger_journal.scan_prefix(SESSION_LOG, &[]);
        let ended: Vec<contract::Session> =
            stored.iter().filter_map(|(_, value)| serde_json::from_slice(value).ok()).collect();
        ended.iter().for_each(|session| self.count_ended(session));
        self.ended_sessions = ended;
    }
}
