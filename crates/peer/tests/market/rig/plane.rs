//! The provider's data plane.

use byway_access::session::{Counters, Limit, Traffic};
use byway_primitives::Time;

use super::{PATIENCE, Rig};

/// What a data plane reports that has carried so many bytes down under this limit.
pub fn counters(limit: Limit, carried: u64) -> Counters {
    let traffic = Traffic::new(0, carried);
    Counters { traffic, limit: limit.number, bound: limit.bytes.max(carried), is_short: false }
}

impl Rig {
    /// The provider carries bytes that the client does not take, as for a program that has stopped reading: as many as it
    /// may, up to `bytes`.
    pub fn hold(&mut self, mut bytes: u64) {
        let deadline = Time(self.now.0 + PATIENCE);
        while bytes > 0 {
            assert!(self.now < deadline, "{bytes} bytes are left to hold");
            if let Some((session, limit, carried)) = self.serving {
                let more = bytes.min(limit.bytes.saturating_sub(carried));
                bytes -= more;
                self.serving = Some((session, limit, carried + more));
                let counters = counters(limit, carried + more);
                let client = self.client.id();
                self.provider.market.handle_served(self.now, client, session, counters, &self.provider.store);
            }
            self.tick();
        }
    }
}
