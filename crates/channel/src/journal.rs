//! What a side keeps of a channel on disk: one entry for all that is small, one for the contracts' state as it was some time
//! ago, and one for each change since.
//!
//! All that a step changes is written in one batch, so no step can be half done: after a crash the channel is where it was
//! before the step or after it. The contracts' state is written anew when the changes since have become as long as it is,
//! so what is written for a change stays a small multiple of the change itself.

use byway_crypto::IdentitySignature;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, Batch, Hash, Space, Store, Time};
use byway_records::channel::{Environment, Held, Position, Side, WatchSecret};
use byway_records::promise::ChannelId;
use byway_vm::{Address, State};

use crate::backing::Backing;
use crate::change::{Change, Ground};
use crate::channels::ChannelHandle;
use crate::consent::Consent;
use crate::fund::Fund;
use crate::machine::position_digest;
use crate::message::{LanePromise, Proposal};

/// Where channels are journaled.
pub const CHANNELS: Space = Space("channels");

/// Half-signed states of ours that can be alive at once: a proposal, its cancellation, and as much again for ties.
pub const RELEASED_MAX: usize = 8;
/// Bytes of changes that are kept at the least before the state is written anew.
const LOG_BYTES_MIN: usize = 4 * 1024;

const VERSION: u8 = 9;

/// How far a channel has come. What is before [`Life::HalfSigned`] is not on disk: nothing is at stake yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// The terms are proposed.
    Initialized,
    /// Both agree to them.
    Accepted,
    /// The initiator has authorised the transaction that opens the channel.
    HalfSigned,
    /// Both have, and the ledger does not have it yet.
    Signed,
    Open,
    /// No more updates are made.
    Closing,
    /// The ledger has no entry of it, and never will again.
    Closed,
}

/// Whether this side knows what it needs to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    Sound,
    /// The position is known and the contracts' state is not: the journal was an old one.
    Recovering,
    /// The peer has a co-signed state of the same round that is another one. Nothing is signed any more.
    Frozen(Box<Conflict>),
}

/// Two co-signed states of one round. Both sides can prove it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    pub ours: Agreement,
    pub theirs: Agreement,
}

/// A position, and both signatures under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreement {
    pub position: Position,
    pub signatures: [IdentitySignature; 2],
}

/// The journal of a channel can't be read. The store checks its own sums, so this is another version's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChannelJournalError {
    #[error("there is no channel {}", channel.0)]
    Unknown { channel: ChannelId },
    #[error("the journal of channel {} can't be read ({cause}); restore the data folder from a backup", channel.0)]
    Unreadable { channel: ChannelId, cause: DecodeError },
    #[error("the journal of channel {} leads to another state than was signed; restore the data folder from a backup", channel.0)]
    Broken { channel: ChannelId },
}

/// All of a channel that is small.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub ground: Ground,
    /// What this side shows when it closes alone.
    pub own_secret: WatchSecret,
    /// What the peer does, once it has said it.
    pub peer_secret: Option<WatchSecret>,
    pub side: Side,
    pub id: ChannelId,
    /// When the transaction that opens the channel is dead, and who has authorised it.
    pub expires: Time,
    pub authorisations: [Option<IdentitySignature>; 2],
    pub life: Life,
    pub health: Health,
    /// The newest position that is agreed: co-signed, or made by the ledger.
    pub base: Position,
    /// What is in the channel, as far as it is known here: what the base divides, and what there is of other assets.
    pub held: Held,
    pub signatures: Option<[IdentitySignature; 2]>,
    /// The round of the newest co-signed state: that of the base, or where the ledger went on from it by force an earlier one.
    pub agreed: u64,
    /// Nothing is signed at this round or below it any more.
    pub signed: u64,
    /// The highest round that the peer is known to have signed.
    pub seen: u64,
    /// Our half-signed states above the base, in order of rounds: the peer may complete each.
    pub released: Vec<Proposal>,
    /// The deposit or withdrawal that is open, of either side.
    pub fund: Option<Fund>,
    /// What our user wants to be done to a contract, and the peer's does not yet.
    pub consent: Option<Consent>,
    /// The highest promise out of our lane, and out of the peer's.
    pub given: Option<LanePromise>,
    pub taken: Option<LanePromise>,
    /// Up to here what we promised for services is not known from this journal, but was told by the peer.
    pub reminded: Amount,
    /// This side closes without the peer: it says so again until the ledger has heard it.
    pub closes_alone: bool,
    /// Of a virtual channel, whose money is in others.
    pub backing: Option<Backing>,
    /// Our user has asked to part: what contracts have may be divided.
    pub wants_to_part: bool,
}

/// What leads from the state that is on disk as a whole to the newest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Log {
    rounds: Vec<u64>,
    bytes: usize,
    whole_bytes: usize,
}

impl Record {
    pub fn put(&self, batch: &mut Batch) {
        batch.put(CHANNELS, record_key(self.id), self.to_bytes());
    }

    pub fn load(store: &impl Store, id: ChannelId) -> Result<Self, ChannelJournalError> {
        let bytes = store.load(CHANNELS, &record_key(id)).ok_or(ChannelJournalError::Unknown { channel: id })?;
        Record::from_bytes(&bytes).map_err(|cause| ChannelJournalError::Unreadable { channel: id, cause })
    }
}

impl Log {
    /// The contracts' state as the journal has it, which must be the one that the record names unless that is to be fetched; and
    /// the last co-signed one beneath it, where the journal goes back so far.
    pub fn load(store: &impl Store, record: &Record) -> Result<(Self, Loaded), ChannelJournalError> {
        let id = record.id;
        let unreadable = |cause| ChannelJournalError::Unreadable { channel: id, cause };
        let broken = ChannelJournalError::Broken { channel: id };
        let Some(bytes) = store.load(CHANNELS, &whole_key(id)) else { return Ok(Default::default()) };
        let Whole { position, state } = Whole::from_bytes(&bytes).map_err(unreadable)?;
        let mut log = Self { whole_bytes: bytes.len(), ..Self::default() };
        let (mut position, mut state, mut signed) = (position, state, None);
        for (key, bytes) in store.scan_prefix(CHANNELS, &log_prefix(id)) {
            let round = round_of(&key).ok_or(broken)?;
            let Logged { change, environment } = Logged::from_bytes(&bytes).map_err(unreadable)?;
            if round > record.agreed && position.round <= record.agreed {
                signed = Some((Position { round: record.agreed, ..position }, state.clone()));
            }
            let after = record.ground.after(&state, &position, round, &change, environment);
            (state, position) = after.map_err(|_| broken)?;
            log.rounds.push(round);
            log.bytes += bytes.len();
        }
        let is_known = record.health != Health::Recovering;
        if is_known && state.root() != record.base.root {
            return Err(broken);
        }
        Ok((log, Loaded { state, signed, beneath: Vec::new() }))
    }

    /// Notes the change that led to `position`; writes the state as a whole where it is time.
    pub fn append(&mut self, batch: &mut Batch, id: ChannelId, change: &Change, position: &Position, state: &State) {
        let logged = Logged { change: change.clone(), environment: position.environment }.to_bytes();
        if self.bytes + logged.len() > self.whole_bytes.max(LOG_BYTES_MIN) {
            return self.write_whole(batch, id, position, state);
        }
        self.put(batch, id, position.round, logged);
    }

    /// As [`append`](Self::append); but the co-signed state beneath, to which the ledger may still go back, can be read as well.
    pub fn append_forced(&mut self, batch: &mut Batch, id: ChannelId, change: &Change, position: &Position) {
        let logged = Logged { change: change.clone(), environment: position.environment }.to_bytes();
        self.put(batch, id, position.round, logged);
    }

    fn put(&mut self, batch: &mut Batch, id: ChannelId, round: u64, logged: Vec<u8>) {
        self.bytes += logged.len();
        self.rounds.push(round);
        batch.put(CHANNELS, log_key(id, round), logged);
    }

    pub fn write_whole(&mut self, batch: &mut Batch, id: ChannelId, position: &Position, state: &State) {
        let whole = Whole { position: *position, state: state.clone() }.to_bytes();
        self.forget(batch, id);
        self.whole_bytes = whole.len();
        batch.put(CHANNELS, whole_key(id), whole);
    }

    fn forget(&mut self, batch: &mut Batch, id: ChannelId) {
        self.rounds.drain(..).for_each(|round| batch.delete(CHANNELS, log_key(id, round)));
        self.bytes = 0;
    }

    /// Of a channel that is closed nothing but its record is kept.
    pub fn remove(&mut self, batch: &mut Batch, id: ChannelId) {
        self.forget(batch, id);
        batch.delete(CHANNELS, whole_key(id));
    }
}

/// What a journal leads to.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub state: State,
    /// The last co-signed position and its state, where the newest one was forced.
    pub signed: Option<(Position, State)>,
    /// Earlier positions on which something builds that this side has signed.
    pub beneath: Vec<(Position, State)>,
}

/// Earlier positions that are kept with their states.
pub(crate) fn beneath(store: &impl Store, id: ChannelId) -> Result<Vec<(Position, State)>, ChannelJournalError> {
    let unreadable = |cause| ChannelJournalError::Unreadable { channel: id, cause };
    let entries = store.scan_prefix(CHANNELS, &beneath_prefix(id)).into_iter();
    let read = entries.map(|(_, bytes)| Whole::from_bytes(&bytes).map(|whole| (whole.position, whole.state)));
    read.collect::<Result<_, _>>().map_err(unreadable)
}

pub(crate) fn keep_beneath(batch: &mut Batch, id: ChannelId, position: &Position, state: &State) {
    let whole = Whole { position: *position, state: state.clone() };
    batch.put(CHANNELS, beneath_key(id, position), whole.to_bytes());
}

pub(crate) fn forget_beneath(batch: &mut Batch, id: ChannelId, position: &Position) {
    batch.delete(CHANNELS, beneath_key(id, position));
}

fn beneath_prefix(id: ChannelId) -> Vec<u8> {
    [&[5][..], &id.0.0].concat()
}

fn beneath_key(id: ChannelId, position: &Position) -> Vec<u8> {
    [&beneath_prefix(id)[..], &position_digest(position).0].concat()
}

/// The contracts' state, and the position that it is of.
struct Whole {
    position: Position,
    state: State,
}

/// A change as it is kept.
struct Logged {
    change: Change,
    environment: Environment,
}

fn record_key(id: ChannelId) -> Vec<u8> {
    [&[0][..], &id.0.0].concat()
}

fn whole_key(id: ChannelId) -> Vec<u8> {
    [&[1][..], &id.0.0].concat()
}

/// What the keys of all handles begin with.
const HANDLES: [u8; 1] = [3];

fn handle_key(id: ChannelId) -> Vec<u8> {
    [&HANDLES[..], &id.0.0].concat()
}

/// Channels that are not closed, and how each is named between its sides.
pub(crate) fn handles(store: &impl Store) -> Result<Vec<(ChannelId, ChannelHandle)>, ChannelJournalError> {
    let entries = store.scan_prefix(CHANNELS, &HANDLES).into_iter();
    let read = entries.filter_map(|(key, bytes)| {
        let id = ChannelId(Hash(*key.get(HANDLES.len()..)?.first_chunk()?));
        let unreadable = |cause| ChannelJournalError::Unreadable { channel: id, cause };
        Some(ChannelHandle::from_bytes(&bytes).map(|handle| (id, handle)).map_err(unreadable))
    });
    read.collect()
}

pub(crate) fn put_handle(batch: &mut Batch, id: ChannelId, handle: ChannelHandle) {
    batch.put(CHANNELS, handle_key(id), handle.to_bytes());
}

pub(crate) fn remove_handle(batch: &mut Batch, id: ChannelId) {
    batch.delete(CHANNELS, handle_key(id));
}

fn log_prefix(id: ChannelId) -> Vec<u8> {
    [&[2][..], &id.0.0].concat()
}

fn log_key(id: ChannelId, round: u64) -> Vec<u8> {
    [&log_prefix(id)[..], &round.to_be_bytes()].concat()
}

fn round_of(key: &[u8]) -> Option<u64> {
    key.last_chunk().map(|bytes| u64::from_be_bytes(*bytes))
}

/// What the keys of all contracts that have left begin with.
pub(crate) fn left_prefix() -> Vec<u8> {
    vec![4]
}

pub(crate) fn left_key(id: ChannelId, contract: Address) -> Vec<u8> {
    [&left_prefix()[..], &id.0.0, &contract.0].concat()
}

pub(crate) fn put_version(out: &mut Writer) {
    out.byte(VERSION);
}

pub(crate) fn version(input: &mut Reader<'_>) -> Result<(), DecodeError> {
    match input.byte()? {
        VERSION => Ok(()),
        other => Err(DecodeError::UnknownVariant { kind: "channel journal version", value: other.into() }),
    }
}

impl Encode for Life {
    fn encode(&self, out: &mut Writer) {
        out.byte(match self {
            Life::Initialized => 0,
            Life::Accepted => 1,
            Life::HalfSigned => 2,
            Life::Signed => 3,
            Life::Open => 4,
            Life::Closing => 5,
            Life::Closed => 6,
        });
    }
}

impl Decode for Life {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            0 => Ok(Life::Initialized),
            1 => Ok(Life::Accepted),
            2 => Ok(Life::HalfSigned),
            3 => Ok(Life::Signed),
            4 => Ok(Life::Open),
            5 => Ok(Life::Closing),
            6 => Ok(Life::Closed),
            other => Err(DecodeError::UnknownVariant { kind: "life of a channel", value: other.into() }),
        }
    }
}

fn put_pair(pair: &[IdentitySignature; 2], out: &mut Writer) {
    pair.iter().for_each(|signature| out.value(signature));
}

impl Encode for Agreement {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.position);
        put_pair(&self.signatures, out);
    }
}

impl Decode for Agreement {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { position: input.value()?, signatures: [input.value()?, input.value()?] })
    }
}

impl Encode for Health {
    fn encode(&self, out: &mut Writer) {
        match self {
            Health::Sound => out.byte(0),
            Health::Recovering => out.byte(1),
            Health::Frozen(conflict) => {
                out.byte(2);
                out.value(&conflict.ours);
                out.value(&conflict.theirs);
            }
        }
    }
}

impl Decode for Health {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            0 => Ok(Health::Sound),
            1 => Ok(Health::Recovering),
            2 => Ok(Health::Frozen(Box::new(Conflict { ours: input.value()?, theirs: input.value()? }))),
            other => Err(DecodeError::UnknownVariant { kind: "health of a channel", value: other.into() }),
        }
    }
}

impl Encode for Record {
    fn encode(&self, out: &mut Writer) {
        out.byte(VERSION);
        out.value(&self.ground.network);
        out.value(&self.ground.terms);
        out.value(&self.own_secret);
        out.option(self.peer_secret.as_ref());
        out.value(&self.side);
        out.value(&self.id.0);
        out.value(&self.expires);
        self.authorisations.iter().for_each(|authorisation| out.option(authorisation.as_ref()));
        out.value(&self.life);
        out.value(&self.health);
        out.value(&self.base);
        out.value(&self.held.total);
        out.value(&self.held.assets);
        out.varint(self.held.fundings);
        out.flag(self.signatures.is_some());
        self.signatures.iter().for_each(|signatures| put_pair(signatures, out));
        out.varint(self.agreed);
        out.varint(self.signed);
        out.varint(self.seen);
        out.list(&self.released);
        out.option(self.fund.as_ref());
        out.option(self.consent.as_ref());
        out.option(self.given.as_ref());
        out.option(self.taken.as_ref());
        out.value(&self.reminded);
        out.flag(self.closes_alone);
        out.option(self.backing.as_ref());
        out.flag(self.wants_to_part);
    }
}

impl Decode for Record {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        version(input)?;
        Ok(Self {
            ground: Ground { network: input.value()?, terms: input.value()? },
            own_secret: input.value()?,
            peer_secret: input.option()?,
            side: input.value()?,
            id: ChannelId(input.value()?),
            expires: input.value()?,
            authorisations: [input.option()?, input.option()?],
            life: input.value()?,
            health: input.value()?,
            base: input.value()?,
            held: Held { total: input.value()?, assets: input.value()?, fundings: input.u64()? },
            signatures: if input.flag()? { Some([input.value()?, input.value()?]) } else { None },
            agreed: input.u64()?,
            signed: input.u64()?,
            seen: input.u64()?,
            released: input.list(RELEASED_MAX)?,
            fund: input.option()?,
            consent: input.option()?,
            given: input.option()?,
            taken: input.option()?,
            reminded: input.value()?,
            closes_alone: input.flag()?,
            backing: input.option()?,
            wants_to_part: input.flag()?,
        })
    }
}

impl Encode for Whole {
    fn encode(&self, out: &mut Writer) {
        out.byte(VERSION);
        out.value(&self.position);
        out.value(&self.state);
    }
}

impl Decode for Whole {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        version(input)?;
        Ok(Self { position: input.value()?, state: input.value()? })
    }
}

impl Encode for Logged {
    fn encode(&self, out: &mut Writer) {
        out.byte(VERSION);
        out.value(&self.change);
        out.value(&self.environment);
    }
}

impl Decode for Logged {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        version(input)?;
        Ok(Self { change: input.value()?, environment: input.value()? })
    }
}
