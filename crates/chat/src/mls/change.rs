//! What is done to a conversation, and what a device is told of it.

use byway_primitives::{Decode, DecodeError, Encode, Reader, Time, Writer};

use super::{ADDS_MAX, DEVICES_MAX, EpochTag, Member, Roles};
use crate::device::{DeviceCertificate, DeviceKey};

/// What one commit is to do. The default renews the device's own keys, which every commit does.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// Packages of keys of devices to be added, as [`Room::key_package`](super::Room::key_package) made them.
    pub add: Vec<Vec<u8>>,
    pub remove: Vec<DeviceKey>,
    pub roles: Option<Roles>,
    /// A new certificate for the device itself.
    pub certificate: Option<DeviceCertificate>,
}

/// A commit that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// For all that were in the room: a frame.
    pub commit: Vec<u8>,
    /// For those that were added.
    pub welcome: Option<Welcome>,
    /// The epoch that it begins.
    pub epoch: EpochTag,
    pub summary: Summary,
}

/// For all that one commit adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    /// An [`Invitation`](super::wire::Invitation).
    pub invitation: Vec<u8>,
    /// The tree of keys, which is large and the same for all.
    pub tree: Vec<u8>,
}

/// Content as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// A frame.
    pub bytes: Vec<u8>,
    /// The epoch that it is of. Where the room [turns back](TurnedBack) from that, it is to be sealed again.
    pub epoch: EpochTag,
}

/// What a commit did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    pub by: Member,
    pub added: Vec<Member>,
    pub removed: Vec<Member>,
    /// Those who asked to be removed.
    pub left: Vec<Member>,
    /// Who is what from here on, if that has changed.
    pub roles: Option<Roles>,
    /// Whoever did it is in the room anew, in place of itself.
    pub is_entry: bool,
}

/// What a frame was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    Content(Content),
    /// The room has moved on.
    Changed(Changed),
    /// A commit that holds, but another on the same epoch goes before. Content that builds on it can be read.
    Outranked(Summary),
    /// A device asks to be removed; others have to.
    Leaving(Member),
    /// To be kept, and tried again later.
    Early(Early),
    /// Seen before, one's own, or of no use any more.
    Known,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    pub from: Member,
    pub content: Vec<u8>,
    pub epoch: EpochTag,
    pub place: Place,
}

/// Where the epoch is that something is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The newest that is followed.
    Head,
    /// On the line that led there.
    Past,
    /// On a branch that is not followed.
    Aside,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    pub summary: Summary,
    /// The newest epoch from now on.
    pub epoch: EpochTag,
    /// Where other epochs were followed before.
    pub turned_back: Option<TurnedBack>,
}

/// A line that was followed is not any more.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TurnedBack {
    /// The epochs that it went through. Content that was sealed in them reaches only those who have the commits that led there.
    pub epochs: Vec<EpochTag>,
    /// What this device itself did on it: to be done again, if it still makes sense.
    pub lost: Vec<Summary>,
}

/// What a frame has to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Early {
    /// Commits that lead to an epoch after the newest here.
    Ahead { epoch: u64 },
    /// Commits that lead to another epoch of a number that there is here. If they don't come there is a fork.
    Aside { epoch: u64, tag: EpochTag },
    /// This time: the commit is from later than here is now.
    Until(Time),
}

impl Summary {
    /// With the places that devices have once it is done.
    pub(crate) fn placed(mut self, members: &[Member]) -> Self {
        let place = |member: &mut Member| {
            if let Some(placed) = members.iter().find(|placed| placed.device == member.device) {
                *member = *placed;
            }
        };
        self.added.iter_mut().for_each(place);
        if self.is_entry {
            place(&mut self.by);
        }
        self
    }
}

impl Encode for Summary {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.by);
        out.list(&self.added);
        out.list(&self.removed);
        out.list(&self.left);
        out.option(self.roles.as_ref());
        out.flag(self.is_entry);
    }
}

impl Decode for Summary {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            by: input.value()?,
            added: input.list(ADDS_MAX)?,
            removed: input.list(DEVICES_MAX)?,
            left: input.list(DEVICES_MAX)?,
            roles: input.option()?,
            is_entry: input.flag()?,
        })
    }
}
