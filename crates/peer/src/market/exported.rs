//! The books of a market on their way to another disk, and back (row A4).

use byway_dialogue::payment::{Export, JournalError};
use byway_primitives::{Batch, Store, Time};

use super::pair::Pair;
use super::{Market, PEERS};

/// What to write into the journal of a market that is not running, so that it knows all that an export holds (row A4).
/// `None` where it does already and is not [rolled back](Export::put_back).
pub fn put_back(
    export: &Export,
    store: &impl Store,
    now: Time,
    is_rolled_back: bool,
) -> Result<Option<Batch>, JournalError> {
    let Some(mut batch) = export.put_back(store, now, is_rolled_back)? else { return Ok(None) };
    for pair in &export.pairs {
        batch.put(PEERS, pair.peer.0, vec![1]);
    }
    Ok(Some(batch))
}

impl Market {
    /// What would be lost of this with the disk (see [`export`](byway_dialogue::payment::export)).
    pub fn export(&self, now: Time, store: &impl Store) -> Export {
        let pairs = self.pairs.values().map(Pair::export).collect();
        Export::new(self.config.network, self.identity(), now, pairs, store)
    }
}
