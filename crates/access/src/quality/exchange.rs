//! Asking others how providers have served them, and being asked (row A2).
//!
//! ```text
//! either side of a dialogue                     the other
//!   ── Ask {start} ──────────────────────────►    within an allowance; else silence
//!   ◄── Told {attestations} ──────────────────    [`TOLD_MAX`] at most, of providers from `start` on
//!   checks each; passes the good ones on
//! ```
//!
//! Who asks draws `start` at random: so the question says nothing about whom it is for, and who asks often hears of everyone in the end.
//! An answer is heard only when it was asked for. A word that is wrong in any way is passed over, and the others
//! in its message with it: whoever passes on what it could have checked is not to be trusted with more.
//!
//! The machine keeps what is asked and who may ask. What is told, and what becomes of what was heard, is the shell's.

use std::collections::{BTreeMap, BTreeSet};

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{IdentityId, NetworkId, Span, Time};

use super::attestation::{AttestationFault, SignedAttestation, VerifiedAttestation};
use crate::allowance::Allowance;

/// Attestations in one answer: some four kilobytes, and as many signature checks.
pub const TOLD_MAX: usize = 32;
/// Questions that a peer may ask at once, and how often one more.
const QUESTIONS_MAX: u64 = 4;
const QUESTION_EVERY: Span = Span::minutes(1);
/// Peers whose questions are counted, and of whom answers are awaited.
const PEERS_MAX: usize = 1024;

/// One message of the quality protocol. Canonical codec, first byte the kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QualityMessage {
    /// What do you know of providers, from this one on?
    Ask { start: IdentityId },
    /// This, or nothing.
    Told { attestations: Vec<SignedAttestation> },
}

/// Who asked whom.
#[derive(Debug, Clone)]
pub struct Exchange {
    network: NetworkId,
    awaited: BTreeSet<IdentityId>,
    askers: BTreeMap<IdentityId, Allowance>,
}

impl Exchange {
    pub fn new(network: NetworkId) -> Self {
        Self { network, awaited: BTreeSet::new(), askers: BTreeMap::new() }
    }

    /// Asks `peer`. `None` where too many are asked already.
    pub fn ask(&mut self, peer: IdentityId, start: IdentityId) -> Option<QualityMessage> {
        if self.awaited.len() >= PEERS_MAX && !self.awaited.contains(&peer) {
            return None;
        }
        self.awaited.insert(peer);
        Some(QualityMessage::Ask { start })
    }

    /// Whether `from`, who asks, is to be answered now.
    pub fn may_ask(&mut self, now: Time, from: IdentityId) -> bool {
        if self.askers.len() >= PEERS_MAX && !self.askers.contains_key(&from) {
            // Whoever has a full allowance loses nothing by being forgotten.
            self.askers.retain(|_, allowance| !allowance.is_full(now));
            if self.askers.len() >= PEERS_MAX {
                return false;
            }
        }
        let allowance = self.askers.entry(from).or_insert_with(|| Allowance::new(QUESTIONS_MAX, QUESTION_EVERY, now));
        allowance.take(now)
    }

    /// `from` answers. What was not asked for is passed over.
    ///
    /// # Errors
    /// One of the words is no attester's, or of no day that counts: none is taken.
    pub fn handle_told(
        &mut self,
        now: Time,
        from: IdentityId,
        attestations: &[SignedAttestation],
    ) -> Result<Vec<VerifiedAttestation>, AttestationFault> {
        if !self.awaited.remove(&from) {
            return Ok(Vec::new());
        }
        attestations.iter().map(|attestation| attestation.verify(self.network, now)).collect()
    }

    /// The dialogue with `peer` is over: it will not answer any more.
    pub fn forget(&mut self, peer: IdentityId) {
        self.awaited.remove(&peer);
    }
}

impl Encode for QualityMessage {
    fn encode(&self, out: &mut Writer) {
        match self {
            QualityMessage::Ask { start } => {
                out.byte(0);
                out.value(start);
            }
            QualityMessage::Told { attestations } => {
                out.byte(1);
                out.list(attestations);
            }
        }
    }
}

impl Decode for QualityMessage {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            0 => Ok(QualityMessage::Ask { start: input.value()? }),
            1 => Ok(QualityMessage::Told { attestations: input.list(TOLD_MAX)? }),
            other => Err(DecodeError::UnknownVariant { kind: "quality message", value: other.into() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::attestation::Attestation;
    use super::super::measurement::{Measurement, Seen};
    use super::*;
    use byway_crypto::IdentitySecret;
    use byway_primitives::Hash;
    use byway_records::offer::Service;

    const NETWORK: NetworkId = NetworkId(Hash([7; 32]));
    const NOW: Time = Time(20_000 * 86_400_000);
    const PEER: IdentityId = IdentityId([1; 20]);

    fn word(network: NetworkId) -> SignedAttestation {
        let secret = IdentitySecret::from_bytes(&[3; 32]).expect("a key");
        let mut measured = Measurement::default();
        measured.note(NOW, Seen::Opened);
        let said = Attestation::of(secret.id(), (IdentityId([9; 20]), Service::SOCKS), &measured);
        said.expect("it was measured").sign(network, &secret)
    }

    #[test]
    fn only_what_was_asked_for_is_heard_and_once() {
        let mut exchange = Exchange::new(NETWORK);
        let words = [word(NETWORK)];
        let heard = |exchange: &mut Exchange| exchange.handle_told(NOW, PEER, &words).map(|heard| heard.len());
        assert_eq!(heard(&mut exchange), Ok(0));
        exchange.ask(PEER, IdentityId([0; 20])).expect("there is room");
        assert_eq!(heard(&mut exchange), Ok(1));
        assert_eq!(heard(&mut exchange), Ok(0));
        exchange.ask(PEER, IdentityId([0; 20])).expect("there is room");
        exchange.forget(PEER);
        assert_eq!(heard(&mut exchange), Ok(0));
    }

    #[test]
    fn nothing_counts_of_an_answer_with_a_false_word() {
        let mut exchange = Exchange::new(NETWORK);
        exchange.ask(PEER, IdentityId([0; 20])).expect("there is room");
        let words = [word(NETWORK), word(NetworkId(Hash([8; 32])))];
        assert_eq!(exchange.handle_told(NOW, PEER, &words), Err(AttestationFault::Signature));
    }

    #[test]
    fn questions_are_answered_within_an_allowance() {
        let mut exchange = Exchange::new(NETWORK);
        let asked: Vec<bool> = (0..6).map(|_| exchange.may_ask(NOW, PEER)).collect();
        assert_eq!(asked, [true, true, true, true, false, false]);
        assert!(exchange.may_ask(NOW + Span::minutes(1), PEER));
        for number in 0..2000u64 {
            let mut id = [2; 20];
            id[..8].copy_from_slice(&number.to_be_bytes());
            exchange.may_ask(NOW, IdentityId(id));
        }
        assert!(!exchange.may_ask(NOW, IdentityId([5; 20])), "no more than so many are counted");
        assert!(exchange.may_ask(NOW + Span::minutes(10), IdentityId([5; 20])));
    }
}
