//! Names as the fake node has them: one that is its own, and what looks like it.

use byway_node::api::*;
use byway_primitives::{Amount, Hash, Time};
use byway_records::TransactionId;
use byway_records::names::Name;

use super::fake::id;

fn name(text: &str) -> Answer<Name> {
    text.parse().map_err(|error| ApiError::invalid_params("name", error))
}

pub fn shown(text: &str) -> Answer<NameShown> {
    let (asked, own) = (name(text)?, name("alice")?);
    let is_taken = asked.key() == own.key();
    let taken = |time: u64| is_taken.then_some(Time(time));
    Ok(NameShown {
        name: asked.to_string(),
        standing: if is_taken { NameStanding::InUse } else { NameStanding::Free },
        looks_like: (is_taken && asked != own).then(|| own.to_string()),
        owner: is_taken.then(|| id(1)),
        settles_ms: taken(1_000),
        expires_ms: taken(9_000),
        free_ms: taken(10_000),
        primary: is_taken,
        price_year: Amount::from_coins(1),
        price_commit: Amount::from_coins(1),
    })
}

pub fn wanted(request: &NameRegister) -> Answer<NameWanted> {
    let shown = shown(&request.name)?;
    if shown.owner.is_some() {
        return Err(ApiError::name_taken(&name(&request.name)?, &name("alice")?, id(1)));
    }
    Ok(NameWanted {
        name: shown.name,
        years: request.years,
        stage: NameStage::Committing,
        began_ms: Time(1),
        transaction_id: TransactionId(Hash([7; 32])),
        reason: None,
    })
}

pub fn list() -> Answer<NameList> {
    let failed = NameWanted {
        name: "bob".to_owned(),
        years: 1,
        stage: NameStage::Failed,
        began_ms: Time(1),
        transaction_id: TransactionId(Hash([7; 32])),
        reason: Some("somebody else has taken it".to_owned()),
    };
    Ok(NameList { own: vec![shown("alice")?], wanted: vec![failed] })
}
