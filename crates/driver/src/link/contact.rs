//! Where a link can be opened to: the data of an offer's contact (rows A1, A7).
//!
//! An offer carries contacts as a protocol name and bytes that only that protocol reads. Under [`PROTOCOL`] the bytes
//! say which endpoint to dial (its key authenticates it, so that whoever answers at an address can't be someone else),
//! at which addresses, through which relay, and under which X25519 key the dialogue's handshake will be answered.
//!
//! What decodes is usable: the endpoint key is a point of the curve, the relay is an http(s) URL in its normal form,
//! every address can be dialled, and there is at least one way to get there. Worst case 433 bytes, which fits a
//! contact's limit of 512.

use std::net::{IpAddr, SocketAddr};

use byway_crypto::noise::StaticKey;
use byway_primitives::{Decode, DecodeError, Encode, Reader, Writer};
use byway_records::offer::{self, CONTACT_BYTES_MAX};
use iroh::{EndpointAddr, EndpointId, RelayUrl, TransportAddr};

use super::RelayAccess;
use crate::nested::custom_address;

/// The protocol name under which these bytes stand in an offer.
pub const PROTOCOL: &str = "byway-link/1";
/// Direct addresses of one contact: a few interfaces, both families.
pub const ADDRESSES_MAX: usize = 8;
/// Bytes of a relay's URL: a host name and a port, with room to spare.
pub const RELAY_BYTES_MAX: usize = 200;

// Key, key, count, eight IPv6 addresses with ports, and a relay: all of it fits an offer.
const _: () = assert!(32 + 32 + 1 + ADDRESSES_MAX * (1 + 16 + 3) + 1 + 2 + RELAY_BYTES_MAX <= CONTACT_BYTES_MAX);

/// Where and under which keys a peer is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkContact {
    /// The key of the endpoint. It may change beneath a dialogue.
    pub endpoint: EndpointId,
    /// The static key under which the peer answers the dialogue's handshake.
    pub dialogue: StaticKey,
    addresses: Vec<SocketAddr>,
    relay: Option<RelayUrl>,
}

/// Why a contact can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContactError {
    #[error("the contact's protocol is {0}, but {PROTOCOL} is needed; try another contact of the offer")]
    Protocol(String),
    #[error("the contact is damaged: {0}")]
    Damaged(#[from] DecodeError),
}

impl LinkContact {
    /// A contact at these addresses. Addresses that nobody can dial (port 0, unspecified, multicast) are left out, and
    /// so is what goes over [`ADDRESSES_MAX`]. `None` if no way to get there is left, or if the relay isn't an http(s)
    /// URL of at most [`RELAY_BYTES_MAX`] bytes.
    pub fn new(
        endpoint: EndpointId,
        dialogue: StaticKey,
        addresses: impl IntoIterator<Item = SocketAddr>,
        relay: Option<RelayUrl>,
    ) -> Option<Self> {
        let mut kept = Vec::new();
        for address in addresses.into_iter().map(normal).filter(is_dialable) {
            if kept.len() < ADDRESSES_MAX && !kept.contains(&address) {
                kept.push(address);
            }
        }
        if relay.as_ref().is_some_and(|url| !is_relay(url)) || (kept.is_empty() && relay.is_none()) {
            return None;
        }
        Some(Self { endpoint, dialogue, addresses: kept, relay })
    }

    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    pub fn relay(&self) -> Option<&RelayUrl> {
        self.relay.as_ref()
    }

    /// As it stands in an offer.
    pub fn to_offer(&self) -> offer::Contact {
        offer::Contact { protocol: PROTOCOL.to_owned(), data: self.to_bytes() }
    }

    pub fn from_offer(contact: &offer::Contact) -> Result<Self, ContactError> {
        if contact.protocol != PROTOCOL {
            return Err(ContactError::Protocol(contact.protocol.clone()));
        }
        Ok(Self::from_bytes(&contact.data)?)
    }

    /// As an endpoint with this relay dials it.
    pub(super) fn to_dial(&self, own: Option<&RelayAccess>) -> EndpointAddr {
        let is_alone = own.is_some_and(RelayAccess::is_alone);
        let direct = self.addresses.iter().filter(|_| !is_alone).copied().map(TransportAddr::Ip);
        let reached = |url: &RelayUrl| own.map_or(Some(url.clone()), |own| own.as_reached(url));
        let relayed = self.relay.as_ref().and_then(reached).map(TransportAddr::Relay);
        EndpointAddr::from_parts(self.endpoint, direct.chain(relayed))
    }

    /// As an endpoint inside a session dials it: at its addresses, as seen from where the session comes out.
    pub(super) fn to_dial_nested(&self) -> EndpointAddr {
        let places = self.addresses.iter().map(|place| TransportAddr::Custom(custom_address(*place)));
        EndpointAddr::from_parts(self.endpoint, places)
    }
}

impl Encode for LinkContact {
    fn encode(&self, out: &mut Writer) {
        out.raw(self.endpoint.as_bytes());
        out.value(&self.dialogue);
        out.varint(self.addresses.len() as u64);
        for address in &self.addresses {
            match address.ip() {
                IpAddr::V4(ip) => {
                    out.byte(4);
                    out.raw(&ip.octets());
                }
                IpAddr::V6(ip) => {
                    out.byte(6);
                    out.raw(&ip.octets());
                }
            }
            out.varint(address.port());
        }
        out.flag(self.relay.is_some());
        if let Some(relay) = &self.relay {
            out.text(relay.as_str());
        }
    }
}

impl Decode for LinkContact {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let endpoint = EndpointId::from_bytes(&input.array()?).map_err(|_| DecodeError::Invalid("endpoint key"))?;
        let dialogue = input.value()?;
        let count = input.u64()?;
        if count > ADDRESSES_MAX as u64 {
            return Err(DecodeError::TooLong { length: count, limit: ADDRESSES_MAX as u64 });
        }
        let addresses = (0..count).map(|_| address(input)).collect::<Result<Vec<_>, _>>()?;
        let relay = if input.flag()? { Some(relay(&input.text(RELAY_BYTES_MAX)?)?) } else { None };
        let contact = Self::new(endpoint, dialogue, addresses.iter().copied(), relay);
        // Whatever `new` would have changed is a second encoding of the same contact.
        contact.filter(|c| c.addresses == addresses).ok_or(DecodeError::Invalid("contact addresses"))
    }
}

fn address(input: &mut Reader<'_>) -> Result<SocketAddr, DecodeError> {
    let ip = match input.byte()? {
        4 => IpAddr::from(input.array::<4>()?),
        6 => IpAddr::from(input.array::<16>()?),
        other => return Err(DecodeError::UnknownVariant { kind: "address family", value: other.into() }),
    };
    Ok(SocketAddr::new(ip, input.u16()?))
}

fn relay(text: &str) -> Result<RelayUrl, DecodeError> {
    let url: RelayUrl = text.parse().map_err(|_| DecodeError::Invalid("relay URL"))?;
    if url.as_str() == text { Ok(url) } else { Err(DecodeError::Invalid("relay URL: it is not in its normal form")) }
}

fn is_relay(url: &RelayUrl) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host() && url.as_str().len() <= RELAY_BYTES_MAX
}

/// Mapped IPv4 as IPv4, and without the scope and flow of IPv6, which mean something on one machine only.
fn normal(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn is_dialable(address: &SocketAddr) -> bool {
    address.port() != 0 && !address.ip().is_unspecified() && !address.ip().is_multicast()
}

#[cfg(test)]
mod tests {
    use super::*;
    use iroh::SecretKey;
    use proptest::prelude::*;

    const DIALOGUE: StaticKey = StaticKey([9; 32]);

    fn endpoint(seed: u8) -> EndpointId {
        SecretKey::from_bytes(&[seed; 32]).public()
    }

    fn relay_url() -> RelayUrl {
        "https://relay.example.org:8443/".parse().unwrap()
    }

    prop_compose! {
        fn any_contact()(
            seed: u8,
            dialogue: [u8; 32],
            addresses in proptest::collection::vec(any::<SocketAddr>(), 0..12),
        ) -> LinkContact {
            LinkContact::new(endpoint(seed), StaticKey(dialogue), addresses, Some(relay_url())).expect("has a relay")
        }
    }

    proptest! {
        #[test]
        fn a_contact_comes_back(contact in any_contact()) {
            let bytes = contact.to_bytes();
            prop_assert!(bytes.len() <= CONTACT_BYTES_MAX);
            prop_assert_eq!(LinkContact::from_bytes(&bytes), Ok(contact.clone()));
            prop_assert_eq!(LinkContact::from_offer(&contact.to_offer()), Ok(contact));
        }

        #[test]
        fn whatever_decodes_encodes_to_the_same_bytes(contact in any_contact(), at: prop::sample::Index, flip: u8) {
            let mut bytes = contact.to_bytes();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            if let Ok(decoded) = LinkContact::from_bytes(&bytes) {
                prop_assert_eq!(decoded.to_bytes(), bytes);
            }
        }
    }

    #[test]
    fn only_what_can_be_dialled_is_kept() {
        for (address, kept) in [
            ("192.0.2.1:4000", Some("192.0.2.1:4000")),
            ("[::ffff:192.0.2.1]:4000", Some("192.0.2.1:4000")),
            ("192.0.2.1:0", None),
            ("0.0.0.0:4000", None),
            ("[::]:4000", None),
            ("224.0.0.1:4000", None),
        ] {
            let contact = LinkContact::new(endpoint(1), DIALOGUE, [address.parse().unwrap()], None);
            let kept: Option<SocketAddr> = kept.map(|kept| kept.parse().unwrap());
            assert_eq!(contact.map(|c| c.addresses().to_vec()), kept.map(|kept| vec![kept]), "{address}");
        }
        assert_eq!(LinkContact::new(endpoint(1), DIALOGUE, [], None), None);
        let odd: RelayUrl = "ftp://relay.example.org/".parse().unwrap();
        assert_eq!(LinkContact::new(endpoint(1), DIALOGUE, [], Some(odd)), None);
        let long: RelayUrl = format!("https://relay.example.org/{}", "a".repeat(RELAY_BYTES_MAX)).parse().unwrap();
        assert_eq!(LinkContact::new(endpoint(1), DIALOGUE, [], Some(long)), None);
    }

    #[test]
    fn bytes_of_a_stranger_are_refused_with_the_reason() {
        let good = LinkContact::new(endpoint(1), DIALOGUE, ["192.0.2.1:4000".parse().unwrap()], None).unwrap();
        let bytes = good.to_bytes();
        let with = |at: usize, value: u8| {
            let mut bytes = bytes.clone();
            bytes[at] = value;
            LinkContact::from_bytes(&bytes)
        };
        assert_eq!(LinkContact::from_bytes(&bytes[..40]), Err(DecodeError::Truncated));
        assert_eq!(with(64, 100), Err(DecodeError::TooLong { length: 100, limit: ADDRESSES_MAX as u64 }));
        assert_eq!(with(65, 7), Err(DecodeError::UnknownVariant { kind: "address family", value: 7 }));
        let mut out = Writer::new();
        out.raw(endpoint(1).as_bytes());
        out.value(&DIALOGUE);
        out.varint(0u64);
        out.flag(true);
        out.text("https://relay.example.org");
        let shortened = LinkContact::from_bytes(&out.into_bytes());
        assert_eq!(shortened, Err(DecodeError::Invalid("relay URL: it is not in its normal form")));
        let other = offer::Contact { protocol: "smtp".into(), data: Vec::new() };
        assert_eq!(LinkContact::from_offer(&other), Err(ContactError::Protocol("smtp".into())));
    }
}
