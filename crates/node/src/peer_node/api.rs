//! The local API over a running market node.

use std::time::Duration;

use byway_peer::wallet::{BuildError, Payee, Recipient, Wish};
use byway_primitives::{AssetId, IdentityId, Time};
use byway_records::TransactionId;
use byway_records::call::{Call, OffersCall};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::actor::Actor;
use super::books::{Fate, Order};
use super::once::Once;
use super::{PeerNode, audit, proof};
use crate::api::*;

/// How long a call about money waits for its verdict before it answers "sent".
const VERDICT_WAIT: Duration = Duration::from_secs(5);
/// How long a settlement waits: the payer is told first, which may take two seconds, and then the ledger decides.
const SETTLE_WAIT: Duration = Duration::from_secs(8);

impl NodeApi for PeerNode {
    fn events(&self) -> Events {
        self.events.subscribe()
    }

    async fn node_status(&self) -> Answer<NodeStatus> {
        self.ask(|actor| Ok(actor.status())).await
    }

    async fn identity_list(&self) -> Answer<Vec<Identity>> {
        self.ask(|actor| Ok(actor.identities())).await
    }

    async fn identity_register(&self, request: IdentityRegister) -> Answer<Entry> {
        let once = Once::new("identity_register", &request.idempotency_key, &request);
        self.spend(once, move |actor| {
            let me = actor.me();
            match request.id {
                Some(other) if other != me => Err(actor.cannot_register(other)),
                _ if actor.is_registered(me) => Err(ApiError::already_registered(me)),
                _ => Ok(actor.registration()),
            }
        })
        .await
    }

    async fn offer_list(&self, request: OfferList) -> Answer<Vec<Offer>> {
        self.ask(move |actor| Ok(actor.offers(&request.filter, request.limit))).await
    }

    async fn offer_own(&self) -> Answer<Vec<Offer>> {
        self.ask(|actor| Ok(actor.own_offers())).await
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
        let once = Once::new("offer_publish", &request.idempotency_key, &request);
        let entry = self
            .spend_and_then(once, move |actor| {
                let terms = actor.terms_to_sell_under(&request)?;
                if !actor.is_registered(actor.me()) {
                    return Err(ApiError::not_registered(actor.me()));
                }
                if !actor.can_be_reached() {
                    return Err(ApiError::not_supported("address under which it could be reached"));
                }
                let order = actor.publication(&terms.selling, terms.service);
                let order = order.ok_or_else(|| {
                    ApiError::invalid_params("price_per_mb", "the offer is on the market with these terms already")
                })?;
                Ok((order, |actor: &mut Actor, id| actor.sell_under(terms, id)))
            })
            .await?;
        let id = entry.transaction_id;
        let offer_id = self.ask(move |actor| Ok(actor.notes.of(id).and_then(|note| note.offer_id))).await?;
        Ok(Publication { offer_id: offer_id.ok_or_else(ApiError::internal)?, entry })
    }

    async fn offer_withdraw(&self, request: OfferWithdraw) -> Answer<Entry> {
        let once = Once::new("offer_withdraw", &request.idempotency_key, &request);
        self.spend_and_then(once, move |actor| {
            let me = actor.me();
            let published = actor.index.offer(request.offer_id).filter(|o| o.offer.offer.provider == me);
            let published = published.ok_or_else(|| ApiError::offer_not_found(request.offer_id))?;
            let (serial, service) = (published.offer.offer.serial, published.offer.offer.service);
            let call = Some(Call::Offers(OffersCall::Withdraw { provider: me, serial }));
            let order = Order::signed(Wish { call, ..Wish::default() });
            Ok((order, move |actor: &mut Actor, _| actor.sell_no_more(service)))
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
        self.ask(move |actor| Ok(actor.limit_spending(request))).await
    }

    async fn tunnel_settings(&self) -> Answer<TunnelSettings> {
        self.ask(|actor| Ok(actor.tunnel_settings())).await
    }

    async fn tunnel_settings_set(&self, request: TunnelSettingsSet) -> Answer<TunnelSettings> {
        self.ask(|actor| Ok(actor.set_tunnel(request))).await
    }

    async fn promise_list(&self) -> Answer<Vec<Promise>> {
        self.ask(|actor| {
            let peers = actor.market.peers();
            Ok(peers.into_iter().flat_map(|peer| actor.promises_with(peer)).collect())
        })
        .await
    }

    async fn promise_settle(&self, request: PromiseSettle) -> Answer<PromiseSettlement> {
        self.settle(request).await
    }

    async fn wallet_address(&self) -> Answer<WalletAddress> {
        self.ask(|actor| Ok(WalletAddress { address: actor.wallet.address().to_string() })).await
    }

    async fn wallet_view_key(&self) -> Answer<WalletViewKey> {
        self.ask(|actor| Ok(actor.view_key())).await
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
        let to: Recipient = request.to.parse().map_err(|why| ApiError::invalid_address("to", why))?;
        let once = Once::new("wallet_send", &request.idempotency_key, &request);
        self.spend(once, move |actor| {
            let value = actor.value_of(request.asset.unwrap_or(AssetId::WAY), request.amount)?;
            Ok(Actor::payment(Payee { to, value }))
        })
        .await
    }

    async fn wallet_deposit(&self, request: WalletMove) -> Answer<Entry> {
        let once = Once::new("wallet_deposit", &request.idempotency_key, &request);
        self.spend(once, move |actor| Ok(actor.deposit(request.amount))).await
    }

    async fn wallet_withdraw(&self, request: WalletMove) -> Answer<Entry> {
        let once = Once::new("wallet_withdraw", &request.idempotency_key, &request);
        self.spend(once, move |actor| {
            let available = actor.balance().account;
            // An announcement replaces the one before, so that it has to hold what is leaving already.
            let leaving = actor.account(actor.me()).balance.saturating_sub(available);
            match leaving.checked_add(request.amount).filter(|_| request.amount <= available) {
                None => Err(ApiError::insufficient_account(request.amount, available)),
                Some(all) => Ok(actor.announcement(all, request.amount)),
            }
        })
        .await
    }

    async fn wallet_consolidate(&self, request: WalletConsolidate) -> Answer<Consolidation> {
        self.ask(move |actor| actor.consolidate(request)).await
    }

    async fn asset_list(&self) -> Answer<Vec<Asset>> {
        self.ask(|actor| Ok(actor.assets())).await
    }

    async fn asset_register(&self, request: AssetRegister) -> Answer<Entry> {
        let once = Once::new("asset_register", &request.idempotency_key, &request);
        self.spend(once, move |actor| actor.asset_registration(&request)).await
    }

    async fn asset_issue(&self, request: AssetIssue) -> Answer<Entry> {
        let to = request.to.as_ref().map(|to| to.parse()).transpose();
        let to: Option<Recipient> = to.map_err(|why| ApiError::invalid_address("to", why))?;
        let once = Once::new("asset_issue", &request.idempotency_key, &request);
        self.spend(once, move |actor| actor.issue(actor.value_of(request.asset, request.amount)?, to)).await
    }

    async fn asset_burn(&self, request: AssetBurn) -> Answer<Entry> {
        let once = Once::new("asset_burn", &request.idempotency_key, &request);
        self.spend(once, move |actor| actor.burn(actor.value_of(request.asset, request.amount)?)).await
    }

    async fn group_list(&self) -> Answer<Vec<GroupRecord>> {
        self.ask(|actor| Ok(actor.group_records())).await
    }

    async fn group_join(&self, request: GroupJoin) -> Answer<GroupRecord> {
        self.ask(move |actor| actor.join_group(&request)).await
    }

    async fn group_propose(&self, request: GroupPropose) -> Answer<GroupProposal> {
        self.ask(move |actor| actor.propose(&request)).await
    }

    async fn group_show(&self, request: GroupLook) -> Answer<GroupProposal> {
        self.ask(move |actor| actor.look_at(&request)).await
    }

    async fn group_sign(&self, request: GroupLook) -> Answer<GroupProposal> {
        self.ask(move |actor| actor.countersign(&request)).await
    }

    async fn group_submit(&self, request: GroupSubmit) -> Answer<Entry> {
        let once = Once::new("group_submit", &request.idempotency_key, &request);
        self.send_once(once, move |actor, once| actor.submit_proposal(&request, once)).await
    }

    async fn kernel_owner(&self) -> Answer<KernelOwner> {
        self.ask(|actor| Ok(KernelOwner { owner: actor.owner() })).await
    }

    async fn kernel_look(&self, request: KernelLook) -> Answer<KernelPlan> {
        self.ask(move |actor| actor.plan(&request)).await
    }

    async fn kernel_join(&self, request: KernelJoin) -> Answer<Entry> {
        let once = Once::new("kernel_join", &request.idempotency_key, &request);
        self.spend(once, move |actor| actor.join(&request)).await
    }

    async fn kernel_leave(&self, request: KernelSeat) -> Answer<Entry> {
        let once = Once::new("kernel_leave", &request.idempotency_key, &request);
        self.spend(once, move |actor| actor.leave(request.seat)).await
    }

    async fn kernel_reclaim(&self, request: KernelSeat) -> Answer<Entry> {
        let once = Once::new("kernel_reclaim", &request.idempotency_key, &request);
        self.spend(once, move |actor| actor.reclaim(request.seat)).await
    }

    async fn kernel_rotate(&self, request: KernelRotate) -> Answer<Entry> {
        let once = Once::new("kernel_rotate", &request.idempotency_key, &request);
        self.spend(once, move |actor| actor.rotate(&request)).await
    }

    async fn kernel_appeal(&self, request: KernelAppeal) -> Answer<Entry> {
        let once = Once::new("kernel_appeal", &request.idempotency_key, &request);
        self.spend(once, move |actor| actor.appeal(&request)).await
    }

    async fn kernel_upgrade(&self, request: KernelUpgrade) -> Answer<Entry> {
        let once = Once::new("kernel_upgrade", &request.idempotency_key, &request);
        self.spend(once, move |actor| actor.upgrade(&request)).await
    }

    async fn ledger_audit(&self) -> Answer<Audit> {
        let tip = self.ask(|actor| Ok(actor.ledger.follower().tip().map(|tip| tip.height))).await?;
        audit::audit(&self.kernel, self.genesis.clone(), tip.unwrap_or_default()).await
    }

    async fn ledger_transaction(&self, id: TransactionId) -> Answer<TransactionRecord> {
        let reachable: Vec<u8> = self.ask(|actor| Ok(actor.kernel_view.keys().copied().collect())).await?;
        match proof::prove(self, id, &reachable).await {
            Ok(record) => Ok(record),
            // What is ours is known here too, if with less around it.
            Err(error) => self.ask(move |actor| actor.own_record(id).ok_or(error)).await,
        }
    }

    async fn ledger_identity(&self, id: IdentityId) -> Answer<IdentityRecord> {
        self.ask(move |actor| {
            let registration = actor.registered(id);
            let account = actor.account(id);
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
                offers: actor.index.of_provider(id).map(|offer| offer.id()).collect(),
                bounces: actor.bounces(id).count,
            })
        })
        .await
    }
}

impl PeerNode {
    /// Runs a call in the task.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut Actor) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        self.call(call).await.unwrap_or_else(|| Err(ApiError::stopping()))
    }

    /// Makes a transaction, once, and waits a while for its verdict.
    async fn spend(
        &self,
        once: Once,
        order: impl FnOnce(&mut Actor) -> Answer<Order> + Send + 'static,
    ) -> Answer<Entry> {
        self.spend_and_then(once, |actor| Ok((order(actor)?, |_: &mut Actor, _| {}))).await
    }

    /// Likewise; what comes with the order is done to the task once the transaction is made and written down, and not at
    /// all when it can't be made.
    async fn spend_and_then<F>(
        &self,
        once: Once,
        order: impl FnOnce(&mut Actor) -> Answer<(Order, F)> + Send + 'static,
    ) -> Answer<Entry>
    where
        F: FnOnce(&mut Actor, TransactionId),
    {
        self.send_once(once, move |actor, once| {
            let (order, then) = order(actor)?;
            let id = actor.transact(order, Some(once)).map_err(|error| actor.build_error(error))?;
            then(actor, id);
            Ok(id)
        })
        .await
    }

    /// Has a transaction made, written down under its key, and sent, unless that was done before; waits a while for its
    /// verdict.
    async fn send_once(
        &self,
        once: Once,
        make: impl FnOnce(&mut Actor, &Once) -> Answer<TransactionId> + Send + 'static,
    ) -> Answer<Entry> {
        let (id, fate) = self
            .ask(move |actor| {
                if let Some(&[id, ..]) = actor.once.find(&once, actor.clock.now())? {
                    return Ok((id, None));
                }
                if actor.ledger.follower().tip().is_none() && actor.ledger.is_cut_off() {
                    return Err(ApiError::kernel_unreachable());
                }
                let id = make(actor, &once)?;
                Ok((id, Some(actor.watch(id))))
            })
            .await?;
        if let Some(fate) = fate
            && let Ok(Ok(Fate::Refused(reason))) = tokio::time::timeout(VERDICT_WAIT, fate).await
        {
            return Err(ApiError::not_taken(&reason));
        }
        self.ask(move |actor| actor.entry_of(id).ok_or_else(ApiError::internal)).await
    }

    /// Has what a peer owes settled, promise by promise, and waits a while for how that ends.
    async fn settle(&self, request: PromiseSettle) -> Answer<PromiseSettlement> {
        let peer = request.counterparty;
        let once = request.idempotency_key.as_ref().map(|key| Once::new("promise_settle", key, &request));
        let asked = once.clone();
        let before = self.ask(move |actor| actor.settled_before(asked.as_ref())).await?;
        let (mut transactions, is_known) = before.map_or((Vec::new(), false), |before| (before, true));
        let mut is_under_way = false;
        let rounds = if is_known { 0 } else { self.ask(move |actor| actor.promises_to_settle(peer)).await? };
        let until = Instant::now() + SETTLE_WAIT;
        for _ in 0..rounds {
            let (asker, begun) = oneshot::channel();
            self.ask(move |actor| actor.settle_now(peer, asker).map_err(|_| ApiError::nothing_to_settle())).await?;
            is_under_way = true;
            if request.wait == Some(false) {
                break;
            }
            let Ok(Ok((id, fate))) = tokio::time::timeout_at(until, begun).await else { break };
            transactions.push(id);
            let once = once.clone();
            self.ask(move |actor| actor.note_settling(once.as_ref(), id)).await?;
            match tokio::time::timeout_at(until, fate).await {
                Ok(Ok(Fate::Final)) => is_under_way = false,
                Ok(Ok(Fate::Rejected(_) | Fate::Lapsed)) => {
                    is_under_way = false;
                    break;
                }
                _ => break,
            }
        }
        self.ask(move |actor| {
            let entries: Vec<Entry> = transactions.into_iter().filter_map(|id| actor.entry_of(id)).collect();
            let asked = is_under_way || entries.iter().any(|entry| entry.stage == Stage::Sent);
            Ok(PromiseSettlement { entries, asked })
        })
        .await
    }
}

impl Actor {
    /// The transactions of a settlement that was asked for under this key before.
    fn settled_before(&self, once: Option<&Once>) -> Answer<Option<Vec<TransactionId>>> {
        let Some(once) = once else { return Ok(None) };
        Ok(self.once.find(once, self.clock.now())?.map(<[_]>::to_vec))
    }

    /// Of how many promises of `peer` something is open.
    fn promises_to_settle(&self, peer: IdentityId) -> Answer<usize> {
        let Some(pair) = self.market.pair(peer) else { return Err(ApiError::promise_not_found(peer)) };
        match pair.taken.iter().filter(|taken| !taken.unsettled.is_zero()).count() {
            0 if self.owes(peer) => Err(ApiError::only_the_payee_settles(peer, self.me())),
            0 => Err(ApiError::nothing_to_settle()),
            open => Ok(open),
        }
    }

    fn note_settling(&mut self, once: Option<&Once>, id: TransactionId) -> Answer<()> {
        if let Some(once) = once {
            let batch = self.once.note(once, id, self.clock.now());
            self.write_ledger(batch);
        }
        Ok(())
    }

    /// Why another identity than the node's own can't be registered here.
    fn cannot_register(&self, id: IdentityId) -> ApiError {
        match self.config.identities.iter().find(|known| known.id == id) {
            Some(known) => ApiError::not_in_use(id, &known.purpose.to_string()),
            None => ApiError::identity_not_found(id),
        }
    }

    pub(super) fn build_error(&self, error: BuildError) -> ApiError {
        match error {
            BuildError::TooLittle { have, need, asset } => match self.asset_tag(asset) {
                Some(tag) => ApiError::insufficient_asset(&tag.symbol, need, have),
                None => ApiError::insufficient_wallet(need, have),
            },
            BuildError::ReadOnly => ApiError::read_only_wallet(),
            BuildError::TooFine { .. } | BuildError::NotFree => ApiError::invalid_params("amount", error),
            BuildError::Overflow | BuildError::TooScattered | BuildError::TooManyPayees => {
                ApiError::invalid_params("amount", error)
            }
        }
    }

    /// What this node knows by itself of a transaction of its own.
    fn own_record(&self, id: TransactionId) -> Option<TransactionRecord> {
        let entry = self.entry_of(id)?;
        let outcome = Outcome {
            reason: entry.reason,
            // Verdicts are read from certified checkpoints only.
            certified: matches!(entry.stage, Stage::Final | Stage::Rejected),
            time_ms: Some(entry.time_ms),
            ..Outcome::claimed(id, entry.stage)
        };
        Some(TransactionRecord { outcome, inputs: None, outputs: None })
    }
}
