//! Many channels of one identity, and a peer that has them mistaken for each other.

use byway_channel::{
    AddressedMessage, ChannelHandle, ChannelKey, ChannelMessage, ChannelNews, Channels, ChannelsEffect,
    FUNDING_TIME_MAX, InitiateError, Life, OPENINGS_MAX, OPENINGS_PER_PEER_MAX, PeerFault, Reestablish, Signer,
};
use byway_crypto::IdentitySecret;
use byway_primitives::{Effect, Hash, MemoryStore, NetworkId, Time};
use byway_records::channel::{ChannelTerms, Environment};

use crate::scene::terms;
use crate::strict::{Ever, StrictSigner, sign_twice};
use crate::world::World;

const NOW: Time = Time(1_700_000_000_000);

/// The channels of one side, and its disk.
struct Side {
    channels: Channels<StrictSigner>,
    disk: MemoryStore,
    /// Who signs for it in all its lives.
    signer: StrictSigner,
    news: Vec<(ChannelKey, ChannelNews)>,
}

fn secret(side: usize) -> IdentitySecret {
    IdentitySecret::from_bytes(&[[1; 32], [2; 32]][side]).unwrap()
}

fn handle(number: u8) -> ChannelHandle {
    // Both secrets are the same in all of them, which a peer can bring about.
    let mut handle = [number; 16];
    handle[..2].fill(0);
    ChannelHandle(handle)
}

impl Side {
    fn new(network: NetworkId, side: usize) -> Self {
        let (disk, signer) = (MemoryStore::new(), StrictSigner::new(secret(side), &Ever::default()));
        let channels = Channels::load(signer.clone(), network, &disk).unwrap();
        Self { channels, disk, signer, news: Vec::new() }
    }

    /// What it has after a restart.
    fn again(&self, network: NetworkId) -> Channels<StrictSigner> {
        Channels::load(StrictSigner::new(self.signer.secret.clone(), &self.signer.ever), network, &self.disk).unwrap()
    }

    /// Writes what is to be written; gives what is said.
    fn carry_out(&mut self) -> Vec<AddressedMessage> {
        let mut said = Vec::new();
        for (_, effect) in self.channels.poll() {
            let effect: ChannelsEffect = effect;
            match effect {
                Effect::Persist { batch, .. } => self.disk.apply(&batch),
                Effect::Send { message, .. } => said.push(message),
                Effect::WakeAt(_) => {}
                Effect::Notify(news) => self.news.push(news),
            }
        }
        said
    }

    fn hear(&mut self, from: usize, message: AddressedMessage) -> Result<(), PeerFault> {
        self.channels.handle_message(NOW, secret(from).id(), message)
    }

    fn agree(&mut self, key: ChannelKey) {
        self.channels.with(key, |channel| channel.agree(NOW)).unwrap();
    }
}

/// Two sides, the second of which has agreed to a channel of each of these handles, all on the same terms. Gives what the
/// first says next in each: the transaction that opens it, as it has signed it.
fn agreed(handles: &[u8]) -> (Side, Side, Vec<AddressedMessage>) {
    let network = World::new().network;
    let [mut one, mut other] = [0, 1].map(|side| Side::new(network, side));
    let mut funding = Vec::new();
    for number in handles {
        // An initiator of its own for each, since one that is honest opens no two of them at one time.
        let mut initiator = Side::new(network, 0);
        initiator.channels.initiate(NOW, handle(*number), terms()).unwrap();
        for message in initiator.carry_out() {
            other.hear(0, message).unwrap();
        }
        other.carry_out();
        other.agree(ChannelKey { peer: secret(0).id(), handle: handle(*number) });
        for message in other.carry_out() {
            initiator.hear(1, message).unwrap();
        }
        funding.extend(initiator.carry_out());
        one = initiator;
    }
    (one, other, funding)
}

#[test]
fn no_two_handles_lead_to_one_channel() {
    let (_, mut other, funding) = agreed(&[1, 2]);
    let [first, second] = funding.try_into().unwrap();
    other.hear(0, first).unwrap();
    let kept = ChannelKey { peer: secret(0).id(), handle: handle(1) };
    let id = other.channels.get(kept).unwrap().id().unwrap();
    other.carry_out();
    let disk = other.disk.clone();
    other.hear(0, second).unwrap();
    let said = other.carry_out();
    assert_eq!(said, [AddressedMessage { handle: handle(2), message: ChannelMessage::Decline }]);
    assert_eq!(other.disk, disk, "and nothing of it is written");
    assert_eq!(other.channels.key_of(id), Some(kept));
    assert_eq!(other.channels.iter().count(), 1);
}

#[test]
fn a_channel_is_there_after_a_restart_whatever_was_said_before_it_was_signed() {
    let (_, mut other, funding) = agreed(&[1]);
    let [good] = funding.try_into().unwrap();
    let ChannelMessage::FundingCreated { expires, authorisation } = good.message.clone() else {
        panic!("it was to be signed")
    };
    let (mut bytes, key) = (authorisation.0, ChannelKey { peer: secret(0).id(), handle: handle(1) });
    bytes[40] ^= 1;
    let authorisation = byway_crypto::IdentitySignature(bytes);
    let bad = AddressedMessage { message: ChannelMessage::FundingCreated { expires, authorisation }, ..good.clone() };
    assert_eq!(other.hear(0, bad), Err(PeerFault::Signature));
    assert_eq!(other.channels.get(key).unwrap().id(), None, "nobody has signed for it");
    other.hear(0, good).unwrap();
    other.carry_out();
    let network = other.channels.get(key).unwrap().network();
    let again = other.again(network);
    assert_eq!(again.get(key).map(|channel| channel.life()), Some(Life::Signed));
}

#[test]
fn what_peers_propose_is_bounded_and_keeps_nobody_from_proposing() {
    let network = World::new().network;
    let mut side = Side::new(network, 1);
    let open =
        |number| AddressedMessage { handle: handle(number), message: ChannelMessage::Open { network, terms: terms() } };
    let count = OPENINGS_PER_PEER_MAX as u8;
    for number in 0..count {
        side.hear(0, open(number)).unwrap();
    }
    side.carry_out();
    side.hear(0, open(count)).unwrap();
    assert_eq!(side.carry_out(), [AddressedMessage { handle: handle(count), message: ChannelMessage::Decline }]);
    let mut own = terms();
    own.parties.reverse();
    assert!(side.channels.initiate(NOW, handle(100), own).is_ok());
    assert_eq!(side.channels.initiate(NOW, handle(100), own), Err(InitiateError::Handle));
}

/// Strangers without end.
fn stranger(number: usize) -> IdentitySecret {
    let mut bytes = [9; 32];
    bytes[24..].copy_from_slice(&(number as u64).to_be_bytes());
    IdentitySecret::from_bytes(&bytes).unwrap()
}

/// What a stranger proposes to the second side.
fn proposed(network: NetworkId, from: usize, number: u8) -> AddressedMessage {
    let secrets = [stranger(from).watch_secret(network, secret(1).id(), 0).digest(), Hash::default()];
    let terms = ChannelTerms { parties: [stranger(from).id(), secret(1).id()], secrets, ..terms() };
    let mut handle = handle(number);
    handle.0[8..].copy_from_slice(&(from as u64).to_be_bytes());
    AddressedMessage { handle, message: ChannelMessage::Open { network, terms } }
}

/// Agrees to what a stranger proposes, and hears its signature; that is all it ever does.
fn sign_without_funding(side: &mut Side, network: NetworkId, from: usize, key: ChannelKey) {
    let signer = StrictSigner::new(stranger(from), &Ever::default());
    let mut initiator = Channels::load(signer, network, &MemoryStore::new()).unwrap();
    let terms = ChannelTerms { parties: [key.peer, secret(1).id()], ..terms() };
    initiator.initiate(NOW, key.handle, terms).unwrap();
    side.agree(key);
    for message in side.carry_out() {
        initiator.handle_message(NOW, secret(1).id(), message).unwrap();
    }
    for (_, effect) in initiator.poll() {
        if let Effect::Send { message, .. } = effect
            && matches!(message.message, ChannelMessage::FundingCreated { .. })
        {
            side.channels.handle_message(NOW, key.peer, message).unwrap();
        }
    }
}

#[test]
fn what_all_peers_propose_is_bounded_also_where_it_is_signed_and_never_funded() {
    let network = World::new().network;
    let mut side = Side::new(network, 1);
    let hear = |side: &mut Side, from: usize, number: usize| {
        let message = proposed(network, from, number as u8);
        side.channels.handle_message(NOW, stranger(from).id(), message).unwrap();
    };
    let (peers, each) = (OPENINGS_MAX / OPENINGS_PER_PEER_MAX, 2 * OPENINGS_PER_PEER_MAX);
    (0..3 * peers).for_each(|from| (0..each).for_each(|number| hear(&mut side, from, number)));
    assert_eq!(side.channels.iter().count(), OPENINGS_MAX, "of all peers together");
    let declined = side.carry_out().iter().filter(|said| said.message == ChannelMessage::Decline).count();
    assert_eq!(declined, 3 * peers * each - OPENINGS_MAX, "and each of the others is told");
    let keys: Vec<_> = side.channels.iter().map(|(key, _)| key).collect();
    for key in keys {
        let from = (0..peers).find(|from| stranger(*from).id() == key.peer).unwrap();
        sign_without_funding(&mut side, network, from, key);
    }
    side.carry_out();
    let signed = side.channels.iter().filter(|(_, machine)| machine.life() == Life::Signed).count();
    assert_eq!(signed, peers, "one of each: its others are the same transaction");
    (peers..3 * peers).for_each(|from| (0..each).for_each(|number| hear(&mut side, from, number)));
    assert_eq!(side.channels.iter().count(), OPENINGS_MAX, "what is signed counts too");
    // Their time is over on the ledger: there is room again, and nothing is left of them on disk.
    let late = NOW + FUNDING_TIME_MAX + FUNDING_TIME_MAX;
    side.channels.handle_ledger(late, Environment { time: late, height: 9 }, 9, |_| false, |_| None);
    side.channels.handle_wake(late);
    side.carry_out();
    assert_eq!(side.channels.iter().count(), 0);
    assert_eq!(side.again(network).iter().count(), 0);
    hear(&mut side, 3 * peers, 0);
    assert_eq!(side.channels.iter().count(), 1);
}

/// What the ledger has of its channel, if the first side had the secret that follows from its identity's.
fn entry_of(rig: &crate::scene::Rig) -> byway_records::Channel {
    let mut entry = rig.entry().unwrap();
    entry.secrets[0] = secret(0).watch_secret(rig.world.network, secret(1).id(), 77).digest();
    entry
}

/// The first side as after a loss of its disk, with a channel that it has found, and what its peer says in that, by a handle.
fn found() -> (Side, ChannelKey, AddressedMessage) {
    let mut rig = crate::scene::Rig::new();
    let (id, entry) = (rig.machine(0).id().unwrap(), entry_of(&rig));
    rig.disconnect();
    rig.connect();
    let message = rig.next_message(0).unwrap();
    let mut side = Side::new(rig.world.network, 0);
    assert!(side.channels.find(NOW, id, &entry));
    side.carry_out();
    let key = side.channels.key_of(id).unwrap();
    (side, key, AddressedMessage { handle: handle(7), message })
}

#[test]
fn a_channel_that_was_found_goes_by_the_handle_that_its_peer_says() {
    let (mut side, found, greeting) = found();
    side.channels.handle_connected(NOW, found.peer);
    assert_eq!(side.carry_out(), [], "the peer speaks first");
    side.hear(1, greeting).unwrap();
    let key = ChannelKey { peer: found.peer, handle: handle(7) };
    assert_eq!(side.channels.iter().map(|(key, _)| key).collect::<Vec<_>>(), [key]);
    assert!(side.channels.get(key).unwrap().is_connected());
    let said = side.carry_out();
    assert!(
        matches!(said[..], [AddressedMessage { handle, message: ChannelMessage::Reestablish(_) }] if handle == key.handle)
    );
    let network = World::new().network;
    let again = side.again(network);
    assert_eq!(again.iter().map(|(key, _)| key).collect::<Vec<_>>(), [key], "also after a restart");
}

#[test]
fn what_a_peer_says_before_the_ledger_shows_the_channel_is_kept_for_it() {
    let (early, found, greeting) = found();
    let (id, network) = (early.channels.get(found).unwrap().id().unwrap(), World::new().network);
    let entry = entry_of(&crate::scene::Rig::new());
    let mut side = Side::new(network, 0);
    side.hear(1, greeting.clone()).unwrap();
    assert!(side.channels.find(NOW, id, &entry));
    assert!(!side.channels.is_found(ChannelKey { peer: found.peer, handle: handle(7) }), "it has been heard");
    assert_eq!(side.channels.key_of(id).unwrap().handle, handle(7));
    // What somebody else says of it is nothing.
    let mut side = Side::new(network, 0);
    side.channels.handle_message(NOW, secret(0).id(), greeting).unwrap();
    assert!(side.channels.find(NOW, id, &entry));
    assert_eq!(side.channels.key_of(id), Some(found));
}

#[test]
fn greetings_for_channels_that_are_not_known_are_bounded() {
    let (_, _, AddressedMessage { message, .. }) = found();
    let ChannelMessage::Reestablish(greeting) = message else { panic!("it greets") };
    let network = World::new().network;
    let entry = entry_of(&crate::scene::Rig::new());
    // Whether what the peer says before, or after, so many others have said twice as much as they may is there.
    let is_kept = |others: usize, is_first: bool| {
        let mut side = Side::new(network, 0);
        let ours = AddressedMessage { handle: handle(7), message: ChannelMessage::Reestablish(greeting) };
        if is_first {
            side.hear(1, ours.clone()).unwrap();
        }
        for (from, number) in (0..others).flat_map(|from| (0..32u64).map(move |number| (from, number))) {
            let mut channel = greeting.channel;
            channel.0.0[..8].copy_from_slice(&number.to_be_bytes());
            let message = ChannelMessage::Reestablish(Reestablish { channel, ..greeting });
            let said = AddressedMessage { handle: handle(5), message };
            side.channels.handle_message(NOW, stranger(from).id(), said).unwrap();
        }
        if !is_first {
            side.hear(1, ours).unwrap();
        }
        assert!(side.channels.find(NOW, greeting.channel, &entry));
        side.channels.key_of(greeting.channel).unwrap().handle == handle(7)
    };
    assert!(is_kept(200, true), "what is kept is not pushed out");
    assert!(is_kept(63, false), "sixteen of each of these leave room");
    assert!(is_kept(64, false), "where there is none, who has most gives way to who has none");
    assert!(!is_kept(1_024, false), "and there is no room for more than one of so many");
}

#[test]
fn an_opening_that_the_ledger_never_has_leaves_nothing() {
    let (_, mut other, funding) = agreed(&[1]);
    let [good] = funding.try_into().unwrap();
    other.hear(0, good).unwrap();
    other.carry_out();
    let late = NOW + FUNDING_TIME_MAX + FUNDING_TIME_MAX;
    let environment = Environment { time: late, height: 9 };
    other.channels.handle_ledger(late, environment, 9, |_| false, |_| None);
    other.carry_out();
    assert!(other.news.iter().any(|(_, news)| *news == ChannelNews::Closed));
    assert_eq!(other.channels.iter().count(), 0);
    let network = World::new().network;
    assert_eq!(other.again(network).iter().count(), 0);
}

#[test]
#[should_panic(expected = "a second state for round 7")]
fn whoever_signs_here_signs_no_round_twice_in_whatever_lives() {
    let ever = Ever::default();
    let life = || StrictSigner::new(secret(0), &ever);
    sign_twice(&life(), &life());
}
