//! Holding (row M6): for others, being held for, and bringing what waits for somebody who is away to those who hold for them.
//!
//! All three machines are those of [`byway_chat::holding`]; what they say goes within the dialogues as protocol 11, and what they write is
//! one commit with what they say because of it. What was held is handed to the conversations: each parcel is one commit with all that
//! they make of it and with its receipt, so that nothing is signed for that was not taken, and nothing is taken twice.

use byway_chat::chats::{ChatStep, Chats};
use byway_chat::delivery::ParcelId;
use byway_chat::holding::{
    Arrived, ClientStep, HeldClient, HeldClientConfig, HoldMessage, Holder, HolderNews, HolderStep, HolderTerms,
    HoldingDamaged, Judged, Plan, Sending, SendingConfig, Taking,
};
use byway_crypto::noise::StaticKey;
use byway_dialogue::{Delivery, Durability, Outgoing, ProtocolId};
use byway_primitives::{Amount, Batch, Encode, IdentityId, Pending, Store, Time};
use zeroize::Zeroizing;

use super::chatting::chat_outgoing;
use super::news::MarketNews;
use super::{Market, Pair};

/// Parcels that are sealed at a time; the rest follows at the next look.
const SEALED_MAX: usize = 64;

/// The three sides of holding.
pub struct Holding {
    holder: Holder,
    client: HeldClient,
    sending: Sending,
}

/// Somebody who is away, to whose holders what waits for them is brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absent {
    pub peer: IdentityId,
    /// That of their dialogues.
    pub key: StaticKey,
    /// By the ledger's word.
    pub holders: Vec<IdentityId>,
}

impl Holding {
    /// What is held for others.
    pub fn holder(&self) -> &Holder {
        &self.holder
    }

    /// Who holds for us.
    pub fn client(&self) -> &HeldClient {
        &self.client
    }

    /// What is brought to those who hold for others.
    pub fn sending(&self) -> &Sending {
        &self.sending
    }
}

impl Market {
    /// What there is of holding; nothing before [`have_holding`](Self::have_holding).
    pub fn holding(&self) -> Option<&Holding> {
        self.holding.as_ref()
    }

    /// Holds, is held for and brings to holders from here on. `secret` is that of the identity's dialogues.
    ///
    /// # Errors
    /// [`HoldingDamaged`].
    pub fn have_holding(
        &mut self,
        now: Time,
        secret: Zeroizing<[u8; 32]>,
        store: &impl Store,
    ) -> Result<(), HoldingDamaged> {
        let (network, identity) = (self.config.network, self.config.identity.clone());
        let client = HeldClientConfig { network, identity: identity.clone(), secret };
        self.holding = Some(Holding {
            holder: Holder::load(network, store)?,
            client: HeldClient::load(client, store)?,
            sending: Sending::load(SendingConfig { network, identity }, store)?,
        });
        let there = self.dialogues.dialogues().filter(|dialogue| dialogue.link().is_some());
        let there: Vec<IdentityId> = there.map(|dialogue| dialogue.peer()).collect();
        there.into_iter().for_each(|peer| self.holding_connected(now, peer, store));
        self.wake_holding(now, store);
        self.pump(now, store);
        Ok(())
    }

    /// Holds for others on these terms from now on, or takes nothing new.
    pub fn hold_for_others(&mut self, terms: Option<HolderTerms>) {
        if let Some(holding) = &mut self.holding {
            holding.holder.set_terms(terms);
        }
    }

    /// Has somebody hold for us.
    pub fn use_holder(&mut self, now: Time, holder: IdentityId, plan: Plan, store: &impl Store) {
        let is_there = self.is_talking_to(holder);
        if let Some(Holding { client, .. }) = &mut self.holding {
            let is_new = !client.uses().any(|of| of.holder == holder);
            client.use_holder(now, holder, plan);
            if is_new && is_there {
                client.handle_connected(now, holder);
            }
        }
        self.carry_held(now, store);
        self.pump(now, store);
    }

    /// Has somebody hold for us no more; what they hold is lost there.
    pub fn leave_holder(&mut self, now: Time, holder: IdentityId, store: &impl Store) {
        if let Some(holding) = &mut self.holding {
            holding.client.leave(now, holder);
        }
        self.carry_held(now, store);
        self.pump(now, store);
    }

    /// Looks now whether those who are there hold something for us.
    pub fn fetch_held(&mut self, now: Time, store: &impl Store) {
        if let Some(holding) = &mut self.holding {
            holding.client.look_now(now);
        }
        self.carry_held(now, store);
        self.pump(now, store);
    }

    /// Has what waits for these brought to those who hold for them, and lets go of what has arrived by another way.
    pub fn bring_to_holders(&mut self, now: Time, absent: &[Absent], store: &impl Store) {
        let mut batch = Batch::new();
        let (Some(Holding { sending, .. }), Some(chats)) = (&mut self.holding, &self.chats) else { return };
        forget_arrived(sending, chats, &mut batch);
        let view = Pending { store, batch: &self.unseen };
        let mut left = SEALED_MAX;
        for Absent { peer, key, holders } in absent {
            sending.set_holders(*peer, holders.clone());
            let missing: Vec<ParcelId> =
                chats.waiting_parcels(*peer).filter(|of| sending.is_to_be_put(now, (*peer, *key), *of)).collect();
            for parcel in missing.into_iter().take(left) {
                left -= 1;
                let Some(bytes) = chats.waiting_bytes(parcel, &view) else { continue };
                // Somebody whose key is none has nothing brought.
                let _ = sending.put(now, (*peer, *key), &bytes, &mut batch);
            }
        }
        if !batch.is_empty() {
            self.commit_at_once(now, batch, Vec::new());
        }
        self.carry_sending(now, store);
        self.pump(now, store);
    }

    /// Those who hold for others and are to be reached, since something is to be brought to them.
    pub fn holders_wanted(&self, now: Time) -> Vec<IdentityId> {
        self.holding.as_ref().map_or_else(Vec::new, |holding| holding.sending.wanted(now))
    }

    pub(super) fn holding_connected(&mut self, now: Time, peer: IdentityId, store: &impl Store) {
        if let Some(Holding { holder, client, sending }) = &mut self.holding {
            holder.handle_connected(peer);
            client.handle_connected(now, peer);
            sending.handle_connected(peer);
            self.carry_held(now, store);
            self.carry_sending(now, store);
        }
    }

    pub(super) fn holding_disconnected(&mut self, peer: IdentityId) {
        if let Some(Holding { holder, client, sending }) = &mut self.holding {
            holder.handle_disconnected(peer);
            client.handle_disconnected(peer);
            sending.handle_disconnected(peer);
        }
    }

    pub(super) fn wake_holding(&mut self, now: Time, store: &impl Store) {
        let Some(Holding { holder, client, .. }) = &mut self.holding else { return };
        let credit = |client: IdentityId| self.pairs.get(&client).map(Pair::credit).unwrap_or_default();
        let wakes = [Some(holder.handle_wake(now, credit)), client.handle_wake(now)];
        wakes.into_iter().flatten().for_each(|time| self.wake_at(time));
        self.carry_holder(now);
        self.carry_held(now, store);
        self.carry_sending(now, store);
    }

    /// A client has promised more.
    pub(super) fn holding_credited(&mut self, now: Time, client: IdentityId) {
        let credit = self.credit_of(client);
        if let Some(holding) = &mut self.holding {
            holding.holder.handle_credit(now, client, credit);
            self.carry_holder(now);
        }
    }

    pub(super) fn hold_message_came(&mut self, now: Time, delivery: &Delivery, store: &impl Store) {
        let peer = delivery.receipt.peer;
        let Some(message) = self.read_message::<HoldMessage>(now, delivery) else { return };
        let credit = self.credit_of(peer);
        let Some(Holding { holder, client, sending }) = &mut self.holding else { return };
        match message {
            HoldMessage::Word { .. } => {
                if let Some(arrived) = sending.handle_message(now, peer, &message) {
                    self.held_arrived(now, arrived, store);
                }
                self.carry_sending(now, store);
            }
            HoldMessage::Serving { .. } | HoldMessage::Refused { .. } | HoldMessage::Left | HoldMessage::Batch(_) => {
                let is_standing = !matches!(message, HoldMessage::Batch(_));
                client.handle_message(now, peer, message);
                self.carry_held(now, store);
                if is_standing {
                    self.tell(MarketNews::HeldFor);
                }
            }
            HoldMessage::Use { .. }
            | HoldMessage::Leave
            | HoldMessage::Fetch { .. }
            | HoldMessage::Had { .. }
            | HoldMessage::Announce { .. }
            | HoldMessage::Part { .. } => {
                let view = Pending { store, batch: &self.unseen };
                holder.handle_message(now, peer, message, credit, &view);
                self.carry_holder(now);
            }
        }
    }

    /// What holding for others wants done.
    fn carry_holder(&mut self, now: Time) {
        let Some(holding) = &mut self.holding else { return };
        let HolderStep { batch, sends, news } = holding.holder.take_step();
        if !(batch.is_empty() && sends.is_empty()) {
            self.commit_at_once(now, batch, outgoing(sends));
        }
        for news in news {
            if let HolderNews::Earned { client, total } = news {
                self.step(now, client, |pair, step| pair.earn_by_holding(now, total, step));
            }
            self.tell(MarketNews::Holding(news));
        }
    }

    /// What being held for wants done.
    fn carry_held(&mut self, now: Time, store: &impl Store) {
        let Some(holding) = &mut self.holding else { return };
        let ClientStep { batch, sends, takings, spent, faults, judged } = holding.client.take_step();
        if !(batch.is_empty() && sends.is_empty()) {
            self.commit_at_once(now, batch, outgoing(sends));
        }
        takings.iter().for_each(|taking| self.take_held(now, taking, store));
        for (holder, total) in spent {
            let price = self.holding.as_ref().and_then(|holding| period_price(&holding.client, holder));
            let price = price.unwrap_or_default();
            self.step(now, holder, |pair, step| pair.spend_on_holding(now, total, price, step));
        }
        faults.into_iter().for_each(|(holder, fault)| self.tell(MarketNews::HeldFault { holder, fault }));
        self.tell_judged(judged);
    }

    fn tell_judged(&mut self, all: Vec<(IdentityId, Judged)>) {
        all.into_iter().for_each(|(holder, judged)| self.tell(MarketNews::HeldJudged { holder, judged }));
    }

    /// Hands a parcel that was held to the conversations.
    fn take_held(&mut self, now: Time, taking: &Taking, store: &impl Store) {
        let seed = self.seeds.draw();
        let (Some(Holding { client, .. }), Some(chats)) = (&mut self.holding, &mut self.chats) else { return };
        let view = Pending { store, batch: &self.unseen };
        client.take(now, taking, &view, |taking| chats.handle_held(now, seed, taking, &view));
        let ClientStep { mut batch, sends, judged, .. } = client.take_step();
        let ChatStep { batch: written, sends: said, news } = chats.take_step();
        batch.append(written);
        let mut sends = outgoing(sends);
        sends.extend(chat_outgoing(said));
        self.commit_at_once(now, batch, sends);
        self.tell_judged(judged);
        news.into_iter().for_each(|news| self.tell(MarketNews::Chat(news)));
        self.look_at_hired(now, store);
    }

    /// Somebody has what was brought to a holder of theirs.
    fn held_arrived(&mut self, now: Time, arrived: Arrived, store: &impl Store) {
        let (Some(Holding { sending, .. }), Some(chats)) = (&mut self.holding, &mut self.chats) else { return };
        let mut batch = Batch::new();
        sending.forget(arrived.client, arrived.parcel, &mut batch);
        chats.handle_held_receipt(now, arrived, &Pending { store, batch: &self.unseen });
        let ChatStep { batch: written, sends, news } = chats.take_step();
        batch.append(written);
        self.commit_at_once(now, batch, chat_outgoing(sends));
        news.into_iter().for_each(|news| self.tell(MarketNews::Chat(news)));
    }

    /// What is to be said to those who hold for others.
    fn carry_sending(&mut self, now: Time, store: &impl Store) {
        let Some(holding) = &mut self.holding else { return };
        let due = holding.sending.due(now, &Pending { store, batch: &self.unseen });
        if !due.is_empty() {
            self.commit_at_once(now, Batch::new(), outgoing(due));
        }
    }
}

/// What a plan costs with a holder.
fn period_price(client: &HeldClient, holder: IdentityId) -> Option<Amount> {
    let of = client.uses().find(|of| of.holder == holder)?;
    let units = u128::from(of.plan.megabytes) * u128::from(of.plan.days);
    of.bill.map_or(of.plan.price_max, |bill| bill.price).mul_div_ceil(units, 1)
}

/// Nothing is brought to holders that does not wait any more.
fn forget_arrived(sending: &mut Sending, chats: &Chats, batch: &mut Batch) {
    let mut waiting: Option<(IdentityId, std::collections::BTreeSet<ParcelId>)> = None;
    for (client, parcel) in sending.parcels().collect::<Vec<_>>() {
        let known = match waiting.take() {
            Some((of, known)) if of == client => known,
            _ => chats.waiting_parcels(client).collect(),
        };
        if !known.contains(&parcel) {
            sending.forget(client, parcel, batch);
        }
        waiting = Some((client, known));
    }
}

fn outgoing(sends: Vec<(IdentityId, HoldMessage)>) -> Vec<(IdentityId, Outgoing)> {
    let outgoing = |(peer, message): (IdentityId, HoldMessage)| {
        let (protocol, bytes) = (ProtocolId::HOLDING, message.to_bytes());
        // Whatever has no answer is said again.
        (peer, Outgoing { protocol, bytes, durability: Durability::Volatile })
    };
    sends.into_iter().map(outgoing).collect()
}
