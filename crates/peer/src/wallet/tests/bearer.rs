//! Coins whose key was passed on.

use super::*;

/// A bearer of what a foreign transaction paid to a wallet, and the scan data with that.
fn bearer(seed: u8, amounts: &[Amount]) -> (Bearer, ScanTransaction) {
    let secret = WalletSecret::from_seed(&[seed; 32]);
    let made = paying(secret.address(), amounts, seed);
    let outputs = (0..).zip(amounts.iter().copied()).collect();
    (Bearer { secret, transaction: made.id, ghost: made.ghost.unwrap(), outputs }, made)
}

fn taken(bearer: &Bearer, to: &Wallet, expires: u64, seed: u8) -> byway_records::Transaction {
    let wish = Wish { expires: Time(expires), ..Wish::default() };
    bearer.take(NETWORK, &wish, to.address(), &[], &grains(), &[seed; 32]).unwrap()
}

#[test]
fn coins_of_a_bearer_are_taken_by_whoever_is_first() {
    let (bearer, _) = bearer(40, &[coins(3), coins(4)]);
    let (mut alice, mut bob) = (Rig::new(1), Rig::new(2));
    let (to_alice, to_bob) = (taken(&bearer, &alice.wallet, 0, 50), taken(&bearer, &bob.wallet, 0, 51));
    for (rig, transaction) in [(&mut alice, &to_alice), (&mut bob, &to_bob)] {
        verify(NETWORK, transaction.clone()).expect("the key of the outputs has signed");
        let batch = rig.wallet.take_up(transaction, way(coins(7)), Time(1));
        rig.store.apply(&batch);
        assert_eq!(rig.wallet.pending().count(), 1);
    }
    let first = scan_of(vec![as_scanned(&to_alice)], 2);
    assert_eq!(alice.scan(&first), [Found::Final(to_alice.id())]);
    assert_eq!(alice.wallet.balance(AssetId::WAY).free, coins(7));
    assert_eq!(bob.scan(&first), [Found::Rejected(to_bob.id(), Reject::UnknownInput)], "it will never be final");
    assert_eq!((bob.wallet.pending().count(), bob.wallet.balance(AssetId::WAY)), (0, Balance::default()));
    // The same after a restart, and what is taken can be spent.
    let mut again = Wallet::open(WalletSecret::from_seed(&[1; 32]), &alice.store).expect("opens");
    let payee = Payee { to: bob.wallet.address().into(), value: way(coins(5)) };
    let wish = Wish { payees: vec![payee], ..Wish::default() };
    let (spent, _) = again.build(NETWORK, &wish, &[], &grains(), Time(3), &[9; 32]).unwrap();
    verify(NETWORK, spent).expect("well signed");
}

#[test]
fn what_a_bearer_has_pays_for_a_call_or_does_not() {
    let (bearer, _) = bearer(40, &[coins(3), coins(4)]);
    let to = WalletSecret::from_seed(&[1; 32]).address();
    let pays = |amount| Wish { pays: Some(way(amount)), fee: coins(1), ..Wish::default() };
    let take = |wish: &Wish| bearer.take(NETWORK, wish, to, &[], &grains(), &[5; 32]);
    let paid = take(&pays(coins(2))).unwrap();
    let sum = Amount::checked_sum(paid.body.outputs.iter().map(|output| output.value.amount));
    assert_eq!((sum, paid.body.outputs.len()), (Some(coins(4)), OUTPUTS_PER_PAYEE));
    assert!(take(&pays(coins(6))).unwrap().body.outputs.is_empty(), "to the last coin");
    let refused = take(&pays(coins(7))).err();
    assert_eq!(refused, Some(BuildError::TooLittle { have: coins(7), need: coins(8), asset: AssetId::WAY }));
    // R that is no point of the curve.
    let secret = WalletSecret::from_seed(&[1; 32]);
    let mut no_points = (0..=255).map(|byte| GhostKey([byte; 32]));
    let ghost =
        no_points.find(|ghost| secret.spend_secret_at(*ghost, 0).is_none()).expect("half of all texts are none");
    let broken = Bearer { ghost, outputs: vec![(0, coins(1))], secret, ..bearer };
    assert_eq!(broken.take(NETWORK, &Wish::default(), to, &[], &grains(), &[5; 32]).err(), Some(BuildError::NoKey));
}

#[test]
fn what_is_given_up_is_not_pending_any_more() {
    let ((bearer, _), mut alice) = (bearer(40, &[coins(3)]), Rig::new(1));
    let transaction = taken(&bearer, &alice.wallet, 100, 50);
    let batch = alice.wallet.take_up(&transaction, way(coins(3)), Time(1));
    alice.store.apply(&batch);
    let batch = alice.wallet.give_up(transaction.id(), Reject::UnknownInput, Time(2));
    alice.store.apply(&batch);
    assert_eq!(alice.wallet.give_up(transaction.id(), Reject::UnknownInput, Time(2)), Batch::new(), "once");
    let again = Wallet::open(WalletSecret::from_seed(&[1; 32]), &alice.store).expect("opens");
    assert_eq!(again.pending().count(), 0);
    let history = again.history(&alice.store, 9);
    let stages: Vec<Stage> = history.iter().map(|line| line.stage).collect();
    assert_eq!(stages, [Stage::Rejected(Reject::UnknownInput), Stage::Sent]);
}
