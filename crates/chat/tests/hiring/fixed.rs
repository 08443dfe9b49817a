//! One message of each kind, and a card, with fixed bytes.

use byway_chat::hiring::{BotCard, HireBill, HireMessage, HireRefusal};
use byway_primitives::Amount;

pub fn messages() -> Vec<HireMessage> {
    let (price_max, spent) = (Amount::from_units(300), Amount::from_units(1_000));
    let bill = HireBill { earned: Amount::from_units(900), price: price_max, answered: 3, waiting: 2 };
    let refused = |refusal| HireMessage::Refused { refusal, bill };
    vec![
        HireMessage::Hire { price_max, spent },
        HireMessage::Dismiss,
        HireMessage::Hired { bill },
        refused(HireRefusal::Unwilling),
        refused(HireRefusal::TooDear),
        refused(HireRefusal::Unpaid),
        refused(HireRefusal::Full),
        HireMessage::Dismissed,
    ]
}

pub fn card() -> BotCard {
    let commands = ["help", "hours"].map(str::to_owned).to_vec();
    BotCard::new("keyword", "Answers words.", commands).expect("it is one")
}
