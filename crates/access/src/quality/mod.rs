//! Quality: how well providers serve, without anyone who says so for all (row A2).
//!
//! # The problem
//!
//! The cheapest exit may be slow, dead or dishonest. Who has used it knows; who has not would like to. A central oracle that
//! probes everybody has to be trusted, can be bought or told apart from ordinary clients, and learns who is looked at. A
//! vote of everybody is worth what an identity costs.
//!
//! # The idea
//!
//! Everyone measures whom it uses anyway ([`measurement`]) and, if its user allows, says so under its name, in figures too
//! coarse to say much about the user ([`attestation`]). Whoever hears that weighs it for itself ([`weighing`]): by what the
//! ledger says of the attester, by how far its words on providers that both know agree with what was measured here, and
//! never beyond bounds that hold whatever is said. What was measured here counts more than what others say, the more there
//! is of it. Offers are then ranked by price, by quality, or by both ([`ranking`]).
//!
//! ```text
//! sessions ──► Measurements ──► own Figures ─────────────┐
//!                   │ signed, if the user allows         ├─► rate ──► Rating ──► Index::rate ──► Candidates
//!                   ▼                                    │
//!             Attestation ──► other peers ──► Attestations ┘ (standing in the ledger, agreement with us)
//! ```
//!
//! *A probe is no message of its own.* Whoever wants to measure a provider opens an ordinary session with it, by an ordinary
//! identity, at a random time, and pays. A provider has nothing to tell it by.
//!
//! # How words travel
//!
//! Over dialogues that are there anyway ([`exchange`]): each side may ask the other. Who sells passes on what it was told of
//! anyone; who only buys tells what it measured itself. Words are signed, so whoever passes them on can withhold and not
//! forge; so each asks everyone that it talks with.
//!
//! # What others can and cannot do
//!
//! - *Fresh identities*, however many, move a provider that nobody else speaks of by at most 100 of 1000 points from the
//!   middle, and any provider by at most [`FRESH_SHIFT_MAX`]; the less, the more was measured here ([`weighing`] reckons it).
//! - *One attester*, of whatever standing, moves it by at most 100 when it speaks alone; among several it does not matter how far
//!   off it is, since a median is taken.
//! - *A provider* can withhold words, serve some clients well and others badly, and praise itself under other names, for a
//!   pledge each. It can't unsay what was measured, and can't hear what is not asked.
//!
//! # What it is not
//!
//! No proof: a word is one identity's opinion. It decides the order of offers, and nothing about money.

pub mod attestation;
pub mod exchange;
mod figures;
pub mod measurement;
pub mod ranking;
pub mod weighing;

pub use attestation::{Attestation, AttestationFault, Attestations, SignedAttestation, VerifiedAttestation};
pub use exchange::{Exchange, QualityMessage};
pub use figures::Figures;
pub use measurement::{Measurement, Measurements, Seen};
pub use ranking::Sort;
pub use weighing::{Attester, FRESH_SHIFT_MAX, MIDDLE, Rating, agreement, rate};

/// Points of quality run from 0 to this.
pub const QUALITY_MAX: u16 = 1000;
