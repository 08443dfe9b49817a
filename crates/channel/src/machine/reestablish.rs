//! After every connection: where both stand. `docs/channel-machine.md` has the table of what may come and what is done then, and that of what a crash
//! or a lost connection leaves.

use byway_crypto::IdentitySignature;
use byway_primitives::{Batch, Decode, Encode, Time};
use byway_records::channel::{ChannelState, Cosigned, Held, Side, WatchSecret};
use byway_vm::State;

use super::updates::Agreed;
use super::{ChannelMachine, Link, position_digest};
use crate::beside::ErrorCode;
use crate::change::Change;
use crate::consent::ContractWish;
use crate::journal::{Agreement, Conflict, Health, Life};
use crate::message::{ChannelMessage, Proposal, Reestablish, Refusal, STATE_BYTES_MAX};
use crate::news::{ChannelNews, PeerFault};
use crate::signer::Signer;

impl<S: Signer> ChannelMachine<S> {
    /// Says where this side stands, and before that what it was promised: once the peer has heard the one it may promise more, and an old
    /// journal may have forgotten how much it has.
    pub(super) fn greet(&mut self) {
        if let Some(taken) = self.record.taken {
            self.send(ChannelMessage::Promise(taken));
        }
        let record = &self.record;
        let (position, signatures) = (record.base, record.signatures);
        let ours = Reestablish {
            channel: record.id,
            secret: record.own_secret,
            position,
            total: record.held.total,
            fundings: record.held.fundings,
            signatures,
            signed: self.signed_max(),
            seen: record.seen,
        };
        self.send(ChannelMessage::Reestablish(ours));
    }

    pub(super) fn handle_reestablish(&mut self, now: Time, theirs: Reestablish) -> Result<(), PeerFault> {
        match self.record.life {
            Life::Open | Life::Closing if self.link != Link::Disconnected => {}
            Life::Signed | Life::HalfSigned => {
                self.early = Some(theirs);
                return Ok(());
            }
            _ => return Ok(()),
        }
        if theirs.channel != self.record.id {
            return Err(PeerFault::OutOfPlace);
        }
        self.note_secret(theirs.secret)?;
        // Whatever it said before is replaced.
        self.early = None;
        let (base, is_signed) = (self.record.base, theirs.signatures.is_some());
        // What both signed counts by that.
        let position = if is_signed { 0 } else { theirs.position.round };
        if position.max(theirs.signed).max(theirs.seen) > self.round_believed(now) {
            // Its time may come: it is looked at again.
            self.early = Some(theirs);
            return Err(PeerFault::Round);
        }
        if theirs.position == base {
            // Both stand at one position.
        } else if is_signed && theirs.position.round > self.record.agreed {
            self.catch_up(&theirs)?;
        } else if is_signed && theirs.position.round == base.round {
            return self.freeze(&theirs);
        } else if !is_signed && theirs.position.round >= base.round {
            self.note_rounds(&theirs);
            self.await_ledger(theirs);
            return Ok(());
        } else if self.link == Link::Connected {
            self.greet();
        }
        // It has begun another life since it was last heard, and waits to hear where this side stands.
        let is_new = self.link == Link::Connected && theirs.signed > self.record.seen;
        self.note_rounds(&theirs);
        self.has_heard = true;
        if self.link == Link::Listening || is_new {
            self.greet();
        }
        self.link = Link::Connected;
        self.beside.forget_clocks();
        self.go_on(now);
        self.hear_promise(now)
    }

    /// What the peer will show when it closes alone: packets for watchtowers are sealed under it.
    fn note_secret(&mut self, secret: WatchSecret) -> Result<(), PeerFault> {
        if secret.digest() != self.record.ground.terms.secrets[self.record.side.other().index()] {
            return Err(PeerFault::Secret);
        }
        if self.record.peer_secret.is_none() {
            self.record.peer_secret = Some(secret);
            self.persist(Batch::new());
        }
        Ok(())
    }

    /// The peer says where its ledger is, which may be newer than ours or older. What the ledger made, the ledger shows.
    fn await_ledger(&mut self, theirs: Reestablish) {
        if matches!(self.link, Link::Connected | Link::Listening) {
            self.greet();
        }
        self.link = Link::Greeting;
        self.early = Some(theirs);
    }

    /// What the peer said before this side saw the like on the ledger.
    pub(super) fn hear_again(&mut self, now: Time) {
        if let Some(theirs) = self.early.take() {
            // A fault in it shows again: what is not understood is not answered.
            let _ = self.handle_reestablish(now, theirs);
        }
    }

    /// The peer shows a newer state. It counts if both signed it, whatever our journal says, and nothing has gone in or out since.
    fn catch_up(&mut self, theirs: &Reestablish) -> Result<(), PeerFault> {
        let position = theirs.position;
        let Some(signatures) = theirs.signatures else { return Err(PeerFault::Unproven) };
        if !self.is_cosigned(theirs, signatures) {
            return Err(PeerFault::Signature);
        }
        // Something has gone in or out since that was signed, so it counts no more, whatever its round.
        if self.ledger.entry.as_ref().is_some_and(|entry| theirs.fundings < entry.fundings) {
            return Err(PeerFault::Unproven);
        }
        let was_forced = self.record.base.round > self.record.agreed;
        let released = self.record.released.iter().find(|released| released.position == position);
        let held = self.record.held;
        let released = released.filter(|_| (theirs.total, theirs.fundings) == (held.total, held.fundings)).cloned();
        match released {
            Some(proposal) => {
                let state = self.execute_again(&proposal);
                self.adopt(Agreed::by_both(position, signatures), state, &proposal.change);
            }
            None => self.recover(theirs, signatures),
        }
        if was_forced {
            // The peer heard of what was forced, and waits.
            self.greet();
        }
        Ok(())
    }

    /// Somebody whom this side gave it to shows a newer state than this side knows, with both signatures. Whether it counts here.
    pub fn handle_shown(&mut self, now: Time, shown: &Cosigned<ChannelState>) -> bool {
        self.begin(now);
        let ChannelState { network, channel, total, fundings, position } = shown.body;
        let is_ours = (network, channel) == (self.record.ground.network, self.record.id);
        let is_live = matches!(self.record.life, Life::Open | Life::Closing);
        let is_newer = position.round > self.record.agreed;
        let is_frozen = matches!(self.record.health, Health::Frozen(_));
        if !is_ours || !is_live || !is_newer || is_frozen {
            return false;
        }
        let (secret, signatures) = (self.record.own_secret, Some(shown.signatures));
        let theirs = Reestablish { channel, secret, position, total, fundings, signatures, signed: 0, seen: 0 };
        if self.catch_up(&theirs).is_err() {
            return false;
        }
        if self.link == Link::Connected {
            self.greet();
            self.go_on(now);
        }
        true
    }

    /// We signed a state that we know nothing of: the journal is an old one.
    fn recover(&mut self, theirs: &Reestablish, signatures: [IdentitySignature; 2]) {
        let round = theirs.position.round;
        self.notify(ChannelNews::Behind { round });
        // What there is of other assets the ledger shows, if not here then later.
        let entry = self.ledger.entry.as_ref().filter(|entry| entry.fundings == theirs.fundings);
        let assets = entry.map_or(self.record.held.assets, |entry| entry.assets);
        let held = Held { total: theirs.total, assets, fundings: theirs.fundings };
        self.adopt(Agreed::by_both(theirs.position, signatures).of(held), None, &Change::Nothing);
        self.tell_recovered();
    }

    pub(super) fn tell_recovered(&mut self) {
        let round = self.record.base.round;
        if self.record.health == Health::Sound {
            self.notify(ChannelNews::Recovered { round });
        }
    }

    /// What the peer knows of rounds that were signed is not signed again, though our own journal may not know it.
    fn note_rounds(&mut self, theirs: &Reestablish) {
        self.record.seen = self.record.seen.max(theirs.signed);
        if theirs.seen > self.record.signed {
            self.record.signed = theirs.seen;
            self.persist(Batch::new());
        }
    }

    /// Two co-signed states of one round: ours, and another that the peer shows.
    fn freeze(&mut self, theirs: &Reestablish) -> Result<(), PeerFault> {
        let (base, position) = (self.record.base, theirs.position);
        let (Some(ours), Some(signatures)) = (self.record.signatures, theirs.signatures) else {
            return Err(PeerFault::Unproven);
        };
        if !self.is_cosigned(theirs, signatures) {
            return Err(PeerFault::Signature);
        }
        let ours = Agreement { position: base, signatures: ours };
        let conflict = Box::new(Conflict { ours, theirs: Agreement { position, signatures } });
        self.record.health = Health::Frozen(conflict.clone());
        self.persist(Batch::new());
        self.notify(ChannelNews::Alarm(conflict));
        self.say_error(ErrorCode::Conflict);
        Ok(())
    }

    /// Says again whatever may have been lost.
    pub(super) fn go_on(&mut self, now: Time) {
        // The peer may not have had the last of ours, and may have known nothing of the channel when it was told its own.
        let promises = [self.record.given, self.record.taken];
        promises.into_iter().flatten().for_each(|promise| self.send(ChannelMessage::Promise(promise)));
        // Also while it closes: who knows the contents can show what it has of other assets.
        if self.record.health == Health::Recovering {
            return self.send(ChannelMessage::Fetch { round: self.record.base.round });
        }
        if self.record.life == Life::Closing {
            return self.shut_down_again();
        }
        if self.record.fund.as_ref().is_some_and(|fund| !fund.is_bound && fund.round() <= self.signed_max()) {
            // What may have been signed otherwise before this side started is not signed now.
            self.drop_wish(Some(Refusal::Busy));
        }
        if self.record.fund.is_some() {
            return self.say_funding_again();
        }
        let newest = position_digest(&self.record.base);
        match self.record.released.last().cloned() {
            Some(last) if last.base == newest && self.record.health == Health::Sound => {
                self.propose_again(now, last);
            }
            _ => self.supersede(now),
        }
    }

    /// What our user has taken back while the peer was away, or too much time has passed for, is not said again but superseded. A peer that has
    /// started anew does not sign an earlier round, so it is proposed the same for one that it signs; nor does an initiator sign the round of its
    /// own proposal, in whose place it may have no other.
    fn propose_again(&mut self, now: Time, last: Proposal) {
        if self.consents_to(ContractWish::of(&last.change).as_ref()) {
            let is_tied = self.record.side == Side::Responder && last.round() == self.record.seen;
            if (is_tied || last.round() < self.record.seen) && self.release(now, last.change.clone(), None).is_ok() {
                return;
            }
            self.since = now;
            self.send(ChannelMessage::Propose(last));
            self.wait(now);
        } else {
            let _ = self.release(now, Change::Nothing, Some((last.round(), Refusal::Withdrawn)));
        }
    }

    pub(super) fn handle_fetch(&mut self, now: Time, round: u64) {
        if !self.takes_peer_gas(now, 0) {
            return;
        }
        if round != self.record.base.round || self.state.root() != self.record.base.root {
            return;
        }
        let state = self.state.to_bytes();
        if state.len() <= STATE_BYTES_MAX {
            self.send(ChannelMessage::Whole { round, state });
        }
    }

    pub(super) fn handle_whole(&mut self, now: Time, round: u64, bytes: &[u8]) -> Result<(), PeerFault> {
        let base = self.record.base;
        if self.record.health != Health::Recovering || round != base.round {
            return Ok(());
        }
        let state = State::from_bytes(bytes).map_err(|_| PeerFault::WrongState)?;
        if state.root() != base.root {
            return Err(PeerFault::WrongState);
        }
        let mut batch = Batch::new();
        self.log.write_whole(&mut batch, self.record.id, &base, &state);
        self.state = state;
        self.record.health = Health::Sound;
        self.persist(batch);
        self.notify(ChannelNews::Recovered { round });
        // What the peer proposed meanwhile was not looked at, and it says that again.
        self.greet();
        self.go_on(now);
        Ok(())
    }
}
