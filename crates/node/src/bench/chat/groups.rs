//! A room of many people: adding one, and coming in, beside the library that rooms stand on, used barely.
//!
//! Both are given a package of keys as bytes and give what is to be sent as bytes, and both come in by these bytes. What is bare does
//! nothing else: it knows of no certificates, roles, epochs side by side or journal, and its group stays in memory from one
//! change to the next. Its primitives, its credentials and the order of its changes are those of the room. Neither counts
//! what it takes to bring the bytes to everybody.

use std::time::Instant;

use anyhow::{Context, ensure};
use byway_chat::device::{Device, DeviceCertificate, DeviceSecret};
use byway_chat::mls::provider::{Entries, Provider};
use byway_chat::mls::{ADDS_MAX, Change, KeptPackage, Roles, Room, RoomId};
use byway_crypto::IdentitySecret;
use byway_driver::pool::beside;
use byway_primitives::{Batch, Encode, Hash, NetworkId, Span, Time};
use openmls::group::{MlsGroup, MlsGroupJoinConfig, StagedWelcome};
use openmls::prelude::tls_codec::{Deserialize, Serialize as TlsSerialize};
use openmls::prelude::{
    BasicCredential, Ciphersuite, CredentialWithKey, KeyPackage, MlsMessageBodyIn, MlsMessageIn, MlsMessageOut,
    OpenMlsProvider, ProtocolVersion, RatchetTreeIn,
};
use serde::Serialize;

use super::super::network::seed;
use super::{median, millis};

const SUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519;
const NETWORK: NetworkId = NetworkId(Hash([9; 32]));
const NOW: Time = Time(1_800_000_000_000);
/// Each is measured so often, in turns. One more person is in the room each time.
const ROUNDS: u32 = 5;

#[derive(Debug, Clone, Copy, Serialize)]
pub struct Report {
    pub members: u32,
    /// Adding one person, up to the bytes of the commit and of the welcome and what is to be written down; the median.
    pub group_add_ms: f64,
    /// The same with the bare library.
    pub group_add_limit_ms: f64,
    pub group_add_ratio: f64,
    /// Coming into the room by these bytes.
    pub join_ms: f64,
    pub join_limit_ms: f64,
    pub join_ratio: f64,
}

/// Measures with so many people in the room, the one who comes in among them.
pub fn measure(members: u32) -> anyhow::Result<Report> {
    let nothing = Entries::default();
    let others = members.checked_sub(2).context("a room needs two people at least")?;
    let founder = device(0)?;
    let (mut ours, mut bare) = (Ours::found(founder.clone())?, Bare::found(founder, &nothing)?);
    let numbers: Vec<u32> = (1..=others).collect();
    for batch in numbers.chunks(ADDS_MAX) {
        let devices: Vec<Device> = batch.iter().map(|number| device(*number)).collect::<anyhow::Result<_>>()?;
        ours.add(&devices.iter().map(|device| Ok(ours_package(device)?.0)).collect::<anyhow::Result<Vec<_>>>()?)?;
        let packages = devices.iter().map(|device| Ok(Newcomer::new(device, &nothing)?.package));
        bare.add(&packages.collect::<anyhow::Result<Vec<_>>>()?)?;
    }
    let mut times: [Vec<f64>; 4] = Default::default();
    for round in 0..ROUNDS {
        let newcomer = device(others + 1 + round)?;
        let members = members + round;
        let [add, join] = ours.round(&newcomer, members)?;
        let [bare_add, bare_join] = bare.round(&newcomer, members, &nothing)?;
        for (all, took) in times.iter_mut().zip([add, bare_add, join, bare_join]) {
            all.push(took);
        }
    }
    let [group_add_ms, group_add_limit_ms, join_ms, join_limit_ms] = times.map(median);
    Ok(Report {
        members,
        group_add_ms,
        group_add_limit_ms,
        group_add_ratio: group_add_ms / group_add_limit_ms,
        join_ms,
        join_limit_ms,
        join_ratio: join_ms / join_limit_ms,
    })
}

fn device(number: u32) -> anyhow::Result<Device> {
    let own = |purpose: &[u8]| seed(&[b"room", purpose, &number.to_le_bytes()]);
    let identity = IdentitySecret::from_bytes(&own(b"identity")).context("a bench identity's key")?;
    let secret = DeviceSecret::from_seed(&own(b"device"));
    let until = NOW + Span::days(300);
    let certificate = DeviceCertificate::issue(&identity, NETWORK, (secret.key(), 0), NOW - Span::days(1), until);
    Ok(Device { secret, certificate })
}

/// A seed that is drawn once.
fn draw(drawn: &mut u64) -> [u8; 32] {
    *drawn += 1;
    seed(&[b"room", b"draw", &drawn.to_le_bytes()])
}

fn ours_package(device: &Device) -> anyhow::Result<(Vec<u8>, KeptPackage)> {
    Ok(Room::key_package(device, &seed(&[b"room", b"package", &device.secret.key().0]))?)
}

/// A room as a node has it.
struct Ours {
    room: Room,
    drawn: u64,
}

/// What whoever was added is given.
type Given = (Vec<u8>, Vec<u8>);

impl Ours {
    fn found(device: Device) -> anyhow::Result<Self> {
        let (mut drawn, roles) = (0, Roles::group(device.certificate.identity));
        let room = Room::found(&device, RoomId([7; 32]), &roles, &draw(&mut drawn), NOW, &mut Batch::new())?;
        Ok(Self { room, drawn })
    }

    fn add(&mut self, packages: &[Vec<u8>]) -> anyhow::Result<Given> {
        let change = Change { add: packages.to_vec(), ..Change::default() };
        let made = self.room.change(&draw(&mut self.drawn), NOW, &change, &mut Batch::new())?;
        let welcome = made.welcome.context("a welcome for whoever was added")?;
        Ok((welcome.invitation, welcome.tree))
    }

    /// How long adding one took, and how long coming in.
    fn round(&mut self, newcomer: &Device, members: u32) -> anyhow::Result<[f64; 2]> {
        let (package, kept) = ours_package(newcomer)?;
        let begun = Instant::now();
        let (invitation, tree) = self.add(&[package])?;
        let added = millis(begun.elapsed());
        let (kept, drawn) = ([kept], draw(&mut self.drawn));
        let begun = Instant::now();
        let entered = Room::enter(newcomer, (&invitation, &tree), &kept, (&drawn, NOW, beside), &mut Batch::new())?;
        let joined = millis(begun.elapsed());
        let seen = entered.room.members().len();
        ensure!(seen == members as usize, "{seen} people of {members} are in the room");
        Ok([added, joined])
    }
}

/// A group of the library's.
struct Bare<'a> {
    provider: Provider<'a>,
    group: MlsGroup,
    device: Device,
}

/// Somebody who is to be added to it.
struct Newcomer<'a> {
    provider: Provider<'a>,
    package: Vec<u8>,
}

impl<'a> Newcomer<'a> {
    fn new(device: &Device, nothing: &'a Entries) -> anyhow::Result<Self> {
        let provider = Provider::new(&seed(&[b"bare", b"package", &device.secret.key().0]), nothing);
        let made = KeyPackage::builder().build(SUITE, &provider, device, credential(device))?;
        Ok(Self { package: MlsMessageOut::from(made.key_package().clone()).to_bytes()?, provider })
    }
}

fn credential(device: &Device) -> CredentialWithKey {
    CredentialWithKey {
        credential: BasicCredential::new(device.certificate.to_bytes()).into(),
        signature_key: device.certificate.key.0.to_vec().into(),
    }
}

fn message(bytes: &[u8]) -> anyhow::Result<MlsMessageBodyIn> {
    Ok(MlsMessageIn::tls_deserialize_exact(bytes)?.extract())
}

impl<'a> Bare<'a> {
    fn found(device: Device, nothing: &'a Entries) -> anyhow::Result<Self> {
        let provider = Provider::new(&seed(&[b"bare", b"founder"]), nothing);
        let group = MlsGroup::builder().ciphersuite(SUITE).use_ratchet_tree_extension(false).build(
            &provider,
            &device,
            credential(&device),
        )?;
        Ok(Self { provider, group, device })
    }

    fn add(&mut self, packages: &[Vec<u8>]) -> anyhow::Result<Given> {
        let mut read = Vec::new();
        for package in packages {
            let MlsMessageBodyIn::KeyPackage(package) = message(package)? else { anyhow::bail!("no package of keys") };
            read.push(package.validate(self.provider.crypto(), ProtocolVersion::Mls10)?);
        }
        let (commit, welcome, _) = self.group.add_members(&self.provider, &self.device, &read)?;
        self.group.merge_pending_commit(&self.provider)?;
        std::hint::black_box(commit.to_bytes()?);
        Ok((welcome.to_bytes()?, self.group.export_ratchet_tree().tls_serialize_detached()?))
    }

    /// How long adding one took, and how long coming in.
    fn round(&mut self, newcomer: &Device, members: u32, nothing: &'a Entries) -> anyhow::Result<[f64; 2]> {
        let Newcomer { provider, package } = Newcomer::new(newcomer, nothing)?;
        let begun = Instant::now();
        let (welcome, tree) = self.add(&[package])?;
        let added = millis(begun.elapsed());
        let begun = Instant::now();
        let MlsMessageBodyIn::Welcome(welcome) = message(&welcome)? else { anyhow::bail!("no welcome") };
        let tree = RatchetTreeIn::tls_deserialize_exact(&tree)?;
        let config = MlsGroupJoinConfig::default();
        let group = StagedWelcome::new_from_welcome(&provider, &config, welcome, Some(tree))?.into_group(&provider)?;
        let joined = millis(begun.elapsed());
        let seen = group.members().count();
        ensure!(seen == members as usize, "{seen} people of {members} are in the bare group");
        Ok([added, joined])
    }
}
