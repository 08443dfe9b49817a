//! A watchtower's answer to an old state: when it is handed in, who pays for it, and when no more is tried.
//!
//! It costs nothing as long as the channel's reserve pays. Where that is used up, as other delegates may have seen to, the
//! watchtower pays the transaction's fee itself, up to what it told its client, and no more for one client in all than what that has
//! paid: so nobody spends a watchtower's money by having closes answered. Taking it from what was prepaid would leave the client
//! without a watchtower in the very moment in which somebody cheats.

use byway_primitives::{Amount, Effect, Span, Time};
use byway_records::call::ChannelsCall;
use byway_records::channel::{Phase, Side};
use byway_records::{Channel, Reject};

use super::watchtower::{KeptKey, TowerNews, Watchtower};
use crate::machine::SUBMIT_AGAIN;

/// The longest pause between two tries.
const PAUSE_MAX: Span = Span::minutes(5);
/// Of a lock period, the part that a pause takes at the most.
const PAUSES: u64 = 8;

/// What became of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerFate {
    /// The ledger has taken it, for so much of our own.
    Taken { fee: Amount },
    /// What is left of the reserve does not pay for it; out of our own pocket it would cost so much.
    Unpaid { fee: Amount },
    /// For good: as long as the ledger has of the channel what it has, it takes no such answer.
    Rejected,
    /// Not now: the ledger is not as far as the state, or nobody could be reached, or it was not taken in time.
    Delayed,
}

impl AnswerFate {
    /// What a verdict means; `fee` is the price of a call.
    pub fn of(reject: Reject, fee: Amount) -> Self {
        match reject {
            Reject::ChannelFee => Self::Unpaid { fee },
            Reject::NotAuthorised
            | Reject::ChannelUnknown
            | Reject::ChannelPhase
            | Reject::ChannelParties
            | Reject::ChannelRound
            | Reject::ChannelTotal
            | Reject::ChannelReserve => Self::Rejected,
            _ => Self::Delayed,
        }
    }
}

/// An answer that is under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer {
    /// Of which packet, and against which co-signed round.
    about: (u64, u64),
    /// Not again before that.
    next: Time,
    pause: Span,
    at_own_cost: bool,
    is_rejected: bool,
}

impl Answer {
    /// `is_borne`: whether it may cost what it would.
    pub(super) fn note(&mut self, now: Time, fate: AnswerFate, is_borne: bool) {
        match fate {
            AnswerFate::Unpaid { .. } if is_borne && !self.at_own_cost => (self.at_own_cost, self.next) = (true, now),
            AnswerFate::Unpaid { .. } | AnswerFate::Rejected => self.is_rejected = true,
            AnswerFate::Taken { .. } | AnswerFate::Delayed => {}
        }
    }
}

impl Watchtower {
    /// Shows the ledger what is in the packet, where the channel closes with something older.
    pub(super) fn answer(&mut self, now: Time, key: KeptKey, side: Side, entry: &Channel) {
        let Phase::Closing { secret, by, .. } = entry.phase else {
            self.answers.remove(&key);
            return;
        };
        // As long as it closes it is looked at again, and kept: what was handed in may have been lost.
        self.to_look_at.insert(key);
        let Some(packet) = self.kept.get(&key).map(|kept| kept.packet).filter(|_| by != side) else { return };
        let about = (packet.number(), entry.signed);
        let known = self.answers.get(&key).copied();
        let fresh = Answer { about, next: now, pause: SUBMIT_AGAIN, at_own_cost: false, is_rejected: false };
        let at_own_cost = known.is_some_and(|known| known.at_own_cost);
        let mut answer = known.filter(|known| known.about == about).unwrap_or(Answer { at_own_cost, ..fresh });
        if answer.is_rejected || now < answer.next {
            return;
        }
        let opened = packet.open(secret, side, self.network, key.1, entry);
        let Some(state) = opened.filter(|state| entry.accepts(state.body.position.round)) else { return };
        let pause_max = Span(entry.lock.millis.0 / PAUSES).clamp(SUBMIT_AGAIN, PAUSE_MAX);
        answer.next = now + answer.pause;
        answer.pause = Span(answer.pause.0.saturating_mul(2)).min(pause_max);
        self.answers.insert(key, answer);
        let (call, at_own_cost) = (Box::new(ChannelsCall::Slash { side, state }), answer.at_own_cost);
        let (client, channel) = key;
        self.effects.push(Effect::Notify(TowerNews::Submit { client, channel, call, at_own_cost }));
    }

    /// Whether an answer may cost what it would.
    pub(super) fn bears(&self, key: KeptKey, fate: AnswerFate) -> bool {
        let AnswerFate::Unpaid { fee } = fate else { return false };
        let [earned, borne] = [&self.earned, &self.borne].map(|of| of.get(&key.0).copied().unwrap_or_default());
        let is_told = self.kept.get(&key).is_some_and(|kept| fee <= kept.fee_max);
        is_told && borne.checked_add(fee).is_some_and(|borne| borne <= earned)
    }
}
