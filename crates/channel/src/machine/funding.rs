//! Deposits and withdrawals while the channel is open, and contracts that leave it.
//!
//! ```text
//! whose account it is: writes the wish ─ ProposeFunding(change) ─▶ the other: executes, compares, signs, writes
//! signs, writes, hands it to the ledger ◀─ AcceptFunding(change, signature) ─
//!                                    or ◀─ RefuseFunding(round, why) ─
//! ```
//!
//! *Who asks signs last.* What both have signed can be executed until its time is over, and then every state from before is worthless: states are of a
//! number of fundings (`byway_records::channel::Held`). So a side that has signed one signs nothing else until the ledger has it or never will. Whoever asks has
//! signed nothing before it has the other signature, so a refusal, or an update of the peer's that was on its way, costs no waiting.
//!
//! *The ledger decides.* What both signed is never taken back: a state of a higher round does not beat it unless the ledger is shown
//! that. It has a short time limit instead. Once a final checkpoint is past that, shows another co-signed state of its round or a
//! higher one, or shows that the channel is closing, it is dead, and the two go on with what there was from a higher round.
//! A side that sees that later than its peer lets proposals pass until then, and says where it stands when it does.

use byway_crypto::{IdentitySignature, Purpose};
use byway_primitives::{AssetId, Batch, Encode, Span, Time};
use byway_records::call::{ChannelsCall, ContractLeave};
use byway_records::channel::{Cosigned, FundingChange, Held, Movement, Phase};
use byway_records::{Channel, Value};
use byway_vm::{Address, State};

use super::{ChannelMachine, Link, Show, position_digest};
use crate::change::ChangeError;
use crate::consent::ContractWish;
use crate::fund::{Fund, Moved};
use crate::journal::{CHANNELS, Health, Life, left_key};
use crate::left::LeftContract;
use crate::message::{ChannelMessage, Refusal};
use crate::news::{ChannelNews, PeerFault, ProposeError};
use crate::signer::Signer;

/// How long a deposit or a withdrawal may be executed after it was asked for, in ledger time.
pub const FUND_TIME_MAX: Span = Span::minutes(2);

impl<S: Signer> ChannelMachine<S> {
    /// Asks the peer for a deposit from our account, or a withdrawal into it, of WAY or another asset; gives the round of the state after it.
    pub fn fund(&mut self, now: Time, movement: Movement, value: Value) -> Result<u64, ProposeError> {
        self.begin(now);
        self.may_propose()?;
        if self.record.backing.is_some() {
            return Err(ProposeError::Virtual);
        }
        if !self.record.released.is_empty() || self.record.fund.is_some() {
            return Err(ProposeError::Busy);
        }
        if self.is_peers_turn {
            return Err(ProposeError::Turn);
        }
        let (base, side) = (self.record.base, self.record.side);
        let wish = self.wish_of(movement, value);
        let round = self.next_round(now)?;
        let expires = self.ledger.environment.time + FUND_TIME_MAX;
        let moved = Moved { side, movement, value };
        let held = self.held_after(&moved)?;
        let (after, position) = self.record.ground.funded(&self.state, &base, round, &moved)?;
        if self.outgrows(&after) {
            return Err(ChangeError::TooLarge.into());
        }
        let state = self.record.state_in(&held, position);
        let change = FundingChange { state, side, movement, value, expires };
        self.consent_to(wish)?;
        self.record.fund = Some(Fund { change, base: position_digest(&base), signatures: [None; 2], is_bound: false });
        self.persist_with_leaving(&change);
        self.send(ChannelMessage::ProposeFunding(change));
        Ok(round)
    }

    /// Asks the peer to let a contract leave the channel for the ledger, which must have its code; gives the round of the state after it.
    pub fn leave(&mut self, now: Time, contract: Address) -> Result<u64, ProposeError> {
        let account = self.state.account(contract).ok_or(ChangeError::NoContract)?;
        let movement = Movement::Leave { contract: contract.0, base: self.state.root() };
        self.fund(now, movement, Value::way(account.balance))
    }

    /// The deposit or withdrawal that is open. No update is made meanwhile.
    pub fn funding(&self) -> Option<&FundingChange> {
        self.record.fund.as_ref().map(|fund| &fund.change)
    }

    fn held_after(&self, moved: &Moved) -> Result<Held, ChangeError> {
        let Moved { side, movement, value } = *moved;
        self.record.held.after(side, movement, value).ok_or(match (movement, value.asset) {
            _ if value.amount.is_zero() => ChangeError::NothingMoved,
            (Movement::Withdraw, AssetId::WAY) => ChangeError::Reserve,
            (Movement::Withdraw, _) => ChangeError::NotInPurse,
            _ => ChangeError::Held,
        })
    }

    /// The peer asks. It is signed where it moves the peer's money alone, and brings in no asset that our user has not let in.
    pub(super) fn handle_funding_proposal(&mut self, now: Time, change: FundingChange) -> Result<(), PeerFault> {
        if self.record.life != Life::Open || self.record.health != Health::Sound || self.link != Link::Connected {
            return Ok(());
        }
        let round = change.state.position.round;
        if round > self.round_believed(now) {
            return Err(PeerFault::Round);
        }
        let has_gas = self.takes_peer_gas(now, 0);
        let judged = match &self.record.fund {
            Some(fund) if fund.change == change => {
                self.say_funding_again();
                return Ok(());
            }
            // Both ask at once: the responder's gives way, as soon as it hears of the initiator's.
            Some(fund) if !fund.is_bound && self.record.side.index() == 0 => return Ok(()),
            Some(fund) if fund.is_bound => Err(Refusal::Busy),
            // Its clock is ahead, or this side does not know yet what time it is: it asks again.
            _ if !self.present.is_fresh() || round > self.round_max(now) => Err(Refusal::Busy),
            _ if !has_gas => Err(Refusal::Busy),
            _ => self.judge_funding(&change),
        };
        match judged {
            Ok(()) => self.accept_funding(change),
            Err(refusal) => {
                self.note_asked(refusal, self.wish_of(change.movement, change.value));
                self.send(ChannelMessage::RefuseFunding { round, refusal });
            }
        }
        Ok(())
    }

    fn judge_funding(&self, change: &FundingChange) -> Result<(), Refusal> {
        let FundingChange { state, side, movement, expires, .. } = *change;
        let (base, round, known) = (self.record.base, state.position.round, self.ledger.environment.time);
        if !self.record.released.is_empty() {
            return Err(Refusal::Busy);
        }
        if self.record.backing.is_some() {
            return Err(Refusal::Impossible);
        }
        if side != self.record.side.other() {
            return Err(Refusal::Unwanted);
        }
        if round <= base.round.max(self.signed_max()) {
            // One of the two has started anew, so it is asked again.
            return Err(Refusal::Busy);
        }
        if expires <= known || expires > known + FUND_TIME_MAX + FUND_TIME_MAX {
            return Err(Refusal::Impossible);
        }
        let moved = Moved::of(change);
        let held = self.held_after(&moved).map_err(|_| Refusal::Impossible)?;
        let after = self.record.ground.funded(&self.state, &base, round, &moved);
        let (after, position) = after.map_err(|_| Refusal::Impossible)?;
        if self.outgrows(&after) {
            return Err(Refusal::TooLarge);
        }
        if self.record.state_in(&held, position) != state {
            return Err(Refusal::Differs);
        }
        if self.worth(&position) < self.worth(&base) {
            return Err(Refusal::Unwanted);
        }
        if self.consents_to(self.wish_of(movement, moved.value).as_ref()) { Ok(()) } else { Err(Refusal::Asked) }
    }

    fn accept_funding(&mut self, change: FundingChange) {
        self.drop_wish(Some(Refusal::Busy));
        self.end_consent(self.wish_of(change.movement, change.value).as_ref());
        self.is_peers_turn = false;
        let signature = self.sign_funding_change(&change);
        let mut signatures = [None; 2];
        signatures[self.record.side.index()] = Some(signature);
        let base = position_digest(&self.record.base);
        self.record.fund = Some(Fund { change, base, signatures, is_bound: true });
        self.persist_with_leaving(&change);
        self.say_funding_again();
    }

    /// The other place where a state is signed, with the same rule.
    fn sign_funding_change(&mut self, change: &FundingChange) -> IdentitySignature {
        self.take_round(change.state.position.round);
        self.signer.sign_funding(change)
    }

    /// The peer has signed what we asked for. Whatever else it signed is not ours.
    pub(super) fn handle_funding_accepted(
        &mut self,
        now: Time,
        change: FundingChange,
        signature: IdentitySignature,
    ) -> Result<(), PeerFault> {
        let (ours, theirs) = (self.record.side.index(), self.record.side.other().index());
        let is_ready = self.record.life == Life::Open && self.record.health == Health::Sound;
        let builds_on = position_digest(&self.record.base);
        let wish = self.record.fund.clone().filter(|fund| fund.change == change && change.side == self.record.side);
        let (round, known) = (change.state.position.round, self.ledger.environment.time);
        let is_good = is_ready && self.present.is_fresh() && round > self.signed_max() && change.expires > known;
        let Some(mut fund) = wish.filter(|fund| is_good && fund.base == builds_on) else { return Ok(()) };
        let (network, bytes) = (self.network(), change.to_bytes());
        let checked = signature.verify(self.peer(), Purpose::ChannelFunding, network, &bytes);
        checked.map_err(|_| PeerFault::Signature)?;
        let consent = self.wish_of(change.movement, change.value);
        if !self.consents_to(consent.as_ref()) {
            self.drop_wish(None);
            return Ok(());
        }
        self.end_consent(consent.as_ref());
        fund.signatures[theirs] = Some(signature);
        fund.signatures[ours] = Some(self.sign_funding_change(&change));
        fund.is_bound = true;
        self.record.fund = Some(fund);
        self.record.seen = self.record.seen.max(round);
        self.persist(Batch::new());
        self.hand_in_fund(now);
        Ok(())
    }

    pub(super) fn handle_funding_refused(&mut self, round: u64, refusal: Refusal) {
        if self.record.fund.as_ref().is_some_and(|fund| fund.round() == round) {
            self.drop_wish(Some(refusal));
        }
    }

    /// What was only asked for gives way: to an update of the peer's, to parting, to its refusal, and where our user takes it back. What
    /// may be signed does not.
    pub(super) fn drop_wish(&mut self, refusal: Option<Refusal>) {
        if let Some(wish) = self.record.fund.take_if(|fund| !fund.is_bound) {
            let mut batch = Batch::new();
            self.forget_leaving(&mut batch, &wish);
            self.persist(batch);
            self.notify(ChannelNews::NotFunded { round: wish.round(), refusal });
        }
    }

    /// Whether something may be signed that the ledger can still execute, so that no update may be.
    pub(super) fn is_bound(&self) -> bool {
        self.record.fund.as_ref().is_some_and(|fund| fund.is_bound)
    }

    /// What the peer may not have heard: the wish, or our signature under its own.
    pub(super) fn say_funding_again(&mut self) {
        let Some(fund) = &self.record.fund else { return };
        let (change, ours) = (fund.change, fund.signatures[self.record.side.index()]);
        match ours {
            Some(signature) if change.side != self.record.side => {
                self.send(ChannelMessage::AcceptFunding { change, signature });
            }
            None => self.send(ChannelMessage::ProposeFunding(change)),
            Some(_) => {}
        }
    }

    fn hand_in_fund(&mut self, now: Time) {
        let Some(fund) = self.record.fund.as_ref().filter(|fund| fund.change.side == self.record.side) else { return };
        let (parties, body) = (self.record.ground.terms.parties, fund.change);
        if let Some(signatures) = fund.both_signatures()
            && self.record.life == Life::Open
            && self.is_time_for(Show::Fund, now)
        {
            let change = Cosigned { body, parties, signatures };
            let call = match body.movement {
                Movement::Leave { contract, .. } => {
                    // Where the state before is not known any more, the time runs out.
                    let Some((_, state)) = self.known_as(fund.base) else { return };
                    let part = state.part_of_contract(Address(contract)).to_bytes();
                    ChannelsCall::Leave(Box::new(ContractLeave { change, part }))
                }
                Movement::Deposit | Movement::Withdraw => ChannelsCall::Fund(change),
            };
            self.submitted = Some((Show::Fund, now));
            self.notify(ChannelNews::Submit(call));
        }
    }

    /// Looks for what is open on the ledger, which has it no more than shown: hands it in, or goes on without it.
    pub(super) fn look_after_fund(&mut self, now: Time, entry: &Channel) {
        let Some(fund) = &self.record.fund else { return };
        let is_over = self.ledger.environment.time > fund.change.expires || entry.phase != Phase::Active;
        if matches!(self.record.health, Health::Frozen(_)) {
            return;
        }
        if !is_over {
            return self.hand_in_fund(now);
        }
        let (round, mut batch) = (fund.round(), Batch::new());
        self.forget_leaving(&mut batch, fund);
        // A signature of ours may have left before a crash.
        self.record.signed = self.record.signed.max(round);
        self.record.fund = None;
        self.persist(batch);
        self.notify(ChannelNews::NotFunded { round, refusal: None });
        if self.link == Link::Connected {
            // The peer may have proposed something meanwhile, and says it again.
            self.greet();
        }
    }

    /// What is open, where the ledger was shown that very state.
    pub(super) fn funded_on(&self, entry: &Channel) -> Option<Fund> {
        let (is_shown, held) = (entry.position.round == entry.signed, Held::of(entry));
        let fund = self.record.fund.as_ref().filter(|fund| fund.round() == entry.signed && fund.makes(&held));
        fund.filter(|fund| !is_shown || fund.position() == entry.position).cloned()
    }

    /// The state after a deposit or a withdrawal; `None` where that is not known on which it builds.
    pub(super) fn state_after(&self, fund: &Fund) -> Option<State> {
        let (base, state) = self.known_as(fund.base)?;
        let after = self.record.ground.funded(state, base, fund.round(), &fund.moved());
        after.ok().filter(|(_, position)| *position == fund.position()).map(|(state, _)| state)
    }

    /// Writes what is open; where a contract is to leave with it, also what that has stored. The ledger may do it at any time from then on,
    /// and this side may hear of it when it does not know the state any more that it builds on, or when the channel is over.
    fn persist_with_leaving(&mut self, change: &FundingChange) {
        let mut batch = Batch::new();
        if let Movement::Leave { contract, .. } = change.movement
            && let Some(whole) = self.state.alone(Address(contract))
        {
            LeftContract::new(self.record.id, self.network(), whole).put(&mut batch);
        }
        self.persist(batch);
    }

    /// The contract that was to leave with this is in the channel still, so it is not kept beside that. Where that is not seen
    /// for certain, it is kept.
    pub(super) fn forget_leaving(&self, batch: &mut Batch, fund: &Fund) {
        let Movement::Leave { contract, .. } = fund.change.movement else { return };
        let contract = Address(contract);
        if self.state.root() == self.record.base.root && self.state.account(contract).is_some() {
            batch.delete(CHANNELS, left_key(self.record.id, contract));
        }
    }

    /// The ledger has done what was open, and with that a contract may have left.
    pub(super) fn tell_left(&mut self, fund: &Fund) {
        let Movement::Leave { contract, .. } = fund.change.movement else { return };
        let contract = Address(contract);
        self.notify(ChannelNews::Left { contract });
        self.end_consent(Some(&ContractWish::Leave { contract }));
    }

    /// A newer co-signed state counts: what was open is that very one, or will never be.
    pub(super) fn end_fund(&mut self, fund: Option<Fund>) {
        let Some(fund) = fund else { return };
        let (round, FundingChange { side, movement, value, .. }) = (fund.round(), fund.change);
        let is_done = self.record.base == fund.position() && fund.makes(&self.record.held);
        self.notify(if is_done {
            ChannelNews::Funded { round, side, movement, value }
        } else {
            ChannelNews::NotFunded { round, refusal: None }
        });
    }
}
