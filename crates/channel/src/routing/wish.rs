//! What is to be done in a channel: many things are wished for at once, one update is made at a time.

use byway_primitives::hash::Context;
use byway_primitives::{Amount, Encode, Hash, Span, Time};
use byway_records::channel::Side;
use byway_records::promise::ChannelId;
use byway_vm::Address;

use super::conduit::{self, LockId, PaymentHash, Preimage, RESOLVED_MAX};
use super::passage::Passage;
use super::router::{Router, RoutingNews};
use super::sight;
use crate::change::{Change, ContractCall};
use crate::channels::Channels;
use crate::journal::Life;
use crate::machine::ChannelMachine;
use crate::news::CloseError;
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
    Resolve { conduit: Address, id: LockId, preimage: Option<Preimage>, amount: Amount, urgency: Urgency },
}

/// A lock that is to be resolved.
#[derive(Debug, Clone, Copy)]
struct Resolved {
    urgency: Urgency,
    amount: Amount,
    conduit: Address,
    lock: (LockId, Option<Preimage>),
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
        last.forced = Some(now);
        let Some(call) = forced(machine, wishes) else { return };
        self.note_shown_by(&call, wishes);
        if urgency == Urgency::Close && machine.life() == Life::Open {
            self.out.notify(RoutingNews::Close { channel });
        }
        self.out.notify(RoutingNews::Force { channel, call });
    }

    fn propose<S: Signer + Clone>(
        &mut self,
        now: Time,
        channel: ChannelId,
        machine: &ChannelMachine<S>,
        wishes: &[Wish],
    ) {
        if !sight::is_usable(machine) || !machine.is_free() {
            return;
        }
        let place = self.place_in(machine, channel);
        let resolving = resolving(machine.side(), &resolved(wishes, Urgency::None), RESOLVED_MAX);
        let Some(call) = resolving.or_else(|| making(machine, place, wishes)) else {
            return;
        };
        let last = self.last_acts.entry(channel).or_default();
        let digest = CHANGE.hash(&[&Change::Call(call.clone()).to_bytes()]);
        if let Some((_, at)) = last.proposed.filter(|(last, at)| *last == digest && now.since(*at) < PROPOSE_AGAIN) {
            return self.out.wake_at(at + PROPOSE_AGAIN);
        }
        last.proposed = Some((digest, now));
        self.note_shown_by(&call, wishes);
        self.note_proposed(channel, &call);
        let change = Change::Call(call);
        self.out.notify(RoutingNews::Propose { channel, change });
    }

    /// Written down before the lock is proposed.
    fn note_proposed(&mut self, channel: ChannelId, call: &ContractCall) {
        let is_made = |passage: &Passage| {
            let outgoing = passage.outgoing.as_ref().filter(|outgoing| outgoing.lock.channel == channel);
            !passage.is_proposed && outgoing.is_some_and(|outgoing| conduit::makes(call, outgoing.lock.id))
        };
        let made = self.passages.iter().find(|(_, passage)| is_made(passage));
        if let Some((id, passage)) = made.map(|(id, passage)| (*id, passage.clone())) {
            self.put_passage(id, Passage { is_proposed: true, ..passage });
        }
    }

    fn note_shown_by(&mut self, call: &ContractCall, wishes: &[Wish]) {
        for wish in wishes {
            if let Wish::Resolve { id, preimage: Some(preimage), .. } = wish
                && conduit::resolves(call, *id)
            {
                self.note_shown(preimage.hash());
            }
        }
    }
}

impl Wish {
    /// A lock is let go of or cleared away, which is not worth a forced call.
    pub fn by_update(conduit: Address, id: LockId, amount: Amount) -> Self {
        Wish::Resolve { conduit, id, preimage: None, amount, urgency: Urgency::None }
    }

    fn urgency(&self) -> Urgency {
        if let Wish::Resolve { urgency, .. } = self { *urgency } else { Urgency::None }
    }
}

/// The locks that are to be resolved and are at least as urgent, the most urgent ones first, and of these those with most in them: there may be more
/// than there are calls for.
fn resolved(wishes: &[Wish], least: Urgency) -> Vec<Resolved> {
    let resolved = wishes.iter().filter_map(|wish| match *wish {
        Wish::Resolve { conduit, id, preimage, amount, urgency } if urgency >= least => {
            Some(Resolved { urgency, amount, conduit, lock: (id, preimage) })
        }
        _ => None,
    });
    let mut resolved: Vec<_> = resolved.collect();
    resolved.sort_by_key(|resolved| std::cmp::Reverse((resolved.urgency, resolved.amount)));
    resolved
}

/// One call for the first of these and as many others in its contract.
fn resolving(side: Side, resolved: &[Resolved], most: usize) -> Option<ContractCall> {
    let first = resolved.first()?.conduit;
    let in_first = resolved.iter().filter(|resolved| resolved.conduit == first);
    let locks: Vec<_> = in_first.map(|resolved| resolved.lock).take(most).collect();
    Some(conduit::resolve(side, first, &locks))
}

/// One call that the ledger takes: what it has to be shown for a lock is as much as the peer has made of the contract's storage. Those for which
/// it would be too much alone are passed over.
fn forced<S: Signer>(machine: &ChannelMachine<S>, wishes: &[Wish]) -> Option<ContractCall> {
    let resolved = resolved(wishes, Urgency::Force);
    let fits = |call: &ContractCall| machine.can_force(call) != Err(CloseError::TooLarge);
    let mut calls = (0..resolved.len()).flat_map(|from| {
        let counts = std::iter::successors(Some(RESOLVED_MAX), |most| Some(most / 2)).take_while(|most| *most > 0);
        counts.filter_map(|most| resolving(machine.side(), &resolved[from..], most)).collect::<Vec<_>>()
    });
    calls.find(fits)
}

/// The next lock, or what has to be there before.
fn making<S: Signer>(machine: &ChannelMachine<S>, place: Option<Address>, wishes: &[Wish]) -> Option<ContractCall> {
    let (side, terms) = (machine.side(), machine.terms());
    let made = wishes.iter().find_map(|wish| match *wish {
        Wish::Make { id, hash, until, amount } => Some((id, hash, until, amount)),
        Wish::Resolve { .. } => None,
    });
    let (id, hash, until, amount) = made?;
    let Some(place) = place else { return Some(conduit::create(side)) };
    let payee = Address::from(terms.parties[side.other().index()]);
    Some(conduit::lock(side, place, id, hash, until, payee, amount))
}
