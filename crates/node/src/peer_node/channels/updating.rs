//! Updates of channels that people ask for, one after the other.

use std::collections::VecDeque;

use byway_channel::routing::conduit;
use byway_channel::{Change, ChannelKey, PromiseError, ProposeError, Refusal};
use byway_primitives::{Amount, Time};
use byway_vm::{Account, Address, Execution, Outcome, State};
use tokio::sync::oneshot;

use super::Actor;
use super::arbiter::{ASKED_AGAIN_AFTER, ASKED_AGAIN_MAX};
use super::keys::{KeyFate, Once, Stand};
use crate::api::params::IdempotencyKey;
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

/// An update that somebody waits for, or did.
pub(super) struct Wanted {
    change: Change,
    /// The contract that it changes, as it was when it was asked for.
    seen: Option<Account>,
    /// The key under which it was asked for, so that asking again makes no second one.
    once: Option<Once>,
    /// The round under which it was proposed last, once it was.
    round: Option<u64>,
    /// Whether that can still come into effect.
    is_open: bool,
    refusal: Option<Refusal>,
    /// How often the peer was busy, and when it is proposed again.
    was_busy: u8,
    again_at: Time,
    /// What a call comes to.
    result: Option<Execution>,
    asker: Option<oneshot::Sender<Answer<Done>>>,
}

impl Wanted {
    fn is_awaited(&self) -> bool {
        self.asker.as_ref().is_some_and(|asker| !asker.is_closed())
    }

    fn new(change: Change, seen: Option<Account>, once: Option<Once>, asker: oneshot::Sender<Answer<Done>>) -> Self {
        let (round, is_open, refusal, was_busy, again_at, result) = (None, false, None, 0, Time::ZERO, None);
        Self { change, seen, once, round, is_open, refusal, was_busy, again_at, result, asker: Some(asker) }
    }

    /// What was open is worthless: whether it is to be proposed again, or why not. A peer that is busy is asked again after a pause, and a number of times.
    fn becomes_worthless(&mut self, now: Time) -> Result<(), Refusal> {
        self.is_open = false;
        match self.refusal.take() {
            None | Some(Refusal::Round | Refusal::Base) => Ok(()),
            Some(Refusal::Busy) if self.was_busy < ASKED_AGAIN_MAX => {
                (self.was_busy, self.again_at) = (self.was_busy + 1, now + ASKED_AGAIN_AFTER);
                Ok(())
            }
            Some(refusal) => Err(refusal),
        }
    }

    pub fn answer(&mut self, answer: Answer<Done>) {
        if let Some(asker) = self.asker.take() {
            // Whoever asked may have stopped waiting.
            let _ = asker.send(answer);
        }
    }
}

/// Whether an update may be one that somebody asked for, and must not be made twice: cancelling is not, nor a larger lane, which is then
/// as large as it was to be, nor what is done for payments over several channels.
fn is_asked_for(change: &Change) -> bool {
    match change {
        Change::Nothing | Change::Lane { .. } => false,
        Change::Call(call) => !conduit::is_own(call),
        _ => true,
    }
}

impl Actor {
    /// Has an update made, once for each key: asking again waits for the one there is, or is told what came of it.
    pub(super) fn want_update(
        &mut self,
        key: ChannelKey,
        change: Change,
        once: Option<IdempotencyKey>,
        asker: oneshot::Sender<Answer<Done>>,
    ) -> Answer<()> {
        let once = once.map(|once| Once::update(&once, key, &change));
        let asker = match &once {
            Some(once) => match self.take_up_update(key, &change, once, asker)? {
                Some(asker) => asker,
                None => return Ok(()),
            },
            None => asker,
        };
        let queue = self.channels.queues.entry(key).or_default();
        if queue.len() >= QUEUE_MAX {
            return Err(ApiError::busy("updates of one channel"));
        }
        // One for which nobody waits any more may be the very one that is asked for again.
        let orphan = queue.front().filter(|front| front.is_open && !front.is_awaited()).and_then(|front| front.round);
        let is_first = queue.is_empty();
        let released = || {
            let released = self.market.channels().get(key)?.released().iter().rev();
            released.filter(|released| is_asked_for(&released.change)).map(|released| released.round()).next()
        };
        if let Some(round) = orphan.or_else(|| if is_first { released() } else { None }) {
            return Err(ApiError::channel_not_ready(format_args!(
                "round {round} of this side still waits for the peer; wait, or take it back with `byway channel cancel`"
            )));
        }
        let seen = self.market.channels().get(key).and_then(|channel| contract_of(&change, channel.state()));
        let wanted = Wanted::new(change, seen, once, asker);
        self.channels.queues.entry(key).or_default().push_back(wanted);
        self.advance_updates(key);
        Ok(())
    }

    /// Waits for an update that was asked for before under its key, or tells what came of it. Gives the asker back where it is
    /// to be made.
    fn take_up_update(
        &mut self,
        key: ChannelKey,
        change: &Change,
        once: &Once,
        asker: oneshot::Sender<Answer<Done>>,
    ) -> Answer<Option<oneshot::Sender<Answer<Done>>>> {
        let waiting = |wanted: &&mut Wanted| wanted.once.as_ref().is_some_and(|known| known.has_key_of(once));
        let mut queued = self.channels.queues.values_mut().flatten();
        if let Some(same) = queued.find(|wanted| waiting(wanted)) {
            if same.once.as_ref() != Some(once) {
                return Err(ApiError::idempotency_conflict());
            }
            same.asker = Some(asker);
            return Ok(None);
        }
        match self.fate_of(once)? {
            None | Some(KeyFate::Proposed(_) | KeyFate::Opened(_)) => return Ok(Some(asker)),
            Some(KeyFate::Made(made)) => {
                // Whoever asked may have stopped waiting.
                let _ = asker.send(Ok(made.done()));
                return Ok(None);
            }
            Some(KeyFate::Begun(stand)) => {
                let released = self.market.channels().get(key).map(|channel| channel.released()).unwrap_or_default();
                let open = released.iter().rev().find(|released| released.change == *change);
                let Some(round) = open.map(|open| open.round()) else {
                    Self::has_not_moved(stand, self.round_stand(key))?;
                    return Ok(Some(asker));
                };
                // It was proposed before the node stopped, and the peer may sign it yet.
                let (once, change) = (Some(once.clone()), change.clone());
                let seen = self.market.channels().get(key).and_then(|channel| contract_of(&change, channel.state()));
                let open = Wanted { round: Some(round), is_open: true, ..Wanted::new(change, seen, once, asker) };
                self.channels.queues.entry(key).or_default().push_front(open);
            }
        }
        Ok(None)
    }

    /// An update will not be made: whoever waits for it hears why, and its key is free.
    fn give_up_update(&mut self, mut wanted: Wanted, why: ApiError) {
        if let Some(once) = wanted.once.take() {
            self.was_not_made(&once);
        }
        wanted.answer(Err(why));
    }

    /// Proposes the next update if it can be. One that nobody waits for is let go of.
    pub(super) fn advance_updates(&mut self, key: ChannelKey) {
        while let Some(mut next) = self.channels.queues.get_mut(&key).and_then(VecDeque::pop_front) {
            if !next.is_open {
                if !next.is_awaited() {
                    self.give_up_update(next, ApiError::superseded());
                    continue;
                }
                if let Err(error) = self.try_to_propose(key, &mut next) {
                    self.give_up_update(next, error);
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
        if !channel.is_connected() {
            return Err(ApiError::peer_unreachable(key.peer, "it is not connected now"));
        }
        // A call is not executed before its time has come.
        if !channel.is_free() || now < wanted.again_at {
            return Ok(());
        }
        // To propose it is to consent to it, which nobody has for the contract as it is now.
        if wanted.seen != contract_of(&wanted.change, channel.state()) {
            return Err(ApiError::update_refused("the contract was called meanwhile; look at it and ask again"));
        }
        if let Change::Call(call) = &wanted.change {
            let execution = channel.try_call(call).map_err(ApiError::update_refused)?;
            if execution.outcome != Outcome::Returned {
                return Err(ApiError::call_failed(why_not(execution.outcome, &execution.output)));
            }
            wanted.result = Some(execution);
        }
        let (change, stand) = (wanted.change.clone(), Stand::Round(channel.position().round));
        if let (Some(once), None) = (&wanted.once, wanted.round) {
            self.begins(once, stand);
        }
        match self.market.with_channel(now, key, &self.market_journal, |channel| channel.propose(now, change)) {
            Some(Ok(round)) => {
                (wanted.round, wanted.is_open, wanted.refusal) = (Some(round), true, None);
                Ok(())
            }
            Some(Err(ProposeError::Busy | ProposeError::Turn | ProposeError::Clock | ProposeError::Unseen)) => Ok(()),
            Some(Err(error)) => Err(not_proposed(key, error)),
            None => Err(ApiError::channel_not_ready("it is closed")),
        }
    }

    /// Takes back whatever of ours the peer has not signed.
    pub(super) fn cancel_update(&mut self, key: ChannelKey) -> Answer<()> {
        let now = self.clock.now();
        let channel = self.market.channels().get(key);
        let has_open = channel.is_some_and(|channel| {
            let has_split = channel.named_split(now).is_some();
            !channel.released().is_empty() || channel.consent().is_some() || channel.funding().is_some() || has_split
        });
        let had_consent = channel.is_some_and(|channel| channel.consent().is_some());
        if !has_open {
            return Err(ApiError::channel_not_ready("no update of this side waits for the peer"));
        }
        let cancelled = self.market.with_channel(now, key, &self.market_journal, |channel| channel.cancel(now));
        let cancelled = cancelled.ok_or_else(|| ApiError::channel_not_ready("it is closed"))?;
        // Consent is taken back also where the peer is away: then it is not to be proposed again. Else what is not taken back goes on as if
        // nobody had asked.
        if (cancelled.is_ok() || had_consent)
            && let Some(open) = self.channels.queues.get_mut(&key).and_then(VecDeque::front_mut)
            && open.is_open
        {
            open.refusal = Some(Refusal::Withdrawn);
        }
        cancelled.map(|_| ()).map_err(|error| not_proposed(key, error))
    }

    /// Promises the peer more out of our lane: nobody is waited for.
    pub(super) fn promise_in_channel(&mut self, key: ChannelKey, amount: Amount, once: &IdempotencyKey) -> Answer<u64> {
        let (now, once) = (self.clock.now(), Once::promise(once, key, amount));
        let channel = self.market.channels().get(key).ok_or_else(|| ApiError::channel_not_ready("it is closed"))?;
        let stand = Stand::Promised(channel.promised(channel.side()).amount);
        match self.fate_of(&once)? {
            Some(KeyFate::Made(made)) => return Ok(made.round()),
            Some(KeyFate::Begun(before)) => Self::has_not_moved(before, Some(stand))?,
            Some(KeyFate::Proposed(_) | KeyFate::Opened(_)) | None => {}
        }
        self.begins(&once, stand);
        let promised = self.make_promise(now, key, amount);
        match &promised {
            Ok(round) => self.was_made(&once, &Done::plain(*round)),
            Err(_) => self.was_not_made(&once),
        }
        promised
    }

    fn make_promise(&mut self, now: Time, key: ChannelKey, amount: Amount) -> Answer<u64> {
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
        let Some(mut wanted) = queue.pop_front_if(|wanted| is_it(wanted)) else { return };
        let done = match wanted.result.take() {
            Some(Execution { receipt, output, .. }) => {
                Done { round, contract: Some(receipt.contract), gas_used: Some(receipt.gas_used), output: Some(output) }
            }
            None => Done::plain(round),
        };
        if let Some(once) = wanted.once.take() {
            self.was_made(&once, &done);
        }
        wanted.answer(Ok(done));
    }

    /// What of ours is open is refused; it is alive until it can't come into effect any more
    /// ([`was_abandoned`](Self::was_abandoned)).
    pub(super) fn was_refused(&mut self, key: ChannelKey, refusal: Refusal) {
        let front = self.channels.queues.get_mut(&key).and_then(VecDeque::front_mut);
        if let Some(open) = front.filter(|front| front.is_open) {
            open.refusal = Some(refusal);
        }
    }

    /// An update of ours is worthless: it is proposed again if it only lost a tie, or the peer was busy, and somebody waits for it.
    pub(super) fn was_abandoned(&mut self, key: ChannelKey, round: u64) {
        let now = self.clock.now();
        let Some(queue) = self.channels.queues.get_mut(&key) else { return };
        let is_it = |front: &Wanted| front.is_open && (front.round == Some(round) || front.refusal.is_some());
        let Some(wanted) = queue.front_mut().filter(|front| is_it(front)) else { return };
        if let Err(refusal) = wanted.becomes_worthless(now)
            && let Some(wanted) = queue.pop_front()
        {
            self.give_up_update(wanted, ApiError::update_refused(refusal));
        }
    }

    /// The peer is silent: who waits for the open update is told, and it is kept in mind. What waits behind is not proposed.
    pub(super) fn has_stalled(&mut self, key: ChannelKey, round: u64) {
        let Some(queue) = self.channels.queues.get_mut(&key) else { return };
        let others = set_apart(queue);
        queue.iter_mut().for_each(|wanted| wanted.answer(Err(ApiError::peer_silent(round))));
        // Also one that was proposed before and lost a tie: nothing comes of it, so its key is free.
        for wanted in others {
            self.give_up_update(wanted, ApiError::channel_not_ready("an earlier update still waits for the peer"));
        }
    }
}

/// Takes out what is not open: what was not proposed yet, and what has become worthless.
fn set_apart(queue: &mut VecDeque<Wanted>) -> Vec<Wanted> {
    let (open, others): (Vec<Wanted>, Vec<Wanted>) =
        std::mem::take(queue).into_iter().partition(|wanted| wanted.is_open);
    queue.extend(open);
    others
}

/// The contract that both are to change, as it is in a state; none where no contract is changed.
fn contract_of(change: &Change, state: &State) -> Option<Account> {
    match change {
        Change::Contract(change) => state.account(change.contract()),
        _ => None,
    }
}

/// Why an update was not proposed.
pub(super) fn not_proposed(key: ChannelKey, error: ProposeError) -> ApiError {
    match error {
        ProposeError::Disconnected => ApiError::peer_unreachable(key.peer, "it is not connected now"),
        ProposeError::NotOpen | ProposeError::Unsound | ProposeError::Busy => ApiError::channel_not_ready(error),
        ProposeError::Virtual => ApiError::channel_is_virtual("none is put in or taken out"),
        error => ApiError::update_refused(error),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(round: Option<u64>, is_open: bool) -> Wanted {
        let (asker, _) = oneshot::channel();
        Wanted { round, is_open, ..Wanted::new(Change::Nothing, None, None, asker) }
    }

    #[test]
    fn what_came_when_the_peer_was_busy_is_proposed_again_after_a_pause_and_not_for_ever() {
        let mut update = wanted(Some(7), true);
        let now = Time(1_000_000);
        for _ in 0..ASKED_AGAIN_MAX {
            (update.is_open, update.refusal) = (true, Some(Refusal::Busy));
            assert_eq!(update.becomes_worthless(now), Ok(()));
            assert!(!update.is_open && update.again_at > now);
        }
        update.refusal = Some(Refusal::Busy);
        assert_eq!(update.becomes_worthless(now), Err(Refusal::Busy));
        // A tie is proposed again at once, and what the peer does not want is not.
        let mut update = wanted(Some(7), true);
        assert_eq!((update.becomes_worthless(now), update.again_at), (Ok(()), Time::ZERO));
        update.refusal = Some(Refusal::Unwanted);
        assert_eq!(update.becomes_worthless(now), Err(Refusal::Unwanted));
    }

    #[test]
    fn what_has_lost_a_tie_is_given_up_with_what_was_never_proposed_where_the_peer_falls_silent() {
        let mut queue = VecDeque::from([wanted(Some(7), true), wanted(Some(6), false), wanted(None, false)]);
        let given_up: Vec<Option<u64>> = set_apart(&mut queue).iter().map(|wanted| wanted.round).collect();
        assert_eq!(given_up, [Some(6), None]);
        assert_eq!(queue.iter().map(|wanted| wanted.round).collect::<Vec<_>>(), [Some(7)]);
    }

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
