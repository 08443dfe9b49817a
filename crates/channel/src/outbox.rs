//! What a machine wants done, in order: what it says and tells comes after what it has written before.

use byway_primitives::{Batch, Effect, IdentityId, Time, Token};

#[derive(Debug)]
pub(crate) struct Outbox<M, N> {
    /// What is to be written with the next thing that is said, or at the end.
    pub batch: Batch,
    effects: Vec<Effect<IdentityId, M, N>>,
    newest: Option<Token>,
}

impl<M, N> Outbox<M, N> {
    pub fn new() -> Self {
        Self { batch: Batch::new(), effects: Vec::new(), newest: None }
    }

    /// What is to be done, in this order.
    pub fn poll(&mut self) -> Vec<Effect<IdentityId, M, N>> {
        std::mem::take(&mut self.effects)
    }

    /// Writes what was put down since the last time.
    pub fn write(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let token = Token(self.newest.map_or(0, |token| token.0 + 1));
        self.newest = Some(token);
        self.effects.push(Effect::Persist { batch: std::mem::take(&mut self.batch), token });
    }

    /// A message waits for the newest write.
    pub fn send(&mut self, to: IdentityId, message: M) {
        self.write();
        self.effects.push(Effect::Send { to, message, after: self.newest });
    }

    pub fn notify(&mut self, news: N) {
        self.write();
        self.effects.push(Effect::Notify(news));
    }

    pub fn wake_at(&mut self, time: Time) {
        self.effects.push(Effect::WakeAt(time));
    }
}
