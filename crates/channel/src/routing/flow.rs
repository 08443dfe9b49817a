//! A payment goes on: what is found of its locks says what is to be done.

use byway_primitives::{Span, Time};
use byway_records::channel::Side;
use byway_vm::Address;

use super::conduit::{Lock, Preimage};
use super::message::{Failure, Reason, RoutingMessage};
use super::passage::{Incoming, Outgoing, Passage, PassageId, Stage};
use super::router::{CLOSE_BEFORE, FORCE_AFTER, FORCE_BEFORE, LOCKING_TIME_MAX, Router, RoutingNews};
use super::sight::{self, Found, Sought};
use super::wish::{Urgency, Wish};
use crate::channels::Channels;
use crate::journal::Life;
use crate::machine::ENVIRONMENT_BEHIND_MAX;
use crate::signer::Signer;

/// How often the next one is told its order again while it does nothing.
const TELL_AGAIN: Span = Span::seconds(10);

impl Router {
    /// Goes as far as it goes now.
    pub(super) fn advance<S: Signer + Clone>(&mut self, now: Time, channels: &Channels<S>, id: PassageId) {
        while let Some(passage) = self.passages.get(&id).cloned() {
            let next = match (passage.stage, &passage.outgoing) {
                (Stage::Locking, Some(outgoing)) => self.make_lock(now, channels, &passage, outgoing),
                (Stage::Locked, Some(outgoing)) => self.look_after(now, channels, id, &passage, outgoing),
                (Stage::Waiting(parts), _) => self.wait_for_parts(now, channels, id, &passage, parts),
                (Stage::Claiming(preimage), _) => return self.claim(now, channels, id, &passage, preimage),
                (Stage::Failing(failure), _) => return self.let_go(now, channels, id, &passage, failure),
                (Stage::Locking | Stage::Locked, None) => Some(Stage::Failing(Failure::here(Reason::Order))),
            };
            let Some(stage) = next else { return };
            self.put_passage(id, Passage { stage, ..passage.clone() });
            if let Stage::Failing(failure) = stage {
                self.note_paid_out(&passage, failure);
                self.say_failed(channels, &passage, failure);
            }
        }
    }

    fn make_lock<S: Signer + Clone>(
        &mut self,
        now: Time,
        channels: &Channels<S>,
        passage: &Passage,
        outgoing: &Outgoing,
    ) -> Option<Stage> {
        let failed = |reason| Some(Stage::Failing(Failure::here(reason)));
        match find_outgoing(channels, outgoing) {
            Found::There(..) => return Some(Stage::Locked),
            Found::Unknown | Found::Unsettled => return None,
            // What was half-signed may have been in it.
            Found::Over if passage.is_proposed => return failed(Reason::PaidOut),
            Found::Over => return failed(Reason::NoChannel),
            Found::Gone => {}
        }
        let machine = sight::machine(channels, outgoing.lock.channel).filter(|machine| machine.life() == Life::Open);
        let Some(machine) = machine else { return failed(Reason::NoChannel) };
        if now.since(passage.since) >= LOCKING_TIME_MAX {
            return failed(if sight::is_usable(machine) { Reason::Room } else { Reason::NoChannel });
        }
        if passage.incoming.is_some() && !self.is_ready {
            return failed(Reason::Unready);
        }
        if sight::room(machine) < outgoing.amount {
            return failed(Reason::Room);
        }
        let Outgoing { lock, until, amount, .. } = outgoing;
        let (id, hash, until, amount) = (lock.id, passage.hash, *until, *amount);
        self.wish(lock.channel, Wish::Make { id, hash, until, amount });
        None
    }

    /// The outgoing lock stands: the next one opens it, lets go of it, or does nothing until its time has come.
    fn look_after<S: Signer + Clone>(
        &mut self,
        now: Time,
        channels: &Channels<S>,
        id: PassageId,
        passage: &Passage,
        outgoing: &Outgoing,
    ) -> Option<Stage> {
        let channel = outgoing.lock.channel;
        let (conduit, until) = match find_outgoing(channels, outgoing) {
            // No contract that is taken for a conduit opens a lock with anything else.
            Found::There(_, Lock::Open { preimage, .. }) if preimage.hash() != passage.hash => return None,
            Found::There(_, Lock::Open { preimage, .. }) => return Some(Stage::Claiming(preimage)),
            Found::There(conduit, Lock::Closed { until, .. }) => (conduit, until),
            Found::Unknown | Found::Unsettled => return None,
            Found::Over => return Some(Stage::Failing(Failure::here(Reason::PaidOut))),
            Found::Gone => {
                let failure = self.failures.get(&id).map(|failure| failure.passed_on());
                let silent = Failure { reason: Reason::Downstream, hop: 1 };
                return Some(Stage::Failing(failure.unwrap_or(silent)));
            }
        };
        let machine = sight::machine(channels, channel)?;
        let time = machine.environment().time;
        if time >= until {
            let is_late = time >= until + FORCE_AFTER || machine.life() == Life::Closing;
            let urgency = if is_late { Urgency::Force } else { Urgency::None };
            let (id, amount) = (outgoing.lock.id, outgoing.amount);
            self.wish(channel, Wish::Resolve { conduit, id, preimage: None, amount, urgency });
        } else if machine.is_connected() && self.told.get(&id).is_none_or(|at| now.since(*at) >= TELL_AGAIN) {
            self.told.insert(id, now);
            let sealed = outgoing.order.clone();
            self.out.send(machine.peer(), RoutingMessage::Order { channel, lock: outgoing.lock.id, sealed });
        }
        None
    }

    /// The preimage is known, and durable before anything is done with it.
    fn claim<S: Signer + Clone>(
        &mut self,
        now: Time,
        channels: &Channels<S>,
        id: PassageId,
        passage: &Passage,
        preimage: Preimage,
    ) {
        let mut is_lost = false;
        if let Some(incoming) = passage.incoming {
            if self.let_go_of_late(now, channels, passage, &incoming) {
                return;
            }
            match find_incoming(channels, &incoming) {
                Found::There(conduit, Lock::Closed { .. }) if !is_before(channels, &incoming) => {
                    return self.give_up(channels, conduit, &incoming);
                }
                Found::There(conduit, Lock::Closed { .. }) => {
                    let urgency = urgency_of(channels, &self.with_until_of_all(passage, incoming));
                    let (id, preimage, amount) = (incoming.lock.id, Some(preimage), incoming.amount);
                    let resolve = Wish::Resolve { conduit, id, preimage, amount, urgency };
                    return self.wish(incoming.lock.channel, resolve);
                }
                Found::Unknown | Found::Unsettled => return,
                Found::There(_, Lock::Open { .. }) => {
                    self.note_opened(id, passage);
                    self.tell(id, passage, preimage);
                }
                // Nobody takes it back before its time; so it was opened, and is cleared away.
                Found::Gone if is_before(channels, &incoming) => {
                    self.note_opened(id, passage);
                    self.tell(id, passage, preimage);
                }
                Found::Gone | Found::Over => is_lost = !passage.is_opened,
            }
        } else {
            self.tell(id, passage, preimage);
        }
        let Some(outgoing) = &passage.outgoing else { return self.remove_passage(id) };
        match find_outgoing(channels, outgoing) {
            Found::There(conduit, _) => {
                self.wish(outgoing.lock.channel, Wish::by_update(conduit, outgoing.lock.id, outgoing.amount));
            }
            Found::Unknown | Found::Unsettled => {}
            Found::Gone | Found::Over => {
                let Some(incoming) = passage.incoming else { return self.remove_passage(id) };
                if is_lost {
                    self.remove_passage(id);
                    return self.out.notify(RoutingNews::Lost { amount: outgoing.amount });
                }
                let (amount, fee) = (outgoing.amount, incoming.amount.saturating_sub(outgoing.amount));
                self.note_forwarded(id, amount, fee);
            }
        }
    }

    /// Written down before the one before can clear it away: what happens to a channel next comes after what is written here.
    fn note_opened(&mut self, id: PassageId, passage: &Passage) {
        if !passage.is_opened {
            self.put_passage(id, Passage { is_opened: true, ..passage.clone() });
        }
    }

    /// The preimage came too late to open that lock, so nothing is left to do but to let go of it; not before what was forced in time can't be executed
    /// any more.
    fn give_up<S: Signer + Clone>(&mut self, channels: &Channels<S>, conduit: Address, incoming: &Incoming) {
        let Incoming { lock, until, amount, .. } = *incoming;
        let time = sight::machine(channels, lock.channel).map(|machine| machine.environment().time);
        if time.is_some_and(|time| time > until + ENVIRONMENT_BEHIND_MAX) {
            self.wish(lock.channel, Wish::by_update(conduit, lock.id, amount));
        }
    }

    /// Whoever pays or is paid here hears of it.
    fn tell(&mut self, id: PassageId, passage: &Passage, preimage: Preimage) {
        match (&passage.incoming, &passage.outgoing) {
            (None, Some(_)) => self.note_paid(passage.hash, preimage),
            (Some(incoming), None) if !self.payments.contains_key(&passage.hash) => {
                self.out.notify(RoutingNews::Received { hash: passage.hash, passage: id, amount: incoming.amount });
            }
            _ => {}
        }
    }

    /// There is no outgoing lock, and there won't be one.
    fn let_go<S: Signer + Clone>(
        &mut self,
        now: Time,
        channels: &Channels<S>,
        id: PassageId,
        passage: &Passage,
        failure: Failure,
    ) {
        let Some(incoming) = passage.incoming else {
            self.remove_passage(id);
            return self.try_next(now, channels, passage.hash, id, failure);
        };
        match find_incoming(channels, &incoming) {
            Found::There(conduit, _) => {
                self.wish(incoming.lock.channel, Wish::by_update(conduit, incoming.lock.id, incoming.amount));
            }
            Found::Unknown | Found::Unsettled => {}
            Found::Gone | Found::Over => self.remove_passage(id),
        }
    }

    /// What a hub has made a lock for was paid out with that in it: a part of it may be gone.
    fn note_paid_out(&mut self, passage: &Passage, failure: Failure) {
        if let (Some(_), Some(outgoing), true) =
            (passage.incoming, &passage.outgoing, failure == Failure::here(Reason::PaidOut))
        {
            self.out.notify(RoutingNews::Lost { amount: outgoing.amount });
        }
    }

    pub(super) fn say_failed<S: Signer + Clone>(
        &mut self,
        channels: &Channels<S>,
        passage: &Passage,
        failure: Failure,
    ) {
        let Some(Incoming { lock, amount, .. }) = passage.incoming else { return };
        if let Some(machine) = sight::machine(channels, lock.channel) {
            self.out.notify(RoutingNews::Refused { peer: machine.peer(), amount, failure });
            self.out.send(machine.peer(), RoutingMessage::Failed { channel: lock.channel, lock: lock.id, failure });
        }
    }
}

fn find_outgoing<S: Signer + Clone>(channels: &Channels<S>, outgoing: &Outgoing) -> Found {
    let Some(by) = sight::machine(channels, outgoing.lock.channel).map(|machine| machine.side()) else {
        return sight::none_of(channels, outgoing.lock.channel);
    };
    sight::find(channels, outgoing.lock.channel, Sought { id: outgoing.lock.id, by, conduit: None })
}

pub(super) fn find_incoming<S: Signer + Clone>(channels: &Channels<S>, incoming: &Incoming) -> Found {
    let side = sight::machine(channels, incoming.lock.channel).map(|machine| machine.side());
    let Some(by) = side.map(Side::other) else { return sight::none_of(channels, incoming.lock.channel) };
    sight::find(channels, incoming.lock.channel, Sought { id: incoming.lock.id, by, conduit: Some(incoming.conduit) })
}

fn is_before<S: Signer + Clone>(channels: &Channels<S>, incoming: &Incoming) -> bool {
    let machine = sight::machine(channels, incoming.lock.channel);
    machine.is_some_and(|machine| machine.environment().time < incoming.until)
}

/// By what an incoming lock has to be opened now.
fn urgency_of<S: Signer + Clone>(channels: &Channels<S>, incoming: &Incoming) -> Urgency {
    let Some(machine) = sight::machine(channels, incoming.lock.channel) else { return Urgency::None };
    let time = machine.environment().time;
    if time + CLOSE_BEFORE >= incoming.until {
        Urgency::Close
    } else if time + FORCE_BEFORE >= incoming.until || machine.life() == Life::Closing {
        Urgency::Force
    } else {
        Urgency::None
    }
}
