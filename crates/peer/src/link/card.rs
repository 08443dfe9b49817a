//! How an identity is reached that sells nothing, and so has no offer that says it.
//!
//! Whoever has the card can dial; the certificate in it is signed by the identity, so nobody else answers in its name. Where
//! it leads is signed by nobody: who changes that makes the card lead nowhere.

use std::fmt;
use std::str::FromStr;

use byway_dialogue::StaticCertificate;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::hash::Context;
use byway_records::offer::{CONTACTS_MAX, Contact};

use super::{LINK_MAX, LinkError, text};

pub(super) const KIND: &str = "peer/";
const CHECK: Context = Context("byway 1 peer card");
const VERSION: u8 = 1;

/// An identity, and the ways to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCard {
    /// Who it is, in which network, and the key under which it answers.
    pub certificate: StaticCertificate,
    pub contacts: Vec<Contact>,
}

impl Encode for PeerCard {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.certificate);
        out.list(&self.contacts);
    }
}

impl Decode for PeerCard {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { certificate: input.value()?, contacts: input.list(CONTACTS_MAX)? })
    }
}

impl fmt::Display for PeerCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Writer::new();
        out.byte(VERSION);
        out.value(self);
        write!(f, "{}{KIND}{}", text::SCHEME, *text::write(CHECK, &out.into_bytes()))
    }
}

impl FromStr for PeerCard {
    type Err = LinkError;

    fn from_str(card: &str) -> Result<Self, LinkError> {
        if card.len() > LINK_MAX {
            return Err(LinkError::TooLong);
        }
        let part = text::after(card, KIND).ok_or(LinkError::Scheme)?;
        let bytes = text::read(CHECK, part)?;
        let mut input = Reader::new(&bytes);
        match input.byte()? {
            VERSION => {}
            other => return Err(LinkError::Version(other)),
        }
        let card = input.value()?;
        input.finish()?;
        Ok(card)
    }
}
