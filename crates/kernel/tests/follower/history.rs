//! A network's past: a ledger that executed commits of every kind, with a certified checkpoint after each.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use byway_crypto::ghost::TransactionSecret;
use byway_crypto::noise::StaticKey;
use byway_crypto::{GhostKey, IdentitySecret, NodeSecret, Purpose, WalletSecret};
use byway_kernel::archive::{CERTIFICATES, stored_certificate};
use byway_kernel::follower::{PROGRAMS, Step, serve};
use byway_ledger::tree::StateTree;
use byway_ledger::{Commit, Ledger, Verdict};
use byway_primitives::{Amount, AssetId, Batch, Encode, IdentityId, MemoryStore, NetworkId, Span, Time};
use byway_records::call::{AccountsCall, OffersCall, RegistryCall};
use byway_records::offer::{Location, Price, Service, Unit};
use byway_records::transaction::KeySignature;
use byway_records::{
    Body, Call, Certificate, Checkpoint, Genesis, Height, Input, Lock, Member, MemberSet, Offer, Output, OutputId,
    Parameters, ProgramId, Transaction, Value, VerifiedTransaction, Witness, verified,
};

pub const MEMBERS: u8 = 7;
pub const QUORUM: u8 = 5;
const START: Time = Time(1_700_000_000_000);
const PLEDGE: u128 = 1_000;
const PUBLISH_PRICE: u128 = 10;
/// Checkpoints of the history.
pub const HEIGHTS: u64 = 12;

/// One history is enough for all tests, which only read it.
pub static HISTORY: LazyLock<History> = LazyLock::new(|| History::of(genesis("test")));
/// The same people and members, the same events, another network.
pub static FOREIGN: LazyLock<History> = LazyLock::new(|| History::of(genesis("foreign")));

pub struct History {
    pub genesis: Genesis,
    /// What an honest kernel node has stored.
    pub store: MemoryStore,
    /// The ledger's state at each height, genesis first.
    pub trees: Vec<BTreeMap<ProgramId, StateTree>>,
    pub checkpoints: Vec<Checkpoint>,
}

impl History {
    fn of(genesis: Genesis) -> Self {
        let (mut ledger, batch) = Ledger::genesis(&genesis);
        let mut store = MemoryStore::new();
        store.apply(&batch);
        let mut trees = vec![trees_of(&ledger)];
        let mut checkpoints = Vec::new();
        let mut person = Person::new(&genesis);
        for index in 1..=HEIGHTS {
            let (transactions, expected) = events(&mut person, index);
            let time = START + Span::seconds(index);
            let commit = Commit { index, time, transactions: transactions.iter().collect() };
            let executed = ledger.execute(&commit, &store);
            let finals = executed.verdicts.iter().filter(|(_, verdict)| *verdict == Verdict::Final).count();
            assert_eq!(finals, expected, "commit {index}: {:?}", executed.verdicts);
            store.apply(&executed.batch);
            let checkpoint = executed.checkpoint.expect("every commit makes one").checkpoint;
            let certificate = certify(genesis.network(), checkpoint, 0..QUORUM);
            let mut batch = Batch::new();
            batch.put(CERTIFICATES, index.to_be_bytes(), certificate.to_bytes());
            store.apply(&batch);
            trees.push(trees_of(&ledger));
            checkpoints.push(checkpoint);
        }
        Self { genesis, store, trees, checkpoints }
    }

    /// What an honest kernel node answers.
    pub fn steps(&self, from: Height, programs: &[ProgramId]) -> Vec<Step> {
        serve::steps(&self.store, stored_certificate, from, programs)
    }

    /// The step to `height`, for a follower of everything.
    pub fn step(&self, height: u64) -> Step {
        self.steps(Height(height), &PROGRAMS).swap_remove(0)
    }
}

/// A certificate as the members with these numbers sign it.
pub fn certify(network: NetworkId, checkpoint: Checkpoint, signers: impl IntoIterator<Item = u8>) -> Certificate {
    let digest = checkpoint.digest();
    let sign = |index: u8| (index, member_secret(index).sign(Purpose::Checkpoint, network, &digest.0));
    Certificate { checkpoint, signatures: signers.into_iter().map(sign).collect() }
}

pub fn member_secret(index: u8) -> NodeSecret {
    NodeSecret::from_seed(&[100 + index; 32])
}

fn trees_of(ledger: &Ledger) -> BTreeMap<ProgramId, StateTree> {
    PROGRAMS.map(|program| (program, ledger.tree(program).expect("a program").clone())).into()
}

fn genesis(name: &str) -> Genesis {
    let members = (0..MEMBERS).map(|index| Member {
        name: format!("kernel {index}"),
        owner: IdentityId([index; 20]),
        key: member_secret(index).public(),
        mesh: StaticKey([index; 32]),
        address: format!("127.0.0.1:{}", 7000 + u16::from(index)),
    });
    let secret = TransactionSecret::from_seed(&[99; 32]);
    let (key, tag) = secret.derive(&wallet().address(), 0);
    let mut parameters = Parameters::standard();
    parameters.checkpoint_commits = 1;
    parameters.registration_pledge = Amount::from_units(PLEDGE);
    parameters.call_prices.offer_publish = Amount::from_units(PUBLISH_PRICE);
    let genesis = Genesis {
        name: name.to_owned(),
        time: START,
        test: false,
        parameters,
        members: MemberSet::new(members.collect()),
        pool: Amount::from_coins(10),
        ghost: secret.public(),
        outputs: vec![Output { lock: Lock::single(key), view_tags: vec![tag], value: way(1_000_000) }],
    };
    genesis.validate().expect("a good genesis");
    genesis
}

/// What happens in commit `index`, and how many of it become final: a registration, offers published, replaced and
/// withdrawn, deposits, transfers, a call that fails, and commits with nothing.
fn events(person: &mut Person, index: u64) -> (Vec<VerifiedTransaction>, usize) {
    match index {
        1 => (vec![person.register()], 1),
        2 | 5 => (vec![person.publish(index, 100), person.deposit(7)], 2),
        3 => (vec![person.transfer(), person.transfer()], 2),
        6 => (vec![person.announce_too_much(), person.deposit(9)], 1),
        7 => (vec![person.withdraw_offer(5)], 1),
        4 | 9 => (Vec::new(), 0),
        _ => (vec![person.deposit(u128::from(index)), person.publish(index, 90), person.transfer()], 3),
    }
}

fn wallet() -> WalletSecret {
    WalletSecret::from_seed(&[1; 32])
}

fn way(units: u128) -> Value {
    Value { asset: AssetId::WAY, amount: Amount::from_units(units) }
}

/// Someone with one coin, which each transaction spends and gives back.
struct Person {
    network: NetworkId,
    identity: IdentitySecret,
    coin: (OutputId, Output, GhostKey),
    made: u64,
}

impl Person {
    fn new(genesis: &Genesis) -> Self {
        let id = OutputId { transaction: genesis.transaction(), index: 0 };
        Self {
            network: genesis.network(),
            identity: IdentitySecret::from_bytes(&[2; 32]).expect("a key"),
            coin: (id, genesis.outputs[0].clone(), genesis.ghost),
            made: 0,
        }
    }

    fn register(&mut self) -> VerifiedTransaction {
        let call = RegistryCall::Register { key: self.identity.public() };
        self.spend(Some(Call::Registry(call)), PLEDGE, 0)
    }

    fn deposit(&mut self, units: u128) -> VerifiedTransaction {
        self.spend(Some(Call::Accounts(AccountsCall::Deposit { to: self.identity.id() })), units, 0)
    }

    fn transfer(&mut self) -> VerifiedTransaction {
        self.spend(None, 0, 0)
    }

    fn publish(&mut self, serial: u64, price: u128) -> VerifiedTransaction {
        let place = Location { country: "DE".parse().expect("a country"), asn: 3320 };
        let offer = Offer {
            provider: self.identity.id(),
            serial,
            service: Service::SOCKS,
            location: place,
            exit: place,
            bandwidth_bps: 1_000_000,
            prices: vec![Price {
                unit: Unit::Mb,
                amount: Amount::from_units(price),
                asset: AssetId::WAY,
                reputation_min: 0,
            }],
            exit_policy: Vec::new(),
            contacts: Vec::new(),
        };
        let offer = offer.sign(&self.identity, self.network);
        self.spend(Some(Call::Offers(OffersCall::Publish { offer })), 0, PUBLISH_PRICE)
    }

    fn withdraw_offer(&mut self, serial: u64) -> VerifiedTransaction {
        let call = OffersCall::Withdraw { provider: self.identity.id(), serial };
        self.sign(self.body(Some(Call::Offers(call)), Vec::new(), Amount::ZERO))
    }

    fn announce_too_much(&mut self) -> VerifiedTransaction {
        let (from, amount) = (self.identity.id(), Amount::from_coins(1_000));
        let call = AccountsCall::AnnounceWithdrawal { from, asset: AssetId::WAY, amount };
        self.sign(self.body(Some(Call::Accounts(call)), Vec::new(), Amount::ZERO))
    }

    fn spend(&mut self, call: Option<Call>, pays: u128, fee: u128) -> VerifiedTransaction {
        let (spent, output, _) = self.coin.clone();
        let rest = output.value.amount.units() - pays - fee;
        let inputs = vec![Input { spent, lock: output.lock }];
        let mut body = self.body(call, inputs, Amount::from_units(fee));
        if let Some(call) = &mut body.call {
            call.pays = (pays > 0).then(|| way(pays));
        }
        let mut seed = [3; 32];
        seed[..8].copy_from_slice(&self.made.to_le_bytes());
        let secret = TransactionSecret::from_seed(&seed);
        let (key, tag) = secret.derive(&wallet().address(), 0);
        body.outputs = vec![Output { lock: Lock::single(key), view_tags: vec![tag], value: way(rest) }];
        body.ghost = Some(secret.public());
        let output = body.outputs[0].clone();
        let made = self.sign(body);
        self.coin = (OutputId { transaction: made.id(), index: 0 }, output, secret.public());
        made
    }

    fn body(&self, call: Option<Call>, inputs: Vec<Input>, fee: Amount) -> Body {
        Body {
            inputs,
            outputs: Vec::new(),
            ghost: None,
            call: call.map(|call| call.envelope(None, None)),
            fee,
            expires: START + Span::days(1) + Span::millis(self.made),
        }
    }

    fn sign(&mut self, body: Body) -> VerifiedTransaction {
        self.made += 1;
        let message = body.id().0.0;
        let (id, output, ghost) = &self.coin;
        let secret = wallet().spend_secret(*ghost, id.index, output.lock.keys[0]).expect("its own");
        let spend = |_: &Input| vec![KeySignature { key: 0, signature: secret.sign(self.network, &message) }];
        let authorises =
            body.call.as_ref().is_some_and(|call| call.program != ProgramId::ACCOUNTS || call.pays.is_none());
        let authorise = || self.identity.sign(Purpose::Authorise, self.network, &body.authorise_message());
        let witness = Witness {
            spends: body.inputs.iter().map(spend).collect(),
            authorisations: authorises.then(authorise).into_iter().collect(),
        };
        verified::verify(self.network, Transaction { body, witness }).expect("well-formed")
    }
}
