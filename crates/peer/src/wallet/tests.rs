use byway_crypto::ghost::TransactionSecret;
use byway_primitives::{Hash, MemoryStore, NetworkId};
use byway_records::scan::ScanTransaction;
use byway_records::verified::verify;
use byway_records::{Lock, Value};

use super::*;

const NETWORK: NetworkId = NetworkId(Hash([7; 32]));
const MIN: Amount = Amount::from_units(1);

fn coins(n: u64) -> Amount {
    Amount::from_coins(n)
}

fn way(amount: Amount) -> Value {
    Value { asset: AssetId::WAY, amount }
}

/// Scan data with one foreign transaction that pays `amounts` to `address`.
fn paying(address: Address, amounts: &[Amount], number: u8) -> ScanTransaction {
    let secret = TransactionSecret::from_seed(&[number; 32]);
    let outputs = (0u32..).zip(amounts).map(|(index, amount)| {
        let (key, tag) = secret.derive(&address, index);
        Output { lock: Lock::single(key), view_tags: vec![tag], value: way(*amount) }
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

    fn scan(&mut self, scan: &ScanData) -> Vec<Found> {
        self.height = self.height.next();
        let (batch, found) = self.wallet.scan(self.height, scan);
        self.store.apply(&batch);
        found
    }

    fn build(&mut self, wish: &Wish, seed: u8) -> Result<byway_records::Transaction, BuildError> {
        let (transaction, batch) = self.wallet.build(NETWORK, wish, &[], MIN, Time(1), &[seed; 32])?;
        self.store.apply(&batch);
        Ok(transaction)
    }

    fn reopen(&mut self) {
        let secret = self.wallet.secret.clone();
        self.wallet = Wallet::open(secret, &self.store).expect("reopens");
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
        [Found::Received { transaction: TransactionId(Hash([9; 32])), amount: coins(12) }]
    );
    assert!(bob.scan(&funding).is_empty());

    let payee = Payee { address: bob.wallet.address(), value: way(coins(6)) };
    let wish = Wish { payees: vec![payee], expires: Time(1000), ..Wish::default() };
    let transaction = alice.build(&wish, 3).expect("enough money");
    verify(NETWORK, transaction.clone()).expect("well-formed and well-signed");
    assert!(transaction.body.outputs.len() >= 2 * OUTPUTS_PER_PAYEE);
    assert!(alice.free() <= coins(7), "the input is held");

    alice.reopen();
    let made = scan_of(vec![as_scanned(&transaction)], 20);
    assert_eq!(alice.scan(&made), [Found::Final(transaction.id())]);
    assert_eq!(bob.scan(&made), [Found::Received { transaction: transaction.id(), amount: coins(6) }]);
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
        let payee = Payee { address: Rig::new(2).wallet.address(), value: way(coins(1)) };
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
        payees: vec![Payee { address: Rig::new(2).wallet.address(), value: way(amount) }],
        fee: coins(1),
        ..Wish::default()
    };
    assert!(matches!(alice.build(&pay(coins(5)), 3), Err(BuildError::TooLittle { .. })));
    let transaction = alice.build(&pay(coins(4)), 3).expect("exactly enough");
    let sum = Amount::checked_sum(transaction.body.outputs.iter().map(|output| output.value.amount));
    assert_eq!(sum, Some(coins(4)));
}
