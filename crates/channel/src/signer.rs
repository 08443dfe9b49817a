//! Whoever signs for our side: the identity's secret, or what holds it elsewhere. Tests put one here that panics where a second state of
//! one round is to be signed.

use std::sync::Arc;

use byway_crypto::{IdentitySecret, IdentitySignature, Purpose};
use byway_primitives::hash::Context;
use byway_primitives::{IdentityId, NetworkId};
use byway_records::channel::{
    ChannelState, Cosigned, ForcedCall, FundingChange, MutualClose, SignedForcedCall, VirtualClose, VirtualTerms,
    WatchSecret,
};
use byway_records::{Promise, SignedPromise, TransactionId};

/// One signer for all channels of an identity, whatever holds its key.
pub type SharedSigner = Arc<dyn Signer + Send + Sync>;

const SECRET: Context = Context("byway 1 channel secret of a party");

/// Signs what a channel asks for, each under its purpose.
pub trait Signer {
    fn id(&self) -> IdentityId;
    fn sign_state(&self, state: &ChannelState) -> IdentitySignature;
    fn sign_funding(&self, change: &FundingChange) -> IdentitySignature;
    fn sign_close(&self, close: &MutualClose) -> IdentitySignature;
    fn sign_virtual_terms(&self, terms: &VirtualTerms) -> IdentitySignature;
    fn sign_virtual_close(&self, close: &VirtualClose) -> IdentitySignature;
    fn sign_call(&self, call: ForcedCall) -> SignedForcedCall;
    fn sign_promise(&self, promise: Promise) -> SignedPromise;
    /// What this side shows when it closes alone a channel with this peer. The number tells those of one pair apart.
    fn watch_secret(&self, network: NetworkId, peer: IdentityId, number: u16) -> WatchSecret;
    /// Authorises the transaction that opens a channel.
    fn authorise(&self, network: NetworkId, transaction: TransactionId) -> IdentitySignature;
}

impl Signer for IdentitySecret {
    fn id(&self) -> IdentityId {
        IdentitySecret::id(self)
    }

    fn sign_state(&self, state: &ChannelState) -> IdentitySignature {
        Cosigned::sign_one(state, self)
    }

    fn sign_funding(&self, change: &FundingChange) -> IdentitySignature {
        Cosigned::sign_one(change, self)
    }

    fn sign_close(&self, close: &MutualClose) -> IdentitySignature {
        Cosigned::sign_one(close, self)
    }

    fn sign_virtual_terms(&self, terms: &VirtualTerms) -> IdentitySignature {
        Cosigned::sign_one(terms, self)
    }

    fn sign_virtual_close(&self, close: &VirtualClose) -> IdentitySignature {
        Cosigned::sign_one(close, self)
    }

    fn sign_call(&self, call: ForcedCall) -> SignedForcedCall {
        call.sign(self)
    }

    fn sign_promise(&self, promise: Promise) -> SignedPromise {
        promise.sign(self)
    }

    fn watch_secret(&self, network: NetworkId, peer: IdentityId, number: u16) -> WatchSecret {
        let derived = self.derive(SECRET, &[&network.0.0, &peer.0, &number.to_be_bytes()]);
        WatchSecret(*derived.0.first_chunk().expect("a digest is longer"))
    }

    fn authorise(&self, network: NetworkId, transaction: TransactionId) -> IdentitySignature {
        self.sign(Purpose::Authorise, network, &transaction.0.0)
    }
}

impl Signer for SharedSigner {
    fn id(&self) -> IdentityId {
        (**self).id()
    }

    fn sign_state(&self, state: &ChannelState) -> IdentitySignature {
        (**self).sign_state(state)
    }

    fn sign_funding(&self, change: &FundingChange) -> IdentitySignature {
        (**self).sign_funding(change)
    }

    fn sign_close(&self, close: &MutualClose) -> IdentitySignature {
        (**self).sign_close(close)
    }

    fn sign_virtual_terms(&self, terms: &VirtualTerms) -> IdentitySignature {
        (**self).sign_virtual_terms(terms)
    }

    fn sign_virtual_close(&self, close: &VirtualClose) -> IdentitySignature {
        (**self).sign_virtual_close(close)
    }

    fn sign_call(&self, call: ForcedCall) -> SignedForcedCall {
        (**self).sign_call(call)
    }

    fn sign_promise(&self, promise: Promise) -> SignedPromise {
        (**self).sign_promise(promise)
    }

    fn watch_secret(&self, network: NetworkId, peer: IdentityId, number: u16) -> WatchSecret {
        (**self).watch_secret(network, peer, number)
    }

    fn authorise(&self, network: NetworkId, transaction: TransactionId) -> IdentitySignature {
        (**self).authorise(network, transaction)
    }
}
