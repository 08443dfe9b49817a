//! What a kernel node hands its owner, to take a seat with or to change what stands in one (row K4).

use std::fmt;
use std::str::FromStr;

use byway_crypto::NodeSecret;
use byway_primitives::NetworkId;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};

use crate::call::kernel::MemberEntry;
use crate::genesis::Member;

/// What its text begins with, so that people see what they hold.
const PREFIX: &str = "waynode";

/// A [`MemberEntry`] on its way from the machine that has the hot key to the one that has the owner's, with the network
/// that it is for. One that is read from text holds: its hot key has signed it, for that network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedEntry {
    pub network: NetworkId,
    pub entry: MemberEntry,
}

/// Why a text is no entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    #[error("one begins with {PREFIX} and has hex digits after it")]
    Shape,
    #[error("it is damaged or cut short ({0})")]
    Content(#[from] DecodeError),
    #[error("the node's own signature in it is wrong")]
    Possession,
}

impl SignedEntry {
    /// Signs a member with its own hot key.
    pub fn sign(member: Member, secret: &NodeSecret, network: NetworkId) -> Self {
        Self { network, entry: MemberEntry::sign(member, secret, network) }
    }

    pub fn member(&self) -> &Member {
        &self.entry.member
    }
}

impl fmt::Display for SignedEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", hex::encode(self.to_bytes()))
    }
}

impl FromStr for SignedEntry {
    type Err = EntryError;

    fn from_str(text: &str) -> Result<Self, EntryError> {
        let digits = text.trim().strip_prefix(PREFIX).ok_or(EntryError::Shape)?;
        let signed = Self::from_bytes(&hex::decode(digits).map_err(|_| EntryError::Shape)?)?;
        if signed.entry.verifies(signed.network) { Ok(signed) } else { Err(EntryError::Possession) }
    }
}

impl Encode for SignedEntry {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.network);
        out.value(&self.entry);
    }
}

impl Decode for SignedEntry {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { network: input.value()?, entry: input.value()? })
    }
}

#[cfg(test)]
mod tests {
    use byway_crypto::noise::StaticKey;
    use byway_primitives::{Hash, IdentityId};

    use super::*;

    fn signed() -> SignedEntry {
        let secret = NodeSecret::from_seed(&[3; 32]);
        let member = Member {
            name: "k3".to_owned(),
            owner: IdentityId([3; 20]),
            key: secret.public(),
            mesh: StaticKey::of(&[3; 32]),
            dealing: secret.dealing().public(),
            address: "k3.example:7100".to_owned(),
        };
        SignedEntry::sign(member, &secret, NetworkId(Hash([7; 32])))
    }

    #[test]
    fn an_entry_survives_text_and_no_other_text_is_one() {
        let signed = signed();
        let text = signed.to_string();
        assert_eq!(format!(" {text}\n").parse(), Ok(signed));
        let digits = PREFIX.len();
        for place in digits..text.len() {
            let mut spoiled = text.clone();
            let other = if text.as_bytes()[place] == b'0' { "1" } else { "0" };
            spoiled.replace_range(place..=place, other);
            assert!(spoiled.parse::<SignedEntry>().is_err(), "digit {place}");
        }
        for (wrong, expected) in [
            ("", EntryError::Shape),
            ("waynode", EntryError::Content(DecodeError::Truncated)),
            ("waynodexy", EntryError::Shape),
            (&text[digits..], EntryError::Shape),
            (&text[..text.len() - 2], EntryError::Content(DecodeError::Truncated)),
        ] {
            assert_eq!(wrong.parse::<SignedEntry>(), Err(expected), "{wrong}");
        }
    }
}
