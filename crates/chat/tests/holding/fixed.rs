//! One message of each kind, with fixed bytes.

use byway_chat::holding::{Announced, Bill, Cursor, EnvelopeId, HeldBatch, HoldMessage, HoldRefusal, Receipt, Word};
use byway_crypto::IdentitySecret;
use byway_primitives::{Amount, Hash, IdentityId, NetworkId, Time};

const UNTIL: Time = Time(1_800_000_000_000);

fn receipt() -> Receipt {
    let client = IdentitySecret::from_bytes(&[5; 32]).expect("a key");
    Receipt::sign(&client, NetworkId(Hash([3; 32])), EnvelopeId(Hash([1; 32])))
}

pub fn messages() -> Vec<HoldMessage> {
    let (client, envelope) = (IdentityId([2; 20]), EnvelopeId(Hash([1; 32])));
    let used = Amount::from_units(7);
    let bill = Bill { used, price: Amount::from_units(300), count: 2, bytes: 1_120, bytes_max: 1_000_000 };
    let mut batch = HeldBatch::default();
    batch.has_more = true;
    batch.add(Cursor { number: 3, offset: 2 }, (envelope, UNTIL), &[9; 600]);
    let word = |word| HoldMessage::Word { client, envelope, word };
    vec![
        HoldMessage::Use { spent: Amount::from_units(1_000) },
        HoldMessage::Leave,
        HoldMessage::Fetch { from: Cursor { number: 300, offset: 16_000 } },
        HoldMessage::Had { receipts: vec![receipt()] },
        HoldMessage::Announce { client, envelopes: vec![Announced { envelope, until: UNTIL, length: 560 }] },
        HoldMessage::Part { client, envelope, index: 1, bytes: vec![8; 40] },
        HoldMessage::Serving { bill },
        HoldMessage::Refused { refusal: HoldRefusal::Unpaid, bill },
        HoldMessage::Left,
        HoldMessage::Batch(batch),
        word(Word::Wanted { next: 4 }),
        word(Word::Held),
        word(Word::Had(receipt())),
        word(Word::Refused(HoldRefusal::Damaged)),
    ]
}
