//! Assets beside WAY: how they are named, and how fine they are counted (rows K1, K7).
//!
//! Whoever registers an asset is its *issuer*, and the asset's id is the digest of issuer and symbol. So nobody can take
//! an id that is another's, and two issuers may use one symbol: people tell the assets apart by id, programs always.
//!
//! Every asset is counted in units of 10^-18, like WAY, so that an amount is written the same way everywhere. An asset
//! may be *coarser*: with 8 decimals its amounts are multiples of 10^10 units. The ledger sees to that where units come
//! and go; in between it is the wallets that split no finer.

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::hash::Context;
use byway_primitives::{Amount, AssetId, IdentityId, amount};
use std::fmt;
use std::str::FromStr;

const ASSET: Context = Context("byway 1 asset id");

/// Characters of a symbol.
pub const SYMBOL_LENGTH_MIN: usize = 2;
pub const SYMBOL_LENGTH_MAX: usize = 12;
/// Bytes of a name.
pub const NAME_BYTES_MAX: usize = 48;

/// What people call an asset in a table: 2 to 12 of `A-Z` and `0-9`, a letter first, and not `WAY`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol(String);

/// What an asset is called in a sentence: 1 to 48 bytes without control characters, and no space around it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AssetName(String);

/// How many digits after the point an asset has: 0 to 18.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Decimals(u8);

/// What is said of an asset when it is registered, for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssetTerms {
    pub issuer: IdentityId,
    pub symbol: Symbol,
    pub name: AssetName,
    pub decimals: Decimals,
}

impl AssetTerms {
    pub fn id(&self) -> AssetId {
        asset_id(self.issuer, &self.symbol)
    }

    /// The asset of which everyone on a test network may draw. Its issuer is an identity that has no key.
    pub fn faucet() -> Self {
        Self {
            issuer: IdentityId([0; 20]),
            symbol: Symbol("TEST".to_owned()),
            name: AssetName("test coin".to_owned()),
            decimals: Decimals(2),
        }
    }
}

/// The asset that `issuer` registers under this symbol.
pub fn asset_id(issuer: IdentityId, symbol: &Symbol) -> AssetId {
    AssetId(ASSET.hash(&[&issuer.0, symbol.0.as_bytes()]))
}

impl Symbol {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AssetName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Decimals {
    /// `None` for more than an [`Amount`] has.
    pub fn new(decimals: u8) -> Option<Self> {
        (u32::from(decimals) <= amount::DECIMALS).then_some(Self(decimals))
    }

    pub fn get(self) -> u8 {
        self.0
    }

    /// The smallest amount of the asset, of which every other is a multiple.
    pub fn step(self) -> Amount {
        Amount::from_units(10u128.pow(amount::DECIMALS - u32::from(self.0)))
    }

    /// Whether an amount has no more digits than the asset.
    pub fn fits(self, amount: Amount) -> bool {
        amount.units().is_multiple_of(self.step().units())
    }
}

/// Characters that show nothing, or change the order of what stands around them, would let one name pass for another.
fn is_shown(c: char) -> bool {
    let hidden = matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    !c.is_control() && !hidden
}

impl FromStr for Symbol {
    type Err = DecodeError;

    fn from_str(text: &str) -> Result<Self, DecodeError> {
        let length = (SYMBOL_LENGTH_MIN..=SYMBOL_LENGTH_MAX).contains(&text.len());
        let letters = text.bytes().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
        let first = text.bytes().next().is_some_and(|c| c.is_ascii_uppercase());
        if length && letters && first && text != "WAY" {
            Ok(Self(text.to_owned()))
        } else {
            Err(DecodeError::Invalid("symbol: 2 to 12 of A-Z and 0-9 are needed, a letter first, and not WAY"))
        }
    }
}

impl FromStr for AssetName {
    type Err = DecodeError;

    fn from_str(text: &str) -> Result<Self, DecodeError> {
        let length = (1..=NAME_BYTES_MAX).contains(&text.len());
        if length && text.trim() == text && text.chars().all(is_shown) {
            Ok(Self(text.to_owned()))
        } else {
            Err(DecodeError::Invalid("asset name: 1 to 48 visible bytes are needed, without space around them"))
        }
    }
}

macro_rules! text_codec {
    ($($name:ident: $max:expr),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
        impl Encode for $name {
            fn encode(&self, out: &mut Writer) {
                out.text(&self.0);
            }
        }
        impl Decode for $name {
            fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
                input.text($max)?.parse()
            }
        }
    )*};
}

text_codec!(Symbol: SYMBOL_LENGTH_MAX, AssetName: NAME_BYTES_MAX);
byway_primitives::serde_as_text!(Symbol, AssetName);

impl Encode for Decimals {
    fn encode(&self, out: &mut Writer) {
        out.byte(self.0);
    }
}

impl Decode for Decimals {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::new(input.byte()?).ok_or(DecodeError::Invalid("decimals"))
    }
}

impl Encode for AssetTerms {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.issuer);
        out.value(&self.symbol);
        out.value(&self.name);
        out.value(&self.decimals);
    }
}

impl Decode for AssetTerms {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { issuer: input.value()?, symbol: input.value()?, name: input.value()?, decimals: input.value()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_and_names_can_not_pass_for_others() {
        for (text, is_good) in [
            ("BTC", true),
            ("B2", true),
            ("ABCDEFGHIJKL", true),
            ("A", false),
            ("", false),
            ("ABCDEFGHIJKLM", false),
            ("2B", false),
            ("btc", false),
            ("B-C", false),
            ("ВТС", false),
            ("WAY", false),
        ] {
            assert_eq!(text.parse::<Symbol>().is_ok(), is_good, "{text:?}");
            let bytes = {
                let mut out = Writer::new();
                out.text(text);
                out.into_bytes()
            };
            assert_eq!(Symbol::from_bytes(&bytes).is_ok(), is_good, "{text:?} on the wire");
        }
        let long = "n".repeat(NAME_BYTES_MAX);
        let longer = "n".repeat(NAME_BYTES_MAX + 1);
        for (text, is_good) in [
            ("Bitcoin", true),
            ("a token of Zürich", true),
            (long.as_str(), true),
            (longer.as_str(), false),
            ("", false),
            (" Bitcoin", false),
            ("Bit\ncoin", false),
            ("Bit\u{200b}coin", false),
            ("\u{202e}nioctiB", false),
        ] {
            assert_eq!(text.parse::<AssetName>().is_ok(), is_good, "{text:?}");
        }
    }

    #[test]
    fn decimals_say_what_fits() {
        for (decimals, amount, fits) in [
            (0u8, "3", true),
            (0, "3.5", false),
            (2, "3.25", true),
            (2, "3.251", false),
            (18, "0.000000000000000001", true),
            (8, "0", true),
        ] {
            let decimals = Decimals::new(decimals).expect("at most 18");
            assert_eq!(decimals.fits(amount.parse().expect("an amount")), fits, "{amount} with {decimals:?}");
        }
        assert_eq!(Decimals::new(19), None);
    }

    #[test]
    fn an_id_is_its_issuers_alone() {
        let symbol: Symbol = "BTC".parse().expect("a symbol");
        let (one, other) = (IdentityId([1; 20]), IdentityId([2; 20]));
        assert_ne!(asset_id(one, &symbol), asset_id(other, &symbol));
        assert_ne!(asset_id(one, &symbol), asset_id(one, &"BT".parse().expect("a symbol")));
        assert_ne!(asset_id(one, &symbol), AssetId::WAY);
    }
}
