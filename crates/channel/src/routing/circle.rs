//! Money that a hub pays itself: out over one of its channels and in over another, so that there is room again where it has run out.
//!
//! It is a payment like any other, with an invoice of its own that nobody else sees. Which of several channels with one peer it comes back
//! over is that peer's choice.

use byway_primitives::{Amount, IdentityId, Span, Time};

use super::balancing::{self, peers_room};
use super::conduit::{PaymentHash, Preimage};
use super::invoice::InvoiceTerms;
use super::passage::{Circle, Payment, PaymentStatus};
use super::payer::PayError;
use super::router::Router;
use super::sight;
use crate::channels::Channels;
use crate::signer::Signer;

/// How long the invoice that a node makes out to itself can be paid.
const OWN_TIME_MAX: Span = Span::minutes(30);

/// Why nothing is balanced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CircleError {
    #[error("there is no such channel that is open, and whose peer is there")]
    NoChannel,
    #[error("it has to go out over one channel and come in over another one")]
    Same,
    #[error("there is not so much to send in the channel that it is to go out over")]
    OwnRoom,
    #[error("the peer has not so much to send in the channel that it is to come in over")]
    PeerRoom,
    #[error("the ledger would not execute a call for it now: it has not the contract's code, or can't be paid")]
    Unready,
    #[error(transparent)]
    Pay(#[from] PayError),
}

impl Router {
    /// Pays itself over other hubs. `preimage` and `entropy` are fresh randomness.
    pub fn rebalance<S: Signer + Clone>(
        &mut self,
        now: Time,
        channels: &Channels<S>,
        circle: Circle,
        amount: Amount,
        fee_max: Amount,
        (preimage, entropy): (Preimage, [u8; 32]),
    ) -> Result<PaymentHash, CircleError> {
        if !self.is_ready {
            return Err(CircleError::Unready);
        }
        let usable = |id| sight::machine(channels, id).filter(|machine| sight::is_usable(*machine));
        let (from, to) = usable(circle.from).zip(usable(circle.to)).ok_or(CircleError::NoChannel)?;
        if circle.from == circle.to {
            return Err(CircleError::Same);
        }
        if amount.is_zero() {
            return Err(PayError::Nothing.into());
        }
        if sight::room(from) < amount {
            return Err(CircleError::OwnRoom);
        }
        if peers_room(to) < amount {
            return Err(CircleError::PeerRoom);
        }
        if self.is_busy() {
            return Err(PayError::Busy.into());
        }
        let (payee, expires, hubs) = (self.id, now + OWN_TIME_MAX, vec![to.peer()]);
        let hash = self.ask_for(preimage, amount, expires);
        let (network, key) = (self.network, self.key());
        let terms = InvoiceTerms { network, payee, key, amount, hash, expires, hubs, note: None };
        self.begin_payment(now, channels, terms, fee_max, entropy, Some(circle));
        Ok(hash)
    }

    /// The two channels between which most would move, of which the one has much to send and the other little, and what would go from the one to the
    /// other so that they come near each other.
    pub fn uneven<S: Signer + Clone>(&self, channels: &Channels<S>) -> Option<(Circle, Amount)> {
        balancing::uneven(&balancing::all_sides(channels)).into_iter().next()
    }

    /// Whether money of this node's is on its way in a circle.
    pub fn is_balancing(&self) -> bool {
        let open = |payment: &Payment| matches!(payment.status, PaymentStatus::Seeking | PaymentStatus::Trying);
        self.payments.values().any(|payment| payment.circle.is_some() && open(payment))
    }

    /// Whom a payment has to go to first.
    pub(super) fn first_of<S: Signer + Clone>(&self, channels: &Channels<S>, hash: PaymentHash) -> Option<IdentityId> {
        let circle = self.payments.get(&hash)?.circle?;
        channels.key_of(circle.from).map(|key| key.peer)
    }
}
