//! Collects what the machine wants done, and keeps its messages behind its writes.

use byway_primitives::{Batch, Effect, IdentityId, Time, Token};

use super::message::PaymentMessage;
use super::news::PaymentNews;

/// What the payment machine emits.
pub type PaymentEffect = Effect<IdentityId, PaymentMessage, PaymentNews>;

/// Every message waits for the newest write before it. That keeps messages in the order in which they were made, and no
/// message ever tells of anything that a crash could still take back.
#[derive(Debug)]
pub(super) struct Outbox {
    peer: IdentityId,
    effects: Vec<PaymentEffect>,
    newest: Option<Token>,
}

impl Outbox {
    pub(super) fn new(peer: IdentityId) -> Self {
        Self { peer, effects: Vec::new(), newest: None }
    }

    pub(super) fn persist(&mut self, batch: Batch) -> Token {
        let token = Token(self.newest.map_or(0, |token| token.0 + 1));
        self.newest = Some(token);
        self.effects.push(Effect::Persist { batch, token });
        token
    }

    pub(super) fn send(&mut self, message: PaymentMessage) {
        self.effects.push(Effect::Send { to: self.peer, message, after: self.newest });
    }

    pub(super) fn notify(&mut self, news: PaymentNews) {
        self.effects.push(Effect::Notify(news));
    }

    pub(super) fn wake_at(&mut self, time: Time) {
        self.effects.push(Effect::WakeAt(time));
    }

    pub(super) fn drain(&mut self) -> Vec<PaymentEffect> {
        std::mem::take(&mut self.effects)
    }
}
