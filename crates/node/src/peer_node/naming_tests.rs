use byway_primitives::{Amount, MemoryStore};
use byway_records::names::Claim;
use byway_records::state::Deadline;

use super::*;

const ME: IdentityId = IdentityId([7; 20]);
const OTHER: IdentityId = IdentityId([8; 20]);
const SALT: [u8; 32] = [9; 32];
/// When commitments can't be revealed any more.
const ENDS: u64 = 1_000;

fn name() -> Name {
    "alice".parse().unwrap()
}

fn record(stage: Stage) -> Record {
    let (began, newest) = (Time(1), TransactionId(Hash([1; 32])));
    Record { name: "alice".to_owned(), years: 1, salt: hex::encode(SALT), began, stage, newest }
}

fn deadline(at: u64) -> Deadline {
    Deadline { time: Time(at), commits: 0 }
}

/// Our commitment is the fifth one.
fn committed(tree: &mut StateTree) {
    use byway_primitives::codec::Encode;
    let (hash, ends) = (commitment(ME, &name(), &SALT), deadline(ENDS));
    let open = Commitment { hash, number: 5, covered: byway_records::Height(3), ends };
    tree.insert(commitment_key(ME, 0), open.to_bytes());
}

fn taken_by(tree: &mut StateTree, owner: IdentityId, number: u64) {
    use byway_primitives::codec::Encode;
    let claim = Some(Claim { number, settles: deadline(ENDS), paid: Amount::ZERO });
    let entry = NameEntry { name: name(), owner, expires: deadline(9_000), free: deadline(10_000), claim };
    tree.insert(name_key(name().key()), entry.to_bytes());
}

#[test]
fn a_name_goes_on_by_what_the_directory_shows() {
    let failed = |next: Next| matches!(next, Next::Be(Stage::Failed(_)));
    let rejected = || Verdict::Rejected("the name is taken".to_owned());
    let tree = |is_open: bool, owner: Option<(IdentityId, u64)>| {
        let mut tree = StateTree::new();
        if is_open {
            committed(&mut tree);
        }
        if let Some((owner, number)) = owner {
            taken_by(&mut tree, owner, number);
        }
        tree
    };
    let next = |stage: Stage, tree: &StateTree, at: u64, verdict: Verdict| {
        let now = LedgerClock { time: Time(at), commits: 0 };
        record(stage).next(ME, &Directory { tree, now }, verdict)
    };
    let (nothing, open) = (tree(false, None), tree(true, None));
    assert_eq!(next(Stage::Committing, &nothing, 10, Verdict::Open), Next::Stay);
    assert_eq!(next(Stage::Committing, &open, 10, Verdict::Final), Next::Be(Stage::Committed));
    assert!(failed(next(Stage::Committing, &nothing, 10, rejected())));
    assert!(failed(next(Stage::Committing, &nothing, 10, Verdict::Lapsed)));
    assert!(failed(next(Stage::Committing, &open, ENDS, Verdict::Final)), "it was away for too long");

    assert_eq!(next(Stage::Committed, &open, 10, Verdict::Final), Next::Reveal);
    assert_eq!(
        next(Stage::Committed, &tree(true, Some((OTHER, 6))), 10, Verdict::Final),
        Next::Reveal,
        "ours is older"
    );
    assert!(failed(next(Stage::Committed, &tree(true, Some((OTHER, 4))), 10, Verdict::Final)), "theirs is");
    assert!(failed(next(Stage::Committed, &open, ENDS, Verdict::Final)));
    assert_eq!(next(Stage::Committed, &tree(true, Some((OTHER, 4))), 10_000, Verdict::Final), {
        // Both the commitment and the name are over.
        Next::Be(Stage::Failed("the time to reveal it was over before it came to the ledger".to_owned()))
    });

    let (ours, theirs) = (tree(false, Some((ME, 5))), tree(false, Some((OTHER, 4))));
    assert_eq!(next(Stage::Revealing, &open, 10, Verdict::Open), Next::Stay);
    assert_eq!(next(Stage::Revealing, &ours, 10, Verdict::Final), Next::Be(Stage::Taken));
    assert!(failed(next(Stage::Revealing, &theirs, 10, Verdict::Final)), "it was taken and given in one step");
    assert_eq!(next(Stage::Revealing, &open, 10, Verdict::Lapsed), Next::Be(Stage::Committed), "once more");

    assert_eq!(next(Stage::Taken, &ours, 10, Verdict::Final), Next::Stay);
    assert_eq!(next(Stage::Taken, &ours, ENDS, Verdict::Final), Next::Done);
    assert!(failed(next(Stage::Taken, &theirs, 10, Verdict::Final)));
}

#[test]
fn what_is_about_to_be_taken_is_known_after_a_restart_and_of_what_failed_so_much_is_kept() {
    let (mut naming, mut store) = (Naming::default(), MemoryStore::default());
    let key = name().key();
    store.apply(&naming.keep(key, record(Stage::Committing)));
    assert_eq!(Naming::open(&store).0, naming.0);
    for number in 0..=FAILED_MAX as u64 {
        let (name, stage) = (format!("name{}", "x".repeat(1 + number as usize)), Stage::Failed("no".to_owned()));
        let failed = Record { name: name.clone(), began: Time(number), ..record(stage) };
        store.apply(&naming.keep(name.parse::<Name>().unwrap().key(), failed));
    }
    let again = Naming::open(&store);
    assert_eq!(again.0, naming.0);
    assert_eq!(again.0.len(), FAILED_MAX + 1);
    assert!(again.0.contains_key(&key), "what is under way stays");
    assert!(again.0.values().all(|record| Naming::is_live(record) || record.began > Time(0)), "the oldest went");
    store.apply(&naming.drop(key));
    assert!(!Naming::open(&store).0.contains_key(&key));
}
