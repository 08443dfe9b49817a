//! The canonical, bounded binary encoding of everything that is signed, stored or sent.
//!
//! Why not a general serialiser: what is signed must have exactly one encoding, and what a stranger sends must never
//! make us allocate more than the bytes that arrived. So:
//!
//! - integers wider than a byte that are usually small are LEB128 varints in their shortest form; a longer form is
//!   refused;
//! - fixed arrays are their bytes; booleans and options are one byte, 0 or 1;
//! - byte strings, texts and lists carry their length as a varint, each with a maximum that the *reader* names;
//! - a list may not claim more elements than there are bytes left;
//! - [`decode_exact`] refuses trailing bytes.
//!
//! The laws (tested for every record): `decode(encode(x)) == x`, and whatever decodes encodes to the same bytes again.

use std::fmt;

/// Why bytes are not a value. A peer that sends such bytes is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("the bytes end too early")]
    Truncated,
    #[error("bytes are left over after the value")]
    Trailing,
    #[error("a number is not in its shortest form")]
    NotShortest,
    #[error("a number does not fit its type")]
    OutOfRange,
    #[error("a length of {length} is over the limit of {limit}")]
    TooLong { length: u64, limit: u64 },
    #[error("unknown {kind} {value}")]
    UnknownVariant { kind: &'static str, value: u64 },
    #[error("invalid {0}")]
    Invalid(&'static str),
}

/// Has a canonical encoding.
pub trait Encode {
    fn encode(&self, out: &mut Writer);

    /// The encoding as bytes.
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::new();
        self.encode(&mut out);
        out.into_bytes()
    }
}

/// Can be read back from its canonical encoding.
pub trait Decode: Sized {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError>;

    /// The value that `bytes` encode, all of them.
    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode_exact(bytes)
    }
}

/// Decodes one value and refuses bytes after it.
pub fn decode_exact<T: Decode>(bytes: &[u8]) -> Result<T, DecodeError> {
    let mut input = Reader::new(bytes);
    let value = T::decode(&mut input)?;
    input.finish()?;
    Ok(value)
}

/// Collects an encoding.
#[derive(Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self, value: u8) {
        self.0.push(value);
    }

    /// Bytes without a length: the reader knows how many.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// LEB128, shortest form.
    pub fn varint(&mut self, value: impl Into<u128>) {
        let mut value = value.into();
        while value >= 0x80 {
            self.0.push((value as u8 & 0x7f) | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// A length followed by the bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.varint(bytes.len() as u64);
        self.raw(bytes);
    }

    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub fn flag(&mut self, value: bool) {
        self.byte(u8::from(value));
    }

    pub fn value(&mut self, value: &impl Encode) {
        value.encode(self);
    }

    /// 0, or 1 and the value.
    pub fn option<T: Encode>(&mut self, value: Option<&T>) {
        self.flag(value.is_some());
        if let Some(value) = value {
            value.encode(self);
        }
    }

    /// The count, then each element.
    pub fn list<T: Encode>(&mut self, values: &[T]) {
        self.varint(values.len() as u64);
        for value in values {
            value.encode(self);
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Writer({} bytes)", self.0.len())
    }
}

/// Reads an encoding from the front.
#[derive(Debug, Clone)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// How many bytes are left.
    pub fn remaining(&self) -> usize {
        self.0.len()
    }

    /// What was read of this by the time that it had become `later`.
    ///
    /// # Panics
    /// If `later` is not this reader some values on.
    pub fn until(&self, later: &Reader<'_>) -> &'a [u8] {
        let read = self.0.len().checked_sub(later.0.len());
        &self.0[..read.expect("a reader only ever reads on")]
    }

    pub fn finish(&self) -> Result<(), DecodeError> {
        if self.0.is_empty() { Ok(()) } else { Err(DecodeError::Trailing) }
    }

    pub fn raw(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(DecodeError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(DecodeError::Truncated)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub fn byte(&mut self) -> Result<u8, DecodeError> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub fn varint(&mut self) -> Result<u128, DecodeError> {
        let mut value = 0u128;
        for shift in (0..).step_by(7) {
            let byte = self.byte()?;
            let bits = u128::from(byte & 0x7f);
            if shift >= 128 || (bits << shift) >> shift != bits {
                return Err(DecodeError::OutOfRange);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                if byte == 0 && shift > 0 {
                    return Err(DecodeError::NotShortest);
                }
                return Ok(value);
            }
        }
        Err(DecodeError::OutOfRange)
    }

    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        self.varint()?.try_into().map_err(|_| DecodeError::OutOfRange)
    }

    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.varint()?.try_into().map_err(|_| DecodeError::OutOfRange)
    }

    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.varint()?.try_into().map_err(|_| DecodeError::OutOfRange)
    }

    pub fn flag(&mut self) -> Result<bool, DecodeError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            value => Err(DecodeError::UnknownVariant { kind: "flag", value: value.into() }),
        }
    }

    /// A length of at most `limit`.
    fn length(&mut self, limit: usize) -> Result<usize, DecodeError> {
        let length = self.u64()?;
        if length > limit as u64 {
            return Err(DecodeError::TooLong { length, limit: limit as u64 });
        }
        Ok(length as usize)
    }

    /// A byte string of at most `limit` bytes.
    pub fn bytes(&mut self, limit: usize) -> Result<&'a [u8], DecodeError> {
        let length = self.length(limit)?;
        self.raw(length)
    }

    /// A text of at most `limit` bytes of UTF-8.
    pub fn text(&mut self, limit: usize) -> Result<String, DecodeError> {
        let bytes = self.bytes(limit)?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| DecodeError::Invalid("UTF-8 text"))
    }

    pub fn value<T: Decode>(&mut self) -> Result<T, DecodeError> {
        T::decode(self)
    }

    pub fn option<T: Decode>(&mut self) -> Result<Option<T>, DecodeError> {
        if self.flag()? { T::decode(self).map(Some) } else { Ok(None) }
    }

    /// A list of at most `limit` elements. Every element takes at least one byte, so a count over what is left is
    /// refused before anything is allocated.
    pub fn list<T: Decode>(&mut self, limit: usize) -> Result<Vec<T>, DecodeError> {
        let count = self.length(limit)?;
        if count > self.remaining() {
            return Err(DecodeError::Truncated);
        }
        (0..count).map(|_| T::decode(self)).collect()
    }
}

impl<const N: usize> Encode for [u8; N] {
    fn encode(&self, out: &mut Writer) {
        out.raw(self);
    }
}

impl<const N: usize> Decode for [u8; N] {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.array()
    }
}

macro_rules! varint_codec {
    ($($int:ty),*) => {$(
        impl Encode for $int {
            fn encode(&self, out: &mut Writer) {
                out.varint(*self);
            }
        }
        impl Decode for $int {
            fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
                input.varint()?.try_into().map_err(|_| DecodeError::OutOfRange)
            }
        }
    )*};
}

varint_codec!(u16, u32, u64);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn varint_of(bytes: &[u8]) -> Result<u128, DecodeError> {
        let mut input = Reader::new(bytes);
        let value = input.varint()?;
        input.finish()?;
        Ok(value)
    }

    #[test]
    fn a_number_has_one_encoding() {
        for (bytes, expected) in [
            (&[0u8][..], Ok(0)),
            (&[0x7f], Ok(127)),
            (&[0x80, 0x01], Ok(128)),
            (&[0x80, 0x00], Err(DecodeError::NotShortest)),
            (&[0x80], Err(DecodeError::Truncated)),
            (&[0x01, 0x01], Err(DecodeError::Trailing)),
        ] {
            assert_eq!(varint_of(bytes), expected, "{bytes:?}");
        }
        let mut over = vec![0xff; 18];
        over.push(0x04);
        assert_eq!(varint_of(&over), Err(DecodeError::OutOfRange));
    }

    #[test]
    fn a_claimed_length_never_allocates() {
        let mut out = Writer::new();
        out.varint(u64::MAX);
        let bytes = out.into_bytes();
        assert!(matches!(Reader::new(&bytes).bytes(1024), Err(DecodeError::TooLong { .. })));
        let mut out = Writer::new();
        out.varint(1000u64);
        let bytes = out.into_bytes();
        assert_eq!(Reader::new(&bytes).list::<u64>(1 << 20), Err(DecodeError::Truncated));
    }

    proptest! {
        #[test]
        fn numbers_come_back(value: u128) {
            let mut out = Writer::new();
            out.varint(value);
            prop_assert_eq!(varint_of(&out.into_bytes()), Ok(value));
        }

        #[test]
        fn whatever_decodes_encodes_to_the_same_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..24)) {
            if let Ok(value) = varint_of(&bytes) {
                let mut out = Writer::new();
                out.varint(value);
                prop_assert_eq!(out.into_bytes(), bytes);
            }
        }
    }
}
