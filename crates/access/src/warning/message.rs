//! What providers say to each other about an issuer. Canonical codec, first byte the kind.

use byway_primitives::IdentityId;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_records::SignedPromise;

/// Promises in one answer: the newest of a few series and serials.
pub const PROMISES_MAX: usize = 8;

/// One message of the warning protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a message is judged as it comes, and never kept")]
pub enum WarningMessage {
    /// This was promised to me: what do you hold of the same issuer?
    Ask { shown: SignedPromise },
    /// These, unsettled and not countersigned.
    Told { issuer: IdentityId, promises: Vec<SignedPromise> },
}

impl Encode for WarningMessage {
    fn encode(&self, out: &mut Writer) {
        match self {
            WarningMessage::Ask { shown } => {
                out.byte(0);
                out.value(shown);
            }
            WarningMessage::Told { issuer, promises } => {
                out.byte(1);
                out.value(issuer);
                out.varint(promises.len() as u64);
                promises.iter().for_each(|promise| out.value(promise));
            }
        }
    }
}

impl Decode for WarningMessage {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            0 => Ok(WarningMessage::Ask { shown: input.value()? }),
            1 => {
                let issuer = input.value()?;
                let length = input.u64()?;
                if length > PROMISES_MAX as u64 {
                    return Err(DecodeError::TooLong { length, limit: PROMISES_MAX as u64 });
                }
                let promises = (0..length).map(|_| input.value()).collect::<Result<_, _>>()?;
                Ok(WarningMessage::Told { issuer, promises })
            }
            other => Err(DecodeError::UnknownVariant { kind: "warning message", value: other.into() }),
        }
    }
}
