//! A signer that is put beneath every side here, in the market's tests and in those of nodes: nothing else would notice that a round is
//! signed twice.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use byway_channel::{ChannelEffect, ChannelMessage, Signer, position_digest};
use byway_crypto::{IdentitySecret, IdentitySignature};
use byway_primitives::{Amount, Effect, Hash, IdentityId, NetworkId, Time, Token};
use byway_records::channel::{
    ChannelState, Environment, ForcedCall, FundingChange, Lane, MutualClose, Position, SignedForcedCall, VirtualClose,
    VirtualTerms, WatchSecret,
};
use byway_records::promise::ChannelId;
use byway_records::{Promise, SignedPromise, TransactionId};

/// The digests of what somebody signed in one life, by round.
pub type Signed = Arc<Mutex<BTreeMap<u64, Hash>>>;

/// The same of all its lives and all its channels: whatever it has forgotten binds it.
#[derive(Debug, Clone, Default)]
pub struct Ever(Arc<Mutex<BTreeMap<(ChannelId, u64), Hash>>>);

impl Ever {
    fn note(&self, channel: ChannelId, round: u64, digest: Hash) {
        // Held while it panics, so that whoever looks later finds it poisoned.
        let mut ever = self.0.lock().expect("no round was signed twice");
        let before = ever.insert((channel, round), digest);
        assert!(before.is_none_or(|before| before == digest), "a second state for round {round}");
    }

    /// Panics if a second state was to be signed, in whatever task: what a task of its own panics with is seen by nobody else.
    pub fn assert_sound(&self) {
        drop(self.0.lock().expect("no round was signed twice"));
    }

    /// How many states were signed.
    pub fn count(&self) -> usize {
        self.0.lock().expect("no round was signed twice").len()
    }
}

/// A state that somebody signed, alone or as that after a deposit or a withdrawal.
pub type Signing = (ChannelState, Option<FundingChange>);

/// Panics where a second state is to be signed for a round, in whatever life, from whatever disk.
#[derive(Debug, Clone)]
pub struct StrictSigner {
    pub secret: IdentitySecret,
    pub signed: Signed,
    pub ever: Ever,
    /// What is shown when it closes alone, where that does not follow from its secret.
    pub shows: Option<WatchSecret>,
    /// All that it ever signed, in all its lives.
    pub signings: Arc<Mutex<Vec<Signing>>>,
}

impl StrictSigner {
    /// One of many channels, in one of its lives.
    pub fn new(secret: IdentitySecret, ever: &Ever) -> Self {
        Self { secret, signed: Signed::default(), ever: ever.clone(), shows: None, signings: Arc::default() }
    }

    fn note(&self, state: &ChannelState, change: Option<&FundingChange>) {
        let (round, digest) = (state.position.round, position_digest(&state.position));
        self.ever.note(state.channel, round, digest);
        self.signings.lock().expect("nobody panics with it").push((*state, change.copied()));
        self.signed.lock().expect("nobody panics with it").insert(round, digest);
    }
}

impl Signer for StrictSigner {
    fn id(&self) -> IdentityId {
        self.secret.id()
    }

    fn sign_state(&self, state: &ChannelState) -> IdentitySignature {
        self.note(state, None);
        self.secret.sign_state(state)
    }

    fn sign_funding(&self, change: &FundingChange) -> IdentitySignature {
        self.note(&change.state, Some(change));
        self.secret.sign_funding(change)
    }

    fn sign_close(&self, close: &MutualClose) -> IdentitySignature {
        self.secret.sign_close(close)
    }

    fn sign_virtual_terms(&self, terms: &VirtualTerms) -> IdentitySignature {
        self.secret.sign_virtual_terms(terms)
    }

    fn sign_virtual_close(&self, close: &VirtualClose) -> IdentitySignature {
        self.secret.sign_virtual_close(close)
    }

    fn sign_call(&self, call: ForcedCall) -> SignedForcedCall {
        self.secret.sign_call(call)
    }

    fn sign_promise(&self, promise: Promise) -> SignedPromise {
        self.secret.sign_promise(promise)
    }

    fn watch_secret(&self, network: NetworkId, peer: IdentityId, number: u16) -> WatchSecret {
        self.shows.unwrap_or_else(|| self.secret.watch_secret(network, peer, number))
    }

    fn authorise(&self, network: NetworkId, transaction: TransactionId) -> IdentitySignature {
        Signer::authorise(&self.secret, network, transaction)
    }
}

/// Has the first sign a state, and the second another of the same round and channel. They are one identity's, in one life or in two.
pub fn sign_twice(first: &impl Signer, second: &impl Signer) {
    let state = |balance| ChannelState {
        network: NetworkId(Hash([1; 32])),
        channel: ChannelId(Hash([2; 32])),
        total: Amount::from_units(9),
        fundings: 0,
        position: Position {
            round: 7,
            balances: [balance, 9 - balance].map(Amount::from_units),
            lanes: [Lane::default(); 2],
            root: Hash([3; 32]),
            environment: Environment { time: Time(1), height: 1 },
        },
    };
    first.sign_state(&state(4));
    // The same again is no other.
    second.sign_state(&state(4));
    second.sign_state(&state(5));
}

/// The round under which a message shows a signature of its sender.
pub fn round_in(message: &ChannelMessage) -> Option<u64> {
    match message {
        ChannelMessage::Propose(proposal) => Some(proposal.round()),
        ChannelMessage::Accept { round, .. } => Some(*round),
        ChannelMessage::AcceptFunding { change, .. } => Some(change.state.position.round),
        ChannelMessage::Reestablish(place) => place.signatures.map(|_| place.position.round),
        _ => None,
    }
}

/// The write that such a message waits for, and its round.
pub fn sent_after(effect: &ChannelEffect) -> Option<(Option<Token>, u64)> {
    match effect {
        Effect::Send { message, after, .. } => Some((*after, round_in(message)?)),
        _ => None,
    }
}
