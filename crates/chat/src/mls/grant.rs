//! What shows that somebody was given a role in a room, to those who were not there when it was.
//!
//! Whoever is in a room sees who gives roles, and refuses commits by which somebody takes one. Who was removed, or comes into the room anew, sees
//! nothing of that: a room with the same number and the name of the same founder anybody can make. So whoever makes somebody an admin signs
//! that with the key of its device, and the [roles](super::Roles) of the room have it in them. A grant leads to the founder, at once
//! or by other admins who were granted theirs.
//!
//! Not here: that a role was taken back, which nobody shows to those who are not in the room.

use byway_primitives::hash::Context;
use byway_primitives::{Decode, DecodeError, Encode, IdentityId, NetworkId, Reader, Writer};
use ed25519_dalek::{Signature, VerifyingKey};

use super::RoomId;
use crate::device::{Device, DeviceCertificate};

/// What is signed, ed25519: the room, its founder, and whoever is made an admin.
const GRANT: Context = Context("byway 1 hash: role in a conversation");

/// Bytes of a signature.
const SIGNATURE_BYTES: usize = 64;

/// Somebody was made an admin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Of the device by which.
    pub by: DeviceCertificate,
    pub(super) signature: GrantSignature,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GrantSignature([u8; SIGNATURE_BYTES]);

impl Grant {
    pub(super) fn sign(device: &Device, room: RoomId, founder: IdentityId, admin: IdentityId) -> Self {
        let signature = device.secret.sign(&text(room, founder, admin));
        Self { by: device.certificate.clone(), signature: GrantSignature(signature) }
    }

    /// Whether the device, which is the first one of whom it says, has made `admin` one, whenever that was.
    pub(super) fn holds(&self, network: NetworkId, room: RoomId, founder: IdentityId, admin: IdentityId) -> bool {
        let signature = Signature::from_bytes(&self.signature.0);
        let key = VerifyingKey::from_bytes(&self.by.key.0);
        // Of a linked device that was taken away nobody here would know.
        !self.by.is_linked()
            && self.by.verify(network).is_ok()
            && key.is_ok_and(|key| key.verify_strict(&text(room, founder, admin), &signature).is_ok())
    }
}

fn text(room: RoomId, founder: IdentityId, admin: IdentityId) -> [u8; 32] {
    GRANT.hash(&[&room.0, &founder.0, &admin.0]).0
}

impl Encode for GrantSignature {
    fn encode(&self, out: &mut Writer) {
        out.raw(&self.0);
    }
}

impl Decode for GrantSignature {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.array().map(Self)
    }
}
