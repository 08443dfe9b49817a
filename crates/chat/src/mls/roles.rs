//! Who may do what in a conversation.
//!
//! It stands in an extension of the group's context, so that the protocol itself keeps all devices agreed on it, and everyone who is let
//! in learns it signed. Roles are of people, not of devices: all devices of an admin may do what admins may.

use std::collections::{BTreeMap, BTreeSet};

use byway_primitives::{Decode, DecodeError, Encode, IdentityId, NetworkId, Reader, Writer};
use openmls::extensions::{Extension, ExtensionType, Extensions, UnknownExtension};
use openmls::group::GroupContext;
use openmls::prelude::{CredentialType, RequiredCapabilitiesExtension};

use super::RoomId;
use super::grant::Grant;
use crate::device::{Device, DeviceCertificate};

/// The extension's type, of those that are for private use (RFC 9420 §17.3).
pub(crate) const EXTENSION: u16 = 0xf0b1;

/// Admins of one room.
pub const ADMINS_MAX: usize = 64;

/// How many grants lead from an admin to somebody who is known, at most.
const GRANTS_MAX: usize = 8;

const VERSION: u8 = 1;
/// With grants.
const VERSION_GRANTED: u8 = 2;

/// What somebody is in a conversation; the first may do most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    Founder,
    Admin,
    Member,
}

/// Who is what, and who may add others.
///
/// - Everyone adds and removes devices of their own, and leaves; a linked device removes none of them.
/// - Whoever is `adding` or above adds others; nobody does where there is none, as in a conversation of two.
/// - Admins remove members. The founder removes anyone.
/// - The founder changes roles; where no device of the founder is in the room any more, admins do.
///
/// A role stays with an identity that is removed until it is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles {
    pub founder: IdentityId,
    pub admins: BTreeSet<IdentityId>,
    pub adding: Option<Role>,
    /// What shows that admins were made such ones.
    grants: BTreeMap<IdentityId, Grant>,
}

impl Roles {
    pub fn new(founder: IdentityId, adding: Option<Role>) -> Self {
        Self { founder, admins: BTreeSet::new(), adding, grants: BTreeMap::new() }
    }

    /// A group, to which admins add people.
    pub fn group(founder: IdentityId) -> Self {
        Self::new(founder, Some(Role::Admin))
    }

    /// The same with what shows that the admins are such ones, as far as `device` can say so: the founder of all, another of those that nobody
    /// who is one still has made one.
    pub(crate) fn granted(mut self, room: RoomId, device: &Device) -> Self {
        let (me, founder) = (device.certificate.identity, self.founder);
        let is_lacking = self.ungranted((room, device.certificate.network), me);
        self.grants.retain(|of, _| self.admins.contains(of) && !is_lacking.contains(of));
        if device.certificate.is_linked() {
            return self;
        }
        for admin in is_lacking.into_iter().filter(|admin| *admin != me) {
            self.grants.insert(admin, Grant::sign(device, room, founder, admin));
        }
        self
    }

    /// The admins of whom nothing shows that they are, but `by` could.
    pub(crate) fn ungranted(&self, (room, network): (RoomId, NetworkId), by: IdentityId) -> BTreeSet<IdentityId> {
        let counts = |of: IdentityId| of == self.founder || (by != self.founder && self.admins.contains(&of));
        let is_good = |admin: IdentityId, grant: &Grant| {
            counts(grant.by.identity) && grant.holds(network, room, self.founder, admin)
        };
        let is_granted = |admin: &IdentityId| self.grants.get(admin).is_some_and(|grant| is_good(*admin, grant));
        self.admins.iter().copied().filter(|admin| !is_granted(admin)).collect()
    }

    /// Whether `who` is what these say of them, in a room of that number, for somebody who knew it when its roles were `known`.
    pub(crate) fn shows(&self, (room, network): (RoomId, NetworkId), who: IdentityId, known: &Roles) -> bool {
        let mut at = who;
        for _ in 0..=GRANTS_MAX {
            if known.role(at) != Role::Member {
                return known.founder == self.founder;
            }
            match self.grants.get(&at) {
                Some(grant) if grant.holds(network, room, self.founder, at) => at = grant.by.identity,
                _ => return false,
            }
        }
        false
    }

    /// The same of all admins.
    pub(crate) fn shows_all(&self, room: (RoomId, NetworkId), known: &Roles) -> bool {
        known.founder == self.founder && self.admins.iter().all(|admin| self.shows(room, *admin, known))
    }

    /// What `identity` is, if it is in the room.
    pub fn role(&self, identity: IdentityId) -> Role {
        match identity {
            founder if founder == self.founder => Role::Founder,
            admin if self.admins.contains(&admin) => Role::Admin,
            _ => Role::Member,
        }
    }

    /// The others who may remove `identity`.
    pub fn who_may_remove(&self, identity: IdentityId) -> Vec<IdentityId> {
        let all = std::iter::once(self.founder).chain(self.admins.iter().copied());
        all.filter(|by| *by != identity && self.may_remove(*by, identity)).collect()
    }

    pub(crate) fn may_add(&self, by: IdentityId, added: IdentityId) -> bool {
        by == added || self.adding.is_some_and(|lowest| self.role(by) <= lowest)
    }

    pub(crate) fn may_remove(&self, by: IdentityId, removed: IdentityId) -> bool {
        match self.role(by) {
            Role::Founder => true,
            Role::Admin => by == removed || self.role(removed) == Role::Member,
            Role::Member => by == removed,
        }
    }

    pub(crate) fn may_change_roles(&self, by: IdentityId, has_founder: bool) -> bool {
        match self.role(by) {
            Role::Founder => true,
            Role::Admin => !has_founder,
            Role::Member => false,
        }
    }

    /// The extensions of a group's context that say this, and nothing else.
    pub(crate) fn extensions(&self) -> Extensions<GroupContext> {
        let kinds = [ExtensionType::Unknown(EXTENSION)];
        let required = RequiredCapabilitiesExtension::new(&kinds, &[], &[CredentialType::Basic]);
        let roles = Extension::Unknown(EXTENSION, UnknownExtension(self.to_bytes()));
        let extensions = Extensions::from_vec(vec![Extension::RequiredCapabilities(required), roles]);
        extensions.expect("both kinds are of a group's context")
    }

    /// What a group's context says, if it says this and nothing else.
    pub(crate) fn read(extensions: &Extensions<GroupContext>) -> Result<Self, DecodeError> {
        let unknown = |extension: &Extension| match extension {
            Extension::Unknown(EXTENSION, UnknownExtension(bytes)) => Some(Self::from_bytes(bytes)),
            _ => None,
        };
        let roles = extensions.iter().find_map(unknown).ok_or(DecodeError::Invalid("room without roles"))??;
        if roles.extensions() == *extensions { Ok(roles) } else { Err(DecodeError::Invalid("extensions of a room")) }
    }
}

impl Encode for Role {
    fn encode(&self, out: &mut Writer) {
        out.byte(match self {
            Role::Founder => 0,
            Role::Admin => 1,
            Role::Member => 2,
        });
    }
}

impl Decode for Role {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            0 => Ok(Role::Founder),
            1 => Ok(Role::Admin),
            2 => Ok(Role::Member),
            other => Err(DecodeError::UnknownVariant { kind: "role", value: other.into() }),
        }
    }
}

impl Encode for Roles {
    fn encode(&self, out: &mut Writer) {
        out.byte(if self.grants.is_empty() { VERSION } else { VERSION_GRANTED });
        out.value(&self.founder);
        out.list(&self.admins.iter().copied().collect::<Vec<_>>());
        out.option(self.adding.as_ref());
        if self.grants.is_empty() {
            return;
        }
        // Most of them are of one device.
        let mut by: Vec<DeviceCertificate> = Vec::new();
        for grant in self.grants.values() {
            if !by.contains(&grant.by) {
                by.push(grant.by.clone());
            }
        }
        out.list(&by);
        for admin in &self.admins {
            let grant = self.grants.get(admin);
            let place = grant.and_then(|grant| by.iter().position(|by| *by == grant.by));
            out.varint(place.map_or(0, |place| place as u64 + 1));
            grant.iter().for_each(|grant| out.value(&grant.signature));
        }
    }
}

impl Decode for Roles {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let is_granted = match input.byte()? {
            VERSION => false,
            VERSION_GRANTED => true,
            other => return Err(DecodeError::UnknownVariant { kind: "roles version", value: other.into() }),
        };
        let founder = input.value()?;
        let admins: Vec<IdentityId> = input.list(ADMINS_MAX)?;
        if !admins.windows(2).all(|pair| pair[0] < pair[1]) || admins.contains(&founder) {
            return Err(DecodeError::Invalid("admins: each once, in order, and not the founder"));
        }
        let mut roles = Self::new(founder, input.option()?);
        if is_granted {
            let by: Vec<DeviceCertificate> = input.list(ADMINS_MAX)?;
            for admin in &admins {
                let place = input.u64()?;
                if let Some(place) = place.checked_sub(1) {
                    let by = usize::try_from(place).ok().and_then(|place| by.get(place));
                    let by = by.ok_or(DecodeError::Invalid("who has granted a role"))?.clone();
                    roles.grants.insert(*admin, Grant { by, signature: input.value()? });
                }
            }
        }
        roles.admins = admins.into_iter().collect();
        Ok(roles)
    }
}
