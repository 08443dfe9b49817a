//! The Noise handshake (`Noise_IK_25519_ChaChaPoly_BLAKE2b`) of dialogues and of the kernel mesh.
//!
//! The initiator knows the responder's static key beforehand (from an offer, from genesis), so one round trip is enough
//! and a probe that doesn't know the key learns nothing. Both sides bind the *prologue*: protocol name and version,
//! network, and whatever of the link should be bound; two sides that disagree on any of it can't complete.
//!
//! The first message can be replayed by whoever recorded it. Acting on it must therefore be idempotent; anything that is
//! not waits for the first transport message, which proves that the initiator is live.

use std::fmt;

use curve25519_dalek::montgomery::MontgomeryPoint;
use snow::params::{CipherChoice, DHChoice, HashChoice, NoiseParams};
use snow::resolvers::{BoxedCryptoResolver, CryptoResolver, DefaultResolver};
use snow::types::{Cipher, Dh, Hash as NoiseHash, Random};
use zeroize::Zeroizing;

use byway_primitives::hash::Context;

const PATTERN: &str = "Noise_IK_25519_ChaChaPoly_BLAKE2b";
const EPHEMERAL: Context = Context("byway 1 noise: ephemeral");

/// The longest Noise message, tag included.
pub const MESSAGE_MAX: usize = 65_535;
/// The longest plaintext of one transport message.
pub const PLAINTEXT_MAX: usize = MESSAGE_MAX - TAG_LENGTH;
const TAG_LENGTH: usize = 16;

/// An X25519 public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StaticKey(pub [u8; 32]);

impl StaticKey {
    /// The public key of a secret.
    pub fn of(secret: &[u8; 32]) -> Self {
        Self(MontgomeryPoint::mul_base_clamped(*secret).to_bytes())
    }
}

/// The handshake failed: the other side is not who it should be, disagrees on the prologue, or sent garbage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the encrypted handshake failed")]
pub struct NoiseError;

/// A handshake under way.
pub struct Handshake(snow::HandshakeState);

/// Both directions of an established conversation, in order: message n opens only after messages 0..n.
pub struct Transport {
    state: snow::TransportState,
    binding: [u8; 64],
}

/// Both directions of an established conversation over links that lose, repeat or reorder: every message carries its
/// number beside it. The caller never seals two messages under one number, and refuses numbers that it has opened
/// before; this type remembers neither.
pub struct NumberedTransport {
    state: snow::StatelessTransportState,
    binding: [u8; 64],
}

impl Handshake {
    /// Opens towards a responder whose static key is known. `seed` must be fresh randomness.
    pub fn initiator(
        own_static: &[u8; 32],
        responder: StaticKey,
        prologue: &[u8],
        seed: &[u8; 32],
    ) -> Result<Self, NoiseError> {
        let state = builder(seed)
            .local_private_key(own_static)
            .and_then(|b| b.remote_public_key(&responder.0))
            .and_then(|b| b.prologue(prologue))
            .and_then(|b| b.build_initiator());
        state.map(Self).map_err(|_| NoiseError)
    }

    /// Waits for an initiator. `seed` must be fresh randomness.
    pub fn responder(own_static: &[u8; 32], prologue: &[u8], seed: &[u8; 32]) -> Result<Self, NoiseError> {
        let state = builder(seed)
            .local_private_key(own_static)
            .and_then(|b| b.prologue(prologue))
            .and_then(|b| b.build_responder());
        state.map(Self).map_err(|_| NoiseError)
    }

    /// The next handshake message, carrying `payload`.
    pub fn write(&mut self, payload: &[u8]) -> Result<Vec<u8>, NoiseError> {
        let mut message = vec![0; MESSAGE_MAX];
        let length = self.0.write_message(payload, &mut message).map_err(|_| NoiseError)?;
        message.truncate(length);
        Ok(message)
    }

    /// Reads the other side's handshake message and gives its payload.
    pub fn read(&mut self, message: &[u8]) -> Result<Vec<u8>, NoiseError> {
        let mut payload = vec![0; message.len()];
        let length = self.0.read_message(message, &mut payload).map_err(|_| NoiseError)?;
        payload.truncate(length);
        Ok(payload)
    }

    /// The other side's static key, once it is known.
    pub fn remote_static(&self) -> Option<StaticKey> {
        self.0.get_remote_static()?.try_into().ok().map(StaticKey)
    }

    pub fn is_finished(&self) -> bool {
        self.0.is_handshake_finished()
    }

    /// The conversation, once both messages have been exchanged.
    pub fn into_transport(self) -> Result<Transport, NoiseError> {
        let binding = self.0.get_handshake_hash().try_into().map_err(|_| NoiseError)?;
        let state = self.0.into_transport_mode().map_err(|_| NoiseError)?;
        Ok(Transport { state, binding })
    }

    /// The conversation with numbered messages, once both messages have been exchanged.
    pub fn into_numbered_transport(self) -> Result<NumberedTransport, NoiseError> {
        let binding = self.0.get_handshake_hash().try_into().map_err(|_| NoiseError)?;
        let state = self.0.into_stateless_transport_mode().map_err(|_| NoiseError)?;
        Ok(NumberedTransport { state, binding })
    }
}

impl NumberedTransport {
    /// Encrypts up to [`PLAINTEXT_MAX`] bytes under a number that was never used before in this direction.
    pub fn seal(&self, number: u64, plaintext: &[u8]) -> Result<Vec<u8>, NoiseError> {
        let mut message = vec![0; plaintext.len() + TAG_LENGTH];
        let length = self.state.write_message(number, plaintext, &mut message).map_err(|_| NoiseError)?;
        message.truncate(length);
        Ok(message)
    }

    /// Decrypts the message that was sealed under `number`. A forgery changes nothing.
    pub fn open(&self, number: u64, message: &[u8]) -> Result<Vec<u8>, NoiseError> {
        let mut plaintext = vec![0; message.len()];
        let length = self.state.read_message(number, message, &mut plaintext).map_err(|_| NoiseError)?;
        plaintext.truncate(length);
        Ok(plaintext)
    }

    /// As [`Transport::binding`].
    pub fn binding(&self) -> &[u8; 64] {
        &self.binding
    }
}

impl Transport {
    /// Encrypts up to [`PLAINTEXT_MAX`] bytes.
    pub fn seal(&mut self, plaintext: &[u8]) -> Result<Vec<u8>, NoiseError> {
        let mut message = vec![0; plaintext.len() + TAG_LENGTH];
        let length = self.state.write_message(plaintext, &mut message).map_err(|_| NoiseError)?;
        message.truncate(length);
        Ok(message)
    }

    /// Decrypts the next message.
    pub fn open(&mut self, message: &[u8]) -> Result<Vec<u8>, NoiseError> {
        let mut plaintext = vec![0; message.len()];
        let length = self.state.read_message(message, &mut plaintext).map_err(|_| NoiseError)?;
        plaintext.truncate(length);
        Ok(plaintext)
    }

    /// The handshake hash: names this conversation, the same on both sides, for binding other things to it.
    pub fn binding(&self) -> &[u8; 64] {
        &self.binding
    }
}

fn builder(seed: &[u8; 32]) -> snow::Builder<'static> {
    let params: NoiseParams = PATTERN.parse().expect("the pattern is one that snow knows");
    snow::Builder::with_resolver(params, resolver(seed))
}

fn resolver(seed: &[u8; 32]) -> BoxedCryptoResolver {
    Box::new(SeededResolver { seed: Zeroizing::new(*seed), default: DefaultResolver })
}

/// The library's default algorithms, with randomness expanded from the seed that was passed in.
struct SeededResolver {
    seed: Zeroizing<[u8; 32]>,
    default: DefaultResolver,
}

struct SeededRandom {
    seed: Zeroizing<[u8; 32]>,
    drawn: u64,
}

impl Random for SeededRandom {
    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), snow::Error> {
        EPHEMERAL.expand(&[&*self.seed, &self.drawn.to_le_bytes()], out);
        self.drawn += 1;
        Ok(())
    }
}

impl CryptoResolver for SeededResolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(SeededRandom { seed: self.seed.clone(), drawn: 0 }))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        self.default.resolve_dh(choice)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn NoiseHash>> {
        self.default.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        self.default.resolve_cipher(choice)
    }
}

impl fmt::Debug for StaticKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StaticKey({}…)", hex::encode(&self.0[..4]))
    }
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handshake")
    }
}

impl fmt::Debug for NumberedTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NumberedTransport")
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport")
    }
}

impl byway_primitives::Encode for StaticKey {
    fn encode(&self, out: &mut byway_primitives::Writer) {
        out.raw(&self.0);
    }
}

impl byway_primitives::Decode for StaticKey {
    fn decode(input: &mut byway_primitives::Reader<'_>) -> Result<Self, byway_primitives::DecodeError> {
        input.array().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: [u8; 32] = [1; 32];
    const BOB: [u8; 32] = [2; 32];

    fn handshake(
        prologue_a: &[u8],
        prologue_b: &[u8],
        expected: StaticKey,
    ) -> Result<(Transport, Transport), NoiseError> {
        let mut alice = Handshake::initiator(&ALICE, expected, prologue_a, &[3; 32])?;
        let mut bob = Handshake::responder(&BOB, prologue_b, &[4; 32])?;
        assert_eq!(bob.read(&alice.write(b"hello")?)?, b"hello");
        assert_eq!(bob.remote_static(), Some(StaticKey::of(&ALICE)));
        assert_eq!(alice.read(&bob.write(b"welcome")?)?, b"welcome");
        Ok((alice.into_transport()?, bob.into_transport()?))
    }

    #[test]
    fn two_sides_that_agree_can_talk() {
        let (mut alice, mut bob) = handshake(b"p", b"p", StaticKey::of(&BOB)).expect("completes");
        assert_eq!(alice.binding(), bob.binding());
        for text in [&b"one"[..], b"", &[7; PLAINTEXT_MAX]] {
            let sealed = alice.seal(text).expect("seals");
            assert_eq!(bob.open(&sealed).expect("opens"), text);
            assert!(bob.open(&sealed).is_err(), "a replay must not open");
        }
        assert!(alice.seal(&[0; PLAINTEXT_MAX + 1]).is_err());
    }

    #[test]
    fn disagreement_on_prologue_or_key_ends_it() {
        assert!(handshake(b"p", b"q", StaticKey::of(&BOB)).is_err());
        assert!(handshake(b"p", b"p", StaticKey::of(&ALICE)).is_err());
    }

    #[test]
    fn numbered_messages_open_in_any_order_and_only_under_their_number() {
        let mut alice = Handshake::initiator(&ALICE, StaticKey::of(&BOB), b"p", &[3; 32]).expect("starts");
        let mut bob = Handshake::responder(&BOB, b"p", &[4; 32]).expect("starts");
        bob.read(&alice.write(b"").expect("writes")).expect("reads");
        alice.read(&bob.write(b"").expect("writes")).expect("reads");
        let alice = alice.into_numbered_transport().expect("completes");
        let bob = bob.into_numbered_transport().expect("completes");
        assert_eq!(alice.binding(), bob.binding());
        let (first, second) = (alice.seal(1, b"one").expect("seals"), alice.seal(2, b"two").expect("seals"));
        assert_eq!(bob.open(2, &second).expect("opens"), b"two");
        assert!(bob.open(2, &first).is_err());
        assert!(alice.open(1, &first).is_err(), "the directions have different keys");
        assert_eq!(bob.open(1, &first).expect("opens"), b"one");
    }
}
