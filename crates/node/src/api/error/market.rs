//! What goes wrong between those who buy and those who sell: offers, providers, identities, promises.

use byway_driver::host_network;
use byway_primitives::{Amount, IdentityId};
use byway_records::OfferId;
use serde_json::json;

use super::{ApiError, ErrorKind};
use crate::api::{HopWish, Reason};

impl ApiError {
    pub fn identity_not_found(id: IdentityId) -> Self {
        Self::new(
            ErrorKind::IdentityNotFound,
            format!("This node has no identity {id}."),
            "`byway identity list` shows those it has.",
        )
    }

    /// `purpose`: what the identity is for.
    pub fn not_in_use(id: IdentityId, purpose: &str) -> Self {
        Self::new(
            ErrorKind::NotSupported,
            format!("The identity {id} is for {purpose}, and this node runs with another one of its keystore."),
            "Register it from a node that runs with it, or leave the id out to register the one in use.",
        )
    }

    pub fn no_offer_matches() -> Self {
        Self::new(
            ErrorKind::NoOfferMatches,
            "No offer matches.",
            "Ask for less (country, price, bandwidth), or wait until one is published.",
        )
    }

    pub fn offer_not_found(id: OfferId) -> Self {
        Self::new(
            ErrorKind::OfferNotFound,
            format!("There is no offer {id}."),
            "`byway offer list` shows those on the market.",
        )
    }

    pub fn offer_expired(id: OfferId) -> Self {
        Self::new(ErrorKind::OfferExpired, format!("The offer {id} has expired."), "Choose another one.")
    }

    /// `tried`: how many offers were tried; `provider` is the last of them, and `why` is what was wrong with it.
    pub fn provider_unreachable(provider: IdentityId, tried: u64, why: &str) -> Self {
        let what = if tried == 1 {
            format!("The provider {provider} can't be used: {why}.")
        } else {
            format!("None of the {tried} providers tried can be used. The last, {provider}: {why}.")
        };
        Self::new(ErrorKind::ProviderUnreachable, what, "Choose another offer, or try again later.")
            .with("provider", provider.to_string().into())
            .with("tried", tried.into())
    }

    /// `number` counts hops from one; `why` is what is wrong with it.
    pub fn chain_broken(number: usize, wish: HopWish, why: &str) -> Self {
        Self::new(
            ErrorKind::ChainBroken,
            format!("Hop {number} of the chain ({wish}) can't be used: {why}."),
            "Choose other hops, or none: nothing goes past them by itself.",
        )
        .with("hop", number.into())
    }

    /// `why` is what this machine does not let the node do.
    pub fn tunnel_impossible(why: &str) -> Self {
        Self::new(
            ErrorKind::TunnelImpossible,
            format!("This machine can't use a tunnel: {why}."),
            match host_network::IS_SUPPORTED {
                true => {
                    "Run the node as root, or give it CAP_NET_ADMIN. Without a tunnel the proxy protects the programs that \
                     use it, and no others."
                }
                false => "Without a tunnel the proxy protects the programs that use it, and no others.",
            },
        )
    }

    pub fn provider_refused(provider: IdentityId, reason: Reason) -> Self {
        Self::new(
            ErrorKind::ProviderRefused,
            format!("The provider {provider} refused: {}", reason.message),
            "Choose another offer.",
        )
        .with("provider", provider.to_string().into())
        .with("reason", json!(reason))
    }

    pub fn superseded() -> Self {
        Self::new(
            ErrorKind::Superseded,
            "A later connect or disconnect took over.",
            "Nothing is to be done if that was meant.",
        )
    }

    pub fn not_registered(id: IdentityId) -> Self {
        Self::new(
            ErrorKind::NotRegistered,
            format!("The identity {id} is not registered."),
            "`byway identity register` locks the pledge for it.",
        )
    }

    pub fn already_registered(id: IdentityId) -> Self {
        Self::new(
            ErrorKind::AlreadyRegistered,
            format!("The identity {id} is already registered."),
            "Nothing is to be done.",
        )
    }

    pub fn block_not_found(destination: &str) -> Self {
        Self::new(
            ErrorKind::BlockNotFound,
            format!("{destination} is not blocked."),
            "`byway provider blocks` shows what is.",
        )
    }

    pub fn too_many_blocks(max: usize) -> Self {
        Self::new(
            ErrorKind::TooManyBlocks,
            format!("{max} destinations are blocked already, and that is all there is room for."),
            "Unblock some, or block a network or a domain instead of its parts.",
        )
    }

    /// `which`: `"session"` or `"day"`.
    pub fn spending_limit(which: &str, limit: Amount, spent: Amount) -> Self {
        Self::new(
            ErrorKind::SpendingLimit,
            format!("The spending limit per {which} is {limit} WAY, and {spent} WAY of it are spent."),
            "`byway limit allow` goes on for as much again, and `byway limit set` changes the limit.",
        )
        .with("which", which.into())
        .with("limit", json!(limit))
        .with("spent", json!(spent))
    }

    /// The limit of a session is too low for any.
    pub fn session_limit(limit: Amount) -> Self {
        Self::new(
            ErrorKind::SpendingLimit,
            format!("The spending limit per session is {limit} WAY, and buys nothing there."),
            "`byway limit set --session` changes it.",
        )
        .with("which", "session".into())
        .with("limit", json!(limit))
        .with("spent", json!(Amount::ZERO))
    }

    /// A tunnel over relays can't be paid for. `which`: `"session"` or `"day"`.
    pub fn relay_limit(which: &str, limit: Amount, spent: Amount) -> Self {
        Self::new(
            ErrorKind::SpendingLimit,
            format!("The spending limit per {which} of {limit} WAY leaves too little for the tunnel's relays."),
            "`byway limit set` changes it; `byway tunnel set --relays 0` goes straight to the exit.",
        )
        .with("which", which.into())
        .with("limit", json!(limit))
        .with("spent", json!(spent))
    }

    pub fn withdrawal_under_way() -> Self {
        Self::new(
            ErrorKind::WithdrawalUnderWay,
            "A withdrawal is being announced or paid out.",
            "Try again in a few seconds.",
        )
    }

    pub fn nothing_to_withdraw() -> Self {
        Self::new(
            ErrorKind::NothingToWithdraw,
            "Nothing is about to leave the account.",
            "`byway wallet balance` shows what is, and what was paid out is in the wallet or with whoever it was paid to.",
        )
    }

    pub fn nothing_to_allow() -> Self {
        Self::new(
            ErrorKind::NothingToAllow,
            "No limit has stopped anything.",
            "To allow more today ahead of that, say how much.",
        )
    }

    pub fn nothing_to_settle() -> Self {
        Self::new(
            ErrorKind::NothingToSettle,
            "Everything is settled with this counterparty already.",
            "Nothing is to be done.",
        )
    }

    /// What we owe `peer` can't be settled from here; we are `me`.
    pub fn only_the_payee_settles(peer: IdentityId, me: IdentityId) -> Self {
        Self::new(
            ErrorKind::NothingToSettle,
            format!("{peer} owes us nothing, and what we owe it only the one who is paid can settle."),
            format!(
                "It does so by itself when enough is open. To have it done now, ask its operator for `byway promise \
                 settle {me}`."
            ),
        )
    }

    pub fn promise_not_found(counterparty: IdentityId) -> Self {
        Self::new(
            ErrorKind::PromiseNotFound,
            format!("There is no promise with {counterparty}."),
            "`byway promise list` shows all there are.",
        )
    }
}
