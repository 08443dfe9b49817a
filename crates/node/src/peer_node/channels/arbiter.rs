//! The ledger's side: what it has of our channels, and what it is handed for them.

use byway_channel::{ChannelKey, CloseError, ContractCall, ProposeError, Refusal};
use byway_primitives::{Amount, AssetId, Encode, Span, Time};
use byway_records::call::ChannelsCall;
use byway_records::channel::entry::{channel_key, code_key};
use byway_records::channel::guaranteed::outcome_key;
use byway_records::channel::{CallOutcome, Environment, ForcedReceipt, Movement, Outcome};
use byway_records::promise::ChannelId;
use byway_records::{Call, Channel, ProgramId, Reject, Transaction, TransactionId, Value};
use byway_vm::{Account, Address, Target, code_hash, purse_code};
use tokio::sync::oneshot;

use super::super::books::{Fate, Order};
use super::Actor;
use super::keys::{KeyFate, Once};
use super::updating::{Done, not_proposed};
use crate::api::{Answer, ApiError};
use byway_peer::wallet::Wish;

/// For each KiB of a contract's code that is begun the price of a call is paid.
const KIB: u64 = 1024;

/// The transaction of a call that is being forced, and what becomes of it.
pub(super) type Handed = (TransactionId, oneshot::Receiver<Fate>);

/// A deposit or a withdrawal that somebody wants, or that a contract leaves.
pub(super) struct Movable {
    pub what: Moved,
    /// The key under which it was asked for, if it was.
    pub once: Option<Once>,
    pub asker: oneshot::Sender<Answer<()>>,
    /// How often it has given way to something of the peer's, and when it is asked for again.
    pub gave_way: u8,
    pub again_at: Time,
}

/// How often what gave way, or came when the peer was busy, is asked for again …
pub(super) const ASKED_AGAIN_MAX: u8 = 16;
/// … and after what pause: a peer that executes no more now does after a second.
pub(super) const ASKED_AGAIN_AFTER: Span = Span::millis(250);

impl Movable {
    pub fn new(what: Moved, once: Option<Once>, asker: oneshot::Sender<Answer<()>>) -> Self {
        Self { what, once, asker, gave_way: 0, again_at: Time::ZERO }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moved {
    Own {
        movement: Movement,
        value: Value,
    },
    /// A contract, as it was when it was asked for.
    Leaving {
        contract: Address,
        seen: Option<Account>,
    },
}

/// A call that somebody wants forced.
pub(super) struct Forcing {
    pub key: ChannelKey,
    pub asker: oneshot::Sender<Answer<Handed>>,
}

impl Actor {
    /// Shows the channels where the ledger is, and those whose entries have changed what it has of them: all of them where it is
    /// not known which.
    pub(in super::super) fn note_channels(&mut self, changed: Option<&[Vec<u8>]>) {
        let now = self.clock.now();
        self.find_channels(changed);
        let Some(tip) = self.ledger.follower().tip() else { return };
        let environment = Environment { time: tip.time, height: tip.height.0 };
        let is_changed = |id| changed.is_none_or(|changed| changed.contains(&channel_key(id)));
        let tree = self.ledger.follower().tree(ProgramId::CHANNELS);
        let entry = |id: ChannelId| tree.and_then(|tree| tree.read(&channel_key(id)));
        let outcome = |id: ChannelId| Some(tree?.read::<Outcome>(&outcome_key(id))?.paid);
        self.market.note_channels(now, environment, tip.commits, is_changed, entry, outcome, &self.market_journal);
        self.follow_contracts(changed);
    }

    /// What the ledger has of a channel.
    pub(super) fn channel_entry(&self, id: ChannelId) -> Option<Channel> {
        self.ledger.follower().tree(ProgramId::CHANNELS)?.read(&channel_key(id))
    }

    /// Hands in a transaction that is complete and costs this node's wallet nothing. Whoever wants it on the ledger says so
    /// again until it is there.
    pub(super) fn hand_in_as_is(&self, transaction: &Transaction) {
        let (kernel, bytes) = (self.kernel.clone(), transaction.to_bytes());
        tokio::spawn(async move {
            if let Err(error) = kernel.submit(bytes).await {
                tracing::debug!(%error, "the transaction that opens a channel was not taken");
            }
        });
    }

    /// What came out of a virtual channel, where the ledger has decided that.
    pub(super) fn channel_outcome(&self, id: ChannelId) -> Option<[Amount; 2]> {
        let tree = self.ledger.follower().tree(ProgramId::CHANNELS)?;
        Some(tree.read::<Outcome>(&outcome_key(id))?.paid)
    }

    /// What a call about a channel costs at the most where its transaction pays.
    fn price_of(&self, call: &ChannelsCall) -> Amount {
        let prices = &self.config.genesis.parameters.call_prices;
        prices.of_gas(call.gas_taken()).unwrap_or(Amount::MAX)
    }

    /// Hands in a call about a virtual channel that this node guarantees, whose ledger has nothing that could pay for it.
    pub(super) fn hand_in_as_hub(&mut self, call: ChannelsCall) {
        let fee = self.price_of(&call);
        let order = Order::signed(Wish { call: Some(Call::Channels(call)), fee, ..Wish::default() });
        if let Err(error) = self.transact(order, None) {
            tracing::error!(%error, "nothing can be handed in for a virtual channel that this node guarantees");
        }
    }

    /// Hands in a call about a channel, under our signature. Its price comes out of the channel, but for a virtual one.
    pub(super) fn hand_in_for(&mut self, key: ChannelKey, call: ChannelsCall) {
        let is_forced = matches!(call, ChannelsCall::ForceProgress(_));
        let is_paid = self.channels.at_own_cost.contains(&key) || self.virtual_terms(key).is_some();
        let fee = if is_paid { self.price_of(&call) } else { Amount::ZERO };
        let made =
            self.transact(Order::signed(Wish { call: Some(Call::Channels(call)), fee, ..Wish::default() }), None);
        let asked = |forcing: &Forcing| is_forced && forcing.key == key;
        let asker = self.channels.forcing.iter().position(asked).map(|at| self.channels.forcing.remove(at).asker);
        let answer = match made {
            Ok(id) => {
                self.channels.handed_in.insert(id, key);
                Ok((id, self.watch(id)))
            }
            Err(error) => {
                tracing::warn!(%error, "nothing can be handed in for a channel now");
                Err(self.build_error(error))
            }
        };
        if let Some(asker) = asker {
            // Whoever asked may have stopped waiting.
            let _ = asker.send(answer);
        }
    }

    /// The ledger's word on what was handed in for a channel.
    pub(in super::super) fn channel_verdict(&mut self, id: TransactionId, fate: &Fate) {
        self.answer_verdict(id, fate);
        let Some(key) = self.channels.handed_in.remove(&id) else { return };
        let why = match fate {
            Fate::Final => return,
            Fate::Rejected(reject) => reject.to_string(),
            Fate::Lapsed => "it was not taken in time".to_owned(),
            Fate::Refused(why) => why.clone(),
        };
        if *fate == Fate::Rejected(Reject::ChannelFee) {
            self.channels.at_own_cost.insert(key);
        }
        // What still matters is handed in again.
        tracing::debug!(peer = %key.peer, %why, "the ledger did not take a call about a channel");
        self.add_to_log(key, None, "not_taken", format!("the ledger did not take what it was handed: {why}"));
    }

    /// The codes that contracts in a channel have and the ledger doesn't know, each with its price: of all, or of one contract.
    pub(super) fn unregistered_codes(&self, key: ChannelKey, of: Option<Address>) -> Vec<(Vec<u8>, Amount)> {
        let Some(channel) = self.market.channels().get(key) else { return Vec::new() };
        let tree = self.ledger.follower().tree(ProgramId::CHANNELS);
        let is_known = |hash| tree.is_some_and(|tree| tree.value(&code_key(hash)).is_some());
        let wanted = channel.state().contracts().filter(|(address, _)| of.is_none_or(|of| of == *address));
        // Whoever executes calls has the code of purses.
        let built_in = code_hash(purse_code());
        let unknown = wanted.map(|(_, contract)| contract.code).filter(|code| *code != built_in && !is_known(*code));
        let mut codes: Vec<Vec<u8>> =
            unknown.filter_map(|code| channel.state().code(code).map(<[u8]>::to_vec)).collect();
        codes.sort_unstable();
        codes.dedup();
        let priced = codes.into_iter().map(|code| {
            let price = self.code_price(&code);
            (code, price)
        });
        priced.collect()
    }

    /// What it costs to have the ledger keep a contract's code.
    pub(super) fn code_price(&self, code: &[u8]) -> Amount {
        let kib = (code.len() as u64).div_ceil(KIB).max(1);
        Amount::cost(self.config.genesis.parameters.call_prices.channel, kib, 1).unwrap_or(Amount::MAX)
    }

    /// Has the ledger keep a contract's code.
    pub(super) fn register_code(&mut self, code: Vec<u8>, price: Amount) -> Answer<Handed> {
        let call = Some(Call::Channels(ChannelsCall::RegisterCode { code }));
        let made = self.transact(Order::unsigned(Wish { call, fee: price, ..Wish::default() }), None);
        let id = made.map_err(|error| self.build_error(error))?;
        Ok((id, self.watch(id)))
    }

    /// Has the ledger execute a call; gives the round that it makes.
    pub(super) fn force_call(
        &mut self,
        key: ChannelKey,
        call: &ContractCall,
        asker: oneshot::Sender<Answer<Handed>>,
    ) -> Answer<u64> {
        let now = self.clock.now();
        self.channels.forcing.retain(|forcing| !forcing.asker.is_closed());
        if self.channels.forcing.iter().any(|forcing| forcing.key == key) {
            return Err(ApiError::channel_not_ready("another call is being forced"));
        }
        let forced = self.market.with_channel(now, key, &self.market_journal, |channel| {
            channel.force(now, call).map(|()| channel.position().round.saturating_add(1))
        });
        let round = forced.ok_or_else(|| ApiError::channel_not_ready("it is closed"))?;
        let round = round.map_err(|error| match error {
            CloseError::Change(error) => ApiError::call_not_forced(error),
            error => ApiError::channel_not_ready(error),
        })?;
        self.channels.forcing.push(Forcing { key, asker });
        Ok(round)
    }

    /// Puts money in or takes some out, or lets a contract leave with what it has.
    pub(super) fn fund_channel(&mut self, key: ChannelKey, movable: Movable) -> Answer<()> {
        match movable.once.as_ref().map(|once| self.fate_of(once)).transpose()?.flatten() {
            Some(KeyFate::Made(_)) => {
                // Whoever asked may have stopped waiting.
                let _ = movable.asker.send(Ok(()));
                return Ok(());
            }
            Some(KeyFate::Begun(before)) => {
                let is_free = self.market.channels().get(key).is_some_and(|channel| channel.is_free());
                if !is_free && self.round_stand(key) == Some(before) {
                    return Err(ApiError::channel_not_ready("what was asked for under this key is still open"));
                }
                Self::has_not_moved(before, self.round_stand(key))?;
            }
            Some(KeyFate::Proposed(_) | KeyFate::Opened(_)) | None => {}
        }
        if let Moved::Own { movement: Movement::Deposit, value } = movable.what {
            self.check_deposit(value)?;
        }
        if self.channels.to_fund.contains_key(&key) {
            return Err(ApiError::channel_not_ready(
                "another deposit or withdrawal waits already, or a contract that is to leave",
            ));
        }
        self.channels.to_fund.insert(key, movable);
        self.advance_funding(key);
        Ok(())
    }

    /// Lets an asset in of which there is nothing in a channel: the peer may put some in.
    pub(super) fn admit_asset(&mut self, key: ChannelKey, asset: AssetId) -> Answer<()> {
        let now = self.clock.now();
        let admitted = self.market.with_channel(now, key, &self.market_journal, |channel| channel.admit(now, asset));
        let admitted = admitted.ok_or_else(|| ApiError::channel_not_ready("it is closed"))?;
        self.channels.changed.insert(key);
        admitted.map_err(|error| not_proposed(key, error))
    }

    /// Whether our account holds so much.
    fn check_deposit(&self, value: Value) -> Answer<()> {
        let Value { asset, amount } = value;
        let balance = self.account_of(self.me(), asset).balance;
        match self.asset_tag(asset) {
            _ if balance >= amount => Ok(()),
            Some(tag) => Err(ApiError::insufficient_asset_account(&tag.symbol, amount, balance)),
            None => Err(ApiError::insufficient_account(amount, balance)),
        }
    }

    /// Asks for what waits to be put in or taken out, as soon as nothing else is open in the channel.
    pub(super) fn advance_funding(&mut self, key: ChannelKey) {
        let now = self.clock.now();
        let Some(movable) = self.channels.to_fund.remove(&key) else { return };
        if now < movable.again_at && !movable.asker.is_closed() {
            return drop(self.channels.to_fund.insert(key, movable));
        }
        let Movable { what, ref once, ref asker, .. } = movable;
        if asker.is_closed() {
            return;
        }
        if let (Some(once), Some(stand)) = (once, self.round_stand(key)) {
            self.begins(once, stand);
        }
        let error = match self.move_money(key, what) {
            Some(Ok(round)) => return drop(self.channels.funding.insert((key, round), movable)),
            Some(Err(ProposeError::Busy | ProposeError::Turn | ProposeError::Clock | ProposeError::Unseen)) => {
                self.free(once.as_ref());
                self.channels.to_fund.insert(key, movable);
                return;
            }
            Some(Err(error)) => not_proposed(key, error),
            None => ApiError::channel_not_ready("it is closed, or the contract was called meanwhile"),
        };
        self.free(once.as_ref());
        // Whoever asked may have stopped waiting.
        let _ = movable.asker.send(Err(error));
    }

    /// `None` where there is no such channel, or the contract that is to leave is not what it was: to ask for it is to consent to it.
    fn move_money(&mut self, key: ChannelKey, what: Moved) -> Option<Result<u64, ProposeError>> {
        let now = self.clock.now();
        self.market.with_channel(now, key, &self.market_journal, |channel| match what {
            Moved::Own { movement, value } => Some(channel.fund(now, movement, value)),
            Moved::Leaving { contract, seen } if channel.state().account(contract) == seen => {
                Some(channel.leave(now, contract))
            }
            Moved::Leaving { .. } => None,
        })?
    }

    fn free(&mut self, once: Option<&Once>) {
        once.into_iter().for_each(|once| self.was_not_made(once));
    }

    /// What was asked for is not done, and never will be. Where it gave way to something of the peer's it is asked for again.
    pub(super) fn was_not_funded(&mut self, key: ChannelKey, round: u64, refusal: Option<Refusal>) {
        let gave_way = |movable: &Movable| movable.gave_way < ASKED_AGAIN_MAX && refusal == Some(Refusal::Busy);
        if self.channels.funding.get(&(key, round)).is_some_and(gave_way)
            && !self.channels.to_fund.contains_key(&key)
            && let Some(movable) = self.channels.funding.remove(&(key, round))
        {
            self.free(movable.once.as_ref());
            let again_at = self.clock.now() + ASKED_AGAIN_AFTER;
            let again = Movable { gave_way: movable.gave_way + 1, again_at, ..movable };
            return drop(self.channels.to_fund.insert(key, again));
        }
        let is_new = |movable: &Movable| matches!(movable.what, Moved::Own { .. }) && refusal == Some(Refusal::Asked);
        let why = match refusal {
            _ if self.channels.funding.get(&(key, round)).is_some_and(is_new) => {
                "the channel has none of this asset: the peer's user is asked whether it may come in; ask again once they have let it in \
                 (`byway channel deposit CHANNEL 0 --asset ASSET` there)"
                    .to_owned()
            }
            Some(why) => why.to_string(),
            None => "the ledger did not take it in time".to_owned(),
        };
        self.was_funded(key, round, Err(ApiError::update_refused(why)));
    }

    pub(super) fn was_funded(&mut self, key: ChannelKey, round: u64, answer: Answer<()>) {
        if let Some(Movable { once, asker, .. }) = self.channels.funding.remove(&(key, round)) {
            match (&answer, &once) {
                (Ok(()), Some(once)) => self.was_made(once, &Done::plain(round)),
                (Ok(()), None) => {}
                (Err(_), once) => self.free(once.as_ref()),
            }
            // Whoever asked may have stopped waiting.
            let _ = asker.send(answer);
        }
        let channels = self.market.channels();
        self.channels.funding.retain(|(key, _), _| channels.get(*key).is_some());
    }

    /// What became of a call of ours that was to make this round and that the ledger has taken: the gas that it used, where that is
    /// known still, or why it made no round.
    pub(super) fn forced_outcome(&self, key: ChannelKey, round: u64, call: &ContractCall) -> Answer<Option<u64>> {
        let id = self.market.channels().get(key).and_then(|channel| channel.id());
        let entry = id.and_then(|id| self.channel_entry(id));
        let entry = entry.ok_or_else(|| ApiError::call_not_forced("the channel is closed"))?;
        let own = |receipt: &ForcedReceipt| receipt.caller == self.me() && receipt.round == round;
        let receipt = entry.receipt.filter(own);
        let made = entry.rounds.iter().find(|made| made.round == round);
        let is_ours = made.is_some_and(|made| (made.caller, &made.input) == (call.caller, &call.input));
        match receipt {
            _ if is_ours => Ok(receipt.map(|receipt| receipt.gas_used)),
            // Both have signed something newer since.
            Some(receipt) if receipt.outcome == CallOutcome::Returned => Ok(Some(receipt.gas_used)),
            Some(receipt) => Err(ApiError::call_not_forced(why_not_forced(receipt.outcome))),
            None => Err(ApiError::call_not_forced("the other side was faster, or has signed meanwhile; look again")),
        }
    }
}

/// How a forced call ended that made no round.
pub(super) fn why_not_forced(outcome: CallOutcome) -> &'static str {
    match outcome {
        CallOutcome::Returned => "it was executed",
        CallOutcome::Reverted => "the contract takes it back",
        CallOutcome::OutOfGas => "it needs more gas",
        CallOutcome::Halted => "its code does what no code may",
        CallOutcome::Missing => "what was shown is not what it touches; try again",
        CallOutcome::Balances => "a party would have less than the reserve",
    }
}

/// A contract by its address, as people write it.
pub(super) fn target(text: &str) -> Answer<Target> {
    let mut bytes = [0; 20];
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let read = hex::decode_to_slice(digits, &mut bytes);
    read.map_err(|_| ApiError::invalid_params("contract", "an address is 40 hex digits behind 0x"))?;
    Ok(Target::Contract(Address(bytes)))
}
