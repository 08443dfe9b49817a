//! Two promises, one each way between the same two, that settle together (row A5).
//!
//! Each of the two is payer of one promise and payee of the other. That both let the pair settle is signed over *both*
//! promises, under a purpose of its own: a signature that was given for the net can't settle one of the two alone, so
//! handing it to the other side before anything is settled gives nothing away. Both sign the same bytes.
//!
//! A [`PromisePair`] is one by construction: of one network, in one asset, on accounts, between two different parties, each
//! way one. It has one order, so one pair has one encoding.

use byway_crypto::identity::SignatureError;
use byway_crypto::{IdentitySecret, IdentitySignature, Purpose};
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{IdentityId, NetworkId};

use crate::promise::{Backing, SignedPromise};

/// Two signed promises that go each way between the same two (signatures not yet checked), by their payers' ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PromisePair {
    promises: [SignedPromise; 2],
}

/// A pair and the payees' signatures that let it settle (not yet checked), each beside the promise that pays its signer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountersignedPair {
    pub pair: PromisePair,
    pub payees: [IdentitySignature; 2],
}

/// Why two promises don't settle together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoPair {
    #[error("the promises are for two networks")]
    Networks,
    #[error("the promises are in two assets")]
    Assets,
    #[error("the promises don't go each way between the same two")]
    Parties,
    #[error("only promises on accounts settle together")]
    Backing,
}

impl PromisePair {
    /// Joins two promises; either may come first.
    pub fn new(one: SignedPromise, other: SignedPromise) -> Result<Self, NoPair> {
        let (here, back) = (&one.promise.series, &other.promise.series);
        if one.promise.network != other.promise.network {
            return Err(NoPair::Networks);
        }
        if (here.payer, here.payee) != (back.payee, back.payer) || here.payer == here.payee {
            return Err(NoPair::Parties);
        }
        if here.asset != back.asset {
            return Err(NoPair::Assets);
        }
        if (here.backing, back.backing) != (Backing::Account, Backing::Account) {
            return Err(NoPair::Backing);
        }
        let promises = if here.payer < back.payer { [one, other] } else { [other, one] };
        Ok(Self { promises })
    }

    /// Both, by their payers' ids.
    pub fn promises(&self) -> &[SignedPromise; 2] {
        &self.promises
    }

    pub fn network(&self) -> NetworkId {
        self.promises[0].promise.network
    }

    /// The promise that pays `payee`; `None` for whoever is not one of the two.
    pub fn paying(&self, payee: IdentityId) -> Option<&SignedPromise> {
        self.promises.iter().find(|signed| signed.promise.series.payee == payee)
    }

    /// The promise that `payer` made; `None` for whoever is not one of the two.
    pub fn paid_by(&self, payer: IdentityId) -> Option<&SignedPromise> {
        self.promises.iter().find(|signed| signed.promise.series.payer == payer)
    }

    /// What one of the two signs to let the pair settle.
    pub fn countersign(&self, party: &IdentitySecret) -> IdentitySignature {
        party.sign(Purpose::SettlePair, self.network(), &self.message())
    }

    /// Whether `party` signed that the pair may settle.
    pub fn verify_countersigned(&self, party: IdentityId, signature: &IdentitySignature) -> Result<(), SignatureError> {
        signature.verify(party, Purpose::SettlePair, self.network(), &self.message())
    }

    /// With both signatures, in any order of parties. `None` where the two are not its parties.
    pub fn with(self, signatures: [(IdentityId, IdentitySignature); 2]) -> Option<CountersignedPair> {
        let of = |signed: &SignedPromise| {
            let payee = signed.promise.series.payee;
            signatures.iter().find(|(party, _)| *party == payee).map(|(_, signature)| *signature)
        };
        let [one, other] = &self.promises;
        Some(CountersignedPair { pair: self, payees: [of(one)?, of(other)?] })
    }

    /// Two promises, which no single promise encodes to.
    fn message(&self) -> Vec<u8> {
        self.promises.iter().flat_map(|signed| signed.promise.to_bytes()).collect()
    }
}

impl CountersignedPair {
    /// Whether both promises are their payers', and both payees let the pair settle.
    pub fn verify(&self) -> Result<(), SignatureError> {
        for (signed, payee) in self.pair.promises().iter().zip(&self.payees) {
            signed.verify()?;
            self.pair.verify_countersigned(signed.promise.series.payee, payee)?;
        }
        Ok(())
    }
}

impl Encode for PromisePair {
    fn encode(&self, out: &mut Writer) {
        self.promises.iter().for_each(|signed| out.value(signed));
    }
}

impl Decode for PromisePair {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let promises: [SignedPromise; 2] = [input.value()?, input.value()?];
        let pair = Self::new(promises[0], promises[1]).map_err(|_| DecodeError::Invalid("a pair of promises"))?;
        if pair.promises == promises { Ok(pair) } else { Err(DecodeError::Invalid("a pair's payers ascend")) }
    }
}

impl Encode for CountersignedPair {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.pair);
        self.payees.iter().for_each(|signature| out.value(signature));
    }
}

impl Decode for CountersignedPair {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { pair: input.value()?, payees: [input.value()?, input.value()?] })
    }
}
