//! A light client over a network whose members change three times: what it is shown is proved, and lies are caught.

use byway_crypto::IdentitySecret;
use byway_kernel::follower::explore::FinalProof;
use byway_kernel::light::protocol::CertifiedEntry;
use byway_kernel::light::{
    Head, HeadDamaged, LightClient, OldKeys, TrustedCheckpoint, Unproven, body_of, received, serve,
};
use byway_ledger::tree::ProofStep;
use byway_ledger::{EntryProof, RangeProof, WayEnd};
use byway_primitives::{AssetId, Decode, Encode, Hash, Span, Time};
use byway_records::range::{leaf_hash, mountain_of};
use byway_records::state::{Account, account_key, registration_key};
use byway_records::{Certificate, Height, ProgramId};

use crate::history::{CHANGES, CLOSING, FOREIGN, HEIGHTS, IDENTITY, certify_in, wallet};
use crate::light_liars::LIARS;

/// Soon after all that happened.
pub fn soon() -> Time {
    CHANGES.checkpoints[HEIGHTS as usize - 1].time + Span::seconds(9)
}

/// A client that went over so many changes of the members.
pub fn client_after(changes: usize) -> LightClient {
    let mut client = LightClient::at_genesis(&CHANGES.genesis);
    let steps = serve::epochs(&CHANGES.store, 1);
    steps.into_iter().take(changes).for_each(|step| client.take_epoch(soon(), step).expect("true"));
    client
}

/// A client that has all there is.
pub fn client() -> LightClient {
    let mut client = client_after(CLOSING.len());
    client.take_certificate(&serve::newest(&CHANGES.store).expect("certified")).expect("true");
    client
}

/// An entry as it stands at a height, under that height's certificate.
pub fn entry_at(height: u64, program: ProgramId, key: &[u8]) -> CertifiedEntry {
    let proof = CHANGES.states[height as usize].prove(program, key).expect("a program");
    CertifiedEntry { certificate: certificate(height), proof }
}

pub fn certificate(height: u64) -> Certificate {
    let at = height as usize - 1;
    certify_in(CHANGES.genesis.network(), CHANGES.checkpoints[at], &CHANGES.epochs[at])
}

#[test]
fn a_step_for_each_change_and_one_certificate_lead_from_genesis_to_now() {
    let steps = serve::epochs(&CHANGES.store, 0);
    let closing = steps.iter().map(|step| step.certificate.checkpoint.height.0);
    assert!(closing.eq(CLOSING));
    for (changes, last) in (0u32..).zip(CLOSING.iter().copied().chain([HEIGHTS])) {
        let mut client = client_after(changes as usize);
        assert_eq!(
            (client.head().epoch.number, client.head().after.0),
            (changes, if changes == 0 { 0 } else { CLOSING[changes as usize - 1] })
        );
        client.take_certificate(&certificate(last)).expect("certified by its epoch");
        assert_eq!(client.head().checkpoint, Some(CHANGES.checkpoints[last as usize - 1]));
    }
    assert_eq!(client().height(), Height(HEIGHTS));
    assert_eq!(serve::epochs(&CHANGES.store, 4), [], "that has not begun");
    assert_eq!(client().age(soon()), Some(Span::seconds(9)));
    assert_eq!(client_after(0).age(soon()), None);
}

#[test]
fn what_was_final_in_any_epoch_is_proved_by_the_newest_certificate() {
    let mut client = client_after(CLOSING.len());
    let heights: Vec<u64> = CHANGES.finals.iter().map(|(height, _)| *height).collect();
    assert!(heights.first() < Some(&CLOSING[0]) && heights.last() > Some(&CLOSING[2]), "in all epochs: {heights:?}");
    for (height, made) in &CHANGES.finals {
        let proof = serve::prove(&CHANGES.store, made.id()).expect("final");
        assert_eq!(proof.certificate.checkpoint.height, Height(HEIGHTS));
        assert_eq!(client.final_transaction(made.id(), &proof), Ok(()), "of height {height}");
    }
}

#[test]
fn entries_are_proved_there_or_not_there() {
    let mut client = client();
    let mut seen = 0;
    for (program, tree) in &CHANGES.trees[HEIGHTS as usize] {
        for (key, value) in tree.iter() {
            let found = client.entry(*program, key, &entry_at(HEIGHTS, *program, key));
            assert_eq!(found, Ok(Some(value.to_vec())), "{program:?}");
            seen += 1;
        }
        let found = client.entry(*program, b"nobody", &entry_at(HEIGHTS, *program, b"nobody"));
        assert_eq!(found, Ok(None), "{program:?}");
    }
    let me = IdentitySecret::from_bytes(&IDENTITY).expect("a key").id();
    let registration = client.entry(
        ProgramId::REGISTRY,
        &registration_key(me),
        &entry_at(HEIGHTS, ProgramId::REGISTRY, &registration_key(me)),
    );
    assert!(matches!(registration, Ok(Some(_))));
    assert!(seen > 10, "{seen} entries");
    assert_eq!(CHANGES.states[0].prove(ProgramId(99), b"nobody"), None, "no such program");
}

/// A commit that is executed and not yet certified changes nothing of what can be proved.
#[test]
fn a_newer_checkpoint_moves_the_client_on() {
    let mut client = client_after(CLOSING.len());
    let height = CLOSING[2] + 1;
    client.take_certificate(&certificate(height)).expect("true");
    let key = account_key(IdentitySecret::from_bytes(&IDENTITY).expect("a key").id(), AssetId::WAY);
    let balance = |client: &mut LightClient, height| {
        let value = client.entry(ProgramId::ACCOUNTS, &key, &entry_at(height, ProgramId::ACCOUNTS, &key));
        value.map(|value| Account::from_bytes(&value.expect("an account")).expect("as it was written").balance)
    };
    let before = balance(&mut client, height).expect("true");
    assert!(balance(&mut client, HEIGHTS).expect("true") > before);
    assert_eq!(client.height(), Height(HEIGHTS));
    let behind = Unproven::Behind { known: Height(HEIGHTS), got: Height(height) };
    assert_eq!(balance(&mut client, height), Err(behind), "an old balance is not taken for the new one");
    assert!(!behind.is_lie());
}

#[test]
fn payments_are_recognised_with_the_view_key() {
    let mut paid = 0;
    for (_, made) in &CHANGES.finals {
        let bytes = serve::body(&CHANGES.store, made.id()).expect("kept");
        let body = body_of(made.id(), &bytes).expect("its body");
        assert_eq!(body, made.transaction().body);
        let values = received(&body, &wallet().view_secret());
        assert_eq!(values, (0u32..).zip(body.outputs.iter().map(|output| output.value)).collect::<Vec<_>>());
        let stranger = byway_crypto::WalletSecret::from_seed(&[77; 32]).view_secret();
        assert_eq!(received(&body, &stranger), []);
        paid += values.len();
    }
    assert!(paid > 5);
}

#[test]
fn every_lie_is_caught_and_nothing_of_it_is_kept() {
    for liar in LIARS {
        let (mut client, told) = (liar.lie)();
        let before = client.head().clone();
        assert_eq!(told.tell(&mut client), Err(liar.expected.into()), "{}", liar.name);
        assert_eq!(client.head(), &before, "{}", liar.name);
    }
}

/// The table must not fall behind the enum.
#[test]
fn every_kind_of_lie_has_a_liar() {
    use byway_kernel::light::Lie;
    let kinds = LIARS.iter().map(|liar| match liar.expected {
        Lie::Certificate(_) => 0,
        Lie::Fork(_) => 1,
        Lie::EpochNumber { .. } => 2,
        Lie::EpochRecord => 3,
        Lie::EpochClosed => 4,
        Lie::Beginning => 5,
        Lie::Transaction => 6,
        Lie::Entry(_) => 7,
        Lie::Body => 8,
    });
    assert_eq!(kinds.collect::<std::collections::BTreeSet<u8>>().len(), 9);
}

#[test]
fn old_keys_prove_nothing_and_a_trusted_checkpoint_leads_over_them() {
    let lock = CHANGES.genesis.parameters.pledge_lock.millis;
    let closed = |change: usize| CHANGES.checkpoints[CLOSING[change] as usize - 1].time;
    let steps = serve::epochs(&CHANGES.store, 1);
    for (change, step) in steps.iter().enumerate() {
        for (now, is_believed) in [(closed(change) + lock, true), (closed(change) + lock + Span::millis(1), false)] {
            let mut client = client_after(change);
            let taken = client.take_epoch(now, step.clone());
            let old = OldKeys { epoch: change as u32, ended: closed(change), lock };
            assert_eq!(taken, if is_believed { Ok(()) } else { Err(old.into()) }, "change {change}");
        }
    }
    // From any checkpoint on the way is open to who knows its digest.
    let late = closed(0) + lock + Span::days(1);
    for checkpoint in &CHANGES.checkpoints {
        let trusted = TrustedCheckpoint::from(checkpoint);
        assert_eq!(trusted.to_string().parse(), Ok(trusted));
        let shown = serve::beginning(&CHANGES.store, checkpoint.height).expect("certified");
        let mut client = LightClient::at_checkpoint(&CHANGES.genesis, trusted, shown).expect("it is the trusted one");
        let steps = serve::epochs(&CHANGES.store, client.head().epoch.number + 1);
        let over_old_keys = steps.iter().any(|step| late.since(step.certificate.checkpoint.time) > lock);
        let walked = steps.into_iter().try_for_each(|step| client.take_epoch(late, step));
        assert_eq!(walked.is_err(), over_old_keys);
        if walked.is_ok() {
            client.take_certificate(&certificate(HEIGHTS)).expect("true");
            assert_eq!(client.height(), Height(HEIGHTS));
        }
    }
    for text in ["", "12", "12:", "x:00", ":00"] {
        assert!(text.parse::<TrustedCheckpoint>().is_err(), "{text}");
    }
    assert_eq!(serve::beginning(&CHANGES.store, Height(HEIGHTS + 1)), None);
    assert_eq!(serve::beginning(&CHANGES.store, Height::GENESIS), None);
}

#[test]
fn a_node_that_lacks_a_closing_certificate_shows_nothing_that_needs_it() {
    let mut store = CHANGES.store.clone();
    let mut batch = byway_primitives::Batch::new();
    batch.delete(byway_kernel::archive::CERTIFICATES, CLOSING[2].to_be_bytes());
    store.apply(&batch);
    assert_eq!(serve::epochs(&store, 1).len(), 2);
    assert_eq!(serve::newest(&store), Some(certificate(CLOSING[2] - 1)));
    assert!(!serve::is_walkable(&store, Height(HEIGHTS)));
    assert!(serve::is_walkable(&CHANGES.store, Height(HEIGHTS)));
}

#[test]
fn a_stored_head_comes_back_and_every_damage_shows() {
    let network = CHANGES.genesis.network();
    for client in [client_after(0), client_after(2), client()] {
        let stored = client.head().to_stored(network);
        assert_eq!(Head::from_stored(network, &stored).as_ref(), Ok(client.head()));
        assert_eq!(Head::from_stored(FOREIGN.genesis.network(), &stored), Err(HeadDamaged));
        for at in 0..stored.len() {
            let mut damaged = stored.clone();
            damaged[at] ^= 4;
            assert_eq!(Head::from_stored(network, &damaged), Err(HeadDamaged), "byte {at}");
            assert_eq!(Head::from_stored(network, &stored[..at]), Err(HeadDamaged), "cut at {at}");
        }
    }
}

/// Row K6: certificate and proof together take at most this, with seven members and a million of what is proved.
const PROOF_BYTES_MAX: usize = 1_500;
const MILLION: u64 = 1 << 20;

#[test]
fn proofs_are_small() {
    let network = CHANGES.genesis.network();
    let epoch = CHANGES.genesis.epoch();
    let made = CHANGES.finals[0].1.id();
    let mut bytes = Vec::new();
    // As many peaks as there can be, one, and what is between.
    for count in [MILLION - 1, MILLION, MILLION + 12_345] {
        for position in [0, count / 2, count - 1] {
            let (own, level) = mountain_of(count, position).expect("inside");
            let is_lowest = own + 1 == count.count_ones() as usize;
            let path = vec![Hash([9; 32]); usize::from(level) + own + usize::from(!is_lowest)];
            let range = RangeProof { position, path };
            let root = range.root(leaf_hash(made), count).expect("of that shape");
            let mut checkpoint = CHANGES.checkpoints[0];
            (checkpoint.height, checkpoint.commits) = (Height(MILLION), MILLION * 32);
            (checkpoint.transactions, checkpoint.transactions_root) = (count, root);
            let proof = FinalProof { certificate: certify_in(network, checkpoint, &epoch), range };
            assert_eq!(client_after(0).final_transaction(made, &proof), Ok(()));
            bytes.push(proof.to_bytes().len());
        }
    }
    let largest = bytes.into_iter().max().expect("some");
    assert_eq!(largest, TRANSACTION_PROOF_BYTES);
    // A way among a million entries takes twenty steps, and rarely more than four beyond that.
    let (program, key) =
        (ProgramId::ACCOUNTS, account_key(IdentitySecret::from_bytes(&IDENTITY).expect("a key").id(), AssetId::WAY));
    let CertifiedEntry { proof: EntryProof { end, sibling_roots, other_groups, .. }, .. } =
        entry_at(HEIGHTS, program, &key);
    assert!(matches!(end, WayEnd::Present(_)));
    let steps = (0..24).map(|bit| ProofStep { bit, sibling: Hash([8; 32]) }).collect();
    let proof = EntryProof { steps, end, sibling_roots, other_groups };
    let mut checkpoint = CHANGES.checkpoints[0];
    (checkpoint.height, checkpoint.commits, checkpoint.transactions) = (Height(MILLION), MILLION * 32, MILLION);
    let entry = CertifiedEntry { certificate: certify_in(network, checkpoint, &epoch), proof };
    assert_eq!(entry.to_bytes().len(), ENTRY_PROOF_BYTES);
    const { assert!(TRANSACTION_PROOF_BYTES <= PROOF_BYTES_MAX && ENTRY_PROOF_BYTES <= PROOF_BYTES_MAX) };
}

/// As `docs/guide/light-clients.md` says.
const TRANSACTION_PROOF_BYTES: usize = 1_211;
const ENTRY_PROOF_BYTES: usize = 1_497;
