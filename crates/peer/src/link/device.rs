//! What a node shows that is to become a device of somebody: it is typed in at their first device (docs/decisions/0057).

use std::str::FromStr;

use byway_chat::delivery::own_letter::LinkToken;
use byway_primitives::Time;
use byway_primitives::codec::{Reader, Writer};
use byway_primitives::hash::Context;
use zeroize::Zeroizing;

use super::{LINK_MAX, LinkError, PeerCard, text};

const KIND: &str = "device/";
const CHECK: Context = Context("byway 1 device link");
const VERSION: u8 = 1;

/// Where the node is reached, and what it takes for a word of its own person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceOffer {
    pub card: PeerCard,
    pub token: LinkToken,
    /// When the token counts no more, by the node's clock.
    pub until: Time,
}

impl DeviceOffer {
    /// As it is shown. Not `Display`, so that no log shows it by accident: the node is a device of whoever has it.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut out = Writer::new();
        out.byte(VERSION);
        out.value(&self.card);
        out.value(&self.token);
        out.value(&self.until);
        let bytes = Zeroizing::new(out.into_bytes());
        Zeroizing::new(format!("{}{KIND}{}", text::SCHEME, *text::write(CHECK, &bytes)))
    }
}

impl FromStr for DeviceOffer {
    type Err = LinkError;

    fn from_str(offer: &str) -> Result<Self, LinkError> {
        if offer.len() > LINK_MAX {
            return Err(LinkError::TooLong);
        }
        let part = text::after(offer, KIND).ok_or(LinkError::Scheme)?;
        let bytes = text::read(CHECK, part)?;
        let mut input = Reader::new(&bytes);
        match input.byte()? {
            VERSION => {}
            other => return Err(LinkError::Version(other)),
        }
        let offer = Self { card: input.value()?, token: input.value()?, until: input.value()? };
        input.finish()?;
        Ok(offer)
    }
}
