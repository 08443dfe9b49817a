//! Groups in the wallet: what m of n people hold together, and spending it by proposals (row K2).
//!
//! Every member's wallet *joins* the group with its view key and from then on finds what the group is paid; what it was
//! paid before is not looked for again, so all join before the group's address is given to anyone. Spending takes a
//! [`Proposal`], which goes from member to member until enough have signed.

use std::collections::BTreeMap;

use byway_crypto::ghost::TransactionSecret;
use byway_crypto::{Group, GroupView};
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::hash::Context;
use byway_primitives::{AssetId, Batch, Hash, NetworkId, Space, Store, Time};
use byway_records::scan::ScanTransaction;
use byway_records::{Body, OutputId, Transaction, Value};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::build::{BuildError, Grains, Holder, Recipient, Wish};
use super::history::{Activity, Kind, Stage};
use super::proposal::{Proposal, ProposalError, Summary};
use super::{Balance, Owned, PENDING, Pending, Wallet};

const GROUP_ID: Context = Context("byway 1 wallet: group id");
const GROUPS: Space = Space("wallet-groups");

/// Names a group inside a wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub Hash);

impl GroupId {
    pub fn of(group: &Group) -> Self {
        Self(GROUP_ID.hash_value(group))
    }
}

pub(super) type Groups = BTreeMap<GroupId, GroupView>;

pub(super) fn load(store: &dyn Store) -> Result<Groups, DecodeError> {
    let stored = store.scan_prefix(GROUPS, &[]).into_iter();
    stored.map(|(id, view)| Ok((GroupId::from_bytes(&id)?, GroupView::from_bytes(&view)?))).collect()
}

impl Wallet {
    /// Looks for what the group is paid from now on.
    pub fn join(&mut self, view: GroupView) -> Batch {
        let (id, mut batch) = (GroupId::of(view.group()), Batch::new());
        batch.put(GROUPS, id.to_bytes(), view.to_bytes());
        self.groups.insert(id, view);
        batch
    }

    /// The groups joined, each with this wallet's number in it; `None` where it only looks on.
    pub fn groups(&self) -> impl Iterator<Item = (&Group, Option<u8>)> {
        let address = self.address();
        self.groups.values().map(move |view| (view.group(), view.group().number_of(&address)))
    }

    /// What a group holds of each asset, as far as this wallet has seen it.
    pub fn group_balances(&self, group: &Group) -> BTreeMap<AssetId, Balance> {
        self.balances_of(Some(GroupId::of(group)))
    }

    /// Finds outputs of the groups.
    pub(super) fn take_for_groups(&mut self, height: byway_records::Height, made: &ScanTransaction, batch: &mut Batch) {
        let Some(ghost) = made.ghost else { return };
        for (index, output) in (0u32..).zip(&made.outputs).filter(|(_, output)| output.lock.keys.len() > 1) {
            let (lock, tags) = (&output.lock, &output.view_tags);
            let owns = |view: &GroupView| view.owns(ghost, index, lock.threshold, &lock.keys, tags);
            let Some(group) = self.groups.iter().find(|(_, view)| owns(view)).map(|(id, _)| *id) else { continue };
            let owned = Owned { output: output.clone(), ghost, height, group: Some(group) };
            self.keep(OutputId { transaction: made.id, index }, owned, batch);
        }
    }

    /// Proposes a payment out of a group, signed by this member. Nothing is held until it is submitted.
    ///
    /// `seed` must be fresh randomness. It travels with the proposal: from it the other members see who is paid.
    pub fn propose(
        &self,
        network: NetworkId,
        group: &Group,
        wish: &Wish,
        grains: &Grains,
        seed: &[u8; 32],
    ) -> Result<Proposal, ProposalError> {
        let view = self.group_view(group)?;
        let holder = Holder { group: Some(GroupId::of(group)), change: Recipient::Group(group.clone()) };
        wish.payees.iter().try_for_each(|payee| grains.check(payee.value))?;
        let (mut rng, secret) = (ChaCha20Rng::from_seed(*seed), TransactionSecret::from_seed(seed));
        let inputs = self.choose_inputs(wish, holder.group, &mut rng)?;
        let outputs = self.make_outputs(wish, &inputs, &holder, grains, &secret, &mut rng)?;
        let body = Body {
            inputs: inputs.iter().map(|id| self.input(*id)).collect(),
            ghost: (!outputs.is_empty()).then(|| secret.public()),
            outputs,
            call: None,
            fee: wish.fee,
            expires: wish.expires,
        };
        let ghosts = inputs.iter().map(|id| self.owned[id].ghost).collect();
        let (group, payees) = (view.group().clone(), wish.payees.clone());
        let mut proposal = Proposal { network, group, body, ghosts, payees, seed: *seed, signed: BTreeMap::new() };
        self.countersign(network, &mut proposal)?;
        Ok(proposal)
    }

    /// What a proposal would do. Whatever is wrong with it is told instead.
    pub fn look_into(&self, network: NetworkId, proposal: &Proposal) -> Result<Summary, ProposalError> {
        proposal.check(network, self.group_view(&proposal.group)?)
    }

    /// Signs a proposal, after checking it.
    pub fn countersign(&self, network: NetworkId, proposal: &mut Proposal) -> Result<Summary, ProposalError> {
        let view = self.group_view(&proposal.group)?;
        proposal.check(network, view)?;
        let secret = self.secret.as_ref().ok_or(BuildError::ReadOnly)?;
        proposal.sign(view, secret)?;
        proposal.check(network, view)
    }

    /// Takes a transaction of a group that this wallet sends as one of its own: it is sent again until it has a verdict,
    /// and its inputs are held. The batch must be durable before it is sent.
    pub fn adopt(&mut self, transaction: &Transaction, paid: Option<Value>, now: Time) -> Batch {
        let id = transaction.id();
        let spends = transaction.body.inputs.iter().map(|input| input.spent).collect();
        let pending = Pending { bytes: transaction.to_bytes(), spends, expires: transaction.body.expires };
        let mut batch = Batch::new();
        batch.put(PENDING, id.to_bytes(), pending.to_bytes());
        self.pending.insert(id, pending);
        let value = paid.unwrap_or(Value { asset: AssetId::WAY, amount: byway_primitives::Amount::ZERO });
        self.note(
            Activity { time: now, transaction: id, kind: Kind::GroupSent, value, stage: Stage::Sent },
            &mut batch,
        );
        batch
    }

    fn group_view(&self, group: &Group) -> Result<&GroupView, ProposalError> {
        self.groups.get(&GroupId::of(group)).ok_or(ProposalError::UnknownGroup)
    }
}

impl Encode for GroupId {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.0);
    }
}

impl Decode for GroupId {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.value().map(Self)
    }
}
