//! What is said along with the opening of a dialogue, and what a provider makes of it.

use byway_peer::market::Capacity;

use super::Rig;

impl Rig {
    /// Whether the provider has agreed to a session.
    pub fn has_agreed(&self) -> bool {
        !self.provider.market.served_sessions(self.now).is_empty()
    }

    /// Whether the provider has a dialogue with the client.
    pub fn is_talking(&self) -> bool {
        self.provider.market.is_talking_to(self.client.id())
    }

    /// The provider is handed this as said along with the client's opening.
    pub fn say_early(&mut self, bytes: &[u8]) {
        let client = self.client.id();
        self.provider.market.handle_early(self.now, client, bytes, &self.provider.store);
        self.carry_out();
    }

    /// What the provider can take on from now on.
    pub fn set_capacity(&mut self, capacity: Capacity) {
        self.provider.market.set_capacity(capacity);
    }
}
