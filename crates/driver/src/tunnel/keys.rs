//! The keys of a tunnel: X25519, as WireGuard has them (A11).

use std::fmt;

use gotatun::x25519;

/// One's own private key. Overwritten when dropped, and never shown.
#[derive(Clone)]
pub struct Secret(pub(super) x25519::StaticSecret);

/// Who a peer is.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey(pub [u8; 32]);

/// What both sides know beside their keys, mixed into each handshake; never shown.
#[derive(Clone, Copy)]
pub struct PresharedKey(pub [u8; 32]);

impl Secret {
    /// Any 32 bytes, which the caller drew and overwrites.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(x25519::StaticSecret::from(*bytes))
    }

    pub fn public(&self) -> PublicKey {
        PublicKey(x25519::PublicKey::from(&self.0).to_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl fmt::Debug for PresharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PresharedKey")
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({:02x}{:02x}{:02x}{:02x}…)", self.0[0], self.0[1], self.0[2], self.0[3])
    }
}
