//! Building and signing transactions.

use std::collections::{BTreeMap, BTreeSet};

use byway_crypto::ghost::{AddressError, TransactionSecret};
use byway_crypto::group::GroupAddressError;
use byway_crypto::{Address, Group, IdentitySecret, IdentitySignature, Purpose, WalletSecret};
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, AssetId, Batch, NetworkId, Time};
use byway_records::call::{AccountsCall, AssetsCall, Call, KernelCall};
use byway_records::transaction::{INPUTS_MAX, KeySignature, OUTPUTS_MAX};
use byway_records::{Body, Input, Lock, Output, OutputId, Transaction, TransactionId, Value, Witness};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::groups::GroupId;
use super::history::{Activity, Kind, Stage};
use super::select::{Parts, pick, shuffle, split};
use super::{OUTPUTS_PER_PAYEE, PENDING, Pending, Wallet};

/// Whom an output can be made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    One(Address),
    Group(Group),
}

/// A text is neither an address nor a group's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecipientError {
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error(transparent)]
    Group(#[from] GroupAddressError),
}

/// Someone to be paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payee {
    pub to: Recipient,
    pub value: Value,
}

/// Whose outputs are spent, and where the change goes.
pub(super) struct Holder {
    pub group: Option<GroupId>,
    pub change: Recipient,
}

/// What a transaction shall do.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    pub payees: Vec<Payee>,
    pub call: Option<Call>,
    /// Into the program that is called.
    pub pays: Option<Value>,
    /// Out of it, to this wallet.
    pub draws: Option<Value>,
    pub fee: Amount,
    /// Not executed after this ledger time.
    pub expires: Time,
    /// Spends exactly these, and makes one output per asset of what is left of them ([`Wallet::mergeable`]). Empty where
    /// the wallet picks.
    pub merge: Vec<OutputId>,
}

/// How small and how fine outputs may be.
#[derive(Debug, Clone, Default)]
pub struct Grains {
    /// The network's smallest output, in WAY.
    pub output_min: Amount,
    /// The smallest amount of other assets, of which every amount is a multiple.
    pub steps: BTreeMap<AssetId, Amount>,
}

/// Identities that sign along.
pub type Authorise<'a> = &'a [&'a IdentitySecret];

/// Why a transaction can't be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    #[error("the wallet has {have} {asset} free, {need} are needed")]
    TooLittle { have: Amount, need: Amount, asset: AssetId },
    #[error("the amounts overflow")]
    Overflow,
    #[error("the sum is spread over more than {INPUTS_MAX} outputs; consolidate them first, or send less")]
    TooScattered,
    #[error("a transaction has at most {OUTPUTS_MAX} outputs, and {OUTPUTS_PER_PAYEE} are made for each payee")]
    TooManyPayees,
    #[error("{asset} comes in multiples of {step}")]
    TooFine { asset: AssetId, step: Amount },
    #[error("an output to be merged is spent, on its way, or not this wallet's")]
    NotFree,
    #[error("the coins that were passed on have no key")]
    NoKey,
    #[error("this wallet has the view key alone: it sees everything and can't spend; use the node that has the phrase")]
    ReadOnly,
}

impl Wallet {
    /// Builds, signs and remembers a transaction. The batch must be durable before the transaction is sent, so that a
    /// crash can't forget that its inputs are held.
    ///
    /// `seed` must be fresh randomness.
    pub fn build(
        &mut self,
        network: NetworkId,
        wish: &Wish,
        authorise: Authorise<'_>,
        grains: &Grains,
        now: Time,
        seed: &[u8; 32],
    ) -> Result<(Transaction, Batch), BuildError> {
        let secret = self.secret.clone().ok_or(BuildError::ReadOnly)?;
        wish.payees.iter().try_for_each(|payee| grains.check(payee.value))?;
        let mut rng = ChaCha20Rng::from_seed(*seed);
        let holder = Holder { group: None, change: self.address().into() };
        let inputs = self.choose_inputs(wish, holder.group, &mut rng)?;
        let ghost_secret = TransactionSecret::from_seed(seed);
        let outputs = self.make_outputs(wish, &inputs, &holder, grains, &ghost_secret, &mut rng)?;
        let body = Body {
            inputs: inputs.iter().map(|id| self.input(*id)).collect(),
            ghost: (!outputs.is_empty()).then(|| ghost_secret.public()),
            outputs,
            call: wish.call.as_ref().map(|call| call.envelope(wish.pays, wish.draws)),
            fee: wish.fee,
            expires: wish.expires,
        };
        let transaction = self.sign(network, body, &secret, authorise);
        let batch = self.remember(&transaction, wish, now);
        Ok((transaction, batch))
    }

    pub(super) fn input(&self, id: OutputId) -> Input {
        let owned = &self.owned[&id];
        Input { spent: id, lock: owned.output.lock.clone() }
    }

    pub(super) fn choose_inputs(
        &self,
        wish: &Wish,
        group: Option<GroupId>,
        rng: &mut ChaCha20Rng,
    ) -> Result<Vec<OutputId>, BuildError> {
        let held = self.held();
        if !wish.merge.is_empty() {
            let is_free = |id: &OutputId| self.owned.contains_key(id) && !held.contains_key(id);
            return if wish.merge.iter().all(is_free) { Ok(wish.merge.clone()) } else { Err(BuildError::NotFree) };
        }
        let mut chosen = Vec::new();
        for (asset, need) in wish.needs()? {
            if need.is_zero() {
                continue;
            }
            let held_by = self.owned.iter().filter(|(_, owned)| owned.group == group);
            let of_asset = held_by.filter(|(_, owned)| owned.output.value.asset == asset);
            let free = of_asset.filter(|(id, _)| !held.contains_key(id));
            let items: Vec<_> = free.map(|(id, owned)| (*id, owned.output.value.amount)).collect();
            let have = Amount::checked_sum(items.iter().map(|(_, amount)| *amount)).ok_or(BuildError::Overflow)?;
            if have < need {
                return Err(BuildError::TooLittle { have, need, asset });
            }
            let room = INPUTS_MAX - chosen.len();
            chosen.extend(pick(&items, need, room, rng).ok_or(BuildError::TooScattered)?);
        }
        Ok(chosen)
    }

    /// The outputs for payees and change, in random order: so that their places don't tell which is which.
    pub(super) fn make_outputs(
        &self,
        wish: &Wish,
        inputs: &[OutputId],
        holder: &Holder,
        grains: &Grains,
        secret: &TransactionSecret,
        rng: &mut ChaCha20Rng,
    ) -> Result<Vec<Output>, BuildError> {
        let mut wanted = wish.payees.clone();
        let merged = inputs.iter().filter(|_| !wish.merge.is_empty()).map(|id| self.owned[id].output.value.asset);
        for asset in wish.assets().into_iter().chain(merged).collect::<BTreeSet<_>>() {
            let values = inputs.iter().map(|id| self.owned[id].output.value);
            let have = Amount::checked_sum(values.filter(|v| v.asset == asset).map(|v| v.amount));
            let have = have.ok_or(BuildError::Overflow)?;
            let drawn = wish.draws.filter(|v| v.asset == asset).map_or(Amount::ZERO, |v| v.amount);
            let spent = wish.spends(asset)?;
            let total = have.checked_add(drawn).ok_or(BuildError::Overflow)?;
            let change = total.checked_sub(spent).ok_or(BuildError::TooLittle { have: total, need: spent, asset })?;
            if !change.is_zero() {
                wanted.push(Payee { to: holder.change.clone(), value: Value { asset, amount: change } });
            }
        }
        let mut parts = Vec::new();
        for payee in &wanted {
            let asset = payee.value.asset;
            let (least, step) = grains.of(asset);
            let count = if wish.merge.is_empty() { OUTPUTS_PER_PAYEE } else { 1 };
            let amounts = split(payee.value.amount, Parts { count, least, step }, rng);
            parts.extend(amounts.into_iter().map(|amount| (&payee.to, Value { asset, amount })));
        }
        if parts.len() > OUTPUTS_MAX {
            return Err(BuildError::TooManyPayees);
        }
        shuffle(&mut parts, rng);
        Ok((0u32..).zip(parts).map(|(index, (to, value))| make_output(secret, to, index, value)).collect())
    }

    fn sign(&self, network: NetworkId, body: Body, secret: &WalletSecret, authorise: Authorise<'_>) -> Transaction {
        let message = body.id().0.0;
        let spends = body.inputs.iter().map(|input| {
            let owned = &self.owned[&input.spent];
            let key = owned.output.lock.keys[0];
            let secret = secret.spend_secret(owned.ghost, input.spent.index, key);
            let secret = secret.expect("an owned output was found with this wallet's keys");
            vec![KeySignature { key: 0, signature: secret.sign(network, &message) }]
        });
        let spends = spends.collect();
        let authorisations = authorisations(network, &body, authorise);
        Transaction { body, witness: Witness { spends, authorisations } }
    }

    fn remember(&mut self, transaction: &Transaction, wish: &Wish, now: Time) -> Batch {
        let id: TransactionId = transaction.id();
        let pending = Pending {
            bytes: transaction.to_bytes(),
            spends: transaction.body.inputs.iter().map(|input| input.spent).collect(),
            expires: wish.expires,
        };
        let mut batch = Batch::new();
        batch.put(PENDING, id.to_bytes(), pending.to_bytes());
        self.pending.insert(id, pending);
        let merged = self.merged(wish);
        let (kind, value) = merged.map_or_else(|| wish.summary(), |value| (Kind::Merged, value));
        self.note(Activity { time: now, transaction: id, kind, value, stage: Stage::Sent }, &mut batch);
        batch
    }

    /// What a consolidation turns over.
    fn merged(&self, wish: &Wish) -> Option<Value> {
        let asset = self.owned.get(wish.merge.first()?)?.output.value.asset;
        let values = wish.merge.iter().filter_map(|id| self.owned.get(id)).map(|owned| owned.output.value);
        let amount = Amount::checked_sum(values.filter(|value| value.asset == asset).map(|value| value.amount))?;
        Some(Value { asset, amount })
    }
}

/// What the identities sign that a call acts for.
pub(super) fn authorisations(network: NetworkId, body: &Body, by: Authorise<'_>) -> Vec<IdentitySignature> {
    by.iter().map(|identity| identity.sign(Purpose::Authorise, network, &body.authorise_message())).collect()
}

/// Output `index` of a transaction.
pub(super) fn make_output(secret: &TransactionSecret, to: &Recipient, index: u32, value: Value) -> Output {
    match to {
        Recipient::One(address) => {
            let (key, tag) = secret.derive(address, index);
            Output { lock: Lock::single(key), view_tags: vec![tag], value }
        }
        Recipient::Group(group) => {
            let (keys, view_tags) = secret.derive_group(group, index);
            Output { lock: Lock { threshold: group.threshold(), keys }, view_tags, value }
        }
    }
}

impl From<Address> for Recipient {
    fn from(address: Address) -> Self {
        Self::One(address)
    }
}

impl From<Group> for Recipient {
    fn from(group: Group) -> Self {
        Self::Group(group)
    }
}

impl std::fmt::Display for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::One(address) => address.fmt(f),
            Self::Group(group) => group.fmt(f),
        }
    }
}

/// A group's address has a hyphen, another has not.
impl std::str::FromStr for Recipient {
    type Err = RecipientError;

    fn from_str(text: &str) -> Result<Self, RecipientError> {
        match text.contains('-') {
            true => Ok(Self::Group(text.parse()?)),
            false => Ok(Self::One(text.parse()?)),
        }
    }
}

/// 0 and an address, or 1 and a group; then the value.
impl Encode for Payee {
    fn encode(&self, out: &mut Writer) {
        match &self.to {
            Recipient::One(address) => {
                out.byte(0);
                out.value(address);
            }
            Recipient::Group(group) => {
                out.byte(1);
                out.value(group);
            }
        }
        out.value(&self.value);
    }
}

impl Decode for Payee {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let to = match input.byte()? {
            0 => Recipient::One(input.value()?),
            1 => Recipient::Group(input.value()?),
            other => return Err(DecodeError::UnknownVariant { kind: "recipient", value: other.into() }),
        };
        Ok(Self { to, value: input.value()? })
    }
}

impl Grains {
    /// The least that an output may hold, and what every amount is a multiple of.
    fn of(&self, asset: AssetId) -> (Amount, Amount) {
        if asset == AssetId::WAY {
            return (self.output_min, Amount::from_units(1));
        }
        let step = self.steps.get(&asset).copied().unwrap_or(Amount::from_units(1));
        (step, step)
    }

    pub(super) fn check(&self, Value { asset, amount }: Value) -> Result<(), BuildError> {
        let (_, step) = self.of(asset);
        let fits = amount.units().is_multiple_of(step.units().max(1));
        if fits { Ok(()) } else { Err(BuildError::TooFine { asset, step }) }
    }
}

impl Wish {
    /// What leaves the wallet's inputs and the call's draws, per asset.
    fn spends(&self, asset: AssetId) -> Result<Amount, BuildError> {
        let payees = self.payees.iter().map(|payee| payee.value).chain(self.pays);
        let fee = Value { asset: AssetId::WAY, amount: self.fee };
        let values = payees.chain([fee]).filter(|value| value.asset == asset).map(|value| value.amount);
        Amount::checked_sum(values).ok_or(BuildError::Overflow)
    }

    /// What inputs must bring, per asset that is touched.
    fn needs(&self) -> Result<Vec<(AssetId, Amount)>, BuildError> {
        let drawn = |asset| self.draws.filter(|v| v.asset == asset).map_or(Amount::ZERO, |v| v.amount);
        let assets = self.assets().into_iter();
        assets.map(|asset| Ok((asset, self.spends(asset)?.saturating_sub(drawn(asset))))).collect()
    }

    /// The assets that are touched, WAY among them.
    fn assets(&self) -> BTreeSet<AssetId> {
        let values = self.payees.iter().map(|payee| payee.value).chain(self.pays).chain(self.draws);
        values.map(|value| value.asset).chain([AssetId::WAY]).collect()
    }

    /// What a person would call this.
    fn summary(&self) -> (Kind, Value) {
        let way = |amount| Value { asset: AssetId::WAY, amount };
        let nothing = way(Amount::ZERO);
        let (paid, drawn) = (self.pays.unwrap_or(nothing), self.draws.unwrap_or(nothing));
        match &self.call {
            None => (Kind::Sent, self.paid().unwrap_or(nothing)),
            Some(Call::Registry(_)) => (Kind::Registration, paid),
            Some(Call::Offers(_)) => (Kind::Offer, way(self.fee)),
            Some(Call::Accounts(AccountsCall::Deposit { .. })) => (Kind::Deposit, paid),
            Some(Call::Accounts(AccountsCall::Withdraw { .. })) => (Kind::Withdrawal, drawn),
            Some(Call::Accounts(AccountsCall::AnnounceWithdrawal { amount, asset, .. })) => {
                (Kind::Withdrawal, Value { asset: *asset, amount: *amount })
            }
            Some(Call::Accounts(AccountsCall::Settle { promise, .. })) => {
                (Kind::Settlement, Value { asset: promise.promise.series.asset, amount: promise.promise.amount })
            }
            Some(Call::Accounts(AccountsCall::SettlePair(pair))) => {
                // As of one promise all that it says, of two the higher: what of them is new only the ledger knows.
                let [one, other] = pair.pair.promises().map(|signed| signed.promise);
                (Kind::Settlement, Value { asset: one.series.asset, amount: one.amount.max(other.amount) })
            }
            Some(Call::Accounts(_) | Call::Channels(_) | Call::Holders(_) | Call::Names(_)) => {
                (Kind::OtherCall, nothing)
            }
            Some(Call::Kernel(KernelCall::Pledge { .. })) => (Kind::NodePledge, paid),
            Some(Call::Kernel(KernelCall::Reclaim { .. })) => (Kind::NodeReclaim, drawn),
            Some(Call::Kernel(_)) => (Kind::NodeCall, nothing),
            Some(Call::Assets(AssetsCall::Register { .. })) => (Kind::AssetRegistration, way(self.fee)),
            Some(Call::Assets(AssetsCall::Issue)) => (Kind::Issue, drawn),
            Some(Call::Assets(AssetsCall::Burn)) => (Kind::Burn, paid),
        }
    }

    /// What payees get, in the asset of the first.
    fn paid(&self) -> Option<Value> {
        let asset = self.payees.first()?.value.asset;
        let of_asset = self.payees.iter().filter(|payee| payee.value.asset == asset);
        let amount = Amount::checked_sum(of_asset.map(|payee| payee.value.amount)).unwrap_or(Amount::MAX);
        Some(Value { asset, amount })
    }
}
