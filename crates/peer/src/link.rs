//! Links that get somebody into a network (rows I2, K6).
//!
//! ```text
//! byway:net/NETWORK    which network it is, and kernel nodes that know it
//! ```
//!
//! A part is bytes in base32 with four bytes of a hash behind them, so that a link that was cut or mistyped leads nowhere
//! else. Letters are small or capital alike (codes to scan are smaller in capitals), and there is nothing in a link that
//! chats break lines at or take for the end of it. Nobody reads such a link; payment links, which a person looks at
//! before paying, are [another matter](crate::wallet::PaymentRequest).
//!
//! **A link is believed for the network's id and nothing else**: that is the hash of the genesis, so whichever kernel node
//! gives the genesis, another one than the sender's can't be passed off.

mod network;
mod text;

use std::fmt;
use std::str::FromStr;

use byway_primitives::DecodeError;

pub use network::{KERNEL_PEERS_MAX, KernelPeer, NetworkLink, NoPeer, RELAY_TEXT_MAX};

/// Characters of a link.
pub const LINK_MAX: usize = 8192;

/// Why a text is no such link. It repeats nothing of the text, which may be secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    #[error("it does not begin with byway:net/")]
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

/// Whether a text is meant to be a link, and not the name of a file.
pub fn is_meant(text: &str) -> bool {
    text::after(text, "").is_some()
}

impl FromStr for NetworkLink {
    type Err = LinkError;

    fn from_str(text: &str) -> Result<Self, LinkError> {
        match text::after(text, network::KIND) {
            _ if text.len() > LINK_MAX => Err(LinkError::TooLong),
            Some(part) => Self::read(part),
            None if text::after(text, "pay?").is_some() => Err(LinkError::Payment),
            None => Err(LinkError::Scheme),
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
