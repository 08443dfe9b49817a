//! What is kept of a conversation for its room's sake: what is still to be changed in it, and how old its keys are.

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{IdentityId, Span, Time};

use crate::mls::EpochTag;

/// Changes of one room that wait, at most.
pub(super) const WISHES_MAX: usize = 1024;
/// Requests to say something anew that wait, at most.
pub(super) const OWED_MAX: usize = 256;
/// Of those, by one of the others.
pub(super) const OWED_EACH_MAX: usize = 16;

/// A device renews its keys after it has said so many contents under them…
pub const RENEW_MESSAGES: u64 = 100;
/// … or after this, whichever comes first;
pub const RENEW_SPAN: Span = Span::days(7);
/// both for each so many devices in the room: all have to follow each renewal.
pub const RENEW_DEVICES: u64 = 32;

/// A change that our person wants, which is made as soon as it can be, and made again where another's went before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Waits for a package of theirs.
    Add(IdentityId),
    Remove(IdentityId),
    Role {
        of: IdentityId,
        is_admin: bool,
    },
    /// The device of our own person at this node is to be in. Waits for a package of its.
    Device(IdentityId),
    /// The device at this node is one of our own person no more, and is to be out.
    Unlink(IdentityId),
}

#[derive(Debug, Clone, Default)]
pub(super) struct Affairs {
    pub wishes: Vec<Wish>,
    /// Our person has left; others have to remove this device.
    pub is_leaving: bool,
    /// When those who have asked to leave are removed by this device, if nobody else has done it.
    pub grant_at: Option<Time>,
    /// How many contents this device has said here.
    pub said: u64,
    /// How many of them before it last renewed its keys.
    pub said_before: u64,
    /// When it last did.
    pub renewed: Time,
    /// What the others were not told since somebody came: by which name our person goes.
    pub is_introduced: bool,
    /// Who let this device in, and the epoch with which it came.
    pub entered: Option<(IdentityId, EpochTag)>,
    /// Who let it in says that this came to nothing.
    pub is_out: bool,
    /// Those who can't read what was sealed in an epoch, which has to be followed by another first.
    pub owed: Vec<(IdentityId, EpochTag)>,
}

impl Affairs {
    pub fn wish(&mut self, wish: Wish) {
        if !self.wishes.contains(&wish) && self.wishes.len() < WISHES_MAX {
            self.wishes.push(wish);
        }
    }

    /// Whether the device's keys are due to be renewed, in a room of so many devices.
    pub fn is_renewal_due(&self, now: Time, devices: usize) -> bool {
        let share = (devices as u64).div_ceil(RENEW_DEVICES).max(1);
        let is_worn = self.said.saturating_sub(self.said_before) >= RENEW_MESSAGES.saturating_mul(share);
        is_worn || now.since(self.renewed) >= Span(RENEW_SPAN.0.saturating_mul(share))
    }

    /// The device has made a commit, and with it has new keys.
    pub fn renewed(&mut self, now: Time) {
        (self.renewed, self.said_before) = (now, self.said);
    }
}

impl Encode for Wish {
    fn encode(&self, out: &mut Writer) {
        let (number, of) = match self {
            Wish::Add(of) => (0, of),
            Wish::Remove(of) => (1, of),
            Wish::Role { of, is_admin: true } => (2, of),
            Wish::Role { of, is_admin: false } => (3, of),
            Wish::Device(node) => (4, node),
            Wish::Unlink(node) => (5, node),
        };
        out.byte(number);
        out.value(of);
    }
}

impl Decode for Wish {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (number, of) = (input.byte()?, input.value()?);
        Ok(match number {
            0 => Wish::Add(of),
            1 => Wish::Remove(of),
            2 => Wish::Role { of, is_admin: true },
            3 => Wish::Role { of, is_admin: false },
            4 => Wish::Device(of),
            5 => Wish::Unlink(of),
            other => return Err(DecodeError::UnknownVariant { kind: "wish", value: other.into() }),
        })
    }
}

impl Encode for Affairs {
    fn encode(&self, out: &mut Writer) {
        out.list(&self.wishes);
        out.flag(self.is_leaving);
        out.option(self.grant_at.as_ref());
        out.varint(self.said);
        out.varint(self.said_before);
        out.value(&self.renewed);
        out.flag(self.is_introduced);
        out.flag(self.entered.is_some());
        if let Some((peer, epoch)) = &self.entered {
            out.value(peer);
            out.value(epoch);
        }
        out.flag(self.is_out);
        out.varint(self.owed.len() as u64);
        for (peer, epoch) in &self.owed {
            out.value(peer);
            out.value(epoch);
        }
    }
}

impl Decode for Affairs {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut affairs = Self {
            wishes: input.list(WISHES_MAX)?,
            is_leaving: input.flag()?,
            grant_at: input.option()?,
            said: input.u64()?,
            said_before: input.u64()?,
            renewed: input.value()?,
            is_introduced: input.flag()?,
            entered: if input.flag()? { Some((input.value()?, input.value()?)) } else { None },
            is_out: input.flag()?,
            owed: Vec::new(),
        };
        let count = input.u64()?;
        if count > OWED_MAX as u64 {
            return Err(DecodeError::TooLong { length: count, limit: OWED_MAX as u64 });
        }
        for _ in 0..count {
            affairs.owed.push((input.value()?, input.value()?));
        }
        Ok(affairs)
    }
}
