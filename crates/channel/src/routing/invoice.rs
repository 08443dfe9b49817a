//! What a payee asks for, as a text that it hands to its payer.

use std::fmt;
use std::str::FromStr;

use byway_crypto::noise::StaticKey;
use byway_crypto::{IdentitySecret, IdentitySignature, Purpose};
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, IdentityId, NetworkId, Time};
use byway_records::Note;
use data_encoding::BASE32_NOPAD;

use super::conduit::PaymentHash;

/// Hubs that an invoice names at the most.
pub const HINTS_MAX: usize = 4;
const SCHEME: &str = "byway:pay/";
/// Characters of an invoice at the most.
const TEXT_MAX: usize = 700;

/// What is to be paid, to whom, and over which hubs it can be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvoiceTerms {
    pub network: NetworkId,
    pub payee: IdentityId,
    /// What the order for the payee is sealed for.
    pub key: StaticKey,
    pub amount: Amount,
    pub hash: PaymentHash,
    /// Not paid any more after this.
    pub expires: Time,
    /// Peers that the payee has channels with.
    pub hubs: Vec<IdentityId>,
    /// What it is for.
    pub note: Option<Note>,
}

/// The same, signed by the payee.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoice {
    pub terms: InvoiceTerms,
    pub signature: IdentitySignature,
}

/// Why a text is no invoice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvoiceError {
    #[error("an invoice begins with {SCHEME}")]
    Scheme,
    #[error("the invoice is incomplete or was changed; copy it whole")]
    Damaged,
    #[error("the payee has not signed this invoice; ask for another one")]
    Signature,
}

impl InvoiceTerms {
    pub fn sign(self, payee: &IdentitySecret) -> Invoice {
        let signature = payee.sign(Purpose::ChannelInvoice, self.network, &self.to_bytes());
        Invoice { terms: self, signature }
    }
}

impl Invoice {
    fn is_signed(&self) -> bool {
        let (terms, purpose) = (&self.terms, Purpose::ChannelInvoice);
        self.signature.verify(terms.payee, purpose, terms.network, &terms.to_bytes()).is_ok()
    }
}

impl fmt::Display for Invoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", BASE32_NOPAD.encode(&self.to_bytes()).to_ascii_lowercase())
    }
}

impl FromStr for Invoice {
    type Err = InvoiceError;

    fn from_str(text: &str) -> Result<Self, InvoiceError> {
        let body = text.trim().strip_prefix(SCHEME).ok_or(InvoiceError::Scheme)?;
        if body.len() > TEXT_MAX {
            return Err(InvoiceError::Damaged);
        }
        let bytes = BASE32_NOPAD.decode(body.to_ascii_uppercase().as_bytes()).map_err(|_| InvoiceError::Damaged)?;
        let invoice = Self::from_bytes(&bytes).map_err(|_| InvoiceError::Damaged)?;
        if invoice.is_signed() { Ok(invoice) } else { Err(InvoiceError::Signature) }
    }
}

impl Encode for InvoiceTerms {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.network);
        out.value(&self.payee);
        out.raw(&self.key.0);
        out.value(&self.amount);
        out.value(&self.hash);
        out.value(&self.expires);
        out.list(&self.hubs);
        out.option(self.note.as_ref());
    }
}

impl Decode for InvoiceTerms {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            network: input.value()?,
            payee: input.value()?,
            key: StaticKey(input.array()?),
            amount: input.value()?,
            hash: input.value()?,
            expires: input.value()?,
            hubs: input.list(HINTS_MAX)?,
            note: input.option()?,
        })
    }
}

impl Encode for Invoice {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.terms);
        out.value(&self.signature);
    }
}

impl Decode for Invoice {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { terms: input.value()?, signature: input.value()? })
    }
}
