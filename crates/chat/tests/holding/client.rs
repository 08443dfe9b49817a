//! A client takes what is held for it once, whatever its holders say, and pays what it means to.

use byway_chat::holding::{
    Bill, ClientStep, Cursor, Envelope, EnvelopeId, HOLD_TIME, HeldBatch, HeldClient, HeldFault, HoldMessage,
    HoldRefusal, Judged, LOOK_AGAIN, Plan, Receipt, SAY_AGAIN,
};
use byway_primitives::{Amount, IdentityId, MemoryStore, Span, Time};

use crate::rig::{NETWORK, START, client_config, dialogue_key, secret};

const ME: u64 = 2;

struct Rig {
    now: Time,
    client: HeldClient,
    disk: MemoryStore,
    /// Whether what is handed over can be taken.
    takes: bool,
}

impl Rig {
    /// One who uses holders 8 and 9, and talks to both.
    fn new() -> Self {
        let disk = MemoryStore::new();
        let client = HeldClient::load(client_config(ME), &disk).unwrap();
        let mut rig = Self { now: START, client, disk, takes: true };
        for holder in [8, 9] {
            let plan = Plan { price_max: Amount::from_units(10), megabytes: 5, days: 4, is_replaceable: false };
            rig.client.use_holder(rig.now, secret(holder).id(), plan);
        }
        rig.connect();
        rig
    }

    fn connect(&mut self) {
        for holder in [8, 9] {
            self.client.handle_connected(self.now, secret(holder).id());
            self.say(holder, serving(0, 0));
        }
    }

    /// Has it fetch from the start from both.
    fn look(&mut self) {
        self.client.look_now(self.now);
        let from_start = |(_, message): &(IdentityId, HoldMessage)| matches!(message, HoldMessage::Fetch { from } if *from == Cursor::default());
        assert_eq!(self.done().sends.iter().filter(|said| from_start(said)).count(), 2);
    }

    /// What was wanted, and is done; of what was handed over, what is new and was taken.
    fn done(&mut self) -> ClientStep {
        let mut step = self.client.take_step();
        for taking in std::mem::take(&mut step.takings) {
            let mut is_new = false;
            let is_taken = self.client.take(self.now, &taking, &self.disk, |_| {
                is_new = true;
                self.takes
            });
            step.takings.extend((is_taken && is_new).then_some(taking));
        }
        let ClientStep { batch, sends, judged, .. } = self.client.take_step();
        step.batch.append(batch);
        step.sends.extend(sends);
        step.judged.extend(judged);
        self.disk.apply(&step.batch);
        step
    }

    fn say(&mut self, holder: u64, message: HoldMessage) -> ClientStep {
        self.client.handle_message(self.now, secret(holder).id(), message);
        self.done()
    }

    fn batch(&mut self, holder: u64, batch: HeldBatch) -> ClientStep {
        self.say(holder, HoldMessage::Batch(batch))
    }
}

fn serving(price: u64, used: u64) -> HoldMessage {
    let [price, used] = [price, used].map(|units| Amount::from_units(units.into()));
    HoldMessage::Serving { bill: Bill { price, used, ..Bill::default() } }
}

fn sealed(number: u8, length: usize) -> (EnvelopeId, Envelope) {
    let to = (secret(ME).id(), dialogue_key(ME));
    let envelope = Envelope::seal(&secret(1), NETWORK, to, START + Span::days(1), &vec![number; length]).unwrap();
    (EnvelopeId::of(to.0, &envelope), envelope)
}

fn all_of(number: u64, (id, envelope): &(EnvelopeId, Envelope)) -> HeldBatch {
    let mut batch = HeldBatch::default();
    batch.add(Cursor { number, offset: 0 }, (*id, envelope.until), &envelope.sealed);
    batch
}

#[test]
fn it_takes_a_parcel_once_and_signs_for_it_each_time() {
    let mut rig = Rig::new();
    let letter = sealed(1, 50);
    let step = rig.batch(8, all_of(0, &letter));
    assert_eq!(step.takings.iter().map(|taking| taking.bytes[0]).collect::<Vec<_>>(), [1]);
    let had = HoldMessage::Had { receipts: vec![Receipt::sign(&secret(ME), NETWORK, letter.0)] };
    let (one, other) = (secret(8).id(), secret(9).id());
    assert_eq!(step.sends, [(one, had.clone())], "the other hands it over itself, or is told thereafter");
    let again = rig.batch(9, all_of(7, &letter));
    assert_eq!((again.takings.len(), again.sends, again.faults), (0, vec![(other, had.clone())], vec![]));

    rig.client = HeldClient::load(client_config(ME), &rig.disk).unwrap();
    rig.connect();
    let again = rig.batch(9, all_of(0, &letter));
    assert!(again.takings.is_empty() && again.sends.contains(&(other, had)), "nor after a restart");
}

#[test]
fn what_cannot_be_taken_yet_is_not_signed_for_and_comes_again() {
    let mut rig = Rig::new();
    let letter = sealed(1, 50);
    rig.takes = false;
    let step = rig.batch(8, all_of(0, &letter));
    assert!(step.takings.is_empty() && step.sends.is_empty(), "{step:?}");
    (rig.takes, rig.now) = (true, rig.now + LOOK_AGAIN);
    rig.client.handle_wake(rig.now);
    let from_start = HoldMessage::Fetch { from: Cursor::default() };
    assert!(rig.done().sends.contains(&(secret(8).id(), from_start)));
    let step = rig.batch(8, all_of(0, &letter));
    let had = HoldMessage::Had { receipts: vec![Receipt::sign(&secret(ME), NETWORK, letter.0)] };
    assert_eq!(step.takings.len(), 1);
    assert!(step.sends.contains(&(secret(8).id(), had)));
}

#[test]
fn a_batch_that_was_lost_is_fetched_again_from_where_it_began() {
    let mut rig = Rig::new();
    let (id, envelope) = sealed(1, 30_000);
    let mut first = HeldBatch::default();
    let count = first.add(Cursor::default(), (id, envelope.until), &envelope.sealed);
    first.has_more = true;
    let next = HoldMessage::Fetch { from: Cursor { number: 0, offset: count as u32 } };
    assert_eq!(rig.batch(8, first.clone()).sends, [(secret(8).id(), next.clone())]);
    assert!(rig.batch(8, first).sends.is_empty(), "one that came twice is nothing new");
    rig.now = rig.now + SAY_AGAIN;
    rig.client.handle_wake(rig.now);
    assert!(rig.done().sends.contains(&(secret(8).id(), next)));
    let mut rest = HeldBatch::default();
    rest.add(Cursor { number: 0, offset: count as u32 }, (id, envelope.until), &envelope.sealed);
    assert_eq!(rig.batch(8, rest).takings.len(), 1);
}

#[test]
fn what_a_holder_makes_up_is_neither_taken_nor_signed_for() {
    let check = |batch: HeldBatch, fault| {
        let mut rig = Rig::new();
        let step = rig.batch(8, batch);
        assert_eq!((step.faults, step.takings.len()), (vec![(secret(8).id(), fault)], 0));
        assert!(!step.sends.iter().any(|(_, message)| matches!(message, HoldMessage::Had { .. })));
        assert_eq!(rig.client.uses().find(|of| of.holder == secret(8).id()).unwrap().faults, 1);
    };
    let (id, other) = (sealed(1, 9).0, sealed(2, 9).1);
    check(all_of(0, &(id, other)), HeldFault::Hash);
    let (id, envelope) = sealed(1, 2_000);
    let mut later = HeldBatch::default();
    later.add(Cursor { number: 0, offset: 50 }, (id, envelope.until), &envelope.sealed);
    check(later, HeldFault::Order);
    let mut endless = HeldBatch::default();
    endless.has_more = true;
    check(endless, HeldFault::Endless);
}

/// Sealed now by whoever has this number, and held as long as senders have it held.
fn sent(rig: &Rig, sender: u64, number: u8) -> (EnvelopeId, Envelope) {
    let to = (secret(ME).id(), dialogue_key(ME));
    let envelope = Envelope::seal(&secret(sender), NETWORK, to, rig.now + HOLD_TIME, &[number; 50]).unwrap();
    (EnvelopeId::of(to.0, &envelope), envelope)
}

#[test]
fn a_holder_that_does_not_hand_over_what_another_does_is_known_by_it() {
    let mut rig = Rig::new();
    let (one, other) = (secret(8).id(), secret(9).id());
    let empty = HeldBatch::default;
    rig.batch(8, empty());
    rig.batch(9, empty());
    let letters = [sent(&rig, 1, 1), sent(&rig, 1, 2), sent(&rig, 3, 3)];
    let had = |of: &[&(EnvelopeId, Envelope)]| {
        let sign = |(id, _): &&(EnvelopeId, Envelope)| Receipt::sign(&secret(ME), NETWORK, *id);
        let mut receipts: Vec<Receipt> = of.iter().map(sign).collect();
        receipts.sort_unstable_by_key(|receipt| receipt.envelope);
        HoldMessage::Had { receipts }
    };

    // Soon after it was sealed nobody is to blame, and the one who did not hand it over is told that it is there.
    rig.look();
    let step = rig.batch(8, all_of(0, &letters[0]));
    assert_eq!((step.judged, step.takings.len()), (vec![(one, Judged::Kept)], 1));
    let step = rig.batch(9, empty());
    assert_eq!((step.judged, step.sends), (vec![], vec![(other, had(&[&letters[0]]))]));

    rig.now = rig.now + Span::minutes(60);
    rig.look();
    let mut both = all_of(1, &letters[1]);
    both.add(Cursor { number: 2, offset: 0 }, (letters[2].0, letters[2].1.until), &letters[2].1.sealed);
    let step = rig.batch(8, both);
    assert_eq!(step.judged, [(one, Judged::Kept)], "each sender counts once a day");
    let step = rig.batch(9, empty());
    let missed = (other, Judged::Missed);
    assert_eq!((step.judged, step.sends), (vec![missed, missed], vec![(other, had(&[&letters[1], &letters[2]]))]));
    let view = |rig: &Rig| rig.client.uses().map(|of| (of.holder, (of.given, of.missed))).collect::<Vec<_>>();
    assert!(view(&rig).contains(&(one, (3, 0))) && view(&rig).contains(&(other, (0, 2))));

    // What it hands over late is given, and stays missed.
    rig.look();
    let step = rig.batch(9, all_of(0, &letters[2]));
    assert_eq!((step.judged, step.takings.len()), (vec![(other, Judged::Kept)], 0));
    assert!(view(&rig).contains(&(other, (1, 2))));
}

#[test]
fn a_holder_that_says_nothing_is_silent_and_one_that_refused_is_not_judged() {
    let mut rig = Rig::new();
    let (one, other) = (secret(8).id(), secret(9).id());
    let letter = sent(&rig, 1, 1);
    rig.now = rig.now + Span::minutes(60);
    let bill = Bill::default();
    rig.say(9, HoldMessage::Refused { refusal: HoldRefusal::Unwilling, bill });
    rig.batch(9, HeldBatch::default());
    rig.look();
    rig.batch(8, all_of(0, &letter));
    assert_eq!(rig.batch(9, HeldBatch::default()).judged, []);
    rig.look();
    let mut faults = Vec::new();
    for _ in 0..3 {
        rig.now = rig.now + SAY_AGAIN;
        rig.client.handle_wake(rig.now);
        faults.extend(rig.done().faults);
    }
    assert_eq!(faults, [(one, HeldFault::Silent), (other, HeldFault::Silent)]);
}

#[test]
fn it_pays_ahead_by_its_plan_and_no_word_of_a_holder_makes_it_pay_more() {
    let mut rig = Rig::new();
    let holder = secret(8).id();
    let spent = |step: ClientStep| step.spent.iter().map(|(_, total)| total.units()).collect::<Vec<_>>();
    assert_eq!(spent(rig.say(8, serving(11, 0))), [0u128; 0], "it is too dear");
    let step = rig.say(8, serving(10, 0));
    assert!(step.sends.contains(&(holder, HoldMessage::Use { spent: Amount::from_units(200) })));
    assert_eq!(spent(step), [200], "10 × 5 MB × 4 days");
    assert_eq!(spent(rig.say(8, serving(10, 99))), [0u128; 0]);
    assert_eq!(spent(rig.say(8, serving(10, 190))), [0u128; 0], "so soon it can't have used so much");
    rig.client = HeldClient::load(client_config(ME), &rig.disk).unwrap();
    rig.now = rig.now + Span::days(2);
    rig.client.handle_connected(rig.now, holder);
    assert_eq!(spent(rig.done()), [200], "said again, since it may have been stopped before it was promised");
    let bill = Bill { price: Amount::from_units(10), used: Amount::from_units(150), ..Bill::default() };
    let step = rig.say(8, HoldMessage::Refused { refusal: HoldRefusal::Unpaid, bill });
    assert_eq!(spent(step), [350]);
}

#[test]
fn it_leaves_until_that_is_heard() {
    let mut rig = Rig::new();
    let holder = secret(8).id();
    rig.client.leave(rig.now, holder);
    assert_eq!(rig.done().sends, [(holder, HoldMessage::Leave)]);
    rig.client = HeldClient::load(client_config(ME), &rig.disk).unwrap();
    rig.client.handle_connected(rig.now, holder);
    assert_eq!(rig.done().sends, [(holder, HoldMessage::Leave)]);
    rig.say(8, HoldMessage::Left);
    let left = HeldClient::load(client_config(ME), &rig.disk).unwrap();
    assert_eq!(left.uses().map(|of| of.holder).collect::<Vec<_>>(), [secret(9).id()]);
}
