//! What goes wrong with payments over several channels. Whatever it is, nothing was paid.

use byway_primitives::{Amount, IdentityId, Time};

use super::{ApiError, ErrorKind};

impl ApiError {
    /// It was given up on its way, by `by`: a hub, the payee, or nobody but this node.
    pub fn invoice_not_paid(by: Option<IdentityId>, why: impl std::fmt::Display) -> Self {
        let who = by.map_or_else(|| "this node".to_owned(), |by| by.to_string());
        let error = Self::new(
            ErrorKind::InvoiceNotPaid,
            format!("The invoice was not paid, {who} says: {why}."),
            "Nothing was spent; the same invoice can be paid again.",
        );
        match by {
            Some(by) => error.with("by", by.to_string().into()),
            None => error,
        }
    }

    pub fn no_way_to_payee(payee: IdentityId) -> Self {
        Self::new(
            ErrorKind::NoWayToPayee,
            format!("No hub that this node has a channel with knows a way to {payee} on which there is room for the amount."),
            "Nothing was spent. Open a channel with the payee or with one of its hubs (`byway channel open`), put more into one, or \
             try again later.",
        )
        .with("payee", payee.to_string().into())
    }

    pub fn hub_fee_too_high(fee_max: Amount) -> Self {
        Self::new(
            ErrorKind::HubFeeTooHigh,
            format!("Every way costs more than {fee_max} WAY in fees."),
            "Nothing was spent; allow more (`--fee-max`).",
        )
        .with("fee_max", fee_max.to_string().into())
    }

    /// The invoice itself is at fault.
    pub fn invoice_refused(why: impl std::fmt::Display) -> Self {
        Self::new(ErrorKind::InvoiceRefused, format!("That invoice is not paid: {why}."), "Nothing was spent.")
    }

    pub fn invoice_expired(expires: Time) -> Self {
        Self::new(
            ErrorKind::InvoiceExpired,
            "The time of this invoice is over.",
            "Nothing was spent; ask for another one.",
        )
        .with("expires_ms", expires.0.into())
    }

    /// All hubs did their part; the payee is away, or did nothing with what was locked for it.
    pub fn payee_silent(payee: IdentityId) -> Self {
        Self::new(
            ErrorKind::PayeeSilent,
            format!("{payee} did not take the payment: it is away, or does nothing."),
            "Nothing was spent; pay the same invoice again when it is back.",
        )
        .with("payee", payee.to_string().into())
    }
}
