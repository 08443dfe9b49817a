//! How a channel begins, and how two part who agree.
//!
//! *Opening.* Nothing is at stake until the initiator has authorised the transaction that opens the channel; from then on
//! either may hand it to the ledger until it expires. So from there both only look at the ledger: it shows the channel, or
//! the time is over.
//!
//! *Closing.* Whoever is asked to part signs nothing new in the channel any more, writes that down, and gives its signature
//! under the close that follows from the last co-signed state. What contracts still hold is shared as agreed at the beginning. A party may have a
//! right to all of it, as who has made an offer that nobody took: so as long as they hold anything a side signs a close only where its own user
//! has asked for it. Whoever closes without the other leaves that the lock period, in which it can take back what is its own.

use byway_crypto::{IdentitySignature, Purpose};
use byway_primitives::{Amount, Batch, Hash, NetworkId, Time};
use byway_records::call::ChannelsCall;
use byway_records::channel::{ChannelTerms, Cosigned, MutualClose, Position, Side};
use byway_records::promise::ChannelId;
use byway_records::transaction::{Body, Witness};
use byway_records::{Call, Transaction};
use byway_vm::State;

use super::{CLOSING_TIME_MAX, ChannelMachine, FUNDING_TIME_MAX, Link, in_order};
use crate::change::Ground;
use crate::guarantee::{OFFER_TIME, contract};
use crate::journal::{Health, Life};
use crate::message::ChannelMessage;
use crate::news::{ChannelNews, CloseError, PeerFault};
use crate::routing::conduit;
use crate::signer::Signer;

impl<S: Signer> ChannelMachine<S> {
    /// Proposes a channel to a peer that is connected. `None` where no ledger would take the terms, or we are not their
    /// initiator. The terms' secrets are put in here and by the responder; `number` tells ours apart from those of other channels with
    /// this peer.
    pub fn initiate(signer: S, network: NetworkId, terms: ChannelTerms, number: u16, now: Time) -> Option<Self> {
        is_possible(&terms).then_some(())?;
        let is_ours = signer.id() == terms.parties[0];
        let secret = signer.watch_secret(network, terms.parties[1], number);
        let terms = ChannelTerms { secrets: [secret.digest(), Hash::default()], ..terms };
        let ground = Ground { network, terms };
        let mut channel = Self::new(signer, ground, Side::Initiator, secret, Life::Initialized, now);
        channel.link = Link::Greeting;
        channel.send(ChannelMessage::Open { network, terms });
        channel.wait(now);
        is_ours.then_some(channel)
    }

    /// The responder's side of a channel that a peer proposes; [`agree`](Self::agree) or [`decline`](Self::decline) to it.
    pub fn respond(signer: S, network: NetworkId, terms: ChannelTerms, number: u16, now: Time) -> Option<Self> {
        is_possible(&terms).then_some(())?;
        let is_ours = signer.id() == terms.parties[1];
        let secret = signer.watch_secret(network, terms.parties[0], number);
        let terms = ChannelTerms { secrets: [terms.secrets[0], secret.digest()], ..terms };
        let ground = Ground { network, terms };
        let mut channel = Self::new(signer, ground, Side::Responder, secret, Life::Initialized, now);
        channel.link = Link::Greeting;
        channel.wait(now);
        is_ours.then_some(channel)
    }

    pub fn agree(&mut self, now: Time) {
        if (self.record.life, self.record.side) == (Life::Initialized, Side::Responder) {
            self.record.life = Life::Accepted;
            self.since = now;
            let secret = self.record.own_secret.digest();
            self.send(ChannelMessage::AcceptOpening { secret });
            self.wait(now);
        }
    }

    pub fn decline(&mut self) {
        if matches!(self.record.life, Life::Initialized | Life::Accepted) {
            self.send(ChannelMessage::Decline);
            self.end_opening();
        }
    }

    pub(super) fn end_opening(&mut self) {
        self.record.life = Life::Closed;
        self.notify(ChannelNews::Closed);
    }

    pub(super) fn handle_opening(&mut self, now: Time, message: ChannelMessage) -> Result<(), PeerFault> {
        match (message, self.record.life, self.record.side) {
            (ChannelMessage::AcceptOpening { secret }, Life::Initialized, Side::Initiator) => {
                self.record.ground.terms.secrets[Side::Responder.index()] = secret;
                self.notify(ChannelNews::Accepted);
                self.create_funding(now);
            }
            (ChannelMessage::FundingCreated { expires, authorisation }, life, Side::Responder) => {
                return self.sign_funding(now, life, expires, authorisation);
            }
            (ChannelMessage::FundingSigned { authorisation }, Life::HalfSigned, Side::Initiator) => {
                return self.complete_funding(authorisation);
            }
            (ChannelMessage::Decline, Life::Initialized | Life::Accepted, _) => {
                self.notify(ChannelNews::Declined);
                self.end_opening();
            }
            // Said again on a connection after the one on which it was first said.
            (ChannelMessage::FundingSigned { .. } | ChannelMessage::Decline, _, _) => {}
            _ => return Err(PeerFault::OutOfPlace),
        }
        Ok(())
    }

    fn create_funding(&mut self, now: Time) {
        let expires = if self.record.backing.is_some() { Self::offer_end(now) } else { now + FUNDING_TIME_MAX };
        self.name(expires);
        self.authorise();
        self.record.life = Life::HalfSigned;
        self.persist(Batch::new());
        self.resume_opening();
    }

    /// The responder signs as soon as the initiator has. It may then take as long as the transaction lives until the ledger has it.
    fn sign_funding(
        &mut self,
        now: Time,
        life: Life,
        expires: Time,
        authorisation: IdentitySignature,
    ) -> Result<(), PeerFault> {
        match life {
            Life::Accepted => {}
            Life::Signed if expires == self.record.expires => {
                self.resume_opening();
                return Ok(());
            }
            // Over for this side, or done long ago.
            _ => return Ok(()),
        }
        let most = if self.record.backing.is_some() { OFFER_TIME } else { FUNDING_TIME_MAX };
        if expires > now + most + most {
            return Err(PeerFault::OutOfPlace);
        }
        let unnamed = (self.record.expires, self.record.id);
        self.name(expires);
        if let Err(fault) = self.take_authorisation(authorisation) {
            // It has no id as long as nobody has signed for that.
            (self.record.expires, self.record.id) = unnamed;
            return Err(fault);
        }
        self.authorise();
        self.sign_completely();
        Ok(())
    }

    fn complete_funding(&mut self, authorisation: IdentitySignature) -> Result<(), PeerFault> {
        self.take_authorisation(authorisation)?;
        self.sign_completely();
        Ok(())
    }

    fn sign_completely(&mut self) {
        self.record.life = Life::Signed;
        self.persist(Batch::new());
        self.resume_opening();
    }

    /// Fixes the transaction, and with it the channel's id.
    fn name(&mut self, expires: Time) {
        self.record.expires = expires;
        let virtual_terms = self.virtual_terms();
        self.record.id = virtual_terms.map_or_else(|| ChannelId(self.funding_body().id().0), |terms| terms.id());
    }

    fn authorise(&mut self) {
        let authorisation = match self.virtual_terms() {
            Some(terms) => self.signer.sign_virtual_terms(&terms),
            None => self.signer.authorise(self.record.ground.network, self.funding_body().id()),
        };
        self.record.authorisations[self.record.side.index()] = Some(authorisation);
    }

    fn take_authorisation(&mut self, authorisation: IdentitySignature) -> Result<(), PeerFault> {
        let is_peers = match self.virtual_terms() {
            Some(terms) => self.is_peers_consent(&terms, &authorisation),
            None => {
                let (network, message) = (self.record.ground.network, self.funding_body().authorise_message());
                authorisation.verify(self.peer(), Purpose::Authorise, network, &message).is_ok()
            }
        };
        if !is_peers {
            return Err(PeerFault::Signature);
        }
        self.record.authorisations[self.record.side.other().index()] = Some(authorisation);
        Ok(())
    }

    fn funding_body(&self) -> Body {
        let call = Call::Channels(ChannelsCall::Create { terms: self.record.ground.terms });
        Body {
            inputs: Vec::new(),
            outputs: Vec::new(),
            ghost: None,
            call: Some(call.envelope(None, None)),
            fee: Amount::ZERO,
            expires: self.record.expires,
        }
    }

    /// Says and does what an opening waits for, again.
    pub(super) fn resume_opening(&mut self) {
        let expires = self.record.expires;
        let ours = self.record.authorisations[self.record.side.index()];
        match (self.record.life, ours) {
            (Life::HalfSigned, Some(authorisation)) => {
                self.send(ChannelMessage::FundingCreated { expires, authorisation });
            }
            (Life::Signed, Some(authorisation)) => {
                if self.record.side == Side::Responder {
                    self.send(ChannelMessage::FundingSigned { authorisation });
                }
                self.hand_in_funding();
            }
            _ => {}
        }
    }

    /// A virtual channel is seen to by whoever looks after guarantees.
    pub(super) fn hand_in_funding(&mut self) {
        if self.record.backing.is_some() {
            return;
        }
        let authorisations = self.record.authorisations.into_iter().flatten().collect();
        let witness = Witness { spends: Vec::new(), authorisations };
        let news = ChannelNews::Fund(Transaction { body: self.funding_body(), witness });
        self.notify(news);
    }

    /// The ledger has the channel.
    pub(super) fn open(&mut self, entry: Position) {
        let terms = &self.record.ground.terms;
        self.state = self.record.ground.first_state(terms.deposits, &terms.assets);
        // Where a call was forced before this side first saw the channel, it is followed from the first state.
        let first = Position { root: self.state.root(), ..self.record.base };
        self.record.base = if entry.round == 0 { entry } else { first };
        self.record.life = Life::Open;
        let mut batch = Batch::new();
        self.log.write_whole(&mut batch, self.record.id, &self.record.base, &self.state);
        self.persist(batch);
        self.notify(ChannelNews::Opened);
        self.greet();
    }

    /// Begins to part. Updates that are open come first.
    pub fn close(&mut self, now: Time) -> Result<(), CloseError> {
        self.begin(now);
        if self.record.life != Life::Open {
            return Err(CloseError::NotOpen);
        }
        if !self.record.released.is_empty() || self.record.fund.is_some() {
            return Err(CloseError::Busy);
        }
        if self.record.health == Health::Recovering {
            return Err(CloseError::Recovering);
        }
        if holds_of_others(&self.state) {
            return Err(CloseError::OnTheirWay);
        }
        self.record.wants_to_part = true;
        self.begin_closing(now);
        self.send(ChannelMessage::Shutdown);
        Ok(())
    }

    /// Whether contracts have anything, of WAY or of another asset, that parting would divide.
    pub fn is_anything_in_contracts(&self) -> bool {
        let record = &self.record;
        record.base.rest(record.held.total).is_none_or(|rest| !rest.is_zero())
            || record.ground.purses(&self.state, &record.held.assets).any(|purse| !purse.rest.is_zero())
    }

    pub(super) fn begin_closing(&mut self, now: Time) {
        self.record.life = Life::Closing;
        self.since = now;
        self.persist(Batch::new());
        self.notify(ChannelNews::Closing);
        self.wait(now);
    }

    pub(super) fn handle_shutdown(&mut self, now: Time) -> Result<(), PeerFault> {
        // What the ledger can still execute comes first; the peer says it again afterwards.
        if self.link != Link::Connected || self.record.health != Health::Sound || self.is_bound() {
            return Ok(());
        }
        self.drop_wish(None);
        match self.record.life {
            Life::Open if self.is_anything_in_contracts() => {
                if !std::mem::replace(&mut self.is_asked_to_part, true) {
                    self.notify(ChannelNews::AskedToPart);
                }
                return Ok(());
            }
            Life::Open => self.begin_closing(now),
            Life::Closing => {}
            Life::Closed => return Ok(()),
            _ => return Err(PeerFault::OutOfPlace),
        }
        self.sign_closing(now + CLOSING_TIME_MAX);
        Ok(())
    }

    pub(super) fn shut_down_again(&mut self) {
        self.send(ChannelMessage::Shutdown);
    }

    /// What each gets by the newest position. None as long as payments of others are on their way in the channel, or guarantees stand in it:
    /// what they hold is not for the two to divide. None where it would divide what contracts have, and our user has not asked for it.
    fn parted(&self) -> Option<[Amount; 2]> {
        let record = &self.record;
        if holds_of_others(&self.state) || (!record.wants_to_part && self.is_anything_in_contracts()) {
            return None;
        }
        let shares = record.ground.terms.remainder.shares(record.base.rest(record.held.total)?);
        let [initiator, responder] = Side::BOTH.map(|side| {
            let (balance, share) = (record.base.balances[side.index()], shares[side.index()]);
            Amount::checked_sum([balance, share, self.lanes_worth(&record.base, side)])
        });
        Some([initiator?, responder?])
    }

    fn mutual_close(&self, balances: [Amount; 2], expires: Time) -> Option<MutualClose> {
        let (network, channel) = (self.record.ground.network, self.record.id);
        let assets = self.record.ground.split(&self.state, &self.record.held.assets)?;
        Some(MutualClose { network, channel, balances, assets, expires })
    }

    fn sign_closing(&mut self, expires: Time) {
        let Some(balances) = self.parted() else { return };
        let signature = match self.record.backing {
            Some(_) => self.signer.sign_virtual_close(&self.virtual_close(balances)),
            None => {
                let Some(close) = self.mutual_close(balances, expires) else { return };
                self.signer.sign_close(&close)
            }
        };
        self.send(ChannelMessage::ClosingSigned { expires, signature });
    }

    /// The peer's signature under the close. With ours it is complete, and whoever has it hands it in.
    pub(super) fn handle_closing(&mut self, now: Time, expires: Time, signature: IdentitySignature) {
        if self.record.life != Life::Closing || self.record.health != Health::Sound {
            return;
        }
        if expires < now || expires > now + CLOSING_TIME_MAX + CLOSING_TIME_MAX {
            return;
        }
        let Some(balances) = self.parted() else { return };
        if self.record.backing.is_some() {
            return self.handle_virtual_closing(balances, signature);
        }
        let Some(body) = self.mutual_close(balances, expires) else { return };
        let signatures = in_order(self.record.side, self.signer.sign_close(&body), signature);
        let close = Cosigned { body, parties: self.record.ground.terms.parties, signatures };
        // The peer may have signed where it saw the ledger, which a forced call has taken on for one of us already. Once both are
        // there, one of them asks again.
        if close.verify().is_ok() {
            self.notify(ChannelNews::Submit(ChannelsCall::CloseMutual(close)));
        }
    }
}

/// Whether payments of others are on their way in a channel, or guarantees stand in it.
fn holds_of_others(state: &State) -> bool {
    conduit::holds(state) || contract::holds(state)
}

/// Whether the ledger could take such terms.
fn is_possible(terms: &ChannelTerms) -> bool {
    let reserved = terms.deposits.iter().all(|deposit| *deposit >= terms.reserve);
    Amount::checked_sum(terms.deposits).is_some() && reserved && terms.parties[0] != terms.parties[1]
}
