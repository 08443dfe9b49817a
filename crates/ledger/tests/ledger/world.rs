//! A small network under test: a few people with wallets and identities, and a ledger that is checked after every
//! commit.

use byway_crypto::ghost::TransactionSecret;
use byway_crypto::noise::StaticKey;
use byway_crypto::{GhostKey, IdentitySecret, NodeSecret, Purpose, WalletSecret};
use byway_ledger::{Commit, Executed, Ledger, NewCheckpoint, Verdict};
use byway_primitives::{Amount, AssetId, Batch, Hash, IdentityId, MemoryStore, NetworkId, Span, Time};
use byway_records::asset::{AssetTerms, Decimals};
use byway_records::call::kernel::{ConvictionId, Upgrade};
use byway_records::call::{
    AccountsCall, AssetsCall, Contribution, KernelCall, MemberEntry, OffersCall, RegistryCall, Take, kernel,
};
use byway_records::genesis::{NamePrices, Wait};
use byway_records::offer::{Contact, Location, Price, Service, Unit};
use byway_records::promise::{Promise, ReservationId, Series};
use byway_records::state::{Account, AssetRecord, account_key, asset_key, epoch_next_key};
use byway_records::transaction::KeySignature;
use byway_records::{
    Backing, Body, Call, Evidence, Genesis, Input, Lock, Member, MemberSet, Offer, Output, OutputId, Parameters,
    ProgramId, PromisePair, Reject, Transaction, TransactionId, Value, VerifiedTransaction, Witness, verified,
};

pub const START: Time = Time(1_700_000_000_000);
/// Milliseconds that `World::wait` needs to let any notice period pass.
pub const NOTICE: Wait = Wait { millis: Span::seconds(10), commits: 5 };
pub const OFFER_LIFE: Wait = Wait { millis: Span::seconds(100), commits: 10 };
pub const PLEDGE_LOCK: Wait = Wait { millis: Span::seconds(50), commits: 12 };
pub const ROTATION_PAUSE: Wait = Wait { millis: Span::seconds(5), commits: 9 };
pub const APPEAL_TIME: Wait = Wait { millis: Span::seconds(20), commits: 10 };
pub const KERNEL_PLEDGE: u128 = 5_000_000;
pub const OUTPUT_MIN: u128 = 1_000;
pub const PUBLISH_PRICE: u128 = 10_000;
pub const ASSET_PRICE: u128 = 20_000;
pub const CHANNEL_PRICE: u128 = 1_000;
pub const HOLDERS_PRICE: u128 = 3_000;
pub const COMMIT_PRICE: u128 = 2_000;
pub const NAME_PRICES: [u128; 4] = [50_000, 20_000, 9_000, 4_000];
pub const HOLDERS_LIFE: Wait = Wait { millis: Span::seconds(60), commits: 6 };
pub const NAME_REVEAL: Wait = Wait { millis: Span::seconds(10), commits: 4 };
pub const NAME_YEAR: Wait = Wait { millis: Span::seconds(100), commits: 8 };
pub const NAME_GRACE: Wait = Wait { millis: Span::seconds(20), commits: 3 };

pub const ALICE: usize = 0;
pub const BOB: usize = 1;
pub const CAROL: usize = 2;

/// An unspent output and who can spend it.
#[derive(Debug, Clone)]
pub struct Coin {
    pub owner: usize,
    pub id: OutputId,
    pub output: Output,
    pub ghost: GhostKey,
}

#[derive(Clone)]
pub struct Person {
    pub wallet: WalletSecret,
    pub identity: IdentitySecret,
}

#[derive(Clone)]
pub struct World {
    pub genesis: Genesis,
    pub network: NetworkId,
    pub ledger: Ledger,
    pub store: MemoryStore,
    pub people: Vec<Person>,
    pub coins: Vec<Coin>,
    pub batches: Vec<Batch>,
    pub commits: Vec<Recorded>,
    pub checkpoints: Vec<NewCheckpoint>,
    pub time: Time,
    nonce: u64,
}

/// A commit as it was executed.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub index: u64,
    pub time: Time,
    pub transactions: Vec<VerifiedTransaction>,
}

impl Recorded {
    pub fn as_commit(&self) -> Commit<'_> {
        Commit { index: self.index, time: self.time, transactions: self.transactions.iter().collect() }
    }
}

/// A transaction in the making.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    pub inputs: Vec<Coin>,
    pub outputs: Vec<(usize, Value)>,
    pub call: Option<Call>,
    pub pays: Option<Value>,
    pub draws: Option<Value>,
    pub fee: Amount,
    pub expires: Time,
    pub signers: Vec<usize>,
}

pub fn units(units: u128) -> Amount {
    Amount::from_units(units)
}

pub fn way(units: u128) -> Value {
    Value { asset: AssetId::WAY, amount: Amount::from_units(units) }
}

fn people() -> Vec<Person> {
    let person = |seed: u8| Person {
        wallet: WalletSecret::from_seed(&[seed; 32]),
        identity: IdentitySecret::from_bytes(&[seed; 32]).expect("a key"),
    };
    (1..=3).map(person).collect()
}

pub fn parameters() -> Parameters {
    let mut parameters = Parameters::standard();
    parameters.checkpoint_commits = 8;
    parameters.registration_pledge = units(1_000_000);
    parameters.withdrawal_notice = NOTICE;
    parameters.offer_life = OFFER_LIFE;
    parameters.holders_life = HOLDERS_LIFE;
    parameters.name_reveal = NAME_REVEAL;
    parameters.name_year = NAME_YEAR;
    parameters.name_grace = NAME_GRACE;
    parameters.call_prices.holders_set = units(HOLDERS_PRICE);
    parameters.call_prices.name_commit = units(COMMIT_PRICE);
    let [of_3, of_4, of_5_or_6, of_7_or_more] = NAME_PRICES.map(units);
    parameters.call_prices.name_year = NamePrices { of_3, of_4, of_5_or_6, of_7_or_more };
    parameters.kernel_pledge = units(KERNEL_PLEDGE);
    parameters.pledge_lock = PLEDGE_LOCK;
    parameters.rotation_pause = ROTATION_PAUSE;
    parameters.appeal_time = APPEAL_TIME;
    parameters.output_min = units(OUTPUT_MIN);
    parameters.call_prices.offer_publish = units(PUBLISH_PRICE);
    parameters.call_prices.asset_register = units(ASSET_PRICE);
    parameters.call_prices.channel = units(CHANNEL_PRICE);
    parameters.call_prices.gas = units(1);
    parameters
}

/// Each person starts with these coins.
pub const FIRST_COINS: [u128; 3] = [1_000_000_000, 50_000_000, 2_000_000];

/// Who owns a kernel node of the genesis.
pub fn owner_of(node: u8) -> usize {
    usize::from(node) % 3
}

/// The hot key of a kernel node.
pub fn node_secret(node: u8) -> NodeSecret {
    NodeSecret::from_seed(&[node; 32])
}

fn member(node: u8, owner: IdentityId) -> Member {
    Member {
        name: format!("kernel {node}"),
        owner,
        key: node_secret(node).public(),
        mesh: StaticKey([node; 32]),
        dealing: node_secret(node).dealing().public(),
        address: format!("127.0.0.1:{}", 7000 + u16::from(node)),
    }
}

pub fn genesis() -> Genesis {
    let members = (0..4u8).map(|node| member(node, people()[owner_of(node)].identity.id()));
    let secret = TransactionSecret::from_seed(&[99; 32]);
    let owners = people().into_iter().flat_map(|person| FIRST_COINS.map(|coin| (person.wallet.address(), coin)));
    let outputs = (0u32..).zip(owners).map(|(index, (address, coin))| {
        let (key, tag) = secret.derive(&address, index);
        Output { lock: Lock::single(key), view_tags: vec![tag], value: way(coin) }
    });
    let genesis = Genesis {
        name: "test".into(),
        time: START,
        test: true,
        parameters: parameters(),
        members: MemberSet::new(members.collect()),
        pool: Amount::from_coins(500_000),
        ghost: secret.public(),
        outputs: outputs.collect(),
    };
    genesis.validate().expect("a good genesis");
    genesis
}

impl World {
    pub fn new() -> Self {
        Self::with(genesis())
    }

    pub fn with(genesis: Genesis) -> Self {
        let (ledger, batch) = Ledger::genesis(&genesis);
        let mut store = MemoryStore::new();
        store.apply(&batch);
        let mut world = Self {
            network: genesis.network(),
            people: people(),
            ledger,
            store,
            coins: Vec::new(),
            batches: vec![batch],
            commits: Vec::new(),
            checkpoints: Vec::new(),
            time: genesis.time,
            nonce: 0,
            genesis,
        };
        world.collect(world.genesis.transaction(), world.genesis.ghost, &world.genesis.outputs.clone());
        world
    }

    pub fn id(&self, person: usize) -> IdentityId {
        self.people[person].identity.id()
    }

    /// The person's coins in WAY, largest first.
    pub fn coins_of(&self, person: usize) -> Vec<Coin> {
        self.coins_in(person, AssetId::WAY)
    }

    /// The person's coins in an asset, largest first.
    pub fn coins_in(&self, person: usize, asset: AssetId) -> Vec<Coin> {
        let of_asset = |coin: &&Coin| coin.owner == person && coin.output.value.asset == asset;
        let mut coins: Vec<_> = self.coins.iter().filter(of_asset).cloned().collect();
        coins.sort_by_key(|coin| std::cmp::Reverse(coin.output.value.amount));
        coins
    }

    pub fn account(&self, person: usize) -> Option<Account> {
        self.account_in(person, AssetId::WAY)
    }

    pub fn account_in(&self, person: usize, asset: AssetId) -> Option<Account> {
        self.ledger.tree(ProgramId::ACCOUNTS)?.read(&account_key(self.id(person), asset))
    }

    pub fn balance(&self, person: usize) -> u128 {
        self.account(person).map_or(0, |account| account.balance.units())
    }

    /// Signs a draft as it stands.
    pub fn sign(&mut self, draft: &Draft) -> VerifiedTransaction {
        verified::verify(self.network, self.sign_raw(draft)).expect("well-formed")
    }

    fn sign_raw(&mut self, draft: &Draft) -> Transaction {
        self.nonce += 1;
        let mut seed = [7; 32];
        seed[..8].copy_from_slice(&self.nonce.to_le_bytes());
        let secret = TransactionSecret::from_seed(&seed);
        let outputs = (0u32..).zip(&draft.outputs).map(|(index, (owner, value))| {
            let (key, tag) = secret.derive(&self.people[*owner].wallet.address(), index);
            Output { lock: Lock::single(key), view_tags: vec![tag], value: *value }
        });
        let inputs = draft.inputs.iter().map(|coin| Input { spent: coin.id, lock: coin.output.lock.clone() });
        let body = Body {
            inputs: inputs.collect(),
            outputs: outputs.collect(),
            ghost: (!draft.outputs.is_empty()).then(|| secret.public()),
            call: draft.call.as_ref().map(|call| call.envelope(draft.pays, draft.draws)),
            fee: draft.fee,
            expires: self.expires(draft),
        };
        self.witness(draft, body)
    }

    /// A call without inputs and outputs is told from an earlier attempt only by its time.
    fn expires(&self, draft: &Draft) -> Time {
        let distinct = draft.expires != Time::ZERO || !draft.inputs.is_empty() || !draft.outputs.is_empty();
        if distinct { draft.expires } else { self.time + Span::days(1) + Span::millis(self.nonce) }
    }

    fn witness(&self, draft: &Draft, body: Body) -> Transaction {
        let message = body.id().0.0;
        let spends = draft.inputs.iter().map(|coin| {
            let wallet = &self.people[coin.owner].wallet;
            let key = coin.output.lock.keys[0];
            let secret = wallet.spend_secret(coin.ghost, coin.id.index, key).expect("the owner's");
            vec![KeySignature { key: 0, signature: secret.sign(self.network, &message) }]
        });
        let authorisations = draft.signers.iter().map(|signer| {
            self.people[*signer].identity.sign(Purpose::Authorise, self.network, &body.authorise_message())
        });
        let witness = Witness { spends: spends.collect(), authorisations: authorisations.collect() };
        Transaction { body, witness }
    }

    /// Executes one commit a millisecond later, or several where checkpoints are full, and checks what must hold after every
    /// commit.
    pub fn commit(&mut self, transactions: &[VerifiedTransaction]) -> Vec<Verdict> {
        self.time = self.time + Span::millis(1);
        let mut verdicts = Vec::new();
        while {
            let executed = self.execute(&transactions[verdicts.len()..]);
            verdicts.extend(executed.verdicts.iter().map(|(_, verdict)| *verdict));
            verdicts.len() < transactions.len()
        } {}
        for (transaction, verdict) in transactions.iter().zip(&verdicts) {
            if *verdict == Verdict::Final {
                let body = &transaction.transaction().body;
                self.coins.retain(|coin| body.inputs.iter().all(|input| input.spent != coin.id));
                if let Some(ghost) = body.ghost {
                    self.collect(transaction.id(), ghost, &body.outputs);
                }
            }
        }
        let (supply, way) = (self.ledger.supply(&self.store), self.genesis.supply().expect("fits"));
        assert_eq!(supply.check(way), Ok(()), "supply is conserved, and of other assets there is what was issued");
        verdicts
    }

    fn execute(&mut self, transactions: &[VerifiedTransaction]) -> Executed {
        let (index, transactions) = (self.ledger.commits() + 1, transactions.to_vec());
        let commit = Recorded { index, time: self.time, transactions };
        let executed = self.ledger.execute(&commit.as_commit(), &self.store);
        self.commits.push(commit);
        self.store.apply(&executed.batch);
        self.batches.push(executed.batch.clone());
        self.checkpoints.extend(executed.checkpoint.clone());
        executed
    }

    /// Executes one transaction in a commit of its own.
    pub fn run(&mut self, draft: &Draft) -> Verdict {
        let transaction = self.sign(draft);
        self.commit(&[transaction])[0]
    }

    /// As [`run`](Self::run), for what must become final. Gives the id.
    pub fn must(&mut self, draft: &Draft) -> TransactionId {
        let transaction = self.sign(draft);
        let id = transaction.id();
        assert_eq!(self.commit(&[transaction]), [Verdict::Final]);
        id
    }

    /// As [`run`](Self::run), for what must be rejected.
    pub fn refuses(&mut self, draft: &Draft, reason: Reject) {
        assert_eq!(self.run(draft), Verdict::Rejected(reason));
    }

    /// Lets time and commits pass.
    pub fn wait(&mut self, wait: Wait) {
        self.time = self.time + wait.millis;
        (0..wait.commits).for_each(|_| drop(self.commit(&[])));
    }

    fn collect(&mut self, transaction: TransactionId, ghost: GhostKey, outputs: &[Output]) {
        for (index, output) in (0u32..).zip(outputs) {
            let key = output.lock.keys[0];
            let owns = |person: &Person| person.wallet.view_secret().owns(ghost, index, key, output.view_tags[0]);
            let owner = self.people.iter().position(owns).expect("outputs here pay people here");
            self.coins.push(Coin { owner, id: OutputId { transaction, index }, output: output.clone(), ghost });
        }
    }

    // Drafts of every kind.

    /// Spends `coin`, puts `out` into the draft's call or fee, and gives the rest back to its owner.
    pub fn funded(&self, coin: Coin, draft: Draft) -> Draft {
        let out = draft.fee.units() + draft.pays.map_or(0, |value| value.amount.units());
        let rest = coin.output.value.amount.units() - out;
        let mut draft = draft;
        if rest > 0 {
            draft.outputs.push((coin.owner, Value { amount: units(rest), ..coin.output.value }));
        }
        draft.inputs.push(coin);
        draft
    }

    pub fn transfer(&self, coin: Coin, to: usize, amount: u128) -> Draft {
        let rest = coin.output.value.amount.units() - amount;
        let value = |amount| Value { amount: units(amount), ..coin.output.value };
        let mut outputs = vec![(to, value(amount))];
        if rest > 0 {
            outputs.push((coin.owner, value(rest)));
        }
        Draft { inputs: vec![coin], outputs, ..Draft::default() }
    }

    pub fn deposit(&self, coin: Coin, to: usize, amount: u128) -> Draft {
        let call = Some(Call::Accounts(AccountsCall::Deposit { to: self.id(to) }));
        let pays = Some(Value { amount: units(amount), ..coin.output.value });
        self.funded(coin, Draft { call, pays, ..Draft::default() })
    }

    pub fn announce(&self, person: usize, amount: u128) -> Draft {
        let (from, asset, amount) = (self.id(person), AssetId::WAY, units(amount));
        self.act(person, AccountsCall::AnnounceWithdrawal { from, asset, amount })
    }

    pub fn withdraw(&self, person: usize, amount: u128) -> Draft {
        Draft {
            outputs: vec![(person, way(amount))],
            draws: Some(way(amount)),
            ..self.act(person, AccountsCall::Withdraw { from: self.id(person) })
        }
    }

    pub fn act(&self, signer: usize, call: AccountsCall) -> Draft {
        Draft { call: Some(Call::Accounts(call)), signers: vec![signer], ..Draft::default() }
    }

    pub fn promise(&self, payer: usize, payee: usize, backing: Backing, serial: u64, amount: u128) -> Promise {
        let series = Series { payer: self.id(payer), payee: self.id(payee), asset: AssetId::WAY, backing };
        Promise { network: self.network, series, serial, amount: units(amount) }
    }

    /// Settles a promise. Nobody signs the transaction: the two signatures are inside.
    pub fn settle(&self, payer: usize, payee: usize, promise: Promise, take: Take) -> Draft {
        let countersigned = promise.countersign(take, &self.people[payee].identity);
        let promise = promise.sign(&self.people[payer].identity);
        let call = AccountsCall::Settle { promise, payee: countersigned, take };
        Draft { call: Some(Call::Accounts(call)), ..Draft::default() }
    }

    /// Settles what two promise each other, each by serial and amount. Nobody signs the transaction here either.
    pub fn settle_pair(&self, [one, other]: [usize; 2], by_one: (u64, u128), by_other: (u64, u128)) -> Draft {
        let signed = |payer: usize, payee, (serial, amount)| {
            self.promise(payer, payee, Backing::Account, serial, amount).sign(&self.people[payer].identity)
        };
        let pair = PromisePair::new(signed(one, other, by_one), signed(other, one, by_other)).expect("each way one");
        let countersigned = [one, other].map(|who| (self.id(who), pair.countersign(&self.people[who].identity)));
        let pair = pair.with(countersigned).expect("its parties");
        Draft { call: Some(Call::Accounts(AccountsCall::SettlePair(Box::new(pair)))), ..Draft::default() }
    }

    pub fn reserve(&self, payer: usize, payee: usize, amount: u128, until: Time) -> Draft {
        let (payer_id, payee) = (self.id(payer), self.id(payee));
        self.act(payer, AccountsCall::Reserve { payer: payer_id, payee, value: way(amount), until })
    }

    pub fn release(&self, signer: usize, reservation: ReservationId) -> Draft {
        self.act(signer, AccountsCall::Release { reservation })
    }

    pub fn register(&self, coin: Coin, person: usize) -> Draft {
        let key = self.people[person].identity.public();
        let call = Some(Call::Registry(RegistryCall::Register { key }));
        let pays = Some(Value { asset: AssetId::WAY, amount: self.genesis.parameters.registration_pledge });
        self.funded(coin, Draft { call, pays, signers: vec![person], ..Draft::default() })
    }

    pub fn offer(&self, provider: usize, serial: u64, price: u128, contact: &str) -> Offer {
        let place = Location { country: "DE".parse().expect("a country"), asn: 3320 };
        Offer {
            provider: self.id(provider),
            serial,
            service: Service::SOCKS,
            location: place,
            exit: place,
            bandwidth_bps: 100_000_000,
            prices: vec![Price { unit: Unit::Mb, amount: units(price), asset: AssetId::WAY, reputation_min: 0 }],
            exit_policy: Vec::new(),
            contacts: vec![Contact { protocol: "iroh".into(), data: contact.into() }],
        }
    }

    pub fn publish(&self, coin: Coin, provider: usize, offer: Offer) -> Draft {
        let offer = offer.sign(&self.people[provider].identity, self.network);
        let call = Some(Call::Offers(OffersCall::Publish { offer }));
        self.funded(coin, Draft { call, fee: units(PUBLISH_PRICE), signers: vec![provider], ..Draft::default() })
    }

    pub fn withdraw_offer(&self, provider: usize, serial: u64) -> Draft {
        let call = Some(Call::Offers(OffersCall::Withdraw { provider: self.id(provider), serial }));
        Draft { call, signers: vec![provider], ..Draft::default() }
    }

    fn kernel_call(&self, signer: Option<usize>, call: KernelCall) -> Draft {
        Draft { call: Some(Call::Kernel(call)), signers: signer.into_iter().collect(), ..Draft::default() }
    }

    fn entry(&self, owner: usize, node: u8) -> MemberEntry {
        MemberEntry::sign(member(node, self.id(owner)), &node_secret(node), self.network)
    }

    pub fn pledge(&self, coin: Coin, owner: usize, node: u8) -> Draft {
        let call = KernelCall::Pledge { entry: self.entry(owner, node) };
        self.funded(coin, Draft { pays: Some(way(KERNEL_PLEDGE)), ..self.kernel_call(Some(owner), call) })
    }

    /// A node says that it has caught up, in the seat that it has since an epoch.
    pub fn ready(&self, seat: u8, node: u8, since: u32) -> Draft {
        let signature = node_secret(node).sign(Purpose::Ready, self.network, &kernel::ready(seat, since));
        self.kernel_call(None, KernelCall::Ready { seat, signature })
    }

    pub fn leave(&self, owner: usize, seat: u8) -> Draft {
        self.kernel_call(Some(owner), KernelCall::Leave { seat })
    }

    pub fn reclaim(&self, owner: usize, seat: u8) -> Draft {
        Draft {
            outputs: vec![(owner, way(KERNEL_PLEDGE))],
            draws: Some(way(KERNEL_PLEDGE)),
            ..self.kernel_call(Some(owner), KernelCall::Reclaim { seat })
        }
    }

    pub fn rotate(&self, owner: usize, seat: u8, node: u8) -> Draft {
        self.kernel_call(Some(owner), KernelCall::Rotate { seat, entry: self.entry(owner, node) })
    }

    pub fn accuse(&self, evidence: Evidence) -> Draft {
        self.kernel_call(None, KernelCall::Accuse { evidence: Box::new(evidence) })
    }

    pub fn appeal(&self, owner: usize, conviction: ConvictionId) -> Draft {
        self.kernel_call(Some(owner), KernelCall::Appeal { conviction })
    }

    pub fn upgrade(&self, owner: usize, seat: u8, to: Upgrade) -> Draft {
        self.kernel_call(Some(owner), KernelCall::Upgrade { seat, to })
    }

    /// A contribution of whoever holds the key of `node`, in the name of the member in `seat`.
    pub fn contribute(&self, seat: u8, node: u8, occasion: Hash, contribution: Contribution) -> Draft {
        let signature = contribution.sign(&node_secret(node), self.network, occasion, seat);
        self.kernel_call(None, KernelCall::Contribute { seat, contribution, signature })
    }

    /// Lets commits pass until the epoch that is prepared has begun.
    pub fn turn(&mut self) {
        let is_prepared = |world: &World| world.ledger.tree(ProgramId::SYSTEM)?.value(&epoch_next_key()).map(drop);
        for _ in 0..self.genesis.parameters.checkpoint_commits {
            if is_prepared(self).is_some() {
                self.commit(&[]);
            }
        }
        assert_eq!(is_prepared(self), None, "a checkpoint came");
    }

    /// Alice takes every seat that is free.
    pub fn fill_kernel(&mut self) {
        let taken: Vec<u8> = self.ledger.epoch().seats.iter().map(|(seat, _)| seat).collect();
        for seat in (0..50).filter(|seat| !taken.contains(seat)) {
            self.must(&self.pledge(self.coin(ALICE), ALICE, 50 + seat));
        }
        self.turn();
    }

    /// The asset that a person issues: two digits after the point.
    pub fn terms(&self, issuer: usize) -> AssetTerms {
        let (symbol, name) = ("ABC".parse().expect("a symbol"), "a bond".parse().expect("a name"));
        AssetTerms { issuer: self.id(issuer), symbol, name, decimals: Decimals::new(2).expect("few") }
    }

    pub fn asset(&self, asset: AssetId) -> Option<AssetRecord> {
        self.ledger.tree(ProgramId::ASSETS)?.read(&asset_key(asset))
    }

    pub fn register_asset(&self, coin: Coin, issuer: usize) -> Draft {
        let call = Some(Call::Assets(AssetsCall::Register { terms: self.terms(issuer) }));
        self.funded(coin, Draft { call, fee: units(ASSET_PRICE), signers: vec![issuer], ..Draft::default() })
    }

    /// Registers `issuer`'s asset. Alice and Bob have so much of it in their accounts then.
    pub fn give_asset(&mut self, issuer: usize, amount: Amount) -> AssetId {
        let asset = self.terms(issuer).id();
        self.must(&self.register_asset(self.coin(issuer), issuer));
        for person in [ALICE, BOB] {
            self.must(&self.issue(issuer, person, Value { asset, amount }));
            self.must(&self.deposit(self.coins_in(person, asset).swap_remove(0), person, amount.units()));
        }
        asset
    }

    /// New units of an asset for `to`, signed by `issuer`.
    pub fn issue(&self, issuer: usize, to: usize, value: Value) -> Draft {
        let call = Some(Call::Assets(AssetsCall::Issue));
        Draft { call, draws: Some(value), outputs: vec![(to, value)], signers: vec![issuer], ..Draft::default() }
    }

    /// Burns part of a coin, signed by `issuer`.
    pub fn burn(&self, issuer: usize, coin: Coin, amount: Amount) -> Draft {
        let (call, pays) = (Some(Call::Assets(AssetsCall::Burn)), Some(Value { amount, ..coin.output.value }));
        self.funded(coin, Draft { call, pays, signers: vec![issuer], ..Draft::default() })
    }

    /// The person's largest coin in WAY.
    pub fn coin(&self, person: usize) -> Coin {
        self.coins_of(person).swap_remove(0)
    }
}
