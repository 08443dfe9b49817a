//! Offers: whatever is for sale, in one signed record (row A1).
//!
//! An offer's id is made of its provider and serial. The serial stays when only the contacts change and is new when a
//! term changes, so an id names terms that never change.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use byway_crypto::identity::SignatureError;
use byway_crypto::{IdentitySecret, IdentitySignature, Purpose};
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::hash::Context;
use byway_primitives::{Amount, AssetId, Hash, IdentityId, NetworkId};
use serde::{Deserialize, Serialize};

const OFFER_ID: Context = Context("byway 1 offer id");
const OFFER_TERMS: Context = Context("byway 1 offer terms");
const PLUGGED_SERVICE: Context = Context("byway 1 plugged service");

/// The format version that this code writes and reads.
pub const VERSION: u8 = 1;
/// Prices of one offer: one per unit and reputation step.
pub const PRICES_MAX: usize = 16;
/// Contacts of one offer.
pub const CONTACTS_MAX: usize = 8;
/// Bytes of a contact's data: a few addresses and keys.
pub const CONTACT_BYTES_MAX: usize = 512;
/// Bytes of a contact's protocol name.
pub const PROTOCOL_BYTES_MAX: usize = 32;
/// Rules of an exit policy.
pub const RULES_MAX: usize = 64;
/// The highest reputation score; newcomers stand in the middle.
pub const REPUTATION_MAX: u16 = 1000;

/// Names an offer: the digest of provider and serial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OfferId(pub Hash);

/// Characters of the name of a service that plugs in.
pub const SERVICE_NAME_MAX: usize = 32;
/// Numbers from here on are made of names: of services that plug in.
const PLUGGED_FIRST: u16 = 0x8000;

/// What is sold. Numbers are fixed for good; unknown ones are kept and shown as numbers.
///
/// A service that plugs in (row A11) has a name instead, and its number follows from that. Such a name has a hyphen in it and
/// those of built-in services have none, so that a mistyped `sock` is not taken for a service that nobody sells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Service(pub u16);

impl Service {
    pub const SOCKS: Service = Service(1);
    pub const TUNNEL: Service = Service(2);
    pub const RELAY: Service = Service(3);
    pub const HOLD: Service = Service(4);
    pub const STORE: Service = Service(5);
    pub const DATASET: Service = Service(6);
    pub const HUB: Service = Service(7);
    pub const WATCH: Service = Service(8);
    pub const BOT: Service = Service(9);

    const NAMES: [(Service, &'static str); 9] = [
        (Self::SOCKS, "socks"),
        (Self::TUNNEL, "tunnel"),
        (Self::RELAY, "relay"),
        (Self::HOLD, "hold"),
        (Self::STORE, "store"),
        (Self::DATASET, "dataset"),
        (Self::HUB, "hub"),
        (Self::WATCH, "watch"),
        (Self::BOT, "bot"),
    ];

    /// The service that plugs in under this name: 3 to 32 of `a`–`z`, `0`–`9` and single hyphens, one hyphen at least, a
    /// letter first, and not `service-` with a number.
    pub fn of_name(name: &str) -> Option<Self> {
        let is_word = |word: &str| {
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        let starts_well = name.starts_with(|first: char| first.is_ascii_lowercase()) && !name.starts_with("service-");
        let fits = starts_well && name.len() <= SERVICE_NAME_MAX && name.contains('-') && name.split('-').all(is_word);
        let digest = PLUGGED_SERVICE.hash(&[name.as_bytes()]);
        fits.then(|| Self(PLUGGED_FIRST | u16::from_le_bytes([digest.0[0], digest.0[1]])))
    }

    /// Whether the service plugs in: the node doesn't know what its data mean.
    pub fn is_plugged(self) -> bool {
        self.0 >= PLUGGED_FIRST
    }
}

/// What a price counts. Prices in different units are never ranked against each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// 10^6 bytes.
    Mb,
    Second,
    Cell,
    ByteHour,
    Call,
    Fixed,
}

impl Unit {
    pub const ALL: [Unit; 6] = [Unit::Mb, Unit::Second, Unit::Cell, Unit::ByteHour, Unit::Call, Unit::Fixed];
}

/// ISO 3166 alpha-2, upper case. Declared by the provider, and shown as declared.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

/// A rough place: the autonomous system and the country.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Location {
    pub country: Country,
    pub asn: u32,
}

/// `amount` of `asset` per `unit`, for clients whose reputation is at least `reputation_min` (0 to 1000).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    pub unit: Unit,
    pub amount: Amount,
    pub asset: AssetId,
    pub reputation_min: u16,
}

/// A block of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    pub address: IpAddr,
    pub prefix: u8,
}

/// One line of an exit policy: traffic to these addresses and ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    pub action: Action,
    pub network: Network,
    pub port_first: u16,
    pub port_last: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    Allow,
    Deny,
}

/// How to reach the provider: a protocol and what that protocol needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    pub protocol: String,
    pub data: Vec<u8>,
}

/// A service proposal (row A1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    pub provider: IdentityId,
    pub serial: u64,
    pub service: Service,
    /// Where the provider is.
    pub location: Location,
    /// Where the traffic comes out.
    pub exit: Location,
    /// Bits per second of one session.
    pub bandwidth_bps: u64,
    pub prices: Vec<Price>,
    /// What the exit adds to the standard policy (which denies private, loopback, link-local and metadata addresses
    /// and SMTP); the first rule that matches decides.
    pub exit_policy: Vec<Rule>,
    pub contacts: Vec<Contact>,
}

/// An offer and its provider's signature (not yet checked).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedOffer {
    pub offer: Offer,
    pub signature: IdentitySignature,
}

impl OfferId {
    pub fn of(provider: IdentityId, serial: u64) -> Self {
        Self(OFFER_ID.hash(&[&provider.0, &serial.to_le_bytes()]))
    }
}

impl Offer {
    pub fn id(&self) -> OfferId {
        OfferId::of(self.provider, self.serial)
    }

    /// The digest of everything but the contacts: what may not change under one serial.
    pub fn terms(&self) -> Hash {
        OFFER_TERMS.hash_value(&Offer { contacts: Vec::new(), ..self.clone() })
    }

    pub fn sign(self, provider: &IdentitySecret, network: NetworkId) -> SignedOffer {
        let signature = provider.sign(Purpose::Offer, network, &self.to_bytes());
        SignedOffer { offer: self, signature }
    }

    /// The lowest price per `unit` in `asset` that applies to a client of this reputation.
    pub fn price(&self, unit: Unit, asset: AssetId, reputation: u16) -> Option<Amount> {
        best_price(&self.prices, unit, asset, reputation)
    }

    /// The highest price per `unit` in `asset` that anyone is asked for.
    pub fn price_highest(&self, unit: Unit, asset: AssetId) -> Option<Amount> {
        let fits = |p: &&Price| p.unit == unit && p.asset == asset;
        self.prices.iter().filter(fits).map(|price| price.amount).max()
    }
}

/// The lowest of `prices` per `unit` in `asset` that applies to a client of this reputation.
pub fn best_price(prices: &[Price], unit: Unit, asset: AssetId, reputation: u16) -> Option<Amount> {
    let fits = |p: &&Price| p.unit == unit && p.asset == asset && p.reputation_min <= reputation;
    prices.iter().filter(fits).map(|price| price.amount).min()
}

impl SignedOffer {
    pub fn verify(&self, network: NetworkId) -> Result<(), SignatureError> {
        self.signature.verify(self.offer.provider, Purpose::Offer, network, &self.offer.to_bytes())
    }
}

impl fmt::Display for OfferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for OfferId {
    type Err = DecodeError;

    fn from_str(text: &str) -> Result<Self, DecodeError> {
        text.parse().map(Self)
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::NAMES.iter().find(|(service, _)| service == self) {
            Some((_, name)) => f.pad(name),
            None => write!(f, "service-{}", self.0),
        }
    }
}

impl FromStr for Service {
    type Err = DecodeError;

    fn from_str(text: &str) -> Result<Self, DecodeError> {
        if let Some((service, _)) = Self::NAMES.iter().find(|(_, name)| *name == text) {
            return Ok(*service);
        }
        let number = text.strip_prefix("service-").and_then(|number| number.parse().ok());
        let service = number.map(Self).or_else(|| Self::of_name(text));
        service.ok_or(DecodeError::Invalid("service: try socks or tunnel, or a name with a hyphen such as http-fetch"))
    }
}

impl Country {
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a Country holds two capital letters")
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Country {
    type Err = DecodeError;

    fn from_str(text: &str) -> Result<Self, DecodeError> {
        match *text.as_bytes() {
            [a, b] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() => {
                Ok(Self([a.to_ascii_uppercase(), b.to_ascii_uppercase()]))
            }
            _ => Err(DecodeError::Invalid("country: two letters such as DE are needed (ISO 3166 alpha-2)")),
        }
    }
}

impl Network {
    /// Whether `address` lies in the block. IPv4 and IPv6 never match each other here.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(base), IpAddr::V4(a)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                (u32::from(base) ^ u32::from(a)) & mask == 0
            }
            (IpAddr::V6(base), IpAddr::V6(a)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                (u128::from(base) ^ u128::from(a)) & mask == 0
            }
            _ => false,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl FromStr for Network {
    type Err = DecodeError;

    fn from_str(text: &str) -> Result<Self, DecodeError> {
        let wrong = DecodeError::Invalid("network: an address block such as 10.0.0.0/8 is needed");
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().map_err(|_| wrong)?;
        let widest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(widest), str::parse).map_err(|_| wrong)?;
        if prefix > widest {
            return Err(wrong);
        }
        Ok(Self { address, prefix })
    }
}

byway_primitives::serde_as_text!(Service, Country, Network);

impl Encode for Country {
    fn encode(&self, out: &mut Writer) {
        out.raw(&self.0);
    }
}

impl Decode for Country {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let letters = input.array::<2>()?;
        let upper = letters.iter().all(u8::is_ascii_uppercase);
        if upper { Ok(Self(letters)) } else { Err(DecodeError::Invalid("country")) }
    }
}

impl Encode for Location {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.country);
        out.varint(self.asn);
    }
}

impl Decode for Location {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { country: input.value()?, asn: input.u32()? })
    }
}

impl Encode for Price {
    fn encode(&self, out: &mut Writer) {
        let unit = Unit::ALL.iter().position(|unit| *unit == self.unit).expect("ALL has every unit");
        out.byte(unit as u8);
        out.value(&self.amount);
        out.value(&self.asset);
        out.varint(self.reputation_min);
    }
}

impl Decode for Price {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let number = input.byte()?;
        let unit = Unit::ALL.get(usize::from(number));
        let unit = *unit.ok_or(DecodeError::UnknownVariant { kind: "unit", value: number.into() })?;
        let price = Self { unit, amount: input.value()?, asset: input.value()?, reputation_min: input.u16()? };
        if price.reputation_min > REPUTATION_MAX {
            return Err(DecodeError::OutOfRange);
        }
        Ok(price)
    }
}

impl Encode for Network {
    fn encode(&self, out: &mut Writer) {
        match self.address {
            IpAddr::V4(address) => {
                out.byte(4);
                out.raw(&address.octets());
            }
            IpAddr::V6(address) => {
                out.byte(6);
                out.raw(&address.octets());
            }
        }
        out.byte(self.prefix);
    }
}

impl Decode for Network {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (address, widest) = match input.byte()? {
            4 => (IpAddr::from(input.array::<4>()?), 32),
            6 => (IpAddr::from(input.array::<16>()?), 128),
            other => return Err(DecodeError::UnknownVariant { kind: "address family", value: other.into() }),
        };
        let prefix = input.byte()?;
        if prefix > widest { Err(DecodeError::OutOfRange) } else { Ok(Self { address, prefix }) }
    }
}

impl Encode for Rule {
    fn encode(&self, out: &mut Writer) {
        out.flag(self.action == Action::Allow);
        out.value(&self.network);
        out.varint(self.port_first);
        out.varint(self.port_last);
    }
}

impl Decode for Rule {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let action = if input.flag()? { Action::Allow } else { Action::Deny };
        Ok(Self { action, network: input.value()?, port_first: input.u16()?, port_last: input.u16()? })
    }
}

impl Encode for Contact {
    fn encode(&self, out: &mut Writer) {
        out.text(&self.protocol);
        out.bytes(&self.data);
    }
}

impl Decode for Contact {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { protocol: input.text(PROTOCOL_BYTES_MAX)?, data: input.bytes(CONTACT_BYTES_MAX)?.to_vec() })
    }
}

impl Encode for Offer {
    fn encode(&self, out: &mut Writer) {
        out.byte(VERSION);
        out.value(&self.provider);
        out.varint(self.serial);
        out.varint(self.service.0);
        out.value(&self.location);
        out.value(&self.exit);
        out.varint(self.bandwidth_bps);
        out.list(&self.prices);
        out.list(&self.exit_policy);
        out.list(&self.contacts);
    }
}

impl Decode for Offer {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            VERSION => {}
            other => return Err(DecodeError::UnknownVariant { kind: "offer version", value: other.into() }),
        }
        Ok(Self {
            provider: input.value()?,
            serial: input.u64()?,
            service: Service(input.u16()?),
            location: input.value()?,
            exit: input.value()?,
            bandwidth_bps: input.u64()?,
            prices: input.list(PRICES_MAX)?,
            exit_policy: input.list(RULES_MAX)?,
            contacts: input.list(CONTACTS_MAX)?,
        })
    }
}

impl Encode for SignedOffer {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.offer);
        out.value(&self.signature);
    }
}

impl Decode for SignedOffer {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { offer: input.value()?, signature: input.value()? })
    }
}
