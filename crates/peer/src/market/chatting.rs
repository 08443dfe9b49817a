//! Conversations (row M11): what they have for somebody goes within the dialogue with them.

use byway_chat::chats::{ChatStep, Chats};
use byway_chat::delivery::ChatMessage;
use byway_dialogue::{Commit, CommitError, Delivery, Durability, Goodbye, Outgoing, ProtocolId};
use byway_primitives::{Batch, Encode, IdentityId, Pending, Store, Time};

use super::Market;
use super::news::MarketNews;
use super::step::OVERFULL;

impl Market {
    /// The identity's conversations; none where it has none.
    pub fn chats(&self) -> Option<&Chats> {
        self.chats.as_ref()
    }

    /// Has the identity's conversations from here on.
    pub fn have_chats(&mut self, now: Time, chats: Chats, store: &impl Store) {
        self.chats = Some(chats);
        let there = self.dialogues.dialogues().filter(|dialogue| dialogue.link().is_some());
        let there: Vec<IdentityId> = there.map(|dialogue| dialogue.peer()).collect();
        there.into_iter().for_each(|peer| self.chat_connected(peer, store));
        self.wake_chats(now, store);
        self.pump(now, store);
    }

    /// Does something in the conversations, and carries what comes of it. `None` where there are none.
    pub fn with_chats<S: Store, T>(
        &mut self,
        now: Time,
        store: &S,
        what: impl FnOnce(&mut Chats, &Pending<'_, S>) -> T,
    ) -> Option<T> {
        let view = Pending { store, batch: &self.unseen };
        let done = self.chats.as_mut().map(|chats| what(chats, &view));
        self.carry_chats(now);
        self.look_at_hired(now, store);
        self.pump(now, store);
        done
    }

    /// Looks at the conversations as they are now, with what the caller has not fetched yet. `None` where there are none.
    pub fn look_at_chats<S: Store, T>(&self, store: &S, what: impl FnOnce(&Chats, &Pending<'_, S>) -> T) -> Option<T> {
        self.chats.as_ref().map(|chats| what(chats, &Pending { store, batch: &self.unseen }))
    }

    /// Has the conversations look at the clock, if it is time, and wakes for the next time.
    pub(super) fn wake_chats(&mut self, now: Time, store: &impl Store) {
        let seed = self.seeds.draw();
        let Some(chats) = &mut self.chats else { return };
        chats.handle_time(now, seed, &Pending { store, batch: &self.unseen });
        let next = chats.wakes_at();
        self.wake_at(next);
        self.carry_chats(now);
        self.look_at_hired(now, store);
    }

    /// Tells the conversations whether there is a pledge for somebody's identity, which they ask for of whoever is new.
    pub fn note_registered(&mut self, peer: IdentityId, is_registered: bool) {
        if let Some(chats) = &mut self.chats {
            chats.set_registered(peer, is_registered);
        }
    }

    pub(super) fn chat_connected(&mut self, peer: IdentityId, store: &impl Store) {
        if let Some(chats) = &mut self.chats {
            chats.handle_connected(peer, &Pending { store, batch: &self.unseen });
        }
    }

    pub(super) fn chat_disconnected(&mut self, peer: IdentityId) {
        if let Some(chats) = &mut self.chats {
            chats.handle_disconnected(peer);
        }
    }

    pub(super) fn chat_message_came(&mut self, now: Time, delivery: &Delivery, store: &impl Store) {
        let peer = delivery.receipt.peer;
        let Some(message) = self.read_message::<ChatMessage>(now, delivery) else { return };
        let seed = self.seeds.draw();
        if let Some(chats) = &mut self.chats {
            chats.handle_message(now, seed, peer, message, &Pending { store, batch: &self.unseen });
            self.carry_chats(now);
            self.look_at_hired(now, store);
        }
    }

    /// What the conversations want done is one commit: nothing is said before what it relies on is written.
    pub(super) fn carry_chats(&mut self, now: Time) {
        let Some(chats) = &mut self.chats else { return };
        let ChatStep { batch, sends, news } = chats.take_step();
        self.commit_at_once(now, batch, chat_outgoing(sends));
        news.into_iter().for_each(|news| self.tell(MarketNews::Chat(news)));
    }

    /// One commit of what is written and what is said to several, none of which has to reach its peer in this dialogue: whatever has no
    /// answer is said again in the next.
    pub(super) fn commit_at_once(&mut self, now: Time, batch: Batch, mut sends: Vec<(IdentityId, Outgoing)>) {
        self.unseen.append(batch.clone());
        sends.retain(|(peer, _)| self.dialogues.dialogue(*peer).is_some());
        let mut commit = Commit { batch, sends, ..Commit::default() };
        while let Err(error) = self.dialogues.commit(now, commit.clone()) {
            // Nothing was done. Without what can't be sent it can be: that is said again when there is a dialogue with its peer anew.
            let peer = match error {
                CommitError::Full { peer } | CommitError::NotOpen { peer } => peer,
                error => unreachable!("these messages are no longer than a dialogue's, and confirm nothing: {error}"),
            };
            commit.sends.retain(|(to, _)| *to != peer);
            self.dialogues.close(now, peer, Goodbye::Application(OVERFULL));
        }
    }
}

/// What conversations say, as it goes within dialogues.
pub(super) fn chat_outgoing(sends: Vec<(IdentityId, ChatMessage)>) -> Vec<(IdentityId, Outgoing)> {
    let outgoing = |(peer, message): (IdentityId, ChatMessage)| {
        let (protocol, bytes) = (ProtocolId::CHAT, message.to_bytes());
        // Whatever is not receipted is said again in the next dialogue.
        (peer, Outgoing { protocol, bytes, durability: Durability::Volatile })
    };
    sends.into_iter().map(outgoing).collect()
}
