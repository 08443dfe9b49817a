//! Reading a journal, from any thread.

use std::sync::Arc;

use byway_primitives::store::Entry;
use byway_primitives::{Space, Store};

use super::overlay::Overlay;
use super::seal::Seal;
use super::{DiskError, Shared};

/// Reads what a journal holds, with what was written and is not durable yet. As long as there is one its disk stays open.
#[derive(Clone)]
pub struct JournalReader {
    pub(super) name: String,
    pub(super) overlay: Arc<Overlay>,
    pub(super) seal: Option<Arc<Seal>>,
    pub(super) shared: Arc<Shared>,
}

impl JournalReader {
    /// [`Store::load`] with its error.
    pub fn try_load(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, DiskError> {
        let found = self.overlay.load(&self.shared.engine, space, key)?;
        match (&self.seal, found) {
            (Some(seal), Some(sealed)) => Ok(Some(seal.open(space, key, &sealed)?)),
            (_, found) => Ok(found),
        }
    }

    /// [`Store::scan`] with its error.
    pub fn try_scan(&self, space: Space, from: &[u8], limit: usize) -> Result<Vec<Entry>, DiskError> {
        let found = self.overlay.scan(&self.shared.engine, space, from, limit, <[u8]>::to_vec)?;
        match &self.seal {
            Some(seal) => seal.open_all(space, found),
            None => Ok(found),
        }
    }

    /// [`Store::scan_keys`] with its error.
    pub fn try_scan_keys(&self, space: Space, from: &[u8], limit: usize) -> Result<Vec<Vec<u8>>, DiskError> {
        let found = self.overlay.scan(&self.shared.engine, space, from, limit, |_| ())?;
        Ok(found.into_iter().map(|(key, ())| key).collect())
    }

    /// Stops everything: a machine whose reads fail must not go on, and neither may what it would have sent.
    fn stop(&self, error: DiskError) -> ! {
        tracing::error!(journal = %self.name, %error, "storage can't be read: stopping");
        self.shared.queue.fail(error.clone());
        panic!("storage can't be read: {error}");
    }
}

/// Reads that fail stop the disk and panic, as the contract of [`Store`] asks; [`JournalReader::try_load`] and
/// [`JournalReader::try_scan`] return the error instead.
impl Store for JournalReader {
    fn load(&self, space: Space, key: &[u8]) -> Option<Vec<u8>> {
        self.try_load(space, key).unwrap_or_else(|error| self.stop(error))
    }

    fn scan(&self, space: Space, from: &[u8], limit: usize) -> Vec<Entry> {
        self.try_scan(space, from, limit).unwrap_or_else(|error| self.stop(error))
    }

    fn scan_keys(&self, space: Space, from: &[u8], limit: usize) -> Vec<Vec<u8>> {
        self.try_scan_keys(space, from, limit).unwrap_or_else(|error| self.stop(error))
    }
}
