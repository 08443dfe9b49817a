//! Calls about names: commit, reveal, keep, give away, give up.

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Hash, IdentityId};

use super::unknown;
use crate::names::{Name, Years};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamesCall {
    /// Says that the identity will want a name, and not which ([`commitment`](crate::names::commitment)). Authorised by the identity.
    Commit { identity: IdentityId, commitment: Hash },
    /// Reveals a commitment, and takes the name. Authorised by the owner that is to be.
    Register { owner: IdentityId, name: Name, years: Years, salt: [u8; 32] },
    /// Adds years to a name; by anyone, and once it has expired by its owner alone.
    Renew { name: Name, years: Years },
    /// Gives a name to another. Authorised by its owner.
    Transfer { name: Name, to: IdentityId },
    /// Gives a name up. Authorised by its owner.
    Release { name: Name },
    /// The name that is shown beside an identity from now on, one of its own, or none. Authorised by the identity.
    SetPrimary { identity: IdentityId, name: Option<Name> },
}

impl Encode for NamesCall {
    fn encode(&self, out: &mut Writer) {
        match self {
            NamesCall::Commit { identity, commitment } => {
                out.byte(0);
                out.value(identity);
                out.value(commitment);
            }
            NamesCall::Register { owner, name, years, salt } => {
                out.byte(1);
                out.value(owner);
                out.value(name);
                out.value(years);
                out.raw(salt);
            }
            NamesCall::Renew { name, years } => {
                out.byte(2);
                out.value(name);
                out.value(years);
            }
            NamesCall::Transfer { name, to } => {
                out.byte(3);
                out.value(name);
                out.value(to);
            }
            NamesCall::Release { name } => {
                out.byte(4);
                out.value(name);
            }
            NamesCall::SetPrimary { identity, name } => {
                out.byte(5);
                out.value(identity);
                out.option(name.as_ref());
            }
        }
    }
}

impl Decode for NamesCall {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            0 => Ok(NamesCall::Commit { identity: input.value()?, commitment: input.value()? }),
            1 => Ok(NamesCall::Register {
                owner: input.value()?,
                name: input.value()?,
                years: input.value()?,
                salt: input.array()?,
            }),
            2 => Ok(NamesCall::Renew { name: input.value()?, years: input.value()? }),
            3 => Ok(NamesCall::Transfer { name: input.value()?, to: input.value()? }),
            4 => Ok(NamesCall::Release { name: input.value()? }),
            5 => Ok(NamesCall::SetPrimary { identity: input.value()?, name: input.option()? }),
            other => unknown("names call", other),
        }
    }
}
