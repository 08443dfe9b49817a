//! Bots that are hired (rows A1, M11): offering one, and hiring others'.
//!
//! Both machines are those of [`byway_chat::hiring`]; what they say goes within the dialogues as protocol 13, and what they write is one
//! commit with what they say because of it. What stands in the conversations, by which both count, they are told here, whenever something
//! may have come or gone there. Whoever has hired the bot is a contact: to hire it is to have been asked.

use byway_chat::chats::Chats;
use byway_chat::hiring::{
    BotHost, BotTerms, By, Hire, HireMessage, HireStep, Hires, HiringDamaged, HostNews, HostStep,
};
use byway_chat::mls::RoomId;
use byway_chat::people::Standing;
use byway_dialogue::{Delivery, Durability, Outgoing, ProtocolId};
use byway_primitives::{Encode, IdentityId, Pending, Store, Time};

use super::news::MarketNews;
use super::{Market, Pair};

/// Messages that are looked at in one go.
const PAGE: u64 = 100;

/// Both sides of hiring.
pub struct Hiring {
    host: BotHost,
    hires: Hires,
}

impl Hiring {
    /// Who has hired our bot.
    pub fn host(&self) -> &BotHost {
        &self.host
    }

    /// Bots that we have hired.
    pub fn hires(&self) -> &Hires {
        &self.hires
    }
}

impl Market {
    /// What there is of hiring; nothing before [`have_hiring`](Self::have_hiring).
    pub fn hiring(&self) -> Option<&Hiring> {
        self.hiring.as_ref()
    }

    /// Offers and hires bots from here on.
    ///
    /// # Errors
    /// [`HiringDamaged`].
    pub fn have_hiring(&mut self, now: Time, store: &impl Store) -> Result<(), HiringDamaged> {
        self.hiring = Some(Hiring { host: BotHost::load(store)?, hires: Hires::load(store)? });
        let there = self.dialogues.dialogues().filter(|dialogue| dialogue.link().is_some());
        let there: Vec<IdentityId> = there.map(|dialogue| dialogue.peer()).collect();
        there.into_iter().for_each(|peer| self.hiring_connected(now, peer));
        self.look_at_hired(now, store);
        self.pump(now, store);
        Ok(())
    }

    /// Offers a bot on these terms from now on, or none.
    pub fn offer_bot(&mut self, now: Time, terms: Option<BotTerms>, store: &impl Store) {
        let Some(Hiring { host, .. }) = &mut self.hiring else { return };
        host.set_terms(terms, |client| self.pairs.get(&client).map(Pair::credit).unwrap_or_default());
        self.carry_hiring(now);
        self.pump(now, store);
    }

    /// Hires a bot, or changes the terms on which it is.
    pub fn hire_bot(&mut self, now: Time, host: IdentityId, terms: Hire, store: &impl Store) {
        if let Some(hiring) = &mut self.hiring {
            hiring.hires.hire(now, host, terms);
        }
        self.look_at_hired(now, store);
        self.pump(now, store);
    }

    /// Has a bot hired no more.
    pub fn dismiss_bot(&mut self, now: Time, host: IdentityId, store: &impl Store) {
        if let Some(hiring) = &mut self.hiring {
            hiring.hires.dismiss(now, host);
        }
        self.carry_hiring(now);
        self.pump(now, store);
    }

    /// Our bot's program is there, and is given what it may be.
    pub fn have_bot_work(&mut self, now: Time, store: &impl Store) {
        let Some(Hiring { host, .. }) = &mut self.hiring else { return };
        host.work(now, |client| self.pairs.get(&client).map(Pair::credit).unwrap_or_default());
        self.look_at_hired(now, store);
        self.pump(now, store);
    }

    pub(super) fn hiring_connected(&mut self, now: Time, peer: IdentityId) {
        if let Some(Hiring { host, hires }) = &mut self.hiring {
            host.handle_connected(peer);
            hires.handle_connected(now, peer);
            self.carry_hiring(now);
        }
    }

    pub(super) fn hiring_disconnected(&mut self, peer: IdentityId) {
        if let Some(Hiring { host, hires }) = &mut self.hiring {
            host.handle_disconnected(peer);
            hires.handle_disconnected(peer);
        }
    }

    pub(super) fn wake_hiring(&mut self, now: Time, store: &impl Store) {
        if let Some(Hiring { hires, .. }) = &mut self.hiring {
            let next = hires.handle_wake(now);
            next.into_iter().for_each(|time| self.wake_at(time));
            self.look_at_hired(now, store);
        }
    }

    /// A client has promised more. What it is given the conversation for comes with the next look at it.
    pub(super) fn hiring_credited(&mut self, now: Time, client: IdentityId) {
        let credit = self.credit_of(client);
        if let Some(hiring) = &mut self.hiring {
            hiring.host.handle_credit(client, credit);
            let is_served = hiring.host.serves(client);
            self.carry_host(now);
            if is_served {
                // Who has asked to be a contact is one now.
                self.wake_at(now);
            }
        }
    }

    pub(super) fn hire_message_came(&mut self, now: Time, delivery: &Delivery, store: &impl Store) {
        let peer = delivery.receipt.peer;
        let Some(message) = self.read_message::<HireMessage>(now, delivery) else { return };
        let credit = self.credit_of(peer);
        let Some(Hiring { host, hires }) = &mut self.hiring else { return };
        match message {
            HireMessage::Hire { .. } | HireMessage::Dismiss => host.handle_message(now, peer, message, credit),
            HireMessage::Hired { .. } | HireMessage::Refused { .. } | HireMessage::Dismissed => {
                hires.handle_message(peer, message);
            }
        }
        self.look_at_hired(now, store);
    }

    /// Tells both sides what stands in the conversations, and lets those in who have hired the bot.
    pub(super) fn look_at_hired(&mut self, now: Time, store: &impl Store) {
        let (Some(Hiring { host, hires }), Some(chats)) = (&mut self.hiring, &self.chats) else { return };
        let asks = |client: &IdentityId| {
            let standing = chats.people().get(*client).map(|person| &person.standing);
            host.serves(*client) && matches!(standing, Some(Standing::Asking { .. }))
        };
        let asking: Vec<IdentityId> = host.follows().filter(asks).collect();
        let view = Pending { store, batch: &self.unseen };
        for client in host.follows().collect::<Vec<_>>() {
            let Some((room, begun, messages)) = chats.direct(client) else { continue };
            while let Some(from) = host.look_from(client, room, begun, messages) {
                let mut credit = self.pairs.get(&client).map(Pair::credit).unwrap_or_default();
                for (place, by) in said(chats, (room, client), (from, messages), &view) {
                    let before = host.earned();
                    host.said(client, place, by, credit);
                    credit = credit.saturating_sub(host.earned().saturating_sub(before));
                }
            }
        }
        for of in hires.follows().collect::<Vec<_>>() {
            let Some((room, begun, messages)) = chats.direct(of) else { continue };
            while let Some(from) = hires.look_from(of, room, begun, messages) {
                let all = said(chats, (room, of), (from, messages), &view);
                all.into_iter().for_each(|(place, by)| hires.said(of, place, by));
            }
        }
        self.carry_hiring(now);
        self.let_in(now, asking, store);
    }

    /// Whoever has hired the bot, and asks, is a contact.
    fn let_in(&mut self, now: Time, asking: Vec<IdentityId>, store: &impl Store) {
        for client in asking {
            let seed = self.seeds.draw();
            let Some(chats) = &mut self.chats else { return };
            let view = Pending { store, batch: &self.unseen };
            // Somebody whose key package is no good stays as who asks, for our person to see.
            let _ = chats.accept(now, seed, client, &view);
            self.carry_chats(now);
        }
    }

    /// What both sides want done.
    fn carry_hiring(&mut self, now: Time) {
        self.carry_host(now);
        let Some(hiring) = &mut self.hiring else { return };
        let HireStep { batch, sends, spent, changed } = hiring.hires.take_step();
        if !(batch.is_empty() && sends.is_empty()) {
            self.commit_at_once(now, batch, outgoing(sends));
        }
        for (host, total, price) in spent {
            self.step(now, host, |pair, step| pair.spend_on_answers(now, total, price, step));
        }
        changed.into_iter().for_each(|host| self.tell(MarketNews::Hired { host }));
    }

    fn carry_host(&mut self, now: Time) {
        let Some(hiring) = &mut self.hiring else { return };
        let HostStep { batch, sends, news } = hiring.host.take_step();
        if !(batch.is_empty() && sends.is_empty()) {
            self.commit_at_once(now, batch, outgoing(sends));
        }
        for news in news {
            match news {
                HostNews::Earned { client, total } => {
                    self.step(now, client, |pair, step| pair.earn_by_answers(now, total, step));
                }
                HostNews::Changed { client } => self.tell(MarketNews::BotClient { client }),
            }
        }
    }
}

/// The places of a conversation with somebody from the first on up to the second, in order, and who said what stands there.
fn said(
    chats: &Chats,
    (room, peer): (RoomId, IdentityId),
    (from, to): (u64, u64),
    store: &impl Store,
) -> Vec<(u64, By)> {
    let to = to.min(from.saturating_add(PAGE));
    let page = chats.page(room, Some(to), PAGE as usize, store);
    let mut authors = page.into_iter().rev().filter(|shown| shown.place >= from).peekable();
    let one = |place| {
        let author = authors.next_if(|shown| shown.place == place).map(|shown| shown.item.of.author);
        (place, author.map_or(By::Nobody, |author| if author == peer { By::Them } else { By::Us }))
    };
    (from..to).map(one).collect()
}

fn outgoing(sends: Vec<(IdentityId, HireMessage)>) -> Vec<(IdentityId, Outgoing)> {
    let outgoing = |(peer, message): (IdentityId, HireMessage)| {
        let (protocol, bytes) = (ProtocolId::HIRING, message.to_bytes());
        // Where both stand is said anew in every dialogue.
        (peer, Outgoing { protocol, bytes, durability: Durability::Volatile })
    };
    sends.into_iter().map(outgoing).collect()
}
