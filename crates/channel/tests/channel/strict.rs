//! A signer that is put beneath every side here: nothing else would notice that a round is signed twice.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use byway_channel::{ChannelEffect, ChannelMessage, Signer, position_digest};
use byway_crypto::{IdentitySecret, IdentitySignature};
use byway_primitives::{Effect, Hash, IdentityId, NetworkId, Token};
use byway_records::channel::{
    ChannelState, ForcedCall, FundingChange, MutualClose, SignedForcedCall, VirtualClose, VirtualTerms, WatchSecret,
};

use byway_records::promise::ChannelId;
use byway_records::{Promise, SignedPromise, TransactionId};

/// The digests of what somebody signed in one life, by round.
pub type Signed = Rc<RefCell<BTreeMap<u64, Hash>>>;

/// The same of all its lives and all its channels: whatever it has forgotten binds it.
pub type Ever = Rc<RefCell<BTreeMap<(ChannelId, u64), Hash>>>;

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
    pub signings: Rc<RefCell<Vec<Signing>>>,
}

impl StrictSigner {
    /// One of many channels, in one of its lives.
    pub fn new(secret: IdentitySecret, ever: &Ever) -> Self {
        Self { secret, signed: Signed::default(), ever: ever.clone(), shows: None, signings: Rc::default() }
    }

    fn note(&self, state: &ChannelState, change: Option<&FundingChange>) {
        self.signings.borrow_mut().push((*state, change.copied()));
        let digest = position_digest(&state.position);
        self.signed.borrow_mut().insert(state.position.round, digest);
        let before = self.ever.borrow_mut().insert((state.channel, state.position.round), digest);
        assert!(before.is_none_or(|before| before == digest), "a second state for round {}", state.position.round);
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
