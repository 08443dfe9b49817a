//! Promises: cumulative IOUs (row A4).
//!
//! One type for Mysterium's promise, a cheque between carriers and a channel's one-way payment. Serials count per
//! (payer, payee, asset, backing) and a new serial starts at zero; within a serial only the amount grows, so the latest
//! promise replaces every earlier one and losing old ones loses nothing.

use byway_crypto::identity::SignatureError;
use byway_crypto::{IdentitySecret, IdentitySignature, Purpose};
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, AssetId, Hash, IdentityId, NetworkId};
use serde::{Deserialize, Serialize};

use crate::call::Take;

/// The version that this code writes and reads.
pub const VERSION: u8 = 1;

/// Part of an account set aside for one payee; the id of the transaction that reserved it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReservationId(pub Hash);

/// A payment channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChannelId(pub Hash);

/// What stands behind a promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backing {
    /// The payer's account: credit, which may bounce.
    Account,
    /// A reservation: can't bounce until its time.
    Reservation(ReservationId),
    /// Locked collateral of a channel: can't bounce.
    Channel(ChannelId),
}

/// Which series of serials a promise belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series {
    pub payer: IdentityId,
    pub payee: IdentityId,
    pub asset: AssetId,
    pub backing: Backing,
}

/// What the payer signs: "I owe you, under this serial, this much in all".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promise {
    pub network: NetworkId,
    pub series: Series,
    pub serial: u64,
    pub amount: Amount,
}

/// A promise and its payer's signature (not yet checked).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedPromise {
    pub promise: Promise,
    pub signature: IdentitySignature,
}

impl Promise {
    pub fn sign(self, payer: &IdentitySecret) -> SignedPromise {
        SignedPromise { promise: self, signature: payer.sign(Purpose::Promise, self.network, &self.to_bytes()) }
    }

    /// The payee's signature that lets the promise settle so. One that gives nothing up can't be used to give something
    /// up: anyone may hand in a settlement again, the payer too.
    pub fn countersign(&self, take: Take, payee: &IdentitySecret) -> IdentitySignature {
        payee.sign(take.purpose(), self.network, &self.to_bytes())
    }
}

impl SignedPromise {
    /// Whether the payer signed it.
    pub fn verify(&self) -> Result<(), SignatureError> {
        let promise = &self.promise;
        self.signature.verify(promise.series.payer, Purpose::Promise, promise.network, &promise.to_bytes())
    }

    /// Whether the payee signed it for such a settlement.
    pub fn verify_countersigned(&self, take: Take, payee: &IdentitySignature) -> Result<(), SignatureError> {
        let promise = &self.promise;
        payee.verify(promise.series.payee, take.purpose(), promise.network, &promise.to_bytes())
    }
}

impl Encode for ReservationId {
    fn encode(&self, out: &mut Writer) {
        self.0.encode(out);
    }
}

impl Decode for ReservationId {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.value().map(Self)
    }
}

impl Encode for Backing {
    fn encode(&self, out: &mut Writer) {
        match self {
            Backing::Account => out.byte(0),
            Backing::Reservation(id) => {
                out.byte(1);
                out.value(&id.0);
            }
            Backing::Channel(id) => {
                out.byte(2);
                out.value(&id.0);
            }
        }
    }
}

impl Decode for Backing {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            0 => Ok(Backing::Account),
            1 => Ok(Backing::Reservation(ReservationId(input.value()?))),
            2 => Ok(Backing::Channel(ChannelId(input.value()?))),
            other => Err(DecodeError::UnknownVariant { kind: "backing", value: other.into() }),
        }
    }
}

impl Encode for Series {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.payer);
        out.value(&self.payee);
        out.value(&self.asset);
        out.value(&self.backing);
    }
}

impl Decode for Series {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { payer: input.value()?, payee: input.value()?, asset: input.value()?, backing: input.value()? })
    }
}

impl Encode for Promise {
    fn encode(&self, out: &mut Writer) {
        out.byte(VERSION);
        out.value(&self.network);
        out.value(&self.series);
        out.varint(self.serial);
        out.value(&self.amount);
    }
}

impl Decode for Promise {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            VERSION => {}
            other => return Err(DecodeError::UnknownVariant { kind: "promise version", value: other.into() }),
        }
        Ok(Self { network: input.value()?, series: input.value()?, serial: input.u64()?, amount: input.value()? })
    }
}

impl Encode for SignedPromise {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.promise);
        out.value(&self.signature);
    }
}

impl Decode for SignedPromise {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { promise: input.value()?, signature: input.value()? })
    }
}
