//! What goes wrong with payments over several channels. Nothing was paid then, but for what a channel has paid out.

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

    /// This node's own channel has paid out with the payment in it.
    pub fn payment_paid_out(payee: IdentityId) -> Self {
        Self::new(
            ErrorKind::PaymentPaidOut,
            "The channel that the payment was locked in has been closed and paid out before it was known whether it was taken.",
            format!(
                "It may have been spent: ask {payee} whether it was paid. What was not taken was shared as the channel's terms say. Paying the same \
                 invoice again is safe: a payee takes it once."
            ),
        )
        .with("payee", payee.to_string().into())
    }

    pub fn too_many_payments(why: impl std::fmt::Display) -> Self {
        Self::new(ErrorKind::TooManyPayments, format!("Too much is paid at once: {why}."), "Nothing was spent.")
    }

    pub fn not_rebalanced(why: impl std::fmt::Display) -> Self {
        Self::new(
            ErrorKind::NotRebalanced,
            format!("No money was moved between channels: {why}."),
            "Nothing was spent. `byway hub status` shows what goes through each channel; name others, or a lower amount.",
        )
    }
}
