//! Whoever signs for our side. Tests put one here that panics where a second state of one round is to be signed.

use byway_crypto::{IdentitySecret, IdentitySignature, Purpose};
use byway_primitives::{IdentityId, NetworkId};
use byway_records::channel::{ChannelState, Cosigned, ForcedCall, FundingChange, MutualClose, SignedForcedCall};
use byway_records::{Promise, SignedPromise, TransactionId};

/// Signs what a channel asks for, each under its purpose.
pub trait Signer {
    fn id(&self) -> IdentityId;
    fn sign_state(&self, state: &ChannelState) -> IdentitySignature;
    fn sign_funding(&self, change: &FundingChange) -> IdentitySignature;
    fn sign_close(&self, close: &MutualClose) -> IdentitySignature;
    fn sign_call(&self, call: ForcedCall) -> SignedForcedCall;
    fn sign_promise(&self, promise: Promise) -> SignedPromise;
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

    fn sign_call(&self, call: ForcedCall) -> SignedForcedCall {
        call.sign(self)
    }

    fn sign_promise(&self, promise: Promise) -> SignedPromise {
        promise.sign(self)
    }

    fn authorise(&self, network: NetworkId, transaction: TransactionId) -> IdentitySignature {
        self.sign(Purpose::Authorise, network, &transaction.0.0)
    }
}
