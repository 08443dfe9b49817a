//! Collects what a machine wants done, and keeps its messages behind its writes.

use byway_primitives::{Batch, Effect, IdentityId, Time, Token};

use super::message::SessionMessage;

/// Every message waits for the newest write before it, so messages keep their order and none tells of anything that a
/// crash could still take back.
#[derive(Debug)]
pub(super) struct Outbox<N> {
    peer: IdentityId,
    effects: Vec<Effect<IdentityId, SessionMessage, N>>,
    newest: Option<Token>,
}

impl<N> Outbox<N> {
    pub(super) fn new(peer: IdentityId) -> Self {
        Self { peer, effects: Vec::new(), newest: None }
    }

    pub(super) fn persist(&mut self, batch: Batch) {
        if batch.is_empty() {
            return;
        }
        let token = Token(self.newest.map_or(0, |token| token.0 + 1));
        self.newest = Some(token);
        self.effects.push(Effect::Persist { batch, token });
    }

    pub(super) fn send(&mut self, message: SessionMessage) {
        self.effects.push(Effect::Send { to: self.peer, message, after: self.newest });
    }

    pub(super) fn notify(&mut self, news: N) {
        self.effects.push(Effect::Notify(news));
    }

    pub(super) fn wake_at(&mut self, time: Time) {
        self.effects.push(Effect::WakeAt(time));
    }

    pub(super) fn drain(&mut self) -> Vec<Effect<IdentityId, SessionMessage, N>> {
        std::mem::take(&mut self.effects)
    }
}
