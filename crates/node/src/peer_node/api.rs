//! The local API over a running market node.

use std::time::Duration;

use byway_crypto::Address;
use byway_dialogue::payment::SettleError;
use byway_kernel::follower::protocol::{Answer as KernelAnswer, Request, StageClaim};
use byway_peer::market::MarketError;
use byway_peer::wallet::{BuildError, Payee, Wish};
use byway_primitives::{Amount, IdentityId, Time};
use byway_records::TransactionId;
use byway_records::call::{Call, OffersCall, Take};
use tokio::sync::oneshot;

use super::books::{Fate, way};
use super::{Actor, PeerNode, audit};
use crate::api::*;

/// How long a call about money waits for its verdict before it answers "sent".
const VERDICT_WAIT: Duration = Duration::from_secs(5);

impl NodeApi for PeerNode {
    fn events(&self) -> Events {
        self.events.subscribe()
    }

    async fn node_status(&self) -> Answer<NodeStatus> {
        self.ask(|actor| Ok(actor.status())).await
    }

    async fn identity_list(&self) -> Answer<Vec<Identity>> {
        self.ask(|actor| Ok(vec![Identity { purpose: Some(actor.purpose()), ..actor.identity() }])).await
    }

    async fn identity_register(&self, request: IdentityRegister) -> Answer<Entry> {
        self.spend(move |actor| {
            let me = actor.me();
            match request.id {
                Some(other) if other != me => Err(ApiError::identity_not_found(other)),
                _ if actor.is_registered(me) => Err(ApiError::already_registered(me)),
                _ => Ok((actor.registration(), true)),
            }
        })
        .await
    }

    async fn offer_list(&self, request: OfferList) -> Answer<Vec<Offer>> {
        self.ask(move |actor| Ok(actor.offers(&request.filter, request.limit))).await
    }

    async fn offer_prefer(&self, request: OfferPrefer) -> Answer<()> {
        self.ask(move |actor| {
            match request.preferred {
                true => actor.preferred.insert(request.provider),
                false => actor.preferred.remove(&request.provider),
            };
            actor.keep_choices();
            actor.publish_offers();
            Ok(())
        })
        .await
    }

    async fn offer_publish(&self, request: OfferPublish) -> Answer<Publication> {
        let offer_id = self
            .ask(move |actor| {
                actor.sell_under(&request)?;
                actor.offer_id_next().ok_or_else(|| ApiError::not_supported("address under which it could be reached"))
            })
            .await?;
        let entry = self
            .spend(move |actor| {
                if !actor.is_registered(actor.me()) {
                    return Err(ApiError::not_registered(actor.me()));
                }
                let publication = actor.publication();
                publication.map(|wish| (wish, true)).ok_or_else(|| {
                    ApiError::invalid_params("price_per_mb", "the offer is on the market with these terms already")
                })
            })
            .await?;
        Ok(Publication { offer_id, entry })
    }

    async fn offer_withdraw(&self, request: OfferWithdraw) -> Answer<Entry> {
        self.spend(move |actor| {
            let me = actor.me();
            let published = actor.index.offer(request.offer_id).filter(|o| o.offer.offer.provider == me);
            let published = published.ok_or_else(|| ApiError::offer_not_found(request.offer_id))?;
            let serial = published.offer.offer.serial;
            let call = Some(Call::Offers(OffersCall::Withdraw { provider: me, serial }));
            actor.config.selling = None;
            Ok((Wish { call, ..Wish::default() }, true))
        })
        .await
    }

    async fn connect(&self, target: ConnectTarget) -> Answer<Session> {
        let (answer, answered) = oneshot::channel();
        self.ask(move |actor| {
            actor.connect(target, answer);
            Ok(())
        })
        .await?;
        let session = answered.await.map_err(|_| ApiError::superseded())??;
        self.ask(move |actor| {
            let wanted = SessionId(session.to_string());
            let found = actor.session_records(usize::MAX).into_iter().find(|record| record.id == wanted);
            found.ok_or_else(ApiError::superseded)
        })
        .await
    }

    async fn disconnect(&self) -> Answer<()> {
        self.ask(|actor| {
            actor.disconnect();
            Ok(())
        })
        .await
    }

    async fn session_list(&self, limit: usize) -> Answer<Vec<Session>> {
        self.ask(move |actor| Ok(actor.session_records(limit))).await
    }

    async fn spending_limits_set(&self, request: SpendingLimits) -> Answer<Spending> {
        self.ask(move |actor| {
            if let Some(session_max) = request.session_max {
                actor.limits.session_max = session_max;
            }
            if let Some(day_max) = request.day_max {
                actor.limits.day_max = day_max;
                let (now, day_max) = (actor.clock.now(), day_max.unwrap_or(Amount::MAX));
                actor.market.set_day_max(now, day_max, &actor.market_journal);
            }
            actor.keep_choices();
            Ok(actor.spending())
        })
        .await
    }

    async fn promise_list(&self) -> Answer<Vec<Promise>> {
        self.ask(|actor| {
            let peers = actor.market.peers();
            Ok(peers.into_iter().flat_map(|peer| actor.promises_with(peer)).collect())
        })
        .await
    }

    async fn promise_settle(&self, request: PromiseSettle) -> Answer<PromiseSettlement> {
        let peer = request.counterparty;
        self.ask(move |actor| {
            let now = actor.clock.now();
            match actor.market.settle(now, peer, Take::Whole, &actor.market_journal) {
                Ok(()) | Err(MarketError::Settle(SettleError::UnderWay)) => {
                    Ok(PromiseSettlement { entries: Vec::new(), asked: true })
                }
                Err(MarketError::UnknownPeer(_)) => Err(ApiError::promise_not_found(peer)),
                Err(_) if actor.owes(peer) => Err(ApiError::new(
                    ErrorKind::NothingToSettle,
                    format!("{peer} owes us nothing, and what we owe it only it can settle."),
                    "Nothing is to be done: it settles when enough is open.",
                )),
                Err(_) => Err(ApiError::nothing_to_settle()),
            }
        })
        .await
    }

    async fn wallet_address(&self) -> Answer<WalletAddress> {
        self.ask(|actor| Ok(WalletAddress { address: actor.wallet.address().to_string() })).await
    }

    async fn wallet_balance(&self) -> Answer<Balance> {
        self.ask(|actor| Ok(actor.balance())).await
    }

    async fn wallet_history(&self, request: WalletHistory) -> Answer<Vec<Entry>> {
        self.ask(move |actor| {
            let before = request.before_ms.unwrap_or(Time(u64::MAX));
            let entries = actor.entries(usize::MAX / 4).into_iter().filter(|entry| entry.time_ms < before);
            Ok(entries.take(request.limit).collect())
        })
        .await
    }

    async fn wallet_send(&self, request: WalletSend) -> Answer<Entry> {
        let address: Address = request.to.parse().map_err(|why| ApiError::invalid_address("to", why))?;
        self.spend(move |_| Ok((Actor::payment(Payee { address, value: way(request.amount) }), false))).await
    }

    async fn wallet_deposit(&self, request: WalletMove) -> Answer<Entry> {
        self.spend(move |actor| Ok((actor.deposit(request.amount), false))).await
    }

    async fn wallet_withdraw(&self, request: WalletMove) -> Answer<Entry> {
        self.spend(move |actor| {
            let available = actor.balance().account;
            // An announcement replaces the one before, so that it has to hold what is leaving already.
            let leaving = actor.account(actor.me()).balance.saturating_sub(available);
            match leaving.checked_add(request.amount).filter(|_| request.amount <= available) {
                None => Err(ApiError::insufficient_account(request.amount, available)),
                Some(all) => Ok((actor.announcement(all), true)),
            }
        })
        .await
    }

    async fn kernel_pulse(&self) -> Answer<KernelPulse> {
        let member = self.ask(|actor| Ok(actor.ledger.current())).await?;
        let answer = self.kernel.ask(member, &Request::Pulse { since: 0 }).await;
        let Ok(KernelAnswer::Pulse(pulse)) = answer else { return Err(ApiError::kernel_unreachable()) };
        self.ask(move |actor| Ok(actor.pulse(&pulse))).await
    }

    async fn ledger_audit(&self) -> Answer<Audit> {
        let tip = self.ask(|actor| Ok(actor.ledger.follower().tip().map(|tip| tip.height))).await?;
        audit::audit(&self.kernel, self.genesis.clone(), tip.unwrap_or_default()).await
    }

    async fn ledger_transaction(&self, id: TransactionId) -> Answer<TransactionRecord> {
        // What is ours was read from certified checkpoints; of others a kernel node says how far they are.
        let own = self
            .ask(move |actor| Ok(actor.entries(usize::MAX / 4).into_iter().find(|e| e.transaction_id == id)))
            .await?;
        if let Some(entry) = own.filter(|entry| matches!(entry.stage, Stage::Final | Stage::Rejected)) {
            return Ok(TransactionRecord {
                transaction_id: id,
                stage: entry.stage,
                reason: entry.reason,
                height: None,
                time_ms: Some(entry.time_ms),
                inputs: None,
                outputs: None,
            });
        }
        let member = self.ask(|actor| Ok(actor.ledger.current())).await?;
        let answer = self.kernel.ask(member, &Request::Stage { transaction: id }).await;
        let Ok(KernelAnswer::Stage(claim)) = answer else { return Err(ApiError::kernel_unreachable()) };
        let stage = match claim {
            StageClaim::Unknown => return Err(ApiError::transaction_not_found()),
            StageClaim::Pooled => Stage::Sent,
            StageClaim::Included => Stage::Included,
            StageClaim::Final => Stage::Final,
            StageClaim::Rejected => Stage::Rejected,
        };
        Ok(TransactionRecord {
            transaction_id: id,
            stage,
            reason: None,
            height: None,
            time_ms: None,
            inputs: None,
            outputs: None,
        })
    }

    async fn ledger_identity(&self, id: IdentityId) -> Answer<IdentityRecord> {
        self.ask(move |actor| {
            let registration = actor.registered(id);
            let account = actor.account(id);
            let offers = actor.index.of_service(byway_records::offer::Service::SOCKS);
            let withdrawing = account.withdrawal.filter(|withdrawal| !withdrawal.amount.is_zero());
            Ok(IdentityRecord {
                id,
                registered: registration.is_some(),
                pledge: registration.map(|registration| registration.pledge),
                since_ms: registration.map(|registration| registration.since),
                account: account.balance,
                withdrawing: withdrawing
                    .map(|w| Withdrawing { amount: w.amount, available_ms: w.ready.time })
                    .into_iter()
                    .collect(),
                offers: offers.filter(|o| o.offer.offer.provider == id).map(|o| o.id()).collect(),
                bounces: actor.bounces(id).count,
            })
        })
        .await
    }
}

impl PeerNode {
    /// Runs a call in the task.
    async fn ask<T: Send + 'static>(&self, call: impl FnOnce(&mut Actor) -> Answer<T> + Send + 'static) -> Answer<T> {
        self.call(call).await.unwrap_or_else(|| Err(ApiError::stopping()))
    }

    /// Makes a transaction and waits a while for its verdict. `wish` says what, and whether the identity signs along.
    async fn spend(&self, wish: impl FnOnce(&mut Actor) -> Answer<(Wish, bool)> + Send + 'static) -> Answer<Entry> {
        let (id, fate) = self
            .ask(move |actor| {
                if actor.ledger.follower().tip().is_none() && actor.ledger.is_cut_off() {
                    return Err(ApiError::kernel_unreachable());
                }
                let (wish, authorised) = wish(actor)?;
                let id = actor.transact(wish, authorised).map_err(build_error)?;
                Ok((id, actor.watch(id)))
            })
            .await?;
        if let Ok(Ok(Fate::Refused(reason))) = tokio::time::timeout(VERDICT_WAIT, fate).await {
            return Err(ApiError::new(ErrorKind::Internal, format!("The kernel refused it: {reason}."), "Try again."));
        }
        self.ask(move |actor| {
            let entries = actor.entries(1000).into_iter();
            entries.into_iter().find(|entry| entry.transaction_id == id).ok_or_else(ApiError::internal)
        })
        .await
    }
}

fn build_error(error: BuildError) -> ApiError {
    match error {
        BuildError::TooLittle { have, need, .. } => ApiError::insufficient_wallet(need, have),
        BuildError::Overflow | BuildError::TooScattered => ApiError::invalid_params("amount", error),
    }
}
