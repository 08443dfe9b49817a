//! Threshold signatures whose result is unique, so that it can serve as a coin that nobody can foresee (row K3).
//!
//! BLS on BLS12-381 (Boneh, Lynn, Shacham 2001; the threshold form: Boldyreva 2003), signatures in G1, keys in G2. The
//! secret is f(0) of a polynomial f of degree t − 1 that nobody knows; member i holds f(i + 1). A member's *share* of the
//! signature on a message is H(message)^f(i + 1), and any t shares give H(message)^f(0) by interpolation, always the same
//! group element whoever contributed. Fewer than t say nothing about it.
//!
//! - [`ThresholdKey`] is public: f(0) and every f(i + 1) in the exponent. Shares are put together unlooked-at and the one
//!   result is verified; only if that fails are they verified one by one, to find whose are false. [`KeyRecord`] is how it
//!   is written down: f's coefficients in the exponent.
//! - [`ShareSecret`] is one member's f(i + 1).
//! - [`dealing`] is how the members make f among themselves, and [`ceremony`] what a ledger agrees on for that.
//!
//! What is not here: when to sign what (the kernel's), and where dealings are agreed on (the ledger's).

pub mod ceremony;
pub mod dealing;

use std::fmt;

use blstrs::{Bls12, G1Affine, G1Projective, G2Affine, G2Prepared, G2Projective, Scalar};
use byway_primitives::hash::Context;
use byway_primitives::{Decode, DecodeError, Encode, Hash, NetworkId, Reader, Writer};
use ff::Field;
use group::prime::PrimeCurveAffine;
use group::{Curve, Group};
use pairing::{MillerLoopResult, MultiMillerLoop};
use zeroize::Zeroize;

use crate::purpose::Purpose;

/// Separates our hash to the curve from everyone else's (RFC 9380 asks for such a tag and for the suite's name in it).
const HASH_TO_CURVE: &[u8] = b"BYWAY-1-COIN-BLS12381G1_XMD:SHA-256_SSWU_RO_";
const WIDE: Context = Context("byway 1 threshold scalar");
const RECORD: Context = Context("byway 1 threshold key");

/// Coefficients of a key: one more than the faulty among the most members.
pub const THRESHOLD_MAX: usize = 17;

/// A member's secret part of the key.
#[derive(Clone, PartialEq, Eq)]
pub struct ShareSecret(Scalar);

/// A member's share of a signature: a compressed point of G1, not looked at yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SignatureShare(pub [u8; 48]);

/// The signature that t shares make: the same whichever t.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UniqueSignature([u8; 48]);

/// What everyone knows of a shared key.
#[derive(Clone, PartialEq, Eq)]
pub struct ThresholdKey {
    threshold: usize,
    key: G2Affine,
    /// By member number.
    members: Vec<G2Affine>,
}

/// A shared key as it is written down: its polynomial in the exponent, as bytes that nobody has looked at yet.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// Compressed points of G2: the constant coefficient first.
    coefficients: Vec<[u8; 96]>,
    /// Members 0 to `places` − 1 have a share of it.
    places: u8,
}

/// What became of putting shares together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Combined {
    /// There, if t of the shares were good.
    pub signature: Option<UniqueSignature>,
    /// Members whose share is false. Empty as long as nobody had to look.
    pub culprits: Vec<u8>,
}

impl ShareSecret {
    /// This member's share of the signature on `message`.
    pub fn sign(&self, purpose: Purpose, network: NetworkId, message: &[u8]) -> SignatureShare {
        SignatureShare((hash_to_curve(purpose, network, message) * self.0).to_affine().to_compressed())
    }
}

impl Drop for ShareSecret {
    fn drop(&mut self) {
        // The scalar type can't wipe itself; overwriting is the most that safe code can do.
        self.0 = Scalar::ZERO;
    }
}

impl UniqueSignature {
    /// 32 bytes that nobody could foresee with fewer than t shares.
    pub fn digest(&self, context: Context) -> Hash {
        context.hash(&[&self.0])
    }
}

impl KeyRecord {
    /// What of it an agreement on the key covers.
    pub fn digest(&self) -> Hash {
        RECORD.hash_value(self)
    }

    /// The key; `None` if the points are none of the group.
    pub fn open(&self) -> Option<ThresholdKey> {
        let points = self.coefficients.iter().map(|bytes| Option::<G2Affine>::from(G2Affine::from_compressed(bytes)));
        let coefficients = points.map(|point| point.map(G2Projective::from)).collect::<Option<Vec<_>>>()?;
        ThresholdKey::of(&coefficients, self.places)
    }
}

impl ThresholdKey {
    /// The key of a polynomial; `None` if its secret is zero, or if it has no coefficients.
    fn of(coefficients: &[G2Projective], places: u8) -> Option<Self> {
        let key = coefficients.first()?.to_affine();
        let members = (0..places).map(|member| evaluate(coefficients, member).to_affine()).collect();
        (!bool::from(key.is_identity())).then_some(Self { threshold: coefficients.len(), key, members })
    }

    /// t: how many shares make a signature.
    pub fn threshold(&self) -> usize {
        self.threshold
    }

    /// Puts shares together. They come with their members' numbers, at most one of each.
    pub fn combine(
        &self,
        purpose: Purpose,
        network: NetworkId,
        message: &[u8],
        shares: &[(u8, SignatureShare)],
    ) -> Combined {
        let mut culprits = Vec::new();
        let mut points = Vec::with_capacity(shares.len());
        for (member, share) in shares {
            match point(&share.0).filter(|_| usize::from(*member) < self.members.len()) {
                Some(point) => points.push((*member, point)),
                None => culprits.push(*member),
            }
        }
        let hash = hash_to_curve(purpose, network, message).to_affine();
        if points.len() >= self.threshold {
            let signature = interpolate(&points[..self.threshold]);
            if is_signature(&hash, &signature, &self.key) {
                return Combined { signature: Some(UniqueSignature(signature.to_compressed())), culprits };
            }
        }
        let is_false =
            |(member, point): &(u8, G1Affine)| !is_signature(&hash, point, &self.members[usize::from(*member)]);
        culprits.extend(points.iter().filter(|share| is_false(share)).map(|(member, _)| *member));
        points.retain(|(member, _)| !culprits.contains(member));
        let enough = points.get(..self.threshold);
        let signature = enough.map(|points| UniqueSignature(interpolate(points).to_compressed()));
        Combined { signature, culprits }
    }

    /// Whether a member's share is what it must be.
    pub fn verifies(
        &self,
        purpose: Purpose,
        network: NetworkId,
        message: &[u8],
        member: u8,
        share: &SignatureShare,
    ) -> bool {
        let (Some(key), Some(point)) = (self.members.get(usize::from(member)), point(&share.0)) else { return false };
        is_signature(&hash_to_curve(purpose, network, message).to_affine(), &point, key)
    }
}

fn hash_to_curve(purpose: Purpose, network: NetworkId, message: &[u8]) -> G1Projective {
    G1Projective::hash_to_curve(&purpose.digest(network, message).0, HASH_TO_CURVE, &[])
}

/// A point of the right group that is not its neutral element.
fn point(bytes: &[u8; 48]) -> Option<G1Affine> {
    let point: Option<G1Affine> = G1Affine::from_compressed(bytes).into();
    point.filter(|point| !bool::from(point.is_identity()))
}

/// e(signature, g) = e(hash, key).
fn is_signature(hash: &G1Affine, signature: &G1Affine, key: &G2Affine) -> bool {
    let (generator, key) = (G2Prepared::from(-G2Affine::generator()), G2Prepared::from(*key));
    let product = Bls12::multi_miller_loop(&[(signature, &generator), (hash, &key)]).final_exponentiation();
    product.is_identity().into()
}

/// f(0) in the exponent, from f at as many places as f has coefficients.
fn interpolate(points: &[(u8, G1Affine)]) -> G1Affine {
    let places: Vec<Scalar> = points.iter().map(|(member, _)| place(*member)).collect();
    let term = |(index, (_, point)): (usize, &(u8, G1Affine))| {
        let own = places[index];
        let others = places.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, place)| *place);
        let (above, below) =
            others.fold((Scalar::ONE, Scalar::ONE), |(above, below), other| (above * other, below * (other - own)));
        // Members are distinct, so nothing below is zero.
        let inverse = Option::from(below.invert()).unwrap_or(Scalar::ZERO);
        point * (above * inverse)
    };
    points.iter().enumerate().map(term).sum::<G1Projective>().to_affine()
}

/// Where a member's share is taken: zero is the secret itself.
fn place(member: u8) -> Scalar {
    Scalar::from(u64::from(member) + 1)
}

/// The polynomial at a member's place, in the exponent.
fn evaluate(coefficients: &[G2Projective], member: u8) -> G2Projective {
    let steps = coefficients.iter().rev();
    steps.fold(G2Projective::identity(), |sum, coefficient| small_multiple(&sum, u16::from(member) + 1) + coefficient)
}

/// `factor` times a point, by doubling: places are small, and full multiplication would take fifty times as long.
fn small_multiple(point: &G2Projective, factor: u16) -> G2Projective {
    let bits = (0..u16::BITS - factor.leading_zeros()).rev().map(|bit| factor >> bit & 1 == 1);
    bits.fold(G2Projective::identity(), |sum, is_set| if is_set { sum.double() + point } else { sum.double() })
}

/// A scalar from a seed: 512 bits reduced, so that it is as good as uniform.
fn scalar(parts: &[&[u8]]) -> Scalar {
    let mut wide = WIDE.hash_wide(parts);
    let words = wide.as_chunks::<8>().0.iter().rev().map(|word| Scalar::from(u64::from_le_bytes(*word)));
    let shift = Scalar::from(1 << 32).square();
    let reduced = words.fold(Scalar::ZERO, |sum, word| sum * shift + word);
    wide.zeroize();
    reduced
}

impl fmt::Debug for ShareSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShareSecret(…)")
    }
}

impl fmt::Debug for KeyRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.coefficients.first().map(|key| hex::encode(&key[..4])).unwrap_or_default();
        write!(f, "KeyRecord({key}…, {} of {})", self.coefficients.len(), self.places)
    }
}

impl fmt::Debug for ThresholdKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = hex::encode(&self.key.to_compressed()[..4]);
        write!(f, "ThresholdKey({key}…, {} of {})", self.threshold, self.members.len())
    }
}

impl Encode for SignatureShare {
    fn encode(&self, out: &mut Writer) {
        out.raw(&self.0);
    }
}

impl Decode for SignatureShare {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.array().map(Self)
    }
}

impl Encode for KeyRecord {
    fn encode(&self, out: &mut Writer) {
        out.byte(self.places);
        out.varint(self.coefficients.len() as u64);
        self.coefficients.iter().for_each(|coefficient| out.raw(coefficient));
    }
}

impl Decode for KeyRecord {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (places, length) = (input.byte()?, input.u64()?);
        if length > THRESHOLD_MAX as u64 {
            return Err(DecodeError::TooLong { length, limit: THRESHOLD_MAX as u64 });
        }
        let coefficients = (0..length).map(|_| input.array()).collect::<Result<_, _>>()?;
        Ok(Self { coefficients, places })
    }
}

#[cfg(test)]
mod tests;
