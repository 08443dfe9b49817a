//! All conversations of one person, as one device has them: whom it knows, what was said, and what is still to be brought to whom.
//!
//! **Becoming contacts.** Whoever wants to talk with somebody [asks](Chats::ask), with a key package. Where they show an
//! [invite](Chats::invite) of ours, or we had asked them as well, the answer is given at once; else our person
//! [accepts](Chats::accept). To accept is to found a conversation of two and let the other in. Who was asked by each other
//! founds one only: the one with the lower id.
//!
//! **Saying something.** [`Chats::say`] gives a content its place here, seals it for the room, and puts it out for everyone in it
//! ([`delivery`](crate::delivery)). What others say is opened by the room, applied to what is shown ([`content`](crate::content)),
//! and only then receipted; so what has a receipt is on a disk in its place.
//!
//! **One step.** Every call that does anything adds to a [`ChatStep`]: what is to be written, then sent, then told. The caller
//! fetches it with [`Chats::take_step`] after each call, and sends nothing of it before the writes are durable. A room that went
//! back behind what it has sent would encrypt two things under one key.
//!
//! Not here: over what anything is brought ([`Chats::awaited`] says who is to be reached), and what it looks like.

mod asking;
mod heard;
mod held;
mod history;
mod opened;
mod saying;
mod talk;

use std::collections::BTreeMap;

use byway_crypto::IdentitySecret;
use byway_primitives::codec::{Decode, DecodeError, Encode};
use byway_primitives::hash::Context;
use byway_primitives::{Batch, IdentityId, NetworkId, Pending, Space, Span, Store, Time};
use zeroize::Zeroizing;

use crate::content::{MessageRef, Refusal};
use crate::delivery::letter::{ChatMessage, InviteToken, RECEIPTS_MAX};
use crate::delivery::{Inbox, Outbox, OutboxFull, ParcelId, PartFault};
use crate::device::{CERTIFICATE_SPAN_MAX, Device, DeviceCertificate, DeviceSecret};
use crate::mls::{BrokenRoom, ChangeError, EnterError, KeptPackage, Refused, Room, RoomId, SealError};
use crate::people::{Invite, Invites, People, PeopleDamaged, Person};

pub use history::Shown;
pub use saying::Draft;
use talk::Talk;
pub use talk::TalkView;

/// The private halves of key packages that somebody was given: key is a number that grows.
const PACKAGES: Space = Space("chat-packages");
/// Which message a parcel that is under way brings.
const SENT: Space = Space("chat-sent");

/// Key packages that nobody has used, at most; the oldest goes.
const PACKAGES_MAX: usize = 1024;

/// Certificates of this device: key is its number.
const CERTIFICATES: Space = Space("chat-device");
const DEVICE: Context = Context("byway 1 chat secret of a device");
/// A certificate that is good for no longer is replaced when the device starts.
const CERTIFICATE_LEFT: Span = Span::days(100);
/// How long before it was signed a certificate is good.
const CERTIFICATE_EARLY: Span = Span::days(1);

const PART: Context = Context("byway 1 chat derive: part of a step");

/// Whose conversations these are.
#[derive(Clone)]
pub struct ChatConfig {
    pub network: NetworkId,
    pub identity: IdentitySecret,
    /// Which of the person's devices this is.
    pub device: u32,
    /// By which the person goes, to those whom it asks.
    pub name: String,
}

/// What one call wants done, in this order: write, then send, then tell.
#[derive(Debug, Default)]
pub struct ChatStep {
    pub batch: Batch,
    pub sends: Vec<(IdentityId, ChatMessage)>,
    pub news: Vec<ChatNews>,
}

/// What has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChatNews {
    /// Somebody asks, has accepted, or stands otherwise than before.
    Person { peer: IdentityId },
    /// There is a new conversation, or somebody came or went, or it is called otherwise.
    Room { room: RoomId },
    /// A message is new here, or not as it was.
    Item { room: RoomId, of: MessageRef, is_new: bool },
    /// Somebody is writing, or is there, for a moment.
    Sign { room: RoomId, change: crate::content::Change },
    /// A peer said what can't be, of which nothing was done.
    Fault { peer: IdentityId, fault: ChatFault },
}

/// What is wrong with what a peer said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChatFault {
    #[error("a parcel came in a wrong way: {0}")]
    Part(#[from] PartFault),
    #[error("a parcel makes no sense: {0}")]
    Letter(DecodeError),
    #[error("a message makes no sense: {0}")]
    Content(DecodeError),
    #[error("the key package is not one of {0}")]
    ForeignPackage(IdentityId),
    #[error("the key package can't be used: {0}")]
    Package(String),
    #[error("nobody here asked to be let into a conversation by {0}")]
    Unasked(IdentityId),
    #[error("an invitation does not hold: {0}")]
    Invitation(EnterError),
    #[error("there is no conversation {0:?} here that it could be a message of")]
    NoRoom(RoomId),
    #[error("{0}")]
    Refused(Refused),
    #[error("what was said changes nothing: {0}")]
    Change(Refusal),
    #[error("what passes by was brought as if it were to be kept, or the other way round")]
    Passing,
    #[error("too many messages wait for what comes before them")]
    TooEarly,
}

/// What is kept can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ChatsDamaged {
    #[error(transparent)]
    People(#[from] PeopleDamaged),
    #[error(transparent)]
    Room(#[from] BrokenRoom),
    #[error("what is kept of a conversation can't be read ({0}); restore the data folder from a backup")]
    Talk(DecodeError),
    #[error("the certificate of this device can't be read ({0}); restore the data folder from a backup")]
    Certificate(DecodeError),
    #[error("a key package can't be read ({0}); restore the data folder from a backup")]
    Package(DecodeError),
}

/// Why something can't be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChatError {
    #[error("there is no such conversation")]
    NoRoom,
    #[error("{0} is not known here")]
    Unknown(IdentityId),
    #[error("{0} is a contact already")]
    AlreadyContact(IdentityId),
    #[error("{0} has not asked to be a contact")]
    NotAsking(IdentityId),
    #[error("that is this identity itself")]
    Oneself,
    #[error("there are too many invites that nobody has used")]
    TooManyInvites,
    #[error(transparent)]
    Outbox(#[from] OutboxFull),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Change(#[from] ChangeError),
    #[error("{0}")]
    Refused(#[from] Refusal),
    #[error("the message is too long: {0}")]
    TooMuch(#[from] crate::content::bounded::TooMuch),
    #[error("{0}")]
    Fault(Box<ChatFault>),
}

/// The machine. Call order: [`load`](Self::load), then anything; after each call that may have done something,
/// [`take_step`](Self::take_step).
pub struct Chats {
    device: Device,
    /// By which the person goes.
    name: String,
    people: People,
    invites: Invites,
    inbox: Inbox,
    outbox: Outbox,
    packages: Packages,
    talks: BTreeMap<RoomId, Talk>,
    /// To be receipted with the next step.
    receipts: BTreeMap<IdentityId, Vec<ParcelId>>,
    step: ChatStep,
}

/// Private halves of key packages, the oldest first, each with its number on disk.
#[derive(Default)]
struct Packages {
    numbers: Vec<u64>,
    kept: Vec<KeptPackage>,
}

impl Packages {
    fn load(store: &impl Store) -> Result<Self, ChatsDamaged> {
        let mut packages = Self::default();
        for (key, value) in store.scan_prefix(PACKAGES, &[]) {
            let number = <[u8; 8]>::try_from(key.as_slice()).map(u64::from_be_bytes);
            let number = number.map_err(|_| ChatsDamaged::Package(DecodeError::Invalid("number of a key package")))?;
            packages.numbers.push(number);
            packages.kept.push(KeptPackage::from_bytes(&value).map_err(ChatsDamaged::Package)?);
        }
        Ok(packages)
    }

    fn keep(&mut self, kept: KeptPackage, batch: &mut Batch) {
        if self.numbers.len() >= PACKAGES_MAX {
            self.remove(0, batch);
        }
        let number = self.numbers.last().map_or(0, |last| last + 1);
        batch.put(PACKAGES, number.to_be_bytes(), kept.to_bytes());
        self.numbers.push(number);
        self.kept.push(kept);
    }

    fn remove(&mut self, index: usize, batch: &mut Batch) {
        self.kept.remove(index);
        batch.delete(PACKAGES, self.numbers.remove(index).to_be_bytes());
    }
}

/// What one call goes by: the time, and secrets drawn from a seed that is new for each.
pub(crate) struct Call<'a, S> {
    pub now: Time,
    seed: Zeroizing<[u8; 32]>,
    drawn: std::cell::Cell<u64>,
    pub store: &'a S,
}

impl<'a, S: Store> Call<'a, S> {
    fn new(now: Time, seed: [u8; 32], store: &'a S) -> Self {
        Self { now, seed: Zeroizing::new(seed), drawn: std::cell::Cell::new(0), store }
    }

    /// A secret that nothing else is made of.
    fn draw(&self) -> Zeroizing<[u8; 32]> {
        self.drawn.set(self.drawn.get() + 1);
        Zeroizing::new(PART.hash(&[&*self.seed, &self.drawn.get().to_be_bytes()]).0)
    }
}

impl Chats {
    /// Takes up what the store holds. Where the device has no certificate, or one that runs out, it gets one.
    ///
    /// # Errors
    /// [`ChatsDamaged`].
    pub fn load(config: ChatConfig, now: Time, store: &impl Store) -> Result<Self, ChatsDamaged> {
        let mut step = ChatStep::default();
        let device = own_device(&config, now, store, &mut step.batch)?;
        let mut talks = BTreeMap::new();
        for room in Room::all(store) {
            if let Some(room) = Room::load(store, room, device.clone())? {
                talks.insert(room.id(), Talk::load(room, store)?);
            }
        }
        Ok(Self {
            device,
            name: config.name,
            people: People::load(store)?,
            invites: Invites::load(store)?,
            inbox: Inbox::load(store),
            outbox: Outbox::load(store),
            packages: Packages::load(store)?,
            talks,
            receipts: BTreeMap::new(),
            step,
        })
    }

    pub fn me(&self) -> IdentityId {
        self.device.certificate.identity
    }

    pub fn device(&self) -> &Device {
        &self.device
    }

    pub fn people(&self) -> &People {
        &self.people
    }

    /// Invites that nobody has used.
    pub fn invites(&self) -> impl Iterator<Item = &Invite> {
        self.invites.iter()
    }

    /// Everyone for whom something waits here.
    pub fn awaited(&self) -> impl Iterator<Item = IdentityId> {
        self.outbox.awaited()
    }

    /// How many parcels wait for this one.
    pub fn waiting_for(&self, peer: IdentityId) -> usize {
        self.outbox.waiting_for(peer)
    }

    /// All that the calls since the last time want done.
    pub fn take_step(&mut self) -> ChatStep {
        for (peer, parcels) in std::mem::take(&mut self.receipts) {
            for parcels in parcels.chunks(RECEIPTS_MAX) {
                self.step.sends.push((peer, ChatMessage::Receipt { parcels: parcels.to_vec() }));
            }
        }
        std::mem::take(&mut self.step)
    }

    /// A peer is there: what waits for it goes to it.
    pub fn handle_connected(&mut self, peer: IdentityId, store: &impl Store) {
        self.outbox.handle_connected(peer);
        self.send_due(peer, store);
    }

    pub fn handle_disconnected(&mut self, peer: IdentityId) {
        self.outbox.handle_disconnected(peer);
        self.inbox.forget_parts(peer);
        self.receipts.remove(&peer);
    }

    /// Makes an invite, which is worth one contact.
    ///
    /// # Errors
    /// [`ChatError::TooManyInvites`].
    pub fn invite(&mut self, now: Time, seed: &[u8; 16], expires: Time, note: &str) -> Result<InviteToken, ChatError> {
        let token = InviteToken(Zeroizing::new(*seed));
        let invite = Invite { expires, note: note.to_owned() };
        let is_made = self.invites.put(now, &token, invite, &mut self.step.batch);
        if is_made { Ok(token) } else { Err(ChatError::TooManyInvites) }
    }

    fn tell(&mut self, news: ChatNews) {
        if !self.step.news.contains(&news) {
            self.step.news.push(news);
        }
    }

    fn fault(&mut self, peer: IdentityId, fault: ChatFault) {
        self.tell(ChatNews::Fault { peer, fault });
    }

    fn put_person(&mut self, peer: IdentityId, person: Person) {
        self.people.put(peer, person, &mut self.step.batch);
        self.tell(ChatNews::Person { peer });
    }

    fn send_due(&mut self, peer: IdentityId, store: &impl Store) {
        let due = self.outbox.due(peer, &Pending { store, batch: &self.step.batch });
        self.step.sends.extend(due.into_iter().map(|message| (peer, message)));
    }
}

/// The device's key, which follows from the identity's, and the certificate that it goes by. It keeps its certificate over restarts:
/// conversations have it in them.
fn own_device(config: &ChatConfig, now: Time, store: &impl Store, batch: &mut Batch) -> Result<Device, ChatsDamaged> {
    let number = config.device.to_be_bytes();
    let derived = Zeroizing::new(config.identity.derive(DEVICE, &[&config.network.0.0, &number]).0);
    let secret = DeviceSecret::from_seed(&derived);
    if let Some(bytes) = store.load(CERTIFICATES, &number) {
        let certificate = DeviceCertificate::from_bytes(&bytes).map_err(ChatsDamaged::Certificate)?;
        if certificate.key == secret.key() && now + CERTIFICATE_LEFT < certificate.until {
            return Ok(Device { secret, certificate });
        }
    }
    // A clock that was ahead when it was signed, or is behind at others', keeps nobody out.
    let since = Time(now.0.saturating_sub(CERTIFICATE_EARLY.0));
    let until = since + CERTIFICATE_SPAN_MAX;
    let key = (secret.key(), config.device);
    let certificate = DeviceCertificate::issue(&config.identity, config.network, key, since, until);
    batch.put(CERTIFICATES, number, certificate.to_bytes());
    Ok(Device { secret, certificate })
}
