//! Three members, two of whom spend.

use byway_crypto::{Group, GroupView};
use byway_records::{Body, Transaction};

use super::*;

const FUNDING: u8 = 9;

struct Table {
    group: Group,
    members: [Rig; 3],
    outsider: Rig,
}

/// A group of the wallets 1, 2 and 3 that was paid 5 and 7.
fn table(threshold: u8) -> Table {
    let mut members = [1, 2, 3].map(Rig::new);
    let addresses = [0, 1, 2].map(|k: usize| members[k].wallet.address());
    let view = GroupView::new(threshold, &addresses, &[0x77; 32]).expect("a group");
    let group = view.group().clone();
    for member in &mut members {
        let batch = member.wallet.join(view.clone());
        member.store.apply(&batch);
    }
    let mut table = Table { group, members, outsider: Rig::new(4) };
    let secret = TransactionSecret::from_seed(&[FUNDING; 32]);
    let outputs = (0u32..).zip([5, 7]).map(|(index, amount)| {
        let (keys, view_tags) = secret.derive_group(&table.group, index);
        Output { lock: Lock { threshold, keys }, view_tags, value: way(coins(amount)) }
    });
    let made = ScanTransaction {
        id: TransactionId(Hash([FUNDING; 32])),
        ghost: Some(secret.public()),
        outputs: outputs.collect(),
        spent: Vec::new(),
    };
    table.scan(&scan_of(vec![made], 10));
    table
}

impl Table {
    fn scan(&mut self, scan: &ScanData) {
        self.members.iter_mut().chain([&mut self.outsider]).for_each(|rig| drop(rig.scan(scan)));
    }

    fn free(&self, member: usize) -> Amount {
        let balances = self.members[member].wallet.group_balances(&self.group);
        balances.get(&AssetId::WAY).copied().unwrap_or_default().free
    }

    fn wish(&self, amount: u64) -> Wish {
        let payee = Payee { to: self.outsider.wallet.address().into(), value: way(coins(amount)) };
        Wish { payees: vec![payee], expires: Time(1000), ..Wish::default() }
    }

    fn propose(&self, member: usize, amount: u64) -> Result<Proposal, ProposalError> {
        self.members[member].wallet.propose(NETWORK, &self.group, &self.wish(amount), &grains(), &[3; 32])
    }

    fn sign(&self, member: usize, proposal: &Proposal) -> Result<Proposal, ProposalError> {
        let mut signed = proposal.clone();
        self.members[member].wallet.countersign(NETWORK, &mut signed).map(|_| signed)
    }
}

#[test]
fn two_of_three_spend_what_the_group_was_paid() {
    for (first, second) in [(0, 1), (2, 0), (1, 2)] {
        let mut table = table(2);
        assert_eq!([0, 1, 2].map(|member| table.free(member)), [coins(12); 3]);
        assert!(table.members.iter().all(|rig| rig.free().is_zero()), "it is nobody's own");
        assert_eq!(table.outsider.wallet.groups().count(), 0);

        let proposal = table.propose(first, 6).expect("enough money");
        assert!(matches!(proposal.finish(), Err(ProposalError::TooFew { have: 1, need: 2 })));
        let copied: Proposal = proposal.to_string().parse().expect("a proposal survives its file");
        assert_eq!(copied, proposal);
        let summary = table.members[second].wallet.look_into(NETWORK, &copied).expect("all is as it says");
        assert_eq!((summary.payees, summary.signed.len()), (table.wish(6).payees, 1));
        let change = Amount::checked_sum(summary.change.iter().map(|value| value.amount)).expect("fits");
        let spent = Amount::checked_sum(
            proposal
                .body
                .inputs
                .iter()
                .map(|input| table.members[first].wallet.owned[&input.spent].output.value.amount),
        );
        assert_eq!(change, spent.expect("fits").saturating_sub(coins(6)));

        let signed = table.sign(second, &copied).expect("a member");
        let transaction = signed.finish().expect("two have signed");
        verify(NETWORK, transaction.clone()).expect("well-formed and well-signed");
        let batch = table.members[first].wallet.adopt(&transaction, signed.paid(), Time(1));
        table.members[first].store.apply(&batch);
        assert!(table.free(first) < coins(12), "what is spent is held by whoever sends it");
        table.scan(&scan_of(vec![as_scanned(&transaction)], 20));
        table.members[second].reopen();
        assert_eq!([0, 1, 2].map(|member| table.free(member)), [coins(6); 3]);
        assert_eq!(table.outsider.free(), coins(6));
        let history = table.members[first].wallet.history(&table.members[first].store, 10);
        assert_eq!(history.iter().map(|line| line.kind).collect::<Vec<_>>(), [Kind::Verdict, Kind::GroupSent]);
    }
}

#[test]
fn signatures_may_be_gathered_from_copies() {
    let table = table(3);
    let proposal = table.propose(0, 6).expect("enough money");
    let (second, third) = (table.sign(1, &proposal).expect("signs"), table.sign(2, &proposal).expect("signs"));
    assert!(matches!(second.finish(), Err(ProposalError::TooFew { have: 2, need: 3 })));
    let mut all = second;
    all.join(third).expect("copies of one");
    verify(NETWORK, all.finish().expect("three have signed")).expect("well-signed");
    let other = table.propose(0, 7).expect("enough money");
    assert_eq!(all.join(other), Err(ProposalError::Different));
}

/// Changes to a proposal, and why nobody signs what comes out.
#[test]
fn a_proposal_that_is_not_what_it_says_is_not_signed() {
    type Change = fn(&mut Proposal);
    let table = table(2);
    let proposer = table.group.number_of(&table.members[0].wallet.address()).expect("a member");
    let proposal = table.propose(0, 6).expect("enough money");
    let secret = TransactionSecret::from_seed(&proposal.seed);
    let is_change = |index: u32, output: &Output| secret.derive_group(&table.group, index).0 == output.lock.keys;
    let to_payee = (0u32..).zip(&proposal.body.outputs).position(|(index, output)| !is_change(index, output));
    let to_payee = ProposalError::Output(to_payee.expect("the payee gets something"));
    let changes: [(&str, ProposalError, Change); 9] = [
        ("an output to someone else", ProposalError::Output(0), |p| {
            let secret = TransactionSecret::from_seed(&p.seed);
            let (key, tag) = secret.derive(&WalletSecret::from_seed(&[5; 32]).address(), 0);
            (p.body.outputs[0].lock, p.body.outputs[0].view_tags) = (Lock::single(key), vec![tag]);
        }),
        ("a payee is promised more", ProposalError::Amount, |p| p.payees[0].value.amount = coins(7)),
        ("a payee is promised less", ProposalError::Amount, |p| p.payees[0].value.amount = coins(5)),
        ("a payee is not named", to_payee, |p| p.payees.clear()),
        ("another secret", ProposalError::Malformed, |p| p.seed[0] ^= 1),
        ("an R too few", ProposalError::Malformed, |p| p.ghosts.clear()),
        ("another R", ProposalError::Input(0), |p| p.ghosts[0] = TransactionSecret::from_seed(&[1; 32]).public()),
        ("another network", ProposalError::WrongNetwork, |p| p.network = NetworkId(Hash([8; 32]))),
        ("another fee under the old signature", ProposalError::Signature(proposer), |p| p.body.fee = coins(1)),
    ];
    for (case, error, change) in changes {
        let mut changed = proposal.clone();
        change(&mut changed);
        assert_eq!(table.sign(1, &changed).err(), Some(error), "{case}");
        assert_eq!(table.members[1].wallet.look_into(NETWORK, &changed).err(), Some(error), "{case}");
    }
    assert_eq!(table.outsider.wallet.look_into(NETWORK, &proposal), Err(ProposalError::UnknownGroup));
    assert!(matches!(table.propose(0, 13), Err(ProposalError::Build(BuildError::TooLittle { .. }))));
}

/// Who has joined with the group's key without being a member sees and can't sign; nor can a member's view key.
#[test]
fn only_members_sign() {
    let table = table(2);
    let addresses = [0, 1, 2].map(|k: usize| table.members[k].wallet.address());
    let view = GroupView::new(2, &addresses, &[0x77; 32]).expect("the same group");
    let proposal = table.propose(0, 6).expect("enough money");
    for (mut rig, error) in
        [(Rig::new(4), ProposalError::NotAMember), (Rig::watching(1), ProposalError::Build(BuildError::ReadOnly))]
    {
        let _ = rig.wallet.join(view.clone());
        let mut copy = proposal.clone();
        assert!(rig.wallet.look_into(NETWORK, &copy).is_ok());
        assert_eq!(rig.wallet.countersign(NETWORK, &mut copy).err(), Some(error));
        assert_eq!(copy, proposal);
    }
}

/// Signatures that don't reach the threshold are no transaction, whatever is put together by hand.
#[test]
fn the_ledger_takes_no_fewer_signatures() {
    let table = table(2);
    let signed = table.sign(1, &table.propose(0, 6).expect("enough")).expect("signs");
    let whole = signed.finish().expect("two have signed");
    let mut short: Transaction = whole.clone();
    for signatures in &mut short.witness.spends {
        signatures.pop();
    }
    assert_eq!(verify(NETWORK, short), Err(byway_records::reject::IllFormed::SignatureCount));
    let body: &Body = &whole.body;
    assert!(body.outputs.iter().filter(|output| output.lock.keys.len() == 3).count() >= OUTPUTS_PER_PAYEE, "change");
}
