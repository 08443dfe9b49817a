//! Whether somebody who is not known is heard: what a first contact costs, and how often one may ask.
//!
//! **Price.** Whoever shows no invite, is in no group with us, and is not registered pays the [price](Chats::set_ask_price). What a payment is
//! this machine does not know: it comes with the request as bytes, and whoever looks after money [judges](Chats::judge) it. Until then the
//! request is [`Unjudged`], in memory alone: its parcel has no receipt, and comes again in the next dialogue.
//!
//! **What becomes of it.** Nothing, where our person agrees or leaves it. Where they [block](Chats::set_blocked) who asks, it is
//! [to be collected](Chats::collectable): so whoever asks in earnest has their money back, and whoever is a nuisance has paid for it.
//!
//! **Rate.** How often one asks, and all together, is bounded by [rates](super::rates); how many wait for an answer by
//! [`People::has_room`](crate::people::People::has_room).
//!
//! **Introduced.** A member of a group that we are in pays nothing. That they are one is seen here, whatever they say: naming a group that
//! they are not in is as if they had named none.
//!
//! Who is not heard is told why ([`AskRefusal`]), but for those who are blocked.

use std::collections::BTreeSet;

use byway_primitives::{Amount, IdentityId, Span, Store, Time};

use super::footing::Footing;
use super::heard::Opened;
use super::{Call, ChatError, ChatNews, Chats};
use crate::delivery::ParcelId;
use crate::delivery::letter::{Ask, ChatMessage, InviteToken};
use crate::delivery::refusal::{AskRefusal, PaymentFault};
use crate::holding::Taken;
use crate::mls::RoomId;
use crate::people::{Person, Standing};

/// Requests whose payment is being looked at, at most: that takes as long as the ledger is behind.
pub const UNJUDGED_MAX: usize = 64;
/// When those may try again who found no room among them.
const UNJUDGED_AGAIN: Span = Span::seconds(30);

/// What somebody shows when they ask.
#[derive(Debug, Clone, Default)]
pub struct Plea {
    /// That of an invite.
    pub token: Option<InviteToken>,
    /// What they pay with; empty if they don't.
    pub payment: Vec<u8>,
    /// The group from which they know whom they ask.
    pub group: Option<RoomId>,
}

/// What the ledger says of somebody who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// There is a pledge for their identity.
    Registered,
    /// What came with it is worth the price.
    Paid,
    /// Nothing came with it, or less than the price.
    Unpaid,
    Bad(PaymentFault),
}

/// A request of which the ledger has yet to be asked.
#[derive(Debug, Clone)]
pub struct Unjudged {
    pub(super) parcel: ParcelId,
    pub(super) ask: Ask,
    pub since: Time,
}

impl Unjudged {
    /// What they pay with; empty if they don't.
    pub fn payment(&self) -> &[u8] {
        &self.ask.payment
    }
}

impl Chats {
    /// What a first contact costs whoever is not registered and was not introduced; nothing until it is set.
    pub fn set_ask_price(&mut self, price: Amount) {
        self.ask_price = price;
    }

    pub fn ask_price(&self) -> Amount {
        self.ask_price
    }

    /// On what footing somebody asks, or what became of our asking them.
    pub fn footing(&self, peer: IdentityId) -> Option<&Footing> {
        self.footings.get(peer)
    }

    /// Those of whom the ledger is to be asked: answer with [`judge`](Self::judge), as soon as it can say.
    pub fn unjudged(&self) -> impl Iterator<Item = (IdentityId, &Unjudged)> {
        self.unjudged.iter().map(|(peer, unjudged)| (*peer, unjudged))
    }

    /// What was paid by those who were blocked when they asked.
    pub fn collectable(&self) -> impl Iterator<Item = (IdentityId, &[u8])> {
        self.footings.iter().filter_map(|(peer, footing)| match footing {
            Footing::Collect { payment } => Some((peer, &payment[..])),
            Footing::Asks { .. } | Footing::Refused { .. } => None,
        })
    }

    /// It was collected, or can't be any more.
    pub fn note_collected(&mut self, peer: IdentityId) {
        if matches!(self.footings.get(peer), Some(Footing::Collect { .. })) {
            self.footings.remove(peer, &mut self.step.batch);
        }
    }

    /// Whether somebody is in a group that this device is in.
    pub fn is_companion(&self, room: RoomId, peer: IdentityId) -> bool {
        self.talks.get(&room).is_some_and(|talk| talk.is_group() && talk.is_in() && talk.has(peer))
    }

    /// The ledger says of somebody who asks what it knows.
    pub fn judge(&mut self, now: Time, seed: [u8; 32], peer: IdentityId, verdict: Verdict, store: &impl Store) {
        let Some(Unjudged { parcel, mut ask, .. }) = self.unjudged.remove(&peer) else { return };
        let call = Call::new(now, seed, store);
        let opened = match (self.people.get(peer).map(|person| &person.standing), verdict) {
            // Meanwhile they became something else.
            (Some(Standing::Blocked), _) => Opened::Done,
            (Some(Standing::Asked | Standing::Contact), _) => self.asked(&call, peer, ask, parcel),
            (_, Verdict::Registered) => {
                self.registered.insert(peer);
                ask.payment.clear();
                self.admit(&call, peer, ask)
            }
            (_, Verdict::Paid) => self.admit(&call, peer, ask),
            (_, Verdict::Unpaid) => Opened::Refused(AskRefusal::Price { price: self.ask_price }),
            (_, Verdict::Bad(fault)) => Opened::Refused(AskRefusal::Payment(fault)),
        };
        self.done_with_ask(&call, peer, parcel, opened);
        if !self.asks(peer) && !self.outbox.is_there(peer) {
            self.registered.remove(&peer);
        }
        self.share_people();
        self.send_due(peer, store);
    }

    fn done_with_ask<S: Store>(&mut self, call: &Call<'_, S>, peer: IdentityId, parcel: ParcelId, opened: Opened) {
        match opened {
            Opened::Done => {
                if self.people.get(peer).is_some() {
                    Taken { store: call.store, batch: &mut self.step.batch }.take(peer, parcel);
                    self.inbox.take(peer, parcel, &mut self.step.batch);
                }
                self.receipts.entry(peer).or_default().push(parcel);
            }
            Opened::Refused(refusal) => self.refuse(peer, parcel, refusal),
            Opened::NotNow | Opened::Unjudged => {}
        }
    }

    pub(super) fn refuse(&mut self, peer: IdentityId, parcel: ParcelId, refusal: AskRefusal) {
        self.step.sends.push((peer, ChatMessage::Refused { parcel, refusal }));
    }

    /// Somebody asks who is no contact, was not asked, and shows no good invite.
    pub(super) fn stranger_asks<S: Store>(
        &mut self,
        call: &Call<'_, S>,
        peer: IdentityId,
        mut ask: Ask,
        parcel: ParcelId,
    ) -> Opened {
        if let Err(after) = self.ask_rates.by(peer, call.now) {
            return Opened::Refused(AskRefusal::Later { after });
        }
        ask.group = ask.group.filter(|room| self.is_companion(*room, peer));
        if ask.group.is_some() || self.registered.contains(&peer) || self.ask_price.is_zero() {
            ask.payment.clear();
            return self.admit(call, peer, ask);
        }
        if !self.unjudged.contains_key(&peer) && self.unjudged.len() >= UNJUDGED_MAX {
            return Opened::Refused(AskRefusal::Later { after: UNJUDGED_AGAIN });
        }
        self.unjudged.insert(peer, Unjudged { parcel, ask, since: call.now });
        self.tell(ChatNews::Unjudged { peer });
        Opened::Unjudged
    }

    /// Our person hears of somebody who asks, if there is room.
    fn admit<S: Store>(&mut self, call: &Call<'_, S>, peer: IdentityId, ask: Ask) -> Opened {
        let Ask { package, name, payment, group, .. } = ask;
        let mut backed: BTreeSet<IdentityId> = self.registered.clone();
        backed.extend(self.footings.iter().filter_map(|(of, footing)| is_backed(footing).then_some(of)));
        let footing = Footing::Asks { payment, group };
        if is_backed(&footing) {
            backed.insert(peer);
        }
        if !self.asks(peer) {
            if !self.people.has_room(peer, &backed) {
                return Opened::Refused(AskRefusal::Full);
            }
            if let Err(after) = self.ask_rates.among_all(backed.contains(&peer), call.now) {
                return Opened::Refused(AskRefusal::Later { after });
            }
        }
        if footing == (Footing::Asks { payment: Vec::new(), group: None }) {
            self.footings.remove(peer, &mut self.step.batch);
        } else {
            self.footings.put(peer, footing, &mut self.step.batch);
        }
        let known = self.people.get(peer).cloned();
        let (nickname, verified) = known.map_or((None, None), |known| (known.nickname, known.verified));
        let standing = Standing::Asking { package };
        self.put_person(peer, Person { standing, name, nickname, since: call.now, direct: None, verified });
        Opened::Done
    }

    /// One whom we have asked does not hear us.
    pub(super) fn ask_refused(&mut self, now: Time, peer: IdentityId, parcel: ParcelId, refusal: AskRefusal) {
        let is_asked = self.people.get(peer).is_some_and(|person| person.standing == Standing::Asked);
        if !is_asked || !self.outbox.waiting(peer).any(|waiting| waiting == parcel) {
            return;
        }
        self.outbox.handle_receipt(peer, &[parcel], &mut self.step.batch);
        self.footings.put(peer, Footing::Refused { refusal, at: now }, &mut self.step.batch);
        self.tell(ChatNews::Person { peer });
    }

    /// Who asked stands otherwise now. What they paid with is kept only to be collected.
    pub(super) fn end_footing(&mut self, peer: IdentityId, is_blocked: bool) {
        match self.footings.get(peer) {
            Some(Footing::Asks { payment, .. }) if is_blocked && !payment.is_empty() => {
                let footing = Footing::Collect { payment: payment.clone() };
                self.footings.put(peer, footing, &mut self.step.batch);
            }
            Some(Footing::Collect { .. }) if is_blocked => {}
            _ => drop(self.footings.remove(peer, &mut self.step.batch)),
        }
        self.unjudged.remove(&peer);
    }

    /// The group that is named to somebody who is asked.
    ///
    /// # Errors
    /// [`ChatError::NoRoom`], [`ChatError::NotGroup`], [`ChatError::NotMember`].
    pub(super) fn check_introducing(&self, room: RoomId) -> Result<(), ChatError> {
        let talk = self.talks.get(&room).ok_or(ChatError::NoRoom)?;
        match (talk.is_group(), talk.is_in()) {
            (false, _) => Err(ChatError::NotGroup),
            (true, false) => Err(ChatError::NotMember),
            (true, true) => Ok(()),
        }
    }
}

/// Whether it costs them something to ask so.
fn is_backed(footing: &Footing) -> bool {
    matches!(footing, Footing::Asks { payment, group } if !payment.is_empty() || group.is_some())
}
