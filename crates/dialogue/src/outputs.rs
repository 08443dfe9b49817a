//! The effects that a machine has asked for and the driver has not yet fetched.

use std::collections::VecDeque;

use byway_primitives::{Batch, Effect, Time, Token};

use crate::link::LinkId;
use crate::news::News;

/// What the driver is asked to do.
pub type Output = Effect<LinkId, Vec<u8>, News>;

#[derive(Debug, Default)]
pub(crate) struct Outputs {
    effects: VecDeque<Output>,
    token_last: Token,
}

impl Outputs {
    pub fn poll(&mut self) -> Option<Output> {
        self.effects.pop_front()
    }

    /// Asks to write, unless there is nothing to.
    pub fn persist(&mut self, batch: Batch) -> Option<Token> {
        if batch.is_empty() {
            return None;
        }
        self.token_last = Token(self.token_last.0 + 1);
        self.effects.push_back(Effect::Persist { batch, token: self.token_last });
        Some(self.token_last)
    }

    pub fn send(&mut self, to: LinkId, message: Vec<u8>, after: Option<Token>) {
        self.effects.push_back(Effect::Send { to, message, after });
    }

    pub fn wake_at(&mut self, time: Time) {
        self.effects.push_back(Effect::WakeAt(time));
    }

    pub fn notify(&mut self, news: News) {
        self.effects.push_back(Effect::Notify(news));
    }
}
