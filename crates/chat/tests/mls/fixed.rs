//! One fixed value of everything that devices of a conversation send each other: all of it follows from fixed seeds.

use byway_chat::device::{Device, DeviceCertificate, DeviceConsent, DeviceSecret};
use byway_chat::mls::{Change, KeptPackage, Line, Roles, Room, RoomId, in_turn};
use byway_crypto::IdentitySecret;
use byway_primitives::{Batch, Hash, MemoryStore, NetworkId, Time};

pub const NETWORK: NetworkId = NetworkId(Hash([2; 32]));
pub const ROOM: RoomId = RoomId([3; 32]);
pub const NOW: Time = Time(1_800_000_000_000);

/// What two devices come to say in one room.
pub struct Fixed {
    pub roles: Roles,
    pub package: Vec<u8>,
    pub kept: KeptPackage,
    /// Frames of the first device, for the second: content, a request to leave, a commit, and content after it.
    pub frames: Vec<(&'static str, Vec<u8>)>,
    pub invitation: Vec<u8>,
    pub tree: Vec<u8>,
    /// With which a device enters anew, and how.
    pub info: Vec<u8>,
    pub entry: Vec<u8>,
    pub line: Line,
    /// The second device, and its disk before any of the frames.
    pub device: Device,
    pub store: MemoryStore,
}

pub fn device(number: u8) -> Device {
    let identity = IdentitySecret::from_bytes(&[number; 32]).expect("a key");
    let secret = DeviceSecret::from_seed(&[number; 32]);
    let key = (secret.key(), u32::from(number));
    let certificate = DeviceCertificate::issue(&identity, NETWORK, key, Time(NOW.0 - 1), Time(NOW.0 + 1_000_000_000));
    Device { secret, certificate }
}

/// Of a device of the first person that is at the second one's node.
pub fn linked() -> DeviceCertificate {
    let [person, node] = [1, 2].map(|number| IdentitySecret::from_bytes(&[number; 32]).expect("a key"));
    let consent = DeviceConsent::give(&node, NETWORK, person.id(), DeviceSecret::from_seed(&[2; 32]).key());
    let until = Time(NOW.0 + 1_000_000_000);
    DeviceCertificate::issue_linked(&person, NETWORK, (&consent, 1), NOW, until).expect("agrees")
}

/// A room of two, and one frame of every kind.
pub fn fixed() -> Fixed {
    let (founder, device) = (device(1), device(2));
    let mut roles = Roles::group(founder.certificate.identity);
    roles.admins.insert(device.certificate.identity);
    let mut batch = Batch::new();
    let mut room = Room::found(&founder, ROOM, &roles, &[10; 32], NOW, &mut batch).expect("founds");
    let (package, kept) = Room::key_package(&device, &[11; 32]).expect("a package");
    let add = Change { add: vec![package.clone()], ..Change::default() };
    let made = room.change(&[12; 32], NOW, &add, &mut batch).expect("adds");
    let welcome = made.welcome.expect("somebody was added");
    let mut store = MemoryStore::new();
    let mut theirs = Batch::new();
    let way_in = (&welcome.invitation[..], &welcome.tree[..]);
    let entered = Room::enter(&device, way_in, &[kept], (&[13; 32], NOW, in_turn), &mut theirs).expect("enters");
    store.apply(&theirs);
    let mut other = entered.room;
    let content = room.seal(&[14; 32], b"hello", &mut batch).expect("seals").bytes;
    let update = room.change(&[15; 32], NOW, &Change::default(), &mut batch).expect("updates").commit;
    let after = room.seal(&[16; 32], b"after", &mut batch).expect("seals").bytes;
    let (info, tree) = other.group_info(&[17; 32]).expect("is a member");
    let entry = Room::enter_by_external_commit(&founder, (&info, &tree), &[18; 32], NOW, &mut batch).expect("enters").1;
    let line = room.line();
    let leave = {
        let way_in = (&info[..], &tree[..]);
        let mut anew = Room::enter_by_external_commit(&founder, way_in, &[18; 32], NOW, &mut batch).expect("enters").0;
        anew.leave(&[19; 32], &mut batch).expect("asks")
    };
    let (package, kept) = Room::key_package(&device, &[11; 32]).expect("a package");
    let frames = vec![
        ("content", content),
        ("commit", update),
        ("content after", after),
        ("leave", leave),
        ("entry", entry.clone()),
    ];
    let (invitation, tree) = (welcome.invitation, welcome.tree);
    Fixed { roles, package, kept, frames, invitation, tree, info, entry, line, device, store }
}
