//! A room on disk: its record, and the epochs that are kept (see [`epoch`](super::super::epoch)).

use byway_primitives::{Batch, Decode, DecodeError, Encode, Reader, Store, Writer};

use super::Room;
use super::errors::BrokenRoom;
use crate::device::Device;
use crate::mls::branch::Branches;
use crate::mls::epoch::Epoch;
use crate::mls::line::Step;
use crate::mls::{EpochTag, LINE_STEPS, ROOMS, RoomId};

const VERSION: u8 = 1;

/// What the keys of all records begin with.
const RECORDS: [u8; 1] = [0];

struct Record {
    root: EpochTag,
    head: EpochTag,
    past: Vec<Step>,
}

impl Room {
    /// All rooms that are kept.
    pub fn all(store: &impl Store) -> Vec<RoomId> {
        let records = store.scan_prefix(ROOMS, &RECORDS).into_iter();
        records.filter_map(|(key, _)| key.get(1..)?.try_into().ok().map(RoomId)).collect()
    }

    /// A room as it was kept. `None` if it isn't.
    ///
    /// # Errors
    /// [`BrokenRoom`].
    pub fn load(store: &impl Store, id: RoomId, device: Device) -> Result<Option<Self>, BrokenRoom> {
        let Some(bytes) = store.load(ROOMS, &record_key(id)) else { return Ok(None) };
        let unreadable = |cause| BrokenRoom::Unreadable { room: id, cause };
        let Record { root, head, past } = Record::from_bytes(&bytes).map_err(unreadable)?;
        let epochs = Epoch::load_all(store, id)?;
        let branches = Branches::restore(id, epochs, (root, head), past).ok_or(BrokenRoom::Apart { room: id })?;
        let mut room = Self { id, device, branches };
        room.branches.head_mut().group(id)?;
        Ok(Some(room))
    }

    /// Deletes all that is kept of the room.
    pub fn forget(self, batch: &mut Batch) {
        self.branches.delete_all(batch);
        batch.delete(ROOMS, record_key(self.id));
    }

    pub(super) fn put_record(&self, batch: &mut Batch) {
        let branches = &self.branches;
        let record = Record { root: branches.root(), head: branches.head().tag, past: branches.past().to_vec() };
        batch.put(ROOMS, record_key(self.id), record.to_bytes());
    }

    /// Writes all of a room that is new.
    pub(super) fn put_new(&mut self, batch: &mut Batch) {
        self.branches.put_all(batch);
        self.put_record(batch);
    }
}

fn record_key(id: RoomId) -> Vec<u8> {
    [&RECORDS[..], &id.0].concat()
}

impl Encode for Record {
    fn encode(&self, out: &mut Writer) {
        out.byte(VERSION);
        out.value(&self.root);
        out.value(&self.head);
        out.list(&self.past);
    }
}

impl Decode for Record {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            VERSION => {}
            other => return Err(DecodeError::UnknownVariant { kind: "room record version", value: other.into() }),
        }
        Ok(Self { root: input.value()?, head: input.value()?, past: input.list(LINE_STEPS)? })
    }
}
