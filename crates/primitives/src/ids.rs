//! Names of identities, assets and networks.

use std::fmt;
use std::str::FromStr;

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::hash::Hash;

/// An identity: the last 20 bytes of keccak256 of its secp256k1 public key (row I1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdentityId(pub [u8; 20]);

/// An asset on the ledger. [`AssetId::WAY`] is the network's own coin.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AssetId(pub Hash);

/// A network: the digest of its genesis. Signed into everything, so that nothing crosses from one network to another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetworkId(pub Hash);

impl AssetId {
    /// The coin of the network itself.
    pub const WAY: AssetId = AssetId(Hash::ZERO);
}

/// `WAY` or 64 hex digits.
impl fmt::Display for AssetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::WAY { f.pad("WAY") } else { self.0.fmt(f) }
    }
}

impl fmt::Debug for AssetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::WAY { f.write_str("WAY") } else { fmt::Debug::fmt(&self.0, f) }
    }
}

impl FromStr for AssetId {
    type Err = DecodeError;

    fn from_str(text: &str) -> Result<Self, DecodeError> {
        if text == "WAY" { Ok(Self::WAY) } else { text.parse().map(Self) }
    }
}

/// One byte 0 for WAY, which nearly everything is in; else 1 and the 32 bytes.
impl Encode for AssetId {
    fn encode(&self, out: &mut Writer) {
        out.flag(*self != Self::WAY);
        if *self != Self::WAY {
            self.0.encode(out);
        }
    }
}

impl Decode for AssetId {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if !input.flag()? {
            return Ok(Self::WAY);
        }
        match Hash::decode(input)? {
            Hash::ZERO => Err(DecodeError::NotShortest),
            hash => Ok(Self(hash)),
        }
    }
}

/// 40 lower-case hex digits.
impl fmt::Display for IdentityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex::encode(self.0))
    }
}

impl fmt::Debug for IdentityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}…", hex::encode(&self.0[..4]))
    }
}

impl FromStr for IdentityId {
    type Err = DecodeError;

    fn from_str(text: &str) -> Result<Self, DecodeError> {
        let mut bytes = [0; 20];
        hex::decode_to_slice(text, &mut bytes)
            .map_err(|_| DecodeError::Invalid("identity: 40 hex digits are needed"))?;
        Ok(Self(bytes))
    }
}

impl Encode for IdentityId {
    fn encode(&self, out: &mut Writer) {
        out.raw(&self.0);
    }
}

impl Decode for IdentityId {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.array().map(Self)
    }
}

impl fmt::Display for NetworkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for NetworkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl FromStr for NetworkId {
    type Err = DecodeError;

    fn from_str(text: &str) -> Result<Self, DecodeError> {
        text.parse().map(Self)
    }
}

impl Encode for NetworkId {
    fn encode(&self, out: &mut Writer) {
        self.0.encode(out);
    }
}

impl Decode for NetworkId {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.value().map(Self)
    }
}

/// Gives types that have a text form (`Display` and `FromStr`) the same form in JSON and TOML.
#[macro_export]
macro_rules! serde_as_text {
    ($($name:ty),* $(,)?) => {$(
        impl $crate::serde::Serialize for $name {
            fn serialize<S: $crate::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> $crate::serde::Deserialize<'de> for $name {
            fn deserialize<D: $crate::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as $crate::serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err($crate::serde::de::Error::custom)
            }
        }
    )*};
}

serde_as_text!(IdentityId, AssetId, NetworkId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asset_has_one_encoding() {
        assert_eq!(AssetId::WAY.to_bytes(), [0]);
        let other = AssetId(Hash([7; 32]));
        assert_eq!(AssetId::from_bytes(&other.to_bytes()), Ok(other));
        let mut long_way = vec![1];
        long_way.extend([0; 32]);
        assert_eq!(AssetId::from_bytes(&long_way), Err(DecodeError::NotShortest));
        assert_eq!("WAY".parse(), Ok(AssetId::WAY));
        assert_eq!(other.to_string().parse(), Ok(other));
    }
}
