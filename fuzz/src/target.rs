//! What a target is.

use byway_primitives::codec::{Decode, Encode, decode_exact};

/// Good encodings.
pub type Samples = Vec<Vec<u8>>;

/// A target by name.
pub struct Target {
    pub name: &'static str,
    /// Says whether the bytes are good.
    pub run: fn(&[u8]) -> bool,
    /// Some that are.
    pub samples: fn() -> Samples,
}

pub(crate) fn reencodes<T: Decode + Encode>(bytes: &[u8]) -> bool {
    decode_exact::<T>(bytes).is_ok_and(|value| {
        assert_eq!(value.to_bytes(), bytes, "what decodes must encode to the same bytes");
        true
    })
}
