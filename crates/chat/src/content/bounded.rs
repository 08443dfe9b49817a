//! Texts and lists that can't be longer than their reader lets them: what is made here, the other side can read.

use std::ops::Deref;

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};

/// More than there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this has {length} {unit}, and {limit} is the most that there may be; make it shorter")]
pub struct TooMuch {
    pub length: usize,
    pub limit: usize,
    pub unit: &'static str,
}

fn within(length: usize, limit: usize, unit: &'static str) -> Result<(), TooMuch> {
    if length > limit { Err(TooMuch { length, limit, unit }) } else { Ok(()) }
}

/// A text of at most `MAX` bytes of UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct BoundedText<const MAX: usize>(String);

impl<const MAX: usize> BoundedText<MAX> {
    /// # Errors
    /// [`TooMuch`] where it has more than `MAX` bytes.
    pub fn new(text: impl Into<String>) -> Result<Self, TooMuch> {
        let text = text.into();
        within(text.len(), MAX, "bytes")?;
        Ok(Self(text))
    }
}

impl<const MAX: usize> Deref for BoundedText<MAX> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> Encode for BoundedText<MAX> {
    fn encode(&self, out: &mut Writer) {
        out.text(&self.0);
    }
}

impl<const MAX: usize> Decode for BoundedText<MAX> {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.text(MAX).map(Self)
    }
}

/// At most `MAX` bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct BoundedBytes<const MAX: usize>(Vec<u8>);

impl<const MAX: usize> BoundedBytes<MAX> {
    /// # Errors
    /// [`TooMuch`] where there are more than `MAX`.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, TooMuch> {
        let bytes = bytes.into();
        within(bytes.len(), MAX, "bytes")?;
        Ok(Self(bytes))
    }
}

impl<const MAX: usize> Deref for BoundedBytes<MAX> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<const MAX: usize> Encode for BoundedBytes<MAX> {
    fn encode(&self, out: &mut Writer) {
        out.bytes(&self.0);
    }
}

impl<const MAX: usize> Decode for BoundedBytes<MAX> {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.bytes(MAX).map(|bytes| Self(bytes.to_vec()))
    }
}

/// At most `MAX` of something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BoundedList<T, const MAX: usize>(Vec<T>);

impl<T, const MAX: usize> BoundedList<T, MAX> {
    /// # Errors
    /// [`TooMuch`] where there are more than `MAX`.
    pub fn new(values: impl Into<Vec<T>>) -> Result<Self, TooMuch> {
        let values = values.into();
        within(values.len(), MAX, "elements")?;
        Ok(Self(values))
    }
}

impl<T, const MAX: usize> Default for BoundedList<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MAX: usize> Deref for BoundedList<T, MAX> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Encode, const MAX: usize> Encode for BoundedList<T, MAX> {
    fn encode(&self, out: &mut Writer) {
        out.list(&self.0);
    }
}

impl<T: Decode, const MAX: usize> Decode for BoundedList<T, MAX> {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.list(MAX).map(Self)
    }
}

/// Encodes a struct field by field: a `value`, an `option` or a `flag` each.
macro_rules! fields {
    ($($name:ident { $($field:ident: $how:ident),* $(,)? })*) => {$(
        impl byway_primitives::Encode for $name {
            fn encode(&self, out: &mut byway_primitives::Writer) {
                $(crate::content::bounded::fields!(@put out, $how, self.$field);)*
            }
        }
        impl byway_primitives::Decode for $name {
            fn decode(input: &mut byway_primitives::Reader<'_>) -> Result<Self, byway_primitives::DecodeError> {
                Ok(Self { $($field: input.$how()?),* })
            }
        }
    )*};
    (@put $out:ident, value, $field:expr) => { $out.value(&$field) };
    (@put $out:ident, option, $field:expr) => { $out.option($field.as_ref()) };
    (@put $out:ident, flag, $field:expr) => { $out.flag($field) };
}
pub(crate) use fields;
