//! The signed records that everyone in a network exchanges, and what a program keeps on the ledger.
//!
//! - [`transaction`]: outputs are spent and made, and a program may be called ([`call`]). [`asset`]: what is counted.
//! - [`offer`]: something for sale (row A1). [`promise`]: a cumulative IOU (row A4); [`pair`]: two of them, each way one.
//! - [`channel`]: what two parties of a channel sign, and what the ledger knows of it (rows C1, C3).
//! - [`snapshot`]: what a kernel node signs each round. [`checkpoint`]: what two thirds of the kernel certify; [`scan`]: what a wallet needs to see of each.
//! - [`range`]: proofs that something stands at a place of a list. [`tree`]: a provable map, and the part of one that is known.
//! - [`epoch`]: who the kernel nodes are, from one change to the next. [`roll`]: who counted in past ones; [`evidence`]:
//!   what proves that one of them broke the rules; [`entry`]: what a node hands its owner to join with.
//! - [`genesis`]: the file that a network is; its digest names the network.
//! - [`holders`]: who keeps what is sent to an identity that is away (row M6). [`names`]: a public directory, and what a name may be.
//! - [`domain`]: a name and all below it, as lists have it. [`note`]: what a payment is for.
//! - [`state`]: entries of the programs' provable state, as followers read them.
//! - [`reject`]: every reason for which the ledger turns something down.
//!
//! An SDK needs this crate and not the ledger. All encodings are canonical (see [`byway_primitives::codec`]); their
//! formats are frozen by digest in `tests/formats.rs` and described in `docs/formats/records.md`.

pub mod asset;
pub mod call;
pub mod channel;
pub mod checkpoint;
pub mod domain;
pub mod entry;
pub mod epoch;
pub mod evidence;
pub mod genesis;
pub mod holders;
pub mod names;
pub mod note;
pub mod offer;
pub mod pair;
pub mod promise;
pub mod range;
pub mod received;
pub mod reject;
pub mod roll;
pub mod scan;
pub mod snapshot;
pub mod state;
pub mod transaction;
pub mod tree;
pub mod verified;

pub use asset::AssetTerms;
pub use call::{Call, CallEnvelope, ProgramId};
pub use channel::{Channel, ChannelState, ChannelTerms, Cosigned, FundingChange, MutualClose};
pub use checkpoint::{Certificate, Checkpoint, Height};
pub use domain::Domain;
pub use entry::{EntryError, SignedEntry};
pub use epoch::{Epoch, Seat, Seats, Standing};
pub use evidence::Evidence;
pub use genesis::{Genesis, Member, MemberSet, Parameters};
pub use holders::{Delegate, Delegates};
pub use names::{Name, NameEntry};
pub use note::Note;
pub use offer::{Offer, OfferId, SignedOffer};
pub use pair::{CountersignedPair, PromisePair};
pub use promise::{Backing, Promise, SignedPromise};
pub use received::Received;
pub use reject::Reject;
pub use roll::Roll;
pub use transaction::{Body, Input, Lock, Output, OutputId, Transaction, TransactionId, Value, Witness};
pub use verified::VerifiedTransaction;
