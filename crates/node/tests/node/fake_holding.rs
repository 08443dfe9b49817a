//! Holding, as the fake node knows it.

use byway_node::api::*;
use byway_primitives::{Amount, IdentityId};

pub const HOLDER: IdentityId = IdentityId([0x78; 20]);

fn price() -> Amount {
    Amount::from_units(10_000_000_000_000)
}

pub fn status() -> HoldStatus {
    HoldStatus {
        accepts: true,
        price: price(),
        room_mb: 1_000,
        client_mb: 50,
        clients: vec![HoldClient {
            client: IdentityId([0x55; 20]),
            held: 3,
            bytes: 1_536,
            used: Amount::from_units(7),
        }],
        earned: Amount::from_units(5_000_000_000_000_000),
        holders: vec![HoldRecord {
            holder: HOLDER,
            holding: true,
            named: true,
            price_max: Amount::from_units(20_000_000_000_000),
            megabytes: 10,
            days: 30,
            spent: Amount::from_units(3_000_000_000_000_000),
            price: Some(price()),
            left: Some(Amount::from_units(2_000_000_000_000_000)),
            handed_over: 2,
            missed: 5,
            faults: 1,
            failing: true,
            replaceable: true,
            problem: Some("it was not paid".to_owned()),
        }],
        bringing: 4,
    }
}

pub fn offers() -> Vec<HolderOffer> {
    vec![HolderOffer { holder: HOLDER, price: price(), used: true, quality: Some(430), failing: false }]
}

pub fn offer(request: &HoldOffer) -> HoldStatus {
    let known = status();
    let (price, room_mb) = (request.price.unwrap_or(known.price), request.room_mb.unwrap_or(known.room_mb));
    HoldStatus {
        accepts: request.accept,
        price,
        room_mb,
        client_mb: request.client_mb.unwrap_or(known.client_mb),
        ..known
    }
}

pub fn use_holder(request: &HoldUse) -> Answer<HoldStatus> {
    match request.holder.as_deref() {
        Some("full") => Err(ApiError::hold_full(4)),
        Some("stranger") => Err(ApiError::holder_unregistered(HOLDER)),
        None if request.price_max == Some(Amount::ZERO) => Err(ApiError::no_holder()),
        _ => Ok(status()),
    }
}

pub fn leave(request: &HoldLeave) -> Answer<HoldStatus> {
    if request.holder == HOLDER { Ok(status()) } else { Err(ApiError::not_held_by(request.holder)) }
}
