//! Fuzz targets: one function per decoder that strangers can reach.
//!
//! A target takes any bytes and must not panic, hang or allocate without bound; where bytes decode, they must encode to
//! the same bytes again, because everything here is canonical. `tests/stable.rs` runs all of them on the stable toolchain
//! with mutated samples; a coverage-guided fuzzer can call the same functions.

use byway_primitives::codec::{Decode, Encode, decode_exact};

/// A target by name.
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]),
}

macro_rules! canonical {
    ($($name:ident: $type:ty),* $(,)?) => {
        /// Every target.
        pub const TARGETS: &[Target] = &[
            $(Target { name: stringify!($name), run: $name },)*
            Target { name: "verify_transaction", run: verify_transaction },
            Target { name: "open_keystore", run: open_keystore },
        ];

        $(
            fn $name(bytes: &[u8]) {
                reencodes::<$type>(bytes);
            }
        )*
    };
}

canonical! {
    transaction: byway_records::Transaction,
    call_envelope: byway_records::CallEnvelope,
    signed_offer: byway_records::SignedOffer,
    signed_promise: byway_records::SignedPromise,
    certificate: byway_records::Certificate,
    scan_data: byway_records::scan::ScanData,
    published_offer: byway_records::state::PublishedOffer,
    account: byway_records::state::Account,
    kernel_message: byway_kernel::Message,
    follower_request: byway_kernel::follower::Request,
    follower_answer: byway_kernel::follower::Answer,
    program_difference: byway_ledger::ProgramDifference,
    state_proof: byway_ledger::StateProof,
    range_proof: byway_ledger::RangeProof,
    static_certificate: byway_dialogue::StaticCertificate,
    payment_message: byway_dialogue::payment::PaymentMessage,
    session_message: byway_access::SessionMessage,
    stream_header: byway_driver::socks::StreamHeader,
    link_contact: byway_driver::link::LinkContact,
}

fn reencodes<T: Decode + Encode>(bytes: &[u8]) {
    if let Ok(value) = decode_exact::<T>(bytes) {
        assert_eq!(value.to_bytes(), bytes, "what decodes must encode to the same bytes");
    }
}

/// Decoding and every check that needs no ledger.
fn verify_transaction(bytes: &[u8]) {
    let network = byway_primitives::NetworkId(byway_primitives::Hash([7; 32]));
    // Whether it is good is not the question here.
    let _ = byway_records::verified::verify_bytes(network, bytes);
}

fn open_keystore(bytes: &[u8]) {
    let _ = byway_crypto::keystore::open(bytes, "passphrase");
}
