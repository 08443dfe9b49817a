//! Kernel nodes that lie to followers, each by name: what they make of the truth, and what they are accused of.

use byway_crypto::Purpose;
use byway_kernel::follower::{Lie, PROGRAMS, Step};
use byway_ledger::{Change, DifferenceError, ProgramRoot};
use byway_primitives::{Hash, Span};
use byway_records::checkpoint::CertificateError;
use byway_records::{Certificate, Checkpoint, Height, ProgramId, Reject, TransactionId};

use crate::history::{FOREIGN, HEIGHTS, HISTORY, MEMBERS, QUORUM, certify, member_secret};

pub struct Liar {
    pub name: &'static str,
    /// Makes a lie of the true step, and says what it must be called; `None` where there is nothing to lie about.
    pub lie: fn(Step) -> Option<(Step, Lie)>,
}

pub const LIARS: &[Liar] = &[
    Liar { name: "one that leaves out a checkpoint", lie: skipper },
    Liar { name: "a quorum that signs a fork", lie: forker },
    Liar { name: "a quorum that names an epoch without showing it", lie: usurper },
    Liar { name: "one with too few signatures", lie: lone_signer },
    Liar { name: "one that counts a signature twice", lie: double_counter },
    Liar { name: "one with a signer that is no member", lie: outsider },
    Liar { name: "one with an outsider's signature under a member's name", lie: impersonator },
    Liar { name: "one that forges a signature", lie: forger },
    Liar { name: "one that forges a signature beyond the quorum", lie: generous_forger },
    Liar { name: "one that rewrites a signed checkpoint", lie: rewriter },
    Liar { name: "one that passes on signatures for another network", lie: foreign_signer },
    Liar { name: "one that passes on another network's checkpoint", lie: foreigner },
    Liar { name: "one that alters an entry", lie: alterer },
    Liar { name: "one that removes an entry", lie: remover },
    Liar { name: "one that leaves out an entry", lie: omitter },
    Liar { name: "one that adds an entry", lie: adder },
    Liar { name: "one that sends entries out of order", lie: shuffler },
    Liar { name: "one that repeats an entry", lie: repeater },
    Liar { name: "one that alters another program's root", lie: sibling_alterer },
    Liar { name: "one that names a program's root twice", lie: sibling_repeater },
    Liar { name: "one that hides a payment", lie: hider },
    Liar { name: "one that claims a rejection", lie: accuser },
    Liar { name: "one that sends the scan data of another time", lie: misdater },
    Liar { name: "one that leaves out a program", lie: program_omitter },
    Liar { name: "one that sends a program that was not asked for", lie: program_adder },
    Liar { name: "one that sends a program twice", lie: program_repeater },
    Liar { name: "one that sends programs out of order", lie: program_shuffler },
];

fn skipper(step: Step) -> Option<(Step, Lie)> {
    let expected = step.certificate.checkpoint.height;
    let got = expected.next();
    (got.0 <= HEIGHTS).then(|| (HISTORY.step(got.0), Lie::Height { expected, got }))
}

/// Changes the checkpoint and certifies it again by a whole quorum.
fn resigned(mut step: Step, change: impl FnOnce(&mut Checkpoint)) -> Step {
    change(&mut step.certificate.checkpoint);
    step.certificate = certify(HISTORY.genesis.network(), step.certificate.checkpoint, 0..QUORUM);
    step
}

fn forker(step: Step) -> Option<(Step, Lie)> {
    Some((resigned(step, |checkpoint| checkpoint.previous = Hash([9; 32])), Lie::Chain))
}

fn usurper(step: Step) -> Option<(Step, Lie)> {
    Some((resigned(step, |checkpoint| checkpoint.epoch_next = Hash([8; 32])), Lie::Epoch))
}

/// Puts other signatures to the step.
fn signed(mut step: Step, error: CertificateError, change: impl FnOnce(&mut Certificate)) -> Option<(Step, Lie)> {
    change(&mut step.certificate);
    Some((step, Lie::Certificate(error)))
}

fn lone_signer(step: Step) -> Option<(Step, Lie)> {
    let (have, need) = (usize::from(QUORUM) - 1, usize::from(QUORUM));
    signed(step, CertificateError::TooFew { have, need }, |certificate| certificate.signatures.truncate(have))
}

fn double_counter(step: Step) -> Option<(Step, Lie)> {
    signed(step, CertificateError::Signers, |certificate| certificate.signatures[1] = certificate.signatures[0])
}

fn outsider(step: Step) -> Option<(Step, Lie)> {
    let signers = (1..QUORUM).chain([MEMBERS]);
    signed(step, CertificateError::Signers, |certificate| {
        *certificate = certify(HISTORY.genesis.network(), certificate.checkpoint, signers);
    })
}

fn impersonator(step: Step) -> Option<(Step, Lie)> {
    signed(step, CertificateError::Signature, |certificate| {
        let (network, digest) = (HISTORY.genesis.network(), certificate.checkpoint.digest());
        certificate.signatures[2].1 = member_secret(MEMBERS).sign(Purpose::Checkpoint, network, &digest.0);
    })
}

fn forger(step: Step) -> Option<(Step, Lie)> {
    signed(step, CertificateError::Signature, |certificate| certificate.signatures[4].1.0[40] ^= 1)
}

fn generous_forger(step: Step) -> Option<(Step, Lie)> {
    signed(step, CertificateError::Signature, |certificate| {
        *certificate = certify(HISTORY.genesis.network(), certificate.checkpoint, 0..MEMBERS);
        certificate.signatures[6].1.0[0] ^= 1;
    })
}

fn rewriter(step: Step) -> Option<(Step, Lie)> {
    signed(step, CertificateError::Signature, |certificate| {
        certificate.checkpoint.time = certificate.checkpoint.time + Span::seconds(1);
    })
}

fn foreign_signer(step: Step) -> Option<(Step, Lie)> {
    signed(step, CertificateError::Signature, |certificate| {
        *certificate = certify(FOREIGN.genesis.network(), certificate.checkpoint, 0..QUORUM);
    })
}

fn foreigner(step: Step) -> Option<(Step, Lie)> {
    Some((FOREIGN.step(step.certificate.checkpoint.height.0), Lie::Chain))
}

/// Lies about the last program where there is something to lie about, so that those before it were already applied when
/// it comes out.
fn differing(
    mut step: Step,
    error: DifferenceError,
    change: impl Fn(&mut Vec<Change>) -> Option<()>,
) -> Option<(Step, Lie)> {
    for difference in step.differences.iter_mut().rev() {
        let mut entries = difference.entries.clone();
        if change(&mut entries).is_some() {
            let program = difference.program;
            difference.entries = entries;
            return Some((step, Lie::Difference { program, error }));
        }
    }
    None
}

fn alterer(step: Step) -> Option<(Step, Lie)> {
    differing(step, DifferenceError::Root, |entries| {
        let value = entries.iter_mut().find_map(|change| change.value.as_mut())?;
        value.last_mut().map(|byte| *byte ^= 1)
    })
}

fn remover(step: Step) -> Option<(Step, Lie)> {
    differing(step, DifferenceError::Root, |entries| {
        entries.iter_mut().find_map(|change| change.value.take()).map(|_| ())
    })
}

fn omitter(step: Step) -> Option<(Step, Lie)> {
    differing(step, DifferenceError::Root, |entries| entries.pop().map(|_| ()))
}

fn adder(step: Step) -> Option<(Step, Lie)> {
    differing(step, DifferenceError::Root, |entries| {
        entries.push(Change { key: vec![0xff; 8], value: Some(vec![1]) });
        Some(())
    })
}

fn shuffler(step: Step) -> Option<(Step, Lie)> {
    differing(step, DifferenceError::Order, |entries| {
        entries.reverse();
        (entries.len() > 1).then_some(())
    })
}

fn repeater(step: Step) -> Option<(Step, Lie)> {
    differing(step, DifferenceError::Order, |entries| {
        entries.push(entries.last()?.clone());
        Some(())
    })
}

/// Lies about the roots beside the last program's.
fn siblings(mut step: Step, error: DifferenceError, change: impl FnOnce(&mut Vec<ProgramRoot>)) -> Option<(Step, Lie)> {
    let last = step.differences.last_mut()?;
    let program = last.program;
    change(&mut last.sibling_roots);
    Some((step, Lie::Difference { program, error }))
}

fn sibling_alterer(step: Step) -> Option<(Step, Lie)> {
    siblings(step, DifferenceError::Root, |roots| roots[0].root = Hash([5; 32]))
}

fn sibling_repeater(step: Step) -> Option<(Step, Lie)> {
    siblings(step, DifferenceError::Order, |roots| roots.push(roots[0]))
}

fn hider(mut step: Step) -> Option<(Step, Lie)> {
    step.scan.finals.pop()?;
    Some((step, Lie::Scan))
}

fn accuser(mut step: Step) -> Option<(Step, Lie)> {
    step.scan.rejected.push((TransactionId(Hash([4; 32])), Reject::NoAccount));
    Some((step, Lie::Scan))
}

fn misdater(mut step: Step) -> Option<(Step, Lie)> {
    step.scan.time = step.scan.time + Span::millis(1);
    Some((step, Lie::Scan))
}

fn program_omitter(mut step: Step) -> Option<(Step, Lie)> {
    step.differences.remove(1);
    Some((step, Lie::Programs))
}

fn program_adder(mut step: Step) -> Option<(Step, Lie)> {
    let mut more = step.differences.last()?.clone();
    more.program = ProgramId(PROGRAMS.len() as u16);
    step.differences.push(more);
    Some((step, Lie::Programs))
}

fn program_repeater(mut step: Step) -> Option<(Step, Lie)> {
    step.differences.insert(1, step.differences[1].clone());
    Some((step, Lie::Programs))
}

fn program_shuffler(mut step: Step) -> Option<(Step, Lie)> {
    step.differences.swap(0, 2);
    Some((step, Lie::Programs))
}

/// The first height about which this liar can lie, and its lie.
pub fn first_lie(liar: &Liar) -> (Height, Step, Lie) {
    let told = |height| (liar.lie)(HISTORY.step(height)).map(|(step, lie)| (Height(height), step, lie));
    (1..=HEIGHTS).find_map(told).unwrap_or_else(|| panic!("{} never lies", liar.name))
}
