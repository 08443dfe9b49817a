//! The client's word that it has an envelope.

use byway_crypto::identity::SignatureError;
use byway_crypto::{IdentitySecret, IdentitySignature, Purpose};
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{IdentityId, NetworkId};

use super::envelope::EnvelopeId;

/// For one envelope, so that each sender learns of its own alone. By whom it is follows from whom the envelope is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    pub envelope: EnvelopeId,
    signature: IdentitySignature,
}

impl Receipt {
    /// The same each time.
    pub fn sign(client: &IdentitySecret, network: NetworkId, envelope: EnvelopeId) -> Self {
        let signature = client.sign(Purpose::HeldReceipt, network, &text(client.id(), envelope));
        Self { envelope, signature }
    }

    /// Checks that `client` has signed it.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn verify(&self, network: NetworkId, client: IdentityId) -> Result<(), SignatureError> {
        self.signature.verify(client, Purpose::HeldReceipt, network, &text(client, self.envelope))
    }
}

fn text(client: IdentityId, envelope: EnvelopeId) -> Vec<u8> {
    [&client.0[..], &envelope.0.0].concat()
}

impl Encode for Receipt {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.envelope);
        out.value(&self.signature);
    }
}

impl Decode for Receipt {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { envelope: input.value()?, signature: input.value()? })
    }
}
