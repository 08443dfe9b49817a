//! Payment requests of and to this wallet (row A13): made as links, read and paid.

use byway_peer::wallet::{Payee, PaymentRequest};
use byway_primitives::AssetId;

use super::Actor;
use super::books::Order;
use crate::api::{Answer, ApiError, PaymentLink, WalletPay, WalletRequest};

impl Actor {
    /// A link by which this wallet is paid.
    pub(super) fn request_payment(&self, request: WalletRequest) -> Answer<PaymentLink> {
        let note = request.note.as_deref().map(str::parse).transpose();
        let asset = request.asset.unwrap_or(AssetId::WAY);
        if let Some(amount) = request.amount {
            // Whether there is such an asset, and such an amount of it.
            self.value_of(asset, amount)?;
        }
        let request = PaymentRequest {
            network: self.network,
            to: self.wallet.address().into(),
            amount: request.amount,
            asset,
            note: note.map_err(|why| ApiError::invalid_params("note", why))?,
            expires: request.expires_ms,
        };
        Ok(view_of(&request))
    }

    /// What a link asks for, if it can be paid here and now.
    fn read_link(&self, link: &str) -> Answer<PaymentRequest> {
        let request: PaymentRequest = link.trim().parse().map_err(ApiError::link_refused)?;
        if request.network != self.network {
            return Err(ApiError::link_of_other_network(request.network));
        }
        match request.expires {
            Some(expires) if request.is_over(self.clock.now()) => Err(ApiError::link_expired(expires)),
            _ => Ok(request),
        }
    }

    pub(super) fn look_at_link(&self, link: &str) -> Answer<PaymentLink> {
        self.read_link(link).map(|request| view_of(&request))
    }

    /// The payment that a link asks for.
    pub(super) fn payment_of_link(&self, pay: &WalletPay) -> Answer<Order> {
        let request = self.read_link(&pay.link)?;
        let amount = match (request.amount, pay.amount) {
            (Some(asked), Some(said)) if asked != said => {
                return Err(ApiError::invalid_params(
                    "amount",
                    format_args!("the link asks for {asked}; leave it out"),
                ));
            }
            (Some(amount), _) | (None, Some(amount)) => amount,
            (None, None) => return Err(ApiError::invalid_params("amount", "the link leaves it to you; say how much")),
        };
        let value = self.value_of(request.asset, amount)?;
        Ok(Actor::payment(Payee { to: request.to, value }))
    }
}

fn view_of(request: &PaymentRequest) -> PaymentLink {
    PaymentLink {
        link: request.to_string(),
        to: request.to.to_string(),
        amount: request.amount,
        asset: request.asset,
        note: request.note.as_ref().map(|note| note.as_str().to_owned()),
        expires_ms: request.expires,
    }
}
