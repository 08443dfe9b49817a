//! A link by which somebody becomes a contact of whoever gave it.

use std::str::FromStr;

use byway_chat::delivery::InviteToken;
use byway_primitives::codec::{Reader, Writer};
use byway_primitives::hash::Context;
use zeroize::Zeroizing;

use super::{LINK_MAX, LinkError, PeerCard, text};

const KIND: &str = "chat/";
const CHECK: Context = Context("byway 1 chat link");
const VERSION: u8 = 1;

/// Where somebody is reached, and what they know an invited person by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatLink {
    pub card: PeerCard,
    pub token: InviteToken,
}

impl ChatLink {
    /// The link. Not `Display`, so that no log shows it by accident: whoever has it may be a contact.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut out = Writer::new();
        out.byte(VERSION);
        out.value(&self.card);
        out.value(&self.token);
        let bytes = Zeroizing::new(out.into_bytes());
        Zeroizing::new(format!("{}{KIND}{}", text::SCHEME, *text::write(CHECK, &bytes)))
    }

    /// Whether a text is meant to be such a link.
    pub fn is_meant(link: &str) -> bool {
        text::after(link, KIND).is_some()
    }
}

impl FromStr for ChatLink {
    type Err = LinkError;

    fn from_str(link: &str) -> Result<Self, LinkError> {
        if link.len() > LINK_MAX {
            return Err(LinkError::TooLong);
        }
        let part = text::after(link, KIND).ok_or(LinkError::Scheme)?;
        let bytes = text::read(CHECK, part)?;
        let mut input = Reader::new(&bytes);
        match input.byte()? {
            VERSION => {}
            other => return Err(LinkError::Version(other)),
        }
        let link = Self { card: input.value()?, token: input.value()? };
        input.finish()?;
        Ok(link)
    }
}
