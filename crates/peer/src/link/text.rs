//! Bytes with a check as letters and digits.

use byway_primitives::hash::Context;
use data_encoding::{Encoding, Specification};
use std::sync::LazyLock;
use zeroize::Zeroizing;

use super::LinkError;

pub(super) const SCHEME: &str = "byway:";
/// Bytes of the hash behind a part.
const CHECK_BYTES: usize = 4;

/// The letters and digits of RFC 4648, in small letters and without padding.
static BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification = Specification::new();
    specification.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
    specification.translate.from.push_str("ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    specification.translate.to.push_str("abcdefghijklmnopqrstuvwxyz");
    specification.encoding().expect("32 different symbols, and capitals for 26 of them")
});

/// What follows the scheme and a kind, capitals or not.
pub(super) fn after<'a>(text: &'a str, kind: &str) -> Option<&'a str> {
    let (scheme, rest) = text.split_at_checked(SCHEME.len())?;
    let (found, rest) = rest.split_at_checked(kind.len())?;
    (scheme.eq_ignore_ascii_case(SCHEME) && found.eq_ignore_ascii_case(kind)).then_some(rest)
}

/// The bytes and their check.
pub(super) fn write(check: Context, bytes: &[u8]) -> Zeroizing<String> {
    let mut whole = Zeroizing::new(bytes.to_vec());
    whole.extend_from_slice(&check.hash(&[bytes]).0[..CHECK_BYTES]);
    Zeroizing::new(BASE32.encode(&whole))
}

/// The bytes, if the check fits.
pub(super) fn read(check: Context, text: &str) -> Result<Zeroizing<Vec<u8>>, LinkError> {
    let mut whole = BASE32.decode(text.as_bytes()).map(Zeroizing::new).map_err(|_| LinkError::Check)?;
    let length = whole.len().checked_sub(CHECK_BYTES).ok_or(LinkError::Check)?;
    let (bytes, found) = whole.split_at(length);
    if check.hash(&[bytes]).0[..CHECK_BYTES] != *found {
        return Err(LinkError::Check);
    }
    whole.truncate(length);
    Ok(whole)
}
