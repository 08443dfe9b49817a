//! What is taken into the graph, where that depends on more than parents and time.

use byway_crypto::ghost::TransactionSecret;
use byway_crypto::noise::StaticKey;
use byway_crypto::{NodeSecret, WalletSecret};
use byway_ledger::Ledger;
use byway_primitives::{Amount, AssetId, Batch, Effect, Hash, IdentityId, MemoryStore, Span, Store, Timer};
use byway_records::transaction::KeySignature;
use byway_records::{
    Body, Genesis, Height, Input, Lock, Member, MemberSet, Output, OutputId, Parameters, Reject, Transaction,
    TransactionId, Value, VerifiedTransaction, Witness, verified,
};

use super::*;
use crate::committee::Committee;
use crate::config::Config;
use crate::drawn::secret;
use crate::machine::mark_new;
use crate::message::{Message, SyncMessage};
use crate::news::{KernelEffect, SubmitError};
use crate::pool::Source;
use crate::snapshot::Header;

const ME: MemberIndex = MemberIndex(0);

/// Node 0 of seven, which has signed for round 1 and can reach everyone; the others' snapshots are made by hand.
struct Rig {
    kernel: Kernel,
    committee: Committee,
    store: MemoryStore,
    now: Time,
    /// Who was asked for snapshots last.
    asked: Vec<MemberIndex>,
}

impl Rig {
    fn new() -> Self {
        let (mut store, mut new) = (MemoryStore::new(), Batch::new());
        mark_new(&mut new);
        store.apply(&new);
        Self::on(store)
    }

    fn on(mut store: MemoryStore) -> Self {
        let genesis = genesis();
        let now = genesis.time;
        let config = Config::new(secret(0));
        let kernel = Kernel::open(config, &genesis, now, &store, &mut |_, _| unreachable!("nothing is stored"));
        let mut kernel = kernel.expect("a fresh node opens");
        for peer in 1..7 {
            kernel.handle_peer_up(now, MemberIndex(peer), &store);
        }
        let mut rig =
            Self { kernel, committee: Committee::new(&genesis), store: std::mem::take(&mut store), now, asked: vec![] };
        rig.work();
        rig
    }

    /// Carries out effects at once. Gives the snapshots that were asked for.
    fn work(&mut self) -> Vec<Reference> {
        let mut wanted = Vec::new();
        self.asked.clear();
        while let Some(effect) = self.kernel.poll_effect() {
            match effect {
                Effect::Persist { batch, token } => {
                    self.store.apply(&batch);
                    self.kernel.handle_durable(self.now, token, &self.store);
                }
                Effect::Send { to, message: Message::Sync(SyncMessage::Want(references)), .. } => {
                    wanted.extend(references);
                    self.asked.push(to);
                }
                Effect::Notify(News::Equivocation(_) | News::Fatal(_)) => panic!("nobody is accused: {effect:?}"),
                _ => {}
            }
        }
        wanted
    }

    /// A snapshot of `author` on top of these.
    fn signed(
        &self,
        author: u8,
        onto: &[Reference],
        checkpoint: u64,
        transactions: Vec<VerifiedTransaction>,
    ) -> Arc<VerifiedSnapshot> {
        let references: Vec<_> = onto.iter().map(|reference| (reference.author, reference.hash)).collect();
        let round = onto.first().map_or(1, |reference| reference.round + 1);
        let own = references.iter().find(|(by, _)| *by == MemberIndex(author)).map(|(_, hash)| (round - 1, *hash));
        let header = Header {
            author: MemberIndex(author),
            round,
            previous: own,
            references,
            weak_references: Vec::new(),
            checkpoint: Height(checkpoint),
            votes: Vec::new(),
            coin_shares: Vec::new(),
            time: self.now,
        };
        assert_eq!(header.check(&self.committee), Ok(()));
        Arc::new(VerifiedSnapshot::sign(&self.committee, &secret(author), header, transactions))
    }

    fn receive(&mut self, snapshot: &Arc<VerifiedSnapshot>) -> Vec<Reference> {
        let from = snapshot.header().author;
        self.kernel.handle_snapshots(self.now, from, vec![snapshot.clone()], &self.store);
        self.work()
    }

    /// Snapshots of a round by the nodes 1 to 6, on top of these, which name `checkpoints`; taken in.
    fn round(&mut self, onto: &[Reference], checkpoints: [u64; 6]) -> Vec<Reference> {
        let made: Vec<_> =
            (1..7).map(|author| self.signed(author, onto, checkpoints[usize::from(author) - 1], vec![])).collect();
        for snapshot in &made {
            self.receive(snapshot);
            assert!(self.has(snapshot));
        }
        made.iter().map(|snapshot| snapshot.reference()).collect()
    }

    fn has(&self, snapshot: &VerifiedSnapshot) -> bool {
        self.kernel.graph.contains(&snapshot.reference())
    }

    /// Lets time pass. Gives the snapshots that were asked for.
    fn wait(&mut self, span: Span) -> Vec<Reference> {
        self.now = self.now + span;
        self.kernel.handle_wake(self.now, &self.store);
        self.work()
    }

    /// Transactions in the own snapshot of `round`.
    fn own_content(&self, round: u64) -> Option<usize> {
        let slot = self.kernel.graph.slot(round, ME);
        slot.first().map(|vertex| vertex.snapshot.transactions().len())
    }
}

fn genesis() -> Genesis {
    let member = |index: u8| Member {
        name: format!("node {index}"),
        owner: IdentityId([index; 20]),
        key: NodeSecret::public(&secret(index)),
        mesh: StaticKey::of(&[index; 32]),
        dealing: secret(index).dealing().public(),
        address: format!("10.0.0.{index}:7000"),
    };
    Genesis {
        name: "test".to_owned(),
        time: Time(1_700_000_000_000),
        test: true,
        parameters: Parameters::standard(),
        members: MemberSet::new((0..7).map(member).collect()),
        pool: Amount::from_coins(1),
        ghost: TransactionSecret::from_seed(&[1; 32]).public(),
        outputs: vec![coin(&[1; 32]).0],
    }
}

fn coin(seed: &[u8; 32]) -> (Output, TransactionSecret) {
    let secret = TransactionSecret::from_seed(seed);
    let (key, tag) = secret.derive(&WalletSecret::from_seed(&[5; 32]).address(), 0);
    let value = Value { asset: AssetId::WAY, amount: Amount::from_coins(1) };
    (Output { lock: Lock::single(key), view_tags: vec![tag], value }, secret)
}

/// A well-formed transfer; whether its input exists is not the question here.
fn transfer(seed: u8) -> VerifiedTransaction {
    let spent = OutputId { transaction: TransactionId(Hash([seed; 32])), index: 0 };
    spend(spent, seed, coin(&[seed + 1; 32]), Time::ZERO)
}

/// Spends an output as one that was made from this seed.
fn spend(spent: OutputId, seed: u8, to: (Output, TransactionSecret), expires: Time) -> VerifiedTransaction {
    let network = genesis().network();
    let (from, secret) = coin(&[seed; 32]);
    let body = Body {
        inputs: vec![Input { spent, lock: from.lock.clone() }],
        outputs: vec![to.0],
        ghost: Some(to.1.public()),
        call: None,
        fee: Amount::ZERO,
        expires,
    };
    let wallet = WalletSecret::from_seed(&[5; 32]);
    let key = wallet.spend_secret(secret.public(), 0, from.lock.keys[0]).expect("ours");
    let spends = vec![vec![KeySignature { key: 0, signature: key.sign(network, &body.id().0.0) }]];
    let transaction = Transaction { body, witness: Witness { spends, authorisations: Vec::new() } };
    verified::verify(network, transaction).expect("well-formed")
}

#[test]
fn transactions_on_an_old_checkpoint_are_not_taken_in() {
    let mut rig = Rig::new();
    let first = rig.round(&[], [9, 9, 9, 0, 0, 0]);
    for (author, checkpoint, transactions, expected) in [
        (1, 6, vec![transfer(1)], false),
        (2, 7, vec![transfer(1)], true),
        (3, 0, Vec::new(), true),
        (4, u64::MAX, vec![transfer(2)], true),
    ] {
        let snapshot = rig.signed(author, &first, checkpoint, transactions);
        rig.receive(&snapshot);
        assert_eq!(rig.has(&snapshot), expected, "author {author}, checkpoint {checkpoint}");
        let stored = archive::stored_snapshot(&rig.store, &snapshot.reference()).is_some();
        assert_eq!(stored, expected, "author {author}, checkpoint {checkpoint}");
    }
    // It is no half of an equivocation either: `work` panics if somebody is accused.
    let again = rig.signed(1, &first, 7, vec![transfer(1)]);
    rig.receive(&again);
    assert!(rig.has(&again));
}

/// As with a withheld parent: what stands on it waits, and comes in when the floor has reached the refused snapshot.
#[test]
fn what_stands_on_a_refused_snapshot_waits_until_the_floor_is_there() {
    let mut rig = Rig::new();
    let first = rig.round(&[], [9, 9, 9, 0, 0, 0]);
    let old = rig.signed(6, &first, 0, vec![transfer(1)]);
    let mut second: Vec<_> = (1..6).map(|author| rig.signed(author, &first, 9, Vec::new())).collect();
    second.iter().for_each(|snapshot| drop(rig.receive(snapshot)));
    second.push(old.clone());
    let onto: Vec<_> = second.iter().map(|snapshot| snapshot.reference()).collect();
    let child = rig.signed(5, &onto, 9, Vec::new());
    rig.receive(&child);
    let mut asked = 0;
    for _ in 0..100 {
        if rig.wait(Span::millis(10)).contains(&old.reference()) {
            rig.receive(&old);
            asked += 1;
        }
        assert!(!rig.has(&old) && !rig.has(&child));
    }
    assert!((3..=8).contains(&asked), "asked for {asked} times in a second: neither forgotten nor in a frenzy");

    rig.kernel.graph.raise_floor(2, Some(ME));
    rig.receive(&old);
    assert!(rig.has(&old) && rig.has(&child), "nobody whose floor is there can judge it");
}

/// A refused snapshot that was held for a missing parent before.
#[test]
fn a_refused_snapshot_that_waited_is_asked_for_again() {
    let mut rig = Rig::new();
    let made: Vec<_> = (1..7).map(|author| rig.signed(author, &[], 9, Vec::new())).collect();
    let (late, others) = made.split_last().expect("six");
    others.iter().for_each(|snapshot| drop(rig.receive(snapshot)));
    let first: Vec<_> = made.iter().map(|snapshot| snapshot.reference()).collect();
    let old = rig.signed(6, &first, 0, vec![transfer(1)]);
    let mut second: Vec<_> = (1..6).map(|author| rig.signed(author, &first[..5], 9, Vec::new())).collect();
    second.iter().for_each(|snapshot| drop(rig.receive(snapshot)));
    second.push(old.clone());
    let onto: Vec<_> = second.iter().map(|snapshot| snapshot.reference()).collect();
    let child = rig.signed(5, &onto, 9, Vec::new());
    rig.receive(&old);
    rig.receive(&child);
    assert!(rig.kernel.waiting.contains(&old.reference()));
    rig.receive(late);
    assert!(!rig.has(&old) && !rig.kernel.waiting.contains(&old.reference()), "it was judged, and let go");
    let asked = (0..20).flat_map(|_| rig.wait(Span::millis(10)));
    assert!(asked.collect::<Vec<_>>().contains(&old.reference()));
}

/// Its epoch may end before it signs in it, and it says nothing else by which others see that it lacks the end.
#[test]
fn a_node_that_may_not_sign_yet_says_where_it_is() {
    let mut rig = Rig::on(MemoryStore::new());
    let first = rig.round(&[], [0; 6]);
    for peer in (1..6).map(MemberIndex) {
        let highest = SyncMessage::Highest { epoch: 0, highest: Some(first[0]) };
        rig.kernel.handle_sync(rig.now, peer, highest, &rig.store);
    }
    rig.work();
    assert!(!rig.kernel.is_recovering());
    assert_eq!(rig.own_content(2), None, "it may have signed for that round");
    rig.now = rig.now + Config::new(secret(0)).resend_after;
    rig.kernel.handle_wake(rig.now, &rig.store);
    let mut said = std::iter::from_fn(|| rig.kernel.poll_effect());
    let is_status = |effect: &KernelEffect| {
        matches!(effect, Effect::Send { message: Message::Sync(SyncMessage::Status { round: 1, .. }), .. })
    };
    assert!(said.any(|effect| is_status(&effect)));
}

#[test]
fn what_is_withheld_is_asked_of_whoever_stands_on_it_from_further_up() {
    let mut rig = Rig::new();
    let first = rig.round(&[], [0; 6]);
    let withheld = rig.signed(1, &first, 0, vec![]).reference();
    let on = |rig: &mut Rig, below: &[Reference]| -> Vec<Reference> {
        let made: Vec<_> = (2..7).map(|author| rig.signed(author, below, 0, vec![])).collect();
        made.iter().for_each(|snapshot| drop(rig.receive(snapshot)));
        made.iter().map(|snapshot| snapshot.reference()).collect()
    };
    let second = on(&mut rig, &first);
    let shown = rig.signed(1, &[&[withheld][..], &second].concat(), 0, vec![]);
    rig.receive(&shown);
    assert_eq!(rig.wait(Span::millis(40)), [withheld], "of anybody: its author doesn't answer");
    let third = on(&mut rig, &second);
    let above = rig.signed(5, &[&[shown.reference()][..], &third].concat(), 0, vec![]);
    assert_eq!(rig.receive(&above), [withheld], "at once");
    assert_eq!(rig.asked, [MemberIndex(5)]);
}

#[test]
fn a_node_that_is_behind_signs_without_its_transactions() {
    let mut rig = Rig::new();
    assert_eq!(rig.own_content(1), Some(0));
    let first = rig.round(&[], [9, 9, 9, 0, 0, 0]);
    rig.kernel.handle_submit(rig.now, Source::Client(1), transfer(1), &rig.store).expect("taken");
    rig.wait(Span::seconds(1));
    assert_eq!(rig.own_content(2), Some(0), "three say that they have executed checkpoint 9, this node none");
    // Two of them were lying, or this node has caught up.
    rig.round(&first, [9, 9, 2, 2, 2, 2]);
    rig.wait(Span::seconds(1));
    assert_eq!(rig.own_content(3), Some(1), "two checkpoints behind is near enough");
}

#[test]
fn what_was_executed_is_seen_before_it_is_written() {
    let genesis = genesis();
    let (store, now) = (MemoryStore::new(), genesis.time);
    let config = Config::new(secret(0));
    let kernel = Kernel::open(config, &genesis, now, &store, &mut |_, _| unreachable!("nothing is stored"));
    let kernel = kernel.expect("a fresh node opens");
    let is_there = |store: &dyn Store| Ledger::open(&genesis, store).expect("nothing is damaged").is_some();
    assert!(!is_there(&store), "the first ledger is still to be written");
    assert!(is_there(&kernel.unwritten(&store)));
}

#[test]
fn what_would_be_rejected_is_not_taken() {
    let mut rig = Rig::new();
    let spent = OutputId { transaction: genesis().transaction(), index: 0 };
    let (mut much, secret) = coin(&[2; 32]);
    much.value.amount = Amount::from_coins(2);
    let (now, later) = (genesis().time, genesis().time + Span::minutes(1));
    let good = spend(spent, 1, coin(&[2; 32]), later);
    let rows = [
        (spend(spent, 1, (much, secret), later), Err(SubmitError::Rejected(Reject::Unbalanced))),
        (spend(spent, 3, coin(&[2; 32]), later), Err(SubmitError::Rejected(Reject::WrongLock))),
        (spend(spent, 1, coin(&[2; 32]), Time(now.0 - 1)), Err(SubmitError::Rejected(Reject::Expired))),
        (good.clone(), Ok(())),
        (good, Err(SubmitError::Known)),
        (spend(spent, 1, coin(&[4; 32]), later), Err(SubmitError::Conflict)),
    ];
    for (transaction, expected) in rows {
        let taken = rig.kernel.handle_submit(rig.now, Source::Client(1), transaction, &rig.store);
        assert_eq!(taken, expected);
    }
}

#[test]
fn who_hands_in_what_is_ill_formed_works_for_a_minute() {
    let (mut rig, bad, other) = (Rig::new(), Source::Client(1), Source::Client(2));
    let bits = |rig: &mut Rig, after: Span, source| rig.kernel.admission(rig.now + after, source).demand.bits;
    assert_eq!(bits(&mut rig, Span::ZERO, bad), 0);
    rig.kernel.handle_ill_formed(rig.now, bad);
    let once = bits(&mut rig, Span::ZERO, bad);
    rig.kernel.handle_ill_formed(rig.now, bad);
    assert!(once > 0 && bits(&mut rig, Span::seconds(59), bad) > once, "more every time");
    assert_eq!((bits(&mut rig, Span::seconds(60), bad), bits(&mut rig, Span::ZERO, other)), (0, 0));
}

#[test]
fn members_hand_on_no_more_than_they_need_to() {
    let (mut rig, counting, outside) = (Rig::new(), MemberIndex(3), MemberIndex(9));
    // Milliseconds later, how many are handed on, and how many may be.
    for (member, after, count, expected) in [
        (counting, 0, 32, 0),
        (outside, 0, 32, 32),
        (outside, 0, 200, 96),
        (outside, 0, 1, 0),
        (outside, 500, 32, 32),
        (outside, 500, 1, 0),
        (outside, 60_000, 500, 128),
    ] {
        let may = rig.kernel.may_hand_on(rig.now + Span::millis(after), member, count);
        assert_eq!(may, expected, "{member}, {count} after {after} ms");
    }
}

/// As drivers do, with one timer.
#[test]
fn what_is_asked_for_just_before_a_wake_is_not_forgotten() {
    let mut rig = Rig::new();
    rig.round(&[], [0; 6]);
    let mut timer = Timer::default();
    let carry_out = |rig: &mut Rig, timer: &mut Timer| {
        while let Some(effect) = rig.kernel.poll_effect() {
            match effect {
                Effect::WakeAt(time) => drop(timer.set(time)),
                Effect::Persist { batch, token } => {
                    rig.store.apply(&batch);
                    rig.kernel.handle_durable(rig.now, token, &rig.store);
                }
                _ => {}
            }
        }
    };
    // Whatever was asked for until now is used up.
    rig.now = rig.now + Span::seconds(2);
    rig.kernel.handle_wake(rig.now, &rig.store);
    carry_out(&mut rig, &mut timer);
    for _ in 0..20 {
        rig.now = timer.at().expect("it always has something to wait for");
        // Somebody says something at that very moment, and is heard before the timer is.
        let status = SyncMessage::Status { round: 1, commits: 0 };
        rig.kernel.handle_sync(rig.now, MemberIndex(1), status, &rig.store);
        carry_out(&mut rig, &mut timer);
        assert!(timer.goes_off(rig.now), "the timer runs out");
        rig.kernel.handle_wake(rig.now, &rig.store);
        carry_out(&mut rig, &mut timer);
        assert!(timer.at().is_some(), "at {:?} the machine wants to be woken again", rig.now);
    }
}
