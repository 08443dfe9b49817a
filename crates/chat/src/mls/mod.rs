//! Conversations on MLS (RFC 9420), as one device has them.
//!
//! A conversation is a [`Room`]: one MLS group. Every device in it holds the same tree of keys; each change of who is in it, and each
//! update, is a *commit* that begins a new *epoch* with new keys. Whoever is removed can't read what comes after, and whoever stole a
//! device's state can't either, once that device has updated (healing). What was read can't be read again from a state that is
//! stolen later (forward secrecy), within the bounds below.
//!
//! **Nobody orders commits.** There is no server, so two devices may commit on one epoch at once. Every device keeps the last
//! [`BRANCH_EPOCHS`] epochs for up to [`BRANCH_SPAN`], and every commit that it was brought for them: a tree of epochs. Of several
//! commits on one epoch the one with the lowest [`Rank`] is followed, whatever was built on the others. What a device holds to be
//! the newest epoch is thus a function of the set of commits that it has seen, and not of their order. A device that had followed
//! another turns back, and is told which changes of its own were lost. What was sealed on a branch that lost can still be read by
//! whoever has the commits that lead there.
//!
//! A commit that comes later than that makes a *fork*: two lines of epochs that neither side goes back from. Frames name the epoch
//! that they are of by its [`EpochTag`], so a fork is noticed with the first frame across it; [`Line`]s are compared, one side stays and
//! the other enters it anew ([`Room::enter_by_external_commit`], or being added again).
//!
//! **Who may do what** ([`Roles`]) stands in the group's context, which all devices agree on by the protocol itself. A commit by
//! whoever may not is refused by all alike. So is one whose devices' certificates don't hold: they are checked at the time that the
//! commit states, and a commit that is from the future here is too [early](Early), not refused.
//!
//! All of this is pure: time and a fresh secret seed are passed in with each operation, and what is to be written comes out as a batch.
//! The library, `openmls`, reads a clock only to check lifetimes of leaves, which are all of time here, and to stamp secrets of past
//! epochs, which it does not keep here.
//!
//! - [`room`]: the operations. [`branch`]: the tree of epochs. [`roles`], [`policy`]: what may be done. [`wire`]: what is sent.
//! - [`provider`]: what `openmls` works with; [`beside`]: what a node does on another core meanwhile; `epoch`: one epoch's state, in memory and on disk.
//!
//! Not here: who is brought what, when, and over what; what is in a message.

pub mod beside;
pub mod branch;
pub mod change;
mod epoch;
pub mod member;
pub mod policy;
pub mod provider;
pub mod roles;
pub mod room;
mod tree;
pub mod wire;

use std::fmt;

use byway_primitives::hash::Context;
use byway_primitives::{Decode, DecodeError, Encode, Hash, Reader, Space, Span, Writer};
use openmls_traits::types::Ciphersuite;

pub use beside::{Beside, in_turn};
pub use branch::{Comparison, Line, Rank};
pub use change::{Change, Changed, Content, Early, Made, Place, Received, Sealed, Summary, TurnedBack};
pub use member::{LeafError, Member};
pub use policy::Forbidden;
pub use roles::{Role, Roles};
pub use room::{BrokenRoom, ChangeError, EnterError, Entered, KeptPackage, Refused, Room, SealError};

/// Conversations use one suite: elliptic curves of the kind that the rest of Byway uses, and a cipher that is quick on phones without
/// instructions for AES. Docs: decision 0050.
pub(crate) const SUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519;

/// Where rooms are kept.
pub const ROOMS: Space = Space("rooms");

/// How many epochs back from the newest a commit may still change which one is followed, and content can be read.
pub const BRANCH_EPOCHS: usize = 8;

/// How long after an epoch was left a commit on it may still change which one is followed. Afterwards what decrypts commits on it is
/// deleted, for forward secrecy; content of that epoch can still be read.
pub const BRANCH_SPAN: Span = Span::minutes(60);

/// How long after an epoch was left content of it can be read: what a holder keeps comes late.
pub const PAST_SPAN: Span = Span::days(14);

/// Commits on one epoch of which the epochs that they begin are kept; those with the highest rank go first.
pub const BRANCHES_MAX: usize = 8;

/// Epochs that are kept, of all branches: each holds a tree of up to a megabyte.
pub const EPOCHS_MAX: usize = 32;

/// How many steps of the followed line are remembered beyond the epochs that are kept, to find where others went another way.
pub const LINE_STEPS: usize = 64;

/// Keys of messages of one sender and epoch that are kept because later ones came first.
pub const OUT_OF_ORDER_MAX: u32 = 256;

/// Messages of one sender and epoch that may be missing before one that is read. Each costs a derivation.
pub const FORWARD_MAX: u32 = 4096;

/// Devices in a room: 1,000 people, of whom each may have a second one.
pub const DEVICES_MAX: usize = 2048;

/// Linked devices of one person in a room: whatever is said goes to each of their nodes.
pub const LINKED_MAX: usize = 8;

/// Devices that one commit adds.
pub const ADDS_MAX: usize = 256;

/// Those who asked to leave and whom one commit removes.
pub const LEAVES_MAX: usize = 64;

/// How far a commit's time may be ahead of one's own before it has to wait.
pub const AHEAD_MAX: Span = Span::minutes(60);

const EPOCH: Context = Context("byway 1 hash: epoch of a conversation");
const TREE: Context = Context("byway 1 hash: tree of keys of a conversation");
const REMOVED: Context = Context("byway 1 hash: epoch of a conversation without this device");

/// Names a conversation. Chosen at random by whoever founds it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomId(pub [u8; 32]);

/// Names an epoch of a conversation, and the line of commits that led to it: the digest of what confirms its last commit. Says nothing of
/// its keys.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EpochTag(pub Hash);

impl EpochTag {
    pub(crate) fn of(room: RoomId, confirmation: &[u8]) -> Self {
        Self(EPOCH.hash(&[&room.0, confirmation]))
    }

    /// The name that an epoch has for a device that the commit which begins it removes: what confirms the commit it can't check.
    pub(crate) fn of_removal(parent: EpochTag, tree: Hash) -> Self {
        Self(REMOVED.hash(&[&parent.0.0, &tree.0]))
    }
}

impl fmt::Debug for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RoomId({:?})", Hash(self.0))
    }
}

impl fmt::Debug for EpochTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EpochTag({:?})", self.0)
    }
}

impl Encode for RoomId {
    fn encode(&self, out: &mut Writer) {
        out.raw(&self.0);
    }
}

impl Decode for RoomId {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.array().map(Self)
    }
}

impl Encode for EpochTag {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.0);
    }
}

impl Decode for EpochTag {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.value().map(Self)
    }
}
