//! Making [`Evidence`] (row K4) of what a kernel node has seen.
//!
//! Nothing here judges: whoever gets a piece of evidence does, the ledger first of all. What a node makes of others'
//! snapshots is in the form in which it can be handed in by anyone, as a call of program `kernel` that is free and needs
//! no signature.

use byway_records::evidence::{Claim, Included, SignedHeader, Spender, Voter};
use byway_records::range::prove_over;
use byway_records::{Certificate, Evidence, Height};

use crate::verified::{Shown, SnapshotError, VerifiedSnapshot};

/// Of two snapshots of one member for one round.
pub fn equivocation(first: &VerifiedSnapshot, second: &VerifiedSnapshot) -> Evidence {
    Evidence::Equivocation { first: signed_header(first), second: signed_header(second) }
}

/// Of encoded bytes that were refused for this reason. `None` where nobody can say that their author signed them: what is
/// garbled, or ill-signed as a whole.
pub fn ill_formed(bytes: &[u8], error: SnapshotError) -> Option<Evidence> {
    let shown = Shown::of(bytes)?;
    match error {
        SnapshotError::CoinShare(round) => Some(Evidence::FalseCoinShare { header: shown.header, round }),
        SnapshotError::TooLong | SnapshotError::Encoding(_) | SnapshotError::Signature => None,
        SnapshotError::Form(_) | SnapshotError::Vote(_) => Some(Evidence::IllFormedHeader { header: shown.header }),
        SnapshotError::Transaction { position, .. } => {
            let included = included(&shown, position)?;
            Some(Evidence::IllFormedTransaction { header: shown.header, included })
        }
    }
}

/// Of a snapshot whose transaction at `position` spends what `spender` had spent at the checkpoint that it names.
pub fn spent_input(snapshot: &VerifiedSnapshot, position: usize, spender: Spender) -> Option<Evidence> {
    let shown = Shown::of(snapshot.bytes())?;
    let included = included(&shown, position)?;
    Some(Evidence::SpentInput { header: shown.header, included, spender })
}

/// Of two snapshots of one member that carry votes for different checkpoints of a height, which `epoch` certifies.
pub fn two_votes(first: &VerifiedSnapshot, second: &VerifiedSnapshot, height: Height, epoch: u32) -> Evidence {
    let voter = Voter { epoch, seat: first.header().author.0 };
    let claim = |snapshot| Claim::Snapshot { height, header: signed_header(snapshot) };
    Evidence::TwoVotes { voter, first: claim(first), second: claim(second) }
}

/// Of a snapshot that carries a vote for another checkpoint than was certified in `epoch`.
pub fn false_vote(snapshot: &VerifiedSnapshot, certificate: Certificate, epoch: u32) -> Evidence {
    let height = certificate.checkpoint.height;
    let voter = Voter { epoch, seat: snapshot.header().author.0 };
    let vote = Claim::Snapshot { height, header: signed_header(snapshot) };
    Evidence::FalseVote { voter, vote, certificate }
}

fn signed_header(snapshot: &VerifiedSnapshot) -> SignedHeader {
    Shown::of(snapshot.bytes()).expect("what is verified can be read").header
}

fn included(shown: &Shown, position: usize) -> Option<Included> {
    let (transaction, proof) =
        (shown.transactions.get(position)?.transaction().clone(), prove_over(&shown.leaves, position)?);
    Some(Included { transaction, count: shown.leaves.len() as u64, proof })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use byway_crypto::Purpose;
    use byway_crypto::node::NodeSignature;
    use byway_primitives::{Hash, Time};
    use byway_records::evidence::{EvidenceError, Offence, Place, Rolls};
    use byway_records::{Checkpoint, Roll};

    use super::*;
    use crate::committee::MemberIndex;
    use crate::drawn::{NETWORK, committee, secret};
    use crate::snapshot::{Header, SnapshotForm, Vote};

    struct First;

    impl Rolls for First {
        fn roll(&self, epoch: u32) -> Option<Roll> {
            (epoch == 0).then(|| Roll::call(&crate::drawn::epoch(7), Height(1), |_| 0))
        }
    }

    fn header(time: u64, votes: Vec<Vote>) -> Header {
        Header {
            author: MemberIndex(2),
            round: 1,
            previous: None,
            references: Vec::new(),
            weak_references: Vec::new(),
            checkpoint: Height(0),
            votes,
            coin_shares: Vec::new(),
            time: Time(time),
        }
    }

    fn sign(header: Header) -> VerifiedSnapshot {
        VerifiedSnapshot::sign(&committee(7), &secret(2), header, Vec::new())
    }

    fn judge(evidence: &Evidence) -> Result<Place, EvidenceError> {
        evidence.judge(NETWORK, &First).map(|Offence { voice, place, .. }| {
            assert_eq!(voice.seat, 2);
            place
        })
    }

    #[test]
    fn two_snapshots_of_a_round_convict_and_one_does_not() {
        let (first, second) = (sign(header(1, vec![])), sign(header(2, vec![])));
        assert_eq!(judge(&equivocation(&first, &second)), Ok(Place::Round(1)));
        assert_eq!(judge(&equivocation(&first, &first)), Err(EvidenceError::NotTwo));
    }

    #[test]
    fn what_was_refused_for_its_form_convicts_and_what_was_garbled_does_not() {
        let vote = |signer| {
            let signature = secret(signer).sign(Purpose::Checkpoint, NETWORK, &[3; 32]);
            Vote { height: Height(1), digest: Hash([3; 32]), signature }
        };
        let ill_signed = sign(header(1, vec![vote(3)]));
        let early = sign(Header { previous: Some((0, Hash::ZERO)), ..header(1, vec![]) });
        let good = sign(header(1, vec![vote(2)]));
        for (snapshot, error) in
            [(&ill_signed, SnapshotError::Vote(0)), (&early, SnapshotError::Form(SnapshotForm::FirstRound))]
        {
            let refused = VerifiedSnapshot::verify(&committee(7), snapshot.bytes().clone());
            assert_eq!(refused, Err(error));
            let evidence = ill_formed(snapshot.bytes(), error).expect("it can be shown");
            assert_eq!(judge(&evidence), Ok(Place::Round(1)));
            // The same said of a good one.
            assert_eq!(judge(&ill_formed(good.bytes(), error).expect("it can be read")), Err(EvidenceError::Innocent));
        }
        let mut spoiled = good.bytes().to_vec();
        *spoiled.last_mut().expect("some") ^= 1;
        let refused = VerifiedSnapshot::verify(&committee(7), Arc::from(&spoiled[..]));
        assert_eq!(refused, Err(SnapshotError::Signature));
        assert_eq!(ill_formed(&spoiled, SnapshotError::Signature), None);
        let spoiled = ill_formed(&spoiled, SnapshotError::Vote(0)).expect("it can be read");
        assert_eq!(judge(&spoiled), Err(EvidenceError::Signature));
    }

    #[test]
    fn a_vote_against_a_certificate_convicts_and_one_with_it_does_not() {
        let checkpoint = |state| Checkpoint {
            height: Height(1),
            commits: 1,
            time: Time(1),
            previous: Hash::ZERO,
            transactions: 0,
            transactions_root: Hash::ZERO,
            state_root: Hash([state; 32]),
            outputs_digest: Hash::ZERO,
            scan_root: Hash::ZERO,
            epoch_next: Hash::ZERO,
        };
        let sign_of = |node, of: &Checkpoint| secret(node).sign(Purpose::Checkpoint, NETWORK, &of.digest().0);
        let certified = checkpoint(1);
        let signatures: Vec<(u8, NodeSignature)> = (0..5).map(|node| (node, sign_of(node, &certified))).collect();
        let certificate = Certificate { checkpoint: certified, signatures };
        let voting = |of: &Checkpoint| {
            sign(header(1, vec![Vote { height: Height(1), digest: of.digest(), signature: sign_of(2, of) }]))
        };
        let evidence = |of: &Checkpoint| false_vote(&voting(of), certificate.clone(), 0);
        assert_eq!(judge(&evidence(&checkpoint(2))), Ok(Place::Height(Height(1))));
        assert_eq!(judge(&evidence(&certified)), Err(EvidenceError::NotTwo));
    }
}
