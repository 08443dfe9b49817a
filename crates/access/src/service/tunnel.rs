//! The IP tunnel: whole packets, by WireGuard, between a client's machine and the exit (row A11).
//!
//! A session is one WireGuard peer on either side. The client names the public key of a secret that it has for this
//! session only, so that two of its sessions have no key in common. The provider answers with its own, the port where its
//! WireGuard hears, and a [`Slot`]: a number that both turn into the client's addresses inside. Whatever has another source
//! address than that of its slot is dropped at the exit.
//!
//! The inside is the same at every provider ([`Slot::v4`], [`Slot::v6`]), because nobody else ever sees it: the exit
//! translates it to its own address.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use byway_crypto::noise::StaticKey;
use byway_primitives::codec::{DecodeError, Encode, Reader, Writer};
use byway_primitives::hash::Context;
use zeroize::Zeroizing;

use super::ServiceDataError;
use crate::session::{ResponseId, SessionId};

/// Bytes of the largest packet inside: what is left of 1,500 bytes after IPv6, UDP and WireGuard.
pub const MTU: u16 = 1420;
/// Clients of one provider at one time.
pub const SLOTS_MAX: u16 = 4096;

const VERSION: u8 = 1;
const SESSION_SECRET: Context = Context("byway 1 tunnel session secret");
const PROVIDER_SECRET: Context = Context("byway 1 tunnel provider secret");

/// A client's place inside a provider's tunnel: its number is 2 to [`SLOTS_MAX`] + 1, as 1 is the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u16);

/// What a client of the tunnel asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TunnelRequest {
    /// The client's WireGuard key in this session.
    pub key: StaticKey,
}

/// What a provider of the tunnel answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TunnelAnswer {
    /// The provider's WireGuard key.
    pub key: StaticKey,
    /// Where its WireGuard hears, at the address under which its link is reached; 0: only over the link.
    pub port: u16,
    pub slot: Slot,
    /// Bytes of the largest packet inside.
    pub mtu: u16,
}

/// The WireGuard secrets of a node, all from one.
#[derive(Clone)]
pub struct TunnelKeys(Zeroizing<[u8; 32]>);

/// Which slots of a provider are taken, and by whom.
#[derive(Debug, Clone, Default)]
pub struct Slots {
    by_session: BTreeMap<SessionId, Slot>,
    taken: BTreeMap<Slot, SessionId>,
}

impl Slot {
    /// The provider's own: where it resolves names for its clients.
    pub const PROVIDER: Self = Self(1);

    /// A client's slot by its number; `None` for those that no client has.
    pub fn of_number(number: u16) -> Option<Self> {
        (2..=SLOTS_MAX + 1).contains(&number).then_some(Self(number))
    }

    /// The address inside, of 10.86.0.0/16.
    pub fn v4(self) -> Ipv4Addr {
        let [high, low] = self.0.to_be_bytes();
        Ipv4Addr::new(10, 86, high, low)
    }

    /// The address inside, of fd62:7977:6179::/64.
    pub fn v6(self) -> Ipv6Addr {
        Ipv6Addr::new(0xfd62, 0x7977, 0x6179, 0, 0, 0, 0, self.0)
    }
}

impl TunnelKeys {
    /// From a secret of the node that is used for nothing else.
    pub fn new(secret: Zeroizing<[u8; 32]>) -> Self {
        Self(secret)
    }

    /// The client's secret in the session that comes of this request.
    pub fn of_session(&self, response: ResponseId) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(SESSION_SECRET.hash(&[&*self.0, &response.0.to_le_bytes()]).0)
    }

    /// The provider's secret, the same towards all clients and after a restart.
    pub fn of_provider(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(PROVIDER_SECRET.hash(&[&*self.0]).0)
    }
}

impl Slots {
    /// The session's slot: the one it has, or the lowest that is free. `None` where all are taken.
    pub fn assign(&mut self, session: SessionId) -> Option<Slot> {
        if let Some(slot) = self.by_session.get(&session) {
            return Some(*slot);
        }
        let is_free = |slot: &Slot| !self.taken.contains_key(slot);
        let slot = (2..).map_while(Slot::of_number).find(is_free)?;
        self.give(session, slot);
        Some(slot)
    }

    /// A session of before the restart has this slot.
    pub fn keep(&mut self, session: SessionId, slot: Slot) {
        self.release(session);
        if let Some(before) = self.taken.remove(&slot) {
            self.by_session.remove(&before);
        }
        self.give(session, slot);
    }

    pub fn release(&mut self, session: SessionId) {
        if let Some(slot) = self.by_session.remove(&session) {
            self.taken.remove(&slot);
        }
    }

    fn give(&mut self, session: SessionId, slot: Slot) {
        self.by_session.insert(session, slot);
        self.taken.insert(slot, session);
    }
}

fn version(input: &mut Reader<'_>) -> Result<(), ServiceDataError> {
    match input.byte()? {
        VERSION => Ok(()),
        found => Err(ServiceDataError::Version { found, spoken: VERSION }),
    }
}

impl TunnelRequest {
    pub fn open(data: &[u8]) -> Result<Self, ServiceDataError> {
        let mut input = Reader::new(data);
        version(&mut input)?;
        let key = StaticKey(input.array()?);
        input.finish()?;
        Ok(Self { key })
    }
}

impl TunnelAnswer {
    pub fn open(data: &[u8]) -> Result<Self, ServiceDataError> {
        let mut input = Reader::new(data);
        version(&mut input)?;
        let (key, port) = (StaticKey(input.array()?), input.u16()?);
        let slot = Slot::of_number(input.u16()?).ok_or(DecodeError::Invalid("a tunnel's slot: 2 to 4097"))?;
        let mtu = input.u16()?;
        // IPv6 asks for the lower bound; beyond the upper one packets would be cut on the way.
        if !(1280..=MTU).contains(&mtu) {
            return Err(DecodeError::Invalid("a tunnel's MTU: 1280 to 1420").into());
        }
        input.finish()?;
        Ok(Self { key, port, slot, mtu })
    }
}

impl Encode for TunnelRequest {
    fn encode(&self, out: &mut Writer) {
        out.byte(VERSION);
        out.raw(&self.key.0);
    }
}

impl Encode for TunnelAnswer {
    fn encode(&self, out: &mut Writer) {
        out.byte(VERSION);
        out.raw(&self.key.0);
        out.varint(self.port);
        out.varint(self.slot.0);
        out.varint(self.mtu);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn answer(number: u16, mtu: u16) -> Result<TunnelAnswer, ServiceDataError> {
        TunnelAnswer::open(&TunnelAnswer { key: StaticKey([9; 32]), port: 51820, slot: Slot(number), mtu }.to_bytes())
    }

    #[test]
    fn both_sides_data_come_back_and_what_makes_no_sense_is_refused() {
        let asked = TunnelRequest { key: StaticKey([7; 32]) };
        assert_eq!(TunnelRequest::open(&asked.to_bytes()), Ok(asked));
        assert!(TunnelRequest::open(&[&asked.to_bytes()[..], &[0]].concat()).is_err());
        assert_eq!(TunnelRequest::open(&[2]), Err(ServiceDataError::Version { found: 2, spoken: 1 }));
        assert_eq!(answer(2, 1420).map(|answer| answer.slot), Ok(Slot(2)));
        for (number, mtu) in [(0, 1420), (1, 1420), (SLOTS_MAX + 2, 1420), (u16::MAX, 1420), (2, 1279), (2, 1421)] {
            assert!(answer(number, mtu).is_err(), "{number}, {mtu}");
        }
    }

    #[test]
    fn a_slot_names_its_addresses() {
        let slot = Slot::of_number(258).expect("a client's");
        assert_eq!((slot.v4().to_string(), slot.v6().to_string()), ("10.86.1.2".into(), "fd62:7977:6179::102".into()));
        assert_eq!(Slot::PROVIDER.v4().to_string(), "10.86.0.1");
    }

    #[test]
    fn every_session_has_a_secret_of_its_own() {
        let keys = TunnelKeys::new(Zeroizing::new([1; 32]));
        let secrets = [keys.of_session(ResponseId(1)), keys.of_session(ResponseId(2)), keys.of_provider()];
        assert!(secrets[0] != secrets[1] && secrets[1] != secrets[2] && secrets[0] != secrets[2]);
        assert_eq!(keys.of_session(ResponseId(1)), secrets[0]);
    }

    #[test]
    fn no_more_than_there_are_slots_are_served() {
        let session = |number: u16| {
            let mut id = [0; 16];
            id[..2].copy_from_slice(&number.to_le_bytes());
            SessionId(id)
        };
        let mut slots = Slots::default();
        for number in 0..SLOTS_MAX {
            assert_eq!(slots.assign(session(number)), Some(Slot(number + 2)));
        }
        assert_eq!(slots.assign(session(SLOTS_MAX)), None);
        assert_eq!(slots.assign(session(5)), Some(Slot(7)), "it has one");
        slots.release(session(5));
        assert_eq!(slots.assign(session(SLOTS_MAX)), Some(Slot(7)));
    }

    proptest! {
        #[test]
        fn nobody_shares_a_slot(steps in proptest::collection::vec((0u8..3, 0u8..6, 2u16..9), 0..60)) {
            let mut slots = Slots::default();
            for (kind, session, slot) in steps {
                let session = SessionId([session; 16]);
                match kind {
                    0 => { slots.assign(session); }
                    1 => slots.keep(session, Slot(slot)),
                    _ => slots.release(session),
                }
                prop_assert_eq!(slots.by_session.len(), slots.taken.len());
                for (session, slot) in &slots.by_session {
                    prop_assert_eq!(slots.taken.get(slot), Some(session));
                }
            }
        }

        #[test]
        fn whatever_opens_encodes_to_the_same_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..48)) {
            if let Ok(answer) = TunnelAnswer::open(&bytes) {
                prop_assert_eq!(answer.to_bytes(), bytes.clone());
            }
            if let Ok(request) = TunnelRequest::open(&bytes) {
                prop_assert_eq!(request.to_bytes(), bytes);
            }
        }
    }
}
