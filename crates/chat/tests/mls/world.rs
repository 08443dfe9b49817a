//! People with devices in one room, each with a disk of its own; tests say who is brought what, and when.

use std::collections::BTreeSet;

use byway_chat::device::{Device, DeviceCertificate, DeviceConsent, DeviceSecret};
use byway_chat::mls::{
    Change, ChangeError, Content, KeptPackage, Made, Received, Refused, Roles, Room, RoomId, Sealed, in_turn,
};
use byway_crypto::IdentitySecret;
use byway_primitives::hash::Context;
use byway_primitives::{Batch, Hash, IdentityId, MemoryStore, NetworkId, Span, Time};

pub const NETWORK: NetworkId = NetworkId(Hash([7; 32]));
pub const ROOM: RoomId = RoomId([9; 32]);
pub const START: Time = Time(1_800_000_000_000);

const SEEDS: Context = Context("byway test: seeds");

/// A device: its room, its disk, and how many seeds it has drawn.
pub struct Side {
    pub device: Device,
    pub room: Option<Room>,
    pub store: MemoryStore,
    pub now: Time,
    /// Whatever it does its machine stops before that is written down, and it does it again.
    pub stops_first: bool,
    draws: u64,
}

pub fn identity(person: u32) -> IdentitySecret {
    let bytes = SEEDS.hash(&[b"identity", &person.to_be_bytes()]).0;
    IdentitySecret::from_bytes(&bytes).expect("a key")
}

pub fn id(person: u32) -> IdentityId {
    identity(person).id()
}

pub fn device(person: u32, index: u32) -> Device {
    let seed = SEEDS.hash(&[b"device", &person.to_be_bytes(), &index.to_be_bytes()]).0;
    let secret = DeviceSecret::from_seed(&seed);
    let (since, until) = (START - Span::days(1), START + Span::days(300));
    let certificate = DeviceCertificate::issue(&identity(person), NETWORK, (secret.key(), index), since, until);
    Device { secret, certificate }
}

/// A device of one person at the node of another.
pub fn linked(person: u32, index: u32, node: u32) -> Device {
    let Device { secret, certificate } = device(node, index);
    let consent = DeviceConsent::give(&identity(node), NETWORK, id(person), secret.key());
    let DeviceCertificate { since, until, .. } = certificate;
    let certificate =
        DeviceCertificate::issue_linked(&identity(person), NETWORK, (&consent, index), since, until).expect("agrees");
    Device { secret, certificate }
}

impl Side {
    pub fn new(person: u32, index: u32) -> Self {
        let device = device(person, index);
        Self { device, room: None, store: MemoryStore::new(), now: START, stops_first: false, draws: 0 }
    }

    pub fn seed(&mut self) -> [u8; 32] {
        self.draws += 1;
        SEEDS.hash(&[b"draw", &self.device.secret.key().0, &self.draws.to_be_bytes()]).0
    }

    pub fn room(&self) -> &Room {
        self.room.as_ref().expect("is in the room")
    }

    pub fn found(&mut self, roles: &Roles) {
        let (seed, mut batch) = (self.seed(), Batch::new());
        self.room = Some(Room::found(&self.device, ROOM, roles, &seed, self.now, &mut batch).unwrap());
        self.store.apply(&batch);
    }

    pub fn package(&mut self) -> (Vec<u8>, KeptPackage) {
        let seed = self.seed();
        Room::key_package(&self.device, &seed).unwrap()
    }

    /// Does something to the room, and writes it down.
    fn act<T, E>(&mut self, act: impl Fn(&mut Room, &[u8; 32], Time, &mut Batch) -> Result<T, E>) -> Result<T, E> {
        if self.stops_first {
            let seed = self.seed();
            let _ = act(self.room.as_mut().expect("is in the room"), &seed, self.now, &mut Batch::new());
            self.restart();
        }
        let (seed, mut batch) = (self.seed(), Batch::new());
        let done = act(self.room.as_mut().expect("is in the room"), &seed, self.now, &mut batch);
        self.store.apply(&batch);
        done
    }

    /// Draws the seed of the last operation once more for the next.
    pub fn undraw(&mut self) {
        self.draws -= 1;
    }

    pub fn restart(&mut self) {
        let kept = Room::load(&self.store, ROOM, self.device.clone()).unwrap();
        self.room = kept;
    }

    pub fn try_change(&mut self, change: &Change) -> Result<Made, ChangeError> {
        self.act(|room, seed, now, batch| room.change(seed, now, change, batch))
    }

    pub fn change(&mut self, change: &Change) -> Made {
        self.try_change(change).unwrap()
    }

    pub fn update(&mut self) -> Made {
        self.change(&Change::default())
    }

    pub fn seal(&mut self, content: &[u8]) -> Sealed {
        self.act(|room, seed, _, batch| room.seal(seed, content, batch)).unwrap()
    }

    pub fn try_leave(&mut self) -> Result<Vec<u8>, ChangeError> {
        self.act(|room, seed, _, batch| room.leave(seed, batch))
    }

    pub fn leave(&mut self) -> Vec<u8> {
        self.try_leave().unwrap()
    }

    pub fn receive(&mut self, frame: &[u8]) -> Result<Received, Refused> {
        self.act(|room, seed, now, batch| room.receive(now, seed, frame, batch))
    }

    /// The content that a frame holds.
    pub fn read(&mut self, frame: &[u8]) -> Content {
        match self.receive(frame) {
            Ok(Received::Content(content)) => content,
            other => panic!("no content: {other:?}"),
        }
    }

    /// Follows a commit.
    pub fn follow(&mut self, frame: &[u8]) -> byway_chat::mls::Changed {
        match self.receive(frame) {
            Ok(Received::Changed(changed)) => changed,
            other => panic!("no change that is followed: {other:?}"),
        }
    }

    pub fn enter(&mut self, made: &Made, kept: &[KeptPackage]) {
        let welcome = made.welcome.as_ref().expect("a welcome");
        let (seed, mut batch) = (self.seed(), Batch::new());
        let invitation = (&welcome.invitation[..], &welcome.tree[..]);
        let entered = Room::enter(&self.device, invitation, kept, (&seed, self.now, in_turn), &mut batch).unwrap();
        assert_eq!(entered.by.device, made.summary.by.device);
        self.room = Some(entered.room);
        self.store.apply(&batch);
    }

    /// What all who agree have in common.
    pub fn view(&self) -> (u64, Vec<u8>, BTreeSet<(IdentityId, u32)>) {
        let (room, epoch) = (self.room(), self.room().epoch());
        let members = room.members().into_iter().map(|member| (member.identity, member.index)).collect();
        (epoch.number, epoch.authenticator, members)
    }
}

/// `count` people with a device each; the first has founded the room and added the others.
pub fn room_of(count: u32) -> Vec<Side> {
    room_with(count, &Roles::group(id(0)))
}

pub fn room_with(count: u32, roles: &Roles) -> Vec<Side> {
    let mut sides: Vec<Side> = (0..count).map(|person| Side::new(person, 0)).collect();
    let (founder, others) = sides.split_first_mut().expect("somebody");
    founder.found(roles);
    let packages: Vec<_> = others.iter_mut().map(Side::package).collect();
    let add = packages.iter().map(|(package, _)| package.clone()).collect();
    if others.is_empty() {
        return sides;
    }
    let made = founder.change(&Change { add, ..Change::default() });
    for (side, (_, kept)) in others.iter_mut().zip(packages) {
        side.enter(&made, &[kept]);
    }
    sides
}

/// All are in one epoch with the same members.
pub fn assert_agreed(sides: &[Side]) {
    let first = sides[0].view();
    for side in sides {
        assert_eq!(side.view(), first, "{:?}", side.device.certificate.identity);
    }
}
