use byway_crypto::ghost::TransactionSecret;
use byway_primitives::{Hash, MemoryStore, NetworkId};
use byway_records::scan::ScanTransaction;
use byway_records::verified::verify;
use byway_records::{Lock, Value};

use super::*;

mod bearer;
mod groups;

const NETWORK: NetworkId = NetworkId(Hash([7; 32]));

fn coins(n: u64) -> Amount {
    Amount::from_coins(n)
}

/// An asset with two digits after the point.
const CENTS: AssetId = AssetId(Hash([5; 32]));

fn grains() -> Grains {
    let step = Amount::from_units(10u128.pow(16));
    Grains { output_min: Amount::from_units(1), steps: [(CENTS, step)].into() }
}

fn way(amount: Amount) -> Value {
    Value { asset: AssetId::WAY, amount }
}

/// Scan data with one foreign transaction that pays `amounts` to `address`.
fn paying(address: Address, amounts: &[Amount], number: u8) -> ScanTransaction {
    let values: Vec<Value> = amounts.iter().map(|amount| way(*amount)).collect();
    paying_values(address, &values, number)
}

fn paying_values(address: Address, values: &[Value], number: u8) -> ScanTransaction {
    let secret = TransactionSecret::from_seed(&[number; 32]);
    let outputs = (0u32..).zip(values).map(|(index, value)| {
        let (key, tag) = secret.derive(&address, index);
        Output { lock: Lock::single(key), view_tags: vec![tag], value: *value }
    });
    ScanTransaction {
        id: TransactionId(Hash([number; 32])),
        ghost: Some(secret.public()),
        outputs: outputs.collect(),
        spent: Vec::new(),
    }
}

fn scan_of(finals: Vec<ScanTransaction>, time: u64) -> ScanData {
    ScanData { time: Time(time), finals, rejected: Vec::new() }
}

struct Rig {
    wallet: Wallet,
    store: MemoryStore,
    height: Height,
}

impl Rig {
    fn new(seed: u8) -> Self {
        let store = MemoryStore::new();
        let wallet = Wallet::open(WalletSecret::from_seed(&[seed; 32]), &store).expect("opens");
        Self { wallet, store, height: Height::GENESIS }
    }

    /// Sees what the wallet of this seed sees, and no more.
    fn watching(seed: u8) -> Self {
        let view = WalletSecret::from_seed(&[seed; 32]).view_secret();
        let store = MemoryStore::new();
        let wallet = Wallet::watch(view, &store).expect("opens");
        Self { wallet, store, height: Height::GENESIS }
    }

    fn scan(&mut self, scan: &ScanData) -> Vec<Found> {
        self.height = self.height.next();
        let (batch, found) = self.wallet.scan(self.height, scan);
        self.store.apply(&batch);
        found
    }

    fn build(&mut self, wish: &Wish, seed: u8) -> Result<byway_records::Transaction, BuildError> {
        let (transaction, batch) = self.wallet.build(NETWORK, wish, &[], &grains(), Time(1), &[seed; 32])?;
        self.store.apply(&batch);
        Ok(transaction)
    }

    fn reopen(&mut self) {
        let reopened = match self.wallet.secret.clone() {
            Some(secret) => Wallet::open(secret, &self.store),
            None => Wallet::watch(self.wallet.view.clone(), &self.store),
        };
        self.wallet = reopened.expect("reopens");
    }

    fn free(&self) -> Amount {
        self.wallet.balance(AssetId::WAY).free
    }
}

fn as_scanned(transaction: &byway_records::Transaction) -> ScanTransaction {
    ScanTransaction {
        id: transaction.id(),
        ghost: transaction.body.ghost,
        outputs: transaction.body.outputs.clone(),
        spent: transaction.body.inputs.iter().map(|input| input.spent).collect(),
    }
}

#[test]
fn money_is_found_sent_and_received() {
    let (mut alice, mut bob) = (Rig::new(1), Rig::new(2));
    let funding = scan_of(vec![paying(alice.wallet.address(), &[coins(5), coins(7)], 9)], 10);
    assert_eq!(
        alice.scan(&funding),
        [Found::Received { transaction: TransactionId(Hash([9; 32])), value: way(coins(12)) }]
    );
    assert!(bob.scan(&funding).is_empty());

    let payee = Payee { to: bob.wallet.address().into(), value: way(coins(6)) };
    let wish = Wish { payees: vec![payee], expires: Time(1000), ..Wish::default() };
    let transaction = alice.build(&wish, 3).expect("enough money");
    verify(NETWORK, transaction.clone()).expect("well-formed and well-signed");
    assert!(transaction.body.outputs.len() >= 2 * OUTPUTS_PER_PAYEE);
    assert!(alice.free() <= coins(7), "the input is held");

    alice.reopen();
    let made = scan_of(vec![as_scanned(&transaction)], 20);
    assert_eq!(alice.scan(&made), [Found::Final(transaction.id())]);
    assert_eq!(bob.scan(&made), [Found::Received { transaction: transaction.id(), value: way(coins(6)) }]);
    alice.reopen();
    assert_eq!((alice.free(), bob.free()), (coins(6), coins(6)));
    let kinds: Vec<_> = alice.wallet.history(&alice.store, 10).into_iter().map(|line| line.kind).collect();
    assert_eq!(kinds, [Kind::Verdict, Kind::Sent, Kind::Received]);
}

#[test]
fn a_rejected_or_lapsed_payment_frees_its_money() {
    for lapse in [false, true] {
        let mut alice = Rig::new(1);
        alice.scan(&scan_of(vec![paying(alice.wallet.address(), &[coins(5)], 9)], 10));
        let payee = Payee { to: Rig::new(2).wallet.address().into(), value: way(coins(1)) };
        let wish = Wish { payees: vec![payee], expires: Time(1000), ..Wish::default() };
        let transaction = alice.build(&wish, 3).expect("enough money");
        assert_eq!(alice.free(), Amount::ZERO);
        assert_eq!(
            alice.build(&wish, 4),
            Err(BuildError::TooLittle { have: Amount::ZERO, need: coins(1), asset: AssetId::WAY })
        );
        let found = if lapse {
            alice.scan(&scan_of(Vec::new(), 1001))
        } else {
            let mut scan = scan_of(Vec::new(), 20);
            scan.rejected.push((transaction.id(), Reject::UnknownInput));
            alice.scan(&scan)
        };
        assert_eq!(found.len(), 1);
        alice.reopen();
        assert_eq!(alice.free(), coins(5));
    }
}

#[test]
fn spending_all_leaves_no_change_and_more_is_refused() {
    let mut alice = Rig::new(1);
    alice.scan(&scan_of(vec![paying(alice.wallet.address(), &[coins(5)], 9)], 10));
    let pay = |amount| Wish {
        payees: vec![Payee { to: Rig::new(2).wallet.address().into(), value: way(amount) }],
        fee: coins(1),
        ..Wish::default()
    };
    assert!(matches!(alice.build(&pay(coins(5)), 3), Err(BuildError::TooLittle { .. })));
    let transaction = alice.build(&pay(coins(4)), 3).expect("exactly enough");
    let sum = Amount::checked_sum(transaction.body.outputs.iter().map(|output| output.value.amount));
    assert_eq!(sum, Some(coins(4)));
}

/// What a watching wallet and the one it watches see of the same ledger.
#[test]
fn a_view_key_sees_everything_and_spends_nothing() {
    let (mut alice, mut bob, mut auditor) = (Rig::new(1), Rig::new(2), Rig::watching(1));
    assert_eq!(auditor.wallet.address(), alice.wallet.address());
    let funding = scan_of(vec![paying(alice.wallet.address(), &[coins(5), coins(7)], 9)], 10);
    assert_eq!(auditor.scan(&funding), alice.scan(&funding));

    let pay = |to: &Rig, amount| Wish {
        payees: vec![Payee { to: to.wallet.address().into(), value: way(coins(amount)) }],
        expires: Time(1000),
        ..Wish::default()
    };
    assert_eq!(auditor.build(&pay(&bob, 1), 3), Err(BuildError::ReadOnly));
    assert!(auditor.wallet.pending().next().is_none(), "nothing is held");

    let paid = alice.build(&pay(&bob, 6), 3).expect("enough money");
    let made = scan_of(vec![as_scanned(&paid)], 20);
    alice.scan(&made);
    bob.scan(&made);
    let spent = Found::Spent { transaction: paid.id(), value: way(coins(6)) };
    assert_eq!(auditor.scan(&made), [spent], "what is spent shows by the outputs' ids, less the change");
    auditor.reopen();
    assert_eq!((auditor.free(), alice.free()), (coins(6), coins(6)));
    let kinds: Vec<_> = auditor.wallet.history(&auditor.store, 10).into_iter().map(|line| line.kind).collect();
    assert_eq!(kinds, [Kind::Spent, Kind::Received]);

    // The same phrase on another device: it did not make the payment either, and can spend.
    let mut restored = Rig::new(1);
    restored.scan(&funding);
    assert_eq!(restored.scan(&made), [Found::Spent { transaction: paid.id(), value: way(coins(6)) }]);
    assert!(restored.build(&pay(&bob, 6), 4).is_ok());
}

#[test]
fn assets_are_kept_apart() {
    let (mut alice, mut bob) = (Rig::new(1), Rig::new(2));
    let cents = |amount| Value { asset: CENTS, amount };
    let values = [way(coins(5)), cents(coins(7)), cents(coins(1))];
    let funding = scan_of(vec![paying_values(alice.wallet.address(), &values, 9)], 10);
    let received = |value| Found::Received { transaction: TransactionId(Hash([9; 32])), value };
    assert_eq!(alice.scan(&funding), [received(way(coins(5))), received(cents(coins(8)))]);

    let pay = |value| Wish {
        payees: vec![Payee { to: Rig::new(2).wallet.address().into(), value }],
        expires: Time(1000),
        ..Wish::default()
    };
    let half: Amount = "2.5".parse().expect("an amount");
    let fine: Amount = "2.505".parse().expect("an amount");
    let step = Amount::from_units(10u128.pow(16));
    for (value, error) in [
        (cents(coins(9)), BuildError::TooLittle { have: coins(8), need: coins(9), asset: CENTS }),
        (cents(fine), BuildError::TooFine { asset: CENTS, step }),
        (
            Value { asset: AssetId(Hash([6; 32])), amount: half },
            BuildError::TooLittle { have: Amount::ZERO, need: half, asset: AssetId(Hash([6; 32])) },
        ),
        (cents(Amount::MAX), BuildError::TooFine { asset: CENTS, step }),
        (way(Amount::MAX), BuildError::TooLittle { have: coins(5), need: Amount::MAX, asset: AssetId::WAY }),
    ] {
        assert_eq!(alice.build(&pay(value), 3), Err(error), "{value:?}");
    }
    let transaction = alice.build(&pay(cents(half)), 3).expect("enough");
    assert!(transaction.body.outputs.iter().all(|output| output.value.asset == CENTS), "WAY is not touched");
    let whole = |output: &Output| output.value.amount.units().is_multiple_of(step.units());
    assert!(transaction.body.outputs.iter().all(whole), "no output is finer than the asset");
    assert!(transaction.body.outputs.len() >= 2 * OUTPUTS_PER_PAYEE);
    let made = scan_of(vec![as_scanned(&transaction)], 20);
    alice.scan(&made);
    bob.scan(&made);
    assert_eq!(
        (alice.wallet.balance(CENTS).free, bob.wallet.balance(CENTS).free),
        ("5.5".parse().expect("an amount"), half)
    );
    assert_eq!(alice.free(), coins(5));
}

/// Only what one transaction made is merged, unless more is asked for.
#[test]
fn consolidation_does_not_join_what_different_payers_sent() {
    let mut alice = Rig::new(1);
    let address = alice.wallet.address();
    let first = paying(address, &[coins(1), coins(2), coins(3)], 9);
    let second = paying(address, &[coins(4), coins(5)], 8);
    let lone = paying_values(address, &[way(coins(6)), Value { asset: CENTS, amount: coins(7) }], 7);
    alice.scan(&scan_of(vec![first, second, lone], 10));
    let of = |number: u8, index| OutputId { transaction: TransactionId(Hash([number; 32])), index };
    let apart = [vec![of(8, 0), of(8, 1)], vec![of(9, 0), of(9, 1), of(9, 2)]];
    assert_eq!(alice.wallet.mergeable(Mixing::OnePayment), apart);
    let mixed = vec![of(7, 0), of(8, 0), of(8, 1), of(9, 0), of(9, 1), of(9, 2)];
    assert_eq!(alice.wallet.mergeable(Mixing::Everything), [mixed]);

    let merge = |merge: &[OutputId]| Wish { merge: merge.to_vec(), expires: Time(1000), ..Wish::default() };
    let transaction = alice.build(&merge(&apart[1]), 3).expect("ours");
    verify(NETWORK, transaction.clone()).expect("well-formed and well-signed");
    let spent: Vec<OutputId> = transaction.body.inputs.iter().map(|input| input.spent).collect();
    let made: Vec<Value> = transaction.body.outputs.iter().map(|output| output.value).collect();
    assert_eq!((spent, made), (apart[1].clone(), vec![way(coins(6))]));
    assert_eq!(alice.build(&merge(&apart[1]), 4), Err(BuildError::NotFree), "they are on their way");
    assert_eq!(alice.build(&merge(&[of(1, 0)]), 4), Err(BuildError::NotFree), "not ours");
    alice.scan(&scan_of(vec![as_scanned(&transaction)], 20));
    assert_eq!(alice.wallet.mergeable(Mixing::OnePayment), [apart[0].clone()]);
    assert_eq!(alice.free(), coins(21));
}
