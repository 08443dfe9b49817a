//! The call about who holds for an identity (row M6).

use byway_primitives::IdentityId;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};

use super::unknown;
use crate::holders::{DELEGATES_MAX, Delegate, are_delegates};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldersCall {
    /// These hold for the identity from now on, and no others; nobody where there are none. Authorised by the identity. The
    /// serial is higher than any that it has used here.
    Set { identity: IdentityId, serial: u64, delegates: Vec<Delegate> },
}

impl Encode for HoldersCall {
    fn encode(&self, out: &mut Writer) {
        match self {
            HoldersCall::Set { identity, serial, delegates } => {
                out.byte(0);
                out.value(identity);
                out.varint(*serial);
                out.list(delegates);
            }
        }
    }
}

impl Decode for HoldersCall {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            0 => {
                let (identity, serial) = (input.value()?, input.u64()?);
                let delegates: Vec<Delegate> = input.list(DELEGATES_MAX)?;
                if !are_delegates(identity, &delegates) {
                    return Err(DecodeError::Invalid("list of holders"));
                }
                Ok(HoldersCall::Set { identity, serial, delegates })
            }
            other => unknown("holders call", other),
        }
    }
}
