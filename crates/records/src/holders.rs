//! Who holds for whom (row M6): the nodes that keep what is sent to an identity while its own node is away.
//!
//! An identity names up to [`DELEGATES_MAX`] *delegates*, each until a time, in one entry of program `holders`, which every
//! node follows: whoever sends to the identity looks here, and nobody is asked. Each call replaces the whole list; an empty one
//! removes it. There is nothing secret in it, and being named binds no delegate to anything: what the two agreed on is theirs.
//!
//! A call carries a *serial* that must be higher than any before it: of two that are on their way at once, from two devices or
//! after one was lost, the older can't undo the newer.

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{IdentityId, Time};

use crate::state::Deadline;
use crate::tree::StateTree;

/// Delegates of one identity. A sender sends to all of them, and two of four may lose what they hold.
pub const DELEGATES_MAX: usize = 4;

/// Somebody who holds for an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delegate {
    pub holder: IdentityId,
    /// From then on it does not hold any more.
    pub until: Time,
}

/// Who holds for one identity: no holder twice. Program `holders`, under [`delegates_key`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delegates {
    list: Vec<Delegate>,
    /// When the entry is removed, whatever stands in it.
    pub expires: Deadline,
}

/// Not a list of delegates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an identity names 1 to {DELEGATES_MAX} holders, each once, and not itself")]
pub struct DelegatesError;

impl Delegates {
    /// Of a list that [`are_delegates`] and is not empty.
    pub fn new(list: Vec<Delegate>, expires: Deadline) -> Result<Self, DelegatesError> {
        if list.is_empty() || !are_distinct(&list) {
            return Err(DelegatesError);
        }
        Ok(Self { list, expires })
    }

    pub fn list(&self) -> &[Delegate] {
        &self.list
    }
}

/// Whether `identity` may name these: few enough, each once, and not itself. None at all is a list, too.
pub fn are_delegates(identity: IdentityId, list: &[Delegate]) -> bool {
    are_distinct(list) && list.iter().all(|delegate| delegate.holder != identity)
}

fn are_distinct(list: &[Delegate]) -> bool {
    let is_new = |(at, delegate): (usize, &Delegate)| list[..at].iter().all(|other| other.holder != delegate.holder);
    list.len() <= DELEGATES_MAX && list.iter().enumerate().all(is_new)
}

/// Who holds for `identity` at `now`, as a tree of program `holders` has it; nobody where none is named.
pub fn delegates_of(holders: &StateTree, identity: IdentityId, now: Time) -> Vec<Delegate> {
    let named = holders.read::<Delegates>(&delegates_key(identity)).map_or_else(Vec::new, |entry| entry.list);
    named.into_iter().filter(|delegate| now < delegate.until).collect()
}

/// Key of an identity's delegates.
pub fn delegates_key(identity: IdentityId) -> Vec<u8> {
    [&[0][..], &identity.0].concat()
}

/// Key of the highest serial that an identity has used here.
pub fn holders_serial_key(identity: IdentityId) -> Vec<u8> {
    [&[1][..], &identity.0].concat()
}

impl Encode for Delegate {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.holder);
        out.value(&self.until);
    }
}

impl Decode for Delegate {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { holder: input.value()?, until: input.value()? })
    }
}

impl Encode for Delegates {
    fn encode(&self, out: &mut Writer) {
        out.list(&self.list);
        out.value(&self.expires);
    }
}

impl Decode for Delegates {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (list, expires) = (input.list(DELEGATES_MAX)?, input.value()?);
        Self::new(list, expires).map_err(|DelegatesError| DecodeError::Invalid("list of holders"))
    }
}
