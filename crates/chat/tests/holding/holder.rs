//! What a holder takes, refuses, keeps, hands over and is paid.

use byway_chat::delivery::letter::PART_MAX;
use byway_chat::delivery::{Letter, Outbox, ParcelId};
use byway_chat::holding::{
    Announced, Bill, Cursor, Envelope, EnvelopeId, FREE_TIME, GRACE_TIME, HeldBatch, HoldMessage, HoldRefusal, Holder,
    HolderNews, HolderStep, HolderTerms, Receipt, Sending, Word,
};
use byway_primitives::codec::Encode;
use byway_primitives::{Amount, Batch, IdentityId, MemoryStore, Span, Time};

use crate::rig::{NETWORK, START, dialogue_key, secret, sending_config, terms};

const CLIENT: u64 = 2;
const SENDER: u64 = 1;

/// A holder on its disk, which has one client.
struct Rig {
    now: Time,
    holder: Holder,
    disk: MemoryStore,
    credit: Amount,
    news: Vec<HolderNews>,
}

impl Rig {
    fn new(terms: HolderTerms) -> Self {
        let disk = MemoryStore::new();
        let holder = Holder::load(NETWORK, &disk).unwrap();
        let mut rig = Self { now: START, holder, disk, credit: Amount::from_units(1_000_000), news: Vec::new() };
        rig.holder.set_terms(Some(terms));
        let said = rig.say(CLIENT, HoldMessage::Use { spent: rig.credit });
        assert!(matches!(said[..], [HoldMessage::Serving { .. }]), "{said:?}");
        rig
    }

    fn done(&mut self) -> Vec<(IdentityId, HoldMessage)> {
        let HolderStep { batch, sends, news } = self.holder.take_step();
        self.disk.apply(&batch);
        self.news.extend(news);
        sends
    }

    /// What it says to whoever said this.
    fn say(&mut self, from: u64, message: HoldMessage) -> Vec<HoldMessage> {
        let peer = secret(from).id();
        self.holder.handle_message(self.now, peer, message, self.credit, &self.disk);
        self.done().into_iter().filter(|(to, _)| *to == peer).map(|(_, message)| message).collect()
    }

    fn word(&mut self, from: u64, message: HoldMessage) -> Word {
        match self.say(from, message)[..] {
            [HoldMessage::Word { word, .. }] => word,
            ref other => panic!("{other:?}"),
        }
    }

    fn announce(&mut self, from: u64, announced: Announced) -> Word {
        self.word(from, HoldMessage::Announce { client: secret(CLIENT).id(), envelopes: vec![announced] })
    }

    /// Brings an envelope, all of it.
    fn bring(&mut self, from: u64, envelope: &Envelope) -> Word {
        let announced = announced(envelope);
        let word = self.announce(from, announced);
        if word != (Word::Wanted { next: 0 }) {
            return word;
        }
        let mut last = word;
        for (index, bytes) in envelope.sealed.chunks(PART_MAX).enumerate() {
            let (client, index) = (secret(CLIENT).id(), index as u16);
            let part = HoldMessage::Part { client, envelope: announced.envelope, index, bytes: bytes.to_vec() };
            if let [HoldMessage::Word { word, .. }] = self.say(from, part)[..] {
                last = word;
            }
        }
        last
    }

    fn fetch(&mut self, from: Cursor) -> HeldBatch {
        match self.say(CLIENT, HoldMessage::Fetch { from }).pop() {
            Some(HoldMessage::Batch(batch)) => batch,
            other => panic!("{other:?}"),
        }
    }

    fn bill(&self) -> Option<Bill> {
        self.holder.clients().next().map(|(_, bill)| bill)
    }

    fn wake(&mut self) {
        self.holder.handle_wake(self.now, |_| self.credit);
        self.done();
    }

    fn restart(&mut self) {
        let terms = self.holder.terms();
        self.holder = Holder::load(NETWORK, &self.disk).unwrap();
        self.holder.set_terms(terms);
    }
}

fn envelope(number: u64, length: usize) -> Envelope {
    let parcel: Vec<u8> = number.to_be_bytes().into_iter().cycle().take(length).collect();
    let to = (secret(CLIENT).id(), dialogue_key(CLIENT));
    Envelope::seal(&secret(SENDER), NETWORK, to, START + Span::days(14), &parcel).unwrap()
}

fn id(envelope: &Envelope) -> EnvelopeId {
    EnvelopeId::of(secret(CLIENT).id(), envelope)
}

fn announced(envelope: &Envelope) -> Announced {
    Announced { envelope: id(envelope), until: envelope.until, length: envelope.sealed.len() as u32 }
}

#[test]
fn what_is_held_is_held_once_survives_a_restart_and_goes_with_the_receipt() {
    let mut rig = Rig::new(terms(0));
    let (short, long) = (envelope(1, 100), envelope(2, 300_000));
    assert_eq!(rig.bring(SENDER, &short), Word::Held);
    assert_eq!(rig.bring(SENDER, &long), Word::Held);
    rig.restart();
    // Its sender did not hear that it is held.
    assert_eq!(rig.bring(SENDER, &short), Word::Held);
    assert_eq!(rig.bill().unwrap().count, 2);

    // It hands over the same until there is a receipt, from wherever it is asked to.
    let first = rig.fetch(Cursor::default());
    assert_eq!(rig.fetch(Cursor::default()), first);
    let (mut next, mut came) = (Cursor::default(), Vec::new());
    loop {
        let batch = rig.fetch(next);
        let has_more = batch.has_more;
        for piece in batch.into_pieces() {
            next = Cursor { number: piece.at.number, offset: piece.at.offset + piece.bytes.len() as u32 };
            came.extend(piece.bytes);
        }
        if !has_more {
            break;
        }
    }
    assert_eq!(came, [&short.sealed[..], &long.sealed].concat());

    let forged = Receipt::sign(&secret(SENDER), NETWORK, id(&short));
    rig.say(CLIENT, HoldMessage::Had { receipts: vec![forged] });
    assert_eq!(rig.news, [HolderNews::ForgedReceipt { peer: secret(CLIENT).id() }]);
    assert_eq!(rig.bill().unwrap().count, 2, "nobody else deletes");
    let receipt = Receipt::sign(&secret(CLIENT), NETWORK, id(&short));
    rig.say(SENDER, HoldMessage::Had { receipts: vec![receipt] });
    assert_eq!(rig.bill().unwrap().count, 2, "nor does anybody for the client");
    rig.say(CLIENT, HoldMessage::Had { receipts: vec![receipt] });
    assert_eq!(rig.bill().unwrap().count, 1);
    rig.restart();
    assert_eq!(rig.bill().unwrap().count, 1);
    assert_eq!(rig.bring(SENDER, &short), Word::Had(receipt), "whoever brings it again is shown the receipt");
}

#[test]
fn a_receipt_may_come_before_the_envelope() {
    let mut rig = Rig::new(terms(0));
    let receipt = Receipt::sign(&secret(CLIENT), NETWORK, id(&envelope(1, 9)));
    rig.say(CLIENT, HoldMessage::Had { receipts: vec![receipt] });
    assert_eq!(rig.bring(SENDER, &envelope(1, 9)), Word::Had(receipt));
}

#[test]
fn each_refusal_has_its_reason() {
    let check = |terms: HolderTerms, arrange: &dyn Fn(&mut Rig), announced: Announced, refusal| {
        let mut rig = Rig::new(terms);
        arrange(&mut rig);
        assert_eq!(rig.announce(SENDER, announced), Word::Refused(refusal));
    };
    let (good, of) = (terms(0), announced(&envelope(1, 100)));
    let nothing = |_: &mut Rig| {};
    let bring = |rig: &mut Rig| assert_eq!(rig.bring(SENDER, &envelope(2, 100)), Word::Held);
    check(good, &|rig| rig.holder.set_terms(None), of, HoldRefusal::Unwilling);
    let leave = |rig: &mut Rig| assert_eq!(rig.say(CLIENT, HoldMessage::Leave), [HoldMessage::Left]);
    check(good, &leave, of, HoldRefusal::NotClient);
    check(good, &|rig| rig.holder.set_room(500), of, HoldRefusal::DiskFull);
    check(HolderTerms { bytes_max: 700, ..good }, &bring, of, HoldRefusal::DiskFull);
    check(HolderTerms { client_bytes_max: 500, ..good }, &nothing, of, HoldRefusal::ClientFull);
    check(HolderTerms { client_count_max: 1, ..good }, &bring, of, HoldRefusal::ClientFull);
    check(HolderTerms { client_count_max: 4, ..good }, &bring, of, HoldRefusal::SenderFull);
    check(HolderTerms { client_bytes_max: 2_000, ..good }, &nothing, of, HoldRefusal::SenderFull);
    check(good, &nothing, Announced { length: 6_000_000, ..of }, HoldRefusal::TooLarge);
    check(good, &nothing, Announced { length: 0, ..of }, HoldRefusal::TooLarge);
    check(good, &nothing, Announced { until: START, ..of }, HoldRefusal::Time);
    check(good, &nothing, Announced { until: START + Span::days(31), ..of }, HoldRefusal::Time);
}

#[test]
fn one_sender_leaves_room_for_others() {
    let mut rig = Rig::new(HolderTerms { client_count_max: 4, ..terms(0) });
    assert_eq!(rig.bring(SENDER, &envelope(1, 9)), Word::Held);
    assert_eq!(rig.bring(SENDER, &envelope(2, 9)), Word::Refused(HoldRefusal::SenderFull));
    assert_eq!(rig.bring(7, &envelope(2, 9)), Word::Held);
}

#[test]
fn what_is_not_what_was_announced_is_not_held() {
    let mut rig = Rig::new(terms(0));
    let (good, other) = (envelope(1, 100), envelope(2, 100));
    let client = secret(CLIENT).id();
    let part = |index, bytes: &[u8]| HoldMessage::Part { client, envelope: id(&good), index, bytes: bytes.to_vec() };
    assert!(rig.say(SENDER, part(0, &good.sealed)).is_empty(), "nothing was announced");
    for bytes in [&other.sealed[..], &good.sealed[1..]] {
        assert_eq!(rig.announce(SENDER, announced(&good)), Word::Wanted { next: 0 });
        assert_eq!(rig.word(SENDER, part(0, bytes)), Word::Refused(HoldRefusal::Damaged));
    }
    assert_eq!(rig.bill().unwrap().count, 0);
    assert_eq!(rig.bring(SENDER, &good), Word::Held);
}

#[test]
fn what_is_over_goes() {
    let mut rig = Rig::new(terms(0));
    rig.bring(SENDER, &envelope(1, 9));
    rig.now = START + Span::days(14) - Span::millis(1);
    rig.wake();
    assert_eq!(rig.bill().unwrap().count, 1);
    rig.now = START + Span::days(15);
    rig.wake();
    assert_eq!((rig.bill().unwrap().count, rig.bill().unwrap().bytes), (0, 0));
    rig.restart();
    assert_eq!(rig.bill().unwrap().count, 0);
}

#[test]
fn it_is_paid_by_size_and_time_and_no_more_than_was_said() {
    // A unit for a byte and a day.
    let mut rig = Rig::new(terms(1_000_000));
    let length = envelope(1, 100).sealed.len() as u128;
    rig.bring(SENDER, &envelope(1, 100));
    rig.now = START + Span::days(2);
    rig.wake();
    rig.restart();
    rig.now = START + Span::days(3);
    rig.wake();
    let earned = |rig: &Rig| rig.holder.earned().units();
    assert_eq!((rig.bill().unwrap().used.units(), earned(&rig)), (3 * length, 3 * length));

    // What is not promised is not earned; after a while nothing new is taken, and at last all is let go of.
    rig.credit = Amount::ZERO;
    rig.now = START + Span::days(4);
    rig.wake();
    assert_eq!((rig.bill().unwrap().used.units(), earned(&rig)), (4 * length, 3 * length));
    assert_eq!(rig.announce(SENDER, announced(&envelope(2, 9))), Word::Wanted { next: 0 });
    rig.now = rig.now + FREE_TIME;
    assert_eq!(rig.announce(SENDER, announced(&envelope(3, 9))), Word::Refused(HoldRefusal::Unpaid));
    assert_eq!(rig.fetch(Cursor::default()).pieces().len(), 1, "what it has it hands over");
    rig.now = START + Span::days(4) + GRACE_TIME;
    rig.wake();
    assert_eq!((rig.bill(), earned(&rig)), (None, 3 * length));
    let client = secret(CLIENT).id();
    assert_eq!(rig.news.last(), Some(&HolderNews::Dropped { client, refusal: HoldRefusal::Unpaid }));
    let said = rig.say(CLIENT, HoldMessage::Use { spent: Amount::from_units(1_000_000) });
    assert!(matches!(said[..], [HoldMessage::Refused { refusal: HoldRefusal::Unpaid, .. }]), "{said:?}");
    rig.restart();
    rig.credit = Amount::from_units(1_000);
    rig.say(CLIENT, HoldMessage::Use { spent: Amount::from_units(1_000_000) });
    assert_eq!(rig.bill().unwrap().used.units(), 3 * length, "its account goes on, without what it never paid");
}

#[test]
fn a_sender_keeps_what_nobody_has_signed_for() {
    let (mut batch, mut disk) = (Batch::new(), MemoryStore::new());
    let mut outbox = Outbox::default();
    let mut sending = Sending::load(sending_config(SENDER), &disk).unwrap();
    let letter = Letter::Sealed(vec![4; 500_000]);
    let (parcel, client) = (letter.pack().0, secret(CLIENT).id());
    outbox.put(&letter, [client], &mut batch).unwrap();
    sending.put(START, (client, dialogue_key(CLIENT)), &letter.to_bytes(), &mut batch).unwrap();
    disk.apply(&batch);
    let holder = secret(9).id();
    sending.set_holders(client, vec![holder]);
    assert_eq!(sending.wanted(START), [holder]);
    sending.handle_connected(holder);
    let due = sending.due(START, &disk);
    let [(_, HoldMessage::Announce { envelopes, .. })] = &due[..] else { panic!("{due:?}") };
    let envelope = envelopes[0].envelope;
    let word = |word| HoldMessage::Word { client, envelope, word };
    sending.handle_message(START, holder, &word(Word::Wanted { next: 0 }));
    assert_eq!(sending.due(START, &disk).len(), 8, "no more than its window");
    sending.handle_message(START, holder, &word(Word::Wanted { next: 4 }));
    assert_eq!(sending.due(START, &disk).len(), 3, "the rest");
    sending.handle_message(START, holder, &word(Word::Held));
    let forged = Receipt::sign(&secret(9), NETWORK, envelope);
    assert_eq!(sending.handle_message(START, holder, &word(Word::Had(forged))), None);
    let mut other = Sending::load(sending_config(SENDER), &disk).unwrap();
    assert!(other.is_sending(client, parcel), "a restart changes nothing");
    other.set_holders(client, vec![holder]);
    let good = Receipt::sign(&secret(CLIENT), NETWORK, envelope);
    let arrived = other.handle_message(START, holder, &word(Word::Had(good))).unwrap();
    assert_eq!((arrived.client, arrived.parcel), (client, ParcelId::of(&letter.to_bytes())));
    let mut batch = Batch::new();
    other.forget(client, parcel, &mut batch);
    disk.apply(&batch);
    assert!(!Sending::load(sending_config(SENDER), &disk).unwrap().is_sending(client, parcel));
}
