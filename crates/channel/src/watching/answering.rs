//! A watchtower's answer to an old state: when it is handed in, who pays for it, and when no more is tried.
//!
//! It costs nothing as long as the channel's reserve pays. Where that is used up, as other delegates may have seen to, the
//! watchtower pays the transaction's fee itself, up to what it told its client, and no more for one client in all than what that has
//! paid: so nobody spends a watchtower's money by having closes answered. What is under way counts as paid, and each answer is
//! asked about anew. Taking it from what was prepaid would leave the client without a watchtower in the very moment in which
//! somebody cheats.
//!
//! What is handed in is written down before. A watchtower that has restarted sees on the ledger what became of it, and where that can't
//! be seen it has paid.

use byway_primitives::codec::{DecodeError, Encode, Reader};
use byway_primitives::{Amount, Batch, Effect, IdentityId, Span, Time};
use byway_records::call::ChannelsCall;
use byway_records::channel::{ChannelState, Closer, Cosigned, Phase, Side};
use byway_records::promise::ChannelId;
use byway_records::{Channel, Reject};

use super::WATCHING;
use super::watchtower::{ANSWERED, BORNE, KeptKey, TowerNews, UNDER_WAY, Watchtower, key_of, read_key};
use crate::machine::SUBMIT_AGAIN;

/// The longest pause between two tries.
const PAUSE_MAX: Span = Span::minutes(5);
/// Of a lock period, the part that a pause takes at the most.
const PAUSES: u64 = 8;

/// Which answer: what it shows, and what the ledger had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerTo {
    /// The number of the packet.
    pub number: u64,
    /// The round in it.
    pub round: u64,
    /// The co-signed round that the ledger had.
    pub signed: u64,
}

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

/// How a channel that closes is answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer {
    /// Of which packet, and against which co-signed round.
    about: (u64, u64),
    /// What is in the packet; `None` where that is no state of this channel.
    round: Option<u64>,
    /// Not again before that.
    next: Time,
    pause: Span,
    /// What it costs beside the reserve, once the ledger has said that this does not pay.
    price: Option<Amount>,
    /// What was last added.
    added: Amount,
    is_rejected: bool,
}

/// What was handed in and has no verdict yet. The ledger takes a round once, however often it is handed in.
#[derive(Debug, Clone, Copy)]
pub(super) struct UnderWay {
    /// What it costs, if it is taken.
    fee: Amount,
    /// How many are waited for. None are of what was handed in before a restart.
    tries: u32,
    is_of_before: bool,
}

impl UnderWay {
    pub(super) fn of_before(fee: Amount) -> Self {
        Self { fee, tries: 0, is_of_before: true }
    }
}

impl Watchtower {
    /// Shows the ledger what is in the packet, where the channel closes with something older.
    pub(super) fn answer(&mut self, now: Time, key: KeptKey, side: Side, entry: &Channel) {
        let Phase::Closing { by: Closer::Party { secret, side: by }, .. } = entry.phase else {
            self.answers.remove(&key);
            return;
        };
        // As long as it closes it is looked at again, and kept: what was handed in may have been lost.
        self.to_look_at.insert(key);
        let Some(packet) = self.kept.get(&key).map(|kept| kept.packet).filter(|_| by != side) else { return };
        let about = (packet.number(), entry.signed);
        let open = || packet.open(secret, side, self.network, key.1, entry).ok();
        let known = self.answers.get(&key).copied();
        let (mut answer, opened) = match known.filter(|known| known.about == about) {
            // What is in it was looked into.
            Some(known) if known.is_done(now, entry) => return,
            Some(known) => (known, open()),
            None => {
                let (opened, price) = (open(), known.and_then(|known| known.price));
                (Answer::new(now, about, opened.as_ref(), price), opened)
            }
        };
        let opened = opened.filter(|state| entry.accepts(state.body.position.round));
        if let Some(state) = opened {
            let pause_max = Span(entry.lock.millis.0 / PAUSES).clamp(SUBMIT_AGAIN, PAUSE_MAX);
            answer.next = now + answer.pause;
            answer.pause = Span(answer.pause.0.saturating_mul(2)).min(pause_max);
            let round = state.body.position.round;
            answer.added = answer.price.filter(|fee| self.bears(key, round, *fee)).unwrap_or_default();
            self.submit(key, side, state, &answer);
        }
        self.answers.insert(key, answer);
    }

    fn submit(&mut self, key: KeptKey, side: Side, state: Cosigned<ChannelState>, answer: &Answer) {
        let ((number, signed), fee, round) = (answer.about, answer.added, state.body.position.round);
        let known = self.under_way.get(&(key, round)).copied();
        let before = known.unwrap_or(UnderWay { fee: Amount::ZERO, tries: 0, is_of_before: false });
        let under_way = UnderWay { fee: before.fee.max(fee), tries: before.tries.saturating_add(1), ..before };
        self.under_way.insert((key, round), under_way);
        if known.is_none_or(|known| known.fee != under_way.fee) {
            let mut batch = Batch::new();
            batch.put(WATCHING, under_way_key(key, round), under_way.fee.to_bytes());
            self.persist(batch);
        }
        let (client, channel) = key;
        let (call, to) = (Box::new(ChannelsCall::Slash { side, state }), AnswerTo { number, round, signed });
        self.effects.push(Effect::Notify(TowerNews::Submit { client, channel, to, call, fee }));
    }

    /// Whether an answer with this round may cost so much of our own: with what was borne and is under way, no more than was earned.
    fn bears(&self, key: KeptKey, round: u64, fee: Amount) -> bool {
        let [earned, borne] = [&self.earned, &self.borne].map(|of| of.get(&key.0).copied().unwrap_or_default());
        let is_other = |of: &(KeptKey, u64)| of.0.0 == key.0 && *of != (key, round);
        let others = self.under_way.iter().filter(|(of, _)| is_other(of)).map(|(_, under_way)| under_way.fee);
        let is_told = self.kept.get(&key).is_some_and(|kept| fee <= kept.fee_max);
        is_told && Amount::checked_sum(others.chain([borne, fee])).is_some_and(|all| all <= earned)
    }

    /// What became of an answer that was handed in.
    pub fn handle_fate(&mut self, now: Time, client: IdentityId, channel: ChannelId, to: AnswerTo, fate: AnswerFate) {
        let (key, round) = ((client, channel), to.round);
        if let AnswerFate::Taken { fee } = fate {
            self.under_way.remove(&(key, round));
            return self.taken(key, round, Some(now), fee);
        }
        if let Some(under_way) = self.under_way.get_mut(&(key, round)) {
            under_way.tries = under_way.tries.saturating_sub(1);
            if under_way.tries == 0 && !under_way.is_of_before {
                self.under_way.remove(&(key, round));
                self.delete(under_way_key(key, round));
            }
        }
        let about = (to.number, to.signed);
        let is_borne = matches!(fate, AnswerFate::Unpaid { fee } if self.bears(key, round, fee));
        // A verdict on what was handed in earlier says nothing of what is to be shown now.
        if let Some(answer) = self.answers.get_mut(&key).filter(|answer| answer.about == about) {
            answer.note(now, fate, is_borne);
        }
    }

    /// The ledger has taken an answer, or may have.
    fn taken(&mut self, key: KeptKey, round: u64, at: Option<Time>, fee: Amount) {
        let borne = self.borne.entry(key.0).or_default();
        *borne = borne.checked_add(fee).unwrap_or(Amount::MAX);
        let mut batch = Batch::new();
        batch.put(WATCHING, [&[BORNE][..], &key.0.0].concat(), borne.to_bytes());
        batch.delete(WATCHING, under_way_key(key, round));
        if let Some(at) = at {
            self.answered.insert(key, at);
            batch.put(WATCHING, key_of(ANSWERED, key), at.to_bytes());
        }
        self.persist(batch);
    }

    /// What was handed in before a restart, and has no verdict any more: the ledger shows whether it has the round. Where it has gone
    /// past that, ours may have been taken.
    pub(super) fn look_after(&mut self, now: Time, entry: impl Fn(ChannelId) -> Option<Channel>) {
        let is_open = |(_, under_way): &(&(KeptKey, u64), &UnderWay)| under_way.is_of_before && under_way.tries == 0;
        let open: Vec<_> = self.under_way.iter().filter(is_open).map(|(of, under_way)| (*of, under_way.fee)).collect();
        for ((key, round), fee) in open {
            let signed = entry(key.1).map(|entry| entry.signed);
            if signed.is_none_or(|signed| signed >= round) {
                self.under_way.remove(&(key, round));
                self.taken(key, round, (signed == Some(round)).then_some(now), fee);
            }
        }
    }

    /// A client has paid for more: what its answers cost may be borne now.
    pub(super) fn try_again(&mut self, now: Time, client: IdentityId) {
        let its = self.answers.iter_mut().filter(|((of, _), _)| *of == client);
        its.filter(|(_, answer)| answer.price.is_some_and(|price| price > answer.added))
            .for_each(|(_, answer)| answer.next = now);
    }
}

impl Answer {
    fn new(now: Time, about: (u64, u64), opened: Option<&Cosigned<ChannelState>>, price: Option<Amount>) -> Self {
        let round = opened.map(|state| state.body.position.round);
        Self { about, round, next: now, pause: SUBMIT_AGAIN, price, added: Amount::ZERO, is_rejected: false }
    }

    /// Whether nothing is handed in now.
    fn is_done(&self, now: Time, entry: &Channel) -> bool {
        self.is_rejected || now < self.next || self.round.is_none_or(|round| !entry.accepts(round))
    }

    /// `is_borne`: whether it may cost what it would.
    fn note(&mut self, now: Time, fate: AnswerFate, is_borne: bool) {
        match fate {
            AnswerFate::Unpaid { fee } => {
                self.price = Some(fee);
                if is_borne && self.added < fee {
                    self.next = now;
                }
            }
            AnswerFate::Rejected => self.is_rejected = true,
            AnswerFate::Taken { .. } | AnswerFate::Delayed => {}
        }
    }
}

fn under_way_key(key: KeptKey, round: u64) -> Vec<u8> {
    [&key_of(UNDER_WAY, key)[..], &round.to_be_bytes()].concat()
}

/// Whose key this is.
pub(super) fn read_under_way(input: &mut Reader<'_>) -> Result<(KeptKey, u64), DecodeError> {
    Ok((read_key(input)?, u64::from_be_bytes(input.array()?)))
}
