//! Bots on the market, as the fake node knows them.

use byway_node::api::*;
use byway_primitives::{Amount, IdentityId};

pub const BOT: IdentityId = IdentityId([0x79; 20]);

fn price() -> Amount {
    Amount::from_units(10_000_000_000_000_000)
}

fn hired() -> BotHire {
    BotHire {
        bot: BOT,
        name: "oracle".to_owned(),
        conversation: Some("a0".repeat(32)),
        served: false,
        price_max: price(),
        limit: Amount::from_units(20_000_000_000_000_000),
        spent: Amount::from_units(20_000_000_000_000_000),
        price: Some(price()),
        asked: 3,
        answered: 2,
        waiting: 1,
        overcharged: 0,
        refusal: Some("unpaid".to_owned()),
        problem: Some("all that you allowed is spent".to_owned()),
    }
}

pub fn clients() -> Vec<BotClient> {
    vec![BotClient {
        client: IdentityId([0x55; 20]),
        conversation: Some("a0".repeat(32)),
        begins: 0,
        released: 1,
        waiting: 0,
        answered: 4,
        earned: Amount::from_units(40_000_000_000_000_000),
    }]
}

pub fn status() -> BotStatus {
    let offer = BotOfferMake {
        name: "keyword".to_owned(),
        about: Some("Answers words.".to_owned()),
        commands: vec!["help".to_owned()],
        price: price(),
    };
    offered(&offer)
}

pub fn offered(request: &BotOfferMake) -> BotStatus {
    let offer = BotOffered {
        name: request.name.clone(),
        about: request.about.clone().unwrap_or_default(),
        commands: request.commands.clone(),
        price: request.price,
        listed: true,
    };
    let earned = Amount::from_units(40_000_000_000_000_000);
    BotStatus { offer: Some(offer), clients: clients(), earned, hired: vec![hired()] }
}

pub fn found(request: &BotFind) -> Vec<BotOffer> {
    let offer = BotOffer {
        bot: BOT,
        name: "oracle".to_owned(),
        about: "Knows the weather.".to_owned(),
        commands: vec!["weather".to_owned()],
        price: price(),
        score: 400,
        hired: true,
    };
    let is_it = request.word.as_ref().is_none_or(|word| offer.about.contains(word));
    is_it.then_some(offer).into_iter().collect()
}

pub fn hire(request: &BotHireMake) -> Answer<BotStatus> {
    match request.limit {
        _ if request.bot != BOT => Err(ApiError::bot_not_found(request.bot)),
        _ if request.price_max.is_some_and(|most| most < price()) => Err(ApiError::bot_too_dear(BOT, price())),
        Some(limit) if limit.is_zero() => Err(ApiError::too_many_bots(64)),
        _ => Ok(status()),
    }
}

pub fn dismiss(request: &BotDismiss) -> Answer<BotStatus> {
    if request.bot == BOT {
        Ok(BotStatus { hired: vec![], ..status() })
    } else {
        Err(ApiError::bot_not_hired(request.bot))
    }
}
