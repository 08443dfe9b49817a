//! Links that get somebody into a network: of the network itself, and of an invite with its first coins (rows I2, A2).
//!
//! ```text
//! byway:net/NETWORK             which network it is, and kernel nodes that know it
//! byway:invite/NETWORK/SECRET   likewise, and coins: whoever has the last part can take them
//! byway:peer/CARD               how somebody in the network is reached who sells nothing
//! byway:chat/CARD               likewise, and that whoever has this is to be a contact
//! byway:device/CARD             likewise, and that the node becomes a device of whoever has this
//! ```
//!
//! Each part is bytes in base32 with four bytes of a hash behind them, so that a link that was cut or mistyped leads nowhere
//! else. Letters are small or capital alike (codes to scan are smaller in capitals), and there is nothing in a link that
//! chats break lines at or take for the end of it. Nobody reads such a link; payment links, which a person looks at
//! before paying, are [another matter](crate::wallet::PaymentRequest).
//!
//! **A link is believed for the network's id and nothing else**: that is the hash of the genesis, so whatever kernel node
//! gives the genesis, another one than the sender's can't be passed off.

mod card;
mod chat;
mod device;
mod invite;
mod network;
mod text;

use std::fmt;
use std::str::FromStr;

use byway_primitives::DecodeError;

pub use card::PeerCard;
pub use chat::ChatLink;
pub use device::DeviceOffer;
pub use invite::{INVITE_OUTPUTS_MAX, Invite, InviteSeed};
pub use network::{KERNEL_PEERS_MAX, KernelPeer, NetworkLink, NoPeer, RELAY_TEXT_MAX};

/// Characters of a link.
pub const LINK_MAX: usize = 8192;

/// What a person was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    Network(NetworkLink),
    Invite(Box<Invite>),
}

/// Why a text is no such link. It repeats nothing of the text, which may be secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    #[error("it begins with none of byway:net/, byway:invite/ and byway:peer/, or with another than is wanted here")]
    Scheme,
    #[error("it is a link for a payment; `byway wallet pay` takes it, on a node that is in a network already")]
    Payment,
    #[error("it is longer than {LINK_MAX} characters")]
    TooLong,
    #[error("it was cut or mistyped: its check does not fit")]
    Check,
    #[error("it is of a kind that this version does not know ({0}); a newer `byway` may")]
    Version(u8),
    #[error("what is in it makes no sense: {0}")]
    Content(#[from] DecodeError),
}

impl Link {
    /// The network that it leads to.
    pub fn network(&self) -> &NetworkLink {
        match self {
            Self::Network(network) => network,
            Self::Invite(invite) => &invite.network,
        }
    }

    /// Whether a text is meant to be a link, and not the name of a file.
    pub fn is_meant(text: &str) -> bool {
        text.get(..text::SCHEME.len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case(text::SCHEME))
    }
}

impl FromStr for Link {
    type Err = LinkError;

    fn from_str(text: &str) -> Result<Self, LinkError> {
        if text.len() > LINK_MAX {
            return Err(LinkError::TooLong);
        }
        if let Some(parts) = text::after(text, invite::KIND) {
            return Ok(Self::Invite(Box::new(Invite::read(parts)?)));
        }
        if let Some(part) = text::after(text, network::KIND) {
            return Ok(Self::Network(NetworkLink::read(part)?));
        }
        Err(if text::after(text, "pay?").is_some() { LinkError::Payment } else { LinkError::Scheme })
    }
}

impl FromStr for NetworkLink {
    type Err = LinkError;

    fn from_str(text: &str) -> Result<Self, LinkError> {
        match text.parse()? {
            Link::Network(network) => Ok(network),
            Link::Invite(_) => Err(LinkError::Scheme),
        }
    }
}

impl fmt::Display for NetworkLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", text::SCHEME, network::KIND, self.part())
    }
}

#[cfg(test)]
mod tests;
