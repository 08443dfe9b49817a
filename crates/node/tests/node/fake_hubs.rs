//! Payments over several channels, as the fake node has them: one is on its way, and some invoices can't be paid.

use byway_node::api::*;
use byway_primitives::{IdentityId, Time};

use super::fake_channels::coins;

/// No way leads to its payee.
pub const LOST: &str = "byway:pay/lost";
/// Its payee is away.
pub const SILENT: &str = "byway:pay/silent";
/// Nobody has taken it yet.
pub const SLOW: &str = "byway:pay/slow";

const HUB: IdentityId = IdentityId([0x33; 20]);
const PAYEE: IdentityId = IdentityId([0x44; 20]);

pub fn invoice(request: &ChannelInvoiceMake) -> Answer<ChannelInvoice> {
    if request.note.as_deref() == Some("") {
        return Err(ApiError::invalid_params("note", "it is empty"));
    }
    Ok(ChannelInvoice {
        invoice: "byway:pay/aeba".to_owned(),
        hash: "ab".repeat(32),
        amount: request.amount,
        note: request.note.clone(),
        expires_ms: Time(1_700_000_000_000 + 1000 * request.expires_seconds.unwrap_or(3_600)),
    })
}

pub fn pay(request: &ChannelInvoicePay) -> Answer<InvoicePayment> {
    match request.invoice.as_str() {
        LOST => return Err(ApiError::no_way_to_payee(PAYEE)),
        SILENT => return Err(ApiError::payee_silent(PAYEE)),
        _ => {}
    }
    if let Some(fee_max) = request.fee_max.filter(|fee_max| *fee_max < coins("0.0006")) {
        return Err(ApiError::hub_fee_too_high(fee_max));
    }
    let is_slow = request.invoice == SLOW;
    Ok(InvoicePayment {
        hash: "ab".repeat(32),
        payee: PAYEE,
        amount: coins("0.5"),
        note: Some("two coffees".to_owned()),
        state: if is_slow { InvoicePaymentState::OnItsWay } else { InvoicePaymentState::Paid },
        ways: vec![vec![HUB]],
        fee: Some(coins("0.0006")),
        until_ms: is_slow.then_some(Time(1_700_001_200_000)),
        preimage: (!is_slow).then(|| "cd".repeat(32)),
    })
}

pub fn rebalance(request: &HubRebalance) -> Answer<InvoicePayment> {
    if request.from.is_some() && request.from == request.to {
        return Err(ApiError::not_rebalanced("it has to go out over one channel and come in over another one"));
    }
    let paid = pay(&ChannelInvoicePay { invoice: String::new(), fee_max: request.fee_max })?;
    Ok(InvoicePayment { amount: request.amount.unwrap_or(paid.amount), note: None, ..paid })
}

/// Only the hub of the other calls guarantees anything.
pub fn ask(request: &HubAsk) -> Answer<HubQuote> {
    let hub: IdentityId = request.hub.parse().map_err(|_| ApiError::invalid_params("hub", "it is no identity"))?;
    if hub != HUB {
        return Err(ApiError::hub_guarantees_none(hub));
    }
    let is_long = request.days.is_some_and(|days| days > 30);
    Ok(HubQuote {
        hub,
        fee: coins("0.002"),
        fee_max: coins("0.01"),
        available: coins("2"),
        days_max: 30,
        amount_max: coins("5"),
        unfit: is_long.then(|| Reason::new("too_long", "the hub guarantees none for more than 30 days")),
    })
}

pub fn run(request: &HubRun) -> HubStatus {
    let known = status();
    let terms = HubTermsRecord {
        fee_base: request.fee_base.unwrap_or(known.terms.fee_base),
        fee_per_million: request.fee_per_million.unwrap_or(known.terms.fee_per_million),
        amount_min: request.amount_min.unwrap_or(known.terms.amount_min),
        guarantees: request.run && request.guarantee.unwrap_or(known.terms.guarantees),
        guarantee_fee_base: request.guarantee_fee_base.unwrap_or(known.terms.guarantee_fee_base),
        ..known.terms
    };
    HubStatus { runs: request.run, terms, ..known }
}

pub fn status() -> HubStatus {
    let lock = |peer, amount, until| HubLock {
        channel: "a1".repeat(32),
        peer: Some(peer),
        amount: coins(amount),
        until_ms: Time(until),
    };
    HubStatus {
        runs: true,
        unready: None,
        terms: HubTermsRecord {
            fee_base: coins("0.0001"),
            fee_per_million: 1_000,
            amount_min: coins("0.001"),
            peer_amount_max: coins("5"),
            amount_max: coins("50"),
            guarantees: true,
            guarantee_fee_base: coins("0.001"),
            guarantee_fee_per_million: 1_000,
            guarantee_days_max: 30,
        },
        forwarded: 3,
        amount: coins("1.5"),
        fees: coins("0.0018"),
        peers: vec![HubPeer {
            peer: PAYEE,
            connected: true,
            channels: 1,
            to_peer: coins("1.2"),
            from_peer: coins("0.3"),
            rooms: vec![HubRoom { channel: "a1".repeat(32), to_peer: coins("1.2"), from_peer: coins("0.3") }],
        }],
        on_their_way: vec![HubPayment {
            hash: "ab".repeat(32),
            state: HubPaymentState::Locked,
            incoming: Some(lock(HUB, "0.5006", 1_700_001_200_000)),
            outgoing: Some(lock(PAYEE, "0.5", 1_700_000_600_000)),
        }],
        guarantees: vec![HubGuarantee {
            channel: "b7".repeat(32),
            peers: [HUB, PAYEE],
            amounts: [coins("0.8"), coins("1")],
            stands: true,
            until_ms: Time(1_700_604_800_000),
        }],
        refused: vec![HubRefusal {
            at_ms: Time(1_700_000_000_000),
            peer: HUB,
            amount: coins("3"),
            reason: Reason::new("room", "the channel with the next one has not enough in it"),
        }],
    }
}
