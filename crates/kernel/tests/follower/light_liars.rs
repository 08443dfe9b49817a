//! Kernel nodes that lie to light clients, each by name: whom they tell what, and what they are accused of.

use byway_crypto::Purpose;
use byway_kernel::follower::explore::FinalProof;
use byway_kernel::light::protocol::{Beginning, CertifiedEntry, EpochStep};
use byway_kernel::light::{Lie, LightClient, TrustedCheckpoint, Unproven, body_of, serve};
use byway_ledger::{DifferenceError, EntryProofError, ProofError, WayEnd};
use byway_primitives::{Hash, Span};
use byway_records::checkpoint::CertificateError;
use byway_records::state::epoch_key;
use byway_records::{Certificate, Checkpoint, Height, ProgramId, TransactionId};

use crate::history::{CHANGES, CLOSING, FOREIGN, HEIGHTS, NEW_KEY, certify, certify_in, member_secret};
use crate::light::{certificate, client, client_after, entry_at, soon};

/// What a liar says.
pub enum Told {
    Epoch(EpochStep),
    Newest(Certificate),
    Transaction(TransactionId, FinalProof),
    Entry(ProgramId, Vec<u8>, CertifiedEntry),
    Body(TransactionId, Vec<u8>),
    Beginning(TrustedCheckpoint, Beginning),
}

impl Told {
    pub fn tell(self, client: &mut LightClient) -> Result<(), Unproven> {
        match self {
            Told::Epoch(step) => client.take_epoch(soon(), step),
            Told::Newest(certificate) => client.take_certificate(&certificate),
            Told::Transaction(id, proof) => client.final_transaction(id, &proof),
            Told::Entry(program, key, entry) => client.entry(program, &key, &entry).map(|_| ()),
            Told::Body(id, bytes) => Ok(body_of(id, &bytes).map(|_| ())?),
            Told::Beginning(trusted, shown) => {
                *client = LightClient::at_checkpoint(&CHANGES.genesis, trusted, shown)?;
                Ok(())
            }
        }
    }
}

pub struct Liar {
    pub name: &'static str,
    /// Whom it tells, and what.
    pub lie: fn() -> (LightClient, Told),
    pub expected: Lie,
}

const WRONG_SIGNATURE: Lie = Lie::Certificate(CertificateError::Signature);
const NO_SIGNERS: Lie = Lie::Certificate(CertificateError::Signers);
const WRONG_PROGRAM: Lie = Lie::Entry(EntryProofError::Roots(DifferenceError::Order));
const WRONG_ROOT: Lie = Lie::Entry(EntryProofError::Roots(DifferenceError::Root));

pub const LIARS: &[Liar] = &[
    Liar { name: "one that forges a signature", lie: forger, expected: WRONG_SIGNATURE },
    Liar { name: "one with too few votes", lie: lone_signers, expected: too_few(3, 4) },
    Liar { name: "one that counts a vote twice", lie: double_counter, expected: NO_SIGNERS },
    Liar { name: "members that have left", lie: leavers, expected: NO_SIGNERS },
    Liar { name: "a member that signs with the key it had", lie: old_key, expected: WRONG_SIGNATURE },
    Liar { name: "one that rewrites a signed checkpoint", lie: rewriter, expected: WRONG_SIGNATURE },
    Liar { name: "one that passes on another network's checkpoint", lie: foreigner, expected: WRONG_SIGNATURE },
    Liar { name: "a quorum that signs a fork", lie: forker, expected: Lie::Fork(Height(HEIGHTS)) },
    Liar { name: "one that shows the record of another epoch", lie: usurper, expected: Lie::EpochRecord },
    Liar { name: "one whose checkpoint closes no epoch", lie: early_closer, expected: Lie::EpochRecord },
    Liar { name: "one that leaves an epoch out", lie: skipper, expected: Lie::EpochNumber { expected: 1, got: 2 } },
    Liar { name: "one that shows an epoch again", lie: repeater, expected: Lie::EpochNumber { expected: 3, got: 2 } },
    Liar { name: "one that takes votes of an old epoch", lie: old_closer, expected: WRONG_SIGNATURE },
    Liar { name: "a quorum that ends its epoch twice", lie: second_closer, expected: Lie::EpochClosed },
    Liar { name: "a quorum that goes on after its epoch", lie: clinger, expected: Lie::EpochClosed },
    Liar { name: "one that proves another transaction", lie: swapper, expected: Lie::Transaction },
    Liar { name: "one that cuts the way to the root", lie: cutter, expected: Lie::Transaction },
    Liar { name: "one that makes a transaction up", lie: inventor, expected: Lie::Transaction },
    Liar {
        name: "one that says an entry is absent",
        lie: denier,
        expected: Lie::Entry(EntryProofError::Proof(ProofError::Leaf)),
    },
    Liar { name: "one that shows another leaf to hide an entry", lie: hider, expected: WRONG_ROOT },
    Liar { name: "one that makes an entry up", lie: fabulist, expected: WRONG_ROOT },
    Liar { name: "one that alters a value", lie: alterer, expected: WRONG_ROOT },
    Liar { name: "one that cuts the way to an entry", lie: entry_cutter, expected: WRONG_ROOT },
    Liar { name: "one that shows an entry of another program", lie: displacer, expected: WRONG_PROGRAM },
    Liar { name: "one that gives another transaction's body", lie: body_swapper, expected: Lie::Body },
    Liar { name: "one that begins at another checkpoint", lie: misleader, expected: Lie::Beginning },
    Liar { name: "one that begins with other members", lie: placer, expected: Lie::Beginning },
];

const fn too_few(have: usize, need: usize) -> Lie {
    Lie::Certificate(CertificateError::TooFew { have, need })
}

fn newest(change: impl FnOnce(&mut Certificate)) -> (LightClient, Told) {
    let mut certificate = certificate(HEIGHTS);
    change(&mut certificate);
    (client_after(CLOSING.len()), Told::Newest(certificate))
}

/// A checkpoint that a quorum of the epoch that certified `height` signs as well.
fn signed_too(height: u64, change: impl FnOnce(&mut Checkpoint)) -> Certificate {
    let at = height as usize - 1;
    let mut checkpoint = CHANGES.checkpoints[at];
    change(&mut checkpoint);
    certify_in(CHANGES.genesis.network(), checkpoint, &CHANGES.epochs[at])
}

fn forger() -> (LightClient, Told) {
    newest(|certificate| certificate.signatures[2].1.0[40] ^= 1)
}

fn lone_signers() -> (LightClient, Told) {
    newest(|certificate| certificate.signatures.truncate(3))
}

fn double_counter() -> (LightClient, Told) {
    newest(|certificate| certificate.signatures[1] = certificate.signatures[0])
}

fn leavers() -> (LightClient, Told) {
    newest(|certificate| {
        *certificate = certify(CHANGES.genesis.network(), certificate.checkpoint, [0, 2, 5, 6]);
    })
}

fn old_key() -> (LightClient, Told) {
    newest(|certificate| {
        let (network, digest) = (CHANGES.genesis.network(), certificate.checkpoint.digest());
        assert_eq!(
            certificate.signatures[1].1,
            member_secret(NEW_KEY + 1).sign(Purpose::Checkpoint, network, &digest.0)
        );
        certificate.signatures[1].1 = member_secret(1).sign(Purpose::Checkpoint, network, &digest.0);
    })
}

fn rewriter() -> (LightClient, Told) {
    newest(|certificate| certificate.checkpoint.time = certificate.checkpoint.time + Span::days(1))
}

fn foreigner() -> (LightClient, Told) {
    let certificate = FOREIGN.step(HEIGHTS).certificate;
    (client_after(0), Told::Newest(certificate))
}

fn forker() -> (LightClient, Told) {
    (client(), Told::Newest(signed_too(HEIGHTS, |checkpoint| checkpoint.state_root = Hash([9; 32]))))
}

/// The step into an epoch, changed.
fn step(into: usize, change: impl FnOnce(&mut EpochStep)) -> (LightClient, Told) {
    let mut step = serve::epochs(&CHANGES.store, into as u32).swap_remove(0);
    change(&mut step);
    (client_after(into - 1), Told::Epoch(step))
}

fn usurper() -> (LightClient, Told) {
    step(2, |step| step.epoch.seats.get_mut(2).expect("taken").member.key = member_secret(50).public())
}

fn early_closer() -> (LightClient, Told) {
    step(2, |step| step.certificate = certificate(CLOSING[1] - 1))
}

fn skipper() -> (LightClient, Told) {
    let (_, told) = step(2, |_| {});
    (client_after(0), told)
}

fn repeater() -> (LightClient, Told) {
    let (_, told) = step(2, |_| {});
    (client_after(2), told)
}

/// The founders, of whom one has another key by now.
fn old_closer() -> (LightClient, Told) {
    step(3, |step| {
        step.certificate = certify(CHANGES.genesis.network(), step.certificate.checkpoint, [0, 1, 2, 3, 4]);
    })
}

fn second_closer() -> (LightClient, Told) {
    let mut client = client_after(1);
    client.take_certificate(&certificate(CLOSING[1])).expect("true");
    let (_, told) = step(2, |step| {
        let epoch = step.epoch.digest();
        step.certificate = signed_too(CLOSING[1], |checkpoint| {
            checkpoint.height = checkpoint.height.next();
            checkpoint.epoch_next = epoch;
        });
    });
    (client, told)
}

fn clinger() -> (LightClient, Told) {
    let mut client = client_after(1);
    client.take_certificate(&certificate(CLOSING[1])).expect("true");
    (client, Told::Newest(signed_too(CLOSING[1], |checkpoint| checkpoint.height = Height(HEIGHTS))))
}

/// The proof of one transaction as that of another, changed.
fn proof(of: usize, shown_for: usize, change: impl FnOnce(&mut FinalProof)) -> (LightClient, Told) {
    let mut proof = serve::prove(&CHANGES.store, CHANGES.finals[of].1.id()).expect("final");
    change(&mut proof);
    (client(), Told::Transaction(CHANGES.finals[shown_for].1.id(), proof))
}

fn swapper() -> (LightClient, Told) {
    proof(2, 5, |_| {})
}

fn cutter() -> (LightClient, Told) {
    proof(2, 2, |proof| assert!(proof.range.path.pop().is_some()))
}

fn inventor() -> (LightClient, Told) {
    let proof = serve::prove(&CHANGES.store, CHANGES.finals[2].1.id()).expect("final");
    (client(), Told::Transaction(TransactionId(Hash([3; 32])), proof))
}

/// The epoch's entry, which is there, changed.
fn entry(key: &[u8], change: impl FnOnce(&mut CertifiedEntry)) -> (LightClient, Told) {
    let mut entry = entry_at(HEIGHTS, ProgramId::SYSTEM, key);
    change(&mut entry);
    (client(), Told::Entry(ProgramId::SYSTEM, key.to_vec(), entry))
}

fn denier() -> (LightClient, Told) {
    let path = byway_ledger::tree::ProofLeaf::of(&epoch_key(), &[]);
    entry(&epoch_key(), |entry| entry.proof.end = WayEnd::Absent(Some(path)))
}

fn hider() -> (LightClient, Told) {
    entry(&epoch_key(), |entry| {
        entry.proof.end =
            WayEnd::Absent(Some(byway_ledger::tree::ProofLeaf { path: Hash([1; 32]), value: Hash([2; 32]) }));
    })
}

fn fabulist() -> (LightClient, Told) {
    entry(b"nobody", |entry| entry.proof.end = WayEnd::Present(vec![1, 2, 3]))
}

fn alterer() -> (LightClient, Told) {
    entry(&epoch_key(), |entry| match &mut entry.proof.end {
        WayEnd::Present(value) => value[0] ^= 1,
        WayEnd::Absent(_) => unreachable!("the epoch is there"),
    })
}

fn entry_cutter() -> (LightClient, Told) {
    entry(&epoch_key(), |entry| assert!(entry.proof.steps.pop().is_some(), "there is more than one entry"))
}

fn displacer() -> (LightClient, Told) {
    let other = entry_at(HEIGHTS, ProgramId::KERNEL, &[0, 2]);
    (client(), Told::Entry(ProgramId::SYSTEM, vec![0, 2], other))
}

fn body_swapper() -> (LightClient, Told) {
    let bytes = serve::body(&CHANGES.store, CHANGES.finals[2].1.id()).expect("kept");
    (client(), Told::Body(CHANGES.finals[3].1.id(), bytes))
}

fn misleader() -> (LightClient, Told) {
    let trusted = TrustedCheckpoint::from(&CHANGES.checkpoints[4]);
    (client(), Told::Beginning(trusted, serve::beginning(&CHANGES.store, Height(6)).expect("certified")))
}

fn placer() -> (LightClient, Told) {
    let trusted = TrustedCheckpoint::from(&CHANGES.checkpoints[4]);
    let mut shown = serve::beginning(&CHANGES.store, trusted.height).expect("certified");
    let epoch = shown.epoch.as_mut().expect("not the first");
    epoch.seats.get_mut(2).expect("taken").member.key = member_secret(50).public();
    (client(), Told::Beginning(trusted, shown))
}
