//! Channels with peers (rows C1, C2, C3): what people ask of them, what the ledger is told and says, and keeping their peers in
//! reach.
//!
//! What the two sides say to each other is `byway_channel`; the market carries it within the dialogues
//! ([`byway_peer::market::Market`]). Here is the shell: [`opening`] a channel with somebody who must be reached first, [`finding`] one whose
//! journal is lost, [`updating`] it one
//! change after the other, [`keys`] under which all that is asked for, [`arbiter`] for what goes to the ledger and what it has,
//! [`left`] for contracts on the ledger, [`views`] for showing,
//! [`copying`] what is in them to a second place, [`splitting`] them without their state,
//! [`calls`] for those who wait, [`paying`] over several channels, and the [`guaranteed`]
//! ones that are virtual, for which hubs are asked what they take ([`quoting`]).
//! What is said [`beside`] the states moves nothing.
//!
//! Updates that are asked for wait in a queue, one for each channel: a channel has one open at a time, and after a tie the
//! other side has the turn. One that was proposed and lost a tie is proposed again; one that was refused is not.

mod arbiter;
mod beside;
mod calls;
mod copying;
mod finding;
mod guaranteed;
mod keys;
mod left;
mod left_calls;
mod opening;
mod paying;
mod purses;
mod quoting;
mod rebalancing;
mod splitting;
mod updating;
mod views;
mod watching;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use byway_channel::{ChannelKey, ChannelNews, ErrorCode};
use byway_peer::link::PeerCard;
use byway_primitives::{Amount, IdentityId, Span, Store, Time};
use byway_records::TransactionId;
use byway_records::promise::ChannelId;
use byway_vm::Address;
use tokio::sync::oneshot;

use super::Actor;
use super::reaching::Whereabouts;
use crate::api::{Answer, ApiError, ChannelDetail, ChannelLogEntry, ChannelMessageRecord, Event};
use arbiter::{Forcing, Movable};
pub(super) use copying::{CopyDone, Copying};
use keys::KeyLog;
use left::Followed;
use opening::Wish;
use paying::Paying;
use quoting::Quoting;
use updating::Wanted;
use watching::Answering;

/// Entries of a channel's log.
const LOG_MAX: usize = 64;
/// Messages of a channel that are kept for whoever looks.
const MESSAGES_MAX: usize = 200;
/// Channels that are over and still shown.
const CLOSED_MAX: usize = 32;

/// What a node agrees to when a peer proposes a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelSettings {
    /// Agrees by itself where it has put in no more than this, in all channels that peers have proposed; asks its user where that is left out.
    pub accept_max: Option<Amount>,
    /// The longest lock period to which it agrees by itself.
    pub lock_max: Span,
    /// The most that it pays a hub for guaranteeing a virtual channel.
    pub guarantee_fee_max: Amount,
}

impl Default for ChannelSettings {
    fn default() -> Self {
        // A hundredth of a coin.
        let guarantee_fee_max = Amount::from_units(10_000_000_000_000_000);
        Self { accept_max: None, lock_max: Span::days(1), guarantee_fee_max }
    }
}

/// Those who wait for something to happen to a channel.
type Waiting<T> = BTreeMap<ChannelKey, Vec<oneshot::Sender<Answer<T>>>>;

/// What is under way with channels, beside the channels themselves.
#[derive(Default)]
pub(super) struct ChannelDesk {
    /// Where peers are that have no offer.
    pub(super) cards: BTreeMap<IdentityId, Whereabouts>,
    /// What those who are there were told of where this node is.
    told: BTreeMap<IdentityId, PeerCard>,
    /// Of whom each of them was told where they are, and whether it had heard by then of all that had been put out for it.
    pub(super) introduced: BTreeMap<IdentityId, BTreeMap<IdentityId, bool>>,
    /// Channels to be proposed once their peers are reached.
    wishes: Vec<Wish>,
    /// When each peer that is not there is dialled again, and how long that was after the time before.
    dial_at: BTreeMap<IdentityId, (Time, Span)>,
    opening: Waiting<()>,
    closing: Waiting<()>,
    queues: BTreeMap<ChannelKey, VecDeque<Wanted>>,
    forcing: Vec<Forcing>,
    /// A deposit or a withdrawal that is to be asked for.
    to_fund: BTreeMap<ChannelKey, Movable>,
    /// Deposits and withdrawals of ours, by the round that they make.
    funding: BTreeMap<(ChannelKey, u64), Movable>,
    /// What was handed to the ledger for a channel, and has no verdict.
    handed_in: BTreeMap<TransactionId, ChannelKey>,
    /// Keys under which something was asked for.
    keys: KeyLog,
    /// Channels whose reserve is used up, for which the wallet pays from now on.
    at_own_cost: BTreeSet<ChannelKey>,
    /// Answers for those whose channels are watched, without a verdict.
    answers: BTreeMap<TransactionId, Answering>,
    /// When delegates were last appointed, where the ledger does not have them yet.
    appointed: BTreeMap<ChannelId, Time>,
    logs: BTreeMap<ChannelKey, VecDeque<ChannelLogEntry>>,
    /// The messages that both said lately.
    messages: BTreeMap<ChannelKey, VecDeque<ChannelMessageRecord>>,
    closed: VecDeque<(ChannelKey, ChannelDetail)>,
    paying: Paying,
    quoting: Quoting,
    /// Contracts on the ledger that this node follows, or should: it was a party of the channel that they left.
    left: BTreeMap<(ChannelId, Address), Followed>,
    /// When the ledger was last given the code of the guarantees' contract.
    guarantee_registered: Option<Time>,
    /// As they were told last.
    shown: BTreeMap<ChannelKey, ChannelDetail>,
    /// What changed since it was last shown.
    changed: BTreeSet<ChannelKey>,
}

impl ChannelDesk {
    pub fn open(store: &impl Store) -> Self {
        Self { keys: KeyLog::open(store), ..Self::default() }
    }

    /// Tells those who wait for one channel.
    fn answer(waiting: &mut Waiting<()>, key: ChannelKey, answer: &Answer<()>) {
        for asker in waiting.remove(&key).into_iter().flatten() {
            // Whoever asked may have stopped waiting.
            let _ = asker.send(answer.clone());
        }
    }
}

impl Actor {
    pub(super) fn channel_news(&mut self, key: ChannelKey, news: ChannelNews) {
        self.note_in_log(key, &news);
        match news {
            ChannelNews::Proposed => self.channel_proposed(key),
            ChannelNews::Accepted => {}
            ChannelNews::Declined => {
                let answer = Err(ApiError::channel_not_opened("the peer has declined"));
                ChannelDesk::answer(&mut self.channels.opening, key, &answer);
            }
            ChannelNews::Fund(transaction) => self.hand_in_as_is(&transaction),
            ChannelNews::Submit(call) => self.hand_in_for(key, call),
            ChannelNews::Found => {
                tracing::warn!(peer = %key.peer, "a channel is on the ledger and not on the disk: it is taken up from there");
            }
            ChannelNews::Named { before } => self.channel_named_anew(key, before),
            ChannelNews::Opened => {
                self.is_opened(key.handle);
                ChannelDesk::answer(&mut self.channels.opening, key, &Ok(()));
            }
            ChannelNews::Updated { round, change } => self.was_updated(key, round, &change),
            ChannelNews::Refused { refusal, .. } => self.was_refused(key, refusal),
            ChannelNews::Abandoned { round, .. } => self.was_abandoned(key, round),
            ChannelNews::Stalled { round } => self.has_stalled(key, round),
            ChannelNews::Closed => self.channel_closed(key),
            ChannelNews::Alarm(_) => {
                tracing::error!(peer = %key.peer, "a channel is frozen: there are two signed states of one round");
            }
            ChannelNews::MayBeOld => {
                let what = "something in a channel is near its time, and the peer was not heard since the start";
                tracing::warn!(peer = %key.peer, "{what}: close the channel alone if this disk is no old copy");
            }
            ChannelNews::ClockApart => {
                let what = "this machine's clock is more than a minute ahead of the ledger as this node sees it";
                tracing::warn!(peer = %key.peer, "{what}, so nothing is signed in a channel: if the ledger is reached, set the clock and start anew");
            }
            ChannelNews::ErrorSaid(error) | ChannelNews::ErrorHeard(error) if error.code == ErrorCode::Round => {
                let what = "this machine's clock and that of a channel's peer are more than an hour apart";
                tracing::warn!(peer = %key.peer, "{what}, so nothing goes on in it: `byway doctor` says whether this one is wrong");
            }
            ChannelNews::Funded { round, .. } => self.was_funded(key, round, Ok(())),
            ChannelNews::NotFunded { round, refusal } => self.was_not_funded(key, round, refusal),
            ChannelNews::Inband(inband) => self.heard_in_channel(key, &inband),
            ChannelNews::Promised { .. }
            | ChannelNews::ErrorSaid(_)
            | ChannelNews::ErrorHeard(_)
            | ChannelNews::Reminded
            | ChannelNews::Asked { .. }
            | ChannelNews::Left { .. }
            | ChannelNews::Behind { .. }
            | ChannelNews::Recovered { .. }
            | ChannelNews::Forced { .. }
            | ChannelNews::Parted(_)
            | ChannelNews::AskedToPart
            | ChannelNews::AskedToSplit(_)
            | ChannelNews::Closing => {}
        }
        self.advance_updates(key);
        self.advance_funding(key);
    }

    fn channel_closed(&mut self, key: ChannelKey) {
        self.forget_copies();
        let never =
            Err(ApiError::channel_not_opened("the peer did not answer, or the ledger did not take it, in time"));
        ChannelDesk::answer(&mut self.channels.opening, key, &never);
        ChannelDesk::answer(&mut self.channels.closing, key, &Ok(()));
        for mut wanted in self.channels.queues.remove(&key).into_iter().flatten() {
            wanted.answer(Err(ApiError::channel_not_ready("it is closed")));
        }
    }

    /// What is shown of those that the ledger may turn out to have paid out meanwhile.
    fn look_at_channels(&mut self) {
        let keys: Vec<ChannelKey> = self.market.channels().iter().map(|(key, _)| key).collect();
        for key in keys {
            if let Some(detail) = self.channel_detail(key) {
                self.channels.shown.insert(key, detail);
            }
        }
    }

    /// Looks after what nobody reminds the task of, and tells those who watch what has changed.
    pub(super) fn tend_channels(&mut self) {
        let now = self.clock.now();
        self.market.note_channel_time(now, &self.market_journal);
        self.reach_channel_peers();
        self.appoint_watchtowers();
        self.tend_payments();
        self.tend_guarantees();
        let waiting: Vec<ChannelKey> = self.channels.queues.keys().copied().collect();
        waiting.into_iter().for_each(|key| self.advance_updates(key));
        let waiting: Vec<ChannelKey> = self.channels.to_fund.keys().copied().collect();
        waiting.into_iter().for_each(|key| self.advance_funding(key));
        for key in std::mem::take(&mut self.channels.changed) {
            if let Some(detail) = self.channel_detail(key) {
                if self.market.channels().get(key).is_some() {
                    self.channels.shown.insert(key, detail.clone());
                }
                self.tell(Event::Channel(Box::new(detail)));
            }
        }
    }

    /// Keeps what happened, for whoever looks.
    fn note_in_log(&mut self, key: ChannelKey, news: &ChannelNews) {
        self.channels.changed.insert(key);
        let Some((round, code, mut message)) = views::told(news, self.side_of(key)) else { return };
        if let Some(said) = self.told_of_virtual(key, news) {
            message = said.to_owned();
        }
        self.add_to_log(key, round, code, message);
        if let ChannelNews::Closed = news {
            self.keep_closed(key);
        }
    }
}
