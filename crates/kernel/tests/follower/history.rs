//! A network's past: a ledger that executed commits of every kind, with a certified checkpoint after each.
//!
//! [`HISTORY`] keeps its members; in [`CHANGES`] they change three times.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use byway_crypto::ghost::TransactionSecret;
use byway_crypto::noise::StaticKey;
use byway_crypto::{GhostKey, IdentitySecret, NodeSecret, Purpose, WalletSecret};
use byway_kernel::archive::{CERTIFICATES, COMMITS, CommitRecord, EPOCHS, EpochRecord, SNAPSHOTS, stored_certificate};
use byway_kernel::follower::{PROGRAMS, Step, serve};
use byway_kernel::{Committee, Header, VerifiedSnapshot};
use byway_ledger::tree::StateTree;
use byway_ledger::{Commit, Ledger, ProvableState, Verdict};
use byway_primitives::{Amount, AssetId, Batch, Encode, IdentityId, MemoryStore, NetworkId, Span, Time};
use byway_records::call::{AccountsCall, HoldersCall, KernelCall, MemberEntry, NamesCall, OffersCall, RegistryCall};
use byway_records::genesis::Wait;
use byway_records::names::{Years, commitment};
use byway_records::offer::{Location, Price, Service, Unit};
use byway_records::transaction::KeySignature;
use byway_records::{
    Body, Call, Certificate, Checkpoint, Delegate, Epoch, Genesis, Height, Input, Lock, Member, MemberSet, Offer,
    Output, OutputId, Parameters, ProgramId, Transaction, Value, VerifiedTransaction, Witness, verified,
};

pub const MEMBERS: u8 = 7;
pub const QUORUM: u8 = 5;
pub const START: Time = Time(1_700_000_000_000);
const PLEDGE: u128 = 1_000;
const PUBLISH_PRICE: u128 = 10;
const NAME_PRICE: u128 = 20;
/// The name that the person takes.
pub const NAME: &str = "alice";
/// The height from which on it leads to the person.
pub const NAME_SETTLED: u64 = 5;
/// The height from which on the person is called so.
pub const NAME_MARKED: u64 = 7;
/// The height from which on the person holds for somebody, and the seconds after which no more.
pub const HOLDER_SET: u64 = 5;
pub const HOLDS_SECONDS: u64 = 10;
const SALT: [u8; 32] = [5; 32];
/// Checkpoints of the history.
pub const HEIGHTS: u64 = 12;

/// Heights of [`CHANGES`] with which an epoch ends: a member leaves, one changes its key, one leaves.
pub const CLOSING: [u64; 3] = [3, 6, 8];

/// One history is enough for all tests, which only read it.
pub static HISTORY: LazyLock<History> = LazyLock::new(|| History::of(genesis("test"), events));
/// The same people and members, the same events, another network.
pub static FOREIGN: LazyLock<History> = LazyLock::new(|| History::of(genesis("foreign"), events));
/// Members change.
pub static CHANGES: LazyLock<History> = LazyLock::new(|| History::of(genesis("changes"), changes));

pub struct History {
    pub genesis: Genesis,
    /// What an honest kernel node has stored.
    pub store: MemoryStore,
    /// The ledger's state at each height, genesis first.
    pub trees: Vec<BTreeMap<ProgramId, StateTree>>,
    pub checkpoints: Vec<Checkpoint>,
    /// To prove entries of, at each height, genesis first.
    pub states: Vec<ProvableState>,
    /// Who signed each checkpoint.
    pub epochs: Vec<Epoch>,
    /// What became final, and at which height.
    pub finals: Vec<(u64, VerifiedTransaction)>,
}

impl History {
    fn of(genesis: Genesis, events: fn(&mut Person, u64) -> (Vec<VerifiedTransaction>, usize)) -> Self {
        let (mut ledger, batch) = Ledger::genesis(&genesis);
        let mut store = MemoryStore::new();
        store.apply(&batch);
        let (mut trees, mut states) = (vec![trees_of(&ledger)], vec![ledger.provable_state().clone()]);
        let (mut checkpoints, mut epochs, mut made) = (Vec::new(), Vec::new(), Vec::new());
        let mut person = Person::new(&genesis);
        for index in 1..=HEIGHTS {
            let epoch = ledger.epoch().clone();
            let (transactions, expected) = events(&mut person, index);
            let time = START + Span::seconds(index);
            let commit = Commit { index, time, transactions: transactions.iter().collect() };
            let executed = ledger.execute(&commit, &store);
            let finals = executed.verdicts.iter().filter(|(_, verdict)| *verdict == Verdict::Final).count();
            assert_eq!(finals, expected, "commit {index}: {:?}", executed.verdicts);
            store.apply(&executed.batch);
            let new = executed.checkpoint.expect("every commit makes one");
            let certificate = certify_in(genesis.network(), new.checkpoint, &epoch);
            let mut batch = archived(genesis.network(), index, &epoch, transactions.clone());
            batch.put(CERTIFICATES, index.to_be_bytes(), certificate.to_bytes());
            if let Some(epoch) = new.epoch {
                let key = epoch.number.to_be_bytes();
                let record = EpochRecord { epoch, after: Height(index), after_commit: index };
                batch.put(EPOCHS, key, record.to_bytes());
            }
            store.apply(&batch);
            trees.push(trees_of(&ledger));
            states.push(ledger.provable_state().clone());
            checkpoints.push(new.checkpoint);
            epochs.push(epoch);
            let verdicts = transactions.into_iter().zip(executed.verdicts);
            made.extend(verdicts.filter(|(_, (_, v))| *v == Verdict::Final).map(|(made, _)| (index, made)));
        }
        Self { genesis, store, trees, checkpoints, states, epochs, finals: made }
    }

    /// What an honest kernel node answers.
    pub fn steps(&self, from: Height, programs: &[ProgramId]) -> Vec<Step> {
        serve::steps(&self.store, stored_certificate, from, programs, serve::ANSWER_BYTES_MAX)
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

/// A certificate as a quorum of an epoch signs it.
pub fn certify_in(network: NetworkId, checkpoint: Checkpoint, epoch: &Epoch) -> Certificate {
    let digest = checkpoint.digest();
    let sign = |(seat, member): (u8, &Member)| {
        let secret = (0..2 * NEW_KEY).map(member_secret).find(|secret| secret.public() == member.key);
        (seat, secret.expect("a key of this history").sign(Purpose::Checkpoint, network, &digest.0))
    };
    let signatures = epoch.seats.counting().take(epoch.seats.quorum()).map(sign).collect();
    Certificate { checkpoint, signatures }
}

/// What a kernel node keeps of a commit beside what its ledger does: one snapshot has all its transactions.
fn archived(network: NetworkId, index: u64, epoch: &Epoch, transactions: Vec<VerifiedTransaction>) -> Batch {
    let header = Header {
        author: byway_kernel::MemberIndex(0),
        round: epoch.first_round(),
        previous: None,
        references: Vec::new(),
        weak_references: Vec::new(),
        checkpoint: Height(index - 1),
        votes: Vec::new(),
        coin_shares: Vec::new(),
        time: START,
    };
    let committee = Committee::of_epoch(network, epoch);
    let snapshot = VerifiedSnapshot::sign(&committee, &member_secret(0), header, transactions);
    let reference = snapshot.reference();
    let key = [&reference.round.to_be_bytes()[..], &[reference.author.0], &reference.hash.0].concat();
    let record = CommitRecord { leader: reference, time: START, snapshots: vec![reference] };
    let mut batch = Batch::new();
    batch.put(SNAPSHOTS, key, snapshot.bytes().to_vec());
    batch.put(COMMITS, index.to_be_bytes(), record.to_bytes());
    batch
}

/// A member's other key has a number that is higher by this.
pub const NEW_KEY: u8 = 30;

/// For whom the person holds.
pub fn held_for() -> IdentityId {
    owner(1).id()
}

/// The cold identity that decides about a member.
fn owner(index: u8) -> IdentitySecret {
    IdentitySecret::from_bytes(&[60 + index; 32]).expect("a key")
}

fn member(index: u8) -> Member {
    Member {
        name: format!("kernel {index}"),
        owner: owner(index).id(),
        key: member_secret(index).public(),
        mesh: StaticKey([index; 32]),
        dealing: member_secret(index).dealing().public(),
        address: format!("127.0.0.1:{}", 7000 + u16::from(index)),
    }
}

pub fn member_secret(index: u8) -> NodeSecret {
    NodeSecret::from_seed(&[100 + index; 32])
}

fn trees_of(ledger: &Ledger) -> BTreeMap<ProgramId, StateTree> {
    PROGRAMS.map(|program| (program, ledger.tree(program).expect("a program").clone())).into()
}

fn genesis(name: &str) -> Genesis {
    let secret = TransactionSecret::from_seed(&[99; 32]);
    let (key, tag) = secret.derive(&wallet().address(), 0);
    let mut parameters = Parameters::standard();
    parameters.checkpoint_commits = 1;
    parameters.registration_pledge = Amount::from_units(PLEDGE);
    parameters.call_prices.offer_publish = Amount::from_units(PUBLISH_PRICE);
    parameters.call_prices.holders_set = Amount::ZERO;
    parameters.call_prices.name_commit = Amount::ZERO;
    parameters.call_prices.name_year.of_5_or_6 = Amount::from_units(NAME_PRICE);
    parameters.name_reveal = Wait { millis: Span::seconds(3), commits: 3 };
    let genesis = Genesis {
        name: name.to_owned(),
        time: START,
        test: name == "changes",
        parameters,
        members: MemberSet::new((0..MEMBERS).map(member).collect()),
        pool: Amount::from_coins(10),
        ghost: secret.public(),
        outputs: vec![Output { lock: Lock::single(key), view_tags: vec![tag], value: way(1_000_000) }],
    };
    genesis.validate().expect("a good genesis");
    genesis
}

/// What happens in commit `index`, and how many of it become final: a registration, offers published, replaced and
/// withdrawn, a name taken and marked, a holder named, deposits, transfers, a call that fails, and commits with nothing.
fn events(person: &mut Person, index: u64) -> (Vec<VerifiedTransaction>, usize) {
    match index {
        1 => (vec![person.register()], 1),
        2 => (vec![person.publish(index, 100), person.deposit(7), person.commit_to_name()], 3),
        3 => (vec![person.transfer(), person.register_name()], 2),
        5 => (vec![person.publish(index, 100), person.set_holder()], 2),
        6 => (vec![person.announce_too_much(), person.deposit(9)], 1),
        7 => (vec![person.withdraw_offer(5), person.set_primary()], 2),
        4 | 9 => (Vec::new(), 0),
        _ => (vec![person.deposit(u128::from(index)), person.publish(index, 90), person.transfer()], 3),
    }
}

/// What happens while members change. There is a payment in every epoch.
fn changes(person: &mut Person, index: u64) -> (Vec<VerifiedTransaction>, usize) {
    match index {
        1 => (vec![person.register()], 1),
        3 => (vec![person.decide(KernelCall::Leave { seat: 6 }, 6), person.transfer()], 2),
        6 => {
            let rotated = Member { key: member_secret(NEW_KEY + 1).public(), ..member(1) };
            let entry = MemberEntry::sign(rotated, &member_secret(NEW_KEY + 1), person.network);
            (vec![person.decide(KernelCall::Rotate { seat: 1, entry }, 1)], 1)
        }
        8 => (vec![person.decide(KernelCall::Leave { seat: 5 }, 5)], 1),
        _ => (vec![person.transfer(), person.deposit(u128::from(index))], 2),
    }
}

pub fn wallet() -> WalletSecret {
    WalletSecret::from_seed(&[1; 32])
}

fn way(units: u128) -> Value {
    Value { asset: AssetId::WAY, amount: Amount::from_units(units) }
}

/// What the person's identity is made from.
pub const IDENTITY: [u8; 32] = [2; 32];

/// Someone with one coin, which each transaction spends and gives back.
pub struct Person {
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
            identity: IdentitySecret::from_bytes(&IDENTITY).expect("a key"),
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

    fn commit_to_name(&mut self) -> VerifiedTransaction {
        let identity = self.identity.id();
        let commitment = commitment(identity, &NAME.parse().expect("a name"), &SALT);
        let call = NamesCall::Commit { identity, commitment };
        self.sign(self.body(Some(Call::Names(call)), Vec::new(), Amount::ZERO))
    }

    fn register_name(&mut self) -> VerifiedTransaction {
        let (name, years) = (NAME.parse().expect("a name"), Years::new(1).expect("few"));
        let call = NamesCall::Register { owner: self.identity.id(), name, years, salt: SALT };
        self.spend(Some(Call::Names(call)), 0, NAME_PRICE)
    }

    fn set_primary(&mut self) -> VerifiedTransaction {
        let call = NamesCall::SetPrimary { identity: self.identity.id(), name: NAME.parse().ok() };
        self.sign(self.body(Some(Call::Names(call)), Vec::new(), Amount::ZERO))
    }

    /// The owner of a member has the person hold for it.
    fn set_holder(&mut self) -> VerifiedTransaction {
        let until = START + Span::seconds(HOLDS_SECONDS);
        let delegates = vec![Delegate { holder: self.identity.id(), until }];
        let call = HoldersCall::Set { identity: held_for(), serial: 1, delegates };
        let body = self.body(Some(Call::Holders(call)), Vec::new(), Amount::ZERO);
        self.sign_as(body, &owner(1))
    }

    fn announce_too_much(&mut self) -> VerifiedTransaction {
        let (from, amount) = (self.identity.id(), Amount::from_coins(1_000));
        let call = AccountsCall::AnnounceWithdrawal { from, asset: AssetId::WAY, amount };
        self.sign(self.body(Some(Call::Accounts(call)), Vec::new(), Amount::ZERO))
    }

    /// The owner of a member decides about it.
    fn decide(&mut self, call: KernelCall, member: u8) -> VerifiedTransaction {
        let body = self.body(Some(Call::Kernel(call)), Vec::new(), Amount::ZERO);
        self.sign_as(body, &owner(member))
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
        let identity = IdentitySecret::from_bytes(&IDENTITY).expect("a key");
        self.sign_as(body, &identity)
    }

    fn sign_as(&mut self, body: Body, identity: &IdentitySecret) -> VerifiedTransaction {
        self.made += 1;
        let message = body.id().0.0;
        let (id, output, ghost) = &self.coin;
        let secret = wallet().spend_secret(*ghost, id.index, output.lock.keys[0]).expect("its own");
        let spend = |_: &Input| vec![KeySignature { key: 0, signature: secret.sign(self.network, &message) }];
        let authorises =
            body.call.as_ref().is_some_and(|call| call.program != ProgramId::ACCOUNTS || call.pays.is_none());
        let authorise = || identity.sign(Purpose::Authorise, self.network, &body.authorise_message());
        let witness = Witness {
            spends: body.inputs.iter().map(spend).collect(),
            authorisations: authorises.then(authorise).into_iter().collect(),
        };
        verified::verify(self.network, Transaction { body, witness }).expect("well-formed")
    }
}
