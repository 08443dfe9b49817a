//! Virtual channels: what is different in a channel whose money is guaranteed in two others ([`guarantee`](crate::guarantee)).
//!
//! It is opened by the same dialogue; what both sign is its terms in place of a transaction. Whoever looks after guarantees shows it an entry as the
//! ledger would have it, as long as the guarantee stands and the ledger has none. Where the machine wants something of the ledger, the
//! channel is registered first. And how both part goes to the hub.

use byway_crypto::IdentitySignature;
use byway_primitives::{Amount, Effect, Encode, Time};
use byway_records::Channel;
use byway_records::call::ChannelsCall;
use byway_records::channel::{Agreed as _, ChannelOutcome, Cosigned, Position, VirtualClose, VirtualTerms};
use byway_records::promise::ChannelId;
use byway_vm::{Address, State, Target};

use super::{ChannelMachine, in_order};
use crate::backing::Backing;
use crate::change::Change;
use crate::guarantee::terms::is_possible;
use crate::guarantee::{OFFER_TIME, contract};
use crate::journal::Life;
use crate::message::ChannelMessage;
use crate::news::ChannelNews;
use crate::signer::Signer;

/// Offers end at a whole second, since contracts count those.
const SECOND: u64 = 1_000;

impl<S: Signer> ChannelMachine<S> {
    /// Proposes a virtual channel, as [`initiate`](Self::initiate) does another.
    pub fn initiate_virtual(signer: S, virtual_terms: VirtualTerms, number: u16, now: Time) -> Option<Self> {
        let (network, terms) = (virtual_terms.network, virtual_terms.terms);
        let mut channel = Self::initiate(signer, network, terms, number, now)?;
        channel.effects.retain(|effect| !matches!(effect, Effect::Send { .. }));
        channel.back(&virtual_terms)?;
        let terms = channel.virtual_terms()?;
        channel.send(ChannelMessage::OpenVirtual { terms });
        Some(channel)
    }

    /// The responder's side of a virtual channel that a peer proposes.
    pub fn respond_virtual(signer: S, virtual_terms: VirtualTerms, number: u16, now: Time) -> Option<Self> {
        let (network, terms) = (virtual_terms.network, virtual_terms.terms);
        let mut channel = Self::respond(signer, network, terms, number, now)?;
        channel.back(&virtual_terms)?;
        Some(channel)
    }

    fn back(&mut self, virtual_terms: &VirtualTerms) -> Option<()> {
        let VirtualTerms { hub, dispute, ends, environment, nonce, .. } = *virtual_terms;
        is_possible(virtual_terms).then_some(())?;
        self.record.backing = Some(Backing { hub, dispute, ends, environment, nonce });
        self.record.base.environment = environment;
        Some(())
    }

    /// What both agree on, where it is a virtual channel.
    pub fn virtual_terms(&self) -> Option<VirtualTerms> {
        let Backing { hub, dispute, ends, environment, nonce } = self.record.backing?;
        let (network, terms) = (self.record.ground.network, self.record.ground.terms);
        Some(VirtualTerms { network, terms, hub, dispute, ends, environment, nonce })
    }

    /// The same with both signatures, once they are there.
    pub fn cosigned_terms(&self) -> Option<Cosigned<VirtualTerms>> {
        let body = self.virtual_terms()?;
        let [Some(initiator), Some(responder)] = self.record.authorisations else { return None };
        Some(Cosigned { body, parties: body.terms.parties, signatures: [initiator, responder] })
    }

    /// Until when it has to be guaranteed; of another channel, when the transaction that opens it is dead.
    pub fn expires(&self) -> Time {
        self.record.expires
    }

    pub(super) fn offer_end(now: Time) -> Time {
        let end = now + OFFER_TIME;
        Time(end.0 - end.0 % SECOND)
    }

    pub(super) fn is_peers_consent(&self, terms: &VirtualTerms, signature: &IdentitySignature) -> bool {
        signature.verify(self.peer(), VirtualTerms::PURPOSE, terms.network, &terms.to_bytes()).is_ok()
    }

    /// As the ledger would have it at first.
    pub(crate) fn as_registered(&self) -> Option<Channel> {
        let terms = self.virtual_terms()?;
        let parties = self.record.ground.addresses().into_iter().zip(terms.terms.deposits);
        let entry = Channel::registered(&terms, terms.total()?, State::new(parties).root());
        // That tells it from one that the ledger has.
        Some(Channel { guaranteed: None, ..entry })
    }

    /// Hands a call to the ledger, which is told of a virtual channel first where it does not have it.
    pub(super) fn submit(&mut self, call: ChannelsCall) {
        let is_unknown = self.ledger.entry.as_ref().is_none_or(|entry| entry.guaranteed.is_none());
        if let Some(terms) = self.cosigned_terms().filter(|_| is_unknown) {
            self.notify(ChannelNews::Submit(ChannelsCall::RegisterVirtual(terms)));
        }
        self.notify(ChannelNews::Submit(call));
    }

    /// What of virtual channels is known to be so, for calls that say it.
    pub(crate) fn note_outcomes(&mut self, outcomes: Vec<ChannelOutcome>) {
        self.outcomes = outcomes;
    }

    /// Whether what a change says of virtual channels is known here too.
    pub(super) fn is_shown(&self, change: &Change) -> bool {
        let Change::Call(call) = change else { return true };
        call.evidence.iter().all(|outcome| self.outcomes.contains(outcome))
    }

    pub(super) fn virtual_close(&self, paid: [Amount; 2]) -> VirtualClose {
        let (network, channel) = (self.record.ground.network, self.record.id);
        VirtualClose { network, channel, paid }
    }

    /// The peer's signature under how both part. With ours it is complete, and goes to the hub.
    pub(super) fn handle_virtual_closing(&mut self, paid: [Amount; 2], signature: IdentitySignature) {
        let body = self.virtual_close(paid);
        let signatures = in_order(self.record.side, self.signer.sign_virtual_close(&body), signature);
        let close = Cosigned { body, parties: self.record.ground.terms.parties, signatures };
        if close.verify().is_ok() {
            self.notify(ChannelNews::Parted(close));
        }
    }

    /// The hub does not guarantee it, and what this side has offered for it is back: nothing of it is ever used.
    pub fn give_up(&mut self) {
        if self.record.backing.is_some() && self.record.life == Life::Signed {
            self.end();
        }
    }

    // For whoever looks at the guarantees in this channel.

    /// Whether the ledger would execute a call of ours: it is not the other side's turn.
    pub(crate) fn may_force(&self) -> bool {
        let entry = self.ledger.entry.as_ref();
        self.record.life == Life::Open
            && entry.is_some_and(|entry| entry.turn.is_none_or(|turn| turn.after != self.record.side))
    }

    /// Whoever accepts one guarantee has to accept another too, so nothing else may come between: what is half-signed then could undo
    /// it, or take what is put in.
    pub(super) fn keeps_out(&self, change: &Change) -> bool {
        let is_of_guarantees = match change {
            Change::Call(call) => contract::all(&self.state).any(|place| call.target == Target::Contract(place)),
            _ => false,
        };
        !is_of_guarantees && self.is_accepting()
    }

    fn is_accepting(&self) -> bool {
        let accepting = self.accepting.iter().filter_map(|(place, id)| contract::read(&self.state, *place, *id));
        accepting.into_iter().any(|guarantee| {
            let is_in_time = self.environment().time < guarantee.deadline;
            guarantee.stage == contract::Stage::Offered && is_in_time
        })
    }

    /// What this side accepts here, by what it has written down.
    pub(crate) fn note_accepting(&mut self, accepting: Vec<(Address, ChannelId)>) {
        self.accepting = accepting;
    }

    /// The last co-signed position beneath what was forced, and its state.
    pub(crate) fn fork(&self) -> Option<(&Position, &State)> {
        self.fork.as_ref().map(|(position, state)| (position, state))
    }
}
