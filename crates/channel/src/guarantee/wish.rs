//! What is to be done in a channel: many things are wished for at once, one update is made at a time.

use byway_primitives::hash::Context;
use byway_primitives::{Encode, Hash, Span, Time};
use byway_records::channel::EVIDENCE_MAX;
use byway_records::promise::ChannelId;
use byway_vm::Target;

use super::contract;
use super::guarantees::{GuaranteeNews, Guarantees};
use crate::change::{Change, ContractCall};
use crate::channels::Channels;
use crate::journal::Life;
use crate::machine::ChannelMachine;
use crate::routing::sight;
use crate::signer::Signer;

/// How long after it was proposed an update is proposed again that came to nothing.
const PROPOSE_AGAIN: Span = Span::seconds(2);
/// How long after it was handed in a call is handed in again that had no effect.
const FORCE_AGAIN: Span = Span::seconds(20);

const CHANGE: Context = Context("byway 1 guarantee change");

/// How a call is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Urgency {
    /// By an update, whenever there is one.
    None,
    /// By the ledger.
    Force,
    /// By the ledger, and if there is no other way by closing.
    Close,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wish {
    pub call: ContractCall,
    pub urgency: Urgency,
}

/// What was last done in a channel, so that it is not done over and over.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LastAct {
    proposed: Option<(Hash, Time)>,
    forced: Option<Time>,
}

impl Guarantees {
    pub(super) fn wish(&mut self, channel: ChannelId, call: ContractCall, urgency: Urgency) {
        self.wishes.entry(channel).or_default().push(Wish { call, urgency });
    }

    /// Has done what is wished, where it can be done: of several things the most urgent one, and of these each in its turn, so that none
    /// that comes to nothing keeps out the others.
    pub(super) fn act<S: Signer + Clone>(&mut self, now: Time, channels: &Channels<S>) {
        for (channel, wishes) in std::mem::take(&mut self.wishes) {
            let Some(machine) = sight::machine(channels, channel) else { continue };
            let most = wishes.iter().map(|wish| wish.urgency).max();
            let urgent: Vec<_> = wishes.iter().filter(|wish| Some(wish.urgency) == most).collect();
            let turn = usize::try_from(now.0 / FORCE_AGAIN.0).unwrap_or_default().checked_rem(urgent.len());
            let Some(wish) = turn.and_then(|turn| urgent.get(turn)) else { continue };
            let wish = &Wish { call: together(&wish.call, &wishes), urgency: wish.urgency };
            self.force(now, channel, machine, wish);
            self.propose(now, channel, machine, wish);
        }
    }

    fn force<S: Signer>(&mut self, now: Time, channel: ChannelId, machine: &ChannelMachine<S>, wish: &Wish) {
        let last = self.last_acts.entry(channel).or_default();
        if wish.urgency == Urgency::None || last.forced.is_some_and(|at| now.since(at) < FORCE_AGAIN) {
            return;
        }
        last.forced = Some(now);
        if wish.urgency == Urgency::Close && machine.life() == Life::Open {
            self.out.notify(GuaranteeNews::Close { channel });
        }
        self.out.notify(GuaranteeNews::Force { channel, call: wish.call.clone() });
    }

    fn propose<S: Signer>(&mut self, now: Time, channel: ChannelId, machine: &ChannelMachine<S>, wish: &Wish) {
        if !sight::is_usable(machine) || !machine.is_free() {
            return;
        }
        let (change, last) = (Change::Call(wish.call.clone()), self.last_acts.entry(channel).or_default());
        let digest = CHANGE.hash(&[&change.to_bytes()]);
        if let Some((_, at)) = last.proposed.filter(|(last, at)| *last == digest && now.since(*at) < PROPOSE_AGAIN) {
            return self.out.wake_at(at + PROPOSE_AGAIN);
        }
        last.proposed = Some((digest, now));
        self.out.notify(GuaranteeNews::Propose { channel, change });
    }
}

/// A call that says what became of a channel says it of the others too that are to be paid out in the same contract: calls that can be forced
/// are few.
fn together(call: &ContractCall, wishes: &[Wish]) -> ContractCall {
    let Target::Contract(place) = call.target else { return call.clone() };
    if call.evidence.is_empty() {
        return call.clone();
    }
    let mut evidence = call.evidence.clone();
    let others = wishes.iter().filter(|wish| wish.call.target == call.target);
    for outcome in others.flat_map(|wish| &wish.call.evidence) {
        if !evidence.contains(outcome) && evidence.len() < EVIDENCE_MAX {
            evidence.push(*outcome);
        }
    }
    contract::resolve_by_outcomes(call.caller, place, evidence)
}
