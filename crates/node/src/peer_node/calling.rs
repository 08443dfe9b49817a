//! Calls into the task that take longer than one look: connecting, transactions and their verdicts, settlements.

use std::time::Duration;

use byway_peer::wallet::BuildError;
use byway_primitives::IdentityId;
use byway_records::TransactionId;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::actor::Actor;
use super::books::{Fate, Order};
use super::once::Once;
use super::ways::{Way, WayId};
use super::{PeerNode, Written};
use crate::api::*;

/// How long a call about money waits for its verdict before it answers "sent".
const VERDICT_WAIT: Duration = Duration::from_secs(5);
/// How long a settlement waits: the payer is told first, which may take two seconds, and then the ledger decides.
const SETTLE_WAIT: Duration = Duration::from_secs(8);

impl PeerNode {
    /// Opens a service that plugs in, on a sub-account's bill or the owner's.
    pub(super) async fn open_with(
        &self,
        account: Option<AccountNumber>,
        request: ServiceOpen,
    ) -> Answer<ServiceOpened> {
        let ServiceOpen { service, listen, data, country, max_price, pay } = request;
        let address = listen.unwrap_or_else(|| (std::net::Ipv4Addr::LOCALHOST, 0).into());
        // Before anything is paid for.
        let listener = tokio::net::TcpListener::bind(address).await;
        let listener = listener.map_err(|error| ApiError::cannot_listen(address, error))?;
        let filter = OfferFilter { service: Some(service), country, max_price, ..OfferFilter::default() };
        let (answer, answered) = oneshot::channel();
        let way = self
            .ask(move |actor| {
                actor.has_room_for_service()?;
                actor.check_payer(account)?;
                let way = Way { pay, ..Way::new(actor.clock.now(), filter.clone(), data.0, account) };
                let way = actor.ways.open(way);
                actor.connect(way, ConnectTarget::Cheapest(filter), answer);
                Ok(way)
            })
            .await?;
        let session = match self.session_opened(answered).await {
            Ok(session) => session,
            Err(error) => {
                self.ask(move |actor| {
                    actor.close_way(way);
                    Ok(())
                })
                .await?;
                return Err(error);
            }
        };
        let opened = move |actor: &mut Actor| {
            let opened = actor.open_service(service, way, listener);
            if opened.is_err() {
                actor.close_way(way);
            }
            opened
        };
        let access = self.ask(opened).await?;
        Ok(ServiceOpened { access, session })
    }

    /// Connects the main way, on a sub-account's bill or the owner's.
    pub(super) async fn connect_with(&self, account: Option<AccountNumber>, request: Connect) -> Answer<Session> {
        let (answer, answered) = oneshot::channel();
        self.ask(move |actor| {
            let via = actor.wanted_chain(account, &request)?;
            actor.check_pay(&request)?;
            actor.bill(WayId::MAIN, account, &request.target)?;
            actor.choose_chain(via);
            actor.choose_pay(request.pay);
            actor.connect(WayId::MAIN, request.target, answer);
            Ok(())
        })
        .await?;
        self.session_opened(answered).await
    }

    /// The session that was asked for, once it is open.
    async fn session_opened(
        &self,
        answered: oneshot::Receiver<Result<byway_access::session::SessionId, ApiError>>,
    ) -> Answer<Session> {
        let session = answered.await.map_err(|_| ApiError::superseded())??;
        self.ask(move |actor| {
            let wanted = SessionId(session.to_string());
            let found = actor.session_records(usize::MAX).into_iter().find(|record| record.id == wanted);
            found.ok_or_else(ApiError::superseded)
        })
        .await
    }

    /// Runs a call in the task.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut Actor) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        self.call(call).await.unwrap_or_else(|| Err(ApiError::stopping()))
    }

    /// Likewise; the answer comes when all that was written by then is durable, so that a crash right after it loses nothing of what was
    /// said to be done.
    pub(super) async fn ask_kept<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut Actor) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let (answered, written) = oneshot::channel();
        let asked = self.ask(move |actor| {
            let answer = call(actor)?;
            actor.answered.push(answered);
            Ok(answer)
        });
        let answer = asked.await?;
        let Written { market, ledger } = written.await.map_err(|_| ApiError::stopping())?;
        for (journal, token) in [(&self.market_durable, market), (&self.ledger_durable, ledger)] {
            let Some(token) = token else { continue };
            let mut journal = journal.clone();
            let reached = journal.wait_for(|now| now.covers(token) || now.failed.is_some()).await;
            if !reached.is_ok_and(|now| now.covers(token)) {
                return Err(ApiError::stopping());
            }
        }
        Ok(answer)
    }

    /// Looks whenever something is told until it sees what it looks for; `None` where that takes longer than `wait`.
    pub(super) async fn seen_within<T: Send + 'static>(
        &self,
        wait: Duration,
        look: impl Fn(&mut Actor) -> Answer<Option<T>> + Copy + Send + 'static,
    ) -> Answer<Option<T>> {
        let mut events = self.events();
        let looking = async {
            loop {
                if let Some(seen) = self.ask(look).await? {
                    return Ok(seen);
                }
                // What was missed is seen at the next look.
                let _ = events.recv().await;
            }
        };
        timeout(wait, looking).await.map_or(Ok(None), |seen| seen.map(Some))
    }

    /// Makes a transaction, once, and waits a while for its verdict.
    pub(super) async fn spend(
        &self,
        once: Once,
        order: impl FnOnce(&mut Actor) -> Answer<Order> + Send + 'static,
    ) -> Answer<Entry> {
        self.spend_and_then(once, |actor| Ok((order(actor)?, |_: &mut Actor, _| {}))).await
    }

    /// Likewise; what comes with the order is done to the task once the transaction is made and written down, and not at
    /// all when it can't be made.
    pub(super) async fn spend_and_then<F>(
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
    pub(super) async fn send_once(
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
    pub(super) async fn settle(&self, request: PromiseSettle) -> Answer<PromiseSettlement> {
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
            // What was turned down together with what we owe is tried alone.
            let is_tried_again = actor.market.pair(peer).is_some_and(|pair| pair.settling.is_some());
            let asked = is_under_way || is_tried_again || entries.iter().any(|entry| entry.stage == Stage::Sent);
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
    pub(super) fn cannot_register(&self, id: IdentityId) -> ApiError {
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
            BuildError::NoKey => ApiError::internal(),
            BuildError::Overflow | BuildError::TooScattered | BuildError::TooManyPayees => {
                ApiError::invalid_params("amount", error)
            }
        }
    }

    /// What this node knows by itself of a transaction of its own.
    pub(super) fn own_record(&self, id: TransactionId) -> Option<TransactionRecord> {
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
