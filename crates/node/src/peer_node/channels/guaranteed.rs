//! Virtual channels (row C4): proposing and agreeing to them, and what hubs say of them.
//!
//! All that there is to do is done by the guarantees ([`byway_channel::guarantee`]), which the market carries; here is what people ask for and
//! are told, and what the ledger is handed.

use byway_channel::guarantee::{GuaranteeNews, MARGIN, MARGIN_COMMITS, contract};
use byway_channel::{ChannelKey, ChannelNews, Life};
use byway_driver::entropy;
use byway_ledger::LOCK_MIN;
use byway_peer::market::OwnChannel;
use byway_primitives::{Amount, IdentityId, Span, Time};
use byway_records::ProgramId;
use byway_records::channel::entry::code_key;
use byway_records::channel::{ChannelTerms, Environment, Side, VirtualTerms};
use byway_records::genesis::Wait;
use byway_records::promise::ChannelId;
use byway_vm::code_hash;

use super::views::id_text;
use super::{Actor, ChannelDesk};
use crate::api::{Answer, ApiError, ChannelGuarantee, ChannelGuaranteeState, ChannelOpen, HubGuarantee, Reason};

/// How long a virtual channel goes on where nobody says.
pub(super) const LIFE_DEFAULT: Span = Span::days(7);
/// How many lock periods a dispute takes where nobody says.
const DISPUTE_LOCKS: u64 = 3;
/// What of the time that a channel with the hub leaves is one lock period, where nobody says.
const LOCK_PARTS: u64 = 5;
/// How much older than what this node sees of the ledger the first environment is, so that the hub and the peer have seen it too.
const ENVIRONMENT_AGE: Span = Span::seconds(10);
const ENVIRONMENT_HEIGHTS: u64 = 16;
/// When the code of the guarantees' contract is handed in again that the ledger does not have.
const REGISTER_AGAIN: Span = Span::minutes(5);

/// How a channel that is to be proposed is guaranteed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Over {
    pub hub: IdentityId,
    dispute: Wait,
    ends: Time,
}

impl Actor {
    pub(super) fn virtual_terms(&self, key: ChannelKey) -> Option<VirtualTerms> {
        self.market.channels().get(key)?.virtual_terms()
    }

    /// The channel with a hub in which most can be put in.
    pub(super) fn parent_with(&self, hub: IdentityId) -> Option<&OwnChannel> {
        let channels = self.market.channels().with_peer(hub).map(|(_, channel)| channel);
        let real = channels.filter(|channel| channel.life() == Life::Open && channel.virtual_terms().is_none());
        real.max_by_key(|channel| room(channel))
    }

    /// Over which hub a channel is to be, with the times that the channel with it allows, which are set in `terms`; none where it is to be
    /// on the ledger.
    pub(super) fn over(&self, request: &ChannelOpen, terms: &mut ChannelTerms) -> Answer<Option<Over>> {
        let Some(via) = &request.via else {
            let why = "only a virtual channel ends by itself; say `via` as well";
            return if request.days.is_some() { Err(ApiError::invalid_params("days", why)) } else { Ok(None) };
        };
        let (hub, _) = self.peer_named(via)?;
        if terms.parties.contains(&hub) {
            return Err(ApiError::invalid_params("via", "the hub is neither of the two"));
        }
        if !terms.assets.is_empty() {
            return Err(ApiError::invalid_params("assets", "a virtual channel has WAY alone"));
        }
        self.check_room(hub, terms.deposits[0])?;
        let parent = self.parent_with(hub).ok_or_else(|| ApiError::no_channel_with_hub(hub))?.terms().lock;
        let spare = Span(parent.millis.0.saturating_sub(MARGIN.0));
        let lock = request.lock_seconds.map_or(Span(spare.0 / LOCK_PARTS), Span::seconds);
        let dispute = Span(lock.0.saturating_mul(DISPUTE_LOCKS).min(spare.0.saturating_sub(lock.0)));
        if dispute < lock || lock < LOCK_MIN.millis || parent.commits < MARGIN_COMMITS + 2 {
            let why = format_args!(
                "a dispute and a lock period have to be over {} minutes before the lock period of the channel with the hub is, which is {} \
                 minutes",
                MARGIN.0 / 60_000,
                parent.millis.0 / 60_000
            );
            return Err(ApiError::invalid_params("lock_seconds", why));
        }
        let commits = (parent.commits / LOCK_PARTS).max(LOCK_MIN.commits);
        terms.lock = Wait { millis: lock, commits };
        let dispute_commits =
            commits.saturating_mul(DISPUTE_LOCKS).min(parent.commits.saturating_sub(commits + MARGIN_COMMITS));
        let dispute = Wait { millis: dispute, commits: dispute_commits };
        let life = request.days.map_or(LIFE_DEFAULT, Span::days);
        Ok(Some(Over { hub, dispute, ends: self.clock.now() + life }))
    }

    /// Whether there is a channel with the hub, and enough in it.
    fn check_room(&self, hub: IdentityId, deposit: Amount) -> Answer<()> {
        let available = room(self.parent_with(hub).ok_or_else(|| ApiError::no_channel_with_hub(hub))?);
        if available < deposit { Err(ApiError::too_little_with_hub(deposit, available)) } else { Ok(()) }
    }

    /// Whether this side can put in what terms that a peer proposes ask for.
    pub(super) fn check_virtual(&self, virtual_terms: &VirtualTerms) -> Answer<()> {
        if virtual_terms.ends <= self.clock.now() {
            return Err(ApiError::channel_not_ready("its time is over before it begins"));
        }
        self.check_room(virtual_terms.hub, virtual_terms.terms.deposits[Side::Responder.index()])
    }

    /// What is proposed to the peer, now that it is there.
    pub(super) fn propose_over(&self, terms: ChannelTerms, over: Over) -> VirtualTerms {
        let tip = self.ledger.follower().tip();
        let (time, height) = tip.map_or((Time::ZERO, 0), |tip| (tip.time, tip.height.0));
        let [first, second, third, fourth, fifth, sixth, seventh, eighth, ..] = entropy::seed();
        VirtualTerms {
            network: self.network,
            terms,
            hub: over.hub,
            dispute: over.dispute,
            ends: over.ends,
            environment: Environment {
                time: Time(time.0.saturating_sub(ENVIRONMENT_AGE.0)),
                height: height.saturating_sub(ENVIRONMENT_HEIGHTS),
            },
            nonce: u64::from_be_bytes([first, second, third, fourth, fifth, sixth, seventh, eighth]),
        }
    }

    /// News of guarantees, of this node's channels and of those of others.
    pub(in super::super) fn guarantee_news(&mut self, news: GuaranteeNews) {
        self.note_quote(&news);
        match news {
            GuaranteeNews::Submit(call) => self.hand_in_as_hub(call),
            GuaranteeNews::Told { hub, terms: None } => {
                let own = self.market.guarantees().own().filter(|own| own.terms.hub == hub && !own.stands);
                let own: Vec<ChannelId> = own.map(|own| own.channel).collect();
                own.into_iter().for_each(|id| self.not_guaranteed(id, ApiError::hub_guarantees_none(hub)));
            }
            GuaranteeNews::Refused { channel, refusal } => {
                self.not_guaranteed(channel, ApiError::not_guaranteed(refusal));
            }
            GuaranteeNews::TooDear { channel, fee } => {
                let most = self.config.channels.guarantee_fee_max;
                self.not_guaranteed(channel, ApiError::guarantee_too_dear(fee, most));
            }
            GuaranteeNews::Stands { channel } => self.guarantee_changed(channel),
            GuaranteeNews::Ended { channel } => {
                self.guarantee_changed(channel);
                self.guarantee_is_over(channel);
            }
            GuaranteeNews::Guaranteed { channel, fees } => {
                tracing::info!(channel = id_text(channel), %fees, "this node guarantees a virtual channel");
            }
            GuaranteeNews::Released { channel } => {
                tracing::info!(channel = id_text(channel), "a virtual channel is over that this node has guaranteed");
            }
            GuaranteeNews::Declined { peer, channel, amount, refusal } => {
                self.note_declined(
                    peer,
                    amount,
                    Reason::new("not_guaranteed", format!("a virtual channel: {refusal}")),
                );
                tracing::info!(%peer, channel = id_text(channel), %refusal, "a virtual channel is not guaranteed");
            }
            GuaranteeNews::Unknown { parent } => {
                let channel = id_text(parent);
                tracing::warn!(
                    channel,
                    "the channel holds a guarantee that this node knows nothing of; the hub is asked what for"
                );
            }
            // The market has done that.
            GuaranteeNews::Told { .. }
            | GuaranteeNews::Propose { .. }
            | GuaranteeNews::Force { .. }
            | GuaranteeNews::Close { .. }
            | GuaranteeNews::Part { .. }
            | GuaranteeNews::CloseAlone { .. }
            | GuaranteeNews::GiveUp { .. }
            | GuaranteeNews::Find { .. } => {}
        }
    }

    /// Whoever waits for the channel to open hears why it doesn't.
    fn not_guaranteed(&mut self, id: ChannelId, error: ApiError) {
        let Some(key) = self.market.channels().key_of(id) else { return };
        self.add_to_log(key, None, "not_guaranteed", error.message.clone());
        ChannelDesk::answer(&mut self.channels.opening, key, &Err(error));
    }

    fn guarantee_changed(&mut self, id: ChannelId) {
        if let Some(key) = self.market.channels().key_of(id) {
            self.channels.changed.insert(key);
        }
    }

    /// One that is over already was not paid out in the channel with the hub until now.
    fn guarantee_is_over(&mut self, id: ChannelId) {
        let id = id_text(id);
        let is_it = |detail: &&mut (ChannelKey, crate::api::ChannelDetail)| detail.1.record.id.as_ref() == Some(&id);
        if let Some((key, detail)) = self.channels.closed.iter_mut().find(is_it) {
            detail.record.guaranteed = detail.record.guaranteed.map(over);
            self.channels.changed.insert(*key);
        }
    }

    /// By whom a channel is guaranteed, and where that stands; none where it is not virtual.
    pub(super) fn guarantee_of(&self, channel: &OwnChannel) -> Option<ChannelGuarantee> {
        let terms = channel.virtual_terms()?;
        let id = channel.id();
        let own = id.and_then(|id| self.market.guarantees().own().find(|own| own.channel == id));
        let state = match channel.life() {
            _ if id.is_some_and(|id| self.channel_entry(id).is_some()) => ChannelGuaranteeState::OnLedger,
            _ if id.is_some_and(|id| self.channel_outcome(id).is_some()) => ChannelGuaranteeState::Decided,
            Life::Closing => ChannelGuaranteeState::Parting,
            Life::Closed => ChannelGuaranteeState::Over,
            _ if own.is_some_and(|own| own.stands) => ChannelGuaranteeState::Stands,
            _ => ChannelGuaranteeState::Awaited,
        };
        Some(ChannelGuarantee { hub: terms.hub, until_ms: terms.ends, state })
    }

    /// The same of a channel that is over, as it was shown last: until it is paid out in the channel with the hub that is only decided.
    pub(super) fn guarantee_left(&self, id: Option<&str>, shown: ChannelGuarantee) -> ChannelGuarantee {
        let is_left = self.market.guarantees().own().any(|own| Some(id_text(own.channel).as_str()) == id);
        if is_left { ChannelGuarantee { state: ChannelGuaranteeState::Decided, ..shown } } else { over(shown) }
    }

    /// What happens otherwise to a virtual channel than to one on the ledger.
    pub(super) fn told_of_virtual(&self, key: ChannelKey, news: &ChannelNews) -> Option<&'static str> {
        let is_known = || self.channels.shown.get(&key).is_some_and(|shown| shown.record.guaranteed.is_some());
        if self.virtual_terms(key).is_none() && !is_known() {
            return None;
        }
        match news {
            ChannelNews::Found => Some("it was lost here, and the hub or the peer has told of it"),
            ChannelNews::Opened => Some("the hub guarantees the channel"),
            ChannelNews::Closed => {
                Some("it is over; what was in it is in the channels with the hub, or is about to be")
            }
            _ => None,
        }
    }

    /// What this node guarantees for others.
    pub(super) fn hub_guarantees(&self) -> Vec<HubGuarantee> {
        let guarantee = |held: byway_channel::guarantee::GuaranteeView| {
            let [one, other] = held.terms.terms.deposits;
            HubGuarantee {
                channel: id_text(held.channel),
                peers: held.terms.terms.parties,
                amounts: [other, one],
                stands: held.stands,
                until_ms: held.terms.ends,
            }
        };
        self.market.guarantees().held().map(guarantee).collect()
    }

    /// The ledger forces only calls of code that it has: as soon as something is guaranteed it is given that of the guarantees.
    pub(super) fn tend_guarantees(&mut self) {
        let now = self.clock.now();
        let is_due = self.channels.guarantee_registered.is_none_or(|at| now.since(at) >= REGISTER_AGAIN);
        let guarantees = self.market.guarantees();
        if !is_due || (guarantees.own().next().is_none() && guarantees.held().next().is_none()) {
            return;
        }
        self.channels.guarantee_registered = Some(now);
        let code = contract::code();
        let tree = self.ledger.follower().tree(ProgramId::CHANNELS);
        if tree.is_some_and(|tree| tree.value(&code_key(code_hash(code))).is_some()) {
            return;
        }
        let price = self.code_price(code);
        if let Err(error) = self.register_code(code.to_vec(), price) {
            tracing::warn!(%error, "the ledger can't be given the contract of guarantees; none could be forced");
        }
    }
}

/// What this side can put in.
pub(super) fn room(channel: &OwnChannel) -> Amount {
    channel.balance().saturating_sub(channel.terms().reserve)
}

fn over(shown: ChannelGuarantee) -> ChannelGuarantee {
    ChannelGuarantee { state: ChannelGuaranteeState::Over, ..shown }
}
