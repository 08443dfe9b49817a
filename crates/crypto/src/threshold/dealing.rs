//! How members make a shared key among themselves, none of them ever knowing it.
//!
//! Joint Feldman (Pedersen 1991; Gennaro et al. 2007), with everything a dealer says in one public record. Each dealer
//! draws a polynomial of degree t − 1 and publishes a [`Dealing`]:
//!
//! - *commitments*: the coefficients in the exponent, in G2, which fix the polynomial;
//! - *sealed shares*: its value for each receiver, under a key agreed between one ephemeral key of the dealing and the
//!   receiver's [`DealingKey`] (Diffie–Hellman in G1, hashed);
//! - a *proof* that the dealer knows the constant coefficient and the ephemeral key, bound to the occasion and to all the
//!   rest (Schnorr 1989, made non-interactive by Fiat and Shamir). Without the first, a dealer could answer others'
//!   dealings with one that cancels them; without the second, it could pass off someone else's point as its ephemeral
//!   key and learn from a complaint what was agreed with that one.
//!
//! The shared key is the sum of the dealings that are used; it is unknown as long as one of them is by an honest dealer.
//! That dealers who come last can choose among sums biases the key, not what is signed with it: a coin stays unforeseen
//! (Gennaro et al. 2007 prove as much for Schnorr signatures; Bacho and Loss 2022 for BLS).
//!
//! **False shares.** Form and proof can be judged by anyone; whether a sealed share fits the commitments only by its
//! receiver. If it doesn't, the receiver publishes a [`Complaint`]: the point agreed on, with a proof that it is that
//! point (Chaum and Pedersen 1992). With it anyone opens that one share and sees. So a complaint can't be false, and it
//! reveals nothing but the share that it complains of.
//!
//! Encodings are canonical and bounded; points are judged when a dealing is [verified](Dealing::verify), not when it is
//! decoded.

use std::fmt;

use blstrs::{G1Affine, G1Projective, G2Affine, G2Projective, Scalar};
use byway_primitives::hash::Context;
use byway_primitives::{Decode, DecodeError, Encode, Hash, Reader, Writer};
use ff::Field;
use group::prime::PrimeCurveAffine;
use group::{Curve, Group};
use zeroize::Zeroizing;

pub use super::THRESHOLD_MAX;
use super::{KeyRecord, ShareSecret, ThresholdKey, evaluate, place, point, scalar};

const SEAL: Context = Context("byway 1 dealing: seal");
const CHALLENGE: Context = Context("byway 1 dealing: proof");
const COMPLAINT: Context = Context("byway 1 dealing: complaint");

/// Receivers of a dealing: every member of the largest kernel.
pub const RECEIVERS_MAX: usize = 50;

/// What a receiver opens its shares with.
#[derive(Clone)]
pub struct DealingSecret {
    scalar: Scalar,
    seed: Zeroizing<[u8; 32]>,
}

/// What shares are sealed for: a compressed point of G1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DealingKey(pub [u8; 48]);

/// One dealer's contribution, as it is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dealing {
    /// Compressed points of G2: the constant coefficient first.
    commitments: Vec<Compressed<96>>,
    ephemeral: Compressed<48>,
    /// In the order of the receivers.
    sealed: Vec<Compressed<32>>,
    proof: Proof,
}

/// A dealing whose form and proof are good. Its sealed shares may still be false.
#[derive(Debug, Clone)]
pub struct VerifiedDealing {
    occasion: Hash,
    receivers: Vec<(u8, G1Affine)>,
    commitments: Vec<G2Projective>,
    ephemeral: G1Affine,
    sealed: Vec<Compressed<32>>,
}

/// Why bytes that decode are no dealing for an occasion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DealingError {
    #[error("the dealing has {have} coefficients, {need} are needed")]
    Threshold { have: usize, need: usize },
    #[error("the dealing has shares for {have} receivers, {need} are needed")]
    Receivers { have: usize, need: usize },
    #[error("a point of the dealing is none of the group")]
    Point,
    #[error(
        "the dealing's proof is wrong: it was made for another occasion, or by someone who does not know its secret"
    )]
    Proof,
}

/// Shows that the share sealed for one receiver is false.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Complaint {
    agreed: Compressed<48>,
    challenge: Compressed<32>,
    response: Compressed<32>,
}

/// Knowledge of the constant coefficient and of the ephemeral secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Proof {
    challenge: Compressed<32>,
    constant: Compressed<32>,
    ephemeral: Compressed<32>,
}

/// Bytes of a point or a scalar.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Compressed<const N: usize>([u8; N]);

impl DealingSecret {
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self { scalar: scalar(&[b"receiver", seed]), seed: Zeroizing::new(*seed) }
    }

    pub fn public(&self) -> DealingKey {
        DealingKey((G1Projective::generator() * self.scalar).to_affine().to_compressed())
    }

    /// A seed that is as good as random to everyone else, and the same whenever it is drawn for the same use: who deals or
    /// complains again after it lost its memory does not say something else.
    pub(super) fn draw(&self, context: Context, parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
        let parts: Vec<&[u8]> = [&self.seed[..]].into_iter().chain(parts.iter().copied()).collect();
        Zeroizing::new(context.hash(&parts).0)
    }
}

impl DealingKey {
    /// Whether the bytes are a point that shares can be sealed for.
    pub fn is_valid(&self) -> bool {
        point(&self.0).is_some()
    }
}

impl Dealing {
    /// Deals a fresh polynomial of `threshold` coefficients to the receivers, by rising member number. `occasion` names
    /// the network, the dealer and what the key is for. The seed must be random, secret and used once.
    pub fn deal(seed: &[u8; 32], occasion: Hash, threshold: usize, receivers: &[(u8, DealingKey)]) -> Self {
        Self::deal_twisted(seed, occasion, threshold, receivers, |_, bytes| bytes)
    }

    /// Deals, and changes what is sealed for whom: what a false dealer does, for tests and simulations.
    pub fn deal_twisted(
        seed: &[u8; 32],
        occasion: Hash,
        threshold: usize,
        receivers: &[(u8, DealingKey)],
        twist: impl Fn(u8, [u8; 32]) -> [u8; 32],
    ) -> Self {
        let draw = |what: &str, index: usize| scalar(&[what.as_bytes(), &index.to_le_bytes(), seed, &occasion.0]);
        let coefficients: Vec<Scalar> = (0..threshold).map(|index| draw("coefficient", index)).collect();
        let secret = draw("ephemeral", 0);
        let commit = |coefficient: &Scalar| (G2Projective::generator() * coefficient).to_affine().to_compressed();
        let ephemeral = (G1Projective::generator() * secret).to_affine();
        let seal = |(member, key): &(u8, DealingKey)| {
            let value =
                coefficients.iter().rev().fold(Scalar::ZERO, |sum, coefficient| sum * place(*member) + coefficient);
            // A key that is no point gets what nobody can open; receivers' keys are checked where they are registered.
            let agreed = point(&key.0).map_or_else(G1Affine::identity, |key| (key * secret).to_affine());
            Compressed(mask(&twist(*member, value.to_bytes_le()), &occasion, *member, &agreed))
        };
        let mut dealing = Self {
            commitments: coefficients.iter().map(|coefficient| Compressed(commit(coefficient))).collect(),
            ephemeral: Compressed(ephemeral.to_compressed()),
            sealed: receivers.iter().map(seal).collect(),
            proof: Proof {
                challenge: Compressed([0; 32]),
                constant: Compressed([0; 32]),
                ephemeral: Compressed([0; 32]),
            },
        };
        let nonces = (draw("nonce", 0), draw("nonce", 1));
        let marks = (G2Projective::generator() * nonces.0, G1Projective::generator() * nonces.1);
        let challenge = dealing.challenge(&occasion, receivers, &marks.0.to_affine(), &marks.1.to_affine());
        dealing.proof = Proof {
            challenge: Compressed(challenge.to_bytes_le()),
            constant: Compressed((nonces.0 + challenge * coefficients[0]).to_bytes_le()),
            ephemeral: Compressed((nonces.1 + challenge * secret).to_bytes_le()),
        };
        dealing
    }

    /// Checks all that can be checked without a receiver's secret.
    pub fn verify(
        &self,
        occasion: Hash,
        threshold: usize,
        receivers: &[(u8, DealingKey)],
    ) -> Result<VerifiedDealing, DealingError> {
        let have = self.commitments.len();
        if have != threshold || threshold == 0 {
            return Err(DealingError::Threshold { have, need: threshold });
        }
        let (have, need) = (self.sealed.len(), receivers.len());
        if have != need {
            return Err(DealingError::Receivers { have, need });
        }
        let commitments: Option<Vec<G2Affine>> = self.commitments.iter().map(|bytes| point_of_keys(&bytes.0)).collect();
        let points: Option<Vec<(u8, G1Affine)>> =
            receivers.iter().map(|(member, key)| Some((*member, point(&key.0)?))).collect();
        let (Some(commitments), Some(points), Some(ephemeral)) = (commitments, points, point(&self.ephemeral.0)) else {
            return Err(DealingError::Point);
        };
        let scalars = [self.proof.challenge, self.proof.constant, self.proof.ephemeral].map(|bytes| bytes.scalar());
        let [Some(challenge), Some(constant), Some(secret)] = scalars else { return Err(DealingError::Proof) };
        let mark = G2Projective::generator() * constant - commitments[0] * challenge;
        let ephemeral_mark = G1Projective::generator() * secret - ephemeral * challenge;
        if self.challenge(&occasion, receivers, &mark.to_affine(), &ephemeral_mark.to_affine()) != challenge {
            return Err(DealingError::Proof);
        }
        let commitments = commitments.into_iter().map(G2Projective::from).collect();
        Ok(VerifiedDealing { occasion, receivers: points, commitments, ephemeral, sealed: self.sealed.clone() })
    }

    fn challenge(
        &self,
        occasion: &Hash,
        receivers: &[(u8, DealingKey)],
        mark: &G2Affine,
        ephemeral: &G1Affine,
    ) -> Scalar {
        let mut said = Writer::new();
        said.raw(&occasion.0);
        said.varint(receivers.len() as u64);
        for (member, key) in receivers {
            said.byte(*member);
            said.value(key);
        }
        said.list(&self.commitments);
        said.value(&self.ephemeral);
        said.list(&self.sealed);
        said.raw(&mark.to_compressed());
        said.raw(&ephemeral.to_compressed());
        scalar(&[&CHALLENGE.hash(&[&said.into_bytes()]).0])
    }
}

impl VerifiedDealing {
    /// Opens the share of `member`; if it is false, gives the complaint that shows so to everyone. `None` if the member
    /// is no receiver. The seed must be random and used once.
    pub fn open(&self, member: u8, secret: &DealingSecret, seed: &[u8; 32]) -> Option<Result<ShareSecret, Complaint>> {
        let (key, _) = self.receiver(member)?;
        let agreed = (self.ephemeral * secret.scalar).to_affine();
        if let Some(share) = self.unsealed(member, &agreed) {
            return Some(Ok(ShareSecret(share)));
        }
        let nonce = scalar(&[b"complaint", seed, &self.occasion.0]);
        let marks = [(G1Projective::generator() * nonce).to_affine(), (self.ephemeral * nonce).to_affine()];
        let challenge = self.complaint_challenge(member, &key, &agreed, &marks);
        Some(Err(Complaint {
            agreed: Compressed(agreed.to_compressed()),
            challenge: Compressed(challenge.to_bytes_le()),
            response: Compressed((nonce + challenge * secret.scalar).to_bytes_le()),
        }))
    }

    /// Whether the complaint of `member` is just: the share sealed for it is false.
    pub fn is_refuted_by(&self, member: u8, complaint: &Complaint) -> bool {
        let Some((key, _)) = self.receiver(member) else { return false };
        let Some(agreed) = point(&complaint.agreed.0) else { return false };
        let scalars = (complaint.challenge.scalar(), complaint.response.scalar());
        let (Some(challenge), Some(response)) = scalars else { return false };
        let marks = [
            (G1Projective::generator() * response - key * challenge).to_affine(),
            (self.ephemeral * response - agreed * challenge).to_affine(),
        ];
        self.complaint_challenge(member, &key, &agreed, &marks) == challenge && self.unsealed(member, &agreed).is_none()
    }

    fn receiver(&self, member: u8) -> Option<(G1Affine, usize)> {
        let position = self.receivers.iter().position(|(receiver, _)| *receiver == member)?;
        Some((self.receivers[position].1, position))
    }

    /// The share sealed for `member`, if it fits the commitments.
    fn unsealed(&self, member: u8, agreed: &G1Affine) -> Option<Scalar> {
        let (_, position) = self.receiver(member)?;
        let bytes = mask(&self.sealed[position].0, &self.occasion, member, agreed);
        let share = Compressed(bytes).scalar()?;
        (G2Projective::generator() * share == evaluate(&self.commitments, member)).then_some(share)
    }

    fn complaint_challenge(&self, member: u8, key: &G1Affine, agreed: &G1Affine, marks: &[G1Affine; 2]) -> Scalar {
        let points = [key, &self.ephemeral, agreed, &marks[0], &marks[1]].map(G1Affine::to_compressed);
        scalar(&[&COMPLAINT.hash(&[&self.occasion.0, &[member], points.as_flattened()]).0])
    }
}

impl ShareSecret {
    /// A member's part of the sum of dealings; `None` of none.
    pub fn sum(shares: impl IntoIterator<Item = ShareSecret>) -> Option<ShareSecret> {
        shares.into_iter().map(|share| share.0).reduce(|sum, share| sum + share).map(ShareSecret)
    }
}

impl ThresholdKey {
    /// The key that dealings of equally many coefficients make together, for members 0 to `members` − 1; `None` if there
    /// are no dealings, or if they cancel each other, which no honest dealer's do but by negligible chance.
    pub fn sum<'a>(dealings: impl IntoIterator<Item = &'a VerifiedDealing>, members: u8) -> Option<Self> {
        Self::of(&sum(dealings.into_iter().map(|dealing| dealing.commitments.iter().copied())), members)
    }
}

impl KeyRecord {
    /// As [`ThresholdKey::sum`], of dealings that were verified when they were taken; only what is summed is looked at.
    pub fn sum<'a>(dealings: impl IntoIterator<Item = &'a Dealing>, places: u8) -> Option<Self> {
        let points = |dealing: &Dealing| -> Option<Vec<G2Projective>> {
            dealing.commitments.iter().map(|bytes| point_of_keys(&bytes.0).map(G2Projective::from)).collect()
        };
        let dealings = dealings.into_iter().map(points).collect::<Option<Vec<_>>>()?;
        let coefficients = sum(dealings);
        let is_key = coefficients.first().is_some_and(|key| !bool::from(key.is_identity()));
        let compress = |coefficient: &G2Projective| coefficient.to_affine().to_compressed();
        is_key.then(|| Self { coefficients: coefficients.iter().map(compress).collect(), places })
    }
}

/// Polynomials added up, in the exponent.
fn sum(polynomials: impl IntoIterator<Item = impl IntoIterator<Item = G2Projective>>) -> Vec<G2Projective> {
    let mut sum: Vec<G2Projective> = Vec::new();
    for polynomial in polynomials {
        for (place, coefficient) in polynomial.into_iter().enumerate() {
            if place == sum.len() {
                sum.push(G2Projective::identity());
            }
            sum[place] += coefficient;
        }
    }
    sum
}

/// A point of G2 that is not its neutral element.
fn point_of_keys(bytes: &[u8; 96]) -> Option<G2Affine> {
    let point: Option<G2Affine> = G2Affine::from_compressed(bytes).into();
    point.filter(|point| !bool::from(point.is_identity()))
}

/// Seals a share, or opens it. The key is used for this one share only.
fn mask(bytes: &[u8; 32], occasion: &Hash, member: u8, agreed: &G1Affine) -> [u8; 32] {
    let key = SEAL.hash(&[&occasion.0, &[member], &agreed.to_compressed()]);
    std::array::from_fn(|place| bytes[place] ^ key.0[place])
}

impl Compressed<32> {
    fn scalar(&self) -> Option<Scalar> {
        Scalar::from_bytes_le(&self.0).into()
    }
}

impl<const N: usize> fmt::Debug for Compressed<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}…", hex::encode(&self.0[..4]))
    }
}

impl fmt::Debug for DealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DealingKey({}…)", hex::encode(&self.0[..4]))
    }
}

impl fmt::Debug for DealingSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DealingSecret(of {:?})", self.public())
    }
}

impl Drop for DealingSecret {
    fn drop(&mut self) {
        self.scalar = Scalar::ZERO;
    }
}

impl<const N: usize> Encode for Compressed<N> {
    fn encode(&self, out: &mut Writer) {
        out.raw(&self.0);
    }
}

impl<const N: usize> Decode for Compressed<N> {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.array().map(Self)
    }
}

impl Encode for DealingKey {
    fn encode(&self, out: &mut Writer) {
        out.raw(&self.0);
    }
}

impl Decode for DealingKey {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.array().map(Self)
    }
}

impl Encode for Dealing {
    fn encode(&self, out: &mut Writer) {
        out.list(&self.commitments);
        out.value(&self.ephemeral);
        out.list(&self.sealed);
        out.value(&self.proof.challenge);
        out.value(&self.proof.constant);
        out.value(&self.proof.ephemeral);
    }
}

impl Decode for Dealing {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            commitments: input.list(THRESHOLD_MAX)?,
            ephemeral: input.value()?,
            sealed: input.list(RECEIVERS_MAX)?,
            proof: Proof { challenge: input.value()?, constant: input.value()?, ephemeral: input.value()? },
        })
    }
}

impl Encode for Complaint {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.agreed);
        out.value(&self.challenge);
        out.value(&self.response);
    }
}

impl Decode for Complaint {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { agreed: input.value()?, challenge: input.value()?, response: input.value()? })
    }
}
