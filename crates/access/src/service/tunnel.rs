//! The IP tunnel: whole packets, by WireGuard, between a client's machine and the exit (row A11).
//!
//! A session is one WireGuard peer on either side. The client names the public key of a secret that it has for this
//! session only, so that two of its sessions have no key in common. The provider answers with its own, the port where its
//! WireGuard hears, and a [`Slot`]: a number that both turn into the client's addresses inside. Whatever has another source
//! address than that of its slot is dropped at the exit.
//!
//! A tunnel may come in slices (row A12): then the client also says how it cuts, and gives a secret by which the two know each
//! other's; the provider answers with the port where it takes them. Such data is of version 2, and other data of version 1.
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
use crate::slices::{Label, Shape};

/// Bytes of the largest packet inside: what is left of 1,500 bytes after IPv6, UDP and WireGuard.
pub const MTU: u16 = 1420;
/// Clients of one provider at one time.
pub const SLOTS_MAX: u16 = 4096;

const VERSION: u8 = 1;
const VERSION_IN_SLICES: u8 = 2;
const SESSION_SECRET: Context = Context("byway 1 tunnel session secret");
const SLICES_SECRET: Context = Context("byway 1 tunnel slices secret");
const PROVIDER_SECRET: Context = Context("byway 1 tunnel provider secret");

/// A client's place inside a provider's tunnel: its number is 2 to [`SLOTS_MAX`] + 1, as 1 is the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u16);

/// What a client of the tunnel asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TunnelRequest {
    /// The client's WireGuard key in this session.
    pub key: StaticKey,
    /// How its packets are cut, if they are.
    pub slices: Option<SlicesRequest>,
}

/// How a client cuts.
#[derive(Clone, PartialEq, Eq)]
pub struct SlicesRequest {
    pub shape: Shape,
    /// Of this session only.
    pub secret: Zeroizing<[u8; 32]>,
}

/// Where a provider takes slices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlicesAnswer {
    /// At the address under which its link is reached.
    pub port: u16,
    /// Of the session, on slices both ways.
    pub label: Label,
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
    /// Where it takes slices, if the client asked for that.
    pub slices: Option<SlicesAnswer>,
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

    /// By which a provider knows slices of the client in this slot.
    pub fn label(self) -> Label {
        Label(self.0.into())
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

    /// What the client's slices in that session are known by.
    pub fn of_slices(&self, response: ResponseId) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(SLICES_SECRET.hash(&[&*self.0, &response.0.to_le_bytes()]).0)
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

/// Whether data is of a tunnel in slices.
fn is_in_slices(input: &mut Reader<'_>) -> Result<bool, ServiceDataError> {
    match input.byte()? {
        VERSION => Ok(false),
        VERSION_IN_SLICES => Ok(true),
        found => Err(ServiceDataError::Version { found, spoken: VERSION_IN_SLICES }),
    }
}

impl TunnelRequest {
    pub fn open(data: &[u8]) -> Result<Self, ServiceDataError> {
        let mut input = Reader::new(data);
        let is_in_slices = is_in_slices(&mut input)?;
        let key = StaticKey(input.array()?);
        let slices = if is_in_slices { Some(SlicesRequest::read(&mut input)?) } else { None };
        input.finish()?;
        Ok(Self { key, slices })
    }
}

impl SlicesRequest {
    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (needed, paths) = (input.byte()?, input.byte()?);
        let shape = Shape::new(needed, paths)
            .map_err(|_| DecodeError::Invalid("slices: 1 to 8 of them, of which 1 to all are needed"))?;
        Ok(Self { shape, secret: Zeroizing::new(input.array()?) })
    }
}

impl std::fmt::Debug for SlicesRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SlicesRequest").field("shape", &self.shape).finish_non_exhaustive()
    }
}

impl TunnelAnswer {
    pub fn open(data: &[u8]) -> Result<Self, ServiceDataError> {
        let mut input = Reader::new(data);
        let is_in_slices = is_in_slices(&mut input)?;
        let (key, port) = (StaticKey(input.array()?), input.u16()?);
        let slot = Slot::of_number(input.u16()?).ok_or(DecodeError::Invalid("a tunnel's slot: 2 to 4097"))?;
        let mtu = input.u16()?;
        // IPv6 asks for the lower bound; beyond the upper one packets would be cut on the way.
        if !(1280..=MTU).contains(&mtu) {
            return Err(DecodeError::Invalid("a tunnel's MTU: 1280 to 1420").into());
        }
        let slices = match is_in_slices {
            true => Some(SlicesAnswer { port: input.u16()?, label: Label(input.u32()?) }),
            false => None,
        };
        input.finish()?;
        Ok(Self { key, port, slot, mtu, slices })
    }
}

impl Encode for TunnelRequest {
    fn encode(&self, out: &mut Writer) {
        out.byte(if self.slices.is_some() { VERSION_IN_SLICES } else { VERSION });
        out.raw(&self.key.0);
        if let Some(SlicesRequest { shape, secret }) = &self.slices {
            // Both are at most eight.
            out.byte(shape.needed() as u8);
            out.byte(shape.paths() as u8);
            out.raw(&**secret);
        }
    }
}

impl Encode for TunnelAnswer {
    fn encode(&self, out: &mut Writer) {
        out.byte(if self.slices.is_some() { VERSION_IN_SLICES } else { VERSION });
        out.raw(&self.key.0);
        out.varint(self.port);
        out.varint(self.slot.0);
        out.varint(self.mtu);
        if let Some(SlicesAnswer { port, label }) = self.slices {
            out.varint(port);
            out.varint(label.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn answer(number: u16, mtu: u16) -> Result<TunnelAnswer, ServiceDataError> {
        let answer = TunnelAnswer { key: StaticKey([9; 32]), port: 51820, slot: Slot(number), mtu, slices: None };
        TunnelAnswer::open(&answer.to_bytes())
    }

    #[test]
    fn both_sides_data_come_back_and_what_makes_no_sense_is_refused() {
        let shape = Shape::new(2, 3).expect("it is one");
        for slices in [None, Some(SlicesRequest { shape, secret: Zeroizing::new([3; 32]) })] {
            let asked = TunnelRequest { key: StaticKey([7; 32]), slices };
            assert_eq!(TunnelRequest::open(&asked.to_bytes()), Ok(asked.clone()));
            assert!(TunnelRequest::open(&[&asked.to_bytes()[..], &[0]].concat()).is_err());
        }
        assert_eq!(TunnelRequest::open(&[3]), Err(ServiceDataError::Version { found: 3, spoken: 2 }));
        let slices = Some(SlicesAnswer { port: 51_821, label: Label(2) });
        let answered = TunnelAnswer { key: StaticKey([9; 32]), port: 0, slot: Slot(2), mtu: 1300, slices };
        assert_eq!(TunnelAnswer::open(&answered.to_bytes()), Ok(answered));
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
        fn whatever_opens_encodes_to_the_same_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(answer) = TunnelAnswer::open(&bytes) {
                prop_assert_eq!(answer.to_bytes(), bytes.clone());
            }
            if let Ok(request) = TunnelRequest::open(&bytes) {
                prop_assert_eq!(request.to_bytes(), bytes);
            }
        }
    }
}
