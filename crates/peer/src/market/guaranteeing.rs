//! Virtual channels (row C4): what is looked at are the guarantees in the channels, and what they wish is done in them.
//!
//! What is written leaves before anything is said or done because of it (see `routing`, which is carried alike). Where a wish can't be
//! carried out now, it comes again.

use byway_channel::guarantee::{GuaranteeEffect, GuaranteeMessage, GuaranteeNews, GuaranteeTerms, Guarantees};
use byway_channel::{ChannelHandle, ChannelKey, ChannelMachine, InitiateError};
use byway_dialogue::{Delivery, Durability, ProtocolId};
use byway_primitives::codec::decode_exact;
use byway_primitives::{Amount, Batch, Effect, Encode, IdentityId, Span, Store, Time};
use byway_records::channel::VirtualTerms;
use byway_records::promise::ChannelId;

use super::channels::Carried;
use super::news::MarketNews;
use super::step::Step;
use super::{Market, MarketConfig, MarketDamaged};

pub(super) fn load(config: &MarketConfig, store: &impl Store) -> Result<Guarantees, MarketDamaged> {
    // What is paid and taken for them is said by whoever has opened the market.
    let loaded = Guarantees::load(config.identity.id(), config.network, None, Amount::ZERO, store);
    loaded.map_err(MarketDamaged::Guarantees)
}

impl Market {
    /// Guarantees of virtual channels: terms, and those that there are.
    pub fn guarantees(&self) -> &Guarantees {
        &self.channels.guarantees
    }

    /// On what terms this node guarantees channels of others from now on; not at all where there are none.
    pub fn set_guaranteeing(&mut self, terms: Option<GuaranteeTerms>) {
        self.channels.guarantees.set_terms(terms);
    }

    /// The shortest lock period of channels that this node guarantees from now on.
    pub fn set_guarantee_lock_min(&mut self, lock_min: Span) {
        self.channels.guarantees.set_lock_min(lock_min);
    }

    /// The most that this node pays a hub for a guarantee.
    pub fn set_guarantee_fee_max(&mut self, fee_max: Amount) {
        self.channels.guarantees.set_fee_max(fee_max);
    }

    /// Proposes a virtual channel to a peer with whom there is a dialogue. `handle` is fresh randomness.
    pub fn open_virtual_channel(
        &mut self,
        now: Time,
        handle: ChannelHandle,
        terms: VirtualTerms,
        store: &impl Store,
    ) -> Result<ChannelKey, InitiateError> {
        let opened = self.channels.own.initiate_virtual(now, handle, terms);
        self.carry_channels(now);
        self.pump(now, store);
        opened
    }

    /// Asks a hub on what terms it guarantees channels; [`GuaranteeNews::Told`] comes if it answers.
    pub fn ask_guarantor(&mut self, now: Time, hub: IdentityId, store: &impl Store) {
        self.channels.guarantees.ask(hub);
        self.carry_channels(now);
        self.pump(now, store);
    }

    pub(super) fn guarantee_message_came(&mut self, now: Time, delivery: &Delivery) {
        let peer = delivery.receipt.peer;
        match decode_exact::<GuaranteeMessage>(&delivery.bytes) {
            Ok(message) => {
                let Carried { own, guarantees, .. } = &mut self.channels;
                guarantees.handle_message(now, own, peer, message);
                self.carry_channels(now);
            }
            Err(error) => self.malformed(now, peer, error),
        }
    }

    /// After a start everything is looked at.
    pub(super) fn begin_guaranteeing(&mut self, now: Time) {
        self.channels.guarantee_timer.set(now);
        self.wake_at(now);
    }

    pub(super) fn wake_guarantees(&mut self, now: Time) {
        if self.channels.guarantee_timer.goes_off(now) {
            let Carried { own, guarantees, .. } = &mut self.channels;
            guarantees.handle_wake(now, own);
            self.carry_channels(now);
        }
        if let Some(time) = self.channels.guarantee_timer.at() {
            self.wake_at(time);
        }
    }

    /// What the guarantees want done; false if that is nothing.
    pub(super) fn carry_guarantees(&mut self, now: Time) -> bool {
        let Carried { own, guarantees, .. } = &mut self.channels;
        let effects = guarantees.poll();
        own.note_accepting(guarantees.accepting());
        let (mut batch, mut is_something) = (Batch::new(), false);
        for effect in effects {
            // That they want to be looked at later is nothing to be done now.
            is_something |= !matches!(effect, Effect::WakeAt(_));
            self.carry_guarantee(now, effect, &mut batch);
        }
        self.write_guarantees(now, &mut batch);
        is_something
    }

    fn carry_guarantee(&mut self, now: Time, effect: GuaranteeEffect, batch: &mut Batch) {
        match effect {
            Effect::Persist { batch: more, .. } => batch.append(more),
            Effect::Send { to, message, .. } => {
                let mut step = Step::new(to);
                step.persist(std::mem::take(batch));
                // Whatever matters is said again as long as nothing comes of it.
                step.send(ProtocolId::GUARANTEE, message.to_bytes(), Durability::Volatile);
                step.commit(now, &mut self.dialogues, &mut self.awaiting);
            }
            Effect::WakeAt(time) => {
                if self.channels.guarantee_timer.set(time) {
                    self.wake_at(time);
                }
            }
            Effect::Notify(news) => {
                // It is on disk before anything is done in a channel because of it.
                self.write_guarantees(now, batch);
                self.carry_out_guarantee(now, news);
            }
        }
    }

    fn write_guarantees(&mut self, now: Time, batch: &mut Batch) {
        if !batch.is_empty() {
            let mut step = Step::new(self.identity());
            step.persist(std::mem::take(batch));
            step.commit(now, &mut self.dialogues, &mut self.awaiting);
        }
    }

    /// Does in a channel what is wished. Where it can't be done, it is wished again.
    fn carry_out_guarantee(&mut self, now: Time, news: GuaranteeNews) {
        let own = &mut self.channels.own;
        let key = |channel: ChannelId| own.key_of(channel);
        match news {
            GuaranteeNews::Propose { channel, change } => {
                if let Some(key) = key(channel) {
                    let _ = own.with(key, |machine| machine.propose(now, change));
                }
            }
            GuaranteeNews::Force { channel, call } => {
                if let Some(key) = key(channel) {
                    let _ = own.with(key, |machine| machine.force(now, &call));
                }
            }
            GuaranteeNews::Close { channel } => {
                if let Some(key) = key(channel) {
                    let _ = own.with(key, |machine| machine.close_unasked(now));
                }
            }
            // Its parent is being closed, which pays out whatever this node does.
            GuaranteeNews::CloseAlone { channel } => {
                if let Some(key) = key(channel) {
                    let _ = own.with(key, |machine| machine.close_alone(now));
                }
            }
            GuaranteeNews::Part { channel } => {
                if let Some(key) = key(channel) {
                    let _ = own.with(key, |machine| machine.close(now));
                }
            }
            GuaranteeNews::GiveUp { channel } => {
                if let Some(key) = key(channel) {
                    let _ = own.with(key, ChannelMachine::give_up);
                }
            }
            GuaranteeNews::Find { terms } => _ = own.find_virtual(now, &terms),
            told => self.tell(MarketNews::Guarantee(Box::new(told))),
        }
    }
}
