//! Updates: proposing, judging, signing, and superseding what can't be taken back.
//!
//! *One state for each round.* Whatever is signed has a higher round than all that was signed before (`sign`; `rounds`, where the disk is an
//! old one); that is asserted where it happens, and no other place signs states. A signature that was given can't be taken back, so a proposal
//! stays *released* until a higher round is co-signed.

use byway_crypto::IdentitySignature;
use byway_primitives::{Batch, Encode, Time};
use byway_records::channel::{Agreed as _, ChannelState, Cosigned, Environment, Held, Position, Side};
use byway_vm::State;

use super::{ChannelMachine, ENVIRONMENT_AHEAD_MAX, ENVIRONMENT_BEHIND_MAX, Link, in_order, is_same, position_digest};
use crate::change::{CREATE_GAS_MAX, Change, ChangeError};
use crate::consent::ContractWish;
use crate::journal::{Health, Life, RELEASED_MAX};
use crate::message::{ChannelMessage, Proposal, Reestablish, Refusal};
use crate::news::{ChannelNews, PeerFault, ProposeError};
use crate::signer::Signer;

impl<S: Signer> ChannelMachine<S> {
    /// Proposes an update of our own; gives its round.
    pub fn propose(&mut self, now: Time, change: Change) -> Result<u64, ProposeError> {
        self.begin(now);
        self.may_propose()?;
        if change == Change::Nothing || change.by() == Some(self.record.side.other()) {
            return Err(ProposeError::NotOurs);
        }
        if !self.record.released.is_empty() || self.record.fund.is_some() {
            return Err(ProposeError::Busy);
        }
        if self.is_peers_turn {
            return Err(ProposeError::Turn);
        }
        if self.keeps_out(&change) {
            return Err(ProposeError::Busy);
        }
        if !self.leaves_what_is_promised(&change) {
            return Err(ProposeError::Promised);
        }
        let before = self.record.consent.clone();
        self.consent_to(ContractWish::of(&change))?;
        let released = self.release(now, change, None);
        if released.is_err() {
            self.record.consent = before;
        }
        released
    }

    /// Takes back what is proposed, by having the peer sign the earlier state under a higher round. Until it does, the proposal
    /// can still come into effect. What our user has consented to, and what the peer was only asked for, is taken back at once, also while the
    /// peer is away; where nothing else is open, that is all.
    pub fn cancel(&mut self, now: Time) -> Result<u64, ProposeError> {
        self.begin(now);
        if self.take_consent_back() && self.record.released.is_empty() {
            return Ok(self.record.base.round);
        }
        self.may_propose()?;
        let newest = position_digest(&self.record.base);
        if let Some(last) =
            self.record.released.last().filter(|last| last.change == Change::Nothing && last.base == newest)
        {
            // It is taken back already, and the peer has not signed that.
            let (round, last) = (last.round(), last.clone());
            self.send(ChannelMessage::Propose(last));
            return Ok(round);
        }
        let last = self.record.released.last().map(Proposal::round);
        self.release(now, Change::Nothing, last.map(|round| (round, Refusal::Withdrawn)))
    }

    pub(super) fn may_propose(&self) -> Result<(), ProposeError> {
        if self.record.life != Life::Open {
            return Err(ProposeError::NotOpen);
        }
        if self.record.health != Health::Sound {
            return Err(ProposeError::Unsound);
        }
        if self.link == Link::Connected { Ok(()) } else { Err(ProposeError::Disconnected) }
    }

    /// Signs a change on the newest position under a round that is new to both, and lets it go.
    pub(super) fn release(
        &mut self,
        now: Time,
        change: Change,
        refuses: Option<(u64, Refusal)>,
    ) -> Result<u64, ProposeError> {
        // What the ledger can still execute would make it worthless.
        if self.record.released.len() >= RELEASED_MAX || self.record.fund.is_some() {
            return Err(ProposeError::Busy);
        }
        let base = self.record.base;
        let round = self.next_round(now)?;
        let environment = self.ledger.environment.max(base.environment);
        let (state, position) = self.record.ground.after(&self.state, &base, round, &change, environment)?;
        if self.outgrows(&state) {
            return Err(ChangeError::TooLarge.into());
        }
        let signature = self.sign(position);
        let (base_round, base) = (base.round, position_digest(&base));
        let proposal = Proposal { base_round, base, change, position, signature, refuses };
        self.record.released.push(proposal.clone());
        self.prepared = Some((position, state));
        self.since = now;
        self.persist(Batch::new());
        self.send(ChannelMessage::Propose(proposal));
        self.wait(now);
        Ok(round)
    }

    /// The only place where a state is signed, but for that after a deposit or a withdrawal.
    fn sign(&mut self, position: Position) -> IdentitySignature {
        assert!(!self.is_bound(), "nothing is signed beside what the ledger can still execute");
        self.take_round(position.round);
        self.signer.sign_state(&self.record.state_of(position))
    }

    /// Whatever is signed takes a round of its own.
    pub(super) fn take_round(&mut self, round: u64) {
        assert!(round > self.signed_max(), "no two states are signed for one round");
        self.record.signed = round;
    }

    /// Whether the peer signed this position.
    fn is_peers(&self, position: Position, signature: &IdentitySignature) -> bool {
        let state = self.record.state_of(position);
        signature.verify(self.peer(), ChannelState::PURPOSE, state.network, &state.to_bytes()).is_ok()
    }

    /// Whether both have signed what the peer shows.
    pub(super) fn is_cosigned(&self, theirs: &Reestablish, signatures: [IdentitySignature; 2]) -> bool {
        let Reestablish { position, total, fundings, .. } = *theirs;
        let parties = self.record.ground.terms.parties;
        let body = ChannelState { total, fundings, ..self.record.state_of(position) };
        Cosigned { body, parties, signatures }.verify().is_ok()
    }

    pub(super) fn handle_proposal(&mut self, now: Time, proposal: Proposal) -> Result<(), PeerFault> {
        if self.record.life != Life::Open || self.record.health != Health::Sound || self.link != Link::Connected {
            return Ok(());
        }
        let (base, round) = (self.record.base, proposal.round());
        if !self.is_peers(proposal.position, &proposal.signature) {
            return Err(PeerFault::Signature);
        }
        if round <= base.round {
            self.accept_again(&proposal);
            return Ok(());
        }
        if self.holds_back(now, &proposal)? {
            return Ok(());
        }
        self.record.seen = self.record.seen.max(round);
        if self.is_bound() {
            // It is said again once this side says that the ledger has decided.
            return Ok(());
        }
        self.drop_wish(Some(Refusal::Busy));
        self.note_refusal(&proposal);
        if let Some(last) = self.record.released.last().filter(|last| round <= last.round()).cloned() {
            if round == last.round() {
                self.resolve_tie(now, &last, &proposal);
            }
            // A lower one is answered by ours, which the peer has or will have.
            return Ok(());
        }
        self.is_peers_turn = false;
        // Where nothing more of ours can be released it is looked at all the same: to sign it makes all of ours worthless.
        if round <= self.signed_max() {
            return self.refuse(now, round, Refusal::Round);
        }
        if proposal.base_round > base.round
            || (proposal.base_round == base.round && proposal.base != position_digest(&base))
        {
            self.greet();
            return Ok(());
        }
        if proposal.base_round < base.round {
            return self.refuse(now, round, Refusal::Base);
        }
        match self.judge(now, &proposal) {
            Ok(state) => self.accept(now, proposal, state),
            Err(refusal) => {
                self.note_asked(refusal, ContractWish::of(&proposal.change));
                return self.refuse(now, round, refusal);
            }
        }
        Ok(())
    }

    /// The peer proposes again what is co-signed: it has not had our signature.
    fn accept_again(&mut self, proposal: &Proposal) {
        let base = self.record.base;
        if let Some(signatures) = self.record.signatures.filter(|_| proposal.position == base) {
            let signature = signatures[self.record.side.index()];
            self.send(ChannelMessage::Accept { round: base.round, signature });
        }
    }

    fn note_refusal(&mut self, proposal: &Proposal) {
        let is_ours = |round: &u64| self.record.released.iter().any(|released| released.round() == *round);
        if let Some((round, refusal)) = proposal.refuses.filter(|(round, _)| is_ours(round)) {
            self.notify(ChannelNews::Refused { round, refusal });
        }
    }

    /// Both have signed a state of one round, so neither may sign the other's. The initiator proposes its own again under the
    /// next round, and then leaves the peer the turn; the responder waits for that.
    fn resolve_tie(&mut self, now: Time, ours: &Proposal, theirs: &Proposal) {
        if is_same(ours, theirs) {
            let signatures = in_order(self.record.side, ours.signature, theirs.signature);
            let state = self.execute_again(ours);
            self.adopt(Agreed::by_both(ours.position, signatures), state, &ours.change);
        } else if self.record.side == Side::Initiator {
            self.is_peers_turn = ours.change != Change::Nothing;
            if self.release(now, ours.change.clone(), None).is_err() {
                // Nothing more can be released: the responder, which is told that its round is taken, proposes under another. Where
                // it can't either, its time runs out and the ledger decides.
                self.is_peers_turn = true;
                self.greet();
            }
        }
    }

    /// A change is signed without asking anyone where it is the peer's own doing, comes out as the peer says, and leaves this
    /// side worth no less ([`worth`](Self::worth)): the ledger would execute it for the peer as well. What the ledger would not is
    /// signed where our user wants it too.
    fn judge(&mut self, now: Time, proposal: &Proposal) -> Result<State, Refusal> {
        let (side, base, position) = (self.record.side, self.record.base, proposal.position);
        if proposal.change.by() == Some(side) {
            return Err(Refusal::Unwanted);
        }
        if let Change::Absorb { payer, promise } = proposal.change
            && !self.absorbs_what_is_promised(payer, promise)
        {
            return Err(Refusal::Unwanted);
        }
        let (seen, known) = (position.environment, self.environment());
        let is_behind = matches!(proposal.change, Change::Call(_)) && seen.time + ENVIRONMENT_BEHIND_MAX < known.time;
        if is_ahead(seen, known) || is_behind {
            return Err(Refusal::Impossible);
        }
        if !self.is_shown(&proposal.change) {
            return Err(Refusal::Impossible);
        }
        if !self.leaves_what_is_promised(&proposal.change) {
            return Err(Refusal::Unwanted);
        }
        let (state, ours) = self.execute_for_peer(now, proposal)?;
        if ours != position {
            return Err(Refusal::Differs);
        }
        if self.worth(&position) < self.worth(&base) {
            return Err(Refusal::Unwanted);
        }
        if self.consents_to(ContractWish::of(&proposal.change).as_ref()) { Ok(state) } else { Err(Refusal::Asked) }
    }

    /// What comes of the peer's change. No more is executed than it has gas for.
    fn execute_for_peer(&mut self, now: Time, proposal: &Proposal) -> Result<(State, Position), Refusal> {
        let (base, environment) = (self.record.base, proposal.position.environment);
        let named = match &proposal.change {
            // What names more is not executed.
            Change::Call(call) => call.gas.min(CREATE_GAS_MAX),
            _ => 0,
        };
        // What takes back or refuses is not refused itself.
        if !self.takes_peer_gas(now, named) && proposal.change != Change::Nothing {
            return Err(Refusal::Busy);
        }
        let after = self.record.ground.after(&self.state, &base, proposal.round(), &proposal.change, environment);
        let (state, position) = after.map_err(|_| Refusal::Impossible)?;
        if named > 0 {
            let used = state.receipt().map_or(named, |receipt| receipt.gas_used);
            self.peer_gas.put_back(named.saturating_sub(used));
        }
        if self.outgrows(&state) {
            return Err(Refusal::TooLarge);
        }
        Ok((state, position))
    }

    fn accept(&mut self, now: Time, proposal: Proposal, state: State) {
        let ours = self.sign(proposal.position);
        let signatures = in_order(self.record.side, ours, proposal.signature);
        let round = proposal.round();
        self.since = now;
        self.adopt(Agreed::by_both(proposal.position, signatures), Some(state), &proposal.change);
        self.send(ChannelMessage::Accept { round, signature: ours });
    }

    /// Refuses by proposing the earlier state under a higher round, which, once the peer has signed it, makes the refused one
    /// worthless.
    fn refuse(&mut self, now: Time, round: u64, refusal: Refusal) -> Result<(), PeerFault> {
        // Where nothing more can be released, silence refuses.
        let _ = self.release(now, Change::Nothing, Some((round, refusal)));
        Ok(())
    }

    pub(super) fn handle_accept(
        &mut self,
        now: Time,
        round: u64,
        signature: IdentitySignature,
    ) -> Result<(), PeerFault> {
        if round <= self.record.agreed || matches!(self.record.health, Health::Frozen(_)) {
            return Ok(());
        }
        let released = self.record.released.iter().find(|released| released.round() == round).cloned();
        let proposal = released.ok_or(PeerFault::NotProposed)?;
        if !self.is_peers(proposal.position, &signature) {
            return Err(PeerFault::Signature);
        }
        let signatures = in_order(self.record.side, proposal.signature, signature);
        let state = self.execute_again(&proposal);
        self.since = now;
        self.adopt(Agreed::by_both(proposal.position, signatures), state, &proposal.change);
        self.supersede(now);
        Ok(())
    }

    /// The state after a proposal of ours; `None` where that is not known on which it builds.
    pub(super) fn execute_again(&mut self, proposal: &Proposal) -> Option<State> {
        if let Some((_, state)) = self.prepared.take_if(|(position, _)| *position == proposal.position) {
            return Some(state);
        }
        let (base, state) = self.known_as(proposal.base)?;
        let (change, environment) = (&proposal.change, proposal.position.environment);
        let after = self.record.ground.after(state, base, proposal.round(), change, environment);
        after.ok().filter(|(_, position)| *position == proposal.position).map(|(state, _)| state)
    }

    /// Goes on from a position that is agreed: co-signed, or the ledger's own. Where its contracts' state is not known, the peer is asked for it.
    pub(super) fn adopt(&mut self, next: Agreed, state: Option<State>, change: &Change) {
        let Agreed { position, signatures, agreed, held } = next;
        let (round, id, mut batch) = (position.round, self.record.id, Batch::new());
        let is_known = state.is_some();
        let beneath = self.needed_from(agreed);
        let was_forced = self.record.base.round > self.record.agreed;
        if agreed == round || agreed != self.record.agreed {
            self.fork = None;
        } else if !was_forced && self.state.root() == self.record.base.root {
            self.fork = Some((self.record.base, self.state.clone()));
        }
        let is_funded = held.is_some();
        let is_of_others = held.is_some_and(|held| held.fundings != self.record.held.fundings);
        let fund = self.record.fund.take_if(|fund| !fund.is_bound || fund.round() <= agreed);
        self.record.base = position;
        self.record.held = held.unwrap_or(self.record.held);
        self.record.signatures = signatures;
        self.record.agreed = agreed;
        self.record.signed = self.record.signed.max(round);
        // Nobody signed what was forced.
        self.record.seen = self.record.seen.max(agreed);
        match state {
            Some(state) => {
                if agreed == round {
                    // Whatever a copy has is older, and never counts again.
                    self.copied.clear();
                }
                if agreed < round {
                    self.log.append_forced(&mut batch, id, change, &position);
                } else if was_forced || is_funded || !self.beneath.is_empty() {
                    // What is on disk may not lead here.
                    self.log.write_whole(&mut batch, id, &position, &state);
                } else if *change != Change::Nothing {
                    self.log.append(&mut batch, id, change, &position, &state);
                }
                self.state = state;
            }
            None => self.rebuild(&mut batch),
        }
        // A state is of so many fundings, and counts with no other number.
        let is_dead = |released: &Proposal| is_of_others || released.round() <= agreed;
        let (dead, alive) = self.record.released.drain(..).partition(is_dead);
        self.record.released = alive;
        self.keep_beneath(&mut batch, beneath);
        self.prepared = None;
        self.end_consent_to_change(change);
        if let Some(fund) = &fund {
            self.forget_leaving(&mut batch, fund);
        }
        self.persist(batch);
        self.notify(ChannelNews::Updated { round, change: change.clone() });
        self.end_fund(fund);
        self.abandon(if is_of_others { u64::MAX } else { agreed }, dead);
        // Who has not heard the peer says nothing to it.
        if !is_known && self.record.health == Health::Recovering && self.link.has_greeted() {
            self.send(ChannelMessage::Fetch { round });
        }
    }

    fn abandon(&mut self, round: u64, dead: Vec<Proposal>) {
        for proposal in dead.into_iter().filter(|dead| dead.round() < round && dead.change != Change::Nothing) {
            self.notify(ChannelNews::Abandoned { round: proposal.round(), change: proposal.change });
        }
    }

    /// A position whose contracts' state was not followed: that of a channel in which nothing was called follows from the balances.
    fn rebuild(&mut self, batch: &mut Batch) {
        let base = self.record.base;
        let plain = self.record.ground.first_state(base.balances, &self.record.held.assets);
        if plain.root() == base.root {
            self.state = plain;
        } else if let Some(state) = self.copied_state(base) {
            self.state = state;
        }
        if self.state.root() == base.root {
            self.record.health = Health::Sound;
            self.log.write_whole(batch, self.record.id, &base, &self.state);
        } else {
            self.record.health = Health::Recovering;
        }
    }

    /// What of ours is still half-signed and builds on an earlier position is made worthless.
    pub(super) fn supersede(&mut self, now: Time) {
        let newest = position_digest(&self.record.base);
        let is_stale = self.record.released.last().is_some_and(|last| last.base != newest);
        if is_stale && self.record.life == Life::Open && self.record.health == Health::Sound && self.is_connected() {
            let _ = self.release(now, Change::Nothing, None);
        }
    }
}

/// A position that counts, and by what.
pub(super) struct Agreed {
    position: Position,
    /// None where it is known from the ledger only.
    signatures: Option<[IdentitySignature; 2]>,
    /// The round of the co-signed state that it is or builds on.
    agreed: u64,
    /// What there is in the channel; none where that is as before.
    held: Option<Held>,
}

impl Agreed {
    pub fn by_both(position: Position, signatures: [IdentitySignature; 2]) -> Self {
        Self { position, signatures: Some(signatures), agreed: position.round, held: None }
    }

    /// The ledger has it, and was last shown the co-signed round `agreed`.
    pub fn by_ledger(position: Position, agreed: u64) -> Self {
        Self { position, signatures: None, agreed, held: None }
    }

    /// It is of what is in the channel then.
    pub fn of(self, held: Held) -> Self {
        Self { held: Some(held), ..self }
    }
}

/// Whether a contract would see more than a little of the future.
fn is_ahead(environment: Environment, known: Environment) -> bool {
    environment.time.0 > known.time.0.saturating_add(ENVIRONMENT_AHEAD_MAX.time.0)
        || environment.height > known.height.saturating_add(ENVIRONMENT_AHEAD_MAX.height)
}
