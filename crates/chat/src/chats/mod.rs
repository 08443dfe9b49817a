//! All conversations of one person, as one device has them: whom it knows, what was said, and what is still to be brought to whom.
//!
//! **Becoming contacts.** Whoever wants to talk with somebody [asks](Chats::ask), with a key package. Where they show an
//! [invite](Chats::invite) of ours, or we had asked them as well, the answer is given at once; else our person
//! [accepts](Chats::accept). To accept is to found a conversation of two and let the other in. Who was asked by each other
//! founds one only: the one with the lower id. What a first contact costs, and how often one may ask, is [`admission`].
//!
//! **Groups.** A person [founds](Chats::found_group) one and adds contacts, with key packages that each contact has given in advance. What
//! is to be changed is a [wish](affairs::Wish) until it is so: it waits for keys, and is made again where another's change went before.
//! Every commit goes to all who were in the room before it; who lacks some says so by its line, and is brought them or enters anew.
//!
//! **Devices.** A person has a [first device](Chats::is_first) and [linked](Chats::link_device) ones, each at a node of its own. Whatever is
//! said here of a *peer* who brings something is a node; who is in a conversation, and who is known, are people.
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

pub mod admission;
pub mod affairs;
mod alike;
mod asking;
mod backup;
mod devices;
mod doubt;
mod files;
mod footing;
mod found;
mod given;
mod giving;
mod groups;
mod heard;
mod held;
mod history;
mod linking;
mod lost;
mod membership;
mod mending;
mod moving;
mod oneself;
mod opened;
mod packages;
mod rates;
mod restoring;
mod safety;
mod said;
mod saying;
mod talk;

use std::collections::{BTreeMap, BTreeSet};

use byway_crypto::IdentitySecret;
use byway_primitives::codec::DecodeError;
use byway_primitives::hash::Context;
use byway_primitives::{Amount, Batch, IdentityId, NetworkId, Pending, Space, Span, Store, Time};
use zeroize::Zeroizing;

use crate::attachment::FilePlace;
use crate::content::{MessageRef, Refusal};
use crate::delivery::letter::{ChatMessage, InviteToken, RECEIPTS_MAX};
use crate::delivery::own_letter::Keeping;
use crate::delivery::{Inbox, NotPosted, Outbox, OutboxFull, ParcelId, PartFault};
use crate::device::Device;
use crate::mls::{Beside, BrokenRoom, ChangeError, EnterError, Refused, Room, RoomId, SealError, in_turn};
use crate::people::{Invite, Invites, People, PeopleDamaged, Person};

use admission::Unjudged;
use affairs::Wish;
pub use asking::ROOMS_EACH_MAX;
pub use backup::BackupPlace;
pub use devices::{DEVICES_MAX, OwnDevice, Stage};
use devices::{OwnDevices, own_device};
pub use files::{FileRef, files_of};
pub use footing::Footing;
use footing::Footings;
use given::Given;
use giving::Givings;
pub use giving::Progress;
pub use groups::GROUP_MAX;
pub(crate) use history::kept_messages;
pub use history::{Shown, keep_message};
pub use linking::LINK_SPAN;
use lost::Lost;
pub use mending::TICK;
use packages::{Packages, Stock};
pub use restoring::{ForeignBackup, Restored};
pub use safety::Safety;
pub use saying::Draft;
use talk::Talk;
pub use talk::TalkView;

/// Which message a parcel that is under way brings.
const SENT: Space = Space("chat-sent");

/// Certificates of this device: key is its number.
const CERTIFICATES: Space = Space("chat-device");
/// How long before it was signed a certificate is good.
const CERTIFICATE_EARLY: Span = Span::days(1);

const PART: Context = Context("byway 1 chat derive: part of a step");

/// Whose conversations these are.
#[derive(Clone)]
pub struct ChatConfig {
    pub network: NetworkId,
    pub identity: IdentitySecret,
    /// Which of the person's devices this is, if it is the first: a linked one is told its number.
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
    /// Somebody asks of whom the ledger is to be asked ([`Chats::unjudged`]).
    Unjudged { peer: IdentityId },
    /// There is a new conversation, or somebody came or went, or it is called otherwise.
    Room { room: RoomId },
    /// A message is new here, or not as it was.
    Item { room: RoomId, of: MessageRef, is_new: bool },
    /// The address book of a conversation says something else.
    Book { room: RoomId },
    /// No message has this file any more.
    FileGone { place: FilePlace },
    /// Somebody is writing, or is there, for a moment.
    Sign { room: RoomId, change: crate::content::Change },
    /// A device of our person was linked or taken away, or this node is one or is none any more.
    Devices,
    /// A device is linked from here on: it knows nothing yet of how conversations are shown.
    Linked { node: IdentityId },
    /// Our person has a conversation shown so, on another device.
    Kept(Keeping),
    /// The first device has given messages of a conversation that were said before this one was in it.
    Given { room: RoomId },
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
    #[error("an addition to the group {0:?} by whoever is not in it, or to what it was before")]
    NotByMember(RoomId),
    #[error("this device can't enter the group anew: {0}")]
    Entry(EnterError),
    #[error("{0} has begun {ROOMS_EACH_MAX} conversations with this device, and can begin no more")]
    TooManyRooms(IdentityId),
    #[error("a change of the group comes to nothing: {0}")]
    Wish(ChangeError),
    #[error("{0} says what only devices of one person say to each other, and is none, or not one that may")]
    NotOurDevice(IdentityId),
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
    #[error("what is kept of those who ask can't be read ({0}); restore the data folder from a backup")]
    Footing(DecodeError),
    #[error("what is kept of your other devices can't be read ({0}); restore the data folder from a backup")]
    Devices(DecodeError),
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
    #[error("{0} is not a contact: only contacts are added to groups")]
    NotContact(IdentityId),
    #[error("what was said in the conversation is here, and its founder or most others have yet to let this device in")]
    NotBack,
    #[error("the conversation is one of two; people are added to groups")]
    NotGroup,
    #[error("this device is not in the group any more")]
    NotMember,
    #[error("you have left the group; its others have yet to remove this device")]
    Leaving,
    #[error("{0} is not in the group")]
    NotInGroup(IdentityId),
    #[error("your role in the group does not allow this")]
    MayNot,
    #[error("a group has at most {GROUP_MAX} people")]
    GroupFull,
    #[error("there are too many invites that nobody has used")]
    TooManyInvites,
    #[error("too many files wait to be fetched")]
    TooManyFiles,
    #[error("this is a linked device: contacts and invites are made, and devices linked, at your first one")]
    NotFirst,
    #[error("this node has contacts, conversations or devices already; only a new one can be linked to another")]
    NotFresh,
    #[error("{0} is none of your devices")]
    NoDevice(IdentityId),
    #[error("{0} is known here as somebody to talk with, and can't be a device of yours")]
    IsPerson(IdentityId),
    #[error("you have {DEVICES_MAX} linked devices, which is as many as there can be")]
    TooManyDevices,
    #[error(transparent)]
    Outbox(#[from] OutboxFull),
    /// See [`NotPosted::TooLong`].
    #[error("a parcel of {0} bytes is longer than can be sent")]
    TooLong(usize),
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

impl From<NotPosted> for ChatError {
    fn from(error: NotPosted) -> Self {
        match error {
            NotPosted::Full(full) => Self::Outbox(full),
            NotPosted::TooLong(length) => Self::TooLong(length),
        }
    }
}

/// The machine. Call order: [`load`](Self::load), then anything; after each call that may have done something,
/// [`take_step`](Self::take_step).
pub struct Chats {
    /// That of the node.
    identity: IdentitySecret,
    /// Under which the certificate is kept.
    number: u32,
    device: Device,
    own: OwnDevices,
    /// What linked devices were given of what was said.
    givings: Givings,
    /// What this one was given, if it is a linked one.
    given: Option<Given>,
    /// Those of whom the linked devices have not been told how they stand now.
    people_changed: BTreeSet<IdentityId>,
    /// By which the person goes.
    name: String,
    people: People,
    footings: Footings,
    /// What a first contact costs.
    ask_price: Amount,
    beside: Beside,
    ask_rates: rates::AskRates,
    /// Those who ask, and of whom the ledger has not been heard yet.
    unjudged: BTreeMap<IdentityId, Unjudged>,
    invites: Invites,
    inbox: Inbox,
    outbox: Outbox,
    packages: Packages,
    stock: Stock,
    talks: BTreeMap<RoomId, Talk>,
    /// Conversations out of a backup, into which this device has not come anew.
    lost: BTreeMap<RoomId, Lost>,
    restoring: restoring::Restoring,
    /// Those who lack something that was said in a room, since too much waits for them.
    missing: BTreeSet<(IdentityId, RoomId)>,
    /// Frames that wait for a room to be known.
    early_unknown: opened::Tally,
    /// Files that are to be fetched.
    wanted: BTreeSet<FileRef>,
    /// Those of whom something was not taken that would be taken of somebody in a group with us.
    turned_away: BTreeSet<IdentityId>,
    /// Whether the disk has room for what others say.
    has_room: bool,
    /// Those who were there when the clock was last looked at.
    there_before: BTreeSet<IdentityId>,
    /// Those who are there, or ask, and have a pledge on the ledger, as we were told.
    registered: BTreeSet<IdentityId>,
    looks_at: Time,
    /// The time that the last letter about a group states.
    matter_at: Time,
    /// To be receipted with the next step.
    receipts: BTreeMap<IdentityId, Vec<ParcelId>>,
    step: ChatStep,
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
        let own = OwnDevices::load(store)?;
        let name = if device.certificate.is_linked() { own.record.name.clone() } else { config.name };
        let mut chats = Self {
            identity: config.identity,
            number: config.device,
            device,
            own,
            givings: giving::load_givings(store)?,
            given: Given::load(store)?,
            people_changed: BTreeSet::new(),
            name,
            people: People::load(store)?,
            footings: Footings::load(store)?,
            ask_price: Amount::ZERO,
            beside: in_turn,
            ask_rates: Default::default(),
            unjudged: BTreeMap::new(),
            invites: Invites::load(store)?,
            inbox: Inbox::load(store),
            outbox: Outbox::load(store),
            packages: Packages::load(store)?,
            stock: Stock::load(store),
            talks,
            lost: Lost::load_all(store)?,
            restoring: Default::default(),
            missing: membership::load_missing(store),
            early_unknown: opened::Tally::default(),
            wanted: files::load_wanted(store),
            turned_away: BTreeSet::new(),
            has_room: true,
            there_before: BTreeSet::new(),
            registered: BTreeSet::new(),
            looks_at: now + TICK,
            matter_at: Time::ZERO,
            receipts: BTreeMap::new(),
            step,
        };
        chats.count_early(store);
        Ok(chats)
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
        self.share_people();
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
        self.give_due(store);
        self.send_due(peer, store);
    }

    pub fn handle_disconnected(&mut self, peer: IdentityId) {
        self.outbox.handle_disconnected(peer);
        self.inbox.forget_parts(peer);
        self.receipts.remove(&peer);
        self.turned_away.remove(&peer);
        self.there_before.remove(&peer);
        if !self.asks(peer) {
            self.registered.remove(&peer);
        }
    }

    /// Makes an invite, which is worth one contact.
    ///
    /// # Errors
    /// [`ChatError::NotFirst`], [`ChatError::TooManyInvites`].
    pub fn invite(&mut self, now: Time, seed: &[u8; 16], expires: Time, note: &str) -> Result<InviteToken, ChatError> {
        self.check_first()?;
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
        self.people_changed.insert(peer);
        self.tell(ChatNews::Person { peer });
    }

    fn send_due(&mut self, peer: IdentityId, store: &impl Store) {
        let due = self.outbox.due(peer, &Pending { store, batch: &self.step.batch });
        self.step.sends.extend(due.into_iter().map(|message| (peer, message)));
    }
}
