//! Payment requests: what somebody wants to be paid, as a link that can be sent and shown as a code (row A13).
//!
//! ```text
//! byway:pay?network=HEX&to=ADDRESS&amount=2.5&asset=HEX&note=Invoice%20271&expires=1790000000000&check=HEX
//! ```
//!
//! `network`, `to` and `check` are always there, the others where they say something, all in this order and in one form, so
//! that two links for the same thing are the same text. `check` is the first four bytes of the hash of all before it: a
//! link that was cut or mistyped asks for nothing else.
//!
//! The note says what it is for ([`byway_records::note`]).

use std::fmt;
use std::str::FromStr;

use byway_primitives::hash::Context;
use byway_primitives::{Amount, AssetId, NetworkId, Time};
use byway_records::Note;

use super::Recipient;

/// Characters of a link: a group's address, and room for the rest.
pub const LINK_MAX: usize = 4096;

const SCHEME: &str = "byway:pay?";
const CHECK: &str = "&check=";
const CHECK_CONTEXT: Context = Context("byway 1 payment link");
const CHECK_BYTES: usize = 4;

/// What somebody wants to be paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentRequest {
    pub network: NetworkId,
    pub to: Recipient,
    /// The payer says how much where it is left out.
    pub amount: Option<Amount>,
    pub asset: AssetId,
    pub note: Option<Note>,
    /// Nothing is to be paid after this.
    pub expires: Option<Time>,
}

/// Why a text is no request for a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    #[error("it does not begin with byway:pay?")]
    Scheme,
    #[error("it is longer than {LINK_MAX} characters")]
    TooLong,
    #[error("it was cut or mistyped: its check does not fit")]
    Check,
    #[error("its field `{0}` is missing, twice there, out of order or ill-formed")]
    Field(&'static str),
    #[error("it is not written in the one form that such links have")]
    Form,
    #[error("it has a field that is not known; a newer version may know it")]
    Unknown,
}

impl PaymentRequest {
    /// Whether its time is over.
    pub fn is_over(&self, now: Time) -> bool {
        self.expires.is_some_and(|expires| now > expires)
    }
}

impl fmt::Display for PaymentRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = format!("{SCHEME}network={}&to={}", self.network, self.to);
        if let Some(amount) = self.amount {
            text.push_str(&format!("&amount={amount}"));
        }
        if self.asset != AssetId::WAY {
            text.push_str(&format!("&asset={}", self.asset));
        }
        if let Some(note) = &self.note {
            text.push_str("&note=");
            note.as_str().bytes().for_each(|byte| put_escaped(&mut text, byte));
        }
        if let Some(expires) = self.expires {
            text.push_str(&format!("&expires={}", expires.0));
        }
        write!(f, "{text}{CHECK}{}", check_of(&text))
    }
}

impl FromStr for PaymentRequest {
    type Err = LinkError;

    fn from_str(text: &str) -> Result<Self, LinkError> {
        if text.len() > LINK_MAX {
            return Err(LinkError::TooLong);
        }
        let fields = text.strip_prefix(SCHEME).ok_or(LinkError::Scheme)?;
        let (head, check) = text.rsplit_once(CHECK).ok_or(LinkError::Check)?;
        if check != check_of(head) {
            return Err(LinkError::Check);
        }
        let fields = fields.strip_suffix(check).and_then(|rest| rest.strip_suffix(CHECK)).ok_or(LinkError::Check)?;
        let mut fields = Fields(fields);
        let request = Self {
            network: fields.required("network")?,
            to: fields.required("to")?,
            amount: fields.optional("amount")?,
            asset: fields.optional("asset")?.unwrap_or(AssetId::WAY),
            note: fields.note()?,
            expires: fields.optional("expires")?.map(Time),
        };
        if !fields.0.is_empty() {
            return Err(LinkError::Unknown);
        }
        // One text for each request: no zero amount, no leading zeros, no other escapes.
        match request.amount.is_some_and(Amount::is_zero) {
            true => Err(LinkError::Field("amount")),
            false if request.to_string() != text => Err(LinkError::Form),
            false => Ok(request),
        }
    }
}

/// What is left of `name=value&…`.
struct Fields<'a>(&'a str);

impl Fields<'_> {
    /// The value of the next field, if that has this name.
    fn next(&mut self, name: &'static str) -> Option<&str> {
        let value = self.0.strip_prefix(name)?.strip_prefix('=')?;
        let (value, rest) = value.split_once('&').unwrap_or((value, ""));
        self.0 = rest;
        Some(value)
    }

    fn optional<T: FromStr>(&mut self, name: &'static str) -> Result<Option<T>, LinkError> {
        let Some(value) = self.next(name) else { return Ok(None) };
        value.parse().map(Some).map_err(|_| LinkError::Field(name))
    }

    fn required<T: FromStr>(&mut self, name: &'static str) -> Result<T, LinkError> {
        self.optional(name)?.ok_or(LinkError::Field(name))
    }

    fn note(&mut self) -> Result<Option<Note>, LinkError> {
        let Some(value) = self.next("note") else { return Ok(None) };
        let note = unescaped(value).and_then(|text| text.parse().ok());
        note.map(Some).ok_or(LinkError::Field("note"))
    }
}

fn check_of(head: &str) -> String {
    let digest = CHECK_CONTEXT.hash(&[head.as_bytes()]).to_string();
    digest[..2 * CHECK_BYTES].to_owned()
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// As RFC 3986 says; with capital digits.
fn put_escaped(text: &mut String, byte: u8) {
    match is_plain(byte) {
        true => text.push(char::from(byte)),
        false => text.push_str(&format!("%{byte:02X}")),
    }
}

fn unescaped(text: &str) -> Option<String> {
    let (mut bytes, mut plain) = (text.bytes(), String::new());
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            byte => byte,
        };
        plain.push(char::from(byte));
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use byway_crypto::WalletSecret;
    use byway_primitives::Hash;
    use proptest::prelude::*;

    use super::*;

    fn request() -> PaymentRequest {
        PaymentRequest {
            network: NetworkId(Hash([7; 32])),
            to: WalletSecret::from_seed(&[9; 32]).address().into(),
            amount: "2.5".parse().ok(),
            asset: AssetId::WAY,
            note: "Invoice 271 & thanks".parse().ok(),
            expires: Some(Time(1_790_000_000_000)),
        }
    }

    /// A text with its check made to fit.
    fn checked(head: &str) -> Result<PaymentRequest, LinkError> {
        format!("{head}{CHECK}{}", check_of(head)).parse()
    }

    #[test]
    fn what_is_no_link_is_named() {
        let link = request().to_string();
        let head = link.split(CHECK).next().expect("a head").to_owned();
        assert!(link.contains("&note=Invoice%20271%20%26%20thanks&"), "{link}");
        assert_eq!(link.parse(), Ok(request()));
        for (text, expected) in [
            (link[1..].to_owned(), LinkError::Scheme),
            (link[..link.len() - 1].to_owned(), LinkError::Check),
            (link.replace("amount=2.5", "amount=25"), LinkError::Check),
            (format!("{link}{}", "0".repeat(LINK_MAX)), LinkError::TooLong),
        ] {
            assert_eq!(text.parse::<PaymentRequest>(), Err(expected), "{text}");
        }
        for (head, expected) in [
            (head.replace("amount=2.5", "amount=02.5"), LinkError::Form),
            (head.replace("amount=2.5", "amount=0"), LinkError::Field("amount")),
            (head.replace("amount=2.5", "amount=x"), LinkError::Field("amount")),
            (head.replace("&amount=2.5", "&amount=2.5&amount=3"), LinkError::Unknown),
            (head.replace("network=", "nettwork="), LinkError::Field("network")),
            (head.replace("Invoice%20", "Inv%D0%BEice%20"), LinkError::Field("note")),
            (format!("{head}&tip=1"), LinkError::Unknown),
        ] {
            assert_eq!(checked(&head), Err(expected), "{head}");
        }
    }

    proptest! {
        #[test]
        fn a_link_comes_back(
            amount in proptest::option::of(1u128..), asset: Option<[u8; 32]>, note in proptest::option::of("[!-~]( ?[!-~]){0,30}"),
            expires: Option<u64>,
        ) {
            let request = PaymentRequest {
                amount: amount.map(Amount::from_units),
                asset: asset.map_or(AssetId::WAY, |id| Hash(id).to_string().parse().expect("an asset's id")),
                note: note.map(|text| text.parse().expect("a note")),
                expires: expires.map(Time),
                ..request()
            };
            prop_assert_eq!(request.to_string().parse(), Ok(request));
        }
    }
}
