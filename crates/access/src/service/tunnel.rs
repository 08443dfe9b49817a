//! The IP tunnel: whole packets, by WireGuard, between a client's machine and the exit (row A11).
//!
//! A session is one WireGuard peer on either side. The client names the public key of a secret that it has for this
//! session only, so that two of its sessions have no key in common. The provider answers with its own, the port where its
//! WireGuard hears, and a [`Seat`]: a number that both turn into the client's addresses inside. Whatever has another source
//! address than that of its seat is dropped at the exit.
//!
//! The inside is the same at every provider ([`Seat::v4`], [`Seat::v6`]), because nobody else ever sees it: the exit
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
pub const SEATS_MAX: u16 = 4096;

const VERSION: u8 = 1;
const SESSION_SECRET: Context = Context("byway 1 tunnel session secret");
const PROVIDER_SECRET: Context = Context("byway 1 tunnel provider secret");

/// A client's place inside a provider's tunnel: its number is 2 to [`SEATS_MAX`] + 1, as 1 is the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seat(u16);

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
    pub seat: Seat,
    /// Bytes of the largest packet inside.
    pub mtu: u16,
}

/// The WireGuard secrets of a node, all from one.
#[derive(Clone)]
pub struct TunnelKeys(Zeroizing<[u8; 32]>);

/// Which seats of a provider are taken, and by whom.
#[derive(Debug, Clone, Default)]
pub struct Seats {
    by_session: BTreeMap<SessionId, Seat>,
    taken: BTreeMap<Seat, SessionId>,
}

impl Seat {
    /// The provider's own: where it resolves names for its clients.
    pub const PROVIDER: Self = Self(1);

    /// A client's seat by its number; `None` for those that no client has.
    pub fn of_number(number: u16) -> Option<Self> {
        (2..=SEATS_MAX + 1).contains(&number).then_some(Self(number))
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

impl Seats {
    /// The session's seat: the one it has, or the lowest that is free. `None` where all are taken.
    pub fn assign(&mut self, session: SessionId) -> Option<Seat> {
        if let Some(seat) = self.by_session.get(&session) {
            return Some(*seat);
        }
        let is_free = |seat: &Seat| !self.taken.contains_key(seat);
        let seat = (2..).map_while(Seat::of_number).find(is_free)?;
        self.seat(session, seat);
        Some(seat)
    }

    /// A session of before the restart has this seat.
    pub fn keep(&mut self, session: SessionId, seat: Seat) {
        self.release(session);
        if let Some(before) = self.taken.remove(&seat) {
            self.by_session.remove(&before);
        }
        self.seat(session, seat);
    }

    pub fn release(&mut self, session: SessionId) {
        if let Some(seat) = self.by_session.remove(&session) {
            self.taken.remove(&seat);
        }
    }

    fn seat(&mut self, session: SessionId, seat: Seat) {
        self.by_session.insert(session, seat);
        self.taken.insert(seat, session);
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
        let seat = Seat::of_number(input.u16()?).ok_or(DecodeError::Invalid("a tunnel's seat: 2 to 4097"))?;
        let mtu = input.u16()?;
        // IPv6 asks for the lower bound; beyond the upper one packets would be cut on the way.
        if !(1280..=MTU).contains(&mtu) {
            return Err(DecodeError::Invalid("a tunnel's MTU: 1280 to 1420").into());
        }
        input.finish()?;
        Ok(Self { key, port, seat, mtu })
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
        out.varint(self.seat.0);
        out.varint(self.mtu);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn answer(number: u16, mtu: u16) -> Result<TunnelAnswer, ServiceDataError> {
        TunnelAnswer::open(&TunnelAnswer { key: StaticKey([9; 32]), port: 51820, seat: Seat(number), mtu }.to_bytes())
    }

    #[test]
    fn both_sides_data_come_back_and_what_makes_no_sense_is_refused() {
        let asked = TunnelRequest { key: StaticKey([7; 32]) };
        assert_eq!(TunnelRequest::open(&asked.to_bytes()), Ok(asked));
        assert!(TunnelRequest::open(&[&asked.to_bytes()[..], &[0]].concat()).is_err());
        assert_eq!(TunnelRequest::open(&[2]), Err(ServiceDataError::Version { found: 2, spoken: 1 }));
        assert_eq!(answer(2, 1420).map(|answer| answer.seat), Ok(Seat(2)));
        for (number, mtu) in [(0, 1420), (1, 1420), (SEATS_MAX + 2, 1420), (u16::MAX, 1420), (2, 1279), (2, 1421)] {
            assert!(answer(number, mtu).is_err(), "{number}, {mtu}");
        }
    }

    #[test]
    fn a_seat_names_its_addresses() {
        let seat = Seat::of_number(258).expect("a client's");
        assert_eq!((seat.v4().to_string(), seat.v6().to_string()), ("10.86.1.2".into(), "fd62:7977:6179::102".into()));
        assert_eq!(Seat::PROVIDER.v4().to_string(), "10.86.0.1");
    }

    #[test]
    fn every_session_has_a_secret_of_its_own() {
        let keys = TunnelKeys::new(Zeroizing::new([1; 32]));
        let secrets = [keys.of_session(ResponseId(1)), keys.of_session(ResponseId(2)), keys.of_provider()];
        assert!(secrets[0] != secrets[1] && secrets[1] != secrets[2] && secrets[0] != secrets[2]);
        assert_eq!(keys.of_session(ResponseId(1)), secrets[0]);
    }

    #[test]
    fn no_more_than_there_are_seats_are_seated() {
        let session = |number: u16| {
            let mut id = [0; 16];
            id[..2].copy_from_slice(&number.to_le_bytes());
            SessionId(id)
        };
        let mut seats = Seats::default();
        for number in 0..SEATS_MAX {
            assert_eq!(seats.assign(session(number)), Some(Seat(number + 2)));
        }
        assert_eq!(seats.assign(session(SEATS_MAX)), None);
        assert_eq!(seats.assign(session(5)), Some(Seat(7)), "it has one");
        seats.release(session(5));
        assert_eq!(seats.assign(session(SEATS_MAX)), Some(Seat(7)));
    }

    proptest! {
        #[test]
        fn nobody_shares_a_seat(steps in proptest::collection::vec((0u8..3, 0u8..6, 2u16..9), 0..60)) {
            let mut seats = Seats::default();
            for (kind, session, seat) in steps {
                let session = SessionId([session; 16]);
                match kind {
                    0 => { seats.assign(session); }
                    1 => seats.keep(session, Seat(seat)),
                    _ => seats.release(session),
                }
                prop_assert_eq!(seats.by_session.len(), seats.taken.len());
                for (session, seat) in &seats.by_session {
                    prop_assert_eq!(seats.taken.get(seat), Some(session));
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
