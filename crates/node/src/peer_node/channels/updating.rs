//! Updates of channels that people ask for, one after the other.

use std::collections::VecDeque;

use byway_channel::{Change, ChannelKey, ContractCall, PromiseError, ProposeError, Refusal};
use byway_primitives::Amount;
use byway_records::channel::Side;
use byway_vm::{Address, Outcome, Target};
use tokio::sync::oneshot;

use super::Actor;
use crate::api::{Answer, ApiError};

/// Updates of one channel that may wait.
const QUEUE_MAX: usize = 256;

/// An update that both have signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Done {
    pub round: u64,
    pub contract: Option<Address>,
    pub gas_used: Option<u64>,
    pub output: Option<Vec<u8>>,
}

impl Done {
    pub fn plain(round: u64) -> Self {
        Self { round, contract: None, gas_used: None, output: None }
    }
}

/// An update that somebody waits for.
pub(super) struct Wanted {
    change: Change,
    /// The round under which it was proposed last, once it was.
    round: Option<u64>,
    /// Whether that can still come into effect.
    is_open: bool,
    refusal: Option<Refusal>,
    output: Option<Vec<u8>>,
    asker: oneshot::Sender<Answer<Done>>,
}

impl Wanted {
    pub fn answer(self, answer: Answer<Done>) {
        // Whoever asked may have stopped waiting.
        let _ = self.asker.send(answer);
    }
}

impl Actor {
    pub(super) fn want_update(
        &mut self,
        key: ChannelKey,
        change: Change,
        asker: oneshot::Sender<Answer<Done>>,
    ) -> Answer<()> {
        let queue = self.channels.queues.entry(key).or_default();
        if queue.len() >= QUEUE_MAX {
            return Err(ApiError::busy("updates of one channel"));
        }
        let (round, refusal, output) = (None, None, None);
        queue.push_back(Wanted { change, round, is_open: false, refusal, output, asker });
        self.advance_updates(key);
        Ok(())
    }

    /// Proposes the next update if it can be. One that nobody waits for is let go of.
    pub(super) fn advance_updates(&mut self, key: ChannelKey) {
        while let Some(mut next) = self.channels.queues.get_mut(&key).and_then(VecDeque::pop_front) {
            if !next.is_open {
                if next.asker.is_closed() {
                    continue;
                }
                if let Err(error) = self.try_to_propose(key, &mut next) {
                    next.answer(Err(error));
                    continue;
                }
            }
            return self.channels.queues.entry(key).or_default().push_front(next);
        }
        self.channels.queues.remove(&key);
    }

    /// Proposes an update unless another is open, or it is the peer's turn.
    fn try_to_propose(&mut self, key: ChannelKey, wanted: &mut Wanted) -> Answer<()> {
        let now = self.clock.now();
        let channel = self.market.channels().get(key).ok_or_else(|| ApiError::channel_not_ready("it is closed"))?;
        if let Change::Call(call) = &wanted.change {
            let execution = channel.try_call(call).map_err(ApiError::update_refused)?;
            if execution.outcome != Outcome::Returned {
                return Err(ApiError::call_failed(why_not(execution.outcome, &execution.output)));
            }
            wanted.output = Some(execution.output);
        }
        let change = wanted.change.clone();
        match self.market.with_channel(now, key, &self.market_journal, |channel| channel.propose(now, change)) {
            Some(Ok(round)) => {
                (wanted.round, wanted.is_open, wanted.refusal) = (Some(round), true, None);
                Ok(())
            }
            Some(Err(ProposeError::Busy | ProposeError::Turn)) => Ok(()),
            Some(Err(ProposeError::Disconnected)) => {
                Err(ApiError::peer_unreachable(key.peer, "it is not connected now"))
            }
            Some(Err(error @ (ProposeError::NotOpen | ProposeError::Unsound))) => {
                Err(ApiError::channel_not_ready(error))
            }
            Some(Err(error)) => Err(ApiError::update_refused(error)),
            None => Err(ApiError::channel_not_ready("it is closed")),
        }
    }

    /// Takes back whatever of ours the peer has not signed.
    pub(super) fn cancel_update(&mut self, key: ChannelKey) -> Answer<()> {
        let now = self.clock.now();
        let has_open = self.market.channels().get(key).is_some_and(|channel| !channel.released().is_empty());
        if !has_open {
            return Err(ApiError::channel_not_ready("no update of this side waits for the peer"));
        }
        if let Some(open) = self.channels.queues.get_mut(&key).and_then(VecDeque::front_mut) {
            open.refusal = Some(Refusal::Withdrawn);
        }
        let cancelled = self.market.with_channel(now, key, &self.market_journal, |channel| channel.cancel(now));
        match cancelled {
            Some(Ok(_)) => Ok(()),
            Some(Err(ProposeError::Disconnected)) => {
                Err(ApiError::peer_unreachable(key.peer, "it is not connected now"))
            }
            Some(Err(error)) => Err(ApiError::channel_not_ready(error)),
            None => Err(ApiError::channel_not_ready("it is closed")),
        }
    }

    /// Promises the peer more out of our lane: nobody is waited for.
    pub(super) fn promise_in_channel(&mut self, key: ChannelKey, amount: Amount) -> Answer<u64> {
        let now = self.clock.now();
        let promised = self.market.with_channel(now, key, &self.market_journal, |channel| {
            channel.promise(amount).map(|_| channel.position().round)
        });
        match promised.ok_or_else(|| ApiError::channel_not_ready("it is closed"))? {
            Ok(round) => {
                self.channels.changed.insert(key);
                Ok(round)
            }
            Err(PromiseError::Uncovered) => Err(ApiError::lane_too_small()),
            Err(error) => Err(ApiError::channel_not_ready(error)),
        }
    }

    pub(super) fn was_updated(&mut self, key: ChannelKey, round: u64, change: &Change) {
        let Some(queue) = self.channels.queues.get_mut(&key) else { return };
        // Also one that seemed to be lost: whoever wanted it has it.
        let is_it = |wanted: &Wanted| wanted.round.is_some() && wanted.change == *change;
        let Some(wanted) = queue.pop_front_if(|wanted| is_it(wanted)) else { return };
        let receipt = self.market.channels().get(key).and_then(|channel| channel.state().receipt());
        let done = match (change, receipt) {
            (Change::Call(_), Some(receipt)) => Done {
                round,
                contract: Some(receipt.contract),
                gas_used: Some(receipt.gas_used),
                output: wanted.output.clone(),
            },
            _ => Done::plain(round),
        };
        wanted.answer(Ok(done));
    }

    /// It is alive until it can't come into effect any more ([`was_abandoned`](Self::was_abandoned)).
    pub(super) fn was_refused(&mut self, key: ChannelKey, round: u64, refusal: Refusal) {
        let open = self.channels.queues.get_mut(&key).and_then(VecDeque::front_mut);
        if let Some(open) = open.filter(|open| open.round == Some(round)) {
            open.refusal = Some(refusal);
        }
    }

    /// An update of ours is worthless: it is proposed again if it only lost a tie.
    pub(super) fn was_abandoned(&mut self, key: ChannelKey, round: u64) {
        let Some(queue) = self.channels.queues.get_mut(&key) else { return };
        let Some(wanted) = queue.front_mut().filter(|open| open.round == Some(round)) else { return };
        wanted.is_open = false;
        let is_lost_for_good = |refusal: &Refusal| !matches!(refusal, Refusal::Round | Refusal::Base);
        if let Some(refusal) = wanted.refusal.filter(is_lost_for_good)
            && let Some(wanted) = queue.pop_front()
        {
            wanted.answer(Err(ApiError::update_refused(refusal)));
        }
    }

    /// The peer is silent: those who wait are told, and what waits behind is not proposed.
    pub(super) fn has_stalled(&mut self, key: ChannelKey, round: u64) {
        for wanted in self.channels.queues.remove(&key).into_iter().flatten() {
            wanted.answer(Err(ApiError::peer_silent(round)));
        }
    }
}

/// Why a call does not return, with the reason that Solidity's `require` gives.
pub(super) fn why_not(outcome: Outcome, output: &[u8]) -> String {
    match outcome {
        Outcome::Returned => "it returns".to_owned(),
        Outcome::Reverted => match reason(output) {
            Some(reason) => format!("it says \"{reason}\""),
            None if output.is_empty() => "it takes everything back and gives no reason".to_owned(),
            None => format!("it takes everything back with 0x{}", hex::encode(output)),
        },
        Outcome::OutOfGas => "it needs more gas".to_owned(),
        Outcome::Halted => "its code does what no code may".to_owned(),
    }
}

/// The text in `Error(string)`, as a contract's compiler lays it out.
fn reason(output: &[u8]) -> Option<String> {
    const ERROR_OF_TEXT: [u8; 4] = [0x08, 0xc3, 0x79, 0xa0];
    /// A selector, where the text is, and how long.
    const BEFORE_TEXT: usize = 4 + 32 + 32;
    let rest = output.strip_prefix(&ERROR_OF_TEXT)?;
    let length = u64::from_be_bytes(*rest.get(32..64)?.last_chunk()?);
    let text = output.get(BEFORE_TEXT..)?.get(..usize::try_from(length).ok()?)?;
    let text = std::str::from_utf8(text).ok()?;
    text.chars().all(|letter| !letter.is_control()).then(|| text.to_owned())
}

/// What a call of a contract in a channel is, by our side.
pub(super) fn contract_call(side: Side, target: Target, value: Amount, input: Vec<u8>, gas: u64) -> ContractCall {
    ContractCall { caller: side, target, value, input, gas }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_that_a_contract_gives_is_read() {
        let mut output = vec![0x08, 0xc3, 0x79, 0xa0];
        let word = |number: u8| [&[0; 31][..], &[number]].concat();
        output.extend([word(32), word(10)].concat());
        output.extend(b"not a turn");
        output.extend([0; 22]);
        assert_eq!(why_not(Outcome::Reverted, &output), "it says \"not a turn\"");
        for cut in 0..output.len() - 22 {
            assert_eq!(reason(&output[..cut]), None, "{cut}");
        }
    }
}
