//! A payment out of a group on its way from member to member.
//!
//! A transaction alone tells a member nothing: its outputs are one-time keys. So a proposal carries what the proposer
//! knows, the payees and the transaction's secret, from which everyone derives the outputs anew. [`Proposal::check`]
//! passes only where every output is a payee's, as much as the proposal says, or the group's own change; and whoever signs
//! has checked that. What the inputs hold need not be believed: a transaction that does not balance is rejected by the
//! ledger.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use byway_crypto::ghost::{TransactionSecret, verify_spend};
use byway_crypto::node::NodeSignature;
use byway_crypto::{GhostKey, Group, GroupView, WalletSecret};
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::{Amount, AssetId, NetworkId, Time};
use byway_records::transaction::{INPUTS_MAX, KeySignature, TRANSACTION_BYTES_MAX};
use byway_records::{Body, Transaction, Value, Witness};

use super::build::{BuildError, Payee, Recipient, make_output};

/// Payees of one proposal.
pub const PAYEES_MAX: usize = 64;
const PREFIX: &str = "wayproposal";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    pub network: NetworkId,
    pub group: Group,
    pub body: Body,
    /// Per input, R of the transaction that made it.
    pub ghosts: Vec<GhostKey>,
    pub payees: Vec<Payee>,
    /// Of the transaction's secret.
    pub seed: [u8; 32],
    /// Per member that signed, a signature per input.
    pub signed: BTreeMap<u8, Vec<NodeSignature>>,
}

/// What one payee is to get of one asset, and gets.
struct Claim<'a> {
    to: &'a Recipient,
    asset: AssetId,
    promised: Amount,
    paid: Amount,
}

/// What a proposal does, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    pub payees: Vec<Payee>,
    /// What goes back to the group.
    pub change: Vec<Value>,
    pub fee: Amount,
    pub expires: Time,
    /// The members who signed.
    pub signed: Vec<u8>,
    /// How many must.
    pub threshold: u8,
}

/// Why a proposal can't be made, signed or sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProposalError {
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error("this wallet has not joined the group that is to pay: `byway wallet group join` does")]
    UnknownGroup,
    #[error("this wallet is not a member of the group and can only look on")]
    NotAMember,
    #[error("the proposal is for another network")]
    WrongNetwork,
    #[error("the proposal calls a program, which a group's payment does not")]
    Calls,
    #[error("the proposal is put together wrongly")]
    Malformed,
    #[error("input {0} of the proposal does not belong to the group")]
    Input(usize),
    #[error("output {0} of the proposal goes to nobody that it names: don't sign it, and ask who made it")]
    Output(usize),
    #[error("a payee would get another amount than the proposal says: don't sign it, and ask who made it")]
    Amount,
    #[error("the signature of member {0} is wrong")]
    Signature(u8),
    #[error("these are not copies of one proposal")]
    Different,
    #[error("{have} members have signed, and {need} are needed")]
    TooFew { have: usize, need: usize },
}

impl Proposal {
    /// Checks everything that can be checked without the ledger.
    pub fn check(&self, network: NetworkId, view: &GroupView) -> Result<Summary, ProposalError> {
        if self.network != network {
            return Err(ProposalError::WrongNetwork);
        }
        if self.body.call.is_some() {
            return Err(ProposalError::Calls);
        }
        let secret = TransactionSecret::from_seed(&self.seed);
        let ghost = self.body.ghost;
        if self.ghosts.len() != self.body.inputs.len() || ghost.is_some_and(|ghost| ghost != secret.public()) {
            return Err(ProposalError::Malformed);
        }
        for (number, (input, ghost)) in self.body.inputs.iter().zip(&self.ghosts).enumerate() {
            let lock = &input.lock;
            if !view.has_lock(*ghost, input.spent.index, lock.threshold, &lock.keys) {
                return Err(ProposalError::Input(number));
            }
        }
        let change = self.check_outputs(&secret)?;
        self.check_signatures()?;
        Ok(Summary {
            payees: self.payees.clone(),
            change,
            fee: self.body.fee,
            expires: self.body.expires,
            signed: self.signed.keys().copied().collect(),
            threshold: self.group.threshold(),
        })
    }

    /// Every output is a payee's or the group's; gives what is the group's.
    fn check_outputs(&self, secret: &TransactionSecret) -> Result<Vec<Value>, ProposalError> {
        let mut claims = self.claims()?;
        let mut change: BTreeMap<AssetId, Amount> = BTreeMap::new();
        let group = self.group.clone().into();
        for (index, output) in (0u32..).zip(&self.body.outputs) {
            let is_to = |recipient| make_output(secret, recipient, index, output.value) == *output;
            let asset = output.value.asset;
            let claim = claims.iter_mut().find(|claim| claim.asset == asset && is_to(claim.to));
            let sum = match claim {
                Some(claim) => &mut claim.paid,
                None if is_to(&group) => change.entry(asset).or_default(),
                None => return Err(ProposalError::Output(index as usize)),
            };
            *sum = sum.checked_add(output.value.amount).ok_or(ProposalError::Amount)?;
        }
        if claims.iter().any(|claim| claim.paid != claim.promised) {
            return Err(ProposalError::Amount);
        }
        Ok(change.into_iter().map(|(asset, amount)| Value { asset, amount }).collect())
    }

    /// What the proposal says of each payee, one claim per payee and asset.
    fn claims(&self) -> Result<Vec<Claim<'_>>, ProposalError> {
        let mut claims: Vec<Claim<'_>> = Vec::new();
        for Payee { to, value: Value { asset, amount } } in &self.payees {
            match claims.iter_mut().find(|claim| claim.asset == *asset && claim.to == to) {
                Some(claim) => claim.promised = claim.promised.checked_add(*amount).ok_or(ProposalError::Amount)?,
                None => claims.push(Claim { to, asset: *asset, promised: *amount, paid: Amount::ZERO }),
            }
        }
        Ok(claims)
    }

    fn check_signatures(&self) -> Result<(), ProposalError> {
        let message = self.body.id().0.0;
        for (member, signatures) in &self.signed {
            let wrong = ProposalError::Signature(*member);
            if signatures.len() != self.body.inputs.len() {
                return Err(wrong);
            }
            for (input, signature) in self.body.inputs.iter().zip(signatures) {
                let key = input.lock.keys.get(usize::from(*member)).ok_or(wrong)?;
                if !verify_spend(*key, self.network, &message, *signature) {
                    return Err(wrong);
                }
            }
        }
        Ok(())
    }

    /// Adds the signatures of one member. The caller has checked the proposal.
    pub(super) fn sign(&mut self, view: &GroupView, wallet: &WalletSecret) -> Result<(), ProposalError> {
        let message = self.body.id().0.0;
        let number = self.group.number_of(&wallet.address()).ok_or(ProposalError::NotAMember)?;
        let inputs = self.body.inputs.iter().zip(&self.ghosts).enumerate();
        let signatures = inputs.map(|(at, (input, ghost))| {
            let secret = view.spend_secret(wallet, *ghost, input.spent.index, &input.lock.keys);
            let (_, secret) = secret.ok_or(ProposalError::Input(at))?;
            Ok(secret.sign(self.network, &message))
        });
        let signatures = signatures.collect::<Result<Vec<_>, ProposalError>>()?;
        self.signed.insert(number, signatures);
        Ok(())
    }

    /// Takes over the signatures of another copy.
    pub fn join(&mut self, other: Proposal) -> Result<(), ProposalError> {
        if self.body.id() != other.body.id() || self.group != other.group || self.network != other.network {
            return Err(ProposalError::Different);
        }
        self.signed.extend(other.signed);
        Ok(())
    }

    /// The transaction, where enough members have signed. Of more than enough, those with the lowest numbers count.
    pub fn finish(&self) -> Result<Transaction, ProposalError> {
        let need = usize::from(self.group.threshold());
        if self.signed.len() < need {
            return Err(ProposalError::TooFew { have: self.signed.len(), need });
        }
        self.check_signatures()?;
        let spends = (0..self.body.inputs.len()).map(|input| {
            let signing = self.signed.iter().take(need);
            signing.map(|(member, signatures)| KeySignature { key: *member, signature: signatures[input] }).collect()
        });
        let witness = Witness { spends: spends.collect(), authorisations: Vec::new() };
        Ok(Transaction { body: self.body.clone(), witness })
    }

    /// What the payees get, in the asset of the first.
    pub fn paid(&self) -> Option<Value> {
        let asset = self.payees.first()?.value.asset;
        let of_asset = self.payees.iter().filter(|payee| payee.value.asset == asset);
        let amount = Amount::checked_sum(of_asset.map(|payee| payee.value.amount))?;
        Some(Value { asset, amount })
    }
}

/// `wayproposal` and the hex of the encoding: what goes into a file.
impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", hex::encode(self.to_bytes()))
    }
}

impl FromStr for Proposal {
    type Err = DecodeError;

    fn from_str(text: &str) -> Result<Self, DecodeError> {
        let no_proposal = DecodeError::Invalid("proposal: the file that `byway wallet group propose` wrote is needed");
        let digits = text.trim().strip_prefix(PREFIX).ok_or(no_proposal)?;
        Self::from_bytes(&hex::decode(digits).map_err(|_| no_proposal)?)
    }
}

/// The signatures of one member.
struct Signed(u8, Vec<NodeSignature>);

impl Encode for Signed {
    fn encode(&self, out: &mut Writer) {
        out.byte(self.0);
        out.list(&self.1);
    }
}

impl Decode for Signed {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(input.byte()?, input.list(INPUTS_MAX)?))
    }
}

impl Encode for Proposal {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.network);
        out.value(&self.group);
        out.bytes(&self.body.to_bytes());
        out.list(&self.ghosts);
        out.list(&self.payees);
        out.raw(&self.seed);
        let signed: Vec<Signed> = self.signed.iter().map(|(member, all)| Signed(*member, all.clone())).collect();
        out.list(&signed);
    }
}

impl Decode for Proposal {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (network, group) = (input.value()?, input.value()?);
        let body = Body::from_bytes(input.bytes(TRANSACTION_BYTES_MAX)?)?;
        let (ghosts, payees, seed) = (input.list(INPUTS_MAX)?, input.list(PAYEES_MAX)?, input.array()?);
        let signed: Vec<Signed> = input.list(byway_crypto::group::GROUP_MEMBERS_MAX)?;
        if !signed.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(DecodeError::Invalid("order of signatures"));
        }
        let signed = signed.into_iter().map(|Signed(member, all)| (member, all)).collect();
        Ok(Self { network, group, body, ghosts, payees, seed, signed })
    }
}
