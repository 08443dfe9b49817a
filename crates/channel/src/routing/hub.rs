//! A lock comes in: whether it is sent on, kept, or let go of.

use byway_primitives::{Amount, IdentityId, Time};
use byway_records::promise::ChannelId;

use super::conduit::{Lock, LockId, PaymentHash};
use super::message::{Failure, Reason, RoutingMessage};
use super::order::Order;
use super::passage::{Incoming, LockRef, Outgoing, Passage, PassageId, Stage};
use super::router::{FORCE_BEFORE, Router};
use super::sight::{self, Found, Sought};
use crate::channels::Channels;
use crate::machine::ChannelMachine;
use crate::signer::Signer;

impl Router {
    /// The peer says what is to be done with a lock of its.
    pub(super) fn handle_order<S: Signer + Clone>(
        &mut self,
        now: Time,
        channels: &Channels<S>,
        peer: IdentityId,
        channel: ChannelId,
        id: LockId,
        sealed: &[u8],
    ) {
        let lock = LockRef { channel, id };
        let name = PassageId::of(lock);
        if let Some(passage) = self.passages.get(&name) {
            if let Stage::Failing(failure) = passage.stage {
                self.out.send(peer, RoutingMessage::Failed { channel, lock: id, failure });
            }
            return;
        }
        let Some(machine) = sight::machine(channels, channel).filter(|machine| machine.peer() == peer) else { return };
        let sought = Sought { id, by: machine.side().other(), conduit: None };
        let Found::There(conduit, Lock::Closed { hash, payee, until, amount, .. }) = sight::find_in(machine, sought)
        else {
            return;
        };
        if payee != sight::us(machine) || amount.is_zero() {
            return;
        }
        let incoming = Incoming { lock, conduit, amount, until };
        let judged = self.judge(channels, machine, hash, &incoming, sealed);
        let (outgoing, stage) = judged.unwrap_or_else(|reason| (None, Stage::Failing(Failure::here(reason))));
        let (incoming, is_proposed, is_opened) = (Some(incoming), false, false);
        let passage = Passage { hash, incoming, outgoing, is_proposed, is_opened, since: now, stage };
        self.put_passage(name, passage.clone());
        if let Stage::Failing(failure) = stage {
            self.say_failed(channels, &passage, failure);
        }
        self.advance(now, channels, name);
    }

    /// The next one says why it lets go. It is believed once it has.
    pub(super) fn handle_failed<S: Signer + Clone>(
        &mut self,
        channels: &Channels<S>,
        peer: IdentityId,
        channel: ChannelId,
        id: LockId,
        failure: Failure,
    ) {
        let lock = LockRef { channel, id };
        let is_peers = sight::machine(channels, channel).is_some_and(|machine| machine.peer() == peer);
        let goes_out = |passage: &Passage| passage.outgoing.as_ref().is_some_and(|outgoing| outgoing.lock == lock);
        let named = self.passages.iter().find(|(_, passage)| goes_out(passage)).map(|(name, _)| *name);
        if let Some(name) = named.filter(|_| is_peers) {
            self.failures.insert(name, failure);
        }
    }

    fn judge<S: Signer + Clone>(
        &mut self,
        channels: &Channels<S>,
        machine: &ChannelMachine<S>,
        hash: PaymentHash,
        incoming: &Incoming,
        sealed: &[u8],
    ) -> Result<(Option<Outgoing>, Stage), Reason> {
        // Of a channel that is closing less than a lock period is left: it may pay out before the lock's time.
        if !sight::is_usable(machine) {
            return Err(Reason::NoChannel);
        }
        if incoming.until > sight::until_max(machine) {
            return Err(Reason::Time);
        }
        let order = Order::open(sealed, &self.secret, hash).ok_or(Reason::Order)?;
        self.judge_load(channels, machine, incoming)?;
        match order {
            // Whoever pays all at once pays what was asked for, however little.
            Order::Receive { parts: Some(_) } if self.is_dust(incoming.amount) => Err(Reason::Dust),
            Order::Receive { parts } => {
                self.judge_own(channels, machine, hash, incoming, parts).map(|stage| (None, stage))
            }
            Order::Forward { next, amount, until, rest } => {
                // Whoever is none says so first.
                self.terms.ok_or(Reason::NoHub)?;
                if !self.is_ready {
                    return Err(Reason::Unready);
                }
                self.judge_exposure(channels, (machine.peer(), incoming.amount), (next, amount))?;
                let outgoing = self.judge_forward(channels, incoming, next, amount, until, rest)?;
                Ok((Some(outgoing), Stage::Locking))
            }
        }
    }

    /// Whether a hub would rather not have so little locked: by force it costs more.
    pub(super) fn is_dust(&self, amount: Amount) -> bool {
        self.terms.is_some_and(|terms| amount < terms.amount_min)
    }

    fn judge_forward<S: Signer + Clone>(
        &self,
        channels: &Channels<S>,
        incoming: &Incoming,
        next: IdentityId,
        amount: Amount,
        until: Time,
        order: Vec<u8>,
    ) -> Result<Outgoing, Reason> {
        let terms = self.terms.ok_or(Reason::NoHub)?;
        if self.is_dust(amount) {
            return Err(Reason::Dust);
        }
        // What goes back to whom it came from, goes back over another channel.
        let rooms = self.rooms_with(channels, next).into_iter().filter(|(other, _)| *other != incoming.lock.channel);
        let rooms: Vec<_> = rooms.collect();
        let free = rooms.iter().copied().filter(|(channel, _)| self.can_lock(channels, *channel, 1));
        let none = if rooms.is_empty() { Reason::NoChannel } else { Reason::Exposure };
        let (channel, room) = free.max_by_key(|(_, room)| *room).ok_or(none)?;
        let machine = sight::machine(channels, channel).ok_or(Reason::NoChannel)?;
        if terms.with_fee(amount).is_none_or(|with_fee| incoming.amount < with_fee) {
            return Err(Reason::Fee);
        }
        let time = machine.environment().time;
        let is_whole = until.0.is_multiple_of(1000);
        if !is_whole || until > sight::until_max(machine) || until < time + FORCE_BEFORE {
            return Err(Reason::Time);
        }
        if incoming.until < until + terms.delta {
            return Err(Reason::Time);
        }
        if room < amount {
            return Err(Reason::Room);
        }
        let name = PassageId::of(incoming.lock);
        let lock = LockRef { channel, id: LockId::derived(&name.0, channel) };
        Ok(Outgoing { lock, amount, until, order })
    }
}
