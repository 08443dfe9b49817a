//! What is to be done in a channel: many things are wished for at once, one update is made at a time.

use byway_primitives::hash::Context;
use byway_primitives::{Amount, Encode, Hash, Span, Time};
use byway_records::channel::Side;
use byway_records::promise::ChannelId;
use byway_vm::Address;

use super::conduit::{self, LockId, PaymentHash, Preimage, RESOLVED_MAX};
use super::router::{Router, RoutingNews};
use super::sight;
use crate::change::{Change, ContractCall};
use crate::channels::Channels;
use crate::journal::Life;
use crate::machine::ChannelMachine;
use crate::signer::Signer;

/// How long after it was proposed an update is proposed again that came to nothing.
const PROPOSE_AGAIN: Span = Span::seconds(2);
/// How long after it was handed in a call is handed in again that had no effect.
const FORCE_AGAIN: Span = Span::seconds(20);

const CHANGE: Context = Context("byway 1 routing change");

/// What is to become of a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Make { id: LockId, hash: PaymentHash, until: Time, amount: Amount },
    Resolve { conduit: Address, id: LockId, preimage: Option<Preimage>, urgency: Urgency },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Urgency {
    /// By an update, whenever there is one.
    None,
    /// By the ledger.
    Force,
    /// By the ledger, and if there is no other way by closing.
    Close,
}

/// What was last done in a channel, so that it is not done over and over.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LastAct {
    proposed: Option<(Hash, Time)>,
    forced: Option<Time>,
}

impl Router {
    pub(super) fn wish(&mut self, channel: ChannelId, wish: Wish) {
        self.wishes.entry(channel).or_default().push(wish);
    }

    /// Has done what is wished, where it can be done.
    pub(super) fn act<S: Signer + Clone>(&mut self, now: Time, channels: &Channels<S>) {
        for (channel, wishes) in std::mem::take(&mut self.wishes) {
            let Some(machine) = sight::machine(channels, channel) else { continue };
            self.force(now, channel, machine, &wishes);
            self.propose(now, channel, machine, &wishes);
        }
    }

    fn force<S: Signer>(&mut self, now: Time, channel: ChannelId, machine: &ChannelMachine<S>, wishes: &[Wish]) {
        let urgency = wishes.iter().map(Wish::urgency).max().unwrap_or(Urgency::None);
        let last = self.last_acts.entry(channel).or_default();
        if urgency == Urgency::None || last.forced.is_some_and(|at| now.since(at) < FORCE_AGAIN) {
            return;
        }
        let Some(call) = resolving(machine.side(), wishes, Urgency::Force) else { return };
        last.forced = Some(now);
        if urgency == Urgency::Close && machine.life() == Life::Open {
            self.notify(RoutingNews::Close { channel });
        }
        self.notify(RoutingNews::Force { channel, call });
    }

    fn propose<S: Signer>(&mut self, now: Time, channel: ChannelId, machine: &ChannelMachine<S>, wishes: &[Wish]) {
        if !sight::is_usable(machine) || !machine.is_free() {
            return;
        }
        let Some(call) = resolving(machine.side(), wishes, Urgency::None).or_else(|| making(machine, wishes)) else {
            return;
        };
        let (change, last) = (Change::Call(call), self.last_acts.entry(channel).or_default());
        let digest = CHANGE.hash(&[&change.to_bytes()]);
        if let Some((_, at)) = last.proposed.filter(|(last, at)| *last == digest && now.since(*at) < PROPOSE_AGAIN) {
            return self.wake_at(at + PROPOSE_AGAIN);
        }
        last.proposed = Some((digest, now));
        self.notify(RoutingNews::Propose { channel, change });
    }
}

impl Wish {
    fn urgency(&self) -> Urgency {
        if let Wish::Resolve { urgency, .. } = self { *urgency } else { Urgency::None }
    }
}

/// One call for as many locks as there is room for, of those that are at least as urgent.
fn resolving(side: Side, wishes: &[Wish], least: Urgency) -> Option<ContractCall> {
    let resolved = wishes.iter().filter_map(|wish| match *wish {
        Wish::Resolve { conduit, id, preimage, urgency } if urgency >= least => Some((urgency, conduit, id, preimage)),
        _ => None,
    });
    let mut resolved: Vec<_> = resolved.collect();
    resolved.sort_by_key(|(urgency, ..)| std::cmp::Reverse(*urgency));
    let (_, first, ..) = *resolved.first()?;
    let in_first = resolved.into_iter().filter(|(_, conduit, ..)| *conduit == first);
    let locks: Vec<_> = in_first.map(|(_, _, id, preimage)| (id, preimage)).take(RESOLVED_MAX).collect();
    Some(conduit::resolve(side, first, &locks))
}

/// The next lock, or what has to be there before.
fn making<S: Signer>(machine: &ChannelMachine<S>, wishes: &[Wish]) -> Option<ContractCall> {
    let (side, terms) = (machine.side(), machine.terms());
    let made = wishes.iter().find_map(|wish| match *wish {
        Wish::Make { id, hash, until, amount } => Some((id, hash, until, amount)),
        Wish::Resolve { .. } => None,
    });
    let (id, hash, until, amount) = made?;
    let Some(place) = conduit::all(machine.state()).next() else { return Some(conduit::create(side)) };
    let payee = Address::from(terms.parties[side.other().index()]);
    Some(conduit::lock(side, place, id, hash, until, payee, amount))
}
