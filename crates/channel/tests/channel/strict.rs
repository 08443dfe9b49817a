//! A signer that is put beneath every side here: nothing else would notice that a round is signed twice.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use byway_channel::{Signer, position_digest};
use byway_crypto::{IdentitySecret, IdentitySignature};
use byway_primitives::{Hash, IdentityId, NetworkId};
use byway_records::channel::{
    ChannelState, ForcedCall, FundingChange, MutualClose, SignedForcedCall, VirtualClose, VirtualTerms, WatchSecret,
};

use super::scene::SECRET;
use byway_records::{Promise, SignedPromise, TransactionId};

/// The digests of what somebody signed, by round.
pub type Signed = Rc<RefCell<BTreeMap<u64, Hash>>>;

/// A state that somebody signed, alone or as that after a deposit or a withdrawal.
pub type Signing = (ChannelState, Option<FundingChange>);

/// Panics where a second state is to be signed for a round.
#[derive(Debug)]
pub struct StrictSigner {
    pub secret: IdentitySecret,
    pub signed: Signed,
    /// All that it ever signed, in all its lives.
    pub signings: Rc<RefCell<Vec<Signing>>>,
}

impl StrictSigner {
    fn note(&self, state: &ChannelState, change: Option<&FundingChange>) {
        self.signings.borrow_mut().push((*state, change.copied()));
        let digest = position_digest(&state.position);
        let before = self.signed.borrow_mut().insert(state.position.round, digest);
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

    fn watch_secret(&self, _: NetworkId, _: IdentityId, _: u16) -> WatchSecret {
        SECRET
    }

    fn authorise(&self, network: NetworkId, transaction: TransactionId) -> IdentitySignature {
        Signer::authorise(&self.secret, network, transaction)
    }
}
