//! Calls about channels that wait for something: for the peer, or for the ledger.

use std::time::Duration;

use byway_channel::{Change, ChannelKey, ContractCall, ContractChange};
use byway_primitives::{Amount, AssetId};
use byway_records::Reject;
use byway_records::channel::{Movement, Side};
use byway_vm::{Account, Address, Outcome, Target};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::super::PeerNode;
use super::super::books::Fate;
use super::Actor;
use super::arbiter::{Handed, Movable, Moved, target};
use super::keys::Once;
use super::updating::Done;
use crate::api::*;

/// How long a call waits for a peer to agree to a channel and for the ledger to have it, before it answers how far that is.
const OPEN_WAIT: Duration = Duration::from_secs(30);
/// How long it waits for both to have signed an update: longer than the peer has for its answer.
const UPDATE_WAIT: Duration = Duration::from_secs(35);
/// How long it waits for the ledger to pay out when both part.
pub(super) const CLOSE_WAIT: Duration = Duration::from_secs(10);
/// How long it waits for the peer and the ledger to move money in or out.
const FUND_WAIT: Duration = Duration::from_secs(60);
/// How long it waits for a verdict of the ledger.
pub(super) const VERDICT_WAIT: Duration = Duration::from_secs(30);

impl PeerNode {
    pub(in super::super) async fn open_channel(&self, request: ChannelOpen) -> Answer<ChannelRecord> {
        let (asker, proposed) = oneshot::channel();
        let peer = self.ask(move |actor| actor.wish_for_channel(&request, asker)).await?;
        let proposed = timeout(OPEN_WAIT, proposed).await;
        let proposed = proposed.map_err(|_| ApiError::peer_unreachable(peer, "it did not answer in time"))?;
        let (key, opened) = proposed.map_err(|_| ApiError::superseded())??;
        self.how_far(key, opened).await
    }

    pub(in super::super) async fn accept_channel(&self, request: ChannelNamed) -> Answer<ChannelRecord> {
        let (asker, opened) = oneshot::channel();
        let key = self
            .ask(move |actor| {
                let key = actor.channel_named(&request.channel)?;
                actor.accept_channel(key, asker)?;
                Ok(key)
            })
            .await?;
        self.how_far(key, opened).await
    }

    /// The channel as it is once it is open, or when that takes too long.
    async fn how_far(&self, key: ChannelKey, opened: oneshot::Receiver<Answer<()>>) -> Answer<ChannelRecord> {
        if let Ok(Ok(answer)) = timeout(OPEN_WAIT, opened).await {
            answer?;
        }
        self.ask(move |actor| actor.record_of(key)).await
    }

    pub(in super::super) async fn pay_in_channel(&self, request: ChannelPay) -> Answer<ChannelUpdated> {
        let ChannelPay { channel, amount, asset, lane, idempotency_key } = request;
        if let Some(asset) = asset.filter(|asset| *asset != AssetId::WAY) {
            let pay = move |actor: &Actor, key| actor.purse_change(key, asset, amount);
            return self.update_as(channel, Some(idempotency_key), pay).await;
        }
        if lane {
            let promised = move |actor: &mut Actor| {
                let key = actor.channel_named(&channel)?;
                let round = actor.promise_in_channel(key, amount, &idempotency_key)?;
                actor.updated(key, Done::plain(round))
            };
            return self.ask(promised).await;
        }
        self.update(channel, Some(idempotency_key), move |side| Change::Transfer { from: side, amount }).await
    }

    pub(in super::super) async fn fill_lane(&self, request: ChannelLane) -> Answer<ChannelUpdated> {
        let ChannelLane { channel, capacity } = request;
        self.update(channel, None, move |side| Change::Lane { side, capacity }).await
    }

    pub(in super::super) async fn absorb_promises(&self, request: ChannelNamed) -> Answer<ChannelUpdated> {
        let absorbed = move |actor: &mut Actor, key: ChannelKey| {
            let absorption = actor.market.channels().get(key).and_then(|channel| channel.absorption());
            absorption.ok_or_else(|| ApiError::channel_not_ready("the peer has promised nothing that is not absorbed"))
        };
        let name = request.channel.clone();
        let change = self
            .ask(move |actor| {
                let key = actor.channel_named(&name)?;
                absorbed(actor, key)
            })
            .await?;
        self.update(request.channel, None, move |_| change).await
    }

    /// Absorbs what either side has promised, then sets what is in our lane: one round for each that there is to do.
    pub(in super::super) async fn update_channel(&self, request: ChannelUpdate) -> Answer<ChannelUpdated> {
        let ChannelUpdate { channel, lane } = request;
        let mut done = None;
        for step in [Settling::Theirs, Settling::Ours, Settling::Lane] {
            let name = channel.clone();
            let due = self.ask(move |actor| actor.due_in_channel(&name, step, lane)).await?;
            if let Some(change) = due {
                done = Some(self.update(channel.clone(), None, move |_| change).await?);
            }
        }
        done.ok_or_else(|| {
            ApiError::channel_not_ready(
                "nothing is promised that is not absorbed, and our lane is as it is to be; `--lane` sets what is in it",
            )
        })
    }

    pub(in super::super) async fn cancel_update(&self, request: ChannelNamed) -> Answer<ChannelUpdated> {
        self.ask(move |actor| {
            let key = actor.channel_named(&request.channel)?;
            actor.cancel_update(key)?;
            let round = actor.record_of(key)?.round;
            actor.updated(key, Done::plain(round))
        })
        .await
    }

    pub(in super::super) async fn deploy_contract(&self, request: ChannelDeploy) -> Answer<ChannelUpdated> {
        let ChannelDeploy { channel, code, value, gas, idempotency_key } = request;
        let gas = gas.unwrap_or(byway_channel::CREATE_GAS_MAX);
        self.update(channel, Some(idempotency_key), move |side| {
            let (target, evidence) = (Target::Create, Vec::new());
            Change::Call(ContractCall { caller: side, target, value, input: code.0, gas, evidence })
        })
        .await
    }

    pub(in super::super) async fn call_contract(&self, request: ChannelCall) -> Answer<ChannelUpdated> {
        let ChannelCall { channel, contract, input, value, gas, idempotency_key } = request;
        let (target, gas) = (target(&contract)?, gas.unwrap_or(CALL_GAS_DEFAULT));
        self.update(channel, Some(idempotency_key), move |side| {
            Change::Call(ContractCall { caller: side, target, value, input: input.0, gas, evidence: Vec::new() })
        })
        .await
    }

    pub(in super::super) async fn upgrade_contract(&self, request: ChannelUpgrade) -> Answer<ChannelUpdated> {
        let ChannelUpgrade { channel, contract, code } = request;
        let contract = address(&contract)?;
        let change = ContractChange::Upgrade { contract, code: code.0 };
        self.update(channel, None, move |_| Change::Contract(change)).await
    }

    pub(in super::super) async fn remove_contract(&self, request: ChannelRemove) -> Answer<ChannelUpdated> {
        let ChannelRemove { channel, contract, ours, theirs } = request;
        let contract = address(&contract)?;
        self.update(channel, None, move |side| {
            let (ours, theirs) = match (ours, theirs) {
                (None, None) => return Change::Contract(ContractChange::Remove { contract, shares: None }),
                (ours, theirs) => (ours.unwrap_or_default(), theirs.unwrap_or_default()),
            };
            let shares = if side == Side::Initiator { [ours, theirs] } else { [theirs, ours] };
            Change::Contract(ContractChange::Remove { contract, shares: Some(shares) })
        })
        .await
    }

    pub(in super::super) async fn look_at_contract(&self, request: ChannelLook) -> Answer<ContractOutput> {
        let ChannelLook { channel, contract, input } = request;
        let target = target(&contract)?;
        self.ask(move |actor| {
            let key = actor.channel_named(&channel)?;
            let channel =
                actor.market.channels().get(key).ok_or_else(|| ApiError::channel_not_ready("it is closed"))?;
            let call = ContractCall {
                caller: channel.side(),
                target,
                value: Amount::ZERO,
                input: input.0,
                gas: CALL_GAS_DEFAULT,
                evidence: Vec::new(),
            };
            let execution = channel.try_call(&call).map_err(ApiError::update_refused)?;
            let returned = execution.outcome == Outcome::Returned;
            Ok(ContractOutput { output: ContractBytes(execution.output), gas_used: execution.gas_used, returned })
        })
        .await
    }

    pub(in super::super) async fn close_channel(&self, request: ChannelClose) -> Answer<ChannelRecord> {
        let ChannelClose { channel, alone, split } = request;
        if let Some(split) = split {
            return self.split_channel(channel, split).await;
        }
        let (key, closed) = self.ask(move |actor| actor.begin_to_close(&channel, alone)).await?;
        if !alone && let Ok(Ok(answer)) = timeout(CLOSE_WAIT, closed).await {
            answer?;
        }
        self.ask(move |actor| actor.record_of(key)).await
    }

    /// Puts money in or takes some out, and waits until the ledger has done it. To put nothing in of an asset is to let it in.
    pub(in super::super) async fn fund_channel(&self, request: ChannelFund) -> Answer<ChannelRecord> {
        let ChannelFund { channel, movement, amount, asset, idempotency_key } = request;
        if let (true, Some(asset)) = (amount.is_zero(), asset) {
            return self
                .ask(move |actor| {
                    let key = actor.channel_named(&channel)?;
                    actor.value_of(asset, amount)?;
                    actor.admit_asset(key, asset)?;
                    actor.record_of(key)
                })
                .await;
        }
        let movement = match movement {
            ChannelMovement::Deposit => Movement::Deposit,
            ChannelMovement::Withdraw => Movement::Withdraw,
        };
        let (asker, funded) = oneshot::channel();
        let key = self
            .ask(move |actor| {
                let key = actor.channel_named(&channel)?;
                let value = actor.value_of(asset.unwrap_or(AssetId::WAY), amount)?;
                let once = Some(Once::fund(&idempotency_key, key, movement, value));
                actor.fund_channel(key, Movable::new(Moved::Own { movement, value }, once, asker))?;
                Ok(key)
            })
            .await?;
        self.moved(key, funded).await
    }

    /// Has both let a contract leave, and waits until the ledger has it. Its code must be there before.
    pub(in super::super) async fn let_contract_leave(&self, request: ChannelLeave) -> Answer<ChannelRecord> {
        let ChannelLeave { channel, contract } = request;
        let contract = address(&contract)?;
        let (key, codes) = self
            .ask(move |actor| {
                let key = actor.channel_named(&channel)?;
                actor.has_contract(key, contract)?;
                Ok((key, actor.register_codes(key, Some(contract))?))
            })
            .await?;
        for (_, fate) in codes {
            self.final_verdict(fate).await?;
        }
        let (asker, left) = oneshot::channel();
        self.ask(move |actor| {
            let seen = Some(actor.has_contract(key, contract)?);
            actor.fund_channel(key, Movable::new(Moved::Leaving { contract, seen }, None, asker))
        })
        .await?;
        self.moved(key, left).await
    }

    /// The channel once the ledger has moved what was asked for.
    async fn moved(&self, key: ChannelKey, moved: oneshot::Receiver<Answer<()>>) -> Answer<ChannelRecord> {
        match timeout(FUND_WAIT, moved).await {
            Ok(Ok(moved)) => moved?,
            _ => {
                return Err(ApiError::channel_not_ready(
                    "the peer has not signed it yet, or the ledger not done it; it may still be",
                ));
            }
        }
        self.ask(move |actor| actor.record_of(key)).await
    }

    /// Has the ledger execute a call: first it is given the codes that it needs.
    pub(in super::super) async fn force_in_channel(&self, request: ChannelCall) -> Answer<ChannelUpdated> {
        let ChannelCall { channel, contract, input, value, gas, .. } = request;
        let (target, gas) = (target(&contract)?, gas.unwrap_or(CALL_GAS_DEFAULT));
        let (key, codes) = self
            .ask(move |actor| {
                let key = actor.channel_named(&channel)?;
                Ok((key, actor.register_codes(key, None)?))
            })
            .await?;
        for (_, fate) in codes {
            self.final_verdict(fate).await?;
        }
        let (asker, handed) = oneshot::channel();
        let (round, call) = self
            .ask(move |actor| {
                let (caller, evidence) = (actor.side_in(key)?, Vec::new());
                let call = ContractCall { caller, target, value, input: input.0, gas, evidence };
                Ok((actor.force_call(key, &call, asker)?, call))
            })
            .await?;
        let handed = timeout(VERDICT_WAIT, handed).await.ok().and_then(Result::ok);
        let (_, fate) = handed.ok_or_else(|| ApiError::call_not_forced("it could not be handed in"))??;
        self.final_verdict(fate).await?;
        self.ask(move |actor| {
            let gas_used = actor.forced_outcome(key, round, &call)?;
            let Target::Contract(contract) = target else { return Err(ApiError::internal()) };
            actor.updated(key, Done { round, contract: Some(contract), gas_used, output: None })
        })
        .await
    }

    pub(super) async fn final_verdict(&self, fate: oneshot::Receiver<Fate>) -> Answer<()> {
        match timeout(VERDICT_WAIT, fate).await {
            // Somebody else was faster to give the ledger that code.
            Ok(Ok(Fate::Final | Fate::Rejected(Reject::CodeKnown))) => Ok(()),
            Ok(Ok(Fate::Rejected(reject))) => Err(ApiError::call_not_forced(reject)),
            Ok(Ok(Fate::Refused(why))) => Err(ApiError::not_taken(&why)),
            _ => Err(ApiError::call_not_forced("the ledger has not answered in time; it may still do it")),
        }
    }

    /// Makes an update of ours, and waits until both have signed it.
    async fn update(
        &self,
        channel: String,
        once: Option<params::IdempotencyKey>,
        change: impl FnOnce(Side) -> Change + Send + 'static,
    ) -> Answer<ChannelUpdated> {
        self.update_as(channel, once, move |actor, key| Ok(change(actor.side_in(key)?))).await
    }

    /// The same, of a change that depends on more of the channel than its side.
    async fn update_as(
        &self,
        channel: String,
        once: Option<params::IdempotencyKey>,
        change: impl FnOnce(&Actor, ChannelKey) -> Answer<Change> + Send + 'static,
    ) -> Answer<ChannelUpdated> {
        let (asker, done) = oneshot::channel();
        let key = self
            .ask(move |actor| {
                let key = actor.channel_named(&channel)?;
                let change = change(actor, key)?;
                actor.want_update(key, change, once, asker)?;
                Ok(key)
            })
            .await?;
        match timeout(UPDATE_WAIT, done).await {
            Ok(Ok(done)) => {
                let done = done?;
                self.ask(move |actor| actor.updated(key, done)).await
            }
            _ => {
                self.ask(move |actor| Err(ApiError::peer_silent(actor.record_of(key)?.waiting.unwrap_or_default())))
                    .await
            }
        }
    }
}

/// What a state is brought up to date by, in this order.
#[derive(Debug, Clone, Copy)]
enum Settling {
    /// What the peer has promised comes into our balance, …
    Theirs,
    /// … what we have promised into the peer's.
    Ours,
    Lane,
}

pub(super) fn address(contract: &str) -> Answer<Address> {
    match target(contract)? {
        Target::Contract(address) => Ok(address),
        Target::Create => Err(ApiError::internal()),
    }
}

impl Actor {
    fn side_in(&self, key: ChannelKey) -> Answer<Side> {
        let channel = self.market.channels().get(key);
        channel.map(|channel| channel.side()).ok_or_else(|| ApiError::channel_not_ready("it is closed"))
    }

    /// What is to be done for one step of bringing a channel up to date, if anything.
    fn due_in_channel(&self, name: &str, step: Settling, lane: Option<Amount>) -> Answer<Option<Change>> {
        let channel = self.market.channels().get(self.channel_named(name)?);
        let channel = channel.ok_or_else(|| ApiError::channel_not_ready("it is closed"))?;
        let side = channel.side();
        Ok(match step {
            Settling::Theirs => channel.absorption_of(side.other()),
            Settling::Ours => channel.absorption_of(side),
            Settling::Lane => {
                let has = channel.position().lanes[side.index()].capacity;
                lane.filter(|wanted| *wanted != has).map(|capacity| Change::Lane { side, capacity })
            }
        })
    }

    /// A contract in a channel, as it is. One that has nothing can't leave.
    fn has_contract(&self, key: ChannelKey, contract: Address) -> Answer<Account> {
        let channel = self.market.channels().get(key).ok_or_else(|| ApiError::channel_not_ready("it is closed"))?;
        let account = channel.state().account(contract).filter(|account| account.contract.is_some());
        let account = account.ok_or_else(|| ApiError::update_refused("there is no such contract"))?;
        if account.balance.is_zero() {
            return Err(ApiError::update_refused("a contract that has nothing stays in the channel"));
        }
        Ok(account)
    }

    /// Has the ledger keep the codes of a channel's contracts, or of one, that it doesn't know.
    fn register_codes(&mut self, key: ChannelKey, of: Option<Address>) -> Answer<Vec<Handed>> {
        let codes = self.unregistered_codes(key, of);
        codes.into_iter().map(|(code, price)| self.register_code(code, price)).collect()
    }

    fn begin_to_close(&mut self, name: &str, alone: bool) -> Answer<(ChannelKey, oneshot::Receiver<Answer<()>>)> {
        let (key, now) = (self.channel_named(name)?, self.clock.now());
        let (asker, closed) = oneshot::channel();
        let begun = self.market.with_channel(now, key, &self.market_journal, |channel| match alone {
            true => channel.close_alone(now),
            false => channel.close(now),
        });
        begun.ok_or_else(|| ApiError::channel_not_ready("it is closed"))?.map_err(ApiError::channel_not_ready)?;
        self.channels.closing.entry(key).or_default().push(asker);
        Ok((key, closed))
    }

    /// What a caller hears of an update that is done.
    fn updated(&self, key: ChannelKey, done: Done) -> Answer<ChannelUpdated> {
        let Done { round, contract, gas_used, output } = done;
        let contract = contract.map(|contract| format!("0x{}", hex::encode(contract.0)));
        Ok(ChannelUpdated {
            round,
            contract,
            output: output.map(ContractBytes),
            gas_used,
            record: self.record_of(key)?,
        })
    }
}
