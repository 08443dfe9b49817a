//! What each side keeps of its sessions: one entry per session, and one of closed accounts per peer.

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, Batch, IdentityId, Space, Store, Time};
use byway_records::OfferId;
use byway_records::offer::Service;

use super::{ResponseId, SessionId, Tariff, Usage};
use crate::service::SERVICE_DATA_MAX;

/// Where sessions are journaled.
pub const SESSIONS: Space = Space("sessions");

const VERSION: u8 = 3;

/// Which side of a session wrote an entry. Numbers are fixed for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Client = 0,
    Provider = 1,
}

/// The journal of sessions with a peer can't be read. The store checks its own sums, so this is another version's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the session journal with {peer} can't be read ({cause}); restore the data folder from a backup")]
pub struct SessionJournalError {
    pub peer: IdentityId,
    pub cause: DecodeError,
}

/// A session as journaled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SessionRecord {
    pub id: SessionId,
    pub response: ResponseId,
    pub offer: OfferId,
    pub service: Service,
    pub tariff: Tariff,
    /// The client's service data.
    pub request: Vec<u8>,
    /// The provider's.
    pub answer: Vec<u8>,
    pub opened: Time,
    pub acknowledged: Usage,
    /// The client's limit for the session; nothing at the provider's.
    pub cost_max: Amount,
    /// The offer's bytes per second; nothing at the provider's.
    pub rate_bytes_per_second: u64,
    /// The first so many bytes or milliseconds of what is sold cost nothing.
    pub free: u64,
}

/// What is left of ended sessions with a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct ClosedRecord {
    /// The cost of all that was acknowledged.
    pub spent: Amount,
    /// Provider: the cost of what was given and never acknowledged.
    pub arrears: Amount,
    /// Provider: what was forgiven of what was not acknowledged.
    pub forgiven: Amount,
    /// Provider: what may still be forgiven; `None` before the first session.
    pub forgivable: Option<Amount>,
    /// Provider: when the client was last given a trial.
    pub trial_at: Option<Time>,
}

/// The keys of one role's entries with one peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Journal {
    pub role: Role,
    pub peer: IdentityId,
}

impl Journal {
    fn closed_key(self) -> Vec<u8> {
        [&[self.role as u8][..], &self.peer.0, &[0]].concat()
    }

    fn session_prefix(self) -> Vec<u8> {
        [&[self.role as u8][..], &self.peer.0, &[1]].concat()
    }

    fn session_key(self, id: SessionId) -> Vec<u8> {
        [&self.session_prefix()[..], &id.0].concat()
    }

    pub(super) fn put_session(self, batch: &mut Batch, record: &SessionRecord) {
        batch.put(SESSIONS, self.session_key(record.id), record.to_bytes());
    }

    pub(super) fn delete_session(self, batch: &mut Batch, id: SessionId) {
        batch.delete(SESSIONS, self.session_key(id));
    }

    pub(super) fn put_closed(self, batch: &mut Batch, closed: &ClosedRecord) {
        batch.put(SESSIONS, self.closed_key(), closed.to_bytes());
    }

    pub(super) fn load(self, store: &impl Store) -> Result<(ClosedRecord, Vec<SessionRecord>), SessionJournalError> {
        let unreadable = |cause| SessionJournalError { peer: self.peer, cause };
        let closed = match store.load(SESSIONS, &self.closed_key()) {
            Some(bytes) => ClosedRecord::from_bytes(&bytes).map_err(unreadable)?,
            None => ClosedRecord::default(),
        };
        let entries = store.scan_prefix(SESSIONS, &self.session_prefix());
        let sessions = entries.iter().map(|(_, bytes)| SessionRecord::from_bytes(bytes).map_err(unreadable));
        Ok((closed, sessions.collect::<Result<_, _>>()?))
    }
}

fn version(input: &mut Reader<'_>) -> Result<(), DecodeError> {
    match input.byte()? {
        VERSION => Ok(()),
        other => Err(DecodeError::UnknownVariant { kind: "session journal version", value: other.into() }),
    }
}

impl Encode for SessionRecord {
    fn encode(&self, out: &mut Writer) {
        out.byte(VERSION);
        out.value(&self.id);
        out.value(&self.response);
        out.value(&self.offer.0);
        out.varint(self.service.0);
        out.value(&self.tariff);
        out.bytes(&self.request);
        out.bytes(&self.answer);
        out.value(&self.opened);
        out.value(&self.acknowledged);
        out.value(&self.cost_max);
        out.varint(self.rate_bytes_per_second);
        out.varint(self.free);
    }
}

impl Decode for SessionRecord {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        version(input)?;
        Ok(Self {
            id: input.value()?,
            response: input.value()?,
            offer: OfferId(input.value()?),
            service: Service(input.u16()?),
            tariff: input.value()?,
            request: input.bytes(SERVICE_DATA_MAX)?.to_vec(),
            answer: input.bytes(SERVICE_DATA_MAX)?.to_vec(),
            opened: input.value()?,
            acknowledged: input.value()?,
            cost_max: input.value()?,
            rate_bytes_per_second: input.u64()?,
            free: input.u64()?,
        })
    }
}

impl Encode for ClosedRecord {
    fn encode(&self, out: &mut Writer) {
        out.byte(VERSION);
        out.value(&self.spent);
        out.value(&self.arrears);
        out.value(&self.forgiven);
        out.option(self.forgivable.as_ref());
        out.option(self.trial_at.as_ref());
    }
}

impl Decode for ClosedRecord {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        version(input)?;
        Ok(Self {
            spent: input.value()?,
            arrears: input.value()?,
            forgiven: input.value()?,
            forgivable: input.option()?,
            trial_at: input.option()?,
        })
    }
}
