//! m-of-n groups of which this node's wallet is a member.

use byway_crypto::{Group, GroupView};
use byway_driver::entropy;
use byway_peer::wallet::{Payee, Proposal, ProposalError, Recipient, Summary, Wish};
use byway_primitives::{AssetId, Span};
use byway_records::{TransactionId, Value};

use super::Actor;
use super::history::Note;
use super::once::Once;
use crate::api::*;

impl Actor {
    pub(super) fn group_records(&self) -> Vec<GroupRecord> {
        self.wallet.groups().map(|(group, number)| self.group_record(group, number)).collect()
    }

    fn group_record(&self, group: &Group, number: Option<u8>) -> GroupRecord {
        let balances = self.wallet.group_balances(group).into_iter();
        let value = |(asset, balance): (AssetId, byway_peer::wallet::Balance)| Value { asset, amount: balance.free };
        GroupRecord {
            address: group.to_string(),
            threshold: group.threshold(),
            members: group.members() as u64,
            number,
            balances: balances.map(|balance| self.amount_of(value(balance))).collect(),
        }
    }

    pub(super) fn join_group(&mut self, request: &GroupJoin) -> Answer<GroupRecord> {
        let view = GroupView::from_text(request.key.trim()).map_err(|why| ApiError::invalid_params("key", why))?;
        let group = view.group().clone();
        let batch = self.wallet.join(view);
        self.write_ledger(batch);
        let number = group.number_of(&self.wallet.address());
        Ok(self.group_record(&group, number))
    }

    pub(super) fn propose(&self, request: &GroupPropose) -> Answer<GroupProposal> {
        let group: Group = request.group.parse().map_err(|why| ApiError::invalid_address("group", why))?;
        let to: Recipient = request.to.parse().map_err(|why| ApiError::invalid_address("to", why))?;
        let value = self.value_of(request.asset.unwrap_or(AssetId::WAY), request.amount)?;
        let life = Span::seconds(request.within_seconds.unwrap_or(PROPOSAL_SECONDS));
        let expires = self.clock.now() + life;
        let wish = Wish { payees: vec![Payee { to, value }], expires, ..Wish::default() };
        let proposal = self.wallet.propose(self.network, &group, &wish, &self.grains(&wish), &entropy::seed());
        let proposal = proposal.map_err(|error| self.proposal_error(error))?;
        self.look_into(&proposal)
    }

    pub(super) fn look_at(&self, request: &GroupLook) -> Answer<GroupProposal> {
        self.look_into(&read_proposal(&request.proposal)?)
    }

    pub(super) fn countersign(&self, request: &GroupLook) -> Answer<GroupProposal> {
        let mut proposal = read_proposal(&request.proposal)?;
        let summary = self.wallet.countersign(self.network, &mut proposal);
        let summary = summary.map_err(|error| self.proposal_error(error))?;
        Ok(self.proposal_view(&proposal, summary))
    }

    /// Sends what enough members have signed.
    pub(super) fn submit_proposal(&mut self, request: &GroupSubmit, once: &Once) -> Answer<TransactionId> {
        let copies = request.proposals.iter().map(|text| read_proposal(text));
        let mut copies = copies.collect::<Answer<Vec<Proposal>>>()?.into_iter();
        let nothing = || ApiError::invalid_params("proposals", "at least one is needed");
        let mut proposal = copies.next().ok_or_else(nothing)?;
        let joined = copies.try_for_each(|copy| proposal.join(copy));
        joined.map_err(|error| self.proposal_error(error))?;
        self.look_into(&proposal)?;
        let transaction = proposal.finish().map_err(|error| self.proposal_error(error))?;
        let (id, now) = (transaction.id(), self.clock.now());
        let mut batch = self.wallet.adopt(&transaction, proposal.paid(), now);
        let counterparty = proposal.payees.first().map(|payee| payee.to.to_string());
        batch.append(self.notes.keep(id, Note { counterparty, ..Note::default() }));
        batch.append(self.once.note(once, id, now));
        let token = self.write_ledger(batch);
        self.leaving.push_back((token, id));
        self.publish_wallet();
        Ok(id)
    }

    fn look_into(&self, proposal: &Proposal) -> Answer<GroupProposal> {
        let summary = self.wallet.look_into(self.network, proposal).map_err(|error| self.proposal_error(error))?;
        Ok(self.proposal_view(proposal, summary))
    }

    fn proposal_view(&self, proposal: &Proposal, summary: Summary) -> GroupProposal {
        let Summary { payees, change, fee, expires, signed, threshold } = summary;
        let payee = |payee: Payee| GroupPayee { to: payee.to.to_string(), value: self.amount_of(payee.value) };
        GroupProposal {
            proposal: proposal.to_string(),
            group: proposal.group.to_string(),
            payees: payees.into_iter().map(payee).collect(),
            change: change.into_iter().map(|value| self.amount_of(value)).collect(),
            fee,
            expires_ms: expires,
            signed,
            threshold,
        }
    }

    fn amount_of(&self, value: Value) -> AmountOf {
        let Value { asset, amount } = value;
        AmountOf { amount, asset, symbol: self.asset_tag(asset).map(|tag| tag.symbol) }
    }

    fn proposal_error(&self, error: ProposalError) -> ApiError {
        match error {
            ProposalError::Build(error) => self.build_error(error),
            ProposalError::UnknownGroup => ApiError::group_not_found(),
            error => ApiError::proposal_refused(error),
        }
    }
}

fn read_proposal(text: &str) -> Answer<Proposal> {
    text.parse().map_err(|why| ApiError::invalid_params("proposal", why))
}
