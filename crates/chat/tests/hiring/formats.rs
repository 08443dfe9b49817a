//! Formats: there and back, frozen.

use byway_chat::hiring::{BotCard, HireBill, HireMessage, HireRefusal};
use byway_primitives::Amount;
use byway_primitives::codec::{Encode, decode_exact};
use byway_primitives::hash::Context;

#[path = "fixed.rs"]
mod fixed;

const FROZEN: Context = Context("byway tests: frozen");
const MESSAGES: &str = "94d31fb7c3e3ba1a2e1f3b9996c8f1ef43d2a4829ce40cb3a3430db45d00fc65";
const CARD: &str = "0b2ea33bc559b6b633e78d26b90e32287cb186e6dbf436ed83fd831526c498b4";

#[test]
fn messages_and_cards_come_back_and_are_what_they_were() {
    let mut all = Vec::new();
    for message in fixed::messages() {
        let bytes = message.to_bytes();
        assert_eq!(decode_exact::<HireMessage>(&bytes), Ok(message));
        all.extend(bytes);
    }
    assert_eq!(FROZEN.hash(&[&all]).to_string(), MESSAGES);
    let card = fixed::card();
    assert_eq!(decode_exact::<BotCard>(&card.to_bytes()).as_ref(), Ok(&card));
    assert_eq!(FROZEN.hash(&[&card.to_bytes()]).to_string(), CARD);
    // The largest fits the contact of an offer.
    let largest = BotCard::new(&"b".repeat(32), &"a".repeat(160), vec!["c".repeat(24); 8]).unwrap();
    assert!(largest.to_bytes().len() <= byway_records::offer::CONTACT_BYTES_MAX);
}

#[test]
fn what_is_no_message_is_none() {
    for bytes in [&[][..], &[5], &[3, 4], &[1, 0]] {
        assert!(decode_exact::<HireMessage>(bytes).is_err(), "{bytes:?}");
    }
    let refused = HireMessage::Refused { refusal: HireRefusal::Full, bill: HireBill::default() };
    assert!(decode_exact::<HireMessage>(&refused.to_bytes()).is_ok());
    assert_eq!(HireBill::default().price, Amount::ZERO);
}
