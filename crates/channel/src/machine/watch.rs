//! The ledger: what it shows of the channel, and what it is to be shown.
//!
//! Whatever the ledger has that is older than what both signed is answered with the newest co-signed state. Whatever it has
//! that is newer is believed; a state of more fundings is newer, whatever its round.
//!
//! **An old journal never closes by itself.** What it knows may be long replaced, and a peer that gains by that lets an old state stand. Nobody
//! can tell an old disk from one that was there a moment ago. So after each start a side is *unheard* until its peer has shown where it
//! stands, and as long as it is, nothing closes the channel but its user's word.
//!
//! | what | unheard | since |
//! | --- | --- | --- |
//! | closing that nobody asked for: parting takes too long, a lock or a guarantee is near its time | never | it would begin what an old state could end |
//! | closing by the user's word | after [`UNHEARD_TIME_MAX`] | the user was told, and the peer had its time |
//! | answering, claiming, settling, registering what a parent's closing endangers | yes | the ledger pays out anyway, and only newer is taken |
//! | forcing a call | yes | it ends nothing: any newer co-signed state undoes it, whenever somebody shows that |
//!
//! The last is what a lock or a guarantee needs near its time. What can't be forced either is told ([`ChannelNews::MayBeOld`]).

use byway_primitives::{Batch, Encode, Span, Time};
use byway_records::call::channels::{PURSES_BYTES_MAX, WITNESS_BYTES_MAX};
use byway_records::call::{ChannelsCall, ForceProgress};
use byway_records::channel::{ChannelState, Cosigned, Environment, ForcedCall, Phase};
use byway_records::genesis::Wait;
use byway_records::state::Deadline;
use byway_records::{Channel, SignedPromise};
use byway_vm::{Address, Call, Target};

use super::lanes::amount_of;
use super::{ChannelMachine, SUBMIT_AGAIN, Show, UNHEARD_TIME_MAX};
use crate::change::{ChangeError, ContractCall};
use crate::journal::Life;
use crate::ledger_view::LedgerView;
use crate::news::{ChannelNews, CloseError};
use crate::signer::Signer;

/// How long a call that is to be forced may be on its way to the ledger.
const FORCED_TIME_MAX: Span = Span::minutes(2);
/// What part of a lock period before the end of a virtual channel what is promised in it is claimed …
const CLAIM_PART: u64 = 4;
/// … and how many commits before it at the least.
const CLAIM_COMMITS: u64 = 2;

impl<S: Signer> ChannelMachine<S> {
    /// The ledger at its newest final checkpoint. Called for each, and first thing after a start: what happened
    /// meanwhile is seen in what is there now, so no event can be missed. A call that was forced is executed here as well; its
    /// entry shows at least those since the checkpoint before.
    pub fn handle_ledger(&mut self, now: Time, view: LedgerView) {
        self.begin(now);
        self.ledger = view;
        self.see_time(now);
        match (self.record.life, self.ledger.entry.clone()) {
            (Life::HalfSigned | Life::Signed, Some(entry)) => {
                self.open(entry.position);
                self.compare(now, &entry);
            }
            (Life::HalfSigned | Life::Signed, None) => self.await_opening(now),
            (Life::Open | Life::Closing, Some(entry)) => self.compare(now, &entry),
            (Life::Open | Life::Closing, None) => self.end(),
            _ => {}
        }
        self.hear_again(now);
        // What came while this side was blind; a fault in it shows again with the next.
        let _ = self.hear_promise(now);
        self.hear_held(now);
    }

    fn await_opening(&mut self, now: Time) {
        if self.ledger.environment.time > self.record.expires {
            self.end();
        } else if self.record.life == Life::Signed && self.is_time_for(Show::Funding, now) {
            self.submitted = Some((Show::Funding, now));
            self.hand_in_funding();
        }
    }

    /// The ledger has paid out, or will never have the channel.
    pub(super) fn end(&mut self) {
        let mut batch = Batch::new();
        self.log.remove(&mut batch, self.record.id);
        self.record.life = Life::Closed;
        self.record.released.clear();
        self.record.fund = None;
        self.keep_beneath(&mut batch, Vec::new());
        self.persist(batch);
        self.notify(ChannelNews::Closed);
    }

    fn compare(&mut self, now: Time, entry: &Channel) {
        self.follow(now, entry);
        if entry.fundings == self.record.held.fundings {
            // A peer that showed a newer state did not say what there is of other assets.
            self.record.held.assets = entry.assets;
        }
        self.look_after_fund(now, entry);
        let is_older = self.record.signatures.is_some() && self.counts_beyond(entry);
        let Phase::Closing { until, .. } = entry.phase else {
            // Forced on what both had replaced: it is undone before more is built on it.
            if is_older && entry.first_forced().is_some() {
                self.show(now, Show::Snapshot);
            } else if self.record.closes_alone {
                self.show(now, Show::Close);
            }
            return;
        };
        if self.record.life == Life::Open {
            self.record.life = Life::Closing;
            self.since = now;
            self.persist(Batch::new());
            self.notify(ChannelNews::Closing);
            // A fault in it shows again: what is worth something is claimed below.
            let _ = self.hear_promise(now);
        }
        if is_older {
            self.show(now, Show::Slash);
        } else if let Some(promise) = self.claim(entry).filter(|_| self.is_time_to_claim(entry, until)) {
            let claim = Show::Claim(promise.promise.amount);
            if self.is_time_for(claim, now) {
                self.submitted = Some((claim, now));
                self.submit(ChannelsCall::Claim { side: self.record.side, promise });
            }
        } else if until.passed(self.ledger.environment.time, self.ledger.commits) {
            self.settle(now, entry);
        }
    }

    /// Has the ledger pay out. Whoever knows the state of the contracts shows what both have of the channel's assets; where nobody does for
    /// long, the ledger pays without.
    fn settle(&mut self, now: Time, entry: &Channel) {
        let state = self.known().map(|(_, state)| state).find(|state| state.root() == entry.position.root);
        let addresses = self.record.ground.addresses();
        let is_abandoned = |deadline: Deadline| deadline.passed(self.ledger.environment.time, self.ledger.commits);
        let witness = state.map(|state| state.witness_of_purses(&entry.assets, addresses).to_bytes());
        let witness = match witness.filter(|witness| witness.len() <= PURSES_BYTES_MAX) {
            _ if entry.assets.is_empty() => Vec::new(),
            Some(witness) => witness,
            None if entry.abandoned_from().is_some_and(is_abandoned) => Vec::new(),
            None => return,
        };
        if self.is_time_for(Show::Settle, now) {
            self.submitted = Some((Show::Settle, now));
            self.notify(ChannelNews::Submit(ChannelsCall::Settle { channel: self.record.id, witness }));
        }
    }

    pub(super) fn is_time_for(&self, what: Show, now: Time) -> bool {
        self.submitted.is_none_or(|(last, at)| last != what || now.since(at) >= SUBMIT_AGAIN)
    }

    /// The promise of the peer's that is to be shown: the last state leaves more of it open than was claimed.
    fn claim(&self, entry: &Channel) -> Option<SignedPromise> {
        let (payer, taken) = (self.record.side.other().index(), self.record.taken?.promise);
        (entry.position.lanes[payer].due(amount_of(&taken)) > entry.due()[payer]).then_some(taken)
    }

    /// A claim in a virtual channel is paid for by its transaction, and prolongs nothing beyond the channel's end. So what is promised after the first claim is
    /// claimed together, shortly before the ledger could settle.
    fn is_time_to_claim(&self, entry: &Channel, until: Deadline) -> bool {
        let Wait { millis, commits } = entry.lock;
        let is_first = entry.claims[self.record.side.other().index()].is_none();
        let soon = self.ledger.environment.time + Span(millis.0 / CLAIM_PART);
        let is_near = until.passed(soon, self.ledger.commits.saturating_add((commits / CLAIM_PART).max(CLAIM_COMMITS)));
        entry.guaranteed.is_none() || is_first || is_near
    }

    fn show(&mut self, now: Time, what: Show) {
        if !self.is_time_for(what, now) {
            return;
        }
        let (channel, side) = (self.record.id, self.record.side);
        let call = match (what, self.cosigned()) {
            (Show::Close, _) => {
                let (secret, state) = (self.record.own_secret, self.unknown_to_ledger());
                ChannelsCall::CloseSolo { channel, side, secret, state }
            }
            (Show::Slash, Some(state)) => ChannelsCall::Slash { side, state },
            (Show::Snapshot, Some(state)) => ChannelsCall::SnapshotSolo { side, state },
            _ => return,
        };
        self.submitted = Some((what, now));
        self.submit(call);
    }

    /// Closes without the peer, with the newest state that this side has, by its user's word.
    pub fn close_alone(&mut self, now: Time) -> Result<(), CloseError> {
        self.begin(now);
        self.may_act_alone()?;
        let waited = self.started.is_some_and(|started| now.since(started) >= UNHEARD_TIME_MAX);
        if !self.has_heard && !waited {
            return Err(CloseError::Unheard);
        }
        self.submit_close(now);
        Ok(())
    }

    /// Closes without the peer, though the user has not asked for it. Only where the peer was heard since the start: else the user is told that
    /// it would be time to.
    pub fn close_unasked(&mut self, now: Time) -> Result<(), CloseError> {
        self.begin(now);
        self.may_act_alone()?;
        if !self.has_heard {
            if !std::mem::replace(&mut self.has_told_unheard, true) {
                self.notify(ChannelNews::MayBeOld);
            }
            return Err(CloseError::Unheard);
        }
        self.submit_close(now);
        Ok(())
    }

    /// Whether something in the channel is near its time, and this side does not close it since its peer was not heard.
    pub fn waits_for_word(&self) -> bool {
        self.has_told_unheard && !self.has_heard && self.record.life == Life::Open
    }

    /// Closing needs the newest position and not the contracts' state, so a side that recovers may close too.
    fn may_act_alone(&self) -> Result<(), CloseError> {
        if matches!(self.record.life, Life::Open | Life::Closing) { Ok(()) } else { Err(CloseError::NotOpen) }
    }

    fn submit_close(&mut self, now: Time) {
        self.drop_wish(None);
        (self.record.life, self.record.closes_alone) = (Life::Closing, true);
        self.since = now;
        self.persist(Batch::new());
        self.show(now, Show::Close);
        self.wait(now);
    }

    /// The newest co-signed state, unless the ledger has it.
    fn unknown_to_ledger(&self) -> Option<Cosigned<ChannelState>> {
        let entry = self.ledger.entry.as_ref();
        self.cosigned().filter(|_| entry.is_none_or(|entry| self.counts_beyond(entry)))
    }

    /// Whether the ledger would take the newest state: nothing has gone in or out since that was signed, and its round is a new one.
    fn counts_beyond(&self, entry: &Channel) -> bool {
        self.record.held.fundings >= entry.fundings && entry.accepts(self.record.base.round)
    }

    /// Parting together takes too long. Only who has heard the peer since the start closes by itself.
    pub(super) fn give_up_closing_together(&mut self, now: Time) {
        let is_active = self.ledger.entry.as_ref().is_some_and(|entry| entry.phase == Phase::Active);
        if is_active && self.has_heard && self.named_split(now).is_none() && self.may_act_alone().is_ok() {
            self.submit_close(now);
        } else {
            self.since = now;
        }
    }

    /// Has the ledger execute a call of ours that the peer does not sign, on the newest state that this side has. The code must
    /// be registered. Of the gas that the call names the ledger is named what it needs: it takes the price of all that it is named.
    pub fn force(&mut self, now: Time, call: &ContractCall) -> Result<(), CloseError> {
        self.begin(now);
        // That it is a call that can be forced is seen before any more is executed.
        self.witness_for(call, call.gas)?;
        let gas = self.least_gas(call)?;
        let (contract, witness) = self.witness_for(call, gas)?;
        let (ground, base) = (self.record.ground, self.record.base);
        let environment = self.forced_environment();
        let round = base.round.checked_add(1).ok_or(ChangeError::Rounds)?;
        let forced = ForcedCall {
            network: ground.network,
            channel: self.record.id,
            round,
            base: base.root,
            expires: environment.time + FORCED_TIME_MAX,
            caller: ground.terms.parties[self.record.side.index()],
            contract: contract.0,
            value: call.value,
            input: call.input.clone(),
            gas,
            evidence: call.evidence.clone(),
        };
        let (state, call) = (self.unknown_to_ledger(), self.signer.sign_call(forced));
        let force = ForceProgress { state, call, environment, witness };
        self.submit(ChannelsCall::ForceProgress(Box::new(force)));
        Ok(())
    }

    /// Whether a call can be forced, as far as this side knows: what it touches may be too much for the ledger, and is as much as the peer has
    /// made of the contracts' storage.
    pub fn can_force(&self, call: &ContractCall) -> Result<(), CloseError> {
        self.witness_for(call, call.gas).map(|_| ())
    }

    /// Whether the ledger could be shown what a call of this side's touches at that time of its, whoever's turn it is then. Yes, where that can't be
    /// said.
    pub fn fits_forced(&self, call: &ContractCall, at: Time) -> bool {
        let environment = self.forced_environment();
        let later = Environment { time: environment.time.max(at), ..environment };
        !matches!(self.witness_at(call, call.gas, later), Err(CloseError::TooLarge))
    }

    /// The gas that a call needs.
    fn least_gas(&self, call: &ContractCall) -> Result<u64, CloseError> {
        let (ground, environment) = (self.record.ground, self.forced_environment());
        let least = self.state.least_gas(ground.network, environment, &ground.vm_call(call));
        Ok(least.map_err(ChangeError::from)?)
    }

    /// The contract that is called, and the part of the state that the ledger needs for that.
    fn witness_for(&self, call: &ContractCall, gas: u64) -> Result<(Address, Vec<u8>), CloseError> {
        self.may_act_alone()?;
        self.witness_at(call, gas, self.forced_environment())
    }

    fn witness_at(
        &self,
        call: &ContractCall,
        gas: u64,
        environment: Environment,
    ) -> Result<(Address, Vec<u8>), CloseError> {
        if self.state.root() != self.record.base.root {
            return Err(CloseError::Recovering);
        }
        let Target::Contract(contract) = call.target else { return Err(CloseError::NotACall) };
        let ground = self.record.ground;
        let (vm_call, addresses) = (Call { gas, ..ground.vm_call(call) }, ground.addresses());
        let witness = self.state.witness(ground.network, environment, &vm_call, &addresses);
        let (witness, _) = witness.map_err(ChangeError::from)?;
        let witness = witness.to_bytes();
        if witness.len() > WITNESS_BYTES_MAX { Err(CloseError::TooLarge) } else { Ok((contract, witness)) }
    }

    fn forced_environment(&self) -> Environment {
        self.ledger.environment.max(self.record.base.environment)
    }
}
