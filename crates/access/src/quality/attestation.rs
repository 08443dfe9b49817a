//! Attestations: what an identity says of how a provider served it, signed (row A2).
//!
//! An attestation is little on purpose: who, of whom, between which days, and [`Figures`]. It is signed by the attester for one
//! network, so whoever passes it on can't change it, and it says nothing any more [`EXPIRES_AFTER_DAYS`] after its last day. Of one attester on one
//! provider's service the newest counts.
//!
//! [`Attestations`] keeps what was heard, in bounded space: [`ATTESTERS_MAX`] on one provider's service, those of the best
//! standing, and [`SUBJECTS_MAX`] of these. Whoever fills it with words of fresh identities drives out others like them, and
//! nobody else.

use std::collections::BTreeMap;

use byway_crypto::{IdentitySecret, IdentitySignature, Purpose};
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{IdentityId, NetworkId, Time};
use byway_records::offer::Service;

use super::figures::Figures;
use super::measurement::{Measurement, day_of};

/// The version that this code writes and reads.
const VERSION: u8 = 1;
/// Days after its last day for which an attestation counts.
pub const EXPIRES_AFTER_DAYS: u32 = 14;
/// Days that one attestation may be about. What was seen earlier has no weight in it anyway.
pub const SPAN_DAYS_MAX: u32 = 90;
/// Attesters that are kept on one provider's service: more say nothing that these don't.
pub const ATTESTERS_MAX: usize = 32;
/// Providers' services on which attestations are kept.
pub const SUBJECTS_MAX: usize = 4096;

/// What an attester says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attestation {
    pub attester: IdentityId,
    pub provider: IdentityId,
    pub service: Service,
    /// Days since the beginning of 1970, both included.
    pub from_day: u32,
    pub until_day: u32,
    pub figures: Figures,
}

/// An attestation and its attester's signature (not yet checked).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedAttestation {
    pub attestation: Attestation,
    pub signature: IdentitySignature,
}

/// An attestation that its attester signed for this network, and that is current.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifiedAttestation(SignedAttestation);

/// How an attestation is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AttestationFault {
    #[error("the attestation was not signed by its attester for this network")]
    Signature,
    #[error("the attestation is of a day that has not come")]
    Future,
    #[error("the attestation has expired")]
    Expired,
}

impl Attestation {
    /// What `attester` can say of what it measured. `None` where it has measured nothing, or is the provider itself.
    pub fn of(
        attester: IdentityId,
        (provider, service): (IdentityId, Service),
        measured: &Measurement,
    ) -> Option<Attestation> {
        let (from_day, until_day) = measured.days();
        let from_day = from_day.max(until_day.saturating_sub(SPAN_DAYS_MAX)).min(until_day);
        let figures = measured.figures()?;
        (attester != provider).then_some(Self { attester, provider, service, from_day, until_day, figures })
    }

    pub fn sign(self, network: NetworkId, attester: &IdentitySecret) -> SignedAttestation {
        let signature = attester.sign(Purpose::Attestation, network, &self.to_bytes());
        SignedAttestation { attestation: self, signature }
    }

    fn is_expired(&self, now: Time) -> bool {
        day_of(now).saturating_sub(self.until_day) > EXPIRES_AFTER_DAYS
    }
}

impl SignedAttestation {
    /// # Errors
    /// It is not its attester's, or of no day that counts.
    pub fn verify(self, network: NetworkId, now: Time) -> Result<VerifiedAttestation, AttestationFault> {
        let attestation = &self.attestation;
        // Clocks may differ by a little around midnight.
        if attestation.until_day > day_of(now).saturating_add(1) {
            return Err(AttestationFault::Future);
        }
        if attestation.is_expired(now) {
            return Err(AttestationFault::Expired);
        }
        let signed =
            self.signature.verify(attestation.attester, Purpose::Attestation, network, &attestation.to_bytes());
        signed.map_err(|_| AttestationFault::Signature)?;
        Ok(VerifiedAttestation(self))
    }
}

impl VerifiedAttestation {
    pub fn get(&self) -> &Attestation {
        &self.0.attestation
    }

    pub fn signed(&self) -> SignedAttestation {
        self.0
    }
}

/// What was heard.
#[derive(Debug, Clone, Default)]
pub struct Attestations(BTreeMap<(IdentityId, Service), BTreeMap<IdentityId, Held>>);

#[derive(Debug, Clone, Copy)]
struct Held {
    word: VerifiedAttestation,
    /// The attester's when it was taken up.
    standing: u16,
}

impl Attestations {
    /// Takes up what was heard from whoever is registered and stands like this. Whether anything changed.
    pub fn take(&mut self, now: Time, word: VerifiedAttestation, standing: u16) -> bool {
        let said = word.get();
        let of = (said.provider, said.service);
        if !self.0.contains_key(&of) && self.0.len() >= SUBJECTS_MAX {
            self.forget(now);
            if self.0.len() >= SUBJECTS_MAX {
                return false;
            }
        }
        let words = self.0.entry(of).or_default();
        // Of two of one day, one wins everywhere, in whichever order they come.
        let newness = |word: &VerifiedAttestation| (word.get().until_day, word.get().from_day, word.get().figures);
        if words.get(&said.attester).is_some_and(|held| newness(&held.word) >= newness(&word)) {
            return false;
        }
        if words.len() >= ATTESTERS_MAX && !words.contains_key(&said.attester) {
            let rank = |standing: u16, word: &VerifiedAttestation| {
                (!word.get().is_expired(now), standing, word.get().until_day, word.get().attester)
            };
            let lowest = words.values().min_by_key(|held| rank(held.standing, &held.word)).copied();
            match lowest.filter(|held| rank(held.standing, &held.word) < rank(standing, &word)) {
                Some(lowest) => words.remove(&lowest.word.get().attester),
                None => return false,
            };
        }
        words.insert(said.attester, Held { word, standing });
        true
    }

    /// Lets go of what has expired.
    pub fn forget(&mut self, now: Time) {
        self.0.values_mut().for_each(|words| words.retain(|_, held| !held.word.get().is_expired(now)));
        self.0.retain(|_, words| !words.is_empty());
    }

    /// What is said of one provider's service.
    pub fn on(&self, now: Time, of: (IdentityId, Service)) -> impl Iterator<Item = &Attestation> {
        let words = self.0.get(&of).into_iter().flatten();
        words.map(|(_, held)| held.word.get()).filter(move |word| !word.is_expired(now))
    }

    /// What one attester says of one provider's service.
    pub fn word(&self, attester: IdentityId, of: (IdentityId, Service)) -> Option<&Attestation> {
        self.0.get(&of)?.get(&attester).map(|held| held.word.get())
    }

    /// Everything, in order of providers from `start` on and round to the beginning: what is told when somebody asks.
    pub fn from(&self, now: Time, start: IdentityId) -> impl Iterator<Item = SignedAttestation> {
        let first = (start, Service(0));
        let words = self.0.range(first..).chain(self.0.range(..first)).flat_map(|(_, words)| words.values());
        words.filter(move |held| !held.word.get().is_expired(now)).map(|held| held.word.signed())
    }

    /// Everyone who is spoken of.
    pub fn subjects(&self) -> impl Iterator<Item = (IdentityId, Service)> {
        self.0.keys().copied()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Encode for Attestation {
    fn encode(&self, out: &mut Writer) {
        out.byte(VERSION);
        out.value(&self.attester);
        out.value(&self.provider);
        out.varint(self.service.0);
        out.varint(self.from_day);
        out.varint(self.until_day);
        out.value(&self.figures);
    }
}

impl Decode for Attestation {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            VERSION => {}
            other => return Err(DecodeError::UnknownVariant { kind: "attestation version", value: other.into() }),
        }
        let (attester, provider, service) = (input.value()?, input.value()?, Service(input.u16()?));
        let (from_day, until_day) = (input.u32()?, input.u32()?);
        if attester == provider {
            return Err(DecodeError::Invalid("attestation: of oneself"));
        }
        if until_day.checked_sub(from_day).is_none_or(|days| days > SPAN_DAYS_MAX) {
            return Err(DecodeError::Invalid("attestation: its days"));
        }
        Ok(Self { attester, provider, service, from_day, until_day, figures: input.value()? })
    }
}

impl Encode for SignedAttestation {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.attestation);
        out.value(&self.signature);
    }
}

impl Decode for SignedAttestation {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { attestation: input.value()?, signature: input.value()? })
    }
}

#[cfg(test)]
mod tests {
    use super::super::measurement::Seen;
    use super::*;
    use byway_primitives::{Hash, Span};

    const NETWORK: NetworkId = NetworkId(Hash([7; 32]));
    const NOW: Time = Time(20_000 * 86_400_000);
    const PROVIDER: IdentityId = IdentityId([9; 20]);
    const OF: (IdentityId, Service) = (PROVIDER, Service::SOCKS);

    fn secret(number: u16) -> IdentitySecret {
        let mut bytes = [1; 32];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        IdentitySecret::from_bytes(&bytes).expect("a key")
    }

    fn word(attester: u16, day: Time) -> SignedAttestation {
        let mut measured = Measurement::default();
        measured.note(day, Seen::Opened);
        let said = Attestation::of(secret(attester).id(), OF, &measured).expect("it was measured");
        said.sign(NETWORK, &secret(attester))
    }

    fn verified(attester: u16, day: Time) -> VerifiedAttestation {
        word(attester, day).verify(NETWORK, day).expect("good")
    }

    #[test]
    fn only_its_attesters_word_for_this_network_and_a_day_that_counts_is_verified() {
        let signed = word(1, NOW);
        let check = |signed: SignedAttestation, network, days_later: i64, expected| {
            let now = Time((NOW.0 as i64 + days_later * 86_400_000) as u64);
            assert_eq!(signed.verify(network, now).err(), expected, "{signed:?} {days_later}");
        };
        check(signed, NETWORK, 0, None);
        check(signed, NETWORK, -1, None);
        check(signed, NETWORK, -2, Some(AttestationFault::Future));
        check(signed, NETWORK, 14, None);
        check(signed, NETWORK, 15, Some(AttestationFault::Expired));
        check(signed, NetworkId(Hash([8; 32])), 0, Some(AttestationFault::Signature));
        let mut other = signed;
        other.attestation.figures.cheated = true;
        check(other, NETWORK, 0, Some(AttestationFault::Signature));
        other = signed;
        other.attestation.attester = secret(2).id();
        check(other, NETWORK, 0, Some(AttestationFault::Signature));
    }

    #[test]
    fn nobody_attests_itself_and_days_are_in_order() {
        let mut measured = Measurement::default();
        measured.note(NOW, Seen::Opened);
        assert_eq!(Attestation::of(PROVIDER, OF, &measured), None);
        let good = word(1, NOW).attestation;
        assert_eq!(Attestation::from_bytes(&good.to_bytes()), Ok(good));
        for ill in [
            Attestation { provider: good.attester, ..good },
            Attestation { from_day: good.until_day + 1, ..good },
            Attestation { from_day: good.until_day - SPAN_DAYS_MAX - 1, ..good },
        ] {
            assert!(Attestation::from_bytes(&ill.to_bytes()).is_err(), "{ill:?}");
        }
    }

    #[test]
    fn the_newest_word_of_an_attester_counts() {
        let mut all = Attestations::default();
        let later = NOW + Span::days(1);
        assert!(all.take(NOW, verified(1, NOW), 500));
        assert!(!all.take(NOW, verified(1, NOW), 500), "said twice");
        assert!(all.take(later, verified(1, later), 500));
        assert!(!all.take(later, verified(1, NOW), 500), "older");
        assert_eq!(all.on(later, OF).count(), 1);
        assert_eq!(all.word(secret(1).id(), OF).map(|said| said.until_day), Some(20_001));
        assert_eq!(all.on(later + Span::days(15), OF).count(), 0);
        all.forget(later + Span::days(15));
        assert!(all.is_empty());
    }

    #[test]
    fn a_flood_of_fresh_identities_drives_out_nobody_else() {
        let mut all = Attestations::default();
        for attester in 0..10 {
            assert!(all.take(NOW, verified(attester, NOW), 700));
        }
        for attester in 100..200 {
            all.take(NOW, verified(attester, NOW), 500);
        }
        assert_eq!(all.on(NOW, OF).count(), ATTESTERS_MAX);
        for attester in 0..10 {
            assert!(all.word(secret(attester).id(), OF).is_some(), "{attester}");
        }
        assert!(all.take(NOW, verified(300, NOW), 701), "one of standing gets in");
    }

    #[test]
    fn what_is_told_begins_anywhere_and_goes_round() {
        let mut all = Attestations::default();
        all.take(NOW, verified(1, NOW), 500);
        for start in [IdentityId([0; 20]), PROVIDER, IdentityId([255; 20])] {
            assert_eq!(all.from(NOW, start).collect::<Vec<_>>(), [word(1, NOW)]);
        }
    }
}
